"""Augmentation: geometry, RandAugment's draws and operations, MixUp, policies."""

import dataclasses
import importlib.util
import json

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_data.pipelines.augmentation import rand_augment
from fer_data.pipelines.augmentation.policies import FILLS, OPERATIONS
from fer_data.pipelines.augmentation.with_tensorflow import (
    PRESETS,
    Augmentation,
    MixUp,
    RandAug,
    augment,
    policy,
)

TONES = ("autocontrast", "equalize", "solarize", "color", "posterize", "contrast", "brightness",
         "sharpness")  # fmt: skip
ENGINES = pytest.mark.parametrize(
    "engine",
    [
        "tensorflow",
        pytest.param(
            "keras_cv",
            marks=pytest.mark.skipif(
                importlib.util.find_spec("keras_cv") is None,
                reason='needs keras-cv: pip install "fer-keras[keras-cv]"',
            ),
        ),
    ],
)


def noise(batch=8, height=16, width=16, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (batch, height, width, channels), "uint8")


def smooth(size=33):
    """A picture without fine detail, so that resampling hardly changes it."""
    y, x = np.mgrid[0:size, 0:size] / size
    picture = 128 + 60 * np.sin(3 * x) + 50 * np.cos(4 * y + x)
    return picture.astype("uint8")[None, :, :, None]


def one_hot(batch, classes=7):
    return np.eye(classes, dtype="float32")[np.arange(batch) % classes]


def moved(images, **amounts):
    pixels = rand_augment.affine(tf.cast(images, tf.float32), **amounts)
    return rand_augment.to_uint8(pixels).numpy()


def single(name, images, level, sign=1.0, fill="reflect"):
    """One operation on all images."""
    batch = len(images)
    return rand_augment.apply_round(
        tf.constant(images),
        (name,),
        tf.ones((batch,), tf.int32),
        tf.fill((batch,), float(level)),
        tf.fill((batch,), float(sign)),
        fill,
    ).numpy()


@given(
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    channels=st.sampled_from([1, 3]),
    fill=st.sampled_from(FILLS),
)
@settings(max_examples=25, deadline=None)
def test_affine_identity_returns_the_same_pixels(height, width, channels, fill):
    images = noise(2, height, width, channels)
    np.testing.assert_array_equal(moved(images, fill=fill), images)


@given(height=st.integers(2, 20), width=st.integers(2, 20))
@settings(max_examples=10, deadline=None)
def test_flip_is_exact_and_for_each_image(height, width):
    images = noise(3, height, width)
    got = moved(images, flip=tf.constant([True, False, True]))
    np.testing.assert_array_equal(got[[0, 2]], images[[0, 2], :, ::-1])
    np.testing.assert_array_equal(got[1], images[1])


@given(right=st.integers(-5, 5), down=st.integers(-5, 5))
@settings(max_examples=10, deadline=None)
def test_shift_moves_the_picture_right_and_down(right, down):
    images = noise(2, 12, 14)
    got = moved(images, shift_x=float(right), shift_y=float(down), fill="wrap")
    inner = (slice(None), slice(5, 7), slice(5, 9))
    np.testing.assert_array_equal(got[inner], np.roll(images, (down, right), (1, 2))[inner])


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_rotation_by_quarters_is_numpy_s(quarters):
    images = noise(2, 15, 15)
    got = moved(images, angle=quarters * np.pi / 2)
    difference = np.abs(got.astype(int) - np.rot90(images, quarters, (1, 2)).astype(int))
    assert difference.max() <= 1


@given(
    angle=st.floats(-0.6, 0.6),
    scale=st.floats(0.7, 1.4),
    right=st.floats(-4, 4),
    down=st.floats(-4, 4),
    flip=st.booleans(),
)
@settings(max_examples=20, deadline=None)
def test_affine_puts_each_point_where_the_formula_says(angle, scale, right, down, flip):
    """Flip, then scale and rotate about the centre, then shift; checked on a bright spot."""
    size, centre = 61, 30.0
    spot = np.array([34.0, 25.0])  # x, y
    y, x = np.mgrid[0:size, 0:size]
    picture = 255 * np.exp(-((x - spot[0]) ** 2 + (y - spot[1]) ** 2) / 8.0)
    got = rand_augment.affine(
        tf.constant(picture[None, :, :, None], tf.float32),
        angle=angle, scale=scale, shift_x=right, shift_y=down, flip=flip, fill="constant",
    ).numpy()[0, :, :, 0]  # fmt: skip
    found = np.array([(got * x).sum(), (got * y).sum()]) / got.sum()
    dx, dy = spot - centre
    dx = -dx if flip else dx
    turned = np.array(
        [dx * np.cos(angle) + dy * np.sin(angle), -dx * np.sin(angle) + dy * np.cos(angle)]
    )
    np.testing.assert_allclose(found, centre + scale * turned + [right, down], atol=0.05)


