"""The server of the live page, with a recognizer that costs nothing."""

import asyncio
import contextlib
import dataclasses
import io
import json
import math
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

pytest.importorskip("fastapi", reason="the server needs the extra [web]")
pytest.importorskip("websockets", reason="the server needs the extra [web]")

from helpers.webcam import FakeFace, FakeRecognizer, frame, jpeg, serving
from websockets.exceptions import ConnectionClosed, InvalidStatus

from fer_data.labels import EMOTIONS
from fer_models import web
from fer_models.recognizer.quality import FaceQuality
from fer_models.recognizer.results import Expression
from fer_models.web import (
    Limits,
    Server,
    create_app,
    frame_limits,
    origins,
    protocol,
    serve,
    worker,
)
from fer_models.web.app import STATIC


@pytest.fixture(scope="module")
def running():
    with serving(FakeRecognizer()) as one:
        yield one


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.002)


def receive(live):
    return json.loads(live.recv(timeout=20))


def ask(live, message):
    live.send(message)
    return receive(live)


def refusal(running, *messages, **options):
    """Send messages; return the code and the reason of the server's good-bye."""
    with running.connect(**options) as live:
        with contextlib.suppress(ConnectionClosed):
            for message in messages:
                live.send(message)
        with contextlib.suppress(ConnectionClosed):
            while True:
                receive(live)
        return live.protocol.close_rcvd.code, live.protocol.close_rcvd.reason


def still_works(running):
    with running.connect() as live:
        return ask(live, frame(1))["faces"][0]["label"] == "happy"


# --- answers


def test_answers_have_the_documented_fields(running):
    with running.connect() as live:
        bright = ask(live, frame(7, 200, time=0.5))
        dark = ask(live, frame(8, 20, time=0.6))
    assert {key: bright[key] for key in ("frame", "timestamp", "width", "height")} == {
        "frame": 7,
        "timestamp": 0.5,
        "width": 64,
        "height": 48,
    }
    (face,) = bright["faces"]
    assert set(face) == set(worker.FIELDS)
    assert (face["answer"], face["set"], face["quality"]) == ("happy", ["happy"], None)
    assert list(face["probabilities"]) == list(EMOTIONS)
    assert face["label"] == "happy"
    assert dark["faces"][0]["label"] == "sad"
    assert set(bright["milliseconds"]) == {"detect", "classify", "total"}


def test_the_fields_of_a_face_say_how_sure_the_answer_is():
    quality = FaceQuality(sharpness=80.0, size=20, yaw=None, verdict="blurred, small")
    values = {"happy": 0.48, "neutral": 0.4, "sad": 0.12}
    face = Expression((1.0, 2.0, 3.0, 4.0), 0.9, values, "happy", 0.48, 3, 0.0)
    face = dataclasses.replace(face, set=("happy", "neutral"), quality=quality)
    session = SimpleNamespace(milliseconds={}, frame=lambda image, timestamp: [face])
    message = protocol.parse(frame(1), Limits())
    (told,) = worker.look(worker.Stream(session, print), message)["faces"]
    assert tuple(told) == worker.FIELDS
    assert json.loads(json.dumps(told)) == {
        **{"box": [1.0, 2.0, 3.0, 4.0], "score": 0.9, "label": "happy", "confidence": 0.48},
        **{"answer": "unsure", "set": ["happy", "neutral"], "probabilities": values, "track": 3},
        "quality": {"sharpness": 80.0, "size": 20, "yaw": None, "verdict": "blurred, small"},
    }


def test_each_browser_has_its_own_session():
    recognizer = FakeRecognizer()
    with serving(recognizer) as running, running.connect() as one, running.connect() as two:
        assert ask(one, frame(1, time=5.0))["timestamp"] == 5.0
        assert ask(two, frame(1, time=0.1))["timestamp"] == 0.1
        assert json.loads(running.get("/health")[2])["clients"] == 2
        one.close()
        wait_for(lambda: len(running.clients) == 1)
        assert ask(two, frame(2, time=0.2))["timestamp"] == 0.2
    assert [session.times for session in recognizer.sessions] == [[5.0], [0.1, 0.2]]


def test_another_picture_size_starts_the_session_anew():
    recognizer = FakeRecognizer()
    with serving(recognizer) as running, running.connect() as live:
        for number, width in enumerate((64, 64, 80)):
            assert ask(live, frame(number, width=width))["width"] == width
    assert recognizer.sessions[0].resets == 1


