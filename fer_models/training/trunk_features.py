"""Features of faces by a frozen, pre-trained trunk: computed once, read by small models."""

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments, files
from fer_data.checks import check_mapping, checked_images
from fer_data.file_limits import UnreadableError
from fer_data.npz import read_npz
from fer_data.pipelines import face_arrays
from fer_models.families.pretrained_classifier import pretrained_classifier
from fer_models.training.runs import sha256_of
from fer_models.zoo import trunks
from fer_models.zoo.channels import channel_axis

# Faces that a trunk sees at once.
TOGETHER = 128


@dataclasses.dataclass(frozen=True, eq=False)
class FaceFeatures:
    """The features of faces, split by split.

    Attributes:
        features: By name of the split float32 `(faces, features)`.
        labels: By name of the split class numbers `(faces,)`.
        class_names: Names of the classes.
        about: Where they come from: trunk, SHA-256 of its weights and of the faces.
    """

    features: Mapping[str, np.ndarray]
    labels: Mapping[str, np.ndarray]
    class_names: tuple[str, ...]
    about: Mapping[str, Any]

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write them to an `.npz` file.

        Args:
            path: The file.
        """
        content = {
            "class_names": np.array(self.class_names),
            "about": np.array(json.dumps(dict(self.about))),
        }
        for split, values in self.features.items():
            content |= {f"{split}/features": values, f"{split}/label": self.labels[split]}
        files.write_arrays(path, content, compressed=False)


@arguments.checked(path=arguments.path)
def read_features(path: str | os.PathLike[str]) -> FaceFeatures:
    """Read features that `FaceFeatures.write` wrote.

    Args:
        path: The `.npz` file.

    Returns:
        `FaceFeatures`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no such file, or features and labels do not fit each other.
    """
    try:
        content = read_npz(path)
        names = tuple(content.pop("class_names").tolist())
        about = json.loads(content.pop("about").item())
        check_mapping("about", about)
        splits = sorted({name.partition("/")[0] for name in content})
        features = {split: content.pop(f"{split}/features") for split in splits}
        labels = {split: content.pop(f"{split}/label") for split in splits}
        fitting = not content and all(
            features[split].ndim == 2 and labels[split].shape == features[split].shape[:1]
            for split in splits
        )
    except (UnreadableError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(
            f"`path` must name a file of features (`FaceFeatures.write`). Received: {str(path)!r} "
            f"({error})"
        ) from error
    if not fitting:
        raise ValueError(
            "`path` must name a file with features (faces, features) and a label for each face. "
            f"Received: {str(path)!r}"
        )
    return FaceFeatures(features, labels, names, about)


@arguments.checked(
    trunk=arguments.choice(tuple(trunks.TRUNKS)),
    trunk_weights=arguments.path,
    size=arguments.integer(32),
    progress=arguments.flag,
)
def trunk_features(
    images: ArrayLike,
    *,
    trunk: str = "faceres",
    trunk_weights: str | os.PathLike[str] | None = None,
    size: int | None = None,
    progress: bool = False,
) -> np.ndarray:
    """Return the features of faces by a trunk that is not trained: its map's means by channel.

    The trunk keeps the statistics of batch norm of its file. So the features of a face depend on
    no other face, and a private training may start from them.

    Args:
        images: `(faces, height, width, channels)` of [0, 255], 1 channel or 3 (RGB).
        trunk: A key of `fer_models.zoo.trunks.TRUNKS`.
        trunk_weights: File of the trunk's weights, as its source has it or as `.npz`; None for
            random ones.
        size: Side at which the trunk sees the faces. None: its own, 96, or 150 for dlib.
        progress: Whether to show a bar.

    Returns:
        float32 `(faces, features)`.

    Raises:
        ValueError: If an argument breaks its rule, or the file is not of the trunk's weights.

    Example:

    ```python
    found = trunk_features(images, trunk="faceres", trunk_weights="faceres.npz")
    ```
    """
    from tqdm import tqdm

    images = checked_images(images)
    if images.dtype != np.uint8:
        images = np.clip(np.round(images), 0, 255).astype("uint8")
    side = trunks.about(trunk).size if size is None else size
    first = channel_axis() == 1
    shape = (1, side, side) if first else (side, side, 1)
    network = pretrained_classifier(
        trunk=trunk,
        trunk_weights=None if trunk_weights is None else Path(trunk_weights),
        input_shape=shape,
        include_top=False,
    )
    pooled = keras.layers.GlobalAveragePooling2D()(network.output)
    model = keras.Model(network.inputs[0], pooled)
    found = []
    starts = range(0, len(images), TOGETHER)
    for start in tqdm(starts, desc="features", unit="batch", disable=None if progress else True):
        batch = images[start : start + TOGETHER]
        batch = face_arrays.resized(batch, (side, side), 1)
        batch = batch.transpose(0, 3, 1, 2) if first else batch
        found.append(np.asarray(model.predict_on_batch(batch), "float32"))
    return np.concatenate(found)


@arguments.checked(
    faces=arguments.path,
    trunk=arguments.choice(tuple(trunks.TRUNKS)),
    trunk_weights=arguments.path,
    size=arguments.integer(32),
    progress=arguments.flag,
)
def packed_features(
    faces: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    trunk_weights: str | os.PathLike[str],
    trunk: str = "faceres",
    size: int | None = None,
    progress: bool = False,
) -> FaceFeatures:
    """Compute the features of packed faces once, and read them back at the next call.

    Args:
        faces: A file of packed faces (`fer prepare --pack`).
        output: The `.npz` file of the features. If it is there, it is read and not made again.
        trunk_weights: File of the trunk's weights, as its source has it or as `.npz`.
        trunk: As in `trunk_features`.
        size: As in `trunk_features`.
        progress: Whether to show a bar.

    Returns:
        `FaceFeatures` of all splits.

    Raises:
        ValueError: If an argument breaks its rule, or `output` holds features of other faces, of
            another trunk, or of other weights.

    Example:

    ```python
    found = packed_features("faces.npz", "features.npz", trunk_weights="faceres.npz")
    print(found.features["train"].shape)
    ```
    """
    about = {
        "trunk": trunk,
        "size": trunks.about(trunk).size if size is None else size,
        "weights_sha256": sha256_of(trunk_weights)[0],
        "faces_sha256": sha256_of(faces)[0],
    }
    if Path(output).exists():
        kept = read_features(output)
        if dict(kept.about) != about:
            raise ValueError(
                "`output` must be free, or hold the features of these faces by this trunk: remove "
                f"it to have them made. Received: {str(output)!r} with {dict(kept.about)}"
            )
        return kept
    splits, names, _ = face_arrays.read(faces)
    made = FaceFeatures(
        {
            split: trunk_features(
                arrays["image"],
                trunk=trunk,
                trunk_weights=trunk_weights,
                size=size,
                progress=progress,
            )
            for split, arrays in splits.items()
        },
        {split: arrays["label"] for split, arrays in splits.items()},
        names,
        about,
    )
    made.write(output)
    return made
