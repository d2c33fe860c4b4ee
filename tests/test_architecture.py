"""Imports point one way: fer_layers <- fer_models -> fer_data."""

import ast
import collections
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"fer_layers", "fer_models", "fer_data"}
MAY_IMPORT = {"fer_layers": set(), "fer_data": set(), "fer_models": {"fer_layers", "fer_data"}}
# Modules whose name says the same in each of their folders.
ALIKE = {"__init__"}
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
BUILDING = ("fer_models.families", "fer_models.training", "fer_models.zoo.registry")


@pytest.mark.parametrize("part", MEASURING)
def test_what_measures_a_model_builds_and_trains_none(part):
    files = modules("fer_models")
    for name, path in files.items():
        if name.startswith(f"fer_models.{part}"):
            wrong = [other for other in imports_of(path) if other.startswith(BUILDING)]
            assert not wrong, f"{name} imports {wrong}"


def test_no_two_modules_have_one_name():
    """Names that several folders may have are listed; any other stands once."""
    files = [name for package in PACKAGES for name in modules(package)]
    names = collections.Counter(name.rpartition(".")[2] for name in files)
    twice = {name for name, count in names.items() if count > 1}
    assert twice <= PACKAGES | ALIKE, {n for n in files if n.rpartition(".")[2] in twice - ALIKE}


# Keras itself takes cv2, matplotlib and sklearn where they are installed, so `sys.modules` tells
# nothing of ours: Keras is imported first, without them, then whatever else asks for them is noted.
ASKS_FOR_HEAVY = """
import sys

class Refuse:
    asked = set()

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {heavy}:
            self.asked.add(name)
            raise ImportError(name)

sys.meta_path.insert(0, Refuse())
import keras
Refuse.asked.clear()
try:
    {statement}
finally:
    print(*Refuse.asked)
"""


def heavy_packages_of(statement):
    script = ASKS_FOR_HEAVY.format(heavy=HEAVY, statement=statement)
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    return result.stdout.split(), result


# Parts of fer_models that are imported at their first use.
PARTS = ("auditing", "export", "privacy", "robustness", "spotting")
LATER = ", ".join(f"fer_models.{part}" for part in PARTS)


@pytest.mark.parametrize("packages", ["fer_layers", f"fer_models, {LATER}"])
def test_import_does_not_pull_in_heavy_packages(packages):
    asked, result = heavy_packages_of(f"import {packages}")
    assert result.returncode == 0, result.stderr
    assert not asked


# What building a model does not need.
LATER_PARTS = (
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


def test_import_of_fer_models_loads_the_builders_and_nothing_else():
    script = (
        "import sys, fer_models; assert 'keras' not in sys.modules; fer_models.ghostface; "
        "print(*[n for n in sys.modules if n.startswith('fer_')])"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr
    loaded = result.stdout.split()
    assert "fer_models.families.ghostface" in loaded
    assert not [name for name in loaded if name.startswith(LATER_PARTS)]


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
