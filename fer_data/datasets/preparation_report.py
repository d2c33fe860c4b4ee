"""The report of a preparation: it accounts for every file."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any, Self

import numpy as np

from fer_data.files import read_json, whole_file

FILE_NAME = "report.json"


def plain(value: Any) -> Any:
    """Return an option that JSON has no type for, such as a path or NumPy number, as one it has."""
    return value.tolist() if isinstance(value, (np.generic, np.ndarray)) else str(value)


@dataclasses.dataclass
class Report:
    """Account of one preparation.

    Attributes:
        dataset: Name of the data set.
        source: Folder or archive that was read.
        options: The options it was prepared with.
        classes: Class names in label order.
        read: Number of pictures (files or rows) looked at.
        used: `{split: {class name: number of pictures}}`; of clips, in a data set of clips.
        dropped: `{reason: [{"file": ..., "detail": ...}]}`, pictures left out.
        kept: The same for odd pictures that were used nevertheless.
        ignored: Files beside the class folders that no builder reads.
        copies_across_splits: `{"validation/train": number}`: pictures of the first split that
            stand pixel-identical in the second.
        unit: What `read` counts: `"pictures"`, or `"rows"` of the owners' list.
    """

    dataset: str
    source: str
    options: dict
    classes: tuple
    read: int = 0
    used: dict = dataclasses.field(default_factory=dict)
    dropped: dict = dataclasses.field(default_factory=dict)
    kept: dict = dataclasses.field(default_factory=dict)
    ignored: list = dataclasses.field(default_factory=list)
    copies_across_splits: dict = dataclasses.field(default_factory=dict)
    unit: str = "pictures"

    def drop(self, reason: str, file: str, detail: str = "") -> None:
        """Note a picture that is left out."""
        self.dropped.setdefault(reason, []).append({"file": file, "detail": str(detail)})

    def keep(self, reason: str, file: str, detail: str = "") -> None:
        """Note a picture that is used although something is odd about it."""
        self.kept.setdefault(reason, []).append({"file": file, "detail": str(detail)})

    def write(self, folder: str | os.PathLike[str]) -> None:
        """Write `report.json` into a folder."""
        # Piece by piece and without a copy: a file that is dropped takes an entry.
        with (
            whole_file(Path(folder) / FILE_NAME) as unfinished,
            unfinished.open("w", encoding="utf-8") as file,
        ):
            json.dump(vars(self), file, indent=1, ensure_ascii=False, default=plain)
            file.write("\n")

    @classmethod
    def read_from(cls, folder: str | os.PathLike[str]) -> Self:
        """Read the `report.json` of a prepared data set."""
        known = [field.name for field in dataclasses.fields(cls)]
        content = read_json(Path(folder) / FILE_NAME, known)
        return cls(**{name: content[name] for name in known})

    def summary(self, examples: int = 5) -> str:
        """Return the report as text, with the first `examples` files of each reason."""
        total = sum(sum(counts.values()) for counts in self.used.values())
        lines = [f"{self.dataset}: {self.read} {self.unit} read, {total} used, from {self.source}"]
        for split, counts in self.used.items():
            classes = ", ".join(f"{name} {n}" for name, n in counts.items())
            lines.append(f"  {split}: {sum(counts.values())} ({classes})")
        for title, group in (("dropped", self.dropped), ("kept", self.kept)):
            for reason, entries in group.items():
                lines.append(f"  {title}, {reason}: {len(entries)}")
                for entry in entries[:examples]:
                    detail = f" ({entry['detail']})" if entry["detail"] else ""
                    lines.append(f"    {entry['file']}{detail}")
                if len(entries) > examples:
                    lines.append(f"    and {len(entries) - examples} more in {FILE_NAME}")
        if self.ignored:
            lines.append(f"  beside the class folders, not read: {len(self.ignored)} files")
        for pair, number in self.copies_across_splits.items():
            first, second = pair.split("/")
            lines.append(f"  {number} pictures of {first} are pixel-identical to one of {second}")
        return "\n".join(lines)
