"""What every layer of fer_layers must keep to, in one helper."""

import functools
import inspect
import json
import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

# For a test that runs on every backend, and among the slow ones where JAX compiles each shape.
SLOW_OFF_TENSORFLOW = [
    pytest.mark.backend,
    *([pytest.mark.slow] if keras.backend.backend() != "tensorflow" else []),
]
POLICIES = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}


def slow_off_tensorflow(test):
    """Mark a test with `SLOW_OFF_TENSORFLOW`."""
    for mark in SLOW_OFF_TENSORFLOW:
        test = mark(test)
    return test


def to_numpy(tensor):
    """Return `tensor` as a float32 array, bfloat16 included, which NumPy lacks."""
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))


def first(array):
    """Turn a batch of data format channels_last into channels_first."""
    return np.moveaxis(array, -1, 1)


def last(array):
    """Turn a batch of data format channels_first into channels_last."""
    return np.moveaxis(array, 1, -1)


def sample(shape, low=-1.0, high=1.0, seed=0):
    """Return a seeded uniform float32 array."""
    return np.random.default_rng(seed).uniform(low, high, shape).astype("float32")


def randomize(layer, seed=1):
    """Give every weight a random value, so that no fresh 0 or 1 hides an error.

    The values are positive where a variance or a scale stands; kernels take both signs.
    """
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        if len(weight.shape) > 1:
            scale = 1 / np.sqrt(np.prod(weight.shape[:-1]))
            weight.assign(rng.normal(0, scale, weight.shape).astype("float32"))
        else:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape).astype("float32"))


def infer(layer, x):
    """Return a built layer's inference output, compiled on JAX, whose eager calls take seconds."""
    return _compiled(lambda x: layer(x, training=False))(x)


def _compiled(function):
    """Return a function of arrays compiled where that is faster than each operation alone."""
    if keras.backend.backend() != "jax":
        return function
    import jax

    return jax.jit(function)


def in_open_graph(layer, x):
    """Return the output for `x` of a graph traced with every axis but the channels undefined.

    Only TensorFlow has such graphs (its exports do); elsewhere this is an ordinary call. `predict`
    would not do: it traces with the sizes of its data, whatever the model's input says.
    """
    if keras.backend.backend() != "tensorflow":
        return to_numpy(infer(layer, x))
    import tensorflow as tf

    open_shape = tf.TensorSpec([None] * (x.ndim - 1) + [x.shape[-1]], "float32")
    return tf.function(lambda x: layer(x, training=False), input_signature=[open_shape])(x).numpy()


@functools.cache
def channels_first_problem():
    """Return why this machine's backend cannot convolve channels_first, or None if it can."""
    convolution = keras.layers.Conv2D(1, 1, data_format="channels_first")
    try:
        convolution(np.zeros((1, 1, 2, 2), "float32"))
    except Exception as error:  # each backend has its own class for this
        return f"{keras.backend.backend()} cannot convolve channels_first here: {error}"
    return None


