"""Draw where and when a network for micro-expressions looks, a picture a clip.

    python examples/explain_clip.py model.keras
    python examples/explain_clip.py model.keras --dataset casme2 --path FOLDER --clip ID
    python examples/explain_clip.py model.keras --per-class 3 --method grad_cam

Each picture holds, region by region and over time, the heat map of the predicted class and the
gates of attention. The clips are the first of each class, those of --subject, or the one named with
--clip; of the synthetic set, people that --seed draws. A clip that the network was trained on tells
less than one of a person it has never seen.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from fer_data import datasets
from fer_data.pipelines.clips import REGIONS, clip_inputs
from fer_models.explain import clip_explanation
from fer_models.explain.clip_explanation import METHODS
from fer_models.spotting.clip_network import HOW_TO, ClipNetwork

DATASETS = ("synthetic", "casme2", "cas_me2", "cas_me3", "samm_long_videos", "smic_hs")
SIDE = 128  # pixels of the aligned faces, as the data sets are prepared


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("model", type=Path, nargs="?", help="a network of clips, a .keras file")
    add("--dataset", choices=DATASETS, default="synthetic", help="where the clips come from")
    add("--path", type=Path, help="folder or archive of the data set, none for synthetic")
    add("--data-dir", type=Path, help="where prepared data go")
    add("--clip", help="the id of the one clip to explain")
    add("--subject", help="only clips of this subject")
    add("--per-class", type=int, default=1, help="clips of each class")
    add("--seed", type=int, default=1000, help="of the synthetic people")
    add("--raw", action="store_true", help="the network was trained on grey levels, not on motion")
    add("--method", choices=METHODS, help="heat map (default: by whether the network flattens)")
    add("--columns", type=int, default=8, help="time steps that are shown, at most")
    add("--type", choices=("png", "jpg", "svg", "pdf"), default="png", help="of the pictures")
    add("--output", type=Path, default=Path("explained"), help="folder to write into")
    args = parser.parse_args(argv)
    if args.model is None:
        parser.error(f"model: a trained network of clips is needed. {HOW_TO}.")
    if args.dataset != "synthetic" and args.path is None:
        parser.error(f"--path: must name the folder or archive of {args.dataset}")
    if args.per_class < 1:
        parser.error(f"--per-class: must be 1 or more, not {args.per_class}")
    return args


def prepared(args):
    options, name = {}, args.dataset
    if name == "synthetic":
        name, options = "synthetic_micro_expressions", {
            "subjects": args.per_class, "clips": 1, "size": SIDE, "seed": args.seed,
            "amplitude": (2.0, 3.0),
        }  # fmt: skip
    return datasets.prepare(name, path=args.path, data_dir=args.data_dir, **options)


def chosen(args, builder):
    """Yield the clips to explain, with a label."""
    counts = {}
    for example in builder.as_dataset(split="clips").as_numpy_iterator():
        label, name = int(example["label"]), example["id"].decode()
        if args.subject is not None and example["subject"].decode() != args.subject:
            continue
        if args.clip is not None:
            if name == args.clip:
                yield example
                return
        elif label >= 0 and counts.get(label, 0) < args.per_class:
            counts[label] = counts.get(label, 0) + 1
            yield example


def run(args):
    network = ClipNetwork(args.model, motion=not args.raw)
    builder = prepared(args)
    classes = tuple(builder.info.features["label"].names)
    if classes != network.class_names:
        raise ValueError(
            f"the classes of {args.dataset} are {classes}, "
            f"those of the network {network.class_names}"
        )
    written = 0
    for example in chosen(args, builder):
        clip = network.clip(example["frames"], example["frame_numbers"])[None]
        regions = {"size": network.size, "regions": network.regions}
        inputs, frames = (
            clip_inputs(clip, motion=motion, **regions) for motion in (network.motion, False)
        )
        if network.regions == 1:
            inputs, frames = (inputs,), (frames,)
        label, name = int(example["label"]), example["id"].decode()
        path = clip_explanation(
            network.model,
            [part.numpy()[0] for part in inputs],
            args.output / f"{name.replace('/', '_')}.{args.type}",
            [part.numpy()[0] for part in frames] if network.motion else None,
            region_names=REGIONS[network.regions],
            class_names=classes,
            label=classes[label] if label >= 0 else None,
            method=args.method,
            columns=args.columns,
        )
        written += 1
        print(path)
    if not written:
        raise ValueError(
            f"no clip to explain in {args.dataset}: clip={args.clip!r}, subject={args.subject!r}"
        )
    return 0


def main(argv=None):
    args = parse(argv)
    try:
        return run(args)
    except (ImportError, OSError, ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
