"""Label distribution learning: the loss by hand, and a teacher through a whole training."""

import json

import keras
import numpy as np
import pytest
from helpers.layers import slow_off_tensorflow, to_numpy
from keras import ops

from fer_models.training.label_distribution import (
    LabelDistributionDistillation,
    LabelDistributionDistiller,
    LabelDistributionLoss,
    distiller,
    teacher_for,
)

CLASSES = 3
# Tracing takes longer than these few batches; the tests that do not say so run compiled.
UNTRACED = {"run_eagerly": keras.backend.backend() == "tensorflow"}


def network(width=4, shape=(6, 6, 3), seed=0, activation="softmax", penalty=None):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input(shape)
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(width, 3, activation="relu", kernel_regularizer=penalty)(x)
    x = keras.layers.BatchNormalization(momentum=0.5)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(CLASSES, name="logits")(x)
    x = keras.layers.Activation(activation, dtype="float32", name="predictions")(x)
    return keras.Model(inputs, x)


def faces(count=20, shape=(6, 6, 3), seed=0):
    rng = np.random.default_rng(seed)
    images = rng.uniform(0, 255, (count, *shape)).astype("float32")
    return images, np.eye(CLASSES, dtype="float32")[rng.integers(0, CLASSES, count)]


def distributions(count, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(CLASSES), count).astype("float32")


def snapshot(model):
    return [to_numpy(weight).copy() for weight in model.weights]


def same(before, model, **tolerance):
    for a, b in zip(before, model.weights, strict=True):
        np.testing.assert_allclose(a, to_numpy(b), **tolerance)


def trained(student_loss_weight=0.0, epochs=2, callbacks=(), initial_epoch=0, model=None, **fit):
    if model is None:
        model = distiller(network(), network(8, seed=1), student_loss_weight)
        model.compile(keras.optimizers.Adam(0.02), metrics=["accuracy"], **UNTRACED)
    images, labels = faces()
    fit = {"batch_size": 8, "shuffle": False, "verbose": 0, **fit}
    history = model.fit(
        images, labels, epochs=epochs, callbacks=list(callbacks), initial_epoch=initial_epoch, **fit
    )
    return model, history.history


def loss_of(model):
    model.compile("sgd")
    return to_numpy(model.compute_loss(*faces(), training=False))


# The loss


@pytest.mark.backend
@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("class_mean", [False, True])
def test_loss_by_hand(from_logits, class_mean):
    truth, logits = distributions(5), np.random.default_rng(1).normal(size=(5, CLASSES))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    loss = LabelDistributionLoss(from_logits=from_logits, class_mean=class_mean)
    terms = truth * np.log(probabilities)
    expected = -terms.mean() if class_mean else -terms.sum(axis=1).mean()
    found = loss(truth, (logits if from_logits else probabilities).astype("float32"))
    np.testing.assert_allclose(to_numpy(found), expected, rtol=1e-5)


def test_loss_is_divergence_plus_entropy():
    truth, predicted = distributions(6), distributions(6, seed=1)
    entropy = -(truth * np.log(truth)).sum(axis=1).mean()
    divergence = to_numpy(keras.losses.KLDivergence()(truth, predicted))
    found = to_numpy(LabelDistributionLoss()(truth, predicted))
    np.testing.assert_allclose(found, divergence + entropy, rtol=1e-4)


def test_votes_are_shares_and_rows_without_votes_cost_nothing():
    loss = LabelDistributionLoss(reduction=None)
    votes, predicted = np.array([[8.0, 2, 0], [0, 0, 0]]), distributions(2)
    shares = votes / 10
    found = to_numpy(loss(votes, predicted))
    np.testing.assert_allclose(found[0], to_numpy(loss(shares, predicted))[0], rtol=1e-6)
    assert found[0] > 0
    assert found[1] == 0


