"""The ravdess builder on small videos in the owners' layout; what is wrong with videos."""

import shutil

import numpy as np
import pytest
from helpers import fake_emotion_sets as fake

from fer_data.datasets import prepare
from fer_data.datasets.video_builder import read_frame
from fer_data.labels import EMOTIONS
from fer_data.picture import UnreadableError


def test_frames_people_and_what_is_left_out(tmp_path):
    path = fake.write_ravdess(tmp_path / "ravdess")
    (path / "Actor_02" / "01-01-04-01-01-01-02.mp4").write_bytes(b"no video")
    (path / "Actor_02" / "holiday.mp4").write_bytes(b"x")
    builder = prepare("ravdess", path=path, data_dir=tmp_path / "out", pictures="uncut", frames=2)
    rows = fake.rows_of(builder)
    assert {name: EMOTIONS[row["label"]] for name, row in rows.items()} == {
        **{f"Actor_01/01-01-03-01-01-01-01.mp4#{n}": "happy" for n in (1, 2)},
        **{f"Actor_02/01-02-05-02-01-01-02.mp4#{n}": "angry" for n in (1, 2)},
    }
    row = rows["Actor_02/01-02-05-02-01-01-02.mp4#2"]
    about = [row[name] for name in ("subject", "group_sex", "group_channel", "group_intensity")]
    assert about == [b"actor_02", b"female", b"song", b"strong"]
    assert fake.dropped(builder) == {"no class for calm": 1, "odd_name": 1, "unreadable": 2}
    # The copy without sound.
    (ignored,) = builder.report().ignored
    assert ignored.endswith("02-01-03-01-01-01-01.mp4")


def test_the_middle_of_each_part(tmp_path):
    shown = fake.write_video(tmp_path / "a.mp4", frames=6)
    for part, number in ((0, 1), (1, 3), (2, 5)):
        np.testing.assert_array_equal(read_frame(tmp_path / "a.mp4", part, 3), shown[number])
    with pytest.raises(UnreadableError, match="6 frames, fewer than 7"):
        read_frame(tmp_path / "a.mp4", 0, 7)
    (tmp_path / "b.flv").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:1")
    with pytest.raises(UnreadableError, match="git lfs pull"):
        read_frame(tmp_path / "b.flv", 0, 3)
    with pytest.raises(UnreadableError, match="FileNotFoundError"):
        read_frame(tmp_path / "c.flv", 0, 3)


def test_faces_are_found_in_frames(tmp_path):
    from fer_data.synthetic import generate

    photo = np.full((160, 240, 3), 120, np.uint8)
    photo[30:150, 90:210] = next(generate(1, size=120, seed=4)).image
    path = fake.write_ravdess(tmp_path / "ravdess", image=photo)
    builder = prepare("ravdess", path=path, data_dir=tmp_path / "out", size=32, frames=1)
    rows = fake.rows_of(builder)
    assert [row["image"].shape for row in rows.values()] == [(32, 32, 3)] * 2
    assert not (path.parent / "out" / "ravdess" / "cut_faces").exists()


def test_archives_are_refused(tmp_path):
    archive = shutil.make_archive(tmp_path / "actors", "zip", fake.write_ravdess(tmp_path / "r"))
    with pytest.raises(ValueError, match="must be a folder of videos; unpack"):
        prepare("ravdess", path=archive, data_dir=tmp_path / "out")
    with pytest.raises(ValueError, match="`frames` must be"):
        prepare("ravdess", path=tmp_path / "r", data_dir=tmp_path / "out", frames=0)
