"""Does less memorisation mean less success for membership inference? GhostFace's study, repeated.

    python examples/privacy_study.py --data fer2013 --path FOLDER --output runs/privacy_study
    python examples/privacy_study.py --data synthetic --output runs/privacy_synthetic

Eight rows, as in the paper's table: one or two layers of Gaussian noise, by four augmentations. For
every seed a random half of one pool of faces, the same for all rows, is trained on (the members)
and the other half is not; a population set is apart from both. Which half a face falls into is
chance, so that an attack can find nothing but the training, and the models of the other seeds, half
of which saw any given face, serve as references for LiRA and RMIA without more training (the design
of Carlini et al., S&P 2022). Faces equal pixel by pixel, or mirrored, are used once.

Every finished run is kept: the same command goes on after an interruption, more `--seeds` add to
what is there, and several processes may share the work by `--rows`. The output folder gets
study.md, study.json and study.png, and what each run's model says of all faces under runs/.
"""

import argparse
import datetime
import fnmatch
import hashlib
import importlib.metadata
import json
import os
import platform
import shlex
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Faster kernels, which TensorFlow leaves off on processors that are not Intel's.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import numpy as np

from fer_data import files
from fer_models import recipes

sys.path.insert(0, str(Path(__file__).parent))
import privacy_study_report
from train import DATA

