"""Sections on how good a model is: accuracy by class, and how far its confidence holds."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from fer_models import evaluation
from fer_models.auditing.blocks import Bar, Figure, Section, Table, Text, between, drawn, percent
from fer_models.privacy.metrics import binomial_interval

# Below so many faces of a class its recall is known to ten points at best.
FEW = 50
CALIBRATED = 0.05
_DRAWS = 200


def accuracy(
    labels: ArrayLike, probabilities: np.ndarray, class_names: Sequence[str], where: str
) -> Section:
    """Return the section on accuracy, in all and by class.

    Args:
        labels: Integers `(faces,)`.
        probabilities: `(faces, classes)`.
        class_names: Names in class order.
        where: What the faces are, in words.
    """
    report = evaluation.classification_report(labels, probabilities, class_names)
    right = int(np.trace(report.confusion))
    whole = binomial_interval(right, report.examples)
    rows, recalls = [], {}
    for number, scores in enumerate(report.classes):
        if not scores.support:
            rows.append((scores.name, "0", Bar(None, "-"), "-", "-", "-"))
            continue
        found = int(report.confusion[number, number])
        recall = binomial_interval(found, scores.support)
        recalls[scores.name] = {"recall": recall.value, "low": recall.low, "high": recall.high}
        rows.append(
            (
                scores.name,
                f"{scores.support:,}",
                Bar(recall.value, percent(recall.value)),
                between(recall.low, recall.high),
                percent(scores.precision),
                f"{scores.f1:.3f}",
            )
        )
    rows.append(
        (
            "all",
            f"{report.examples:,}",
            Bar(whole.value, percent(whole.value)),
            between(whole.low, whole.high),
            "",
            f"{report.macro_f1:.3f}",
        )
    )
    warnings = [
        f"{scores.name} has {scores.support} faces only: its figures are rough."
        for scores in report.classes
        if 0 < scores.support < FEW
    ]
    if report.absent:
        warnings.append(
            f"There are no faces of {', '.join(report.absent)}: nothing is known of these classes."
        )
    share = max(s.support for s in report.classes) / report.examples
    if whole.high < max(share, 1 / len(report.classes)):
        warnings.append(
            f"The accuracy, {percent(whole.value)}, is below that of always naming the most "
            f"frequent class, {percent(share)}: are the classes in the model's order?"
        )
    return Section(
        key="accuracy",
        title="Accuracy",
        blocks=(
            Table(
                ("class", "faces", "found (recall)", "95 % interval", "precision", "F1"),
                tuple(rows),
                "By class. The last row: accuracy of all faces, and the mean F1 of the classes.",
            ),
            drawn(
                lambda path: evaluation.plot_confusion(report, path),
                "Confusion matrix: rows are true classes, columns predicted classes.",
                "Confusion matrix. A row says what the faces of a class are taken for.",
            ),
        ),
        how=f"One forward pass over {where}, without augmentation. Intervals are exact binomial "
        "ones (Clopper and Pearson) for faces drawn independently; several pictures of one person "
        "make them too narrow.",
        warnings=tuple(warnings),
        figures=(
            Figure("accuracy", percent(whole.value), between(whole.low, whole.high)),
            Figure("macro F1", f"{report.macro_f1:.3f}", "mean of the classes"),
        ),
        data={
            **report.to_dict(),
            "accuracy_low": whole.low,
            "accuracy_high": whole.high,
            "recall_intervals": recalls,
        },
    )


def calibration(labels: np.ndarray, probabilities: np.ndarray, where: str) -> Section:
    """Return the section on calibration; arguments as in `accuracy`."""
    bins = evaluation.confidence_bins(labels, probabilities)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    excess = float(confidence.mean() - right.mean())
    logits = np.log(np.maximum(probabilities, np.finfo(float).tiny))
    temperature = evaluation.fit_temperature(labels, logits)
    brier = float(
        np.mean(np.sum((probabilities - np.eye(probabilities.shape[1])[labels]) ** 2, axis=1))
    )
    warnings = []
    if bins.error > CALIBRATED and bins.error > _error_by_chance(probabilities):
        accuracy = binomial_interval(int(right.sum()), len(right))
        if confidence.mean() in accuracy:
            warnings.append(
                f"Confidence and accuracy part, by {100 * bins.error:.1f} points in the mean of "
                f"the bins, though over all faces they agree: the model says "
                f"{percent(confidence.mean())} and is right in {percent(right.mean())}."
            )
        else:
            tendency = "over" if excess > 0 else "under"
            # A temperature at its bounds means that there is nothing to calibrate.
            cure = f" Dividing its logits by {temperature:.2f} would help."
            warnings.append(
                f"The model is {tendency}confident: it says {percent(confidence.mean())} on "
                f"average and is right in {percent(right.mean())}."
                + (cure if 0.1 < temperature < 10 else "")
            )
    sure = confidence >= 0.9
    rows = [
        ("expected calibration error, 15 bins", f"{bins.error:.4f}"),
        ("mean confidence minus accuracy", f"{100 * excess:+.1f} points"),
        ("temperature that fits best", f"{temperature:.3f}"),
        ("Brier score (0 is perfect)", f"{brier:.4f}"),
        (
            "right where it is sure (confidence of 90 % or more)",
            f"{percent(right[sure].mean())} of {sure.sum():,}" if sure.any() else "never sure",
        ),
    ]
    return Section(
        key="calibration",
        title="Calibration",
        blocks=(
            Text(
                "Can the confidence be believed? Of the faces named with 80 % confidence, 80 % "
                "should be right."
            ),
            Table(("", "value"), tuple(rows), "How far confidence and accuracy part."),
            drawn(
                lambda path: evaluation.plot_reliability(labels, probabilities, path),
                "Reliability diagram: accuracy against confidence, and how many faces stand where.",
                "Bars under the diagonal: the model promises too much.",
            ),
        ),
        how=f"From {where}. The temperature is fitted on these faces and tells the direction; to "
        "use one, fit it on faces kept for that (fer_models.evaluation.fit_temperature).",
        warnings=tuple(warnings),
        figures=(Figure("calibration error", f"{bins.error:.3f}", f"{100 * excess:+.1f} points"),),
        data={
            "expected_calibration_error": bins.error,
            "confidence_minus_accuracy": excess,
            "temperature": float(temperature),
            "brier": brier,
            "sure": int(sure.sum()),
            "sure_and_right": int((sure & right).sum()),
        },
    )


def _error_by_chance(probabilities):
    """Return the calibration error that a calibrated model exceeds in one draw of 20.

    With few faces the error is large even where all probabilities are true.
    """
    drawn = np.random.default_rng(0)
    steps = probabilities.cumsum(axis=1)
    errors = []
    for _ in range(_DRAWS):
        heights = drawn.random((len(steps), 1)) * steps[:, -1:]
        errors.append(evaluation.calibration_error((steps > heights).argmax(axis=1), probabilities))
    return float(np.quantile(errors, 0.95))
