"""A catalogue of odd videos and dirty tables, each with what becomes of it."""

import io
import math

import numpy as np
import openpyxl
import pytest
from helpers import fake_datasets as fake
from helpers import odd_videos as videos
from PIL import Image

from fer_data.datasets import prepare
from fer_data.datasets.preparation_report import Report
from fer_data.datasets.raf_db import RafDb
from fer_data.datasets.spreadsheet import read_cells, with_header
from fer_data.labels import EMOTIONS
from fer_data.video import Video
from fer_data.video.container import shown_seconds

THREE = [(0, 0.0, 0), (1, 0.04, 100), (2, 0.08, 200)]


def frames(path):
    """Number, seconds and grey level of each frame, and what was skipped."""
    video = Video(path, on_bad="skip")
    found = [(f.number, round(f.time, 3), round(float(f.image.mean()))) for f in video]
    return (found, sorted(map(str, video.skipped))) if video.skipped else found


def shape(path):
    info = Video(path).info
    return info.width, info.height, info.rotation


def faces(path):
    """Classes of the usable rows of FER2013, and the number of dropped ones by reason."""
    report = prepare("fer2013", path=path, data_dir=path / "prepared").report()
    used = {name: count for name, count in report.used["train"].items() if count}
    return used, {reason: len(entries) for reason, entries in report.dropped.items()}


def clips(path):
    """The texts of a spreadsheet's rows."""
    columns = {"subject": ("Subject",), "onset": ("Onset", "OnsetFrame")}
    rows = with_header(read_cells(path.read_bytes(), path.name), path.name, columns)
    return [(row.number, row.text("subject"), row.text("onset")) for row in rows]


def listed(path):
    """Names and labels of the pictures in RAF-DB's list, and the number of dropped rows."""
    builder = RafDb(path=path, data_dir=path / "prepared")
    report = Report(builder.name, "", {}, EMOTIONS)
    found = [(item.id, EMOTIONS[item.label]) for item in builder.listed_items(report)]
    return found, {reason: len(entries) for reason, entries in report.dropped.items()}


def table(text, name="fer2013.csv", encoding="utf-8"):
    """Return a function that writes a table of FER2013; `P0` to `P9` stand for its pixels."""

    def write(folder):
        content = text
        for number in range(10):
            pixels = " ".join(map(str, fake.noise(number).ravel()))
            content = content.replace(f"P{number}", pixels)
        (folder / name).write_bytes(content.encode(encoding))
        return folder

    return write


def sheet(fill):
    """Return a function that writes a spreadsheet."""

    def write(folder):
        book = openpyxl.Workbook()
        fill(book.active)
        book.save(folder / "coding.xlsx")
        return folder / "coding.xlsx"

    return write


def rows(*found):
    def fill(page):
        for row in found:
            page.append(row)

    return sheet(fill)


def merged(page):
    for row in (("Subject", "Onset"), ("s1", 5), (None, 9)):
        page.append(row)
    page.merge_cells("A2:A3")


def formatted_far_away(page):
    page.append(("Subject", "Onset"))
    page.append(("s1", 5))
    page["XFD1048576"].font = openpyxl.styles.Font(bold=True)


def value_far_away(page):
    page.append(("Subject", "Onset"))
    page["XFD1048576"] = 1


def raf_list(text):
    def write(folder):
        fake.write_raf_db(folder, per_class=1)
        (folder / "EmoLabel" / "list_patition_label.txt").write_bytes(text)
        return folder

    return write


def tree(**folders):
    """Return a function that writes class folders with files of the given names."""

    def write(folder):
        seed = 0
        for name, files in folders.items():
            (folder / "train" / name).mkdir(parents=True)
            for file in files:
                seed += 1
                data = io.BytesIO()
                Image.fromarray(fake.noise(seed)).save(data, "PNG")
                (folder / "train" / name / file).write_bytes(data.getvalue())
        return folder

    return write


def at(name, make):
    return lambda folder: make(folder / name)


