"""The layer helper must fail on layers that break a promise."""

import keras
import pytest
from helpers.layers import check_channels_first, check_layer
from keras import ops

SHAPE = (4, 6, 5, 3)


@keras.saving.register_keras_serializable(package="fer_layers")
class Sound(keras.layers.Layer):
    """Scales and normalises, and breaks no promise; the others derive from it."""

    def __init__(self, power=1, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.power = power
        self.data_format = data_format or keras.config.image_data_format()
        axis = -1 if self.data_format == "channels_last" else 1
        self.norm = keras.layers.BatchNormalization(
            axis=axis, dtype=self.dtype_policy, trainable=self.trainable
        )

    def build(self, input_shape):
        self.scale = self.add_weight(name="scale", shape=(), initializer="ones")
        self.norm.build(input_shape)
        super().build(input_shape)

    def call(self, inputs, training=None):
        return self.norm(inputs**self.power * self.scale, training=training) * self.scale

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        return super().get_config() | {"power": self.power, "data_format": self.data_format}


@keras.saving.register_keras_serializable(package="fer_layers")
class ForgetsConfig(Sound):
    def get_config(self):
        config = super().get_config()
        del config["power"]
        return config


@keras.saving.register_keras_serializable(package="fer_layers")
class WrongConfig(Sound):
    def get_config(self):
        return super().get_config() | {"power": self.power + 1}


@keras.saving.register_keras_serializable(package="fer_layers")
class ForgetsTraining(Sound):
    def call(self, inputs):
        return self.norm(inputs * self.scale, training=False) * self.scale


@keras.saving.register_keras_serializable(package="fer_layers")
class ForgetsPolicy(Sound):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.norm = keras.layers.BatchNormalization(dtype="float32", trainable=self.trainable)


@keras.saving.register_keras_serializable(package="fer_layers")
class ForgetsFreezing(Sound):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.norm = keras.layers.BatchNormalization(dtype=self.dtype_policy)


@keras.saving.register_keras_serializable(package="fer_layers")
class WrongShape(Sound):
    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 1)


@keras.saving.register_keras_serializable(package="fer_layers")
class DeadWeight(Sound):
    def call(self, inputs, training=None):
        return self.norm(inputs, training=training) + 0 * self.scale


@keras.saving.register_keras_serializable(package="fer_layers")
class Unsteady(Sound):
    def call(self, inputs, training=None):
        return super().call(inputs + keras.random.normal(ops.shape(inputs)), training=training)


@keras.saving.register_keras_serializable(package="fer_layers")
class FixedSize(Sound):
    def call(self, inputs, training=None):
        x = ops.reshape(inputs, (-1, inputs.shape[1] * inputs.shape[2], inputs.shape[3]))
        return super().call(ops.reshape(x, (-1, *inputs.shape[1:])), training=training)


@keras.saving.register_keras_serializable(package="elsewhere")
class WrongPackage(Sound):
    pass


@keras.saving.register_keras_serializable(package="fer_layers")
class LastOnly(Sound):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.norm = keras.layers.BatchNormalization(dtype=self.dtype_policy)


EXPECTED = {
    "expected_output_shape": SHAPE,
    "expected_trainable": 3,
    "expected_non_trainable": 2,
    "expected_parameters": 13,
}


@pytest.mark.backend
def test_sound_layer_passes():
    check_layer(Sound, {}, SHAPE, **EXPECTED)
    check_channels_first(Sound, {}, SHAPE)


@pytest.mark.parametrize(
    "layer",
    [
        ForgetsConfig,
        WrongConfig,
        ForgetsTraining,
        ForgetsPolicy,
        ForgetsFreezing,
        WrongShape,
        DeadWeight,
        Unsteady,
        pytest.param(
            FixedSize,
            marks=pytest.mark.skipif(
                keras.backend.backend() != "tensorflow", reason="only TensorFlow has open graphs"
            ),
        ),
        WrongPackage,
    ],
)
def test_broken_layer_is_found(layer):
    with pytest.raises((AssertionError, TypeError, ValueError)):
        check_layer(layer, {}, SHAPE, **EXPECTED)


@pytest.mark.parametrize(
    "wrong",
    [
        {"expected_trainable": 2},
        {"expected_non_trainable": 3},
        {"expected_parameters": 12},
        {"expected_seeds": 1},
        {"expected_output_shape": (4, 6, 5, 4)},
    ],
)
def test_wrong_count_is_found(wrong):
    with pytest.raises(AssertionError):
        check_layer(Sound, {}, SHAPE, **EXPECTED | wrong)


@pytest.mark.backend
def test_layer_of_one_data_format_is_found():
    with pytest.raises((AssertionError, TypeError, ValueError)):
        check_channels_first(LastOnly, {}, SHAPE)
