"""Threads that look at the newest frame of each browser in turn."""

import collections
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from fer_data.compiled.lite_runner import threads_for_a_picture
from fer_models.web.protocol import Frame

logger = logging.getLogger("fer.webcam")


class LiveSession(Protocol):
    """Follows the faces of one browser; `fer_models.recognizer.session.Session` is one.

    Attributes:
        milliseconds: How long the parts of the last frame took, by name.
    """

    milliseconds: Mapping[str, float]

    def frame(self, image: np.ndarray, timestamp: float) -> Sequence[Any]:
        """Return the faces of the next frame, uint8 RGB; each has `to_dict()`, as `Expression`."""

    def reset(self) -> None:
        """Forget all faces and times: the next frame is the first of a new stream."""


class LiveRecognizer(Protocol):
    """The methods that the page needs; `fer_models.Recognizer` has them.

    Different sessions are called at the same time from several threads, each from one at a time.

    Attributes:
        class_names: Names of the classes in the order in which the page shows them.
    """

    class_names: Sequence[str]

    def session(self) -> LiveSession:
        """Return a session for one more browser."""


class Stream:
    """The state of one browser: its session and its newest unseen frame.

    Args:
        session: Looks at its frames, a `LiveSession`.
        deliver: Called with each answer, as JSON, in a thread of the worker.
    """

    def __init__(self, session: LiveSession, deliver: Callable[[str], None]) -> None:
        self.session = session
        self.deliver = deliver
        self.waiting: Frame | None = None
        self.in_work = False
        self.size: tuple[int, int] | None = None


class Worker:
    """Answers frames, one of each stream at a time, fairly over all streams.

    A stream has one place in the queue. Its newer frame takes the place of its older one, so the
    queue is never longer than there are streams, and no picture in it is older than necessary.

    Args:
        threads: How many frames, of different streams, are looked at at once; by default one for
            each core, up to 4.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.counts = {
            "answered": 0,
            "overtaken": 0,
            "too_fast": 0,
            "failed": 0,
            "refused": 0,
        }
        self._turns = collections.deque()
        self._changed = threading.Condition()
        self._stopped = False
        self._count = threads or threads_for_a_picture()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the threads, where they do not run already."""
        with self._changed:
            if self._threads:
                return
            self._stopped = False
            self._threads = [
                threading.Thread(target=self._run, name=f"recognizer {number}", daemon=True)
                for number in range(self._count)
            ]
            for thread in self._threads:
                thread.start()

    def stop(self) -> None:
        """Let the frames in work be finished, leave the others, end the threads."""
        with self._changed:
            self._stopped = True
            for stream in self._turns:
                stream.waiting = None
            self._turns.clear()
            self._changed.notify_all()
            threads, self._threads = self._threads, []
        for thread in threads:
            thread.join()

    def submit(self, stream: Stream, frame: Frame) -> None:
        """Queue a frame in place of the stream's older one, and never wait."""
        # Nobody starts an application that is mounted in another one.
        if not (self._threads or self._stopped):
            self.start()
        with self._changed:
            if stream.waiting is None:
                self._turns.append(stream)
            else:
                self.counts["overtaken"] += 1
            stream.waiting = frame
            self._changed.notify()

    def forget(self, stream: Stream) -> None:
        """Drop what the stream has in the queue."""
        with self._changed:
            if stream.waiting is not None:
                self._turns.remove(stream)
                stream.waiting = None

    @property
    def queued(self) -> int:
        """How many streams wait for their turn."""
        return len(self._turns)

    def _next(self):
        """Return the first stream in the queue that no thread looks at, None without one."""
        return next((stream for stream in self._turns if not stream.in_work), None)

    def _run(self):
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or self._next() is not None)
                if self._stopped:
                    return
                stream = self._next()
                self._turns.remove(stream)
                frame, stream.waiting = stream.waiting, None
                stream.in_work = True
            try:
                stream.deliver(self._answer(stream, frame))
            # One browser's answer is lost; this thread goes on for all of them.
            except Exception as error:
                logger.error("An answer was not delivered: %s", type(error).__name__)
                logger.debug("Where it failed:", exc_info=True)
            finally:
                # Nobody is woken: this thread looks for the next stream itself.
                with self._changed:
                    stream.in_work = False

    def _answer(self, stream, frame):
        try:
            answer, outcome = json.dumps(look(stream, frame), allow_nan=False), "answered"
        # Whatever a picture does to the decoder or the recognizer, the other browsers go on.
        except Exception as error:
            logger.error("A frame failed: %s", type(error).__name__)
            logger.debug("Where it failed:", exc_info=True)
            answer, outcome = refused(frame, "This picture could not be looked at"), "failed"
        with self._changed:
            self.counts[outcome] += 1
        return answer


def refused(frame: Frame, reason: str) -> str:
    """Return what a browser is told of a frame without an answer, as JSON."""
    return json.dumps({"frame": frame.number, "error": reason})


def look(stream: Stream, frame: Frame) -> dict[str, Any]:
    """Return the answer to one frame, see `protocol`."""
    start = time.perf_counter()
    size = frame.width, frame.height
    if stream.size not in (None, size):
        stream.session.reset()
    stream.size = size
    faces = stream.session.frame(frame.decode(), frame.timestamp)
    total = 1000 * (time.perf_counter() - start)
    return {
        "frame": frame.number,
        "timestamp": frame.timestamp,
        "width": frame.width,
        "height": frame.height,
        "faces": [_fields(face) for face in faces],
        "milliseconds": {**stream.session.milliseconds, "total": total},
    }


def _fields(face):
    fields = face.to_dict()
    return {name: fields[name] for name in FIELDS}


FIELDS = (
    *("box", "score", "label", "confidence", "answer", "set", "quality"),
    *("probabilities", "track"),
)
