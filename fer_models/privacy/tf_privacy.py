"""The attacks of tensorflow-privacy (0.7.3, extra `[privacy]`) on our signals, in our report."""

import contextlib
import dataclasses
import sys
import warnings
from collections.abc import Iterable, Sequence

import numpy as np

from fer_models.privacy.attack_result import AttackResult
from fer_models.privacy.metrics import LEAST
from fer_models.privacy.signals import Signals

ENGINE = "tensorflow_privacy"
# Its own names, without the ending of the first two.
ATTACKS = (
    "threshold",
    "threshold_entropy",
    "logistic_regression",
    "multi_layered_perceptron",
    "random_forest",
    "k_nearest_neighbors",
)
THRESHOLDS = ATTACKS[:2]
FEATURES = ("class", "correctness", "entropy")
# The package tests its trained attackers on a quarter of the examples.
_FOLDS = 4
_ENTROPY_PARTS = 4


@dataclasses.dataclass(frozen=True)
class SliceResult:
    """The results of an attack on some of the examples.

    Attributes:
        feature: `"all"`, `"class"`, `"correctness"` or `"entropy"`.
        value: Name of the class, `"right"` or `"wrong"`, or the quarter of the entropies.
        attack: Name of the attack.
        members: Number of members in the slice.
        non_members: Number of non-members.
        auc: Area under the ROC curve, by tensorflow-privacy; `None` with too few of either.
        advantage: Its attacker advantage, the largest distance of true- and false-positive rate.
    """

    feature: str
    value: str
    attack: str
    members: int
    non_members: int
    auc: float | None
    advantage: float | None


def attack(
    members: Signals,
    non_members: Signals,
    *,
    attacks: Sequence[str] | None = None,
    seed: int = 0,
    progress: bool = True,
) -> tuple[AttackResult, ...]:
    """Attack by tensorflow-privacy, with a score for every example.

    Its threshold attacks take the loss, and the entropy of Song and Mittal, as scores. Its trained
    attackers learn from the logarithms of the probabilities and the loss. The package judges them
    on a quarter of the examples; here four attackers of each kind are trained, each on three
    quarters, and every example is scored by the one that was not trained on it.

    Args:
        members: `Signals` of pictures the model was trained on. Of several queries the losses are
            averaged, as in `loss_threshold`, and the probabilities of the first are taken.
        non_members: `Signals` of pictures it was not trained on.
        attacks: Names, of `ATTACKS`; `None` for all. The random forest searches 72 settings and
            takes minutes for a few thousand examples.
        seed: Integer; the attackers are the same for the same seed.
        progress: Whether to show a bar.

    Returns:
        Tuple of `AttackResult` with `engine="tensorflow_privacy"`, in the order of `ATTACKS`.

    Raises:
        ImportError: If tensorflow-privacy is not installed, or in a version that does not run
            beside Keras 3.
        ValueError: If an attack is unknown, the numbers of classes differ, or a trained attack has
            fewer than 12 members or non-members.

    Example:

    ```python
    results = attack(members, non_members, attacks=["threshold", "logistic_regression"])
    print(membership_report(results, members, non_members))
    ```

    Reference:
        https://github.com/tensorflow/privacy, v0.7.3, `privacy_tests`.
    """
    from tqdm import tqdm

    wanted = _checked_attacks(attacks)
    _check_sets(members, non_members, trained=any(name not in THRESHOLDS for name in wanted))
    package = _package()
    data = _input(package, members, non_members)
    results = []
    with _reproducible(seed):
        for name in tqdm(wanted, desc="tensorflow-privacy", unit="attack", disable=not progress):
            if name in THRESHOLDS:
                found = _run(package, data, name)
                scores = found.membership_scores_train, found.membership_scores_test
                details = {"auc_by_package": float(found.get_auc())}
            else:
                scores = _cross_scores(package, data, name, seed)
                details = {"folds": _FOLDS}
            results.append(AttackResult(name, *scores, engine=ENGINE, details=details))
    return tuple(results)


