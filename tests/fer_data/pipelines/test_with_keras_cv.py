"""RandAugment and MixUp by keras-cv: what is drawn, what differs from ours, the same every run."""

import sys

import numpy as np
import pytest
import tensorflow as tf

from fer_data.pipelines import augmentation, images
from fer_data.pipelines.augmentation.policies import (
    KERAS_CV_OPERATIONS,
    OPERATIONS,
    Augmentation,
    MixUp,
    RandAug,
    keras_cv_operations,
)
from fer_data.pipelines.augmentation.with_tensorflow import augment, check_engine
from fer_data.synthetic import generate

keras_cv = pytest.importorskip(
    "keras_cv", reason='needs keras-cv: pip install "fer-keras[keras-cv]"'
)

from fer_data.pipelines.augmentation import with_keras_cv  # noqa: E402

BOTH = Augmentation(rand_aug=RandAug(), mixup=MixUp(), engine="keras_cv")
# Of each kind of randomness one, and quick to trace.
FEW = Augmentation(
    rand_aug=RandAug(names=("brightness", "shear_x", "translate_y")),
    mixup=MixUp(),
    engine="keras_cv",
)


def changed(pictures, setting, seed=(1, 2), fill="reflect", engine="keras_cv"):
    policy = Augmentation(rand_aug=setting, fill=fill, engine=engine)
    return augment(pictures, np.zeros(len(pictures)), policy, seed)[0].numpy()


class Add(keras_cv.layers.VectorizedBaseImageAugmentationLayer):
    """Leaves a mark in an image, by which operations can be counted."""

    def __init__(self, amount):
        super().__init__(dtype="float32")
        self.amount = amount

    def augment_images(self, images, transformations, **kwargs):
        return images + self.amount


