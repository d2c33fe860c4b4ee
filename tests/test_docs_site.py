"""What can be said of the site without building it: nothing is missing, no link leads nowhere."""

import importlib.util
import re
import sys
import types

import pytest
import yaml
from helpers.links import dead_links, links, outside_links
from helpers.pages import DOCS, LINKING, PAGES
from helpers.shared import ROOT

SITE = DOCS / "site"


def config():
    return yaml.safe_load((SITE / "mkdocs.yml").read_text(encoding="utf-8"))


def pages_of(nav):
    """Return the pages that a part of the navigation names, in order."""
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    return [page for part in parts for page in pages_of(part)]


def test_every_page_is_in_the_navigation_once():
    named = pages_of(config()["nav"])
    assert sorted(named) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")), (
        "name the page in docs/site/mkdocs.yml, or take it out there"
    )


@pytest.mark.parametrize("page", LINKING, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_are_there(page):
    assert not dead_links(page, page.read_text(encoding="utf-8"))


def test_dead_links_are_found():
    text = """
# A page

[good](index.md#install) [gone](nowhere.md) [no such part](index.md#nowhere) [here](#a-page)
![gone too](images/nowhere.png) [elsewhere](https://example.org/nowhere.md)
[brackets [inside]](nowhere-either.md) <img width="9" src="images/gone.png" alt="">

```
[no link](in-code.md)
```
"""
    found = dead_links(DOCS / "made_up.md", text.replace("(#a-page)", "(models.md#efficientface)"))
    assert found == [
        "nowhere.md",
        "index.md#nowhere",
        "images/nowhere.png",
        "nowhere-either.md",
        "images/gone.png",
    ]
    assert outside_links(text) == ["https://example.org/nowhere.md"]


def test_pictures_are_all_shown():
    shown = {
        (page.parent / link).resolve()
        for page in PAGES
        for link in links(page.read_text(encoding="utf-8"))
    }
    assert {path for path in (DOCS / "images").iterdir() if path not in shown} == set()


def test_site_loads_nothing_from_elsewhere():
    made = config()
    assert made["theme"]["font"] is False
    assert "extra_javascript" not in made
    assert "extra_css" not in made
    assert "extra" not in made  # analytics, and icons that link to other hosts


def test_the_glossary_is_in_the_order_of_the_alphabet():
    page = (DOCS / "glossary.md").read_text(encoding="utf-8")
    _, *words = re.findall(r"^\| ([^|-]+) \|", page, re.M)  # the first is the head
    assert len(words) > 10
    assert words == sorted(words, key=str.casefold)


def test_how_to_install_stands_in_one_place():
    # The README has one line of it. Those who contribute install more.
    places = {
        page.relative_to(ROOT).as_posix()
        for page in PAGES
        if "pip install" in page.read_text(encoding="utf-8")
    }
    assert places <= {"README.md", "CONTRIBUTING.md", "docs/index.md"}, "link to index.md#install"


def test_the_readme_is_short_and_shows_real_use_first():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) < 120
    assert "docs/images/webcam.png" in links(readme.partition("\n## ")[0])


def test_warnings_are_errors():
    assert config()["strict"] is True
    (command,) = re.findall(r"mkdocs build .*", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert "quiet" not in command  # what is not shown is not counted either


def test_every_package_has_a_page_of_the_reference():
    described = {
        name
        for page in (DOCS / "reference").glob("*.md")
        for name in re.findall(r"^::: ([\w.]+)", page.read_text(encoding="utf-8"), re.M)
    }
    packages = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for top in ("fer_layers", "fer_models", "fer_data")
        for path in (ROOT / top).rglob("__init__.py")
    }
    # Described function by function, on a page of its own, or not for others to import.
    elsewhere = {
        "fer_data",
        "fer_data.compiled",
        "fer_data.faces.retinaface",
        "fer_models",
        "fer_models.cli",
        "fer_models.families",
    }
    assert packages - described == elsewhere, "write a page in docs/reference"
    for name in described:
        assert module_of(name), name


def names_of(text):
    """Return the names of packages, and the files of this repository, that a page tells of."""
    names = set(re.findall(r"\bfer_(?:data|layers|models)(?:\.[A-Za-z]\w+)+", text))
    files = set(re.findall(r"`((?:benchmarks|examples|fer_\w+|tests)/[\w/.]+)`", text))
    return names, files


def is_there(name):
    """Return whether a dotted name can be had, from the source alone: nothing is imported."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        folder = ROOT.joinpath(*parts[:length])
        module = next(
            (
                path
                for path in (folder.with_suffix(".py"), folder / "__init__.py")
                if path.is_file()
            ),
            None,
        )
        if module is not None:
            # Of `package.Class.method` the class.
            rest = parts[length : length + 1]
            source = module.read_text(encoding="utf-8")
            return all(re.search(rf"\b{part}\b", source) for part in rest)
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_names_and_files_are_there(page):
    # Links to pages of the reference end as names do.
    names, files = names_of(page.read_text(encoding="utf-8"))
    gone = [name for name in names if not name.endswith(".md") and not is_there(name)]
    assert not gone + [name for name in files if not (ROOT / name).exists()]


def test_names_that_are_gone_are_found():
    names, files = names_of(
        "`fer_data.splits.stratified`, `fer_models.load_model(x)`, `tests/no.py`"
    )
    assert [name for name in sorted(names) if not is_there(name)] == ["fer_data.splits.stratified"]
    assert files == {"tests/no.py"}


def module_of(name):
    """Return the file of a module, or of the module that holds a function or class."""
    path = ROOT.joinpath(*name.split("."))
    places = (path.with_suffix(".py"), path / "__init__.py", path.parent.with_suffix(".py"))
    return next((place for place in places if place.is_file()), None)


def hook(name):
    spec = importlib.util.spec_from_file_location(name, SITE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_model_cards_are_those_of_all_bundled_weights():
    cards = hook("model_cards")
    page = (DOCS / "model-cards.md").read_text(encoding="utf-8")
    text = cards.on_page_markdown(page)
    assert cards.MARK in page
    assert cards.MARK not in text
    for path in (ROOT / "fer_models/zoo/weights").glob("*_*.json"):
        assert text.count(f"`{path.stem}.npz`") == 1
    assert cards.on_page_markdown("Another page.") == "Another page."


def test_docstring_examples_get_a_fence(monkeypatch):
    # Griffe is installed for the site only; the fence itself needs nothing of it.
    monkeypatch.setitem(sys.modules, "griffe", types.SimpleNamespace(Extension=object))
    made = hook("docstrings")
    text = "Does it.\n\n>>> f(1)\n2\n>>> for x in y:\n...     f(x)\n\nMore."
    fence = "```pycon\n>>> f(1)\n2\n>>> for x in y:\n...     f(x)\n```"
    assert made.fenced(text) == f"Does it.\n\n{fence}\n\nMore."
    assert made.fenced("    >>> f(1)\n    2") == "    ```pycon\n    >>> f(1)\n    2\n    ```"
    held = types.SimpleNamespace(docstring=types.SimpleNamespace(value=">>> f(1)"))
    made.Docstrings().on_instance(obj=held, unused=None)
    assert held.docstring.value == "```pycon\n>>> f(1)\n```"
    made.Docstrings().on_instance(obj=types.SimpleNamespace(docstring=None))
