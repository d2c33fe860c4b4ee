"""Times how `fer crop` cuts the faces out of a folder of photos, by detector.

    python benchmarks/folder_cut.py --cores 2
    python benchmarks/folder_cut.py --cores 2 --detectors mtcnn dlib_hog --workers 1 2

The photos are made for it: JPEG files of 640x480, each with a drawn face on a ground of noise. What
is timed is all of `cut_folder`: reading, finding, cutting, writing. "Wall" is what a watch shows,
the best of the rounds, since other load on the machine only ever slows one down; "processor" is the
time of all processors in it, of the same round, from which follows what so many idle cores could do
at best. One process is warm: its detector has seen photos before. Several processes start anew, and
their start is in the figures.
"""

import argparse
import os
import resource
import shutil
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# As the command has it, for weights that run in Keras.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np
from PIL import Image

from fer_data.faces import DETECTORS, cut_folder
from fer_data.faces.detectors import detector as make_detector
from fer_data.synthetic import generate

WARM = 8


def arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detectors", nargs="+", default=DETECTORS, choices=DETECTORS)
    parser.add_argument("--retinaface-weights", help="path of another h5 file, for Keras")
    parser.add_argument("--photos", type=int, default=120)
    parser.add_argument("--workers", type=int, nargs="+", default=[1])
    parser.add_argument("--size", type=int, default=64, help="of the faces")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=int, help="processor cores to use")
    return parser.parse_args(argv)


def draw(folder, count):
    """Write photos of 640x480 with a face of about 150 to 250 pixels each."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for number, face in enumerate(generate(count, seed=7, size=240)):
        ground = rng.integers(60, 200, (30, 40, 3), np.uint8)
        photo = np.array(Image.fromarray(ground).resize((640, 480), Image.Resampling.BICUBIC))
        side = int(rng.integers(200, 330))
        left, top = rng.integers(0, 640 - side), rng.integers(0, 480 - side)
        shown = Image.fromarray(face.image).resize((side, side))
        photo[top : top + side, left : left + side] = shown
        Image.fromarray(photo).save(folder / f"{number:04d}.jpg", quality=90)
    return folder


def processor():
    """Return the processors' seconds of this process and of those that it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def timed(photos, target, find, options, workers, size):
    """Return wall and processor seconds of a whole folder, and the number of faces."""
    wall, work = time.perf_counter(), processor()
    named = {"progress": False, "size": size, "workers": workers, **options}
    found = cut_folder(photos, target, find, **named)
    spent = time.perf_counter() - wall, processor() - work, found.faces
    shutil.rmtree(target)
    return spent


def main(argv=None):
    options = arguments(argv)
    if options.cores:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        photos, few = draw(folder / "photos", options.photos), draw(folder / "few", WARM)
        print(f"{options.photos} photos of 640x480, {len(os.sched_getaffinity(0))} cores\n")
        print("| detector | processes | faces | faces/s, wall | processor, ms a photo |")
        print("|---|---:|---:|---:|---:|")
        for name in options.detectors:
            named = {"weights": options.retinaface_weights} if name == "retinaface" else {}
            for workers in options.workers:
                find, own = name, named
                if workers == 1:
                    find, own = make_detector(name, **named), {}
                    timed(few, folder / "faces", find, own, workers, options.size)
                rounds = [
                    timed(photos, folder / "faces", find, own, workers, options.size)
                    for _ in range(options.rounds)
                ]
                wall, work, faces = min(rounds)
                row = f"{name} | {workers} | {faces} | {faces / wall:.1f}"
                print(f"| {row} | {1000 * work / options.photos:.1f} |", flush=True)


if __name__ == "__main__":
    main()
