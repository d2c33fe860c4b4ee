"""The tf.data pipeline for still faces: pictures of a data set to batches for `fit`."""

import os
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from fer_data import arguments
from fer_data.checks import check_choice, check_integer
from fer_data.faces.face import Framing, check_framing
from fer_data.file_limits import UnreadableError, open_regular, printable
from fer_data.labels import (
    DIMENSIONS,
    EMOTIONS,
    EXPRESSION,
    FERPLUS_CLASSES,
    FERPLUS_VOTE_COLUMNS,
    VALENCE_AROUSAL,
    index_map,
)
from fer_data.pipelines.augmentation import with_tensorflow as augmenting
from fer_data.pipelines.augmentation.policies import Augmentation
from fer_data.pipelines.batch_rules import BATCH_RULES
from fer_data.pipelines.boxed_faces import cut_by_box
from fer_data.pipelines.epochs import cached, check_not_empty, seeded_batches

LABELS = ("one_hot", "sparse", "soft")
# The first bytes of the files that TensorFlow decodes.
BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"GIF8")
ALL_KNOWN = 1 - 1e-4


@arguments.checked(
    dataset=arguments.either(
        arguments.with_method("map", ""),
        arguments.instance(dict, ""),
        arguments.sequence(),
        rule="a tf.data.Dataset, a pair of arrays or a dictionary of arrays",
    ),
    size=arguments.either(
        arguments.integer(1, 2**15),
        arguments.sequence(arguments.integer(1, 2**15), 2, 2),
        rule="a positive integer or a pair of them",
    ),
    labels=arguments.choice(("one_hot", "sparse", "soft")),
    valence_arousal=arguments.flag,
    vote_order=arguments.sequence(arguments.integer(0)),
    framing=arguments.instance(Framing, "a `fer_data.faces.Framing`"),
    interpolation=arguments.text,
    dtype=arguments.choice(("float32", "uint8")),
    augmentation=arguments.either(
        arguments.text,
        arguments.instance(dict, ""),
        arguments.instance(Augmentation, ""),
        rule="a name of `PRESETS`, a dictionary or an `Augmentation`",
    ),
    **BATCH_RULES,
)
def pipeline(
    dataset: tf.data.Dataset | tuple[Any, Any] | list[Any] | dict[str, Any],
    *,
    size: int | tuple[int, int],
    classes: int = 7,
    batch_size: int = 32,
    training: bool = False,
    augmentation: str | Augmentation | dict[str, Any] | None = None,
    labels: Literal["one_hot", "sparse", "soft"] = "one_hot",
    label_smoothing: float = 0.0,
    valence_arousal: bool = False,
    vote_order: Sequence[int] | None = None,
    channels: int | None = None,
    framing: Framing | None = None,
    interpolation: str = "bilinear",
    cache: bool | str | os.PathLike[str] = True,
    shuffle: bool | int | None = None,
    seed: int = 0,
    initial_epoch: int = 0,
    repeat: bool = False,
    drop_remainder: bool = False,
    workers: int = tf.data.AUTOTUNE,
    prefetch: int = tf.data.AUTOTUNE,
    dtype: Literal["float32", "uint8"] = "float32",
) -> tf.data.Dataset:
    """Turn pictures and labels into batches for training or evaluation.

    Decode, cut the face out where its box is known, or else resize the picture (antialiased),
    cache, shuffle, batch, augment, label, prefetch. Pixels stay uint8 up to the last step.

    A face with a box is cut by `fer_data.faces.cut_face`, as in recognition. That is a Python
    function, so workers of the tf.data service cannot run it: for them, cut the faces beforehand
    with `fer_data.faces.cut_folder`.

    Randomness: order and augmentation of an epoch follow from `seed` and the number of the epoch
    alone, however many workers run. The first iteration over the result is epoch `initial_epoch`,
    the second the next one, and so on. With `repeat=True` one iteration goes through all epochs
    without end, and every iteration starts again at `initial_epoch`; this form keeps no state, as
    the tf.data service requires. So a resumed `fit(..., initial_epoch=k)` on
    `pipeline(..., initial_epoch=k)` sees the same batches as an unbroken run. Where Keras looks at
    a batch before the first epoch (on JAX, and under a distribution strategy) that look counts as
    an iteration: use `repeat=True` and `steps_per_epoch` there.

    Args:
        dataset: One of
            - a `tf.data.Dataset`, not batched, of dictionaries as from tensorflow-datasets:
              `image`, uint8 `(height, width, 1 or 3)` or a string with an encoded JPEG, PNG, BMP
              or GIF (WebP too where there is `tf.io.decode_webp`), or `path` instead, a file's
              name; `label`, an integer or weights `(classes,)`; optionally `box`, `(x, y, width,
              height)` in pixels, with `framing`, the three numbers of a `fer_data.faces.Framing`;
              `votes`; and `valence` and `arousal`, floats. Other features are left alone. Pairs
              `(image, label)` are taken as well.
            - arrays `(images, labels)`: uint8 `(n, height, width, 1 or 3)` or
              `(n, height, width)`, or a list of file names.
            - a dictionary of arrays under the names above.

            Files and strings are decoded by TensorFlow, which does not turn a picture upright by
            its EXIF orientation and leaves transparency out. For photos prepare the data set
            `image_folder`, or cut the faces with `fer_data.faces.cut_folder`: both turn them, and
            lay transparency on black.
        size: Height and width of the output, an integer or a pair; equal where there are boxes.
        classes: Number of classes.
        batch_size: Images per batch.
        training: Whether to shuffle and augment. Without it `augmentation` has no effect.
        augmentation: `None`, a preset's name (`"none"`, `"basic"`, `"randaug"`, `"mixup"`,
            `"randaug+mixup"`, `"fer2013"`), a
            `fer_data.pipelines.augmentation.Augmentation` or its dictionary.
        labels: `"one_hot"`; `"sparse"`, int32 class numbers; or `"soft"`, the shares of the
            `votes`. Where no vote falls on any of the classes, the label counts as one vote.
        label_smoothing: Share of every label that is spread evenly over the classes, in `[0, 1)`.
        valence_arousal: Whether to give the features `valence` and `arousal` as targets too, for a
            model of `fer_models.with_valence_arousal`: in `[-1, 1]`, or NaN where they are not
            known. MixUp mixes them like the labels.
        vote_order: The place in `votes` of each class, for soft labels made of them. By default
            the votes are in the order of the classes, or FER+'s ten for the seven classes of
            `fer_data.labels.EMOTIONS`.
        channels: 1 or 3 converts (grey weights of ITU-R 601; grey is repeated); `None` keeps the
            data set's channels, and decodes encoded pictures to 3.
        framing: How the faces lie in their boxes, as one of `fer_data.faces.FRAMINGS`; needed where
            there is a `box` without a `framing`, and used instead of that.
        interpolation: A method of `tf.image.resize`, for pictures without a box.
        cache: `True` keeps the resized pictures in memory, a path keeps them in that folder
            (written whole at the first call, and read again by later ones; those with another
            size, channels, labels, framing or interpolation are refused: give every data set and
            split its own), `False` makes them anew.
        shuffle: `True` over the whole data set, an integer over a buffer of so many pictures,
            `False` for the given order; `None` means `training`.
        seed: Integer from which all randomness follows.
        initial_epoch: Number of the first epoch.
        repeat: Whether to go on without end; give `fit` its `steps_per_epoch` then.
        drop_remainder: Whether to leave out a last batch that is not full.
        workers: Parallel calls of each step, 1 or more; -1 for as many as TensorFlow chooses.
        prefetch: Batches prepared ahead; 0 for none.
        dtype: `"float32"` or `"uint8"` images; the values are the same whole numbers.

    Returns:
        A `tf.data.Dataset` of `(images, labels)`: images `(batch, height, width, channels)` in
        `[0, 255]`; labels float32 `(batch, classes)` that sum to one, or int32 `(batch,)`. With
        `valence_arousal` the labels are a dictionary, `{"expression": labels, "valence_arousal":
        float32 (batch, 2)}`.

    Raises:
        ValueError: For a bad argument, an empty data set, or labels outside the classes in
            arrays.
        ImportError: If the augmentation asks for keras-cv, and it is not installed.
        tf.errors.InvalidArgumentError: While iterating, for a label outside the classes, valence
            or arousal outside [-1, 1], a box outside its picture or a picture that cannot be
            decoded.

    Example:

    >>> images = np.zeros((10, 48, 48, 1), "uint8")
    >>> batches = pipeline(
    ...     (images, np.arange(10) % 7), size=64, training=True, augmentation="basic"
    ... )
    >>> [image.shape for image, label in batches]
    [TensorShape([10, 64, 64, 1])]
    """
    size = _size(size)
    policy = augmenting.policy(augmentation)
    check_integer("classes", classes, 1)
    check_integer("batch_size", batch_size, 1)
    check_integer("initial_epoch", initial_epoch, 0)
    check_choice("labels", labels, LABELS)
    check_choice("dtype", dtype, ("float32", "uint8"))
    check_choice("channels", channels, (None, 1, 3))
    if not 0 <= label_smoothing < 1:
        raise ValueError(
            f"`label_smoothing` must be in [0, 1). Received: label_smoothing={label_smoothing}"
        )
    if framing is not None:
        check_framing("framing", framing)
    if labels == "sparse" and label_smoothing:
        raise ValueError(
            'Label smoothing needs `labels="one_hot"` or "soft". '
            f"Received: labels='sparse', label_smoothing={label_smoothing}"
        )
    if training:
        augmenting.check_engine(policy)
    if training and policy.mixup is not None:
        if labels == "sparse":
            raise ValueError(
                'MixUp needs `labels="one_hot"` or "soft". Received: labels=\'sparse\''
            )
        if batch_size < 2:
            raise ValueError(
                f"MixUp needs batches of two images and more. Received: batch_size={batch_size}"
            )
    if isinstance(shuffle, int) and not isinstance(shuffle, bool):
        check_integer("shuffle", shuffle, 1)
    if shuffle is None:
        shuffle = bool(training)

    dataset = _source(dataset, classes)
    check_not_empty(dataset)
    spec = dataset.element_spec
    vote_order = _vote_order(vote_order, spec, labels, classes)
    if valence_arousal:
        _check_valence_arousal(spec, labels)
    keep = _kept_channels(spec, channels)
    if "box" in spec and size[0] != size[1]:  # type: ignore[index]
        raise ValueError(
            "`size` must be one number, or two alike, where the data set has the feature `box`: "
            f"faces are cut out as squares. Received: size={size}"
        )
    if "box" in spec and framing is None and "framing" not in spec:
        raise ValueError(
            "`framing` must say how the faces lie in their boxes, where the data set has the "
            "feature `box` and no `framing`: give `framing=fer_data.faces.FRAMINGS['mtcnn']` for "
            "boxes like MTCNN's, `framing=Framing(1, 0, 0)` for boxes that are to be cut as they "
            "are. Received: framing=None"
        )

    def prepare(element):
        if "box" in element:
            place = element["box"], element["framing"] if framing is None else framing
            image = _cut(_picture(element, 3), *place, size[0], keep)
        else:
            image = _resize(_picture(element, keep), size, keep, interpolation)
        label = _label(element, classes, labels, label_smoothing, vote_order)
        if valence_arousal:
            # In one row with the label, so that MixUp mixes both alike.
            label = tf.concat([label, *_valence_arousal(element)], axis=0)
        return image, label

    examples = dataset.map(prepare, num_parallel_calls=workers, deterministic=True)
    made_by = {
        "classes": int(classes),
        "labels": labels,
        "label_smoothing": float(label_smoothing),
        "vote_order": vote_order,
        "framing": None if framing is None else [float(number) for number in framing],
        "interpolation": interpolation,
    }
    examples = cached(examples, cache, made_by)

    def finish(images, label, batch_seed):
        if training:
            images, label = augmenting.augment(images, label, policy, batch_seed)
        if channels == 3 and keep == 1:
            images = tf.repeat(images, 3, axis=-1)
        if valence_arousal:
            label, values, known = tf.split(label, [classes, 2, 2], axis=1)
            # Of a mixture all parts must be known.
            values = tf.where(known > ALL_KNOWN, values, float("nan"))
            label = {EXPRESSION: label, VALENCE_AROUSAL: values}
        return tf.cast(images, dtype), label

    batches = seeded_batches(
        examples,
        batch_size=batch_size,
        shuffle=shuffle,
        seed=seed,
        initial_epoch=initial_epoch,
        repeat=repeat,
        drop_remainder=drop_remainder,
        finish=finish,
        workers=workers,
    )
    return batches.prefetch(prefetch) if prefetch else batches


