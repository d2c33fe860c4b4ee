"""The direction in which a head is turned, from points of its face."""

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fer_data.checks import as_numbers

# Points of the mean face of MediaPipe's face geometry (canonical_face_model, Apache-2.0), in
# centimetres: x to the right of the picture, y down, z away from the camera. Each is the point of
# that number of the 68; the jaw, the brows and the lips move with the expression and are left out.
_RIGID = {
    27: (0.0, -3.271, -5.236),
    28: (0.0, -1.728, -6.317),
    29: (0.0, -0.366, -7.243),
    30: (0.0, 0.463, -7.587),
    31: (-1.044, 1.465, -5.662),
    32: (-0.597, 2.014, -5.866),
    33: (0.0, 2.089, -6.058),
    34: (0.597, 2.014, -5.866),
    35: (1.044, 1.465, -5.662),
    36: (-4.446, -2.664, -3.173),
    39: (-1.856, -2.585, -3.758),
    42: (1.856, -2.585, -3.758),
    45: (4.446, -2.664, -3.173),
    48: (-2.456, 4.343, -4.284),
    54: (2.456, 4.343, -4.284),
}
_OF_68 = np.array(list(_RIGID.values()))
# Eyes between their corners, tip of the nose, corners of the mouth.
_OF_FIVE = np.array(
    [
        (_OF_68[9] + _OF_68[10]) / 2,
        (_OF_68[11] + _OF_68[12]) / 2,
        _RIGID[30],
        _RIGID[48],
        _RIGID[54],
    ]
)
# How far the camera stands from the face, in centimetres: of a photo nobody knows it.
_DISTANCE = 100.0
_FOCAL = 1000.0
# A face is asked twice, for its quality and for its result: the last answers are kept.
_KEPT = 64


class HeadPose(NamedTuple):
    """How a head is turned, in degrees, as the picture shows it.

    Attributes:
        yaw: Positive where the face is turned to the right of the picture.
        pitch: Positive where it is turned up.
        roll: Positive where the head is tilted clockwise.
    """

    yaw: float
    pitch: float
    roll: float


def head_pose(points: ArrayLike) -> HeadPose | None:
    """Return how a head is turned, from five points or 68 landmarks of its face.

    A mean face is rotated by OpenCV's solvePnP until its points lie on the given ones. A face
    turned to the camera has angles of 0, wherever in the picture it is: a picture does not tell the
    distance, so the camera is assumed to look at the face from a metre away. Faces differ from the
    mean face, so pitch is the least certain angle.

    Args:
        points: `(5, 2)` as in `fer_data.faces.Face.points`, or `(68, 2)` as from
            `fer_data.faces.landmarks`; each `(x, y)` in pixels.

    Returns:
        `HeadPose`, or None where the points cannot be a face's: all in one place or on one line.

    Raises:
        ValueError: If the points have another shape or are not finite.

    Example:

    >>> pose = head_pose([(60, 80), (100, 80), (80, 103), (65, 125), (95, 125)])
    >>> round(pose.yaw), round(pose.roll)
    (0, 0)

    Reference:
        Terzakis and Lourakis, "A Consistently Fast and Globally Optimal Solution to the
        Perspective-n-Point Problem", ECCV 2020.
    """
    pixels = as_numbers("points", points)
    if pixels.shape not in ((5, 2), (68, 2)) or not np.isfinite(pixels).all():
        raise ValueError(
            "`points` must be finite numbers of the shape (5, 2) or (68, 2), (x, y) of each point. "
            f"Received: points of shape {pixels.shape}"
            + ("" if np.isfinite(pixels).all() else ", some of them not finite")
        )
    return _solved(np.ascontiguousarray(pixels, np.float64).tobytes())


@functools.lru_cache(_KEPT)
def _solved(points):
    """Return the pose of float64 points, given as their bytes."""
    import cv2

    pixels = np.frombuffer(points).reshape(-1, 2)
    if len(pixels) == 68:
        solid, pixels = _OF_68, pixels[list(_RIGID)]
    else:
        solid = _OF_FIVE
    centred = pixels - pixels.mean(0)
    spread = np.linalg.svd(centred, compute_uv=False)
    if spread[1] <= 1e-6 * max(spread[0], 1.0):
        return None
    # Scaled so that a mean face, seen from the front at that distance, has this size.
    size = np.linalg.norm(solid[:, :2] - solid[:, :2].mean(0)) * _FOCAL / _DISTANCE
    centred = centred * (size / np.linalg.norm(centred))
    camera = np.diag([_FOCAL, _FOCAL, 1.0])
    found, rotation, shift = cv2.solvePnP(solid, centred, camera, None, flags=cv2.SOLVEPNP_SQPNP)
    if not found:
        return None
    rotation, _ = cv2.solvePnPRefineLM(solid, centred, camera, None, rotation, shift)
    return _angles(cv2.Rodrigues(rotation)[0])


def _angles(matrix):
    """Return the angles of a rotation by yaw, then pitch, then roll, as the drawn faces have it."""
    yaw = math.atan2(matrix[2, 0], matrix[2, 2])
    pitch = math.asin(min(1.0, max(-1.0, -matrix[2, 1])))
    roll = math.atan2(-matrix[0, 1], matrix[1, 1])
    return HeadPose(*(math.degrees(angle) for angle in (yaw, pitch, roll)))
