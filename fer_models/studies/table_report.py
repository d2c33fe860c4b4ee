"""The report of a study that sets its tables beside those of a paper."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fer_models.studies.outcome import PICTURE, Outcome, heading
from fer_models.studies.paper_table import PaperTable, draw
from fer_models.studies.planned_runs import PlannedRun


def write_table_report(
    title: str,
    tables: Sequence[PaperTable],
    results: Mapping[PlannedRun, Mapping[str, Any]],
    about: Mapping[str, Any],
    output: Path,
    *,
    drawn: Sequence[PaperTable] | None = None,
) -> Outcome:
    """Write the tables as Markdown, JSON and picture.

    Args:
        title: Heading of the report.
        tables: The tables.
        results: The result of every training.
        about: What was run, as `about_run` gives it.
        output: Folder of the study.
        drawn: What to draw; None for the tables as they are.

    Returns:
        `Outcome`.
    """
    lines = [
        f"# {title}",
        "",
        *heading(about),
        *(table.markdown() for table in tables),
        f"![Every seed beside the paper's figures]({PICTURE})",
        "",
    ]
    content = {
        **about,
        "tables": [table.to_dict() for table in tables],
        "runs": [{"row": run.row, "seed": run.seed, **found} for run, found in results.items()],
    }
    draw(tables if drawn is None else drawn, output / PICTURE)
    outcome = Outcome(content, "\n".join(lines), output)
    outcome.write()
    return outcome
