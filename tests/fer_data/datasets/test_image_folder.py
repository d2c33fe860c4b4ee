"""The image_folder builder on class-per-folder trees of every shape."""

import shutil

import numpy as np
import pytest
from helpers import fake_datasets as fake
from PIL import Image

from fer_data.datasets import prepare


def names(builder):
    return tuple(builder.info.features["label"].names)


def sizes(builder):
    return {split: info.num_examples for split, info in builder.info.splits.items()}


def test_class_folders_directly(tmp_path):
    path = fake.write_tree(tmp_path, {"faces": ["happiness", "anger"]}, 10, channels=3) / "faces"
    builder = prepare("image_folder", path=path, data_dir=tmp_path / "out")
    assert names(builder) == ("angry", "happy")
    assert sizes(builder) == {"train": 20}
    for example in fake.examples(builder, "train"):
        assert example["image"].shape == (48, 48, 3)
        folder = example["id"].decode().split("/")[0]
        assert folder == ("anger", "happiness")[example["label"]]
    builder = prepare(
        "image_folder",
        path=path,
        data_dir=tmp_path / "out",
        validation_fraction=0.2,
        test_fraction=0.3,
    )
    assert sizes(builder) == {"train": 10, "validation": 4, "test": 6}


def test_split_folders_and_zip(tmp_path):
    classes = ["b", "a", "B2"]
    path = fake.write_tree(tmp_path / "root", {"train": classes, "val": classes, "test": ["a"]})
    builder = prepare("image_folder", path=path, data_dir=tmp_path / "out")
    assert names(builder) == ("B2", "a", "b")
    assert sizes(builder) == {"train": 6, "validation": 6, "test": 2}
    archive = shutil.make_archive(tmp_path / "faces", "zip", tmp_path, "root")
    zipped = prepare("image_folder", path=archive, data_dir=tmp_path / "out")
    assert sizes(zipped) == sizes(builder)
    assert zipped.data_dir != builder.data_dir


def test_folders_of_programs_are_no_classes(tmp_path):
    path = fake.write_tree(tmp_path / "root", {"faces": ["happy", "sad"]}, 6)
    for folder in ("__MACOSX/faces/happy", ".cache", "faces/__MACOSX", "faces/.ipynb_checkpoints"):
        (path / folder).mkdir(parents=True)
        shutil.copy(next(path.glob("faces/happy/*")), path / folder / "0-checkpoint.png")
    archive = shutil.make_archive(tmp_path / "faces", "zip", path)
    for source in (path, archive):
        builder = prepare("image_folder", path=source, data_dir=tmp_path / "out")
        assert names(builder) == ("happy", "sad")
        assert sizes(builder) == {"train": 12}


def test_numbered_folders_sort_by_value(tmp_path):
    path = fake.write_tree(tmp_path, {"faces": ["10", "9", "1"]}) / "faces"
    assert names(prepare("image_folder", path=path, data_dir=tmp_path / "out")) == ("1", "9", "10")


def test_class_map_and_classes(tmp_path):
    tree = {"train": ["smiling", "laughing", "crying", "unsure", "other"]}
    path = fake.write_tree(tmp_path / "root", tree)
    class_map = {"smiling": "happy", "laughing": "happy", "crying": "sad", "unsure": None}
    options = {"path": path, "data_dir": tmp_path / "out", "class_map": class_map}
    builder = prepare("image_folder", **options)
    assert names(builder) == ("happy", "sad")
    report = builder.report()
    assert report.used == {"train": {"happy": 4, "sad": 2}}
    assert len(report.dropped["left_out_class"]) == 2
    assert len(report.dropped["unknown_class"]) == 2
    with pytest.raises(ValueError, match="is no known class"):
        prepare("image_folder", **options, on_bad="raise")
    builder = prepare("image_folder", **options, classes=["sad", "angry", "happy"])
    assert names(builder) == ("sad", "angry", "happy")
    assert builder.report().used == {"train": {"sad": 2, "angry": 0, "happy": 4}}