def test_turning_there_and_back_returns_the_picture():
    images = smooth()
    back = moved(moved(images, angle=0.4), angle=-0.4)
    inner = (slice(None), slice(8, -8), slice(8, -8))
    assert np.abs(back[inner].astype(int) - images[inner]).max() <= 3


def test_resampling_does_not_darken():
    images = noise(64, 32, 32, 1)
    got = moved(images, angle=0.3, shift_x=0.5, fill="wrap")
    assert abs(got.mean() - images.mean()) < 0.5


def test_flip_probability_and_no_more_than_a_flip():
    images = noise(2000, 4, 4, 1)
    got, _ = augment(images, one_hot(2000), Augmentation(flip=0.3), (1, 2))
    kept = (got.numpy() == images).all((1, 2, 3))
    flipped = (got.numpy() == images[:, :, ::-1]).all((1, 2, 3))
    assert (kept | flipped).all()
    assert abs(flipped.mean() - 0.3) < 0.04


def test_random_crops_have_the_stated_area_and_aspect_and_lie_inside():
    side, count, least = 64, 500, 0.25
    rows, columns = np.mgrid[:side, :side].astype("uint8")
    ramps = np.stack([rows, columns, columns], axis=-1)
    images = np.broadcast_to(ramps, (count, side, side, 3))
    crops, _ = augment(images, np.zeros(count), Augmentation(crop=least), (1, 2))
    crops = crops.numpy().astype("float64")
    assert crops.min() == 0
    assert crops.max() == side - 1
    height = (crops[:, -1, 0, 0] - crops[:, 0, 0, 0]) / (side - 1)
    width = (crops[:, 0, -1, 1] - crops[:, 0, 0, 1]) / (side - 1)
    rounding = 2 / (side - 1)
    assert (height > 0).all()
    assert (width > 0).all()
    assert ((height + rounding) * (width + rounding) >= least).all()
    assert (width / height < 4 / 3 * 1.15).all()
    assert (height / width < 4 / 3 * 1.15).all()
    # Uniform over [least, 1] but for those near 1 whose aspect does not fit, drawn again.
    assert 0.5 < (height * width).mean() < 0.63
    again, _ = augment(images, np.zeros(count), Augmentation(crop=least), (1, 2))
    np.testing.assert_array_equal(crops, again)


def test_a_crop_of_the_whole_and_the_draws_of_the_rest_stay_as_they_were():
    images = np.random.default_rng(0).integers(0, 256, (6, 20, 30, 1)).astype("uint8")
    labels = np.zeros(6)
    plain, _ = augment(images, labels, Augmentation(flip=0.5, rotation=0.1), (3, 4))
    cropped, _ = augment(images, labels, Augmentation(flip=0.5, rotation=0.1, crop=0.9), (3, 4))
    whole, _ = augment(images, labels, Augmentation(flip=0.5, rotation=0.1, crop=1.0), (3, 4))
    np.testing.assert_array_equal(plain, whole)
    assert np.abs(plain.numpy() - cropped.numpy().astype(int)).mean() > 1


def test_contrast_and_brightness_keep_to_their_ranges():
    images = np.repeat(smooth(), 200, axis=0)
    got = augment(images, one_hot(200), Augmentation(contrast=0.3), (1, 2))[0].numpy()
    ratio = got.std((1, 2, 3)) / images[0].std()
    assert 0.68 < ratio.min() < 0.75
    assert 1.2 < ratio.max() < 1.32
    assert np.abs(got.mean((1, 2, 3)) - images[0].mean()).max() < 3
    got = augment(images, one_hot(200), Augmentation(brightness=0.05), (1, 2))[0].numpy()
    change = (got.astype(int) - images).mean((1, 2, 3))
    assert -13 <= change.min() < -10
    assert 10 < change.max() <= 13


