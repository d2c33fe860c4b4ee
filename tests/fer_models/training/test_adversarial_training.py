"""Adversarial training: the attack keeps its rules, the step learns from it, a run goes on."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from fer_models import emotion_cnn, recipes
from fer_models.robustness import pgd
from fer_models.training import runs
from fer_models.training.adversarial_training import AdversarialTrainer, AdversarialTraining
from fer_models.training.dp_sgd import DPSGD
from fer_models.training.face_settings import FaceSettings
from fer_models.training.face_training import train_faces
from fer_models.training.renewed_model import RenewedModel

pytestmark = pytest.mark.skipif(
    keras.backend.backend() not in ("tensorflow", "jax"),
    reason="adversarial training is for the TensorFlow and JAX backends",
)
BACKEND = pytest.mark.backend
SHAPE, CLASSES = (6, 6, 1), 3


def network(noisy=False):
    keras.utils.set_random_seed(1)
    stack = [keras.Input(SHAPE), layers.Rescaling(1 / 64), layers.Conv2D(4, 3, activation="tanh")]
    if noisy:
        stack += [layers.BatchNormalization(), layers.Dropout(0.5, seed=4)]
    return keras.Sequential([*stack, layers.Flatten(), layers.Dense(CLASSES, activation="softmax")])


def linear():
    """Scores whose gradients are known: the difference of the kernel's columns."""
    model = keras.Sequential(
        [keras.Input(SHAPE), layers.Flatten(), layers.Dense(2, activation="softmax")]
    )
    model.set_weights([np.random.default_rng(0).normal(0, 0.01, (36, 2)), np.zeros(2)])
    return model


def trainer(model=None, **options):
    made = AdversarialTrainer(model or network(), AdversarialTraining(**options))
    made.compile(keras.optimizers.SGD(0.05), "categorical_crossentropy", metrics=["accuracy"])
    return made


def faces(count=12, seed=0, classes=CLASSES):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, *SHAPE)).astype("float32")
    return images, np.eye(classes, dtype="float32")[np.arange(count) % classes]


def attacked(made, images, targets):
    return ops.convert_to_numpy(made.attacked(images, targets))


@BACKEND
@pytest.mark.slow
def test_the_attack_stays_in_its_box_and_leaves_the_plain_share():
    images, targets = faces()
    found = attacked(trainer(epsilon=3, steps=2, plain_share=0.25), images, targets)
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 255
    change = np.abs(found - images).max(axis=(1, 2, 3))
    assert (change[:9] > 1).all()
    assert (change[:9] <= 3.0001).all()
    np.testing.assert_array_equal(found[9:], images[9:])


@pytest.mark.parametrize("count", [1, 2])
def test_of_the_smallest_batch_one_image_is_attacked(count):
    # The last batch of an epoch may be that small.
    images, targets = faces(count)
    found = attacked(trainer(epsilon=3, plain_share=0.75), images, targets)
    assert (np.abs(found - images).max(axis=(1, 2, 3)) > 1).sum() == 1


@BACKEND
def test_one_step_goes_along_the_sign_of_the_gradient():
    model = linear()
    kernel = model.get_weights()[0]
    images, targets = faces(8, classes=2)
    images = 64 + images / 2
    # Longer than the box is wide, a step ends in a corner, wherever it began.
    made = trainer(model, epsilon=2, step_size=4)
    found = attacked(made, images, targets)
    uphill = np.sign(kernel[:, 1] - kernel[:, 0]).reshape(SHAPE)
    signs = np.where(targets[:, 0, None, None, None] == 1, uphill, -uphill)
    np.testing.assert_allclose(found, images + 2 * signs, atol=1e-4)


@BACKEND
def test_a_sure_network_is_attacked_too():
    """Of its probabilities, which are 0 and 1, the loss has no gradient any more."""
    model = linear()
    model.set_weights([4 * model.get_weights()[0], np.zeros(2)])
    images, targets = faces(8, classes=2)
    found = attacked(trainer(model, epsilon=2, step_size=4), 64 + images / 2, targets)
    np.testing.assert_allclose(np.abs(found - 64 - images / 2), 2, atol=1e-4)


