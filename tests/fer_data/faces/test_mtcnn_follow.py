"""MTCNN's last two networks find known faces near their boxes."""

import importlib.util

import keras
import numpy as np
import pytest

from fer_data.faces.following import overlap

MISSING = [name for name in ("mtcnn", "skimage") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="fer_data is tested on TensorFlow"
    ),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]


@pytest.fixture(scope="module")
def mtcnn():
    from fer_data.faces import detector

    return detector("mtcnn")


@pytest.fixture(scope="module")
def portrait():
    from skimage import data

    return data.astronaut()[:256, 64:320]


@pytest.mark.parametrize("shift", [(0, 0), (0.1, 0), (-0.1, 0.1), (0, -0.15)])
def test_a_face_is_found_where_detection_finds_it(mtcnn, portrait, shift):
    [expected] = mtcnn.detect(portrait)
    box = expected.box + np.append(np.array(shift) * expected.box[2:], (0, 0))
    [face] = mtcnn.follow(portrait, [box])
    assert overlap(face.box, expected.box) > 0.8
    assert face.score > 0.95
    assert face.detector == "mtcnn"
    across = np.ptp(expected.points[:2, 0])
    assert np.abs(face.points - expected.points).max() < 0.1 * across


def test_where_there_is_no_face_none_is_found(mtcnn, portrait):
    [face] = mtcnn.detect(portrait)
    assert mtcnn.follow(portrait, []) == []
    assert mtcnn.follow(np.zeros_like(portrait), [face.box]) == []
    elsewhere = [(150, 160, 60, 60), (240, 240, 90, 90), (-80, -80, 60, 60)]
    assert mtcnn.follow(portrait, elsewhere) == []
    assert len(mtcnn.follow(portrait, [elsewhere[0], face.box])) == 1


def test_two_boxes_of_one_face_give_one_face(mtcnn, portrait):
    [face] = mtcnn.detect(portrait)
    assert len(mtcnn.follow(portrait, [face.box, face.box + 2])) == 1


def test_several_faces_in_the_pixels_of_a_large_picture(portrait):
    import cv2

    from fer_data.faces import detector

    pair = np.concatenate([portrait, portrait[:, ::-1]], axis=1)
    large = cv2.resize(pair, None, fx=2, fy=2)
    mtcnn = detector("mtcnn", working_size=512)
    expected = mtcnn.detect(large)
    assert len(expected) == 2
    faces = mtcnn.follow(large, [face.box for face in expected])
    assert len(faces) == 2
    for face in faces:
        assert max(overlap(face.box, other.box) for other in expected) > 0.85
