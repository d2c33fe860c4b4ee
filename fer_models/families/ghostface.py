"""GhostFace: light expression recognition in single images."""

from collections.abc import Sequence
from typing import Unpack

import keras

from fer_data.checks import check_number
from fer_layers import ConvNorm, FusedMBConv, GhostBottleneck
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
# The possible places of a noise layer, in the order of the network.
NOISE_PLACES = ("input", "early_stage", "body", "head", "classifier")
# The places of no, one or two layers. The paper puts them on the filters that hold the features of
# the face, and does not name these.
PLACES_OF_LAYERS = ((), ("early_stage",), ("early_stage", "classifier"))


@image_builder
def ghostface(
    *,
    noise_layers: int | None = None,
    noise_at: Sequence[str] | None = None,
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
            and the probabilities are calibrated; `decode_predictions` names the classes.
        input_shape: Shape of one image, height and width of 32 or more, or None for any;
            1 or 3 channels. Default `(224, 224, 3)`.
        noise_layers: 0, 1 or 2 layers of Gaussian noise on feature maps, active in training only:
            one after the early stage, the second before the classifier. The paper has one or two,
            on the filters that hold the features of the face, and does not name these filters: the
            places are our choice. Default 1, or as many as `noise_at` names.
        noise_at: None for the places of `noise_layers`, or others, each named once:
            `"input"` (the image as the network sees it, standardised), `"early_stage"` (after
            the Fused-MBConv), `"body"` (after the last bottleneck), `"head"` (the maps of the
            1x1 convolution, before they are averaged), `"classifier"` (their averages, which the
            dense layer reads; with `include_top` only).
        noise_stddev: Standard deviation of the noise, from 0 to 1, in units of the values that it
            is added to.
        width: Multiplier of every number of channels, rounded to a multiple of 8. Default 1.
        stem_strides: Stride of the first convolution. Default 2, as the paper's; 1 suits faces
            of 48x48 and below, which otherwise end in a 2x2 map.
        seed: Seed of the noise; each layer draws its own.

    Example:

    >>> import fer_models
    >>> model = fer_models.ghostface(input_shape=(64, 64, 1), classes=7)
    >>> model.output_shape
    (None, 7)
    >>> model = fer_models.ghostface(noise_at=("input", "body"), noise_stddev=0.05)
    >>> [layer.name for layer in model.layers if layer.name.startswith("noise")]
    ['noise_input', 'noise_body']

    Reference:
        Tang and Kok, "GhostFace: Model Pengecaman Ekspresi Muka Ringan dan Teguh", 2022.
    """
    weights = common.get("weights")
    width = bundled_option("ghostface", weights, "width", width, 1.0)
    stem_strides = bundled_option("ghostface", weights, "stem_strides", stem_strides, 2)
    places = _noise_places(noise_layers, noise_at, common.get("include_top", True))
    check_number("noise_stddev", noise_stddev, 0, 1)
    if isinstance(width, bool) or not isinstance(width, (int, float)) or not 0 < width < 100:
        raise ValueError(
            f"`width` must be a number above 0 and below 100. Received: width={width!r}"
        )
    if stem_strides not in (1, 2) or isinstance(stem_strides, bool):
        raise ValueError(f"`stem_strides` must be 1 or 2. Received: stem_strides={stem_strides!r}")

    def noisy(place, x):
        if place not in places:
            return x
        own = None if seed is None else seed + NOISE_PLACES.index(place)
        return keras.layers.GaussianNoise(noise_stddev, seed=own, name=f"noise_{place}")(x)

    def body(x):
        x = noisy("input", x)
        x = ConvNorm(_scaled(16, width), 3, stem_strides, name="stem")(x)
        x = FusedMBConv(_scaled(32, width), _scaled(24, width), strides=2, name="fused_mbconv")(x)
        x = noisy("early_stage", x)
        for index, (kernel, expansion, filters, attention, strides) in enumerate(STAGES, 1):
            x = GhostBottleneck(
                _scaled(expansion, width),
                _scaled(filters, width),
                kernel,
                strides,
                attention="triplet" if attention else None,
                name=f"bottleneck_{index}",
            )(x)
        x = noisy("body", x)
        x = ConvNorm(_scaled(960, width), name="head")(x)
        return noisy("head", x)

    def pooled(x):
        x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
        return noisy("classifier", x)

    return build_image_model(
        body,
        family="ghostface",
        default_shape=square_shape(224, 3),
        min_size=32,
        head=pooled,
        **common,
    )


def _noise_places(noise_layers, noise_at, include_top):
    """Return the names of the places of the noise layers."""
    if noise_at is None:
        layers = 1 if noise_layers is None else noise_layers
        if layers not in (0, 1, 2) or isinstance(layers, bool):
            raise ValueError(
                "`noise_layers` must be 0, 1 or 2; for more, name their places in `noise_at`. "
                f"Received: noise_layers={noise_layers!r}"
            )
        places = PLACES_OF_LAYERS[int(layers)]
    else:
        if isinstance(noise_at, str) or not isinstance(noise_at, Sequence):
            raise ValueError(
                "`noise_at` must be None or a sequence of places, such as ('early_stage',). "
                f"Received: noise_at={noise_at!r}"
            )
        places = tuple(noise_at)
        unknown = [place for place in places if place not in NOISE_PLACES]
        if unknown:
            raise ValueError(
                f"`noise_at` must name places of {NOISE_PLACES}. Received: noise_at={noise_at!r}"
            )
        if len(set(places)) < len(places):
            raise ValueError(
                "`noise_at` must name each place once: two layers of one deviation at one place "
                "are one layer of sqrt(2) times the deviation. Name it once and raise "
                f"`noise_stddev`. Received: noise_at={noise_at!r}"
            )
        if noise_layers is not None and (
            isinstance(noise_layers, bool) or noise_layers != len(places)
        ):
            raise ValueError(
                f"`noise_layers` must be {len(places)}, the number of places in `noise_at`, or "
                f"None. Received: noise_layers={noise_layers!r}, noise_at={noise_at!r}"
            )
    if "classifier" in places and not include_top:
        raise ValueError(
            "`noise_at` must not name 'classifier' with include_top=False, which leaves the "
            "classifier out; noise_layers=2 puts a layer there too. Name another place, such as "
            f"'head'. Received: noise_layers={noise_layers!r}, noise_at={noise_at!r}"
        )
    return places


def _scaled(channels, width):
    return max(8, int(channels * width / 8 + 0.5) * 8)
