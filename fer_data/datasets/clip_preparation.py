"""The slow work on one clip, done once: decode, detect, landmarks, align; kept when finished."""

import dataclasses
import functools
import hashlib
import io
import itertools
import os
import zipfile
from pathlib import Path

import numpy as np

from fer_data import picture
from fer_data.datasets.face_finder import FaceFinder
from fer_data.files import whole_file

# Frames that are decoded and aligned together; a macro-expression may have thousands.
CHUNK = 32


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What is done to every clip of a data set; it pickles.

    Attributes:
        root: The folder or zip archive of the data set.
        finder: `FaceFinder`.
        size: Height and width of the aligned faces.
        align: Whether to align the faces, or keep the frames as they are.
        cropped: Whether the pictures are faces that the owners cropped.
    """

    root: str
    finder: FaceFinder
    size: int = 128
    align: bool = True
    cropped: bool = False


@dataclasses.dataclass
class Prepared:
    """What became of a clip.

    Attributes:
        frames: List of PNG files as bytes, one a frame.
        landmarks: float32 `(68, 2)`, of the first frame, in pixels of `frames`.
        content: Hash of the frames' pixels: the same for the same frames only.
        note: `(reason, detail)` that is worth a line in the report, or `None`.
        failure: `(reason, detail)` if the clip cannot be used, and then nothing else is set.
    """

    frames: list = dataclasses.field(default_factory=list)
    landmarks: np.ndarray | None = None
    content: str = ""
    note: tuple | None = None
    failure: tuple | None = None


def prepare_clip(clip, recipe):
    """Decode a clip, find the face in its first frame, and align all frames by it.

    One similarity for all frames, from the first: aligned one by one they would shake with the
    landmarks' own jitter, which is as large as a micro-expression.

    Args:
        clip: `Clip`.
        recipe: `Recipe`.

    Returns:
        `Prepared`; a picture that cannot be read, frames of different sizes, and a first frame
        without a face are its `failure`.
    """
    try:
        return _prepare(clip, recipe)
    except picture.UnreadableError as error:
        return Prepared(failure=(error.reason, str(error)))


def prepare_and_keep(clip, recipe, folder):
    """Prepare a clip and keep the outcome in a folder, unless it is there from before.

    Returns:
        The clip's id.
    """
    path = kept_path(folder, clip)
    if not path.exists():
        _write(path, prepare_clip(clip, recipe))
    return clip.id


def kept_path(folder, clip):
    """Return where a finished clip is kept."""
    name = hashlib.blake2b(clip.id.encode(), digest_size=12).hexdigest()
    return Path(folder) / f"{name}.npz"


def kept(folder, clip, frames=True):
    """Return the `Prepared` of a finished clip.

    Args:
        folder: Where it is kept.
        clip: `Clip`.
        frames: Whether to read its frames too.

    Raises:
        FileNotFoundError: If it is not finished.
    """
    with np.load(kept_path(folder, clip)) as file:
        failure, note = _pair(file["failure"]), _pair(file["note"])
        if failure:
            return Prepared(failure=failure)
        outcome = Prepared([], file["landmarks"], str(file["content"]), note)
        if frames:
            ends = np.cumsum(file["lengths"]).tolist()
            data = file["data"].tobytes()
            outcome.frames = [data[a:b] for a, b in itertools.pairwise([0, *ends])]
    return outcome


def read_member(root, name):
    """Return the bytes of a file in a folder, or of a member of a zip archive."""
    if os.path.isdir(root):
        return Path(root, name).read_bytes()
    return _archive(root).read(name)


@functools.lru_cache(maxsize=4)
def _archive(root):
    # One a process: an open archive does not pickle, and opening it reads its whole directory.
    return zipfile.ZipFile(root)


def _prepare(clip, recipe):
    outcome = Prepared()
    digest = hashlib.blake2b(digest_size=16)
    points = shape = None
    for names in _chunks(clip.names):
        pictures = [_decode(recipe.root, name) for name in names]
        if shape is None:
            shape = pictures[0].shape
            points, outcome.note = recipe.finder(pictures[0], recipe.cropped)
            outcome.landmarks = _aligned_points(points, recipe) if recipe.align else points
            digest.update(repr((recipe.size,) if recipe.align else shape).encode())
        for name, pixels in zip(names, pictures, strict=True):
            if pixels.shape != shape:
                raise picture.UnreadableError(
                    "size_changes", f"{name} is {pixels.shape}, the first frame {shape}"
                )
        frames = np.stack(pictures)
        if recipe.align:
            frames = _aligned(frames, points, recipe)
        digest.update(frames.tobytes())
        outcome.frames += [_png(frame) for frame in frames]
    outcome.content = digest.hexdigest()
    return outcome


def _chunks(names):
    for start in range(0, len(names), CHUNK):
        yield names[start : start + CHUNK]


def _decode(root, name):
    try:
        return picture.decode(read_member(root, name), 3)
    except picture.UnreadableError as error:
        raise picture.UnreadableError(error.reason, f"{name}: {error}") from error
    except (OSError, zipfile.BadZipFile) as error:
        raise picture.UnreadableError("unreadable", f"{name}: {error}") from error


def _aligned(frames, points, recipe):
    import tensorflow as tf

    from fer_data.faces import align_clip

    try:
        return align_clip(frames, points, size=recipe.size, dtype="uint8").numpy()
    except tf.errors.InvalidArgumentError as error:
        raise picture.UnreadableError("not_alignable", error.message.splitlines()[0]) from error


def _aligned_points(points, recipe):
    import tensorflow as tf

    from fer_data.faces import alignment, transform_points

    try:
        return transform_points(points, alignment(points, size=recipe.size)).numpy()
    except tf.errors.InvalidArgumentError as error:
        raise picture.UnreadableError("not_alignable", error.message.splitlines()[0]) from error


def _png(frame):
    import cv2

    done, data = cv2.imencode(".png", frame[:, :, ::-1])
    if not done:
        raise RuntimeError("OpenCV could not encode a frame as PNG.")
    return data.tobytes()


def _write(path, outcome):
    buffer = io.BytesIO()
    fields = {"failure": np.array(outcome.failure or ()), "note": np.array(outcome.note or ())}
    if not outcome.failure:
        fields |= {
            "landmarks": outcome.landmarks,
            "content": np.array(outcome.content),
            "lengths": np.array([len(data) for data in outcome.frames]),
            "data": np.frombuffer(b"".join(outcome.frames), np.uint8),
        }
    np.savez(buffer, **fields)
    with whole_file(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def _pair(array):
    return tuple(str(value) for value in array) or None
