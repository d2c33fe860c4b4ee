"""The frame of a subcommand: one line for an error, an exit status, no noise of other programs."""

import contextlib
import errno
import faulthandler
import io
import logging
import os
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

FOUND_NOTHING = 1
BAD_INPUT = 2
INTERRUPTED = 130
LISTED = 10
# What a user can mend: a wrong argument or file, a package that is missing, a full disk.
EXPECTED = (ValueError, OSError, ImportError, RuntimeError)
# What these log on the way is not for users: a failure raises an error.
CHATTY = ("absl", "jax", "matplotlib", "tensorflow", "tf2onnx")
# It logs a licence in a long line, of which users see the short one.
LICENSED, SHORT = (
    "fer_data.faces.landmark_predictor",
    "68 landmarks: not for commercial use, see docs/faces.md",
)
# Warnings of these folders are for users.
OURS = tuple(
    str(Path(__file__).resolve().parents[2] / name) + os.sep
    for name in ("fer_data", "fer_layers", "fer_models")
)


class CheckFailedError(Exception):
    """A check that the command makes has failed, or it found nothing: exit status 1."""


class UsageError(ValueError):
    """A command line that cannot be understood: exit status 2."""


def guarded(parse: Callable[[], Any], show_traceback: bool = False) -> int:
    """Parse a command line, run its subcommand, and return the exit status.

    Args:
        parse: Returns the parsed arguments, with `run` among them.
        show_traceback: Whether an error is shown with the code that it arose in, and with what
            compiled libraries wrote before.
    """
    # Before TensorFlow is imported: no messages of its parts, and its faster kernels.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that the terminal's encoding lacks must not end a run: `\\u5199` stands for it.
        sys.stdout.reconfigure(errors="backslashreplace")
    with quiet_libraries() as noise:
        try:
            args = parse()
            status = args.run(args) or 0
            # Here and not at the interpreter's end, where nobody handles a closed pipe.
            sys.stdout.flush()
            return status
        except SystemExit as leaving:
            # argparse leaves so after `--help`.
            return leaving.code or 0  # type: ignore[return-value]
        except KeyboardInterrupt:
            print("\nfer: stopped", file=sys.stderr)
            return INTERRUPTED
        except CheckFailedError as error:
            print(f"fer: {error}", file=sys.stderr)
            return FOUND_NOTHING
        except BrokenPipeError:
            # Whoever read the results wants no more of them, as `head` does.
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115
            return 0
        except Exception as error:
            if show_traceback:
                sys.stderr.write(noise())
                traceback.print_exc()
            else:
                print(f"fer: error: {described(error)}", file=sys.stderr)
            return BAD_INPUT


def remark(text: str) -> None:
    """Print a remark, which is not a result, on standard error."""
    print(text, file=sys.stderr, flush=True)


def remarks(title: str, texts: Iterable[str]) -> None:
    """Tell the user a list of things, the first few of it; print nothing if it is empty."""
    texts = list(texts)
    if texts:
        remark(f"{title}:")
        for text in texts[:LISTED]:
            remark(f"  {text}")
        if len(texts) > LISTED:
            remark(f"  and {len(texts) - LISTED} more")


def watched() -> bool:
    """Return whether a person watches: progress goes to a terminal alone, and to no log."""
    return sys.stderr.isatty()


def progress(total: int | None, unit: str, off: bool = False) -> Any:
    """Return a bar of tqdm on standard error, shown only where a person watches it.

    Args:
        total: Number of steps, or None where it is unknown.
        unit: What is counted.
        off: Whether to show none at all.
    """
    from tqdm import tqdm

    return tqdm(total=total, unit=f" {unit}", disable=True if off else None, file=sys.stderr)


def described(error: Exception) -> str:
    """Return an error as one line."""
    if isinstance(error, ModuleNotFoundError):
        # Imported here: it is for this alone.
        from fer_data.whole import explained

        error = explained("This command", error)
    text = " ".join(str(error).split()) or type(error).__name__
    if disk_is_full(error):
        return f"{text} (the disk is full: make room, then give the same command again)"
    if isinstance(error, EXPECTED):
        return text
    return f"{type(error).__name__}: {text} (unexpected; --traceback shows where)"


def disk_is_full(error: Exception) -> bool:
    """HDF5 and TensorFlow raise errors of their own on a full disk, with the system's words."""
    return os.strerror(errno.ENOSPC) in str(error) or f"errno = {errno.ENOSPC}" in str(error)


@contextlib.contextmanager
def quiet_libraries() -> Iterator[Callable[[], str]]:
    """Keep what other libraries write to standard error away from the user.

    Compiled libraries write to the process's standard error before any setting reaches them: that
    goes to a file. Their loggers say errors alone, and Python's warnings are shown in one line
    where they are ours, and kept away where not. Python's own `sys.stderr` goes where it went:
    progress and errors are seen. Does nothing where standard error is no file of the system, as
    inside of tests and notebooks.

    Yields:
        A function that returns what was kept away.
    """
    try:
        descriptor = sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        descriptor = None
    if descriptor != 2:
        yield lambda: ""
        return
    if not watched():
        # Bars of other libraries, too, would fill a log: tqdm reads this when it is imported.
        os.environ.setdefault("TQDM_DISABLE", "1")
    sys.stderr.flush()
    kept = os.dup(2)
    ours = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    before, sys.stderr = sys.stderr, ours
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger(LICENSED).addFilter(_shorten)
    with tempfile.TemporaryFile() as noise, warnings.catch_warnings():
        os.dup2(noise.fileno(), 2)
        # A crash of compiled code would leave no word otherwise.
        faulthandler.enable(ours)

        def show(message, category, filename, lineno, file=None, line=None):
            if filename.startswith(OURS):
                print(f"fer: warning: {' '.join(str(message).split())}", file=ours)
            else:
                text = warnings.formatwarning(message, category, filename, lineno, line)
                noise.write(text.encode(errors="replace"))

        def read():
            noise.seek(0)
            return noise.read().decode(errors="replace")

        warnings.showwarning = show
        try:
            yield read
        finally:
            logging.getLogger(LICENSED).removeFilter(_shorten)
            faulthandler.disable()
            sys.stderr = before
            ours.close()
            os.dup2(kept, 2)
            os.close(kept)


def _shorten(record):
    record.msg, record.args = SHORT, ()
    return True
