"""The digest by which two expression models are told apart."""

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from fer_data import arguments
from fer_models.zoo import bundled, hub_models

if TYPE_CHECKING:
    import keras


@arguments.checked(
    weights=arguments.either(
        arguments.path,
        arguments.with_method("get_config", ""),
        rule="bundled weights such as 'ghostface:fer2013', the path of a file, or a keras.Model",
    )
)
def model_digest(weights: "str | os.PathLike[str] | keras.Model") -> str:
    """Return a SHA-256 of a model: whatever changes its answers changes it.

    Names do not tell models apart: a file may be trained anew under its name. Keras is not
    imported.

    Args:
        weights: As for `fer_models.load_model`. Bundled weights and a `.keras` file have the
            SHA-256 of their file, a `keras.Model` and a repository of the Hub that of their layers
            and weights.

    Returns:
        64 hexadecimal digits.

    Raises:
        FileNotFoundError: If there is no file at the path.
        ValueError: If there are no bundled weights of that name.

    Example:

    >>> model_digest("fer2013") == model_digest("ghostface:fer2013")
    True
    """
    if not isinstance(weights, (str, os.PathLike)):
        config = json.dumps(weights.get_config(), sort_keys=True, default=str)
        found = hashlib.sha256(config.encode())
        for weight in weights.get_weights():
            found.update(weight.tobytes())
        return found.hexdigest()
    source = bundled.located(weights)
    if not isinstance(source, Path):
        return bundled.weights(*source).sha256
    if source.is_dir():
        found = hashlib.sha256()
        for name in (hub_models.CONFIG, hub_models.WEIGHTS):
            found.update((source / name).read_bytes())
        return found.hexdigest()
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
