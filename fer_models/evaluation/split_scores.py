"""How good a model is on a split of a data set, with and without copies of training faces."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np

from fer_models.evaluation.classification import Report, classification_report

ALL, WITHOUT_COPIES = "all", "without copies of training faces"


@dataclasses.dataclass(frozen=True, eq=False)
class SplitScores:
    """What a model says of the faces of a split, and how good that is.

    Attributes:
        labels: Class numbers `(faces,)`.
        probabilities: What the model says, `(faces, classes)`.
        reports: A `Report` by the name of a subset: `"all"`, and where copies are known
            `"without copies of training faces"`.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    reports: dict[str, Report]


def score_split(
    model: keras.Model,
    faces: Iterable[Any] | keras.utils.PyDataset,
    class_names: Sequence[str] | None = None,
    copies: Sequence[bool] | np.ndarray | None = None,
) -> SplitScores:
    """Score a model on the faces of a split.

    Some published splits hold pictures that stand in the training set, too: there a model that
    learns by heart scores too high, so that the rest is scored by itself as well.

    Args:
        model: Model whose output is `(batch, classes)` probabilities.
        faces: Batches `(images, one-hot labels)`, such as a `tf.data.Dataset` or a
            `keras.utils.PyDataset`.
        class_names: Names in class order; None calls them "0", "1", ...
        copies: Which of the faces are copies of training faces, in their order; None where that
            is not known.

    Returns:
        `SplitScores`.

    Raises:
        ValueError: If `copies` is not of the faces' number.

    Example:

    >>> import keras
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Softmax()])
    >>> batches = [(np.eye(2, dtype="float32") * 9, np.eye(2))]
    >>> found = score_split(model, batches, ("happy", "sad"), copies=[False, True])
    >>> {name: (report.examples, report.accuracy) for name, report in found.reports.items()}
    {'all': (2, 1.0), 'without copies of training faces': (1, 1.0)}
    """
    truth, said = [], []
    known = isinstance(faces, keras.utils.PyDataset)
    for images, labels in (faces[number] for number in range(len(faces))) if known else faces:
        # tf.data gives TensorFlow's tensors, which other backends do not take.
        said.append(np.asarray(model.predict_on_batch(np.asarray(images)), dtype="float32"))
        truth.append(np.asarray(labels).argmax(-1))
    labels, probabilities = np.concatenate(truth), np.concatenate(said)
    subsets = {ALL: np.full(len(labels), True)}
    if copies is not None:
        copies = np.asarray(copies, dtype=bool)
        if copies.shape != labels.shape:
            raise ValueError(
                f"`copies` must be of the {len(labels)} faces. Received: shape={copies.shape}"
            )
        if not copies.all():
            subsets[WITHOUT_COPIES] = ~copies
    reports = {
        name: classification_report(labels[some], probabilities[some], class_names)
        for name, some in subsets.items()
    }
    return SplitScores(labels, probabilities, reports)