def slices(
    members: Signals,
    non_members: Signals,
    *,
    attacks: Sequence[str] = THRESHOLDS,
    by: Sequence[str] = FEATURES,
    class_names: Sequence[str] | None = None,
    seed: int = 0,
    progress: bool = True,
) -> tuple[SliceResult, ...]:
    """Attack slices of the examples: by class, by correctness and by entropy of the prediction.

    tensorflow-privacy itself slices by class and correctness. It does not slice by entropy, so the
    quarters of all examples by the entropy of their prediction are made here and attacked one by
    one. The ROC curve of a slice is the package's: that of a trained attacker covers a quarter of
    the slice.

    Args:
        members: As in `attack`.
        non_members: As in `attack`.
        attacks: Names, of `ATTACKS`.
        by: Features to slice by, of `FEATURES`; all examples together always come first.
        class_names: Names in class order; `None` calls them "0", "1", ...
        seed: Integer.
        progress: Whether to show a bar.

    Returns:
        Tuple of `SliceResult`: for each slice each attack. A slice with fewer than 10 members or
        non-members is not attacked: its result has `auc=None`.

    Raises:
        ImportError: As in `attack`.
        ValueError: As in `attack`, or if a feature is unknown or the names do not fit.

    Example:

    ```python
    print(slice_table(slices(members, non_members)))
    ```
    """
    from tqdm import tqdm

    wanted, by = _checked_attacks(attacks), tuple(by)
    if any(feature not in FEATURES for feature in by):
        raise ValueError(f"`by` must name some of {FEATURES}. Received: by={by}")
    _check_sets(members, non_members)
    names = tuple(map(str, range(members.classes) if class_names is None else class_names))
    if len(names) != members.classes:
        raise ValueError(
            f"`class_names` must name the {members.classes} classes. Received: {names}"
        )
    package = _package()
    data = _input(package, members, non_members)
    found = []
    with _reproducible(seed):
        parts = list(_parts(package, data, members, non_members, by, names))
        for feature, value, part in tqdm(parts, desc="slices", disable=not progress):
            sizes = part.get_train_size(), part.get_test_size()
            for name in wanted:
                result = None
                if min(sizes) >= LEAST:
                    result = _run(package, part, name)
                found.append(
                    SliceResult(
                        feature,
                        value,
                        name,
                        *sizes,
                        auc=None if result is None else float(result.get_auc()),
                        advantage=(
                            None if result is None else float(result.get_attacker_advantage())
                        ),
                    )
                )
    return tuple(found)


