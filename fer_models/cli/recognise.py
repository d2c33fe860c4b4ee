"""Name the expressions of all faces in a photo, a video or a folder of photos.

The output folder gets an annotated copy of every photo or video, and the faces with all
probabilities in results.csv and results.json. Each input has a folder of its own: party.jpg goes to
runs/recognise/party, or to party-2 if another input's results are there; standard input goes to
runs/recognise/stdin. Photos of a folder that cannot be read are left out, counted, and listed at
the end. After Ctrl-C or an error the results of what was done until then are written. The exit
status is 1 where no face is found.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from fer_models.cli.media import (
    DETECTORS,
    VIDEOS,
    WEIGHTS_HELP,
    check_input,
    check_output,
    counted,
    own_folder,
)
from fer_models.cli.running import CheckFailedError, UsageError, progress, remark, remarks, watched

EXAMPLE = """fer recognise party.jpg
fer recognise interview.mp4 --smoothing 0.5 --output interview
fer recognise holiday_photos --detector yunet --flip
fer recognise portraits --class-shares neutral=0.45 happy=0.45
curl -s https://example.org/party.jpg | fer recognise - --json"""

STDIN = "-"
SHOWN = 5  # names of files that are left out


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `fer recognise`.

    Args:
        parser: Parser of the subcommand.
    """
    from fer_models.zoo.bundled import DEFAULT_WEIGHTS

    add = parser.add_argument
    add(
        "input",
        metavar="PHOTO|VIDEO|FOLDER|-",
        help="what to look at; - reads a photo from standard input",
    )
    add("--weights", default=DEFAULT_WEIGHTS, help=WEIGHTS_HELP)
    add("--detector", choices=DETECTORS, default="mtcnn", help="what finds the faces")
    add(
        "--output",
        type=Path,
        help="folder to write into (default: runs/recognise/NAME, the input's name)",
    )
    add(
        "--smoothing",
        type=float,
        default=0.3,
        help="for a video, time constant of the smoothing in s; 0: none",
    )
    add("--detect-every", type=float, default=0.2, help="for a video, seconds between detections")
    add(
        "--on-bad",
        choices=("error", "skip"),
        default="error",
        help="for a video, what to do with damaged frames",
    )
    add("--flip", action="store_true", help="average the answers to the face and its mirror image")
    add(
        "--coverage",
        type=float,
        help="share of faces for which the set of possible classes should hold the true one: 0.8, "
        "0.9 or 0.95; 0: no sets (default: 0.9; none for weights without a rule)",
    )
    add(
        "--class-shares",
        nargs="+",
        metavar="even|NAME=SHARE",
        help="how often each expression is shown, such as neutral=0.6 happy=0.3, if this differs "
        "from the faces that the weights were calibrated on; other classes divide the rest "
        "evenly; give the input first",
    )
    add(
        "--min-score",
        type=float,
        help="leave out faces that the detector scores lower (default: the detector's own limit)",
    )
    add(
        "--json",
        action="store_true",
        help="print the content of results.json, not a line for each face",
    )


def run(args: argparse.Namespace) -> None:
    """Look for faces, write the copies and results, and print a line for each face.

    Args:
        args: The parsed arguments.
    """
    path = Path(args.input)
    standard = args.input == STDIN
    if args.output is None:
        runs = Path("runs/recognise")
        args.output = (
            runs / "stdin"
            if standard
            else own_folder(runs, path, "results.json", lambda content: content["input"])
        )
    _check(None if standard else path, args)
    data = _standard_input() if standard else None
    # Imported here: `fer --help` needs neither.
    from fer_models.recognizer import Recognizer
    from fer_models.recognizer import annotated_files as files
    from fer_models.recognizer.recognizer import BY_CARD

    shares = _class_shares(args.class_shares)
    if shares is not None and args.coverage:
        raise UsageError(
            "--coverage other than 0 does not go with --class-shares: the rule for sets holds for "
            "the shares of its own faces"
        )
    is_video = data is None and path.is_file() and path.suffix.lower() in VIDEOS
    pictures = {} if is_video else _pictures(path, data)
    recognizer = Recognizer(
        args.weights,
        args.detector,
        min_score=args.min_score,
        flip=args.flip,
        sets=BY_CARD if args.coverage is None else args.coverage or None,
        class_shares=shares,
    )
    about = {"input": args.input, "weights": args.weights, "detector": args.detector}
    about |= {"flip": args.flip, "class_shares": shares}
    results: dict[str, Any] | list[Any] = [] if is_video else {}
    unreadable: dict[str, str] = {}
    try:
        if is_video:
            _video(recognizer, path, args, results)
        else:
            _photos(recognizer, pictures, args, results, unreadable)
    except BaseException:
        if results:
            about["complete"] = False
            files.write_results(args.output, results, recognizer.class_names, about)
            what = counted(len(results), "frame" if is_video else "photo")
            remark(f"Wrote the results of {what} until here to {args.output}")
        raise
    content = files.write_results(args.output, results, recognizer.class_names, about)
    if args.json:
        import json

        print(json.dumps(content, indent=1))
    else:
        for line in files.lines(results):
            print(line)
    # With one photo and no terminal, only the answer is printed.
    if len(content["results"]) != 1 or watched():
        remark(f"Wrote {args.output}")
    remarks(f"{counted(len(unreadable), 'photo')} could not be read", unreadable.values())
    if not any(entry["faces"] for entry in content["results"]):
        raise CheckFailedError(f"no face was found in {args.input}")


def _class_shares(words):
    """Return what `Recognizer` takes as `class_shares`."""
    if words in (None, ["even"]):
        return None if words is None else "even"
    shares = {}
    if "even" in words:
        raise UsageError(
            "--class-shares must be even alone, or NAME=SHARE words without even. "
            f"Received: {' '.join(words)}"
        )
    for word in words:
        name, _, share = word.partition("=")
        if name in shares:
            raise UsageError(f"--class-shares names {name!r} twice")
        try:
            shares[name] = float(share)
        except ValueError as error:
            raise UsageError(
                "--class-shares must be even, or one or more of NAME=SHARE such as neutral=0.6, "
                f"not {word!r}"
            ) from error
    return shares


def _check(path, args):
    """Refuse what could not work, or would harm, before anything heavy is imported."""
    if path is not None:
        check_input(path)
    check_output(args.output)
    for name in ("smoothing", "detect_every"):
        if not 0 <= getattr(args, name) < float("inf"):
            flag = name.replace("_", "-")
            raise UsageError(f"--{flag} must be a number of seconds >= 0, not {vars(args)[name]}")
    # Imported here: it is for the run alone.
    from fer_models.zoo import bundled

    bundled.located(args.weights)
    if path is None:
        return
    folder = path if path.is_dir() else path.parent
    if folder.resolve() == args.output.resolve():
        raise UsageError(
            f"the copy would take the place of the input in {folder}: name another --output"
        )


def _standard_input():
    """Return the bytes of standard input, which may have no end, up to those of a photo's file."""
    from fer_data.file_limits import PHOTO, UnreadableError, read_stream

    try:
        return read_stream(sys.stdin.buffer, PHOTO.file_bytes)
    except UnreadableError as error:
        raise UsageError(
            f"standard input must be a photo of at most {PHOTO.file_bytes} bytes"
        ) from error


