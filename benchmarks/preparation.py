"""How the preparation of clips grows with the processes that Apache Beam is given.

    python benchmarks/preparation.py VIDEO [--clips N] [--frames N] [--workers N ...] [--json PATH]

The video's first frames are written as pictures and prepared as so many clips, as the builders of
the micro-expression data sets do it: decode, detect, find the landmarks, align to 128x128, keep.
Once without Beam, then with its DirectRunner in 1, 2, ... processes (`pip install
"fer-keras[beam]"`). Starting the processes and the networks in each of them is in the figures, as
it is in a user's: give more clips, and it weighs less.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from PIL import Image

from fer_data.datasets.clip_preparation import Recipe, kept
from fer_data.datasets.clip_rows import Clip
from fer_data.datasets.clip_runs import import_beam, prepare_all
from fer_data.datasets.face_finder import FaceFinder
from fer_data.files import write_text
from fer_data.video import Video


def parse(words):
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("video", help="a video of a face")
    add("--clips", type=int, default=40)
    add("--frames", type=int, default=30, help="of each clip")
    add("--workers", type=int, nargs="+", default=[1, 2], help="processes of Beam, in turn")
    add("--detector", default="mtcnn")
    add("--json", type=Path, help="write the figures there too")
    args = parser.parse_args(words)
    if min(args.clips, args.frames, *args.workers) < 1:
        parser.error("--clips, --frames and --workers must be 1 or more")
    return args


def write_frames(video, folder, count):
    """Write the first frames of a video as pictures; return their names."""
    names = []
    for frame in Video(video).frames(0, count):
        names.append(f"{frame.number:05d}.jpg")
        Image.fromarray(frame.image).save(Path(folder, names[-1]), quality=95)
    if len(names) < count:
        raise ValueError(f"{video} must have {count} frames or more. Received: {len(names)}")
    return tuple(names)


def clips_of(names, count):
    last = len(names)
    return [
        Clip(
            id=f"benchmark/{number}",
            subject="benchmark",
            where=f"clip {number}",
            names=names,
            numbers=tuple(range(1, last + 1)),
            onset=1,
            offset=last,
            apex=-1,
            emotion="",
            label=-1,
            action_units="",
            kind="micro",
        )
        for number in range(count)
    ]


def seconds(clips, recipe, folder, workers):
    """Return how long the preparation takes; without Beam for no workers."""
    beam = {}
    if workers:
        flags = [f"--direct_num_workers={workers}", "--direct_running_mode=multi_processing"]
        beam = {"beam_runner": "DirectRunner", "beam_options": flags}
    start = time.perf_counter()
    prepare_all(clips, recipe, folder, **beam)
    taken = time.perf_counter() - start
    failure = kept(folder, clips[0], frames=False).failure
    if failure:
        raise ValueError(f"The video's clips cannot be prepared: {failure}")
    return taken


def measured(args):
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        clips = clips_of(write_frames(args.video, scratch, args.frames), args.clips)
        recipe = Recipe(scratch, FaceFinder(args.detector))
        for workers in (0, *args.workers):
            folder = Path(scratch, "kept")
            folder.mkdir()
            taken = seconds(clips, recipe, folder, workers)
            rows.append(
                {
                    "workers": workers,
                    "seconds": taken,
                    "clips_a_second": args.clips / taken,
                    "frames_a_second": args.clips * args.frames / taken,
                    "times_plain": rows[0]["seconds"] / taken if rows else 1.0,
                    "bytes_a_clip": sum(each.stat().st_size for each in folder.iterdir())
                    / args.clips,
                }
            )
            shutil.rmtree(folder)
    return rows


def main(words=None):
    args = parse(words)
    beam = import_beam()
    environment = {
        "date": datetime.date.today().isoformat(),
        "python": platform.python_version(),
        "apache-beam": beam.__version__,
        "tensorflow": importlib.metadata.version("tensorflow"),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "clips": args.clips,
        "frames": args.frames,
        "detector": args.detector,
    }
    rows = measured(args)
    print(", ".join(f"{key}: {value}" for key, value in environment.items()))
    print("\n| processes | seconds | clips/s | frames/s | times plain | bytes a clip |")
    print("|---|---:|---:|---:|---:|---:|")
    for row in rows:
        name = f"Beam, {row['workers']}" if row["workers"] else "1, without Beam"
        print(
            f"| {name} | {row['seconds']:.1f} | {row['clips_a_second']:.2f} "
            f"| {row['frames_a_second']:.1f} | {row['times_plain']:.2f} "
            f"| {row['bytes_a_clip']:,.0f} |"
        )
    if args.json:
        write_text(args.json, json.dumps({"environment": environment, "rows": rows}, indent=2))


if __name__ == "__main__":
    sys.exit(main())
