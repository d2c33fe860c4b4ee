"""The origin of a model in words, for the head of a report."""

import hashlib
import os
from pathlib import Path

from fer_models.zoo import bundled, hub_models


def origin(source: str | os.PathLike[str]) -> dict[str, str]:
    """Return facts about the weights of a model, as lines for people to read.

    Args:
        source: `"ghostface:fer2013"`, the path of a `.keras` file, or `"hf://NAMESPACE/MODEL"`,
            perhaps with `@REVISION`.

    Returns:
        Text by heading: for bundled weights their hash, training, licence and uses to avoid; for a
        file its hash; for a repository of the Hub its commit.

    Example:

    >>> sorted(origin("ghostface:ferplus"))
    ['Licence', 'Not for', 'Training', 'Weights']
    """
    name, tag = bundled.split(os.fspath(source))
    known = bundled.all_weights().get(f"{name}:{tag}")
    if hub_models.names_repository(source):
        commit = hub_models.fetched(os.fspath(source)).name
        return {"Repository": f"{os.fspath(source).removesuffix(f'@{commit}')}, commit {commit}"}
    if known is None:
        with open(source, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"File": f"{Path(source).name}, SHA-256 {digest}"}
    return {
        "Weights": f"{name}, {tag}; SHA-256 {known.sha256}",
        "Training": f"{known.card['split']}; the {known.card['epoch']} epoch",
        "Licence": known.licence,
        "Not for": known.card["not_for"],
    }
