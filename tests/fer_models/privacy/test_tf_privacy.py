"""The engine tensorflow-privacy: its attacks on our signals, in our report."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from fer_models import privacy
from fer_models.privacy import tf_privacy

NAMES = ("angry", "happy", "sad")
needs_package = pytest.mark.usefixtures("package")


@pytest.fixture(scope="module")
def package():
    try:
        tf_privacy._package()
    except ImportError as error:
        pytest.skip(f"tensorflow-privacy (extra [privacy]) is absent: {error}")


def some(count, members, seed=0, classes=3, queries=1):
    """Signals of a model that is surer of its members."""
    rng = np.random.default_rng([seed, members])
    labels = rng.integers(0, classes, count)
    logits = rng.normal(size=(count, queries, classes))
    logits[np.arange(count), :, labels] += rng.exponential(4.0 if members else 1.0, (count, 1))
    hashes = [f"{seed} {members} {i}" for i in range(count)]
    return privacy.Signals.from_outputs(logits, labels, hashes, from_logits=True)


@pytest.fixture(scope="module")
def sets():
    return some(150, True), some(120, False)


@needs_package
@pytest.mark.parametrize("queries", [1, 2])
def test_its_threshold_attacks_find_what_ours_find(queries):
    members, others = some(400, True, queries=queries), some(300, False, queries=queries)
    theirs = tf_privacy.attack(
        members, others, attacks=["threshold", "threshold_entropy"], progress=False
    )
    assert [each.name for each in theirs] == ["threshold", "threshold_entropy"]
    assert {each.engine for each in theirs} == {"tensorflow_privacy"}
    own = privacy.auc(privacy.loss_threshold(members.loss), privacy.loss_threshold(others.loss))
    assert own > 0.55
    assert theirs[0].details["auc_by_package"] == pytest.approx(own, abs=1e-6)
    scores = theirs[0].member_scores, theirs[0].non_member_scores
    assert privacy.auc(*scores) == pytest.approx(own, abs=1e-6)
    entropies = [
        -privacy.modified_entropy(each.probabilities[:, 0], each.labels)
        for each in (members, others)
    ]
    assert theirs[1].details["auc_by_package"] == pytest.approx(privacy.auc(*entropies), abs=1e-6)
    np.testing.assert_allclose(theirs[1].member_scores, entropies[0], rtol=1e-9, atol=1e-12)


@needs_package
def test_sure_predictions_keep_their_order():
    # The package alone cuts losses off; members whose p rounds to 1 would all be the same.
    members, others = some(50, True), some(50, False)
    sure = privacy.Signals.from_outputs(
        members.margin[..., None] * [0.0, -1.0] - [0, 200.0],
        np.zeros(50, int),
        members.hashes,
        from_logits=True,
    )
    rest = privacy.Signals.from_outputs(
        others.margin[..., None] * [0.0, -1.0] - [0, 190.0],
        np.zeros(50, int),
        others.hashes,
        from_logits=True,
    )
    (found,) = tf_privacy.attack(sure, rest, attacks=["threshold"], progress=False)
    expected = privacy.auc(sure.margin[:, 0], rest.margin[:, 0])
    assert privacy.auc(found.member_scores, found.non_member_scores) == pytest.approx(expected)


@needs_package
@pytest.mark.parametrize(
    "name",
    [
        "k_nearest_neighbors",
        pytest.param("logistic_regression", marks=pytest.mark.slow),
        pytest.param("multi_layered_perceptron", marks=pytest.mark.slow),
    ],
)
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="scikit-learn trains them, on any backend"
)
def test_trained_attackers_score_every_example_without_having_seen_it(sets, name):
    members, others = sets
    before = np.random.get_state()[1].copy()
    (first,) = tf_privacy.attack(members, others, attacks=[name], seed=3, progress=False)
    assert np.array_equal(np.random.get_state()[1], before)
    assert (len(first.member_scores), len(first.non_member_scores)) == (150, 120)
    # Better than chance on these, and far from the 1 of an attacker that looks members up.
    assert 0.55 < privacy.auc(first.member_scores, first.non_member_scores) < 0.9
    (again,) = tf_privacy.attack(members, others, attacks=[name], seed=3, progress=False)
    np.testing.assert_array_equal(first.member_scores, again.member_scores)


@needs_package
def test_a_trained_attacker_finds_nothing_where_there_is_nothing():
    members, others = some(200, False, seed=1), some(200, False, seed=2)
    (found,) = tf_privacy.attack(members, others, attacks=["k_nearest_neighbors"], progress=False)
    interval = privacy.auc_interval(found.member_scores, found.non_member_scores, confidence=0.999)
    assert 0.5 in interval


@needs_package
def test_in_the_report_beside_ours(sets, tmp_path):
    report = privacy.audit_membership(
        *sets,
        engine="tensorflow_privacy",
        attacks=["threshold", "k_nearest_neighbors"],
        class_names=NAMES,
        resamples=20,
    )
    assert [each.engine for each in report.attacks] == ["tensorflow_privacy"] * 2
    assert "tensorflow_privacy" in report.to_markdown()
    own = privacy.run_attacks(*sets, attacks=["loss"])
    theirs = tf_privacy.attack(*sets, attacks=["threshold"], progress=False)
    both = privacy.membership_report([*own, *theirs], *sets, resamples=20)
    assert both["loss"].auc.value == pytest.approx(both["threshold"].auc.value, abs=1e-6)
    assert both["loss"].tpr_at == both["threshold"].tpr_at


@needs_package
def test_slices(sets):
    members, others = sets
    found = tf_privacy.slices(
        members, others, attacks=["threshold"], class_names=NAMES, progress=False
    )
    whole, *rest = found
    own = privacy.auc(-members.loss[:, 0], -others.loss[:, 0])
    assert whole.feature == "all"
    assert whole.auc == pytest.approx(own, abs=1e-6)
    assert [each.value for each in rest[:3]] == list(NAMES)
    assert [each.value for each in rest[3:5]] == ["right", "wrong"]
    for feature in tf_privacy.FEATURES:
        these = [each for each in rest if each.feature == feature]
        assert sum(each.members for each in these) == 150
        assert sum(each.non_members for each in these) == 120
    happy = rest[1]
    picked = [-each.loss[each.labels == 1, 0] for each in sets]
    assert (happy.members, happy.non_members) == tuple(map(len, picked))
    assert happy.auc == pytest.approx(privacy.auc(*picked), abs=1e-6)
    table = tf_privacy.slice_table(found)
    assert len(table.splitlines()) == 2 + len(found)
    assert "class: happy" in table
    quarters = [each for each in rest if each.feature == "entropy"]
    assert sum(each.members + each.non_members for each in quarters[:1]) == pytest.approx(68, abs=2)


@needs_package
def test_a_slice_with_too_few_says_so():
    members, others = some(30, True), some(30, False)
    found = tf_privacy.slices(members[members.labels != 2], others, by=("class",), progress=False)
    last = [each for each in found if each.value == "2"]
    assert [(each.members, each.auc, each.advantage) for each in last] == [(0, None, None)] * 2
    assert "too few" in tf_privacy.slice_table(last)


@needs_package
def test_bad_arguments(sets):
    for bad in (["loss"], []):
        with pytest.raises(ValueError, match="`attacks` must name some of"):
            tf_privacy.attack(*sets, attacks=bad)
    with pytest.raises(ValueError, match="`by` must name some of"):
        tf_privacy.slices(*sets, by=("age",))
    with pytest.raises(ValueError, match="`class_names` must name the 3 classes"):
        tf_privacy.slices(*sets, class_names=("a", "b"))
    with pytest.raises(ValueError, match="must be of one model"):
        tf_privacy.attack(sets[0], some(20, False, classes=4))
    with pytest.raises(ValueError, match="needs 12 members and non-members or more"):
        tf_privacy.attack(sets[0][:11], sets[1], attacks=["k_nearest_neighbors"])


def test_without_the_package(sets, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("tensorflow_privacy")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorflow_privacy", None)
    with pytest.raises(ImportError, match=r'pip install "fer-keras\[privacy\]"'):
        privacy.audit_membership(*sets, engine="tensorflow_privacy")
    assert not hasattr(sys, "skip_tf_privacy_import")


@pytest.mark.slow
def test_our_package_does_not_import_it():
    code = (
        "import sys, fer_models.privacy\n"
        "assert not [m for m in sys.modules if m.split('.')[0] in "
        "('tensorflow_privacy', 'dp_accounting')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
