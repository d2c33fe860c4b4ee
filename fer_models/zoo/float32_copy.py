"""A model of half precision as one of float32, with the same weights."""

from typing import Any

import keras

HALF = ("float16", "bfloat16")
# By how much a probability of the copy may differ from the model's, which is rounded at every
# layer: float16 keeps 11 bits of a number, bfloat16 keeps 8.
TOLERANCES = {"float16": 0.02, "bfloat16": 0.1}


def half_type(model: keras.Model) -> str | None:
    """Return the type of half precision that a model computes in or keeps its weights in.

    Args:
        model: A built Keras model.

    Returns:
        `"float16"`, `"bfloat16"` or None.
    """
    for layer in model._flatten_layers():
        # A graph of layers computes nothing of its own, and has the policy of the moment.
        if isinstance(layer, (keras.Sequential, keras.Function)):
            continue
        for each in (layer.compute_dtype, layer.variable_dtype):
            if each in HALF:
                return each
    return None


def float32_copy(model: keras.Model) -> keras.Model:
    """Return a model that computes in float32, with the weights of the moment.

    Half precision is for training on a graphics card. What converts a model for a processor, such
    as LiteRT and ONNX, lacks operations of it, and a softmax in it does not sum to one.

    Args:
        model: A built Keras model, under any of Keras's dtype policies.

    Returns:
        A copy under the policy `"float32"`; the model itself where it has no half precision. The
        probabilities of the two differ by `TOLERANCES` at most, by what the model rounds.

    Raises:
        ValueError: If a layer cannot be made again from its `get_config`.

    Example:

    >>> import fer_models
    >>> keras.config.set_dtype_policy("mixed_float16")
    >>> model = fer_models.ghostface(input_shape=(32, 32, 1), width=0.25)
    >>> keras.config.set_dtype_policy("float32")
    >>> half_type(model), half_type(float32_copy(model))
    ('float16', None)
    """
    kind = half_type(model)
    if kind is None:
        return model
    policy = keras.config.dtype_policy()
    # A layer of the user's own may leave the policy out of its config and make others inside.
    keras.config.set_dtype_policy("float32")
    try:
        config = _in_float32(keras.saving.serialize_keras_object(model))
        copy = keras.saving.deserialize_keras_object(
            config, custom_objects=_own_classes(model), safe_mode=False
        )
        pairs = list(zip(model.weights, copy.weights, strict=True))
    except (TypeError, ValueError, NotImplementedError) as error:
        raise ValueError(
            f"A model in {kind} must be copied in float32 first, from the `get_config` of its "
            "layers. Build it under the policy 'float32' and load its weights, or register its "
            f"layers with `keras.saving.register_keras_serializable`. Received: {model.name!r} "
            f"({error})"
        ) from error
    finally:
        keras.config.set_dtype_policy(policy)
    if half_type(copy) is not None:
        raise ValueError(
            "A model must take its dtype policy from its config, to be copied in float32. "
            f"Received: {model.name!r}, a layer of which sets {half_type(copy)!r} itself"
        )
    for weight, target in pairs:
        target.assign(keras.ops.cast(weight, target.dtype))
    return copy


def _in_float32(config: Any) -> Any:
    """Return a config with float32 in place of half precision, and nothing compiled."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            name = config["config"]["name"]
            half = name in HALF or name.removeprefix("mixed_") in HALF
            return {**config, "config": {"name": "float32" if half else name}}
        return {
            key: "float32" if key == "dtype" and _is_half(value) else _in_float32(value)
            for key, value in config.items()
            if key != "compile_config"
        }
    if isinstance(config, (list, tuple)):
        return type(config)(_in_float32(each) for each in config)
    return config


def _is_half(value):
    return isinstance(value, str) and value.removeprefix("mixed_") in HALF


def _own_classes(model):
    kinds = {type(layer) for layer in model._flatten_layers()}
    return {
        keras.saving.get_registered_name(kind): kind
        for kind in kinds
        if not kind.__module__.startswith("keras.")
    }