@pytest.mark.parametrize("operations", [(0, 3), (1, 3), (2, 2)])
def test_the_number_of_operations_is_uniform_and_so_is_the_choice(operations, monkeypatch):
    """The paper's numbers, through keras-cv's own loop over layers."""
    original = with_keras_cv.one_operation

    def marking(*args):
        layer = original(*args)
        layer.layers = layer._random_choice.layers = [Add(1.0), Add(4.0), Add(16.0)]
        return layer

    monkeypatch.setattr(with_keras_cv, "one_operation", marking)
    with_keras_cv._traced.cache_clear()
    marks = changed(np.zeros((2000, 2, 2, 1), "uint8"), RandAug(operations))[:, 0, 0, 0]
    with_keras_cv._traced.cache_clear()
    each = np.stack([marks % 4, marks // 4 % 4, marks // 16], axis=1)
    numbers = np.bincount(each.sum(axis=1), minlength=4) / len(marks)
    least, most = operations
    wanted = [1 / (most - least + 1) if least <= n <= most else 0 for n in range(4)]
    np.testing.assert_allclose(numbers, wanted, atol=0.04)
    np.testing.assert_allclose(each.sum(axis=0) / each.sum(), 1 / 3, atol=0.03)


def test_the_magnitude_is_normal_about_the_policy_s_range():
    """Fading a pure red tells the factor that was drawn."""
    red = np.zeros((2000, 2, 2, 3), "uint8")
    red[..., 0] = 255
    setting = RandAug(operations=(1, 1), magnitude=(2, 4), names=("color",))
    got = changed(red, setting)[:, 0, 0, 0].astype(float)
    grey = 255 * 0.2989
    factor = (255 - got) / (255 - grey)
    assert abs(factor.mean() - 0.3) < 0.01
    assert abs(factor.std() - np.std([0.2, 0.3, 0.4])) < 0.01


def test_the_magnitude_limits_brightness_and_translation():
    grey = np.full((1000, 2, 2, 1), 128, "uint8")
    setting = RandAug(operations=(1, 1), magnitude=(2, 4), names=("brightness",))
    offset = changed(grey, setting)[:, 0, 0, 0].astype(float) - 128
    assert 70 < offset.max() <= 77
    assert -77 <= offset.min() < -70
    assert abs(offset.mean()) < 6
    ramp = np.broadcast_to(np.arange(100, dtype="uint8")[:, None, None], (300, 100, 2, 1))
    setting = RandAug(operations=(1, 1), magnitude=(2, 4), names=("translate_y",))
    moved = 50 - changed(ramp, setting)[:, 50, 0, 0].astype(float)
    assert 27 < moved.max() <= 30
    assert -30 <= moved.min() < -27


def test_the_fill_is_the_policy_s():
    white = np.full((64, 12, 12, 1), 255, "uint8")
    setting = RandAug(operations=(1, 1), magnitude=(4, 4), names=("shear_x", "translate_y"))
    assert changed(white, setting, fill="reflect").min() == 255
    assert changed(white, setting, fill="constant").min() == 0


def test_grey_images_are_changed_as_grey_pictures_of_three_channels():
    grey = np.stack([face.image for face in generate(8, size=24, seed=2)])[..., :1]
    setting = RandAug(operations=(2, 3), names=("equalize", "solarize", "shear_y"))
    thrice = changed(np.repeat(grey, 3, axis=-1), setting)
    np.testing.assert_array_equal(np.repeat(changed(grey, setting), 3, axis=-1), thrice)
    assert not np.array_equal(thrice, np.repeat(grey, 3, axis=-1))


@pytest.mark.slow
def test_it_changes_pictures_more_than_ours_and_as_many_of_them():
    faces = np.stack([face.image for face in generate(32, size=24, seed=1)])
    faces = np.tile(faces, (20, 1, 1, 1))
    amount, kept = {}, {}
    for engine in ("tensorflow", "keras_cv"):
        got = changed(faces, RandAug(), engine=engine)
        amount[engine] = np.abs(got.astype(float) - faces).mean()
        kept[engine] = (got == faces).all((1, 2, 3)).mean()
    assert 0.22 < kept["keras_cv"] < 0.36, kept
    assert 0.22 < kept["tensorflow"] < 0.36, kept
    assert 1.2 < amount["keras_cv"] / amount["tensorflow"] < 2.5, amount


def test_an_image_of_one_value_stays_finite():
    flat = np.full((64, 4, 4, 3), 77, "uint8")
    setting = RandAug(operations=(3, 3), names=("autocontrast", "equalize", "contrast"))
    np.testing.assert_array_equal(changed(flat, setting), flat)


def test_half_precision_of_the_model_leaves_the_pixels():
    import keras

    with_keras_cv._traced.cache_clear()
    pictures = np.arange(256, dtype="uint8").reshape(4, 8, 8, 1)
    setting = RandAug(operations=(0, 1), names=("brightness",))
    expected = changed(pictures, setting)
    labels = np.full((4, 3), 1 / 3)
    mixup = Augmentation(mixup=MixUp(1.0), engine="keras_cv")
    mixed, _ = augment(pictures, labels, mixup, (1, 2))
    with_keras_cv._traced.cache_clear()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        np.testing.assert_array_equal(changed(pictures, setting), expected)
        again, soft = augment(pictures, labels, mixup, (1, 2))
        np.testing.assert_array_equal(again, mixed)
        assert soft.dtype == tf.float64
    finally:
        keras.config.set_dtype_policy(before)
        with_keras_cv._traced.cache_clear()


@pytest.mark.slow
def test_two_runs_any_workers_and_a_resumed_epoch_see_the_same_batches():
    rng = np.random.default_rng(0)
    data = rng.integers(0, 256, (22, 20, 20, 1), "uint8"), np.arange(22) % 7

    def epochs(count, **more):
        options = {"size": 20, "batch_size": 8, "training": True, "augmentation": FEW, "seed": 3}
        batches = images.pipeline(data, **options, **more)
        return [[(x.numpy(), y.numpy()) for x, y in batches] for _ in range(count)]

    def same(first, second):
        return all(
            np.array_equal(a, b)
            for mine, theirs in zip(first, second, strict=True)
            for a, b in zip(mine, theirs, strict=True)
        )

    unbroken = epochs(2, workers=4)
    assert same(unbroken[0], epochs(1, workers=1)[0])
    assert same(unbroken[1], epochs(1, initial_epoch=1)[0])
    assert not same(unbroken[0], unbroken[1])


@pytest.mark.slow
def test_in_a_graph_it_is_the_same_as_outside_and_keeps_no_state():
    rng = np.random.default_rng(1)
    pictures = rng.integers(0, 256, (8, 20, 20, 1), "uint8")
    labels = np.eye(7, dtype="float32")[np.arange(8) % 7]
    outside = augment(pictures, labels, BOTH, (5, 6))
    traced = tf.function(lambda x, y: augment(x, y, BOTH, (5, 6))).get_concrete_function(
        tf.TensorSpec((None, 20, 20, 1), tf.uint8), tf.TensorSpec((None, 7), tf.float32)
    )
    assert not traced.variables
    assert not [tensor for tensor in traced.captured_inputs if tensor.dtype == tf.resource]
    graph = traced.graph.as_graph_def()
    nodes = [*graph.node, *(node for part in graph.library.function for node in part.node_def)]
    drawing = {node.op for node in nodes if "Random" in node.op}
    assert drawing
    assert all(op.startswith("Stateless") for op in drawing), drawing
    inside = traced(tf.constant(pictures), tf.constant(labels))
    for inner, outer in zip(inside, outside, strict=True):
        np.testing.assert_array_equal(inner, outer)


def test_an_image_s_partner_may_be_itself_as_in_keras_cv():
    labels = np.eye(2, dtype="float32")
    pictures = np.zeros((2, 1, 1, 1), "uint8")
    policy = Augmentation(mixup=MixUp(1.0, blend=0.5), engine="keras_cv")
    mixed = [augment(pictures, labels, policy, (0, seed))[1].numpy()[0, 0] for seed in range(24)]
    assert set(mixed) == {0.5, 1.0}


def test_the_operations_are_those_of_keras_cv_in_its_order():
    layers = keras_cv.layers.RandAugment.get_standard_policy((0, 255), 0.3, 0.1)
    kinds = [type(layer).__name__ for layer in layers]
    assert kinds == [
        "AutoContrast", "Equalization", "Solarization", "RandomColorDegeneration",
        "RandomContrast", "RandomBrightness", "RandomShear", "RandomShear",
        "RandomTranslation", "RandomTranslation",
    ]  # fmt: skip
    assert len(KERAS_CV_OPERATIONS) == len(kinds)
    assert set(KERAS_CV_OPERATIONS) < set(OPERATIONS)
    assert layers[6].x_factor.mean == layers[7].y_factor.mean == 0.3
    assert layers[8].width_factor == layers[9].height_factor == 0.3


def test_the_operations_of_a_policy():
    assert keras_cv_operations(RandAug()) == KERAS_CV_OPERATIONS
    assert keras_cv_operations(RandAug(names=("color",))) == ("color",)
    with pytest.raises(ValueError, match=r"no others.*Received: \['sharpness'\]"):
        with_keras_cv.rand_augment(
            tf.zeros((1, 4, 4, 1), tf.uint8), RandAug(names=("sharpness",)), "reflect", (0, 0)
        )


def test_a_sampler_that_is_not_known_is_refused():
    with pytest.raises(ValueError, match="unknown sampler"):
        with_keras_cv._Sampler(lambda shape, dtype: 0, None)()


def test_without_keras_cv_the_error_names_the_extra(monkeypatch):
    name = with_keras_cv.__name__
    monkeypatch.setitem(sys.modules, "keras_cv", None)
    monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(augmentation, "with_keras_cv")
    data = np.zeros((4, 8, 8, 1), "uint8"), np.zeros(4, int)
    with pytest.raises(ImportError, match=r'pip install "fer-keras\[keras-cv\]"'):
        images.pipeline(data, size=8, training=True, augmentation=BOTH)
    # Nothing of it is needed where nothing is augmented, and where nothing is its own.
    images.pipeline(data, size=8, augmentation=BOTH)
    check_engine(Augmentation(flip=0.5, engine="keras_cv"))


@pytest.mark.parametrize(
    ("labels", "message"),
    [(np.arange(4), "MixUp needs one-hot or soft labels"), (np.zeros(4), "of shape .batch")],
)
def test_labels_that_cannot_be_mixed(labels, message):
    with pytest.raises(ValueError, match=message):
        augment(np.zeros((4, 8, 8, 1), "uint8"), labels, BOTH, (1, 2))
