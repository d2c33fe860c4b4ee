"""Faces keep their numbers: matched by overlap, followed by flow, found again or ended."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_data.faces import BoxTracker, Face, Framing
from fer_data.faces.box_tracking import PATCH, _motion, _patch

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="fer_data is tested on TensorFlow"
)


class Scene:
    """Textured squares on a textured ground, and a detector that knows where they are."""

    def __init__(self, count=1, side=60, size=(200, 320)):
        rng = np.random.default_rng(3)
        coarse = rng.integers(60, 120, (size[0] // 8, size[1] // 8), dtype=np.uint8)
        self.ground = np.kron(coarse, np.ones((8, 8), np.uint8))
        # Blocks of 5 pixels: flow needs structure larger than a pixel.
        patches = rng.integers(0, 256, (count, side // 5, side // 5), dtype=np.uint8)
        self.patches = [np.kron(patch, np.ones((5, 5), np.uint8)) for patch in patches]
        self.side, self.calls = side, 0
        self.found = []

    def picture(self, *places, shown=None):
        """Return the scene with a square at each `(x, y)`; the detector finds those shown."""
        picture = self.ground.copy()
        for patch, (x, y) in zip(self.patches, places, strict=False):
            picture[y : y + self.side, x : x + self.side] = patch
        visible = places if shown is None else shown
        self.found = [face(x, y, self.side) for x, y in visible]
        return np.repeat(picture[..., None], 3, -1)

    def detect(self, image):
        self.calls += 1
        return list(self.found)


class Following(Scene):
    """The same with a detector that can look near known faces."""

    followed = 0
    near = None

    def follow(self, image, boxes):
        self.followed += 1
        return list(self.found if self.near is None else self.near)


def face(x, y, side, score=0.9):
    points = np.array([(15, 20), (45, 20), (30, 35), (20, 48), (40, 48)]) * side / 60
    return Face((x, y, side, side), score, points + np.array([x, y]), "fake")


def test_boxes_follow_the_flow_between_detections():
    scene = Scene()
    tracker = BoxTracker(scene, detect_every=10)
    for step in range(12):
        x, y = 40 + 6 * step, 50 + 3 * step
        seen = tracker.step(scene.picture((x, y)), step * 0.04)
        assert [one.track for one in seen] == [0]
        np.testing.assert_allclose(seen[0].face.box, (x, y, 60, 60), atol=1.5)
        np.testing.assert_allclose(seen[0].face.points[0], (x + 15, y + 20), atol=1.5)
        assert seen[0].detected == (step == 0)
    assert scene.calls == 1


def test_detects_by_the_streams_own_time():
    scene = Scene()
    tracker = BoxTracker(scene, detect_every=0.2)
    picture = scene.picture((50, 50))
    detected = [tracker.step(picture, time)[0].detected for time in np.arange(11) * 0.04]
    assert [place for place, value in enumerate(detected) if value] == [0, 5, 10]
    # Whatever the frame rate.
    tracker = BoxTracker(scene, detect_every=0.2)
    assert all(tracker.step(picture, time)[0].detected for time in (0, 0.5, 0.9, 1.1))


def test_a_lost_face_is_looked_for_at_once_and_ends_after_half_a_second():
    scene = Scene()
    tracker = BoxTracker(scene, detect_every=0.2)
    tracker.step(scene.picture((50, 50)), 0.0)
    assert tracker.step(scene.picture(), 0.04) == []
    assert scene.calls == 2
    assert tracker.step(scene.picture(), 0.08) == []
    assert scene.calls == 2, "only where it was lost"
    # Back in time it is the same face, later another.
    assert [one.track for one in tracker.step(scene.picture((52, 50)), 0.3)] == [0]
    for time in (0.34, 0.6):
        assert tracker.step(scene.picture(), time) == []
    assert [one.track for one in tracker.step(scene.picture((52, 50)), 0.85)] == [1]


def asked(scene, times, **options):
    """Return how often the detector was asked for the whole picture, and near the face."""
    tracker = BoxTracker(scene, **options)
    picture = scene.picture((50, 50))
    for time in times:
        [seen] = tracker.step(picture, time)
        assert seen.track == 0
        np.testing.assert_allclose(seen.face.box, (50, 50, 60, 60), atol=0.5)
    return scene.calls, scene.followed


def test_known_faces_are_looked_for_only_near_their_boxes_between_searches():
    times = np.arange(26) * 0.04
    assert asked(Following(), times, detect_every=0.2, search_every=0.5) == (2, 4)
    assert asked(Following(), times, detect_every=0.2, search_every=0.2) == (6, 0)
    assert asked(Following(), times, detect_every=0.2, search_every=10) == (1, 5)
    assert asked(Following(), times, detect_every=0) == (26, 0), "all pictures are searched"


def test_where_a_face_is_not_near_its_box_the_picture_is_searched_at_once():
    scene = Following()
    scene.near = []
    assert asked(scene, (0.0, 0.2, 0.4)) == (3, 2)
    scene = Following()
    # Something else, found far away, is no answer either.
    scene.near = [face(200, 100, 60)]
    assert asked(scene, (0.0, 0.2, 0.4)) == (3, 2)


def test_while_a_face_is_out_of_sight_the_picture_is_searched():
    scene = Following(count=2)
    tracker = BoxTracker(scene, detect_every=0.2, search_every=10)
    both = [(20, 40), (200, 60)]
    tracker.step(scene.picture(*both), 0.0)
    tracker.step(scene.picture(*both), 0.2)
    assert (scene.calls, scene.followed) == (1, 1)
    # Lost in the flow, then waited for.
    one = scene.picture((20, 40))
    for time in (0.22, 0.44):
        assert [seen.track for seen in tracker.step(one, time)] == [0]
    assert (scene.calls, scene.followed) == (3, 1)
    assert [seen.track for seen in tracker.step(scene.picture(*both), 0.66)] == [0, 1]
    assert (scene.calls, scene.followed) == (4, 1)


def test_where_no_face_is_known_every_detection_is_a_search():
    scene = Following()
    tracker = BoxTracker(scene, detect_every=0.2, search_every=10)
    for time in (0.0, 0.2, 0.4):
        assert tracker.step(scene.picture(), time) == []
    assert [seen.track for seen in tracker.step(scene.picture((50, 50)), 0.6)] == [0]
    assert (scene.calls, scene.followed) == (4, 0)


def test_a_face_that_only_the_flow_sees_ends_after_half_a_second():
    scene = Scene()
    tracker = BoxTracker(scene, detect_every=0.2, forget_after=0.5)
    counts = []
    for step in range(16):
        picture = scene.picture((50, 50), shown=None if step == 0 else [])
        counts.append(len(tracker.step(picture, step * 0.05)))
    assert counts == [1] * 12 + [0] * 4


def test_two_faces_keep_their_numbers_when_the_detector_changes_their_order():
    scene = Scene(count=2)
    tracker = BoxTracker(scene, detect_every=0)
    first = None
    for step in range(6):
        picture = scene.picture((20 + 4 * step, 40), (200 - 4 * step, 60))
        scene.found = scene.found[:: 1 if step % 2 else -1]
        seen = {one.track: one.face.box[0] for one in tracker.step(picture, step * 0.04)}
        left = min(seen, key=seen.get)
        assert set(seen) == {0, 1}
        first = left if first is None else first
        assert left == first


def test_a_face_that_a_full_detection_leaves_out_is_out_of_sight():
    scene = Scene(count=2)
    scene.max_faces = 1
    tracker = BoxTracker(scene, detect_every=0.1)
    places, seen = [(20, 40), (200, 60)], []
    for step in range(12):
        picture = scene.picture(*places, shown=places[step // 3 % 2 :][:1])
        seen.append([one.track for one in tracker.step(picture, step * 0.04)])
    assert [len(each) for each in seen] == [1] * 12
    assert {each[0] for each in seen} == {0, 1}


def test_a_crowd_keeps_its_numbers_where_one_detection_finds_nobody():
    scene = Scene()
    tracker = BoxTracker(scene, detect_every=0)
    picture = scene.picture()
    scene.found = [face(8 * n, 0, 6) for n in range(40)]
    first = [one.track for one in tracker.step(picture, 0)]
    scene.found, crowd = [], scene.found
    tracker.step(picture, 0.04)
    scene.found = crowd
    assert [one.track for one in tracker.step(picture, 0.08)] == first == list(range(40))


def test_a_new_face_gets_a_new_number():
    scene = Scene(count=2)
    tracker = BoxTracker(scene, detect_every=0)
    tracker.step(scene.picture((20, 40)), 0)
    seen = tracker.step(scene.picture((22, 40), (200, 60)), 0.04)
    assert [(one.track, round(float(one.face.box[0]), -1)) for one in seen] == [(0, 20), (1, 200)]


def test_a_box_that_slides_out_is_clipped_and_then_gone():
    scene = Scene(side=60)
    tracker = BoxTracker(scene, detect_every=10)
    wide = np.pad(scene.picture((100, 50)), ((0, 0), (100, 0), (0, 0)), mode="edge")
    boxes = []
    for step in range(24):
        seen = tracker.step(wide[:, 6 * step + 60 :][:, :250], step * 0.04)
        if step == 0:
            continue
        scene.found = []
        boxes += [one.face.box for one in seen]
    assert all((box[:2] >= 0).all() and box[0] + box[2] <= 250 for box in boxes)
    assert len(boxes) < 23


def test_what_takes_the_place_of_a_face_is_not_followed():
    scene = Scene()
    tracker = BoxTracker(scene, detect_every=10)
    picture = scene.picture((50, 50))
    tracker.step(picture, 0.0)
    scene.found = []
    # Flow finds no motion in a picture turned by 90 degrees, nor in one of noise.
    other = np.random.default_rng(1).integers(0, 256, picture.shape, dtype=np.uint8)
    assert tracker.step(other, 0.04) == []
    assert scene.calls == 2


def test_a_large_picture_is_followed_at_a_smaller_size():
    scene = Scene(side=300, size=(1000, 1600))
    tracker = BoxTracker(scene, detect_every=10)
    tracker.step(scene.picture((400, 300)), 0.0)
    [seen] = tracker.step(scene.picture((425, 315)), 0.04)
    np.testing.assert_allclose(seen.face.box, (425, 315, 300, 300), atol=2.5)
    np.testing.assert_allclose(seen.face.points[0], (425 + 75, 315 + 100), atol=2.5)
    assert not seen.detected


def test_motions_that_no_face_makes():
    x, y = np.meshgrid(np.linspace(10, 70, 7), np.linspace(20, 90, 7))
    before = np.stack([x, y], -1).reshape(-1, 2)
    good = np.ones(49, bool)
    assert _motion(before, before * 1.3, good) is not None
    assert _motion(before, before * 1.5, good) is None
    assert _motion(before, before @ [[0, 1], [-1, 0]], good) is None
    assert _motion(before, before, np.arange(49) < 24) is None
    # A box beside the picture shows nothing.
    grey = np.zeros((40, 60), np.uint8)
    assert _patch(grey, np.array([70.0, 5, 10, 10])) is None
    assert _patch(grey, np.array([50.0, 5, 20, 10])).shape == (PATCH, PATCH)


def test_another_size_starts_anew():
    scene = Scene()
    tracker = BoxTracker(scene)
    picture = scene.picture((50, 50))
    assert tracker.step(picture, 0.0)[0].track == 0
    assert tracker.step(picture[:190], 0.04)[0].track == 1


@pytest.mark.parametrize(("detect_every", "left"), [(0.04, 52), (0, 54)])
def test_detections_that_tremble_move_the_box_half_way_unless_all_are_detected(detect_every, left):
    scene = Scene()
    tracker = BoxTracker(scene, detect_every=detect_every)
    picture = scene.picture((50, 50))
    tracker.step(picture, 0.0)
    scene.found = [face(54, 50, 60)]
    assert tracker.step(picture, 0.04)[0].face.box[0] == pytest.approx(left, abs=0.1)


def test_a_face_without_points():
    scene = Scene()
    tracker = BoxTracker(scene, detect_every=0.2)
    picture = scene.picture((50, 50))
    scene.found = [Face((50, 50, 60, 60), 0.8, framing=Framing(1.1, 0, 0))]
    faces = [tracker.step(picture, time)[0].face for time in (0, 0.04, 0.3)]
    assert [face.points for face in faces] == [None] * 3
    # How it lies in its box comes along, be it detected or followed.
    assert [face.framing for face in faces] == [Framing(1.1, 0, 0)] * 3


separate = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=8, unique=True
)


@settings(max_examples=30, deadline=None)
@given(separate, st.randoms(use_true_random=False), st.data())
def test_numbers_do_not_depend_on_the_order_of_detections(cells, random, data):
    tracker = BoxTracker(Scene(), detect_every=0)
    even = np.full((200, 320, 3), 90, np.uint8)
    tracker.detector.found = [face(50 * x, 50 * y, 40) for x, y in cells]
    before = {tuple(one.face.box): one.track for one in tracker.step(even, 0.0)}
    order = random.sample(cells, len(cells))
    shifts = data.draw(
        st.lists(
            st.tuples(st.integers(-9, 9), st.integers(-9, 9)),
            min_size=len(cells),
            max_size=len(cells),
        )
    )
    tracker.detector.found = [
        face(max(0, 50 * x + dx), max(0, 50 * y + dy), 40)
        for (x, y), (dx, dy) in zip(order, shifts, strict=True)
    ]
    seen = {one.track: one.face.box for one in tracker.step(even, 0.04)}
    assert len(seen) == len(cells)
    for box, track in before.items():
        assert abs(seen[track][:2] - box[:2]).max() <= 9


@settings(max_examples=40, deadline=None)
@given(
    st.floats(0.8, 1.25), st.floats(-40, 40), st.floats(-30, 30), st.integers(0, 24), st.randoms()
)
def test_motion_is_the_similarity_in_spite_of_outliers(growth, angle, shift, wrong, random):
    x, y = np.meshgrid(np.linspace(10, 70, 7), np.linspace(20, 90, 7))
    before = np.stack([x, y], -1).reshape(-1, 2)
    turn = growth * np.exp(1j * np.radians(angle))
    moved = turn * (before[:, 0] + 1j * before[:, 1]) + shift
    after = np.stack([moved.real, moved.imag], -1)
    good = np.ones(49, bool)
    for place in random.sample(range(49), wrong):
        after[place] += 500
        good[place] = False
    if wrong > 24:
        return
    found, start, end = _motion(before, after, good)
    assert found == pytest.approx(turn, rel=1e-6)
    assert end == pytest.approx(turn * start + shift, rel=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"detector": object()}, "detect"),
        ({"detect_every": -1}, "detect_every"),
        ({"detect_every": float("nan")}, "detect_every"),
        ({"search_every": -0.1}, "search_every"),
        ({"forget_after": "soon"}, "forget_after"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        BoxTracker(**{"detector": Scene(), **options})


def test_time_must_not_fall():
    tracker = BoxTracker(Scene())
    picture = np.zeros((40, 40, 3), np.uint8)
    tracker.step(picture, 1.0)
    tracker.step(picture, 1.0)
    with pytest.raises(ValueError, match="timestamp"):
        tracker.step(picture, 0.9)
    tracker.reset()
    tracker.step(picture, 0.0)


def test_a_bad_picture_changes_nothing():
    scene = Scene()
    tracker = BoxTracker(scene)
    tracker.step(scene.picture((50, 50)), 0.0)
    with pytest.raises(ValueError, match="shape"):
        tracker.step(np.zeros((4, 4, 7), np.uint8), 0.04)
    assert tracker.step(scene.picture((50, 50)), 0.08)[0].track == 0