def test_only_the_newest_waiting_frame_is_looked_at():
    recognizer = FakeRecognizer()
    with serving(recognizer) as running, running.connect() as live:
        recognizer.gate.clear()
        live.send(frame(0))
        wait_for(lambda: recognizer.sessions and recognizer.sessions[0].begun)
        for number in range(1, 9):
            live.send(frame(number))
        wait_for(lambda: running.counts["overtaken"] == 7)
        assert running.app.state.worker.queued == 1
        recognizer.gate.set()
        # An answer that is not sent yet gives way to a newer one too.
        wait_for(lambda: receive(live)["frame"] == 8)
        assert running.counts["answered"] == 2
    assert recognizer.sessions[0].times == [0.0, 8 / 30]


def test_streams_take_turns():
    order = []
    gate = threading.Event()

    class Session:
        milliseconds = None

        def __init__(self, name):
            self.name = name

    line = worker.Worker(threads=1)
    streams = [worker.Stream(Session(name), lambda answer: None) for name in "ab"]
    line._answer = lambda stream, frame: (gate.wait(10), order.append((stream.session.name, frame)))
    line.start()
    try:
        line.submit(streams[0], 1)
        wait_for(lambda: not line.queued)
        for number in (2, 3, 4):
            line.submit(streams[0], number)
            line.submit(streams[1], number)
        gate.set()
        wait_for(lambda: len(order) == 3)
    finally:
        line.stop()
    assert order == [("a", 1), ("a", 4), ("b", 4)]


def test_two_browsers_are_answered_at_once_and_one_never_twice():
    together = threading.Barrier(2)

    class Session:
        def __init__(self):
            self.frames, self.inside, self.most = [], 0, 0

    def answer(stream, frame):
        session = stream.session
        session.inside += 1
        # An assertion in the worker's thread would fail no test.
        session.most = max(session.most, session.inside)
        # Both streams must be here, or it breaks.
        together.wait(10)
        session.frames.append(frame)
        session.inside -= 1

    line = worker.Worker(threads=3)
    line._answer = answer
    streams = [worker.Stream(Session(), lambda answer: None) for _ in range(2)]
    line.start()
    try:
        for number in range(3):
            for stream in streams:
                wait_for(lambda stream=stream: stream.waiting is None)
                line.submit(stream, number)
        wait_for(lambda: all(len(stream.session.frames) == 3 for stream in streams))
    finally:
        line.stop()
    assert [stream.session.frames for stream in streams] == [[0, 1, 2]] * 2
    assert [stream.session.most for stream in streams] == [1, 1]
    assert not together.broken


def test_an_answer_that_is_not_delivered_stops_nothing(caplog):
    delivered = []

    def deliver(answer):
        if answer == 1:
            raise OSError("gone")
        delivered.append(answer)

    line = worker.Worker(threads=1)
    line._answer = lambda stream, frame: frame
    stream = worker.Stream(None, deliver)
    line.start()
    try:
        for number in (1, 2):
            line.submit(stream, number)
            wait_for(lambda: stream.waiting is None and not stream.in_work)
    finally:
        line.stop()
    assert delivered == [2]
    assert [record.getMessage() for record in caplog.records] == [
        "An answer was not delivered: OSError"
    ]


def test_streams_may_be_forgotten_after_the_worker_has_stopped():
    line = worker.Worker(threads=1)
    stream = worker.Stream(None, print)
    line.stop()
    line.submit(stream, 1)
    line.forget(stream)
    assert (line.queued, stream.waiting) == (0, None)


def test_a_worker_is_started_by_its_first_frame_and_may_be_started_again():
    answers = []
    line = worker.Worker(threads=1)
    line._answer = lambda stream, frame: frame
    stream = worker.Stream(None, answers.append)
    for number in range(3):
        line.submit(stream, number)
        wait_for(lambda number=number: number in answers)
        if number:
            line.stop()
            line.start()
    line.stop()


def test_an_answer_that_is_no_number_is_a_frame_that_failed(monkeypatch):
    monkeypatch.setattr(FakeFace, "box", (1.0, 2.0, math.nan, 4.0))
    with serving(FakeRecognizer()) as running, running.connect() as live:
        assert "could not be looked at" in ask(live, frame(1))["error"]
        assert running.counts["failed"] == 1


