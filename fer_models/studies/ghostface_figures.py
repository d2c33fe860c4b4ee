"""Draw what the figures of GhostFace's paper show: wrong labels, hard faces, and Grad-CAM.

Two networks are trained, one without augmentation and one with RandAugment and MixUp, which learns
less by heart. The first figure shows training faces whose label the second network overrules, with
both labels: many of these labels are wrong. The second shows test faces that only the second
network gets right, the third those that neither does. Grad-CAM shows where the second network
looks. The paper's own pictures are not known to us; these follow its text.
"""

import argparse
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_data import arguments
from fer_models.studies.ghostface_settings import (
    FULL,
    QUICK,
    GhostfaceSettings,
    add_ghostface_arguments,
)
from fer_models.studies.outcome import PICTURE, Outcome, about_run, heading
from fer_models.studies.paper_table import Column, PaperTable, Row, draw

if TYPE_CHECKING:
    import numpy as np

    from fer_models.studies.planned_runs import PlannedRun
    from fer_models.studies.study_splits import StudySplits

__all__ = ["FULL", "QUICK", "add_arguments", "describe", "run", "run_ghostface_figures"]

NAME = "ghostface-figures"
PLAIN, AUGMENTED = "no augmentation", "RandAug + MixUp"
ROWS = {PLAIN: "ghostface_none", AUGMENTED: "ghostface_randaug_mixup"}
PREDICTIONS, MODEL = "predictions.npz", "model.keras"
WRONG, ONLY, NEITHER, CAM = (
    "figure-5.1-overruled-labels.png",
    "figure-5.2-right-with-augmentation-only.png",
    "figure-5.3-hard-faces.png",
    "grad-cam.png",
)
SHOWN = 24
COLUMNS = (
    Column("accuracy", "test accuracy, %", scale=100, digits=1),
    Column("training_accuracy", "accuracy on training faces, %", scale=100, digits=1),
    Column("overruled", "training labels overruled, %", scale=100, digits=1),
    Column("only_this", "right with this network only, % of test faces", scale=100, digits=1),
)


