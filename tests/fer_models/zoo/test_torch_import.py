"""The authors' PyTorch weights in our layers and models: same outputs, or one error for all."""

import contextlib
import pickle
import sys
import types

import keras
import numpy as np
import pytest
from helpers.layers import (
    channels_first_problem,
    first,
    infer,
    last,
    randomize,
    slow_off_tensorflow,
    to_numpy,
)
from helpers.reference import LAYERS, reference
from helpers.shared import shared_path

from fer_layers import CBAM, GhostBottleneck, GhostModule, SqueezeExcite
from fer_models.families.efficientface import efficientface
from fer_models.zoo.torch_import import load_torch_weights
from fer_models.zoo.torch_names import parameters

WEIGHT = "primary_conv.0.weight"
NORM = ("weight", "bias", "running_mean", "running_var")


def built_layer(name, shape, **options):
    layer_class, arguments = LAYERS[name]
    layer = layer_class(**arguments, **options)
    layer.build(shape)
    return layer


@pytest.fixture
def module():
    """A small built layer whose weights no test file holds."""
    layer = GhostModule(8, ratio=1)
    layer.build((None, 6, 6, 4))
    randomize(layer)
    return layer


def state_of(module, seed=0):
    """Return random parameters that fit the layer, as the authors would name them."""
    rng = np.random.default_rng(seed)
    return {
        parameter.key: rng.uniform(0.5, 1.5, parameter.shape).astype("float32")
        for parameter in parameters(module)
    }


def assert_loaded(module, state):
    kernel = keras.ops.convert_to_numpy(module.primary.conv.kernel)
    np.testing.assert_array_equal(kernel, state[WEIGHT].transpose(2, 3, 1, 0))
    for weight, name in zip(module.primary.norm.weights, NORM, strict=True):
        found = keras.ops.convert_to_numpy(weight)
        np.testing.assert_array_equal(found, state[f"primary_conv.1.{name}"])


