"""EfficientFace: a light network that also looks at the quarters of a face on their own."""

from typing import Unpack

import keras

from fer_layers import ConvNorm
from fer_layers.shuffle import ChannelSpatialModulator, LocalFeatureExtractor, ShuffleUnit
from fer_models.families.building import build_image_model, bundled_option, square_shape
from fer_models.families.shared_arguments import ImageArguments, image_builder

# name, output channels, number of units
STAGES = (("stage2", 116, 4), ("stage3", 232, 8), ("stage4", 464, 4))


@image_builder
def efficientface(
    *,
    stem_strides: int | None = None,
    **common: Unpack[ImageArguments],
) -> keras.Model:
    """Build EfficientFace.

    ShuffleNetV2 of width 1 (with 29 instead of 24 channels in the stem) in which the output of the
    second stage is modulated by channel and position. A local feature extractor looks at each
    quarter of the stem's map on its own, and its output is added. The network has 1,275,293
    trainable parameters and 149,728,880 multiply-accumulates (154,176,526 by the papers' rule) at
    224x224x3 and 7 classes, as its paper states.

    The authors' network takes 224x224 only: it cuts the 56x56 map after the stem into four of
    28x28. This one takes any size: along each axis of the map, the first patch is the even number
    nearest to half of it (the larger one in a tie), the second the rest. An image of 224 gives a
    map of 56 = 28 + 28, one of 48 gives 12 = 6 + 6, of 40 gives 10 = 6 + 4, of 33 gives 9 = 4 + 5.
    See `fer_layers.LocalFeatureExtractor`.

    Args:
        weights: None (random), a tag of the registry (as of `fer_models.ghostface`), or the
            path of a `.weights.h5` or `.keras` file.
        input_shape: Shape of one image, height and width of 32 or more, or None for any;
            1 or 3 channels. Default `(224, 224, 3)`.
        include_preprocessing: Whether the model standardises each image itself (mean 0,
            standard deviation 1), so that it takes pixels of [0, 255] as they are. The authors
            instead scale to [0, 1] and normalise red, green and blue by the means 0.5754,
            0.4493, 0.4008 and standard deviations 0.2074, 0.1898, 0.1813 of RAF-DB: to use their
            checkpoints, set this to False and do the same.
        stem_strides: Stride of the first convolution. Default 2, as the paper's; 1 suits faces
            of 48x48 and below, which otherwise end in a 2x2 map.

    Example:

    >>> import fer_models
    >>> model = fer_models.efficientface(input_shape=(64, 64, 1), classes=7)
    >>> model.output_shape
    (None, 7)

    Reference:
        Zhao, Liu and Zhou, "Robust Lightweight Facial Expression Recognition Network with Label
        Distribution Training", AAAI 2021.
    """
    weights = common.get("weights")
    stem_strides = bundled_option("efficientface", weights, "stem_strides", stem_strides, 2)
    if stem_strides not in (1, 2) or isinstance(stem_strides, bool):
        raise ValueError(f"`stem_strides` must be 1 or 2. Received: stem_strides={stem_strides!r}")

    def body(x):
        x = ConvNorm(29, 3, stem_strides, name="stem")(x)
        # Zeros do the same as PyTorch's padding by minus infinity: after the ReLU nothing is below
        # 0.
        x = stem = keras.layers.MaxPooling2D(3, 2, name="stem_pool")(
            keras.layers.ZeroPadding2D(1, name="stem_pad")(x)
        )
        for stage, filters, units in STAGES:
            for index in range(1, units + 1):
                strides = 2 if index == 1 else 1
                x = ShuffleUnit(filters, strides, name=f"{stage}_unit{index}")(x)
            if stage == "stage2":
                local = LocalFeatureExtractor(filters, name="local")(stem)
                x = ChannelSpatialModulator(name="modulator")(x)
                x = keras.layers.Add(name="local_and_global")([x, local])
        return ConvNorm(1024, name="head")(x)

    return build_image_model(
        body,
        family="efficientface",
        default_shape=square_shape(224, 3),
        min_size=32,
        **common,
    )
