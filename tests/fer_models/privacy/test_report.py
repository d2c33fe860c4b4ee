import dataclasses
import json
import sys
import types
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, roc_auc_score, roc_curve

from fer_models.privacy import (
    ATTACKS,
    AttackResult,
    OverlapError,
    Signals,
    auc,
    auc_interval,
    audit_membership,
    binomial_interval,
    membership_report,
    overlaps,
    plot_roc,
    rate_at,
    roc,
    roc_picture,
    run_attacks,
    score_attack,
)

# Arrays only: nothing here differs from one backend to another.

SCORES = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=30)
NAMES = ("happy", "sad", "cal|m")


def made(count, seed, shift=0.0, start=0, queries=1):
    """Signals of `count` examples whose logits favour the true class by `shift`."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, count)
    logits = generator.normal(0, 1, (count, queries, 3))
    logits += shift * np.eye(3)[labels][:, None]
    hashes = [str(number) for number in range(start, start + count)]
    return Signals.from_outputs(logits, labels, hashes, from_logits=True)


@pytest.fixture(scope="module")
def sets():
    return made(300, 0, 2.0), made(250, 1, 0.5, start=300), made(400, 2, 0.5, start=550)


@pytest.fixture(scope="module")
def report(sets):
    return audit_membership(*sets, class_names=NAMES, resamples=100)


# Metrics


@given(SCORES, SCORES)
@settings(max_examples=25)
def test_auc_and_roc_are_those_of_scikit_learn(members, others):
    truth = [1] * len(members) + [0] * len(others)
    np.testing.assert_allclose(auc(members, others), roc_auc_score(truth, members + others))
    fpr, tpr, thresholds = roc(members, others)
    wanted = roc_curve(truth, members + others, drop_intermediate=False)
    for one, other in zip((fpr, tpr, thresholds), wanted, strict=True):
        np.testing.assert_allclose(one, other)


@given(SCORES, SCORES)
@settings(max_examples=25)
def test_auc_turns_with_the_scores_and_keeps_under_rising_functions(members, others):
    members, others = np.array(members), np.array(others)
    area = auc(members, others)
    np.testing.assert_allclose(auc(others, members), 1 - area)
    np.testing.assert_allclose(auc(-members, -others), 1 - area)
    np.testing.assert_allclose(auc(np.exp(members), np.exp(others)), area)


def test_auc_takes_infinite_scores():
    assert auc([np.inf, 1], [-np.inf, 1]) == 0.875
    assert rate_at(np.array([np.inf, 1]), np.array([-np.inf, 1]), 0.1).tpr.value == 0.5


def test_bootstrap_agrees_with_scipys():
    generator = np.random.default_rng(0)
    members, others = generator.normal(1, 1, 120), generator.normal(0, 1, 90)
    found = auc_interval(members, others, resamples=2000)
    wanted = stats.bootstrap(
        (members, others),
        lambda a, b: auc(a, b),
        vectorized=False,
        n_resamples=2000,
        method="percentile",
        random_state=np.random.default_rng(1),
    ).confidence_interval
    assert found.value == auc(members, others)
    np.testing.assert_allclose([found.low, found.high], wanted, atol=0.008)
    assert found == auc_interval(members, others, resamples=2000)
    assert found != auc_interval(members, others, resamples=2000, seed=1)
    wide = auc_interval(members, others, confidence=0.999, resamples=2000)
    assert wide.low < found.low < found.high < wide.high


@pytest.mark.parametrize(("members", "others"), [(1, 1), (3, 5), (100, 100), (2000, 1000)])
def test_the_interval_of_a_perfect_attack_stays_open(members, others):
    above, below = np.arange(members) + others, np.arange(others)
    found = auc_interval(above, below, resamples=20)
    assert found.low < found.value == found.high == 1
    # Newcombe's method 5: the true area from which 1 lies just 1.96 standard errors away.
    more, low = (members + others) / 2 - 1, found.low
    error = low * (1 - low) * (1 + more * ((1 - low) / (2 - low) + low / (1 + low)))
    assert 1 - low == pytest.approx(stats.norm.ppf(0.975) * np.sqrt(error / members / others))
    turned = auc_interval(below, above, resamples=20)
    assert turned.low == turned.value == 0
    assert turned.high == pytest.approx(
        1 - auc_interval(np.arange(others) + members, np.arange(members), resamples=20).low
    )
    narrow = auc_interval(above, below, confidence=0.5, resamples=20)
    assert found.low < narrow.low < 1
    if members == others == 1:
        assert found.low == pytest.approx(1 / (1 + stats.norm.ppf(0.975) ** 2))


def test_equal_scores_say_nothing():
    found = auc_interval([1.0, 1.0], [1.0], resamples=20)
    assert found.low < found.value == 0.5 < found.high


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@settings(max_examples=25)
def test_exact_interval_by_the_beta_distribution(case):
    successes, trials = case
    found = binomial_interval(successes, trials, 0.9)
    assert found.value == successes / trials
    assert found.value in found
    if successes:
        np.testing.assert_allclose(
            found.low, stats.beta.ppf(0.05, successes, trials - successes + 1), rtol=1e-6
        )
    if successes < trials:
        np.testing.assert_allclose(
            found.high, stats.beta.ppf(0.95, successes + 1, trials - successes), rtol=1e-6
        )


def test_rate_at_by_hand():
    others = np.arange(1000.0)
    members = np.array([2000.0, 998.5, 989.5, 0.0])
    at = rate_at(members, others, 0.01)
    # Ten non-members lie at 990 and above: 1 % may be accused, and 989.5 is then found too.
    assert at.tpr.value == 0.75
    assert at.fpr.value == 0.01
    strict = rate_at(members, others, 0.001)
    assert (strict.tpr.value, strict.fpr.value) == (0.5, 0.001)
    assert (at.tpr.low, at.tpr.high) == dataclasses.astuple(binomial_interval(3, 4))[1:]
    assert rate_at(members, others[::2], 0.001).fpr.value == 0


@given(SCORES, SCORES, st.floats(0.01, 0.99))
@settings(max_examples=25)
def test_rate_at_is_the_best_that_is_tolerated(members, others, tolerated):
    members, others = np.array(members), np.array(others)
    found = rate_at(members, others, tolerated)
    cuts = [np.inf, *members, *others]
    allowed = [np.mean(members >= cut) for cut in cuts if np.mean(others >= cut) <= tolerated]
    np.testing.assert_allclose(found.tpr.value, max(allowed))
    assert found.fpr.value <= tolerated


def test_bad_metrics():
    members, others = np.array([1.0]), np.array([0.0])
    for rate in (0, 1, True, -0.1):
        with pytest.raises(ValueError, match="between 0 and 1"):
            rate_at(members, others, rate)
    with pytest.raises(ValueError, match="`confidence`"):
        binomial_interval(1, 2, confidence=1)
    for resamples in (1, True, 2.5):
        with pytest.raises(ValueError, match="`resamples`"):
            auc_interval(members, others, resamples=resamples)


# Results and their scores


def test_counts_at_a_threshold_set_beforehand():
    result = AttackResult("mine", [3.0, 2.0, 1.0, 0.0], [2.0, 0.5], threshold=1.0)
    labels = np.zeros(4, int), np.zeros(2, int)
    found = score_attack(result, *labels, ("only",), resamples=10)
    decision = found.decision
    assert (decision.tp, decision.fp, decision.tn, decision.fn) == (3, 1, 1, 1)
    assert decision.chosen == "beforehand"
    assert decision.percent == {"tp": 50, "fp": 100 / 6, "tn": 100 / 6, "fn": 100 / 6}
    assert (decision.tpr, decision.fpr, decision.advantage) == (0.75, 0.5, 0.25)
    assert decision.balanced_accuracy == 0.625


@given(SCORES, SCORES)
@settings(max_examples=25)
def test_the_best_threshold_is_the_best(members, others):
    members, others = np.array(members), np.array(others)
    labels = np.zeros(len(members), int), np.zeros(len(others), int)
    found = score_attack(AttackResult("mine", members, others), *labels, ("only",), resamples=2)
    cuts = [np.inf, *members, *others]
    best = max(np.mean(members >= cut) - np.mean(others >= cut) for cut in cuts)
    np.testing.assert_allclose(found.advantage, best, atol=1e-12)
    np.testing.assert_allclose(found.decision.advantage, best, atol=1e-12)
    truth = np.repeat([1, 0], [len(members), len(others)])
    called = np.concatenate([members, others]) >= found.decision.threshold
    np.testing.assert_allclose(found.balanced_accuracy, balanced_accuracy_score(truth, called))


def test_classes_are_scored_alone(sets, report):
    members, others, _ = sets
    for attack in report.attacks:
        assert sum(row.members for row in attack.classes) == 300
        assert sum(row.non_members for row in attack.classes) == 250
    row = report["loss"].classes[1]
    inside, outside = members.labels == 1, others.labels == 1
    assert row.name == "sad"
    assert row.auc.value == auc(-members.loss[inside, 0], -others.loss[outside, 0])
    assert (
        row.tpr_at[0].tpr.value
        == rate_at(-members.loss[inside, 0], -others.loss[outside, 0], 0.01).tpr.value
    )


@pytest.mark.parametrize("few", [0, 9])
def test_a_class_of_few_examples_has_no_figures(sets, few):
    members, others, _ = sets
    chosen = np.r_[np.flatnonzero(others.labels == 2)[:few], np.flatnonzero(others.labels < 2)]
    report = audit_membership(members, others[chosen], attacks=["loss"], resamples=10)
    row = report["loss"].classes[2]
    assert row.auc is row.tpr_at is row.advantage is None
    assert (row.members, row.non_members) == ((members.labels == 2).sum(), few)
    assert f"| 2 | {row.members} | {few} | too few |" in report.to_markdown()
    chosen = np.r_[np.flatnonzero(others.labels == 2)[:10], np.flatnonzero(others.labels < 2)]
    report = audit_membership(members, others[chosen], attacks=["loss"], resamples=10)
    assert report["loss"].classes[2].auc is not None


@pytest.mark.parametrize(
    "scores", [[], [np.nan, 1.0], np.zeros((2, 2)), 1.0], ids=["empty", "nan", "matrix", "scalar"]
)
def test_bad_results(scores):
    with pytest.raises(ValueError, match="`member_scores` must be"):
        AttackResult("mine", scores, [1.0])
    with pytest.raises(ValueError, match="`non_member_scores` must be"):
        AttackResult("mine", [1.0], scores)
    with pytest.raises(ValueError, match="`threshold`"):
        AttackResult("mine", [1.0], [1.0], threshold=np.nan)


# The whole audit


def test_all_that_the_material_allows(sets, report):
    assert [attack.name for attack in report.attacks] == list(ATTACKS[:8])
    alone = audit_membership(*sets[:2], resamples=10)
    assert [attack.name for attack in alone.attacks] == ["loss", "entropy", "modified_entropy"]
    one = audit_membership(*sets, attacks=["population_logit"], resamples=10)
    assert [attack.name for attack in one.attacks] == ["population_logit"]
    assert (report.members, report.non_members, report.population) == (300, 250, 400)
    assert report.gap == sets[0].accuracy - sets[1].accuracy
    with pytest.raises(KeyError, match="lira_online"):
        report["lira_online"]


def test_the_population_attack_counts_losses_under_the_quantile(sets, report):
    members, others, known = sets
    threshold = np.quantile(known.loss, 0.1)
    decision = report["population"].decision
    assert decision.chosen == "beforehand"
    assert decision.tp == (members.loss <= threshold).sum()
    assert decision.fp == (others.loss <= threshold).sum()
    assert sum(decision.percent.values()) == pytest.approx(100)
    # One threshold for all orders the examples as the loss does.
    assert report["population"].auc == report["loss"].auc
    assert report["population_per_class"].auc != report["loss"].auc


def test_thresholds_for_each_class_want_a_population_of_each(sets):
    members, others, known = sets
    few = known[np.r_[np.flatnonzero(known.labels == 2)[:9], np.flatnonzero(known.labels < 2)]]
    report = audit_membership(members, others, few, resamples=10)
    assert [attack.name for attack in report.attacks] == [
        name for name in ATTACKS[:8] if name != "population_per_class"
    ]
    asked = audit_membership(members, others, few, attacks=["population_per_class"], resamples=10)
    assert asked["population_per_class"].auc.value > 0.5
    with pytest.raises(ValueError, match="Received: 0 of class 2"):
        audit_membership(members, others, known[known.labels < 2], attacks=["population_per_class"])


def test_several_queries(sets):
    two = [made(300, 0, 2.0, queries=2), made(250, 1, 0.5, start=300, queries=2)]
    report = audit_membership(*two, attacks=["loss"], resamples=10)
    assert report["loss"].auc.value == auc(-two[0].loss.mean(1), -two[1].loss.mean(1))
    with pytest.raises(ValueError, match="as many queries"):
        audit_membership(two[0], sets[1])


def test_overlaps_are_refused_and_counted(sets):
    members, others, _ = sets
    with pytest.raises(OverlapError, match="17 in both members and non-members") as caught:
        audit_membership(members, made(250, 1, start=283))
    assert caught.value.counts == {("members", "non-members"): 17}
    with pytest.raises(OverlapError) as caught:
        audit_membership(members, others, made(400, 2, start=290))
    assert caught.value.counts == {
        ("members", "population"): 10,
        ("non-members", "population"): 250,
    }
    results = run_attacks(members, others)
    with pytest.raises(OverlapError, match="5 in both"):
        membership_report(results, members, others, made(9, 3, start=545))
    assert overlaps({"a": ["x", "x", "y"], "b": ["x", "z"], "c": []}) == {("a", "b"): 1}


def test_json_and_dictionary(report):
    content = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert content["members"] == 300
    assert content["class_names"] == list(NAMES)
    first = content["attacks"][0]
    assert first["decision"]["percent"] == report.attacks[0].decision.percent
    assert first["auc"]["low"] == report.attacks[0].auc.low
    assert first["details"] == {"tolerated_fpr": 0.1, "quantile": "linear"}
    rates, found = np.array(first["roc"]["fpr"]), np.array(first["roc"]["tpr"])
    assert len(rates) == len(found) == 49
    at = np.flatnonzero(np.isclose(rates, 0.01))[0]
    assert found[at] == report.attacks[0].tpr_at[0].tpr.value
    assert found[-1] == 1


def test_infinite_thresholds_are_written_by_name():
    # Nobody is accused at the best threshold where the members look like non-members.
    low, high = made(5, 0), made(5, 1, start=5)
    results = [AttackResult("mine", np.zeros(5), np.ones(5))]
    report = membership_report(results, low, high, resamples=5)
    assert report["mine"].decision.threshold == np.inf
    assert (
        json.loads(json.dumps(report.to_dict(), allow_nan=False))["attacks"][0]["decision"][
            "threshold"
        ]
        == "inf"
    )


def test_markdown(report):
    text = report.to_markdown()
    assert text == str(report)
    percent = report["population"].decision.percent
    cells = " | ".join(f"{percent[name]:.2f}" for name in ("tp", "fp", "tn", "fn"))
    assert f"| population | {cells} | beforehand |" in text
    area = report["modified_entropy"].auc
    assert f"| modified entropy | {area.value:.3f} [{area.low:.3f}, {area.high:.3f}] |" in text
    assert "| cal\\|m | " in text
    assert "not one may be accused" in text
    # Every row of a table has as many cells as its head.
    for table in text.split("\n\n"):
        rows = [line for line in table.splitlines() if line.startswith("|")]
        assert len({line.replace("\\|", "").count("|") for line in rows}) <= 1


def test_save_writes_all_three(report, tmp_path):
    paths = report.save(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "membership.json",
        "membership.md",
        "membership.png",
    ]
    assert json.loads(paths[1].read_text()) == json.loads(json.dumps(report.to_dict()))
    assert paths[0].read_text() == report.to_markdown() + "\n"
    assert paths[2].read_bytes().startswith(b"\x89PNG")


def test_the_picture_draws_each_curve_once_on_logarithmic_axes(report, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(roc_picture, "save_figure", lambda figure, path: figures.append(figure))
    plot_roc(report, tmp_path / "roc.svg", title="All")
    (axes,) = figures[0].axes
    assert (axes.get_xscale(), axes.get_yscale(), axes.get_title()) == ("log", "log", "All")
    _, *lines = axes.get_lines()
    labels = [line.get_label().replace("\n", " ") for line in lines]
    assert sum(label.count("population") for label in labels) == 5
    (shared,) = (label for label in labels if "population logit" in label)
    assert "loss" in shared
    assert f"AUC {report['loss'].auc.value:.3f}" in shared
    entropy = lines[[label.startswith("entropy") for label in labels].index(True)]
    np.testing.assert_array_equal(entropy.get_xdata(), report["entropy"].fpr.clip(0.5 / 300))
    np.testing.assert_array_equal(entropy.get_ydata(), report["entropy"].tpr.clip(0.5 / 300))


def test_some_attacks_can_be_drawn_alone(report, tmp_path):
    path = plot_roc(report, tmp_path / "roc.svg", attacks=("loss", "population"))
    assert ElementTree.parse(path).getroot().tag.endswith("svg")
    for attacks in (("nothing",), ()):
        with pytest.raises(ValueError, match="`attacks` must name"):
            plot_roc(report, tmp_path / "roc.svg", attacks=attacks)
    with pytest.raises(ValueError, match="must end in"):
        plot_roc(report, tmp_path / "roc.docx")


def test_the_other_engine_is_called_with_the_sets(sets, monkeypatch):
    members, others, _ = sets
    seen = {}

    def attack(members, non_members, *, attacks=None, seed=0):
        seen.update(members=members, non_members=non_members, attacks=attacks, seed=seed)
        return [AttackResult("theirs", -members.loss[:, 0], -non_members.loss[:, 0], engine="x")]

    module = types.SimpleNamespace(attack=attack)
    monkeypatch.setitem(sys.modules, "fer_models.privacy.tf_privacy", module)
    report = audit_membership(
        members, others, engine="tensorflow_privacy", attacks=("knn",), seed=4, resamples=10
    )
    assert seen == {"members": members, "non_members": others, "attacks": ("knn",), "seed": 4}
    assert report["theirs"].engine == "x"
    assert "| theirs (x) |" in report.to_markdown()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"engine": "theirs"}, "`engine` must be one of"),
        ({"attacks": ("loss", "guess")}, "`attacks` must name"),
        ({"attacks": ()}, "`attacks` must name"),
        ({"attacks": ("lira_online", "population")}, r"\['lira_online'\] need"),
        ({"tolerated_fpr": 0}, "`tolerated_fpr`"),
        ({"confidence": 1}, "`confidence`"),
        ({"resamples": 1}, "`resamples`"),
        ({"class_names": ("a", "b")}, "`class_names` must name the 3"),
        ({"class_names": ("a", "a", "b")}, "`class_names` must name the 3"),
    ],
)
def test_bad_audit(sets, change, message):
    with pytest.raises(ValueError, match=message):
        audit_membership(*sets, **change)


def test_bad_report(sets):
    members, others, _ = sets
    with pytest.raises(ValueError, match="one attack or more"):
        membership_report([], members, others)
    with pytest.raises(ValueError, match="a dict"):
        membership_report([{}], members, others)
    with pytest.raises(ValueError, match="300 members and 250"):
        membership_report([AttackResult("mine", [1.0], [1.0])], members, others)
    with pytest.raises(ValueError, match="names of the attacks must differ"):
        membership_report(run_attacks(members, others) * 2, members, others)
