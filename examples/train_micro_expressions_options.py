"""The settings of a training on micro-expressions, from the command line."""

import argparse
from pathlib import Path

import train_micro_expressions_data as clip_data
from train import option

from fer_models import recipes
from fer_models.families import micro_expression_3d
from fer_models.zoo.registry import CLIP_MODELS

RECIPE = recipes.get("ha3dnet")
HYBRID = {"spatial", "temporal"}
GRID = {"batch_size": [32, 64, 128], "epochs": [128, 256]}
# What a few minutes of two cores can do with rendered people.
SYNTHETIC = {
    "frames": 10,
    "size": 32,
    "channels": 1,
    "batch_size": [8],
    "epochs": [12],
    "subjects": 10,
    "clips": 3,
}
SYNTHETIC_MODEL = {"filters": 8, "head": "grid", "dense_units": 32}
SYNTHETIC_GRID = {"batch_size": [4, 8, 16], "epochs": [6, 12]}


def parser_of(description):
    parser = argparse.ArgumentParser(
        description=description,
        epilog="With --dataset synthetic the defaults are small, so that the whole command takes "
        "minutes on two cores: "
        + ", ".join(f"{name} {value}" for name, value in SYNTHETIC.items())
        + f"; {SYNTHETIC_MODEL}; with --grid {SYNTHETIC_GRID}.",
    )
    add = parser.add_argument
    add(
        "--dataset",
        nargs="+",
        choices=clip_data.DATASETS,
        default=["synthetic"],
        help="one or more; composite: casme2 smic_hs samm_long_videos, as in MEGC 2019",
    )
    add("--path", nargs="+", help="folder or archive of each of them; none for synthetic")
    add("--data-dir", help="where prepared data sets are kept (default: tensorflow-datasets')")
    add(
        "--data-options",
        nargs="+",
        action="extend",
        type=option,
        metavar="NAME=VALUE",
        default=[],
        help="of the builders: pictures=raw, or of one: casme2.pictures=raw",
    )
    add("--output", default="runs/micro_expressions", help="folder for all that is written")
    add("--restart", action="store_true", help="delete what --output holds of a training first")
    add("--keep-models", action="store_true", help="leave folds/*/model.keras of every fold")
    add("--seed", type=int, default=1, help="of everything random (1)")

    protocol = parser.add_argument_group("protocol").add_argument
    protocol(
        "--protocol",
        choices=clip_data.PROTOCOLS,
        help="default: loso; for --dataset composite that; for --grid both proportions",
    )
    protocol("--by-subject", action="store_true", help="80-10-10 and 70-15-15 by people")
    protocol(
        "--allow-leaks",
        action="store_true",
        help="let people and copies of clips stand on both sides; the report says so",
    )
    protocol(
        "--select",
        choices=("last", "validation"),
        help="which epoch is scored (loso, composite: last; proportions: validation)",
    )
    protocol(
        "--validation",
        type=float,
        default=0.1,
        help="share of the training part for --select validation, people apart (0.1)",
    )
    protocol("--listed", help="file of clip ids, one a line: the challenge's own, for composite")
    protocol(
        "--grid",
        action="store_true",
        help="the dissertation's twelve scenarios: batch sizes, epochs, two splits",
    )
    protocol("--ablation", action="store_true", help="the dissertation's experiments 10 to 14")

    model = parser.add_argument_group("model").add_argument
    model("--model", choices=CLIP_MODELS, default=RECIPE.model, help=f"default: {RECIPE.model}")
    model(
        "--model-options",
        nargs="+",
        action="extend",
        type=option,
        metavar="NAME=VALUE",
        default=[],
        help="arguments of its builder: head=avg filters=16 dropout=0.3",
    )
    model("--frames", type=int, help="of every clip (default: the model's, 16 or 18)")
    model("--size", type=int, help="of a region, half of the face (64)")
    model("--channels", type=int, choices=(1, 3), help="grey or colour (the model's)")
    model("--raw", action="store_true", help="grey levels, not what moves since the first frame")

    change = parser.add_argument_group("training").add_argument
    change("--epochs", type=int, nargs="+", help=f"several for --grid ({RECIPE.epochs})")
    change("--batch-size", type=int, nargs="+", help=f"likewise ({RECIPE.batch_size})")
    change(
        "--learning-rate",
        type=float,
        default=RECIPE.learning_rate,
        help=f"of Adam ({RECIPE.learning_rate})",
    )
    for name, what in (
        ("augmentation", "turn, crop and light clips"),
        ("class-weights", "weigh classes against their frequency"),
    ):
        change(f"--{name}", action=argparse.BooleanOptionalAction, default=True, help=what)
    synthetic = parser.add_argument_group("synthetic clips").add_argument
    synthetic("--subjects", type=int, help="people")
    synthetic("--clips", type=int, help="clips of each person and class")
    return parser


