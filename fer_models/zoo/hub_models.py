"""Models in repositories of the Hugging Face Hub, by names such as `hf://NAMESPACE/MODEL`.

`hf://NAMESPACE/MODEL@REVISION` names a branch, a tag or a commit of the repository.
"""

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
        source: `hf://NAMESPACE/MODEL`, the newest commit, or `hf://NAMESPACE/MODEL@REVISION`.

    Raises:
        ImportError: If `huggingface_hub` is not installed, or nothing that could load the model is.
        OSError: If there is no such repository or revision, or the Hub does not give it;
            `huggingface_hub`'s own error.
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
    name, revision = _parts(source)
    folder = Path(snapshot_download(name, revision=revision, allow_patterns=list(_WANTED)))
    missing = [each for each in (CONFIG, WEIGHTS) if not (folder / each).is_file()]
    if missing:
        raise ValueError(
            "A repository of the Hugging Face Hub must hold a model as `model.save` of Keras puts "
            f"it there. Received: {source!r}, without {' and '.join(missing)}"
        )
    return folder


def pinned(source: str) -> str:
    """Return a source with the commit that it means now, so that later it means the same.

    Args:
        source: As for `fer_models.load_model`. One of the Hub is downloaded.

    Returns:
        `hf://NAMESPACE/MODEL@COMMIT` for a repository of the Hub, else the source as it is.

    Raises:
        ImportError: As `fetched`.
        OSError: Likewise.
        ValueError: Likewise.

    Example:

    >>> pinned("ghostface:ferplus")
    'ghostface:ferplus'
    """
    if not names_repository(source):
        return source
    return f"{PREFIX}{_parts(source)[0]}@{fetched(source).name}"


def _parts(source):
    """Return the name of a repository and the revision, None where none is given."""
    name, at, revision = source.removeprefix(PREFIX).partition("@")
    if not all(name.partition("/")) or name.count("/") != 1 or (at and not revision):
        raise ValueError(
            f"A repository of the Hugging Face Hub must be written {PREFIX}NAMESPACE/MODEL or "
            f"{PREFIX}NAMESPACE/MODEL@REVISION. Received: {source!r}"
        )
    return name, revision or None
