"""Prints how FER2013's faces lie in the boxes of each detector: `FRAMINGS` of `fer_data.faces.cut`.

    python benchmarks/face_framing.py --path FER2013
    python benchmarks/face_framing.py --path faces.npz --detectors yunet retinaface --faces 500

FER2013 is a folder or archive of it, or the file that `fer prepare fer2013 --pack` made. Its
validation faces are enlarged, each to another size, since a detector draws larger boxes around
some sizes than around others, and framed with a quarter of their side of their own edge, so that a
box may reach beyond the face. Each detector looks for the face in each. In units of the longer side
of its box: the side of the face's own frame, and how far the frame's centre lies right of and below
the box's centre. Medians and quartiles over the pictures in which exactly one face was found.
`cut_face` cuts squares of the median size at the median place, so that a network sees faces framed
as in its training, whichever detector found them. "Common" is the median of how much of a face's
own frame and of its cut is common to both (intersection over union): how well one rule does for all
faces. The second table says how the scale goes with the size, and the third how much of the cuts of
one face by two detectors is common.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np

from fer_data.faces.cut import Framing, square
from fer_data.faces.detectors import DETECTORS, detector
from fer_data.pipelines.labelled_faces import load_faces

BATCH = 25
# Sizes are multiples of this, so that pictures of one size can be searched together.
STEP = 16


def enlarged(image, side):
    """Return a picture of `side` pixels with a quarter as many of its own edge on each side."""
    large = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)
    large = large[..., None] if large.ndim == 2 else large
    around = (side // 4, side // 4)
    return np.pad(large, (around, around, (0, 0)), mode="edge")


def boxes(faces, sides, find):
    """Return `(n, 4)`: the box in each picture, nan where there is not exactly one face."""
    rows = np.full((len(faces), 4), np.nan)
    order = np.argsort(sides, kind="stable")
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        pictures = [enlarged(faces[place], sides[place]) for place in batch]
        for place, found in zip(batch, find.detect_batch(pictures), strict=True):
            if len(found) == 1:
                rows[place] = found[0].box
    return rows


def framings(found, sides):
    """Return `(n, 3)`: scale, shift right and shift down, of each box."""
    longer, middle = found[:, 2:].max(axis=1), sides // 4 + sides / 2
    shift = (middle[:, None] - found[:, :2] - found[:, 2:] / 2) / longer[:, None]
    return np.column_stack([sides / longer, shift])


def cuts(found, framing):
    """Return `(n, 3)`: left, top and side of what is cut for each box, nan where there is none."""
    return np.array(
        [(np.nan,) * 3 if np.isnan(box).any() else square(box, framing) for box in found]
    )


def common(first, second):
    """Return the median intersection over union of squares, where both are there."""
    low = np.maximum(first[:, :2], second[:, :2])
    high = np.minimum(first[:, :2] + first[:, 2:], second[:, :2] + second[:, 2:])
    both = np.prod(np.clip(high - low, 0, None), axis=1)
    return np.nanmedian(both / (first[:, 2] ** 2 + second[:, 2] ** 2 - both))


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--path", required=True, help="of FER2013, as for load_faces")
    parser.add_argument("--data-dir", help="where the prepared set is or goes")
    parser.add_argument("--detectors", nargs="+", choices=DETECTORS, default=DETECTORS)
    parser.add_argument("--retinaface-weights", help="path of its h5 file; fetched where absent")
    parser.add_argument("--faces", type=int, default=1000, help="how many validation faces")
    parser.add_argument("--sides", type=int, nargs=2, default=(96, 288), help="least and most")
    options = parser.parse_args(argv)
    split = load_faces("fer2013", options.path, data_dir=options.data_dir).dataset("validation")
    faces = [face["image"] for face in split.take(options.faces).as_numpy_iterator()]
    low, high = (side // STEP for side in options.sides)
    sides = STEP * np.random.default_rng(0).integers(low, high + 1, len(faces))
    frames = np.column_stack([sides // 4, sides // 4, sides])
    print(f"{len(faces)} faces of {STEP * low} to {STEP * high} pixels\n")
    print("| detector | one face in | scale | right | down | common |\n|---|---|---|---|---|---|")
    squares, scales = {}, {}
    for name in options.detectors:
        own = {"weights": options.retinaface_weights} if name == "retinaface" else {}
        found = boxes(faces, sides, detector(name, **own))
        known = ~np.isnan(found).any(axis=1)
        rows = framings(found, sides)
        cells, quartiles = [], np.percentile(rows[known], (25, 50, 75), axis=0)
        for least, median, most in quartiles.T:
            cells.append(f"{median:.3f} ({least:.3f} to {most:.3f})")
        squares[name], scales[name] = cuts(found, Framing(*quartiles[1])), rows[:, 0]
        shared = common(squares[name], frames)
        row = " | ".join([name, str(known.sum()), *cells, f"{shared:.3f}"])
        print(f"| {row} |", flush=True)
    edges = np.linspace(sides.min(), sides.max() + 1, 4)
    titles = [f"{STEP * round(edge / STEP)} pixels and more" for edge in edges[:-1]]
    print("\n| scale | " + " | ".join(titles) + " |\n|---|---|---|---|")
    for name, scale in scales.items():
        parts = [scale[(sides >= edges[i]) & (sides < edges[i + 1])] for i in range(3)]
        print(f"| {name} | " + " | ".join(f"{np.nanmedian(part):.3f}" for part in parts) + " |")
    names = list(squares)
    print("\n| common | " + " | ".join(names) + " |\n|---" + "|---" * len(names) + "|")
    for first in names:
        row = [f"{common(squares[first], squares[second]):.3f}" for second in names]
        print(f"| {first} | " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
