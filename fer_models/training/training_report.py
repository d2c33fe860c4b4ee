"""The report of a training on faces: scores, tables and pictures."""

import csv
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fer_data import files
from fer_models import evaluation, explain
from fer_models.evaluation import Complexity, Latency, Report, ValenceArousalReport
from fer_models.training import ancestry
from fer_models.training.recipes.recipe import Recipe
from fer_models.zoo.face_outputs import expression_part, in_one_row
from fer_models.zoo.loading import load_model

TEXT, SCORES = "report.md", "report.json"


def write(
    record: Mapping[str, Any],
    recipe: Recipe,
    names: Sequence[str],
    where: str,
    faces: Any,
    folder: Path,
    copies: Sequence[bool] | None = None,
    affect: Any = None,
    sets: np.ndarray | None = None,
) -> str:
    """Write report.md, report.json and the pictures of a training.

    Args:
        record: Content of run.json.
        recipe: The `Recipe`.
        names: Names of the classes.
        where: Name of the split that is scored.
        faces: Its batches, which can be read several times.
        folder: Folder of the run, with the models and history.csv.
        copies: Which of the faces are copies of training faces, where that is known.
        affect: Batches of the same faces with valence and arousal; None where the model or the
            split has none.
        sets: Of a training on several data sets the name of each face's set; None of one.

    Returns:
        The report, as Markdown.
    """
    whole = trained_model(folder / "best.keras")
    best = expression_part(whole)
    found = {
        "best": evaluation.score_split(best, faces, names, copies),
        "last": evaluation.score_split(trained_model(folder / "last.keras"), faces, names, copies),
    }
    reports = {
        f"{epoch} epoch, {name}": report
        for epoch, scores in found.items()
        for name, report in scores.reports.items()
    }
    for name in () if sets is None else dict.fromkeys(sets.tolist()):
        for epoch, scores in found.items():
            some = sets == name
            reports[f"{epoch} epoch, {name}"] = evaluation.classification_report(
                scores.labels[some], scores.probabilities[some], names
            )
    labels, probabilities = found["best"].labels, found["best"].probabilities
    title = f"Best epoch, {where} faces"
    evaluation.plot_curves(folder / "history.csv", folder / "curves.png", recipe.name)
    evaluation.plot_confusion(next(iter(reports.values())), folder / "confusion.png", title)
    evaluation.plot_reliability(labels, probabilities, folder / "reliability.png", title=title)
    draw_grad_cam(best, faces, labels, probabilities, names, where, folder / "grad_cam.png")
    cost = evaluation.complexity(in_one_row(whole))
    times = {batch: evaluation.latency(best, batch_size=batch) for batch in (1, 32)}
    with (folder / "history.csv").open(newline="") as file:
        history = list(csv.DictReader(file))
    felt = None
    if affect is not None:
        felt = evaluation.evaluate_valence_arousal(whole, affect, verbose=0)
    text = summary(record, recipe, reports, where, cost, times, history, felt)
    files.write_text(folder / TEXT, text)
    content = {
        "scores": {name: report.to_dict() for name, report in reports.items()},
        "split": where,
        "complexity": cost.to_dict(),
        "latency": {batch: time.to_dict() for batch, time in times.items()},
    }
    if felt is not None:
        content["valence_arousal"] = felt.to_dict()
    files.write_json(folder / SCORES, content)
    return text


def trained_model(path: str | os.PathLike[str]) -> keras.Model:
    """Return the model in a file, all of it trainable.

    A stage of its training may have frozen most of it, and its cost would leave that out.
    """
    model = load_model(path)[0]
    model.trainable = True
    return model


