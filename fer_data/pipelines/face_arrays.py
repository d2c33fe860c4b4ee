"""Prepared faces in one small file, which NumPy and OpenCV read without TensorFlow."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fer_data import arguments
from fer_data.checks import check_choice, check_mapping, checked_array, checked_names, shown
from fer_data.file_limits import FileLimits, UnreadableError
from fer_data.files import write_arrays
from fer_data.labels import (
    DIMENSIONS,
    EMOTIONS,
    FERPLUS_CLASSES,
    FERPLUS_VOTE_COLUMNS,
    index_map,
)
from fer_data.npz import LIMITS, read_npz

# Faces in a row and a column of one picture, since many compress better together; and the largest
# side of a WebP picture.
SHEET, LARGEST = 64, 16383
# What a file of other content makes this module raise; a nested text makes JSON's parser do so.
_WRONG = (UnreadableError, ValueError, KeyError, RecursionError)


@arguments.checked(
    path=arguments.path,
    splits=arguments.mapping(arguments.mapping()),
    class_names=arguments.names,
    about=arguments.mapping(),
)
def write(
    path: str | os.PathLike[str],
    splits: Mapping[str, Mapping[str, np.ndarray]],
    class_names: Sequence[str],
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write prepared faces, as lossless WebP in an `.npz` file.

    Args:
        path: The file, ending in `.npz`.
        splits: For each name a dictionary of arrays of one length: `image`, uint8
            `(faces, height, width, channels)`; `label`, integers; and other features of the faces,
            numbers or texts, such as `votes` or `subject`.
        class_names: Names of the classes.
        about: The origin of the faces, a dictionary of JSON's types.

    Raises:
        ValueError: If the name does not end in `.npz`, or an array breaks its rule.

    Example:

    ```python
    write("faces.npz", {"train": {"image": images, "label": labels}}, EMOTIONS)
    ```
    """
    # Before the faces are encoded for nothing.
    if Path(path).suffix != ".npz":
        raise ValueError(f"`path` must end in .npz. Received: path={str(path)!r}")
    content = {"class_names": np.array(class_names), "about": np.array(json.dumps(about or {}))}
    for split, arrays in splits.items():
        images = np.asarray(arrays["image"])
        lengths = {name: len(values) for name, values in arrays.items()}
        if images.dtype != np.uint8 or images.ndim != 4 or len(set(lengths.values())) > 1:
            raise ValueError(
                f"`splits[{split!r}]` must have `image` as uint8 (faces, height, width, channels), "
                f"and arrays of one length. Received: {images.dtype} of shape {images.shape}, "
                f"lengths {lengths}"
            )
        for name, values in arrays.items():
            if name != "image":
                content[f"{split}/{name}"] = _plain(f"splits[{split!r}][{name!r}]", values)
        content[f"{split}/shape"] = np.array(images.shape)
        if max(images.shape[1:3]) > LARGEST:
            raise ValueError(
                f"`splits[{split!r}]` must have faces of at most {LARGEST} pixels per side: make "
                f"them smaller first (`resized`). Received: {images.shape}"
            )
        side = _side(images.shape)
        for number, start in enumerate(range(0, len(images), side**2)):
            sheet = _sheet(images[start : start + side**2], side)
            content[f"{split}/sheet{number}"] = _coded(sheet)
    write_arrays(path, content, compressed=False)


@arguments.checked(path=arguments.path)
def read(
    path: str | os.PathLike[str], limits: Mapping[str, int] | FileLimits | None = None
) -> tuple[dict[str, dict[str, np.ndarray]], tuple[str, ...], dict[str, Any]]:
    """Read what `write` wrote.

    Args:
        path: The file.
        limits: Other limits of `fer_data.file_limits.FileLimits`, by name. `array_bytes` counts the
            faces of all splits, decoded, and before that the arrays of the file; `files` the
            arrays. None: the usual ones.

    Returns:
        `(splits, class_names, about)`, as `write` takes them.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not such a file, or is beyond a limit.
    """
    known_limits = LIMITS.changed(limits)
    try:
        content = read_npz(path, limits=known_limits)
        class_names = checked_names("class_names", content.pop("class_names"))
        known = _about(content.pop("about", None))
        splits: dict[str, dict[str, np.ndarray]] = {}
        for name, values in content.items():
            split, _, what = name.partition("/")
            splits.setdefault(split, {})[what] = values
        _check_sizes(splits, known_limits.array_bytes)
        splits = {split: _decoded(arrays) for split, arrays in splits.items()}
    except _WRONG as error:
        raise _unreadable(path, error) from error
    return splits, class_names, known


