"""The origin of a run's weights: the commands that led to them, from the first one on."""

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from fer_models.training.face_settings import DEFAULT_RECIPE
from fer_models.training.recipes.recipe import Recipe
from fer_models.zoo import bundled, registry


def output_of(command: str) -> str:
    """Return the output folder of a command of `fer train`.

    Args:
        command: The command line.

    Example:

    >>> output_of("fer train --recipe emotion_cnn --output runs/cnn")
    'runs/cnn'
    """
    words = options_apart(shlex.split(command))
    if "--output" in words:
        return words[words.index("--output") + 1]
    recipe = words[words.index("--recipe") + 1] if "--recipe" in words else DEFAULT_RECIPE
    return f"runs/{recipe}"


def options_apart(words: Iterable[str]) -> list[str]:
    """Return the words of a command with options and their values apart.

    Args:
        words: The words, some of which may be `--name=value`.

    Example:

    >>> options_apart(["fer", "train", "--output=runs/mine", "--model", "width=1"])
    ['fer', 'train', '--output', 'runs/mine', '--model', 'width=1']
    """
    found: list[str] = []
    for word in words:
        name, equals, value = word.partition("=")
        # A value that begins as an option does would be read as one.
        apart = name.startswith("--") and equals and not value.startswith("-")
        found += [name, value] if apart else [word]
    return found


def of_card(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return how bundled weights came about: their commands, and the model of these they are.

    Args:
        card: The card beside the weights.
    """
    commands = card["commands"]
    return {"commands": commands, "kept": f"{output_of(commands[-1])}/{card['epoch']}.keras"}


def is_training(command: str) -> bool:
    """Return whether a command is one of `fer train`, not of `fer prepare`, say.

    Args:
        command: The command line, perhaps with variables of the environment before it.

    Example:

    >>> is_training("KERAS_BACKEND=jax fer train --epochs 3"), is_training("fer weights pack a")
    (True, False)
    """
    words = shlex.split(command)
    return "fer" in words and words[words.index("fer") + 1 :][:1] == ["train"]


def packed_faces(data: str) -> str:
    """Return the name that commands give the packed faces of a data set.

    Example:

    >>> packed_faces("ferplus")
    'ferplus_faces.npz'
    """
    return f"{data}_faces.npz"


def data_of(command: str) -> str | None:
    """Return the data set that a command names, or None.

    Example:

    >>> data_of("fer prepare ferplus --path FOLDER"), data_of("fer weights")
    ('ferplus', None)
    """
    found = re.search(r"(?:--data|fer prepare) (\w+)", command)
    return None if found is None else found[1]


def tell_packed_faces_apart(command: str, data: str | None) -> str:
    """Return a command in which packed faces have the name of their data set.

    Commands of before called all of them `faces.npz`, so that those of one data set took the place
    of another's where the commands were given one after the other.

    Args:
        command: The command line.
        data: Name of the data set; with None the command stays as it is.

    Example:

    >>> tell_packed_faces_apart("fer prepare ferplus --path FOLDER --pack faces.npz", "ferplus")
    'fer prepare ferplus --path FOLDER --pack ferplus_faces.npz'
    """
    if data is None:
        return command
    return re.sub(r"(--path |--pack |\bfaces=)faces\.npz\b", rf"\1{packed_faces(data)}", command)


def packing_of(folder: str, tag: str, epoch: str, numbers: str) -> str:
    """Return the command that packs a run into weights.

    Args:
        folder: Folder of the run.
        tag: As for `fer_models.training.packing.pack_weights`.
        epoch: Likewise.
        numbers: Likewise.

    Example:

    >>> packing_of("runs/mine", "large", "last", "int8")
    'fer weights pack runs/mine --tag large --numbers int8'
    """
    words = ["fer", "weights", "pack", folder, "--tag", tag]
    words += ["--epoch", "best"] if epoch == "best" else []
    words += [] if numbers == "float16" else ["--numbers", numbers]
    return shlex.join(words)


def of_bundled(source: str) -> list[str]:
    """Return the commands that led to bundled weights, up to packing them.

    Args:
        source: Name and tag, such as `"ghostface:fer2013"`; other weights have no commands.
    """
    known = bundled.all_weights().get(":".join(bundled.split(source)))
    if known is None:
        return []
    card = known.card
    folder = output_of(card["commands"][-1])
    packing = packing_of(folder, card["tag"], card["epoch"], card.get("numbers", "float16"))
    return [*card["commands"], packing]


def of_weights(recipe: Recipe) -> dict[str, Any] | None:
    """Return the history of the bundled weights that a recipe begins with, or None."""
    weights = registry.entry(recipe.model).weights.get(recipe.model_options.get("weights"))  # type: ignore[arg-type]
    return None if weights is None else of_card(weights.card)
