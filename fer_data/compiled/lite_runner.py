"""Running LiteRT networks: NumPy and LiteRT's interpreter, neither TensorFlow nor Keras."""

import ctypes
import importlib.util
import math
import os
import threading
import warnings
import weakref
from collections import OrderedDict
from typing import Any

import numpy as np

# A network keeps interpreters for so many input shapes, the last used ones.
MOST_SHAPES = 32
# And for inputs of so many numbers together, since it holds the results of all layers: RetinaFace
# takes about 30 MB for the 900,000 numbers of a picture of 640 x 480.
MOST_NUMBERS = 8_000_000
# More cores than this gain nothing on pictures of a few hundred pixels.
MOST_THREADS = 4
NEEDED = "LiteRT is needed to run this network. Run: pip install ai-edge-litert"
# The networks of this process.
_networks = weakref.WeakSet()


def _after_fork():
    for network in list(_networks):
        network._leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class LiteNetwork:
    """A LiteRT network of one picture, called with any number of pictures.

    It runs the pictures one by one; a batch would not be faster. It may be called from several
    threads, which take turns with pictures of one shape. It can be pickled and copied, and called
    in a forked child: each process and each copy makes interpreters of its own.

    Args:
        content: The bytes of the network, of one input `(1, ...)` and one output `(1, ...)`.
        threads: How many of the processor's cores work on a picture.
        most_shapes: Input shapes for which it keeps an interpreter, with memory for all layers.

    Raises:
        ImportError: If no interpreter is installed.
        ValueError: If the bytes are not such a network.
    """

    def __init__(self, content: bytes, threads: int = 1, most_shapes: int = MOST_SHAPES) -> None:
        self._content, self._threads, self._most_shapes = content, threads, most_shapes
        self._start()
        interpreter = new_interpreter(threads, model_content=content)
        (source,) = interpreter.get_input_details()
        (target,) = interpreter.get_output_details()
        signature, shape = source["shape_signature"][1:], target["shape_signature"][1:]
        #: Shapes of a picture and of its result, None where they vary.
        self.input_shape, self.output_shape = (
            tuple(int(side) if side >= 0 else None for side in sides)
            for sides in (signature, shape)
        )

    def _start(self):
        self._interpreters = OrderedDict()
        self._lock = threading.Lock()
        _networks.add(self)

    def __getstate__(self) -> dict[str, Any]:
        """Return everything but the interpreters, which belong to one process."""
        return {
            name: value
            for name, value in self.__dict__.items()
            if name not in ("_interpreters", "_lock")
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what `__getstate__` gave; interpreters are made at the first call."""
        self.__dict__.update(state)
        self._start()

    def _leave_to_parent(self):
        for interpreter, *_ in self._interpreters.values():
            # Its threads stayed in the parent process. To destroy it here would end the process, at
            # its exit too. So this reference is never released.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(interpreter))
        self._start()

    def __call__(self, pictures: Any) -> np.ndarray:
        """Return the float32 results `(n, ...)` of float32 pictures `(n, ...)`."""
        pictures = np.ascontiguousarray(pictures, np.float32)
        with self._lock:
            interpreter, source, target, turn = self._interpreter(pictures.shape[1:])
        # An interpreter holds its input and output between two calls.
        with turn:
            if not len(pictures):
                return np.zeros((0, *target["shape"][1:]), np.float32)
            results = []
            for place in range(len(pictures)):
                interpreter.set_tensor(source["index"], pictures[place : place + 1])
                interpreter.invoke()
                results.append(interpreter.get_tensor(target["index"]))
        return np.concatenate(results) if len(results) > 1 else results[0]

    def _interpreter(self, shape):
        # One for each shape: resizing an interpreter takes longer than running it.
        known = self._interpreters.pop(shape, None)
        if known is None:
            interpreter = new_interpreter(self._threads, model_content=self._content)
            source = interpreter.get_input_details()[0]
            if tuple(source["shape"][1:]) != shape:
                interpreter.resize_tensor_input(source["index"], (1, *shape), strict=True)
            interpreter.allocate_tensors()
            target = interpreter.get_output_details()[0]
            known = interpreter, source, target, threading.Lock()
        self._interpreters[shape] = known
        while len(self._interpreters) > 1 and self._keeps_too_much():
            self._interpreters.popitem(last=False)
        return known

    def _keeps_too_much(self):
        if len(self._interpreters) > self._most_shapes:
            return True
        return sum(map(math.prod, self._interpreters)) > MOST_NUMBERS


def available() -> bool:
    """Return whether an interpreter is installed: LiteRT's own package, or TensorFlow's copy."""
    if importlib.util.find_spec("ai_edge_litert") is not None:
        return True
    try:
        import tensorflow.lite.python.interpreter  # noqa: F401
    except ImportError:
        return False
    return True


def cores() -> int:
    """Return how many of the processor's cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads_for_a_picture() -> int:
    """Return how many threads to give a picture: one for each core, up to `MOST_THREADS`."""
    return min(cores(), MOST_THREADS)


def new_interpreter(threads: int, **source: Any) -> Any:
    """Return a LiteRT interpreter of `model_content=` bytes or the file `model_path=`.

    Args:
        threads: How many of the processor's cores work on an input.
        **source: `model_content` or `model_path`.

    Raises:
        ImportError: If no interpreter is installed.
        ValueError: If the source is not a LiteRT network.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        # TensorFlow's copy is the same code in an earlier version.
        try:
            from tensorflow.lite.python.interpreter import Interpreter
        except ImportError as error:
            raise ImportError(f"{NEEDED} ({error})") from error

    with warnings.catch_warnings():
        # TensorFlow's copy warns that the package above replaces it.
        warnings.simplefilter("ignore", UserWarning)
        return Interpreter(num_threads=threads, **source)
