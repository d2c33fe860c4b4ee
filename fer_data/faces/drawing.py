"""Drawings of boxes, points and regions of faces."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fer_data import arguments, picture
from fer_data.checks import as_array, as_numbers, check_integer
from fer_data.faces.face import Face
from fer_data.faces.image import as_rgb
from fer_data.files import whole_file

BOX = (255, 196, 0)
POINT = (255, 64, 64)
LINE = (64, 255, 128)
SHADOW = (0, 0, 0)

# Each line of the iBUG order: its first and last landmark, and whether it is closed.
LINES = (
    (0, 16, False),
    (17, 21, False),
    (22, 26, False),
    (27, 30, False),
    (31, 35, False),
    (36, 41, True),
    (42, 47, True),
    (48, 59, True),
    (60, 67, True),
)
FRACTION_BITS = 4


@arguments.checked(face=arguments.instance(Face, "a `Face`"), title=arguments.text)
def draw_face(
    image: str | os.PathLike[str] | np.ndarray,
    face: Face | None = None,
    landmarks: np.ndarray | None = None,
    title: str | None = None,
) -> np.ndarray:
    """Return a picture with a face's box, score, five points and 68 landmarks drawn into it.

    Lines and points grow with the picture and the face. For several faces, call it for each with
    the picture that the last call gave.

    Args:
        image: A file's name or an array, as for `fer_data.faces.as_rgb`.
        face: A `Face`, or `None`.
        landmarks: `(68, 2)`, each `(x, y)` in pixels of the picture, or `None`.
        title: A short text for the box in place of the score.

    Returns:
        uint8 RGB array of the picture's size. The given picture stays as it is.

    Raises:
        ValueError: If the landmarks have another shape or are not finite.

    Example:

    >>> import numpy as np
    >>> from fer_data.faces.face import Face
    >>> picture = np.zeros((100, 120, 3), np.uint8)
    >>> drawn = draw_face(picture, Face(box=(20, 30, 50, 60), score=0.98))
    >>> drawn.shape, drawn[30, 45].tolist(), int(picture.max())
    ((100, 120, 3), [255, 196, 0], 0)
    """
    drawn = as_rgb(image).copy()
    if landmarks is not None:
        _draw_landmarks(drawn, _checked(landmarks))
    if face is not None:
        _draw_box(drawn, face, f"{face.score:.2f}" if title is None else str(title))
        if face.points is not None:
            radius = max(0.8, face.size / 50)
            for point in face.points:
                _dot(drawn, point, radius, POINT)
    return drawn


@arguments.checked(titles=arguments.sequence(arguments.plain))
def region_sheet(
    left: np.ndarray,
    right: np.ndarray,
    lower: np.ndarray,
    titles: Sequence[str] | None = None,
    columns: int = 8,
) -> np.ndarray:
    """Return a contact sheet of the three regions of each face, laid out as in the face.

    Args:
        left: uint8 `(faces, size, size, 1 or 3)`, the upper regions on the left of the pictures.
        right: Likewise, on their right.
        lower: Likewise, the lower regions.
        titles: A short name for each face, or `None`.
        columns: Faces in a row, 1 or more.

    Returns:
        uint8 RGB array `(height, width, 3)`.

    Raises:
        ValueError: If there is no face, the shapes differ, or there are not as many titles as
            faces.

    Example:

    >>> import numpy as np
    >>> grey = np.full((5, 64, 64, 3), 128, np.uint8)
    >>> region_sheet(grey, grey, grey, titles=list("abcde"), columns=5).ndim
    3
    """
    check_integer("columns", columns, 1)
    given = {"left": left, "right": right, "lower": lower}
    regions = [as_array(name, region) for name, region in given.items()]
    shape = regions[0].shape
    if (
        len(shape) != 4
        or 0 in shape
        or shape[1] != shape[2]
        or shape[3] not in (1, 3)
        or any(region.shape != shape or region.dtype != np.uint8 for region in regions)
    ):
        raise ValueError(
            "`left`, `right` and `lower` must be uint8 (faces, size, size, 1 or 3), alike and not "
            f"empty. Received: {[(region.dtype.name, region.shape) for region in regions]}"
        )
    if titles is not None and len(titles) != shape[0]:
        raise ValueError(
            f"`titles` must be one for each of {shape[0]} faces. Received: {len(titles)}"
        )
    cells = [
        _cell(
            *(as_rgb(region[place]) for region in regions),
            None if titles is None else str(titles[place]),  # type: ignore[call-arg]
        )
        for place in range(shape[0])
    ]
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % min(columns, len(cells)))
    rows = np.stack(cells).reshape(-1, min(columns, len(cells)), *cells[0].shape)
    return np.concatenate([np.concatenate(row, axis=1) for row in rows])


@arguments.checked(path=arguments.path)
def save_png(image: str | os.PathLike[str] | np.ndarray, path: str | os.PathLike[str]) -> None:
    """Write a picture into a PNG file, which appears whole or not at all.

    Args:
        image: A file's name or an array, as for `fer_data.faces.as_rgb`.
        path: Name of the file, ending in .png. Its folder is made if need be.

    Raises:
        ValueError: If the name has another ending.
        OSError: If the file cannot be written; one that was there stays.

    Example:

    >>> import tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_png(np.zeros((4, 6, 3), np.uint8), f"{folder}/black.png")
    ...     as_rgb(f"{folder}/black.png").shape
    (4, 6, 3)
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"`path` must end in .png. Received: path={str(path)!r}")
    with whole_file(path) as temporary:
        temporary.write_bytes(picture.encode_png(as_rgb(image)))


