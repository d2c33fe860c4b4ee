"""Cut the faces out of a folder of photos, for training, as recognition sees them."""

import collections
import dataclasses
import functools
import itertools
import os
import re
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from fer_data import arguments, picture
from fer_data.checks import check_choice
from fer_data.faces.cutting import (
    NO_FACE,
    CutPhotos,
    Cutting,
    FindsFaces,
    Outcome,
    Photo,
    cut_all,
)
from fer_data.faces.image import read_image
from fer_data.file_limits import PHOTO, kind_of, printable, read_file, way_out
from fer_data.files import write_table

MISSES = "misses.csv"
NO_PICTURE = "no picture by its ending"
NOTHING, WHOLE_PICTURE = "nothing", "whole picture"
ON_MISS = ("skip", "whole")
# How the files of the further faces of a photo end.
FURTHER = re.compile(r"\.face\d+\.png$", re.IGNORECASE)


class Miss(NamedTuple):
    """A file from which no face was cut.

    Attributes:
        photo: Its path in the folder of photos.
        reason: Why: no face, unreadable, or not a picture.
        taken: What was taken instead: `"nothing"` or `"whole picture"`.
    """

    photo: str
    reason: str
    taken: str = NOTHING


@dataclasses.dataclass(frozen=True)
class FolderCut:
    """The result of `cut_folder`.

    Attributes:
        target: The folder of the faces.
        photos: Number of photos.
        faces: Number of faces that this call has cut.
        done_before: Number of photos that an earlier call had done.
        several: Number of photos in which several faces were found.
        removed: Number of faces of earlier calls that were deleted, since no photo gives them now.
        misses: Files from which no face was cut, also in the file `misses.csv`.
    """

    target: Path
    photos: int
    faces: int
    done_before: int
    several: int
    removed: int
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
    def whole(self) -> tuple[Miss, ...]:
        """The photos that were taken whole, since no face was found in them."""
        return tuple(miss for miss in self.misses if miss.taken == WHOLE_PICTURE)

    @property
    def other_files(self) -> tuple[Miss, ...]:
        """The files whose ending is not that of a picture."""
        return tuple(miss for miss in self.misses if miss.reason == NO_PICTURE)


@arguments.checked(
    source=arguments.path,
    target=arguments.path,
    detector=arguments.either(
        arguments.text,
        arguments.with_method("detect", "an object with a method `detect(image)`"),
        rule="the name of a detector, or an object with a method `detect(image)`",
    ),
    size=arguments.integer(1),
    channels=arguments.choice((1, 3)),
    every_face=arguments.flag,
    follow_links=arguments.flag,
    on_miss=arguments.choice(("skip", "whole")),
    workers=arguments.integer(1),
    progress=arguments.flag,
)
def cut_folder(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    detector: str | FindsFaces = "mtcnn",
    *,
    size: int = 64,
    channels: int = 3,
    every_face: bool = False,
    on_miss: str = "skip",
    follow_links: bool = False,
    workers: int = 1,
    progress: bool = True,
    **options: Any,
) -> FolderCut:
    """Find the faces of all photos in a folder and cut them as recognition does.

    `class/photo.jpg` becomes `class/photo.png` in the other folder, whatever the folders are called
    and however deep they lie. If a photo shows several faces, the largest is taken, since a photo's
    class describes one person. `faces.csv` lists where in each photo the face is, and `misses.csv`
    lists the photos without one.

    Each file is written whole. After an interruption the same call goes on: photos whose face is
    there are not looked at again, unless their file has changed. The folder of photos may have
    moved in between. Faces of earlier calls are deleted if their photo is gone or gives no face
    any more; other files in the target are left alone. The rule by which the faces are cut is kept
    in `cut.json`, and a call with another rule is refused.

    Args:
        source: Folder of photos, as a rule with a folder for each class. Hidden files do not count.
        target: Folder for the faces: a new one, an empty one, or one of an earlier call.
        detector: One of `fer_data.faces.DETECTORS`, or an object with `detect(image)`, whose faces
            have a `framing`. Each of the named detectors has its own, so that all frame faces
            alike.
        size: Height and width of the faces. Take the network's: then training sees what recognition
            sees, up to the rounding to whole grey levels.
        channels: 1 for grey or 3 for RGB.
        every_face: Whether to cut all faces of a photo. The largest is `photo.png`, the others are
            `photo.face2.png` and so on. A photo that is called like one of these, such as
            `photo.face2.jpg`, keeps its ending: its face is `photo.face2.jpg.png`.
        on_miss: What becomes of a photo in which no face is found: `"skip"` leaves it out,
            `"whole"` takes a square that holds all of it. It is listed either way.
        follow_links: Whether links to photos outside of `source` are followed. Without it they are
            listed among the misses. Links to folders are never followed; those outside are listed.
        workers: Processes that share the photos, each with cores and a detector of its own. One
            process already reads, searches and writes at the same time; more of them speed up
            `mtcnn` and dlib's two.
        progress: Whether to show it on standard error, where a person watches that.
        **options: Options of a detector given by name, as for `fer_data.faces.detector`.

    Returns:
        A `FolderCut`.

    Raises:
        FileNotFoundError: If there is no such folder.
        ImportError: If the detector's package is missing; the message names it.
        ValueError: If an argument breaks its rule, the folder has no photo or holds a folder that
            cannot be read, the faces in `target` were cut by another rule, or a face of your own
            detector has no `framing`.

    Example:

    ```python
    found = cut_folder("photos", "faces", size=64)
    print(found.faces, [miss.photo for miss in found.misses])
    ```
    """
    check_choice("on_miss", on_miss, ON_MISS)
    cutting = Cutting(detector, options, size, channels, every_face)
    cutting.check()
    source, target = Path(source), Path(target)
    places, misses = _photos(source, target, follow_links, every_face)
    photos = [
        Photo(
            name,
            place,
            functools.partial(read_image, source / name),
            functools.partial(read_file, source / name, PHOTO.file_bytes),
            on_miss == "whole",
        )
        for name, place in places.items()
    ]
    rules = {"on_miss": on_miss}
    found = cut_all(photos, target, cutting, more_rules=rules, workers=workers, progress=progress)
    return FolderCut(**account(target, cutting, found, misses))