def slice_table(results: Iterable[SliceResult]) -> str:
    """Return `SliceResult`s as a Markdown table."""
    lines = [
        "| slice | attack | members | non-members | AUC | advantage |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for each in results:
        where = each.feature if each.feature == "all" else f"{each.feature}: {each.value}"
        numbers = "too few | -" if each.auc is None else f"{each.auc:.3f} | {each.advantage:.3f}"
        lines.append(
            f"| {where} | {each.attack} | {each.members:,} | {each.non_members:,} | {numbers} |"
        )
    return "\n".join(lines)


def _package():
    """Return the modules of tensorflow-privacy, without those that need Keras 2."""
    # Its own switch: leaves out the optimisers, which do not import beside Keras 3.
    already = hasattr(sys, "skip_tf_privacy_import")
    sys.skip_tf_privacy_import = True
    try:
        from tensorflow_privacy.privacy.privacy_tests.membership_inference_attack import (
            data_structures,
            dataset_slicing,
            membership_inference_attack,
            models,
        )
    except (ImportError, AttributeError) as error:
        raise ImportError(
            'The engine "tensorflow_privacy" needs tensorflow-privacy 0.7.3: '
            'pip install "fer-keras[privacy]"'
        ) from error
    finally:
        if not already:
            del sys.skip_tf_privacy_import
    return _Package(data_structures, dataset_slicing, membership_inference_attack, models)


@dataclasses.dataclass(frozen=True)
class _Package:
    structures: object
    slicing: object
    attacks: object
    models: object

    def kind(self, name):
        ending = "_ATTACK" if name in THRESHOLDS else ""
        return self.structures.AttackType[name.upper() + ending]


def _input(package, members, non_members, chosen=(..., ...)):
    """Return the package's input: "train" are members, "test" non-members."""
    values = {}
    for end, signals, some in zip(("train", "test"), (members, non_members), chosen, strict=True):
        # Its own loss from probabilities is cut off at 1e-8, so it gets ours.
        values[f"loss_{end}"] = signals.loss.mean(axis=1)[some]
        smallest = np.finfo("float64").tiny
        logits = np.log(np.maximum(signals.probabilities[:, 0], smallest))
        values[f"logits_{end}"] = logits[some]
        values[f"labels_{end}"] = signals.labels[some].astype("int64")
    return package.structures.AttackInputData(**values)


def _run(package, data, name):
    """Return the package's result of one attack on one set of examples."""
    found = package.attacks.run_attacks(data, attack_types=[package.kind(name)])
    return found.single_attack_results[0]


def _cross_scores(package, data, name, seed):
    """Return scores of members and non-members by attackers that were not trained on them."""
    from sklearn.model_selection import StratifiedKFold

    attackers = {
        "logistic_regression": package.models.LogisticRegressionAttacker,
        "multi_layered_perceptron": package.models.MultilayerPerceptronAttacker,
        "random_forest": package.models.RandomForestAttacker,
        "k_nearest_neighbors": package.models.KNearestNeighborsAttacker,
    }
    # Columns and classes as in the package's `create_attacker_data`.
    features = np.concatenate(
        [
            np.column_stack((data.logits_train, data.loss_train)),
            np.column_stack((data.logits_test, data.loss_test)),
        ]
    )
    outside = np.repeat([0.0, 1.0], [data.get_train_size(), data.get_test_size()])
    scores = np.empty(len(outside))
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    for learned, judged in folds.split(features, outside):
        attacker = attackers[name]()
        attacker.train_model(features[learned], outside[learned])
        # It predicts the probability of being a non-member.
        scores[judged] = 1 - attacker.predict(features[judged])
    return scores[outside == 0], scores[outside == 1]


def _parts(package, data, members, non_members, by, names):
    """Give feature, value and input of every slice."""
    spec = package.structures.SlicingSpec(
        by_class="class" in by, by_classification_correctness="correctness" in by
    )
    feature = package.structures.SlicingFeature
    for each in package.slicing.get_single_slice_specs(spec, members.classes):
        part = package.slicing.get_slice(data, each)
        if each.entire_dataset:
            yield "all", "", part
        elif each.feature == feature.CLASS:
            yield "class", names[each.value], part
        else:
            yield "correctness", "right" if each.value else "wrong", part
    if "entropy" in by:
        entropies = members.entropy[:, 0], non_members.entropy[:, 0]
        inner = np.linspace(0, 1, _ENTROPY_PARTS + 1)[1:-1]
        places = [
            np.searchsorted(np.quantile(np.concatenate(entropies), inner), each)
            for each in entropies
        ]
        for quarter in range(_ENTROPY_PARTS):
            chosen = tuple(place == quarter for place in places)
            label = ("surest", "second", "third", "least sure")[quarter] + " quarter"
            yield "entropy", label, _input(package, members, non_members, chosen)


@contextlib.contextmanager
def _reproducible(seed):
    """Seed NumPy's global generator, from which the package draws, and run one job at a time."""
    import joblib
    from sklearn.exceptions import ConvergenceWarning, FitFailedWarning

    state = np.random.get_state()
    np.random.seed(seed)
    try:
        with joblib.parallel_config(backend="sequential"), warnings.catch_warnings():
            # The forest's grid holds a setting, max_features="auto", that scikit-learn no longer
            # has: those of its fits fail, and the search goes on with the others.
            warnings.simplefilter("ignore", FitFailedWarning)
            warnings.filterwarnings("ignore", "One or more of the test scores are non-finite")
            # Its perceptron stops after 200 epochs, converged or not.
            warnings.simplefilter("ignore", ConvergenceWarning)
            yield
    finally:
        np.random.set_state(state)


def _checked_attacks(attacks):
    wanted = ATTACKS if attacks is None else tuple(attacks)
    if not wanted or any(name not in ATTACKS for name in wanted):
        raise ValueError(f"`attacks` must name some of {ATTACKS}. Received: attacks={attacks!r}")
    return tuple(name for name in ATTACKS if name in wanted)


def _check_sets(members, non_members, trained=False):
    if members.classes != non_members.classes:
        raise ValueError(
            "`members` and `non_members` must be of one model. "
            f"Received: {members.classes} and {non_members.classes} classes"
        )
    # Each fold's attacker searches its settings by three folds of its own.
    if trained and min(len(members), len(non_members)) < 3 * _FOLDS:
        raise ValueError(
            f"A trained attack needs {3 * _FOLDS} members and non-members or more. "
            f"Received: {len(members)} and {len(non_members)}"
        )
