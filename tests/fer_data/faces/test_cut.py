"""The cut of a face against its rule written out slowly: area means, edges, turning, points."""

import math
import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_data.faces import DETECTORS, cut
from fer_data.faces.face import Face


def area_weights(side, size):
    """The share of each pixel in each result's, one fraction at a time."""
    weights = np.zeros((size, side))
    for j in range(size):
        low, high = j * side / size, (j + 1) * side / size
        for i in range(side):
            weights[j, i] = max(0.0, min(high, i + 1) - max(low, i)) / (high - low)
    return weights


def bilinear_weights(side, size):
    weights = np.zeros((size, side))
    for j in range(size):
        place = min(max((j + 0.5) * side / size - 0.5, 0), side - 1)
        first = math.floor(place)
        weights[j, first] += 1 - (place - first)
        weights[j, min(first + 1, side - 1)] += place - first
    return weights


FRAMING = cut.Framing(0.96, 0.0, 0.0)


def cut_box(image, box, size, channels=3, framing=FRAMING, **options):
    return cut.cut_face(image, box, size, channels, framing=framing, **options)


def expected_cut(image, box, size, framing=FRAMING):
    left, top, side = cut.square(box, framing)
    rows = np.clip(np.arange(top, top + side), 0, image.shape[0] - 1)
    columns = np.clip(np.arange(left, left + side), 0, image.shape[1] - 1)
    grey = image[rows][:, columns].astype(np.float64) @ (0.299, 0.587, 0.114)
    weights = (area_weights if side > size else bilinear_weights)(side, size)
    return weights @ grey @ weights.T


boxes = st.tuples(st.floats(-10, 75), st.floats(-10, 45), st.floats(0.2, 70), st.floats(0.2, 70))


@settings(max_examples=40, deadline=None)
@given(boxes, st.integers(1, 24), st.integers(0, 2**31))
def test_a_cut_is_the_area_mean_or_bilinear(box, size, seed):
    image = np.random.default_rng(seed).integers(0, 256, (50, 80, 3), dtype=np.uint8)
    found = cut_box(image, box, size, 1)
    assert found.shape == (size, size, 1)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[..., 0], expected_cut(image, box, size), atol=2e-3)


@settings(max_examples=30, deadline=None)
@given(boxes, st.floats(21, 180), st.booleans())
def test_a_turned_cut_samples_the_picture_where_the_rule_says(box, roll, left):
    roll = -roll if left else roll
    # In a picture of even slopes bilinear samples are exact, edges apart.
    y, x = np.mgrid[:50, :80]
    image = np.stack([2 * x + y] * 3, axis=-1).astype(np.uint8)
    scale, right, down = FRAMING
    longer = max(box[2:])
    side = max(1, math.floor(scale * longer + 0.5))
    cx = box[0] + box[2] / 2 + right * longer - 0.5
    cy = box[1] + box[3] / 2 + down * longer - 0.5
    offset = np.arange(side) - (side - 1) / 2
    u, v = offset[None], offset[:, None]
    cos, sin = math.cos(math.radians(roll)), math.sin(math.radians(roll))
    expected = 2 * np.clip(cx + cos * u - sin * v, 0, 79) + np.clip(cy + sin * u + cos * v, 0, 49)
    found = cut_box(image, box, side, 1, roll=roll)[..., 0]
    np.testing.assert_allclose(found, expected, atol=1e-2)


def test_small_roll_is_left_alone():
    image = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    level = cut_box(image, (10, 10, 30, 30), 16, 1)
    np.testing.assert_array_equal(cut_box(image, (10, 10, 30, 30), 16, 1, roll=20.0), level)
    assert abs(cut_box(image, (10, 10, 30, 30), 16, 1, roll=20.1) - level).max() > 1


def test_half_turn_is_the_square_upside_down():
    image = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    level = cut_box(image, (10, 12, 25, 25), 24, 1)
    turned = cut_box(image, (10, 12, 25, 25), 24, 1, roll=180.0)
    # A side of 24 about a centre of 22.5 begins at 10.5, which rounds up; turning does not round.
    shifted = (level[1:, 1:] + level[1:, :-1] + level[:-1, 1:] + level[:-1, :-1]) / 4
    np.testing.assert_allclose(turned[::-1, ::-1][1:, 1:], shifted, atol=1e-2)


def test_roll_of_the_eyes():
    points = np.zeros((5, 2))
    points[:2] = (10, 10), (20, 20)
    assert cut.roll_of(points) == pytest.approx(45)
    assert cut.roll_of(points[[1, 0, 2, 3, 4]]) == pytest.approx(-135)
    assert cut.roll_of(None) == 0


def test_colours_stay_for_a_network_of_three_channels():
    image = np.zeros((40, 40, 3), np.uint8)
    image[..., 1] = 200
    colour = cut_box(image, (5, 5, 20, 20), 8, 3)
    assert colour.shape == (8, 8, 3)
    np.testing.assert_allclose(colour[0, 0], (0, 200, 0), atol=1e-3)
    grey = cut_box(image, (5, 5, 20, 20), 8, 1)
    np.testing.assert_allclose(grey, 0.587 * 200, atol=1e-3)


def test_far_beyond_the_edge_is_the_edge():
    image = np.zeros((20, 20, 3), np.uint8)
    image[:, -1] = 90
    np.testing.assert_allclose(cut_box(image, (100, 5, 8, 8), 4, 1), 90, atol=1e-3)


def a_face(turned=0.0, **options):
    """A face whose eyes are 20 pixels apart, about (40, 35)."""
    x, y = 10 * math.cos(math.radians(turned)), 10 * math.sin(math.radians(turned))
    points = [(40 - x, 35 - y), (40 + x, 35 + y), (40, 42), (35, 50), (45, 50)]
    return Face((20, 12, 40, 50), 0.9, points, **options)


