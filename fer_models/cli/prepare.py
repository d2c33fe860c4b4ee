"""Get, check and prepare a data set, and say what became of every file.

Nothing is downloaded: you ask the owners, accept their terms, and say where the files lie. Without
--path the command shows where to ask, and what to put where. With --path the files are checked,
decoded and (for micro-expressions) aligned once, and tensorflow-datasets keeps the result; the
report lists what was used and what was dropped, and why. Prepared data are as confidential as the
originals.
"""

import argparse
import contextlib
import dataclasses
import io
import json
import sys

from fer_models.cli.data_names import DATA as FACES

EXAMPLE = """fer prepare
fer prepare raf_db
fer prepare fer2013 --path FOLDER
fer prepare folder --path my_faces --validation-fraction 0.1
fer prepare fer2013 --path FOLDER --pack faces.npz"""

SHORT = {"folder": "image_folder", "synthetic": "synthetic_faces"}
# As `fer_data.datasets.BUILDERS`; and two under the short names of `fer train`.
DATA = (
    *(name for name in FACES if name not in SHORT),
    "image_folder",
    "casme2",
    "cas_me2",
    "cas_me3",
    "samm_long_videos",
    "smic_hs",
    "synthetic_faces",
    "synthetic_micro_expressions",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add(
        "data",
        nargs="?",
        metavar="DATA",
        choices=(*DATA, *SHORT),
        help=f"{', '.join((*DATA, *SHORT))}; without a name: show all of them",
    )
    add("folder", nargs="?", metavar="FOLDER", help="folder or archive of the data set")
    add("--path", metavar="FOLDER", help="the same as FOLDER; give one of the two")
    add("--data-dir", help="where prepared data go (default: tensorflow-datasets')")
    add(
        "--validation-fraction",
        type=float,
        help="share of the training faces to set apart for validation",
    )
    add(
        "--test-fraction", type=float, help="share of the training faces to set apart as test faces"
    )
    add("--seed", type=int, default=1, help="seed of that choice, as in `fer train`")
    add(
        "--option",
        nargs="+",
        action="extend",
        type=_option,
        default=[],
        metavar="NAME=VALUE",
        help="other options of the data set: on_bad=raise pictures=cropped",
    )
    add(
        "--pack",
        metavar="FILE.npz",
        help="put the faces into one file as well, which `fer train --path` reads without "
        "TensorFlow; it holds faces of people",
    )
    add(
        "--size",
        type=int,
        nargs=2,
        metavar=("HEIGHT", "WIDTH"),
        help="size of the faces in that file (default: that of the first face)",
    )
    add("--json", action="store_true", help="print the report as JSON")


def _option(word):
    from fer_models.cli.train import option

    return option(word)


def run(args: argparse.Namespace) -> None:
    """Prepare, or tell where a data set is to be had."""
    from fer_data.datasets import WITHOUT_PATH

    name = SHORT.get(args.data, args.data)
    if args.folder is not None:
        if args.path is not None:
            raise ValueError(f"give FOLDER or --path, not both: {args.folder} and {args.path}")
        args.path = args.folder
    if args.pack and name in (None, *WITHOUT_PATH):
        raise ValueError("--pack is for the faces of a data set that has a --path")
    if args.size and not args.pack:
        raise ValueError("--size is that of the faces in the file of --pack, which is not given")
    if args.path is not None or name in WITHOUT_PATH:
        _prepare(args, name)
    elif args.pack:
        raise ValueError("--pack needs --path, the folder or archive of the data set")
    else:
        _tell(args, [name] if name else DATA)


def _tell(args, names):
    from fer_data.datasets.owners import owners

    if args.json:
        print(json.dumps({name: dataclasses.asdict(owners(name)) for name in names}, indent=1))
        return
    for name in names:
        print(f"{name}\n{owners(name).to_text()}\n")
    print("Then: fer prepare NAME --path FOLDER")


def _prepare(args, name):
    from fer_data import datasets
    from fer_models.cli import tensorflow_alone
    from fer_models.cli.running import remark

    if args.own_process:
        tensorflow_alone.load()
    options = dict(args.option)
    fractions = {
        "validation_fraction": args.validation_fraction,
        "test_fraction": args.test_fraction,
    }
    given = {key: value for key, value in fractions.items() if value}
    if given:
        given["seed"] = args.seed
    # The builder prints its report where it prepares; here it stands once, at the end.
    with contextlib.redirect_stdout(io.StringIO()):
        builder = datasets.prepare(name, path=args.path, data_dir=args.data_dir, **given, **options)
    content = {
        "prepared": str(builder.data_path),
        "splits": {split: info.num_examples for split, info in builder.info.splits.items()},
    }
    if args.pack:
        with contextlib.redirect_stdout(sys.stderr):
            _pack(args, name, builder, given)
        content["packed"] = args.pack
    reported = hasattr(builder, "report")
    if args.json:
        report = dataclasses.asdict(builder.report()) if reported else None
        print(json.dumps(content | {"report": report}, indent=1))
        return
    if reported:
        print(builder.report().summary())
    else:
        counts = ", ".join(f"{count:,} {split}" for split, count in content["splits"].items())
        print(f"{name}: {counts}")
    remark(f"Prepared in {content['prepared']}.")
    if args.pack:
        remark(f"Packed into {args.pack}.")


def _pack(args, name, builder, given):
    from fer_data.pipelines.labelled_faces import FACES, faces_of_builder, pack_faces

    short = {builder_name: name for name, builder_name in FACES.items()}
    if name not in short:
        raise ValueError(f"--pack is for data sets of single faces, {', '.join(FACES)}")
    # As options of this command, but for what is where on this machine.
    options = given | ({"size": args.size} if args.size else {})
    about = {"data": short[name], "options": options}
    pack_faces(
        faces_of_builder(builder),
        args.pack,
        size=tuple(args.size) if args.size else None,
        about=about,
    )
