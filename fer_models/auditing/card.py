"""An audit as a Markdown model card, and its suspects as CSV."""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from fer_models.auditing.blocks import Bar, Picture, Table, Text


def markdown(audit: Any) -> str:
    """Return the model card of an `Audit`."""
    lines = [f"# {_plain(audit.title)}", ""]
    lines += [f"- {name}: {_plain(value)}" for name, value in audit.about.items()]
    lines += ["", "| | | |", "|---|---:|---|"]
    for section in audit.sections:
        for figure in section.figures:
            lines.append(f"| {figure.name} | **{_cell(figure.value)}** | {_cell(figure.beside)} |")
    lines += ["", "## Warnings", ""]
    warnings = [f"- {section}: {_plain(warning)}" for section, warning in audit.warnings]
    lines += warnings or ["None of the checks found cause for one. That proves no absence of harm."]
    for section in audit.sections:
        lines += ["", f"## {section.title}"]
        for block in section.blocks:
            lines += ["", *_block(block)]
        lines += ["", f"How: {_plain(section.how)}"]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def suspects_csv(suspects: Iterable[Mapping[str, Any]]) -> str:
    """Return suspects, as they stand in the audit's numbers, as CSV."""
    stream = io.StringIO()
    names = (
        "index",
        "given",
        "predicted",
        "given_probability",
        "predicted_probability",
        "confident",
    )
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(suspects)
    return stream.getvalue()


def _block(block):
    if isinstance(block, Text):
        return [_plain(block.text)]
    if isinstance(block, Picture):
        return [f"*Picture, in audit.html: {_plain(block.caption)}*"]
    if not isinstance(block, Table):
        raise TypeError(f"unknown block {type(block).__name__}")
    if not block.full:
        return [f"*Table, in audit.html: {_plain(block.caption)}*"]
    rows = [" | ".join(map(_cell, row)) for row in block.rows]
    return [
        _plain(block.caption),
        "",
        f"| {' | '.join(map(_cell, block.header))} |",
        "|---|" + "---:|" * (len(block.header) - 1),
        *(f"| {row} |" for row in rows),
    ]


def _cell(cell):
    return _plain(cell.text if isinstance(cell, Bar) else cell).replace("|", "\\|")


def _plain(text):
    """Return text that Markdown takes as it is: on one line, no HTML, no emphasis by accident."""
    text = " ".join(str(text).split())
    for sign in ("\\", "`", "*", "_", "<", ">", "[", "]"):
        text = text.replace(sign, f"\\{sign}")
    return text
