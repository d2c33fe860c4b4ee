"""Speed of the face renderer, and how far a linear model gets on its pictures.

python benchmarks/synthetic_faces.py            # speed and linear baseline
python benchmarks/synthetic_faces.py --no-linear
"""

import argparse
import time

import cv2
import numpy as np

from fer_data.labels import EMOTIONS
from fer_data.synthetic import (
    Scene,
    action_units,
    generate,
    photograph,
    render,
    sample_identity,
)

PEOPLE_APART = 1_000_000


def faces_per_second(workers, count, repeats):
    """Best of some runs; starting the worker processes is not counted, drawing is."""
    best = 0.0
    for repeat in range(repeats):
        faces = generate(count, seed=1 + repeat, size=96, workers=workers)
        # The first chunk pays for the start.
        for _ in range(256):
            next(faces)
        start = time.perf_counter()
        drawn = sum(1 for _ in faces)
        best = max(best, drawn / (time.perf_counter() - start))
    return best


def milliseconds_per_frame(size, repeats=5, frames=100):
    """A film: the same person and scene, changing action units; with and without camera."""
    rng = np.random.default_rng(0)
    identity, scene = sample_identity(0, 0), Scene.sample(rng)
    units = [action_units("happy", strength) for strength in np.linspace(0, 1, frames)]
    drawn, taken = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        images = [render(identity, unit, scene, size)[0] for unit in units]
        drawn.append(time.perf_counter() - start)
        for image in images:
            photograph(image, scene.camera, rng)
        taken.append(time.perf_counter() - start)
    return 1000 * min(drawn) / frames, 1000 * min(taken) / frames


def crop(image, box):
    """The part of a picture inside a box."""
    x, y, width, height = np.round(box).astype(int)
    return image[max(y, 0) : y + height, max(x, 0) : x + width]


def grey_pixels(count, people, first, cropped):
    """Pixels (count, 48 * 48) in [0, 1] and labels (count,)."""
    pixels = np.empty((count, 48 * 48), np.float32)
    labels = np.empty(count, np.int64)
    for row, face in enumerate(generate(count, seed=0, size=96, identities=people, first=first)):
        image = crop(face.image, face.box) if cropped else face.image
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        pixels[row] = cv2.resize(grey, (48, 48), interpolation=cv2.INTER_AREA).ravel() / 255
        labels[row] = EMOTIONS.index(face.emotion)
    return pixels, labels


def linear_accuracy(train, test, cropped, strengths=(1e-4, 1e-3, 1e-2)):
    """Test accuracy of logistic regression at each regularisation strength, as {C: accuracy}."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    people = max(1, train // 7)
    x, y = grey_pixels(train, range(people), 0, cropped)
    x_test, y_test = grey_pixels(
        test, range(PEOPLE_APART, PEOPLE_APART + max(1, test // 7)), PEOPLE_APART, cropped
    )
    scores = {}
    for strength in strengths:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=200))
        scores[strength] = model.fit(x, y).score(x_test, y_test)
    return scores


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1500)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--train", type=int, default=7000)
    parser.add_argument("--test", type=int, default=1400)
    parser.add_argument("--no-linear", action="store_true")
    arguments = parser.parse_args()
    for workers in (1, 2):
        rate = faces_per_second(workers, arguments.count, arguments.repeats)
        print(f"faces a second at 96x96, {workers} worker(s): {rate:.0f}", flush=True)
    drawn, taken = milliseconds_per_frame(128)
    print(f"ms a 128x128 frame: {drawn:.2f} drawn, {taken:.2f} with camera", flush=True)
    if not arguments.no_linear:
        for cropped, what in ((False, "whole pictures"), (True, "cropped to the box")):
            scores = linear_accuracy(arguments.train, arguments.test, cropped)
            for strength, score in scores.items():
                print(
                    f"logistic regression, {what}, C={strength:g}: {score:.1%} on unseen people",
                    flush=True,
                )


if __name__ == "__main__":
    main()
