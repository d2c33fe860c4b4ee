"""Exported models as functions, to compare and to time them, or to use them from Python."""

import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np

from fer_data import arguments
from fer_data.compiled.lite_runner import new_interpreter

BATCH = 32  # examples at a time where a format takes any number


@arguments.checked(path=arguments.path)
def load(
    path: str | os.PathLike[str], threads: int | None = None
) -> Callable[[np.ndarray | dict[str, np.ndarray]], np.ndarray]:
    """Return an exported model as a function.

    Args:
        path: A `.tflite` file, an `.onnx` file, or the folder of a SavedModel, as `export` writes
            them.
        threads: How many of the processor's cores work on it; default: all. A SavedModel uses
            TensorFlow's own threads.

    Returns:
        A function from an array `(n, ...)`, or a dictionary of such arrays by the name of the
        input where there are several, to the array of the outputs `(n, ...)`.

    Raises:
        ValueError: If `path` names no such file, or `threads` is below 1.
        ImportError: If the package that runs it is missing.

    Example:

    ```python
    run = load("ghostface.tflite")
    probabilities = run(faces)
    ```
    """
    path = Path(path)
    if threads is None:
        threads = os.cpu_count() or 1
    elif isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise ValueError(
            f"`threads` must be None or an integer of 1 or more. Received: threads={threads!r}"
        )
    if path.suffix == ".tflite" and path.is_file():
        return _LiteRT(path, threads)
    if path.suffix == ".onnx" and path.is_file():
        return _ONNX(path, threads)
    if (path / "saved_model.pb").is_file():
        return _SavedModel(path)
    raise ValueError(
        "`path` must name a .tflite file, an .onnx file or the folder of a SavedModel. "
        f"Received: path={str(path)!r}"
    )


class _Exported:
    """A function of a batch; subclasses know `names`, the model's inputs, and run `_batch`."""

    size = BATCH

    def __call__(self, inputs):
        arrays = self._by_name(inputs)
        count = len(next(iter(arrays.values())))
        if not count or any(len(array) != count for array in arrays.values()):
            raise ValueError(
                "`inputs` must hold as many examples for each input, one at least. Received: "
                f"{ {name: array.shape for name, array in arrays.items()} }"
            )
        return np.concatenate(
            [
                self._batch({name: array[at : at + self.size] for name, array in arrays.items()})
                for at in range(0, count, self.size)
            ]
        )

    def _by_name(self, inputs):
        if not isinstance(inputs, dict):
            if len(self.names) > 1:
                raise ValueError(
                    f"`inputs` must be a dictionary of arrays by the names {self.names}. "
                    f"Received: {type(inputs).__name__}"
                )
            inputs = {self.names[0]: inputs}
        if set(inputs) != set(self.names):
            raise ValueError(
                f"`inputs` must have the names {self.names}. Received: {sorted(inputs)}"
            )
        return {name: np.ascontiguousarray(array, np.float32) for name, array in inputs.items()}


class _LiteRT(_Exported):
    size = 1  # as it was converted

    def __init__(self, path, threads):
        self._interpreter = new_interpreter(threads, model_path=str(path))
        self._interpreter.allocate_tensors()
        details = self._interpreter.get_input_details()
        self._sources = {each["name"].partition(":")[0]: each for each in details}
        self.names = list(self._sources)
        self._target = self._interpreter.get_output_details()[0]["index"]

    def _batch(self, arrays):
        for name, array in arrays.items():
            source = self._sources[name]
            if tuple(source["shape"]) != array.shape:
                # A model of an open size: the memory is planned anew for each.
                self._interpreter.resize_tensor_input(source["index"], array.shape, strict=True)
                self._interpreter.allocate_tensors()
                source["shape"] = array.shape
        for name, array in arrays.items():
            self._interpreter.set_tensor(self._sources[name]["index"], array)
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._target)


class _ONNX(_Exported):
    def __init__(self, path, threads):
        runtime = needs("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = runtime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self.names = [source.name for source in self._session.get_inputs()]

    def _batch(self, arrays):
        return self._session.run(None, arrays)[0]


class _SavedModel(_Exported):
    def __init__(self, path):
        import tensorflow as tf

        self._model = tf.saved_model.load(str(path))
        self._function = self._model.signatures["serving_default"]
        self.names = list(self._function.structured_input_signature[1])

    def _batch(self, arrays):
        import tensorflow as tf

        (outputs,) = self._function(**{k: tf.constant(v) for k, v in arrays.items()}).values()
        return outputs.numpy()


def needs(package: str) -> ModuleType:
    """Return an optional package, or raise `ImportError` with how to install it."""
    import importlib

    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ImportError(
            f'This needs {package!r}: pip install "fer-keras[export]" ({error})'
        ) from error
