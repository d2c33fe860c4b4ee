"""DP-SGD: each example's gradient is clipped exactly, noise has its scale, epsilon holds."""

import keras
import numpy as np
import pytest

from fer_models import distiller, ghostface, recipes
from fer_models.training import resume
from fer_models.training.accountant import epsilon
from fer_models.training.dp_sgd import DPSGD, DPTrainer, freeze_batch_norm

ON_TENSORFLOW = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="DP-SGD is for the TensorFlow backend"
)
SIZE, CLASSES = 6, 3


def network(dropout=0.0, norm=True):
    image = keras.Input((SIZE, SIZE, 1))
    x = keras.layers.Conv2D(3, 3, activation="tanh")(image)
    if norm:
        x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Flatten()(x)
    if dropout:
        x = keras.layers.Dropout(dropout, seed=1)(x)
    logits = keras.layers.Dense(CLASSES, kernel_regularizer=keras.regularizers.L2(0.01))(x)
    return keras.Model(image, keras.layers.Softmax()(logits))


def faces(count, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(count, SIZE, SIZE, 1)).astype("float32")
    # Some far stronger than others, so that some gradients are clipped and some are not.
    images *= rng.choice([0.05, 3.0], (count, 1, 1, 1))
    return images, np.eye(CLASSES, dtype="float32")[rng.integers(0, CLASSES, count)]


def trainer(model=None, batch_size=10, **options):
    options = {"noise_multiplier": 0.0, "seed": 3} | options
    model = network() if model is None else model
    freeze_batch_norm(model)
    made = DPTrainer(model, DPSGD(**options), batch_size)
    made.compile(keras.optimizers.SGD(1.0), "categorical_crossentropy", metrics=["accuracy"])
    return made


def gradient_by_hand(model, image, label):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        output = model(image[None], training=True)
        loss = keras.losses.categorical_crossentropy(label[None], output)[0] + sum(model.losses)
    return [g.numpy().astype("float64") for g in tape.gradient(loss, model.trainable_weights)]


@ON_TENSORFLOW
def test_each_gradient_is_clipped_exactly_and_the_step_is_their_sum():
    keras.utils.set_random_seed(0)
    images, labels = faces(7)
    model = network()
    freeze_batch_norm(model)
    gradients = [gradient_by_hand(model, *face) for face in zip(images, labels, strict=True)]
    norms = np.array([np.sqrt(sum((g**2).sum() for g in each)) for each in gradients])
    clip = float(np.median(norms)) * 1.01
    assert (norms > clip).sum() == 3
    factors = np.minimum(1.0, clip / norms)
    expected = [
        sum(factor * each[part] for factor, each in zip(factors, gradients, strict=True))
        for part in range(len(model.trainable_weights))
    ]
    made = trainer(model, l2_norm_clip=clip)
    before = [v.numpy() for v in made.network.trainable_variables]
    made.train_on_batch(images, labels)
    for old, new, total in zip(before, made.network.trainable_variables, expected, strict=True):
        np.testing.assert_allclose(old - new.numpy(), total / 10, rtol=1e-4, atol=1e-6)


@ON_TENSORFLOW
def test_examples_do_not_touch_each_other():
    import tensorflow as tf

    keras.utils.set_random_seed(1)
    made = trainer()
    # Traced once, for any number of faces.
    shapes = [tf.TensorSpec((None, SIZE, SIZE, 1)), tf.TensorSpec((None, CLASSES))]
    clipped_sums = tf.function(made.clipped_sums, shapes)
    images, labels = faces(9)
    together, losses, outputs, norms = clipped_sums(images, labels)
    alone = [clipped_sums(images[i : i + 1], labels[i : i + 1]) for i in range(9)]
    for index, total in enumerate(together):
        np.testing.assert_allclose(total, sum(each[0][index] for each in alone), atol=1e-5)
    np.testing.assert_allclose(norms, np.concatenate([each[3] for each in alone]), rtol=1e-4)
    np.testing.assert_allclose(outputs, made.network(images), atol=1e-6)
    assert losses.shape == (9,)
    for sums, *_ in alone:
        assert np.sqrt(sum((np.asarray(g) ** 2).sum() for g in sums)) <= 1 + 1e-5