def _size(size):
    pair = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    valid = len(pair) == 2 and all(isinstance(v, (int, np.integer)) and v >= 1 for v in pair)
    if not valid:
        raise ValueError(
            "`size` must be a positive integer or a pair of them (height, width). "
            f"Received: size={size!r}"
        )
    return tuple(int(v) for v in pair)


def _source(dataset, classes):
    """Return any accepted input as a `tf.data.Dataset` of dictionaries."""
    if not isinstance(dataset, tf.data.Dataset):
        return _from_arrays(dataset, classes)
    spec = dataset.element_spec
    if isinstance(spec, (tuple, list)) and len(spec) == 2:
        dataset = dataset.map(lambda image, label: {"image": image, "label": label})
    elif not isinstance(spec, dict):
        raise ValueError(
            "`dataset` must hold dictionaries or pairs (image, label). "
            f"Received: element_spec={spec}"
        )
    spec = dataset.element_spec
    pictures = [name for name in ("image", "path") if name in spec]
    if not pictures or "label" not in spec:
        raise ValueError(
            "`dataset` must have the features `image` (or `path`) and `label`. "
            f"Received: {sorted(spec)}"
        )
    wanted = (pictures[0], "label", "box", "framing", "votes", *DIMENSIONS)
    dataset = dataset.map(lambda element: {k: v for k, v in element.items() if k in wanted})
    _check_spec(dataset.element_spec)
    return dataset


