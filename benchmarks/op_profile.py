"""Where the time of an exported network goes: ONNX Runtime's own profile, by kind of operation.

    python benchmarks/op_profile.py [--models NAME ...] [--size N] [--rounds N] [--threads N]
        [--json PATH] [--markdown PATH]

Random weights, one image a run. Of every kind it prints the milliseconds a run (medians, summed
over the operations), their share, the multiply-accumulates and the rate at which they are done, and
the MiB that the operations read and write, with the rate of that. An operation with few
multiply-accumulates for many bytes waits for memory, and its rate of bytes says so. Channels count
as they are laid out: ONNX Runtime fills them up to a multiple of the processor's vectors, 8 or 16.

LiteRT, the faster of the two here, tells a Python program nothing of the kind.
"""

import argparse
import collections
import json
import math
import os
import statistics
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from models import MODELS, add_outputs, build, environment, hand_out, pixels, table
from tqdm import tqdm

from fer_models.export import export

MOVES = {
    *("Concat", "Split", "Slice", "Pad", "Gather", "Transpose", "Resize", "Expand", "Tile"),
    *("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Shape"),
}
BYTES = {"float": 4, "int64": 8, "int32": 4, "bool": 1, "uint8": 1, "int8": 1}


def recorded(path, image, runs, threads):
    """Return the events of a profile, and the graph that ran."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.enable_profiling = True
    options.profile_file_prefix = str(path.with_suffix(""))
    # The graph that runs is not the one in the file: operations are fused there.
    options.optimized_model_filepath = str(path.with_suffix(".optimized.onnx"))
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: image}
    for _ in range(runs):
        session.run(None, feed)
    events = json.loads(Path(session.end_profiling()).read_text())
    return events, onnx.load(options.optimized_model_filepath).graph


def kind_of(node, weight):
    """Return what kind of work an operation of the graph is."""
    if node.op_type in ("Conv", "FusedConv"):
        group = next((each.i for each in node.attribute if each.name == "group"), 1)
        if group > 1:
            return "depthwise convolution"
        return "1x1 convolution" if weight[2:] == [1, 1] else "other convolution"
    if node.op_type.startswith("Reorder"):
        return "change of memory layout"
    if node.op_type in MOVES:
        return "concatenate, slice, reshape"
    if "Pool" in node.op_type or node.op_type.startswith("Reduce"):
        return "pooling, reduction"
    if node.op_type in ("Gemm", "MatMul", "FusedMatMul"):
        return "dense"
    return "elementwise"


def shapes(entries):
    return [shape for entry in entries for shape in entry.values()]


def bytes_of(entries):
    return sum(
        BYTES[dtype] * math.prod(shape) for entry in entries for dtype, shape in entry.items()
    )


def summed(events, graph, runs):
    """Return the rows of a network, one a kind, the slowest first."""
    nodes = {node.name: node for node in graph.node}
    # The profile leaves out the weights that an operation has packed for itself.
    weights = {each.name: list(each.dims) for each in graph.initializer}
    by_name = collections.defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            by_name[event["name"].removesuffix("_kernel_time")].append(event)
    kinds = {}
    for name, ran in by_name.items():
        taken, given = (ran[-1]["args"][f"{end}_type_shape"] for end in ("input", "output"))
        own = [weights[each] for each in nodes[name].input if each in weights]
        weight = weights.get(next(iter(nodes[name].input[1:]), None), [])
        kind = kind_of(nodes[name], weight)
        macs = 0
        if kind.endswith("convolution"):
            macs = math.prod(shapes(given)[0]) * math.prod(weight[1:])
        elif kind == "dense":
            macs = math.prod(shapes(given)[0]) * (weight[0] if weight else shapes(taken)[1][0])
        row = kinds.setdefault(kind, {"kind": kind, "count": 0, "ms": 0, "macs": 0, "bytes": 0})
        row["count"] += 1
        row["macs"] += macs
        row["bytes"] += bytes_of(taken) + bytes_of(given)
        if own and len(taken) < len(nodes[name].input):
            row["bytes"] += BYTES["float"] * sum(map(math.prod, own))
        # The first runs fill caches.
        row["ms"] += statistics.median(event["dur"] for event in ran[runs // 4 :]) / 1e3
    rows = sorted(kinds.values(), key=lambda row: -row["ms"])
    whole = {name: sum(row[name] for row in rows) for name in ("count", "ms", "macs", "bytes")}
    rows.append({"kind": "all", **whole})
    return [{**row, "share": row["ms"] / whole["ms"]} for row in rows]


def words_of(row):
    ms, macs, mib = row["ms"], row["macs"], row["bytes"] / 2**20
    return [
        row["kind"],
        str(row["count"]),
        f"{ms:.2f}",
        f"{row['share']:.0%}",
        f"{macs / 1e6:.1f}",
        f"{macs / ms / 1e6:.1f}",
        f"{mib:.1f}",
        f"{mib / ms * 1e3 / 1024:.1f}",
    ]


def markdown(figures):
    parts = [", ".join(f"{key}: {value}" for key, value in figures["environment"].items())]
    header = ["kind", "operations", "ms", "share", "million MACs", "billion MACs/s", "MiB", "GiB/s"]
    for name, rows in figures["models"].items():
        parts += [
            f"{name}:",
            table(header, [words_of(row) for row in rows]),
        ]
    return "\n\n".join(parts) + "\n"


def parsed(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    default = ["ghostface", "efficientface", "mobilenet_v2"]
    add("--models", nargs="+", choices=MODELS, default=default)
    add("--size", type=int, default=224, help="side of the image in pixels, 32 or more")
    add("--rounds", type=int, default=100)
    add("--threads", type=int, default=os.cpu_count())
    add_outputs(parser)
    options = parser.parse_args(arguments)
    if min(options.rounds, options.threads) < 1 or options.size < 32:
        parser.error("--rounds and --threads must be 1 or more, --size 32 or more")
    return options


def main(arguments=None):
    options = parsed(arguments)
    shape = (options.size, options.size, 3)
    image = pixels(1, shape)
    figures = {"environment": environment(options, "op_profile.py"), "models": {}}
    with tempfile.TemporaryDirectory() as folder:
        for name in tqdm(options.models, disable=None):
            path = Path(folder, f"{name}.onnx")
            export(build(name, shape), path, "onnx", image, verbose=False)
            events, graph = recorded(path, image, options.rounds, options.threads)
            figures["models"][name] = summed(events, graph, options.rounds)
    hand_out(figures, markdown(figures), options)


if __name__ == "__main__":
    main()
