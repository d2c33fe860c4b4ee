"""Write a model for other programs, and say how much accuracy it loses there.

The output folder gets the model and two reports, with .md and .json behind the model's name: how
far its outputs are from Keras's, and the accuracy of both on labelled faces. These are drawn ones
where no run.json beside the model and no --data names others, as for bundled weights. litert-int8
has weights of 8 bits; with --representative N it has activations of 8 bits too, in the ranges that
N training faces show. The exit status is 1 where more than --limit points of accuracy are lost.
"""

import argparse
import json
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
from fer_models.cli.running import CheckFailedError, UsageError, remark
from fer_models.zoo.hub_models import PREFIX
from fer_models.zoo.model_files import names_file

EXAMPLE = """fer export ghostface:fer2013 litert
fer export runs/mine/best.keras litert-int8 --representative 200
fer export ghostface:fer2013 onnx --data fer2013 --path FOLDER --split validation"""

FORMATS = ("litert", "litert-int8", "onnx", "saved_model")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `fer export`.

    Args:
        parser: Parser of the subcommand.
    """
    add_model_argument(parser)
    add = parser.add_argument
    add("format", choices=FORMATS, metavar="FORMAT", help=f"one of {', '.join(FORMATS)}")
    add(
        "--faces",
        type=int,
        default=0,
        help="number of faces to compare on, drawn at random; 0: all",
    )
    add(
        "--representative",
        type=int,
        default=0,
        help="number of training faces to show, for litert-int8 alone",
    )
    add("--limit", type=float, default=0.5, help="points of accuracy that may be lost")
    add("--output", type=Path, default=Path("runs/export"), help="folder to write into")
    add("--overwrite", action="store_true", help="replace what the folder holds already")
    add("--seed", type=int, default=1, help="seed of the choice of faces")
    add("--json", action="store_true", help="print what the JSON file holds, not a table")
    add_data_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Export, compare, write, and print the table.

    Args:
        args: The parsed arguments.
    """
    check_output(args.output)
    if args.representative and args.format != "litert-int8":
        raise UsageError("--representative is for litert-int8 alone")
    for name in ("faces", "representative", "limit"):
        if getattr(args, name) < 0:
            raise UsageError(f"--{name} must be 0 or more")
    from fer_data.files import write_json, write_text
    from fer_models.export import SUFFIXES, accuracy_lost, export, load
    from fer_models.training.runs import sha256_of

    path = args.output / (name_of(args.model) + SUFFIXES[args.format])
    if path.exists() and not args.overwrite:
        raise UsageError(f"{path} exists: give --overwrite or another --output")
    found = measured(args, training=max(70, args.representative))
    faces = found.drawn(args.faces, args.seed)
    representative = None
    if args.representative:
        representative = found.drawn(args.representative, args.seed, "train").images
    report = export(
        found.model,
        path,
        args.format,
        faces.images,
        representative,
        overwrite=args.overwrite,
        verbose=False,
    )
    lost = accuracy_lost(found.model, load(path), faces.images, faces.labels)
    about = facts(args, found)
    text = "\n".join([*heading(about), table_of(report, lost)])
    content = {
        **about,
        "representative": args.representative,
        "sha256": sha256_of(path)[0] if path.is_file() else None,
        "report": report.to_dict(),
        "accuracy": lost.to_dict(),
        "limit_points": args.limit,
    }
    write_text(path.with_name(f"{path.name}.md"), text + "\n")
    write_json(path.with_name(f"{path.name}.json"), content)
    print(json.dumps(content, indent=1) if args.json else text)
    remark(f"Wrote {path}")
    if lost.lost_points > args.limit:
        raise CheckFailedError(
            f"{lost.lost_points:.2f} points of accuracy lost, more than --limit {args.limit:g}"
        )


def name_of(model: str) -> str:
    """Return the name of the exported file, without its ending."""
    if names_file(model):
        return Path(model).stem
    return model.removeprefix(PREFIX).replace(":", "-").replace("/", "-")


def table_of(report: Any, lost: Any) -> str:
    """Return what was exported, and what it lost, as a table in Markdown."""
    return "\n".join(
        [
            "| format | bytes | largest difference | same label | accuracy, Keras "
            "| accuracy, exported | lost, points |",
            "|---|---:|---:|---:|---:|---:|---:|",
            f"| {report.format} | {report.size:,} | {report.comparison.max_abs_error:.2g} "
            f"| {report.comparison.label_agreement:.2%} | {lost.keras:.2%} "
            f"| {lost.exported:.2%} | {lost.lost_points:.2f} ± {lost.margin_points:.2f} |",
            "",
            f"{lost.faces:,} faces; it computes with {report.numbers}.",
        ]
    )
