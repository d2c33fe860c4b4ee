"""Folders of photos become folders of faces: where they go, resuming, misses, refusals."""

import csv
import hashlib
import os

import cv2
import numpy as np
import pytest
from helpers.photos import Finder, photo

from fer_data.faces import cut_folder, detector
from fer_data.faces.cut import WHOLE, cut_face
from fer_data.faces.cutting import RULE
from fer_data.faces.image import read_image


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))


def cut(tmp_path, find=None, **options):
    find = find or Finder()
    return cut_folder(tmp_path / "photos", tmp_path / "faces", find, **{"size": 16} | options)


def cut_box(image, box, channels=3):
    return cut_face(image, box, 16, channels, framing=Finder.framing)


def test_a_face_is_cut_as_recognition_does_into_the_same_class(tmp_path):
    source = tmp_path / "photos"
    photo(source / "happy" / "one.png", (10, 12, 20), (40, 8, 30))
    photo(source / "train" / "sad" / "deep" / "two.bmp", (30, 20, 25), seed=1)
    found = cut(tmp_path)
    assert (found.photos, found.faces, found.done_before, found.misses) == (2, 2, 0, ())
    assert files(tmp_path / "faces") == ["happy/one.png", "train/sad/deep/two.png"]
    # Of two faces, the larger one.
    assert found.several == 1
    expected = cut_box(read_image(source / "happy" / "one.png"), (40, 8, 30, 30))
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
        np.testing.assert_array_equal(written, np.rint(cut_box(image, box, 1))[..., 0])


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
    # As if it had been killed between the two faces of a photo, or the power had failed.
    (tmp_path / "faces" / "1.png").unlink()
    torn = tmp_path / "faces" / "0.face2.png"
    torn.write_bytes(torn.read_bytes()[:-1])
    find = Finder()
    found = cut(tmp_path, find, every_face=True)
    assert (find.seen, found.done_before, found.faces) == (4, 0, 8)
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
    reasons = {miss.photo: miss.reason for miss in found.misses}
    assert {miss.taken for miss in found.misses} == {"nothing"}
    assert list(reasons) == ["empty, as it were.png", "phone.heic", "torn.jpg"]
    assert reasons["empty, as it were.png"] == "no face was found"
    assert reasons["phone.heic"] == "no picture by its ending"
    assert "cannot be read" in reasons["torn.jpg"]
    with open(tmp_path / "faces" / "misses.csv", newline="") as file:
        assert list(csv.reader(file)) == [["photo", "reason", "taken"], *map(list, found.misses)]


def test_a_photo_without_a_face_may_be_taken_whole(tmp_path):
    photo(tmp_path / "photos" / "a.png", seed=1)
    photo(tmp_path / "photos" / "b.png", (10, 12, 20))
    found = cut(tmp_path, on_miss="whole")
    assert (found.faces, found.misses) == (1, (("a.png", "no face was found", "whole picture"),))
    assert found.whole == found.without_face == found.misses
    image = read_image(tmp_path / "photos" / "a.png")
    expected = cut_face(image, (0, 0, 80, 60), 16, framing=WHOLE)
    np.testing.assert_array_equal(read_image(tmp_path / "faces" / "a.png"), np.rint(expected))
    # It is still known as a miss when the same call finds nothing left to do.
    find = Finder()
    again = cut(tmp_path, find, on_miss="whole")
    assert (find.seen, again.done_before, again.misses) == (0, 2, found.misses)


def test_where_each_face_lay_is_written_down(tmp_path):
    photo(tmp_path / "photos" / "a,b.png", (10, 12, 20), (40, 8, 30))
    photo(tmp_path / "photos" / "c.png")
    cut(tmp_path)
    with open(tmp_path / "faces" / "faces.csv", newline="") as file:
        first, second = csv.DictReader(file)
    content = (tmp_path / "photos" / "a,b.png").read_bytes()
    assert first.pop("digest") == hashlib.blake2b(content, digest_size=16).hexdigest()
    assert first == {
        **{"photo": "a,b.png", "face": "a,b.png", "faces": "2", "score": "0.9", "reason": ""},
        **{"x": "40.0", "y": "8.0", "width": "30.0", "height": "30.0"},
    }
    assert (second["face"], second["reason"]) == ("", "no face was found")


