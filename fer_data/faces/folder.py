"""Cut the faces out of a folder of photos, for training, as recognition sees them."""

import collections
import dataclasses
import json
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, Protocol

import numpy as np

from fer_data import picture
from fer_data.checks import check_choice, check_integer
from fer_data.faces.cut import cut_face
from fer_data.faces.detectors import detector as make_detector
from fer_data.faces.face import Face
from fer_data.faces.image import read_image
from fer_data.files import whole_file, write_json, write_table

RULE = "cut.json"
MISSES = "misses.csv"
NO_FACE = "no face was found"
NO_PICTURE = "no picture by its ending"


class FindsFaces(Protocol):
    """What a detector of one's own must have."""

    def detect(self, image: np.ndarray, /) -> Iterable[Face]:
        """Return the faces of a uint8 RGB picture."""


class Miss(NamedTuple):
    """A file of which no face was cut.

    Attributes:
        photo: Its path in the folder of photos.
        reason: Why: no face, unreadable, or no picture at all.
    """

    photo: str
    reason: str


@dataclasses.dataclass(frozen=True)
class FolderCut:
    """What became of a folder of photos.

    Attributes:
        target: The folder of the faces.
        photos: Number of photos.
        faces: Number of faces that were cut.
        done_before: Number of photos whose faces an earlier call had cut.
        misses: Files of which no face was cut, also in the file `misses.csv`.
    """

    target: Path
    photos: int
    faces: int
    done_before: int
    misses: tuple[Miss, ...]

    @property
    def without_face(self) -> tuple[Miss, ...]:
        """The photos that show no face, as the detector sees it."""
        return tuple(miss for miss in self.misses if miss.reason == NO_FACE)

    @property
    def unreadable(self) -> tuple[Miss, ...]:
        """The photos that cannot be read."""
        return tuple(miss for miss in self.misses if miss.reason not in (NO_FACE, NO_PICTURE))

    @property
    def other_files(self) -> tuple[Miss, ...]:
        """The files that are no pictures by their ending."""
        return tuple(miss for miss in self.misses if miss.reason == NO_PICTURE)


def cut_folder(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    detector: str | FindsFaces = "mtcnn",
    *,
    size: int = 64,
    channels: int = 3,
    every_face: bool = False,
    progress: bool = True,
    **options: Any,
) -> FolderCut:
    """Find the faces of all photos in a folder and cut them as recognition does.

    `class/photo.jpg` becomes `class/photo.png` in the other folder, whatever the folders are
    called and however deep they lie. Of a photo with several faces the largest is taken, since a
    photo's class speaks of one person.

    Each file is written whole. After an interruption the same call goes on: photos whose face is
    there are not looked at again. The rule by which the faces are cut is kept in `cut.json`, and
    a call with another rule is refused.

    Args:
        source: Folder of photos, as a rule with a folder for each class. Hidden files do not count.
        target: Folder for the faces: a new one, an empty one, or one of an earlier call.
        detector: One of `fer_data.faces.DETECTORS`, or an object with `detect(image)`. Take the
            one with which the network will be used.
        size: Height and width of the faces. Take the network's: then training sees what
            recognition sees, to the rounding of whole grey levels.
        channels: 1 for grey or 3 for RGB.
        every_face: Whether to cut all faces of a photo. The largest is `photo.png`, the others are
            `photo.face2.png` and so on.
        progress: Whether to show it on standard error, where a person watches that.
        **options: Options of a detector given by name, as for `fer_data.faces.detector`.

    Returns:
        A `FolderCut`.

    Raises:
        FileNotFoundError: If there is no such folder.
        ImportError: If the detector's package is missing; the message says what to install.
        ValueError: If an argument breaks its rule, the folder has no photo, or the faces in
            `target` were cut by another rule.

    Example:

    ```python
    found = cut_folder("photos", "faces", size=64)
    print(found.faces, [miss.photo for miss in found.misses])
    ```
    """
    check_integer("size", size, 1)
    check_choice("channels", channels, (1, 3))
    source, target = Path(source), Path(target)
    photos, misses = _photos(source, target)
    find = make_detector(detector, **options) if isinstance(detector, str) else detector
    name = getattr(find, "name", None) or type(find).__name__
    rule = {"detector": name, "options": options, "size": size, "channels": channels}
    _keep_rule(target, rule | {"every_face": every_face})
    cut = done_before = 0
    for photo, place in _shown(photos.items(), progress):
        if (target / place).exists():
            done_before += 1
            continue
        try:
            pixels = read_image(source / photo)
        except ValueError as error:
            misses.append(Miss(photo, str(error)))
            continue
        faces = sorted(find.detect(pixels), key=lambda face: -float(np.prod(face.box[2:])))
        if not faces:
            misses.append(Miss(photo, NO_FACE))
        for number in reversed(range(len(faces) if every_face else min(1, len(faces)))):
            path = target / place
            if number:
                path = path.with_name(f"{path.stem}.face{number + 1}.png")
            # The largest face comes last: while its file is missing, the photo is not done.
            _write(path, cut_face(pixels, faces[number], size, channels))
            cut += 1
    write_table(target / MISSES, Miss._fields, sorted(misses))
    return FolderCut(target, len(photos), cut, done_before, tuple(sorted(misses)))


