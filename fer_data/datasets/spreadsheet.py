"""The owners' spreadsheets (.xlsx), wherever in them the table begins."""

import dataclasses
import io
import re
import zipfile
from pathlib import Path, PurePosixPath

INSTALL = 'pip install "fer-keras[faces]"'
# The farthest down that a header was seen is row 14, in the SAMM sheet.
HEADER_WITHIN = 40


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

    def text(self, column):
        """Return a cell as text without blanks around it, `""` if it is empty or not there."""
        return as_text(self.cells.get(column))


def as_text(value):
    """Return a cell's value as text without blanks around it: `""` if empty, 1.0 as "1"."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value).strip()


def find_sheet(source, pattern, expected):
    """Return the name of the one spreadsheet in a source whose name matches.

    Args:
        source: `Source` to look in.
        pattern: Regular expression for the whole file name; case does not count.
        expected: What the error says should be there.

    Raises:
        ValueError: If there is none, or more than one in the same depth.
    """
    found = [n for n in source.sizes if re.fullmatch(pattern, PurePosixPath(n).name, re.IGNORECASE)]
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


def read_cells(data, where, sheet=0):
    """Return the cells of a sheet.

    Args:
        data: Bytes of the file.
        where: How errors name the file.
        sheet: Number of the sheet.

    Returns:
        List of rows, each a tuple of values; empty cells are `None`.

    Raises:
        ImportError: If openpyxl is not installed.
        ValueError: If the file is no .xlsx, or has too few sheets.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise ImportError(
            f"The owners' spreadsheets are read with openpyxl, which cannot be imported ({error}). "
            f"Run: {INSTALL}"
        ) from error
    try:
        # Not the reading mode for large files: it believes the extent that the file states, which
        # some programs write wrong.
        book = openpyxl.load_workbook(io.BytesIO(data), data_only=True)
    except (zipfile.BadZipFile, KeyError, OSError, ValueError) as error:
        raise ValueError(
            f"{where} must be a spreadsheet of the kind .xlsx (a .xls can be saved as one). "
            f"Received: a file that cannot be read as one: {error}"
        ) from error
    if sheet >= len(book.worksheets):
        raise ValueError(
            f"{where} must have {sheet + 1} sheets or more. Received: {book.sheetnames}"
        )
    return [tuple(row) for row in book.worksheets[sheet].iter_rows(values_only=True)]


def with_header(cells, where, columns):
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


def without_header(cells, where, columns, skip=0):
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


def no_header(where, columns):
    """Return the error for a sheet in which `with_header` finds none."""
    names = [known[0] for known in columns.values()]
    return ValueError(
        f"{where} must have a row with the column names {names} among its first {HEADER_WITHIN}. "
        "Received: a sheet without one"
    )


def existing_file(name, path):
    """Return the path that the argument `name` gives, or raise `ValueError`."""
    path = Path(path).expanduser().absolute()
    if not path.is_file():
        raise ValueError(f"`{name}` must be the path of a file. Received: {name}={str(path)!r}")
    return path


def file_stamp(path):
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


def _plain(value):
    return "" if value is None else re.sub(r"[^a-z0-9]", "", str(value).casefold())
