"""A file of a pre-trained trunk, made from a model."""

import keras
import numpy as np
from helpers.layers import to_numpy

from fer_models.zoo import trunks


def write_trunk(model, path):
    """Write the trunk of a model as the files have it; all of faceres has PyTorch's layouts."""
    arrays = {}
    for module, name in trunks.about("faceres").names():
        layer = model.get_layer(name)
        if isinstance(layer, keras.layers.BatchNormalization):
            for theirs, ours in trunks.trunk_weights.NORM.items():
                arrays[f"{module}.{theirs}"] = to_numpy(getattr(layer, ours))
        else:
            depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
            axes = (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)
            arrays[f"{module}.weight"] = to_numpy(layer.kernel).transpose(axes)
    np.savez(path, **arrays)
