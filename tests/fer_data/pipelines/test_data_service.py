"""Batches from the tf.data service: once an epoch, nobody is left behind, bad arguments named."""

import subprocess
import sys
import time

import keras
import numpy as np
import psutil
import pytest
import tensorflow as tf

from fer_data.pipelines import data_service, images

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.data does not know the backend"
)
FACES, WORKERS = 16, 2
# A program whose service is up when it says so, and which then waits.
PARENT = """
import time
from fer_data.pipelines.data_service import local_service
if __name__ == "__main__":
    with local_service(1) as service:
        print(*[process.pid for process in service.processes], flush=True)
        time.sleep(300)
"""


@pytest.mark.slow
def test_workers_deal_out_the_epochs_and_a_lost_one_is_said():
    batches = images.pipeline(
        (np.zeros((FACES, 8, 8, 3), "uint8"), np.arange(FACES)),
        size=8,
        classes=FACES,
        labels="sparse",
        batch_size=8,
        training=True,
        augmentation="basic",
        repeat=True,
    )
    pinned = len(psutil.Process().cpu_affinity()) >= WORKERS
    with data_service.local_service(WORKERS, pinned) as service:
        served = data_service.served(batches, service.dispatcher)
        counts = np.zeros(FACES, int)
        for _, labels in served.take(12):
            counts += np.bincount(labels, minlength=FACES)
        service.check()
        processes = [psutil.Process(process.pid) for process in service.processes]
        if pinned:
            assert len({tuple(each.cpu_affinity()) for each in processes[1:]}) == WORKERS
        service.processes[-1].kill()
        service.processes[-1].join(10)
        with pytest.raises(OSError, match=f"1 of {WORKERS + 1} processes of the service ended"):
            service.check()
    assert counts.sum() == 12 * 8
    # Of the epoch that each worker is in, some pictures have come and some have not.
    assert counts.max() - counts.min() <= WORKERS
    assert not psutil.wait_procs(processes, timeout=10)[1]


def test_a_dispatcher_and_a_worker_in_this_process():
    dispatcher = data_service.start_dispatcher()
    address = dispatcher.target.rpartition("://")[2]
    worker = data_service.start_worker(address)
    numbers = data_service.served(tf.data.Dataset.range(5).repeat(), address)
    assert sorted(numbers.take(5).as_numpy_iterator()) == [0, 1, 2, 3, 4]
    # The worker first: it would look for a dispatcher that is gone.
    del worker, dispatcher


@pytest.mark.slow
def test_nobody_is_left_when_the_parent_is_ended(tmp_path):
    (tmp_path / "parent.py").write_text(PARENT)
    words = [sys.executable, str(tmp_path / "parent.py")]
    parent = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    children = [psutil.Process(int(word)) for word in parent.stdout.readline().split()]
    assert len(children) == 2
    parent.kill()
    parent.wait(10)
    assert not psutil.wait_procs(children, timeout=20)[1]


def test_a_process_that_does_not_start_is_said():
    service = data_service.LocalService()
    # Any function that ends without a word.
    with pytest.raises(OSError, match="a id did not start"):
        service._start(id)()
    until = time.monotonic() + 20
    while service.processes[0].is_alive() and time.monotonic() < until:
        time.sleep(0.1)
    with pytest.raises(OSError, match="1 of 1 processes"):
        service.check()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: data_service.start_worker("here"), "`dispatcher` must be HOST:PORT"),
        (lambda: data_service.served(None, None), "`dispatcher` must be HOST:PORT"),
        (lambda: data_service.start_dispatcher(70_000), "`port` must be from 0 to 65535"),
        (lambda: data_service.start_dispatcher(-1), "`port` must be an integer >= 0"),
        (lambda: data_service.local_service(0).__enter__(), "`workers` must be an integer >= 1"),
        (lambda: data_service.local_service(999, True).__enter__(), "a core of its own"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