@BACKEND
def test_a_step_is_an_ordinary_one_on_the_attacked_batch(untraced):
    images, targets = faces()
    made = trainer(seed=3)
    changed = attacked(trainer(seed=3), images, targets)
    plain = network()
    plain.compile(keras.optimizers.SGD(0.05), "categorical_crossentropy", metrics=["accuracy"])
    found, expected = (
        each.train_on_batch(batch, targets, return_dict=True)
        for each, batch in ((made, images), (plain, changed))
    )
    assert found == pytest.approx(expected, abs=1e-6)
    for mine, other in zip(made.network.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-6)
    np.testing.assert_allclose(made.predict(images, verbose=0), made.network(images), atol=1e-6)


@BACKEND
@pytest.mark.slow
def test_the_random_starts_go_on_and_the_attack_changes_no_statistics():
    images, targets = faces()
    made = trainer(network(noisy=True), plain_share=0.5)
    norm = made.network.layers[2]
    first = attacked(made, images, targets)
    np.testing.assert_array_equal(norm.moving_mean, np.zeros(4))
    assert not np.array_equal(first, attacked(made, images, targets))
    np.testing.assert_array_equal(first[6:], images[6:])
    begun = ops.convert_to_numpy(made.generator.state).copy()
    made.fit(images, targets, batch_size=6, epochs=1, shuffle=False, verbose=0)
    drawn = ops.convert_to_numpy(made.generator.state)
    assert drawn[1] - begun[1] == 2
    assert np.abs(norm.moving_mean).max() > 0


