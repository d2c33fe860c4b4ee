"""The jaffe builder on a small folder in the owners' layout."""

import pytest
from helpers import fake_emotion_sets as fake

from fer_data.datasets import prepare
from fer_data.labels import EMOTIONS


def test_owners_layout_as_an_archive(tmp_path):
    import shutil

    path = fake.write_jaffe(tmp_path / "owners")
    fake.picture(path / "jaffe" / "cover.tiff", 7)
    (path / "jaffe" / "README_FIRST.txt").write_text("read")
    archive = shutil.make_archive(tmp_path / "jaffe", "zip", path)
    builder = prepare("jaffe", path=archive, data_dir=tmp_path / "out", pictures="uncut")
    rows = fake.rows_of(builder)
    assert {(name[6:11], EMOTIONS[row["label"]]) for name, row in rows.items()} == {
        (f"{person}.{code}", emotion)
        for person in ("KA", "KL")
        for code, emotion in (("AN", "angry"), ("HA", "happy"), ("NE", "neutral"))
    }
    row = rows["jaffe/KA.AN1.39.tiff"]
    assert (row["subject"], row["group_sex"], row["image"].shape) == (b"KA", b"female", (24, 24, 3))
    assert fake.dropped(builder) == {"odd_name": 1}
    assert len(builder.report().ignored) == 1
    fake.picture(tmp_path / "other" / "a.tiff", 1)
    with pytest.raises(ValueError, match="must hold JAFFE"):
        prepare("jaffe", path=tmp_path / "other", data_dir=tmp_path / "out")
