"""How long a training step takes on TensorFlow with fused operations and without.

    python benchmarks/fused_steps.py [--repeats N] [--json PATH]

`fer train` computes with the operations of `fer_models.training.fused_steps`. Each network takes
steps on one random batch, compiled once with these operations and once without, in turns, in
float32 and in mixed bfloat16. Prints a Markdown table: milliseconds a step (median; lowest to
highest) and their ratio, measured in one run.
"""

import argparse
import contextlib
import datetime
import json
import os
import platform
import statistics
import time
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

import fer_models
from fer_models.training import fused_steps

BATCH, WARM_UP = 64, 3
MODELS = {
    "MobileNet of `faceres_teacher`, 96x96": lambda: fer_models.pretrained_classifier(
        trunk="faceres", input_shape=(96, 96, 1)
    ),
    "GhostFace of `ghostface_small`, 48x48": lambda: fer_models.ghostface(
        input_shape=(48, 48, 1), stem_strides=1, noise_layers=0
    ),
}
WAYS = {"without": contextlib.nullcontext, "with": fused_steps.installed}


def stepping(build, precision, installed):
    """Return a function of one training step, past its compilation."""
    keras.config.set_dtype_policy(precision)
    model = build()
    model.compile(optimizer=keras.optimizers.AdamW(1e-4), loss="categorical_crossentropy")
    rng = np.random.default_rng(0)
    classes = model.output_shape[-1]
    images = rng.uniform(0, 255, size=(BATCH, *model.input_shape[1:])).astype("float32")
    labels = np.eye(classes, dtype="float32")[rng.integers(classes, size=BATCH)]
    with installed():
        for _ in range(WARM_UP):
            model.train_on_batch(images, labels)
    return lambda: model.train_on_batch(images, labels)


def measured(build, precision, repeats):
    """Return `{way: milliseconds of each step}`."""
    steps = {way: stepping(build, precision, installed) for way, installed in WAYS.items()}
    taken = {way: [] for way in WAYS}
    for _ in range(repeats):
        for way, step in steps.items():
            start = time.perf_counter()
            step()
            taken[way].append(1000 * (time.perf_counter() - start))
    return taken


def row(name, precision, taken):
    """Return a row of the table as a dictionary."""
    middle = {way: statistics.median(taken[way]) for way in WAYS}
    return {
        "network": name,
        "precision": precision,
        "ms": {w: [middle[w], min(taken[w]), max(taken[w])] for w in WAYS},
        "ratio": middle["without"] / middle["with"],
    }


def table(rows):
    """Return the rows as a Markdown table."""
    lines = [
        "| network | precision | without, ms a step | with, ms a step | ratio |",
        "|---|---|---:|---:|---:|",
    ]
    for each in rows:
        cells = [
            "{:.0f} ({:.0f} to {:.0f})".format(*each["ms"][way]) for way in ("without", "with")
        ]
        lines.append(
            f"| {each['network']} | {each['precision']} | {cells[0]} | {cells[1]} "
            f"| {each['ratio']:.2f} |"
        )
    return "\n".join(lines)


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(arguments)
    print(
        f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, Keras {keras.__version__}, TensorFlow {tf.__version__}, "
        f"batches of {BATCH}\n"
    )
    rows = [
        row(name, precision, measured(build, precision, args.repeats))
        for name, build in MODELS.items()
        for precision in ("float32", "mixed_bfloat16")
    ]
    print(table(rows))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
