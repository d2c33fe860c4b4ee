"""Draw the contact sheet of the synthetic micro-expressions: from onset over apex to offset.

python examples/micro_expressions_sheet.py --output docs/images/synthetic_micro_expressions.jpg
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from fer_data.synthetic.synthetic_micro_expressions import synthetic_clips

TITLE_HEIGHT = 18
GAIN = 4
COLUMNS = ("onset", "half way", "apex", "half way back", "offset", f"apex - onset, x{GAIN}")


def strip(clip):
    """Return a clip as a row: five frames, and what moved, grey where nothing did."""
    last = len(clip.frames) - 1
    places = (0, clip.apex // 2, clip.apex, (clip.apex + last) // 2, last)
    change = clip.frames[clip.apex].astype("float32") - clip.frames[0]
    motion = np.clip(128 + GAIN * change, 0, 255).astype("uint8")
    return np.concatenate([*clip.frames[list(places)], motion], axis=1)


def sheet(people, size, seed):
    """Return rows of people and classes under a line of titles: uint8 (height, width, 3)."""
    drawn = synthetic_clips(people, 1, size=size, seed=seed, amplitude=(2.5, 3.0))
    # Another class for each person: with all classes, each face would be there three times.
    rows = [strip(clip) for number, (_, clip) in enumerate(drawn) if number % 3 == number // 3 % 3]
    titles = np.full((TITLE_HEIGHT, rows[0].shape[1], 3), 255, np.uint8)
    for column, title in enumerate(COLUMNS):
        place = (column * size + 4, TITLE_HEIGHT - 6)
        cv2.putText(titles, title, place, cv2.FONT_HERSHEY_SIMPLEX, 0.36, 0, 1, cv2.LINE_AA)
    return np.concatenate([titles, *rows])


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--output", type=Path, required=True, help="PNG or JPEG file to write")
parser.add_argument("--people", type=int, default=3, help="rows")
parser.add_argument("--size", type=int, default=128, help="side of a face in pixels")
parser.add_argument("--seed", type=int, default=5, help="which people")
args = parser.parse_args()
args.output.parent.mkdir(parents=True, exist_ok=True)
Image.fromarray(sheet(args.people, args.size, args.seed)).save(args.output, quality=88)
print(args.output)
