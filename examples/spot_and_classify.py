"""Find where micro-expressions are likely in a long video of one face, and classify them.

    python examples/spot_and_classify.py interview.mp4 --model runs/ha3d/model.keras
    python examples/spot_and_classify.py interview.mp4 --model model.keras --window 0.4 --least 0.5
    python examples/spot_and_classify.py frames/ --fps 200 --model model.keras --output spotted

The output folder holds timeline.csv (a row for every window: its times, the motion in it, the
network's probabilities), intervals.csv (where the rule sees a micro-expression), timeline.png and
report.json (settings, the rule in words, where there was no face). Ctrl-C ends the reading; what
was seen so far is written all the same.

Nothing here is an accuracy: nobody has said what the video shows. The network has no class for "no
expression" and names one in every window; the motion says which windows to look at.
"""

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from tqdm import tqdm

from fer_data.faces.detectors import DETECTORS
from fer_data.files import write_text
from fer_data.video import Video
from fer_models.spotting import Rule, Spotter, TimeLine, plot_time_line
from fer_models.spotting.clip_network import HOW_TO
from fer_models.spotting.spotter import UNITS
from fer_models.spotting.time_line_plot import clock

LISTED = 20  # intervals
NO_TRUTH = (
    "Places to look at, no measurement: nobody has said what this video shows, and the network "
    "names a class in every window."
)


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add, rule = parser.add_argument, Rule()
    add("video", type=Path, help="a video, or a folder of its frames")
    add("--model", type=Path, help="a network of clips, a .keras file")
    add("--class-names", nargs="+", help="of the network (default: negative positive surprise)")
    add("--raw", action="store_true", help="it was trained on grey levels, not on motion")
    add("--output", type=Path, default=Path("spotted"), help="folder to write into")
    add("--window", type=float, default=0.5, help="length of a window")
    add("--stride", type=float, help="from window to window (default: a quarter of a window)")
    add("--unit", choices=UNITS, default="seconds", help="of --window and --stride")
    add("--fps", type=float, help="frames a second, in place of what the file says")
    add("--detector", choices=DETECTORS, default="mtcnn", help="what finds the face")
    add("--skip-bad", action="store_true", help="go on after frames that cannot be decoded")
    add("--batch-size", type=int, default=16, help="windows that go through the network together")
    add("--least", type=float, default=rule.least, help="motion that counts, px of a 128 px face")
    add("--times", type=float, default=rule.times, help="... and times the median around it")
    add("--around", type=float, default=rule.around, help="seconds of that median")
    add("--head", type=float, default=rule.head, help="motion of the head that spoils a window, px")
    add("--back", type=float, default=rule.back, help="share of the way that it must come back")
    args = parser.parse_args(argv)
    if args.model is None:
        parser.error(f"--model: a trained network of clips is needed. {HOW_TO}.")
    if args.output.exists() and not args.output.is_dir():
        parser.error(f"--output: must be a folder, and {args.output} is a file")
    return args


def on_bad(args):
    return "skip" if args.skip_bad else "error"


def read(args, spotter, frames):
    """Return the time line of the video, and whether it was read to its end."""
    line = TimeLine(spotter.class_names, spotter.rule)
    with tqdm(total=frames, unit=" frames", disable=None) as bar:
        events = spotter.stream(
            args.video,
            window=args.window,
            stride=args.stride,
            unit=args.unit,
            fps=args.fps,
            on_bad=on_bad(args),
            line=line,
            on_frame=bar.update,
        )
        try:
            for event in events:
                line.add(event)
        except KeyboardInterrupt:
            if not len(line):
                raise
            return line, False
    return line, True


def peak_memory():
    """Return the most megabytes that this process has held, or `None` where nothing says so."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most // (2**20 if sys.platform == "darwin" else 2**10)


def report(args, line, intervals, whole):
    settings = vars(args) | {name: str(vars(args)[name]) for name in ("video", "model", "output")}
    return {
        "note": NO_TRUTH,
        "rule": str(line.rule),
        "read_to_the_end": whole,
        "frames": line.frames,
        "frames_with_a_face": line.faces,
        "seconds": line.seconds,
        "peak_memory_mb": peak_memory(),
        "windows": len(line),
        "intervals": len(intervals),
        "class_names": list(line.class_names),
        "gaps": [
            {
                "start": gap.start,
                "end": gap.end,
                "first": gap.first,
                "last": gap.last,
                "reason": gap.reason,
            }
            for gap in line.gaps
        ],
        "settings": settings,
    }


def run(args):
    rule = Rule(
        least=args.least, times=args.times, around=args.around, head=args.head, back=args.back
    )
    # Before the networks are made, which takes longer.
    info = Video(args.video, fps=args.fps, on_bad=on_bad(args)).info
    spotter = Spotter(
        args.model,
        args.class_names,
        motion=not args.raw,
        rule=rule,
        detector=args.detector,
        batch_size=args.batch_size,
    )
    line, whole = read(args, spotter, info.frames)
    intervals = line.intervals()
    line.write(args.output / "timeline.csv")
    line.write_intervals(args.output / "intervals.csv")
    plot_time_line(line, args.output / "timeline.png", title=args.video.name)
    text = json.dumps(report(args, line, intervals, whole), indent=1) + "\n"
    write_text(args.output / "report.json", text)

    print(
        f"{args.video}: {line.frames} frames, {line.faces} with a face; {len(line)} windows"
        + ("" if whole else f"; stopped at {clock(line.seconds)}")
    )
    if peak_memory() is not None:
        print(f"Memory: {peak_memory()} MB at most")
    print(f"The rule: {rule}.")
    print(f"It sees a micro-expression {len(intervals)} times" + (":" if intervals else "."))
    for each in intervals[:LISTED]:
        found = each.window
        print(
            f"  {each.start:8.2f} to {each.end:.2f} s, apex {each.apex:.2f}: {found.region} "
            f"{found.motion:.1f} px; the network: {found.label} {found.confidence:.0%}"
        )
    if len(intervals) > LISTED:
        print(f"  and {len(intervals) - LISTED} more")
    print(NO_TRUTH)
    print(f"Wrote {args.output}{os.sep}")
    return 0 if whole else 130


def main(argv=None):
    args = parse(argv)
    try:
        return run(args)
    except (ImportError, OSError, ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped before the first windows were done; nothing is written", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
