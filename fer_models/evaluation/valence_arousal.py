"""Scores of valence and arousal: concordance, error, correlation, agreement of signs."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments
from fer_data.checks import as_array, checked_array, shown
from fer_models.evaluation.classification import batches_of
from fer_models.zoo.face_outputs import (
    DIMENSIONS,
    VALENCE_AROUSAL,
    gives_valence_arousal,
    one_output,
)
from fer_models.zoo.model_checks import check_predicts


@dataclasses.dataclass(frozen=True)
class DimensionScores:
    """Scores of valence or of arousal.

    Attributes:
        name: `"valence"` or `"arousal"`.
        examples: Number of faces with a known target.
        ccc: Concordance correlation coefficient, from -1 to 1; None if targets and predictions are
            the same constant.
        rmse: Root of the mean squared error.
        pearson: Pearson's correlation; None if targets or predictions are constant.
        sign_agreement: Share of faces whose prediction has the sign of the target (SAGR in the
            AffectNet paper). A 0 agrees only with a 0.
    """

    name: str
    examples: int
    ccc: float | None
    rmse: float
    pearson: float | None
    sign_agreement: float


@dataclasses.dataclass(frozen=True)
class ValenceArousalReport:
    """Result of `valence_arousal_report` and `evaluate_valence_arousal`.

    Attributes:
        valence: `DimensionScores` of valence; None if no face has a target.
        arousal: `DimensionScores` of arousal; None if no face has a target.
    """

    valence: DimensionScores | None
    arousal: DimensionScores | None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, ready for JSON."""
        return dataclasses.asdict(self)

    def to_markdown(self) -> str:
        """Return the report as a Markdown table."""
        lines = [
            "| | faces | CCC | RMSE | Pearson | sign agreement |",
            "|---|---:|---:|---:|---:|---:|",
        ]
        for each in (self.valence, self.arousal):
            if each is not None:
                lines.append(
                    f"| {each.name} | {each.examples:,} | {_cell(each.ccc)} | {each.rmse:.4f} | "
                    f"{_cell(each.pearson)} | {each.sign_agreement:.2%} |"
                )
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.to_markdown()


@arguments.checked(
    targets=arguments.array((None, 2), finite=False), predictions=arguments.array((None, 2))
)
def valence_arousal_report(targets: ArrayLike, predictions: ArrayLike) -> ValenceArousalReport:
    """Score predictions of valence and arousal.

    Args:
        targets: `(faces, 2)` in [-1, 1], valence first; unknown ones are NaN and left out.
        predictions: `(faces, 2)`, finite.

    Returns:
        A `ValenceArousalReport`; `print` shows it as Markdown.

    Raises:
        ValueError: If the shapes differ, no target is known, or a value is outside [-1, 1].

    Example:

    >>> report = valence_arousal_report([[0.5, 0.1], [-0.5, 0.3]], [[0.5, 0.2], [-0.5, 0.2]])
    >>> report.valence.ccc, report.arousal.pearson
    (1.0, None)

    Reference:
        Lin, "A Concordance Correlation Coefficient to Evaluate Reproducibility", 1989, equation 2;
        Mollahosseini et al., "AffectNet: A Database for Facial Expression, Valence, and Arousal
        Computing in the Wild", 2017, on the four measures.
    """
    truth = checked_array("targets", targets, (None, 2), finite=False).astype("float64")
    said = checked_array("predictions", predictions, (None, 2)).astype("float64")
    if truth.shape != said.shape:
        raise ValueError(
            "`targets` and `predictions` must be of one shape. "
            f"Received: {truth.shape} and {said.shape}"
        )
    known = ~np.isnan(truth)
    for name, values in (("targets", truth[known]), ("predictions", said)):
        outside = np.abs(values) > 1
        if outside.any():
            raise ValueError(
                f"`{name}` must be in [-1, 1]. Received: {int(outside.sum())} values that are not, "
                f"such as {values[outside][0]}"
            )
    if not known.any():
        raise ValueError("`targets` must have a number that is known. Received: NaN alone")
    found = [
        _scores(name, truth[:, place][known[:, place]], said[:, place][known[:, place]])
        for place, name in enumerate(DIMENSIONS)
    ]
    return ValenceArousalReport(*found)


