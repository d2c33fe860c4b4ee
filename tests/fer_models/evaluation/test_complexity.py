import json

import keras
import numpy as np
import pytest
from keras import layers

from fer_models.evaluation import complexity
from fer_models.zoo import registry


def sequential(shape, *stack):
    return keras.Sequential([keras.Input(shape), *stack])


def small_model():
    return sequential(
        (8, 8, 3),
        layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False, name="stem"),
        layers.BatchNormalization(name="norm"),
        layers.ReLU(),
        layers.DepthwiseConv2D(3, padding="valid", name="depthwise"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(7, activation="softmax", name="head"),
    )


@pytest.mark.backend
def test_small_model_against_a_count_by_hand():
    cost = complexity(small_model())
    # stem: 4x4 positions x 4 maps x 3x3x3 = 1728; depthwise: 2x2x4 outputs x 3x3 = 144;
    # head: 4 x 7 = 28.
    assert cost.macs == 1728 + 144 + 28
    # norm: 2 x 4x4x4 = 128; the depthwise bias: 2x2x4 = 16; the bias of the head counts nothing.
    assert cost.papers_flops == 1900 + 128 + 16
    # stem 108, norm 4 + 4 (and 8 moving averages), depthwise 36 + 4, head 28 + 7.
    assert cost.trainable == 108 + 8 + 40 + 35
    assert cost.non_trainable == 8
    by_name = {layer.path: layer for layer in cost.layers}
    assert [*by_name] == ["stem", "norm", "depthwise", "head"]
    assert by_name["stem"].macs == 1728
    assert by_name["stem"].output_shape == (4, 4, 4)
    assert by_name["norm"].papers_flops == 128
    assert (by_name["norm"].trainable, by_name["norm"].non_trainable) == (8, 8)
    assert by_name["depthwise"].papers_flops == 160


@pytest.mark.parametrize(
    ("shape", "layer", "macs", "bias"),
    [
        ((10, 6), layers.Conv1D(4, 3), 8 * 4 * 3 * 6, 8 * 4),
        ((9, 9, 6), layers.Conv2D(4, 3, groups=2), 49 * 4 * 9 * 3, 49 * 4),
        ((9, 9, 6), layers.Conv2D(4, 3, dilation_rate=2), 25 * 4 * 9 * 6, 25 * 4),
        ((9, 9, 6), layers.Conv2D(4, (3, 1), strides=2, padding="same"), 25 * 4 * 3 * 6, 25 * 4),
        ((5, 6, 7, 2), layers.Conv3D(3, (2, 3, 3)), 4 * 4 * 5 * 3 * 18 * 2, 4 * 4 * 5 * 3),
        ((5, 5, 3), layers.Conv2DTranspose(4, 3, strides=2, padding="same"), 25 * 3 * 9 * 4, 400),
        ((5, 3), layers.Conv1DTranspose(4, 2, strides=2), 5 * 3 * 2 * 4, 10 * 4),
        ((2, 2, 2, 3), layers.Conv3DTranspose(4, 2, strides=2), 8 * 3 * 8 * 4, 64 * 4),
        ((8, 3), layers.DepthwiseConv1D(3, depth_multiplier=2), 6 * 6 * 3, 6 * 6),
        ((8, 8, 3), layers.DepthwiseConv2D(3, depth_multiplier=2), 36 * 6 * 9, 36 * 6),
        # Depthwise to 6 maps, then 1x1 to 5.
        (
            (8, 8, 3),
            layers.SeparableConv2D(5, 3, depth_multiplier=2),
            36 * 6 * 9 + 36 * 6 * 5,
            36 * 5,
        ),
        ((8, 3), layers.SeparableConv1D(5, 3), 6 * 3 * 3 + 6 * 3 * 5, 6 * 5),
        ((4, 5, 6), layers.Dense(3), 4 * 5 * 6 * 3, 0),
        ((4, 6), layers.EinsumDense("abc,cde->abde", (None, 2, 3)), 4 * 6 * 2 * 3, 0),
        ((4, 5, 6), layers.EinsumDense("...x,xy->...y", 3), 4 * 5 * 6 * 3, 0),
        ((4, 6), layers.TimeDistributed(layers.Dense(3)), 4 * 6 * 3, 0),
        ((3, 8, 8, 2), layers.TimeDistributed(layers.Conv2D(4, 3)), 3 * 36 * 4 * 18, 3 * 36 * 4),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, keras.Layer) else None,
)
def test_every_kind_of_layer(shape, layer, macs, bias):
    cost = complexity(sequential(shape, layer))
    assert cost.macs == macs
    assert cost.papers_flops == macs + bias
    assert cost.trainable == layer.count_params()
    assert not cost.uncounted


