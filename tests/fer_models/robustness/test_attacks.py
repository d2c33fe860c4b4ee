"""Attacks against closed forms, numerical gradients and the rules every attack must keep."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, ops

from fer_models.evaluation.mirror_mean import mirror_mean
from fer_models.robustness import InputGradients, apgd, fgsm, pgd, square
from fer_models.robustness.attacks import checkpoints
from fer_models.robustness.square_attack import side_of_square

SHAPE = (6, 6, 1)
ATTACKS = {
    "fgsm": fgsm,
    "pgd": lambda *args, **options: pgd(*args, steps=4, **options),
    "apgd_ce": lambda *args, **options: apgd(*args, steps=5, **options),
    "apgd_dlr": lambda *args, **options: apgd(*args, loss="dlr", steps=5, **options),
    "square": lambda *args, **options: square(*args, queries=6, **options),
}


def linear(classes=3, activation="softmax", seed=0, scale=0.01):
    model = keras.Sequential(
        [keras.Input(SHAPE), layers.Flatten(), layers.Dense(classes, activation=activation)]
    )
    generator = np.random.default_rng(seed)
    kernel = generator.normal(0, scale, (36, classes)).astype("float32")
    kernel -= kernel.mean(axis=0)  # Brightness says nothing.
    model.set_weights([kernel, np.zeros(classes, "float32")])
    return model, kernel.reshape(6, 6, 1, classes)


def curved(head=True):
    keras.utils.set_random_seed(1)
    stack = [
        keras.Input(SHAPE),
        layers.Rescaling(1 / 64),
        layers.GaussianNoise(0.5),
        layers.Conv2D(6, 3, activation="tanh"),
        layers.Dropout(0.5),
        layers.Flatten(),
        layers.Dense(4, name="scores"),
    ]
    return keras.Sequential(stack + ([layers.Softmax()] if head else []))


def pictures(count=6, seed=0, low=0, high=256):
    generator = np.random.default_rng(seed)
    return generator.integers(low, high, (count, *SHAPE)).astype("uint8")


def predicted(model, images):
    return ops.convert_to_numpy(model(images.astype("float32"), training=False)).argmax(-1)


@pytest.fixture(scope="module")
def three():
    model, kernel = linear()
    return InputGradients(model), model, kernel


@pytest.fixture(scope="module")
def bent():
    model = curved()
    return InputGradients(model), model


@pytest.mark.backend
@pytest.mark.parametrize("attack", ["fgsm", "pgd", "apgd"])
def test_linear_model_of_two_classes_gives_the_closed_form(attack):
    model, kernel = linear(classes=2)
    images = pictures(8)
    labels = predicted(model, images)
    # So small that no face falls and no attack ends early: each must come to the same corner.
    epsilon = 0.02
    gap = kernel[..., 1] - kernel[..., 0]
    up = np.sign(gap) * np.where(labels == 0, 1, -1)[:, None, None, None]
    corner = np.clip(images + np.float32(epsilon) * up, 0, 255).astype("float32")
    run = {"fgsm": fgsm, "pgd": pgd, "apgd": lambda *args: apgd(*args, steps=30)}[attack]
    found = run(model, images, labels, epsilon)
    assert (predicted(model, found) == labels).all()
    np.testing.assert_allclose(found, corner, atol=2e-5)


def test_fgsm_of_three_classes_is_the_sign_of_the_cross_entropys_gradient(three):
    gradients, model, kernel = three
    images = pictures(8)
    labels = predicted(model, images)
    # In double precision, where the difference of 1 and a sure probability is not rounded away.
    odds = np.exp(np.einsum("hwck,bhwc->bk", kernel.astype("float64"), images))
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    slope = np.einsum("hwck,bk->bhwc", kernel, probabilities - np.eye(3)[labels])
    expected = np.clip(images + 2.0 * np.sign(slope), 0, 255)
    np.testing.assert_array_equal(fgsm(gradients, images, labels, 2), expected)


@pytest.mark.backend
@pytest.mark.parametrize("loss", ["ce", "dlr"])
def test_gradients_are_those_of_finite_differences(bent, loss):
    gradients, _ = bent
    images = pictures(2, seed=3).astype("float32")
    labels = np.array([1, 2])
    _, _, slopes = gradients(images, labels, loss)
    step = 0.25
    for place in ((0, 0, 0), (2, 3, 0), (5, 5, 0), (4, 1, 0)):
        shift = np.zeros(SHAPE, "float32")
        shift[place] = step
        above, below = (
            gradients(np.clip(images + s * shift, 0, 255), labels, loss)[1] for s in (1, -1)
        )
        width = (
            np.clip(images + shift, 0, 255) - np.clip(images - shift, 0, 255)
        )[(slice(None), *place)]  # fmt: skip
        np.testing.assert_allclose(
            slopes[(slice(None), *place)], (above - below) / width, rtol=0.05, atol=1e-4
        )


def test_the_dlr_loss_is_the_papers(bent):
    gradients, _ = bent
    images, labels = pictures(5, seed=4), np.array([0, 1, 2, 3, 0])
    scores, losses, _ = gradients(images, labels, "dlr")
    for row, label, loss in zip(scores, labels, losses, strict=True):
        order = np.sort(row)[::-1]
        other = max(value for place, value in enumerate(row) if place != label)
        assert loss == pytest.approx(-(row[label] - other) / (order[0] - order[2]), rel=1e-5)


def test_the_ce_loss_orders_as_the_cross_entropy(bent):
    gradients, model = bent
    images, labels = pictures(5, seed=4), np.array([0, 1, 2, 3, 0])
    losses = gradients(images, labels, "ce")[1]
    rows = ops.convert_to_numpy(model(images.astype("float32"), training=False))
    crossentropy = -np.log(rows[np.arange(5), labels])
    np.testing.assert_allclose(np.log1p(np.exp(losses)), crossentropy, rtol=1e-4)


@pytest.mark.backend
@pytest.mark.parametrize("end", ["dense", "activation", "softmax", "dropout"])
def test_the_softmax_at_the_end_changes_nothing(three, end):
    gradients = three[0]
    model, _ = linear(activation="softmax" if end == "dense" else None)
    if end == "activation":
        model.add(layers.Activation("softmax"))
    elif end != "dense":
        model.add(layers.Softmax())
    if end == "dropout":
        model.add(layers.Dropout(0.5))
    images, labels = pictures(4), np.array([0, 1, 2, 0])
    for ours, theirs in zip(
        gradients(images, labels), InputGradients(model)(images, labels), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


class Halved(layers.Dense):
    def call(self, inputs, training=None):
        return super().call(inputs, training=training) / 2


def softmax_called_twice(images):
    softmax, scores = layers.Softmax(), linear(activation=None)[0](images)
    return softmax(scores * softmax(scores))


def quantised(images):
    model, _ = linear()
    model.layers[-1].quantize("int8")
    return model(images)


@pytest.mark.backend
@pytest.mark.parametrize(
    "outputs",
    [
        lambda images: (linear(seed=1)[0](images) + linear(seed=2)[0](images)) / 2,
        lambda images: mirror_mean(linear()[0])(images),
        lambda images: linear()[0](images) * np.array([0.1, 0.2, 0.7], "float32"),
        lambda images: linear()[0](images) ** 0.5,
        lambda images: Halved(3, activation="softmax")(layers.Flatten()(images / 255)),
        softmax_called_twice,
        quantised,
    ],
    ids=["mean", "mirror mean", "prior", "power", "own call", "twice", "quantised"],
)
def test_scores_are_the_outputs_where_more_than_a_softmax_would_go(outputs):
    inputs = keras.Input(SHAPE)
    model = keras.Model(inputs, outputs(inputs))
    gradients = InputGradients(model)
    images = pictures(8)
    scores = gradients.scores(images)
    np.testing.assert_allclose(
        np.exp(scores) if gradients.from_probabilities else scores,
        ops.convert_to_numpy(model(images.astype("float32"), training=False)),
        rtol=1e-5,
        atol=1e-6,
    )


def test_a_folded_temperature_does_not_hide_the_gradient():
    # At this temperature the softmax is 1 and 0 in float32 and its cross-entropy has no slope.
    plain, kernel = linear(classes=4)
    sure, _ = linear(classes=4)
    sure.set_weights([kernel.reshape(36, 4) * 1000, np.zeros(4, "float32")])
    images = pictures(8)
    labels = predicted(plain, images)
    assert ops.convert_to_numpy(sure(images.astype("float32"))).max(-1).min() > 1 - 1e-6
    one, other = InputGradients(plain), InputGradients(sure)
    assert (np.abs(other(images, labels)[2]).max(axis=(1, 2, 3)) > 0).all()
    np.testing.assert_allclose(
        one(images, labels, "dlr")[1], other(images, labels, "dlr")[1], rtol=1e-3
    )
    changed = predicted(sure, pgd(other, images, labels, 40)) != labels
    assert changed.mean() >= (predicted(plain, pgd(one, images, labels, 40)) != labels).mean() > 0.5


def test_probabilities_without_a_known_softmax_are_taken_as_logarithms():
    class Shares(layers.Layer):
        def call(self, scores):
            raised = ops.exp(scores)
            return raised / ops.sum(raised, axis=-1, keepdims=True)

    plain, _ = linear(activation=None)
    shares = keras.Sequential([*plain.layers, Shares()])
    shares.build((None, *SHAPE))
    gradients = InputGradients(shares)
    assert gradients.from_probabilities
    assert not InputGradients(plain).from_probabilities
    images, labels = pictures(4), np.array([0, 1, 2, 0])
    np.testing.assert_allclose(
        gradients(images, labels)[1], InputGradients(plain)(images, labels)[1], atol=1e-3
    )


@pytest.mark.parametrize("name", ATTACKS)
@settings(max_examples=8)
@given(
    epsilon=st.floats(1e-3, 300) | st.sampled_from([2, 4, 8]),
    seed=st.integers(0, 99),
    whole=st.booleans(),
)
def test_results_stay_in_the_box_and_in_the_range(bent, name, epsilon, seed, whole):
    gradients, model = bent
    epsilon = min(epsilon, 255)
    generator = np.random.default_rng(seed)
    images = np.clip(generator.uniform(-60, 315, (4, *SHAPE)), 0, 255).astype("float32")
    if whole:
        images = np.round(images)
    labels = predicted(model, images)
    labels[0] = (labels[0] + 1) % 4
    found = ATTACKS[name](gradients, images, labels, epsilon)
    assert found.dtype == np.float32
    assert found.shape == images.shape
    assert found.min() >= 0
    assert found.max() <= 255
    assert np.abs(found.astype("float64") - images.astype("float64")).max() <= epsilon
    # Named wrong already: nothing to do.
    np.testing.assert_array_equal(found[0], images[0])


@pytest.mark.parametrize("name", ["pgd", "apgd_ce", "square"])
def test_the_seed_and_the_image_alone_decide(bent, name):
    # A gradient of one sign everywhere: rounding, which differs between batches, cannot turn it.
    model, _ = linear(classes=3 if name == "apgd_dlr" else 2)
    gradients = InputGradients(model)
    images = pictures(7)
    labels = predicted(model, images)
    attack = ATTACKS[name]
    first = attack(gradients, images, labels, 0.05, seed=1)
    np.testing.assert_array_equal(first, attack(gradients, images, labels, 0.05, seed=1))
    few = attack(gradients, images, labels, 0.05, seed=1, batch_size=3)
    np.testing.assert_allclose(first, few, atol=1e-3)
    np.testing.assert_allclose(
        first[:4], attack(gradients, images[:4], labels[:4], 0.05, seed=1), atol=1e-3
    )
    labels = predicted(bent[1], images)
    first, other = (attack(bent[0], images, labels, 30, seed=seed) for seed in (1, 2))
    assert (first != other).any()


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_find_what_noise_does_not(three, name):
    gradients, model, _ = three
    images = pictures(40, low=60, high=200)
    labels = predicted(model, images)
    epsilon = 10
    noise = np.random.default_rng(0).choice([-epsilon, epsilon], images.shape)
    by_noise = (predicted(model, images + noise) != labels).mean()
    options = {"queries": 60} if name == "square" else {}
    run = square if name == "square" else ATTACKS[name]
    by_attack = predicted(model, run(gradients, images, labels, epsilon, **options)) != labels
    assert by_attack.mean() > by_noise + 0.2


@pytest.mark.backend
def test_noise_layers_are_off(bent):
    gradients, model = bent
    images = pictures(3)
    np.testing.assert_array_equal(gradients.scores(images), gradients.scores(images))
    plain = keras.Sequential([layer for layer in model.layers[:-1] if "noise" not in layer.name])
    plain.build((None, *SHAPE))
    expected = ops.convert_to_numpy(plain(images.astype("float32"), training=False))
    np.testing.assert_allclose(gradients.scores(images), expected, rtol=1e-5, atol=1e-5)


def test_new_weights_are_seen():
    model, kernel = linear()
    gradients = InputGradients(model)
    images = pictures(2)
    before = gradients.scores(images)
    model.set_weights([2 * kernel.reshape(36, 3), np.zeros(3, "float32")])
    np.testing.assert_allclose(gradients.scores(images), 2 * before, rtol=1e-5)


def test_one_step_may_cross_the_whole_range(three):
    gradients, model, _ = three
    images = pictures(4)
    found = pgd(gradients, images, predicted(model, images), 128, steps=1)
    assert 64 < np.abs(found - images).max() <= 128


def test_checkpoints_are_those_of_the_paper():
    assert checkpoints(100) == [22, 41, 57, 70, 80, 87, 93, 99]
    assert checkpoints(1) == [1]
    assert all(1 <= look <= 7 for look in checkpoints(7))


def test_squares_shrink():
    sides = [side_of_square(query, 1000, 0.8, 48, 48) for query in range(1000)]
    assert sides[0] == round(np.sqrt(0.8 * 48 * 48))
    assert sides[-1] == round(np.sqrt(0.8 / 512 * 48 * 48))
    assert sides == sorted(sides, reverse=True)
    assert side_of_square(0, 10, 1.0, 4, 9) == 4


def test_progress_is_shown(three, capsys):
    gradients, model, _ = three
    images = pictures(4)
    pgd(gradients, images, predicted(model, images), 4, steps=2, verbose=1)
    assert "PGD, 4/255" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((2, 6, 6), "uint8")}, "`images` must be numbers of shape"),
        ({"images": np.zeros((2, 7, 6, 1), "uint8")}, "`images` must be of the model's shape"),
        ({"images": np.full((2, *SHAPE), 256.0)}, r"`images` must be in \[0, 255\]"),
        ({"images": np.full((2, *SHAPE), np.nan)}, r"`images` must be in \[0, 255\]"),
        ({"images": np.zeros((0, *SHAPE))}, "one example or more"),
        ({"images": pictures(2) / 255}, "`images` .* multiply them by 255"),
        ({"labels": [0]}, "`labels` must be 2 integers"),
        ({"labels": [0.0, 1.0]}, "`labels` must be 2 integers"),
        ({"labels": [0, 3]}, "`labels` must be from 0 to 2"),
        ({"epsilon": 0}, "`epsilon` must be above 0"),
        ({"epsilon": 256}, "`epsilon` must be above 0"),
        ({"epsilon": "2"}, "`epsilon` must be above 0"),
        ({"batch_size": 0}, "`batch_size` must be an integer >= 1"),
        ({"steps": 0}, "`steps` must be an integer >= 1"),
        ({"seed": -1}, "`seed` must be an integer >= 0"),
        ({"step_size": -1}, "`step_size` must be above 0"),
        ({"loss": "hinge"}, "`loss` must be one of"),
        ({"queries": 0}, "`queries` must be an integer >= 1"),
        ({"share": 0}, r"`share` must be in \(0, 1\]"),
    ],
)
def test_bad_arguments(three, change, message):
    gradients = three[0]
    own = {"step_size": pgd, "loss": apgd, "queries": square, "share": square, "steps": apgd}
    attack = next((own[name] for name in change if name in own), pgd)
    given = {"images": pictures(2), "labels": [0, 1], "epsilon": 2, **change}
    with pytest.raises(ValueError, match=message):
        attack(gradients, **given)


@pytest.mark.parametrize("attack", list(ATTACKS))
def test_black_faces_are_not_taken_for_scaled_ones(three, attack):
    gradients, model, _ = three
    dark = np.zeros((2, *SHAPE), "uint8")
    dark[1] = 1
    found = ATTACKS[attack](gradients, dark, predicted(model, dark), 0.5)
    assert found.max() <= 1.5
    with pytest.raises(ValueError, match="multiply them by 255"):
        gradients.scores(dark / 2.0)
    assert gradients.of_parts().scores(dark / 2.0).shape == (2, 3)


def test_bad_models():
    with pytest.raises(ValueError, match=r"must be a `keras.Model`"):
        fgsm("model", pictures(1), [0], 2)
    vector = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    with pytest.raises(ValueError, match="must take images"):
        fgsm(vector, pictures(1), [0], 2)
    single = keras.Sequential([keras.Input(SHAPE), layers.Flatten(), layers.Dense(1)])
    with pytest.raises(ValueError, match="two classes or more"):
        fgsm(single, pictures(1), [0], 2)
    maps = keras.Sequential([keras.Input(SHAPE), layers.Conv2D(3, 1)])
    with pytest.raises(ValueError, match="one output of shape"):
        fgsm(maps, pictures(1), [0], 2)
    with pytest.raises(ValueError, match="three classes or more"):
        apgd(linear(classes=2)[0], pictures(1), [0], 2, loss="dlr")
