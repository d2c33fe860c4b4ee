"""Train a recipe on one and on two virtual processors; print the curves. Run as a script."""

import json
import sys

import keras
import numpy as np
import tensorflow as tf

from fer_models.training.dp_sgd import freeze_batch_norm
from fer_models.training.recipes import get

BATCH, STEPS = 8, 2


def network():
    """Return a small network: what is tested is the training, which is traced three times."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((32, 32, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 5, strides=2, activation="relu"),
            layers.BatchNormalization(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(7),
            layers.Activation("softmax", dtype="float32"),
        ]
    )


def trained(strategy, policy):
    """Return losses, and how many replicas computed, of two epochs in a strategy's scope."""
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (BATCH * STEPS, 32, 32, 1)).astype("float32")
    labels = np.eye(7, dtype="float32")[np.arange(BATCH * STEPS) % 7]
    batches = tf.data.Dataset.from_tensor_slices((images, labels)).batch(BATCH)
    recipe = get("ghostface_small").replace(
        epochs=2, batch_size=BATCH, learning_rate=0.01, optimizer="sgd", optimizer_options={}
    )
    with strategy.scope():
        model = network()
        # Every replica has statistics of its own; frozen, the sum of gradients is that of one.
        freeze_batch_norm(model)
        history = recipe.fit(model, batches, batches, verbose=0)
    return {
        **history.history,
        "replicas": strategy.num_replicas_in_sync,
        "dtype": str(model.compute_dtype),
    }


def main():
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    one = tf.distribute.get_strategy()
    runs = {
        "one": trained(one, "float32"),
        "two": trained(two, "float32"),
        "mixed": trained(two, "mixed_bfloat16"),
    }
    json.dump(runs, sys.stdout)


if __name__ == "__main__":
    main()