def test_a_frame_that_fails_is_answered_with_an_error(running):
    before = running.counts["failed"]
    with running.connect() as live:
        for number, message in enumerate((frame(1, 255), frame(2)[:-20], frame(3)), 1):
            answer = ask(live, message)
            assert answer["frame"] == number
            assert ("error" in answer) == (number < 3)
    assert running.counts["failed"] == before + 2


# --- refusals


@pytest.mark.parametrize(
    ("message", "code", "reason"),
    [
        ("hello", 1003, "binary"),
        (b"", 1007, "a number, a time and a JPEG"),
        (b"\1\2\3", 1007, "a number, a time and a JPEG"),
        (protocol.pack(1, 0.0, b""), 1007, "must be a JPEG"),
        (protocol.pack(1, 0.0, b"\x89PNG\r\n\x1a\n" + bytes(100)), 1007, "must be a JPEG"),
        (protocol.pack(1, 0.0, jpeg()[:100]), 1007, "must be a JPEG"),
        (protocol.pack(1, 0.0, b"\xff\xd8\xff\xda" * 20), 1007, "16 scans"),
        (protocol.pack(1, 0.0, jpeg()[:2] + b"\xff" * 300_000 + jpeg()[2:]), 1007, "be a JPEG"),
        (protocol.pack(1, 0.0, b"\xff\xd8" + b"\xff\xe1\0\2" * 99 + jpeg()[2:]), 1007, "be a JPEG"),
        (protocol.pack(1, float("nan"), jpeg()), 1007, "finite"),
        (protocol.pack(1, -1.0, jpeg()), 1007, "finite"),
        (frame(1, width=16), 1007, "32 pixels"),
        (frame(1, width=2000, height=1000), 1009, "1300000 pixels"),
        (protocol.pack(1, 0.0, jpeg() + bytes(400_000)), 1009, ""),
    ],
)
def test_bad_messages_end_the_connection_and_not_the_server(running, message, code, reason):
    received, why = refusal(running, message)
    assert received == code
    assert reason in why
    assert len(why) <= 123, "a reason that is longer cannot be sent"
    assert still_works(running)
    wait_for(lambda: not running.clients)


@pytest.mark.parametrize("second", [frame(5, time=9), frame(4, time=9), frame(6, time=0.0)])
def test_frames_must_follow_each_other(running, second):
    assert refusal(running, frame(5), second)[0] == 1007


def test_a_bomb_is_refused_from_its_header(running):
    bomb = bytearray(jpeg())
    at = bomb.index(b"\xff\xc0") + 5
    bomb[at : at + 4] = struct.pack(">HH", 65000, 65000)
    assert refusal(running, protocol.pack(1, 0.0, bytes(bomb)))[0] == 1009


def test_a_huge_message_ends_the_connection(running):
    # The server reads no more of it than it must, so its good-bye may not arrive.
    with running.connect() as live:
        with contextlib.suppress(ConnectionClosed):
            live.send(bytes(20_000_000))
        with pytest.raises(ConnectionClosed):
            receive(live)
    assert still_works(running)


@settings(max_examples=25)
@given(st.binary(max_size=300), st.integers(0, 600), st.binary(max_size=8))
def test_no_bytes_get_through_but_frames(noise, at, patch):
    good = frame(1)
    for message in (noise, good[:12] + noise, good[:at] + patch + good[at + len(patch) :]):
        with contextlib.suppress(protocol.RefusedError):
            read = protocol.parse(message, Limits())
            assert read.width * read.height <= Limits().max_pixels


def test_a_frame_is_decoded_to_rgb():
    read = protocol.parse(frame(3, 90, width=40, height=33, progressive=True), Limits())
    image = read.decode()
    assert image.shape == (33, 40, 3)
    assert image.dtype == np.uint8
    assert np.abs(image.astype(int) - 90).max() <= 2


def test_what_describes_a_picture_is_not_read():
    exif = Image.Exif()
    exif[0x010E] = "words " * 1000
    extra = {"exif": exif, "comment": b"c" * 5000, "icc_profile": b"p" * 100_000}
    plain, described = jpeg(90), jpeg(90, **extra)
    assert len(described) > len(plain) + 100_000
    read = protocol.parse(protocol.pack(1, 0.0, described), Limits())
    assert not {"exif", "comment", "icc_profile"} & set(read.jpeg.info)
    expected = protocol.parse(protocol.pack(1, 0.0, plain), Limits())
    np.testing.assert_array_equal(read.decode(), expected.decode())


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_frames_of_other_colours_are_decoded_too(mode):
    stream = io.BytesIO()
    Image.new("RGB", (64, 48), (200, 100, 50)).convert(mode).save(stream, "JPEG", quality=95)
    image = protocol.parse(protocol.pack(1, 0.0, stream.getvalue()), Limits()).decode()
    expected = np.asarray(Image.open(io.BytesIO(stream.getvalue())).convert("RGB"))
    np.testing.assert_array_equal(image, expected)