@pytest.mark.slow
@BACKEND
def test_it_makes_a_network_that_withstands_more():
    """Classes that a weak sign in all pixels tells, and a strong one in a few."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 2, 256)
    images = 128 + rng.normal(0, 20, (256, *SHAPE))
    sides = np.where(classes, 1, -1)[:, None, None, None]
    images += 4 * sides * np.where(rng.random(SHAPE) < 0.5, -1, 1)
    images[:, :2, :2] += 20 * sides
    images, targets = images.clip(0, 255).astype("float32"), np.eye(2)[classes]
    left = []
    for epsilon in (1e-6, 8):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [
                keras.Input(SHAPE),
                layers.Rescaling(1 / 32, -4),
                layers.Flatten(),
                layers.Dense(2, activation="softmax"),
            ]
        )
        made = AdversarialTrainer(model, AdversarialTraining(epsilon=epsilon))
        made.compile(keras.optimizers.Adam(0.03), "categorical_crossentropy")
        made.fit(images, targets, batch_size=64, epochs=15, verbose=0)
        found = model.predict(pgd(model, images, classes, 8, steps=5), verbose=0).argmax(-1)
        left.append((found == classes).mean())
    assert left[1] > left[0] + 0.2


def test_mistakes():
    options = AdversarialTraining()
    image = keras.Input(SHAPE)
    scores = keras.Model(image, layers.Dense(2)(layers.Flatten()(image)))
    sigmoid = keras.Model(image, layers.Activation("sigmoid")(scores(image)))
    for model, message in (
        (scores, "must end in a softmax"),
        (sigmoid, "must end in a softmax"),
        (keras.Model(image, [scores(image), scores(image)]), "of one input and one output"),
        ("cnn", "`network` must be"),
    ):
        with pytest.raises(ValueError, match=message):
            AdversarialTrainer(model, options)
    with pytest.raises(ValueError, match="`options` must be an `AdversarialTraining`"):
        AdversarialTrainer(network(), {"epsilon": 2})
    made = AdversarialTrainer(network(), options)
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD())
    with pytest.raises(ValueError, match="without loss scaling"):
        made.compile(scaled, "categorical_crossentropy")
    with pytest.raises(ValueError, match="labels of shape"):
        made.attacked(faces()[0], np.zeros(12, "int32"))
    with pytest.raises(NotImplementedError, match="Save `network`"):
        made.get_config()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon": 0}, "`epsilon` must be above 0"),
        ({"epsilon": 300}, "`epsilon`"),
        ({"steps": 0}, "`steps`"),
        ({"step_size": -1}, "`step_size`"),
        ({"plain_share": 1}, "`plain_share` must be below 1"),
        ({"plain_share": -0.1}, "`plain_share`"),
        ({"seed": -1}, "`seed`"),
    ],
)
def test_options_of_other_kinds(options, message):
    with pytest.raises(ValueError, match=message):
        AdversarialTraining(**options)


def test_the_length_of_a_step():
    assert AdversarialTraining(epsilon=2).length == 2.5
    assert AdversarialTraining(epsilon=2, steps=10).length == 0.5
    assert AdversarialTraining(epsilon=2, step_size=1).length == 1


def test_settings_become_a_recipe_with_an_attack():
    settings = FaceSettings(adversarial_epsilon=2, adversarial_plain=0.5, seed=7)
    recipe = settings.to_recipe()
    assert recipe.adversarial == AdversarialTraining(epsilon=2, plain_share=0.5, seed=7)
    assert FaceSettings().to_recipe().adversarial is None
    for wrong, message in (
        ({"adversarial_steps": 2}, "need `adversarial_epsilon`"),
        ({"adversarial_epsilon": 2, "teacher": ("a.keras",)}, "cannot go together: give the"),
        (
            {"adversarial_epsilon": 2, "dp_noise_multiplier": 1.0},
            "and `dp_noise_multiplier` cannot",
        ),
        ({"adversarial_epsilon": 2, "precision": "mixed_float16"}, "and `precision` cannot"),
        ({"adversarial_epsilon": 2, "adversarial_steps": 0}, "`adversarial_steps` must be"),
        ({"adversarial_epsilon": 2, "adversarial_plain": 1}, "`adversarial_plain` must be below 1"),
        ({"adversarial_epsilon": 2, "valence_arousal": 0.5}, "`valence_arousal` and `adv"),
        ({"adversarial_epsilon": -2}, "`adversarial_epsilon` must be above 0"),
    ):
        with pytest.raises(ValueError, match=message):
            FaceSettings(**wrong)
    with pytest.raises(ValueError, match="`adversarial` of a Recipe must be None or"):
        recipes.get("emotion_cnn").replace(adversarial=2.0)
    for other in ({"dp": DPSGD(noise_multiplier=1.0)}, {"valence_arousal": 0.5}):
        with pytest.raises(ValueError, match="must be None with `adversarial`"):
            recipe.replace(**other)
    with pytest.raises(ValueError, match="no adversarial training"):
        RenewedModel(recipe, 2)


SMALL = {
    **{"recipe": "emotion_cnn", "size": 24, "channels": 1, "train": 28, "batch_size": 14},
    **{"adversarial_epsilon": 2, "adversarial_plain": 0.5, "augmentation": "none"},
}


@pytest.mark.slow
def test_a_run_records_its_attack_leaves_a_plain_model_and_goes_on(tmp_path, untraced):
    whole = FaceSettings(**SMALL, epochs=2)
    train_faces(whole, tmp_path / "whole", report=False)
    record = runs.read(tmp_path / "whole")
    assert record["settings"]["adversarial_epsilon"] == 2
    assert record["recipe"]["adversarial"] == {
        **{"epsilon": 2, "steps": 1, "step_size": None, "plain_share": 0.5, "seed": 1},
    }
    model = keras.models.load_model(tmp_path / "whole" / "last.keras")
    assert type(model) is type(emotion_cnn(input_shape=(24, 24, 1)))
    train_faces(FaceSettings(**SMALL, epochs=1), tmp_path / "parts", report=False)
    train_faces(whole, tmp_path / "parts", report=False)
    again = keras.models.load_model(tmp_path / "parts" / "last.keras")
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    other = FaceSettings(**SMALL | {"adversarial_epsilon": 4}, epochs=2)
    with pytest.raises(ValueError, match="adversarial_epsilon was 2"):
        train_faces(other, tmp_path / "parts")
