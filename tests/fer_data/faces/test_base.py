"""What all detectors share: working size, clipping, filters, order."""

import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_data.faces.base import Detector
from fer_data.faces.face import Face


class Fake(Detector):
    """Finds what it is told, and keeps the pictures that it was given."""

    name = "fake"

    def __init__(self, found=(), **options):
        super().__init__(**{"min_score": 0.5, **options})
        self.found = list(found)
        self.pictures = []

    def _find(self, pictures):
        self.pictures += pictures
        return [self.found for _ in pictures]


def picture(width=100, height=80):
    return np.full((height, width, 3), 7, np.uint8)


POINTS = [(10, 20), (30, 20), (20, 30), (12, 40), (28, 40)]


def test_a_face_says_its_box_score_points_and_detector():
    [face] = Fake([((10, 20, 30, 40), 0.9, POINTS)]).detect(picture())
    assert isinstance(face, Face)
    np.testing.assert_array_equal(face.box, np.float32([10, 20, 30, 40]), strict=True)
    np.testing.assert_array_equal(face.points, np.float32(POINTS), strict=True)
    assert (face.score, face.detector) == (0.9, "fake")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("box", (0, 0, 0, 5)),
        ("box", "text"),
        ("score", float("nan")),
        ("score", "high"),
        ("points", np.full((5, 2), np.nan)),
        ("points", np.zeros((68, 2))),
        ("points", np.full((5, 2), 1e300)),  # infinite in float32
        ("box", (0, 0, 1e300, 5)),
    ],
)
def test_a_face_refuses_what_it_cannot_be(name, value):
    arguments = {"box": (1, 2, 3, 4), "score": 0.5} | {name: value}
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        Face(**arguments)


def test_the_working_size_shrinks_large_pictures_only_and_keeps_their_shape():
    fake = Fake(working_size=64)
    fake.detect_batch([picture(128, 64), picture(60, 128), picture(64, 64), picture(20, 10)])
    assert [each.shape for each in fake.pictures] == [
        (32, 64, 3),
        (64, 30, 3),
        (64, 64, 3),
        (10, 20, 3),
    ]


def test_no_side_shrinks_to_nothing():
    fake = Fake(working_size=32)
    fake.detect(picture(1000, 1))
    assert fake.pictures[0].shape == (1, 32, 3)


def test_without_a_working_size_nothing_is_shrunk():
    fake = Fake()
    fake.detect(picture(3000, 20))
    assert fake.pictures[0].shape == (20, 3000, 3)


def test_boxes_scale_by_edges_and_points_by_pixel_centres():
    # In the shrunk picture each pixel covers 2 by 2 pixels, so its centre lies between them.
    fake = Fake([((0, 0, 10, 20), 1, [(0, 0)] * 5)], working_size=50)
    [face] = fake.detect(picture(100, 80))
    np.testing.assert_allclose(face.box, [0, 0, 20, 40])
    np.testing.assert_allclose(face.points, np.full((5, 2), 0.5))


def test_a_shrunk_square_is_where_it_was():
    whole = np.zeros((200, 400, 3), np.uint8)
    whole[60:100, 120:200] = 255

    class Bright(Fake):
        def _find(self, pictures):
            ys, xs = np.nonzero(pictures[0][..., 0] > 127)
            low, high = (xs.min(), ys.min()), (xs.max() + 1, ys.max() + 1)
            centre = ((low[0] + high[0] - 1) / 2, (low[1] + high[1] - 1) / 2)
            box = (*low, high[0] - low[0], high[1] - low[1])
            return [[(box, 1.0, [centre] * 5)]]

    [face] = Bright(working_size=100).detect(whole)
    np.testing.assert_allclose(face.box, [120, 60, 80, 40], atol=1e-4)
    np.testing.assert_allclose(face.points[0], [159.5, 79.5], atol=1e-4)


def test_boxes_are_clipped_to_the_picture_and_points_are_not():
    points = [(-5.0, -6.0)] * 5
    [face] = Fake([((-10, -20, 300, 50), 1, points)]).detect(picture(100, 80))
    np.testing.assert_array_equal(face.box, [0, 0, 100, 30])
    np.testing.assert_array_equal(face.points, np.float32(points))


def test_a_box_outside_the_picture_is_dropped():
    outside = [((100, 0, 10, 10), 1, None), ((-10, 0, 10, 10), 1, None), ((5, -9, 10, 9), 1, None)]
    assert Fake(outside).detect(picture(100, 80)) == []


def test_the_minimum_size_counts_in_pixels_of_the_picture_that_came_in():
    found = [((0, 0, 10, 10), 1, None), ((0, 0, 9, 20), 0.9, None)]
    assert len(Fake(found, working_size=50, min_size=20).detect(picture(100, 80))) == 1
    assert len(Fake(found, working_size=50, min_size=18).detect(picture(100, 80))) == 2


def test_the_minimum_size_counts_what_lies_in_the_picture():
    found = [((-15, 0, 20, 20), 1, None)]
    assert Fake(found, min_size=6).detect(picture()) == []
    assert len(Fake(found, min_size=5).detect(picture())) == 1


def test_the_minimum_score_is_enough():
    found = [((0, 0, 9, 9), 0.5, None), ((0, 0, 9, 9), 0.49, None)]
    assert [face.score for face in Fake(found).detect(picture())] == [0.5]


