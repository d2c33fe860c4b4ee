"""Train a model as its paper does, or otherwise, and say how good it is and why.

    python examples/train.py --recipe ghostface_small --data synthetic --output runs/synthetic
    python examples/train.py --recipe emotion_cnn --data fer2013 --path FOLDER --output runs/cnn
    python examples/train.py --config runs/cnn/run.json --output runs/again

What a recipe says is the default of every setting below; `--recipe NAME --describe` prints it.
The output folder holds run.json (everything that reproduces the run), history.csv, curves.png,
report.md, report.json, confusion.png, reliability.png, grad_cam.png, best.keras, last.keras and
tensorboard. A stopped run goes on from its last whole epoch when the same command is given again.
"""

import argparse
import datetime
import errno
import hashlib
import importlib
import importlib.metadata
import inspect
import json
import math
import os
import platform
import shlex
import shutil
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Faster kernels, which TensorFlow leaves off on processors that are not Intel's.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras

import fer_models
from fer_data import files
from fer_models import recipes, registry
from fer_models.training.accountant import epsilon
from fer_models.training.dp_sgd import DPSGD, freeze_batch_norm

sys.path.insert(0, str(Path(__file__).parent))
import jax_products
import train_report
from train_data import (
    DATA,
    column,
    features,
    is_packed,
    load,
    packed_as,
    pipelines,
    with_vote_targets,
)

# Those for clips are for another script.
RECIPES = sorted(
    name for name, recipe in recipes.RECIPES.items() if recipe.model in registry.MODELS
)
SCHEDULES = {
    "constant": recipes.Constant(),
    "cosine": recipes.Cosine(),
    "plateau": recipes.Plateau(patience=3, factor=0.3),
}
LEARNING_RATES = {"sgd": 0.1, "adam": 0.001, "adamw": 0.002}
RECORD = "run.json"
DEFAULT = "ghostface_small"
# Arguments of every builder that have a flag of their own, or none.
OWN_FLAG = {"classes", "input_shape", "input_tensor", "include_top", "pooling", "name", "seed"}
NOT_SETTINGS = ("config", "output", "data_dir", "describe", "report", "restart", "traceback")