def account(
    target: Path,
    cutting: Cutting,
    found: CutPhotos,
    misses: list[Miss],
) -> dict[str, Any]:
    """Write `misses.csv` and return the arguments of a `FolderCut`.

    Args:
        target: Folder of the faces.
        cutting: How they were cut.
        found: What `cut_all` returned.
        misses: Files from which no face was cut and that `found` does not name.

    Returns:
        The arguments by name.
    """
    outcomes, done_before, removed = found
    misses = sorted(misses + [miss_of(outcome) for outcome in outcomes if outcome.reason])
    write_table(target / MISSES, Miss._fields, misses)
    most = None if cutting.every_face else 1
    new = [outcome for outcome in outcomes if outcome.photo not in done_before]
    return {
        "target": target,
        "photos": len(outcomes),
        "faces": sum(min(outcome.faces, most or outcome.faces) for outcome in new),
        "done_before": len(done_before),
        "several": sum(outcome.faces > 1 for outcome in outcomes),
        "removed": removed,
        "misses": tuple(misses),
    }


def miss_of(outcome: Outcome) -> Miss:
    """Return the row of `misses.csv` of a photo from which no face was cut."""
    return Miss(outcome.photo, outcome.reason, WHOLE_PICTURE if outcome.face else NOTHING)


def _photos(source, target, follow_links, every_face):
    """Return `{photo: file of its face}`, paths in the two folders, and a `Miss` of each other."""
    if not source.is_dir():
        raise FileNotFoundError(f"There is no folder {str(source)!r}.")
    if target.resolve().is_relative_to(source.resolve()):
        raise ValueError(
            "`target` must not lie in `source`, or faces would be cut again. "
            f"Received: source={str(source)!r}, target={str(target)!r}"
        )
    photos, misses = [], []
    for path in _below(source):
        file = path.relative_to(source).as_posix()
        if any(part[0] == "." for part in PurePosixPath(file).parts):
            continue
        if path.is_dir():
            if path.is_symlink() and way_out(path, source):
                real = printable(os.path.realpath(path))
                reason = f"link_outside: a link to the folder {real}; put the folder itself here"
                misses.append(Miss(printable(file), reason))
            continue
        reason = _refusal(path, source, follow_links)
        if reason is not None:
            misses.append(Miss(printable(file), reason))
        else:
            photos.append(file)
    if not photos:
        raise ValueError(
            f"`source` must hold photos ({', '.join(picture.SUFFIXES)}). "
            f"Received: {str(source)!r} with {len(misses)} other files"
        )
    return _named(photos, every_face), misses


def _below(source):
    """Return all files and folders of a folder, sorted, or raise if one cannot be listed."""

    def unreadable(error):
        # Faces that an earlier call cut from there would be deleted, as if their photos had gone.
        raise ValueError(
            "`source` must hold no folder that cannot be read: change its permissions, or move it "
            f"elsewhere. Received: {printable(error.filename)} ({error.strerror})"
        ) from error

    walk = os.walk(source, onerror=unreadable)
    return sorted(Path(top, name) for top, *names in walk for name in itertools.chain(*names))


def _refusal(path, source, follow_links):
    """Return why a file is not opened, `None` for a photo."""
    if not path.exists():
        return "unreadable: a broken link"
    if printable(str(path)) != str(path):
        return "odd_name: its name is no text in UTF-8"
    way = None if follow_links or not path.is_symlink() else way_out(path, source)
    if way is not None:
        return f"link_outside: {way}"
    kind = kind_of(path.stat().st_mode)
    if kind is not None:
        return f"not_a_file: it is {kind}"
    return None if path.name.lower().endswith(picture.SUFFIXES) else NO_PICTURE


def _named(photos, every_face):
    """Give each photo a file for its face, none of them twice."""
    short = {photo: str(PurePosixPath(photo).with_suffix(".png")) for photo in photos}
    # Case does not count, since many file systems ignore it.
    often = collections.Counter(name.lower() for name in short.values())
    if every_face:
        # Names that the further faces of another photo may have.
        often.update(name.lower() for name in short.values() if FURTHER.search(name))
    names = {
        photo: name if often[name.lower()] == 1 else f"{photo}.png" for photo, name in short.items()
    }
    often = collections.Counter(name.lower() for name in names.values())
    alike = [photo for photo, name in names.items() if often[name.lower()] > 1]
    if alike:
        raise ValueError(f"Photos must have different names. Received: {alike}")
    return names