def _photos(source, target):
    """Return `{photo: its face's file}`, paths in the two folders, and what is no picture."""
    if not source.is_dir():
        raise FileNotFoundError(f"There is no folder {str(source)!r}.")
    if target.resolve().is_relative_to(source.resolve()):
        raise ValueError(
            "`target` must not lie in `source`, or faces would be cut again. "
            f"Received: source={str(source)!r}, target={str(target)!r}"
        )
    files = sorted(
        path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()
    )
    files = [file for file in files if not any(p[0] == "." for p in PurePosixPath(file).parts)]
    photos = [file for file in files if file.lower().endswith(picture.SUFFIXES)]
    if not photos:
        raise ValueError(
            f"`source` must hold photos ({', '.join(picture.SUFFIXES)}). "
            f"Received: {str(source)!r} with {len(files)} other files"
        )
    rest = sorted(set(files) - set(photos))
    return _named(photos), [Miss(file, NO_PICTURE) for file in rest]


def _named(photos):
    """Give each photo a file for its face, none of them twice."""
    short = {photo: str(PurePosixPath(photo).with_suffix(".png")) for photo in photos}
    # Without case, since many file systems tell none apart.
    often = collections.Counter(name.lower() for name in short.values())
    names = {
        photo: name if often[name.lower()] == 1 else f"{photo}.png" for photo, name in short.items()
    }
    often = collections.Counter(name.lower() for name in names.values())
    alike = [photo for photo, name in names.items() if often[name.lower()] > 1]
    if alike:
        raise ValueError(f"Photos must have different names. Received: {alike}")
    return names


def _keep_rule(target, rule):
    """Write down how faces are cut, or refuse to mix them with faces cut in another way."""
    path = target / RULE
    rule = json.loads(json.dumps(rule, default=str))  # as the file has it: lists for tuples
    if path.exists():
        known = json.loads(path.read_text(encoding="utf-8"))
        if known != rule:
            raise ValueError(
                f"The faces in {str(target)!r} were cut by the rule {known}. Give another folder, "
                f"or remove it. Received: {rule}"
            )
    elif target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(
            "`target` must be a new or empty folder, or one of an earlier call. "
            f"Received: target={str(target)!r}"
        )
    write_json(path, rule)


def _shown(photos, progress):
    from tqdm import tqdm

    return tqdm(photos, desc="cutting faces", unit=" photo", disable=None if progress else True)


def _write(path, face):
    with whole_file(path) as temporary:
        temporary.write_bytes(picture.encode_png(np.rint(face).astype(np.uint8)))