def test_too_many_frames_a_second_are_dropped_then_refused():
    with serving(FakeRecognizer(), limits=Limits(max_rate=5)) as running:
        with running.connect() as live:
            # Fewer than the twenty at once for which it is closed.
            for number in range(18):
                live.send(frame(number))
            wait_for(lambda: "5 frames a second" in receive(live).get("error", ""))
            wait_for(lambda: running.counts["too_fast"] >= 1)
        code, reason = refusal(running, *(frame(number) for number in range(60)))
        assert (code, reason) == (1008, "At most 5 frames a second")
        assert still_works(running)


@pytest.mark.parametrize(
    ("flood", "reason"),
    [
        (lambda live: [live.ping() for _ in range(3000)], "At most 10 pings and pongs a second"),
        (lambda live: [live.pong() for _ in range(3000)], "At most 10 pings and pongs a second"),
        # A message of empty fragments, as it has no end.
        (lambda live: live.send([b"a", *[b""] * 3000]), "At most 256 fragments a message"),
        # Each is no frame (1007), and they are too many (1008): which comes first is chance.
        (lambda live: [live.send(b"") for _ in range(3000)], ""),
    ],
    ids=["pings", "pongs", "fragments", "messages"],
)
def test_a_flood_of_small_frames_is_cut_off_before_it_is_decoded(running, flood, reason):
    refused = running.counts["refused"]
    with running.connect() as good, running.connect() as live:
        ask(good, frame(1))
        with contextlib.suppress(ConnectionClosed):
            flood(live)
        start = time.monotonic()
        assert running.get("/health")[0] == 200
        assert ask(good, frame(2))["frame"] == 2
        assert time.monotonic() - start < 5
        with pytest.raises(ConnectionClosed):
            receive(live)
        received = live.protocol.close_rcvd
    assert received.code in ((1008,) if reason else (1007, 1008))
    assert received.reason.startswith(reason)
    wait_for(lambda: not running.clients)
    # What comes after a refusal may be refused once more.
    assert running.counts["refused"] > refused


def test_a_server_in_an_event_loop_says_what_to_do():
    async def cell():
        with web.Server(port=0) as server:
            server.run(FakeRecognizer())

    with pytest.raises(RuntimeError, match=r"as in the cell of a notebook: call it in a thread"):
        asyncio.run(cell())


def test_pings_now_and_then_and_messages_in_parts_are_fine(running):
    with running.connect() as live:
        for _ in range(5):
            assert live.ping().wait(20)
        message = frame(1)
        live.send([message[:5], b"", message[5:100], message[100:]])
        assert receive(live)["frame"] == 1


def masked(opcode, payload=b"", last=True):
    size = len(payload)
    more = b"" if size < 126 else struct.pack(">H" if size < 65536 else ">Q", size)
    marker = size if size < 126 else 126 if size < 65536 else 127
    return bytes([opcode | (0x80 if last else 0), 0x80 | marker]) + more + bytes(4) + payload


@given(st.lists(st.integers(1, 90_000), min_size=1, max_size=5), st.sampled_from([0, 125, 126]))
def test_heads_of_frames_are_read_however_the_bytes_are_cut(cuts, size):
    sent = [(2, False), (9, True), (0, False), (0, True), (10, True), (8, True)]
    payloads = [bytes(70_000), b"ping", bytes(size), b"", b"", b"\x03\xe8"]
    stream = b"GET /ws HTTP/1.1\r\nHost: a\r\n\r\n" + b"".join(
        masked(opcode, payload, last)
        for (opcode, last), payload in zip(sent, payloads, strict=True)
    )
    heads, found, at = frame_limits.FrameHeads(), [], 0
    while at < len(stream):
        step = cuts[len(found) % len(cuts)]
        found += heads.read(stream[at : at + step])
        at += step
    assert found == sent


def test_a_message_that_is_too_long_is_refused_by_any_server():
    with pytest.raises(protocol.RefusedError, match="400000 bytes"):
        protocol.parse(frame(1) + bytes(400_000), Limits())


