"""From a finished run to bundled weights with a card, on a small network and few faces."""

import dataclasses
import hashlib
import json

import cv2
import keras
import numpy as np
import pytest
from helpers.examples import load_example

from fer_models import registry
from fer_models.zoo.model_card import model_card

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the data pipeline is tested on TensorFlow"
)


def small_network(
    input_shape=(32, 32, 1),
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
    model = keras.Model(image, keras.layers.Activation("softmax", name="predictions")(x))
    if weights:
        model.load_weights(weights)
    return model


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Train twice, the second time from the weights of the first; return the two folders."""
    entry = dataclasses.replace(registry.entry("ghostface"), builder=small_network, weights={})
    monkeypatch.setitem(registry.MODELS, "ghostface", entry)
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("validation", 6)):
        for place, name in enumerate(("angry", "happy", "sad")):
            folder = tmp_path / "faces" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                picture = rng.integers(0, 100, (32, 32)).astype("uint8")
                picture[8 * place : 8 * place + 6] += 100
                cv2.imwrite(str(folder / f"{number}.png"), picture)
    train = load_example("train")
    words = ["--data", "folder", "--path", str(tmp_path / "faces"), "--size", "32"]
    words += ["--channels", "1", "--epochs", "1", "--batch-size", "8"]
    words += ["--data-dir", str(tmp_path / "prepared")]
    first, second = tmp_path / "first", tmp_path / "second"
    options = ["--model", "stem_strides=1", "noise_layers=0"]
    assert train.main([*words, "--output", str(first), *options]) == 0
    options.append(f"weights={first / 'last.keras'}")
    assert train.main([*words, "--output", str(second), *options]) == 0
    return first, second


@pytest.mark.slow
def test_a_run_becomes_weights_with_a_card(runs, tmp_path, monkeypatch, capsys):
    script = load_example("pack_weights")
    output = tmp_path / "weights"
    words = [str(runs[1]), "--tag", "mine", "--output", str(output)]
    assert script.main([*words, "--data-dir", str(tmp_path / "prepared")]) == 0
    assert sorted(path.name for path in output.iterdir()) == [
        "ghostface_mine.json",
        "ghostface_mine.npz",
    ]
    card = json.loads((output / "ghostface_mine.json").read_text())
    data = (output / card["file"]).read_bytes()
    assert card["sha256"] == hashlib.sha256(data).hexdigest()
    assert card["options"] == {"stem_strides": 1}
    assert card["scores"]["all"]["faces"] == sum(c["support"] for c in card["classes"]) == 18

    assert len(card["commands"]) == 2
    assert str(tmp_path) not in json.dumps(card)
    assert "--path FOLDER" in card["commands"][0]
    assert "--output runs/second" in card["commands"][1]
    assert "weights=runs/first/last.keras" in card["commands"][1]

    # What was scored is what a user gets: calibrated, from half precision.
    monkeypatch.setattr(registry, "WEIGHTS_FOLDER", output)
    registry.MODELS["ghostface"].weights.update(registry._bundled("ghostface"))
    trained = keras.models.load_model(runs[1] / "last.keras", compile=False)
    logits = keras.Model(trained.input, trained.get_layer("logits").output)
    packed = small_network(stem_strides=1)
    script.read_weights(packed, registry.weights_file("ghostface", "mine"))
    images = np.random.default_rng(1).integers(0, 256, (5, 32, 32, 1)).astype("float32")
    np.testing.assert_allclose(
        packed.predict(images, verbose=0),
        script.softmax(logits.predict(images, verbose=0) / card["calibration"]["temperature"]),
        atol=5e-3,
    )

    text = model_card("ghostface", "mine")
    assert card["sha256"] in text
    assert f"{card['scores']['all']['accuracy']:.2%}" in text
    assert "Not for: Decisions about a person" in text

    record = json.loads((runs[1] / "run.json").read_text()) | {"finished": False}
    (runs[1] / "run.json").write_text(json.dumps(record))
    assert script.main(words) == 2
    assert "must hold a finished run" in capsys.readouterr().err
    assert script.main([str(tmp_path / "nothing"), "--tag", "mine"]) == 2


def test_weights_that_go_on_from_bundled_ones_keep_their_history(tmp_path):
    script = load_example("pack_weights")

    def command(weights, output):
        return (
            "python examples/train.py --recipe ghostface_small --model "
            f"weights={weights} --output {output}"
        )

    def commands(output="runs/mine", **more):
        record = {"command": command("fer2013", output), "recipe": {"model": "ghostface"}, **more}
        (tmp_path / "run.json").write_text(json.dumps(record))
        return script.commands(tmp_path)

    card = registry.weights("ghostface", "fer2013").card
    earlier = card["commands"]
    before = earlier[-1].rpartition("--output ")[2]
    kept = f"{before}/{card['epoch']}.keras"
    assert commands() == [*earlier, command(kept, "runs/mine")]
    # The tag meant other weights when the run began.
    first = "python examples/train.py --recipe ghostface_small"
    history = {"commands": [first], "kept": "runs/ghostface_small/best.keras"}
    found = commands(weights_history=history)
    assert found == [first, command("runs/ghostface_small/best.keras", "runs/mine")]
    with pytest.raises(ValueError, match=f"has the name of a run that went before it, {before}"):
        commands(output=before)
    with pytest.raises(ValueError, match="before it, runs/ghostface_small"):
        commands(output="runs/ghostface_small", weights_history=history)


def test_teachers_and_packed_faces_are_part_of_the_history(tmp_path):
    script = load_example("pack_weights")

    def record(name, words):
        folder = tmp_path / name
        folder.mkdir()
        command = f"python examples/train.py --path /mine/faces.npz {words} --output /mine/{name}"
        content = {
            **{"command": command, "recipe": {"model": "ghostface"}, "backend": "jax"},
            "settings": {"data": "fer2013"},
            "packed": {"data": "fer2013", "options": {"validation_fraction": 0.1, "seed": 1}},
        }
        (folder / "run.json").write_text(json.dumps(content))
        return folder / "last.keras"

    first, second = record("first", "--no-report --seed 1"), record("second", "--seed 2")
    record("taught", f"--teacher {first} {second} --epochs 9")
    train = "KERAS_BACKEND=jax python examples/train.py --path faces.npz"
    assert script.commands(tmp_path / "taught") == [
        "python examples/pack_faces.py --data fer2013 --path FOLDER --validation-fraction 0.1 "
        "--seed 1 --output faces.npz",
        f"{train} --seed 1 --output runs/first",
        f"{train} --seed 2 --output runs/second",
        f"{train} --teacher runs/first/last.keras runs/second/last.keras --epochs 9 "
        "--output runs/taught",
    ]


def test_a_run_notes_how_its_bundled_weights_came_about():
    train = load_example("train")
    recipe = train.recipes.get("ghostface_small")
    assert train.weights_history(recipe) is None
    begun = recipe.replace(model_options={"weights": "ferplus"})
    card = registry.weights("ghostface", "ferplus").card
    output = train.output_of(card["commands"][-1])
    assert train.weights_history(begun) == {
        "commands": card["commands"],
        "kept": f"{output}/{card['epoch']}.keras",
    }
    assert train.output_of("python examples/train.py") == "runs/ghostface_small"
