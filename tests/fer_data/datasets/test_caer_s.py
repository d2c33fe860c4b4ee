"""The caer_s builder on a small tree in the owners' layout."""

import pytest
from helpers import fake_emotion_sets as fake

from fer_data.datasets import cutting_builder, prepare
from fer_data.labels import EMOTIONS
from fer_data.protocols.setting_apart import AlreadyDividedError


def test_owners_layout(tmp_path):
    folders = ("Anger", "Fear", "Sad")
    path = fake.write_classes(tmp_path / "out" / "CAER-S", ("train", "test"), folders)
    fake.picture(path / "train" / "Boredom" / "1.png", 1)
    builder = prepare("caer_s", path=path, data_dir=tmp_path / "data", pictures="uncut")
    assert fake.counts_of(builder) == {"train": 6, "test": 6}
    assert fake.dropped(builder) == {"unknown_class": 1}
    labels = {name.split("/")[1]: row["label"] for name, row in fake.rows_of(builder).items()}
    emotions = zip(folders, ("angry", "fear", "sad"), strict=True)
    assert labels == {folder: EMOTIONS.index(emotion) for folder, emotion in emotions}
    fake.write_classes(tmp_path / "other", ("train",), ("Boredom",))
    with pytest.raises(ValueError, match="must hold CAER-S"):
        prepare("caer_s", path=tmp_path / "other", data_dir=tmp_path / "data")


def test_a_split_that_is_there_is_refused_before_faces_are_cut(tmp_path, monkeypatch):
    path = fake.write_classes(tmp_path / "CAER-S", ("train", "test"), ("Anger", "Fear"))
    monkeypatch.delattr(cutting_builder, "cut_all")
    with pytest.raises(AlreadyDividedError, match="`test_fraction` must be 0"):
        prepare("caer_s", path=path, data_dir=tmp_path / "data", test_fraction=0.1)
