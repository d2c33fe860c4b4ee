"""Audit a model: how good it is, what it costs, what it betrays, how it breaks, where it looks.

    python examples/audit.py ghostface:fer2013 --data fer2013 --path FOLDER --output audits/fer2013
    python examples/audit.py runs/synthetic/best.keras --output audits/synthetic

MODEL is a .keras file or NAME:TAG of bundled weights. Where a file lies beside the run.json of
examples/train.py, that says which faces it was trained on; otherwise --data, --path and the like
must say the same as at the training, or members and non-members are not what they are called.

The output folder holds audit.html (one page, pictures inside), model_card.md, audit.json and
suspects.csv. Members come from the training faces, non-members and population from the others, of
which faces whose pixels stand in the training set are left out and counted. The test faces are
the test split, or the validation split where there is none.
"""

import argparse
import hashlib
import json
import os
import shlex
import sys
import types
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Faster kernels, which TensorFlow leaves off on processors that are not Intel's.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import numpy as np

import fer_models
from fer_data.pipelines import images as pipelines
from fer_models import privacy, registry

sys.path.insert(0, str(Path(__file__).parent))
import train

# What decides which faces are in which split.
DATA_SETTINGS = (
    "data",
    "path",
    "train",
    "validation_fraction",
    "validation_from",
    "test_fraction",
    "seed",
)
DEFAULTS = {"data": "synthetic", "validation_from": "train", "seed": 1}


def parser_of():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("model", metavar="MODEL", help=".keras file, or NAME:TAG such as ghostface:fer2013")
    add("--output", default="audits/model", help="folder for everything that is written")
    add("--seed", type=int, default=0, help="of everything random in the audit")
    add("--members", type=int, default=2000, help="training faces (default: 2000)")
    add("--non-members", type=int, default=2000, help="other faces (default: 2000)")
    add("--population", type=int, default=1000, help="further other faces (default: 1000)")
    add("--test", type=int, help="test faces, drawn at random (default: all)")
    add("--adversarial-faces", type=int, default=64, help="0: no attacks (default: 64)")
    add("--corruption-faces", type=int, default=256, help="0: no corruptions (default: 256)")
    add("--explained-faces", type=int, default=32, help="0: no heat maps (default: 32)")
    add("--batch-size", type=int, default=64)
    add("--traceback", action="store_true", help="show where in the code an error arose")
    data = parser.add_argument_group(
        "data (default: what run.json beside the model says, else synthetic)"
    ).add_argument
    data("--config", help="run.json of the training (default: the one beside the model, if any)")
    data("--data", choices=train.DATA, help="which faces")
    data("--path", help="folder or archive of the data set; none for synthetic")
    data("--data-dir", help="where prepared data sets are kept (default: tensorflow-datasets')")
    data("--train", type=int, help="synthetic training faces, as at the training")
    data("--validation-fraction", type=float, help="as at the training")
    data("--validation-from", choices=("train", "test"), help="as at the training")
    data("--test-fraction", type=float, help="as at the training")
    data("--split-seed", type=int, help="--seed of the training (default: 1)")
    return parser


def load_model(name):
    """Return the model, the names of its classes, and lines on it for the head of the report.

    Args:
        name: As on the command line. A file keeps no names of classes: `None`.
    """
    if is_tag(name):
        family, _, tag = name.partition(":")
        known = registry.weights(family, tag)
        lines = {
            "Weights": f"{family}, {tag}; SHA-256 {known.sha256}",
            "Training": f"{known.card['split']}; the {known.card['epoch']} epoch",
            "Licence": known.licence,
            "Not for": known.card["not_for"],
        }
        return registry.entry(family).builder(weights=tag), known.class_names, lines
    path = Path(name)
    if path.suffix != ".keras" or not path.is_file():
        raise ValueError(
            f"MODEL must be a .keras file that is there, or NAME:TAG with a name of "
            f"{sorted(registry.MODELS)}. Received: {name}"
        )
    model = keras.models.load_model(path, compile=False)
    # A stage of its training may have frozen most of it, and its cost would leave that out.
    model.trainable = True
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return model, None, {"File": f"{path.name}, SHA-256 {digest}"}


def is_tag(name):
    return name.partition(":")[0] in registry.MODELS and ":" in name


def checked_names(names, labels, model):
    """Return the names of the model's classes, after checking that the data has the same."""
    outputs = model.output_shape[-1]
    if names is None:
        names = (*labels, *(f"class {number}" for number in range(len(labels), outputs)))
    if len(names) != outputs or tuple(names[: len(labels)]) != tuple(labels):
        raise ValueError(
            f"the model must have the classes of the data in their order, {list(labels)}. "
            f"Received: {outputs} outputs, {list(names)}"
        )
    return tuple(names)


def data_settings(args):
    """Return what decides the splits, and where that is known from."""
    given = {name: getattr(args, name) for name in DATA_SETTINGS if name != "seed"}
    given["seed"] = args.split_seed
    given = {name: value for name, value in given.items() if value is not None}
    path = Path(args.config or Path(args.model).parent / train.RECORD)
    source, recorded = "the command line", {}
    if args.config or (path.is_file() and not is_tag(args.model)):
        source = path.name
        try:
            settings = json.loads(path.read_text())["settings"]
            recorded = {name: settings[name] for name in DATA_SETTINGS}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is no run.json of train.py: {error!r}") from error
        # The same faces may lie elsewhere now.
        changed = [name for name in given if name != "path" and recorded[name] != given[name]]
        if changed:
            raise ValueError(
                f"the model was trained on other faces, says {path}: "
                + ", ".join(f"{name} {recorded[name]}, not {given[name]}" for name in changed)
            )
    settings = dict.fromkeys(DATA_SETTINGS) | DEFAULTS | recorded | given
    if settings["data"] == "raf_db" and settings["validation_fraction"] is None:
        # As train.py divides it.
        settings["validation_fraction"] = 0.1 if settings["validation_from"] == "train" else 0.5
    return settings, source


