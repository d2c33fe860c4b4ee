"""fer_data.datasets.prepare: checks before work, reuse, atomicity, and what pickles."""

import dataclasses
import errno
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from helpers import fake_datasets as fake

from fer_data import picture
from fer_data.datasets import local_builder, prepare
from fer_data.datasets.preparation_report import Report
from fer_data.labels import EMOTIONS


@pytest.fixture
def faces(tmp_path):
    return fake.write_tree(tmp_path / "faces", {"train": EMOTIONS, "test": EMOTIONS})


def left_over(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "emotionet", "path": "."}, "`name` must be one of"),
        ({"name": "fer2013"}, "`path` must name the folder or archive"),
        ({"name": "raf_db", "path": ""}, "`path` must name the folder or archive"),
        ({"name": "fer2013", "path": "no/such/folder"}, "there is nothing there"),
        ({"name": "synthetic_faces", "path": "."}, "`path` must be None"),
    ],
)
def test_bad_names_and_paths(arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        prepare(data_dir=tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["fer2013", "raf_db", "image_folder"])
def test_empty_folder_file_and_archives(name, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no files"):
        prepare(name, path=tmp_path / "empty", data_dir=tmp_path / "out")
    (tmp_path / "text.zip").write_text("no archive")
    with pytest.raises(ValueError, match="not a readable zip"):
        prepare(name, path=tmp_path / "text.zip", data_dir=tmp_path / "out")
    (tmp_path / "two").mkdir()
    for number in range(2):
        shutil.copy(tmp_path / "text.zip", tmp_path / "two" / f"{number}.zip")
    with pytest.raises(ValueError, match="one archive"):
        prepare(name, path=tmp_path / "two", data_dir=tmp_path / "out")


def test_archive_with_a_password(faces, tmp_path):
    archive = shutil.make_archive(tmp_path / "faces", "zip", faces)
    data = bytearray((tmp_path / "faces.zip").read_bytes())
    # Set the flag of the last member in the central directory, as `zip -e` does.
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "faces.zip").write_bytes(bytes(data))
    with pytest.raises(ValueError, match="without a password"):
        prepare("fer2013", path=archive, data_dir=tmp_path / "out")


def test_links_are_followed_once_and_broken_ones_reported(faces, tmp_path):
    (faces / "train" / "sad" / "broken.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (faces / "train" / "sad" / "loop").symlink_to(faces)
    report = prepare("fer2013", path=faces, data_dir=tmp_path / "out").report()
    assert len(report.dropped["unreadable"]) == 1
    assert sum(report.used["train"].values()) == 14


def test_second_call_reads_nothing(faces, tmp_path, monkeypatch, capsys):
    first = prepare("fer2013", path=faces, data_dir=tmp_path / "out")
    capsys.readouterr()
    monkeypatch.setattr(picture, "decode", None)
    second = prepare("fer2013", path=faces, data_dir=tmp_path / "out")
    assert second.data_dir == first.data_dir
    assert second.info.splits["train"].num_examples == 14
    assert second.report() == first.report()
    assert capsys.readouterr().out == ""


def test_order_on_disk_is_the_same_every_time(faces, tmp_path):
    orders = []
    for out in ("one", "two"):
        builder = prepare("fer2013", path=faces, data_dir=tmp_path / out)
        orders.append([e["id"] for e in fake.examples(builder, "train")])
    assert orders[0] == orders[1]


def test_order_is_the_same_where_examples_are_sorted_on_disk(faces, tmp_path, monkeypatch):
    orders = []
    for held in (local_builder.HELD, 1):
        monkeypatch.setattr(local_builder, "HELD", held)
        builder = prepare("fer2013", path=faces, data_dir=tmp_path / str(held))
        orders.append([e["id"] for e in fake.examples(builder, "train")])
    assert orders[0] == orders[1]


def test_two_folders_and_a_changed_folder_do_not_share(faces, tmp_path):
    out = tmp_path / "out"
    first = prepare("fer2013", path=faces, data_dir=out)
    shutil.copytree(faces, tmp_path / "other")
    other = prepare("fer2013", path=tmp_path / "other", data_dir=out)
    fake.write_picture(faces / "train" / "sad" / "new.jpg", fake.noise(77))
    changed = prepare("fer2013", path=faces, data_dir=out)
    options = prepare("fer2013", path=faces, data_dir=out, on_duplicate="drop")
    assert len({b.data_dir for b in (first, other, changed, options)}) == 4
    assert changed.info.splits["train"].num_examples == 15


def test_prepared_data_in_the_folder_are_no_part_of_it(faces, tmp_path):
    first, second = (prepare("fer2013", faces, data_dir=faces / "prepared") for _ in range(2))
    assert second.data_dir == first.data_dir
    for path, out in ((faces, faces), (faces.rename(tmp_path / "fer2013"), tmp_path)):
        with pytest.raises(ValueError, match="`data_dir` must be another folder than `path`"):
            prepare("fer2013", path, data_dir=out)


def test_options_of_any_type_are_reported(faces, tmp_path):
    options = {"test_fraction": 0, "validation_fraction": np.float32(0.5)}
    first, second = (
        prepare("fer2013", faces, data_dir=tmp_path / "out", seed=seed, **options)
        for seed in (np.int64(3), 3)
    )
    assert second.data_dir == first.data_dir
    assert (first.report().options["seed"], first.report().options["validation_fraction"]) == (
        3,
        0.5,
    )
    report = dataclasses.replace(first.report(), options={"weights": tmp_path / "x.onnx"})
    report.write(tmp_path)
    assert Report.read_from(tmp_path).options == {"weights": str(tmp_path / "x.onnx")}


def test_relative_and_absolute_paths_are_the_same(faces, tmp_path, monkeypatch):
    first = prepare("fer2013", path=faces, data_dir=tmp_path / "out")
    monkeypatch.chdir(tmp_path)
    assert prepare("fer2013", path="faces", data_dir="out").is_prepared()
    assert len(list((tmp_path / "out" / "fer2013").iterdir())) == 1
    assert first.is_prepared()


@pytest.mark.parametrize("moment", ["reading", "writing"])
@pytest.mark.parametrize("trouble", [KeyboardInterrupt(), OSError(errno.ENOSPC, "full")])
def test_nothing_half_written_is_taken_as_complete(faces, tmp_path, monkeypatch, moment, trouble):
    function = {"reading": "decode", "writing": "encode_png"}[moment]
    original = getattr(picture, function)
    calls = []

    def fail(*arguments, **options):
        calls.append(1)
        if len(calls) > 10:
            raise trouble
        return original(*arguments, **options)

    monkeypatch.setattr(picture, function, fail)
    with pytest.raises(type(trouble)) as caught:
        prepare("fer2013", path=faces, data_dir=tmp_path / "out")
    if isinstance(trouble, OSError):
        assert caught.value.errno == errno.ENOSPC
        assert "The disk is full" in str(caught.value)
    assert left_over(tmp_path / "out") == []
    monkeypatch.setattr(picture, function, original)
    builder = prepare("fer2013", path=faces, data_dir=tmp_path / "out")
    assert builder.info.splits["train"].num_examples == 14


def test_full_disk_as_tensorflow_reports_it(faces, tmp_path, monkeypatch):
    def full(*arguments):
        # What tensorflow-datasets makes of TensorFlow's ResourceExhaustedError.
        raise RuntimeError("ResourceExhaustedError: out/x.tfrecord; No space left on device")

    monkeypatch.setattr(picture, "encode_png", full)
    with pytest.raises(OSError, match="The disk is full"):
        prepare("fer2013", path=faces, data_dir=tmp_path / "out")


def test_other_errors_pass(faces, tmp_path, monkeypatch):
    def denied(*arguments):
        raise PermissionError(errno.EACCES, "denied")

    monkeypatch.setattr(picture, "encode_png", denied)
    with pytest.raises(PermissionError, match="denied"):
        prepare("fer2013", path=faces, data_dir=tmp_path / "out")


def test_another_process_finished_first(faces, tmp_path):
    slow = local_builder_of(faces, tmp_path)
    # The other process prepares between our look at the folder and our rename.
    original = slow._generate_splits

    def generate(*arguments):
        prepare("fer2013", path=faces, data_dir=tmp_path / "out")
        return original(*arguments)

    slow._generate_splits = generate
    slow.download_and_prepare()
    assert slow.info.splits["train"].num_examples == 14
    assert len(fake.examples(slow, "train")) == 14


def local_builder_of(faces, tmp_path):
    from fer_data.datasets.fer2013 import Fer2013

    return Fer2013(path=faces, data_dir=tmp_path / "out")


def test_one_class_left_after_dropping(tmp_path):
    path = fake.write_tree(tmp_path / "faces", {"train": ["happy", "sad"]}, 1)
    (path / "train" / "sad" / "trainsad0.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match=r"(?s)at least two classes.*trainsad0\.jpg"):
        prepare("image_folder", path=path, data_dir=tmp_path / "out")
    assert left_over(tmp_path / "out") == []


def test_report_before_preparation(faces, tmp_path):
    with pytest.raises(FileNotFoundError):
        local_builder_of(faces, tmp_path).report()


def test_builders_pickle_and_read_without_our_code(faces, tmp_path):
    builder = prepare("fer2013", path=faces, data_dir=tmp_path / "out", on_duplicate="drop")
    again = pickle.loads(pickle.dumps(builder))
    assert isinstance(again, local_builder.LocalBuilder)
    assert again.data_dir == builder.data_dir
    plain = tfds.builder_from_directory(builder.data_dir)
    assert len(fake.examples(plain, "test")) == 14
    assert plain.info.features["label"].names == list(EMOTIONS)


def test_importing_fer_data_stays_light():
    code = (
        "import sys, fer_data, fer_data.datasets, fer_data.labels; "
        "assert not {'tensorflow', 'tensorflow_datasets', 'PIL'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