def test_max_faces_keeps_the_most_certain():
    found = [((x, 0, 9, 9), score, None) for x, score in enumerate((0.6, 0.9, 0.7))]
    assert [face.score for face in Fake(found, max_faces=2).detect(picture())] == [0.9, 0.7]


def test_equal_scores_keep_the_detector_s_order():
    found = [((x, 0, 9, 9), 0.7, None) for x in range(5)]
    assert [face.box[0] for face in Fake(found).detect(picture())] == [0, 1, 2, 3, 4]


def test_a_batch_may_be_an_array_a_generator_or_empty():
    fake = Fake([((0, 0, 9, 9), 0.7, None)])
    assert [len(faces) for faces in fake.detect_batch(np.stack([picture()] * 3))] == [1, 1, 1]
    assert [len(faces) for faces in fake.detect_batch(picture(w, w) for w in (20, 30))] == [1, 1]
    mixed = np.empty(2, object)
    mixed[:] = [picture(20), picture(30)]
    assert [len(faces) for faces in fake.detect_batch(mixed)] == [1, 1]
    assert fake.detect_batch([]) == []
    assert fake.detect_batch(np.zeros((0, 9, 9, 3), np.uint8)) == []


def test_of_a_long_list_only_the_shrunk_pictures_are_kept():
    given = []

    def large():
        for _ in range(5):
            each = picture(200, 200)
            given.append(weakref.ref(each))
            yield each
            del each
            assert sum(reference() is not None for reference in given) <= 1

    assert len(Fake(working_size=32).detect_batch(large())) == 5


def test_one_picture_is_no_batch():
    with pytest.raises(ValueError, match=r"goes to `detect`. Received: shape=\(80, 100, 3\)"):
        Fake().detect_batch(picture())
    with pytest.raises(ValueError, match=r"Received: images='face\.jpg'"):
        Fake().detect_batch("face.jpg")


def test_an_error_names_the_picture_of_a_batch():
    with pytest.raises(ValueError, match=r"`images\[1\]` must not be empty"):
        Fake().detect_batch([picture(), np.zeros((0, 4, 3), np.uint8)])
    with pytest.raises(ValueError, match="`image` must not be empty"):
        Fake().detect(np.zeros((0, 4, 3), np.uint8))


@pytest.mark.parametrize(
    "options",
    [
        {"min_score": "high"},
        {"min_score": float("nan")},
        {"min_size": -1},
        {"working_size": 31},
        {"working_size": 320.0},
        {"max_faces": 0},
        {"max_faces": True},
    ],
)
def test_options_out_of_range_are_named(options):
    [(name, value)] = options.items()
    with pytest.raises(ValueError, match=f"`{name}` must be .* Received: {name}={value!r}"):
        Fake(**options)


boxes = st.tuples(*[st.floats(-300, 300)] * 2, *[st.floats(0, 400)] * 2)
finds = st.lists(st.tuples(boxes, st.floats(0, 1), st.none()), max_size=12)


@settings(deadline=None)
@given(
    found=finds,
    width=st.integers(1, 200),
    height=st.integers(1, 200),
    working_size=st.none() | st.integers(32, 250),
    min_size=st.floats(0, 50),
    max_faces=st.none() | st.integers(1, 5),
)
def test_whatever_is_found_comes_out_clipped_filtered_and_sorted(
    found, width, height, working_size, min_size, max_faces
):
    options = {"working_size": working_size, "min_size": min_size}
    everything = Fake(found, **options).detect(picture(width, height))
    faces = Fake(found, max_faces=max_faces, **options).detect(picture(width, height))

    assert [face.score for face in faces] == [face.score for face in everything][:max_faces]
    scores = [face.score for face in everything]
    assert scores == sorted(scores, reverse=True)
    assert len(everything) <= len(found)
    for face in everything:
        x, y, w, h = face.box.astype(np.float64)
        assert face.score >= 0.5
        assert min(w, h) > 0
        assert min(w, h) >= min_size - 1e-4
        assert x >= 0
        assert y >= 0
        assert x + w <= width + 1e-4
        assert y + h <= height + 1e-4


@settings(deadline=None)
@given(
    box=st.tuples(*[st.floats(0, 0.9)] * 4),
    point=st.tuples(*[st.floats(-1, 2)] * 2),
    width=st.integers(40, 600),
    height=st.integers(40, 600),
)
def test_shrinking_changes_no_coordinate(box, point, width, height):
    """What lies at the same place of the shrunk picture comes out at the same place."""
    size = np.array([width, height])
    low, high = np.sort([box[:2], box[2:]], axis=0)
    high = np.maximum(high, low + 0.1)

    class Relative(Fake):
        def _find(self, pictures):
            [small] = pictures
            there = np.array(small.shape[1::-1])
            points = [np.array(point) * there - 0.5] * 5
            return [[(np.concatenate([low * there, (high - low) * there]), 1.0, points)]]

    [small] = Relative(working_size=40).detect(picture(width, height))
    [whole] = Relative().detect(picture(width, height))
    np.testing.assert_allclose(small.box, whole.box, atol=1e-3)
    np.testing.assert_allclose(small.points, whole.points, atol=1e-3)
    np.testing.assert_allclose(whole.points[0], np.array(point) * size - 0.5, atol=1e-3)
