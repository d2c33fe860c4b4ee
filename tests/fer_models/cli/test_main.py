"""The command itself: what it lists, what it says when something is wrong, how it leaves."""

import argparse
import errno
import importlib
import json
import os
import re
import shlex
import subprocess
import sys
import types

import pytest
from helpers.shared import ROOT

from fer_models.cli import main
from fer_models.cli import main as function
from fer_models.cli.running import CheckFailedError

MODULE = importlib.import_module("fer_models.cli.main")
NAMES = sorted(MODULE.COMMANDS)


@pytest.fixture
def fake(monkeypatch):
    """A subcommand `fake`, of which a test says what it does."""
    module = types.ModuleType("fer_models.cli.fake", "Do as the test says.")
    module.EXAMPLE = "fer fake"
    module.add_arguments = lambda parser: parser.add_argument("words", nargs="*")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(MODULE.COMMANDS, "fake", ("fake", "do as the test says"))

    def make(do):
        module.run = do

    return make


def raises(error):
    def run(args):
        raise error

    return run


def test_help_lists_every_command(capsys):
    for words in (["--help"], ["-h"], ["help"]):
        assert main(words) == 0
    said = capsys.readouterr().out
    for name in NAMES:
        assert said.count(f"\n    {name} ") == 3, name
    # Nothing asked for: the same, but no success and no result.
    assert main([]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said.count("recognise") == 3 * printed.err.count("recognise") > 0


def test_version(capsys):
    assert main(["--version"]) == 0
    assert re.fullmatch(r"fer-keras \d+\.\d+\.\d+(\.dev\d+)?\n", capsys.readouterr().out)
    assert function is MODULE.main


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_help_with_examples_that_it_takes(name, capsys):
    assert main([name, "--help"]) == 0
    said = capsys.readouterr().out
    module = importlib.import_module(f"fer_models.cli.{MODULE.COMMANDS[name][0]}")
    assert module.__doc__.splitlines()[0] in said
    assert "--traceback" in said
    for line in module.EXAMPLE.splitlines():
        assert line in said
        # Of a pipe, the part that is ours.
        (ours,) = (part for part in line.split("|") if " fer " in f" {part.strip()} ")
        words = shlex.split(ours[ours.index("fer ") :])
        assert words[1] == name
        args = MODULE._parsed(words[1:])
        assert args.run is module.run
        assert args.command_line == shlex.join(words)


def test_help_of_one_command(capsys):
    assert main(["help", "faces"]) == 0
    assert "usage: fer faces" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["recognize", "a.jpg"], "did you mean `fer recognise`?"),
        (["xyz"], "`fer --help` lists the commands"),
        (["help", "pain"], "there is no command 'pain'"),
        (["--wrong"], "unrecognized arguments: --wrong"),
        (["train", "--out", "mine"], "unrecognized arguments: --out mine"),
        (["faces"], "PHOTO|VIDEO|FOLDER (see fer faces --help)"),
        (["faces", "a.jpg", "--detector", "eyes"], "invalid choice: 'eyes'"),
        (["faces", "a.jpg", "b.jpg"], "unrecognized arguments: b.jpg"),
    ],
)
def test_bad_usage_is_one_line(words, message, capsys):
    assert main(words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("fer: error: ")
    assert printed.err.count("\n") == 1
    assert message in printed.err


@pytest.mark.parametrize(
    ("do", "status", "said"),
    [
        (lambda args: None, 0, ""),
        (lambda args: 1, 1, ""),
        (raises(CheckFailedError("no face was found")), 1, "fer: no face was found\n"),
        (raises(ValueError("`a` must be b.\n  Received: c")), 2,
         "fer: error: `a` must be b. Received: c\n"),
        (raises(FileNotFoundError("There is nothing at 'x'")), 2,
         "fer: error: There is nothing at 'x'\n"),
        (raises(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "big.keras")), 2,
         "fer: error: [Errno 28] No space left on device: 'big.keras' "
         "(the disk is full: make room, then give the same command again)\n"),
        (raises(KeyError("lost")), 2,
         "fer: error: KeyError: 'lost' (unexpected; --traceback shows where)\n"),
        (raises(TypeError()), 2,
         "fer: error: TypeError: TypeError (unexpected; --traceback shows where)\n"),
        (raises(KeyboardInterrupt()), 130, "\nfer: stopped\n"),
    ],
)  # fmt: skip
def test_exit_status_and_one_line(fake, capsys, do, status, said):
    fake(do)
    assert main(["fake"]) == status
    assert capsys.readouterr() == ("", said)


