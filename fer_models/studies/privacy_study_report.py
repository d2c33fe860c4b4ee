"""The report of the privacy study: the table beside the paper's, effects, correlation."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fer_data.files import save_figure
from fer_models import privacy
from fer_models.studies.outcome import PICTURE, Outcome, heading
from fer_models.studies.privacy_study_attacks import NEEDED, attack, score, split
from fer_models.studies.privacy_study_models import ModelRun

# Tang and Kok (2022): TP, FP, TN, FN in percent of 2,000 + 2,000 faces.
PAPER = {
    "1-none": (8.3, 5.5, 45, 42),
    "1-basic": (5.9, 4.8, 45, 44),
    "1-randaug": (5, 4.3, 46, 45),
    "1-mixup": (5.5, 5.3, 45, 44),
    "2-none": (6, 5.5, 44, 44),
    "2-basic": (5.4, 4.5, 46, 45),
    "2-randaug": (5.8, 5.5, 44, 44),
    "2-mixup": (4.9, 8.7, 45, 41),
}
MAIN = "population"


def write_report(
    about: Mapping[str, Any],
    runs: Sequence[ModelRun],
    inside: Mapping[int, np.ndarray],
    names: Sequence[str],
    output: Path,
    *,
    tensorflow_privacy: bool = False,
    progress: bool = True,
) -> Outcome:
    """Attack every model and write the tables, the picture and a report of each row.

    Args:
        about: What was run, for the head of the report.
        runs: The models, all of them trained.
        inside: Which faces of the pool were trained on, booleans by seed.
        names: Names of the classes.
        output: Folder of the study.
        tensorflow_privacy: Whether the first seed's models meet that package's attacks as well.
        progress: Whether to show a bar.

    Returns:
        `Outcome`.
    """
    from tqdm import tqdm

    rows = list(dict.fromkeys(run.row for run in runs))
    rate = about["tolerated_fpr"]
    scored = []
    for row in tqdm(rows, desc="attacks", unit=" rows", disable=None if progress else True):
        found = {run.seed: run.signals() for run in runs if run.row == row}
        for seed in found:
            results, sets = attack(found, inside, seed, rate)
            scored.append(score(row, seed, results, sets))
        first = min(found)
        report = membership_of(found[first], inside[first], names, rate, tensorflow_privacy)
        report.save(output / "rows" / row)
    kept = [run.result() for run in runs]
    attacks = [name for name in privacy.ATTACKS if name in scored[0]["attacks"]]
    content = {
        **about,
        "training_seconds": round(sum(each["seconds"] for each in kept), 1),
        "recipes": {each["row"]: each["recipe"] for each in kept},
        "runs": scored,
        "correlation": {name: correlation(scored, name) for name in attacks},
        "effects": effects(scored),
        "paper": {
            row: dict(zip(("tp", "fp", "tn", "fn"), PAPER[row], strict=True)) for row in rows
        },
    }
    outcome = Outcome(content, _summary(content, rows, attacks), output)
    plot(content, output / PICTURE)
    outcome.write()
    return outcome


def membership_of(
    found: privacy.Signals,
    inside: np.ndarray,
    names: Sequence[str],
    rate: float,
    tensorflow_privacy: bool = False,
) -> privacy.MembershipReport:
    """Return the full report of one model.

    Args:
        found: Signals of the pool, then of the population.
        inside: Which faces of the pool it was trained on.
        names: Names of the classes.
        rate: Tolerated share of false positives.
        tensorflow_privacy: Whether it meets that package's attacks as well.
    """
    members, non_members, population = split(found, inside)
    results = list(privacy.run_attacks(members, non_members, population, tolerated_fpr=rate))
    if tensorflow_privacy:
        from fer_models.privacy import tf_privacy

        results += tf_privacy.attack(members, non_members)
    return privacy.membership_report(
        results, members, non_members, population, class_names=names, tolerated_fpr=rate
    )


def correlation(scored: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """Return Pearson's correlation of the gap with an attack's advantage.

    Over all runs, over the means of the rows, and over the runs with augmentation alone: without
    it a model may stand so far off that one distance makes the whole correlation.

    Args:
        scored: What `fer_models.studies.privacy_study_attacks.score` gives of every model.
        name: Of the attack.
    """
    from scipy.stats import pearsonr

    points = [
        (run["row"], run["gap"], run["attacks"][name]["advantage"])
        for run in scored
        if name in run["attacks"]
    ]
    rows = list(dict.fromkeys(row for row, _, _ in points))
    means = [np.mean([point[1:] for point in points if point[0] == row], axis=0) for row in rows]
    found: dict[str, dict[str, float] | None] = {}
    augmented = [point[1:] for point in points if not point[0].endswith("-none")]
    every = [point[1:] for point in points]
    for what, pairs in (("runs", every), ("rows", means), ("augmented", augmented)):
        gaps, advantages = np.array(pairs).reshape(-1, 2).T
        # Fisher's interval needs four points; the coefficient needs values that differ.
        if len(pairs) < 4 or np.ptp(gaps) == 0 or np.ptp(advantages) == 0:
            found[what] = None
            continue
        result = pearsonr(gaps, advantages)
        low, high = result.confidence_interval(0.95)
        found[what] = {
            "points": len(pairs),
            "value": float(result.statistic),
            "low": float(low),
            "high": float(high),
        }
    return found


def effects(scored: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what noise and augmentation change, run by run of one seed, averaged over the rest.

    Args:
        scored: As for `correlation`.
    """
    values = {
        (run["row"], run["seed"]): (
            run["gap"],
            run["attacks"][MAIN]["advantage"],
            run["attacks"]["loss"]["auc"],
        )
        for run in scored
    }
    seeds = sorted({run["seed"] for run in scored})
    rows = list(dict.fromkeys(run["row"] for run in scored))
    augmentations = list(dict.fromkeys(row.split("-")[1] for row in rows))
    contrasts = {
        "two noise layers instead of one": [(f"2-{a}", f"1-{a}") for a in augmentations],
        **{
            f"{a} instead of none": [(f"{n}-{a}", f"{n}-none") for n in "12"]
            for a in augmentations
            if a != "none"
        },
    }
    found = {}
    for name, pairs in contrasts.items():
        pairs = [(new, old) for new, old in pairs if new in rows and old in rows]
        if pairs:
            found[name] = _paired(
                [
                    np.mean([np.subtract(values[new, s], values[old, s]) for new, old in pairs], 0)
                    for s in seeds
                ]
            )
    return found


