"""What the report of a training says beside the scores: a paper's numbers, and privacy."""

import dataclasses

import numpy as np
import pytest

from fer_models.evaluation import classification_report
from fer_models.training import accountant, recipes, training_report
from fer_models.training.dp_sgd import DPSGD


def test_published_numbers_stand_beside_ours():
    recipe = recipes.get("resnet50_cbam")
    report = classification_report([0, 1], np.eye(2), ["surprise", "fear"])
    history = [{"accuracy": "0.5", "val_accuracy": "0.25"}]
    lines = training_report.published(recipe, "raf_db", report, report, "test", history)
    text = "\n".join(lines)
    assert "published: 1,534 faces, half of" in text
    assert "| accuracy | 1.0000 | 1.0000 | 0.8200 |" in text
    assert "| surprise | 1.00, 1.00, 1.00, 1 | 0.80, 0.87, 0.83, 165 |" in text
    assert "0.5000 | 0.5000 | 0.9900" in text
    assert training_report.published(recipe, "fer2013", report, report, "test", history) == []


def test_a_class_that_the_data_has_not_is_a_dash():
    recipe = recipes.get("resnet50_cbam")
    paper = dataclasses.replace(recipe.published[0], classes={"calm": (None, 0.5, 0.5, 3)})
    recipe = recipe.replace(published=(paper,))
    report = classification_report([0, 1], np.eye(2), ["surprise", "fear"])
    history = [{"accuracy": "0.5", "val_accuracy": "0.25"}]
    lines = training_report.published(recipe, paper.data, report, report, "test", history)
    assert "| calm | - | -, 0.50, 0.50, 3 |" in lines


def test_what_dp_sgd_guarantees():
    pytest.importorskip("dp_accounting")
    assert training_report.private(None) == []
    options = {"examples": 100, "batch_size": 10, "epochs": 2}
    dp = DPSGD(noise_multiplier=2.0, l2_norm_clip=0.5)
    promised = accountant.guarantee(dp, **options)
    assert promised == {
        "noise_multiplier": 2.0,
        "l2_norm_clip": 0.5,
        "delta": 1e-5,
        "epochs": 2,
        "epsilon": pytest.approx(accountant.epsilon(2.0, **options)),
        "epsilon_if_poisson_sampled": pytest.approx(
            accountant.epsilon(2.0, **options, sampling="poisson")
        ),
    }
    text = "\n".join(training_report.private(promised))
    assert f"after 2 epochs epsilon is {promised['epsilon']:.2f} at delta 1e-05" in text


def test_no_privacy_is_promised_without_noise():
    promised = accountant.guarantee(
        DPSGD(noise_multiplier=0.0), examples=100, batch_size=10, epochs=2
    )
    assert promised["epsilon"] is None
    assert "nothing is guaranteed" in "\n".join(training_report.private(promised))
