"""How a subcommand runs: one line for an error, an exit status, and no noise of other programs."""

import contextlib
import errno
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from typing import Any

FOUND_NOTHING = 1
BAD_INPUT = 2
INTERRUPTED = 130
# What a user can mend: a wrong argument or file, a package that is missing, a full disk.
EXPECTED = (ValueError, OSError, ImportError, RuntimeError)


class CheckFailedError(Exception):
    """A check that the command makes has failed, or it found nothing: exit status 1."""


def guarded(parse: Callable[[], Any]) -> int:
    """Parse a command line, run its subcommand, and return the exit status.

    Args:
        parse: Returns the parsed arguments, with `run` and `traceback` among them.
    """
    # Before TensorFlow is imported: no messages of its parts, and its faster kernels.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    args = None
    with quiet_libraries() as noise:
        try:
            args = parse()
            return args.run(args) or 0
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
            if getattr(args, "traceback", False):
                sys.stderr.write(noise())
                traceback.print_exc()
            else:
                print(f"fer: error: {described(error)}", file=sys.stderr)
            return BAD_INPUT


def described(error: Exception) -> str:
    """Return an error as one line."""
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
    """Keep what compiled libraries write to the process's standard error away from the user.

    TensorFlow and its parts log there before any setting reaches them. Python's own `sys.stderr`
    goes where it went: progress and errors are seen. Does nothing where standard error is no file
    of the system, as inside of tests and notebooks.

    Yields:
        A function that returns what was written.
    """
    try:
        descriptor = sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        descriptor = None
    if descriptor != 2:
        yield lambda: ""
        return
    sys.stderr.flush()
    kept = os.dup(2)
    ours = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    before, sys.stderr = sys.stderr, ours
    with tempfile.TemporaryFile() as noise:
        os.dup2(noise.fileno(), 2)

        def read():
            noise.seek(0)
            return noise.read().decode(errors="replace")

        try:
            yield read
        finally:
            sys.stderr = before
            ours.close()
            os.dup2(kept, 2)
            os.close(kept)
