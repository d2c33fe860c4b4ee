"""The crema_d builder on small videos in the owners' layout: people, votes, faulty files."""

import pytest
from helpers import fake_emotion_sets as fake

from fer_data.datasets import prepare
from fer_data.labels import EMOTIONS, FERPLUS_VOTE_COLUMNS

OPTIONS = {"pictures": "uncut", "frames": 1}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return fake.write_crema_d(tmp_path_factory.mktemp("crema") / "CREMA-D")


def test_actors_and_votes(clips, tmp_path):
    fake.write_video(clips / "VideoFlash" / "1076_MTI_SAD_XX.flv", 1)
    fake.write_video(clips / "VideoFlash" / "1001_DFA_ANG_XX.mp4", 1)
    builder = prepare("crema_d", path=clips, data_dir=tmp_path / "out", on_bad="raise", **OPTIONS)
    rows = {name[11:26]: row for name, row in fake.rows_of(builder).items()}
    assert {name: EMOTIONS[row["label"]] for name, row in rows.items()} == {
        **{"1001_DFA_ANG_XX": "angry", "1001_IEO_HAP_LO": "happy"},
        **{"1002_DFA_SAD_XX": "sad", "1002_IEO_NEU_HI": "neutral"},
    }
    row = rows["1001_IEO_HAP_LO"]
    groups = {name[6:]: value.decode() for name, value in row.items() if name[:6] == "group_"}
    assert groups == {
        **{"sex": "male", "age": "50-59", "race": "Caucasian"},
        **{"ethnicity": "Not Hispanic", "level": "low"},
    }
    assert row["subject"] == b"1001"
    votes = dict(zip(FERPLUS_VOTE_COLUMNS, row["votes"].tolist(), strict=True))
    assert {name: count for name, count in votes.items() if count} == {
        **{"anger": 4, "happiness": 4, "neutral": 1}
    }
    assert set(rows["1002_IEO_NEU_HI"]["votes"].tolist()) == {-1}
    assert fake.dropped(builder) == {"faulty": 1, "same clip": 1}
    assert all(name.split("#")[0].endswith(".flv") for name in fake.rows_of(builder))
    assert len(builder.report().ignored) == 0


def test_labels_that_were_seen(clips, tmp_path):
    builder = prepare("crema_d", path=clips, data_dir=tmp_path / "out", labels="seen", **OPTIONS)
    # Of the other two clips one has two emotions with most votes, and one has no votes.
    found = {name[11:26]: EMOTIONS[row["label"]] for name, row in fake.rows_of(builder).items()}
    assert found == {"1001_DFA_ANG_XX": "angry", "1002_DFA_SAD_XX": "sad"}
    assert fake.dropped(builder)["no majority"] == 2


def test_without_tables(clips, tmp_path):
    path = tmp_path / "videos"
    fake.write_video(path / "1001_DFA_ANG_XX.flv", 1, seed=1)
    fake.write_video(path / "1001_DFA_SAD_XX.flv", 1, seed=2)
    with pytest.raises(ValueError, match=r"tabulatedVotes\.csv for `labels=\"seen\"`"):
        prepare("crema_d", path=path, data_dir=tmp_path / "out", labels="seen")
    with pytest.raises(ValueError, match="`labels` must be one of"):
        prepare("crema_d", path=path, data_dir=tmp_path / "out", labels="heard")
    builder = prepare("crema_d", path=path, data_dir=tmp_path / "out", **OPTIONS)
    assert sorted(builder.report().kept) == ["no_people", "no_votes"]
    assert {row["group_sex"] for row in fake.rows_of(builder).values()} == {b""}