def _check_spec(spec):
    if "image" in spec and spec["image"].dtype != tf.string:
        image = spec["image"]
        if image.dtype != tf.uint8 or image.shape.rank != 3 or image.shape[-1] not in (1, 3):
            raise ValueError(
                "`image` must be uint8 in [0, 255] of shape (height, width, 1 or 3), not batched, "
                f"or an encoded string. Received: dtype={image.dtype.name}, shape={image.shape}"
            )
    label = spec["label"]
    if label.shape.rank not in (0, 1) or (label.shape.rank == 0) != label.dtype.is_integer:
        raise ValueError(
            "`label` must be an integer or floating-point weights of shape (classes,). "
            f"Received: dtype={label.dtype.name}, shape={label.shape}"
        )


def _from_arrays(arrays, classes):
    if not isinstance(arrays, dict):
        if not isinstance(arrays, (tuple, list)) or len(arrays) != 2:
            raise ValueError(
                "`dataset` must be a tf.data.Dataset, a pair (images, labels) or a dictionary of "
                f"arrays. Received: {type(arrays).__name__}"
            )
        arrays = {"image": arrays[0], "label": arrays[1]}
    arrays = {name: np.asarray(value) for name, value in arrays.items()}
    if "image" in arrays and _are_names(arrays["image"]):
        arrays["path"] = arrays.pop("image")
    lengths = {name: len(value) for name, value in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"The arrays must have one length. Received: {lengths}")
    if 0 in lengths.values():
        raise ValueError("The data set is empty. Received: no examples")
    if "image" in arrays and arrays["image"].ndim == 3:
        arrays["image"] = arrays["image"][..., None]
    if "path" in arrays:
        arrays["path"] = _files(arrays["path"])
    label = arrays.get("label")
    if label is not None and label.ndim == 1 and label.dtype.kind in "iu":
        wrong = np.flatnonzero((label < 0) | (label >= classes))
        if wrong.size:
            raise ValueError(
                f"Labels must be in [0, {classes}). "
                f"Received: {label[wrong[0]]} at {wrong[0]}, {wrong.size} in all"
            )
    return _source(tf.data.Dataset.from_tensor_slices(arrays), classes)


