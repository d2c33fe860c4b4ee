"""Scores of a model on a data set with other classes, on the classes that both share."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments
from fer_data.checks import checked_labels, checked_names
from fer_data.labels import index_map
from fer_models.evaluation.classification import Report, classification_report
from fer_models.evaluation.intervals import Interval, binomial_interval
from fer_models.evaluation.probability_checks import checked_probabilities
from fer_models.evaluation.score_intervals import score_intervals


@dataclasses.dataclass(frozen=True)
class SharedScores:
    """Scores on the classes that a model and a data set share.

    Attributes:
        examples: Number of examples that were scored.
        accuracy: `Interval` of the share of right answers, exact binomial.
        macro_f1: `Interval` of the macro F1, by bootstrap.
        calibration_error: `Interval` of the expected calibration error in 15 bins, by bootstrap;
            see `score_intervals`.
        classes: Names of the shared classes, in the model's order.
        left_out: Number of examples left out because the model lacks their class, by class.
        unused: Outputs of the model without a class in the data set. They are dropped, and the
            other probabilities are scaled up to one.
        report: `Report` with the scores by class.
    """

    examples: int
    accuracy: Interval
    macro_f1: Interval
    calibration_error: Interval
    classes: tuple[str, ...]
    left_out: Mapping[str, int]
    unused: tuple[str, ...]
    report: Report

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers, strings, lists and dictionaries, ready for JSON."""
        content = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        for name in ("accuracy", "macro_f1", "calibration_error"):
            content[name] = dataclasses.asdict(content[name])
        content |= {"classes": list(self.classes), "unused": list(self.unused)}
        return content | {"left_out": dict(self.left_out), "report": self.report.to_dict()}


@arguments.checked(
    data_names=arguments.names,
    model_names=arguments.names,
    resamples=arguments.integer(2, 2**20),
    seed=arguments.seed,
)
def shared_scores(
    labels: ArrayLike,
    probabilities: ArrayLike,
    data_names: Sequence[str],
    model_names: Sequence[str],
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> SharedScores:
    """Score answers on the classes that model and data set share, by their names.

    All spellings of an emotion count as one class: "happiness" is "happy". A data set has all
    classes that it names, even one without an example, because a small sample may lack it by
    chance. Examples of a class that the model lacks are left out and counted. Probabilities of
    classes that the data set lacks are dropped, and the others are scaled up to one; if all others
    are 0, they become equal.

    Args:
        labels: Class numbers `(examples,)`, in the order of `data_names`.
        probabilities: The model's answers `(examples, classes)`, rows summing to one, in the order
            of `model_names`.
        data_names: Names of the data set's classes.
        model_names: Names of the model's outputs.
        confidence: Confidence of the intervals, between 0 and 1.
        resamples: Draws of the bootstrap, 2 or more.
        seed: Seed of the bootstrap.

    Returns:
        `SharedScores`.

    Raises:
        ValueError: If an argument breaks its rule, fewer than two classes are shared, or no example
            remains.

    Example:

    >>> said = np.array([[0.5, 0.2, 0.3], [0.1, 0.2, 0.7], [0.2, 0.7, 0.1]])
    >>> names = ("happy", "sad", "contempt"), ("sadness", "happiness", "fear")
    >>> found = shared_scores([1, 0, 2], said, *names)
    >>> found.accuracy.value, found.left_out, found.unused
    (1.0, {'contempt': 1}, ('fear',))
    """
    probabilities = checked_probabilities(probabilities)
    model_names = checked_names("model_names", model_names, probabilities.shape[1])
    labels = checked_labels(labels, len(probabilities), len(data_names))
    # The output of each class of the data set; then the outputs that are shared.
    outputs = index_map(data_names, model_names, missing=-1)
    shared = np.sort(outputs[outputs >= 0])
    if len(shared) < 2:
        raise ValueError(
            "`data_names` and `model_names` must share two classes or more. "
            f"Received: {list(data_names)} of the data set, {list(model_names)} of the model"
        )
    known = outputs[labels] >= 0
    if not known.any():
        raise ValueError(
            "`labels` must hold an example of a class that the model has. "
            f"Received: {len(labels)} examples of none of {[model_names[i] for i in shared]}"
        )
    truth = np.searchsorted(shared, outputs[labels[known]])
    answers = _scaled(probabilities[known][:, shared])
    classes = tuple(model_names[place] for place in shared)
    report = classification_report(truth, answers, classes)
    right = int(np.trace(report.confusion))
    f1, error = score_intervals(truth, answers, confidence, resamples, seed)
    absent = {
        name: int((labels == number).sum())
        for number, name in enumerate(data_names)
        if outputs[number] < 0 and (labels == number).any()
    }
    return SharedScores(
        examples=report.examples,
        accuracy=binomial_interval(right, report.examples, confidence),
        macro_f1=f1,
        calibration_error=error,
        classes=classes,
        left_out=absent,
        unused=tuple(name for place, name in enumerate(model_names) if place not in shared),
        report=report,
    )


def _scaled(answers):
    """Return rows that sum to one."""
    totals = answers.sum(axis=1, keepdims=True)
    equal = np.full_like(answers, 1 / answers.shape[1])
    return np.divide(answers, totals, out=equal, where=totals > 0)
