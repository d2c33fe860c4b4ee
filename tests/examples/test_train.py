"""The main job as a user runs it, on a small folder of pictures, and everything that goes wrong."""

import dataclasses
import json
import os
import runpy
import signal
import subprocess
import sys
import time

import cv2
import keras
import numpy as np
import pytest
from helpers.examples import load_example, loaded_benchmark
from helpers.fake_datasets import fer_rows, write_fer_csv, write_ferplus_csv, write_raf_db
from helpers.shared import ROOT

from fer_models import recipes, registry
from fer_models.training.recipes import fitting

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the data pipeline is tested on TensorFlow"
)
EMOTIONS = ("angry", "happy", "sad")
WRITTEN = {
    "run.json",
    "history.csv",
    "curves.png",
    "report.md",
    "report.json",
    "confusion.png",
    "reliability.png",
    "grad_cam.png",
    "best.keras",
    "last.keras",
}


@pytest.fixture(scope="module")
def example():
    return load_example("train")


def small_network(input_shape, classes, width=1, noise_layers=1, noise_stddev=0.1, seed=None):
    image = keras.Input(input_shape)
    x = keras.layers.Conv2D(8, 5, strides=2, activation="relu")(image / 255)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(0.1, seed=seed)(x)
    return keras.Model(image, keras.layers.Dense(classes, activation="softmax")(x))


@pytest.fixture
def small_networks(monkeypatch):
    """Put a small network in the place of every other, where the test is about the script."""
    for name, entry in registry.MODELS.items():
        monkeypatch.setitem(
            registry.MODELS, name, dataclasses.replace(entry, builder=small_network)
        )


@pytest.fixture
def quick(small_networks, untraced):
    """A small network, which TensorFlow does not trace."""


@pytest.fixture
def brief(example, monkeypatch):
    """Write a report of one line, where the test is about the training."""
    import train_report

    def write(record, recipe, names, where, faces, split, output):
        (output / "report.md").write_text("brief")
        return "brief"

    monkeypatch.setattr(train_report, "write", write)


def make_folder(folder, classes=EMOTIONS, splits=("train", "validation", "test"), count=6):
    """Class folders of pictures with a bright bar whose height is the class."""
    rng = np.random.default_rng(0)
    for split in splits:
        for index, name in enumerate(classes):
            where = folder / split / name
            where.mkdir(parents=True)
            for number in range(count):
                picture = rng.integers(0, 100, (40, 40, 3)).astype("uint8")
                picture[8 * index : 8 * index + 6] += 120
                cv2.imwrite(str(where / f"{number}.png"), picture)
    return folder


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("faces with spaces"))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return tmp_path_factory.mktemp("prepared")


@pytest.fixture
def command(faces, prepared, tmp_path):
    def make(**options):
        words = {
            "data": "folder",
            "path": faces,
            "output": tmp_path / "run",
            "data-dir": prepared,
            "size": 32,
            "batch-size": 6,
            "epochs": 3,
            # Only a recipe's own augmentation is worth the time that TensorFlow takes to trace it.
            **({} if "recipe" in options else {"augmentation": "none"}),
        } | {name.replace("_", "-"): value for name, value in options.items()}
        options = [str(word) for name, value in words.items() for word in (f"--{name}", value)]
        return [*options, "--model", "width=0.25", "noise_layers=0"]

    return make


def test_the_ghostface_example_is_the_short_form(monkeypatch, capsys):
    path = str(ROOT / "examples" / "train_ghostface.py")
    monkeypatch.setattr(sys, "argv", [path, "--describe"])
    monkeypatch.setattr(sys, "path", [str(ROOT / "examples"), *sys.path])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(path, run_name="__main__")
    assert not ended.value.code
    assert '"name": "ghostface_small"' in capsys.readouterr().out


