"""One training of a study, scored: on faces apart, and on those that it learned."""

import csv
import os
from typing import Any

from fer_data.pipelines.labelled_faces import LabelledFaces
from fer_models import evaluation
from fer_models.studies.planned_runs import PlannedRun
from fer_models.training.face_settings import FaceSettings
from fer_models.training.face_training import train_faces
from fer_models.training.recipe_batches import scoring_batches
from fer_models.zoo.loading import load_model


def scored_training(
    run: PlannedRun,
    settings: FaceSettings,
    faces: LabelledFaces,
    *,
    epoch: str,
    scored: str,
    data_dir: str | os.PathLike[str] | None = None,
    faces_given: str | None = None,
    command: str | None = None,
) -> dict[str, Any]:
    """Train, or go on, and score the model.

    Args:
        run: Which training, with the folder for it.
        settings: The settings of the training.
        faces: The faces, with the splits `"train"` and `"validation"`.
        epoch: `"best"` for the epoch that validates best, `"last"` for the last one.
        scored: Name of the split to score.
        data_dir: Where prepared data sets are kept, for the record of the training.
        faces_given: How the faces came about, in words, where the settings do not say how they
            were divided; the record then states it.
        command: The command line, for the record of the training.

    Returns:
        What happened, of JSON's types: `epochs` that were trained, the `best_epoch` and the values
        of every epoch (`history`); `parameters`; the number of `faces` by split; the scores on the
        split (`scores`, as `Report.to_dict` has them), those without copies of training faces where
        these are known (`without_copies`), and the accuracy on the training faces as they are
        (`training_accuracy`), without augmentation, dropout and noise.
    """
    train_faces(
        settings,
        run.folder,
        faces=faces,
        data_dir=data_dir,
        report=False,
        command=command,
        about={} if faces_given is None else {"faces_given": faces_given},
    )
    recipe, names = settings.to_recipe(), faces.class_names
    with (run.folder / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    history = {
        name: [float(row[name]) for row in rows]
        for name in ("accuracy", "loss", "val_accuracy", "val_loss")
    }
    choose = min if recipe.lower_is_better else max
    watched = [float(row[recipe.monitor]) for row in rows]
    model = load_model(run.folder / f"{epoch}.keras")[0]
    copies = None
    if "copy_in_train" in faces.features(scored):
        copies = faces.column(scored, "copy_in_train")
    reports, learned = (
        evaluation.score_split(
            model, scoring_batches(recipe, faces, split, len(names)), names, marked
        ).reports
        for split, marked in ((scored, copies), ("train", None))
    )
    whole, *rest = reports.values()
    found = {
        "epochs": len(rows),
        "best_epoch": watched.index(choose(watched)) + 1,
        "history": history,
        "parameters": model.count_params(),
        "faces": dict(faces.counts),
        "scores": whole.to_dict(),
        "training_accuracy": next(iter(learned.values())).accuracy,
        "recipe": recipe.to_dict(),
    }
    return found | ({"without_copies": rest[0].to_dict()} if rest else {})