def parser_of():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--recipe", choices=RECIPES, default=DEFAULT, help="how to train what")
    add("--describe", action="store_true", help="print the recipe, trained on nothing")
    add("--data", choices=DATA, default="synthetic", help="which faces")
    add(
        "--path",
        help="folder or archive of the data set, or the .npz that pack_faces.py made of it, which "
        "needs no TensorFlow; none for synthetic",
    )
    add("--output", help="folder for everything that is written (default: runs/RECIPE)")
    add("--config", help="run.json of an earlier run, whose settings become the defaults")
    add("--data-dir", help="where prepared data sets are kept (default: tensorflow-datasets')")
    add(
        "--teacher",
        nargs="+",
        metavar="FILE",
        help=".keras files of trained models, whose mean answers are learned instead",
    )

    model = parser.add_argument_group("model (default: the recipe's)").add_argument
    model("--size", type=int, help="height and width of the faces in pixels")
    model("--channels", type=int, choices=(1, 3), help="grey or colour")
    model("--classes", type=int, help="of the model, if more than the data has")
    model(
        "--model",
        nargs="+",
        action="extend",
        type=option,
        metavar="NAME=VALUE",
        help="arguments of the model's builder: width=0.5 stem_strides=1 weights=null",
    )
    model(
        "--precision",
        choices=("float32", "mixed_bfloat16", "mixed_float16"),
        default="float32",
        help="in which the training computes",
    )
    model(
        "--convolutions",
        choices=("library", "products"),
        default="library",
        help="products: as matrix products on JAX, which graphics cards compile in a fraction of "
        "the time (jax_products.py)",
    )

    change = parser.add_argument_group("training (default: the recipe's)").add_argument
    change("--epochs", type=int, help="at most, all stages together")
    change(
        "--passes",
        type=int,
        default=1,
        help="over the faces in an epoch; more of them mean fewer validations and checkpoints",
    )
    change("--batch-size", type=int, help="images a step")
    change("--optimizer", choices=sorted(LEARNING_RATES))
    change("--learning-rate", type=float, help="the highest")
    change("--weight-decay", type=float)
    change("--schedule", choices=sorted(SCHEDULES), help="of the learning rate")
    change("--ema", type=float, help="momentum of a moving average of the weights, such as 0.999")
    change("--patience", type=int, help="epochs without a better one before it stops; 0: never")
    change(
        "--augmentation",
        type=preset_or_amounts,
        help="none, basic, randaug, mixup, randaug+mixup, fer2013, or amounts as JSON",
    )
    change("--labels", choices=("one_hot", "soft"), help="soft: the votes, where the data has them")
    change(
        "--vote-share",
        type=float,
        help="share of the targets that comes from the votes, in the labels' terms "
        "(fer_data.pipelines.vote_targets)",
    )
    change("--label-smoothing", type=float, help="of the training labels")
    change(
        "--class-weights",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="weigh classes against their frequency",
    )

    private = parser.add_argument_group("differential privacy").add_argument
    private(
        "--dp-noise-multiplier",
        type=float,
        help="train by DP-SGD with Gaussian noise of so many times the clip (slow)",
    )
    private("--dp-clip", type=float, help="largest L2 norm of one face's gradient (1)")
    private("--dp-delta", type=float, help="at which epsilon is stated (1e-5)")

    data = parser.add_argument_group("data").add_argument
    data("--train", type=int, help="synthetic training faces (default: 7000)")
    data(
        "--validation-fraction",
        type=float,
        help="of the training faces, where the data has no such split (raf_db: 0.1, or half of "
        "the test faces)",
    )
    data(
        "--validation-from",
        choices=("train", "test"),
        default="train",
        help="test: that fraction of the test faces, which keeps all training faces",
    )
    data("--test-fraction", type=float, help="of the training faces, likewise")
    add("--seed", type=int, default=1, help="of everything random")
    add(
        "--report",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="write tables and pictures at the end (--no-report: another machine may do it)",
    )
    add("--restart", action="store_true", help="delete the run in the output folder first")
    add("--traceback", action="store_true", help="show where in the code an error arose")
    return parser


def parse(argv):
    parser = parser_of()
    first = parser.parse_args(argv)
    if first.config:
        words = words_of(parser, first.config, vars(first).keys())
        try:
            parser.parse_args(words)
        except SystemExit:
            print(f"(in --config {first.config})", file=sys.stderr)
            raise
        argv = [*words, *argv]
    args = parser.parse_args(argv)
    for name in ("epochs", "passes", "size", "batch_size", "train"):
        value = getattr(args, name)
        if value is not None and value < 1:
            parser.error(f"--{name.replace('_', '-')} must be 1 or more, not {value}")
    for name in (
        "learning_rate",
        "weight_decay",
        "patience",
        "validation_fraction",
        "test_fraction",
        "vote_share",
    ):
        if getattr(args, name) is not None and getattr(args, name) < 0:
            parser.error(f"--{name.replace('_', '-')} must not be negative")
    if args.ema is not None and not 0 < args.ema < 1:
        parser.error(f"--ema must be between 0 and 1, not {args.ema}")
    if args.vote_share is not None and args.vote_share > 1:
        parser.error(f"--vote-share must be from 0 to 1, not {args.vote_share}")
    if args.passes > 1 and args.dp_noise_multiplier is not None:
        parser.error("--passes and --dp-noise-multiplier cannot go together: give more --epochs")
    if args.dp_noise_multiplier is None and (args.dp_clip, args.dp_delta) != (None, None):
        parser.error("--dp-clip and --dp-delta need --dp-noise-multiplier")
    packed = is_packed(args.path)
    if packed and args.data == "synthetic":
        parser.error(f"--data must be what {args.path} was made of, not synthetic")
    if args.train is not None and args.data != "synthetic":
        parser.error(f"--train is the number of synthetic faces, and --data is {args.data}")
    if args.validation_fraction is None and args.data == "raf_db" and not packed:
        args.validation_fraction = 0.1 if args.validation_from == "train" else 0.5
    args.model = dict(args.model or ())
    if args.path is not None:
        args.path = str(Path(args.path).resolve())
    if args.teacher is not None:
        args.teacher = [str(Path(each).resolve()) for each in args.teacher]
    if args.output is None:
        args.output = f"runs/{args.recipe}"
    return args


