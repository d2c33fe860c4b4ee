"""Cards in the form of the Hugging Face Hub."""

import pytest
import yaml

from fer_models.cli import main
from fer_models.zoo import bundled
from fer_models.zoo.hub_card import hub_card
from fer_models.zoo.model_card import model_card


@pytest.mark.parametrize("source", bundled.all_weights())
def test_front_matter_says_what_the_card_says(source):
    name, tag = source.split(":")
    empty, front, body = hub_card(name, tag).split("---\n", 2)
    said, card = yaml.safe_load(front), bundled.weights(name, tag).card
    assert empty == ""
    licence = "other" if card.get("ancestry") else "mit"
    assert (said["license"], said["library_name"]) == (licence, "keras")
    assert said["pipeline_tag"] == "image-classification"
    assert name in said["tags"]
    (model,) = said["model-index"]
    assert model["name"] == source
    for result, (subset, scores) in zip(model["results"], card["scores"].items(), strict=True):
        assert result["dataset"]["type"] == card["data"]
        assert subset in result["dataset"]["name"]
        values = {each["type"]: each["value"] for each in result["metrics"]}
        assert values["accuracy"] == pytest.approx(scores["accuracy"], abs=1e-4)
        assert values["f1"] == pytest.approx(scores["macro_f1"], abs=1e-4)
    assert body.strip() == model_card(name, tag).replace("## ", "# ", 1)
    assert card["not_for"] in body


def test_terms_that_are_no_licence_of_the_hub_are_other_terms(monkeypatch):
    known = bundled.weights("ghostface", "fer2013")
    card = known.card | {"licence": "For research alone: no commerce."}
    monkeypatch.setitem(known.__dict__, "card", card)
    monkeypatch.setattr(bundled, "weights", lambda name, tag: known)
    assert yaml.safe_load(hub_card("ghostface", "fer2013").split("---\n")[1])["license"] == "other"


def test_command(capsys):
    assert main(["weights", "ghostface:ferplus", "--hub"]) == 0
    assert capsys.readouterr().out.rstrip() == hub_card("ghostface", "ferplus").rstrip()
    for words in (["--hub"], ["ghostface:ferplus", "--hub", "--json"]):
        assert main(["weights", *words]) == 2
        assert "--hub is for the card of one NAME:TAG" in capsys.readouterr().err


def test_unknown_weights():
    with pytest.raises(ValueError, match="nonesuch"):
        hub_card("ghostface", "nonesuch")
