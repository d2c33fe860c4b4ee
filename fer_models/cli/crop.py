"""Cut the faces out of a folder of photos or of RAF-DB's originals, to train on them.

The faces are cut as recognition cuts them. The faces of a folder go into the same class folders of
the output folder, as PNG files. Those of raf_db go into train/CLASS and test/CLASS, which both
`fer train --data raf_db` and `--data folder` read. After an interruption the same command goes on;
photos that have changed since are cut again. Faces of earlier calls are deleted if their photo is
gone, gives no face any more, or has another class. Photos that gave no face are listed in
misses.csv, with the reason; faces.csv lists where each face lay.
"""

import argparse
import dataclasses
import json
import os
from pathlib import Path

from fer_models.cli.media import DETECTORS
from fer_models.cli.running import CheckFailedError, UsageError, remarks

EXAMPLE = """fer crop my_photos --output my_faces
fer crop raf_db --path FOLDER --output raf_faces --workers 2"""
RAF_DB = "raf_db"
# Detectors that fill several cores by themselves.
TAKE_CORES = ("retinaface", "yunet")
# Each holds a detector of its own.
MOST_WORKERS = 8
ON_MISS = ("skip", "whole", "skip_train")
# As the libraries have them, which a test compares: `--help` is too quick for these.
FOLDER_DEFAULTS = {"detector": "mtcnn", "size": 64, "on_miss": "skip"}
RAF_DB_DEFAULTS = {"detector": "retinaface", "size": 224, "on_miss": "skip_train"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    add = parser.add_argument
    add(
        "folder",
        metavar="FOLDER|raf_db",
        help="photos, with a folder for each class; or RAF-DB's original pictures",
    )
    add("--path", type=Path, help="for raf_db: the owners' folder, or a zip archive of it")
    add("--output", metavar="FOLDER", type=Path, required=True, help="folder for the faces")
    add(
        "--size",
        type=int,
        help="height and width in pixels: take that of `fer train` (default: 64; for raf_db 224)",
    )
    add("--channels", type=int, choices=(1, 3), default=3, help="1 for grey, 3 for colour")
    add(
        "--detector",
        choices=DETECTORS,
        help="what finds the faces; all cut them alike, each by its own framing (default: mtcnn, "
        "as in recognition; for raf_db retinaface, as in the paper)",
    )
    add("--min-score", type=float, help="drop faces of a lower score; default: the detector's rule")
    add(
        "--option",
        nargs="+",
        action="extend",
        type=_option,
        default=[],
        metavar="NAME=VALUE",
        help="other options of the detector: weights=FILE working_size=320",
    )
    add("--every-face", action="store_true", help="all faces of a photo, not the largest alone")
    add(
        "--on-miss",
        choices=ON_MISS,
        help="a photo without a face: skip leaves it out, whole takes all of it, skip_train takes "
        "raf_db's test pictures whole and leaves training pictures out (default: skip; for raf_db "
        "skip_train, so that no test picture is lost)",
    )
    add(
        "--follow-links",
        action="store_true",
        help="also read photos to which links lead out of FOLDER or --path",
    )
    add(
        "--workers",
        type=int,
        help="processes that share the photos (default: one for each core, 8 at most; for "
        "retinaface and yunet, whose networks use several cores, 1)",
    )
    add("--json", action="store_true", help="print the result as JSON")


def _option(word):
    from fer_models.cli.train import option

    return option(word)


def run(args: argparse.Namespace) -> None:
    """Run the subcommand."""
    options = dict(args.option)
    if args.min_score is not None:
        options["min_score"] = args.min_score
    options["channels"] = args.channels
    options["follow_links"] = args.follow_links
    of_raf_db = args.folder == RAF_DB
    for name, value in (RAF_DB_DEFAULTS if of_raf_db else FOLDER_DEFAULTS).items():
        given = getattr(args, name)
        options[name] = value if given is None else given
    options["workers"] = _workers(options["detector"]) if args.workers is None else args.workers
    if of_raf_db:
        found = _cut_raf_db(args, options)
    elif args.path is not None:
        raise UsageError(f"--path is for raf_db; FOLDER is {args.folder} already")
    else:
        from fer_data.faces import cut_folder

        found = cut_folder(args.folder, args.output, every_face=args.every_face, **options)
    if args.json:
        print(json.dumps(_content(found), indent=1))
    else:
        _tell(found)
    if not found.faces and not found.done_before:
        raise CheckFailedError(f"no face was found in {args.path if of_raf_db else args.folder}")


def _workers(detector):
    if detector in TAKE_CORES:
        return 1
    known = hasattr(os, "sched_getaffinity")
    return min(MOST_WORKERS, len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1)


def _cut_raf_db(args, options):
    if args.path is None:
        raise UsageError(
            "raf_db needs --path, the folder or archive that its owners sent (a folder of photos "
            "that is called so is ./raf_db)"
        )
    if args.every_face:
        raise UsageError("--every-face is for FOLDER: a label of raf_db speaks of one face")
    from fer_data.datasets.raf_db_faces import cut_raf_db

    return cut_raf_db(args.path, args.output, **options)


def _content(found):
    misses = [miss._asdict() for miss in found.misses]
    content = dataclasses.asdict(found) | {"target": str(found.target), "misses": misses}
    for name in ("without_face", "whole", "unreadable", "other_files"):
        content[name] = len(getattr(found, name))
    return content


def _tell(found):
    print(
        f"{found.target}: {found.faces} faces cut out of {found.photos} photos, "
        f"{found.done_before} photos done before, {len(found.without_face)} without a face "
        f"({len(found.whole)} of them taken whole), {len(found.unreadable)} unreadable, "
        f"{len(found.other_files)} files that are no photos; {found.several} photos show several "
        f"faces; {found.removed} faces of earlier calls removed, which no photo gives now"
    )
    for split, count in getattr(found, "splits", {}).items():
        print(
            f"  {split}: {count.faces} faces of {count.pictures} pictures, {count.whole} pictures "
            f"taken whole, {count.left_out} left out"
        )
    where = f"(all of them in {found.target / 'misses.csv'})"
    for title, misses in (
        ("without a face", found.without_face),
        ("unreadable", found.unreadable),
        ("no photos", found.other_files),
    ):
        texts = (
            f"{miss.photo}: {miss.reason}" + ("" if miss.taken == "nothing" else f", {miss.taken}")
            for miss in misses
        )
        remarks(f"{title} {where}", texts)