def option(word):
    """Return name and value of an argument like `width=0.5`."""
    name, equals, value = word.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, not {word!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def preset_or_amounts(word):
    """Return the name of an augmentation, or the dictionary that JSON text means."""
    try:
        return json.loads(word) if word.startswith("{") else word
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"is no JSON: {error}") from error


def words_of(parser, path, known):
    """Return the settings of a run.json as words of the command line, or leave with a message."""
    try:
        settings = json.loads(Path(path).read_text())["settings"]
        unknown = sorted(settings.keys() - known)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        parser.error(f"--config must be a run.json of this script; {path} is not: {error!r}")
    if unknown:
        parser.error(f"--config {path} has unknown settings: {', '.join(unknown)}")
    words = []
    for name, value in settings.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(flag if value else flag.replace("--", "--no-", 1))
        elif name == "model" and isinstance(value, dict):
            if value:
                words += [flag, *(f"{key}={json.dumps(each)}" for key, each in value.items())]
        elif name == "teacher" and value:
            # A record of before has one file.
            words += [flag, *([value] if isinstance(value, str) else value)]
        elif value is not None:
            words.append(
                f"{flag}={json.dumps(value) if isinstance(value, (dict, list)) else value}"
            )
    return words


def settings_of(args):
    """Everything that decides the outcome, and nothing else."""
    return {k: v for k, v in vars(args).items() if k not in NOT_SETTINGS}


def recipe_of(args):
    """Return the recipe with the changes of the command line."""
    recipe = recipes.get(args.recipe)
    names = ("batch_size", "learning_rate", "augmentation", "labels", "label_smoothing", "ema")
    changes = {name: getattr(args, name) for name in (*names, "class_weights")}
    changes = {name: value for name, value in changes.items() if value is not None}
    options = recipe.optimizer_options
    if args.optimizer not in (None, recipe.optimizer):
        options = {}
        changes = {"learning_rate": LEARNING_RATES[args.optimizer], **changes}
        changes["optimizer"] = args.optimizer
    if args.weight_decay is not None:
        options = {**options, "weight_decay": args.weight_decay}
    if args.schedule is not None:
        changes["schedule"] = SCHEDULES[args.schedule]
    if args.patience is not None:
        changes["patience"] = args.patience or None
    if args.dp_noise_multiplier is not None:
        given = {"l2_norm_clip": args.dp_clip, "delta": args.dp_delta}
        given = {name: value for name, value in given.items() if value is not None}
        changes["dp"] = DPSGD(noise_multiplier=args.dp_noise_multiplier, **given)
    if args.teacher is not None and args.labels is None:
        # The teacher's answers are the targets; the labels only say how often it is right.
        changes["labels"] = "one_hot"
    height, width, channels = recipe.input_shape
    size = (args.size or height, args.size or width)
    recipe = recipe.replace(
        epochs=args.epochs,
        optimizer_options=options,
        input_shape=(*size, args.channels or channels),
        model_options={**recipe.model_options, **args.model},
        **changes,
    )
    if recipe.freeze_batch_norm and recipe.model_options.get("weights") is None:
        # Layers without trained weights are not worth keeping as they are.
        stages = (recipes.Stage("all", recipe.epochs),)
        recipe = recipe.replace(freeze_batch_norm=False, stages=stages)
    return recipe


def build(args, recipe, classes):
    """Return the model to train: the recipe's, or it and its teacher."""
    taken = inspect.signature(registry.entry(recipe.model).builder).parameters.keys()
    allowed = sorted(taken - OWN_FLAG)
    unknown = sorted(recipe.model_options.keys() - allowed)
    if unknown:
        raise ValueError(
            f"--model {recipe.model} has no arguments of the names {unknown}; it takes {allowed} "
            f"(size, channels and classes have flags of their own)"
        )
    model = recipe.build(classes=classes, **{"seed": args.seed} if "seed" in taken else {})
    if args.teacher is None:
        return model
    if recipe.class_weights:
        raise ValueError("--teacher and --class-weights cannot go together: choose one")
    if recipe.dp is not None:
        raise ValueError(
            "--teacher and --dp-noise-multiplier cannot go together: what the teacher learned of "
            "faces is not covered"
        )
    teachers = [train_report.trained(path) for path in args.teacher]
    teacher = fer_models.ensemble(teachers) if len(teachers) > 1 else teachers[0]
    if teacher.output_shape != model.output_shape:
        raise ValueError(
            f"--teacher has outputs of shape {teacher.output_shape}, and the data (with --classes) "
            f"needs {model.output_shape}"
        )
    return fer_models.distiller(
        model,
        fer_models.teacher_for(teacher, model.input_shape[1:]),
        class_mean=recipe.loss == "label_distribution",
    )


