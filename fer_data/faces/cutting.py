"""Cut the faces out of many photos: read ahead, on several cores, and go on where it stopped."""

import collections
import csv
import hashlib
import io
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from fer_data import picture
from fer_data.checks import check_choice, check_integer
from fer_data.faces.base import Detector, FindsFaces
from fer_data.faces.cut import FRAMINGS, WHOLE, cut_face
from fer_data.faces.detectors import detector as make_detector
from fer_data.files import UNFINISHED, is_free, read_json, whole_file, write_json, write_table

RULE = "cut.json"
FACES = "faces.csv"
NO_FACE = "no face was found"
# With which every whole PNG file ends.
PNG_END = b"IEND\xaeB`\x82"

# Most photos that a detector gets at once, and that are read ahead for it.
TOGETHER = 8
# A detector gets fewer photos at once where they have this many pixels, since memory is limited.
MOST_PIXELS = 8_000_000
# Photos that a worker process is given at a time.
CHUNK = 16


class Photo(NamedTuple):
    """A photo whose face is wanted.

    Attributes:
        name: What lists call it, unique.
        place: File of its face, a PNG file, relative to the folder of the faces.
        read: Function that returns its pixels, uint8 RGB, or raises `OSError`, `ValueError` or
            `UnreadableError`. Worker processes get it pickled.
        content: Function that returns the bytes of its file, or raises `OSError` or
            `UnreadableError`. By their hash a later call knows whether it is the same photo. Worker
            processes get it pickled.
        whole: Whether the whole picture is taken where no face is found.
    """

    name: str
    place: str
    read: Callable[[], np.ndarray]
    content: Callable[[], bytes]
    whole: bool = False


class Outcome(NamedTuple):
    """The outcome of one photo: a row of `faces.csv`.

    Attributes:
        photo: The photo's name.
        face: File of its face, empty where nothing was cut.
        faces: Number of faces that were found.
        x: Left edge of the box of the cut face, in pixels of the photo; None if none was cut.
        y: Upper edge of that box.
        width: Its width.
        height: Its height.
        score: The detector's score of that face.
        reason: Why no face was cut; empty where one was.
        digest: Hash of the photo's file when the face was cut. Empty where the file could not be
            read, or where the face file may no longer show that photo.
    """

    photo: str
    face: str
    faces: int
    x: float | None
    y: float | None
    width: float | None
    height: float | None
    score: float | None
    reason: str
    digest: str


class CutPhotos(NamedTuple):
    """The result of `cut_all`.

    Attributes:
        outcomes: The `Outcome` of each photo, in the order of the photos.
        done_before: Names of the photos that an earlier call had done.
        removed: Number of faces of earlier calls that were deleted, since no photo gives them now.
    """

    outcomes: list[Outcome]
    done_before: frozenset[str]
    removed: int


class Cutting(NamedTuple):
    """The settings by which faces are found and cut.

    Attributes:
        detector: One of `fer_data.faces.DETECTORS`, or an object with `detect(image)`.
        options: Options of a detector given by name.
        size: Height and width of the faces.
        channels: 1 for grey or 3 for RGB.
        every_face: Whether to cut all faces of a photo, not the largest alone.
    """

    detector: str | FindsFaces
    options: dict[str, Any]
    size: int
    channels: int = 3
    every_face: bool = False

    def check(self) -> None:
        """Raise `ValueError` if the size, the channels or the options break their rule."""
        check_integer("size", self.size, 1)
        check_choice("channels", self.channels, (1, 3))
        if self.options and not isinstance(self.detector, str):
            raise ValueError(
                f"`{next(iter(self.options))}` must be an argument of this function, or an option "
                "of a detector given by name: your own detector takes none. "
                f"Received: {self.options}"
            )

    def make(self) -> FindsFaces:
        """Return the detector."""
        if isinstance(self.detector, str):
            return make_detector(self.detector, **self.options)
        return self.detector

    def rule(self, **more: Any) -> dict[str, Any]:
        """Return all that decides how a face looks, of JSON's types."""
        own = self.detector
        name = own if isinstance(own, str) else getattr(own, "name", None) or type(own).__name__
        framing = getattr(own, "framing", None) or FRAMINGS.get(name)
        settings = self.options
        if isinstance(own, Detector):
            plain = (bool, int, float, str, type(None))
            settings = {
                key: value
                for key, value in sorted(vars(own).items())
                if key[0] != "_" and isinstance(value, plain)
            }
        rule = {
            "detector": name,
            "options": settings,
            "framing": None if framing is None else framing._asdict(),
            "size": self.size,
            "channels": self.channels,
            "every_face": self.every_face,
            **more,
        }
        # As a JSON file has it: lists in place of tuples.
        return json.loads(json.dumps(rule, default=str))


