"""Batches of faces without TensorFlow: contents, randomness, geometry, bad input."""

import json

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_data.pipelines.augmentation import with_tensorflow
from fer_data.pipelines.augmentation.policies import FILLS, Augmentation, MixUp
from fer_data.pipelines.face_batches import FaceBatches, augmented

STRONG = {
    **{"flip": 0.5, "rotation": 0.06, "shift": 0.1, "zoom": 0.2, "crop": 0.6, "contrast": 0.4},
    **{"brightness": 0.1, "erase": 0.5, "mixup": {"fraction": 0.5, "alpha": 0.4}},
}


def noise(count=20, height=24, width=20, channels=1):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, channels), "uint8")


def one_hot(count=20):
    return np.eye(7, dtype="float32")[np.arange(count) % 7]


def epochs(batches, count):
    """All batches of some epochs, as `fit` would ask for them."""
    found = []
    for _ in range(count):
        batches.on_epoch_begin()
        found += [batches[index] for index in range(len(batches))]
        batches.on_epoch_end()
    return found


def test_without_training_the_faces_come_as_they_are():
    batches = FaceBatches(noise(), one_hot(), batch_size=8, augmentation="fer2013")
    images, targets = (np.concatenate(part) for part in zip(*batches, strict=True))
    assert [len(batch[0]) for batch in batches] == [8, 8, 4]
    assert images.dtype == np.float32
    np.testing.assert_array_equal(images, noise())
    np.testing.assert_array_equal(targets, one_hot())
    with pytest.raises(IndexError, match="batch 3 of 3"):
        batches[3]


def test_an_epoch_of_two_passes_sees_every_face_twice_but_for_the_rest():
    images = np.arange(20, dtype="uint8").reshape(20, 1, 1, 1) + np.zeros((1, 6, 6, 1), "uint8")
    batches = FaceBatches(images, one_hot(), batch_size=6, training=True, passes=2)
    assert len(batches) == 6
    seen = np.concatenate([found[:, 0, 0, 0] for found, _ in batches]).astype(int)
    counts = np.bincount(seen, minlength=20)
    assert counts.sum() == 36
    assert counts.max() == 2
    assert (counts[seen[:20]] >= 1).all()
    assert sorted(seen[:20]) == list(range(20))
    assert [label.argmax() for label in batches[0][1]] == list(seen[:6] % 7)


def test_epochs_differ_and_follow_from_the_seed_and_their_number_alone():
    def build(**options):
        chosen = {"seed": 3, **options}
        return FaceBatches(noise(), one_hot(), 8, training=True, augmentation=STRONG, **chosen)

    first, again = epochs(build(), 3), epochs(build(workers=4), 3)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
    later = epochs(build(initial_epoch=2), 1)
    np.testing.assert_array_equal(later[0][0], first[4][0])
    assert not np.array_equal(first[0][0], first[2][0])
    assert not np.array_equal(first[0][0], build(seed=4)[0][0])


@given(
    height=st.integers(2, 20),
    width=st.integers(2, 20),
    channels=st.sampled_from([1, 3]),
    fill=st.sampled_from(FILLS),
    amount=st.floats(0, 0.5),
)
@settings(max_examples=40, deadline=None)
def test_shapes_and_ranges_hold_whatever_the_amounts(height, width, channels, fill, amount):
    policy = Augmentation(
        **dict.fromkeys(("flip", "rotation", "shift", "zoom", "crop", "contrast"), amount),
        **{"brightness": amount, "erase": amount, "fill": fill, "mixup": MixUp(amount, 0.4)},
    )
    images, targets = augmented(
        noise(5, height, width, channels), one_hot(5), policy, np.random.default_rng(1)
    )
    assert images.shape == (5, height, width, channels)
    assert images.dtype == targets.dtype == np.float32
    assert 0 <= images.min() <= images.max() <= 255
    np.testing.assert_array_equal(images, np.round(images))
    np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-6)


def test_a_flip_mirrors_and_nothing_else():
    images, _ = augmented(noise(), one_hot(), Augmentation(flip=1.0), np.random.default_rng(0))
    np.testing.assert_array_equal(images, noise()[:, :, ::-1])


def test_geometry_moves_a_face_as_far_as_the_tensorflow_pipeline_does():
    """A bright spot goes, over many draws, to places of the same mean and spread in both."""
    picture = np.zeros((41, 41, 1), "uint8")
    picture[8:13, 28:33] = 255
    images = np.repeat(picture[None], 1500, axis=0)
    policy = Augmentation(flip=0.3, rotation=0.05, shift=0.1, zoom=0.2, fill="constant")
    mine, _ = augmented(images, np.zeros((1500, 2), "float32"), policy, np.random.default_rng(0))
    theirs, _ = with_tensorflow.augment(images, np.zeros((1500, 2)), policy, seed=(0, 1))

    def centres(found):
        weight = np.asarray(found, "float64")[..., 0]
        total = weight.sum(axis=(1, 2))
        down = (weight.sum(axis=2) @ np.arange(41)) / total
        right = (weight.sum(axis=1) @ np.arange(41)) / total
        return np.stack([down, right, np.sqrt(total)], axis=1)

    ours, reference = centres(mine), centres(theirs)
    np.testing.assert_allclose(ours.mean(axis=0), reference.mean(axis=0), atol=0.9)
    np.testing.assert_allclose(ours.std(axis=0), reference.std(axis=0), rtol=0.07)
    np.testing.assert_allclose(np.cov(ours.T), np.cov(reference.T), rtol=0.2, atol=1.5)