def train(args, recipe, splits, record, output, share=None):
    """Train, or go on, and write what reproduces it first; return the other splits' batches."""
    if args.convolutions == "products":
        with jax_products.installed():
            return _train(args, recipe, splits, record, output, share)
    return _train(args, recipe, splits, record, output, share)


def _train(args, recipe, splits, record, output, share):
    if recipe.labels == "soft" and "votes" not in features(splits["train"]):
        raise ValueError(
            f"{recipe.name} learns from votes, which --data {args.data} has not: give --teacher, "
            "or --labels one_hot"
        )
    counts, classes = record["faces"], len(record["classes"])
    if args.vote_share:
        if recipe.class_weights or "votes" not in features(splits["train"]):
            raise ValueError(
                "--vote-share needs data with votes (fer2013, ferplus), and no --class-weights"
            )
        voted = with_vote_targets(splits["train"], classes, args.vote_share)
        splits = {**splits, "train": voted}
    done = recipe.epochs_done(output)
    keras.utils.set_random_seed(args.seed)
    faces, others = pipelines(args, recipe, splits, classes, share)
    model = build(args, recipe, classes)
    # A bad setting shows here, before anything is written.
    faces(done)
    planned = guarantee(recipe, counts["train"], recipe.epochs)
    if planned is not None:
        frozen = freeze_batch_norm(model)
        print(f"DP-SGD: epsilon {train_report.epsilon_text(planned)} after {recipe.epochs} epochs.")
        if frozen and recipe.model_options.get("weights") is None:
            print(
                f"Its {frozen} batch norm layers are frozen as they begin, which normalises "
                "nothing: start from weights of public faces (--model weights=...)."
            )
    weights = None
    if recipe.class_weights:
        from fer_data.protocols.weighting import class_weights

        weights = class_weights(column(splits["train"], "label"), classes)
    output.mkdir(parents=True, exist_ok=True)
    files.write_text(output / RECORD, json.dumps(record, indent=1))
    if done:
        print(f"Resuming after {done} of at most {recipe.epochs} epochs.")
    print(
        f"Training on {counts['train']:,} faces of {recipe.input_shape}, validation on "
        f"{counts['validation']:,}."
    )
    steps = args.passes * math.ceil(counts["train"] / recipe.batch_size)
    # What never ends has to be told how long an epoch is.
    endless = hasattr(splits["train"], "element_spec")
    history = recipe.fit(
        model,
        faces,
        others["validation"],
        directory=output,
        steps_per_epoch=steps if endless else None,
        class_weight=weights,
        verbose="auto" if sys.stdout.isatty() else 2,
    )
    if not history.epoch:
        print("The training itself is done: only its report is missing.")
    return others


def guarantee(recipe, examples, epochs):
    """Return what DP-SGD guarantees after so many epochs, or None without it."""
    if recipe.dp is None:
        return None
    known = {
        "noise_multiplier": recipe.dp.noise_multiplier,
        "l2_norm_clip": recipe.dp.l2_norm_clip,
        "delta": recipe.dp.delta,
        "epochs": epochs,
    }
    for name, sampling in (("epsilon", "shuffled"), ("epsilon_if_poisson_sampled", "poisson")):
        try:
            value = epsilon(
                recipe.dp.noise_multiplier,
                examples=examples,
                batch_size=recipe.batch_size,
                epochs=epochs,
                delta=recipe.dp.delta,
                sampling=sampling,
            )
        except ImportError as error:
            raise ValueError(str(error)) from error
        # JSON has no infinity.
        known[name] = value if math.isfinite(value) else None
    return known


