"""A function as a LiteRT model: the fast way to run a small network on one picture at a time."""

import threading
import warnings
from collections import OrderedDict

import numpy as np

# Interpreters of one function are kept for so many shapes, those used last.
MOST_SHAPES = 32


def lite(function, shape, threads=1):
    """Convert a function of one picture, with the weights of the moment, to LiteRT.

    TensorFlow's own graphs spend most of a small network's time between its operations: LiteRT
    takes a quarter of it on a processor. It runs pictures one after the other, which it does no
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
    return _Lite(_converted(function, shape), threads)


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
            interpreter = _new_interpreter(self._content, self._threads)
            source = interpreter.get_input_details()[0]
            if tuple(source["shape"][1:]) != shape:
                interpreter.resize_tensor_input(source["index"], (1, *shape), strict=True)
            interpreter.allocate_tensors()
            known = interpreter, source, interpreter.get_output_details()[0]
        self._interpreters[shape] = known
        if len(self._interpreters) > MOST_SHAPES:
            self._interpreters.popitem(last=False)
        return known


def _converted(function, shape):
    import tensorflow as tf
    from tensorflow.lite.python.convert_phase import ConverterError

    signature = [tf.TensorSpec((1, *shape), tf.float32)]
    graph = tf.function(
        lambda picture: function(picture), input_signature=signature, autograph=False
    )
    # With the function named as their owner the weights become constants directly, without a
    # saved model in between.
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [graph.get_concrete_function()], graph
    )
    try:
        return converter.convert()
    except ConverterError as error:
        raise NotConvertibleError(f"LiteRT cannot take this function: {error}") from error


def _new_interpreter(content, threads):
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        from tensorflow.lite.python.interpreter import Interpreter

    with warnings.catch_warnings():
        # TensorFlow's copy says that the package above is to take its place.
        warnings.simplefilter("ignore", UserWarning)
        return Interpreter(model_content=content, num_threads=threads)