def refusal(target, state):
    """Return the message of the error, having checked that no weight changed."""
    before = target.get_weights()
    with pytest.raises(ValueError, match="`state_dict`") as caught:
        load_torch_weights(target, state)
    for old, new in zip(before, target.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    return str(caught.value)


# Parity


@pytest.mark.backend
@pytest.mark.parametrize(
    "data_format", ["channels_last", pytest.param("channels_first", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("name", LAYERS)
def test_layer_agrees_with_its_authors_module(name, data_format):
    if data_format == "channels_first" and channels_first_problem():
        pytest.skip(channels_first_problem())
    weights, inputs, expected = reference(name)
    is_first = data_format == "channels_first"
    inputs = inputs if is_first else last(inputs)
    layer = built_layer(name, inputs.shape, data_format=data_format)
    randomize(layer)
    load_torch_weights(layer, weights)
    found = to_numpy(infer(layer, inputs))
    found = found if is_first else first(found)
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_keeps_the_weights_whole(policy):
    weights, inputs, _ = reference("ghost_bottleneck_stride2_k5")
    layer = built_layer("ghost_bottleneck_stride2_k5", last(inputs).shape, dtype=policy)
    load_torch_weights(layer, weights)
    for parameter in parameters(layer):
        assert parameter.weight.dtype == "float32"
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(parameter.weight), parameter.convert(weights[parameter.key])
        )


@slow_off_tensorflow
@pytest.mark.slow
def test_efficientface_agrees_with_its_authors_network():
    weights, images, expected = reference("efficientface")
    model = efficientface(include_preprocessing=False, classifier_activation=None)
    load_torch_weights(model, {f"module.{key}": value for key, value in weights.items()})
    found = model.predict(last(images), verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=0)


def test_every_reference_is_there():
    """Files of other tests may lie beside them."""
    files = {path.stem for path in shared_path("reference").glob("*.npz")}
    assert {*LAYERS, "efficientface"} <= files


# What may be given


def test_squeeze_excite_of_ghostnet_is_read_from_its_1x1_convolutions():
    layer = GhostBottleneck(48, 8, attention="squeeze_excite")
    layer.build((None, 6, 6, 8))
    state = state_of(layer)
    assert state["se.conv_reduce.weight"].shape == (12, 48, 1, 1)
    load_torch_weights(layer, state)
    gate = next(sublayer for sublayer in layer.main if isinstance(sublayer, SqueezeExcite))
    for dense, name in ((gate.squeeze, "se.conv_reduce"), (gate.excite, "se.conv_expand")):
        kernel, bias = (keras.ops.convert_to_numpy(weight) for weight in dense.weights)
        np.testing.assert_array_equal(kernel, state[f"{name}.weight"][:, :, 0, 0].T)
        np.testing.assert_array_equal(bias, state[f"{name}.bias"])


def test_prefix_of_data_parallel_training_is_taken_off(module):
    state = state_of(module)
    load_torch_weights(module, {f"module.{key}": value for key, value in state.items()})
    assert_loaded(module, state)


def test_prefix_that_only_some_names_have_is_no_prefix(module):
    state = state_of(module)
    state[f"module.{WEIGHT}"] = state.pop(WEIGHT)
    message = refusal(module, state)
    assert f"1 missing:\n    {WEIGHT}: shape (8, 4, 1, 1)" in message
    assert f"1 surplus:\n    module.{WEIGHT}" in message


def test_counters_of_batch_norm_are_ignored(module):
    state = state_of(module)
    counters = {"primary_conv.1.num_batches_tracked": np.array(17)}
    load_torch_weights(module, state | counters)
    assert_loaded(module, state)


@pytest.mark.parametrize("more", [{}, {"epoch": 3, "best_acc": 0.5, "optimizer": {}}])
def test_checkpoint_is_unwrapped(module, more):
    state = state_of(module)
    load_torch_weights(module, {"state_dict": state} | more)
    assert_loaded(module, state)


BFLOAT16 = keras.ops.convert_to_numpy(keras.ops.ones(1, "bfloat16")).dtype


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32", BFLOAT16], ids=str)
def test_other_numeric_types_are_read(module, dtype):
    state = {key: np.round(value * 8) for key, value in state_of(module).items()}
    load_torch_weights(module, {key: value.astype(dtype) for key, value in state.items()})
    assert_loaded(module, state)


class Tensor:
    """What a tensor on a GPU, with gradient, allows: `detach`, then `cpu`, then `numpy`."""

    def __init__(self, array, steps=()):
        self.array, self.steps, self.dtype = array, steps, f"torch.{array.dtype}"

    def detach(self):
        return Tensor(self.array, (*self.steps, "detach"))

    def cpu(self):
        return Tensor(self.array, (*self.steps, "cpu"))

    def numpy(self):
        if self.steps != ("detach", "cpu"):
            raise TypeError("on the GPU, or needs a gradient")
        return self.array


def test_tensors_are_taken_from_their_device(module):
    state = state_of(module)
    load_torch_weights(module, {key: Tensor(value) for key, value in state.items()})
    assert_loaded(module, state)


def aligned(array):
    """Return a copy at an address that JAX would adopt without copying."""
    memory = np.empty(array.nbytes + 64, "uint8")
    start = -memory.ctypes.data % 64
    copy = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def test_weights_do_not_share_memory_with_the_arrays(module):
    state = {key: aligned(value) for key, value in state_of(module).items()}
    load_torch_weights(module, state)
    before = {key: value.copy() for key, value in state.items()}
    for value in state.values():
        value[...] = 7
    assert_loaded(module, before)


# What is refused


def test_one_error_lists_everything_and_changes_nothing(module):
    state = state_of(module)
    del state["primary_conv.1.bias"]
    state["fc.weight"] = np.ones((2, 2))
    state["fc.bias"] = np.ones(2)
    # Of the right size, and of our own order of axes, but not as PyTorch has it.
    state[WEIGHT] = state[WEIGHT].transpose(2, 3, 1, 0)
    state["primary_conv.1.running_mean"][3] = np.nan
    state["primary_conv.1.running_var"] = ["one"] * 8
    message = refusal(module, state)
    assert "target=GhostModule" in message
    assert "1 missing:\n    primary_conv.1.bias: shape (8,)" in message
    assert "2 surplus:\n    fc.bias\n    fc.weight" in message
    shapes = "expected (8, 4, 1, 1), received (1, 1, 4, 8)"
    assert f"1 of another shape:\n    {WEIGHT}: {shapes}" in message
    assert "primary_conv.1.running_mean: values not finite in float32" in message
    assert "primary_conv.1.running_var: list" in message


@pytest.mark.parametrize(
    "value",
    [None, "8", object(), True, np.ones(8, "bool"), np.ones(8, "complex64"), [[1], [1, 2]]],
    ids=lambda value: type(value).__name__,
)
def test_value_that_is_no_array_of_numbers(module, value):
    message = refusal(module, state_of(module) | {"primary_conv.1.bias": value})
    assert "1 of unusable values:\n    primary_conv.1.bias: " in message


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 1e39])
def test_value_that_is_not_finite(module, value):
    state = state_of(module) | {"primary_conv.1.bias": np.full(8, value)}
    assert "primary_conv.1.bias: values not finite in float32" in refusal(module, state)


def test_a_negative_variance_and_a_counter_of_nothing_of_ours(module):
    state = state_of(module) | {"primary_conv.1.running_var": np.full(8, -1.0)}
    assert "primary_conv.1.running_var: negative variances" in refusal(module, state)
    state = state_of(module) | {"other.num_batches_tracked": np.array(3)}
    assert "1 surplus:\n    other.num_batches_tracked" in refusal(module, state)


def test_value_beyond_the_weights_own_type():
    layer = GhostModule(8, ratio=1, dtype="float16")
    layer.build((None, 6, 6, 4))
    state = state_of(layer) | {"primary_conv.1.running_var": np.full(8, 1e5)}
    assert "primary_conv.1.running_var: values not finite in float16" in refusal(layer, state)


def test_depthwise_kernel_of_another_shape_and_the_same_size():
    layer = GhostModule(8)
    layer.build((None, 6, 6, 4))
    state = state_of(layer)
    state["cheap_operation.0.weight"] = state["cheap_operation.0.weight"].reshape(1, 4, 3, 3)
    message = refusal(layer, state)
    assert "cheap_operation.0.weight: expected (4, 1, 3, 3), received (1, 4, 3, 3)" in message


def test_nothing_at_all_is_missing_everything(module):
    assert "5 missing:" in refusal(module, {})


@pytest.mark.parametrize("state", [None, 3, [("a", 1)], b"weights.pth", np.ones(3)])
def test_state_dict_of_another_type(module, state):
    message = refusal(module, state)
    assert f"Received: state_dict of type {type(state).__name__}" in message


@pytest.fixture(scope="module")
def small_efficientface():
    return efficientface(input_shape=(32, 32, 3), stem_strides=1)


def test_efficientface_of_any_size_has_its_authors_parameters(small_efficientface):
    weights, _, _ = reference("efficientface")
    found = {parameter.key: parameter.shape for parameter in parameters(small_efficientface)}
    assert found == {key: value.shape for key, value in weights.items()}


@pytest.mark.slow
def test_efficientface_of_another_head_and_grey_images(small_efficientface):
    state = state_of(small_efficientface)
    model = efficientface(input_shape=(32, 32, 1), classes=8, name="mine")
    message = refusal(model, state)
    assert "target=Functional 'mine'" in message
    assert "conv1.0.weight: expected (29, 1, 3, 3), received (29, 3, 3, 3)" in message
    assert "fc.bias: expected (8,), received (7,)" in message
    assert "fc.weight: expected (8, 1024), received (7, 1024)" in message
    assert "3 of another shape:" in message
    assert "missing" not in message
    headless = efficientface(input_shape=(32, 32, 3), include_top=False)
    assert "2 surplus:\n    fc.bias\n    fc.weight" in refusal(headless, state)


@pytest.mark.backend
@pytest.mark.slow
def test_efficientface_of_channels_first(small_efficientface):
    state = state_of(small_efficientface)
    keras.config.set_image_data_format("channels_first")
    try:
        model = efficientface(input_shape=(3, 32, 32))
    finally:
        keras.config.set_image_data_format("channels_last")
    load_torch_weights(model, state)
    load_torch_weights(small_efficientface, state)
    for ours, theirs in zip(model.weights, small_efficientface.weights, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (ours, theirs)))