def output_of(command):
    """Return the output folder of a command of this script."""
    words = shlex.split(command)
    if "--output" in words:
        return words[words.index("--output") + 1]
    return f"runs/{words[words.index('--recipe') + 1] if '--recipe' in words else DEFAULT}"


def history_of(card):
    """Return how bundled weights came about: their commands, and the model of these they are."""
    commands = card["commands"]
    return {"commands": commands, "kept": f"{output_of(commands[-1])}/{card['epoch']}.keras"}


def weights_history(recipe):
    """Return the history of the bundled weights that a run begins with, or None."""
    bundled = registry.entry(recipe.model).weights.get(recipe.model_options.get("weights"))
    return None if bundled is None else history_of(bundled.card)


def new_record(args, recipe, counts, names, source, command):
    backend = keras.backend.backend()
    modules = {"Keras": "keras", "NumPy": "numpy"}
    modules[{"jax": "JAX", "torch": "PyTorch"}.get(backend, "TensorFlow")] = backend
    # What makes the batches.
    modules |= {"OpenCV": "cv2"} if is_packed(args.path) else {"TensorFlow": "tensorflow"}
    packages = {"fer-keras": importlib.metadata.version("fer-keras")}
    packages |= {name: importlib.import_module(it).__version__ for name, it in modules.items()}
    return {
        "settings": settings_of(args),
        "recipe": recipe.to_dict(),
        "command": command,
        "date": datetime.date.today().isoformat(),
        "versions": {"Python": platform.python_version(), **packages},
        "backend": backend,
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores, {devices_of(backend)}",
        "faces": counts,
        "classes": names,
        **files_of(args),
        "weights_history": weights_history(recipe),
        "prepared": source,
        "packed": packed_as(args),
        "finished": False,
    }


def devices_of(backend):
    """Return what the training runs on, in words."""
    if backend == "jax":
        import jax

        kinds = sorted({device.device_kind for device in jax.devices()})
        if kinds != ["cpu"]:
            return f"{len(jax.devices())} {', '.join(kinds)}"
    return ", ".join(keras.distribution.list_devices()) or "cpu:0"


def files_of(args):
    """Return the SHA-256 of the files that a run learns from."""
    packed = [args.path] if is_packed(args.path) else None
    return {"teacher_sha256": sha256_of(args.teacher), "packed_sha256": sha256_of(packed)}


def brought_up_to_date(record):
    """Return a record of before as one of now: settings that were not there, one teacher."""
    settings = {"passes": 1, "convolutions": "library", **record["settings"]}
    if isinstance(settings.get("teacher"), str):
        settings["teacher"] = [settings["teacher"]]
    record = {**record, "settings": settings}
    if isinstance(record.get("teacher_sha256"), str):
        record["teacher_sha256"] = [record["teacher_sha256"]]
    return record


def sha256_of(paths):
    """Return the SHA-256 of files, or None for none."""
    if paths is None:
        return None
    sums = []
    for path in paths:
        with open(path, "rb") as file:
            sums.append(hashlib.file_digest(file, "sha256").hexdigest())
    return sums


def open_run(args, recipe, output, command):
    """Return the record of an earlier run in `output`, or None, after checking it is the same."""
    path = output / RECORD
    if args.restart and path.exists():
        return None
    if path.exists() and not recipe.epochs_done(output):
        # A run that trained nothing is none.
        return None
    if not path.exists():
        if output.exists() and any(output.iterdir()):
            raise ValueError(f"{output} is not empty and holds no run: choose another --output")
        return None
    record = brought_up_to_date(json.loads(path.read_text()))
    now = settings_of(args)
    # Where only the report is missing, it may be another machine that writes it.
    only_report = record["finished"] and record["settings"].get("epochs") == now["epochs"]
    apart = {"path", "teacher", "convolutions"} if only_report else set()
    changed = [key for key in now if key not in apart and record["settings"].get(key) != now[key]]
    if not only_report and not set(changed) - {"epochs"}:
        named = {"teacher_sha256": "a teacher", "packed_sha256": "the packed faces"}
        for what, kept in files_of(args).items():
            if record.get(what, kept) != kept:
                changed = [f"another file under the name of {named[what]}"]
    done = recipe.epochs_done(output)
    if changed == ["epochs"] and recipe.schedule.any_length and recipe.epochs >= done:
        again = {"settings": now, "recipe": recipe.to_dict(), "command": command}
        return record | again | {"finished": recipe.epochs == done and record["finished"]}
    if changed:
        raise ValueError(
            f"{output} holds a run with other settings ({', '.join(changed)}): choose another "
            "--output, or --restart to replace it"
        )
    return record


