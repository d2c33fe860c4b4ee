"""GhostFace: light expression recognition in single images."""

from typing import Unpack

import keras

from fer_layers import ConvNorm, FusedMBConv, GaussianNoiseStack, GhostBottleneck
from fer_models.families.building import build_image_model, bundled_option, square_shape
from fer_models.families.shared_arguments import ImageArguments, image_builder

# kernel, expansion, filters, triplet attention, strides
STAGES = (
    (5, 72, 40, True, 2),
    (5, 120, 40, True, 1),
    (3, 240, 80, False, 2),
    (3, 200, 80, False, 1),
    (3, 184, 80, False, 1),
    (3, 184, 80, False, 1),
    (3, 480, 128, True, 1),
    (5, 672, 192, True, 2),
    (5, 960, 192, False, 1),
    (5, 960, 192, True, 1),
    (5, 960, 192, False, 1),
    (5, 960, 192, True, 1),
)


@image_builder
def ghostface(
    *,
    noise_layers: int = 1,
    noise_stddev: float = 0.1,
    width: float | None = None,
    stem_strides: int | None = None,
    seed: int | None = None,
    **common: Unpack[ImageArguments],
) -> keras.Model:
    """Build GhostFace.

    A Fused-MBConv early stage, a body of ghost bottlenecks with triplet attention in the
    place of squeeze-and-excite, global average pooling and one dense layer. The paper gives
    totals (1.28 M parameters, 134.66 M "FLOPs"), not the table of stages: the table here
    is our choice, with 1,279,011 trainable parameters and 134,678,348 by the paper's rule
    at 224x224x3 and 7 classes.

    Args:
        weights: None (random), a tag of the registry (`"fer2013"`: FER2013's labels;
            `"ferplus"`: FER+'s), or the path of a `.weights.h5` or `.keras` file. With a tag
            `input_shape`, `width` and `stem_strides` are by default what they were in training,
            and the probabilities are calibrated: `decode_predictions` names them.
        input_shape: Shape of one image, height and width of 32 or more, or None for any;
            1 or 3 channels. Default `(224, 224, 3)`.
        noise_layers: 0, 1 or 2 Gaussian noise layers on the standardised image, active in
            training only. The paper does not say where they stand: this is our choice.
        noise_stddev: Their standard deviation, from 0 to 1.
        width: Multiplier of every number of channels, rounded to a multiple of 8. Default 1.
        stem_strides: Stride of the first convolution. Default 2, as the paper's; 1 suits faces
            of 48x48 and below, which otherwise end in a 2x2 map.
        seed: Seed of the noise.

    Example:

    >>> import fer_models
    >>> model = fer_models.ghostface(input_shape=(64, 64, 1), classes=7)
    >>> model.output_shape
    (None, 7)

    Reference:
        Tang and Kok, "GhostFace: Model Pengecaman Ekspresi Muka Ringan dan Teguh", 2022.
    """
    weights = common.get("weights")
    width = bundled_option("ghostface", weights, "width", width, 1.0)
    stem_strides = bundled_option("ghostface", weights, "stem_strides", stem_strides, 2)
    if noise_layers not in (0, 1, 2) or isinstance(noise_layers, bool):
        raise ValueError(
            f"`noise_layers` must be 0, 1 or 2. Received: noise_layers={noise_layers!r}"
        )
    if isinstance(width, bool) or not isinstance(width, (int, float)) or not 0 < width < 100:
        raise ValueError(
            f"`width` must be a number above 0 and below 100. Received: width={width!r}"
        )
    if stem_strides not in (1, 2) or isinstance(stem_strides, bool):
        raise ValueError(f"`stem_strides` must be 1 or 2. Received: stem_strides={stem_strides!r}")

    # Made even where it is left out, so that a bad `noise_stddev` never passes.
    noise = GaussianNoiseStack(noise_layers or 1, noise_stddev, seed=seed, name="noise")

    def body(x):
        if noise_layers:
            x = noise(x)
        x = ConvNorm(_scaled(16, width), 3, stem_strides, name="stem")(x)
        x = FusedMBConv(_scaled(32, width), _scaled(24, width), strides=2, name="fused_mbconv")(x)
        for index, (kernel, expansion, filters, attention, strides) in enumerate(STAGES, 1):
            x = GhostBottleneck(
                _scaled(expansion, width),
                _scaled(filters, width),
                kernel,
                strides,
                attention="triplet" if attention else None,
                name=f"bottleneck_{index}",
            )(x)
        return ConvNorm(_scaled(960, width), name="head")(x)

    return build_image_model(
        body,
        family="ghostface",
        default_shape=square_shape(224, 3),
        min_size=32,
        **common,
    )


def _scaled(channels, width):
    return max(8, int(channels * width / 8 + 0.5) * 8)
