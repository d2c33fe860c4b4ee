"""Protocols that divide clips of people, and the check for people who are on both sides.

Clips of one person, cut from one video, are alike in everything but the expression. A network that
has seen a person in training recognises that person in the test. Honest protocols keep each person
on one side: `subject_disjoint` and `leave_one_subject_out`. `random_clips` is the published random
split; it must be asked for with `allow_leaks=True`, and its result carries the warning for the
report.
"""

import collections
import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments
from fer_data.checks import as_array, check_choice, check_number
from fer_data.labels import NO_LABEL
from fer_data.protocols.dividing import group_disjoint, leave_one_group_out, stratified

PROPORTIONS = {
    "80-10-10": {"train": 0.8, "validation": 0.1, "test": 0.1},
    "70-15-15": {"train": 0.7, "validation": 0.15, "test": 0.15},
}
_SHOWN = 5


@dataclasses.dataclass(frozen=True, eq=False)
class Clips:
    """The facts about clips that protocols need; `fer_data.datasets.clip_table.read` reads them.

    Attributes:
        ids: Unique name of every clip, `(n,)`.
        subjects: Data set and subject of every clip, `"casme2/sub01"`, `(n,)`.
        labels: Class of every clip, `(n,)`; -1 for none. Protocols leave those out.
        content: Hash of every clip's frames, `(n,)`, or `None` to leave copies unchecked.

    Raises:
        ValueError: If the lengths differ, there is no clip, an id repeats, or labels are not
            integers.

    Example:

    >>> clips = Clips(["a", "b"], ["casme2/sub01", "casme2/sub02"], [0, 2])
    >>> len(clips), clips.datasets.tolist()
    (2, ['casme2', 'casme2'])
    """

    ids: np.ndarray
    subjects: np.ndarray
    labels: np.ndarray
    content: np.ndarray | None = None

    if TYPE_CHECKING:
        # Lists are accepted and become arrays.
        def __init__(
            self,
            ids: ArrayLike,
            subjects: ArrayLike,
            labels: ArrayLike,
            content: ArrayLike | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        for name in ("ids", "subjects", "labels", "content"):
            value = getattr(self, name)
            if value is not None or name != "content":
                object.__setattr__(self, name, as_array(name, value))
        lengths = {name: np.shape(v) for name, v in vars(self).items() if v is not None}
        if len(set(lengths.values())) > 1 or len(self.ids.shape) != 1 or not self.ids.size:
            raise ValueError(
                "`ids`, `subjects`, `labels` and `content` must be non-empty vectors of one "
                f"length. Received: shapes {lengths}"
            )
        if not np.issubdtype(self.labels.dtype, np.integer):
            raise ValueError(f"`labels` must be integers. Received: dtype={self.labels.dtype}")
        repeated = [name for name, n in collections.Counter(self.ids.tolist()).items() if n > 1]
        if repeated:
            raise ValueError(f"`ids` must be unique. Received: {repeated[:_SHOWN]} more than once")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def datasets(self) -> np.ndarray:
        """The data set of every clip, the part of its subject before the first `/`, `(n,)`."""
        return np.array([str(subject).split("/")[0] for subject in self.subjects])

    def take(self, indices: ArrayLike) -> "Clips":
        """Return the clips at these places, in this order."""
        indices = np.asarray(indices)
        content = None if self.content is None else self.content[indices]
        return Clips(self.ids[indices], self.subjects[indices], self.labels[indices], content)

    def labelled(self) -> np.ndarray:
        """Return the places of the clips that have a label."""
        return np.flatnonzero(self.labels != NO_LABEL)


@dataclasses.dataclass(frozen=True, eq=False)
class Leaks:
    """The people and clips that are in more than one part of a division; false if there are none.

    Attributes:
        subjects: `{subject: {part: number of its clips}}`.
        copies: Tuple of `((part, id), (part, id))`, clips with the same frames.
    """

    subjects: dict[str, dict[str, int]]
    copies: tuple

    def __bool__(self) -> bool:
        return bool(self.subjects or self.copies)

    def summary(self) -> str:
        """Return a sentence for each kind of leak, with the first five names of each."""
        lines = []
        if self.subjects:
            shown = [
                f"{subject} ({', '.join(f'{part} {n}' for part, n in parts.items())})"
                for subject, parts in self.subjects.items()
            ]
            lines.append(f"{len(shown)} subjects stand in two or more parts: {_first(shown)}")
        if self.copies:
            shown = [f"{a[0]}:{a[1]} = {b[0]}:{b[1]}" for a, b in self.copies]
            lines.append(f"{len(shown)} pairs of clips have the same frames: {_first(shown)}")
        return ". ".join(lines) or "no subject and no clip stands in two parts"


class LeakError(ValueError):
    """A subject or a clip is in two parts. `leaks` holds the `Leaks`."""

    def __init__(self, message: str, leaks: Leaks) -> None:
        super().__init__(message)
        self.leaks = leaks


@dataclasses.dataclass(frozen=True, eq=False)
class Division:
    """Clips divided by a protocol.

    Attributes:
        protocol: Its name and proportions, for reports.
        parts: Dictionary from part to the sorted places of its clips in the `Clips` given.
        held_out: The test subject, in leave-one-subject-out.
        unlabelled: Number of clips that were left out because they have no label.
        leaks: `Leaks`.
        warning: Warning that a report must show beside the scores, or `""`.
    """

    protocol: str
    parts: dict[str, np.ndarray]
    leaks: Leaks
    held_out: str | None = None
    unlabelled: int = 0
    warning: str = ""


@arguments.checked(
    parts=arguments.mapping(arguments.array((None,), kinds="ui", empty=True)),
    clips=arguments.instance(Clips, "`Clips`"),
)
def find_leaks(parts: Mapping[str, ArrayLike], clips: Clips) -> Leaks:
    """Return the subjects and the copies of clips that are in more than one part.

    Args:
        parts: Dictionary from part to places in `clips`.
        clips: `Clips`. Without `content`, copies are not looked for.

    Returns:
        `Leaks`.

    Raises:
        ValueError: If a place is out of range, or in two parts or twice in one.
    """
    arrays = {part: np.asarray(places, dtype=np.int64) for part, places in parts.items()}
    _check_places(arrays, len(clips))
    subjects = collections.defaultdict(dict)
    for part, places in arrays.items():
        for subject, n in collections.Counter(clips.subjects[places].tolist()).items():
            subjects[subject][part] = n
    across = {subject: where for subject, where in sorted(subjects.items()) if len(where) > 1}
    return Leaks(across, tuple(_copies(arrays, clips)))


@arguments.checked(
    parts=arguments.mapping(arguments.array((None,), kinds="ui", empty=True)),
    clips=arguments.instance(Clips, "`Clips`"),
    allow_leaks=arguments.flag,
)
def guard_subjects(
    parts: Mapping[str, ArrayLike], clips: Clips, allow_leaks: bool = False
) -> Leaks:
    """Raise an error if a subject, or a clip with the same frames, is in two parts.

    Args:
        parts: Dictionary from part to places in `clips`.
        clips: `Clips`.
        allow_leaks: Whether to return the leaks instead of raising.

    Returns:
        `Leaks`.

    Raises:
        LeakError: Unless `allow_leaks`, with the subjects and clips that leak.

    Example:

    >>> clips = Clips(list("abc"), ["s/1", "s/1", "s/2"], [0, 1, 0])
    >>> bool(guard_subjects({"train": [0, 1], "test": [2]}, clips))
    False
    """
    leaks = find_leaks(parts, clips)
    if leaks and not allow_leaks:
        raise LeakError(
            f"Training and test must not share people or clips.\n{leaks.summary()}\n"
            "Divide by subject, or let it through with `allow_leaks=True`: the result then "
            "carries a warning for the report",
            leaks,
        )
    return leaks


@arguments.checked(
    clips=arguments.instance(Clips, "`Clips`"),
    proportions=arguments.choice(PROPORTIONS),
    seed=arguments.integer(0, 2**32 - 1),
    allow_leaks=arguments.flag,
)
def random_clips(
    clips: Clips, proportions: str = "80-10-10", seed: int = 0, allow_leaks: bool = False
) -> Division:
    """Divide clips at random, stratified by class, as in Irawan (2025).

    Args:
        clips: `Clips`; those without a label are left out.
        proportions: `"80-10-10"` or `"70-15-15"`, training, validation, test.
        seed: Integer.
        allow_leaks: Whether to accept people or copies in two parts, which a random division nearly
            always has.

    Returns:
        `Division`, with a warning if something leaks.

    Raises:
        LeakError: Unless `allow_leaks`, naming subjects and clips in two parts.
        ValueError: If the proportions are unknown or a class has too few clips for three parts.

    Example:

    >>> clips = Clips(np.arange(60), ["casme2/sub01"] * 60, [0, 1, 2] * 20)
    >>> division = random_clips(clips, allow_leaks=True)
    >>> {part: len(places) for part, places in division.parts.items()}
    {'train': 48, 'validation': 6, 'test': 6}
    >>> division.warning.split(":")[0]
    'This split leaks, and its scores say little about new people'
    """
    check_choice("proportions", proportions, tuple(PROPORTIONS))
    places = _labelled(clips)
    parts = stratified(clips.labels[places], PROPORTIONS[proportions], seed)
    return _division(f"random {proportions}", clips, places, parts, allow_leaks)


@arguments.checked(
    clips=arguments.instance(Clips, "`Clips`"),
    proportions=arguments.choice(PROPORTIONS),
    seed=arguments.integer(0, 2**32 - 1),
    allow_leaks=arguments.flag,
)
def subject_disjoint(
    clips: Clips, proportions: str = "80-10-10", seed: int = 0, allow_leaks: bool = False
) -> Division:
    """Divide clips so that no subject is in two parts, with classes as even as possible.

    Whole people cannot be divided in exact proportions: `fer_data.protocols.group_disjoint` comes
    as close as it can.

    Args:
        clips: `Clips`; those without a label are left out.
        proportions: `"80-10-10"` or `"70-15-15"`, training, validation, test.
        seed: Integer.
        allow_leaks: Let copies of a clip under two subjects through.

    Returns:
        `Division`.

    Raises:
        LeakError: Unless `allow_leaks`, if clips of two subjects have the same frames.
        ValueError: If the proportions are unknown or there are too few subjects.

    Example:

    >>> subjects = [f"casme2/sub{i % 20:02d}" for i in range(120)]
    >>> division = subject_disjoint(Clips(np.arange(120), subjects, np.arange(120) // 20 % 3))
    >>> bool(division.leaks)
    False
    """
    check_choice("proportions", proportions, tuple(PROPORTIONS))
    places = _labelled(clips)
    labels, subjects = clips.labels[places], clips.subjects[places]
    parts = group_disjoint(labels, subjects, PROPORTIONS[proportions], seed)
    return _division(f"subject-disjoint {proportions}", clips, places, parts, allow_leaks)


@arguments.checked(
    clips=arguments.instance(Clips, "`Clips`"),
    validation=arguments.number(0, 1),
    seed=arguments.integer(0, 2**32 - 1),
    allow_leaks=arguments.flag,
)
def leave_one_subject_out(
    clips: Clips, validation: float = 0.0, seed: int = 0, allow_leaks: bool = False
) -> Iterator[Division]:
    """Yield a division for every subject, which is the test part; the others train.

    Predictions are pooled over the folds before they are scored. The test subject must not take
    part in any choice: for early stopping, use a validation part, made of people of the training
    part.

    Args:
        clips: `Clips`; those without a label are left out.
        validation: Share of the training clips to set apart as validation, subject-disjoint.
        seed: Integer, of the validation part.
        allow_leaks: Let copies of a clip under two subjects through.

    Yields:
        `Division`, with the subject in `held_out`; subjects in sorted order.

    Raises:
        LeakError: Unless `allow_leaks`, if clips of two subjects have the same frames.
        ValueError: If there are fewer than two subjects, or `validation` is not in [0, 1).

    Example:

    >>> clips = Clips(list("abcd"), ["s/1", "s/2", "s/2", "s/3"], [0, 1, 2, 0])
    >>> [(d.held_out, d.parts["test"].tolist()) for d in leave_one_subject_out(clips)]
    [('s/1', [0]), ('s/2', [1, 2]), ('s/3', [3])]
    """
    check_number("validation", validation, 0, 1)
    if validation == 1:
        raise ValueError("`validation` must leave clips to train on. Received: validation=1")
    places = _labelled(clips)
    return _folds(clips, places, validation, seed, allow_leaks)


def _folds(clips, places, validation, seed, allow_leaks):
    for subject, train, test in leave_one_group_out(clips.subjects[places]):
        parts = {"train": train, "test": test}
        if validation:
            inner = group_disjoint(
                clips.labels[places][train],
                clips.subjects[places][train],
                {"train": 1 - validation, "validation": validation},
                seed,
            )
            parts = {**{part: train[chosen] for part, chosen in inner.items()}, "test": test}
        yield _division("leave one subject out", clips, places, parts, allow_leaks, subject)


def _division(protocol, clips, places, parts, allow_leaks, held_out=None):
    parts = {part: places[chosen] for part, chosen in parts.items()}
    leaks = guard_subjects(parts, clips, allow_leaks)
    warning = ""
    if leaks:
        warning = "This split leaks, and its scores say little about new people: " + leaks.summary()
    return Division(protocol, parts, leaks, held_out, len(clips) - len(places), warning)


def _labelled(clips):
    places = clips.labelled()
    if not len(places):
        raise ValueError(f"`clips` must have labels. Received: {len(clips)} clips without one")
    return places


def _check_places(parts, count):
    everything = np.concatenate([*parts.values(), np.array([], np.int64)])
    if everything.size and (everything.min() < 0 or everything.max() >= count):
        raise ValueError(
            f"`parts` must hold places from 0 to {count - 1}. "
            f"Received: {everything.min()} to {everything.max()}"
        )
    if len(set(everything.tolist())) < len(everything):
        repeated = [p for p, n in collections.Counter(everything.tolist()).items() if n > 1]
        raise ValueError(
            f"`parts` must hold every place once at most. Received: {repeated[:_SHOWN]} again"
        )


def _copies(parts, clips):
    """Yield pairs of clips with the same frames in two parts."""
    if clips.content is None:
        return
    seen: dict = {}
    ids, content = clips.ids.tolist(), clips.content.tolist()
    for part, places in parts.items():
        for place in places.tolist():
            here = (part, ids[place])
            digest = content[place]
            for other in seen.get(digest, ()):
                if other[0] != part:
                    yield other, here
            seen.setdefault(digest, []).append(here)


def _first(names):
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return "; ".join(names[:_SHOWN]) + more
