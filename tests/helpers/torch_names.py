"""From the parameter names of the authors' PyTorch modules to the weights of our layers."""

from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parents[1] / "data"


def reference(name):
    """Return `(weights, input, output)` of a reference file, the pictures channels last."""
    with np.load(DATA / f"{name}.npz") as archive:
        weights = {
            key.removeprefix("weights/"): archive[key]
            for key in archive.files
            if key.startswith("weights/")
        }
        inputs, outputs = archive["input_nchw"], archive["output"]
    return weights, np.moveaxis(inputs, 1, -1), np.moveaxis(outputs, 1, -1)


def load(layer, weights, names, turned=()):
    """Assign PyTorch parameters to the weights of a built layer, each exactly once.

    Args:
        layer: The built layer.
        weights: Dictionary of PyTorch name to array.
        names: Dictionary of our path, as `"primary/conv"`, to the PyTorch prefix,
            as `"primary_conv.0"`.
        turned: Our paths whose kernel has rows and columns the other way round.

    Raises:
        AssertionError: If a weight on either side has no partner or another shape.
    """
    root = f"{layer.name}/"
    left = dict(weights)
    for weight in layer.weights:
        owner, _, kind = weight.path.removeprefix(root).rpartition("/")
        assert owner in names, f"no PyTorch name for {weight.path}"
        key = f"{names[owner]}.{SUFFIXES[kind]}"
        assert key in left, f"{weight.path} wants {key}, which is not there or taken"
        value = _converted(left.pop(key), kind, weight.shape)
        if owner in turned and kind == "kernel":
            value = value.swapaxes(0, 1)
        assert value.shape == tuple(weight.shape), (weight.path, value.shape, weight.shape)
        weight.assign(value)
    assert not left, f"PyTorch parameters without a weight of ours: {sorted(left)}"


SUFFIXES = {
    "kernel": "weight",
    "depthwise_kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def _converted(value, kind, shape):
    if kind == "kernel" and value.ndim == 2:
        return value.T
    if kind == "kernel" and value.ndim == 4:
        return value.transpose(2, 3, 1, 0).reshape(shape)
    if kind == "depthwise_kernel":
        # PyTorch stacks the multiplier's filters of a channel along its outputs.
        side, _, channels, multiplier = shape
        return value.reshape(channels, multiplier, side, side).transpose(2, 3, 0, 1)
    return value