@pytest.mark.slow
@ON_TENSORFLOW
def test_each_example_draws_its_own_dropout():
    made = trainer(network(dropout=0.5))
    images, labels = (np.repeat(part[:1], 12, 0) for part in faces(1))
    norms = made.clipped_sums(images, labels)[3].numpy()
    assert len(np.unique(norms.round(6))) > 8
    assert not np.allclose(norms, made.clipped_sums(images, labels)[3])


@ON_TENSORFLOW
def test_noise_is_normal_with_the_stated_scale():
    from scipy.stats import kstest

    image = keras.Input((100,))
    model = keras.Model(image, keras.layers.Dense(200, kernel_initializer="zeros")(image))
    made = DPTrainer(model, DPSGD(noise_multiplier=2.0, l2_norm_clip=0.5, seed=7), batch_size=4)
    made.compile(keras.optimizers.SGD(1.0), lambda y, p: 0.0 * keras.ops.sum(p, axis=-1))
    x, y = np.ones((3, 100), "float32"), np.zeros((3, 200), "float32")
    steps = []
    for _ in range(2):
        before = model.layers[1].kernel.numpy()
        made.train_on_batch(x, y)
        steps.append((model.layers[1].kernel.numpy() - before).ravel())
    expected = 2.0 * 0.5 / 4
    for step in steps:
        assert np.std(step) == pytest.approx(expected, rel=0.03)
        assert kstest(step / expected, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(steps)[0, 1]) < 0.03


@pytest.mark.slow
@ON_TENSORFLOW
def test_noise_differs_from_training_to_training_unless_a_seed_is_given():
    images, labels = faces(4)
    after, states = [], []
    for seed in (5, 5, None, None):
        keras.utils.set_random_seed(2)
        made = trainer(network(norm=False), noise_multiplier=1.0, seed=seed)
        states.append(np.array(made.generator.state))
        made.train_on_batch(images, labels)
        after.append(made.network.get_weights()[0])
    # 31 bits could be tried out.
    assert states[2][0] != states[3][0]
    assert states[2][1] != states[3][1]
    assert np.array_equal(after[0], after[1])
    assert not np.array_equal(after[2], after[3])


@ON_TENSORFLOW
def test_batch_norm_is_frozen_everywhere():
    model = ghostface(input_shape=(32, 32, 1), width=0.1)
    with pytest.raises(ValueError, match="Batch norm must be frozen"):
        DPTrainer(model, DPSGD(noise_multiplier=1.0), 8).compile("sgd", "mse")
    count = sum("moving_mean" in v.path for v in model.variables)
    assert freeze_batch_norm(model) == count > 20
    DPTrainer(model, DPSGD(noise_multiplier=1.0), 8).compile("sgd", "mse")


class MovingMean(keras.layers.Layer):
    """Subtracts a mean that training moves."""

    def build(self, input_shape):
        self.mean = self.add_weight(shape=input_shape[-1:], initializer="zeros", trainable=False)

    def call(self, inputs, training=False):
        if training:
            self.mean.assign(0.9 * self.mean + 0.1 * keras.ops.mean(inputs, axis=0))
        return inputs - self.mean


@ON_TENSORFLOW
def test_layers_with_a_state_that_training_changes_are_refused():
    def made(*layers):
        ends = keras.Input((SIZE, SIZE, 1)), keras.layers.Dense(CLASSES, activation="softmax")
        network = keras.Sequential([ends[0], *layers, ends[1]])
        return DPTrainer(network, DPSGD(noise_multiplier=1.0), 8)

    flat = keras.layers.Flatten()
    for frozen in (False, True):
        moving = MovingMean(name="moving", trainable=not frozen)
        spectral = keras.layers.SpectralNormalization(keras.layers.Conv2D(2, 3), name="spectral")
        spectral.trainable = not frozen
        for layers, name in (((flat, moving), "moving"), ((spectral, flat), "spectral")):
            with pytest.raises(ValueError, match=f"no state that training changes.*{name}"):
                made(*layers).compile("sgd", "mse")
    # Constants, seeds and frozen weights are none.
    constants = keras.layers.Normalization(mean=[1.0], variance=[2.0])
    dense = keras.layers.Dense(4, trainable=False)
    made(constants, flat, keras.layers.Dropout(0.5), dense).compile("sgd", "mse")


