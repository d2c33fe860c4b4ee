"""Every registered model, through one parametrised test a property."""

import functools
import hashlib
import json
import shutil

import keras
import numpy as np
import pytest
from helpers.layers import channels_first_problem, infer, to_numpy

from fer_models import evaluation, registry
from fer_models.zoo import bundled
from fer_models.zoo.weight_files import write_weights


def cases(fast=(), names=registry.MODELS, marks=()):
    """Return names of models for pytest, slow but for those that are fast."""
    return [
        pytest.param(name, marks=[*marks, *([] if name in fast else [pytest.mark.slow])])
        for name in sorted(names)
    ]


# Building a ResNet-50 takes seconds: its own file has fast tests.
NAMES = cases(registry.MODELS.keys() - {"resnet50_cbam"})
# What the others do is tested in files of their own, and where the authors' weights are read.
RUN = cases({"ghostface"})
# Each of these builds or traces a whole network: the fast tests have what is quick, and layers and
# recipes train and save in fast tests of their own.
WHOLE = cases()
# One network trains on every backend, where each layer and the recipes have tests of their own.
TRAINED = [
    *cases(names={"ghostface"}, marks=[pytest.mark.backend]),
    *cases(names=registry.MODELS.keys() - {"ghostface"}),
]
# TensorFlow has this format on graphics cards alone. ResNet-50 is in it what the others are.
TURNED = cases(names=registry.MODELS.keys() - {"resnet50_cbam"}, marks=[pytest.mark.backend])


def small(name, **kwargs):
    item = registry.entry(name)
    size = max(item.min_size, 32)
    arguments = {"input_shape": (size, size, item.input_shape[-1])} | kwargs
    if item.fixed_size and None in arguments["input_shape"]:
        arguments |= {"include_top": False, "pooling": "avg"}
    model = item.builder(**arguments)
    if name == "pretrained_classifier" and arguments.get("include_top", True):
        # Its head begins at zero, where every face has one answer.
        head = model.get_layer("logits").kernel
        if not to_numpy(head).any():
            head.assign(np.random.default_rng(0).normal(0, 0.02, head.shape))
    return model


@functools.cache
def shared(name):
    """Return a small model that no test may change."""
    return small(name)


def faces(model, count=4, seed=0):
    shape = [size or 48 for size in model.input_shape[1:]]
    return np.random.default_rng(seed).integers(0, 256, (count, *shape)).astype("float32")


def outputs(model, images):
    """Return what `predict` does, without tracing, which takes TensorFlow longest."""
    return to_numpy(infer(model, images))


@pytest.mark.parametrize("name", NAMES)
def test_cost_is_the_pinned_one(name):
    item = registry.entry(name)
    model = item.builder()
    assert model.input_shape[1:] == item.input_shape
    cost = evaluation.complexity(model)
    assert (cost.trainable, cost.macs, cost.papers_flops) == (
        item.parameters,
        item.macs,
        item.papers_flops,
    )


@pytest.mark.parametrize("name", RUN)
def test_forward_gives_probabilities_and_is_deterministic(name):
    model = shared(name)
    images = faces(model)
    first, second = (outputs(model, images) for _ in range(2))
    assert first.shape == (4, registry.entry(name).classes)
    np.testing.assert_allclose(first.sum(-1), 1, atol=1e-5)
    np.testing.assert_array_equal(first, second)
    # Standardised inside, so that scale does not matter; these take the means off that their
    # weights were trained with.
    if name not in ("resnet50_cbam", "pretrained_classifier"):
        np.testing.assert_allclose(outputs(model, images / 255), first, atol=1e-4)


@pytest.mark.parametrize("name", TRAINED)
def test_files_give_back_the_outputs_and_a_step_changes_every_weight(name, tmp_path):
    model = shared(name)
    images = faces(model)
    expected = outputs(model, images)
    np.testing.assert_allclose(model.predict(images, verbose=0), expected, atol=1e-5)
    model.save_weights(tmp_path / "model.weights.h5")
    again = small(name, weights=str(tmp_path / "model.weights.h5"))
    np.testing.assert_array_equal(outputs(again, images), expected)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(outputs(loaded, images), expected)

    loaded.compile("sgd", "categorical_crossentropy")
    before = [keras.ops.convert_to_numpy(weight).copy() for weight in loaded.trainable_weights]
    loaded.fit(images, np.eye(7)[:4], batch_size=4, verbose=0)
    unchanged = [
        weight.path
        for weight, old in zip(loaded.trainable_weights, before, strict=True)
        if np.array_equal(keras.ops.convert_to_numpy(weight), old)
    ]
    assert not unchanged


# Each layer has fast tests of both mixed policies.
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16"])
@pytest.mark.parametrize("name", WHOLE)
def test_precision_policies(name, policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = small(name)
    finally:
        keras.config.set_dtype_policy(before)
    assert model.output.dtype == "float32"
    wanted = "bfloat16" if policy == "bfloat16" else "float32"
    assert {weight.dtype for weight in model.trainable_weights} == {wanted}
    found = outputs(model, faces(model))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-3)


@pytest.mark.parametrize("name", RUN)
def test_undefined_size_gives_what_a_defined_size_gives(name):
    channels = registry.entry(name).input_shape[-1]
    free = small(name, input_shape=(None, None, channels))
    pooled = {"include_top": False, "pooling": "avg"} if registry.entry(name).fixed_size else {}
    fixed = small(name, **pooled) if pooled else shared(name)
    free.set_weights(fixed.get_weights())
    images = faces(fixed)
    np.testing.assert_allclose(outputs(fixed, images), outputs(free, images), atol=1e-5)
    odd = np.random.default_rng(1).integers(0, 256, (2, 33, 47, channels)).astype("float32")
    assert outputs(free, odd).shape == (2, free.output_shape[-1])


