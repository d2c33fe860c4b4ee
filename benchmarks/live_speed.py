"""How many frames of a video a second the Recognizer answers, and where the time goes.

    python benchmarks/live_speed.py VIDEO [VIDEO ...] [--weights TAG_OR_FILE] [--detector NAME]
        [--detect-every SECONDS] [--rounds N] [--frames N] [--json PATH]

Four ways, in turns on the same video, with the detector, the network, sets and quality as they are
by default:

- `frame`: `session.frame` of each frame in memory, as a live loop calls it: the answer is there
  before the next frame is looked at;
- `frames`: `session.frames` of the same frames: while one frame is classified, the next ones are
  looked at, so that each answer comes one to eight frames later;
- `frames(4)`: the same with `together=4, ahead=16`: four frames are classified in one call, so that
  each answer comes four frames later or more;
- `video`: `Recognizer.video` of the file, so decoding too.

The first frames of each way are run before, unmeasured. Printed are frames a second (the median of
the rounds, the lowest and the highest) and the processor's time for a frame on all cores together,
which other work on the machine changes least. All ways must give equal answers; the program ends
with an error if they do not.

Then `frame` once more, with a clock around each part, which itself takes some time: detector (both
searches of the whole frame and of the places of known faces), following (flow in between, matching,
copies), crop, quality, expression (the network), and the rest: checks, smoothing, sets, results.

Every process of this library uses several cores where it gains something: hold it to two of a
larger machine with `taskset -c 0,1`.
"""

import argparse
import collections
import datetime
import itertools
import json
import os
import platform
import statistics
import time
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import cv2
import numpy as np

from fer_data.compiled.lite_runner import cores
from fer_data.faces.detectors import DETECTORS
from fer_data.video import Video
from fer_models import Recognizer

WARM_UP = 20  # frames: past the first search of the whole frame, the flow and the second search
PAUSE = 0.3  # seconds between turns, for the threads of the one before to fall asleep
PARTS = ("detector", "following", "crop", "quality", "expression", "rest")


def decode(path, most=None):
    """Return the frames of a video with their times, and its `VideoInfo`."""
    video = Video(path)
    if not video.info.fps:
        raise SystemExit(f"{path} does not say how many frames a second it has.")
    frames = [(frame.image, frame.time) for frame in itertools.islice(video, most)]
    if len(frames) <= WARM_UP:
        raise SystemExit(f"{path} has {len(frames)} frames; more than {WARM_UP} are needed.")
    return frames, video.info


def by_frame(recognizer, path, frames, detect_every):
    session = recognizer.session(detect_every=detect_every)
    return [session.frame(image, timestamp) for image, timestamp in frames]


def by_frames(recognizer, path, frames, detect_every):
    return list(recognizer.session(detect_every=detect_every).frames(frames))


def by_fours(recognizer, path, frames, detect_every):
    session = recognizer.session(detect_every=detect_every)
    return list(session.frames(frames, together=4, ahead=16))


def by_video(recognizer, path, frames, detect_every):
    found = recognizer.video(path, detect_every=detect_every)
    return [result.faces for result in itertools.islice(found, len(frames))]


WAYS = {"frame": by_frame, "frames": by_frames, "frames(4)": by_fours, "video": by_video}


def measured(run):
    """Return what a function gives, its seconds, and those of all cores together."""
    start, spent = time.perf_counter(), time.process_time()
    found = run()
    return found, time.perf_counter() - start, time.process_time() - spent


def speeds(recognizer, path, frames, detect_every, rounds):
    """Return `{way: {"fps": [of each round], "ms_cpu": [likewise]}}`.

    Raises:
        SystemExit: If two ways give different answers.
    """
    found = {way: {"fps": [], "ms_cpu": []} for way in WAYS}
    for way in WAYS.values():
        way(recognizer, path, frames[:WARM_UP], detect_every)
    expected = None
    for _ in range(rounds):
        for name, way in WAYS.items():
            time.sleep(PAUSE)
            answers, seconds, spent = measured(
                lambda way=way: way(recognizer, path, frames, detect_every)
            )
            expected = answers if expected is None else expected
            if answers != expected:
                raise SystemExit(f"{path}: {name!r} answers otherwise than 'frame'.")
            found[name]["fps"].append(len(frames) / seconds)
            found[name]["ms_cpu"].append(1000 * spent / len(frames))
    return found, sum(map(bool, expected))


class Clocks:
    """Adds up the seconds of functions, by name."""

    def __init__(self):
        self.seconds = collections.Counter()

    def timed(self, name, function):
        """Return a function that does the same and is counted."""

        def run(*args, **options):
            start = time.perf_counter()
            try:
                return function(*args, **options)
            finally:
                self.seconds[name] += time.perf_counter() - start

        return run


