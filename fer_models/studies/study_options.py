"""Options that all studies have, and the defaults of a quick and of a whole one."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

# Of a study that does not say otherwise: some of `fer_data.pipelines.labelled_faces.FACES`, whose
# import is heavy.
DATA = ("synthetic", "fer2013", "ferplus", "raf_db", "folder")


class Several(tuple):
    """Names of data sets of which a study takes several at once, with a path for each."""


def add_study_arguments(
    parser: argparse.ArgumentParser, name: str, data: Sequence[str] = DATA, *, seeds: int
) -> None:
    """Add the options that all studies have.

    Args:
        parser: Parser of the study.
        name: Name of the study.
        data: Names of the data sets that it takes; `Several` where it takes more than one.
        seeds: How often a whole study repeats everything, for the help alone: `settled` fills the
            option in.
    """
    add = parser.add_argument
    if isinstance(data, Several):
        words = "one or more data sets (default: synthetic)"
        add("--data", nargs="+", choices=data, default=["synthetic"], help=words)
        add("--path", nargs="+", help="folder or archive of each of them; none for synthetic")
    else:
        add("--data", choices=data, default="synthetic", help="which data set (default: synthetic)")
        add("--path", help="folder or archive of the data set; none for synthetic")
    add("--data-dir", help="where prepared data sets are kept (default: tensorflow-datasets')")
    output = f"runs/{name}"
    written = f"folder for everything that is written (default: {output})"
    add("--output", default=output, help=written)
    words = f"how often everything is repeated (default: {seeds})"
    add("--seeds", type=int, metavar="N", help=words)
    add("--quick", action="store_true", help="run all of it in minutes on few, drawn faces")
    add("--json", action="store_true", help="print what report.json holds, not the tables")


def add_defaulted(parser: argparse.ArgumentParser, defaults: Mapping[str, Any]) -> Any:
    """Return a function like `parser.add_argument` that adds an option's default to its help.

    The option itself is None where it is not given: `settled` fills it in.

    Args:
        parser: Parser of the study.
        defaults: Defaults of a whole study, by the names of the options in code.
    """

    def add(flag: str, **options: Any) -> None:
        value = defaults[flag.lstrip("-").replace("-", "_")]
        words = " ".join(map(str, value)) if isinstance(value, (tuple, list)) else value
        said = "" if value is None else f" (default: {words})"
        parser.add_argument(flag, **{**options, "help": f"{options.get('help', '')}{said}".strip()})

    return add


def settled(
    args: argparse.Namespace, full: Mapping[str, Any], quick: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the settings of a study: what was given, else the defaults.

    Args:
        args: The parsed arguments.
        full: Defaults of a whole study, for every setting.
        quick: Defaults of a quick one, where they differ.

    Raises:
        ValueError: If a quick study is asked for on other faces than drawn ones.

    Example:

    >>> args = argparse.Namespace(quick=True, data="synthetic", epochs=None, width=0.5)
    >>> settled(args, {"epochs": 16, "width": 0.25}, {"epochs": 2})
    {'epochs': 2, 'width': 0.5}
    """
    # None where the study has data of its own.
    named = [] if args.data is None else args.data
    data = [named] if isinstance(named, str) else list(named)
    if args.quick and data not in ([], ["synthetic"]):
        raise ValueError(
            "--quick runs on drawn faces, so as to try a study out: leave --data away. "
            f"Received: --data {' '.join(data)}"
        )
    defaults = {**full, **(quick if args.quick else {})}
    given = {name: getattr(args, name) for name in full}
    return {name: defaults[name] if value is None else value for name, value in given.items()}