@pytest.mark.backend
@pytest.mark.usefixtures("untraced")
def test_gradients_of_votes():
    # d loss / d logits is softmax - shares, whatever the votes sum to; 0 where there are none.
    votes = np.array([[8.0, 2, 0], [0.5, 0.25, 0.25], [0, 0, 0]], "float32")
    images = np.random.default_rng(0).normal(size=(3, CLASSES)).astype("float32")
    for from_logits in (False, True):
        inputs = keras.Input((CLASSES,))
        scale = keras.layers.Dense(CLASSES, use_bias=False, kernel_initializer="identity")
        outputs = scale(inputs)
        if not from_logits:
            outputs = keras.layers.Softmax()(outputs)
        model = keras.Model(inputs, outputs)
        loss = LabelDistributionLoss(from_logits, reduction="sum")
        model.compile(keras.optimizers.SGD(1.0), loss)
        model.fit(images, votes, batch_size=3, verbose=0)
        shares = votes / np.maximum(votes.sum(axis=1, keepdims=True), 1e-9)
        softmax = np.exp(images) / np.exp(images).sum(axis=1, keepdims=True)
        gradient = (softmax - shares) * (votes.sum(axis=1, keepdims=True) > 0)
        moved = np.eye(CLASSES) - to_numpy(scale.kernel)
        np.testing.assert_allclose(moved, images.T @ gradient, atol=1e-5)


def test_loss_stays_float32_and_finite_in_half_precision():
    predicted = ops.cast(np.array([[1.0, 0.0, 0.0]]), "float16")
    truth = ops.cast(np.array([[0.0, 1.0, 0.0]]), "float16")
    found = LabelDistributionLoss()(truth, predicted)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_allclose(to_numpy(found), -np.log(keras.config.epsilon()), rtol=1e-3)


def test_loss_config():
    loss = LabelDistributionLoss(True, class_mean=True, reduction="sum", name="soft")
    written = json.loads(json.dumps(keras.saving.serialize_keras_object(loss)))
    assert written["registered_name"] == "fer_models>LabelDistributionLoss"
    revived = keras.losses.deserialize(written)
    assert revived.get_config() == loss.get_config()
    assert (revived.from_logits, revived.class_mean) == (True, True)


@pytest.mark.parametrize(
    ("truth", "predicted"),
    [
        (np.array([0, 1]), distributions(2)),
        (np.ones((2, 2)), distributions(2)),
        (np.ones((2, 1)), np.ones((2, 1))),
        (np.float32(1), np.float32(1)),
    ],
)
def test_loss_refuses_what_is_no_distribution(truth, predicted):
    with pytest.raises(ValueError, match=r"`y_true` must be a distribution .*Received: y_true of"):
        LabelDistributionLoss()(truth, predicted)


@pytest.mark.parametrize("argument", ["from_logits", "class_mean"])
def test_loss_refuses_wrong_flags(argument):
    with pytest.raises(ValueError, match=f"`{argument}` must be True or False.*Received: .*=3"):
        LabelDistributionLoss(**{argument: 3})
    with pytest.raises(ValueError, match=f"`{argument}` must be True or False"):
        LabelDistributionDistillation(**{argument: "yes"})


@pytest.mark.usefixtures("untraced")
@pytest.mark.slow
def test_learns_from_votes_of_the_pipeline():
    pytest.importorskip("tensorflow")
    from fer_data.pipelines.images import pipeline

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (12, 6, 6, 3)).astype("uint8")
    votes = rng.integers(0, 5, (12, CLASSES)).astype("float32")
    votes[0] = 0  # nobody voted: the label stands for one vote
    data = {"image": images, "label": np.arange(12) % CLASSES, "votes": votes}
    batches = pipeline(data, size=6, classes=CLASSES, batch_size=4, labels="soft", training=True)
    model = network()
    model.compile("adam", LabelDistributionLoss(), metrics=["accuracy"])
    history = model.fit(batches, epochs=1, validation_data=batches, verbose=0).history
    assert np.isfinite(history["val_loss"]).all()
    assert "val_accuracy" in history


# The teacher


@pytest.mark.backend
@pytest.mark.slow
def test_training_moves_the_student_and_leaves_the_teacher(tmp_path):
    student, teacher = network(penalty="l2"), network(8, seed=1)
    before, taught = snapshot(student), snapshot(teacher)
    model = distiller(student, teacher)
    assert isinstance(model, keras.distillation.Distiller)
    model.compile(keras.optimizers.AdamW(0.02, weight_decay=0.1), metrics=["accuracy"])
    images, labels = faces()
    _, history = trained(model=model, validation_data=(images, labels))
    same(taught, teacher, atol=0)
    assert all(np.any(a != to_numpy(b)) for a, b in zip(before, student.weights, strict=True))
    assert len(history["val_accuracy"]) == 2
    assert history["distillation_loss"][-1] < history["distillation_loss"][0]

    expected = LabelDistributionLoss()(teacher(images), student(images))
    found = model.evaluate(images, labels, batch_size=20, verbose=0, return_dict=True)
    np.testing.assert_allclose(found["distillation_loss"], to_numpy(expected), rtol=1e-4)
    # Keras's own distiller leaves the penalty out.
    np.testing.assert_allclose(found["loss"], to_numpy(expected + student.losses[0]), rtol=1e-4)

    model.student.save(tmp_path / "student.keras")
    alone = keras.models.load_model(tmp_path / "student.keras")
    assert type(alone) is type(student)
    np.testing.assert_allclose(
        model.predict(images, verbose=0), to_numpy(alone(images, training=False)), rtol=1e-4
    )


