"""Train a network for micro-expressions and score it on people it has never seen.

Leave one subject out is the default: every person is the test once, the predictions of all folds
are pooled, then scored. The last epoch is scored, or with --select validation the one with the
least loss on other people of the training part: the people of the test have no part in this choice.
The random splits of Irawan (2025), 80-10-10 and 70-15-15, leak and must be let through with
--allow-leaks; with --by-subject the same proportions divide people. In both cases the validation
part chooses the epoch.

The output folder holds report.md, report.json, confusion.png and run.json, and under folds/ what
each fold predicted. A stopped training goes on from its last whole epoch when the same command is
given again. The tables of the dissertation are studies: fer reproduce ha3dnet-table-1 and others.

With --data synthetic the defaults are small, so that the whole command takes minutes on two cores.
"""

import argparse
import contextlib
import json
import sys
from typing import TYPE_CHECKING

from fer_models.cli.train import option

if TYPE_CHECKING:
    from fer_models.training.clip_settings import ClipSettings

EXAMPLE = """fer train-clips
fer train-clips --data casme2 --path FOLDER --output runs/casme2 --keep-models
fer train-clips --data composite --path CASME2 SMIC SAMM
fer train-clips --data casme2 --path FOLDER --protocol 80-10-10 --allow-leaks"""

# As `fer_models.training.clip_settings` and `cross_validation` have them, whose imports are heavy.
DATA = (
    "casme2",
    "cas_me2",
    "cas_me3",
    "samm_long_videos",
    "smic_hs",
    "synthetic",
    "composite",
)
PROTOCOLS = ("loso", "composite", "80-10-10", "70-15-15")
SELECT = ("last", "validation")
REGIONS = ("landmarks", "grid")
MODELS = (
    "triple_path_ha3dnet",
    "dual_path_3dnet",
    "ha_3dnet",
    "se_3dnet",
    "ha_3dsenet",
    "mer_3dcnn",
    "micro_exp_stcnn",
)
# Settings of `ClipSettings` that are options of the same names.
SETTINGS = (
    "data",
    "path",
    "protocol",
    "by_subject",
    "allow_leaks",
    "select",
    "validation",
    "listed",
    "model",
    "frames",
    "size",
    "channels",
    "regions",
    "epochs",
    "batch_size",
    "learning_rate",
    "augmentation",
    "class_weights",
    "subjects",
    "clips",
    "seed",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `fer train-clips`.

    Args:
        parser: Parser of the subcommand.
    """
    add = parser.add_argument
    add(
        "--data",
        nargs="+",
        choices=DATA,
        default=["synthetic"],
        help="one or more; composite: casme2 smic_hs samm_long_videos, as in MEGC 2019 (default: "
        "synthetic)",
    )
    add("--path", nargs="+", help="folder or archive of each of them; none for synthetic")
    add("--data-dir", help="where prepared data sets are kept (default: tensorflow-datasets')")
    _named(
        add,
        "--data-options",
        "options of the builders: pictures=raw, or of one: casme2.pictures=raw",
    )
    add("--output", default="runs/micro_expressions", help="folder for all that is written")
    add("--restart", action="store_true", help="delete what --output holds of a training first")
    add("--keep-models", action="store_true", help="keep folds/*/model.keras of every fold")
    add("--seed", type=int, default=1, help="seed of everything random")
    add("--json", action="store_true", help="print what report.json holds, not report.md")

    protocol = parser.add_argument_group("protocol").add_argument
    protocol(
        "--protocol",
        choices=PROTOCOLS,
        help="how clips are divided (default: loso; for --data composite: composite)",
    )
    protocol("--by-subject", action="store_true", help="divide 80-10-10 and 70-15-15 by people")
    protocol(
        "--allow-leaks",
        action="store_true",
        help="let people and copies of clips stand on both sides; the report states it",
    )
    protocol(
        "--select",
        choices=SELECT,
        help="which epoch is scored (default: last; for proportions validation)",
    )
    protocol(
        "--validation",
        type=float,
        default=0.1,
        help="share of the training part for --select validation, divided by people",
    )
    protocol("--listed", help="file with the challenge's clip ids, one on each line")
    # Where they were until they became studies.
    for flag, study in (("--grid", "ha3dnet-table-1"), ("--ablation", "ha3dnet-table-2")):
        protocol(flag, action=_Moved, nargs=0, const=study, help=argparse.SUPPRESS)

    model = parser.add_argument_group("model").add_argument
    model("--model", choices=MODELS, default=MODELS[0], help="which network")
    _named(model, "--model-options", "arguments of its builder: head=avg filters=16 dropout=0.3")
    model("--frames", type=int, help="frames of every clip (default: the model's, 16 or 18)")
    model("--size", type=int, help="side of a region, half of the face's (default: 64)")
    model("--channels", type=int, choices=(1, 3), help="grey or colour (default: the model's)")
    model(
        "--regions",
        choices=REGIONS,
        default=REGIONS[0],
        help="windows that follow eyes, brows and mouth, or the same in every face (default: "
        "landmarks)",
    )
    model(
        "--raw", action="store_true", help="take grey levels, not what moves since the first frame"
    )

    change = parser.add_argument_group("training").add_argument
    change("--epochs", type=int, help="number of epochs (default: 128)")
    change("--batch-size", type=int, help="clips a step (default: 32)")
    change("--learning-rate", type=float, help="learning rate of Adam (default: 0.001)")
    for name, what in (
        ("augmentation", "turn, crop and light clips"),
        ("class-weights", "weight classes against their frequency"),
    ):
        change(f"--{name}", action=argparse.BooleanOptionalAction, default=True, help=what)
    synthetic = parser.add_argument_group("synthetic clips").add_argument
    synthetic("--subjects", type=int, help="number of people (default: 10)")
    synthetic("--clips", type=int, help="clips of each person and class (default: 3)")


def run(args: argparse.Namespace) -> None:
    """Train all folds and print the report.

    Args:
        args: The parsed arguments.
    """
    from fer_models.cli.running import remark
    from fer_models.training.clip_training import train_clips

    settings = settings_of(args)
    try:
        # The data sets tell of their preparation on standard output.
        with contextlib.redirect_stdout(sys.stderr):
            content, text = train_clips(
                settings,
                args.output,
                data_dir=args.data_dir,
                keep_models=args.keep_models,
                restart=args.restart,
                command=args.command_line,
                on_remark=remark,
            )
    except KeyboardInterrupt:
        remark("\nWhole epochs are kept: the same command goes on from there.")
        raise
    print(json.dumps(content, indent=1) if args.json else text)
    remark(f"Reports, pictures and predictions are in {args.output}")


def settings_of(args: argparse.Namespace) -> "ClipSettings":
    """Return the `ClipSettings` of a command line.

    Args:
        args: The parsed arguments.

    Raises:
        ValueError: If a setting breaks its rule, or two do not go together.
    """
    from fer_models.training.clip_settings import ClipSettings

    return ClipSettings(
        **{name: getattr(args, name) for name in SETTINGS},
        data_options=dict(args.data_options),
        model_options=dict(args.model_options),
        motion=not args.raw,
    )


class _Moved(argparse.Action):
    """An option that became a study of `fer reproduce`."""

    def __call__(self, parser, namespace, values, option_string=None):
        parser.error(f"{option_string} is a study of its own now: fer reproduce {self.const}")


def _named(add, flag, text):
    add(
        flag,
        nargs="+",
        action="extend",
        type=option,
        metavar="NAME=VALUE",
        default=[],
        help=text,
    )
