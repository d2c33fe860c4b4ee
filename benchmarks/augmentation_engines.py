"""Measures RandAugment and MixUp of the two engines, and Keras's own RandAugment beside them.

    python benchmarks/augmentation_engines.py
    python benchmarks/augmentation_engines.py --size 96 --channels 1 --json engines.json

It needs keras-cv (`pip install "fer-keras[keras-cv]"`). Speed: images a second of
RandAugment inside tf.data, from and to uint8 batches in memory. The variants take turns in every
round, and ratios are taken within a round, so that other load on the machine falls on all of them;
the median of the rounds counts. Distribution: what becomes of drawn faces. The amount of change is
the mean absolute difference of an image's pixels, of 255.

Variants of RandAugment:
- ours: `Augmentation(rand_aug=RandAug())`, 0 to 3 operations, magnitude 2 to 4 of 10.
- keras_cv: the same with `engine="keras_cv"`.
- keras_cv.layers: keras-cv's layer as it is (3 operations at a rate of 0.5, magnitude 0.3,
  standard deviation 0.08), whose numbers differ from run to run.
- keras.layers: Keras's layer (2 operations, factor 0.3), image by image before batching, since it
  draws its operations once for a whole call.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

PACKAGES = ("tensorflow", "keras", "keras-cv", "numpy")
PERCENTILES = (50, 90, 99)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=64, help="height and width of the faces")
    parser.add_argument("--channels", type=int, default=3, choices=(1, 3))
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--images", type=int, default=1024, help="images in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2, help="parallel calls of the map")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", help="file to write the numbers to")
    options = parser.parse_args()
    if min(options.images, options.rounds, options.batch_size, options.workers) < 1:
        parser.error("--images, --rounds, --batch-size and --workers must be 1 or more")
    if options.size < 24:
        parser.error(f"--size must be 24 or more, not {options.size}")
    return options


def drawn_faces(options):
    """Return faces to augment: a few different ones, over and over."""
    import numpy as np

    from fer_data.synthetic import generate

    faces = [face.image for face in generate(128, options.seed, size=options.size)]
    return np.resize(
        np.stack(faces)[..., : options.channels],
        (options.images, options.size, options.size, options.channels),
    )


def pipelines(options, images):
    """Return a tf.data pipeline of batches for each variant of RandAugment."""
    import keras
    import keras_cv
    import tensorflow as tf

    from fer_data.pipelines.augmentation import Augmentation, RandAug
    from fer_data.pipelines.augmentation.with_tensorflow import augment

    pictures = tf.data.Dataset.from_tensor_slices(images)
    batches = pictures.batch(options.batch_size).cache()

    def ours(engine):
        policy = Augmentation(rand_aug=RandAug(), engine=engine)

        def change(number, batch):
            seed = tf.stack([options.seed, tf.cast(number, tf.int32)])
            return augment(batch, tf.zeros(tf.shape(batch)[:1]), policy, seed)[0]

        return batches.enumerate().map(change, num_parallel_calls=options.workers)

    def to_uint8(pixels):
        return tf.cast(tf.clip_by_value(tf.round(pixels), 0, 255), tf.uint8)

    def by_layer(layer, data):
        grey = options.channels == 1

        def change(pixels):
            pixels = tf.repeat(pixels, 3, axis=-1) if grey else pixels
            return to_uint8(layer(pixels))[..., : options.channels]

        return data.map(change, num_parallel_calls=options.workers)

    whole = keras_cv.layers.RandAugment((0, 255), 3, 0.3, 0.08, rate=0.5)
    single = keras.layers.RandAugment(value_range=(0, 255), num_ops=2, factor=0.3)
    return {
        "ours": ours("tensorflow"),
        "keras_cv": ours("keras_cv"),
        "keras_cv.layers": by_layer(whole, batches),
        "keras.layers": by_layer(single, pictures.cache()).batch(options.batch_size),
    }


def speeds(options, variants):
    """Return the images a second of every round, by variant."""
    found = {name: [] for name in variants}
    for number in range(options.rounds + 1):
        for name, batches in variants.items():
            start = time.perf_counter()
            count = sum(len(batch) for batch in batches)
            # The first round fills the caches and prepares the graphs.
            if number:
                found[name].append(count / (time.perf_counter() - start))
    return found


def change(images, batches):
    """Return what becomes of the images: the share left as they were, and amounts of change."""
    import numpy as np

    changed = np.concatenate(list(batches)).astype("float32")
    amounts = np.abs(changed - images).mean(axis=(1, 2, 3))
    return {
        "unchanged": float((amounts == 0).mean()),
        "mean": float(amounts.mean()),
        **{f"p{share}": float(np.percentile(amounts, share)) for share in PERCENTILES},
    }


def mixing(options, engine):
    """Return what MixUp does: the share of the images that it mixes, and quartiles of weights."""
    import numpy as np
    import tensorflow as tf

    from fer_data.pipelines.augmentation import Augmentation, MixUp
    from fer_data.pipelines.augmentation.with_tensorflow import augment

    size = options.batch_size
    images = np.zeros((size, 1, 1, 1), "uint8")

    def own_weights(mixup):
        policy = Augmentation(mixup=mixup, engine=engine)
        batches = tf.data.Dataset.range(max(1, 16384 // size)).map(
            lambda number: augment(images, tf.eye(size), policy, (options.seed, number))[1]
        )
        return np.concatenate([tf.linalg.diag_part(labels) for labels in batches])

    quartiles = np.percentile(own_weights(MixUp(fraction=1.0)), (25, 50, 75))
    return {
        "mixed": float((own_weights(MixUp(blend=0.2)) < 1).mean()),
        "quartiles": [float(value) for value in quartiles],
    }


def main():
    options = arguments()
    images = drawn_faces(options)
    variants = pipelines(options, images)
    rates = speeds(options, variants)
    changes = {name: change(images, batches) for name, batches in variants.items()}
    mixed = {engine: mixing(options, engine) for engine in ("tensorflow", "keras_cv")}
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    print(
        f"{datetime.date.today()}, Python {platform.python_version()}, "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + f", {os.cpu_count()} {platform.machine()} cores, no GPU used\n"
        f"{options.images} faces of {options.size}x{options.size}x{options.channels}, batches of "
        f"{options.batch_size}, {options.workers} workers, {options.rounds} rounds, "
        f"seed {options.seed}\n"
    )
    print("| RandAugment | speed, of ours | images/s | unchanged | mean change |", end="")
    print("".join(f" {share} % below |" for share in PERCENTILES))
    print("|---|" + "---:|" * (4 + len(PERCENTILES)))
    ratios = {}
    for name, found in rates.items():
        pairs = zip(found, rates["ours"], strict=True)
        ratios[name] = statistics.median(mine / ours for mine, ours in pairs)
        told = changes[name]
        print(
            f"| {name} | {ratios[name]:.2f} | {statistics.median(found):,.0f} "
            f"| {100 * told['unchanged']:.1f} % | {told['mean']:.1f} |",
            *(f"{told[f'p{share}']:.1f} |" for share in PERCENTILES),
        )
    print("\n| MixUp | mixed | a quarter of the weights below | half | three quarters |")
    print("|---|---:|---:|---:|---:|")
    for engine, told in mixed.items():
        cells = " | ".join(f"{value:.3f}" for value in told["quartiles"])
        print(f"| {engine} | {100 * told['mixed']:.1f} % | {cells} |")
    if options.json:
        report = {"settings": vars(options), "versions": versions, "images_a_second": rates}
        report |= {"speed_of_ours": ratios, "change": changes, "mixup": mixed}
        temporary = f"{options.json}.part"
        with open(temporary, "w") as file:
            json.dump(report, file, indent=2)
        os.replace(temporary, options.json)


if __name__ == "__main__":
    main()
