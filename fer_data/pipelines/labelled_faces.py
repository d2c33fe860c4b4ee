"""The labelled faces of a data set in splits: from a prepared data set, or from one packed file."""

import dataclasses
import functools
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from tqdm import tqdm

from fer_data import datasets, picture
from fer_data.checks import check_choice, check_integer
from fer_data.pipelines import face_arrays
from fer_data.pipelines.boxed_faces import cut_by_box
from fer_data.pipelines.face_batches import FaceBatches
from fer_data.pipelines.vote_targets import vote_targets
from fer_data.protocols.setting_apart import (
    check_shares,
    check_undivided,
    set_apart,
    set_people_apart,
)

if TYPE_CHECKING:
    import tensorflow as tf

# The data sets of single faces, by their names in commands.
FACES = {
    "synthetic": "synthetic_faces",
    "fer2013": "fer2013",
    "ferplus": "ferplus",
    "raf_db": "raf_db",
    "affectnet": "affectnet",
    "ck_plus": "ck_plus",
    "jaffe": "jaffe",
    "kdef": "kdef",
    "expw": "expw",
    "sfew": "sfew",
    "caer_s": "caer_s",
    "ravdess": "ravdess",
    "crema_d": "crema_d",
    "folder": "image_folder",
}
# The features that decide what the network sees of a face.
SHOWN = ("image", "box", "framing")
# The features that a packed file keeps of every face, beside the image.
KEPT = ("label", "votes", "copy_in_train", "valence", "arousal", "subject")
# The splits of drawn faces.
DRAWN_SPLITS = ("train", "validation", "test")
# The least side at which faces are rendered; smaller ones are resized.
RENDERED = 64


