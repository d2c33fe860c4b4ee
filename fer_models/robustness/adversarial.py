"""Accuracy under attack, and the signs that an attack only failed."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from tqdm import tqdm

from fer_data import arguments
from fer_data.checks import (
    check_epsilon,
    check_integer,
    checked_images,
    checked_labels,
)
from fer_models.robustness.accuracy import Accuracy
from fer_models.robustness.attack_loop import as_gradients
from fer_models.robustness.attacks import apgd, one_step, pgd
from fer_models.robustness.loss_gradients import InputGradients
from fer_models.robustness.square_attack import square

if TYPE_CHECKING:
    import keras

ATTACKS = ("fgsm", "pgd", "apgd_ce", "apgd_dlr", "square")

# With half of the range every face can become the same grey, in which no model can tell classes.
WHOLE_RANGE = 128
# Share of the faces above which a sign of masking gives a warning.
TOLERANCE = 0.01


@dataclasses.dataclass(frozen=True)
class AdversarialReport:
    """The result of `adversarial_accuracy`.

    Attributes:
        clean: `Accuracy` without an attack.
        epsilons: Largest changes of a pixel in grey levels, ascending.
        accuracies: `{attack: {epsilon: Accuracy}}`. `"fgsm"` and `"pgd"` are independent. Each
            later attack is tried on the faces that withstood `"pgd"` and all attacks since; its
            accuracy counts the faces that withstood it too.
        all_attacks: `{epsilon: Accuracy}`: faces that withstood all attacks, at this epsilon and
            below.
        whole_range: `Accuracy` under PGD at 128 grey levels, which should be near 0.
        warnings: Signs of gradient masking, as sentences. An empty list proves
            nothing.
        settings: Everything besides model and faces that decides the numbers.
    """

    clean: Accuracy
    epsilons: tuple
    accuracies: dict
    all_attacks: dict
    whole_range: Accuracy
    warnings: tuple
    settings: dict

    @property
    def examples(self) -> int:
        """Number of faces."""
        return self.clean.examples

    def worst(self, epsilon: float) -> Accuracy:
        """Return the `Accuracy` against all attacks together at one of the epsilons."""
        if epsilon not in self.all_attacks:
            raise ValueError(
                f"`epsilon` must be one of {self.epsilons}. Received: epsilon={epsilon!r}"
            )
        return self.all_attacks[epsilon]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as numbers, strings, lists and dictionaries, ready for JSON."""
        rows = {**self.accuracies, "all": self.all_attacks}
        return {
            "examples": self.examples,
            "clean": self.clean.to_dict(),
            "epsilons": list(self.epsilons),
            "accuracies": {
                name: {str(epsilon): each.to_dict() for epsilon, each in row.items()}
                for name, row in rows.items()
            },
            "whole_range": self.whole_range.to_dict(),
            "warnings": list(self.warnings),
            "settings": self.settings,
        }

    def to_markdown(self) -> str:
        """Return the report as a Markdown table with intervals, and the warnings below it."""
        lines = [
            f"Accuracy on {self.examples:,} faces (exact 95 % intervals); changes of a pixel in "
            "grey levels of 255, maximum norm.",
            "",
            "| attack | " + " | ".join(f"{epsilon:g}/255" for epsilon in self.epsilons) + " |",
            "|---|" + "---:|" * len(self.epsilons),
            f"| none | {' | '.join([str(self.clean)] * len(self.epsilons))} |",
        ]
        rows = {_NAMES[name]: row for name, row in self.accuracies.items()}
        rows["all together"] = self.all_attacks
        for name, row in rows.items():
            lines.append(f"| {name} | {' | '.join(str(row[each]) for each in self.epsilons)} |")
        lines += ["", f"PGD at {WHOLE_RANGE}/255: {self.whole_range}."]
        signs = [f"Warning: {warning}" for warning in self.warnings]
        for line in signs or ["No sign of gradient masking."]:
            lines += ["", line]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.to_markdown()


_NAMES = {
    "fgsm": "FGSM",
    "pgd": "PGD",
    "apgd_ce": "PGD, then APGD-CE",
    "apgd_dlr": "... then APGD-DLR",
    "square": "... then Square (black box)",
}


