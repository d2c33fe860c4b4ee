"""Regions of an aligned face: the grid, windows that follow landmarks, what they contain."""

import functools
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import tensorflow as tf
from helpers.shared import shared_path
from hypothesis import given
from hypothesis import strategies as st

from fer_data.faces.regions import (
    POINTS,
    cut_windows,
    mirrored_windows,
    region_windows,
    split_regions,
)
from fer_data.faces.similarity import alignment, transform_points
from fer_data.synthetic import Scene, render, sample_identity

NAMES = ("left", "right", "lower")
GRID = np.array([[0, 0], [0, 64], [64, 32]])


def a_face(rng, spread=4.0):
    """Landmarks of a plausible aligned face of 128 pixels, as real ones scatter."""
    points = rng.uniform(0, 127, (68, 2))
    brows, mouth = rng.uniform(14, 44), rng.uniform(66, 112)
    for name, x, y in (("left", 42, brows), ("right", 86, brows), ("lower", 64, mouth)):
        width, height = rng.uniform((10, 4), (24, 16))
        box = np.array([x, y]) + rng.normal(0, spread, 2)
        points[list(POINTS[name])] = box + rng.uniform(
            (-width, -height), (width, height), (len(POINTS[name]), 2)
        )
    return points


def contained(points, corners, size=64):
    """Tell of faces and regions whether all points lie in the window: `(..., 3)`."""
    inside = []
    for number, name in enumerate(NAMES):
        own = points[..., list(POINTS[name]), ::-1] + 0.5
        corner = np.asarray(corners)[..., number, None, :]
        inside.append(((own >= corner) & (own < corner + size)).all((-1, -2)))
    return np.stack(inside, -1)


