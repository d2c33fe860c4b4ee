"""The pages of the documentation: those for users, and those beside them."""

from helpers.shared import ROOT

DOCS = ROOT / "docs"
# Their code runs, their commands are taken, what they name is there.
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
# Their links lead somewhere too. The changelog names what is gone.
LINKING = sorted({*PAGES, *ROOT.glob("*.md"), *(ROOT / ".github").rglob("*.md")})
