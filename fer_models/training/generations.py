"""Generations of a training's state: each is whole, or it is not there.

A state folder holds a folder for each of the last two epochs, such as `epoch-000007`. A generation
is such a folder: files, and `manifest.json` with the SHA-256 of all of them and of itself. The
manifest is written last, under another name, and renamed, which commits the generation. The one
before stays, so that there is one to fall back to where a file is lost or damaged.
"""

import dataclasses
import hashlib
import json
import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fer_data import files
from fer_models.training.runs import sha256_of

MANIFEST, PREFIX, FORMAT = "manifest.json", "epoch-", 1
KEPT = 2
# What earlier versions left in a state folder, up to 0.1.0 as of 2026-11-26.
EARLIER = ("training_metadata.json", "latest.weights.h5", "callbacks.json", "recipe.json", "1")


class _BrokenError(Exception):
    """A folder that is no whole generation, in words."""


@dataclasses.dataclass(frozen=True)
class Generation:
    """A whole generation.

    Attributes:
        folder: Its folder.
        epoch: How many epochs were trained.
        files: SHA-256 of its files by name.
        facts: What else `commit` was given, of JSON's types.
    """

    folder: Path
    epoch: int
    files: Mapping[str, str]
    facts: Mapping[str, Any]


def commit(
    state: Path, epoch: int, facts: Mapping[str, Any], fill: Callable[[Path], Any]
) -> Generation:
    """Write a generation, and delete those before the one before.

    Args:
        state: The state folder; made if absent.
        epoch: How many epochs were trained: 1 for the first generation.
        facts: What to note in the manifest, of JSON's types.
        fill: Function that writes the files into the folder that it is given.

    Returns:
        The generation.

    Raises:
        OSError: If a file cannot be written. The generations before stay.
    """
    folder = state / f"{PREFIX}{epoch:06d}"
    _remove(folder)
    folder.mkdir(parents=True)
    fill(folder)
    for path in folder.iterdir():
        files.sync(path)
    sums = {path.name: sha256_of(path)[0] for path in sorted(folder.iterdir())}
    content = {"format": FORMAT, "epoch": epoch, "files": sums, "facts": dict(facts)}
    # As it will be read: names are strings, and lists are no tuples.
    content = json.loads(json.dumps(content))
    text = json.dumps({"sha256": _own_sha256(content), "content": content}, indent=1)
    # Only now the generation is there.
    files.write_text(folder / MANIFEST, text + "\n")
    files.sync(state)
    numbered = _numbered(state)
    kept = [number for number in numbered if number <= epoch][:KEPT]
    for number, other in numbered.items():
        if number not in kept:
            _remove(other)
    return Generation(folder, epoch, content["files"], content["facts"])


def latest(state: Path) -> Generation | None:
    """Return the last whole generation, after checking every file of it.

    If a later one is broken, a warning names the fault and the one that is taken.

    Args:
        state: The state folder; it may be absent.

    Returns:
        The generation, or None where no epoch was finished yet.

    Raises:
        ValueError: If there were generations and none is whole, or the folder is of a version
            no longer read. The message names the files and the way out.
        OSError: If a file cannot be read.
    """
    broken = []
    numbered = _numbered(state)
    for epoch, folder in numbered.items():
        try:
            found = _read(folder, epoch)
        except _BrokenError as error:
            broken.append(str(error))
            continue
        if broken:
            _warn(f"{'; '.join(broken)}. The training goes on from epoch {epoch}, which is whole.")
        return found
    if list(numbered) == [1] and not (numbered[1] / MANIFEST).exists():
        # It was stopped before its first epoch was committed.
        _warn(f"{broken[0]}: no epoch was finished. The training begins anew.")
        return None
    if broken:
        raise ValueError(
            f"No epoch in {state} is whole: {'; '.join(broken)}. "
            f"Put the files back, or {anew(state)}"
        )
    earlier = [name for name in EARLIER if (state / name).exists()]
    if earlier:
        raise ValueError(
            f"{state} holds {', '.join(earlier)} of an earlier version, from which a training "
            f"cannot go on. Take that version, or {anew(state)}"
        )
    return None


def anew(state: Path) -> str:
    """Return how a user begins anew where a state folder is of no use, in words.

    Args:
        state: The state folder.
    """
    return (
        f"begin anew: delete {state} and the history.csv beside it (`--restart`, where the command "
        "has it, deletes the run)"
    )


def _numbered(state):
    """Return the folders of generations by their epoch, the last one first."""
    if not state.is_dir():
        return {}
    found = {}
    for folder in state.glob(f"{PREFIX}*"):
        number = folder.name.removeprefix(PREFIX)
        if number.isascii() and number.isdecimal() and folder.is_dir():
            found[int(number)] = folder
    return dict(sorted(found.items(), reverse=True))


def _read(folder, epoch):
    path = folder / MANIFEST
    if not path.is_file():
        raise _BrokenError(f"{path} is missing")
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        own, content = held["sha256"], held["content"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _BrokenError(f"{path} is damaged") from None
    if own != _own_sha256(content):
        raise _BrokenError(f"{path} is damaged (its content has another SHA-256 than it states)")
    if content["format"] != FORMAT:
        raise ValueError(
            f"{path} must be of format {FORMAT}, which this version of fer-keras reads. "
            f"Received: format={content['format']}. Take the version that wrote it, or "
            f"{anew(folder.parent)}"
        )
    if content["epoch"] != epoch:
        raise _BrokenError(f"{path} is of epoch {content['epoch']}, not {epoch}")
    for name, digest in content["files"].items():
        file = folder / name
        if not file.is_file():
            raise _BrokenError(f"{file} is missing")
        if sha256_of(file)[0] != digest:
            raise _BrokenError(f"{file} is damaged (another SHA-256 than in {MANIFEST})")
    return Generation(folder, epoch, content["files"], content["facts"])


def _remove(folder):
    if folder.exists():
        # First: a generation of which something is missing is not there.
        (folder / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(folder)


def _own_sha256(content):
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _warn(text):
    warnings.warn(text, RuntimeWarning, stacklevel=3)
