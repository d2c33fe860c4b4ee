"""Draw boxes, 68 landmarks and the three regions of the faces in a photo or a video.

For a photo, the output folder gets faces.png with all its faces. For a video, or a folder with the
frames of one, one face is followed. The output folder then gets faces.mp4, with the face's box and
landmarks in every frame, and regions.png, with its regions in frames from the whole video. The exit
status is 1 where no face is found.
"""

import argparse
import json
from pathlib import Path

from fer_models.cli.media import DETECTORS, PHOTOS, check_input, check_output
from fer_models.cli.running import CheckFailedError, UsageError, progress, remark, remarks

EXAMPLE = """fer faces party.jpg --detector retinaface --output party_faces
fer faces interview.mp4
fer faces folder_of_frames --fps 200"""

METHODS = ("flow", "box")
WITH_WEIGHTS = ("retinaface", "yunet", "dlib_cnn")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `fer faces`.

    Args:
        parser: Parser of the subcommand.
    """
    add = parser.add_argument
    add("input", type=Path, metavar="PHOTO|VIDEO|FOLDER", help="where to look for faces")
    add("--detector", choices=DETECTORS, default="mtcnn", help="what finds the faces")
    add(
        "--weights",
        help=f"file of its weights, for {', '.join(WITH_WEIGHTS)} (default: the public ones)",
    )
    add(
        "--min-score",
        type=float,
        help="leave out faces that the detector scores lower (default: the detector's own limit)",
    )
    add("--output", type=Path, default=Path("runs/faces"), help="folder to write into")
    add("--json", action="store_true", help="print what was found as JSON")
    video = parser.add_argument_group("video").add_argument
    video("--method", choices=METHODS, default="flow", help="how the face is followed")
    video("--fps", type=float, help="frames a second (default: the file's; 25 for a folder)")
    video(
        "--on-bad",
        choices=("error", "skip"),
        default="error",
        help="what to do with damaged frames",
    )


def run(args: argparse.Namespace) -> None:
    """Find the faces, draw them, and print what was found.

    Args:
        args: The parsed arguments.
    """
    check_input(args.input)
    if args.weights and args.detector not in WITH_WEIGHTS:
        raise UsageError(f"--weights: {args.detector} brings its own")
    check_output(args.output)
    source, output = args.input.resolve(), args.output.resolve()
    if source.is_dir() and output.is_relative_to(source):
        raise UsageError(
            f"the results in {args.output} would lie among the frames in {args.input}: name "
            "another --output"
        )
    for name in ("faces.png", "faces.mp4", "regions.png"):
        if source == output / name:
            raise UsageError(f"the result would take the place of {args.input}: name an --output")
    from fer_data.faces.detectors import detector

    options = {"min_score": args.min_score, "weights": args.weights}
    finder = detector(args.detector, **{k: v for k, v in options.items() if v is not None})
    if args.input.is_file() and args.input.suffix.lower() in PHOTOS:
        _photo(args, finder)
    else:
        _video(args, finder)
    remark(f"Wrote {args.output}")


def _photo(args, finder):
    from fer_data.faces.drawing import save_png
    from fer_data.faces.image import read_image
    from fer_data.faces.landmark_predictor import landmarks
    from fer_data.faces.photo_sheet import photo_sheet

    photo = read_image(args.input)
    faces = finder.detect(photo)
    if not faces:
        raise CheckFailedError(f"no face was found in {args.input} by {args.detector}")
    points = [landmarks(photo, face) for face in faces]
    save_png(photo_sheet(photo, faces, points), args.output / "faces.png")
    if args.json:
        found = [
            {"box": face.box.tolist(), "score": float(face.score), "landmarks": marks.tolist()}
            for face, marks in zip(faces, points, strict=True)
        ]
        print(json.dumps({"input": str(args.input), "faces": found}, indent=1))
        return
    for number, (face, marks) in enumerate(zip(faces, points, strict=True), 1):
        x, y, width, height = face.box
        across = marks[36:42].mean(0) - marks[42:48].mean(0)
        print(
            f"{number}: score {face.score:.3f}, x {x:.0f}, y {y:.0f}, {width:.0f} x {height:.0f} "
            f"pixels, eyes {(across @ across) ** 0.5:.1f} pixels apart"
        )


def _video(args, finder):
    from fer_data.faces.drawing import save_png
    from fer_data.faces.followed_video import follow_video
    from fer_data.video import Video

    video = Video(args.input, fps=args.fps, on_bad=args.on_bad)
    with progress(video.info.frames, "frames") as bar:
        found = follow_video(
            video,
            args.output / "faces.mp4",
            done=lambda seen: bar.update(),
            detector=finder,
            method=args.method,
            on_missing="skip",
        )
    if found.regions is not None:
        save_png(found.regions, args.output / "regions.png")
    remarks(f"{len(video.skipped)} skipped", (f"{k} {v}" for k, v in video.skipped.items()))
    counts = {name: getattr(found, name) for name in ("frames", "detected", "followed", "missing")}
    rate = (found.frames - 1) / max(sum(found.seconds[1:]), 1e-9)
    if args.json:
        counts |= {"input": str(args.input), "frames_a_second": rate}
        print(json.dumps(counts, indent=1))
    else:
        print(
            f"{args.input}: {found.frames} frames of {video.info.width} x {video.info.height} "
            f"pixels; face found in {found.detected + found.followed}, missing in "
            f"{found.missing}, detected anew {max(0, found.detected - 1)} times; {rate:.0f} frames "
            "a second"
        )
    if found.missing == found.frames:
        raise CheckFailedError(f"no face was found in {args.input} by {args.detector}")
