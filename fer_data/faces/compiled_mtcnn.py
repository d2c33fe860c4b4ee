"""MTCNN's three networks as frozen graphs: the same faces in less time."""

import tensorflow as tf

from fer_data.frozen_graph import freeze

# What the networks take, in the order of the wheel's stages.
_INPUTS = ((None, None, None, 3), (None, 24, 24, 3), (None, 48, 48, 3))


def compile_stages(network):
    """Compile the networks of an `mtcnn.MTCNN`, in place, and return it.

    The wheel calls its Keras layers one by one, and hands the picture to TensorFlow anew for each
    size of its pyramid; most of its time goes there.
    """
    for stage, shape in zip(network.stages, _INPUTS, strict=True):
        stage._model = freeze(stage._model, shape)
    network._stages = [_Stage(stage) for stage in network.stages]
    return network


class _Stage:
    """A stage that gets the pictures as the tensor that all of its steps need."""

    def __init__(self, stage):
        self._stage = stage
        self.name, self.id = stage.name, stage.id

    def __call__(self, images_normalized, **options):
        pictures = tf.convert_to_tensor(images_normalized.astype("float32"))
        return self._stage(images_normalized=pictures, **options)
