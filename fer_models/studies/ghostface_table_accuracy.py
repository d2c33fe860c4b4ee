"""Train the five networks of GhostFace's accuracy table, and count what they cost.

EfficientFace and GhostFace, and GhostFace with RandAugment, with MixUp and with both, each trained
by its paper's recipe on the same faces. The table gives accuracy and cross-entropy ("test error")
on the test faces, at the best epoch and at the last one, with parameters and FLOPs by the paper's
rule. The best epoch is chosen on training faces that are set apart.
"""

import argparse
import functools
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
    from fer_models.studies.planned_runs import PlannedRun
    from fer_models.studies.study_splits import StudySplits

__all__ = ["FULL", "QUICK", "add_arguments", "describe", "run", "run_accuracy_table"]

NAME = "ghostface-table-5.1"
# The recipe of every row, and Tang and Kok's (2022) figures.
ROWS: dict[str, tuple[str, dict[str, float]]] = {
    "EfficientFace": (
        "efficientface",
        {"accuracy": 0.8836, "parameters": 1.28e6, "flops": 154.18e6},
    ),
    "GhostFace": (
        "ghostface",
        {"accuracy": 0.7797, "best_loss": 0.674, "parameters": 1.28e6, "flops": 134.66e6},
    ),
    "GhostFace + RandAug": ("ghostface_randaug", {"accuracy": 0.7721, "best_loss": 0.669}),
    "GhostFace + MixUp": ("ghostface_mixup", {"accuracy": 0.7760, "best_loss": 0.655}),
    "GhostFace + RandAug + MixUp": (
        "ghostface_randaug_mixup",
        {"accuracy": 0.7696, "best_loss": 0.679},
    ),
}
COLUMNS = (
    Column("accuracy", "accuracy at the best epoch, %", scale=100),
    Column("best_loss", "test error at the best epoch", digits=3),
    Column("last_loss", "test error at the last epoch", digits=3),
    Column("last_accuracy", "accuracy at the last epoch, %", scale=100),
    Column("parameters", "parameters, M", scale=1e-6),
    Column("flops", "FLOPs, M", scale=1e-6),
)
LESS_FLOPS = 0.1266