def test_the_authors_scale():
    ours, theirs = (
        loss_of(distiller(network(), network(8, seed=1), class_mean=form)) for form in (False, True)
    )
    np.testing.assert_allclose(ours, theirs * CLASSES, rtol=1e-5)


def test_logits_teach_as_their_probabilities_do():
    found = []
    for activation in ("softmax", None):
        student, teacher = (network(activation=activation, seed=seed) for seed in (0, 1))
        found.append(loss_of(distiller(student, teacher, from_logits=activation is None)))
    np.testing.assert_allclose(*found, rtol=1e-4)


@pytest.mark.usefixtures("untraced")
def test_labels_take_their_share():
    weight = 0.3
    images, labels = faces()
    model = distiller(network(), network(8, seed=1), student_loss_weight=weight)
    student, teacher = (each(images) for each in (model.student, model.teacher))
    loss = LabelDistributionLoss()
    expected = weight * loss(labels, student) + (1 - weight) * loss(teacher, student)
    model.compile("sgd")
    found = model.evaluate(images, labels, batch_size=20, verbose=0, return_dict=True)
    np.testing.assert_allclose(found["loss"], to_numpy(expected), rtol=1e-4)


@slow_off_tensorflow
def test_a_thawed_teacher_gets_no_gradient():
    model = distiller(network(), network(8, seed=1))
    model.trainable = True
    model.student.trainable = False
    model.teacher.trainable = True
    taught = snapshot(model.teacher)
    model.compile(keras.optimizers.SGD(1.0))
    if keras.backend.backend() == "tensorflow":
        with pytest.raises(ValueError, match="No gradients provided for any variable"):
            trained(model=model)
    else:
        trained(model=model)
    same(taught, model.teacher, atol=0)


@pytest.mark.backend
@pytest.mark.slow
def test_mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        student, teacher = network(), network(8, seed=1)
        taught = snapshot(teacher)
        model = distiller(student, teacher)
        model.compile("adam", metrics=["accuracy"])
        assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
        _, history = trained(model=model)
    finally:
        keras.config.set_dtype_policy("float32")
    assert np.isfinite(history["loss"]).all()
    same(taught, teacher, atol=0)
    images, _ = faces()
    np.testing.assert_array_equal(
        to_numpy(model(images, training=False)), to_numpy(student(images, training=False))
    )


@pytest.mark.backend
@pytest.mark.slow
def test_the_best_checkpoint_loads_and_trains_on(tmp_path):
    images, labels = faces()
    path = tmp_path / "best.keras"
    best = keras.callbacks.ModelCheckpoint(path, monitor="val_accuracy", save_best_only=True)
    # A loss that is an object, and both terms, so that all of it must come back.
    model = distiller(network(), network(8, seed=1), student_loss_weight=0.5)
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    model.compile(keras.optimizers.Adam(0.02), loss, metrics=["accuracy"], **UNTRACED)
    _, history = trained(model=model, callbacks=[best], validation_data=(images, labels))
    assert path.exists()
    model.save(path)

    again = keras.models.load_model(path)
    assert isinstance(again, LabelDistributionDistiller)
    assert not again.teacher.trainable
    assert int(again.optimizer.iterations) == int(model.optimizer.iterations) == 6
    found = again.evaluate(images, labels, batch_size=8, verbose=0, return_dict=True)
    for name, value in found.items():
        np.testing.assert_allclose(value, history[f"val_{name}"][-1], rtol=1e-4, err_msg=name)
    for each in (model, again):
        trained(model=each)
    same(snapshot(model), again, atol=1e-6)


def test_weights_round_trip_with_the_optimizer(tmp_path):
    model, _ = trained()
    model.save_weights(tmp_path / "all.weights.h5")
    other = distiller(network(seed=5), network(8, seed=6))
    other.compile(keras.optimizers.Adam(0.02), metrics=["accuracy"])
    other.optimizer.build(other.trainable_variables)
    other.load_weights(tmp_path / "all.weights.h5")
    same(snapshot(model), other, atol=0)
    for a, b in zip(model.optimizer.variables, other.optimizer.variables, strict=True):
        np.testing.assert_array_equal(to_numpy(a), to_numpy(b))