# Number of noise layers and augmentation: the recipe that trains so.
ROWS = {
    f"{noise}-{augmentation}": f"ghostface{suffix}{'_noise2' if noise == 2 else ''}"
    for noise in (1, 2)
    for augmentation, suffix in (
        ("none", "_none"),
        ("basic", ""),
        ("randaug", "_randaug"),
        ("mixup", "_mixup"),
    )
}
# What decides a run, besides row and seed.
SETTINGS = (
    "data", "size", "channels", "members", "population", "width", "epochs", "batch_size",
    "learning_rate", "weight_decay", "queries", "seed",
)  # fmt: skip
PLAN = "plan.json"


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--data", choices=DATA, default="synthetic", help="which faces; test faces are left alone")
    add("--path", help="folder or archive of the data set; none for synthetic")
    add("--data-dir", help="where prepared data sets are kept (default: tensorflow-datasets')")
    add("--output", default="runs/privacy_study", help="folder for everything that is written")
    add("--rows", nargs="+", default=["*"], metavar="PATTERN", help=f"which of {', '.join(ROWS)}")
    add("--seeds", type=int, default=5,
        help="models a row, each with its own half of the pool; LiRA needs five")  # fmt: skip
    add("--members", type=int, default=2000, help="faces trained on; as many are not")
    add("--population", type=int, default=2000, help="further faces, that no model sees")
    add("--size", type=int, default=48, help="height and width of the faces in pixels")
    add("--channels", type=int, choices=(1, 3), help="grey or colour (default: the data's)")
    add("--width", type=float, default=0.25, help="multiplier of GhostFace's channels")
    add("--epochs", type=int, default=16)
    add("--batch-size", type=int, default=64)
    add("--learning-rate", type=float, default=0.003, help="of AdamW, the highest of a cosine")
    add("--weight-decay", type=float, default=0.02)
    add("--queries", type=int, default=1, help="copies of a face that the attacks ask about")
    add("--tolerated-fpr", type=float, default=0.1, help="of the population attack")
    add("--tensorflow-privacy", action="store_true", help="its attacks too, for the first seed")
    add("--seed", type=int, default=1, help="of the choice of faces; others follow from it")
    args = parser.parse_args(argv)
    for name in ("seeds", "members", "population", "size", "epochs", "batch_size", "queries"):
        if getattr(args, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be 1 or more")
    if not 0 < args.tolerated_fpr < 1:
        parser.error("--tolerated-fpr must be between 0 and 1")
    unknown = [pattern for pattern in args.rows if not fnmatch.filter(ROWS, pattern)]
    if unknown:
        parser.error(f"--rows must fit some of {', '.join(ROWS)}; {', '.join(unknown)} fit none")
    args.rows = [row for row in ROWS if any(fnmatch.fnmatch(row, p) for p in args.rows)]
    return args


def load(args):
    """Return images, labels, class names and the number of copies that were left out."""
    from fer_data import datasets
    from fer_data.pipelines import images

    options = {}
    if args.data == "synthetic":
        size = max(args.size, 64)
        count = 2 * args.members + args.population
        options = {"train": count, "validation": 7, "test": 7, "seed": args.seed, "size": size}
    builder = datasets.prepare(DATA[args.data], path=args.path, data_dir=args.data_dir, **options)
    names = tuple(builder.info.features["label"].names)
    pictures, labels = [], []
    for split in sorted(set(builder.info.splits) - {"test"}):
        batches = images.pipeline(
            builder.as_dataset(split=split),
            size=args.size,
            channels=args.channels,
            classes=len(names),
            batch_size=512,
            labels="sparse",
            dtype="uint8",
            cache=False,
        )
        for image, label in batches:
            pictures.append(image.numpy())
            labels.append(label.numpy())
    pictures, labels = np.concatenate(pictures), np.concatenate(labels)
    kept = different(pictures)
    return pictures[kept], labels[kept], names, len(labels) - len(kept)


def different(images):
    """Return the places of pictures that equal none before them, mirrored or not."""
    from fer_models.privacy import content_hashes

    # A mirror image is the same picture to a training with flips.
    plain, mirrored = content_hashes(images), content_hashes(images[:, :, ::-1])
    either = np.where(plain < mirrored, plain, mirrored)
    return np.sort(np.unique(either, return_index=True)[1])


def draw(args, count):
    """Return the places of the pool and of the population among so many faces."""
    needed = 2 * args.members + args.population
    if count < needed:
        raise ValueError(
            f"2 x {args.members:,} faces of the pool and {args.population:,} of the population "
            f"are needed; --data {args.data} has {count:,} different ones"
        )
    order = np.random.default_rng([args.seed, 0]).permutation(count)[:needed]
    return order[: 2 * args.members], order[2 * args.members :]


def members_of(args, seed):
    """Return which faces of the pool the models of a seed are trained on, booleans."""
    inside = np.zeros(2 * args.members, dtype=bool)
    inside[np.random.default_rng([args.seed, seed]).permutation(len(inside))[: args.members]] = True
    return inside


def recipe_of(args, row, channels):
    recipe = recipes.get(ROWS[row])
    return recipe.replace(
        input_shape=(args.size, args.size, channels),
        model_options={**recipe.model_options, "width": args.width},
        optimizer="adamw",
        learning_rate=args.learning_rate,
        optimizer_options={"weight_decay": args.weight_decay},
        schedule=recipes.Cosine(),
        batch_size=args.batch_size,
        patience=None,
        epochs=args.epochs,
    )


class Trainer:
    """One network that is trained anew for every run.

    Tracing GhostFace's training step takes as long as several epochs of a few thousand faces, and
    is needed only once if the network stays and its weights change.
    """

    def __init__(self, recipe, classes, steps):
        self.model = recipe.build(classes=classes, seed=0)
        self.model.compile(**recipe.compile_kwargs(steps))
        self.model.optimizer.build(self.model.trainable_variables)
        self.steps = steps
        self.fresh = [v.numpy() for v in self.model.optimizer.variables]

    def train(self, recipe, images, labels, classes, seed):
        from fer_data.pipelines import images as pipelines

        keras.utils.set_random_seed(seed)
        source = recipe.build(classes=classes, seed=seed)
        # All of them: the generators of the noise layers are variables, but no weights.
        for mine, given in zip(self.model.variables, source.variables, strict=True):
            mine.assign(given)
        for mine, given in zip(self.model.optimizer.variables, self.fresh, strict=True):
            mine.assign(given)
        batches = pipelines.pipeline(
            (images, labels),
            classes=classes,
            training=True,
            seed=seed,
            repeat=True,
            **recipe.data_kwargs(),
        )
        history = self.model.fit(
            batches, steps_per_epoch=self.steps, epochs=recipe.epochs, shuffle=False, verbose=0
        )
        return history.history["accuracy"]


def seed_of(args, row, seed):
    """Return the seed of a run's weights, noise and batches."""
    state = np.random.SeedSequence([args.seed, seed, list(ROWS).index(row)]).generate_state(1)
    return int(state[0] >> 1)


def train_all(args, runs, images, labels, population, classes):
    """Train the models of all runs that are not there yet and keep what they say."""
    from tqdm import tqdm

    from fer_models import privacy

    trainers = {}
    everything = np.concatenate([images, population[0]]), np.concatenate([labels, population[1]])
    for row, seed, folder in tqdm(runs, desc="models", unit="run"):
        if (folder / "run.json").exists():
            continue
        begin = time.time()
        recipe = recipe_of(args, row, images.shape[-1])
        noise = recipe.model_options["noise_layers"]
        if noise not in trainers:
            steps = -(-args.members // args.batch_size)
            trainers[noise] = Trainer(recipe, classes, steps)
        inside = members_of(args, seed)
        accuracy = trainers[noise].train(
            recipe, images[inside], labels[inside], classes, seed_of(args, row, seed)
        )
        found = privacy.signals(
            trainers[noise].model,
            *everything,
            queries=args.queries,
            batch_size=500,
            seed=args.seed,
            progress=False,
        )
        found.save(folder / "signals.npz")
        record = {
            "row": row,
            "seed": seed,
            "recipe": recipe.to_dict(),
            "training_accuracy": accuracy,
            "seconds": round(time.time() - begin, 1),
            "date": datetime.date.today().isoformat(),
        }
        # Last: it says that the run is finished.
        files.write_text(folder / "run.json", json.dumps(record, indent=1))


def claim(args, digest):
    """Note which study the output folder holds, or raise `ValueError` if it holds another."""
    settings = {name: getattr(args, name) for name in SETTINGS} | {"faces_hash": digest}
    path = Path(args.output) / PLAN
    if not path.exists():
        files.write_text(path, json.dumps(settings, indent=1))
        return settings
    held = json.loads(path.read_text())
    differing = [name for name in settings if held.get(name) != settings[name]]
    if differing:
        raise ValueError(
            f"{args.output} holds a study with other settings ({', '.join(differing)}): choose "
            "another --output"
        )
    return held


def run(args, command):
    images, labels, names, copies = load(args)
    pool, population = draw(args, len(labels))
    digest = hashlib.sha256(images[pool].tobytes() + labels[pool].tobytes())
    digest.update(images[population].tobytes() + labels[population].tobytes())
    settings = claim(args, digest.hexdigest())
    print(
        f"{len(labels):,} different faces ({copies:,} copies left out): a pool of {len(pool):,}, "
        f"a population of {len(population):,}."
    )
    runs = [
        (row, seed, Path(args.output) / "runs" / row / f"seed{seed}")
        for seed in range(1, args.seeds + 1)
        for row in args.rows
    ]
    train_all(
        args, runs, images[pool], labels[pool], (images[population], labels[population]), len(names)
    )
    packages = ("fer-keras", "keras", "tensorflow", "numpy", "scikit-learn", "scipy")
    record = {
        "command": command,
        "date": datetime.date.today().isoformat(),
        "versions": {
            "Python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in packages},
        },
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores",
        "settings": settings,
        "seeds": args.seeds,
        "different_faces": len(labels),
        "copies_left_out": copies,
        "tolerated_fpr": args.tolerated_fpr,
    }
    inside = {seed: members_of(args, seed) for seed in range(1, args.seeds + 1)}
    text = privacy_study_report.write(
        record, runs, inside, names, Path(args.output), args.tensorflow_privacy
    )
    print(text)
    print(f"study.md, study.json and study.png are in {Path(args.output).resolve()}.")


def main(argv=None):
    words = sys.argv[1:] if argv is None else argv
    args = parse(words)
    command = shlex.join(["python", "examples/privacy_study.py", *words])
    try:
        run(args, command)
    except KeyboardInterrupt:
        print("\nStopped. Finished runs are kept: the same command goes on from there.")
        return 130
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
