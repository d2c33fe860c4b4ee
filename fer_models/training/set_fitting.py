"""Rules for answers that may be unsure, fitted on validation faces and kept in the model card."""

import datetime
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fer_data.files import write_json
from fer_data.pipelines.labelled_faces import is_packed, load_faces
from fer_models.evaluation.prediction_sets import COVERAGES, set_table
from fer_models.evaluation.split_scores import score_split
from fer_models.training.run_history import packed_faces
from fer_models.zoo import bundled
from fer_models.zoo.loading import load_model

SPLIT = "validation"


def fit_bundled_sets(
    source: str,
    path: str | os.PathLike[str] | None = None,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    folder: str | os.PathLike[str] = bundled.FOLDER,
) -> dict[str, Any]:
    """Fit the sets of bundled weights on the validation faces of their data, and write the card.

    Faces that are copies of training faces are left out: the network knows them, and is surer of
    them than of new ones.

    Args:
        source: Name and tag, such as `"ghostface:fer2013"`.
        path: Folder or archive of the data set of the card, or its packed file.
        data_dir: Where prepared data sets are kept; None for the default.
        folder: Folder with the card to write. By default that of the package.

    Returns:
        The card's new entry of the sets: `prediction_sets`.

    Raises:
        ValueError: If there are no such weights, the path does not hold the faces of their
            training, or there are too few faces.

    Example:

    ```python
    fitted = fit_bundled_sets("ghostface:fer2013", "faces.npz")
    print(fitted["rules"][1]["limit"])
    ```
    """
    name, tag = bundled.split(source)
    card = bundled.weights(name, tag).card
    # Cards of before have no word of the division: theirs was that of the data set.
    options = dict(card.get("dividing", {}))
    if is_packed(path):
        # Options of preparing.
        options.pop("data_options", None)
    seed = card.get("seed", 1)
    faces = load_faces(card["data"], path, data_dir=data_dir, seed=seed, **options)
    counts = {split: faces.counts.get(split, 0) for split in card["faces"]}
    if counts != card["faces"]:
        raise ValueError(
            f"`path` must hold the faces of the training of {name}:{tag}, divided as they were: "
            f"{card['faces']}. Received: {counts} in {path}"
        )
    height, width, channels = card["input_shape"]
    model, names = load_model(f"{name}:{tag}")
    batches = faces.batches(SPLIT, size=(height, width), channels=channels, classes=len(names))  # type: ignore[arg-type]
    scored = score_split(model, batches, names)
    copies = None
    if "copy_in_train" in faces.features(SPLIT):
        copies = faces.column(SPLIT, "copy_in_train")
    kind = "FOLDER" if faces.packed is None else packed_faces(card["data"])
    words = ["fer", "weights", "sets", f"{name}:{tag}", "--path", kind]
    fitted = sets_of(scored.labels, scored.probabilities, copies, names, shlex.join(words))  # type: ignore[arg-type]
    if fitted is None:
        raise ValueError(
            f"The data must hold enough {SPLIT} faces for a coverage of {min(COVERAGES)}. "
            f"Received: {len(scored.labels)} in {path}"
        )
    target = Path(folder) / f"{name}_{tag}.json"
    write_json(target, card | {"prediction_sets": fitted})
    return fitted


def sets_of(
    labels: np.ndarray,
    probabilities: np.ndarray,
    copies: np.ndarray | None,
    class_names: Sequence[str],
    command: str,
) -> dict[str, Any] | None:
    """Return a card's entry of sets; None where even the least coverage has too few faces.

    Args:
        labels: Class numbers of the validation faces `(faces,)`.
        probabilities: What the weights say of them, `(faces, classes)`.
        copies: Which of them are copies of training faces, and are left out; None if unknown.
        class_names: Names in class order.
        command: The command that fits them.
    """
    fresh = np.full(len(labels), True) if copies is None else ~np.asarray(copies, bool)
    labels, probabilities = labels[fresh], probabilities[fresh]
    # The smaller half of the faces, from which the other half's sets come, must do as well.
    least = len(labels) // 2
    coverages = [each for each in COVERAGES if np.ceil((least + 1) * each) <= least]
    if not coverages:
        return None
    table = set_table(labels, probabilities, class_names, coverages)
    about = {"command": command, "date": datetime.date.today().isoformat()}
    faces = SPLIT if copies is None else f"{SPLIT}, without copies of training faces"
    return {**table, "faces": faces, **about}
