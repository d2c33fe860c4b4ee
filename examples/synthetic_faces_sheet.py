"""Draws the contact sheet of the face renderer: seven expressions, then what may cover a face.

python examples/synthetic_faces_sheet.py --output docs/images/synthetic_faces.png
"""

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from fer_data.labels import EMOTIONS
from fer_data.synthetic import (
    OCCLUDERS,
    Scene,
    action_units,
    generate,
    photograph,
    render,
    sample_identity,
)

TITLE_HEIGHT = 18


def expressions(rows, size, seed):
    """One person a row, one emotion a column: uint8 (rows * size, 7 * size, 3)."""
    faces = list(generate(rows * len(EMOTIONS), seed, size=size, identities=range(rows)))
    images = np.stack([face.image for face in faces])
    return np.concatenate(
        [np.concatenate(row, 1) for row in images.reshape(rows, -1, *images[0].shape)]
    )


def options(size, seed):
    """One row: every occluder, a face with its landmarks, a grey one."""
    images = []
    for column, kind in enumerate((*OCCLUDERS, "landmarks", "grey")):
        rng = np.random.default_rng([seed, column])
        scene = Scene.sample(rng)
        if kind in OCCLUDERS:
            scene = replace(scene, occluder=kind)
        if kind == "grey":
            scene = replace(scene, camera=replace(scene.camera, saturation=0.0))
        units = action_units(EMOTIONS[column], 0.9, rng)
        image, landmarks = render(sample_identity(seed, 100 + column), units, scene, size)
        image = photograph(image, scene.camera, rng)
        if kind == "landmarks":
            for point in np.rint(landmarks * 16).astype(int):
                cv2.circle(image, point.tolist(), 9, (0, 255, 80), -1, cv2.LINE_AA, 4)
        images.append(image)
    return np.concatenate(images, 1)


def titles(names, size):
    """A strip with a name above each column."""
    strip = np.full((TITLE_HEIGHT, size * len(names), 3), 255, np.uint8)
    for column, name in enumerate(names):
        (width, _), _ = cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, 0.42, 1)
        at = (column * size + (size - width) // 2, TITLE_HEIGHT - 5)
        cv2.putText(strip, name, at, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (40, 40, 40), 1, cv2.LINE_AA)
    return strip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("synthetic_faces.png"))
    parser.add_argument("--rows", type=int, default=6)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--seed", type=int, default=5)
    arguments = parser.parse_args()
    size, seed = arguments.size, arguments.seed
    sheet = np.concatenate(
        [
            titles(EMOTIONS, size),
            expressions(arguments.rows, size, seed),
            titles((*OCCLUDERS, "landmarks", "grey"), size),
            options(size, seed),
        ]
    )
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    # A palette holds the sheet in half the bytes.
    Image.fromarray(sheet).quantize(256, dither=Image.Dither.NONE).save(
        arguments.output, optimize=True
    )
    print(f"{arguments.output}: {sheet.shape[1]}x{sheet.shape[0]} pixels")


if __name__ == "__main__":
    main()
