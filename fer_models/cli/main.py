"""From the words of a command line to one subcommand and its exit status."""

import argparse
import importlib
import importlib.metadata
import sys
from collections.abc import Sequence

from fer_models.cli.running import guarded

# Name, module and one line of help. Only the module of the subcommand that runs is imported.
COMMANDS = {
    "recognise": ("recognise", "find faces in photos or a video and name their expressions"),
    "faces": ("faces", "draw boxes, landmarks and regions of faces"),
    "webcam": ("webcam", "show expressions in live video on a web page"),
    "train": ("train", "train a model on faces or on micro-expressions"),
    "evaluate": ("evaluate", "measure a model on labelled faces"),
    "explain": ("explain", "show which pixels decide"),
    "audit": ("audit", "write one report: accuracy, privacy, robustness, explanation"),
    "robustness": ("robustness", "attack a model and corrupt its pictures"),
    "export": ("export", "write a model for phones, browsers and servers"),
    "spot": ("spot", "find micro-expressions in a long video"),
    "prepare": ("prepare", "get, check and prepare a data set"),
    "crop": ("crop", "cut the faces out of a folder of photos"),
    "reproduce": ("reproduce", "run a study or a table of a paper again"),
    "weights": ("weights", "list the bundled weights and show their cards"),
    "demo": ("demo", "train, evaluate and explain GhostFace on drawn faces"),
}
EPILOG = """examples:
  fer recognise party.jpg
  fer webcam
  fer train --data folder --path my_faces
  fer COMMAND --help"""


def parser_of() -> argparse.ArgumentParser:
    """Return the parser of `fer` itself, which knows the names of the subcommands alone."""
    parser = argparse.ArgumentParser(
        prog="fer",
        description="Facial expression recognition.",
        epilog=EPILOG,
        formatter_class=_Wide,
    )
    parser.add_argument("--version", action="store_true", help="print the version and leave")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, (_, line) in COMMANDS.items():
        commands.add_parser(name, help=line, add_help=False)
    return parser


def command_parser(name: str) -> argparse.ArgumentParser:
    """Return the parser of a subcommand, with the arguments that all of them have."""
    module = importlib.import_module(f"fer_models.cli.{COMMANDS[name][0]}")
    parser = argparse.ArgumentParser(
        prog=f"fer {name}",
        description=module.__doc__,
        epilog=f"example:\n  {module.EXAMPLE}",
        formatter_class=_Formatter,
    )
    module.add_arguments(parser)
    parser.add_argument(
        "--traceback", action="store_true", help="show where in the code an error arose"
    )
    parser.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command `fer`.

    Args:
        argv: Words after the command's name. Default: those of the process.

    Returns:
        The exit status: 0; 1 where nothing was found or a check failed; 2 for bad usage or input;
        130 after Ctrl-C.

    Example:

    >>> main(["--version"])
    fer-keras 0.1.0
    0
    """
    words = sys.argv[1:] if argv is None else list(argv)
    if words and words[0] in COMMANDS:
        return guarded(lambda: command_parser(words[0]).parse_args(words[1:]))
    args = parser_of().parse_args(words)
    if args.version:
        print(f"fer-keras {importlib.metadata.version('fer-keras')}")
        return 0
    parser_of().print_help()
    return 0 if words else 2


class _Wide(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of the epilog, and the longest name beside its help."""

    def __init__(self, prog):
        super().__init__(prog, max_help_position=30)


class _Formatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Keeps the lines of description and epilog, and shows defaults."""
