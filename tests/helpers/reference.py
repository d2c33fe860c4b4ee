"""The authors' PyTorch modules: their weights, an input and the output, as `.npz` files."""

from pathlib import Path

import numpy as np
from helpers.shared import shared_path

from fer_layers import (
    CBAM,
    ChannelSpatialModulator,
    GhostBottleneck,
    GhostModule,
    TripletAttention,
)

DATA = Path(__file__).resolve().parents[1] / "data"
# Our layer that is the module of the file, and its arguments.
LAYERS = {
    "cbam": (CBAM, {"reduction": 16}),
    "triplet_attention": (TripletAttention, {}),
    "triplet_attention_no_spatial": (TripletAttention, {"use_spatial": False}),
    "ghost_module": (GhostModule, {"filters": 41}),
    "ghost_module_ratio3": (
        GhostModule,
        {
            "filters": 40,
            "kernel_size": 3,
            "ratio": 3,
            "depthwise_kernel_size": 5,
            "strides": 2,
            "activation": False,
        },
    ),
    "ghost_bottleneck_stride1": (GhostBottleneck, {"expansion": 120, "filters": 40}),
    "ghost_bottleneck_stride2_k5": (
        GhostBottleneck,
        {"expansion": 72, "filters": 40, "kernel_size": 5, "strides": 2},
    ),
    "modulator": (ChannelSpatialModulator, {}),
}


def reference(name):
    """Return `(weights, input, output)` of a reference file, channels first where it is an image.

    Small files lie in the repository; the calling test is skipped where another is absent.
    """
    path = DATA / f"{name}.npz"
    with np.load(path if path.exists() else shared_path(f"reference/{name}.npz")) as archive:
        weights = {
            key.removeprefix("weights/"): archive[key]
            for key in archive.files
            if key.startswith("weights/")
        }
        return weights, archive["input_nchw"], archive["output"]
