"""Typical places of the 68 landmarks in a cropped face, for faces without landmarks."""

import numpy as np

from fer_data import arguments

# (x, y) as shares of the width and height, in iBUG order. The shape is the median of 200 faces of
# `fer_data.synthetic` in their boxes, made symmetric, then stretched along both axes so that the
# eyes come to 0.31 and 0.69 of the width and 0.385 of the height and the chin to the lower edge:
# this is how FER2013 frames its faces.
TEMPLATE = np.array([
    (0.058, 0.394), (0.067, 0.494), (0.081, 0.589), (0.105, 0.689),
    (0.151, 0.781), (0.208, 0.859), (0.292, 0.924), (0.390, 0.972),
    (0.500, 1.000), (0.610, 0.972), (0.708, 0.924), (0.792, 0.859),
    (0.849, 0.781), (0.895, 0.689), (0.919, 0.589), (0.933, 0.494),
    (0.942, 0.394), (0.161, 0.295), (0.213, 0.252), (0.281, 0.239),
    (0.360, 0.246), (0.428, 0.276), (0.572, 0.276), (0.640, 0.246),
    (0.719, 0.239), (0.787, 0.252), (0.839, 0.295), (0.500, 0.375),
    (0.500, 0.448), (0.500, 0.525), (0.500, 0.593), (0.405, 0.629),
    (0.453, 0.650), (0.500, 0.659), (0.547, 0.650), (0.595, 0.629),
    (0.224, 0.384), (0.274, 0.351), (0.347, 0.353), (0.395, 0.397),
    (0.345, 0.414), (0.274, 0.411), (0.605, 0.397), (0.653, 0.353),
    (0.726, 0.351), (0.776, 0.384), (0.726, 0.411), (0.655, 0.414),
    (0.323, 0.806), (0.389, 0.769), (0.459, 0.751), (0.500, 0.763),
    (0.541, 0.751), (0.611, 0.769), (0.677, 0.806), (0.616, 0.842),
    (0.545, 0.858), (0.500, 0.862), (0.455, 0.858), (0.384, 0.842),
    (0.348, 0.807), (0.444, 0.789), (0.500, 0.792), (0.556, 0.789),
    (0.652, 0.807), (0.555, 0.817), (0.500, 0.819), (0.445, 0.817),
])  # fmt: skip


@arguments.checked(height=arguments.integer(1), width=arguments.integer(1))
def typical_landmarks(height: int, width: int) -> np.ndarray:
    """Return the typical places of the 68 landmarks in a cropped, upright, frontal face.

    It fits crops framed as FER2013's: eyes at 0.31 and 0.69 of the width and 0.385 of the height,
    mouth at about 0.8, chin at the lower edge. Faces differ from it by about a twentieth of the
    width. Use real landmarks (`fer_data.faces.landmarks`) where you can.

    Args:
        height: Height of the crop, in pixels.
        width: Width of the crop, in pixels.

    Returns:
        float64 `(68, 2)`, (x, y) in pixels, whole at pixel centres.

    Example:

    >>> typical_landmarks(48, 48)[36:42].mean(axis=0).round(1)  # the eye on the left
    array([14.4, 18. ])
    """
    return TEMPLATE * (width, height) - 0.5
