"""`fer weights`: the list and the cards; packing has its test beside the library's."""

import json

import pytest

from fer_models.cli import main
from fer_models.zoo import bundled
from fer_models.zoo.model_card import model_card


def test_list(capsys):
    assert main(["weights"]) == 0
    lines = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert list(lines) == list(bundled.all_weights())
    clean = lines["ghostface:fer2013"]
    assert "2.6 MB, faces of 48 x 48 x 1, 7 classes, 68.3% of 3,579 validation faces" in clean
    assert clean.endswith("; MIT for this file")
    taught = lines["ghostface:ferplus"]
    assert taught.endswith("it descends from faceres: read the terms on its card")
    assert main(["weights", "--json"]) == 0
    cards = json.loads(capsys.readouterr().out)
    assert cards["ghostface:ferplus"]["tag"] == "ferplus"


def test_card(capsys):
    assert main(["weights", "ghostface:ferplus"]) == 0
    assert capsys.readouterr().out == model_card("ghostface", "ferplus") + "\n"
    assert main(["weights", "ferplus"]) == 0
    assert capsys.readouterr().out == model_card("ghostface", "ferplus") + "\n"
    assert main(["weights", "ghostface:ferplus", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == bundled.weights("ghostface", "ferplus").card


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["ghostface:mine"],
            "there are no bundled weights 'ghostface:mine', only efficientface:fer2013, ghost",
        ),
        (["ghostface:fer2013", "ghostface:ferplus"], "give nothing, one NAME:TAG, `pack RUN`"),
        (["pack"], "give nothing, one NAME:TAG, `pack RUN`, or `sets NAME:TAG`"),
        (["pack", "runs/mine"], "--tag must name the weights"),
        (["--data-dir", "x"], "--data-dir is for `pack` and `sets` alone"),
        (["sets", "ghostface:fer2013", "--tag", "x"], "--tag is for `pack` alone"),
        (["sets", "ghostface:fer2013"], "--path must name the data set of the weights"),
        (["sets", "ghostface:mine", "--path", "x"], "['fer2013', 'ferplus'] of 'ghostface'"),
    ],
)
def test_mistakes(words, message, capsys):
    assert main(["weights", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
