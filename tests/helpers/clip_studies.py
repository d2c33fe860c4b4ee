"""Clips of people for the studies on micro-expressions, enough for a random split."""

import dataclasses

import numpy as np
from helpers.few_clips import NAMES, TINY

from fer_data import protocols
from fer_models.studies.clip_study_settings import ClipStudySettings
from fer_models.training.clip_data import ClipData

PEOPLE, EACH = 5, 9


def filmed_clips(dataset="synthetic_micro_expressions", source="synthetic"):
    """Return 45 clips of noise that tells the class; each person has two videos of each class."""
    count = PEOPLE * EACH
    people = [f"{dataset}/s{number // EACH:03d}" for number in range(count)]
    labels = np.arange(count) % 3
    videos = labels * 2 + np.arange(count) // 3 % 2
    ids = [f"{people[n]}/v{videos[n]:02d}_{n:05d}" for n in range(count)]
    clips = protocols.Clips(ids, people, labels, [f"hash{n}" for n in range(count)])
    faces = np.random.default_rng(0).integers(0, 200, (count, 3, 8, 8, 3)).astype("uint8")
    faces[np.arange(count), 1:, labels] += 50
    facts = {
        "datasets": [dataset],
        "clips": count,
        "subjects": PEOPLE,
        "classes": dict.fromkeys(NAMES, count // 3),
        "unlabelled": 0,
        "frames": 3,
        "sources": {source: {}},
    }
    landmarks = np.random.default_rng(1).uniform(2, 6, (count, 68, 2)).astype("float32")
    return ClipData(faces, clips, NAMES, facts, landmarks)


def tiny_study(kind=ClipStudySettings, **changes):
    """Return settings of a study for a moment of training."""
    own = {name: TINY[name] for name in ("frames", "size", "channels")}
    settings = {**own, "seeds": 1, "batch_size": (16,), "epochs": (1,), **changes}
    fields = {field.name for field in dataclasses.fields(kind)}
    return kind(**{name: value for name, value in settings.items() if name in fields})
