"""How far FER+'s votes say what FER2013's original labels are.

    python benchmarks/vote_targets.py FOLDER [--data-dir PREPARED]

On the training faces, by the cross-fitted logistic regression of `fer_data.pipelines.vote_targets`.
"""

import argparse

import numpy as np

from fer_data import datasets
from fer_data.pipelines.vote_targets import vote_targets


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("path", help="folder or archive of FER2013 with the votes of FER+")
    parser.add_argument("--data-dir", help="where prepared data sets are kept")
    args = parser.parse_args()
    builder = datasets.prepare("fer2013", path=args.path, data_dir=args.data_dir)
    names = builder.info.features["label"].names
    faces = builder.as_dataset(split="train")
    known = [(int(face["label"]), face["votes"].numpy()) for face in faces]
    labels, votes = (np.array(values) for values in zip(*known, strict=True))
    said = vote_targets(labels, votes, share=1.0, classes=len(names))
    rows = np.arange(len(labels))
    print(f"{len(labels):,} training faces")
    print(f"accuracy {np.mean(said.argmax(1) == labels):.2%}")
    print(f"cross-entropy {-np.log(said[rows, labels]).mean():.4f}")
    print("mean probability, a row a label: " + " ".join(f"{name:>9}" for name in names))
    for label, name in enumerate(names):
        means = " ".join(f"{value:9.2f}" for value in said[labels == label].mean(0))
        print(f"{name:>32} {means}")


if __name__ == "__main__":
    main()