def test_a_bucket_refills():
    now = [0.0]
    bucket = protocol.Bucket(4, lambda: now[0])
    assert [bucket.take() for _ in range(6)] == [True] * 4 + [False] * 2
    now[0] = 0.5
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    now[0] = 100.0
    assert sum(bucket.take() for _ in range(9)) == 4


def test_one_browser_too_many_is_told_so():
    with serving(FakeRecognizer(), limits=Limits(max_clients=1)) as running:
        with running.connect() as live:
            ask(live, frame(1))
            assert refusal(running) == (1013, "All 1 places are taken")
        wait_for(lambda: not running.clients)
        assert still_works(running)


def test_a_silent_browser_is_disconnected():
    with serving(FakeRecognizer(), limits=Limits(idle_seconds=0.1)) as running:
        assert refusal(running) == (1008, "No frame for 0.1 seconds")


@pytest.mark.parametrize(
    "origin",
    [None, "null", "http://evil.example", "http://127.0.0.1:9", "http://127.0.0.1", "file://"],
)
def test_other_origins_are_refused(running, origin):
    with pytest.raises(InvalidStatus, match="403"), running.connect(origin=origin):
        pass
    assert still_works(running)


def test_more_origins_may_be_allowed():
    with serving(FakeRecognizer(), origins=["https://faces.example"]) as running:
        with running.connect(origin="https://faces.example") as live:
            assert ask(live, frame(1))["frame"] == 1
        evil = "https://evil.example"
        with pytest.raises(InvalidStatus, match="403"), running.connect(origin=evil):
            pass


@pytest.mark.parametrize(
    ("origin", "host", "allowed", "same"),
    [
        ("http://localhost:8000", "localhost:8000", (), True),
        ("https://faces.example", "faces.example", (), True),
        ("https://faces.example", "faces.example:443", (), True),
        ("http://faces.example:80", "faces.example", (), True),
        ("HTTP://LocalHost:8000", "localhost:8000", (), True),
        ("http://[::1]:8000", "[::1]:8000", (), True),
        ("https://faces.example", "faces.example:80", (), False),
        ("https://shop.example", "faces.example", ("https://shop.example/",), True),
        ("http://shop.example", "faces.example", ("https://shop.example",), False),
        ("ftp://faces.example", "faces.example", (), False),
        (None, "faces.example", (), False),
        ("http://faces.example", None, (), False),
    ],
)
def test_origins(origin, host, allowed, same):
    assert origins.same_origin(origin, host, allowed) is same


def test_a_foreign_name_of_this_machine_is_refused(running):
    assert running.get("/", host="rebound.example")[0] == 400
    assert running.get("/", host="localhost:1234")[0] == 200
    assert origins.host_names("0.0.0.0") == ("*",)
    names = origins.host_names("127.0.0.1", ["https://faces.example"])
    assert "faces.example" in names
    assert "localhost" in names


# --- the page


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/static/app.js", 200),
        ("/static/style.css", 200),
        ("/settings", 200),
        ("/health", 200),
        ("/docs", 404),
        ("/static/../server.py", 404),
        ("/static/%2e%2e/server.py", 404),
        ("/static/nothing.js", 404),
    ],
)
def test_everything_has_security_headers(running, path, status):
    received, headers, _ = running.get(path)
    assert received == status
    assert headers["x-content-type-options"] == "nosniff"
    assert "'wasm-unsafe-eval'" in headers["content-security-policy"]
    assert "camera=(self)" in headers["permissions-policy"]


def test_the_page_is_served(running):
    assert "Facial expressions, live" in running.get("/")[2]
    assert running.get("/static/app.js")[1]["content-type"].startswith("text/javascript")
    told = json.loads(running.get("/settings")[2])
    assert told["class_names"] == list(EMOTIONS)
    assert told["max_rate"] == 30.0


def test_the_page_is_told_what_the_caller_says():
    with serving(FakeRecognizer(), settings={"weights": "mine"}) as running:
        assert json.loads(running.get("/settings")[2])["weights"] == "mine"
        # Without a folder there are no networks, and no path to any.
        assert running.get("/engine-assets/manifest.json")[0] == 404


