"""Show the expressions of faces in live video, on a web page.

    python examples/webcam/server.py
    python examples/webcam/server.py --port 9000 --detector yunet --weights my_model.keras

Then open the address that it prints. Pictures go from the browser to this program and are dropped
when they are answered; with `?engine=browser` they do not leave the browser. Browsers give the
camera to pages from this machine, and from others only over https: see --ssl-certfile.
"""

import argparse
import contextlib
import logging
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import expression_model
import numpy as np
from protocol import LOOPBACK, Limits

from fer_data.faces.detectors import DETECTORS

MOST_FACES = 16


def parse(argv):
    limits = Limits()
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to bind to; 0.0.0.0 lets the network in")
    add("--port", type=int, default=8000, help="0 takes a free one")
    add("--weights", default="fer2013", help="tag of the registry, or a .keras file")
    add("--detector", choices=DETECTORS, default="mtcnn", help="what finds the faces")
    add("--max-clients", type=int, default=limits.max_clients, help="browsers at a time")
    add("--max-frame-bytes", type=int, default=limits.max_frame_bytes, help="of one JPEG")
    add("--max-pixels", type=int, default=limits.max_pixels, help="width times height of a frame")
    add("--max-rate", type=float, default=limits.max_rate, help="frames a second of one browser")
    add(
        "--origin",
        action="append",
        default=[],
        metavar="URL",
        help="one more origin whose pages may send frames, as in https://example.org; repeatable",
    )
    add(
        "--engine-assets",
        type=Path,
        default=Path(__file__).resolve().parent / "engine-assets",
        metavar="FOLDER",
        help="what export_browser.py wrote, for ?engine=browser",
    )
    add("--ssl-certfile", help="certificate, to serve over https")
    add("--ssl-keyfile", help="its private key")
    args = parser.parse_args(argv)
    if not 0 <= args.port < 65536:
        parser.error(f"--port: must lie in 0 to 65535. Received: {args.port}")
    if args.ssl_keyfile and not args.ssl_certfile:
        parser.error("--ssl-keyfile: needs --ssl-certfile")
    for origin in args.origin:
        if not origin.startswith(("http://", "https://")) or origin.count("/") != 2:
            parser.error(f"--origin: must look like https://example.org. Received: {origin}")
    try:
        args.limits = Limits(
            max_clients=args.max_clients,
            max_frame_bytes=args.max_frame_bytes,
            max_pixels=args.max_pixels,
            max_rate=args.max_rate,
        )
    except ValueError as error:
        parser.error(str(error))
    return args


def web():
    """Return uvicorn, or say what is missing before anything slow is loaded."""
    try:
        import fastapi  # noqa: F401
        import uvicorn
        import websockets  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "The server needs FastAPI and uvicorn: pip install 'fer-keras[web,faces]'"
        ) from error
    return uvicorn


def build(args, recognizer, digest=None):
    """Bind to the address; return the `uvicorn.Server` and its sockets.

    Args:
        args: from `parse`.
        recognizer: as in `create_app`.
        digest: of the recognizer's model, by which the page knows whether its own engine has the
            same; `None` lets it take any.
    """
    uvicorn = web()
    from app import create_app, host_names

    application = create_app(
        recognizer,
        args.limits,
        origins=args.origin,
        hosts=host_names(args.host, args.origin),
        engine_assets=args.engine_assets,
        settings={
            "weights": str(args.weights),
            "model": digest,
            "detector": str(args.detector),
        },
    )
    config = uvicorn.Config(
        application,
        host=args.host,
        port=args.port,
        ssl_certfile=args.ssl_certfile,
        ssl_keyfile=args.ssl_keyfile,
        # Too long a message is refused before it is held in memory, and none is small only
        # because it is compressed.
        ws_max_size=args.limits.max_message_bytes,
        ws_per_message_deflate=False,
        limit_concurrency=8 * args.limits.max_clients + 64,
        timeout_graceful_shutdown=5,
        server_header=False,
        proxy_headers=False,
        access_log=False,
        log_level="warning",
    )
    socket = config.bind_socket()
    # Whoever comes between the announcement and the start waits, and is not turned away.
    socket.listen(config.backlog)
    return uvicorn.Server(config), [socket]


def announce(args, port):
    secure = args.ssl_certfile is not None
    scheme = "https" if secure else "http"
    name = {"0.0.0.0": "localhost", "::": "localhost"}.get(args.host, args.host)
    name = f"[{name}]" if ":" in name else name
    print(f"Open {scheme}://{name}:{port}/ (ctrl-c stops the server)", flush=True)
    if args.host not in LOOPBACK:
        print(
            f"warning: bound to {args.host}: whoever reaches this machine can use the page, "
            f"without a password; pictures go over the network{'' if secure else ' unencrypted'}.",
            file=sys.stderr,
            flush=True,
        )


def run(args):
    web()
    print(f"Loading {args.weights} and {args.detector} ...", flush=True)
    from fer_models import Recognizer

    model, class_names = expression_model.load(args.weights)
    recognizer = Recognizer(
        model,
        args.detector,
        class_names=class_names,
        # Of a crowd the most certain: one picture must not hold up the other browsers for seconds.
        max_faces=MOST_FACES,
    )
    # The first picture compiles what the later ones use.
    recognizer.session().frame(np.zeros((480, 640, 3), "uint8"), 0.0)
    server, sockets = build(args, recognizer, expression_model.digest(model))
    announce(args, sockets[0].getsockname()[1])
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets)


def main(argv=None):
    logging.basicConfig(format="%(levelname)s: %(message)s")
    args = parse(argv)
    try:
        run(args)
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
