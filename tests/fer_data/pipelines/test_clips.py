"""The pipeline of clips: time, regions, motion, augmentation alike in all frames, seeds."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_data.faces.regions import mirrored_windows, region_windows
from fer_data.pipelines import clips
from fer_data.pipelines.augmentation.clips_with_tensorflow import augment_clips, flipped_clips
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


def regions_of(data):
    return {"left": data[:, :, :8, :8], "right": data[:, :, :8, 8:], "lower": data[:, :, 8:, 4:12]}


def marks(count=6, side=FACE, seed=1):
    """Return landmarks whose windows differ from the grid and from clip to clip."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0.25, 0.75, (count, 1, 2)) + rng.uniform(-0.2, 0.2, (count, 68, 2))
    return points * side - 0.5


def pipeline(data, **kwargs):
    defaults = {"size": SIZE, "frames": 4, "cache": False, "region_cut": "grid"}
    return clips.pipeline(data, **(defaults | kwargs))


def only(data, **kwargs):
    """Return the one batch of a pipeline, as arrays."""
    (batch,) = pipeline(data, **kwargs)
    return tf.nest.map_structure(np.asarray, batch)


def inputs(data, **kwargs):
    """Return what a network gets of clips at hand, as arrays."""
    found = clips.clip_inputs(data, **({"size": SIZE} | kwargs))
    return tf.nest.map_structure(np.asarray, found)


def augmented(*parts, augmentation, seed=(3, 4)):
    """Return clips or their regions, augmented."""
    parts = tuple(tf.cast(part, tf.float32) for part in parts)
    return tuple(part.numpy() for part in augment_clips(parts, augmentation, seed))


@pytest.mark.slow
def test_shapes_types_and_labels():
    parts, label = only((faces(channels=3), labels()))
    assert [part.shape for part in parts] == [(6, 4, SIZE, SIZE, 3)] * 3
    assert {part.dtype for part in parts} == {np.dtype("float32")}
    np.testing.assert_array_equal(label, np.eye(3)[labels()])
    data = {"frames": faces(2, side=128), "label": [0, 1], "landmarks": marks(2, 128)}
    default = clips.pipeline(data, cache=False)
    assert [part.shape[1:] for part in default.element_spec[0]] == [(16, 64, 64, 1)] * 3
    assert len(default) == 1


@pytest.mark.parametrize("regions", [1, 2, 3])
def test_a_batch_is_that_of_the_clips_at_hand(regions):
    """What the tests below show of single clips and batches holds for the pipeline."""
    data = [faces(1, frames, channels=3, side=20)[0] for frames in (1, 3, 9)]
    numbers = [[4], [1, 2, 7], list(range(9))]
    given_data = {"frames": data, "label": [2, 1, 0], "frame_numbers": numbers}
    found, label = only(given_data, regions=regions, channels=1)
    assert label.argmax(1).tolist() == [2, 1, 0]
    fixed = [
        clips.fixed_clip(*pair, frames=4, size=SIZE, channels=1)
        for pair in zip(data, numbers, strict=True)
    ]
    assert equal(found, inputs(np.stack(fixed), regions=regions))


def test_regions_are_those_of_the_geometry():
    data = faces(frames=4)
    found = inputs(data, motion=False)
    for part, expected in zip(found, regions_of(data).values(), strict=True):
        np.testing.assert_array_equal(part, expected)


def test_two_regions_and_one():
    data = faces(frames=4).astype("float32")
    upper, lower = inputs(data, motion=False, regions=2)
    np.testing.assert_allclose(upper, (data[:, :, :8, ::2] + data[:, :, :8, 1::2]) / 2, atol=1e-4)
    np.testing.assert_array_equal(lower, data[:, :, 8:, 4:12])
    blocks = data.reshape(6, 4, 8, 2, 8, 2, 1).mean((3, 5))
    np.testing.assert_allclose(inputs(data, motion=False, regions=1), blocks, atol=1e-3)
    with pytest.raises(ValueError, match="`faces` must have the shape"):
        clips.clip_inputs(data[0], size=SIZE)
    with pytest.raises(ValueError, match=r"`landmarks` must have the shape \(batch, 68, 2\)"):
        clips.clip_inputs(data, size=SIZE, landmarks=marks()[0])


