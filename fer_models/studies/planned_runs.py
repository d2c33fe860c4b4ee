"""The trainings behind a table, one after the other, each finished for good."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fer_data import files

RESULT = "result.json"


@dataclasses.dataclass(frozen=True)
class PlannedRun:
    """One training of a study.

    Attributes:
        row: Name of the row of the table that it belongs to.
        seed: Its seed.
        folder: Its own folder; a `result.json` in it marks it as finished.
    """

    row: str
    seed: int
    folder: Path

    @property
    def done(self) -> bool:
        """Whether it is finished."""
        return (self.folder / RESULT).exists()

    def result(self) -> dict[str, Any]:
        """Return what `finish_runs` has kept of it.

        Raises:
            ValueError: If the file is damaged, or the result of another training.
        """
        path = self.folder / RESULT
        found = files.read_json(path, ["seconds"], remove=self.folder)
        own, held = self._identity(), found.pop("run", None)
        if held not in (None, own):
            raise ValueError(
                f"{path} must be the result of {own}; remove {self.folder} to have it made again. "
                f"Received: that of {held}"
            )
        return found

    def keep(self, result: Mapping[str, Any]) -> None:
        """Keep a result, which marks the training as finished.

        Args:
            result: The result, of JSON's types.
        """
        files.write_json(self.folder / RESULT, {**result, "run": self._identity()})

    def _identity(self):
        return {"row": self.row, "seed": self.seed}


def plan_runs(rows: Sequence[str], seeds: int, folder: Path) -> list[PlannedRun]:
    """Return a run for every row and seed, the rows of a seed together.

    A study that is stopped half-way then has whole tables of fewer seeds.

    Args:
        rows: Names of the rows; each becomes the name of a folder.
        seeds: Number of seeds, which are 1, 2, ...
        folder: Folder of all runs.

    Example:

    >>> [run.folder.as_posix() for run in plan_runs(("a", "b"), 1, Path("runs"))]
    ['runs/a/seed1', 'runs/b/seed1']
    """
    return [
        PlannedRun(row, seed, folder / row.replace("/", "-").replace(" ", "_") / f"seed{seed}")
        for seed in range(1, seeds + 1)
        for row in rows
    ]


def finish_runs(
    runs: Sequence[PlannedRun],
    train: Callable[..., dict[str, Any]],
    *,
    unit: str = "training",
    progress: bool = True,
    steps: Callable[[PlannedRun], int] | None = None,
) -> dict[PlannedRun, dict[str, Any]]:
    """Do the runs that are not finished, with a bar that shows the time left.

    Args:
        runs: The runs.
        train: Function that does one and returns its result, of JSON's types. With `steps` it also
            takes a function, which it calls after each step.
        unit: What the bar calls a run, or with `steps` a step.
        progress: Whether to show the bar.
        steps: Function that returns how many steps a run still has before it, such as epochs: where
            runs differ in length, or take hours, the bar counts these. None counts runs.

    Returns:
        The results of all runs, those of earlier calls too. Each has `seconds` besides what `train`
        gave.

    Raises:
        ValueError: If a result of an earlier call is damaged, or that of another training.
    """
    from tqdm import tqdm

    open_runs = [run for run in runs if not run.done]
    for run in runs:
        if run.done:
            # A damaged result shows now, not after hours.
            run.result()
    total = len(open_runs) if steps is None else sum(map(steps, open_runs))
    with tqdm(total=total, desc=f"{unit}s", unit="", disable=None if progress else True) as bar:
        for run in open_runs:
            bar.set_postfix_str(f"{run.row}, seed {run.seed}")
            begin = time.monotonic()
            if steps is None:
                result = train(run)
                bar.update()
            else:
                result = train(run, bar.update)
            result["seconds"] = round(time.monotonic() - begin, 1)
            run.keep(result)
    return {run: run.result() for run in runs}
