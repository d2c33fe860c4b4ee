"""Folders, archives and sheets made to harm: what is refused is counted, and costs little."""

import io
import os
import re
import subprocess
import sys
import zipfile

import numpy as np
import openpyxl
import pytest
from helpers import fake_datasets as fake
from helpers import fake_micro_expressions as clips
from PIL import Image

from fer_data.datasets import prepare
from fer_data.datasets.source import open_source
from fer_data.datasets.spreadsheet import read_cells
from fer_data.faces.folder import cut_folder
from fer_data.file_limits import FileLimits


@pytest.fixture
def faces(tmp_path):
    return fake.write_tree(tmp_path, {"faces": ["happy", "sad"]}) / "faces"


def dropped(builder):
    """Return `{reason: names of the files}`."""
    found = builder.report().dropped
    return {
        reason: sorted(os.path.basename(entry["file"]) for entry in entries)
        for reason, entries in found.items()
    }


def flat_png(height, width):
    buffer = io.BytesIO()
    Image.new("1", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def fill_with_traps(folder, outside):
    """Add to a class folder what must not be opened or is too much; return what is dropped."""
    outside.mkdir()
    fake.write_picture(outside / "other.png", fake.noise(80))
    os.mkfifo(folder / "pipe.jpg")
    (folder / "zeros.jpg").symlink_to("/dev/zero")
    (folder / "outside.png").symlink_to(outside / "other.png")
    (folder / "folder").symlink_to(outside)
    (folder / "inside.jpg").symlink_to(folder / "facessad0.jpg")
    deep = folder.joinpath(*["d"] * 40)
    fake.write_picture(deep / "deep.png", fake.noise(81))
    (folder / "sparse.jpg").touch()
    os.truncate(folder / "sparse.jpg", 1 << 40)
    (folder / "enormous.png").write_bytes(flat_png(13_300, 13_300))
    (folder / "eps.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n")
    with open(os.fsencode(folder) + b"/latin\xe9.jpg", "wb") as file:
        file.write(fake.encoded(fake.noise(82)))
    return {
        "not_a_file": ["pipe.jpg"],
        "link_outside": ["folder", "outside.png", "zeros.jpg"],
        # The link inside is followed, and is a copy.
        "duplicate": ["inside.jpg"],
        "too_deep": ["d"],
        "too_many_bytes": ["sparse.jpg"],
        "too_many_pixels": ["enormous.png"],
        "corrupt": ["eps.jpg"],
        "odd_name": ["latin\\udce9.jpg"],
    }


def test_a_folder_full_of_traps(faces, tmp_path):
    expected = fill_with_traps(faces / "sad", tmp_path / "outside")
    builder = prepare("image_folder", path=faces, data_dir=tmp_path / "out")
    assert dropped(builder) == expected
    report = builder.report()
    assert report.used == {"train": {"happy": 2, "sad": 2}}
    assert report.read == 4 + sum(map(len, expected.values()))
    with pytest.raises(ValueError, match='cannot be used and `on_bad="raise"`: too_deep'):
        prepare("image_folder", path=faces, data_dir=tmp_path / "out", on_bad="raise")


def test_limits_and_links_are_options(faces, tmp_path):
    fill_with_traps(faces / "sad", tmp_path / "outside")
    options = {"path": faces, "data_dir": tmp_path / "out"}
    limits = {"pixels": 48 * 48, "depth": 50, "file_bytes": 1 << 20}
    builder = prepare("image_folder", **options, limits=limits, follow_links=True)
    found = dropped(builder)
    assert found["not_a_file"] == ["pipe.jpg", "zeros.jpg"]
    assert not {"link_outside", "too_deep"} & set(found)
    # The picture outside is there by two links, of which one is a copy.
    assert builder.report().used["train"]["sad"] == 2 + 2
    with pytest.raises(ValueError, match="dropped, too_many_pixels: 6"):
        prepare("image_folder", **options, limits={"pixels": 48 * 48 - 1})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limits": {"files": 3}}, "`path` must hold at most 3 files"),
        (
            {"limits": {"pixel": 3}},
            r"`limits` must be a dictionary .*Received: limits=\{'pixel': 3\}",
        ),
        ({"limits": {"pixels": 0}}, "`pixels` must be an integer >= 1"),
        ({"follow_links": "no"}, "`follow_links` must be True or False"),
    ],
)
def test_bad_limits(faces, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        prepare("image_folder", path=faces, data_dir=tmp_path / "out", **options)


def test_folders_that_link_to_each_other_are_counted(tmp_path):
    for name in "abcdefghijkl":
        (tmp_path / name).mkdir()
        for other in "abcdefghijkl":
            (tmp_path / name / other).symlink_to(tmp_path / other)
    with pytest.raises(ValueError, match="at most 5000 files and folders"):
        open_source(tmp_path, FileLimits(files=5000))


def test_an_archive_full_of_traps(tmp_path):
    path = tmp_path / "faces.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(4):
            name = f"{('happy', 'sad')[number % 2]}/{number}.png"
            archive.writestr(name, fake.encoded(fake.noise(number), "PNG"))
        for number in range(12):
            archive.writestr(f"sad/{'p/' * 30_000}{number}.png", b"")
        archive.writestr(f"sad/{'p/' * 33}deep.png", b"")
        archive.writestr("sad/bomb.png", bytes(70 << 20))
        archive.writestr("sad/enormous.png", flat_png(13_300, 13_300))
        archive.writestr("sad/bzip2.png", b"face", zipfile.ZIP_BZIP2)
    builder = prepare("image_folder", path=path, data_dir=tmp_path / "out")
    counts = {reason: len(files) for reason, files in dropped(builder).items()}
    assert counts == {"too_deep": 13, "too_many_bytes": 1, "too_many_pixels": 1, "unreadable": 1}
    assert builder.report().used == {"train": {"happy": 2, "sad": 2}}
    with pytest.raises(ValueError, match="at most 19 members"):
        prepare("image_folder", path=path, data_dir=tmp_path / "out", limits={"files": 19})


def test_class_folders_named_by_all_kinds_of_digits(tmp_path):
    names = ["10", "9", "01", "\u00b2", "\uff11", "-1", "\u0664", "1.5"]
    path = fake.write_tree(tmp_path, {"faces": names}, 1) / "faces"
    builder = prepare("image_folder", path=path, data_dir=tmp_path / "out")
    found = builder.info.features["label"].names
    assert found == ["01", "9", "10", "-1", "1.5", "\u00b2", "\u0664", "\uff11"]


def test_clips_of_enormous_frames_are_dropped(tmp_path):
    path = clips.write_smic(tmp_path / "smic")
    folder = path / "HS" / "s1" / "micro" / "negative" / "s1_ne_01"
    frame = sorted(folder.iterdir())[2]
    frame.write_bytes(flat_png(13_300, 13_300))
    os.mkfifo(path / "HS" / "pipe.jpg")
    options = {"path": path, "data_dir": tmp_path / "out", "size": 32, **clips.FAKE}
    report = prepare("smic_hs", **options).report()
    assert {reason: len(entries) for reason, entries in report.dropped.items()} == {
        "not_a_file": 1,
        "too_many_pixels": 1,
    }
    assert frame.name in report.dropped["too_many_pixels"][0]["detail"]


def test_photos_whose_faces_are_cut(faces, tmp_path):
    expected = fill_with_traps(faces / "sad", tmp_path / "outside")
    del expected["duplicate"], expected["too_deep"]
    expected["link_outside"].remove("folder")
    expected["too_many_pixels"] = []
    # Nothing is decoded here but the small ones: the detector finds no face in any.
    (faces / "sad" / "enormous.png").unlink()
    found = cut_folder(faces, tmp_path / "cut", clips.FakeDetector(least=256), progress=False)
    reasons = {}
    for miss in found.unreadable:
        kind = re.search("not_a_file|link_outside|too_many_bytes|corrupt|odd_name", miss.reason)
        reasons.setdefault(kind.group(), []).append(os.path.basename(miss.photo))
    assert {reason: sorted(names) for reason, names in reasons.items()} == {
        reason: names for reason, names in expected.items() if names
    }


def book(fill):
    workbook, buffer = openpyxl.Workbook(), io.BytesIO()
    workbook.active.append(["Subject", "Onset"])
    fill(workbook.active)
    workbook.save(buffer)
    return buffer.getvalue()


def with_xml(old, new, member="xl/worksheets/sheet1.xml"):
    """Return a spreadsheet whose XML was changed."""
    source = zipfile.ZipFile(io.BytesIO(book(lambda sheet: None)))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            content = source.read(name)
            if name == member:
                assert old in content
                content = content.replace(old, new, 1)
            target.writestr(name, content)
    return buffer.getvalue()


END = b"</sheetData>"
FAR_ROW = b'<row r="1000000000000"><c r="A1000000000000"><v>1</v></c></row>'


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda: with_xml(END, FAR_ROW + END), "rows beyond number 1048576"),
        (lambda: book(lambda sheet: sheet.cell(1, 1001, "x")), "in column 1001"),
        (lambda: with_xml(END, b"<row>" + b"<c/>" * 600_000 + b"</row>" + END), "too many XML"),
        (
            lambda: with_xml(b"<cellXfs", b"<xf/>" * 200_000 + b"<cellXfs", "xl/styles.xml"),
            "too many",
        ),
        (lambda: with_xml(b"<worksheet", b"<!DOCTYPE a []><worksheet"), "declares a document type"),
        (lambda: with_xml(END, END + b" " * (33 << 20)), "more than"),
        (lambda: with_xml(END, b"<row><c><v>" + b"9" * 5000 + b"</v></c></row>" + END), "4300"),
        (lambda: with_xml(END, b'<row><c t="s"><v>99</v></c></row>' + END), "index out of range"),
        (lambda: with_xml(END, b""), "mismatched tag"),
        (lambda: book(lambda sheet: None)[:-30], "not a zip file"),
    ],
)
def test_spreadsheets_made_to_harm(data, message):
    with pytest.raises(ValueError, match=rf"coding.xlsx must be a spreadsheet.*{message}"):
        read_cells(data(), "coding.xlsx")


