"""Models in repositories of the Hugging Face Hub, by names such as `hf://NAMESPACE/MODEL`."""

import os
from pathlib import Path

from fer_data.whole import how_to_install, needs_whole
from fer_models.zoo.class_names import MEMBER

PREFIX = "hf://"
# The members of a `.keras` file, which Keras puts into a repository one by one.
CONFIG, WEIGHTS = "config.json", "model.weights.h5"
# All else in a repository, such as pictures and copies in other formats, stays there.
_WANTED = (CONFIG, WEIGHTS, "metadata.json", "assets/*", MEMBER)


def names_repository(source: str | os.PathLike[str]) -> bool:
    """Return whether a source names a repository of the Hub.

    Example:

    >>> names_repository("hf://somebody/smiles"), names_repository("smiles.keras")
    (True, False)
    """
    return isinstance(source, str) and source.startswith(PREFIX)


def fetched(source: str) -> Path:
    """Return the folder of a repository's model, which `huggingface_hub` downloads and keeps.

    Where the Hub is out of reach, what was downloaded before is taken. The folder's name is the
    commit.

    Args:
        source: `hf://NAMESPACE/MODEL`.

    Raises:
        ImportError: If `huggingface_hub` is not installed, or nothing that could load the model is.
        OSError: If there is no such repository, or the Hub does not give it; `huggingface_hub`'s
            own error.
        ValueError: If the name is not written so, or the repository holds no model that Keras
            saved there.
    """
    with needs_whole(f"The network {source!r}"):
        import keras  # noqa: F401
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise ImportError(
            f"huggingface_hub cannot be imported ({error}). {how_to_install('hub')}"
        ) from error
    name = source.removeprefix(PREFIX)
    if not all(name.partition("/")) or name.count("/") != 1:
        raise ValueError(
            f"A repository of the Hugging Face Hub must be written {PREFIX}NAMESPACE/MODEL. "
            f"Received: {source!r}"
        )
    folder = Path(snapshot_download(name, allow_patterns=list(_WANTED)))
    missing = [each for each in (CONFIG, WEIGHTS) if not (folder / each).is_file()]
    if missing:
        raise ValueError(
            "A repository of the Hugging Face Hub must hold a model as `model.save` of Keras puts "
            f"it there. Received: {source!r}, without {' and '.join(missing)}"
        )
    return folder
