"""TripletAttention against the same module written with permutations, as its authors wrote it.

    python benchmarks/triplet_attention.py [--json PATH] [--repeats N] [--batch N]

Both forms get the same weights and the same input, are compiled by the backend, and take turns, so
that a busy machine slows both. Prints a Markdown table: milliseconds of a forward pass (median and
best), their ratio, and the largest difference between the two outputs.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import time
from pathlib import Path

# Faster kernels, which TensorFlow leaves off on processors that are not Intel's.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import numpy as np
from keras import layers, ops

from fer_layers import TripletAttention

SHAPES = [(28, 28, 120), (14, 14, 480), (7, 7, 960)]
TOLERANCE = 1e-5


class PermutingTripletAttention(layers.Layer):
    """Triplet attention in the authors' form: permute, gate, permute back, three times.

    Every branch brings the axis that it pools to the channels' place; channels last here.
    """

    def __init__(self, kernel_size=7, **kwargs):
        super().__init__(**kwargs)
        self.convolutions = [
            layers.Conv2D(1, kernel_size, padding="same", use_bias=False) for _ in range(3)
        ]
        self.norms = [layers.BatchNormalization(momentum=0.99, epsilon=1e-5) for _ in range(3)]

    def build(self, input_shape):
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            convolution.build((None, None, None, 2))
            norm.build((None, None, None, 1))

    def _gate(self, x, index, training):
        pooled = ops.concatenate(
            [ops.max(x, -1, keepdims=True), ops.mean(x, -1, keepdims=True)], axis=-1
        )
        gate = self.norms[index](self.convolutions[index](pooled), training=training)
        return x * ops.sigmoid(gate)

    def call(self, inputs, training=None):
        height = ops.transpose(inputs, (0, 2, 3, 1))
        by_height = ops.transpose(self._gate(height, 0, training), (0, 3, 1, 2))
        width = ops.transpose(inputs, (0, 1, 3, 2))
        by_width = ops.transpose(self._gate(width, 1, training), (0, 1, 3, 2))
        by_channel = self._gate(inputs, 2, training)
        return (by_height + by_width + by_channel) / 3


def pair(shape, batch):
    """Return both forms with the same random weights, and an input for them."""
    rng = np.random.default_rng(0)
    x = ops.convert_to_tensor(rng.normal(size=(batch, *shape)).astype("float32"))
    fast, permuting = TripletAttention(data_format="channels_last"), PermutingTripletAttention()
    fast.build(x.shape)
    permuting.build(x.shape)
    gates = (fast.width_gate, fast.height_gate, fast.spatial_gate)
    for gate, convolution, norm in zip(gates, permuting.convolutions, permuting.norms, strict=True):
        kernel = rng.normal(0, 0.1, gate.kernel.shape).astype("float32")
        gate.kernel.assign(kernel)
        convolution.kernel.assign(kernel)
        for ours, theirs in zip(gate.norm.weights, norm.weights, strict=True):
            value = rng.uniform(0.5, 1.5, ours.shape).astype("float32")
            ours.assign(value)
            theirs.assign(value)
    return fast, permuting, x


def compiled(layer):
    """Return a function of the layer's inference, compiled by the backend, that waits for it."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        function = tf.function(lambda x: layer(x, training=False))
        return lambda x: function(x).numpy()
    if backend == "jax":
        import jax

        trainable = [v.value for v in layer.trainable_variables]
        frozen = [v.value for v in layer.non_trainable_variables]
        function = jax.jit(lambda x: layer.stateless_call(trainable, frozen, x, training=False)[0])
        return lambda x: np.asarray(function(x))
    import torch

    def run(x):
        with torch.inference_mode():
            return layer(x, training=False).cpu().numpy()

    return run


def interleaved(functions, x, repeats, warm_up=3):
    """Return the seconds of `repeats` calls of every function, called in turn."""
    for function in functions * warm_up:
        function(x)
    seconds = [[] for _ in functions]
    for _ in range(repeats):
        for taken, function in zip(seconds, functions, strict=True):
            start = time.perf_counter()
            function(x)
            taken.append(time.perf_counter() - start)
    return seconds


def measure(shape, batch, repeats):
    """Return the figures of one input shape as a dictionary."""
    fast, permuting, x = pair(shape, batch)
    functions = [compiled(permuting), compiled(fast)]
    difference = float(np.abs(functions[0](x) - functions[1](x)).max())
    if difference > TOLERANCE:
        raise SystemExit(f"The two forms differ by {difference:.2g} at {shape}.")
    slow, quick = interleaved(functions, x, repeats)
    row = {"shape": list(shape), "batch": batch, "max_abs_difference": difference}
    for name, statistic in (("median", statistics.median), ("best", min)):
        row[f"permuting_ms_{name}"] = statistic(slow) * 1e3
        row[f"fast_ms_{name}"] = statistic(quick) * 1e3
        row[f"ratio_{name}"] = statistic(slow) / statistic(quick)
    return row


def environment():
    """Return what the figures depend on."""
    backend = keras.backend.backend()
    return {
        "date": datetime.date.today().isoformat(),
        "backend": f"{backend} {__import__(backend).__version__}",
        "keras": keras.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }


def table(rows):
    """Return the rows as a Markdown table."""
    lines = [
        "| input | permuting, ms | ours, ms | ratio | best: permuting, ours | ratio | difference |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        size = "x".join(str(n) for n in row["shape"])
        lines.append(
            f"| {row['batch']}x{size} | {row['permuting_ms_median']:.2f} "
            f"| {row['fast_ms_median']:.2f} | {row['ratio_median']:.2f} "
            f"| {row['permuting_ms_best']:.2f}, {row['fast_ms_best']:.2f} "
            f"| {row['ratio_best']:.2f} | {row['max_abs_difference']:.1g} |"
        )
    return "\n".join(lines)


def run(description, cases, measure, table, arguments=None):
    """Measure all cases by the command line's options, print the table, write the figures."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=60)
    parser.add_argument("--json", metavar="PATH", type=Path, help="write the figures there too")
    options = parser.parse_args(arguments)
    if options.json and not options.json.parent.is_dir():
        parser.error(f"--json: no such folder. Received: {options.json}")
    if options.batch < 1 or options.repeats < 1:
        parser.error("--batch and --repeats must be at least 1")
    figures = {"environment": environment(), "rows": []}
    print(", ".join(f"{key}: {value}" for key, value in figures["environment"].items()))
    figures["rows"] = [measure(*case, options.batch, options.repeats) for case in cases]
    print(table(figures["rows"]))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def main(arguments=None):
    run(__doc__, [(shape,) for shape in SHAPES], measure, table, arguments)


if __name__ == "__main__":
    main()
