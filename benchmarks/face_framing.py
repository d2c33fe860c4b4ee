"""Prints how FER2013's faces lie in the boxes of a detector: `FRAMINGS` of `fer_data.faces.cut`.

    python benchmarks/face_framing.py --path FOLDER_OF_FER2013 [--detector mtcnn] [--faces 1000]

Validation faces are enlarged and framed with their own edge, so that a box may reach beyond the
picture, and the detector looks for the face in each. In units of the longer side of its box: the
side of the picture, and how far the picture's centre lies right of and below the box's centre.
Medians and quartiles over the pictures in which exactly one face was found. `cut_face` cuts squares
of this size at this place, so that the network sees faces framed as in its training.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np

from fer_data.datasets import prepare
from fer_data.faces.detectors import DETECTORS, detector

BATCH = 50


def enlarged(image, side, margin):
    """Return a picture of `side` pixels with as many rows of its own edge as `margin` says."""
    large = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)
    large = large[..., None] if large.ndim == 2 else large
    return np.pad(large, ((margin, margin), (margin, margin), (0, 0)), mode="edge")


def framing(faces, find, side, margin):
    """Return `(n, 3)`: scale, shift right and shift down, for each picture of one face."""
    rows = []
    for start in range(0, len(faces), BATCH):
        pictures = [enlarged(face, side, margin) for face in faces[start : start + BATCH]]
        for found in find.detect_batch(pictures):
            if len(found) != 1:
                continue
            x, y, width, height = found[0].box
            longer, middle = max(width, height), margin + side / 2
            rows.append(
                (
                    side / longer,
                    (middle - x - width / 2) / longer,
                    (middle - y - height / 2) / longer,
                )
            )
    return np.array(rows)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--path", required=True, help="of FER2013, as for datasets.prepare")
    parser.add_argument("--data-dir", help="where the prepared set is or goes")
    parser.add_argument("--detector", choices=DETECTORS, default="mtcnn")
    parser.add_argument("--faces", type=int, default=1000, help="how many validation faces")
    parser.add_argument("--side", type=int, default=192, help="what they are enlarged to")
    parser.add_argument("--margin", type=int, default=48, help="of their own edge around them")
    options = parser.parse_args(argv)
    split = f"validation[:{options.faces}]"
    builder = prepare("fer2013", path=options.path, data_dir=options.data_dir)
    faces = [row["image"] for row in builder.as_dataset(split=split).as_numpy_iterator()]
    rows = framing(faces, detector(options.detector), options.side, options.margin)
    print(f"{options.detector}: one face in {len(rows)} of {len(faces)} pictures")
    print("| | lower quartile | median | upper quartile |\n|---|---|---|---|")
    for name, values in zip(("scale", "right", "down"), rows.T, strict=True):
        low, median, high = np.percentile(values, (25, 50, 75))
        print(f"| {name} | {low:.3f} | {median:.3f} | {high:.3f} |")


if __name__ == "__main__":
    main()
