"""What the place of GhostFace's noise changes: accuracy, over-fitting, and what the loss betrays.

    python benchmarks/noise_places.py --path FACES.npz --output runs/noise_places
    python benchmarks/noise_places.py --train 140 --test 140 --epochs 2 --seeds 2   # drawn faces

FACES.npz is what `fer prepare fer2013 --path FOLDER --pack FACES.npz` writes; without it faces are
drawn. For every set of places and every seed a small GhostFace (48x48, grey) is trained from
nothing on faces of the split `train`, drawn anew for each seed, and scored on those of `validation`
that are no copy of a training face. Networks of one seed share faces, order and first weights: they
differ in the noise alone. The same command goes on where it was stopped.

The table: accuracy on the faces trained on (as they are, without noise) and on the others, the gap
between the two, and how well the loss alone tells the ones from the others (AUC; 0.5 is guessing).
Behind ± is the standard deviation over the seeds; differences are those between networks of one
seed, with Student's 95 % interval.
"""

import argparse
import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from scipy.stats import t
from tqdm import tqdm

from fer_data.checks import check_integer
from fer_data.files import write_json
from fer_data.labels import EMOTIONS
from fer_data.pipelines import face_arrays
from fer_data.pipelines.face_batches import FaceBatches
from fer_data.synthetic import generate
from fer_models import privacy, recipes
from fer_models.families.ghostface import NOISE_PLACES
from fer_models.training import runs
from fer_models.training.renewed_model import RenewedModel

SIZE = 48
NONE = "none"
PLACES = (NONE, "input", "early_stage", "body", "classifier", "early_stage+classifier")
FIGURES = ("train", "test", "gap", "auc")
# What does not decide the outcome of a single training.
APART = ("path", "output", "places", "seeds")


