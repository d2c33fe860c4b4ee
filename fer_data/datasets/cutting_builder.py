"""Builder of data sets whose pictures show more than a face: it finds and cuts the faces."""

import dataclasses
import functools
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from fer_data.checks import check_choice, check_integer
from fer_data.datasets.local_builder import LocalBuilder
from fer_data.datasets.policy import Item
from fer_data.faces.cut import FRAMINGS
from fer_data.faces.cutting import NO_FACE, Cutting, Photo, cut_all
from fer_data.faces.detectors import DETECTORS
from fer_data.faces.image import read_image
from fer_data.zip_members import DAMAGED

ON_MISS = ("skip_train", "skip", "whole")


class CuttingBuilder(LocalBuilder, skip_registration=True):
    """Builder that finds and cuts the faces of pictures while it prepares them.

    The largest face of each picture is cut as for recognition. The report lists the pictures in
    which several faces, or no face, were found. After an interruption the same call goes on with
    the remaining pictures.

    Subclasses set `kinds` and `cut`, and list the uncut pictures; their `_items` calls `_cut_items`
    if `_cutting` is not None.

    Args:
        pictures: Which pictures to take, one of `kinds`; None for the first of them. `"original"`:
            the owners' pictures, whose faces are found and cut here; `"uncut"`: the same pictures
            as they are, for other uses than training; `"aligned"`: the faces that the owners cut.
        detector: Detector for original pictures, one of `fer_data.faces.DETECTORS`; None for the
            default of the data set.
        detector_options: Options of the detector, as for `fer_data.faces.detector`, such as
            `{"weights": FILE}`.
        size: Height and width of the cut faces; None for the default of the data set.
        on_miss: What to do with an original picture in which no face is found. `"skip_train"`, the
            default, leaves out a training picture, because it would teach the background, and takes
            a picture of the owners' test or validation split whole, because a test without the hard
            pictures flatters. `"skip"` leaves out both, `"whole"` takes both whole. The report
            lists these pictures.
        workers: Processes that find the faces, as for `fer_data.faces.cut_folder`.
        **kwargs: See `LocalBuilder`.

    Raises:
        ValueError: If an option breaks its rule, or the path does not hold the pictures.
    """

    kinds: tuple[str, ...] = ("original", "uncut")
    # Defaults for cutting the faces of original pictures.
    cut: ClassVar[dict[str, Any]] = {
        "detector": "yunet",
        "detector_options": {},
        "size": 224,
        "on_miss": "skip_train",
    }

    def __init__(self, *, pictures: str | None = None, workers: int = 1, **kwargs: Any) -> None:
        self._kind = self.kinds[0] if pictures is None else pictures
        check_choice("pictures", self._kind, self.kinds)
        check_integer("workers", workers, 1)
        self._workers = workers
        self._faces_folder: Path | None = None
        self._cutting: Cutting | None = None
        if self._kind != self.kinds[0]:
            # Passed on only if it differs, so that data prepared without it are found again.
            kwargs["pictures"] = pictures
        if self._kind == "original":
            given = {name: value for name, value in kwargs.items() if value is not None}
            kwargs = {**kwargs, **self.cut, **given}
        super().__init__(**kwargs)
        self._original_state["workers"] = workers

    def _find(self, pictures=None, detector=None, detector_options=None, size=None, on_miss=None):
        """Check the options of cutting; subclasses also look for their files."""
        given = {"detector": detector, "detector_options": detector_options, "size": size}
        given = {name: value for name, value in {**given, "on_miss": on_miss}.items() if value}
        if self._kind == "original":
            check_choice("detector", detector, DETECTORS)
            check_choice("on_miss", on_miss, ON_MISS)
            self._cutting = Cutting(detector, dict(detector_options), size, self.channels)
            self._cutting.check()
            self._on_miss = on_miss
        elif given:
            raise ValueError(
                f'`{next(iter(given))}` is for `pictures="original"`, whose faces are cut here. '
                f"Received: pictures={self._kind!r} and {given}"
            )

    def _identity(self):
        if self._cutting is None:
            return super()._identity()
        # With another framing the same pictures give different faces.
        return {**super()._identity(), "framing": FRAMINGS[self._cutting.detector]}

    def download_and_prepare(self, **kwargs: Any) -> None:
        """Prepare the data and print the report; nothing is downloaded.

        Raises:
            ImportError: If the detector's package is missing.
            OSError: If the disk is full, or the detector's weights cannot be fetched.
        """
        # The cut faces lie beside the prepared data until all data are prepared.
        faces = self._faces_folder = Path(self.data_dir).parent / "cut_faces"
        try:
            super().download_and_prepare(**kwargs)
        except Exception:
            # Another process may have finished first and removed the cut faces of both.
            if self._cutting is None or not self.data_path.exists():
                raise
            self.info.read_from_directory(self.data_dir)
        if faces.exists():
            shutil.rmtree(faces)

    def _file_of(self, item):
        """Return the name in the source of an item's file."""
        return item.id

    def photos_of(self, items: Iterable[Item], on_miss: str) -> list[Photo]:
        """Return the `Photo` of each uncut picture, whose face goes to `split/class/id.png`.

        Args:
            items: `Item`s of uncut pictures.
            on_miss: One of `ON_MISS`.
        """
        classes = self._class_names()
        return [
            Photo(
                item.id,
                f"{item.split}/{classes[item.label]}/{item.id}.png",
                item.read,
                functools.partial(_content, self._source, self._file_of(item)),
                on_miss == "whole" or (on_miss == "skip_train" and item.split != "train"),
            )
            for item in items
        ]

    def _cut_items(self, items, report):
        """Find and cut the faces of pictures; return the items of the faces."""
        self._check_undivided(items)
        folder = self._faces_folder
        photos = self.photos_of(items, self._on_miss)
        rules = {"on_miss": self._on_miss}
        found = cut_all(photos, folder, self._cutting, more_rules=rules, workers=self._workers)
        faces = []
        for item, outcome in zip(items, found.outcomes, strict=True):
            if outcome.face:
                read = functools.partial(read_image, folder / outcome.face)
                faces.append(dataclasses.replace(item, read=read))
                if outcome.reason == NO_FACE:
                    report.keep("no_face", item.where, f"{NO_FACE}; the whole picture was taken")
                elif outcome.faces > 1:
                    detail = f"{outcome.faces} faces were found; the largest was taken"
                    report.keep("several_faces", item.where, detail)
                continue
            report.read += 1
            if outcome.reason == NO_FACE:
                report.drop("no_face", item.where, f"{NO_FACE} by {self._cutting.detector}")
            else:
                reason, _, detail = outcome.reason.partition(": ")
                self._policy.bad(report, reason, item.where, detail)
        return faces


def _content(source, name):
    try:
        return source.read(name)
    except DAMAGED as error:
        raise OSError(f"{source.where(name)} cannot be read: {error}") from error
