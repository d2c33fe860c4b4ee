"""A Recognizer in copies, in forked children and in fresh processes."""

import copy
import os
import pickle
import subprocess
import sys

import keras
import numpy as np
import pytest
from helpers.shared import ROOT

from fer_data.compiled import lite_runner
from fer_models import Recognizer

# In a process of its own, without Keras: what is forked is what a program for recognition has.
PROGRAM = """
import copy, multiprocessing, os, pickle, sys
import numpy as np
from skimage import data
from fer_models import Recognizer

portrait = data.astronaut()
# Another size: the networks make new interpreters for it.
large = np.kron(portrait[:400, 50:450], np.ones((2, 2, 1), np.uint8))


def look(recognizer):
    return [
        [(face.label, round(face.confidence, 4), face.box) for face in recognizer.photo(each)]
        for each in (portrait, large)
    ]


if __name__ == "__main__":
    recognizers = [Recognizer("ferplus", flip=True), Recognizer(detector="yunet", max_faces=1)]
    for recognizer in recognizers:
        expected = look(recognizer)
        recognizer.frame(portrait, 5.0)
        for other in (
            copy.copy(recognizer),
            copy.deepcopy(recognizer),
            pickle.loads(pickle.dumps(recognizer)),
        ):
            assert look(other) == expected
            assert other.class_names == recognizer.class_names
            # Its own session begins anew.
            assert other.frame(portrait, 1.0)[0].timestamp == 1.0
        with multiprocessing.get_context("fork").Pool(1) as pool:
            assert pool.apply(look, [recognizer]) == expected
        # Inherited, not pickled; used in the child, and left alone there.
        for use in (True, False):
            child = os.fork()
            if not child:
                right = not use or look(recognizer) == expected
                # With all that Python does at its end.
                sys.exit(0 if right else 3)
            assert os.waitpid(child, 0)[1] == 0, use
        assert look(recognizer) == expected
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(look, [recognizer]) == expected
    assert not {"keras", "tensorflow"} & sys.modules.keys()
    print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.slow
def test_copies_and_processes_answer_alike(tmp_path):
    pytest.importorskip("skimage")
    pytest.importorskip("ai_edge_litert")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "done\n"


class Nobody:
    """A detector of one's own."""

    def detect(self, image):
        return []


@pytest.mark.backend
@pytest.mark.parametrize("by_litert", [True, False])
def test_a_network_of_ones_own_is_copied(monkeypatch, by_litert):
    if not by_litert:
        monkeypatch.setattr(lite_runner, "available", lambda: False)
    dense = keras.layers.Dense(7, activation="softmax", kernel_initializer="ones")
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), dense])
    dense.set_weights([np.random.default_rng(0).normal(0, 0.01, (64, 7)), np.zeros(7)])
    recognizer = Recognizer(model, Nobody(), max_faces=3, flip=True)
    faces = np.random.default_rng(1).uniform(0, 255, (4, 8, 8, 1)).astype("float32")
    expected = recognizer.classify(faces)
    assert np.ptp(expected, axis=0).max() > 0.1
    for other in (copy.deepcopy(recognizer), pickle.loads(pickle.dumps(recognizer))):
        np.testing.assert_allclose(other.classify(faces), expected, atol=1e-6)
        assert other.photo(np.zeros((20, 20, 3), np.uint8)) == []