def check_layer(
    layer_class,
    init_kwargs,
    input_shape,
    *,
    expected_output_shape,
    expected_trainable,
    expected_non_trainable,
    expected_parameters,
    expected_seeds=0,
    input_range=(-1.0, 1.0),
    precision=0.03,
    idle=(),
):
    """Check a layer against everything that the package promises of its layers.

    Config round trip, symbolic, eager and computed shapes (also with undefined height and width),
    weight counts, deterministic inference, a training step that changes every weight, mixed
    precision, and a `.keras` file that gives back the same outputs, and a frozen layer frozen.
    `check_channels_first` does the other data format.

    Args:
        layer_class: The class of the layer.
        init_kwargs: Its arguments.
        input_shape: Shape of the input with the batch axis, channels last.
        expected_output_shape: Likewise for the output.
        expected_trainable: Number of trainable weight tensors.
        expected_non_trainable: Number of the others, such as moving averages.
        expected_parameters: Number of scalars in all weights.
        expected_seeds: Number of states of random generators.
        input_range: Lowest and highest value of the sample input.
        precision: Largest error in mixed precision, as a fraction of the largest output.
        idle: Endings of the paths of weights whose gradient is zero by construction, such as a
            shift that a later batch norm takes out.
    """
    x = sample(input_shape, *input_range)
    layer = layer_class(**init_kwargs)
    _check_config(layer)
    _check_shapes(layer, input_shape, expected_output_shape)

    assert len(layer.trainable_weights) == expected_trainable
    assert len(layer.non_trainable_weights) == expected_non_trainable
    seeds = len(layer.variables) - len(layer.weights)
    assert seeds == expected_seeds
    assert layer.count_params() == expected_parameters

    randomize(layer)
    expected = _check_inference(layer, x, expected_output_shape)
    _check_dynamic_shape(layer, x, expected)
    _check_precision(layer, x, expected, init_kwargs, precision)
    model = _model(layer, input_shape)
    _check_saving(model, x, expected)
    _check_frozen(model, x)
    _check_training(model, layer, x, tuple(idle))


def check_channels_first(
    layer_class, init_kwargs, input_shape, *, input_range=(-1.0, 1.0), idle=(), train=True
):
    """Check that channels_first gives the transposed output with the same weights, or skip.

    With `train`, a training step must change every weight as well.
    """
    assert "data_format" in inspect.signature(layer_class).parameters
    if channels_first_problem():
        pytest.skip(channels_first_problem())
    x = sample(input_shape, *input_range)
    expected_layer = layer_class(**init_kwargs, data_format="channels_last")
    layer = layer_class(**init_kwargs, data_format="channels_first")
    expected_layer.build(x.shape)
    layer.build(first(x).shape)
    randomize(expected_layer)
    layer.set_weights(expected_layer.get_weights())
    for sublayer in layer._flatten_layers():
        assert getattr(sublayer, "data_format", "channels_first") == "channels_first", sublayer.name

    expected = to_numpy(infer(expected_layer, x))
    model = _model(layer, first(x).shape)
    actual = to_numpy(infer(model, first(x)))
    assert layer.compute_output_shape(first(x).shape) == actual.shape
    assert model.output_shape[1:] == actual.shape[1:]
    np.testing.assert_allclose(last(actual), expected, atol=1e-5, rtol=1e-5)
    if train:
        _check_training(model, layer, first(x), tuple(idle))


def _model(layer, input_shape):
    inputs = keras.Input(input_shape[1:])
    return keras.Model(inputs, layer(inputs))


def _check_config(layer):
    config = layer.get_config()
    parameters = inspect.signature(type(layer)).parameters.values()
    own = {p.name for p in parameters if p.kind is not inspect.Parameter.VAR_KEYWORD}
    assert own <= set(config), f"missing from the config: {own - set(config)}"
    assert type(layer).from_config(config).get_config() == config

    written = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    assert written["registered_name"] == f"fer_layers>{type(layer).__name__}"
    revived = keras.saving.deserialize_keras_object(written)
    assert type(revived) is type(layer)
    assert revived.get_config() == config


def _check_shapes(layer, input_shape, expected_output_shape):
    computed = layer.compute_output_shape(input_shape)
    assert tuple(computed) == expected_output_shape
    symbolic = layer(keras.Input(input_shape[1:], batch_size=input_shape[0]))
    assert tuple(symbolic.shape) == expected_output_shape
    assert layer.built


def _check_inference(layer, x, expected_output_shape):
    run = _compiled(lambda x: layer(x, training=False))
    expected = to_numpy(run(x))
    assert expected.shape == expected_output_shape
    assert np.isfinite(expected).all()
    np.testing.assert_array_equal(to_numpy(run(x)), expected)
    np.testing.assert_array_equal(to_numpy(_compiled(layer)(x)), expected)
    return expected


