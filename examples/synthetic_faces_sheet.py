"""Draw the contact sheet of the face renderer: seven expressions, then what may cover a face.

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

OPTIONS = (*OCCLUDERS, "landmarks", "grey")


def expressions(rows, size, seed):
    """Return one person a row, one emotion a column."""
    faces = list(generate(rows * len(EMOTIONS), seed, size=size, identities=range(rows)))
    images = np.stack([face.image for face in faces]).reshape(rows, -1, size, size, 3)
    return np.concatenate([np.concatenate(row, axis=1) for row in images])


def option(column, size, seed):
    """Return a covered face, one with its landmarks, or a grey one."""
    kind, rng = OPTIONS[column], np.random.default_rng([seed, column])
    scene = Scene.sample(rng)
    if kind in OCCLUDERS:
        scene = replace(scene, occluder=kind)
    if kind == "grey":
        scene = replace(scene, camera=replace(scene.camera, saturation=0.0))
    units = action_units(EMOTIONS[column], 0.9, rng)
    image, landmarks = render(sample_identity(seed, 100 + column), units, scene, size)
    image = photograph(image, scene.camera, rng)
    for point in np.rint(landmarks * 16).astype(int) if kind == "landmarks" else ():
        cv2.circle(image, point.tolist(), 9, (0, 255, 80), -1, cv2.LINE_AA, 4)
    return image


def titles(names, size):
    """Return a strip with a name above each column."""
    strip = np.full((18, size * len(names), 3), 255, np.uint8)
    for column, name in enumerate(names):
        (width, _), _ = cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, 0.42, 1)
        at = (column * size + (size - width) // 2, 13)
        cv2.putText(strip, name, at, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (40, 40, 40), 1, cv2.LINE_AA)
    return strip


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--output", type=Path, default=Path("synthetic_faces.png"))
parser.add_argument("--rows", type=int, default=6)
parser.add_argument("--size", type=int, default=96)
parser.add_argument("--seed", type=int, default=5)
args = parser.parse_args()
covered = [option(column, args.size, args.seed) for column in range(len(OPTIONS))]
sheet = [
    titles(EMOTIONS, args.size),
    expressions(args.rows, args.size, args.seed),
    titles(OPTIONS, args.size),
    np.concatenate(covered, axis=1),
]
args.output.parent.mkdir(parents=True, exist_ok=True)
# A palette holds the sheet in half the bytes.
palette = Image.fromarray(np.concatenate(sheet)).quantize(256, dither=Image.Dither.NONE)
palette.save(args.output, optimize=True)
print(args.output)
