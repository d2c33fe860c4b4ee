"""Classification report: accuracy, F1, the table per class, loss, calibration, confusion."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments
from fer_data.checks import as_array, check_integer, check_sequence
from fer_models.evaluation.calibration import calibration_error
from fer_models.evaluation.class_scores import ClassScores, Scored, mean_of, scored
from fer_models.evaluation.group_scores import GroupReport, score_groups
from fer_models.evaluation.probability_checks import (
    checked_labels_or_distributions,
    checked_probabilities,
)
from fer_models.zoo.face_outputs import expression_labels, expression_part
from fer_models.zoo.model_checks import check_one_output, check_predicts


@dataclasses.dataclass(frozen=True)
class Report(Scored):
    """What `classification_report` and `evaluate` find.

    Attributes:
        accuracy: Share of right predictions.
        macro_f1: Mean F1 of the classes that have examples (UF1 in micro-expression papers).
        weighted_f1: Mean F1 weighted by the number of examples.
        macro_recall: Mean recall of the classes that have examples (UAR, balanced accuracy).
        loss: Mean cross-entropy in nats, the "test error" of the GhostFace paper.
        calibration_error: Expected calibration error in 15 bins.
        examples: Number of examples.
        classes: `ClassScores` in class order.
        confusion: Integer array `(classes, classes)`: rows are true, columns predicted classes.
        absent: Names of the classes without examples. They enter no mean; predictions of them
            count as errors of the true class.
        groups: `GroupReport`, where groups were given; else `None`.
    """

    accuracy: float
    macro_f1: float
    weighted_f1: float
    macro_recall: float
    loss: float
    calibration_error: float
    examples: int
    classes: tuple[ClassScores, ...]
    confusion: np.ndarray = dataclasses.field(compare=False)
    absent: tuple[str, ...]
    groups: GroupReport | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, ready for JSON; `groups` only where there are any."""
        content = super().to_dict()
        del content["groups"]
        return content if self.groups is None else content | {"groups": self.groups.to_dict()}

    def to_markdown(self) -> str:
        """Return the report as two Markdown tables, and two more by group."""
        lines = [
            "| examples | accuracy | macro F1 | weighted F1 | macro recall | loss | "
            "calibration error |",
            "|---:|---:|---:|---:|---:|---:|---:|",
            f"| {self.examples:,} | {self.accuracy:.2%} | {self.macro_f1:.4f} | "
            f"{self.weighted_f1:.4f} | {self.macro_recall:.4f} | {self.loss:.4f} | "
            f"{self.calibration_error:.4f} |",
            "",
            "| class | precision | recall | F1 | examples |",
            "|---|---:|---:|---:|---:|",
        ]
        for scores in self.classes:
            cells = (_number(v) for v in (scores.precision, scores.recall, scores.f1))
            name = scores.name.replace("|", "\\|")
            lines.append(f"| {name} | {' | '.join(cells)} | {scores.support:,} |")
        for name, weighted in (("macro mean", False), ("weighted mean", True)):
            cells = (
                _number(mean_of(self.classes, value, weighted))
                for value in ("precision", "recall", "f1")
            )
            lines.append(f"| *{name}* | {' | '.join(cells)} | {self.examples:,} |")
        if self.absent:
            lines += ["", f"Without examples, and in no mean: {', '.join(self.absent)}."]
        if self.groups is not None:
            lines += ["", "By group:", "", self.groups.to_markdown()]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.to_markdown()


@arguments.checked(
    class_names=arguments.sequence(arguments.scalar), groups=arguments.sequence(arguments.plain)
)
def classification_report(
    labels: ArrayLike,
    probabilities: ArrayLike,
    class_names: Sequence[str] | None = None,
    groups: Sequence[Any] | np.ndarray | None = None,
) -> Report:
    """Score predictions.

    Args:
        labels: Integers `(examples,)`, or one-hot or soft labels `(examples, classes)` whose rows
            sum to one. The largest soft label is the true class; the loss uses all of them.
        probabilities: Array `(examples, classes)` from 0 to 1, rows summing to one.
        class_names: Names in class order; `None` calls them "0", "1", ...
        groups: Group of each example, such as a column of a table; each group is also scored by
            itself, see `fer_models.evaluation.group_scores.score_groups`.

    Returns:
        A `Report`; `print` shows it as Markdown.

    Raises:
        ValueError: If shapes do not fit, there are no examples, a label is outside the classes,
            probabilities do not sum to one, names are missing or repeated, or `groups` has another
            length than the labels.

    Example:

    >>> report = classification_report([0, 1], [[0.9, 0.1], [0.6, 0.4]], ("happy", "sad"))
    >>> report.accuracy, report.confusion.tolist()
    (0.5, [[1, 0], [1, 0]])
    """
    probabilities = checked_probabilities(probabilities)
    count, classes = probabilities.shape
    truth, targets = checked_labels_or_distributions(labels, count, classes)
    names = _checked_names(class_names, classes)

    scores = scored(truth, probabilities.argmax(axis=1), names)
    log_likelihood = np.log(np.maximum(probabilities, keras.config.epsilon()))
    return Report(
        **scores,
        macro_f1=mean_of(scores["classes"], "f1"),
        weighted_f1=mean_of(scores["classes"], "f1", weighted=True),
        macro_recall=mean_of(scores["classes"], "recall"),
        loss=float(-np.sum(targets * log_likelihood) / count),
        calibration_error=calibration_error(truth, probabilities),
        examples=count,
        groups=None if groups is None else score_groups(truth, probabilities, groups, names),
    )


