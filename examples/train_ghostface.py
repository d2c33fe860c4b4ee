"""Train GhostFace on faces, then say how good it is and show why.

    python examples/train_ghostface.py --data synthetic --output runs/synthetic
    python examples/train_ghostface.py --data fer2013 --path FOLDER --output runs/fer2013
    python examples/train_ghostface.py --config runs/fer2013/run.json --output runs/again

The output folder holds run.json (everything that reproduces the run), history.csv, curves.png,
report.md, report.json, confusion.png, grad_cam.png, best.keras and last.keras. A stopped run
goes on from its last whole epoch when the same command is given again.
"""

import argparse
import datetime
import errno
import importlib.metadata
import json
import math
import os
import platform
import shlex
import shutil
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import fer_models
from fer_models import evaluation, explain, resume

DATA = {
    "synthetic": "synthetic_faces",
    "fer2013": "fer2013",
    "raf_db": "raf_db",
    "folder": "image_folder",
}
RECORD = "run.json"
NOT_SETTINGS = ("config", "output", "data_dir", "restart", "traceback")


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--data", choices=DATA, default="synthetic", help="which faces")
    add("--path", help="folder or archive of the data set; none for synthetic")
    add("--output", default="runs/ghostface", help="folder for everything that is written")
    add("--config", help="run.json of an earlier run, whose settings become the defaults")
    add("--data-dir", help="where prepared data sets are kept (default: tensorflow-datasets')")
    add("--classes", type=int, help="of the model, if more than the data has")
    add("--size", type=int, default=64, help="height and width of the faces in pixels")
    add("--channels", type=int, choices=(1, 3), help="grey or colour (default: the data's)")
    add("--stem-strides", type=int, choices=(1, 2), default=2, help="1 for faces of 48x48")
    add("--width", type=float, default=1.0, help="multiplier of the channels")
    add("--noise-layers", type=int, choices=(0, 1, 2), default=1, help="Gaussian noise layers")
    add("--noise-stddev", type=float, default=0.1, help="their standard deviation")
    add("--augmentation", default="basic", help="none, basic, randaug, mixup, randaug+mixup")
    add("--label-smoothing", type=float, default=0.0, help="of the training labels")
    add("--class-weights", action="store_true", help="weigh classes against their frequency")
    add("--epochs", type=int, default=50, help="at most")
    add("--batch-size", type=int, default=64, help="images a step")
    add("--optimizer", choices=("adamw", "sgd"), default="adamw", help="SGD is the paper's")
    add("--learning-rate", type=float, help="default: 0.002 for AdamW, 0.1 for SGD")
    add("--weight-decay", type=float, default=0.02, help="of AdamW")
    add("--schedule", choices=("plateau", "cosine"), default="plateau", help="of the rate")
    add("--patience", type=int, default=12, help="epochs without a better validation accuracy")
    add("--train", type=int, default=7000, help="synthetic training faces")
    add(
        "--validation-fraction",
        type=float,
        help="of the training faces, where the data has no such split (default: 0.1 for raf_db)",
    )
    add("--test-fraction", type=float, help="likewise")
    add("--seed", type=int, default=1, help="of everything random")
    add("--restart", action="store_true", help="delete the run in the output folder first")
    add("--traceback", action="store_true", help="show where in the code an error arose")
    first = parser.parse_args(argv)
    if first.config:
        parser.set_defaults(**read_config(parser, first.config, vars(first).keys()))
    args = parser.parse_args(argv)
    for name in ("epochs", "size", "batch_size", "patience", "train"):
        if getattr(args, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be 1 or more, not {getattr(args, name)}")
    for name in ("learning_rate", "validation_fraction", "test_fraction"):
        if getattr(args, name) is not None and getattr(args, name) < 0:
            parser.error(f"--{name.replace('_', '-')} must not be negative")
    if args.path is not None:
        args.path = str(Path(args.path).resolve())
    return args


def read_config(parser, path, known):
    """Return the settings of a run.json, or leave with a message."""
    try:
        settings = json.loads(Path(path).read_text())["settings"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        parser.error(f"--config must be a run.json of this script; {path} is not: {error!r}")
    unknown = sorted(settings.keys() - known)
    if unknown:
        parser.error(f"--config {path} has unknown settings: {', '.join(unknown)}")
    return settings


def settings_of(args):
    """Everything that decides the outcome, and nothing else."""
    return {k: v for k, v in vars(args).items() if k not in NOT_SETTINGS}


def load(args):
    """Return the prepared data set: splits by name, class names, where it came from."""
    from fer_data import datasets

    options = {}
    if args.data == "synthetic":
        options = {"train": args.train, "seed": args.seed, "size": max(args.size, 64)}
    else:
        validation = args.validation_fraction
        if validation is None and args.data == "raf_db":
            validation = 0.1
        fractions = {"validation_fraction": validation, "test_fraction": args.test_fraction}
        options = {name: value for name, value in fractions.items() if value}
        if options:
            options["seed"] = args.seed
    builder = datasets.prepare(DATA[args.data], path=args.path, data_dir=args.data_dir, **options)
    splits = {name: builder.as_dataset(split=name) for name in builder.info.splits}
    if "validation" not in splits:
        raise ValueError(
            f"the data set has no validation split, only {sorted(splits)}: set apart a share of "
            "its training faces with --validation-fraction 0.1"
        )
    counts = {name: split.num_examples for name, split in builder.info.splits.items()}
    return splits, counts, tuple(builder.info.features["label"].names), str(builder.data_path)


def pipelines(args, splits, classes, epoch):
    from fer_data import images

    common = {
        "size": args.size,
        "classes": classes,
        "channels": args.channels,
        "batch_size": args.batch_size,
        "seed": args.seed,
    }
    train = images.pipeline(
        splits["train"],
        training=True,
        augmentation=args.augmentation,
        label_smoothing=args.label_smoothing,
        initial_epoch=epoch,
        repeat=True,
        **common,
    )
    return train, {
        name: images.pipeline(split, **common) for name, split in splits.items() if name != "train"
    }


def compiled(args, shape, classes, steps):
    model = fer_models.ghostface(
        input_shape=shape,
        classes=classes,
        width=args.width,
        stem_strides=args.stem_strides,
        noise_layers=args.noise_layers,
        noise_stddev=args.noise_stddev,
        seed=args.seed,
    )
    rate = args.learning_rate
    if rate is None:
        rate = {"adamw": 0.002, "sgd": 0.1}[args.optimizer]
    if args.schedule == "cosine":
        warm_up = min(500, steps * args.epochs // 10)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, steps * args.epochs - warm_up, warmup_target=rate, warmup_steps=warm_up
        )
    if args.optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(rate, weight_decay=args.weight_decay)
        optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    else:
        optimizer = keras.optimizers.SGD(rate)
    model.compile(optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
    return model


def callbacks(args, output):
    kept = [
        keras.callbacks.ModelCheckpoint(
            output / "best.keras", monitor="val_accuracy", mode="max", save_best_only=True
        ),
        keras.callbacks.EarlyStopping("val_accuracy", mode="max", patience=args.patience),
    ]
    if args.schedule == "plateau":
        kept.append(
            keras.callbacks.ReduceLROnPlateau(
                "val_loss", factor=0.3, patience=max(1, args.patience // 4), verbose=1
            )
        )
    log = keras.callbacks.CSVLogger(output / "history.csv", append=True)
    return [log, *resume.resumable(output / "state", kept)]


def train(args, splits, counts, classes, output):
    state = output / "state"
    done = resume.epochs_done(state)
    resume.trim_history(output / "history.csv", done)
    keras.utils.set_random_seed(args.seed)
    faces, others = pipelines(args, splits, classes, done)
    shape = tuple(faces.element_spec[0].shape[1:])
    steps = math.ceil(counts["train"] / args.batch_size)
    model = compiled(args, shape, classes, steps)
    weights = None
    if args.class_weights:
        from fer_data import balance

        labels = [int(label) for label in splits["train"].map(lambda x: x["label"])]
        weights = balance.class_weights(labels, classes)
    if done:
        print(f"Resuming after {done} of at most {args.epochs} epochs.")
    print(
        f"Training on {counts['train']:,} faces of {shape}, validation on {counts['validation']:,}."
    )
    if resume.is_over(state, args.epochs):
        resume.restore(model, state)
        model.save(output / "last.keras")
        print("The training itself is done: only its report is missing.")
        return others
    model.fit(
        faces,
        steps_per_epoch=steps,
        validation_data=others["validation"],
        epochs=args.epochs,
        initial_epoch=done,
        class_weight=weights,
        shuffle=False,
        callbacks=callbacks(args, output),
        verbose="auto" if sys.stdout.isatty() else 2,
    )
    model.save(output / "last.keras")
    return others


def evaluate(args, faces, split, names, output):
    """Score the best and the last epoch; return the reports by name and what they rest on."""
    labels = np.concatenate([label for _, label in faces]).argmax(-1)
    subsets = {"all": np.full(len(labels), True)}
    if "copy_in_train" in split.element_spec:
        copies = np.array([bool(flag) for flag in split.map(lambda x: x["copy_in_train"])])
        subsets["without copies of training faces"] = ~copies
    reports, probabilities = {}, {}
    for epoch in ("best", "last"):
        model = keras.models.load_model(output / f"{epoch}.keras", compile=False)
        probabilities[epoch] = model.predict(faces, verbose=0)
        for name, chosen in subsets.items():
            reports[f"{epoch} epoch, {name}"] = evaluation.classification_report(
                labels[chosen], probabilities[epoch][chosen], names
            )
    return reports, labels, probabilities["best"]


def draw(model, faces, labels, probabilities, names, report, where, output):
    """Write curves, confusion matrix and Grad-CAM sheet of the best epoch."""
    evaluation.plot_curves(output / "history.csv", output / "curves.png", "GhostFace")
    evaluation.plot_confusion(report, output / "confusion.png", f"Best epoch, {where} faces")
    chosen = np.sort(
        np.concatenate([np.flatnonzero(labels == label)[:4] for label in range(len(names))])
    )
    chosen = chosen[np.argsort(labels[chosen], kind="stable")]
    wanted = set(chosen.tolist())
    every = enumerate(image for batch, _ in faces for image in np.asarray(batch))
    found_images = {place: image for place, image in every if place in wanted}
    images = np.stack([found_images[place] for place in chosen])
    found = probabilities[chosen].argmax(-1)
    explain.contact_sheet(
        images,
        output / "grad_cam.png",
        explain.grad_cam(model, images),
        labels=[names[label] for label in labels[chosen]],
        predictions=[names[label] for label in found],
        columns=7,
        title=f"Grad-CAM on {where} faces: original and predicted label",
    )


def summary(record, reports, where, cost, times):
    """Return the report as Markdown."""
    first = next(iter(reports))
    rows = [
        f"| {name} | {r.examples:,} | {r.accuracy:.2%} | {r.macro_f1:.4f} | {r.loss:.4f} | "
        f"{r.calibration_error:.4f} |"
        for name, r in reports.items()
    ]
    lines = [
        "# GhostFace",
        "",
        f"`{record['command']}`",
        "",
        f"{record['date']}; {', '.join(f'{k} {v}' for k, v in record['versions'].items())}; "
        f"{record['hardware']}; seed {record['settings']['seed']}.",
        "",
        "Faces: " + ", ".join(f"{n:,} {name}" for name, n in record["faces"].items()) + ". "
        f"The scores below are on the {where} faces"
        + (
            ", on which the best epoch was chosen too: the set has no test faces."
            if where == "validation"
            else "; the best epoch was chosen on the validation faces."
        ),
        "",
        "| | faces | accuracy | macro F1 | loss | calibration error |",
        "|---|---:|---:|---:|---:|---:|",
        *rows,
        "",
        f"## {first[0].upper()}{first[1:]}",
        "",
        reports[first].to_markdown(),
        "",
        "![Confusion matrix](confusion.png)",
        "![Curves](curves.png)",
        "![Grad-CAM](grad_cam.png)",
        "",
        "## Cost",
        "",
        f"{cost.trainable:,} trainable parameters; {cost.macs:,} multiply-accumulates of "
        f"convolutions and dense layers, {cost.papers_flops:,} by the papers' rule.",
        "",
        *(f"- Batch of {batch}: {time}" for batch, time in times.items()),
        "",
    ]
    return "\n".join(lines)


def new_record(args, counts, source, command):
    import tensorflow as tf

    packages = {
        "fer-keras": importlib.metadata.version("fer-keras"),
        "Keras": keras.__version__,
        "TensorFlow": tf.__version__,
        "NumPy": np.__version__,
    }
    devices = ", ".join(keras.distribution.list_devices()) or "cpu:0"
    return {
        "settings": settings_of(args),
        "command": command,
        "date": datetime.date.today().isoformat(),
        "versions": {"Python": platform.python_version(), **packages},
        "backend": keras.backend.backend(),
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores, {devices}",
        "faces": counts,
        "prepared": source,
        "finished": False,
    }


def open_run(args, output):
    """Return the record of an earlier run in `output`, or None, after checking it is the same."""
    path = output / RECORD
    if args.restart and path.exists():
        return None
    if not path.exists():
        if output.exists() and any(output.iterdir()):
            raise ValueError(f"{output} is not empty and holds no run: choose another --output")
        return None
    record = json.loads(path.read_text())
    now = settings_of(args)
    changed = [key for key in now if record["settings"].get(key) != now[key]]
    if changed:
        raise ValueError(
            f"{output} holds a run with other settings ({', '.join(changed)}): choose another "
            "--output, or --restart to replace it"
        )
    return record


def run(args, command):
    output = Path(args.output)
    record = open_run(args, output)
    splits, counts, names, source = load(args)
    if args.classes is not None and args.classes < len(names):
        raise ValueError(
            f"the data has {len(names)} classes ({', '.join(names)}), the model only "
            f"--classes {args.classes}"
        )
    names += tuple(f"class {n}" for n in range(len(names), args.classes or 0))
    if args.restart and (output / RECORD).exists():
        shutil.rmtree(output)
    output.mkdir(parents=True, exist_ok=True)
    if record is None:
        record = new_record(args, counts, source, command)
        resume.write_text(output / RECORD, json.dumps(record, indent=1))
    if record["finished"]:
        print(f"{output} holds this run, finished: only the report is written again.")
        others = pipelines(args, splits, len(names), 0)[1]
    else:
        others = train(args, splits, counts, len(names), output)
    where = "test" if "test" in others else "validation"
    reports, labels, probabilities = evaluate(args, others[where], splits[where], names, output)
    best = keras.models.load_model(output / "best.keras", compile=False)
    draw(
        best,
        others[where],
        labels,
        probabilities,
        names,
        next(iter(reports.values())),
        where,
        output,
    )
    cost = evaluation.complexity(best)
    times = {batch: evaluation.latency(best, batch_size=batch) for batch in (1, 32)}
    text = summary(record, reports, where, cost, times)
    resume.write_text(output / "report.md", text)
    content = {
        "scores": {name: report.to_dict() for name, report in reports.items()},
        "split": where,
        "complexity": cost.to_dict(),
        "latency": {batch: time.to_dict() for batch, time in times.items()},
    }
    resume.write_text(output / "report.json", json.dumps(content, indent=1))
    resume.write_text(output / RECORD, json.dumps(record | {"finished": True}, indent=1))
    print(text)
    print(f"Pictures, report and models are in {output.resolve()}:")
    for path in sorted(output.iterdir()):
        if path.is_file():
            print(f"  {path.name}")


def disk_is_full(error):
    """HDF5 and TensorFlow raise errors of their own on a full disk, with the system's words."""
    return os.strerror(errno.ENOSPC) in str(error) or f"errno = {errno.ENOSPC}" in str(error)


def main(argv=None):
    args = parse(argv)
    words = sys.argv[1:] if argv is None else argv
    command = shlex.join(["python", "examples/train_ghostface.py", *words])
    try:
        run(args, command)
    except KeyboardInterrupt:
        done = resume.epochs_done(Path(args.output) / "state")
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
        done = resume.epochs_done(Path(args.output) / "state")
        if done:
            print(f"{done} whole epochs are kept: the same command goes on.", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
