"""Train on labels made wrong on purpose, by a known share, and see what the model does with them.

    python examples/label_noise.py --data synthetic --output runs/label_noise
    python examples/label_noise.py --data fer2013 --path FOLDER --train 4000 --output runs/noise

Symmetric and class-dependent flips of the training labels, by several seeds, with and without
RandAugment and MixUp; validation and test labels stay as they are. The output folder gets:

    label_noise.md, .json    accuracy of the best and the last epoch, what was learnt by heart
    overruled.png            training faces whose (partly flipped) label the model overrules
    overruled_as_given.png   the same for the labels as the data set gives them
    only_with.png            test faces that only the last augmentation's model gets right
    suspects.csv             all training faces, those with the most suspect labels first
    suspects_flipped.csv     the same where labels were flipped: does the ranking find them?

A stopped run goes on where it was when the same command is given again; more seeds, rates or
augmentations may be added to a finished one.
"""

import argparse
import itertools
import json
import math
import os
import shlex
import shutil
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Faster kernels, which TensorFlow leaves off on processors that are not Intel's.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import numpy as np
from tqdm import tqdm

from fer_data import files
from fer_models import robustness

sys.path.insert(0, str(Path(__file__).parent))
import label_noise_report
import train

KINDS = ("symmetric", "class_dependent")
AUGMENTATIONS = ("none", "basic", "randaug", "mixup", "randaug+mixup")
RECORD = "settings.json"
# More of these may be asked for later.
GRID = ("kinds", "rates", "augmentations", "seeds", "folds")


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--data", choices=train.DATA, default="synthetic", help="which faces")
    add("--path", help="folder or archive of the data set; none for synthetic")
    add("--data-dir", help="where prepared data sets are kept (default: tensorflow-datasets')")
    add("--output", default="runs/label_noise", help="folder for everything that is written")
    add("--recipe", choices=train.RECIPES, default="ghostface_small", help="how to train what")
    add("--train", type=int, help="training faces, at most (default: all; synthetic: 2000)")
    add("--epochs", type=int, default=15, help="of every training")
    add("--batch-size", type=int, help="images a step")
    add("--learning-rate", type=float, help="the highest")
    add("--size", type=int, help="height and width of the faces in pixels")
    add("--channels", type=int, choices=(1, 3), help="grey or colour")
    add("--model", nargs="+", type=train.option, metavar="NAME=VALUE", default=[],
        help="arguments of the model's builder")  # fmt: skip
    add("--kinds", nargs="+", choices=KINDS, default=KINDS, help="of wrong labels")
    add("--rates", nargs="*", type=float, default=(0.1, 0.2, 0.3), help="shares of wrong labels")
    add("--augmentations", nargs="+", choices=AUGMENTATIONS,
        default=("none", "randaug", "mixup", "randaug+mixup"),
        help="the first is the plain one, the last the one against learning by heart")  # fmt: skip
    add("--seeds", nargs="+", type=int, default=(1, 2, 3))
    add("--folds", type=int, default=3, help="parts for the ranking of suspects; 0: none")
    args = parser.parse_args(argv)
    for name in ("train", "epochs", "batch_size", "size"):
        value = getattr(args, name)
        if value is not None and value < 1:
            parser.error(f"--{name.replace('_', '-')} must be 1 or more, not {value}")
    if args.folds == 1 or args.folds < 0:
        parser.error(f"--folds must be 0 or 2 and more, not {args.folds}")
    if not all(0 < rate < 1 for rate in args.rates):
        parser.error(f"--rates must be between 0 and 1, not {args.rates}; 0 is always trained")
    if min(args.seeds) < 0:
        parser.error(f"--seeds must not be negative: {args.seeds}")
    if args.data == "synthetic" and args.train is None:
        args.train = 2000
    if args.path is not None:
        args.path = str(Path(args.path).resolve())
    args.model = dict(args.model)
    for name in ("kinds", "rates", "augmentations", "seeds"):
        setattr(args, name, list(dict.fromkeys(getattr(args, name))))
    return args


def training_settings(args):
    """Return what `train.py` would make of the settings that both scripts have."""
    words = ["--recipe", args.recipe, "--data", args.data, "--epochs", str(args.epochs)]
    for name in ("path", "data_dir", "batch_size", "learning_rate", "size", "channels"):
        value = getattr(args, name)
        if value is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    if args.data == "synthetic":
        words += ["--train", str(args.train)]
    if args.model:
        words += ["--model", *(f"{key}={json.dumps(each)}" for key, each in args.model.items())]
    return train.parse([*words, "--patience", "0", "--seed", str(args.seeds[0])])


