"""Running LiteRT networks: NumPy and LiteRT's interpreter, neither TensorFlow nor Keras."""

import importlib.util
import threading
import warnings
from collections import OrderedDict
from typing import Any

import numpy as np

# Interpreters of one network are kept for so many shapes, those used last.
MOST_SHAPES = 32
NEEDED = "LiteRT is needed to run this network. Run: pip install ai-edge-litert"


class LiteNetwork:
    """A LiteRT network of one picture, called with any number of pictures.

    It runs them one after the other, which it does no faster together. It may be called from
    several threads, which take turns.

    Args:
        content: The bytes of the network, of one input `(1, ...)` and one output `(1, ...)`.
        threads: How many of the processor's cores work on a picture.

    Raises:
        ImportError: If no interpreter is installed.
        ValueError: If the bytes are no such network.
    """

    def __init__(self, content: bytes, threads: int = 1) -> None:
        self._content, self._threads = content, threads
        self._interpreters = OrderedDict()
        # An interpreter holds its input and output between two calls.
        self._lock = threading.Lock()
        interpreter = new_interpreter(threads, model_content=content)
        (source,) = interpreter.get_input_details()
        (target,) = interpreter.get_output_details()
        signature, shape = source["shape_signature"][1:], target["shape_signature"][1:]
        #: Shapes of a picture and of its result, None where they vary.
        self.input_shape, self.output_shape = (
            tuple(int(side) if side >= 0 else None for side in sides)
            for sides in (signature, shape)
        )

    def __call__(self, pictures: Any) -> np.ndarray:
        """Return the float32 results `(n, ...)` of float32 pictures `(n, ...)`."""
        pictures = np.ascontiguousarray(pictures, np.float32)
        with self._lock:
            interpreter, source, target = self._interpreter(pictures.shape[1:])
            if not len(pictures):
                return np.zeros((0, *target["shape"][1:]), np.float32)
            results = []
            for place in range(len(pictures)):
                interpreter.set_tensor(source["index"], pictures[place : place + 1])
                interpreter.invoke()
                results.append(interpreter.get_tensor(target["index"]))
        return np.concatenate(results) if len(results) > 1 else results[0]

    def _interpreter(self, shape):
        # One for each shape: to change the shape of one takes longer than to run it.
        known = self._interpreters.pop(shape, None)
        if known is None:
            interpreter = new_interpreter(self._threads, model_content=self._content)
            source = interpreter.get_input_details()[0]
            if tuple(source["shape"][1:]) != shape:
                interpreter.resize_tensor_input(source["index"], (1, *shape), strict=True)
            interpreter.allocate_tensors()
            known = interpreter, source, interpreter.get_output_details()[0]
        self._interpreters[shape] = known
        if len(self._interpreters) > MOST_SHAPES:
            self._interpreters.popitem(last=False)
        return known


def available() -> bool:
    """Return whether an interpreter is installed: LiteRT's own package, or TensorFlow's copy."""
    if importlib.util.find_spec("ai_edge_litert") is not None:
        return True
    try:
        import tensorflow.lite.python.interpreter  # noqa: F401
    except ImportError:
        return False
    return True


def new_interpreter(threads: int, **source: Any) -> Any:
    """Return a LiteRT interpreter of `model_content=` bytes or the file `model_path=`.

    Args:
        threads: How many of the processor's cores work on an input.
        **source: `model_content` or `model_path`.

    Raises:
        ImportError: If no interpreter is installed.
        ValueError: If the source is no LiteRT network.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        # TensorFlow's own copy, the same code of an earlier state.
        try:
            from tensorflow.lite.python.interpreter import Interpreter
        except ImportError as error:
            raise ImportError(f"{NEEDED} ({error})") from error

    with warnings.catch_warnings():
        # TensorFlow's copy says that the package above is to take its place.
        warnings.simplefilter("ignore", UserWarning)
        return Interpreter(num_threads=threads, **source)
