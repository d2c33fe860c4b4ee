"""The report on accuracy under attack, on models that fall and on models that only hide."""

import json

import keras
import numpy as np
import pytest
from keras import layers, ops

from fer_models.robustness import (
    Accuracy,
    InputGradients,
    adversarial,
    adversarial_accuracy,
    apgd,
    fgsm,
    pgd,
)

SHAPE = (6, 6, 1)


@keras.saving.register_keras_serializable(package="test")
class Steps(layers.Layer):
    """Brightness in steps of 4: without a slope anywhere."""

    def call(self, images):
        return ops.round(images / 4) * 4


@keras.saving.register_keras_serializable(package="test")
class Waves(layers.Layer):
    """Waves on the brightness, whose slope points anywhere."""

    def call(self, images):
        return images + 2.0 * ops.sin(images * 7.0)


def model_with(layer=None, classes=3):
    stack = [keras.Input(SHAPE), *([layer] if layer else []), layers.Flatten()]
    model = keras.Sequential([*stack, layers.Dense(classes, activation="softmax")])
    generator = np.random.default_rng(0)
    kernel = generator.normal(0, 0.01, (36, classes)).astype("float32")
    model.set_weights([kernel - kernel.mean(0), np.zeros(classes, "float32")])
    return model


def faces(model, count=60):
    images = np.random.default_rng(1).integers(60, 200, (count, *SHAPE)).astype("uint8")
    labels = ops.convert_to_numpy(model(images.astype("float32"))).argmax(-1)
    return images, labels


@pytest.fixture(scope="module")
def plain():
    model = model_with()
    images, labels = faces(model)
    labels[:6] = (labels[:6] + 1) % 3
    return adversarial_accuracy(model, images, labels, epsilons=(8, 1, 4), verbose=0)


@pytest.mark.backend
def test_a_plain_model_falls_and_raises_no_warning(plain):
    assert plain.examples == 60
    assert plain.clean == Accuracy(54, 60)
    assert plain.epsilons == (1, 4, 8)
    assert plain.warnings == ()
    assert plain.whole_range.correct == 0
    assert plain.clean.value > plain.worst(1).value > plain.worst(8).value


def test_rows_fall_with_epsilon_and_along_the_cascade(plain):
    cascade = [plain.accuracies[name] for name in ("pgd", "apgd_ce", "apgd_dlr", "square")]
    for row in cascade:
        counts = [row[epsilon].correct for epsilon in plain.epsilons]
        assert counts == sorted(counts, reverse=True)
    for epsilon in plain.epsilons:
        counts = [row[epsilon].correct for row in cascade]
        assert counts == sorted(counts, reverse=True)
        least = min(row[epsilon].correct for row in plain.accuracies.values())
        assert plain.worst(epsilon).correct <= least


def test_the_closed_form_says_how_many_linear_faces_can_fall(plain):
    model = model_with()
    images, labels = faces(model)
    labels[:6] = (labels[:6] + 1) % 3
    kernel = model.get_weights()[0]
    scores = images.reshape(60, -1) @ kernel
    for epsilon in plain.epsilons:
        # A score of another class gains at most epsilon times the sum of the absolute gaps.
        reach = np.stack(
            [
                scores[:, other] - scores[np.arange(60), labels]
                + epsilon * np.abs(kernel[:, [other]] - kernel[:, labels]).sum(0)
                for other in range(3)
            ],
            axis=-1,
        )  # fmt: skip
        reach[np.arange(60), labels] = -np.inf
        can_hold = (reach.max(-1) <= 0).sum()
        # Nothing clips: the pixels keep 60 levels from both ends.
        assert can_hold <= plain.worst(epsilon).correct <= can_hold + 1


def test_steps_without_a_slope_are_seen_through():
    model = model_with(Steps())
    report = adversarial_accuracy(model, *faces(model), epsilons=(8,), queries=100, verbose=0)
    text = " ".join(report.warnings)
    assert "gradient is zero" in text
    assert "withstand PGD at 128/255" in text
    assert "black-box attack turns" in text
    assert report.accuracies["fgsm"][8] == report.clean
    assert report.worst(8).value < 0.6


@pytest.mark.slow
def test_waves_are_seen_through():
    model = model_with(Waves())
    report = adversarial_accuracy(model, *faces(model), epsilons=(2,), queries=100, verbose=0)
    plain = model_with()
    clear = adversarial_accuracy(plain, *faces(plain), epsilons=(2,), verbose=0)
    assert report.accuracies["fgsm"][2].value > clear.accuracies["fgsm"][2].value
    assert report.warnings


