"""Makes an h5 file in the layout of the public RetinaFace weights, with random numbers."""

import h5py
import numpy as np

BLOCKS = (16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 256, 256)


def layout(first_number=0):
    """Return `{layer: {variable: shape}}` as Keras 2 wrote it.

    With a `first_number` above 0 the automatic names start there, as they do in a process that
    had built another model before.
    """
    layers, numbers = {}, {}

    def automatic(base):
        number = numbers.setdefault(base, first_number)
        numbers[base] += 1
        return f"{base}_{number}" if number else base

    def norm(name, width):
        variables = ("gamma", "beta", "moving_mean", "moving_variance")
        layers[name] = dict.fromkeys(variables, (width,))

    def conv(kernel, inputs, outputs, name=None, normed=True):
        name = name or automatic("conv2d")
        layers[name] = {"kernel": (kernel, kernel, inputs, outputs), "bias": (outputs,)}
        if normed:
            norm(automatic("batch_normalization"), outputs)

    layers["conv1"] = {"kernel": (3, 3, 3, 8)}
    norm("conv1_bn", 8)
    for block, (inputs, outputs) in enumerate(zip((8, *BLOCKS), BLOCKS, strict=False), 1):
        layers[f"conv_dw_{block}"] = {"depthwise_kernel": (3, 3, inputs, 1)}
        norm(f"conv_dw_{block}_bn", inputs)
        layers[f"conv_pw_{block}"] = {"kernel": (1, 1, inputs, outputs)}
        norm(f"conv_pw_{block}_bn", outputs)
    for name, inputs in (("C3_reduced", 64), ("C4_reduced", 128), ("C5_reduced", 256)):
        conv(1, inputs, 64, name)
    conv(3, 64, 64, "Conv_P4_merged")
    conv(3, 64, 64, "Conv_P3_merged")
    for _ in range(3):
        for inputs, outputs in ((64, 32), (64, 16), (16, 16), (16, 16), (16, 16)):
            conv(3, inputs, outputs)
    for outputs in (8, 4, 20):
        for _ in range(3):
            conv(1, 64, outputs, normed=False)
    return layers


def random_arrays(layers, seed=0):
    """Return `{layer: {variable: array}}`, small numbers, but scales and variances near 1."""
    rng = np.random.default_rng(seed)
    return {
        layer: {
            name: np.float32(
                rng.uniform(0.5, 1.5, shape)
                if name in ("gamma", "moving_variance")
                else rng.normal(0, 0.2, shape)
            )
            for name, shape in variables.items()
        }
        for layer, variables in layers.items()
    }


def write(path, arrays):
    """Write `{layer: {variable: array}}` as Keras 2 did."""
    with h5py.File(path, "w") as file:
        file.create_group("input_1")  # layers without variables have groups too
        for layer, variables in arrays.items():
            for name, array in variables.items():
                file[f"{layer}/{layer}/{name}:0"] = array
    return path
