"""The owners' spreadsheets: which file is one, and what of it is read."""

import io
import zipfile

import openpyxl
import pytest

from fer_data.datasets import spreadsheet
from fer_data.datasets.source import open_source


def book(*rows):
    data, written = io.BytesIO(), openpyxl.Workbook()
    for row in rows:
        written.active.append(row)
    written.save(data)
    return data.getvalue()


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (1.0, "1"), (1.5, "1.5"), (" a ", "a"), (7, "7")]
)
def test_cells_as_text(value, text):
    assert spreadsheet.as_text(value) == text
    assert spreadsheet.Row(1, {"a": value}, "x:1").text("a") == text


def test_the_nearest_sheet_of_a_folder(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("deep/coding-1.xlsx", "~$coding-1.xlsx", "other.xlsx"):
        (tmp_path / name).write_bytes(b"x")
    search = r"coding.*\.xlsx", "coding-2.xlsx"
    assert spreadsheet.find_sheet(open_source(tmp_path), *search) == "deep/coding-1.xlsx"
    (tmp_path / "CODING.xlsx").write_bytes(b"x")
    assert spreadsheet.find_sheet(open_source(tmp_path), *search) == "CODING.xlsx"
    (tmp_path / "coding-2.xlsx").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"one spreadsheet coding-2\.xlsx.*\['CODING.xlsx', 'cod"):
        spreadsheet.find_sheet(open_source(tmp_path), *search)


def test_a_file_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"absent\.xlsx cannot be read: .*No such file"):
        spreadsheet.read_sheet(tmp_path / "absent.xlsx")
    with pytest.raises(ValueError, match="cannot be read: it is a folder"):
        spreadsheet.read_sheet(tmp_path)
    monkeypatch.setattr(spreadsheet, "SHEET_BYTES", 100)
    path = tmp_path / "coding.xlsx"
    path.write_bytes(book(("a",)))
    with pytest.raises(ValueError, match=r"coding\.xlsx cannot be read: \d+ bytes, more than 100"):
        spreadsheet.read_sheet(path)
    with pytest.raises(ValueError, match=r"it has \d+ bytes, more than 100"):
        spreadsheet.read_cells(path.read_bytes(), "coding.xlsx")


def test_pictures_in_it_are_passed_over():
    data = io.BytesIO(book(("Subject", 1)))
    with zipfile.ZipFile(data, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/image1.png", bytes(50_000_000))
    assert spreadsheet.read_cells(data.getvalue(), "coding.xlsx") == [("Subject", 1)]


def test_a_cell_that_is_too_long(monkeypatch):
    # openpyxl cuts longer ones when it writes.
    monkeypatch.setattr(spreadsheet, "CELL_CHARACTERS", 10)
    assert spreadsheet.read_cells(book(("x" * 10,)), "coding.xlsx") == [("x" * 10,)]
    with pytest.raises(ValueError, match="row 2 has a cell of more than 10 characters"):
        spreadsheet.read_cells(book(("a",), ("x" * 11,)), "coding.xlsx")
