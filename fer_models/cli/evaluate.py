"""Measure a model on labelled faces: accuracy, F1, by class, calibration, confusions.

If the data set marks copies of training faces, the other faces are scored by themselves as well.
The output folder gets evaluation.md, evaluation.json, confusion.png and reliability.png. If the
model's file lies beside the run.json of its training, the data are those that run.json names, and
the test faces of the same division are taken.

Several models, or several data sets, give a matrix instead: accuracy, macro F1 and calibration
error of each model on each set, with intervals, on the classes that both know, matched by name. The
output folder gets cross_data.md, cross_data.json and cross_data.png then.
"""

import argparse
import json
from pathlib import Path

from fer_models.cli import evaluate_several
from fer_models.cli.face_data import (
    add_data_arguments,
    add_group_arguments,
    add_model_argument,
    facts,
    groups_of,
    heading,
    measured,
)
from fer_models.cli.media import check_output
from fer_models.cli.running import UsageError, progress, remark

EXAMPLE = """fer evaluate runs/mine/best.keras
fer evaluate ghostface:fer2013 --data fer2013 --path FOLDER --split validation --flip
fer evaluate ghostface:ferplus --data folder --path my_faces --json
fer evaluate ghostface:ferplus --data folder --path my_faces --groups groups.csv
fer evaluate ghostface:fer2013 ghostface:ferplus --data fer2013 folder --path FOLDER my_faces"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `fer evaluate`.

    Args:
        parser: Parser of the subcommand.
    """
    add_model_argument(parser, several=True)
    add = parser.add_argument
    add("--flip", action="store_true", help="average the answers to the face and its mirror image")
    add("--faces", type=int, default=0, help="number of faces, drawn at random; 0: all")
    add("--batch-size", type=int, default=64, help="faces at a time")
    add("--output", type=Path, default=Path("runs/evaluate"), help="folder to write into")
    add("--seed", type=int, default=1, help="seed of the choice of faces")
    add("--json", action="store_true", help="print what the JSON file holds, not tables")
    add_group_arguments(parser)
    add_data_arguments(parser, several=True)


def run(args: argparse.Namespace) -> None:
    """Measure, write, and print the tables.

    Args:
        args: The parsed arguments.
    """
    check_output(args.output)
    if args.faces < 0 or args.batch_size < 1:
        raise UsageError("--faces must be 0 or more, and --batch-size 1 or more")
    evaluate_several.sort_words(args)
    if evaluate_several.is_several(args):
        evaluate_several.run(args)
        return
    _measure(args)


def _measure(args):
    (args.model,) = args.model
    (args.data,) = args.data or (None,)
    if len(args.path or ()) > 1:
        raise UsageError(f"--path must be one path for one data set; given: {' '.join(args.path)}")
    (args.path,) = args.path or (None,)
    found = measured(args)
    from fer_data.files import write_json, write_text
    from fer_models.evaluation import plot_confusion, plot_reliability, score_split
    from fer_models.evaluation.mirror_mean import mirror_mean

    faces = found.drawn(args.faces, args.seed)
    groups = groups_of(args, found, found.split)
    if groups is not None:
        groups = groups[found.places(args.faces, args.seed)]
    model = mirror_mean(found.model) if args.flip else found.model
    with progress(len(faces), "faces") as bar:
        batches = _batches(faces, len(found.class_names), args.batch_size, bar)
        scores = score_split(model, batches, found.class_names, faces.copies, groups)
    about = facts(args, found) | {"mirrored": args.flip}
    text = "\n".join(
        [
            *heading(about),
            *(["The mean with the mirrored face.", ""] if args.flip else []),
            *(
                f"## {name[0].upper()}{name[1:]}\n\n{report.to_markdown()}\n"
                for name, report in scores.reports.items()
            ),
        ]
    )
    reports = {name: report.to_dict() for name, report in scores.reports.items()}
    content = json.dumps(about | {"scores": reports}, indent=1)
    write_text(args.output / "evaluation.md", text)
    write_json(args.output / "evaluation.json", json.loads(content))
    plot_confusion(next(iter(scores.reports.values())), args.output / "confusion.png")
    plot_reliability(scores.labels, scores.probabilities, args.output / "reliability.png")
    print(content if args.json else text.rstrip())
    remark(f"Wrote {args.output}")


def _batches(faces, classes, size, bar):
    """Yield images and one-hot labels."""
    import numpy as np

    labels = np.eye(classes, dtype="float32")[faces.labels]
    for start in range(0, len(faces), size):
        yield faces.images[start : start + size], labels[start : start + size]
        bar.update(min(size, len(faces) - start))
