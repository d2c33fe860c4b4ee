"""Audit a network of your own, which this library did not build or train.

    python examples/audit_a_model.py --output runs/audit_a_model

The network here is a small one of Keras layers, trained so long on a few drawn faces that it learns
them by heart, and the audit detects this. Put your own model and arrays in its place.
"""

import argparse

import keras
import numpy as np
from keras import layers

import fer_models
from fer_data.labels import EMOTIONS, to_indices
from fer_data.synthetic import generate

SIZE = 48


def drawn_faces(count, seed):
    """Return faces of drawn people, as uint8 arrays in [0, 255], and their labels."""
    faces = list(generate(count, seed=seed, size=SIZE))
    return np.stack([face.image for face in faces]), to_indices([face.emotion for face in faces])


def network():
    return keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            layers.Rescaling(1 / 128, offset=-1),
            layers.Conv2D(16, 3, strides=2, activation="relu"),
            layers.Conv2D(32, 3, strides=2, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(64, activation="relu"),
            layers.Dense(len(EMOTIONS), activation="softmax"),
        ]
    )


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--faces", type=int, default=350, help="to train on, and as many others")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--output", default="runs/audit_a_model")
    args = parser.parse_args(argv)

    images, labels = drawn_faces(args.faces, seed=1)
    others, other_labels = drawn_faces(args.faces, seed=2)
    model = network()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(images, labels, epochs=args.epochs, verbose=0)

    found = fer_models.audit(
        model,
        members=(images, labels),
        non_members=(others, other_labels),
        class_names=EMOTIONS,
        title="A network that learned by heart",
        adversarial_faces=0,
        corruption_faces=0,
        explained_faces=min(16, args.faces),
    )
    for figure in found.figures:
        print(f"{figure.name}: {figure.value} {figure.beside}")
    for section, warning in found.warnings:
        print(f"! {section}: {warning}")
    print(*found.save(args.output), sep="\n")


if __name__ == "__main__":
    main()
