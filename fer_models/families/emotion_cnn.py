"""The webcam CNN: four convolutions and two dense layers for 48x48 grey faces."""

from typing import Unpack

import keras

from fer_models.families.building import build_image_model, channel_axis, square_shape
from fer_models.families.shared_arguments import ImageArguments, image_builder

# filters, whether pooling follows, dropout as published, dropout with `regularized=True`
CONVOLUTIONS = (
    (32, False, 0.0, 0.0),
    (64, True, 0.25, 0.25),
    (128, True, 0.0, 0.25),
    (128, True, 0.25, 0.25),
)
HIDDEN_UNITS = 1024
HIDDEN_DROPOUT = 0.5


@image_builder
def emotion_cnn(
    *,
    regularized: bool = False,
    seed: int | None = None,
    **common: Unpack[ImageArguments],
) -> keras.Model:
    """Build the webcam CNN.

    The paper names the kinds of layers (convolution, max pooling, flatten, dense with ReLU,
    dense with softmax, dropout), not their table. The table here is our choice, that of the
    webcam CNN that many FER2013 programs with Keras share: unpadded 3x3 convolutions of 32,
    64, 128 and 128 filters with ReLU, 2x2 max pooling after the last three, a dense layer of
    1024 units, dropout of 0.25 after the first and the last pooling and of 0.5 before the
    classes; 2,345,607 parameters at the defaults.

    The paper finds that its network over-fits and asks for batch norm and dropout:
    `regularized=True` puts batch norm before every ReLU (in the place of the bias before it) and
    dropout of 0.25 after every pooling. These rates are our choice too.

    Pooling comes before batch norm and ReLU, which then have a quarter of the elements; with ReLU
    alone that gives what the usual order gives.

    The paper "normalises" its pixels and does not say how. Here every image is brought to
    mean 0 and standard deviation 1, as in GhostFace, which also takes out the webcam's
    exposure.

    Args:
        include_top: Whether to add flatten, both dense layers and the last activation.
        input_shape: Shape of one image, height and width of 24 or more; 1 or 3 channels.
            Default `(48, 48, 1)`. With `include_top=False` height and width may be None; the
            flattened map of the top needs them fixed.
        include_preprocessing: Whether the model standardises each image itself, so that it
            takes pixels of [0, 255] as they are.
        regularized: Whether to add the batch norm and dropout that the paper asks for.
        seed: Seed of the dropout.

    Example:

    >>> import fer_models
    >>> model = fer_models.emotion_cnn(regularized=True)
    >>> model.output_shape
    (None, 7)

    Reference:
        Edy, "Deteksi Emosi dari Ekspresi Wajah dengan Deep Learning".
    """
    if not isinstance(regularized, bool):
        raise ValueError(
            f"`regularized` must be True or False. Received: regularized={regularized!r}"
        )

    def activate(x, prefix):
        if regularized:
            x = keras.layers.BatchNormalization(axis=channel_axis(), name=f"{prefix}_bn")(x)
        return keras.layers.ReLU(name=f"{prefix}_relu")(x)

    def drop(x, rate, prefix):
        return keras.layers.Dropout(rate, seed=seed, name=f"{prefix}_dropout")(x) if rate else x

    def body(x):
        for index, (filters, pool, *rates) in enumerate(CONVOLUTIONS, 1):
            convolution = keras.layers.Conv2D(
                filters, 3, use_bias=not regularized, name=f"conv{index}"
            )
            x = convolution(x)
            if pool:
                x = keras.layers.MaxPooling2D(name=f"pool{index}")(x)
            x = drop(activate(x, f"conv{index}"), rates[regularized], f"conv{index}")
        return x

    def head(x):
        if None in x.shape[1:]:
            tensor = common.get("input_tensor")
            received = common.get("input_shape") if tensor is None else tensor.shape[1:]
            raise ValueError(
                "`input_shape` must have a fixed height and width with `include_top=True`, "
                "since a dense layer reads the flattened map. "
                f"Received: input_shape={tuple(received)}"
            )
        x = keras.layers.Flatten(name="flatten")(x)
        hidden = keras.layers.Dense(HIDDEN_UNITS, use_bias=not regularized, name="hidden")
        x = hidden(x)
        if regularized:
            x = keras.layers.BatchNormalization(name="hidden_bn")(x)
        x = keras.layers.ReLU(name="hidden_relu")(x)
        return drop(x, HIDDEN_DROPOUT, "hidden")

    return build_image_model(
        body,
        family="emotion_cnn",
        default_shape=square_shape(48, 1),
        min_size=24,
        head=head,
        **common,
    )
