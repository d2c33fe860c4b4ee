"""The slow work on one clip, done once: decode, detect, landmarks, align; kept when finished."""

import dataclasses
import functools
import hashlib
import itertools
import os
from pathlib import Path

import numpy as np

from fer_data import picture
from fer_data.datasets.clip_rows import Clip
from fer_data.datasets.face_finder import FaceFinder
from fer_data.datasets.source import read_inside
from fer_data.file_limits import FileLimits, with_way_out
from fer_data.files import whole_file
from fer_data.npz import read_npz
from fer_data.zip_members import DAMAGED, open_archive
from fer_data.zip_members import read_member as read_zip_member

# Frames that are decoded and aligned together; a macro-expression may have thousands. Fewer, where
# they have more bytes than this.
CHUNK, CHUNK_BYTES = 32, 32 << 20
LIMITS = FileLimits()
KEPT_WITHOUT_FRAMES = ("failure", "note", "landmarks", "content")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The preparation of every clip of a data set; it pickles.

    Attributes:
        root: The folder or zip archive of the data set.
        finder: `FaceFinder`.
        size: Height and width of the aligned faces.
        align: Whether to align the faces, or keep the frames as they are.
        cropped: Whether the pictures are faces that the owners cropped.
        limits: `FileLimits` of the pictures.
        follow_links: Whether links may lead out of the folder.
    """

    root: str
    finder: FaceFinder
    size: int = 128
    align: bool = True
    cropped: bool = False
    limits: FileLimits = LIMITS
    follow_links: bool = False


@dataclasses.dataclass
class Prepared:
    """A prepared clip, or the reason why it cannot be used.

    Attributes:
        frames: List of PNG files as bytes, one for each frame.
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


def prepare_clip(clip: Clip, recipe: Recipe) -> Prepared:
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


def prepare_and_keep(clip: Clip, recipe: Recipe, folder: str | os.PathLike[str]) -> str:
    """Prepare a clip and keep the outcome in a folder, unless it is there from before.

    Returns:
        The clip's id.
    """
    path = kept_path(folder, clip)
    if not path.exists():
        _write(path, prepare_clip(clip, recipe))
    return clip.id


def kept_path(folder: str | os.PathLike[str], clip: Clip) -> Path:
    """Return where a finished clip is kept."""
    name = hashlib.blake2b(clip.id.encode(), digest_size=12).hexdigest()
    return Path(folder) / f"{name}.npz"


def kept(folder: str | os.PathLike[str], clip: Clip, frames: bool = True) -> Prepared:
    """Return the `Prepared` of a finished clip.

    Args:
        folder: Where it is kept.
        clip: `Clip`.
        frames: Whether to read its frames too.

    Raises:
        FileNotFoundError: If it is not finished.
        ValueError: If its file is damaged.
    """
    path = kept_path(folder, clip)
    try:
        return _kept(path, frames)
    except FileNotFoundError:
        raise
    # Whatever a damaged archive makes NumPy, zipfile or zlib raise.
    except Exception as error:
        raise ValueError(
            f"A finished clip, {clip.id}, cannot be read; remove its file to have it prepared "
            f"again. Received: {str(path)!r} ({error})"
        ) from error


def _kept(path, frames):
    file = read_npz(path, None if frames else KEPT_WITHOUT_FRAMES)
    failure, note = _pair(file["failure"]), _pair(file["note"])
    if failure:
        return Prepared(failure=failure)
    outcome = Prepared([], file["landmarks"], str(file["content"]), note)
    if frames:
        ends = np.cumsum(file["lengths"]).tolist()
        data = file["data"].tobytes()
        outcome.frames = [data[a:b] for a, b in itertools.pairwise([0, *ends])]
    return outcome


def read_member(recipe: Recipe, name: str) -> bytes:
    """Return the bytes of a file in a recipe's folder, or of a member of its zip archive."""
    if os.path.isdir(recipe.root):
        return read_inside(recipe.root, name, recipe.limits, recipe.follow_links)
    archive = _archive(recipe.root, recipe.limits.files)
    return read_zip_member(archive, name, recipe.limits.file_bytes)


@functools.lru_cache(maxsize=4)
def _archive(root, most):
    # One a process: an open archive does not pickle, and opening it reads its whole directory.
    return open_archive(root, most)


def _prepare(clip, recipe):
    outcome = Prepared()
    digest = hashlib.blake2b(digest_size=16)
    points = shape = None
    for names, pictures in _chunks(clip.names, recipe):
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


def _chunks(names, recipe):
    """Yield names and their pictures, as many as are worked on together."""
    chunk, pictures, size = [], [], 0
    for name in names:
        chunk.append(name)
        pictures.append(_decode(recipe, name))
        size += pictures[-1].nbytes
        if len(chunk) == CHUNK or size >= CHUNK_BYTES:
            yield chunk, pictures
            chunk, pictures, size = [], [], 0
    if chunk:
        yield chunk, pictures


def _decode(recipe, name):
    try:
        return picture.decode(read_member(recipe, name), 3, recipe.limits.pixels)
    except picture.UnreadableError as error:
        raise picture.UnreadableError(error.reason, f"{name}: {with_way_out(error)}") from error
    except DAMAGED as error:
        raise picture.UnreadableError("unreadable", f"{name}: {error}") from error


def _aligned(frames, points, recipe):
    from fer_data.faces import align_clip

    # `_aligned_points` has refused points that give no alignment.
    return align_clip(frames, points, size=recipe.size, dtype="uint8").numpy()


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
    fields = {"failure": np.array(outcome.failure or ()), "note": np.array(outcome.note or ())}
    if not outcome.failure:
        fields |= {
            "landmarks": outcome.landmarks,
            "content": np.array(outcome.content),
            "lengths": np.array([len(data) for data in outcome.frames]),
            "data": np.frombuffer(b"".join(outcome.frames), np.uint8),
        }
    with whole_file(path) as temporary:
        np.savez(temporary, **fields)


def _pair(array):
    return tuple(str(value) for value in array) or None
