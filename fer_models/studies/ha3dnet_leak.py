"""The study of leaks: the same network and clips, divided four ways.

Every clip gets augmented copies. Then the copies are divided into folds: at random, as happens
where one augments before one splits; so that all copies of a clip stay together (a random split of
clips, as in the dissertation); so that all clips of a video do; and so that all clips of a person
do. Network, recipe, number of training steps, and kind and number of tested examples are the same
for all four: what differs is what the network has seen of whom it is tested on. Each example is
tested once. The report states how many points of the accuracy come from each kind of leak, from the
difference of one division to the next.

The video of a clip is read from the owners' names; SMIC's do not tell it, and that division is left
out. Drawn people are filmed so that each video is of one class, as a video that is shown to people
is chosen to bring out one emotion, and their faces move less than in other studies, so that looks
tell more than motion. Every finished training is kept: the same command goes on after an
interruption.
"""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fer_models.studies import clip_study_settings
from fer_models.studies.clip_study_settings import add_clip_options, given_options
from fer_models.studies.ha3dnet_leak_settings import FULL, QUICK, QUICK_MODEL, LeakSettings
from fer_models.studies.outcome import Outcome, about_run
from fer_models.studies.study_options import add_defaulted, settled
from fer_models.training.ha3dnet_published import SPLITS

if TYPE_CHECKING:
    from fer_models.training.clip_data import ClipData

NAME = "ha3dnet-leak"
DATA = clip_study_settings.DATA


def describe() -> str:
    """Return what the study finds out, in one line."""
    return (
        "how much of the accuracy leaks explain: the same clips divided by copy, by clip, "
        "by video, by person"
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the study's own options.

    Args:
        parser: Parser of the study.
    """
    words = "default: those of the dissertation's best scenario at 80:10:10"
    add_clip_options(parser, FULL, batch_and_epochs=words)
    add = add_defaulted(parser, FULL)
    add("--copies", type=int, help="augmented copies of each clip")
    add("--folds", type=int, help="folds of each division; every example is tested once")


def run(args: argparse.Namespace) -> Outcome:
    """Run the study of a command line.

    Args:
        args: The parsed arguments.
    """
    settings = LeakSettings(**given_options(args, QUICK_MODEL), **settled(args, FULL, QUICK))
    return run_leak_study(
        settings,
        args.output,
        data_dir=args.data_dir,
        command=getattr(args, "command_line", None),
    )


def run_leak_study(
    settings: LeakSettings,
    output: str | os.PathLike[str],
    *,
    data: "Mapping[str, ClipData] | None" = None,
    data_dir: str | os.PathLike[str] | None = None,
    command: str | None = None,
    progress: bool = True,
) -> Outcome:
    """Train by each division what is not trained yet, and write what leaks make.

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
        ValueError: If there are several batch sizes or epochs, there are fewer people, videos or
            clips than folds, or the folder holds another study.

    Example:

    ```python
    settings = LeakSettings(data="casme2", path="CASME2", seeds=1)
    print(run_leak_study(settings, "runs/leak").text)
    ```
    """
    from fer_models.studies import ha3dnet_leak_report as report
    from fer_models.studies import ha3dnet_leak_trainings as trainings
    from fer_models.studies.clip_study_report import check_paths
    from fer_models.studies.clip_study_runs import PACKAGES
    from fer_models.training.runs import Run

    for name in settings.data:
        # Its rule, before anything is written.
        settings.batch_and_epochs(name, SPLITS[0])
    output = Path(output)
    record = Run(output, {"study": NAME, **settings.compared()})
    record.open()
    check_paths(settings)
    record.begin(packages=PACKAGES)
    trained = [
        trainings.train_divisions(
            settings,
            name,
            output,
            data=(data or {}).get(name),
            data_dir=data_dir,
            progress=progress,
        )
        for name in settings.data
    ]
    about = about_run(record.record, command) | {"seeds": settings.seeds}
    found = report.write_report(about, trained, output)
    record.finish()
    return found
