"""Train, evaluate and explain GhostFace on drawn faces, from nothing, in a few minutes.

The faces are rendered, so that nothing has to be downloaded and nobody was photographed. The
settings are those of `fer train --config demo`. An interrupted demo goes on when the same command
is given again.
"""

import argparse
import contextlib
import json
import sys
from pathlib import Path

EXAMPLE = """fer demo
fer demo --quick --output runs/quick"""

CONFIGURATION = "demo"
# Enough to see every step work; the accuracy is that of a beginning.
QUICK = {"train": 1400, "epochs": 2}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add("--output", type=Path, help="folder to write into (default: runs/demo, or runs/quick)")
    add("--data-dir", type=Path, default=Path("runs/data"), help="where the drawn faces are kept")
    add("--quick", action="store_true", help="fewer faces and epochs: a check in two minutes")
    add("--restart", action="store_true", help="delete the demo in the output folder first")
    add("--json", action="store_true", help="print the scores as JSON, not as a report")


def run(args: argparse.Namespace) -> None:
    """Train, and print the report."""
    from fer_models.cli.running import remark
    from fer_models.training.face_settings import FaceSettings
    from fer_models.training.face_training import train_faces

    settings = FaceSettings.from_record(CONFIGURATION, **(QUICK if args.quick else {}))
    output = args.output or Path("runs", "quick" if args.quick else "demo")
    # Keras and the renderer tell of their progress on standard output.
    with contextlib.redirect_stdout(sys.stderr):
        found = train_faces(
            settings,
            output,
            data_dir=args.data_dir,
            restart=args.restart,
            command=args.command_line,
        )
    print(json.dumps(found.to_dict(), indent=1) if args.json else found.report)
    remark(
        f"The pictures beside report.md show more: {output / 'grad_cam.png'} what decides, "
        f"{output / 'confusion.png'} what is taken for what."
    )
