"""What a training run leaves for people to look at: scores, tables and pictures."""

import csv
import json
import sys
from pathlib import Path

import keras
import numpy as np

from fer_data import files
from fer_models import evaluation, explain

sys.path.insert(0, str(Path(__file__).parent))
from train_data import column, features


def write(record, recipe, names, where, faces, split, output):
    """Write report.md, report.json and the pictures of a run.

    Args:
        record: Content of run.json.
        recipe: The `Recipe`.
        names: Names of the classes.
        where: Name of the split that is scored.
        faces: Its batches.
        split: The same as the data set gives it, for what the batches leave out.
        output: Folder of the run, with the models and history.csv.

    Returns:
        The report, as Markdown.
    """
    labels = np.concatenate([label for _, label in faces]).argmax(-1)
    models = {epoch: trained(output / f"{epoch}.keras") for epoch in ("best", "last")}
    probabilities = {epoch: model.predict(faces, verbose=0) for epoch, model in models.items()}
    reports = score(labels, probabilities, subsets(split, len(labels)), names)
    first = next(iter(reports.values()))
    evaluation.plot_curves(output / "history.csv", output / "curves.png", recipe.name)
    evaluation.plot_confusion(first, output / "confusion.png", f"Best epoch, {where} faces")
    evaluation.plot_reliability(
        labels,
        probabilities["best"],
        output / "reliability.png",
        title=f"Best epoch, {where} faces",
    )
    draw_grad_cam(
        models["best"], faces, labels, probabilities["best"], names, where, output / "grad_cam.png"
    )
    cost = evaluation.complexity(models["best"])
    times = {batch: evaluation.latency(models["best"], batch_size=batch) for batch in (1, 32)}
    with (output / "history.csv").open(newline="") as file:
        history = list(csv.DictReader(file))
    text = summary(record, recipe, reports, where, cost, times, history)
    files.write_text(output / "report.md", text)
    content = {
        "scores": {name: report.to_dict() for name, report in reports.items()},
        "split": where,
        "complexity": cost.to_dict(),
        "latency": {batch: time.to_dict() for batch, time in times.items()},
    }
    files.write_text(output / "report.json", json.dumps(content, indent=1))
    return text


def trained(path):
    """Return the model in a file, all of it trainable."""
    model = keras.models.load_model(path, compile=False)
    # A stage of its training may have frozen most of it, and its cost would leave that out.
    model.trainable = True
    return model


def subsets(split, count):
    """Return the faces to be scored, by name: all, and those not in the training set as well."""
    chosen = {"all": np.full(count, True)}
    if "copy_in_train" in features(split):
        copies = column(split, "copy_in_train").astype(bool)
        chosen["without copies of training faces"] = ~copies
    return chosen


def score(labels, probabilities, chosen, names):
    """Return a report for every epoch and subset, by name."""
    return {
        f"{epoch} epoch, {name}": evaluation.classification_report(labels[some], p[some], names)
        for epoch, p in probabilities.items()
        for name, some in chosen.items()
    }


def draw_grad_cam(model, faces, labels, probabilities, names, where, path):
    """Draw Grad-CAM of four faces a class."""
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


def summary(record, recipe, reports, where, cost, times, history):
    """Return the report as Markdown."""
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
        f"`{record['command']}`",
        "",
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
        "| | faces | accuracy | macro F1 | weighted F1 | loss | calibration error |",
        "|---|---:|---:|---:|---:|---:|---:|",
        *rows,
        "",
        *published(recipe, settings["data"], best, reports["last epoch, all"], where, history),
        f"## {first[0].upper()}{first[1:]}",
        "",
        best.to_markdown(),
        "",
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
        "",
        "```json",
        json.dumps(record["recipe"], indent=1),
        "```",
        "",
    ]
    return "\n".join(lines)


def private(promised):
    """Return lines with what DP-SGD guarantees, where it was used."""
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


def epsilon_text(promised):
    """Return epsilon and delta in words, and the usual smaller figure beside them."""
    if promised["epsilon"] is None:
        return "infinite: without noise nothing is guaranteed"
    return (
        f"{promised['epsilon']:.2f} at delta {promised['delta']:g} (batches shuffled, as here; "
        f"{promised['epsilon_if_poisson_sampled']:.2f} if they had been drawn by Poisson sampling, "
        "which is what many papers quote)"
    )


def published(recipe, data, best, last, where, history):
    """Return lines with the paper's numbers beside ours, where the data set is the same."""
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
        training = [float(row["accuracy"]) for row in history]
        pick = min if recipe.lower_is_better else max
        at_best = pick(history, key=lambda row: float(row[recipe.monitor]))
        lines.append(
            f"| training accuracy, augmented, dropout on | {float(at_best['accuracy']):.4f} | "
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
