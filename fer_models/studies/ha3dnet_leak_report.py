"""The report of the study of leaks: a table, a picture, and the effect of each leak in words."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fer_models.studies.clip_study_report import DRAWN, write
from fer_models.studies.clip_study_settings import SYNTHETIC, title
from fer_models.studies.ha3dnet_leak_trainings import (
    CLIPS,
    COPIES,
    PEOPLE,
    VIDEOS,
    LeakTrainings,
)
from fer_models.studies.outcome import Outcome
from fer_models.studies.paper_table import Column, PaperTable, Row, summary
from fer_models.training.ha3dnet_published import SPLITS, best_scenario, figures

TITLES = {
    COPIES: "augmented before the split: copies at random",
    CLIPS: "random split of clips",
    VIDEOS: "by video",
    PEOPLE: "by person",
}
# What is on both sides in one division, and on one side in the next that is there.
LEAKS = {
    COPIES: "copies of a tested clip in the training",
    CLIPS: "clips of the same video in the training",
    VIDEOS: "other videos of the same person in the training",
}
COLUMNS = (
    Column("accuracy", "accuracy, %", 100),
    Column("uf1", "UF1", digits=4),
    Column("uar", "UAR", digits=4),
    Column("originals", "accuracy of clips themselves, %", 100),
    Column(CLIPS, "clip seen in training, %", 100),
    Column(VIDEOS, "video seen, %", 100),
    Column(PEOPLE, "person seen, %", 100),
)
DIFFERS = (
    "The dissertation gives one random split, and no other to compare with: no figure of it stands "
    "in the table. It does not state whether it augmented before or after the split.",
    "Each example is tested once, over all folds, in place of one tenth of the clips once. The "
    "last epoch is scored, so that nothing is chosen.",
    "Copies are made once, for all divisions alike, and tested like the clips themselves; in the "
    "trainings nothing more is augmented. The dissertation does not state how many copies it made.",
    "Points are differences of mean accuracies. They add up, but which leak is counted first "
    "matters where several would do.",
)


def write_report(
    about: Mapping[str, Any], trained: Sequence[LeakTrainings], output: Path
) -> Outcome:
    """Write the tables, the picture and the words.

    Args:
        about: What `about_run` gives.
        trained: What came out, by data set.
        output: Folder.
    """
    made = {each.name: what_leaks_make(each) for each in trained}
    content = {
        "leaks": made,
        "sets": [
            {
                "data": each.name,
                "facts": dict(each.facts),
                "batch_size": each.batch_size,
                "epochs": each.epochs,
                "steps": each.steps,
                "examples": each.examples,
                "results": {name: list(found) for name, found in each.results.items()},
            }
            for each in trained
        ],
    }
    return write(
        about,
        [table_of(each) for each in trained],
        [in_words(each, made[each.name]) for each in trained],
        DIFFERS,
        content,
        output,
    )


def table_of(trained: LeakTrainings) -> PaperTable:
    """Return the table of a data set.

    Args:
        trained: What came out on it.
    """
    rows = []
    for division in trained.results:
        measured = {name: trained.values(division, name) for name in ("accuracy", "uf1", "uar")}
        measured["originals"] = trained.values(division, "accuracy", "originals")
        for seen in (CLIPS, VIDEOS, PEOPLE):
            if seen in trained.results:
                measured[seen] = trained.values(division, seen, "seen")
        rows.append(Row(TITLES[division], {}, measured))
    always = {
        name: trained.values(PEOPLE, name, "most_frequent") for name in ("accuracy", "uf1", "uar")
    }
    rows.append(Row("always the most frequent class", {}, always))
    columns = [each for each in COLUMNS if any(each.name in row.measured for row in rows)]
    return PaperTable(f"What leaks make: {title(trained.name)}", columns, rows)


def what_leaks_make(trained: LeakTrainings) -> dict[str, Any]:
    """Return how much of the accuracy each leak makes, from one division to the next.

    Args:
        trained: What came out on a data set.

    Returns:
        `steps`, a list of `leak`, `division`, `next` and the differences as `summary` gives them;
        `first`, `last` and `chance`, mean accuracies; and `share` of what is above chance that
        leaks make, at most one, None where nothing is above it.
    """
    names = list(trained.results)
    accuracy = {name: trained.values(name, "accuracy") for name in names}
    steps = []
    for division, following in itertools.pairwise(names):
        # Of one seed: both have its weights.
        pairs = zip(accuracy[division], accuracy[following], strict=True)
        leak = LEAKS[division]
        if division == CLIPS and following == PEOPLE:
            leak = "other clips of the same person in the training"
        found = summary([before - after for before, after in pairs])
        steps.append({"leak": leak, "division": division, "next": following, **found})
    first, last = summary(accuracy[names[0]])["mean"], summary(accuracy[names[-1]])["mean"]
    chance = summary(trained.values(PEOPLE, "accuracy", "most_frequent"))["mean"]
    share = (first - max(last, chance)) / (first - chance) if first > chance else None
    return {"steps": steps, "first": first, "last": last, "chance": chance, "share": share}


def in_words(trained: LeakTrainings, made: Mapping[str, Any]) -> list[str]:
    """Return what leaks make, and the figures that they may explain, as lines of Markdown.

    Args:
        trained: What came out on a data set.
        made: What `what_leaks_make` gives.
    """
    facts = trained.facts
    lines = [
        f"{facts['clips']:,} clips of {facts['subjects']} people, each with {trained.copies} "
        f"augmented copies: {trained.examples:,} examples. Every division trains with batch "
        f"{trained.batch_size}, {trained.epochs} epochs of {trained.steps} steps.",
        "",
        "What makes the accuracy, in points:",
        "",
    ]
    for step in made["steps"]:
        spread = f" ± {step['sd'] * 100:.1f}" if "sd" in step else ""
        lines.append(f"- {step['mean'] * 100:+.1f}{spread}: {step['leak']}")
    lines += [
        f"- {(made['last'] - made['chance']) * 100:+.1f}: what the network knows of people whom it "
        f"has not seen ({made['last']:.1%})",
        f"- {made['chance'] * 100:+.1f}: naming the most frequent class",
        "",
        _together(made),
        "",
    ]
    if trained.name == SYNTHETIC:
        return [*lines, DRAWN, ""]
    words = []
    for split in SPLITS:
        batch_size, epochs = best_scenario(trained.name, split)
        accuracy = figures(trained.name, split)["accuracy"]
        words.append(
            f"{accuracy:.2%} in a random split {split.replace('-', ':')} (batch {batch_size}, "
            f"{epochs} epochs)"
        )
    return [*lines, f"The dissertation's figures to explain: {' and '.join(words)}.", ""]


def _together(made):
    points = (made["first"] - made["last"]) * 100
    text = f"Together: {made['first']:.1%}"
    if made["share"] is None:
        return f"{text}, which naming the most frequent class reaches, too: nothing was learnt."
    return (
        f"{text}. Leaks make {points:.1f} points of it, {made['share']:.0%} of what is above "
        "naming the most frequent class."
    )
