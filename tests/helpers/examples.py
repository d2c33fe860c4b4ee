"""Load a script of `examples/` or `benchmarks/` as a module."""

import contextlib
import importlib.util
import sys

import pytest
from helpers.shared import ROOT


def load_example(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def loaded_benchmark(name):
    """Give a script of `benchmarks/` under its own name, with the scripts that it imports."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUDA_VISIBLE_DEVICES", "-1")
        patch.syspath_prepend(ROOT / "benchmarks")
        yield importlib.import_module(name)
    for path in (ROOT / "benchmarks").glob("*.py"):
        if path.stem not in before:
            sys.modules.pop(path.stem, None)
