"""Tables and pictures of a study of label noise."""

import datetime
import importlib.metadata
import json
import os
import platform
from pathlib import Path

import keras
import numpy as np

from fer_data import files
from fer_models.explain import contact_sheet

SHOWN = 24


def write(args, command, recipe, arrays, names, results, suspects, output):
    """Write label_noise.md and label_noise.json; return the Markdown."""
    where = "test" if "test" in arrays else "validation"
    rows = summarise(results)
    ranking = [
        ranking_of(rate, ranked, flipped) for rate, (ranked, flipped) in suspects.items() if rate
    ]
    facts = {
        "command": command,
        "date": datetime.date.today().isoformat(),
        "versions": {
            "Python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in ("fer-keras", "keras")},
            keras.backend.backend(): importlib.metadata.version(keras.backend.backend()),
        },
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores",
        "faces": {name: len(labels) for name, (_, labels) in arrays.items()},
        "scored": where,
        "recipe": recipe.to_dict(),
    }
    content = {**facts, "rows": rows, "ranking": ranking, "runs": list(results.values())}
    files.write_text(output / "label_noise.json", json.dumps(content, indent=1))
    text = "\n".join([heading(facts, args), table(rows, where), *map(ranking_text, ranking)])
    files.write_text(output / "label_noise.md", text + "\n")
    return text


def summarise(results):
    """Return a row for each kind, rate and augmentation: means over the seeds and their spread."""
    groups = {}
    for (kind, rate, augmentation, _), result in results.items():
        groups.setdefault((kind, rate, augmentation), []).append(result)
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


def ranking_of(rate, ranked, flipped):
    """Return how many of the first suspects are flipped labels, beside the base rate."""
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


def heading(facts, args):
    faces = ", ".join(f"{count:,} {name}" for name, count in facts["faces"].items())
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    return "\n".join(
        [
            f"`{facts['command']}`",
            "",
            f"{facts['date']}; {versions}; {facts['hardware']}. Faces: {faces}. Seeds: "
            f"{', '.join(map(str, args.seeds))}. Labels of training faces are flipped, those of "
            "validation and test are not. Means over the seeds, standard deviation in brackets."
            + (
                " There are no test faces: the best epoch is chosen on the faces that score it."
                if facts["scored"] == "validation"
                else ""
            ),
            "",
        ]
    )


def table(rows, where):
    """Return the main table as Markdown."""
    lines = [
        f"| wrong labels | augmentation | {where} accuracy %, best epoch | "
        f"{where} accuracy %, last epoch | wrong labels learnt by heart %, last epoch | "
        "corrected %, last epoch | best epoch |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        noise = f"{row['kind'].replace('_', '-')} {row['rate']:.0%}" if row["rate"] else "none"
        cells = [
            percent(row.get(name))
            for name in ("best_accuracy", "last_accuracy", "last_learnt_by_heart", "last_corrected")
        ]
        cells.append(f"{row['best_epoch']:.1f}")
        lines.append(f"| {noise} | {row['augmentation']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def percent(value):
    if value is None:
        return ""
    spread = "" if value["deviation"] is None else f" ({100 * value['deviation']:.1f})"
    return f"{100 * value['mean']:.1f}{spread}"


def ranking_text(ranking):
    """Return what the list of suspects found, as Markdown."""
    lines = [
        "",
        f"Ranking by normalised margin, symmetric {ranking['rate']:.0%}: of the first "
        f"{ranking['flipped']} suspects {ranking['precision_at_flipped']:.1%} are flipped labels, "
        f"of the first half of them {ranking['precision_at_half']:.1%}; by chance it would be "
        f"{ranking['base_rate']:.1%}.",
    ]
    if ranking["confident"]:
        lines.append(
            f"Confident learning marks {ranking['confident']}: "
            f"{ranking['confident_precision']:.1%} of them are flipped labels, and it finds "
            f"{ranking['confident_recall']:.1%} of those."
        )
    return "\n".join(lines)


def draw_overruled(pictures, labels, flipped, names, folder, path):
    """Draw the training faces whose label the best epoch's model overrules most surely."""
    p = np.load(folder / "predictions.npz")["best_train"].astype("float64")
    margin = p.max(-1) - p[np.arange(len(p)), labels]
    over = margin > 0
    chosen = np.argsort(-margin, kind="stable")[: min(SHOWN, over.sum())]
    told = f", {flipped[over].mean():.0%} of them flipped on purpose" if flipped.any() else ""
    title = f"Given and predicted label: {over.sum():,} of {len(p):,} overruled{told}"
    sheet(pictures[chosen], names, labels[chosen], p[chosen].argmax(-1), path, title)


def draw_gained(scored, names, folders, path):
    """Draw the faces that the second of two models gets right and the first does not."""
    pictures, truth = scored
    plain, best = folders
    said = [np.load(folders[e] / "predictions.npz")["last_test"].argmax(-1) for e in (plain, best)]
    gained, lost = (
        (said[one] == truth) & (said[other] != truth) for one, other in ((1, 0), (0, 1))
    )
    chosen = np.flatnonzero(gained)[:SHOWN]
    title = (
        f"Right with {best} only, and what the model with {plain} says: {gained.sum()} of "
        f"{len(truth):,} (the other way round {lost.sum()})"
    )
    sheet(pictures[chosen], names, truth[chosen], said[0][chosen], path, title)


def sheet(pictures, names, given, predicted, path, title):
    """Draw pictures with given and predicted label, or delete an older sheet if there are none."""
    if not len(pictures):
        Path(path).unlink(missing_ok=True)
        return
    contact_sheet(
        pictures,
        path,
        labels=[names[label] for label in given],
        predictions=[names[label] for label in predicted],
        columns=8,
        title=title,
    )