def test_the_networks_of_the_page_are_served_where_there_are_any(tmp_path):
    for name in ("manifest.json", "ort.wasm", "ort.mjs", "net.onnx"):
        (tmp_path / name).write_text("{}")
    with serving(FakeRecognizer(), engine_assets=tmp_path) as running:
        kinds = {
            name: running.get(f"/engine-assets/{name}")[1]["content-type"].split(";")[0]
            for name in ("manifest.json", "ort.wasm", "ort.mjs", "net.onnx")
        }
    assert list(kinds.values()) == [
        "application/json",
        "application/wasm",
        "text/javascript",
        "application/octet-stream",
    ]


def test_the_networks_of_the_page_may_come_and_go_while_the_server_runs(tmp_path):
    folder = tmp_path / "networks"
    with serving(FakeRecognizer(), engine_assets=folder) as running:
        assert running.get("/engine-assets/manifest.json")[0] == 404
        folder.mkdir()
        assert running.get("/engine-assets/manifest.json")[0] == 404
        (folder / "manifest.json").write_text('{"format": 1}')
        assert running.get("/engine-assets/manifest.json")[2] == '{"format": 1}'
        folder.rename(tmp_path / "away")
        assert running.get("/engine-assets/manifest.json")[0] == 404


def test_the_page_asks_no_third_party():
    for path in sorted(STATIC.rglob("*.*")):
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        text = text.replace("http://localhost:", "")
        assert "http://" not in text, path.name
        assert "https://" not in text, path.name


# --- bad browsers beside a good one


def test_a_browser_that_is_gone_in_the_middle_of_a_frame_is_forgotten():
    recognizer = FakeRecognizer()
    with serving(recognizer) as running, running.connect() as good:
        ask(good, frame(1))
        with running.connect() as gone:
            recognizer.gate.clear()
            gone.send(frame(1))
            gone.send(frame(2))
            wait_for(lambda: len(recognizer.sessions) == 2 and recognizer.sessions[1].begun)
            # A reset, without the WebSocket's good-bye.
            gone.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            gone.socket.close()
        wait_for(lambda: len(running.clients) == 1)
        recognizer.gate.set()
        assert ask(good, frame(2))["frame"] == 2
    assert len(recognizer.sessions[1].times) == 1


@pytest.mark.slow
def test_a_browser_that_does_not_read_stalls_nobody():
    # Answers of half a megabyte fill every buffer soon.
    limits = Limits(send_seconds=2, max_rate=1000)
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with (
        serving(FakeRecognizer(faces=1500), limits=limits) as running,
        running.connect() as good,
        contextlib.closing(small),
        contextlib.ExitStack() as stack,
    ):
        small.connect(("127.0.0.1", running.port))
        deaf = stack.enter_context(running.connect(sock=small, max_queue=1, close_timeout=0.1))
        ask(good, frame(0))
        wait_for(lambda: len(running.clients) == 2)
        number = 0
        end = time.monotonic() + 90
        while len(running.clients) == 2 and time.monotonic() < end:
            number += 1
            with contextlib.suppress(ConnectionClosed):
                deaf.send(frame(number))
            assert ask(good, frame(number))["frame"] == number
        assert len(running.clients) == 1
        assert ask(good, frame(number + 1))["frame"] == number + 1


# --- arguments


def certificate(folder):
    """Write a self-signed certificate and its key; return their paths."""
    names = [str(folder / name) for name in ("cert.pem", "key.pem")]
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-subj", "/CN=localhost", "-out", names[0], "-keyout", names[1]]
    subprocess.run(command, check=True, capture_output=True)
    return names


def test_the_page_over_https(tmp_path):
    certfile, keyfile = certificate(tmp_path)
    trusting = ssl.create_default_context(cafile=certfile)
    trusting.check_hostname = False
    with serving(FakeRecognizer(), ssl_certfile=certfile, ssl_keyfile=keyfile) as running:
        assert running.origin.startswith("https://127.0.0.1:")
        with urllib.request.urlopen(f"{running.origin}/", context=trusting, timeout=20) as page:
            assert b"Facial expressions, live" in page.read()


