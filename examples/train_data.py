"""The faces of train.py: prepared by tensorflow-datasets, or from one file without TensorFlow.

A split is a `tf.data.Dataset` of dictionaries, or a dictionary of arrays where `--path` names what
pack_faces.py wrote.
"""

import os
from pathlib import Path

import numpy as np

DATA = {
    "synthetic": "synthetic_faces",
    "fer2013": "fer2013",
    "ferplus": "ferplus",
    "raf_db": "raf_db",
    "folder": "image_folder",
}


def is_packed(path):
    """Return whether a path is that of a file of pack_faces.py."""
    return Path(path or "").suffix == ".npz"


def load(args, recipe, packed=False):
    """Return the prepared data set: splits by name, counts, class names, where it came from.

    Splits of what pack_faces.py wrote are dictionaries of arrays, for those who can take them.
    """
    if is_packed(args.path):
        if not packed:
            raise ValueError(
                f"--path must be a folder or an archive: {args.path} is for train.py alone"
            )
        return _load_arrays(args, recipe)
    from fer_data import datasets

    options = {}
    if args.data == "synthetic":
        size = max(*recipe.input_shape[:2], 64)
        options = {"train": args.train or 7000, "seed": args.seed, "size": size}
    else:
        fractions = {
            "validation_fraction": args.validation_fraction,
            "test_fraction": args.test_fraction,
        }
        options = {name: value for name, value in fractions.items() if value}
        if options:
            options["seed"] = args.seed
        if args.validation_from == "test":
            options["validation_from"] = "test"
    builder = datasets.prepare(DATA[args.data], path=args.path, data_dir=args.data_dir, **options)
    splits = {name: builder.as_dataset(split=name) for name in builder.info.splits}
    _check_validation(splits)
    counts = {name: split.num_examples for name, split in builder.info.splits.items()}
    return splits, counts, tuple(builder.info.features["label"].names), str(builder.data_path)


def _load_arrays(args, recipe):
    from fer_data.pipelines import face_arrays

    divides = {
        "--validation-fraction": args.validation_fraction,
        "--test-fraction": args.test_fraction,
        "--validation-from test": args.validation_from == "test",
    }
    given = [flag for flag, value in divides.items() if value]
    if given:
        raise ValueError(
            f"{args.path} is divided already: {given[0]} divides folders and archives, so give "
            "it to pack_faces.py"
        )
    splits, names, about = face_arrays.read(args.path)
    if about.get("data", args.data) != args.data:
        raise ValueError(f"--data must be {about['data']}, of which {args.path} was made")
    _check_validation(splits)
    for faces in splits.values():
        faces["image"] = face_arrays.resized(
            faces["image"], recipe.input_shape[:2], recipe.input_shape[2]
        )
    return splits, {name: len(faces["image"]) for name, faces in splits.items()}, names, args.path


def packed_as(args):
    """Return how the file of faces that a run reads was made, or None for a folder or archive."""
    if not is_packed(args.path):
        return None
    from fer_data.pipelines import face_arrays

    return face_arrays.about(args.path)


def _check_validation(splits):
    if "validation" not in splits:
        raise ValueError(
            f"the data set has no validation split, only {sorted(splits)}: set apart a share of "
            "its training faces with --validation-fraction 0.1"
        )


def features(split):
    """Return what is known of the faces of a split, by name."""
    return split if isinstance(split, dict) else split.element_spec


def column(split, name):
    """Return one of these of all faces, as an array."""
    if isinstance(split, dict):
        return split[name]
    return np.stack([np.asarray(value) for value in split.map(lambda face: face[name])])


def pipelines(args, recipe, splits, classes, share=None):
    """Return the training batches as a function of the first epoch, and the other splits'.

    `share` is what a process of several takes of whole batches.
    """
    if isinstance(splits["train"], dict):
        return _array_pipelines(args, recipe, splits, classes)
    from fer_data.pipelines import images

    share = share or (lambda batches: batches)

    training = recipe.data_kwargs()
    common = {name: training[name] for name in ("size", "channels", "batch_size")}
    common |= {"classes": classes, "seed": args.seed}

    def train(epoch):
        changes = {"training": True, "initial_epoch": epoch * args.passes, "repeat": True}
        return share(images.pipeline(splits["train"], **training | common | changes))

    return train, {
        name: share(images.pipeline(split, **common))
        for name, split in splits.items()
        if name != "train"
    }


def _array_pipelines(args, recipe, splits, classes):
    from fer_data.pipelines.face_arrays import targets
    from fer_data.pipelines.face_batches import FaceBatches

    learned = targets(splits["train"], classes, recipe.labels, recipe.label_smoothing)

    def train(epoch):
        return FaceBatches(
            splits["train"]["image"],
            learned,
            recipe.batch_size,
            training=True,
            augmentation=recipe.augmentation,
            seed=args.seed,
            initial_epoch=epoch,
            passes=args.passes,
            workers=min(8, os.cpu_count()),
        )

    return train, {
        name: FaceBatches(faces["image"], targets(faces, classes), recipe.batch_size)
        for name, faces in splits.items()
        if name != "train"
    }


def with_vote_targets(faces, classes, share):
    """Return training faces with distributions of labels in the place of labels and votes."""
    from fer_data.pipelines.vote_targets import vote_targets

    if isinstance(faces, dict):
        mixed = vote_targets(faces["label"], faces["votes"], share, classes)
        return {"image": faces["image"], "label": mixed}
    import tensorflow as tf

    mixed = vote_targets(column(faces, "label"), column(faces, "votes"), share, classes)
    targets = tf.data.Dataset.from_tensor_slices(mixed)
    return tf.data.Dataset.zip(faces, targets).map(
        lambda face, target: {"image": face["image"], "label": target}
    )
