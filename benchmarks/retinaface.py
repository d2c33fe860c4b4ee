"""Measures RetinaFace: milliseconds an image, the network alone and the whole of `detect_batch`.

    python benchmarks/retinaface.py --weights retinaface_mobilenet025.h5 --cores 2
    KERAS_BACKEND=jax python benchmarks/retinaface.py --json retinaface.json

The stages take turns; best and median of the rounds are printed, since other load on the machine
only ever slows a round down. Without `--weights` the public file is fetched.
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
    import keras
    import numpy as np

    from fer_data.faces.retinaface.detector import RetinaFaceDetector

    longest = max(options.height, options.width)
    detector = RetinaFaceDetector(
        options.weights, working_size=longest, batch_size=options.batch_size
    )
    images = pictures(options.batch_size, options.height, options.width)
    pixels = np.stack(images).astype("float32")
    stages = {
        "network alone": lambda: detector.network.predict_on_batch(pixels),
        "detect_batch": lambda: detector.detect_batch(images),
        "detect, one by one": lambda: [detector.detect(image) for image in images],
    }
    times = {name: [] for name in stages}
    for stage in stages.values():
        stage()
        stage()
    for _ in range(options.rounds):
        for name, stage in stages.items():
            start = time.perf_counter()
            stage()
            times[name].append(1000 * (time.perf_counter() - start) / len(images))
    found = sum(len(faces) for faces in detector.detect_batch(images))
    print(
        f"Keras on {keras.config.backend()}, {len(os.sched_getaffinity(0))} cores, "
        f"{options.batch_size} images of {options.height}x{options.width}, {found} faces found"
    )
    results = {}
    for name, values in times.items():
        best, median = min(values), statistics.median(values)
        results[name] = {"best_ms": best, "median_ms": median}
        goal = f"   (goal: under {GOAL:g})" if name == "detect_batch" else ""
        print(f"{name:20s} {best:6.2f} ms an image at best, {median:6.2f} in the median{goal}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"backend": keras.config.backend(), **results}, file, indent=2)


if __name__ == "__main__":
    main()
