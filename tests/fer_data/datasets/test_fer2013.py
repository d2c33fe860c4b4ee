"""The fer2013 builder on small trees in its three layouts, and on the real faces."""

import csv
import io
import sys
import zipfile

import numpy as np
import pytest
from helpers import fake_datasets as fake
from helpers.shared import shared_path
from PIL import Image

from fer_data.datasets import prepare
from fer_data.labels import EMOTIONS


def by_id(builder, split):
    return {e["id"].decode(): e for e in fake.examples(builder, split)}


def test_csv_layout(tmp_path):
    rows = fake.fer_rows()
    path = fake.write_fer_csv(tmp_path / "fer", rows)
    builder = prepare("fer2013", path=path, data_dir=tmp_path / "out")
    assert tuple(builder.info.features["label"].names) == EMOTIONS
    assert {s: i.num_examples for s, i in builder.info.splits.items()} == {
        "train": 14,
        "validation": 14,
        "test": 14,
    }
    found = {}
    for split in builder.info.splits:
        found.update(by_id(builder, split))
    assert sorted(found) == [f"row{i:05d}" for i in range(len(rows))]
    for number, (label, pixels, _) in enumerate(rows):
        example = found[f"row{number:05d}"]
        assert example["label"] == label
        assert example["image"].dtype == np.uint8
        np.testing.assert_array_equal(example["image"], pixels[..., None])
        np.testing.assert_array_equal(example["votes"], np.full(10, -1, np.float32))
        assert not example["copy_in_train"]


def test_csv_file_itself_and_inside_a_zip(tmp_path):
    path = fake.write_fer_csv(tmp_path / "fer", fake.fer_rows(1, ("train",)))
    builder = prepare("fer2013", path=path / "fer2013.csv", data_dir=tmp_path / "out")
    assert builder.info.splits["train"].num_examples == 7
    with zipfile.ZipFile(tmp_path / "fer.zip", "w") as archive:
        archive.write(path / "fer2013.csv", "fer2013/fer2013.csv")
    builder = prepare("fer2013", path=tmp_path / "fer.zip", data_dir=tmp_path / "out")
    assert builder.info.splits["train"].num_examples == 7


def test_a_table_that_is_named_is_read_where_it_is_a_link(tmp_path):
    stored = fake.write_fer_csv(tmp_path / "store", fake.fer_rows(1, ("train",))) / "fer2013.csv"
    (tmp_path / "fer").mkdir()
    link = tmp_path / "fer" / "fer2013.csv"
    link.symlink_to(stored)
    builder = prepare("fer2013", path=link, data_dir=tmp_path / "out")
    assert builder.info.splits["train"].num_examples == 7
    for _ in range(2):
        with pytest.raises(ValueError, match=r"csv: a link to .*`follow_links=True` follows it"):
            prepare("fer2013", path=tmp_path / "fer", data_dir=tmp_path / "out")
        # The same among other files.
        (tmp_path / "fer" / "notes.txt").write_text("of mine")


def test_of_the_files_beside_a_named_table_its_votes_alone_are_read(tmp_path):
    rows = fake.fer_rows(1)
    path = fake.write_fer_csv(tmp_path / "project", rows)
    fake.write_ferplus_csv(path, [usage for *_, usage in rows], np.ones((len(rows), 10), int))
    (path / ".venv").symlink_to(sys.prefix)
    first = prepare("fer2013", path=path / "fer2013.csv", data_dir=path)
    assert first.report().dropped == {}
    assert first.report().ignored == []
    assert by_id(first, "train")["row00000"]["votes"].sum() == 10
    (path / "notes.txt").write_text("of mine")
    assert prepare("fer2013", path / "fer2013.csv", data_dir=path).data_dir == first.data_dir
    (path / "fer2013new.csv").unlink()
    assert prepare("fer2013", path / "fer2013.csv", data_dir=path).data_dir != first.data_dir


def test_ferplus_votes_join_by_row(tmp_path):
    rows = fake.fer_rows(1)
    path = fake.write_fer_csv(tmp_path / "fer", rows)
    votes = np.random.default_rng(0).integers(0, 11, (len(rows), 10))
    fake.write_ferplus_csv(path, [usage for *_, usage in rows], votes)
    builder = prepare("fer2013", path=path, data_dir=tmp_path / "out")
    for split in builder.info.splits:
        for name, example in by_id(builder, split).items():
            np.testing.assert_array_equal(example["votes"], votes[int(name[3:])])


@pytest.mark.parametrize("usages", ["too few", "too many", "other order"])
def test_ferplus_votes_must_fit_the_rows(tmp_path, usages):
    rows = fake.fer_rows(1)
    path = fake.write_fer_csv(tmp_path / "fer", rows)
    given = [usage for *_, usage in rows]
    given = {"too few": given[:-1], "too many": [*given, given[-1]], "other order": given[::-1]}
    chosen = given[usages]
    fake.write_ferplus_csv(path, chosen, np.ones((len(chosen), 10), int))
    with pytest.raises(ValueError, match=r"fer2013new\.csv must have"):
        prepare("fer2013", path=path, data_dir=tmp_path / "out")


