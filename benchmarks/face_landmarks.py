"""How far landmarks move with the detector whose box they start from.

    python benchmarks/face_landmarks.py --photos FOLDER

The 68-point predictor was trained with the squares of dlib's HOG detector. For every face that HOG
and another detector both find, in each photo and its mirror image, this prints the mean distance
between the landmarks from the two boxes, in distances between the eyes: with the other's box as it
is, with the square of a constant sideways shift, and with the square that follows the nose, which
`fer_data.faces.landmarks` uses. A low figure says that the detectors agree, not that the landmarks
are right. Without photos it takes the astronaut's portrait that comes with scikit-image.
"""

import argparse
from pathlib import Path

import numpy as np

from fer_data.faces import LandmarkPredictor, detector, read_image

# Side, shift to the right and shift down of the square, as fractions of the box: fitted on photos
# without their mirror images.
CONSTANT = {"mtcnn": (1.0, -0.04, 0.04), "retinaface": (0.97, -0.06, 0.04)}
LEAST_OVERLAP = 0.4
SUFFIXES = (".jpg", ".jpeg", ".png")


def photos(folder):
    if folder is None:
        from skimage import data

        pictures = [data.astronaut()]
    else:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
        pictures = [read_image(path) for path in paths]
    return [turned for picture in pictures for turned in (picture, picture[:, ::-1].copy())]


def overlap(a, b):
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[:2] + a[2:], b[:2] + b[2:])
    both = np.maximum(high - low, 0).prod()
    return both / (a[2:].prod() + b[2:].prod() - both)


def shifted(face):
    """Return the square of a constant shift as a plain box, or `None` where there is none."""
    if face.detector not in CONSTANT:
        return None
    size, right, down = CONSTANT[face.detector]
    x, y, width, height = face.box
    side = size * (width + height) / 2
    return (
        x + (width - side) / 2 + right * width,
        y + (height - side) / 2 + down * height,
        side,
        side,
    )


def errors(name, find, references, predict):
    """Return the errors of each way over all faces that both detectors find."""
    ways = {"box as it is": [], "constant shift": [], "as in the library": []}
    for picture, expected in references:
        for face in find.detect(picture):
            near = [overlap(face.box, other.box) for other, _ in expected]
            if not near or max(near) < LEAST_OVERLAP:
                continue
            points = expected[int(np.argmax(near))][1]
            apart = np.linalg.norm(points[36:42].mean(0) - points[42:48].mean(0))
            boxes = (face.box, shifted(face), face)
            for errors_of_way, box in zip(ways.values(), boxes, strict=True):
                if box is not None:
                    away = np.linalg.norm(predict(picture, box) - points, axis=-1).mean()
                    errors_of_way.append(away / apart)
    for way, values in ways.items():
        if values:
            median, ninth = np.percentile(values, [50, 90])
            print(f"| {name} | {way} | {len(values)} | {median:.3f} | {ninth:.3f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--photos", type=Path, help="folder of photos")
    parser.add_argument("--retinaface-weights", type=Path)
    parser.add_argument("--yunet-weights", type=Path)
    parser.add_argument("--detectors", nargs="+", default=["mtcnn", "retinaface", "yunet"])
    options = parser.parse_args()
    weights = {"retinaface": options.retinaface_weights, "yunet": options.yunet_weights}
    predict = LandmarkPredictor()
    hog = detector("dlib_hog", upsample=1)
    references = [
        (picture, [(face, predict(picture, face)) for face in hog.detect(picture)])
        for picture in photos(options.photos)
    ]
    print("| boxes of | square | faces | median | 90th percentile |\n|---|---|---:|---:|---:|")
    for name in options.detectors:
        extra = {"weights": weights[name]} if weights.get(name) else {}
        errors(name, detector(name, **extra), references, predict)


if __name__ == "__main__":
    main()
