"""Photos and videos on disk: an annotated copy of each, and the faces as CSV and JSON."""

import collections
import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_data.faces.image import read_image
from fer_data.files import check_not_read, whole_file, write_json, write_table
from fer_data.picture import SUFFIXES
from fer_models.recognizer.annotation import draw
from fer_models.recognizer.results import UNSURE, Expression, FrameResult
from fer_models.recognizer.table import COLUMNS, rows

if TYPE_CHECKING:
    import numpy as np

    from fer_data.video import Video
    from fer_models.recognizer.recognizer import Recognizer

VIDEOS = (".mp4", ".avi", ".mkv", ".mov", ".m4v", ".webm", ".mpg", ".mpeg", ".wmv")
# The formats of copies; anything else becomes PNG or MP4.
PHOTO_COPIES, VIDEO_COPIES = (".jpg", ".jpeg", ".png"), (".mp4", ".avi", ".mkv")
# Photos that are held at once.
TOGETHER = 8


@dataclasses.dataclass(frozen=True)
class AnnotatedPhotos:
    """What `annotate_photos` found.

    Attributes:
        faces: List of `Expression` of each photo by the photo's name.
        unreadable: Why a photo could not be used, by its name.
    """

    faces: dict[str, list[Expression]]
    unreadable: dict[str, str]


def photos_of(folder: str | os.PathLike[str]) -> tuple[list[Path], list[Path]]:
    """Return the photos of a folder by their names' endings, and what else it holds.

    Args:
        folder: The folder. Hidden files and subfolders are left alone.

    Returns:
        `(photos, others)`, two sorted lists of paths.

    Raises:
        ValueError: If there is no photo in it.
    """
    inside = sorted(path for path in Path(folder).iterdir() if not path.name.startswith("."))
    photos = [path for path in inside if path.suffix.lower() in SUFFIXES]
    if not photos:
        raise ValueError(
            f"There is no photo in {str(folder)!r}; their names end in one of "
            f"{', '.join(SUFFIXES)}."
        )
    return photos, [path for path in inside if path not in photos]


def copy_name(name: str) -> str:
    """Return the name of the annotated copy of a photo or video.

    JPEG and PNG, and mp4, avi and mkv, keep their names. Others become PNG or mp4, and keep their
    old ending before the new one, so that the copies of `a.bmp` and `a.png` have different names.

    Example:

    >>> copy_name("party.JPG"), copy_name("party.bmp"), copy_name("party.mov")
    ('party.JPG', 'party.bmp.png', 'party.mov.mp4')
    """
    suffix = Path(name).suffix.lower()
    if suffix in PHOTO_COPIES + VIDEO_COPIES:
        return name
    return f"{name}.mp4" if suffix in VIDEOS else f"{name}.png"


