"""Pictures of the study of exposed faces: ROC curves, bars, and a sheet of faces."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fer_data.files import save_figure
from fer_models.evaluation.intervals import binomial_interval
from fer_models.explain import contact_sheet
from fer_models.studies.exposed_faces_attacks import MAIN, RATES
from fer_models.studies.exposed_faces_exposure import Exposure
from fer_models.studies.exposed_faces_models import Faces

# Faces in a row of the sheet; two rows are of the most exposed ones, two of the least.
COLUMNS = 8


def plot(content: Mapping[str, Any], path: Path) -> Path:
    """Draw the ROC curves of the treatments, and how often LiRA finds faces of each group.

    Args:
        content: Content of `report.json`.
        path: File to write; its ending chooses the format.

    Returns:
        The path.
    """
    from matplotlib.figure import Figure

    treatments = content["treatments"]
    first = next(iter(treatments.values()))
    bars = [("by class", RATES[0], lambda own: _by_class(own["attacks"][MAIN]["classes"]))]
    if first["exposure"].get("by_entropy"):
        title, rate = "by the votes on the face", first["exposure"]["rate"]
        bars.append((title, rate, lambda own: _by_group(own["exposure"]["by_entropy"])))
    figure = Figure(figsize=(6.2 * (1 + len(bars)), 5), layout="constrained")
    curves, *panels = figure.subplots(1, 1 + len(bars))
    _draw_curves(curves, treatments)
    for axes, (title, rate, groups) in zip(panels, bars, strict=True):
        _draw_bars(axes, {name: groups(own) for name, own in treatments.items()}, rate)
        axes.set_title(f"Found by LiRA at {100 * rate:g} % false positives, {title}", fontsize=11)
        axes.set_ylabel("members found, %")
    return save_figure(figure, path)


def draw_sheet(faces: Faces, exposure: Exposure, path: Path, title: str) -> Path:
    """Draw the most and the least exposed faces; call it only if all who are shown consent.

    Args:
        faces: The pool.
        exposure: Exposure of its faces.
        path: File to write; its ending chooses the format.
        title: Heading.

    Returns:
        The path.
    """
    order = exposure.order()
    rows = min(2 * COLUMNS, len(order) // 2)
    chosen = np.concatenate([order[:rows], order[len(order) - rows :]])
    labels = [
        f"{faces.names[faces.labels[place]]} {exposure.found[place]}/{exposure.trained[place]}"
        for place in chosen
    ]
    return contact_sheet(faces.images[chosen], path, labels=labels, columns=COLUMNS, title=title)


def _draw_curves(axes, treatments):
    some = next(iter(treatments.values()))
    outside = some["attacks"][MAIN]["counts"][f"{RATES[0]:g}"]["non_members"]
    # Half of the smallest rate that the non-members of one model can show.
    least = 0.5 * len(some["member_accuracy"]) / outside
    axes.plot([least, 1], [least, 1], color="#8d99a6", linestyle=":", label="guessing")
    for number, (name, own) in enumerate(treatments.items()):
        attack = own["attacks"][MAIN]
        axes.plot(
            attack["roc"]["fpr"],
            np.maximum(attack["roc"]["tpr"], least),
            color=f"C{number}",
            drawstyle="steps-post",
            label=f"{name}: AUC {np.mean(attack['auc']):.3f}",
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(least, 1)
    axes.set_ylim(least, 1.05)
    axes.set_xlabel("false-positive rate (non-members called members)")
    axes.set_ylabel("true-positive rate (members found)")
    axes.set_title("LiRA, mean over the models", fontsize=11)
    axes.grid(color="#e3e7eb", linewidth=0.8)
    axes.legend(fontsize=8, loc="lower right")


def _draw_bars(axes, groups, rate):
    """Draw bars in the colours of the curves, whose legend they share, and a line for guessing."""
    wide = 0.8 / len(groups)
    for number, own in enumerate(groups.values()):
        known = [(place, *each[1:]) for place, each in enumerate(own) if each[2]]
        shares = [binomial_interval(found, count) for _, found, count in known]
        axes.bar(
            [place + (number - (len(groups) - 1) / 2) * wide for place, *_ in known],
            [100 * share.value for share in shares],
            wide,
            yerr=[
                [100 * (share.value - share.low) for share in shares],
                [100 * (share.high - share.value) for share in shares],
            ],
            error_kw={"linewidth": 0.8},
            color=f"C{number}",
        )
    names = [each[0] for each in next(iter(groups.values()))]
    axes.set_xticks(range(len(names)), names, rotation=25, ha="right", fontsize=8)
    axes.axhline(100 * rate, color="#8d99a6", linestyle=":")


def _by_class(classes):
    return [(each["name"], each["counts"]["found"], each["counts"]["members"]) for each in classes]


def _by_group(groups):
    return [(each["name"], each["found"], each["trained"]) for each in groups]