# Wrong pairs


@pytest.mark.parametrize(
    "weights", [{"class_weight": {0: 1.0, 1: 2.0, 2: 1.0}}, {"sample_weight": np.ones(20)}]
)
def test_weights_of_examples_are_refused(weights):
    with pytest.raises(ValueError, match="no sample or class weights"):
        trained(**weights)


def two_headed():
    model = network()
    return keras.Model(model.inputs, [model.output, model.output])


def unpooled():
    inputs = keras.Input((6, 6, 3))
    return keras.Model(inputs, keras.layers.Softmax()(inputs))


@pytest.mark.parametrize(
    ("student", "teacher", "options", "message"),
    [
        ("a model", network, {}, r"`student` must be a functional .*Received: student='a model'"),
        (network, keras.Sequential, {}, r"`teacher` must be a functional .*Received: teacher="),
        (
            network,
            lambda: network(shape=(8, 8, 3)),
            {},
            r"`teacher_for.*Received: student for images \(6, 6, 3\), teacher for images \(8",
        ),
        (network, lambda: network(shape=(6, 6, 1)), {}, "`teacher` must take the images of"),
        (network, lambda: network(activation=None), {}, "`teacher` must end in probabilities"),
        (lambda: network(activation=None), network, {}, "`student` must end in probabilities"),
        (unpooled, unpooled, {}, r"`teacher` must have one output, of shape \(batch, classes\)"),
        (two_headed, two_headed, {}, "`teacher` must have one output"),
        (network, network, {"student_loss_weight": 1.5}, r"_weight` must be .* in \[0, 1\]"),
        (network, network, {"class_mean": None}, "`class_mean` must be True or False"),
    ],
)
def test_wrong_pairs(student, teacher, options, message):
    student, teacher = (each() if callable(each) else each for each in (student, teacher))
    with pytest.raises(ValueError, match=message):
        distiller(student, teacher, **options)


def test_other_classes_are_refused():
    inputs = keras.Input((6, 6, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    teacher = keras.Model(inputs, keras.layers.Dense(7, activation="softmax")(pooled))
    with pytest.raises(ValueError, match="output shapes are incompatible"):
        distiller(network(), teacher)


# Teachers of other sizes


@pytest.mark.parametrize(
    ("student_shape", "teacher_shape"),
    [((6, 6, 1), (12, 10, 3)), ((8, 8, 3), (6, 6, 1))],
)
def test_teacher_for_another_size(tmp_path, student_shape, teacher_shape):
    teacher = network(8, shape=teacher_shape, seed=1)
    fitted = teacher_for(teacher, student_shape)
    images, _ = faces(shape=student_shape)
    x = images
    if (student_shape[-1], teacher_shape[-1]) == (3, 1):
        x = x @ np.array([[0.299], [0.587], [0.114]], "float32")
    x = ops.image.resize(x, teacher_shape[:2], antialias=True)
    if (student_shape[-1], teacher_shape[-1]) == (1, 3):
        x = ops.repeat(x, 3, axis=-1)
    np.testing.assert_allclose(to_numpy(fitted(images)), to_numpy(teacher(x)), atol=1e-3, rtol=1e-3)
    model = distiller(network(shape=student_shape), fitted)
    assert not teacher.trainable
    model.save(tmp_path / "all.keras")
    again = keras.models.load_model(tmp_path / "all.keras")
    np.testing.assert_allclose(to_numpy(again.teacher(images)), to_numpy(fitted(images)), rtol=1e-5)


def test_teacher_for_its_own_size_is_itself():
    teacher = network()
    assert teacher_for(teacher, [6, 6, 3]) is teacher


@pytest.mark.parametrize(
    ("teacher_shape", "input_shape", "message"),
    [
        ((6, 6, 3), (6, 6), r"`input_shape` must be of images .*Received: shape \(6, 6\)"),
        ((6, 6, 3), (6, 6, 4), "`input_shape` must be of images"),
        ((6, 6, 2), (6, 6, 3), "`teacher` must be of images"),
        ((None, None, 3), (6, 6, 1), "`teacher` must have a fixed height and width"),
    ],
)
def test_teacher_for_wrong_shapes(teacher_shape, input_shape, message):
    with pytest.raises(ValueError, match=message):
        teacher_for(network(shape=teacher_shape), input_shape)
