"""Let other processes, or other machines, make the batches: tf.data service.

    python examples/data_service.py --workers 2 --seconds 10 [--pin]
    python examples/data_service.py dispatcher --port 5050
    python examples/data_service.py worker --dispatcher HOST:5050 --host ME --port 5051
    python examples/data_service.py client --dispatcher HOST:5050

The first form starts a dispatcher and workers on this machine, takes batches from them, and prints
how many images a second came, beside those of a pipeline in this process. With `--pin` each worker
has one processor core and no more, which the client shares. The others are the parts, one on
each machine: one dispatcher, any number of workers, and the process that trains as a client.

`fer_data.pipelines.images.pipeline(..., repeat=True)` holds no state, so it can be served. Epochs
are dealt out to the workers: each makes whole epochs, with the order and augmentation that follow
from the seed and the number of the epoch, and the client gets batches of as many epochs as there
are workers in turn. Every picture comes once an epoch. The pictures are noise here, held by every
worker; of your own, give the pipeline the names of files that all workers see.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

LOOPBACK = "127.0.0.1"
ADDRESS = re.compile(r"[^:/\s]+:\d+")


def parse(words):
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("role", nargs="?", choices=("all", "dispatcher", "worker", "client"), default="all")
    add("--workers", type=int, default=2, help="started by `all`")
    add("--dispatcher", metavar="HOST:PORT", help="where `worker` and `client` find it")
    add("--host", default=LOOPBACK, help="of `worker`: its name or address for the others")
    add("--port", type=int, default=0, help="of `dispatcher` and `worker`; 0: a free one")
    add("--pin", action="store_true", help="`all`: each worker on a core of its own (Linux)")
    add("--core", type=int, help="of `worker`: which of the cores it is held to, from 0 (Linux)")
    add("--seconds", type=float, default=10.0, help="how long the client takes batches")
    add("--faces", type=int, default=512, help="pictures in an epoch")
    add("--size", type=int, default=64, help="side of the pictures in pixels")
    add("--batch-size", type=int, default=32)
    add(
        "--augmentation",
        default="randaug",
        help="a preset of fer_data.pipelines.augmentation.with_tensorflow",
    )
    args = parser.parse_args(words)
    if args.role in ("worker", "client") and not ADDRESS.fullmatch(args.dispatcher or ""):
        parser.error(f"{args.role} needs --dispatcher HOST:PORT, not {args.dispatcher!r}")
    if args.role in ("all", "dispatcher") and args.dispatcher:
        parser.error(f"--dispatcher is for worker and client, not for {args.role}")
    if not 0 <= args.port < 65536:
        parser.error(f"--port must be from 0 to 65535, not {args.port}")
    for name in ("workers", "seconds", "faces", "size", "batch_size"):
        if getattr(args, name) <= 0:
            parser.error(f"--{name.replace('_', '-')} must be more than 0")
    if args.pin and args.role != "all":
        parser.error(f"--pin is for all, not for {args.role}: give workers a --core")
    if args.core is not None and args.role != "worker":
        parser.error(f"--core is for worker, not for {args.role}")
    if args.pin and args.workers > len(cores()):
        parser.error(f"--pin has {len(cores())} cores for {args.workers} workers here")
    if args.core is not None and not 0 <= args.core < len(cores()):
        parser.error(f"--core must be from 0 to {len(cores()) - 1} here, not {args.core}")
    if args.batch_size > args.faces:
        parser.error(f"--batch-size {args.batch_size} is more than --faces {args.faces}")
    return args


def cores():
    """Return the cores that processes can be held to; none on other systems than Linux."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def pipeline(args):
    """Return batches without end of pictures and their numbers, by which they are counted."""
    import numpy as np

    from fer_data.pipelines import images

    rough = np.random.default_rng(0).integers(0, 256, (args.faces, args.size, args.size, 3))
    return images.pipeline(
        (rough.astype("uint8"), np.arange(args.faces)),
        size=args.size,
        classes=args.faces,
        labels="sparse",
        batch_size=args.batch_size,
        training=True,
        augmentation=args.augmentation,
        repeat=True,
    )


def served(batches, dispatcher):
    """Return the same batches, made by the workers of a dispatcher."""
    import tensorflow as tf

    service = tf.data.experimental.service
    return batches.apply(service.distribute(service.ShardingPolicy.DYNAMIC, f"grpc://{dispatcher}"))


def taken(batches, seconds, faces):
    """Return images a second, and how often each picture came."""
    import numpy as np

    counts = np.zeros(faces, int)
    each = iter(batches)
    # The first batch waits for caches and threads.
    counts += np.bincount(next(each)[1].numpy(), minlength=faces)
    images, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        labels = next(each)[1].numpy()
        counts += np.bincount(labels, minlength=faces)
        images += len(labels)
    return images / (time.perf_counter() - start), counts


def dispatch(args):
    import tensorflow as tf

    service = tf.data.experimental.service
    server = service.DispatchServer(service.DispatcherConfig(port=args.port, protocol="grpc"))
    print(f"Dispatcher at port {server.target.rsplit(':', 1)[1]}.", flush=True)
    server.join()


def work(args):
    if args.core is not None:
        # Before TensorFlow counts the cores for its threads.
        os.sched_setaffinity(0, {cores()[args.core]})
    import tensorflow as tf

    service = tf.data.experimental.service
    config = service.WorkerConfig(
        dispatcher_address=args.dispatcher,
        # The server puts the port there that it got.
        worker_address=f"{args.host}:%port%",
        port=args.port,
    )
    server = service.WorkerServer(config)
    print(f"Worker at {args.host} of {args.dispatcher}.", flush=True)
    server.join()


def take(args):
    batches = served(pipeline(args), args.dispatcher)
    speed, counts = taken(batches, args.seconds, args.faces)
    print(
        f"{speed:,.0f} images a second from the service; "
        f"each picture came {counts.min()} to {counts.max()} times."
    )


def start(role, *words):
    """Start this script in another role; return its process, and what it says once it is up."""
    process = subprocess.Popen(
        [sys.executable, __file__, role, *words], stdout=subprocess.PIPE, text=True
    )
    said = process.stdout.readline()
    if not said.startswith(role.capitalize()):
        process.wait()
        raise OSError(f"the {role} did not start: it ended with status {process.returncode}")
    return process, said


def all_here(args):
    running = []
    # Python would end without the `finally` below, and leave the others running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        dispatcher, said = start("dispatcher")
        running.append(dispatcher)
        args.dispatcher = f"{LOOPBACK}:{re.search(r'[0-9]+', said)[0]}"
        for number in range(args.workers):
            held = ("--core", str(number)) if args.pin else ()
            running.append(start("worker", "--dispatcher", args.dispatcher, *held)[0])
        speed, _ = taken(pipeline(args), args.seconds, args.faces)
        print(f"{speed:,.0f} images a second in this process.")
        print(f"{args.workers} workers:", end=" ", flush=True)
        take(args)
        lost = [process for process in running if process.poll() is not None]
        if lost:
            raise OSError(
                f"{len(lost)} of {len(running)} processes of the service ended on the way: the "
                "figures are not those of all workers"
            )
    finally:
        for process in reversed(running):
            process.kill()
            process.wait()


ROLES = {"all": all_here, "dispatcher": dispatch, "worker": work, "client": take}


def main(words=None):
    args = parse(words)
    if args.role != "all":
        # A service ends at once when it is asked to.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        ROLES[args.role](args)
    except KeyboardInterrupt:
        return 130
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
