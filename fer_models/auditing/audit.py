"""One call that measures a classifier of faces from every side."""

import dataclasses
import datetime
import importlib.metadata
import os
import platform
import sys
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments
from fer_data.checks import check_integer
from fer_models import explain, privacy
from fer_models.auditing import breaking, by_group, cost, scores
from fer_models.auditing.explanation import explanation
from fer_models.auditing.membership import membership
from fer_models.auditing.result import Audit
from fer_models.auditing.sets import checked_faces, refuse_training_faces
from fer_models.evaluation.devices import devices
from fer_models.evaluation.group_scores import group_names

# Faces below which the share under attack or in a test is no more than a hint.
_FEW = 100
_SETS = {
    "members": "members",
    "non_members": "non-members",
    "population": "of the population",
    "test": "test faces",
}


@arguments.checked(
    class_names=arguments.sequence(arguments.scalar),
    groups=arguments.sequence(arguments.plain),
    title=arguments.text,
    about=arguments.mapping(),
    seed=arguments.seed,
    verbose=arguments.plain,
)
def audit(
    model: keras.Model,
    *,
    members: tuple[ArrayLike, ArrayLike],
    non_members: tuple[ArrayLike, ArrayLike],
    population: tuple[ArrayLike, ArrayLike] | None = None,
    test: tuple[ArrayLike, ArrayLike] | None = None,
    class_names: Sequence[str] | None = None,
    groups: Sequence[Any] | np.ndarray | None = None,
    title: str | None = None,
    about: dict[str, str] | None = None,
    adversarial_faces: int = 64,
    corruption_faces: int = 256,
    explained_faces: int = 32,
    samples: int = 12,
    batch_size: int = 64,
    seed: int = 0,
    verbose: int = 1,
) -> Audit:
    """Measure how good a model is, what it costs, what it betrays, how it breaks, where it looks.

    It measures accuracy by class and by group, calibration, complexity, membership inference,
    adversarial examples, corruptions and occlusions, suspect labels, and Grad-CAM with checks that
    it means something. The report says how each number was measured, and gives an interval where
    there is one. Findings that should make you cautious are listed as warnings.

    Each set is a pair `(images, labels)` of arrays: images `(faces, height, width, channels)` in
    [0, 255] as the model takes them, labels integers or one-hot rows.

    Args:
        model: Built Keras model of one image input, channels last, that returns probabilities
            `(batch, classes)`.
        members: Faces the model was trained on.
        non_members: Faces it was not trained on, otherwise like the members.
        population: Further faces it was not trained on, from which the population attacks take
            their thresholds; without them these attacks are left out.
        test: Faces for everything but membership. By default the non-members; the report says so.
        class_names: Names in class order; `None` calls them "0", "1", ...
        groups: Group of people to which each test face belongs, in the order of `test` (of
            `non_members` without it), such as a column of a table. Each group is also measured by
            itself. None, an empty word, nan or pandas.NA for a face of no group.
        title: Heading; by default made from the model's name.
        about: Further lines for the head of the report: a dictionary of strings.
        adversarial_faces: Number of test faces to attack, drawn at random; 0 leaves attacks out.
        corruption_faces: Number of test faces to corrupt; 0 leaves corruptions out.
        explained_faces: Number of test faces on which heat maps are measured; 0 leaves
            explanation out.
        samples: Number of faces whose heat maps are drawn, 1 or more.
        batch_size: Faces at a time, wherever the model is asked or explained. The times under
            complexity are always those of batches of 1 and 32.
        seed: Seed of everything random.
        verbose: 0 is silent, 1 shows progress on standard error.

    Returns:
        An `fer_models.auditing.Audit`: `save(folder)` writes page, model card and numbers.

    Raises:
        OverlapError: A `ValueError`: if members, non-members and population share faces, by their
            pixels, or test faces are members. Copies that differ by a pixel are not noticed.
        ValueError: If a set or another argument breaks its rule, or the model does not give
            probabilities or, with `explained_faces`, has no convolution to explain it by.

    Example:

    ```python
    found = audit(model, members=(images, labels), non_members=(others, their_labels))
    found.save("audit")
    print(found.warnings)
    ```
    """
    started = time.perf_counter()
    shape, classes = _checked_model(model)
    _check_numbers(
        adversarial_faces=adversarial_faces,
        corruption_faces=corruption_faces,
        explained_faces=explained_faces,
        seed=seed,
    )
    for name, value in (("samples", samples), ("batch_size", batch_size)):
        _check_numbers(least=1, **{name: value})
    names = _checked_names(class_names, classes)
    about = _checked_about(about)
    # Before all that takes minutes.
    cam = _explainer(model) if explained_faces else None
    given = {"members": members, "non_members": non_members}
    given |= {
        name: pair
        for name, pair in (("population", population), ("test", test))
        if pair is not None
    }
    sets = {name: checked_faces(name, pair, shape, classes) for name, pair in given.items()}
    shared = refuse_training_faces(sets)
    faces = sets.get("test", sets["non_members"])
    where = f"{len(faces):,} {'test faces' if test is not None else 'non-members'}"
    if groups is not None:
        groups = group_names(groups, len(faces))
    size = faces.images.shape[1:]
    hardware = f"{platform.machine()}, {os.cpu_count()} cores, {devices()}"

    asked = {
        name: privacy.signals(
            model, each.images, each.labels, batch_size=batch_size, progress=bool(verbose)
        )
        for name, each in sets.items()
    }
    probabilities = asked.get("test", asked["non_members"]).probabilities[:, 0]

    def some(count):
        return faces.some(count, seed)

    steps = {
        "accuracy": lambda: scores.accuracy(faces.labels, probabilities, names, where),
        "calibration": lambda: scores.calibration(faces.labels, probabilities, where),
    }
    if groups is not None:
        steps["groups"] = lambda: by_group.by_group(
            faces.labels, probabilities, groups, names, where
        )
    steps |= {
        "complexity": lambda: cost.complexity(model, size, hardware),
        "membership": lambda: membership(
            asked["members"], asked["non_members"], asked.get("population"), names, seed
        ),
    }
    if adversarial_faces:
        attacked = some(adversarial_faces)
        steps["adversarial examples"] = lambda: breaking.adversarial(
            model, faces.images[attacked], faces.labels[attacked], seed, verbose, batch_size
        )
    if corruption_faces:
        corrupted = some(corruption_faces)
        steps["corruptions"] = lambda: breaking.corruptions(
            model, faces.images[corrupted], faces.labels[corrupted], seed, verbose, batch_size
        )
    steps["suspect labels"] = lambda: breaking.suspects(
        faces.images, faces.labels, probabilities, names, where
    )
    if explained_faces:
        # Shuffled, because heat maps are drawn for the first few only.
        explained = np.random.default_rng(seed).permutation(some(explained_faces))
        steps["explanation"] = lambda: explanation(
            model,
            cam,  # type: ignore[arg-type]
            faces.images[explained],
            faces.labels[explained],
            probabilities[explained],
            names,
            samples,
            seed,
            batch_size,
        )
    sections = []
    for number, (name, run) in enumerate(steps.items(), 1):
        begun = time.perf_counter()
        if verbose:
            print(f"[{number}/{len(steps)}] {name}", file=sys.stderr, flush=True)
        sections.append(run())
        if verbose:
            print(f"      {time.perf_counter() - begun:.1f} s", file=sys.stderr, flush=True)
    sections[0] = _with_notes(sections[0], sets, test is None)
    left_out = [
        name
        for name, count in (
            ("adversarial examples", adversarial_faces),
            ("corruptions", corruption_faces),
            ("explanation", explained_faces),
        )
        if not count
    ]
    facts = {
        **about,
        "Model": f"{model.name}, faces of {' x '.join(map(str, size))}, {classes} classes: "
        + ", ".join(names),
        "Faces": _counts(sets, shared),
        "Date": f"{datetime.date.today().isoformat()}, {time.perf_counter() - started:.0f} s",
        "Versions": _versions(),
        "Hardware": hardware,
        "Seed": str(seed),
    }
    if left_out:
        facts["Left out"] = ", ".join(left_out)
    return Audit(title or f"Audit of {model.name}", facts, tuple(sections))


