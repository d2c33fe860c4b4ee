import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from fer_models.privacy import (
    auc,
    entropy_threshold,
    lira_offline,
    lira_online,
    loss_quantile,
    loss_threshold,
    modified_entropy,
    population,
    rmia_offline,
    rmia_online,
)

# Arrays only: nothing here differs from one backend to another.

SEEDS = st.integers(0, 2**32 - 1)


def reference_case(seed, models=8, examples=12, queries=2):
    """Margins of a target and of references whose halves differ, and who was inside."""
    generator = np.random.default_rng(seed)
    inside = np.argsort(generator.random((models, examples)), axis=0) < models // 2
    references = generator.normal(0, 1, (models, examples, queries)) + 2 * inside[..., None]
    return generator.normal(1, 1, (examples, queries)), references, inside


# Loss, entropy


def test_loss_and_entropy_are_minus_the_mean_over_queries():
    values = np.array([[1.0, 3.0], [0.5, 0.5]])
    assert loss_threshold(values).tolist() == [-2.0, -0.5]
    assert entropy_threshold(values).tolist() == [-2.0, -0.5]
    assert loss_threshold(values[:, 0]).tolist() == [-1.0, -0.5]


def test_modified_entropy_by_hand():
    # -(1 - .7) log .7 - .2 log .8 - .1 log .9
    wanted = -0.3 * np.log(0.7) - 0.2 * np.log(0.8) - 0.1 * np.log(0.9)
    np.testing.assert_allclose(modified_entropy([[0.7, 0.2, 0.1]], [0]), [wanted])
    # Of the second class it is surprised: -(1 - .2) log .2 - .7 log .3 - .1 log .9
    other = -0.8 * np.log(0.2) - 0.7 * np.log(0.3) - 0.1 * np.log(0.9)
    twice = modified_entropy([[[0.7, 0.2, 0.1], [0.7, 0.2, 0.1]]], [1])
    np.testing.assert_allclose(twice, [[other, other]])
    assert modified_entropy([[1.0, 0.0]], [0]).tolist() == [0.0]
    assert np.isfinite(modified_entropy([[0.0, 1.0]], [0])).all()


# Population


def test_quantiles_against_numpy_and_scipy():
    losses = np.random.default_rng(0).gamma(1, 1, 501)
    assert loss_quantile(losses, 0.1) == np.quantile(losses, 0.1)
    assert loss_quantile(losses, 0.1, "empirical") == np.sort(losses)[50]
    fitted = stats.norm.ppf(0.1, *stats.norm.fit(losses))
    np.testing.assert_allclose(loss_quantile(losses, 0.1, "gaussian"), fitted)
    margin = stats.norm.ppf(0.9, *stats.norm.fit(special.logit(np.exp(-losses))))
    np.testing.assert_allclose(loss_quantile(losses, 0.1, "logit"), -np.log(special.expit(margin)))


def test_logit_quantile_finds_the_true_one_where_margins_are_normal():
    margins = np.random.default_rng(1).normal(2, 1.5, 50_000)
    found = loss_quantile(np.logaddexp(0, -margins), 1e-3, "logit")
    true = np.logaddexp(0, -stats.norm.ppf(1 - 1e-3, 2, 1.5))
    assert abs(found / true - 1) < 0.05


def test_logit_quantile_takes_losses_of_zero():
    assert np.isfinite(loss_quantile([0.0, 0.0, 1e-30, 2.0, 900.0], 0.1, "logit"))


@pytest.mark.parametrize("quantile", ["linear", "empirical", "logit"])
@given(seed=SEEDS, fpr=st.floats(0.02, 0.98))
@settings(max_examples=10)
def test_population_accuses_the_tolerated_share_of_itself(quantile, seed, fpr):
    margins = np.random.default_rng(seed).normal(1, 1, 2000)
    losses = np.logaddexp(0, -margins)
    accused = np.mean(population(losses, losses, fpr=fpr, quantile=quantile) >= 0)
    assert abs(accused - fpr) < (0.05 if quantile == "logit" else 0.001)


