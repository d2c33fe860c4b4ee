"""Follow the face through a video, with its 68 landmarks, and cut out its three regions.

    python examples/faces_in_video.py
    python examples/faces_in_video.py interview.mp4 --detector retinaface --output interview_faces
    python examples/faces_in_video.py folder_of_frames --fps 200

The output folder holds faces.mp4, the video with box and landmarks drawn into every frame, and
regions.png, the regions of frames from the whole video. Without a video it makes one, clip.mp4,
from the astronaut's portrait that comes with scikit-image (NASA, public domain).
"""

import argparse
import collections
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np
from tqdm import tqdm

from fer_data.faces.detectors import DETECTORS, detector
from fer_data.faces.drawing import draw_face, region_sheet, save_png
from fer_data.faces.geometry import align_face, split_regions
from fer_data.faces.tracking import METHODS, track
from fer_data.video import Video, VideoWriter

FPS = 25
LISTED = 10  # of what was skipped
COLUMNS, SHEET = 8, 16  # of the sheet: faces in a row, and in all


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("video", nargs="?", help="a file or a folder of pictures (default: a clip made here)")
    add("--detector", choices=DETECTORS, default="mtcnn", help="what finds the face")
    add("--weights", help="their file, for retinaface, yunet and dlib_cnn (default: fetched)")
    add("--method", choices=METHODS, default="flow", help="how it is followed")
    add("--fps", type=float, help="frames a second (default: the file's; 25 for a folder)")
    add("--on-bad", choices=("error", "skip"), default="error", help="of frames that are damaged")
    add("--on-missing", choices=("error", "skip"), default="error", help="of a face at the start")
    add("--output", type=Path, default=Path("faces"), help="folder to write into")
    args = parser.parse_args(argv)
    if args.weights and args.detector not in ("retinaface", "yunet", "dlib_cnn"):
        parser.error(f"--weights: {args.detector} brings its own")
    if args.output.exists() and not args.output.is_dir():
        parser.error(f"--output: must be a folder, and {args.output} is a file")
    if args.video and Path(args.video).resolve() == (args.output / "faces.mp4").resolve():
        parser.error(f"--output: the result would take the place of {args.video}")
    return args


def make_clip(path, frames=75, height=270, width=360):
    """Write a clip in which the astronaut's portrait sways, turns, comes nearer and goes."""
    try:
        from skimage import data
    except ImportError as error:
        raise ImportError(
            "The portrait comes with scikit-image, which is not installed: name a video, or "
            "pip install scikit-image"
        ) from error
    portrait = data.astronaut()
    with VideoWriter(path, FPS) as writer:
        for phase in np.linspace(0, 2 * np.pi, frames):
            # About the middle of the face.
            turn, scale = 6 * np.sin(2 * phase), 1.3 - 0.2 * np.cos(phase)
            move = cv2.getRotationMatrix2D((223, 118), turn, scale)
            move[:, 2] += width / 2 - 223 + 25 * np.sin(phase), height / 2 - 128
            writer.write(
                cv2.warpAffine(portrait, move, (width, height), borderMode=cv2.BORDER_REPLICATE)
            )


def note(image, text):
    """Return the picture with a line of text in its upper left corner."""
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, max(0.35, image.shape[0] / 800)
    (width, height), _ = cv2.getTextSize(text, font, scale, 1)
    noted = image.copy()
    noted[: 2 * height, : width + height] = (0, 0, 0)
    at = (height // 2, height * 3 // 2)
    return cv2.putText(noted, text, at, font, scale, (255, 255, 255), 1, cv2.LINE_AA)


def follow(video, args):
    """Yield `(frame number, its time or None, TrackedFace)`."""
    waiting = collections.deque()

    def images():
        for frame in video:
            waiting.append((frame.number, frame.time))
            yield frame.image

    followed = track(
        images(),
        detector=detector(args.detector, **({"weights": args.weights} if args.weights else {})),
        method=args.method,
        on_missing=args.on_missing,
        name=str(video.info.path),
    )
    for seen in followed:
        yield *waiting.popleft(), seen


def regions(seen):
    """Return the three regions of a tracked face, uint8 `(64, 64, 3)` each."""
    aligned = align_face(seen.image, seen.landmarks, dtype="uint8")
    return [region.numpy() for region in split_regions(aligned)]


def annotate(video, args):
    """Write faces.mp4; return what was counted, the seconds to find each face, and regions."""
    counts, times, sheet = collections.Counter(), [], []
    total = video.info.frames or video.count()
    results = follow(video, args)
    with (
        VideoWriter(args.output / "faces.mp4", video.info.fps or FPS) as writer,
        tqdm(total=total, unit=" frames", disable=None) as bar,
    ):
        while True:
            start = time.perf_counter()
            number, seconds, seen = next(results, (None, None, None))
            if seen is None:
                return counts, times, sheet
            times.append(time.perf_counter() - start)
            counts[seen.source] += 1
            text = f"frame {number}" + ("" if seconds is None else f"  {seconds:.2f} s")
            if seen.face is None:
                writer.write(note(seen.image, f"{text}  no face"))
            else:
                drawn = draw_face(seen.image, seen.face, seen.landmarks, title=seen.source)
                writer.write(note(drawn, text))
                # Where no face was in a frame that was due, the next one with a face stands in.
                if number >= len(sheet) * total / SHEET and len(sheet) < SHEET:
                    sheet.append((text, regions(seen)))
            bar.update()


def run(args):
    if args.video is None:
        args.video = args.output / "clip.mp4"
        make_clip(args.video)
    video = Video(args.video, fps=args.fps, on_bad=args.on_bad)
    start = time.perf_counter()
    counts, times, kept = annotate(video, args)
    seconds = time.perf_counter() - start
    total = sum(counts.values())
    found = counts["detected"] + counts["followed"]
    print(f"{video.info.path}, {video.info.width}x{video.info.height} pixels, {total} frames")
    print(
        f"  found in {found}, missed in {counts['missing']}; "
        f"detected anew {max(0, counts['detected'] - 1)} times"
    )
    print(
        f"  {(total - 1) / max(sum(times[1:]), 1e-9):.0f} frames a second to decode and follow, "
        f"after {times[0]:.1f} s for the first; {total / seconds:.0f} all in all, with drawing"
    )
    for where, reason in list(video.skipped.items())[:LISTED]:
        print(f"  skipped: {where} {reason}")
    if len(video.skipped) > LISTED:
        print(f"  skipped: {len(video.skipped) - LISTED} more")
    print(f"Wrote {args.output / 'faces.mp4'}")
    if kept:
        titles, regions = zip(*kept, strict=True)
        sheet = region_sheet(*map(np.stack, zip(*regions, strict=True)), titles, columns=COLUMNS)
        save_png(sheet, args.output / "regions.png")
        print(f"Wrote {args.output / 'regions.png'}")


def main(argv=None):
    args = parse(argv)
    try:
        run(args)
    except (ImportError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
