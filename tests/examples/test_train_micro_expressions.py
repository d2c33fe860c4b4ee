"""Training on micro-expressions: protocols, folds that are resumed, and what the report says."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.examples import load_example
from helpers.fake_micro_expressions import FAKE, write_casme2, write_samm, write_smic
from helpers.shared import ROOT

from fer_data import protocols
from fer_models import registry

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the data pipeline is tested on TensorFlow"
)
NAMES = ("negative", "positive", "surprise")
TINY = ["--frames", "3", "--size", "4", "--channels", "3", "--epochs", "2", "--batch-size", "4"]
TINY += ["--subjects", "3"]


@pytest.fixture(scope="module")
def example():
    return load_example("train_micro_expressions")


def parsed(example, *words):
    return example.options.parse(words, "about")


def small_network(frames, input_shape, classes, seed=None, **knobs):
    """Three regions, a dense layer after dropout: quick, and not the same twice by chance."""
    regions = [keras.Input((frames, *input_shape)) for _ in range(3)]
    x = keras.layers.Concatenate()([keras.layers.Flatten()(x / 255) for x in regions])
    x = keras.layers.Dropout(0.3, seed=seed)(x)
    return keras.Model(tuple(regions), keras.layers.Dense(classes, activation="softmax")(x))


def some_clips(subjects=3, each=3, dataset="synthetic_micro_expressions"):
    """Return clips of which every subject has all classes, and different frames."""
    count = subjects * each
    people = [f"{dataset}/s{number // each:03d}" for number in range(count)]
    ids = [f"{person}/{number:05d}" for number, person in enumerate(people)]
    return protocols.Clips(ids, people, np.arange(count) % 3, [f"hash{n}" for n in range(count)])


def plain_batches(self, data, places, training=False, repeat=False, **options):
    """Return what `clips.pipeline` gives without augmentation, without its seconds of tracing."""
    import tensorflow as tf

    faces = data.faces[places].astype("float32")
    regions = faces[:, :, :4, :4], faces[:, :, :4, 4:], faces[:, :, 4:, 2:6]
    labels = np.eye(3, dtype="float32")[data.clips.labels[places]]
    batches = tf.data.Dataset.from_tensor_slices((regions, labels)).batch(self.recipe.batch_size)
    return batches.repeat() if repeat else batches


@pytest.fixture
def quick(example, monkeypatch, untraced):
    """A small network in the place of the models, and noise that tells the class for clips."""
    monkeypatch.setattr(example.folds.Trainer, "batches", plain_batches)
    for name, entry in registry.CLIP_MODELS.items():
        entry = dataclasses.replace(entry, builder=small_network)
        monkeypatch.setitem(registry.CLIP_MODELS, name, entry)
    clips = some_clips()
    faces = np.random.default_rng(0).integers(0, 200, (9, 3, 8, 8, 3)).astype("uint8")
    faces[np.arange(9), 1:, clips.labels] += 50
    facts = {
        "datasets": ["synthetic_micro_expressions"],
        "clips": 9,
        "subjects": 3,
        "classes": dict.fromkeys(NAMES, 3),
        "unlabelled": 2,
        "frames": 3,
        "options": {"synthetic": {}},
    }
    data = example.clip_data.Data(faces, clips, NAMES, facts)
    monkeypatch.setattr(example.clip_data, "load", lambda args: data)
    return data


def stop_after(example, monkeypatch, epochs):
    """Let the training be interrupted after so many epochs."""
    train, left = example.folds.train, [epochs]

    def stopping(*args, tick, **kwargs):
        def counted():
            tick()
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt

        return train(*args, tick=counted, **kwargs)

    monkeypatch.setattr(example.folds, "train", stopping)


def content_of(folder):
    """Return what does not name the command."""
    content = json.loads((folder / "report.json").read_text())
    return {key: value for key, value in content.items() if key not in ("command", "date")}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dataset", "casme2"], "--path must name 1 folders, of casme2"),
        (["--dataset", "composite", "--path", "a", "b"], "of casme2 smic_hs samm_long_videos"),
        (["--dataset", "casme2", "synthetic", "--path", "a", "b"], "goes with no other"),
        (["--dataset", "composite", "casme2"], "give no others beside it"),
        (["--dataset", "casme2", "casme2", "--path", "a", "b"], "must name different ones"),
        (["--dataset", "nowhere"], "invalid choice"),
        (["--path", "a"], "takes no --path"),
        (["--protocol", "composite"], "takes no --path and no --protocol composite"),
        (["--protocol", "random"], "invalid choice"),
        (["--grid", "--ablation"], "choose one"),
        (["--ablation", "--model", "mer_3dcnn"], "mer_3dcnn has none"),
        (["--ablation", "--model", "se_3dnet"], "se_3dnet has none"),
        (["--ablation", "--no-augmentation"], "itself says what is augmented"),
        (["--by-subject"], "--by-subject is of --protocol 80-10-10"),
        (["--listed", "file"], "--listed is of --protocol composite"),
        (["--epochs", "2", "3"], "several numbers with --grid only"),
        (["--grid", "--epochs", "2", "2"], "must be different numbers"),
        (["--batch-size", "0"], "--batch-size must be different numbers of 1 or more"),
        (["--subjects", "0"], "--subjects must be 1 or more"),
        (["--dataset", "casme2", "--path", "a", "--clips", "2"], "are of the synthetic set"),
        (["--learning-rate", "0"], "--learning-rate must be positive"),
        (["--validation", "1"], "--validation must be between 0 and 1"),
        (["--seed", "-1"], "--seed must not be negative"),
        (["--model-options", "head"], "must be NAME=VALUE"),
    ],
)
def test_bad_words(example, capsys, words, message):
    with pytest.raises(SystemExit):
        example.main(words)
    assert message in capsys.readouterr().err


def test_a_bad_setting_shows_before_anything_is_written(example, quick, tmp_path, capsys):
    output = tmp_path / "out"
    words = [*TINY, "--output", str(output)]
    quick.clips.labels[quick.clips.subjects != "synthetic_micro_expressions/s000"] %= 2
    assert example.main(words) == 2
    error = capsys.readouterr().err
    assert "without synthetic_micro_expressions/s000 has no clip of surprise" in error
    assert "--no-class-weights" in error
    assert example.main([*words, "--protocol", "80-10-10", "--allow-leaks"]) == 2
    assert not output.exists()


def test_what_is_left_open_is_the_dissertation_s_or_small_for_the_synthetic_set(example):
    args = parsed(example, "--dataset", "casme2", "--path", "folder")
    ((_, _, protocol, recipe),) = example.scenarios_of(args)
    assert protocol == "loso"
    assert (args.frames, recipe.input_shape) == (16, (64, 64, 3))
    assert (recipe.optimizer, recipe.learning_rate) == ("adam", 0.001)
    assert (recipe.batch_size, recipe.epochs, recipe.class_weights) == (32, 128, True)
    assert recipe.augmentation.keys() == {"rotation", "crop", "contrast", "brightness"}
    assert recipe.model_options == {"frames": 16}
    small = parsed(example, "--model-options", "filters=4")
    assert (small.size, small.epochs, small.subjects) == (32, [12], 10)
    assert small.model_options == {"filters": 4, "head": "grid", "dense_units": 32}
    assert parsed(example, "--model", "micro_exp_stcnn").frames == 18
    composite = parsed(example, "--dataset", "composite", "--path", "a", "b", "c")
    assert composite.protocol == "composite"
    given = list(example.clip_data.sources(composite))
    assert [name for name, _, _ in given] == ["casme2", "smic_hs", "samm_long_videos"]
    assert given[2][2] == {"size": 128, "pictures": "clips"}


def test_options_of_one_data_set_or_of_all(example):
    words = ["--dataset", "casme2", "smic_hs", "--path", "a", "b"]
    words += ["--data-options", "pictures=cropped", "casme2.max_frames=90", "smic_hs.pictures=raw"]
    found = {name: options for name, _, options in example.clip_data.sources(
        parsed(example, *words))}  # fmt: skip
    assert found["casme2"] == {"size": 128, "pictures": "cropped", "max_frames": 90}
    assert found["smic_hs"] == {"size": 128, "pictures": "raw"}


def test_twelve_scenarios_and_five_steps(example):
    words = ["--dataset", "smic_hs", "--path", "folder"]
    grid = example.scenarios_of(parsed(example, *words, "--grid"))
    assert {(p, r.batch_size, r.epochs) for _, _, p, r in grid} == {
        (p, b, e) for p in ("80-10-10", "70-15-15") for b in (32, 64, 128) for e in (128, 256)
    }
    assert len({name for name, *_ in grid}) == 12
    assert len(example.scenarios_of(parsed(example, *words, "--grid", "--protocol", "loso"))) == 6
    steps = [r for *_, r in example.scenarios_of(parsed(example, *words, "--ablation"))]
    assert [(r.augmentation != "none", r.class_weights, r.model_options.get("attention"))
            for r in steps] == [
        (False, False, False), (True, False, False), (False, True, False),
        (True, True, False), (True, True, None),
    ]  # fmt: skip
    both = parsed(example, *words, "--ablation", "--model", "ha_3dsenet")
    assert example.scenarios_of(both)[3][3].model_options["attention"] == ("squeeze_excite",)


def test_every_person_is_tested_once_and_chooses_nothing(example):
    clips = some_clips(subjects=12, each=6)
    args = parsed(example, "--select", "validation", "--validation", "0.2")
    folds = example.clip_data.divide(args, clips, "loso", "validation")
    tested = np.concatenate([fold.parts["test"] for fold in folds])
    assert sorted(tested) == list(range(72))
    for fold in folds:
        people = [set(clips.subjects[places]) for places in fold.parts.values()]
        assert sum(map(len, people)) == len(set.union(*people)) == 12
        assert set(clips.subjects[fold.parts["test"]]) == {fold.held_out}
    assert "validation" not in example.clip_data.divide(args, clips, "loso", "last")[0].parts


def test_random_splits_must_be_let_through(example):
    clips = some_clips(subjects=10, each=9)
    with pytest.raises(ValueError, match=r"leaks(.|\n)*--by-subject(.|\n)*--allow-leaks"):
        example.clip_data.divide(parsed(example), clips, "80-10-10", "validation")
    leaky = example.clip_data.divide(
        parsed(example, "--allow-leaks"), clips, "70-15-15", "validation"
    )
    assert "leaks" in example.clip_data.warning_of(leaky)
    args = parsed(example, "--protocol", "80-10-10", "--by-subject")
    (honest,) = example.clip_data.divide(args, clips, "80-10-10", "validation")
    assert example.clip_data.warning_of([honest]) == ""
    sizes = example.clip_data.part_sizes(honest, clips)
    assert {part: size["subjects"] for part, size in sizes.items()} == {
        "train": 8, "validation": 1, "test": 1,
    }  # fmt: skip
    copies = protocols.Clips(clips.ids, clips.subjects, clips.labels, ["same"] * 90)
    with pytest.raises(ValueError, match="on_duplicate=drop"):
        example.clip_data.divide(parsed(example), copies, "loso", "last")


def test_labelled_clips_are_read_at_one_length_in_the_table_s_order(example, monkeypatch):
    rng = np.random.default_rng(2)
    lengths, labels = (7, 4, 9), (2, -1, 0)
    clips = [rng.integers(0, 256, (n, 8, 8, 3)).astype("uint8") for n in lengths]

    class Features(dict):
        names = NAMES

    class Examples:
        info = types.SimpleNamespace(features={"label": Features()})

        def as_dataset(self, split):
            return self

        def prefetch(self, count):
            return self

        def as_numpy_iterator(self):
            return ({"frames": c, "frame_numbers": 5 + np.arange(len(c))} for c in clips)

    asked = []

    def prepare(name, path, data_dir, **options):
        asked.append((name, path, options))
        return Examples()

    table = protocols.Clips(list("abc"), ["casme2/sub01"] * 3, labels, list("xyz"))
    monkeypatch.setattr(example.clip_data.datasets, "prepare", prepare)
    monkeypatch.setattr(example.clip_data.clip_table, "read", lambda *builders: table)
    args = parsed(example, "--dataset", "casme2", "--path", "f", "--size", "4", "--frames", "4")
    data = example.clip_data.load(args)
    assert asked == [("casme2", str((Path.cwd() / "f").resolve()), {"size": 8})]
    assert data.clips.ids.tolist() == ["a", "c"]
    assert data.faces.shape == (2, 4, 8, 8, 3)
    # Of seven frames every other one; of nine the first, the last, and blends between.
    np.testing.assert_array_equal(data.faces[0], clips[0][::2])
    np.testing.assert_array_equal(data.faces[1, [0, -1]], clips[2][[0, -1]])
    blend = (clips[2][2] + 2.0 * clips[2][3]) / 3
    np.testing.assert_allclose(data.faces[1, 1], blend, atol=0.51)
    assert (data.facts["clips"], data.facts["unlabelled"], data.facts["subjects"]) == (2, 1, 1)
    assert data.facts["classes"] == {"negative": 1, "positive": 0, "surprise": 1}
    other = example.clip_data.Data(data.faces, table.take([0]), NAMES, {})
    assert data.digest() != other.digest()


@pytest.mark.slow
def test_an_interrupted_training_goes_on_and_ends_as_an_unbroken_one(
    example, quick, tmp_path, monkeypatch, capsys
):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    words = [*TINY, "--keep-models", "--output"]
    assert example.main([*TINY, "--output", str(whole)]) == 0
    assert "UF1" in capsys.readouterr().out
    assert {path.name for path in whole.iterdir()} == {
        "training.json", "folds", "report.md", "report.json", "confusion.png",
    }  # fmt: skip
    for folder in (whole / "folds").iterdir():
        assert {path.name for path in folder.iterdir()} == {"result.json", "history.csv"}
    # In the middle of the second of three folds.
    with monkeypatch.context() as patch:
        stop_after(example, patch, 3)
        assert example.main([*words, str(broken)]) == 130
    first = (broken / "folds" / "000" / "result.json").stat().st_mtime_ns
    assert not (broken / "folds" / "001" / "result.json").exists()
    assert (broken / "folds" / "001" / "state").is_dir()
    trained = []
    train = example.folds.train

    def counting(*args, tick, **kwargs):
        return train(*args, tick=lambda: (trained.append(1), tick()), **kwargs)

    monkeypatch.setattr(example.folds, "train", counting)
    assert example.main([*words, str(broken)]) == 0
    assert len(trained) == 3, "one epoch of the second fold, two of the third"
    assert (broken / "folds" / "000" / "result.json").stat().st_mtime_ns == first
    assert content_of(broken) == content_of(whole)
    # Finished: nothing is trained, the report is written again.
    (broken / "report.md").unlink()
    assert example.main([*words, str(broken)]) == 0
    assert len(trained) == 3
    assert (broken / "report.md").exists()
    # A model that is wanted afterwards is trained again, as it was.
    (broken / "folds" / "001" / "model.keras").unlink()
    assert example.main([*words, str(broken)]) == 0
    assert len(trained) == 5
    assert content_of(broken) == content_of(whole)
    assert {path.name for path in (broken / "folds" / "001").iterdir()} == {
        "result.json", "history.csv", "model.keras",
    }  # fmt: skip

    content = content_of(whole)
    result = json.loads((broken / "folds" / "002" / "result.json").read_text())
    assert result["held_out"] == "synthetic_micro_expressions/s002"
    model = keras.models.load_model(broken / "folds" / "002" / "model.keras")
    trainer = example.folds.Trainer(example.scenarios_of(parsed(example, *TINY))[0][3], classes=3)
    trainer.model.set_weights(model.get_weights())
    again = example.folds.predict(trainer, quick, np.arange(6, 9), "folder")
    np.testing.assert_allclose(again, result["probabilities"], atol=1e-6)
    said = np.argmax(result["probabilities"], -1)
    row = content["subjects"][2]
    assert (row["clips"], row["right"]) == (3, int((said == result["labels"]).sum()))
    assert np.sum(content["scores"]["confusion"]) == 9
    assert content["most_frequent_class"]["uar"] == pytest.approx(1 / 3)


def test_other_settings_are_refused_and_how_to_go_on_is_said(
    example, quick, tmp_path, monkeypatch, capsys
):
    words = [*TINY, "--output", str(tmp_path / "out")]
    stop_after(example, monkeypatch, 1)
    assert example.main(words) == 130
    assert example.main([*words, "--learning-rate", "0.01"]) == 2
    error = capsys.readouterr().err
    assert "other settings (learning_rate was 0.001, now 0.01)" in error
    assert "choose another --output, or add --restart" in error
    marker = tmp_path / "out" / "folds" / "marker"
    marker.write_text("of the first training")
    stop_after(example, monkeypatch, 1)
    assert example.main([*words, "--learning-rate", "0.01", "--restart"]) == 130
    assert not marker.exists()
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    assert example.main([*TINY, "--output", str(other), "--restart"]) == 2
    assert "is not empty and holds no training" in capsys.readouterr().err
    assert (other / "thesis.txt").exists()


def test_validation_chooses_the_epoch_of_least_loss(example, quick, tmp_path):
    words = [*TINY, "--epochs", "4", "--learning-rate", "0.1", "--select", "validation"]
    args = parsed(example, *words, "--validation", "0.4")
    division = example.clip_data.divide(args, quick.clips, "loso", "validation")[0]
    trainer = example.folds.Trainer(example.scenarios_of(args)[0][3], classes=3)
    result = example.folds.train(
        trainer, quick, division, tmp_path / "fold", seed=3, select="validation",
        keep_model=False, tick=lambda: None,
    )  # fmt: skip
    history = np.genfromtxt(tmp_path / "fold" / "history.csv", delimiter=",", names=True)
    best = history["val_loss"].argmin()
    assert best < 3, "an example of little worth: the best epoch is the last"
    assert result["epoch"] == best + 1
    assert result["validation"]["loss"] == pytest.approx(history["val_loss"][best], rel=1e-4)
    assert result["validation"]["accuracy"] == pytest.approx(history["val_accuracy"][best])
    # Not the last epoch's weights: those that the test part was predicted with.
    parts = division.parts
    p = example.folds.predict(trainer, quick, parts["test"], "fold")
    np.testing.assert_allclose(p, result["probabilities"], atol=1e-6)
    said = example.folds.predict(trainer, quick, parts["validation"], "fold")
    truth = quick.clips.labels[parts["validation"]]
    loss = -np.log(said[np.arange(len(truth)), truth]).mean()
    assert loss == pytest.approx(history["val_loss"].min(), rel=1e-4)


def test_a_training_that_diverged_is_told(example, quick):
    trainer = example.folds.Trainer(example.scenarios_of(parsed(example, *TINY))[0][3], classes=3)
    trainer.model.set_weights([w * np.nan for w in trainer.model.get_weights()])
    with pytest.raises(ValueError, match=r"of folds/7 gives no finite(.|\n)*--learning-rate"):
        example.folds.predict(trainer, quick, [0, 1], "folds/7")


def fold(labels, said, subject="casme2/sub01", **more):
    probabilities = (0.7 * np.eye(3)[said] + 0.1).tolist()
    return {
        "held_out": subject, "seed": 1, "epoch": 4, "training_accuracy": 0.9,
        "train_counts": [5, 2, 2], "ids": [f"{subject}/{i}" for i in range(len(labels))],
        "subjects": [subject] * len(labels), "labels": list(labels),
        "probabilities": probabilities, **more,
    }  # fmt: skip


def record_for(example, *words, protocol="leave one subject out", **more):
    args = parsed(example, *words)
    options = {name: options for name, _, options in example.clip_data.sources(args)}
    facts = {
        "datasets": args.dataset, "clips": 6, "subjects": 2, "unlabelled": 0, "frames": 16,
        "classes": dict.fromkeys(NAMES, 2), "options": options, **more,
    }  # fmt: skip
    return {
        "command": "python examples/train_micro_expressions.py", "date": "2026-11-26",
        "versions": {"Python": "3"}, "backend": "tensorflow", "hardware": "x86_64, 2 cores",
        "settings": json.loads(json.dumps(vars(args))), "data": facts, "scenario": "loso",
        "protocol": protocol, "select": example.selection(args, args.protocol),
        "warning": "", "recipe": example.scenarios_of(args)[0][3].to_dict(),
        "parts": [{"test": {"clips": 3, "subjects": 1}}] * 2,
    }  # fmt: skip


def test_report_of_a_real_data_set_has_the_published_figure_beside_ours(example, tmp_path):
    words = ["--dataset", "casme2", "--path", "folder"]
    results = [fold([0, 1, 2], [0, 1, 1]), fold([0, 2, 2], [0, 2, 2], "casme2/sub02")]
    content, text = example.reports.write(record_for(example, *words), results, NAMES, tmp_path)
    assert [each["accuracy"] for each in content["published"]] == [0.9887, 0.9854]
    assert "Irawan (2025), random split 80:10:10" in text
    assert "| accuracy | 0.8333 | 0.9887 | 0.9854 |" in text
    assert "| casme2/sub01 | 3 | 2 | 67% | 1 of 1 | 1 of 1 | 0 of 1 |" in text
    assert "The last epoch is scored" in text
    # The other network's, another data set's, and other classes' figures are not ours to compare.
    for other in (
        [*words, "--model", "ha_3dnet"],
        ["--dataset", "cas_me2", "--path", "folder"],
        ["--dataset", "casme2", "smic_hs", "--path", "a", "b"],
        [],
    ):
        assert example.reports.published(record_for(example, *other)) == []
    own = ["--dataset", "cas_me2", "--path", "folder", "--data-options", "classes=own"]
    assert example.reports.published(record_for(example, *own))[0]["f1"] == 0.94


def test_report_of_several_data_sets_and_of_a_leaky_split(example, tmp_path):
    results = [fold([0, 1, 2], [0, 1, 1]), fold([0, 2, 2], [0, 2, 2], "smic_hs/s1")]
    record = record_for(
        example, "--dataset", "casme2", "smic_hs", "--path", "a", "b",
        differences=["samm is missing: 133 clips in MEGC 2019"],
    )  # fmt: skip
    record |= {"warning": "This split leaks: all of it", "protocol": "random 80-10-10"}
    content, text = example.reports.write(record, results, NAMES, tmp_path)
    assert content["datasets"]["smic_hs"]["accuracy"] == 1
    assert content["datasets"]["casme2"]["uf1"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert content["datasets"]["smic_hs"]["absent"] == ["positive"]
    assert "| smic_hs | 3 | 100.00% | 1.0000 | 1.0000 |" in text
    assert "> **Warning.** This split leaks: all of it" in text
    assert "Not as in MEGC 2019: samm is missing" in text


def test_overview_names_the_scenario_that_validation_would_choose(example, tmp_path):
    words = ["--dataset", "casme2", "--path", "folder", "--protocol", "80-10-10"]
    rows = []
    for loss, said in ((0.9, [0, 1, 2]), (0.5, [0, 1, 1])):
        parts = {"validation": {"accuracy": 0.5, "uf1": 0.4, "loss": loss}}
        record = record_for(example, *words, protocol="random 80-10-10")
        record |= {"scenario": f"loss {loss}", "parts": record["parts"][:1]}
        record["warning"] = "This split leaks"
        rows.append(
            example.reports.write(record, [fold([0, 1, 2], said, **parts)], NAMES, tmp_path)
        )
    text = example.reports.overview(rows[0][0], rows, "grid", tmp_path)
    assert "Least validation loss: loss 0.5." in text
    assert "| loss 0.9 | 100.00% | 0.00% | 1.0000 |" in text
    assert text.count("> **Warning.** This split leaks") == 1
    assert "other clips than those of the training and the test" in text
    assert "Irawan (2025), random split 80:10:10, which leaks: accuracy 98.87%" in text
    content = json.loads((tmp_path / "report.json").read_text())
    assert [each["scenario"] for each in content["scenarios"]] == ["loss 0.9", "loss 0.5"]


@pytest.mark.slow
def test_killed_after_its_first_fold_and_resumed(tmp_path):
    """The command itself, with the network itself, and no chance to clean up."""
    words = [sys.executable, str(ROOT / "examples" / "train_micro_expressions.py")]
    words += ["--data-dir", str(tmp_path / "data"), "--subjects", "3", "--clips", "1"]
    words += ["--frames", "5", "--size", "8", "--epochs", "2", "--model-options", "filters=2"]
    env = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    subprocess.run([*words, "--output", str(whole)], env=env, check=True, capture_output=True)
    with subprocess.Popen(
        [*words, "--output", str(broken)],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        first = broken / "folds" / "000" / "result.json"
        while not first.exists() and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (broken / "report.json").exists()
    subprocess.run([*words, "--output", str(broken)], env=env, check=True, capture_output=True)
    found, expected = content_of(broken), content_of(whole)
    assert found == expected
    assert found["scores"]["examples"] == 9
    for number in range(3):
        one, other = (
            json.loads((folder / "folds" / f"{number:03d}" / "result.json").read_text())
            for folder in (whole, broken)
        )
        np.testing.assert_allclose(one["probabilities"], other["probabilities"], atol=1e-5)


@pytest.mark.slow
def test_grid_and_ablation_with_the_network_itself(example, tmp_path, capsys, untraced):
    words = ["--data-dir", str(tmp_path / "data"), "--subjects", "4", "--clips", "4"]
    words += ["--frames", "5", "--size", "8", "--model-options", "filters=2"]
    grid = [*words, "--grid", "--batch-size", "8", "16", "--epochs", "1"]
    assert example.main([*grid, "--output", str(tmp_path / "grid")]) == 2
    assert "--allow-leaks" in capsys.readouterr().err
    assert example.main([*grid, "--output", str(tmp_path / "grid"), "--allow-leaks"]) == 0
    text = (tmp_path / "grid" / "report.md").read_text()
    assert text.count("This split leaks") == 2
    for scenario in ("80-10-10, batch 8, 1 epochs", "70-15-15, batch 16, 1 epochs"):
        assert f"| {scenario} |" in text
    assert (tmp_path / "grid" / "70-15-15_batch8_epochs1" / "confusion.png").exists()
    output = tmp_path / "ablation"
    steps = [*words, "--ablation", "--epochs", "1", "--protocol", "70-15-15", "--by-subject"]
    assert example.main([*steps, "--output", str(output), "--keep-models"]) == 0
    text = (output / "report.md").read_text()
    assert "| with both, without hybrid attention |" in text
    assert "leaks" not in text
    sizes = {
        folder.name: keras.models.load_model(folder / "folds" / "000" / "model.keras")
        for folder in output.iterdir()
        if folder.is_dir()
    }
    names = {layer.name for layer in sizes["14_everything"].layers}
    assert "left_spatial_attention" in names
    assert "left_spatial_attention" not in {layer.name for layer in sizes["13_both"].layers}


@pytest.mark.slow
def test_composite_of_three_data_sets_from_their_owners_files(
    example, tmp_path, untraced, monkeypatch
):
    prepare = example.clip_data.datasets.prepare
    monkeypatch.setattr(
        example.clip_data.datasets, "prepare", lambda *args, **own: prepare(*args, **own, **FAKE)
    )
    folders = [write_casme2(tmp_path / "a"), write_smic(tmp_path / "b"), write_samm(tmp_path / "c")]
    words = ["--dataset", "composite", "--path", *map(str, folders), "--no-class-weights"]
    words += ["--data-dir", str(tmp_path / "data"), "--output", str(tmp_path / "out")]
    words += ["--frames", "5", "--size", "8", "--epochs", "1", "--model-options", "filters=2"]
    assert example.main(words) == 0
    content = content_of(tmp_path / "out")
    assert content["protocol"] == "MEGC 2019 composite"
    assert set(content["datasets"]) == {"casme2", "smic_hs", "samm"}
    assert len(content["folds"]) == content["data"]["subjects"]
    assert any("in MEGC 2019" in line for line in content["data"]["differences"])
    assert "Not as in MEGC 2019" in (tmp_path / "out" / "report.md").read_text()
