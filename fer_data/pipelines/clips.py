"""The tf.data pipeline for micro-expressions: aligned face clips to batches of their regions."""

import os
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from fer_data import arguments
from fer_data.checks import check_choice, check_integer
from fer_data.faces.regions import (
    CUTS,
    cut_windows,
    mirrored_windows,
    region_windows,
    split_regions,
)
from fer_data.pipelines.augmentation.clips_with_tensorflow import (
    augment_clips,
    clip_policy,
    flipped_clips,
)
from fer_data.pipelines.augmentation.policies import Augmentation
from fer_data.pipelines.batch_rules import BATCH_RULES
from fer_data.pipelines.epochs import cached, check_not_empty, seeded_batches

LABELS = ("one_hot", "sparse")
# The regions by their number, in order.
REGIONS = {1: ("face",), 2: ("upper", "lower"), 3: ("left", "right", "lower")}
_FACE, _PARTS = ("frames",), ("left", "right", "lower")


@arguments.checked(
    dataset=arguments.either(
        arguments.with_method("map", ""),
        arguments.instance(Mapping, ""),
        arguments.sequence(),
        rule="a tf.data.Dataset, a pair of arrays or a dictionary of arrays",
    ),
    frames=arguments.integer(1),
    regions=arguments.choice((1, 2, 3)),
    region_cut=arguments.choice(("landmarks", "grid")),
    motion=arguments.flag,
    labels=arguments.choice(("one_hot", "sparse")),
    class_weights=arguments.instance(Mapping, "a dictionary from class to weight"),
    augmentation=arguments.either(
        arguments.text,
        arguments.instance(Mapping, ""),
        arguments.instance(Augmentation, ""),
        rule="a name of `PRESETS`, a dictionary or an `Augmentation`",
    ),
    **BATCH_RULES,
)
def pipeline(
    dataset: tf.data.Dataset | tuple[Any, Any] | list[Any] | dict[str, Any],
    *,
    frames: int = 16,
    size: int = 64,
    regions: int = 3,
    region_cut: Literal["landmarks", "grid"] = "landmarks",
    motion: bool = True,
    classes: int = 3,
    batch_size: int = 32,
    training: bool = False,
    augmentation: str | Augmentation | dict[str, Any] | None = None,
    labels: Literal["one_hot", "sparse"] = "one_hot",
    label_smoothing: float = 0.0,
    class_weights: Mapping[int, float] | None = None,
    channels: int | None = None,
    cache: bool | str | os.PathLike[str] = True,
    shuffle: bool | int | None = None,
    seed: int = 0,
    initial_epoch: int = 0,
    repeat: bool = False,
    drop_remainder: bool = False,
    workers: int = tf.data.AUTOTUNE,
    prefetch: int = tf.data.AUTOTUNE,
) -> tf.data.Dataset:
    """Turn aligned face clips and labels into batches for training or evaluation.

    Bring the clip to `frames` frames and the face to `2 * size` pixels, cache, shuffle, batch,
    augment, cut the regions, subtract the first frame, label, prefetch.

    Motion is the default input: a network that sees raw clips learns to recognise the person. Clips
    minus their first frame show it only what moves.

    The windows of the regions are placed once for a clip, by the landmarks of its first frame, and
    before it is augmented: the augmentation turns, moves and crops the face beneath them, alike in
    all frames. A flip mirrors the windows too.

    Randomness is that of `fer_data.pipelines.images.pipeline`: order and augmentation of an epoch
    follow from `seed` and the number of the epoch alone. The augmentation is drawn once per clip,
    for all of its frames and regions.

    Args:
        dataset: One of
            - a `tf.data.Dataset`, not batched, of dictionaries as the micro-expression data sets
              give: `frames`, uint8 `(frames, height, width, 1 or 3)`, faces aligned by
              `fer_data.faces.geometry.align_clip`, square and of any length; `label`, an integer;
              `landmarks`, `(68, 2)` points `(x, y)` of the first frame in pixels of `frames`, for
              `region_cut="landmarks"`; optionally `frame_numbers`, `(frames,)`, rising, by which
              gaps are bridged. Or, in place of `frames`, the regions `left`, `right` and `lower`,
              uint8 `(frames, size, size, 1 or 3)`, which are taken as they were cut. Other features
              are left alone. Pairs `(frames, label)` are taken as well, for `region_cut="grid"`.
            - arrays `(clips, labels)`, or a dictionary of arrays under the names above. Clips may
              be a list of different lengths.
        frames: Frames that every clip is brought to, evenly spaced in time from its own first frame
            to its last. Its own frames are blended linearly.
        size: Side of a region, even.
        regions: 3 for `(left, right, lower)`, 2 for `(upper, lower)` or 1 for the face alone, all
            of `size`. The upper region is the upper half of the face, narrowed to a square.
        region_cut: `"landmarks"` for windows around brows and eyes and around the mouth, as
            `fer_data.faces.split_regions` places them; `"grid"` for the same windows in every
            face. A network must see clips as it was trained on them. It makes no difference to
            `regions=1`.
        motion: Whether to subtract the first frame from every frame.
        classes: Number of classes.
        batch_size: Clips per batch.
        training: Whether to shuffle and augment. Without it `augmentation` has no effect.
        augmentation: `None`, or what `fer_data.pipelines.augmentation.policy` takes, without
            RandAugment and MixUp: flip, rotation, shift, zoom, crop, contrast, brightness.
        labels: `"one_hot"`, or `"sparse"` for int32 class numbers.
        label_smoothing: Share of every label that is spread evenly over the classes, in `[0, 1)`.
        class_weights: Weights by class number, as from `fer_data.protocols.class_weights` of the
            training labels; every example then comes with the weight of its class. Use it instead
            of `fit(class_weight=...)`.
        channels: 1 or 3 converts (grey weights of ITU-R 601; grey is repeated); `None` keeps the
            data set's.
        cache: `True` keeps the prepared clips in memory (uint8, 786 kB per clip at the defaults), a
            path keeps them in that folder (written whole at the first call, and read again by later
            ones; those made with other frames, size, channels or classes are refused: give every
            data set and split its own), `False` makes them anew.
        shuffle: `True` over the whole data set, an integer over a buffer of so many clips,
            `False` for the given order; `None` means `training`.
        seed: Integer from which all randomness follows.
        initial_epoch: Number of the first epoch.
        repeat: Whether to go on without end; give `fit` its `steps_per_epoch` then.
        drop_remainder: Whether to leave out a last batch that is not full.
        workers: Parallel calls of each step, 1 or more; -1 for as many as TensorFlow chooses.
        prefetch: Batches prepared ahead; 0 for none.

    Returns:
        A `tf.data.Dataset` of `(regions, label)` or `(regions, label, weight)`: a tuple of float32
        `(batch, frames, size, size, channels)`, or the face alone with `regions=1`; in
        `[-255, 255]` with `motion`, else `[0, 255]`. Labels float32 `(batch, classes)` or int32
        `(batch,)`; weights float32 `(batch,)`.

    Raises:
        ValueError: For a bad argument, an empty data set, or labels outside the classes in arrays;
            for clips without landmarks where `region_cut="landmarks"`.
        tf.errors.InvalidArgumentError: While iterating, for a label outside the classes (clips
            without a label, -1, must be filtered out before), a clip without frames, landmarks
            that are not finite, or frame numbers that do not rise.

    Example:

    >>> clips, points = np.zeros((6, 9, 128, 128, 1), "uint8"), np.full((6, 68, 2), 64.0)
    >>> data = {"frames": clips, "landmarks": points, "label": [0, 1, 2, 0, 1, 2]}
    >>> batches = pipeline(data, frames=16, batch_size=4)
    >>> [[part.shape[1:] for part in parts] for parts, label in batches.take(1)][0][0]
    TensorShape([16, 64, 64, 1])
    """
    size = _side(size)
    check_integer("frames", frames, 1)
    check_choice("regions", regions, tuple(REGIONS))
    check_choice("region_cut", region_cut, CUTS)
    check_integer("classes", classes, 1)
    check_integer("batch_size", batch_size, 1)
    check_integer("initial_epoch", initial_epoch, 0)
    check_choice("labels", labels, LABELS)
    check_choice("channels", channels, (None, 1, 3))
    if not 0 <= label_smoothing < 1 or (label_smoothing and labels == "sparse"):
        raise ValueError(
            '`label_smoothing` must be in [0, 1), and 0 with `labels="sparse"`. '
            f"Received: label_smoothing={label_smoothing}, labels={labels!r}"
        )
    if isinstance(shuffle, int) and not isinstance(shuffle, bool):
        check_integer("shuffle", shuffle, 1)
    policy = clip_policy(augmentation)
    weights = _weights(class_weights, classes)

    dataset = _source(dataset, classes)
    check_not_empty(dataset)
    spec = dataset.element_spec
    names = _FACE if "frames" in spec else _PARTS
    _check_clips(spec, names, size, regions)
    # No windows to place: the face is seen whole, or its regions were cut before.
    follow = region_cut == "landmarks" and names == _FACE and regions > 1
    if follow:
        _check_landmarks(spec)
    own = spec[names[0]].shape[-1]
    keep = min(own, channels or own)

    def prepare(element):
        times = _times(element, names[0], frames)
        parts = [_fixed(element[name], times, size, name, keep) for name in names]
        if follow:
            side = tf.shape(element["frames"])[1]
            points = fixed_landmarks(element["landmarks"], side, size=size)
            parts.append(region_windows(points, size, regions))
        return *parts, _checked_label(element["label"], classes)

    examples = dataset.map(prepare, num_parallel_calls=workers, deterministic=True)
    # Labels are checked before they are cached.
    examples = cached(examples, cache, {"classes": int(classes)})

    def finish(*batch):
        *parts, label, seed = batch
        windows = parts.pop() if follow else None
        parts = tuple(tf.cast(part, tf.float32) for part in parts)
        if training:
            parts = augment_clips(parts, policy, seed)
            if follow and policy.flip:
                flipped = flipped_clips(tf.shape(label)[0], policy, seed)[:, None, None]
                windows = tf.where(flipped, mirrored_windows(windows, size), windows)
        inputs = _inputs(parts, size, regions, motion, windows)
        if channels == 3 and keep == 1:
            inputs = tf.nest.map_structure(lambda part: tf.repeat(part, 3, axis=-1), inputs)
        target = tf.cast(label, tf.int32)
        if labels == "one_hot":
            target = tf.one_hot(label, classes) * (1 - label_smoothing) + label_smoothing / classes
        return (inputs, target) if weights is None else (inputs, target, tf.gather(weights, label))

    batches = seeded_batches(
        examples,
        batch_size=batch_size,
        shuffle=bool(training) if shuffle is None else shuffle,
        seed=seed,
        initial_epoch=initial_epoch,
        repeat=repeat,
        drop_remainder=drop_remainder,
        finish=finish,
        workers=workers,
    )
    return batches.prefetch(prefetch) if prefetch else batches


