"""What attacks and corruptions leave of several models, side by side.

    fer robustness MODEL --data fer2013 --path FACES.npz --split validation --epsilons 2 \\
        --output runs/measured/NAME
    python benchmarks/robust_weights.py runs/measured/NAME ...

Each folder is what `fer robustness` wrote, of the same faces; a row is named after its folder.
"Trained on" are the kinds that `fer_data.pipelines.augmentation.Corruptions` draws, up to severity
4, the strongest that it draws; "severity 5" is that of the same kinds; "held out" are the kinds
that it does not have, at all severities. Accuracy in %, means over kinds and severities; behind
what is measured on one set of pictures stands the exact 95 % interval. "attacked" and "corrupted"
are numbers of faces.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from fer_data.pipelines.augmentation import CORRUPTION_KINDS
from fer_models.robustness import Accuracy

COLUMNS = (
    *("model", "plain", "PGD", "all attacks", "attacked", "trained on", "severity 5", "held out"),
    *("all corruptions", "corrupted"),
)


def row(folder):
    """Return the cells of a model: its attacks at the least epsilon, its corruptions."""
    content = json.loads((folder / "robustness.json").read_text(encoding="utf-8"))
    attacks, corruptions = content["adversarial"], content["corruptions"]
    least = min(attacks["accuracies"]["pgd"], key=float)
    cells = [folder.name, corruptions["clean"]]
    cells += [attacks["accuracies"][name][least] for name in ("pgd", "all")]
    cells.append(attacks["examples"])
    cells += [100 * each for each in means(corruptions["accuracies"])]
    cells += [100 * corruptions["mean"], corruptions["examples"]]
    return [_text(cell) for cell in cells]


def means(accuracies):
    """Return the means of kinds trained on, of these at severity 5, and of kinds held out."""
    groups = [], [], []
    for kind, found in accuracies.items():
        for severity, each in found.items():
            place = 2 if kind not in CORRUPTION_KINDS else int(severity == "5")
            groups[place].append(each["accuracy"])
    return [float(np.mean(group)) for group in groups]


def _text(cell):
    if isinstance(cell, dict):
        return str(Accuracy(cell["correct"], cell["examples"]))
    if isinstance(cell, float):
        return f"{cell:.1f}"
    return f"{cell:,}" if isinstance(cell, int) else cell


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    args = parser.parse_args()
    print("| " + " | ".join(COLUMNS) + " |")
    print("|---|" + "---:|" * (len(COLUMNS) - 1))
    for folder in args.folders:
        print("| " + " | ".join(row(folder)) + " |")


if __name__ == "__main__":
    main()
