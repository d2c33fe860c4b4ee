"""From the weights of `efficientface()` to the parameters of its authors' checkpoints."""

import re

VECTOR, DENSE, CONVOLUTION = (0,), (1, 0), (2, 3, 1, 0)
KINDS = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
CONV_NORMS = {"stem": "conv1", "head": "conv5"}
# The branch, and the place in it of the convolution, which its batch norm follows.
UNIT = {
    "shortcut_depthwise": ("branch1", 0),
    "shortcut_pointwise": ("branch1", 2),
    "expand": ("branch2", 0),
    "depthwise": ("branch2", 3),
    "project": ("branch2", 5),
}
PATCHES = {"top_left": 1, "bottom_left": 2, "top_right": 3, "bottom_right": 4}
CHANNEL, SPATIAL = "channel_att.gate_c.gate_c_", "spatial_att.gate_s.gate_s_"
MODULATOR = {
    "channel_reduce": f"{CHANNEL}fc_0",
    "channel_norm": f"{CHANNEL}bn_1",
    "channel_gate": f"{CHANNEL}fc_final",
    "spatial_reduce": f"{SPATIAL}conv_reduce0",
    "spatial_reduce_norm": f"{SPATIAL}bn_reduce0",
    "spatial_dilated_1": f"{SPATIAL}conv_di_0",
    "spatial_dilated_1_norm": f"{SPATIAL}bn_di_0",
    "spatial_dilated_2": f"{SPATIAL}conv_di_1",
    "spatial_dilated_2_norm": f"{SPATIAL}bn_di_1",
    "spatial_gate": f"{SPATIAL}conv_final",
}
DENSE_LAYERS = ("logits", "channel_reduce", "channel_gate")


def torch_name(path):
    """Return where the authors keep the weight at `path`, and how they lay it out.

    Args:
        path: Path of a weight of `efficientface()`, as `"stage2_unit1/expand/conv/kernel"`. For a
            layer on its own, its path under the name that it has in the model.

    Returns:
        The authors' key, and the order in which to take the axes of their array. The result is
        ours but for a depthwise kernel, `(rows, columns, 1, channels * multiplier)`, which then
        takes our shape, `(rows, columns, channels, multiplier)`, by a reshape.

    Raises:
        ValueError: If `efficientface()` has no such weight.
    """
    owner, _, kind = path.rpartition("/")
    key = _owner(owner)
    if key is None or kind not in KINDS:
        raise ValueError(f"`path` must be of a weight of efficientface(). Received: path={path!r}")
    if kind != "kernel":
        axes = VECTOR
    else:
        axes = DENSE if owner.rpartition("/")[2] in DENSE_LAYERS else CONVOLUTION
    return f"{key}.{KINDS[kind]}", axes


def _owner(owner):
    top, _, rest = owner.partition("/")
    if owner == "logits":
        return "fc"
    if top == "modulator" and rest in MODULATOR:
        return f"modulator.{MODULATOR[rest]}"
    part, _, step = rest.rpartition("/")
    if step not in ("conv", "norm"):
        return None
    offset = int(step == "norm")
    if top in CONV_NORMS and not part:
        return f"{CONV_NORMS[top]}.{offset}"
    unit = re.fullmatch(r"(stage[234])_unit(\d)", top)
    if unit and part in UNIT:
        branch, place = UNIT[part]
        return f"{unit[1]}.{int(unit[2]) - 1}.{branch}.{place + offset}"
    patch, _, number = part.rpartition("_")
    if top == "local" and patch in PATCHES and number in ("1", "2"):
        return f"local.{'bn' if offset else 'conv'}{PATCHES[patch]}_{number}"
    return None


def load(target, arrays, root=""):
    """Assign the authors' arrays to the weights of a model or of one of its layers.

    Args:
        target: The built model or layer, the layer under the name that it has in the model.
        arrays: Dictionary of the authors' name to array.
        root: What the authors' names lack, as `"modulator."` for a modulator on its own.

    Raises:
        AssertionError: If a weight on either side has no partner or another shape.
    """
    left = {f"{root}{key}": value for key, value in arrays.items()}
    for weight in target.weights:
        key, axes = torch_name(weight.path)
        assert key in left, f"{weight.path} wants {key}, which is not there or taken"
        value = left.pop(key).transpose(axes)
        if value.ndim == 4 and value.shape[2] == 1:
            value = value.reshape(weight.shape)
        assert value.shape == tuple(weight.shape), (weight.path, value.shape, weight.shape)
        weight.assign(value)
    assert not left, f"parameters without a weight of ours: {sorted(left)}"
