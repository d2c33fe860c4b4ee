"""The weights that come with the package: their files and cards. No builder is needed."""

import dataclasses
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from fer_data.checks import check_path, check_text
from fer_models.zoo import hub_models
from fer_models.zoo.model_files import WHOLE_MODEL, check_whole_model, names_file

FOLDER = Path(__file__).parent / "weights"
# The model to which a tag alone belongs.
DEFAULT_MODEL = "ghostface"
# The weights that recognition takes by default: of their answers 94 % are sure, of those of
# `fer2013` 36 % (docs/weights.md).
DEFAULT_WEIGHTS = "ghostface:ferplus"


@dataclasses.dataclass(frozen=True)
class Weights:
    """Bundled weights of a model.

    Attributes:
        file: Name of the file in `fer_models/zoo/weights`.
        sha256: Its SHA-256, checked before it is read.
        class_names: Names of the classes in output order.
        licence: Terms of use.
        scores: Measured scores by name.
        input_shape: Shape of the images it was trained on, channels last.
        options: Arguments of the builder that it was trained with.
        card: All recorded facts: data, splits, recipe, seed, commands, scores by class,
            calibration, uses to avoid.
    """

    file: str
    sha256: str
    class_names: tuple[str, ...]
    licence: str
    scores: dict[str, Any]
    input_shape: tuple[int, ...] = ()
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    card: dict[str, Any] = dataclasses.field(default_factory=dict)


def tags(name: str) -> dict[str, Weights]:
    """Return the bundled weights of the model `name` by tag; an empty dictionary if it has none.

    Example:

    >>> sorted(tags("ghostface"))
    ['fer2013', 'ferplus']
    """
    found = {}
    for path in sorted(FOLDER.glob(f"{name}_*.json")):
        card = json.loads(path.read_text(encoding="utf-8"))
        found[path.stem.removeprefix(f"{name}_")] = Weights(
            file=card["file"],
            sha256=card["sha256"],
            class_names=tuple(card["class_names"]),
            licence=card["licence"],
            scores=card["scores"],
            input_shape=tuple(card["input_shape"]),
            options=card["options"],
            card=card,
        )
    return found


def all_weights() -> dict[str, Weights]:
    """Return all bundled weights by the names that `load_model` takes.

    Example:

    >>> for name in all_weights():
    ...     print(name)
    efficientface:fer2013
    ghostface:fer2013
    ghostface:ferplus
    pretrained_classifier:large
    """
    cards = (json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*_*.json")))
    return {f"{card['model']}:{card['tag']}": tags(card["model"])[card["tag"]] for card in cards}


def split(source: str, model: str = DEFAULT_MODEL) -> tuple[str, str]:
    """Return name and tag of `"name:tag"` or of `"tag"`, whether or not such weights exist.

    Args:
        source: The text.
        model: Name of the model to which a tag alone belongs. Where the default model has no such
            weights, and a single other one has, the tag is that one's, as `"large"` is.

    Example:

    >>> split("ghostface:ferplus"), split("large")
    (('ghostface', 'ferplus'), ('pretrained_classifier', 'large'))
    """
    name, colon, tag = source.partition(":")
    if colon:
        return name, tag
    if model == DEFAULT_MODEL and source not in tags(model):
        owners = [each.partition(":")[0] for each in all_weights() if each.endswith(f":{source}")]
        model = owners[0] if len(owners) == 1 else model
    return model, source


def located(source: str | os.PathLike[str], model: str = DEFAULT_MODEL) -> Path | tuple[str, str]:
    """Return where a trained model is, without reading it; one of the Hub is downloaded.

    Args:
        source: As for `fer_models.load_model`.
        model: Name of the model to which a tag alone belongs. If the default model does not have
            the tag and only one other model has it, that model is taken.

    Returns:
        The path of a file with a whole model, or of the folder of a repository of the Hub, or name
        and tag of bundled weights.

    Raises:
        FileNotFoundError: If there is no file at the path.
        ImportError: As `hub_models.fetched`.
        OSError: Likewise.
        ValueError: If there are no such weights, or the file does not hold a whole model; the
            message names what it holds.

    Example:

    >>> located("ferplus")
    ('ghostface', 'ferplus')
    """
    check_path("source", source)
    check_text("model", model)
    if hub_models.names_repository(source):
        return hub_models.fetched(os.fspath(source))
    path = Path(source)
    if names_file(path):
        check_whole_model(path)
        return path
    found, known = split(os.fspath(source), model), all_weights()
    if ":".join(found) in known:
        return found
    if path.exists():
        check_whole_model(path)
        raise ValueError(
            f"A file of a whole model must end in {', '.join(WHOLE_MODEL)}. "
            f"Received: {str(source)!r}, which is one; rename it"
        )
    if path.suffix:
        raise FileNotFoundError(f"There is no model at {str(path)!r}.")
    received = repr(str(source)) + ("" if model == DEFAULT_MODEL else f" of model {model!r}")
    raise ValueError(
        f"A model must be bundled weights, one of {', '.join(known)}, or the path of a .keras "
        f"file. Received: {received}"
    )


def weights(name: str, tag: str) -> Weights:
    """Return the record of the bundled weights of a model.

    Args:
        name: Name of the model.
        tag: Tag of the weights, such as `"fer2013"`.

    Returns:
        `Weights`.

    Raises:
        ValueError: If the model has no weights of that tag.
    """
    known = tags(name)
    if tag not in known:
        raise ValueError(
            f"`weights` must be None, a path ending in .h5 or .keras, or one of the tags "
            f"{sorted(known)} of {name!r}. Received: weights={tag!r}"
        )
    return known[tag]


def weights_file(name: str, tag: str) -> Path:
    """Return the path of bundled weights, after checking the file's SHA-256.

    Args:
        name: Name of the model.
        tag: Tag of the weights, such as `"fer2013"`.

    Returns:
        A `pathlib.Path`.

    Raises:
        ValueError: If the model has no weights of that tag, or the file's SHA-256 differs.
    """
    known = weights(name, tag)
    path = FOLDER / known.file
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != known.sha256:
        raise ValueError(
            f"The weights file of {name!r}, {tag!r} is damaged: its SHA-256 must be "
            f"{known.sha256}. Received: {found}. Reinstall fer-keras."
        )
    return path
