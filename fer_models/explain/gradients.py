"""Outputs of layers inside a model, and the gradients of a class score with respect to them."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from fer_models.evaluation.layer_calls import CallPaths, intercept_calls


class FeatureGradients:
    """Features of some layers and the gradients of class scores there, compiled where possible.

    The layers' outputs are intercepted while the model runs, so the model stays as it is, and
    layers inside nested models and layers made of layers can be looked at. Weights are read at
    every call.

    Args:
        model: Built Keras model.
        targets: List of `(path, number)`: the layer's path and which of its calls, from 1.
        softened: `(path, replacement)` of the layer that turns scores into probabilities, or
            `None`; see `fer_models.evaluation.logits.last_activation`.
    """

    def __init__(self, model: keras.Model, targets: Any, softened: Any = None) -> None:
        self.model = model
        # The same output may explain two inputs: one interception serves both.
        distinct = dict.fromkeys(targets)
        self.targets = {target: place for place, target in enumerate(distinct)}
        self._softened = softened
        self._run = _BACKENDS[keras.backend.backend()](self)

    def __call__(self, inputs: Any, wanted: np.ndarray) -> tuple[list[Any], list[Any]]:
        """Return lists of features and of gradients, one entry for each distinct target.

        Args:
            inputs: A batch of the model's inputs.
            wanted: int32 array `(batch,)` of classes; -1 for the predicted one.
        """
        return self._run(inputs, wanted)

    def forward(
        self, run: Callable[[], Any], on_features: Callable[[int, Any], Any]
    ) -> tuple[Any, list[Any]]:
        """Call `run()`; return `(scores, features)` after `on_features(place, features)`."""
        seen = [None] * len(self.targets)
        paths = CallPaths()
        times = {path: 0 for path, _ in self.targets}

        def watch(layer, proceed, args, kwargs):
            with paths.enter(layer) as path:
                if self._softened is not None and path == self._softened[0]:
                    return self._softened[1](layer, *args)
                outputs = proceed(*args, **kwargs)
                if path in times:
                    times[path] += 1
                    place = self.targets.get((path, times[path]))
                    if place is not None:
                        outputs = seen[place] = on_features(place, outputs)
                return outputs

        with intercept_calls(watch):
            scores = run()
        return scores, seen


def _chosen(scores, wanted):
    """Return the sum of each example's score of its class: its gradients do not mix."""
    ops = keras.ops
    index = ops.where(wanted < 0, ops.cast(ops.argmax(scores, axis=-1), "int32"), wanted)
    hot = ops.one_hot(index, scores.shape[-1], dtype=scores.dtype)
    return ops.sum(scores * hot)


def _tensorflow(looked_at):
    import tensorflow as tf

    @functools.partial(tf.function, autograph=False, reduce_retracing=True)
    def run(inputs, wanted):
        with tf.GradientTape(watch_accessed_variables=False) as tape:

            def watch(place, features):
                tape.watch(features)
                return features

            scores, features = looked_at.forward(
                lambda: looked_at.model(inputs, training=False), watch
            )
            score = _chosen(scores, wanted)
        return features, tape.gradient(
            score, features, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )

    return run


def _jax(looked_at):
    import jax

    @jax.jit
    def run(trainable, others, inputs, wanted):
        model = looked_at.model

        def score(shifts):
            # The gradient at a zero shift of the features is the gradient of the features.
            # Not `stateless_call`, which enters the model past `__call__`.
            state = [
                *zip(model.trainable_variables, trainable, strict=True),
                *zip(model.non_trainable_variables, others, strict=True),
            ]
            with keras.StatelessScope(state_mapping=state):
                scores, features = looked_at.forward(
                    lambda: model(inputs, training=False),
                    lambda place, features: (
                        features if shifts is None else features + shifts[place]
                    ),
                )
            return _chosen(scores, wanted), features

        _, shapes = jax.eval_shape(lambda: score(None))
        zeros = [keras.ops.zeros(shape.shape, shape.dtype) for shape in shapes]
        gradients, features = jax.grad(score, has_aux=True)(zeros)
        return features, gradients

    def with_weights(inputs, wanted):
        trainable = [variable.value for variable in looked_at.model.trainable_variables]
        others = [variable.value for variable in looked_at.model.non_trainable_variables]
        return run(trainable, others, inputs, wanted)

    return with_weights


def _torch(looked_at):
    import torch

    def run(inputs, wanted):
        def watch(place, features):
            return features if features.requires_grad else features.requires_grad_()

        with torch.enable_grad():
            inputs = keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)
            wanted = keras.ops.convert_to_tensor(wanted)
            scores, features = looked_at.forward(
                lambda: looked_at.model(inputs, training=False), watch
            )
            gradients = torch.autograd.grad(
                _chosen(scores, wanted), features, materialize_grads=True
            )
        return [each.detach() for each in features], list(gradients)

    return run


_BACKENDS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
