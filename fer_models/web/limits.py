"""Limits on the requests of one browser and of all browsers together."""

import dataclasses
import math
import numbers
import struct

HEADER = struct.Struct("<Id")  # of a frame: its number and its time, see `protocol`
FLOOD = 4  # times the rate at which frames are dropped, a browser is disconnected


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits on the requests of one browser and of all browsers together.

    Attributes:
        max_clients: Browsers at a time.
        max_frame_bytes: Bytes of one JPEG.
        max_pixels: Width times height of one JPEG, from its header, before it is decoded.
        max_rate: Frames a second of one browser that are looked at.
        send_seconds: A browser that does not take an answer for so long is disconnected.
        idle_seconds: A browser that sends nothing for so long is disconnected.
        max_control_rate: Pings and pongs a second of one browser; beyond it, it is disconnected. A
            browser sends one pong in 20 seconds.
        max_fragments: Parts in which a browser may send one message.

    Raises:
        ValueError: If one is not a positive number, or a number of things is not whole.

    Example:

    >>> Limits(max_clients=2).max_rate
    30.0
    """

    max_clients: int = 16
    max_frame_bytes: int = 400_000
    max_pixels: int = 1_300_000
    max_rate: float = 30.0
    send_seconds: float = 5.0
    idle_seconds: float = 60.0
    max_control_rate: float = 10.0
    max_fragments: int = 256

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            number = isinstance(value, numbers.Real) and not isinstance(value, bool)
            if not number or not 0 < value < math.inf:
                raise ValueError(
                    f"`{field.name}` must be a positive number. Received: {field.name}={value!r}"
                )
            if field.type is int and value != int(value):
                raise ValueError(
                    f"`{field.name}` must be a whole number. Received: {field.name}={value!r}"
                )

    @property
    def max_message_bytes(self) -> int:
        """Bytes of one message: a frame's header and its JPEG."""
        return HEADER.size + self.max_frame_bytes
