"""Files are written whole or not at all, and a damaged one is named when it is read."""

import errno
import json
import os

import numpy as np
import pytest

from fer_data import files


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "state.json"
    files.write_text(path, json.dumps([1]))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        files.write_text(path, json.dumps([2]))
    assert json.loads(path.read_text()) == [1]
    # Nor does a half file lie beside it.
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("stem", ["a" * 250, "写" * 82, "é" * 120 + "b"])
def test_the_longest_names_can_be_written(tmp_path, stem):
    path = tmp_path / f"{stem}.csv"
    files.write_text(path, "1")
    assert path.read_text() == "1"
    name = files.unfinished(path)
    assert len(os.fsencode(name.name)) <= 255
    assert files.is_unfinished(name)
    assert name != files.unfinished(tmp_path / f"{stem}c.csv")


def test_names_that_are_not_utf_8_are_escaped(tmp_path):
    name = os.fsdecode(b"se\xf1or.jpg")
    files.write_json(tmp_path / "a.json", {"name": name})
    assert json.loads((tmp_path / "a.json").read_text()) == {"name": name}
    files.write_table(tmp_path / "a.csv", ["name"], [[name]])
    assert (tmp_path / "a.csv").read_text() == "name\nse\\udcf1or.jpg\n"


def test_the_content_is_on_the_disk_before_the_file_has_its_name(tmp_path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *args, name=name, real=real: (calls.append(name), real(*args))
        )
    files.write_text(tmp_path / "a", "1")
    assert calls == ["fsync", "replace", "fsync"]
    with files.whole_file(tmp_path / "b", durable=False) as temporary:
        temporary.write_text("2")
    assert calls[3:] == ["replace"]


def test_a_file_system_that_writes_names_at_once_may_refuse_to_wait(tmp_path, monkeypatch):
    def refused(number):
        raise OSError(code, "refused")

    (tmp_path / "file").write_text("1")
    monkeypatch.setattr(os, "fsync", refused)
    code = errno.EINVAL
    files.sync(tmp_path)
    # The content itself must be waited for.
    with pytest.raises(OSError, match="refused"):
        files.write_text(tmp_path / "new", "1")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    code = errno.EIO
    with pytest.raises(OSError, match="refused"):
        files.sync(tmp_path)


def test_a_folder_with_what_a_killed_process_left_is_free(tmp_path):
    folder = tmp_path / "run"
    assert files.is_free(folder)
    unfinished = files.whole_file(folder / "run.json")
    unfinished.__enter__().write_text("{")
    (folder / "deep").mkdir()
    assert not files.is_free(folder)
    files.remove_folder(folder / "deep")
    assert files.is_free(folder)
    assert len(list(folder.iterdir())) == 1
    (folder / f".deep.17{files.UNFINISHED}" / "inside").mkdir(parents=True)
    files.remove_unfinished(folder)
    assert not list(folder.iterdir())
    files.write_text(tmp_path / "file", "")
    assert not files.is_free(tmp_path / "file")
    files.remove_folder(tmp_path / "absent")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read.*remove it"),
        ('{"a": ', "cannot be read.*remove it"),
        ("[" * 100_000, "cannot be read.*remove it"),
        ("null", "must hold an object with a, b.*with null"),
        ("[1]", "with a list"),
        ('{"a": 1}', "with an object of a"),
        ('{"a": 1, "b": "1"}', "must be the one of b=1.*with b='1'"),
    ],
)
def test_a_damaged_json_file_is_named(tmp_path, text, message):
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        files.read_json(path, ["a"], same={"b": 1})
    assert str(path) in str(error.value)


def test_a_damaged_file_of_arrays_is_named_wherever_the_damage_is(tmp_path):
    path = tmp_path / "plan.npz"
    files.write_arrays(path, {"a": np.arange(300), "b": np.zeros(3)})
    whole = path.read_bytes()
    read = files.read_arrays(path, ("a", "b"))
    for place in range(0, len(whole), 7):
        for damaged in (whole[:place], whole[:place] + b"\xff" + whole[place + 1 :]):
            path.write_bytes(damaged)
            found, message = read, str(path)
            try:
                # Bytes such as a date stand for nothing.
                found = files.read_arrays(path, ("a", "b"))
            except ValueError as error:
                message = str(error)
            assert str(path) in message
            for name, values in read.items():
                np.testing.assert_array_equal(found[name], values)
    np.save(tmp_path / "one.npy", np.zeros(3))
    os.replace(tmp_path / "one.npy", path)
    with pytest.raises(ValueError, match="cannot be read"):
        files.read_arrays(path, ("a", "b"))
    with pytest.raises(FileNotFoundError):
        files.read_arrays(tmp_path / "absent.npz", ("a",))


def test_arrays_that_older_files_lack(tmp_path):
    path = tmp_path / "plan.npz"
    for held in ({"a": 1}, {"a": 1, "b": 2}):
        files.write_arrays(path, held)
        found = files.read_arrays(path, ["a"], optional=["b"])
        assert {name: int(value) for name, value in found.items()} == held
    with pytest.raises(ValueError, match="must hold c"):
        files.read_arrays(path, ["c"], optional=["b"])


def test_tables_and_numbers(tmp_path):
    path = files.write_table(
        tmp_path / "a" / "table.csv", ["name", "n"], [["é, ü", 1], ["b", None]]
    )
    assert path == tmp_path / "a" / "table.csv"
    assert path.read_bytes() == 'name,n\n"é, ü",1\nb,\n'.encode()
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(tmp_path / "no.json", {"loss": float("nan")})
    assert not (tmp_path / "no.json").exists()
    with pytest.raises(ValueError, match=r"`path` must end in \.npz"):
        files.write_arrays(tmp_path / "a.npy", {"a": [1]})


def test_figures(tmp_path):
    from matplotlib.figure import Figure

    assert files.save_figure(Figure((1, 1)), tmp_path / "a.png").read_bytes()[1:4] == b"PNG"
    with pytest.raises(ValueError, match=r"must end in one of .*\.png.*Received: path='.*a\.gifs'"):
        files.save_figure(Figure((1, 1)), tmp_path / "a.gifs")
