"""Every command of README and docs is one that `fer`, or its script, takes."""

import argparse
import importlib
import os
import re
import runpy
import shlex
import sys
from unittest import mock

import pytest
from helpers.pages import PAGES
from helpers.shared import ROOT

from fer_models.cli import export, train
from fer_models.cli.main import COMMANDS, EPILOG, main

pytestmark = pytest.mark.skipif(
    os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow",
    reason="the options are the same on each backend",
)
FENCED = re.compile(r"^ *```[^\n]*\n(.*?)^ *```", re.S | re.M)
INLINE = re.compile(r"`([^`]+)`")
START = r"^[ $]*(?:[A-Z_]+=\S+ )*"
CALL = re.compile(START + r"(?:(fer)|python ((?:examples|benchmarks)/[\w/]+\.py))(?: (.*))?$")
# A form of commands, not one of them: what stands there is a number or one of several choices.
FORM = re.compile(r"\.\.\.|\[|\b(?:N|NAME|DATA|COMMAND)\b")
# Where the shell's words begin.
SHELL = ("|", ">", "2>", "&", "&&", ";")


def lines(text):
    """Yield what may be commands, and whether it stands in a fenced block."""
    for block in FENCED.findall(text):
        command = ""
        for line in block.replace("\\\n", " ").splitlines():
            command += line
            # An open quotation goes on in the next line.
            if not CALL.match(command) or command.count("'") % 2 == 0:
                yield command, True
                command = ""
    for code in INLINE.findall(FENCED.sub("", text)):
        yield " ".join(code.split()), False


def words_of(line):
    words = shlex.split(line or "", comments=True)
    ends = [words.index(word) for word in SHELL if word in words]
    return words[: min(ends, default=None)]


def commands():
    """Return the words of each different command of the pages, and whether they are all of it."""
    found = {}
    for page in PAGES:
        for line, is_fenced in lines(page.read_text(encoding="utf-8")):
            call = CALL.match(line)
            if call is None:
                continue
            name, words = call[1] or call[2], words_of(call[3])
            is_whole = not FORM.search(line) and (is_fenced or len(words) > 1)
            if not is_whole:
                known = name == "fer" and not any(map(FORM.fullmatch, words[:1]))
                words = words[:1] if known else []
            found.setdefault((name, *words, is_whole), f"{page.name}: {line.strip()}")
    return [pytest.param(key[:-1], key[-1], id=text) for key, text in found.items()]


@pytest.fixture
def clean(monkeypatch):
    """Leave environment, search path and modules as they were."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    with mock.patch.dict(os.environ):
        yield
    for folder in ("examples", "benchmarks"):
        for path in (ROOT / folder).glob("*.py"):
            if path.stem not in before:
                sys.modules.pop(path.stem, None)


@pytest.mark.parametrize(("words", "is_whole"), commands())
def test_command(words, is_whole, clean, monkeypatch, capsys):
    name, *rest = words
    if name == "fer":
        check_fer(rest, is_whole, monkeypatch, capsys)
    else:
        check_script(name, rest, is_whole, monkeypatch, capsys)


def test_a_training_on_a_folder_sets_validation_faces_apart():
    # A folder with a folder for each class has none.
    examples = [*EPILOG.splitlines(), *train.EXAMPLE.splitlines()]
    known = [words_of(call[3]) for line in examples if (call := CALL.match(line))]
    known += [list(param.values[0][1:]) for param in commands() if param.values[1]]
    on_folders = [words for words in known if words[:1] == ["train"] and "folder" in words]
    assert len(on_folders) > 4
    assert [words for words in on_folders if "--validation-fraction" not in words] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_export_of_a_page_meets_the_file_of_another(page):
    parser = argparse.ArgumentParser()
    export.add_arguments(parser)
    calls = [CALL.match(line) for line, is_fenced in lines(page.read_text("utf-8")) if is_fenced]
    exports = [words_of(call[3])[1:] for call in calls if call and (call[3] or "")[:6] == "export"]
    written = [
        (given.output, export.name_of(given.model), given.format.partition("-")[0])
        for given in map(parser.parse_args, exports)
        if not given.overwrite
    ]
    assert len(set(written)) == len(written)


def check_fer(words, is_whole, monkeypatch, capsys):
    names = [word for word in words if not word.startswith("-")]
    assert set(names[:1]) <= set(COMMANDS), f"there is no command {names[0]!r}"
    if not is_whole:
        return
    if names:
        module = importlib.import_module(f"fer_models.cli.{COMMANDS[names[0]][0]}")
        monkeypatch.setattr(module, "run", lambda args: 0)
    assert main(words) == 0, capsys.readouterr().err


def check_script(script, words, is_whole, monkeypatch, capsys):
    path = ROOT / script
    assert path.is_file()
    if not is_whole or "argparse" not in path.read_text(encoding="utf-8"):
        return
    parse = argparse.ArgumentParser.parse_args

    def parse_alone(parser, *rest):
        parse(parser, *rest)
        raise SystemExit(0)

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_alone)
    monkeypatch.setattr(sys, "argv", [str(path), *words])
    monkeypatch.syspath_prepend(path.parent)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(sys.argv[0], run_name="__main__")
    assert ended.value.code == 0, capsys.readouterr().err


def test_commands_are_found():
    text = """
Say `fer train` and `fer recognise PHOTO`, or `fer explain m.keras a.jpg`.

```bash
A=b fer recognise 'a  b.jpg' \\
    --json | head   # the first
fer crop photos > log
pip install fer
```
"""
    found = [(call[3], fenced) for line, fenced in lines(text) if (call := CALL.match(line))]
    assert [(words_of(rest), fenced) for rest, fenced in found] == [
        (["recognise", "a  b.jpg", "--json"], True),
        (["crop", "photos"], True),
        (["train"], False),
        (["recognise", "PHOTO"], False),
        (["explain", "m.keras", "a.jpg"], False),
    ]
    assert FORM.search("fer prepare DATA --path FOLDER")
    assert not FORM.search("fer recognise PHOTO --json")
