"""Train ResNet-50 with Light CBAM as the slides do, and set its report beside theirs.

On RAF-DB's training faces, from ImageNet's weights: the backbone frozen at first, then thawed from
the top. Half of the test faces choose the epoch, the other half is scored: accuracy, loss, macro
and weighted F1, and precision, recall, F1 and faces of each class. A packed file (`fer prepare
raf_db --pack`) is halved in the same way; one that has validation faces already is taken as it is.

ResNet-50 at 224x224 wants a graphics card. A stopped study goes on from the last whole epoch.
"""

import argparse
import dataclasses
import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_models.studies.face_study_settings import DRAWN, PRECISIONS, UNPUBLISHED, FaceStudySettings
from fer_models.studies.outcome import Outcome, about_run
from fer_models.studies.paper_table import Column, PaperTable, Row
from fer_models.studies.planned_runs import PlannedRun, finish_runs, plan_runs
from fer_models.studies.study_options import add_defaulted, settled
from fer_models.studies.table_report import write_table_report

if TYPE_CHECKING:
    from fer_data.pipelines.labelled_faces import LabelledFaces

DATA = ("synthetic", "raf_db", "folder")
FULL: dict[str, Any] = {
    "seeds": 3,
    "train": None,
    "size": 224,
    "epochs": 80,
    "batch_size": 32,
    "weights": "imagenet",
    "precision": "float32",
}
QUICK = {
    "seeds": 2,
    "train": 140,
    "size": 32,
    "epochs": 2,
    "batch_size": 28,
    "weights": "none",
}
# Values of `weights` that are no path.
NO_FILE = ("imagenet", "none")
ROW = "resnet50_cbam"
# How the test faces are halved, as `load_faces` takes it.
HALVED = {"validation_from": "test", "validation_fraction": 0.5}
# From the slides, and not part of the recipe: when they stopped, and the epoch that they kept.
COURSE = {"best_epoch": 27, "epochs": 37, "validation_accuracy": 0.8096}
SCORES = (
    Column("accuracy", "accuracy, %", scale=100),
    Column("loss", digits=4),
    Column("macro_f1", "macro F1"),
    Column("weighted_f1", "weighted F1"),
)
CLASSES = (
    Column("precision"),
    Column("recall"),
    Column("f1", "F1"),
    Column("support", "faces", digits=0),
)
# Of the classes' table, in the picture.
DRAWN_COLUMNS = ("precision", "recall", "f1")
TRAINING = (
    Column("best_epoch", "best epoch", digits=1),
    Column("epochs", "stopped after epoch", digits=1),
    Column("validation_accuracy", "best validation accuracy, %", scale=100),
    Column("training_accuracy", "training accuracy, %", scale=100),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResNet50CBAMSettings(FaceStudySettings):
    """Settings of the study; the defaults are those of the recipe `resnet50_cbam`.

    Attributes:
        weights: Where the training starts: `"imagenet"`, `"none"` for random weights, or the path
            of a `.weights.h5` or `.keras` file, which a finished study does not need any more.

    The others are those of `FaceStudySettings`.

    Raises:
        ValueError: If a setting breaks its rule.

    Example:

    >>> ResNet50CBAMSettings(seeds=2, weights="none").training(seed=1).model
    {'weights': None}
    """

    RECIPE = "resnet50_cbam"

    seeds: int = FULL["seeds"]
    size: int = FULL["size"]
    epochs: int = FULL["epochs"]
    batch_size: int = FULL["batch_size"]
    weights: str = FULL["weights"]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weights not in NO_FILE:
            # The dataclass is frozen for everyone else.
            object.__setattr__(self, "weights", str(Path(self.weights).resolve()))

    def training(self, seed: int, division: Mapping[str, Any] | None = None, **model: Any) -> Any:
        """Return the settings of one training; see `FaceStudySettings.training`."""
        weights = None if self.weights == "none" else self.weights
        return super().training(seed, division, **{"weights": weights, **model})

    def differences(self) -> list[str]:
        """Return in words what differs from the slides, a sentence each."""
        said = []
        if self.data == "synthetic":
            said.append(
                "Drawn faces stand in for RAF-DB: the numbers only show that it runs. They come "
                f"with validation faces, so none are halved. {UNPUBLISHED}"
            )
        elif self.data == "folder":
            said.append("The faces are those of a folder; the slides' are RAF-DB's.")
        if self.weights == "none":
            said.append("No ImageNet weights: all layers train from the start, in one stage.")
        elif self.weights != "imagenet":
            said.append("The training starts from the weights of a file, not from ImageNet's.")
        if self.epochs != FULL["epochs"]:
            said.append(f"At most {self.epochs} epochs in the place of {FULL['epochs']}.")
        said.append(
            f"The slides give neither the size of the faces (here {self.size}x{self.size}) nor the "
            f"batch (here {self.batch_size}), the learning rates, the kinds and amounts of "
            "augmentation, or what thaws when: `fer train --recipe resnet50_cbam --describe` says "
            "what we chose."
        )
        if self.precision != "float32":
            said.append(f"Computed in {self.precision}.")
        said.append(
            "Our training accuracy is that of the scored epoch on the training faces as they are, "
            "without augmentation; the slides do not say how theirs was measured."
        )
        return said


def describe() -> str:
    """Return what the study finds out, in one line."""
    return "ResNet-50 with Light CBAM on RAF-DB: the slides' classification report beside ours"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the study's own options.

    Args:
        parser: Parser of the study.
    """
    add = add_defaulted(parser, FULL)
    add("--train", type=int, metavar="N", help=f"drawn faces to train on, else {DRAWN}")
    add("--size", type=int, help="height and width of the faces in pixels")
    add("--epochs", type=int, help="epochs at most, 10 of them with the backbone frozen")
    add("--batch-size", type=int, help="faces a step")
    add("--weights", help="to start from: imagenet (downloaded by Keras), none, or a file")
    add("--precision", choices=PRECISIONS, help="in which the training computes")


def run(args: argparse.Namespace) -> Outcome:
    """Run the study of a command line.

    Args:
        args: The parsed arguments.
    """
    settings = ResNet50CBAMSettings(data=args.data, path=args.path, **settled(args, FULL, QUICK))
    return run_resnet50_cbam_report(
        settings,
        args.output,
        data_dir=args.data_dir,
        command=getattr(args, "command_line", None),
    )


def run_resnet50_cbam_report(
    settings: ResNet50CBAMSettings,
    output: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    command: str | None = None,
    progress: bool = True,
) -> Outcome:
    """Train for every seed what is not trained yet, and write the report.

    Args:
        settings: The settings.
        output: Folder for everything that is written. A study that was stopped goes on there.
        data_dir: Where prepared data sets are kept. Default: tensorflow-datasets' own folder.
        command: The command line, for the report.
        progress: Whether to show the bar of the trainings.

    Returns:
        `Outcome`.

    Raises:
        ValueError: If the data set has no test faces or cannot be halved, the file of weights is
            missing, or the folder holds another study.

    Example:

    ```python
    settings = ResNet50CBAMSettings(data="raf_db", path="RAF-DB", seeds=1)
    print(run_resnet50_cbam_report(settings, "runs/resnet").text)
    ```

    Reference:
        "Facial Emotion Recognition via ResNet-50 with Convolutional Block Attention Module"
        (slides).
    """
    from fer_models.studies.faces_digest import compared_faces
    from fer_models.studies.scored_training import scored_training
    from fer_models.training.renewed_model import clear_state
    from fer_models.training.runs import Run

    output = Path(output)
    runs = plan_runs((ROW,), settings.seeds, output / "runs")
    # The next seed's faces are other ones, and one division at a time is enough in memory.
    split = functools.lru_cache(maxsize=1)(lambda seed: slides_split(settings, seed, data_dir))
    done = all(run.done for run in runs)
    inputs = _weights_of(settings, done)
    inputs |= compared_faces(output, settings.path, lambda: split(1)[0], finished=done)
    record = Run(output, settings.compared(), inputs)
    record.open(ignore=("path",) if done else ())
    record.begin(packages=("sklearn",))

    def train(run: PlannedRun) -> dict[str, Any]:
        faces, division = split(run.seed)
        return scored_training(
            run,
            settings.training(run.seed, division),
            faces,
            epoch="best",
            scored="test",
            data_dir=data_dir,
            faces_given="drawn for a study" if settings.path is None else None,
            command=command,
        )

    results = finish_runs(runs, train, progress=progress)
    for each in runs:
        clear_state(each.folder)
    about = about_run(record.record, command) | {"seeds": settings.seeds}
    tables = report_tables(settings, list(results.values()))
    outcome = write_table_report(
        "ResNet-50 with Light CBAM: the slides' report",
        tables,
        results,
        about,
        output,
        drawn=[
            table.only(*DRAWN_COLUMNS) if table.title == "Classes" else table for table in tables
        ],
    )
    record.finish()
    return outcome


def slides_split(
    settings: ResNet50CBAMSettings,
    seed: int,
    data_dir: str | os.PathLike[str] | None = None,
) -> tuple["LabelledFaces", dict[str, Any]]:
    """Return the faces with half of the test faces as validation faces, as on the slides.

    Args:
        settings: The settings.
        seed: Which half. Drawn faces, and a packed file that has validation faces, have no such
            choice.
        data_dir: Where prepared data sets are kept.

    Returns:
        `(faces, division)`. With the division, the seed, the data and the path `load_faces` gives
        the same faces; of drawn ones it does not.

    Raises:
        ValueError: If there are no test faces.
    """
    from fer_data.pipelines.labelled_faces import is_packed, load_faces
    from fer_models.studies.study_faces import study_faces

    data, path = settings.data, settings.path
    if path is None:
        train = settings.train or 0
        few = max(14, train // 5)
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
        return faces, {}
    # A share of 0: the file as it is.
    faces = load_faces(data, path, validation_fraction=0) if is_packed(path) else None  # type: ignore[assignment]
    division: dict[str, Any] = {}
    if faces is None or "validation" not in faces.splits:
        division = dict(HALVED)
        faces = load_faces(data, path, data_dir=data_dir, seed=seed, **division)
    if "test" not in faces.splits:
        raise ValueError(
            f"The data set must have test faces. Received: {path} with {sorted(faces.splits)}"
        )
    return faces, division


def report_tables(
    settings: ResNet50CBAMSettings, results: Sequence[Mapping[str, Any]]
) -> list[PaperTable]:
    """Return the scores, those of each class, and the course of the training.

    Where copies of training faces are known among the test faces, a table without them comes
    after the first.

    Args:
        settings: The settings.
        results: The result of every seed.
    """
    from fer_models.training import recipes

    (paper,) = recipes.get(settings.RECIPE).published
    stated = settings.published({**COURSE, "training_accuracy": paper.training_accuracy})
    classes = (
        paper.classes if settings.published(paper.classes) else dict.fromkeys(paper.classes, ())
    )
    counts = results[0]["faces"]
    differs = settings.differences()
    if settings.data != "synthetic":
        differs.append(
            f"{counts['train']:,} faces to train on, {counts['validation']:,} to choose the epoch "
            f"by, {counts['test']:,} to score on; the slides: 12,271, 1,534 and 1,534. They do not "
            "say which half is which: where the halving is ours, every seed halves anew."
        )
    course = {
        "best_epoch": [found["best_epoch"] for found in results],
        "epochs": [found["epochs"] for found in results],
        "validation_accuracy": [max(found["history"]["val_accuracy"]) for found in results],
        "training_accuracy": [found["training_accuracy"] for found in results],
    }
    tables = [_scores("Test faces", settings.published(paper.scores), results, "scores")]
    if all("without_copies" in found for found in results):
        title = "Test faces that are no copies of training faces"
        tables.append(_scores(title, {}, results, "without_copies"))
    return [
        *tables,
        PaperTable("Classes", CLASSES, _class_rows(classes, results)),
        PaperTable("Training", TRAINING, [Row("training", stated, course)], differs),
    ]


def _weights_of(settings, done):
    """Return what the record of the study compares of a file of weights."""
    from fer_models.training.runs import sha256_of

    if settings.weights in NO_FILE:
        return {}
    if Path(settings.weights).is_file():
        return {"file of weights": sha256_of(settings.weights)[0]}
    if done:
        return {}
    raise ValueError(
        "`weights` must be 'imagenet', 'none' or the path of a file, which a training needs. "
        f"Received: weights={settings.weights!r}"
    )


def _scores(title, published, results, key):
    measured = {each.name: [found[key][each.name] for found in results] for each in SCORES}
    return PaperTable(title, SCORES, [Row("test faces", published, measured)])


def _class_rows(published, results):
    """Return a row for every class, in the slides' order, with those that only the data has."""
    names = [column.name for column in CLASSES]
    ours: dict[str, dict[str, list[float]]] = {}
    for found in results:
        for scores in found["scores"]["classes"]:
            # A class without test faces has no scores.
            if scores["support"]:
                values = ours.setdefault(scores["name"], {name: [] for name in names})
                for name in names:
                    values[name].append(scores[name])
    return [
        Row(name, dict(zip(names, published.get(name, ()), strict=False)), ours.get(name, {}))
        for name in dict.fromkeys((*published, *ours))
    ]
