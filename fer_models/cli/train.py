"""Train a model on faces as its paper does, or otherwise, and say how good it is and why.

Every setting below defaults to that of the recipe; `--recipe NAME --describe` prints the recipe.
The output folder gets run.json (everything that reproduces the run), history.csv, curves.png,
report.md, report.json, confusion.png, reliability.png, grad_cam.png, best.keras, last.keras and
tensorboard. A stopped run goes on from its last whole epoch when the same command is given again.
Micro-expressions have a command of their own, `fer train-clips`.
"""

import argparse
import contextlib
import json
import os
import shlex
import sys
from typing import TYPE_CHECKING

from fer_models.cli.data_names import DATA

if TYPE_CHECKING:
    from fer_models.training.face_settings import FaceSettings

EXAMPLE = """fer train --data folder --path my_faces --validation-fraction 0.1 --output runs/mine
fer train --config fer2013 --path FOLDER --output runs/fer2013
fer train --recipe emotion_cnn --data fer2013 --path FOLDER --output runs/cnn
fer train --config runs/cnn/run.json --output runs/again
fer train --data fer2013 folder --path FOLDER my_faces --validation-fraction 0.1 --output runs/both
fer train --processes 2 --data synthetic --output runs/two"""

# As in the library, which a test compares: `--help` is too quick for it.
RECIPES = (
    "efficientface",
    "efficientface_ldl",
    "emotion_cnn",
    "emotion_cnn_regularized",
    "faceres_teacher",
    "faceres_teacher_upper",
    "ghostface",
    "ghostface_mixup",
    "ghostface_mixup_noise0",
    "ghostface_mixup_noise2",
    "ghostface_noise0",
    "ghostface_noise2",
    "ghostface_none",
    "ghostface_none_noise0",
    "ghostface_none_noise2",
    "ghostface_randaug",
    "ghostface_randaug_mixup",
    "ghostface_randaug_mixup_noise0",
    "ghostface_randaug_mixup_noise2",
    "ghostface_randaug_noise0",
    "ghostface_randaug_noise2",
    "ghostface_small",
    "resnet18_small",
    "resnet50_cbam",
)
OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "cosine", "plateau")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
CONVOLUTIONS = ("library", "products")
PROCESSES = ("--processes", "--process", "--coordinator")
CONFIGURATIONS = ("demo", "fer2013", "fer2013_efficientface")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    # Settings that are not given stay out: a configuration or the recipe sets them.
    setting = _Settings(parser)
    add = parser.add_argument
    setting(
        "--recipe",
        choices=RECIPES,
        metavar="NAME",
        help=f"sets the model and its training: {', '.join(RECIPES)} (default: ghostface_small)",
    )
    setting(
        "--data",
        nargs="+",
        choices=DATA,
        metavar="DATA",
        help=f"the data set, or several at once: {', '.join(DATA)} (default: synthetic)",
    )
    setting(
        "--path",
        nargs="+",
        help="folder or archive of the data set, or the .npz that `fer prepare --pack` made of "
        "it, which needs no TensorFlow; none for synthetic; for several sets one each",
    )
    add("--output", help="folder for everything that is written (default: runs/RECIPE)")
    add(
        "--config",
        metavar="NAME|FILE",
        help=f"{', '.join(CONFIGURATIONS)}, or the run.json of an earlier run, whose settings "
        "become the defaults",
    )
    add("--data-dir", help="where prepared data sets are kept (default: tensorflow-datasets')")
    setting(
        "--teacher",
        nargs="+",
        metavar="FILE",
        help=".keras files of trained models of the same classes; their mean answers replace the "
        "labels",
    )
    setting(
        "--answers",
        metavar="FILE",
        help="file of `fer answers` for these packed faces; the answers replace the labels, "
        "in part or all (--answer-share)",
    )
    add("--describe", action="store_true", help="print the recipe and train nothing")

    setting = _Settings(parser.add_argument_group("model (default: the recipe's)"))
    setting("--size", type=int, help="height and width of the faces in pixels")
    setting("--channels", type=int, choices=(1, 3), help="grey or colour")
    setting("--classes", type=int, help="number of classes of the model, if more than the data has")
    setting(
        "--model",
        nargs="+",
        action="extend",
        type=option,
        metavar="NAME=VALUE",
        help="arguments of the model's builder: width=0.5 stem_strides=1 weights=null",
    )
    setting(
        "--precision",
        choices=PRECISIONS,
        help="precision of the computation (default: float32)",
    )
    setting(
        "--convolutions",
        choices=CONVOLUTIONS,
        help="products: as matrix products on JAX, which graphics cards compile in a fraction of "
        "the time (default: library)",
    )

    setting = _Settings(parser.add_argument_group("training (default: the recipe's)"))
    setting("--epochs", type=int, help="epochs at most, all stages together")
    setting(
        "--passes",
        type=int,
        help="passes over the faces in an epoch; more mean fewer validations and checkpoints "
        "(default: 1)",
    )
    setting("--batch-size", type=int, help="images a step")
    setting("--optimizer", choices=OPTIMIZERS)
    setting(
        "--learning-rate",
        type=float,
        help="highest learning rate; rates of the recipe's stages keep their proportions",
    )
    setting("--weight-decay", type=float)
    setting("--schedule", choices=SCHEDULES, help="schedule of the learning rate")
    setting("--ema", type=float, help="momentum of a moving average of the weights, such as 0.999")
    setting("--patience", type=int, help="epochs without an improvement before it stops; 0: never")
    setting(
        "--augmentation",
        type=preset_or_amounts,
        help="none, basic, randaug, mixup, randaug+mixup, fer2013, corruptions, or amounts as "
        'JSON, with "engine": "keras_cv" for RandAugment and MixUp by keras-cv',
    )
    setting(
        "--labels", choices=("one_hot", "soft"), help="soft: the votes, where the data has them"
    )
    setting(
        "--vote-share",
        type=float,
        help="share of the targets that comes from the labels that the votes predict",
    )
    setting(
        "--answer-share",
        type=float,
        help="share of the targets that comes from --answers; the rest comes from labels or votes "
        "(default: 1)",
    )
    setting(
        "--label-smoothing",
        type=float,
        help="share of each training label to spread evenly over the classes",
    )
    setting(
        "--valence-arousal",
        type=float,
        metavar="WEIGHT",
        help="learn valence and arousal too, by a second loss of this weight, such as 0.5, if the "
        "data has them (affectnet)",
    )
    setting(
        "--class-weights",
        action=argparse.BooleanOptionalAction,
        help="weight classes against their frequency",
    )
    setting("--seed", type=int, help="seed of everything random (default: 1)")

    setting = _Settings(parser.add_argument_group("differential privacy"))
    setting(
        "--dp-noise-multiplier",
        type=float,
        help="train by DP-SGD with Gaussian noise of so many times --dp-clip (slow)",
    )
    setting("--dp-clip", type=float, help="largest L2 norm of one face's gradient (default: 1)")
    setting("--dp-delta", type=float, help="delta at which epsilon is stated (default: 1e-5)")

    setting = _Settings(parser.add_argument_group("adversarial training"))
    setting(
        "--adversarial-epsilon",
        type=float,
        help="attack each batch before its step, by changes of so many grey levels of 255, such as "
        "2 (twice the cost)",
    )
    setting(
        "--adversarial-steps",
        type=int,
        help="steps of that attack, each at the cost of a training (default: 1)",
    )
    setting(
        "--adversarial-plain", type=float, help="share of a batch that is not attacked (default: 0)"
    )

    setting = _Settings(parser.add_argument_group("data"))
    setting("--train", type=int, help="number of synthetic training faces (default: 7000)")
    setting(
        "--validation-fraction",
        type=float,
        help="share of the training faces, where the data has no such split (raf_db: 0.1, or half "
        "of the test faces)",
    )
    setting(
        "--validation-from",
        choices=("train", "test"),
        help="test: that share of the test faces, which keeps all training faces (default: train)",
    )
    setting(
        "--test-fraction", type=float, help="share of the training faces to set apart as test faces"
    )
    setting(
        "--data-options",
        nargs="+",
        action="extend",
        type=option,
        metavar="NAME=VALUE",
        help="other options of the data set: pictures=original detector=yunet finds and cuts the "
        "faces of raf_db's photos (detector: retinaface unless you say so)",
    )

    setting = _Settings(parser.add_argument_group("several data sets"))
    setting(
        "--data-weights",
        nargs="+",
        type=float,
        metavar="WEIGHT",
        help="for each set how often its faces are trained on, such as 2 1 (default: every face "
        "once in a pass)",
    )
    setting(
        "--joined-classes",
        choices=("shared", "all"),
        help="which classes to learn, by name: those that all sets have, or all (default: shared; "
        "faces of other classes are left out)",
    )

    several = parser.add_argument_group(
        "several processes or accelerators, on the JAX backend",
        "--processes 2 starts both here. On several machines give the same command on each, with "
        "--process and --coordinator. 1: this one, on all accelerators that it sees.",
    ).add_argument
    several("--processes", type=int, metavar="N", help="number of processes of the whole training")
    several("--process", type=int, metavar="I", help="number of this process, from 0")
    several("--coordinator", metavar="HOST:PORT", help="where process 0 is reached by the others")

    add(
        "--report",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="write tables and pictures at the end (--no-report: another machine may do it)",
    )
    add("--restart", action="store_true", help="delete the run in the output folder first")
    add("--json", action="store_true", help="print the scores as JSON, not as a report")