def _cell(left, right, lower, title):
    import cv2

    size = left.shape[0]
    gap = max(2, size // 32)
    margin = 2 * gap
    head = 0 if title is None else max(12, size // 4)
    cell = np.full((head + 2 * size + gap + 2 * margin, 2 * size + gap + 2 * margin, 3), 255)
    cell = cell.astype(np.uint8)
    top, middle = head + margin, margin + (size + gap) // 2
    cell[top : top + size, margin : margin + size] = left
    cell[top : top + size, margin + size + gap : margin + 2 * size + gap] = right
    cell[top + size + gap : top + 2 * size + gap, middle : middle + size] = lower
    if title:
        font, scale = cv2.FONT_HERSHEY_SIMPLEX, head / 30
        (width, _), _ = cv2.getTextSize(title, font, scale, 1)
        # A title too long for its cell would run into the next.
        scale *= min(1.0, (cell.shape[1] - 2 * gap) / width)
        (width, height), _ = cv2.getTextSize(title, font, scale, 1)
        at = ((cell.shape[1] - width) // 2, margin + (head + height) // 2 - gap // 2)
        cv2.putText(cell, title, at, font, scale, (40, 40, 40), 1, cv2.LINE_AA)
    return cell


def _checked(landmarks):
    landmarks = as_numbers("landmarks", landmarks)
    if landmarks.shape != (68, 2) or not np.isfinite(landmarks).all():
        raise ValueError(
            f"`landmarks` must be finite, of shape (68, 2). Received: shape={landmarks.shape}"
        )
    return landmarks


def _draw_landmarks(drawn, landmarks):
    import cv2

    size = np.ptp(landmarks, axis=0).max()
    width = max(1, round(size / 150))
    # On a small face, shadows would hide what is to be seen.
    shadows = [(SHADOW, 2)] if size > 150 else []
    for colour, extra in (*shadows, (LINE, 0)):
        for first, last, closed in LINES:
            points = _fixed(landmarks[first : last + 1])
            cv2.polylines(
                drawn, [points], closed, colour, width + extra, cv2.LINE_AA, FRACTION_BITS
            )
    if size > 60:
        for point in landmarks:
            _dot(drawn, point, max(1.0, size / 90), LINE, shadow=bool(shadows))


def _draw_box(drawn, face, text):
    import cv2

    width = max(2, round(min(drawn.shape[:2]) / 240))
    # A box counts columns and rows, so its last ones are inside it.
    low, high = face.box[:2], face.box[:2] + face.box[2:] - 1
    for colour, extra in ((SHADOW, 2), (BOX, 0)):
        low_corner, high_corner = np.rint(low).astype(int), np.rint(high).astype(int)
        cv2.rectangle(drawn, low_corner.tolist(), high_corner.tolist(), colour, width + extra)
    font = cv2.FONT_HERSHEY_SIMPLEX
    scale = float(np.clip(face.size / 180, 0.3, max(0.35, min(drawn.shape[:2]) / 900)))
    weight = max(1, round(1.5 * scale))
    (text_width, text_height), _ = cv2.getTextSize(text, font, scale, weight)
    pad = width + 1
    x = int(np.clip(round(float(low[0])), 0, max(0, drawn.shape[1] - text_width - 2 * pad)))
    bottom = round(float(low[1])) - width
    if bottom < text_height + 2 * pad:
        bottom = round(float(high[1])) + width + text_height + 2 * pad
    bottom = min(bottom, drawn.shape[0] - 1)
    top = bottom - text_height - 2 * pad
    cv2.rectangle(drawn, (x, top), (x + text_width + 2 * pad, bottom), BOX, -1)
    cv2.putText(drawn, text, (x + pad, bottom - pad), font, scale, SHADOW, weight, cv2.LINE_AA)


def _dot(drawn, point, radius, colour, shadow=True):
    import cv2

    radius = round(radius * 2**FRACTION_BITS)
    centre = _fixed(point).tolist()
    if shadow:
        outer = radius + 2**FRACTION_BITS // 2
        cv2.circle(drawn, centre, outer, SHADOW, -1, cv2.LINE_AA, FRACTION_BITS)
    cv2.circle(drawn, centre, radius, colour, -1, cv2.LINE_AA, FRACTION_BITS)


def _fixed(points):
    """Return coordinates as fixed-point numbers, in which OpenCV draws between pixels."""
    points = np.clip(points, -1e6, 1e6)
    return np.rint(np.asarray(points) * 2**FRACTION_BITS).astype(np.int32)
