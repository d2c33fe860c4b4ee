"""An audit as one HTML page: pictures inside, nothing from elsewhere, light, dark and on paper."""

import base64
from html import escape
from pathlib import Path
from typing import Any

from fer_models.auditing.blocks import Bar, Picture, Table, Text

_STYLE = Path(__file__).with_name("page.css")


def html(audit: Any) -> str:
    """Return the page of an `Audit`."""
    style = _STYLE.read_text(encoding="utf-8")
    links = "".join(
        f'<a href="#{section.key}">{escape(section.title)}</a>' for section in audit.sections
    )
    about = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(str(value))}</dd></div>"
        for name, value in audit.about.items()
    )
    sections = "\n".join(map(_section, audit.sections))
    # The policy makes the browser itself refuse anything from elsewhere.
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{escape(audit.title)}</title>
<style>
{style}</style>
</head>
<body>
<header>
<h1>{escape(audit.title)}</h1>
<dl class="about">{about}</dl>
</header>
<nav aria-label="Sections">{links}</nav>
<main>
{_tiles(audit)}
{_warnings(audit)}
{sections}
</main>
<footer>Made by fer_models.audit. An expression is what a face shows to people who labelled
pictures, not what somebody feels.</footer>
</body>
</html>
"""


def _tiles(audit):
    tiles = "".join(
        f'<a class="tile" href="#{section.key}"><span>{escape(figure.name)}</span>'
        f"<b>{escape(figure.value)}</b><small>{escape(figure.beside)}</small></a>"
        for section in audit.sections
        for figure in section.figures
    )
    return f'<div class="tiles">{tiles}</div>'


def _warnings(audit):
    if not audit.warnings:
        return (
            '<section class="warnings none"><h2>Warnings</h2><p>None of the checks found cause '
            "for one. That proves no absence of harm.</p></section>"
        )
    items = "".join(
        f'<li><a href="#{section.key}">{escape(section.title)}</a> {escape(warning)}</li>'
        for section in audit.sections
        for warning in section.warnings
    )
    return (
        f'<section class="warnings"><h2>Warnings <small>{len(audit.warnings)}</small></h2>'
        f"<ul>{items}</ul></section>"
    )


def _section(section):
    blocks = "\n".join(map(_block, section.blocks))
    return (
        f'<section id="{section.key}">\n<h2>{escape(section.title)}</h2>\n{blocks}\n'
        f'<p class="how"><b>How.</b> {escape(section.how)}</p>\n</section>'
    )


def _block(block):
    if isinstance(block, Text):
        return f"<p>{escape(block.text)}</p>"
    if isinstance(block, Table):
        return _table(block)
    if not isinstance(block, Picture):
        raise TypeError(f"unknown block {type(block).__name__}")
    data = base64.b64encode(block.data).decode("ascii")
    return (
        f'<figure class="{"wide" if block.wide else "plain"}"><div class="paper">'
        f'<img src="data:image/png;base64,{data}" alt="{escape(block.alt)}"></div>'
        f"<figcaption>{escape(block.caption)}</figcaption></figure>"
    )


def _table(table):
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.header)
    rows = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>{"".join(map(_cell, row[1:]))}</tr>'
        for row in table.rows
    )
    return (
        f'<figure class="table"><figcaption>{escape(table.caption)}</figcaption>'
        f'<div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div></figure>"
    )


def _cell(cell):
    if not isinstance(cell, Bar):
        return f"<td>{escape(cell)}</td>"
    if cell.share is None:
        return f"<td>{escape(cell.text)}</td>"
    share = min(max(cell.share, 0), 1)
    return f'<td class="bar" style="--share:{100 * share:.1f}%"><i></i>{escape(cell.text)}</td>'
