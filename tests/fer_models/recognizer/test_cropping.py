"""The crop against its rule written out slowly: area means, bilinear enlarging, edges, turning."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_models.recognizer import cropping


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


def expected_crop(image, box, size, framing=cropping.DEFAULT_FRAMING):
    left, top, side = cropping.square(box, framing)
    rows = np.clip(np.arange(top, top + side), 0, image.shape[0] - 1)
    columns = np.clip(np.arange(left, left + side), 0, image.shape[1] - 1)
    grey = image[rows][:, columns].astype(np.float64) @ (0.299, 0.587, 0.114)
    weights = (area_weights if side > size else bilinear_weights)(side, size)
    return weights @ grey @ weights.T


boxes = st.tuples(st.floats(-10, 75), st.floats(-10, 45), st.floats(0.2, 70), st.floats(0.2, 70))


@settings(max_examples=40, deadline=None)
@given(boxes, st.integers(1, 24), st.integers(0, 2**31))
def test_crop_is_the_area_mean_or_bilinear(box, size, seed):
    image = np.random.default_rng(seed).integers(0, 256, (50, 80, 3), dtype=np.uint8)
    found = cropping.crop(image, box, size)
    assert found.shape == (size, size, 1)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[..., 0], expected_crop(image, box, size), atol=2e-3)


@settings(max_examples=30, deadline=None)
@given(boxes, st.floats(21, 180), st.booleans())
def test_turned_crop_samples_the_picture_where_the_rule_says(box, roll, left):
    roll = -roll if left else roll
    # In a picture of even slopes bilinear samples are exact, edges apart.
    y, x = np.mgrid[:50, :80]
    image = np.stack([2 * x + y] * 3, axis=-1).astype(np.uint8)
    scale, right, down = cropping.DEFAULT_FRAMING
    longer = max(box[2:])
    side = max(1, math.floor(scale * longer + 0.5))
    cx = box[0] + box[2] / 2 + right * longer - 0.5
    cy = box[1] + box[3] / 2 + down * longer - 0.5
    offset = np.arange(side) - (side - 1) / 2
    u, v = offset[None], offset[:, None]
    cos, sin = math.cos(math.radians(roll)), math.sin(math.radians(roll))
    expected = 2 * np.clip(cx + cos * u - sin * v, 0, 79) + np.clip(cy + sin * u + cos * v, 0, 49)
    found = cropping.crop(image, box, side, roll=roll)[..., 0]
    np.testing.assert_allclose(found, expected, atol=1e-2)


def test_small_roll_is_left_alone():
    image = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    level = cropping.crop(image, (10, 10, 30, 30), 16)
    np.testing.assert_array_equal(cropping.crop(image, (10, 10, 30, 30), 16, roll=20.0), level)
    assert abs(cropping.crop(image, (10, 10, 30, 30), 16, roll=20.1) - level).max() > 1


def test_half_turn_is_the_square_upside_down():
    image = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    level = cropping.crop(image, (10, 12, 25, 25), 24)
    turned = cropping.crop(image, (10, 12, 25, 25), 24, roll=180.0)
    # A side of 24 about a centre of 22.5 begins at 10.5, which rounds up; turning does not round.
    shifted = (level[1:, 1:] + level[1:, :-1] + level[:-1, 1:] + level[:-1, :-1]) / 4
    np.testing.assert_allclose(turned[::-1, ::-1][1:, 1:], shifted, atol=1e-2)


def test_roll_of_the_eyes():
    points = np.zeros((5, 2))
    points[:2] = (10, 10), (20, 20)
    assert cropping.roll(points) == pytest.approx(45)
    assert cropping.roll(points[[1, 0, 2, 3, 4]]) == pytest.approx(-135)
    assert cropping.roll(None) == 0


def test_colours_stay_for_a_network_of_three_channels():
    image = np.zeros((40, 40, 3), np.uint8)
    image[..., 1] = 200
    colour = cropping.crop(image, (5, 5, 20, 20), 8, channels=3)
    assert colour.shape == (8, 8, 3)
    np.testing.assert_allclose(colour[0, 0], (0, 200, 0), atol=1e-3)
    grey = cropping.crop(image, (5, 5, 20, 20), 8)
    np.testing.assert_allclose(grey, 0.587 * 200, atol=1e-3)


def test_far_beyond_the_edge_is_the_edge():
    image = np.zeros((20, 20, 3), np.uint8)
    image[:, -1] = 90
    np.testing.assert_allclose(cropping.crop(image, (100, 5, 8, 8), 4), 90, atol=1e-3)
