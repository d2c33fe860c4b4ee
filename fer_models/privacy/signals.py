"""A classifier's answers to each example, the input of membership inference."""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Sequence
from typing import Any, Self

import keras
import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments
from fer_data.checks import (
    WHOLE,
    as_array,
    as_numbers,
    check_integer,
    check_sequence,
    checked_array,
    shown,
)
from fer_data.files import read_arrays, write_arrays
from fer_models.evaluation.probability_checks import checked_labels_or_distributions
from fer_models.privacy.queries import augmentation_queries, seed_of_queries
from fer_models.zoo.face_outputs import expression_labels, expression_part
from fer_models.zoo.model_checks import check_one_output, check_predicts

_SEED = "query_seed"
# Rows of a half-precision softmax sum to one only to about two digits.
_SUM_TOLERANCE = 1e-2


@dataclasses.dataclass(frozen=True, eq=False)
class Signals:
    """A model's answers to examples, as arrays of float64; `signals` makes them.

    The second axis counts the queries: the picture itself first, then its copies.

    Attributes:
        labels: True classes, integers `(examples,)`.
        probabilities: `(examples, queries, classes)`, from 0 to 1.
        true_probability: Probability p of the true class, `(examples, queries)`.
        loss: Cross-entropy -log(p) in nats, `(examples, queries)`.
        margin: Logit, log(p / (1 - p)), Carlini's rescaled confidence, `(examples, queries)`. It
            is about normally distributed, which p and the loss are not.
        entropy: Entropy of the prediction, in nats, `(examples, queries)`.
        hashes: Content hash of every example, strings `(examples,)`.
        query_seed: Seed of the shifted copies, which are the queries from the third on; `None`
            where it is not known.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    true_probability: np.ndarray
    loss: np.ndarray
    margin: np.ndarray
    entropy: np.ndarray
    hashes: np.ndarray
    query_seed: int | None = None

    @classmethod
    def from_outputs(
        cls,
        outputs: ArrayLike,
        labels: ArrayLike,
        hashes: ArrayLike,
        from_logits: bool | None = None,
    ) -> Self:
        """Compute the signals of a model's outputs.

        Args:
            outputs: Probabilities or logits `(examples, classes)` or
                `(examples, queries, classes)`, in the precision the model gave them.
            labels: Integers `(examples,)` or one-hot rows `(examples, classes)`.
            hashes: Content hashes `(examples,)`, as `content_hashes` gives them.
            from_logits: Whether `outputs` are logits; `None` finds out: they are probabilities if
                every row is from 0 to 1 and sums to one, and logits if a value lies outside.

        Returns:
            `Signals`.

        Raises:
            ValueError: If shapes do not fit, a label is outside the classes, outputs are not
                finite, or `from_logits` is missing or wrong.

        Example:

        >>> one = Signals.from_outputs([[0.75, 0.25]], [0], ["a"])
        >>> bool(np.isclose(one.margin[0, 0], np.log(3)))
        True
        """
        outputs = as_array("outputs", outputs)
        if not np.issubdtype(outputs.dtype, np.floating):
            outputs = outputs.astype("float64")
        if outputs.ndim == 2:
            outputs = outputs[:, None]
        if outputs.ndim != 3 or outputs.shape[-1] < 2 or not outputs.size:
            raise ValueError(
                "A model's outputs must be of shape (examples, classes) with 2 classes or more, "
                f"and at least one example. Received: shape={outputs.shape}"
            )
        if not np.isfinite(outputs).all():
            bad = np.flatnonzero(~np.isfinite(outputs).all(axis=(1, 2)))
            raise ValueError(
                f"A model's outputs must be finite. Received: {len(bad)} examples that are not, "
                f"the first {bad[0]}"
            )
        labels, _ = checked_labels_or_distributions(labels, len(outputs), outputs.shape[-1])
        hashes = np.asarray(hashes, dtype=str)
        if hashes.shape != labels.shape:
            raise ValueError(
                f"`hashes` must have one entry an example, {len(labels)}. "
                f"Received: shape={hashes.shape}"
            )
        if _are_logits(outputs, from_logits):
            scores = outputs.astype("float64")
        else:
            # A softmax in float32 rounds p to 1 long before the others vanish; their sum, and not 1
            # - p, carries the margin. Values that underflow count as the smallest positive number.
            smallest = np.finfo(outputs.dtype).tiny
            scores = np.log(np.maximum(outputs, smallest).astype("float64"))
        return cls._from_scores(scores, labels, hashes)

    @classmethod
    def _from_scores(cls, scores, labels, hashes):
        from scipy.special import log_softmax, logsumexp

        log_probabilities = log_softmax(scores, axis=-1)
        probabilities = np.exp(log_probabilities)
        others = np.arange(scores.shape[-1]) != labels[:, None, None]
        true = np.take_along_axis(log_probabilities, labels[:, None, None], axis=-1)[..., 0]
        margin = true - logsumexp(np.where(others, log_probabilities, -np.inf), axis=-1)
        return cls(
            labels=labels,
            probabilities=probabilities,
            true_probability=np.exp(true),
            # log1p(exp(-margin)): exact where p is so near to 1 that log(p) is 0.
            loss=np.logaddexp(0.0, -margin),
            margin=margin,
            entropy=-(probabilities * log_probabilities).sum(axis=-1),
            hashes=hashes,
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Any) -> "Signals":
        """Return the signals of some examples: a slice, an array of indices or a mask."""
        if isinstance(index, (int, np.integer)):
            index = [index]
        chosen = {name: value[index] for name, value in self._arrays().items()}
        return Signals(**chosen, query_seed=self.query_seed)

    @property
    def queries(self) -> int:
        """Number of queries per example."""
        return self.loss.shape[1]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.probabilities.shape[-1]

    @property
    def accuracy(self) -> float:
        """Share of the examples whose own picture (the first query) is classified correctly."""
        return float(np.mean(self.probabilities[:, 0].argmax(axis=-1) == self.labels))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to an `.npz` file, under a temporary name first."""
        known = {} if self.query_seed is None else {_SEED: np.array(self.query_seed)}
        write_arrays(path, self._arrays() | known)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote.

        Raises:
            ValueError: If the file is damaged or holds something else.
        """
        # Files of before the seed was kept lack it.
        found = read_arrays(path, _array_names(cls), optional=[_SEED])
        seed = None
        if _SEED in found:
            kept = found.pop(_SEED)
            seed = int(checked_array(f"{_SEED} of {os.fspath(path)}", kept, (), kinds=WHOLE))
        return cls(**found, query_seed=seed)

    def _arrays(self):
        return {name: getattr(self, name) for name in _array_names(self)}


def _array_names(kind):
    return [field.name for field in dataclasses.fields(kind) if field.name != _SEED]


@arguments.checked(
    queries=arguments.either(
        arguments.integer(1, 10_000),
        arguments.sequence(arguments.function),
        rule="an integer of 1 or more, or a sequence of functions",
    ),
    seed=arguments.seed,
    from_logits=arguments.flag,
    progress=arguments.flag,
)
def signals(
    model: keras.Model,
    images: Any,
    labels: ArrayLike | None = None,
    *,
    queries: int | Sequence[Callable[[np.ndarray], np.ndarray]] = 1,
    batch_size: int = 64,
    seed: int = 0,
    from_logits: bool | None = None,
    progress: bool = True,
) -> Signals:
    """Return a classifier's answers to examples, with losses, margins and entropies.

    Args:
        model: Built Keras model, any backend, whose output is `(batch, classes)`: probabilities
            or logits; or one of `fer_models.with_valence_arousal`, whose classes are taken. It gets
            pixels as it was trained on them; the models of this package take [0, 255] and
            standardise by themselves.
        images: Array `(examples, height, width, channels)`; for a model of several inputs a tuple
            or dictionary of arrays. Or a finite iterable of batches `(images, labels)`, such as a
            `tf.data.Dataset`, whose order is always the same.
        labels: Integers `(examples,)` or one-hot `(examples, classes)`, with arrays only.
        queries: Number of pictures to ask about for each example, or functions that make them:
            see `augmentation_queries`.
        batch_size: Images at a time, for arrays.
        seed: Seed of the shifted copies, of 3 queries or more. Take the same one for all sets of an
            audit and for its reference models.
        from_logits: Whether the model gives logits; `None` finds out by looking at the outputs.
        progress: Whether to show a bar.

    Returns:
        `Signals`, with the examples in the order given.

    Raises:
        ValueError: If the model has several outputs, there are no examples, the dataset does not
            end, lengths differ, a batch is not a pair, or outputs and labels break a rule of
            `Signals.from_outputs`.

    Example:

    ```python
    members = signals(model, images, labels, queries=2)
    members.loss.shape  # (examples, 2)
    ```
    """
    from tqdm import tqdm

    asked = augmentation_queries(queries, seed)
    check_predicts(model)
    model = expression_part(model)
    check_one_output(model)
    batches, total = _batches(images, labels, batch_size)
    outputs, truth, hashes = [], [], []
    size = 0
    for batch in tqdm(batches, total=total, desc="signals", unit="batch", disable=not progress):
        if not isinstance(batch, (tuple, list)) or len(batch) != 2:
            raise ValueError(
                "`images` must be arrays, or give batches (images, labels). "
                f"Received: a {type(batch).__name__}"
                + (f" of {len(batch)}" if isinstance(batch, (tuple, list)) else "")
            )
        # tf.data gives TensorFlow's tensors, which other backends do not take.
        pixels = keras.tree.map_structure(_pixels, batch[0])
        hashes.append(content_hashes(pixels))
        size = max(size, len(hashes[-1]))
        copies = [keras.tree.map_structure(query, pixels) for query in asked]
        outputs.append(np.stack([_predict(model, copy, size) for copy in copies], axis=1))
        truth.append(np.asarray(expression_labels(batch[1])))
    if not outputs:
        raise ValueError("`images` must hold at least one example. Received: none")
    found = Signals.from_outputs(
        np.concatenate(outputs), np.concatenate(truth), np.concatenate(hashes), from_logits
    )
    return dataclasses.replace(found, query_seed=seed_of_queries(queries, seed))


def content_hashes(images: Any) -> np.ndarray:
    """Return a hash of the pixels of every example: equal for equal pixels only.

    The type of the numbers does not count: uint8 and float32 pixels of the same values agree.

    Args:
        images: Array `(examples, ...)`, or a tuple or dictionary of arrays, one for each input.

    Returns:
        Strings `(examples,)` of 32 hexadecimal digits.

    Raises:
        ValueError: If the arrays differ in length.

    Example:

    >>> first, second = content_hashes(np.zeros((2, 4, 4, 1), "uint8"))
    >>> first == second
    True
    """
    parts = [_pixels(part) for part in _parts(images)]
    if not parts or not all(part.ndim for part in parts):
        raise ValueError(
            "`images` must be an array of examples, or several. "
            f"Received: shapes {[part.shape for part in parts]}"
        )
    if len({len(part) for part in parts}) != 1:
        raise ValueError(
            "`images` must have as many examples in every input. "
            f"Received: {[len(part) for part in parts]}"
        )
    found = []
    for example in zip(*parts, strict=True):
        digest = hashlib.blake2b(digest_size=16)
        for part in example:
            digest.update(str(part.shape).encode())
            # Adding 0 makes -0 the same as 0.
            digest.update(np.ascontiguousarray(part + np.float32(0)).tobytes())
        found.append(digest.hexdigest())
    return np.array(found, dtype="U32")


def _parts(images):
    """Return the arrays of a tuple or a dictionary; of a list of rows the one array."""
    return keras.tree.flatten(images) if isinstance(images, (tuple, dict)) else [images]


def _pixels(images):
    return as_numbers("images", images, "float32")


def _predict(model, images, size):
    """Return the outputs; a batch smaller than `size` is filled up, to compile once."""
    count = len(keras.tree.flatten(images)[0])
    rows = np.minimum(np.arange(size), count - 1)
    if count < size:
        images = keras.tree.map_structure(lambda part: part[rows], images)
    return np.asarray(keras.ops.convert_to_numpy(model.predict_on_batch(images)))[:count]


def _are_logits(outputs, from_logits):
    wide = outputs.astype("float64")
    inside = ((wide >= 0) & (wide <= 1 + _SUM_TOLERANCE)).all(axis=-1)
    rows = inside & (np.abs(wide.sum(axis=-1) - 1) <= _SUM_TOLERANCE)
    if from_logits is None:
        # A few rows of logits look like probabilities by chance; all of them do not.
        if rows.all() or not inside.all():
            return not rows.all()
        raise ValueError(
            "`from_logits` must be given: all outputs are from 0 to 1, but "
            f"{(~rows).sum()} of {rows.size} rows do not sum to one. Received: from_logits=None"
        )
    if not from_logits and not rows.all():
        raise ValueError(
            "Probabilities must be from 0 to 1 and sum to one in every row. "
            f"Received: {(~rows).sum()} rows that do not, with from_logits=False"
        )
    return bool(from_logits)


def _batches(images, labels, batch_size):
    arrays = keras.tree.flatten(images) if isinstance(images, (tuple, dict)) else [images]
    if labels is None:
        if all(isinstance(array, np.ndarray) for array in arrays):
            raise ValueError("`labels` must be given with arrays. Received: labels=None")
        return _checked_dataset(images)
    check_integer("batch_size", batch_size, 1)
    labels = as_array("labels", labels)
    images = keras.tree.map_structure(np.asarray, images) if len(arrays) > 1 else images
    arrays = keras.tree.flatten(images) if len(arrays) > 1 else [as_array("images", images)]
    if not labels.ndim:
        raise ValueError(f"`labels` must be a vector or rows. Received: labels={shown(labels)}")
    lengths = [len(array) if array.ndim else 0 for array in arrays]
    if any(length != len(labels) for length in lengths):
        raise ValueError(
            "`images` and `labels` must be of the same length. "
            f"Received: {lengths} images and {len(labels)} labels"
        )
    images = images if len(arrays) > 1 else arrays[0]

    def part(start):
        return keras.tree.map_structure(lambda array: array[start : start + batch_size], images)

    starts = range(0, len(labels), batch_size)
    return ((part(i), labels[i : i + batch_size]) for i in starts), len(starts)


def _checked_dataset(data):
    check_sequence("images", data)
    if isinstance(data, keras.utils.PyDataset):
        return (data[i] for i in range(len(data))), len(data)
    if not hasattr(data, "cardinality"):
        return data, len(data) if hasattr(data, "__len__") else None
    # tf.data: -1 is infinite, -2 unknown.
    count = int(data.cardinality())
    if count == -1:
        raise ValueError("`images` must end. Received: a dataset of infinite cardinality")
    return data, None if count == -2 else count
