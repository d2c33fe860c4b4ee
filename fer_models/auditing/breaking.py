"""Sections on how a model breaks: attacks on pixels, corruptions, and labels it overrules."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from fer_models import explain, robustness
from fer_models.auditing.blocks import Bar, Figure, Picture, Section, Table, Text, drawn, percent

if TYPE_CHECKING:
    import keras

# Accuracy points that a corruption may take before it is called out.
DROP = 0.25
_SHOWN = 12


def adversarial(
    model: "keras.Model",
    images: np.ndarray,
    labels: ArrayLike,
    seed: int,
    verbose: int,
    batch_size: int,
) -> Section:
    """Return the section on adversarial examples.

    Args:
        model: Keras model.
        images: Faces, some of the test faces.
        labels: Their classes.
        seed: Of the attacks.
        verbose: 0 or 1.
        batch_size: Faces at a time.
    """
    report = robustness.adversarial_accuracy(
        model, images, labels, seed=seed, batch_size=batch_size, verbose=verbose
    )
    middle = report.epsilons[len(report.epsilons) // 2]
    rows = [
        (name, *(Bar(row[epsilon].value, str(row[epsilon])) for epsilon in report.epsilons))
        for name, row in (
            ("no attack", dict.fromkeys(report.epsilons, report.clean)),
            *((_attack_name(name), row) for name, row in report.accuracies.items()),
            ("all together", {epsilon: report.worst(epsilon) for epsilon in report.epsilons}),
        )
    ]
    worst = report.worst(middle)
    warnings = list(report.warnings)
    if worst.value < report.clean.value / 2:
        warnings.append(
            f"Changes of {middle:g} grey levels, which nobody sees, leave an accuracy of {worst}, "
            f"from {report.clean}: do not use the model where somebody gains by deceiving it."
        )
    return Section(
        key="adversarial",
        title="Adversarial examples",
        blocks=(
            Text(
                "Accuracy when somebody who has the model changes every pixel by a few grey levels "
                "to deceive it."
            ),
            Table(
                ("attack", *(f"up to {epsilon:g} of 255" for epsilon in report.epsilons)),
                tuple(rows),
                f"Accuracy in percent with exact 95 % intervals, {report.examples:,} faces. FGSM "
                "and PGD are each tried on all faces that the model names right; a row under PGD "
                "counts the faces that stand its attack and those from PGD down to it.",
            ),
        ),
        how=f"fer_models.robustness.adversarial_accuracy on {report.examples:,} test faces drawn "
        f"at random (seed {seed}), on pixels in [0, 255] before the model's own preprocessing: "
        + ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in report.settings.items())
        + ".",
        warnings=tuple(warnings),
        figures=(
            Figure(
                f"under attack, {middle:g}/255", percent(worst.value), f"of {report.examples} faces"
            ),
        ),
        data=report.to_dict(),
    )


def corruptions(
    model: "keras.Model",
    images: np.ndarray,
    labels: ArrayLike,
    seed: int,
    verbose: int,
    batch_size: int,
) -> Section:
    """Return the section on corruptions and occlusions; arguments as in `adversarial`."""
    report = robustness.corruption_accuracy(
        model, images, labels, seed=seed, batch_size=batch_size, verbose=verbose
    )
    severities = list(next(iter(report.accuracies.values())))
    rows = tuple(
        (
            kind.replace("_", " "),
            *(Bar(row[severity].value, percent(row[severity].value, 0)) for severity in severities),
            percent(report.mean(kind)),
        )
        for kind, row in report.accuracies.items()
    )
    mean = report.mean()
    warnings = []
    for kind, row in report.accuracies.items():
        middle = row[severities[len(severities) // 2]]
        if report.clean.value - middle.value > DROP:
            warnings.append(
                f"{kind.replace('_', ' ').capitalize()} of middling severity leaves an accuracy of "
                f"{percent(middle.value)}, from {percent(report.clean.value)}."
            )
    # A face of the model's own input is drawn, so the sheet shows what the model saw.
    # As whole numbers: floats of a face that is nearly black would look scaled to [0, 1].
    face = np.rint(images[0]).astype("uint8")
    return Section(
        key="corruptions",
        title="Corruptions and occlusions",
        blocks=(
            Table(
                ("kind", *(f"severity {severity}" for severity in severities), "mean"),
                rows,
                f"Accuracy by kind and severity, {report.clean.examples:,} faces; untouched it is "
                f"{percent(report.clean.value)}, the mean of the table {percent(mean)}.",
            ),
            drawn(
                lambda path: robustness.corruption_sheet(face, path, seed=seed),
                "One face under every corruption at every severity.",
                "One test face under each corruption.",
                wide=True,
            ),
        ),
        how=f"fer_models.robustness.corruption_accuracy on {report.clean.examples:,} test faces "
        f"drawn at random (seed {seed}). Occlusions are placed by the typical landmarks of a "
        "cropped face.",
        warnings=tuple(warnings),
        figures=(
            Figure(
                "corrupted", percent(mean), f"mean of {len(rows)} kinds, {len(severities)} each"
            ),
        ),
        data=report.to_dict(),
    )


def suspects(
    images: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    class_names: Sequence[str],
    where: str,
) -> Section:
    """Return the section on labels that the model overrules.

    Args:
        images: Faces the model was not trained on.
        labels: Their given classes.
        probabilities: `(faces, classes)`.
        class_names: Names in class order.
        where: What the faces are, in words.
    """
    ranked = [each for each in robustness.rank_suspects(labels, probabilities) if each.margin < 0]
    shown = ranked[:_SHOWN]
    content: list[dict[str, Any]] = [
        {
            "index": int(each.index),
            "given": class_names[each.given],
            "predicted": class_names[each.predicted],
            "given_probability": float(probabilities[each.index, each.given]),
            "predicted_probability": float(probabilities[each.index, each.predicted]),
            "confident": each.confident,
        }
        for each in ranked
    ]
    blocks: list[Text | Table | Picture] = [
        Text(
            "Where the model contradicts a label most surely, either may be wrong. Look at the "
            "faces before you trust the test accuracy to a point."
        )
    ]
    if shown:
        places = [each.index for each in shown]
        blocks.append(
            drawn(
                lambda path: explain.contact_sheet(
                    images[places],
                    path,
                    labels=[each["given"] for each in content[:_SHOWN]],
                    predictions=[
                        f"{each['predicted']} {each['predicted_probability']:.0%}"
                        for each in content[:_SHOWN]
                    ],
                ),
                "The faces whose label the model overrules most surely.",
                "Above each face the given label, and in red what the model says.",
                wide=True,
            )
        )
        blocks.append(
            Table(
                ("number in the set", "label", "the model says", "gives its label"),
                tuple(
                    (
                        str(each["index"]),
                        each["given"],
                        f"{each['predicted']} ({percent(each['predicted_probability'])})",
                        percent(each["given_probability"], 2),
                    )
                    for each in content[:_SHOWN]
                ),
                "The same as a table; all of them are in audit.json and suspects.csv.",
                full=False,
            )
        )
    else:
        blocks.append(Text("The model overrules no label."))
    sure = sum(each.confident for each in ranked)
    return Section(
        key="suspects",
        title="Suspect labels",
        blocks=tuple(blocks),
        how=f"fer_models.robustness.rank_suspects on {where}: the faces whose predicted class is "
        "not the given one, by the probability of the label minus that of the predicted class. "
        "Of these, confident learning (Northcutt et al. 2021) counts those where another class is "
        "at least as probable as it is on average for that class's own faces. A model that errs in "
        "a class makes suspects of it too: this is a list to look through, no finding.",
        figures=(
            Figure("suspect labels", f"{sure:,}", f"by confident learning, of {len(labels):,}"),
        ),
        data={
            "faces": len(labels),
            "overruled": len(ranked),
            "confident": sure,
            "suspects": content,
        },
    )


def _attack_name(name):
    return {
        "fgsm": "FGSM (one step)",
        "pgd": "PGD",
        "apgd_ce": "APGD-CE",
        "apgd_dlr": "APGD-DLR",
        "square": "Square (black box)",
    }.get(name, name.replace("_", " "))
