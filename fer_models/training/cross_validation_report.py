"""The report of a training on micro-expressions: scores, tables, a confusion matrix."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fer_data import files
from fer_data.protocols.subjects import Clips, Division
from fer_models import evaluation
from fer_models.evaluation.pooled import PooledScores
from fer_models.training.clip_data import SYNTHETIC
from fer_models.training.clip_scenarios import published_figures
from fer_models.training.cross_validation import (
    COMPOSITE,
    Scenario,
    default_selection,
    pooled_folds,
)

REPORT, TEXT, CONFUSION = "report.json", "report.md", "confusion.png"
# How a division calls itself that splits clips at random, before its proportions.
RANDOM = "random "
# The report's part on a fold is short: the predictions stand in the fold's own file.
LEFT_OUT = ("subjects", "probabilities", "labels")


def report_scenario(
    about: Mapping[str, Any],
    scenario: Scenario,
    divisions: Sequence[Division],
    results: Sequence[Mapping[str, Any]],
    clips: Clips,
    names: Sequence[str],
    folder: str | os.PathLike[str],
    *,
    select: str | None = None,
) -> tuple[dict[str, Any], str]:
    """Write `report.md`, `report.json` and `confusion.png` of a scenario.

    Args:
        about: Facts of the run for the report: `date`, `versions`, `backend`, `hardware`, `seed`,
            `motion`, `data` (the facts of `ClipData`), and if there is one, `command`; `regions`,
            how they were cut, where a network sees several.
        scenario: What was trained.
        divisions: Who was tested.
        results: What `cross_validate` gives.
        clips: The clips.
        names: Names of the classes.
        folder: Folder.
        select: As for `cross_validate`.

    Returns:
        The content of `report.json` and of `report.md`.
    """
    composite = scenario.protocol == COMPOSITE
    record = {
        **about,
        "scenario": scenario.words or scenario.protocol,
        "protocol": "MEGC 2019 composite" if composite else divisions[0].protocol,
        "select": select or default_selection(scenario.protocol),
        "warning": warning_of(divisions),
        "recipe": scenario.recipe.to_dict(),
        "parts": [part_sizes(division, clips) for division in divisions],
    }
    return write_report(record, results, names, folder)


def write_report(
    record: Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    folder: str | os.PathLike[str],
) -> tuple[dict[str, Any], str]:
    """Write `report.json`, `report.md` and `confusion.png` of one scenario.

    Args:
        record: What `report_scenario` takes as `about`, and of the scenario: `scenario`,
            `protocol`, `select`, `warning`, `recipe`, and `parts`, the sizes of each fold.
        results: Results of the folds.
        names: Names of the classes.
        folder: Folder.

    Returns:
        The content of `report.json` and of `report.md`.
    """
    folder = Path(folder)
    scores = pooled_folds(results, names)
    content = {
        **record,
        "scores": scores.to_dict(),
        "most_frequent_class": most_frequent(results, names).to_dict(),
        "datasets": by_dataset(results, names),
        "subjects": by_subject(results, names),
        "validation": validation_of(results),
        "published": published(record),
        "folds": [
            {**{k: v for k, v in result.items() if k not in LEFT_OUT}, "clips": parts}
            for result, parts in zip(results, record["parts"], strict=True)
        ],
    }
    del content["parts"]
    title = f"{record['recipe']['model']}, {record['protocol']}\n"
    title += f"UF1 {scores.uf1:.3f}, UAR {scores.uar:.3f}"
    evaluation.plot_confusion(scores, folder / CONFUSION, title)
    text = _summary(content, names)
    files.write_text(folder / TEXT, text)
    files.write_json(folder / REPORT, content)
    return content, text


def warning_of(divisions: Sequence[Division]) -> str:
    """Return what a report must say of the divisions, `""` for nothing."""
    return " ".join(dict.fromkeys(d.warning for d in divisions if d.warning))


def part_sizes(division: Division, clips: Clips) -> dict[str, dict[str, int]]:
    """Return the clips and subjects of every part of a division."""
    return {
        part: {"clips": len(places), "subjects": len(set(clips.subjects[places].tolist()))}
        for part, places in division.parts.items()
    }


def most_frequent(results: Sequence[Mapping[str, Any]], names: Sequence[str]) -> PooledScores:
    """Return the scores of saying, in every fold, the training part's most frequent class."""
    pairs = [
        (np.array(r["labels"]), np.full(len(r["labels"]), int(np.argmax(r["train_counts"]))))
        for r in results
    ]
    return evaluation.pooled_scores(pairs, names)


