"""Weights files of detectors: the user's own, or a public one that is checked by its SHA-256."""

import os
from pathlib import Path


def weights_file(
    path: str | os.PathLike[str] | None, file_name: str, url: str, sha256: str
) -> Path:
    """Return the path of a weights file, fetched once and kept where Keras keeps its files.

    Args:
        path: The user's own file, or `None` for the public one. It may hold other weights than the
            public one, so it only has to exist.
        file_name: Name to keep the public file under, in `~/.keras/models` (or in the folder that
            the environment variable `KERAS_HOME` names).
        url: Its public address.
        sha256: Its SHA-256, in hexadecimal digits.

    Returns:
        A `pathlib.Path`.

    Raises:
        FileNotFoundError: If there is no file at `path`.
        OSError: If the public file cannot be fetched, or is not the one expected.
    """
    if path is not None:
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(
                f"`weights` must be the path of a weights file. There is none at {str(path)!r}."
            )
        return path

    from keras.utils import get_file

    try:
        fetched = get_file(
            file_name, url, file_hash=sha256, hash_algorithm="sha256", cache_subdir="models"
        )
    except Exception as error:  # Keras raises `Exception` itself if an address does not answer
        raise OSError(
            f"The weights {file_name!r} could not be fetched from {url} ({error}). Fetch the file "
            f"by hand, on this machine or another, check that its SHA-256 is {sha256}, and give "
            "its path: `weights=PATH`."
        ) from error
    return Path(fetched)
