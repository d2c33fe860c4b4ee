"""Properties of the geometry over many faces: recovery, mirror images, points that come along."""

import cv2
import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_data.faces.geometry import align_face
from fer_data.faces.regions import split_regions
from fer_data.faces.similarity import alignment, transform_points

LEFT, RIGHT = slice(36, 42), slice(42, 48)
# The place of each iBUG point in the mirror.
JAW_BROWS_NOSE = (*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1))
EYES = (45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40)
MOUTH = (*range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65)
MIRROR = np.array([*JAW_BROWS_NOSE, *EYES, *MOUTH])
several = settings(max_examples=15, deadline=None)
coordinate = st.floats(60, 240)
seeds = st.integers(0, 2**32 - 1)
# Few, since each is a graph of its own.
sizes = st.sampled_from([1, 7, 80])


def a_face(rng, width, height):
    """Random landmarks in steps of 1/64 pixel, the eyes apart."""
    points = rng.uniform((0.2 * width, 0.2 * height), (0.8 * width, 0.8 * height), (68, 2))
    middle = rng.uniform((0.4 * width, 0.4 * height), (0.6 * width, 0.6 * height))
    half = rng.uniform(4, 40) * np.array([1, rng.uniform(-0.6, 0.6)])
    points[LEFT] = middle - half + rng.normal(size=(6, 2)) * 2
    points[RIGHT] = middle + half + rng.normal(size=(6, 2)) * 2
    return np.float32(np.round(points * 64) / 64)


def mirrored(points, width):
    flipped = points[MIRROR].copy()
    flipped[:, 0] = width - 1 - flipped[:, 0]
    return flipped


@several
@given(seed=seeds, kind=st.sampled_from(["uint8", "float32", "float16"]))
def test_a_flip_swaps_left_and_right_exactly(seed, kind):
    rng = np.random.default_rng(seed)
    width, height = rng.integers(90, 200, 2)
    image = rng.integers(0, 256, (height, width, 3)).astype(kind)
    if kind != "uint8":
        image = image / np.array(7, kind)
    points = a_face(rng, width, height)
    face = align_face(image, points)
    flip = align_face(image[:, ::-1], mirrored(points, width))
    np.testing.assert_array_equal(flip, face[:, ::-1])
    marks = transform_points(points, alignment(points))
    marks_flip = mirrored(points, width)
    marks_flip = transform_points(marks_flip, alignment(marks_flip))
    for cuts in ((None, None), (marks, marks_flip)):
        left, right, lower = split_regions(face, landmarks=cuts[0])
        left_flip, right_flip, lower_flip = split_regions(flip, landmarks=cuts[1])
        np.testing.assert_array_equal(left_flip, right[:, ::-1])
        np.testing.assert_array_equal(right_flip, left[:, ::-1])
        np.testing.assert_array_equal(lower_flip, lower[:, ::-1])


@several
@given(x=coordinate, y=coordinate, angle=st.floats(-180, 180), apart=st.floats(8, 150))
def test_a_known_similarity_is_recovered(x, y, angle, apart):
    turn = np.deg2rad(angle)
    step = apart / 40.96 * np.exp(1j * turn)
    known = np.array([[step.real, -step.imag, x], [step.imag, step.real, y]])
    in_face = np.random.default_rng(0).uniform(0, 127, (68, 2))
    in_face[LEFT], in_face[RIGHT] = (43.02, 45.58), (83.98, 45.58)
    in_picture = transform_points(in_face, known).numpy()
    matrix = alignment(np.float32(in_picture)).numpy()
    inverse = np.linalg.inv(np.vstack([known, [0, 0, 1]]))[:2]
    np.testing.assert_allclose(matrix[:, :2], inverse[:, :2], atol=1e-4)
    np.testing.assert_allclose(transform_points(in_picture, matrix), in_face, atol=0.05)


