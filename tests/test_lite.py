"""fer-keras-lite: its wheel holds all that it imports, and says what fer-keras says."""

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
import zipfile

import pytest
import test_architecture as architecture
from helpers import container_steps
from helpers.shared import ROOT

import fer_models
from fer_data import whole
from fer_data.compiled import ready_files
from fer_data.faces import compiled_mtcnn
from fer_models.cli import main
from fer_models.zoo import bundled

LITE = ROOT / "packaging" / "lite"
# What a module may import at its top, beside the standard library and our own.
NEEDS = {"numpy", "PIL"}
# What it is for; all that these import at their tops is needed.
FOR = (
    *("fer_models.recognizer", "fer_models.recognizer.annotated_files", "fer_models.runtime"),
    *("fer_models.compat", "fer_models.web.app", "fer_models.web.server", "fer_models.__main__"),
    *("fer_models.cli.recognise", "fer_models.cli.webcam", "fer_models.cli.weights"),
    *("fer_models.zoo.hub_card", "fer_models.web.browser_export", "fer_models.web.digest"),
    *("fer_data.faces.mtcnn_detector", "fer_data.faces.yunet", "fer_data.video"),
    "fer_data.faces.retinaface.detector",
)


def files():
    """Return the files that the wheel holds, by their places in it."""
    found = set()
    for pattern in (LITE / "files.txt").read_text(encoding="utf-8").split():
        paths = [path for path in ROOT.glob(pattern) if path.is_file()]
        assert paths, pattern
        found |= {path.relative_to(ROOT) for path in paths if "__pycache__" not in path.parts}
    return found


def pyproject(folder):
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))


def imports_at_the_top(path):
    """Return what a module imports as soon as it is imported, but for type checkers."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    # Those of functions come when they are called.
    body = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    top = ast.Module(body=body, type_ignores=[])
    return architecture.imports(top, architecture.module_name(path), path.name == "__init__.py")


def test_what_its_modules_import_is_there():
    every = {}
    for package in architecture.PACKAGES:
        every |= architecture.modules(package)
    held, waiting, seen = {ROOT / path for path in files()}, list(FOR), set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        assert every[name] in held, name
        # A package runs before its modules.
        waiting += [name.rpartition(".")[0]] if "." in name else []
        for other in imports_at_the_top(every[name]):
            if other in every:
                waiting.append(other)
            elif other.partition(".")[0] not in architecture.PACKAGES | sys.stdlib_module_names:
                assert other.partition(".")[0] in NEEDS, f"{name} imports {other}"
    assert "fer_models.recognizer.quality" in seen


def test_it_holds_all_ready_networks_and_no_others():
    held = {path.as_posix() for path in files()}
    for folder in (bundled.FOLDER, compiled_mtcnn.FOLDER):
        place = folder.relative_to(ROOT).as_posix()
        for entry in ready_files.entries(folder).values():
            assert f"{place}/{entry['file']}" in held
    assert not [name for name in held if name.endswith((".npz", ".keras", ".h5"))]
    size = sum((ROOT / path).stat().st_size for path in files())
    assert size < 22_000_000


def test_it_says_what_the_whole_says():
    lite, all_of_it = pyproject(LITE), pyproject(ROOT)
    for key in ("requires-python", "license", "authors", "scripts"):
        assert lite["project"][key] == all_of_it["project"][key]
    # The whole knows of Windows, where it has TensorFlow's interpreter.
    needs = {line.partition(";")[0] for line in all_of_it["project"]["dependencies"]}
    assert set(lite["project"]["dependencies"]) <= needs
    extras = lite["project"]["optional-dependencies"]
    assert extras["web"] == all_of_it["project"]["optional-dependencies"]["web"]
    assert (LITE / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


@pytest.mark.slow
def test_the_wheel(tmp_path):
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", tmp_path, LITE]
    made = subprocess.run(command, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    (path,) = tmp_path.glob("*.whl")
    version = pyproject(ROOT)["project"]["version"]
    assert path.name == f"fer_keras_lite-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path) as opened:
        names = {name for name in opened.namelist() if ".dist-info/" not in name}
        assert names == {each.as_posix() for each in files()}
        assert f"fer_keras_lite-{version}.dist-info/licenses/LICENSE" in opened.namelist()


def test_the_dockerfile_builds_from_its_context_and_runs_as_a_user():
    steps = container_steps.instructions((ROOT / "Dockerfile").read_text(encoding="utf-8"))
    sent = container_steps.context((ROOT / ".dockerignore").read_text(encoding="utf-8"))
    # All that the wheel is made of gets into the context.
    for path in files():
        assert path.parts[0] in sent, path
    for name in ("packaging", "pyproject.toml", "LICENSE"):
        assert name in sent
        assert (ROOT / name).exists()
    words = [word for word, _ in steps]
    run = next(line for word, line in reversed(steps) if word == "RUN")
    assert "[web]" in run
    (user,) = (line for word, line in steps if word == "USER")
    assert user != "root"
    assert re.search(rf"useradd .*--uid [1-9]\d* {user}\b", run)
    # Nothing runs as root after it.
    assert not {"RUN", "USER"} & set(words[words.index("USER") + 1 :])
    assert container_steps.by_hand("pip wheel -w /wheel /source/x && useradd a", "/f") == (
        "pip wheel -w /f/wheel /f/source/x"
    )


@pytest.fixture
def only_lite(monkeypatch):
    """As if the whole were not installed."""

    def find(name, package=None):
        return None if name == "fer_layers" else FIND(name, package)

    class Missing:
        def find_spec(self, name, path=None, target=None):
            if name in ("fer_models.families.resnet18", "fer_models.cli.audit"):
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    monkeypatch.delitem(fer_models.__dict__, "resnet18", raising=False)
    for name in ("fer_models.families.resnet18", "fer_models.cli.audit"):
        monkeypatch.delitem(sys.modules, name, raising=False)


FIND = importlib.util.find_spec


def test_what_is_left_out_says_what_to_install(only_lite, capsys):
    assert whole.distribution() == "fer-keras-lite"
    with pytest.raises(ImportError, match=r"fer_models\.resnet18 needs .*, then pip install \. \("):
        _ = fer_models.resnet18
    assert main(["audit", "--help"]) == 2
    assert "pip uninstall fer-keras-lite, then pip install . (" in capsys.readouterr().err
    with (
        pytest.raises(ModuleNotFoundError, match="some_library"),
        whole.needs_whole("This"),
    ):
        raise ModuleNotFoundError("No module named 'some_library'", name="some_library")


def test_extras_are_named_without_an_index(only_lite):
    assert pyproject(LITE)["project"]["optional-dependencies"].keys() == set(whole.LITE_EXTRAS)
    own, others = whole.how_to_install("web"), whole.how_to_install("faces", "web")
    assert own.startswith("Install the extra web of fer-keras-lite: docs/index.md#without-tensorfl")
    assert others.endswith('then pip install ".[faces,web]" (docs/index.md#install)')
    for text in (own, others):
        assert 'pip install "fer-keras' not in text


def test_in_the_whole_a_missing_module_is_what_it_is():
    assert whole.distribution() == "fer-keras"
    with pytest.raises(ModuleNotFoundError, match="keras") as caught, whole.needs_whole("This"):
        raise ModuleNotFoundError("No module named 'keras'", name="keras")
    assert "fer-keras" not in str(caught.value)
