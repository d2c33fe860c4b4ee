"""The ck_plus builder on small sequences in the owners' layout."""

import pytest
from helpers import fake_emotion_sets as fake

from fer_data.datasets import prepare
from fer_data.labels import EMOTIONS


def test_peaks_and_neutral_frames(tmp_path):
    sequences = (("S005", "001", 3), ("S010", "002", 5), ("S010", "004", 2), ("S011", "001", None))
    path = fake.write_ck_plus(tmp_path / "ck", sequences)
    odd = path / "Emotion" / "S011" / "002" / "S011_002_00000005_emotion.txt"
    odd.parent.mkdir(parents=True)
    odd.write_text("")
    fake.picture(path / "cohn-kanade-images" / "S011" / "002" / "S011_002_00000005.png", 1)
    builder = prepare("ck_plus", path=path, data_dir=tmp_path / "out", pictures="uncut", peaks=2)
    rows = fake.rows_of(builder)
    found = {
        (row["subject"].decode(), name[-5:-4], EMOTIONS[row["label"]]) for name, row in rows.items()
    }
    assert found == {
        *(("S005", "1", "neutral"), ("S005", "4", "disgust"), ("S005", "5", "disgust")),
        *(("S010", "1", "neutral"), ("S010", "4", "happy"), ("S010", "5", "happy")),
    }
    # Two people's sequences, and the first frame of the one with contempt.
    assert len(rows) == 7
    # The middle of these three sequences.
    assert len(builder.report().ignored) == 6
    assert fake.dropped(builder) == {"no class for contempt": 2, "no emotion": 1, "bad_label": 1}


def test_a_short_sequence_has_few_peaks(tmp_path):
    path = fake.write_ck_plus(tmp_path / "ck", (("S005", "001", 3), ("S010", "002", 5)))
    builder = prepare("ck_plus", path=path, data_dir=tmp_path / "out", pictures="uncut", peaks=4)
    assert sorted(name[-5] for name in fake.rows_of(builder)) == list("114455")


@pytest.mark.parametrize("options", [{"peaks": 0}, {"neutral": 1}, {"detector": "nobody"}])
def test_bad_options(tmp_path, options):
    path = fake.write_ck_plus(tmp_path / "ck")
    with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be"):
        prepare("ck_plus", path=path, data_dir=tmp_path / "out", **options)


def test_another_folder(tmp_path):
    fake.picture(tmp_path / "a.png", 1)
    with pytest.raises(ValueError, match=r"must hold CK\+"):
        prepare("ck_plus", path=tmp_path, data_dir=tmp_path / "out")
