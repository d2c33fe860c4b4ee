"""Settings of every test: hypothesis draws the same examples in every run, at any speed."""

import functools
import os

import pytest
from hypothesis import settings

settings.register_profile("reproducible", derandomize=True, deadline=None)
settings.load_profile("reproducible")
if os.environ.get("KERAS_BACKEND") == "jax":
    # Small tests wait for the compiler, not for what it compiles.
    os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")


@pytest.fixture
def untraced(monkeypatch):
    """Let TensorFlow run what models compile op by op.

    Tracing takes far longer than the few batches of a small test. Each file that uses this has
    tests without it, too.
    """
    import keras

    if keras.backend.backend() == "tensorflow":
        plain = keras.Model.compile
        monkeypatch.setattr(
            keras.Model, "compile", functools.partialmethod(plain, run_eagerly=True)
        )
