"""The caer_s builder on a small tree in the owners' layout."""

import pytest
from helpers import fake_emotion_sets as fake

from fer_data.datasets import prepare
from fer_data.labels import EMOTIONS


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