def draw_grad_cam(
    model: keras.Model,
    faces: Any,
    labels: np.ndarray,
    probabilities: np.ndarray,
    names: Sequence[str],
    where: str,
    path: str | os.PathLike[str],
) -> None:
    """Draw Grad-CAM of four faces of each class.

    Args:
        model: The model.
        faces: Batches of faces.
        labels: Their class numbers.
        probabilities: The model's answers for them.
        names: Names of the classes.
        where: Name of the split, for the title.
        path: The picture.
    """
    chosen = np.concatenate([np.flatnonzero(labels == label)[:4] for label in range(len(names))])
    wanted = set(chosen.tolist())
    every = enumerate(image for batch, _ in faces for image in np.asarray(batch))
    found = {place: image for place, image in every if place in wanted}
    images = np.stack([found[place] for place in chosen])
    explain.contact_sheet(
        images,
        path,
        explain.grad_cam(model, images),
        labels=[names[label] for label in labels[chosen]],
        predictions=[names[label] for label in probabilities[chosen].argmax(-1)],
        columns=7,
        title=f"Grad-CAM on {where} faces: original and predicted label",
    )


def summary(
    record: Mapping[str, Any],
    recipe: Recipe,
    reports: Mapping[str, Report],
    where: str,
    cost: Complexity,
    times: Mapping[int, Latency],
    history: Sequence[Mapping[str, str]],
    felt: ValenceArousalReport | None = None,
) -> str:
    """Return the report as Markdown.

    Args:
        record: Content of run.json.
        recipe: The recipe.
        reports: Scores by epoch and subset, those of the best epoch and all faces first.
        where: Name of the split that is scored.
        cost: What the model costs.
        times: How long it takes, by size of the batch.
        history: Rows of history.csv.
        felt: Scores of valence and arousal at the best epoch; None without them.
    """
    first, best = next(iter(reports.items()))
    rows = [
        f"| {name} | {r.examples:,} | {r.accuracy:.2%} | {r.macro_f1:.4f} | {r.weighted_f1:.4f} | "
        f"{r.loss:.4f} | {r.calibration_error:.4f} |"
        for name, r in reports.items()
    ]
    settings = record["settings"]
    precision = "" if settings["precision"] == "float32" else f"; {settings['precision']}"
    lines = [
        f"# {recipe.name}",
        "",
        *([f"`{record['command']}`", ""] if "command" in record else []),
        f"{record['date']}; {', '.join(f'{k} {v}' for k, v in record['versions'].items())}; "
        f"{record['hardware']}; seed {settings['seed']}{precision}.",
        "",
        "Faces: " + ", ".join(f"{n:,} {name}" for name, n in record["faces"].items()) + ". "
        f"The scores below are on the {where} faces"
        + (
            ", on which the best epoch was chosen too: the set has no test faces."
            if where == "validation"
            else "; the best epoch was chosen on the validation faces."
        ),
        "",
        *of_sets(record.get("sets")),
        "| | faces | accuracy | macro F1 | weighted F1 | loss | calibration error |",
        "|---|---:|---:|---:|---:|---:|---:|",
        *rows,
        "",
        *published(recipe, settings["data"], best, reports["last epoch, all"], where, history),
        f"## {first[0].upper()}{first[1:]}",
        "",
        best.to_markdown(),
        "",
        *(["## Valence and arousal", "", felt.to_markdown(), ""] if felt else []),
        "![Confusion matrix](confusion.png)",
        "![Reliability](reliability.png)",
        "![Curves](curves.png)",
        "![Grad-CAM](grad_cam.png)",
        "",
        "## Cost",
        "",
        f"{cost.trainable:,} trainable parameters; {cost.macs:,} multiply-accumulates of "
        f"convolutions and dense layers, {cost.papers_flops:,} by the papers' rule.",
        "",
        *(f"- Batch of {batch}: {time}" for batch, time in times.items()),
        "",
        *private(record.get("privacy")),
        "## Recipe",
        "",
        f"{recipe.source}.",
        *(["", f"It says: {recipe.stated}"] if recipe.stated else []),
        *(["", f"Ours: {recipe.chosen}"] if recipe.chosen else []),
        *(["", f"Taught by {', '.join(settings['teacher'])}."] if settings["teacher"] else []),
        # Settings of before have no word of answers, records of before none of ancestry.
        *(["", f"Taught by {settings['answers']}."] if settings.get("answers") else []),
        *(["", ancestry.terms(record["ancestry"])] if record.get("ancestry") else []),
        "",
        "```json",
        json.dumps(record["recipe"], indent=1),
        "```",
        "",
    ]
    return "\n".join(lines)


