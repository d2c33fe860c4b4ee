"""A picture to paint on: smooth polygons and lines at twice the size, with a coverage channel."""

from collections.abc import Sequence

import cv2
import numpy as np

from fer_data.synthetic.projection import View

#: The canvas is this many times as fine as the picture.
OVERSAMPLING = 2
_SHIFT = 5
_ONE = 1 << _SHIFT


class Canvas:
    """RGBA picture whose A is the share of the face's light and shade that a pixel takes.

    Args:
        view: `View`; points are given in its face plane.
        background: uint8 (h, w, 3), stretched over the picture.
    """

    def __init__(self, view: View, background: np.ndarray) -> None:
        self.view = view
        side = view.size * OVERSAMPLING
        coarse = np.dstack([background, np.zeros(background.shape[:2], np.uint8)])
        self.pixels = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
        self._strokes = []
        self.unit = view.unit * OVERSAMPLING
        self._matrix = view.similarity.T * (OVERSAMPLING * _ONE)
        self._offset = ((view.shift + 0.5) * OVERSAMPLING - 0.5) * _ONE

    def fill(
        self, plane: np.ndarray, colour: Sequence[float] | np.ndarray, shade: int = 255
    ) -> None:
        """Fill a polygon (N, 2)."""
        self._strokes.append((0, False, [plane], colour, shade))

    def line(
        self,
        plane: np.ndarray | list[np.ndarray],
        colour: Sequence[float] | np.ndarray,
        width: float,
        shade: int = 255,
        closed: bool = False,
    ) -> None:
        """Draw a line through points (N, 2), or several lines (list); `width` in face units."""
        lines = plane if isinstance(plane, list) else [plane]
        self._strokes.append((max(1, round(width * self.unit)), closed, lines, colour, shade))

    def reduced(self) -> np.ndarray:
        """Draw all shapes in order and return the picture at its own size, uint8 (S, S, 4)."""
        # One product for all points: dozens of small ones would cost more than the drawing.
        points = np.concatenate([part for stroke in self._strokes for part in stroke[2]])
        points = np.rint(points @ self._matrix + self._offset).astype(np.int32)
        start = 0
        for width, closed, parts, (red, green, blue), shade in self._strokes:
            shapes = []
            for part in parts:
                shapes.append(points[start : start + len(part)])
                start += len(part)
            colour = (int(red), int(green), int(blue), shade)
            if width:
                cv2.polylines(self.pixels, shapes, closed, colour, width, cv2.LINE_AA, _SHIFT)
            else:
                cv2.fillPoly(self.pixels, shapes, colour, cv2.LINE_AA, _SHIFT)
        self._strokes = []
        size = self.view.size
        return cv2.resize(self.pixels, (size, size), interpolation=cv2.INTER_AREA)
