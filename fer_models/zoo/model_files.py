"""The kind of a model file, told by its content before Keras is imported."""

import os
import zipfile
from pathlib import Path

WHOLE_MODEL = (".keras", ".h5", ".hdf5")

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
_POINTER = b"version https://git-lfs"


def names_file(source: str | os.PathLike[str]) -> bool:
    """Return whether the words can only be the name of a file, by their ending.

    Example:

    >>> names_file("mine/best.KERAS"), names_file("ghostface:fer2013")
    (True, False)
    """
    return Path(source).suffix.lower() in WHOLE_MODEL


def check_whole_model(path: Path) -> None:
    """Check that a file holds a whole model that Keras can load.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: If there is no file of that name.
        ValueError: If it is something else. The message names that, and the remedy.
    """
    if not path.exists():
        raise FileNotFoundError(f"There is no model at {str(path)!r}.")
    wrong = _wrong(path)
    if wrong is not None:
        raise ValueError(
            "A model must be a file of a whole model, as `model.save` writes it, ending in .keras, "
            f".h5 or .hdf5. Received: {str(path)!r}, {wrong}"
        )


def is_hdf5(path: Path) -> bool:
    """Return whether a file is HDF5, by its first bytes."""
    with path.open("rb") as file:
        return file.read(len(_HDF5)) == _HDF5


def _wrong(path):
    """Return what a file is and what to do, None where it is a whole model."""
    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            return "a SavedModel. `fer_models.export.load` runs it"
        return "a folder"
    if not path.is_file():
        return "no regular file"
    with path.open("rb") as file:
        start = file.read(512)
    if not start:
        return "an empty file of 0 bytes. Write or copy it again"
    if start.startswith(_POINTER):
        return "a Git LFS pointer and not the file itself. Run `git lfs pull` in its repository"
    if start.startswith(_HDF5):
        return _wrong_hdf5(path)
    if start.startswith(_ZIP):
        return _wrong_zip(path)
    if start[4:8] == b"TFL3":
        return "a LiteRT network. `fer_models.export.load` runs it"
    if path.suffix.lower() == ".onnx":
        return "an ONNX network. `fer_models.export.load` runs it"
    if start.startswith(b"\x80") and path.suffix.lower() in (".pt", ".pth", ".pkl", ".bin"):
        return _PYTORCH
    if start.lstrip()[:9].lower().startswith((b"<!doctype", b"<html")):
        return "a web page, as a download that failed leaves it. Download the file again"
    return f"a file of another format, which starts with {start[:8]!r}"


_PYTORCH = "a PyTorch checkpoint. Build the model and give both to `fer_models.load_torch_weights`"


def _wrong_zip(path):
    if not zipfile.is_zipfile(path):
        return "a damaged .keras file, its end is missing. Write or copy it again"
    needed = {"config.json", "model.weights.h5"}
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            for name in needed & set(names):
                # Reads the head of the member, which a cut or overwritten file lacks.
                archive.open(name).close()
    except (zipfile.BadZipFile, OSError) as error:
        return f"a damaged .keras file ({error}). Write or copy it again"
    if needed <= set(names):
        return None
    if any(name.endswith("data.pkl") for name in names):
        return _PYTORCH
    if names and all(name.endswith(".npy") for name in names):
        return "arrays (.npz) and no model"
    return "a zip archive without config.json and model.weights.h5, which a .keras file has"


def _wrong_hdf5(path):
    import h5py

    try:
        with h5py.File(path) as file:
            if "model_config" in file.attrs:
                return None
            weights = "layers" in file or "layer_names" in file.attrs
    except OSError as error:
        return f"a damaged HDF5 file ({error}). Write or copy it again"
    if weights:
        return "a file of bare weights. Build the model, `load_weights` of it, and pass the model"
    return "an HDF5 file without a model"
