"""One way to name a trained model: bundled weights, a file, or the model itself."""

import os
from pathlib import Path

import keras

from fer_models.zoo import class_names, registry

DEFAULT_MODEL = "ghostface"


def load_model(
    source: str | os.PathLike[str] | keras.Model, model: str = DEFAULT_MODEL
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
    path = Path(source)
    if path.suffix == ".keras":
        if not path.is_file():
            raise FileNotFoundError(f"There is no model at {str(path)!r}.")
        return keras.saving.load_model(path, compile=False), class_names.read(path)
    name, tag = _split(os.fspath(source), model)
    known = registry.entry(name).weights
    if tag in known:
        return registry.entry(name).builder(weights=tag), known[tag].class_names
    if path.suffix or path.exists():
        raise ValueError(
            "`source` must be a file of a whole model, ending in .keras; for a file of bare "
            "weights build the model, load them, and pass the model. "
            f"Received: source={str(source)!r}"
        )
    raise ValueError(
        f"`source` must be bundled weights (one of {bundled_names()}), the path of a .keras file, "
        f"or a keras.Model. Received: source={str(source)!r}"
    )


def bundled_names() -> list[str]:
    """Return the bundled weights as `load_model` takes them.

    Example:

    >>> bundled_names()
    ['ghostface:fer2013', 'ghostface:ferplus']
    """
    models = registry.MODELS | registry.CLIP_MODELS
    return [f"{name}:{tag}" for name, entry in models.items() for tag in entry.weights]


def _split(source, model):
    """Return name and tag of `"name:tag"` or `"tag"`."""
    name, colon, tag = source.partition(":")
    known = registry.MODELS.keys() | registry.CLIP_MODELS.keys()
    return (name, tag) if colon and name in known else (model, source)