@ON_TENSORFLOW
def test_xla_is_never_taken(monkeypatch):
    import tensorflow as tf

    class Card:
        device_type, name = "GPU", "/physical_device:GPU:0"

    real = tf.config.list_physical_devices
    monkeypatch.setattr(
        tf.config,
        "list_physical_devices",
        lambda *kind: real(*kind) if kind else [*real(), Card()],
    )
    plain = network(norm=False)
    plain.compile("sgd", "mse")
    assert plain.jit_compile is True  # as Keras decides where there is a card
    made = DPTrainer(network(norm=False), DPSGD(noise_multiplier=1.0), 8)
    for options in ({}, {"jit_compile": "auto"}, {"jit_compile": False}):
        made.compile("sgd", "mse", **options)
        assert made.jit_compile is False
    with pytest.raises(ValueError, match=r"`jit_compile` must be False.*jit_compile=True"):
        made.compile("sgd", "mse", jit_compile=True)


def small(**changes):
    settings = {
        "name": "small",
        "source": "none",
        "model": None,
        "optimizer": "sgd",
        "batch_size": 8,
        "stages": (recipes.Stage("one", 1), recipes.Stage("two", 1)),
        "augmentation": "none",
    } | changes
    return recipes.Recipe(**settings)


@pytest.mark.slow
@ON_TENSORFLOW
def test_a_recipe_trains_with_it_and_goes_on(tmp_path, capsys):
    recipe = small(dp=DPSGD(noise_multiplier=0.5, seed=1), patience=3)
    data = faces(16)
    model = network()
    before = model.get_weights()
    history = recipe.fit(model, data, data, directory=tmp_path, verbose=0)
    assert {"loss", "accuracy", "val_loss"} <= history.history.keys()
    # Scale, offset, mean and variance of the batch norm stay; the other layers move.
    for number, (old, new) in enumerate(zip(before, model.get_weights(), strict=True)):
        assert np.array_equal(old, new) == (2 <= number < 6)
    saved = keras.models.load_model(tmp_path / "last.keras", compile=False)
    np.testing.assert_array_equal(saved(data[0]), model(data[0]))
    longer = recipe.replace(epochs=3)
    assert longer.fit(network(), data, data, directory=tmp_path, verbose=0).epoch == [2]
    assert resume.pick_up(tmp_path / "state").facts["whose"]["dp"]["l2_norm_clip"] == 1
    with pytest.raises(ValueError, match="dp differ"):
        recipe.replace(dp=None).fit(network(), data, data, directory=tmp_path, verbose=0)


@ON_TENSORFLOW
def test_bad_trainers():
    options = DPSGD(noise_multiplier=1.0)
    with pytest.raises(ValueError, match="`options` must be a `DPSGD`"):
        DPTrainer(network(), {"noise_multiplier": 1.0}, 8)
    with pytest.raises(ValueError, match="`batch_size` must be an integer >= 1"):
        DPTrainer(network(), options, 0)
    teaching = distiller(network(), network())
    for bad in (keras.Sequential(), "model", teaching):
        with pytest.raises(ValueError, match="`network` must be a functional or a built"):
            DPTrainer(bad, options, 8)
    made = DPTrainer(network(norm=False), options, np.int64(8))
    assert type(made.batch_size) is int
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD())
    with pytest.raises(ValueError, match="without loss scaling"):
        made.compile(scaled, "mse")
    made.compile("sgd", "categorical_crossentropy")
    with pytest.raises(ValueError, match="no sample or class weights"):
        made.fit(*faces(4), class_weight={0: 1.0, 1: 2.0, 2: 1.0}, verbose=0)
    with pytest.raises(ValueError, match="no distiller"):
        small(dp=options).fit(teaching, faces(8), verbose=0)


