"""Loading of the authors' PyTorch checkpoints into our layers and models."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fer_models.zoo.torch_names import parameters

# Before this release a file could run code in spite of weights_only=True (CVE-2025-32434).
TORCH = (2, 6)
VARIANCE = "running_var"
# Objects that the authors' training scripts pickle beside the weights: a record of the curves, and
# its arrays. A placeholder replaces them, so that no code of the file runs.
BESIDE_THE_WEIGHTS = (
    "__main__.RecorderMeter",
    "_codecs.encode",
    "numpy.dtype",
    "numpy.ndarray",
    *(
        f"numpy.{core}.multiarray.{name}"
        for core in ("core", "_core")
        for name in ("_reconstruct", "scalar")
    ),
)


def load_torch_weights(target: keras.Layer, state_dict: Mapping[str, Any] | str | Path) -> None:
    """Load the parameters of the authors' PyTorch module into our layer or model.

    The names are those of the authors' modules, as `model.state_dict()` gives them. Kernels are
    turned to Keras's order of axes. Everything is checked before the first weight changes.

    The prefix `module.` of data-parallel training is taken off where every name has it. The entries
    `num_batches_tracked` of batch normalisation are ignored: they count training steps and are not
    weights.

    `target` may have any dtype policy and data format. A model of `fer_models.efficientface` may
    have any input size and `stem_strides`, and needs `include_preprocessing=False` where images
    are normalised as its authors do. If the model has 1 channel or other classes than the
    checkpoint, the first or last arrays do not fit; if it has no top, those named `fc` are surplus.

    Args:
        target: A built `TripletAttention`, `CBAM`, `GhostModule`, `GhostBottleneck` (without
            attention or with `"squeeze_excite"`), `ChannelSpatialModulator`, or a model of
            `fer_models.efficientface`.
        state_dict: Dictionary from the authors' names to NumPy arrays or PyTorch tensors (on any
            device), or a dictionary that has one as its entry `"state_dict"`, or the path
            (string or `pathlib.Path`) of a `.pth`, `.pth.tar` or `.pt` file of either. A file is
            read by `torch.load(path, map_location="cpu", weights_only=True)`, which runs no code
            from it; this needs PyTorch 2.6 or later.

    Raises:
        ValueError: If `target` is none of these, is not built, or has weights of other modules; if
            names are missing or surplus, shapes differ, or values are not finite (one message lists
            them all, and `target` stays as it was); if the path names no file, or a file that is
            damaged or holds other objects than tensors.
        ImportError: If `state_dict` is a path and PyTorch is missing or too old.

    Example:

    >>> import numpy as np
    >>> import fer_models
    >>> from fer_layers import GhostModule
    >>> module = GhostModule(8, ratio=1)
    >>> module.build((None, 16, 16, 4))
    >>> norm = ("weight", "bias", "running_mean", "running_var")
    >>> state = {f"primary_conv.1.{name}": np.ones(8) for name in norm}
    >>> state["primary_conv.0.weight"] = np.ones((8, 4, 1, 1))
    >>> fer_models.load_torch_weights(module, state)
    >>> module(np.ones((1, 16, 16, 4))).shape
    TensorShape([1, 16, 16, 8])

    Reference:
        The names are those of the modules published with Misra et al., WACV 2021 (triplet
        attention), Woo et al., ECCV 2018 (CBAM), Han et al., CVPR 2020 (GhostNet), and Zhao et
        al., AAAI 2021 (EfficientFace).
    """
    wanted = parameters(target)
    given = _names(_mapping(state_dict))
    # Step counts of batch norm: ours are not weights, and any other is surplus.
    variances = {p.key for p in wanted if p.key.endswith(VARIANCE)}
    for key in variances:
        given.pop(f"{key.removesuffix(VARIANCE)}num_batches_tracked", None)
    found = {}
    missing, misshapen, unusable = [], [], []
    for parameter in wanted:
        if parameter.key not in given:
            missing.append(f"{parameter.key}: shape {parameter.shape}")
            continue
        value = given.pop(parameter.key)
        array = _array(value)
        if array is None:
            unusable.append(f"{parameter.key}: {_description(value)}")
        elif array.shape != parameter.shape:
            misshapen.append(f"{parameter.key}: expected {parameter.shape}, received {array.shape}")
        elif parameter.key in variances and (array < 0).any():
            unusable.append(f"{parameter.key}: negative variances")
        elif not _fits(array, parameter.weight.dtype):
            unusable.append(f"{parameter.key}: values not finite in {parameter.weight.dtype}")
        else:
            # A copy, since a backend may keep the array that it is given (JAX does).
            dtype = "float64" if parameter.weight.dtype == "float64" else "float32"
            found[parameter.key] = parameter.convert(array).astype(dtype)
    problems = {
        "missing": missing,
        "surplus": list(given),
        "of another shape": misshapen,
        "of unusable values": unusable,
    }
    _refuse(target, problems)
    for parameter in wanted:
        parameter.weight.assign(found[parameter.key])


def read_checkpoint(path: str | Path) -> Mapping[str, Any]:
    """Return the tensors of a PyTorch checkpoint by their names, without running code from it.

    Args:
        path: Path of a `.pth`, `.pth.tar` or `.pt` file of a module's `state_dict()`, or of a
            dictionary that has one as its entry `"state_dict"`.

    Returns:
        Dictionary from names to PyTorch tensors on the processor, and to whatever else the file
        has at its top level.

    Raises:
        ValueError: If the path names no file, or a file that is damaged or holds other objects
            than tensors.
        ImportError: If PyTorch is missing or older than 2.6.

    Example:

    ```python
    kernel = read_checkpoint("efficientnet-lite0.pth")["_conv_stem.weight"].numpy()
    ```
    """
    return _mapping(path)


def _refuse(target, problems):
    lines = [
        f"{len(entries)} {problem}:\n" + "\n".join(f"    {entry}" for entry in sorted(entries))
        for problem, entries in problems.items()
        if entries
    ]
    if lines:
        raise ValueError(
            "`state_dict` must have exactly the parameters of the authors' module of `target`; "
            f"nothing was loaded. Received: target={type(target).__name__} {target.name!r} and a "
            "state_dict with entries\n" + "\n".join(lines)
        )


def _mapping(state_dict):
    source = f"state_dict of type {type(state_dict).__name__}"
    if isinstance(state_dict, (str, Path)):
        source = f"state_dict={str(state_dict)!r}"
        state_dict = _read(Path(state_dict), source)
    if isinstance(state_dict, Mapping) and isinstance(state_dict.get("state_dict"), Mapping):
        state_dict = state_dict["state_dict"]
    if not isinstance(state_dict, Mapping):
        raise ValueError(
            "`state_dict` must be a dictionary from names to arrays, as a PyTorch module's "
            f"`state_dict()` gives, or the path of a file of one. Received: {source}"
        )
    return state_dict


def _read(path, source):
    if not path.is_file():
        raise ValueError(f"`state_dict` names no file. Received: {source}")
    torch = _torch(source)
    allowed = [(_Placeholder, name) for name in BESIDE_THE_WEIGHTS]
    try:
        with torch.serialization.safe_globals(allowed):
            return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # a damaged pickle can raise anything
        other = re.search(r"GLOBAL (\S+)", str(error))
        if other is None:
            raise ValueError(
                f"`state_dict` names a file that is damaged or no PyTorch checkpoint. "
                f"Received: {source}"
            ) from error
        raise ValueError(
            "`state_dict` must name a file of tensors only (weights_only=True), since other "
            f"objects in it could run any code; this one holds {other[1]}. If you trust it, load "
            "it by PyTorch yourself and give the dictionary instead of the path. "
            f"Received: {source}"
        ) from error


def _torch(source):
    needs = ".".join(map(str, TORCH))
    advice = f"install it by `pip install 'torch>={needs}'`, or give a dictionary of arrays"
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            f"A PyTorch checkpoint is read by PyTorch, which cannot be imported here: {advice}. "
            f"Received: {source}"
        ) from error
    version = re.match(r"(\d+)\.(\d+)", torch.__version__)
    if tuple(map(int, version.groups())) < TORCH:
        raise ImportError(
            f"PyTorch {torch.__version__} is too old to read a checkpoint safely: {advice}. "
            f"Received: {source}"
        )
    return torch


class _Placeholder:
    """Replaces an object in a checkpoint that is not a weight."""

    def __init__(self, *args):
        pass

    def __setstate__(self, state):
        pass


def _names(state_dict):
    prefix = "module."
    keys = [str(key) for key in state_dict]
    cut = len(prefix) if all(key.startswith(prefix) for key in keys) else 0
    return {key[cut:]: value for key, value in zip(keys, state_dict.values(), strict=True)}


def _array(value):
    """Return `value` as an array of real numbers, or None if that is not possible."""
    try:
        if hasattr(value, "detach"):
            value = value.detach().cpu()
            # NumPy has no type for it.
            value = (value.float() if "bfloat16" in str(value.dtype) else value).numpy()
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError):
        return None
    if array.dtype.name == "bfloat16":
        return array.astype("float32")
    return array if array.dtype.kind in "fiu" else None


def _description(value):
    dtype = getattr(value, "dtype", None)
    return type(value).__name__ + (f" of {dtype}" if dtype is not None else "")


def _fits(array, dtype):
    limit = np.finfo(dtype if dtype in ("float16", "float64") else "float32").max
    return bool((np.abs(array.astype("float64")) <= limit).all())
