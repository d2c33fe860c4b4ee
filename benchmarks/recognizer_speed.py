"""The `Recognizer` and the PyPI package `fer` on the same frames: speed; and accuracy on FER2013.

    python benchmarks/recognizer_speed.py VIDEO [VIDEO ...] --peer-python PEER/bin/python
        [--weights TAG_OR_FILE] [--detectors NAME ...] [--fer2013 FOLDER_OR_ZIP] [--rounds N]
        [--frames N] [--json PATH]

`fer` needs OpenCV below 5 and NumPy below 2 and so an environment of its own, of Python 3.11:

    python3.11 -m venv PEER
    PEER/bin/pip install fer==25.10.3 "setuptools<81"

which brings what it was measured with: facenet-pytorch 2.6.0 (that is `FER(mtcnn=True)`) on torch
2.2.2, opencv-contrib-python 4.11, tensorflow 2.21, numpy 1.26, moviepy 1.0.3; it imports
`pkg_resources`, which later setuptools leave out. Put `taskset -c 0,1` before the command to hold
both to two cores; graphics cards are hidden from both.

The frames are decoded once. The methods take turns on them, so that a busy machine slows all; the
first frames of each method are run before, unmeasured. Each round gives frames a second of the
whole video, detector included, and their ratio to the peers' in the same round; printed are the
medians over the rounds with the lowest and the highest, percentiles of the time of a frame, and the
CPU time of a frame on all cores together, which other work on the machine hardly changes:

- `live`: `Recognizer.session().frame`, what a live loop calls: the detector five times a second of
  the video, tracking in between, the network in every frame;
- `each frame`: the same with the detector in every frame, which is what `fer` does;
- `fer, haar`: `FER()`, its default; `fer, mtcnn`: `FER(mtcnn=True)`.

With `--fer2013`, both classifiers name the same validation faces (PublicTest, original labels), the
face being the whole picture, resized and scaled by each package's own code: accuracy on all faces
and without those that stand in the training split too, and the difference with the 95 % interval of
paired samples. Of `fer` both its models are asked: "tflite", its default, and "keras".
"""

import argparse
import datetime
import itertools
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections import deque
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import cv2
import keras
import numpy as np

from fer_data.datasets import prepare
from fer_data.faces.detectors import DETECTORS
from fer_data.video import Video
from fer_models import Recognizer

PEERS = {"fer, haar": "haar", "fer, mtcnn": "mtcnn"}
WARM_UP = 12  # frames: past the first, the second and the third detection of `live`
PAUSE = 0.3  # seconds between turns, for the threads of the one before to fall asleep


