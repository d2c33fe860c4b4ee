"""Nine clips of noise that tells the class, and a network small enough for a moment."""

import dataclasses

import keras
import numpy as np

from fer_data import protocols
from fer_models.training import clip_folds
from fer_models.training.clip_data import ClipData
from fer_models.training.clip_settings import ClipSettings
from fer_models.zoo import registry

NAMES = ("negative", "positive", "surprise")
TINY = {
    "frames": 3,
    "size": 4,
    "channels": 3,
    "epochs": 2,
    "batch_size": 4,
    "subjects": 3,
}


def some_clips(subjects=3, each=3, dataset="synthetic_micro_expressions"):
    """Return clips of which every subject has all classes, and different frames."""
    count = subjects * each
    people = [f"{dataset}/s{number // each:03d}" for number in range(count)]
    ids = [f"{person}/{number:05d}" for number, person in enumerate(people)]
    return protocols.Clips(ids, people, np.arange(count) % 3, [f"hash{n}" for n in range(count)])


def clip_data():
    """Return nine clips of three people."""
    clips = some_clips()
    faces = np.random.default_rng(0).integers(0, 200, (9, 3, 8, 8, 3)).astype("uint8")
    faces[np.arange(9), 1:, clips.labels] += 50
    facts = {
        "datasets": ["synthetic_micro_expressions"],
        "clips": 9,
        "subjects": 3,
        "classes": dict.fromkeys(NAMES, 3),
        "unlabelled": 2,
        "frames": 3,
        "sources": {"synthetic": {}},
    }
    landmarks = np.random.default_rng(1).uniform(2, 6, (9, 68, 2)).astype("float32")
    return ClipData(faces, clips, NAMES, facts, landmarks)


def tiny(**changes):
    """Return settings for a moment of training."""
    return ClipSettings(**TINY | changes)


def small_network(frames, input_shape, classes, seed=None, **knobs):
    """Return three regions, a dense layer after dropout: quick, and not the same by chance."""
    regions = [keras.Input((frames, *input_shape)) for _ in range(3)]
    x = keras.layers.Concatenate()([keras.layers.Flatten()(x / 255) for x in regions])
    x = keras.layers.Dropout(0.3, seed=seed)(x)
    return keras.Model(tuple(regions), keras.layers.Dense(classes, activation="softmax")(x))


def plain_batches(self, data, places, training=False, repeat=False, **options):
    """Return what `clips.pipeline` gives without augmentation, without its seconds of tracing."""
    import tensorflow as tf

    faces = data.faces[places].astype("float32")
    regions = faces[:, :, :4, :4], faces[:, :, :4, 4:], faces[:, :, 4:, 2:6]
    labels = np.eye(3, dtype="float32")[data.clips.labels[places]]
    batches = tf.data.Dataset.from_tensor_slices((regions, labels)).batch(self.recipe.batch_size)
    return batches.repeat() if repeat else batches


def put_small_clip_networks(monkeypatch, plain=True):
    """Let every name of the registry build the small network, with plain batches if wanted."""
    if plain:
        monkeypatch.setattr(clip_folds.ClipTrainer, "batches", plain_batches)
    for name, entry in registry.CLIP_MODELS.items():
        entry = dataclasses.replace(entry, builder=small_network)
        monkeypatch.setitem(registry.CLIP_MODELS, name, entry)
