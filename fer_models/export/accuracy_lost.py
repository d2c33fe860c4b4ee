"""The loss of accuracy by an export, in points, on labelled faces."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments
from fer_models.zoo.face_outputs import expression_part
from fer_models.zoo.model_checks import check_model


@dataclasses.dataclass(frozen=True)
class AccuracyLost:
    """Accuracy of a model before and after its export, on the same faces.

    Attributes:
        keras: Accuracy of the Keras model, from 0 to 1.
        exported: Accuracy of the exported one.
        lost_points: Difference in points of 100; negative where the exported one is better.
        margin_points: Distance from that difference to the farther end of its 95 % interval; above
            0 even if both give the same answers, because few faces cannot show a rare loss.
        faces: Number of faces.
    """

    keras: float
    exported: float
    lost_points: float
    margin_points: float
    faces: int

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers, ready for JSON."""
        return dataclasses.asdict(self)


@arguments.checked(
    run=arguments.function,
    images=arguments.array(ranks=(2, 3, 4, 5)),
    labels=arguments.array((None,), kinds="ui", empty=True),
    batch_size=arguments.integer(1),
)
def accuracy_lost(
    model: keras.Model,
    run: Callable[[np.ndarray], np.ndarray],
    images: np.ndarray,
    labels: ArrayLike,
    batch_size: int = 64,
) -> AccuracyLost:
    """Compare the accuracy of a model and of its export.

    Both see the same faces, so the interval is one for paired answers (Agresti and Min). It adds
    half a face to each of four counts: faces that both, only the model, only the export, or neither
    names right. Without that, an export that changes no answer of 200 faces would seem certain to
    lose nothing.

    Args:
        model: The Keras model, which gives `(batch, classes)`, or one of
            `fer_models.with_valence_arousal`, of which the classes are compared.
        run: The exported model, as `load` returns it.
        images: Faces as the model takes them.
        labels: Class numbers `(faces,)`; two faces at least.
        batch_size: Faces at a time for the Keras model.

    Returns:
        `AccuracyLost`.

    Raises:
        ValueError: If there are fewer than two faces, or not as many labels.

    Example:

    ```python
    export(model, "ghostface.tflite", "litert-int8", faces)
    print(accuracy_lost(model, load("ghostface.tflite"), faces, labels).lost_points)
    ```

    Reference:
        Agresti and Min, "Simple improved confidence intervals for comparing matched proportions",
        Statistics in Medicine, 2005.
    """
    check_model(model)
    labels = np.asarray(labels)
    if len(images) < 2 or labels.shape != (len(images),):
        raise ValueError(
            "`images` must hold two faces or more, and `labels` one number for each. "
            f"Received: {len(images)} images and labels of shape {labels.shape}"
        )
    part = expression_part(model)
    said = part.predict(np.asarray(images, "float32"), batch_size=batch_size, verbose=0)
    # Valence and arousal stand behind the classes of an exported model that has them.
    both = (said, np.asarray(run(images))[:, : said.shape[1]])
    right = [each.argmax(1) == labels for each in both]
    before, after = (int(each.sum()) for each in right)
    lost = (before - after) / len(labels)
    middle, half = _paired_interval(before - after, int((right[0] != right[1]).sum()), len(labels))
    return AccuracyLost(
        keras=before / len(labels),
        exported=after / len(labels),
        lost_points=100 * lost,
        margin_points=100 * (half + abs(middle - lost)),
        faces=len(labels),
    )


def _paired_interval(difference, changed, faces):
    """Return the middle and half the width of the 95 % interval of a difference of shares.

    Args:
        difference: How many more the one names right than the other.
        changed: How many one of the two alone names right.
        faces: Number of faces.
    """
    # Half a face more in each of four cells: two faces more, one of which changed.
    faces, changed = faces + 2, changed + 1
    variance = (changed - difference**2 / faces) / faces**2
    return difference / faces, 1.96 * variance**0.5