@arguments.checked(seed=arguments.seed, verbose=arguments.plain)
def adversarial_accuracy(
    model: "keras.Model | InputGradients",
    images: ArrayLike,
    labels: ArrayLike,
    *,
    epsilons: float | Sequence[float] = (2, 4, 8),
    steps: int = 20,
    apgd_steps: int = 50,
    queries: int = 200,
    seed: int = 0,
    batch_size: int = 64,
    verbose: int = 1,
) -> AdversarialReport:
    """Measure the accuracy of a model under attacks of growing strength, and check the attacks.

    FGSM and PGD are tried on every face that the model names right. A cascade like AutoAttack's
    follows: APGD-CE on the faces that withstood PGD, APGD-DLR on those that withstood APGD-CE, and
    the black-box Square attack on the rest. A face that falls at one epsilon counts as fallen at
    the larger ones, since the smaller box lies within the larger. (This does not apply to FGSM,
    which has one step only.)

    The report warns if the numbers may show that an attack failed, not that the model is strong
    (Athalye et al. 2018; Carlini et al. 2019): faces that withstand PGD at half of the range, faces
    that fall to the black box alone, one step that beats twenty, gradients of zero, scores that
    change from call to call, or a softmax that could not be removed.

    Args:
        model: Built Keras model that takes pixels of [0, 255] and gives `(batch, classes)`, or an
            `InputGradients`.
        images: Array `(examples, height, width, channels)` in [0, 255]. Faces that the model was
            not trained on.
        labels: True class of each image, integers.
        epsilons: Largest changes of a pixel in grey levels of 255: several, or a single one.
        steps: Steps of PGD.
        apgd_steps: Steps of APGD; the authors use 100.
        queries: Queries of the Square attack; the authors use 5,000.
        seed: Seed of everything random.
        batch_size: Images at a time.
        verbose: 0 is silent, 1 shows progress.

    Returns:
        An `AdversarialReport`; `print` shows it as Markdown.

    Raises:
        ValueError: If an argument breaks its rule.

    Example:

    ```python
    report = adversarial_accuracy(model, images, labels, epsilons=(2, 4, 8))
    print(report)
    ```

    Reference:
        Croce and Hein, ICML 2020; Athalye, Carlini and Wagner, "Obfuscated Gradients Give a False
        Sense of Security", ICML 2018; Carlini et al., "On Evaluating Adversarial Robustness",
        arXiv:1902.06705.
    """
    gradients = as_gradients(model)
    images = checked_images(images, gradients.input_shape, whole=gradients.whole)
    gradients = gradients.of_parts()
    labels = checked_labels(labels, len(images), gradients.classes)
    levels = _checked_epsilons(epsilons)
    for name, value in (("steps", steps), ("apgd_steps", apgd_steps), ("queries", queries)):
        check_integer(name, value, 1)
    check_integer("seed", seed, 0)
    check_integer("batch_size", batch_size, 1)
    common = {"seed": seed, "batch_size": batch_size}
    stages = {
        "pgd": lambda x, y, epsilon: pgd(gradients, x, y, epsilon, steps=steps, **common),
        "apgd_ce": lambda x, y, epsilon: apgd(
            gradients, x, y, epsilon, loss="ce", steps=apgd_steps, **common
        ),
        "apgd_dlr": lambda x, y, epsilon: apgd(
            gradients, x, y, epsilon, loss="dlr", steps=apgd_steps, **common
        ),
        "square": lambda x, y, epsilon: square(gradients, x, y, epsilon, queries=queries, **common),
    }
    if gradients.classes < 3:
        # The difference of logits ratio is not defined for two.
        del stages["apgd_dlr"]

    def holds(attack, candidates, epsilon):
        """Return which of all faces are among the candidates and withstand an attack."""
        held = np.zeros(len(images), bool)
        places = np.flatnonzero(candidates)
        if len(places):
            changed = attack(images[places], labels[places], epsilon)
            scores = gradients.scores(changed, batch_size)
            held[places] = scores.argmax(-1) == labels[places]
        return held

    images = images.astype("float32")
    clean_scores, _, slopes = gradients(images, labels, "ce", batch_size)
    right = clean_scores.argmax(-1) == labels
    held = {name: {} for name in ("fgsm", *stages)}
    standing = dict.fromkeys(stages, right)
    with tqdm(total=(len(stages) + 1) * len(levels) + 1, desc="attacks", unit="",
              disable=not verbose) as progress:  # fmt: skip
        for epsilon in levels:
            progress.set_postfix_str(f"fgsm at {epsilon:g}/255")
            stepped = gradients.scores(one_step(images, slopes, epsilon), batch_size)
            held["fgsm"][epsilon] = right & (stepped.argmax(-1) == labels)
            progress.update()
            before = right
            for name, attack in stages.items():
                progress.set_postfix_str(f"{name} at {epsilon:g}/255")
                before = holds(attack, standing[name] & before, epsilon)
                held[name][epsilon] = standing[name] = before
                progress.update()
        progress.set_postfix_str("pgd at half of the range")
        whole_range = holds(stages["pgd"], standing["pgd"], WHOLE_RANGE)
        progress.update()

    whole, standing_all = {}, right
    for epsilon in levels:
        standing_all = standing_all & held["square"][epsilon] & held["fgsm"][epsilon]
        whole[epsilon] = standing_all

    def counted(mask):
        return Accuracy(int(mask.sum()), len(images))

    again = gradients.scores(images, batch_size)
    report = AdversarialReport(
        clean=counted(right),
        epsilons=levels,
        accuracies={
            name: {epsilon: counted(mask) for epsilon, mask in row.items()}
            for name, row in held.items()
        },
        all_attacks={epsilon: counted(mask) for epsilon, mask in whole.items()},
        whole_range=counted(whole_range),
        warnings=(),
        settings={
            "steps": steps,
            "apgd_steps": apgd_steps,
            "queries": queries,
            "seed": seed,
            "classes": gradients.classes,
        },
    )
    size = np.abs(slopes[right]).max(axis=(1, 2, 3), initial=0)
    still = int((~np.isfinite(size) | (size == 0)).sum())
    warnings = _signs_of_masking(report, still, np.abs(again - clean_scores).max())
    if gradients.from_probabilities:
        warnings.insert(
            0,
            "the model gives probabilities by a layer that could not be taken off, so gradients "
            "vanish where it is sure: build it to give logits.",
        )
    return dataclasses.replace(report, warnings=tuple(warnings))


