"""The facts about prepared clips that protocols need, read without decoding a frame."""

from typing import TYPE_CHECKING

import numpy as np

from fer_data.protocols.subjects import Clips

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

FEATURES = ("id", "subject", "label", "content")


def read(*builders: "tfds.core.DatasetBuilder", split: str = "clips") -> Clips:
    """Return the ids, subjects, labels and content hashes of prepared data sets of clips.

    The order is that of `builder.as_dataset(split="clips")`, one builder after the other: place
    `i` of the table is example `i`.

    Args:
        *builders: Prepared builders, as from `fer_data.datasets.prepare`.
        split: Which split to read.

    Returns:
        `fer_data.protocols.Clips`.

    Raises:
        ValueError: If no builder is given, one has no such features, or their class names differ.
    """
    import tensorflow_datasets as tfds

    if not builders:
        raise ValueError("`builders` must hold one builder or more. Received: none")
    columns = {name: [] for name in FEATURES}
    for builder in builders:
        _check(builder, builders[0])
        decoders = tfds.decode.PartialDecoding(dict.fromkeys(FEATURES, True))
        for example in builder.as_dataset(split=split, decoders=decoders).as_numpy_iterator():
            for name in FEATURES:
                value = example[name]
                columns[name].append(value.decode() if isinstance(value, bytes) else int(value))
    return Clips(
        np.array(columns["id"]),
        np.array(columns["subject"]),
        np.array(columns["label"], dtype=np.int64),
        np.array(columns["content"]),
    )


def _check(builder, first):
    lacking = [name for name in FEATURES if name not in builder.info.features]
    if lacking:
        raise ValueError(
            f"`builders` must have the features {FEATURES}. Received: {builder.name!r}, which "
            f"lacks {lacking}"
        )
    names = builder.info.features["label"].names
    if names != first.info.features["label"].names:
        raise ValueError(
            "`builders` must have the same classes in the same order. Received: "
            f"{first.name!r} with {first.info.features['label'].names}, {builder.name!r} with "
            f"{names}"
        )