@ENGINES
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", PRESETS)
def test_presets_keep_shape_range_and_label_mass(name, channels, engine):
    images, labels = noise(33, 20, 24, channels), one_hot(33)
    preset = dataclasses.replace(PRESETS[name], engine=engine)
    got, mixed = augment(images, labels, preset, (3, 4))
    assert got.dtype == tf.uint8
    assert got.shape == images.shape
    np.testing.assert_allclose(mixed.numpy().sum(1), 1, atol=1e-6)
    again, _ = augment(images, labels, preset, (3, 4))
    np.testing.assert_array_equal(got, again)
    if name != "none":
        other, _ = augment(images, labels, preset, (3, 5))
        assert not np.array_equal(got, other)


@ENGINES
def test_images_of_one_batch_get_different_draws(engine):
    images = np.repeat(noise(1, 20, 24), 32, axis=0)
    for name in ("basic", "randaug"):
        preset = dataclasses.replace(PRESETS[name], engine=engine)
        got = augment(images, one_hot(32), preset, (1, 2))[0].numpy()
        assert len(np.unique(got.reshape(32, -1), axis=0)) > 25


@given(least=st.integers(0, 3), extra=st.integers(0, 2), low=st.integers(0, 10))
@settings(max_examples=10, deadline=None)
def test_randaug_draws_number_magnitude_and_operation_for_each_image(least, extra, low):
    setting = RandAug(operations=(least, least + extra), magnitude=(low, min(low + 2, 10)))
    operations, level, signs = (
        t.numpy() for t in rand_augment.draw(3000, setting, setting.names, (5, 6))
    )
    numbers = (operations > 0).sum(0)
    assert set(numbers) == set(range(least, least + extra + 1))
    assert set(level) == set(range(low, min(low + 2, 10) + 1))
    used = operations[operations > 0]
    if used.size:
        shares = np.bincount(used, minlength=len(setting.names) + 1)[1:] / used.size
        np.testing.assert_allclose(shares, 1 / len(setting.names), atol=0.03)
        assert set(np.unique(signs)) == {-1, 1}


def test_default_randaug_is_the_paper_s():
    operations, level, _ = rand_augment.draw(4000, RandAug(), RandAug().names, (1, 1))
    numbers = np.bincount((operations.numpy() > 0).sum(0)) / 4000
    np.testing.assert_allclose(numbers, 0.25, atol=0.03)
    assert set(level.numpy()) == {2, 3, 4}


@ENGINES
def test_randaug_with_no_operations_changes_nothing(engine):
    images = noise()
    for setting in (RandAug(operations=(0, 0)), RandAug(names=("brightness",), magnitude=(0, 0))):
        nothing = Augmentation(rand_aug=setting, engine=engine)
        got, _ = augment(images, one_hot(8), nothing, (1, 2))
        np.testing.assert_array_equal(got, images)
    grey = noise(channels=1)
    only_color = Augmentation(rand_aug=RandAug(names=("color",)), engine=engine)
    np.testing.assert_array_equal(augment(grey, one_hot(8), only_color, (1, 2))[0], grey)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_round_sends_each_image_through_its_own_operation(channels):
    names = RandAug().names
    images = noise(3 * len(names) + 3, channels=channels)
    chosen = np.arange(len(images)) % (len(names) + 1)
    got = rand_augment.apply_round(
        tf.constant(images),
        names,
        tf.constant(chosen, tf.int32),
        tf.fill((len(images),), 4.0),
        tf.ones((len(images),)),
        "reflect",
    ).numpy()
    np.testing.assert_array_equal(got[chosen == 0], images[chosen == 0])
    for place, name in enumerate(names, 1):
        mine = chosen == place
        np.testing.assert_array_equal(got[mine], single(name, images[mine], 4.0), err_msg=name)


@pytest.mark.parametrize("name", [n for n in TONES if n not in ("autocontrast", "equalize")])
def test_magnitude_zero_is_the_identity(name):
    images = noise()
    got = single(name, images, 0)
    if name == "solarize":
        images = np.where(images == 255, 0, images)
    np.testing.assert_array_equal(got, images)


