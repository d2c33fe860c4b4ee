"""Check the links, anchors and pictures of all pages; `make links` runs this.

Nothing is fetched: links to other sites are listed and not checked.
"""

import re
import sys

from helpers.pages import LINKING
from helpers.shared import ROOT

CODE = re.compile(r"^( *)(`{3,}).*?^\1\2`*\s*?$", re.M | re.S)
LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(<?([^()\s>]*(?:\([^()\s]*\)[^()\s>]*)*)>?\)")
HTML = re.compile(r"<(?:img|a)\b[^>]*?\b(?:src|href)=\"([^\"]+)\"")
OUTSIDE = ("http://", "https://", "mailto:")


def prose(text):
    """Return the text of a page without its fenced code."""
    return CODE.sub("", text)


def links(text):
    """Return what the links and pictures of a page point to, in Markdown and in HTML."""
    return LINK.findall(prose(text)) + HTML.findall(prose(text))


def outside_links(text):
    """Return the links of a page to other sites."""
    return [link for link in links(text) if link.startswith(OUTSIDE)]


def anchors(text):
    """Return the anchors of a page's headings, as GitHub and MkDocs both make them."""
    found = set()
    for heading in re.findall(r"^#+ +(.+?) *$", prose(text), re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        found.add(re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower()))
    return found


def dead_links(page, text):
    """Return the relative links and pictures of a page that lead nowhere."""
    dead = []
    for link in links(text):
        if link.startswith(OUTSIDE):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.is_file() or (
            anchor and anchor not in anchors(target.read_text(encoding="utf-8"))
        ):
            dead.append(link)
    return dead


def main():
    """Print the dead links of all pages, then the links that are not checked.

    Returns:
        The exit status: 1 where a link is dead.
    """
    dead, outside, count = [], {}, 0
    for page in LINKING:
        name, text = page.relative_to(ROOT), page.read_text(encoding="utf-8")
        count += len(links(text))
        dead += [f"{name}: {link}" for link in dead_links(page, text)]
        for link in outside_links(text):
            outside.setdefault(link, []).append(str(name))
    print(f"{count} links and pictures of {len(LINKING)} pages, {len(dead)} lead nowhere")
    print("\n".join(f"  {line}" for line in dead), end="\n" if dead else "")
    print(f"{len(outside)} lead to other sites and are not checked:")
    for link, pages in sorted(outside.items()):
        print(f"  {link} ({', '.join(pages)})")
    return int(bool(dead))


if __name__ == "__main__":
    sys.exit(main())
