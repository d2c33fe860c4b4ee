import keras
import numpy as np
import pytest
from helpers.stripes import PATCH, stripes, trained_image_model
from helpers.stripes import image_model as toy_model
from keras import layers, ops

from fer_layers import ConvNorm, GhostBottleneck
from fer_models.explain import GradCAM, grad_cam
from fer_models.families.ghostface import ghostface


@pytest.fixture(scope="module")
def trained():
    return trained_image_model()


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def test_shape_and_range(trained):
    images, _, _ = stripes(5, seed=2)
    heat = grad_cam(trained, images, batch_size=2)
    assert heat.shape == (5, 32, 32)
    assert heat.dtype == np.float32
    np.testing.assert_allclose(heat.max(axis=(1, 2)), 1)
    assert heat.min() >= 0


@pytest.mark.backend
def test_the_map_lies_where_the_stripes_are(trained):
    images, labels, corners = stripes(64, seed=3)
    assert (numpy(trained(images)).argmax(-1) == labels).mean() > 0.95
    heat = grad_cam(trained, images, class_index=labels)
    inside = [
        one[top : top + PATCH, left : left + PATCH].sum() / one.sum()
        for one, (top, left) in zip(heat, corners, strict=True)
    ]
    # The patch is a sixteenth of the image.
    assert np.mean(inside) > 0.5


def test_deleting_the_hottest_part_costs_more_than_deleting_the_coldest(trained):
    images, labels, _ = stripes(64, seed=4)
    heat = grad_cam(trained, images, class_index=labels)
    order = heat.reshape(64, -1).argsort(axis=1, kind="stable")
    rows = np.arange(64)

    def score_without(places):
        masked = images.reshape(64, -1).copy()
        np.put_along_axis(masked, places, 0, axis=1)
        return numpy(trained(masked.reshape(images.shape)))[rows, labels].mean()

    patch = PATCH**2
    cold, hot = score_without(order[:, :patch]), score_without(order[:, -patch:])
    assert cold - hot > 0.3


@pytest.mark.backend
def test_against_the_formula_on_a_network_solved_by_hand():
    # Two maps of 2x2 from a 1x1 convolution, averaged: the weights of the maps are those of the
    # dense layer over 4, so the map of class c is max(0, dense[0, c] x + dense[1, c] 2x).
    model = keras.Sequential(
        [
            keras.Input((2, 2, 1)),
            layers.Conv2D(2, 1, use_bias=False, name="conv"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, activation="softmax", use_bias=False),
        ]
    )
    model.set_weights([np.array([[[[1, 2]]]], "float32"), np.array([[1, -1], [1, 0.5]], "float32")])
    image = np.array([[0.0, 1], [-2, 4]], "float32").reshape(1, 2, 2, 1)
    np.testing.assert_allclose(grad_cam(model, image, 0)[0], [[0, 0.25], [0, 1]], atol=1e-6)
    # -x + 0.5 * 2x = 0: nothing speaks for the second class.
    np.testing.assert_allclose(grad_cam(model, image, 1)[0], np.zeros((2, 2)), atol=1e-6)
    # Halved, the output is no softmax, and a probability has a slope in the other's score too: that
    # of the second class falls with x.
    halved = keras.Model(model.inputs[0], model.outputs[0] / 2)
    np.testing.assert_allclose(grad_cam(halved, image, 1)[0], [[0, 0], [1, 0]], atol=1e-6)


@pytest.mark.parametrize("end", ["activation", "softmax layer", "activation layer", "logits"])
def test_the_score_is_the_one_before_the_softmax(trained, end):
    images, _, _ = stripes(3, seed=5)
    model = toy_model("softmax" if end == "activation" else None)
    if end == "softmax layer":
        model.add(layers.Softmax())
    elif end == "activation layer":
        model.add(layers.Activation("softmax"))
    model.set_weights(trained.get_weights())
    np.testing.assert_allclose(
        grad_cam(model, images, class_index=1), grad_cam(trained, images, class_index=1), atol=1e-5
    )


def test_default_layer_is_what_follows_the_last_convolution_in_its_shape(trained):
    assert GradCAM(trained).path == "relu"
    assert GradCAM(trained, "second").path == "second"
    assert GradCAM(trained, trained.get_layer("norm")).layer.name == "norm"


def test_default_layer_passes_over_gates_and_single_positions():
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, name="wanted")(inputs)
    gate = layers.Conv2D(1, 3, padding="same", activation="sigmoid", name="gate")(x)
    x = layers.Multiply(name="gated")([x, gate])
    squeezed = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Multiply(name="excited")([x, layers.Conv2D(4, 1, name="excite")(squeezed)])
    x = layers.MaxPooling2D()(x)
    outputs = layers.Dense(2)(layers.Flatten()(x))
    assert GradCAM(keras.Model(inputs, outputs)).path == "excited"


