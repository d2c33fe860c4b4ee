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
        margin_points: Half the width of the 95 % interval of that difference.
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
    """Compare the accuracy of a model and of what was exported of it.

    Both see the same faces, so that the interval is that of paired answers.

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
    lost = right[0].astype(float) - right[1]
    return AccuracyLost(
        keras=float(right[0].mean()),
        exported=float(right[1].mean()),
        lost_points=100 * float(lost.mean()),
        margin_points=100 * 1.96 * float(lost.std(ddof=1)) / len(lost) ** 0.5,
        faces=len(labels),
    )
