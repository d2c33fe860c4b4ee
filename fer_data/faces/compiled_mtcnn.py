"""MTCNN's three networks: as LiteRT files for a processor, or the wheel's on a TensorFlow device.

`fer_models.runtime.making` converted the wheel's networks to the LiteRT files, which need neither
TensorFlow nor the wheel.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fer_data.checks import check_choice
from fer_data.compiled import lite_runner, ready_files
from fer_data.compiled.frozen_graph import freeze
from fer_data.whole import how_to_install

FOLDER = Path(__file__).parent / "networks"
# Names of the ready networks, in the order of the cascade, and the input of each.
INPUTS = {
    "mtcnn_pnet": (None, None, 3),
    "mtcnn_rnet": (24, 24, 3),
    "mtcnn_onet": (48, 48, 3),
}
PROCESSOR = "CPU:0"


def networks(device: str = PROCESSOR) -> list[Callable[[np.ndarray], np.ndarray]]:
    """Return the three networks as `fer_data.faces.mtcnn_cascade.Cascade` takes them.

    Args:
        device: TensorFlow's name of the device that runs them. `"CPU:0"` means LiteRT, without
            TensorFlow; where LiteRT is not installed, TensorFlow runs the wheel's networks.

    Raises:
        ImportError: If a package that the device needs is not installed.
        RuntimeError: If it needs TensorFlow and Keras runs on another backend.
        ValueError: If there is no such device.
    """
    if device == PROCESSOR and lite_runner.available():
        return ready_networks()
    return networks_of_tensorflow(device)


def ready_networks() -> list[Callable[[np.ndarray], np.ndarray]]:
    """Return the three networks on LiteRT, each on one core for a picture."""
    return [lite_runner.LiteNetwork(ready_files.read(FOLDER, name)) for name in INPUTS]


def networks_of_tensorflow(device: str) -> list[Callable[[np.ndarray], np.ndarray]]:
    """Return the wheel's networks, as graphs of TensorFlow on a device."""
    functions = wheel_functions()
    import tensorflow as tf

    # TensorFlow would silently use another device.
    there = [each.name.removeprefix("/device:") for each in tf.config.list_logical_devices()]
    check_choice("device", device, there)

    def on_device(function, shape):
        with tf.device(device):
            graph = freeze(function, (None, *shape))

        def run(pictures):
            with tf.device(device):
                return graph(tf.constant(pictures))[0].numpy()

        return run

    return [
        on_device(function, shape)
        for function, shape in zip(functions, INPUTS.values(), strict=True)
    ]


def wheel_functions() -> list[Callable[[Any], Any]]:
    """Return the networks of the wheel `mtcnn` as functions of TensorFlow with one output.

    Raises:
        ImportError: If the wheel is not installed.
        RuntimeError: If Keras runs on another backend than TensorFlow.
    """
    import keras

    if keras.config.backend() != "tensorflow":
        raise RuntimeError(
            "MTCNN's networks on another device than 'CPU:0' run on Keras's TensorFlow backend "
            f"only. Received: backend={keras.config.backend()!r}"
        )
    try:
        from mtcnn import MTCNN
    except ImportError as error:
        raise ImportError(
            f"mtcnn cannot be imported ({error}). {how_to_install('faces')}"
        ) from error
    import tensorflow as tf

    with _default_settings(keras.config):
        models = [stage.model for stage in MTCNN().stages]
    return [lambda images, model=model: tf.concat(model(images), -1) for model in models]  # type: ignore[misc]


@contextlib.contextmanager
def _default_settings(config):
    # The wheel builds its networks under Keras's current settings, and they work under these only.
    policy, data_format = config.dtype_policy(), config.image_data_format()
    config.set_dtype_policy("float32")
    config.set_image_data_format("channels_last")
    try:
        yield
    finally:
        config.set_dtype_policy(policy)
        config.set_image_data_format(data_format)
