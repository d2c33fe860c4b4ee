"""Imports point one way: fer_layers <- fer_models -> fer_data."""

import ast
import collections
import functools
import json
import os
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"fer_layers", "fer_models", "fer_data"}
MAY_IMPORT = {"fer_layers": set(), "fer_data": set(), "fer_models": {"fer_layers", "fer_data"}}
HEAVY = {"cv2", "dlib", "sklearn", "matplotlib"}
LAYERS_NEED = {"keras", "numpy"}


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules(package):
    """Return `{module name: path}` of a package."""
    return {module_name(path): path for path in sorted((ROOT / package).rglob("*.py"))}


def imports(tree, name, is_package):
    """Return the dotted names that a module's syntax tree imports, wherever in it.

    `from a import b` counts as `a` and `a.b`, since `b` may be a module. Imports inside functions
    and those for type checkers count too.
    """
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = name.split(".")
                above = above[: len(above) - node.level + is_package]
                base = ".".join(above + ([base] if base else []))
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return found


@functools.cache
def imports_of(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return imports(tree, module_name(path), path.name == "__init__.py")


def modules_imported(path, files):
    """Return the modules among `files` that a module imports, the nearest name of each."""
    found = imports_of(path) & files.keys()
    # Of `from a import b` with a module `a.b`, `a` is only the way there.
    return {name for name in found if not any(each.startswith(f"{name}.") for each in found)}


def roots(names):
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_imports_point_one_way(package):
    allowed = MAY_IMPORT[package] | {package}
    wrong = {
        name: sorted(found)
        for name, path in modules(package).items()
        if (found := (roots(imports_of(path)) & PACKAGES) - allowed)
    }
    assert not wrong, f"{package} may import {sorted(MAY_IMPORT[package]) or 'neither'}: {wrong}"


def test_layers_import_keras_and_nothing_else():
    allowed = LAYERS_NEED | sys.stdlib_module_names | {"fer_layers"}
    wrong = {
        name: sorted(found)
        for name, path in modules("fer_layers").items()
        if (found := roots(imports_of(path)) - allowed)
    }
    assert not wrong


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_packages_import_nothing_from_tests_or_examples(package):
    outside = {"tests", "helpers", "examples", "benchmarks"}
    for name, path in modules(package).items():
        assert not roots(imports_of(path)) & outside, name


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_modules_do_not_import_in_a_circle(package):
    files = modules(package)
    graph = {}
    for name, path in files.items():
        # A module's own package runs before it anyhow; that is how packages work, no circle.
        inside = modules_imported(path, files)
        graph[name] = {other for other in inside if not name.startswith(f"{other}.")} - {name}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


MEASURING = ("evaluation", "explain", "privacy", "robustness", "auditing")
BUILDING = (
    "fer_models.families",
    "fer_models.training",
    "fer_models.zoo.loading",
    "fer_models.zoo.registry",
)


@pytest.mark.parametrize("part", MEASURING)
def test_what_measures_a_model_builds_and_trains_none(part):
    files = modules("fer_models")
    for name, path in files.items():
        if name.startswith(f"fer_models.{part}"):
            wrong = [other for other in imports_of(path) if other.startswith(BUILDING)]
            assert not wrong, f"{name} imports {wrong}"


def test_no_two_modules_have_one_name():
    """Names of modules; the command's modules bear the names of its subcommands."""
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    names = collections.Counter(path.stem for path in paths if path.parent.name != "cli")
    twice = {name for name, count in names.items() if count > 1} - {"__init__"}
    assert not twice, [str(path) for path in paths if path.stem in twice]


EXAMPLES = {path.stem: path for path in sorted((ROOT / "examples").glob("*.py"))}


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_short_and_use_public_names(name):
    text = EXAMPLES[name].read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 80
    assert "sys.path" not in text
    found = imports_of(EXAMPLES[name])
    assert not roots(found) & {*EXAMPLES, "examples"}
    assert not [each for each in found if "._" in each and not each.endswith("__")]


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda p: p.stem)
def test_benchmarks_leave_the_search_path_alone(path):
    """Python puts the folder of a script on the path by itself."""
    assert "sys.path" not in path.read_text(encoding="utf-8")


# Parts of fer_models that are imported at their first use.
PARTS = ("auditing", "export", "privacy", "robustness", "spotting")
# What building a model does not need.
LATER = (
    "fer_models.auditing",
    "fer_models.cli",
    "fer_models.evaluation",
    "fer_models.explain",
    "fer_models.privacy",
    "fer_models.recognizer",
    "fer_models.robustness",
    "fer_models.training",
    "fer_data.pipelines",
)
# Imports the packages one after another in a fresh process, and prints what came with each. Keras
# itself takes cv2, matplotlib and sklearn where they are installed, so `sys.modules` tells nothing
# of ours: Keras is imported without them, then whatever else asks for them is noted.
IMPORTS = """
import importlib, json, sys

class Refuse:
    asked = set()

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HEAVY:
            self.asked.add(name)
            raise ImportError(name)

def asked_by(name):
    Refuse.asked.clear()
    try:
        importlib.import_module(name)
    except ImportError as error:
        print(name, error, file=sys.stderr)
    return sorted(Refuse.asked)

HEAVY, parts = json.loads(sys.argv[1])
sys.meta_path.insert(0, Refuse())
import fer_models
found = {"keras": "keras" in sys.modules}
import keras
asked = {name: asked_by(name) for name in ("fer_layers", "fer_models")}
fer_models.ghostface
found["modules"] = [name for name in sys.modules if name.startswith("fer_")]
asked |= {part: asked_by(f"fer_models.{part}") for part in parts}
print(json.dumps(found | {"asked": asked}))
"""


@pytest.fixture(scope="module")
def imported():
    """Return what the imports of the packages bring with them."""
    result = subprocess.run(
        [sys.executable, "-c", IMPORTS, json.dumps([sorted(HEAVY), PARTS])],
        # Keras's lightest backend: our modules import the same with each.
        env=os.environ | {"KERAS_BACKEND": "numpy"},
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_imports_pull_in_no_heavy_packages(imported):
    assert imported["asked"] == {name: [] for name in ("fer_layers", "fer_models", *PARTS)}


def test_import_of_fer_models_loads_the_builders_and_nothing_else(imported):
    assert not imported["keras"]
    assert "fer_models.families.ghostface" in imported["modules"]
    assert not [name for name in imported["modules"] if name.startswith(LATER)]


def test_the_walk_finds_what_it_is_for():
    source = """
import keras.ops
from . import labels
from ..fer_models import recipes
if TYPE_CHECKING:
    import fer_unseen
def later():
    import cv2
class Box:
    import dlib
try:
    import sklearn
except ImportError:
    pass
"""
    tree = ast.parse(source)
    found = imports(tree, "fer_data.images", False)
    assert {"keras.ops", "fer_data.labels", "fer_models.recipes", "cv2", "dlib", "sklearn"} <= found
    assert "fer_unseen" in found
    nested = imports(ast.parse("from .faces import boxes"), "fer_data", True)
    assert nested == {"fer_data.faces", "fer_data.faces.boxes"}
