"""Where a model comes from, in words: for the head of a report."""

import hashlib
import os
from pathlib import Path

from fer_models.zoo import bundled


def origin(source: str | os.PathLike[str]) -> dict[str, str]:
    """Return what is known of the weights of a model, as lines for people to read.

    Args:
        source: `"ghostface:fer2013"` or the path of a `.keras` file.

    Returns:
        Text by heading: of bundled weights their hash, training, licence and what they are not
        for; of a file its hash.

    Example:

    >>> sorted(origin("ghostface:ferplus"))
    ['Licence', 'Not for', 'Training', 'Weights']
    """
    name, tag = bundled.split(os.fspath(source))
    known = bundled.all_weights().get(f"{name}:{tag}")
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
