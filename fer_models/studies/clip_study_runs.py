"""The trainings of a study on micro-expressions: every scenario by every seed, kept for good."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from fer_models.evaluation.pooled import PooledScores
from fer_models.studies.clip_study_settings import ClipStudySettings
from fer_models.studies.planned_runs import PlannedRun, finish_runs, plan_runs
from fer_models.training.clip_data import ClipData, load_clips
from fer_models.training.clip_folds import ClipTrainer, fold_epochs_done
from fer_models.training.clip_scenarios import published_figures
from fer_models.training.cross_validation import (
    PROPORTIONS,
    Scenario,
    check_scenario,
    cross_validate,
    divide,
    pooled_folds,
)
from fer_models.training.cross_validation_report import most_frequent, warning_of
from fer_models.training.recipes.recipe import Recipe
from fer_models.training.runs import Run

PACKAGES = ("sklearn", "scipy")


@dataclasses.dataclass(frozen=True)
class TrainedSet:
    """The trainings on one data set.

    Attributes:
        name: Of the data set.
        facts: What is known of its clips, as in `ClipData`.
        scenarios: What was trained, by name.
        results: For every scenario what came out, a dictionary for each seed.
        regions: How the regions were cut, `"landmarks"` or `"grid"`.
    """

    name: str
    facts: Mapping[str, Any]
    scenarios: Mapping[str, Scenario]
    results: Mapping[str, Sequence[Mapping[str, Any]]]
    regions: str

    def measured(self, scenario: str, columns: Mapping[str, str]) -> dict[str, list[float]]:
        """Return scores of a scenario, one for each seed, by the name of a column.

        Args:
            scenario: Name of the scenario; one that was not trained gives nothing.
            columns: Names of scores by the name of the column.
        """
        found = self.results.get(scenario, ())
        return {
            column: [each["scores"][score] for each in found]
            for column, score in columns.items()
            if found
        }

    def published(self, scenario: Scenario) -> dict[str, float]:
        """Return what the dissertation publishes of exactly this training, else nothing.

        Args:
            scenario: One of the scenarios.
        """
        options, recipe = self.facts["sources"][self.name], scenario.recipe.to_dict()
        return published_figures(
            self.name, options, scenario.protocol, recipe, regions=self.regions
        )

    def warnings(self) -> list[str]:
        """Return what leaks in the first seed's splits."""
        first = (results[0]["warning"] for results in self.results.values())
        return [words for words in dict.fromkeys(first) if words]

    def most_frequent(self) -> dict[str, float]:
        """Return the scores of naming the most frequent class, by protocol, of the first seed."""
        return {
            scenario.protocol: self.results[name][0]["most_frequent"]
            for name, scenario in self.scenarios.items()
        }

    def to_dict(self) -> dict[str, Any]:
        """Return everything, of JSON's types."""
        return {
            "data": self.name,
            "facts": dict(self.facts),
            "regions": self.regions,
            "runs": [
                {
                    "scenario": name,
                    "words": scenario.words,
                    "protocol": scenario.protocol,
                    "seed": seed,
                    **self.results[name][seed - 1],
                }
                for name, scenario in self.scenarios.items()
                for seed in range(1, len(self.results[name]) + 1)
            ],
        }


class SharedTrainer:
    """One network that scenarios share as long as only batch, epochs or data differ.

    Tracing its step takes as long as many epochs of a small data set.

    Args:
        names: Names of the classes.
        motion: Whether the first frame is taken off every frame.
        region_cut: How the regions are cut.
    """

    def __init__(self, names: Sequence[str], motion: bool, region_cut: str) -> None:
        self._how = (tuple(names), motion, region_cut)
        self._trainer: ClipTrainer | None = None

    def of(self, recipe: Recipe) -> ClipTrainer:
        """Return a `ClipTrainer` of a recipe, the one before if it serves.

        Args:
            recipe: The recipe.
        """
        if self._trainer is None or not self._trainer.serves(recipe):
            keras.utils.clear_session()
            self._trainer = ClipTrainer(recipe, *self._how)
        self._trainer.recipe = recipe
        return self._trainer


