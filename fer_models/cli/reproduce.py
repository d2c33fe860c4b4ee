"""Run a study or a table of a paper again.

A study trains what it needs, compares, and writes tables as Markdown and JSON and a picture into
its folder. Every finished training is kept: the same command goes on after an interruption. With
--quick all of it runs in minutes on few, drawn faces, to see that it works; its numbers mean
nothing.
"""

import argparse
import contextlib
import json
import sys

from fer_models.cli.running import UsageError, remark
from fer_models.studies.catalogue import STUDIES, study
from fer_models.studies.study_options import DATA, add_study_arguments

EXAMPLE = """fer reproduce --list
fer reproduce privacy-study --quick
fer reproduce privacy-study --data fer2013 --path FOLDER --seeds 5
fer reproduce label-noise --data fer2013 --path FOLDER --train 4000"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `fer reproduce`, with those of every study.

    Args:
        parser: Parser of the subcommand.
    """
    parser.add_argument("--list", action="store_true", help="print the studies, a line each")
    studies = parser.add_subparsers(dest="study", metavar="NAME", title="studies")
    for name in STUDIES:
        module = study(name)
        own = studies.add_parser(
            name,
            # argparse reads a bare percent sign as the start of a name.
            help=module.describe().replace("%", "%%"),
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        data = getattr(module, "DATA", DATA)
        # A single name is a study's default, not what it takes.
        data = DATA if isinstance(data, str) else data
        add_study_arguments(own, name, data, seeds=module.FULL["seeds"])
        module.add_arguments(own)
        # Of `fer` itself: a study takes all words that follow its name.
        own.add_argument("--traceback", action="store_true", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> None:
    """Run a study, or list them.

    Args:
        args: The parsed arguments.
    """
    if args.list:
        width = max(map(len, STUDIES))
        for name in STUDIES:
            print(f"{name:{width}}  {study(name).describe()}")
        return
    if args.study is None:
        raise UsageError(f"NAME must be one of {', '.join(STUDIES)} (see fer reproduce --list)")
    try:
        # Keras and the data sets tell of their progress on standard output.
        with contextlib.redirect_stdout(sys.stderr):
            outcome = study(args.study).run(args)
    except KeyboardInterrupt:
        remark("\nWhat is finished is kept: the same command goes on from there.")
        raise
    content = json.dumps(outcome.content, indent=1)
    print(content if args.json else outcome.text)
    remark(f"Tables and pictures are in {outcome.folder}")
