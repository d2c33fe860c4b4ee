"""Grad-CAM: where in an image a class score comes from."""

import functools

import keras
import numpy as np

from fer_models.evaluation.layer_calls import CallPaths, intercept_calls, model_inputs, trace_calls

_CONVOLUTIONS = (
    keras.layers.Conv2D,
    keras.layers.Conv2DTranspose,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
)


def grad_cam(model, images, class_index=None, layer=None, batch_size=32):
    """Return a heat map for every image: how much each place speaks for a class.

    The maps of a layer are weighted by the mean gradient of the class score with respect to each,
    summed, and cut off below zero; the result is enlarged to the image (bilinear) and divided by
    its maximum. For many calls keep one `GradCAM`, which compiles once.

    One weight for a whole map suits heads that pool, as ours do. Under a `Flatten`, where a map
    may speak for a class in one place and against it in another, the weights say little.

    Args:
        model: Built Keras model of one image input and one output `(batch, classes)`. The score
            is what enters the softmax or sigmoid if the model ends in one (as the `activation` of
            its last layer or as a layer of its own), else the output as it is.
        images: Array `(batch, height, width, channels)`, or channels first if the model takes
            that, as the model takes them.
        class_index: Class to explain: an integer, or one for each image. `None` takes each
            image's predicted class.
        layer: Name, path such as `"block_2/ghost/conv"`, or object of the layer to look at. By
            default the last convolution whose output has several positions and channels; where
            later layers keep that output's shape (batch norm, activation, residual sum), the last
            of these.
        batch_size: Images at a time.

    Returns:
        A float32 array `(batch, height, width)` from 0 to 1. A map is all zeros where nothing
        speaks for the class.

    Raises:
        ValueError: If the model has no convolution or another number of inputs, the layer is
            unknown, a class is out of range, or the images do not fit the model.

    Example:

    ```python
    heat = grad_cam(model, images)  # (batch, height, width)
    ```

    Reference:
        Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
        Localization", ICCV 2017, equations 1 and 2.
    """
    return GradCAM(model, layer)(images, class_index, batch_size)