def outputs_of(names, classes):
    """Return a name for every output of the model: those of the data, and numbers for more."""
    if classes is not None and classes < len(names):
        raise ValueError(
            f"the data has {len(names)} classes ({', '.join(names)}), the model only "
            f"--classes {classes}"
        )
    return names + tuple(f"class {n}" for n in range(len(names), classes or 0))


def clear(args, output):
    """Remove the run that `--restart` replaces; call it once the data has been read."""
    if args.restart and (output / RECORD).exists():
        shutil.rmtree(output)


def run(args, command):
    output = Path(args.output)
    recipe = recipe_of(args)
    if args.describe:
        print(json.dumps(recipe.to_dict(), indent=1))
        print(f"{recipe.source}\nIt says: {recipe.stated or '-'}\nOurs: {recipe.chosen or '-'}")
        return
    record = open_run(args, recipe, output, command)
    splits, counts, names, source = load(args, recipe, packed=True)
    names = outputs_of(names, args.classes)
    clear(args, output)
    if record is None:
        record = new_record(args, recipe, counts, names, source, command)
    if record["finished"]:
        print(f"{output} holds this run, finished: only the report is written again.")
        others = pipelines(args, recipe, splits, len(names))[1]
    else:
        others = train(args, recipe, splits, record, output)
    if not args.report:
        files.write_text(output / RECORD, json.dumps(record | {"finished": True}, indent=1))
        print(f"{output} holds the models; the same command without --no-report writes the report.")
        return
    where = "test" if "test" in others else "validation"
    promised = guarantee(recipe, counts["train"], recipe.epochs_done(output))
    if promised is not None:
        record["privacy"] = promised
    text = train_report.write(record, recipe, names, where, others[where], splits[where], output)
    files.write_text(output / RECORD, json.dumps(record | {"finished": True}, indent=1))
    print(text)
    print(f"Pictures, report and models are in {output.resolve()}:")
    for path in sorted(output.iterdir()):
        if path.is_file():
            print(f"  {path.name}")


def disk_is_full(error):
    """HDF5 and TensorFlow raise errors of their own on a full disk, with the system's words."""
    return os.strerror(errno.ENOSPC) in str(error) or f"errno = {errno.ENOSPC}" in str(error)


def main(argv=None, script="train.py"):
    words = sys.argv[1:] if argv is None else argv
    args = parse(words)
    command = shlex.join(["python", f"examples/{script}", *words])
    return guarded(args, lambda: run(args, command))


def guarded(args, run):
    """Run in the precision asked for; return the status, after saying what went wrong."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(args.precision)
    if args.convolutions == "products":
        jax_products.set_flags()
    try:
        run()
    except KeyboardInterrupt:
        done = recipe_of(args).epochs_done(args.output)
        print(f"\nStopped. {done} whole epochs are kept: the same command goes on from there.")
        return 130
    except Exception as error:
        if args.traceback or not (isinstance(error, (ValueError, OSError)) or disk_is_full(error)):
            raise
        print(f"error: {error}", file=sys.stderr)
        if disk_is_full(error):
            print(
                f"The disk of --output ({args.output}) or --data-dir is full: make room there, "
                "then give the same command again.",
                file=sys.stderr,
            )
        # Where the recipe itself is at fault, there is nothing to count.
        if (Path(args.output) / "state").exists() and (
            done := recipe_of(args).epochs_done(args.output)
        ):
            print(f"{done} whole epochs are kept: the same command goes on.", file=sys.stderr)
        return 2
    finally:
        keras.config.set_dtype_policy(policy)
    return 0


if __name__ == "__main__":
    sys.exit(main())