def test_a_killed_process_leaves_half_a_line_at_worst(tmp_path):
    for number in range(3):
        photo(tmp_path / "photos" / f"{number}.png", (10, 12, 20), seed=number)
    cut(tmp_path)
    table = tmp_path / "faces" / "faces.csv"
    whole = table.read_text()
    for cut_off in (3, 20, 50):
        table.write_text(whole[:-cut_off])
        find = Finder()
        found = cut(tmp_path, find)
        left = whole.count("\n") - whole[:-cut_off].count("\n")
        assert (find.seen, found.done_before) == (left, 3 - left)
        assert table.read_text() == whole
    torn = tmp_path / "faces" / ".1.machine.123.unfinished.png"
    torn.write_bytes(b"half a face")
    os.utime(torn, (0, 0))
    cut(tmp_path)
    assert files(tmp_path / "faces") == ["0.png", "1.png", "2.png"]


def test_photos_of_another_folder_are_cut_though_their_names_are_the_same(tmp_path):
    for number in range(3):
        photo(tmp_path / "photos" / f"{number}.png", (10, 12, 20), seed=number)
        photo(tmp_path / "others" / f"{number}.png", (10, 12, 20), seed=7 + number)
    # One is the same in both.
    same = tmp_path / "others" / "2.png"
    same.write_bytes((tmp_path / "photos" / "2.png").read_bytes())
    cut(tmp_path)
    find = Finder()
    found = cut_folder(tmp_path / "others", tmp_path / "faces", find, size=16)
    assert (find.seen, found.faces, found.done_before, found.removed) == (2, 2, 1, 0)
    for number in range(3):
        image = read_image(tmp_path / "others" / f"{number}.png")
        written = read_image(tmp_path / "faces" / f"{number}.png")
        np.testing.assert_array_equal(written, np.rint(cut_box(image, (10, 12, 20, 20))))


def test_a_moved_folder_goes_on_and_a_changed_photo_is_cut_again(tmp_path):
    for number in range(2):
        photo(tmp_path / "first" / f"{number}.png", (10, 12, 20), seed=number)
    cut_folder(tmp_path / "first", tmp_path / "faces", Finder(), size=16)
    (tmp_path / "first").rename(tmp_path / "photos")
    os.utime(tmp_path / "photos" / "0.png", (0, 0))
    find = Finder()
    assert (cut(tmp_path, find).done_before, find.seen) == (2, 0)
    before = (tmp_path / "photos" / "1.png").stat()
    photo(tmp_path / "photos" / "1.png", (10, 12, 20), seed=5)
    # A changed photo is known even by its old time.
    os.utime(tmp_path / "photos" / "1.png", ns=(before.st_atime_ns, before.st_mtime_ns))
    find = Finder()
    assert (cut(tmp_path, find).done_before, find.seen) == (1, 1)
    expected = cut_box(read_image(tmp_path / "photos" / "1.png"), (10, 12, 20, 20))
    written = read_image(tmp_path / "faces" / "1.png")
    np.testing.assert_array_equal(written, np.rint(expected))


def test_faces_that_no_photo_gives_any_more_are_deleted(tmp_path):
    source, target = tmp_path / "photos", tmp_path / "faces"
    photo(source / "happy" / "stays.png", (10, 12, 20))
    photo(source / "happy" / "fewer.png", (10, 12, 20), (40, 8, 30), (5, 30, 25))
    photo(source / "happy" / "none.png", (10, 12, 20))
    photo(source / "sad" / "gone.png", (10, 12, 20), (40, 8, 30))
    photo(source / "sad" / "moves.png", (10, 12, 20))
    assert cut(tmp_path, every_face=True).removed == 0
    own = target / "happy" / "own.png"
    own.write_bytes(b"not of this program")
    photo(source / "happy" / "fewer.png", (40, 8, 30), (5, 30, 25))
    photo(source / "happy" / "none.png")
    (source / "sad" / "gone.png").unlink()
    (source / "sad" / "moves.png").rename(source / "happy" / "moves.png")

    class Stopping(Finder):
        def detect(self, image):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut(tmp_path, Stopping(), every_face=True)
    # A call that is stopped deletes nothing, and the next one still knows what to delete.
    assert (target / "sad" / "gone.png").exists()
    found = cut(tmp_path, every_face=True)
    # One of three faces, the only face, both faces of a photo, and one that has a new place.
    assert (found.removed, found.done_before) == (5, 1)
    kept = ["fewer.face2", "fewer", "moves", "own", "stays"]
    assert files(target) == [f"happy/{name}.png" for name in kept]
    # Else it would be a class without pictures.
    assert not (target / "sad").exists()
    assert cut(tmp_path, every_face=True).removed == 0