def by_dataset(
    results: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return UF1, UAR and accuracy of every data set, pooled over its own folds."""
    subjects, labels, said = _clips_of(results)
    sets = np.array([str(subject).split("/")[0] for subject in subjects])
    found = {}
    for name in np.unique(sets):
        own = sets == name
        scores = evaluation.pooled_scores([(labels[own], said[own])], names)
        found[str(name)] = {
            "clips": scores.examples,
            "accuracy": scores.accuracy,
            "uf1": scores.uf1,
            "uar": scores.uar,
            "absent": list(scores.absent),
        }
    return found


def by_subject(results: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return for every tested person the clips and the right ones, in all and of every class."""
    subjects, labels, said = _clips_of(results)
    rows = []
    for name in np.unique(subjects):
        own = subjects == name
        right = own & (labels == said)
        classes = {
            each: [int((right & (labels == i)).sum()), int((own & (labels == i)).sum())]
            for i, each in enumerate(names)
        }
        rows.append(
            {
                "subject": str(name),
                "clips": int(own.sum()),
                "right": int(right.sum()),
                "classes": classes,
            }
        )
    return rows


def validation_of(results: Sequence[Mapping[str, Any]]) -> dict[str, float] | None:
    """Return the scores of the validation parts, the mean over folds, or None without any."""
    known = [r["validation"] for r in results if "validation" in r]
    if not known:
        return None
    return {name: float(np.mean([each[name] for each in known])) for name in known[0]}


def published(record: Mapping[str, Any]) -> dict[str, float]:
    """Return the dissertation's accuracy and F1 where this is a training of its own, else nothing.

    Args:
        record: As for `write_report`.
    """
    sources = record["data"]["sources"]
    if len(sources) > 1 or not record["protocol"].startswith(RANDOM):
        return {}
    ((name, options),) = sources.items()
    split = record["protocol"].removeprefix(RANDOM)
    regions = record.get("regions")
    return published_figures(name, options, split, record["recipe"], regions=regions)


def _clips_of(results):
    """Return subject, label and prediction of all tested clips."""
    return (
        np.concatenate([r["subjects"] for r in results]),
        np.concatenate([r["labels"] for r in results]),
        np.concatenate([np.argmax(r["probabilities"], -1) for r in results]),
    )


def _heading(content):
    versions = ", ".join(f"{name} {version}" for name, version in content["versions"].items())
    data = content["data"]
    classes = ", ".join(f"{name} {n}" for name, n in data["classes"].items())
    lines = [f"`{content['command']}`", ""] if content.get("command") else []
    lines += [
        f"{content['date']}; {versions}; {content['backend']}; {content['hardware']}; seed "
        f"{content['seed']}.",
        "",
        f"{data['clips']:,} clips of {data['subjects']} people ({classes}) of "
        f"{', '.join(data['datasets'])}; {data['unlabelled']:,} without a label are left out.",
    ]
    if data.get("differences"):
        lines += ["", "Not as in MEGC 2019: " + "; ".join(data["differences"]) + "."]
    if list(data["sources"]) == [SYNTHETIC]:
        lines += [
            "",
            "**Rendered people, small frames, a small network and few epochs.** That a network "
            "learns them shows that the code works, and nothing about real micro-expressions.",
        ]
    return lines


def _choice(content):
    """Return which epoch is scored, in words."""
    if content["select"] == "last":
        return "The last epoch is scored: none is chosen."
    by = "other clips" if content["protocol"].startswith("random") else "other people"
    return (
        f"Scored is the epoch of the least loss on the validation part, {by} than those of the "
        "training and the test. The test part chooses nothing."
    )


def _kept_epochs(content):
    """Return which epochs were chosen, in words."""
    if content["select"] == "last":
        return ""
    kept = sorted(fold["epoch"] for fold in content["folds"])
    return f" Chosen: {' to '.join(dict.fromkeys(map(str, (kept[0], kept[-1]))))}."


def _summary(content, names):
    """Return the report as Markdown."""
    recipe, folds = content["recipe"], content["folds"]
    lines = [
        f"# {recipe['model']}: {content['scenario']}",
        "",
        *_heading(content),
        "",
        *_warning(content),
        f"Protocol: {content['protocol']}, {len(folds)} fold{'s' * (len(folds) > 1)}. "
        + _choice(content)
        + _kept_epochs(content),
        "",
        f"Adam {recipe['learning_rate']:g}, batch {recipe['batch_size']}, "
        f"{recipe['stages'][0]['epochs']} epochs; augmentation {recipe['augmentation']}; classes "
        f"{'weighed' if recipe['class_weights'] else 'not weighed'}; input "
        f"{'minus the first frame' if content['motion'] else 'grey levels'}, "
        f"{tuple(recipe['input_shape'])}{_cut(content)}; network {recipe['model_options']}.",
        "",
    ]
    if len(folds) == 1:
        parts = folds[0]["clips"].items()
        words = (f"{part} {n['clips']} clips of {n['subjects']} people" for part, n in parts)
        lines += ["; ".join(words) + ".", ""]
    lines += [*_scores(content), f"![Confusion matrix]({CONFUSION})", "", *_beside(content)]
    return "\n".join([*lines, *_datasets(content), *_people(content, names)])


def _cut(content):
    """Return how the regions of the faces were cut, in words; empty if it is not known."""
    if "regions" not in content:
        return ""
    follow = content["regions"] == "landmarks"
    return f", regions {'that follow the landmarks' if follow else 'of the fixed grid'}"


def _scores(content):
    """Return the tables of all folds together."""
    model, scores = content["recipe"]["model"], content["scores"]
    rows = (
        (f"{model}, all folds pooled", scores),
        ("always the most frequent class of the training part", content["most_frequent_class"]),
    )
    lines = [
        "| | accuracy | error rate | UF1 | UAR |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {name} | {s['accuracy']:.2%} | {s['error_rate']:.2%} | {s['uf1']:.4f} | "
            f"{s['uar']:.4f} |"
            for name, s in rows
        ),
        "",
        "| class | precision | recall | F1 | clips |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {c['name']} | {_number(c['precision'])} | {_number(c['recall'])} | "
            f"{_number(c['f1'])} | {c['support']:,} |"
            for c in scores["classes"]
        ),
        f"| *mean of the classes* | {scores['precision']:.4f} | {scores['uar']:.4f} | "
        f"{scores['uf1']:.4f} | {scores['examples']:,} |",
        f"| *weighted by clips* | {scores['weighted_precision']:.4f} | {scores['accuracy']:.4f} | "
        f"{scores['weighted_f1']:.4f} | {scores['examples']:,} |",
        "",
    ]
    if scores["absent"]:
        lines += [f"Without clips in the test, and in no mean: {', '.join(scores['absent'])}.", ""]
    return lines