@several
@given(seed=seeds)
def test_spots_land_where_their_points_do(seed):
    """The centre of gravity of a spot drawn at a point, against the point carried along."""
    rng = np.random.default_rng(seed)
    points = a_face(rng, 300, 240)
    place = transform_points([[rng.uniform(25, 102), rng.uniform(25, 102)]], _inverse(points))
    x, y = place.numpy()[0]
    step = 1 / np.hypot(*alignment(points).numpy()[0, :2])
    columns, rows = np.meshgrid(np.arange(300), np.arange(240))
    sigma = max(1.5, 1.5 * step)
    image = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 2 / sigma**2)
    if not (4 * sigma < x < 299 - 4 * sigma and 4 * sigma < y < 239 - 4 * sigma):
        return
    face = align_face(image[..., None], points).numpy()[..., 0]
    expected = transform_points([[x, y]], alignment(points)).numpy()[0]
    reach = 4 * sigma / step
    window = [slice(max(0, int(c - reach)), int(c + reach) + 2) for c in expected[::-1]]
    if any(part.start == 0 or part.stop > 128 for part in window):
        return
    grid = np.mgrid[window[0], window[1]]
    found = (grid * face[*window]).sum((1, 2)) / face[*window].sum()
    np.testing.assert_allclose(found[::-1], expected, atol=0.05)


def _inverse(points):
    matrix = np.vstack([alignment(points.astype("float64")).numpy(), [0, 0, 1]])
    return np.linalg.inv(matrix)[:2]


@several
@given(seed=seeds)
def test_points_and_picture_transformed_together_give_the_same_face(seed):
    rng = np.random.default_rng(seed)
    rough = rng.uniform(0, 255, (9, 12)).astype("float32")
    image = cv2.GaussianBlur(
        cv2.resize(rough, (240, 180), interpolation=cv2.INTER_CUBIC), (0, 0), 3
    )
    middle, half = rng.uniform((105, 80), (135, 100)), np.array([15.0, rng.uniform(-3, 3)])
    points = np.zeros((68, 2), "float32")
    points[LEFT], points[RIGHT] = middle - half, middle + half
    turn = np.deg2rad(rng.uniform(-20, 20))
    a, b = rng.uniform(0.9, 1.1) * np.array([np.cos(turn), np.sin(turn)])
    shift = np.array([119.5, 89.5]) + rng.uniform(-3, 3, 2)
    known = np.column_stack(
        [[[a, -b], [b, a]], shift - [[a, -b], [b, a]] @ np.array([119.5, 89.5])]
    )
    moved = cv2.warpAffine(image, known, (240, 180), flags=cv2.INTER_CUBIC)
    before = align_face(image[..., None], points).numpy()
    after = align_face(moved[..., None], transform_points(points, known)).numpy()
    inner = np.s_[24:104, 24:104]
    assert abs(before - after)[inner].mean() < 1.0


@several
@given(seed=seeds, size=sizes)
def test_a_face_keeps_the_mean_and_never_leaves_the_range(seed, size):
    rng = np.random.default_rng(seed)
    level = rng.integers(0, 256)
    flat = np.full((200, 200, 2), level, "uint8")
    middle, half = rng.uniform(90, 110, 2), rng.uniform((0.5, -3), (12, 3))
    points = np.float64([middle - half, middle + half, *[middle] * 3])
    np.testing.assert_allclose(align_face(flat, points, size), level, rtol=1e-6)
    image = rng.integers(0, 256, (200, 200, 1), "uint8")
    face = align_face(image, points, size).numpy()
    assert face.min() >= -1e-3
    assert face.max() <= 255.001
    found = transform_points([middle], alignment(points, size))
    np.testing.assert_allclose(found, [[(size - 1) / 2, 0.36 * size - 0.5]], atol=1e-3)


@settings(max_examples=3, deadline=None)
@given(seed=seeds)
def test_graph_and_eager_agree(seed):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (100, 120, 3), "uint8")
    points = a_face(rng, 120, 100)
    [got] = tf.data.Dataset.from_tensors((image, points)).map(align_face)
    np.testing.assert_array_equal(got, align_face(image, points))