def test_classes_that_are_not_wanted_and_folders_around_all(tmp_path):
    tree = {"deep/faces": ["happy", "sad", "angry"]}
    fake.write_tree(tmp_path / "root", tree)
    options = {"path": tmp_path / "root", "data_dir": tmp_path / "out"}
    builder = prepare("image_folder", classes=("sad", "happy"), **options)
    assert builder.report().used == {"train": {"sad": 2, "happy": 2}}
    dropped = builder.report().dropped["unknown_class"]
    assert ["angry" in entry["file"] for entry in dropped] == [True, True]


@pytest.mark.parametrize(
    ("folders", "classes"),
    [
        (["anger", "happy", "sad"], ["anger", "happy", "sad"]),
        (["Happiness", "ANGRY", "sad"], ["sad", "anger", "happy"]),
        (["smiling", "Sadness", "anger"], ["anger", "smiling", "sad"]),
    ],
)
def test_no_class_is_lost_by_its_spelling(tmp_path, folders, classes):
    path = fake.write_tree(tmp_path, {"faces": folders}) / "faces"
    report = prepare("image_folder", path, classes=classes, data_dir=tmp_path / "out").report()
    assert report.used == {"train": dict.fromkeys(classes, 2)}
    assert report.dropped == {}


def test_dirt_is_dropped_counted_and_listed(tmp_path):
    path = fake.write_tree(tmp_path, {"faces": ["happy", "sad"]}, 4) / "faces"
    soiled = fake.soil(path / "sad")
    shutil.copy(path / "sad" / "facessad0.jpg", path / "sad" / "z_copy.jpg")
    shutil.copy(path / "sad" / "facessad1.jpg", path / "happy" / "z_other_label.jpg")
    # The same pixels in another format are the same picture.
    with Image.open(path / "sad" / "facessad2.jpg") as picture:
        picture.save(path / "sad" / "z_format.png")
    report = prepare("image_folder", path=path, data_dir=tmp_path / "out").report()
    dropped = {reason: len(entries) for reason, entries in report.dropped.items()}
    assert dropped == {**soiled, "duplicate": 2, "conflict": 2}
    assert report.used == {"train": {"happy": 4, "sad": 3}}
    files = [entry["file"].rsplit("/", 1)[1] for entry in report.dropped["conflict"]]
    assert sorted(files) == ["facessad1.jpg", "z_other_label.jpg"]
    assert report.read == 8 + 4 + 3


def test_every_picture_kind_becomes_rgb_or_grey(tmp_path):
    path = fake.write_tree(tmp_path, {"faces": ["happy", "sad"]}, 1) / "faces"
    happy = path / "happy"
    color = fake.noise(1, channels=3)
    fake.write_picture(happy / "rgb.png", color)
    alpha = np.dstack([color, np.full((48, 48), 255, np.uint8)])
    alpha[0, 0, 3] = 0
    fake.write_picture(happy / "alpha.png", alpha)
    fake.write_picture(happy / "deep.png", fake.noise(2).astype(np.uint16) * 256)
    Image.fromarray(fake.noise(3)).convert("P").save(happy / "palette.gif")
    turned = Image.fromarray(color[:24])
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(happy / "turned.png", exif=exif)
    builder = prepare("image_folder", path=path, data_dir=tmp_path / "out")
    images = {e["id"].decode(): e["image"] for e in fake.examples(builder, "train")}
    assert {image.shape[-1] for image in images.values()} == {3}
    np.testing.assert_array_equal(images["happy/rgb.png"], color)
    np.testing.assert_array_equal(images["happy/alpha.png"][1:], color[1:])
    np.testing.assert_array_equal(images["happy/alpha.png"][0, 0], 0)
    np.testing.assert_array_equal(images["happy/deep.png"][..., 0], fake.noise(2))
    np.testing.assert_array_equal(images["happy/turned.png"], np.rot90(color[:24], -1))
    grey = prepare("image_folder", path=path, data_dir=tmp_path / "out", color_mode="grayscale")
    assert fake.examples(grey, "train")[0]["image"].shape[-1] == 1


