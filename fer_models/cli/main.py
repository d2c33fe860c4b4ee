"""From the words of a command line to one subcommand and its exit status."""

import argparse
import difflib
import importlib
import os
import shlex
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from fer_models.cli.running import UsageError, guarded

# Name, module and one line of help. Only the module of the subcommand that runs is imported.
COMMANDS = {
    "recognise": ("recognise", "find faces in photos or a video and name their expressions"),
    "faces": ("faces", "draw boxes, landmarks and regions of faces"),
    "webcam": ("webcam", "show expressions in live video on a web page"),
    "train": ("train", "train a model on faces"),
    "train-clips": ("train_clips", "train a network on micro-expressions, scored on new people"),
    "answers": (
        "answers",
        "save the predictions of trained models for training faces, to train another model on them "
        "(distillation)",
    ),
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
  fer train --data folder --path my_faces --validation-fraction 0.1
  fer COMMAND --help"""
TRACEBACK = "--traceback"


class Parser(argparse.ArgumentParser):
    """Raises `UsageError` where argparse would print its usage, with the error below it.

    Options must be whole: the command lines in records are read again, by the options' names.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False} | options)

    def error(self, message: str) -> NoReturn:
        """Raise `UsageError`, which `main` prints in one line."""
        raise UsageError(f"{message} (see {self.prog} --help)")


def parser_of() -> argparse.ArgumentParser:
    """Return the parser of `fer` itself, which knows the names of the subcommands alone."""
    parser = Parser(
        prog="fer",
        description="Facial expression recognition.",
        epilog=EPILOG,
        formatter_class=_Wide,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    _add_traceback(parser)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, (_, line) in COMMANDS.items():
        commands.add_parser(name, help=line, add_help=False)
    return parser


def command_parser(name: str) -> argparse.ArgumentParser:
    """Return the parser of a subcommand, with the arguments that all of them have."""
    module = importlib.import_module(f"fer_models.cli.{COMMANDS[name][0]}")
    lines = "\n  ".join(module.EXAMPLE.splitlines())
    parser = Parser(
        prog=f"fer {name}",
        description=module.__doc__,
        epilog=f"example:\n  {lines}",
        formatter_class=_Formatter,
    )
    module.add_arguments(parser)
    _add_traceback(parser)
    parser.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command `fer`.

    Args:
        argv: Words after the command's name. Default: those of the process.

    Returns:
        The exit status: 0; 1 where nothing was found or a check failed; 2 for bad usage or input,
        and for an unexpected error of the program; 130 after Ctrl-C.

    Example:

    >>> main(["--version"])
    fer-keras 0.2.0.dev0
    0
    """
    if "_ARGCOMPLETE" in os.environ:
        offer_completion()
    words = sys.argv[1:] if argv is None else list(argv)

    def parse():
        args = _parsed(words)
        # The command's own process ends with it, so what a subcommand imports may be limited.
        args.own_process = argv is None
        return args

    return guarded(parse, TRACEBACK in words)


def offer_completion() -> None:
    """Answer a shell that asks how a command line may go on, if argcomplete is installed.

    The shell asks after `eval "$(register-python-argcomplete fer)"`.
    """
    try:
        import argcomplete
    except ImportError:
        return
    parser = Parser(prog="fer")
    commands = parser.add_subparsers()
    for name, (module, line) in COMMANDS.items():
        command = commands.add_parser(name, help=line)
        importlib.import_module(f"fer_models.cli.{module}").add_arguments(command)
    argcomplete.autocomplete(parser)


def _parsed(words):
    """Return the arguments of a command line; `run` among them is what to do with them."""
    early = words[: len(words) - len(_without_lead(words))]
    words = words[len(early) :]
    if words[:1] == ["help"]:
        words = [*words[1:2], "--help"]
    if words and words[0] in COMMANDS:
        args = _intermixed(command_parser(words[0]), [*words[1:], *early])
        # For records of what was run.
        args.command_line = shlex.join(["fer", *(word for word in words if word != TRACEBACK)])
        return args
    if words and not words[0].startswith("-"):
        raise UsageError(_unknown(words[0]))
    args = parser_of().parse_args(words)
    args.run = _version if args.version else _help
    return args


def _without_lead(words):
    """Return the words after those that may stand before a subcommand."""
    return _without_lead(words[1:]) if words[:1] == [TRACEBACK] else words


def _intermixed(parser, words):
    """Parse options and other words in any order, as in `fer explain MODEL --json PHOTO`."""
    try:
        return parser.parse_intermixed_args(words)
    except TypeError:
        # A command with subcommands of its own, which takes them in one order.
        return parser.parse_args(words)


def _unknown(name):
    near = difflib.get_close_matches(name, COMMANDS, n=1)
    hint = f"did you mean `fer {near[0]}`?" if near else "`fer --help` lists the commands"
    return f"there is no command {name!r}: {hint}"


def _version(args):
    # Here: it takes longer to import than all the rest.
    from importlib.metadata import version

    from fer_data.whole import distribution

    name = distribution()
    print(f"{name} {version(name)}")


def _help(args):
    # Nothing was asked for: this is no result.
    parser_of().print_help(sys.stderr)
    return 2


def _add_traceback(parser):
    parser.add_argument(
        TRACEBACK, action="store_true", help="show where in the code an error arose"
    )


class _Wide(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of the epilog, and the longest name beside its help."""

    def __init__(self, prog):
        super().__init__(prog, max_help_position=30)
        # argparse forgets that the commands are indented by four.
        self._action_max_length = 4 + max(map(len, COMMANDS))


class _Formatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Keeps the lines of description and epilog, and shows defaults that say something."""

    def _get_help_string(self, action):
        unsaid = action.default is None or isinstance(action.default, bool)
        if unsaid or "default" in (action.help or ""):
            return action.help
        return super()._get_help_string(action)
