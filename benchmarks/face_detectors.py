"""Counts and times what every installed face detector finds in the same photos.

    python benchmarks/face_detectors.py
    python benchmarks/face_detectors.py --photos FOLDER --working-size 320
    python benchmarks/face_detectors.py --photos FOLDER --width 640 --detectors yunet mtcnn

FOLDER holds the photos and an XML file with their boxes as dlib's imglab writes it; without it the
photo is scikit-image's astronaut. A face that was found and one that was annotated belong together
where their boxes overlap by at least 0.4 (intersection over union), each with one other, the most
certain first; what is left over is "false", be it a face that nobody annotated. The detectors take
turns and the best of the rounds counts, since other load on the machine only ever slows one down;
"batched" gives `detect_batch` all the photos at once.
"""

import argparse
import os
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np

from fer_data.faces.detectors import DETECTORS, detector
from fer_data.faces.image import read_image

OVERLAP = 0.4


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, help="folder of photos and their imglab XML")
    parser.add_argument("--width", type=int, help="resize the photos to this width first")
    parser.add_argument("--working-size", type=int, default=640, help="longer side for detection")
    parser.add_argument("--min-score", type=float, help="instead of each detector's own")
    parser.add_argument("--detectors", nargs="+", default=DETECTORS, choices=DETECTORS)
    parser.add_argument("--retinaface-weights", help="path of its h5 file; fetched where absent")
    parser.add_argument("--yunet-weights", help="path of its ONNX file; fetched where absent")
    parser.add_argument("--upsample", type=int, default=1, help="of dlib_hog")
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


def photos(options):
    """Return `[(picture, boxes)]`, boxes as `(x, y, width, height)`."""
    if options.photos is None:
        from skimage import data

        pairs = [(data.astronaut(), [(177, 68, 90, 90)])]
    else:
        pairs = [
            (
                read_image(options.photos / image.get("file")),
                [_box(box) for box in image.iter("box")],
            )
            for file in sorted(options.photos.glob("*.xml"))
            for image in ElementTree.parse(file).iter("image")
        ]
    if not pairs:
        raise SystemExit(f"There is no imglab XML file in {options.photos}.")
    return [_resized(picture, boxes, options.width) for picture, boxes in pairs]


def _box(element):
    return tuple(float(element.get(key)) for key in ("left", "top", "width", "height"))


def _resized(picture, boxes, width):
    scale = 1 if width is None else width / picture.shape[1]
    if scale != 1:
        size = (width, round(picture.shape[0] * scale))
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        picture = cv2.resize(picture, size, interpolation=way)
    return picture, np.array(boxes, dtype=np.float64).reshape(-1, 4) * scale


def overlap(box, others):
    """Return the intersection over union of a box with each of the others."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[:2] + box[2:], others[:, :2] + others[:, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=1)
    return common / (np.prod(box[2:]) + np.prod(others[:, 2:], axis=1) - common)


def count(faces, boxes):
    """Return how many of the annotated boxes were found, and how many faces are left over."""
    free = np.ones(len(boxes), bool)
    for face in faces:
        if not free.any():
            break
        fits = np.where(free, overlap(face.box.astype(np.float64), boxes), 0)
        if fits.max() >= OVERLAP:
            free[fits.argmax()] = False
    found = len(boxes) - int(free.sum())
    return found, len(faces) - found


def make(options):
    """Return `{name: detector}` of those that can be made, and print why others cannot."""
    own = {
        "retinaface": {"weights": options.retinaface_weights},
        "yunet": {"weights": options.yunet_weights},
        "dlib_hog": {"upsample": options.upsample},
    }
    common = {"working_size": options.working_size}
    if options.min_score is not None:
        common["min_score"] = options.min_score
    made = {}
    for name in options.detectors:
        try:
            made[name] = detector(name, **common, **own.get(name, {}))
        except (ImportError, OSError, RuntimeError) as error:
            print(f"{name}: not here. {error}")
    return made


def main():
    options = arguments()
    pairs = photos(options)
    pictures = [picture for picture, _ in pairs]
    annotated = sum(len(boxes) for _, boxes in pairs)
    batch = pictures * -(-8 // len(pictures))
    sizes = sorted({f"{picture.shape[1]}x{picture.shape[0]}" for picture in pictures})
    detectors = make(options)

    counts, single, batched = {}, {}, {}
    for round_ in range(options.rounds + 1):
        for name, each in detectors.items():
            start = time.perf_counter()
            found = [each.detect(picture) for picture in pictures]
            middle = time.perf_counter()
            each.detect_batch(batch)
            end = time.perf_counter()
            if round_:
                single.setdefault(name, []).append((middle - start) / len(pictures))
                batched.setdefault(name, []).append((end - middle) / len(batch))
            else:  # the first time networks are traced and compiled
                results = [count(*pair) for pair in zip(found, (p[1] for p in pairs), strict=True)]
                counts[name] = np.sum(results, axis=0)

    print(f"{len(pictures)} photos ({', '.join(sizes)}), working size {options.working_size}")
    print(f"{'detector':12} {'found':>9} {'false':>6} {'ms single':>10} {'ms batched':>11}")
    for name in detectors:
        found, false = counts[name]
        print(
            f"{name:12} {found:3} of {annotated:2} {false:6} {min(single[name]) * 1e3:10.1f} "
            f"{min(batched[name]) * 1e3:11.1f}"
        )


if __name__ == "__main__":
    main()
