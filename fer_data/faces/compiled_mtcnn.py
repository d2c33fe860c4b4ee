"""MTCNN's three networks, compiled: the same faces in less time."""

import os

import numpy as np
import tensorflow as tf

from fer_data.compiled.frozen_graph import freeze
from fer_data.compiled.lite_graph import lite

# What the networks take, in the order of the wheel's stages, and how many numbers each of their
# outputs has for a place: shifts of the box, landmarks, scores.
_INPUTS = ((None, None, 3), (24, 24, 3), (48, 48, 3))
_OUTPUTS = ((4, 2), (4, 2), (4, 10, 2))
# Below this side nothing is left after the first network's convolutions.
_LEAST_SIDE = 11
# More cores than this gain nothing on pictures of a few hundred pixels.
_MOST_THREADS = 4


def compile_stages(network, on_cpu=True):
    """Compile the networks of an `mtcnn.MTCNN`, in place, and return it.

    The wheel calls its Keras layers one by one, and hands the picture to TensorFlow anew for each
    size of its pyramid; most of its time goes there.

    Args:
        network: The `mtcnn.MTCNN`.
        on_cpu: Whether LiteRT runs the networks, on the processor, or else TensorFlow on the
            wheel's device.
    """
    for stage, shape, outputs in zip(network.stages, _INPUTS, _OUTPUTS, strict=True):
        if on_cpu:
            stage._model = _LiteNetwork(stage._model, shape, outputs)
        else:
            stage._model = freeze(stage._model, (None, *shape))
    network._stages = [_Stage(stage) for stage in network.stages]
    return network


class _LiteNetwork:
    """A network with several outputs, run by LiteRT."""

    def __init__(self, model, shape, outputs):
        # Only the first network has work enough for several cores: it sees the whole picture.
        threads = 1 if shape[0] else min(_cores(), _MOST_THREADS)
        self._run = lite(lambda images: tf.concat(model(images), -1), shape, threads)
        self._ends = np.cumsum(outputs)[:-1]

    def __call__(self, images):
        if min(images.shape[1:3]) < _LEAST_SIDE:
            # In TensorFlow's words, which the wheel takes for a picture without faces.
            raise tf.errors.InvalidArgumentError(None, None, "the picture is too small")
        parts = np.split(self._run(images), self._ends, axis=-1)
        return [tf.convert_to_tensor(part) for part in parts]


class _Stage:
    """A stage that gets the pictures as the tensor that all of its steps need."""

    def __init__(self, stage):
        self._stage = stage
        self.name, self.id = stage.name, stage.id

    def __call__(self, images_normalized, **options):
        pictures = tf.convert_to_tensor(images_normalized.astype("float32"))
        return self._stage(images_normalized=pictures, **options)


def _cores():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
