"""A Keras model as a network for the Recognizer, compiled once."""

import warnings

import keras
import numpy as np

from fer_data.compiled import lite_runner
from fer_data.compiled.frozen_graph import freeze
from fer_data.compiled.lite_graph import NotConvertibleError, lite
from fer_models.runtime.face_network import FaceNetwork
from fer_models.zoo.face_outputs import DIMENSIONS, gives_valence_arousal, in_one_row
from fer_models.zoo.float32_copy import float32_copy
from fer_models.zoo.model_checks import check_model, check_one_output


def keras_network(model: keras.Model, class_names: tuple[str, ...] | None = None) -> FaceNetwork:
    """Return a model as a function, in the form that is fast on Keras's backend.

    On TensorFlow the model is converted to LiteRT, which is the fastest on a processor. Where there
    is a graphics card, or LiteRT lacks an operation of the model, it is frozen into a graph
    instead. On JAX it is compiled for batches of 1, 2, 4 and so on. On PyTorch it runs without
    gradients. The function keeps the weights of this moment, whatever later training does, except
    on PyTorch, which calls the model itself. A model of half precision, such as one trained under
    `"mixed_float16"`, runs as its copy in float32; see `fer_models.zoo.float32_copy`.

    Args:
        model: A `keras.Model` from `(batch, size, size, 1 or 3)` in [0, 255] to `(batch, classes)`
            probabilities, or one of `fer_models.with_valence_arousal`.
        class_names: Names of its classes, if they are known.

    Raises:
        ValueError: If the model has another input or output, or several, of which one must be
            chosen.
    """
    check_model(model)
    felt = gives_valence_arousal(model)
    model = in_one_row(model)
    check_one_output(model)
    shape, output = getattr(model, "input_shape", None), getattr(model, "output_shape", None)
    if (
        not isinstance(shape, tuple)
        or len(shape) != 4
        or shape[1] is None
        or shape[1] != shape[2]
        or shape[3] not in (1, 3)
    ):
        raise ValueError(
            "The model must take one input (batch, size, size, 1 or 3), its size fixed. "
            f"Received: input_shape={shape}"
        )
    if not isinstance(output, tuple) or len(output) != 2 or output[1] is None:
        raise ValueError(
            f"The model must give one output (batch, classes). Received: output_shape={output}"
        )
    run = _compiled(float32_copy(model), shape)
    classes = output[1] - (len(DIMENSIONS) if felt else 0)
    return FaceNetwork(run, shape[1], shape[3], classes, class_names, valence_arousal=felt)


def _compiled(model, shape):
    """Return a function from float32 `(n, size, size, channels)` to the model's rows."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return _for_tensorflow(lambda images: model(images, training=False), shape)
    if backend == "jax":
        return _for_jax(model)
    if backend == "torch":
        return _for_torch(model)
    raise RuntimeError(
        "A Recognizer runs on Keras's TensorFlow, JAX and PyTorch backends. "
        f"Received: backend={backend!r}"
    )


def _for_tensorflow(function, shape):
    import tensorflow as tf

    if not tf.config.list_logical_devices("GPU") and lite_runner.available():
        try:
            return lite(function, shape[1:])
        except NotConvertibleError as error:
            warnings.warn(
                f"The network runs in TensorFlow, which takes longer for each face. {error}",
                stacklevel=6,
            )
    run = freeze(function, (None, *shape[1:]))
    return lambda images: run(tf.constant(images))[0].numpy()


def _for_jax(model):
    import jax
    from jax import numpy as jnp

    # Copies: `fit`, `evaluate` and `predict` give the model's own arrays away.
    trainable = [jnp.array(variable.value) for variable in model.trainable_variables]
    others = [jnp.array(variable.value) for variable in model.non_trainable_variables]

    @jax.jit
    def compiled(trainable, others, images):
        return model.stateless_call(trainable, others, images, training=False)[0]

    def run(images):
        count = len(images)
        # Every new length would compile for seconds.
        room = 1 << (count - 1).bit_length()
        padded = np.concatenate([images, np.zeros((room - count, *images.shape[1:]), images.dtype)])
        return np.asarray(compiled(trainable, others, padded))[:count]

    return run


def _for_torch(model):
    import torch

    def run(images):
        with torch.no_grad():
            return model(keras.ops.convert_to_tensor(images), training=False).cpu().numpy()

    return run