@dataclasses.dataclass(frozen=True, eq=False)
class LabelledFaces:
    """Faces with a label each, by split; `load_faces` makes it.

    Attributes:
        splits: For each name a `tf.data.Dataset` of dictionaries, as tensorflow-datasets gives it,
            or, if it comes from a packed file, a dictionary of arrays.
        counts: Number of faces by split.
        class_names: Names of the classes, in the order of the labels.
        source: Folder of the prepared data, or the packed file.
        packed: How a packed file was made; None where there is none.
    """

    splits: Mapping[str, Any]
    counts: Mapping[str, int]
    class_names: tuple[str, ...]
    source: str
    packed: Mapping[str, Any] | None = None

    def features(self, split: str) -> tuple[str, ...]:
        """Return the names of the features of a split."""
        faces = self.splits[split]
        return tuple(faces if self.packed is not None else faces.element_spec)

    def column(self, split: str, feature: str) -> np.ndarray:
        """Return one feature of all faces of a split as an array.

        Args:
            split: Name of the split.
            feature: One of `features(split)`, such as `"label"` or `"copy_in_train"`.
        """
        faces = self.splits[split]
        if self.packed is not None:
            return faces[feature]
        return np.stack([np.asarray(value) for value in faces.map(lambda face: face[feature])])

    def dataset(self, split: str) -> "tf.data.Dataset":
        """Return a split as a `tf.data.Dataset` of dictionaries, wherever it comes from."""
        if self.packed is None:
            return self.splits[split]
        import tensorflow as tf

        return tf.data.Dataset.from_tensor_slices(self.splits[split])

    def batches(
        self,
        split: str,
        *,
        size: int | tuple[int, int],
        channels: int | None = None,
        classes: int | None = None,
        batch_size: int = 64,
        valence_arousal: bool = False,
    ) -> "tf.data.Dataset | FaceBatches":
        """Return the faces of a split in their order, for `evaluate` and `predict`.

        Args:
            split: Name of the split.
            size: Height and width of the faces, an integer or a pair.
            channels: 1 or 3; None keeps the data set's.
            classes: Number of classes, where a model has more than the data.
            batch_size: Faces per batch.
            valence_arousal: Whether to give valence and arousal too, in a dictionary as of
                `fer_data.pipelines.images.pipeline`.

        Returns:
            Batches `(images, labels)`, float32 in `[0, 255]` and one-hot: a `tf.data.Dataset`, or
            a `FaceBatches`, without TensorFlow, of a packed file.
        """
        classes = classes or len(self.class_names)
        if self.packed is None:
            from fer_data.pipelines import images

            return images.pipeline(
                self.splits[split],
                size=size,
                channels=channels,
                classes=classes,
                batch_size=batch_size,
                valence_arousal=valence_arousal,
            )
        faces = self.splits[split]
        height, width = (size, size) if isinstance(size, int) else size
        shape = (height, width)
        pictures = face_arrays.resized(faces["image"], shape, channels or faces["image"].shape[-1])
        return FaceBatches(
            pictures,
            face_arrays.targets(faces, classes),
            batch_size,
            valence_arousal=face_arrays.valence_arousal(faces) if valence_arousal else None,
        )

    def with_vote_targets(self, share: float, classes: int | None = None) -> Self:
        """Return the same faces with distributions for the labels and votes of `train`.

        Args:
            share: Share of the distributions that comes from the votes; see `vote_targets`.
            classes: Number of classes, where a model has more than the data.
        """
        mixed = vote_targets(
            self.column("train", "label"),
            self.column("train", "votes"),
            share,
            classes or len(self.class_names),
        )
        return self.with_targets(mixed)

    def with_targets(self, targets: np.ndarray) -> Self:
        """Return the same faces with distributions for the labels and votes of `train`.

        Args:
            targets: float32 `(faces, classes)`, rows that sum to one, in the order of the faces.

        Raises:
            ValueError: If there is not one row for each face of `train`.
        """
        if np.ndim(targets) != 2 or len(targets) != self.counts["train"]:
            raise ValueError(
                f"`targets` must be ({self.counts['train']}, classes), a row for each face of "
                f"'train'. Received: targets of shape {np.shape(targets)}"
            )
        train = self.splits["train"]
        known = [name for name in SHOWN if name in self.features("train")]
        if self.packed is not None:
            train = {name: train[name] for name in known} | {"label": targets}
        else:
            import tensorflow as tf

            targets = tf.data.Dataset.from_tensor_slices(targets)
            train = tf.data.Dataset.zip(train, targets).map(
                lambda face, target: {name: face[name] for name in known} | {"label": target}
            )
        return dataclasses.replace(self, splits={**self.splits, "train": train})

    def joined(self, names: Sequence[str], split: str) -> Self:
        """Return the same faces with several splits joined to one.

        FER2013's own file has two test sets, which its copy on Kaggle joins.

        Args:
            names: The splits, in the order of their faces in the result.
            split: Name of the joined split.

        Raises:
            ValueError: If there is no such split.
        """
        missing = [name for name in names if name not in self.splits]
        if missing or not names:
            raise ValueError(
                f"`names` must be some of the splits {sorted(self.splits)}. "
                f"Received: names={tuple(names)}"
            )
        parts = [self.splits[name] for name in names]
        if self.packed is not None:
            known = [feature for feature in parts[0] if all(feature in part for part in parts)]
            whole = {name: np.concatenate([part[name] for part in parts]) for name in known}
        else:
            whole = functools.reduce(lambda some, more: some.concatenate(more), parts)  # type: ignore[attr-defined]
        count = sum(self.counts[name] for name in names)
        splits = {name: part for name, part in self.splits.items() if name not in names}
        counts = {name: self.counts[name] for name in splits}
        return dataclasses.replace(
            self, splits={**splits, split: whole}, counts={**counts, split: count}
        )


