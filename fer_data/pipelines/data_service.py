"""Batches made by other processes or other machines, through the tf.data service.

One dispatcher, any number of workers, and the process that trains as a client. Each worker makes
whole epochs, whose order and augmentation follow from the seed and the number of the epoch. The
client gets batches from the workers in turn, so it goes through as many epochs at a time as there
are workers. Every picture comes once per epoch.

`fer_data.pipelines.images.pipeline(..., repeat=True)` holds no state, so it can be served. Give it
the names of files that all workers see: arrays travel to every worker. The ports have no password
and are open on all interfaces: keep them inside your network.
"""

import contextlib
import multiprocessing
import os
import re
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from fer_data.checks import check_integer

LOOPBACK = "127.0.0.1"
ADDRESS = re.compile(r"[^:/\s]+:\d+")
# Seconds to wait for a process to start.
PATIENCE = 300


def served(batches: tf.data.Dataset, dispatcher: str) -> tf.data.Dataset:
    """Return the same batches, made by the workers of a dispatcher.

    Args:
        batches: The pipeline that the workers run. It must be endless, keep no state and call no
            Python.
        dispatcher: `HOST:PORT` of the dispatcher.

    Raises:
        ValueError: If the address is not `HOST:PORT`.

    Example:

    ```python
    batches = served(pipeline(..., training=True, repeat=True), "10.0.0.1:5050")
    model.fit(batches, steps_per_epoch=100, epochs=10)
    ```
    """
    _check_address(dispatcher)
    service = tf.data.experimental.service
    return batches.apply(service.distribute(service.ShardingPolicy.DYNAMIC, f"grpc://{dispatcher}"))


def start_dispatcher(port: int = 0) -> Any:
    """Start a dispatcher in this process.

    Args:
        port: Port to listen on; 0 for a free one, which `.target` names.

    Returns:
        A `tf.data.experimental.service.DispatchServer`: `join()` waits for its end.
    """
    _check_port(port)
    service = tf.data.experimental.service
    return service.DispatchServer(service.DispatcherConfig(port=port, protocol="grpc"))


def start_worker(dispatcher: str, host: str = LOOPBACK, port: int = 0) -> Any:
    """Start a worker in this process.

    Args:
        dispatcher: `HOST:PORT` of the dispatcher.
        host: Name or address of this machine for the others.
        port: Port to listen on; 0 for a free one.

    Returns:
        A `tf.data.experimental.service.WorkerServer`: `join()` waits for its end.
    """
    _check_address(dispatcher)
    _check_port(port)
    service = tf.data.experimental.service
    return service.WorkerServer(
        service.WorkerConfig(
            dispatcher_address=dispatcher,
            # The server puts the port there that it got.
            worker_address=f"{host}:%port%",
            port=port,
        )
    )


class LocalService:
    """A dispatcher and its workers in processes of this machine; `local_service` makes it.

    Attributes:
        dispatcher: `HOST:PORT` of the dispatcher.
        processes: The processes, the dispatcher's first.
    """

    def __init__(self) -> None:
        self.dispatcher = ""
        self.processes: list[Any] = []

    def check(self) -> None:
        """Raise `OSError` if a process has ended: then batches of a worker are missing."""
        lost = [process for process in self.processes if not process.is_alive()]
        if lost:
            raise OSError(f"{len(lost)} of {len(self.processes)} processes of the service ended")

    def _start(self, role, *arguments):
        """Start a process; return a function that waits for its first message."""
        # Not forked: TensorFlow has threads here.
        context = multiprocessing.get_context("spawn")
        mine, theirs = context.Pipe()
        process = context.Process(target=role, args=(theirs, *arguments), daemon=True)
        process.start()
        self.processes.append(process)
        theirs.close()

        def wait():
            try:
                if mine.poll(PATIENCE):
                    return mine.recv()
            except EOFError:
                process.join()
            name = role.__name__.strip("_")
            raise OSError(f"a {name} did not start (status {process.exitcode})")

        return wait


@contextlib.contextmanager
def local_service(workers: int = 2, pinned: bool = False) -> Iterator[LocalService]:
    """Run a dispatcher and workers on this machine, for as long as the `with` block lasts.

    Call it below `if __name__ == "__main__":`, as in every program that starts processes.

    Args:
        workers: Number of workers.
        pinned: Whether each worker is held to a processor core of its own (Linux).

    Yields:
        `LocalService`.

    Raises:
        ValueError: If there are fewer cores than pinned workers.
        OSError: If a process does not start.

    Example:

    ```python
    with local_service(workers=2) as service:
        model.fit(served(batches, service.dispatcher), steps_per_epoch=100)
    ```
    """
    check_integer("workers", workers, 1)
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if pinned and workers > len(cores):
        raise ValueError(
            f"`workers` must be at most {len(cores)} where each has a core of its own. "
            f"Received: workers={workers}"
        )
    service = LocalService()
    try:
        service.dispatcher = service._start(_dispatcher)()
        starting = [
            service._start(_worker, service.dispatcher, cores[number] if pinned else None)
            for number in range(workers)
        ]
        for wait in starting:
            wait()
        yield service
    finally:
        for process in reversed(service.processes):
            process.kill()
            process.join()


def _dispatcher(said):
    server = start_dispatcher()
    said.send(f"{LOOPBACK}:{server.target.rsplit(':', 1)[1]}")
    _serve_until_parent_ends()


def _worker(said, dispatcher, core):
    if core is not None:
        os.sched_setaffinity(0, {core})
    _server = start_worker(dispatcher)
    said.send("up")
    _serve_until_parent_ends()


def _serve_until_parent_ends():
    """Wait while the server's threads work, and end with the parent process."""
    multiprocessing.parent_process().join()
    os._exit(0)


def _check_address(dispatcher):
    if not isinstance(dispatcher, str) or not ADDRESS.fullmatch(dispatcher):
        raise ValueError(f"`dispatcher` must be HOST:PORT. Received: dispatcher={dispatcher!r}")


def _check_port(port):
    check_integer("port", port, 0)
    if port > 65535:
        raise ValueError(f"`port` must be from 0 to 65535. Received: port={port}")