def of_sets(sets: Mapping[str, Any] | None) -> list[str]:
    """Return lines with the data sets of a training on several, none for one data set.

    Args:
        sets: By name of a set what `JoinedFaces.record` says; None of one data set.
    """
    if not sets:
        return []
    lines = ["| data set | faces | weight | left out, of other classes |", "|---|---|---:|---|"]
    for name, each in sets.items():
        faces = ", ".join(f"{count:,} {split}" for split, count in each["faces"].items())
        left = ", ".join(f"{count:,} {label}" for label, count in each["left_out"].items())
        weight = "by its faces" if each["weight"] is None else f"{each['weight']:g}"
        lines.append(f"| {name} | {faces} | {weight} | {left or '-'} |")
    return [*lines, ""]


def private(promised: Mapping[str, Any] | None) -> list[str]:
    """Return lines with what DP-SGD guarantees, where it was used.

    Args:
        promised: The result of `accountant.guarantee`; None without DP-SGD.
    """
    if promised is None:
        return []
    return [
        "## Privacy",
        "",
        f"DP-SGD, noise multiplier {promised['noise_multiplier']:g}, gradients clipped to "
        f"{promised['l2_norm_clip']:g}: after {promised['epochs']} epochs epsilon is "
        f"{epsilon_text(promised)} for the training faces. Validation faces, which choose the best "
        "epoch, and the training's own logs are not covered; state/ holds what the noise comes "
        "from and must not be given away.",
        "",
    ]


def epsilon_text(promised: Mapping[str, Any]) -> str:
    """Return epsilon and delta in words, and the usual smaller figure beside them.

    Args:
        promised: The result of `accountant.guarantee`.
    """
    if promised["epsilon"] is None:
        return "infinite: without noise nothing is guaranteed"
    return (
        f"{promised['epsilon']:.2f} at delta {promised['delta']:g} (batches shuffled, as here; "
        f"{promised['epsilon_if_poisson_sampled']:.2f} if they had been drawn by Poisson sampling, "
        "which is what many papers quote)"
    )


def published(
    recipe: Recipe,
    data: str,
    best: Report,
    last: Report,
    where: str,
    history: Sequence[Mapping[str, str]],
) -> list[str]:
    """Return lines with the paper's numbers beside ours, where the data set is the same.

    Args:
        recipe: The recipe, with what its paper reports.
        data: Name of the data set.
        best: Scores of the best epoch.
        last: Scores of the last epoch.
        where: Name of the split that they are on.
        history: Rows of history.csv.
    """
    lines = []
    for paper in (paper for paper in recipe.published if paper.data == data):
        lines += [
            "## Beside what was published",
            "",
            f"| | best epoch, {where} faces | last epoch, {where} faces | "
            f"published: {paper.faces} |",
            "|---|---:|---:|---:|",
        ]
        for name, value in paper.scores.items():
            ours = (_cell(getattr(report, name, None)) for report in (best, last))
            lines.append(f"| {name.replace('_', ' ')} | {' | '.join(ours)} | {_cell(value)} |")
        accuracy, monitor = recipe.logged("accuracy"), recipe.logged(recipe.monitor)
        training = [float(row[accuracy]) for row in history]
        pick = min if recipe.lower_is_better else max
        at_best = pick(history, key=lambda row: float(row[monitor]))
        lines.append(
            f"| training accuracy, augmented, dropout on | {float(at_best[accuracy]):.4f} | "
            f"{training[-1]:.4f} | {_cell(paper.training_accuracy)} |"
        )
        by_name = {scores.name: scores for scores in best.classes}
        if paper.classes:
            lines += [
                "",
                f"| class: precision, recall, F1, faces | best epoch, {where} faces | published |",
                "|---|---:|---:|",
            ]
        for name, (*values, support) in paper.classes.items():
            s = by_name.get(name)
            mine = "-" if s is None else _row((s.precision, s.recall, s.f1), s.support)
            lines.append(f"| {name} | {mine} | {_row(values, support)} |")
        lines.append("")
    return lines


def _cell(value):
    return "-" if value is None else f"{value:.4f}"


def _row(values, support):
    return ", ".join([*("-" if v is None else f"{v:.2f}" for v in values), f"{support:,}"])