def test_dirty_csv_rows_are_counted_and_listed(tmp_path):
    rows = fake.fer_rows(1, ("train",))
    rows += [
        (3, "1 2 3", "Training"),
        (3, "", "Training"),
        (3, " ".join(["256"] * 2304), "Training"),
        (3, " ".join(["x"] * 2304), "Training"),
        (7, fake.noise(1), "Training"),
        (3, fake.noise(1), "Elsewhere"),
    ]
    path = fake.write_fer_csv(tmp_path / "fer", rows)
    builder = prepare("fer2013", path=path, data_dir=tmp_path / "out")
    report = builder.report()
    assert builder.info.splits["train"].num_examples == 7
    assert report.read == 13
    assert {reason: len(entries) for reason, entries in report.dropped.items()} == {
        "corrupt": 3,
        "empty": 1,
        "unknown_class": 1,
        "unknown_usage": 1,
    }
    assert report.dropped["empty"][0]["file"].endswith("fer2013.csv:10")
    with pytest.raises(ValueError, match=r"fer2013\.csv:\d+ cannot be used"):
        prepare("fer2013", path=path, data_dir=tmp_path / "out", on_bad="raise")


def test_csv_without_its_columns(tmp_path):
    (tmp_path / "fer2013.csv").write_text("emotion,Usage\n0,Training\n")
    with pytest.raises(ValueError, match=r"lacks \['pixels'\]"):
        prepare("fer2013", path=tmp_path, data_dir=tmp_path / "out")


def test_copies_and_conflicts(tmp_path):
    rows = fake.fer_rows(2)
    rows[1] = (0, rows[0][1], "Training")  # a duplicate in train
    rows[4] = (2, rows[2][1], "Training")  # the same picture under two labels
    rows[14] = (0, rows[0][1], "PublicTest")  # a copy of a training picture
    rows[28] = (5, rows[6][1], "PrivateTest")  # a copy with another label
    path = fake.write_fer_csv(tmp_path / "fer", rows)

    builder = prepare("fer2013", path=path, data_dir=tmp_path / "out")
    report = builder.report()
    assert len(report.kept["duplicate"]) == 1
    assert len(report.kept["conflict"]) == 2
    assert report.copies_across_splits == {"validation/train": 1, "test/train": 1}
    copies = {
        name
        for split in builder.info.splits
        for name, example in by_id(builder, split).items()
        if example["copy_in_train"]
    }
    assert copies == {"row00014", "row00028"}

    options = {"on_duplicate": "drop", "on_conflict": "drop"}
    builder = prepare("fer2013", path=path, data_dir=tmp_path / "out", **options)
    assert builder.info.splits["train"].num_examples == 14 - 1 - 2
    assert len(builder.report().dropped["conflict"]) == 2
    for option in options:
        with pytest.raises(ValueError, match=f'`{option}="raise"`'):
            prepare("fer2013", path=path, data_dir=tmp_path / "out", **{option: "raise"})


def test_kaggle_folders(tmp_path, capsys):
    path = fake.write_tree(tmp_path / "fer", {"train": EMOTIONS, "test": EMOTIONS})
    soiled = fake.soil(path / "train" / "happy")
    (path / "train" / "bored").mkdir()
    fake.write_picture(path / "train" / "bored" / "1.jpg", fake.noise(800))
    (path / "LICENCE").write_text("beside")
    builder = prepare("fer2013", path=path, data_dir=tmp_path / "out")
    assert {s: i.num_examples for s, i in builder.info.splits.items()} == {"train": 14, "test": 14}
    report = builder.report()
    dropped = {reason: len(entries) for reason, entries in report.dropped.items()}
    assert dropped == {**soiled, "unknown_class": 1}
    assert [file.rsplit("/", 1)[1] for file in report.ignored] == ["LICENCE"]
    assert report.read == 28 + 5
    printed = capsys.readouterr().out
    assert "33 pictures read, 28 used" in printed
    assert "empty.jpg" in printed
    example = by_id(builder, "train")["train/happy/trainhappy0.jpg"]
    with Image.open(path / "train/happy/trainhappy0.jpg") as picture:
        np.testing.assert_array_equal(example["image"][..., 0], np.asarray(picture))


def test_validation_fraction_is_stratified_seeded_and_keeps_copies_together(tmp_path):
    path = fake.write_tree(tmp_path / "fer", {"train": EMOTIONS}, per_class=10)
    for number in range(5):
        copy = path / "train" / "sad" / f"copy{number}.jpg"
        copy.write_bytes((path / "train" / "sad" / f"trainsad{number}.jpg").read_bytes())

    def validation(seed, data_dir="out"):
        builder = prepare(
            "fer2013", path=path, data_dir=tmp_path / data_dir, validation_fraction=0.2, seed=seed
        )
        return builder, by_id(builder, "validation")

    builder, found = validation(0)
    counts = builder.report().used["validation"]
    assert {counts[name] for name in EMOTIONS if name != "sad"} == {2}
    assert builder.report().copies_across_splits == {}
    assert sorted(found) == sorted(validation(0, "again")[1])
    assert sorted(found) != sorted(validation(1)[1])


