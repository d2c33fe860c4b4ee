"""Private training on public features of faces: the cost of a guarantee, and its audit.

A frozen, pre-trained trunk turns each face into features once. A dense layer is trained on them by
DP-SGD with Poisson sampling, for several epsilons and seeds, and without privacy. Beside the
accuracy stand three values of epsilon: the guaranteed one, the one that the same noise would prove
for shuffled batches, and a lower bound with a confidence of 95 %, from guesses which of many
canaries a training of the same kind has seen.

The learning rate of each epsilon is chosen on a fifth of the training faces, before accuracy is
measured on other faces. That choice sees the training faces, and the guarantee does not cover it.
The folder gets report.md, report.json, report.png and the features. The study runs on JAX and needs
the extra [dp].
"""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from fer_models.studies.outcome import Outcome
from fer_models.studies.private_features_settings import (
    DATA,
    FULL,
    QUICK,
    TRUNK,
    PrivateFeaturesSettings,
)
from fer_models.studies.study_options import add_defaulted, settled

if TYPE_CHECKING:
    from fer_models.training.trunk_features import FaceFeatures

PACKAGES = ("jax_privacy",)
TRUNKS = ("faceres", "dlib", "lite0", "lite1", "lite2")


def describe() -> str:
    """Return what the study finds out, in one line."""
    return "accuracy under differential privacy on public face features, with an audit of epsilon"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the study's own options.

    Args:
        parser: Parser of the study.
    """
    add = add_defaulted(parser, FULL)
    # So that it is seen whether they were named beside --features.
    parser.set_defaults(data=None)
    parser.add_argument("--trunk", choices=TRUNKS, help=f"(default: {TRUNK})")
    parser.add_argument(
        "--trunk-weights", metavar="FILE", help="its weights; random ones with --quick alone"
    )
    parser.add_argument(
        "--features", metavar="FILE", help="features computed before, in place of data and trunk"
    )
    add("--epsilons", nargs="+", type=float, metavar="EPSILON", help="the guarantees")
    add("--delta", type=float, help="probability with which a guarantee may fail")
    add("--batch-size", type=int, help="faces in a batch, on average")
    add("--steps", type=int, help="number of batches")
    add("--learning-rates", nargs="+", type=float, metavar="RATE", help="to choose from")
    add("--canaries", type=int, help="canaries of each audit; half of them are in the training set")
    add("--train", type=int, help="drawn faces to train on")
    add("--validation", type=int, help="drawn faces to score on")
    add("--size", type=int, help="side of the faces in pixels, else the trunk's own")


def run(args: argparse.Namespace) -> Outcome:
    """Run the study of a command line.

    Args:
        args: The parsed arguments.
    """
    # Before Keras is imported; what the user has set stays.
    os.environ.setdefault("KERAS_BACKEND", "jax")
    if args.quick and args.features:
        raise ValueError("--quick runs on drawn faces: leave --features away.")
    if not (args.quick or args.features or args.trunk_weights):
        raise ValueError(
            "--trunk-weights must name the file of the trunk's weights, or --features that of "
            "features: random weights are for --quick alone."
        )
    faces = argparse.Namespace(**{**vars(args), "data": args.data or DATA})
    settings = PrivateFeaturesSettings(
        data=args.data,
        path=args.path,
        trunk=args.trunk,
        trunk_weights=args.trunk_weights,
        features=args.features,
        **settled(faces, FULL, QUICK),
    )
    return run_private_features(
        settings,
        args.output,
        data_dir=args.data_dir,
        command=getattr(args, "command_line", None),
    )


def run_private_features(
    settings: PrivateFeaturesSettings,
    output: str | os.PathLike[str],
    *,
    features: "FaceFeatures | None" = None,
    data_dir: str | os.PathLike[str] | None = None,
    command: str | None = None,
    progress: bool = True,
) -> Outcome:
    """Do the missing trainings and audits, and write the report.

    Args:
        settings: The settings.
        output: Folder for all files of the study.
        features: Features in memory; the settings must then name neither data nor trunk.
        data_dir: Folder for prepared data sets; None for that of tensorflow-datasets.
        command: The command line, for the report.
        progress: Whether to show bars.

    Returns:
        `Outcome`.

    Raises:
        ImportError: If jax-privacy is not installed.
        NotImplementedError: On other backends than JAX.
        ValueError: If a setting does not fit the faces, or the folder holds another study.

    Example:

    ```python
    settings = PrivateFeaturesSettings(epsilons=(3,), seeds=1)
    print(run_private_features(settings, "runs/private-features").text)
    ```
    """
    import hashlib

    import keras

    from fer_models.studies import private_features_report as report
    from fer_models.studies import private_features_trainings as trainings
    from fer_models.studies.outcome import about_run
    from fer_models.studies.planned_runs import finish_runs, plan_runs
    from fer_models.training.runs import Run

    if keras.backend.backend() != "jax":
        raise NotImplementedError(
            "The study computes on JAX: set KERAS_BACKEND=jax. "
            f"Received: the backend {keras.backend.backend()!r}"
        )
    if features is not None:
        settings.check_no_faces()
    output, compared = Path(output), settings.compared(given=features is not None)
    # Before the features are computed, which may take an hour.
    Run(output, compared).open()
    made = features or trainings.load_features(settings, output, data_dir, progress)
    digest = hashlib.sha256()
    for split in sorted(made.features):
        digest.update(made.features[split].tobytes() + made.labels[split].tobytes())
    record = Run(output, compared, {"features": digest.hexdigest()})
    record.open()
    study = trainings.Trainings(settings, made)
    record.begin(packages=PACKAGES)
    # After the record: without it the folder would be taken for one of something else.
    kept = output / trainings.FEATURES
    if settings.features is None and not kept.exists():
        made.write(kept)
    chosen = finish_runs(
        plan_runs(list(settings.rows), 1, output / "choices"),
        study.choose,
        unit="choice",
        progress=progress,
    )
    rates = {run.row: found["learning_rate"] for run, found in chosen.items()}
    results = finish_runs(
        plan_runs(list(settings.rows), settings.seeds, output / "runs"),
        lambda run: study.fit(run, rates[run.row]),
        progress=progress,
    )
    outcome = report.write_report(
        about_run(record.record, command), settings, made, chosen, results, output
    )
    record.finish()
    return outcome
