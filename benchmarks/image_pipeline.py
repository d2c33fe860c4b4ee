"""Measures the still-image pipeline, stage by stage, against what a training step takes.

    python benchmarks/image_pipeline.py --cores 2
    python benchmarks/image_pipeline.py --size 48 --channels 1 --json pipeline.json

Images a second and CPU time an image. The stages take turns and the best of the rounds counts,
since other load on the machine only ever slows a round down. "CPU" is processor time of the whole
process for one image: with the machine to itself, `cores / CPU` is what a stage could reach.

Cold is the first epoch of a data set, from files (which the system may hold in memory) to a
batch; cached is every later one. The appetite is what a training step of GhostFace with its first
stride 1, on the same cores and batches, takes of images a second: a stage of ten times that needs
a tenth of the training's time where both run on the same cores.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# As in training: faster kernels, which TensorFlow leaves off on processors that are not Intel's.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=64, help="height and width of the output")
    parser.add_argument("--channels", type=int, default=3, choices=(1, 3))
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--images", type=int, default=4096, help="images in an epoch")
    parser.add_argument("--rounds", type=int, default=5, help="epochs of each stage")
    parser.add_argument("--steps", type=int, default=12, help="training steps; 0: none")
    parser.add_argument("--cores", type=int, default=None, help="processor cores to use")
    parser.add_argument("--json", help="file to write the numbers to")
    options = parser.parse_args()
    if min(options.images, options.rounds, options.batch_size, options.size) < 1:
        parser.error("--size, --batch-size, --images and --rounds must be 1 or more")
    if options.steps < 0:
        parser.error(f"--steps must be 0 or more, not {options.steps}")
    return options


def stages(options, folder):
    """Name, goal in images a second, and pipeline of every stage, or a function that makes it."""
    import numpy as np
    import tensorflow as tf

    from fer_data.pipelines.images import pipeline

    rng = np.random.default_rng(0)
    side = options.size
    rough = rng.integers(0, 256, (options.images, 8, 8, options.channels), "uint8")
    images = np.concatenate(
        [
            tf.cast(tf.image.resize(part, (side, side)), tf.uint8).numpy()
            for part in np.array_split(rough, max(1, len(rough) // 512))
        ]
    )
    labels = np.arange(len(images)) % 7
    encoded = [tf.io.encode_jpeg(image).numpy() for image in images]
    larger = np.repeat(np.repeat(images[:1], 2, axis=1), 2, axis=2)[0]
    boxes = np.tile(np.float32([side * 0.2, side * 0.2, side * 1.5, side * 1.5]), (len(images), 1))
    common = {"size": side, "batch_size": options.batch_size}

    def raw(data, **more):
        return pipeline(data, cache=False, channels=options.channels, **common, **more)

    def cached(augmentation, **more):
        data = (images, labels)
        return pipeline(data, training=True, augmentation=augmentation, **common, **more)

    whole = tf.data.Dataset.from_tensor_slices({"box": boxes, "label": labels})
    whole = whole.map(lambda element: {**element, "image": tf.constant(larger)})
    paths = [str(Path(folder, f"{number}.jpg")) for number in range(len(encoded))]
    for path, content in zip(paths, encoded, strict=True):
        Path(path).write_bytes(content)
    inner = np.tile(np.float32([side * 0.1, side * 0.1, side * 0.8, side * 0.8]), (len(paths), 1))

    def files():
        data = {"path": np.array(paths), "label": labels, "box": inner}
        more = {"training": True, "augmentation": "basic", "channels": options.channels}
        return pipeline(data, **common, **more)

    # A function is called in every round: its data set has cached nothing yet.
    yield "files to batches, basic, cold", None, files
    yield "the same, cached", None, files()
    yield "decode JPEG", None, raw({"image": np.array(encoded, object), "label": labels})
    yield "crop box, resize antialiased", None, raw(whole)
    yield "cache, shuffle, batch", 5000, cached("none")
    yield "the same, uint8 out", 5000, cached("none", dtype="uint8")
    yield "+ basic", 5000, cached("basic")
    yield "+ basic, zoom, contrast", 5000, cached("fer2013")
    yield "+ basic, MixUp", 5000, cached("mixup")
    yield "+ basic, RandAug", 1000, cached("randaug")
    yield "+ basic, RandAug, MixUp", 1000, cached("randaug+mixup")


def measure(dataset):
    """Images a second and processor microseconds an image of one epoch."""
    count, wall, cpu = 0, time.perf_counter(), time.process_time()
    for images, _ in dataset:
        count += len(images)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return count / wall, 1e6 * cpu / count


def appetite(options):
    """Return the images a second that a training step takes, best and median."""
    import numpy as np

    from fer_models import recipes

    side, batch = options.size, options.batch_size
    recipe = recipes.get("ghostface_small").replace(input_shape=(side, side, options.channels))
    model = recipe.build(stem_strides=1)
    model.compile(**recipe.compile_kwargs(steps_per_epoch=1000))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (batch, side, side, options.channels)).astype("float32")
    labels = np.eye(7, dtype="float32")[np.arange(batch) % 7]
    speeds = []
    for _ in range(options.steps + 3):
        start = time.perf_counter()
        model.train_on_batch(images, labels)
        speeds.append(batch / (time.perf_counter() - start))
    # The first steps trace and warm up.
    return max(speeds[3:]), statistics.median(speeds[3:])


def main():
    options = arguments()
    if options.cores:
        if not hasattr(os, "sched_setaffinity"):
            raise SystemExit("--cores needs a system that can pin processes (Linux).")
        available = sorted(os.sched_getaffinity(0))
        if not 1 <= options.cores <= len(available):
            raise SystemExit(f"--cores must be from 1 to {len(available)}, not {options.cores}.")
        os.sched_setaffinity(0, available[: options.cores])
    with tempfile.TemporaryDirectory() as folder:
        rows = [(name, goal, made, []) for name, goal, made in stages(options, folder)]
        for _ in range(options.rounds + 1):
            for _, _, made, results in rows:
                results.append(measure(made() if callable(made) else made))
    best_step, median_step = appetite(options) if options.steps else (None, None)
    cores = options.cores or os.cpu_count()
    print(
        f"{options.size}x{options.size}x{options.channels}, batch {options.batch_size}, "
        f"{cores} cores, {options.images} images, best and median of {options.rounds} rounds\n"
    )
    print("| stage | images/s, best | median | CPU, µs an image | times the appetite | goal |")
    print("|---|---:|---:|---:|---:|---|")
    report = []
    for name, goal, _, results in rows:
        # The first round fills the cache and is left out.
        speeds, costs = zip(*results[1:], strict=True)
        best, median, cost = max(speeds), statistics.median(speeds), min(costs)
        verdict = "" if goal is None else f"{goal:,} {'met' if best >= goal else 'MISSED'}"
        times = best / best_step if best_step else None
        print(
            f"| {name} | {best:,.0f} | {median:,.0f} | {cost:.0f} "
            f"| {f'{times:.1f}' if times else ''} | {verdict} |"
        )
        report.append(
            {"stage": name, "best": best, "median": median, "cpu_us": cost, "goal": goal}
            | {"times_appetite": times}
        )
    if best_step:
        print(f"| a training step takes | {best_step:,.0f} | {median_step:,.0f} | | | |")
    if options.json:
        settings = {key: value for key, value in vars(options).items() if key != "json"}
        step = {"best": best_step, "median": median_step}
        temporary = f"{options.json}.part"
        with open(temporary, "w") as file:
            json.dump({"settings": settings, "stages": report, "training": step}, file, indent=2)
        os.replace(temporary, options.json)


if __name__ == "__main__":
    main()