@arguments.checked(path=arguments.path)
def about(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the `about` of a file, without reading its faces.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not such a file.
    """
    try:
        content = read_npz(path, only=("class_names", "about"))
        checked_names("class_names", content["class_names"])
        return _about(content.get("about"))
    except _WRONG as error:
        raise _unreadable(path, error) from error


def _about(array):
    if array is None:
        return {}
    content = json.loads(str(array))
    check_mapping("about", content)
    return content


def _unreadable(path, error):
    if getattr(error, "reason", None) == "too_many_array_bytes":
        return ValueError(
            f'The arrays of a file must be within `limits`; `limits={{"array_bytes": N}}` allows '
            f"more (`fer train` has `--data-options`). Received: path={str(path)!r} with {error}"
        )
    return ValueError(
        "`path` must be a file that `fer_data.pipelines.face_arrays.write` wrote, whole. "
        f"Received: path={str(path)!r} ({error})"
    )


@arguments.checked(
    images=arguments.array(ranks=(4,), kinds="u"),
    size=arguments.sequence(arguments.integer(1, 2**15), 2, 2),
    channels=arguments.choice((1, 3)),
)
def resized(images: np.ndarray, size: tuple[int, int], channels: int) -> np.ndarray:
    """Return uint8 faces of another size or number of channels.

    Args:
        images: uint8 `(faces, height, width, 1 or 3)`.
        size: `(height, width)`.
        channels: 1 or 3; grey by the weights of ITU-R 601.
    """
    if images.shape[-1] != channels:
        code = cv2.COLOR_GRAY2RGB if channels == 3 else cv2.COLOR_RGB2GRAY
        images = np.stack([cv2.cvtColor(image, code) for image in images])
    shape = (len(images), *size, channels)
    if images.shape[1:3] != tuple(size):
        smaller = images.shape[1] * images.shape[2] > size[0] * size[1]
        how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        images = np.stack(
            [cv2.resize(image, tuple(size)[::-1], None, 0, 0, how) for image in images]
        )
    return images.reshape(shape)


@arguments.checked(
    faces=arguments.mapping(),
    classes=arguments.integer(2),
    labels=arguments.choice(("one_hot", "soft")),
    smoothing=arguments.number(0, 1),
)
def targets(
    faces: Mapping[str, np.ndarray], classes: int, labels: str = "one_hot", smoothing: float = 0.0
) -> np.ndarray:
    """Return the training targets of faces, as `fer_data.pipelines.images.pipeline` makes them.

    Args:
        faces: A split of `read`: a dictionary with `label` and, for soft labels, `votes` in the
            order of the classes, or FER+'s ten for the seven classes of `EMOTIONS`. `label` may
            be weights `(faces, classes)` instead.
        classes: Number of classes.
        labels: `"one_hot"`, or `"soft"` for the shares of the votes.
        smoothing: Share of every label that is spread evenly over the classes.

    Returns:
        float32 `(faces, classes)`, rows that sum to one.

    Raises:
        ValueError: If a label is outside the classes, its weights are negative or all zero, or the
            votes do not fit the classes.
    """
    check_choice("labels", labels, ("one_hot", "soft"))
    if "label" not in faces:
        raise ValueError(f"`faces` must have the feature 'label'. Received: {sorted(faces)}")
    weights = np.asarray(faces["label"])
    if weights.ndim == 1:
        if weights.min() < 0 or weights.max() >= classes:
            raise ValueError(
                f"Labels must be in [0, {classes}). Received: {weights.min()} to {weights.max()}"
            )
        weights = np.eye(classes)[weights]
    elif weights.ndim != 2 or weights.shape[1] != classes:
        raise ValueError(
            f"`label` must be integers (faces,), or weights (faces, {classes}). "
            f"Received: shape={weights.shape}"
        )
    else:
        wrong = np.flatnonzero((weights < 0).any(axis=1) | ~(weights.sum(axis=1) > 0))
        if wrong.size:
            raise ValueError(
                "`label` weights must not be negative, nor all zero. "
                f"Received: {weights[wrong[0]]} at {wrong[0]}, {wrong.size} in all"
            )
    if labels == "soft" and "votes" not in faces and np.ndim(faces["label"]) == 1:
        raise ValueError(
            "Soft labels need `votes`, or `label` as weights (faces, classes). "
            f"Received: {sorted(faces)}"
        )
    if labels == "soft" and "votes" in faces:
        votes = np.asarray(faces["votes"], dtype="float64")
        order = range(classes)
        if (votes.shape[1], classes) == (len(FERPLUS_VOTE_COLUMNS), len(EMOTIONS)):
            order = index_map(EMOTIONS, FERPLUS_CLASSES).tolist()
        elif votes.shape[1] != classes:
            raise ValueError(
                f"`votes` must be of the {classes} classes. Received: {votes.shape[1]} columns"
            )
        # Prepared data marks "no votes known" by -1 throughout.
        votes = np.maximum(votes[:, order], 0.0)
        weights = np.where(votes.sum(axis=1, keepdims=True) > 0, votes, weights)
    weights = weights / weights.sum(axis=1, keepdims=True)
    return (weights * (1 - smoothing) + smoothing / classes).astype("float32")


@arguments.checked(faces=arguments.mapping())
def valence_arousal(faces: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return valence and arousal of faces as the targets of a training.

    Args:
        faces: A split of `read`: a dictionary with the features `valence` and `arousal`, NaN where
            they are not known.

    Returns:
        float32 `(faces, 2)`, valence first.

    Raises:
        ValueError: If a feature is missing, they are not of one length, or a value is outside
            [-1, 1].

    Example:

    >>> valence_arousal({"valence": [0.5, -1.0], "arousal": [0.25, float("nan")]}).shape
    (2, 2)
    """
    missing = [name for name in DIMENSIONS if name not in faces]
    if missing:
        raise ValueError(
            f"`faces` must have the features 'valence' and 'arousal'. Received: {sorted(faces)}"
        )
    valence, arousal = (
        checked_array(f"faces[{name!r}]", faces[name], (None,), finite=False) for name in DIMENSIONS
    )
    if len(valence) != len(arousal):
        raise ValueError(
            "`faces` must have as many of 'valence' as of 'arousal'. "
            f"Received: {len(valence)} and {len(arousal)}"
        )
    values = np.stack([valence, arousal], axis=1).astype("float32")
    outside = np.abs(values) > 1
    if outside.any():
        raise ValueError(
            "`faces` must have 'valence' and 'arousal' in [-1, 1], NaN where they are not known. "
            f"Received: {int(outside.sum())} values outside, such as {values[outside][0]}"
        )
    return values


def _plain(name, values):
    """Return an array without Python objects, which no file is read with."""
    array = np.asarray(values)
    if not array.dtype.hasobject:
        return array
    wrong = [each for each in array.flat if not isinstance(each, str)]
    if wrong:
        raise ValueError(
            f"`{name}` must be numbers by its dtype, or texts alone, '' for what is unknown. "
            f"Received: dtype={array.dtype} with {shown(wrong[0])}"
        )
    return np.array(array.tolist(), dtype=str)


def _side(shape):
    return min(SHEET, LARGEST // max(shape[1:3]))


def _sheet(images, side):
    count, height, width, channels = images.shape
    filled = np.zeros((side**2, height, width, channels), "uint8")
    filled[:count] = images
    rows = -(-count // side)
    tiled = filled.reshape(side, side, height, width, channels).transpose(0, 2, 1, 3, 4)
    return tiled.reshape(side * height, side * width, channels)[: rows * height]


def _coded(sheet):
    # A quality above 100 means lossless.
    done, coded = cv2.imencode(".webp", sheet, [cv2.IMWRITE_WEBP_QUALITY, 101])
    if not done:
        raise OSError("OpenCV did not encode WebP")
    return coded.ravel()


def _check_sizes(splits, most):
    """Refuse faces that would take more bytes than allowed, before one is decoded."""
    total = 0
    for split, arrays in splits.items():
        shape = arrays["shape"]
        if shape.shape != (4,) or shape.dtype.kind not in "iu":
            raise ValueError(f"the shape of {split!r} is not four integers")
        count, height, width, channels = shape.tolist()
        if (
            count < 0
            or not 0 < min(height, width) <= max(height, width) <= LARGEST
            or channels not in (1, 3)
        ):
            raise ValueError(f"the faces of {split!r} cannot have the shape {shape.tolist()}")
        total += math.prod(shape.tolist())
    if total > most:
        raise UnreadableError("too_many_array_bytes", f"faces of {total} bytes, more than {most}")


def _decoded(arrays):
    count, height, width, channels = shape = tuple(arrays.pop("shape").tolist())
    side = _side(shape)
    how = cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR
    images = np.empty(shape, np.uint8)
    for number, start in enumerate(range(0, count, side**2)):
        part = images[start : start + side**2]
        size = (-(-len(part) // side) * height, side * width)
        coded = arrays.pop(f"sheet{number}")
        # A picture of a few bytes may state 16,384 x 16,384 pixels.
        sheet = cv2.imdecode(coded, how) if _stated_size(coded) == size else None
        if sheet is None:
            raise ValueError(f"sheet {number} is no lossless WebP picture of {size} pixels")
        tiles = sheet.reshape(-1, height, side, width, channels).transpose(0, 2, 1, 3, 4)
        part[:] = tiles.reshape(-1, height, width, channels)[: len(part)]
    lengths = {name: len(values) if values.ndim else None for name, values in arrays.items()}
    if set(lengths.values()) - {count}:
        raise ValueError(f"arrays of {count} faces have the lengths {lengths}")
    return {"image": images, **arrays}


def _stated_size(coded):
    """Return height and width in the header of a lossless WebP picture (RFC 9649, 2.6 and 3.4)."""
    head = coded[:25].tobytes()
    if coded.dtype != np.uint8 or head[:4] != b"RIFF" or head[8:16] != b"WEBPVP8L":
        return None
    sides = int.from_bytes(head[21:25], "little")
    return ((sides >> 14) & 0x3FFF) + 1, (sides & 0x3FFF) + 1