@keras.saving.register_keras_serializable(package="test")
class Gap(layers.Layer):
    """The same pixels, by a path whose gradient is not a number where they are dark."""

    def call(self, images):
        return ops.where(images < 100, images, 100 + ops.square(ops.sqrt(images - 100)))


def test_gradients_that_are_no_numbers_are_told_and_break_nothing():
    gradients = InputGradients(model_with(Gap()))
    images, labels = faces(model_with(), 8)
    report = adversarial_accuracy(
        gradients, images, labels, epsilons=(4,), steps=3, apgd_steps=3, queries=5, verbose=0
    )
    assert report.clean.correct == 8
    assert "the gradient is zero or not finite" in " ".join(report.warnings)
    for attack in (fgsm, pgd, apgd):
        found = attack(gradients, images, labels, 4)
        assert np.abs(found - images).max() <= 4


def test_what_one_step_turns_stays_turned_at_larger_changes(monkeypatch):
    model = model_with()
    images, labels = faces(model, 10)

    def one_step(images, slopes, epsilon):
        # Strong at a change of 1 alone, as a single step may be where the scores bend.
        return 255 - images if epsilon == 1 else images

    monkeypatch.setattr(adversarial, "one_step", one_step)
    for name in ("pgd", "apgd", "square"):
        monkeypatch.setattr(adversarial, name, lambda gradients, images, *args, **options: images)
    report = adversarial_accuracy(model, images, labels, epsilons=(1, 2), verbose=0)
    fallen = report.accuracies["fgsm"]
    assert fallen[1].correct < fallen[2].correct == 10
    assert report.worst(2) == report.worst(1) == fallen[1]


def test_two_classes_go_without_dlr():
    model = model_with(classes=2)
    report = adversarial_accuracy(model, *faces(model, 10), epsilons=4, queries=5, verbose=0)
    assert list(report.accuracies) == ["fgsm", "pgd", "apgd_ce", "square"]


def test_report_as_markdown_and_json(plain):
    text = plain.to_markdown()
    assert text == str(plain)
    assert "| none | 90.0 % (79.5 to 96.2) |" in text
    assert "No sign of gradient masking." in text
    content = json.loads(json.dumps(plain.to_dict()))
    assert content["accuracies"]["pgd"]["4"]["examples"] == 60
    assert content["accuracies"]["all"]["8"]["correct"] == plain.worst(8).correct
    with pytest.raises(ValueError, match="`epsilon` must be one of"):
        plain.worst(3)


def test_nothing_right_is_nothing_to_attack():
    model = model_with()
    images, labels = faces(model, 5)
    report = adversarial_accuracy(model, images, (labels + 1) % 3, epsilons=2, verbose=0)
    assert report.clean.correct == report.worst(2).correct == 0
    assert report.warnings == ()


def test_a_dark_face_that_alone_withstands_is_not_taken_for_a_scaled_one():
    model = model_with()
    images = np.concatenate([np.random.default_rng(0).random((1, *SHAPE)), faces(model, 3)[0]])
    labels = ops.convert_to_numpy(model(images.astype("float32"))).argmax(-1)
    labels[1:] = (labels[1:] + 1) % 3
    report = adversarial_accuracy(model, images, labels, epsilons=0.1, verbose=0)
    assert report.clean.correct == 1
    for scaled in (images / 255, images[:1]):
        with pytest.raises(ValueError, match="multiply them by 255"):
            adversarial_accuracy(model, scaled, labels[: len(scaled)], verbose=0)


@pytest.mark.parametrize("epsilons", [(), (2, 2), (0,), (200,), ("2",)])
def test_bad_epsilons(epsilons):
    model = model_with()
    with pytest.raises(ValueError, match="`epsilons` must be"):
        adversarial_accuracy(model, *faces(model, 2), epsilons=epsilons, verbose=0)


def test_accuracy_has_the_exact_interval():
    assert Accuracy(0, 100).high == pytest.approx(1 - 0.025 ** (1 / 100))
    assert Accuracy(0, 100).low == 0
    assert str(Accuracy(90, 100)) == "90.0 % (82.4 to 95.1)"
    assert Accuracy(3, 4).to_dict()["accuracy"] == 0.75
    for wrong in ((-1, 3), (4, 3), (0, 0)):
        with pytest.raises(ValueError, match="`correct` must be"):
            Accuracy(*wrong)