def _are_names(values):
    if values.dtype == object:
        return all(isinstance(each, (str, os.PathLike)) for each in values.flat)
    return values.dtype.kind in "US"


def _files(paths):
    """Return the names of files for TensorFlow, whose decoder would not name a bad one."""
    if paths.ndim != 1 or not _are_names(paths):
        raise ValueError(
            "`path` must hold a name of a file for each label. "
            f"Received: dtype={paths.dtype}, shape={paths.shape}"
        )
    names = [os.fsdecode(path) for path in paths]
    wrong = [name for name in names if not _is_decoded(name)]
    if wrong:
        raise ValueError(
            "`dataset` must name files that TensorFlow decodes: JPEG, PNG, BMP or GIF, whatever "
            "their ending; for others prepare the data set `image_folder`. Received: "
            f"{len(wrong)} of {len(names)} files that are missing or no such pictures: "
            f"{', '.join(map(printable, wrong[:10]))}{' and more' if len(wrong) > 10 else ''}"
        )
    return np.array([os.fsencode(name) for name in names], dtype=object)


def _is_decoded(name):
    """Return whether a file begins as a picture that TensorFlow decodes."""
    try:
        # Not by OpenCV, which on Windows opens no file of a name beyond the system's code page.
        with open_regular(name) as file:
            beginning = file.read(12)
    except (OSError, ValueError, UnreadableError):
        return False
    webp = hasattr(tf.io, "decode_webp") and beginning[:4] + beginning[8:] == b"RIFFWEBP"
    return webp or beginning.startswith(BEGINNINGS)


