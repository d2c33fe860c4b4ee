"""CSV files that name the group of the person in each picture."""

import csv
import dataclasses
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

# Before the name of a column, in the features of a prepared data set.
FEATURE = "group_"
_SHOWN = 3


@dataclasses.dataclass(frozen=True)
class GroupFile:
    """The groups that a CSV file gives for pictures.

    Attributes:
        path: The file.
        columns: Names of the columns of groups.
        rows: The group in each column, by the picture's name; `""` where the cell is empty.
    """

    path: str
    columns: tuple[str, ...]
    rows: Mapping[str, Mapping[str, str]]

    def of(self, names: Iterable[str]) -> tuple[dict[str, list[str]], list[str]]:
        """Return the groups of pictures.

        A picture has the row that bears its whole name, such as `"train/happy/anna.jpg"`, or the
        end of it: `"happy/anna.jpg"`, or `"anna.jpg"` if no other picture is called so.

        Args:
            names: Names of the pictures, with "/" between the parts.

        Returns:
            The group of each picture by column, `""` for those without a row, and the names in
            the file that no picture has.

        Raises:
            ValueError: If one row fits several pictures.

        Example:

        >>> table = GroupFile("groups.csv", ("age",), {"anna.jpg": {"age": "old"}})
        >>> table.of(["train/happy/anna.jpg", "train/sad/bert.jpg"])
        ({'age': ['old', '']}, [])
        """
        # macOS writes an accent as a letter of its own.
        spelled = {unicodedata.normalize("NFC", row): row for row in self.rows}
        fitting = [_row(unicodedata.normalize("NFC", name), spelled) for name in names]
        taken = {}
        for name, row in zip(names, fitting, strict=True):
            if row is not None:
                taken.setdefault(row, []).append(name)
        for row, pictures in taken.items():
            if len(pictures) > 1:
                raise ValueError(
                    f"A row of {self.path} must fit one picture: write more of its path, such as "
                    f"{pictures[0]!r}. Received: {row!r}, which fits {pictures[:_SHOWN]}"
                )
        groups = {
            column: ["" if row is None else self.rows[row][column] for row in fitting]
            for column in self.columns
        }
        return groups, [row for row in self.rows if row not in taken]

    def column(self, name: str | None) -> str:
        """Return the name of a column, or raise `ValueError`.

        Args:
            name: The name; None where there is one column alone.
        """
        if name is None and len(self.columns) == 1:
            return self.columns[0]
        if name not in self.columns:
            raise ValueError(
                f"The column of groups must be one of {list(self.columns)} of {self.path}. "
                f"Received: {name!r}"
            )
        return name


def _row(name, spelled):
    parts = PurePosixPath(name).parts
    for start in range(len(parts)):
        if (end := "/".join(parts[start:])) in spelled:
            return spelled[end]
    return None


def read_groups(path: str | os.PathLike[str]) -> GroupFile:
    r"""Read a CSV file of groups.

    The first row names the columns. The first column holds the pictures' file names, as for
    `GroupFile.of`; each other column is one way to divide the people, such as sex or age. An empty
    cell means that nothing is known.

    Args:
        path: The file, UTF-8, with commas.

    Returns:
        A `GroupFile`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no such table, or names a picture twice.

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "groups.csv")
    ...     _ = path.write_text("file,sex\nhappy/anna.jpg,f\nsad/bert.jpg,m\n")
    ...     read_groups(path).rows["sad/bert.jpg"]
    {'sex': 'm'}
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"There is no file of groups at {str(path)!r}.")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header, *rows = [row for row in csv.reader(file, strict=True) if any(row)] or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(
            f"The file of groups must be CSV in UTF-8. Received: {str(path)!r} ({error})"
        ) from error
    columns = tuple(name.strip() for name in header[1:])
    plain = [feature_name(name) for name in columns]
    if not columns or not all(columns) or len(set(plain)) < len(plain) or not rows:
        raise ValueError(
            "The file of groups must have a first row that names its columns (file names, then one "
            "different name for each column of groups) and rows below. "
            f"Received: {str(path)!r} with the first row {header} and {len(rows)} rows below"
        )
    found = {}
    for number, row in enumerate(rows, 2):
        name = PurePosixPath(row[0].strip().replace("\\", "/")).as_posix()
        if len(row) != len(header) or name == ".":
            raise ValueError(
                f"Each row of the file of groups must have {len(header)} cells, the first with a "
                f"file name. Received: {str(path)!r}, row {number}: {row}"
            )
        if name in found:
            raise ValueError(
                f"The file of groups must name each picture once. Received: {str(path)!r} with "
                f"{name!r} again in row {number}"
            )
        found[name] = dict(zip(columns, (cell.strip() for cell in row[1:]), strict=True))
    return GroupFile(str(path), columns, found)


def feature_name(column: str) -> str:
    """Return the name that a column of groups has among the features of a prepared data set.

    Example:

    >>> feature_name("Skin tone")
    'group_skin_tone'
    """
    return FEATURE + re.sub(r"\W+", "_", column.strip().casefold())
