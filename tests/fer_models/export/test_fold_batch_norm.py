"""Folded models give what the models give, with fewer operations."""

import keras
import numpy as np
import pytest
from helpers.layers import channels_first_problem, first, infer, randomize, sample, to_numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

import fer_layers
import fer_models
from fer_models.evaluation import complexity
from fer_models.export import batch_norms, fold_batch_norm

SHAPE = (2, 7, 6, 4)
# Every layer with batch norms in it, and how many.
OURS = {
    "conv_norm": (fer_layers.ConvNorm, {"filters": 5, "kernel_size": 3, "strides": 2}, 1),
    "depthwise": (fer_layers.ConvNorm, {"filters": 8, "kernel_size": 3, "depthwise": True}, 1),
    "ghost_module": (fer_layers.GhostModule, {"filters": 5}, 2),
    "ghost_bottleneck": (
        fer_layers.GhostBottleneck,
        {"expansion": 8, "filters": 6, "strides": 2, "attention": "triplet"},
        4 + 1 + 3 + 2,
    ),
    "squeeze_excite": (
        fer_layers.GhostBottleneck,
        {"expansion": 8, "filters": 4, "attention": "squeeze_excite"},
        4,
    ),
    "fused_mbconv": (fer_layers.FusedMBConv, {"expansion": 6, "filters": 4}, 2),
    "triplet_attention": (fer_layers.TripletAttention, {"kernel_size": 3}, 3),
    "spatial_attention": (fer_layers.SpatialAttention, {"kernel_size": 3}, 1),
    "cbam": (fer_layers.CBAM, {"reduction": 2, "kernel_size": 3}, 1),
    "attention_gate": (fer_layers.AttentionGate, {"kernel_size": 3}, 1),
    "shuffle_unit": (fer_layers.ShuffleUnit, {"filters": 6, "strides": 2}, 5),
    "local_features": (fer_layers.LocalFeatureExtractor, {"filters": 4}, 8),
    "modulator": (fer_layers.ChannelSpatialModulator, {"reduction": 2}, 4),
}
# One made of most of the others stands for all on the other backends.
NAMES = [
    pytest.param(name, marks=[pytest.mark.backend] if name == "ghost_bottleneck" else [])
    for name in OURS
]


def one_layer(name, shape=None, **options):
    """Return a model of one of our layers with random weights, and an input for it."""
    layer_class, arguments, _ = OURS[name]
    x = sample(shape or ((2, 7, 6, 2) if name == "attention_gate" else SHAPE))
    if options.get("data_format") == "channels_first":
        x = first(x)
    inputs = keras.Input(x.shape[1:], name="image")
    model = keras.Model(inputs, layer_class(**arguments, **options, name="layer")(inputs))
    randomize(model)
    return model, x


def check_same(model, folded, x, error=1e-5):
    expected = to_numpy(infer(model, x))
    np.testing.assert_allclose(to_numpy(infer(folded, x)), expected, atol=error, rtol=error)


def check_cheaper(model, folded):
    """Check that norms are gone and nothing has come in their place but biases."""
    before, after = complexity(model), complexity(folded)
    assert after.macs == before.macs
    assert sum(row.batch_norm for row in after.layers) == 0
    assert after.papers_flops < before.papers_flops
    assert folded.count_params() < model.count_params()
    assert not folded.non_trainable_weights


@pytest.mark.parametrize("name", NAMES)
def test_our_layers(name):
    model, x = one_layer(name)
    folded = fold_batch_norm(model)
    assert len(batch_norms(model)) == OURS[name][2]
    assert batch_norms(folded) == ()
    assert folded.get_layer("layer").get_config() == (
        model.get_layer("layer").get_config() | {"use_norm": False}
    )
    check_same(model, folded, x)
    check_cheaper(model, folded)


# Made of most of the others.
COMPOSED = ("ghost_bottleneck", "shuffle_unit", "modulator")
TURNED = [
    pytest.param(name, marks=[] if name in COMPOSED else [pytest.mark.slow])
    for name in OURS
    if name != "attention_gate"
]


