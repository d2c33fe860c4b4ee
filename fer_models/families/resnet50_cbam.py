"""ResNet-50 with CBAM: in its last block alone ("light"), or in all."""

from typing import Literal, Unpack

import keras

from fer_data.checks import check_choice
from fer_layers import CBAM
from fer_models.families.building import build_image_model, channel_axis, square_shape
from fer_models.families.shared_arguments import ImageArguments, image_builder

# name, filters, blocks, stride of the first block
STAGES = (
    ("conv2", 64, 3, 1),
    ("conv3", 128, 4, 2),
    ("conv4", 256, 6, 2),
    ("conv5", 512, 3, 2),
)
LAST_BLOCK = "conv5_block3"
IMAGENET_MEAN_BGR = (103.939, 116.779, 123.68)


@image_builder
def resnet50_cbam(
    *,
    cbam: Literal["light", "full"] | None = "light",
    reduction: int = 16,
    **common: Unpack[ImageArguments],
) -> keras.Model:
    """Build ResNet-50 with convolutional block attention.

    The backbone is that of `keras.applications.ResNet50`, layer by layer and name by name, so that
    its ImageNet weights load. CBAM follows the last batch norm of a block, before the addition, as
    in Woo et al. A new CBAM starts with gates well below 1, which weaken the branch at first. In
    "light" this concerns one block; all blocks before it start as trained on ImageNet.

    The preparation of the image is ImageNet's for every `weights`, since weights and preparation
    belong together: colours in the order blue, green, red, minus the ImageNet mean of each,
    unscaled. So, unlike the other models, this one does not accept pixels of [0, 1]. Grey images
    are repeated into three channels, with and without preparation.

    Args:
        weights: None (random), `"imagenet"` (the backbone's weights of
            `keras.applications.ResNet50`, downloaded by Keras on first use; CBAM and the dense
            layer stay random), a tag of the registry, or the path of a `.weights.h5` or
            `.keras` file.
        input_shape: Shape of one image, height and width of 32 or more, or None for any;
            1 or 3 channels. Default `(224, 224, 3)`.
        include_preprocessing: Whether the model prepares the image itself, so that it takes
            RGB or grey pixels of [0, 255] as they are. Without, it takes what
            `keras.applications.resnet.preprocess_input` returns.
        cbam: `"light"` for the last block of the last stage, `"full"` for every block, None
            for the plain ResNet-50.
        reduction: Reduction of CBAM's channel attention, at least 1 and at most the channels
            of the block.

    Example:

    >>> import fer_models
    >>> model = fer_models.resnet50_cbam(input_shape=(64, 64, 3), cbam="light")
    >>> model.get_layer("conv5_block3_cbam").output.shape
    (None, 2, 2, 2048)

    Reference:
        "Facial Emotion Recognition via ResNet-50 with Convolutional Block Attention Module"
        (slides); He et al., "Deep Residual Learning for Image Recognition", 2015
        (https://arxiv.org/abs/1512.03385); Woo et al., "CBAM: Convolutional Block Attention
        Module", ECCV 2018 (https://arxiv.org/abs/1807.06521).
    """
    check_choice("cbam", cbam, (None, "light", "full"))
    # Made even if it is not used, so that a bad `reduction` always raises.
    CBAM(reduction)
    imagenet = common.get("weights") == "imagenet"
    if imagenet:
        common["weights"] = None

    def attention(x, block):
        if cbam == "full" or (cbam == "light" and block == LAST_BLOCK):
            return CBAM(reduction, name=f"{block}_cbam")(x)
        return x

    def body(x):
        x = _three_channels(x)
        x = keras.layers.ZeroPadding2D(3, name="conv1_pad")(x)
        x = _conv_norm(x, 64, 7, "conv1", strides=2)
        x = _relu(x, "conv1_relu")
        x = keras.layers.ZeroPadding2D(1, name="pool1_pad")(x)
        x = keras.layers.MaxPooling2D(3, 2, name="pool1_pool")(x)
        for stage, filters, blocks, strides in STAGES:
            for index in range(1, blocks + 1):
                first = index == 1
                block = f"{stage}_block{index}"
                x = _residual_block(x, filters, strides if first else 1, first, block, attention)
        return x

    model = build_image_model(
        body,
        family="resnet50_cbam",
        default_shape=square_shape(224, 3),
        min_size=32,
        preprocess=_imagenet_preparation,
        **common,
    )
    if imagenet:
        _copy_backbone(_imagenet_backbone(), model)
    return model


def _residual_block(x, filters, strides, project, name, attention):
    shortcut = x
    if project:
        shortcut = _conv_norm(x, 4 * filters, 1, f"{name}_0", strides=strides)
    x = _relu(_conv_norm(x, filters, 1, f"{name}_1", strides=strides), f"{name}_1_relu")
    x = _relu(_conv_norm(x, filters, 3, f"{name}_2", padding="same"), f"{name}_2_relu")
    x = attention(_conv_norm(x, 4 * filters, 1, f"{name}_3"), name)
    x = keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return _relu(x, f"{name}_out")


def _conv_norm(x, filters, kernel_size, name, **kwargs):
    x = keras.layers.Conv2D(filters, kernel_size, name=f"{name}_conv", **kwargs)(x)
    # This unusual epsilon is that of keras.applications, with which the ImageNet weights were
    # trained.
    norm = keras.layers.BatchNormalization(axis=channel_axis(), epsilon=1.001e-5, name=f"{name}_bn")
    return norm(x)


def _relu(x, name):
    return keras.layers.Activation("relu", name=name)(x)


def _three_channels(x):
    return keras.ops.repeat(x, 3, axis=channel_axis()) if x.shape[channel_axis()] == 1 else x


def _imagenet_preparation(x):
    x = keras.ops.flip(_three_channels(x), axis=channel_axis())
    # Float32 under every policy: bfloat16 would round the means.
    subtract = keras.layers.Normalization(
        axis=channel_axis(),
        mean=IMAGENET_MEAN_BGR,
        variance=(1.0, 1.0, 1.0),
        dtype="float32",
        name="imagenet_mean",
    )
    return subtract(x)


def _imagenet_backbone():
    try:
        return keras.applications.ResNet50(include_top=False, weights="imagenet")
    except Exception as error:  # Keras raises that itself where a download fails
        if type(error) is not Exception:
            raise
        raise OSError(
            "`weights='imagenet'` is downloaded by Keras on first use, which failed. Connect once, "
            "or build with `weights=None`. Received: " + str(error)
        ) from error


def _copy_backbone(source, model):
    for layer in source.layers:
        if layer.weights:
            model.get_layer(layer.name).set_weights(layer.get_weights())
