"""Training on clips of people, and scoring on people that the training has not seen.

Leave one subject out is the honest protocol: every person is the test once, the predictions of all
folds are pooled, then scored. People that are tested choose nothing, not even an epoch.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fer_data import protocols
from fer_data.checks import check_choice, check_integer
from fer_models.evaluation.pooled import PooledScores, pooled_scores
from fer_models.training.clip_data import ClipData
from fer_models.training.clip_folds import (
    SELECT,
    ClipTrainer,
    fold_epochs_done,
    fold_is_done,
    fold_result,
    fold_seed,
    train_fold,
)
from fer_models.training.recipes.recipe import Recipe

LOSO = "loso"
# Leave one subject out, of the composite data set of MEGC 2019.
COMPOSITE = "composite"
PROPORTIONS = tuple(protocols.PROPORTIONS)
PROTOCOLS = (LOSO, COMPOSITE, *PROPORTIONS)


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One row of a table: how to train, and who is tested.

    Attributes:
        recipe: A `Recipe` of a network of clips.
        protocol: A name of `PROTOCOLS`.
        name: Its name, of which a folder can be made.
        words: The scenario in words.
    """

    recipe: Recipe
    protocol: str = LOSO
    name: str = ""
    words: str = ""


def default_selection(protocol: str) -> str:
    """Return which epoch of a protocol's folds is scored by default.

    Proportions have a validation part, of which the epoch of least loss is taken. Leaving one
    subject out has none: the last epoch counts.

    Args:
        protocol: A name of `PROTOCOLS`.
    """
    return "validation" if protocol in PROPORTIONS else "last"


def divide(
    clips: protocols.Clips,
    protocol: str = LOSO,
    *,
    select: str | None = None,
    validation: float = 0.1,
    by_subject: bool = False,
    seed: int = 0,
    allow_leaks: bool = False,
) -> list[protocols.Division]:
    """Return the divisions of a protocol into training and test: one for each subject, or one.

    Args:
        clips: `fer_data.protocols.Clips`.
        protocol: `"loso"` or `"composite"` to leave one subject out, `"80-10-10"` or `"70-15-15"`
            for a random split.
        select: `"validation"` to set apart a validation part for every subject left out; None for
            `default_selection`.
        validation: Share of the training part that becomes the validation part, people apart.
        by_subject: Whether the proportions divide people, not clips.
        seed: Integer of 0 or more.
        allow_leaks: Whether people and copies of clips may stand on both sides; the divisions
            then carry a warning.

    Returns:
        A list of `fer_data.protocols.Division`.

    Raises:
        ValueError: If an argument is out of range, or people or clips would stand on both sides.

    Example:

    >>> clips = protocols.Clips(list("abc"), ["s/1", "s/2", "s/3"], [0, 1, 2])
    >>> [division.held_out for division in divide(clips)]
    ['s/1', 's/2', 's/3']
    """
    check_choice("protocol", protocol, PROTOCOLS)
    select = default_selection(protocol) if select is None else select
    check_choice("select", select, SELECT)
    check_integer("seed", seed, 0)
    if by_subject and protocol not in PROPORTIONS:
        raise ValueError(
            f"`by_subject` is for the protocols {' and '.join(PROPORTIONS)}; leaving one subject "
            f"out divides people anyhow. Received: protocol={protocol!r}"
        )
    try:
        if protocol in PROPORTIONS:
            divide_once = protocols.subject_disjoint if by_subject else protocols.random_clips
            return [divide_once(clips, protocol, seed=seed, allow_leaks=allow_leaks)]
        share = validation if select == "validation" else 0.0
        return list(
            protocols.leave_one_subject_out(
                clips, validation=share, seed=seed, allow_leaks=allow_leaks
            )
        )
    except protocols.LeakError as error:
        honest = (
            f"divide by people in the same proportions (by-subject), take the protocol {LOSO}"
            if protocol in PROPORTIONS and not by_subject
            else "drop the copies (data options on_duplicate=drop on_conflict=drop)"
        )
        raise ValueError(
            f"The protocol {protocol} leaks. {error.leaks.summary()}. To go on: {honest}, or let "
            "it through (allow-leaks), and the report carries the warning"
        ) from error


def check_scenario(
    scenario: Scenario, divisions: Sequence[protocols.Division], data: ClipData
) -> None:
    """Raise where a scenario cannot be trained, before anything is.

    Args:
        scenario: The scenario.
        divisions: The divisions of its protocol.
        data: The clips.

    Raises:
        ValueError: If a network cannot be built, or a fold that weighs classes has no clip of one
            to train on.
    """
    scenario.recipe.build(classes=len(data.names))
    if not scenario.recipe.class_weights:
        return
    for division in divisions:
        labels = data.clips.labels[division.parts["train"]]
        lacking = [name for i, name in enumerate(data.names) if not (labels == i).any()]
        if lacking:
            where = f" without {division.held_out}" if division.held_out else ""
            raise ValueError(
                f"The training part{where} has no clip of {', '.join(lacking)}, which cannot "
                "be weighed: take more clips, or no class weights (--no-class-weights)"
            )