def other_model():
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Dense(2, name="stem")(inputs))


@pytest.mark.parametrize(
    "target", [None, 3, "efficientface", CBAM, keras.layers.Dense(2), other_model()], ids=str
)
def test_unsupported_target(target):
    with pytest.raises(ValueError, match=r"`target` must be one of TripletAttention, CBAM, .*effi"):
        load_torch_weights(target, {})


@pytest.mark.parametrize("name", LAYERS)
def test_target_that_is_not_built(name):
    layer_class, arguments = LAYERS[name]
    with pytest.raises(ValueError, match=r"`target` must be built.*build"):
        load_torch_weights(layer_class(**arguments), {})


def test_attention_that_the_authors_do_not_have():
    layer = GhostBottleneck(8, 4, attention="triplet")
    layer.build((None, 6, 6, 4))
    with pytest.raises(ValueError, match=r"`target` must have no weights but.*width_gate/kernel"):
        load_torch_weights(layer, {})


# Files


@pytest.fixture
def fake_torch(monkeypatch):
    """Stand in for PyTorch: "checkpoints" are pickles, and the calls are kept."""
    fake = types.ModuleType("torch")
    fake.__version__ = "2.6.0+cpu"
    fake.calls, fake.allowed = [], []

    @contextlib.contextmanager
    def safe_globals(entries):
        fake.allowed.append(entries)
        yield

    def load(path, **options):
        fake.calls.append((path, options))
        return pickle.loads(path.read_bytes())

    fake.serialization = types.SimpleNamespace(safe_globals=safe_globals)
    fake.load = load
    monkeypatch.setitem(sys.modules, "torch", fake)
    return fake


