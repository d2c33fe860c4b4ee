"""Concordance of predicted and true numbers, such as valence and arousal: a loss and a metric."""

from typing import Any

import keras
from keras import ops

from fer_data import arguments
from fer_data.checks import check_number
from fer_models.training import loss_arguments

EPSILON = 1e-7


@keras.saving.register_keras_serializable(package="fer_models")
@arguments.checked_class(**loss_arguments.LOSS)
class ConcordanceLoss(keras.losses.Loss):
    """One minus the concordance correlation coefficient of each column of a batch.

    The coefficient is `2 cov(t, p) / (var(t) + var(p) + (mean(t) - mean(p))^2 + epsilon)`, with the
    moments of the batch divided by its size. It is 1 if the predictions equal the targets and 0 if
    they are unrelated. Unlike a correlation it also falls if scale or mean differ. Two constant
    columns have a coefficient of 0.

    The coefficient describes a batch, not a face: use batches of 32 or more. A NaN target is left
    out, only in its own column. A column without any target has a loss of 0. Sample weights weight
    the moments; they do not multiply the loss. Computation is in float32 under every dtype policy.

    Args:
        epsilon: Added to the denominator, so that constant columns give a finite result.
        reduction: Reduction of Keras over the columns: by default their mean; None for a vector.
        name: Name of the loss.
        dtype: Dtype of the computation; None is `keras.config.floatx()`.

    Call arguments:
        y_true: Targets `(batch, columns)` or `(batch,)`, NaN where unknown.
        y_pred: Predictions of the same shape.
        sample_weight: Weights, not negative, `(batch,)`, `(batch, 1)` or `(batch, columns)`.

    Raises:
        ValueError: If `epsilon` is not a number above 0, or the shapes differ.

    Example:

    >>> loss = ConcordanceLoss()
    >>> truth = [[-0.5, 0.0], [0.0, 0.4], [0.5, float("nan")]]
    >>> round(float(loss(truth, [[-0.5, 0.4], [0.0, 0.0], [0.5, 0.9]])), 3)
    1.0

    Reference:
        Lin, "A Concordance Correlation Coefficient to Evaluate Reproducibility", 1989, equation 2.
    """

    def __init__(
        self,
        epsilon: float = EPSILON,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "concordance",
        dtype: str | keras.DTypePolicy | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.epsilon = _checked_epsilon(epsilon)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> keras.KerasTensor:
        y_true, y_pred = (ops.convert_to_tensor(each, self.dtype) for each in (y_true, y_pred))
        if sample_weight is None:
            return super().__call__(y_true, y_pred)
        # The base class would multiply the coefficients of the columns by the weights.
        return super().__call__((y_true, ops.convert_to_tensor(sample_weight, self.dtype)), y_pred)

    def call(self, y_true: Any, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return the loss of each column, a vector.

        Args:
            y_true: Targets, or a tuple of targets and sample weights.
            y_pred: Predictions.
        """
        truth, given = y_true if isinstance(y_true, tuple) else (y_true, None)
        truth, predicted, weights = _columns(truth, y_pred, given)
        count = ops.sum(weights, axis=0)
        share = ops.divide_no_nan(weights, count)
        means = [ops.sum(share * each, axis=0) for each in (truth, predicted)]
        t, p = truth - means[0], predicted - means[1]
        variances = ops.sum(share * (t * t + p * p), axis=0)
        covariance = ops.sum(share * t * p, axis=0)
        apart = means[0] - means[1]
        found = 2 * covariance / (variances + apart * apart + self.epsilon)
        return ops.where(count > 0, 1 - found, ops.zeros_like(found))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "epsilon": self.epsilon}


@keras.saving.register_keras_serializable(package="fer_models")
@arguments.checked_class(column=arguments.integer(0), **loss_arguments.NAMES)
class ConcordanceCorrelation(keras.metrics.Metric):
    """The concordance correlation coefficient of all batches seen, as if they were one.

    It keeps six weighted sums for each column. So the result, unlike a mean over batches, does not
    depend on the division into batches. The sums are float32: for values in [-1, 1] and targets
    with a standard deviation of 0.1 or more the result is right to about four digits. NaN targets,
    sample weights and constant columns are treated as in `ConcordanceLoss`. Without any target the
    result is 0.

    Args:
        column: Number of the column to measure, from 0; None for the mean of the columns with
            targets.
        epsilon: As in `ConcordanceLoss`.
        name: Name of the metric.
        dtype: Dtype of the computation; None is `keras.config.floatx()`.

    Raises:
        ValueError: If an argument breaks its rule, or an update has shapes that differ or too few
            columns.

    Example:

    >>> metric = ConcordanceCorrelation()
    >>> metric.update_state([[-0.5], [0.0]], [[-0.5], [0.0]])
    >>> metric.update_state([[0.5], [float("nan")]], [[0.5], [0.3]])
    >>> round(float(metric.result()), 3)
    1.0

    Reference:
        Lin, "A Concordance Correlation Coefficient to Evaluate Reproducibility", 1989, equation 2.
    """

    def __init__(
        self,
        column: int | None = None,
        epsilon: float = EPSILON,
        name: str | None = "concordance",
        dtype: str | keras.DTypePolicy | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self._direction = "up"
        self.column, self.epsilon = column, _checked_epsilon(epsilon)
        self.sums: Any = None
        if column is not None:
            self._build(1)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        truth, predicted = (ops.convert_to_tensor(each, self.dtype) for each in (y_true, y_pred))
        if sample_weight is not None:
            sample_weight = ops.convert_to_tensor(sample_weight, self.dtype)
        truth, predicted, weights = _columns(truth, predicted, sample_weight)
        columns = predicted.shape[-1]
        if columns is None or (self.column is not None and self.column >= columns):
            rule = "a known number of columns"
            if columns is not None:
                rule = f"more than {self.column} columns, as `column` counts from 0"
            raise ValueError(
                f"`y_pred` must have {rule}. "
                f"Received: column={self.column}, y_pred of shape {tuple(predicted.shape)}"
            )
        if self.column is not None:
            part = slice(self.column, self.column + 1)
            truth, predicted, weights = (x[:, part] for x in (truth, predicted, weights))
        elif self.sums is None:
            self._build(columns)
        products = (
            *(ops.ones_like(truth), truth, predicted),
            *(truth * truth, predicted * predicted, truth * predicted),
        )
        self.sums.assign_add(ops.stack([ops.sum(weights * each, axis=0) for each in products]))

    def result(self) -> keras.KerasTensor:
        if self.sums is None:
            return ops.zeros((), self.dtype)
        count, *sums = ops.unstack(ops.convert_to_tensor(self.sums), 6)
        t, p, tt, pp, tp = (ops.divide_no_nan(each, count) for each in sums)
        # Rounding must not make a variance negative.
        variances = ops.maximum(tt - t * t, 0) + ops.maximum(pp - p * p, 0)
        found = 2 * (tp - t * p) / (variances + (t - p) * (t - p) + self.epsilon)
        known = ops.cast(count > 0, self.dtype)
        return ops.divide_no_nan(ops.sum(known * found), ops.sum(known))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "column": self.column, "epsilon": self.epsilon}

    def _build(self, columns):
        self.sums = self.add_variable((6, columns), "zeros", name="sums")


def _columns(truth, predicted, sample_weight):
    """Return targets without NaN, predictions and weights, all `(batch, columns)`."""
    shapes = tuple(truth.shape), tuple(predicted.shape)
    known = all(a == b or None in (a, b) for a, b in zip(*shapes, strict=False))
    if len(shapes[0]) != len(shapes[1]) or len(shapes[1]) not in (1, 2) or not known:
        raise ValueError(
            "`y_true` and `y_pred` must be of one shape, (batch, columns) or (batch,). "
            f"Received: y_true of shape {shapes[0]}, y_pred of shape {shapes[1]}"
        )
    if len(shapes[1]) == 1:
        truth, predicted = ops.expand_dims(truth, -1), ops.expand_dims(predicted, -1)
    unknown = ops.isnan(truth)
    weights = ops.where(unknown, ops.zeros_like(truth), ops.ones_like(truth))
    if sample_weight is not None:
        if len(sample_weight.shape) == 1:
            sample_weight = ops.expand_dims(sample_weight, -1)
        weights = weights * sample_weight
    # NaN times 0 is NaN.
    return ops.where(unknown, ops.zeros_like(truth), truth), predicted, weights


def _checked_epsilon(epsilon):
    check_number("epsilon", epsilon)
    if not epsilon > 0:
        raise ValueError(f"`epsilon` must be above 0. Received: epsilon={epsilon!r}")
    return float(epsilon)
