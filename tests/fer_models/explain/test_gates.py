import dataclasses

import keras
import numpy as np
import pytest
from helpers.stripes import REGIONS, clip_model, image_model
from keras import layers, ops

from fer_layers import (
    CBAM,
    ChannelSpatialModulator,
    GhostBottleneck,
    SpatialAttention3D,
    SqueezeExcite,
    TemporalAttention,
    TripletAttention,
)
from fer_models.explain import attention_gates, gate_sheet, plot_channel_gates

PNG = b"\x89PNG\r\n\x1a\n"


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def pictures(count=3, size=12, channels=8, seed=0):
    generator = np.random.default_rng(seed)
    return generator.uniform(0, 255, (count, size, size, channels)).astype("float32")


@pytest.mark.backend
@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (TripletAttention(3), [(12, 12, 8)]),
        (CBAM(reduction=4, kernel_size=3), [(1, 1, 8), (12, 12, 1)]),
        (SqueezeExcite(reduction=4), [(1, 1, 8)]),
        (ChannelSpatialModulator(reduction=4), [(12, 12, 8)]),
    ],
    ids=["triplet", "cbam", "squeeze_excite", "modulator"],
)
def test_a_gate_is_what_the_layer_multiplies_with(layer, shapes):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((12, 12, 8)), layer])
    images = pictures()
    gates = attention_gates(model, images, batch_size=2)
    assert [gate.values.shape[1:] for gate in gates] == shapes
    product = images
    for gate in gates:
        assert gate.values.shape[0] == 3
        assert gate.input_shape == (12, 12, 8)
        assert 0 <= gate.values.min() <= gate.values.max() <= 1
        product = product * gate.values
    np.testing.assert_allclose(numpy(model(images, training=False)), product, rtol=2e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (SpatialAttention3D(3), (5, 6, 6, 1)),
        (TemporalAttention(3), (5, 1, 1, 1)),
        (SqueezeExcite(reduction=2), (1, 1, 1, 4)),
    ],
    ids=["spatial_3d", "temporal", "squeeze_excite"],
)
def test_gates_of_clips(layer, shape):
    model = keras.Sequential([keras.Input((5, 6, 6, 4)), layer])
    clips = np.random.default_rng(0).normal(size=(2, 5, 6, 6, 4)).astype("float32")
    (gate,) = attention_gates(model, clips)
    assert gate.values.shape == (2, *shape)
    np.testing.assert_allclose(numpy(model(clips)), clips * gate.values, atol=1e-5)
    assert (gate.space() is None) == (shape[1] == 1)
    assert (gate.time() is None) == (shape[0] == 1)
    assert (gate.channels() is None) == (shape[-1] == 1)


@pytest.mark.slow
def test_gates_in_nested_models_and_layers_made_of_layers():
    keras.utils.set_random_seed(0)
    block = GhostBottleneck(12, 8, strides=2, attention="triplet", name="block")
    inner = keras.Sequential([keras.Input((24, 24, 1)), block, CBAM(4, name="cbam")], name="body")
    inputs = keras.Input((24, 24, 1))
    outputs = layers.Dense(3)(layers.GlobalAveragePooling2D()(inner(inputs)))
    gates = attention_gates(keras.Model(inputs, outputs), pictures(2, 24, 1))
    assert [(gate.path, gate.kind) for gate in gates] == [
        ("body/block/attention", "TripletAttention"),
        ("body/cbam/channel", "ChannelAttention"),
        ("body/cbam/spatial", "SpatialAttention"),
    ]


def test_any_layer_with_the_method_counts_and_a_wrong_one_is_named():
    class Half(layers.Layer):
        def attention(self, inputs):
            return ops.full((1, 1, 1, 1), 0.5)

        def call(self, inputs):
            return inputs * self.attention(inputs)

    class Wrong(Half):
        def attention(self, inputs):
            return ops.full((1, 5, 1, 1), 0.5)

        def call(self, inputs):
            return inputs

    model = keras.Sequential([keras.Input((4, 4, 1)), Half(name="half")])
    (gate,) = attention_gates(model, pictures(2, 4, 1))
    np.testing.assert_array_equal(gate.values, np.full((2, 1, 1, 1), 0.5))
    assert gate.space() is gate.channels() is gate.time() is None
    model = keras.Sequential([keras.Input((4, 4, 1)), Wrong(name="wrong")])
    with pytest.raises(ValueError, match=r"`attention` of layer 'wrong' must return a gate"):
        attention_gates(model, pictures(2, 4, 1))


@pytest.mark.parametrize("shared", [False, True])
def test_three_paths_know_their_region(shared):
    keras.utils.set_random_seed(0)
    model = clip_model(shared=shared, frames=4, size=8)
    generator = np.random.default_rng(0)
    clips = [generator.uniform(0, 255, (2, 4, 8, 8, 1)).astype("float32") for _ in REGIONS]
    gates = attention_gates(model, clips)
    assert len(gates) == 6
    by_region = {number: [g.path for g in gates if g.inputs == (number,)] for number in range(3)}
    assert all(len(paths) == 2 for paths in by_region.values())
    if shared:
        assert by_region[1] == ["shared_spatial_attention#2", "shared_temporal_attention#2"]
    else:
        assert by_region[2] == ["lower_spatial_attention", "lower_temporal_attention"]


def test_a_model_without_attention_has_no_gates_and_stays_as_it_was():
    model = image_model()
    images = pictures(2, 32, 1)
    before, call = numpy(model(images)), keras.Layer.__call__
    assert attention_gates(model, images) == []
    assert keras.Layer.__call__ is call
    np.testing.assert_array_equal(numpy(model(images)), before)