@pytest.mark.parametrize("suffix", [".pth", ".pth.tar", ".pt"])
@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["str", "Path"])
def test_file_is_read_without_running_its_code(module, tmp_path, fake_torch, suffix, kind):
    state = state_of(module)
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(pickle.dumps({"epoch": 3, "state_dict": state}))
    load_torch_weights(module, kind(path))
    assert_loaded(module, state)
    assert fake_torch.calls == [(path, {"map_location": "cpu", "weights_only": True})]
    # Nothing is allowed but placeholders.
    ((classes, _),) = {tuple(zip(*entries, strict=True)) for entries in fake_torch.allowed}
    assert {one.__module__ for one in classes} == {"fer_models.zoo.torch_import"}


@pytest.mark.parametrize("place", ["missing.pth", "", "~nobody/x.pt"])
def test_path_that_names_no_file(module, tmp_path, place):
    message = refusal(module, str(tmp_path / place))
    assert "`state_dict` names no file. Received: state_dict=" in message
    assert str(tmp_path / place) in message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "damaged or no PyTorch checkpoint"),
        (b"not a checkpoint", "damaged or no PyTorch checkpoint"),
        (pickle.dumps([1, 2]), "must be a dictionary from names to arrays"),
        (pickle.dumps({"primary_conv.1.bias": 3}), "4 missing"),
    ],
)
def test_file_of_something_else(module, tmp_path, fake_torch, content, said):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    assert said in refusal(module, path)


def test_file_of_other_objects(module, tmp_path, fake_torch, monkeypatch):
    def load(path, **options):
        raise pickle.UnpicklingError("Unsupported global: GLOBAL shop.Robot was not allowed")

    monkeypatch.setattr(fake_torch, "load", load)
    path = tmp_path / "weights.pth"
    path.write_bytes(b"robot")
    message = refusal(module, path)
    assert "weights_only=True" in message
    assert "shop.Robot" in message
    assert str(path) in message


