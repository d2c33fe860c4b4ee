"""The order of examples in epochs, which follows from a seed alone; all pipelines use it."""

import json
import math
import os
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf


def seeded_batches(
    examples: tf.data.Dataset,
    *,
    batch_size: int,
    shuffle: bool | int,
    seed: int,
    initial_epoch: int,
    repeat: bool,
    drop_remainder: bool,
    finish: Callable[..., Any],
    workers: int,
) -> tf.data.Dataset:
    """Batch examples epoch by epoch and finish each batch with a seed of its own.

    Order and seeds follow from `seed`, the number of the epoch and that of the step alone.

    Args:
        examples: Data set of tuples, not batched.
        batch_size: Examples of a batch.
        shuffle: Whether to shuffle, or the size of the buffer in which to shuffle.
        seed: Seed of order and augmentation.
        initial_epoch: Number of the first epoch.
        repeat: Whether to go on for ever.
        drop_remainder: Whether to leave out a last batch that is not full.
        finish: Function of the batched members of the tuple and a seed `(2,)`.
        workers: How many batches are finished at the same time.

    Returns:
        A `tf.data.Dataset` of what `finish` returns, of known length where `examples` has one.
    """
    buffer = _buffer(examples, shuffle)
    seeds = tf.constant(np.array([seed, seed >> 32], "int64").astype("int32"))

    def epoch_batches(epoch):
        epoch_seed = tf.random.fold_in(seeds, epoch)
        batches = _shuffled(examples, buffer, epoch_seed) if buffer != 0 else examples
        batches = batches.batch(batch_size, drop_remainder=drop_remainder)
        return batches.enumerate().map(
            lambda step, batch: (*batch, tf.random.fold_in(epoch_seed, step))
        )

    batches = _epochs(initial_epoch, repeat).flat_map(epoch_batches)
    batches = batches.map(finish, num_parallel_calls=workers, deterministic=True)
    count = examples.cardinality().numpy()
    if count >= 0:
        steps = count // batch_size if drop_remainder else math.ceil(count / batch_size)
        if steps == 0:
            raise ValueError(
                "No full batch in the data set with `drop_remainder=True`. "
                f"Received: {count} examples, batch_size={batch_size}"
            )
        cardinality = tf.data.INFINITE_CARDINALITY if repeat else steps
        batches = batches.apply(tf.data.experimental.assert_cardinality(cardinality))
    return batches


def check_not_empty(dataset: tf.data.Dataset) -> None:
    """Raise `ValueError` for a data set without examples or without an end."""
    count = dataset.cardinality().numpy()
    if count == tf.data.INFINITE_CARDINALITY:
        raise ValueError("`dataset` must be finite: use `repeat=True` here instead.")
    if count == tf.data.UNKNOWN_CARDINALITY:
        count = sum(1 for _ in dataset.take(1))
    if count == 0:
        raise ValueError("The data set is empty. Received: no examples")


def cached(
    examples: tf.data.Dataset,
    cache: bool | str | os.PathLike[str] | None,
    options: Mapping[str, Any] | None = None,
) -> tf.data.Dataset:
    """Keep examples in memory (True), in a folder (a path), or not at all (False, None).

    Args:
        examples: The examples.
        cache: Where they are kept.
        options: What decides the examples and does not show in their shapes and types, of JSON's
            types. The folder tells them, and is refused where they are others.
    """
    if cache is True:
        return examples.cache()
    if cache is False or cache is None:
        return examples
    folder = os.fspath(cache)
    made = {"elements": str(examples.element_spec), **(options or {})}
    if not tf.io.gfile.exists(folder):
        parent = os.path.dirname(os.path.abspath(folder))
        os.makedirs(parent, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=parent) as scratch:
            unfinished = os.path.join(scratch, "cache")
            examples.save(unfinished)
            with open(os.path.join(unfinished, "fer_spec.json"), "w") as file:
                json.dump(made if options else made["elements"], file)
            os.replace(unfinished, folder)
    with open(os.path.join(folder, "fer_spec.json"), encoding="utf-8") as file:
        try:
            found = json.load(file)
        except ValueError:
            found = "a damaged fer_spec.json"
    if not isinstance(found, dict):
        # A text alone: there are no options, or an earlier release did not tell them.
        found = {"elements": found}
    if found != made:
        other = {
            name: found.get(name, "not told") for name in made if found.get(name) != made[name]
        }
        raise ValueError(
            "`cache` must be a folder of this pipeline's examples, made by the same options: "
            "delete it to have them made anew, or give another folder. "
            f"Received: cache={folder!r} with {other}, not { {name: made[name] for name in other} }"
        )
    return tf.data.Dataset.load(folder)


def _buffer(examples, shuffle):
    if shuffle is True:
        return examples.cardinality().numpy().item()
    return int(shuffle)


def _shuffled(examples, buffer, seed):
    """Shuffle examples as `examples.shuffle` does, with a tensor as seed.

    The method mixes in TensorFlow's global seed, so that the order would depend on more than our
    own, and fails on a tensor where the global seed is zero.
    """
    shuffled = tf.raw_ops.ShuffleDatasetV3(
        input_dataset=tf.data.experimental.to_variant(examples),
        buffer_size=buffer,
        seed=tf.cast(seed[0], tf.int64),
        seed2=tf.cast(seed[1], tf.int64),
        seed_generator=tf.raw_ops.DummySeedGenerator(),
        output_types=[spec.dtype for spec in examples.element_spec],
        output_shapes=[spec.shape for spec in examples.element_spec],
        reshuffle_each_iteration=False,
    )
    return tf.data.experimental.from_variant(shuffled, examples.element_spec)


def _epochs(initial_epoch, repeat):
    """Return the numbers of the epochs that one iteration goes through."""
    if repeat:
        return tf.data.Dataset.counter(initial_epoch)
    with tf.device("CPU:0"):
        following = tf.Variable(initial_epoch, dtype=tf.int64, trainable=False)
    once = tf.data.Dataset.from_tensors(0)
    return once.map(lambda _: following.assign_add(1, read_value=True) - 1)
