"""The owners' spreadsheets (.xlsx), wherever in them the table begins."""

import dataclasses
import io
import os
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from xml.parsers import expat

from fer_data.datasets.source import Source
from fer_data.file_limits import (
    CELL_CHARACTERS,
    OTHER_ELEMENTS,
    SHEET_BYTES,
    SHEET_COLUMNS,
    SHEET_ELEMENTS,
    SHEET_ROWS,
    UnreadableError,
    read_file,
)
from fer_data.zip_members import DAMAGED, open_archive, read_member

INSTALL = 'pip install "fer-keras[faces]"'
# The farthest down that a header was seen is row 14, in the SAMM sheet.
HEADER_WITHIN = 40
# The number of rows that the format has.
LAST_ROW = 1_048_576
# Members of a spreadsheet's archive. Each sheet, drawing and chart is a few.
MEMBERS = 10_000
# What openpyxl raises for files that are damaged, or made to harm.
MALFORMED = (
    *(*DAMAGED, OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError),
    *(SyntaxError, AssertionError, RecursionError, expat.ExpatError, UnreadableError),
)


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of a spreadsheet.

    Attributes:
        number: Its number as spreadsheet programs count, from 1.
        cells: Its values by column.
        where: How a report names it.
    """

    number: int
    cells: dict
    where: str

    def text(self, column: str) -> str:
        """Return a cell as text without blanks around it, `""` if it is empty or not there."""
        return as_text(self.cells.get(column))


def as_text(value: Any) -> str:
    """Return a cell's value as text without blanks around it: `""` if empty, 1.0 as "1"."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value).strip()


def find_sheet(source: Source, pattern: str, expected: str) -> str:
    """Return the name of the one spreadsheet in a source whose name matches.

    Args:
        source: `Source` to look in.
        pattern: Regular expression for the whole file name; case does not count.
        expected: Description of the missing sheet, for the error.

    Raises:
        ValueError: If there is none, or more than one in the same depth.
    """
    found = [n for n in source.names if re.fullmatch(pattern, PurePosixPath(n).name, re.IGNORECASE)]
    # Lock files that spreadsheet programs leave beside an open file.
    found = [name for name in found if not PurePosixPath(name).name.startswith(("~$", "."))]
    if not found:
        raise ValueError(
            f"`path` must hold the spreadsheet {expected}, or `sheet` must name it. Received: "
            f"{source.root}, which has the files {source.files()[:8]} and the folders "
            f"{source.folders()[:8]}"
        )
    depth = min(name.count("/") for name in found)
    nearest = [name for name in found if name.count("/") == depth]
    if len(nearest) > 1:
        raise ValueError(
            f"`path` must hold one spreadsheet {expected}, or `sheet` must name one. "
            f"Received: {nearest}"
        )
    return nearest[0]


def read_cells(data: bytes, where: str, sheet: int = 0) -> list[tuple[Any, ...]]:
    """Return the cells of a sheet.

    Args:
        data: Bytes of the file.
        where: How errors name the file.
        sheet: Number of the sheet.

    Returns:
        List of rows, each a tuple of values as far as the last that is not empty; empty cells are
        `None`, and of merged cells all but the first are.

    Raises:
        ImportError: If openpyxl is not installed.
        ValueError: If the file is no .xlsx, has too few sheets, or goes beyond a limit of
            `fer_data.file_limits`.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise ImportError(
            f"The owners' spreadsheets are read with openpyxl, which cannot be imported ({error}). "
            f"Run: {INSTALL}"
        ) from error
    try:
        # The reading mode for large files makes no object of a cell that is not there, such as
        # those before a lone one at the far end, and none of merged cells.
        book = openpyxl.load_workbook(_copy(data), read_only=True, data_only=True)
        sheets = book.worksheets
        cells = _filled(sheets[sheet]) if sheet < len(sheets) else None
    except MALFORMED as error:
        raise ValueError(
            f"{where} must be a spreadsheet of the kind .xlsx (a .xls can be saved as one). "
            f"Received: a file that cannot be read as one: {error}"
        ) from error
    if cells is None:
        raise ValueError(
            f"{where} must have {sheet + 1} sheets or more. Received: {book.sheetnames}"
        )
    return cells


def read_sheet(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a spreadsheet that the user names.

    Args:
        path: Its file.

    Raises:
        ValueError: If it is no regular file, cannot be read, or has too many bytes.
    """
    try:
        return read_file(path, SHEET_BYTES)
    except (OSError, UnreadableError) as error:
        raise ValueError(f"{os.fspath(path)} cannot be read: {error}") from error