def test_a_fraction_beside_a_shipped_split_is_refused(tmp_path):
    path = fake.write_fer_csv(tmp_path / "fer", fake.fer_rows(1))
    with pytest.raises(ValueError, match="`validation_fraction` must be 0"):
        prepare("fer2013", path=path, data_dir=tmp_path / "out", validation_fraction=0.1)


@pytest.mark.parametrize("given", ["zip", "folder of the zip", "unzipped"])
def test_zip_layout(tmp_path, given):
    rows = fake.fer_rows()
    folder = tmp_path / "fer"
    folder.mkdir()
    path = fake.write_fer_zip(folder / "fer2013_trainval.zip", rows)
    if given == "folder of the zip":
        path = folder
    elif given == "unzipped":
        with zipfile.ZipFile(path) as archive:
            archive.extractall(tmp_path / "unzipped" / "wrapped")
        path = tmp_path / "unzipped"
    builder = prepare("fer2013", path=path, data_dir=tmp_path / "out")
    assert [i.num_examples for i in builder.info.splits.values()] == [14, 14, 14]
    for example in by_id(builder, "validation").values():
        np.testing.assert_array_equal(example["votes"], np.ones(10))
    assert len(builder.report().ignored) == 1


def test_labels_csv_that_contradicts_the_folder(tmp_path):
    path = fake.write_fer_zip(tmp_path / "fer.zip", fake.fer_rows())
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "fer")
    labels = tmp_path / "fer" / "labels.csv"
    lines = labels.read_text().splitlines()
    lines[1] = lines[1].replace("angry", "happy")
    del lines[2]
    lines.append("fer9999999.png,Training,sad," + ",".join("1" * 10))
    labels.write_text("\n".join(lines) + "\n")
    path = tmp_path / "fer"
    report = prepare("fer2013", path=path, data_dir=tmp_path / "out").report()
    assert len(report.kept["mislabelled"]) == 1
    assert "happy" in report.kept["mislabelled"][0]["detail"]
    assert len(report.kept["no_votes"]) == 1
    assert len(report.dropped["missing"]) == 1
    builder = prepare("fer2013", path=path, data_dir=tmp_path / "out", on_conflict="drop")
    assert builder.info.splits["train"].num_examples == 13


def test_damaged_member_of_a_zip(tmp_path):
    path = fake.write_fer_zip(tmp_path / "fer.zip", fake.fer_rows())
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        offset = archive.getinfo("train/angry/fer0000000.png").header_offset
    data[offset + 500] ^= 0xFF
    path.write_bytes(bytes(data))
    report = prepare("fer2013", path=path, data_dir=tmp_path / "out").report()
    assert [e["file"].split("!")[1] for e in report.dropped["unreadable"]] == [
        "train/angry/fer0000000.png"
    ]


def test_nothing_of_the_kind(tmp_path):
    (tmp_path / "other.txt").write_text("x")
    with pytest.raises(ValueError, match=r"expected fer2013\.csv .*other\.txt"):
        prepare("fer2013", path=tmp_path, data_dir=tmp_path / "out")
    with pytest.raises(ValueError, match=r"options of 'fer2013' .* Received: \['color'\]"):
        prepare("fer2013", path=tmp_path, data_dir=tmp_path / "out", color=1)


@pytest.mark.slow
def test_the_real_faces(tmp_path):
    path = shared_path("data/fer2013")
    builder = prepare("fer2013", path=path, data_dir=tmp_path)
    used = builder.report().used
    # The counts of the README in the archive.
    assert used == {
        "train": {
            **{"angry": 3969, "disgust": 435, "fear": 4079, "happy": 7186},
            **{"sad": 4796, "surprise": 3161, "neutral": 4932},
        },
        "validation": {
            **{"angry": 466, "disgust": 56, "fear": 496, "happy": 891},
            **{"sad": 652, "surprise": 414, "neutral": 604},
        },
    }
    assert builder.info.splits["train"].num_examples == 28558
    assert builder.info.splits["validation"].num_examples == 3579
    with zipfile.ZipFile(path / "fer2013_trainval.zip") as archive:
        text = io.StringIO(archive.read("cross_split_duplicates.csv").decode())
        copies = {row["image"] for row in csv.DictReader(text) if row["dup_in_train"] == "1"}
        votes = {
            row["image"]: float(row["happiness"])
            for row in csv.DictReader(io.StringIO(archive.read("labels.csv").decode()))
        }
    found = by_id(builder, "validation")
    ours = {name.rsplit("/", 1)[1] for name, e in found.items() if e["copy_in_train"]}
    assert len(copies) == 279
    assert ours == copies
    for name, example in found.items():
        assert example["votes"][1] == votes[name.rsplit("/", 1)[1]]