class _Settings:
    """Adds arguments that stay out of the parsed ones where they are not given."""

    def __init__(self, group):
        self._group = group

    def __call__(self, flag, **options):
        self._group.add_argument(flag, default=argparse.SUPPRESS, **options)


def option(word: str) -> tuple[str, object]:
    """Return name and value of a word such as `width=0.5`.

    Example:

    >>> option("width=0.5"), option("weights=fer2013")
    (('width', 0.5), ('weights', 'fer2013'))
    """
    name, equals, value = word.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, not {word!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def preset_or_amounts(word: str) -> object:
    """Return the name of an augmentation, or the dictionary that JSON text means.

    Example:

    >>> preset_or_amounts("basic"), preset_or_amounts('{"flip": 0.5}')
    ('basic', {'flip': 0.5})
    """
    try:
        return json.loads(word) if word.startswith("{") else word
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"is no JSON: {error}") from error


def settings_of(args: argparse.Namespace) -> "FaceSettings":
    """Return the `FaceSettings` of parsed arguments, over those of a configuration."""
    import dataclasses

    from fer_models.training.face_settings import FaceSettings

    names = {field.name for field in dataclasses.fields(FaceSettings)}
    given = {name: value for name, value in vars(args).items() if name in names}
    for name in ("model", "data_options"):
        if name in given:
            given[name] = dict(given[name])
    for name in ("data", "path"):
        if len(given.get(name, ())) == 1:
            (given[name],) = given[name]
    if args.config is None:
        return FaceSettings(**given)
    return FaceSettings.from_record(args.config, **given)


