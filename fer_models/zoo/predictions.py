"""Names of classes for the numbers that a classifier returns."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments
from fer_data.labels import EMOTIONS


@arguments.checked(
    predictions=arguments.array(ranks=(2,)),
    top=arguments.integer(1),
    class_names=arguments.sequence(arguments.scalar),
)
def decode_predictions(
    predictions: ArrayLike, top: int = 3, class_names: Sequence[str] = EMOTIONS
) -> list[list[tuple[str, float]]]:
    """Name the most probable classes of each prediction.

    Args:
        predictions: Probabilities `(batch, classes)`, as `model.predict` returns them.
        top: How many classes per prediction, the most probable first; 1 or more.
        class_names: Names in the order of the outputs. Default: FER2013's order, which bundled
            weights have. The exact names are
            `fer_models.registry.entry(name).weights[tag].class_names`.

    Returns:
        A list for each prediction, of `(name, probability)`.

    Raises:
        ValueError: If the shapes do not fit, or `top` is out of range.

    Example:

    >>> decode_predictions([[0.02, 0.0, 0.03, 0.8, 0.05, 0.04, 0.06]], top=2)
    [[('happy', 0.8), ('neutral', 0.06)]]
    """
    values = np.asarray(predictions)
    if values.ndim != 2 or values.shape[1] != len(class_names):
        raise ValueError(
            f"`predictions` must have the shape (batch, {len(class_names)}), a column for each of "
            f"`class_names`. Received: shape={values.shape}, class_names={tuple(class_names)}"
        )
    if isinstance(top, bool) or not isinstance(top, int) or not 1 <= top <= len(class_names):
        raise ValueError(
            f"`top` must be an integer from 1 to {len(class_names)}. Received: top={top!r}"
        )
    order = np.argsort(-values, axis=1, kind="stable")[:, :top]
    return [
        [(class_names[place], float(row[place])) for place in places]
        for row, places in zip(values, order, strict=True)
    ]
