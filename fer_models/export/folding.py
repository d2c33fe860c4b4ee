"""Batch normalisation folded into the convolution before it, for inference."""

from collections import Counter

import keras
import numpy as np

from fer_data.checks import shown
from fer_models.zoo.batch_norm import batch_norm_layers

_DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
_PRODUCTS = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Dense,
    *_DEPTHWISE,
)


def fold_batch_norm(model: keras.Model) -> keras.Model:
    """Return a copy of a model for inference, its batch norms folded into the layers before them.

    In inference batch normalisation is `y = scale * x + shift` for each channel, with
    `scale = gamma / sqrt(moving_variance + epsilon)` and
    `shift = beta - scale * moving_mean`. A convolution, a depthwise convolution or a dense layer
    right before it can do the same with another kernel and bias: the outputs stay the same, and an
    operation is saved. For this, the layers of `fer_layers` are made anew with `use_norm=False`.

    A batch norm stays where it does not come right after such a layer, where something else reads
    that layer's output too, where one of the two is called more than once, and in layers of your
    own. `batch_norms` names those that are left.

    The copy is for inference: it could be trained, but without normalisation. The model itself is
    not touched, and its later training does not change the copy.

    Args:
        model: A built Keras model of layers: functional or `Sequential`, nested ones included.

    Returns:
        A `keras.Model` of the same inputs, outputs and name, not compiled. It can be saved and
        loaded as any other.

    Raises:
        ValueError: If `model` is no built Keras model, computes its output in a `call` of its own,
            or is quantized.

    Example:

    >>> import fer_models
    >>> from fer_models.export import batch_norms, fold_batch_norm
    >>> model = fer_models.ghostface(input_shape=(48, 48, 1), width=0.25)
    >>> folded = fold_batch_norm(model)
    >>> len(batch_norms(model)), len(batch_norms(folded))
    (81, 0)

    Reference:
        Jacob et al., "Quantization and Training of Neural Networks for Efficient
        Integer-Arithmetic-Only Inference", CVPR 2018, section 3.2.
    """
    _check(model)
    return _folded(model)


def batch_norms(model: keras.Model) -> tuple[str, ...]:
    """Return the paths of all batch normalisation layers in a model, in layers and models too.

    Args:
        model: A Keras model.

    Returns:
        A tuple of strings such as `"bottleneck_1/expand/primary/norm"`.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"`model` must be a `keras.Model`. Received: model={shown(model)}")
    return tuple(layer.path for layer in batch_norm_layers(model))


def _check(model):
    if not isinstance(model, keras.Model):
        raise ValueError(f"`model` must be a `keras.Model`. Received: model={shown(model)}")
    if not model.built or not getattr(model, "inputs", None):
        raise ValueError(
            "`model` must be a functional or sequential model with inputs of its own, so that its "
            f"layers and their order are known. Received: {model.name!r} of class "
            f"{type(model).__name__}"
        )
    for layer in model._flatten_layers():
        if _is_graph(layer) and _has_own_call(layer):
            raise ValueError(
                "`model` must not compute its output in a `call` of its own, which a copy made of "
                f"its layers would leave out. Received: {layer.name!r} of class "
                f"{type(layer).__name__}"
            )
        if getattr(layer, "quantization_mode", None):
            raise ValueError(
                "`model` must be folded before it is quantized. Received: "
                f"layer {layer.path!r} with quantization_mode={layer.quantization_mode!r}"
            )


def _is_graph(layer):
    """Return whether a layer is a functional or sequential model."""
    return isinstance(layer, keras.Sequential) or (
        isinstance(layer, keras.Model) and isinstance(layer, keras.Function)
    )


def _has_own_call(model):
    # Keras has no public name for its class of functional models.
    own = next(base for base in type(model).__mro__ if base.__module__.startswith("keras."))
    return type(model).call is not own.call


def _folded(model):
    if isinstance(model, keras.Sequential):
        return _folded_sequential(model)
    # The same graph without the compilation, which a clone would repeat.
    graph = keras.Model(model.input, model.output, name=model.name)
    norms = _pairs(graph)
    gone = {id(norm) for norm in norms.values()}
    copies = {}

    def copy(operation):
        if id(operation) in gone:
            return operation
        copies[id(operation)] = operation, _copy(operation, norms.get(operation.name))
        return copies[id(operation)][1]

    def call(operation, *args, **kwargs):
        if id(operation) in gone:
            return args[0] if args else kwargs["inputs"]
        return operation(*args, **kwargs)

    clone = keras.models.clone_model(graph, clone_function=copy, call_function=call)
    for operation, twin in copies.values():
        _give_weights(operation, twin, norms.get(operation.name))
    return clone


def _folded_sequential(model):
    source = model.inputs[0]
    stack = []  # (layer, norm folded into it)
    for layer in model.layers:
        if stack and stack[-1][1] is None and _fits(stack[-1][0], layer):
            stack[-1] = stack[-1][0], layer
        else:
            stack.append((layer, None))
    twins = [_copy(layer, norm) for layer, norm in stack]
    inputs = keras.Input(batch_shape=source.shape, dtype=source.dtype, name=source.name)
    clone = keras.Sequential([inputs, *twins], name=model.name)
    for (layer, norm), twin in zip(stack, twins, strict=True):
        _give_weights(layer, twin, norm)
    return clone


def _pairs(model):
    """Return the norm to fold into each layer of a functional model, by the layer's name."""
    config = model.get_config()
    by_name = {operation.name: operation for operation in model.operations}
    nodes = {entry["name"]: entry["inbound_nodes"] for entry in config["layers"]}
    readers = Counter(_names_read([*nodes.values(), config["output_layers"]]))
    pairs = {}
    for name, calls in nodes.items():
        if len(calls) != 1 or calls[0]["kwargs"].get("training"):
            continue
        sources = list(_names_read(calls[0]))
        if len(sources) != 1 or len(nodes[sources[0]]) != 1 or readers[sources[0]] != 1:
            continue
        if _fits(by_name[sources[0]], by_name[name]):
            pairs[sources[0]] = by_name[name]
    return pairs


