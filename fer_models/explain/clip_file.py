"""Explanation of a network on clips of a data set: one picture for each clip."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from fer_data import datasets
from fer_data.checks import check_choice, check_integer
from fer_models.explain.clip_explanation import clip_explanation

DATA = ("synthetic", "casme2", "cas_me2", "cas_me3", "samm_long_videos", "smic_hs")
TYPES = ("png", "jpg", "svg", "pdf")
SIDE = 128  # pixels of the aligned faces, as the data sets are prepared


def explain_clip_file(
    model: str | os.PathLike[str] | keras.Model,
    output: str | os.PathLike[str] = "explained",
    *,
    data: str = "synthetic",
    path: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    clip: str | None = None,
    subject: str | None = None,
    per_class: int = 1,
    seed: int = 1000,
    motion: bool | None = None,
    region_cut: str | None = None,
    method: str | None = None,
    columns: int = 8,
    type: str = "png",
) -> list[Path]:
    """Draw where and when a network for micro-expressions looks, in clips of a data set.

    Each picture holds the heat map of the predicted class and the attention gates, by region and
    over time. Prefer clips of people that the network has not seen: clips that it was trained on
    tell less.

    Args:
        model: A network of clips, or the path of its `.keras` file.
        output: Folder to write into. Files are named by the ids of the clips.
        data: The data set, a name of `DATA`.
        path: Folder or archive of the data set; None for `"synthetic"`.
        data_dir: Where prepared data sets are kept. Default: tensorflow-datasets' own folder.
        clip: Id of the one clip to explain; None for the first ones of each class.
        subject: Only clips of this subject; None for any.
        per_class: Clips of each class.
        seed: Seed of the synthetic people.
        motion: Whether the network was trained on clips minus their first frame. None takes this
            from its file; if no file says so, True, with a warning.
        region_cut: `"landmarks"` or `"grid"`, the regions that it was trained on; None takes them
            from its file; if no file names them, the grid, with a warning.
        method: `"grad_cam"` or `"hires_cam"`; None for the one that fits the network.
        columns: Time steps that are shown, at most.
        type: File type of the pictures, a name of `TYPES`.

    Returns:
        The paths of the pictures.

    Raises:
        FileNotFoundError: If there is no model or no data set at a path.
        ValueError: If the model does not take clips, its classes are not those of the data set, or
            no clip fits.

    Example:

    ```python
    explain_clip_file("runs/casme2/folds/000/model.keras", data="casme2", path="CASME2")
    ```
    """
    # Imported here: they need TensorFlow, which the other explanations do not.
    from fer_data.pipelines.clips import REGIONS
    from fer_models.spotting.clip_network import ClipNetwork

    check_choice("data", data, DATA)
    check_choice("type", type, TYPES)
    check_integer("per_class", per_class, 1)
    if data != "synthetic" and path is None:
        raise ValueError(f"`path` must name the folder or archive of {data}. Received: path=None")
    network = ClipNetwork(model, motion=motion, region_cut=region_cut)
    builder = _prepared(data, path, data_dir, per_class, seed)
    classes = tuple(builder.info.features["label"].names)
    if classes != network.class_names:
        raise ValueError(
            f"The classes of {data} must be those of the network, {network.class_names}. "
            f"Received: {classes}"
        )
    written = []
    for example in _chosen(builder, clip, subject, per_class):
        name = example["id"].decode()
        label = int(example["label"])
        inputs, frames = _parts(network, example)
        written.append(
            clip_explanation(
                network.model,
                inputs,
                Path(output) / f"{name.replace('/', '_')}.{type}",
                frames,
                region_names=REGIONS[network.regions],
                class_names=classes,
                label=classes[label] if label >= 0 else None,
                method=method,
                columns=columns,
            )
        )
    if not written:
        raise ValueError(
            f"There is no clip to explain in {data}. Received: clip={clip!r}, subject={subject!r}"
        )
    return written


def _prepared(data, path, data_dir, per_class, seed):
    options, name = {}, data
    if data == "synthetic":
        name = "synthetic_micro_expressions"
        options = {
            "subjects": per_class,
            "clips": 1,
            "size": SIDE,
            "seed": seed,
            "amplitude": (2.0, 3.0),
        }
    return datasets.prepare(name, path=path, data_dir=data_dir, **options)


def _chosen(
    builder: Any, clip: str | None, subject: str | None, per_class: int
) -> Iterator[dict[str, Any]]:
    """Yield the clips to explain. Without `clip` only clips with a label are taken."""
    counts: dict[int, int] = {}
    for example in builder.as_dataset(split="clips").as_numpy_iterator():
        label = int(example["label"])
        if subject is not None and example["subject"].decode() != subject:
            continue
        if clip is not None:
            if example["id"].decode() == clip:
                yield example
                return
        elif label >= 0 and counts.get(label, 0) < per_class:
            counts[label] = counts.get(label, 0) + 1
            yield example


def _parts(network, example):
    """Return the network's inputs for a clip, and the pictures to show, or None for the inputs."""
    clip = network.clip(example["frames"], example["frame_numbers"])[None]
    landmarks = None
    if network.region_cut == "landmarks":
        side = example["frames"].shape[1]
        landmarks = network.landmarks(example["landmarks"], side)[None]
    found = [
        [part[0] for part in network.inputs(clip, landmarks, motion)]
        for motion in (network.motion, False)
    ]
    return found[0], found[1] if network.motion else None