def test_thresholds_of_classes_by_hand():
    known, classes = [0.0, 1.0, 2.0, 10.0, 20.0, 30.0], np.array([0, 0, 0, 1, 1, 1])
    scores = population(
        [0.5, 0.5, 15.0], known, fpr=0.5, labels=np.array([0, 1, 1]), population_labels=classes
    )
    assert scores.tolist() == [0.5, 19.5, 5.0]
    assert population([0.5, 15.0], known, fpr=0.5).tolist() == [5.5, -9.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fpr": 0}, "`fpr` must be between 0 and 1"),
        ({"fpr": True}, "`fpr` must be between 0 and 1"),
        ({"quantile": "cubic"}, "`quantile` must be one of"),
        ({"losses": [-1.0]}, "0 or more"),
        ({"losses": [np.inf]}, "finite"),
        ({"losses": np.zeros((1, 1, 1))}, "shape"),
        ({"population_losses": [1.0]}, "two examples"),
        ({"labels": np.array([0])}, "given together"),
        ({"labels": np.array([0]), "population_labels": np.array([0, 1, 1])}, "of class 0"),
        ({"labels": np.array([0.5]), "population_labels": np.array([0, 1, 1])}, "integers"),
    ],
)
def test_bad_population(change, message):
    given_ = {"losses": [1.0], "population_losses": [1.0, 2.0, 3.0], **change}
    with pytest.raises(ValueError, match=message):
        population(**given_)


@pytest.mark.parametrize("attack", [loss_threshold, entropy_threshold])
def test_bad_thresholds(attack):
    for values in ([], [np.nan], np.zeros((2, 2, 2)), 3.0):
        with pytest.raises(ValueError, match="must be"):
            attack(values)


@pytest.mark.parametrize(
    ("probabilities", "labels", "message"),
    [
        ([0.5, 0.5], [0], "shape"),
        ([[1.5, -0.5]], [0], "from 0 to 1"),
        ([[0.5, 0.5]], [2], "integers from 0 to 1"),
        ([[0.5, 0.5]], [0.0], "integers from 0 to 1"),
        ([[0.5, 0.5]], [0, 1], "integers from 0 to 1"),
    ],
)
def test_bad_modified_entropy(probabilities, labels, message):
    with pytest.raises(ValueError, match=message):
        modified_entropy(probabilities, labels)


# LiRA


@pytest.mark.parametrize("fixed", [False, True])
def test_lira_against_loops_over_scipy(fixed):
    margins, references, inside = reference_case(0)
    online = lira_online(margins, references, inside, fixed_variance=fixed)
    offline = lira_offline(margins, references, inside, fixed_variance=fixed)
    pooled = {
        kind: np.sqrt(
            np.mean([references[inside[:, i] == kind, i].var(0, ddof=1) for i in range(12)], 0)
        )
        for kind in (True, False)
    }
    for i in range(12):
        logs = {}
        for kind in (True, False):
            chosen = references[inside[:, i] == kind, i]
            deviation = pooled[kind] if fixed else chosen.std(axis=0, ddof=1)
            normal = stats.norm(chosen.mean(axis=0), deviation)
            logs[kind] = normal.logpdf(margins[i]).sum()
        np.testing.assert_allclose(online[i], logs[True] - logs[False])
        np.testing.assert_allclose(offline[i], -normal.logsf(margins[i]).sum())


def test_lira_by_hand():
    # In: 4 and 6; out: -1 and 1; both of variance 2. The target at 5 and at 2.5, their middle.
    inside = np.array([[True, True], [True, True], [False, False], [False, False]])
    references = np.array([[4.0, 4.0], [6.0, 6.0], [-1.0, -1.0], [1.0, 1.0]])
    scores = lira_online([5.0, 2.5], references, inside)
    np.testing.assert_allclose(scores, [25 / 4, 0], atol=1e-12)
    p_value = np.exp(-lira_offline([5.0, 2.5], references, inside))
    np.testing.assert_allclose(p_value, stats.norm.sf(np.array([5.0, 2.5]) / np.sqrt(2)))


@given(SEEDS, st.floats(0.1, 10), st.floats(-5, 5))
def test_lira_does_not_care_for_scale_shift_or_order_of_models(seed, scale, shift):
    margins, references, inside = reference_case(seed)
    order = np.random.default_rng(seed).permutation(len(references))
    for attack in (lira_online, lira_offline):
        for fixed in (True, False):
            one = attack(margins, references, inside, fixed_variance=fixed)
            other = attack(
                margins * scale + shift,
                references[order] * scale + shift,
                inside[order],
                fixed_variance=fixed,
            )
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


@given(SEEDS)
def test_offline_lira_rises_with_the_margin(seed):
    _, references, inside = reference_case(seed, queries=1)
    low = lira_offline(np.full(12, -1.0), references, inside)
    assert (lira_offline(np.full(12, 0.5), references, inside) > low).all()


