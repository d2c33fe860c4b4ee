"""Corruptions against their formulas, what lies where on the face, and the report."""

import json

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, ops

from fer_data.pipelines.augmentation.corruption_policy import SENSOR_NOISE
from fer_data.synthetic import generate
from fer_models.robustness import (
    CORRUPTIONS,
    Accuracy,
    CorruptionReport,
    corrupt,
    corruption_accuracy,
    corruption_sheet,
    typical_landmarks,
)
from fer_models.robustness import photo_corruptions as amounts
from fer_models.robustness.occlusions import OCCLUSIONS

SEVERITIES = (1, 2, 3, 4, 5)
EYES, MOUTH, CHIN = slice(36, 48), slice(48, 60), slice(7, 10)


@pytest.fixture(scope="module")
def faces():
    found = list(generate(3, seed=4, size=96))
    return np.stack([face.image for face in found]), np.stack([face.landmarks for face in found])


def difference(images, kind, severity, **options):
    changed = corrupt(images, kind, severity, **options)
    return np.abs(changed.astype("float64") - images).mean()


def covered(images, kind, severity, landmarks, **options):
    changed = corrupt(images, kind, severity, landmarks=landmarks, **options)
    return np.abs(changed.astype(int) - images).max(axis=-1) > 8


def share_at(mask, points):
    inside = np.clip(np.round(points).astype(int), 0, np.array(mask.shape)[::-1] - 1)
    return mask[inside[:, 1], inside[:, 0]].mean()


@settings(max_examples=40)
@given(
    kind=st.sampled_from(CORRUPTIONS),
    severity=st.sampled_from(SEVERITIES),
    height=st.integers(8, 40),
    width=st.integers(8, 40),
    channels=st.sampled_from([1, 3]),
    seed=st.integers(0, 9),
    own=st.booleans(),
)
def test_any_face_of_any_size_gives_a_picture(kind, severity, height, width, channels, seed, own):
    rng = np.random.default_rng(seed)
    images = rng.uniform(0, 255, (2, height, width, channels))
    # Anywhere, also far outside of the picture.
    points = rng.normal(0, 3, (2, 68, 2)) * (width, height) if own else None
    changed = corrupt(images, kind, severity, landmarks=points, seed=seed)
    assert changed.dtype == np.uint8
    assert changed.shape == images.shape


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_each_severity_changes_more_than_the_one_before(faces, kind):
    images, landmarks = faces
    sizes = [difference(images, kind, each, landmarks=landmarks) for each in SEVERITIES]
    assert sizes[0] > 0
    assert sizes == sorted(sizes)


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_the_seed_and_the_place_decide(faces, kind):
    images, landmarks = faces
    first = corrupt(images, kind, 3, landmarks=landmarks, seed=1)
    np.testing.assert_array_equal(first, corrupt(images, kind, 3, landmarks=landmarks, seed=1))
    np.testing.assert_array_equal(
        first[:1], corrupt(images[:1], kind, 3, landmarks=landmarks[:1], seed=1)
    )
    other = corrupt(images, kind, 3, landmarks=landmarks, seed=2)
    assert (first != other).any() == (kind in ("noise", "darkness", "hand"))


def test_amounts_are_those_of_the_tables():
    flat = np.full((1, 200, 200, 1), 128, "uint8")
    step = np.concatenate([np.full((1, 8, 4, 3), 40), np.full((1, 8, 4, 3), 200)], 2)
    for severity in SEVERITIES:
        level = severity - 1
        noise = corrupt(flat, "noise", severity) - 128.0
        inner = np.abs(noise) < 127
        assert noise.std() == pytest.approx(amounts.NOISE[level], rel=0.05 if inner.all() else 0.12)
        added = corrupt(step, "brightness", severity)
        np.testing.assert_array_equal(added, np.minimum(step + amounts.BRIGHTNESS[level], 255))
        drawn = corrupt(step, "contrast", severity)
        np.testing.assert_allclose(drawn, 120 + (step - 120.0) * amounts.CONTRAST[level], atol=0.5)
        dark = corrupt(flat, "darkness", severity)
        assert dark.mean() == pytest.approx(128 * amounts.DARKNESS[level], abs=0.1)
        assert dark.std() == pytest.approx(SENSOR_NOISE, rel=0.1)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_blur_is_the_gaussian_of_its_width(faces, severity):
    from scipy.ndimage import gaussian_filter

    images = faces[0][:1]
    sigma = amounts.BLUR[severity - 1] * 96
    expected = gaussian_filter(images[0].astype("float64"), (sigma, sigma, 0), mode="nearest")
    # OpenCV cuts the kernel off a little earlier.
    np.testing.assert_allclose(corrupt(images, "blur", severity)[0], expected, atol=2)


