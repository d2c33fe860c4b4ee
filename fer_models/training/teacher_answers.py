"""Write what teachers answer to training faces to a file, and read it for their students.

A student that learns from the file needs no teacher at run time: each answer is computed once, for
the plain face, and every augmented form of the face keeps it.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from tqdm import tqdm

from fer_data.checks import check_integer
from fer_data.file_limits import UnreadableError
from fer_data.files import write_arrays
from fer_data.npz import read_npz
from fer_data.pipelines import face_arrays
from fer_data.pipelines.labelled_faces import LabelledFaces
from fer_data.pipelines.split_arrays import check_split
from fer_models.training import runs

# Each face is seen as it is, moved up and to the left, and moved down and to the right, each time
# with its mirror image.
MOVES = (0, -1, 1)
# Of the side of a face: five pixels of 96.
MOVE = 5 / 96
ARRAYS = ("answers", "sha256", "class_names", "faces_npz_sha256", "note", "about")


@dataclasses.dataclass(frozen=True, eq=False)
class TeacherAnswers:
    """Answers of teachers to faces; `read_answers` makes it.

    Attributes:
        path: The file.
        probabilities: float32 `(faces, classes)`, rows that sum to one.
        hashes: SHA-256 of the pixels of each face, as hexadecimal digits.
        class_names: Names of the classes, in the order of the columns.
        packed_sha256: SHA-256 of the file of packed faces.
        note: What they are, in words.
        about: `commands` that led to them, and `ancestry`, the pre-trained trunks from which the
            teachers descend.
    """

    path: str
    probabilities: np.ndarray
    hashes: np.ndarray
    class_names: tuple[str, ...]
    packed_sha256: str
    note: str
    about: Mapping[str, Any]

    def of(
        self, faces: LabelledFaces, class_names: Sequence[str], split: str = "train"
    ) -> np.ndarray:
        """Return the answers to packed faces, found by their pixels.

        Args:
            faces: What `load_faces` gives for a packed file.
            class_names: Names of the classes in the order that is wanted.
            split: Name of the split.

        Returns:
            float32 `(faces, classes)`, rows that sum to one, in the order of the faces.

        Raises:
            ValueError: If there is no answer to a face, or the classes are others.
        """
        if tuple(class_names) != self.class_names:
            raise ValueError(
                f"The answers in {self.path} must be of the classes of {faces.source}, "
                f"{list(class_names)}. Received: answers of {list(self.class_names)}"
            )
        rows = {digest: row for row, digest in enumerate(self.hashes.tolist())}
        found = [rows.get(digest, -1) for digest in _digests(_packed_images(faces, split))]
        missing = found.count(-1)
        if missing:
            raise ValueError(
                f"{self.path} must hold an answer to each of the {len(found):,} faces of "
                f"{faces.source}, split {split!r}. Received: none to {missing:,} of them; write "
                "the file again with `fer answers` and these faces"
            )
        return self.probabilities[found]


def write_answers(
    path: str | os.PathLike[str],
    models: Sequence[keras.Model],
    faces: LabelledFaces,
    split: str = "train",
    *,
    class_names: Sequence[str] | None = None,
    batch_size: int = 256,
    about: Mapping[str, Any] | None = None,
) -> np.ndarray:
    """Write the mean answers of trained models to the faces of a packed file.

    Each model sees each face in six views: as it is, moved along the diagonal by a nineteenth of
    its side in both directions (edge pixels fill what is uncovered), and the mirror images of the
    three. An answer is the mean of the probabilities over views and models. The views are those of
    this function alone: a student may see its faces augmented in any other way.

    Args:
        path: The file to write, ending in `.npz`. It holds `answers` (float16, in the order of
            the faces), `sha256` of each face, `class_names`, `faces_npz_sha256` of the packed
            file, `note` and `about`; no face.
        models: Trained `keras.Model`s of single faces, images to probabilities, with one order of
            classes. Their sizes of images may differ.
        faces: What `load_faces` gives for a packed file.
        split: Name of the split.
        class_names: Names of the outputs; None for those of the data.
        batch_size: Faces in a step.
        about: What else to keep, of JSON's types: `commands` and `ancestry`.

    Returns:
        The answers as they were written, float16 `(faces, classes)`.

    Raises:
        ValueError: If the faces are not those of a packed file, or a model does not fit.

    Example:

    ```python
    faces = load_faces("fer2013", "faces.npz")
    teachers = [fer_models.load_model(f"runs/teacher{number}/last.keras")[0] for number in (1, 2)]
    write_answers("answers.npz", teachers, faces)
    ```

    Reference:
        Hinton et al., "Distilling the Knowledge in a Neural Network", 2015
        (https://arxiv.org/abs/1503.02531).
    """
    check_integer("batch_size", batch_size, 1)
    if Path(path).suffix != ".npz":
        raise ValueError(f"`path` must end in .npz. Received: path={str(path)!r}")
    images = _packed_images(faces, split)
    names = tuple(class_names or faces.class_names)
    _check_models(models, len(names))
    total = np.zeros((len(images), len(names)))
    with tqdm(total=len(models) * len(images), unit="face", disable=None) as bar:
        for model in models:
            height, width, channels = model.input_shape[1:]
            for start in range(0, len(images), batch_size):
                part = slice(start, start + batch_size)
                sized = face_arrays.resized(images[part], (height, width), channels)
                total[part] += _mean_answer(model, sized)
                bar.update(len(sized))
    answers = (total / len(models)).astype("float16")
    views = 2 * len(MOVES)
    content = {
        "answers": answers,
        "sha256": np.array(_digests(images)),
        "class_names": np.array(names),
        "faces_npz_sha256": np.array(runs.sha256_of(faces.source)[0]),
        "note": np.array(
            f"Mean probabilities of {len(models)} model(s) over {views} views of each face of "
            f"{Path(faces.source).name}, split {split}, in its order; sha256 is that of the "
            "pixels of each face as packed."
        ),
        "about": np.array(json.dumps(dict(about or {}))),
    }
    write_arrays(path, content)
    return answers


def read_answers(path: str | os.PathLike[str]) -> TeacherAnswers:
    """Read what `write_answers` wrote.

    Args:
        path: The file.

    Returns:
        `TeacherAnswers`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not such a file, or its answers are not probabilities.

    Example:

    ```python
    faces = load_faces("fer2013", "faces.npz")
    targets = read_answers("answers.npz").of(faces, faces.class_names)
    ```
    """
    try:
        found = read_npz(path)
        content = {name: found[name] for name in ARRAYS}
        about = json.loads(content["about"].item())
    except (ValueError, KeyError, TypeError, RecursionError, UnreadableError) as error:
        raise ValueError(
            "A file of answers must be one that `fer answers` wrote, whole. "
            f"Received: {str(path)!r} ({error})"
        ) from error
    answers = content["answers"].astype("float32")
    shape = (len(content["sha256"]), len(content["class_names"]))
    if answers.shape != shape or not _are_probabilities(answers):
        raise ValueError(
            f"A file of answers must hold probabilities of shape {shape}, rows that sum to one. "
            f"Received: {str(path)!r} with answers of shape {answers.shape}"
        )
    return TeacherAnswers(
        path=str(path),
        probabilities=answers / answers.sum(axis=1, keepdims=True),
        hashes=content["sha256"],
        class_names=tuple(content["class_names"].tolist()),
        packed_sha256=content["faces_npz_sha256"].item(),
        note=content["note"].item(),
        about=about,
    )


def moved(images: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Return images moved down and to the right, with their edge pixels repeated.

    Args:
        images: `(images, height, width, channels)`.
        rows: Pixels down; negative ones up.
        columns: Pixels to the right; negative ones to the left.

    Example:

    >>> moved(np.arange(3).reshape(1, 1, 3, 1), 0, 1).ravel().tolist()
    [0, 0, 1]
    """
    height, width = images.shape[1:3]
    down = np.clip(np.arange(height) - rows, 0, height - 1)
    right = np.clip(np.arange(width) - columns, 0, width - 1)
    return images[:, down][:, :, right]


def _mean_answer(model, images):
    """Return the mean of a model's probabilities over the views of images."""
    height, width = images.shape[1:3]
    total = 0.0
    for move in MOVES:
        view = moved(images, round(move * MOVE * height), round(move * MOVE * width))
        for picture in (view, view[:, :, ::-1]):
            total = total + model.predict_on_batch(picture.astype("float32")).astype("float64")
    answers = total / (2 * len(MOVES))
    if not _are_probabilities(answers):
        raise ValueError(
            "`models` must put out probabilities, rows that sum to one. "
            f"Received: model {model.name!r}, whose first answer is {answers[0]}"
        )
    return answers


def _are_probabilities(answers):
    """Return whether all rows sum to one, as exactly as half precision can say it."""
    return bool((answers >= 0).all() and np.allclose(answers.sum(axis=1), 1, atol=1e-2))


def _check_models(models, classes):
    for model in models:
        single = len(getattr(model, "inputs", None) or ()) == 1 and len(model.input_shape) == 4
        fixed = single and None not in model.input_shape[1:] and model.input_shape[-1] in (1, 3)
        if not fixed or model.output_shape != (None, classes):
            raise ValueError(
                "`models` must take single faces of a fixed size, with 1 or 3 channels in the last "
                f"axis, and have {classes} outputs. "
                f"Received: {getattr(model, 'name', model)!r} from "
                f"{getattr(model, 'input_shape', None)} to {getattr(model, 'output_shape', None)}"
            )
    if not models:
        raise ValueError("`models` must be one or more. Received: none")


def _packed_images(faces, split):
    check_split(faces, split)
    if faces.packed is None:
        raise ValueError(
            "Answers belong to the faces of a packed file: make one with `fer prepare ... --pack "
            f"faces.npz`, and give that as the path. Received: faces of {faces.source}"
        )
    return faces.splits[split]["image"]


def _digests(images):
    return [hashlib.sha256(image.tobytes()).hexdigest() for image in images]
