"""Records of runs: what is written, what goes on, and what is refused by name."""

import hashlib
import json
import math
import os
import platform
import shutil
import subprocess
import sys

import keras
import pytest

from fer_data import files
from fer_models.training import runs
from fer_models.training.runs import RECORD, Run

SETTINGS = {"epochs": 3, "seed": 1, "path": "here", "model": {"width": 0.5}, "teacher": ("a", "b")}
INPUTS = {"teacher file": ["ab"]}


@pytest.fixture
def begun(tmp_path):
    run = Run(tmp_path / "run", SETTINGS, INPUTS)
    assert not run.open()
    run.begin(command="fer train", packages=["scipy"], faces={"train": 3})
    (run.folder / "history.csv").write_text("epoch\n1\n")
    return run


def test_a_record_says_what_reproduces_the_run(begun):
    record = json.loads((begun.folder / RECORD).read_text())
    assert record == begun.record == runs.read(begun.folder) == runs.read(begun.folder / RECORD)
    assert record["settings"] == {**SETTINGS, "teacher": ["a", "b"]}
    assert record["inputs"] == INPUTS
    assert (record["command"], record["faces"]) == ("fer train", {"train": 3})
    assert record["backend"] == keras.backend.backend()
    assert record["versions"].keys() >= {"Python", "fer-keras", "Keras", "NumPy", "scipy"}
    assert "cores" in record["hardware"]
    assert record["date"].count("-") == 2
    assert not record["finished"]
    assert list(record)[-1] == "finished"


def test_a_run_goes_on_and_keeps_what_it_said(begun):
    begun.record["date"] = "2001-01-01"
    begun.finish(accuracy=0.5)
    again = Run(begun.folder, SETTINGS, INPUTS)
    assert not again.finished
    assert again.open()
    assert again.finished
    again.begin(command="fer train --more")
    assert not again.finished
    assert again.record["date"] == "2001-01-01"
    assert again.record["accuracy"] == 0.5
    assert again.record["command"] == "fer train --more"
    again.finish()
    assert runs.read(begun.folder)["finished"]


def test_other_settings_are_refused_and_named(begun):
    other = {**SETTINGS, "epochs": 5, "model": {"width": 1}, "new": None}
    message = r"epochs was 3, now 5; model was .*0\.5}, now .*1}"
    with pytest.raises(ValueError, match=message) as error:
        Run(begun.folder, other, INPUTS).open()
    assert "new was" not in str(error.value)
    assert "restart" in str(error.value)
    with pytest.raises(ValueError, match=r"settings \(another teacher file\)"):
        Run(begun.folder, SETTINGS, {"teacher file": ["cd"]}).open()
    # An input that the record says nothing of is no difference.
    assert Run(begun.folder, SETTINGS, {**INPUTS, "faces": "ef"}).open()


def test_some_settings_may_change_or_do_not_matter(begun):
    run = Run(begun.folder, {**SETTINGS, "epochs": 5}, INPUTS)
    assert run.open(may_change=["epochs"])
    run.begin()
    assert runs.read(begun.folder)["settings"]["epochs"] == 5
    moved = Run(begun.folder, {**SETTINGS, "epochs": 5, "path": "there"}, {"teacher file": ["cd"]})
    assert moved.open(ignore=["path", "teacher file"])
    with pytest.raises(ValueError, match="path was"):
        moved.open(ignore=["teacher file"])


def test_restarting_deletes_the_earlier_run_when_the_new_one_begins(begun):
    (begun.folder / "state").mkdir()
    run = Run(begun.folder, {**SETTINGS, "seed": 2})
    assert not run.open(restart=True)
    assert (begun.folder / "state").exists()
    run.begin()
    assert not (begun.folder / "state").exists()
    # Once is enough.
    (begun.folder / "state").mkdir()
    run.clear()
    assert (begun.folder / "state").exists()


def test_a_run_with_nothing_worth_keeping_is_replaced_and_nothing_deleted(begun):
    (begun.folder / "notes.txt").write_text("mine")
    run = Run(begun.folder, {**SETTINGS, "seed": 2})
    assert not run.open(replaceable=True)
    run.begin()
    assert runs.read(begun.folder)["settings"]["seed"] == 2
    assert (begun.folder / "notes.txt").exists()