def test_crops_show_a_part_of_the_share_asked_for():
    ramp = np.tile(np.arange(0, 200, 4, dtype="uint8")[None, :, None], (50, 1, 1))
    images = np.repeat(ramp[None], 500, axis=0)
    policy = Augmentation(crop=0.25, fill="constant")
    cropped, _ = augmented(images, np.zeros((500, 2)), policy, np.random.default_rng(0))
    assert cropped[:, :, 0].min() >= 0
    widths = (cropped[:, 25, -1, 0] - cropped[:, 25, 0, 0]) / 196
    assert 0.4 < widths.min() < 0.6
    assert 0.9 < widths.max() <= 1
    assert (np.diff(cropped[:, 25, :, 0], axis=1) >= 0).all()


def test_tone_and_erasing_have_the_amounts_asked_for():
    images = np.full((500, 10, 10, 1), 100, "uint8")
    images[:, :5] = 140
    bright, _ = augmented(
        images, np.zeros((500, 2)), Augmentation(brightness=0.2), np.random.default_rng(0)
    )
    change = (bright - images).mean(axis=(1, 2, 3))
    assert -51 <= change.min() < -48
    assert 48 < change.max() <= 51
    steep, _ = augmented(
        images, np.zeros((500, 2)), Augmentation(contrast=0.5), np.random.default_rng(0)
    )
    steps = steep[:, 0, 0, 0] - steep[:, -1, 0, 0]
    assert 20 <= steps.min() < 21
    assert 59 < steps.max() <= 60
    np.testing.assert_allclose(steep.mean(axis=(1, 2, 3)), 120, atol=0.6)
    erased, _ = augmented(
        np.full((500, 24, 30, 1), 77, "uint8"),
        np.zeros((500, 2)),
        Augmentation(erase=0.5),
        np.random.default_rng(0),
    )
    touched = (erased != 77).any(axis=(1, 2, 3))
    assert 0.43 < touched.mean() < 0.57
    assert 0.1 < (erased[touched] != 77).mean() < 0.2


def test_mixup_mixes_labels_as_it_mixes_images():
    images = np.repeat(np.arange(0, 200, 10, dtype="uint8"), 16).reshape(20, 4, 4, 1)
    mixed, targets = augmented(
        images, np.eye(20), Augmentation(mixup=MixUp(0.5, blend=0.25)), np.random.default_rng(0)
    )
    changed = targets.max(axis=1) < 1
    assert 3 < changed.sum() < 17
    np.testing.assert_allclose(mixed[:, 0, 0, 0], targets @ np.arange(0, 200, 10), atol=0.51)
    shares = np.sort(targets[changed], axis=1)[:, -2:]
    np.testing.assert_allclose(shares, np.tile([0.25, 0.75], (len(shares), 1)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": noise().astype("float32")}, "`images` must be uint8"),
        ({"images": noise()[..., 0]}, "`images` must be uint8"),
        ({"targets": one_hot(19)}, "a row for each of `images`"),
        ({"images": noise()[:0], "targets": one_hot(0)}, "one at least"),
        ({"targets": np.arange(20)}, "`targets` must be"),
        ({"batch_size": 0}, "`batch_size`"),
        ({"passes": 0}, "`passes`"),
        ({"workers": 0}, "`workers`"),
        ({"training": True, "augmentation": "mixup", "batch_size": 1}, "two images and more"),
        ({"initial_epoch": -1}, "`initial_epoch`"),
        ({"augmentation": "randaug"}, "no RandAugment here"),
        ({"augmentation": {"engine": "keras_cv"}}, "must not ask for keras-cv here"),
        ({"augmentation": "strong"}, "`augmentation` must be"),
    ],
)
def test_mistakes(changes, message):
    arguments = {"images": noise(), "targets": one_hot()} | changes
    with pytest.raises(ValueError, match=message):
        FaceBatches(**arguments)


def test_a_policy_with_erasing_can_be_written_down():
    policy = Augmentation.from_dict(json.loads(json.dumps(STRONG)))
    assert Augmentation.from_dict(json.loads(json.dumps(policy.to_dict()))) == policy


def test_opencv_warps_grey_and_colour_alike():
    grey = noise(4)
    colour = np.repeat(grey, 3, axis=-1)
    policy = Augmentation(rotation=0.1, shift=0.1)
    first, _ = augmented(grey, one_hot(4), policy, np.random.default_rng(0))
    second, _ = augmented(colour, one_hot(4), policy, np.random.default_rng(0))
    assert cv2.norm(second[..., 1], first[..., 0]) == 0
