"""Frames of which the next is searched while one is classified."""

import itertools
import pathlib
import threading

import numpy as np
import pytest

from fer_data.faces import FRAMINGS, Face
from fer_models.recognizer import Recognizer
from fer_models.recognizer import session as session_module
from fer_models.recognizer.some_ahead import some_ahead

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


class Textured(Whole):
    """The same, in its own place for each brightness."""

    def detect(self, image):
        return [Face((5, int(image[0, 0, 0]) // 20, 40, 40), 0.9, framing=FRAMINGS["mtcnn"])]


def textured(value):
    """Return a picture of noise that depends on a value, which its first pixel has."""
    picture = np.random.default_rng(value).integers(0, 256, (60, 60, 3)).astype(np.uint8)
    picture[0, 0] = value
    return picture


def enumerated(pictures):
    return [(picture, float(number)) for number, picture in enumerate(pictures)]


def grey(values):
    return [(np.full((60, 60, 3), value, np.uint8), float(n)) for n, value in enumerate(values)]


def test_what_came_before_a_bad_frame_is_answered():
    session = Recognizer("ferplus", Whole()).session()
    frames = [*grey([10, 20, 30]), (np.zeros((60, 60, 7), np.uint8), 3.0)]
    answers = session.frames(frames)
    assert [len(faces) for faces in itertools.islice(answers, 3)] == [1, 1, 1]
    with pytest.raises(ValueError, match=r"`frames\[3\]\[0\]` must have the shape .* channels"):
        next(answers)
    session.reset()
    with pytest.raises(ValueError, match="`timestamp` must not be before"):
        list(session.frames([*grey([10, 20]), *grey([30])]))


def test_a_camera_may_write_all_frames_into_one_array():
    values = [10, 200, 60, 250, 120]
    recognizer = Recognizer("ferplus", Textured())

    def camera(view):
        buffer = np.zeros((60, 60, 3), np.uint8)
        for number, value in enumerate(values):
            buffer[:] = textured(value)
            yield view(buffer), float(number)

    expected = list(recognizer.session(0).frames(enumerated(map(textured, values))))
    assert len({faces[0].confidence for faces in expected}) == len(values)
    for together, view in itertools.product((1, 3), (np.asarray, memoryview)):
        assert list(recognizer.session(0).frames(camera(view), together)) == expected
    assert list(recognizer.session(0).frames(camera(np.asarray), 3, copy=False)) != expected


def test_frames_that_nobody_writes_to_need_no_copy():
    seen = []

    class Session(session_module.Session):
        def locate(self, picture, timestamp):
            seen.append(picture)
            return super().locate(picture, timestamp)

    session = Session(Recognizer("ferplus", Whole()))
    frames = grey([10, 20])
    grey_one = frames[0][0][..., 0]
    for copy, shared in ((True, False), (False, True)):
        list(session.frames(frames, copy=copy))
        session.reset()
        assert [np.may_share_memory(seen.pop(0), image) for image, _ in frames] == [shared] * 2
    list(session.frames([(grey_one, 0.0)]))
    assert not np.may_share_memory(seen.pop(), grey_one)


@pytest.mark.parametrize(
    ("item", "received"),
    [
        (np.zeros((60, 60, 3), np.uint8), "an array of dtype=uint8"),
        ((np.zeros((60, 60, 3), np.uint8), None), "the time None"),
        ((np.zeros((60, 60, 3), np.uint8), float("nan")), "the time nan"),
        ((np.zeros((60, 60, 3), np.uint8), 1.0, 2), "a tuple of 3"),
        ("frame.png", "'frame.png'"),
        (None, "None"),
    ],
)
@pytest.mark.parametrize("together", [1, 2])
def test_an_item_that_is_no_pair_is_named_by_its_number(item, received, together):
    answers = Recognizer("ferplus", Whole()).session().frames([*grey([10, 20]), item], together)
    assert [len(faces) for faces in itertools.islice(answers, 2)] == [1, 1]
    rule = r"`frames\[2\]` must be a pair of a picture and its time, a finite number of seconds"
    with pytest.raises(ValueError, match=f"{rule}. Received: {received}"):
        next(answers)


def test_bad_arguments(recognizer):
    session = recognizer.session()
    picture = np.zeros((60, 60, 3), np.uint8)
    for one in (7, "film.mp4", pathlib.Path("film.mp4"), b"film.mp4", picture, {}):
        with pytest.raises(ValueError, match="`frames` must be an iterable of pairs"):
            session.frames(one)
    with pytest.raises(ValueError, match="`copy` must be True or False"):
        session.frames([], copy="no")
    for name in ("together", "ahead"):
        with pytest.raises(ValueError, match=f"`{name}` must be an integer"):
            session.frames([], **{name: 0})
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

    assert list(some_ahead(items(), finish, 1)) == [10, 20]


@pytest.mark.parametrize("most", [1, 3])
def test_at_most_so_many_items_wait(most):
    made, go = [], threading.Event()

    def items():
        for number in range(8):
            made.append(number)
            if number == most:
                threading.Timer(0.2, go.set).start()
            yield number

    def finish(number):
        assert go.wait(10)
        return number

    found = some_ahead(items(), finish, most)
    assert next(found) == 0
    assert made == list(range(most + 1))
    assert list(found) == list(range(1, 8))


def test_who_leaves_early_does_not_wait_for_what_was_not_begun():
    begun, full, second, go = [], threading.Event(), threading.Event(), threading.Event()

    def items():
        for number in itertools.count():
            if number == 5:
                full.set()
            yield number

    def finish(number):
        begun.append(number)
        if number == 0:
            assert full.wait(10)
        else:
            second.set()
            assert go.wait(10)

    found = some_ahead(items(), finish, 5)
    next(found)
    assert second.wait(10)
    threading.Timer(0.2, go.set).start()
    found.close()
    assert begun == [0, 1]


def test_errors_come_in_their_place_and_nothing_is_left_running():
    def items():
        yield 1
        yield 0
        raise KeyError("no third")

    found = some_ahead(items(), lambda number: number, 2)
    assert [next(found), next(found)] == [1, 0]
    with pytest.raises(KeyError, match="no third"):
        next(found)
    found = some_ahead(items(), lambda number: 1 // number, 2)
    assert next(found) == 1
    with pytest.raises(ZeroDivisionError):
        next(found)
    found = some_ahead(itertools.count(), lambda number: number, 3)
    assert next(found) == 0
    found.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("finish")]
