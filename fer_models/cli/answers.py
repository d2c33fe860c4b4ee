"""Write what trained models answer to training faces, for a student to learn from.

An answer is the mean over the models, and over six views of the face: as it is and moved along the
diagonal by a nineteenth of its side both ways, each time with its mirror image. `fer train
--answers FILE` trains a student on the answers alone, without the models. The faces must be those
of a packed file (`fer prepare --pack`). The student's faces must be among them, and are found by
their pixels. If a model's file lies beside the run.json of its training, the faces are those that
run.json names.
"""

import argparse
import json
import shlex
from pathlib import Path

from fer_models.cli.face_data import MODEL_HELP, add_data_arguments, measured
from fer_models.cli.running import UsageError, remark
from fer_models.zoo import hub_models
from fer_models.zoo.model_files import names_file

EXAMPLE = """fer answers runs/teacher/last.keras --output answers.npz
fer answers runs/one/last.keras runs/two/last.keras --data fer2013 --path faces.npz"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `fer answers`.

    Args:
        parser: Parser of the subcommand.
    """
    add = parser.add_argument
    add("models", nargs="+", metavar="MODEL", help=f"{MODEL_HELP}; several: their mean answer")
    add("--split", default="train", help="split of the data set")
    add("--batch-size", type=int, default=256, help="faces at a time")
    add("--output", type=Path, default=Path("runs/answers.npz"), help="file to write")
    add("--json", action="store_true", help="print the result as JSON")
    place = "packed faces of the data set, a .npz file of fer prepare --pack"
    add_data_arguments(parser, split=False, same=True, place=place)


def run(args: argparse.Namespace) -> None:
    """Answer, write, and print how often the answers are the labels.

    Args:
        args: The parsed arguments.
    """
    if args.output.suffix != ".npz":
        raise UsageError(f"--output must end in .npz, and {args.output} does not")
    if args.path is not None and Path(args.path).suffix != ".npz":
        raise UsageError(
            f"--path must be a file of packed faces (fer prepare --pack), and {args.path} is not"
        )
    args.models = [hub_models.pinned(name) for name in args.models]
    for name in filter(hub_models.names_repository, args.models):
        remark(
            f"The ancestry of {name} is not known, so the answers do not record it. Read its card "
            "on the Hub: the terms of a pre-trained network hold for what descends from it."
        )
    # The first model sets the faces; all must have the same class names.
    first, *others = args.models
    found = measured(argparse.Namespace(**vars(args), model=first), same=True)
    from fer_data.pipelines.split_arrays import class_order
    from fer_models.training.teacher_answers import write_answers
    from fer_models.zoo import class_names
    from fer_models.zoo.face_outputs import expression_part
    from fer_models.zoo.loading import load_model

    models = [found.model]
    for name in others:
        model, known = load_model(name)
        model = expression_part(model)
        names = class_names.of_outputs(model.output_shape[-1], known, found.faces.class_names)
        if names != found.class_names:
            raise UsageError(
                f"the classes of {name} are {', '.join(names)}, and those of {first} "
                f"{', '.join(found.class_names)}"
            )
        models.append(model)
    answers = write_answers(
        args.output,
        models,
        found.faces,
        args.split,
        class_names=found.class_names,
        batch_size=args.batch_size,
        about=_about(args, found.data),
    )
    labels = class_order(found.faces.class_names, found.class_names)[
        found.faces.column(args.split, "label")
    ]
    result = {
        "output": str(args.output),
        "faces": len(answers),
        "models": len(models),
        "split": args.split,
        "answers_that_are_the_label": float((answers.argmax(axis=1) == labels).mean()),
    }
    if args.json:
        print(json.dumps(result, indent=1))
    else:
        print(
            f"{len(answers):,} faces ({args.split}), {len(models)} model(s): "
            f"{result['answers_that_are_the_label']:.2%} of the answers are the label."
        )
    remark(f"Wrote {args.output}")


def _about(args, data):
    """Return from what the models descend, and the commands that led to them and to the answers."""
    from fer_models.training import ancestry, packing, run_history, runs

    earlier, names = [], []
    for name in args.models:
        more = []
        if not names_file(name):
            # The weights that have this name later may be others.
            more = run_history.of_bundled(name)
        elif (Path(name).parent / runs.RECORD).is_file():
            more = packing.commands(Path(name).parent)
        earlier = packing.joined(earlier, more)
        names.append(packing.kept(name) if names_file(name) else name)
    words = ["fer", "answers", *names, *([] if args.data is None else ["--data", args.data])]
    words += ["--path", run_history.packed_faces(data), "--output", args.output.name]
    descends = set().union(*map(ancestry.of_weights, args.models))
    return {"commands": [*earlier, shlex.join(words)], "ancestry": sorted(descends)}
