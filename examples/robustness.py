"""Attack and corrupt the faces of a data set, and say what is left of a model's accuracy.

    python examples/robustness.py ghostface:ferplus --data ferplus --path FOLDER --output runs/a
    python examples/robustness.py runs/mine/best.keras --data synthetic --output runs/b

The output folder gets robustness.md, robustness.json and corruptions.png (a synthetic face under
every corruption).
"""

import argparse
import datetime
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
from fer_models import registry, robustness

sys.path.insert(0, str(Path(__file__).parent))
import train


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("model", help="a .keras file, or NAME:TAG of bundled weights, such as ghostface:ferplus")
    add("--data", choices=train.DATA, default="synthetic", help="which faces")
    add("--path", help="folder or archive of the data set; none for synthetic")
    add("--data-dir", help="where prepared data sets are kept (default: tensorflow-datasets')")
    add("--split", help="of the data set (default: test, or validation where there is no test)")
    add("--output", default="runs/robustness", help="folder for everything that is written")
    add("--attacked", type=int, default=300, help="faces that are attacked; 0: none")
    add("--corrupted", type=int, default=1000, help="faces that are corrupted; 0: none")
    add("--epsilons", nargs="+", type=float, default=(2, 4, 8), help="in grey levels of 255")
    add("--steps", type=int, default=20, help="of PGD")
    add("--apgd-steps", type=int, default=50)
    add("--queries", type=int, default=200, help="of the Square attack")
    add("--seed", type=int, default=1, help="of everything random, the choice of faces included")
    args = parser.parse_args(argv)
    for name in ("attacked", "corrupted"):
        if getattr(args, name) < 0:
            parser.error(f"--{name} must not be negative")
    return args


def load_model(name):
    """Return the model of a file or of a tag, and the names of its classes or None."""
    if name.endswith(".keras"):
        return keras.models.load_model(name, compile=False), None
    family, colon, tag = name.partition(":")
    if not colon:
        raise ValueError(f"the model must be a .keras file or NAME:TAG, not {name!r}")
    entry = registry.entry(family)
    if tag not in entry.weights:
        raise ValueError(f"{family} has weights {sorted(entry.weights)}, not {tag!r}")
    return entry.builder(weights=tag), tuple(entry.weights[tag].class_names)


def load_faces(args, model, class_names):
    """Return faces of the model's size, labels, landmarks or None, and the name of the split."""
    from fer_data import datasets

    height, width, _ = model.input_shape[1:]
    options = {}
    if args.data == "synthetic":
        # Nobody looks at the training faces.
        options = {"train": 70, "size": max(height, width, 64)}
    builder = datasets.prepare(
        train.DATA[args.data], path=args.path, data_dir=args.data_dir, **options
    )
    names = builder.info.features["label"].names
    splits = {name: builder.as_dataset(split=name) for name in builder.info.splits}
    split = args.split or ("test" if "test" in splits else "validation")
    if split not in splits:
        raise ValueError(f"--split must be one of {sorted(splits)}, not {split!r}")
    check_classes(names, model, class_names)
    faces = splits[split]
    pictures, labels = arrays_of(faces, model, len(names))
    return pictures, labels, own_landmarks(faces, (height, width)), split


def check_classes(names, model, class_names):
    """Raise `ValueError` if the classes of the data are not those of the model, where known."""
    if class_names is not None and tuple(names) != class_names:
        raise ValueError(f"the model knows {class_names}, the data {tuple(names)}")
    if len(names) > model.output_shape[-1]:
        raise ValueError(f"the data has {len(names)} classes, the model {model.output_shape[-1]}")


def arrays_of(faces, model, classes):
    """Return the faces of a data set as the model takes them, uint8, and their labels."""
    from fer_data.pipelines import images

    height, width, channels = model.input_shape[1:]
    batches = images.pipeline(
        faces, size=(height, width), channels=channels, classes=classes, labels="sparse",
        dtype="uint8", batch_size=256, cache=False,
    )  # fmt: skip
    return tuple(np.concatenate(x) for x in zip(*batches.as_numpy_iterator(), strict=True))


