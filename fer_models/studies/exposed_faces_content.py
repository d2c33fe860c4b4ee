"""All numbers of the study of exposed faces, in the form of `report.json`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fer_models.studies.exposed_faces_attacks import Attacked, attack_all, measure
from fer_models.studies.exposed_faces_exposure import (
    AGREEMENTS,
    ENTROPIES,
    Exposure,
    described,
    exposure_of,
    grouped,
    spread,
    vote_agreement,
    vote_entropy,
)
from fer_models.studies.exposed_faces_models import ModelRun, Pool
from fer_models.studies.exposed_faces_predictions import judged
from fer_models.studies.exposed_faces_report import changes
from fer_models.studies.exposed_faces_settings import DEFAULT, ExposedFacesSettings

# Faces that the report names.
NAMED = 12


def attacked_treatments(
    planned: Sequence[ModelRun],
    treatments: Sequence[str],
    pools: Mapping[int, Pool],
    progress: bool = True,
) -> dict[str, list[Attacked]]:
    """Attack all models.

    Args:
        planned: All models, finished.
        treatments: Names of the treatments.
        pools: The pools by seed.
        progress: Whether to show a bar.

    Returns:
        By treatment, the result of `attack_all` for each seed.
    """
    from tqdm import tqdm

    bar = tqdm(treatments, desc="attacks", unit=" treatments", disable=None if progress else True)
    return {
        treatment: [
            attack_all(
                [
                    run.signals()
                    for run in planned
                    if (run.treatment, run.seed) == (treatment, seed)
                ],
                pool.inside,
            )
            for seed, pool in pools.items()
        ]
        for treatment in bar
    }


def content_of(
    about: Mapping[str, Any],
    settings: ExposedFacesSettings,
    results: Mapping[Any, Mapping[str, Any]],
    attacked: Mapping[str, Sequence[Attacked]],
    pools: Mapping[int, Pool],
) -> tuple[dict[str, Any], dict[str, list[Exposure]]]:
    """Return the content of the report, and the exposure of each face by treatment and seed.

    Args:
        about: Command, machine and versions, for the head of the report.
        settings: The settings.
        results: Record of each model.
        attacked: Result of `attacked_treatments`.
        pools: The pools by seed.
    """
    some = next(iter(pools.values())).faces
    labels = [pool.faces.labels for pool in pools.values()]
    treatments, exposures = {}, {}
    for treatment, own in attacked.items():
        measured = measure(own, labels, len(some.names))
        for attack in measured["attacks"].values():
            for name, each in zip(some.names, attack["classes"], strict=True):
                each["name"] = name
        exposures[treatment] = [exposure_of(each, settings.exposure_fpr) for each in own]
        measured["exposure"] = _exposure(exposures[treatment], settings.exposure_fpr, pools)
        treatments[treatment] = measured
    shown = next(iter(treatments))
    exposure = exposures[shown][0]
    most = described(exposure, some, exposure.order()[:NAMED])
    content = {
        **about,
        "parameters": next(iter(results.values()))["parameters"],
        "training_seconds": round(sum(each["seconds"] for each in results.values()), 1),
        "recipes": {run.treatment: each["recipe"] for run, each in results.items()},
        "left_out": _left_out(settings, tuple(treatments)),
        "treatments": treatments,
        "changes": changes(treatments),
        "examples": {"treatment": shown, "most": most},
        "predictions": judged(treatments),
    }
    return content, exposures


def _exposure(exposures, rate, pools):
    found = {"rate": rate, "spread": spread(exposures)}
    faces = [pool.faces for pool in pools.values()]
    if faces[0].votes is not None:
        entropies = [vote_entropy(np.asarray(each.votes)) for each in faces]
        found["by_entropy"] = grouped(exposures, entropies, ENTROPIES)
        agreements = [vote_agreement(each) for each in faces]
        found["by_agreement"] = grouped(exposures, agreements, AGREEMENTS)
    return found


def _left_out(settings, treatments):
    if settings.treatments is not None:
        return []
    reasons = {"votes": "the data have no votes", "pretrained": "no --start was given"}
    return [f"{each} ({reasons[each]})" for each in DEFAULT if each not in treatments]
