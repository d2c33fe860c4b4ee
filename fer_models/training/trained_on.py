"""The faces that a model was trained on, from the record beside its file."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fer_models.training import runs
from fer_models.zoo import bundled
from fer_models.zoo.model_files import names_file

# What decides which faces are in which split, as `load_faces` takes it.
DIVIDING = (
    "data",
    "path",
    "train",
    "validation_fraction",
    "validation_from",
    "test_fraction",
    "data_options",
    "seed",
)
# These name places, and the same faces may lie elsewhere now.
PLACES = ("path", "data_dir")
DEFAULTS = {"data": "synthetic", "seed": 1}
# As `load_faces` has it.
DRAWN = 7000


def trained_on(
    model: str | os.PathLike[str], record: str | os.PathLike[str] | None = None, **given: Any
) -> tuple[dict[str, Any], str]:
    """Return the arguments of `load_faces` that divide the data as at the training.

    Args:
        model: The model's `.keras` file, or anything else that `load_model` takes. A file that
            lies beside the `run.json` of its training needs no other word.
        record: `run.json` of the training; None for the one beside the file, if there is one.
        **given: Arguments of `load_faces` that are known, some of `DIVIDING`; None counts as not
            given. `path` may differ from the record's: the same faces may lie elsewhere now. So
            may `data_dir`, where prepared data sets are kept, which is known besides; that of the
            record counts while there is such a folder. Of a model that was trained on several data
            sets `data` says which is meant, and `path` too where it has the set twice.

    Returns:
        `(arguments, source)`; the source is `run.json` where there is one, and empty where nothing
        is known but what was given.

    Raises:
        ValueError: If, by the record, the model was trained on other faces than those given, or is
            no record of a training on faces. If, by its `faces_given`, the settings do not tell how
            the faces were divided, unless `data` and `path` are both given: the caller's word then
            counts, as for a model without a record.

    Example:

    >>> trained_on("ghostface:fer2013", data="fer2013", path="archive.zip")
    ({'data': 'fer2013', 'seed': 1, 'path': 'archive.zip'}, '')
    """
    unknown = sorted(set(given) - {*DIVIDING, *PLACES})
    if unknown:
        raise ValueError(f"`given` must be some of {(*DIVIDING, 'data_dir')}. Received: {unknown}")
    given = {name: value for name, value in given.items() if value is not None}
    path = Path(record or Path(model).parent / runs.RECORD)
    if record is None and (not names_file(model) or not path.is_file()):
        return DEFAULTS | given, ""
    content = runs.read(path)
    settings = content["settings"]
    if "data" not in settings:
        raise ValueError(f"{path} is no record of a training on faces: it names no `data`")
    if not isinstance(settings["data"], str):
        settings = _one_of(content, path, given)
    known = {name: settings[name] for name in DIVIDING if settings.get(name) is not None}
    if content.get("data_dir") and Path(content["data_dir"]).is_dir():
        known["data_dir"] = content["data_dir"]
    default = {**DEFAULTS, **({"train": DRAWN} if settings["data"] == "synthetic" else {})}
    changed = [
        f"{name} {known.get(name, default.get(name))}, not {value}"
        for name, value in given.items()
        if name not in PLACES and known.get(name, default.get(name)) != value
    ]
    if changed:
        raise ValueError(f"the model was trained on other faces, says {path}: {', '.join(changed)}")
    if not content.get("faces_given"):
        return DEFAULTS | known | given, path.name
    if settings["data"] == "synthetic":
        raise ValueError(
            f"{path} does not tell which faces were trained on: they were drawn and given to the "
            f"training ({content['faces_given']}). Measure on other faces with a copy of the model "
            "that does not lie beside its run.json"
        )
    if not {"data", "path"} <= given.keys():
        raise ValueError(
            f"{path} does not tell how the faces were divided: they were given to the training "
            f"({content['faces_given']}). Name `data` and `path` (--data and --path) yourself, "
            "with splits whose training faces are those of the training. "
            f"Received: data={given.get('data')!r} and path={given.get('path')!r}"
        )
    return DEFAULTS | given, ""


def check_same_faces(
    model: str | os.PathLike[str],
    counts: Mapping[str, int],
    record: str | os.PathLike[str] | None = None,
) -> None:
    """Refuse faces that are divided in another way than at the training, by their numbers.

    Photos that are added to a folder, or deleted, divide it anew: faces that the model was trained
    on come into other splits. Of one of several data sets the record does not tell the numbers.

    Args:
        model: As in `trained_on`, with a record.
        counts: Number of faces by split now.
        record: As in `trained_on`.

    Raises:
        ValueError: If a split has another number of faces than at the training.
    """
    path = Path(record or Path(model).parent / runs.RECORD)
    content = runs.read(path)
    held = content.get("faces") or {}
    if not isinstance(content["settings"].get("data"), str):
        return
    if any(held[split] != counts[split] for split in held.keys() & counts.keys()):
        raise ValueError(
            "the data must be divided as at the training, whose numbers of faces were "
            f"{held}, says {path}: give the data as they were then. On new faces measure a copy of "
            f"the model that does not lie beside its {runs.RECORD}. Received: {dict(counts)}"
        )


def sets_of(model: str | os.PathLike[str]) -> tuple[dict[str, Any], ...]:
    """Return the data sets that a model was trained on, as far as that is known.

    Args:
        model: As in `trained_on`.

    Returns:
        For each set a dictionary with its `data`, as `load_faces` takes it, and its `path`, None
        where that is unknown or there is none. Empty where nothing is known.

    Example:

    >>> sets_of("ghostface:ferplus")
    ({'data': 'ferplus', 'path': None},)
    """
    if names_file(model):
        path = Path(model).parent / runs.RECORD
        if not path.is_file():
            return ()
        content = runs.read(path)
        if isinstance(content["settings"].get("data"), list):
            found = content.get("sets", {}).values()
        else:
            found = [content["settings"]] if "data" in content["settings"] else []
        return tuple({"data": each["data"], "path": each.get("path")} for each in found)
    known = bundled.all_weights().get(":".join(bundled.split(os.fspath(model))))
    data = None if known is None else known.card.get("data")
    return () if data is None else ({"data": data, "path": None},)


def is_same_set(known: Mapping[str, Any], data: str, path: str | os.PathLike[str] | None) -> bool:
    """Return whether a data set is one that a model was trained on.

    A name tells a data set wherever it lies, but for `"folder"`, which is any folder of faces.

    Args:
        known: One of `sets_of`.
        data: Name of the data set.
        path: Its path, or None.
    """
    if known["data"] != data or data != "folder":
        return known["data"] == data
    return None not in (known["path"], path) and _absolute(known["path"]) == _absolute(path)


def _one_of(content, record, given):
    """Return the settings of one of several sets, as if it were the only one."""
    sets = content.get("sets", {})
    named = ", ".join(sets)
    found = [each for each in sets.values() if each["data"] == given.get("data")]
    if len(found) > 1 and "path" in given:
        found = [each for each in found if _absolute(each["path"]) == _absolute(given["path"])]
    if len(found) != 1:
        raise ValueError(
            f"{record} is of a training on several data sets, {named}: name one of them with "
            "`data` (--data), and with its `path` (--path) where it is there twice. "
            f"Received: data={given.get('data')!r}, path={given.get('path')!r}"
        )
    return {"seed": content["settings"].get("seed"), **found[0]}


def _absolute(path):
    return Path(path).resolve()
