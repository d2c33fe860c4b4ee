"""The owners' lists and tables in text files, a line at a time, however they were saved."""

import csv
import io
import itertools
from collections.abc import Iterator, Sequence

from fer_data.datasets.source import Source
from fer_data.file_limits import LINE_CHARACTERS, UnreadableError, allowing
from fer_data.zip_members import DAMAGED


def text_lines(source: Source, name: str) -> Iterator[str]:
    """Yield the lines of a text in UTF-8, with or without a byte-order mark.

    Args:
        source: Where it lies.
        name: Name of the file.

    Yields:
        Lines, each with its end as it is.

    Raises:
        ValueError: If the file cannot be read, is no text in UTF-8, or goes beyond a limit: bytes,
            lines, or characters of a line.
    """
    where, limits = source.where(name), source.limits
    rule = None
    try:
        with (
            source.open(name) as file,
            io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text,
        ):
            number = characters = 0
            # Not by iterating over the text, which would take a line of any length.
            while line := text.readline(LINE_CHARACTERS + 1):
                number += 1
                characters += len(line)
                if len(line) > LINE_CHARACTERS:
                    rule = f"lines of at most {LINE_CHARACTERS} characters", f"line {number}"
                elif characters > limits.table_bytes:
                    rule = f"at most {limits.table_bytes} bytes; {allowing('table_bytes')}", "more"
                elif number > limits.files + 1:
                    rule = f"at most {limits.files} rows; {allowing('files')}", "more"
                if rule:
                    break
                yield line
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{where} must be a text in UTF-8; save it as one. Received: {error}"
        ) from error
    except (*DAMAGED, UnreadableError) as error:
        raise ValueError(f"{where} cannot be read: {type(error).__name__}: {error}") from error
    if rule:
        raise ValueError(f"{where} must have {rule[0]}. Received: {rule[1]}")


def csv_rows(
    source: Source, name: str, columns: Sequence[str] = (), unnamed: str = ""
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a table with commas as `(line, {column: text})`, without blanks around.

    Columns without a name and rows without content do not count.

    Args:
        source: Where the table lies.
        name: Name of the file.
        columns: Names of the columns of a table that may lack its header: one whose first row does
            not hold the first of them has rows of these columns alone.
        unnamed: Name for the column whose name is empty, such as R writes for its row names.

    Raises:
        ValueError: As for `text_lines`, if quotes are not closed, or two columns have one name.
    """
    where = source.where(name)
    # Strict, or a quote that is never closed would take the rest of the table for one cell.
    reader = csv.reader(text_lines(source, name), strict=True)
    try:
        first = next(reader, [])
        header = [column.strip() or unnamed for column in first]
        rows: Iterator[list[str]] = reader
        if columns and columns[0] not in header:
            header, rows = list(columns), itertools.chain([first], reader)
        twice = sorted({column for column in header if column and header.count(column) > 1})
        if twice:
            raise ValueError(f"{where} must have each column once. Received: {twice} twice")
        for row in rows:
            cells = [cell.strip() for cell in row]
            if any(cells):
                found = dict(zip(header, cells, strict=False))
                found.pop("", None)
                yield reader.line_num, found
    except csv.Error as error:
        raise ValueError(f"{where}:{reader.line_num} cannot be read as CSV: {error}") from error