def test_the_fair_pair_differs_in_its_network_alone(example):
    settings = {}
    for name in ("fer2013", "fer2013_efficientface"):
        config = str(ROOT / "examples" / f"{name}.json")
        settings[name] = example.recipe_of(example.parse(["--config", config])).to_dict()
    ghostface, efficientface = settings.values()
    differing = {name for name in ghostface if ghostface[name] != efficientface[name]}
    assert differing == {"name", "source", "model", "model_options"}
    assert ghostface["model_options"]["stem_strides"] == 1
    assert efficientface["model_options"] == {"stem_strides": 1}


@pytest.mark.parametrize(
    "recipe",
    [
        pytest.param("emotion_cnn", marks=pytest.mark.slow),
        pytest.param("resnet50_cbam", marks=pytest.mark.slow),
        pytest.param("efficientface_ldl", marks=pytest.mark.slow),
    ],
)
def test_other_recipes(quick, example, command, tmp_path, capsys, monkeypatch, recipe):
    # The small network takes no arguments of the others', and has none of their layers.
    changed = recipes.get(recipe).replace(
        model_options={},
        freeze_batch_norm=False,
        stages=(recipes.Stage("one", 1), recipes.Stage("two", 1)),
    )
    monkeypatch.setitem(recipes.RECIPES, recipe, changed)
    words = command(recipe=recipe, epochs=2, labels="one_hot", channels=3, precision="float32")
    assert example.main(words) == 0
    assert {path.name for path in (tmp_path / "run").iterdir()} >= {*WRITTEN, "tensorboard"}
    text = (tmp_path / "run" / "report.md").read_text()
    assert changed.stated in text
    assert "weighted mean" in text
    assert "published" not in text, "nobody published on this folder"


@pytest.mark.slow
def test_fer2013_with_votes_beside_the_published_numbers(
    small_networks, example, tmp_path, monkeypatch
):
    rows = fer_rows(per_class=3)
    write_fer_csv(tmp_path / "fer", rows)
    votes = np.random.default_rng(0).multinomial(10, [0.1] * 10, len(rows))
    write_ferplus_csv(tmp_path / "fer", [usage for _, _, usage in rows], votes)
    recipe = recipes.get("emotion_cnn").replace(epochs=1, labels="soft", loss="label_distribution")
    monkeypatch.setitem(recipes.RECIPES, "emotion_cnn", recipe)
    words = ["--recipe", "emotion_cnn", "--data", "fer2013", "--path", str(tmp_path / "fer")]
    words += ["--output", str(tmp_path / "run"), "--data-dir", str(tmp_path / "prepared")]
    assert example.main([*words, "--batch-size", "8"]) == 0
    text = (tmp_path / "run" / "report.md").read_text()
    assert "published: 7,178 faces, both test sets" in text
    assert "| 0.6244 |" in text
    assert "without copies of training faces" in text


def test_published_numbers_stand_beside_ours(example):
    import train_report

    recipe = recipes.get("resnet50_cbam")
    names = ["surprise", "fear"]
    report = train_report.evaluation.classification_report([0, 1], np.eye(2), names)
    history = [{"accuracy": "0.5", "val_accuracy": "0.25"}]
    text = "\n".join(train_report.published(recipe, "raf_db", report, report, "test", history))
    assert "| accuracy | 1.0000 | 1.0000 | 0.8200 |" in text
    assert "| surprise | 1.00, 1.00, 1.00, 1 | 0.80, 0.87, 0.83, 165 |" in text
    assert "0.5000 | 0.5000 | 0.9900" in text
    assert train_report.published(recipe, "fer2013", report, report, "test", history) == []