class TimedDetector:
    """The Recognizer's detector with a clock around it."""

    def __init__(self, detector, clocks):
        self.detect = clocks.timed("detector", detector.detect)
        if hasattr(detector, "follow"):
            self.follow = clocks.timed("detector", detector.follow)


def parts(recognizer, frames, detect_every):
    """Return the mean milliseconds of each part of a frame, and of the whole."""
    clocks = Clocks()
    kept = {name: getattr(recognizer, name) for name in ("detector", "quality_gate")}
    classifier = recognizer._classifier
    recognizer.detector = TimedDetector(recognizer.detector, clocks)
    if recognizer.quality_gate is not None:
        recognizer.quality_gate = clocks.timed("quality", recognizer.quality_gate)
    recognizer._cuts = clocks.timed("crop", recognizer._cuts)
    classifier.rows = clocks.timed("expression", classifier.rows)
    try:
        session = recognizer.session(detect_every=detect_every)
        session.locate = clocks.timed("locate", session.locate)
        for image, timestamp in frames[:WARM_UP]:
            session.frame(image, timestamp)
        session.reset()
        clocks.seconds.clear()
        start = time.perf_counter()
        for image, timestamp in frames:
            session.frame(image, timestamp)
        whole = time.perf_counter() - start
    finally:
        del recognizer._cuts, classifier.rows
        for name, value in kept.items():
            setattr(recognizer, name, value)
    seconds = dict(clocks.seconds)
    seconds["following"] = seconds.pop("locate") - seconds["detector"]
    seconds["rest"] = whole - sum(seconds.values())
    milliseconds = {part: 1000 * seconds.get(part, 0.0) / len(frames) for part in PARTS}
    return {**milliseconds, "whole": 1000 * whole / len(frames)}


def spread(values, digits):
    median, low, high = statistics.median(values), min(values), max(values)
    return f"{median:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def tables(videos):
    """Return the figures of all videos as two Markdown tables."""
    lines = [
        f"| video | {' | '.join(f'`{way}`, frames/s' for way in WAYS)} | "
        f"{' | '.join(f'`{way}`, processor ms' for way in WAYS)} |",
        f"|---|{'---|' * len(WAYS)}{'---:|' * len(WAYS)}",
    ]
    for each in videos:
        cells = [spread(each["speeds"][way]["fps"], 0) for way in WAYS]
        cells += [f"{statistics.median(each['speeds'][way]['ms_cpu']):.1f}" for way in WAYS]
        lines.append(f"| {each['video']} | {' | '.join(cells)} |")
    lines += [
        "",
        f"| `frame`, ms | {' | '.join(PARTS)} | whole |",
        f"|---|{'---:|' * (len(PARTS) + 1)}",
    ]
    for each in videos:
        cells = [f"{each['parts'][part]:.2f}" for part in (*PARTS, "whole")]
        lines.append(f"| {each['video']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def environment():
    """Return what the figures depend on."""
    return {
        "date": datetime.date.today().isoformat(),
        "machine": platform.machine(),
        "cores": cores(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "cv2": cv2.__version__,
    }


def parsed(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", metavar="VIDEO", nargs="+", type=Path)
    parser.add_argument("--weights", default="ferplus", help="a tag or a .keras file")
    parser.add_argument("--detector", choices=DETECTORS, default="mtcnn")
    parser.add_argument("--detect-every", type=float, default=0.2, metavar="SECONDS")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, help="at most this many of each video")
    parser.add_argument("--json", metavar="PATH", type=Path, help="write the figures there too")
    options = parser.parse_args(arguments)
    for path in options.videos:
        if not path.exists():
            parser.error(f"no such file. Received: {path}")
    if options.json and not options.json.parent.is_dir():
        parser.error(f"--json: no such folder. Received: {options.json}")
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    if options.frames is not None and options.frames <= WARM_UP:
        parser.error(f"--frames must be more than {WARM_UP}")
    return options


def main(arguments=None):
    options = parsed(arguments)
    recognizer = Recognizer(options.weights, options.detector)
    figures = {"environment": environment(), "detector": options.detector, "videos": []}
    print(json.dumps(figures["environment"]))
    for path in options.videos:
        frames, info = decode(path, options.frames)
        found, with_face = speeds(recognizer, path, frames, options.detect_every, options.rounds)
        height, width = frames[0][0].shape[:2]
        print(f"{path.name}: {len(frames)} frames of {width}x{height}, {with_face} with a face")
        figures["videos"].append(
            {
                "video": path.name,
                "frames": len(frames),
                "size": [width, height],
                "fps": info.fps,
                "frames_with_face": with_face,
                "speeds": found,
                "parts": parts(recognizer, frames, options.detect_every),
            }
        )
    print(f"\n{tables(figures['videos'])}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
