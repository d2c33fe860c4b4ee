"""Generations of a state: whole, or not there; what is damaged is named."""

import contextlib
import json
import shutil

import pytest

from fer_models.training import generations
from fer_models.training.generations import MANIFEST


def kept(state, epochs):
    for epoch in range(1, epochs + 1):
        generations.commit(
            state, epoch, {"wait": epoch}, lambda folder, n=epoch: write(folder, f"epoch {n}")
        )
    return state


def write(folder, text):
    (folder / "model.weights.h5").write_text(text)


def other_epoch(path):
    """Change a manifest as someone would who does not know of its own hash."""
    held = json.loads(path.read_text())
    held["content"]["epoch"] = 99
    path.write_text(json.dumps(held))


DAMAGE = {
    "weights missing": ("model.weights.h5", lambda path: path.unlink()),
    "weights cut": ("model.weights.h5", lambda path: path.write_text("epo")),
    "weights other": ("model.weights.h5", lambda path: path.write_text("epoch 9")),
    "weights a folder": (
        "model.weights.h5",
        lambda path: (path.unlink(), path.mkdir()),
    ),
    "manifest missing": (MANIFEST, lambda path: path.unlink()),
    "manifest empty": (MANIFEST, lambda path: path.write_text("")),
    "manifest cut": (MANIFEST, lambda path: path.write_text(path.read_text()[:-9])),
    "manifest null": (MANIFEST, lambda path: path.write_text("null")),
    "manifest a list": (MANIFEST, lambda path: path.write_text("[1]")),
    "manifest no text": (MANIFEST, lambda path: path.write_bytes(b"\xff\xfe")),
    "text for a number": (
        MANIFEST,
        lambda path: path.write_text(path.read_text().replace('"wait": 3', '"wait": "3"')),
    ),
    "another epoch": (MANIFEST, other_epoch),
}


def test_the_last_two_are_kept(tmp_path):
    state = kept(tmp_path / "state", 3)
    assert {path.name for path in state.iterdir()} == {"epoch-000002", "epoch-000003"}
    found = generations.latest(state)
    assert (found.epoch, found.facts, list(found.files)) == (3, {"wait": 3}, ["model.weights.h5"])
    assert (found.folder / "model.weights.h5").read_text() == "epoch 3"
    assert generations.latest(tmp_path / "absent") is None


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_one_falls_back_and_says_so(tmp_path, name):
    state = kept(tmp_path / "state", 3)
    file, damage = DAMAGE[name]
    path = state / "epoch-000003" / file
    damage(path)
    with pytest.warns(RuntimeWarning, match="goes on from epoch 2") as told:
        found = generations.latest(state)
    assert str(path) in str(told[0].message)
    assert (found.epoch, found.facts) == (2, {"wait": 2})
    # The epoch that is trained again takes its place.
    generations.commit(state, 3, {}, lambda folder: write(folder, "epoch 3"))
    assert generations.latest(state).epoch == 3


@pytest.mark.parametrize("name", DAMAGE)
def test_without_a_whole_one_the_files_and_the_way_out_are_named(tmp_path, name):
    state = kept(tmp_path / "state", 3)
    file, damage = DAMAGE[name]
    damage(state / "epoch-000003" / file)
    (state / "epoch-000002" / "model.weights.h5").unlink()
    with pytest.raises(ValueError, match=r"No epoch in .* is whole") as error:
        generations.latest(state)
    for part in (state / "epoch-000003" / file, state / "epoch-000002", "--restart"):
        assert str(part) in str(error.value)


def test_a_generation_under_the_name_of_another_epoch(tmp_path):
    state = kept(tmp_path / "state", 3)
    shutil.copytree(state / "epoch-000003", state / "epoch-000099")
    with pytest.warns(RuntimeWarning, match="is of epoch 3, not 99.*goes on from epoch 3"):
        assert generations.latest(state).epoch == 3
    # The next one leaves nothing of it.
    generations.commit(state, 4, {}, lambda folder: write(folder, "epoch 4"))
    assert {path.name for path in state.iterdir()} == {"epoch-000003", "epoch-000004"}


def test_a_first_epoch_that_was_not_finished_is_told_and_trained_again(tmp_path):
    def stopped(folder):
        write(folder, "half")
        raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        generations.commit(tmp_path, 1, {}, stopped)
    with pytest.warns(RuntimeWarning, match="begins anew"):
        assert generations.latest(tmp_path) is None
    # A manifest was there: it is no stop any more.
    (tmp_path / "epoch-000001" / MANIFEST).write_text("{}")
    with pytest.raises(ValueError, match="No epoch in"):
        generations.latest(tmp_path)


def test_what_earlier_versions_left_is_refused(tmp_path):
    (tmp_path / "training_metadata.json").write_text('{"epoch": 3}')
    with pytest.raises(ValueError, match=r"training_metadata\.json of an earlier version"):
        generations.latest(tmp_path)


def test_names_and_numbers_come_back_as_json_has_them(tmp_path):
    facts = {"best": float("inf"), "weights": {1: (0.1, 2)}, "loss": float("nan")}
    generations.commit(tmp_path, 1, facts, lambda folder: write(folder, "x"))
    found = generations.latest(tmp_path).facts
    assert found["weights"] == {"1": [0.1, 2]}
    assert found["best"] == float("inf")
