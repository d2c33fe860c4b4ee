import keras
import numpy as np
import pytest
from helpers.stripes import REGIONS, clip_model, striped_clips, trained_clip_model
from keras import layers, ops

import fer_models
from fer_models.explain import (
    GradCAM,
    clip_sheet,
    deletion_insertion,
    grad_cam,
    weight_randomization,
)
from fer_models.explain.grad_cam import enlarge

PNG = b"\x89PNG\r\n\x1a\n"


def small_clips(count=2, frames=4, size=8, seed=0):
    generator = np.random.default_rng(seed)
    shape = (count, frames, size, size, 1)
    return [generator.uniform(0, 255, shape).astype("float32") for _ in REGIONS]


@pytest.fixture(scope="module")
def untrained():
    keras.utils.set_random_seed(0)
    return clip_model(frames=4, size=8)


@pytest.fixture(scope="module")
def shared():
    keras.utils.set_random_seed(1)
    return clip_model(shared=True, frames=4, size=8)


def test_a_map_for_each_region_and_frame(untrained):
    cam = GradCAM(untrained)
    assert cam.path == ("left_relu", "right_relu", "lower_relu")
    heat = cam(small_clips(3), class_index=1, batch_size=2)
    assert [each.shape for each in heat] == [(3, 4, 8, 8)] * 3
    for each in heat:
        assert each.dtype == np.float32
        assert each.min() >= 0
        assert set(each.max(axis=(1, 2, 3)).tolist()) <= {0.0, 1.0}


def test_a_region_is_explained_by_its_own_path_alone(untrained):
    clips = small_clips()
    heat = grad_cam(untrained, clips, 1)
    other = [clips[0], clips[1], small_clips(seed=5)[2]]
    changed = grad_cam(untrained, other, 1)
    for before, after in zip(heat[:2], changed[:2], strict=True):
        np.testing.assert_allclose(before, after, atol=1e-4)
    assert np.abs(heat[2] - changed[2]).max() > 0.05