def annotate_photos(
    recognizer: "Recognizer",
    photos: Mapping[str, "str | os.PathLike[str] | np.ndarray"] | Iterable[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    done: Callable[[str], Any] = lambda name: None,
) -> AnnotatedPhotos:
    """Find the faces of photos, and write an annotated copy of each.

    A photo that cannot be read is noted and left out; the others are done all the same.

    Args:
        recognizer: A `fer_models.Recognizer`.
        photos: Paths, whose file names become the names of the results; or a dictionary from the
            names of the results to paths or uint8 RGB arrays.
        folder: Folder for the copies; `copy_name` gives their names.
        done: Called with the name of each photo when it is done or left out.

    Returns:
        `AnnotatedPhotos`.

    Raises:
        ValueError: If `photos` is a single path, two paths have the same file name, two copies
            would have the same name, or a copy would replace its photo. Nothing is written then.

    Example:

    ```python
    found = annotate_photos(Recognizer(), ["party.jpg", "zoo.png"], "annotated")
    print(found.faces["party.jpg"][0].label)
    ```
    """
    found: dict[str, list[Expression]] = {}
    unreadable: dict[str, str] = {}
    for name, faces, reason in each_annotated(recognizer, photos, folder):
        if faces is None:
            unreadable[name] = reason
        else:
            found[name] = faces
        done(name)
    return AnnotatedPhotos(found, unreadable)


def each_annotated(
    recognizer: "Recognizer",
    photos: Mapping[str, "str | os.PathLike[str] | np.ndarray"] | Iterable[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
) -> Iterator[tuple[str, list[Expression] | None, str]]:
    """Return an iterator over what `annotate_photos` finds, photo by photo.

    Args:
        recognizer: As for `annotate_photos`.
        photos: As for `annotate_photos`.
        folder: As for `annotate_photos`.

    Returns:
        Iterator of `(name, faces, reason)`, in which `faces` is None where the photo could not be
        read for that reason. The copy is written by then.

    Raises:
        ValueError: As from `annotate_photos`, at once.
    """
    if isinstance(photos, (str, os.PathLike)):
        raise ValueError(
            "`photos` must be a list of paths, or a dictionary; one photo is a list of one. "
            f"Received: photos={str(photos)!r}"
        )
    if not isinstance(photos, Mapping):
        paths = list(photos)
        photos = {Path(path).name: path for path in paths}
        if len(photos) < len(paths):
            raise ValueError(
                "`photos` must have different file names; give a dictionary of paths by names of "
                f"your own. Received: {len(paths)} paths with {len(photos)} names"
            )
    return _each_annotated(recognizer, photos, _copies(photos, folder))


def _each_annotated(recognizer, photos, copies):
    waiting, unreadable = collections.deque(), collections.deque()

    def pictures():
        for name, photo in photos.items():
            try:
                picture = read_image(photo) if isinstance(photo, (str, os.PathLike)) else photo
            except (OSError, ValueError) as error:
                unreadable.append((name, None, str(error)))
                continue
            waiting.append((name, picture))
            yield picture

    for faces in recognizer.photos(pictures(), batch_size=min(TOGETHER, len(photos) or 1)):
        while unreadable:
            yield unreadable.popleft()
        name, picture = waiting.popleft()
        write_photo(copies[name], draw(picture, faces))
        yield name, faces, ""
    yield from unreadable


def _copies(photos, folder):
    """Return where the copy of each photo goes, by the photo's name."""
    copies, owners = {}, {}
    paths = [photo for photo in photos.values() if isinstance(photo, (str, os.PathLike))]
    read = {os.path.realpath(path): path for path in paths}
    for name, photo in photos.items():
        copies[name] = copy = Path(folder) / copy_name(name)
        owner = owners.setdefault(copy, name)
        if owner != name:
            raise ValueError(
                f"The copies of `photos` must have different names, and those of {owner!r} and "
                f"{name!r} would both be {copy.name!r}: rename one of the two."
            )
        if isinstance(photo, (str, os.PathLike)):
            check_not_read("folder", copy, photo)
        if os.path.realpath(copy) in read:
            check_not_read("folder", copy, read[os.path.realpath(copy)])
    return copies


def annotate_video(
    recognizer: "Recognizer",
    path: "str | os.PathLike[str] | Video",
    copy: str | os.PathLike[str],
    *,
    smoothing: float = 0.3,
    detect_every: float = 0.2,
    done: Callable[[FrameResult], Any] = lambda result: None,
) -> list[FrameResult]:
    """Follow the faces of a video, and write an annotated copy.

    Args:
        recognizer: A `fer_models.Recognizer`.
        path: The video: a path, or a `fer_data.video.Video`, which says what to do with damaged
            frames. A frame that it skips is in neither the results nor the copy.
        copy: Name of the copy, ending in .mp4, .avi or .mkv.
        smoothing: As for `Recognizer.video`.
        detect_every: As for `Recognizer.video`.
        done: Called with the result of each frame when it is written.

    Returns:
        The results of all frames, without their pictures.

    Raises:
        ValueError: If the copy would take the place of the video, or a frame cannot be decoded.
    """
    from fer_data.video import Video, VideoWriter

    check_not_read("copy", copy, path.info.path if isinstance(path, Video) else path)
    video = path if isinstance(path, Video) else Video(path)
    results = []
    seen = recognizer.video(video, smoothing=smoothing, detect_every=detect_every)
    with VideoWriter(copy, video.info.fps) as writer:  # type: ignore[arg-type]
        for result in seen:
            writer.write(draw(result.image, result.faces))
            # Without its picture: a video would fill the memory.
            results.append(dataclasses.replace(result, image=None))  # type: ignore[arg-type]
            done(results[-1])
    return results


def entries(results: Iterable[FrameResult] | Mapping[str, Sequence[Expression]]) -> list[Any]:
    """Return results as dictionaries that `json` can write, one for each photo or frame.

    Args:
        results: Frames of a video, or the faces of photos by the photos' names.
    """
    if isinstance(results, Mapping):
        return [
            {"source": name, "faces": [face.to_dict() for face in faces]}
            for name, faces in results.items()
        ]
    return [result.to_dict() for result in results]


def lines(results: Sequence[FrameResult] | Mapping[str, Sequence[Expression]]) -> list[str]:
    """Return results in words: a line for each face of photos, or each face followed in a video.

    Args:
        results: Frames of a video, or the faces of photos by the photos' names.

    Example:

    >>> face = Expression((4.0, 2.0, 30.0, 40.0), 0.9, {"happy": 0.8, "sad": 0.2}, "happy", 0.8)
    >>> lines({"party.jpg": [face]})
    ['party.jpg: happy 80%, x 4, y 2, 30 x 40 pixels']
    """
    if isinstance(results, Mapping):
        return [
            f"{name}: {_said(face)}, x {face.box[0]:.0f}, "
            f"y {face.box[1]:.0f}, {face.box[2]:.0f} x {face.box[3]:.0f} pixels{_wrong(face)}"
            for name, faces in results.items()
            for face in faces
        ]
    labels = collections.defaultdict(collections.Counter)
    unsure = collections.Counter()
    for result in results:
        for face in result.faces:
            labels[face.track][face.label] += 1
            unsure[face.track] += face.unsure
    return [
        f"face {number} (track {track}): {sum(counts.values())} of {len(results)} frames, "
        + ", ".join(f"{label} in {count}" for label, count in counts.most_common())
        + (f"; unsure in {unsure[track]} of them" if unsure[track] else "")
        for number, (track, counts) in enumerate(sorted(labels.items()), 1)
    ]


def _said(face):
    """Return the answer in words: the label, or the classes that are left open."""
    if not face.unsure:
        return f"{face.label} {face.confidence:.0%}"
    open_classes = face.set or (face.label,)
    named = " or ".join(f"{name} {face.probabilities[name]:.0%}" for name in open_classes)
    return f"{UNSURE} ({named})"


def _wrong(face):
    return "" if face.quality is None or face.quality.good else f", {face.quality.verdict}"


def write_results(
    folder: str | os.PathLike[str],
    results: Iterable[FrameResult] | Mapping[str, Sequence[Expression]],
    class_names: Sequence[str],
    about: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write `results.csv`, with a row for each face, and `results.json`.

    Args:
        folder: Folder to write into; made if absent.
        results: Frames of a video, or the faces of photos by the photos' names.
        class_names: Names of the classes in their order.
        about: More entries of the JSON file, such as the weights; values of JSON's types.

    Returns:
        The content of the JSON file.
    """
    results = results if isinstance(results, Mapping) else list(results)
    header = [*COLUMNS, *class_names]
    write_table(
        Path(folder) / "results.csv",
        header,
        ([row[column] for column in header] for row in rows(results)),
    )
    content = {**(about or {}), "class_names": list(class_names), "results": entries(results)}
    write_json(Path(folder) / "results.json", content)
    return content


def write_photo(path: str | os.PathLike[str], image: "np.ndarray") -> None:
    """Write a uint8 RGB picture whole, in the format of its ending; JPEG in high quality."""
    from PIL import Image

    path = Path(path)
    best = {"quality": 95, "subsampling": 0}
    options: dict[str, Any] = {} if path.suffix.lower() == ".png" else best
    with whole_file(path) as temporary:
        Image.fromarray(image).save(temporary, **options)
