"""Shared by the commands that measure a model: its file, the labelled faces, the split."""

import argparse
import contextlib
import dataclasses
import sys
from typing import TYPE_CHECKING, Any

from fer_models.cli.data_names import DATA
from fer_models.cli.running import UsageError, remark

if TYPE_CHECKING:
    import keras
    import numpy as np

    from fer_data.pipelines.labelled_faces import LabelledFaces
    from fer_data.pipelines.split_arrays import SplitArrays

MODEL_HELP = "a .keras file, or NAME:TAG of bundled weights such as ghostface:fer2013"
# Of the training faces of the synthetic set, where nobody looks at them.
FEW = 70


def add_model_argument(parser: argparse.ArgumentParser, several: bool = False) -> None:
    """Add the argument MODEL.

    Args:
        parser: Parser of the subcommand.
        several: Whether there may be several models; `args.model` is a list then.
    """
    more: dict[str, Any] = {"nargs": "*"} if several else {}
    parser.add_argument("model", metavar="MODEL", help=MODEL_HELP, **more)


def add_data_arguments(
    parser: argparse.ArgumentParser,
    split: bool = True,
    several: bool = False,
    *,
    same: bool = False,
    place: str = "folder or archive of the data set, or its packed .npz",
) -> None:
    """Add the arguments that say which labelled faces a model is measured on.

    Args:
        parser: Parser of the subcommand.
        split: Whether there is to be a --split.
        several: Whether there may be several data sets; `args.data` and `args.path` are lists then,
            of which nothing is checked yet.
        same: As for `measured`.
        place: What --path names.
    """
    otherwise = "; without it give --data" if same else ", else synthetic"
    add = parser.add_argument_group(
        f"data (default: as in run.json beside the model{otherwise})"
    ).add_argument
    if several:
        add(
            "--data",
            nargs="+",
            metavar="DATA",
            help=f"the data set, or several: {', '.join(DATA)}",
        )
        add("--path", nargs="+", metavar="PATH", help=f"{place}; one for each set but synthetic")
    else:
        add("--data", choices=DATA, help="the data set")
        add("--path", help=place)
    add(
        "--data-dir",
        help="where prepared data sets are kept (default: as in the training)",
    )
    if split:
        add(
            "--split",
            help="split of the data set (default: test, or validation if there is no test)",
        )
    add("--config", help="run.json of the training (default: the one beside the model, if any)")
    add("--train", type=int, help="number of synthetic training faces, as in the training")
    add("--validation-fraction", type=float, help="as in the training")
    add("--validation-from", choices=("train", "test"), help="as in the training")
    add("--test-fraction", type=float, help="as in the training")
    add(
        "--data-options",
        nargs="+",
        action="extend",
        type=_option,
        metavar="NAME=VALUE",
        help="as in the training",
    )
    add("--split-seed", type=int, help="--seed of the training (default: 1)")