class GradCAM:
    """Grad-CAM of one model and layer, compiled once for each shape of images.

    Any layer can be looked at, also one inside a nested model or a layer made of layers: its
    output is intercepted while the model runs. The model stays as it is. Weights are read when it
    is called, so it can be kept while the model trains.

    Args:
        model: As in `grad_cam`.
        layer: As in `grad_cam`.

    Attributes:
        layer: The layer looked at.
        path: Its path in the model.

    Raises:
        ValueError: As in `grad_cam`.

    Example:

    ```python
    explain = GradCAM(model)
    heat = explain(images, class_index=3)
    ```
    """

    def __init__(self, model, layer=None):
        inputs = _image_input(model)
        self.model = model
        calls = trace_calls(model, inputs)
        output_shape = calls[-1].output_shape
        if not isinstance(output_shape, tuple) or len(output_shape) != 2:
            raise ValueError(
                "Argument `model` must have one output of shape (batch, classes). "
                f"Received: {output_shape} from model={model.name!r}"
            )
        self.classes = output_shape[1]
        self.layer, self.path = _find_layer(calls, layer, model)
        self._target_call = sum(call.path == self.path for call in calls)
        self._format = getattr(self.layer, "data_format", None) or _data_format(calls, self.path)
        self._softened = _last_activation(calls)
        self._run = _BACKENDS[keras.backend.backend()](self)

    def __call__(self, images, class_index=None, batch_size=32):
        """Return the heat maps of images: arguments and result as in `grad_cam`."""
        images = self._checked_images(images)
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(
                f"`batch_size` must be an integer of 1 or more. Received: batch_size={batch_size!r}"
            )
        wanted = self._checked_classes(class_index, len(images))
        heats = [np.zeros((0, *self._image_size(images)), "float32")]
        for start in range(0, len(images), batch_size):
            part = slice(start, start + batch_size)
            features, gradients = self._run(images[part], wanted[part])
            heats.append(self._heat(features, gradients, self._image_size(images)))
        return np.concatenate(heats)

    def _heat(self, features, gradients, size):
        features, gradients = (
            keras.ops.convert_to_numpy(keras.ops.cast(x, "float32")) for x in (features, gradients)
        )
        if self._format == "channels_first":
            features, gradients = (np.moveaxis(x, 1, -1) for x in (features, gradients))
        weights = gradients.mean(axis=(1, 2), keepdims=True)
        heat = np.maximum((features * weights).sum(axis=-1, keepdims=True), 0)
        heat = keras.ops.convert_to_numpy(
            keras.ops.image.resize(
                heat, size, interpolation="bilinear", data_format="channels_last"
            )
        )[..., 0]
        peak = heat.max(axis=(1, 2), keepdims=True)
        return np.divide(heat, peak, out=np.zeros_like(heat), where=peak > 0)

    def _image_size(self, images):
        return images.shape[2:] if self._format == "channels_first" else images.shape[1:3]

    def _checked_images(self, images):
        images = keras.ops.convert_to_numpy(images)
        own = self.model.inputs[0].shape
        fits = images.ndim == 4 and all(
            theirs is None or theirs == ours
            for theirs, ours in zip(own[1:], images.shape[1:], strict=True)
        )
        if not fits:
            raise ValueError(
                f"`images` must be a batch of shape {tuple(own)}. Received: shape={images.shape}"
            )
        return images.astype(keras.config.floatx())

    def _checked_classes(self, class_index, count):
        """Return one class an image; -1 stands for the predicted one."""
        if class_index is None:
            return np.full(count, -1, "int32")
        wanted = np.asarray(class_index)
        if wanted.dtype.kind not in "iu" or wanted.shape not in ((), (count,)):
            raise ValueError(
                f"`class_index` must be an integer or {count} of them, one for each image. "
                f"Received: class_index={class_index!r}"
            )
        if ((wanted < 0) | (wanted >= self.classes)).any():
            raise ValueError(
                f"`class_index` must be from 0 to {self.classes - 1}. "
                f"Received: class_index={class_index!r}"
            )
        return np.broadcast_to(wanted, (count,)).astype("int32")

    def forward(self, run, on_features=lambda features: features):
        """Call `run()` and return `(scores, features)`; `on_features` may replace the features."""
        seen = []
        paths = CallPaths()
        times = 0

        def watch(layer, proceed, args, kwargs):
            nonlocal times
            with paths.enter(layer) as path:
                if self._softened is not None and path == self._softened[0]:
                    return self._softened[1](layer, *args)
                outputs = proceed(*args, **kwargs)
                if path == self.path:
                    times += 1
                    if times == self._target_call:
                        outputs = on_features(outputs)
                        seen.append(outputs)
                return outputs

        with intercept_calls(watch):
            scores = run()
        return scores, seen[0]


def _chosen(scores, wanted):
    """Return the sum of each image's score of its class: its gradients do not mix."""
    ops = keras.ops
    index = ops.where(wanted < 0, ops.cast(ops.argmax(scores, axis=-1), "int32"), wanted)
    hot = ops.one_hot(index, scores.shape[-1], dtype=scores.dtype)
    return ops.sum(scores * hot)


def _tensorflow(cam):
    import tensorflow as tf

    @functools.partial(tf.function, autograph=False, reduce_retracing=True)
    def run(images, wanted):
        with tf.GradientTape(watch_accessed_variables=False) as tape:

            def watch(features):
                tape.watch(features)
                return features

            scores, features = cam.forward(lambda: cam.model(images, training=False), watch)
            score = _chosen(scores, wanted)
        return features, tape.gradient(
            score, features, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )

    return run


def _jax(cam):
    import jax

    @jax.jit
    def run(trainable, others, images, wanted):
        def score(shift):
            # The gradient at a zero shift of the features is the gradient of the features.
            # Not `stateless_call`, which enters the model past `__call__`.
            state = [
                *zip(cam.model.trainable_variables, trainable, strict=True),
                *zip(cam.model.non_trainable_variables, others, strict=True),
            ]
            with keras.StatelessScope(state_mapping=state):
                scores, features = cam.forward(
                    lambda: cam.model(images, training=False),
                    lambda features: features if shift is None else features + shift,
                )
            return _chosen(scores, wanted), features

        _, shape = jax.eval_shape(lambda: score(None))
        gradients, features = jax.grad(score, has_aux=True)(
            keras.ops.zeros(shape.shape, shape.dtype)
        )
        return features, gradients

    def with_weights(images, wanted):
        trainable = [variable.value for variable in cam.model.trainable_variables]
        others = [variable.value for variable in cam.model.non_trainable_variables]
        return run(trainable, others, images, wanted)

    return with_weights


