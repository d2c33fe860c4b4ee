"""GhostFace and its like: cost, latency, throughput and memory, each way of running them.

    python benchmarks/models.py [--models NAME ...] [--ways NAME ...] [--batches N ...]
        [--training-batches N ...] [--size N] [--channels N] [--stem-strides N] [--rounds N]
        [--threads N] [--no-memory] [--json PATH] [--markdown PATH]

Weights are random, which changes no time; every model takes pixels of [0, 255] and gives 7 classes.
The ways, all with the same number of threads:

- `eager`: `model(images)`; `predict`: `model.predict(images)`;
- `compiled`: `tf.function`; `xla`: the same with `jit_compile=True`;
- `folded`: `compiled` after `fer_models.export.fold_batch_norm`;
- `litert`, `onnx`: what `fer_models.export.export` writes; `litert-int8` with weights and
  activations of 8 bits, `litert-dynamic` with weights alone. LiteRT takes one image at a time, so a
  batch is as many calls.

What is measured is written after every size of a batch, so that a run that is cut off leaves what
it had.

All models and ways take turns, round after round, so that a busy machine slows all; ratios are of
the same round. A turn lasts a tenth of a second, one call at least. Tables give the median over the
rounds and the lowest and highest. Memory is what loading the model and three calls add to a process
of its own at its peak (Linux alone).
"""

import argparse
import concurrent.futures
import datetime
import functools
import importlib.metadata
import json
import multiprocessing
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Faster kernels, which TensorFlow leaves off on processors that are not Intel's.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import keras
import numpy as np
from tqdm import tqdm

import fer_models
from fer_data.files import write_text
from fer_models.evaluation import complexity
from fer_models.export import export, fold_batch_norm, load

CLASSES = 7
TURN = 0.1  # seconds
AGAINST = ("efficientface", "mobilenet_v2")
# Their formats, and the end of their file names.
FILES = {
    "litert": ("litert", ".tflite"),
    "litert-dynamic": ("litert-int8", "-dynamic.tflite"),
    "litert-int8": ("litert-int8", "-int8.tflite"),
    "onnx": ("onnx", ".onnx"),
}


def mobilenet_v2(input_shape):
    # The others prepare the image themselves.
    image = keras.Input(input_shape, name="image")
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1)(image)
    return keras.applications.MobileNetV2(input_tensor=scaled, weights=None, classes=CLASSES)


def of_keras(builder):
    return functools.partial(builder, weights=None, classes=CLASSES)


OURS = {"ghostface": fer_models.ghostface, "efficientface": fer_models.efficientface}
MODELS = {
    **OURS,
    "mobilenet_v2": mobilenet_v2,
    "mobilenet_v3_small": of_keras(keras.applications.MobileNetV3Small),
    "efficientnet_b0": of_keras(keras.applications.EfficientNetB0),
}


def build(name, shape, stem_strides=None):
    """Return a model for images of a shape; None stands for the first stride of its own."""
    own = {} if stem_strides is None else {"stem_strides": stem_strides}
    return MODELS[name](input_shape=shape, **own)


def pixels(count, shape):
    return np.random.default_rng(0).uniform(0, 255, (count, *shape)).astype("float32")


def file_of(name, way, folder):
    return Path(folder, name + FILES[way][1])


def compiled(model, **options):
    import tensorflow as tf

    function = tf.function(lambda x: model(x, training=False), autograph=False, **options)
    return lambda x: function(tf.constant(x)).numpy()


def runner(model, name, way, folder, threads):
    """Return a function from an array of images to an array, for one way of running a model."""
    if way in FILES:
        return load(file_of(name, way, folder), threads)
    if way == "eager":
        return lambda x: model(x, training=False).numpy()
    if way == "predict":
        return lambda x: model.predict(x, batch_size=len(x), verbose=0)
    if way == "folded":
        return compiled(fold_batch_norm(model))
    return compiled(model, jit_compile=way == "xla")


WAYS = ("eager", "predict", "compiled", "xla", "folded", *FILES)


def write_files(models, ways, folder, shape):
    """Write every model in the formats asked for; return the bytes of each file."""
    sizes = {}
    for name, model in models.items():
        for way in ways:
            if way in FILES:
                shown = pixels(8, shape) if way == "litert-int8" else None
                path = file_of(name, way, folder)
                export(model, path, FILES[way][0], pixels(2, shape), shown, verbose=False)
                sizes[name, way] = path.stat().st_size
    return sizes