def open_set(
    settings: ClipStudySettings,
    name: str,
    output: Path,
    *,
    data: ClipData | None = None,
    data_dir: Any = None,
    progress: bool = True,
) -> tuple[ClipData, Run]:
    """Return the clips of a data set and the record of its folder, which holds no other study.

    Args:
        settings: The settings.
        name: Of the data set.
        output: Folder of the study, in which the data set has its own.
        data: The clips, in place of reading them.
        data_dir: Where prepared data sets are kept.
        progress: Whether to show a bar.

    Raises:
        ValueError: If the folder holds another study, or one of other clips.
    """
    compared = {"data": name, **settings.compared()}
    # Before the data are read, which may take an hour.
    Run(output / name, compared).open()
    clip_settings = settings.clip_settings(name)
    if data is None:
        data = load_clips(
            clip_settings.sources(),
            frames=clip_settings.frames,  # type: ignore[arg-type]
            size=clip_settings.size,  # type: ignore[arg-type]
            data_dir=data_dir,
            progress=progress,
        )
    record = Run(output / name, compared, {"clips": data.digest()})
    record.open()
    return data, record


def train_set(
    settings: ClipStudySettings,
    name: str,
    scenarios: Sequence[Scenario],
    output: Path,
    *,
    data: ClipData | None = None,
    data_dir: Any = None,
    progress: bool = True,
) -> TrainedSet:
    """Train all scenarios of a data set, by every seed, that are not trained yet.

    Args:
        settings: The settings.
        name: Of the data set.
        scenarios: The scenarios, with different names. Neighbours that share a network are quicker.
        output: Folder of the study.
        data: The clips, in place of reading them.
        data_dir: Where prepared data sets are kept.
        progress: Whether to show bars.

    Returns:
        `TrainedSet`.

    Raises:
        ValueError: If the clips cannot be divided so, people who are left out have copies of
            others' clips, a class has no clip to train on, or the folder holds another study.
    """
    data, record = open_set(settings, name, output, data=data, data_dir=data_dir, progress=progress)
    # The published splits leak, and are here to be measured. Where people are left out, none may.
    divisions = {
        (protocol, seed): divide(
            data.clips, protocol, seed=seed, allow_leaks=protocol in PROPORTIONS
        )
        for protocol in dict.fromkeys(scenario.protocol for scenario in scenarios)
        for seed in range(1, settings.seeds + 1)
    }
    checked = set()
    for scenario in scenarios:
        key = (scenario.protocol, scenario.recipe.model, scenario.recipe.class_weights)
        if key not in checked:
            for seed in range(1, settings.seeds + 1):
                check_scenario(scenario, divisions[scenario.protocol, seed], data)
        checked.add(key)
    record.begin(packages=PACKAGES)
    by_name = {scenario.name: scenario for scenario in scenarios}
    clip_settings = settings.clip_settings(name)
    shared = SharedTrainer(data.names, clip_settings.motion, clip_settings.regions)

    def left(run: PlannedRun) -> int:
        epochs = by_name[run.row].recipe.epochs
        count = len(divisions[by_name[run.row].protocol, run.seed])
        folders = (run.folder / "folds" / f"{number:03d}" for number in range(count))
        return sum(epochs - fold_epochs_done(folder, epochs) for folder in folders)

    def train(run: PlannedRun, advance: Any) -> dict[str, Any]:
        scenario = by_name[run.row]
        parts = divisions[scenario.protocol, run.seed]
        results = cross_validate(
            scenario,
            parts,
            data,
            run.folder,
            seed=run.seed,
            progress=False,
            trainer=shared.of(scenario.recipe),
            on_epoch=advance,
        )
        return {
            "scores": numbers(pooled_folds(results, data.names)),
            "most_frequent": numbers(most_frequent(results, data.names)),
            "epochs": [each["epoch"] for each in results],
            "examples": sum(len(each["labels"]) for each in results),
            "warning": warning_of(parts),
        }

    runs = plan_runs(list(by_name), settings.seeds, output / name / "runs")
    finished = finish_runs(runs, train, unit=f"{name} epoch", progress=progress, steps=left)
    record.finish()
    results: dict[str, list[dict[str, Any]]] = {scenario.name: [] for scenario in scenarios}
    for run, result in finished.items():
        results[run.row].append(result)
    return TrainedSet(name, data.facts, by_name, results, clip_settings.regions)


def numbers(scores: PooledScores) -> dict[str, float]:
    """Return what a table shows of pooled scores.

    Args:
        scores: The scores.
    """
    names = ("accuracy", "error_rate", "precision", "uf1", "uar", "weighted_f1")
    return {name: float(getattr(scores, name)) for name in names}
