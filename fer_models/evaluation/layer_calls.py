"""Watching the layer calls inside a model while it runs: for counting and for Grad-CAM."""

import contextlib
import dataclasses
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import keras

_ONE_AT_A_TIME = threading.RLock()


@dataclasses.dataclass(frozen=True)
class LayerCall:
    """One call of a layer.

    Attributes:
        layer: The layer.
        path: Names from the model down to the layer, such as `"block_2/ghost/conv"`.
        input_shape: Shape of the first argument, batch axis included (a structure of shapes for a
            structure of tensors).
        output_shape: Shape of what the layer returned, likewise.
        is_output: Whether the very tensor that the layer returned is the model's output, with
            nothing computed after it.
    """

    layer: keras.Layer
    path: str
    input_shape: tuple
    output_shape: tuple
    is_output: bool = False


class _Run(keras.Operation):
    """The model as one operation, so that Keras evaluates it abstractly on any backend."""

    def __init__(self, model):
        super().__init__(name="run")
        self.model = model

    def call(self, inputs):
        return self.model(inputs, training=False)


@contextlib.contextmanager
def intercept_calls(handler: Callable[..., Any]) -> Iterator[None]:
    """Hand every layer call of this thread to `handler` while the context is open.

    `keras.Layer.__call__` is replaced for that time and put back whatever happens, since Keras has
    no hooks. Other threads may run models meanwhile and are not seen; only one thread at a time
    can intercept, a second one waits.

    Args:
        handler: Called as `handler(layer, proceed, args, kwargs)`. `proceed(*args, **kwargs)` runs
            the layer; what `handler` returns becomes the layer's output.
    """
    thread = threading.get_ident()
    with _ONE_AT_A_TIME:
        original = keras.Layer.__call__

        @functools.wraps(original)
        def watched(self, *args, **kwargs):
            if threading.get_ident() != thread:
                return original(self, *args, **kwargs)
            return handler(self, functools.partial(original, self), args, kwargs)

        keras.Layer.__call__ = watched
        try:
            yield
        finally:
            keras.Layer.__call__ = original


class CallPaths:
    """Keeps the path of the layer that is running, for handlers of `intercept_calls`."""

    def __init__(self) -> None:
        self._names = []

    @contextlib.contextmanager
    def enter(self, layer: keras.Layer) -> Iterator[str]:
        """Give the layer's path below the outermost one (the model: an empty path)."""
        self._names.append(layer.name)
        try:
            yield "/".join(self._names[1:])
        finally:
            self._names.pop()


def shapes(structure: Any) -> Any:
    """Return the shapes of a structure of tensors, each a tuple."""
    return keras.tree.map_structure(
        lambda tensor: tuple(tensor.shape) if hasattr(tensor, "shape") else None, structure
    )


def trace_calls(
    model: keras.Model, inputs: Any, is_whole: Callable[[keras.Layer], bool] = lambda layer: False
) -> list[LayerCall]:
    """Run a model on shapes alone and list its layer calls, children before their parents.

    Nothing is computed and the model stays as it is: Keras evaluates it abstractly, in a scope
    that keeps every variable's value.

    Args:
        model: A built Keras model.
        inputs: `keras.KerasTensor`, or a structure of them, with known dimensions.
        is_whole: Function of a layer. Where it is true, the calls inside that layer are left out.

    Returns:
        A list of `LayerCall`.
    """
    calls, returned = [], []
    paths = CallPaths()
    whole = []

    def record(layer, proceed, args, kwargs):
        with paths.enter(layer) as path:
            if not path:
                # Where PyTorch cannot run the model on shapes alone, Keras runs it once more.
                calls.clear()
                returned.clear()
            hidden = bool(whole)
            if is_whole(layer):
                whole.append(layer)
            try:
                outputs = proceed(*args, **kwargs)
            finally:
                if whole and whole[-1] is layer:
                    whole.pop()
            if not hidden:
                first = args[0] if args else next(iter(kwargs.values()), None)
                calls.append(LayerCall(layer, path, shapes(first), shapes(outputs)))
                returned.append(outputs)
            return outputs

    with intercept_calls(record):
        _Run(model).compute_output_spec(inputs)
    return [
        dataclasses.replace(call, is_output=outputs is returned[-1])
        for call, outputs in zip(calls, returned, strict=True)
    ]


