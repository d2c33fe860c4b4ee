"""Tables 3 to 7 of Irawan (2025): Triple Path HA3DNet and others, a table for each data set.

The networks that the dissertation compares with its own and this library builds (DP-3DNet,
HA-3DNet, SE-3DNet, HA-3DSENet, MER-3DCNNST) are trained alike, in both random splits and with one
subject left out, so that a row differs from another in one thing. Beside them stand the
dissertation's own figure, at its own scenario. Below each table stand figures of other methods,
each with its protocol and where it was read. They were collected from papers and repositories, and
are not the dissertation's own list (3D-DSENet, Deep3DCANN, STCN, MAL, LAENet, BALANCE, MMAM and
others), which is not in our sources. --rivals FILE shows those of a CSV file instead, with the
columns dataset, method, accuracy, f1, protocol, source, and if you like clips and uar; scores are
shares of one.

Every finished training is kept: the same command goes on after an interruption.
"""

import argparse
import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fer_models.studies import clip_study_settings
from fer_models.studies.clip_study_settings import (
    LOSO,
    QUICK_MODEL,
    ClipStudySettings,
    add_clip_options,
    given_options,
    title,
)
from fer_models.studies.outcome import Outcome
from fer_models.studies.paper_table import Column, PaperTable, Row
from fer_models.studies.published_rivals import Rival, bundled_rivals, read_rivals
from fer_models.studies.rivals_table import ORIGIN, rivals_table
from fer_models.studies.study_options import add_defaulted, settled

if TYPE_CHECKING:
    from fer_models.studies.clip_study_runs import TrainedSet
    from fer_models.training.clip_data import ClipData

NAME = "ha3dnet-tables-3-7"
DATA = clip_study_settings.DATA
# As the dissertation calls them.
MODELS = {
    "triple_path_ha3dnet": "Triple Path HA3DNet",
    "dual_path_3dnet": "DP-3DNet",
    "ha_3dnet": "HA-3DNet",
    "se_3dnet": "SE-3DNet",
    "ha_3dsenet": "HA-3DSENet",
    "mer_3dcnn": "MER-3DCNNST",
}
FULL = {**clip_study_settings.FULL, "models": tuple(MODELS), "rivals": None}
QUICK = {**clip_study_settings.QUICK, "seeds": 1, "epochs": (1,)}
COLUMNS = (
    Column("accuracy", "accuracy, %", 100),
    Column("f1", "F1", digits=4),
    Column("recall", "UAR", digits=4),
)
REMARKS = (
    "Which of the tables 3 to 7 is of which data set is not in our sources, nor are the figures of "
    "the methods that they name (3D-DSENet, Deep3DCANN, STCN, MAL, LAENet, BALANCE, MMAM and "
    "others). Figures of others, where we know any, stand below our tables with their protocols.",
    "All networks have batch and epochs of the best scenario of Triple Path HA3DNet on the data "
    "set and the split; where a subject is left out those of 80:10:10.",
)