def _paired(differences):
    """Return mean and Student's 95 % interval over the seeds, of each of the three values."""
    from scipy.stats import t

    differences = np.array(differences)
    count = len(differences)
    mean = differences.mean(axis=0)
    half = np.full(3, np.nan)
    if count > 1:
        half = t.ppf(0.975, count - 1) * differences.std(axis=0, ddof=1) / np.sqrt(count)
    return {
        name: {"mean": float(m), "half_width": float(h) if count > 1 else None}
        for name, m, h in zip(("gap", "advantage", "loss_auc"), mean, half, strict=True)
    }


def _summary(content, rows, attacks):
    """Return the report as Markdown."""
    settings = content["settings"]
    lines = [
        "# Membership inference and memorisation",
        "",
        *heading(content),
        f"GhostFace of width {settings['width']:g} at {settings['size']}x{settings['size']}, "
        f"{settings['epochs']} epochs of AdamW at batch {settings['batch_size']}; seeds a row: "
        f"{content['seeds']}; {content['training_seconds'] / 60:,.0f} minutes of training.",
        "",
        f"{settings['members']:,} members and as many non-members, halves of one pool drawn anew "
        f"for each seed; a population of {settings['population']:,}. "
        f"{content['different_faces']:,} different faces; {content['copies_left_out']:,} copies "
        "were left out. Means over the seeds; ± is the standard deviation.",
        "",
        *_paper_table(content, rows),
        *_attack_tables(content, rows, attacks),
        "",
        "## What noise and augmentation change",
        "",
        "Differences between models of one seed, which share their faces; mean over the seeds with "
        "Student's 95 % interval.",
        "",
        "| | gap | advantage of the population attack | AUC of the loss threshold |",
        "|---|---:|---:|---:|",
        *(
            f"| {name} | {_change(found['gap'], 100, ' points')} | "
            f"{_change(found['advantage'])} | {_change(found['loss_auc'])} |"
            for name, found in content["effects"].items()
        ),
        "",
        "## Memorisation against attack success",
        "",
        "Pearson's correlation of the gap (accuracy on members minus on non-members) with the "
        "advantage, at the threshold that the attack sets or else at the best one, with Fisher's "
        "95 % interval. Runs of one seed share their faces, so that the interval over the runs is "
        "somewhat too narrow; the one over the means of the rows is not.",
        "",
        "| attack | over the runs | over the rows | over the runs with augmentation |",
        "|---|---:|---:|---:|",
        *(
            f"| {name} | {_correlation(found['runs'])} | {_correlation(found['rows'])} | "
            f"{_correlation(found['augmented'])} |"
            for name, found in content["correlation"].items()
        ),
        "",
        f"![Attack advantage against memorisation]({PICTURE})",
        "",
    ]
    return "\n".join(lines)


