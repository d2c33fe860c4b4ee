"""Losses and metrics of a model that learns expressions, valence and arousal together."""

from collections.abc import Callable
from typing import Any

import keras

from fer_data import arguments
from fer_models.training.concordance import ConcordanceCorrelation, ConcordanceLoss
from fer_models.zoo.face_outputs import DIMENSIONS, EXPRESSION, VALENCE_AROUSAL


@arguments.checked(
    weight=arguments.number(0),
    loss=arguments.either(arguments.text, arguments.function, rule="a loss or its name"),
)
def joint_losses(
    weight: float = 0.5,
    loss: str | keras.losses.Loss | Callable = "categorical_crossentropy",
) -> dict[str, Any]:
    """Return arguments of `compile` for a model of `fer_models.with_valence_arousal`.

    The loss is the loss of the classes plus `weight` times `ConcordanceLoss`, the mean over valence
    and arousal. A NaN target is left out: a face without valence and arousal trains the classes
    alone.

    Args:
        weight: Weight of the concordance, 0 or more.
        loss: Loss of the classes.

    Returns:
        A dictionary with `loss`, `loss_weights` and `metrics`, each by the name of the output. In
        the history the metrics are `expression_accuracy`, `valence_arousal_valence_ccc` and
        `valence_arousal_arousal_ccc`.

    Raises:
        ValueError: If `weight` is not a number of 0 or more.

    Example:

    >>> import fer_models
    >>> trunk = fer_models.ghostface(input_shape=(32, 32, 1), width=0.25)
    >>> model = fer_models.with_valence_arousal(trunk)
    >>> model.compile("adam", **joint_losses(0.5))
    """
    return {
        "loss": {EXPRESSION: loss, VALENCE_AROUSAL: ConcordanceLoss()},
        "loss_weights": {EXPRESSION: 1.0, VALENCE_AROUSAL: float(weight)},
        "metrics": {
            EXPRESSION: ["accuracy"],
            VALENCE_AROUSAL: [
                ConcordanceCorrelation(column, name=f"{name}_ccc")
                for column, name in enumerate(DIMENSIONS)
            ],
        },
    }
