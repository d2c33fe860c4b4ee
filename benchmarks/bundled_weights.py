"""Every bundled network under every labelling of FER2013's validation faces.

    python benchmarks/bundled_weights.py FOLDER [--data-dir PREPARED]

The labels: FER2013's own; FER+'s by majority (more than half of the votes, single ones left out:
`fer_data.datasets.ferplus`), whose faces are fewer and clearer; FER+'s by plurality (the class with
the most votes, the first of equals; not "unknown", not "not a face"). With eight classes contempt
counts as an error of these networks of seven.
"""

import argparse
import datetime
import os
import platform

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from fer_data import datasets
from fer_data.datasets.ferplus import majority
from fer_data.labels import EMOTIONS, FERPLUS_CLASSES
from fer_data.pipelines import face_arrays
from fer_models import registry


def labellings(faces):
    """Return the place in EMOTIONS by each labelling, -1 for contempt, -2 where there is none."""
    places = [EMOTIONS.index(name) if name in EMOTIONS else -1 for name in FERPLUS_CLASSES]
    places += [-2, -2]
    by_majority = [majority(face["votes"]) for face in faces]
    return {
        "FER2013": np.array([int(face["label"]) for face in faces]),
        "FER+, majority": np.array([-2 if p is None else places[p] for p in by_majority]),
        "FER+, plurality": np.array([places[int(face["votes"].argmax())] for face in faces]),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("path", help="folder or archive of FER2013 with the votes of FER+")
    parser.add_argument("--data-dir", help="where prepared data sets are kept")
    args = parser.parse_args()
    builder = datasets.prepare("fer2013", path=args.path, data_dir=args.data_dir)
    faces = list(builder.as_dataset(split="validation").as_numpy_iterator())
    pixels = np.stack([face["image"] for face in faces])
    fresh = ~np.array([bool(face["copy_in_train"]) for face in faces])
    labels = labellings(faces)
    print(f"{datetime.date.today()}, Python {platform.python_version()}, Keras {keras.__version__}")
    print("| weights | labels | faces | accuracy | without copies | with flip |")
    print("|---|---|---:|---:|---:|---:|")
    for name, entry in registry.MODELS.items():
        for tag in entry.weights:
            model = entry.builder(weights=tag)
            _, height, width, channels = model.input_shape
            images = face_arrays.resized(pixels, (height, width), channels).astype("float32")
            one = model.predict(images, batch_size=128, verbose=0)
            both = one + model.predict(images[:, :, ::-1], batch_size=128, verbose=0)
            for labelling, truth in labels.items():
                for least, classes in ((0, "7"), (-1, "8")):
                    some = truth >= least
                    if classes == "8" and not (truth == -1).any():
                        continue
                    right = one.argmax(1) == truth
                    print(
                        f"| {name}, {tag} | {labelling}, {classes} classes | {some.sum():,} | "
                        f"{right[some].mean():.2%} | {right[some & fresh].mean():.2%} | "
                        f"{(both.argmax(1) == truth)[some].mean():.2%} |"
                    )


if __name__ == "__main__":
    main()
