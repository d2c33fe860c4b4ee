"""Name the expressions of all faces in a photo, a video or a folder of photos.

    python examples/recognise.py photo.jpg
    python examples/recognise.py interview.mp4 --smoothing 0.5 --output interview
    python examples/recognise.py holiday_photos --detector yunet --flip

The output folder holds an annotated copy of every photo or video under its own name (photos other
than JPEG and PNG as PNG, videos other than mp4, avi and mkv as mp4), and the faces with all
probabilities in results.csv and results.json. The exit status is 1 if a photo of a folder could not
be read (the others are done all the same), and 2 after any other error.
"""

import argparse
import collections
import dataclasses
import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from PIL import Image
from tqdm import tqdm

from fer_data.faces.detectors import DETECTORS
from fer_data.faces.image import read_image
from fer_data.picture import SUFFIXES
from fer_data.video import Video, VideoWriter
from fer_models.recognizer import Recognizer, draw, table

VIDEOS = (".mp4", ".avi", ".mkv", ".mov", ".m4v", ".webm", ".mpg", ".mpeg", ".wmv")
AS_THEY_ARE = {".jpg": ".jpg", ".jpeg": ".jpeg", ".png": ".png", ".avi": ".avi", ".mkv": ".mkv"}
TOGETHER = 8  # photos in work
LISTED = 10  # of what could not be read


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("input", type=Path, help="a photo, a video or a folder of photos")
    add("--weights", default="fer2013", help="a tag of the registry, or the path of a .keras file")
    add("--detector", choices=DETECTORS, default="mtcnn", help="what finds the faces")
    add("--output", type=Path, default=Path("recognised"), help="folder to write into")
    add(
        "--smoothing", type=float, default=0.3, help="of a video, time constant in seconds; 0: none"
    )
    add("--detect-every", type=float, default=0.2, help="of a video, seconds between detections")
    add("--flip", action="store_true", help="take the mean with the mirrored face")
    add("--min-score", type=float, help="of a face, to be kept (default: the detector's)")
    args = parser.parse_args(argv)
    if not args.input.exists():
        parser.error(f"input: there is no photo, video or folder at {args.input}")
    if args.output.exists() and not args.output.is_dir():
        parser.error(f"--output: must be a folder, and {args.output} is a file")
    for name in ("smoothing", "detect_every"):
        if not 0 <= getattr(args, name) < float("inf"):
            flag = name.replace("_", "-")
            parser.error(f"--{flag}: must be a number of seconds >= 0, not {getattr(args, name)}")
    folder = args.input if args.input.is_dir() else args.input.parent
    if folder.resolve() == args.output.resolve():
        parser.error(
            f"--output: the copy would take the place of the input in {folder}; name another folder"
        )
    return args


def copy_of(path, args, default):
    """Return where the annotated copy of a file goes."""
    suffix = path.suffix.lower()
    if AS_THEY_ARE.get(suffix, default) == suffix:
        return args.output / path.name
    # With its old ending, lest a.bmp and a.png meet.
    return args.output / f"{path.name}{default}"