def _datasets(content):
    if len(content["datasets"]) < 2:
        return []
    return [
        "| data set | clips | accuracy | UF1 | UAR |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {name} | {s['clips']} | {s['accuracy']:.2%} | {s['uf1']:.4f} | {s['uar']:.4f} |"
            for name, s in content["datasets"].items()
        ),
        "",
    ]


def _people(content, names):
    return [
        f"| tested person | clips | right | accuracy | {' | '.join(names)} |",
        "|---|---:|---:|---:|" + "---:|" * len(names),
        *(
            f"| {row['subject']} | {row['clips']} | {row['right']} | "
            f"{row['right'] / row['clips']:.0%} | "
            + " | ".join(f"{right} of {n}" for right, n in row["classes"].values())
            + " |"
            for row in content["subjects"]
        ),
        "",
    ]


def _warning(content):
    return [f"> **Warning.** {content['warning']}", ""] if content["warning"] else []


def _beside(content):
    """Return lines with the dissertation's figures beside ours."""
    if not content["published"]:
        return []
    ours, theirs = content["scores"], content["published"]
    return [
        "| | ours | Irawan (2025), the same scenario |",
        "|---|---:|---:|",
        f"| accuracy | {ours['accuracy']:.4f} | {theirs['accuracy']:.4f} |",
        f"| F1 | {ours['uf1']:.4f} (UF1), {ours['weighted_f1']:.4f} (weighted) | "
        f"{theirs['f1']:.4f} |",
        "",
        "How its F1 is averaged, and on what its epoch was chosen, is not known.",
        "",
    ]


def _number(value):
    return "-" if value is None else f"{value:.4f}"