def _kept_channels(spec, channels):
    """Return the channels of the cached pictures: grey is repeated after the augmentation only."""
    own = spec["image"].shape[-1] if "image" in spec and spec["image"].shape.rank else None
    return min(own, channels or own) if own else channels or 3


def _picture(element, channels):
    picture = tf.io.read_file(element["path"]) if "path" in element else element["image"]
    if picture.dtype == tf.string:
        return _decoded(picture, channels)
    if channels == 1 and picture.shape[-1] == 3:
        return tf.image.rgb_to_grayscale(picture)
    return picture


def _decoded(data, channels):
    webp = tf.strings.substr(data, 0, 4) == b"RIFF"

    def as_is(channels):
        return tf.io.decode_image(data, channels=channels, expand_animations=False)

    def decoded(channels):
        # TensorFlow does not leave out the transparency of WebP.
        return tf.cond(webp, lambda: as_is(0)[..., :3], lambda: as_is(channels))

    if channels != 1:
        return decoded(channels)
    # TensorFlow gives no grey of BMP, GIF and WebP, nor of JPEG files of four colours of ink.
    colour = (tf.strings.substr(data, 0, 2) == b"BM") | (tf.strings.substr(data, 0, 3) == b"GIF")
    colour |= webp
    colour |= tf.cond(
        tf.strings.substr(data, 0, 2) == b"\xff\xd8",
        lambda: tf.io.extract_jpeg_shape(data)[2] == 4,
        lambda: tf.constant(False),
    )
    return tf.cond(colour, lambda: tf.image.rgb_to_grayscale(decoded(3)), lambda: decoded(1))


def _cut(image, box, framing, size, channels):
    # Not float32 on the way: 0.96 of a side must round as it does in recognition.
    own = isinstance(framing, Framing)
    framing = tf.constant(framing, tf.float64) if own else tf.cast(framing, tf.float64)
    face = tf.numpy_function(
        lambda image, box, framing: cut_by_box(image, box, framing, size, channels),
        [image, box, framing],
        tf.uint8,
        stateful=False,
    )
    return tf.ensure_shape(face, (size, size, channels))