@arguments.checked(
    class_names=arguments.sequence(arguments.scalar), groups=arguments.sequence(arguments.plain)
)
def evaluate(
    model: keras.Model,
    data: Iterable[Any] | keras.utils.PyDataset,
    labels: ArrayLike | None = None,
    class_names: Sequence[str] | None = None,
    batch_size: int = 64,
    verbose: int = 1,
    groups: Sequence[Any] | np.ndarray | None = None,
) -> Report:
    """Run a model over data once and score it.

    Args:
        model: Built Keras model whose output is `(batch, classes)` probabilities; if it also gives
            valence and arousal (`fer_models.with_valence_arousal`), only the probabilities are
            scored.
        data: Finite iterable of `(images, labels)` batches, such as a `tf.data.Dataset` or a
            `keras.utils.PyDataset`; or an array of images, with `labels`.
        labels: Labels of the array `data`, as in `classification_report`; otherwise `None`.
        class_names: Names in class order; `None` calls them "0", "1", ...
        batch_size: Images at a time, for an array.
        verbose: 0 is silent, 1 shows progress.
        groups: Group of each example in the order of the data, as in `classification_report`.

    Returns:
        A `Report`.

    Raises:
        ValueError: If the data is empty or infinite, a batch is no pair, or the predictions or
            labels break a rule of `classification_report`.

    Example:

    ```python
    report = evaluate(model, dataset, class_names=("happy", "sad"))
    print(report.to_markdown())
    ```
    """
    check_predicts(model)
    model = expression_part(model)
    check_one_output(model)
    batches, total = batches_of(data, labels, batch_size)
    progress = keras.utils.Progbar(total, verbose=verbose, unit_name="batch")
    all_labels, all_probabilities = [], []
    for index, batch in enumerate(batches, 1):
        if not isinstance(batch, (tuple, list)) or len(batch) != 2:
            raise ValueError(
                "`data` must give pairs (images, labels). "
                f"Received: a {type(batch).__name__}"
                + (f" of {len(batch)}" if isinstance(batch, (tuple, list)) else "")
            )
        images, truth = batch
        # tf.data gives TensorFlow's tensors, which other backends do not take.
        images = keras.tree.map_structure(np.asarray, images)
        all_probabilities.append(np.asarray(model.predict_on_batch(images), dtype="float32"))
        all_labels.append(np.asarray(expression_labels(truth)))
        progress.update(index, finalize=index == total)
    if not all_labels:
        raise ValueError("`data` must hold at least one batch. Received: none")
    if total is None:
        progress.update(len(all_labels), finalize=True)
    return classification_report(
        np.concatenate(all_labels), np.concatenate(all_probabilities), class_names, groups
    )


def batches_of(
    data: Any, labels: ArrayLike | None, batch_size: int, name: str = "labels"
) -> tuple[Iterable[Any], int | None]:
    """Return the batches `(images, labels)` of `evaluate`, and their number where it is known.

    Args:
        data: As for `evaluate`.
        labels: As for `evaluate`.
        batch_size: As for `evaluate`.
        name: What the caller's argument of the labels is called.
    """
    if labels is None:
        if isinstance(data, np.ndarray):
            raise ValueError(f"`{name}` must be given with an array. Received: {name}=None")
        if isinstance(data, keras.utils.PyDataset):
            return (data[i] for i in range(len(data))), len(data)
        check_sequence("data", data)
        total = _cardinality(data)
        return data, total
    check_integer("batch_size", batch_size, 1)
    images, labels = as_array("data", data), as_array(name, labels)
    if not images.ndim or not labels.ndim:
        raise ValueError(
            f"`data` and `{name}` must be arrays of examples. "
            f"Received: shapes {images.shape} and {labels.shape}"
        )
    if len(images) != len(labels):
        raise ValueError(
            f"`data` and `{name}` must be of the same length. Received: {len(images)} images and "
            f"{len(labels)} {name}"
        )
    starts = range(0, len(images), batch_size)
    pairs = ((images[i : i + batch_size], labels[i : i + batch_size]) for i in starts)
    return pairs, len(starts)


def _cardinality(data):
    """Return the number of batches, or `None` where the data does not know it."""
    if not hasattr(data, "cardinality"):
        try:
            return len(data)
        except TypeError:
            # PyTorch's loader of an iterable data set has `__len__`, but no length.
            return None
    # tf.data: -1 is infinite, -2 unknown.
    count = int(data.cardinality())
    if count == -1:
        raise ValueError("`data` must end. Received: a dataset of infinite cardinality")
    return None if count == -2 else count


def _checked_names(class_names, classes):
    if class_names is None:
        return tuple(str(index) for index in range(classes))
    names = tuple(str(name) for name in class_names)
    if len(names) != classes:
        raise ValueError(
            f"`class_names` must name the {classes} classes of the predictions. "
            f"Received: {len(names)} names, {names}"
        )
    if len(set(names)) != len(names):
        raise ValueError(f"`class_names` must differ. Received: class_names={names}")
    return names


def _number(value):
    return "-" if value is None else f"{value:.4f}"