def _pictures(path, data):
    """Return photos, as paths or arrays, by name."""
    from fer_data import picture
    from fer_models.recognizer.annotated_files import photos_of

    if data is not None:
        try:
            return {"stdin": picture.decode(data, 3)}
        except picture.UnreadableError as error:
            raise UsageError(f"standard input holds no picture ({error})") from error
    if path.is_dir():
        photos, others = photos_of(path)
        if others:
            remark(_left_out(others))
        return {photo.name: photo for photo in photos}
    return {path.name: path}


def _left_out(paths):
    names = [f"{path.name}/" if path.is_dir() else path.name for path in paths[:SHOWN]]
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    what = "not a photo" if len(paths) == 1 else "not photos"
    return f"{counted(len(paths), 'file')} left out, {what}: {', '.join(names)}{more}"


def _photos(recognizer, pictures, args, results, unreadable):
    """Fill `results` with the faces of each photo, and `unreadable` with reasons, by name."""
    from fer_models.recognizer.annotated_files import each_annotated

    with progress(len(pictures), "photos", off=len(pictures) == 1) as bar:
        for name, faces, reason in each_annotated(recognizer, pictures, args.output):
            if faces is None:
                unreadable[name] = reason
            else:
                results[name] = faces
            bar.update()
    if not results:
        first, *more = unreadable.values()
        raise ValueError(first + (f" ({len(more)} more could not be read)" if more else ""))


def _video(recognizer, path, args, results):
    """Append the result of each frame to `results`."""
    from fer_data.video import Video
    from fer_models.recognizer.annotated_files import annotate_video, copy_name

    video = Video(path, on_bad=args.on_bad)
    with progress(video.info.frames, "frames") as bar:

        def done(result):
            results.append(result)
            bar.update()

        annotate_video(
            recognizer,
            video,
            args.output / copy_name(path.name),
            smoothing=args.smoothing,
            detect_every=args.detect_every,
            done=done,
        )
    remarks(f"{counted(len(video.skipped), 'frame')} skipped", _reasons(video.skipped))


def _reasons(skipped):
    return (f"{number} {reason}" for number, reason in skipped.items())
