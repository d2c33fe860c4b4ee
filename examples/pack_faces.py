"""Put a prepared data set into one file that train.py reads without TensorFlow.

    python examples/pack_faces.py --data fer2013 --path FOLDER --output faces.npz
    KERAS_BACKEND=jax python examples/train.py --data fer2013 --path faces.npz ...

For a machine with a graphics card and JAX or PyTorch. The pictures are coded as lossless WebP. The
file holds faces of people: treat it as the data set.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from tqdm import tqdm

from fer_data import datasets
from fer_data.pipelines import face_arrays

sys.path.insert(0, str(Path(__file__).parent))
from train_data import DATA

KEPT = ("image", "label", "votes", "copy_in_train")


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--data", choices=sorted(set(DATA) - {"synthetic"}), default="fer2013", help="which faces")
    add("--path", required=True, help="folder or archive of the data set")
    add("--data-dir", help="where prepared data sets are kept")
    add("--output", type=Path, default=Path("faces.npz"), help="the file")
    add("--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="default: the first face's")
    add("--validation-fraction", type=float, help="of the training faces")
    add("--seed", type=int, default=1, help="of that choice")
    return parser.parse_args(argv)


def arrays_of(faces, size=None):
    """Return the faces of a split of tensorflow-datasets as arrays, by feature."""
    rows = []
    for row in faces:
        size = size or row["image"].shape[:2]
        image = face_arrays.resized(row["image"][None], size, row["image"].shape[-1])[0]
        rows.append({name: row[name] for name in KEPT if name in row} | {"image": image})
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def pack(args):
    options = {}
    if args.validation_fraction:
        options = {"validation_fraction": args.validation_fraction, "seed": args.seed}
    builder = datasets.prepare(DATA[args.data], path=args.path, data_dir=args.data_dir, **options)
    splits = {}
    for name, info in builder.info.splits.items():
        faces = builder.as_dataset(split=name).as_numpy_iterator()
        bar = tqdm(faces, name, info.num_examples, unit="face", disable=None)
        splits[name] = arrays_of(bar, args.size)
    # As words of this command, but for what is where on this machine.
    given = {"validation_fraction": args.validation_fraction, "size": args.size}
    given = {name: value for name, value in given.items() if value}
    if args.validation_fraction:
        given["seed"] = args.seed
    about = {"data": args.data, "options": given}
    face_arrays.write(args.output, splits, builder.info.features["label"].names, about)
    counts = ", ".join(f"{len(faces['label']):,} {name}" for name, faces in splits.items())
    print(f"Wrote {args.output} ({args.output.stat().st_size:,} bytes): {counts}.")


def main(argv=None):
    try:
        pack(parse(argv))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
