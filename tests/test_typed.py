"""Public functions, constructors and methods say what they take and give, for editors."""

import ast
from pathlib import Path

import pytest

import fer_data.faces
import fer_models
import fer_models.web

ROOT = Path(__file__).resolve().parents[1]
FILES = {
    path.relative_to(ROOT).as_posix(): path
    for package in ("fer_layers", "fer_models", "fer_data")
    for path in sorted((ROOT / package).rglob("*.py"))
}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def is_public(name):
    """Return whether a name is meant for others: no underscore, or one of Python's methods."""
    return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))


def public_functions(tree, owner=""):
    """Yield name and syntax tree of the public functions and methods of a module."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, FUNCTIONS) and is_public(node.name):
            yield owner + node.name, node
        elif isinstance(node, ast.ClassDef) and is_public(node.name):
            yield from public_functions(node, f"{owner}{node.name}.")
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            yield from public_functions(node, owner)


def lacking(function):
    """Return the names of what has no annotation: parameters and `return`."""
    given = function.args
    parameters = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    names = [
        each.arg
        for each in parameters
        if each is not None and each.annotation is None and each.arg not in ("self", "cls")
    ]
    return names if function.returns is not None else [*names, "return"]


def unannotated(tree):
    """Return `{name: what lacks}` of everything public in a module."""
    found = {name: lacking(function) for name, function in public_functions(tree)}
    return {name: names for name, names in found.items() if names}


def test_everything_public_is_annotated():
    lacks = {
        name: found
        for name, path in FILES.items()
        if (found := unannotated(ast.parse(path.read_text(encoding="utf-8"))))
    }
    assert lacks == {}


@pytest.mark.parametrize("package", [fer_models, fer_data.faces, fer_models.web])
def test_type_checkers_see_what_is_imported_at_its_first_use(package):
    tree = ast.parse(Path(package.__file__).read_text(encoding="utf-8"))
    seen = {
        alias.asname or alias.name
        for node in tree.body
        for each in (node.body if isinstance(node, ast.If) else [node])
        if isinstance(each, ast.ImportFrom)
        for alias in each.names
    }
    assert set(package.__all__) <= seen
    assert all(hasattr(package, name) for name in package.__all__)
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = package.nothing


def test_the_walk_finds_what_it_is_for():
    source = """
def whole(size: int, *rest: int, name: str = "half", **options: str) -> None: ...
def half(size: int, *rest, name="half", **options): ...
def _private(size): ...
class Half:
    def __init__(self, size, /): ...
    def _private(self, size): ...
    async def area(self, unit: str): ...
    class Inner:
        @property
        def shape(self): ...
class _Private:
    def area(self): ...
if True:
    def later(size) -> int: ...
"""
    assert unannotated(ast.parse(source)) == {
        "half": ["name", "rest", "options", "return"],
        "Half.__init__": ["size", "return"],
        "Half.area": ["return"],
        "Half.Inner.shape": ["return"],
        "later": ["size"],
    }
    recognizer = ast.parse(FILES["fer_models/recognizer/recognizer.py"].read_text(encoding="utf-8"))
    assert "Recognizer.photo" in dict(public_functions(recognizer))
    assert "fer_layers/ghost.py" in FILES
