"""`Video` of the package `fer`."""

import contextlib
import itertools
import os
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_data import video
from fer_data.checks import check_choice, check_flag, check_integer, check_path
from fer_data.files import whole_file, write_table
from fer_models.compat.bgr_pictures import warn_of_unused
from fer_models.recognizer import Expression, draw
from fer_models.recognizer.annotated_files import copy_name, write_photo

if TYPE_CHECKING:
    import pandas

    from fer_models.compat.fer_package import FER

_ACCEPTED = {"lang": "en", "size_multiplier": 1}
_WHY = "Labels are drawn in English, in letters that grow with the picture."
_SIDES = ("x_min", "y_min", "x_max", "y_max")
_BOX = re.compile(r"box(\d+)")
_DIGITS = re.compile(r"(?<=[^\d])\d+$")


class Video:
    """Analyzes a video by the names and shapes of the package `fer` (25.10).

    Args:
        video_file: Name of the video.
        outdir: Folder for the pictures and the annotated copy.
        first_face_only: Whether tables of pandas hold the first face alone.
        tempfile: Accepted: files are written under a temporary name in any case.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no video.

    Example:

    ```python
    faces = Video("interview.mp4").analyze(FER(), output="pandas")
    ```
    """

    def __init__(
        self,
        video_file: str | os.PathLike[str],
        outdir: str | os.PathLike[str] = "output",
        first_face_only: bool = True,
        tempfile: str | None = None,
    ) -> None:
        check_path("video_file", video_file)
        check_path("outdir", outdir)
        check_flag("first_face_only", first_face_only)
        self._video = video.Video(video_file)
        self.filepath, self.filename = os.fspath(video_file), Path(video_file).name
        self.outdir, self.first_face_only, self.tempfile = outdir, first_face_only, tempfile

    def analyze(
        self,
        detector: "FER",
        display: bool = False,
        output: str = "csv",
        frequency: int | None = None,
        max_results: int | None = None,
        save_fps: int | None = None,
        video_id: str | None = None,
        save_frames: bool = True,
        save_video: bool = True,
        annotate_frames: bool = True,
        zip_images: bool = True,
        detection_box: Mapping[str, int] | None = None,
        lang: str = "en",
        include_audio: bool = False,
        size_multiplier: int = 1,
        batch_size: int = 1,
        use_async_io: bool = True,
    ) -> "list[dict[str, Any]] | pandas.DataFrame":
        """Return the emotions in the frames of the video, and write what `fer` writes.

        Args:
            detector: A `fer_models.compat.FER`.
            display: Must be False: `fer webcam` shows live pictures.
            output: `"csv"`, which writes `data.csv` into the current folder and gives a list of
                dictionaries; or `"pandas"`.
            frequency: Look at every so many frames; by default at all.
            max_results: Stop after so many frames.
            save_fps: Look at so many frames a second, in place of `frequency`.
            video_id: Start of the pictures' names; by default the video's name.
            save_frames: Write a JPEG of each frame into `outdir`.
            save_video: Write an annotated copy into `outdir`, `NAME_output` with the video's
                ending, or mp4 in place of one that cannot be written. Where frames are left out, it
                has fewer a second, and lasts as long as the video.
            annotate_frames: Draw boxes and probabilities into pictures and copy.
            zip_images: Move the pictures into `outdir/images.zip`. Those of other videos that are
                there stay.
            detection_box: Look only at this part: `x_min`, `x_max`, `y_min`, `y_max` in pixels.
                Boxes are those of the whole frame, as tuples.
            lang: Accepted; labels are English.
            include_audio: Must be False: sound is not copied.
            size_multiplier: Accepted; letters grow with the picture.
            batch_size: Frames that are worked on together.
            use_async_io: Accepted.

        Returns:
            A row for each frame with a face: `box0`, `angry0` and so on of the first face, `box1`
            of the second. With `"pandas"` a `pandas.DataFrame`, of the first face alone and
            without the numbers unless `first_face_only` is False. Frames without a face have no
            row.

        Raises:
            ImportError: If pandas is asked for and not installed.
            ValueError: If an argument breaks its rule, a frame cannot be decoded, or `images.zip`
                is there and no zip archive.
        """
        del use_async_io
        check_choice("output", output, ("csv", "pandas"))
        for name, value in (("display", display), ("include_audio", include_audio)):
            if value:
                raise ValueError(
                    f"`{name}` must be False: `fer webcam` shows live pictures, and sound is not "
                    f"copied. Received: {name}={value!r}"
                )
        for name, number in (("frequency", frequency), ("max_results", max_results)):
            if number is not None:
                check_integer(name, number, 1)
        check_integer("batch_size", batch_size, 1)
        warn_of_unused({"lang": lang, "size_multiplier": size_multiplier}, _ACCEPTED, _WHY)
        every = frequency or 1
        if save_fps is not None:
            check_integer("save_fps", save_fps, 1)
            every = max(1, int(self._fps() // save_fps))
        part = None if detection_box is None else _part(detection_box)
        stem = video_id or Path(self.filepath).stem
        archive = Path(self.outdir) / "images.zip"
        if save_frames and zip_images and archive.exists() and not zipfile.is_zipfile(archive):
            raise ValueError(
                "`outdir` must not hold an images.zip that is no zip archive: move it away. "
                f"Received: outdir={os.fspath(self.outdir)!r}"
            )
        rows, pictures = [], []
        with self._writer(every) if save_video else contextlib.nullcontext() as writer:
            for frame, faces in self._looked_at(detector, every, max_results, batch_size, part):
                shown = _annotated(frame.image, faces) if annotate_frames else frame.image
                if save_frames:
                    pictures.append(Path(self.outdir) / f"{stem}{frame.number}.jpg")
                    write_photo(pictures[-1], shown)
                if writer is not None:
                    writer.write(shown)
                if faces:
                    rows.append(faces)
        if save_frames and zip_images:
            _pack(archive, pictures, stem)
        return self.to_csv(rows) if output == "csv" else self.to_pandas(rows)

    def to_csv(
        self,
        data: Sequence[Sequence[dict[str, Any]] | dict[str, Any]],
        filename: str | os.PathLike[str] = "data.csv",
    ) -> list[dict[str, Any]]:
        """Write faces as CSV, with a row for each frame, and return the rows.

        Args:
            data: For each frame a list as from `FER.detect_emotions`, or a row as from `analyze`.
            filename: Name of the file.

        Returns:
            List of dictionaries with `box0`, `angry0` and so on.
        """
        found = _rows(data)
        names = {name for row in found for name in row}
        known = _names_and_numbers(names)
        columns = sorted(names, key=lambda column: known.get(column, (column, 0)))
        write_table(filename, columns, ([row.get(name) for name in columns] for row in found))
        return found

    def to_pandas(
        self, data: "Sequence[Sequence[dict[str, Any]] | dict[str, Any]] | pandas.DataFrame"
    ) -> "pandas.DataFrame":
        """Return faces as a `pandas.DataFrame`, with a row for each frame.

        Args:
            data: For each frame a list as from `FER.detect_emotions`, or a row as from `analyze`;
                or a table, as from `analyze(output="pandas")`.

        Raises:
            ImportError: If pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError("A table needs pandas. Run: pip install pandas") from error
        frame = data if isinstance(data, pandas.DataFrame) else pandas.DataFrame(_rows(data))
        return self.get_first_face(frame) if self.first_face_only else frame

    @staticmethod
    def get_first_face(df: "pandas.DataFrame") -> "pandas.DataFrame":
        """Return the columns of the first face, without their numbers.

        Args:
            df: As from `to_pandas`; one with no numbers comes back as it is.
        """
        known = _names_and_numbers(df.columns)
        if not known:
            return df
        first = {column: name for column, (name, number) in known.items() if number == 0}
        return df[list(first)].rename(columns=first)

    @staticmethod
    def get_emotions(df: "pandas.DataFrame") -> "pandas.DataFrame":
        """Return the columns of a table that are no boxes.

        Args:
            df: As from `to_pandas`.
        """
        return df[[name for name in df.columns if "box" not in name]]

    def _fps(self):
        fps = self._video.info.fps
        if fps is None:
            raise ValueError(f"The video {self.filepath!r} does not say its frames a second.")
        return fps

    def _writer(self, every):
        name = Path(copy_name(self.filename))
        # An ending that copies cannot have is kept before the one they get, as in a.mov.mp4.
        path = Path(self.outdir) / f"{name.stem}_output{name.suffix}"
        return video.VideoWriter(path, self._fps() / every)

    def _looked_at(self, detector, every, most, batch_size, part):
        """Yield each frame that is looked at, and its faces."""
        wanted = (frame for frame in self._video if frame.number % every == 0)
        wanted = itertools.islice(wanted, most)
        while batch := list(itertools.islice(wanted, batch_size)):
            images = [frame.image if part is None else _cropped(frame, part) for frame in batch]
            found = detector.batch_detect_emotions([image[..., ::-1] for image in images])
            for frame, faces in zip(batch, found, strict=True):
                if part is not None:
                    faces = [face | {"box": _moved(face["box"], part)} for face in faces]
                yield frame, faces


def _rows(data):
    return [faces if isinstance(faces, dict) else _row(faces) for faces in data]


def _row(faces):
    row = {}
    for place, face in enumerate(faces):
        for name, value in {"box": face["box"], **face["emotions"]}.items():
            column = f"{name}{place}"
            if column in row:
                raise ValueError(
                    "Names of classes must make columns of their own with the numbers of the "
                    f"faces. Received: {len(faces)} faces, two columns {column!r}"
                )
            row[column] = value
    return row


def _names_and_numbers(columns):
    """Return name and number of the face of each column, such as "happy" and 12 of "happy12".

    Names of classes may end in digits: a number is that of a face with a box, and the name one
    that the first face has too.
    """
    columns = {column: None for column in columns if isinstance(column, str)}
    numbers = [box[1] for column in columns if (box := _BOX.fullmatch(column))]
    if not numbers:
        # Of a table without boxes only the names are left.
        numbers = {last[0] for column in columns if (last := _DIGITS.search(column))}
        numbers = list(numbers) if "0" in numbers else []
    found = {}
    for column in columns:
        for number in sorted(numbers, key=len, reverse=True):
            name = column.removesuffix(number)
            if name not in ("", column) and (number == "0" or f"{name}0" in columns):
                found[column] = name, int(number)
                break
    return found


def _part(box):
    lacking = [side for side in _SIDES if side not in box]
    if lacking or box["x_min"] >= box["x_max"] or box["y_min"] >= box["y_max"]:
        raise ValueError(
            "`detection_box` must be a dictionary of x_min < x_max and y_min < y_max. "
            f"Received: detection_box={dict(box)!r}"
        )
    for side in _SIDES:
        check_integer(f"detection_box[{side!r}]", box[side], 0)
    return tuple(box[side] for side in _SIDES)


def _cropped(frame, part):
    left, top, right, bottom = part
    image = frame.image[top:bottom, left:right]
    if not image.size:
        raise ValueError(
            "`detection_box` must lie in the frames, of "
            f"{frame.image.shape[1]} x {frame.image.shape[0]} pixels. "
            f"Received: detection_box={dict(zip(_SIDES, part, strict=True))}"
        )
    return image


def _moved(box, part):
    x, y, width, height = (int(value) for value in box)
    return x + part[0], y + part[1], width, height


def _annotated(image, faces):
    expressions = []
    for face in faces:
        emotions = face["emotions"]
        label = max(emotions, key=emotions.get)
        box = tuple(float(value) for value in face["box"])
        expressions.append(Expression(box, 1.0, emotions, label, emotions[label]))
    return draw(image, expressions)


def _pack(path, pictures, stem):
    """Move pictures into an archive, in the place of those of an earlier call with this video."""
    # The names alone do not tell: "a" and "a1" both have a picture "a10.jpg".
    video = os.fsencode(stem)
    new = {picture.name for picture in pictures}
    with whole_file(path) as temporary, zipfile.ZipFile(temporary, "w") as packed:
        if path.exists():
            with zipfile.ZipFile(path) as earlier:
                for entry in earlier.infolist():
                    if entry.comment != video and entry.filename not in new:
                        packed.writestr(entry, earlier.read(entry))
        for picture in pictures:
            entry = zipfile.ZipInfo.from_file(picture, picture.name)
            entry.comment = video
            packed.writestr(entry, picture.read_bytes())
    for picture in pictures:
        picture.unlink()
