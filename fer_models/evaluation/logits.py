"""A classifier's scores: what enters the softmax or sigmoid at its end."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from fer_models.evaluation.layer_calls import (
    CallPaths,
    LayerCall,
    intercept_calls,
    model_inputs,
    trace_calls,
)


class Logits:
    """A classifier without the softmax or sigmoid at its end; the model stays as it is.

    The last layer is intercepted while the model runs: an `Activation` or `Softmax` layer passes
    its input on, a `Dense` layer leaves out its activation. A model that ends in neither gives
    its output as it is. So does one that computes something after its softmax, such as the mean of
    two models, and one whose last `Dense` layer is quantised. The weights are the model's own, so a
    temperature that was folded into them is in the scores too.

    Args:
        model: Built Keras model of one image input and one output `(batch, classes)`.

    Attributes:
        classes: Number of classes.
        input_shape: Shape of one image; None where the model leaves a size open.
        removed: Whether an activation was found and is left out.
        softmax: Whether that is a softmax, and not a sigmoid.

    Raises:
        ValueError: If the model has another kind of input or output.

    Example:

    >>> import numpy as np
    >>> from fer_models import ghostface
    >>> logits = Logits(ghostface(input_shape=(32, 32, 1), width=0.25))
    >>> logits(np.zeros((2, 32, 32, 1), "float32")).shape[1], logits.removed
    (7, True)
    """

    def __init__(self, model: keras.Model) -> None:
        inputs = image_input(model)
        calls = trace_calls(model, inputs)
        self.model = model
        self.classes = class_count(calls, model)
        own = model.inputs[0].shape if getattr(model, "inputs", None) else inputs.shape
        self.input_shape = tuple(own[1:])
        self._softened = last_activation(calls)
        self.removed = self._softened is not None
        path = self._softened[0] if self._softened else None
        self.softmax = any(_is_softmax(call.layer) for call in calls if call.path == path)

    def __call__(self, images: Any) -> Any:
        """Return the scores `(batch, classes)` of images, in inference mode, as a tensor."""
        paths = CallPaths()

        def watch(layer, proceed, args, kwargs):
            with paths.enter(layer) as path:
                if self.removed and path == self._softened[0]:
                    return self._softened[1](layer, *args)
                return proceed(*args, **kwargs)

        with intercept_calls(watch):
            scores = self.model(images, training=False)
        return keras.ops.cast(scores, "float32")


def _is_softmax(layer):
    return isinstance(layer, keras.layers.Softmax) or layer.activation is keras.activations.softmax


def image_input(model: keras.Model) -> keras.KerasTensor:
    """Return the one symbolic image of a model, open sizes set to 128, or raise `ValueError`."""
    if isinstance(model, keras.Model) and len(getattr(model, "inputs", None) or []) > 1:
        raise ValueError(
            "Argument `model` must have one image input. "
            f"Received: {len(model.inputs)} inputs in model={model.name!r}"
        )
    shape = None
    if isinstance(model, keras.Model) and getattr(model, "inputs", None):
        own = model.inputs[0].shape
        if len(own) != 4:
            raise ValueError(
                "Argument `model` must take images, (batch, height, width, channels). "
                f"Received: input of shape {tuple(own)} in model={model.name!r}"
            )
        # An open size: any that leaves several positions after the usual strides.
        shape = tuple(128 if size is None else size for size in own[1:])
    return model_inputs(model, shape)


def class_count(calls: Sequence[LayerCall], model: keras.Model) -> int:
    """Return the number of classes in the output of a model, from the calls of its layers."""
    output_shape = calls[-1].output_shape
    if not isinstance(output_shape, tuple) or len(output_shape) != 2:
        raise ValueError(
            "Argument `model` must have one output of shape (batch, classes). "
            f"Received: {output_shape} from model={model.name!r}"
        )
    return output_shape[1]


def last_activation(
    calls: Sequence[LayerCall],
) -> tuple[str, Callable[[keras.Layer, Any], Any]] | None:
    """Return `(path, replacement)` for the layer that turns scores into probabilities, or None.

    None too where leaving the layer out would change more than the softmax or sigmoid: operations
    follow it, it is called twice, it is quantised, or its class computes in its own way.
    """
    leaves = (
        call
        for index, call in enumerate(calls)
        if call.path and not (index and calls[index - 1].path.startswith(call.path + "/"))
    )
    # Dropout and the like return in inference what they were given: the first one computed it.
    last = next((call for call in leaves if call.is_output), None)
    if last is None or sum(call.path == last.path for call in calls) > 1:
        return None
    layer = last.layer
    kind = next((kind for kind in _REPLACEMENTS if isinstance(layer, kind)), None)
    # The call of a subclass may do anything.
    if kind is None or type(layer).call is not kind.call:
        return None
    if kind is not keras.layers.Softmax and layer.activation not in _ACTIVATIONS:
        return None
    # Quantised kernels need their scales, which each mode keeps in its own way.
    if kind is keras.layers.Dense and layer.quantization_mode is not None:
        return None
    return last.path, _REPLACEMENTS[kind]


def _dense_scores(layer, inputs):
    kernel, bias = (
        None if weight is None else keras.ops.cast(weight, layer.compute_dtype)
        for weight in (layer.kernel, layer.bias)
    )
    scores = keras.ops.matmul(keras.ops.cast(inputs, layer.compute_dtype), kernel)
    return scores if bias is None else scores + bias


_ACTIVATIONS = (keras.activations.softmax, keras.activations.sigmoid)
_REPLACEMENTS: dict[type[keras.Layer], Callable[[keras.Layer, Any], Any]] = {
    keras.layers.Softmax: lambda layer, scores: scores,
    keras.layers.Activation: lambda layer, scores: scores,
    keras.layers.Dense: _dense_scores,
}