def _with_notes(section, sets, no_test):
    """Return the first section with what is to be told of the sets."""
    notes = []
    if no_test:
        notes.append(
            "There is no test set of its own: accuracy, calibration and robustness are measured on "
            "the non-members. If the model was chosen by its results on them, they flatter it."
        )
    for name, each in sets.items():
        if each.copies:
            notes.append(
                f"{each.copies:,} of {len(each):,} {_SETS[name]} are copies of "
                "others among them, which makes intervals too narrow."
            )
    if len(sets.get("test", sets["non_members"])) < _FEW:
        notes.append("So few faces were tested that the figures are hints.")
    return dataclasses.replace(section, warnings=(*notes, *section.warnings))


def _counts(sets, shared):
    """Return how many faces there are of each set, and which of them are the same, in words."""
    parts = [f"{len(each):,} {_SETS[name]}" for name, each in sets.items()]
    for (first, second), count in shared.items():
        other = second if first == "test" else first
        parts.append(f"{count:,} test faces are {_SETS[other]} too")
    return ", ".join(parts)


def _checked_model(model):
    """Return the shape of one image, with None for open sizes, and the number of classes."""
    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        raise ValueError(
            f"Argument `model` must be a built `keras.Model`. Received: model={model!r}"
        )
    shapes = [tuple(tensor.shape) for tensor in model.inputs]
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][-1] not in (1, 3):
        raise ValueError(
            "Argument `model` must take one image, (batch, height, width, channels) with 1 or 3 "
            f"channels. Received: inputs of shape {shapes} in model={model.name!r}"
        )
    output = model.output_shape
    if not isinstance(output, tuple) or len(output) != 2:
        raise ValueError(
            "Argument `model` must have one output of shape (batch, classes). "
            f"Received: {output} from model={model.name!r}"
        )
    grey = np.full((1, *(size or 64 for size in shapes[0][1:])), 128, "float32")
    answer = np.asarray(keras.ops.convert_to_numpy(model.predict_on_batch(grey)), "float64")
    if not np.isfinite(answer).all() or answer.min() < 0 or abs(answer.sum() - 1) > 1e-2:
        raise ValueError(
            "Argument `model` must return probabilities that sum to one. Received: "
            f"model={model.name!r}, which gives {answer[0].tolist()} for a grey image"
        )
    return shapes[0][1:], output[1]


def _explainer(model):
    try:
        return explain.GradCAM(model)
    except ValueError as error:
        raise ValueError(f"{error}; `explained_faces=0` leaves explanation out") from error


def _check_numbers(least=0, **numbers):
    for name, value in numbers.items():
        check_integer(name, value, least)


def _checked_names(names, classes):
    names = [str(name) for name in (range(classes) if names is None else names)]
    if len(names) != classes or len(set(names)) != classes:
        raise ValueError(
            f"`class_names` must be {classes} different names, one for each class. "
            f"Received: class_names={names}"
        )
    return tuple(names)


def _checked_about(about):
    about = {} if about is None else about
    if not isinstance(about, dict):
        raise ValueError(f"`about` must be a dictionary of strings. Received: about={about!r}")
    return {str(name): str(value) for name, value in about.items()}


def _versions():
    backend = keras.backend.backend()
    found = {
        "Python": platform.python_version(),
        "Keras": keras.__version__,
        "NumPy": np.__version__,
    }
    for package in ("fer-keras", backend):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            # Not installed under that name, such as from a checkout or as tensorflow-cpu.
            continue
    return ", ".join(f"{name} {version}" for name, version in found.items())
