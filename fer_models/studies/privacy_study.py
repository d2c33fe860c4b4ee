"""Does less memorisation mean less success for membership inference? GhostFace's study, repeated.

Eight rows, as in the paper's table: one or two layers of Gaussian noise, by four augmentations. For
every seed a random half of one pool of faces, the same for all rows, is trained on (the members)
and the other half is not; a population set is apart from both. Which half a face falls into is
chance, so that an attack can find nothing but the training, and the models of the other seeds, half
of which saw any given face, serve as references for LiRA and RMIA without more training (the design
of Carlini et al., S&P 2022). Faces equal pixel by pixel, or mirrored, are used once.

Every finished model is kept: the same command goes on after an interruption, and more --seeds or
--rows add to what is there. The report is of the rows that are given. The output folder gets
report.md, report.json and report.png, a membership report of each row under rows/, and the answers
of each model for all faces under runs/.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_models.studies.outcome import Outcome
from fer_models.studies.privacy_study_settings import COMPARED, FULL, QUICK, ROWS, PrivacySettings
from fer_models.studies.study_options import add_defaulted, settled

if TYPE_CHECKING:
    import numpy as np

PACKAGES = ("sklearn", "scipy")


def describe() -> str:
    """Return what the study finds out, in one line."""
    return "whether a model that memorises less betrays less of whom it was trained on"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the study's own options.

    Args:
        parser: Parser of the study.
    """
    add = add_defaulted(parser, FULL)
    add("--rows", nargs="+", metavar="PATTERN", help=f"which of {', '.join(ROWS)}")
    add("--members", type=int, help="faces trained on; as many are not")
    add("--population", type=int, help="further faces, that no model sees")
    add("--size", type=int, help="height and width of the faces in pixels")
    add("--channels", type=int, choices=(1, 3), help="grey or colour, else as the data are")
    add("--width", type=float, help="multiplier of GhostFace's channels")
    add("--epochs", type=int)
    add("--batch-size", type=int)
    add("--learning-rate", type=float, help="highest rate of the cosine, for AdamW")
    add("--weight-decay", type=float)
    add("--queries", type=int, help="copies of a face that the attacks ask about")
    add("--tolerated-fpr", type=float, help="rate of the population attack")
    add("--seed", type=int, help="seed of the choice of faces; other seeds follow from it")
    parser.add_argument(
        "--tensorflow-privacy",
        action="store_true",
        help="its attacks too, for the first seed",
    )


def run(args: argparse.Namespace) -> Outcome:
    """Run the study of a command line.

    Args:
        args: The parsed arguments.
    """
    settings = PrivacySettings(
        data=args.data,
        path=args.path,
        tensorflow_privacy=args.tensorflow_privacy,
        **settled(args, FULL, QUICK),
    )
    return run_privacy_study(
        settings,
        args.output,
        data_dir=args.data_dir,
        command=getattr(args, "command_line", None),
    )


def run_privacy_study(
    settings: PrivacySettings,
    output: str | os.PathLike[str],
    *,
    faces: "tuple[np.ndarray, np.ndarray, Sequence[str]] | None" = None,
    data_dir: str | os.PathLike[str] | None = None,
    command: str | None = None,
    progress: bool = True,
) -> Outcome:
    """Train the models that are not there yet, attack them all, and write the report.

    Args:
        settings: The settings.
        output: Folder for everything that is written.
        faces: uint8 images, labels and names of the classes, in place of a data set; None to load
            what the settings name.
        data_dir: Where prepared data sets are kept. Default: tensorflow-datasets' own folder.
        command: The command line, for the report.
        progress: Whether to show bars.

    Returns:
        `Outcome`.

    Raises:
        ValueError: If there are too few different faces, in all or of a class in the population,
            or the folder holds another study.

    Example:

    ```python
    outcome = run_privacy_study(PrivacySettings(seeds=2, rows=("1-*",)), "runs/privacy")
    print(outcome.text)
    ```
    """
    from fer_models import privacy
    from fer_models.studies import privacy_study_models as models
    from fer_models.studies import privacy_study_report as report
    from fer_models.studies.outcome import about_run
    from fer_models.training.runs import Run

    images, labels, names = faces or models.load(settings, data_dir)
    kept = privacy.different_pictures(images)
    pool, apart = privacy.draw_pool(len(kept), settings.members, settings.population, settings.seed)
    pool, apart = kept[pool], kept[apart]
    study = models.Faces(images[pool], labels[pool], images[apart], labels[apart], tuple(names))
    compared: dict[str, Any] = {name: getattr(settings, name) for name in COMPARED}
    record = Run(output, compared, {"faces": study.digest()})
    record.open()
    models.check(settings, study)
    record.begin(packages=PACKAGES)
    runs = [
        models.ModelRun(row, seed, Path(output) / "runs" / row / f"seed{seed}")
        for seed in range(1, settings.seeds + 1)
        for row in settings.chosen_rows()
    ]
    models.train_all(settings, runs, study, progress=progress)
    about = about_run(record.record, command) | {
        "seeds": settings.seeds,
        "different_faces": len(kept),
        "copies_left_out": len(images) - len(kept),
        "tolerated_fpr": settings.tolerated_fpr,
    }
    found = report.write_report(
        about,
        runs,
        {seed: study.half(settings, seed) for seed in range(1, settings.seeds + 1)},
        names,
        Path(output),
        tensorflow_privacy=settings.tensorflow_privacy,
        progress=progress,
    )
    record.finish()
    return found
