"""The report of an audit: the results of each attack with intervals, as tables and JSON."""

import dataclasses
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fer_data import arguments
from fer_data.checks import checked_rate
from fer_data.files import write_text
from fer_models.privacy import markdown
from fer_models.privacy.attack_result import AttackResult
from fer_models.privacy.metrics import LEAST, Interval, auc_interval, rate_at, roc
from fer_models.privacy.overlap import refuse_overlap
from fer_models.privacy.signals import Signals

TOLERATED = (0.01, 0.001)
BEFOREHAND, BEST = "beforehand", "best"
# Points of the ROC curve that go into JSON: from 1e-4 to 1, twelve per decade.
_GRID = np.logspace(-4, 0, 49)


@dataclasses.dataclass(frozen=True)
class Decision:
    """The counts of right and wrong decisions at one threshold.

    Attributes:
        threshold: Scores from here on are called members.
        chosen: `"beforehand"` where the attack set the threshold without the memberships; `"best"`
            for the threshold that separates these members and non-members best, an upper bound for
            an attacker who does not know it.
        tp: Members called members.
        fp: Non-members called members.
        tn: Non-members called non-members.
        fn: Members called non-members.
    """

    threshold: float
    chosen: str
    tp: int
    fp: int
    tn: int
    fn: int

    @property
    def percent(self) -> dict[str, float]:
        """The four counts in percent of all examples: a dictionary, the paper's table."""
        total = self.tp + self.fp + self.tn + self.fn
        return {name: 100 * getattr(self, name) / total for name in ("tp", "fp", "tn", "fn")}

    @property
    def tpr(self) -> float:
        """Share of the members that are called members."""
        return self.tp / (self.tp + self.fn)

    @property
    def fpr(self) -> float:
        """Share of the non-members that are called members."""
        return self.fp / (self.fp + self.tn)

    @property
    def advantage(self) -> float:
        """True- minus false-positive rate: 0 is guessing, 1 is certainty."""
        return self.tpr - self.fpr

    @property
    def balanced_accuracy(self) -> float:
        """Mean of the shares of members and of non-members that are called correctly."""
        return (1 + self.advantage) / 2


@dataclasses.dataclass(frozen=True)
class ClassRisk:
    """The results of an attack for one class.

    Attributes:
        name: Name of the class.
        members: Number of members.
        non_members: Number of non-members.
        auc: `Interval`, or `None` with fewer than 10 members or non-members, as below: so few say
            nothing.
        tpr_at: Tuple of `RateAt`, or `None`.
        advantage: Largest true- minus false-positive rate over all thresholds, or `None`.
    """

    name: str
    members: int
    non_members: int
    auc: Interval | None
    tpr_at: tuple | None
    advantage: float | None