def _paper_table(content, rows):
    lines = [
        "## The paper's table",
        "",
        f"Population attack at {100 * content['tolerated_fpr']:g}% tolerated false positives, in "
        "% of all faces. Advantage: true- minus false-positive rate.",
        "",
        "| noise, augmentation | members right | non-members right | gap | TP | FP | TN | FN "
        "| advantage | paper: TP, FP, TN, FN | paper: advantage |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        own = [run for run in content["runs"] if run["row"] == row]
        main = [run["attacks"][MAIN] for run in own]
        tp, fp, tn, fn = PAPER[row]
        cells = [
            row.replace("-", ", "),
            *(
                _mean([100 * run[k] for run in own], 1, " %")
                for k in ("member_accuracy", "non_member_accuracy", "gap")
            ),
            *(_mean([each[k] for each in main], 1) for k in ("tp", "fp", "tn", "fn")),
            _mean([each["advantage"] for each in main], 3),
            ", ".join(f"{value:g}" for value in PAPER[row]),
            f"{tp / (tp + fn) - fp / (fp + tn):.3f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _attack_tables(content, rows, attacks):
    runs, lines = content["runs"], []
    for title, key, digits in (
        ("Area under the ROC curve of each attack", "auc", 3),
        ("Members found at 1 % false positives", "tpr_at_1_percent", 3),
    ):
        lines += ["", f"## {title}", "", f"| | {' | '.join(attacks)} |"]
        lines.append("|---|" + "---:|" * len(attacks))
        for row in rows:
            own = [run["attacks"] for run in runs if run["row"] == row]
            cells = [
                _mean([run[name][key] for run in own if name in run], digits) for name in attacks
            ]
            lines.append(f"| {row.replace('-', ', ')} | {' | '.join(cells)} |")
    judged = {
        name: np.mean([r["attacks"][name]["members"] for r in runs if name in r["attacks"]])
        for name in attacks
        if name in NEEDED
    }
    if judged:
        lines += [
            "",
            "LiRA and RMIA judge the faces that enough of the other seeds' models were trained on "
            "and not trained on: "
            + ", ".join(f"{name} {count:,.0f}" for name, count in judged.items())
            + " members a model, and about as many non-members.",
        ]
    absent = [name for name in NEEDED if name not in attacks]
    if absent:
        lines += [
            "",
            "Too few models of other seeds, or faces that they let judge, for "
            f"{', '.join(absent)}.",
        ]
    return lines


def plot(content: Mapping[str, Any], path: Path) -> Path:
    """Draw attack advantage against memorisation, a point a run; augmented runs also close up.

    Args:
        content: Content of `report.json`.
        path: File to write; its ending chooses the format.

    Returns:
        The path.
    """
    from matplotlib.figure import Figure

    runs, found = content["runs"], content["correlation"][MAIN]
    augmented = [run for run in runs if not run["row"].endswith("-none")]
    panels = [(f"All models: correlation {_correlation(found['runs'])}", runs)]
    if 0 < len(augmented) < len(runs):
        title = f"With augmentation: correlation {_correlation(found['augmented'])}"
        panels.append((title, augmented))
    figure = Figure(figsize=(6 * len(panels), 4.6), layout="constrained")
    for axes, (title, shown) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
    ):
        _scatter(axes, shown, list(dict.fromkeys(run["row"].split("-")[1] for run in runs)))
        axes.axhline(0, color="0.7", linewidth=0.8, zorder=0)
        axes.set_xlabel("Accuracy on members minus that on non-members, in points")
        axes.set_ylabel("Advantage of the population attack")
        axes.set_title(title, fontsize=11)
        axes.legend(fontsize=8)
    return save_figure(figure, path)


def _scatter(axes, runs, augmentations):
    for (index, augmentation), noise in itertools.product(enumerate(augmentations), "12"):
        points = [
            (100 * run["gap"], run["attacks"][MAIN]["advantage"])
            for run in runs
            if run["row"] == f"{noise}-{augmentation}"
        ]
        if points:
            axes.scatter(
                *zip(*points, strict=True),
                color=f"C{index}",
                marker="o" if noise == "1" else "^",
                facecolors=f"C{index}" if noise == "1" else "none",
                label=f"{augmentation}, noise layers: {noise}",
            )


def _mean(values, digits, unit=""):
    if not values:
        return "-"
    spread = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{spread}{unit}"


def _change(found, factor=1, unit=""):
    digits = 3 if factor == 1 else 1
    half = found["half_width"]
    spread = "" if half is None else f" ± {factor * half:.{digits}f}"
    return f"{factor * found['mean']:+.{digits}f}{spread}{unit}"


def _correlation(found):
    if found is None:
        return "-"
    return f"{found['value']:.2f} ({found['low']:.2f} to {found['high']:.2f})"