def test_a_face_brings_its_roll_and_its_framing_along(monkeypatch):
    image = np.random.default_rng(0).integers(0, 256, (80, 90, 3), dtype=np.uint8)
    turned, known = a_face(60, detector="mtcnn"), cut.FRAMINGS["mtcnn"]
    expected = cut_box(image, turned.box, 32, framing=known, roll=cut.roll_of(turned.points))
    np.testing.assert_array_equal(cut.cut_face(image, turned, 32), expected)
    level = cut.cut_face(image, turned, 32, roll=0)
    np.testing.assert_array_equal(level, cut_box(image, turned.box, 32, framing=known))
    assert abs(level - expected).max() > 1
    other = cut.Framing(0.7, 0.1, -0.1)
    monkeypatch.setitem(cut.FRAMINGS, "yunet", other)
    expected = cut_box(image, turned.box, 32, framing=other)
    found = cut.cut_face(image, a_face(detector="yunet"), 32)
    np.testing.assert_array_equal(found, expected)
    assert abs(found - level).max() > 1
    # Its own word stands above that of its detector, and an argument above both.
    own = a_face(detector="mtcnn", framing=other)
    np.testing.assert_array_equal(cut.cut_face(image, own, 32), expected)
    np.testing.assert_array_equal(cut.cut_face(image, own, 32, framing=known), level)


def test_every_detector_has_a_framing_of_its_own():
    assert set(cut.FRAMINGS) == set(DETECTORS)
    # dlib's boxes are much tighter than the others': cut like MTCNN's, faces would lack a chin.
    assert cut.FRAMINGS["dlib_hog"].scale > 1.1 * cut.FRAMINGS["mtcnn"].scale


@pytest.mark.parametrize(
    "face", [(5, 5, 20, 20), Face((5, 5, 20, 20), 0.9), Face((5, 5, 20, 20), 0.9, None, "mine")]
)
def test_a_box_of_which_nobody_knows_how_it_lies_is_not_cut(face):
    image = np.zeros((40, 40, 3), np.uint8)
    with pytest.raises(ValueError, match=r"`framing` must say .* Received: framing=None and .*"):
        cut.cut_face(image, face, 8)
    with pytest.raises(ValueError, match=r"framing=fer_data.faces.FRAMINGS\['mtcnn'\]"):
        cut.cut_points([(1, 1)], face, 8)
    assert cut.cut_face(image, face, 8, framing=cut.WHOLE).shape == (8, 8, 3)


@pytest.mark.parametrize(("turned", "size"), [(0, 24), (0, 100), (50, 24), (-130, 100)])
def test_points_come_along(turned, size):
    """The centre of gravity of a spot drawn at a point, against the point carried along."""
    point, face = (44.3, 30.6), a_face(turned, detector="mtcnn")
    y, x = np.mgrid[:80, :90]
    spot = 255 * np.exp(-((x - point[0]) ** 2 + (y - point[1]) ** 2) / 2 / 3**2)
    shown = cut.cut_face(np.stack([spot] * 3, axis=-1), face, size, 1)[..., 0]
    rows, columns = np.mgrid[:size, :size]
    found = [(columns * shown).sum() / shown.sum(), (rows * shown).sum() / shown.sum()]
    np.testing.assert_allclose(cut.cut_points([point], face, size), [found], atol=0.05)


def test_a_picture_may_be_a_file_or_grey(tmp_path):
    grey = np.random.default_rng(0).integers(0, 256, (40, 40, 1), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    found = cut_box(tmp_path / "grey.png", (5, 5, 20, 20), 19, 1)
    np.testing.assert_allclose(found, grey[6:25, 6:25], atol=1e-3)
    np.testing.assert_array_equal(cut_box(grey, (5, 5, 20, 20), 19, 1), found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 0}, "`size` must be an integer >= 1"),
        ({"channels": 2}, "`channels` must be one of"),
        ({"face": (1, 2, 3)}, "`face` must be a Face, or finite numbers"),
        ({"face": (1, 2, 3, 0)}, "with a positive width and height"),
        ({"face": (1, 2, np.nan, 4)}, "`face` must be a Face"),
        ({"face": "left"}, "`face` must be a Face"),
        ({"roll": math.inf}, "`roll` must be a finite number"),
        ({"image": np.zeros((4, 4, 2))}, "`image` must have the shape"),
        ({"framing": "mtcnn"}, "`framing` must be a `fer_data.faces.Framing`"),
        ({"framing": cut.Framing(0, 0, 0)}, "with a scale above 0"),
        ({"framing": cut.Framing(1, math.nan, 0)}, "of finite numbers"),
    ],
)
def test_bad_arguments(change, message):
    given = {"image": np.zeros((40, 40, 3), np.uint8), "face": (5, 5, 20, 20), "size": 8}
    with pytest.raises(ValueError, match=message):
        cut.cut_face(**{"framing": FRAMING} | given | change)


def test_cutting_needs_no_tensorflow():
    script = "import sys; from fer_data.faces import cut_face; print('tensorflow' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert found.stdout.strip() == "False", found.stderr


@pytest.mark.parametrize("points", [[[1], [2]], 3.0, [[1, 2, 3]]])
@pytest.mark.parametrize("roll", [0, 90])
def test_points_of_another_shape_are_refused(points, roll):
    with pytest.raises(ValueError, match=r"`points` must have the shape \(\.\.\., 2\)"):
        cut.cut_points(points, (5, 5, 20, 20), 8, roll=roll, framing=FRAMING)