def test_a_list_that_was_edited_deletes_nothing_elsewhere(tmp_path):
    photo(tmp_path / "photos" / "a.png", (10, 12, 20))
    cut(tmp_path)
    outside = [tmp_path / "outside.png", tmp_path / "faces" / "notes.txt"]
    for path in outside:
        path.write_bytes(b"")
    with open(tmp_path / "faces" / "faces.csv", "a") as file:
        for name in ("../outside.png", str(outside[0]), "notes.txt"):
            file.write(f"x.png,{name},1,1,1,1,1,0.9,,00\n")
    assert cut(tmp_path).removed == 0
    assert all(path.exists() for path in outside)


def test_pictures_are_searched_together_where_the_detector_can(tmp_path):
    class Together(Finder):
        batches = ()

        def detect_batch(self, images):
            self.batches += (len(images),)
            return [self.detect(image) for image in images]

    for number in range(10):
        photo(tmp_path / "photos" / f"{number}.png", (10, 12, 20 + number), seed=number)
    (tmp_path / "photos" / "2.png").write_bytes(b"torn")
    find = Together()
    found = cut(tmp_path, find)
    assert (found.faces, find.batches, len(found.unreadable)) == (9, (7, 2), 1)
    for number in (0, 1, *range(3, 10)):
        image = read_image(tmp_path / "photos" / f"{number}.png")
        written = read_image(tmp_path / "faces" / f"{number}.png")
        expected = cut_box(image, (10, 12, 20 + number, 20 + number))
        np.testing.assert_array_equal(written, np.rint(expected))


def test_faces_of_which_nobody_knows_how_they_lie_in_their_boxes(tmp_path):
    class Unknown(Finder):
        framing = None

    photo(tmp_path / "photos" / "a.png", (10, 12, 20))
    with pytest.raises(ValueError, match="`framing` must say how the face lies in its box"):
        cut(tmp_path, Unknown())
    assert files(tmp_path / "faces") == []


