"""Cut the faces out of a folder of photos, as recognition sees them, to train on them.

The faces go into the same class folders of another folder, as PNG files. After an interruption the
same command goes on. Photos that gave no face are listed in misses.csv there, with
the reason.
"""

import argparse
import dataclasses
import json
from pathlib import Path

from fer_models.cli.media import DETECTORS
from fer_models.cli.running import CheckFailedError, remarks

EXAMPLE = "fer crop my_photos --output my_faces"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    add = parser.add_argument
    add("folder", metavar="FOLDER", type=Path, help="of photos, with a folder for each class")
    add("--output", metavar="FOLDER", type=Path, required=True, help="for the faces")
    add("--size", type=int, default=64, help="height and width in pixels: take that of `fer train`")
    add("--channels", type=int, choices=(1, 3), default=3, help="1 for grey, 3 for colour")
    add("--detector", choices=DETECTORS, default="mtcnn", help="take recognition's")
    add("--min-score", type=float, help="drop faces of a lower score; default: the detector's rule")
    add("--every-face", action="store_true", help="all faces of a photo, not the largest alone")
    add("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> None:
    """Run the subcommand."""
    from fer_data.faces import cut_folder

    found = cut_folder(
        args.folder,
        args.output,
        args.detector,
        size=args.size,
        channels=args.channels,
        every_face=args.every_face,
        **({} if args.min_score is None else {"min_score": args.min_score}),
    )
    if args.json:
        misses = [miss._asdict() for miss in found.misses]
        content = dataclasses.asdict(found) | {"target": str(found.target), "misses": misses}
        for name in ("without_face", "unreadable", "other_files"):
            content[name] = len(getattr(found, name))
        print(json.dumps(content, indent=1))
    else:
        print(
            f"{found.target}: {found.faces} faces cut out of {found.photos} photos, "
            f"{found.done_before} photos done before, {len(found.without_face)} without a face, "
            f"{len(found.unreadable)} unreadable, {len(found.other_files)} files that are no photos"
        )
        where = f"(all of them in {found.target / 'misses.csv'})"
        for title, misses in (
            ("without a face", found.without_face),
            ("unreadable", found.unreadable),
            ("no photos", found.other_files),
        ):
            remarks(f"{title} {where}", (f"{miss.photo}: {miss.reason}" for miss in misses))
    if not found.faces and not found.done_before:
        raise CheckFailedError(f"no face was found in {args.folder}")
