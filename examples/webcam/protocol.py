"""What goes over the WebSocket, and what is refused.

A browser sends binary messages: the frame's number (unsigned 32 bit) and its time in seconds
(64 bit float), both little-endian, then the picture as JPEG. Numbers grow, times never go back. The
server answers in text, with one JSON object a frame:

    {"frame": 7, "timestamp": 0.41, "width": 640, "height": 480,
     "faces": [{"box": [x, y, width, height], "score": 0.99, "label": "happy", "confidence": 0.9,
                "probabilities": {"happy": 0.9, ...}, "track": 1}],
     "milliseconds": {"detect": 9.0, "classify": 4.0, "total": 15.0}}

or `{"frame": 7, "error": "..."}` where this one frame got no answer. Frames that newer ones have
overtaken get none. Whoever breaks the protocol is disconnected with a code and a reason.
"""

import dataclasses
import io
import math
import struct

import numpy as np
from PIL.JpegImagePlugin import JpegImageFile

HEADER = struct.Struct("<Id")
# A picture from a camera has one scan, a progressive one about ten; each costs a pass over all
# pixels, so that a small file of many scans could keep a server busy for minutes.
MOST_SCANS = 16
SMALLEST_SIDE = 32

LOOPBACK = ("localhost", "127.0.0.1", "::1", "[::1]")

UNSUPPORTED, MALFORMED, POLICY, TOO_BIG, FULL = 1003, 1007, 1008, 1009, 1013


@dataclasses.dataclass(frozen=True)
class Limits:
    """What one browser, and all of them together, may ask of the server.

    Attributes:
        max_clients: browsers at a time.
        max_frame_bytes: of one JPEG.
        max_pixels: width times height of one JPEG, from its header, before it is decoded.
        max_rate: frames a second of one browser that are looked at.
        send_seconds: a browser that does not take an answer for so long is disconnected.
        idle_seconds: a browser that sends nothing for so long is disconnected.
    """

    max_clients: int = 16
    max_frame_bytes: int = 400_000
    max_pixels: int = 1_300_000
    max_rate: float = 30.0
    send_seconds: float = 5.0
    idle_seconds: float = 60.0

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not (0 < value < math.inf):
                raise ValueError(
                    f"`{field.name}` must be a positive number. Received: {field.name}={value!r}"
                )
            if field.type is int and value != int(value):
                raise ValueError(
                    f"`{field.name}` must be a whole number. Received: {field.name}={value!r}"
                )

    @property
    def max_message_bytes(self):
        return HEADER.size + self.max_frame_bytes


class RefusedError(Exception):
    """The browser broke the protocol: disconnect it with this code and reason."""

    def __init__(self, code, reason):
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclasses.dataclass(frozen=True, eq=False)
class Frame:
    """A frame whose header was read and whose pixels were not yet.

    Attributes:
        number: as the browser counts.
        timestamp: seconds, on the browser's clock.
        width, height: in pixels, from the JPEG's header.
    """

    number: int
    timestamp: float
    width: int
    height: int
    jpeg: JpegImageFile

    def decode(self):
        """Return the picture, uint8 RGB `(height, width, 3)`; `OSError` where it is damaged."""
        return np.asarray(self.jpeg.convert("RGB"))


def pack(number, timestamp, jpeg):
    """Return the message of a frame, as a browser sends it."""
    return HEADER.pack(number, timestamp) + jpeg


def parse(message, limits, after=None):
    """Check a message without decoding its picture.

    Args:
        message: the bytes received.
        limits: `Limits`.
        after: number and time of the frame before it on the same connection.

    Returns:
        `Frame`.

    Raises:
        RefusedError: where the message is too long or no frame, its picture too large or too
            small, or its number or time not after those before.
    """
    if len(message) > limits.max_message_bytes:
        raise RefusedError(TOO_BIG, f"A frame may have {limits.max_frame_bytes} bytes")
    if len(message) < HEADER.size:
        raise RefusedError(MALFORMED, "A frame is a number, a time and a JPEG")
    number, timestamp = HEADER.unpack_from(message)
    if not (math.isfinite(timestamp) and timestamp >= 0):
        raise RefusedError(MALFORMED, "A frame's time must be finite and not negative")
    if after and (number <= after[0] or timestamp < after[1]):
        raise RefusedError(MALFORMED, "Frames must follow each other in number and time")
    jpeg = _header(message[HEADER.size :])
    width, height = jpeg.size
    if width * height > limits.max_pixels:
        raise RefusedError(TOO_BIG, f"A frame may have {limits.max_pixels} pixels")
    if min(width, height) < SMALLEST_SIDE:
        raise RefusedError(MALFORMED, f"A frame's sides must have {SMALLEST_SIDE} pixels")
    return Frame(number, timestamp, width, height, jpeg)


def _header(data):
    # Inside of a scan every 0xFF is followed by 0, so these two bytes are a scan's start.
    if data.count(b"\xff\xda") > MOST_SCANS:
        raise RefusedError(MALFORMED, f"A JPEG may have {MOST_SCANS} scans")
    try:
        # Not `Image.open`, which knows many formats and warns of large pictures only.
        return JpegImageFile(io.BytesIO(data))
    except (SyntaxError, OSError, ValueError) as error:
        raise RefusedError(MALFORMED, "A frame's picture must be a JPEG") from error


class Bucket:
    """A token bucket: `rate` tokens a second, at most one second's worth kept.

    Args:
        rate: tokens a second.
        clock: function that returns seconds.
    """

    def __init__(self, rate, clock):
        self.rate = rate
        self._size = max(1.0, rate)
        self._tokens = self._size
        self._clock = clock
        self._last = clock()

    def take(self):
        """Take a token; return whether there was one."""
        now = self._clock()
        self._tokens = min(self._size, self._tokens + (now - self._last) * self.rate)
        self._last = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