def pillow(name, image, level, sign):
    """The operation by Pillow, as torchvision applies it."""
    enhance = pytest.importorskip("PIL.ImageEnhance")
    from PIL import Image, ImageOps

    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    kinds = {
        "color": enhance.Color,
        "contrast": enhance.Contrast,
        "brightness": enhance.Brightness,
        "sharpness": enhance.Sharpness,
    }
    if name in kinds:
        picture = kinds[name](picture).enhance(1 + sign * 0.09 * level)
    elif name == "posterize":
        picture = ImageOps.posterize(picture, 8 - round(0.4 * level))
    elif name == "solarize":
        picture = ImageOps.solarize(picture, 255 * (1 - level / 10))
    else:
        picture = {"autocontrast": ImageOps.autocontrast, "equalize": ImageOps.equalize}[name](
            picture
        )
    return np.asarray(picture).reshape(image.shape)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", TONES)
def test_tone_operations_are_pillow_s(name, channels):
    if (name, channels) == ("color", 1):
        pytest.skip("colour does nothing on grey")
    images = (noise(6, 20, 22, channels) // 2 + 40).astype("uint8")
    images[0] = 77
    for level, sign in ((2, 1), (4, -1)):
        got = single(name, images, level, sign).astype(int)
        want = np.stack([pillow(name, image, level, sign) for image in images]).astype(int)
        tolerance = 0 if name in ("equalize", "posterize", "solarize") else 1
        assert np.abs(got - want).max() <= tolerance, (level, sign)


def test_geometric_operations_move_as_their_names_say():
    images = np.zeros((1, 41, 41, 1), "uint8")
    images[0, 10, 20] = images[0, 20, 30] = images[0, 20, 20] = 255

    def spots(name, sign=1.0):
        got = single(name, images, 10, sign, "constant")[0, :, :, 0]
        return {tuple(place) for place in np.argwhere(got > 100)}

    step = round(150 / 331 * 41)
    assert (10, 20 + step) in spots("translate_x")
    assert (20, 20 - step) in spots("translate_x", -1.0)
    assert (20 + step, 20) in spots("translate_y")
    assert {(20, 20), (20, 30)} <= spots("shear_x")
    assert {(20, 20), (10, 20)} <= spots("shear_y")
    assert (20, 20) in spots("rotate")
    assert (20, 30) not in spots("rotate")


@ENGINES
def test_mixup_mixes_its_share_with_another_image(engine):
    batch = 1500
    images = np.zeros((batch, 1, 1, 1), "uint8")
    labels = np.eye(batch, dtype="float32")
    fixed = Augmentation(mixup=MixUp(0.25, blend=0.2), engine=engine)
    _, mixed = augment(images, labels, fixed, (1, 2))
    own = np.diag(mixed.numpy())
    changed = own < 1
    assert abs(changed.mean() - 0.25) < 0.05
    np.testing.assert_allclose(own[changed], 0.8, atol=1e-6)
    assert ((mixed.numpy() > 0).sum(1) == 1 + changed).all()


@ENGINES
def test_mixup_weights_are_beta(engine):
    from scipy.stats import beta, kstest

    batch = 1500
    images, labels = np.zeros((batch, 1, 1, 1), "uint8"), np.eye(batch, dtype="float32")
    drawn = Augmentation(mixup=MixUp(1.0, alpha=0.2), engine=engine)
    _, mixed = augment(images, labels, drawn, (1, 2))
    assert kstest(np.diag(mixed.numpy()), beta(0.2, 0.2).cdf).pvalue > 0.001


@ENGINES
def test_mixup_mixes_pixels_as_labels(engine):
    images = noise(16)
    labels = np.eye(16, dtype="float32")
    half = Augmentation(mixup=MixUp(0.5), engine=engine)
    got, mixed = augment(images, labels, half, (1, 2))
    want = np.tensordot(mixed.numpy(), images.astype("float32"), 1)
    assert np.abs(got.numpy() - want).max() <= 0.51


@ENGINES
def test_mixup_of_a_lone_image_leaves_it(engine):
    images, labels = noise(1), one_hot(1)
    everything = Augmentation(mixup=MixUp(1.0), engine=engine)
    got, mixed = augment(images, labels, everything, (1, 2))
    np.testing.assert_array_equal(got, images)
    np.testing.assert_allclose(mixed, labels)


@pytest.mark.parametrize("name", PRESETS)
def test_policies_go_through_json(name):
    written = json.dumps(PRESETS[name].to_dict())
    assert policy(json.loads(written)) == PRESETS[name] == policy(name)


def test_a_record_without_an_engine_is_one_of_ours():
    written = PRESETS["randaug"].to_dict()
    assert written.pop("engine") == "tensorflow"
    assert policy(written) == PRESETS["randaug"]
    other = dataclasses.replace(PRESETS["randaug"], engine="keras_cv")
    assert policy(json.loads(json.dumps(other.to_dict()))) == other


def test_none_means_nothing():
    assert policy(None) == Augmentation()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Augmentation(flip=1.5), r"`flip` must be a number in \[0, 1\]"),
        (lambda: Augmentation(flip=True), "`flip` must be a number"),
        (lambda: Augmentation(rotation=0.6), r"`rotation` must be a number in \[0, 0.5\]"),
        (lambda: Augmentation(shift=-0.1), "`shift`"),
        (lambda: Augmentation(crop=1.5), r"`crop` must be a number in \[0, 1\]"),
        (lambda: Augmentation(zoom=1.0), r"`zoom` must be a number in \[0, 1\)"),
        (lambda: Augmentation(contrast=float("nan")), "`contrast`"),
        (lambda: Augmentation(brightness=2), "`brightness`"),
        (lambda: Augmentation(fill="black"), "`fill` must be one of .*'black'"),
        (lambda: Augmentation(rand_aug="yes"), "`rand_aug` must be a RandAug or None"),
        (lambda: Augmentation(mixup=0.2), "`mixup` must be a MixUp or None"),
        (lambda: Augmentation(engine="keras"), "`engine` must be one of .*'keras'"),
        (
            lambda: Augmentation(engine="keras_cv", rand_aug=RandAug(names=("rotate", "color"))),
            r"no others; leave them out, or use engine='tensorflow'. Received: \['rotate'\]",
        ),
        (lambda: RandAug(operations=(3, 0)), "0 <= least <= most"),
        (lambda: RandAug(operations=2), "`operations` must be two integers"),
        (lambda: RandAug(magnitude=(2, 11)), "most <= 10"),
        (lambda: RandAug(magnitude=(2.5, 3)), "`magnitude` must be two integers"),
        (lambda: RandAug(names=("blur",)), "`names` must be one or more of .*'blur'"),
        (lambda: RandAug(names=()), "`names` must be one or more"),
        (lambda: MixUp(fraction=1.1), "`fraction`"),
        (lambda: MixUp(alpha=0), "`alpha` must be a positive finite number"),
        (lambda: MixUp(blend=-0.2), "`blend`"),
        (lambda: policy("heavy"), "`augmentation` must be an Augmentation"),
        (lambda: policy(3), "`augmentation` must be an Augmentation"),
        (lambda: policy({"flips": 0.5}), r"must be of \['flip', .* Received: \['flips'\]"),
        (lambda: policy({"mixup": {"alfa": 1}}), r"`mixup` must be of .*'alpha'.*: \['alfa'\]"),
        (lambda: augment(noise() / 255.0, one_hot(8), "basic", (1, 2)), "`images` must be uint8"),
        (lambda: augment(noise()[0], one_hot(8), "basic", (1, 2)), "`images` must be uint8"),
        (
            lambda: augment(noise(), np.arange(8), "mixup", (1, 2)),
            "MixUp needs one-hot or soft labels",
        ),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_names_of_the_operations_are_those_that_there_are():
    assert (*rand_augment._TONE, *rand_augment._GEOMETRY) == OPERATIONS


def test_erasing_fills_a_rectangle_of_some_images_with_random_pixels():
    images = np.full((400, 24, 30, 1), 77, "uint8")
    changed, _ = augment(images, np.zeros(400), Augmentation(erase=0.5), seed=(3, 1))
    erased = changed.numpy()[..., 0] != 77
    touched = erased.any(axis=(1, 2))
    assert 0.4 < touched.mean() < 0.6
    for mask in erased[touched]:
        rows, columns = mask.any(axis=1), mask.any(axis=0)
        # A random pixel may have the value of the image.
        assert mask[np.ix_(rows, columns)].mean() > 0.9
        assert np.ptp(np.flatnonzero(rows)) + 1 == rows.sum()
    assert 0.1 < erased[touched].mean() < 0.2
    assert abs(changed.numpy()[..., 0][erased].mean() - 127.5) < 2
