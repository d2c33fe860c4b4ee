"""Results drawn into their picture."""

import colorsys
import os
from collections.abc import Sequence

import numpy as np

from fer_data import arguments
from fer_data.faces.image import as_rgb
from fer_models.recognizer.results import Expression

COLOURS = {
    "angry": (235, 64, 52),
    "disgust": (120, 170, 40),
    "fear": (165, 95, 225),
    "happy": (255, 196, 0),
    "sad": (70, 130, 235),
    "surprise": (255, 130, 30),
    "neutral": (190, 190, 190),
    "contempt": (200, 110, 150),
}
SHADOW, TEXT = (0, 0, 0), (255, 255, 255)
# What lies under text and bars is darkened to this share.
DARK = 0.35
# Bars get no smaller than this: they could not be read.
LEAST_LINE = 9


@arguments.checked(faces=arguments.sequence(arguments.instance(Expression, "an `Expression`")))
def draw(image: str | os.PathLike[str] | np.ndarray, faces: Sequence[Expression]) -> np.ndarray:
    """Return a picture with boxes, labels and probabilities drawn into it.

    A panel beside each box has a bar for every class. It stands on a side of the face where it
    covers no other face; if it fits nowhere, only the label and its per cent are drawn. Lines and
    letters grow with the picture.

    Args:
        image: The picture, a file's name or an array, as for `fer_data.faces.as_rgb`.
        faces: List of `Expression`, in pixels of the picture.

    Returns:
        uint8 RGB array of the picture's size. The given picture stays as it is.

    Raises:
        ValueError: If the picture is unusable.

    Example:

    >>> from fer_models.recognizer import Expression
    >>> face = Expression((30.0, 20.0, 40.0, 50.0), 0.9, {"happy": 0.8, "sad": 0.2}, "happy", 0.8)
    >>> drawn = draw(np.zeros((200, 300, 3), np.uint8), [face])
    >>> drawn.shape, drawn[20, 50].tolist()
    ((200, 300, 3), [255, 196, 0])
    """
    drawn = as_rgb(image).copy()
    taken = [_corners(face.box) for face in faces]
    # Panels first, so that no panel darkens a label.
    for face in faces:
        place = _place(face, drawn.shape, taken)
        if place is not None:
            taken.append(place)
            _panel(drawn, place, face)
    for face in faces:
        _box(drawn, face)
    # Labels last: what a box hides is seen anyway, a hidden label is not.
    labels = []
    for face in faces:
        _label(drawn, face, labels)
    return drawn


def colour(name: str) -> tuple[int, int, int]:
    """Return the RGB colour of a class: always the same, also for names of your own."""
    if name in COLOURS:
        return COLOURS[name]
    hue = sum((place + 1) * ord(letter) for place, letter in enumerate(name)) * 0.618 % 1
    red, green, blue = (round(255 * value) for value in colorsys.hsv_to_rgb(hue, 0.6, 0.95))
    return red, green, blue


def _corners(box):
    x, y, width, height = box
    return x, y, x + width, y + height


def _line(face, shape):
    """Return the height of a line of text: by the face, within what the picture can bear."""
    high = max(12, min(shape[:2]) / 22)
    return float(np.clip(face.box[3] / 9, 12, high))


def _place(face, shape, taken):
    """Return where a panel fits beside a face, `(x1, y1, x2, y2)`, or `None`."""
    left, top, right, bottom = _corners(face.box)
    line = min(_line(face, shape), (bottom - top) / len(face.probabilities))
    if line < LEAST_LINE:
        return None
    width, height, gap = round(8.5 * line), round(line * len(face.probabilities)), line / 2
    top = min(max(0, top), shape[0] - height)
    for x in (right + gap, left - gap - width):
        place = tuple(round(value) for value in (x, top, x + width, top + height))
        inside = place[0] >= 0 and place[1] >= 0 and place[2] <= shape[1] and place[3] <= shape[0]
        if inside and not any(_meet(place, other) for other in taken):
            return place
    return None


def _meet(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _panel(drawn, place, face):
    import cv2

    x1, y1, x2, y2 = place
    drawn[y1:y2, x1:x2] = (drawn[y1:y2, x1:x2] * DARK).astype(np.uint8)
    line = (y2 - y1) / len(face.probabilities)
    names = (x2 - x1) * 0.55
    for place, (name, value) in enumerate(face.probabilities.items()):
        low, high = round(y1 + (place + 0.2) * line), round(y1 + (place + 0.8) * line)
        _text(drawn, name, (x1 + line / 5, y1 + (place + 0.78) * line), line, names - line / 4)
        start = round(x1 + names)
        end = round(start + (x2 - start - line / 5) * float(np.clip(value, 0, 1)))
        cv2.rectangle(drawn, (start, low), (max(end, start), high), colour(name), -1)


def _box(drawn, face):
    import cv2

    width = max(2, round(min(drawn.shape[:2]) / 240))
    corners = np.rint(_corners(face.box)).astype(int) - (0, 0, 1, 1)
    low, high = corners[:2].tolist(), corners[2:].tolist()
    tint = colour(face.label)
    for each, extra in ((SHADOW, 2), (tint, 0)):
        cv2.rectangle(drawn, low, high, each, width + extra)


def _label(drawn, face, labels):
    """Write the label where it hides none of `labels`, and note its place there."""
    import cv2

    height, width = drawn.shape[:2]
    line = _line(face, drawn.shape)
    text = f"{face.label} {face.confidence:.0%}"
    if face.track is not None:
        text = f"{face.track}: {text}"
    left, top, right, bottom = _corners(face.box)
    edge = max(2, round(min(height, width) / 240))
    room = min(_width(text, line), width - line / 2)
    across, high = room + line / 2, 1.3 * line
    places = []
    for x, y in (
        (left - edge / 2, top - edge / 2 - high),
        (left - edge / 2, bottom + edge),
        (right + edge / 2 - across, top - edge / 2 - high),
        (right + edge / 2 - across, bottom + edge),
        (left + edge, bottom - high - edge),
    ):
        if 0 <= y <= height - high:
            x = min(max(0, x), max(0, width - across))
            places.append((x, y, x + across, y + high))
    # In a picture lower than a line the label begins at its top.
    places = places or [(0, 0, across, high)]
    free = [place for place in places if not any(_meet(place, other) for other in labels)]
    x, y, end, low = (free or places)[0]
    labels.append((x, y, end, low))
    start = round(x), round(y)
    cv2.rectangle(drawn, start, (round(end), round(low)), colour(face.label), -1)
    _text(drawn, text, (x + line / 4, low - 0.35 * line), line, room, SHADOW)


def _width(text, line):
    import cv2

    return cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, line / 30, _weight(line))[0][0]


def _weight(line):
    return max(1, round(line / 16))


def _text(drawn, text, at, line, room, ink=TEXT):
    import cv2

    scale = line / 30 * min(1.0, room / max(1, _width(text, line)))
    at = [round(value) for value in at]
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(drawn, text, at, font, scale, ink, _weight(line), cv2.LINE_AA)
