"""Corruptions and occlusions of face pictures, and the accuracy under each of them."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from tqdm import tqdm

from fer_data import arguments
from fer_data.checks import as_array, as_numbers, check_integer, checked_images, checked_labels
from fer_models.robustness.accuracy import Accuracy
from fer_models.robustness.attack_loop import as_gradients
from fer_models.robustness.face_template import typical_landmarks
from fer_models.robustness.loss_gradients import InputGradients
from fer_models.robustness.occlusions import OCCLUSIONS
from fer_models.robustness.photo_corruptions import PHOTO

if TYPE_CHECKING:
    import keras

#: Kinds of corruption, those of the photo first.
CORRUPTIONS = (*PHOTO, *OCCLUSIONS)
SEVERITIES = (1, 2, 3, 4, 5)


@arguments.checked(kind=arguments.plain, severity=arguments.plain)
def corrupt(
    images: ArrayLike,
    kind: str,
    severity: int,
    *,
    landmarks: ArrayLike | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Corrupt pictures of faces in one way.

    The tables in `photo_corruptions.py` and `occlusions.py` define each severity. Lengths are
    relative to the picture or the face, so they mean the same at 48 and at 224 pixels.

    Args:
        images: Array `(examples, height, width, 1 or 3)` in [0, 255], cropped faces.
        kind: One of `CORRUPTIONS`: `"blur"`, `"noise"`, `"jpeg"`, `"brightness"`, `"darkness"`,
            `"contrast"`, `"low_resolution"`, `"sunglasses"`, `"mask"` (surgical), `"hand"` (an
            adult's, of the face's own colour).
        severity: 1 (slight) to 5.
        landmarks: 68 points of each face in iBUG order, `(examples, 68, 2)`, (x, y) in pixels of
            the image, which place glasses, masks and hands. `None` takes `typical_landmarks` for
            all, which fits upright frontal crops framed as FER2013's, and no others.
        seed: Seed of the noise and of the hand's direction; each image has its own numbers.

    Returns:
        uint8 array of the same shape.

    Raises:
        ValueError: If an argument breaks its rule.

    Example:

    >>> faces = np.full((2, 48, 48, 1), 128, "uint8")
    >>> covered = corrupt(faces, "mask", 3)
    >>> covered.shape, bool((covered != faces).any())
    ((2, 48, 48, 1), True)

    Reference:
        Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions
        and Perturbations", ICLR 2019, for the idea of kinds and severities; the amounts here are
        ours, chosen for faces of 48 pixels and more.
    """
    images = checked_images(images)
    if images.shape[-1] not in (1, 3):
        raise ValueError(
            f"`images` must have 1 or 3 channels, last. Received: shape={images.shape}"
        )
    check_kind("kind", kind)
    _check_severity("severity", severity)
    check_integer("seed", seed, 0)
    landmarks = _checked_landmarks(landmarks, images)
    changed = []
    for number, image in enumerate(images.astype("float32")):
        rng = np.random.default_rng([seed, CORRUPTIONS.index(kind), number])
        if kind in PHOTO:
            found = PHOTO[kind](image, severity - 1, rng)
        else:
            found = OCCLUSIONS[kind](image, severity - 1, rng, landmarks[number])
        changed.append(np.clip(np.round(found.reshape(image.shape)), 0, 255).astype("uint8"))
    return np.stack(changed)


