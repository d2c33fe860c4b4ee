"""The outcome of a study: a table as Markdown and as JSON, and a picture."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fer_data import files

TEXT, CONTENT, PICTURE = "report.md", "report.json", "report.png"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a study found.

    Attributes:
        content: Everything as numbers and words, of JSON's types.
        text: The tables as Markdown.
        folder: Folder that holds them as `report.json` and `report.md`, and a picture.
    """

    content: Mapping[str, Any]
    text: str
    folder: Path

    def write(self) -> None:
        """Write `report.json` and `report.md`."""
        files.write_json(self.folder / CONTENT, self.content)
        files.write_text(self.folder / TEXT, self.text)


def about_run(record: Mapping[str, Any], command: str | None = None) -> dict[str, Any]:
    """Return the lines of a report that state where its numbers came from.

    Args:
        record: `fer_models.training.runs.Run.record`.
        command: The command line, or None.
    """
    about = {name: record[name] for name in ("settings", "date", "versions", "backend", "hardware")}
    return about | ({"command": command} if command else {})


def heading(about: Mapping[str, Any]) -> list[str]:
    """Return command, date, versions and hardware as lines of Markdown.

    Args:
        about: What `about_run` gives.
    """
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    command = [f"`{about['command']}`", ""] if about.get("command") else []
    return [*command, f"{about['date']}; {versions}; {about['hardware']}.", ""]
