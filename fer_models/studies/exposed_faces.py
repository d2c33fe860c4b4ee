"""Which training faces does a model give away, and what protects them?

Each treatment changes one thing in the recipe of the bundled networks: erasing, MixUp, labels mixed
with translated votes, distillation (a student of the plain model of the same half), or a start from
trained weights (--start). `bare` leaves out all augmentation; parts may be joined, as in
erasing+mixup+votes. Each treatment trains 17 models, each on a random half of one pool of faces.
Each model in turn is attacked with the 16 others as references: by a threshold of the loss, by LiRA
(online, one variance for all faces) and by RMIA (online).

The report shows AUC, members found at 1 % and 0.1 % false positives, the same by class, the gap
between members and non-members, the difference of each treatment from the plain recipe, the
exposure of each face (the share of the models trained on it that give it away), and predictions
beside outcomes. The output folder gets:

    report.md, .json, .png   tables, all numbers, ROC curves and bars
    faces_TREATMENT.csv      the exposure of every face, the most exposed first
    exposed_faces.png        the most and the least exposed faces: of drawn faces only, unless
                             --sheet says that all who are shown consent
    runs                     the answers of each model

The same command continues a stopped run. More treatments, --models and --seeds add to a finished
one.
"""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_models.cli.train import option, preset_or_amounts
from fer_models.studies.exposed_faces_settings import FULL, QUICK, ExposedFacesSettings
from fer_models.studies.outcome import PICTURE, Outcome
from fer_models.studies.study_options import add_defaulted, settled

if TYPE_CHECKING:
    from fer_models.studies.exposed_faces_models import Faces

PACKAGES = ("sklearn", "scipy", "cv2")


def describe() -> str:
    """Return what the study finds out, in one line."""
    return "which training faces a model gives away, and what protects them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the study's own options.

    Args:
        parser: Parser of the study.
    """
    add = add_defaulted(parser, FULL)
    words = "plain, bare, or parts joined by + (default: all that the data and --start allow)"
    add("--treatments", nargs="+", metavar="NAME", help=words)
    add("--models", type=int, help="models of each treatment, 5 or more")
    add("--members", type=int, help="faces that a model is trained on; as many are not")
    add("--population", type=int, help="further faces, that no model learns, for RMIA")
    add("--recipe", help="how to train what; `fer train --help` lists them")
    add("--size", type=int, help="height and width of the faces in pixels")
    add("--channels", type=int, choices=(1, 3), help="grey or colour")
    add("--epochs", type=int, help="epochs of every training")
    add("--batch-size", type=int, help="faces a step")
    add("--learning-rate", type=float, help="highest rate of the cosine, for AdamW")
    add("--weight-decay", type=float, help="weight decay of AdamW")
    add("--augmentation", type=preset_or_amounts, help="that of the plain recipe: a name or JSON")
    add("--exposure-fpr", type=float, help="false positives at which a face counts as found")
    options: dict[str, Any] = {
        "nargs": "+",
        "action": "extend",
        "type": option,
        "metavar": "NAME=VALUE",
    }
    parser.add_argument(
        "--model",
        **options,
        default=[],
        help="arguments of the model's builder (default of ghostface: a quarter of its width, "
        "stem_strides=1, no noise)",
    )
    parser.add_argument(
        "--start",
        **options,
        default=[],
        help="arguments of the builder that name trained weights: weights=FILE, or "
        "trunk_weights=FILE with a recipe of a trunk",
    )
    parser.add_argument(
        "--sheet",
        action="store_true",
        help="draw real faces too; only with the consent of all who are shown",
    )


def run(args: argparse.Namespace) -> Outcome:
    """Run the study of a command line.

    Args:
        args: The parsed arguments.
    """
    settings = ExposedFacesSettings(
        data=args.data,
        path=args.path,
        model=dict(args.model),
        start=dict(args.start),
        sheet=args.sheet,
        **settled(args, FULL, QUICK),
    )
    return run_exposed_faces(
        settings,
        args.output,
        data_dir=args.data_dir,
        command=getattr(args, "command_line", None),
    )


def run_exposed_faces(
    settings: ExposedFacesSettings,
    output: str | os.PathLike[str],
    *,
    faces: "Faces | None" = None,
    data_dir: str | os.PathLike[str] | None = None,
    command: str | None = None,
    progress: bool = True,
) -> Outcome:
    """Train the missing models, attack all models, and write the report.

    Args:
        settings: The settings.
        output: Folder for all files of the study.
        faces: Faces in memory instead of a data set; None to load the data set of the settings.
        data_dir: Folder for prepared data sets; None for that of tensorflow-datasets.
        command: The command line, for the report.
        progress: Whether to show bars.

    Returns:
        `Outcome`.

    Raises:
        ValueError: If there are too few different faces, a treatment does not fit the data, or the
            folder holds another study.

    Example:

    ```python
    settings = ExposedFacesSettings(treatments=("plain", "erasing"), models=9, epochs=10)
    print(run_exposed_faces(settings, "runs/exposed").text)
    ```
    """
    from fer_models.studies import exposed_faces_models as models
    from fer_models.studies.exposed_faces_content import attacked_treatments, content_of
    from fer_models.studies.exposed_faces_exposure import remove_faces, write_faces
    from fer_models.studies.exposed_faces_pictures import draw_sheet, plot
    from fer_models.studies.exposed_faces_report import SHEET, summary
    from fer_models.studies.outcome import about_run
    from fer_models.studies.planned_runs import finish_runs
    from fer_models.training.runs import Run

    output = Path(output)
    # Before the data are read, which may take an hour.
    Run(output, settings.compared()).open()
    copies, drawn = 0, faces is None and settings.data == "synthetic"
    if faces is None:
        faces, copies = models.load(settings, data_dir)
    treatments = settings.chosen(faces.votes is not None)
    pools = {seed: models.draw(settings, faces, seed) for seed in range(1, settings.seeds + 1)}
    planned = models.plan(settings, treatments, output)
    trainer = models.Trainer(settings, pools, planned)
    record = Run(output, settings.compared(), {"faces": faces.digest()})
    record.open()
    for each in planned:
        trainer.check(each)
    record.begin(packages=PACKAGES)
    results = finish_runs(planned, trainer.train, unit="model", progress=progress)
    attacked = attacked_treatments(planned, treatments, pools, progress=progress)
    about = about_run(record.record, command) | {
        "seeds": settings.seeds,
        "models": settings.models,
        "different_faces": len(faces.labels),
        "copies_left_out": copies,
        "start": trainer.start,
        "sheet": drawn or settings.sheet,
    }
    content, exposures = content_of(about, settings, results, attacked, pools)
    remove_faces(output, exposures)
    for treatment, own in exposures.items():
        write_faces(output / f"faces_{treatment}.csv", own, {s: pools[s].faces for s in pools})
    plot(content, output / PICTURE)
    (output / SHEET).unlink(missing_ok=True)
    if content["sheet"]:
        shown = content["examples"]["treatment"]
        draw_sheet(
            pools[1].faces,
            exposures[shown][0],
            output / SHEET,
            f"Treatment {shown}: the most exposed faces (upper half), the least exposed (lower "
            "half), found by / trained",
        )
    outcome = Outcome(content, summary(content), output)
    outcome.write()
    record.finish()
    return outcome
