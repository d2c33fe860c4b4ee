"""The names of the classes, kept in a `.keras` file beside the model."""

import json
import os
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fer_data.files import whole_file

# A `.keras` file is a zip archive; Keras reads its own members and leaves others alone.
MEMBER = "fer_keras.json"


def write(
    path: str | os.PathLike[str], names: Sequence[str], about: Mapping[str, Any] | None = None
) -> None:
    """Put the names of the classes into a `.keras` file.

    Args:
        path: The file.
        names: Names in the order of the outputs.
        about: Other facts for users of the model, by name, of JSON's types. None keeps those of the
            file.

    Raises:
        ValueError: If the file is not a `.keras` archive; it stays as it was.
    """
    path = Path(path)
    if not zipfile.is_zipfile(path):
        raise ValueError(f"`path` must be a .keras file. Received: path={str(path)!r}")
    about = read_about(path) if about is None else about
    with (
        whole_file(path) as temporary,
        zipfile.ZipFile(path) as old,
        zipfile.ZipFile(temporary, "w") as new,
    ):
        for item in old.infolist():
            if item.filename != MEMBER:
                with old.open(item) as source, new.open(item, "w") as target:
                    shutil.copyfileobj(source, target)
        content = {**about, "class_names": [str(name) for name in names]}
        new.writestr(MEMBER, json.dumps(content))


def read(path: str | os.PathLike[str]) -> tuple[str, ...] | None:
    """Return the names of the classes in a `.keras` file, or None where it has none.

    Args:
        path: The file, or a folder with the same members, such as a repository of the Hub.

    Example:

    >>> import tempfile
    >>> import fer_models
    >>> model = fer_models.ghostface(input_shape=(32, 32, 1), width=0.25, classes=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(f"{folder}/smiles.keras")
    ...     write(f"{folder}/smiles.keras", ["other", "smile"])
    ...     read(f"{folder}/smiles.keras")
    ('other', 'smile')
    """
    names = _content(path).get("class_names")
    return None if names is None else tuple(names)


def read_about(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the facts in a `.keras` file beside the names of the classes.

    Args:
        path: The file.

    Returns:
        The `about` that `write` was given; empty if there is none.

    Example:

    >>> import tempfile
    >>> import fer_models
    >>> model = fer_models.ghostface(input_shape=(32, 32, 1), width=0.25, classes=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(f"{folder}/smiles.keras")
    ...     write(f"{folder}/smiles.keras", ["other", "smile"], {"region_cut": "landmarks"})
    ...     read_about(f"{folder}/smiles.keras")
    {'region_cut': 'landmarks'}
    """
    return {name: value for name, value in _content(path).items() if name != "class_names"}


def _content(path):
    if os.path.isdir(path):
        member = Path(path, MEMBER)
        return json.loads(member.read_text(encoding="utf-8")) if member.is_file() else {}
    if not zipfile.is_zipfile(path):
        return {}
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(MEMBER)) if MEMBER in archive.namelist() else {}


def of_outputs(
    outputs: int, known: Sequence[str] | None, data: Sequence[str] | None = None
) -> tuple[str, ...]:
    """Return a name for every output of a model.

    Args:
        outputs: Number of the outputs.
        known: Their names by `load_model`; None if unknown.
        data: Names of the classes of the data set in use, which name the outputs if `known` is
            None.

    Raises:
        ValueError: If there are not as many names as outputs, or the data has more classes than the
            model.

    Example:

    >>> of_outputs(3, None, ("happy", "sad"))
    ('happy', 'sad', 'class 2')
    """
    if known is not None:
        if len(known) != outputs:
            raise ValueError(
                f"The model must have a name for each of its {outputs} outputs. "
                f"Received: {list(known)}"
            )
        return tuple(known)
    data = tuple(data or ())
    if len(data) > outputs:
        raise ValueError(
            f"The model must have an output for every class of the data. Received: {outputs} "
            f"outputs for {list(data)}"
        )
    return (*data, *(f"class {number}" for number in range(len(data), outputs)))