def parse(argv, description):
    """Return the settings, all of them filled in, or leave with a message."""
    parser = parser_of(description)
    args = parser.parse_args(argv)
    args.data_options, args.model_options = dict(args.data_options), dict(args.model_options)
    if "composite" in args.dataset:
        if len(args.dataset) > 1:
            parser.error("--dataset composite stands for three: give no others beside it")
        args.dataset = list(clip_data.COMPOSITE)
        args.protocol = args.protocol or "composite"
    if len(set(args.dataset)) < len(args.dataset):
        parser.error(f"--dataset must name different ones, not {' '.join(args.dataset)}")
    synthetic = args.dataset == ["synthetic"]
    if "synthetic" in args.dataset:
        if not synthetic:
            parser.error("--dataset synthetic goes with no other: rendered people are not real")
        if args.path or args.protocol == "composite":
            parser.error("--dataset synthetic takes no --path and no --protocol composite")
    elif len(args.path or ()) != len(args.dataset):
        parser.error(
            f"--path must name {len(args.dataset)} folders, of {' '.join(args.dataset)} in this "
            f"order: you obtain them from their owners; {len(args.path or ())} given"
        )
    elif args.subjects is not None or args.clips is not None:
        parser.error("--subjects and --clips are of the synthetic set")
    if args.grid and args.ablation:
        parser.error("--grid and --ablation are two studies: choose one")
    fill(args, synthetic)
    if args.listed and args.protocol != "composite":
        parser.error("--listed is of --protocol composite")
    if args.by_subject and args.protocol not in (None, *clip_data.PROPORTIONS):
        parser.error("--by-subject is of --protocol 80-10-10 and 70-15-15; loso is by people")
    for name in ("frames", "size", "subjects", "clips"):
        value = getattr(args, name)
        if value is not None and value < 1:
            parser.error(f"--{name} must be 1 or more, not {value}")
    for name in ("epochs", "batch_size"):
        values, flag = getattr(args, name), f"--{name.replace('_', '-')}"
        if min(values) < 1 or len(set(values)) < len(values):
            parser.error(f"{flag} must be different numbers of 1 or more, not {values}")
        if len(values) > 1 and not args.grid:
            parser.error(f"{flag} takes several numbers with --grid only")
    if args.learning_rate <= 0:
        parser.error(f"--learning-rate must be positive, not {args.learning_rate}")
    if not 0 < args.validation < 1:
        parser.error(f"--validation must be between 0 and 1, not {args.validation}")
    if args.seed < 0:
        parser.error(f"--seed must not be negative, not {args.seed}")
    hybrid = HYBRID & set(attention_of(args))
    if args.ablation and not hybrid:
        parser.error(f"--ablation takes the attention away, and {args.model} has none")
    if args.ablation and not (args.augmentation and args.class_weights):
        parser.error("--ablation itself says what is augmented and weighed")
    args.path = [str(Path(path).resolve()) for path in args.path] if args.path else None
    return args


def fill(args, synthetic):
    """Give every setting that was left open its default."""
    entry = CLIP_MODELS[args.model]
    defaults = {
        "frames": entry.frames,
        "size": entry.input_shape[0],
        "channels": entry.input_shape[2],
        "epochs": [RECIPE.epochs],
        "batch_size": [RECIPE.batch_size],
        "subjects": None,
        "clips": None,
        **(GRID if args.grid else {}),
    }
    if synthetic:
        defaults |= SYNTHETIC | (SYNTHETIC_GRID if args.grid else {})
        # A kernel of 15 frames needs more of them.
        defaults["frames"] = max(defaults["frames"], entry.frames if entry.frames > 16 else 0)
        args.model_options = SYNTHETIC_MODEL | args.model_options
    for name, value in defaults.items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    if args.protocol is None and not args.grid:
        args.protocol = "loso"


def attention_of(args):
    """Return the attention of the model on the command line, in its order."""
    given = args.model_options.get("attention")
    if given is not None:
        return tuple(given or ())
    (variant,) = (v for v in micro_expression_3d.VARIANTS if v.name == args.model)
    return variant.attention
