"""Settings of every test: hypothesis draws the same examples in every run, at any speed."""

import os

import pytest
from hypothesis import settings

settings.register_profile("reproducible", derandomize=True, deadline=None, max_examples=25)
settings.load_profile("reproducible")


def pytest_configure(config):
    # Small tests wait for the compiler, not for what it compiles. The slow ones do compute, and
    # they train: unoptimised, the gradient of a maximum is now and then not a number.
    if os.environ.get("KERAS_BACKEND") == "jax" and "not slow" in config.getoption("markexpr"):
        os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")


@pytest.fixture
def untraced(monkeypatch):
    """Let TensorFlow run models op by op, compiled or not.

    Tracing takes far longer than the few batches of a small test. Training has tests without this
    in the files of the recipes, of resuming, of the webcam CNN and of the main job.
    """
    import keras

    if keras.backend.backend() == "tensorflow":
        always = property(lambda model: True, lambda model, value: None)
        monkeypatch.setattr(keras.Model, "run_eagerly", always)
