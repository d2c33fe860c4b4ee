"""The builder that the micro-expression data sets share, and the features they all have.

`builder.as_dataset(split="clips")` gives, for every clip, a dictionary of

| feature | type and shape | meaning |
|---|---|---|
| `frames` | uint8 `(T, size, size, 3)`, RGB | the clip from onset to offset; T differs; \
faces aligned by the landmarks of the first frame, or with `align=False` the whole frames \
`(T, H, W, 3)` |
| `frame_numbers` | int64 `(T,)` | the owners' numbers of these frames, rising; a jump of 2 or \
more is a gap on disk |
| `landmarks` | float32 `(68, 2)` | (x, y) of the first frame in pixels of `frames`, iBUG order |
| `onset`, `apex`, `offset` | int64 | the owners' frame numbers; `apex` -1 if unknown |
| `apex_index` | int64 | place of the apex in `frames`, -1 if unknown or missing on disk |
| `fps` | float32 | frames a second of the camera |
| `label` | int64 | class; -1 for none (the owners' "others") |
| `emotion` | string | as the owners spell it |
| `self_report` | string | what the person said to feel; empty where it is not recorded |
| `action_units` | string | as the owners code them, such as `4+L10` |
| `kind` | string | `micro` or `macro` |
| `subject` | string | data set and subject, `casme2/sub01` |
| `id` | string | data set, subject and clip, `casme2/sub01/EP02_01f`; unique |
| `content` | string | hash of the frames' pixels: the same for the same frames only |

Class names are `builder.info.features["label"].names`. There is one split, `"clips"`: protocols
divide it (`fer_data.protocols`, `fer_data.datasets.clip_table`).
"""

import abc
import io
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from fer_data.checks import check_choice, check_flag, check_integer
from fer_data.datasets.clip_preparation import Recipe, kept, read_member
from fer_data.datasets.clip_rows import BadRow, count_labels
from fer_data.datasets.clip_runs import import_beam, prepare_all
from fer_data.datasets.face_finder import FaceFinder
from fer_data.datasets.local_builder import LocalInfo, ReportedBuilder
from fer_data.datasets.policy import without_repeats
from fer_data.datasets.preparation_report import Report
from fer_data.datasets.spreadsheet import (
    existing_file,
    file_stamp,
    find_sheet,
    read_cells,
    read_sheet,
)
from fer_data.file_limits import FileLimits, UnreadableError
from fer_data.labels import MICRO_EXPRESSION_CLASSES
from fer_data.zip_members import DAMAGED

SPLIT = "clips"


