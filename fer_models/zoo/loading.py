"""Trained models by name: bundled weights, a file, or the model itself."""

import os
import shutil
import tempfile
from pathlib import Path

import keras

from fer_models.zoo import bundled, class_names, registry
from fer_models.zoo.model_files import is_hdf5


def load_model(
    source: str | os.PathLike[str] | keras.Model, model: str = bundled.DEFAULT_MODEL
) -> tuple[keras.Model, tuple[str, ...] | None]:
    """Return a trained model and the names of its classes.

    Args:
        source: `"ghostface:fer2013"` (a model of the registry and a tag of its bundled weights),
            `"fer2013"` (a tag alone, of `model`), the path of a file with a whole model, `.keras`
            or Keras's older `.h5` and `.hdf5`, `"hf://NAMESPACE/MODEL"`, a repository of the
            Hugging Face Hub (extra `hub`; with `@REVISION` one of its tags, branches or commits),
            or a `keras.Model`, which is returned as it is.
        model: Name of the model that a tag alone belongs to. If the default model does not have the
            tag and only one other model has it, that model is taken.

    Returns:
        `(model, class_names)`. The names come from the registry for bundled weights, and from the
        file or the repository if training wrote them there. None if they are unknown.

    Raises:
        FileNotFoundError: If there is no file at the path.
        ImportError: If `huggingface_hub` is needed and not installed.
        OSError: If there is no such repository, or the Hub does not give it.
        ValueError: If model or tag is unknown, or the file does not hold a whole model, but bare
            weights, nothing or a Git LFS pointer, for example; the message says which.

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
        return _read(found), class_names.read(found)
    name, tag = found
    entry = registry.entry(name)
    weights = entry.weights[tag]
    classes = len(weights.class_names)
    return entry.builder(weights=tag, classes=classes, **weights.options), weights.class_names


def _read(path):
    if path.is_dir():
        return keras.saving.load_model(path, compile=False)
    ending = ".h5" if is_hdf5(path) else ".keras"
    if path.suffix == ending:
        return keras.saving.load_model(path, compile=False)
    # Keras goes by the ending, in small letters.
    with tempfile.TemporaryDirectory() as folder:
        renamed = Path(folder, f"model{ending}")
        shutil.copyfile(path, renamed)
        return keras.saving.load_model(renamed, compile=False)
