"""`fer evaluate` of several models, or on several data sets: the matrix of their scores."""

import argparse
import contextlib
import itertools
import json
import sys
from typing import Any

from fer_models.cli.data_names import DATA
from fer_models.cli.face_data import FEW, check_single_faces, default_split
from fer_models.cli.running import UsageError, progress, remark

# Options of one data set, which several would take differently, by their attribute.
OF_ONE_SET = (
    *("config", "validation_fraction", "validation_from", "test_fraction", "data_options"),
    *("groups", "group_column"),
)


def sort_words(args: argparse.Namespace) -> None:
    """Give MODEL the words that stand before it and that --data or --path has taken.

    Args:
        args: The parsed arguments, with lists in `model`, `data` and `path`; they are changed.

    Raises:
        UsageError: If there is no model, or an unknown data set.
    """
    data, path = list(args.data or ()), list(args.path or ())
    names = list(itertools.takewhile(lambda word: word in DATA, data))
    others = data[len(names) :]
    if args.data and (not names or (others and args.model)):
        raise UsageError(f"--data must be of {', '.join(DATA)}; {others[0]!r} is none of them")
    if not args.model:
        lying = [name for name in names if name != "synthetic"] if names else [None]
        args.model = others + path[len(lying) :]
        path = path[: len(lying)]
    if not args.model:
        raise UsageError("MODEL is missing: a .keras file, or NAME:TAG of bundled weights")
    args.data, args.path = names or None, path or None


def is_several(args: argparse.Namespace) -> bool:
    """Return whether the words ask for a matrix, and fill in the data sets of the training.

    Args:
        args: The parsed arguments after `sort_words`. Where they name no data, and the one model
            was trained on several sets, these are put into them.
    """
    from fer_models.training.trained_on import sets_of

    if args.data is None and len(args.model) == 1 and args.config is None:
        known = sets_of(args.model[0])
        if len(known) > 1:
            args.data = [each["data"] for each in known]
            args.path = args.path or [each["path"] for each in known]
    return len(args.model) > 1 or len(args.data or ()) > 1


def run(args: argparse.Namespace) -> None:
    """Measure every model on every data set, write, and print the tables.

    Args:
        args: The parsed arguments, for which `is_several` is true.
    """
    _check(args)
    from fer_data.files import write_json, write_text
    from fer_data.pipelines.joined_faces import placed, set_names
    from fer_models.evaluation import cross_data, plot_cross_data
    from fer_models.training.trained_on import is_same_set, sets_of

    paths = placed(args.data, args.path)
    columns = set_names(args.data, paths)
    models = {word: _model(word, args.flip) for word in args.model}
    known = {word: sets_of(word) for word in models}
    own = {
        word: [
            column
            for column, data, path in zip(columns, args.data, paths, strict=True)
            if any(is_same_set(each, data, path) for each in known[word])
        ]
        for word in models
    }
    size = max(max(model.input_shape[1:3]) for model, _ in models.values())
    faces, splits = {}, {}
    for column, data, path in zip(columns, args.data, paths, strict=True):
        trained = [word for word in models if column in own[word]]
        faces[column], splits[column] = _faces(args, data, path, trained, size)
    folders = [name for name, data in zip(columns, args.data, strict=True) if data == "folder"]
    warnings = _other_folders(folders, known, own)
    for warning in warnings:
        remark(warning)
    drawn = {
        name: min(args.faces or sys.maxsize, each.counts.get(splits[name], 0))
        for name, each in faces.items()
    }
    with progress(len(models) * sum(drawn.values()), "faces") as bar:
        found = cross_data(
            models,
            faces,
            splits=splits,
            count=args.faces or None,
            batch_size=args.batch_size,
            seed=args.seed,
            tell=bar.update,
        )
    about = _facts(args, models, known, faces, splits, drawn) | {"warnings": warnings}
    content = json.dumps(about | found.to_dict(), indent=1)
    text = "\n".join([*_heading(about), found.to_markdown(), ""])
    write_text(args.output / "cross_data.md", text)
    write_json(args.output / "cross_data.json", json.loads(content))
    plot_cross_data(found, args.output / "cross_data.png", own)
    print(content if args.json else text.rstrip())
    remark(f"Wrote {args.output}")


def _check(args):
    given = [name for name in OF_ONE_SET if getattr(args, name) is not None]
    if given:
        flag = given[0].replace("_", "-")
        raise UsageError(
            f"--{flag} is for one model and one data set: of several, pack a set with its own "
            "options first (fer prepare --pack)"
        )
    if args.data is None:
        raise UsageError("several models need --data, the data sets to measure them on")
    if len(set(args.model)) < len(args.model):
        raise UsageError(f"each MODEL must be named once; given: {' '.join(args.model)}")
    if args.train is not None and "synthetic" not in args.data:
        raise UsageError("--train is the number of synthetic faces, for --data synthetic")


