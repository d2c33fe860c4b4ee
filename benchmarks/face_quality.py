"""Prints how accuracy falls with blur, size and turn of a face: limits of `QualityGate`.

    python benchmarks/face_quality.py --path FER2013 [--weights ghostface:fer2013]

FER2013 is a folder or archive of it, or the file that `fer prepare fer2013 --pack` made. Its
validation faces without copies of training faces, 48x48 pixels, under its own labels:

1. by their own sharpness (the variance of the Laplacian), in parts of equal number;
2. blurred by a Gaussian of growing width: the accuracy, and the median sharpness;
3. shrunk by area means to fewer pixels a side and enlarged again, as the Recognizer would enlarge
   a small face;
4. by how far they are turned, by the five points of YuNet on the face enlarged to 192 pixels, where
   it finds exactly one face.

The last table is of drawn faces, whose turn is known: the error of the turn from five points that
are where they should be.
"""

import argparse
import datetime
import itertools
import os
import platform

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np
from face_framing import enlarged

from fer_data.faces.cut import resized
from fer_data.faces.detectors import detector
from fer_data.pipelines.labelled_faces import load_faces
from fer_data.synthetic import Scene, action_units, render, sample_identity
from fer_data.synthetic.scene import Pose
from fer_models.evaluation.intervals import binomial_interval
from fer_models.recognizer import head_pose
from fer_models.recognizer.classifier import Classifier
from fer_models.recognizer.quality import sharpness
from fer_models.runtime.ready_networks import ready_network

SIDES = (8, 12, 16, 20, 24, 28, 32, 40, 48)
WIDTHS = (0.0, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
TURNS = (0, 10, 20, 30, 40, 50, 90)
PARTS = (0, 1, 2, 5, 10, 25, 50, 75, 100)
ENLARGED = 192
BATCH = 64


def row(name, right, *more):
    """Print a row of a table: how many faces, the accuracy with its interval, and more."""
    if not len(right):
        print(f"| {name} | 0 |" + " - |" * (2 + len(more)), flush=True)
        return
    share = binomial_interval(int(right.sum()), len(right))
    cells = [name, f"{len(right):,}", f"{share.value:.1%}", f"{share.low:.1%} to {share.high:.1%}"]
    print("| " + " | ".join([*cells, *more]) + " |", flush=True)


def table(*columns):
    """Print the head of a table."""
    print(f"\n| {' | '.join(columns)} |\n|---" + "|---:" * (len(columns) - 1) + "|")


def turns(faces):
    """Return the yaw of each face in degrees, nan where there is not exactly one face."""
    find, found = detector("yunet"), np.full(len(faces), np.nan)
    for place, face in enumerate(faces):
        seen = find.detect(enlarged(face.astype("uint8"), ENLARGED))
        if len(seen) == 1 and (pose := head_pose(seen[0].points)) is not None:
            found[place] = pose.yaw
    return found


def drawn_turns(count=20):
    """Yield the true yaw and the errors of the yaw from five points of drawn faces."""
    for yaw in (-35, -25, -15, 0, 15, 25, 35):
        errors = []
        for person in range(count):
            scene = Scene(pose=Pose(yaw=yaw))
            _, points = render(sample_identity(0, person), action_units("neutral"), scene, 192)
            eyes = points[36:42].mean(0), points[42:48].mean(0)
            five = np.stack([*eyes, points[30], points[48], points[54]])
            errors.append(head_pose(five).yaw - yaw)
        yield yaw, np.array(errors)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--path", required=True, help="of FER2013, as for load_faces")
    parser.add_argument("--data-dir", help="where the prepared set is or goes")
    parser.add_argument("--weights", default="ghostface:fer2013", help="bundled weights")
    parser.add_argument("--faces", type=int, help="how many validation faces (default: all)")
    options = parser.parse_args(argv)
    split = load_faces("fer2013", options.path, data_dir=options.data_dir)
    fresh = ~split.column("validation", "copy_in_train").astype(bool)
    labels = split.column("validation", "label")[fresh][: options.faces]
    rows = split.dataset("validation").as_numpy_iterator()
    faces = np.stack([each["image"] for each in rows])[fresh][: options.faces].astype("float32")
    network = ready_network(options.weights, "ghostface")
    classify = Classifier(network, BATCH, False)

    def right(images):
        return classify(images).argmax(1) == labels

    print(
        f"{options.weights}, {len(faces):,} faces; {datetime.date.today()}, Python "
        f"{platform.python_version()}, {platform.machine()}"
    )
    whole, sharp = right(faces), np.array([sharpness(face) for face in faces])
    ends = np.percentile(sharp, PARTS)
    table("sharpness", "faces", "accuracy", "95 % interval")
    for low, high, start, end in zip(PARTS, PARTS[1:], ends, ends[1:], strict=False):
        some = (sharp >= start) & ((sharp < end) | (high == 100))
        row(f"{start:.0f} to {end:.0f} ({low} to {high} % of the faces)", whole[some])
    table("blur, pixels", "faces", "accuracy", "95 % interval", "median sharpness")
    for width in WIDTHS:
        blurred = (
            faces
            if width == 0
            else np.stack([cv2.GaussianBlur(face, (0, 0), width)[..., None] for face in faces])
        )
        middle = np.median([sharpness(face) for face in blurred])
        row(f"{width:g}", right(blurred), f"{middle:.0f}")
    table("pixels a side", "faces", "accuracy", "95 % interval", "median sharpness")
    for side in SIDES:
        small = np.stack([resized(resized(face, side), faces.shape[1]) for face in faces])
        middle = np.median([sharpness(face) for face in small])
        row(f"{side}", right(small), f"{middle:.0f}")
    table("turned by, degrees", "faces", "accuracy", "95 % interval")
    turned = np.abs(turns(faces))
    for low, high in itertools.pairwise(TURNS):
        row(f"{low} to {high}", whole[(turned >= low) & (turned < high)])
    row("not one face found", whole[np.isnan(turned)])
    print("\n| drawn turn, degrees | mean error | largest error |\n|---|---:|---:|")
    for yaw, errors in drawn_turns():
        print(f"| {yaw} | {errors.mean():+.1f} | {np.abs(errors).max():.1f} |")


if __name__ == "__main__":
    main()