def test_mixed_precision_and_batch_norm_stay_in_inference():
    model = keras.Sequential(
        [keras.Input((8, 8, 4)), CBAM(2, kernel_size=3, dtype="mixed_bfloat16", name="cbam")]
    )
    before = model.get_weights()
    gates = attention_gates(model, pictures(2, 8, 4))
    assert all(gate.values.dtype == np.float32 for gate in gates)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("layer_class", [SpatialAttention3D, TemporalAttention])
def test_mixed_precision_from_a_file(layer_class, tmp_path):
    layer = layer_class(3, dtype="mixed_bfloat16")
    path = tmp_path / "clips.keras"
    model = keras.Sequential([keras.Input((4, 6, 6, 2)), layer])
    model.save(path)
    clips = np.random.default_rng(0).normal(size=(2, 4, 6, 6, 2)).astype("float32")
    revived = keras.saving.load_model(path)
    (gate,), (expected,) = attention_gates(revived, clips), attention_gates(model, clips)
    np.testing.assert_array_equal(gate.values, expected.values)


def test_a_layer_with_a_part_named_attention_is_no_gate_itself():
    class Block(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.attention = SqueezeExcite(2, name="attention")

        def build(self, input_shape):
            self.attention.build(input_shape)

        def call(self, inputs):
            return self.attention(inputs)

    model = keras.Sequential([keras.Input((4, 4, 4)), Block(name="block")])
    assert [gate.path for gate in attention_gates(model, pictures(2, 4, 4))] == ["block/attention"]


def test_two_gates_can_be_compared():
    model = keras.Sequential([keras.Input((12, 12, 8)), SqueezeExcite(reduction=4)])
    (one,), (other,) = attention_gates(model, pictures()), attention_gates(model, pictures())
    assert one == one
    assert one != other


def test_gates_refuse():
    model = image_model(cbam=True)
    with pytest.raises(ValueError, match=r"`images` must be a batch of shape \(None, 32, 32, 1\)"):
        attention_gates(model, pictures(2, 16, 1))
    with pytest.raises(ValueError, match="at least one example"):
        attention_gates(model, pictures(0, 32, 1))
    with pytest.raises(ValueError, match="`batch_size` must be"):
        attention_gates(model, pictures(2, 32, 1), batch_size=0)


def test_pictures_of_gates(tmp_path):
    from matplotlib.image import imread

    model = image_model(cbam=True)
    images = pictures(4, 32, 1)
    gates = attention_gates(model, images)
    path = gate_sheet(
        images, gates, tmp_path / "gates.svg", ["a"] * 4, ["a 90%", "b", "a", "b"], title="Gates"
    )
    text = path.read_text()
    assert "#1b7f4b" in text
    assert "#c8102e" in text
    wide = imread(gate_sheet(images, gates, tmp_path / "wide.png"))
    narrow = imread(gate_sheet(images, gates, tmp_path / "narrow.png", columns=2))
    assert wide.shape[1] > narrow.shape[1]
    # Dollar signs in a path or a title are no formula.
    gates = [dataclasses.replace(gate, path="a$b_$") for gate in gates]
    path = plot_channel_gates(gates, tmp_path / "channels.png", title="$c^$")
    assert path.read_bytes().startswith(PNG)


def test_a_sheet_of_clips_leaves_out_the_gates_of_single_frames(tmp_path):
    from matplotlib.image import imread

    clip = keras.Input((3, 8, 8, 1))
    whole = SpatialAttention3D(3)(layers.Conv3D(4, 1)(clip))
    model = keras.Model(clip, layers.TimeDistributed(CBAM(2, kernel_size=3))(whole))
    images = np.random.default_rng(0).uniform(0, 255, (2, 3, 8, 8, 1)).astype("float32")
    gates = attention_gates(model, images)
    assert {gate.values.ndim for gate in gates} == {4, 5}
    several = imread(gate_sheet(images, gates, tmp_path / "all.png"))
    alone = imread(gate_sheet(images, gates[:1], tmp_path / "one.png"))
    np.testing.assert_array_equal(several, alone)


@pytest.mark.slow
def test_pictures_of_gates_of_clips(tmp_path):
    model = clip_model(frames=4, size=8)
    generator = np.random.default_rng(0)
    clips = [generator.uniform(0, 255, (2, 4, 8, 8, 1)).astype("float32") for _ in REGIONS]
    gates = attention_gates(model, clips)
    path = gate_sheet(clips, gates, tmp_path / "clip.png", example=1, title="Gates")
    assert path.read_bytes().startswith(PNG)
    with pytest.raises(ValueError, match="`gates` must hold one that varies over the channels"):
        plot_channel_gates(gates, tmp_path / "channels.png")
    with pytest.raises(ValueError, match="`example` must be an integer from 0 to 1"):
        gate_sheet(clips, gates, tmp_path / "clip.png", example=2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": pictures(2, 12)[..., :1]}, "`gates` must be of the same 2 examples"),
        ({"labels": ["a"]}, "`labels` must have 3 entries"),
        ({"columns": 0}, "`columns` must be an integer"),
        ({"alpha": -1}, r"`alpha` must be a number in \[0, 1\]"),
        ({"gates": []}, "`gates` must hold one that varies in space or time"),
    ],
)
def test_pictures_of_gates_refuse(tmp_path, change, message):
    model = keras.Sequential([keras.Input((12, 12, 1)), CBAM(1, kernel_size=3)])
    images = pictures(3, 12, 1)
    arguments = {"images": images, "gates": attention_gates(model, images), **change}
    with pytest.raises(ValueError, match=message):
        gate_sheet(path=tmp_path / "gates.png", **arguments)