@pytest.mark.backend
def test_channels_first():
    # Only shapes are computed, so this runs where the kernels for channels first are missing.
    model = sequential(
        (3, 9, 9),
        layers.Conv2D(4, 3, data_format="channels_first"),
        layers.BatchNormalization(axis=1),
        layers.SeparableConv2D(5, 3, data_format="channels_first"),
    )
    cost = complexity(model)
    assert cost.macs == 49 * 4 * 27 + 25 * 4 * (9 + 5)
    assert cost.papers_flops == cost.macs + 49 * 4 + 2 * 49 * 4 + 25 * 5


def test_padding_of_unequal_size_counts_like_zeros():
    model = sequential((8, 8, 2), layers.ZeroPadding2D(((1, 0), (1, 0))), layers.Conv2D(3, 3))
    assert complexity(model).macs == 49 * 3 * 9 * 2


@keras.saving.register_keras_serializable(package="test_complexity")
class Block(keras.layers.Layer):
    """A layer made of layers that states its output shape, as ours do."""

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.first = layers.Conv2D(filters, 3, padding="same", use_bias=False, name="first")
        self.norm = layers.BatchNormalization(name="norm")
        self.second = layers.Conv2D(filters, 1, name="second")

    def build(self, input_shape):
        self.first.build(input_shape)
        middle = self.first.compute_output_shape(input_shape)
        self.norm.build(middle)
        self.second.build(middle)
        self.scale = self.add_weight(shape=(1,), name="scale")

    def call(self, inputs, training=None):
        return self.scale * self.second(self.norm(self.first(inputs), training=training))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.second.filters)


@pytest.mark.backend
def test_layers_made_of_layers_and_nested_models():
    inner = sequential((6, 6, 2), Block(4, name="block"))
    inner.name = "inner"
    inputs = keras.Input((6, 6, 2))
    model = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(inner(inputs))))
    cost = complexity(model)
    first, second = 36 * 4 * 9 * 2, 36 * 4 * 4
    assert cost.macs == first + second + 36 * 4 * 3
    assert cost.papers_flops == cost.macs + 36 * 4 + 2 * 36 * 4
    paths = [layer.path for layer in cost.layers]
    assert paths[:4] == [
        "inner/block/first",
        "inner/block/norm",
        "inner/block/second",
        "inner/block",
    ]
    # The block's own row holds the scale and nothing of its sublayers.
    assert cost.layers[3].trainable == 1
    assert cost.layers[3].macs == 0
    assert sum(layer.trainable for layer in cost.layers) == cost.trainable
    assert sum(layer.non_trainable for layer in cost.layers) == cost.non_trainable
    assert cost.trainable + cost.non_trainable == model.count_params()


def test_shared_layer_counts_each_call_and_its_weights_once():
    shared = layers.Conv2D(2, 3, padding="same", use_bias=False, name="shared")
    inputs = keras.Input((6, 6, 2))
    model = keras.Model(inputs, shared(layers.MaxPooling2D()(shared(inputs))))
    cost = complexity(model)
    assert cost.macs == 36 * 2 * 18 + 9 * 2 * 18
    assert cost.trainable == 36
    assert [layer.trainable for layer in cost.layers] == [36, 0]


