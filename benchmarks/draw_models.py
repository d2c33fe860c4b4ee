"""Draw what models.py has measured: milliseconds of each network by the way it runs.

    python benchmarks/models.py --batches 1 --json figures.json
    python benchmarks/draw_models.py figures.json models.png [--ways NAME ...]

A panel a batch size; bars are medians, lines reach from the quickest round to the slowest.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

TITLES = {
    "ghostface": "GhostFace",
    "efficientface": "EfficientFace",
    "mobilenet_v2": "MobileNetV2",
    "mobilenet_v3_small": "MobileNetV3Small",
    "efficientnet_b0": "EfficientNetB0",
}
WAYS = {
    "litert": "LiteRT",
    "litert-int8": "LiteRT, 8 bits",
    "onnx": "ONNX Runtime",
    "compiled": "TensorFlow, compiled",
}


def draw(figures, path, ways):
    """Write the picture of the inference in `figures`, what models.py writes as JSON."""
    batches = list(dict.fromkeys(row["batch"] for row in figures["inference"]))
    names = list(dict.fromkeys(row["model"] for row in figures["inference"]))
    found = {(row["model"], row["way"], row["batch"]): row["ms"] for row in figures["inference"]}
    missing = [way for way in ways if (names[0], way, batches[0]) not in found]
    if missing:
        raise ValueError(f"the figures have no {', '.join(missing)}: choose other --ways")
    figure = Figure(figsize=(8.5, 3.6 * len(batches)), layout="constrained")
    height = 0.8 / len(ways)
    for axes, batch in zip(
        figure.subplots(len(batches), squeeze=False)[:, 0], batches, strict=True
    ):
        for number, way in enumerate(ways):
            ms = [found[name, way, batch] for name in names]
            median = np.array([each["median"] for each in ms])
            reach = np.abs([[each[end] for each in ms] for end in ("low", "high")] - median)
            places = np.arange(len(names)) + (number - (len(ways) - 1) / 2) * height
            axes.barh(
                places,
                median,
                height,
                xerr=reach,
                label=WAYS.get(way, way),
                error_kw={"elinewidth": 0.8, "ecolor": "0.35"},
            )
        axes.set_yticks(range(len(names)), [TITLES.get(name, name) for name in names])
        axes.invert_yaxis()
        axes.set_xlabel(f"milliseconds for {'one image' if batch == 1 else f'{batch} images'}")
        axes.spines[["top", "right"]].set_visible(False)
    # Beside the panels, for the lines reach anywhere.
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", frameon=False)
    environment = figures["environment"]
    figure.suptitle(
        f"{environment['size']}x{environment['size']}, {environment['threads']} threads, "
        f"{environment['machine']}, {environment['date']}",
        fontsize="medium",
    )
    figure.savefig(path, dpi=110)


def main(words=None):
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("figures", type=Path, help="what models.py --json has written")
    parser.add_argument("picture", type=Path, help="to be written; its ending says the format")
    parser.add_argument("--ways", nargs="+", default=list(WAYS))
    args = parser.parse_args(words)
    try:
        draw(json.loads(args.figures.read_text()), args.picture, args.ways)
    except (ValueError, KeyError, OSError) as error:
        print(f"error: {args.figures}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
