"""The pipeline of clips: time, regions, motion, augmentation alike in all frames, seeds."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_data.pipelines import clips
from fer_data.pipelines.augmentation.clips_with_tensorflow import augment_clips
from fer_data.pipelines.augmentation.with_tensorflow import Augmentation
from fer_data.protocols.weighting import class_weights
from fer_data.video.sampling import interpolate, sample_positions

SIZE = 8
FACE = 2 * SIZE
EVERYTHING = Augmentation(
    flip=0.5, rotation=0.05, shift=0.05, zoom=0.05, crop=0.8, contrast=0.3, brightness=0.2
)


def faces(count=6, frames=5, channels=1, side=FACE, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, frames, side, side, channels), dtype="uint8")


def labels(count=6):
    return np.arange(count) % 3


def pipeline(data, **kwargs):
    return clips.pipeline(data, **({"size": SIZE, "frames": 4, "cache": False} | kwargs))


def only(data, **kwargs):
    """Return the one batch of a pipeline, as arrays."""
    (batch,) = pipeline(data, **kwargs)
    return tf.nest.map_structure(np.asarray, batch)


def test_shapes_types_and_labels():
    parts, label = only((faces(channels=3), labels()))
    assert [part.shape for part in parts] == [(6, 4, SIZE, SIZE, 3)] * 3
    assert {part.dtype for part in parts} == {np.dtype("float32")}
    np.testing.assert_array_equal(label, np.eye(3)[labels()])
    default = clips.pipeline((faces(2, side=128), [0, 1]), cache=False)
    assert [part.shape[1:] for part in default.element_spec[0]] == [(16, 64, 64, 1)] * 3
    assert len(default) == 1


def test_regions_are_those_of_the_geometry():
    data = faces(frames=4)
    (left, right, lower), _ = only((data, labels()), motion=False)
    np.testing.assert_array_equal(left, data[:, :, :8, :8])
    np.testing.assert_array_equal(right, data[:, :, :8, 8:])
    np.testing.assert_array_equal(lower, data[:, :, 8:, 4:12])


def test_two_regions_and_one():
    data = faces(frames=4).astype("float32")
    (upper, lower), _ = only((faces(frames=4), labels()), motion=False, regions=2)
    np.testing.assert_allclose(upper, (data[:, :, :8, ::2] + data[:, :, :8, 1::2]) / 2, atol=1e-4)
    np.testing.assert_array_equal(lower, data[:, :, 8:, 4:12])
    face, _ = only((faces(frames=4), labels()), motion=False, regions=1)
    blocks = data.reshape(6, 4, 8, 2, 8, 2, 1).mean((3, 5))
    np.testing.assert_allclose(face, blocks, atol=1e-3)


def test_motion_is_what_differs_from_the_first_frame():
    data = (faces(frames=4), labels())
    moving, _ = only(data)
    raw, _ = only(data, motion=False)
    for motion, grey in zip(moving, raw, strict=True):
        np.testing.assert_array_equal(motion, grey - grey[:, :1])
        assert motion.min() < 0
    still = np.repeat(faces(frames=1), 4, axis=1)
    assert not any(part.any() for part in only((still, labels()))[0])


@settings(max_examples=5, deadline=None)
@given(own=st.integers(2, 20), wanted=st.integers(2, 20))
def test_time_is_interpolated_as_videos_are(own, wanted):
    data = faces(1, own, side=4)
    face, _ = only((data, [0]), size=2, frames=wanted, regions=3, motion=False)
    expected = np.array(list(interpolate(enumerate(data[0]), sample_positions(wanted, 0, own - 1))))
    # Halves may be rounded either way.
    found = face[0][0].astype("float64")
    np.testing.assert_allclose(found, expected[:, :2, :2].astype("float64"), atol=1)
    assert (found == expected[:, :2, :2]).mean() > 0.9


def test_gaps_are_bridged_by_the_frames_own_numbers():
    data = np.array([0, 10, 50], "uint8").reshape(1, 3, 1, 1, 1) * np.ones((1, 1, 4, 4, 1), "uint8")
    given_numbers = {"frames": data, "label": [0], "frame_numbers": [[7, 8, 12]]}
    parts, _ = only(given_numbers, size=2, frames=6, motion=False)
    assert parts[0][0, :, 0, 0, 0].tolist() == [0, 10, 20, 30, 40, 50]
    parts, _ = only({"frames": data, "label": [0]}, size=2, frames=5, motion=False)
    assert parts[0][0, :, 0, 0, 0].tolist() == [0, 5, 10, 30, 50]


def test_clips_of_different_lengths_and_of_one_frame():
    data = [faces(1, frames, seed=frames)[0] for frames in (1, 3, 9)]
    parts, label = only((data, [2, 1, 0]), motion=False)
    assert label.argmax(1).tolist() == [2, 1, 0]
    for clip, left in zip(data, parts[0], strict=True):
        np.testing.assert_array_equal(left[0], clip[0, :8, :8])
        np.testing.assert_array_equal(left[-1], clip[-1, :8, :8])
    assert len(pipeline((data, [2, 1, 0]), batch_size=2)) == 2


def test_larger_faces_are_brought_to_the_size():
    big = np.repeat(np.repeat(faces(frames=4, side=FACE), 2, axis=2), 2, axis=3)
    found, _ = only((big, labels()), motion=False)
    assert found[0].shape == (6, 4, SIZE, SIZE, 1)
    assert abs(found[0].mean() - big[:, :, :FACE, :FACE].mean()) < 2


def test_colours():
    data = faces(frames=4, channels=3)
    grey, _ = only((data, labels()), motion=False, channels=1)
    expected = data[:, :, :8, :8] @ np.array([0.2989, 0.5870, 0.1140])
    np.testing.assert_allclose(grey[0][..., 0], expected, atol=1)
    colour, _ = only((faces(frames=4), labels()), motion=False, channels=3)
    np.testing.assert_array_equal(colour[0], np.repeat(faces(frames=4)[:, :, :8, :8], 3, axis=-1))


def test_data_set_of_dictionaries_as_the_builders_give():
    data = faces(frames=4)

    def examples():
        for clip, label in zip(data, labels(), strict=True):
            yield {"frames": clip, "label": label, "subject": "a/b", "apex_index": -1}

    spec = {
        "frames": tf.TensorSpec((None, FACE, FACE, 1), tf.uint8),
        "label": tf.TensorSpec((), tf.int64),
        "subject": tf.TensorSpec((), tf.string),
        "apex_index": tf.TensorSpec((), tf.int64),
    }
    dataset = tf.data.Dataset.from_generator(examples, output_signature=spec)
    found, _ = only(dataset)
    expected, _ = only((data, labels()))
    np.testing.assert_array_equal(found[2], expected[2])


def test_regions_may_be_given_in_the_face_s_place():
    data = faces(frames=4)
    parts = {"left": data[:, :, :8, :8], "right": data[:, :, :8, 8:], "lower": data[:, :, 8:, 4:12]}
    found, _ = only(parts | {"label": labels()})
    expected, _ = only((data, labels()))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
def test_the_same_happens_to_every_frame():
    """A still clip stays still, whatever is drawn: no augmentation makes motion."""
    still = np.repeat(faces(16, 1), 5, axis=1)
    moving, _ = only((still, labels(16)), training=True, augmentation=EVERYTHING, shuffle=False)
    assert max(np.abs(part).max() for part in moving) < 1e-3
    raw, _ = only(
        (still, labels(16)), training=True, augmentation=EVERYTHING, shuffle=False, motion=False
    )
    plain, _ = only((still, labels(16)), motion=False)
    changed = np.abs(raw[0] - plain[0]).mean((1, 2, 3, 4))
    assert (changed > 5).all()
    # And every clip has a draw of its own: equal clips become different ones.
    equal = np.repeat(faces(1, 5), 6, axis=0)
    raw, _ = only((equal, labels()), training=True, augmentation=EVERYTHING, motion=False)
    assert len({part.tobytes() for part in raw[0]}) == 6


def test_the_same_happens_to_every_region():
    """Turned and lit as one picture, the regions still fit together."""
    ramp = np.broadcast_to(np.arange(FACE) * 6 + 80, (4, 3, FACE, FACE))[..., None].astype("uint8")
    policy = Augmentation(brightness=0.2, contrast=0.2)
    (left, right, lower), _ = only(
        (ramp, labels(4)), training=True, augmentation=policy, motion=False, shuffle=False
    )
    upper = np.concatenate([left, right], axis=3)
    np.testing.assert_allclose(upper[:, :, :, 4:12], lower, atol=1e-3)
    steps = np.diff(upper[:, 0, 0, :, 0], axis=1)
    np.testing.assert_allclose(steps, np.broadcast_to(steps[:, :1], steps.shape), atol=1e-3)
    assert len(np.unique(steps[:, 0].round(3))) == 4


def test_contrast_scales_motion_and_brightness_does_not_touch_it():
    data = faces(4, 4) // 4 + 96
    plain, _ = only((data, labels(4)))
    run = {"training": True, "shuffle": False}
    lit, _ = only((data, labels(4)), augmentation={"brightness": 0.1}, **run)
    np.testing.assert_allclose(lit[0], plain[0], atol=1e-3)
    scaled, _ = only((data, labels(4)), augmentation={"contrast": 0.3}, **run)
    factors = (scaled[0] * plain[0]).sum((1, 2, 3, 4)) / (plain[0] ** 2).sum((1, 2, 3, 4))
    np.testing.assert_allclose(scaled[0], plain[0] * factors[:, None, None, None, None], atol=1e-2)
    assert ((factors > 0.7) & (factors < 1.3)).all()


@pytest.mark.parametrize("given_as", ["face", "regions"])
def test_flip_mirrors_and_swaps_left_and_right(given_as):
    data = faces(frames=4)
    (left, right, lower), _ = only((data, labels()))
    if given_as == "face":
        source = {"frames": data}
    else:
        source = {
            "left": data[:, :, :8, :8], "right": data[:, :, :8, 8:], "lower": data[:, :, 8:, 4:12],
        }  # fmt: skip
    flipped, _ = only(
        source | {"label": labels()}, training=True, augmentation={"flip": 1.0}, shuffle=False
    )
    for found, expected in zip(flipped, (right, left, lower), strict=True):
        np.testing.assert_allclose(found, expected[:, :, :, ::-1], atol=1e-3)


def test_half_of_the_clips_are_flipped():
    data = faces(64, 2)
    plain, _ = only((data, labels(64)), frames=2, batch_size=64)
    run = {"training": True, "shuffle": False, "batch_size": 64, "frames": 2}
    found, _ = only((data, labels(64)), augmentation={"flip": 0.5}, **run)
    same = np.isclose(found[0], plain[0], atol=1e-3).all((1, 2, 3, 4))
    swapped = np.isclose(found[0], plain[1][:, :, :, ::-1], atol=1e-3).all((1, 2, 3, 4))
    assert (same ^ swapped).all()
    assert 20 <= swapped.sum() <= 44


def test_rotation_turns_by_what_it_says():
    face = np.zeros((1, 2, 65, 65, 1), "float32")
    face[:, :, 30:35, 48:53] = 255
    policy = Augmentation(rotation=0.1)
    (turned,) = augment_clips((tf.constant(face),), policy, seed=(3, 4))
    frame = turned.numpy()[0, 1, :, :, 0]
    y, x = (np.average(axis, weights=frame) - 32 for axis in np.mgrid[:65, :65])
    angle = np.arctan2(-y, x) / (2 * np.pi)
    assert 0.005 < abs(angle) <= 0.1
    assert np.hypot(x, y) == pytest.approx(18, abs=0.3)


def epochs(count=2, **kwargs):
    data = pipeline(
        (faces(8), labels(8)), training=True, augmentation=EVERYTHING, batch_size=3, **kwargs
    )
    return [[tf.nest.map_structure(np.asarray, batch) for batch in data] for _ in range(count)]


def equal(first, second):
    pairs = zip(tf.nest.flatten(first), tf.nest.flatten(second), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_epochs_follow_from_the_seed():
    first, second = epochs(), epochs(workers=1)
    assert equal(first, second)
    assert not equal(first[0], first[1])
    assert equal(epochs(1, initial_epoch=1)[0], first[1])
    assert not equal(epochs(1, seed=1)[0], first[0])
    assert sorted(np.concatenate([b[1] for b in first[0]]).argmax(1)) == sorted(labels(8))


def test_repeat_goes_through_the_same_epochs():
    endless = pipeline(
        (faces(8), labels(8)), training=True, augmentation=EVERYTHING, batch_size=3, repeat=True
    )
    found = [tf.nest.map_structure(np.asarray, batch) for batch in endless.take(6)]
    assert equal([found[:3], found[3:]], epochs())


@pytest.mark.slow
def test_cache_in_memory_and_in_a_folder(tmp_path):
    wanted = epochs(1)
    for cache in (True, tmp_path / "cache", tmp_path / "cache"):
        assert equal(epochs(1, cache=cache), wanted)
    with pytest.raises(ValueError, match="`cache` must be a folder of this pipeline's"):
        epochs(1, cache=tmp_path / "cache", frames=5)


def test_weights_and_smoothing():
    own = np.array([0, 0, 0, 1, 2, 2])
    weights = class_weights(own, 3)
    _, label, weight = only((faces(), own), class_weights=weights, label_smoothing=0.3)
    np.testing.assert_allclose(weight, [weights[number] for number in own], rtol=1e-6)
    np.testing.assert_allclose(label, np.eye(3)[own] * 0.7 + 0.1, atol=1e-6)
    assert only((faces(), own), labels="sparse")[1].tolist() == own.tolist()


def test_inputs_of_a_clip_at_hand_are_the_pipeline_s():
    data = faces(frames=4)
    for regions in (1, 2, 3):
        expected, _ = only((data, labels()), regions=regions)
        found = clips.clip_inputs(data, size=SIZE, regions=regions)
        assert equal(tf.nest.map_structure(np.asarray, found), expected)
    with pytest.raises(ValueError, match="`faces` must have the shape"):
        clips.clip_inputs(data[0], size=SIZE)


def test_a_clip_without_a_label_is_refused_by_name():
    data = tf.data.Dataset.from_tensor_slices((faces(2), np.array([0, -1])))
    with pytest.raises(tf.errors.InvalidArgumentError, match="filter out clips without one"):
        list(pipeline(data))


def test_frame_numbers_must_rise():
    bad = {"frames": faces(1, 3), "label": [0], "frame_numbers": [[1, 3, 3]]}
    with pytest.raises(tf.errors.InvalidArgumentError, match="rising `frame_numbers`"):
        list(pipeline(bad))


GOOD = {"frames": faces(2), "label": [0, 1]}


@pytest.mark.parametrize(
    ("data", "kwargs", "message"),
    [
        (GOOD, {"size": 7}, r"`size` must be an even integer >= 2. Received: size=7"),
        (GOOD, {"size": (8, 6)}, "`size` must be"),
        (GOOD, {"frames": 0}, "`frames` must be an integer >= 1"),
        (GOOD, {"regions": 4}, r"`regions` must be one of \(1, 2, 3\)"),
        (GOOD, {"classes": 0}, "`classes`"),
        (GOOD, {"batch_size": 0}, "`batch_size`"),
        (GOOD, {"labels": "soft"}, "`labels` must be one of"),
        (GOOD, {"label_smoothing": 1.0}, "`label_smoothing`"),
        (GOOD, {"label_smoothing": 0.1, "labels": "sparse"}, "`label_smoothing`"),
        (GOOD, {"channels": 2}, "`channels`"),
        (GOOD, {"shuffle": 0}, "`shuffle`"),
        (GOOD, {"augmentation": "mixup"}, "no RandAugment, no MixUp and nothing erased"),
        (GOOD, {"augmentation": {"erase": 0.5}}, "nothing erased"),
        (GOOD, {"augmentation": "wobble"}, "`augmentation` must be"),
        (GOOD, {"class_weights": {0: 1.0, 1: 1.0}}, "`class_weights` must give each class"),
        (GOOD, {"drop_remainder": True}, "No full batch"),
        ((faces(2), [0, 3]), {}, r"Labels must be in \[0, 3\). Received: labels from 0 to 3"),
        ((faces(2), [0.0, 1.0]), {}, "Labels must be a vector of integers"),
        ((faces(2), [0]), {}, "must have one length"),
        (faces(2), {}, "`dataset` must be a tf.data.Dataset, a pair"),
        ((faces(2).astype("float32"), [0, 1]), {}, "`frames` must be uint8"),
        ((faces(2)[:, :, :, 1:], [0, 1]), {}, "faces as high as wide"),
        ({"left": faces(2), "label": [0, 1]}, {}, "`left`, `right` and `lower`"),
        (
            dict.fromkeys(("left", "right", "lower"), faces(2)) | {"label": [0, 1]},
            {},
            r"`left` must have the shape \(frames, 8, 8, channels\)",
        ),
        (
            dict.fromkeys(("left", "right", "lower"), faces(2, side=8)) | {"label": [0, 1]},
            {"regions": 1},
            "`regions=1` needs the feature `frames`",
        ),
        (tf.data.Dataset.from_tensors(GOOD["frames"][0]), {}, "must hold dictionaries or pairs"),
        (tf.data.Dataset.from_tensor_slices(GOOD).take(0), {}, "empty"),
        (tf.data.Dataset.from_tensor_slices(GOOD).repeat(), {}, "finite"),
        (tf.data.Dataset.from_tensors((faces(1)[0], [0.5])), {}, "`label` must be an integer"),
    ],
)
def test_bad_arguments(data, kwargs, message):
    with pytest.raises(ValueError, match=message):
        pipeline(data, **kwargs)
