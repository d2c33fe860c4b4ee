"""The webcam CNN: four convolutions and two dense layers for 48x48 grey faces."""

from typing import Unpack

import keras

from fer_data.checks import check_integer
from fer_models.families.building import build_image_model, channel_axis, square_shape
from fer_models.families.shared_arguments import ImageArguments, image_builder

# filters, whether pooling follows, and whether dropout follows it without `regularized=True`
CONVOLUTIONS = (
    (32, False, False),
    (64, True, True),
    (128, True, False),
    (128, True, True),
)


@image_builder
def emotion_cnn(
    *,
    dense_units: int = 1024,
    dropout: float = 0.5,
    regularized: bool = False,
    seed: int | None = None,
    **common: Unpack[ImageArguments],
) -> keras.Model:
    """Build the webcam CNN.

    The paper's table of layers is lost. Its prose names the kinds of layers (convolution, max
    pooling, flatten, dense with ReLU, dense with softmax) and a dense layer of 128 units. It names
    dropout and batch norm only as remedies to try. So there are two readings:

    - The defaults are the network of a widely copied public program, whose log shows the same as
      the paper's: 448 steps per epoch, 50 epochs, Adam at 0.0001, FER2013. It has unpadded 3x3
      convolutions of 32, 64, 128 and 128 filters with ReLU, 2x2 max pooling after the last three, a
      dense layer of 1,024 units, dropout of 0.25 after the first and the last pooling and of 0.5
      before the classes; 2,345,607 parameters.
    - `dense_units=128, dropout=0` follows the prose: 128 units and no dropout. The prose does not
      give the convolutions, so they are those of the public network; 503,431 parameters.

    The paper finds that its network over-fits and asks for batch norm and dropout:
    `regularized=True` puts batch norm before every ReLU (in the place of the bias before it) and
    dropout after every pooling, at half of the rate `dropout`: with `dropout=0` there is batch norm
    alone. Their places and rates are our choice.

    Pooling comes before batch norm and ReLU, which then have a quarter of the elements. Without
    batch norm, this order gives the same result as the usual one.

    The paper "normalises" its pixels in a way that it does not describe. Here every image is
    brought to mean 0 and standard deviation 1, as in GhostFace. This also takes out the webcam's
    exposure.

    Args:
        include_top: Whether to add flatten, both dense layers and the last activation.
        input_shape: Shape of one image, height and width of 24 or more; 1 or 3 channels.
            Default `(48, 48, 1)`. With `include_top=False` height and width may be None; the
            flattened map of the top needs them fixed.
        include_preprocessing: Whether the model standardises each image itself, so that it
            takes pixels of [0, 255] as they are.
        dense_units: Units of the dense layer before the classes: 1,024 in the public network, 128
            in the paper's prose.
        dropout: Rate of the dropout before the classes, at least 0 and below 1; after a pooling
            it is half of that. 0 for none, as in the paper's prose.
        regularized: Whether to add the batch norm that the paper asks for, and dropout after every
            pooling, unless `dropout` is 0.
        seed: Seed of the dropout.

    Example:

    >>> import fer_models
    >>> model = fer_models.emotion_cnn(regularized=True)
    >>> model.output_shape
    (None, 7)
    >>> f"{fer_models.emotion_cnn(dense_units=128, dropout=0).count_params():,}"
    '503,431'

    Reference:
        Edy, "Deteksi Emosi dari Ekspresi Wajah dengan Deep Learning".
    """
    check_integer("dense_units", dense_units, 1)
    number = isinstance(dropout, (int, float)) and not isinstance(dropout, bool)
    if not number or not 0 <= dropout < 1:
        raise ValueError(f"`dropout` must be a number in [0, 1). Received: dropout={dropout!r}")
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
        for index, (filters, pool, drops) in enumerate(CONVOLUTIONS, 1):
            convolution = keras.layers.Conv2D(
                filters, 3, use_bias=not regularized, name=f"conv{index}"
            )
            x = convolution(x)
            if pool:
                x = keras.layers.MaxPooling2D(name=f"pool{index}")(x)
            rate = dropout / 2 if pool and (drops or regularized) else 0
            x = drop(activate(x, f"conv{index}"), rate, f"conv{index}")
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
        hidden = keras.layers.Dense(dense_units, use_bias=not regularized, name="hidden")
        x = hidden(x)
        if regularized:
            x = keras.layers.BatchNormalization(name="hidden_bn")(x)
        x = keras.layers.ReLU(name="hidden_relu")(x)
        return drop(x, dropout, "hidden")

    return build_image_model(
        body,
        family="emotion_cnn",
        default_shape=square_shape(48, 1),
        min_size=24,
        head=head,
        **common,
    )
