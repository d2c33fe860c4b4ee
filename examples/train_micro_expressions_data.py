"""What a training on micro-expressions works with: clips in memory, and who stands where."""

import collections
import dataclasses
import hashlib

import numpy as np

from fer_data import datasets, protocols
from fer_data.datasets import clip_table
from fer_data.pipelines.clips import fixed_clip

REAL = ("casme2", "cas_me2", "cas_me3", "samm_long_videos", "smic_hs")
# The composite of MEGC 2019, in the order in which --path names their folders.
COMPOSITE = ("casme2", "smic_hs", "samm_long_videos")
DATASETS = (*REAL, "synthetic", "composite")
PROPORTIONS = tuple(protocols.PROPORTIONS)
PROTOCOLS = ("loso", "composite", *PROPORTIONS)


@dataclasses.dataclass(frozen=True, eq=False)
class Data:
    """Clips with a label.

    Attributes:
        faces: uint8 `(clips, frames, 2 * size, 2 * size, 3)`, all brought to one length.
        clips: `fer_data.protocols.Clips`, in the same order.
        names: Names of the classes.
        facts: What the report says of them, ready for JSON.
    """

    faces: np.ndarray
    clips: protocols.Clips
    names: tuple
    facts: dict

    def digest(self):
        """Return a hash of which clips, labels and frames these are."""
        columns = (self.clips.ids, self.clips.subjects, self.clips.labels, self.clips.content)
        words = "\n".join(" ".join(map(str, row)) for row in zip(*columns, strict=True))
        return hashlib.sha256(words.encode()).hexdigest()


def load(args):
    """Prepare the data sets of the command line, where they are not, and read their clips."""
    import tensorflow as tf
    from tqdm import tqdm

    builders = [
        datasets.prepare(name, path=path, data_dir=args.data_dir, **options)
        for name, path, options in sources(args)
    ]
    table = clip_table.read(*builders)
    facts = {}
    if args.protocol == "composite":
        composite = protocols.megc_2019(table, listed=listed(args.listed))
        chosen = composite.places
        facts = {"counts": composite.counts, "differences": list(composite.differences)}
    else:
        chosen = table.labelled()
        if not len(chosen):
            raise ValueError(f"{' '.join(args.dataset)} has no clip with a label")
    clips, wanted = table.take(chosen), set(chosen.tolist())
    # One array of its final size: the clips of a data set fill most of a small memory.
    faces = np.empty((len(clips), args.frames, 2 * args.size, 2 * args.size, 3), np.uint8)
    place = 0
    with tqdm(total=len(table), desc="clips", unit="") as progress:
        number = 0
        for builder in builders:
            examples = builder.as_dataset(split="clips").prefetch(tf.data.AUTOTUNE)
            for example in examples.as_numpy_iterator():
                if number in wanted:
                    clip, numbers = example["frames"], example["frame_numbers"]
                    faces[place] = fixed_clip(clip, numbers, frames=args.frames, size=args.size)
                    place += 1
                number += 1
                progress.update()
    names = tuple(builders[0].info.features["label"].names)
    facts |= {
        "datasets": sorted(set(clips.datasets.tolist())),
        "clips": len(clips),
        "subjects": len(set(clips.subjects.tolist())),
        "classes": {name: int((clips.labels == i).sum()) for i, name in enumerate(names)},
        "unlabelled": int((table.labels < 0).sum()),
        "frames": args.frames,
        "options": {name: options for name, _, options in sources(args)},
    }
    return Data(faces, clips, names, facts)


def sources(args):
    """Yield name, path and options of every data set to prepare."""
    for name, path in zip(args.dataset, args.path or [None], strict=True):
        options = {"size": 2 * args.size}
        if args.protocol == "composite" and name == "samm_long_videos":
            options["pictures"] = "clips"
        if name == "synthetic":
            options |= {"subjects": args.subjects, "clips": args.clips, "seed": args.seed}
        for key, value in args.data_options.items():
            whose, dot, option = key.rpartition(".")
            if not dot or whose == name:
                options[option] = value
        yield "synthetic_micro_expressions" if name == "synthetic" else name, path, options


def listed(path):
    """Return the clip ids in a file, one a line, or None for no file."""
    if path is None:
        return None
    with open(path) as file:
        return [line.strip() for line in file if line.strip()]


def divide(args, clips, protocol, select):
    """Return the divisions of a protocol: one a subject, or one.

    Raises:
        ValueError: If people or clips would stand on both sides, and how to go on.
    """
    try:
        if protocol in PROPORTIONS:
            divide_once = protocols.subject_disjoint if args.by_subject else protocols.random_clips
            return [divide_once(clips, protocol, seed=args.seed, allow_leaks=args.allow_leaks)]
        share = args.validation if select == "validation" else 0.0
        return list(
            protocols.leave_one_subject_out(
                clips, validation=share, seed=args.seed, allow_leaks=args.allow_leaks
            )
        )
    except protocols.LeakError as error:
        honest = (
            "add --by-subject to divide by people in the same proportions, take --protocol loso, "
            if protocol in PROPORTIONS and not args.by_subject
            else "drop the copies (--data-options on_duplicate=drop on_conflict=drop), "
        )
        raise ValueError(
            f"--protocol {protocol} leaks.\n{error.leaks.summary()}\nTo go on: {honest}"
            "or add --allow-leaks, and the report carries the warning"
        ) from error


def check_classes(divisions, clips, names, weighed):
    """Raise where a fold that weighs classes has none of one to train on."""
    for division in divisions:
        labels = clips.labels[division.parts["train"]]
        lacking = [name for i, name in enumerate(names) if not (labels == i).any()]
        if lacking and weighed:
            where = f" without {division.held_out}" if division.held_out else ""
            raise ValueError(
                f"the training part{where} has no clip of {', '.join(lacking)}, which cannot be "
                "weighed: add --no-class-weights, or more clips"
            )


def warning_of(divisions):
    """Return what a report must say of the divisions, `""` for nothing."""
    return " ".join(dict.fromkeys(d.warning for d in divisions if d.warning))


def part_sizes(division, clips):
    """Return the clips and subjects of every part of a division."""
    return {
        part: {
            "clips": len(places),
            "subjects": len(collections.Counter(clips.subjects[places].tolist())),
        }
        for part, places in division.parts.items()
    }