def cut_all(
    photos: Sequence[Photo],
    target: Path,
    cutting: Cutting,
    *,
    more_rules: Mapping[str, Any] | None = None,
    workers: int = 1,
    progress: bool = True,
) -> CutPhotos:
    """Find and cut the faces of photos, but for those that an earlier call has cut.

    Threads read the next photos and write the last faces, while the detector works. Each face is
    written whole, and then noted in `faces.csv` with a hash of its photo's file. A photo is done if
    it stands there with the same hash and its face is in its place. So a moved folder of photos
    goes on, and a photo that was changed or exchanged is cut again. The rule by which the faces are
    cut is kept in `cut.json`.

    At the end, faces of earlier calls that no photo gives now are deleted: their photo is gone,
    shows no face any more, or has another place. Only files that `faces.csv` names are deleted.

    Args:
        photos: The photos.
        target: Folder of the faces: a new one, an empty one, or one of an earlier call.
        cutting: How they are cut.
        more_rules: What else decides how a face looks, of JSON's types.
        workers: Processes that share the photos, each with a detector and cores of its own.
        progress: Whether to show it on standard error, where a person watches that.

    Returns:
        A `CutPhotos`.

    Raises:
        ImportError: If the detector's package is missing.
        ValueError: If an argument breaks its rule, the folder holds other things or faces cut by
            another rule, or the framing of your own detector is unknown.
    """
    from tqdm import tqdm

    begin = time.time()
    cutting.check()
    check_integer("workers", workers, 1)
    if workers > 1 and not isinstance(cutting.detector, str):
        raise ValueError(
            "`workers` must be 1 for your own detector, which other processes do not have. "
            f"Received: workers={workers}, detector={cutting.detector!r}"
        )
    rule = cutting.rule() | dict(more_rules or {})
    _check_rule(target, rule)
    path = target / FACES
    noted = [row for row in _noted(path) if row.face]
    known = _done(photos, noted, target, cutting.every_face)
    found = dict(known)
    left = [photo for photo in photos if photo.name not in known]
    # Before anything is written, so that a wrong option leaves no folder behind.
    find = cutting.make() if left else None
    write_json(target / RULE, rule)
    bar = tqdm(
        total=len(photos),
        initial=len(known),
        desc="cutting faces",
        unit=" photo",
        disable=None if progress else True,
    )
    # Without half a line that a killed process has left. Old rows stay until their faces are
    # deleted, or a call that is stopped would forget which files those are.
    write_table(path, Outcome._fields, [*known.values(), *_old(noted, known, photos)])
    with bar, path.open("a", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        for outcome in _outcomes(left, target, cutting, find, workers):
            rows.writerow(outcome)
            file.flush()
            found[outcome.photo] = outcome
            bar.update()
    outcomes = [found[photo.name] for photo in photos]
    removed = _remove(noted, outcomes, target, cutting.every_face)
    write_table(path, Outcome._fields, outcomes)
    for torn in target.rglob(f".*{UNFINISHED}.*"):
        # An unfinished file of a killed process would count as a picture of its class.
        if torn.stat().st_mtime < begin:
            torn.unlink()
    return CutPhotos(outcomes, frozenset(known), removed)


def _check_rule(target, rule):
    """Refuse to mix faces with those cut in another way, and with other things."""
    path = target / RULE
    if path.exists():
        try:
            known = read_json(path)
        except ValueError as error:
            raise ValueError(
                f"The rule by which the faces in {str(target)!r} were cut cannot be read: give "
                f"another folder, or remove it to have all faces cut again. Received: {error}"
            ) from error
        if known != rule:
            raise ValueError(
                f"The faces in {str(target)!r} were cut by the rule {known}. Give another folder, "
                f"or remove it. Received: {rule}"
            )
    elif not is_free(target):
        raise ValueError(
            "`target` must be a new or empty folder, or one of an earlier call. "
            f"Received: target={str(target)!r}"
        )


def _noted(path):
    """Return the whole rows of a file that may have been written when its process was killed."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        text = file.read()
    rows = list(csv.reader(io.StringIO(text[: text.rfind("\n") + 1], newline="")))
    noted = []
    for row in rows[1:]:
        try:
            photo, face, faces, *place, reason, digest = row
            numbers = [float(value) if value else None for value in place]
            noted.append(Outcome(photo, face, int(faces), *numbers, reason, digest))
        except (TypeError, ValueError):
            # A torn row does not count: its photo is read again.
            continue
    return noted


def _done(photos, noted, target, every_face):
    """Return `{name: row}` of the photos whose faces are there, cut from the same file."""
    places = {photo.name: photo.place for photo in photos}
    rows = {
        row.photo: row
        for row in noted
        if row.digest
        and places.get(row.photo) == row.face
        and all(_is_whole(target / name) for name in _files([row], every_face))
    }
    asked = [photo for photo in photos if photo.name in rows]
    with ThreadPoolExecutor(4, "hash") as pool:
        digests = list(pool.map(_digest, asked))
    same = zip(asked, digests, strict=True)
    return {photo.name: rows[photo.name] for photo, now in same if now == rows[photo.name].digest}


def _is_whole(path):
    """Return whether a PNG file is there, up to its end."""
    try:
        with path.open("rb") as file:
            file.seek(-len(PNG_END), os.SEEK_END)
            return file.read() == PNG_END
    except OSError:
        # Absent, or shorter than that.
        return False


def _old(noted, known, photos):
    """Return the rows of faces that may have to be deleted at the end."""
    # Case does not count, since many file systems ignore it.
    planned = {photo.place.lower() for photo in photos}
    # A face that will be overwritten may no longer show the old photo.
    return [
        row._replace(digest="") if row.face.lower() in planned else row
        for row in noted
        if known.get(row.photo) != row
    ]


def _digest(photo):
    """Return a hash of a photo's file, empty if it cannot be read."""
    try:
        return hashlib.blake2b(photo.content(), digest_size=16).hexdigest()
    except (OSError, picture.UnreadableError):
        # Reading its pixels fails too, and gives the reason; if not, the photo is cut again next
        # time.
        return ""


def _files(rows, every_face):
    """Return the names of the files in which the faces of rows are."""
    return {
        row.face if number == 1 else str(_numbered(PurePosixPath(row.face), number))
        for row in rows
        if row.face
        for number in range(1, 1 + max(1, row.faces if every_face else 1))
    }


def _numbered(path, number):
    return path.with_name(f"{path.stem}.face{number}.png")


def _remove(noted, outcomes, target, every_face):
    """Delete the faces of earlier calls that no outcome names; return how many there were."""
    kept = _files(outcomes, every_face)
    alike = {name.lower(): target / name for name in kept}
    removed = 0
    for name in sorted(_files(noted, every_face) - kept):
        path, twin = target / name, alike.get(name.lower())
        # A list that was edited by hand must not delete files of other folders.
        inside = not path.is_symlink() and path.resolve().is_relative_to(target.resolve())
        if not inside or path.suffix != ".png" or not path.is_file():
            continue
        if twin is not None and twin.exists() and twin.samefile(path):
            # The file system does not tell the two names apart.
            continue
        path.unlink()
        removed += 1
        # An empty folder would be a class without pictures.
        for folder in path.parents:
            if folder == target or any(folder.iterdir()):
                break
            folder.rmdir()
    return removed


def _outcomes(photos, target, cutting, find, workers):
    """Yield the `Outcome` of each photo, in order; each face is written before."""
    if workers == 1 or len(photos) <= workers * CHUNK:
        yield from _cut_some(photos, target, cutting, find, readers=2)
        return
    # Forking a process that runs threads can hang; a fresh one cannot.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        workers, context, initializer=_start_worker, initargs=(context.Value("i", 0), workers)
    )
    try:
        ahead = collections.deque()
        for start in range(0, len(photos), CHUNK):
            ahead.append(pool.submit(_cut_chunk, photos[start : start + CHUNK], target, cutting))
            if len(ahead) > 2 * workers:
                yield from ahead.popleft().result()
        for future in ahead:
            yield from future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker(counter, workers):
    """Limit a worker process, and all libraries in it, to its share of the cores."""
    with counter.get_lock():
        number = counter.value
        counter.value += 1
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        own = cores[number::workers] or [cores[number % len(cores)]]
        os.sched_setaffinity(0, own)
        share = len(own)
    else:
        share = max(1, (os.cpu_count() or 1) // workers)
    import cv2

    cv2.setNumThreads(share)


# The detector of a worker process: made at its first photos, where an error reaches the caller.
_MADE = {}


def _cut_chunk(photos, target, cutting):
    if not _MADE:
        _MADE["detector"] = cutting.make()
    return list(_cut_some(photos, target, cutting, _MADE["detector"], readers=1))


def _cut_some(photos, target, cutting, find, readers):
    reading = ThreadPoolExecutor(readers, "read")
    writing = ThreadPoolExecutor(1, "write")
    written: collections.deque[Future] = collections.deque()
    together = getattr(find, "detect_batch", None)
    try:
        for batch in _batches(photos, reading, TOGETHER if together else 1):
            pictures = [pixels for _, pixels, _ in batch if not isinstance(pixels, str)]
            try:
                found = iter(together(pictures) if together else map(find.detect, pictures))
                for photo, pixels, digest in batch:
                    faces = [] if isinstance(pixels, str) else list(next(found))
                    work = writing.submit(_write, photo, pixels, digest, faces, target, cutting)
                    written.append(work)
            except BaseException:
                # Keep the faces found so far, whatever stops the search.
                yield from (future.result() for future in written)
                written.clear()
                raise
            while len(written) > TOGETHER or (written and written[0].done()):
                yield written.popleft().result()
        for future in written:
            yield future.result()
    finally:
        reading.shutdown(cancel_futures=True)
        writing.shutdown()


def _batches(
    photos: Sequence[Photo], reading: Any, most: int
) -> Iterator[list[tuple[Photo, Any, str]]]:
    """Yield photos with their pixels (or why they cannot be read) and hashes; read ahead."""
    rest, ahead, batch, pixels = iter(photos), collections.deque(), [], 0
    while True:
        while len(ahead) < TOGETHER and (photo := next(rest, None)) is not None:
            ahead.append((photo, reading.submit(_look, photo)))
        if not ahead:
            break
        photo, future = ahead.popleft()
        batch.append((photo, *future.result()))
        pixels += getattr(batch[-1][1], "size", 0) // 3
        if len(batch) >= most or pixels >= MOST_PIXELS:
            yield batch
            batch, pixels = [], 0
    if batch:
        yield batch


def _look(photo):
    # The hash first: a file that changes in between is then cut again by the next call.
    digest = _digest(photo)
    return _read(photo), digest


def _read(photo):
    try:
        return photo.read()
    except picture.UnreadableError as error:
        return f"{error.reason}: {error}"
    # Other errors of the system say nothing of the photo, which must not be noted as done.
    except (FileNotFoundError, PermissionError, ValueError) as error:
        return str(error)


def _write(photo, pixels, digest, faces, target, cutting):
    """Cut the faces of a photo and write them; return the `Outcome`."""
    nowhere = (None,) * 5
    if isinstance(pixels, str):
        return Outcome(photo.name, "", 0, *nowhere, pixels, digest)
    if not faces:
        if photo.whole:
            box = (0, 0, *pixels.shape[1::-1])
            face = cut_face(pixels, box, cutting.size, cutting.channels, framing=WHOLE)
            _save(target / photo.place, face)
        place = photo.place if photo.whole else ""
        return Outcome(photo.name, place, 0, *nowhere, NO_FACE, digest)
    faces = sorted(faces, key=lambda face: -float(np.prod(face.box[2:])))
    for number in reversed(range(len(faces) if cutting.every_face else 1)):
        path = target / photo.place
        if number:
            path = _numbered(path, number + 1)
        # The largest face comes last: while its file is missing, the photo is not done.
        _save(path, cut_face(pixels, faces[number], cutting.size, cutting.channels))
    place = [round(float(value), 2) for value in faces[0].box]
    score = round(float(faces[0].score), 4)
    return Outcome(photo.name, photo.place, len(faces), *place, score, "", digest)


def _save(path, face):
    # Thousands of them: `_done` looks whether each is whole.
    with whole_file(path, durable=False) as temporary:
        temporary.write_bytes(picture.encode_png(np.rint(face).astype(np.uint8), effort=1))
