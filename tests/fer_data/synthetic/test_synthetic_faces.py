"""The data set `synthetic_faces`."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from fer_data.datasets import prepare
from fer_data.labels import EMOTIONS
from fer_data.synthetic.synthetic_faces import SyntheticFaces

SMALL = {"train": 210, "validation": 14, "test": 35, "identities": 40, "size": 32}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("synthetic")


@pytest.fixture(scope="module")
def builder(data_dir):
    return prepare("synthetic_faces", data_dir=data_dir, label_noise=0.4, **SMALL)


@pytest.fixture(scope="module")
def splits(builder):
    return {
        split: list(tfds.as_numpy(builder.as_dataset(split=split)))
        for split in ("train", "validation", "test")
    }


def test_counts_and_features(builder, splits):
    assert {split: len(rows) for split, rows in splits.items()} == {
        split: SMALL[split] for split in splits
    }
    assert builder.info.features["label"].names == list(EMOTIONS)
    row = splits["test"][0]
    assert row["image"].shape == (32, 32, 3)
    assert row["image"].dtype == np.uint8
    assert row["landmarks"].shape == (68, 2)
    assert row["landmarks"].dtype == np.float32
    assert row["identity"].dtype == np.int64
    assert row["intensity"].dtype == np.float32
    assert (row["landmarks"] >= 0).all()
    assert (row["landmarks"] <= 31).all()


def test_people_of_the_splits_are_disjoint(splits):
    people = {split: {int(row["identity"]) for row in rows} for split, rows in splits.items()}
    assert not people["train"] & people["validation"]
    assert not people["train"] & people["test"]
    assert not people["validation"] & people["test"]
    assert 20 < len(people["train"]) < 40


def test_ids_are_unique_and_stable(splits):
    ids = [row["id"].decode() for rows in splits.values() for row in rows]
    assert len(set(ids)) == len(ids)
    assert "test-0000034" in ids


def test_classes_are_balanced(splits):
    counts = np.bincount([row["clean_label"] for row in splits["train"]], minlength=7)
    assert (counts == 30).all()


def test_label_noise(splits):
    train = splits["train"]
    flipped = [row["label"] != row["clean_label"] for row in train]
    assert 0.28 < np.mean(flipped) < 0.52
    wrong = [(row["label"] - row["clean_label"]) % 7 for row in train]
    assert len({int(shift) for shift in wrong if shift}) == 6
    for split in ("validation", "test"):
        assert all(row["label"] == row["clean_label"] for row in splits[split])


def test_neutral_has_no_intensity(splits):
    for row in splits["train"]:
        neutral = EMOTIONS[row["clean_label"]] == "neutral"
        assert row["intensity"] == 0 if neutral else 0.6 <= row["intensity"] <= 1


def test_second_preparation_draws_nothing(builder, data_dir, monkeypatch):
    def refuse(*_):
        raise AssertionError("drawn again")

    monkeypatch.setattr(SyntheticFaces, "_generate_examples", refuse)
    again = prepare("synthetic_faces", data_dir=data_dir, label_noise=0.4, **SMALL)
    assert again.data_path == builder.data_path
    assert again.info.splits["train"].num_examples == 210


def test_options_do_not_share_data(builder, data_dir):
    def path(**options):
        return SyntheticFaces(
            data_dir=data_dir, **{**SMALL, "label_noise": 0.4, **options}
        ).data_path

    assert path() == builder.data_path
    assert path(workers=2) == builder.data_path
    others = [path(seed=1), path(size=48), path(occlusion=0.5), path(grey=True), path(test=36)]
    assert len({builder.data_path, *others}) == 6


def test_preparing_elsewhere_gives_the_same_pictures(splits, tmp_path):
    other = prepare("synthetic_faces", data_dir=tmp_path, label_noise=0.4, **SMALL)
    rows = {row["id"]: row for row in tfds.as_numpy(other.as_dataset(split="test"))}
    for row in splits["test"]:
        np.testing.assert_array_equal(row["image"], rows[row["id"]]["image"])
        assert row["label"] == rows[row["id"]]["label"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"size": 16}, "size=16"),
        ({"train": 0}, "train=0"),
        ({"validation": -1}, "validation=-1"),
        ({"test": 1.5}, "test=1.5"),
        ({"test": 2_000_000}, "test=2000000"),
        ({"identities": 2}, "identities=2"),
        ({"seed": -3}, "seed=-3"),
        ({"occlusion": 1.5}, "occlusion=1.5"),
        ({"label_noise": -0.5}, "label_noise=-0.5"),
        ({"intensity": (0.2, 1.4)}, "intensity="),
        ({"intensity": 0.5}, "intensity=0.5"),
        ({"workers": 0}, "workers=0"),
    ],
)
def test_bad_options(options, named, tmp_path):
    with pytest.raises(ValueError, match=named):
        prepare("synthetic_faces", data_dir=tmp_path, **options)


@pytest.mark.parametrize("identities", [3, 4, 10, 1300])
def test_every_split_has_people(identities, tmp_path):
    builder = SyntheticFaces(data_dir=tmp_path, identities=identities)
    assert min(builder._people.values()) >= 1
    assert sum(builder._people.values()) == identities
    counts = {"train": 7, "validation": 70, "test": 70}
    builder = SyntheticFaces(data_dir=tmp_path, identities=identities, **counts)
    assert min(builder._people.values()) >= 1
    assert sum(builder._people.values()) == identities


@pytest.mark.slow
def test_a_linear_model_fails(tmp_path):
    import cv2
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    sizes = {"train": 1400, "validation": 7, "test": 350}
    builder = prepare("synthetic_faces", data_dir=tmp_path, identities=500, **sizes)

    def cropped(row):
        x, y, width, height = np.round(row["box"]).astype(int)
        return row["image"][max(y, 0) : y + height, max(x, 0) : x + width]

    def pixels(split):
        rows = list(tfds.as_numpy(builder.as_dataset(split=split)))
        grey = [cv2.cvtColor(cropped(row), cv2.COLOR_RGB2GRAY) for row in rows]
        small = [cv2.resize(image, (48, 48), interpolation=cv2.INTER_AREA) for image in grey]
        return np.stack(small).reshape(len(rows), -1), [row["label"] for row in rows]

    model = make_pipeline(StandardScaler(), LogisticRegression(C=1e-4, max_iter=100))
    model.fit(*pixels("train"))
    assert model.score(*pixels("test")) < 0.55
