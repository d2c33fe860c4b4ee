"""The faces of several photos, cut out as a network sees them."""

import dataclasses
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from fer_data.faces.base import Detector
from fer_data.faces.cut import WHOLE, cut_face
from fer_data.faces.image import read_image


@dataclasses.dataclass(frozen=True, eq=False)
class PhotoFaces:
    """The result of `cut_photos`.

    Attributes:
        images: float32 `(faces, size, size, channels)` in [0, 255].
        sources: The photo of each face.
        unreadable: Why a photo could not be used, by its path.
    """

    images: np.ndarray
    sources: tuple[Path, ...]
    unreadable: dict[Path, str]


def cut_photos(
    photos: Iterable[str | os.PathLike[str]],
    detector: Detector | None,
    size: int,
    channels: int,
    done: Callable[[Path], Any] = lambda path: None,
) -> PhotoFaces:
    """Cut the faces out of photos, as `cut_face` does for recognition.

    A photo that cannot be read is noted and left out.

    Args:
        photos: The files.
        detector: The face detector. None means that each picture is already a face: a square that
            holds all of it is taken.
        size: Height and width of the faces.
        channels: 1 for grey, 3 for colour.
        done: Called with each path when it is done or left out.

    Returns:
        `PhotoFaces`, the faces of each photo in the detector's order.

    Example:

    ```python
    found = cut_photos(["party.jpg"], detector("mtcnn"), size=48, channels=1)
    heat = grad_cam(model, found.images)
    ```
    """
    images, sources, unreadable = [], [], {}
    for path in map(Path, photos):
        try:
            photo = read_image(path)
        except (OSError, ValueError) as error:
            unreadable[path] = str(error)
        else:
            if detector is None:
                box = (0, 0, *photo.shape[1::-1])
                cuts = [cut_face(photo, box, size, channels, framing=WHOLE)]
            else:
                cuts = [cut_face(photo, face, size, channels) for face in detector.detect(photo)]
            images += cuts
            sources += [path] * len(cuts)
        done(path)
    shape = (0, size, size, channels)
    return PhotoFaces(
        np.stack(images) if images else np.zeros(shape, np.float32), tuple(sources), unreadable
    )