BODY = "3,P0,Training\n4,P1,Training\n3,P2,Training\n"
BOTH = {"happy": 2, "sad": 1}
RAF = [("train_00001", "surprise"), ("test_00002", "fear")]
# Two rows of the list are left; the other twelve pictures stand in no row.
UNLISTED = {"unlisted": 12}

CATALOGUE = {
    # Name: what makes it, what is looked at, and the outcome: a value, or words of the error.
    "video: one frame": (at("a.mp4", lambda p: videos.written(p, (100,))), frames, [(0, 0.0, 100)]),
    "video: uneven rate": (
        at("a.mp4", videos.of_uneven_rate),
        frames,
        [(0, 0.0, 0), (1, 0.04, 80), (2, 0.08, 160), (3, 0.2, 240)],
    ),
    "video: turned": (at("a.mp4", videos.turned), shape, (48, 96, 90)),
    "video: empty edit list": (at("a.mp4", videos.with_an_empty_edit_list), frames, THREE),
    "video: empty edit list, shown": (
        at("a.mp4", videos.with_an_empty_edit_list),
        shown_seconds,
        math.inf,
    ),
    "video: cut movie header": (
        at("a.mp4", videos.with_a_cut_movie_header),
        frames,
        "cannot be read as a video",
    ),
    "video: cut movie header, shown": (
        at("a.mp4", videos.with_a_cut_movie_header),
        shown_seconds,
        math.inf,
    ),
    "video: cut short": (
        at("a.avi", videos.cut_short),
        lambda path: frames(path)[1],
        ["13", "end"],
    ),
    "video: damaged tail": (
        at("a.avi", videos.with_a_damaged_tail),
        lambda path: (len(frames(path)[0]), frames(path)[1]),
        (2, ["2"]),
    ),
    "video: 10 bits": (
        at("a.avi", videos.of_ten_bits),
        frames,
        [(0, 0.0, 0), (1, 0.04, 127), (2, 0.08, 255)],
    ),
    "video: 16 bits": (at("a.mkv", videos.of_sixteen_bits), frames, THREE),
    "video: VP9 in WebM": (at("a.webm", lambda p: videos.written(p, codec="vp09")), frames, THREE),
    "video: GIF": (
        at("a.gif", videos.gif),
        frames,
        [(0, 0.0, 0), (1, 0.1, 100), (2, 0.3, 200)],
    ),
    "video: sound alone": (at("a.avi", videos.sound), frames, "cannot be read as a video"),
    "video: playlist": (at("a.mp4", videos.playlist), frames, "does not begin like MP4"),
    "video: enormous": (
        at("a.avi", videos.of_enormous_frames),
        frames,
        "at most 120000000 pixels. Received: 12000x11000",
    ),
    "csv: byte-order mark": (table("\ufeffemotion,pixels,Usage\n" + BODY), faces, (BOTH, {})),
    "csv: CRLF, no last end": (
        table(("emotion,pixels,Usage\n" + BODY).strip().replace("\n", "\r\n")),
        faces,
        (BOTH, {}),
    ),
    "csv: quotes": (
        table('"emotion","pixels","Usage"\n"3","P0","Training"\n"4","P1","Training"\n'),
        faces,
        ({"happy": 1, "sad": 1}, {}),
    ),
    "csv: extra, blank and moved columns": (
        table("id,pixels,,Usage,emotion,\n7,P0,,Training,3,\n8,P1,,Training,4,\n"),
        faces,
        ({"happy": 1, "sad": 1}, {}),
    ),
    "csv: blank rows": (
        table("emotion,pixels,Usage\n\n" + BODY + ",,\n  \n\n"),
        faces,
        (BOTH, {}),
    ),
    "csv: blanks around": (
        table("emotion, Usage, pixels\n3, Training ,P0\n 4,Training, P1 \n", "icml_face_data.csv"),
        faces,
        ({"happy": 1, "sad": 1}, {}),
    ),
    "csv: label typos": (
        table(
            "emotion,pixels,Usage\n" + BODY + "7,P3,Training\nhapy,P4,Training\n3.0,P5,Training\n"
        ),
        faces,
        (BOTH, {"unknown_class": 3}),
    ),
    "csv: usage typos": (
        table("emotion,pixels,Usage\n" + BODY + "3,P3,training\n3,P4,\n3,P5\n"),
        faces,
        (BOTH, {"unknown_usage": 3}),
    ),
    "csv: pixels with commas": (
        table("emotion,Usage,pixels\n3,Training,P0\n4,Training,P1\n3,Training,1,2,3\n"),
        faces,
        ({"happy": 1, "sad": 1}, {"corrupt": 1}),
    ),
    "csv: quote without end": (
        table('emotion,pixels,Usage\n3,"P0,Training\n4,P1,Training\n'),
        faces,
        "fer2013.csv:3 cannot be read as CSV",
    ),
    "csv: semicolons": (
        table("emotion;pixels;Usage\n3;P0;Training\n"),
        faces,
        "the first row lacks ['emotion', 'pixels', 'Usage']",
    ),
    "csv: a column twice": (
        table("emotion,pixels,Usage,emotion\n3,P0,Training,4\n"),
        faces,
        "must have each column once. Received: ['emotion'] twice",
    ),
    "csv: UTF-16": (
        table("emotion,pixels,Usage\n" + BODY, encoding="utf-16"),
        faces,
        "must be a text in UTF-8; save it as one",
    ),
    "csv: endless line": (
        table("emotion,pixels,Usage\n3," + "1" * 200_000),
        faces,
        "lines of at most 130000 characters",
    ),
    "list: byte-order mark, CRLF, blank rows": (
        raf_list(b"\xef\xbb\xbftrain_00001.jpg 1\r\n\r\n  test_00002.jpg\t2  \r\n"),
        listed,
        (RAF, UNLISTED),
    ),
    "list: typos": (
        raf_list(
            b"train_00001.jpg 1\ntest_00002.jpg 2\ntrain_00003.jpg 8\ntrain_00003.jpg \xc2\xb2\n"
            b"trian_00003.jpg 3\ntrain_00003.jpg\ntrain_00001.jpg 1\ntrain_99999.jpg 1\n"
        ),
        listed,
        (RAF, {"bad_row": 5, "missing": 1, **UNLISTED}),
    ),
    "folders: what file managers leave, and typos": (
        tree(
            happiness=("1.png", "Thumbs.db", ".DS_Store", "desktop.ini"),
            suprise=("2.png",),
            hapy=("3.png", "4.png"),
        ),
        faces,
        ({"happy": 1, "surprise": 1}, {"not_a_picture": 3, "unknown_class": 2}),
    ),
    "xlsx: numbers as text, and texts as numbers": (
        rows(("Subject", "Onset"), ("01", " 46 "), (1, "46"), (1.0, 46.0)),
        clips,
        [(2, "01", "46"), (3, "1", "46"), (4, "1", "46")],
    ),
    "xlsx: title, blank rows and columns, case": (
        rows(
            (), ("The coding",), (), (None, " onset_frame ", None, "SUBJECT"), (), (None, 5, 1, "s")
        ),
        clips,
        [(6, "s", "5")],
    ),
    "xlsx: merged cells": (sheet(merged), clips, [(2, "s1", "5"), (3, "", "9")]),
    "xlsx: a format far away": (sheet(formatted_far_away), clips, [(2, "s1", "5")]),
    "xlsx: a value far away": (
        sheet(value_far_away),
        clips,
        "at most 100000 rows and 1000 columns",
    ),
}


@pytest.mark.parametrize("name", CATALOGUE)
def test_each_has_its_outcome(name, tmp_path):
    make, look, outcome = CATALOGUE[name]
    path = make(tmp_path)
    if isinstance(outcome, str):
        with pytest.raises(ValueError) as found:  # noqa: PT011 (its words are compared below)
            look(path)
        assert outcome in str(found.value)
        return
    found = look(path)
    if look is frames and isinstance(outcome[0], tuple):
        # Codecs that lose something are off by a few levels.
        assert np.abs(np.subtract(found, outcome)).max() <= 5
        np.testing.assert_allclose(np.array(found)[:, :2], np.array(outcome)[:, :2])
    else:
        assert found == outcome
