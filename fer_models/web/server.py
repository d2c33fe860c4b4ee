"""The page on an address of this machine: what is checked before networks load, then the server."""

import contextlib
import os
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

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
        ImportError: If FastAPI, uvicorn or websockets is missing; the message says what to install.
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
        if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port < 65536:
            raise ValueError(f"`port` must be an integer in 0 to 65535. Received: port={port!r}")
        self.host = host
        self.limits = limits or Limits()
        self.origins = check_origins(origins)
        _check_certificate(ssl_certfile, ssl_keyfile)
        self._certificate = ssl_certfile, ssl_keyfile
        self._socket = _bind(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._running = None
        self.app: FastAPI | None = None

    @property
    def address(self) -> str:
        """Where to open the page."""
        name = EVERYWHERE.get(self.host, self.host)
        name = f"[{name}]" if ":" in name else name
        return f"{'http' if self._certificate[0] is None else 'https'}://{name}:{self.port}/"

    @property
    def warning(self) -> str | None:
        """What to say to whoever lets others than this machine in, else None."""
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
        on_listening: Callable[[], object] | None = None,
    ) -> None:
        """Serve the page until Ctrl-C or `stop()`; a server runs once.

        Args:
            recognizer: Looks at the pictures, as for `create_app`.
            engine_assets: Folder with the networks of the page's own engine, as for `create_app`.
            settings: More for the page to know, as for `create_app`.
            on_listening: Called without arguments once the address answers.
        """
        import uvicorn

        from fer_models.web.app import create_app

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
        )
        certificate, key = self._certificate
        config = uvicorn.Config(
            self.app,
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
            # Whoever uses the library says where its log goes; by default warnings are shown.
            log_config=None,
            log_level="warning",
        )
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
        ssl_certfile: Certificate, to serve over https, as for `Server`.
        ssl_keyfile: Its private key.
        on_listening: Called without arguments once the address answers.

    Raises:
        ImportError: If FastAPI, uvicorn or websockets is missing; the message says what to install.
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
            recognizer, engine_assets=engine_assets, settings=settings, on_listening=on_listening
        )


def _bind(host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family)
    # A port that was used a minute ago may be used again. (Windows would share one in use.)
    if os.name != "nt":
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise OSError(
            f"The server cannot take the address host={host!r}, port={port}: "
            f"{error.strerror or error}. Take another host or port; port 0 takes a free one."
        ) from error
    return bound


def _check_certificate(certificate, key):
    if certificate is None:
        if key is not None:
            raise ValueError(
                "`ssl_keyfile` needs `ssl_certfile`, the certificate that it belongs to. "
                f"Received: ssl_keyfile={str(key)!r} alone"
            )
        return
    for name, path in (("ssl_certfile", certificate), ("ssl_keyfile", key)):
        if path is not None and not Path(path).is_file():
            raise FileNotFoundError(
                f"`{name}` must be a file in PEM format. Received: {name}={str(path)!r}, which is "
                "not there"
            )

    def refuse():
        raise ValueError(
            f"`ssl_keyfile` must not be encrypted. Received: {str(key or certificate)!r}; "
            "`openssl pkey -in OLD -out NEW` writes it without its password"
        )

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, refuse)
    except ssl.SSLError as error:
        raise ValueError(
            "`ssl_certfile` and `ssl_keyfile` must be a certificate and its private key in PEM "
            f"format. Received: ssl_certfile={str(certificate)!r}, ssl_keyfile={key and str(key)!r}"
            f" ({error.reason or error})"
        ) from error