@pytest.mark.parametrize("regions", [1, 2, 3])
def test_regions_follow_the_landmarks_of_the_first_frame(regions):
    data, points = faces(frames=4, side=2 * FACE), marks(side=2 * FACE)
    given_data = {"frames": data, "label": labels(), "landmarks": points}
    found, _ = only(given_data, regions=regions, region_cut="landmarks")
    small = np.stack([clips.fixed_clip(clip, frames=4, size=SIZE) for clip in data])
    points = clips.fixed_landmarks(points, 2 * FACE, size=SIZE)
    np.testing.assert_allclose(points, marks(side=FACE), atol=1e-9)
    assert equal(found, inputs(small, regions=regions, landmarks=points))
    assert equal(found, inputs(small, regions=regions)) == (regions == 1)
    if regions == 1:
        return
    windows = region_windows(points, SIZE, regions).numpy()
    assert len(np.unique(windows[:, -1], axis=0)) > 3
    small = small - small[:, :1].astype("float32")
    for number, ((top, left), clip) in enumerate(zip(windows[:, -1], small, strict=True)):
        expected = clip[:, top : top + SIZE, left : left + SIZE]
        np.testing.assert_array_equal(found[-1][number], expected)
    if regions == 2:
        top = windows[0, 0, 0]
        upper = small[0, :, top : top + SIZE]
        np.testing.assert_allclose(found[0][0], (upper[:, :, ::2] + upper[:, :, 1::2]) / 2)


def test_clips_of_different_lengths_bring_their_landmarks():
    data = [faces(1, frames)[0] for frames in (3, 5)]
    given_data = {"frames": data, "label": [0, 1], "landmarks": marks(2)}
    found, _ = only(given_data, region_cut="landmarks")
    fixed = np.stack([clips.fixed_clip(clip, frames=4, size=SIZE) for clip in data])
    assert equal(found, inputs(fixed, landmarks=marks(2)))


def test_motion_is_what_differs_from_the_first_frame():
    data = faces(frames=4)
    for motion, grey in zip(inputs(data), inputs(data, motion=False), strict=True):
        np.testing.assert_array_equal(motion, grey - grey[:, :1])
        assert motion.min() < 0
    still = np.repeat(faces(frames=1), 4, axis=1)
    assert not any(part.any() for part in inputs(still))


@settings(max_examples=20, deadline=None)
@given(own=st.integers(2, 20), wanted=st.integers(2, 20))
def test_time_is_interpolated_as_videos_are(own, wanted):
    (data,) = faces(1, own, side=4)
    found = clips.fixed_clip(data, frames=wanted, size=2).numpy().astype("float64")
    expected = np.array(list(interpolate(enumerate(data), sample_positions(wanted, 0, own - 1))))
    # Halves may be rounded either way.
    np.testing.assert_allclose(found, expected.astype("float64"), atol=1)
    assert (found == expected).mean() > 0.9


def test_gaps_are_bridged_by_the_frames_own_numbers():
    data = np.array([0, 10, 50], "uint8").reshape(3, 1, 1, 1) * np.ones((1, 4, 4, 1), "uint8")
    bridged = clips.fixed_clip(data, [7, 8, 12], size=2, frames=6)
    assert bridged[:, 0, 0, 0].numpy().tolist() == [0, 10, 20, 30, 40, 50]
    evenly = clips.fixed_clip(data, size=2, frames=5)
    assert evenly[:, 0, 0, 0].numpy().tolist() == [0, 5, 10, 30, 50]


def test_larger_faces_are_brought_to_the_size():
    (small,) = faces(1, 4)
    big = np.repeat(np.repeat(small, 2, axis=1), 2, axis=2)
    found = clips.fixed_clip(big, frames=4, size=SIZE).numpy()
    assert found.shape == small.shape
    assert abs(found.mean() - big.mean()) < 2
    assert np.corrcoef(found.ravel(), small.ravel())[0, 1] > 0.8


def test_colours():
    data = faces(frames=4, channels=3)
    grey = clips.fixed_clip(data[0], frames=4, size=SIZE, channels=1)
    np.testing.assert_allclose(grey[..., 0], data[0] @ [0.2989, 0.5870, 0.1140], atol=1)
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
    found, label = only(dataset, labels="sparse")
    assert label.tolist() == labels().tolist()
    np.testing.assert_array_equal(found[2], inputs(data)[2])


def test_regions_may_be_given_in_the_face_s_place():
    data = faces(frames=4)
    found, _ = only(regions_of(data) | {"label": labels()})
    assert equal(found, inputs(data))


def test_the_same_happens_to_every_frame():
    """A still clip stays still, whatever is drawn: no augmentation makes motion."""
    still = np.repeat(faces(16, 1), 5, axis=1)
    (changed,) = augmented(still, augmentation=EVERYTHING)
    assert np.abs(changed - changed[:, :1]).max() < 1e-3
    assert (np.abs(changed - still).mean((1, 2, 3, 4)) > 5).all()
    # And every clip has a draw of its own: equal clips become different ones.
    (own,) = augmented(np.repeat(faces(1, 5), 6, axis=0), augmentation=EVERYTHING)
    assert len({part.tobytes() for part in own}) == 6


