"""The HA3DNet family: sizes, paths, heads, knobs, attention maps."""

import keras
import numpy as np
import pytest
from helpers.layers import channels_first_problem, sample, to_numpy

import fer_models
from fer_models import registry
from fer_models.evaluation import complexity
from fer_models.evaluation.layer_calls import intercept_calls
from fer_models.families.micro_expression_3d import HEADS, REGIONS, VARIANTS

TINY = {"input_shape": (8, 8, 1), "frames": 8, "filters": 4, "dense_units": 4, "kernel_size": 3}
NAMES = [variant.name for variant in VARIANTS]


def tiny(name="triple_path_ha3dnet", **kwargs):
    return getattr(fer_models, name)(**(TINY | kwargs))


def clips(model, count=3, seed=0):
    """Return one random clip an input, or the clip alone where there is one input."""
    found = [
        sample((count, *tensor.shape[1:]), -255, 255, seed + i)
        for i, tensor in enumerate(model.inputs)
    ]
    return tuple(found) if len(found) > 1 else found[0]


def names(model, kind):
    return [layer.name for layer in model.layers if isinstance(layer, kind)]


@pytest.mark.parametrize("name", NAMES)
def test_cost_is_the_pinned_one(name):
    entry = registry.entry(name)
    model = entry.builder()
    shape = (None, entry.frames, *entry.input_shape)
    assert [tuple(tensor.shape) for tensor in model.inputs] == [shape] * len(entry.regions)
    assert tuple(tensor.name for tensor in model.inputs) == entry.regions
    assert model.output_shape == (None, entry.classes)
    cost = complexity(model)
    assert (cost.trainable, cost.macs, cost.papers_flops) == (
        entry.parameters,
        entry.macs,
        entry.papers_flops,
    )
    assert not cost.uncounted


def test_cost_of_the_triple_path_by_hand():
    cost = complexity(fer_models.triple_path_ha3dnet())
    convolution = (14 * 62 * 62 * 32) * (27 * 3)
    spatial, temporal = (4 * 20 * 20) * (7 * 7 * 2), 4 * (3 * 2)
    dense = 4 * 20 * 20 * 32 * 128
    assert cost.macs == 3 * (convolution + spatial + temporal + dense) + 3 * 128 * 3
    assert cost.papers_flops == cost.macs + 3 * (14 * 62 * 62 * 32 + 4 * 20 * 20 + 4)
    parameters = (27 * 3 * 32 + 32) + (98 + 1) + (6 + 1) + (dense + 128)
    assert cost.trainable == 3 * parameters + 3 * 128 * 3 + 3