def _model(word, flip):
    from fer_models.evaluation.mirror_mean import mirror_mean
    from fer_models.zoo.face_outputs import expression_part
    from fer_models.zoo.loading import load_model

    model, names = load_model(word)
    check_single_faces(model, word)
    if names is None:
        raise UsageError(
            f"{word} does not say which classes its outputs are, so they cannot be matched with "
            "several data sets: fer_models.zoo.class_names.write puts their names into the file"
        )
    model = expression_part(model)
    return mirror_mean(model) if flip else model, names


def _faces(args, data, path, trained, size):
    """Return the faces of a set, divided as for the models trained on it, and the split to take."""
    from fer_data.pipelines.labelled_faces import load_faces
    from fer_models.training.trained_on import check_same_faces, trained_on

    given = {"data": data, "path": path, "data_dir": args.data_dir, "seed": args.split_seed}
    if data == "synthetic":
        given["train"] = args.train
    divisions: dict[str, dict[str, Any]] = {}
    for word in trained:
        settings, source = trained_on(word, None, **given)
        if source:
            divisions[word] = settings
    words = list(divisions)
    settings = divisions[words[0]] if words else trained_on("", None, **given)[0]
    if data == "synthetic" and not words:
        settings.setdefault("train", FEW)
    # Standard output is for results, and the preparation prints what it dropped.
    with contextlib.redirect_stdout(sys.stderr):
        faces = load_faces(**settings, size=size)
    for word in words:
        check_same_faces(word, faces.counts)
    split = args.split or default_split(faces, "run.json" if words else "")
    for word in words[1:]:
        if _chance(divisions[words[0]], split) != _chance(divisions[word], split):
            raise UsageError(
                f"{words[0]} and {word} were trained on other divisions of {data}, so its {split} "
                "faces are not new to both: measure them one by one"
            )
    return faces, split


def _chance(settings, split):
    """Return what the faces of a split depend on where the owners did not choose them."""
    data_options = settings.get("data_options") or {}
    if settings["data"] == "synthetic":
        return settings.get("train"), settings["seed"], data_options
    names = ("validation_fraction", "test_fraction")
    shares = {name: settings[name] for name in names if settings.get(name)}
    source = settings.get("validation_from") or "train"
    if settings["data"] == "raf_db":
        # `load_faces` sets this share apart unasked.
        shares.setdefault("validation_fraction", 0.1 if source == "train" else 0.5)
    if not shares or (split not in (*(name.partition("_")[0] for name in shares), source)):
        return None, None, data_options
    return shares | {"validation_from": source}, settings["seed"], data_options


def _other_folders(columns, known, own):
    """Return a warning for each model that may have learned the faces of a folder elsewhere."""
    warnings = []
    for word, sets in known.items():
        learned = [each["path"] for each in sets if each["data"] == "folder" and each["path"]]
        others = [column for column in columns if column not in own[word]]
        if learned and others:
            warnings.append(
                f"{word} was trained on the folder {learned[0]}; a folder that --path names "
                f"elsewhere ({', '.join(others)}) is taken for other faces. If it holds the same "
                "faces, the model has seen them."
            )
    return warnings


def _facts(args, models, known, faces, splits, drawn):
    import datetime

    import numpy as np

    from fer_models.training import runs
    from fer_models.zoo.weight_files import weights_digest

    def copies(name):
        if "copy_in_train" not in faces[name].features(splits[name]):
            return None
        return int(np.sum(faces[name].column(splits[name], "copy_in_train")))

    return {
        "command": args.command_line,
        "date": datetime.date.today().isoformat(),
        "versions": runs.versions(),
        "hardware": runs.hardware(),
        "seed": args.seed,
        "mirrored": args.flip,
        "models": {
            word: {
                "trained_on": [each["data"] for each in known[word]],
                "class_names": list(names),
                "weights_sha256": weights_digest(model),
            }
            for word, (model, names) in models.items()
        },
        "data": {
            name: {
                "split": splits[name],
                "faces": drawn[name],
                "faces_in_split": each.counts[splits[name]],
                "copies_of_training_faces": copies(name),
                "class_names": list(each.class_names),
            }
            for name, each in faces.items()
        },
    }


def _heading(about):
    from fer_models.evaluation.cross_data import cell

    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    mirrored = " The mean with the mirrored face." if about["mirrored"] else ""
    lines = [
        f"`{about['command']}`",
        "",
        f"{about['date']}; {versions}; {about['hardware']}; seed {about['seed']}.{mirrored}",
        "",
        "| model | trained on | weights |",
        "|---|---|---|",
    ]
    for word, each in about["models"].items():
        trained = ", ".join(each["trained_on"]) or "unknown"
        lines.append(f"| {cell(word)} | {trained} | {each['weights_sha256'][:12]} |")
    lines += [
        "",
        "| data set | split | faces | of them measured | copies of training faces in the split |",
        "|---|---|---:|---:|---:|",
    ]
    for name, each in about["data"].items():
        copies = each["copies_of_training_faces"]
        lines.append(
            f"| {cell(name)} | {cell(each['split'])} | {each['faces_in_split']:,} | "
            f"{each['faces']:,} | "
            f"{'unknown' if copies is None else f'{copies:,}'} |"
        )
    for warning in about["warnings"]:
        lines += ["", f"**{warning}**"]
    return [*lines, ""]
