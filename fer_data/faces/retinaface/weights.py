"""The public weights of RetinaFace MobileNet-0.25, a Keras 2 h5 file, into our network."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fer_data.faces.downloads import weights_file
from fer_data.faces.retinaface.anchors import STRIDES
from fer_data.faces.retinaface.network import BLOCKS, BRANCHES

if TYPE_CHECKING:
    import keras

# github.com/bubbliiiing/retinaface-tf2, MIT licence.
FILE_NAME = "retinaface_mobilenet025.h5"
URL = (
    "https://raw.githubusercontent.com/bubbliiiing/retinaface-tf2/"
    "5f7b90285f4671d07f054e25dcf4cdc08cde7ee9/model_data/retinaface_mobilenet025.h5"
)
SHA256 = "092ba09bdb15fbd687ac8fdb1dbdaa756bcbbd830370d479d90f83b5f6fdd58e"

_BACKBONE = ["conv1"]
_BACKBONE += [
    f"conv_{kind}_{block}" for block in range(1, len(BLOCKS) + 1) for kind in ("dw", "pw")
]
# The file's layers that got their names by hand, and ours.
NAMED = {
    "C3_reduced": "lateral_8",
    "C4_reduced": "lateral_16",
    "C5_reduced": "lateral_32",
    "Conv_P4_merged": "merge_16",
    "Conv_P3_merged": "merge_8",
    **{name: name for base in _BACKBONE for name in (base, f"{base}_bn")},
}
# Those that Keras named, in the order in which they were made.
_CONTEXT = [f"context_{stride}_{branch}" for stride in STRIDES for branch in BRANCHES]
AUTOMATIC = {
    "conv2d": _CONTEXT
    + [f"{head}_{stride}" for head in ("boxes", "scores", "points") for stride in STRIDES],
    "batch_normalization": [
        f"{name}_norm"
        for name in ("lateral_8", "lateral_16", "lateral_32", "merge_16", "merge_8", *_CONTEXT)
    ],
}


def find_weights(path: str | os.PathLike[str] | None = None) -> Path:
    """Return the path of the weights file, the public one fetched where `path` is None.

    Raises:
        FileNotFoundError: If there is no file at `path`.
        OSError: If the public file cannot be fetched, or is not the one expected.
    """
    return weights_file(path, FILE_NAME, URL, SHA256)


def load_weights(model: "keras.Model", path: str | os.PathLike[str]) -> None:
    """Fill a network of `retinaface_mobilenet025` from a Keras 2 h5 file.

    Layers that Keras named (`conv2d`, `conv2d_1`, ...) are sorted naturally and taken in order,
    since their numbers depend on what else was built in the process that wrote the file.

    Args:
        model: The network.
        path: The file's name.

    Raises:
        ValueError: If the file is not an h5 file, or lacks a layer, or holds one too many, or holds
            an array of another shape or with a number that is not finite. The message names file
            and layer, and the network is left as it was.

    Example:

    >>> from fer_data.faces.retinaface.network import retinaface_mobilenet025
    >>> model = retinaface_mobilenet025()
    >>> load_weights(model, find_weights())  # doctest: +SKIP
    """
    stored = _read(path)
    names = _our_names(path, stored)
    _assign_all(model, path, {names[theirs]: (theirs, stored[theirs]) for theirs in stored})


def _refuse(path, what, cause=None):
    raise ValueError(
        f"`weights` must be an h5 file with the layers of RetinaFace MobileNet-0.25. "
        f"Received: {str(path)!r}, {what}"
    ) from cause


def _read(path):
    """Return `{layer: {variable: array}}`, of the layers that have variables."""
    import h5py

    stored = {}

    def keep(name, item):
        if isinstance(item, h5py.Dataset):
            layer, variable = name.split("/")[0], name.split("/")[-1]
            variable = variable.removesuffix(":0").removeprefix("depthwise_")
            stored.setdefault(layer, {})[variable] = item[()]

    try:
        with h5py.File(path) as file:
            file.visititems(keep)
    except (OSError, RuntimeError, KeyError) as error:  # all three are h5py's for a damaged file
        _refuse(path, f"which cannot be read: {error}", error)
    return stored


def _our_names(path, stored):
    """Return `{the file's layer: ours}`, or refuse the file."""
    names = {theirs: ours for theirs, ours in NAMED.items() if theirs in stored}
    missing = [theirs for theirs in NAMED if theirs not in stored]
    for base, ours in AUTOMATIC.items():
        theirs = [name for name in stored if re.fullmatch(rf"{base}(_\d+)?", name)]
        theirs.sort(key=lambda name: int(name[len(base) + 1 :] or 0))
        if len(theirs) < len(ours):
            missing.append(f"{base} number {len(theirs) + 1} of {len(ours)}")
        names.update(zip(theirs, ours, strict=False))
    if missing:
        _refuse(path, f"which lacks the layer {missing[0]!r} ({len(missing)} in all)")
    unknown = [theirs for theirs in stored if theirs not in names]
    if unknown:
        _refuse(path, f"which has a layer {unknown[0]!r} too many ({len(unknown)} in all)")
    return names


def _assign_all(model, path, stored):
    pairs = []
    for layer in model.layers:
        if not layer.weights:
            continue
        theirs, arrays = stored[layer.name]
        if sorted(arrays) != sorted(variable.name for variable in layer.weights):
            expected = [variable.name for variable in layer.weights]
            _refuse(path, f"whose layer {theirs!r} has {sorted(arrays)}, not {sorted(expected)}")
        for variable in layer.weights:
            array = arrays[variable.name]
            if array.shape != tuple(variable.shape):
                _refuse(
                    path,
                    f"whose layer {theirs!r} has {variable.name} of shape {array.shape}, "
                    f"not {tuple(variable.shape)}",
                )
            if array.dtype.kind != "f" or not np.isfinite(array).all():
                _refuse(
                    path,
                    f"whose layer {theirs!r} has no finite numbers in {variable.name}",
                )
            pairs.append((variable, array))
    for variable, array in pairs:
        variable.assign(array)
