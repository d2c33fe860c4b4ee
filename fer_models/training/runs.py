"""A run: a folder that says what made it, and work in it that can be stopped and gone on with."""

import datetime
import hashlib
import importlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras

from fer_data import files
from fer_models.evaluation.devices import devices

RECORD = "run.json"
# Where a package calls itself otherwise than its module.
NAMES = {
    "cv2": "OpenCV",
    "jax": "JAX",
    "keras": "Keras",
    "numpy": "NumPy",
    "sklearn": "scikit-learn",
    "tensorflow": "TensorFlow",
    "torch": "PyTorch",
}


class Run:
    """A folder with a record, `run.json`, of everything that decides what is computed there.

    Three calls, in this order:

    1. `open` looks at the folder and writes nothing. It refuses a folder with other things in it,
       and a run with other settings, and names them.
    2. `begin` writes the record, which is not `finished`. Call it as late as you can, when a bad
       setting has shown: with `restart` it deletes the earlier run first.
    3. `finish` marks the record as finished.

    How the work itself goes on is the caller's affair (`fer_models.training.resume` does so for a
    training). Leave out of `settings` what may differ when the run goes on, such as the folder,
    or how many seeds a study has by now.

    Args:
        folder: Folder for everything that the run writes.
        settings: What decides the outcome, by name; values of JSON's types.
        inputs: What the run learns from, by name, such as `sha256_of` files. They are compared as
            the settings are, but they are no options of a command.

    Attributes:
        folder: The folder, a `pathlib.Path`.
        settings: The settings, as they are when read back from JSON.
        inputs: The inputs, likewise.
        record: What `run.json` says of the earlier run that goes on, or None. After `begin`, what
            it says of this one.

    Example:

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> run = Run(folder, {"epochs": 3})
    >>> run.open(), run.finished
    (False, False)
    >>> run.begin(words="what for")
    >>> run.finish(accuracy=0.5)
    >>> again = Run(folder, {"epochs": 3})
    >>> again.open(), again.finished, again.record["accuracy"]
    (True, True, 0.5)
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        settings: Mapping[str, Any],
        inputs: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.settings = json.loads(json.dumps(dict(settings)))
        self.inputs = json.loads(json.dumps(dict(inputs or {})))
        self.record: Any = None  # a dictionary after `open` or `begin`
        self._replaces = False

    @property
    def finished(self) -> bool:
        """Whether the record says that all is done."""
        return bool(self.record) and bool(self.record.get("finished"))

    def open(
        self,
        *,
        restart: bool = False,
        replaceable: bool = False,
        may_change: Iterable[str] = (),
        ignore: Iterable[str] = (),
    ) -> bool:
        """Look for an earlier run in the folder; write nothing.

        Args:
            restart: Whether an earlier run is to be deleted, whatever its settings. `begin` does
                that, or `clear`.
            replaceable: Whether the earlier run has nothing worth keeping yet, so that one with
                other settings may take its place. One that ended and left nothing but its record,
                as when a setting is refused, is always replaced by one with other settings.
            may_change: Names of settings that the run may go on with although they changed, such
                as a larger number of epochs.
            ignore: Names of settings and inputs that do not matter any more, such as the place of
                the data where only a report is missing.

        Returns:
            Whether there is an earlier run, which goes on. `record` holds what it says.

        Raises:
            ValueError: If the folder holds other things, or a run with other settings or inputs.
        """
        self.record, self._replaces = None, False
        path = self.folder / RECORD
        if not path.exists():
            if not files.is_free(self.folder):
                raise ValueError(
                    f"{self.folder} is not empty and holds no run: choose another output folder"
                )
            return False
        if restart or replaceable:
            self._replaces = restart
            return False
        record = read(path)
        other = self._differences(record, {*may_change, *ignore})
        if other and not record.get("finished") and self._only_begun(record):
            return False
        if other:
            raise ValueError(
                f"{self.folder} holds a run with other settings ({'; '.join(other)}): choose "
                "another output folder, give the settings it was begun with, or delete the folder "
                "(`--restart`, where the command has it, does so)"
            )
        self.record = record
        return True

    def clear(self) -> None:
        """Delete the earlier run that `open(restart=True)` found."""
        if self._replaces and (self.folder / RECORD).exists():
            for path in self.folder.iterdir():
                if path.is_dir() and not path.is_symlink():
                    files.remove_folder(path)
                elif path.name != RECORD:
                    path.unlink()
            # Last: where this is stopped, the folder is still one of a run.
            (self.folder / RECORD).unlink()
        self._replaces = False

    def begin(self, *, packages: Iterable[str] = (), **about: Any) -> None:
        """Write the record; of an earlier run that goes on, keep what it said.

        A new record gets the date, the versions of Python, Keras, its backend and NumPy, and the
        hardware.

        Args:
            packages: Further packages whose versions matter, as they are imported.
            **about: What else to note, by name; values of JSON's types.
        """
        self.clear()
        files.remove_unfinished(self.folder)
        if self.record is None:
            self.record = {
                "settings": self.settings,
                "inputs": self.inputs,
                **about,
                "date": datetime.date.today().isoformat(),
                "versions": versions(packages),
                "backend": keras.backend.backend(),
                "hardware": hardware(),
            }
        else:
            self.record = self.record | {"settings": self.settings} | about
        self.record["process"] = [platform.node(), os.getpid()]
        self._write(finished=False)

    def finish(self, **about: Any) -> None:
        """Write the record as that of a finished run.

        Args:
            **about: What else to note, by name; values of JSON's types.
        """
        if self.record is None:
            raise ValueError("`begin` must be called before `finish`.")
        self.record = self.record | about
        self.record.pop("process", None)
        self._write(finished=True)

    def _only_begun(self, record):
        if _may_run(*record.get("process", ("", 0))):
            return False
        others = (path for path in self.folder.iterdir() if path.name != RECORD)
        return all(map(files.is_unfinished, others))

    def _write(self, finished):
        # Last in the file: whoever opens it looks there.
        self.record.pop("finished", None)
        self.record = self.record | {"finished": finished}
        files.write_json(self.folder / RECORD, self.record)

    def _differences(self, record, left_out):
        """Return what differs from an earlier run, in words."""
        held, given = record["settings"], record.get("inputs", {})
        found = [
            f"{name} was {json.dumps(held.get(name))}, now {json.dumps(value)}"
            for name, value in self.settings.items()
            if name not in left_out and held.get(name) != value
        ]
        # Of an input only a long number is known: which one differs is what a user can act on.
        return found + [
            f"another {name}"
            for name, value in self.inputs.items()
            if name not in left_out and given.get(name, value) != value
        ]


def _may_run(host, number):
    """Return whether another process, which began a run, may still be at work."""
    if not number or (host, number) == (platform.node(), os.getpid()):
        return False
    # Windows has no signal that only asks.
    if host != platform.node() or os.name == "nt":
        return True
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the record of a run.

    Args:
        path: A `run.json`, or the folder that holds it.

    Returns:
        Its content, with a dictionary `settings`.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If the file is no record of a run.
    """
    path = Path(path)
    if path.is_dir():
        path = path / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        held = isinstance(record["settings"], dict)
        held &= isinstance(record.get("inputs", {}), dict)
        held &= isinstance(record.get("finished", False), bool)
        host, number = record.get("process", ("", 0))
        held &= isinstance(host, str) and isinstance(number, int) and 0 <= number < 2**31
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        held = False
    if not held:
        raise ValueError(
            f"{path} is no {RECORD} of a run, a JSON file with the settings under `settings`: "
            "put the file back, or delete the folder (`--restart`, where the command has it, does "
            "so)"
        )
    return record


