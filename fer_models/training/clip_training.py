"""A training on micro-expressions from the data to the report, which can be stopped."""

import os
from collections.abc import Callable
from typing import Any

from fer_models.training.clip_data import ClipData, load_clips
from fer_models.training.clip_settings import ClipSettings
from fer_models.training.cross_validation import (
    COMPOSITE,
    check_scenarios,
    cross_validate,
    default_selection,
    divide,
)
from fer_models.training.cross_validation_report import write_reports
from fer_models.training.runs import Run

# Which clips they are is an input of its own, wherever they lie.
NOT_COMPARED = ("path", "listed")
PACKAGES = ("sklearn",)


def train_clips(
    settings: ClipSettings,
    output: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    keep_models: bool = False,
    restart: bool = False,
    command: str | None = None,
    progress: bool = True,
    on_remark: Callable[[str], Any] | None = None,
) -> tuple[dict[str, Any], str]:
    """Train networks for micro-expressions and score them on people they have not seen.

    The output folder gets `run.json`, `report.md`, `report.json`, `confusion.png`, and under
    `folds/` what each fold predicted; with a grid or an ablation a folder of these for every row
    of the table. A stopped training goes on from its last whole epoch when the same call is made
    again.

    Args:
        settings: The settings.
        output: Folder for everything that is written.
        data_dir: Where prepared data sets are kept. Default: tensorflow-datasets' own folder.
        keep_models: Whether to keep the model of every fold, as `folds/*/model.keras`.
        restart: Whether to delete a training that the folder holds.
        command: The command line, for the report.
        progress: Whether to show bars.
        on_remark: Function that is called with what a user should know beforehand.

    Returns:
        The content of `report.json` and of `report.md`.

    Raises:
        ValueError: If people or clips would stand on both sides, a class has no clip to train on,
            or the folder holds something else.

    Example:

    ```python
    settings = ClipSettings(data="casme2", path="CASME2")
    report, text = train_clips(settings, "runs/casme2")
    report["scores"]["uf1"]
    ```
    """
    run = Run(output, settings.to_dict())
    # Before the data are read, which may take an hour.
    run.open(restart=restart, may_change=NOT_COMPARED)
    data = load_clips(
        settings.sources(),
        frames=settings.frames,
        size=settings.size,
        data_dir=data_dir,
        composite=settings.protocol == COMPOSITE,
        listed=settings.listed_ids(),
        progress=progress,
    )
    return train_on(
        data,
        settings,
        output,
        keep_models=keep_models,
        restart=restart,
        command=command,
        progress=progress,
        on_remark=on_remark,
    )


def train_on(
    data: ClipData,
    settings: ClipSettings,
    output: str | os.PathLike[str],
    *,
    keep_models: bool = False,
    restart: bool = False,
    command: str | None = None,
    progress: bool = True,
    on_remark: Callable[[str], Any] | None = None,
) -> tuple[dict[str, Any], str]:
    """Do what `train_clips` does with clips that are in memory.

    Args:
        data: The clips, as `load_clips` gives them for the settings.
        settings: As for `train_clips`, and all others too.
        output: Folder.
        keep_models: Whether to keep the model of every fold.
        restart: Whether to delete a training that the folder holds.
        command: The command line, for the report.
        progress: Whether to show a bar.
        on_remark: Function that is called with what a user should know beforehand.

    Returns:
        The content of `report.json` and of `report.md`.
    """
    scenarios = settings.scenarios()
    divisions = {
        protocol: divide(
            data.clips,
            protocol,
            select=settings.select or default_selection(protocol),
            validation=settings.validation,
            by_subject=settings.by_subject,
            seed=settings.seed,
            allow_leaks=settings.allow_leaks,
        )
        for protocol in dict.fromkeys(scenario.protocol for scenario in scenarios)
    }
    check_scenarios(scenarios, divisions, data)
    run = Run(output, settings.to_dict(), {"clips": data.digest()})
    run.open(restart=restart, may_change=NOT_COMPARED)
    run.begin(packages=PACKAGES)
    if on_remark is not None and data.facts.get("differences"):
        on_remark("Not as in MEGC 2019: " + "; ".join(data.facts["differences"]))
    results = cross_validate(
        scenarios,
        divisions,
        data,
        output,
        seed=settings.seed,
        select=settings.select,
        motion=settings.motion,
        keep_models=keep_models,
        progress=progress,
    )
    about = {name: run.record[name] for name in ("date", "versions", "backend", "hardware")}
    about |= {"seed": settings.seed, "motion": settings.motion, "data": data.facts}
    if command:
        about["command"] = command
    report = write_reports(
        about,
        scenarios,
        divisions,
        results,
        data.clips,
        data.names,
        output,
        kind="ablation" if settings.ablation else "grid",
        select=settings.select,
    )
    run.finish()
    return report
