"""The places of one face: the contours of its parts, its outline and its landmarks."""

import numpy as np

from fer_data.synthetic import face_model
from fer_data.synthetic.face_model import CONTOURS
from fer_data.synthetic.identity import Identity
from fer_data.synthetic.projection import View


class Parts:
    """Dense points of one face, in face coordinates and in the face plane.

    Args:
        view: `View`.
        dense: float (P, 3), from `face_model.contours`.
    """

    def __init__(self, view: View, dense: np.ndarray) -> None:
        self.view = view
        self.solid = dense
        self.flat = view.flatten(dense)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.flat[CONTOURS[name]]

    def ring(self, first: str, second: str) -> np.ndarray:
        """Return a closed polygon: along one contour and back along another."""
        return np.concatenate([self[first], self[second][::-1]])


class Geometry:
    """The places of everything in one face, for one pose and expression.

    Args:
        identity: `Identity`.
        strengths: float (units, 2), action units left and right.
        view: `View`.

    Attributes:
        controls: float (C, 3), control points in face coordinates.
        sections: float (15, 4), cross sections of the head.
        parts: `Parts`, the dense contours.
        outline: float (140, 2), head outline in the face plane.
        jaw_line: Its lower part, from the right ear to the left one.
        upper_outline: Its upper part, from the left ear to the right one.
        skull_centre: float (2,), middle of the skull in the face plane.
        landmarks: float32 (68, 2), pixels, iBUG order.
    """

    def __init__(self, identity: Identity, strengths: np.ndarray, view: View) -> None:
        self.view = view
        self.controls, self.sections = face_model.deform(
            identity.controls, identity.sections, strengths
        )
        self.parts = Parts(view, face_model.contours(self.controls))
        silhouette = face_model.silhouette(self.sections, view.yaw)
        rows = view.flatten(silhouette)
        self.outline = face_model.smooth_outline(rows)
        step = face_model.OUTLINE_STEP
        self.jaw_line = self.outline[7 * step : 21 * step + 1]
        self.upper_outline = np.concatenate(
            [self.outline[22 * step :], self.outline[: 6 * step + 1]]
        )
        self.skull_centre = view.flatten(np.array([[0.0, -0.15, -0.35]]))[0]
        self.plane = view.flatten(self.controls)
        self.plane[:17] = rows[face_model.JAW_ROWS]
        self.landmarks = view.pixels(self.plane[:68]).astype(np.float32)
