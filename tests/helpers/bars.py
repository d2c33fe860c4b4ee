"""Small pictures with a bright bar whose height is the class, and a network that sees it."""

import keras
import numpy as np
from helpers.fake_datasets import write_picture

NAMES = ("angry", "happy", "sad")


def write_bars(folder, splits, count=5, noise=(60, 90), bright=60):
    """Write class folders of `count` pictures a class for every split; return the folder."""
    rng = np.random.default_rng(0)
    for split in splits:
        for index, name in enumerate(NAMES):
            for number in range(count):
                picture = rng.integers(*noise, (24, 24), dtype="uint8")
                picture[8 * index : 8 * index + 8] += bright
                write_picture(folder / split / name / f"{number}.png", picture)
    return folder


def bar_model(weight=1.0):
    """Return a model that gives the logits `weight` times the mean of each bar's place."""
    model = keras.Sequential(
        [keras.Input((24, 24, 1)), keras.layers.AveragePooling2D((8, 24)), keras.layers.Flatten(),
         keras.layers.Dense(3, activation="softmax")]
    )  # fmt: skip
    model.set_weights([weight * np.eye(3, dtype="float32"), np.zeros(3, "float32")])
    return model


def bar_arrays(seed=0, count=5, noise=(60, 90), bright=60):
    """Return the pictures of `write_bars` as a dictionary of arrays, `image` and `label`."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(NAMES)), count)
    images = rng.integers(*noise, (len(labels), 24, 24, 1), dtype="uint8")
    for image, label in zip(images, labels, strict=True):
        image[8 * label : 8 * label + 8] += bright
    return {"image": images, "label": labels}
