"""Points that are followed from one picture to the next and back."""

import cv2
import numpy as np
import pytest

from fer_data.faces import following
from fer_data.faces.following import flow


def ground(seed=0):
    """A grey picture of soft blobs, in which every place looks different."""
    noise = np.random.default_rng(seed).integers(0, 256, (24, 32), np.uint8)
    return cv2.resize(noise, (320, 240), interpolation=cv2.INTER_CUBIC)


def shifted(picture, x, y):
    return cv2.warpAffine(picture, np.float32([[1, 0, x], [0, 1, y]]), picture.shape[::-1])


def grid(left, top, side):
    across = np.linspace(0, side, 5)
    return np.stack(np.meshgrid(left + across, top + across), -1).reshape(-1, 2)


def whole_way_back(before, after, points, moved):
    """How far points end from their start, followed back in the whole pictures."""
    options = {"winSize": (15, 15), "maxLevel": 0, "flags": cv2.OPTFLOW_USE_INITIAL_FLOW}
    options["criteria"] = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 10, 0.03)
    start = points.astype(np.float32)
    back, here, _ = cv2.calcOpticalFlowPyrLK(
        after, before, moved.astype(np.float32), start.copy(), **options
    )
    return np.where(here[:, 0] > 0, np.hypot(*(back - start).T), np.inf)


@pytest.mark.parametrize("place", [(120, 90, 60), (-10, -10, 80), (270, 190, 70), (0, 0, 310)])
@pytest.mark.parametrize("shift", [(0, 0), (5.5, -3), (-18, 12)])
def test_a_part_of_the_pictures_tells_what_the_whole_tells(place, shift):
    before = ground()
    after = shifted(before, *shift)
    points = grid(*place)
    moved, good = flow(before, after, points, 0.5)
    away = whole_way_back(before, after, points, moved)
    np.testing.assert_array_equal(good, away <= 0.5)
    assert good.any()
    np.testing.assert_allclose(moved[good] - points[good], np.tile(shift, (good.sum(), 1)), atol=1)


def test_points_outside_of_the_picture_are_lost():
    before = ground()
    moved, good = flow(before, before, grid(-400, 100, 50), 0.5)
    assert moved.shape == (25, 2)
    assert not good.any()


def test_another_picture_gives_few_points():
    _, good = flow(ground(), ground(1), grid(100, 80, 60), following.RETURN_ERROR * 60)
    assert good.mean() < 0.5
