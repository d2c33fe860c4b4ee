"""The attacks of the privacy study: each model against those of the other seeds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fer_models import privacy
from fer_models.privacy import AttackResult, References, Signals

Sets = tuple[Signals, Signals, Signals]

# References that a face must have had in training, and not, for an attack to judge it.
NEEDED = {
    "lira_online": (2, 2),
    "lira_offline": (0, 2),
    "rmia_online": (1, 1),
    "rmia_offline": (0, 1),
}
LEAST_MODELS = {"lira_online": 4, "lira_offline": 4, "rmia_online": 1, "rmia_offline": 1}
LEAST_FACES = 20
PLAIN = ("population", "population_per_class", "loss", "entropy", "modified_entropy")


def split(found: Signals, inside: np.ndarray) -> Sets:
    """Return the signals of members, non-members and population.

    Args:
        found: Signals of the pool, then of the population.
        inside: Which faces of the pool were trained on, booleans.
    """
    pool = found[: len(inside)]
    return pool[inside], pool[~inside], found[len(inside) :]


def attack(
    found: Mapping[int, Signals], inside: Mapping[int, np.ndarray], seed: int, rate: float
) -> tuple[list[AttackResult], Sets]:
    """Return the results of all attacks on one model, and its signals.

    Args:
        found: Signals of pool and population of the models of one row, by seed.
        inside: Which faces of the pool were trained on, booleans by seed.
        seed: Of the model that is attacked; the others are its references.
        rate: Tolerated share of false positives.
    """
    sets = split(found[seed], inside[seed])
    results = list(privacy.run_attacks(*sets, attacks=PLAIN, tolerated_fpr=rate))
    others = [other for other in found if other != seed]
    if others:
        references = references_of(found, inside, others)
        counts = references.inside.sum(axis=0), (~references.inside).sum(axis=0)
        for name, (with_it, without_it) in NEEDED.items():
            # Whether a face has enough does not depend on this model having seen it.
            enough = (counts[0] >= with_it) & (counts[1] >= without_it)
            judged = sets[0][enough[inside[seed]]], sets[1][enough[~inside[seed]]]
            if len(others) < LEAST_MODELS[name] or min(map(len, judged)) < LEAST_FACES:
                continue
            results += privacy.run_attacks(*judged, sets[2], references, [name], tolerated_fpr=rate)
    return results, sets


def references_of(
    found: Mapping[int, Signals], inside: Mapping[int, np.ndarray], seeds: Sequence[int]
) -> References:
    """Return the models of other seeds as `References`.

    Args:
        found: As for `attack`.
        inside: As for `attack`.
        seeds: Of the models.
    """
    count = len(inside[seeds[0]])
    some = found[seeds[0]]
    margins = np.stack([found[seed].margin for seed in seeds])
    return privacy.References(
        inside=np.stack([inside[seed] for seed in seeds]),
        margins=margins[:, :count],
        labels=some.labels[:count],
        hashes=some.hashes[:count],
        population_margins=margins[:, count:],
        population_labels=some.labels[count:],
        population_hashes=some.hashes[count:],
        query_seed=some.query_seed,
    )


def score(row: str, seed: int, results: Sequence[AttackResult], sets: Sets) -> dict[str, Any]:
    """Return accuracies and what the attacks find of one model, as plain numbers.

    Args:
        row: Name of the model's row.
        seed: Its number.
        results: What `attack` gives.
        sets: Likewise.
    """
    members, non_members, _ = sets
    return {
        "row": row,
        "seed": seed,
        "member_accuracy": members.accuracy,
        "non_member_accuracy": non_members.accuracy,
        "gap": members.accuracy - non_members.accuracy,
        "member_loss": float(members.loss[:, 0].mean()),
        "non_member_loss": float(non_members.loss[:, 0].mean()),
        "attacks": {result.name: score_attack(result) for result in results},
    }


def score_attack(result: AttackResult) -> dict[str, float]:
    """Return what one attack finds, as plain numbers; shares of all faces in per cent."""
    inside, outside = result.member_scores, result.non_member_scores
    fpr, tpr, thresholds = privacy.roc(inside, outside)
    own = result.threshold
    if own is None:
        own = thresholds[np.argmax(tpr - fpr)]
    called = (inside >= own).mean(), (outside >= own).mean()
    total = len(inside) + len(outside)
    return {
        "members": len(inside),
        "non_members": len(outside),
        "auc": privacy.auc(inside, outside),
        "best_advantage": float((tpr - fpr).max()),
        # At the attack's own threshold; of those that set none, the best.
        "advantage": float(called[0] - called[1]),
        "tpr_at_1_percent": privacy.rate_at(inside, outside, 0.01).tpr.value,
        "tp": 100 * float((inside >= own).sum()) / total,
        "fp": 100 * float((outside >= own).sum()) / total,
        "tn": 100 * float((outside < own).sum()) / total,
        "fn": 100 * float((inside < own).sum()) / total,
    }
