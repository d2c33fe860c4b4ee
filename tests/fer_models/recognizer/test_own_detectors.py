"""Detectors that are given as objects, which need not be made for threads."""

import pickle
import threading
import time

import numpy as np
import pytest

from fer_data.faces import FRAMINGS, Face
from fer_models.recognizer import Recognizer

PICTURE = np.random.default_rng(0).integers(0, 256, (60, 60, 3)).astype(np.uint8)
inside, overlaps, calls = [], [], []


class Slow:
    """Notes where one of its calls begins before another has ended."""

    def detect(self, image):
        # Faces that come one by one: the call ends with the last of them.
        calls.append("detect")
        yield from self._found()

    def detect_batch(self, images):
        calls.append("detect_batch")
        for _ in images:
            yield self._found()

    def follow(self, image, boxes):
        calls.append("follow")
        return self._found()

    def _found(self):
        inside.append(1)
        overlaps.append(len(inside))
        time.sleep(0.002)
        inside.pop()
        return [Face((10, 10, 40, 40), 0.9, framing=FRAMINGS["mtcnn"])]


@pytest.mark.parametrize("pickled", [False, True])
def test_calls_of_a_detector_never_overlap(pickled):
    recognizer = Recognizer("ferplus", Slow())
    if pickled:
        recognizer = pickle.loads(pickle.dumps(recognizer))
    for noted in (inside, overlaps, calls):
        noted.clear()

    def use():
        session = recognizer.session(detect_every=0.01, search_every=1)
        for number in range(6):
            session.frame(PICTURE, number / 30)
        list(recognizer.photos([PICTURE] * 3))

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(calls) == {"detect", "detect_batch", "follow"}
    assert set(overlaps) == {1}
    assert len(overlaps) == 4 * (6 + 3)
    assert not inside