@pytest.mark.backend
def test_layers_inside_layers_and_nested_models():
    keras.utils.set_random_seed(0)
    block = GhostBottleneck(12, 8, strides=2, name="block")
    inner = keras.Sequential([keras.Input((24, 24, 1)), block, ConvNorm(8, name="last")])
    inner.name = "body"
    inputs = keras.Input((24, 24, 1))
    outputs = layers.Dense(3, activation="softmax")(layers.GlobalMaxPooling2D()(inner(inputs)))
    model = keras.Model(inputs, outputs)
    cam = GradCAM(model)
    assert cam.path == "body"
    images = np.random.default_rng(0).uniform(0, 255, (2, 24, 24, 1)).astype("float32")
    heat = cam(images, class_index=2)
    assert heat.shape == (2, 24, 24)
    np.testing.assert_allclose(grad_cam(model, images, 2, layer="body/last"), heat, atol=1e-6)
    inside = "body/block/expand/primary/conv"
    assert GradCAM(model, inside).path == inside
    with pytest.raises(ValueError, match=r"`layer` must be the path of one layer"):
        GradCAM(model, "conv")


@pytest.mark.slow
def test_ghostface():
    assert GradCAM(ghostface(input_shape=(64, 64, 3))).path == "head"


def test_predicted_class_by_default(trained):
    images, _, _ = stripes(6, seed=6)
    predicted = numpy(trained(images)).argmax(-1)
    np.testing.assert_allclose(
        grad_cam(trained, images), grad_cam(trained, images, class_index=predicted), atol=1e-6
    )


def test_an_image_does_not_depend_on_its_batch(trained):
    images, labels, _ = stripes(6, seed=7)
    together = grad_cam(trained, images, labels)
    one_by_one = grad_cam(trained, images, labels, batch_size=1)
    np.testing.assert_allclose(together, one_by_one, atol=1e-4)


@pytest.mark.backend
def test_channels_first():
    if keras.backend.backend() == "tensorflow":
        pytest.skip("TensorFlow has no convolution for channels first on the CPU")
    last, order = toy_model(), "channels_first"
    first = keras.Sequential(
        [
            keras.Input((1, 32, 32)),
            layers.Conv2D(8, 5, padding="same", activation="relu", data_format=order),
            layers.MaxPooling2D(data_format=order),
            layers.Conv2D(16, 3, padding="same", use_bias=False, data_format=order),
            layers.BatchNormalization(axis=1),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(data_format=order),
            layers.Dense(3, activation="softmax"),
        ]
    )
    first.set_weights(last.get_weights())
    images, _, _ = stripes(3, seed=8)
    np.testing.assert_allclose(
        grad_cam(first, np.moveaxis(images, -1, 1), 2), grad_cam(last, images, 2), atol=1e-5
    )


@pytest.mark.backend
def test_channels_first_under_a_gate_that_flattens():
    """`Flatten` has Keras's own data format, which is not that of the features after it."""
    if keras.backend.backend() == "tensorflow":
        pytest.skip("TensorFlow has no convolution for channels first on the CPU")

    def gated(order):
        first = order == "channels_first"
        image = keras.Input((1, 12, 12) if first else (12, 12, 1))
        x = layers.Conv2D(4, 3, activation="relu", data_format=order)(image)
        gate = layers.Flatten()(layers.GlobalMaxPooling2D(data_format=order)(x))
        gate = layers.Dense(4, activation="sigmoid")(gate)
        x = layers.Multiply()([x, layers.Reshape((4, 1, 1) if first else (1, 1, 4))(gate)])
        pooled = layers.GlobalAveragePooling2D(data_format=order)(x)
        return keras.Model(image, layers.Dense(3, activation="softmax")(pooled))

    last, first = gated("channels_last"), gated("channels_first")
    first.set_weights(last.get_weights())
    images = np.random.default_rng(0).uniform(0, 1, (2, 12, 12, 1)).astype("float32")
    np.testing.assert_allclose(
        grad_cam(first, np.moveaxis(images, -1, 1), 2), grad_cam(last, images, 2), atol=1e-5
    )


def test_an_input_that_is_permuted_has_a_map_of_its_own_size():
    last, order = keras.Input((12, 8, 1)), "channels_last"
    features = layers.Conv2D(2, 3, data_format=order, name="conv")
    ends = [layers.GlobalAveragePooling2D(data_format=order), layers.Dense(2)]

    def model(inputs, x):
        return keras.Model(inputs, ends[1](ends[0](features(x))))

    first = keras.Input((1, 12, 8))
    images = np.random.default_rng(0).normal(size=(2, 12, 8, 1)).astype("float32")
    expected = grad_cam(model(last, last), images, 0)
    permuted = model(first, layers.Permute((2, 3, 1))(first))
    assert expected.shape == (2, 12, 8)
    np.testing.assert_allclose(
        grad_cam(permuted, np.moveaxis(images, -1, 1), 0), expected, atol=1e-5
    )