def test_file_that_may_not_be_read_says_so_itself(module, tmp_path, fake_torch, monkeypatch):
    def load(path, **options):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(fake_torch, "load", load)
    path = tmp_path / "weights.pth"
    path.write_bytes(b"secret")
    with pytest.raises(PermissionError, match=r"weights\.pth"):
        load_torch_weights(module, path)


def test_file_without_pytorch(module, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    path = tmp_path / "weights.pth"
    path.write_bytes(b"anything")
    with pytest.raises(ImportError, match=r"pip install 'torch>=2\.6'.*weights\.pth"):
        load_torch_weights(module, path)


@pytest.mark.parametrize("version", ["1.13.1", "2.5.1+cu121"])
def test_file_with_a_pytorch_that_would_run_code(module, tmp_path, fake_torch, version):
    fake_torch.__version__ = version
    path = tmp_path / "weights.pth"
    path.write_bytes(b"anything")
    with pytest.raises(ImportError, match=r"too old to read a checkpoint safely.*'torch>=2\.6'"):
        load_torch_weights(module, path)
    assert not fake_torch.calls


# Files and tensors of the real PyTorch, where it is installed


class RecorderMeter:
    """As the authors' training script pickles one beside the weights."""

    def __init__(self):
        self.epoch_losses = np.zeros((3, 2), "float32")
        self.best = np.float32(3)


class Robot:
    """An object that runs code where it is unpickled."""

    def __reduce__(self):
        return print, ("unpickled",)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_real_tensors(module, dtype):
    torch = pytest.importorskip("torch")
    state = {key: np.round(value * 8) for key, value in state_of(module).items()}
    tensors = {
        key: torch.from_numpy(value).to(getattr(torch, dtype)).requires_grad_()
        for key, value in state.items()
    }
    load_torch_weights(module, tensors)
    assert_loaded(module, state)


def test_real_tensor_that_numpy_cannot_hold(module):
    torch = pytest.importorskip("torch")
    value = torch.ones(8).to_sparse()
    message = refusal(module, state_of(module) | {"primary_conv.1.bias": value})
    assert "primary_conv.1.bias: Tensor of torch.float32" in message


@pytest.mark.parametrize("legacy", [False, True])
def test_real_checkpoint_with_its_authors_recorder(module, tmp_path, monkeypatch, legacy):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(RecorderMeter, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "RecorderMeter", RecorderMeter, raising=False)
    state = state_of(module)
    tensors = {f"module.{key}": torch.from_numpy(value) for key, value in state.items()}
    tensors["module.primary_conv.1.num_batches_tracked"] = torch.tensor(17)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], 0.1)
    path = tmp_path / "EfficientFace.pth.tar"
    torch.save(
        {
            "epoch": 3,
            "state_dict": tensors,
            "best_acc": torch.tensor(0.5),
            "optimizer": optimizer.state_dict(),
            "recorder": RecorderMeter(),
        },
        path,
        _use_new_zipfile_serialization=not legacy,
    )
    before = set(torch.serialization.get_safe_globals())
    load_torch_weights(module, path)
    assert_loaded(module, state)
    assert set(torch.serialization.get_safe_globals()) == before


@pytest.mark.parametrize("legacy", [False, True])
def test_real_checkpoint_of_other_objects_runs_nothing(module, tmp_path, capsys, legacy):
    torch = pytest.importorskip("torch")
    path = tmp_path / "weights.pth"
    state = {"state_dict": state_of(module), "robot": Robot()}
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    message = refusal(module, path)
    assert "weights_only=True" in message
    assert "print" in message
    assert str(path) in message
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("part", [0, 1, 30, 0.5, -1])
def test_real_checkpoint_that_is_cut_short(module, tmp_path, part):
    torch = pytest.importorskip("torch")
    path = tmp_path / "weights.pth"
    torch.save({key: torch.from_numpy(value) for key, value in state_of(module).items()}, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole)) if part == 0.5 else part])
    message = refusal(module, path)
    assert "damaged or no PyTorch checkpoint" in message
    assert str(path) in message
