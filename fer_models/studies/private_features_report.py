"""Table and picture of the study of private features."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fer_data.files import save_figure
from fer_models.privacy.one_run_audit import epsilon_lower_bound
from fer_models.studies.outcome import PICTURE, Outcome, heading
from fer_models.studies.planned_runs import PlannedRun
from fer_models.studies.private_features_settings import APART, PrivateFeaturesSettings
from fer_models.studies.private_features_trainings import MOMENTUM, read_scores, scored_split
from fer_models.training.trunk_features import FaceFeatures

Results = Mapping[PlannedRun, Mapping[str, Any]]
CONFIDENCE = 0.95


def write_report(
    about: Mapping[str, Any],
    settings: PrivateFeaturesSettings,
    features: FaceFeatures,
    chosen: Results,
    results: Results,
    output: Path,
) -> Outcome:
    """Write the table and the picture.

    Args:
        about: Command, machine and versions, from `about_run`.
        settings: The settings.
        features: The features of the faces.
        chosen: The choice of each learning rate.
        results: Result of each training.
        output: Folder of the study.

    Returns:
        `Outcome`.
    """
    rows = [_row(name, wanted, results, settings) for name, wanted in settings.rows.items()]
    split = scored_split(features)
    train, scored = features.labels["train"], features.labels[split]
    commonest = np.bincount(train, minlength=len(features.class_names)).argmax()
    content = {
        **about,
        "features": dict(features.about),
        "train": len(train),
        "scored": {split: len(scored)},
        "commonest_class": float((scored == commonest).mean()),
        "confidence": CONFIDENCE,
        "rows": rows,
        "choices": [{"row": run.row, **found} for run, found in chosen.items()],
        "runs": [{"row": run.row, "seed": run.seed, **found} for run, found in results.items()],
    }
    _draw(rows, content["commonest_class"], output / PICTURE)
    lines = [
        "# Private training on public features",
        "",
        *heading(about),
        *_words(content, settings, split),
        *table(rows),
        "",
        f"![Accuracy against epsilon, and what the audit found]({PICTURE})",
        "",
    ]
    outcome = Outcome(content, "\n".join(lines), output)
    outcome.write()
    return outcome


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the rows as lines of a Markdown table.

    Args:
        rows: Rows of `report.json`.
    """
    lines = [
        "| epsilon wanted | accuracy % | learning rate | noise multiplier | epsilon guaranteed "
        "(Poisson) | epsilon if shuffled | lower bound by audit | lower bound, Gaussian | guesses "
        "right |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        deviation = row["accuracy"]["deviation"]
        spread = "" if deviation is None else f" ({100 * deviation:.1f})"
        wanted = "none" if row["wanted_epsilon"] is None else f"{row['wanted_epsilon']:g}"
        bound = row["audit"]
        cells = [
            wanted,
            f"{100 * row['accuracy']['mean']:.1f}{spread}",
            f"{row['learning_rate']:g}",
            f"{row['noise_multiplier']:.2f}" if row["noise_multiplier"] else "0",
            _epsilon(row["epsilon"]),
            _epsilon(row["epsilon_if_shuffled"]),
            f"{bound['epsilon']:.2f}",
            f"{bound['gaussian']:.2f}",
            f"{bound['right']} of {bound['guesses']}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _row(name, wanted, results, settings):
    runs = [run for run in results if run.row == name]
    accuracy = [results[run]["accuracy"] for run in runs]
    guarantee = results[runs[0]]["guarantee"]
    scores = [read_scores(run) for run in runs]
    bound = epsilon_lower_bound(
        np.concatenate([each["inside"] for each in scores]),
        np.concatenate([each["outside"] for each in scores]),
        delta=settings.delta,
        confidence=CONFIDENCE,
    )
    return {
        "row": name,
        "wanted_epsilon": wanted,
        "seeds": len(runs),
        "accuracy": {
            "mean": float(np.mean(accuracy)),
            "deviation": float(np.std(accuracy, ddof=1)) if len(runs) > 1 else None,
        },
        "learning_rate": results[runs[0]]["learning_rate"],
        **{key: guarantee[key] for key in ("noise_multiplier", "epsilon", "epsilon_if_shuffled")},
        "audit": vars(bound),
    }


def _epsilon(value):
    return "infinite" if value is None else f"{value:.2f}"


def _words(content, settings, split):
    [scored] = content["scored"].values()
    text = (
        f"{content['train']:,} training faces {_source(content['features'])}, a dense "
        f"layer on them; accuracy on {scored:,} {split} faces, mean and standard deviation over "
        f"the seeds ({content['rows'][0]['seeds']}). Always the commonest class: "
        f"{100 * content['commonest_class']:.1f} %. Delta {settings.delta:g}, batches of "
        f"{settings.batch_size} faces on average, {settings.steps} steps of stochastic gradient "
        f"descent with a momentum of {MOMENTUM:g}. Two data sets are "
        "neighbours if one has a face more than the other."
    )
    return [
        text,
        "",
        f"The learning rate of each row is the best of {len(settings.learning_rates)} on "
        f"{APART:.0%} of the training faces. That choice is not counted in epsilon.",
        "",
        f"The audit trains again with about half of {settings.canaries} canaries, at the same "
        "noise calibration, and guesses which: the bounds hold with a confidence of "
        f"{CONFIDENCE:.0%}, over the canaries of all seeds together. The second bound also "
        "takes DP-SGD for a Gaussian mechanism.",
        "",
    ]


def _source(about):
    """Return a sentence that names the faces and the trunk of the features."""
    unnamed = "that the features do not name"
    data, packed = about.get("data"), about.get("faces_sha256")
    faces = f"of data {unnamed}" if packed is None else f"of the packed file {packed[:12]}"
    faces = faces if data is None else f"of {data}"
    weights = about.get("weights_sha256", unnamed)
    if weights is None:
        weights = "random weights"
    else:
        weights = f"weights {weights if weights == unnamed else weights[:12]}"
    return f"{faces}, features of the trunk {about.get('trunk')} with {weights}"


def _draw(rows, commonest, path):
    # As an object without pyplot: no window system, no global state.
    from matplotlib.figure import Figure

    private = sorted(
        (row for row in rows if row["wanted_epsilon"]), key=lambda row: row["wanted_epsilon"]
    )
    [plain] = [row for row in rows if row["wanted_epsilon"] is None]
    wanted = [row["wanted_epsilon"] for row in private]
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.errorbar(
        wanted,
        [100 * row["accuracy"]["mean"] for row in private],
        [100 * (row["accuracy"]["deviation"] or 0) for row in private],
        marker="o",
        capsize=3,
        color="#2a6f97",
        label="private",
    )
    for value, name, line in (
        (plain["accuracy"]["mean"], "without privacy", "--"),
        (commonest, "commonest class", ":"),
    ):
        left.axhline(100 * value, color="#52606d", linewidth=1, linestyle=line, label=name)
    left.set_ylabel("accuracy (%)")
    for key, name, colour in (
        ("epsilon_if_shuffled", "proven if shuffled", "#d1495b"),
        ("epsilon", "guaranteed (Poisson)", "#2a6f97"),
    ):
        right.plot(wanted, [row[key] for row in private], marker="o", label=name, color=colour)
    for key, name, colour in (
        ("gaussian", "lower bound, Gaussian", "#66a182"),
        ("epsilon", "lower bound", "#e09f3e"),
    ):
        right.plot(
            wanted, [row["audit"][key] for row in private], marker="v", label=name, color=colour
        )
    # From 0 on: a bound may be 0.
    right.set_yscale("symlog", linthresh=1)
    right.set_ylim(bottom=0)
    right.set_yticks([0, 0.5, *wanted, 30], ["0", "0.5", *(f"{each:g}" for each in wanted), "30"])
    right.set_ylabel("epsilon")
    for axes in (left, right):
        axes.set_xlabel("epsilon wanted")
        axes.set_xscale("log")
        axes.set_xticks(wanted, [f"{each:g}" for each in wanted])
        axes.minorticks_off()
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    save_figure(figure, path)
