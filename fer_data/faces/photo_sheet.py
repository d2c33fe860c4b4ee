"""A photo with all that was found in its faces: boxes, 68 landmarks, and the three regions."""

import os
from collections.abc import Sequence

import numpy as np

from fer_data.faces.drawing import draw_face, region_sheet
from fer_data.faces.face import Face
from fer_data.faces.geometry import align_face
from fer_data.faces.image import as_rgb
from fer_data.faces.regions import split_regions
from fer_data.faces.similarity import alignment, transform_points

# Smaller photos are enlarged to about this many pixels before anything is drawn.
SIGHT = 1000
GROUND = 255


def photo_sheet(
    photo: str | os.PathLike[str] | np.ndarray,
    faces: Sequence[Face],
    landmarks: Sequence[np.ndarray],
) -> np.ndarray:
    """Return a photo with its faces drawn and numbered, and below it the regions of each.

    Small photos are enlarged first, so that the landmarks can be told apart.

    Args:
        photo: A file's name or an array, as for `fer_data.faces.as_rgb`.
        faces: The faces, one at least.
        landmarks: `(68, 2)` of each face, in pixels of the photo.

    Returns:
        uint8 RGB array.

    Raises:
        ValueError: If there is no face, or not as many landmarks as faces.

    Example:

    ```python
    faces = detector("mtcnn").detect(photo)
    sheet = photo_sheet(photo, faces, [landmarks(photo, face) for face in faces])
    save_png(sheet, "faces.png")
    ```
    """
    if not len(faces) or len(faces) != len(landmarks):
        raise ValueError(
            "`faces` must hold one face or more, and `landmarks` as many. "
            f"Received: {len(faces)} faces and {len(landmarks)} landmarks"
        )
    photo = as_rgb(photo)
    drawn = _drawn(photo, faces, landmarks)
    titles = [f"{number}  score {face.score:.2f}" for number, face in enumerate(faces, 1)]
    points = np.stack(landmarks)
    aligned = align_face(photo, points, size=128, dtype="uint8")
    points = transform_points(points, alignment(points, size=128))
    left, right, lower = (region.numpy() for region in split_regions(aligned, 64, points))
    width = region_sheet(left[:1], right[:1], lower[:1], columns=1).shape[1]
    columns = max(1, drawn.shape[1] // width)
    return _below(drawn, region_sheet(left, right, lower, titles, columns))


def _drawn(photo, faces, landmarks):
    """Return the photo, enlarged if small, with all faces drawn and numbered."""
    from PIL import Image

    scale = max(1, round(SIGHT / max(photo.shape[:2])))
    size = photo.shape[1] * scale, photo.shape[0] * scale
    drawn = np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.BICUBIC))
    for number, (face, marks) in enumerate(zip(faces, landmarks, strict=True), 1):
        large = Face(
            face.box * scale,
            face.score,
            # Pixel centres are whole numbers, so a pixel's corner lies half a pixel before it.
            None if face.points is None else (face.points + 0.5) * scale - 0.5,
        )
        drawn = draw_face(drawn, large, (marks + 0.5) * scale - 0.5, title=str(number))
    return drawn


def _below(picture, sheet):
    """Return two pictures, one below the other, on white."""
    width = max(picture.shape[1], sheet.shape[1])
    return np.concatenate(
        [
            np.pad(part, ((0, 0), (0, width - part.shape[1]), (0, 0)), constant_values=GROUND)
            for part in (picture, sheet)
        ]
    )