@pytest.mark.parametrize("size", [32, 64, 96])
def test_the_grid_of_any_size(size):
    face = np.arange(4 * size * size * 3).reshape(2 * size, 2 * size, 3)
    left, right, lower = split_regions(face, size)
    np.testing.assert_array_equal(left, face[:size, :size])
    np.testing.assert_array_equal(right, face[:size, size:])
    np.testing.assert_array_equal(lower, face[size:, size // 2 : size // 2 + size])
    clip = split_regions(np.stack([face] * 2)[None], size)
    assert [region.shape for region in clip] == [(1, 2, size, size, 3)] * 3


@pytest.mark.parametrize("size", [32, 64])
def test_windows_lie_around_their_points(size):
    scale = size / 64
    points = np.full((68, 2), 64.0)
    points[17:22], points[36:42] = (30, 30), (50, 48)
    points[22:27], points[42:48] = (78, 30), (98.8, 44)
    points[48:68] = (60, 90)
    points[60] = (70, 70)
    points = (points + 0.5) * scale - 0.5
    windows = region_windows(points, size).numpy()
    # Middles (40, 39), (88.4, 37) and (65, 80), less half of a window of 64.
    expected = np.array([[7.5, 8.5], [5.5, 56.9], [48.5, 33.5]]) * scale
    assert np.abs(windows - expected).max() <= 0.5 + 1e-9
    face = np.random.default_rng(0).integers(0, 256, (2 * size, 2 * size, 1), "uint8")
    for region, (top, left) in zip(split_regions(face, size, points), windows, strict=True):
        np.testing.assert_array_equal(region, face[top : top + size, left : left + size])
        assert region.dtype == tf.uint8
    upper, lower = region_windows(points, size, regions=2).numpy()
    assert upper.tolist() == [round((39 + 0.5) * scale - size / 2), 0]
    assert lower.tolist() == windows[2].tolist()
    parts = cut_windows(face, region_windows(points, size, regions=2), size)
    np.testing.assert_array_equal(parts[0], face[upper[0] : upper[0] + size])


@given(seed=st.integers(0, 2**32 - 1), spread=st.sampled_from([2.0, 10.0, 40.0]))
def test_a_window_contains_its_points_if_any_window_does(seed, spread):
    """And so never fewer than the grid, whose windows are some of them."""
    points = a_face(np.random.default_rng(seed), spread)
    found = region_windows(points).numpy()
    assert found.min() >= 0
    assert found.max() <= 64
    every = np.stack(np.meshgrid(np.arange(65), np.arange(65)), -1).reshape(-1, 1, 2)
    possible = contained(points, np.repeat(every, 3, axis=1)).any(0)
    np.testing.assert_array_equal(contained(points, found), possible)
    assert (contained(points, found) >= contained(points, GRID)).all()


@given(
    seed=st.integers(0, 2**32 - 1), size=st.sampled_from([16, 64]), regions=st.sampled_from([2, 3])
)
def test_the_mirror_image_has_the_mirrored_windows(seed, size, regions):
    points = np.round(a_face(np.random.default_rng(seed)) * size / 64 * 64) / 64
    flipped = points.copy()
    flipped[:, 0] = 2 * size - 1 - points[:, 0]
    for one, other in (("left", "right"), ("right", "left")):
        flipped[list(POINTS[one])] = points[list(POINTS[other])]
        flipped[list(POINTS[one]), 0] = 2 * size - 1 - points[list(POINTS[other]), 0]
    windows = region_windows(points, size, regions)
    mirrored = mirrored_windows(windows, size)
    np.testing.assert_array_equal(region_windows(flipped, size, regions), mirrored)
    np.testing.assert_array_equal(mirrored_windows(mirrored, size), windows)
    face = np.random.default_rng(seed).integers(0, 256, (2 * size, 2 * size, 2), "uint8")
    parts = cut_windows(face, windows, size)
    swapped = (parts[1], parts[0], parts[2]) if regions == 3 else parts
    for found, part in zip(cut_windows(face[:, ::-1], mirrored, size), swapped, strict=True):
        np.testing.assert_array_equal(found, part[:, ::-1])


def test_all_frames_of_a_clip_share_their_windows_and_a_batch_has_its_own():
    rng = np.random.default_rng(3)
    clips = rng.integers(0, 256, (3, 5, 128, 128, 1), "uint8")
    points = np.stack([a_face(rng) for _ in clips])
    together = split_regions(clips, landmarks=points)
    faces = split_regions(clips[:, 0], landmarks=points)
    for number, (clip, own) in enumerate(zip(clips, points, strict=True)):
        one_clip = split_regions(clip, landmarks=own)
        for part, whole, face, window in zip(
            one_clip, together, faces, region_windows(own).numpy(), strict=True
        ):
            top, left = window
            expected = clip[:, top : top + 64, left : left + 64]
            np.testing.assert_array_equal(part, expected)
            np.testing.assert_array_equal(whole[number], expected)
            np.testing.assert_array_equal(face[number], expected[0])


@pytest.mark.slow
def test_unknown_sizes_in_a_graph():
    signature = [
        tf.TensorSpec((None, None, None, None, None), tf.uint8),
        tf.TensorSpec((None, 68, 2), tf.float32),
    ]
    function = functools.partial(split_regions, size=16)
    traced = tf.function(lambda face, points: function(face, landmarks=points), signature)
    shapes = traced.get_concrete_function().output_shapes
    assert [tuple(shape) for shape in shapes] == [(None, None, 16, 16, None)] * 3
    rng = np.random.default_rng(4)
    clips = rng.integers(0, 256, (2, 3, 32, 32, 3), "uint8")
    points = np.float32(rng.uniform(0, 31, (2, 68, 2)))
    for found, expected in zip(
        traced(clips, points), function(clips, landmarks=points), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(tf.errors.InvalidArgumentError, match="as many faces"):
        traced(clips, points[:1])
    points[0, 50, 1] = np.nan
    with pytest.raises(tf.errors.InvalidArgumentError, match="`landmarks` must be finite"):
        traced(clips, points)


def test_batches_of_tf_data():
    rng = np.random.default_rng(5)
    clips = rng.integers(0, 256, (5, 2, 16, 16, 1), "uint8")
    points = np.float32(rng.uniform(0, 15, (5, 68, 2)))
    data = tf.data.Dataset.from_tensor_slices((clips, points))
    batches = data.batch(2).map(lambda face, marks: split_regions(face, 8, marks))
    assert [spec.shape.as_list() for spec in batches.element_spec] == [[None, 2, 8, 8, 1]] * 3
    found = [np.concatenate(part) for part in zip(*batches.as_numpy_iterator(), strict=True)]
    for part, expected in zip(found, split_regions(clips, 8, points), strict=True):
        np.testing.assert_array_equal(part, expected)


def annotated():
    """The landmarks of 18 faces in photos, in their aligned faces."""
    path = shared_path("data/landmarks/training_with_face_landmarks.xml")
    points = []
    for box in ET.parse(path).getroot().iter("box"):
        parts = sorted(box.iter("part"), key=lambda part: part.get("name"))
        points.append([(float(part.get("x")), float(part.get("y"))) for part in parts])
    points = np.float32(points)
    assert points.shape == (18, 68, 2)
    return transform_points(points, alignment(points)).numpy()


def test_regions_keep_their_points_on_the_sample_photos():
    """A point of a brow is left out less often than by the grid; a mouth below the face stays."""
    aligned = annotated()
    grid, followed = contained(aligned, GRID), contained(aligned, region_windows(aligned))
    assert grid.sum(0).tolist() == [17, 16, 17]
    assert followed.sum(0).tolist() == [18, 18, 17]
    assert (followed >= grid).all()


def test_the_grid_keeps_its_points_on_the_sample_photos():
    aligned = annotated()
    left, right, lower = (0, 64, 0, 64), (0, 64, 64, 128), (64, 128, 32, 96)
    expected = {
        "left brow": (range(17, 22), left, 0.98),
        "left eye": (range(36, 42), left, 1.0),
        "right brow": (range(22, 27), right, 0.97),
        "right eye": (range(42, 48), right, 1.0),
        "mouth": (range(48, 68), lower, 0.99),
    }
    for name, (indices, (top, bottom, start, stop), share) in expected.items():
        x, y = np.moveaxis(aligned[:, indices] + 0.5, -1, 0)
        inside = (x >= start) & (x < stop) & (y >= top) & (y < bottom)
        assert inside.mean() >= share, name


def test_regions_keep_their_points_on_drawn_faces():
    points = []
    for number in range(12):
        scene = Scene.sample(np.random.default_rng([7, number]))
        points.append(render(sample_identity(7, number), {}, scene, 160)[1])
    points = np.float32(points)
    aligned = transform_points(points, alignment(points)).numpy()
    grid, followed = contained(aligned, GRID), contained(aligned, region_windows(aligned))
    assert (followed >= grid).all()
    assert followed[:, :2].all()


FACE, MARKS = np.zeros((128, 128, 3), "uint8"), np.full((68, 2), 64.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: split_regions(FACE[:, 1:]), "`face` must have the shape"),
        (lambda: split_regions(np.zeros((128, 128))), "`face` must have the shape"),
        (lambda: split_regions(np.zeros((66, 66, 3)), 33), "`size` must be an even integer"),
        (lambda: split_regions(FACE, 64.0), "`size` must be an even integer"),
        (lambda: split_regions(FACE, landmarks=MARKS[:5]), "a detector's five points show no"),
        (lambda: split_regions(FACE, landmarks="none"), "`landmarks` must be of numbers"),
        (lambda: split_regions(FACE, landmarks=MARKS[None]), r"must have the shape \(68, 2\) for"),
        (
            lambda: split_regions(FACE[None, None], landmarks=MARKS[None, None]),
            r"\(batch, 68, 2\) for a batch",
        ),
        (
            lambda: split_regions(np.stack([FACE] * 2), landmarks=np.stack([MARKS] * 3)),
            "as many faces as `face` holds. Received: 3 and 2",
        ),
        (lambda: region_windows(MARKS, regions=1), r"`regions` must be one of \(2, 3\)"),
        (lambda: region_windows(MARKS, size=3), "`size` must be an even integer"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_bad_values():
    with pytest.raises(tf.errors.InvalidArgumentError, match="`landmarks` must be finite"):
        split_regions(FACE, landmarks=MARKS * np.inf)
    split = tf.function(split_regions, input_signature=[tf.TensorSpec((None, None, 3))])
    with pytest.raises(tf.errors.InvalidArgumentError, match="64"):
        split(np.zeros((64, 64, 3), "float32"))
