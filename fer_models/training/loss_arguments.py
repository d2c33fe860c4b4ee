"""Rules for the arguments that every loss and metric of Keras takes."""

from typing import Any

import keras

from fer_data import arguments
from fer_data.checks import shown

REDUCTIONS = (None, "none", "sum", "sum_over_batch_size", "mean", "mean_with_sample_weight")


def dtype(name: str, value: Any) -> None:
    """Raise `ValueError` unless `value` is a dtype or a policy that Keras knows, or None."""
    try:
        keras.dtype_policies.get(value)
    except Exception as error:  # whatever Keras raises for what is no dtype
        raise ValueError(
            f"`{name}` must be None, or a dtype or policy that Keras knows, such as 'float32'. "
            f"Received: {name}={shown(value)}"
        ) from error


NAMES: dict[str, arguments.Rule] = {"name": arguments.optional(arguments.text), "dtype": dtype}
LOSS: dict[str, arguments.Rule] = {**NAMES, "reduction": arguments.choice(REDUCTIONS)}
