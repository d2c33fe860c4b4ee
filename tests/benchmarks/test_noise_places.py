"""The comparison of places of the noise: its faces, its table, and that it goes on."""

import json

import keras
import numpy as np
import pytest
from helpers.examples import loaded_benchmark

from fer_data.pipelines import face_arrays
from fer_models import privacy, recipes

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the benchmark was made for one backend"
)
SMALL = ["--train", "14", "--test", "7", "--epochs", "1", "--batch-size", "7", "--seeds", "2"]


@pytest.fixture(scope="module")
def places():
    with loaded_benchmark("noise_places") as script:
        yield script


def figures(gap, test):
    return {"train": test + gap, "test": test, "gap": gap, "auc": 0.5 + gap}


def test_drawn_faces_are_of_different_people(places):
    train, test, names = places.load(places.parsed(SMALL))
    assert train[0].shape == (14, 48, 48, 1)
    assert test[0].shape == (7, 48, 48, 1)
    assert train[0].dtype == np.uint8
    assert len(names) == 7
    assert sorted(test[1]) == list(range(7))


def test_copies_of_training_faces_are_no_test_faces(places, tmp_path):
    rng = np.random.default_rng(0)
    train, test = (rng.integers(0, 256, (20, 48, 48, 1), "uint8") for _ in range(2))
    test[3], test[4] = train[5], train[6, :, ::-1]
    splits = {
        name: {"image": images, "label": np.arange(20) % 7}
        for name, images in (("train", train), ("validation", test))
    }
    face_arrays.write(tmp_path / "faces.npz", splits, list("abcdefg"))
    given = [*SMALL, "--path", str(tmp_path / "faces.npz")]
    found, others, names = places.load(places.parsed([*given, "--test", "18"]))
    assert (len(found[1]), len(others[1]), names) == (20, 18, tuple("abcdefg"))
    privacy.refuse_overlap(
        {name: privacy.content_hashes(faces[0]) for name, faces in (("a", found), ("b", others))}
    )
    with pytest.raises(ValueError, match="must be at most 20 and 18, the faces that are no copies"):
        places.load(places.parsed([*given, "--test", "19"]))


@pytest.mark.slow
def test_networks_of_one_seed_differ_in_the_noise_alone(places):
    options = places.parsed([*SMALL, "--width", "0.125"])
    built = {}
    for name in ("none", "input+classifier"):
        keras.utils.set_random_seed(1)
        built[name] = places.recipe_of(options, name).build(seed=1)
    kinds = [
        [layer.name for layer in model.layers if "noise" in layer.name] for model in built.values()
    ]
    assert kinds == [[], ["noise_input", "noise_classifier"]]
    for one, other in zip(*(model.get_weights() for model in built.values()), strict=True):
        np.testing.assert_array_equal(one, other)


def test_table(places):
    found = {}
    for seed, more in ((1, 0.0), (2, 0.02)):
        found["none", seed] = figures(0.5 + more, 0.3)
        found["body", seed] = figures(0.4 + more, 0.31 + more)
    lines = places.table(found, ("none", "body"), (1, 2))
    assert lines[2] == (
        "| none | 81.0 ± 1.4 % | 30.0 ± 0.0 % | 51.0 ± 1.4 % | 1.010 ± 0.014 |  |  |  |"
    )
    assert lines[3].startswith("| body | 73.0 ± 2.8 % | 32.0 ± 1.4 % | 41.0 ± 1.4 % |")
    # Student's t of one degree of freedom: 12.7 times 0.01.
    assert lines[3].endswith("| +2.0 ± 12.7 points | -10.0 ± 0.0 points | -0.100 ± 0.000 |")
    alone = places.table(found, ("body",), (1,))
    assert alone[2] == "| body | 71.0 % | 31.0 % | 40.0 % | 0.900 |  |  |  |"


def test_a_stopped_comparison_goes_on(places, monkeypatch, tmp_path, capsys):
    asked = []

    def measure(renewed, train, test, options, seed):
        if len(asked) == 3:
            asked.append("stopped")
            raise KeyboardInterrupt
        asked.append((renewed, seed))
        return figures(0.5, 0.3)

    monkeypatch.setattr(places, "measure", measure)
    monkeypatch.setattr(places, "RenewedModel", lambda recipe, classes, steps: (recipe, steps))
    given = [*SMALL, "--places", "none", "early_stage+body", "--output", str(tmp_path / "run")]
    with pytest.raises(KeyboardInterrupt):
        places.main(given)
    places.main(given)
    assert [each[1] for each in asked if each != "stopped"] == [1, 2, 1, 2]
    recipe, steps = asked[-1][0]
    assert (recipe.model_options["noise_at"], steps) == (("early_stage", "body"), 2)
    text = capsys.readouterr().out
    assert "seeds 1 to 2" in text
    assert "| early_stage+body | 80.0 ± 0.0 % |" in text
    assert json.loads((tmp_path / "run/none-2.json").read_text()) == figures(0.5, 0.3)
    with pytest.raises(ValueError, match="epochs was 1, now 2"):
        places.main([*given, "--epochs", "2"])


@pytest.mark.slow
def test_small_comparison(places, tmp_path, capsys):
    places.main([*SMALL, "--width", "0.125", "--places", "classifier", "--output", str(tmp_path)])
    assert "| classifier | " in capsys.readouterr().out
    found = json.loads((tmp_path / "classifier-1.json").read_text())
    assert found["gap"] == pytest.approx(found["train"] - found["test"])
    assert 0 <= found["auc"] <= 1


@pytest.mark.parametrize("wrong", ["stem", "input+input", "input,body", "none+body"])
def test_unknown_places_are_refused(places, wrong, capsys):
    with pytest.raises(SystemExit):
        places.parsed(["--places", wrong])
    assert "different ones of input, early_stage, body, head, classifier" in capsys.readouterr().err


def test_the_training_is_that_of_the_recipe_without_augmentation(places):
    recipe = places.recipe_of(places.parsed(SMALL), "none")
    assert recipe.model == recipes.get("ghostface_none").model
    assert (recipe.augmentation, recipe.patience, recipe.batch_size) == ("none", None, 7)
    with pytest.raises(SystemExit):
        places.parsed(["--train", "10", "--batch-size", "11"])
