"""One way to name a trained model: bundled weights, a file, or the model itself."""

import os
from pathlib import Path

import keras

from fer_models.zoo import bundled, class_names, registry


def load_model(
    source: str | os.PathLike[str] | keras.Model, model: str = bundled.DEFAULT_MODEL
) -> tuple[keras.Model, tuple[str, ...] | None]:
    """Return a trained model and the names of its classes.

    Args:
        source: `"ghostface:fer2013"` (a model of the registry and a tag of its bundled weights),
            `"fer2013"` (a tag alone, of `model`), the path of a `.keras` file with a whole model,
            or a `keras.Model`, which is returned as it is.
        model: Name of the model to which a tag alone belongs.

    Returns:
        `(model, class_names)`. The names come from the registry for bundled weights, and from the
        file where training wrote them into it. None where nothing says them.

    Raises:
        FileNotFoundError: If there is no file at the path.
        ValueError: If model or tag is unknown, or the file does not hold a whole model.

    Example:

    >>> import fer_models
    >>> model, names = fer_models.load_model("ghostface:ferplus")
    >>> model.output_shape, names[3]
    ((None, 7), 'happy')
    """
    if isinstance(source, keras.Model):
        return source, None
    if not isinstance(source, (str, os.PathLike)):
        raise ValueError(
            "`source` must be bundled weights such as 'ghostface:fer2013', the path of a .keras "
            f"file, or a keras.Model. Received: source={source!r}"
        )
    found = bundled.located(source, model)
    if isinstance(found, Path):
        return keras.saving.load_model(found, compile=False), class_names.read(found)
    name, tag = found
    entry = registry.entry(name)
    return entry.builder(weights=tag), entry.weights[tag].class_names
