"""Measures the still-image pipeline, stage by stage: images a second and CPU time an image.

    python benchmarks/image_pipeline.py --cores 2
    python benchmarks/image_pipeline.py --size 96 --channels 1 --json pipeline.json

The stages take turns and the best of the rounds counts, since other load on the machine only ever
slows a round down. "CPU" is processor time of the whole process for one image: with the machine
to itself, `cores / CPU` is what a stage could reach.
"""

import argparse
import json
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=64, help="height and width of the output")
    parser.add_argument("--channels", type=int, default=3, choices=(1, 3))
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--images", type=int, default=4096, help="images in an epoch")
    parser.add_argument("--rounds", type=int, default=5, help="epochs of each stage")
    parser.add_argument("--cores", type=int, default=None, help="processor cores to use")
    parser.add_argument("--json", help="file to write the numbers to")
    return parser.parse_args()


def stages(options):
    """Name, goal in images a second, and pipeline of every stage."""
    import numpy as np
    import tensorflow as tf

    from fer_data.images import pipeline

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


def main():
    options = arguments()
    if options.cores:
        if not hasattr(os, "sched_setaffinity"):
            raise SystemExit("--cores needs a system that can pin processes (Linux).")
        available = sorted(os.sched_getaffinity(0))
        if not 1 <= options.cores <= len(available):
            raise SystemExit(f"--cores must be from 1 to {len(available)}, not {options.cores}.")
        os.sched_setaffinity(0, available[: options.cores])
    rows = [(name, goal, dataset, []) for name, goal, dataset in stages(options)]
    for _ in range(options.rounds + 1):
        for _, _, dataset, results in rows:
            results.append(measure(dataset))
    cores = options.cores or os.cpu_count()
    print(
        f"{options.size}x{options.size}x{options.channels}, batch {options.batch_size}, "
        f"{cores} cores, {options.images} images, best and median of {options.rounds} rounds\n"
    )
    print("| stage | images/s, best | median | CPU, µs an image | goal |")
    print("|---|---:|---:|---:|---|")
    report = []
    for name, goal, _, results in rows:
        # The first round fills the cache and is left out.
        speeds, costs = zip(*results[1:], strict=True)
        best, median, cost = max(speeds), statistics.median(speeds), min(costs)
        verdict = "" if goal is None else f"{goal:,} {'met' if best >= goal else 'MISSED'}"
        print(f"| {name} | {best:,.0f} | {median:,.0f} | {cost:.0f} | {verdict} |")
        report.append({"stage": name, "best": best, "median": median, "cpu_us": cost, "goal": goal})
    if options.json:
        settings = {key: value for key, value in vars(options).items() if key != "json"}
        temporary = f"{options.json}.part"
        with open(temporary, "w") as file:
            json.dump({"settings": settings, "stages": report}, file, indent=2)
        os.replace(temporary, options.json)


if __name__ == "__main__":
    main()