@pytest.mark.backend
def test_a_shared_path_has_a_map_for_each_of_its_calls(shared):
    cam = GradCAM(shared)
    assert cam.path == ("shared_relu",) * 3
    left, right, lower = small_clips()
    heat = cam([left, right, lower], class_index=0)
    assert np.abs(heat[0] - heat[1]).max() > 0.05
    # The head is not symmetric in the regions, so only the same clip in the same place agrees.
    again = cam([left, right, left], class_index=0)
    np.testing.assert_allclose(heat[0], again[0], atol=1e-5)
    by_name = grad_cam(shared, [left, right, lower], 0, layer="shared_relu")
    for one, other in zip(heat, by_name, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.slow
def test_layers_by_name(untrained):
    names = ["left_conv", "right_pool", untrained.get_layer("lower_conv_2")]
    cam = GradCAM(untrained, layer=names)
    assert cam.path == ("left_conv", "right_pool", "lower_conv_2")
    assert [each.shape for each in cam(small_clips(1))] == [(1, 4, 8, 8)] * 3


@pytest.mark.slow
def test_the_networks_for_micro_expressions():
    keras.utils.set_random_seed(0)
    options = {"frames": 8, "input_shape": (32, 32, 1), "filters": 4, "dense_units": 4}
    model = fer_models.triple_path_ha3dnet(**options)
    clips = small_clips(2, frames=8, size=32)
    cam = GradCAM(model, method="hires_cam")
    assert cam.path == ("left_conv", "right_conv", "lower_conv")
    heat = cam(clips, class_index=2)
    assert [each.shape for each in heat] == [(2, 8, 32, 32)] * 3
    assert all(each.max() == 1 for each in heat)


def hand_made(head):
    """Two maps of two frames of 1x2 places, from a 1x1x1 convolution; a head over them."""
    model = keras.Sequential(
        [
            keras.Input((2, 1, 2, 1)),
            layers.Conv3D(2, 1, use_bias=False, name="conv"),
            *head,
        ]
    )
    model.get_layer("conv").set_weights([np.array([1, 2], "float32").reshape(1, 1, 1, 1, 2)])
    return model


@pytest.mark.backend
def test_against_the_formula_on_a_network_solved_by_hand():
    model = hand_made([layers.GlobalAveragePooling3D(), layers.Dense(2, use_bias=False)])
    model.layers[-1].set_weights([np.array([[1, -1], [1, 0.5]], "float32")])
    clip = np.array([1.0, -2, 4, 0], "float32").reshape(1, 2, 1, 2, 1)
    # The weights of the maps x and 2x are the dense layer's over 4, so the map is 3x / 4, cut.
    heat = grad_cam(model, clip, 0, layer="conv")
    np.testing.assert_allclose(heat[0], [[[0.25, 0]], [[1, 0]]], atol=1e-6)
    np.testing.assert_allclose(grad_cam(model, clip, 1, layer="conv"), 0, atol=1e-6)


@pytest.mark.backend
def test_hires_cam_adds_up_to_the_score_under_a_flatten():
    model = hand_made([layers.Flatten(), layers.Dense(2, use_bias=False, name="head")])
    kernel = np.random.default_rng(0).uniform(0.1, 1, (8, 2)).astype("float32")
    model.get_layer("head").set_weights([kernel])
    clip = np.array([1.0, 2, 4, 3], "float32").reshape(1, 2, 1, 2, 1)
    heat = grad_cam(model, clip, 0, layer="conv", method="hires_cam")[0].ravel()
    # Place by place: x times the kernel of its two maps; they add up to the score.
    parts = clip.ravel() * (kernel[0::2, 0] + 2 * kernel[1::2, 0])
    np.testing.assert_allclose(parts.sum(), ops.convert_to_numpy(model(clip))[0, 0], rtol=1e-5)
    np.testing.assert_allclose(heat, parts / parts.max(), atol=1e-5)


def test_one_clip_input_gives_one_array():
    model = hand_made([layers.GlobalAveragePooling3D(), layers.Dense(2)])
    assert grad_cam(model, np.ones((3, 2, 1, 2, 1)), layer="conv").shape == (3, 2, 1, 2)
    assert grad_cam(model, np.ones((0, 2, 1, 2, 1)), layer="conv").shape == (0, 2, 1, 2)


def test_dictionary_of_inputs():
    inputs = {name: keras.Input((8, 8, 1), name=name) for name in ("b", "a")}
    ends = [
        layers.GlobalAveragePooling2D()(layers.Conv2D(3, 3, name=f"{name}_conv")(x))
        for name, x in inputs.items()
    ]
    model = keras.Model(inputs, layers.Dense(2)(layers.Concatenate()(ends)))
    images = {
        name: np.random.default_rng(seed).uniform(size=(2, 8, 8, 1))
        for seed, name in enumerate(inputs)
    }
    heat = grad_cam(model, images)
    assert {name: each.shape for name, each in heat.items()} == dict.fromkeys("ab", (2, 8, 8))
    other = grad_cam(model, {"a": images["a"], "b": np.flip(images["b"], 1)}, class_index=0)
    same = grad_cam(model, images, class_index=0)
    np.testing.assert_allclose(other["a"], same["a"], atol=1e-5)
    assert np.abs(other["b"] - same["b"]).max() > 1e-3
    with pytest.raises(ValueError, match=r"`images` must be a dictionary .*\['a', 'b'\]"):
        grad_cam(model, [images["a"], images["b"]])


@pytest.mark.slow
def test_the_default_passes_over_gates_and_needs_a_path_of_its_own():
    inputs = [keras.Input((4, 8, 8, 1)) for _ in range(2)]
    x = layers.Concatenate()(inputs)
    x = layers.Conv3D(2, 3, name="late")(x)
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling3D()(x)))
    with pytest.raises(ValueError, match="must hold a convolution"):
        GradCAM(model)
    # By name, a layer that the regions share speaks for both.
    heat = grad_cam(model, small_clips(1)[:2], 0, layer="late")
    np.testing.assert_array_equal(heat[0], heat[1])


@pytest.mark.parametrize("size", [(6, 5, 7), (2, 3, 4), (3, 9, 2)])
def test_enlarging_is_linear_along_each_axis(size):
    frames, height, width = np.indices((3, 4, 5))
    ramp = (2.0 * frames + height - 0.5 * width)[None]
    found = enlarge(ramp, size)[0]

    def places(new, old):
        return np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)

    t, y, x = np.meshgrid(*map(places, size, (3, 4, 5)), indexing="ij")
    inside = np.ones(size, bool)
    if any(new < old for new, old in zip(size, (3, 4, 5), strict=True)):
        # Where it shrinks, JAX smooths first; the order of magnitude must hold all the same.
        assert np.abs(found - (2 * t + y - 0.5 * x)).max() < 1.5
    else:
        np.testing.assert_allclose(found[inside], (2 * t + y - 0.5 * x)[inside], atol=1e-4)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (lambda clips: clips[0], "`images` must be a list of 3 arrays"),
        (lambda clips: clips[:2], "`images` must be a list of 3 arrays.*2 of them"),
        (lambda clips: [clips[0], clips[1], clips[2][:1]], "as many examples for each input"),
        (lambda clips: [*clips[:2], clips[2][:, :3]], r"must be a batch of shape \(None, 4, 8"),
    ],
)
def test_wrong_clips(untrained, images, message):
    with pytest.raises(ValueError, match=message):
        grad_cam(untrained, images(small_clips()))