def describe() -> str:
    """Return what the study finds out, in one line."""
    return "Triple Path HA3DNet beside its relatives, trained alike, and what others published"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the study's own options.

    Args:
        parser: Parser of the study.
    """
    add_clip_options(parser, FULL)
    add = add_defaulted(parser, FULL)
    add("--models", nargs="+", choices=tuple(MODELS), help="which networks")
    add("--rivals", metavar="FILE", help="CSV file of published figures, in place of the bundled")


def run(args: argparse.Namespace) -> Outcome:
    """Run the study of a command line.

    Args:
        args: The parsed arguments.
    """
    given = settled(args, FULL, QUICK)
    models, rivals = given.pop("models"), given.pop("rivals")
    settings = ClipStudySettings(**given_options(args, QUICK_MODEL), **given)
    return run_rivals(
        settings,
        args.output,
        models=models,
        rivals=None if rivals is None else read_rivals(rivals),
        data_dir=args.data_dir,
        command=getattr(args, "command_line", None),
    )


def run_rivals(
    settings: ClipStudySettings,
    output: str | os.PathLike[str],
    *,
    models: Sequence[str] = tuple(MODELS),
    rivals: Sequence[Rival] | None = None,
    data: "Mapping[str, ClipData] | None" = None,
    data_dir: str | os.PathLike[str] | None = None,
    command: str | None = None,
    progress: bool = True,
) -> Outcome:
    """Train the networks that are not trained yet, and write a table of each data set.

    Args:
        settings: The settings.
        output: Folder for everything that is written.
        models: Names of `MODELS`.
        rivals: What `read_rivals` gives. Default: `bundled_rivals`.
        data: Clips in memory by the name of the data set, in place of reading them.
        data_dir: Where prepared data sets are kept. Default: tensorflow-datasets' own folder.
        command: The command line, for the report.
        progress: Whether to show bars.

    Returns:
        `Outcome`.

    Raises:
        FileNotFoundError: If there is nothing at a path.
        ValueError: If there is no such network, there are several batch sizes or epochs, a network
            cannot be trained, or the folder holds another study.

    Example:

    ```python
    settings = ClipStudySettings(data="casme2", path="CASME2")
    rivals = read_rivals("rivals.csv")
    print(run_rivals(settings, "runs/rivals", models=("ha_3dnet",), rivals=rivals).text)
    ```
    """
    from fer_models.studies.clip_study_report import run_tables
    from fer_models.training.clip_scenarios import grid_name
    from fer_models.training.cross_validation import Scenario

    unknown = [each for each in models if each not in MODELS]
    if unknown or not models:
        raise ValueError(f"`models` must be names of {tuple(MODELS)}. Received: {tuple(models)}")

    def scenarios(name):
        found = []
        for model in models:
            recipe = settings.clip_settings(name, model=model).to_recipe()
            for protocol in settings.protocols:
                batch_size, epochs = settings.batch_and_epochs(name, protocol)
                found.append(
                    Scenario(
                        recipe.replace(batch_size=batch_size, epochs=epochs),
                        protocol,
                        f"{model}_{grid_name(protocol, batch_size, epochs)}",
                        f"{MODELS[model]}, {in_words(protocol)}",
                    )
                )
        return found

    remarks, origin = [*REMARKS], ORIGIN
    if rivals is None:
        rivals = bundled_rivals()
    else:
        origin = "Published by others, as the given file has it."
        elsewhere = sorted(
            {title(each.dataset) for each in rivals if each.dataset not in settings.data}
        )
        if elsewhere:
            remarks.append(
                f"The given rivals on {', '.join(elsewhere)} are not shown: "
                "nothing was trained there."
            )
    shown = [each for each in rivals if each.dataset in settings.data]
    return run_tables(
        NAME,
        settings,
        output,
        scenarios,
        table_of,
        data=data,
        data_dir=data_dir,
        command=command,
        progress=progress,
        remarks=remarks,
        below=lambda name: rivals_table(name, shown, origin),
        content={"rivals": [dataclasses.asdict(each) for each in shown]},
    )


def in_words(protocol: str) -> str:
    """Return a protocol in words.

    Args:
        protocol: A name of `clip_study_settings.PROTOCOLS`.
    """
    return "leave one subject out" if protocol == LOSO else f"random {protocol.replace('-', ':')}"


def table_of(trained: "TrainedSet") -> PaperTable:
    """Return the table of a data set, without the figures of others.

    Args:
        trained: What was trained on it.
    """
    from fer_models.studies.clip_study_report import scenario_columns, why_none

    columns = scenario_columns("accuracy", "f1", "recall")
    rows = [
        Row(
            scenario.words,
            trained.published(scenario),
            trained.measured(name, columns),
        )
        for name, scenario in trained.scenarios.items()
    ]
    differs = why_none(trained, [row.published for row in rows])
    return PaperTable(f"Tables 3 to 7: {title(trained.name)}", COLUMNS, rows, differs)