@pytest.mark.slow
def test_processes_cut_as_one_does(tmp_path):
    from skimage import data

    portrait = data.astronaut()
    for number in range(40):
        path = tmp_path / "photos" / f"{number:02d}.png"
        path.parent.mkdir(exist_ok=True)
        shown = np.roll(portrait, 3 * number, axis=1) if number % 7 else np.zeros_like(portrait)
        cv2.imwrite(str(path), shown[:300, :, ::-1])
    several = cut_folder(tmp_path / "photos", tmp_path / "two", "yunet", size=16, workers=2)
    single = cut_folder(tmp_path / "photos", tmp_path / "one", "yunet", size=16)
    assert several.faces == single.faces > 20
    assert several.misses == single.misses
    for name in files(tmp_path / "one"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert (tmp_path / "one" / "faces.csv").read_text() == (
        tmp_path / "two" / "faces.csv"
    ).read_text()
    # A wrong option is told before other processes start.
    with pytest.raises(ValueError, match="`min_score` must be a number in"):
        cut_folder(tmp_path / "photos", tmp_path / "three", "yunet", workers=2, min_score=7)
    assert not (tmp_path / "three").exists()


def test_photos_that_differ_in_their_ending_alone(tmp_path):
    for name in ("a.png", "A.bmp", "b.png"):
        photo(tmp_path / "photos" / name, (10, 12, 20))
    assert cut(tmp_path).faces == 3
    assert files(tmp_path / "faces") == ["A.bmp.png", "a.png.png", "b.png"]
    photo(tmp_path / "photos" / "a.png.bmp", (10, 12, 20))
    with pytest.raises(ValueError, match="Photos must have different names"):
        cut(tmp_path)


def test_a_photo_that_is_called_like_a_further_face_has_its_own_file(tmp_path):
    boxes = (10, 12, 20), (40, 8, 30)
    for seed, name in enumerate(("a.bmp", "a.face2.png", "b.Face2.bmp")):
        photo(tmp_path / "photos" / name, *boxes, seed=seed)
    assert cut(tmp_path, every_face=True).faces == 6
    further = ["a.face2.png", "a.face2.png.face2.png", "b.Face2.bmp.face2.png"]
    largest = ["a.png", "a.face2.png.png", "b.Face2.bmp.png"]
    assert files(tmp_path / "faces") == sorted(further + largest)
    # Whose face is the largest alone needs no other name.
    found = cut_folder(tmp_path / "photos", tmp_path / "largest", Finder(), size=16)
    assert files(found.target) == ["a.face2.png", "a.png", "b.Face2.png"]


def test_another_rule_is_refused(tmp_path):
    photo(tmp_path / "photos" / "a.png", (10, 12, 20))
    cut(tmp_path)
    with pytest.raises(ValueError, match=r"were cut by the rule .*'size': 16.* 'size': 24"):
        cut(tmp_path, size=24)


def test_a_rule_that_cannot_be_read_is_named(tmp_path):
    photo(tmp_path / "photos" / "a.png", (10, 12, 20))
    cut(tmp_path)
    (tmp_path / "faces" / RULE).write_text("{")
    with pytest.raises(ValueError, match=r"The rule by which the faces in .* cannot be read"):
        cut(tmp_path)


def test_a_torn_row_is_cut_again(tmp_path):
    for name in "ab":
        photo(tmp_path / "photos" / f"{name}.png", (10, 12, 20))
    assert cut(tmp_path).faces == 2
    table = tmp_path / "faces" / "faces.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([lines[0], lines[1], lines[2].replace("1", "x")[:20], ""]))
    again = cut(tmp_path)
    assert (again.faces, again.done_before) == (1, 1)
    assert table.read_text().splitlines() == lines


def test_links_to_nowhere_are_listed(tmp_path):
    photo(tmp_path / "photos" / "a.png", (10, 12, 20))
    (tmp_path / "photos" / "b.png").symlink_to("nowhere.png")
    [miss] = cut(tmp_path).misses
    assert (miss.photo, miss.reason) == ("b.png", "unreadable: a broken link")


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
    with pytest.raises(ValueError, match="`on_miss` must be one of"):
        cut(tmp_path, on_miss="skip_train")
    with pytest.raises(ValueError, match="`workers` must be an integer >= 1"):
        cut(tmp_path, workers=0)
    with pytest.raises(ValueError, match="`workers` must be 1 for your own detector"):
        cut(tmp_path, workers=2)
    assert not (tmp_path / "faces").exists()


def test_a_folder_that_cannot_be_read_is_an_error_and_its_faces_stay(tmp_path, monkeypatch):
    photo(tmp_path / "photos" / "happy" / "one.png", (10, 12, 20))
    photo(tmp_path / "photos" / "sad" / "two.png", (10, 12, 20))
    assert cut(tmp_path).faces == 2
    listed = os.scandir

    def scandir(path="."):
        if os.path.basename(os.fspath(path)) == "sad":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(ValueError, match=r"`source` must .*sad \(Permission denied\)"):
        cut(tmp_path)
    monkeypatch.undo()
    assert files(tmp_path / "faces") == ["happy/one.png", "sad/two.png"]


def test_options_of_a_detector_of_ones_own_are_refused(tmp_path):
    photo(tmp_path / "photos" / "one.png", (10, 12, 20))
    with pytest.raises(ValueError, match="`sizes` must be an argument of this function"):
        cut(tmp_path, sizes=48)
    assert not (tmp_path / "faces").exists()


def test_another_setting_of_a_detector_is_another_rule(tmp_path):
    photo(tmp_path / "photos" / "one.png")
    cut(tmp_path, detector("yunet", min_score=0.9))
    cut(tmp_path, detector("yunet", min_score=0.9))
    with pytest.raises(ValueError, match="were cut by the rule"):
        cut(tmp_path, detector("yunet", min_score=0.1))