def test_low_resolution_keeps_means_and_loses_stripes():
    stripes = np.tile(np.array([[0], [255]], "uint8"), (24, 48))[None, ..., None]
    changed = corrupt(stripes, "low_resolution", 1)
    assert changed.mean() == pytest.approx(127.5, abs=1)
    assert changed.std() < 2


def test_jpeg_is_that_of_another_library(faces):
    import io

    from PIL import Image

    image = faces[0][0]
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=amounts.JPEG[1])
    expected = np.asarray(Image.open(buffer)).astype(int)
    found = corrupt(image[None], "jpeg", 2)[0].astype(int)
    assert np.abs(found - expected).mean() < 3
    assert np.abs(image.astype(int) - expected).mean() > 1


@pytest.mark.parametrize("severity", SEVERITIES)
def test_what_covers_the_face_lies_where_it_belongs(faces, severity):
    images, landmarks = faces
    glasses = covered(images, "sunglasses", severity, landmarks)
    masked = covered(images, "mask", severity, landmarks)
    for number, points in enumerate(landmarks):
        assert share_at(glasses[number], points[EYES]) > 0.9
        assert share_at(glasses[number], points[MOUTH]) == 0
        assert share_at(masked[number], points[EYES]) == 0
        assert share_at(masked[number], points[CHIN] - (0, 3)) > 0.6
        if severity > 1:
            assert share_at(masked[number], points[MOUTH]) > 0.9
        if severity == 5:
            hand = covered(images, "hand", 5, landmarks)[number]
            assert share_at(hand, points[[30, 33, 51, 57]]) > 0.7


@pytest.mark.parametrize("kind", sorted(OCCLUSIONS))
def test_a_larger_face_is_covered_likewise(faces, kind):
    images, landmarks = faces
    doubled = images.repeat(2, axis=1).repeat(2, axis=2)
    small = covered(images, kind, 3, landmarks)
    large = covered(doubled, kind, 3, 2 * landmarks + 0.5)
    assert (small != large[:, ::2, ::2]).mean() < 0.02


@pytest.mark.parametrize("kind", sorted(OCCLUSIONS))
def test_a_turned_face_is_covered_turned(faces, kind):
    images, landmarks = faces
    turned = np.rot90(images, -1, axes=(1, 2))
    # A quarter clockwise: (x, y) comes to (side - 1 - y, x).
    points = np.stack([95 - landmarks[..., 1], landmarks[..., 0]], axis=-1)
    plain = covered(images, kind, 4, landmarks)
    back = np.rot90(covered(turned, kind, 4, points), 1, axes=(1, 2))
    assert (plain != back).mean() < 0.02


def test_a_hand_comes_from_several_sides(faces):
    images, landmarks = (x[:1].repeat(6, axis=0) for x in faces)
    masks = covered(images, "hand", 3, landmarks)
    assert len({mask.tobytes() for mask in masks}) == 6
    # As broad as a hand is: of the order of the face, not of an eye or the picture.
    assert 0.08 < masks.mean() < 0.5


def test_grey_and_colour_are_covered_at_the_same_places(faces):
    images, landmarks = faces
    grey = np.round(images.mean(axis=-1, keepdims=True)).astype("uint8")
    for kind in OCCLUSIONS:
        # The median of a colour is not that of its grey: for a hand they may differ by little.
        one = covered(grey, kind, 4, landmarks)
        other = covered(grey.repeat(3, axis=-1), kind, 4, landmarks)
        assert (one != other).mean() < 0.01


def test_typical_landmarks_are_symmetric_and_framed_as_documented():
    points = typical_landmarks(100, 200)
    assert points.shape == (68, 2)
    shares = (points + 0.5) / (200, 100)
    left, right = shares[36:42].mean(axis=0), shares[42:48].mean(axis=0)
    np.testing.assert_allclose(left, (0.31, 0.385), atol=0.005)
    np.testing.assert_allclose(right, (0.69, 0.385), atol=0.005)
    np.testing.assert_allclose(shares[8], (0.5, 1.0), atol=0.005)
    np.testing.assert_allclose(shares[:17, 0] + shares[16::-1, 0], 1, atol=0.002)
    np.testing.assert_allclose(shares[:17, 1], shares[16::-1, 1], atol=0.002)


def test_without_landmarks_the_typical_ones_are_taken(faces):
    images = faces[0]
    typical = np.broadcast_to(typical_landmarks(96, 96), (3, 68, 2))
    np.testing.assert_array_equal(
        corrupt(images, "mask", 3), corrupt(images, "mask", 3, landmarks=typical)
    )


