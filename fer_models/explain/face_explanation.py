"""Explanation of a model on faces: heat maps, a check of them, and attention gates."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments
from fer_data.checks import as_array
from fer_models.explain.contact_sheet import checked_names, contact_sheet
from fer_models.explain.deletion import DeletionInsertion, check_channels_last, deletion_insertion
from fer_models.explain.gate_sheet import gate_sheet, plot_channel_gates
from fer_models.explain.gates import attention_gates
from fer_models.explain.grad_cam import GradCAM, visual_inputs


@dataclasses.dataclass(frozen=True, eq=False)
class FaceExplanation:
    """The result of `explain_faces`.

    Attributes:
        probabilities: The model's answers, `(faces, classes)`.
        explained: Number of the class that each heat map explains.
        heat_maps: `(faces, height, width)` from 0 to 1.
        found: How the probability of that class falls and rises as the hottest places are deleted
            and inserted.
        chance: The same with random maps, for comparison.
        pictures: Paths of the pictures.
    """

    probabilities: np.ndarray
    explained: np.ndarray
    heat_maps: np.ndarray = dataclasses.field(repr=False)
    found: DeletionInsertion
    chance: DeletionInsertion
    pictures: tuple[Path, ...]

    def to_list(self, class_names: Sequence[str]) -> list[dict[str, Any]]:
        """Return a dictionary for each face, of JSON's types.

        Args:
            class_names: Names of the classes in their order.
        """
        return [
            {
                "label": class_names[int(said.argmax())],
                "probabilities": dict(zip(class_names, map(float, said), strict=True)),
                "explained": class_names[number],
                "deletion_auc": float(self.found.deletion_auc[face]),
                "insertion_auc": float(self.found.insertion_auc[face]),
                "random_deletion_auc": float(self.chance.deletion_auc[face]),
                "random_insertion_auc": float(self.chance.insertion_auc[face]),
            }
            for face, (said, number) in enumerate(
                zip(self.probabilities, self.explained, strict=True)
            )
        ]


@arguments.checked(class_names=arguments.sequence(arguments.scalar))
def explain_faces(
    model: keras.Model,
    images: ArrayLike,
    folder: str | os.PathLike[str],
    class_names: Sequence[str] | None = None,
    *,
    labels: Sequence[str] | None = None,
    class_index: int | None = None,
    method: str = "grad_cam",
    seed: int = 0,
) -> FaceExplanation:
    """Draw where a model looks in faces, and measure whether the maps are better than random ones.

    The folder gets `grad_cam.png`; `gates.png` if the model has attention gates that vary in space;
    and `channels.png` if some vary over the channels.

    Args:
        model: Built Keras model of one image, channels last, that returns probabilities
            `(batch, classes)`.
        images: `(faces, height, width, channels)` in [0, 255], as the model takes them.
        folder: Where the pictures go.
        class_names: A name for each class; None calls them "0", "1", ...
        labels: True class of each face by name, or None. With labels, right predictions are green
            and wrong ones red.
        class_index: Class to explain; None for the predicted one of each face.
        method: `"grad_cam"` or `"hires_cam"`; see `grad_cam`.
        seed: Seed of the random maps.

    Returns:
        `FaceExplanation`.

    Raises:
        ValueError: If the model has no convolution to explain it by or takes its channels first,
            or an argument breaks its rule.

    Example:

    ```python
    found = explain_faces(model, faces, "explained", class_names)
    print(found.found.deletion_auc.mean(), "by chance", found.chance.deletion_auc.mean())
    ```
    """
    images, folder = as_array("images", images), Path(folder)
    check_channels_last(model, visual_inputs(model))
    explain = GradCAM(model, method=method)
    names = checked_names("class_names", class_names, explain.classes) or [
        str(number) for number in range(explain.classes)
    ]
    heat_maps = explain(images, class_index)
    said = np.asarray(model.predict(images, verbose=0), "float32")
    explained = said.argmax(1) if class_index is None else np.full(len(said), class_index)
    random = np.random.default_rng(seed).random(heat_maps.shape)
    found, chance = (
        deletion_insertion(model, images, maps, explained, seed=seed)
        for maps in (heat_maps, random)
    )
    predictions = [f"{names[row.argmax()]} {row.max():.0%}" for row in said]
    pictures = [
        contact_sheet(
            images, folder / "grad_cam.png", heat_maps, labels=labels, predictions=predictions
        )
    ]
    gates = attention_gates(model, images)
    if any(gate.space() is not None for gate in gates):
        pictures.append(
            gate_sheet(images, gates, folder / "gates.png", labels=labels, predictions=predictions)
        )
    if any(gate.channels() is not None for gate in gates):
        pictures.append(plot_channel_gates(gates, folder / "channels.png"))
    return FaceExplanation(said, explained, heat_maps, found, chance, tuple(pictures))
