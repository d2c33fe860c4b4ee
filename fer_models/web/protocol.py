"""The messages over the WebSocket, and the refusals.

A browser sends binary messages: the frame's number (unsigned 32 bit) and its time in seconds
(64 bit float), both little-endian, then the picture as JPEG. Numbers grow, times never go back. The
server answers in text, with one JSON object a frame:

    {"frame": 7, "timestamp": 0.41, "width": 640, "height": 480,
     "faces": [{"box": [x, y, width, height], "score": 0.99, "label": "happy", "confidence": 0.9,
                "answer": "happy", "set": ["happy"],
                "quality": {"sharpness": 800.0, "size": 190, "yaw": 4.0, "verdict": "good"},
                "probabilities": {"happy": 0.9, ...}, "track": 1}],
     "milliseconds": {"detect": 9.0, "classify": 4.0, "total": 15.0}}

or `{"frame": 7, "error": "..."}` where this one frame got no answer. Frames that newer ones have
overtaken get none. Whoever breaks the protocol is disconnected with a code and a reason.
"""

import dataclasses
import io
import math
from collections.abc import Callable

import numpy as np
from PIL.JpegImagePlugin import JpegImageFile

from fer_models.web.limits import HEADER, Limits

# A picture from a camera has one scan, a progressive one about ten; each costs a pass over all
# pixels, so that a small file of many scans could keep a server busy for minutes.
MOST_SCANS = 16
SMALLEST_SIDE = 32
# Pillow reads the segments before the first scan in Python. A camera's picture has about ten.
MOST_SEGMENTS = 64
START_OF_SCAN = 0xDA
# Of APP1 to APP13, APP15 and COM the pixels do not depend; APP0 and APP14 tell their colours.
DESCRIPTIONS = {*range(0xE1, 0xEE), 0xEF, 0xFE}

UNSUPPORTED, MALFORMED, POLICY, TOO_BIG, FULL = 1003, 1007, 1008, 1009, 1013


class RefusedError(Exception):
    """The browser broke the protocol: disconnect it with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclasses.dataclass(frozen=True, eq=False)
class Frame:
    """A frame whose header was read and whose pixels were not yet.

    Attributes:
        number: As the browser counts.
        timestamp: Seconds, on the browser's clock.
        width: Pixels, from the JPEG's header.
        height: Pixels, from there too.
        jpeg: The picture, not decoded yet.
    """

    number: int
    timestamp: float
    width: int
    height: int
    jpeg: JpegImageFile

    def decode(self) -> np.ndarray:
        """Return the picture, uint8 RGB `(height, width, 3)`; `OSError` where it is damaged."""
        self.jpeg.load()
        # `convert` copies even what is RGB already.
        return np.asarray(self.jpeg if self.jpeg.mode == "RGB" else self.jpeg.convert("RGB"))


def pack(number: int, timestamp: float, jpeg: bytes) -> bytes:
    """Return the message of a frame, as a browser sends it."""
    return HEADER.pack(number, timestamp) + jpeg


def parse(message: bytes, limits: Limits, after: tuple[int, float] | None = None) -> Frame:
    """Check a message without decoding its picture.

    Args:
        message: The bytes received.
        limits: `Limits`.
        after: Number and time of the frame before it on the same connection.

    Returns:
        `Frame`.

    Raises:
        RefusedError: If the message is too long or no frame, its picture too large or too
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
    data = _undescribed(data)
    # Inside of a scan every 0xFF is followed by 0, so these two bytes are a scan's start.
    if data.count(b"\xff\xda") > MOST_SCANS:
        raise RefusedError(MALFORMED, f"A JPEG may have {MOST_SCANS} scans")
    try:
        # Not `Image.open`, which knows many formats and warns of large pictures only.
        return JpegImageFile(io.BytesIO(data))
    except (SyntaxError, OSError, ValueError) as error:
        raise RefusedError(MALFORMED, "A frame's picture must be a JPEG") from error


def _undescribed(data):
    """Return a JPEG without what describes it, whose reading may take long."""
    kept, at = [data[:2]], 2
    for _ in range(MOST_SEGMENTS):
        head = data[at : at + 4]
        if len(head) < 4 or head[0] != 0xFF:
            break
        if head[1] == START_OF_SCAN:
            return b"".join([*kept, data[at:]])
        if head[1] == 0xFF:  # fills the space before a segment
            at += 1
            continue
        end = at + 2 + int.from_bytes(head[2:], "big")
        if head[1] not in DESCRIPTIONS:
            kept.append(data[at:end])
        at = end
    raise RefusedError(MALFORMED, "A frame's picture must be a JPEG")


class Bucket:
    """A token bucket: `rate` tokens a second, at most one second's worth kept.

    Args:
        rate: Tokens a second.
        clock: Function that returns seconds.
    """

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self.rate = rate
        self._size = max(1.0, rate)
        self._tokens = self._size
        self._clock = clock
        self._last = clock()

    def take(self) -> bool:
        """Take a token; return whether there was one."""
        now = self._clock()
        self._tokens = min(self._size, self._tokens + (now - self._last) * self.rate)
        self._last = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
