"""Let other processes, or other machines, make the batches: the tf.data service.

    python examples/data_service.py                      # two workers on this machine, measured
    python examples/data_service.py dispatcher 5050
    python examples/data_service.py worker HOST:5050 --host ME
    python examples/data_service.py client HOST:5050

The last three commands each start a part, on its own machine. The pictures are noise that every
worker holds. For your own pictures, give the pipeline the names of files that all workers see.
"""

import argparse
import time

import numpy as np

from fer_data.pipelines import data_service, images

FACES = 512


def pipeline(size):
    """Return endless batches of pictures and their numbers, by which the pictures are counted."""
    rough = np.random.default_rng(0).integers(0, 256, (FACES, size, size, 3), dtype="uint8")
    return images.pipeline(
        (rough, np.arange(FACES)),
        size=size,
        classes=FACES,
        labels="sparse",
        batch_size=32,
        training=True,
        augmentation="randaug",
        repeat=True,
    )


def measure(batches, seconds):
    """Return images a second, and how often each picture came."""
    counts, each = np.zeros(FACES, int), iter(batches)
    counts += np.bincount(next(each)[1].numpy(), minlength=FACES)  # waits for caches, threads
    before, start = counts.sum(), time.perf_counter()
    while time.perf_counter() - start < seconds:
        counts += np.bincount(next(each)[1].numpy(), minlength=FACES)
    return (counts.sum() - before) / (time.perf_counter() - start), counts


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("role", nargs="?", choices=("dispatcher", "worker", "client"))
    parser.add_argument("address", nargs="?", help="PORT of a dispatcher, or any; else HOST:PORT")
    parser.add_argument("--host", default="127.0.0.1", help="of a worker: its name for the others")
    parser.add_argument("--workers", type=int, default=2, help="started here without a role")
    parser.add_argument("--pin", action="store_true", help="each of them on a core of its own")
    parser.add_argument("--seconds", type=float, default=10, help="how long batches are taken")
    parser.add_argument("--size", type=int, default=64, help="side of the pictures")
    args = parser.parse_args(argv)
    if args.role in ("worker", "client") and args.address is None:
        parser.error(f"a {args.role} needs the address of the dispatcher, HOST:PORT")
    if args.role == "dispatcher":
        server = data_service.start_dispatcher(int(args.address or 0))
        print(server.target.removeprefix("grpc://"), flush=True)
        server.join()
    elif args.role == "worker":
        data_service.start_worker(args.address, args.host).join()
    elif args.role == "client":
        batches = data_service.served(pipeline(args.size), args.address)
        speed, counts = measure(batches, args.seconds)
        print(f"{speed:,.0f} images a second; each came {counts.min()} to {counts.max()} times")
    else:
        speed, _ = measure(pipeline(args.size), args.seconds)
        print(f"{speed:,.0f} images a second in this process")
        with data_service.local_service(args.workers, args.pin) as service:
            batches = data_service.served(pipeline(args.size), service.dispatcher)
            speed, counts = measure(batches, args.seconds)
            service.check()
        print(f"{speed:,.0f} from the service; each came {counts.min()} to {counts.max()} times")


if __name__ == "__main__":
    main()