def describe() -> str:
    """Return what the study finds out, in one line."""
    return "GhostFace's wrong labels, hard faces and Grad-CAM, as pictures (Figures 5.1 to 5.3)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the study's own options.

    Args:
        parser: Parser of the study.
    """
    add_ghostface_arguments(parser)


def run(args: argparse.Namespace) -> Outcome:
    """Run the study of a command line.

    Args:
        args: The parsed arguments.
    """
    return run_ghostface_figures(
        GhostfaceSettings.from_args(args),
        args.output,
        data_dir=args.data_dir,
        command=getattr(args, "command_line", None),
    )


@arguments.checked(
    settings=arguments.instance(GhostfaceSettings, "a `GhostfaceSettings`"),
    output=arguments.path,
    faces=arguments.having("parts", "digest", rule="a `StudySplits`"),
    data_dir=arguments.path,
    command=arguments.text,
    progress=arguments.flag,
)
def run_ghostface_figures(
    settings: GhostfaceSettings,
    output: str | os.PathLike[str],
    *,
    faces: "StudySplits | None" = None,
    data_dir: str | os.PathLike[str] | None = None,
    command: str | None = None,
    progress: bool = True,
) -> Outcome:
    """Train what is not trained yet, and draw the pictures.

    The pictures hold faces of the data set: treat them as the data set itself.

    Args:
        settings: The settings. With several seeds the probabilities are averaged.
        output: Folder for everything that is written. A study that was stopped goes on there.
        faces: Faces in memory, in place of a data set; None to load what the settings name.
        data_dir: Where prepared data sets are kept. Default: tensorflow-datasets' own folder.
        command: The command line, for the report.
        progress: Whether to show a bar.

    Returns:
        `Outcome`.

    Raises:
        ValueError: If the data set cannot be divided, or the folder holds another study.

    Example:

    ```python
    settings = GhostfaceSettings(size=48, width=0.5, epochs=20, train=4000)
    print(run_ghostface_figures(settings, "runs/figures").folder)
    ```

    Reference:
        Tang and Kok, "GhostFace: Model Pengecaman Ekspresi Muka Ringan dan Teguh", 2022.
    """
    from fer_models.studies.ghostface_trainings import finish_study, load_faces_for

    output = Path(output)
    record, divided, results = finish_study(
        settings,
        {"study": NAME, **settings.compared()},
        tuple(ROWS),
        lambda: faces or load_faces_for(settings, data_dir=data_dir),
        train_one,
        output,
        progress=progress,
    )
    about = about_run(record.record, command) | {"seeds": settings.seeds}
    outcome = write_figures(settings, divided, results, about, output)
    record.finish()
    return outcome


def train_one(
    settings: GhostfaceSettings,
    trainings: Any,
    run: "PlannedRun",
    on_epoch: Callable[[], Any] | None = None,
) -> dict[str, Any]:
    """Train one network; keep its best epoch, and the answers for training and test faces.

    Args:
        settings: The settings.
        trainings: `Trainings` on the faces.
        run: Which one.
        on_epoch: Function that is called after every epoch.
    """
    from fer_data import files
    from fer_models.studies.ghostface_trainings import predict, recipe_for
    from fer_models.zoo import class_names

    faces = trainings.faces
    recipe = recipe_for(settings, ROWS[run.row], faces.image_shape)
    renewed, history = trainings.fit(recipe, run.folder, seed=run.seed, on_epoch=on_epoch)
    renewed.load_best(run.folder)
    said = {
        name: predict(renewed.model, recipe, faces.parts[name], len(faces.names))
        for name in ("train", "test")
    }
    files.write_arrays(
        run.folder / PREDICTIONS, {name: p.astype("float32") for name, p in said.items()}
    )
    with files.whole_file(run.folder / MODEL) as unfinished:
        renewed.model.save(unfinished)
        class_names.write(unfinished, faces.names)
    return {"recipe": recipe.to_dict(), "epochs": len(history)}


def write_figures(
    settings: GhostfaceSettings,
    faces: "StudySplits",
    results: "Mapping[PlannedRun, Mapping[str, Any]]",
    about: Mapping[str, Any],
    output: Path,
) -> Outcome:
    """Draw the pictures, and write how many faces each of them is drawn from.

    Args:
        settings: The settings.
        faces: The faces.
        results: The result of every training.
        about: What was run, for the head of the report.
        output: Folder of the study.
    """
    import numpy as np

    from fer_data import files

    said = {run: files.read_arrays(run.folder / PREDICTIONS, ["train", "test"]) for run in results}
    mean = {
        row: {
            part: np.mean([p[part] for run, p in said.items() if run.row == row], axis=0)
            for part in ("train", "test")
        }
        for row in ROWS
    }
    told = [
        draw_overruled(faces, mean[AUGMENTED]["train"], output / WRONG),
        *draw_hard_faces(faces, {row: p["test"] for row, p in mean.items()}, output),
        draw_grad_cam(faces, next(run for run in results if run.row == AUGMENTED), output / CAM),
    ]
    table = PaperTable(
        "What the two networks say",
        COLUMNS,
        [Row(row, {}, _counts(faces, said, row)) for row in ROWS],
        [*settings.differences(), *faces.remarks],
    )
    draw([table], output / PICTURE)
    content = {**about, "tables": [table.to_dict()], "figures": told}
    shown = [
        f"{words}\n\n![{words}]({name})\n" if (output / name).exists() else f"{words}\n"
        for words, name in zip(told, (WRONG, ONLY, NEITHER, CAM), strict=True)
    ]
    text = "\n".join(
        [
            "# Wrong labels, hard faces and Grad-CAM (Figures 5.1 to 5.3)",
            "",
            *heading(about),
            table.markdown(),
            f"![Scores of every seed]({PICTURE})",
            "",
            *shown,
        ]
    )
    outcome = Outcome(content, text, output)
    outcome.write()
    return outcome


def draw_overruled(faces: "StudySplits", probabilities: "np.ndarray", path: Path) -> str:
    """Draw the training faces whose label a network overrules most surely.

    Args:
        faces: The faces.
        probabilities: Its answers for the training faces.
        path: The picture.

    Returns:
        What the picture shows, in a sentence.
    """
    import numpy as np

    part = faces.parts["train"]
    margin = probabilities.max(-1) - probabilities[np.arange(len(part)), part.labels]
    over = int((margin > 0).sum())
    chosen = np.argsort(-margin, kind="stable")[: min(SHOWN, over)]
    words = f"Given and predicted label: {over:,} of {len(part):,} training labels overruled."
    _sheet(faces, "train", chosen, probabilities, path, words)
    return words


def draw_hard_faces(
    faces: "StudySplits", probabilities: "Mapping[str, np.ndarray]", output: Path
) -> list[str]:
    """Draw the test faces that only the augmented network gets right, and those that none does.

    Args:
        faces: The faces.
        probabilities: Each network's answers for the test faces, by its row.
        output: Folder of the pictures.

    Returns:
        What the pictures show, a sentence each.
    """
    import numpy as np

    truth = faces.parts["test"].labels
    right = {row: p.argmax(-1) == truth for row, p in probabilities.items()}
    only = right[AUGMENTED] & ~right[PLAIN]
    lost = int((right[PLAIN] & ~right[AUGMENTED]).sum())
    words = (
        f"{int(only.sum()):,} of {len(truth):,} test faces are right with {AUGMENTED} only, and "
        f"{lost:,} with {PLAIN} only; the prediction shown is that of the other network."
    )
    # Those first of which the augmented network is the most certain.
    order = np.argsort(-probabilities[AUGMENTED].max(-1), kind="stable")
    chosen = order[only[order]][:SHOWN]
    _sheet(faces, "test", chosen, probabilities[PLAIN], output / ONLY, words)
    neither = ~right[AUGMENTED] & ~right[PLAIN]
    hard = f"{int(neither.sum()):,} of {len(truth):,} test faces are wrong with both networks."
    chosen = order[neither[order]][:SHOWN]
    _sheet(faces, "test", chosen, probabilities[AUGMENTED], output / NEITHER, hard)
    return [words, hard]


def draw_grad_cam(faces: "StudySplits", run: "PlannedRun", path: Path) -> str:
    """Draw where a network looks, for test faces of every class.

    Args:
        faces: The faces.
        run: The training whose network is asked.
        path: The picture.

    Returns:
        What the picture shows, in a sentence.
    """
    import keras
    import numpy as np

    from fer_models.explain import contact_sheet, grad_cam

    part, names = faces.parts["test"], faces.names
    each = -(-SHOWN // len(names))
    chosen = np.concatenate([np.flatnonzero(part.labels == n)[:each] for n in range(len(names))])
    model = keras.models.load_model(run.folder / MODEL, compile=False)
    pictures = part.images[chosen]
    said = model.predict(pictures.astype("float32"), verbose=0).argmax(-1)
    words = f"Grad-CAM of the last convolution of the network with {AUGMENTED}, seed {run.seed}."
    contact_sheet(
        pictures,
        path,
        grad_cam(model, pictures),
        labels=[names[label] for label in part.labels[chosen]],
        predictions=[names[label] for label in said],
        columns=each,
        title=words,
    )
    return words


def _counts(faces, said, row):
    import numpy as np

    train, test = faces.parts["train"].labels, faces.parts["test"].labels
    right = {run: p["test"].argmax(-1) == test for run, p in said.items()}
    of_row = [run for run in said if run.row == row]
    agreed = {run: float(np.mean(said[run]["train"].argmax(-1) == train)) for run in of_row}
    other = {run.seed: right[run] for run in said if run.row != row}
    return {
        "accuracy": [float(right[run].mean()) for run in of_row],
        "training_accuracy": [agreed[run] for run in of_row],
        "overruled": [1 - agreed[run] for run in of_row],
        "only_this": [float((right[run] & ~other[run.seed]).mean()) for run in of_row],
    }


def _sheet(faces, name, chosen, probabilities, path, title):
    from fer_models.explain import contact_sheet

    if not len(chosen):
        path.unlink(missing_ok=True)
        return
    part, names = faces.parts[name], faces.names
    contact_sheet(
        part.images[chosen],
        path,
        labels=[names[label] for label in part.labels[chosen]],
        predictions=[names[label] for label in probabilities[chosen].argmax(-1)],
        columns=8,
        title=title,
    )
