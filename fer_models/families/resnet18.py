"""ResNet-18 for small faces: plain convolutions, a teacher for the light networks."""

from typing import Unpack

import keras

from fer_layers import ConvNorm
from fer_models.families.building import build_image_model, bundled_option, square_shape
from fer_models.families.shared_arguments import ImageArguments, image_builder

# filters, stride of the first block
STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))
BLOCKS = 2


@image_builder
def resnet18(
    *,
    stem_strides: int | None = None,
    **common: Unpack[ImageArguments],
) -> keras.Model:
    """Build ResNet-18 with a small first convolution.

    The stages are those of He et al.; the first convolution is 3x3 of stride 1 without pooling, as
    in their networks for CIFAR's small pictures, so that a face of 48x48 ends in a 6x6 map. It has
    nearly nine times the parameters of GhostFace and serves as its teacher.

    Args:
        input_shape: Shape of one image, height and width of 32 or more, or None for any;
            1 or 3 channels. Default `(48, 48, 1)`.
        stem_strides: Stride of the first convolution, 1 or 2. Default: that of bundled weights,
            else 1.

    Example:

    >>> import fer_models
    >>> model = fer_models.resnet18()
    >>> model.count_params()
    11180871

    Reference:
        He et al., "Deep Residual Learning for Image Recognition", 2015
        (https://arxiv.org/abs/1512.03385).
    """
    stem_strides = bundled_option(
        "resnet18", common.get("weights"), "stem_strides", stem_strides, 1
    )
    if stem_strides not in (1, 2) or isinstance(stem_strides, bool):
        raise ValueError(f"`stem_strides` must be 1 or 2. Received: stem_strides={stem_strides!r}")

    def body(x):
        x = ConvNorm(STAGES[0][0], 3, stem_strides, name="stem")(x)
        for stage, (filters, strides) in enumerate(STAGES, 1):
            for block in range(1, BLOCKS + 1):
                first = strides if block == 1 else 1
                x = _residual_block(x, filters, first, f"stage{stage}_block{block}")
        return x

    return build_image_model(
        body,
        family="resnet18",
        default_shape=square_shape(48, 1),
        min_size=32,
        **common,
    )


def _residual_block(x, filters, strides, name):
    shortcut = x
    if strides > 1:
        shortcut = ConvNorm(filters, 1, strides, activation=False, name=f"{name}_project")(x)
    x = ConvNorm(filters, 3, strides, name=f"{name}_1")(x)
    x = ConvNorm(filters, 3, activation=False, name=f"{name}_2")(x)
    x = keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return keras.layers.ReLU(name=f"{name}_out")(x)