def load_faces(
    data: str,
    path: str | os.PathLike[str] | None = None,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    size: int = RENDERED,
    train: int | None = None,
    validation_fraction: float | None = None,
    validation_from: str = "train",
    test_fraction: float | None = None,
    data_options: Mapping[str, Any] | None = None,
    seed: int = 1,
) -> LabelledFaces:
    """Return the faces of a data set, prepared at the first call and always divided alike.

    Args:
        data: One of `FACES`, such as `"fer2013"`, `"folder"` or `"synthetic"`.
        path: Folder or archive of the data set, or the `.npz` file that `pack_faces` made of it,
            which needs no TensorFlow; None for `"synthetic"`.
        data_dir: Where prepared data are kept; None for the default of tensorflow-datasets.
        size: Side of the faces that are wanted; rendered ones are at least `RENDERED` pixels.
        train: Number of synthetic training faces; None for 7000.
        validation_fraction: Share of the training faces to set apart for validation, where the data
            has no such split. None: for RAF-DB a tenth, or half of the test faces.
        validation_from: `"train"`, or `"test"` to take that share from the test faces.
        test_fraction: Share of the training faces to set apart as test faces.
        data_options: Other options of the data set's builder, such as
            `{"pictures": "original", "detector": "retinaface"}` for RAF-DB, whose faces are then
            found and cut at the first call. For a packed file `limits` alone, such as
            `{"limits": {"array_bytes": 1 << 33}}`.
        seed: Seed of that division, and of synthetic faces. A packed file is divided as the folder
            it was made of, unless its faces have another size there.

    Returns:
        `LabelledFaces`.

    Raises:
        ImportError: If TensorFlow or tensorflow-datasets is missing, and `path` is not packed.
        ValueError: If an argument breaks its rule, the path does not hold the data set, a packed
            file was made of another data set, or a share is set apart for a split that the data
            already has.

    Example:

    ```python
    faces = load_faces("folder", "my_faces", validation_fraction=0.1)
    for images, labels in faces.batches("validation", size=48): ...
    ```
    """
    check_choice("data", data, tuple(FACES))
    check_choice("validation_from", validation_from, ("train", "test"))
    if train is not None:
        check_integer("train", train, 1)
        if data != "synthetic":
            raise ValueError(
                "`train` is the number of synthetic faces, for data='synthetic' alone. "
                f"Received: train={train} and data={data!r}"
            )
    if path is None and data == "folder":
        raise ValueError(
            "`path` must name your folder of faces with data='folder' (--data folder needs "
            "--path FOLDER). Received: path=None"
        )
    fractions = {"validation_fraction": validation_fraction, "test_fraction": test_fraction}
    fractions = {name: value for name, value in fractions.items() if value is not None}
    data_options = dict(data_options or {})
    packed = _read_packed(data, path, data_options.pop("limits", None)) if is_packed(path) else None
    if data == "raf_db" and (packed is None or "validation" not in packed.splits):
        fractions.setdefault("validation_fraction", 0.1 if validation_from == "train" else 0.5)
    if packed is not None and data_options:
        raise ValueError(
            "`data_options` is for folders and archives, but for `limits`: a packed file is "
            "prepared already. Give the others where the file is made (`fer prepare`). "
            f"Received: path={str(path)!r}, "
            f"data_options={data_options!r}"
        )
    if packed is not None:
        return _divided(packed, seed=seed, validation_from=validation_from, **fractions)
    options: dict[str, Any] = {name: value for name, value in fractions.items() if value}
    if options:
        options["seed"] = seed
    if validation_from == "test":
        options["validation_from"] = "test"
    if data == "synthetic":
        _checked_fractions(DRAWN_SPLITS, validation_from, **fractions)
        options = {"train": train or 7000, "seed": seed, "size": max(size, RENDERED)}
    twice = sorted(set(data_options) & {*options, *fractions, "seed", "path", "data_dir"})
    if twice:
        raise ValueError(
            f"`data_options` must not have {twice[0]!r}, which has an argument of its own. "
            f"Received: data_options={data_options!r}"
        )
    options |= data_options
    try:
        builder = datasets.prepare(FACES[data], path=path, data_dir=data_dir, **options)
        return faces_of_builder(builder)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("tensorflow", "tensorflow_datasets"):
            raise
        folder = "" if data == "synthetic" else " --path FOLDER"
        raise ImportError(
            "`path` must be a file of packed faces, since others need TensorFlow: pack them "
            f"where it is installed (`fer prepare {data}{folder} --pack FILE.npz`) and give "
            f"`--path FILE.npz`. Received: data={data!r}, path={path!r} ({error})"
        ) from error


def faces_of_builder(builder: Any) -> LabelledFaces:
    """Return the faces of a prepared data set.

    Args:
        builder: The result of `fer_data.datasets.prepare` for a data set of single faces.
    """
    return LabelledFaces(
        splits={name: builder.as_dataset(split=name) for name in builder.info.splits},
        counts={name: split.num_examples for name, split in builder.info.splits.items()},
        class_names=tuple(builder.info.features["label"].names),
        source=str(builder.data_path),
    )


def is_packed(path: str | os.PathLike[str] | None) -> bool:
    """Return whether a path names a file of `pack_faces`."""
    return path is not None and Path(path).suffix == ".npz"