def test_a_model_whose_one_input_stands_in_a_list(trained, recwarn):
    images, _, _ = stripes(2, seed=12)
    image = keras.Input((32, 32, 1))
    listed = keras.Model([image], trained(image))
    expected = grad_cam(trained, images, 0)
    heat = grad_cam(listed, images, 0)
    np.testing.assert_allclose(heat, expected, atol=1e-5)
    (alone,) = grad_cam(listed, [images], 0)
    np.testing.assert_array_equal(alone, heat)
    assert not [each for each in recwarn if "structure of `inputs`" in str(each.message)]


def test_open_image_size_and_odd_shapes():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            layers.Conv2D(4, 3, strides=2),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, activation="softmax"),
        ]
    )
    cam = GradCAM(model)
    for height, width in ((17, 23), (40, 9)):
        assert cam(np.ones((2, height, width, 3), "float32")).shape == (2, height, width)
    assert cam(np.ones((0, 9, 9, 3), "float32")).shape == (0, 9, 9)


def test_the_model_stays_as_it_was(trained):
    images, _, _ = stripes(4, seed=9)
    before, call = numpy(trained(images)), keras.Layer.__call__
    weights = trained.get_weights()
    grad_cam(trained, images)
    assert keras.Layer.__call__ is call
    for old, new in zip(weights, trained.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    np.testing.assert_array_equal(numpy(trained(images)), before)


def test_a_kept_one_sees_new_weights(trained):
    images, _, _ = stripes(2, seed=10)
    model = toy_model()
    cam = GradCAM(model)
    cam(images, class_index=0)
    model.set_weights(trained.get_weights())
    np.testing.assert_allclose(cam(images, 0), grad_cam(trained, images, 0), atol=1e-5)


def test_mixed_precision():
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = toy_model()
    finally:
        keras.config.set_dtype_policy("float32")
    images, _, _ = stripes(2, seed=11)
    heat = grad_cam(model, images)
    assert heat.dtype == np.float32
    assert np.isfinite(heat).all()


@pytest.mark.parametrize("wanted", [3, -1, [0, 3], [0, 1, 2], 0.5, "happy"])
def test_wrong_class(trained, wanted):
    with pytest.raises(ValueError, match=r"`class_index` must be"):
        grad_cam(trained, stripes(2, seed=0)[0], class_index=wanted)


@pytest.mark.parametrize("shape", [(32, 32, 1), (2, 32, 32, 3), (2, 16, 32, 1)])
def test_wrong_images(trained, shape):
    with pytest.raises(ValueError, match=r"`images` must be a batch of shape \(None, 32, 32, 1\)"):
        grad_cam(trained, np.zeros(shape, "float32"))


def test_wrong_layer(trained):
    with pytest.raises(ValueError, match=r"`layer` must be a layer of model .*'relu'.*'third'"):
        GradCAM(trained, "third")
    with pytest.raises(ValueError, match=r"`layer` must have an output of rank 4"):
        GradCAM(trained, "head")


def test_wrong_batch_size(trained):
    with pytest.raises(ValueError, match=r"`batch_size` must be an integer >= 1"):
        grad_cam(trained, stripes(2, seed=0)[0], batch_size=0)


def test_a_subclassed_model_is_refused_until_it_is_wrapped():
    class Network(keras.Model):
        def __init__(self):
            super().__init__(name="network")
            self.conv = layers.Conv2D(2, 3, name="conv")
            self.pool = layers.GlobalAveragePooling2D()

        def call(self, x):
            return self.pool(self.conv(x))

    model = Network()
    model(np.zeros((1, 8, 8, 1)))
    with pytest.raises(ValueError, match=r"`keras.Input`s; wrap it .* model='network' of class"):
        GradCAM(model)
    image = keras.Input((8, 8, 1))
    assert GradCAM(keras.Model(image, model(image))).path == "network/conv"


def test_models_it_cannot_explain():
    dense = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(2)])
    with pytest.raises(ValueError, match="must hold a convolution"):
        GradCAM(dense)
    with pytest.raises(ValueError, match="must take images"):
        GradCAM(keras.Sequential([keras.Input((8,)), layers.Dense(2)]))
    with pytest.raises(ValueError, match=r"must have one output of shape \(batch, classes\)"):
        GradCAM(keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(2, 3)]))
    inputs = [keras.Input((8, 8, 1)), keras.Input((8, 8, 1))]
    with pytest.raises(ValueError, match="must hold a convolution"):
        GradCAM(keras.Model(inputs, layers.Flatten()(layers.Add()(inputs))))
    with pytest.raises(ValueError, match=r"must be a `keras\.Model`"):
        GradCAM(None)
