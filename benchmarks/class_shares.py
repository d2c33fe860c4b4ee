"""Prints what a shift to the shares of the classes in other pictures is worth.

    python benchmarks/class_shares.py --path FER2013 [--shares neutral=0.45 happy=0.45]

FER2013 is a folder or archive of it. Portraits show neutral and happy faces far more often than
FER2013 does. For each bundled weights file, the validation faces of its own labels without copies
of training faces are drawn again with the given shares, 1,000 faces at a time. The table has the
accuracy on them of the answers as they are, shifted to the shares, and shifted to shares estimated
from the 1,000 answers alone: mean and standard deviation over the draws.

The second table has drawn faces of growing smiles (`fer reproduce smile-curve` draws the same
people), of which no labels are needed: how many are called happy with and without the shift.
"""

import argparse
import datetime
import os
import platform

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from fer_data.faces.cut import cut_face
from fer_data.pipelines.labelled_faces import load_faces
from fer_data.synthetic.drawn_faces import FRAMING
from fer_data.synthetic.smiling_faces import graded_smiles
from fer_models.evaluation import estimate_class_shares, shift_class_shares
from fer_models.recognizer.classifier import Classifier
from fer_models.runtime.ready_networks import ready_network
from fer_models.zoo import bundled
from fer_models.zoo.class_shares import named_shares, shares_of_card

FACES, DRAWS, PEOPLE = 1000, 20, 16
SMILES = (0.0, 0.5, 1.0)
LIGHT = {"light": ("even",), "cheeks": ("raised",)}


def shares_of_words(words):
    """Return a dictionary of NAME=SHARE."""
    return {name: float(share) for name, _, share in (word.partition("=") for word in words)}


def drawn(labels, wanted, rng):
    """Return places of FACES faces whose labels have the wanted shares."""
    counts = rng.multinomial(FACES, wanted)
    places = [
        rng.choice(np.flatnonzero(labels == label), count) for label, count in enumerate(counts)
    ]
    return np.concatenate(places)


def resampled(source, classify, known, wanted, path, data_dir):
    """Print a row of the first table."""
    faces = load_faces(bundled.all_weights()[source].card["data"], path, data_dir=data_dir)
    fresh = ~faces.column("validation", "copy_in_train").astype(bool)
    labels = faces.column("validation", "label")[fresh]
    images = faces.column("validation", "image")[fresh].astype("float32")
    answers = classify(images)
    scores = []
    for draw in range(DRAWS):
        places = drawn(labels, wanted, np.random.default_rng(draw))
        own, truth = answers[places], labels[places]
        estimated = estimate_class_shares(own, known)
        ways = (own, shift_class_shares(own, known, wanted))
        ways += (shift_class_shares(own, known, estimated),)
        scores.append([np.mean(way.argmax(1) == truth) for way in ways])
    mean, spread = np.mean(scores, axis=0), np.std(scores, axis=0, ddof=1)
    cells = [f"{m:.1%} ± {s:.1%}" for m, s in zip(mean, spread, strict=True)]
    print(f"| {source} | {len(labels):,} | {' | '.join(cells)} |", flush=True)


def smiles(classify, known, wanted, names, size, channels):
    """Print the rows of the second table for one weights file."""
    found = list(graded_smiles(PEOPLE, SMILES, factors=LIGHT))
    cuts = [cut_face(each.image, each.box, size, channels, framing=FRAMING) for each in found]
    answers = classify(np.stack(cuts))
    shifted = shift_class_shares(answers, known, wanted)
    for beard in ("none", "full"):
        for mouth in ("closed", "open"):
            cells = []
            for level in SMILES:
                some = [
                    (each.smile, each.factors["beard"], each.factors["mouth"])
                    == (level, beard, mouth)
                    for each in found
                ]
                for way in (answers, shifted):
                    label = np.array(names)[way[some].argmax(1)]
                    right = "neutral" if level == 0 else "happy"
                    cells.append(f"{np.mean(label == right):.0%}")
            print(f"| {beard} | {mouth} | {' | '.join(cells)} |", flush=True)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--path", required=True, help="of FER2013 with FER+'s votes")
    parser.add_argument("--data-dir", help="where the prepared sets are or go")
    parser.add_argument("--shares", nargs="+", default=["neutral=0.45", "happy=0.45"])
    options = parser.parse_args(argv)
    print(f"{datetime.date.today()}, Python {platform.python_version()}, {platform.machine()}")
    known = {}
    for source, weights in bundled.all_weights().items():
        network = ready_network(source, bundled.DEFAULT_MODEL)
        names = weights.card["class_names"]
        wanted = named_shares(shares_of_words(options.shares), names)
        known[source] = (network, Classifier(network, 64), shares_of_card(weights.card), wanted)
    print("\n| weights | faces | as they are | shifted | shifted to estimated shares |")
    print("|---|---:|---:|---:|---:|")
    for source, (_, classify, own, wanted) in known.items():
        resampled(source, classify, own, wanted, options.path, options.data_dir)
    for source, (network, classify, own, wanted) in known.items():
        print(f"\n{source}\n")
        head = [
            f"{'neutral' if s == 0 else f'happy at {s:g}'}{w}"
            for s in SMILES
            for w in ("", ", shifted")
        ]
        print(f"| beard | mouth | {' | '.join(head)} |\n|---|---" + "|---:" * len(head) + "|")
        smiles(classify, own, wanted, network.class_names, network.size, network.channels)


if __name__ == "__main__":
    main()
