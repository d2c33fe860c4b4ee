"""Train as train.py does, on several machines or accelerators at once, on the JAX backend.

    python examples/train_distributed.py --processes 2 --data synthetic --output runs/two
    python examples/train_distributed.py --processes 2 --process 0 --coordinator HOST:PORT ...
    python examples/train_distributed.py --processes 2 --process 1 --coordinator HOST:PORT ...

The first form starts all processes on this machine. The others are given one on each machine, with
the address of process 0's machine and a free port there. All other arguments are those of train.py.
Every process uses all accelerators that it sees. `--batch-size` is that of all of them together.

All processes make the same batches and take their rows of them; gradients and batch norm's
statistics are those of the whole batch. So losses are those of one process, but for rounding, as
long as a batch can be divided evenly: of a last one that cannot, the faces left over are not used.
Process 0 writes; --output must be a folder that all machines see, for a stopped run goes on from
there, in as many processes as you like. Without --processes the run has one.
"""

import argparse
import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

sys.path.insert(0, str(Path(__file__).parent))
import train

LOOPBACK = "127.0.0.1"


def parse(words):
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        epilog="All other arguments are those of train.py.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--processes", type=int, default=1, help="of the whole run")
    add("--process", type=int, help="which of them this is, from 0; none: start all of them here")
    add("--coordinator", metavar="HOST:PORT", help="where process 0 is reached by the others")
    mine, rest = parser.parse_known_args(words)
    if mine.processes < 1:
        parser.error(f"--processes must be 1 or more, not {mine.processes}")
    if (mine.process is None) != (mine.coordinator is None):
        parser.error("--process and --coordinator go together: give both or none")
    if mine.process is not None and not 0 <= mine.process < mine.processes:
        parser.error(f"--process must be from 0 to {mine.processes - 1}, not {mine.process}")
    if keras.backend.backend() != "jax":
        parser.error(
            f"this runs on the JAX backend: unset KERAS_BACKEND, which is "
            f"{keras.backend.backend()}, or set it to jax"
        )
    return mine, rest, train.parse(rest)


def start_all(processes, words):
    """Run all processes on this machine; return 0, or the status of the first that failed."""
    with socket.socket() as free:
        free.bind((LOOPBACK, 0))
        address = f"{LOOPBACK}:{free.getsockname()[1]}"
    common = [sys.executable, __file__, "--processes", str(processes), "--coordinator", address]
    running = []
    # Python would end without the `finally` below, and leave the others running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        for number in range(processes):
            running.append(subprocess.Popen([*common, "--process", str(number), *words]))
        # One that fails leaves the others waiting for it.
        while any(each.poll() is None for each in running) and not failed(running):
            time.sleep(0.2)
        return failed(running)
    except KeyboardInterrupt:
        return 130
    finally:
        for each in running:
            if each.poll() is None:
                each.send_signal(signal.SIGINT)
        for each in running:
            try:
                each.wait(10)
            except subprocess.TimeoutExpired:
                each.kill()
                each.wait()


def failed(running):
    return next((each.returncode for each in running if each.returncode), 0)


def share_of(process, processes, devices):
    """Return the function from whole batches to the rows of one process."""
    import tensorflow as tf

    def rows(images, labels):
        count = tf.shape(images)[0]
        # As many for every device; of fewer faces than devices some come twice.
        used = tf.maximum(count // devices, 1) * devices
        each = used // processes
        mine = tf.range(process * each, (process + 1) * each) % count
        return tf.gather(images, mine), tf.gather(labels, mine)

    return lambda batches: batches.map(rows)


def join(mine, seed):
    """Join the other processes; return what this one takes of whole batches."""
    import jax

    # Before: Keras would draw a seed for all, and use it.
    keras.utils.set_random_seed(seed)
    if mine.process is not None:
        keras.distribution.initialize(mine.coordinator, mine.processes, mine.process)
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    return share_of(jax.process_index(), mine.processes, jax.device_count())


def together(what):
    """Wait until all processes are here."""
    from jax.experimental import multihost_utils

    multihost_utils.sync_global_devices(what)


def leave():
    import jax

    keras.distribution.set_distribution(None)
    if jax.process_count() > 1:
        jax.distributed.shutdown()


def run(mine, words, args):
    output = Path(args.output)
    recipe = train.recipe_of(args)
    if recipe.dp is not None:
        raise ValueError("--dp-noise-multiplier is for train.py on the TensorFlow backend")
    if recipe.ema is not None:
        # Each process would measure batch norm on its own faces.
        raise ValueError("--ema is for train.py, in one process")
    share = join(mine, args.seed)
    first = not mine.process
    command = shlex.join(["python", "examples/train.py", *words])
    record = train.open_run(args, recipe, output, command)
    if not first:
        # What the first prepares is there for all.
        together("prepared")
    splits, counts, names, source = train.load(args, recipe)
    names = train.outputs_of(names, args.classes)
    if first:
        train.clear(args, output)
        together("prepared")
    if record is None:
        record = train.new_record(args, recipe, counts, names, source, command)
    record["processes"] = mine.processes
    if record["finished"]:
        raise ValueError(f"{output} holds this run, finished: choose another --output")
    with contextlib.ExitStack() as stack:
        folder = output
        if not first:
            # It reads what the first has kept, and writes where nobody looks.
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            if output.exists():
                shutil.copytree(output, folder, dirs_exist_ok=True)
            stack.enter_context(
                contextlib.redirect_stdout(stack.enter_context(open(os.devnull, "w")))
            )
        together("read")
        train.train(args, recipe, splits, record, folder, share)
        together("trained")
    leave()
    if first:
        # The report is one process's work, and train.py's, of the run that there is now.
        args.restart = False
        train.run(args, command)


def main(words=None):
    words = sys.argv[1:] if words is None else words
    mine, rest, args = parse(words)
    if args.describe:
        return train.guarded(args, lambda: train.run(args, ""))
    if mine.process is None and mine.processes > 1:
        return start_all(mine.processes, rest)
    return train.guarded(args, lambda: run(mine, rest, args))


if __name__ == "__main__":
    sys.exit(main())
