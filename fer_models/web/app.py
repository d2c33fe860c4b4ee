"""The web application: the page, and a WebSocket for each browser."""

import asyncio
import contextlib
import logging
import mimetypes
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from fer_data import arguments
from fer_models.web.limits import FLOOD, Limits
from fer_models.web.origins import LOOPBACK, check_origins, same_origin
from fer_models.web.packages import check_server_packages
from fer_models.web.protocol import FULL, POLICY, UNSUPPORTED, Bucket, RefusedError, parse
from fer_models.web.worker import LiveRecognizer, Stream, Worker, refused

try:
    from fastapi import FastAPI, WebSocket, WebSocketDisconnect
    from fastapi.responses import FileResponse
    from fastapi.staticfiles import StaticFiles
    from starlette.middleware.trustedhost import TrustedHostMiddleware
except ImportError:
    check_server_packages()
    raise

# An ASGI server hands these over: functions for the messages from and to the browser.
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

logger = logging.getLogger("fer.webcam")

STATIC = Path(__file__).resolve().parent / "static"

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; "
        "connect-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
        "style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), display-capture=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-cache",
}
TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
    ".onnx": "application/octet-stream",
}


class SecurityHeaders:
    """Add the headers to every answer, whoever gives it."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.headers = [(name.lower().encode(), text.encode()) for name, text in HEADERS.items()]

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request as the application does, with the headers added."""

        async def send_with_headers(message):
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self.headers]
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class PassingFiles(StaticFiles):
    """The files of a folder that may come, go and be replaced while the server runs."""

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        super().__init__(directory=directory, check_dir=False)

    async def check_config(self) -> None:
        """Check nothing: without the folder its files are answered by 404, not by 500."""


