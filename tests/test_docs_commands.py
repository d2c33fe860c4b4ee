"""Every command of README and docs is one that its script takes."""

import argparse
import os
import re
import runpy
import shlex
import sys
from unittest import mock

import keras
import pytest
from helpers.pages import PAGES
from helpers.shared import ROOT

FENCED = re.compile(r"^ *```[^\n]*\n(.*?)^ *```", re.S | re.M)
INLINE = re.compile(r"`([^`]+)`")
CALL = re.compile(r"^[ $]*(?:\w+=\S+ )*python ((?:examples|benchmarks)/[\w/]+\.py)(.*)")
# A form of commands, not one of them.
FORM = re.compile(r"\.\.\.|\[| N\b")


def lines(text):
    """Yield what may be commands: lines of fenced blocks, and code within sentences."""
    for block in FENCED.findall(text):
        command = ""
        for line in block.replace("\\\n", " ").splitlines():
            command += line
            # An open quotation goes on in the next line.
            if not CALL.match(command) or command.count("'") % 2 == 0:
                yield command
                command = ""
    for code in INLINE.findall(FENCED.sub("", text)):
        yield " ".join(code.split())


def commands():
    """Return `(script, words)` of each different command of the pages."""
    found = {}
    for page in PAGES:
        for line in lines(page.read_text(encoding="utf-8")):
            call = CALL.match(line)
            if call and not FORM.search(line):
                words = shlex.split(call[2], comments=True)
                found.setdefault((call[1], *words), f"{page.name}: {line.strip()}")
    return [pytest.param(key[0], key[1:], id=text) for key, text in found.items()]


@pytest.fixture
def clean(monkeypatch):
    """Leave environment, search path and modules as they were."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    with mock.patch.dict(os.environ):
        yield
    for folder in ("examples", "examples/webcam", "benchmarks"):
        for path in (ROOT / folder).glob("*.py"):
            if path.stem not in before:
                sys.modules.pop(path.stem, None)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the options are the same")
@pytest.mark.parametrize(("script", "words"), commands())
def test_command(script, words, clean, monkeypatch, capsys):
    parse = argparse.ArgumentParser.parse_args

    def parse_alone(parser, *rest):
        parse(parser, *rest)
        raise SystemExit(0)

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_alone)
    if script.endswith("train_distributed.py"):
        monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(sys, "argv", [str(ROOT / script), *words])
    monkeypatch.syspath_prepend(ROOT.joinpath(script).parent)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(sys.argv[0], run_name="__main__")
    assert ended.value.code == 0, capsys.readouterr().err