def _names_read(config):
    """Yield the layer of each tensor that a part of a functional model's config refers to."""
    if isinstance(config, dict):
        if "keras_history" in config:
            yield config["keras_history"][0]
        else:
            for part in config.values():
                yield from _names_read(part)
    elif isinstance(config, (list, tuple)):
        # How the outputs of a model are written: [name, number of the call, number of the tensor].
        if len(config) == 3 and isinstance(config[0], str) and isinstance(config[1], int):
            yield config[0]
        else:
            for part in config:
                yield from _names_read(part)


def _fits(product, norm):
    """Return whether `norm` can be folded into `product` where it is all that reads its output."""
    # Subclasses may compute something else.
    if type(norm) is not keras.layers.BatchNormalization or type(product) not in _PRODUCTS:
        return False
    if product.activation not in (None, keras.activations.linear):
        return False
    if getattr(product, "lora_enabled", False):
        return False
    rank = norm.input_spec.ndim
    first = getattr(product, "data_format", None) == "channels_first"
    return norm.axis % rank == (1 if first else rank - 1)


def _copy(operation, norm):
    """Return a new layer, without weights as yet, that takes the place of one and its norm."""
    if _is_graph(operation):
        return _folded(operation)
    config = operation.get_config()
    if norm is not None:
        config["use_bias"] = True
    if _is_ours(operation) and "use_norm" in config:
        config["use_norm"] = False
    return type(operation).from_config(config)


def _is_ours(operation):
    return keras.saving.get_registered_name(type(operation)).startswith("fer_layers>")


def _give_weights(layer, twin, norm):
    """Give a copy the weights of a layer, with the norm after it and those inside it folded in."""
    if not isinstance(layer, keras.Layer) or _is_graph(layer):
        return  # An operation without weights, or a model that has given its own already.
    pairs = [(layer, norm, twin)] if norm is not None else _pairs_inside(layer, twin)
    done = set()
    for product, following, target in pairs:
        kernel, bias = _product(product, following)
        target.kernel.assign(kernel)
        # A layer that never had a norm, in a model that was folded before, has a bias as well.
        target.bias.assign(bias)
        for each in (product, following, target):
            done |= {id(weight) for weight in (each.weights if each is not None else ())}
    rest = ([w for w in side.weights if id(w) not in done] for side in (layer, twin))
    for source, target in zip(*rest, strict=True):
        target.assign(source)


def _pairs_inside(layer, twin):
    owners = (
        [part for part in side._flatten_layers() if hasattr(part, "norm_pairs")]
        for side in (layer, twin)
    )
    return [
        (product, norm, target)
        for ours, theirs in zip(*owners, strict=True)
        for (product, norm), (target, left) in zip(
            ours.norm_pairs(), theirs.norm_pairs(), strict=True
        )
        if left is None
    ]


def _product(layer, norm):
    """Return kernel and bias of a layer, those of its norm folded in."""
    kernel = _array(layer.kernel)
    bias = 0.0 if layer.bias is None else _array(layer.bias)
    if norm is None:
        return kernel, bias
    scale = 1 / np.sqrt(_array(norm.moving_variance) + norm.epsilon)
    if norm.scale:
        scale *= _array(norm.gamma)
    bias = (bias - _array(norm.moving_mean)) * scale
    if norm.center:
        bias = bias + _array(norm.beta)
    if type(layer) in _DEPTHWISE:
        # Input channels and what each is multiplied to: together the output channels.
        return kernel * scale.reshape(kernel.shape[-2:]), bias
    return kernel * scale, bias


def _array(variable):
    return keras.ops.convert_to_numpy(variable).astype("float64")
