"""The HA3DNet family: 3-D convolutions over regions of a face in time, for micro-expressions."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Annotated, Concatenate, Literal, ParamSpec, Unpack

import keras

from fer_data.checks import check_choice, check_integer
from fer_layers import SpatialAttention3D, SqueezeExcite, TemporalAttention
from fer_models.families.building import (
    POOLINGS,
    bundled_option,
    bundled_weights,
    by_data_format,
    channel_axis,
    load_weights,
)
from fer_models.families.shared_arguments import DEFAULTS, Arguments, complete

# The regions that the paths see, by the number of paths, in the order of the inputs.
REGIONS = {1: ("face",), 2: ("upper", "lower"), 3: ("left", "right", "lower")}
ATTENTIONS = {
    # Sixteen, the layer's own default, would leave two hidden units of 32 filters.
    "squeeze_excite": lambda name: SqueezeExcite(reduction=4, name=name),
    "spatial": lambda name: SpatialAttention3D(name=f"{name}_attention"),
    "temporal": lambda name: TemporalAttention(name=f"{name}_attention"),
}
HYBRID = ("spatial", "temporal")
HEADS = ("flatten", "grid", "avg", "max")
GRID = 4
_Own = ParamSpec("_Own")


@dataclasses.dataclass(frozen=True)
class Variant:
    """A network of the family: the defaults of its options."""

    name: str
    summary: str
    source: str
    paths: int = 1
    attention: tuple = ()
    frames: int = 16
    input_shape: tuple = (64, 64, 3)
    filters: int = 32
    kernel_size: tuple = (3, 3, 3)
    pool_size: tuple = (3, 3, 3)
    early_dropout: float = 0.0
    dense_units: int = 128
    dropout: float = 0.5
    head: str = "flatten"
    shared: bool = False


_IRAWAN = (
    'Irawan, "Pengenalan Ekspresi Mikro Spontan Menggunakan Fitur Aliran Spasial-Temporal Deep '
    'Learning Pada Urutan Video Panjang Untuk Analisis Emosi", 2025.'
)
VARIANTS = (
    Variant(
        "triple_path_ha3dnet",
        "Triple Path HA3DNet: both eyes and the mouth, each with hybrid attention",
        _IRAWAN,
        paths=3,
        attention=HYBRID,
    ),
    Variant("dual_path_3dnet", "DP-3DNet: upper and lower face, no attention", _IRAWAN, paths=2),
    Variant(
        "ha_3dnet", "HA-3DNet: the face in one path, hybrid attention", _IRAWAN, attention=HYBRID
    ),
    Variant(
        "se_3dnet",
        "SE-3DNet: the face in one path, squeeze-and-excite",
        _IRAWAN,
        attention=("squeeze_excite",),
    ),
    Variant(
        "ha_3dsenet",
        "HA-3DSENet: the face in one path, squeeze-and-excite, then hybrid attention",
        _IRAWAN,
        attention=("squeeze_excite", *HYBRID),
    ),
    Variant("mer_3dcnn", "MER-3DCNN: the face in one path, a plain 3-D network", _IRAWAN),
    Variant(
        "micro_exp_stcnn",
        "MicroExpSTCNN: the grey face in one path, a kernel of 15 frames",
        'Reddy et al., "Spontaneous Facial Micro-Expression Recognition using 3D Spatiotemporal '
        "Convolutional Neural Networks\", IJCNN 2019, and the authors' code.",
        # As the authors do for SMIC; for CAS(ME)^2 they take 96 frames.
        frames=18,
        input_shape=(64, 64, 1),
        kernel_size=(15, 3, 3),
        early_dropout=0.5,
    ),
)

_DOC = """Build {summary}.

    Each path has in order: a 3-D convolution (unpadded), max pooling, ReLU, attention, {early}a
    head, a dense layer with ReLU, dropout. The paths are joined before the softmax. Pooling comes
    before ReLU: the result is the same, and ReLU has a 27th of the elements.

    The dissertation gives 32 filters of 3x3x3 and this order. The rest is our choice: an unpadded
    convolution, pooling of 3x3x3 and a dense layer of 128 units, as in MicroExpSTCNN; 16 frames;
    the rate of the dropout; the form of the attention. These choices lead to 6.6 M weights per path
    at 16 frames and 50 M at 96.

    Args:
        include_top: Whether to add the heads, the dense layers and the last activation.
        input_shape: Shape of one frame of a region, 1 or 3 channels. Default `{input_shape}`.
        pooling: With `include_top=False`: None for the feature maps, one for each path, or `"avg"`
            or `"max"` for their pooled vectors, joined.
        include_preprocessing: Whether the model divides its input by 255.
        frames: Frames of a clip. Default {frames}.
        paths: 1 (`face`), 2 (`upper`, `lower`) or 3 (`left`, `right`, `lower`). Default {paths}.
        filters: Filters of the convolution. Default {filters}.
        kernel_size: The kernel, a number or (frames, rows, columns). Default {kernel_size}.
        pool_size: The pooling, likewise. Default {pool_size}.
        attention: None for the network's own, `{attention}`; False for none; or names out of
            `"squeeze_excite"`, `"spatial"` and `"temporal"` in the order wanted.
        shared: Whether the paths share their weights. Default False.
        dense_units: Units of the dense layer of each path. Default {dense_units}.
        dropout: Rate of the dropout after that layer{early_too}. Default {dropout}.
        head: `"flatten"`, as published: its dense layer has millions of weights. `"grid"`: the mean
            in each cell of a grid, frame by frame: 4x4 for the default size, and overlapping where
            cells do not divide the map. `"avg"` or `"max"`, over space and time: a
            thousandth of the weights. Default `"flatten"`.
        seed: Seed of the dropout.

    Returns:
        A `keras.Model` from {takes} to `(batch, classes)`. A clip is
        `(batch, frames, height, width, channels)`: pixels of [0, 255], or their differences from
        the first frame, of [-255, 255], as `fer_data.pipelines.clips.pipeline` gives them.

    Raises:
        ValueError: If an argument breaks its rule; the message names it.

    Example:

    >>> import fer_models
    >>> model = fer_models.{name}(frames=18, head="avg")
    >>> model.output_shape
    (None, 3)

    Reference:
        {source}
    """


class ClipArguments(Arguments, total=False):
    """The shared arguments of the builders of a model of clips."""

    input_tensor: Annotated[
        keras.KerasTensor | Sequence[keras.KerasTensor] | None,
        "Optional Keras tensor to use as input, a tuple of them for several paths.",
    ]
    input_shape: Annotated[Sequence[int] | None, "Shape of one frame of a region."]


def _build(
    variant: Variant,
    *,
    frames: int | None = None,
    paths: int | None = None,
    filters: int | None = None,
    kernel_size: int | Sequence[int] | None = None,
    pool_size: int | Sequence[int] | None = None,
    attention: tuple[str, ...] | list[str] | Literal[False] | None = None,
    shared: bool | None = None,
    dense_units: int | None = None,
    dropout: float | None = None,
    head: Literal["flatten", "grid", "avg", "max"] | None = None,
    seed: int | None = None,
    **common: Unpack[ClipArguments],
) -> keras.Model:
    given = {
        "frames": frames,
        "paths": paths,
        "filters": filters,
        "kernel_size": kernel_size,
        "pool_size": pool_size,
        "attention": attention,
        "shared": shared,
        "dense_units": dense_units,
        "head": head,
    }
    weights = common.get("weights")
    # For bundled weights, the registry gives the options that shape them.
    knobs = {
        knob: bundled_option(variant.name, weights, knob, value, getattr(variant, knob))
        for knob, value in given.items()
    }
    knobs["dropout"] = variant.dropout if dropout is None else dropout
    return _clip_model(variant, knobs, seed, **common)


def _clip_model(
    variant,
    knobs,
    seed,
    *,
    include_top,
    weights,
    input_tensor,
    input_shape,
    pooling,
    classes,
    classifier_activation,
    include_preprocessing,
    name,
):
    bundled = bundled_weights(variant.name, weights)
    default_shape = bundled.input_shape if bundled and bundled.input_shape else variant.input_shape
    shape = by_data_format(default_shape) if input_shape is None else input_shape
    knobs = _checked(knobs)
    check_choice("pooling", pooling, POOLINGS)
    check_integer("classes", classes, 2)
    regions = REGIONS[knobs["paths"]]
    inputs = _inputs(input_tensor, input_shape, shape, knobs["frames"], regions)
    _check_size(inputs[0].shape[1:], knobs)

    layers = None
    features = []
    for number, (region, x) in enumerate(zip(regions, inputs, strict=True)):
        if layers is None or not knobs["shared"]:
            prefix = "shared" if knobs["shared"] else region
            layers = _path(prefix, variant, knobs, include_top, x, _moved(seed, 2 * number))
        if include_preprocessing:
            x = keras.layers.Rescaling(1 / 255, name=f"{region}_rescaling")(x)
        for layer in layers:
            x = layer(x)
        features.append(x)
    outputs = features
    if include_top:
        x = _join(features)
        x = keras.layers.Dense(classes, name="logits")(x)
        # Float32 under every policy: a softmax in half precision loses the small classes.
        outputs = keras.layers.Activation(
            classifier_activation, dtype="float32", name="predictions"
        )(x)
    elif pooling is not None:
        outputs = _join(
            [_global(pooling, f"{pooling}_pool_{i}")(x) for i, x in enumerate(features)]
        )
    if input_tensor is not None:
        sources = [source for x in inputs for source in keras.utils.get_source_inputs(x)]
        inputs = list({id(source): source for source in sources}.values())
    model = keras.Model(_one_or_all(inputs), _one_or_all(outputs), name=name or variant.name)
    load_weights(model, variant.name, weights)
    return model


def _path(prefix, variant, knobs, include_top, inputs, seed):
    """Return the layers of one path, to be called one after the other."""
    convolution = keras.layers.Conv3D(knobs["filters"], knobs["kernel_size"], name=f"{prefix}_conv")
    path = [
        convolution,
        keras.layers.MaxPooling3D(knobs["pool_size"], name=f"{prefix}_pool"),
        keras.layers.ReLU(name=f"{prefix}_relu"),
        *(ATTENTIONS[kind](f"{prefix}_{kind}") for kind in knobs["attention"]),
    ]
    if not include_top:
        return path
    if variant.early_dropout and knobs["dropout"]:
        early = keras.layers.Dropout(
            knobs["dropout"], seed=_moved(seed, 1), name=f"{prefix}_early_dropout"
        )
        path.append(early)
    if knobs["head"] in ("avg", "max"):
        path.append(_global(knobs["head"], f"{prefix}_{knobs['head']}_pool"))
    else:
        if knobs["head"] == "grid":
            rows, columns = _pooled(_sizes(inputs.shape[1:]), knobs)[1:]
            cells, strides = zip((1, 1), _cells(rows), _cells(columns), strict=True)
            path.append(keras.layers.AveragePooling3D(cells, strides, name=f"{prefix}_grid"))
        path.append(keras.layers.Flatten(name=f"{prefix}_flatten"))
    path.append(keras.layers.Dense(knobs["dense_units"], "relu", name=f"{prefix}_dense"))
    if knobs["dropout"]:
        path.append(keras.layers.Dropout(knobs["dropout"], seed=seed, name=f"{prefix}_dropout"))
    return path


def _cells(side):
    """Return size and stride of the grid's cells: all rows are read, where need be some twice."""
    stride = max(1, side // GRID)
    return stride + side % stride, stride


def _moved(seed, places):
    """Return another seed for each dropout: with one seed, all paths would drop the same units."""
    return None if seed is None else seed + places


def _global(kind, name):
    pools = {"avg": keras.layers.GlobalAveragePooling3D, "max": keras.layers.GlobalMaxPooling3D}
    return pools[kind](name=name)


def _join(features):
    return features[0] if len(features) == 1 else keras.layers.Concatenate(name="join")(features)


def _one_or_all(tensors):
    several = isinstance(tensors, list) and len(tensors) > 1
    return tuple(tensors) if several else keras.tree.flatten(tensors)[0]


def _checked(knobs):
    """Return the knobs after checking them, sizes as triples and attention as a tuple."""
    paths, shared, dropout = knobs["paths"], knobs["shared"], knobs["dropout"]
    for name in ("frames", "filters", "dense_units"):
        check_integer(name, knobs[name], 1)
    if isinstance(paths, bool) or not isinstance(paths, int) or paths not in REGIONS:
        raise ValueError(f"`paths` must be one of {list(REGIONS)}. Received: paths={paths!r}")
    if not isinstance(shared, bool):
        raise ValueError(f"`shared` must be True or False. Received: shared={shared!r}")
    check_choice("head", knobs["head"], HEADS)
    number = isinstance(dropout, (int, float)) and not isinstance(dropout, bool)
    if not number or not 0 <= dropout < 1:
        raise ValueError(f"`dropout` must be a number in [0, 1). Received: dropout={dropout!r}")
    return knobs | {
        "kernel_size": _triple("kernel_size", knobs["kernel_size"]),
        "pool_size": _triple("pool_size", knobs["pool_size"]),
        "attention": _attention(knobs["attention"], knobs["filters"]),
    }


def _attention(attention, filters):
    kinds = () if attention is False else attention
    valid = isinstance(kinds, (tuple, list)) and all(
        isinstance(kind, str) and kind in ATTENTIONS for kind in kinds
    )
    if not valid or len(set(kinds)) < len(kinds):
        raise ValueError(
            f"`attention` must be None, False or a tuple of different names out of "
            f"{list(ATTENTIONS)}. Received: attention={attention!r}"
        )
    if "squeeze_excite" in kinds and filters < 4:
        raise ValueError(
            f"`filters` must be 4 or more with squeeze-and-excite. Received: filters={filters}"
        )
    return tuple(kinds)


def _triple(name, value):
    sizes = tuple(value) if isinstance(value, (tuple, list)) else (value,) * 3
    if len(sizes) != 3 or any(
        isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in sizes
    ):
        raise ValueError(
            f"`{name}` must be a positive integer or three of them (frames, rows, columns). "
            f"Received: {name}={value!r}"
        )
    return sizes


def _inputs(input_tensor, input_shape, shape, frames, regions):
    """Return one Keras tensor for each region."""
    if input_tensor is None:
        clip = _clip_shape(shape, frames)
        return [keras.Input(clip, name=region) for region in regions]
    tensors = list(input_tensor) if isinstance(input_tensor, (tuple, list)) else [input_tensor]
    if len(tensors) != len(regions) or not all(map(keras.backend.is_keras_tensor, tensors)):
        raise ValueError(
            f"`input_tensor` must be {len(regions)} Keras tensor(s), one for each of {regions}. "
            f"Received: {[type(tensor).__name__ for tensor in tensors]}"
        )
    wanted = _clip_shape(shape, frames) if input_shape is not None else None
    for tensor in tensors:
        own = tuple(tensor.shape[1:])
        if len(own) != 4 or None in own or own != (wanted or tuple(tensors[0].shape[1:])):
            raise ValueError(
                "`input_tensor` must hold clips of one known shape, that of `frames` and "
                f"`input_shape` where they are given. Received: {[t.shape for t in tensors]}"
            )
        own_frames = own[0 if channel_axis() == -1 else 1]
        if own_frames != frames:
            raise ValueError(
                f"`frames` must be those of `input_tensor`, {own_frames}. Received: frames={frames}"
            )
    return tensors


def _clip_shape(shape, frames):
    first = channel_axis() == 1
    rule = "(channels, height, width)" if first else "(height, width, channels)"
    shape = tuple(shape)
    whole = len(shape) == 3 and all(
        isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in shape
    )
    if not whole or shape[0 if first else 2] not in (1, 3):
        raise ValueError(
            f"`input_shape` must be {rule} with a known size and 1 channel (grey) or 3 (colour). "
            f"Received: input_shape={shape}"
        )
    return (shape[0], frames, *shape[1:]) if first else (frames, *shape)


def _sizes(clip):
    """Return frames, height and width of a clip's shape."""
    return tuple(clip[1:]) if channel_axis() == 1 else tuple(clip[:3])


def _pooled(sizes, knobs):
    pairs = zip(sizes, knobs["kernel_size"], knobs["pool_size"], strict=True)
    return tuple((size - kernel + 1) // pool for size, kernel, pool in pairs)


def _check_size(clip, knobs):
    sizes = _sizes(clip)
    least = [k + p - 1 for k, p in zip(knobs["kernel_size"], knobs["pool_size"], strict=True)]
    if min(_pooled(sizes, knobs)) < 1:
        raise ValueError(
            f"`frames` and `input_shape` must give at least {least[0]} frames of "
            f"{least[1]}x{least[2]} with kernel_size={knobs['kernel_size']} and "
            f"pool_size={knobs['pool_size']}. Received: {sizes[0]} frames of "
            f"{sizes[1]}x{sizes[2]}"
        )


def _builder(
    of_any: Callable[Concatenate[Variant, _Own], keras.Model], variant: Variant
) -> Callable[_Own, keras.Model]:
    """Return the public function that builds a variant."""
    regions = REGIONS[variant.paths]
    early = variant.early_dropout
    build = functools.partial(of_any, variant)
    build.__doc__ = _DOC.format(
        **dataclasses.asdict(variant) | {"attention": variant.attention or False},
        early="dropout, " if early else "",
        early_too=", and of the one before the head" if early else "",
        takes=f"a tuple of {len(regions)} clips {regions}" if len(regions) > 1 else "a clip",
    )
    build.__module__ = __name__
    return complete(build, variant.name, ClipArguments, DEFAULTS | {"classes": 3})


(
    triple_path_ha3dnet,
    dual_path_3dnet,
    ha_3dnet,
    se_3dnet,
    ha_3dsenet,
    mer_3dcnn,
    micro_exp_stcnn,
) = (_builder(_build, variant) for variant in VARIANTS)