def run(args: argparse.Namespace) -> int | None:
    """Run the command."""
    if args.processes is not None:
        # As long as nobody has chosen another one, and before Keras is imported.
        os.environ.setdefault("KERAS_BACKEND", "jax")
    settings = settings_of(args)
    if args.describe:
        return _describe(settings.to_recipe())
    output = args.output or f"runs/{settings.recipe}"
    if args.processes is None:
        if (args.process, args.coordinator) != (None, None):
            raise ValueError("--process and --coordinator need --processes, how many there are")
        return _train(args, settings, output)
    from fer_models.training import distributed

    distributed.check_backend()
    processes = distributed.Processes(args.processes, args.process, args.coordinator)
    if processes.number is None and processes.count > 1:
        return distributed.start_all(processes.count, _words(args))
    return _train(args, settings, output, processes)


def _describe(recipe):
    print(json.dumps(recipe.to_dict(), indent=1))
    print(f"{recipe.source}\nIt says: {recipe.stated or '-'}\nOurs: {recipe.chosen or '-'}")


def _words(args):
    """Return the words of the command line after `fer train`, without those of the processes."""
    from fer_models.training.run_history import options_apart

    words, skip = [], False
    for word in options_apart(shlex.split(args.command_line)[2:]):
        if skip:
            skip = False
        elif word in PROCESSES:
            skip = True
        else:
            words.append(word)
    return words


def _train(args, settings, output, processes=None):
    from fer_models.cli.running import remark
    from fer_models.training.distributed import compiled_output_apart, train_faces_distributed
    from fer_models.training.face_training import train_faces

    # How many processes there were is in the record, and decides nothing.
    command = shlex.join(["fer", "train", *_words(args)])
    if args.output is None:
        # The record names the run's place, whatever the recipe of a configuration.
        command += f" --output {output}"
    options = {
        "data_dir": args.data_dir,
        "restart": args.restart,
        "report": args.report,
        "command": command,
    }
    try:
        # Keras and the data sets tell of their progress on standard output.
        with contextlib.redirect_stdout(sys.stderr):
            if processes is None:
                found = train_faces(settings, output, **options)
            else:
                with compiled_output_apart():
                    found = train_faces_distributed(settings, output, processes, **options)
    except BaseException as error:
        # A bad setting is refused before training, and the same command is refused again.
        if not isinstance(error, ValueError) and (done := _epochs_kept(settings, output)):
            remark(f"{done} whole epochs are kept: the same command goes on from there.")
        raise
    if found is None:
        return
    if args.json:
        print(json.dumps(found.to_dict(), indent=1))
    elif found.report is not None:
        print(found.report)
    else:
        remark("The same command without --no-report writes the report.")
    remark(f"Models, report and pictures are in {found.folder.resolve()}:")
    for path in sorted(found.folder.iterdir()):
        if path.is_file():
            remark(f"  {path.name}")


def _epochs_kept(settings, output):
    """Return how many epochs a failed training has kept; 0 if that is unknown."""
    try:
        return settings.to_recipe().epochs_done(output)
    except (OSError, TypeError, ValueError):
        # The recipe itself may be at fault.
        return 0