def test_certificate_and_key_are_checked_before_anything_else(tmp_path):
    certfile, keyfile = certificate(tmp_path)
    with pytest.raises(ValueError, match=r"certificate and its private key.*cert\.pem"):
        Server(port=0, ssl_certfile=certfile)
    with pytest.raises(ValueError, match="needs `ssl_certfile`"):
        Server(port=0, ssl_keyfile=keyfile)
    with pytest.raises(FileNotFoundError, match=r"`ssl_keyfile`.*gone\.pem"):
        Server(port=0, ssl_certfile=certfile, ssl_keyfile=str(tmp_path / "gone.pem"))
    dsa = str(tmp_path / "dsa.pem")
    for command in (
        ["dsaparam", "-genkey", "-noout", "-out", f"{dsa}.key", "2048"],
        ["req", "-x509", "-key", f"{dsa}.key", "-subj", "/CN=localhost", "-out", dsa],
    ):
        subprocess.run(["openssl", *command], check=True, capture_output=True)
    with pytest.raises(ValueError, match="of a kind that browsers can use"):
        Server(port=0, ssl_certfile=dsa, ssl_keyfile=f"{dsa}.key")
    locked = str(tmp_path / "locked.pem")
    command = ["openssl", "pkey", "-aes256", "-passout", "pass:word", "-in", keyfile]
    subprocess.run([*command, "-out", locked], check=True, capture_output=True)
    with pytest.raises(ValueError, match="must not be encrypted"):
        Server(port=0, ssl_certfile=certfile, ssl_keyfile=locked)


def test_an_address_that_is_taken_is_said_at_once():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(OSError, match=rf"port={port}: Address already in use"):
            Server(port=port)
    with pytest.raises(OSError, match=r"host='192\.0\.2\.1'"):
        Server("192.0.2.1", 0)
    # Nor may two servers take one port, whose networks are still being loaded.
    with Server(port=0) as one, pytest.raises(OSError, match="Address already in use"):
        Server(port=one.port)


def test_a_port_can_be_taken_again_at_once():
    with serving(FakeRecognizer()) as running, running.connect() as live:
        ask(live, frame(1))
        port = running.port
    for _ in range(2):
        with Server(port=port):
            pass


@pytest.mark.parametrize("host", ["", None, 7, b"localhost"])
def test_bad_hosts(host):
    with pytest.raises(ValueError, match="`host` must be an address or a name"):
        Server(host, 0)


def test_nobody_is_answered_before_it_runs():
    with (
        Server(port=0) as server,
        pytest.raises(ConnectionRefusedError),
        socket.create_connection(("127.0.0.1", server.port)),
    ):
        pass


@pytest.mark.parametrize("port", [70000, -1, 80.0, True, None])
def test_bad_ports(port):
    with pytest.raises(ValueError, match="`port` must be an integer in 0 to 65535"):
        Server(port=port)


@pytest.mark.parametrize("origin", ["faces.example", "https://faces.example/page", "ftp://a.b"])
def test_bad_origins(origin):
    with pytest.raises(ValueError, match=r"`origin` must look like https://example\.org"):
        Server(port=0, origins=[origin])
    with pytest.raises(ValueError, match=r"`origin` must look like https://example\.org"):
        create_app(FakeRecognizer(), origins=[origin])
    with pytest.raises(ValueError, match="`origins` must be a list"):
        Server(port=0, origins=origin)


def test_it_binds_to_loopback_and_warns_when_not():
    with Server(port=0) as server:
        assert server.address == f"http://127.0.0.1:{server.port}/"
        assert server.warning is None
    with Server("0.0.0.0", 0) as server:
        assert server.address == f"http://localhost:{server.port}/"
        assert "without a password" in server.warning
        assert "unencrypted" in server.warning


def test_limits_say_what_is_wrong():
    with pytest.raises(ValueError, match="max_clients=0"):
        Limits(max_clients=0)
    with pytest.raises(ValueError, match=r"max_clients=1\.5"):
        Limits(max_clients=1.5)
    with pytest.raises(ValueError, match="max_rate=nan"):
        Limits(max_rate=math.nan)
    with pytest.raises(ValueError, match="max_fragments='many'"):
        Limits(max_fragments="many")


@pytest.mark.parametrize("name", ["serve", "create_app"])
def test_a_missing_package_is_named_with_what_to_install(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "fastapi", None)
    monkeypatch.delitem(sys.modules, "fer_models.web.app", raising=False)
    monkeypatch.delitem(vars(web), "create_app", raising=False)
    with pytest.raises(ImportError, match=r'needs fastapi\. Run: pip install "fer-keras\[web\]'):
        getattr(web, name)(FakeRecognizer())


def test_ctrl_c_ends_it_quietly():
    asked = []

    def interrupt():
        asked.append("it answers")
        signal.raise_signal(signal.SIGINT)

    serve(FakeRecognizer(), port=0, on_listening=interrupt)
    assert asked