@pytest.mark.slow
def test_a_teacher(quick, example, command, tmp_path):
    assert example.main(command(epochs=1)) == 0
    teacher = tmp_path / "run" / "best.keras"
    before = keras.models.load_model(teacher).get_weights()
    student = tmp_path / "student"
    words = command(epochs=2, size=48, teacher=teacher, output=student)
    assert example.main(words) == 0
    for name in ("best", "last"):
        plain = keras.models.load_model(student / f"{name}.keras")
        assert plain.input_shape == (None, 48, 48, 3)
    assert f"Taught by {teacher}" in (student / "report.md").read_text()
    # Which can teach in its turn.
    again = command(epochs=1, teacher=student / "best.keras", output=tmp_path / "again")
    assert example.main(again) == 0
    for a, b in zip(before, keras.models.load_model(teacher).get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    weighed = [*command(epochs=1, teacher=teacher, output=tmp_path / "w"), "--class-weights"]
    assert example.main(weighed) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "depth"], "must be NAME=VALUE, not 'depth'"),
        (["--augmentation", "{flip"], "is no JSON"),
        (["--data", "fer2013", "--train", "9"], "--train is the number of synthetic faces"),
        (["--epochs", "0"], "--epochs must be 1 or more"),
        (["--patience", "-1"], "--patience must not be negative"),
        (["--recipe", "vgg"], "invalid choice: 'vgg'"),
    ],
)
def test_bad_words(example, capsys, words, message):
    with pytest.raises(SystemExit):
        example.main(words)
    assert message in capsys.readouterr().err


def test_unknown_arguments_of_the_model(quick, example, command, capsys):
    assert example.main([*command(), "--model", "depth=3"]) == 2
    assert "ghostface has no arguments of the names ['depth']" in capsys.readouterr().err
    assert example.main([*command(), "--model", "classes=5"]) == 2
    error = capsys.readouterr().err
    assert "no arguments of the names ['classes']" in error
    assert "flags of their own" in error


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data": "nope"}, "invalid choice: 'nope'"),
        ({"precision": "bad"}, "invalid choice: 'bad'"),
        ({"epochs": [3]}, "invalid int value: '[3]'"),
        ({"speed": 3}, "unknown settings: speed"),
        ([], "must be a run.json"),
    ],
)
def test_bad_configurations(example, tmp_path, capsys, settings, message):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({"settings": settings}))
    with pytest.raises(SystemExit):
        example.main(["--config", str(path)])
    assert message in capsys.readouterr().err


def test_a_mistake_leaves_nothing_behind(quick, example, command, tmp_path, capsys):
    assert example.main(command(labels="soft")) == 2
    assert "learns from votes, which --data folder has not" in capsys.readouterr().err
    assert example.main(command(augmentation="typo")) == 2
    assert example.main(command(teacher=tmp_path / "absent.keras")) == 2
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_raf_db_as_the_slides_divide_it(quick, example, tmp_path):
    write_raf_db(tmp_path / "raf")
    words = ["--recipe", "ghostface", "--data", "raf_db", "--path", str(tmp_path / "raf")]
    words += ["--size", "32", "--epochs", "1", "--data-dir", str(tmp_path / "prepared")]
    words += ["--output", str(tmp_path / "run"), "--validation-from", "test"]
    assert example.main(words) == 0
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["faces"] == {"train": 14, "validation": 7, "test": 7}
    assert record["settings"]["validation_fraction"] == 0.5
    assert record["classes"][0] == "angry"
    assert "published: 3,068 test faces" in (tmp_path / "run" / "report.md").read_text()


@pytest.mark.slow
def test_trains_evaluates_and_explains(example, command, tmp_path, capsys):
    assert example.main(command(epochs=1)) == 0
    output = tmp_path / "run"
    assert {path.name for path in output.iterdir()} >= WRITTEN
    text = (output / "report.md").read_text()
    assert "best epoch, all" in text
    assert "trainable parameters" in text
    assert str(output) in capsys.readouterr().out
    record = json.loads((output / "run.json").read_text())
    assert record["finished"]
    assert record["faces"] == {"train": 18, "validation": 18, "test": 18}


