"""Limits on the frames of a WebSocket, kept before the frames are decoded.

The application sees whole messages. Pings, pongs and the fragments of a message that never ends are
answered and gathered below it, so a browser that sends nothing else could hold up all the others.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator

from fer_models.web.limits import FLOOD, Limits
from fer_models.web.protocol import POLICY, Bucket, RefusedError

logger = logging.getLogger("fer.webcam")

CLOSE, FIRST_CONTROL = 0x8, 0x8  # opcodes of RFC 6455, section 5.2
# Seconds in which what a refused browser still sends is dropped. A connection that is closed with
# unread bytes is reset, and the reason would be lost.
LINGER = 0.5


class FrameHeads:
    """Reads the heads of a client's frames, and skips what they hold."""

    def __init__(self) -> None:
        self._upgraded = False
        self._rest = b""
        self._skip = 0

    def read(self, data: bytes) -> Iterator[tuple[int, bool]]:
        """Yield opcode, and whether it is the last of its message, for each frame that begins.

        Args:
            data: The next bytes of the connection; the first ones are the request.
        """
        data = self._rest + data
        at = 0
        if not self._upgraded:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._rest = data[-3:]
                return
            self._upgraded, at = True, end + 4
        self._rest = b""
        while True:
            step = min(self._skip, len(data) - at)
            at += step
            self._skip -= step
            head = _head(data, at)
            if head is None:
                self._rest = data[at:]
                return
            length, self._skip = head
            first = data[at]
            at += length
            yield first & 0x0F, bool(first & 0x80)


def _head(data, at):
    """Return how long a frame's head is and how long its payload, None where bytes are missing."""
    if len(data) - at < 2:
        return None
    size = data[at + 1] & 0x7F
    more = {126: 2, 127: 8}.get(size, 0)
    length = 2 + more + (4 if data[at + 1] & 0x80 else 0)
    if len(data) - at < length:
        return None
    if more:
        size = int.from_bytes(data[at + 2 : at + 2 + more], "big")
    return length, size


class FrameGuard:
    """Counts the frames of one connection against the limits.

    Args:
        limits: What a browser may send.
        clock: Function that returns seconds.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._heads = FrameHeads()
        self._control = Bucket(limits.max_control_rate, clock)
        # The application refuses at half of it, with its own count.
        self._messages = Bucket(2 * FLOOD * limits.max_rate, clock)
        self._fragments = 0

    def check(self, data: bytes) -> None:
        """Read the next bytes of the connection.

        Raises:
            RefusedError: If the browser sends more frames than it may.
        """
        limits = self._limits
        for opcode, last in self._heads.read(data):
            if opcode >= FIRST_CONTROL:
                if opcode != CLOSE and not self._control.take():
                    raise RefusedError(
                        POLICY, f"At most {limits.max_control_rate:g} pings and pongs a second"
                    )
                continue
            self._fragments += 1
            if self._fragments > limits.max_fragments:
                raise RefusedError(POLICY, f"At most {limits.max_fragments} fragments a message")
            if last:
                self._fragments = 0
                if not self._messages.take():
                    raise RefusedError(POLICY, f"At most {limits.max_rate:g} frames a second")


def guarded(
    base: type[asyncio.Protocol], limits: Limits, on_refused: Callable[[], object]
) -> type[asyncio.Protocol]:
    """Return a WebSocket protocol of uvicorn that disconnects whoever sends too many frames.

    Args:
        base: The protocol, such as `uvicorn.protocols.websockets.auto.AutoWebSocketsProtocol`.
        limits: What a browser may send.
        on_refused: Called without arguments at each refusal.
    """

    class Guarded(base):  # type: ignore[valid-type, misc]
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self._guard = FrameGuard(limits)
            self._refused = False

        def data_received(self, data):
            if self._refused:
                return
            try:
                self._guard.check(data)
            except RefusedError as refusal:
                self._refuse(refusal)
            else:
                super().data_received(data)

        def _refuse(self, refusal):
            self._refused = True
            logger.info("Disconnected a browser: %s", refusal.reason)
            on_refused()
            payload = refusal.code.to_bytes(2, "big") + refusal.reason.encode()
            self.transport.write(bytes([0x80 | CLOSE, len(payload)]) + payload)
            asyncio.get_running_loop().call_later(LINGER, self.transport.close)

    return Guarded
