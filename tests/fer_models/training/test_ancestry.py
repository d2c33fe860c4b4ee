"""From which pre-trained trunks a network descends: through weights, teachers and answers."""

import json

import pytest

from fer_models.training import ancestry
from fer_models.zoo import bundled


@pytest.fixture
def run(tmp_path):
    """Return a function that writes a run.json and returns the model beside it."""

    def write(name, options=None, **record):
        folder = tmp_path / name
        folder.mkdir()
        recipe = {"model": "pretrained_classifier", "model_options": options or {}}
        content = {"settings": {"teacher": None}, "recipe": recipe, **record}
        (folder / "run.json").write_text(json.dumps(content))
        return str(folder / "last.keras")

    return write


def test_it_goes_through_weights_and_teachers(run, tmp_path):
    first = run("first", {"trunk": "lite0", "trunk_weights": "lite0.npz"})
    second = run("second", {"trunk": "lite0", "weights": first})
    other = run("other", {"trunk_weights": "faceres.npz"})
    taught = run("taught", settings={"teacher": [second, other]})
    noted = run("noted", ancestry=["dlib"])
    assert ancestry.of_weights(second) == ("lite0",)
    assert ancestry.of_weights(taught) == ("faceres", "lite0")
    assert ancestry.of_weights(noted) == ("dlib",)
    assert ancestry.of_weights(tmp_path / "nowhere.keras") == ()
    # A trunk that begins with random weights descends from nothing.
    assert ancestry.of_options("pretrained_classifier", {"trunk": "faceres"}) == ()
    assert ancestry.of_options("resnet50_cbam", {"weights": "imagenet"}) == ()
    assert ancestry.of_record({"settings": {}}) == ()


def test_bundled_weights_say_it_in_their_card(tmp_path, monkeypatch):
    card = bundled.weights("ghostface", "ferplus").card | {"ancestry": ["faceres"]}
    (tmp_path / "ghostface_ferplus.json").write_text(json.dumps(card))
    monkeypatch.setattr(bundled, "FOLDER", tmp_path)
    for source in ("ghostface:ferplus", "ferplus"):
        assert ancestry.of_weights(source) == ("faceres",)
    assert ancestry.of_options("ghostface", {"weights": "ferplus"}) == ("faceres",)


def test_the_terms_of_each_are_given():
    assert ancestry.terms(()) == ""
    text = ancestry.terms(("dlib", "faceres"))
    assert text.count("It descends from") == 2
    for words in ("CC0", "VGGFace2", "Use in a product that is sold: Doubtful"):
        assert words in text