def test_writes_everything_once(quick, example, command, tmp_path, capsys, request):
    output = tmp_path / "run"
    assert example.main(command(augmentation="basic")) == 0
    assert {path.name for path in output.iterdir()} >= WRITTEN
    request.getfixturevalue("brief")
    models_before = (output / "last.keras").stat().st_mtime_ns
    capsys.readouterr()
    assert example.main(command(augmentation="basic")) == 0
    assert (output / "report.md").read_text() == "brief"
    assert "only the report is written again" in capsys.readouterr().out
    assert (output / "last.keras").stat().st_mtime_ns == models_before

    assert example.main(["--config", str(output / "run.json"), "--describe"]) == 0
    described = capsys.readouterr().out.split("\n}\n")[0] + "}"
    assert json.loads(described) == json.loads((output / "run.json").read_text())["recipe"]


@pytest.mark.slow
def test_a_run_is_repeated_from_its_record(quick, brief, example, command, prepared, tmp_path):
    output = tmp_path / "run"
    assert example.main(command(augmentation="basic")) == 0
    again = ["--config", str(output / "run.json"), "--output", str(tmp_path / "again")]
    assert example.main([*again, "--data-dir", str(prepared)]) == 0
    weights = [
        keras.models.load_model(folder / "last.keras").get_weights()
        for folder in (output, tmp_path / "again")
    ]
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.slow
def test_the_benchmark_of_an_average_scores_what_the_run_did(
    brief, example, command, prepared, tmp_path, capsys
):
    assert example.main(command(epochs=2, ema=0.5)) == 0
    history = (tmp_path / "run" / "history.csv").read_text().split()
    last = dict(zip(history[0].split(","), history[-1].split(","), strict=True))
    with loaded_benchmark("average_statistics") as benchmark:
        found = {name: scores for name, *scores in benchmark.rows(tmp_path / "run", str(prepared))}
    accuracy, loss = found["their average, statistics of its own"]
    assert accuracy == pytest.approx(float(last["val_accuracy"]), abs=1e-6)
    assert loss == pytest.approx(float(last["val_loss"]), rel=1e-3)
    assert len({loss for _, loss in found.values()}) == 3


@pytest.mark.slow
def test_a_run_can_be_prolonged(quick, brief, example, command, tmp_path, capsys):
    constant = {"schedule": "constant"}
    assert example.main(command(epochs=1, **constant)) == 0
    assert example.main(command(epochs=3, **constant)) == 0
    assert "Resuming after 1 of at most 3 epochs" in capsys.readouterr().out
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["settings"]["epochs"] == 3
    assert record["finished"]
    assert len((tmp_path / "run" / "history.csv").read_text().split()) == 4
    assert example.main(command(epochs=2, **constant)) == 2
    assert "other settings (epochs)" in capsys.readouterr().err
    assert example.main(command(epochs=3, seed=9, **constant)) == 2
    assert "other settings (seed)" in capsys.readouterr().err


@pytest.mark.slow
def test_other_settings_in_the_same_folder_are_refused(
    quick, brief, example, command, tmp_path, capsys
):
    assert example.main(command(epochs=1)) == 0
    assert example.main(command(epochs=1, seed=9)) == 2
    assert "other settings (seed)" in capsys.readouterr().err
    (tmp_path / "run" / "curves.png").write_bytes(b"old")
    assert example.main([*command(epochs=1, seed=9), "--restart"]) == 0
    assert json.loads((tmp_path / "run" / "run.json").read_text())["settings"]["seed"] == 9


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda folder: folder / "absent", "absent"),
        (lambda folder: folder.mkdir() or folder, "this one holds no files"),
        (lambda folder: make_folder(folder, ("happy",)), "at least two class folders"),
    ],
    ids=["wrong path", "empty folder", "one class only"],
)
def test_bad_folders(example, command, tmp_path, capsys, prepare, message):
    assert example.main(command(path=prepare(tmp_path / "input"))) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert not (tmp_path / "run").exists()