def test_a_setting_that_was_refused_does_not_keep_the_folder_from_the_right_one(begun):
    other = Run(begun.folder, {**SETTINGS, "model": {"width": 1}}, INPUTS)
    with pytest.raises(ValueError, match="holds a run with other settings"):
        other.open()
    (begun.folder / "history.csv").unlink()
    files.unfinished(begun.folder / "history.csv").touch()
    record = runs.read(begun.folder)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        # Another process that is still at its first step.
        files.write_json(
            begun.folder / RECORD, record | {"process": [platform.node(), process.pid]}
        )
        with pytest.raises(ValueError, match="holds a run with other settings"):
            other.open()
        process.communicate()
    if os.name != "nt":
        assert not other.open()
    files.write_json(begun.folder / RECORD, record)
    assert not other.open()
    other.begin()
    assert runs.read(begun.folder)["settings"]["model"] == {"width": 1}
    # A report is all that some runs leave, and their folder has been looked through by then.
    other.finish()
    assert "process" not in runs.read(begun.folder)
    with pytest.raises(ValueError, match="holds a run with other settings"):
        Run(begun.folder, SETTINGS, INPUTS).open()


def test_a_folder_with_other_things_is_refused(tmp_path):
    (tmp_path / "picture.png").write_bytes(b"")
    for restart in (False, True):
        with pytest.raises(ValueError, match="is not empty and holds no run"):
            Run(tmp_path, SETTINGS).open(restart=restart)
    with pytest.raises(ValueError, match="is not empty and holds no run"):
        Run(tmp_path / "picture.png", SETTINGS).open()


def test_what_a_kill_left_before_the_record_is_no_other_thing(tmp_path):
    files.whole_file(tmp_path / RECORD).__enter__().write_text("{")
    run = Run(tmp_path, SETTINGS)
    assert not run.open()
    run.begin()
    assert [path.name for path in tmp_path.iterdir()] == [RECORD]


def test_a_restart_that_was_stopped_leaves_a_run_that_can_be_restarted(begun, monkeypatch):
    for name in ("state", "tensorboard"):
        (begun.folder / name).mkdir()
        (begun.folder / name / "file").touch()
    with monkeypatch.context() as patch:
        patch.setattr(files, "remove_folder", lambda folder: shutil.rmtree(folder) or stop())
        run = Run(begun.folder, SETTINGS)
        run.open(restart=True)
        with pytest.raises(KeyboardInterrupt):
            run.begin()
    run = Run(begun.folder, SETTINGS)
    run.open(restart=True)
    run.begin()
    assert [path.name for path in begun.folder.iterdir()] == [RECORD]


def stop():
    raise KeyboardInterrupt


NO_RECORDS = (
    *("", "null", "{", "[]", "{}", "[" * 100_000, '{"settings": 3}'),
    '{"settings": {}, "inputs": []}',
    '{"settings": {}, "finished": "yes"}',
    '{"settings": {}, "process": 3}',
    '{"settings": {}, "process": ["here", -1]}',
)


@pytest.mark.parametrize("text", NO_RECORDS, ids=range(len(NO_RECORDS)))
def test_what_is_no_record_is_refused_and_may_be_replaced(tmp_path, text):
    (tmp_path / RECORD).write_text(text)
    with pytest.raises(ValueError, match=r"is no run\.json of a run.*--restart"):
        Run(tmp_path, SETTINGS).open()
    assert not Run(tmp_path, SETTINGS).open(restart=True)
    with pytest.raises(FileNotFoundError):
        runs.read(tmp_path / "absent")


def test_the_order_of_the_calls(tmp_path):
    run = Run(tmp_path / "run", SETTINGS)
    run.open()
    with pytest.raises(ValueError, match="`begin` must be called before"):
        run.finish()
    run.begin()
    with pytest.raises(ValueError, match="JSON"):
        run.finish(loss=math.nan)
    # The record before stays whole.
    assert not runs.read(tmp_path / "run")["finished"]


def test_the_hash_of_files(tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    assert runs.sha256_of(tmp_path / "a", tmp_path / "a") == [hashlib.sha256(b"a").hexdigest()] * 2
    assert runs.sha256_of() == []
