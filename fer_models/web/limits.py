"""What a browser, and all of them together, may ask of the server."""

import dataclasses
import math
import struct

HEADER = struct.Struct("<Id")  # of a frame: its number and its time, see `protocol`


@dataclasses.dataclass(frozen=True)
class Limits:
    """What one browser, and all of them together, may ask of the server.

    Attributes:
        max_clients: Browsers at a time.
        max_frame_bytes: Bytes of one JPEG.
        max_pixels: Width times height of one JPEG, from its header, before it is decoded.
        max_rate: Frames a second of one browser that are looked at.
        send_seconds: A browser that does not take an answer for so long is disconnected.
        idle_seconds: A browser that sends nothing for so long is disconnected.

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
    def max_message_bytes(self) -> int:
        """Bytes of one message: a frame's header and its JPEG."""
        return HEADER.size + self.max_frame_bytes
