"""Attacks of the study of exposed faces: on each model, with all others as references."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fer_models import privacy

ATTACKS = ("loss", "lira_online", "rmia_online")
# By which a face counts as found.
MAIN = "lira_online"
RATES = (0.01, 0.001)
# For the curves: from 1e-4 to 1, twelve points a decade.
GRID = np.logspace(-4, 0, 49)


@dataclasses.dataclass(frozen=True, eq=False)
class Attacked:
    """Scores of the attacks on the models of one treatment and one seed.

    Attributes:
        inside: Which faces each model was trained on, booleans `(models, faces)`.
        judged: Which faces are judged: those that at least two references were trained on, and at
            least two were not.
        right: Which faces each model classifies correctly.
        scores: By attack, floats `(models, faces)`, NaN for a face that is not judged.
    """

    inside: np.ndarray
    judged: np.ndarray
    right: np.ndarray
    scores: Mapping[str, np.ndarray]

    @property
    def members(self) -> np.ndarray:
        """Judged faces that each model was trained on, booleans `(models, faces)`."""
        return self.judged & self.inside

    @property
    def non_members(self) -> np.ndarray:
        """Judged faces that each model was not trained on."""
        return self.judged & ~self.inside


def attack_all(found: Sequence[privacy.Signals], inside: np.ndarray) -> Attacked:
    """Attack each model with all others as references.

    Args:
        found: Signals of each model for the pool, then for the population.
        inside: Which faces of the pool each model was trained on, booleans `(models, faces)`.

    Returns:
        `Attacked`.

    Reference:
        Carlini et al., "Membership Inference Attacks From First Principles", S&P 2022, with one
        variance for all faces; Zarifzadeh, Liu and Shokri, "Low-Cost High-Power Membership
        Inference Attacks", ICML 2024, online.
    """
    from scipy.special import expit

    models, count = inside.shape
    margins = np.stack([each.margin[:, 0] for each in found])
    pool, known = margins[:, :count], expit(margins[:, count:])
    probabilities = expit(pool)
    scores = {name: np.full(inside.shape, np.nan) for name in ATTACKS}
    judged = np.zeros(inside.shape, bool)
    for target in range(models):
        others = np.arange(models) != target
        seen = inside[others].sum(axis=0)
        enough = (seen >= 2) & (models - 1 - seen >= 2)
        judged[target] = enough
        some = np.ix_(others, enough)
        losses = found[target].loss[:count, 0]
        scores["loss"][target, enough] = privacy.loss_threshold(losses[enough])
        scores["lira_online"][target, enough] = privacy.lira_online(
            pool[target, enough], pool[some], inside[some], fixed_variance=True
        )
        scores["rmia_online"][target, enough] = privacy.rmia_online(
            probabilities[target, enough],
            probabilities[some],
            inside[some],
            known[target],
            known[others],
        )
    said = np.stack([each.probabilities[:count, 0].argmax(axis=-1) for each in found])
    return Attacked(inside, judged, said == found[0].labels[:count], scores)


def accuse(attacked: Attacked, name: str, rate: float) -> np.ndarray:
    """Return which faces an attack calls members at a rate of false positives.

    Each model has its own threshold, the best one on its own non-members.

    Args:
        attacked: Result of `attack_all`.
        name: Name of the attack.
        rate: Largest share of the non-members that may be accused.

    Returns:
        Booleans `(models, faces)`.
    """
    called = np.zeros(attacked.inside.shape, bool)
    for target, scores in enumerate(attacked.scores[name]):
        fpr, _, thresholds = _curve(attacked, name, target)
        called[target] = scores >= thresholds[np.flatnonzero(fpr <= rate)[-1]]
    return called


def measure(attacked: Sequence[Attacked], labels: Sequence[np.ndarray], classes: int) -> dict:
    """Return the results of the attacks on the models of one treatment, ready for JSON.

    Args:
        attacked: Result of `attack_all`, by seed.
        labels: Classes of the faces of each pool, by seed.
        classes: Number of classes.

    Returns:
        `member_accuracy` and `non_member_accuracy`, a value for each model, and `attacks` by name:
        `auc` and `tpr` for each model; `counts` of all models together at each rate; the same
        overall and by class; and the mean `roc`.
    """
    return {
        "member_accuracy": _each(attacked, lambda each, i: each.right[i][each.inside[i]].mean()),
        "non_member_accuracy": _each(
            attacked, lambda each, i: each.right[i][~each.inside[i]].mean()
        ),
        "attacks": {name: _measured(attacked, labels, classes, name) for name in ATTACKS},
    }


def counts(called: np.ndarray, members: np.ndarray, non_members: np.ndarray) -> dict[str, int]:
    """Return the numbers of members found and non-members accused, and of all of them.

    Args:
        called: Faces that the attack calls members.
        members: The members.
        non_members: The non-members.
    """
    return {
        "found": int((called & members).sum()),
        "members": int(members.sum()),
        "accused": int((called & non_members).sum()),
        "non_members": int(non_members.sum()),
    }


def _measured(attacked, labels, classes, name):
    called = {rate: [accuse(each, name, rate) for each in attacked] for rate in RATES}
    strictest = called[RATES[0]]

    def at(rate, chosen):
        found = [
            counts(some, each.members & mask, each.non_members & mask)
            for some, each, mask in zip(called[rate], attacked, chosen, strict=True)
        ]
        return {key: sum(part[key] for part in found) for key in found[0]}

    everyone = [np.ones(len(own), bool) for own in labels]
    reached = []
    for each in attacked:
        for target in range(len(each.inside)):
            fpr, tpr, _ = _curve(each, name, target)
            reached.append(tpr[np.searchsorted(fpr, GRID, side="right") - 1])
    return {
        "auc": _each(attacked, lambda each, i: privacy.auc(*_sets(each, name, i))),
        "tpr": [
            float(some[i][each.members[i]].mean())
            for some, each in zip(strictest, attacked, strict=True)
            for i in range(len(each.inside))
        ],
        "counts": {f"{rate:g}": at(rate, everyone) for rate in RATES},
        "classes": [
            {
                "auc": _class_aucs(attacked, labels, name, number),
                "counts": at(RATES[0], [own == number for own in labels]),
            }
            for number in range(classes)
        ],
        "roc": {"fpr": GRID.tolist(), "tpr": np.mean(reached, axis=0).tolist()},
    }


def _class_aucs(attacked, labels, name, number):
    found = []
    for each, own in zip(attacked, labels, strict=True):
        for target in range(len(each.inside)):
            inside, outside = _sets(each, name, target, own == number)
            if len(inside) and len(outside):
                found.append(privacy.auc(inside, outside))
    return found


def _each(attacked, value):
    return [float(value(each, i)) for each in attacked for i in range(len(each.inside))]


def _sets(attacked, name, target, chosen=True):
    scores = attacked.scores[name][target]
    return (
        scores[attacked.members[target] & chosen],
        scores[attacked.non_members[target] & chosen],
    )


def _curve(attacked: Attacked, name: str, target: int) -> tuple[Any, Any, Any]:
    return privacy.roc(*_sets(attacked, name, target))
