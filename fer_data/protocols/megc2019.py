"""The composite database of MEGC 2019: CASME II, SMIC and SAMM, three classes, one protocol."""

import dataclasses
from collections.abc import Iterable

import numpy as np

from fer_data import arguments
from fer_data.labels import MICRO_EXPRESSION_CLASSES as CLASSES
from fer_data.protocols.subjects import Clips

# Clips of each class and subjects, from the challenge's paper. The names are those before the "/"
# of a subject.
MEGC_2019 = {
    "casme2": {"negative": 88, "positive": 32, "surprise": 25, "subjects": 24},
    "smic_hs": {"negative": 70, "positive": 51, "surprise": 43, "subjects": 16},
    "samm": {"negative": 92, "positive": 26, "surprise": 15, "subjects": 28},
}


@dataclasses.dataclass(frozen=True, eq=False)
class Composite:
    """The composite of the data sets that are there.

    Attributes:
        clips: `Clips`, for `leave_one_subject_out`.
        places: Their places in the clips given.
        counts: `{data set: {class: clips, "subjects": number}}`.
        differences: Tuple of sentences, one for each number that differs from the challenge's.
    """

    clips: Clips
    places: np.ndarray
    counts: dict[str, dict[str, int]]
    differences: tuple[str, ...]

    def summary(self) -> str:
        """Return the counts of each data set, and what differs from the challenge's."""
        lines = []
        for name, counts in self.counts.items():
            total = sum(counts[c] for c in CLASSES)
            classes = ", ".join(f"{c} {counts[c]}" for c in CLASSES)
            lines.append(f"{name}: {total} clips ({classes}) of {counts['subjects']} subjects")
        return "\n".join([*lines, *(self.differences or ("as in MEGC 2019",))])


@arguments.checked(
    clips=arguments.instance(Clips, "`Clips`"),
    listed=arguments.sequence(arguments.text),
    strict=arguments.flag,
)
def megc_2019(clips: Clips, listed: Iterable[str] | None = None, strict: bool = False) -> Composite:
    """Return the clips of the composite: CASME II 145, SMIC 164, SAMM 133.

    Without a list, all clips of the three data sets with a three-class label are taken. For SMIC
    and SAMM these are the challenge's; for CASME II the owners' present sheet has more such clips
    than the challenge took, so its exact clips need the challenge's list.

    Args:
        clips: `Clips` of one or more of `casme2`, `smic_hs` and SAMM; others do not count.
        listed: The ids that belong to the composite, such as the challenge's list; `None` for all.
        strict: Whether to raise if a number differs from the challenge's.

    Returns:
        `Composite`, whose `differences` name the numbers that are too small or too large.

    Raises:
        ValueError: If none of the three is there, a listed clip is missing, or a number differs
            with `strict`.

    Example:

    >>> clips = Clips(["casme2/sub01/a", "smic_hs/s1/b"], ["casme2/sub01", "smic_hs/s1"], [0, 1])
    >>> print(megc_2019(clips).differences[-1])
    samm is missing: 133 clips in MEGC 2019
    """
    datasets = clips.datasets
    chosen = np.isin(datasets, list(MEGC_2019)) & (clips.labels >= 0)
    if listed is not None:
        wanted = {str(name) for name in listed}
        lacking = sorted(wanted - {str(name) for name in clips.ids[chosen]})
        if lacking:
            raise ValueError(
                f"`listed` must name clips that are there and have a label; {len(lacking)} are "
                f"not. Received: {lacking[:5]}"
            )
        chosen &= np.array([str(name) in wanted for name in clips.ids])
    places = np.flatnonzero(chosen)
    if not len(places):
        raise ValueError(
            f"`clips` must hold labelled clips of {tuple(MEGC_2019)}. Received: clips of "
            f"{sorted(set(datasets.tolist()))}"
        )
    composite = clips.take(places)
    if composite.labels.max() >= len(CLASSES):
        raise ValueError(
            f"`labels` must count in {CLASSES}. Received: labels up to {composite.labels.max()}"
        )
    counts = _counts(composite)
    differences = tuple(_differences(counts))
    if strict and differences:
        raise ValueError(
            "The clips must be those of MEGC 2019. Received: " + "; ".join(differences)
        )
    return Composite(composite, places, counts, differences)


def _counts(clips):
    counts = {}
    for name in MEGC_2019:
        there = clips.datasets == name
        if there.any():
            counts[name] = {c: int((clips.labels[there] == i).sum()) for i, c in enumerate(CLASSES)}
            counts[name]["subjects"] = len(set(clips.subjects[there].tolist()))
    return counts


def _differences(counts):
    for name, right in MEGC_2019.items():
        if name not in counts:
            yield f"{name} is missing: {sum(right[c] for c in CLASSES)} clips in MEGC 2019"
            continue
        for what, number in right.items():
            have = counts[name][what]
            if have != number:
                unit = "subjects" if what == "subjects" else f"{what} clips"
                yield f"{name} has {have} {unit}, {number} in MEGC 2019"