@pytest.mark.parametrize(
    ("kwargs", "shape"),
    [
        ({"include_top": False, "pooling": "avg"}, 2),
        pytest.param({"include_top": False}, 4, marks=pytest.mark.slow),
        pytest.param({"include_top": False, "pooling": "max"}, 2, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("name", RUN)
def test_without_top(name, kwargs, shape):
    model = small(name, include_preprocessing=False, **kwargs)
    assert len(model.output_shape) == shape
    assert not any("standardization" in layer.name for layer in model.layers)


@pytest.mark.parametrize("name", RUN)
def test_input_tensor_and_logits(name):
    image = keras.Input((64, 64, 3))
    model = registry.entry(name).builder(input_tensor=image * 1.0, classifier_activation=None)
    assert model.inputs[0] is image
    found = outputs(model, faces(model))
    assert not np.allclose(found.sum(-1), 1)


@pytest.mark.parametrize("name", TURNED)
def test_channels_first_equals_channels_last(name):
    if channels_first_problem():
        pytest.skip(channels_first_problem())
    last = shared(name)
    keras.config.set_image_data_format("channels_first")
    try:
        shape = (last.input_shape[3], *last.input_shape[1:3])
        first = registry.entry(name).builder(input_shape=shape)
    finally:
        keras.config.set_image_data_format("channels_last")
    first.set_weights(last.get_weights())
    images = faces(last)
    np.testing.assert_allclose(
        first.predict(images.transpose(0, 3, 1, 2), verbose=0),
        last.predict(images, verbose=0),
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"input_shape": (23, 64, 3)}, "`input_shape` must have height and width of at least "),
        ({"input_shape": (64, 64)}, r"`input_shape` must be \(height, width, channels\)"),
        ({"input_shape": (64, 64, 4)}, "1 channel"),
        ({"input_shape": (64, 64, None)}, "1 channel"),
        ({"classes": 1}, "`classes` must be an integer >= 2. Received: classes=1"),
        ({"classes": 7.0}, "`classes`"),
        ({"pooling": "mean", "include_top": False}, "`pooling` must be one of"),
        ({"weights": 3}, "`weights` must be None, a tag of the registry or a path"),
        ({"input_shape": ("64", "64", 3)}, "`input_shape` must have height and width"),
        ({"weights": "no_such_tag"}, "`weights` must be None, a path"),
        ({"input_tensor": np.zeros((1, 64, 64, 3))}, "`input_tensor` must be a Keras tensor"),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_bad_arguments(name, kwargs, message):
    with pytest.raises(ValueError, match=message):
        small(name, **kwargs)


def test_weights_of_no_file():
    with pytest.raises(ValueError, match="`weights` names no file"):
        small("emotion_cnn", weights="no_such_file.weights.h5")


def test_input_tensor_and_shape_must_agree():
    with pytest.raises(ValueError, match="must equal the shape of `input_tensor`"):
        small("ghostface", input_tensor=keras.Input((64, 64, 3)), input_shape=(48, 48, 3))


def test_unknown_model():
    with pytest.raises(ValueError, match="Received: name='resnet'"):
        registry.entry("resnet")


@pytest.fixture(scope="module")
def tiny_file(tmp_path_factory):
    model = registry.entry("ghostface").builder(
        input_shape=(40, 32, 1), width=0.25, stem_strides=1, classes=3
    )
    path = tmp_path_factory.mktemp("weights") / "ghostface_tiny.npz"
    write_weights(model, path)
    return model, path


@pytest.fixture
def tiny(tiny_file, tmp_path, monkeypatch):
    """A small GhostFace whose weights are bundled as "tiny", and their file."""
    model, original = tiny_file
    path = tmp_path / original.name
    shutil.copy(original, path)
    card = {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "class_names": ["a", "b", "c"],
        "licence": "MIT",
        "scores": {},
        "input_shape": [40, 32, 1],
        "options": {"width": 0.25, "stem_strides": 1},
    }
    path.with_suffix(".json").write_text(json.dumps(card))
    monkeypatch.setattr(bundled, "FOLDER", tmp_path)
    return model, path


@pytest.mark.slow
def test_bundled_weights_bring_what_they_were_trained_with(tiny):
    model, _ = tiny
    build = registry.entry("ghostface").builder
    again = build(weights="tiny", classes=3, name="mine")
    assert again.input_shape == (None, 40, 32, 1)
    assert again.name == "mine"
    images = faces(model)
    np.testing.assert_allclose(outputs(again, images), outputs(model, images), atol=2e-3)
    bare = build(weights="tiny", include_top=False, input_shape=(None, None, 1))
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(bare.get_layer("head").weights[0]),
        keras.ops.convert_to_numpy(again.get_layer("head").weights[0]),
    )


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"width": 1.0}, "`width` must be 0.25 with weights='tiny'"),
        ({"stem_strides": 2}, "`stem_strides` must be 1 with weights='tiny'"),
        ({"input_shape": (40, 32, 3)}, "`input_shape` must have 1 channel"),
        ({"classes": 7}, "`classes` must be 3 with weights='tiny'"),
    ],
)
def test_bundled_weights_refuse_what_does_not_fit(tiny, kwargs, message):
    with pytest.raises(ValueError, match=message):
        registry.entry("ghostface").builder(weights="tiny", **{"classes": 3} | kwargs)


def test_bundled_weights_are_checked_before_they_are_read(tiny):
    _, path = tiny
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ValueError, match="SHA-256"):
        registry.entry("ghostface").builder(weights="tiny", classes=3)