def turns(functions, rounds, what):
    """Return the seconds of a call of every function in each round, the functions taking turns."""
    for function in tqdm(functions.values(), desc=f"{what}: first calls", disable=None):
        function()  # traces and compiles
    seconds = {key: [] for key in functions}
    for _ in tqdm(range(rounds), desc=f"{what}: rounds", disable=None):
        for key, function in functions.items():
            function()  # the caches hold another model's weights
            calls, start = 0, time.perf_counter()
            while calls == 0 or time.perf_counter() - start < TURN:
                function()
                calls += 1
            seconds[key].append((time.perf_counter() - start) / calls)
    return seconds


def spread(values):
    """Return the median of numbers, the lowest and the highest."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def ratios(seconds, key, other):
    """Return how many times as fast `key` was as `other`, in the same rounds; None without it."""
    if other not in seconds or other == key:
        return None
    return spread([b / a for a, b in zip(seconds[key], seconds[other], strict=True)])


def inference(models, options, folder):
    """Yield the rows of each size of a batch."""
    runners = {
        (name, way): runner(model, name, way, folder, options.threads)
        for name, model in models.items()
        for way in options.ways
    }
    for batch in options.batches:
        images = pixels(batch, options.shape)
        functions = {key: functools.partial(run, images) for key, run in runners.items()}
        seconds = turns(functions, options.rounds, f"batch {batch}")
        yield rows_of(seconds, batch, "way", "compiled")


def rows_of(seconds, batch, second, base):
    """Return the figures of each model and way or precision, with its ratios to the base."""
    return [
        {
            "model": name,
            second: value,
            "batch": batch,
            "ms": spread([1e3 * each for each in taken]),
            "images_a_second": batch / statistics.median(taken),
            f"times_{base}": ratios(seconds, (name, value), (name, base)),
            **{
                f"times_{other}": ratios(seconds, (name, value), (other, value))
                for other in AGAINST
            },
        }
        for (name, value), taken in seconds.items()
    ]


def training(options):
    """Yield the rows of a training step in both precisions, of each size of a batch."""
    for batch in options.training_batches:
        images = pixels(batch, options.shape)
        labels = np.arange(batch) % CLASSES
        functions = {}
        for name in options.models:
            for policy in dict.fromkeys(("float32", options.policy)):
                keras.config.set_dtype_policy(policy)
                model = build(name, options.shape, options.stem_strides)
                model.compile("adam", "sparse_categorical_crossentropy", jit_compile=False)
                functions[name, policy] = functools.partial(model.train_on_batch, images, labels)
        keras.config.set_dtype_policy("float32")
        seconds = turns(functions, options.rounds, f"training, batch {batch}")
        yield rows_of(seconds, batch, "precision", "float32")


def memory_of(name, way, batch, folder, options):
    """Return the MiB that a model adds to this process at its peak; runs in one of its own."""
    import tensorflow  # noqa: F401 - what it takes itself is not the model's

    before = _status("VmRSS")
    # Resets the peak, which importing TensorFlow has set.
    Path("/proc/self/clear_refs").write_text("5")
    model = None if way in FILES else build(name, options.shape, options.stem_strides)
    run = runner(model, name, way, folder, options.threads)
    images = pixels(batch, options.shape)
    for _ in range(3):
        run(images)
    return (_status("VmHWM") - before) / 1024


def _status(key):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    raise OSError(f"/proc/self/status has no {key}")


def add_memory(rows, folder, options):
    # A fresh interpreter for each, in which nothing of the parent is shared.
    with concurrent.futures.ProcessPoolExecutor(
        1, multiprocessing.get_context("spawn"), max_tasks_per_child=1
    ) as pool:
        for row in tqdm(rows, desc="memory", disable=None):
            task = (row["model"], row["way"], row["batch"], folder, options)
            row["memory_mib"] = pool.submit(memory_of, *task).result()


def costs(models, sizes, options):
    rows = []
    for name, model in models.items():
        cost, folded = complexity(model), complexity(fold_batch_norm(model))
        rows.append(
            {
                "model": name,
                "parameters": cost.trainable + cost.non_trainable,
                "trainable": cost.trainable,
                "macs": cost.macs,
                "papers_flops": cost.papers_flops,
                "papers_flops_folded": folded.papers_flops,
                "bytes": {way: sizes[name, way] for way in options.ways if way in FILES},
            }
        )
    return rows


def environment(options, script="models.py"):
    """Return what the figures depend on."""
    packages = ("keras", "tensorflow", "ai-edge-litert", "onnxruntime")
    return {
        "command": " ".join(["python", f"benchmarks/{script}", *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "threads": options.threads,
        "load": round(os.getloadavg()[0], 1),
        "size": options.size,
        "rounds": options.rounds,
    }


def table(header, rows):
    """Return rows of text as a Markdown table, all but the first column to the right."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def shown(values, digits=2):
    if values is None:
        return ""
    median, low, high = (f"{values[key]:,.{digits}f}" for key in ("median", "low", "high"))
    return f"{median} ({low} to {high})"


