"""TensorFlow without Keras and JAX, for a command that needs neither."""

import sys

# What TensorFlow loads beside itself where it is there: Keras with scikit-learn, matplotlib and
# pandas, and JAX for a converter. Together they take 300 MiB and half of the time.
BESIDE = ("keras", "jax")


def load() -> None:
    """Import TensorFlow alone, unless it is there already.

    Keras and JAX may be imported later, and `tensorflow.keras` is found then as an attribute. The
    statement `import tensorflow.keras` does not work any more, nor TensorFlow Lite's converter of
    JAX's functions: call this in a process of our own, and not in a user's notebook.
    """
    if "tensorflow" in sys.modules:
        return
    hidden = [name for name in BESIDE if name not in sys.modules]
    # None is Python's mark of a module that cannot be imported.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        import tensorflow  # noqa: F401
    finally:
        for name in hidden:
            del sys.modules[name]