def load(args, settings, recipe):
    """Return the splits as arrays, the class names and the ids of the training faces."""
    from fer_data.pipelines import images
    from fer_data.protocols import stratified

    splits, counts, names, _ = train.load(settings, recipe)
    height, width, channels = recipe.input_shape
    arrays = {}
    for name, split in splits.items():
        batches = images.pipeline(
            split, size=(height, width), channels=channels, classes=len(names), labels="sparse",
            dtype="uint8", batch_size=256, cache=False,
        )  # fmt: skip
        parts = list(tqdm(batches, desc=f"{name} faces", unit=" batches", leave=False))
        arrays[name] = tuple(np.concatenate(values) for values in zip(*parts, strict=True))
    ids = [str(key.decode()) for key in splits["train"].map(lambda x: x["id"]).as_numpy_iterator()]
    if args.train is not None and args.train < counts["train"]:
        share = args.train / counts["train"]
        labels = arrays["train"][1]
        chosen = stratified(labels, {"train": share, "rest": 1 - share})["train"]
        arrays["train"] = tuple(values[chosen] for values in arrays["train"])
        ids = [ids[place] for place in chosen]
    return arrays, names, ids


def fit(recipe, seed, data, validation, classes, folder):
    """Train, or go on; return the model as it was after the last epoch, and the epochs' scores."""
    from fer_data.pipelines import images

    keras.utils.set_random_seed(seed)
    kwargs = recipe.data_kwargs()

    def batches(epoch):
        return images.pipeline(
            data, training=True, classes=classes, seed=seed, initial_epoch=epoch, repeat=True,
            **kwargs,
        )  # fmt: skip

    common = {name: kwargs[name] for name in ("size", "channels", "batch_size")}
    model = recipe.build(classes=classes)
    recipe.fit(
        model,
        batches,
        images.pipeline(validation, classes=classes, **common),
        directory=folder,
        steps_per_epoch=math.ceil(len(data[1]) / recipe.batch_size),
        verbose=0,
    )
    history = np.genfromtxt(folder / "history.csv", delimiter=",", names=True)
    return model, np.atleast_1d(history["val_accuracy"]).tolist()


def predict(model, pictures):
    return model.predict(pictures.astype("float32"), batch_size=256, verbose=0)


def run(setting, recipe, arrays, names, folder):
    """Train one cell of the table, unless it is there already; return its numbers."""
    kind, rate, augmentation, seed = setting
    done = folder / "result.json"
    if done.exists():
        return json.loads(done.read_text())
    pictures, labels = arrays["train"]
    noisy, flipped = flip(labels, kind, rate, names, seed)
    where = "test" if "test" in arrays else "validation"
    model, accuracies = fit(
        recipe.replace(augmentation=augmentation), seed, (pictures, noisy), arrays["validation"],
        len(names), folder,
    )  # fmt: skip
    found = {"last": {}, "best": {}}
    for epoch, shown in found.items():
        if epoch == "best":
            model.load_weights(folder / "best.keras")
        shown["test"] = predict(model, arrays[where][0])
        shown["train"] = predict(model, pictures)
    result = {
        "kind": kind,
        "rate": rate,
        "augmentation": augmentation,
        "seed": seed,
        "flipped": int(flipped.sum()),
        "best_epoch": int(np.argmax(accuracies)) + 1,
        "validation_accuracy": accuracies,
    }
    for epoch, shown in found.items():
        said = {split: p.argmax(-1) for split, p in shown.items()}
        result[epoch] = {
            "accuracy": float((said["test"] == arrays[where][1]).mean()),
            "training_accuracy": float((said["train"] == noisy).mean()),
        }
        if flipped.any():
            result[epoch]["learnt_by_heart"] = float((said["train"] == noisy)[flipped].mean())
            result[epoch]["corrected"] = float((said["train"] == labels)[flipped].mean())
    with (folder / "predictions.unfinished").open("wb") as file:
        np.savez_compressed(
            file,
            **{f"{e}_{s}": p.astype("float16") for e, v in found.items() for s, p in v.items()},
        )
    os.replace(folder / "predictions.unfinished", folder / "predictions.npz")
    files.write_text(done, json.dumps(result, indent=1))
    clean_up(folder)
    return result


def flip(labels, kind, rate, names, seed):
    """Return the labels of a cell and which of them are wrong."""
    transition = robustness.emotion_transition(names) if kind == "class_dependent" else None
    return robustness.flip_labels(labels, rate, len(names), transition=transition, seed=seed)


