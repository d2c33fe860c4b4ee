"""Corruptions of an augmentation policy: both executions change a face alike, and as often."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from fer_data.pipelines.augmentation import (
    CORRUPTION_KINDS,
    PRESETS,
    Augmentation,
    Corruptions,
    policy,
)
from fer_data.pipelines.augmentation import corruptions_with_numpy as with_numpy
from fer_data.pipelines.augmentation import corruptions_with_tensorflow as with_tensorflow
from fer_data.pipelines.augmentation.clips_with_tensorflow import clip_policy
from fer_data.pipelines.augmentation.corruption_policy import AMOUNTS
from fer_data.pipelines.augmentation.with_tensorflow import augment
from fer_data.pipelines.face_batches import FaceBatches, augmented
from fer_data.synthetic import generate

EXACT = ("blur", "jpeg", "low_resolution")


def faces(count=8, size=48, grey=True):
    drawn = np.stack([face.image for face in generate(count, seed=2, size=size, grey=grey)])
    return drawn[..., :1] if grey else drawn


def by_numpy(images, name, strength):
    rng = np.random.default_rng(1)
    amount = AMOUNTS[name](strength)
    changed = [with_numpy.CHANGES[name](image, amount, rng) for image in images.astype("float32")]
    return np.clip(np.round(np.reshape(changed, images.shape)), 0, 255)


def by_tensorflow(images, name, strength):
    amounts = AMOUNTS[name](tf.fill((len(images),), strength))
    pixels = tf.cast(images, tf.float32)
    found = with_tensorflow.CHANGES[name](pixels, amounts, tf.constant([1, 2]))
    return np.clip(np.round(found.numpy()), 0, 255)


@pytest.mark.parametrize("grey", [True, False])
@pytest.mark.parametrize("name", EXACT)
def test_what_is_not_random_is_the_same_in_both(name, grey):
    images = faces(3, grey=grey)[:, :, 4:]
    for strength in (0.0, 0.37, 1.0):
        first, second = by_numpy(images, name, strength), by_tensorflow(images, name, strength)
        difference = np.abs(first - second)
        assert difference.mean() < 0.25, strength
        assert difference.max() <= (8 if name == "jpeg" else 2), strength


def test_a_strength_of_zero_changes_nothing_and_one_destroys_much():
    images = faces(2)
    for name in ("blur", "noise", "low_resolution"):
        for run in (by_numpy, by_tensorflow):
            np.testing.assert_array_equal(run(images, name, 0.0), images)
            assert np.abs(run(images, name, 1.0) - images.astype("float32")).mean() > 3
    assert np.abs(by_numpy(images, "jpeg", 0.0) - images.astype("float32")).max() <= 3


def test_noise_has_the_same_spread_in_both():
    grey = np.full((20, 48, 48, 1), 128, "uint8")
    for name, strength, spread, mean in (("noise", 0.5, 22.0, 128), ("darkness", 1.0, 3.0, 19.2)):
        for run in (by_numpy, by_tensorflow):
            found = run(grey, name, strength)
            assert found.std() == pytest.approx(spread, rel=0.03)
            assert found.mean() == pytest.approx(mean, abs=0.3)


def test_both_corrupt_the_same_share_by_the_same_amounts():
    """Over many draws the change of an image has the same distribution in both executions."""
    from scipy.stats import ks_2samp

    images = np.repeat(faces(1), 1200, axis=0)
    labels = np.zeros((1200, 2), "float32")
    for names in (CORRUPTION_KINDS, ("low_resolution",)):
        setting = Augmentation(corruptions=Corruptions(0.4, 0.8, names))
        mine, _ = augmented(images, labels, setting, np.random.default_rng(0))
        theirs = augment(images, labels, setting, seed=(0, 1))[0].numpy()
        first, second = (
            np.abs(found.astype("float32") - images).mean(axis=(1, 2, 3))
            for found in (mine, theirs)
        )
        assert ks_2samp(first, second).pvalue > 0.001
        for change in (first, second):
            assert (change > 0).mean() == pytest.approx(0.4, abs=0.05)


def test_each_kind_comes_as_often_as_the_others():
    names = ("blur", "noise")
    images = np.full((1000, 8, 8, 1), 100, "uint8")
    images[:, :4] = 160
    setting = Augmentation(corruptions=Corruptions(1.0, names=names))
    mine, _ = augmented(images, np.zeros((1000, 2)), setting, np.random.default_rng(0))
    theirs = augment(images, np.zeros(1000), setting, seed=(3, 4))[0].numpy()
    for found in (mine, theirs):
        # A blur of rows leaves a row of one value.
        blurred = (np.ptp(found, axis=2) == 0).all(axis=(1, 2))
        assert blurred.mean() == pytest.approx(0.5, abs=0.06)


def test_the_other_draws_stay_as_they_were():
    images, labels = faces(6), np.zeros(6)
    moved = Augmentation(flip=0.5, rotation=0.1, contrast=0.3)
    never = dataclasses.replace(moved, corruptions=Corruptions(0.0))
    np.testing.assert_array_equal(
        augment(images, labels, moved, (3, 4))[0], augment(images, labels, never, (3, 4))[0]
    )
    first, second = (
        augmented(images, labels, each, np.random.default_rng(0))[0] for each in (moved, never)
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.slow
def test_batches_follow_from_the_seed_in_a_data_set_and_without_one():
    images, targets = faces(), np.eye(7, dtype="float32")[np.arange(8) % 7]
    options = {"training": True, "augmentation": "corruptions", "seed": 3}
    one, other = (FaceBatches(images, targets, 4, workers=n, **options)[1][0] for n in (1, 2))
    np.testing.assert_array_equal(one, other)

    # One graph, which takes seconds to trace, run twice at once.
    source = tf.data.Dataset.from_tensors((images, targets)).repeat(2)
    batches = source.map(lambda x, y: augment(x, y, "corruptions", (5, 6)), 2)
    first, second = (found.numpy() for found, _ in batches)
    assert not np.array_equal(first, images)
    np.testing.assert_array_equal(first, second)


def test_a_policy_with_corruptions_can_be_written_down():
    written = json.loads(json.dumps(PRESETS["corruptions"].to_dict()))
    assert policy(written) == PRESETS["corruptions"]
    del written["corruptions"]
    assert policy(written) == PRESETS["fer2013"]
    assert policy({"corruptions": {"names": ["jpeg"]}}).corruptions.names == ("jpeg",)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Corruptions(1.5), "`fraction`"),
        (lambda: Corruptions(strength=-0.1), "`strength`"),
        (lambda: Corruptions(names=()), "`names` must be one or more of"),
        (lambda: Corruptions(names=("mask",)), "`names` must be one or more of .*'mask'"),
        (lambda: Augmentation(corruptions="blur"), "`corruptions` must be a Corruptions or None"),
        (lambda: clip_policy("corruptions"), "nothing erased or corrupted"),
    ],
)
def test_mistakes(make, message):
    with pytest.raises(ValueError, match=message):
        make()
