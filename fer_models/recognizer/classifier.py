"""A network, compiled once, from faces to probabilities."""

import warnings

import keras
import numpy as np

from fer_data.compiled.frozen_graph import freeze
from fer_data.compiled.lite_graph import NotConvertibleError, lite
from fer_models.recognizer.cropping import as_channels, resized


class Classifier:
    """Calls a network the fast way of the backend; never `predict`, never retraced.

    With TensorFlow it is converted to LiteRT, which is the fastest on a processor, or, where there
    is a graphics card or an operation that LiteRT does not have, frozen into a graph; with JAX it
    is compiled for batches of 1, 2, 4 and so on; with PyTorch it runs without gradients. The
    weights are those of the moment, and later training changes nothing here, but with PyTorch,
    which calls the model itself.

    Args:
        model: a `keras.Model` from `(batch, size, size, 1 or 3)` in [0, 255] to `(batch, classes)`
            probabilities.
        batch_size: faces that go through the network together, at most.
        flip: whether to take the mean with the mirrored face.

    Raises:
        ValueError: if the model has another input or output.
    """

    def __init__(self, model, batch_size=32, flip=False):
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
        self.size, self.channels, self.classes = shape[1], shape[3], output[1]
        self.batch_size = batch_size
        self._run = _compiled(model, shape, flip)
        grey = np.full((1, *shape[1:]), 128, np.float32)
        found = np.asarray(self._run(grey))
        if not (found >= 0).all() or abs(found.sum() - 1) > 1e-3:
            raise ValueError(
                "The model must end in probabilities, as a softmax gives them; build it with "
                f"classifier_activation='softmax'. Received: outputs {found[0].round(3).tolist()} "
                "for a grey picture"
            )

    def __call__(self, crops):
        """Return float32 probabilities `(n, classes)` of faces `(n, s, s, 1 or 3)` in [0, 255].

        Faces of another size or number of channels are brought to the network's, as
        `fer_models.recognizer.cropping` says.
        """
        crops = np.asarray(crops)
        if crops.ndim != 4 or crops.shape[1] != crops.shape[2] or crops.shape[3] not in (1, 3):
            raise ValueError(
                "`crops` must have the shape (faces, size, size, 1 or 3). "
                f"Received: shape={crops.shape}"
            )
        if crops.dtype != np.uint8 and not np.issubdtype(crops.dtype, np.floating):
            raise ValueError(f"`crops` must be uint8 or float. Received: dtype={crops.dtype}")
        if 0 in crops.shape[1:]:
            raise ValueError(f"`crops` must not be of size 0. Received: shape={crops.shape}")
        faces = as_channels(crops, self.channels)
        if len(faces) and faces.shape[1] != self.size:
            faces = np.stack([resized(face, self.size) for face in faces])
        parts = [
            np.asarray(self._run(faces[start : start + self.batch_size]))
            for start in range(0, len(faces), self.batch_size)
        ]
        return np.concatenate([np.zeros((0, self.classes), np.float32), *parts])


def _compiled(model, shape, flip):
    """Return a function from float32 `(n, size, size, channels)` to `(n, classes)`."""

    def call(images, function):
        if not flip:
            return function(images)
        both = function(keras.ops.concatenate([images, keras.ops.flip(images, axis=2)]))
        count = keras.ops.shape(images)[0]
        return (both[:count] + both[count:]) / 2

    backend = keras.backend.backend()
    if backend == "tensorflow":
        return _for_tensorflow(
            lambda images: call(images, lambda x: model(x, training=False)), shape
        )
    if backend == "jax":
        return _for_jax(model, call)
    if backend == "torch":
        return _for_torch(lambda images: call(images, lambda x: model(x, training=False)))
    raise RuntimeError(
        "A Recognizer runs on Keras's TensorFlow, JAX and PyTorch backends. "
        f"Received: backend={backend!r}"
    )


def _for_tensorflow(function, shape):
    import tensorflow as tf

    if not tf.config.list_logical_devices("GPU"):
        try:
            return lite(function, shape[1:])
        except NotConvertibleError as error:
            warnings.warn(
                f"The network runs in TensorFlow, which takes longer for each face. {error}",
                stacklevel=5,
            )
    run = freeze(function, (None, *shape[1:]))
    return lambda images: run(tf.constant(images))[0].numpy()


def _for_jax(model, call):
    import jax

    trainable = [variable.value for variable in model.trainable_variables]
    others = [variable.value for variable in model.non_trainable_variables]

    @jax.jit
    def compiled(trainable, others, images):
        return call(images, lambda x: model.stateless_call(trainable, others, x, training=False)[0])

    def run(images):
        count = len(images)
        # Every new length would compile for seconds.
        room = 1 << (count - 1).bit_length()
        padded = np.concatenate([images, np.zeros((room - count, *images.shape[1:]), images.dtype)])
        return np.asarray(compiled(trainable, others, padded))[:count]

    return run


def _for_torch(function):
    import torch

    def run(images):
        with torch.no_grad():
            return function(keras.ops.convert_to_tensor(images)).cpu().numpy()

    return run