def test_a_reader_who_wants_no_more_is_no_error(fake, monkeypatch):
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    fake(raises(BrokenPipeError()))
    assert main(["fake"]) == 0
    sys.stdout.close()


def test_traceback_wherever_it_stands(fake, capsys):
    fake(raises(ValueError("broken")))
    for words in (["--traceback", "fake"], ["fake", "--traceback"]):
        assert main(words) == 2
        said = capsys.readouterr().err
        assert said.startswith("Traceback")
        assert "ValueError: broken" in said


def test_words_and_options_in_any_order(fake, capsys):
    def show(args):
        print(args.words, args.command_line)

    fake(show)
    assert main(["--traceback", "fake", "a", "--traceback", "b c"]) == 0
    assert capsys.readouterr().out == "['a', 'b c'] fer fake a 'b c'\n"


def test_a_command_with_commands_of_its_own(fake):
    module = sys.modules["fer_models.cli.fake"]
    seen = []

    def add(parser):
        parser.add_subparsers(dest="part").add_parser("one").add_argument("--two", type=int)

    module.add_arguments = add
    fake(lambda args: seen.append((args.part, args.two)))
    assert main(["fake", "one", "--two", "2"]) == 0
    assert seen == [("one", 2)]


def test_a_shell_learns_all_commands_and_options(monkeypatch):
    seen = {}
    argcomplete = types.SimpleNamespace(autocomplete=lambda parser: seen.update(parser=parser))
    monkeypatch.setitem(sys.modules, "argcomplete", argcomplete)
    monkeypatch.setenv("_ARGCOMPLETE", "1")
    assert main(["--version"]) == 0
    (commands,) = (
        action.choices
        for action in seen["parser"]._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    assert sorted(commands) == NAMES
    assert "--detector" in commands["faces"].format_help()
    # Without the package there is nothing to offer, and no error.
    monkeypatch.setitem(sys.modules, "argcomplete", None)
    assert main(["--version"]) == 0


# Runs in a process of its own: what `--help` imports, and what reaches standard error as a file.
SCRIPT = """
import json, os, sys, types, warnings
from fer_models.cli import main
assert main(["--help"]) == 0
print(json.dumps(sorted(name.partition(".")[0] for name in sys.modules)), flush=True)
module = types.ModuleType("fer_models.cli.fake")
module.EXAMPLE, module.add_arguments = "fer fake", lambda parser: None
sys.modules[module.__name__] = module
sys.modules["fer_models.cli.main"].COMMANDS["fake"] = ("fake", "")

def run(args):
    os.write(2, b"native noise\\n")
    warnings.warn_explicit("their warning", UserWarning, "/their/file.py", 1)
    warnings.warn_explicit("our\\nwarning", UserWarning, main.__code__.co_filename, 1)
    print("progress", file=sys.stderr)
    raise ValueError("bad")

module.run = run
for words in (["fake"], ["fake", "--traceback"]):
    print("--", file=sys.stderr, flush=True)
    assert main(words) == 2
os.write(2, b"as before\\n")
"""


def test_help_imports_nothing_heavy_and_noise_is_kept_away():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, cwd=ROOT, timeout=120
    )
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert not loaded & {"numpy", "keras", "tensorflow", "cv2", "PIL", "tqdm", "fer_data"}
    _, quiet, loud = done.stderr.split("--\n")
    assert quiet == "fer: warning: our warning\nprogress\nfer: error: bad\n"
    assert "native noise\n" in loud
    assert "their warning" in loud
    assert "ValueError: bad" in loud
    assert loud.endswith("as before\n")


def test_choices_are_those_of_the_libraries():
    from fer_data import picture
    from fer_data.faces import DETECTORS
    from fer_data.faces.following import METHODS
    from fer_data.pipelines.labelled_faces import FACES
    from fer_models.cli import data_names, explain, export, faces, media
    from fer_models.explain import clip_file, grad_cam
    from fer_models.export import FORMATS
    from fer_models.recognizer import annotated_files

    assert media.DETECTORS == DETECTORS
    assert (media.PHOTOS, media.VIDEOS) == (picture.SUFFIXES, annotated_files.VIDEOS)
    assert faces.METHODS == METHODS
    assert list(data_names.DATA) == list(FACES)
    assert export.FORMATS == FORMATS
    assert explain.METHODS == sys.modules[grad_cam.__module__].METHODS
    assert (explain.CLIPS, explain.TYPES) == (clip_file.DATA, clip_file.TYPES)
