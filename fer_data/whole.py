"""What to install for a part that is missing, in fer-keras and in fer-keras-lite."""

import contextlib
import importlib.util
from collections.abc import Iterator

# Two distributions of the same packages: fer-keras-lite holds what recognition needs.
WHOLE, LITE = "fer-keras", "fer-keras-lite"
# The extras that fer-keras-lite has too; tests/test_lite.py compares.
LITE_EXTRAS = ("web",)
_PAGE = "docs/index.md"
# What is missing there: our other modules, and what they are built on.
_LEFT_OUT = (
    *("fer_data", "fer_layers", "fer_models"),
    *("keras", "tensorflow", "tensorflow_datasets", "scipy", "sklearn", "matplotlib"),
)


def distribution() -> str:
    """Return the name of the distribution that is installed.

    Example:

    >>> distribution()
    'fer-keras'
    """
    return LITE if importlib.util.find_spec("fer_layers") is None else WHOLE


def how_to_install(*extras: str) -> str:
    """Return how to get extras, as a sentence for the error of a missing package.

    Args:
        extras: Names of the extras, such as `"faces"`.

    Example:

    >>> how_to_install("faces", "web")
    'Run: pip install "fer-keras[faces,web]"'
    """
    names = ",".join(extras)
    if distribution() == WHOLE:
        return f'Run: pip install "{WHOLE}[{names}]"'
    if set(extras) <= set(LITE_EXTRAS):
        return f"Install the extra {names} of {LITE}: {_PAGE}#without-tensorflow says how"
    return f"The extra {names} comes with {WHOLE}, not with {LITE}. {_to_the_whole(names)}"


@contextlib.contextmanager
def needs_whole(what: str) -> Iterator[None]:
    """Say what to install where a block needs something that fer-keras-lite leaves out.

    Args:
        what: What the block does, as the subject of the message.

    Raises:
        ImportError: If a module is missing because fer-keras-lite is installed. Other errors are
            left as they are.

    Example:

    >>> with needs_whole("Training"):
    ...     import fer_data.labels
    """
    try:
        yield
    except ModuleNotFoundError as error:
        told = explained(what, error)
        if told is error:
            raise
        raise told from error


def explained(what: str, error: ModuleNotFoundError) -> ImportError:
    """Return an error that names the package to install, or `error` itself if none is missing.

    Args:
        what: As for `needs_whole`.
        error: The error of a missing module.
    """
    missing = (error.name or "").partition(".")[0]
    if missing not in _LEFT_OUT or distribution() == WHOLE:
        return error
    return ImportError(
        f"{what} needs the whole of {WHOLE}; {LITE} only recognises ({error}). {_to_the_whole()}"
    )


def _to_the_whole(names=""):
    """Return how to change from fer-keras-lite to fer-keras, as a sentence."""
    source = f'".[{names}]"' if names else "."
    return (
        f"In a copy of the repository of {WHOLE} run: pip uninstall {LITE}, then pip install "
        f"{source} ({_PAGE}#install)"
    )
