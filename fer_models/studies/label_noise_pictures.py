"""Pictures of the study of label noise: curves, faces that are overruled, faces that are gained."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fer_data.files import save_figure
from fer_models.explain import contact_sheet
from fer_models.studies.label_noise_models import NoisyFaces, flip, predictions
from fer_models.studies.label_noise_settings import KINDS, Cell, LabelNoiseSettings

SHOWN = 24
OVERRULED, GAINED = "overruled.png", "only_with.png"


def plot(rows: Sequence[Mapping[str, Any]], scored: str, path: Path) -> Path:
    """Draw the accuracy against the share of wrong labels, a line for each augmentation.

    Args:
        rows: What `fer_models.studies.label_noise_report.summarise` gives.
        scored: Name of the split that is scored.
        path: File to write; its ending chooses the format.

    Returns:
        The path.
    """
    from matplotlib.figure import Figure

    # Labels as they are belong to every kind, whatever their row calls them.
    kinds = list(dict.fromkeys(row["kind"] for row in rows if row["rate"])) or KINDS[:1]
    figure = Figure(figsize=(6 * len(kinds), 4.6), layout="constrained")
    panels = figure.subplots(1, len(kinds), squeeze=False, sharey=True)[0]
    names = list(dict.fromkeys(row["augmentation"] for row in rows))
    for axes, kind in zip(panels, kinds, strict=True):
        for number, name in enumerate(names):
            own = [
                row
                for row in rows
                if row["augmentation"] == name and (row["kind"] == kind or not row["rate"])
            ]
            own.sort(key=lambda row: row["rate"])
            rates = [100 * row["rate"] for row in own]
            for epoch, style in (("best", "-"), ("last", "--")):
                axes.errorbar(
                    rates,
                    [100 * row[f"{epoch}_accuracy"]["mean"] for row in own],
                    [100 * (row[f"{epoch}_accuracy"]["deviation"] or 0) for row in own],
                    color=f"C{number}",
                    linestyle=style,
                    marker="o" if epoch == "best" else "^",
                    capsize=3,
                    label=f"{name}, {epoch} epoch",
                )
        axes.set_title(f"{kind.replace('_', '-')} noise", fontsize=11)
        axes.set_xlabel("wrong labels, %")
        axes.legend(fontsize=8)
    panels[0].set_ylabel(f"{scored} accuracy, %")
    return save_figure(figure, path)


def draw(settings: LabelNoiseSettings, faces: NoisyFaces, output: Path) -> None:
    """Draw what the model overrules, and what only the last augmentation gets right.

    Pictures of earlier settings that these do not ask for are deleted.

    Args:
        settings: The settings.
        faces: The faces.
        output: Folder of the study, with all trainings in it.
    """
    plain, best = settings.augmentations[0], settings.augmentations[-1]
    kind, worst = settings.kinds[0] if settings.rates else KINDS[0], settings.worst
    draw_overruled(faces, Cell(KINDS[0], 0.0, best, 1), output, "overruled_as_given.png")
    if worst:
        draw_overruled(faces, Cell(kind, worst, best, 1), output, OVERRULED)
    else:
        (output / OVERRULED).unlink(missing_ok=True)
    if plain != best:
        cells = {each: Cell(kind, worst, each, 1) for each in (plain, best)}
        draw_gained(faces, cells, output)
    else:
        (output / GAINED).unlink(missing_ok=True)


def draw_overruled(faces: NoisyFaces, cell: Cell, output: Path, name: str) -> None:
    """Draw the training faces whose label the best epoch's model overrules most surely.

    Args:
        faces: The faces.
        cell: Whose model.
        output: Folder of the study.
        name: Name of the picture.
    """
    labels, flipped = flip(faces, cell.kind, cell.rate, cell.seed)
    p = predictions(output / cell.name)["best_train"].astype("float64")
    margin = p.max(-1) - p[np.arange(len(p)), labels]
    over = margin > 0
    chosen = np.argsort(-margin, kind="stable")[: min(SHOWN, over.sum())]
    told = f", {flipped[over].mean():.0%} of them flipped on purpose" if flipped.any() else ""
    _sheet(
        faces.splits["train"][0][chosen],
        faces.names,
        labels[chosen],
        p[chosen].argmax(-1),
        output / name,
        f"Given and predicted label: {over.sum():,} of {len(p):,} overruled{told}",
    )


def draw_gained(faces: NoisyFaces, cells: Mapping[str, Cell], output: Path) -> None:
    """Draw the faces that the second of two models gets right and the first does not.

    Args:
        faces: The faces.
        cells: Whose models, by the names of their augmentations.
        output: Folder of the study.
    """
    pictures, truth = faces.splits[faces.scored]
    plain, best = cells
    said = [predictions(output / c.name)["last_test"].argmax(-1) for c in cells.values()]
    gained, lost = (
        (said[one] == truth) & (said[other] != truth) for one, other in ((1, 0), (0, 1))
    )
    chosen = np.flatnonzero(gained)[:SHOWN]
    _sheet(
        pictures[chosen],
        faces.names,
        truth[chosen],
        said[0][chosen],
        output / GAINED,
        f"Right with {best} only, and the answer of the model with {plain}: {gained.sum()} of "
        f"{len(truth):,} (the other way round {lost.sum()})",
    )


def _sheet(pictures, names, given, predicted, path, title):
    """Draw pictures with given and predicted label, or delete an older sheet if there are none."""
    if not len(pictures):
        path.unlink(missing_ok=True)
        return
    contact_sheet(
        pictures,
        path,
        labels=[names[label] for label in given],
        predictions=[names[label] for label in predicted],
        columns=8,
        title=title,
    )