def describe() -> str:
    """Return what the study finds out, in one line."""
    return "GhostFace's accuracy, test error and cost beside EfficientFace's (Table 5.1)"


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
    return run_accuracy_table(
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
def run_accuracy_table(
    settings: GhostfaceSettings,
    output: str | os.PathLike[str],
    *,
    faces: "StudySplits | None" = None,
    data_dir: str | os.PathLike[str] | None = None,
    command: str | None = None,
    progress: bool = True,
) -> Outcome:
    """Train what is not trained yet, and write the table.

    Args:
        settings: The settings.
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
    print(run_accuracy_table(settings, "runs/table-5.1").text)
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
    outcome = write_accuracy_table(settings, divided, results, about, output)
    record.finish()
    return outcome


def train_one(
    settings: GhostfaceSettings,
    trainings: Any,
    run: "PlannedRun",
    on_epoch: Callable[[], Any] | None = None,
) -> dict[str, Any]:
    """Train one network, and return its scores on the test faces.

    Args:
        settings: The settings.
        trainings: `Trainings` on the faces.
        run: Which one.
        on_epoch: Function that is called after every epoch.
    """
    from fer_models.studies.ghostface_trainings import predict, recipe_for, score

    faces = trainings.faces
    recipe = recipe_for(settings, ROWS[run.row][0], faces.image_shape)
    renewed, history = trainings.fit(recipe, run.folder, seed=run.seed, on_epoch=on_epoch)
    test, classes = faces.parts["test"], len(faces.names)
    found: dict[str, Any] = {"recipe": recipe.to_dict(), "epochs": len(history)}
    for epoch in ("last", "best"):
        # The last epoch's weights are in the network already.
        if epoch == "best":
            renewed.load_best(run.folder)
        found[epoch] = score(test, predict(renewed.model, recipe, test, classes), faces.names)
    accuracies = [row["val_accuracy"] for row in history]
    found["best_epoch"] = accuracies.index(max(accuracies)) + 1
    found["training_accuracy"] = history[-1]["accuracy"]
    return found


def write_accuracy_table(
    settings: GhostfaceSettings,
    faces: "StudySplits",
    results: "Mapping[PlannedRun, Mapping[str, Any]]",
    about: Mapping[str, Any],
    output: Path,
) -> Outcome:
    """Write the table as Markdown, JSON and picture.

    Args:
        settings: The settings.
        faces: The faces.
        results: The result of every training.
        about: What was run, for the head of the report.
        output: Folder of the study.
    """
    from fer_models.studies.ghostface_trainings import by_row

    ours = {
        "accuracy": by_row(results, lambda found: found["best"]["accuracy"]),
        "best_loss": by_row(results, lambda found: found["best"]["loss"]),
        "last_loss": by_row(results, lambda found: found["last"]["loss"]),
        "last_accuracy": by_row(results, lambda found: found["last"]["accuracy"]),
    }
    cost = costs()
    rows = []
    for name, (_, published) in ROWS.items():
        scores = {column: value for column, value in published.items() if column in ours}
        costs_stated = {c: value for c, value in published.items() if c not in ours}
        measured = {column: values[name] for column, values in ours.items()}
        stated = settings.stated(scores) | costs_stated
        rows.append(Row(name, stated, {**measured, **cost.get(name, {})}))
    less = 1 - cost["GhostFace"]["flops"][0] / cost["EfficientFace"]["flops"][0]
    differs = [*settings.differences(), *faces.remarks, *_differences()]
    tables = [PaperTable("Accuracy, test error and cost", COLUMNS, rows, differs)]
    apart = _without_copies(results)
    if apart is not None:
        tables.append(apart)
    text = "\n".join(
        [
            "# GhostFace beside EfficientFace (Table 5.1)",
            "",
            *heading(about),
            f"{len(faces.parts['train']):,} faces trained on, {len(faces.parts['test']):,} scored.",
            "",
            tables[0].markdown(),
            "Parameters and FLOPs are those of the whole networks at 224x224x3 and seven classes, "
            "by the paper's rule, whatever was trained. "
            f"GhostFace has {100 * less:.2f} % fewer FLOPs than EfficientFace "
            f"(the paper: {100 * LESS_FLOPS:.2f} %).",
            "",
            *(table.markdown() for table in tables[1:]),
            f"![Scores of every seed beside the paper's]({PICTURE})",
            "",
        ]
    )
    content = {
        **about,
        "tables": [table.to_dict() for table in tables],
        "fewer_flops": {"ours": less, "paper": LESS_FLOPS},
        "runs": [{"row": r.row, "seed": r.seed, **found} for r, found in results.items()],
    }
    draw(
        [PaperTable(tables[0].title, COLUMNS[:4], [_scores(row) for row in rows])],
        output / PICTURE,
    )
    outcome = Outcome(content, text, output)
    outcome.write()
    return outcome


@functools.cache
def costs() -> dict[str, dict[str, list[float]]]:
    """Return parameters and FLOPs of both networks at the paper's size, by row and column."""
    import keras

    from fer_models.evaluation import complexity
    from fer_models.families.efficientface import efficientface
    from fer_models.families.ghostface import ghostface

    found: dict[str, dict[str, list[float]]] = {}
    for row, builder in (("EfficientFace", efficientface), ("GhostFace", ghostface)):
        counted = complexity(builder(input_tensor=keras.Input((224, 224, 3))))
        found[row] = {"parameters": [counted.trainable], "flops": [counted.papers_flops]}
    return found


def _differences():
    return [
        "EfficientFace keeps its own recipe, 128 faces a step and steps of the rate, whatever the "
        "options for GhostFace are.",
        "EfficientFace is trained from random weights on the labels; the paper's figure is of a "
        "network that was pre-trained on MS-Celeb-1M and learned label distributions.",
        "The paper does not say on what its best epoch was chosen.",
        "The paper gives one test error a row, which stands at the best epoch here.",
    ]


def _without_copies(results):
    from fer_models.studies.ghostface_trainings import by_row

    if not all("accuracy_without_copies" in found["best"] for found in results.values()):
        return None
    accuracy = by_row(results, lambda found: found["best"]["accuracy_without_copies"])
    loss = by_row(results, lambda found: found["best"]["loss_without_copies"])
    columns = (COLUMNS[0], COLUMNS[1])
    return PaperTable(
        "The same without test faces that are copies of a training face of the data set",
        columns,
        [Row(n, {}, {"accuracy": accuracy[n], "best_loss": loss[n]}) for n in accuracy],
    )


def _scores(row):
    names = {column.name for column in COLUMNS[:4]}

    def kept(values):
        return {name: value for name, value in values.items() if name in names}

    return Row(row.name, kept(row.published), kept(row.measured))
