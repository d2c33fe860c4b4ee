"""Train the webcam CNN as its paper does, and set accuracy and loss beside the paper's.

On FER2013's 28,709 training faces, all of them, and scored on the 7,178 others: Kaggle's folders
train/CLASS and test/CLASS as they come, or fer2013.csv or a packed file with both of its test sets
as one. The scored faces are watched after every epoch, as in the paper, and choose nothing: the
last epoch is scored.

The paper's table of layers is lost, so that the network is trained in two readings: that of a
widely copied public program with the same log, and that of the paper's prose.
"""

import argparse
import dataclasses
import functools
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_data.checks import check_choice
from fer_models.studies.face_study_settings import DRAWN, PRECISIONS, UNPUBLISHED, FaceStudySettings
from fer_models.studies.outcome import Outcome, about_run
from fer_models.studies.paper_table import Column, PaperTable, Row
from fer_models.studies.planned_runs import PlannedRun, finish_runs, plan_runs
from fer_models.studies.study_options import add_defaulted, settled
from fer_models.studies.table_report import write_table_report

if TYPE_CHECKING:
    from fer_data.pipelines.labelled_faces import LabelledFaces

DATA = ("synthetic", "fer2013", "folder")
# What the table calls a reading, and the arguments of the builder.
READINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "public-network": (
        "the public network: 1,024 units, dropout",
        {"dense_units": 1024, "dropout": 0.5},
    ),
    "prose": ("the paper's prose: 128 units, no dropout", {"dense_units": 128, "dropout": 0}),
}
FULL: dict[str, Any] = {
    "seeds": 3,
    "train": None,
    "size": 48,
    "epochs": 50,
    "batch_size": 64,
    "precision": "float32",
    "readings": tuple(READINGS),
}
QUICK = {"seeds": 2, "train": 140, "epochs": 2, "batch_size": 28}
# The description of the faces in the record of a training; no option of `load_faces` makes them.
GIVEN = "all faces apart from those to train on are one split, validation, and chose nothing"
# FER2013's faces, to train on and to score on.
COUNTS = (28_709, 7_178)
# From the paper, and not part of the recipe: the last line of its log.
LOG = {"log_accuracy": 0.92, "epochs": 50, "steps": 448}
WITHOUT_COPIES = Column("without_copies", "accuracy without copies, %", scale=100)
SCORES = (
    Column("accuracy", "accuracy, %", scale=100),
    Column("loss", digits=4),
    WITHOUT_COPIES,
)
TRAINING = (
    Column("training_accuracy", "training accuracy, %", scale=100),
    Column("log_accuracy", "the same in the log of the last epoch, %", scale=100),
    Column("epochs", digits=0),
    Column("steps", "steps an epoch", digits=0),
    Column("parameters", digits=0),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WebcamCNNSettings(FaceStudySettings):
    """Settings of the study; the defaults are those of the recipe `emotion_cnn`.

    Attributes:
        readings: Names of `READINGS`: which networks are trained.

    The others are those of `FaceStudySettings`.

    Raises:
        ValueError: If a setting breaks its rule.

    Example:

    >>> WebcamCNNSettings(seeds=1, readings=("prose",)).differences()[0]
    "Drawn faces stand in for FER2013's: the numbers only show that it runs."
    """

    RECIPE = "emotion_cnn"

    seeds: int = FULL["seeds"]
    size: int = FULL["size"]
    epochs: int = FULL["epochs"]
    batch_size: int = FULL["batch_size"]
    readings: Sequence[str] = FULL["readings"]

    def __post_init__(self) -> None:
        super().__post_init__()
        readings = tuple(dict.fromkeys(self.readings))
        if not readings:
            raise ValueError("`readings` must not be empty. Received: readings=()")
        for reading in readings:
            check_choice("readings", reading, tuple(READINGS))
        object.__setattr__(self, "readings", readings)

    def compared(self) -> dict[str, Any]:
        """Return what decides the trainings; more seeds and readings may be asked for later."""
        return {name: value for name, value in super().compared().items() if name != "readings"}

    def differences(self) -> list[str]:
        """Return in words what differs from the paper, a sentence each."""
        said = []
        if self.data == "synthetic":
            said.append("Drawn faces stand in for FER2013's: the numbers only show that it runs.")
            said.append(UNPUBLISHED)
        elif self.data == "folder":
            said.append("The faces are those of a folder; the paper's are FER2013's.")
        for name, what in (("epochs", "epochs"), ("size", "pixels a side")):
            if getattr(self, name) != FULL[name]:
                said.append(f"{getattr(self, name)} {what} in the place of {FULL[name]}.")
        said.append(
            "The paper's table of layers is lost. Both readings are ours: a widely copied public "
            "network whose log has the paper's steps, epochs and rate; and the 128 units of the "
            "paper's prose, which names dropout as a cure to try. The convolutions are the public "
            "network's in both."
        )
        if self.batch_size == FULL["batch_size"]:
            said.append(
                "Batch 64 is our reading of the log's 448 steps an epoch; the paper's prose says "
                "batch 448. We also take the faces that 448 whole batches leave over, in one step "
                "more."
            )
        else:
            said.append(
                f"Batch {self.batch_size}; the paper's prose says 448, and its log shows 448 steps "
                "an epoch, which is FER2013 at batch 64."
            )
        said.append(
            "The paper gives no amounts of its rotation, zoom and crop, and does not say how "
            'pixels are "normalised": `fer train --recipe emotion_cnn --describe` and the model\'s '
            "description say what we chose."
        )
        if self.precision != "float32":
            said.append(f"Computed in {self.precision}.")
        said += [
            "The last epoch is scored. The scored faces are watched after every epoch and choose "
            "nothing. The paper does not say which epoch it scores.",
            "Our training accuracy is measured after the training, on the training faces as they "
            "are; that of the log is of augmented faces, with dropout where there is some. The "
            "paper does not say how its 86.80 % was measured.",
        ]
        return said


def describe() -> str:
    """Return what the study finds out, in one line."""
    return "the webcam CNN on FER2013: its paper's accuracy and loss beside ours, in two readings"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the study's own options.

    Args:
        parser: Parser of the study.
    """
    add = add_defaulted(parser, FULL)
    add("--train", type=int, metavar="N", help=f"drawn faces to train on, else {DRAWN}")
    add("--size", type=int, help="height and width of the faces in pixels")
    add("--epochs", type=int, help="epochs of every training; the last one is scored")
    add("--batch-size", type=int, help="faces a step")
    add("--precision", choices=PRECISIONS, help="in which the training computes")
    add("--readings", nargs="+", choices=tuple(READINGS), help="which network")


def run(args: argparse.Namespace) -> Outcome:
    """Run the study of a command line.

    Args:
        args: The parsed arguments.
    """
    settings = WebcamCNNSettings(data=args.data, path=args.path, **settled(args, FULL, QUICK))
    return run_webcam_cnn(
        settings,
        args.output,
        data_dir=args.data_dir,
        command=getattr(args, "command_line", None),
    )


def run_webcam_cnn(
    settings: WebcamCNNSettings,
    output: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    command: str | None = None,
    progress: bool = True,
) -> Outcome:
    """Train for every reading and seed what is not trained yet, and write the tables.

    Args:
        settings: The settings.
        output: Folder for everything that is written. A study that was stopped goes on there.
        data_dir: Where prepared data sets are kept. Default: tensorflow-datasets' own folder.
        command: The command line, for the report.
        progress: Whether to show the bar of the trainings.

    Returns:
        `Outcome`.

    Raises:
        ValueError: If the data set has no faces apart from those to train on, or the folder holds
            another study.

    Example:

    ```python
    settings = WebcamCNNSettings(data="fer2013", path="fer2013_kaggle")
    print(run_webcam_cnn(settings, "runs/webcam-cnn").text)
    ```

    Reference:
        Edy, "Deteksi Emosi dari Ekspresi Wajah dengan Deep Learning".
    """
    from fer_models.studies.faces_digest import compared_faces
    from fer_models.studies.scored_training import scored_training
    from fer_models.training.renewed_model import clear_state
    from fer_models.training.runs import Run

    output = Path(output)
    runs = plan_runs(settings.readings, settings.seeds, output / "runs")
    faces = functools.cache(lambda: watched_faces(settings, data_dir))
    done = all(run.done for run in runs)
    inputs = compared_faces(output, settings.path, faces, finished=done)
    record = Run(output, settings.compared(), inputs)
    record.open(ignore=("path",) if done else ())
    record.begin(packages=("sklearn",))

    def train(run: PlannedRun) -> dict[str, Any]:
        return scored_training(
            run,
            settings.training(run.seed, **READINGS[run.row][1]),
            faces(),
            epoch="last",
            scored="validation",
            data_dir=data_dir,
            faces_given=GIVEN,
            command=command,
        )

    results = finish_runs(runs, train, progress=progress)
    for each in runs:
        clear_state(each.folder)
        # Chosen on the faces that are scored: nobody shall take it for a result.
        (each.folder / "best.keras").unlink(missing_ok=True)
    about = about_run(record.record, command) | {"seeds": settings.seeds}
    tables = report_tables(settings, results)
    outcome = write_table_report(
        "The webcam CNN: its paper's accuracy and loss",
        tables,
        results,
        about,
        output,
        drawn=[tables[0], tables[1].only("training_accuracy", "log_accuracy")],
    )
    record.finish()
    return outcome


def watched_faces(
    settings: WebcamCNNSettings, data_dir: str | os.PathLike[str] | None = None
) -> "LabelledFaces":
    """Return all training faces, and all others as one split, `"validation"`, to watch and score.

    Args:
        settings: The settings.
        data_dir: Where prepared data sets are kept.

    Raises:
        ValueError: If there are no others.
    """
    from fer_data.pipelines.labelled_faces import load_faces
    from fer_models.studies.study_faces import study_faces

    data, path = settings.data, settings.path
    if path is None:
        train = settings.train or 0
        few = max(7, train // 8)
        faces = study_faces(
            data,
            path,
            data_dir=data_dir,
            size=settings.size,
            seed=1,
            train=train,
            validation=few,
            test=few,
        )
    else:
        faces = load_faces(data, path, data_dir=data_dir)
    apart = [name for name in ("validation", "test") if name in faces.splits]
    if not apart:
        raise ValueError(
            "The data set must have faces apart from those to train on, such as test/CLASS/*.jpg. "
            f"Received: {path} with {sorted(faces.splits)}"
        )
    return faces.joined(apart, "validation")


def report_tables(
    settings: WebcamCNNSettings, results: Mapping[PlannedRun, Mapping[str, Any]]
) -> tuple[PaperTable, PaperTable]:
    """Return the scores, and the course of the training.

    Args:
        settings: The settings.
        results: The result of every training.
    """
    from fer_models.training import recipes

    (paper,) = recipes.get(settings.RECIPE).published
    first = next(iter(results.values()))
    copies = all("without_copies" in found for found in results.values())
    scored, trained = [], []
    for reading in settings.readings:
        title = READINGS[reading][0]
        own = [found for run, found in results.items() if run.row == reading]
        scores = {name: [found["scores"][name] for found in own] for name in paper.scores}
        if copies:
            scores["without_copies"] = [found["without_copies"]["accuracy"] for found in own]
        scored.append(Row(title, settings.published(paper.scores), scores))
        course = {
            "training_accuracy": [found["training_accuracy"] for found in own],
            "log_accuracy": [found["history"]["accuracy"][-1] for found in own],
            "epochs": [found["epochs"] for found in own],
            "steps": [math.ceil(found["faces"]["train"] / settings.batch_size) for found in own],
            "parameters": [found["parameters"] for found in own],
        }
        stated = settings.published({**LOG, "training_accuracy": paper.training_accuracy})
        trained.append(Row(title, stated, course))
    counts = first["faces"]
    return (
        PaperTable(
            f"{counts['validation']:,} faces apart from those trained on",
            SCORES if copies else tuple(column for column in SCORES if column != WITHOUT_COPIES),
            scored,
        ),
        PaperTable(
            f"Training on {counts['train']:,} faces",
            TRAINING,
            trained,
            [*settings.differences(), *_about_faces(settings, first, copies)],
        ),
    )


def _about_faces(settings, found, copies):
    """Return in words how the faces differ from the paper's."""
    said, counts = [], (found["faces"]["train"], found["faces"]["validation"])
    if settings.data == "fer2013" and counts != COUNTS:
        said.append(
            f"{counts[0]:,} faces to train on and {counts[1]:,} to score on, in the place of "
            f"{COUNTS[0]:,} and {COUNTS[1]:,}."
        )
    if copies:
        new = found["without_copies"]["examples"]
        said.append(
            f"{found['scores']['examples'] - new:,} of the scored faces are pixel for pixel copies "
            "of training faces; the accuracy without them stands beside."
        )
    return said