def fixed_clip(
    faces: np.ndarray | tf.Tensor,
    frame_numbers: ArrayLike | None = None,
    *,
    frames: int = 16,
    size: int = 64,
    channels: int | None = None,
) -> tf.Tensor:
    """Bring one aligned face clip to a fixed number of frames and size, as `pipeline` does.

    Use it for clips outside of a data set; `clip_inputs` takes a batch of the results.

    Args:
        faces: uint8 `(frames, side, side, 1 or 3)`, aligned by
            `fer_data.faces.geometry.align_clip`, of any length.
        frame_numbers: `(frames,)`, rising, or `None` where no frame is missing.
        frames: Frames of the result, evenly spaced in time from the first to the last.
        size: Side of a region, even; the face has twice as much.
        channels: As for `pipeline`, but 3 leaves a grey clip grey.

    Returns:
        uint8 tensor `(frames, 2 * size, 2 * size, channels)`.

    Raises:
        ValueError: For a bad argument.
        tf.errors.InvalidArgumentError: For a clip without frames, or frame numbers that do not
            rise.

    Example:

    >>> fixed_clip(np.zeros((9, 128, 128, 3), "uint8"), frames=16, channels=1).shape
    TensorShape([16, 128, 128, 1])
    """
    size = _side(size)
    check_integer("frames", frames, 1)
    check_choice("channels", channels, (None, 1, 3))
    element = {"frames": tf.convert_to_tensor(faces)}
    if frame_numbers is not None:
        element["frame_numbers"] = frame_numbers
    _check_clips({"frames": tf.type_spec_from_value(element["frames"])}, _FACE, size, 1)
    own = element["frames"].shape[-1]
    times = _times(element, "frames", frames)
    return _fixed(element["frames"], times, size, "frames", min(own, channels or own))


