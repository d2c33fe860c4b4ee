"""How well a face is shown, and answers that are unsure of it."""

import json

import numpy as np
import pytest

from fer_data.faces import FRAMINGS, Face
from fer_models.recognizer import Expression, FaceQuality, QualityGate, Recognizer, table
from fer_models.recognizer.annotated_files import lines
from fer_models.recognizer.quality import sharpness
from fer_models.zoo import bundled
from fer_models.zoo.set_rule import SetRule

RNG = np.random.default_rng(0)
SHARP = RNG.uniform(0, 255, (48, 48, 1)).astype("float32")
# Five points of a face that looks into the camera, and of one turned far to the right.
AHEAD = [(60, 80), (100, 80), (80, 103), (65, 125), (95, 125)]
TURNED = [(70, 80), (95, 80), (103, 103), (75, 125), (97, 125)]


def face(side=100, points=None):
    points = None if points is None else np.array(points, np.float32)
    return Face((10, 10, side, side), 0.9, points, framing=FRAMINGS["mtcnn"])


def test_each_limit_by_itself_and_together():
    gate = QualityGate(least_sharpness=100, least_size=40, most_yaw=40)
    good = gate(SHARP, face(points=AHEAD))
    assert good.good
    assert (good.verdict, good.size) == ("good", 95)
    assert abs(good.yaw) < 5
    assert gate(SHARP, face()).yaw is None
    assert gate(np.full((48, 48, 1), 90.0), face()).verdict == "blurred"
    assert gate(SHARP, face(side=30)).verdict == "small"
    turned = gate(SHARP, face(points=TURNED))
    assert turned.yaw > 40
    assert turned.verdict == "turned"
    assert gate(SHARP * 0, face(30, TURNED)).verdict == "blurred, small, turned"
    assert json.loads(json.dumps(turned.to_dict()))["verdict"] == "turned"


def test_sharpness_is_of_one_scale():
    """Blur lowers it; colour and the network's size do not matter to a face of that detail."""
    import cv2

    levels = [sharpness(cv2.GaussianBlur(SHARP, (0, 0), width)[..., None]) for width in (1, 2, 4)]
    assert sharpness(SHARP) > levels[0] > levels[1] > levels[2]
    assert sharpness(np.repeat(SHARP, 3, -1)) == pytest.approx(sharpness(SHARP), rel=1e-3)
    large = np.kron(SHARP, np.ones((2, 2, 1), "float32"))
    assert sharpness(large) == pytest.approx(sharpness(SHARP), rel=1e-3)


@pytest.mark.parametrize("limits", [{"least_size": -1}, {"most_yaw": float("nan")}])
def test_limits_that_are_none(limits):
    with pytest.raises(ValueError, match=f"`{next(iter(limits))}` must be a number"):
        QualityGate(**limits)


def expression(**more):
    probabilities = {"happy": 0.6, "sad": 0.3, "angry": 0.1}
    return Expression((4.0, 2.0, 30.0, 40.0), 0.9, probabilities, "happy", 0.6, **more)


def test_what_makes_an_answer_unsure():
    small = FaceQuality(500.0, 12, None, "small")
    fine = FaceQuality(500.0, 120, 3.0, "good")
    assert expression().answer == "happy"
    assert expression(set=("happy",), quality=fine).answer == "happy"
    assert expression(set=("happy", "sad"), quality=fine).answer == "unsure"
    bad = expression(set=("happy",), quality=small)
    assert bad.unsure
    assert (bad.label, bad.to_dict()["answer"]) == ("happy", "unsure")
    several = expression(set=("happy", "sad"))
    row = table({"a.jpg": [several, bad, expression()]})
    assert row["answer"].tolist() == ["unsure", "unsure", "happy"]
    assert row["set"].tolist()[:2] == ["happy;sad", "happy"]
    assert row["quality"].tolist()[1] == "small"
    assert row["face_size"].tolist()[1] == 12
    assert lines({"a.jpg": [several, bad, expression()]}) == [
        "a.jpg: unsure (happy 60% or sad 30%), x 4, y 2, 30 x 40 pixels",
        "a.jpg: unsure (happy 60%), x 4, y 2, 30 x 40 pixels, small",
        "a.jpg: happy 60%, x 4, y 2, 30 x 40 pixels",
    ]


class Middle:
    """Finds a face of 40 pixels in the middle of every picture."""

    def detect(self, image):
        height, width = image.shape[:2]
        box = (width / 2 - 20, height / 2 - 20, 40, 40)
        return [Face(box, 0.9, framing=FRAMINGS["mtcnn"])]


def test_a_recognizer_with_a_rule_and_a_gate():
    grey = np.full((80, 80, 3), 128, np.uint8)
    everything, gate = SetRule(0.9, 1.0), QualityGate(least_size=50)
    recognizer = Recognizer("ferplus", Middle(), sets=everything, quality=gate)
    (found,) = recognizer.photo(grey)
    assert set(found.set) == set(recognizer.class_names)
    assert found.set[0] == found.label
    assert (found.quality.size, found.quality.verdict) == (38, "blurred, small")
    (again,) = recognizer.session().frame(grey, 0.0)
    assert (again.set, again.quality) == (found.set, found.quality)
    plain = Recognizer("ferplus", Middle(), sets=None, quality=None).photo(grey)[0]
    assert (plain.set, plain.quality, plain.answer) == (None, None, plain.label)


def test_bundled_weights_have_a_rule_for_each_coverage():
    rules = [Recognizer(sets=coverage).set_rule for coverage in (0.8, 0.9, 0.95)]
    limits = [rule.limit for rule in rules]
    assert limits == sorted(limits)
    assert rules[1] == Recognizer().set_rule
    assert Recognizer(sets=None).set_rule is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sets": 0.5}, "The coverage of sets must be one of"),
        ({"sets": 90}, "`sets` must be between 0 and 1"),
        ({"sets": "all"}, "`sets` must be"),
        ({"quality": "high"}, "`quality` must be a"),
    ],
)
def test_rules_and_gates_that_are_none(options, message):
    with pytest.raises(ValueError, match=message):
        Recognizer(**options)


def test_a_coverage_that_was_asked_for_needs_a_rule(monkeypatch):
    # As weights that were packed, and have no rule yet.
    known = bundled.weights("ghostface", "fer2013")
    card = {name: value for name, value in known.card.items() if name != "prediction_sets"}
    monkeypatch.setitem(known.__dict__, "card", card)
    monkeypatch.setattr(bundled, "all_weights", lambda: {"ghostface:fer2013": known})
    assert Recognizer("fer2013").set_rule is None
    assert Recognizer("fer2013", sets=None).set_rule is None
    with pytest.raises(ValueError, match=r"fer weights sets .*fit_sets.*Received: sets=0\.9$"):
        Recognizer("fer2013", sets=0.9)
