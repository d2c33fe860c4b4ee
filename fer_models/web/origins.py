"""The pages that may talk to the server, and the names by which it may be called."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from fer_data.checks import shown

LOOPBACK = ("localhost", "127.0.0.1", "::1", "[::1]")
DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def check_origins(origins: Iterable[str]) -> tuple[str, ...]:
    """Return origins as a tuple after checking how they are written.

    Args:
        origins: Scheme and host of pages, as in `https://example.org`, without a path.

    Raises:
        ValueError: If one is written in another way.
    """
    if not isinstance(origins, (list, tuple, set, frozenset)):
        raise ValueError(f"`origins` must be a list of origins. Received: origins={shown(origins)}")
    origins = tuple(origins)
    for origin in origins:
        right = isinstance(origin, str) and origin.startswith(("http://", "https://"))
        if not right or origin.count("/") != 2:
            raise ValueError(
                "An `origin` must look like https://example.org, without a path or a slash at its "
                f"end. Received: origin={shown(origin)}"
            )
    return origins


def same_origin(origin: str | None, host: str | None, allowed: Iterable[str] = ()) -> bool:
    """Return whether a page from `origin` may talk to the server that it calls `host`.

    Args:
        origin: The Origin header, or None. Browsers always send it with a WebSocket.
        host: The Host header, or None.
        allowed: More origins, as in `https://example.org`.
    """
    if not origin or not host:
        return False
    if origin.lower() in {name.lower().rstrip("/") for name in allowed}:
        return True
    scheme, _, address = origin.lower().partition("://")
    default = DEFAULT_PORTS.get(scheme)
    return default is not None and address.removesuffix(default) == host.lower().removesuffix(
        default
    )


def host_names(host: str, origins: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the names by which a server bound to `host` may be called.

    On loopback these are its own names and those of `origins`; elsewhere any name will do.

    Args:
        host: The address that it is bound to.
        origins: Origins whose pages may use it.
    """
    if host not in LOOPBACK:
        return ("*",)
    return (*LOOPBACK, *filter(None, (urlsplit(origin).hostname for origin in origins)))
