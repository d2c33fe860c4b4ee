"""A second output for valence and arousal: its shape, its training, its file."""

import keras
import numpy as np
import pytest
from helpers.layers import to_numpy

import fer_models
from fer_models import joint_losses, with_valence_arousal
from fer_models.zoo.face_outputs import expression_part, gives_valence_arousal, in_one_row

CLASSES = 3


def network(activation="softmax"):
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 1), name="image")
    x = keras.layers.Conv2D(4, 3, strides=2, activation="elu", name="conv")(image / 255)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Dense(CLASSES, name="logits")(x)
    return keras.Model(image, keras.layers.Activation(activation)(x), name="little")


def faces(count=24):
    """Faces whose brightness is their valence, and whose contrast is their arousal."""
    rng = np.random.default_rng(0)
    felt = rng.uniform(-1, 1, (count, 2)).astype("float32")
    noise = rng.uniform(-1, 1, (count, 8, 8, 1))
    images = (
        128 + 80 * felt[:, 0, None, None, None] + 20 * (1 + felt[:, 1])[:, None, None, None] * noise
    )
    labels = np.eye(CLASSES, dtype="float32")[rng.integers(0, CLASSES, count)]
    return images.astype("float32"), {"expression": labels, "valence_arousal": felt}


@pytest.mark.backend
def test_both_outputs_share_the_trunk_and_its_weights():
    plain = network()
    model = with_valence_arousal(plain)
    assert gives_valence_arousal(model)
    assert not gives_valence_arousal(plain)
    assert model.name == "little"
    assert len(model.weights) == len(plain.weights) + 2
    images, _ = faces()
    found = model.predict_on_batch(images)
    assert list(found) == ["expression", "valence_arousal"]
    np.testing.assert_allclose(found["expression"], plain.predict_on_batch(images), atol=1e-6)
    assert found["valence_arousal"].shape == (24, 2)
    assert (np.abs(found["valence_arousal"]) <= 1).all()
    row = in_one_row(model).predict_on_batch(images)
    np.testing.assert_allclose(row, np.concatenate(list(found.values()), 1), atol=1e-6)
    part = expression_part(model).predict_on_batch(images)
    np.testing.assert_allclose(part, found["expression"], atol=1e-6)
    assert expression_part(plain) is in_one_row(plain) is plain


@pytest.mark.slow
@pytest.mark.backend
def test_it_learns_and_comes_back_from_its_file(tmp_path, untraced):
    model = with_valence_arousal(network())
    images, targets = faces()
    targets["valence_arousal"][::5] = np.nan
    model.compile(keras.optimizers.Adam(0.02), **joint_losses(2.0))
    history = model.fit(images, targets, batch_size=12, epochs=20, verbose=0).history
    assert set(history) >= {
        "loss",
        "expression_accuracy",
        "valence_arousal_valence_ccc",
        "valence_arousal_arousal_ccc",
    }
    assert np.isfinite(history["loss"]).all()
    valence = history["valence_arousal_valence_ccc"]
    assert valence[-1] > 0.6 > valence[0]
    path = tmp_path / "model.keras"
    model.save(path)
    again = keras.saving.load_model(path)
    before, after = (
        m.evaluate(images, targets, verbose=0, return_dict=True) for m in (model, again)
    )
    assert after == pytest.approx(before, abs=1e-5)
    loaded, names = fer_models.load_model(path)
    assert names is None
    assert gives_valence_arousal(loaded)
    for one, other in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(to_numpy(one), to_numpy(other))


@pytest.mark.backend
def test_half_precision_keeps_its_answers_in_float32():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = with_valence_arousal(network())
    finally:
        keras.config.set_dtype_policy(policy)
    assert model.output["valence_arousal"].dtype == "float32"


def test_models_of_every_kind_take_the_head():
    # Its last dense layer reads the vector, wherever the softmax stands.
    plain = keras.Sequential(
        [keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")]
    )
    assert with_valence_arousal(plain, name="both").name == "both"
    chosen = with_valence_arousal(network(), features="pool")
    assert chosen.get_layer("valence_arousal_dense").kernel.shape == (4, 2)
    ours = fer_models.emotion_cnn(input_shape=(48, 48, 1), classes=4)
    units = ours.get_layer("logits").kernel.shape[0]
    model = with_valence_arousal(ours)
    shapes = {name: tuple(output.shape) for name, output in model.output.items()}
    assert shapes == {"expression": (None, 4), "valence_arousal": (None, 2)}
    assert model.get_layer("valence_arousal_dense").kernel.shape == (units, 2)


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"`features` must be the name of a layer.*'nose'"):
        with_valence_arousal(network(), features="nose")
    with pytest.raises(ValueError, match=r"`features` must name a layer that gives a vector"):
        with_valence_arousal(network(), features="conv")
    with pytest.raises(ValueError, match=r"`model` must have one output"):
        with_valence_arousal(with_valence_arousal(network()))
    with pytest.raises(ValueError, match=r"`model` must be a built `keras.Model`"):
        with_valence_arousal("little")
    image = keras.Input((8, 8, 1))
    with pytest.raises(ValueError, match=r"\(batch, classes\). Received: .*\(None, 6, 6, 2\)"):
        with_valence_arousal(keras.Model(image, keras.layers.Conv2D(2, 3)(image)))
    pooled = keras.layers.Softmax()(keras.layers.GlobalAveragePooling2D()(image))
    with pytest.raises(ValueError, match=r"no dense layer"):
        with_valence_arousal(keras.Model(image, pooled))
    inner = keras.layers.Dense(5)(keras.layers.GlobalAveragePooling2D()(image))
    scores = keras.layers.Softmax()(inner[:, :2])
    with pytest.raises(ValueError, match=r"does not give its classes.* of 5 units, 2 classes"):
        with_valence_arousal(keras.Model(image, scores))
    other = keras.Input((8, 8, 1))
    pair = keras.layers.Dense(2)(keras.layers.Flatten()(image + other))
    with pytest.raises(ValueError, match=r"one input"):
        with_valence_arousal(keras.Model([image, other], pair))
    with pytest.raises(ValueError, match=r"`weight` must be a number >= 0"):
        joint_losses(-1)


def test_other_dictionaries_are_still_refused():
    plain = network()
    other = keras.Model(plain.inputs, {"expression": plain.output, "age": plain.output})
    assert not gives_valence_arousal(other)
    with pytest.raises(ValueError, match=r"`model` must have one output"):
        fer_models.evaluation.evaluate(other, np.zeros((2, 8, 8, 1)), [0, 1])