def test_one_variance_is_the_default_with_few_models():
    margins, references, inside = reference_case(3)
    few = lira_online(margins, references, inside)
    assert (few == lira_online(margins, references, inside, fixed_variance=True)).all()
    margins, references, inside = reference_case(3, models=64)
    many = lira_online(margins, references, inside)
    assert (many == lira_online(margins, references, inside, fixed_variance=False)).all()


def test_offline_lira_leaves_models_with_the_example_out():
    margins, references, inside = reference_case(4)
    changed = np.where(inside[..., None], 1e6, references)
    one = lira_offline(margins, references, inside, fixed_variance=False)
    assert (one == lira_offline(margins, changed, inside, fixed_variance=False)).all()
    outside = lira_offline(margins, references[:3])
    assert (outside == lira_offline(margins, references[:3], np.zeros((3, 12), bool))).all()


def test_scores_are_finite_where_references_do_not_differ():
    inside = np.array([[True], [True], [False], [False]])
    for value in (87.0, 86.0):
        scores = lira_online([value], np.full((4, 1), 87.0), inside)
        assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"margins": [np.nan] * 12}, "finite"),
        ({"margins": np.zeros((3, 2))}, "`reference_margins` must be of shape"),
        ({"reference_margins": np.zeros((8, 12, 3))}, "`reference_margins` must be of shape"),
        ({"reference_margins": np.full((8, 12, 2), np.inf)}, "finite"),
        ({"inside": np.zeros((8, 12))}, "boolean"),
        ({"inside": np.zeros((7, 12), bool)}, "boolean"),
        ({"inside": np.ones((8, 12), bool)}, "12 examples with fewer"),
    ],
)
def test_bad_lira(change, message):
    margins, references, inside = reference_case(0)
    given_ = {"margins": margins, "reference_margins": references, "inside": inside, **change}
    for attack in (lira_online, lira_offline):
        with pytest.raises(ValueError, match=message):
            attack(**given_)


def test_lira_says_which_models_are_too_few():
    margins, references, _ = reference_case(0)
    nowhere, everywhere = (make((8, 12), bool) for make in (np.zeros, np.ones))
    with pytest.raises(ValueError, match="trained on it"):
        lira_online(margins, references, nowhere)
    assert np.isfinite(lira_offline(margins, references, nowhere)).all()
    for attack in (lira_online, lira_offline):
        few = everywhere.copy()
        few[0] = False
        with pytest.raises(ValueError, match="trained without it"):
            attack(margins, references, few)


# RMIA


def rmia_case(seed, models=4, examples=9, population_size=31, queries=1):
    generator = np.random.default_rng(seed)
    inside = np.argsort(generator.random((models, examples)), axis=0) < models // 2
    return {
        "probabilities": generator.random((examples, queries)),
        "reference_probabilities": generator.random((models, examples, queries)),
        "inside": inside,
        "population_probabilities": generator.random(population_size),
        "population_references": generator.random((models, population_size)),
    }


@pytest.mark.parametrize("queries", [1, 2, 3, 4])
@pytest.mark.parametrize(("gamma", "a"), [(1.0, 0.3), (2.0, 1.0)])
def test_rmia_against_loops(queries, gamma, a):
    case = rmia_case(0, queries=queries)
    online = rmia_online(**case, gamma=gamma, a=a)
    offline = rmia_offline(**case, gamma=gamma, a=a)
    target, references = case["probabilities"], case["reference_probabilities"]
    mean_z = ((1 + a) * case["population_references"].mean(0) + 1 - a) / 2
    ratios_z = case["population_probabilities"] / mean_z
    for i in range(9):
        where = case["inside"][:, i]
        outside = references[~where, i].mean(0)
        both = (references[where, i].mean(0) + outside) / 2
        line = ((1 + a) * outside + 1 - a) / 2
        for scores, average in ((online, both), (offline, line)):
            votes = [(target[i] / average / z >= gamma).sum() > queries / 2 for z in ratios_z]
            assert scores[i] == np.mean(votes)


