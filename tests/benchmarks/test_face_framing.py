"""The benchmark of framings gives back those that a detector is made with."""

import numpy as np
import pytest
from helpers.examples import loaded_benchmark

from fer_data.faces.face import Face, Framing


class Framed:
    """Finds the face in the middle of each picture, in a box that it lies in by one framing."""

    def __init__(self, framing):
        self.framing = framing

    def detect_batch(self, pictures):
        return [self.detect(picture) for picture in pictures]

    def detect(self, picture):
        # The face's own frame, with a quarter of its side around it.
        side, middle = picture.shape[0] / 1.5, picture.shape[0] / 2
        if side < 100:
            return []
        longer = side / self.framing.scale
        x = middle - longer * (0.5 + self.framing.right)
        y = middle - longer * (0.5 + self.framing.down)
        return [Face((x, y, longer, longer), 0.9)]


@pytest.fixture(scope="module")
def face_framing():
    with loaded_benchmark("face_framing") as script:
        yield script


@pytest.mark.parametrize("framing", [Framing(0.9, 0.02, -0.05), Framing(1.3, 0.0, 0.1)])
def test_the_framing_of_a_detector_is_found(face_framing, framing):
    faces = np.zeros((6, 48, 48, 1), np.uint8)
    sides = np.array([208, 96, 128, 112, 288, 96])
    found = face_framing.boxes(faces, sides, Framed(framing))
    assert np.isnan(found).any(axis=1).tolist() == [False, True, False, False, False, True]
    known = ~np.isnan(found).any(axis=1)
    rows = face_framing.framings(found, sides)[known]
    np.testing.assert_allclose(rows, [framing] * 4, atol=1e-5)
    squares = face_framing.cuts(found, framing)
    np.testing.assert_allclose(squares[known, 2], sides[known])
    frames = np.column_stack([sides // 4, sides // 4, sides])
    assert face_framing.common(squares, frames) == pytest.approx(1)
    half = face_framing.cuts(found, framing._replace(scale=framing.scale / 2))
    assert face_framing.common(half, squares) == pytest.approx(0.25, abs=0.02)
