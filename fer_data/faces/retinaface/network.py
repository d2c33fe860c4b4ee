"""The RetinaFace network on MobileNet-0.25, from standard Keras layers."""

import keras
import numpy as np
from keras import layers

from fer_data.faces.retinaface.anchors import STRIDES

BRANCHES = ("3x3", "5x5_1", "5x5_2", "7x7_2", "7x7_3")
HEADS = {"scores": 2, "boxes": 4, "points": 10}
ANCHORS = 2
FILTERS = 64

# Filters and stride of each depthwise-separable block; the pyramid taps the last block of a stride.
BLOCKS = (
    (16, 1),
    (32, 2),
    (32, 1),
    (64, 2),
    (64, 1),
    (128, 2),
    (128, 1),
    (128, 1),
    (128, 1),
    (128, 1),
    (128, 1),
    (256, 2),
    (256, 1),
)
TAPS = {5: 8, 11: 16, 13: 32}

# Means of ImageNet's blue, green and red channel, as in Caffe's models.
MEANS_BGR = (103.939, 116.779, 123.68)

# Boxes are fractions of large anchors: half precision would move them by whole pixels, so a global
# mixed-precision policy must not reach these layers. The weights know channels last alone.
FLOAT = {"dtype": "float32"}
MAPS = {"data_format": "channels_last", **FLOAT}
# Random kernels would be overwritten at once, and drawing them takes JAX many seconds.
KERNEL = {"kernel_initializer": "zeros", **MAPS}


def retinaface_mobilenet025(name: str = "retinaface_mobilenet025") -> keras.Model:
    """Build RetinaFace with a MobileNet-0.25 backbone: 434 thousand parameters.

    A MobileNet of a quarter of the width, a feature pyramid at strides 8, 16 and 32, a context
    module (SSH) on each level, and 1x1 convolutions for scores, boxes and points. The numbers that
    it returns belong to anchors, in the order of `anchors.anchors`, and are turned into pixels by
    `anchors.decode`. Preprocessing is part of the network. Always float32 and channels last, under
    any global settings of Keras.

    Args:
        name: Name of the model.

    Returns:
        A `keras.Model` from RGB pixels in [0, 255], `(batch, height, width, 3)` with height and
        width multiples of 32, to a dict of `"scores"` `(batch, anchors)` in [0, 1], `"boxes"`
        `(batch, anchors, 4)` and `"points"` `(batch, anchors, 10)`, where a picture has
        `height * width * 2 * (1 / 8**2 + 1 / 16**2 + 1 / 32**2)` anchors.

    Reference:
        - Deng et al., "RetinaFace: Single-stage Dense Face Localisation in the Wild",
          https://arxiv.org/abs/1905.00641
        - Najibi et al., "SSH: Single Stage Headless Face Detector",
          https://arxiv.org/abs/1708.03979
        - Howard et al., "MobileNets", https://arxiv.org/abs/1704.04861

    Example:

    >>> import numpy as np
    >>> model = retinaface_mobilenet025()
    >>> model.predict_on_batch(np.zeros((1, 64, 96, 3)))["boxes"].shape
    (1, 252, 4)
    """
    image = keras.Input((None, None, 3), name="image", dtype="float32")
    levels = _pyramid(_backbone(image[..., ::-1] - np.array(MEANS_BGR, np.float32)))
    levels = {stride: _context(x, f"context_{stride}") for stride, x in levels.items()}
    outputs = {head: _head(levels, head, width) for head, width in HEADS.items()}
    softmax = layers.Softmax(name="probabilities", **FLOAT)(outputs["scores"])
    outputs["scores"] = softmax[..., 1]
    return keras.Model(image, outputs, name=name)


def _norm(x, name, slope=None):
    x = layers.BatchNormalization(axis=-1, epsilon=1e-3, name=name, **FLOAT)(x)
    if slope is None:
        return x
    return layers.LeakyReLU(negative_slope=slope, name=f"{name}_leaky", **FLOAT)(x)


def _conv(x, filters, kernel, name, slope=None):
    x = layers.Conv2D(filters, kernel, padding="same", name=name, **KERNEL)(x)
    return _norm(x, f"{name}_norm", slope)


def _backbone(x):
    """Return the last map of each stride."""

    def norm_relu6(x, name):
        x = _norm(x, f"{name}_bn")
        return layers.ReLU(max_value=6, name=f"{name}_relu", **FLOAT)(x)

    plain = {"padding": "same", "use_bias": False}
    x = layers.Conv2D(8, 3, strides=2, name="conv1", **plain, **KERNEL)(x)
    x = norm_relu6(x, "conv1")
    taps = {}
    for block, (filters, strides) in enumerate(BLOCKS, 1):
        name = f"conv_dw_{block}"
        x = layers.DepthwiseConv2D(
            3, strides=strides, depthwise_initializer="zeros", name=name, **plain, **MAPS
        )(x)
        x = norm_relu6(x, name)
        name = f"conv_pw_{block}"
        x = layers.Conv2D(filters, 1, name=name, **plain, **KERNEL)(x)
        x = norm_relu6(x, name)
        if block in TAPS:
            taps[TAPS[block]] = x
    return taps


def _pyramid(taps):
    """Add each level, enlarged, to the next finer one. The coarsest level is not smoothed."""
    fine, middle, coarse = (
        _conv(taps[stride], FILTERS, 1, f"lateral_{stride}", slope=0.1) for stride in STRIDES
    )
    levels = {32: coarse}
    for stride, x, above in ((16, middle, 32), (8, fine, 16)):
        larger = layers.UpSampling2D(2, name=f"enlarged_{above}", **MAPS)(levels[above])
        x = layers.Add(name=f"sum_{stride}", **FLOAT)([x, larger])
        levels[stride] = _conv(x, FILTERS, 3, f"merge_{stride}", slope=0.1)
    return {stride: levels[stride] for stride in STRIDES}


def _context(x, name):
    """Apply SSH: a 3x3 branch, and 5x5 and 7x7 ones of stacked 3x3 convolutions that share one."""
    quarter = FILTERS // 4
    near = _conv(x, FILTERS // 2, 3, f"{name}_3x3")
    shared = _conv(x, quarter, 3, f"{name}_5x5_1", slope=0.1)
    middle = _conv(shared, quarter, 3, f"{name}_5x5_2")
    far = _conv(shared, quarter, 3, f"{name}_7x7_2", slope=0.1)
    far = _conv(far, quarter, 3, f"{name}_7x7_3")
    x = layers.Concatenate(axis=-1, name=f"{name}_joined", **FLOAT)([near, middle, far])
    return layers.ReLU(name=f"{name}_relu", **FLOAT)(x)


def _head(levels, head, width):
    """Apply a 1x1 convolution to each level, and return its numbers, a row for each anchor."""
    rows = []
    for stride, x in levels.items():
        x = layers.Conv2D(ANCHORS * width, 1, name=f"{head}_{stride}", **KERNEL)(x)
        rows.append(layers.Reshape((-1, width), name=f"{head}_{stride}_rows", **FLOAT)(x))
    return layers.Concatenate(axis=1, name=head, **FLOAT)(rows)