@pytest.mark.parametrize("name", TURNED)
def test_channels_first_weights_are_those_of_channels_last(name):
    usual, _ = one_layer(name, data_format="channels_last")
    turned, _ = one_layer(name, data_format="channels_first")
    turned.set_weights(usual.get_weights())
    expected, received = fold_batch_norm(usual).weights, fold_batch_norm(turned).weights
    for ours, theirs in zip(expected, received, strict=True):
        np.testing.assert_array_equal(to_numpy(ours), to_numpy(theirs))


@pytest.mark.backend
def test_channels_first_gives_the_same():
    if channels_first_problem():
        pytest.skip(channels_first_problem())
    # No map may be as wide as it has channels: Keras 3.15 on TensorFlow would take the offset of a
    # convolution for one along the width (`keras.ops.add`).
    model, x = one_layer("ghost_bottleneck", (2, 7, 9, 4), data_format="channels_first")
    check_same(model, fold_batch_norm(model), x)


def test_every_layer_with_a_norm_has_a_case():
    for name in fer_layers.__all__:
        layer_class = getattr(fer_layers, name)
        takes = "use_norm" in layer_class.__init__.__code__.co_varnames
        assert takes == any(layer_class is case[0] for case in OURS.values()), name


def test_config_from_before_there_was_use_norm():
    for layer_class, arguments, _ in OURS.values():
        config = layer_class(**arguments).get_config()
        assert config.pop("use_norm") is True
        assert layer_class.from_config(config).use_norm


def norm_after(x, **options):
    return layers.BatchNormalization(**options)(x)


def keras_model():
    """A model of Keras's layers: every kind that can be folded, in a graph and nested."""
    inner = keras.Sequential(
        [keras.Input((4, 4, 6)), layers.Conv2D(4, 1, use_bias=False, name="inner_conv"),
         layers.BatchNormalization(name="inner_norm"), layers.ReLU()],
        name="inner",
    )  # fmt: skip
    image = keras.Input((9, 9, 3), name="image")
    x = norm_after(layers.Conv2D(3, 3, strides=2, padding="same", use_bias=False)(image))
    x = keras.ops.relu(x)
    x = norm_after(layers.DepthwiseConv2D(2, depth_multiplier=2)(x), scale=False, epsilon=0.1)
    x = shortcut = layers.ReLU()(x)
    x = layers.Add()([inner(x), inner(shortcut * 0.5)])
    x = norm_after(layers.Dense(5)(layers.Flatten()(x)), center=False)
    return keras.Model(image, layers.Activation("softmax")(x), name="whole")


@pytest.mark.backend
def test_keras_layers(tmp_path):
    model = keras_model()
    randomize(model)
    folded = fold_batch_norm(model)
    assert len(batch_norms(model)) == 4
    assert batch_norms(folded) == ()
    assert (folded.name, folded.input.name) == ("whole", "image")
    x = sample((2, 9, 9, 3))
    check_same(model, folded, x)
    check_cheaper(model, folded)
    folded.save(tmp_path / "folded.keras")
    check_same(folded, keras.models.load_model(tmp_path / "folded.keras"), x, error=1e-6)


def test_our_layers_are_saved_and_loaded(tmp_path):
    for name in ("modulator", "cbam"):
        model, x = one_layer(name)
        folded = fold_batch_norm(model)
        folded.save(tmp_path / "folded.keras")
        check_same(folded, keras.models.load_model(tmp_path / "folded.keras"), x, error=1e-6)


def test_sequential():
    model = keras.Sequential(
        [keras.Input((6, 6, 2)), layers.Conv2D(3, 3), layers.BatchNormalization(),
         fer_layers.GhostModule(4), layers.DepthwiseConv2D(3, use_bias=False),
         layers.BatchNormalization(), layers.BatchNormalization(name="second")],
        name="sequential",
    )  # fmt: skip
    randomize(model)
    folded = fold_batch_norm(model)
    assert batch_norms(folded) == ("sequential/second",)
    assert isinstance(folded, keras.Sequential)
    check_same(model, folded, sample((2, 6, 6, 2)))


