"""One picture of regions, time, heat maps and gates."""

import importlib

import keras
import numpy as np
import pytest
from PIL import Image

from fer_layers import CBAM, GaussianNoiseStack, SpatialAttention3D
from fer_models import triple_path_ha3dnet
from fer_models.explain import clip_explanation, grad_cam

# The function bears its module's name.
module = importlib.import_module("fer_models.explain.clip_explanation")
NAMES = ("negative", "positive", "surprise")
REGIONS = ("left", "right", "lower")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return triple_path_ha3dnet(
        frames=8, input_shape=(12, 12, 1), filters=2, head="avg", dense_units=4
    )


@pytest.fixture
def clip():
    """Return frames, and their differences from the first one."""
    random = np.random.default_rng(0)
    frames = [random.uniform(0, 255, (8, 12, 12, 1)).astype("float32") for _ in range(3)]
    return frames, [each - each[:1] for each in frames]


@pytest.fixture
def rows(monkeypatch):
    """What is drawn."""
    seen, keep = [], module._drawn

    def watch(found, *args, **kwargs):
        seen.extend(found)
        return keep(found, *args, **kwargs)

    monkeypatch.setattr(module, "_drawn", watch)
    return seen


def test_rows_of_regions_and_gates(model, clip, rows, tmp_path, monkeypatch):
    frames, moved = clip
    asked = []

    def watch(*args, **options):
        maps = grad_cam(*args, **options)
        asked.append((options, maps))
        return maps

    monkeypatch.setattr(module, "grad_cam", watch)
    path = clip_explanation(
        model, moved, tmp_path / "clip.png", frames, class_names=NAMES, label="surprise", columns=4
    )
    assert Image.open(path).size[1] > 9 * 80
    assert [row[0].split("\n")[0] for row in rows] == [
        f"{region}{gate}"
        for region in REGIONS
        for gate in ("", ", SpatialAttention3D", ", TemporalAttention")
    ]
    heat, space, time = rows[3:6]
    assert np.array_equal(heat[1], np.round(frames[1][..., 0]).astype("uint8"))
    assert heat[2].shape == space[2].shape == time[2].shape == (8, 12, 12)
    # Nothing has moved in the first frame.
    assert (space[1][0] == 128).all()
    assert (space[1][1] != 128).any()
    assert time[1] is None
    assert np.ptp(time[2], axis=(1, 2)).max() < 1e-6
    # What the network reads after attention, by the method for heads that pool.
    ((options, maps),) = asked
    assert options["layer"] == [f"{region}_temporal_attention" for region in REGIONS]
    assert options["method"] == "grad_cam"
    assert all(np.array_equal(rows[3 * n][2], maps[n][0]) for n in range(3))


def test_a_network_without_attention_that_flattens(rows, tmp_path):
    keras.utils.set_random_seed(0)
    clip = keras.Input((4, 8, 8, 1), name="face")
    x = keras.layers.Flatten()(keras.layers.Conv3D(2, 3, padding="same")(clip))
    plain = keras.Model(clip, keras.layers.Dense(2, activation="softmax")(x))
    frames = np.random.default_rng(0).uniform(0, 255, (4, 8, 8, 1))
    clip_explanation(plain, frames, tmp_path / "one.jpg", class_index=1)
    ((name, under, heat, limits),) = rows
    assert name == "face\nHiResCAM"
    assert np.array_equal(under, np.round(frames[..., 0]).astype("uint8"))
    by_hand = grad_cam(plain, frames[None], class_index=1, method="hires_cam")
    assert np.allclose(heat, by_hand[0], atol=1e-5)
    assert limits == (0, 1)


def test_frames_that_are_taken_one_by_one_and_noise(rows, tmp_path):
    keras.utils.set_random_seed(0)
    clip = keras.Input((3, 8, 8, 1), name="face")
    x = SpatialAttention3D(3)(keras.layers.Conv3D(2, 3, padding="same")(clip))
    x = GaussianNoiseStack(2)(keras.layers.TimeDistributed(CBAM(1, kernel_size=3))(x))
    x = keras.layers.GlobalAveragePooling3D()(x)
    model = keras.Model(clip, keras.layers.Dense(2, activation="softmax")(x))
    frames = np.random.default_rng(0).uniform(0, 255, (3, 8, 8, 1))
    clip_explanation(model, frames, tmp_path / "one.png")
    assert [row[0].split("\n")[0] for row in rows] == ["face", "face, SpatialAttention3D"]


def test_too_few_inputs_are_called_so(model, clip, tmp_path):
    with pytest.raises(ValueError, match=r"`inputs` must be 3 arrays, .*Received: 1"):
        clip_explanation(model, clip[0][0], tmp_path / "clip.png")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"method": "saliency"}, "`method` must be None or one of"),
        ({"alpha": 1.5}, r"`alpha` must be a number in \[0, 1\]"),
        ({"columns": 0}, "`columns` must be an integer >= 1"),
        ({"columns": True}, "`columns` must be an integer >= 1"),
        ({"frames": np.zeros((3, 8, 12, 12, 1))}, "`frames` must have the shapes of `inputs`"),
        ({"region_names": ("left",)}, "`region_names` must have 3 entries"),
        ({"class_names": ("left",)}, "`class_names` must name the model's 3 classes"),
        ({"layer": "none"}, "`layer` must be a layer of model"),
        ({"class_index": 3}, "`class_index`"),
        ({"frames": None}, r"`inputs` must be in \[0, 255\]"),
        ({"frames": [np.full((8, 12, 12, 1), 256)] * 3}, r"`frames` must be in \[0, 255\]"),
    ],
)
def test_bad_arguments(model, clip, tmp_path, options, why):
    frames, moved = clip
    with pytest.raises(ValueError, match=why):
        clip_explanation(model, moved, tmp_path / "clip.png", **{"frames": frames, **options})
    assert not list(tmp_path.iterdir())
