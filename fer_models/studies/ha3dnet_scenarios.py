"""Table 1 of Irawan (2025): Triple Path HA3DNet in twelve scenarios a data set.

Three batch sizes by two numbers of epochs by two random splits, as the dissertation trains, and
beside each the honest protocol: leave one subject out, with the same batch and epochs. The output
folder gets report.md, report.json and report.png; every finished training is kept under the name of
its data set, so that the same command goes on after an interruption, and more seeds, protocols,
batch sizes and data sets add to what is there. With other --batch-size, --epochs or
--model-options a part can be run; the published figures then stand only where they belong.
"""

import argparse
import itertools
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fer_models.studies import clip_study_settings
from fer_models.studies.clip_study_settings import (
    LOSO,
    QUICK_MODEL,
    SYNTHETIC,
    ClipStudySettings,
    add_clip_options,
    given_options,
    title,
)
from fer_models.studies.outcome import Outcome
from fer_models.studies.paper_table import Column, PaperTable, Row
from fer_models.studies.study_options import settled
from fer_models.training.ha3dnet_published import BATCH_SIZES, EPOCHS

if TYPE_CHECKING:
    from fer_models.studies.clip_study_runs import TrainedSet
    from fer_models.training.clip_data import ClipData

NAME = "ha3dnet-table-1"
DATA = clip_study_settings.DATA
FULL = clip_study_settings.FULL
QUICK = {**clip_study_settings.QUICK, "seeds": 1, "batch_size": (4, 8, 16), "epochs": (1, 2)}
# Batch sizes and epochs: the dissertation's, and what drawn people need.
GRID = (BATCH_SIZES, EPOCHS)
SMALL_GRID = ((4, 8, 16), (6, 12))
COLUMNS = (
    Column("accuracy", "accuracy, %", 100),
    Column("f1", "F1", digits=4),
    Column("precision", digits=4),
    Column("recall", digits=4),
    Column("error_rate", "error rate, %", 100),
    Column("loso_accuracy", "accuracy on new people, %", 100),
    Column("loso_uf1", "UF1 on new people", digits=4),
    Column("loso_uar", "UAR on new people", digits=4),
)
LEFT_OUT = (
    "On new people: leave one subject out, with the batch and the epochs of the row. The two "
    "splits of a batch and epochs share it."
)


def describe() -> str:
    """Return what the study finds out, in one line."""
    return "Triple Path HA3DNet in its twelve scenarios a data set, and each on people left out"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the study's own options.

    Args:
        parser: Parser of the study.
    """
    words = "default: 32 64 128 clips, 128 256 epochs; drawn: 4 8 16, 6 12"
    add_clip_options(parser, FULL, several=True, batch_and_epochs=words)


def run(args: argparse.Namespace) -> Outcome:
    """Run the study of a command line.

    Args:
        args: The parsed arguments.
    """
    settings = ClipStudySettings(**given_options(args, QUICK_MODEL), **settled(args, FULL, QUICK))
    return run_scenarios(
        settings,
        args.output,
        data_dir=args.data_dir,
        command=getattr(args, "command_line", None),
    )


def run_scenarios(
    settings: ClipStudySettings,
    output: str | os.PathLike[str],
    *,
    data: "Mapping[str, ClipData] | None" = None,
    data_dir: str | os.PathLike[str] | None = None,
    command: str | None = None,
    progress: bool = True,
) -> Outcome:
    """Train the scenarios that are not trained yet, and write a table of each data set.

    Args:
        settings: The settings.
        output: Folder for everything that is written.
        data: Clips in memory by the name of the data set, in place of reading them.
        data_dir: Where prepared data sets are kept. Default: tensorflow-datasets' own folder.
        command: The command line, for the report.
        progress: Whether to show bars.

    Returns:
        `Outcome`.

    Raises:
        FileNotFoundError: If there is nothing at a path.
        ValueError: If a scenario cannot be trained, or the folder holds another study.

    Example:

    ```python
    settings = ClipStudySettings(data="casme2", path="CASME2", batch_size=(64,), epochs=(128,))
    print(run_scenarios(settings, "runs/table-1").text)
    ```
    """
    from fer_models.studies.clip_study_report import run_tables
    from fer_models.training.clip_scenarios import grid

    def scenarios(name):
        recipe = settings.clip_settings(name).to_recipe()
        return grid(recipe, settings.protocols, *batches_and_epochs(settings, name))

    return run_tables(
        NAME,
        settings,
        output,
        scenarios,
        lambda trained: table_of(settings, trained),
        data=data,
        data_dir=data_dir,
        command=command,
        progress=progress,
        remarks=(
            "Of the twelve scenarios of a data set our sources give the figures of the best one of "
            "each split: they stand beside this one alone.",
        ),
    )


def batches_and_epochs(settings: ClipStudySettings, name: str) -> tuple[Any, Any]:
    """Return the batch sizes and the epochs of the scenarios of a data set.

    Args:
        settings: The settings.
        name: Of the data set.
    """
    batches, epochs = SMALL_GRID if name == SYNTHETIC else GRID
    return settings.batch_size or batches, settings.epochs or epochs


def table_of(settings: ClipStudySettings, trained: "TrainedSet") -> PaperTable:
    """Return the table of a data set.

    Args:
        settings: The settings.
        trained: What was trained on it.
    """
    from fer_models.studies.clip_study_report import HONEST, scenario_columns, why_none
    from fer_models.training.clip_scenarios import grid_name

    splits = [each for each in settings.protocols if each != LOSO]
    rows = []
    for split, batch_size, epochs in itertools.product(
        splits or [LOSO], *batches_and_epochs(settings, trained.name)
    ):
        name = grid_name(split, batch_size, epochs)
        scenario = trained.scenarios[name]
        measured = {} if split == LOSO else trained.measured(name, scenario_columns())
        measured |= trained.measured(grid_name(LOSO, batch_size, epochs), HONEST)
        rows.append(Row(scenario.words, trained.published(scenario), measured))
    differs = why_none(trained, [row.published for row in rows])
    if LOSO in settings.protocols:
        differs.append(LEFT_OUT)
    columns = [each for each in COLUMNS if any(each.name in row.measured for row in rows)]
    return PaperTable(f"Table 1: {title(trained.name)}", columns, rows, differs)
