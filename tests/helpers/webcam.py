"""The live page with a recognizer that costs nothing, and a browser's side of the WebSocket."""

import contextlib
import http.client
import io
import math
import threading
import time
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from fer_data.labels import EMOTIONS
from fer_models.web import Server, protocol


class FakeFace:
    box = (10.0, 12.0, 30.0, 32.0)
    answer, open_classes, quality = None, None, None

    def __init__(self, label, track):
        self.label, self.track = label, track

    def to_dict(self):
        rest = 0.1 / (len(EMOTIONS) - 1)
        return {
            "box": list(self.box),
            "score": 0.99,
            "label": self.label,
            "confidence": 0.9,
            "answer": self.answer or self.label,
            "set": self.open_classes or [self.label],
            "quality": self.quality,
            "probabilities": {name: 0.9 if name == self.label else rest for name in EMOTIONS},
            "track": self.track,
            "timestamp": 0.0,
        }


class FakeSession:
    """Calls a bright picture happy and a dark one sad, and fails on a white one."""

    milliseconds: ClassVar = {"detect": 1.0, "classify": 2.0, "total": 3.0}

    def __init__(self, seconds, faces, gate):
        self.seconds, self.count, self.gate = seconds, faces, gate
        self.times, self.resets, self.begun = [], 0, False

    def frame(self, image, timestamp=None):
        self.begun = True
        self.gate.wait(10)
        time.sleep(self.seconds)
        self.times.append(timestamp)
        if image.mean() > 250:
            raise RuntimeError("too bright")
        label = "happy" if image.mean() > 127 else "sad"
        return [FakeFace(label, track) for track in range(self.count)]

    def reset(self):
        self.resets += 1


class FakeRecognizer:
    class_names = EMOTIONS
    input_size = 48

    def __init__(self, seconds=0.0, faces=1):
        self.seconds, self.faces = seconds, faces
        self.sessions = []
        # Closed, it holds the worker in the middle of a frame.
        self.gate = threading.Event()
        self.gate.set()

    def session(self, **options):
        self.sessions.append(FakeSession(self.seconds, self.faces, self.gate))
        return self.sessions[-1]


def jpeg(value=200, width=64, height=48, **options):
    """Return a grey picture as JPEG."""
    return encode(np.full((height, width, 3), value, np.uint8), **options)


def encode(image, **options):
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", **options)
    return stream.getvalue()


def frame(number, value=200, time=None, **options):
    """Return the message of a frame."""
    time = number / 30 if time is None else time
    return protocol.pack(number, time, jpeg(value, **options))


class Running:
    """A server that runs as the command runs it, on a free port."""

    def __init__(self, server):
        self.port = server.port
        self.app = server.app
        self.counts = server.app.state.worker.counts
        self.clients = server.app.state.clients
        self.origin = server.address.rstrip("/")

    def connect(self, **options):
        """Return a connection to the WebSocket, as a browser on the page makes it."""
        from websockets.sync.client import connect

        options = {"origin": self.origin, "compression": None, **options}
        return connect(f"ws://127.0.0.1:{self.port}/ws", **options)

    def get(self, path, **headers):
        """Return status, headers and text of a page."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()


@contextlib.contextmanager
def serving(recognizer, *, engine_assets=None, settings=None, **options):
    """Run a server with options of `Server` in a thread; yield `Running` once it answers."""
    listening = threading.Event()
    with Server(port=0, **options) as server:
        told = {"engine_assets": engine_assets, "settings": settings}
        thread = threading.Thread(
            target=server.run, args=(recognizer,), kwargs={**told, "on_listening": listening.set}
        )
        thread.start()
        try:
            while not listening.wait(0.005):
                assert thread.is_alive(), "the server did not start"
            yield Running(server)
        finally:
            server.stop()
            thread.join(20)
            assert not thread.is_alive()


def assert_same_faces(results, expected):
    """Assert that the browser's engine found what Python found, picture by picture."""
    for result, faces in zip(results, expected, strict=True):
        assert len(result["faces"]) == len(faces)
        for face in faces:
            one = min(result["faces"], key=lambda other: math.dist(other["box"], face["box"]))
            np.testing.assert_allclose(one["box"], face["box"], atol=0.05)
            assert one["score"] == pytest.approx(face["score"], abs=1e-3)
            for name, probability in face["probabilities"].items():
                assert one["probabilities"][name] == pytest.approx(probability, abs=1e-3)
            assert one["confidence"] == one["probabilities"][one["label"]]
