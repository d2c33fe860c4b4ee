"""From face coordinates to pixels: turn, foreshorten, then roll, scale and shift."""

from typing import Any

import numpy as np

#: Viewing distance in face units; near enough that a nose is a little larger than an ear.
DISTANCE = 9.0
# Point of the head about which it turns, and point of the face plane in the picture's centre.
_PIVOT = np.array([0.0, 0.15, 0.05])
_CENTRE = np.array([0.0, 0.38])


class View:
    """A head's pose in a picture of `size` pixels.

    Args:
        pose: `fer_data.synthetic.Pose`.
        size: Side of the picture in pixels.
    """

    def __init__(self, pose: Any, size: int) -> None:
        self.size = size
        self.yaw, self.pitch, self.roll = np.deg2rad([pose.yaw, pose.pitch, pose.roll])
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        turn = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
        cos, sin = np.cos(self.pitch), np.sin(self.pitch)
        tilt = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
        self._rotation = (tilt @ turn).T
        #: Pixels per face unit.
        self.unit = pose.scale * size
        cos, sin = np.cos(self.roll), np.sin(self.roll)
        self.similarity = self.unit * np.array([[cos, -sin], [sin, cos]])
        middle = (size - 1) / 2 + size * np.array([pose.x, pose.y])
        self.shift = middle - self.similarity @ _CENTRE

    def flatten(self, points: np.ndarray) -> np.ndarray:
        """Project face coordinates (N, 3) to the face plane (N, 2): turned and foreshortened."""
        turned = (points - _PIVOT) @ self._rotation
        nearer = DISTANCE / (DISTANCE - turned[:, 2:])
        return turned[:, :2] * nearer + _PIVOT[:2]

    def pixels(self, plane: np.ndarray) -> np.ndarray:
        """Map the face plane (N, 2) to pixels (N, 2); (0, 0) is the first pixel's centre."""
        return plane @ self.similarity.T + self.shift

    def plane(self, pixels: np.ndarray) -> np.ndarray:
        """Map pixel coordinates (N, 2) to the face plane (N, 2)."""
        return (pixels - self.shift) @ np.linalg.inv(self.similarity).T

    def upright(self, plane: np.ndarray, share: float = 0.75) -> np.ndarray:
        """Undo a share of the head's roll, about the neck, so that shoulders stay level."""
        cos, sin = np.cos(-share * self.roll), np.sin(-share * self.roll)
        neck = np.array([0.0, 1.15])
        return (plane - neck) @ np.array([[cos, sin], [-sin, cos]]) + neck