@arguments.checked(batch_size=arguments.integer(1), verbose=arguments.integer(0, 2))
def evaluate_valence_arousal(
    model: keras.Model,
    data: Iterable[Any] | keras.utils.PyDataset,
    targets: ArrayLike | None = None,
    batch_size: int = 64,
    verbose: int = 1,
) -> ValenceArousalReport:
    """Run a model over data once and score its valence and arousal.

    `evaluate` scores the classes of the same model.

    Args:
        model: A model that `fer_models.with_valence_arousal` made.
        data: Finite iterable of batches `(images, labels)`. The labels are a dictionary with
            `"valence_arousal"`, as from `fer_data.pipelines.images.pipeline` with
            `valence_arousal=True`, or an array `(batch, 2)`. Or an array of images, with `targets`.
        targets: `(faces, 2)` if `data` is an array; otherwise `None`.
        batch_size: Images at a time, if `data` is an array.
        verbose: 0 is silent, 1 shows progress.

    Returns:
        A `ValenceArousalReport`.

    Raises:
        ValueError: If the model does not give valence and arousal, the data is empty or infinite, a
            batch has no targets, or the targets break a rule of `valence_arousal_report`.

    Example:

    ```python
    report = evaluate_valence_arousal(model, dataset)
    print(report.to_markdown())
    ```
    """
    check_predicts(model)
    if not gives_valence_arousal(model):
        raise ValueError(
            "`model` must give valence and arousal, as `fer_models.with_valence_arousal` makes it. "
            f"Received: {model.name!r}, which does not"
        )
    batches, total = batches_of(data, targets, batch_size, "targets")
    part = one_output(model, VALENCE_AROUSAL)
    progress = keras.utils.Progbar(total, verbose=verbose, unit_name="batch")
    truth, said = [], []
    for number, batch in enumerate(batches, 1):
        pair = isinstance(batch, (tuple, list)) and len(batch) == 2
        labels = batch[1] if pair else None
        labels = labels.get(VALENCE_AROUSAL) if isinstance(labels, dict) else labels
        labels = None if labels is None else as_array("data", labels)
        if labels is None or labels.ndim != 2 or labels.shape[1] != 2:
            raise ValueError(
                "`data` must give pairs of images and labels, a dictionary with "
                f"{VALENCE_AROUSAL!r} or an array (batch, 2). Received: {shown(batch)}"
            )
        # tf.data gives TensorFlow's tensors, which other backends refuse.
        images = keras.tree.map_structure(np.asarray, batch[0])
        said.append(np.asarray(part.predict_on_batch(images), dtype="float32"))
        truth.append(labels)
        progress.update(number, finalize=number == total)
    if not truth:
        raise ValueError("`data` must hold at least one batch. Received: none")
    if total is None:
        progress.update(len(truth), finalize=True)
    return valence_arousal_report(np.concatenate(truth), np.concatenate(said))


def _scores(name, truth, said):
    if not len(truth):
        return None
    t, p = truth - truth.mean(), said - said.mean()
    # The mean of equal numbers may differ from them in the last digit.
    t, p = (np.zeros_like(x) if np.ptp(x) == 0 else x for x in (t, p))
    apart = float(truth.mean() - said.mean())
    covariance = float(np.mean(t * p))
    total = float(np.mean(t * t) + np.mean(p * p)) + apart**2
    varied = float(np.sqrt(np.mean(t * t) * np.mean(p * p)))
    return DimensionScores(
        name=name,
        examples=len(truth),
        ccc=2 * covariance / total if total else None,
        rmse=float(np.sqrt(np.mean((truth - said) ** 2))),
        pearson=covariance / varied if varied else None,
        sign_agreement=float(np.mean(np.sign(truth) == np.sign(said))),
    )


def _cell(value):
    return "-" if value is None else f"{value:.4f}"
