"""Tables of the study of label noise."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fer_models.robustness import Suspect
from fer_models.studies.label_noise_models import NoisyFaces
from fer_models.studies.label_noise_pictures import plot
from fer_models.studies.label_noise_settings import Cell, LabelNoiseSettings
from fer_models.studies.outcome import PICTURE, Outcome, heading
from fer_models.training.recipes.recipe import Recipe

Ranked = tuple[Sequence[Suspect], np.ndarray]


def write_report(
    about: Mapping[str, Any],
    settings: LabelNoiseSettings,
    recipe: Recipe,
    faces: NoisyFaces,
    results: Mapping[Cell, Mapping[str, Any]],
    suspects: Mapping[float, Ranked],
    output: Path,
) -> Outcome:
    """Write the tables and the curves.

    Args:
        about: What was run, for the head of the report.
        settings: The settings.
        recipe: How the models were trained.
        faces: The faces.
        results: What each training gave.
        suspects: By share of wrong labels the ranking, and which labels are wrong.
        output: Folder of the study.

    Returns:
        `Outcome`.
    """
    rows = summarise(results)
    ranking = [
        ranking_of(rate, ranked, flipped) for rate, (ranked, flipped) in suspects.items() if rate
    ]
    content = {
        **about,
        "faces": {name: len(labels) for name, (_, labels) in faces.splits.items()},
        "scored": faces.scored,
        "seeds": settings.seeds,
        "recipe": recipe.to_dict(),
        "rows": rows,
        "ranking": ranking,
        "runs": list(results.values()),
    }
    lines = [
        "# Wrong labels",
        "",
        *heading(content),
        *_faces(content),
        *_table(rows, faces.scored),
        "",
        f"![Accuracy against wrong labels]({PICTURE})",
        *(line for each in ranking for line in _ranking(each)),
    ]
    plot(rows, faces.scored, output / PICTURE)
    outcome = Outcome(content, "\n".join(lines) + "\n", output)
    outcome.write()
    return outcome


def summarise(results: Mapping[Cell, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each kind, rate and augmentation: means over the seeds and their spread.

    Args:
        results: What each training gave.
    """
    groups: dict[tuple, list] = {}
    for cell, result in results.items():
        groups.setdefault((cell.kind, cell.rate, cell.augmentation), []).append(result)
    rows = []
    for (kind, rate, augmentation), runs in groups.items():
        row = {"kind": kind, "rate": rate, "augmentation": augmentation, "seeds": len(runs)}
        row["best_epoch"] = float(np.mean([run["best_epoch"] for run in runs]))
        for epoch in ("best", "last"):
            for score in runs[0][epoch]:
                values = [run[epoch][score] for run in runs]
                spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
                row[f"{epoch}_{score}"] = {"mean": float(np.mean(values)), "deviation": spread}
        rows.append(row)
    return rows


def ranking_of(
    rate: float, ranked: Sequence[Suspect], flipped: np.ndarray
) -> dict[str, float | int | None]:
    """Return how many of the first suspects are flipped labels, beside the base rate.

    Args:
        rate: Share of wrong labels.
        ranked: The suspects, the most suspect first.
        flipped: Which labels are wrong.
    """
    hits = np.array([flipped[each.index] for each in ranked])
    marked = np.array([each.confident for each in ranked])
    count = int(flipped.sum())
    return {
        "rate": rate,
        "base_rate": float(flipped.mean()),
        "flipped": count,
        "precision_at_flipped": float(hits[:count].mean()),
        "precision_at_half": float(hits[: max(1, count // 2)].mean()),
        "confident": int(marked.sum()),
        "confident_precision": float(hits[marked].mean()) if marked.any() else None,
        "confident_recall": float(hits[marked].sum() / count),
    }


def _faces(content):
    faces = ", ".join(f"{count:,} {name}" for name, count in content["faces"].items())
    text = (
        f"Faces: {faces}. Seeds: {content['seeds']}. Labels of training faces are flipped, those "
        "of validation and test are not. Means over the seeds, standard deviation in brackets."
    )
    if content["scored"] == "validation":
        text += " There are no test faces: the best epoch is chosen on the faces that score it."
    return [text, ""]


def _table(rows, where):
    lines = [
        f"| wrong labels | augmentation | {where} accuracy %, best epoch | "
        f"{where} accuracy %, last epoch | wrong labels learnt by heart %, last epoch | "
        "corrected %, last epoch | best epoch |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        noise = f"{row['kind'].replace('_', '-')} {100 * row['rate']:g}%" if row["rate"] else "none"
        cells = [
            _percent(row.get(name))
            for name in ("best_accuracy", "last_accuracy", "last_learnt_by_heart", "last_corrected")
        ]
        cells.append(f"{row['best_epoch']:.1f}")
        lines.append(f"| {noise} | {row['augmentation']} | {' | '.join(cells)} |")
    return lines


def _percent(value):
    if value is None:
        return ""
    spread = "" if value["deviation"] is None else f" ({100 * value['deviation']:.1f})"
    return f"{100 * value['mean']:.1f}{spread}"


def _ranking(found):
    """Return what the list of suspects found, as lines of Markdown."""
    lines = [
        "",
        f"Ranking by normalised margin, symmetric {100 * found['rate']:g}%: of the first "
        f"{found['flipped']} suspects {found['precision_at_flipped']:.1%} are flipped labels, "
        f"of the first half of them {found['precision_at_half']:.1%}; by chance it would be "
        f"{found['base_rate']:.1%}.",
    ]
    if found["confident"]:
        lines.append(
            f"Confident learning marks {found['confident']}: {found['confident_precision']:.1%} "
            f"of them are flipped labels, and it finds {found['confident_recall']:.1%} of those."
        )
    return lines
