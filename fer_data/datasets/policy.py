"""Rules for pictures that are unreadable, repeated or labelled two ways."""

import collections
import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from fer_data import picture
from fer_data.datasets.preparation_report import Report


@dataclasses.dataclass(slots=True)
class Item:
    """One picture before it is prepared.

    Attributes:
        split: `"train"`, `"validation"` or `"test"`.
        label: Class index.
        id: Stable name, unique in the data set.
        where: How the report names the picture.
        read: Function that returns its pixels, uint8 `(height, width, channels)`, or raises
            `picture.UnreadableError`.
        extra: Further features of the example.
        pixels: Hash of the pixels, set by `examine`.
    """

    split: str
    label: int
    id: str
    where: str
    read: Callable[[], np.ndarray]
    extra: dict = dataclasses.field(default_factory=dict)
    pixels: str = ""


@dataclasses.dataclass(frozen=True)
class FilePolicy:
    """Rules for odd files; the report counts and lists every use of them.

    Args:
        on_bad: `"skip"` or `"raise"`, for empty, corrupt and non-picture files and for folders of
            unknown classes.
        on_duplicate: `"keep"`, `"drop"` (all but the first) or `"raise"`, for pixel-identical
            pictures with the same label in the same split.
        on_conflict: `"keep"`, `"drop"` (all copies: nobody knows which label is right) or
            `"raise"`, for pixel-identical pictures under different labels in the same split, and
            for pictures whose folder and label list disagree.

    Raises:
        ValueError: If an option has another value.
    """

    on_bad: str = "skip"
    on_duplicate: str = "keep"
    on_conflict: str = "keep"

    def __post_init__(self) -> None:
        allowed = {
            "on_bad": ("skip", "raise"),
            "on_duplicate": ("keep", "drop", "raise"),
            "on_conflict": ("keep", "drop", "raise"),
        }
        for option, values in allowed.items():
            if getattr(self, option) not in values:
                raise ValueError(
                    f"`{option}` must be one of {values}. "
                    f"Received: {option}={getattr(self, option)!r}"
                )

    def bad(self, report: Report, reason: str, where: str, detail: str = "") -> None:
        """Note a file that cannot be used, or raise `ValueError`."""
        if self.on_bad == "raise":
            raise ValueError(f'{where} cannot be used and `on_bad="raise"`: {reason}. {detail}')
        report.drop(reason, where, detail)

    def odd(self, option: str, report: Report, reason: str, where: str, detail: str = "") -> bool:
        """Note a duplicate or conflict; return whether the picture stays.

        Raises:
            ValueError: If the option is `"raise"`.
        """
        action = getattr(self, option)
        if action == "raise":
            raise ValueError(f'{where} is refused by `{option}="raise"`: {reason}. {detail}')
        (report.keep if action == "keep" else report.drop)(reason, where, detail)
        return action == "keep"


def examine(items: Iterable[Item], policy: FilePolicy, report: Report) -> list[Item]:
    """Read every picture once, apply the policy, and return the items that are used.

    Args:
        items: Iterable of `Item`.
        policy: `FilePolicy`.
        report: `Report` that takes the account.

    Returns:
        List of `Item`, in order, with `pixels` set.
    """
    from tqdm import tqdm

    readable = []
    for item in tqdm(items, desc="Reading pictures", unit=" pictures", mininterval=1.0):
        report.read += 1
        try:
            item.pixels = picture.pixel_hash(item.read())
        except picture.UnreadableError as error:
            policy.bad(report, error.reason, item.where, str(error))
            continue
        readable.append(item)
    return without_repeats(readable, policy, report)


def count_copies(items: Iterable[Item], report: Report) -> None:
    """Count in the report the pictures that stand pixel-identical in an earlier split."""
    order = ("train", "validation", "test")
    hashes = {split: {item.pixels for item in items if item.split == split} for split in order}
    for place, later in enumerate(order):
        for earlier in order[:place]:
            number = sum(item.split == later and item.pixels in hashes[earlier] for item in items)
            if number:
                report.copies_across_splits[f"{later}/{earlier}"] = number


def without_repeats(items: Iterable[Item], policy: FilePolicy, report: Report) -> list[Item]:
    """Apply the policy to items with the same `pixels` in one split; return those that stay."""
    items = list(items)
    # Lists for those alone that are repeated: there may be millions of items.
    firsts: dict[str, dict[Any, Any]] = collections.defaultdict(dict)
    groups: dict[tuple[str, Any], list[Any]] = {}
    for item in items:
        first = firsts[item.split].setdefault(item.pixels, item)
        if first is not item:
            groups.setdefault((item.split, item.pixels), [first]).append(item)
    used = []
    for item in items:
        first = firsts[item.split][item.pixels]
        group = groups.get((item.split, item.pixels), [item])
        if len({copy.label for copy in group}) > 1:
            other = next(copy for copy in group if copy.label != item.label)
            detail = f"same pixels as {other.where}, which has another label"
            stays = policy.odd("on_conflict", report, "conflict", item.where, detail)
        elif item is not first:
            detail = f"same pixels as {first.where}"
            stays = policy.odd("on_duplicate", report, "duplicate", item.where, detail)
        else:
            stays = True
        if stays:
            used.append(item)
    return used