def _resize(image, size, channels, interpolation):
    if tuple(image.shape[:2]) != size:
        same = tf.reduce_all(tf.shape(image)[:2] == size)
        image = tf.cond(
            same,
            lambda: image,
            lambda: tf.cast(
                tf.clip_by_value(
                    tf.round(tf.image.resize(image, size, interpolation, antialias=True)), 0, 255
                ),
                tf.uint8,
            ),
        )
    return tf.ensure_shape(image, (*size, channels))


def _vote_order(vote_order, spec, labels, classes):
    if vote_order is not None and (labels != "soft" or "votes" not in spec):
        raise ValueError(
            '`vote_order` needs `labels="soft"` and the feature `votes`; leave it out for other '
            f"labels. Received: vote_order={vote_order}, labels={labels!r}, "
            f"the features {sorted(spec)}"
        )
    if labels != "soft":
        return None
    if "votes" not in spec:
        if spec["label"].shape.rank == 1:
            return None
        raise ValueError(
            "Soft labels need the feature `votes` or labels of shape (classes,). "
            f"Received: {sorted(spec)}"
        )
    votes = spec["votes"].shape[-1]
    if vote_order is None and votes == classes:
        vote_order = range(classes)
    elif vote_order is None and (votes, classes) == (len(FERPLUS_VOTE_COLUMNS), len(EMOTIONS)):
        vote_order = index_map(EMOTIONS, FERPLUS_CLASSES).tolist()
    if vote_order is None or len(vote_order) != classes or not set(vote_order) <= set(range(votes)):
        raise ValueError(
            f"`vote_order` must give each of the {classes} classes its place among {votes} votes. "
            f"Received: vote_order={vote_order}"
        )
    return [int(place) for place in vote_order]


def _label(element, classes, labels, smoothing, vote_order):
    label = element["label"]
    if label.shape.rank == 1:
        if labels == "sparse":
            raise ValueError(
                f'`labels="sparse"` needs integer labels. Received: labels of shape {label.shape}'
            )
        weights = tf.ensure_shape(tf.cast(label, tf.float32), (classes,))
        tf.debugging.Assert(
            tf.reduce_all(weights >= 0) & (tf.reduce_sum(weights) > 0),
            ["`label` weights must not be negative, nor all zero. Received: label =", label],
        )
    else:
        # `tf.one_hot` takes few kinds of integers.
        label = tf.cast(label, tf.int64)
        tf.debugging.Assert(
            (label >= 0) & (label < classes),
            [f"`label` must be in [0, {classes}). Received: label =", label],
        )
        if labels == "sparse":
            return tf.cast(label, tf.int32)
        weights = tf.one_hot(label, classes)
    if vote_order is not None:
        # Prepared data marks "no votes known" by -1 throughout.
        votes = tf.maximum(tf.gather(tf.cast(element["votes"], tf.float32), vote_order), 0.0)
        weights = tf.where(tf.reduce_sum(votes) > 0, votes, weights)
    weights = weights / tf.reduce_sum(weights)
    return weights * (1.0 - smoothing) + smoothing / classes


def _check_valence_arousal(spec, labels):
    found = {name: spec[name] for name in DIMENSIONS if name in spec}
    if len(found) < 2 or any(s.shape.rank != 0 or not s.dtype.is_floating for s in found.values()):
        raise ValueError(
            "`valence_arousal=True` needs the features `valence` and `arousal`, a float for each "
            f"face. Received: { {name: str(each) for name, each in sorted(spec.items())} }"
        )
    if labels == "sparse":
        raise ValueError(
            '`valence_arousal=True` needs `labels="one_hot"` or "soft". Received: labels=\'sparse\''
        )


def _valence_arousal(element):
    """Return valence and arousal with 0 for what is unknown, and 1 for each that is known."""
    values = tf.stack([tf.cast(element[name], tf.float32) for name in DIMENSIONS])
    unknown = tf.math.is_nan(values)
    tf.debugging.Assert(
        tf.reduce_all(unknown | (tf.abs(values) <= 1)),
        ["`valence` and `arousal` must be in [-1, 1], or NaN if unknown. Received:", values],
    )
    return tf.where(unknown, 0.0, values), tf.cast(~unknown, tf.float32)