def cross_validate(
    scenario: Scenario,
    divisions: Sequence[protocols.Division],
    data: ClipData,
    output: str | os.PathLike[str],
    *,
    seed: int = 1,
    select: str | None = None,
    motion: bool | None = None,
    region_cut: str | None = None,
    keep_models: bool = False,
    progress: bool = True,
    trainer: ClipTrainer | None = None,
    on_epoch: Callable[[], Any] | None = None,
) -> list[dict[str, Any]]:
    """Train all folds of a scenario that are not there yet, and return their results.

    Every fold is kept under `folds/` of the output folder: `result.json`, `history.csv` and,
    with `keep_models`, `model.keras`. A stopped training goes on from its last whole epoch when
    the same call is made again, and ends as an unbroken one.

    Args:
        scenario: The scenario.
        divisions: What `divide` gives for its protocol.
        data: What `load_clips` gives.
        output: Folder for everything that is written.
        seed: Integer of 0 or more, from which the seeds of all folds follow.
        select: Which epoch is scored, `"last"` or `"validation"`; None for `default_selection`.
        motion: Whether the networks see what changed since the first frame, not grey levels. None
            for the trainer's own; without a trainer, True.
        region_cut: `"landmarks"` for regions that follow them, `"grid"` for fixed ones. None for
            the trainer's own; without a trainer, `"landmarks"`.
        keep_models: Whether to keep the model of every fold.
        progress: Whether to show a bar of epochs.
        trainer: A `ClipTrainer` that `serves` the scenario's recipe, such as one that another
            scenario was trained with, so that its step is not traced again. It keeps its `motion`
            and its `region_cut`. None for a new one.
        on_epoch: Function that is called after every epoch.

    Returns:
        The results of the folds, as `train_fold` gives them.

    Raises:
        ValueError: If a training diverges, `motion` or `region_cut` is not the trainer's, or what
            a fold has left is damaged or of another one.

    Example:

    ```python
    scenario = Scenario(recipes.get("ha3dnet"))
    results = cross_validate(scenario, divide(data.clips), data, "runs/casme2")
    pooled_folds(results, data.names).uf1
    ```
    """
    from tqdm import tqdm

    recipe, results = scenario.recipe, []
    if trainer is not None:
        for name, value in (("motion", motion), ("region_cut", region_cut)):
            own = getattr(trainer, name)
            if value is not None and value != own:
                raise ValueError(
                    f"`{name}` must be that of the given trainer, {own!r}, or None. "
                    f"Received: {name}={value!r}"
                )
        if not trainer.serves(recipe):
            raise ValueError(
                "`trainer` must be of the network, optimizer and learning rate of the scenario's "
                f"recipe: `trainer.serves(recipe)`. Received: recipes {trainer.recipe.name!r} and "
                f"{recipe.name!r}"
            )
        trainer.recipe = recipe
    folders = [Path(output) / "folds" / f"{number:03d}" for number in range(len(divisions))]
    done = sum(fold_epochs_done(folder, recipe.epochs, keep_models) for folder in folders)
    hidden = None if progress else True
    with tqdm(
        total=recipe.epochs * len(folders), initial=done, desc="epochs", unit="", disable=hidden
    ) as bar:

        def count():
            bar.update()
            if on_epoch is not None:
                on_epoch()

        for number, (division, folder) in enumerate(zip(divisions, folders, strict=True)):
            bar.set_postfix_str(division.held_out or "")
            own_seed = fold_seed(seed, number)
            if fold_is_done(folder, keep_models):
                results.append(fold_result(folder, seed=own_seed, held_out=division.held_out))
                continue
            if trainer is None:
                keras.utils.clear_session()
                trainer = ClipTrainer(
                    recipe,
                    data.names,
                    True if motion is None else motion,
                    "landmarks" if region_cut is None else region_cut,
                )
            results.append(
                train_fold(
                    trainer,
                    data,
                    division,
                    folder,
                    seed=own_seed,
                    select=select or default_selection(scenario.protocol),
                    keep_model=keep_models,
                    on_epoch=count,
                )
            )
    return results


def pooled_folds(results: Sequence[Mapping[str, Any]], names: Sequence[str]) -> PooledScores:
    """Return the scores of all folds' predictions together, as micro-expressions are scored.

    Args:
        results: Results of the folds, as `cross_validate` gives them.
        names: Names of the classes.

    Example:

    >>> fold = {"labels": [0, 1], "probabilities": [[0.9, 0.1], [0.6, 0.4]]}
    >>> pooled_folds([fold, fold], ["negative", "positive"]).accuracy
    0.5
    """
    pairs = [(np.array(r["labels"]), np.array(r["probabilities"]).argmax(-1)) for r in results]
    return pooled_scores(pairs, names)