def load(options):
    """Return training and test faces as pairs (images, labels), each face once, and the classes."""
    if options.path is None:
        people = max(1, options.train // 7)
        splits = [
            drawn(options.train, range(people), 0),
            drawn(options.test, range(people, people + max(1, options.test // 7)), options.train),
        ]
        names = EMOTIONS
    else:
        packed, names, _ = face_arrays.read(options.path)
        splits = []
        for split in ("train", "validation"):
            images = face_arrays.resized(packed[split]["image"], (SIZE, SIZE), 1)
            splits.append((images, np.asarray(packed[split]["label"])))
    images, labels = (np.concatenate(parts) for parts in zip(*splits, strict=True))
    first = len(splits[0][0])
    # A copy counts where it stands first, so that no test face is one of a training face.
    kept = privacy.different_pictures(images)
    train, test = kept[kept < first], kept[kept >= first]
    if len(train) < options.train or len(test) < options.test:
        raise ValueError(
            f"`--train` and `--test` must be at most {len(train):,} and {len(test):,}, the faces "
            f"that are no copies. Received: {options.train:,} and {options.test:,}"
        )
    test = np.sort(np.random.default_rng(0).permutation(test)[: options.test])
    return (images[train], labels[train]), (images[test], labels[test]), tuple(names)


def drawn(count, people, first):
    """Return drawn faces of some people, in grey."""
    faces = list(generate(count, seed=1, size=SIZE, identities=people, first=first, grey=True))
    labels = np.array([EMOTIONS.index(face.emotion) for face in faces])
    return np.stack([face.image[..., :1] for face in faces]), labels


def recipe_of(options, places):
    """Return how a network with noise at some places, such as "input+body", is trained."""
    noise_at = () if places == NONE else tuple(places.split("+"))
    return recipes.get("ghostface_none").replace(
        input_shape=(SIZE, SIZE, 1),
        model_options={
            "noise_at": noise_at,
            "noise_stddev": options.stddev,
            "width": options.width,
            "stem_strides": options.stem_strides,
        },
        optimizer="adamw",
        learning_rate=options.learning_rate,
        optimizer_options={"weight_decay": options.weight_decay},
        schedule=recipes.Cosine(),
        batch_size=options.batch_size,
        augmentation=options.augmentation,
        patience=None,
        epochs=options.epochs,
    )


def measure(renewed, train, test, options, seed):
    """Train the network anew and return its figures."""
    chosen = np.random.default_rng(seed).permutation(len(train[1]))[: options.train]
    images, labels = train[0][chosen], train[1][chosen]
    batches = FaceBatches(
        images,
        np.eye(renewed.classes)[labels],
        options.batch_size,
        training=True,
        augmentation=options.augmentation,
        seed=seed,
    )
    renewed.renew(seed)
    renewed.model.fit(batches, epochs=options.epochs, shuffle=False, verbose=0)
    members, others = (
        privacy.signals(renewed.model, *faces, batch_size=250, progress=False)
        for faces in ((images, labels), test)
    )
    privacy.refuse_overlap({"members": members.hashes, "test": others.hashes})
    return {
        "train": members.accuracy,
        "test": others.accuracy,
        "gap": members.accuracy - others.accuracy,
        "auc": privacy.auc(*(privacy.loss_threshold(each.loss) for each in (members, others))),
    }


def measured(options, train, test, classes):
    """Return the figures of every network by places and seed; train those that are not there."""
    steps = options.train // options.batch_size
    found = {}
    total = len(options.places) * options.seeds
    with tqdm(total=total, desc="networks", unit="", disable=None) as bar:
        for places in options.places:
            renewed = None
            for seed in range(1, options.seeds + 1):
                path = options.output / f"{places}-{seed}.json"
                if not path.exists():
                    # Traced once for all seeds.
                    renewed = renewed or RenewedModel(recipe_of(options, places), classes, steps)
                    write_json(path, measure(renewed, train, test, options, seed))
                found[places, seed] = json.loads(path.read_text())
                bar.update()
    return found


def table(found, places, seeds):
    """Return the lines of the table."""
    lines = [
        "| noise | faces trained on | other faces | gap | AUC of the loss | "
        "other faces, against no noise | gap, against | AUC, against |",
        "|---|" + "---:|" * 7,
    ]
    for name in places:
        values = figures(found, name, seeds)
        cells = [
            spread(column, key != "auc") for key, column in zip(FIGURES, values.T, strict=True)
        ]
        if name == NONE or NONE not in places:
            cells += [""] * 3
        else:
            less = dict(zip(FIGURES, (values - figures(found, NONE, seeds)).T, strict=True))
            cells += [difference(less[key], key != "auc") for key in ("test", "gap", "auc")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def figures(found, places, seeds):
    """Return the figures of a set of places, (seeds, figures)."""
    return np.array([[found[places, seed][name] for name in FIGURES] for seed in seeds])


def spread(values, percent):
    """Return mean and standard deviation over the seeds in words."""
    deviation = f" ± {_number(values.std(ddof=1), percent)}" if len(values) > 1 else ""
    return _number(values.mean(), percent) + deviation + (" %" if percent else "")


def difference(values, percent):
    """Return the mean difference and half of Student's 95 % interval in words."""
    sign = "+" if values.mean() > 0 else ""
    text = sign + _number(values.mean(), percent)
    if len(values) > 1:
        half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
        text += f" ± {_number(half, percent)}"
    return text + (" points" if percent else "")


def _number(value, percent):
    return f"{100 * value:.1f}" if percent else f"{value:.3f}"


def parsed(arguments=None):
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--path", help="faces packed by fer prepare --pack (default: drawn ones)")
    parser.add_argument("--output", type=Path, default=Path("runs/noise_places"))
    parser.add_argument(
        "--places",
        nargs="+",
        type=known_places,
        default=PLACES,
        help="none, or places joined by +, such as input+body",
    )
    parser.add_argument("--seeds", type=int, default=3, help="networks for each set of places")
    parser.add_argument("--train", type=int, default=2000, help="faces to train on")
    parser.add_argument("--test", type=int, default=2000, help="faces to score on")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=0.003)
    parser.add_argument("--weight-decay", type=float, default=0.02)
    parser.add_argument("--augmentation", default="none", help="without RandAugment")
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--stem-strides", type=int, default=1, help="of the first convolution")
    parser.add_argument("--stddev", type=float, default=0.1)
    options = parser.parse_args(arguments)
    for name in ("seeds", "train", "test", "epochs", "batch_size"):
        check_integer(name, getattr(options, name), 1)
    if options.train < options.batch_size:
        parser.error("--train must be at least --batch-size")
    return options


def known_places(word):
    """Return what an argument of --places says, after a look at its names."""
    names = [] if word == NONE else word.split("+")
    if len(set(names)) < len(names) or not set(names) <= set(NOISE_PLACES):
        raise argparse.ArgumentTypeError(
            f"must be {NONE}, or different ones of {', '.join(NOISE_PLACES)} joined by +"
        )
    return word


def main(arguments=None):
    options = parsed(arguments)
    settings = {name: value for name, value in vars(options).items() if name not in APART}
    faces = "drawn" if options.path is None else runs.sha256_of(options.path)
    run = runs.Run(options.output, {**settings, "faces": faces})
    run.open()
    train, test, names = load(options)
    run.begin()
    found = measured(options, train, test, len(names))
    run.finish()
    about = ", ".join(f"{name} {version}" for name, version in run.record["versions"].items())
    print(f"{run.record['date']}; {run.record['hardware']}; {about}; seeds 1 to {options.seeds}")
    print(", ".join(f"{name} {value}" for name, value in settings.items()), end="\n\n")
    print("\n".join(table(found, options.places, range(1, options.seeds + 1))))


if __name__ == "__main__":
    main()