@dataclasses.dataclass(frozen=True)
class AttackReport:
    """The results of one attack.

    Attributes:
        name: Name of the attack.
        engine: The package that ran it.
        auc: `Interval` of the area under the ROC curve, as `auc_interval` gives it.
        tpr_at: Tuple of `RateAt`, at 1 % and 0.1 % false positives.
        advantage: Largest true- minus false-positive rate over all thresholds; never below 0, and
            a little above it by chance alone.
        balanced_accuracy: At that threshold, (1 + advantage) / 2.
        decision: `Decision` at the attack's own threshold, or the best one.
        classes: Tuple of `ClassRisk`, in class order.
        fpr, tpr: The ROC curve.
        details: Settings that the attack reports.
    """

    name: str
    engine: str
    auc: Interval
    tpr_at: tuple
    advantage: float
    balanced_accuracy: float
    decision: Decision
    classes: tuple
    fpr: np.ndarray = dataclasses.field(compare=False, repr=False)
    tpr: np.ndarray = dataclasses.field(compare=False, repr=False)
    details: dict

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values; of the ROC curve 49 points from 1e-4 to 1."""
        content = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in ("fpr", "tpr")
        }
        content["auc"] = dataclasses.asdict(self.auc)
        content["tpr_at"] = [dataclasses.asdict(rate) for rate in self.tpr_at]
        content["decision"] = {
            **dataclasses.asdict(self.decision),
            "percent": self.decision.percent,
            "advantage": self.decision.advantage,
            "balanced_accuracy": self.decision.balanced_accuracy,
        }
        content["classes"] = [dataclasses.asdict(each) for each in self.classes]
        reached = np.searchsorted(self.fpr, _GRID, side="right") - 1
        content["roc"] = {"fpr": _GRID.tolist(), "tpr": self.tpr[reached].tolist()}
        return content


@dataclasses.dataclass(frozen=True)
class MembershipReport:
    """The results of an audit by membership inference; `membership_report` makes it.

    Attributes:
        attacks: Tuple of `AttackReport`; `report["lira_online"]` gives one by name.
        members: Number of members.
        non_members: Number of non-members.
        population: Number of pictures of the population, 0 without one.
        member_accuracy: Accuracy of the model on the members.
        non_member_accuracy: Accuracy on the non-members.
        member_loss: Mean loss on the members, in nats.
        non_member_loss: Mean loss on the non-members.
        tolerated_fpr: False-positive rate that the population attack tolerates.
        confidence: Confidence of all intervals.
        class_names: Names of the classes.
    """

    attacks: tuple
    members: int
    non_members: int
    population: int
    member_accuracy: float
    non_member_accuracy: float
    member_loss: float
    non_member_loss: float
    tolerated_fpr: float
    confidence: float
    class_names: tuple

    @property
    def gap(self) -> float:
        """Accuracy on members minus accuracy on non-members: the memorisation."""
        return self.member_accuracy - self.non_member_accuracy

    def __getitem__(self, name: str) -> AttackReport:
        for attack in self.attacks:
            if attack.name == name:
                return attack
        raise KeyError(f"{name!r} is none of {', '.join(attack.name for attack in self.attacks)}")

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers, strings, lists and dictionaries, ready for JSON."""
        content = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        content["attacks"] = [attack.to_dict() for attack in self.attacks]
        content["class_names"] = list(self.class_names)
        content["gap"] = self.gap
        return _plain(content)

    def to_markdown(self) -> str:
        """Return the report as Markdown tables."""
        return markdown.membership_tables(self)

    def save(self, folder: str | os.PathLike[str]) -> tuple[Path, Path, Path]:
        """Write `membership.md`, `membership.json` and the ROC picture `membership.png`.

        Args:
            folder: Made if absent.

        Returns:
            Tuple of the three paths.
        """
        from fer_models.privacy.roc_picture import plot_roc

        folder = Path(folder)
        written = folder / "membership.md", folder / "membership.json", folder / "membership.png"
        write_text(written[0], self.to_markdown() + "\n")
        write_text(written[1], json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n")
        plot_roc(self, written[2])
        return written

    def __str__(self) -> str:
        return self.to_markdown()


@arguments.checked(
    results=arguments.sequence(),
    members=arguments.instance(Signals, "`Signals`, as `signals` returns them"),
    non_members=arguments.instance(Signals, "`Signals`, as `signals` returns them"),
    population=arguments.instance(Signals, "`Signals`, as `signals` returns them"),
    seed=arguments.seed,
    class_names=arguments.sequence(arguments.scalar),
)
def membership_report(
    results: Iterable[AttackResult],
    members: Signals,
    non_members: Signals,
    population: Signals | None = None,
    *,
    class_names: Sequence[str] | None = None,
    tolerated_fpr: float = 0.1,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> MembershipReport:
    """Score the results of attacks and put them into one report.

    Args:
        results: `AttackResult`s, of any engine, with the scores in the order of the signals.
        members: `Signals` of pictures the model was trained on.
        non_members: `Signals` of pictures it was not trained on.
        population: `Signals` of the population, or `None`.
        class_names: Names in class order; `None` calls them "0", "1", ...
        tolerated_fpr: False-positive rate that the population attack tolerated, for the record.
        confidence: Confidence of the intervals, between 0 and 1.
        resamples: Draws of the bootstrap.
        seed: Seed of the bootstrap.

    Returns:
        A `MembershipReport`; `print` shows it as Markdown.

    Raises:
        OverlapError: If two of the sets share pictures, with how many.
        ValueError: If there are no results, their lengths or names do not fit, or an argument is
            out of range.

    Example:

    ```python
    results = [AttackResult("mine", member_scores, non_member_scores)]
    print(membership_report(results, members, non_members))
    ```
    """
    sets = {"members": members.hashes, "non-members": non_members.hashes}
    if population is not None:
        sets["population"] = population.hashes
    refuse_overlap(sets)
    results = tuple(results)
    _check_results(results, len(members), len(non_members))
    if members.classes != non_members.classes:
        raise ValueError(
            "`members` and `non_members` must be of one model. "
            f"Received: {members.classes} and {non_members.classes} classes"
        )
    names = _names(class_names, members.classes)
    options: dict[str, Any] = {"confidence": checked_rate("confidence", confidence)}
    options |= {"resamples": resamples, "seed": seed}
    return MembershipReport(
        attacks=tuple(
            score_attack(result, members.labels, non_members.labels, names, **options)
            for result in results
        ),
        members=len(members),
        non_members=len(non_members),
        population=0 if population is None else len(population),
        member_accuracy=members.accuracy,
        non_member_accuracy=non_members.accuracy,
        member_loss=float(members.loss[:, 0].mean()),
        non_member_loss=float(non_members.loss[:, 0].mean()),
        tolerated_fpr=checked_rate("tolerated_fpr", tolerated_fpr),
        confidence=confidence,
        class_names=names,
    )


@arguments.checked(
    result=arguments.instance(AttackResult, "an `AttackResult`"),
    member_labels=arguments.array((None,), kinds="ui"),
    non_member_labels=arguments.array((None,), kinds="ui"),
    class_names=arguments.sequence(arguments.scalar),
    seed=arguments.seed,
)
def score_attack(
    result: AttackResult,
    member_labels: np.ndarray,
    non_member_labels: np.ndarray,
    class_names: Sequence[str],
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> AttackReport:
    """Score the result of one attack, overall and for each class.

    Args:
        result: `AttackResult`.
        member_labels: Integers `(members,)`.
        non_member_labels: Integers `(non_members,)`.
        class_names: Names in class order.
        confidence: Confidence of the intervals.
        resamples: Draws of the bootstrap.
        seed: Seed of the bootstrap.

    Returns:
        An `AttackReport`.
    """
    inside, outside = result.member_scores, result.non_member_scores
    options: dict[str, Any] = {"confidence": confidence, "resamples": resamples, "seed": seed}
    fpr, tpr, thresholds = roc(inside, outside)
    best = int(np.argmax(tpr - fpr))
    advantage = float(tpr[best] - fpr[best])
    if result.threshold is None:
        decision = _decide(inside, outside, float(thresholds[best]), BEST)
    else:
        decision = _decide(inside, outside, float(result.threshold), BEFOREHAND)
    return AttackReport(
        name=result.name,
        engine=result.engine,
        auc=auc_interval(inside, outside, **options),
        tpr_at=_rates(inside, outside, confidence),
        advantage=advantage,
        balanced_accuracy=(1 + advantage) / 2,
        decision=decision,
        classes=tuple(
            _class_risk(
                name, inside[member_labels == i], outside[non_member_labels == i], **options
            )
            for i, name in enumerate(class_names)
        ),
        fpr=fpr,
        tpr=tpr,
        details=dict(result.details),
    )


def _class_risk(name, inside, outside, confidence, resamples, seed):
    if min(len(inside), len(outside)) < LEAST:
        return ClassRisk(name, len(inside), len(outside), None, None, None)
    fpr, tpr, _ = roc(inside, outside)
    return ClassRisk(
        name,
        len(inside),
        len(outside),
        auc_interval(inside, outside, confidence, resamples, seed),
        _rates(inside, outside, confidence),
        float((tpr - fpr).max()),
    )


def _rates(inside, outside, confidence):
    return tuple(rate_at(inside, outside, tolerated, confidence) for tolerated in TOLERATED)


def _decide(inside, outside, threshold, chosen):
    tp, fp = int((inside >= threshold).sum()), int((outside >= threshold).sum())
    return Decision(threshold, chosen, tp, fp, len(outside) - fp, len(inside) - tp)


def _check_results(results, members, non_members):
    if not results:
        raise ValueError("`results` must hold one attack or more. Received: none")
    for result in results:
        if not isinstance(result, AttackResult):
            raise ValueError(
                f"`results` must hold `AttackResult`s. Received: a {type(result).__name__}"
            )
        found = len(result.member_scores), len(result.non_member_scores)
        if found != (members, non_members):
            raise ValueError(
                f"Attack {result.name!r} must have a score for each of the {members} members and "
                f"{non_members} non-members. Received: {found[0]} and {found[1]}"
            )
    names = [result.name for result in results]
    if len(set(names)) != len(names):
        raise ValueError(f"The names of the attacks must differ. Received: {names}")


def _names(class_names, classes):
    names = tuple(map(str, range(classes) if class_names is None else class_names))
    if len(names) != classes or len(set(names)) != classes:
        raise ValueError(
            f"`class_names` must name the {classes} classes, each its own. Received: {names}"
        )
    return names


def _plain(value):
    """Return a value in JSON's types: infinities, such as thresholds, by name."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    return value
