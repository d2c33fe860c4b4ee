"""The web example with a recognizer that costs nothing, and a browser's side of the WebSocket."""

import contextlib
import http.client
import io
import sys
import threading
import time
from typing import ClassVar

import numpy as np
from helpers.shared import ROOT
from PIL import Image

from fer_data.labels import EMOTIONS

WEBCAM = ROOT / "examples" / "webcam"


@contextlib.contextmanager
def webcam_modules():
    """Put the example's folder on the path, as Python does when it runs `server.py`."""
    sys.path.insert(0, str(WEBCAM))
    try:
        yield
    finally:
        sys.path.remove(str(WEBCAM))


with webcam_modules():
    import protocol


class FakeFace:
    def __init__(self, label, track):
        self.label, self.track = label, track

    def to_dict(self):
        rest = 0.1 / (len(EMOTIONS) - 1)
        return {
            "box": [10.0, 12.0, 30.0, 32.0],
            "score": 0.99,
            "label": self.label,
            "confidence": 0.9,
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

    def __init__(self, port, application):
        self.port = port
        self.app = application
        self.counts = application.state.worker.counts
        self.clients = application.state.clients
        self.origin = f"http://127.0.0.1:{port}"

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
def serving(recognizer, *options, limits=None):
    """Run the server with options of its command line, or with `Limits`; yield `Running`."""
    with webcam_modules():
        import server

        args = server.parse(["--port", "0", *options])
        args.limits = limits or args.limits
        running, sockets = server.build(args, recognizer)
    thread = threading.Thread(target=running.run, args=(sockets,))
    thread.start()
    try:
        while not running.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.005)
        yield Running(sockets[0].getsockname()[1], running.config.app)
    finally:
        running.should_exit = True
        thread.join(20)
        assert not thread.is_alive()
