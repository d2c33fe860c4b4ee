"""The page on an address of this machine: what is checked before networks load, then the server."""

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from fer_models.web.certificates import check_certificate
from fer_models.web.limits import Limits
from fer_models.web.origins import LOOPBACK, check_origins, host_names
from fer_models.web.packages import check_server_packages
from fer_models.web.worker import LiveRecognizer

if TYPE_CHECKING:
    from fastapi import FastAPI

EVERYWHERE = {"0.0.0.0": "localhost", "::": "localhost"}


class Server:
    """An address that is checked and taken at once, and shows the page once there is a recognizer.

    Networks take seconds to load: a port that is taken or a certificate that does not fit is said
    before. The address answers only while `run` runs.

    Args:
        host: Address to bind to. Loopback by default; `"0.0.0.0"` lets the network in, without a
            password.
        port: Port; 0 takes a free one.
        limits: What browsers may ask. Default: `Limits()`.
        origins: Pages from elsewhere that may use the page's WebSocket, as `https://example.org`.
        ssl_certfile: Certificate in PEM format, to serve over https. Browsers give the camera to
            pages from this machine, and from others only over https.
        ssl_keyfile: Its private key in PEM format, not encrypted, unless it lies in `ssl_certfile`.

    Attributes:
        port: The port that was taken.
        address: Where to open the page, such as `"http://127.0.0.1:8000/"`.
        app: The application while the server runs, before None.

    Raises:
        ImportError: If FastAPI, uvicorn or websockets is missing; the message names the extra.
        OSError: If the address cannot be taken, or a file cannot be read.
        ValueError: If an argument breaks its rule, or certificate and key do not fit.

    Example:

    ```python
    with Server(port=9000) as server:
        server.run(Recognizer(detector="yunet"), on_listening=lambda: print(server.address))
    ```
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 8000,
        *,
        limits: Limits | None = None,
        origins: Iterable[str] = (),
        ssl_certfile: str | os.PathLike[str] | None = None,
        ssl_keyfile: str | os.PathLike[str] | None = None,
    ) -> None:
        check_server_packages()
        if not isinstance(host, str) or not host or "\0" in host:
            raise ValueError(
                "`host` must be an address or a name, such as '127.0.0.1'; '0.0.0.0' lets the "
                f"network in. Received: host={host!r}"
            )
        if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port < 65536:
            raise ValueError(f"`port` must be an integer in 0 to 65535. Received: port={port!r}")
        if limits is not None and not isinstance(limits, Limits):
            raise ValueError(f"`limits` must be None or `Limits`. Received: limits={limits!r}")
        self.host = host
        self.limits = limits or Limits()
        self.origins = check_origins(origins)
        check_certificate(ssl_certfile, ssl_keyfile)
        self._certificate = ssl_certfile, ssl_keyfile
        self._socket = _bind(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._running: Any = None
        self.app: FastAPI | None = None

    @property
    def address(self) -> str:
        """The address of the page."""
        name = EVERYWHERE.get(self.host, self.host)
        name = f"[{name}]" if ":" in name else name
        return f"{'http' if self._certificate[0] is None else 'https'}://{name}:{self.port}/"

    @property
    def warning(self) -> str | None:
        """A warning if other machines than this one may connect, else None."""
        if self.host in LOOPBACK:
            return None
        how = " unencrypted" if self._certificate[0] is None else ""
        return (
            f"bound to {self.host}: whoever reaches this machine can use the page, without a "
            f"password; pictures go over the network{how}."
        )

    def run(
        self,
        recognizer: LiveRecognizer,
        *,
        engine_assets: str | os.PathLike[str] | None = None,
        settings: Mapping[str, Any] | None = None,
        threads: int | None = None,
        on_listening: Callable[[], object] | None = None,
    ) -> None:
        """Serve the page until Ctrl-C or `stop()`; a server runs once.

        Args:
            recognizer: Looks at the pictures, as for `create_app`.
            engine_assets: Folder with the networks of the page's own engine, as for `create_app`.
            settings: More for the page to know, as for `create_app`.
            threads: How many frames are looked at at once, as for `create_app`.
            on_listening: Called without arguments once the address answers.

        Raises:
            RuntimeError: In a notebook's cell, or wherever else an event loop runs: call it in a
                thread there.
        """
        _check_no_loop()
        import uvicorn
        from uvicorn.protocols.websockets.auto import AutoWebSocketsProtocol

        from fer_models.web.app import create_app
        from fer_models.web.frame_limits import guarded

        class Announcing(uvicorn.Server):
            async def startup(self, sockets=None):
                await super().startup(sockets)
                if self.started and on_listening is not None:
                    on_listening()

        self.app = create_app(
            recognizer,
            self.limits,
            origins=self.origins,
            hosts=host_names(self.host, self.origins),
            engine_assets=engine_assets,
            settings=settings,
            threads=threads,
        )
        counts = self.app.state.worker.counts

        def count_refusal():
            counts["refused"] += 1

        certificate, key = self._certificate
        config = uvicorn.Config(
            self.app,
            ws=guarded(AutoWebSocketsProtocol, self.limits, count_refusal),  # type: ignore[arg-type]
            ssl_certfile=certificate,
            ssl_keyfile=key,
            # Too long a message is refused before it is held in memory, and none is small only
            # because it is compressed.
            ws_max_size=self.limits.max_message_bytes,
            ws_per_message_deflate=False,
            limit_concurrency=8 * self.limits.max_clients + 64,
            timeout_graceful_shutdown=5,
            server_header=False,
            proxy_headers=False,
            access_log=False,
            # The library's user decides where its log goes; by default warnings are shown.
            log_config=None,
            log_level="warning",
        )
        # Not before: two servers that wait for their networks could share the port.
        _may_be_taken_again(self._socket)
        self._running = Announcing(config)
        with contextlib.suppress(KeyboardInterrupt):
            self._running.run([self._socket])

    def stop(self) -> None:
        """Let `run` return, from another thread."""
        if self._running is not None:
            self._running.should_exit = True

    def close(self) -> None:
        """Give the address back."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def serve(
    recognizer: LiveRecognizer,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    limits: Limits | None = None,
    origins: Iterable[str] = (),
    engine_assets: str | os.PathLike[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    threads: int | None = None,
    ssl_certfile: str | os.PathLike[str] | None = None,
    ssl_keyfile: str | os.PathLike[str] | None = None,
    on_listening: Callable[[], object] | None = None,
) -> None:
    """Show the page with a recognizer, until Ctrl-C.

    Args:
        recognizer: Looks at the pictures, as for `create_app`.
        host: Address to bind to, as for `Server`.
        port: Port, as for `Server`.
        limits: What browsers may ask. Default: `Limits()`.
        origins: Pages from elsewhere that may send pictures, as `https://example.org`.
        engine_assets: Folder with the networks of the page's own engine, as for `create_app`.
        settings: More for the page to know, as for `create_app`.
        threads: How many frames are looked at at once, as for `create_app`.
        ssl_certfile: Certificate, to serve over https, as for `Server`.
        ssl_keyfile: Its private key.
        on_listening: Called without arguments once the address answers.

    Raises:
        ImportError: If FastAPI, uvicorn or websockets is missing; the message names the extra.
        OSError: If the address cannot be taken, or a file cannot be read.
        ValueError: If an argument breaks its rule, or certificate and key do not fit.

    Example:

    ```python
    serve(Recognizer(weights="ferplus"), port=9000)
    ```
    """
    with Server(
        host,
        port,
        limits=limits,
        origins=origins,
        ssl_certfile=ssl_certfile,
        ssl_keyfile=ssl_keyfile,
    ) as server:
        server.run(
            recognizer,
            engine_assets=engine_assets,
            settings=settings,
            threads=threads,
            on_listening=on_listening,
        )


def _bind(host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        try:
            return _bound(family, host, port, again=False)
        except OSError as error:
            # Windows would share a port in use.
            if error.errno != errno.EADDRINUSE or os.name == "nt":
                raise
            # A port that was used a minute ago may be used again.
            return _bound(family, host, port, again=True)
    except (OSError, UnicodeError) as error:
        raise OSError(
            f"The server cannot take the address host={host!r}, port={port}: "
            f"{getattr(error, 'strerror', None) or error}. Take another host or port; port 0 takes "
            "a free one."
        ) from error


def _bound(family, host, port, again):
    taken = socket.socket(family)
    try:
        if again:
            _may_be_taken_again(taken)
        taken.bind((host, port))
    except BaseException:
        taken.close()
        raise
    return taken


def _may_be_taken_again(taken):
    if os.name != "nt":
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


def _check_no_loop():
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        "The server cannot run where an event loop runs already, as in the cell of a notebook: "
        "call it in a thread, `threading.Thread(target=server.run, args=(recognizer,)).start()`, "
        "and end it with `server.stop()`"
    )
