"""What Keras computes on, in words, on each backend."""

import re
import sys
from types import SimpleNamespace

import keras
import pytest

from fer_models.evaluation.devices import devices
from fer_models.training.runs import hardware


@pytest.mark.backend
def test_the_own_backend_names_its_devices():
    assert re.fullmatch(r"\w+:\d.*", devices())
    assert "cores, " in hardware()


@pytest.mark.parametrize(
    ("device", "words"), [(("cuda", 0), "cuda:0 NVIDIA H200"), (("cpu", None), "cpu:0")]
)
def test_pytorch_for_which_keras_lists_no_devices(monkeypatch, device, words):
    tensor = SimpleNamespace(device=SimpleNamespace(type=device[0], index=device[1]))
    cuda = SimpleNamespace(get_device_name=lambda device: "NVIDIA H200")
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    monkeypatch.setattr(keras.distribution, "list_devices", None)
    monkeypatch.setattr(keras.ops, "zeros", lambda shape: tensor)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert devices() == words
    assert hardware().endswith(f"cores, {words}")
