"""RandAugment's operations on uint8 batches, each image with its own draw.

Images that drew the same operation are gathered, changed together and put back. So an image is
computed only for its own operations, and every operation is vectorised.
"""

import math
from collections.abc import Sequence

import tensorflow as tf

from fer_data.pipelines.augmentation.policies import RandAug

LEVELS = 10.0


def per_image(values: tf.Tensor) -> tf.Tensor:
    """Reshape `(batch,)` to `(batch, 1, 1, 1)`."""
    return tf.reshape(values, (-1, 1, 1, 1))


def to_uint8(pixels: tf.Tensor) -> tf.Tensor:
    """Round and clip float pixels to uint8."""
    return tf.cast(tf.clip_by_value(tf.round(pixels), 0.0, 255.0), tf.uint8)


def affine(
    pixels: tf.Tensor,
    *,
    angle: float | tf.Tensor = 0.0,
    shear_x: float | tf.Tensor = 0.0,
    shear_y: float | tf.Tensor = 0.0,
    shift_x: float | tf.Tensor = 0.0,
    shift_y: float | tf.Tensor = 0.0,
    scale: float | tf.Tensor = 1.0,
    flip: tf.Tensor | None = None,
    fill: str = "reflect",
) -> tf.Tensor:
    """Resample a float batch once, about its centre, bilinearly.

    Args:
        pixels: float32 tensor `(batch, height, width, channels)`.
        angle: Rotation of the picture, counter-clockwise as seen, in radians.
        shear_x: Horizontal shear, as a tangent.
        shear_y: Vertical shear, as a tangent.
        shift_x: Movement of the picture to the right, in pixels.
        shift_y: Movement of the picture down, in pixels.
        scale: Size of the picture's content; 1 leaves it, 2 makes it twice as large.
        flip: Boolean, mirrors left and right before everything else.
        fill: One of `fer_data.pipelines.augmentation.policies.FILLS`.

    All amounts are tensors `(batch,)` or numbers.

    Returns:
        float32 tensor of the same shape. The identity returns the same pixels.
    """
    batch = tf.shape(pixels)[0]
    height, width = pixels.shape[1:3]

    def vector(value):
        return tf.broadcast_to(tf.cast(value, tf.float32), (batch,))

    # The kernel wants the map from output to input: undo shift, then rotation and scale, then
    # shear, then the flip.
    cosine, sine = tf.cos(vector(angle)), tf.sin(vector(angle))
    inverse = 1.0 / vector(scale)
    a, b = cosine * inverse, -sine * inverse
    c, d = sine * inverse, cosine * inverse
    shear_x, shear_y = vector(shear_x), vector(shear_y)
    a, b, c, d = a - shear_x * c, b - shear_x * d, c - shear_y * a, d - shear_y * b
    if flip is not None:
        side = tf.where(tf.broadcast_to(flip, (batch,)), -1.0, 1.0)
        a, b = a * side, b * side
    centre_x, centre_y = (width - 1) / 2.0, (height - 1) / 2.0
    from_x, from_y = centre_x + vector(shift_x), centre_y + vector(shift_y)
    zero = tf.zeros((batch,))
    transforms = tf.stack(
        [
            a, b, centre_x - a * from_x - b * from_y,
            c, d, centre_y - c * from_x - d * from_y,
            zero, zero,
        ],
        axis=1,
    )  # fmt: skip
    # float32 in and out: on uint8 the kernel truncates and darkens by half a level.
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels,
        transforms=transforms,
        output_shape=(height, width),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode=fill.upper(),
    )
    return tf.ensure_shape(moved, pixels.shape)


def _grey(pixels):
    if pixels.shape[-1] == 1:
        return pixels
    return tf.reduce_sum(pixels * tf.constant([0.299, 0.587, 0.114]), axis=-1, keepdims=True)


def _enhance(pixels, base, level, sign):
    return base + (pixels - base) * per_image(1.0 + sign * level * (0.9 / LEVELS))