def own_landmarks(faces, size):
    """Return the landmarks that come with the faces, in the pixels of what the model sees."""
    if "landmarks" not in faces.element_spec:
        return None
    found = []
    for face in faces.as_numpy_iterator():
        # As the pipeline crops: to the box in whole pixels, as far as the picture reaches.
        x, y, wide, high = face["box"].astype("float32")
        rows, columns = face["image"].shape[:2]
        left, right = np.clip(np.round([x, x + wide]), 0, columns)
        top, bottom = np.clip(np.round([y, y + high]), 0, rows)
        scale = np.array([size[1] / (right - left), size[0] / (bottom - top)])
        found.append((face["landmarks"] + 0.5 - (left, top)) * scale - 0.5)
    return np.stack(found)


def measure(args, model, faces):
    """Return the two reports, each None where it is not asked for, and the seconds they took."""
    pictures, labels, landmarks, _ = faces
    order = np.random.default_rng(args.seed).permutation(len(labels))
    gradients = robustness.InputGradients(model)
    reports, seconds = {}, {}
    if args.attacked:
        some, begin = np.sort(order[: args.attacked]), time.perf_counter()
        reports["adversarial"] = robustness.adversarial_accuracy(
            gradients, pictures[some], labels[some], epsilons=args.epsilons, steps=args.steps,
            apgd_steps=args.apgd_steps, queries=args.queries, seed=args.seed,
        )  # fmt: skip
        seconds["adversarial"] = time.perf_counter() - begin
    if args.corrupted:
        some, begin = np.sort(order[: args.corrupted]), time.perf_counter()
        reports["corruptions"] = robustness.corruption_accuracy(
            gradients, pictures[some], labels[some], seed=args.seed,
            landmarks=None if landmarks is None else landmarks[some],
        )  # fmt: skip
        seconds["corruptions"] = time.perf_counter() - begin
    return reports, seconds


def facts_of(args, command, model, split):
    digest = hashlib.sha256()
    for weight in model.weights:
        digest.update(keras.ops.convert_to_numpy(weight).tobytes())
    return {
        "command": command,
        "date": datetime.date.today().isoformat(),
        "versions": {
            "Python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in ("fer-keras", "keras")},
            keras.backend.backend(): importlib.metadata.version(keras.backend.backend()),
        },
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores",
        "weights_sha256": digest.hexdigest(),
        "split": split,
        "seed": args.seed,
    }


def write(args, facts, reports, seconds, output):
    """Write robustness.md and robustness.json; return the Markdown."""
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    lines = [
        f"`{facts['command']}`",
        "",
        f"{facts['date']}; {versions}; {facts['hardware']}; seed {args.seed}; {facts['split']} "
        f"faces of {args.data}; weights {facts['weights_sha256'][:12]}.",
    ]
    for name, report in reports.items():
        lines += ["", report.to_markdown(), "", f"Measured in {seconds[name]:.0f} s."]
    text = "\n".join(lines) + "\n"
    files.write_text(output / "robustness.md", text)
    content = {name: report.to_dict() for name, report in reports.items()}
    content = {**facts, "seconds": seconds, **content}
    files.write_text(output / "robustness.json", json.dumps(content, indent=1))
    return text


def draw(output):
    """Draw a synthetic face under every corruption."""
    from fer_data.synthetic import generate

    face = list(generate(4, seed=3, size=96))[3]
    robustness.corruption_sheet(face.image, output / "corruptions.png", landmarks=face.landmarks)


def main(argv=None):
    words = sys.argv[1:] if argv is None else argv
    args = parse(words)
    output = Path(args.output)
    try:
        model, class_names = load_model(args.model)
        faces = load_faces(args, model, class_names)
        facts = facts_of(
            args, shlex.join(["python", "examples/robustness.py", *words]), model, faces[3]
        )
        reports, seconds = measure(args, model, faces)
        print(write(args, facts, reports, seconds, output))
        draw(output)
    except KeyboardInterrupt:
        print("\nStopped. Nothing is written before all is measured.", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"Tables and picture are in {output.resolve()}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