def test_rmia_by_hand():
    # The ratios: 0.9 / 0.6 = 1.5 and 0.6 / 0.6 = 1 of the examples, 0.5, 1.2, 2 of the population.
    given_ = {
        "probabilities": [0.9, 0.6],
        "reference_probabilities": [[0.9, 0.9], [0.3, 0.3]],
        "population_probabilities": [0.1, 0.24, 0.4],
        "population_references": [[0.2, 0.2, 0.2], [0.2, 0.2, 0.2]],
    }
    inside = np.array([[True, True], [False, False]])
    scores = rmia_online(**given_, inside=inside, a=1.0)
    np.testing.assert_allclose(scores, [2 / 3, 1 / 3])
    # More is asked for: only 0.5 is small enough, for both.
    np.testing.assert_allclose(rmia_online(**given_, inside=inside, a=1, gamma=1.9), [1 / 3, 1 / 3])


@pytest.mark.parametrize("slope", [0.2, 0.7, 1.0])
def test_online_rmia_fits_the_slope_of_its_references(slope):
    case = rmia_case(3, models=2)
    inside, references = case["inside"], case["reference_probabilities"][..., 0]
    without_it = np.where(inside, 0, references).sum(axis=0)
    references[:] = np.where(inside, slope * without_it + 1 - slope, without_it)
    assert (rmia_online(**case) == rmia_online(**case, a=slope)).all()


def test_online_rmia_tells_members_of_models_that_hardly_memorise():
    # p_out is about 0.3, p_in 0.33: with a = 0.3 a face of either kind dominates everybody.
    generator = np.random.default_rng(0)
    models, examples, population = 8, 400, 500
    inside = generator.random((models, examples)) < 0.5
    inside[:2] = [[True], [False]]
    taken = np.arange(examples) < 200

    def asked(inside):
        return np.clip(0.3 + 0.03 * inside + generator.normal(0, 0.02, inside.shape), 0, 1)

    given_ = {
        "probabilities": asked(taken),
        "reference_probabilities": asked(inside),
        "inside": inside,
        "population_probabilities": asked(np.zeros(population, bool)),
        "population_references": asked(np.zeros((models, population), bool)),
    }
    scores, flat = rmia_online(**given_), rmia_online(**given_, a=0.3)
    assert auc(scores[taken], scores[~taken]) > 0.8
    assert (flat == 1).mean() > 0.99


@given(SEEDS, st.floats(0.2, 1))
def test_rmia_rises_with_the_probability_and_falls_with_gamma(seed, factor):
    case = rmia_case(seed)
    lower = {**case, "probabilities": case["probabilities"] * factor}
    for attack in (rmia_online, rmia_offline):
        assert (attack(**case) >= attack(**lower)).all()
        assert (attack(**case) >= attack(**case, gamma=1 / factor)).all()


def test_offline_rmia_leaves_models_with_the_example_out():
    case = rmia_case(1)
    changed = np.where(case["inside"][..., None], 0.0, case["reference_probabilities"])
    assert (
        rmia_offline(**case) == rmia_offline(**{**case, "reference_probabilities": changed})
    ).all()
    outside = {**case, "inside": None}
    nowhere = {**case, "inside": np.zeros((4, 9), bool)}
    assert (rmia_offline(**outside) == rmia_offline(**nowhere)).all()


def test_rmia_takes_probabilities_of_zero():
    case = rmia_case(2)
    case["reference_probabilities"][:] = 0
    assert np.isfinite(rmia_online(**case, a=1)).all()
    assert np.isfinite(rmia_offline(**case, a=1)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gamma": 0.5}, "`gamma` must be 1 or more"),
        ({"a": 1.5}, "`a` must be from 0 to 1"),
        ({"probabilities": np.full((9, 1), 1.5)}, "`probabilities` must be from 0 to 1"),
        ({"reference_probabilities": np.zeros((4, 3, 1))}, "`reference_probabilities`"),
        ({"population_references": np.zeros((3, 31))}, "the same 4 models"),
        ({"population_references": np.zeros((4, 30))}, "`population_references`"),
        ({"population_probabilities": np.full(31, -1.0)}, "`population_probabilities`"),
        ({"inside": np.ones((4, 9), bool)}, "without it"),
        ({"inside": np.ones((4, 9))}, "boolean"),
    ],
)
def test_bad_rmia(change, message):
    for attack in (rmia_online, rmia_offline):
        with pytest.raises(ValueError, match=message):
            attack(**{**rmia_case(0), **change})


def test_online_rmia_needs_models_on_the_example():
    with pytest.raises(ValueError, match="trained on it"):
        rmia_online(**{**rmia_case(0), "inside": np.zeros((4, 9), bool)})