def test_wrong_layers_and_method(untrained):
    with pytest.raises(ValueError, match="`layer` must be one layer, or one for each of the 3"):
        GradCAM(untrained, layer=["left_conv", "right_conv"])
    with pytest.raises(ValueError, match="`layer` must be a layer of model"):
        GradCAM(untrained, layer=["left_conv", "left_conv", "lower_conv"])
    with pytest.raises(ValueError, match="`layer` must have an output of rank 5"):
        GradCAM(untrained, layer=["left_mean", "right_conv", "lower_conv"])
    with pytest.raises(ValueError, match="`method` must be one of"):
        GradCAM(untrained, method="lime")


@pytest.fixture(scope="module")
def trained():
    return trained_clip_model()


@pytest.mark.slow
def test_the_map_lies_where_and_when_the_stripes_are(trained):
    clips, labels, regions, starts = striped_clips(48, seed=2)
    assert (trained.predict(clips, verbose=0).argmax(-1) == labels).mean() > 0.85
    heat = np.stack(grad_cam(trained, clips, labels), axis=1)
    time = heat.mean(axis=(3, 4))[np.arange(48), regions]
    inside = [
        row[start : start + 2].sum() / row.sum() for row, start in zip(time, starts, strict=True)
    ]
    # Two frames of six; a convolution over two frames smears them.
    assert np.nanmean(inside) > 0.5


@pytest.mark.slow
def test_maps_of_clips_pass_deletion_and_insertion_and_know_the_weights(trained):
    clips, labels, _, _ = striped_clips(48, seed=3)
    heat = grad_cam(trained, clips, labels)
    generator = np.random.default_rng(0)
    chance = [generator.random(each.shape) for each in heat]
    ours, others = (
        deletion_insertion(trained, clips, maps, labels, steps=10) for maps in (heat, chance)
    )
    assert (others.deletion_auc - ours.deletion_auc).mean() > 0.03
    assert (ours.insertion_auc - others.insertion_auc).mean() > 0.03
    before = trained.get_weights()
    found = weight_randomization(trained, [clip[:16] for clip in clips], labels[:16], stages=2)
    assert found.means()[-1] < 0.6
    for old, new in zip(before, trained.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_clip_sheet(tmp_path):
    clip = [np.full((5, 8, 8, 1), shade, "uint8") for shade in (50, 100, 150)]
    heat = [np.linspace(0, 1, 5 * 64).reshape(5, 8, 8)] * 3
    path = clip_sheet(
        clip,
        tmp_path / "clip.png",
        heat,
        region_names=REGIONS,
        label="positive",
        prediction="positive 81%",
        times=[f"{frame / 25:.2f} s" for frame in range(5)],
        title="Grad-CAM",
    )
    assert path.read_bytes().startswith(PNG)
    text = clip_sheet(
        clip[0], tmp_path / "one.svg", heat[0], label="sad", prediction="fear", columns=3
    ).read_text()
    assert "#c8102e" in text


def test_clip_sheet_has_a_row_a_region_and_a_column_a_frame(tmp_path):
    from matplotlib.image import imread

    def shape(regions, frames, columns=12):
        clip = [np.zeros((frames, 8, 8, 1), "uint8")] * regions
        return imread(clip_sheet(clip, tmp_path / "sheet.png", columns=columns)).shape

    assert shape(3, 4)[0] > 2.5 * shape(1, 4)[0]
    assert shape(1, 8)[1] > 1.8 * shape(1, 4)[1]
    assert shape(1, 30, columns=4) == shape(1, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clip": []}, "`clip` must hold one region"),
        ({"clip": [np.zeros((2, 8, 8, 1)), np.zeros((3, 8, 8, 1))]}, "regions of one shape"),
        ({"clip": [np.full((2, 8, 8, 1), 300.0)] * 2}, r"`clip` must be in \[0, 255\]"),
        ({"heat_maps": [np.zeros((2, 8, 8))]}, "`heat_maps` must have 2 entries"),
        ({"heat_maps": [np.zeros((2, 8, 4))] * 2}, "`heat_maps` must be of shape"),
        ({"region_names": ["left"]}, "`region_names` must have 2 entries"),
        ({"times": ["0"]}, "`times` must have 2 entries"),
        ({"columns": 0}, "`columns` must be an integer >= 1"),
        ({"alpha": 2}, r"`alpha` must be a number in \[0, 1\]. Received: alpha=2"),
        ({"alpha": None}, r"`alpha` must be a number in \[0, 1\]. Received: alpha=None"),
        ({"clip": np.zeros((2, 8, 8))}, "`clip` must be of shape"),
    ],
)
def test_clip_sheet_refuses(tmp_path, change, message):
    arguments = {"clip": [np.zeros((2, 8, 8, 1))] * 2, **change}
    with pytest.raises(ValueError, match=message):
        clip_sheet(path=tmp_path / "clip.png", **arguments)
    assert not list(tmp_path.iterdir())