def write_whole(path, write):
    """Call `write` with a temporary name, and put the file under its own one when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def save(image, path):
    options = {} if path.suffix.lower() == ".png" else {"quality": 95, "subsampling": 0}
    write_whole(path, lambda name: Image.fromarray(image).save(name, **options))


def photos(paths, args, recognizer):
    """Annotate photos; return their faces by name, and what could not be read."""
    waiting, found, bad = collections.deque(), {}, {}

    def pictures():
        for path in paths:
            try:
                picture = read_image(path)
            except (OSError, ValueError) as error:
                bad[path.name] = str(error)
                tqdm.write(f"left out: {error}", file=sys.stderr)
                bar.update()
                continue
            waiting.append((path, picture))
            yield picture

    with tqdm(total=len(paths), unit=" photos", disable=None) as bar:
        for faces in recognizer.photos(pictures(), batch_size=TOGETHER):
            path, picture = waiting.popleft()
            save(draw(picture, faces), copy_of(path, args, ".png"))
            found[path.name] = faces
            bar.update()
    return found, bad


def video(args, recognizer):
    """Annotate a video; return the results of its frames, without the pictures."""
    info = Video(args.input).info
    copy, results = copy_of(args.input, args, ".mp4"), []
    seen = recognizer.video(args.input, smoothing=args.smoothing, detect_every=args.detect_every)
    with VideoWriter(copy, info.fps) as writer:
        for result in tqdm(seen, total=info.frames, unit=" frames", disable=None):
            writer.write(draw(result.image, result.faces))
            results.append(dataclasses.replace(result, image=None))
    return results


def report(args, recognizer, results, entries):
    """Write results.csv and results.json."""
    whole = {
        "input": str(args.input),
        "weights": args.weights,
        "detector": args.detector,
        "class_names": list(recognizer.class_names),
        "results": entries,
    }
    text = json.dumps(whole, indent=1) + "\n"
    frame = table(results, recognizer.class_names)
    write_whole(args.output / "results.csv", lambda name: frame.to_csv(name, index=False))
    write_whole(args.output / "results.json", lambda name: name.write_text(text, encoding="utf-8"))


def summary(faces):
    counts = collections.Counter(face.label for face in faces)
    return ", ".join(f"{name} {count}" for name, count in counts.most_common()) or "no face"


def run_video(args, recognizer):
    start = time.perf_counter()
    results = video(args, recognizer)
    seconds = time.perf_counter() - start
    report(args, recognizer, results, [result.to_dict() for result in results])
    faces = [face for result in results for face in result.faces]
    print(f"{args.input}: {len(results)} frames, {len(results) / seconds:.0f} a second")
    print(
        f"  faces followed: {len({face.track for face in faces})}; labels of all frames: "
        f"{summary(faces)}"
    )
    return {}


def run_photos(args, recognizer):
    if args.input.is_dir():
        inside = sorted(path for path in args.input.iterdir() if not path.name.startswith("."))
        paths = [path for path in inside if path.suffix.lower() in SUFFIXES]
        if not paths:
            raise ValueError(
                f"There is no photo in {str(args.input)!r}; their names end in one of {SUFFIXES}."
            )
        if len(inside) > len(paths):
            print(f"{len(inside) - len(paths)} files or folders that are no photos are left out")
    else:
        paths = [args.input]
    found, bad = photos(paths, args, recognizer)
    if bad and args.input.is_file():
        raise ValueError(bad[args.input.name])
    entries = [
        {"source": name, "faces": [face.to_dict() for face in faces]}
        for name, faces in found.items()
    ]
    report(args, recognizer, found, entries)
    for name, faces in list(found.items())[:LISTED]:
        print(f"{name}: {summary(faces)}")
    if len(found) > LISTED:
        every = [face for faces in found.values() for face in faces]
        print(f"... {len(found)} photos in all: {summary(every)}")
    return bad


def run(args):
    is_video = args.input.is_file() and args.input.suffix.lower() in VIDEOS
    if args.input.is_file() and not is_video and args.input.suffix.lower() not in SUFFIXES:
        raise ValueError(
            f"{str(args.input)!r} must be a photo {SUFFIXES}, a video {VIDEOS}, or a folder."
        )
    recognizer = Recognizer(args.weights, args.detector, min_score=args.min_score, flip=args.flip)
    bad = (run_video if is_video else run_photos)(args, recognizer)
    print(f"Wrote {args.output}{os.sep}")
    if bad:
        print(f"{len(bad)} photos could not be read:", file=sys.stderr)
        for reason in list(bad.values())[:LISTED]:
            print(f"  {reason}", file=sys.stderr)
        if len(bad) > LISTED:
            print(f"  and {len(bad) - LISTED} more", file=sys.stderr)
    return 1 if bad else 0


def main(argv=None):
    args = parse(argv)
    try:
        return run(args)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    except (ImportError, OSError, ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
