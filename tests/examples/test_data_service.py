"""The parts that `examples/data_service.py` starts by name."""

import types

import keras
import pytest
from helpers.examples import load_example

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="examples are tested on TensorFlow"
)


def test_a_dispatcher_says_where_it_listens(monkeypatch, capsys):
    program, started, joined = load_example("data_service"), [], []
    start = program.data_service.start_dispatcher

    def start_dispatcher(port):
        started.append(start(port))
        return types.SimpleNamespace(target=started[0].target, join=lambda: joined.append(1))

    monkeypatch.setattr(program.data_service, "start_dispatcher", start_dispatcher)
    program.main(["dispatcher"])
    host, port = capsys.readouterr().out.strip().split(":")
    assert started[0].target == f"grpc://{host}:{port}"
    assert int(port) > 0
    assert joined == [1]


@pytest.mark.parametrize("role", ["worker", "client"])
def test_other_parts_need_an_address(role, capsys):
    with pytest.raises(SystemExit) as ended:
        load_example("data_service").main([role])
    assert ended.value.code == 2
    assert f"a {role} needs the address of the dispatcher" in capsys.readouterr().err
