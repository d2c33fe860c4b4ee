"""The cascade's steps, one by one."""

import functools

import numpy as np
import pytest

from fer_data.faces import mtcnn_cascade
from fer_data.faces.mtcnn_cascade import Cascade

PICTURE = np.random.default_rng(0).integers(0, 256, (90, 120, 3)).astype(np.uint8)


def boxes(count, seed=0):
    generator = np.random.default_rng(seed)
    low = generator.uniform(-40, 100, (count, 2))
    sides = generator.uniform(5, 60, (count, 2))
    return np.concatenate([low, low + sides, generator.uniform(0, 1, (count, 1))], 1)


def overlap(one, other, by_smaller):
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:4], other[2:4])
    shared = np.maximum(high - low, 0).prod()
    areas = [(row[2:4] - row[:2]).prod() for row in (one, other)]
    return shared / (min(areas) if by_smaller else sum(areas) - shared)


@pytest.mark.parametrize("by_smaller", [False, True])
def test_what_overlaps_a_better_one_is_left_out(by_smaller, monkeypatch):
    rows = boxes(60)
    ordered = rows[np.argsort(-rows[:, 4])]
    expected = [
        row
        for place, row in enumerate(ordered)
        if all(overlap(row, better, by_smaller) <= 0.4 for better in ordered[:place])
    ]
    assert 0 < len(expected) < 60
    for at_a_time in (7, 1000):
        monkeypatch.setattr(mtcnn_cascade, "AT_A_TIME", at_a_time)
        found = mtcnn_cascade._suppress(rows, 0.4, by_smaller)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("side", mtcnn_cascade.SIDES)
def test_patches_are_those_of_tensorflow(side):
    tf = pytest.importorskip("tensorflow")
    picture = mtcnn_cascade._scaled(PICTURE)
    rows = np.concatenate([boxes(30), [[0, 0, 119, 89, 1], [0, 0, 120, 90, 1], [5, 5, 5, 5, 1]]])
    corners = rows[:, [1, 0, 3, 2]] / [90, 120, 90, 120]
    expected = tf.image.crop_and_resize(
        picture[None], corners, np.zeros(len(rows), int), [side] * 2
    )
    np.testing.assert_allclose(mtcnn_cascade._patches(PICTURE, rows, side), expected, atol=1e-6)


@pytest.mark.parametrize("size", [(120, 90), (640, 360), (24, 300)])
def test_no_picture_of_the_pyramid_is_below_the_window(size):
    scales = mtcnn_cascade._pyramid(*size)
    assert scales[0] == 0.6
    assert int(min(size) * scales[-1]) >= mtcnn_cascade.WINDOW
    assert len(mtcnn_cascade._pyramid(5, 1000)) == 0


class Networks:
    """See a face wherever they look; they note how much they were shown at a time."""

    def __init__(self):
        self.shown = []

    def propose(self, pictures):
        rows, columns = ((side - 10) // 2 for side in pictures.shape[1:3])
        return np.full((len(pictures), rows, columns, 6), (0, 0, 0, 0, 0.1, 0.9), np.float32)

    def look(self, pictures, numbers=6):
        self.shown.append(len(pictures))
        found = np.zeros((len(pictures), numbers), np.float32)
        found[:, -1] = 0.9
        return found

    def cascade(self, threads=1):
        confirm = functools.partial(self.look, numbers=16)
        return Cascade(self.propose, self.look, confirm, threads)


def test_threads_find_the_same_in_the_same_order():
    class Noise(Networks):
        def propose(self, pictures):
            rows = super().propose(pictures)
            return np.random.default_rng(rows.shape[1]).uniform(0, 1, rows.shape).astype("f4")

    pictures, scores = [PICTURE, PICTURE[::-1]], (0.9, 0.5, 0.5)
    one, several = (Noise().cascade(threads).detect(pictures, scores) for threads in (1, 3))
    assert min(map(len, one)) > 1
    for expected, found in zip(one, several, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_picture_too_small_for_the_window_has_no_face(threads):
    found = Networks().cascade(threads).detect([PICTURE[:5]] * 2, (0.6, 0.7, 0.8))
    assert [rows.shape for rows in found] == [(0, 15)] * 2


def test_a_face_must_score_in_each_network():
    networks = Networks()
    [rows, others] = networks.cascade().detect([PICTURE, PICTURE], (0.6, 0.7, 0.8))
    assert rows.shape[1] == 15
    assert len(rows) > 0
    np.testing.assert_array_equal(rows, others)
    assert networks.cascade().detect([PICTURE], (0.95, 0.7, 0.8))[0].shape == (0, 15)
    assert networks.cascade().detect([PICTURE], (0.6, 0.95, 0.8))[0].shape == (0, 15)
    assert networks.cascade().detect([PICTURE], (0.6, 0.7, 0.95))[0].shape == (0, 15)


def test_many_boxes_are_looked_at_in_parts():
    networks = Networks()
    corners = np.stack(np.meshgrid(np.arange(0, 120, 4.0), np.arange(0, 80, 4.0)), -1)
    corners = corners.reshape(-1, 2)
    networks.cascade().follow(PICTURE, np.concatenate([corners, corners + 2], 1), (0.7, 0.8))
    assert networks.shown[:3] == [mtcnn_cascade.AT_A_TIME] * 2 + [600 - 512]


def test_points_lie_in_the_square_that_was_looked_at():
    def confirm(pictures):
        found = Networks().look(pictures, 16)
        found[:, 4:14] = 0.5
        return found

    cascade = Cascade(None, Networks().look, confirm)
    [row] = cascade.follow(PICTURE, np.array([[20.0, 30.0, 39.0, 49.0]]), (0.7, 0.8))
    np.testing.assert_allclose(row, [20, 30, 39, 49, 0.9, *[29] * 5, *[39] * 5], atol=1e-6)
