"""Frames of which the next is searched while one is classified."""

import itertools
import threading

import numpy as np
import pytest

from fer_data.faces import FRAMINGS, Face
from fer_models.recognizer import Recognizer
from fer_models.recognizer.one_ahead import one_ahead

RATE = 30


@pytest.fixture(scope="module")
def moving():
    """Return frames of a portrait that slides, vanishes and comes back, with their times."""
    data = pytest.importorskip("skimage.data")
    portrait = data.astronaut()[:288, 96:480]
    shown = [np.roll(portrait, 3 * place, axis=1) for place in range(12)]
    empty = [np.full_like(portrait, 90)] * 2
    return [(image, place / RATE) for place, image in enumerate(shown[:9] + empty + shown[9:])]


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer("ferplus", "mtcnn")


@pytest.mark.parametrize("together", [1, 5])
def test_the_answers_are_those_of_one_frame_after_the_other(recognizer, moving, together):
    options = {"smoothing": 0.3, "detect_every": 0.1, "search_every": 0.2}
    session = recognizer.session(**options)
    expected = [session.frame(image, time) for image, time in moving]
    # Equal means equal numbers: boxes, points, probabilities and quality, to the last bit.
    assert list(recognizer.session(**options).frames(moving, together)) == expected
    # The detector looks again a tenth of a second after it found none.
    assert [len(faces) for faces in expected] == [1] * 9 + [0] * 3 + [1] * 2


class Whole:
    """Finds one face in the middle of each picture."""

    def detect(self, image):
        return [Face((10, 10, 40, 40), 0.9, framing=FRAMINGS["mtcnn"])]


def grey(values):
    return [(np.full((60, 60, 3), value, np.uint8), float(n)) for n, value in enumerate(values)]


def test_what_came_before_a_bad_frame_is_answered():
    session = Recognizer("ferplus", Whole()).session()
    frames = [*grey([10, 20, 30]), (np.zeros((60, 60, 7), np.uint8), 3.0)]
    answers = session.frames(frames)
    assert [len(faces) for faces in itertools.islice(answers, 3)] == [1, 1, 1]
    with pytest.raises(ValueError, match="channels"):
        next(answers)
    session.reset()
    with pytest.raises(ValueError, match="`timestamp` must not be before"):
        list(session.frames([*grey([10, 20]), *grey([30])]))


def test_bad_arguments(recognizer):
    session = recognizer.session()
    with pytest.raises(ValueError, match="`frames` must be an iterable"):
        session.frames(7)
    with pytest.raises(ValueError, match="`together` must be an integer"):
        session.frames([], together=0)
    assert list(session.frames([])) == []


def test_one_step_is_done_while_the_next_item_is_made():
    made_second = threading.Event()

    def items():
        yield 1
        made_second.set()
        yield 2

    def finish(number):
        # Waits for ever unless the second item is made meanwhile.
        return 10 * number if made_second.wait(10) else None

    assert list(one_ahead(items(), finish)) == [10, 20]


def test_errors_come_in_their_place_and_nothing_is_left_running():
    def items():
        yield 1
        yield 0
        raise KeyError("no third")

    found = one_ahead(items(), lambda number: number)
    assert [next(found), next(found)] == [1, 0]
    with pytest.raises(KeyError, match="no third"):
        next(found)
    found = one_ahead(items(), lambda number: 1 // number)
    assert next(found) == 1
    with pytest.raises(ZeroDivisionError):
        next(found)
    found = one_ahead(itertools.count(), lambda number: number)
    assert next(found) == 0
    found.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("finish")]