def test_folding_twice_changes_nothing():
    model, x = one_layer("modulator")
    once = fold_batch_norm(model)
    twice = fold_batch_norm(once)
    assert twice is not once
    check_same(once, twice, x, error=1e-7)


def test_the_model_stays_as_it_was_and_the_copy_is_its_own():
    model, x = one_layer("conv_norm")
    model.compile("sgd", "mse")
    before = [to_numpy(weight) for weight in model.weights]
    folded = fold_batch_norm(model)
    assert not folded.compiled
    expected = to_numpy(folded(x))
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(to_numpy(weight), value)
        weight.assign(value + 1)
    np.testing.assert_array_equal(to_numpy(folded(x)), expected)


@keras.saving.register_keras_serializable(package="test_fold")
class Squared(layers.Conv2D):
    """A convolution that is none: to scale its kernel is not to scale its output."""

    def call(self, inputs):
        return super().call(inputs) ** 2


@keras.saving.register_keras_serializable(package="test_fold")
class Own(layers.Layer):
    """A layer that holds one of ours, unknown to the library."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.part = fer_layers.ConvNorm(3, name="part")

    def build(self, input_shape):
        self.part.build(input_shape)

    def call(self, inputs):
        return self.part(inputs)


def shared(x):
    convolution = layers.Conv2D(3, 1)
    return layers.Add()([norm_after(convolution(x), name="kept"), convolution(2 * x)])


def read_twice(x):
    x = layers.Conv2D(3, 1)(x)
    return layers.Add()([norm_after(x, name="kept"), x])


KEPT = {
    "activated": lambda x: norm_after(layers.Conv2D(3, 1, activation="relu")(x), name="kept"),
    "pooled": lambda x: norm_after(layers.MaxPooling2D()(layers.Conv2D(3, 1)(x)), name="kept"),
    "first": lambda x: layers.Conv2D(3, 1)(norm_after(x, name="kept")),
    "other axis": lambda x: norm_after(layers.Conv2D(3, 1)(x), axis=1, name="kept"),
    "training": lambda x: layers.BatchNormalization(name="kept")(
        layers.Conv2D(3, 1)(x), training=True
    ),
    "transposed": lambda x: norm_after(layers.Conv2DTranspose(3, 2)(x), name="kept"),
    "subclass": lambda x: norm_after(Squared(3, 1)(x), name="kept"),
    "inside": lambda x: Own(name="kept")(x),
    "shared": shared,
    "read twice": read_twice,
}


@pytest.mark.parametrize("case", KEPT)
def test_norms_that_stay(case):
    image = keras.Input((4, 4, 3))
    x = norm_after(layers.Conv2D(3, 1)(image), name="folded")
    model = keras.Model(image, KEPT[case](x))
    randomize(model)
    folded = fold_batch_norm(model)
    assert len(batch_norms(model)) == 2
    (kept,) = batch_norms(folded)
    assert kept.startswith("kept")
    check_same(model, folded, sample((3, 4, 4, 3)))


def test_output_of_the_convolution_is_asked_for():
    image = keras.Input((4, 4, 3))
    x = layers.Conv2D(3, 1)(image)
    model = keras.Model(image, [x, norm_after(x, name="kept")])
    assert batch_norms(fold_batch_norm(model)) == ("kept",)


@settings(max_examples=8)
@given(seed=st.integers(0, 10**6), epsilon=st.sampled_from([1e-7, 1e-3, 1.0]))
def test_any_statistics(seed, epsilon):
    rng = np.random.default_rng(seed)
    image = keras.Input((3, 3, 2))
    x = layers.BatchNormalization(epsilon=epsilon)(layers.Conv2D(3, 2)(image))
    model = keras.Model(image, x)
    scale = 10 ** rng.uniform(-2, 2)
    for weight in model.weights:
        value = rng.normal(0, scale, weight.shape)
        weight.assign(np.abs(value) + 0.01 if "variance" in weight.path else value)
    x = rng.normal(0, 1, (2, 3, 3, 2)).astype("float32")
    expected = to_numpy(model(x))
    error = 1e-5 * max(1, np.abs(expected).max())
    np.testing.assert_allclose(to_numpy(fold_batch_norm(model)(x)), expected, atol=error)


def test_mixed_precision_stays():
    model, x = one_layer("fused_mbconv", dtype="mixed_bfloat16")
    folded = fold_batch_norm(model)
    assert folded.get_layer("layer").expand.conv.dtype_policy.name == "mixed_bfloat16"
    assert {weight.dtype for weight in folded.weights} == {"float32"}
    check_same(model, folded, x, error=0.1)


class Subclass(keras.Model):
    def call(self, inputs):
        return inputs


class OwnCall(keras.Model):
    """A functional model that computes something else than its graph."""

    def call(self, inputs, training=None, mask=None):
        return 2 * super().call(inputs)


def own_call():
    image = keras.Input((4, 4, 3))
    return OwnCall(image, layers.Conv2D(3, 1)(image))


def quantized():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    model.quantize("int8")
    return model


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: "ghostface", "`model` must be a `keras.Model`"),
        (lambda: keras.Sequential([layers.Dense(2)]), "inputs of its own"),
        (Subclass, "inputs of its own"),
        (own_call, "in a `call` of its own"),
        pytest.param(quantized, "before it is quantized", marks=pytest.mark.slow),
    ],
    ids=["text", "not built", "subclass", "own call", "quantized"],
)
def test_models_that_cannot_be_folded(make, message):
    with pytest.raises(ValueError, match=message):
        fold_batch_norm(make())


WHOLE = {
    "ghostface": lambda: fer_models.ghostface(weights="fer2013"),
    "efficientface": lambda: fer_models.efficientface(input_shape=(64, 64, 3)),
    "resnet50_cbam": lambda: fer_models.resnet50_cbam(input_shape=(64, 64, 3), cbam="full"),
    "emotion_cnn": lambda: fer_models.emotion_cnn(regularized=True),
    "mobilenet_v3": lambda: keras.applications.MobileNetV3Small(
        input_shape=(64, 64, 3), weights=None, classes=7
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WHOLE)
def test_whole_models(name, tmp_path):
    model = WHOLE[name]()
    rng = np.random.default_rng(0)
    for weight in () if name == "ghostface" else model.weights:
        # Statistics of a training, as it were, and scales that keep the signal's size.
        if weight.path.endswith(("gamma", "moving_variance")):
            weight.assign(rng.uniform(0.8, 1.25, weight.shape))
        elif weight.path.endswith(("beta", "moving_mean")):
            weight.assign(rng.normal(0, 0.1, weight.shape))
    folded = fold_batch_norm(model)
    # Where pooling stands between the convolution and its norm, the norm stays.
    assert len(batch_norms(folded)) == (3 if name == "emotion_cnn" else 0)
    x = rng.uniform(0, 255, (4, *model.input_shape[1:])).astype("float32")
    check_same(model, folded, x)
    if name == "ghostface":
        assert len(batch_norms(model)) == 81
        check_cheaper(model, folded)
        folded.save(tmp_path / "folded.keras")
        check_same(folded, keras.models.load_model(tmp_path / "folded.keras"), x, error=1e-6)


@pytest.mark.backend
@pytest.mark.slow
def test_channels_first_models():
    if channels_first_problem():
        pytest.skip(channels_first_problem())
    usual = fer_models.ghostface(input_shape=(48, 48, 1), width=0.25)
    randomize(usual)
    keras.config.set_image_data_format("channels_first")
    try:
        turned = fer_models.ghostface(input_shape=(1, 48, 48), width=0.25)
    finally:
        keras.config.set_image_data_format("channels_last")
    turned.set_weights(usual.get_weights())
    x = sample((2, 48, 48, 1), 0, 255)
    expected = to_numpy(infer(usual, x))
    received = to_numpy(infer(fold_batch_norm(turned), first(x)))
    np.testing.assert_allclose(received, expected, atol=1e-5)