class ClipBuilder(ReportedBuilder, skip_registration=True):
    """Builder of a data set of clips whose files the user has obtained.

    Subclasses set `fps`, `longest`, `pictures_of`, `sheet_pattern` and `expected`, look for their
    files in `_find`, give their rows in `_rows` and the clip of a row in `_clip`.

    The slow work (decoding, detection, landmarks, alignment) is done once, clip by clip. Finished
    clips are kept beside the place of the prepared data until all are there, so a preparation
    that was killed goes on where it was.

    Args:
        path: Folder or zip archive with the data set.
        data_dir: Where prepared data go; `None` for the default of tensorflow-datasets
            (`TFDS_DATA_DIR`, else `~/tensorflow_datasets`).
        sheet: The owners' spreadsheet, where it does not lie below `path`.
        pictures: Which of the owners' folders to read, a key of the class's `pictures_of`; `None`
            for the first.
        align: Whether to align the faces; without it, whole frames are kept.
        size: Height and width of the aligned faces.
        max_frames: A row with more frames is dropped as `absurd_duration`; `None` for the data
            set's own limit, 0 for no limit.
        detector, predictor: See `fer_data.datasets.face_finder.FaceFinder`.
        on_bad: `"skip"` or `"raise"`, for rows and pictures that cannot be used.
        on_duplicate: `"keep"`, `"drop"` or `"raise"`, for clips with the same frames and label.
        on_conflict: The same for clips with the same frames and different labels.
        limits, follow_links: See `fer_data.datasets.local_builder.LocalBuilder`.
        beam_runner, beam_options: See `fer_data.datasets.clip_runs.prepare_all`; they do not
            change the data.

    Raises:
        ValueError: If the data set is not there, or an option is unknown or out of range.
    """

    VERSION = tfds.core.Version("1.0.0")
    fps: float | None = None
    # Most frames of an expression, `None` for no limit.
    longest: int | None = None
    longest_macro: int | None = None
    pictures_of: tuple[str, ...] = ("raw",)
    sheet_pattern: str | None = None
    expected = ""

    def __init__(
        self,
        *,
        path: str | os.PathLike[str],
        data_dir: str | os.PathLike[str] | None = None,
        sheet: str | os.PathLike[str] | None = None,
        pictures: str | None = None,
        align: bool = True,
        size: int = 128,
        max_frames: int | None = None,
        detector: Any = "mtcnn",
        predictor: Any = None,
        on_bad: str | None = None,
        on_duplicate: str | None = None,
        on_conflict: str | None = None,
        limits: FileLimits | None = None,
        follow_links: bool = False,
        beam_runner: Any = None,
        beam_options: Any = None,
        **options: Any,
    ) -> None:
        self._check_options(options)
        self._policy = self._policy_of(
            on_bad=on_bad, on_duplicate=on_duplicate, on_conflict=on_conflict
        )
        self._pictures = self.pictures_of[0] if pictures is None else pictures
        check_choice("pictures", self._pictures, self.pictures_of)
        check_flag("align", align)
        check_integer("size", size, 16)
        if max_frames is not None:
            check_integer("max_frames", max_frames, 0)
        if beam_runner is not None or beam_options is not None:
            import_beam()
        self._beam = {"beam_runner": beam_runner, "beam_options": beam_options}
        finder = FaceFinder(detector, predictor)
        self._max_frames = max_frames
        self._given_sheet = None if sheet is None else existing_file("sheet", sheet)
        self._source, reading = self._opened(path, limits, follow_links, data_dir)
        self._recipe = Recipe(
            str(self._source.root),
            finder,
            size,
            bool(align),
            self._pictures == "cropped",
            self._source.limits,
            follow_links,
        )
        self._options = {
            "on_bad": self._policy.on_bad,
            "on_duplicate": self._policy.on_duplicate,
            "on_conflict": self._policy.on_conflict,
            "pictures": self._pictures,
            "align": bool(align),
            "size": size,
            "max_frames": max_frames,
            "sheet": file_stamp(self._given_sheet),
            **finder.description(),
            **reading,
            **options,
        }
        self._find(**options)
        super().__init__(data_dir=data_dir, config=self._configuration())
        self._unfinished = Path(self.data_dir).parent / "finished_clips"
        # What pickling hands to __init__ again.
        self._original_state = {
            "path": os.fspath(path),
            "data_dir": data_dir,
            "sheet": sheet,
            "pictures": pictures,
            "align": align,
            "size": size,
            "max_frames": max_frames,
            "detector": detector,
            "predictor": predictor,
            "on_bad": on_bad,
            "on_duplicate": on_duplicate,
            "on_conflict": on_conflict,
            "limits": limits,
            "follow_links": follow_links,
            **options,
        }

    @abc.abstractmethod
    def _find(self, **options):
        """Check options of the data set's own and that its files are there."""

    @abc.abstractmethod
    def _rows(self, report):
        """Return the list of `Row` that may be clips."""

    @abc.abstractmethod
    def _clip(self, row):
        """Return the `Clip` of a row and its notes, `None` for a row that is not asked for.

        Raises:
            BadRow: If the row gives no clip.
        """

    def _most_frames(self, kind="micro"):
        if self._max_frames is not None:
            return self._max_frames or None
        return self.longest if kind == "micro" else self.longest_macro

    def _class_names(self):
        return MICRO_EXPRESSION_CLASSES

    def download_and_prepare(self, **kwargs: Any) -> None:
        """Prepare the clips and print the report; nothing is downloaded.

        Args:
            **kwargs: As for every builder. A `download_config` with `beam_runner` or
                `beam_options` counts as the builder's own arguments of these names do.

        Raises:
            OSError: If the disk is full. The prepared data are removed; finished clips stay.
        """
        config = kwargs.get("download_config")
        for name in self._beam:
            value = getattr(config, name, None)
            if value is not None:
                self._beam[name] = value
        try:
            super().download_and_prepare(**kwargs)
        except FileNotFoundError:
            if not self.data_path.exists():
                raise
            # Another process put the same data in place and took the finished clips away.
            self.info.read_from_directory(self.data_dir)
        shutil.rmtree(self._unfinished, ignore_errors=True)

    def _info(self):
        side = self._recipe.size if self._recipe.align else None
        text, number = tfds.features.Text(), tfds.features.Scalar(np.int64)
        return LocalInfo(
            builder=self,
            description=self.__doc__.splitlines()[0],
            features=tfds.features.FeaturesDict(
                {
                    "frames": tfds.features.Video(
                        shape=(None, side, side, 3), encoding_format="png"
                    ),
                    "frame_numbers": tfds.features.Tensor(shape=(None,), dtype=np.int64),
                    "landmarks": tfds.features.Tensor(shape=(68, 2), dtype=np.float32),
                    **dict.fromkeys(("onset", "apex", "offset", "apex_index"), number),
                    "fps": tfds.features.Scalar(np.float32),
                    "label": tfds.features.ClassLabel(names=list(self._class_names())),
                    **dict.fromkeys(("emotion", "self_report", "action_units", "kind"), text),
                    **dict.fromkeys(("subject", "id", "content"), text),
                }
            ),
        )

    def _split_generators(self, dl_manager):
        classes = tuple(self._class_names())
        report = Report(self.name, str(self._source.root), self._options, classes, unit="rows")
        self.note_refused(report)
        clips = self._clips(report)
        prepare_all(clips, self._recipe, self._unfinished, **self._beam, name=self.name)
        clips = self._usable(clips, report)
        report.used[SPLIT] = count_labels(clips, classes)
        if not clips:
            raise ValueError(f"`path` must hold usable clips. Received: none\n{report.summary()}")
        # `data_dir` is the unfinished folder here: the report appears with the data or not at all.
        report.write(self.data_dir)
        return {SPLIT: self._generate_examples(clips)}

    def _clips(self, report):
        """Return the clips of all rows that give one, by the rules of `clip_rows`."""
        clips, seen = [], {}
        for row in self._rows(report):
            report.read += 1
            try:
                found = self._clip(row)
                if found is None:
                    continue
                clip, notes = found
                if clip.id in seen:
                    raise BadRow("listed_twice", f"{clip.id} is listed in {seen[clip.id]} too")
            except BadRow as error:
                self._policy.bad(report, error.reason, row.where, error)
                continue
            seen[clip.id] = row.where
            clips.append(clip)
            for reason, detail in notes:
                report.keep(reason, row.where, detail)
        return clips

    def _usable(self, clips, report):
        """Return the clips that could be prepared and that the policy lets stay."""
        prepared = []
        for clip in clips:
            outcome = kept(self._unfinished, clip, frames=False)
            if outcome.failure:
                self._policy.bad(report, outcome.failure[0], clip.where, outcome.failure[1])
                continue
            if outcome.note:
                report.keep(outcome.note[0], clip.where, outcome.note[1])
            clip.pixels = outcome.content
            prepared.append(clip)
        return without_repeats(prepared, self._policy, report)

    def _generate_examples(self, clips):
        for clip in clips:
            outcome = kept(self._unfinished, clip)
            numbers = list(clip.numbers)
            yield (
                clip.id,
                {
                    "frames": [io.BytesIO(data) for data in outcome.frames],
                    "frame_numbers": np.array(numbers, dtype=np.int64),
                    "landmarks": outcome.landmarks,
                    "onset": clip.onset,
                    "apex": clip.apex,
                    "offset": clip.offset,
                    "apex_index": numbers.index(clip.apex) if clip.apex in numbers else -1,
                    "fps": self.fps,
                    "label": clip.label,
                    "emotion": clip.emotion,
                    "self_report": clip.self_report,
                    "action_units": clip.action_units,
                    "kind": clip.kind,
                    "subject": clip.subject,
                    "id": clip.id,
                    "content": outcome.content,
                },
            )

    def _sheet(self, number=0):
        """Return `(cells, where)` of the owners' spreadsheet."""
        if self._given_sheet is not None:
            where = str(self._given_sheet)
            return read_cells(read_sheet(self._given_sheet), where, number), where
        name = find_sheet(self._source, self.sheet_pattern, self.expected)
        where = self._source.where(name)
        return read_cells(self._read(name), where, number), where

    def _read(self, name):
        """Return the bytes of a file that must be there, or raise `ValueError`."""
        try:
            return read_member(self._recipe, name)
        except (*DAMAGED, UnreadableError) as error:
            where = self._source.where(name)
            raise ValueError(f"{where} cannot be read: {type(error).__name__}: {error}") from error
