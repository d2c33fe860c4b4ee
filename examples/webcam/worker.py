"""One thread that looks at the newest frame of each browser in turn."""

import collections
import logging
import threading
import time

logger = logging.getLogger("fer.webcam")


class Stream:
    """What the server keeps of one browser: its session and its newest unseen frame.

    Args:
        session: `frame(image, timestamp)` returns the faces, as a `Recognizer`'s session does.
        deliver: called with each answer, a dictionary, in the worker's thread.
    """

    def __init__(self, session, deliver):
        self.session = session
        self.deliver = deliver
        self.waiting = None
        self.size = None


class Worker:
    """Answers frames, one at a time, fairly over all streams.

    A stream has one place in the queue. Its newer frame takes the place of its older one, so the
    queue is never longer than there are streams, and no picture in it is older than necessary.
    """

    def __init__(self):
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
        self._thread = threading.Thread(target=self._run, name="recognizer", daemon=True)

    def start(self):
        self._thread.start()

    def stop(self):
        """Let the frame in work be finished, leave the others, end the thread."""
        with self._changed:
            self._stopped = True
            self._turns.clear()
            self._changed.notify()
        self._thread.join()

    def submit(self, stream, frame):
        """Queue a frame in place of the stream's older one, and never wait."""
        with self._changed:
            if stream.waiting is None:
                self._turns.append(stream)
            else:
                self.counts["overtaken"] += 1
            stream.waiting = frame
            self._changed.notify()

    def forget(self, stream):
        """Drop what the stream has in the queue."""
        with self._changed:
            if stream.waiting is not None:
                self._turns.remove(stream)
                stream.waiting = None

    @property
    def queued(self):
        return len(self._turns)

    def _run(self):
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._turns or self._stopped)
                if self._stopped:
                    return
                stream = self._turns.popleft()
                frame, stream.waiting = stream.waiting, None
            stream.deliver(self._answer(stream, frame))

    def _answer(self, stream, frame):
        try:
            answer = look(stream, frame)
        # Whatever a picture does to the decoder or the recognizer, the other browsers go on.
        except Exception as error:
            self.counts["failed"] += 1
            logger.error("A frame failed: %s", type(error).__name__)
            return {"frame": frame.number, "error": "This picture could not be looked at"}
        self.counts["answered"] += 1
        return answer


def look(stream, frame):
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
        "milliseconds": stream.session.milliseconds | {"total": total},
    }


def _fields(face):
    fields = face.to_dict()
    return {name: fields[name] for name in FIELDS}


FIELDS = ("box", "score", "label", "confidence", "probabilities", "track")
