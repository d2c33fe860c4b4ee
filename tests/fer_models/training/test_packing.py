"""From a finished run to bundled weights with a card, on a small network and few faces."""

import dataclasses
import hashlib
import json

import keras
import numpy as np
import pytest
from helpers.bars import NAMES, bar_arrays

from fer_data.pipelines import face_arrays
from fer_models.cli import main
from fer_models.training import packing, run_history, set_fitting
from fer_models.training.face_settings import FaceSettings
from fer_models.zoo import bundled, registry
from fer_models.zoo.model_card import model_card
from fer_models.zoo.weight_files import read_weights

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="training on faces is tested on TensorFlow"
)


def small_network(
    input_shape=(24, 24, 1),
    classes=3,
    weights=None,
    stem_strides=2,
    noise_layers=1,
    noise_stddev=0.1,
):
    image = keras.Input(input_shape)
    x = keras.layers.Conv2D(4, 5, strides=stem_strides, activation="relu", name="c")(image / 255)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(classes, name="logits")(x)
    return keras.Model(image, keras.layers.Activation("softmax", name="predictions")(x))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return the folder of a run as `train_faces` leaves it, with a model that learned nothing."""
    entry = dataclasses.replace(registry.entry("ghostface"), builder=small_network, weights={})
    monkeypatch.setitem(registry.MODELS, "ghostface", entry)
    faces, folder = tmp_path / "faces.npz", tmp_path / "second"
    splits = {name: bar_arrays(seed) for seed, name in enumerate(("train", "validation"))}
    face_arrays.write(faces, splits, NAMES, {"data": "folder"})
    settings = FaceSettings(
        data="folder",
        path=faces,
        size=24,
        channels=1,
        model={"stem_strides": 1, "noise_layers": 0, "weights": str(tmp_path / "first/last.keras")},
    )
    command = (
        f"fer train --data folder --path {faces} --data-dir {tmp_path} --model stem_strides=1 "
        "noise_layers=0"
    )
    for name, more in (("first", ""), ("second", f" weights={tmp_path}/first/last.keras")):
        output = tmp_path / name
        output.mkdir()
        record = {
            "settings": settings.to_dict(),
            "recipe": {"model": "ghostface"},
            "ancestry": ["dlib"],
            "answers": {"note": "Mean probabilities"},
            "command": f"{command}{more} --output {output}",
            "versions": {"Keras": keras.__version__},
            "hardware": "a small one",
            "packed": {"data": "folder", "options": {"validation_fraction": 0.1}},
            "finished": True,
        }
        (output / "run.json").write_text(json.dumps(record))
    keras.utils.set_random_seed(0)
    small_network(stem_strides=1).save(folder / "last.keras")
    return folder


def test_a_run_becomes_weights_with_a_card(run, tmp_path, monkeypatch, capsys):
    output = tmp_path / "weights"
    words = ["weights", "pack", str(run), "--tag", "mine", "--output", str(output)]
    assert main(words) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("all: ")
    assert "temperature " in printed.out
    assert sorted(path.name for path in output.iterdir()) == [
        "ghostface_mine.json",
        "ghostface_mine.npz",
    ]
    card = json.loads((output / "ghostface_mine.json").read_text())
    data = (output / card["file"]).read_bytes()
    assert card["sha256"] == hashlib.sha256(data).hexdigest()
    assert card["options"] == {"stem_strides": 1}
    assert card["scores"]["all"]["faces"] == sum(c["support"] for c in card["classes"]) == 15

    assert len(card["commands"]) == 3
    assert str(tmp_path) not in json.dumps(card)
    assert "--pack folder_faces.npz" in card["commands"][0]
    assert "--path folder_faces.npz" in card["commands"][1]
    assert "--output runs/second" in card["commands"][2]
    assert "weights=runs/first/last.keras" in card["commands"][2]

    # What was scored is what a user gets: calibrated, from half precision.
    monkeypatch.setattr(bundled, "FOLDER", output)
    trained = keras.models.load_model(run / "last.keras", compile=False)
    logits = keras.Model(trained.input, trained.get_layer("logits").output)
    packed = small_network(stem_strides=1)
    read_weights(packed, bundled.weights_file("ghostface", "mine"))
    images = np.random.default_rng(1).integers(0, 256, (5, 24, 24, 1)).astype("float32")
    np.testing.assert_allclose(
        packed.predict(images, verbose=0),
        packing.softmax(logits.predict(images, verbose=0) / card["calibration"]["temperature"]),
        atol=5e-3,
    )

    text = model_card("ghostface", "mine")
    assert card["sha256"] in text
    assert f"{card['scores']['all']['accuracy']:.2%}" in text
    assert "Not for: Decisions about a person" in text
    # Its first training began with a trunk, whose terms go along.
    assert card["ancestry"] == ["dlib"]
    assert "Licence: MIT for this file." in text
    assert "It descends from dlib" in text
    assert "targets the answers of teachers" in text
    assert list(bundled.all_weights()) == ["ghostface:mine"]

    assert main([*words, "--numbers", "int8"]) == 0
    with np.load(output / "ghostface_mine.npz") as arrays:
        assert arrays["logits/kernel"].dtype == "int8"
    assert f"{card['bytes']:,} bytes, float16" in text
    assert "bytes, int8, SHA-256" in model_card("ghostface", "mine")
    assert run_history.of_bundled("ghostface:mine")[-1] == (
        "fer weights pack runs/second --tag mine --numbers int8"
    )

    record = json.loads((run / "run.json").read_text()) | {"finished": False}
    (run / "run.json").write_text(json.dumps(record))
    assert main(words) == 2
    assert "must hold a finished run" in capsys.readouterr().err
    assert main(["weights", "pack", str(tmp_path / "nothing"), "--tag", "mine"]) == 2


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"faces": {"train": 30, "validation": 9}}, "`path` must hold the data of the run, whose"),
        ({"classes": ["other", "smile"]}, "whose classes were"),
        ({"faces_given": "by hand"}, "`path` must be given for a run whose faces were given"),
    ],
)
def test_faces_of_another_run_make_no_card(run, tmp_path, capsys, entry, message):
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, **entry}))
    words = ["weights", "pack", str(run), "--tag", "mine", "--output", str(tmp_path / "weights")]
    assert main(words) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "weights").exists()


def test_a_network_that_does_not_prepare_its_images_is_refused(run, tmp_path, capsys):
    record = json.loads((run / "run.json").read_text())
    record["settings"]["model"]["include_preprocessing"] = False
    (run / "run.json").write_text(json.dumps(record))
    assert main(["weights", "pack", str(run), "--tag", "mine", "--output", str(tmp_path)]) == 2
    assert "must be of a network that prepares its images itself" in capsys.readouterr().err


def test_a_card_tells_how_the_faces_were_divided_and_what_was_learned(tmp_path, monkeypatch):
    settings = FaceSettings(
        recipe="faceres_teacher",
        data="folder",
        path=tmp_path,
        teacher=tmp_path / "first" / "last.keras",
        validation_fraction=0.1,
        model={"trunk_weights": str(tmp_path / "faceres.npz"), "faces": str(tmp_path / "f.npz")},
    )
    record = {"versions": {}, "hardware": "a small one"}
    card = packing._training(record, settings, settings.to_recipe(), 3)
    assert str(tmp_path) not in json.dumps(card)
    assert card["dividing"] == {"validation_fraction": 0.1, "validation_from": "train"}
    whole = bundled.weights("ghostface", "fer2013").card
    (tmp_path / "ghostface_fer2013.json").write_text(json.dumps(whole | card))
    monkeypatch.setattr(bundled, "FOLDER", tmp_path)
    text = model_card("ghostface", "fer2013")
    assert "own splits, but 0.1 of the training faces set apart for validation." in text
    assert "batch 64, 3 epochs, targets the answers of teachers, label" in text


def test_sets_are_fitted_on_the_faces_of_the_training_s_validation(run, tmp_path, monkeypatch):
    output = tmp_path / "weights"
    packing.pack_weights(run, "mine", output=output)
    path = output / "ghostface_mine.json"
    card = json.loads(path.read_text())
    splits = {"train": bar_arrays(0)}
    face_arrays.write(tmp_path / "all.npz", splits, NAMES, {"data": "folder"})
    card |= {"dividing": {"validation_fraction": 0.4}, "faces": {"train": 9, "validation": 6}}
    path.write_text(json.dumps(card))
    monkeypatch.setattr(bundled, "FOLDER", output)
    known = registry.entry("ghostface"), {"weights": bundled.tags("ghostface")}
    monkeypatch.setitem(registry.MODELS, "ghostface", dataclasses.replace(known[0], **known[1]))
    with pytest.raises(ValueError, match=r"must hold enough validation faces.*Received: 6"):
        set_fitting.fit_bundled_sets("ghostface:mine", tmp_path / "all.npz", folder=output)
    path.write_text(json.dumps(card | {"dividing": {}}))
    with pytest.raises(ValueError, match="must hold the faces of the training of ghostface:mine"):
        set_fitting.fit_bundled_sets("ghostface:mine", tmp_path / "all.npz", folder=output)


def test_a_teacher_that_is_gone_is_not_missed(run, tmp_path):
    record = json.loads((run / "run.json").read_text())
    record["settings"]["teacher"] = [str(tmp_path / "gone.keras")]
    (run / "run.json").write_text(json.dumps(record))
    words = ["weights", "pack", str(run), "--tag", "mine", "--output", str(tmp_path / "weights")]
    assert main([*words, "--epoch", "last"]) == 0


def test_a_run_of_valence_and_arousal_is_refused(run, tmp_path, capsys):
    record = json.loads((run / "run.json").read_text())
    record["settings"]["valence_arousal"] = 0.5
    (run / "run.json").write_text(json.dumps(record))
    words = ["weights", "pack", str(run), "--tag", "mine", "--output", str(tmp_path / "weights")]
    assert main(words) == 2
    assert "`run` must be of classes alone" in capsys.readouterr().err
    assert not (tmp_path / "weights").exists()


def test_weights_that_go_on_from_bundled_ones_keep_their_history(tmp_path):
    def command(weights, output):
        return f"fer train --recipe ghostface_small --model weights={weights} --output {output}"

    def commands(output="runs/mine", **more):
        record = {"command": command("fer2013", output), "recipe": {"model": "ghostface"}, **more}
        (tmp_path / "run.json").write_text(json.dumps(record | {"settings": {}}))
        return packing.commands(tmp_path)

    card = bundled.weights("ghostface", "fer2013").card
    earlier = card["commands"]
    before = run_history.output_of(earlier[-1])
    kept = f"{before}/{card['epoch']}.keras"
    assert commands() == [*earlier, command(kept, "runs/mine")]
    # The tag meant other weights when the run began.
    first = "fer train --recipe ghostface_small"
    history = {"commands": [first], "kept": "runs/ghostface_small/best.keras"}
    found = commands(weights_history=history)
    assert found == [first, command("runs/ghostface_small/best.keras", "runs/mine")]
    with pytest.raises(ValueError, match=f"has the name of a run that went before it, {before}"):
        commands(output=before)
    with pytest.raises(ValueError, match="before it, runs/ghostface_small"):
        commands(output="runs/ghostface_small", weights_history=history)


def test_teachers_and_packed_faces_are_part_of_the_history(tmp_path):
    def record(name, words):
        folder = tmp_path / name
        folder.mkdir()
        command = f"fer train --path /mine/faces.npz {words} --output /mine/{name}"
        content = {
            **{"command": command, "recipe": {"model": "ghostface"}, "backend": "jax"},
            "settings": {"data": "fer2013"},
            "packed": {"data": "fer2013", "options": {"validation_fraction": 0.1, "seed": 1}},
        }
        (folder / "run.json").write_text(json.dumps(content))
        return folder / "last.keras"

    first, second = record("first", "--no-report --seed 1"), record("second", "--seed 2")
    record("taught", f"--teacher {first} {second} --epochs 9")
    train = "KERAS_BACKEND=jax fer train --path fer2013_faces.npz"
    assert packing.commands(tmp_path / "taught") == [
        "fer prepare fer2013 --path FOLDER --validation-fraction 0.1 --seed 1 "
        "--pack fer2013_faces.npz",
        f"{train} --seed 1 --output runs/first",
        f"{train} --seed 2 --output runs/second",
        f"{train} --teacher runs/first/last.keras runs/second/last.keras --epochs 9 "
        "--output runs/taught",
    ]


def test_each_of_several_data_sets_is_packed_by_a_command_of_its_own(tmp_path):
    packed = {"options": {"validation_fraction": 0.1}}
    record = {
        "command": "fer train --data fer2013 synthetic folder folder --path=/mine/a.npz /mine/b "
        "/mine/c.npz --output=/mine/all",
        "recipe": {"model": "ghostface"},
        "settings": {"data": ["fer2013", "synthetic", "folder", "folder"]},
        "packed": {"fer2013": {}, "synthetic": None, "folder b": None, "folder c": packed},
    }
    (tmp_path / "run.json").write_text(json.dumps(record))
    assert packing.commands(tmp_path) == [
        "fer prepare fer2013 --path FOLDER --pack fer2013_faces.npz",
        "fer prepare folder --path FOLDER --validation-fraction 0.1 --pack folder_3_faces.npz",
        "fer train --data fer2013 synthetic folder folder --path fer2013_faces.npz FOLDER "
        "folder_3_faces.npz --output runs/all",
    ]


def test_answers_and_trunks_are_part_of_the_history(tmp_path):
    earlier = ["fer train --output runs/teacher", "fer answers runs/teacher/last.keras"]
    record = {
        "command": "fer train --path /mine/f.npz --answers /mine/answers.npz --model width=1 "
        "trunk_weights=/mine/dlib.npz faces=/mine/f.npz --output /mine/student",
        "recipe": {"model": "pretrained_classifier"},
        "settings": {"data": "fer2013"},
        "answers": {"note": "Mean probabilities", "commands": earlier},
    }
    (tmp_path / "run.json").write_text(json.dumps(record))
    assert packing.commands(tmp_path) == [
        *earlier,
        "fer prepare fer2013 --path FOLDER --pack fer2013_faces.npz",
        "fer train --path fer2013_faces.npz --answers answers.npz --model width=1 "
        "trunk_weights=dlib.npz faces=fer2013_faces.npz --output runs/student",
    ]


def test_a_run_from_python_has_a_command_too_and_unknown_ancestors_have_none(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    settings = {
        "teacher": [str(tmp_path / "got" / "teacher.keras")],
        "model": {"weights": str(tmp_path / "got" / "begun.keras")},
    }
    record = {"recipe": {"model": "ghostface"}, "settings": settings}
    (folder / "run.json").write_text(json.dumps(record))
    alone = "fer train --config runs/mine/run.json --output runs/mine"
    assert packing.commands(folder) == [alone]
    command = f"fer train --config {folder}/run.json --teacher {tmp_path}/got/teacher.keras "
    command += f"--model weights={tmp_path}/got/begun.keras --output {tmp_path}/again"
    (folder / "run.json").write_text(json.dumps(record | {"command": command}))
    assert packing.commands(folder) == [
        "fer train --config runs/mine/run.json --teacher runs/got/teacher.keras "
        "--model weights=runs/got/begun.keras --output runs/again"
    ]


def test_a_run_notes_how_its_bundled_weights_came_about():
    recipe = FaceSettings().to_recipe()
    assert run_history.of_weights(recipe) is None
    begun = recipe.replace(model_options={"weights": "ferplus"})
    card = bundled.weights("ghostface", "ferplus").card
    output = run_history.output_of(card["commands"][-1])
    assert run_history.of_weights(begun) == {
        "commands": card["commands"],
        "kept": f"{output}/{card['epoch']}.keras",
    }


def test_packed_faces_of_each_data_set_have_a_name_of_their_own():
    told = packing.joined(
        ["fer prepare fer2013 --path FOLDER --pack faces.npz", "fer answers a --path faces.npz"],
        [
            "fer prepare ferplus --path FOLDER --pack faces.npz",
            "fer train --data ferplus --path faces.npz --model faces=faces.npz "
            "--output my-faces.npz",
            "fer train --data fer2013 --path faces.npz --answers faces.npz",
            "fer prepare fer2013 --path FOLDER --pack fer2013_faces.npz",
        ],
    )
    assert told == [
        "fer prepare fer2013 --path FOLDER --pack fer2013_faces.npz",
        "fer answers a --path fer2013_faces.npz",
        "fer prepare ferplus --path FOLDER --pack ferplus_faces.npz",
        "fer train --data ferplus --path ferplus_faces.npz --model faces=ferplus_faces.npz "
        "--output my-faces.npz",
        "fer train --data fer2013 --path fer2013_faces.npz --answers faces.npz",
    ]


def test_the_history_of_bundled_weights_ends_with_their_packing():
    card = bundled.weights("ghostface", "ferplus").card
    *earlier, packing = run_history.of_bundled("ghostface:ferplus")
    assert earlier == card["commands"]
    assert packing.startswith(
        f"fer weights pack {run_history.output_of(earlier[-1])} --tag ferplus"
    )
    assert run_history.of_bundled("hf://somebody/something") == []


def test_a_run_in_the_default_folder_may_follow_a_packing_of_faces(tmp_path):
    record = {
        "command": "fer train --data fer2013 --path /mine/faces.npz",
        "recipe": {"model": "ghostface"},
        "packed": {"data": "fer2013"},
        "settings": {"data": "fer2013"},
    }
    (tmp_path / "run.json").write_text(json.dumps(record))
    assert packing.commands(tmp_path) == [
        "fer prepare fer2013 --path FOLDER --pack fer2013_faces.npz",
        "fer train --data fer2013 --path fer2013_faces.npz",
    ]