def fixed_landmarks(
    landmarks: tf.Tensor | ArrayLike, side: int | tf.Tensor, *, size: int = 64
) -> tf.Tensor:
    """Scale the landmarks of an aligned face as `fixed_clip` scales the face.

    Args:
        landmarks: `(..., 68, 2)` points `(x, y)`, in pixels of a face of `side`.
        side: Height and width of the face, such as the 128 of the prepared data sets.
        size: Side of a region, even; the face gets twice as much.

    Returns:
        Float64 tensor of the same shape, in pixels of a face of `2 * size`.

    Example:

    >>> fixed_landmarks(np.full((68, 2), 127.5), 128, size=32)[0].numpy().tolist()
    [63.5, 63.5]
    """
    scale = 2.0 * _side(size) / tf.cast(side, tf.float64)
    # Whole numbers are the centres of pixels, so a pixel begins half a pixel before.
    return (tf.cast(landmarks, tf.float64) + 0.5) * scale - 0.5


def clip_inputs(
    faces: np.ndarray | tf.Tensor,
    *,
    size: int = 64,
    regions: int = 3,
    motion: bool = True,
    landmarks: np.ndarray | tf.Tensor | None = None,
) -> tf.Tensor | tuple[tf.Tensor, ...]:
    """Turn a batch of aligned face clips into the inputs of the clip models.

    Use it for clips outside of a data set, such as a window of a long video.

    Args:
        faces: uint8 or float `(batch, frames, 2 * size, 2 * size, 1 or 3)` in `[0, 255]`.
        size: Side of a region, even.
        regions: 3, 2 or 1, as for `pipeline`.
        motion: Whether to subtract the first frame from every frame.
        landmarks: `(batch, 68, 2)` points of the first frames in pixels of `faces`, which the
            regions follow; `None` for the grid. Give them if, and only if, the network was trained
            with `region_cut="landmarks"`.

    Returns:
        Float32 tensors `(batch, frames, size, size, channels)`: a tuple, or one for the face.

    Raises:
        ValueError: For a bad argument.
        tf.errors.InvalidArgumentError: For landmarks that are not finite.

    Example:

    >>> left, right, lower = clip_inputs(np.zeros((1, 16, 128, 128, 3), "uint8"))
    >>> lower.shape
    TensorShape([1, 16, 64, 64, 3])
    """
    size = _side(size)
    check_choice("regions", regions, tuple(REGIONS))
    faces = tf.cast(faces, tf.float32)
    if faces.shape.rank != 5 or tuple(faces.shape[2:4]) != (2 * size, 2 * size):
        raise ValueError(
            "`faces` must have the shape (batch, frames, 2 * size, 2 * size, channels). "
            f"Received: shape={faces.shape}, size={size}"
        )
    windows = None
    if landmarks is not None and regions > 1:
        landmarks = tf.convert_to_tensor(landmarks)
        if landmarks.shape.rank != 3:  # type: ignore[union-attr]
            raise ValueError(
                f"`landmarks` must have the shape (batch, 68, 2). Received: shape={landmarks.shape}"
            )
        windows = region_windows(landmarks, size, regions)
    return _inputs((faces,), size, regions, motion, windows)