def markdown(figures):
    """Return all tables."""
    parts = [", ".join(f"{key}: {value}" for key, value in figures["environment"].items())]
    files = list(figures["models"][0]["bytes"])
    parts.append(
        table(
            ["model", "parameters", "multiply-accumulates", *(f"{way}, bytes" for way in files)],
            [
                [row["model"], f"{row['parameters']:,}", f"{row['macs']:,}"]
                + [f"{row['bytes'][way]:,}" for way in files]
                for row in figures["models"]
            ],
        )
    )
    against = [f"times {name}" for name in AGAINST]
    for kind, second, base in (
        ("inference", "way", "compiled"),
        ("training", "precision", "float32"),
    ):
        for batch in dict.fromkeys(row["batch"] for row in figures[kind]):
            rows = [row for row in figures[kind] if row["batch"] == batch]
            memory = ["memory, MiB"] if "memory_mib" in rows[0] else []
            parts.append(f"{kind.capitalize()}, batch {batch}:")
            parts.append(
                table(
                    ["model", second, "ms", "images/s", f"times {base}", *against, *memory],
                    [
                        [row["model"], row[second], shown(row["ms"])]
                        + [f"{row['images_a_second']:,.1f}", shown(row[f"times_{base}"])]
                        + [shown(row[f"times_{name}"]) for name in AGAINST]
                        + ([f"{row['memory_mib']:,.0f}"] if memory else [])
                        for row in rows
                    ],
                )
            )
    return "\n\n".join(parts) + "\n"


def add_outputs(parser):
    """Add the options that `hand_out` reads."""
    for ending, what in (("json", "figures"), ("markdown", "tables")):
        parser.add_argument(
            f"--{ending}", metavar="PATH", type=Path, help=f"write the {what} there too"
        )


def hand_out(figures, text, options):
    """Print the tables, and write what `--json` and `--markdown` ask for."""
    print(text)
    keep(figures, text, options)


def keep(figures, text, options):
    """Write what `--json` and `--markdown` ask for."""
    if options.json:
        write_text(options.json, json.dumps(figures, indent=2) + "\n")
    if options.markdown:
        write_text(options.markdown, text)


def parsed(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--models", nargs="+", choices=MODELS, default=list(MODELS))
    add("--ways", nargs="*", choices=WAYS, default=list(WAYS))
    add("--batches", nargs="+", type=int, default=[1, 32])
    add("--training-batches", nargs="*", type=int, default=[16, 64], help="none: no training")
    add("--policy", default="mixed_bfloat16", help="the mixed precision of training")
    add("--size", type=int, default=224, help="side of the images in pixels, 32 or more")
    add("--channels", type=int, choices=(1, 3), default=3)
    add("--stem-strides", type=int, choices=(1, 2), help="the first stride of ours")
    add("--rounds", type=int, default=15)
    add("--threads", type=int, default=os.cpu_count())
    add("--no-memory", dest="memory", action="store_false", help="time alone")
    add_outputs(parser)
    options = parser.parse_args(arguments)
    numbers = (*options.batches, *options.training_batches, options.rounds, options.threads)
    if min(numbers) < 1 or options.size < 32:
        parser.error("batches, --rounds and --threads must be 1 or more, --size 32 or more")
    theirs = [name for name in options.models if name not in OURS]
    if options.stem_strides and theirs:
        parser.error(f"--stem-strides is for {', '.join(OURS)}: leave out {', '.join(theirs)}")
    options.shape = (options.size, options.size, options.channels)
    if options.memory and not Path("/proc/self/clear_refs").exists():
        parser.error("memory is measured on Linux alone: give --no-memory")
    return options


def main(arguments=None):
    import tensorflow as tf

    options = parsed(arguments)
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    keras.utils.set_random_seed(0)
    figures = {"environment": environment(options), "inference": [], "training": []}
    models = {name: build(name, options.shape, options.stem_strides) for name in options.models}
    with tempfile.TemporaryDirectory() as folder:
        sizes = write_files(models, options.ways, folder, options.shape)
        figures["models"] = costs(models, sizes, options)
        for rows in inference(models, options, folder) if options.ways else ():
            figures["inference"] += rows
            keep(figures, markdown(figures), options)
            if options.memory:
                add_memory(rows, folder, options)
                keep(figures, markdown(figures), options)
    for rows in training(options):
        figures["training"] += rows
        keep(figures, markdown(figures), options)
    hand_out(figures, markdown(figures), options)


if __name__ == "__main__":
    main()
