"""Toy pictures and clips whose class lies in one place, and small models that learn them."""

import functools
from pathlib import Path

import keras
import numpy as np
from keras import layers

from fer_layers import CBAM, SpatialAttention3D, TemporalAttention

PATCH = 8
# The kind of stripes is the class; where they lie says nothing.
ROWS, COLUMNS = np.indices((PATCH, PATCH)) // 2 % 2 * 4.0 - 2
PATTERNS = np.stack([ROWS, COLUMNS, ROWS * COLUMNS / 2])
REGIONS = ("left", "right", "lower")
KEPT = Path(__file__).resolve().parents[1] / "data" / "stripes_weights.npz"


def stripes(count, seed, size=32):
    """Noise with one patch of stripes somewhere; their kind is the class."""
    generator = np.random.default_rng(seed)
    images = generator.normal(0, 0.5, (count, size, size, 1)).astype("float32")
    labels = generator.integers(0, len(PATTERNS), count)
    corners = generator.integers(0, size - PATCH + 1, (count, 2))
    for image, label, (top, left) in zip(images, labels, corners, strict=True):
        image[top : top + PATCH, left : left + PATCH, 0] += PATTERNS[label]
    return images, labels, corners


def striped_clips(count, seed, frames=6, size=16):
    """Noise in three regions, with stripes in one region and two frames: where, of which kind."""
    generator = np.random.default_rng(seed)
    shape = (count, len(REGIONS), frames, size, size, 1)
    clips = generator.normal(0, 0.5, shape).astype("float32")
    labels = generator.integers(0, len(PATTERNS), count)
    regions = generator.integers(0, len(REGIONS), count)
    starts = generator.integers(0, frames - 1, count)
    corners = generator.integers(0, size - PATCH + 1, (count, 2))
    for clip, label, region, start, (top, left) in zip(
        clips, labels, regions, starts, corners, strict=True
    ):
        patch = (
            region,
            slice(start, start + 2),
            slice(top, top + PATCH),
            slice(left, left + PATCH),
        )
        clip[(*patch, 0)] += PATTERNS[label]
    return [clips[:, number] for number in range(len(REGIONS))], labels, regions, starts


def image_model(activation="softmax", cbam=False):
    """Return a model for `stripes`."""
    return keras.Sequential(
        [
            keras.Input((32, 32, 1)),
            layers.Conv2D(8, 5, padding="same", activation="relu", name="first"),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3, padding="same", use_bias=False, name="second"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(name="relu"),
            *([CBAM(reduction=4, name="cbam")] if cbam else []),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation=activation, name="head"),
        ]
    )


@functools.cache
def trained_image_model():
    """Return the one model for `stripes` of this process that is trained; leave it as it is."""
    return with_kept_weights("image", image_model())


@functools.cache
def trained_clip_model():
    """Return the one model for `striped_clips` of this process that is trained, likewise."""
    return with_kept_weights("clip", clip_model(shared=True))


def with_kept_weights(name, model):
    """Give a model the weights that `python tests/helpers/stripes.py` trained once."""
    with np.load(KEPT) as file:
        model.set_weights([file[f"{name}/{number}"] for number in range(len(model.weights))])
    return model


def train_both():
    """Train both models and keep their weights: every test process would take 20 s for it."""
    keras.utils.set_random_seed(0)
    images, labels, _ = stripes(1536, seed=1)
    image = fitted(image_model(), images, labels, epochs=4)
    keras.utils.set_random_seed(0)
    clips, labels, _, _ = striped_clips(768, seed=1)
    clip = fitted(clip_model(shared=True), clips, labels, epochs=9, learning_rate=0.004)
    arrays = {
        f"{name}/{number}": weight
        for name, model in (("image", image), ("clip", clip))
        for number, weight in enumerate(model.get_weights())
    }
    np.savez_compressed(KEPT, **arrays)


def clip_model(shared=False, frames=6, size=16):
    """Return a three-path model for `striped_clips`, with attention over space and time."""
    inputs = [keras.Input((frames, size, size, 1), name=name) for name in REGIONS]
    made = {}

    def path(name):
        name = "shared" if shared else name
        if name not in made:
            made[name] = [
                layers.Conv3D(
                    12, (1, 5, 5), padding="same", activation="relu", name=f"{name}_conv"
                ),
                layers.MaxPooling3D((1, 2, 2), name=f"{name}_pool"),
                SpatialAttention3D(3, name=f"{name}_spatial_attention"),
                TemporalAttention(3, name=f"{name}_temporal_attention"),
                layers.Conv3D(12, (2, 3, 3), padding="same", name=f"{name}_conv_2"),
                layers.ReLU(name=f"{name}_relu"),
                layers.GlobalAveragePooling3D(name=f"{name}_mean"),
            ]
        return made[name]

    ends = []
    for name, x in zip(REGIONS, inputs, strict=True):
        for layer in path(name):
            x = layer(x)
        ends.append(x)
    x = layers.Concatenate()(ends)
    return keras.Model(inputs, layers.Dense(3, activation="softmax", name="head")(x))


def fitted(model, inputs, labels, epochs, learning_rate=0.01):
    """Train a model quickly and return it."""
    model.compile(keras.optimizers.Adam(learning_rate), "sparse_categorical_crossentropy")
    model.fit(inputs, labels, batch_size=64, epochs=epochs, verbose=0)
    return model


if __name__ == "__main__":
    train_both()