@pytest.mark.parametrize(
    ("tree", "options", "message"),
    [
        ({"happy": 2}, {}, "at least two class folders"),
        ({"train/happy": 2}, {}, "at least two class folders"),
        ({"test/happy": 2, "test/sad": 2, "val/sad": 1}, {}, "must have a train folder"),
        ({"happy": 2, "sad": 2}, {"classes": ("happy", "angry")}, "at least two class folders"),
        ({"happy": 2, "sad": 2}, {"classes": "happy"}, "`classes` must be two or more"),
        ({"happy": 2, "sad": 2}, {"class_map": {"glad": "happy"}}, r"it has no \['glad'\]"),
        ({"happy": 2, "sad": 2}, {"class_map": "happy"}, "must be a dictionary"),
        ({"happy": 2, "sad": 2}, {"color_mode": "bgr"}, "`color_mode` must be one of"),
        ({"happy": 2, "sad": 2}, {"on_bad": "ignore"}, "`on_bad` must be one of"),
        ({"happy": 2, "sad": 2}, {"on_duplicate": "skip"}, "`on_duplicate` must be one of"),
        ({"happy": 2, "sad": 2}, {"validation_fraction": 1}, r"\[0, 1\)"),
        ({"happy": 2, "sad": 2}, {"validation_fraction": "0.5"}, "`validation_fraction` must be a"),
        ({"happy": 2, "sad": 2}, {"validation_fraction": 0.5, "seed": -1}, "`seed` must be an int"),
        (
            {"happy": 2, "sad": 2},
            {"color": 1},
            r"must be of .*'color_mode'.* Received: \['color'\]",
        ),
        (
            {"happy": 2, "sad": 2},
            {"validation_fraction": 0.5, "test_fraction": 0.5},
            "leave pictures to train on",
        ),
    ],
)
def test_bad_arguments(tmp_path, tree, options, message):
    for seed, (folder, count) in enumerate(tree.items()):
        for number in range(count):
            pixels = fake.noise(10 * seed + number)
            fake.write_picture(tmp_path / "root" / folder / f"{number}.png", pixels)
    with pytest.raises(ValueError, match=message):
        prepare("image_folder", path=tmp_path / "root", data_dir=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_groups_become_features(tmp_path):
    path = fake.write_tree(tmp_path / "root", {"train": ["happy", "sad"]}, 2)
    groups = tmp_path / "groups.csv"
    groups.write_text(
        "file,Sex,age\ntrainhappy0.jpg,f,old\nsad/trainsad1.jpg,m,\nother.jpg,f,old\n"
    )
    options = {"path": path, "data_dir": tmp_path / "out"}
    builder = prepare("image_folder", groups=groups, **options)
    found = {
        example["id"].decode(): (example["group_sex"], example["group_age"])
        for example in fake.examples(builder, "train")
    }
    assert found == {
        "train/happy/trainhappy0.jpg": (b"f", b"old"),
        "train/happy/trainhappy1.jpg": (b"", b""),
        "train/sad/trainsad0.jpg": (b"", b""),
        "train/sad/trainsad1.jpg": (b"m", b""),
    }
    report = builder.report()
    assert len(report.kept["no_group"]) == 2
    assert [entry["file"] for entry in report.dropped["group_without_picture"]] == ["other.jpg"]
    groups.write_text(groups.read_text().replace("old", "young"))
    assert prepare("image_folder", groups=groups, **options).data_dir != builder.data_dir
    groups.write_text("file\n")
    with pytest.raises(ValueError, match="first row that names its columns"):
        prepare("image_folder", groups=groups, **options)
