"""Angles of heads, against faces that are drawn at known ones."""

import numpy as np
import pytest

from fer_data.synthetic import action_units, sample_identity
from fer_data.synthetic.render import render
from fer_data.synthetic.scene import Pose, Scene
from fer_models.recognizer import HeadPose, head_pose

POSES = [
    *[(0, 0, 0), (25, 0, 0), (-25, 0, 0), (0, 15, 0), (0, -15, 0), (0, 0, 30), (0, 0, -40)],
    *[(20, 10, 15), (-25, -10, -20)],
]


def five(landmarks):
    eyes = [landmarks[36:42].mean(0), landmarks[42:48].mean(0)]
    return np.stack([*eyes, landmarks[30], landmarks[48], landmarks[54]])


@pytest.fixture(scope="module")
def landmarks():
    """68 landmarks of three people in each pose."""
    people = [sample_identity(seed, 0) for seed in range(3)]
    scenes = [Scene(pose=Pose(yaw=y, pitch=p, roll=r)) for y, p, r in POSES]
    neutral = action_units("neutral")
    return [[render(person, neutral, scene, size=48)[1] for scene in scenes] for person in people]


@pytest.mark.parametrize(("points", "yaw", "roll", "pitch"), [(five, 3, 3, 5), (np.copy, 3, 2, 5)])
def test_angles_of_drawn_faces(landmarks, points, yaw, roll, pitch):
    for person in landmarks:
        found = np.array([head_pose(points(each)) for each in person])
        off = found - POSES
        assert abs(off[:, 0]).max() < yaw
        assert abs(off[:, 2]).max() < roll
        # Every face has a pitch of its own at rest: the differences count.
        assert np.ptp(off[:, 1]) < 2 * pitch
        assert abs(off[:, 1]).max() < 15


def test_the_pose_depends_on_the_points_alone(landmarks):
    points = five(landmarks[0][1])
    # Not on how they lie in memory, which changes the order of sums: quality and results agree.
    assert head_pose(np.asfortranarray(points)) == head_pose(points) == head_pose(points.tolist())


def test_size_and_place_change_nothing(landmarks):
    face = five(landmarks[0][7])
    pose = head_pose(face)
    assert isinstance(pose, HeadPose)
    np.testing.assert_allclose(head_pose(face * 13 + (700, -90)), pose, atol=0.01)
    mirrored = (face * (-1, 1))[[1, 0, 2, 4, 3]]
    np.testing.assert_allclose(head_pose(mirrored), pose * np.array([-1, 1, -1]), atol=0.01)


@pytest.mark.parametrize("points", [np.zeros((5, 2)), [(x, 3 * x) for x in range(5)]])
def test_points_on_one_line_are_no_face(points):
    assert head_pose(points) is None


@pytest.mark.parametrize("points", [np.zeros((6, 2)), np.zeros((5, 3)), np.full((5, 2), np.nan)])
def test_bad_points(points):
    with pytest.raises(ValueError, match="`points`"):
        head_pose(points)