@pytest.mark.backend
@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="works on TensorFlow")
def test_other_backends_are_told_where_to_go():
    with pytest.raises(NotImplementedError, match="fit_private"):
        DPTrainer(network(norm=False), DPSGD(noise_multiplier=1.0), 8)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("noise_multiplier", -0.1),
        ("noise_multiplier", True),
        ("noise_multiplier", np.inf),
        ("noise_multiplier", np.nan),
        ("noise_multiplier", "1"),
        ("l2_norm_clip", 0),
        ("l2_norm_clip", "1"),
        ("l2_norm_clip", np.inf),
        ("delta", 0),
        ("delta", 1.0),
        ("delta", "1e-5"),
        ("seed", 0.5),
    ],
)
def test_bad_options(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be.*{name}={value!r}"):
        DPSGD(**{"noise_multiplier": 1.0} | {name: value})


def test_bad_recipes():
    options = DPSGD(noise_multiplier=1.0)
    with pytest.raises(ValueError, match="`dp` of a Recipe must be"):
        small(dp={"noise_multiplier": 1.0})
    with pytest.raises(ValueError, match="MixUp"):
        small(dp=options, augmentation="mixup")
    with pytest.raises(ValueError, match="class_weights"):
        small(dp=options, class_weights=True)


# What dp-accounting says, against its own accountants and against a formula.
def accounting():
    return pytest.importorskip("dp_accounting", reason="dp-accounting (extra [privacy]) is absent")


@pytest.mark.parametrize("sampling", ["shuffled", "poisson"])
@pytest.mark.parametrize("kind", ["rdp", "pld"])
def test_epsilon_is_that_of_dp_accounting(kind, sampling):
    dp = accounting()
    from dp_accounting.pld import PLDAccountant
    from dp_accounting.rdp import RdpAccountant

    found = epsilon(1.1, examples=1000, batch_size=50, epochs=3, sampling=sampling, accountant=kind)
    counter = PLDAccountant() if kind == "pld" else RdpAccountant()
    step = dp.GaussianDpEvent(1.1)
    if sampling == "shuffled":
        counter.compose(step, 3)
    else:
        counter.compose(dp.PoissonSampledDpEvent(0.05, step), 60)
    assert found == pytest.approx(counter.get_epsilon(1e-5), rel=1e-3)


@pytest.mark.parametrize(("noise", "epochs"), [(1.0, 1), (4.0, 20)])
def test_epsilon_without_amplification_is_that_of_the_gaussian_mechanism(noise, epochs):
    from scipy.optimize import brentq
    from scipy.stats import norm

    accounting()
    found = epsilon(noise, examples=1000, batch_size=50, epochs=epochs)
    # So many steps of one Gaussian mechanism are one with so much less noise (Balle and Wang,
    # 2018, theorem 8).
    mu = np.sqrt(epochs) / noise

    def excess(e):
        return norm.cdf(mu / 2 - e / mu) - np.exp(e) * norm.cdf(-mu / 2 - e / mu) - 1e-5

    exact = brentq(excess, 0, 200)
    assert exact <= found <= exact * 1.01


def test_epsilon_falls_with_noise_and_chance_and_is_infinite_without():
    accounting()
    # The cheaper accountant: both agree with dp-accounting.
    options = {"examples": 1000, "batch_size": 20, "epochs": 2, "accountant": "rdp"}
    assert epsilon(2.0, **options) < epsilon(1.0, **options)
    assert epsilon(1.0, **options, sampling="poisson") < epsilon(1.0, **options)
    assert epsilon(0.0, **options) == np.inf
    for sampling in ("shuffled", "poisson"):
        numbers = {name: np.int64(options[name]) for name in ("examples", "batch_size", "epochs")}
        same = epsilon(1.0, **options | numbers, sampling=sampling)
        assert same == epsilon(1.0, **options, sampling=sampling)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("examples", 0),
        ("batch_size", 2.5),
        ("epochs", True),
        ("noise_multiplier", -1),
        ("noise_multiplier", float("nan")),
        ("noise_multiplier", "1"),
        ("delta", 0.01),
        ("sampling", "random"),
        ("accountant", "moments"),
    ],
)
def test_bad_accounting(name, value):
    arguments = {"noise_multiplier": 1.0, "examples": 1000, "batch_size": 50, "epochs": 2}
    with pytest.raises(ValueError, match=f"`{name}` must be.*{name}='?{value}"):
        epsilon(**arguments | {name: value})


def test_without_dp_accounting(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "dp_accounting", None)
    with pytest.raises(ImportError, match=r'pip install "fer-keras\[privacy\]"'):
        epsilon(1.0, examples=1000, batch_size=50, epochs=2)
