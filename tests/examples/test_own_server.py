"""The program of `docs/how-to/your-own-server.md`: photos over HTTP, and what it refuses."""

import contextlib
import http.client
import json
import re
import threading
import time

import numpy as np
import pytest
from helpers.pages import DOCS
from skimage import data

from fer_data.picture import encode_png

uvicorn = pytest.importorskip("uvicorn", reason="the program needs the extra [web]")


@pytest.fixture(scope="module")
def program():
    page = (DOCS / "how-to" / "your-own-server.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, re.S)
    names = {}
    exec(compile(block, "block", "exec"), names)
    yield names
    names["workers"].shutdown()


@pytest.fixture(scope="module")
def port(program):
    server = uvicorn.Server(uvicorn.Config(program["app"], port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)


def answer(port, body):
    """Return status and content of the answer to a picture."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        connection.request("POST", "/faces", body)
        got = connection.getresponse()
        return got.status, json.loads(got.read())


def test_a_photo_is_answered(port, program):
    status, faces = answer(port, encode_png(data.astronaut()))
    assert status == 200
    assert [face["label"] for face in faces] == ["happy"]
    assert faces[0]["probabilities"].keys() == set(program["recognizer"].class_names)
    assert answer(port, encode_png(np.zeros((64, 64, 3), np.uint8))) == (200, [])


def test_what_is_no_picture_is_refused(port, program):
    assert answer(port, b"no picture")[0] == 400
    assert answer(port, b"")[0] == 400
    side = int(program["MOST_PIXELS"] ** 0.5) + 1
    status, content = answer(port, encode_png(np.zeros((side, side, 1), np.uint8), 1))
    assert (status, "pixels" in content["detail"]) == (400, True)


def test_a_long_file_is_refused(port, program):
    assert answer(port, bytes(program["MOST_BYTES"] + 1))[0] == 413