def add_group_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say which group each face belongs to.

    Args:
        parser: Parser of the subcommand.
    """
    add = parser.add_argument_group(
        "groups of people, each measured by itself as well"
    ).add_argument
    add("--groups", metavar="FILE", help="CSV file: file names, then columns of groups")
    add("--group-column", metavar="NAME", help="which column (default: the only one)")


def _option(word):
    from fer_models.cli.train import option

    return option(word)


@dataclasses.dataclass(frozen=True, eq=False)
class Measured:
    """A model, and the labelled faces that it is measured on.

    Attributes:
        model: The `keras.Model`.
        class_names: Names of its outputs.
        faces: `LabelledFaces`.
        data: Name of the data set, one of `DATA`.
        source: `run.json` if that file named the faces that the model was trained on, else empty.
        split: Name of the split to measure on.
    """

    model: "keras.Model"
    class_names: tuple[str, ...]
    faces: "LabelledFaces"
    data: str
    source: str
    split: str

    def arrays(self, split: str | None = None, places: Any = None) -> "SplitArrays":
        """Return the faces of a split as the model takes them, labelled as its outputs are."""
        from fer_data.labels import NO_LABEL, index_map
        from fer_data.pipelines.split_arrays import split_arrays

        lacking = index_map(self.faces.class_names, self.class_names, missing=NO_LABEL) == NO_LABEL
        if lacking.any():
            raise UsageError(
                "The model must have every class of the data, and lacks "
                f"{[n for n, gone in zip(self.faces.class_names, lacking, strict=True) if gone]}: "
                "fer evaluate of two data sets or more (--data ONE OTHER), or of two models, "
                "scores the classes that model and data share"
            )
        height, width, channels = self.model.input_shape[1:]
        return split_arrays(
            self.faces,
            split or self.split,
            size=(height, width),
            channels=channels,
            class_names=self.class_names,
            places=places,
        )

    def drawn(self, count: int | None, seed: int, split: str | None = None) -> "SplitArrays":
        """Return `count` faces of a split drawn at random; None or 0 for all."""
        split = split or self.split
        return self.arrays(split, self.places(count, seed, split))

    def places(self, count: int | None, seed: int, split: str | None = None) -> "np.ndarray":
        """Return the numbers of the faces that `drawn` draws, in the same order."""
        from fer_data.pipelines.split_arrays import draw_places

        return draw_places(self.faces.counts[split or self.split], count or None, seed)


def measured(args: argparse.Namespace, training: int = FEW, same: bool = False) -> Measured:
    """Load what a command line names.

    Args:
        args: Parsed arguments of `add_model_argument` and `add_data_arguments`.
        training: Number of synthetic training faces to render, if nothing else sets it.
        same: Whether the data must be that of the training, so that there is no default for it.

    Raises:
        ValueError: If model or data cannot be used, or do not fit each other.
    """
    from fer_data.pipelines.labelled_faces import load_faces
    from fer_data.pipelines.split_arrays import check_split
    from fer_models.training.trained_on import check_same_faces, trained_on
    from fer_models.zoo import class_names
    from fer_models.zoo.face_outputs import expression_part
    from fer_models.zoo.loading import load_model

    names = ("data", "path", "train", "validation_fraction", "validation_from", "test_fraction")
    given = {name: getattr(args, name) for name in names}
    if args.data_options:
        given["data_options"] = dict(args.data_options)
    given |= {"seed": args.split_seed, "data_dir": args.data_dir}
    settings, source = trained_on(args.model, args.config, **given)
    if same and not source and args.data is None:
        raise UsageError(
            f"which faces was {args.model} trained on? Give --data and --path as at the training, "
            "or --config with its run.json"
        )
    model, known = load_model(args.model)
    # Of a model with valence and arousal, what the commands measure is the classes.
    model = expression_part(model)
    check_single_faces(model, args.model)
    if settings["data"] == "synthetic" and not source and not same:
        settings.setdefault("train", training)
    size = max(model.input_shape[1:3])
    # Standard output is for results, and the preparation prints what it dropped.
    with contextlib.redirect_stdout(sys.stderr):
        faces = load_faces(**settings, size=size)
    if source:
        check_same_faces(args.model, faces.counts, args.config)
    outputs = class_names.of_outputs(model.output_shape[-1], known, faces.class_names)
    split = getattr(args, "split", None) or default_split(faces, source)
    check_split(faces, split)
    return Measured(model, outputs, faces, settings["data"], source, split)


def check_single_faces(model: "keras.Model", name: str) -> None:
    """Raise `UsageError` unless a model takes single faces of a fixed size, channels last.

    Args:
        model: The model.
        name: As the user called it.
    """
    if len(model.inputs) != 1 or len(model.input_shape) != 4 or None in model.input_shape[1:]:
        raise UsageError(
            f"MODEL must take single faces of a fixed size; {name} takes "
            f"{[tuple(tensor.shape) for tensor in model.inputs]}"
        )
    if model.input_shape[-1] not in (1, 3):
        raise UsageError(
            f"MODEL must take faces with 1 or 3 channels in the last axis; {name} takes "
            f"{model.input_shape[1:]}. If Keras is set to channels_first, set "
            "`image_data_format` back to channels_last"
        )


def groups_of(args: argparse.Namespace, found: Measured, split: str) -> "np.ndarray | None":
    """Return the group of each face of a split, as text, `""` for none; None without groups.

    Args:
        args: Parsed arguments of `add_group_arguments`.
        found: What `measured` returned.
        split: Name of the split.

    Raises:
        ValueError: If the file is no such table, or the faces do not bear their names.
    """
    if args.groups is None and args.group_column is None:
        return None
    import numpy as np

    from fer_data.datasets.group_file import FEATURE, feature_name, read_groups

    known = found.faces.features(split)
    if args.groups is None:
        feature = feature_name(args.group_column)
        if feature not in known:
            there = [name.removeprefix(FEATURE) for name in known if name.startswith(FEATURE)]
            raise UsageError(
                f"the faces were prepared without groups of {args.group_column!r} (with "
                f"{there or 'none'}): give --groups FILE"
            )
        return np.array(_words(found.faces.column(split, feature)), object)
    table = read_groups(args.groups)
    column = table.column(args.group_column)
    if "id" not in known:
        raise UsageError(
            "--groups needs the names of the pictures' files, which a packed file does not keep: "
            "give the folder or archive as --path"
        )
    groups, others = table.of(_words(found.faces.column(split, "id")))
    named = sum(map(bool, groups[column]))
    remark(
        f"{named:,} of {found.faces.counts[split]:,} {split} faces have a group; {len(others):,} "
        f"rows of {args.groups} are of no {split} face."
    )
    return np.array(groups[column], object)


def _words(values):
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


def default_split(faces: "LabelledFaces", source: str) -> str:
    """Return the split to measure on, and tell of it where it is all that there is.

    Args:
        faces: The faces.
        source: As in `Measured`.

    Raises:
        ValueError: If all faces are those of the training.
    """
    from fer_data.pipelines import split_arrays

    name = split_arrays.default_split(faces.counts)
    if name in ("test", "validation"):
        return name
    if source:
        raise UsageError(
            "the data has no faces apart from those of the training: --split train measures on "
            "these, which flatters the model"
        )
    remark("The data has no test and no validation split: all of its faces are taken.")
    return name


def facts(args: argparse.Namespace, found: Measured) -> dict[str, Any]:
    """Return what tells where numbers came from, for the head of a report.

    Args:
        args: The parsed arguments, with `command_line` and perhaps `seed` among them.
        found: What was measured.
    """
    import datetime

    from fer_models.training import runs
    from fer_models.zoo.weight_files import weights_digest

    return {
        "command": args.command_line,
        "date": datetime.date.today().isoformat(),
        "versions": runs.versions(),
        "hardware": runs.hardware(),
        "weights_sha256": weights_digest(found.model),
        "data": found.data,
        "split": found.split,
        "seed": getattr(args, "seed", None),
    }


def heading(facts: dict[str, Any]) -> list[str]:
    """Return the head of a report in Markdown, as lines, from what `facts` gives."""
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    seed = "" if facts["seed"] is None else f"seed {facts['seed']}; "
    return [
        f"`{facts['command']}`",
        "",
        f"{facts['date']}; {versions}; {facts['hardware']}; {seed}{facts['split']} faces of "
        f"{facts['data']}; weights {facts['weights_sha256'][:12]}.",
        "",
    ]