def clean_up(folder):
    """Delete what only going on needs, and the models, which the predictions stand for."""
    for name in ("state", "tensorboard"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in ("best.keras", "last.keras"):
        (folder / name).unlink(missing_ok=True)


def out_of_sample(args, recipe, arrays, labels, names, folder):
    """Return probabilities for the training faces, each by a model that has not seen it."""
    from sklearn.model_selection import StratifiedKFold

    done = folder / "probabilities.npy"
    if done.exists():
        return np.load(done)
    pictures = arrays["train"][0]
    seed = args.seeds[0]
    probabilities = np.zeros((len(labels), len(names)))
    parts = StratifiedKFold(args.folds, shuffle=True, random_state=seed).split(labels, labels)
    for number, (seen, unseen) in enumerate(parts):
        part = folder / f"fold_{number + 1}"
        model, _ = fit(
            recipe.replace(augmentation=args.augmentations[-1]), seed,
            (pictures[seen], labels[seen]), arrays["validation"], len(names), part,
        )  # fmt: skip
        model.load_weights(part / "best.keras")
        probabilities[unseen] = predict(model, pictures[unseen])
    with (folder / "probabilities.unfinished").open("wb") as file:
        np.save(file, probabilities)
    os.replace(folder / "probabilities.unfinished", done)
    for part in folder.glob("fold_*"):
        shutil.rmtree(part)
    return probabilities


def cells(args):
    """Return the settings of all trainings: the clean labels once, then every kind and rate."""
    noise = [(KINDS[0], 0.0), *itertools.product(args.kinds, args.rates)]
    return [
        (kind, rate, augmentation, seed)
        for (kind, rate), augmentation, seed in itertools.product(
            noise, args.augmentations, args.seeds
        )
    ]


def name_of(setting):
    kind, rate, augmentation, seed = setting
    return f"{kind}_{rate:g}_{augmentation}_{seed}"


def ranking_name(args, rate):
    """Return the folder of a ranking: all that may be changed later and decides it."""
    return f"suspects_{rate:g}_{args.augmentations[-1]}_{args.seeds[0]}_{args.folds}"


def claim(args, output):
    """Note the settings, or raise `ValueError` where the folder holds others."""
    left_out = ("output", "data_dir", *GRID)
    own = {name: value for name, value in vars(args).items() if name not in left_out}
    own = json.loads(json.dumps(own))
    path = output / RECORD
    if path.exists():
        held = json.loads(path.read_text())
        differing = [name for name in own if held.get(name) != own[name]]
        if differing:
            raise ValueError(
                f"{output} holds a study with other settings ({', '.join(differing)}): choose "
                "another --output"
            )
    elif output.exists() and any(output.iterdir()):
        raise ValueError(f"{output} is not empty and holds no study: choose another --output")
    files.write_text(path, json.dumps(own, indent=1))


def study(args, command):
    output = Path(args.output)
    settings = training_settings(args)
    recipe = train.recipe_of(settings)
    arrays, names, ids = load(args, settings, recipe)
    train.build(settings, recipe, len(names))  # A bad setting shows here.
    claim(args, output)
    results = {}
    with tqdm(cells(args), desc="trainings", unit="") as progress:
        for setting in progress:
            progress.set_postfix_str(name_of(setting))
            results[setting] = run(setting, recipe, arrays, names, output / name_of(setting))
    suspects = {}
    if args.folds:
        rates = [0.0, *([max(args.rates)] if args.rates else [])]
        for rate in tqdm(rates, desc="ranking of suspects", unit=""):
            noisy, flipped = flip(arrays["train"][1], KINDS[0], rate, names, args.seeds[0])
            p = out_of_sample(args, recipe, arrays, noisy, names, output / ranking_name(args, rate))
            ranked = robustness.rank_suspects(noisy, p)
            file = "suspects_flipped.csv" if rate else "suspects.csv"
            robustness.write_suspects(ranked, output / file, names, ids)
            suspects[rate] = (ranked, flipped)
    print(label_noise_report.write(args, command, recipe, arrays, names, results, suspects, output))
    draw(args, arrays, names, output)
    print(f"Tables, pictures and the lists of suspects are in {output.resolve()}.")


def draw(args, arrays, names, output):
    """Draw what the model overrules, and what only the last augmentation gets right."""
    plain, best, seed = args.augmentations[0], args.augmentations[-1], args.seeds[0]
    kind, worst = args.kinds[0] if args.rates else KINDS[0], max(args.rates, default=0.0)
    for where, rate, file in ((KINDS[0], 0.0, "overruled_as_given"), (kind, worst, "overruled")):
        if rate or file == "overruled_as_given":
            noisy, flipped = flip(arrays["train"][1], where, rate, names, seed)
            folder = output / name_of((where, rate, best, seed))
            label_noise_report.draw_overruled(
                arrays["train"][0], noisy, flipped, names, folder, output / f"{file}.png"
            )
    if plain != best:
        folders = {each: output / name_of((kind, worst, each, seed)) for each in (plain, best)}
        scored = arrays.get("test", arrays["validation"])
        label_noise_report.draw_gained(scored, names, folders, output / "only_with.png")


def main(argv=None):
    words = sys.argv[1:] if argv is None else argv
    args = parse(words)
    try:
        study(args, shlex.join(["python", "examples/label_noise.py", *words]))
    except KeyboardInterrupt:
        print("\nStopped: the same command goes on from here.")
        return 130
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