def collect(split, places, shape, classes, batch_size):
    """Return the images, labels and hashes of the faces at some places, and the hashes of all."""
    wanted = set(np.asarray(places).tolist())
    batches = pipelines.pipeline(
        split,
        size=shape[:2],
        channels=shape[2],
        classes=classes,
        batch_size=batch_size,
        cache=False,
        dtype="uint8",
    )
    kept, labels, hashes = [], [], []
    start = 0
    for faces, targets in batches:
        faces, targets = np.asarray(faces), np.asarray(targets).argmax(-1)
        hashes.append(privacy.content_hashes(faces))
        here = [number for number in range(len(faces)) if start + number in wanted]
        kept.append(faces[here])
        labels.append(targets[here])
        start += len(faces)
    hashes = np.concatenate(hashes)
    return np.concatenate(kept), np.concatenate(labels), hashes[sorted(wanted)], hashes


def divide(args, splits, counts, shape, classes):
    """Return the sets of the audit by name, and a line on how they came about."""
    generator = np.random.default_rng(args.seed)
    outside = [name for name in ("test", "validation") if name in splits]
    pool = [
        collect(splits[name], range(counts[name]), shape, classes, args.batch_size)[:3]
        for name in outside
    ]
    images, labels, hashes = (np.concatenate(parts) for parts in zip(*pool, strict=True))
    where = np.repeat(np.arange(len(pool)), [len(part[1]) for part in pool])
    most = min(args.members, counts["train"])
    chosen = np.sort(generator.choice(counts["train"], most, replace=False))
    members, member_labels, member_hashes, trained = collect(
        splits["train"], chosen, shape, classes, args.batch_size
    )
    # Of copies within the training set one is enough, and none may stand outside.
    _, first = np.unique(member_hashes, return_index=True)
    known = np.isin(hashes, trained)
    once = np.zeros(len(hashes), bool)
    once[np.unique(hashes, return_index=True)[1]] = True
    free = generator.permutation(np.flatnonzero(once & ~known))
    if len(free) < 2:
        raise ValueError(
            f"of {len(hashes)} faces outside of the training set {len(free)} are not copies of "
            "training faces: too few for an audit"
        )
    others = min(args.non_members, max(1, len(free) * 2 // 3))
    population = free[others : others + args.population]
    members_kept = np.sort(generator.permutation(first)[:others])
    test = np.sort(free[where[free] == 0])
    if not len(test):
        raise ValueError(f"every face of the {outside[0]} split stands in the training set")
    if args.test is not None and args.test < len(test):
        test = np.sort(generator.choice(test, args.test, replace=False))
    sets = {
        "members": (members[members_kept], member_labels[members_kept]),
        "non_members": (images[free[:others]], labels[free[:others]]),
        "test": (images[test], labels[test]),
    }
    if len(population):
        sets["population"] = (images[population], labels[population])
    line = (
        f"members from the {counts['train']:,} training faces; non-members and population from the "
        f"{' and '.join(outside)} faces, of which {int(known.sum()):,} that are copies of training "
        f"faces and {int((~once & ~known).sum()):,} copies of each other are left out; test faces "
        f"from the {outside[0]} split"
    )
    if outside[0] == "validation":
        line += ", on which a best epoch may have been chosen"
    return sets, line


def run(args, command):
    settings, source = data_settings(args)
    model, names, lines = load_model(args.model)
    # Only the size of the faces is asked of the recipe.
    splits, counts, labels, _ = train.load(
        types.SimpleNamespace(**settings, data_dir=args.data_dir),
        types.SimpleNamespace(input_shape=model.input_shape[1:]),
    )
    names = checked_names(names, labels, model)
    print(f"Reading {sum(counts.values()):,} faces.", flush=True)
    sets, line = divide(args, splits, counts, model.input_shape[1:], len(names))
    about = {**lines, "Data": f"{settings['data']}, as {source} says: {line}", "Command": command}
    found = fer_models.audit(
        model,
        **sets,
        class_names=names,
        title=f"Audit of {Path(args.model).name}",
        about=about,
        adversarial_faces=args.adversarial_faces,
        corruption_faces=args.corruption_faces,
        explained_faces=args.explained_faces,
        batch_size=args.batch_size,
        seed=args.seed,
    )
    paths = found.save(args.output)
    for section, warning in found.warnings:
        print(f"! {section}: {warning}")
    print(f"Written to {Path(args.output).resolve()}:")
    for path in paths:
        print(f"  {path.name}")


def main(argv=None):
    words = sys.argv[1:] if argv is None else argv
    parser = parser_of()
    args = parser.parse_args(words)
    for name in ("members", "non_members", "test", "batch_size", "train"):
        value = getattr(args, name)
        if value is not None and value < 1:
            parser.error(f"--{name.replace('_', '-')} must be 1 or more, not {value}")
    for name in ("population", "adversarial_faces", "corruption_faces", "explained_faces", "seed"):
        if getattr(args, name) < 0:
            parser.error(f"--{name.replace('_', '-')} must not be negative")
    try:
        run(args, shlex.join(["python", "examples/audit.py", *words]))
    except KeyboardInterrupt:
        print("\nStopped. Nothing was written.", file=sys.stderr)
        return 130
    except Exception as error:
        if args.traceback or not isinstance(error, (ValueError, OSError)):
            raise
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