def _checked_epsilons(epsilons):
    values = list(epsilons) if np.ndim(epsilons) else [epsilons]
    for value in values:
        check_epsilon("epsilons", value, WHOLE_RANGE)
    if not values or len(set(values)) < len(values):
        raise ValueError(f"`epsilons` must be different numbers. Received: epsilons={epsilons!r}")
    return tuple(sorted(values))


def _signs_of_masking(report, still, change):
    warnings = []
    few = max(TOLERANCE * report.examples, 1)
    if report.clean.correct and still > few:
        warnings.append(
            f"on {still} of {report.clean.correct} faces the gradient is zero or not finite: "
            "attacks with gradients see nothing there."
        )
    if report.whole_range.correct > few:
        warnings.append(
            f"{report.whole_range} of the faces withstand PGD at {WHOLE_RANGE}/255, where every "
            "face can become plain grey: the attack fails, not the model holds."
        )
    whitebox = list(report.accuracies)[-2]
    for epsilon in report.epsilons:
        rows = {name: row[epsilon] for name, row in report.accuracies.items()}
        only = rows[whitebox].correct - rows["square"].correct
        if only > few:
            warnings.append(
                f"at {epsilon:g}/255 the black-box attack turns {only} faces that withstood every "
                "attack with gradients."
            )
        if rows["pgd"].correct - rows["fgsm"].correct > few:
            warnings.append(
                f"at {epsilon:g}/255 one step (FGSM, {rows['fgsm']}) does more than "
                f"{report.settings['steps']} (PGD, {rows['pgd']})."
            )
    if change > 1e-3:
        warnings.append(
            f"scores of the same faces change by up to {change:.2g} from call to call: the model "
            "is random even in inference, which these attacks do not average out."
        )
    return warnings