def _inputs(parts, size, regions, motion, windows=None):
    """Return the face or its regions, as many as are asked for."""
    if motion:
        parts = tuple(part - part[:, :1] for part in parts)
    if regions == 1:
        return _halved(_halved(parts[0], 3), 2)
    if windows is not None:
        found = cut_windows(parts[0], windows, size)
        return found if regions == 3 else (_halved(found[0], 3), found[1])
    left, right, lower = split_regions(parts[0], size) if len(parts) == 1 else parts
    if regions == 3:
        return left, right, lower
    return _halved(tf.concat([left, right], axis=3), 3), lower


def _halved(clips, axis):
    """Return the means of pairs of neighbours along an axis."""
    shape = list(clips.shape)
    shape[axis : axis + 1] = [shape[axis] // 2, 2]
    shape[0] = -1
    return tf.reduce_mean(tf.reshape(clips, shape), axis=axis + 1)


def _side(size):
    pair = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    valid = all(isinstance(n, (int, np.integer)) and n >= 2 and n % 2 == 0 for n in pair)
    if len(pair) != 2 or pair[0] != pair[1] or not valid:
        raise ValueError(f"`size` must be an even integer >= 2. Received: size={size!r}")
    return int(pair[0])


def _weights(class_weights, classes):
    if class_weights is None:
        return None
    if sorted(class_weights) != list(range(classes)) or min(class_weights.values()) < 0:
        raise ValueError(
            f"`class_weights` must give each class from 0 to {classes - 1} a weight that is not "
            f"negative. Received: class_weights={class_weights}"
        )
    return tf.constant([class_weights[number] for number in range(classes)], tf.float32)


def _source(dataset, classes):
    """Return any accepted input as a `tf.data.Dataset` of dictionaries."""
    if not isinstance(dataset, tf.data.Dataset):
        return _source(_from_arrays(dataset, classes), classes)
    spec = dataset.element_spec
    if isinstance(spec, (tuple, list)) and len(spec) == 2:
        dataset = dataset.map(lambda clip, label: {"frames": clip, "label": label})
    elif not isinstance(spec, dict):
        raise ValueError(
            f"`dataset` must hold dictionaries or pairs (frames, label). Received: {spec}"
        )
    spec = dataset.element_spec
    names = _FACE if "frames" in spec else _PARTS
    if not {*names, "label"} <= spec.keys():
        raise ValueError(
            "`dataset` must have the features `label` and `frames`, or `left`, `right` and "
            f"`lower` in its place. Received: {sorted(spec)}"
        )
    if spec["label"].shape.rank != 0 or not spec["label"].dtype.is_integer:
        raise ValueError(
            "`label` must be an integer. "
            f"Received: dtype={spec['label'].dtype.name}, shape={spec['label'].shape}"
        )
    wanted = (*names, "label", "frame_numbers", "landmarks")
    return dataset.map(lambda element: {k: v for k, v in element.items() if k in wanted})


def _from_arrays(arrays, classes):
    if isinstance(arrays, (tuple, list)) and len(arrays) == 2:
        arrays = {"frames": arrays[0], "label": arrays[1]}
    if not isinstance(arrays, dict) or "label" not in arrays:
        raise ValueError(
            "`dataset` must be a tf.data.Dataset, a pair (clips, labels) or a dictionary of "
            f"arrays. Received: {type(arrays).__name__}"
        )
    lengths = {name: len(value) for name, value in arrays.items()}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise ValueError(f"The arrays must have one length, not zero. Received: {lengths}")
    labels = np.asarray(arrays["label"])
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(
            f"Labels must be a vector of integers. Received: dtype={labels.dtype}, "
            f"shape={labels.shape}"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"Labels must be in [0, {classes}). "
            f"Received: labels from {labels.min()} to {labels.max()}"
        )
    arrays = arrays | {"label": labels}
    # Clips of different lengths cannot form an array; those of one length do, without a copy.
    uneven = any(len({np.shape(clip) for clip in value}) > 1 for value in arrays.values())
    if not uneven:
        return tf.data.Dataset.from_tensor_slices({k: np.asarray(v) for k, v in arrays.items()})

    def examples():
        for values in zip(*arrays.values(), strict=True):
            yield dict(zip(arrays, values, strict=True))

    def spec(value):
        first = np.asarray(value[0])
        return tf.TensorSpec(first.shape and (None, *first.shape[1:]), first.dtype)

    signature = {name: spec(value) for name, value in arrays.items()}
    dataset = tf.data.Dataset.from_generator(examples, output_signature=signature)
    return dataset.apply(tf.data.experimental.assert_cardinality(len(labels)))


def _check_clips(spec, names, size, regions):
    for name in names:
        clip, shape = spec[name], spec[name].shape
        if clip.dtype != tf.uint8 or shape.rank != 4 or shape[-1] not in (1, 3):
            raise ValueError(
                f"`{name}` must be uint8 in [0, 255] of shape (frames, height, width, 1 or 3), not "
                f"batched. Received: dtype={clip.dtype.name}, shape={shape}"
            )
        if names == _FACE and shape[1] != shape[2]:
            raise ValueError(
                "`frames` must hold faces as high as wide, aligned by "
                f"`fer_data.faces.geometry.align_clip`. Received: shape={shape}"
            )
        if names == _PARTS and tuple(shape[1:3]) != (size, size):
            raise ValueError(
                f"`{name}` must have the shape (frames, {size}, {size}, channels), by `size`. "
                f"Received: shape={shape}"
            )
    if names == _PARTS and regions == 1:
        raise ValueError(
            "`regions=1` needs the feature `frames`: the whole face cannot be had from its "
            f"regions. Received: {sorted(spec)}"
        )


def _check_landmarks(spec):
    if "landmarks" not in spec:
        raise ValueError(
            "`dataset` must have the feature `landmarks`, the 68 points of each clip's first "
            "frame, for regions that follow them; without it, take the fixed grid: "
            f'region_cut="grid". Received: {sorted(spec)}'
        )
    points = spec["landmarks"]
    if not points.shape.is_compatible_with((68, 2)) or not (
        points.dtype.is_floating or points.dtype.is_integer
    ):
        raise ValueError(
            "`landmarks` must be numbers of the shape (68, 2). "
            f"Received: dtype={points.dtype.name}, shape={points.shape}"
        )


def _checked_label(label, classes):
    known = tf.debugging.Assert(
        (label >= 0) & (label < tf.cast(classes, label.dtype)),
        [f"`label` must be in [0, {classes}); filter out clips without one (-1). "
         "Received: label =", label],
    )  # fmt: skip
    with tf.control_dependencies([known]):
        return tf.cast(label, tf.int64)


def _times(element, name, frames):
    """Return, for each frame wanted, its two neighbours and the share of the later one."""
    count = tf.shape(element[name])[0]
    if "frame_numbers" in element:
        numbers = tf.cast(element["frame_numbers"], tf.float64)
    else:
        numbers = tf.cast(tf.range(count), tf.float64)
    rising = tf.debugging.Assert(
        (tf.size(numbers) == count) & (count > 0) & tf.reduce_all(numbers[1:] > numbers[:-1]),
        ["Clips must have frames, and rising `frame_numbers`, one for each frame. Received:", count,
         "frames, frame_numbers =", numbers],
    )  # fmt: skip
    with tf.control_dependencies([rising]):
        wanted = tf.linspace(numbers[0], numbers[-1], frames)
    high = tf.minimum(tf.searchsorted(numbers, wanted), count - 1)
    low = tf.maximum(high - 1, 0)
    before, after = tf.gather(numbers, low), tf.gather(numbers, high)
    share = tf.math.divide_no_nan(wanted - before, after - before)
    return low, high, tf.cast(share, tf.float32)


def _fixed(clip, times, size, name, channels):
    """Return a clip, or a region of it, as it is cached: with colours, frames and size fixed."""
    return _resized(_blended(_colours(clip, channels), *times), size, name, channels)


def _blended(clip, low, high, share):
    share = tf.reshape(share, (-1, 1, 1, 1))
    before, after = (tf.cast(tf.gather(clip, place), tf.float32) for place in (low, high))
    return before * (1 - share) + after * share


def _colours(clip, channels):
    return tf.image.rgb_to_grayscale(clip) if channels < clip.shape[-1] else clip


def _resized(clip, size, name, channels):
    """Return a uint8 clip at the size that is cached."""
    side = 2 * size if name == "frames" else size
    if tuple(clip.shape[1:3]) != (side, side):
        clip = tf.image.resize(clip, (side, side), antialias=True)
    clip = tf.cast(tf.clip_by_value(tf.round(clip), 0, 255), tf.uint8)
    return tf.ensure_shape(clip, (None, side, side, channels))
