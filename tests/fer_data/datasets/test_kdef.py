"""The kdef builder on small trees in the owners' layout: people, angles, cut faces."""

import numpy as np
import pytest
from helpers import fake_emotion_sets as fake

from fer_data.datasets import prepare
from fer_data.faces import cut_face, detector
from fer_data.faces.image import read_image
from fer_data.labels import EMOTIONS
from fer_data.pipelines.labelled_faces import load_faces, pack_faces

PEOPLE = ("F01", "F02", "M01", "M02")


def test_whole_people_are_set_apart(tmp_path):
    path = fake.write_kdef(tmp_path / "kdef", PEOPLE)
    fake.picture(path / "KDEF" / "AM31" / "AM31V.JPG", 3)
    options = {"angles": ["S", "HL"], "pictures": "uncut"}
    builder = prepare("kdef", path=path, data_dir=tmp_path / "out", test_fraction=0.25, **options)
    assert fake.counts_of(builder) == {"train": 24, "test": 8}
    splits = {split: fake.rows_of(builder, split).values() for split in ("train", "test")}
    people = {split: {row["subject"] for row in rows} for split, rows in splits.items()}
    assert not people["train"] & people["test"]
    for row in splits["train"]:
        assert row["group_sex"] == {b"F": b"female", b"M": b"male"}[row["subject"][:1]]
        assert row["group_angle"] in (b"straight", b"half left profile")
        code = row["id"].decode().split("/")[-1][4:6]
        assert EMOTIONS[row["label"]] == {"AF": "fear", "HA": "happy"}[code]
    assert fake.dropped(builder) == {"odd_name": 1}


def test_packed_people_are_set_apart(tmp_path):
    path = fake.write_kdef(tmp_path / "kdef", PEOPLE, angles=("S",))
    options = {"pictures": "uncut"}
    whole = load_faces("kdef", path, data_dir=tmp_path / "out", data_options=options)
    pack_faces(whole, tmp_path / "kdef.npz", about={"data": "kdef"})
    packed = load_faces("kdef", tmp_path / "kdef.npz", test_fraction=0.25)
    assert packed.counts == {"train": 12, "test": 4}
    people = {split: set(packed.column(split, "subject").tolist()) for split in packed.counts}
    assert not people["train"] & people["test"]


def test_faces_are_found_and_cut(tmp_path):
    from fer_data.synthetic import generate

    drawn = list(generate(2, size=120, seed=4))
    photos = [np.full((170, 170, 3), 120, np.uint8) for _ in drawn]
    for photo, face in zip(photos, drawn, strict=True):
        photo[30:150, 20:140] = face.image
    empty = np.full((170, 170, 3), 120, np.uint8)

    def image(name):
        return empty if name.startswith("B") else photos["HA" in name]

    path = fake.write_kdef(tmp_path / "kdef", ("F01",), image=image)
    builder = prepare("kdef", path=path, data_dir=tmp_path / "out", size=40)
    # Without a face a training picture teaches the background.
    assert fake.dropped(builder) == {"angle HL": 4, "no_face": 2}
    row = fake.rows_of(builder)["KDEF/AF01/AF01HAS.JPG"]
    photo = read_image(path / "KDEF" / "AF01" / "AF01HAS.JPG")
    face = max(detector("yunet").detect(photo), key=lambda face: face.size)
    np.testing.assert_array_equal(row["image"], np.rint(cut_face(photo, face, 40)))


@pytest.mark.parametrize("angles", ["S", ["X"], 3])
def test_bad_angles(tmp_path, angles):
    with pytest.raises(ValueError, match="`angles` must be"):
        prepare("kdef", path=tmp_path, data_dir=tmp_path / "out", angles=angles)
