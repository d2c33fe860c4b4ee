"""The result of an export: the file, and its distance from the Keras model."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The distance between the outputs of two models, on the same inputs.

    Attributes:
        examples: Number of inputs.
        max_abs_error: Largest absolute difference of any two outputs.
        mean_abs_error: Mean absolute difference.
        label_agreement: Share of the inputs whose largest output is the same class.
    """

    examples: int
    max_abs_error: float
    mean_abs_error: float
    label_agreement: float

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers, ready for JSON."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        return (
            f"largest difference {self.max_abs_error:.2g}, mean {self.mean_abs_error:.2g}, the "
            f"same label for {100 * self.label_agreement:.2f} % of {self.examples}"
        )


@dataclasses.dataclass(frozen=True)
class ExportReport:
    """What `export` wrote.

    Attributes:
        path: Name of the file, or of the folder of a SavedModel.
        format: `"litert"`, `"litert-int8"`, `"onnx"` or `"saved_model"`.
        size: Bytes on disk.
        numbers: The numbers that it computes with, in words.
        folded: Number of batch norms folded into the layers before them.
        kept: Paths of the batch norms that are left.
        faces: What it was compared on, in words.
        comparison: `Comparison` with the Keras model.
    """

    path: str
    format: str
    size: int
    numbers: str
    folded: int
    kept: tuple[str, ...]
    faces: str
    comparison: Comparison

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers, strings and lists, ready for JSON."""
        return {**dataclasses.asdict(self), "kept": list(self.kept)}

    def __str__(self) -> str:
        lines = [
            f"{self.path}: {self.format}, {self.size:,} bytes, {self.numbers}",
            f"batch norms: {self.folded} folded, {len(self.kept)} kept",
            f"against Keras on {self.faces}: {self.comparison}",
        ]
        if self.kept:
            lines.insert(2, f"kept: {', '.join(self.kept)}")
        return "\n".join(lines)


@arguments.checked(
    expected=arguments.array(finite=False, empty=True),
    received=arguments.array(finite=False, empty=True),
)
def compare(expected: ArrayLike, received: ArrayLike) -> Comparison:
    """Compare the outputs of a model with those of another.

    Args:
        expected: Array `(n, classes)`, or of any other shape with the batch first.
        received: Array of the same shape.

    Returns:
        A `Comparison`.

    Raises:
        ValueError: If the shapes differ, there is no example, or an output is not finite.

    Example:

    >>> from fer_models.export import compare
    >>> compare([[0.75, 0.25], [0.5, 0.5]], [[0.5, 0.5], [0.25, 0.75]]).label_agreement
    0.5
    """
    expected, received = np.asarray(expected, "float64"), np.asarray(received, "float64")
    if expected.shape != received.shape or not expected.size:
        raise ValueError(
            "`expected` and `received` must have the same shape and at least one example. "
            f"Received: {expected.shape} and {received.shape}"
        )
    for name, values in (("expected", expected), ("received", received)):
        if not np.isfinite(values).all():
            raise ValueError(
                f"`{name}` must be finite. Received: {int((~np.isfinite(values)).sum())} of "
                f"{values.size} outputs are not"
            )
    errors = np.abs(expected - received)
    labels = [values.reshape(len(values), -1).argmax(1) for values in (expected, received)]
    return Comparison(
        examples=len(expected),
        max_abs_error=float(errors.max()),
        mean_abs_error=float(errors.mean()),
        label_agreement=float((labels[0] == labels[1]).mean()),
    )
