"""Batches from tf.data service: once an epoch, nobody is left behind, bad arguments are named."""

import os
import re
import signal
import subprocess
import sys

import keras
import psutil
import pytest
from helpers.examples import load_example
from helpers.shared import ROOT

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.data does not know the backend"
)
SCRIPT = ROOT / "examples" / "data_service.py"
WORKERS = 2


@pytest.fixture(scope="module")
def example():
    return load_example("data_service")


@pytest.mark.slow
def test_two_workers_deal_out_the_epochs():
    words = ["--workers", str(WORKERS), "--seconds", "2", "--faces", "16", "--batch-size", "8"]
    words += ["--size", "16", "--augmentation", "basic"]
    found = subprocess.run(
        [sys.executable, str(SCRIPT), *words], capture_output=True, text=True, timeout=300
    )
    assert found.returncode == 0, found.stderr
    least, most = map(int, re.search(r"came (\d+) to (\d+) times", found.stdout).groups())
    assert least > WORKERS
    # Of the epoch that each worker is in, some pictures have come and some have not.
    assert most - least <= WORKERS
    assert "images a second in this process" in found.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("victim", "status"), [("parent", 128 + signal.SIGTERM), ("worker", 2)])
def test_nobody_is_left_when_one_is_ended(victim, status):
    words = [sys.executable, str(SCRIPT), "--workers", "2", "--seconds", "8", "--faces", "16"]
    words += ["--batch-size", "8", "--size", "16", "--augmentation", "basic"]
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    pin = len(cores) >= 2
    words += ["--pin"] if pin else []
    parent = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # Said when all are up and the measurement in this process is over.
    assert "in this process" in parent.stdout.readline()
    children = psutil.Process(parent.pid).children()
    assert len(children) == 3
    if pin:
        held = sorted(child.cpu_affinity() for child in children)
        assert held == sorted([cores, cores[:1], cores[1:2]])
    if victim == "parent":
        parent.terminate()
    else:
        children[-1].kill()
    errors = parent.communicate(timeout=120)[1]
    assert parent.returncode == status, errors
    assert ("1 of 3 processes of the service ended" in errors) == (victim == "worker")
    assert not psutil.wait_procs(children, timeout=10)[1]


def test_a_worker_that_does_not_start_is_said(example, monkeypatch):
    monkeypatch.setattr(example.sys, "executable", "/bin/false")
    with pytest.raises(OSError, match="the worker did not start: it ended with status 1"):
        example.start("worker", "--dispatcher", "127.0.0.1:1")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["worker"], "worker needs --dispatcher HOST:PORT, not None"),
        (["client", "--dispatcher", "here"], "client needs --dispatcher HOST:PORT, not 'here'"),
        (["--dispatcher", "a:1"], "--dispatcher is for worker and client, not for all"),
        (["--workers", "999", "--pin"], "cores for 999 workers here"),
        (["worker", "--dispatcher", "a:1", "--core", "-1"], "--core must be from 0 to"),
        (["worker", "--dispatcher", "a:1", "--pin"], "--pin is for all, not for worker"),
        (["--core", "0"], "--core is for worker, not for all"),
        (["--port", "70000"], "--port must be from 0 to 65535, not 70000"),
        (["--workers", "0"], "--workers must be more than 0"),
        (["--faces", "8", "--batch-size", "9"], "--batch-size 9 is more than --faces 8"),
    ],
)
def test_bad_arguments_are_named(example, words, message, capsys):
    with pytest.raises(SystemExit):
        example.parse(words)
    assert message in capsys.readouterr().err