@pytest.fixture(scope="module")
def scorer():
    model = keras.Sequential(
        [keras.Input((96, 96, 3)), layers.AveragePooling2D(12), layers.Flatten(),
         layers.Dense(3, activation="softmax")]
    )  # fmt: skip
    kernel = np.random.default_rng(0).normal(0, 0.02, (192, 3)).astype("float32")
    model.set_weights([kernel, np.zeros(3, "float32")])
    return model


def test_report_counts_what_the_model_says(faces, scorer):
    images, landmarks = faces
    labels = ops.convert_to_numpy(scorer(images.astype("float32"))).argmax(-1)
    labels[0] = (labels[0] + 1) % 3
    report = corruption_accuracy(
        scorer, images, labels, kinds=("contrast", "mask"), severities=(2, 5),
        landmarks=landmarks, seed=3, verbose=0,
    )  # fmt: skip
    assert (report.clean.correct, report.examples, report.own_landmarks) == (2, 3, True)
    for kind, row in report.accuracies.items():
        for severity, found in row.items():
            shown = corrupt(images, kind, severity, landmarks=landmarks, seed=3)
            said = ops.convert_to_numpy(scorer(shown.astype("float32"))).argmax(-1)
            assert found.correct == (said == labels).sum()
    every = [each.value for row in report.accuracies.values() for each in row.values()]
    assert report.mean() == pytest.approx(np.mean(every))
    assert report.mean("mask") == pytest.approx(np.mean(every[2:]))
    content = json.loads(json.dumps(report.to_dict()))
    assert content["accuracies"]["mask"]["5"]["examples"] == 3
    assert "| mask |" in str(report)
    assert "typical places" not in str(report)
    with pytest.raises(ValueError, match="`kind` must be of"):
        report.mean("blur")
    plain = corruption_accuracy(scorer, images, labels, kinds=("mask",), severities=(1,), verbose=0)
    assert "typical places" in str(plain)


def test_the_stated_width_is_that_of_the_wider_side():
    right = Accuracy(100, 100)
    text = str(CorruptionReport(right, {"blur": {1: right}}, own_landmarks=False, seed=0))
    # From 96.4 to 100.0 %.
    assert "intervals are up to 3.6 points wide on either side" in text


def test_sheet(faces, tmp_path):
    image, points = faces[0][0], faces[1][0]
    path = corruption_sheet(
        image, tmp_path / "s.png", kinds=("blur", "hand"), severities=(1, 5), landmarks=points
    )
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((4, 4, 1))}, "`images` must be numbers of shape"),
        ({"images": np.zeros((1, 9, 9, 2))}, "1 or 3 channels"),
        ({"images": np.full((1, 9, 9, 1), -1)}, r"in \[0, 255\]"),
        ({"images": np.full((1, 9, 9, 1), 0.5)}, "multiply them by 255"),
        ({"kind": "rain"}, "`kind` must be of"),
        ({"severity": 0}, "`severity` must be of"),
        ({"severity": 6}, "`severity` must be of"),
        ({"severity": True}, "`severity` must be of"),
        ({"seed": -1}, "`seed` must be an integer"),
        ({"landmarks": np.zeros((1, 5, 2))}, "68 points for each image"),
        ({"landmarks": np.zeros((1, 68, 2))}, "the eyes apart"),
        ({"landmarks": np.full((1, 68, 2), np.nan)}, "must be finite"),
    ],
)
def test_bad_arguments(change, message):
    given = {"images": np.zeros((1, 9, 9, 1)), "kind": "blur", "severity": 1, **change}
    images, kind, severity = (given.pop(name) for name in ("images", "kind", "severity"))
    with pytest.raises(ValueError, match=message):
        corrupt(images, kind, severity, **given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kinds": ()}, "`kinds` must be one or more"),
        ({"kinds": ("blur", "blur")}, "`kinds` must be one or more"),
        ({"kinds": ("rain",)}, "`kinds` must be of"),
        ({"severities": (7,)}, "`severities` must be of"),
        ({"labels": [0, 1]}, "`labels` must be 3 integers"),
        ({"images": np.zeros((3, 9, 9, 3))}, "of the model's shape"),
    ],
)
def test_bad_arguments_of_the_report(scorer, faces, change, message):
    given = {"images": faces[0], "labels": [0, 1, 2], "verbose": 0, **change}
    with pytest.raises(ValueError, match=message):
        corruption_accuracy(scorer, **given)
