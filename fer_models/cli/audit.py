"""Write one report on a model: how good it is, what it costs and betrays, how it breaks.

The output folder gets audit.html (one page, pictures inside), model_card.md, audit.json and
suspects.csv. Members come from the training faces, non-members and population from the other faces,
without copies of training faces, which are counted. So the data must be divided as in the training;
the run.json beside the model records how. Without it, --data, --path and the like must say the same
as in the training, or members and non-members are mixed up.
"""

import argparse
import json
from pathlib import Path

from fer_models.cli.face_data import (
    add_data_arguments,
    add_group_arguments,
    add_model_argument,
    groups_of,
    measured,
)
from fer_models.cli.media import check_output
from fer_models.cli.running import UsageError, remark, watched
from fer_models.zoo import hub_models

EXAMPLE = """fer audit runs/mine/best.keras
fer audit ghostface:fer2013 --data fer2013 --path FOLDER --output audits/fer2013
fer audit runs/mine/best.keras --groups groups.csv --group-column sex"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `fer audit`.

    Args:
        parser: Parser of the subcommand.
    """
    add_model_argument(parser)
    add = parser.add_argument
    add("--output", type=Path, default=Path("runs/audit"), help="folder to write into")
    add("--seed", type=int, default=0, help="seed of everything random in the audit")
    add("--members", type=int, default=2000, help="number of training faces")
    add("--non-members", type=int, default=2000, help="number of other faces")
    add("--population", type=int, default=1000, help="number of further other faces; 0: none")
    add("--test", type=int, help="number of test faces, drawn at random (default: all)")
    add("--adversarial-faces", type=int, default=64, help="number of faces to attack; 0: none")
    add("--corruption-faces", type=int, default=256, help="number of faces to corrupt; 0: none")
    add("--explained-faces", type=int, default=32, help="number of faces to explain; 0: none")
    add(
        "--batch-size",
        type=int,
        default=64,
        help="faces at a time; measured times have batches of 1 and 32",
    )
    add("--json", action="store_true", help="print what audit.json holds, not the warnings")
    add_group_arguments(parser)
    add_data_arguments(parser, split=False, same=True)


def run(args: argparse.Namespace) -> None:
    """Audit, write, and print figures and warnings.

    Args:
        args: The parsed arguments.
    """
    check_output(args.output)
    least = {"members": 1, "non_members": 1, "test": 1, "batch_size": 1}
    zero = ("population", "adversarial_faces", "corruption_faces", "explained_faces", "seed")
    for name, lowest in {**least, **dict.fromkeys(zero, 0)}.items():
        value = getattr(args, name)
        if value is not None and value < lowest:
            raise UsageError(f"--{name.replace('_', '-')} must be {lowest} or more, not {value}")
    # The report names the commit that was audited.
    args.model = hub_models.pinned(args.model)
    found = measured(args, same=True)
    from fer_models.auditing import audit, audit_sets
    from fer_models.auditing.from_splits import OUTSIDE
    from fer_models.zoo.origin import origin

    # A stage of its training may have frozen most of it, and its cost would leave that out.
    found.model.trainable = True
    height, width, channels = found.model.input_shape[1:]
    remark(f"Reading {sum(found.faces.counts.values()):,} faces.")
    tested = next((name for name in OUTSIDE if name in found.faces.counts), None)
    groups = None if tested is None else groups_of(args, found, tested)
    sets, how = audit_sets(
        found.faces,
        size=(height, width),
        channels=channels,
        class_names=found.class_names,
        members=args.members,
        non_members=args.non_members,
        population=args.population,
        test=args.test,
        seed=args.seed,
        groups=None if groups is None else {tested: groups},  # type: ignore[dict-item]
    )
    source = found.source or "the command line"
    about = {
        **origin(args.model),
        "Data": f"{found.data}, by {source}: {how}",
        "Command": args.command_line,
    }
    result = audit(
        found.model,
        **sets,
        class_names=found.class_names,
        title=f"Audit of {Path(args.model).name}",
        about=about,
        adversarial_faces=args.adversarial_faces,
        corruption_faces=args.corruption_faces,
        explained_faces=args.explained_faces,
        batch_size=args.batch_size,
        seed=args.seed,
        verbose=int(watched()),
    )
    paths = result.save(args.output)
    if args.json:
        print(json.dumps(result.to_dict(), indent=1))
    else:
        for figure in result.figures:
            print(f"{figure.name}: {figure.value} ({figure.beside})".replace(" ()", ""))
        for section, warning in result.warnings:
            print(f"! {section}: {warning}")
    remark(f"Wrote {', '.join(path.name for path in paths)} in {args.output}")