class Peer:
    """`recognizer_peer.py` in another environment; `ask` sends it a request.

    Args:
        command: the program and its arguments.
        log: file for what it writes to its standard error.
    """

    def __init__(self, command, log):
        self._log = Path(log)
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        with self._log.open("wb") as errors:
            self._process = subprocess.Popen(
                [os.fspath(part) for part in command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                encoding="utf-8",
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.communicate()

    def ask(self, do, **request):
        """Return the answer to a request.

        Raises:
            RuntimeError: if the other side ended instead; with the end of what it said.
        """
        try:
            self._process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._process.wait()
            with self._log.open(encoding="utf-8", errors="replace") as lines:
                said = "".join(deque(lines, maxlen=15))
            raise RuntimeError(
                f"The peer ended with status {self._process.returncode} when asked to {do!r}.\n"
                f"{said}"
            )
        return json.loads(line)


def decode(path, most=None):
    """Return the frames of a video, uint8 RGB `(frames, height, width, 3)`, and its rate."""
    video = Video(path)
    if not video.info.fps:
        raise SystemExit(f"{path} does not say how many frames a second it has.")
    frames = [frame.image for frame in itertools.islice(video, most)]
    return np.stack(frames), video.info.fps


def ours(recognizer, detect_every):
    """Return a function from frames and their rate to seconds and number of faces, each frame."""

    def run(frames, fps):
        session = recognizer.session(detect_every=detect_every)
        seconds, faces, parts = [], [], []
        spent = time.process_time()
        for number, frame in enumerate(frames):
            start = time.perf_counter()
            found = session.frame(frame, timestamp=number / fps)
            seconds.append(time.perf_counter() - start)
            faces.append(len(found))
            parts.append(session.milliseconds)
        spent = time.process_time() - spent
        return {"seconds": seconds, "faces": faces, "cpu": spent, "parts": parts}

    return run


def theirs(peer, pipeline):
    """Return the same of a pipeline of the peer, which has the frames already."""
    return lambda frames, fps: peer.ask("run", pipeline=pipeline)


def measure(runs, frames, fps, rounds):
    """Return `{name: [result of each round]}`, the methods taking turns."""
    results = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            time.sleep(PAUSE)
            results[name].append(run(frames, fps))
    return results


def summary(results):
    """Return a dictionary of figures for each method; see the module's docstring."""
    rates = {
        name: [len(round_["seconds"]) / sum(round_["seconds"]) for round_ in rounds]
        for name, rounds in results.items()
    }
    rows = []
    for name, rounds in results.items():
        milliseconds = 1e3 * np.concatenate([round_["seconds"] for round_ in rounds])
        faces = rounds[-1]["faces"]
        row = {
            "method": name,
            "fps": spread(rates[name]),
            **{
                f"times {other}": spread(
                    [a / b for a, b in zip(rates[name], rates[other], strict=True)]
                )
                for other in PEERS
                if other in rates
            },
            "ms_median": float(np.median(milliseconds)),
            "ms_p95": float(np.percentile(milliseconds, 95)),
            "ms_cpu": 1e3 * statistics.median(round_["cpu"] for round_ in rounds) / len(faces),
            "frames": len(faces),
            "frames_with_face": sum(count > 0 for count in faces),
            "faces": sum(faces),
        }
        if "parts" in rounds[0]:
            row["ms_mean_of"] = {
                part: float(
                    np.mean([frame[part] for round_ in rounds for frame in round_["parts"]])
                )
                for part in ("detect", "classify")
            }
        rows.append(row)
    return rows


def spread(values):
    """Return the median of numbers, the lowest and the highest."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def table(rows):
    """Return the figures of a video as a Markdown table."""
    lines = [
        "| method | frames/s | times `fer`, haar | times `fer`, mtcnn | ms/frame median | p95 "
        "| CPU | detect or track, mean | crop and network, mean | frames with a face | faces |",
        "|---|---|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        parts = row.get("ms_mean_of")
        parts = [f"{parts['detect']:.1f}", f"{parts['classify']:.1f}"] if parts else ["", ""]
        cells = [
            row["method"],
            shown(row["fps"], 1),
            *(shown(row[f"times {other}"], 2) for other in PEERS),
            f"{row['ms_median']:.1f}",
            f"{row['ms_p95']:.1f}",
            f"{row['ms_cpu']:.1f}",
            *parts,
            f"{row['frames_with_face']} of {row['frames']}",
            f"{row['faces']}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def shown(values, digits):
    median, low, high = (f"{values[key]:.{digits}f}" for key in ("median", "low", "high"))
    return f"{median} ({low} to {high})"


def validation_faces(path):
    """Return FER2013's validation faces, their class names, and which stand in training too."""
    with tempfile.TemporaryDirectory() as folder:
        builder = prepare("fer2013", path=path, data_dir=folder)
        names = np.array(builder.info.features["label"].names)
        examples = list(builder.as_dataset(split="validation").as_numpy_iterator())
    images = np.stack([example["image"] for example in examples])
    labels = names[[example["label"] for example in examples]]
    return images, labels, np.array([example["copy_in_train"] for example in examples])


def recognised(recognizer, images):
    """Return the name that the recognizer gives each picture, the face being all of it."""
    return np.array(recognizer.class_names)[recognizer.classify(images).argmax(1)]


def accuracies(labels, copies, named):
    """Return a dictionary of figures for each of `{who: names given}`, ours first."""
    own, *_ = named
    rows = []
    for subset, chosen in (("all", np.ones(len(labels), bool)), ("without copies", ~copies)):
        right = {who: (names == labels)[chosen] for who, names in named.items()}
        for who, each in right.items():
            row = {
                "who": who,
                "faces": subset,
                "count": int(chosen.sum()),
                "accuracy": float(each.mean()),
            }
            if who != own:
                gain = right[own].astype(float) - each
                row["gain"] = float(gain.mean())
                row["gain_margin"] = float(1.96 * gain.std(ddof=1) / np.sqrt(len(gain)))
            rows.append(row)
    return rows


def accuracy_table(rows):
    lines = [
        "| classifier | validation faces | count | accuracy | ours above it, points |",
        "|---|---|---:|---:|---:|",
    ]
    for row in rows:
        gain = f"{100 * row['gain']:.2f} ± {100 * row['gain_margin']:.2f}" if "gain" in row else ""
        lines.append(
            f"| {row['who']} | {row['faces']} | {row['count']:,} | {100 * row['accuracy']:.2f} % "
            f"| {gain} |"
        )
    return "\n".join(lines)


def compare_accuracy(peer, recognizer, path, folder):
    """Return `accuracies` of the recognizer and of both models of the peer."""
    images, labels, copies = validation_faces(path)
    np.save(folder / "faces.npy", images[..., 0])
    named = {"Recognizer": recognised(recognizer, images)}
    for model in ("tflite", "keras"):
        answer = peer.ask("classify", model=model, path=str(folder / "faces.npy"))
        named[f"fer, {model}"] = np.array(answer["names"])
    return accuracies(labels, copies, named)


def environment(peer_versions):
    """Return what the figures depend on."""
    import tensorflow

    return {
        "date": datetime.date.today().isoformat(),
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "ours": {
            "python": platform.python_version(),
            "keras": keras.__version__,
            "tensorflow": tensorflow.__version__,
            "cv2": cv2.__version__,
        },
        "peer": peer_versions,
    }


def parsed(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", metavar="VIDEO", nargs="+", type=Path)
    parser.add_argument("--peer-python", metavar="PATH", type=Path, required=True)
    # Whose labels are those that the accuracy is measured by.
    parser.add_argument("--weights", default="fer2013", help="a tag or a .keras file")
    parser.add_argument("--detectors", nargs="+", choices=DETECTORS, default=["mtcnn"])
    parser.add_argument("--fer2013", metavar="PATH", type=Path, help="compare the accuracy too")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, help="at most this many of each video")
    parser.add_argument("--json", metavar="PATH", type=Path, help="write the figures there too")
    options = parser.parse_args(arguments)
    for path in (*options.videos, options.peer_python, options.fer2013):
        if path and not path.exists():
            parser.error(f"no such file. Received: {path}")
    if options.json and not options.json.parent.is_dir():
        parser.error(f"--json: no such folder. Received: {options.json}")
    if options.rounds < 1 or (options.frames is not None and options.frames < 1):
        parser.error("--rounds and --frames must be at least 1")
    return options


def main(arguments=None):
    options = parsed(arguments)
    recognizers = {name: Recognizer(options.weights, name) for name in options.detectors}
    runs = {}
    for name, recognizer in recognizers.items():
        runs[f"live, {name}"] = ours(recognizer, detect_every=0.2)
        runs[f"each frame, {name}"] = ours(recognizer, detect_every=0)
    script = Path(__file__).with_name("recognizer_peer.py")
    with (
        tempfile.TemporaryDirectory() as folder,
        Peer([options.peer_python, script], Path(folder, "peer.log")) as peer,
    ):
        folder = Path(folder)
        runs |= {name: theirs(peer, pipeline) for name, pipeline in PEERS.items()}
        figures = {"environment": environment(peer.ask("open")["versions"]), "videos": []}
        print(json.dumps(figures["environment"]))
        for path in options.videos:
            frames, fps = decode(path, options.frames)
            for part in (frames[:WARM_UP], frames):
                np.save(folder / "frames.npy", part)
                peer.ask("frames", path=str(folder / "frames.npy"))
                results = measure(runs, part, fps, options.rounds if part is frames else 1)
            rows = summary(results)
            size = f"{frames.shape[2]}x{frames.shape[1]}"
            figures["videos"].append({"video": path.name, "size": size, "fps": fps, "rows": rows})
            print(f"\n{path.name}, {len(frames)} frames of {size}\n\n{table(rows)}")
        if options.fer2013:
            recognizer = next(iter(recognizers.values()))
            figures["accuracy"] = compare_accuracy(peer, recognizer, options.fer2013, folder)
            print(f"\n{accuracy_table(figures['accuracy'])}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
