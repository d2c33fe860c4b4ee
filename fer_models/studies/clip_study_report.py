"""The report of a study on micro-expressions: a table for each data set, and the differences."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fer_models.studies.clip_study_runs import PACKAGES, TrainedSet, train_set
from fer_models.studies.clip_study_settings import SYNTHETIC, ClipStudySettings, title
from fer_models.studies.outcome import PICTURE, Outcome, about_run, heading
from fer_models.studies.paper_table import PaperTable, draw
from fer_models.training.clip_data import ClipData
from fer_models.training.cross_validation import LOSO, Scenario
from fer_models.training.runs import Run

DRAWN = (
    "**Drawn people, small frames, a small network and few epochs.** The numbers show that the "
    "study runs, and nothing about real micro-expressions."
)
DIFFERS = (
    "F1, precision and recall are means over the classes, each class with the same weight (UF1 and "
    "UAR). The dissertation does not state how it averages F1.",
    "In a random split the epoch of the least loss on the validation part is scored; where people "
    "are left out it is the last, so that nothing is chosen. Which epoch the dissertation scores "
    "is not said.",
    "The network sees what changed since a clip's first frame. The number of frames, the pooling, "
    "the dense layer, the dropout and the amounts of the augmentation are ours: the source does "
    "not give them.",
    "Leave-one-subject-out has no figure beside it: the dissertation has none. It is what new "
    "people can expect.",
)


def scenario_columns(*names: str) -> dict[str, str]:
    """Return the scores of a random split by the names of columns.

    Args:
        *names: Of the columns; all of them if none is given.
    """
    known = {
        "accuracy": "accuracy",
        "f1": "uf1",
        "precision": "precision",
        "recall": "uar",
        "error_rate": "error_rate",
    }
    return {name: known[name] for name in names or known}


HONEST = {"loso_accuracy": "accuracy", "loso_uf1": "uf1", "loso_uar": "uar"}


def run_tables(
    study: str,
    settings: ClipStudySettings,
    output: str | os.PathLike[str],
    scenarios_of: Callable[[str], Sequence[Scenario]],
    table_of: Callable[[TrainedSet], PaperTable],
    *,
    data: Mapping[str, ClipData] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    command: str | None = None,
    progress: bool = True,
    remarks: Sequence[str] = (),
    below: Callable[[str], Sequence[str]] = lambda name: (),
    content: Mapping[str, Any] | None = None,
) -> Outcome:
    """Train what is not trained yet, data set by data set, and write a table of each.

    Args:
        study: Name of the study.
        settings: The settings.
        output: Folder for everything that is written.
        scenarios_of: Function from the name of a data set to its scenarios.
        table_of: Function from what was trained to the table.
        data: Clips in memory by the name of the data set, in place of reading them.
        data_dir: Where prepared data sets are kept. Default: tensorflow-datasets' own folder.
        command: The command line, for the report.
        progress: Whether to show bars.
        remarks: Further sentences of what differs from the dissertation.
        below: Function from the name of a data set to lines of Markdown below its table.
        content: What `report.json` holds besides.

    Returns:
        `Outcome`.

    Raises:
        FileNotFoundError: If there is nothing at a path.
        ValueError: If a scenario cannot be trained, or the folder holds another study.
    """
    output = Path(output)
    record = Run(output, {"study": study, **settings.compared()})
    record.open()
    check_paths(settings)
    # All of them, before the first is trained.
    scenarios = {name: scenarios_of(name) for name in settings.data}
    record.begin(packages=PACKAGES)
    trained = [
        train_set(
            settings,
            name,
            scenarios[name],
            output,
            data=(data or {}).get(name),
            data_dir=data_dir,
            progress=progress,
        )
        for name in settings.data
    ]
    tables = [table_of(each) for each in trained]
    about = about_run(record.record, command) | {"seeds": settings.seeds}
    found = write(
        about,
        tables,
        [[*facts_of(each), *below(each.name)] for each in trained],
        [*remarks, *DIFFERS],
        {**(content or {}), "sets": [each.to_dict() for each in trained]},
        output,
    )
    record.finish()
    return found


def write(
    about: Mapping[str, Any],
    tables: Sequence[PaperTable],
    facts: Sequence[Sequence[str]],
    differs: Sequence[str],
    content: Mapping[str, Any],
    output: Path,
) -> Outcome:
    """Write tables with a picture, and what differs from the dissertation below all of them.

    Args:
        about: What `about_run` gives.
        tables: The tables.
        facts: For every table lines of Markdown that stand below it.
        differs: What differs in all tables, a sentence or more each.
        content: What else `report.json` holds.
        output: Folder.
    """
    lines = heading(about)
    for table, below in zip(tables, facts, strict=True):
        lines += [table.markdown(), *below, ""]
    lines += [f"![The tables as a picture]({PICTURE})", ""]
    lines += ["### What differs from the dissertation", "", *(f"- {each}" for each in differs), ""]
    draw(tables, output / PICTURE)
    everything = {
        **about,
        "tables": [table.to_dict() for table in tables],
        "differs": list(differs),
        **content,
    }
    outcome = Outcome(everything, "\n".join(lines), output)
    outcome.write()
    return outcome


def facts_of(trained: TrainedSet) -> list[str]:
    """Return what must be known of a data set beside its table, as lines of Markdown.

    Args:
        trained: What was trained on it.
    """
    facts = trained.facts
    classes = ", ".join(f"{name} {count}" for name, count in facts["classes"].items())
    lines = [
        f"{facts['clips']:,} clips of {facts['subjects']} people ({classes}); "
        f"{facts['unlabelled']:,} without a label are left out. "
        + "; ".join(
            f"{'leave one subject out' if protocol == LOSO else protocol}: naming the most "
            f"frequent class gives {scores['accuracy']:.2%} accuracy, UF1 {scores['uf1']:.4f}"  # type: ignore[index]
            for protocol, scores in trained.most_frequent().items()
        )
        + ".",
        "",
    ]
    lines += [f"> **Warning.** {words} (Seed 1.)\n" for words in trained.warnings()]
    return lines + ([DRAWN, ""] if trained.name == SYNTHETIC else [])


def why_none(trained: TrainedSet, published: Sequence[Mapping[str, float]]) -> list[str]:
    """Return a sentence that explains why a table has no published figure, if it has none.

    Args:
        trained: What was trained.
        published: The published figures of its rows.
    """
    if any(published):
        return []
    if trained.name == SYNTHETIC:
        return ["Nobody published figures of drawn people."]
    return [
        f"No published figure stands here: none of these trainings on {title(trained.name)} is the "
        "dissertation's own (its network, batch, epochs, clips, classes, regions and random split)."
    ]


def check_paths(settings: ClipStudySettings) -> None:
    """Raise where there is nothing at a path, before anything is trained.

    Args:
        settings: The settings.

    Raises:
        FileNotFoundError: Which data set, and which path.
    """
    for name, path in zip(settings.data, settings.path or (), strict=False):  # type: ignore[arg-type]
        if not Path(path).exists():
            raise FileNotFoundError(f"There is nothing at {path}, the path of {name}")
