"""Measures RetinaFace: milliseconds an image, the network alone and the whole of `detect_batch`.

    python benchmarks/retinaface.py --cores 2
    KERAS_BACKEND=jax python benchmarks/retinaface.py --through-keras --json retinaface.json

The network is the one in the package, on LiteRT; with `--through-keras` the same one in Keras, for
which the public weights are fetched unless `--weights` names their file. The stages take turns;
best and median of the rounds are printed, since other load on the machine only ever slows a round
down, and the processor time of an image on all cores together, the least of the rounds.
"""

import argparse
import json
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

GOAL = 12.0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", help="h5 file of the weights")
    parser.add_argument("--through-keras", action="store_true", help="not on LiteRT")
    parser.add_argument("--height", type=int, default=192)
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--cores", type=int, default=None, help="processor cores to use")
    parser.add_argument("--json", help="file to write the numbers to")
    return parser.parse_args()


def pictures(count, height, width):
    """The portrait of scikit-image, moved a little from one picture to the next."""
    import cv2
    import numpy as np
    from skimage import data

    scale = 1.2 * min(height, width) / 512
    move = np.float32([[scale, 0, 0], [0, scale, 0]])
    moved = []
    for place in range(count):
        move[0, 2] = place * (width - 512 * scale) / count
        moved.append(cv2.warpAffine(data.astronaut(), move, (width, height)))
    return moved


def main():
    options = arguments()
    if options.cores:
        os.sched_setaffinity(0, range(options.cores))
    import numpy as np

    from fer_data.faces.retinaface.detector import RetinaFaceDetector
    from fer_data.faces.retinaface.rows import keras_rows, ready_rows

    longest = max(options.height, options.width)
    detector = RetinaFaceDetector(
        options.weights,
        working_size=longest,
        batch_size=options.batch_size,
        through_keras=options.through_keras,
    )
    network = None if options.through_keras else ready_rows(options.weights)
    runs_on = "LiteRT"
    if network is None:
        import keras

        network, runs_on = keras_rows(options.weights), f"Keras on {keras.config.backend()}"
    images = pictures(options.batch_size, options.height, options.width)
    pixels = np.stack(images).astype("float32")
    stages = {
        "network alone": lambda: network(pixels),
        "detect_batch": lambda: detector.detect_batch(images),
        "detect, one by one": lambda: [detector.detect(image) for image in images],
    }
    times, work = ({name: [] for name in stages} for _ in range(2))
    for stage in stages.values():
        stage()
        stage()
    for _ in range(options.rounds):
        for name, stage in stages.items():
            start, spent = time.perf_counter(), time.process_time()
            stage()
            times[name].append(1000 * (time.perf_counter() - start) / len(images))
            work[name].append(1000 * (time.process_time() - spent) / len(images))
    found = sum(len(faces) for faces in detector.detect_batch(images))
    print(
        f"{runs_on}, {len(os.sched_getaffinity(0))} cores, "
        f"{options.batch_size} images of {options.height}x{options.width}, {found} faces found"
    )
    results = {}
    for name, values in times.items():
        best, median = min(values), statistics.median(values)
        least = min(work[name])
        results[name] = {"best_ms": best, "median_ms": median, "processor_ms": least}
        goal = f"   (goal: under {GOAL:g})" if name == "detect_batch" else ""
        print(
            f"{name:20s} {best:6.2f} ms an image at best, {median:6.2f} in the median, "
            f"{least:6.2f} of the processors{goal}"
        )
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"runs_on": runs_on, **results}, file, indent=2)


if __name__ == "__main__":
    main()