def _check_dynamic_shape(layer, x, expected):
    open_shape = (None,) * (x.ndim - 1) + (x.shape[-1],)
    model = _model(layer, open_shape)
    assert tuple(layer.compute_output_shape(open_shape)) == model.output_shape
    if keras.backend.backend() == "tensorflow":
        np.testing.assert_allclose(in_open_graph(model, x), expected, atol=1e-5, rtol=1e-5)


def _check_precision(layer, x, expected, init_kwargs, precision):
    # The types are Keras's work, the same on each backend; JAX would compile each.
    policies = POLICIES if keras.backend.backend() == "tensorflow" else ["mixed_bfloat16"]
    for policy in policies:
        compute_dtype = POLICIES[policy]
        twin = type(layer)(**init_kwargs, dtype=policy)
        symbolic = twin(keras.Input(x.shape[1:]))
        assert symbolic.dtype == compute_dtype
        twin.set_weights(layer.get_weights())
        output = infer(twin, x)
        assert keras.backend.standardize_dtype(output.dtype) == compute_dtype
        assert {weight.dtype for weight in twin.weights} <= {"float32"}
        assert {sub.dtype_policy.name for sub in twin._flatten_layers()} == {policy}
        error = np.abs(to_numpy(output) - expected).max()
        assert error <= precision * np.abs(expected).max(), f"{policy}: {error}"


def _check_saving(model, x, expected):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "layer.keras"
        model.save(path)
        revived = keras.saving.load_model(path)
    for ours, theirs in zip(revived.weights, model.weights, strict=True):
        np.testing.assert_array_equal(to_numpy(ours), to_numpy(theirs), strict=True)
    np.testing.assert_allclose(to_numpy(infer(revived, x)), expected, atol=1e-5, rtol=1e-5)


def _check_frozen(model, x):
    model.trainable = False
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frozen.keras"
        model.save(path)
        revived = keras.saving.load_model(path)
    model.trainable = True
    frozen = revived.layers[-1]
    thawed = [sub.path for sub in frozen._flatten_layers() if sub.trainable]
    assert not thawed, f"trainable though they come from a frozen layer: {thawed}"
    if keras.backend.backend() == "tensorflow":  # JAX takes seconds for an eager call
        revived(x, training=True)
        for ours, theirs in zip(revived.weights, model.weights, strict=True):
            np.testing.assert_array_equal(to_numpy(ours), to_numpy(theirs), strict=True)
    frozen.trainable = True
    assert all(sub.trainable for sub in frozen._flatten_layers())
    assert len(frozen.trainable_weights) == len(model.layers[-1].trainable_weights)


def _check_training(model, layer, x, idle):
    if not layer.variables:
        return
    before = {v.path: ops.convert_to_numpy(v) for v in layer.variables}
    target = sample((len(x), *model.output_shape[1:]), seed=2)
    # A model without weights of its own still needs something to train for its seeds to advance.
    inputs = keras.Input(x.shape[1:])
    scale = keras.layers.Dense(1) if not layer.trainable_weights else None
    outputs = layer(inputs) if scale is None else scale(layer(inputs))
    trained = keras.Model(inputs, outputs)
    # The models' own tests train compiled; here TensorFlow would trace far longer than it trains.
    untraced = keras.backend.backend() == "tensorflow"
    trained.compile(keras.optimizers.SGD(1.0), "mse", run_eagerly=untraced)
    trained.fit(x, target if scale is None else target[..., :1], batch_size=len(x), verbose=0)
    for variable in layer.variables:
        after = ops.convert_to_numpy(variable)
        assert np.isfinite(after).all(), f"{variable.path} is not finite after a step"
        if not variable.path.endswith(idle):
            # More than rounding, which moves even a weight whose gradient is zero.
            change = np.abs(after.astype("float64") - before[variable.path]).max()
            assert change > 1e-6, f"{variable.path} did not change in a step"
