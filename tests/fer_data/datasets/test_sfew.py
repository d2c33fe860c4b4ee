"""The sfew builder on small trees in the owners' layouts."""

import pytest
from helpers import fake_emotion_sets as fake

from fer_data.datasets import prepare
from fer_data.labels import EMOTIONS

CLASSES = ("Angry", "Happy", "Neutral")


def test_aligned_faces_and_stills(tmp_path):
    tops = ("Train", "Val", "Train/Train_Aligned_Faces", "Val/Val_Aligned_Faces_new")
    path = fake.write_classes(tmp_path / "sfew", tops, CLASSES)
    fake.picture(path / "Test" / "Test_Aligned_Faces" / "film_1.png", 1)
    builder = prepare("sfew", path=path, data_dir=tmp_path / "out")
    assert fake.counts_of(builder) == {"train": 6, "validation": 6}
    rows = fake.rows_of(builder, "validation")
    assert all("Aligned" in name for name in rows)
    assert all(name.split("/")[-2].lower() in EMOTIONS[row["label"]] for name, row in rows.items())
    assert {row["subject"] for row in rows.values()} == {b""}
    stills = prepare("sfew", path=path, data_dir=tmp_path / "out", pictures="uncut")
    assert fake.counts_of(stills) == {"train": 6, "validation": 6}
    assert not any("Aligned" in name for name in fake.rows_of(stills))
    # The aligned faces beside the class folders are nothing bad.
    assert fake.dropped(stills) == {}
    assert sum("Aligned" in name for name in stills.report().ignored) == 13
    strict = {"pictures": "uncut", "on_bad": "raise"}
    assert prepare("sfew", path=path, data_dir=tmp_path / "out", **strict)
    with pytest.raises(ValueError, match=r"must hold SFEW 2\.0"):
        prepare("sfew", path=path / "Test", data_dir=tmp_path / "out")
