"""The study of leaks: the same clips divided four ways."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from helpers.clip_studies import EACH, PEOPLE, filmed_clips, tiny_study
from helpers.few_clips import put_small_clip_networks

from fer_data import protocols
from fer_models.studies import ha3dnet_leak_trainings as trainings
from fer_models.studies.ha3dnet_leak import run_leak_study
from fer_models.studies.ha3dnet_leak_report import in_words, what_leaks_make
from fer_models.studies.ha3dnet_leak_settings import LeakSettings
from fer_models.studies.ha3dnet_leak_trainings import (
    CLIPS,
    COPIES,
    VIDEOS,
    LeakTrainings,
)
from fer_models.studies.ha3dnet_leak_trainings import (
    PEOPLE as BY_PERSON,
)

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the data pipeline is tested on TensorFlow"
)
COUNT = PEOPLE * EACH
AUGMENTATION = {"rotation": 0.03, "crop": 0.8, "contrast": 0.2, "brightness": 0.1}


def leak_settings(**changes):
    return tiny_study(LeakSettings, copies=1, folds=2, **changes)


@pytest.mark.slow
def test_copies_are_like_their_clip_and_not_it(untraced):
    data = filmed_clips()
    copied = trainings.with_copies(data, 2, AUGMENTATION)
    assert copied.data.faces.shape == (3 * COUNT, 3, 8, 8, 3)
    assert copied.original.sum() == COUNT
    np.testing.assert_array_equal(copied.data.faces[copied.original], data.faces)
    np.testing.assert_array_equal(copied.data.landmarks[1::3], data.landmarks)
    faces = copied.data.faces.reshape(COUNT, 3, -1)
    same = (faces[:, :1] == faces).all(-1)
    assert same.sum() == COUNT, "each copy differs from its clip"
    assert (faces[:, 1] != faces[:, 2]).any(-1).all(), "and from the other copy"
    assert copied.data.clips.ids[1] == f"{data.clips.ids[0]}#1"
    # One draw for all frames: where nothing moves, nothing moves in a copy.
    still = np.repeat(data.faces[:, :1], 3, axis=1)
    again = trainings.with_copies(dataclasses.replace(data, faces=still), 1, AUGMENTATION)
    moved = np.abs(np.diff(again.data.faces.astype(int), axis=1))
    assert moved.max() == 0
    once_more = trainings.with_copies(data, 2, AUGMENTATION)
    np.testing.assert_array_equal(once_more.data.faces, copied.data.faces)


def test_each_division_keeps_together_what_it_says():
    copied = trainings.CopiedClips(
        filmed_clips(), {}, np.ones(COUNT, bool)
    )  # The groups are what matters.
    clips = copied.data.clips
    groups = {
        COPIES: np.arange(COUNT),
        CLIPS: np.arange(COUNT) // 2,
        VIDEOS: protocols.videos_of(clips),
        BY_PERSON: clips.subjects,
    }
    copied = dataclasses.replace(copied, groups=groups)
    for division, own in groups.items():
        folds = trainings.divide_copies(copied, division, 3, seed=1)
        tested = np.concatenate([fold.parts["test"] for fold in folds])
        assert sorted(tested) == list(range(COUNT))
        for fold in folds:
            assert not set(own[fold.parts["train"]]) & set(own[fold.parts["test"]])
        assert bool(folds[0].leaks) == (division != BY_PERSON)


@pytest.mark.slow
def test_a_study_and_its_second_call(monkeypatch, untraced, tmp_path):
    put_small_clip_networks(monkeypatch)
    trained = []

    def counting(trainer, *args, **options):
        trained.append(options["steps_per_epoch"])
        return train_fold(trainer, *args, **options)

    train_fold = trainings.train_fold
    monkeypatch.setattr(trainings, "train_fold", counting)
    data = {"synthetic": filmed_clips()}
    outcome = run_leak_study(leak_settings(), tmp_path, data=data, progress=False)
    # Four divisions of two folds, each with as many steps as half of 90 examples have.
    assert trained == [3] * 8
    (table,) = outcome.content["tables"]
    rows = {row["name"]: row["measured"] for row in table["rows"]}
    assert list(rows) == [
        "augmented before the split: copies at random",
        "random split of clips",
        "by video",
        "by person",
        "always the most frequent class",
    ]
    seen = [
        [rows[name][what]["mean"] for what in (CLIPS, VIDEOS, BY_PERSON)] for name in list(rows)[:4]
    ]
    assert seen[0][0] > 0
    assert [row[0] for row in seen[1:]] == [0, 0, 0]
    assert seen[1][1] > 0
    assert [row[1] for row in seen[2:]] == [0, 0]
    assert seen[2][2] > 0
    assert seen[3][2] == 0
    assert "45 clips of 5 people, each with 1 augmented copies: 90 examples" in outcome.text
    assert "What makes the accuracy, in points" in outcome.text
    assert (tmp_path / "report.png").stat().st_size > 5000
    again = run_leak_study(leak_settings(), tmp_path, data=data, progress=False)
    assert len(trained) == 8
    assert again.text == outcome.text
    with pytest.raises(ValueError, match="holds a run with other settings"):
        run_leak_study(leak_settings(frames=4), tmp_path, data=data, progress=False)
    # A run that is not whole, whose finished fold tests other clips than it does now.
    (run, *_) = sorted(path.parent for path in tmp_path.rglob("folds") if path.is_dir())
    fold = run / "folds" / "000" / "result.json"
    content = json.loads(fold.read_text())
    (run / "result.json").unlink()
    fold.write_text(json.dumps(content | {"ids": content["ids"][::-1]}))
    with pytest.raises(ValueError, match="that this fold tests now"):
        run_leak_study(leak_settings(), tmp_path, data=data, progress=False)


def test_without_known_videos_that_division_is_left_out():
    data = filmed_clips()
    names = [name.replace("/v", "/x") for name in data.clips.ids]
    clips = dataclasses.replace(data.clips, ids=names)
    copied = trainings.with_copies(dataclasses.replace(data, clips=clips), 1, {})
    assert list(copied.groups) == [COPIES, CLIPS, BY_PERSON]


def result(accuracy, chance=0.25):
    scores = {"accuracy": accuracy, "uf1": accuracy, "uar": accuracy}
    return {"scores": scores, "most_frequent": dict.fromkeys(scores, chance), "seen": {}}


def trained_with(name="casme2", **accuracies):
    facts = {"clips": 100, "subjects": 10}
    results = {division: list(map(result, values)) for division, values in accuracies.items()}
    return LeakTrainings(name, facts, 64, 128, 7, 400, 3, results)


def test_what_leaks_make_is_told_from_the_numbers():
    trained = trained_with(
        copies=(0.95, 0.97), clips=(0.85, 0.85), videos=(0.7, 0.72), people=(0.5, 0.5)
    )
    made = what_leaks_make(trained)
    assert [step["mean"] for step in made["steps"]] == pytest.approx([0.11, 0.14, 0.21])
    assert made["steps"][0]["sd"] == pytest.approx(0.0141, abs=1e-4)
    assert made["share"] == pytest.approx(0.46 / 0.71)
    text = "\n".join(in_words(trained, made))
    assert "- +11.0 ± 1.4: copies of a tested clip in the training" in text
    assert "- +25.0: what the network knows of people whom it has not seen (50.0%)" in text
    assert "Together: 96.0%. Leaks make 46.0 points of it, 65% of what is above" in text
    assert "98.87% in a random split 80:10:10 (batch 64, 128 epochs)" in text
    # Without videos, the step is to the person.
    made = what_leaks_make(trained_with(copies=(0.9,), clips=(0.8,), people=(0.2,)))
    assert made["steps"][1]["leak"] == "other clips of the same person in the training"
    assert made["share"] == 1
    nothing = trained_with(copies=(0.2,), clips=(0.2,), people=(0.2,))
    text = "\n".join(in_words(nothing, what_leaks_make(nothing)))
    assert "nothing was learnt" in text


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"copies": 0}, "`copies` must be an integer >= 1"),
        ({"folds": 1}, "`folds` must be an integer >= 2"),
        ({"seeds": 0}, "`seeds` must be an integer >= 1"),
    ],
)
def test_bad_settings(given, message):
    with pytest.raises(ValueError, match=message):
        LeakSettings(**given)


def test_too_few_people(untraced, monkeypatch, tmp_path):
    put_small_clip_networks(monkeypatch)
    settings = tiny_study(LeakSettings, copies=1, folds=6)
    with pytest.raises(ValueError, match="`folds` must be at most 5"):
        run_leak_study(settings, tmp_path, data={"synthetic": filmed_clips()}, progress=False)


def test_drawn_people_are_filmed_in_videos():
    (source,) = LeakSettings().clip_settings("synthetic").sources()
    assert (source.options["clips"], source.options["videos"]) == (4, 2)
    (source,) = LeakSettings(clips=1).clip_settings("synthetic").sources()
    assert (source.options["clips"], source.options["videos"]) == (1, 1)
