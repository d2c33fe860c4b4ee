"""An audit by membership inference: all possible attacks, in one report."""

import importlib
import math
from collections.abc import Sequence

import numpy as np

from fer_data import arguments
from fer_data.checks import checked_rate
from fer_models.privacy.attack_result import AttackResult
from fer_models.privacy.lira import lira_offline, lira_online
from fer_models.privacy.membership_report import MembershipReport, membership_report
from fer_models.privacy.overlap import refuse_overlap
from fer_models.privacy.population import population as population_attack
from fer_models.privacy.references import References
from fer_models.privacy.rmia import rmia_offline, rmia_online
from fer_models.privacy.signals import Signals
from fer_models.privacy.threshold import entropy_threshold, loss_threshold, modified_entropy

ALONE = ("loss", "entropy", "modified_entropy")
WITH_POPULATION = (
    "population",
    "population_empirical",
    "population_gaussian",
    "population_logit",
    "population_per_class",
)
WITH_REFERENCES = ("lira_online", "lira_offline")
WITH_BOTH = ("rmia_online", "rmia_offline")
ATTACKS = (*WITH_POPULATION, *ALONE, *WITH_REFERENCES, *WITH_BOTH)
ENGINES = ("fer_models", "tensorflow_privacy")


@arguments.checked(
    members=arguments.instance(Signals, "`Signals`, as `signals` returns them"),
    non_members=arguments.instance(Signals, "`Signals`, as `signals` returns them"),
    population=arguments.instance(Signals, "`Signals`, as `signals` returns them"),
    references=arguments.instance(References, "`References`"),
    attacks=arguments.sequence(arguments.text),
    seed=arguments.seed,
    class_names=arguments.sequence(arguments.scalar),
    engine=arguments.plain,
)
def audit_membership(
    members: Signals,
    non_members: Signals,
    population: Signals | None = None,
    references: References | None = None,
    *,
    attacks: Sequence[str] | None = None,
    engine: str = "fer_models",
    tolerated_fpr: float = 0.1,
    class_names: Sequence[str] | None = None,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> MembershipReport:
    """Run all possible attacks on a model and report the results.

    Args:
        members: `Signals` of pictures the model was trained on.
        non_members: `Signals` of pictures of the same kind that it was not trained on.
        population: `Signals` of further such pictures, in none of the sets, for the population
            attack and RMIA; or `None`.
        references: `References` of the same pictures, for LiRA and RMIA; or `None`.
        attacks: Names, of `ATTACKS` or those of the other engine; `None` runs all whose inputs are
            given. Thresholds for each class are then included only if the population has at least
            `1 / tolerated_fpr` pictures of every class, such as 10 for 10 %.
        engine: `"fer_models"` for the attacks of this package, `"tensorflow_privacy"` for those of
            tensorflow-privacy (extra `[privacy]`), which look at `members` and `non_members` only.
        tolerated_fpr: False-positive rate at which the population attack, offline LiRA and RMIA
            set their thresholds. The GhostFace paper does not give its own; about 5 % of all
            examples are false positives there, which is 10 % of the non-members.
        class_names: Names in class order.
        confidence: Confidence of the intervals.
        resamples: Draws of the bootstrap.
        seed: Integer.

    Returns:
        A `MembershipReport`.

    Raises:
        OverlapError: If two of the sets share pictures.
        ValueError: If an attack is unknown or lacks its inputs, signals and references differ in
            queries or in the seed of their shifts, or an argument is out of range.

    Example:

    ```python
    report = audit_membership(members, non_members, population)
    print(report)
    report["population"].decision.percent  # the paper's TP, FP, TN, FN
    ```
    """
    if engine not in ENGINES:
        raise ValueError(f"`engine` must be one of {ENGINES}. Received: engine={engine!r}")
    # Checked before the attacks, which take long, and not only in the report.
    sets = {"members": members.hashes, "non-members": non_members.hashes}
    if population is not None:
        sets["population"] = population.hashes
    refuse_overlap(sets)
    _check_queries(members, non_members, population, references)
    if engine == "fer_models":
        results = run_attacks(
            members, non_members, population, references, attacks, tolerated_fpr=tolerated_fpr
        )
    else:
        # Imported here: the package is an extra.
        other = importlib.import_module("fer_models.privacy.tf_privacy")
        results = other.attack(members, non_members, attacks=attacks, seed=seed)
    return membership_report(
        results,
        members,
        non_members,
        population,
        class_names=class_names,
        tolerated_fpr=tolerated_fpr,
        confidence=confidence,
        resamples=resamples,
        seed=seed,
    )


@arguments.checked(
    members=arguments.instance(Signals, "`Signals`, as `signals` returns them"),
    non_members=arguments.instance(Signals, "`Signals`, as `signals` returns them"),
    population=arguments.instance(Signals, "`Signals`, as `signals` returns them"),
    references=arguments.instance(References, "`References`"),
    attacks=arguments.sequence(arguments.text),
)
def run_attacks(
    members: Signals,
    non_members: Signals,
    population: Signals | None = None,
    references: References | None = None,
    attacks: Sequence[str] | None = None,
    *,
    tolerated_fpr: float = 0.1,
) -> tuple[AttackResult, ...]:
    """Run attacks of this package on signals.

    Some attacks set a threshold beforehand: the population attack its own; LiRA online a
    log-likelihood ratio of 0; RMIA the score that a share `tolerated_fpr` of non-members should
    reach. LiRA offline takes the score that this share of the population reaches, if the references
    answered about a population. Without one it takes the p-value `tolerated_fpr` for one query,
    which few models keep only roughly, and sets no threshold for several. The others set none.

    Args:
        members: As in `audit_membership`, like all other arguments.
        non_members: `Signals`.
        population: `Signals` or `None`.
        references: `References` or `None`.
        attacks: Names, of `ATTACKS`; `None` runs all whose inputs are given.
        tolerated_fpr: Between 0 and 1.

    Returns:
        Tuple of `AttackResult`, in the order of `ATTACKS`.

    Raises:
        ValueError: As in `audit_membership`.
    """
    rate = checked_rate("tolerated_fpr", tolerated_fpr)
    _check_queries(members, non_members, population, references)
    possible = _possible(population, references)
    wanted = possible if attacks is None else tuple(attacks)
    if (
        attacks is None
        and population is not None
        and not enough_of_each_class(members, non_members, population, rate)
    ):
        wanted = tuple(name for name in possible if name != "population_per_class")
    unknown = [name for name in wanted if name not in ATTACKS]
    if unknown or not wanted:
        raise ValueError(f"`attacks` must name some of {ATTACKS}. Received: attacks={attacks!r}")
    lacking = [name for name in wanted if name not in possible]
    if lacking:
        raise ValueError(
            f"The attacks {lacking} need a `population` (those of WITH_POPULATION), `references` "
            "(LiRA, four models or more), or both (RMIA). Received: "
            f"population={'None' if population is None else 'given'}, "
            f"references={'None' if references is None else 'given'}"
        )
    material = _Material(members, non_members, population, references)
    results = []
    for name in ATTACKS:
        if name in wanted:
            scores, threshold, details = _run(name, material, rate)
            results.append(
                AttackResult(
                    name,
                    scores[: len(members)],
                    scores[len(members) :],
                    threshold=threshold,
                    details=details,
                )
            )
    return tuple(results)


class _Material:
    """The signals of both sets, joined for the attacks."""

    def __init__(self, members, non_members, population, references):
        self.loss = np.concatenate([members.loss, non_members.loss])
        self.entropy = np.concatenate([members.entropy, non_members.entropy])
        self.probabilities = np.concatenate([members.probabilities, non_members.probabilities])
        self.true_probability = np.concatenate(
            [members.true_probability, non_members.true_probability]
        )
        self.margin = np.concatenate([members.margin, non_members.margin])
        self.labels = np.concatenate([members.labels, non_members.labels])
        self.population = population
        self.population_margins = None
        self.models = 0 if references is None else len(references)
        if references is not None:
            both = references.of(members), references.of(non_members)
            self.reference_margins = np.concatenate([margins for margins, _ in both], axis=1)
            self.inside = np.concatenate([inside for _, inside in both], axis=1)
            if population is not None and len(references.population_labels):
                self.population_margins = references.of_population(population)
                self.population_references = _probability(self.population_margins)


def _run(name, material, rate):
    """Return scores, threshold and details of one attack."""
    if name.startswith("population"):
        by_class = name == "population_per_class"
        quantile = {
            "population_empirical": "empirical",
            "population_gaussian": "gaussian",
            "population_logit": "logit",
        }.get(name, "linear")
        scores = population_attack(
            material.loss,
            material.population.loss,
            fpr=rate,
            quantile=quantile,
            labels=material.labels if by_class else None,
            population_labels=material.population.labels if by_class else None,
        )
        return scores, 0.0, {"tolerated_fpr": rate, "quantile": quantile}
    if name == "loss":
        return loss_threshold(material.loss), None, {}
    if name == "entropy":
        return entropy_threshold(material.entropy), None, {}
    if name == "modified_entropy":
        values = modified_entropy(material.probabilities, material.labels)
        return entropy_threshold(values), None, {}
    details = {"models": material.models}
    if name == "lira_online":
        scores = lira_online(material.margin, material.reference_margins, material.inside)
        return scores, 0.0, details
    if name == "lira_offline":
        scores = lira_offline(material.margin, material.reference_margins, material.inside)
        threshold = _offline_threshold(material, rate)
        if threshold is not None:
            details["tolerated_fpr"] = rate
        return scores, threshold, details
    references = _probability(material.reference_margins)
    known = material.population.true_probability, material.population_references
    if name == "rmia_online":
        scores = rmia_online(material.true_probability, references, material.inside, *known)
    else:
        scores = rmia_offline(material.true_probability, references, *known, material.inside)
    # The score is a rank among the population: a non-member's is about uniform.
    return scores, 1 - rate, {**details, "tolerated_fpr": rate}


def _offline_threshold(material, rate):
    """Return the score that a share `rate` of non-members reaches, or None where it is not known.

    The copies of one picture are not independent, so the scores of several queries have no known
    distribution (Fisher's chi-squared would accuse far more): the population shows it.
    """
    if material.population_margins is not None:
        known = material.population.margin
        # The fewer models judge an example, the wider its scores vary: as many judge the
        # population as judge the examples.
        rows = np.arange(len(known)) % material.inside.shape[1]
        scores = lira_offline(known, material.population_margins, material.inside[:, rows])
        return float(np.quantile(scores, 1 - rate))
    return -math.log(rate) if material.margin.shape[1] == 1 else None


def _possible(population, references):
    known = references is not None and population is not None
    return (
        *(WITH_POPULATION if population is not None else ()),
        *ALONE,
        # Half of the models have seen an example, half have not, and a variance needs two.
        *(WITH_REFERENCES if references is not None and len(references) >= 4 else ()),
        *(WITH_BOTH if known and len(references.population_labels) else ()),
    )


def enough_of_each_class(
    members: Signals, non_members: Signals, population: Signals, rate: float
) -> bool:
    """Return whether the population has 1 / rate examples of every class that is judged."""
    judged = np.union1d(members.labels, non_members.labels)
    return all((population.labels == label).sum() * rate >= 1 for label in judged)


def _probability(margins):
    from scipy.special import expit

    return expit(margins)


def _check_queries(members, non_members, population, references):
    given = {
        "members": members,
        "non_members": non_members,
        "population": population,
        "references": references,
    }
    given = {name: each for name, each in given.items() if each is not None}
    counts = {name: each.queries for name, each in given.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"All signals must come of as many queries. Received: {counts}")
    seeds = {name: each.query_seed for name, each in given.items() if each.query_seed is not None}
    # The first two queries, the picture and its mirror image, are the same for every seed.
    if members.queries > 2 and len(set(seeds.values())) > 1:
        raise ValueError(
            "All signals must come of the same queries, and the seed decides the shifts of the "
            "third and all further ones: give `signals` and `train_references` the same `seed`. "
            f"Received: {seeds}"
        )
