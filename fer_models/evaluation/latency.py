"""Time of one compiled forward pass."""

import contextlib
import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from fer_data import arguments
from fer_data.checks import check_integer
from fer_models.evaluation.layer_calls import model_inputs


@dataclasses.dataclass(frozen=True)
class Latency:
    """Times of a forward pass, input on the host to result on the host.

    Attributes:
        median_ms: Median time of a call in milliseconds.
        p10_ms: Tenth percentile.
        p90_ms: Ninetieth percentile.
        p99_ms: Ninety-ninth percentile.
        throughput: Images a second at the median.
        batch_size: Images in a call.
        input_shape: Shape of one image; a list of shapes for a model of several inputs.
        repeats: Number of calls timed.
        first_call_s: Time of the first call in seconds, tracing and compilation included.
        measured: What was timed, in words.
    """

    median_ms: float
    p10_ms: float
    p90_ms: float
    p99_ms: float
    throughput: float
    batch_size: int
    input_shape: tuple | list
    repeats: int
    first_call_s: float
    measured: str

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers, strings and lists, ready for JSON."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        return (
            f"{self.median_ms:.2f} ms a call (10 % below {self.p10_ms:.2f}, 90 % below "
            f"{self.p90_ms:.2f}, 99 % below {self.p99_ms:.2f}), {self.throughput:,.0f} images a "
            f"second: {self.measured}"
        )


@arguments.checked(
    input_shape=arguments.either(
        arguments.sequence(arguments.integer(1), 1),
        arguments.sequence(arguments.sequence(arguments.integer(1), 1), 1),
        arguments.mapping(arguments.sequence(arguments.integer(1), 1)),
        rule="a shape such as (48, 48, 1), or a list or a dictionary of shapes",
    )
)
def latency(
    model: keras.Model,
    batch_size: int = 1,
    input_shape: Sequence[int] | Sequence[Sequence[int]] | dict[str, Sequence[int]] | None = None,
    repeats: int = 50,
    warm_up: int = 5,
) -> Latency:
    """Time the forward pass of a model as a compiled function.

    This is what a live loop should call: `tf.function` on TensorFlow, `jax.jit` on JAX, the plain
    module without gradients on PyTorch. `model.predict` builds a data pipeline on every call and
    costs many times as much at small batches. The time is from random images in host memory to
    probabilities in host memory, on whatever device the backend takes by default.

    Args:
        model: Built Keras model.
        batch_size: Images in a call, 1 or more.
        input_shape: Shape of one image, for models that leave their size open; as in
            `complexity`.
        repeats: Number of calls to time, 1 or more.
        warm_up: Number of calls beforehand that are not timed, 1 or more.

    Returns:
        A `Latency`.

    Raises:
        ValueError: If a number is below 1, `model` is no built Keras model, or its size is open.

    Example:

    ```python
    print(latency(model, batch_size=1))
    ```
    """
    for name, value in (("batch_size", batch_size), ("repeats", repeats), ("warm_up", warm_up)):
        check_integer(name, value, 1)
    specs = model_inputs(model, input_shape)
    shapes = [tuple(spec.shape[1:]) for spec in keras.tree.flatten(specs)]
    generator = np.random.default_rng(0)

    def images(spec):
        pixels = generator.uniform(0, 255, (batch_size, *spec.shape[1:]))
        return pixels.astype(keras.backend.standardize_dtype(spec.dtype))

    inputs = keras.tree.map_structure(images, specs)
    forward, how = _compiled(model)
    started = time.perf_counter()
    forward(inputs)
    first_call = time.perf_counter() - started
    for _ in range(warm_up - 1):
        forward(inputs)
    times = np.empty(repeats)
    for index in range(repeats):
        started = time.perf_counter()
        forward(inputs)
        times[index] = time.perf_counter() - started
    median = float(np.median(times))
    p10, p90, p99 = (float(np.percentile(times, q)) * 1e3 for q in (10, 90, 99))
    return Latency(
        median_ms=median * 1e3,
        p10_ms=p10,
        p90_ms=p90,
        p99_ms=p99,
        throughput=batch_size / median,
        batch_size=batch_size,
        input_shape=shapes[0] if len(shapes) == 1 else shapes,
        repeats=repeats,
        first_call_s=first_call,
        measured=(
            f"{how}, batch {batch_size}, host to host, {model.dtype_policy.name}, "
            f"median of {repeats} calls after {warm_up}"
        ),
    )


def _compiled(model):
    """Return a function from arrays to an array, and how it runs."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        function = tf.function(lambda inputs: model(inputs, training=False), autograph=False)
        device = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        return _to_host(function), f"tf.function on the {device}"
    if backend == "jax":
        import jax

        trainable = [variable.value for variable in model.trainable_variables]
        others = [variable.value for variable in model.non_trainable_variables]

        @jax.jit
        def function(trainable, others, inputs):
            return model.stateless_call(trainable, others, inputs, training=False)[0]

        device = jax.default_backend().upper()
        return (
            _to_host(lambda inputs: function(trainable, others, inputs)),
            f"jax.jit on the {device}",
        )
    if backend == "torch":
        import torch

        no_gradients = torch.no_grad
        device = "GPU" if torch.cuda.is_available() else "CPU"
        how = f"PyTorch without gradients on the {device}"
    else:
        no_gradients, how = contextlib.nullcontext, f"{backend}, eagerly"

    def call(inputs):
        with no_gradients():
            inputs = keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)
            return model(inputs, training=False)

    return _to_host(call), how


def _to_host(function):
    # Fetching the result waits for the device, which asynchronous backends would hide.
    return lambda inputs: keras.tree.map_structure(keras.ops.convert_to_numpy, function(inputs))
