"""Scores on a split of a data set, with and without copies of training faces."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np

from fer_data import arguments
from fer_data.checks import as_array, as_numbers, check_sequence, shown
from fer_models.evaluation.classification import Report, classification_report
from fer_models.evaluation.group_scores import group_names
from fer_models.zoo.face_outputs import expression_part
from fer_models.zoo.model_checks import check_one_output, check_predicts

ALL, WITHOUT_COPIES = "all", "without copies of training faces"


@dataclasses.dataclass(frozen=True, eq=False)
class SplitScores:
    """A model's probabilities for the faces of a split, and their scores.

    Attributes:
        labels: Class numbers `(faces,)`.
        probabilities: The model's answers, `(faces, classes)`.
        reports: A `Report` by the name of a subset: `"all"`, and where copies are known
            `"without copies of training faces"`.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    reports: dict[str, Report]


@arguments.checked(
    class_names=arguments.sequence(arguments.scalar), groups=arguments.sequence(arguments.plain)
)
def score_split(
    model: keras.Model,
    faces: Iterable[Any] | keras.utils.PyDataset,
    class_names: Sequence[str] | None = None,
    copies: Sequence[bool] | np.ndarray | None = None,
    groups: Sequence[Any] | np.ndarray | None = None,
) -> SplitScores:
    """Score a model on the faces of a split.

    Some published splits hold pictures that are also in the training set. There a model that learns
    by heart scores too high, so the other pictures are scored by themselves as well.

    Args:
        model: Model whose output is `(batch, classes)` probabilities; if it also gives valence and
            arousal (`fer_models.with_valence_arousal`), only the probabilities are scored.
        faces: Batches `(images, one-hot labels)`, such as a `tf.data.Dataset` or a
            `keras.utils.PyDataset`.
        class_names: Names in class order; None calls them "0", "1", ...
        copies: Which of the faces are copies of training faces, in their order; None where that
            is not known.
        groups: Group of each face in their order, as in `classification_report`.

    Returns:
        `SplitScores`.

    Raises:
        ValueError: If `copies` or `groups` has another length than the faces.

    Example:

    >>> import keras
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Softmax()])
    >>> batches = [(np.eye(2, dtype="float32") * 9, np.eye(2))]
    >>> found = score_split(model, batches, ("happy", "sad"), copies=[False, True])
    >>> {name: (report.examples, report.accuracy) for name, report in found.reports.items()}
    {'all': (2, 1.0), 'without copies of training faces': (1, 1.0)}
    """
    check_predicts(model)
    model = expression_part(model)
    check_one_output(model)
    truth, said = [], []
    known = isinstance(faces, keras.utils.PyDataset)
    batches = (faces[number] for number in range(len(faces))) if known else faces  # type: ignore[index, arg-type]
    check_sequence("faces", batches)
    for batch in batches:
        pair = isinstance(batch, (tuple, list)) and len(batch) == 2
        labels = as_numbers("faces", batch[1]) if pair else np.zeros(0)
        if labels.ndim != 2 or not labels.size:
            raise ValueError(
                f"`faces` must give pairs (images, one-hot labels). Received: {shown(batch)}"
            )
        # tf.data gives TensorFlow's tensors, which other backends do not take.
        images = as_numbers("faces", batch[0], "float32")
        said.append(np.asarray(model.predict_on_batch(images), dtype="float32"))
        truth.append(labels.argmax(-1))
    if not truth:
        raise ValueError("`faces` must hold at least one batch. Received: none")
    labels, probabilities = np.concatenate(truth), np.concatenate(said)
    subsets = {ALL: np.full(len(labels), True)}
    if copies is not None:
        copies = as_array("copies", copies).astype(bool)
        if copies.shape != labels.shape:
            raise ValueError(
                f"`copies` must be of the {len(labels)} faces. Received: shape={copies.shape}"
            )
        if not copies.all():
            subsets[WITHOUT_COPIES] = ~copies
    named = None if groups is None else group_names(groups, len(labels))
    reports = {
        name: classification_report(
            labels[some],
            probabilities[some],
            class_names,
            # Of a part without any group there is nothing to say by group.
            named[some] if named is not None and (name == ALL or any(named[some])) else None,
        )
        for name, some in subsets.items()
    }
    return SplitScores(labels, probabilities, reports)