def test_the_same_happens_to_every_region():
    """Turned and lit as one picture, the regions still fit together."""
    ramp = np.broadcast_to(np.arange(FACE) * 6 + 80, (4, 3, FACE, FACE))[..., None]
    policy = Augmentation(brightness=0.2, contrast=0.2)
    (lit,) = augmented(ramp, augmentation=policy)
    left, right, lower = inputs(lit, motion=False)
    upper = np.concatenate([left, right], axis=3)
    np.testing.assert_allclose(upper[:, :, :, 4:12], lower, atol=1e-3)
    steps = np.diff(upper[:, 0, 0, :, 0], axis=1)
    np.testing.assert_allclose(steps, np.broadcast_to(steps[:, :1], steps.shape), atol=1e-3)
    assert len(np.unique(steps[:, 0].round(3))) == 4


def test_contrast_scales_motion_and_brightness_does_not_touch_it():
    data = faces(4, 4) // 4 + 96
    plain = inputs(data)[0]
    lit = inputs(*augmented(data, augmentation={"brightness": 0.1}))[0]
    np.testing.assert_allclose(lit, plain, atol=1e-3)
    scaled = inputs(*augmented(data, augmentation={"contrast": 0.3}))[0]
    factors = (scaled * plain).sum((1, 2, 3, 4)) / (plain**2).sum((1, 2, 3, 4))
    np.testing.assert_allclose(scaled, plain * factors[:, None, None, None, None], atol=1e-2)
    assert ((factors > 0.7) & (factors < 1.3)).all()


@pytest.mark.parametrize("given_as", ["face", "regions"])
def test_flip_mirrors_and_swaps_left_and_right(given_as):
    data = faces(frames=4)
    left, right, lower = inputs(data)
    source = {"frames": data} if given_as == "face" else regions_of(data)
    flipped, _ = only(
        source | {"label": labels()}, training=True, augmentation={"flip": 1.0}, shuffle=False
    )
    for found, expected in zip(flipped, (right, left, lower), strict=True):
        np.testing.assert_allclose(found, expected[:, :, :, ::-1], atol=1e-3)


@pytest.mark.parametrize("regions", [2, 3])
def test_a_flip_mirrors_the_windows(regions):
    data, points = faces(frames=4), marks()
    plain = inputs(data, regions=regions, landmarks=points)
    flipped, _ = only(
        {"frames": data, "label": labels(), "landmarks": points},
        training=True, augmentation={"flip": 1.0}, shuffle=False, regions=regions,
        region_cut="landmarks",
    )  # fmt: skip
    plain = (plain[1], plain[0], plain[2]) if regions == 3 else plain
    for found, expected in zip(flipped, plain, strict=True):
        np.testing.assert_allclose(found, expected[:, :, :, ::-1], atol=1e-3)


def test_what_is_drawn_moves_the_face_beneath_its_windows():
    """As on the grid: windows that followed would undo what shifts and crops are drawn for."""
    data, points = faces(16, frames=4), marks(16)
    found, _ = only(
        {"frames": data, "label": labels(16), "landmarks": points},
        training=True, augmentation=EVERYTHING, shuffle=False, region_cut="landmarks",
        batch_size=16, seed=5,
    )  # fmt: skip
    first = tf.constant(0, tf.int64)
    seed = tf.random.fold_in(tf.random.fold_in(tf.constant([5, 0]), first), first)
    (face,) = augmented(data, augmentation=EVERYTHING, seed=seed)
    flipped = flipped_clips(16, EVERYTHING, seed).numpy()
    assert 0 < flipped.sum() < 16
    windows = region_windows(points, SIZE)
    windows = np.where(flipped[:, None, None], mirrored_windows(windows, SIZE), windows)
    motion = face - face[:, :1]
    for region in range(3):
        for clip, own, (top, left) in zip(found[region], motion, windows[:, region], strict=True):
            expected = own[:, top : top + SIZE, left : left + SIZE]
            np.testing.assert_allclose(clip, expected, atol=1e-3)


def test_half_of_the_clips_are_flipped():
    data = faces(64, 2)
    left, right, _ = inputs(data)
    found = inputs(*augmented(data, augmentation={"flip": 0.5}))[0]
    same = np.isclose(found, left, atol=1e-3).all((1, 2, 3, 4))
    swapped = np.isclose(found, right[:, :, :, ::-1], atol=1e-3).all((1, 2, 3, 4))
    assert (same ^ swapped).all()
    assert 20 <= swapped.sum() <= 44


def test_rotation_turns_by_what_it_says():
    face = np.zeros((1, 2, 65, 65, 1), "float32")
    face[:, :, 30:35, 48:53] = 255
    (turned,) = augmented(face, augmentation=Augmentation(rotation=0.1))
    frame = turned[0, 1, :, :, 0]
    y, x = (np.average(axis, weights=frame) - 32 for axis in np.mgrid[:65, :65])
    angle = np.arctan2(-y, x) / (2 * np.pi)
    assert 0.005 < abs(angle) <= 0.1
    assert np.hypot(x, y) == pytest.approx(18, abs=0.3)