class Client:
    """One browser: its newest answer, and what it has sent."""

    def __init__(self, socket: Any, session: Any, limits: Any) -> None:
        self.socket = socket
        self.limits = limits
        self.stream = Stream(session, self._deliver)
        self._loop = asyncio.get_running_loop()
        self._answer: str | None = None
        self._answered = asyncio.Event()

    def _deliver(self, answer):
        # The loop may be gone when the last frame is finished: then nobody waits for it.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.answer, answer)

    def answer(self, answer: str) -> None:
        """Keep an answer, as JSON, until it is sent, in place of one that was not."""
        self._answer = answer
        self._answered.set()

    async def send(self) -> None:
        """Send the newest answer, whenever there is one."""
        while True:
            await self._answered.wait()
            self._answered.clear()
            answer, self._answer = self._answer, None
            try:
                async with asyncio.timeout(self.limits.send_seconds):
                    await self.socket.send_text(answer)
            except TimeoutError as error:
                raise RefusedError(POLICY, "Answers are not read") from error

    async def receive(self, worker: Any) -> None:
        """Take frames until the browser leaves."""
        limits, last = self.limits, None
        looked_at = Bucket(limits.max_rate, time.monotonic)
        taken = Bucket(FLOOD * limits.max_rate, time.monotonic)
        while True:
            try:
                async with asyncio.timeout(limits.idle_seconds):
                    message = await self.socket.receive()
            except TimeoutError as error:
                raise RefusedError(
                    POLICY, f"No frame for {limits.idle_seconds:g} seconds"
                ) from error
            if message["type"] == "websocket.disconnect":
                return
            if message.get("bytes") is None:
                raise RefusedError(UNSUPPORTED, "Frames are binary messages")
            if not taken.take():
                raise RefusedError(POLICY, f"At most {limits.max_rate:g} frames a second")
            frame = parse(message["bytes"], limits, last)
            last = frame.number, frame.timestamp
            if looked_at.take():
                worker.submit(self.stream, frame)
            else:
                worker.counts["too_fast"] += 1
                reason = f"At most {limits.max_rate:g} frames a second are looked at"
                self.answer(refused(frame, reason))

    async def serve(self, worker: Any) -> None:
        """Talk to the browser until one side ends it."""
        tasks = [asyncio.create_task(work) for work in (self.receive(worker), self.send())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except RefusedError as refusal:
            worker.counts["refused"] += 1
            logger.info("Disconnected a browser: %s", refusal.reason)
            await close(self.socket, refusal, self.limits)
        except WebSocketDisconnect:
            pass
        finally:
            worker.forget(self.stream)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def close(socket: Any, refusal: Any, limits: Any) -> None:
    """Close a connection with the code and the reason of a refusal."""
    # Whoever is gone already, or reads nothing, needs no good-bye.
    with contextlib.suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
        async with asyncio.timeout(limits.send_seconds):
            await socket.close(refusal.code, refusal.reason)


@arguments.checked(
    recognizer=arguments.with_method("session", "a `Recognizer`, or have a method `session`"),
    limits=arguments.instance(Limits, "`Limits`"),
    hosts=arguments.sequence(arguments.text, 1),
    engine_assets=arguments.path,
    settings=arguments.mapping(),
    threads=arguments.optional(arguments.integer(1)),
)
def create_app(
    recognizer: LiveRecognizer,
    limits: Limits | None = None,
    *,
    origins: Iterable[str] = (),
    hosts: Iterable[str] = LOOPBACK,
    engine_assets: str | os.PathLike[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    threads: int | None = None,
) -> FastAPI:
    """Build the page as an application, for a server of one's own; `serve` has one already.

    `/` is the page, `/static/` its files, `/engine-assets/` the networks of its own engine, `/ws`
    the WebSocket, `/settings` what the page must know, `/health` counts. Let the server refuse
    messages that are longer than `limits.max_message_bytes`, and take none that are compressed.

    Args:
        recognizer: Looks at the pictures: a `fer_models.Recognizer`, or anything that has
            `class_names` and gives each browser a `session()`.
        limits: Limits on browsers' requests. Default: `Limits()`. Of these `max_control_rate` and
            `max_fragments` hold only under `serve` and `Server`: no application sees the frames
            that they count.
        origins: Pages from elsewhere that may use the WebSocket, as in `https://example.org`.
        hosts: Names by which the server may be called, `*` for any. They keep out a foreign page
            whose host name is made to point at this machine.
        engine_assets: Folder with the networks for the page's own engine, from `export_engine`; it
            may be missing, and come later. None: the page has the server's engine only.
        settings: More for the page to know: `"weights"`, the name that it shows; `"model"`, the
            `model_digest` of the recognizer's model, without which its own engine takes any
            networks; `"export_engine"`, the command that it tells to renew them.
        threads: How many browsers' frames are looked at at once, each browser's one after the
            other. 1 for sessions that must not be called at the same time. Default: one for each
            core, up to 4.

    Returns:
        `fastapi.FastAPI`.

    Raises:
        ImportError: If FastAPI is missing; the message names the extra to install.
        ValueError: If an origin is not written as one.

    Example:

    ```python
    app = create_app(Recognizer())
    ```
    """
    limits = limits or Limits()
    origins = check_origins(origins)
    worker = Worker(threads)
    clients = set()

    @contextlib.asynccontextmanager
    async def lifespan(app):
        worker.start()
        yield
        await asyncio.to_thread(worker.stop)

    app = FastAPI(
        title="Facial expressions, live",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.state.worker = worker
    app.state.clients = clients

    @app.get("/")
    async def page():
        return FileResponse(STATIC / "index.html")

    @app.get("/settings")
    async def tell_settings():
        return {
            "class_names": list(recognizer.class_names),
            "max_frame_bytes": limits.max_frame_bytes,
            "max_pixels": limits.max_pixels,
            "max_rate": limits.max_rate,
            **dict(settings or {}),
        }

    @app.get("/health")
    async def health():
        return {"clients": len(clients), "queued": worker.queued, **worker.counts}

    @app.websocket("/ws")
    async def live(socket: WebSocket) -> None:
        headers = socket.headers
        if not same_origin(headers.get("origin"), headers.get("host"), origins):
            logger.warning("Refused a page from another origin")
            worker.counts["refused"] += 1
            await socket.close(POLICY)  # before `accept`: the browser gets HTTP status 403
            return
        await socket.accept()
        if len(clients) >= limits.max_clients:
            worker.counts["refused"] += 1
            refusal = RefusedError(FULL, f"All {limits.max_clients} places are taken")
            await close(socket, refusal, limits)
            return
        client = Client(socket, recognizer.session(), limits)
        clients.add(client)
        try:
            await client.serve(worker)
        finally:
            clients.discard(client)

    for suffix, kind in TYPES.items():
        mimetypes.add_type(kind, suffix)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    if engine_assets is not None:
        app.mount("/engine-assets", PassingFiles(engine_assets), name="engine-assets")
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    app.add_middleware(SecurityHeaders)
    return app
