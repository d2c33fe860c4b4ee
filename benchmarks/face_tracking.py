"""Landmarks in every frame of a video: detected in each, followed by flow, followed by box.

    python benchmarks/face_tracking.py --video PATH [--video PATH ...] [--detector NAME]
        [--weights PATH] [--repeats N] [--json PATH]

The methods take turns, so that a busy machine slows all. Prints a Markdown table for each video:

- frames a second, from decoded frames in memory (median and best of the repeats) and with decoding
  (best); the first detection and all later ones are part of it, loading the detector is not;
- frames with a face, and detections in full frames;
- jitter: the median over points and frames of the length of the tracks' second difference, in
  pixels; and the same within the head, after each frame's landmarks are laid on their mean by a
  similarity, which takes the head's and the camera's own motion out;
- drift: the mean distance to the landmarks of the same frame in the box of dlib's HOG detector, in
  distances between the eyes: median over the frames, 95th percentile, mean of the last tenth.

"each frame" is dlib's HOG detector without doubling, the quickest that comes with the package.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import time
from pathlib import Path

import cv2
import numpy as np

from fer_data.faces.detectors import DETECTORS, detector
from fer_data.faces.following import METHODS
from fer_data.faces.landmark_predictor import LandmarkPredictor
from fer_data.faces.tracking import track


def decode(path):
    """Yield the frames of a video in RGB."""
    video = cv2.VideoCapture(str(path))
    while True:
        there, frame = video.read()
        if not there:
            return
        yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


def each_frame(frames, hog, predictor):
    """Return the landmarks of each frame, `None` where HOG finds no face."""
    found = []
    for frame in frames:
        faces = hog.detect(frame)
        found.append(predictor(frame, faces[0]) if faces else None)
    return found


def jitter(tracks):
    return float(np.median(np.linalg.norm(np.diff(tracks, 2, axis=0), axis=-1)))


def within_head(tracks):
    """Lay each frame's landmarks on their mean by the similarity that fits best."""
    points = tracks[..., 0] + 1j * tracks[..., 1]
    middle = points.mean(0)
    centred = points - points.mean(1, keepdims=True)
    turn = (centred.conj() * (middle - middle.mean())).sum(1) / (np.abs(centred) ** 2).sum(1)
    laid = centred * turn[:, None] + middle.mean()
    return np.stack([laid.real, laid.imag], axis=-1)


def eye_distance(tracks):
    left, right = tracks[:, 36:42].mean(1), tracks[:, 42:48].mean(1)
    return np.linalg.norm(left - right, axis=-1)


def quality(landmarks, reference):
    """Return the figures of one method that do not change from run to run."""
    both = [
        i
        for i, (a, b) in enumerate(zip(landmarks, reference, strict=True))
        if a is not None and b is not None
    ]
    tracks, expected = (
        np.array([points[i] for i in both], dtype=np.float64) for points in (landmarks, reference)
    )
    drift = np.linalg.norm(tracks - expected, axis=-1).mean(1) / eye_distance(expected)
    return {
        "found": sum(points is not None for points in landmarks),
        "jitter_px": jitter(tracks),
        "jitter_within_head_px": jitter(within_head(tracks)),
        "drift_median": float(np.median(drift)),
        "drift_p95": float(np.percentile(drift, 95)),
        "drift_last_tenth": float(drift[-max(1, len(drift) // 10) :].mean()),
    }


def measure(path, face_detector, predictor, repeats):
    """Return the figures of one video, a dictionary for each method."""
    frames = list(decode(path))
    if not frames:
        raise SystemExit(f"--video: no frames can be read from {path}")
    hog = detector("dlib_hog", upsample=0)
    face_detector.detect(frames[0])
    runs = {"each frame": lambda source: (each_frame(source, hog, predictor), len(frames))}
    for method in METHODS:
        for smooth in (0, 1):
            runs[f"{method}, smooth={smooth}"] = tracker(method, smooth, face_detector, predictor)
    seconds = {name: [] for name in runs}
    decoding = {name: [] for name in runs}
    results = {}
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            results[name] = run(frames)
            seconds[name].append(time.perf_counter() - start)
            start = time.perf_counter()
            run(decode(path))
            decoding[name].append(time.perf_counter() - start)
    reference = results["each frame"][0]
    rows = []
    for name in runs:
        landmarks, detections = results[name]
        rows.append(
            {
                "method": name,
                "frames": len(frames),
                "fps_median": len(frames) / statistics.median(seconds[name]),
                "fps_best": len(frames) / min(seconds[name]),
                "fps_best_with_decoding": len(frames) / min(decoding[name]),
                "detections": detections,
                **quality(landmarks, reference),
            }
        )
    return {"video": path.name, "size": list(frames[0].shape[1::-1]), "rows": rows}


def tracker(method, smooth, face_detector, predictor):
    def run(frames):
        seen = [
            (result.landmarks, result.source)
            for result in track(
                frames,
                detector=face_detector,
                predictor=predictor,
                method=method,
                smooth=smooth,
                on_missing="skip",
            )
        ]
        return [points for points, _ in seen], sum(source != "followed" for _, source in seen)

    return run


def environment(name):
    """Return what the figures depend on."""
    return {
        "date": datetime.date.today().isoformat(),
        "detector": name,
        "opencv": cv2.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }


def table(figures):
    """Return the rows of one video as a Markdown table."""
    lines = [
        "| method | frames/s median | best | best with decoding | found | detections | jitter, px "
        "| within the head | drift median | p95 | last tenth |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in figures["rows"]:
        lines.append(
            f"| {row['method']} | {row['fps_median']:.0f} | {row['fps_best']:.0f} "
            f"| {row['fps_best_with_decoding']:.0f} | {row['found']} of {row['frames']} "
            f"| {row['detections']} | {row['jitter_px']:.2f} | {row['jitter_within_head_px']:.2f} "
            f"| {row['drift_median']:.3f} | {row['drift_p95']:.3f} "
            f"| {row['drift_last_tenth']:.3f} |"
        )
    return "\n".join(lines)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--video", metavar="PATH", type=Path, action="append", required=True)
    parser.add_argument("--detector", choices=DETECTORS, default="mtcnn")
    parser.add_argument("--weights", metavar="PATH", help="the detector's weights file")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", metavar="PATH", type=Path, help="write the figures there too")
    options = parser.parse_args(arguments)
    for path in options.video:
        if not path.is_file():
            parser.error(f"--video: no such file. Received: {path}")
    if options.json and not options.json.parent.is_dir():
        parser.error(f"--json: no such folder. Received: {options.json}")
    if options.repeats < 1:
        parser.error("--repeats must be at least 1")
    settings = {"weights": options.weights} if options.weights else {}
    face_detector = detector(options.detector, **settings)
    predictor = LandmarkPredictor()
    figures = {"environment": environment(options.detector), "videos": []}
    print(", ".join(f"{key}: {value}" for key, value in figures["environment"].items()))
    for path in options.video:
        video = measure(path, face_detector, predictor, options.repeats)
        figures["videos"].append(video)
        print(f"\n{video['video']}, {video['size'][0]}x{video['size'][1]}\n")
        print(table(video))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