def with_header(
    cells: Sequence[Sequence[Any]], where: str, columns: Mapping[str, Sequence[str]]
) -> list[Row] | None:
    """Return the rows below the header, which may stand further down.

    The header is the first row in which each of the columns has one of its names; case, blanks
    and punctuation do not count.

    Args:
        cells: As from `read_cells`.
        where: How errors name the file.
        columns: Dictionary from column to its possible names, the first the owners' usual one.

    Returns:
        List of `Row`, without those that are empty, or `None` if there is no header.
    """
    wanted = {column: [_plain(name) for name in names] for column, names in columns.items()}
    for place, row in enumerate(cells[:HEADER_WITHIN]):
        names = [_plain(value) for value in row]
        places = {
            column: next((names.index(name) for name in known if name in names), None)
            for column, known in wanted.items()
        }
        if None not in places.values():
            return _rows(cells, place + 1, where, places)
    return None


def without_header(
    cells: Sequence[Sequence[Any]], where: str, columns: Sequence[str], skip: int = 0
) -> list[Row]:
    """Return the rows of a sheet that names no columns.

    Args:
        cells: As from `read_cells`.
        where: How a report names the file.
        columns: Names of the columns from the left.
        skip: Rows above the table.

    Returns:
        List of `Row`, without those that are empty.
    """
    return _rows(cells, skip, where, {column: i for i, column in enumerate(columns)})


def no_header(where: str, columns: Mapping[str, Sequence[str]]) -> ValueError:
    """Return the error for a sheet in which `with_header` finds none."""
    names = [known[0] for known in columns.values()]
    return ValueError(
        f"{where} must have a row with the column names {names} among its first {HEADER_WITHIN}. "
        "Received: a sheet without one"
    )


def existing_file(name: str, path: str | os.PathLike[str]) -> Path:
    """Return the path that the argument `name` gives, or raise `ValueError`."""
    path = Path(path).expanduser().absolute()
    if not path.is_file():
        raise ValueError(f"`{name}` must be the path of a file. Received: {name}={str(path)!r}")
    return path


def file_stamp(path: Path | None) -> str | None:
    """Return what names a file's content in the options."""
    if path is None:
        return None
    stat = path.stat()
    return f"{path} {stat.st_size} {stat.st_mtime_ns}"


def _rows(cells, start, where, places):
    rows = []
    for number, row in enumerate(cells[start:], start + 1):
        values = {c: row[i] if i < len(row) else None for c, i in places.items()}
        if any(value is not None and str(value).strip() for value in values.values()):
            rows.append(Row(number, values, f"{where}:{number}"))
    return rows


def _copy(data):
    """Return a spreadsheet's file with its XML alone, not compressed, after looking through it.

    What the copy holds is what was looked through: openpyxl believes the sizes that an archive
    states, and unpacks what it reads in one piece.
    """
    if len(data) > SHEET_BYTES:
        raise ValueError(f"it has {len(data)} bytes, more than {SHEET_BYTES}")
    copy, left = io.BytesIO(), SHEET_BYTES
    elements = {True: SHEET_ELEMENTS, False: OTHER_ELEMENTS}
    with open_archive(data, MEMBERS) as archive, zipfile.ZipFile(copy, "w") as target:
        for name in sorted(set(archive.namelist())):
            if not name.lower().endswith((".xml", ".rels")):
                # Pictures and the like.
                continue
            content = read_member(archive, name, left)
            left -= len(content)
            cells = name.startswith("xl/worksheets/") or name.endswith("sharedStrings.xml")
            elements[cells] -= _count(content, name, elements[cells])
            target.writestr(name, content)
    copy.seek(0)
    return copy


def _count(content, name, most):
    """Return the number of XML elements, or raise `ValueError` for more than allowed."""
    found = 0

    def start(*_):
        nonlocal found
        found += 1
        if found > most:
            raise ValueError(f"{name} brings it to too many XML elements")

    def refuse(*_):
        # Entities are declared there, which may stand for gigabytes.
        raise ValueError(f"{name} declares a document type")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = refuse
    parser.Parse(content, True)
    return found


def _filled(sheet):
    """Return the rows of a sheet up to the last that holds something."""
    # The extent that the file states is wrong in files of some programs.
    sheet.reset_dimensions()
    cells, last = [], 0
    for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
        if number > LAST_ROW:
            raise ValueError(f"it has rows beyond number {LAST_ROW}")
        if not row:
            # There may be a million of them before a cell at the far end.
            if number <= SHEET_ROWS:
                cells.append(())
            continue
        width = max((place for place, value in enumerate(row, 1) if value is not None), default=0)
        if width > SHEET_COLUMNS or (width and number > SHEET_ROWS):
            raise ValueError(
                f"row {number} holds something in column {width}, and at most {SHEET_ROWS} rows "
                f"and {SHEET_COLUMNS} columns are read; delete what is far away from the table"
            )
        if any(isinstance(value, str) and len(value) > CELL_CHARACTERS for value in row):
            raise ValueError(f"row {number} has a cell of more than {CELL_CHARACTERS} characters")
        if width:
            last = number
        if number <= SHEET_ROWS:
            cells.append(tuple(row[:width]))
    return cells[:last]


def _plain(value):
    return "" if value is None else re.sub(r"[^a-z0-9]", "", str(value).casefold())
