"""Training on faces on several machines or accelerators at once, on the JAX backend.

All processes make the same batches and take their rows of them; gradients and batch norm's
statistics are those of the whole batch. So losses are those of one process, but for rounding, as
long as a batch can be divided evenly: of a last one that cannot, the faces left over are not used.
Every process uses all accelerators that it sees. The batch size is that of all of them together.

Process 0 writes. The folder must be one that all machines see, for a stopped run goes on from
there, in as many processes as you like.
"""

import contextlib
import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras

from fer_data.checks import check_integer
from fer_models.training.face_settings import FaceSettings
from fer_models.training.face_training import FaceTraining, TrainedFaces, train_faces
from fer_models.training.recipe_batches import Share

LOOPBACK = "127.0.0.1"


@dataclasses.dataclass(frozen=True)
class Processes:
    """The processes of a distributed training, and which of them this one is.

    Attributes:
        count: Number of processes.
        number: Number of this one, from 0; None where it is the only one.
        coordinator: `HOST:PORT` where process 0 is reached by the others; None where there is one
            process.

    Raises:
        ValueError: If a value breaks its rule.
    """

    count: int = 1
    number: int | None = None
    coordinator: str | None = None

    def __post_init__(self) -> None:
        check_integer("processes", self.count, 1)
        if (self.number is None) != (self.coordinator is None):
            raise ValueError(
                "`process` and `coordinator` go together: give both or none. "
                f"Received: process={self.number}, coordinator={self.coordinator!r}"
            )
        if self.number is not None:
            check_integer("process", self.number, 0)
            if self.number >= self.count:
                raise ValueError(
                    f"`process` must be from 0 to {self.count - 1}. Received: process={self.number}"
                )

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes."""
        return not self.number


def train_faces_distributed(
    settings: FaceSettings,
    folder: str | os.PathLike[str],
    processes: Processes | None = None,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    restart: bool = False,
    report: bool = True,
    command: str | None = None,
) -> TrainedFaces | None:
    """Train as `train_faces` does, in this process of several, on all accelerators of each.

    Args:
        settings: What to train on what, the same in all processes.
        folder: Folder for everything that is written, which all processes see.
        processes: Which process this is of how many; None for the only one.
        data_dir: Where prepared data sets are kept, which all processes see.
        restart: Whether to delete the run in the folder first.
        report: Whether to write tables and pictures at the end.
        command: The command line that asks for it, for the record.

    Returns:
        `TrainedFaces` in the first process, None in the others.

    Raises:
        ValueError: If Keras does not run on JAX, a setting does not go with several processes, or
            the folder holds something else.
    """
    check_backend()
    processes = processes or Processes()
    if processes.count > 1 and processes.number is None:
        raise ValueError(
            "`processes` must say which one of them this is (`number`), where there are several. "
            f"Received: processes={processes!r}"
        )
    training = FaceTraining(settings, folder, data_dir=data_dir, command=command)
    if training.recipe.dp is not None:
        raise ValueError(
            "`dp_noise_multiplier` is for a single process, on the TensorFlow backend. "
            f"Received: dp_noise_multiplier={settings.dp_noise_multiplier}"
        )
    if training.recipe.ema is not None:
        # Each process would measure batch norm on its own faces.
        raise ValueError(
            f"`ema` is for a single process without `processes`. Received: ema={settings.ema}"
        )
    with training.environment():
        with joined(processes, settings.seed) as share:
            _train(training, processes, share, restart)
        if not processes.is_first:
            return None
    # The report is one process's work, of the run that there is now.
    return train_faces(settings, folder, data_dir=data_dir, report=report, command=command)


def _train(training, processes, share, restart):
    training.open(restart=restart)
    if training.over:
        # Of all of them: nobody writes before all have looked.
        return
    first = processes.is_first
    if not first:
        # What the first prepares is there for all.
        together("prepared")
    training.load()
    if first:
        training.run.clear()
        together("prepared")
    with contextlib.ExitStack() as stack:
        folder = None
        if not first:
            # It reads what the first has kept, and writes where nobody looks.
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            if training.folder.exists():
                shutil.copytree(training.folder, folder, dirs_exist_ok=True)
            nowhere = stack.enter_context(open(os.devnull, "w"))
            stack.enter_context(contextlib.redirect_stdout(nowhere))
        together("read")
        training.fit(folder, share, processes=processes.count)
        if first:
            training.run.finish()
        together("trained")


@contextlib.contextmanager
def joined(processes: Processes, seed: int) -> Iterator[Share]:
    """Join the other processes, for as long as the `with` block lasts.

    Args:
        processes: Which process this is.
        seed: Seed of Keras, the same in all processes.

    Yields:
        What this process takes of whole batches, a function from one `tf.data.Dataset` to another.
    """
    import jax

    # Before: Keras would draw a seed for all, and use it.
    keras.utils.set_random_seed(seed)
    if processes.number is not None:
        keras.distribution.initialize(processes.coordinator, processes.count, processes.number)
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    yield share_of(jax.process_index(), processes.count, jax.device_count())
    # Not after an error: the others may wait for this one without end, and it for them.
    keras.distribution.set_distribution(None)
    if jax.process_count() > 1:
        jax.distributed.shutdown()


def share_of(process: int, processes: int, devices: int) -> Share:
    """Return the function from whole batches to the rows of one process.

    Args:
        process: Number of the process, from 0.
        processes: Number of processes.
        devices: Number of accelerators of all processes together.
    """
    import tensorflow as tf

    def rows(images, labels):
        count = tf.shape(images)[0]
        # As many for every device; of fewer faces than devices some come twice.
        used = tf.maximum(count // devices, 1) * devices
        each = used // processes
        mine = tf.range(process * each, (process + 1) * each) % count
        # With valence and arousal, labels are a dictionary.
        return tf.nest.map_structure(lambda each: tf.gather(each, mine), (images, labels))

    return lambda batches: batches.map(rows)


@contextlib.contextmanager
def compiled_output_apart() -> Iterator[None]:
    """Send to standard error what compiled libraries say on standard output of their connections.

    Inside of the `with` block Python's own `sys.stdout` must be redirected, too.
    """
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def together(what: str) -> None:
    """Wait until all processes are here.

    Args:
        what: A name for the place, the same in all processes.
    """
    from jax.experimental import multihost_utils

    multihost_utils.sync_global_devices(what)


def check_backend() -> None:
    """Raise `ValueError` unless Keras runs on JAX."""
    if keras.backend.backend() != "jax":
        raise ValueError(
            "Several processes train on the JAX backend: set KERAS_BACKEND=jax. "
            f"Received: the backend {keras.backend.backend()}"
        )


def start_all(processes: int, words: Sequence[str]) -> int:
    """Run all processes of `fer train` on this machine, until one fails or all are done.

    None of them is left behind, whatever ends this one.

    Args:
        processes: Number of processes.
        words: Words of the command line after `fer train`, without those of the processes.

    Returns:
        0, or the exit status of the first that failed.
    """
    with socket.socket() as free:
        free.bind((LOOPBACK, 0))
        address = f"{LOOPBACK}:{free.getsockname()[1]}"
    common = [sys.executable, "-m", "fer_models", "train", "--processes", str(processes)]
    common += ["--coordinator", address]
    options = {"env": {**os.environ, "KERAS_BACKEND": "jax"}, "stderr": _errors()}
    running: list[subprocess.Popen[Any]] = []
    with interrupted_by_termination():
        try:
            for number in range(processes):
                words_of = [*common, "--process", str(number), *words]
                running.append(subprocess.Popen(words_of, **options))
            # One that fails leaves the others waiting for it.
            while None in [each.poll() for each in running] and not _failed(running):
                time.sleep(0.2)
            return _failed(running)
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


def _errors():
    """Return where Python's errors go, which may be elsewhere than the process's; None: there."""
    try:
        sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        return None
    return sys.stderr


def _failed(running):
    return next((each.returncode for each in running if each.returncode), 0)


@contextlib.contextmanager
def interrupted_by_termination() -> Iterator[None]:
    """Raise `KeyboardInterrupt` on SIGTERM, too, so that a `finally` is reached."""

    def interrupt(number, frame):
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:
        # Only the main thread hears signals.
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
