"""The result of an audit, and writing it."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from fer_data.files import write_text
from fer_models.auditing import card, page


@dataclasses.dataclass(frozen=True)
class Audit:
    """What `audit` found.

    Attributes:
        title: Heading.
        about: What was audited, how and where: a dictionary of strings.
        sections: Tuple of sections; `audit["membership"]` gives the numbers of one.
    """

    title: str
    about: dict[str, str]
    sections: tuple = dataclasses.field(repr=False)

    def __getitem__(self, key: str) -> Any:
        for section in self.sections:
            if section.key == key:
                return section.data
        known = ", ".join(section.key for section in self.sections)
        raise KeyError(f"{key!r} is not one of the sections {known}")

    @property
    def figures(self) -> tuple:
        """The numbers of the head of the page, each with `name`, `value` and `beside`."""
        return tuple(figure for section in self.sections for figure in section.figures)

    @property
    def warnings(self) -> tuple[tuple[str, str], ...]:
        """Every warning, as `(section title, sentence)`."""
        return tuple(
            (section.title, warning) for section in self.sections for warning in section.warnings
        )

    def to_dict(self) -> dict[str, Any]:
        """Return every number as plain values, ready for JSON."""
        return {
            "title": self.title,
            "about": self.about,
            "warnings": [
                {"section": section, "warning": warning} for section, warning in self.warnings
            ],
            **{section.key: section.data for section in self.sections},
        }

    def to_html(self) -> str:
        """Return the report as one page of HTML that needs nothing from elsewhere."""
        return page.html(self)

    def to_markdown(self) -> str:
        """Return the model card: everything but the pictures."""
        return card.markdown(self)

    def save(self, folder: str | os.PathLike[str]) -> tuple[Path, ...]:
        """Write `audit.html`, `model_card.md`, `audit.json` and `suspects.csv`.

        Each is written under a temporary name first, and only when all are complete.

        Args:
            folder: Made if absent.

        Returns:
            Tuple of the paths.
        """
        folder = Path(folder)
        contents = {
            "audit.html": self.to_html(),
            "model_card.md": self.to_markdown(),
            "audit.json": json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n",
        }
        if any(section.key == "suspects" for section in self.sections):
            contents["suspects.csv"] = card.suspects_csv(self["suspects"]["suspects"])
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in contents.items():
            write_text(folder / name, text)
        return tuple(folder / name for name in contents)
