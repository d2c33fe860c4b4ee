"""Find the faces in a photo and draw boxes, 68 landmarks and the three regions of each.

    python examples/faces_in_photo.py
    python examples/faces_in_photo.py party.jpg --detector retinaface --output party_faces.png

Without a photo it takes the astronaut's portrait that comes with scikit-image (NASA, public
domain). Where there is no face, nothing is written and the exit status is 1;
after an error it is 2.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from PIL import Image

from fer_data.faces.detectors import DETECTORS, detector
from fer_data.faces.drawing import draw_face, region_sheet, save_png
from fer_data.faces.face import Face
from fer_data.faces.geometry import align_face, split_regions
from fer_data.faces.image import read_image
from fer_data.faces.landmark_predictor import landmarks

SIGHT = 1000  # Smaller photos are enlarged to about this many pixels before anything is drawn.
GROUND = 255


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("photo", nargs="?", help="a picture file (default: scikit-image's astronaut)")
    add("--detector", choices=DETECTORS, default="mtcnn", help="what finds the faces")
    add("--weights", help="their file, for retinaface, yunet and dlib_cnn (default: fetched)")
    add("--min-score", type=float, help="of a face, to be kept (default: the detector's)")
    add("--output", type=Path, default=Path("faces.png"), help="PNG file to write")
    args = parser.parse_args(argv)
    if args.weights and args.detector not in ("retinaface", "yunet", "dlib_cnn"):
        parser.error(f"--weights: {args.detector} brings its own")
    if args.output.suffix.lower() != ".png" or args.output.is_dir():
        parser.error(f"--output: must be a file ending in .png, not {args.output}")
    return args


def astronaut():
    """Return the portrait of Eileen Collins, uint8 RGB `(512, 512, 3)`."""
    try:
        from skimage import data
    except ImportError as error:
        raise ImportError(
            "The portrait comes with scikit-image, which is not installed: name a file, or "
            "pip install scikit-image"
        ) from error
    return data.astronaut()


def draw(photo, faces, points):
    """Return the photo, enlarged if small, with all faces drawn and numbered."""
    scale = max(1, round(SIGHT / max(photo.shape[:2])))
    drawn = np.asarray(
        Image.fromarray(photo).resize(
            (photo.shape[1] * scale, photo.shape[0] * scale), Image.Resampling.BICUBIC
        )
    )
    for number, (face, marks) in enumerate(zip(faces, points, strict=True), 1):
        large = Face(
            face.box * scale,
            face.score,
            # Pixel centres are whole numbers, so a pixel's corner lies half a pixel before it.
            None if face.points is None else (face.points + 0.5) * scale - 0.5,
        )
        drawn = draw_face(drawn, large, (marks + 0.5) * scale - 0.5, title=str(number))
    return drawn


def regions(photo, points, size=64):
    """Return the three regions of each face: three uint8 arrays `(faces, size, size, 3)`."""
    aligned = align_face(photo, np.stack(points), size=2 * size, dtype="uint8")
    return [region.numpy() for region in split_regions(aligned, size=size)]


def below(picture, sheet):
    """Return two pictures, one below the other, on white."""
    width = max(picture.shape[1], sheet.shape[1])
    return np.concatenate(
        [
            np.pad(
                part,
                ((0, 0), (0, width - part.shape[1]), (0, 0)),
                constant_values=GROUND,
            )
            for part in (picture, sheet)
        ]
    )


def run(args):
    options = {"min_score": args.min_score, "weights": args.weights}
    options = {name: value for name, value in options.items() if value is not None}
    photo = read_image(args.photo) if args.photo else astronaut()
    faces = detector(args.detector, **options).detect(photo)
    points = [landmarks(photo, face) for face in faces]
    name = args.photo or "the astronaut's portrait"
    size = f"{photo.shape[1]}x{photo.shape[0]} pixels"
    print(f"{name}, {size}: {len(faces)} face{'s'[: len(faces) != 1]} found by {args.detector}")
    if not faces:
        print("Nothing to draw.", file=sys.stderr)
        return 1
    for number, (face, marks) in enumerate(zip(faces, points, strict=True), 1):
        x, y, width, height = face.box
        apart = np.linalg.norm(marks[36:42].mean(0) - marks[42:48].mean(0))
        print(
            f"  {number}: score {face.score:.3f}, box x={x:.0f} y={y:.0f} {width:.0f}x{height:.0f},"
            f" eyes {apart:.1f} pixels apart"
        )
    drawn = draw(photo, faces, points)
    titles = [f"{number}  score {face.score:.2f}" for number, face in enumerate(faces, 1)]
    columns = max(1, drawn.shape[1] // region_sheet(*(np.zeros((3, 1, 64, 64, 1), "u1"))).shape[1])
    sheet = region_sheet(*regions(photo, points), titles=titles, columns=columns)
    save_png(below(drawn, sheet), args.output)
    print(f"Wrote {args.output}")
    return 0


def main(argv=None):
    args = parse(argv)
    try:
        return run(args)
    except (ImportError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