@pytest.mark.parametrize(
    ("frames", "head", "weights"),
    [
        (16, "flatten", 6_553_600),
        (16, "grid", 262_144),
        (16, "avg", 4_096),
        (16, "max", 4_096),
        pytest.param(96, "flatten", 50_790_400, marks=pytest.mark.slow),
        (96, "grid", 2_031_616),
        (96, "avg", 4_096),
    ],
)
def test_weights_of_a_path_are_those_of_the_pages(frames, head, weights):
    # Shared: nothing but one path has to be allocated.
    model = fer_models.triple_path_ha3dnet(frames=frames, head=head, shared=True)
    assert model.get_layer("shared_dense").kernel.shape == (weights // 128, 128)


@pytest.mark.slow
def test_microexpstcnn_has_the_size_of_the_authors_table():
    model = fer_models.micro_exp_stcnn(frames=96)
    assert model.get_layer("face_conv").output.shape[1:] == (82, 62, 62, 32)
    assert model.get_layer("face_pool").output.shape[1:] == (27, 20, 20, 32)
    assert model.get_layer("face_dense").count_params() == 27 * 20 * 20 * 32 * 128 + 128
    rates = [model.get_layer(name).rate for name in names(model, keras.layers.Dropout)]
    assert rates == [0.5, 0.5]


@pytest.mark.parametrize(
    ("name", "attention"),
    [
        ("triple_path_ha3dnet", ["spatial_attention", "temporal_attention"]),
        ("dual_path_3dnet", []),
        ("ha_3dnet", ["spatial_attention", "temporal_attention"]),
        ("se_3dnet", ["squeeze_excite"]),
        ("ha_3dsenet", ["squeeze_excite", "spatial_attention", "temporal_attention"]),
        ("mer_3dcnn", []),
    ],
)
def test_each_path_is_what_the_paper_lists(name, attention):
    model = tiny(name)
    before = ["rescaling", "conv", "pool", "relu"]
    wanted = [*before, *attention, "flatten", "dense", "dropout"]
    order = [layer.name for layer in model.layers]
    for region in registry.entry(name).regions:
        path = [each for each in order if each.startswith(f"{region}_")]
        assert path == [f"{region}_{part}" for part in wanted]


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("triple_path_ha3dnet", {}),
        ("triple_path_ha3dnet", {"shared": True}),
        # Squeeze-and-excite has a fourth of the filters for hidden units, some of which are dead.
        ("ha_3dsenet", {"head": "grid", "filters": 16}),
    ],
)
def test_one_step_changes_every_weight_and_a_file_keeps_the_rest(name, kwargs, tmp_path):
    keras.utils.set_random_seed(0)
    # Enough units that some of them are alive.
    kwargs = kwargs | {"dense_units": 32}
    model = tiny(name, dropout=0.2, **kwargs)
    x = clips(model)
    before = [keras.ops.convert_to_numpy(weight).copy() for weight in model.trainable_weights]
    # Tracing takes longer than a step.
    eager = keras.backend.backend() == "tensorflow"
    model.compile(keras.optimizers.SGD(1.0), "categorical_crossentropy", run_eagerly=eager)
    model.fit(x, np.eye(3), batch_size=3, verbose=0)
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert not np.array_equal(keras.ops.convert_to_numpy(weight), old), weight.path
    expected = to_numpy(model(x))
    np.testing.assert_allclose(expected.sum(-1), 1, atol=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(to_numpy(loaded(x)), expected)
    model.save_weights(tmp_path / "model.weights.h5")
    again = tiny(name, weights=tmp_path / "model.weights.h5", **kwargs)
    np.testing.assert_array_equal(to_numpy(again(x)), expected)


def test_shared_paths_are_separate_ones_with_equal_weights():
    shared, separate = tiny(shared=True), tiny()
    path = len(shared.get_weights()) - 2
    assert len(separate.get_weights()) == 3 * path + 2
    for region in REGIONS[3]:
        for part in ("conv", "spatial_attention", "temporal_attention", "dense"):
            weights = shared.get_layer(f"shared_{part}").get_weights()
            separate.get_layer(f"{region}_{part}").set_weights(weights)
    separate.get_layer("logits").set_weights(shared.get_layer("logits").get_weights())
    left, right, lower = clips(shared)
    found = to_numpy(shared((left, right, lower)))
    np.testing.assert_allclose(to_numpy(separate((left, right, lower))), found, atol=1e-5)
    assert not np.allclose(to_numpy(shared((right, left, lower))), found, atol=1e-5)


def test_pooling_before_relu_is_relu_before_pooling():
    model = tiny("mer_3dcnn", include_top=False)
    x = clips(model)
    convolution = model.get_layer("face_conv")
    usual = keras.layers.MaxPooling3D(3)(keras.ops.relu(convolution(x / 255)))
    np.testing.assert_allclose(to_numpy(model(x)), to_numpy(usual), atol=1e-6)


def test_motion_and_grey_levels_are_divided_by_255_and_nothing_else():
    model, bare = tiny("ha_3dnet"), tiny("ha_3dnet", include_preprocessing=False)
    bare.set_weights(model.get_weights())
    x = clips(model)
    np.testing.assert_allclose(to_numpy(bare(x / 255)), to_numpy(model(x)), atol=1e-6)


@pytest.mark.parametrize("shared", [False, True])
def test_attention_maps_of_every_path_can_be_had(shared):
    model = tiny(shared=shared)
    maps = []

    def keep(layer, proceed, args, kwargs):
        if hasattr(layer, "attention"):
            maps.append((layer.name, to_numpy(layer.attention(args[0]))))
        return proceed(*args, **kwargs)

    with intercept_calls(keep):
        model(clips(model))
    assert len(maps) == 6
    assert {gate.shape for name, gate in maps if "spatial" in name} == {(3, 2, 2, 2, 1)}
    assert {gate.shape for name, gate in maps if "temporal" in name} == {(3, 2, 1, 1, 1)}
    assert all(((gate > 0) & (gate < 1)).all() for _, gate in maps)


@pytest.mark.parametrize("attention", [False, (), ["temporal"], ("squeeze_excite", "spatial")])
def test_attention_can_be_chosen(attention):
    model = tiny(attention=attention, paths=2)
    found = [name for name in (layer.name for layer in model.layers) if "upper" in name]
    kinds = [kind for kind in ("squeeze_excite", "spatial", "temporal") if kind in str(found)]
    assert kinds == list(attention or ())


@pytest.mark.parametrize("paths", sorted(REGIONS))
def test_without_top(paths):
    maps = tiny(paths=paths, include_top=False)
    found = maps.output if paths > 1 else [maps.output]
    assert [tuple(each.shape) for each in found] == [(None, 2, 2, 2, 4)] * paths
    pooled = tiny(paths=paths, include_top=False, pooling="max")
    assert pooled.output_shape == (None, 4 * paths)
    pooled.set_weights(maps.get_weights())
    x = clips(maps)
    features = maps(x) if paths > 1 else [maps(x)]
    joined = np.concatenate([to_numpy(each).max((1, 2, 3)) for each in features], axis=1)
    np.testing.assert_allclose(to_numpy(pooled(x)), joined, atol=1e-6)


@pytest.mark.parametrize("head", HEADS)
def test_heads(head):
    model = tiny("mer_3dcnn", head=head, input_shape=(29, 17, 1), dropout=0.0)
    cells = {"flatten": 2 * 9 * 5, "grid": 2 * 4 * 5, "avg": 1, "max": 1}[head]
    assert model.get_layer("face_dense").kernel.shape == (4 * cells, 4)
    assert not names(model, keras.layers.Dropout)


@pytest.mark.parametrize("side", [24, 48, 56, 60, 64])
def test_cells_of_a_grid_read_all_of_a_map(side):
    model = tiny("mer_3dcnn", head="grid", input_shape=(side, side, 1))
    grid = model.get_layer("face_grid")
    rows, cells = grid.input.shape[2], grid.output.shape[2]
    assert (cells - 1) * grid.strides[1] + grid.pool_size[1] == rows
    # As before this held: the dense layers of files that are there fit.
    assert cells == rows // max(1, rows // 4)


def test_seeds_differ_between_the_dropouts():
    model = tiny(seed=0)
    assert [model.get_layer(f"{region}_dropout").seed for region in REGIONS[3]] == [0, 2, 4]


def test_input_tensors_of_one_source():
    face = keras.Input((8, 16, 16, 1))
    parts = (face[:, :, :8, :8], face[:, :, :8, 8:], face[:, :, 8:, 4:12])
    model = tiny(input_tensor=parts, input_shape=None, classifier_activation=None)
    assert model.inputs == [face]
    assert to_numpy(model(sample((2, 8, 16, 16, 1), -255, 255))).shape == (2, 3)


def test_mixed_precision():
    # Not float16, for which TensorFlow has no 3-D pooling on a CPU.
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = tiny()
    finally:
        keras.config.set_dtype_policy(before)
    assert model.output.dtype == "float32"
    np.testing.assert_allclose(to_numpy(model(clips(model))).sum(-1), 1, atol=1e-3)


@pytest.mark.slow
@pytest.mark.backend
def test_channels_first_equals_channels_last():
    if channels_first_problem():
        pytest.skip(channels_first_problem())
    last = tiny(head="avg")
    keras.config.set_image_data_format("channels_first")
    try:
        first = tiny(head="avg", input_shape=(1, 8, 8))
    finally:
        keras.config.set_image_data_format("channels_last")
    first.set_weights(last.get_weights())
    x = clips(last)
    found = first.predict(tuple(np.moveaxis(clip, -1, 1) for clip in x), verbose=0)
    np.testing.assert_allclose(found, last.predict(x, verbose=0), atol=1e-5)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"frames": 4}, r"at least 5 frames of 5x5 with kernel_size=\(3, 3, 3\).*Received: 4 fra"),
        ({"input_shape": (4, 8, 1)}, r"Received: 8 frames of 4x8"),
        ({"frames": 0}, "`frames` must be an integer >= 1. Received: frames=0"),
        ({"frames": 8.0}, r"Received: frames=8\.0"),
        ({"input_shape": (8, 8)}, r"`input_shape` must be \(height, width, channels\)"),
        ({"input_shape": (8, None, 1)}, "with a known size"),
        ({"input_shape": (8, 8, 2)}, "1 channel"),
        ({"filters": True}, "`filters` must be an integer"),
        ({"dense_units": -1}, "`dense_units` must be an integer"),
        ({"kernel_size": (3, 3)}, "`kernel_size` must be a positive integer or three"),
        ({"pool_size": 0}, "`pool_size` must be a positive integer or three"),
        ({"paths": 4}, r"`paths` must be one of \[1, 2, 3\]. Received: paths=4"),
        ({"paths": True}, "`paths`"),
        ({"attention": "spatial"}, "`attention` must be None, False or a tuple"),
        ({"attention": True}, "Received: attention=True"),
        ({"attention": ("cbam",)}, "`attention`"),
        ({"attention": ("spatial", "spatial")}, "different names"),
        ({"attention": ("squeeze_excite",), "filters": 3}, "`filters` must be 4 or more"),
        ({"shared": 1}, "`shared` must be True or False"),
        ({"dropout": 1.0}, r"`dropout` must be a number in \[0, 1\)"),
        ({"head": "mean"}, "`head` must be one of"),
        ({"classes": 1}, "`classes` must be an integer >= 2"),
        ({"pooling": "mean", "include_top": False}, "`pooling` must be one of"),
        ({"weights": "no_such_tag"}, "`weights` must be None, a path"),
        ({"weights": "no_such_file.weights.h5"}, "`weights` names no file"),
        ({"input_tensor": np.zeros((1, 8, 8, 8, 1))}, r"`input_tensor` must be 3 Keras tensor"),
        ({"input_tensor": [keras.Input((8, 8, 8, 1))] * 2}, "`input_tensor` must be 3 Keras"),
        ({"input_tensor": [keras.Input((8, 9, 9, 1))] * 3}, "clips of one known shape"),
        ({"input_tensor": [keras.Input((9, 8, 8, 1))] * 3, "input_shape": None}, "`frames` must"),
    ],
)
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        tiny(**kwargs)
