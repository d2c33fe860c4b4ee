"""Find where micro-expressions are likely in a long video of one face, and classify them.

The output folder holds timeline.csv (a row for every window: its times, the motion in it, the
network's probabilities), intervals.csv (where the rule sees a micro-expression), timeline.png,
report.json (settings, the rule in words, where there was no face), and a copy of the video that
shows the intervals while it plays. Ctrl-C ends the reading; what was seen so far is written all the
same. The exit status is 1 where no face is found or the rule sees no micro-expression.

None of these numbers is an accuracy: the video has no labels. The network has no class for "no
expression" and names one in every window; the motion shows which windows to look at.
`fer train-clips --keep-models` trains such a network.
"""

import argparse
import contextlib
import json
import signal
import threading
from pathlib import Path

from fer_models.cli.media import DETECTORS, check_output, own_folder
from fer_models.cli.running import (
    INTERRUPTED,
    CheckFailedError,
    UsageError,
    progress,
    remark,
)

EXAMPLE = """fer spot interview.mp4 --model runs/ha3d/folds/000/model.keras
fer spot interview.mp4 --model model.keras --window 0.4 --least 0.5
fer spot frames/ --fps 200 --model model.keras --output spotted"""

# As `fer_models.spotting.spotter.UNITS` and `Rule` have them.
UNITS = ("seconds", "frames")
REGIONS = ("landmarks", "grid")
RULE = {"least": 0.3, "times": 2.5, "around": 10.0, "head": 3.0, "back": 0.5}
LISTED = 20  # intervals
AS_THEY_ARE = (".mp4", ".avi", ".mkv")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `fer spot`.

    Args:
        parser: Parser of the subcommand.
    """
    add = parser.add_argument
    add("video", metavar="VIDEO", type=Path, help="a video, or a folder of its frames")
    add("--model", type=Path, help="a network of clips, a .keras file")
    add(
        "--class-names",
        nargs="+",
        help="names of its classes (default: those in its file, else negative positive surprise)",
    )
    add(
        "--raw",
        action=argparse.BooleanOptionalAction,
        help="the network was trained on grey levels, not on motion (default: as in its file)",
    )
    add(
        "--regions",
        choices=REGIONS,
        help="the regions that the network was trained on (default: as in its file)",
    )
    add(
        "--output",
        type=Path,
        help="folder to write into (default: runs/spot/NAME, the video's name)",
    )
    add("--no-copy", action="store_true", help="write no annotated copy of the video")
    add(
        "--json",
        action="store_true",
        help="print what report.json holds, not a line for each interval",
    )
    add("--window", type=float, default=0.5, help="length of a window")
    add("--stride", type=float, help="from one window to the next (default: a quarter of a window)")
    add("--unit", choices=UNITS, default="seconds", help="unit of --window and --stride")
    add("--fps", type=float, help="frames a second, in place of the rate in the file")
    add("--detector", choices=DETECTORS, default="mtcnn", help="what finds the face")
    add("--skip-bad", action="store_true", help="go on after frames that cannot be decoded")
    add("--batch-size", type=int, default=16, help="windows that go through the network together")
    rule = parser.add_argument_group("rule: when motion counts").add_argument
    for name, text in (
        ("least", "least motion that counts, px of a 128 px face"),
        ("times", "... and least multiple of the median around it"),
        ("around", "seconds around a window for that median"),
        ("head", "motion of the head that spoils a window, px"),
        ("back", "share of the way that it must come back"),
    ):
        rule(f"--{name}", type=float, default=RULE[name], help=text)


def run(args: argparse.Namespace) -> int:
    """Look through the video, write what was found, and print the intervals.

    Args:
        args: The parsed arguments.

    Returns:
        The exit status.
    """
    if args.output is None:
        args.output = own_folder(
            Path("runs/spot"), args.video, "report.json", lambda held: held["settings"]["video"]
        )
    _check(args)
    from fer_data.video import Video
    from fer_models.spotting import Rule, Spotter, write_spotted
    from fer_models.spotting.time_line_plot import clock

    rule = Rule(**{name: getattr(args, name) for name in RULE})
    on_bad = "skip" if args.skip_bad else "error"
    # Before the networks are made, which takes longer.
    info = Video(args.video, fps=args.fps, on_bad=on_bad).info
    spotter = Spotter(
        args.model,
        args.class_names,
        motion=None if args.raw is None else not args.raw,
        rule=rule,
        detector=args.detector,
        batch_size=args.batch_size,
        region_cut=args.regions,
    )
    line, whole = _read(args, spotter, info.frames, on_bad)
    settings = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in vars(args).items()
        if name not in ("run", "traceback", "command_line", "own_process")
    }
    content = write_spotted(
        line,
        args.output,
        title=_name(args.video),
        about={
            "read_to_the_end": whole,
            "motion": spotter.motion,
            "region_cut": spotter.region_cut,
            "settings": settings,
        },
    )
    remark(
        f"{args.video}: {line.frames} frames, {line.faces} with a face; {len(line)} windows"
        + ("" if whole else f"; stopped at {clock(line.seconds)}")
    )
    remark(f"The rule: {rule}.")
    _print(content, args.json)
    if not args.no_copy:
        _copy(args, line, on_bad)
    remark(content["note"])
    remark(f"Wrote {args.output}")
    if not whole:
        return INTERRUPTED
    if not content["intervals"]:
        raise CheckFailedError(f"the rule sees no micro-expression in {args.video}")
    return 0


def _check(args):
    """Refuse what could not work before anything heavy is imported."""
    if args.model is None:
        raise UsageError(
            "--model must name a trained network of clips: `fer train-clips --keep-models` leaves "
            "a model.keras of every fold"
        )
    check_output(args.output)
    video, output = args.video.resolve(), args.output.resolve()
    if video.is_dir() and output.is_relative_to(video):
        raise UsageError(
            f"the results in {args.output} would lie among the frames in {args.video}: name "
            "another --output"
        )
    if not args.no_copy and _copy_of(args).resolve() == video:
        raise UsageError(
            f"the copy would take the place of {args.video}: name another --output, or add "
            "--no-copy"
        )


def _name(video):
    """Return the name of a video, or of a folder of frames, also of `.` and `..`."""
    return video.resolve().name if video.is_dir() else video.name


def _copy_of(args):
    """Return where the annotated copy goes."""
    name = _name(args.video)
    as_it_is = Path(name).suffix.lower() in AS_THEY_ARE
    return args.output / (name if as_it_is else f"{name}.mp4")


def _read(args, spotter, frames, on_bad):
    """Return the time line of the video, and whether it was read to its end."""
    from fer_models.spotting import NoFaceError, TimeLine

    line = TimeLine(spotter.class_names, spotter.rule)
    with progress(frames, "frames") as bar, _first_interrupt() as stopped:
        events = spotter.stream(
            args.video,
            window=args.window,
            stride=args.stride,
            unit=args.unit,
            fps=args.fps,
            on_bad=on_bad,
            line=line,
            on_frame=bar.update,
            stop=stopped,
        )
        whole = True
        try:
            for event in events:
                line.add(event)
        except KeyboardInterrupt:
            # The second one, which does not wait for the windows that are still to be classified.
            whole = False
        except NoFaceError as error:
            raise CheckFailedError(str(error)) from error
        if whole and not stopped():
            return line, True
    if not len(line):
        remark("Stopped before the first windows were done; nothing is written.")
        raise KeyboardInterrupt
    return line, False


@contextlib.contextmanager
def _first_interrupt():
    """Yield a function that tells whether Ctrl-C was pressed; only a second one interrupts."""
    pressed = threading.Event()
    usual = signal.default_int_handler
    # Signals reach the main thread alone, and whoever handles them otherwise goes on to.
    mine = threading.current_thread() is threading.main_thread()
    if not mine or signal.getsignal(signal.SIGINT) is not usual:
        yield pressed.is_set
        return

    def note(number, frame):
        pressed.set()
        signal.signal(signal.SIGINT, usual)

    signal.signal(signal.SIGINT, note)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, usual)


def _print(content, as_json):
    if as_json:
        print(json.dumps(content, indent=1))
        return
    for each in content["intervals"][:LISTED]:
        found = each["window"]
        print(
            f"{each['start']:8.2f} to {each['end']:.2f} s, apex {each['apex']:.2f}: "
            f"{found['region']} {found['motion']:.1f} px; the network: {found['label']} "
            f"{found['confidence']:.0%}"
        )
    if len(content["intervals"]) > LISTED:
        print(f"and {len(content['intervals']) - LISTED} more")


def _copy(args, line, on_bad):
    from fer_models.spotting import annotated_copy

    # A second Ctrl-C leaves the copy away, and what was found stays.
    with contextlib.suppress(KeyboardInterrupt), progress(line.frames, "frames") as bar:
        annotated_copy(
            args.video,
            line,
            _copy_of(args),
            fps=args.fps,
            on_bad=on_bad,
            on_frame=bar.update,
        )
