"""A function as a LiteRT model: the fast way to run a small network on one picture at a time."""

import threading
import warnings
from collections import OrderedDict

import numpy as np

# Interpreters of one function are kept for so many shapes, those used last.
MOST_SHAPES = 32


def lite(function, shape, threads=1):
    """Convert a function of one picture, with the weights of the moment, to LiteRT.

    TensorFlow's own graphs spend most of a small network's time between its operations, which
    LiteRT does not. It runs pictures one after the other, which it does no
    faster together.

    Args:
        function: Function from a float32 tensor `(1, ...)` to one tensor `(1, ...)`, such as a
            Keras model on the TensorFlow backend.
        shape: Shape of a picture without the batch, `None` where it varies.
        threads: How many of the processor's cores work on a picture.

    Returns:
        A function from float32 pictures `(n, ...)`, arrays or tensors, to an array of their
        results `(n, ...)`. It may be called from several threads, which take turns.

    Raises:
        NotConvertibleError: if LiteRT has no counterpart of an operation.
    """
    import tensorflow as tf

    signature = [tf.TensorSpec((1, *shape), tf.float32)]
    graph = tf.function(
        lambda picture: function(picture), input_signature=signature, autograph=False
    )
    return _Lite(convert(graph), threads)


class NotConvertibleError(ValueError):
    """A function uses operations that LiteRT does not have."""


class _Lite:
    def __init__(self, content, threads):
        self._content, self._threads = content, threads
        self._interpreters = OrderedDict()
        # An interpreter holds its input and output between two calls.
        self._lock = threading.Lock()

    def __call__(self, pictures):
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


def convert(graph, eight_bits=False, representative=None):
    """Convert a `tf.function` with an input signature to the bytes of a LiteRT model.

    Args:
        graph: The function, of tensors of known batch size.
        eight_bits: Whether weights are rounded to 8 bits.
        representative: Function that gives lists of inputs like those of later use, for 8 bits in
            what is computed between the layers too, or `None`.

    Raises:
        NotConvertibleError: if LiteRT has no counterpart of an operation.
    """
    import tensorflow as tf
    from tensorflow.lite.python.convert_phase import ConverterError

    # With the function named as their owner the weights become constants directly, without a
    # saved model in between: seconds instead of minutes.
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [graph.get_concrete_function()], graph
    )
    if eight_bits:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    try:
        return converter.convert()
    except ConverterError as error:
        raise NotConvertibleError(f"LiteRT cannot take this model: {error}") from error


def new_interpreter(threads, **source):
    """Return a LiteRT interpreter of `model_content=` bytes or the file `model_path=`."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        # TensorFlow's own copy, the same code of an earlier state.
        from tensorflow.lite.python.interpreter import Interpreter

    with warnings.catch_warnings():
        # TensorFlow's copy says that the package above is to take its place.
        warnings.simplefilter("ignore", UserWarning)
        return Interpreter(num_threads=threads, **source)