def test_a_sheet_whose_merged_cells_are_all_it_can_have():
    data = with_xml(END, END + b'<mergeCells><mergeCell ref="A2:XFD1048576"/></mergeCells>')
    assert read_cells(data, "coding.xlsx") == [("Subject", "Onset")]


MEMORY = """
import re, sys
from fer_data.datasets import prepare
def peak():
    # Not getrusage, which counts the process that started this one too.
    with open("/proc/self/status") as status:
        print("peak", int(re.search(r"VmHWM:\\s+([0-9]+) kB", status.read())[1]) // 1024)
for path in sys.argv[2:]:
    prepare("image_folder", path=path, data_dir=sys.argv[1])
    peak()
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="measures as Linux does")
def test_memory_of_a_preparation_is_bounded(faces, tmp_path):
    fill_with_traps(faces / "sad", tmp_path / "outside")
    # The largest pictures that are taken, of noise, which no format makes smaller.
    noisy = fake.write_tree(tmp_path, {"noisy": ["happy", "sad"]}) / "noisy"
    noise = np.random.default_rng(0).integers(0, 256, (3600, 3600, 3), dtype=np.uint8)
    for name, quality in (("first", 90), ("second", 80)):
        Image.fromarray(noise).save(noisy / "happy" / f"{name}.jpg", quality=quality)
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target:
        for path in sorted(faces.glob("*/faces*.jpg")):
            target.write(path, path.relative_to(faces))
        with target.open("sad/bomb.png", "w", force_zip64=True) as member:
            for _ in range(1024):
                member.write(bytes(1 << 20))
    out = tmp_path / "out"
    command = [sys.executable, "-c", MEMORY, out, archive, faces, noisy]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert len(re.findall("too_many_pixels: 1|too_many_bytes: 1", done.stdout)) == 3
    bomb, traps, largest = map(int, re.findall(r"peak (\d+)", done.stdout))
    print(f"{bomb}, {traps}, {largest} MiB")
    assert max(bomb, traps) < 1024
    # TensorFlow alone takes most of a gigabyte.
    assert largest - traps < 256