def test_unreadable_images_are_counted_and_listed(quick, brief, example, command, tmp_path, capsys):
    folder = make_folder(tmp_path / "dirty")
    (folder / "train" / "happy" / "broken.png").write_bytes(b"not a picture")
    (folder / "train" / "sad" / "empty.jpg").write_bytes(b"")
    assert example.main(command(path=folder, epochs=1)) == 0
    out = capsys.readouterr().out
    assert "broken.png" in out
    assert "empty.jpg" in out


def test_all_images_unreadable(example, command, tmp_path, capsys):
    for name in EMOTIONS:
        (tmp_path / "bad" / "train" / name).mkdir(parents=True)
        (tmp_path / "bad" / "train" / name / "1.jpg").write_bytes(b"no picture")
    assert example.main(command(path=tmp_path / "bad")) == 2
    assert "error: `path` must hold usable training pictures" in capsys.readouterr().err


def test_more_classes_than_the_model_has(example, command, tmp_path, capsys):
    assert example.main(command(classes=2)) == 2
    assert "the data has 3 classes (angry, happy, sad), the model only --classes 2" in (
        capsys.readouterr().err
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_full_disk_keeps_whole_epochs(
    quick, brief, example, command, tmp_path, capsys, monkeypatch
):
    save = keras.Model.save

    def full(self, path, *args, **kwargs):
        if (tmp_path / "run" / "state" / "1" / "training_metadata.json").exists():
            raise OSError(28, "No space left on device", str(path))
        return save(self, path, *args, **kwargs)

    with monkeypatch.context() as disk:
        disk.setattr(keras.Model, "save", full)
        assert example.main(command()) == 2
    error = capsys.readouterr().err
    assert "No space left on device" in error
    assert "make room there" in error
    assert "whole epochs are kept" in error
    assert example.main(command()) == 0
    assert "Resuming after" in capsys.readouterr().out


@pytest.mark.slow
def test_ctrl_c_in_mid_epoch_resumes_with_the_same_result(
    quick, brief, example, command, tmp_path, capsys, monkeypatch
):
    class CtrlC(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            if self.epoch == 1 and batch == 1:
                raise KeyboardInterrupt

    plain = fitting._logs
    with monkeypatch.context() as stopping:
        stopping.setattr(fitting, "_logs", lambda folder: [*plain(folder), CtrlC()])
        assert example.main(command(augmentation="basic")) == 130
    assert "Stopped. 1 whole epochs are kept" in capsys.readouterr().out
    assert example.main(command(augmentation="basic")) == 0
    assert "Resuming after 1 of at most 3" in capsys.readouterr().out
    whole = tmp_path / "whole"
    assert example.main(command(output=whole, augmentation="basic")) == 0
    weights = [
        keras.models.load_model(folder / "last.keras").get_weights()
        for folder in (tmp_path / "run", whole)
    ]
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.slow
def test_a_real_interrupt_and_a_real_kill(command, tmp_path):
    words = [sys.executable, str(ROOT / "examples" / "train_ghostface.py"), *command(epochs=40)]
    state = tmp_path / "run" / "state" / "1" / "training_metadata.json"
    for stop, code in ((signal.SIGINT, 130), (signal.SIGKILL, -9)):
        before = state.stat().st_mtime_ns if state.exists() else 0
        process = subprocess.Popen(
            words,
            cwd=tmp_path,
            env=os.environ | {"KERAS_BACKEND": "tensorflow"},
            # A test run in the background ignores interrupts, and its children with it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        until = time.monotonic() + 240
        while not state.exists() or state.stat().st_mtime_ns == before:
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.2)
        process.send_signal(stop)
        assert process.wait(60) == code
    done = json.loads(state.read_text())["epoch"]
    assert done >= 2
    finished = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert "Resuming after" in finished.stdout
    rows = (tmp_path / "run" / "history.csv").read_text().split()
    epochs = [row.split(",")[0] for row in rows[1:]]
    assert epochs == [str(number) for number in range(len(epochs))]
