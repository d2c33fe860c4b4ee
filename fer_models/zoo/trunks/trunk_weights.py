"""The pre-trained trunks by name, and the reading of their weights, which have PyTorch's names."""

from collections.abc import Iterator
from pathlib import Path

import keras

from fer_data import arguments
from fer_data.file_limits import UnreadableError
from fer_data.npz import read_npz
from fer_models.zoo.trunks import dlib_resnet, efficientnet_lite, mobilenet_faceres
from fer_models.zoo.trunks.trunk import Trunk

TRUNKS = {
    each.name: each
    for each in (mobilenet_faceres.TRUNK, dlib_resnet.TRUNK, *efficientnet_lite.TRUNKS)
}
# Our variables of a batch norm by PyTorch's names.
NORM = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}


@arguments.checked(name=arguments.text)
def about(name: str) -> Trunk:
    """Return the facts about a trunk.

    Args:
        name: A key of `TRUNKS`, such as `"dlib"`.

    Returns:
        A `Trunk`: network, source of its weights, terms, sizes.

    Raises:
        ValueError: If there is no trunk of that name.

    Example:

    >>> about("faceres").network
    'MobileNet v1'
    """
    if name not in TRUNKS:
        raise ValueError(f"`trunk` must be one of {sorted(TRUNKS)}. Received: trunk={name!r}")
    return TRUNKS[name]


@arguments.checked(name=arguments.text, path=arguments.path)
def read_trunk(model: keras.Model, name: str, path: str | Path) -> None:
    """Give a model with the layers of a trunk the trunk's weights from a file.

    Args:
        model: A model that contains the layers of the trunk, under their names.
        name: Name of the trunk, a key of `TRUNKS`.
        path: The file that the trunk's source has: `faceres-deep.json` of TensorFlow.js, beside
            its `.bin`; dlib's `.dat`; the `.pth` of EfficientNet-Lite, which needs PyTorch. Or an
            `.npz` file with the names and layouts of PyTorch; arrays whose name begins with `_note`
            name its origin, and are not read.

    Raises:
        ValueError: If the path names no file, or one of another format; if it is damaged; if arrays
            are missing, surplus or of another shape. The message lists them all, and the model
            stays as it was.

    Example:

    ```python
    model = fer_models.pretrained_classifier(trunk="dlib")
    read_trunk(model, "dlib", "dlib.npz")
    ```
    """
    known, path = about(name), Path(path)
    if not path.is_file():
        raise ValueError(f"`trunk_weights` must name a file. Received: {str(path)!r}")
    arrays = _arrays(path, known)
    found, wrong = [], []
    for key, variable in _variables(model, known):
        if key not in arrays:
            wrong.append(f"{key} is missing")
            continue
        array = _turned(arrays.pop(key), variable)
        if array.shape != tuple(variable.shape):
            wrong.append(f"{key} has the shape {array.shape}, not {tuple(variable.shape)}")
        found.append((variable, array))
    wrong += [f"{key} is surplus" for key in arrays]
    if wrong:
        raise ValueError(
            f"`trunk_weights` must hold the weights of {known.network} ({name!r}). Received: "
            f"{str(path)!r}, where {'; '.join(wrong)}"
        )
    for variable, array in found:
        variable.assign(array)


def _arrays(path, known):
    """Return the arrays of a file by PyTorch's names."""
    if path.suffix.lower() == known.suffix:
        return known.read(path)
    if path.suffix.lower() != ".npz":
        raise ValueError(
            f"`trunk_weights` of {known.name!r} must be a {known.suffix} file of {known.source}, "
            f"or an .npz file. Received: {str(path)!r}"
        )
    try:
        found = read_npz(path)
    except UnreadableError as error:
        raise ValueError(
            f"`trunk_weights` must be a whole .npz file. Received: {str(path)!r} ({error})"
        ) from error
    return {key: array for key, array in found.items() if not key.startswith("_note")}


def _variables(model: keras.Model, known: Trunk) -> Iterator[tuple[str, keras.Variable]]:
    """Yield the name in the file and the variable of everything that a trunk has learned."""
    for module, name in known.names():
        layer = model.get_layer(name)
        if isinstance(layer, keras.layers.BatchNormalization):
            for theirs, ours in NORM.items():
                yield f"{module}.{theirs}", getattr(layer, ours)
        else:
            yield f"{module}.weight", layer.kernel


def _turned(array, variable):
    """Return an array in our order of axes, as float32."""
    array = array.astype("float32")
    if array.ndim != 4:
        return array
    # (channels, 1, rows, columns) of a depthwise convolution, else (out, in, rows, columns).
    depthwise = array.shape[1] == 1 and variable.shape[-1] == 1
    return array.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
