"""Show the expressions of faces in live video on a web page.

Opens the page in the browser once the server answers. Pictures go from the browser to this program
and are dropped when they are answered; with `?engine=browser` they do not leave the browser. For
this it loads networks that --export-engine makes once. Browsers give the camera to pages from this
machine, and to pages from others only over https: see --ssl-certfile.
"""

import argparse
import json
import os
import shlex
from pathlib import Path
from typing import Any

from fer_models.cli.media import DETECTORS, WEIGHTS_HELP
from fer_models.cli.running import remark
from fer_models.web import Limits

EXAMPLE = """fer webcam
fer webcam --port 9000 --detector yunet --weights my_model.keras
fer webcam --export-engine"""

# Of a crowd the most certain: one picture must not hold up the other browsers for seconds.
MOST_FACES = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `fer webcam`.

    Args:
        parser: Parser of the subcommand.
    """
    from fer_models.zoo.bundled import DEFAULT_WEIGHTS

    limits = Limits()
    add = parser.add_argument
    add("--weights", default=DEFAULT_WEIGHTS, help=WEIGHTS_HELP)
    add("--detector", choices=DETECTORS, default="mtcnn", help="what finds the faces")
    add("--no-browser", action="store_true", help="do not open the page in a browser")
    add("--host", default="127.0.0.1", help="address to bind to; 0.0.0.0 lets the network in")
    add("--port", type=int, default=8000, help="port; 0 takes a free one")
    add("--ssl-certfile", metavar="FILE", help="certificate, to serve over https")
    add("--ssl-keyfile", metavar="FILE", help="its private key")
    add(
        "--origin",
        action="append",
        default=[],
        metavar="URL",
        help="one more origin whose pages may send frames, such as https://example.org; repeatable",
    )
    add("--max-clients", type=int, default=limits.max_clients, help="most browsers at a time")
    add(
        "--max-frame-bytes", type=int, default=limits.max_frame_bytes, help="most bytes of one JPEG"
    )
    add(
        "--max-pixels",
        type=int,
        default=limits.max_pixels,
        help="most pixels of a frame, width times height",
    )
    add(
        "--max-rate",
        type=float,
        default=limits.max_rate,
        help="most frames a second of one browser",
    )
    add(
        "--engine-assets",
        type=Path,
        metavar="FOLDER",
        help="networks for ?engine=browser, as --export-engine writes them (default: in the "
        "user's cache, ~/.cache/fer-keras/engine)",
    )
    add(
        "--export-engine",
        nargs="?",
        const=True,
        type=Path,
        metavar="FOLDER",
        help="write the networks for ?engine=browser and exit; without FOLDER, where "
        "--engine-assets looks for them",
    )
    add("--json", action="store_true", help="with --export-engine: print what it wrote as JSON")


def run(args: argparse.Namespace) -> None:
    """Serve the page, or export its engine.

    Args:
        args: The parsed arguments.
    """
    if args.json and not args.export_engine:
        raise ValueError("--json goes with --export-engine: the server prints no result.")
    # Imported here: it is for the run alone.
    from fer_models.zoo import bundled, hub_models

    # Digest, network and engine are then of one commit.
    args.weights = hub_models.pinned(args.weights)
    bundled.located(args.weights)
    if args.export_engine:
        export(args)
    else:
        serve(args)


def export(args: argparse.Namespace) -> None:
    """Export the page's own engine and print what was written."""
    from fer_models.web import default_engine_folder, export_engine

    folder = args.export_engine
    if folder is True:
        folder = args.engine_assets or default_engine_folder()
    remark(f"Exporting {args.weights} and mtcnn for the browser ...")
    manifest = export_engine(folder, args.weights)
    if args.json:
        print(json.dumps({"folder": str(folder), **manifest}, indent=1))
        return
    total = sum(each["bytes"] for each in manifest["files"].values())
    print(f"{folder}: {len(manifest['files'])} files, {total / 1e6:.1f} MB")
    for name, difference in manifest["differences"].items():
        print(f"  {name}: {difference:.1e} at most from Keras")


def serve(args: argparse.Namespace) -> None:
    """Take the address, load the networks, serve the page until Ctrl-C."""
    from fer_models.web import Server, default_engine_folder

    limits = Limits(
        max_clients=args.max_clients,
        max_frame_bytes=args.max_frame_bytes,
        max_pixels=args.max_pixels,
        max_rate=args.max_rate,
    )
    with Server(
        args.host,
        args.port,
        limits=limits,
        origins=args.origin,
        ssl_certfile=args.ssl_certfile,
        ssl_keyfile=args.ssl_keyfile,
    ) as server:
        remark(f"Loading {args.weights} and {args.detector} ...")
        recognizer, digest = load(args.weights, args.detector)
        server.run(
            recognizer,
            engine_assets=args.engine_assets or default_engine_folder(),
            settings={
                "weights": str(args.weights),
                "model": digest,
                "detector": args.detector,
                "export_engine": export_command(args.engine_assets, args.weights),
            },
            on_listening=lambda: announce(server, args.no_browser),
        )


def load(weights: str, detector: str) -> tuple[Any, str]:
    """Return a recognizer that has looked at a picture, and the digest of its model."""
    import numpy as np

    from fer_models import Recognizer
    from fer_models.web import model_digest

    digest = model_digest(weights)
    recognizer = Recognizer(weights, detector, max_faces=MOST_FACES)
    # The first picture makes ready what the later ones use.
    recognizer.session().frame(np.zeros((480, 640, 3), "uint8"), 0.0)
    return recognizer, digest


def export_command(folder: str | os.PathLike[str], weights: str) -> str:
    """Return the command that writes the engine of these weights where the server looks for it."""
    words = [] if folder is None else [str(folder)]
    return shlex.join(["fer", "webcam", "--export-engine", *words, "--weights", weights])


def announce(server: Any, no_browser: bool = False) -> None:
    """Say where the page is and who may come, and open it."""
    from fer_models.web.opening import open_page

    remark(f"Open {server.address} (Ctrl-C stops the server)")
    if server.warning:
        remark(f"warning: {server.warning}")
    if not no_browser:
        open_page(server.address)