def model_inputs(model: keras.Model, input_shape: Any = None) -> Any:
    """Return the symbolic inputs of a model, one example each, every dimension known.

    Args:
        model: A built Keras model.
        input_shape: Shape without the batch axis, or a list or dictionary of such shapes for a
            model of several inputs. `None` takes the model's own.

    Returns:
        A `keras.KerasTensor`, or a structure of them like the model's inputs.

    Raises:
        ValueError: If `model` is no built Keras model, if a dimension stays unknown, or if
            `input_shape` contradicts the model.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"Argument `model` must be a `keras.Model`. Received: model={model!r}")
    if not model.built:
        raise ValueError(
            "Argument `model` must be built: call it once or give it an `Input`. "
            f"Received: model={model.name!r}, not built"
        )
    own = _own_inputs(model)
    if own is None:
        return _from_shape_alone(model, input_shape)
    if input_shape is None:
        wanted = [None] * len(keras.tree.flatten(own))
    else:
        wanted = _flat_shapes(input_shape, own)
    pairs = zip(keras.tree.flatten(own), wanted, strict=True)
    return keras.tree.pack_sequence_as(own, [_concrete(*pair, input_shape) for pair in pairs])


def _own_inputs(model):
    if isinstance(model, keras.Sequential):
        return model.inputs[0]
    # A subclassed model has the attribute too, but leaves it empty.
    return model.input if getattr(model, "inputs", None) else None


def _from_shape_alone(model, input_shape):
    if input_shape is None:
        raise ValueError(
            "Argument `input_shape` must be given for a model without `Input`s of its own. "
            f"Received: input_shape=None for model={model.name!r}"
        )
    return keras.tree.map_shape_structure(
        lambda shape: _spec(shape, keras.config.floatx(), "input_shape", input_shape), input_shape
    )


def _flat_shapes(input_shape, own):
    packed = keras.tree.map_shape_structure(lambda shape: keras.KerasTensor(shape), input_shape)
    flat = [tuple(tensor.shape) for tensor in keras.tree.flatten(packed)]
    if isinstance(packed, dict) and isinstance(own, dict) and set(packed) != set(own):
        raise ValueError(
            f"Argument `input_shape` must have the model's input names {sorted(own)}. "
            f"Received: input_shape={input_shape}"
        )
    count = len(keras.tree.flatten(own))
    if len(flat) != count:
        raise ValueError(
            f"Argument `input_shape` must hold {count} shapes, one for each input of the model. "
            f"Received: input_shape={input_shape}"
        )
    return flat


def _concrete(tensor, wanted, received):
    own = tuple(tensor.shape)
    if wanted is None:
        wanted = own[1:]
    fits = len(wanted) == len(own) - 1 and all(
        theirs is None or theirs == ours for theirs, ours in zip(own[1:], wanted, strict=True)
    )
    if not fits:
        raise ValueError(
            f"Argument `input_shape` must fit the model's input {tensor.name!r} of shape "
            f"{own[1:]}. Received: input_shape={received}"
        )
    return _spec(wanted, tensor.dtype, f"input {tensor.name!r}", received, batch=own[0])


def _spec(shape, dtype, which, received, batch=None):
    if any(not isinstance(size, int) or size < 1 for size in shape):
        raise ValueError(
            f"Argument `input_shape` must give every dimension: the size of {which} is undefined, "
            f"{tuple(shape)}. Received: input_shape={received}"
        )
    return keras.KerasTensor((batch or 1, *shape), dtype=dtype)
