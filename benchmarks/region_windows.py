"""How often a region holds all of its points: windows that follow landmarks, and the fixed grid.

    python benchmarks/region_windows.py --annotations FILE --drawn 200

A face is aligned by its eyes to 128 pixels, as for micro-expressions. Of its left and right upper
region (brow and eye) and its lower one (mouth), this prints the share of faces in which all points
lie inside, and how far the outermost point is from the window's edge: what an expression or the
sway of a head can move it by before it is cut off. FILE holds landmarks as dlib's training files
do, such as `training_with_face_landmarks.xml` of its examples; drawn faces are those of
`fer_data.synthetic`, whose landmarks are exact. No network and no detector takes part.
"""

import argparse
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np

from fer_data.faces import alignment, region_windows, transform_points
from fer_data.faces.regions import POINTS

SIZE = 64
NAMES = ("left", "right", "lower")
GRID = np.array([[0, 0], [0, SIZE], [SIZE, SIZE // 2]])
PICTURE = 160


def annotated(path):
    """Return the landmarks `(faces, 68, 2)` in a file of dlib's kind."""
    faces = []
    for box in ET.parse(path).getroot().iter("box"):
        parts = sorted(box.iter("part"), key=lambda part: part.get("name"))
        faces.append([(float(part.get("x")), float(part.get("y"))) for part in parts])
    return np.float32(faces)


def drawn(count, seed):
    """Return the landmarks of drawn faces, in scenes as for still faces."""
    from fer_data.synthetic import Scene, render, sample_identity

    faces = []
    for number in range(count):
        scene = Scene.sample(np.random.default_rng([seed, number]))
        faces.append(render(sample_identity(seed, number), {}, scene, PICTURE)[1])
    return np.float32(faces)


def margins(points, corners):
    """Return how far inside its window the outermost point of each region is, `(faces, 3)`.

    In pixels, from where a point would lie in no pixel of the window; below 0 outside of it.
    """
    found = []
    for number, name in enumerate(NAMES):
        own = points[:, list(POINTS[name]), ::-1] + 0.5 - corners[:, number, None]
        found.append(np.minimum(own, SIZE - own).min((1, 2)))
    return np.stack(found, 1)


def rows(name, landmarks):
    aligned = transform_points(landmarks, alignment(landmarks)).numpy().astype(np.float64)
    windows = {
        "grid": np.broadcast_to(GRID, (len(aligned), 3, 2)),
        "landmarks": region_windows(aligned, SIZE).numpy(),
    }
    for cut, corners in windows.items():
        inside = margins(aligned, corners)
        cells = []
        for region in range(3):
            of_region = inside[:, region]
            held = (of_region > 0).sum()
            low, middle = np.percentile(of_region, [5, 50])
            cells.append(f"{held} ({held / len(aligned):.1%}) | {middle:.1f} | {low:.1f}")
        print(f"| {name}, {len(aligned)} | {cut} | {' | '.join(cells)} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--annotations", type=Path, help="landmarks in a file of dlib's kind")
    parser.add_argument("--drawn", type=int, default=200, help="drawn faces; 0 for none")
    parser.add_argument("--seed", type=int, default=0, help="of the drawn faces")
    options = parser.parse_args()
    columns = " | ".join(f"{name}: whole | margin, px | 5 % below" for name in NAMES)
    print(f"| faces | windows | {columns} |\n|---|---|" + "---:|" * 9)
    if options.annotations:
        rows("annotated photos", annotated(options.annotations))
    if options.drawn:
        rows("drawn", drawn(options.drawn, options.seed))


if __name__ == "__main__":
    main()