def _brightness(pixels, level, sign):
    return _enhance(pixels, 0.0, level, sign)


def _contrast(pixels, level, sign):
    mean = tf.reduce_mean(_grey(pixels), axis=(1, 2, 3), keepdims=True)
    return _enhance(pixels, mean, level, sign)


def _color(pixels, level, sign):
    return _enhance(pixels, _grey(pixels), level, sign)


def _sharpness(pixels, level, sign):
    if min(pixels.shape[1:3]) < 3:
        return pixels
    # Pillow's SMOOTH filter, 1 5 1 in the middle and 1 all around, over 13; the rim stays.
    rows = pixels[:, :-2] + pixels[:, 1:-1] + pixels[:, 2:]
    box = rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]
    inner = pixels[:, 1:-1, 1:-1]
    change = (inner - (box + 4.0 * inner) / 13.0) * per_image(sign * level * (0.9 / LEVELS))
    return pixels + tf.pad(change, ((0, 0), (1, 1), (1, 1), (0, 0)))


def _posterize(pixels, level, sign):
    step = per_image(tf.pow(2.0, tf.round(level * (4.0 / LEVELS))))
    return tf.floor(pixels / step) * step


def _solarize(pixels, level, sign):
    threshold = per_image(255.0 * (1.0 - level / LEVELS))
    return tf.where(pixels >= threshold, 255.0 - pixels, pixels)


def _autocontrast(pixels, level, sign):
    low = tf.reduce_min(pixels, axis=(1, 2), keepdims=True)
    high = tf.reduce_max(pixels, axis=(1, 2), keepdims=True)
    stretched = (pixels - low) * (255.0 / tf.maximum(high - low, 1.0))
    return tf.where(high > low, stretched, pixels)


