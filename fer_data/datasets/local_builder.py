"""The tensorflow-datasets builder for all data sets that are read from the user's disk."""

import abc
import contextlib
import dataclasses
import errno
import hashlib
import inspect
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from fer_data import picture
from fer_data.checks import check_number, check_seed
from fer_data.datasets.policy import FilePolicy, count_copies, examine
from fer_data.datasets.preparation_report import Report, plain
from fer_data.datasets.source import open_source
from fer_data.file_limits import FileLimits
from fer_data.protocols.setting_apart import (
    check_shares,
    check_undivided,
    set_apart,
    set_people_apart,
)

SPLITS = ("train", "validation", "test")
# Bytes of examples that tensorflow-datasets holds in memory before it sorts them by way of the
# disk. Its own limit is a gigabyte.
HELD = 16 << 20
# Files that may be open at once besides those of its buckets, by way of which it sorts.
OTHER_FILES = 200


class LocalInfo(tfds.core.DatasetInfo):
    """Description of a data set that only this machine knows."""

    def initialize_from_bucket(self) -> None:
        """Ask no network for it."""


class OfflineBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Builder that asks no network and leaves nothing half-written on a full disk."""

    def download_and_prepare(self, **kwargs: Any) -> None:
        """Prepare the data, unless that is done; nothing is downloaded.

        Raises:
            OSError: If the disk is full; what was written is removed.
        """
        if self.data_path.exists():
            return
        print(f"Preparing {self.name} in {self.data_dir}", file=sys.stderr, flush=True)
        kwargs.setdefault("download_config", tfds.download.DownloadConfig(try_download_gcs=False))
        try:
            with _little_held():
                super().download_and_prepare(**kwargs)
        except Exception as error:
            if _lost_a_race(error) and self.data_path.exists():
                self.info.read_from_directory(self.data_dir)
                return
            if not _disk_is_full(error):
                _raise_of_picture(error)
                raise
            raise OSError(
                errno.ENOSPC,
                f"The disk is full: {self.name} was not prepared and nothing half-written is "
                "kept. Free space or pass another `data_dir`, then call again",
                self.data_dir,
            ) from error

    def _log_download_bytes(self):
        """Say nothing: nothing is downloaded, and the size is unknown."""

    def _log_download_done(self):
        """Say nothing: the report tells what was prepared."""

    def _create_builder_config(self, builder_config, version):
        # Each set of options has a configuration of its own by design: nothing to look up or
        # warn about.
        return builder_config


class ReportedBuilder(OfflineBuilder, skip_registration=True):
    """Builder of a data set on the user's disk; it reports the files it read, used and dropped.

    Subclasses set `default_policy` and `default_limits`, and, before they call
    `OfflineBuilder.__init__`, `_policy`, `_source` and `_options`.
    """

    default_policy = FilePolicy()
    default_limits = FileLimits()

    def _opened(self, path, limits, follow_links, data_dir, named=None, beside=()):
        """Return the `Source` of a path, and the options of reading that are not the usual ones.

        Prepared data that lie in it are left out, or its listing would change with each of them.
        `named` and `beside` are as for `open_source`.
        """
        if not isinstance(follow_links, bool):
            raise ValueError(
                f"`follow_links` must be True or False. Received: follow_links={follow_links!r}"
            )
        chosen = self.default_limits.changed(limits)
        # Named only where it matters, so that data prepared without it are found again.
        options = {"follow_links": True} if follow_links else {}
        if limits:
            given = limits if isinstance(limits, Mapping) else dataclasses.asdict(limits)
            options["limits"] = dict(given)
        prepared = tfds.core.constants.DATA_DIR if data_dir is None else data_dir
        if named is None:
            _check_apart(path, prepared, self.name)
        left_out = os.path.expanduser(prepared)
        return open_source(path, chosen, follow_links, named, beside, left_out), options

    def note_refused(self, report: Report) -> None:
        """Count the unopened files in a report, or raise `ValueError`, as the policy asks."""
        for name, (reason, detail) in self._source.refused.items():
            report.read += 1
            self._policy.bad(report, reason, self._source.where(name), detail)

    def _check_options(self, options):
        """Raise `ValueError` for options that neither a `_find` nor an `__init__` has."""
        kinds = type(self).__mro__
        parameters = [
            parameter
            for kind in kinds[: kinds.index(ReportedBuilder)]
            for method in ("__init__", "_find")
            if method in vars(kind)
            for parameter in inspect.signature(vars(kind)[method]).parameters.values()
        ]
        known = {each.name for each in parameters if each.kind != each.VAR_KEYWORD} - {"self"}
        unknown = sorted(set(options) - known)
        if unknown:
            raise ValueError(
                f"The options of {self.name!r} must be of {sorted(known)}. Received: {unknown}"
            )

    def _policy_of(self, **options):
        """Return the `FilePolicy` of options of which those that are `None` have the default."""
        given = {key: value for key, value in options.items() if value is not None}
        return FilePolicy(**{**dataclasses.asdict(self.default_policy), **given})

    def report(self) -> Report:
        """Return the `Report` of the prepared data.

        Raises:
            FileNotFoundError: If the data are not prepared yet.
        """
        return Report.read_from(self.data_dir)

    def download_and_prepare(self, **kwargs: Any) -> None:
        """Prepare the data and print the report; nothing is downloaded.

        Raises:
            OSError: If the disk is full; what was written is removed.
            ValueError: If a picture could be read at first, and cannot when it is written.
        """
        if self.data_path.exists():
            return
        super().download_and_prepare(**kwargs)
        print(self.report().summary())

    def _identity(self):
        """Return what decides the prepared data, the files apart.

        Limits stand there in full, and by the usual ones, whatever the data set's own are: a change
        of `default_limits` must not have the data prepared anew.
        """
        options = dict(self._options)
        limits, usual = FileLimits().changed(options.pop("limits", None)), FileLimits()
        return options if limits == usual else options | {"limits": dataclasses.asdict(limits)}

    def _configuration(self):
        what = json.dumps(self._identity(), sort_keys=True, default=plain)
        digest = hashlib.sha256(f"{self._source.fingerprint()}{what}".encode()).hexdigest()
        return tfds.core.BuilderConfig(
            name=f"files_{digest[:12]}", version=self.VERSION, description=f"Files and {what}"
        )


def _check_apart(path, data_dir, name):
    """Raise `ValueError` if the data of a data set would be prepared among the files of a path."""
    root, prepared = (Path(each).expanduser().resolve() for each in (path, data_dir))
    if root in (prepared, prepared / name):
        raise ValueError(
            "`data_dir` must be another folder than `path`, and not the one in which `path` has "
            f"the name {name!r}, or data would be prepared among the files that they are made of. "
            f"Received: path={str(path)!r}, data_dir={str(data_dir)!r}"
        )


class LocalBuilder(ReportedBuilder, skip_registration=True):
    """Builder of a data set whose files the user has obtained.

    Subclasses set `default_policy` and `channels`, find their files in `_find`, and list them in
    `_items`. The prepared data lie under a configuration named by path, options and file listing,
    so two folders, or a folder that changed, never share prepared data.

    Args:
        path: Folder or zip archive with the data set.
        data_dir: Where prepared data go; `None` for the default of tensorflow-datasets
            (`TFDS_DATA_DIR`, else `~/tensorflow_datasets`). If it lies in `path`, it is not read.
        on_bad, on_duplicate, on_conflict: See `FilePolicy`; `None` for the data set's default.
        limits: How much is read of a file, such as `{"pixels": 50_000_000}`: names and numbers of
            `fer_data.file_limits.FileLimits`. Limits that are left out have their values there or,
            for `image_folder`, in `fer_data.file_limits.IMAGE_FOLDER`.
        follow_links: Whether links that lead out of the folder are followed. Other links always
            are.
        validation_fraction: Share of the training pictures to set apart as validation split; only
            where the data set ships none. It has a share of each class, or, where the features name
            the `subject`, people who are in no other split.
        validation_from: `"train"`, or `"test"` to take that share from the test pictures, as the
            papers do that keep all training pictures.
        test_fraction: The same for a test split.
        seed: Seed of that division, 0 or more.

    Raises:
        ValueError: If the data set is not there, or an option is unknown or out of range.
    """

    VERSION = tfds.core.Version("1.0.0")
    channels = 3

    def __init__(
        self,
        *,
        path: str | os.PathLike[str],
        data_dir: str | os.PathLike[str] | None = None,
        on_bad: str | None = None,
        on_duplicate: str | None = None,
        on_conflict: str | None = None,
        limits: FileLimits | None = None,
        follow_links: bool = False,
        validation_fraction: float = 0.0,
        validation_from: str = "train",
        test_fraction: float = 0.0,
        seed: int = 0,
        **options: Any,
    ) -> None:
        self._check_options(options)
        self._policy = self._policy_of(
            on_bad=on_bad, on_duplicate=on_duplicate, on_conflict=on_conflict
        )
        check_number("validation_fraction", validation_fraction)
        check_number("test_fraction", test_fraction)
        check_seed("seed", seed)
        self._fractions = {"validation": validation_fraction, "test": test_fraction}
        self._seed = seed
        check_shares(validation_fraction, test_fraction, validation_from)
        self._validation_from = validation_from
        if validation_from == "test":
            # Named only where it matters, so that data prepared without it are found again.
            options["validation_from"] = validation_from
        self._source, reading = self._opened(path, limits, follow_links, data_dir)
        self._find(**{k: v for k, v in options.items() if k != "validation_from"})
        self._options = {
            **dataclasses.asdict(self._policy),
            "validation_fraction": validation_fraction,
            "test_fraction": test_fraction,
            "seed": seed,
            **reading,
            **options,
        }
        super().__init__(data_dir=data_dir, config=self._configuration())
        # Pickling hands these to __init__ again.
        self._original_state = {"path": os.fspath(path), "data_dir": data_dir, **self._options}

    @abc.abstractmethod
    def _find(self, **options):
        """Check that the data set is there; raise `ValueError` that names the files expected."""

    @abc.abstractmethod
    def _items(self, report):
        """Return the list of `Item`, noting in the report what is not one."""

    @abc.abstractmethod
    def _class_names(self):
        """Return the names of the classes in order."""

    def _extra_features(self):
        return {}

    def _finish(self, items):
        """Set features that need the whole data set."""

    def _info(self):
        return LocalInfo(
            builder=self,
            description=self.__doc__.splitlines()[0],
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(
                        shape=(None, None, self.channels), encoding_format="png"
                    ),
                    "label": tfds.features.ClassLabel(names=list(self._class_names())),
                    "id": tfds.features.Text(),
                    **self._extra_features(),
                }
            ),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager):
        classes = tuple(self._class_names())
        report = Report(self.name, str(self._source.root), self._options, classes)
        self.note_refused(report)
        listed = self._items(report)
        # Before all pictures are read for nothing.
        self._check_undivided(listed)
        items = examine(listed, self._policy, report)
        self._divide(items)
        self._check(items, report, classes)
        count_copies(items, report)
        self._finish(items)
        splits = {}
        for split in SPLITS:
            chosen = [item for item in items if item.split == split]
            if chosen:
                counts = np.bincount([item.label for item in chosen], minlength=len(classes))
                report.used[split] = dict(zip(classes, counts.tolist(), strict=True))
                splits[split] = self._generate_examples(chosen)
        # `data_dir` is the unfinished folder here: the report appears with the data or not at all.
        report.write(self.data_dir)
        return splits

    def _generate_examples(self, items):
        for item in items:
            image = _PngFile(item)
            yield item.id, {"image": image, "label": item.label, "id": item.id, **item.extra}

    def _check(self, items, report, classes):
        present = {classes[item.label] for item in items if item.split == "train"}
        if len(present) < 2:
            raise ValueError(
                "`path` must hold usable training pictures of at least two classes. "
                f"Received: {sorted(present) or 'none'}\n{report.summary()}"
            )

    def _check_undivided(self, items):
        """Raise `ValueError` if a share is to be set apart for a split that is there."""
        check_undivided({item.split for item in items}, self._fractions, self._validation_from)

    def _divide(self, items):
        """Set apart the fractions; a person, or copies of a picture, stay on one side."""
        source = self._validation_from
        self._check_undivided(items)
        chosen = [item for item in items if item.split == source]
        labels = [item.label for item in chosen]
        subjects = [item.extra.get("subject", "") for item in chosen]
        if any(subjects):
            found = set_people_apart(subjects, labels, self._fractions, self._seed)
        else:
            pictures = [item.pixels for item in chosen]
            found = set_apart(pictures, labels, self._fractions, self._seed)
        for item, split in zip(chosen, found, strict=True):
            item.split = split or source


class _PngFile:
    """A picture as a PNG file that is made when it is read.

    tensorflow-datasets holds the example before this one until it has the next. So that example is
    not held too while a picture is decoded and encoded.
    """

    def __init__(self, item):
        self._item = item

    def read(self):
        try:
            return picture.encode_png(self._item.read())
        except Exception as error:
            raise _PictureFailedError(self._item.where) from error


class _PictureFailedError(Exception):
    """A picture could not be read any more. It takes the error through tensorflow-datasets.

    That would put the whole example before the message, and lose the number of an `OSError`.
    """

    def __init__(self, where):
        super().__init__(where)
        self.where = where


@contextlib.contextmanager
def _little_held():
    """Let tensorflow-datasets hold few examples in memory. Their order stays the same."""
    from tensorflow_datasets.core import shuffle

    held, buckets = shuffle.MAX_MEM_BUFFER_SIZE, shuffle.BUCKETS_NUMBER
    shuffle.MAX_MEM_BUFFER_SIZE = min(held, HELD)
    with _open_files(buckets + OTHER_FILES) as most:
        shuffle.BUCKETS_NUMBER = max(1, min(buckets, most - OTHER_FILES))
        try:
            yield
        finally:
            shuffle.MAX_MEM_BUFFER_SIZE, shuffle.BUCKETS_NUMBER = held, buckets


@contextlib.contextmanager
def _open_files(wanted):
    """Let this process open so many files at once if the system allows it; yield how many."""
    try:
        import resource
    except ImportError:
        # Windows, where TensorFlow opens files without such a limit.
        yield wanted
        return
    soft, hard = usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        yield wanted
        return
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError):
        # macOS allows fewer than it says.
        yield soft
        return
    try:
        yield most
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, usual)


def _chain(error):
    """Yield an exception and its causes: tensorflow-datasets re-raises under other types."""
    seen: list[BaseException] = []
    # It may raise an error from a cause that has this error for its own cause.
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__


def _raise_of_picture(error):
    """Raise the error of a picture that could not be written, if that is the cause."""
    failed = next((each for each in _chain(error) if isinstance(each, _PictureFailedError)), None)
    if failed is None:
        return
    cause = failed.__cause__
    if not isinstance(cause, picture.UnreadableError):
        raise cause
    raise ValueError(
        "`path` must hold files that do not change while they are prepared: let them be, then call "
        f"again. Received: {failed.where}, which could be read before: {cause.reason}. {cause}"
    ) from cause


def _disk_is_full(error):
    # TensorFlow's record writer has no error number, only the system's message.
    return any(
        getattr(cause, "errno", None) == errno.ENOSPC or os.strerror(errno.ENOSPC) in str(cause)
        for cause in _chain(error)
    )


def _lost_a_race(error):
    """Return whether another process put the same prepared data in place first."""
    return isinstance(error, FileExistsError) or getattr(error, "errno", 0) == errno.ENOTEMPTY
