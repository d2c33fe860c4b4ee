"""The trainings of the study of leaks: augmented copies of clips, divided four ways."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fer_data import protocols
from fer_data.protocols.subjects import Division
from fer_models.evaluation.pooled import pooled_scores
from fer_models.studies.clip_study_runs import PACKAGES, SharedTrainer, numbers, open_set
from fer_models.studies.ha3dnet_leak_settings import LeakSettings
from fer_models.studies.planned_runs import PlannedRun, finish_runs, plan_runs
from fer_models.training.clip_data import ClipData
from fer_models.training.clip_folds import (
    fold_epochs_done,
    fold_is_done,
    fold_result,
    fold_seed,
    train_fold,
)
from fer_models.training.cross_validation import PROPORTIONS, Scenario, check_scenario, pooled_folds
from fer_models.training.cross_validation_report import most_frequent

# The divisions, from the one that leaks most; what stays on one side is named by `kept_together`.
COPIES, CLIPS, VIDEOS, PEOPLE = "copies", "clips", "videos", "people"
DIVISIONS = (COPIES, CLIPS, VIDEOS, PEOPLE)
# Clips that are augmented at once.
BATCH = 8
# Of the copies; those of the trainings are others.
SEED = 1


@dataclasses.dataclass(frozen=True, eq=False)
class CopiedClips:
    """Clips with augmented copies.

    Attributes:
        data: The clips and their copies, those of a clip one after the other, itself first.
        groups: By the name of a division what must stay on one side, for every example; without
            `"videos"` where the video of a clip is not known.
        original: Whether an example is the clip itself.
    """

    data: ClipData
    groups: Mapping[str, np.ndarray]
    original: np.ndarray


@dataclasses.dataclass(frozen=True)
class LeakTrainings:
    """What came out on a data set.

    Attributes:
        name: Of the data set.
        facts: What is known of its clips, as in `ClipData`.
        batch_size: Examples a step.
        epochs: Epochs.
        steps: Steps of an epoch, the same for all divisions.
        examples: Number of examples.
        copies: Copies of each clip.
        results: For every division what came out, a dictionary for each seed.
    """

    name: str
    facts: Mapping[str, Any]
    batch_size: int
    epochs: int
    steps: int
    examples: int
    copies: int
    results: Mapping[str, Sequence[Mapping[str, Any]]]

    def values(self, division: str, score: str, whose: str = "scores") -> list[float]:
        """Return a score of a division, one for each seed.

        Args:
            division: A name of `DIVISIONS`.
            score: Name of the score.
            whose: `"scores"`, `"originals"` for clips themselves, `"most_frequent"` or `"seen"`.
        """
        return [each[whose][score] for each in self.results[division]]


def with_copies(
    data: ClipData, copies: int, augmentation: Any, *, progress: bool = False
) -> CopiedClips:
    """Return clips with augmented copies, as they would be written to disk before a split.

    Landmarks are those of the clip: the windows of the regions are placed before it is augmented,
    as in `fer_data.pipelines.clips.pipeline`.

    Args:
        data: The clips.
        copies: Copies of each.
        augmentation: What `fer_data.pipelines.augmentation.policy` takes, without flips.
        progress: Whether to show a bar.

    Returns:
        `CopiedClips`.
    """
    import tensorflow as tf
    from tqdm import tqdm

    from fer_data.pipelines.augmentation.clips_with_tensorflow import augment_clips

    count, each = len(data.faces), copies + 1
    faces = np.empty((count, each, *data.faces.shape[1:]), np.uint8)
    faces[:, 0] = data.faces

    @tf.function(reduce_retracing=True)
    def augmented(clips, seed):
        (found,) = augment_clips((tf.cast(clips, tf.float32),), augmentation, seed)
        return tf.cast(tf.round(found), tf.uint8)

    hidden = None if progress else True
    for copy in tqdm(range(1, each), desc="copies of all clips", unit="", disable=hidden):
        for start in range(0, count, BATCH):
            batch = tf.convert_to_tensor(data.faces[start : start + BATCH])
            seed = tf.constant([fold_seed(SEED, copy), start], tf.int32)
            faces[start : start + BATCH, copy] = augmented(batch, seed)
    clips = data.clips
    places = np.repeat(np.arange(count), each)
    number = np.tile(np.arange(each), count)

    def named(values):
        return [f"{v}#{n}" if n else str(v) for v, n in zip(values[places], number, strict=True)]

    copied = protocols.Clips(
        named(clips.ids),
        clips.subjects[places],
        clips.labels[places],
        None if clips.content is None else named(clips.content),
    )
    videos = protocols.videos_of(clips)
    groups = {
        COPIES: np.arange(len(places)),
        CLIPS: places,
        VIDEOS: None if videos is None else videos[places],
        PEOPLE: copied.subjects,
    }
    landmarks = None if data.landmarks is None else data.landmarks[places]
    return CopiedClips(
        dataclasses.replace(
            data, faces=faces.reshape(-1, *faces.shape[2:]), clips=copied, landmarks=landmarks
        ),
        {name: values for name, values in groups.items() if values is not None},
        number == 0,
    )


def divide_copies(copied: CopiedClips, division: str, folds: int, seed: int) -> list[Division]:
    """Return the folds of a division.

    Args:
        copied: The clips with their copies.
        division: A name of `DIVISIONS`.
        folds: Number of folds.
        seed: Integer.
    """
    clips = copied.data.clips
    return [
        Division(division, parts, protocols.find_leaks(parts, clips))
        for train, test in protocols.group_folds(clips.labels, copied.groups[division], folds, seed)
        for parts in [{"train": train, "test": test}]
    ]


def train_divisions(
    settings: LeakSettings,
    name: str,
    output: Path,
    *,
    data: ClipData | None = None,
    data_dir: Any = None,
    progress: bool = True,
) -> LeakTrainings:
    """Train by all divisions of a data set, by every seed, what is not trained yet.

    Args:
        settings: The settings.
        name: Of the data set.
        output: Folder of the study.
        data: The clips, in place of reading them.
        data_dir: Where prepared data sets are kept.
        progress: Whether to show bars.

    Returns:
        `LeakTrainings`.

    Raises:
        ValueError: If there are fewer people, videos or clips than folds, or a fold has no clip of
            a class to train on.
    """
    data, record = open_set(settings, name, output, data=data, data_dir=data_dir, progress=progress)
    clip_settings = settings.clip_settings(name)
    batch_size, epochs = settings.batch_and_epochs(name, PROPORTIONS[0])
    recipe = clip_settings.to_recipe()
    copied = with_copies(data, settings.copies, recipe.augmentation, progress=progress)
    facts, data = data.facts, copied.data
    # The copies are the augmentation, for all divisions alike.
    recipe = recipe.replace(batch_size=batch_size, epochs=epochs, augmentation="none")
    divisions = {
        (division, seed): divide_copies(copied, division, settings.folds, seed)
        for division in copied.groups
        for seed in range(1, settings.seeds + 1)
    }
    scenario = Scenario(recipe, words=name)
    check_scenario(scenario, [fold for folds in divisions.values() for fold in folds], data)
    # Whole people cannot be divided evenly. Steps can.
    steps = math.ceil(len(data.clips) * (settings.folds - 1) / settings.folds / batch_size)
    record.begin(packages=PACKAGES)
    shared = SharedTrainer(data.names, clip_settings.motion, clip_settings.regions)
    row = f"{{}}_batch{batch_size}_epochs{epochs}"
    names = {row.format(division): division for division in copied.groups}

    def folder_of(run: PlannedRun, number: int) -> Path:
        return run.folder / "folds" / f"{number:03d}"

    def left(run: PlannedRun) -> int:
        done = (fold_epochs_done(folder_of(run, n), epochs) for n in range(settings.folds))
        return sum(epochs - each for each in done)

    def train(run: PlannedRun, advance: Any) -> dict[str, Any]:
        folds = divisions[names[run.row], run.seed]
        results = []
        for number, division in enumerate(folds):
            folder, seed = folder_of(run, number), fold_seed(run.seed, number)
            if fold_is_done(folder):
                tested = data.clips.ids[division.parts["test"]].tolist()
                results.append(fold_result(folder, seed=seed, ids=tested))
                continue
            found = train_fold(
                shared.of(recipe),
                data,
                division,
                folder,
                seed=seed,
                steps_per_epoch=steps,
                on_epoch=advance,
            )
            results.append(found)
        return {
            "scores": numbers(pooled_folds(results, data.names)),
            "originals": _of_originals(results, data.names),
            "most_frequent": numbers(most_frequent(results, data.names)),
            "seen": _seen(copied, folds),
            "training_accuracy": float(np.mean([each["training_accuracy"] for each in results])),
        }

    runs = plan_runs(list(names), settings.seeds, output / name / "runs")
    finished = finish_runs(runs, train, unit=f"{name} epoch", progress=progress, steps=left)
    record.finish()
    outcomes: dict[str, list[dict[str, Any]]] = {division: [] for division in copied.groups}
    for run, result in finished.items():
        outcomes[names[run.row]].append(result)
    return LeakTrainings(
        name, facts, batch_size, epochs, steps, len(data.clips), settings.copies, outcomes
    )


def _of_originals(results, names):
    """Return the scores of the clips themselves, without their copies."""
    pairs = []
    for result in results:
        own = np.array(["#" not in each for each in result["ids"]])
        said = np.argmax(result["probabilities"], -1)
        pairs.append((np.array(result["labels"])[own], said[own]))
    return numbers(pooled_scores(pairs, names))


def _seen(copied, folds):
    """Return the share of tested examples whose clip, video, person was trained on."""
    found = {}
    for name, groups in copied.groups.items():
        if name == COPIES:
            continue
        seen = [np.isin(groups[fold.parts["test"]], groups[fold.parts["train"]]) for fold in folds]
        found[name] = float(np.concatenate(seen).mean())
    return found