def pack_faces(
    faces: LabelledFaces,
    path: str | os.PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Put prepared faces into one file, which `load_faces` reads without TensorFlow.

    Use it for a machine with a graphics card and JAX or PyTorch. The pictures are lossless WebP. A
    face with a box is cut out of its picture, as `fer_data.pipelines.images.pipeline` cuts it. The
    file holds faces of people: treat it as the data set.

    Args:
        faces: The faces.
        path: The file, ending in `.npz`.
        size: Height and width of the faces in all splits; None for those of the first one, or its
            shorter side where faces are cut by boxes.
        about: How they were made, of JSON's types; `data` is the name of the data set.

    Raises:
        ValueError: If faces have a box but no framing, or are to be cut by boxes with a height
            unlike the width, or a box does not meet its picture.

    Example:

    ```python
    pack_faces(load_faces("fer2013", "archive.zip"), "faces.npz", about={"data": "fer2013"})
    ```
    """
    splits, size = {}, _packed_size(faces, size)
    for name, count in faces.counts.items():
        rows = faces.dataset(name).as_numpy_iterator()
        bar = tqdm(rows, name, count, unit="face", disable=None)
        splits[name] = _arrays(bar, size)
    face_arrays.write(path, splits, faces.class_names, dict(about or {}))


def _packed_size(faces, size):
    """Return the height and width of packed faces, the same in all splits."""
    split = next(iter(faces.counts))
    first = next(faces.dataset(split).take(1).as_numpy_iterator())
    sides = first["image"].shape[:2]
    if "box" not in first:
        return size or sides
    if "framing" not in first:
        raise ValueError(
            "`faces` must have the feature `framing` where they have `box`, to say how the faces "
            f"lie in their boxes. Received: faces with the features {sorted(first)}"
        )
    size = size or (min(sides), min(sides))
    if size[0] != size[1]:
        raise ValueError(
            "`size` must be a height and a width alike where faces have the feature `box`: they "
            f"are cut out as squares. Received: size={size}"
        )
    return size


def _arrays(faces: Iterable[Mapping[str, Any]], size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Return dictionaries of single faces as arrays, by feature."""
    rows = [
        {"image": _shown(row, size)} | {name: row[name] for name in KEPT if name in row}
        for row in faces
    ]
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def _shown(row, size):
    """Return what the network sees of a face: its box, where it is known, or else the picture."""
    image = row["image"]
    channels = image.shape[-1]
    if "box" in row:
        return cut_by_box(image, row["box"], row["framing"], size[0], channels)
    return face_arrays.resized(image[None], size, channels)[0]


def _read_packed(data, path, limits):
    splits, names, about = face_arrays.read(path, limits)
    if about.get("data", data) != data:
        raise ValueError(
            f"`data` must be {about['data']!r}, of which {path} was made. Received: data={data!r}"
        )
    counts = {name: len(faces["image"]) for name, faces in splits.items()}
    return LabelledFaces(splits, counts, names, str(path), about)


def _checked_fractions(splits, validation_from, validation_fraction=0.0, test_fraction=0.0):
    """Return the shares by split, if they can be set apart in data with these splits."""
    fractions = {"validation": validation_fraction, "test": test_fraction}
    check_undivided(splits, fractions, validation_from)
    check_shares(validation_fraction, test_fraction, validation_from)
    return fractions


def _divided(faces, *, seed, validation_from, validation_fraction=0.0, test_fraction=0.0):
    """Return packed faces with a share set apart, as `LocalBuilder` sets apart files."""
    fractions = _checked_fractions(
        faces.splits, validation_from, validation_fraction, test_fraction
    )
    if not any(fractions.values()):
        return faces
    source = faces.splits[validation_from]
    subjects, labels = source.get("subject", np.array([], "S")).tolist(), source["label"].tolist()
    if any(subjects):
        goes = set_people_apart(subjects, labels, fractions, seed)
    else:
        pictures = [picture.pixel_hash(image) for image in source["image"]]
        goes = set_apart(pictures, labels, fractions, seed)
    places = np.array([name or validation_from for name in goes])
    splits = dict(faces.splits)
    # A share of a few faces may round to none.
    for name in np.unique(places).tolist():
        splits[name] = {feature: values[places == name] for feature, values in source.items()}
    if validation_from == "train":
        _mark_copies(splits)
    counts = {name: len(part["image"]) for name, part in splits.items()}
    return dataclasses.replace(faces, splits=splits, counts=counts)


def _mark_copies(splits):
    """Mark anew the copies of faces in `train`, which has lost some."""
    marked = [name for name, part in splits.items() if name != "train" and "copy_in_train" in part]
    if not marked:
        return
    learned = {picture.pixel_hash(image) for image in splits["train"]["image"]}
    for name in marked:
        copies = [picture.pixel_hash(image) in learned for image in splits[name]["image"]]
        splits[name] = {**splits[name], "copy_in_train": np.array(copies)}