def _torch(cam):
    import torch

    def run(images, wanted):
        def watch(features):
            return features if features.requires_grad else features.requires_grad_()

        with torch.enable_grad():
            images, wanted = (keras.ops.convert_to_tensor(x) for x in (images, wanted))
            scores, features = cam.forward(lambda: cam.model(images, training=False), watch)
            gradients = torch.autograd.grad(
                _chosen(scores, wanted), features, materialize_grads=True
            )[0]
        return features.detach(), gradients

    return run


_BACKENDS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}


def _image_input(model):
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


def _find_layer(calls, wanted, model):
    images = [call for call in calls if _is_map(call.output_shape)]
    if wanted is None:
        return _last_convolution(images, model)
    if isinstance(wanted, keras.Layer):
        found = [call for call in calls if call.layer is wanted]
    else:
        found = [call for call in calls if wanted in (call.path, call.layer.name)]
    paths = list(dict.fromkeys(call.path for call in found))
    if not paths:
        known = list(dict.fromkeys(call.path for call in images))
        raise ValueError(
            f"`layer` must be a layer of model {model.name!r}; those with maps end with "
            f"{', '.join(repr(path) for path in known[-8:])}. Received: layer={wanted!r}"
        )
    if len(paths) > 1:
        raise ValueError(
            f"`layer` must be the path of one layer, {' or '.join(map(repr, paths))}. "
            f"Received: layer={wanted!r}"
        )
    shape = found[-1].output_shape
    if not isinstance(shape, tuple) or len(shape) != 4 or not isinstance(shape[0], int):
        raise ValueError(
            f"`layer` must have an output of rank 4. Received: layer={paths[0]!r} with output "
            f"shape {shape}"
        )
    return found[-1].layer, paths[0]


def _last_convolution(images, model):
    # One channel is the gate of an attention layer, one position that of squeeze-and-excite.
    spots = [index for index, call in enumerate(images) if isinstance(call.layer, _CONVOLUTIONS)]
    if not spots:
        raise ValueError(
            "Argument `model` must hold a convolution whose output has several positions and "
            f"channels; name a `layer` otherwise. Received: model={model.name!r}"
        )
    last = images[spots[-1]]
    for call in images[spots[-1] :]:
        if call.output_shape == last.output_shape and call.path:
            last = call
    return last.layer, last.path


def _is_map(shape):
    return (
        isinstance(shape, tuple)
        and len(shape) == 4
        and all(isinstance(size, int) for size in shape)
        and min(shape[1:]) > 1
    )


def _data_format(calls, path):
    """Return the data format at a layer that has none, from the last one before it that has."""
    position = max(index for index, call in enumerate(calls) if call.path == path)
    for call in reversed(calls[:position]):
        if getattr(call.layer, "data_format", None):
            return call.layer.data_format
    return keras.config.image_data_format()


def _last_activation(calls):
    """Return `(path, replacement)` for the layer that turns scores into probabilities, or None."""
    leaves = [
        call
        for index, call in enumerate(calls)
        if call.path and not (index and calls[index - 1].path.startswith(call.path + "/"))
    ]
    last = leaves[-1] if leaves else None
    if last is None or last.output_shape != calls[-1].output_shape:
        return None
    layer = last.layer
    if isinstance(layer, keras.layers.Softmax):
        return last.path, lambda layer, scores: scores
    if getattr(layer, "activation", None) not in (
        keras.activations.softmax,
        keras.activations.sigmoid,
    ):
        return None
    if isinstance(layer, keras.layers.Activation):
        return last.path, lambda layer, scores: scores
    if isinstance(layer, keras.layers.Dense):
        return last.path, _dense_scores
    return None


def _dense_scores(layer, inputs):
    kernel, bias = (
        None if weight is None else keras.ops.cast(weight, layer.compute_dtype)
        for weight in (layer.kernel, layer.bias)
    )
    scores = keras.ops.matmul(keras.ops.cast(inputs, layer.compute_dtype), kernel)
    return scores if bias is None else scores + bias