def epochs(count=2, **kwargs):
    data = pipeline(
        (faces(8), labels(8)), training=True, augmentation=EVERYTHING, batch_size=3, **kwargs
    )
    return [[tf.nest.map_structure(np.asarray, batch) for batch in data] for _ in range(count)]


@pytest.fixture(scope="module")
def two_epochs():
    return epochs()


def equal(first, second):
    pairs = zip(tf.nest.flatten(first), tf.nest.flatten(second), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_epochs_follow_from_the_seed(two_epochs):
    first, second = two_epochs
    assert not equal(first, second)
    assert equal(epochs(1, workers=1, initial_epoch=1)[0], second)
    assert not equal(epochs(1, seed=1)[0], first)
    assert sorted(np.concatenate([b[1] for b in first]).argmax(1)) == sorted(labels(8))


def test_repeat_goes_through_the_same_epochs(two_epochs):
    endless = pipeline(
        (faces(8), labels(8)), training=True, augmentation=EVERYTHING, batch_size=3, repeat=True
    )
    found = [tf.nest.map_structure(np.asarray, batch) for batch in endless.take(6)]
    assert equal([found[:3], found[3:]], two_epochs)


@pytest.mark.slow
def test_cache_in_memory_and_in_a_folder(tmp_path, two_epochs):
    for cache in (True, tmp_path / "cache", tmp_path / "cache"):
        assert equal(epochs(1, cache=cache)[0], two_epochs[0])
    with pytest.raises(ValueError, match="`cache` must be a folder of this pipeline's"):
        epochs(1, cache=tmp_path / "cache", frames=5)


def test_a_folder_of_clips_with_other_classes_is_refused(tmp_path):
    data = faces(), labels()
    pipeline(data, cache=tmp_path / "cache", classes=3)
    with pytest.raises(ValueError, match=r"`cache` must be .*{'classes': 3}, not {'classes': 2}"):
        pipeline({"frames": data[0], "label": data[1] % 2}, cache=tmp_path / "cache", classes=2)


def test_weights_and_smoothing():
    own = np.array([0, 0, 0, 1, 2, 2])
    weights = class_weights(own, 3)
    _, label, weight = only((faces(), own), class_weights=weights, label_smoothing=0.3)
    np.testing.assert_allclose(weight, [weights[number] for number in own], rtol=1e-6)
    np.testing.assert_allclose(label, np.eye(3)[own] * 0.7 + 0.1, atol=1e-6)


def test_a_clip_without_a_label_is_refused_by_name():
    data = tf.data.Dataset.from_tensor_slices((faces(2), np.array([0, -1])))
    with pytest.raises(tf.errors.InvalidArgumentError, match="filter out clips without one"):
        list(pipeline(data))


def test_frame_numbers_must_rise():
    with pytest.raises(tf.errors.InvalidArgumentError, match="rising `frame_numbers`"):
        clips.fixed_clip(faces(1, 3)[0], [1, 3, 3], frames=4, size=SIZE)


GOOD = {"frames": faces(2), "label": [0, 1]}


@pytest.mark.parametrize(
    ("data", "kwargs", "message"),
    [
        (GOOD, {"size": 7}, r"`size` must be an even integer >= 2. Received: size=7"),
        (GOOD, {"size": (8, 6)}, "`size` must be"),
        (GOOD, {"frames": 0}, "`frames` must be an integer >= 1"),
        (GOOD, {"regions": 4}, r"`regions` must be one of \(1, 2, 3\)"),
        (GOOD, {"region_cut": "nose"}, r"`region_cut` must be one of \('landmarks', 'grid'\)"),
        (GOOD, {"region_cut": "landmarks"}, 'must have the feature `landmarks`.*region_cut="grid"'),
        (
            GOOD | {"landmarks": marks(2)[:, :5]},
            {"region_cut": "landmarks"},
            r"`landmarks` must be numbers of the shape \(68, 2\). Received: .*\(5, 2\)",
        ),
        (GOOD, {"classes": 0}, "`classes`"),
        (GOOD, {"batch_size": 0}, "`batch_size`"),
        (GOOD, {"labels": "soft"}, "`labels` must be one of"),
        (GOOD, {"label_smoothing": 1.0}, "`label_smoothing`"),
        (GOOD, {"label_smoothing": 0.1, "labels": "sparse"}, "`label_smoothing`"),
        (GOOD, {"channels": 2}, "`channels`"),
        (GOOD, {"shuffle": 0}, "`shuffle`"),
        (GOOD, {"augmentation": "mixup"}, "no RandAugment, no MixUp and nothing erased"),
        (GOOD, {"augmentation": {"engine": "keras_cv"}}, "no other engine"),
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