def _equalize(pixels, level, sign):
    # One histogram for each image and channel, all of them in one count.
    batch, channels = tf.shape(pixels)[0], pixels.shape[-1]
    tables = tf.reshape(tf.range(batch * channels) * 256, (batch, 1, 1, channels))
    slots = tf.cast(pixels, tf.int32) + tables
    size = batch * channels * 256
    counts = tf.math.bincount(tf.reshape(slots, (-1,)), minlength=size, maxlength=size)
    counts = tf.reshape(counts, (batch * channels, 256))
    last = tf.reduce_max(tf.where(counts > 0, tf.range(256), 0), axis=1)
    step = (tf.reduce_sum(counts, axis=1) - tf.gather(counts, last, batch_dims=1)) // 255
    step = step[:, None]
    before = tf.cumsum(counts, axis=1, exclusive=True)
    table = tf.minimum((before + step // 2) // tf.maximum(step, 1), 255)
    table = tf.where(step > 0, table, tf.range(256))
    return tf.gather(tf.cast(tf.reshape(table, (-1,)), tf.float32), slots)


# Each geometric operation at magnitude 10: angle, shears, and shifts in sides of the image.
_GEOMETRY = {
    "rotate": (math.radians(30.0), 0.0, 0.0, 0.0, 0.0),
    "shear_x": (0.0, 0.3, 0.0, 0.0, 0.0),
    "shear_y": (0.0, 0.0, 0.3, 0.0, 0.0),
    "translate_x": (0.0, 0.0, 0.0, 150.0 / 331.0, 0.0),
    "translate_y": (0.0, 0.0, 0.0, 0.0, 150.0 / 331.0),
}
_TONE = {
    "autocontrast": _autocontrast,
    "equalize": _equalize,
    "solarize": _solarize,
    "color": _color,
    "posterize": _posterize,
    "contrast": _contrast,
    "brightness": _brightness,
    "sharpness": _sharpness,
}


def _move(pixels, amounts, fill):
    angle, shear_x, shear_y, shift_x, shift_y = tf.unstack(amounts, num=5, axis=1)
    return affine(
        pixels,
        angle=angle,
        shear_x=shear_x,
        shear_y=shear_y,
        shift_x=shift_x * pixels.shape[2],
        shift_y=shift_y * pixels.shape[1],
        fill=fill,
    )


def apply_round(
    images: tf.Tensor,
    names: Sequence[str],
    chosen: tf.Tensor,
    level: tf.Tensor,
    sign: tf.Tensor,
    fill: str,
) -> tf.Tensor:
    """Apply one operation, or none, to each image.

    Args:
        images: uint8 tensor `(batch, height, width, channels)`.
        names: Operations, of `fer_data.pipelines.augmentation.policies.OPERATIONS`.
        chosen: int32 tensor `(batch,)`, 0 for nothing and otherwise 1 + the place in `names`.
        level: float32 tensor `(batch,)`, magnitudes out of 10.
        sign: float32 tensor `(batch,)`, directions, 1 or -1.
        fill: One of `fer_data.pipelines.augmentation.policies.FILLS`.

    Returns:
        uint8 tensor of the same shape.
    """
    tones = [name for name in names if name in _TONE]
    moves = len(tones) + 1
    # All geometric operations are one affine map with numbers for every image, so they are one
    # group.
    group = [0] + [tones.index(name) + 1 if name in _TONE else moves for name in names]
    amounts = [(0.0,) * 5] + [_GEOMETRY.get(name, (0.0,) * 5) for name in names]
    members = tf.dynamic_partition(
        tf.range(tf.shape(images)[0]), tf.gather(group, chosen), moves + 1
    )
    changed = [tf.gather(images, members[0])]
    for name, who in zip([*tones, None], members[1:], strict=True):
        pixels = tf.cast(tf.gather(images, who), tf.float32)
        strength, direction = tf.gather(level, who), tf.gather(sign, who)
        if name is None:
            scale = (strength * direction / LEVELS)[:, None]
            pixels = _move(pixels, tf.gather(amounts, tf.gather(chosen, who)) * scale, fill)
        else:
            pixels = _TONE[name](pixels, strength, direction)
        changed.append(to_uint8(pixels))
    return tf.ensure_shape(tf.dynamic_stitch(members, changed), images.shape)


def draw(
    batch: int | tf.Tensor, rand_aug: RandAug, names: Sequence[str], seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Draw what happens to every image.

    Returns:
        `(operations, level, signs)`: int32 `(most, batch)`, 0 for nothing and otherwise 1 + the
        place in `names`; float32 `(batch,)` magnitudes; float32 `(most, batch)` of 1 and -1.
    """
    how_many, which, levels, directions = tf.unstack(tf.random.split(seed, 4), num=4)
    least, most = rand_aug.operations
    shape = (most, batch)
    count = tf.random.stateless_uniform((batch,), how_many, least, most + 1, tf.int32)
    chosen = tf.random.stateless_uniform(shape, which, 1, len(names) + 1, tf.int32)
    operations = tf.where(tf.range(most)[:, None] < count, chosen, 0)
    low, high = rand_aug.magnitude
    level = tf.random.stateless_uniform((batch,), levels, low, high + 1, tf.int32)
    signs = tf.where(tf.random.stateless_uniform(shape, directions) < 0.5, -1.0, 1.0)
    return operations, tf.cast(level, tf.float32), signs


def apply(images: tf.Tensor, rand_aug: RandAug, fill: str, seed: tf.Tensor) -> tf.Tensor:
    """Apply RandAugment to a uint8 batch `(batch, height, width, channels)`."""
    names = rand_aug.names
    if images.shape[-1] == 1:
        names = tuple(name for name in names if name != "color")
    if not names or rand_aug.operations[1] == 0:
        return images
    batch = tf.shape(images)[0]
    operations, level, signs = draw(batch, rand_aug, names, seed)

    def one_round(place, images):
        changed = apply_round(images, names, operations[place], level, signs[place], fill)
        return place + 1, changed

    # A loop of the graph: unrolled, it would take seconds to trace.
    _, changed = tf.while_loop(
        lambda place, images: place < rand_aug.operations[1], one_round, (0, images)
    )
    return changed
