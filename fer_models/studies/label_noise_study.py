"""Train on labels made wrong on purpose, by a known share, and see what the model does with them.

Symmetric and class-dependent flips of the training labels, by several seeds, with and without
RandAugment and MixUp; validation and test labels stay as they are. The output folder gets:

    report.md, .json         accuracy of the best and the last epoch, what was learnt by heart
    report.png               the same as curves
    overruled.png            training faces whose (partly flipped) label the model overrules
    overruled_as_given.png   the same for the labels as the data set gives them
    only_with.png            test faces that only the last augmentation's model gets right
    suspects.csv             all training faces, those with the most suspect labels first
    suspects_flipped.csv     the same where labels were flipped: does the ranking find them?

A stopped run goes on where it was when the same command is given again; more seeds, rates or
augmentations may be added to a finished one.
"""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from fer_models.cli.train import option
from fer_models.studies.label_noise_settings import (
    AUGMENTATIONS,
    FULL,
    KINDS,
    QUICK,
    QUICK_MODEL,
    LabelNoiseSettings,
)
from fer_models.studies.outcome import Outcome
from fer_models.studies.study_options import add_defaulted, settled

if TYPE_CHECKING:
    from fer_models.studies.label_noise_models import NoisyFaces

PACKAGES = ("sklearn",)
# The rankings of suspects, by whether labels were flipped.
TABLES = {False: "suspects.csv", True: "suspects_flipped.csv"}


def describe() -> str:
    """Return what the study finds out, in one line."""
    return "what a model learns where a known share of the training labels is wrong"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the study's own options.

    Args:
        parser: Parser of the study.
    """
    add = add_defaulted(parser, FULL)
    add("--recipe", help="how to train what; `fer train --help` lists them")
    add("--train", type=int, help="training faces, at most, else all; drawn ones: 2000")
    add("--epochs", type=int, help="epochs of every training")
    add("--batch-size", type=int, help="faces a step")
    add("--learning-rate", type=float, help="highest learning rate")
    add("--size", type=int, help="height and width of the faces in pixels")
    add("--channels", type=int, choices=(1, 3), help="grey or colour")
    add("--kinds", nargs="+", choices=KINDS, help="kinds of wrong labels")
    add("--rates", nargs="*", type=float, help="shares of wrong labels")
    add(
        "--augmentations",
        nargs="+",
        choices=AUGMENTATIONS,
        help="the first is the plain one, the last the one against learning by heart",
    )
    add("--folds", type=int, help="parts for the ranking of suspects; 0: none")
    parser.add_argument(
        "--model",
        nargs="+",
        action="extend",
        type=option,
        metavar="NAME=VALUE",
        default=[],
        help="arguments of the model's builder",
    )


def run(args: argparse.Namespace) -> Outcome:
    """Run the study of a command line.

    Args:
        args: The parsed arguments.
    """
    model = dict(args.model)
    settings = LabelNoiseSettings(
        data=args.data,
        path=args.path,
        model={**_quick_model(args), **model},
        **settled(args, FULL, QUICK),
    )
    return run_label_noise_study(
        settings,
        args.output,
        data_dir=args.data_dir,
        command=getattr(args, "command_line", None),
    )


def _quick_model(args):
    """Return what makes the network small: of GhostFace a width, which others have not."""
    from fer_models.training import recipes

    recipe = args.recipe or QUICK.get("recipe", FULL["recipe"])
    return QUICK_MODEL if args.quick and recipes.get(recipe).model == "ghostface" else {}


def run_label_noise_study(
    settings: LabelNoiseSettings,
    output: str | os.PathLike[str],
    *,
    faces: "NoisyFaces | None" = None,
    data_dir: str | os.PathLike[str] | None = None,
    command: str | None = None,
    progress: bool = True,
) -> Outcome:
    """Train what is not trained yet, rank the suspects, and write the report.

    Args:
        settings: The settings.
        output: Folder for everything that is written.
        faces: Faces in memory, in place of a data set; None to load what the settings name.
        data_dir: Where prepared data sets are kept. Default: tensorflow-datasets' own folder.
        command: The command line, for the report.
        progress: Whether to show bars.

    Returns:
        `Outcome`.

    Raises:
        ValueError: If a setting does not fit the recipe, the data set has no validation split, or
            the folder holds another study.

    Example:

    ```python
    settings = LabelNoiseSettings(rates=(0.3,), augmentations=("none", "mixup"), seeds=1)
    print(run_label_noise_study(settings, "runs/noise").text)
    ```
    """
    from tqdm import tqdm

    from fer_models import robustness
    from fer_models.studies import label_noise_models as models
    from fer_models.studies import label_noise_report as report
    from fer_models.studies.label_noise_pictures import draw
    from fer_models.studies.outcome import about_run
    from fer_models.training.runs import Run

    output, hidden = Path(output), None if progress else True
    recipe = models.recipe_of(settings)
    models.check_options(settings, recipe)
    record = Run(output, settings.compared())
    # Before the data are read, which may take an hour.
    record.open()
    faces = faces or models.load(settings, recipe, data_dir)
    models.check_rates(settings, faces)
    record = Run(output, settings.compared(), {"faces": faces.digest()})
    record.open()
    record.begin(packages=PACKAGES)
    trainings = models.Trainings(recipe, faces)
    results = {}
    with tqdm(settings.cells(), desc="trainings", unit="", disable=hidden) as bar:
        for cell in bar:
            bar.set_postfix_str(cell.name)
            results[cell] = models.train_cell(cell, trainings, output / cell.name)
    suspects = {}
    rates = [0.0, *([settings.worst] if settings.rates else [])] if settings.folds else []
    for rate in tqdm(rates, desc="ranking of suspects", unit="", disable=hidden):
        noisy, flipped = models.flip(faces, KINDS[0], rate, seed=1)
        folder = output / settings.ranking(rate)
        found = models.out_of_sample(settings, trainings, noisy, folder)
        ranked = robustness.rank_suspects(noisy, found)
        robustness.write_suspects(ranked, output / TABLES[rate > 0], faces.names, faces.ids)
        suspects[rate] = (ranked, flipped)
    for flips, name in TABLES.items():
        if flips not in [rate > 0 for rate in rates]:
            # Of earlier settings.
            (output / name).unlink(missing_ok=True)
    outcome = report.write_report(
        about_run(record.record, command), settings, recipe, faces, results, suspects, output
    )
    draw(settings, faces, output)
    record.finish()
    return outcome