def versions(packages: Iterable[str] = ()) -> dict[str, str]:
    """Return the versions of Python, this library, Keras, its backend, NumPy and other packages.

    Args:
        packages: Further packages, as they are imported.

    Returns:
        Dictionary from a package's name to its version.
    """
    found = {
        "Python": platform.python_version(),
        "fer-keras": importlib.metadata.version("fer-keras"),
    }
    for module in dict.fromkeys(("keras", keras.backend.backend(), "numpy", *packages)):
        found[NAMES.get(module, module)] = importlib.import_module(module).__version__
    return found


def hardware() -> str:
    """Return the machine and what Keras computes on, in words."""
    names = devices()
    if keras.backend.backend() == "jax":
        import jax

        kinds = sorted({device.device_kind for device in jax.devices()})
        if kinds != ["cpu"]:
            names = f"{len(jax.devices())} {', '.join(kinds)}"
    return f"{platform.machine()}, {os.cpu_count()} cores, {names}"


def sha256_of(*paths: str | os.PathLike[str]) -> list[str]:
    """Return the SHA-256 of files.

    Args:
        *paths: The files.

    Returns:
        One hexadecimal number for each.
    """
    sums = []
    for path in paths:
        with open(path, "rb") as file:
            sums.append(hashlib.file_digest(file, "sha256").hexdigest())
    return sums
