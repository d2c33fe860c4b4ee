"""Build a classifier of expressions on a pre-trained trunk: a teacher of the light networks."""

import numbers
from pathlib import Path
from typing import Unpack

import keras
import numpy as np

from fer_models.families.building import (
    build_image_model,
    bundled_option,
    channel_axis,
    square_shape,
)
from fer_models.families.shared_arguments import ImageArguments, image_builder
from fer_models.zoo import trunks
from fer_models.zoo.channels import in_colour

# Enough for the statistics of batch norm.
FACES = 512


@image_builder
def pretrained_classifier(
    *,
    trunk: str | None = None,
    trunk_weights: str | Path | None = None,
    faces: str | Path | np.ndarray | None = None,
    head_rate: float | None = None,
    **common: Unpack[ImageArguments],
) -> keras.Model:
    """Build a classifier on a pre-trained trunk.

    The features of the trunk are averaged over the positions and read by a dense layer. That layer
    starts at zero, so that its first steps do not destroy what the trunk has learned.

    The weights of the trunks do not come with the package, and each has terms of its own:
    `fer_models.zoo.trunks.about(name)` names their source and terms.

    Args:
        weights: None, a tag of the registry (`"large"`), or the path of a `.weights.h5` or `.keras`
            file of the whole model. A tag sets `input_shape` and `trunk` as they were in training
            and calibrates the probabilities. With weights `trunk_weights` and `faces` must be None.
        input_shape: Shape of one image, height and width of 32 or more (103 for dlib), or None for
            any; 1 channel (grey) or 3 (RGB). Default: grey, of the trunk's own size: 96, or 150
            for dlib.
        include_preprocessing: Whether the model scales each image itself, as its trunk was
            trained, so that it takes pixels of [0, 255] as they are.
        trunk: A key of `fer_models.zoo.trunks.TRUNKS`: `"faceres"`, `"dlib"`, `"lite0"`, `"lite1"`
            or `"lite2"`. Default `"faceres"`.
        trunk_weights: File of the trunk's weights, as its source has it or as `.npz`
            (`fer_models.zoo.trunks.read_trunk` names the formats); None for random ones.
        faces: A file of packed faces (`fer prepare --pack`), or training faces themselves, uint8
            `(faces, height, width, channels)`. Batch norm gets the statistics of 512 of them.
            Weights with batch norm folded into the convolutions, such as those of faceres and dlib,
            cannot be trained further without such faces. None keeps the statistics of the file.
        head_rate: Factor of the averaged features. With Adam, the dense layer then learns so many
            times as fast as the trunk. Default 5.

    Example:

    >>> import fer_models
    >>> fer_models.pretrained_classifier(trunk="faceres", classes=8).output_shape
    (None, 8)

    Reference:
        That of each trunk: `fer_models.zoo.trunks.about(name).reference`.
    """
    weights = common.get("weights")
    trunk = bundled_option("pretrained_classifier", weights, "trunk", trunk, "faceres")
    head_rate = bundled_option("pretrained_classifier", weights, "head_rate", head_rate, 5.0)
    known = trunks.about(trunk)
    number = isinstance(head_rate, numbers.Real) and not isinstance(head_rate, bool)
    if not number or not head_rate > 0:
        raise ValueError(f"`head_rate` must be positive. Received: head_rate={head_rate!r}")
    if weights is not None and not (trunk_weights is None and faces is None):
        raise ValueError(
            "`weights` of the whole model leave nothing to `trunk_weights` and `faces`: leave "
            f"these out, or set them to None. Received: weights={str(weights)!r}, "
            f"trunk_weights={trunk_weights!r}, faces={faces!r}"
        )
    if faces is not None and trunk_weights is None:
        raise ValueError(
            "`faces` is for a trunk with weights: give `trunk_weights` too. "
            f"Received: faces={str(faces)!r}, trunk_weights=None"
        )

    def head(x):
        x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
        return keras.layers.Rescaling(head_rate, name="head_rate")(x)

    model = build_image_model(
        lambda x: known.body(in_colour(x)),
        family="pretrained_classifier",
        default_shape=square_shape(known.size, 1),
        min_size=known.min_size,
        head=head,
        preprocess=lambda x: known.scaling(in_colour(x)),
        **common,
    )
    if common["include_top"] and weights is None:
        dense = model.get_layer("logits")
        dense.kernel.assign(np.zeros(dense.kernel.shape, "float32"))
    if trunk_weights is not None:
        trunks.read_trunk(model, trunk, trunk_weights)
    if faces is not None:
        trunks.unfold_batch_norm(model, _some(faces, model.input_shape[1:]))
    return model


def _some(faces, shape):
    """Return training faces, of a file too, in the form that a model of that input takes."""
    from fer_data.pipelines import face_arrays

    first = channel_axis() == 1
    channels, size = (shape[0], shape[1:]) if first else (shape[2], shape[:2])
    if None in size:
        raise ValueError(
            f"`input_shape` must have a height and a width with `faces`. Received: {shape}"
        )
    images = faces if isinstance(faces, np.ndarray) else _training_faces(faces)
    chosen = np.random.default_rng(0).permutation(len(images))[:FACES]
    images = face_arrays.resized(images[chosen], tuple(size), channels)
    return images.transpose(0, 3, 1, 2) if first else images


def _training_faces(path):
    from fer_data.pipelines import face_arrays

    splits, _, _ = face_arrays.read(path)
    if "train" not in splits:
        raise ValueError(
            f"`faces` must be a file with a split 'train'. Received: {str(path)!r} with "
            f"{sorted(splits)}"
        )
    return splits["train"]["image"]
