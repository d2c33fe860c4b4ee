"""Folders of photos become folders of faces: where they go, resuming, misses, refusals."""

import csv

import cv2
import numpy as np
import pytest
from helpers.photos import Finder, photo

from fer_data.faces import cut_folder
from fer_data.faces.cut import cut_face
from fer_data.faces.image import read_image


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))


def cut(tmp_path, find=None, **options):
    find = find or Finder()
    return cut_folder(tmp_path / "photos", tmp_path / "faces", find, **{"size": 16} | options)


def test_a_face_is_cut_as_recognition_does_into_the_same_class(tmp_path):
    source = tmp_path / "photos"
    photo(source / "happy" / "one.png", (10, 12, 20), (40, 8, 30))
    photo(source / "train" / "sad" / "deep" / "two.bmp", (30, 20, 25), seed=1)
    found = cut(tmp_path)
    assert (found.photos, found.faces, found.done_before, found.misses) == (2, 2, 0, ())
    assert files(tmp_path / "faces") == ["happy/one.png", "train/sad/deep/two.png"]
    # Of two faces, the larger one.
    expected = cut_face(read_image(source / "happy" / "one.png"), (40, 8, 30, 30), 16)
    written = read_image(tmp_path / "faces" / "happy" / "one.png")
    np.testing.assert_array_equal(written, np.rint(expected))


def test_grey_faces_and_every_face(tmp_path):
    photo(tmp_path / "photos" / "one.png", (10, 12, 20), (40, 8, 30))
    found = cut(tmp_path, every_face=True, channels=1)
    assert (found.photos, found.faces) == (1, 2)
    assert files(tmp_path / "faces") == ["one.face2.png", "one.png"]
    image = read_image(tmp_path / "photos" / "one.png")
    for name, box in (("one", (40, 8, 30, 30)), ("one.face2", (10, 12, 20, 20))):
        written = cv2.imread(str(tmp_path / "faces" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(written, np.rint(cut_face(image, box, 16, 1))[..., 0])


def test_an_interrupted_call_goes_on(tmp_path):
    class Stopping(Finder):
        def detect(self, image):
            if self.seen == 2:
                raise KeyboardInterrupt
            return super().detect(image)

    for number in range(4):
        photo(tmp_path / "photos" / f"{number}.png", (10, 12, 20), (40, 8, 30), seed=number)
    with pytest.raises(KeyboardInterrupt):
        cut(tmp_path, Stopping(), every_face=True)
    assert len(files(tmp_path / "faces")) == 4
    # As if it had been killed between the two faces of a photo.
    (tmp_path / "faces" / "1.png").unlink()
    find = Finder()
    found = cut(tmp_path, find, every_face=True)
    assert (find.seen, found.done_before, found.faces) == (3, 1, 6)
    assert len(files(tmp_path / "faces")) == 8


def test_what_gives_no_face_is_listed(tmp_path):
    source = tmp_path / "photos"
    photo(source / "good.png", (10, 12, 20))
    photo(source / "empty, as it were.png")
    (source / "torn.jpg").write_bytes((source / "good.png").read_bytes()[:300])
    (source / "phone.heic").write_bytes(b"unknown")
    (source / ".hidden.png").write_bytes(b"")
    found = cut(tmp_path)
    assert (found.photos, found.faces) == (3, 1)
    kinds = (found.without_face, found.other_files, found.unreadable)
    assert tuple(miss for kind in kinds for miss in kind) == found.misses
    assert [len(kind) for kind in kinds] == [1, 1, 1]
    reasons = dict(found.misses)
    assert list(reasons) == ["empty, as it were.png", "phone.heic", "torn.jpg"]
    assert reasons["empty, as it were.png"] == "no face was found"
    assert reasons["phone.heic"] == "no picture by its ending"
    assert "cannot be read" in reasons["torn.jpg"]
    with open(tmp_path / "faces" / "misses.csv", newline="") as file:
        assert list(csv.reader(file)) == [["photo", "reason"], *map(list, found.misses)]


def test_photos_that_differ_in_their_ending_alone(tmp_path):
    for name in ("a.png", "A.bmp", "b.png"):
        photo(tmp_path / "photos" / name, (10, 12, 20))
    assert cut(tmp_path).faces == 3
    assert files(tmp_path / "faces") == ["A.bmp.png", "a.png.png", "b.png"]
    photo(tmp_path / "photos" / "a.png.bmp", (10, 12, 20))
    with pytest.raises(ValueError, match="Photos must have different names"):
        cut(tmp_path)


def test_another_rule_is_refused(tmp_path):
    photo(tmp_path / "photos" / "a.png", (10, 12, 20))
    cut(tmp_path)
    with pytest.raises(ValueError, match=r"were cut by the rule .*'size': 16.* 'size': 24"):
        cut(tmp_path, size=24)


def test_bad_arguments(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        cut(tmp_path)
    (tmp_path / "photos").mkdir()
    with pytest.raises(ValueError, match="`source` must hold photos"):
        cut(tmp_path)
    photo(tmp_path / "photos" / "a.png", (10, 12, 20))
    with pytest.raises(ValueError, match="`target` must not lie in `source`"):
        cut_folder(tmp_path / "photos", tmp_path / "photos" / "faces", Finder())
    with pytest.raises(ValueError, match="`target` must be a new or empty folder"):
        cut_folder(tmp_path / "photos", tmp_path, Finder())
    with pytest.raises(ValueError, match="`size` must be an integer >= 1"):
        cut(tmp_path, size=0)
    with pytest.raises(ValueError, match="`channels` must be one of"):
        cut(tmp_path, channels=4)
    with pytest.raises(ValueError, match="`name` must be one of"):
        cut(tmp_path, "nobody")
    assert not (tmp_path / "faces").exists()