class Gate(keras.layers.Layer):
    """A layer computed another way than it is defined."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.spread_out = layers.Dense(100)

    def call(self, inputs):
        return self.spread_out(inputs)

    def count_operations(self, input_shape):
        return {"macs": 10 * input_shape[-1], "batch_norm": 5}


def test_a_layer_that_counts_itself():
    cost = complexity(sequential((4,), Gate()))
    assert cost.macs == 40
    assert cost.papers_flops == 50
    assert len(cost.layers) == 1
    assert cost.trainable == 500


def test_several_inputs():
    left, right = keras.Input((4,), name="left"), keras.Input((6,), name="right")
    outputs = layers.Concatenate()([layers.Dense(2)(left), layers.Dense(3)(right)])
    cost = complexity(keras.Model({"left": left, "right": right}, outputs))
    assert cost.macs == 8 + 18
    assert cost.input_shape == [(4,), (6,)]
    assert "4 and 6" in str(cost)


def test_size_left_open():
    model = sequential((None, None, 3), layers.Conv2D(4, 3), layers.GlobalAveragePooling2D())
    with pytest.raises(ValueError, match=r"size of input .* is undefined, \(None, None, 3\)"):
        complexity(model)
    assert complexity(model, input_shape=(10, 12, 3)).macs == 8 * 10 * 4 * 27


def test_fixed_batch_size_gives_the_same_count():
    inputs = keras.Input(batch_shape=(4, 8, 8, 3))
    outputs = layers.BatchNormalization()(layers.Conv2D(4, 3)(inputs))
    cost = complexity(keras.Model(inputs, outputs))
    assert cost.macs == 36 * 4 * 27
    assert cost.papers_flops == cost.macs + 3 * 36 * 4


def test_subclassed_model_needs_its_shape():
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, inputs):
            return self.dense(inputs)

    model = Subclassed()
    with pytest.raises(ValueError, match="must be built"):
        complexity(model, input_shape=(3,))
    model(np.zeros((1, 3), "float32"))
    with pytest.raises(ValueError, match=r"`input_shape` must be given"):
        complexity(model)
    assert complexity(model, input_shape=(3,)).macs == 6


@pytest.mark.parametrize("wrong", [(9, 8, 3), (8, 3), [(8, 8, 3), (8, 8, 3)]])
def test_input_shape_that_contradicts_the_model(wrong):
    with pytest.raises(ValueError, match="Argument `input_shape` must"):
        complexity(small_model(), input_shape=wrong)


@pytest.mark.parametrize("wrong", [None, "ghostface", layers.Dense(2)])
def test_not_a_model(wrong):
    with pytest.raises(ValueError, match=r"Argument `model` must be a `keras\.Model`"):
        complexity(wrong)


def test_recurrent_layers_and_attention_are_named_as_uncounted():
    inputs = keras.Input((5, 4))
    attended = layers.MultiHeadAttention(2, 3, name="attention")(inputs, inputs)
    cost = complexity(keras.Model(inputs, layers.LSTM(6, name="memory")(attended)))
    assert cost.uncounted == ("attention", "memory")
    assert "not counted: attention, memory" in str(cost)
    # Query, key, value and output projections, 4 to 2 x 3 and back, at 5 positions.
    assert cost.macs == 4 * 5 * 4 * 6
    assert cost.trainable == 4 * 24 + 3 * 6 + 4 + 4 * 6 * (4 + 6 + 1)


def test_what_a_wrapper_hides_is_named_as_uncounted_too():
    inputs = keras.Input((5, 4))
    attended = layers.MultiHeadAttention(2, 3, name="attention")(inputs, inputs)
    step = keras.Model(inputs, layers.LSTM(6, name="memory")(attended), name="step")
    cost = complexity(sequential((3, 5, 4), layers.TimeDistributed(step, name="steps")))
    assert cost.uncounted == ("steps/step/attention", "steps/step/memory")
    assert cost.macs == 3 * complexity(step).macs
    alone = layers.TimeDistributed(layers.GRU(2), name="steps")
    assert complexity(sequential((3, 5, 4), alone)).uncounted == ("steps",)


def test_model_is_left_as_it_was():
    model = small_model()
    before = [weight.copy() for weight in model.get_weights()]
    call = keras.Layer.__call__
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    outputs = keras.ops.convert_to_numpy(model(images))
    complexity(model)
    assert keras.Layer.__call__ is call
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(images)), outputs)


def test_the_watch_is_taken_off_after_an_error():
    class Broken(layers.Layer):
        def call(self, inputs):
            raise RuntimeError("broken")

        def compute_output_shape(self, input_shape):
            return input_shape

    call = keras.Layer.__call__
    with pytest.raises(RuntimeError, match="broken"):
        complexity(sequential((4,), Broken()))
    assert keras.Layer.__call__ is call


def test_frozen_layers_are_not_trainable():
    model = small_model()
    model.get_layer("stem").trainable = False
    cost = complexity(model)
    assert cost.non_trainable == 8 + 108
    assert cost.layers[0].non_trainable == 108


def test_table_and_dictionary():
    cost = complexity(small_model())
    text = str(cost)
    for part in ("stem", "Conv2D", "4x4x4", "1,728", "1,900", "2,044", "191 trainable, 8 not"):
        assert part in text
    content = json.loads(json.dumps(cost.to_dict()))
    assert content["macs"] == 1900
    assert content["input_shape"] == [8, 8, 3]
    assert content["layers"][1]["papers_flops"] == 128


def resnet50_macs():
    """ResNet50 by formula (He et al. 2016, the stride in the first 1x1 convolution)."""
    macs, channels, size = 112 * 112 * 49 * 3 * 64, 64, 56
    for stage, (width, blocks) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)]):
        size = size if stage == 0 else size // 2
        for block in range(blocks):
            macs += size**2 * width * (channels + 9 * width + 4 * width)
            macs += size**2 * channels * 4 * width if block == 0 else 0
            channels = 4 * width
    return macs + 2048 * 1000


def mobilenet_v2_macs():
    """MobileNetV2 by its table (Sandler et al. 2018)."""
    size, channels = 112, 32
    macs = size**2 * 27 * 32
    table = [
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ]
    for expansion, filters, blocks, stride in table:
        for block in range(blocks):
            wide = expansion * channels
            macs += size**2 * channels * wide if expansion > 1 else 0
            size = size // stride if block == 0 else size
            macs += size**2 * wide * (9 + filters)
            channels = filters
    return macs + size**2 * channels * 1280 + 1280 * 1000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("builder", "macs", "millions", "parameters"),
    [
        ("MobileNetV2", mobilenet_v2_macs, 301, 3_538_984),
        ("ResNet50", resnet50_macs, 3858, 25_636_712),
    ],
)
def test_known_models(builder, macs, millions, parameters):
    cost = complexity(getattr(keras.applications, builder)(weights=None))
    assert cost.macs == macs()
    assert round(cost.macs / 1e6) == millions
    assert cost.trainable + cost.non_trainable == parameters
    assert not cost.uncounted


def ghostface_by_hand():
    """Multiply-accumulates and normalised elements of GhostFace's table at 224x224x3."""
    total = {"macs": 0, "elements": 0}

    def convolution(size, maps, products):
        total["macs"] += size**2 * maps * products
        total["elements"] += size**2 * maps

    def ghost_module(size, channels, maps):
        convolution(size, maps // 2, channels)
        convolution(size, maps // 2, 9)

    convolution(112, 16, 27)
    convolution(56, 32, 9 * 16)
    convolution(56, 24, 32)
    size, channels = 56, 24
    table = [
        (5, 72, 40, True, 2),
        (5, 120, 40, True, 1),
        (3, 240, 80, False, 2),
        (3, 200, 80, False, 1),
        (3, 184, 80, False, 1),
        (3, 184, 80, False, 1),
        (3, 480, 128, True, 1),
        (5, 672, 192, True, 2),
        (5, 960, 192, False, 1),
        (5, 960, 192, True, 1),
        (5, 960, 192, False, 1),
        (5, 960, 192, True, 1),
    ]
    for kernel, wide, maps, triplet, stride in table:
        ghost_module(size, channels, wide)
        size //= stride
        if stride == 2:
            convolution(size, wide, kernel**2)
        if triplet:
            # Gates over channel x width, channel x height and height x width, 7x7 from 2 maps.
            gates = 2 * size * wide + size**2
            total["macs"] += gates * 98
            total["elements"] += gates
        ghost_module(size, wide, maps)
        if stride == 2 or channels != maps:
            convolution(size, channels, kernel**2)
            convolution(size, maps, channels)
        channels = maps
    convolution(7, 960, 192)
    return total["macs"] + 960 * 7, total["elements"]


def test_ghostface():
    """That the counter finds these numbers is a test of the registry."""
    macs, elements = ghostface_by_hand()
    pinned = registry.entry("ghostface")
    assert macs == pinned.macs == 130_711_966
    assert macs + 2 * elements == pinned.papers_flops == 134_678_348
