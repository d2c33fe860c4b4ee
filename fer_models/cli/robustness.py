"""Attack and corrupt labelled faces, and say what is left of a model's accuracy.

The output folder gets robustness.md, robustness.json and corruptions.png (a drawn face under every
corruption). Nothing is written before all is measured.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

from fer_models.cli.face_data import (
    add_data_arguments,
    add_model_argument,
    facts,
    heading,
    measured,
)
from fer_models.cli.media import check_output
from fer_models.cli.running import UsageError, remark, watched

EXAMPLE = """fer robustness ghostface:ferplus --data ferplus --path FOLDER --split validation
fer robustness runs/mine/best.keras --attacked 100 --epsilons 2 4"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `fer robustness`.

    Args:
        parser: Parser of the subcommand.
    """
    add_model_argument(parser)
    add = parser.add_argument
    add("--attacked", type=int, default=300, help="number of faces to attack; 0: none")
    add("--corrupted", type=int, default=1000, help="number of faces to corrupt; 0: none")
    add(
        "--epsilons",
        nargs="+",
        type=float,
        default=[2, 4, 8],
        help="largest changes of a pixel, in grey levels of 255",
    )
    add("--steps", type=int, default=20, help="steps of PGD")
    add("--apgd-steps", type=int, default=50, help="steps of APGD")
    add("--queries", type=int, default=200, help="queries of the Square attack")
    add("--output", type=Path, default=Path("runs/robustness"), help="folder to write into")
    add(
        "--seed",
        type=int,
        default=1,
        help="seed of everything random, the choice of faces included",
    )
    add("--json", action="store_true", help="print what robustness.json holds, not tables")
    add_data_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Measure, write, and print the tables.

    Args:
        args: The parsed arguments.
    """
    check_output(args.output)
    for name in ("attacked", "corrupted"):
        if getattr(args, name) < 0:
            raise UsageError(f"--{name} must not be negative")
    found = measured(args)
    from fer_data.files import write_json, write_text

    reports, seconds = measure(args, found)
    about = facts(args, found)
    lines = heading(about)
    for name, report in reports.items():
        lines += [report.to_markdown(), "", f"Measured in {seconds[name]:.0f} s.", ""]
    text = "\n".join(lines)
    content = about | {"seconds": seconds}
    content |= {name: report.to_dict() for name, report in reports.items()}
    written = json.dumps(content, indent=1)
    write_text(args.output / "robustness.md", text)
    write_json(args.output / "robustness.json", json.loads(written))
    draw(args.output / "corruptions.png")
    print(written if args.json else text.rstrip())
    remark(f"Wrote {args.output}")


def measure(args: argparse.Namespace, found: Any) -> tuple[dict[str, Any], dict[str, float]]:
    """Return the reports that are asked for, by name, and the seconds that they took."""
    from fer_models import robustness

    gradients = robustness.InputGradients(found.model)
    reports: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    if args.attacked:
        faces, begin = found.drawn(args.attacked, args.seed), time.perf_counter()
        reports["adversarial"] = robustness.adversarial_accuracy(
            gradients,
            faces.images,
            faces.labels,
            epsilons=args.epsilons,
            steps=args.steps,
            apgd_steps=args.apgd_steps,
            queries=args.queries,
            seed=args.seed,
            verbose=int(watched()),
        )
        seconds["adversarial"] = time.perf_counter() - begin
    if args.corrupted:
        faces, begin = found.drawn(args.corrupted, args.seed), time.perf_counter()
        reports["corruptions"] = robustness.corruption_accuracy(
            gradients,
            faces.images,
            faces.labels,
            landmarks=faces.landmarks,
            seed=args.seed,
            verbose=int(watched()),
        )
        seconds["corruptions"] = time.perf_counter() - begin
    return reports, seconds


def draw(path: str | os.PathLike[str]) -> None:
    """Draw a synthetic face under every corruption."""
    from fer_data.synthetic import generate
    from fer_models.robustness import corruption_sheet

    face = list(generate(4, seed=3, size=96))[3]
    corruption_sheet(face.image, path, landmarks=face.landmarks)
