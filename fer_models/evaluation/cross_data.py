"""Several models on several data sets: how well a model does on data of other people."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from fer_data import arguments
from fer_data.checks import check_choice, check_instance, check_mapping, shown
from fer_models.evaluation.shared_classes import SharedScores, shared_scores
from fer_models.zoo.face_outputs import expression_part
from fer_models.zoo.model_checks import check_model, check_one_output

if TYPE_CHECKING:
    from fer_data.pipelines.labelled_faces import LabelledFaces

# The scores of the matrix: attribute, heading, and how a figure is written.
SCORES = (
    ("accuracy", "Accuracy", "{:.1%}"),
    ("macro_f1", "Macro F1", "{:.3f}"),
    ("calibration_error", "Calibration error", "{:.3f}"),
)


@dataclasses.dataclass(frozen=True)
class CrossData:
    """Scores of models on data sets.

    Attributes:
        scores: `SharedScores` by the name of the model and that of the data set.
        level: Confidence of all intervals, such as 0.95.
    """

    scores: Mapping[str, Mapping[str, SharedScores]]
    level: float

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models, the rows."""
        return tuple(self.scores)

    @property
    def data(self) -> tuple[str, ...]:
        """Names of the data sets, the columns."""
        return tuple(next(iter(self.scores.values())))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers, strings, lists and dictionaries, ready for JSON."""
        return {
            "level": self.level,
            "scores": {
                model: {data: each.to_dict() for data, each in row.items()}
                for model, row in self.scores.items()
            },
        }

    def to_markdown(self) -> str:
        """Return Markdown: a table for each score, and the classes that were left out."""
        lines = []
        for name, heading, form in SCORES:
            lines += [f"## {heading}", "", f"| | {' | '.join(map(cell, self.data))} |"]
            lines.append("|---" + "|---:" * len(self.data) + "|")
            for model, row in self.scores.items():
                cells = (in_words(getattr(each, name), form) for each in row.values())
                lines.append(f"| {cell(model)} | {' | '.join(cells)} |")
            lines.append("")
        lines += [
            f"In brackets {100 * self.level:g}% intervals over the faces: of the accuracy exact "
            "binomial, of the others by bootstrap. The choice of the training faces and of the "
            "seed is not in them.",
            "",
            "## Classes",
            "",
        ]
        for model, row in self.scores.items():
            lines += [f"- {cell(model)} on {cell(n)}: {_classes(each)}" for n, each in row.items()]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.to_markdown()


@arguments.checked(
    splits=arguments.mapping(arguments.text),
    count=arguments.integer(1),
    batch_size=arguments.integer(1),
    resamples=arguments.integer(2, 2**20),
    seed=arguments.seed,
    tell=arguments.function,
)
def cross_data(
    models: Mapping[str, tuple[keras.Model, Sequence[str]]],
    data: Mapping[str, "LabelledFaces"],
    *,
    splits: Mapping[str, str] | None = None,
    count: int | None = None,
    batch_size: int = 64,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
    tell: Callable[[int], object] | None = None,
) -> CrossData:
    """Score every model on every data set, on the classes that both share.

    Classes are matched by name, as in `shared_scores`. Faces are resized for each model. If two
    data sets hold the same pictures, as FER2013 and FER+ do, a model trained on one has seen the
    other: make sure that their test faces are the same.

    Args:
        models: Pairs `(model, class names)` by name, as `fer_models.load_model` returns them. A
            model takes faces `(batch, height, width, 1 or 3)` of a fixed size, and gives
            `(batch, classes)`; for a model of `fer_models.with_valence_arousal` the classes are
            scored.
        data: Faces of each data set by name, as `load_faces` returns them.
        splits: Split to score, by name of the data set. By default `"test"`, else `"validation"`,
            else the only split.
        count: Number of faces to draw from each split, the same for all models; None for all.
        batch_size: Faces at a time.
        confidence: Confidence of the intervals, between 0 and 1.
        resamples: Bootstrap samples of each interval, 2 or more.
        seed: Seed of the choice of faces and of the bootstrap.
        tell: Function that is called with the number of faces after each batch, or None.

    Returns:
        `CrossData`.

    Raises:
        ValueError: If an argument breaks its rule, or a model and a data set share fewer than two
            classes.

    Example:

    ```python
    models = {name: fer_models.load_model(f"ghostface:{name}") for name in ("fer2013", "ferplus")}
    data = {"fer2013": load_faces("fer2013", "faces.npz"), "mine": load_faces("folder", "faces")}
    print(cross_data(models, data, count=1000))
    ```
    """
    from fer_data.pipelines.split_arrays import (
        check_split,
        default_split,
        draw_places,
        split_arrays,
    )

    models = _checked_models(models)
    _check_data(data)
    splits = splits or {}
    for name in splits:
        check_choice("splits", name, tuple(data))
    # A data set without a default has a split by name alone.
    chosen = {
        name: splits[name] if name in splits else default_split(faces.counts)
        for name, faces in data.items()
    }
    for name, faces in data.items():
        check_split(faces, chosen[name])
    found: dict[str, dict[str, SharedScores]] = {name: {} for name in models}
    for name, faces in data.items():
        split = chosen[name]
        places = draw_places(faces.counts[split], count, seed)
        arrays: dict[tuple[int, ...], Any] = {}
        for model_name, (model, names) in models.items():
            shape = tuple(model.input_shape[1:])
            if shape not in arrays:
                arrays[shape] = split_arrays(
                    faces, split, size=shape[:2], channels=shape[2], places=places
                )
            here = arrays[shape]
            try:
                found[model_name][name] = shared_scores(
                    here.labels,
                    _answers(model, here.images, batch_size, tell),
                    faces.class_names,
                    names,
                    confidence=confidence,
                    resamples=resamples,
                    seed=seed,
                )
            except ValueError as error:
                raise ValueError(f"{error} ({model_name} on {name})") from error
    return CrossData(found, confidence)


def in_words(interval: Any, form: str = "{:.3f}") -> str:
    """Return a figure and its interval as text, such as `"0.613 (0.580 to 0.641)"`.

    Args:
        interval: An `Interval`.
        form: Format of a figure.
    """
    value, low, high = (form.format(v) for v in (interval.value, interval.low, interval.high))
    return f"{value} ({low} to {high})"


def _checked_models(models):
    """Return the models with the output of their classes alone."""
    check_mapping("models", models)
    if not models:
        raise ValueError("`models` must hold one model or more. Received: models={}")
    found = {}
    for name, pair in models.items():
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise ValueError(
                f"`models[{name!r}]` must be a pair (model, class names). Received: {shown(pair)}"
            )
        model, names = pair
        check_model(model, f"models[{name!r}]")
        model = expression_part(model)
        check_one_output(model, f"models[{name!r}]")
        arguments.names(f"models[{name!r}][1]", names)
        shape = tuple(getattr(model, "input_shape", None) or ())
        if len(model.inputs) != 1 or len(shape) != 4 or None in shape[1:] or shape[3] not in (1, 3):
            raise ValueError(
                f"`models[{name!r}]` must take single faces (batch, height, width, 1 or 3) of a "
                f"fixed size. Received: inputs of shape {[tuple(i.shape) for i in model.inputs]}"
            )
        found[name] = (model, names)
    return found


def _check_data(data):
    from fer_data.pipelines.labelled_faces import LabelledFaces

    check_mapping("data", data)
    if not data:
        raise ValueError("`data` must hold one data set or more. Received: data={}")
    for name, faces in data.items():
        rule = "`LabelledFaces`, as `load_faces` returns them"
        check_instance(f"data[{name!r}]", faces, LabelledFaces, rule)


def _answers(model, images, batch_size, tell):
    answers = []
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size].astype("float32")
        answers.append(np.asarray(model.predict_on_batch(batch), dtype="float32"))
        if tell is not None:
            tell(len(batch))
    return np.concatenate(answers)


def _classes(scores):
    """Return a sentence that names the classes that were scored and those left out."""
    text = f"{scores.examples:,} faces of {', '.join(map(cell, scores.classes))}"
    if scores.left_out:
        left = (f"{cell(name)} ({faces:,} faces)" for name, faces in scores.left_out.items())
        text += f"; the model lacks, and the faces were left out: {', '.join(left)}"
    if scores.unused:
        unused = ", ".join(map(cell, scores.unused))
        text += f"; the data set lacks, and the answers were left out: {unused}"
    return f"{text}."


def cell(text: str) -> str:
    """Return a name that is safe in a cell of a Markdown table.

    Args:
        text: The name.
    """
    return str(text).replace("|", "\\|")
