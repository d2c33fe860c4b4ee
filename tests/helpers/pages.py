"""The pages of the documentation: README and everything below docs."""

from helpers.shared import ROOT

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
