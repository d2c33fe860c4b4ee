"""GhostModule against a plain convolution, batch norm and ReLU of the same width.

    python benchmarks/ghost_module.py [--json PATH] [--repeats N] [--batch N]

The two give maps of the same shape, not the same numbers: a ghost module computes half of its maps
from the other half. Both are compiled by the backend and take turns, so that a busy machine slows
both. Prints a Markdown table: multiply-accumulates, milliseconds of a forward pass (median and
best), and the ratios, of the work and of the time.
"""

import statistics

import keras
import numpy as np
from keras import ops
from triplet_attention import compiled, interleaved, run

from fer_layers import ConvNorm, GhostModule
from fer_models.evaluation import complexity

# Input, output channels: the ghost modules of GhostFace at 224x224, first and later stages.
CASES = [((56, 56, 24), 72), ((28, 28, 40), 120), ((14, 14, 80), 480), ((7, 7, 192), 960)]


def macs(layer, shape):
    inputs = keras.Input(shape)
    return complexity(keras.Model(inputs, layer(inputs))).macs


def measure(shape, filters, batch, repeats):
    """Return the figures of one case as a dictionary."""
    ghost = GhostModule(filters, data_format="channels_last")
    plain = ConvNorm(filters, data_format="channels_last")
    row = {"shape": list(shape), "filters": filters, "batch": batch}
    row["plain_macs"], row["ghost_macs"] = macs(plain, shape), macs(ghost, shape)
    row["ratio_macs"] = row["plain_macs"] / row["ghost_macs"]
    x = np.random.default_rng(0).normal(size=(batch, *shape)).astype("float32")
    functions = [compiled(plain), compiled(ghost)]
    seconds = interleaved(functions, ops.convert_to_tensor(x), repeats)
    for name, statistic in (("median", statistics.median), ("best", min)):
        slow, quick = (statistic(each) for each in seconds)
        row[f"plain_ms_{name}"], row[f"ghost_ms_{name}"] = slow * 1e3, quick * 1e3
        row[f"ratio_{name}"] = slow / quick
    return row


def table(rows):
    """Return the rows as a Markdown table."""
    lines = [
        "| input | channels | multiply-accumulates: plain, ghost | ratio | plain, ms | ghost, ms "
        "| ratio | best: plain, ghost | ratio |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        size = "x".join(str(n) for n in row["shape"])
        lines.append(
            f"| {row['batch']}x{size} | {row['filters']} "
            f"| {row['plain_macs']:,}, {row['ghost_macs']:,} | {row['ratio_macs']:.2f} "
            f"| {row['plain_ms_median']:.2f} | {row['ghost_ms_median']:.2f} "
            f"| {row['ratio_median']:.2f} "
            f"| {row['plain_ms_best']:.2f}, {row['ghost_ms_best']:.2f} | {row['ratio_best']:.2f} |"
        )
    return "\n".join(lines)


def main(arguments=None):
    run(__doc__, CASES, measure, table, arguments)


if __name__ == "__main__":
    main()
