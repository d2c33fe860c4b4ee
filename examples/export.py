"""Write a model for other programs, and say what it loses there on real faces.

    python examples/export.py ghostface:fer2013 litert --data fer2013 --path FOLDER
    python examples/export.py runs/mine/best.keras litert-int8 --data folder --path FOLDER

The output folder gets the model, export.md and export.json: how far its outputs are from Keras's,
and the accuracy of both on the validation faces. litert-int8 has weights of 8 bits, and with
--representative N activations too, in the ranges that so many training faces show. The exit status
is 1 where more than --limit points of accuracy are lost.
"""

import argparse
import hashlib
import json
import os
import shlex
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Faster kernels, which TensorFlow leaves off on processors that are not Intel's.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import numpy as np

from fer_data import files
from fer_models.export import FORMATS, export, load
from fer_models.export.exporting import SUFFIXES

sys.path.insert(0, str(Path(__file__).parent))
import robustness
import train


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("model", help="a .keras file, or NAME:TAG of bundled weights, such as ghostface:ferplus")
    add("format", choices=FORMATS)
    add("--data", choices=train.DATA, default="synthetic", help="which faces")
    add("--path", help="folder or archive of the data set; none for synthetic")
    add("--data-dir", help="where prepared data sets are kept (default: tensorflow-datasets')")
    add("--split", default="validation", help="whose faces are compared")
    add("--faces", type=int, default=0, help="how many of them, drawn at random; 0: all")
    add("--representative", type=int, default=0, help="training faces, for litert-int8 alone")
    add("--limit", type=float, default=0.5, help="points of accuracy that may be lost")
    add("--output", default="runs/export", help="folder for everything that is written")
    add("--overwrite", action="store_true", help="replace what the folder holds already")
    add("--seed", type=int, default=1, help="of the choice of faces")
    args = parser.parse_args(argv)
    if args.representative and args.format != "litert-int8":
        parser.error("--representative is for litert-int8 alone")
    for name, least in (("faces", 0), ("representative", 0), ("limit", 0)):
        if getattr(args, name) < least:
            parser.error(f"--{name} must be {least} or more")
    return args


def load_faces(args, model, class_names):
    """Return pictures and labels of the compared split, and training pictures, as uint8."""
    from fer_data import datasets

    height, width, _ = model.input_shape[1:]
    # Nobody looks at most of the training faces.
    few = {"train": max(70, args.representative), "size": max(height, width, 64)}
    options = few if args.data == "synthetic" else {}
    builder = datasets.prepare(
        train.DATA[args.data], path=args.path, data_dir=args.data_dir, **options
    )
    names = builder.info.features["label"].names
    for split in (args.split, "train"):
        if split not in builder.info.splits:
            raise ValueError(f"--split must be one of {sorted(builder.info.splits)}, not {split!r}")
    robustness.check_classes(names, model, class_names)
    pictures, labels = chosen(builder, args.split, args.faces, model, names, args.seed)
    representative = None
    if args.representative:
        representative, _ = chosen(builder, "train", args.representative, model, names, args.seed)
    return pictures, labels, representative


def chosen(builder, split, count, model, names, seed):
    """Return `count` faces of a split (0: all) at the model's size, with their labels."""
    import tensorflow as tf

    size = builder.info.splits[split].num_examples
    places = np.random.default_rng(seed).permutation(size)[: count or size]
    wanted = np.zeros(size, bool)
    wanted[places] = True
    wanted = tf.constant(wanted)
    faces = builder.as_dataset(split=split).enumerate().filter(lambda number, _: wanted[number])
    return robustness.arrays_of(faces.map(lambda _, face: face), model, len(names))


def accuracies(model, run, pictures, labels):
    """Return the accuracy of both, what is lost, and the half width of its 95 % interval."""
    right = [
        probabilities.argmax(1) == labels
        for probabilities in (
            model.predict(pictures.astype("float32"), batch_size=64, verbose=0),
            run(pictures),
        )
    ]
    lost = right[0].astype(float) - right[1]
    return {
        "keras": float(right[0].mean()),
        "exported": float(right[1].mean()),
        "lost_points": 100 * float(lost.mean()),
        "margin_points": 100 * 1.96 * float(lost.std(ddof=1)) / len(lost) ** 0.5,
        "faces": len(labels),
    }


def text_of(args, facts, report, accuracy):
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    return "\n".join(
        [
            f"`{facts['command']}`",
            "",
            f"{facts['date']}; {versions}; {facts['hardware']}; seed {args.seed}; {args.split} "
            f"faces of {args.data}; weights {facts['weights_sha256'][:12]}.",
            "",
            "| format | bytes | largest difference | same label | accuracy, Keras "
            "| accuracy, exported | lost, points |",
            "|---|---:|---:|---:|---:|---:|---:|",
            f"| {report.format} | {report.size:,} | {report.comparison.max_abs_error:.2g} "
            f"| {100 * report.comparison.label_agreement:.2f} % "
            f"| {100 * accuracy['keras']:.2f} % | {100 * accuracy['exported']:.2f} % "
            f"| {accuracy['lost_points']:.2f} ± {accuracy['margin_points']:.2f} |",
            "",
            f"{accuracy['faces']:,} faces; it computes with {report.numbers}.",
            "",
        ]
    )


def main(argv=None):
    words = sys.argv[1:] if argv is None else argv
    args = parse(words)
    output = Path(args.output)
    try:
        model, class_names = robustness.load_model(args.model)
        path = output / (name_of(args.model) + SUFFIXES[args.format])
        if path.exists() and not args.overwrite:
            raise ValueError(f"{path} exists: give --overwrite or another --output")
        pictures, labels, representative = load_faces(args, model, class_names)
        report = export(
            model, path, args.format, pictures, representative, overwrite=args.overwrite
        )
        accuracy = accuracies(model, load(path), pictures, labels)
        command = shlex.join(["python", "examples/export.py", *words])
        facts = robustness.facts_of(args, command, model, args.split)
        text = text_of(args, facts, report, accuracy)
        files.write_text(output / "export.md", text)
        content = {
            **facts,
            "representative": 0 if representative is None else len(representative),
            "sha256": digest(path),
            "report": report.to_dict(),
            "accuracy": accuracy,
            "limit_points": args.limit,
        }
        files.write_text(output / "export.json", json.dumps(content, indent=1))
    except KeyboardInterrupt:
        print("\nStopped. A model is written whole or not at all.", file=sys.stderr)
        return 130
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"\n{text}\nEverything is in {output.resolve()}.")
    if accuracy["lost_points"] > args.limit:
        print(f"{accuracy['lost_points']:.2f} points lost, more than --limit {args.limit:g}.")
        return 1
    return 0


def name_of(model):
    return Path(model).stem if model.endswith(".keras") else model.replace(":", "-")


def digest(path):
    """Return the SHA-256 of a file, None of a folder."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main())