@dataclasses.dataclass(frozen=True)
class CorruptionReport:
    """The result of `corruption_accuracy`.

    Attributes:
        clean: `Accuracy` on the pictures as they are.
        accuracies: `{kind: {severity: Accuracy}}`.
        own_landmarks: Whether the occlusions were placed by the faces' own landmarks.
        seed: Seed of the corruptions.
    """

    clean: Accuracy
    accuracies: dict
    own_landmarks: bool
    seed: int

    @property
    def examples(self) -> int:
        """Number of faces."""
        return self.clean.examples

    def mean(self, kind: str | None = None) -> float:
        """Return the mean accuracy over the severities of a kind, or over everything."""
        if kind is not None:
            check_kind("kind", kind, tuple(self.accuracies))
        rows = self.accuracies.values() if kind is None else [self.accuracies[kind]]
        return float(np.mean([each.value for row in rows for each in row.values()]))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as numbers, strings and dictionaries, ready for JSON."""
        return {
            "examples": self.examples,
            "clean": self.clean.to_dict(),
            "accuracies": {
                kind: {str(severity): each.to_dict() for severity, each in row.items()}
                for kind, row in self.accuracies.items()
            },
            "mean": self.mean(),
            "own_landmarks": self.own_landmarks,
            "seed": self.seed,
        }

    def to_markdown(self) -> str:
        """Return the report as a Markdown table."""
        severities = list(next(iter(self.accuracies.values())))
        widest = max(
            max(each.value - each.low, each.high - each.value)
            for row in self.accuracies.values()
            for each in row.values()
        )
        lines = [
            f"Accuracy in % on {self.examples:,} faces, without corruption {self.clean}; the exact "
            f"95 % intervals are up to {100 * widest:.1f} points wide on either side.",
            "",
            f"| corruption | {' | '.join(f'severity {each}' for each in severities)} | mean |",
            "|---|" + "---:|" * (len(severities) + 1),
        ]
        for kind, row in self.accuracies.items():
            cells = [f"{100 * row[each].value:.1f}" for each in severities]
            name = kind.replace("_", " ")
            lines.append(f"| {name} | {' | '.join(cells)} | {100 * self.mean(kind):.1f} |")
        lines += ["", f"Mean over all: {100 * self.mean():.1f} %."]
        if not self.own_landmarks and any(kind in OCCLUSIONS for kind in self.accuracies):
            lines += ["", "What covers the face lies at typical places, not at each face's own."]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.to_markdown()


@arguments.checked(
    kinds=arguments.sequence(arguments.plain),
    severities=arguments.sequence(arguments.plain),
    verbose=arguments.plain,
)
def corruption_accuracy(
    model: "keras.Model | InputGradients",
    images: ArrayLike,
    labels: ArrayLike,
    *,
    kinds: Sequence[str] = CORRUPTIONS,
    severities: Sequence[int] = SEVERITIES,
    landmarks: ArrayLike | None = None,
    seed: int = 0,
    batch_size: int = 128,
    verbose: int = 1,
) -> CorruptionReport:
    """Measure the accuracy of a model under each corruption at each severity.

    Args:
        model: Built Keras model that takes pixels of [0, 255] and gives `(batch, classes)`, or an
            `InputGradients`. Channels last.
        images: As in `corrupt`.
        labels: True class of each image, integers.
        kinds: Some of `CORRUPTIONS`.
        severities: Some of 1 to 5.
        landmarks: As in `corrupt`.
        seed: As in `corrupt`.
        batch_size: Images at a time.
        verbose: 0 is silent, 1 shows progress.

    Returns:
        A `CorruptionReport`; `print` shows it as Markdown.

    Raises:
        ValueError: If an argument breaks its rule.

    Example:

    ```python
    report = corruption_accuracy(model, images, labels, kinds=("blur", "mask"))
    print(report)
    ```
    """
    scorer = as_gradients(model)
    images = checked_images(images, scorer.input_shape)
    labels = checked_labels(labels, len(images), scorer.classes)
    kinds, severities = tuple(kinds), tuple(severities)
    for name, values in (("kinds", kinds), ("severities", severities)):
        if not values or len(set(values)) < len(values):
            raise ValueError(f"`{name}` must be one or more, different. Received: {values!r}")
    for kind in kinds:
        check_kind("kinds", kind)
    for severity in severities:
        _check_severity("severities", severity)

    def count(shown):
        right = scorer.scores(shown, batch_size).argmax(-1) == labels
        return Accuracy(int(right.sum()), len(images))

    accuracies = {kind: {} for kind in kinds}
    with tqdm(
        total=len(kinds) * len(severities), desc="corruptions", unit="", disable=not verbose
    ) as bar:
        for kind in kinds:
            for severity in severities:
                bar.set_postfix_str(f"{kind} {severity}")
                shown = corrupt(images, kind, severity, landmarks=landmarks, seed=seed)
                accuracies[kind][severity] = count(shown)
                bar.update()
    return CorruptionReport(count(images), accuracies, landmarks is not None, int(seed))


@arguments.checked(
    path=arguments.path,
    kinds=arguments.sequence(arguments.plain, 1),
    severities=arguments.sequence(arguments.plain, 1),
    title=arguments.text,
)
def corruption_sheet(
    image: ArrayLike,
    path: str | os.PathLike[str],
    *,
    kinds: Sequence[str] = CORRUPTIONS,
    severities: Sequence[int] = SEVERITIES,
    landmarks: ArrayLike | None = None,
    seed: int = 0,
    title: str | None = None,
) -> Path:
    """Draw a face under each corruption, a row for each kind.

    Args:
        image: `(height, width, 1 or 3)` in [0, 255].
        path: File to write; its ending chooses the format.
        kinds: As in `corruption_accuracy`.
        severities: As in `corruption_accuracy`.
        landmarks: `(68, 2)` of the face, or `None` as in `corrupt`.
        seed: As in `corruption_accuracy`.
        title: Heading, or `None`.

    Returns:
        The path written, as a `pathlib.Path`.

    Raises:
        ValueError: If an argument breaks its rule.

    Example:

    ```python
    corruption_sheet(image, "out/corruptions.png")
    ```
    """
    from fer_models.explain.contact_sheet import contact_sheet

    image = as_array("image", image)
    points = None if landmarks is None else as_array("landmarks", landmarks)[None]
    cells = [(kind, severity) for kind in kinds for severity in severities]
    shown = [
        corrupt(image[None], kind, severity, landmarks=points, seed=seed)[0]
        for kind, severity in cells
    ]
    names = [f"{kind.replace('_', ' ')} {severity}" for kind, severity in cells]
    return contact_sheet(
        np.stack(shown), path, labels=names, columns=len(tuple(severities)), title=title
    )


def check_kind(name: str, kind: str, known: Sequence[str] = CORRUPTIONS) -> None:
    """Raise `ValueError` unless `kind` is one of the known corruptions."""
    if kind not in known:
        raise ValueError(f"`{name}` must be of {known}. Received: {kind!r}")


def _check_severity(name, severity):
    if isinstance(severity, bool) or severity not in SEVERITIES:
        raise ValueError(f"`{name}` must be of {SEVERITIES}. Received: {severity!r}")


def _checked_landmarks(landmarks: ArrayLike | None, images: np.ndarray) -> np.ndarray:
    count, height, width = images.shape[:3]
    if landmarks is None:
        return np.broadcast_to(typical_landmarks(height, width), (count, 68, 2))
    landmarks = as_numbers("landmarks", landmarks)
    if landmarks.shape != (count, 68, 2) or not np.isfinite(landmarks).all():
        raise ValueError(
            f"`landmarks` must be finite and of shape {(count, 68, 2)}, 68 points for each image. "
            f"Received: shape={landmarks.shape}"
        )
    apart = landmarks[:, 36:42].mean(axis=1) - landmarks[:, 42:48].mean(axis=1)
    if not np.linalg.norm(apart, axis=1).min() > 0:
        raise ValueError(
            "`landmarks` must have the eyes apart. Received: a face with both at one place"
        )
    return landmarks
