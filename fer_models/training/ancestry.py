"""Say from which pre-trained trunks a network descends, whose terms its card must give."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fer_models.training import runs
from fer_models.zoo import bundled, trunks
from fer_models.zoo.model_files import names_file


def of_options(model: str, options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the trunks from which a network descends when it is built, and not yet trained.

    Args:
        model: Its name in the registry.
        options: The arguments of its builder.

    Returns:
        Names of trunks, sorted: that of its own trunk, where it is given weights, and those of the
        `.keras` file or the bundled weights that it begins with.

    Example:

    >>> of_options("pretrained_classifier", {"trunk": "dlib", "trunk_weights": "dlib.npz"})
    ('dlib',)
    >>> of_options("ghostface", {"weights": "fer2013"})
    ()
    """
    found = set()
    if options.get("trunk_weights") is not None:
        found.add(options.get("trunk") or "faceres")
    weights = options.get("weights")
    if weights is not None:
        found.update(of_weights(weights, model))
    return tuple(sorted(found))


def of_record(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the trunks from which the network of a run descends.

    Args:
        record: Content of the run's `run.json`.
    """
    if "ancestry" in record:
        return tuple(record["ancestry"])
    # A record of before it was noted.
    recipe = record.get("recipe", {})
    found = set(of_options(recipe.get("model", ""), recipe.get("model_options", {})))
    return tuple(sorted(found.union(*map(of_weights, record["settings"].get("teacher") or ()))))


def of_weights(
    source: str | os.PathLike[str], model: str = bundled.DEFAULT_MODEL
) -> tuple[str, ...]:
    """Return the trunks from which trained weights descend.

    Args:
        source: A `.keras` file, of which nothing is known where it does not lie beside the
            `run.json` of its training; or bundled weights, as for `fer_models.load_model`.
        model: Name of the model to which a tag alone belongs. A tag that the default model does not
            have, and one other model has, is that one's.

    Example:

    >>> of_weights("ghostface:ferplus")
    ('faceres',)
    """
    record = Path(source).parent / runs.RECORD
    if names_file(source):
        return of_record(runs.read(record)) if record.is_file() else ()
    known = bundled.all_weights().get(":".join(bundled.split(os.fspath(source), model)))
    return () if known is None else tuple(known.card.get("ancestry", ()))


def terms(names: Iterable[str]) -> str:
    """Return a card's description of the trunks from which a network descends.

    Args:
        names: Names of trunks.

    Returns:
        Sentences; none without names.

    Example:

    >>> print(terms(["dlib"]).partition(".")[0])
    It descends from dlib (dlib's ResNet of 29 convolutions)
    """
    sentences = []
    for known in map(trunks.about, names):
        sentences.append(
            f"It descends from {known.name} ({known.network}). That was trained on "
            f"{known.trained_on}. Its weights: {known.licence} Use in a product that is sold: "
            f"{known.commercial}"
        )
    return " ".join(sentences)
