"""A training on micro-expressions from the data to the report, which can be stopped."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fer_models.training import runs
from fer_models.training.clip_data import ClipData, load_clips
from fer_models.training.clip_settings import ClipSettings
from fer_models.training.cross_validation import (
    COMPOSITE,
    check_scenario,
    cross_validate,
    default_selection,
    divide,
)
from fer_models.training.cross_validation_report import report_scenario
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
    `folds/` what each fold predicted. A stopped training goes on from its last whole epoch when the
    same call is made again.

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
    run.open(restart=restart, may_change=_not_compared(settings, output, restart))
    data = load_clips(
        settings.sources(),
        frames=settings.frames,  # type: ignore[arg-type]
        size=settings.size,  # type: ignore[arg-type]
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
    scenario = settings.scenario()
    select = settings.select or default_selection(scenario.protocol)
    divisions = divide(
        data.clips,
        scenario.protocol,
        select=select,
        validation=settings.validation,
        by_subject=settings.by_subject,
        seed=settings.seed,
        allow_leaks=settings.allow_leaks,
    )
    check_scenario(scenario, divisions, data)
    run = Run(output, settings.to_dict(), {"clips": data.digest()})
    run.open(restart=restart, may_change=_not_compared(settings, output, restart))
    run.begin(packages=PACKAGES)
    if on_remark is not None and data.facts.get("differences"):
        on_remark("Not as in MEGC 2019: " + "; ".join(data.facts["differences"]))
    results = cross_validate(
        scenario,
        divisions,
        data,
        output,
        seed=settings.seed,
        select=select,
        motion=settings.motion,
        region_cut=settings.regions,
        keep_models=keep_models,
        progress=progress,
    )
    about = {name: run.record[name] for name in ("date", "versions", "backend", "hardware")}
    about |= {"seed": settings.seed, "motion": settings.motion, "regions": settings.regions}
    about["data"] = data.facts
    if command:
        about["command"] = command
    report = report_scenario(
        about, scenario, divisions, results, data.clips, data.names, output, select=select
    )
    run.finish()
    return report


def _not_compared(settings, output, restart):
    """Return the settings in which an earlier run of the folder may differ."""
    record, found = Path(output) / runs.RECORD, [*NOT_COMPARED]
    if not record.exists() or restart:
        return found
    held = runs.read(record)["settings"]
    if settings.regions == "grid" and "regions" not in held:
        # It was begun when there was no other cut than the grid.
        found.append("regions")
    # They were lists while one run could train several.
    lists = ("epochs", "batch_size")
    return found + [name for name in lists if held.get(name) == [getattr(settings, name)]]
