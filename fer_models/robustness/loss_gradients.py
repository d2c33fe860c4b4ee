"""Scores of a model, and their gradients with respect to the pixels, for attacks."""

import copy
import functools

import keras
import numpy as np

from fer_data.checks import (
    check_integer,
    checked_images,
    checked_labels,
)
from fer_models.evaluation.logits import Logits

# Added to a score, or subtracted, to exclude it from a maximum; far above any score.
_FAR = 1e9


class InputGradients:
    """Scores and input gradients of one classifier, compiled once, in inference mode.

    Works on TensorFlow, JAX and PyTorch. The softmax or sigmoid at the model's end is left out
    (`fer_models.evaluation.logits.Logits`): where it saturates, gradients vanish. Dropout and noise
    layers are off, batch norm uses its stored statistics. Weights are read at every call.

    Args:
        model: Built Keras model of one image input in [0, 255] and one output
            `(batch, classes)`, two classes or more.

    Attributes:
        classes: Number of classes.
        input_shape: Shape of one image; None where the model leaves a size open.
        from_probabilities: Whether the model returns probabilities from a layer that could not be
            removed. The scores are then their logarithms, which lack the digits that the softmax
            rounded away.
        whole: Whether each array of images is a whole set, which must not look scaled to [0, 1].

    Raises:
        ValueError: If the model has another kind of input or output.

    Example:

    >>> from fer_models import ghostface
    >>> gradients = InputGradients(ghostface(input_shape=(32, 32, 1), width=0.25))
    >>> images = np.full((2, 32, 32, 1), 99.0)
    >>> scores, losses, slopes = gradients(images, [0, 1], loss="dlr")
    >>> scores.shape, losses.shape, slopes.shape
    ((2, 7), (2,), (2, 32, 32, 1))
    """

    def __init__(self, model: keras.Model) -> None:
        self._logits = Logits(model)
        self.classes = self._logits.classes
        self.input_shape = self._logits.input_shape
        self._model = model
        if self.classes < 2:
            raise ValueError(
                "Argument `model` must have two classes or more. "
                f"Received: {self.classes} in model={model.name!r}"
            )
        compiled, self._sizes = _BACKENDS[keras.backend.backend()](self)
        self._compiled = functools.lru_cache(maxsize=None)(compiled)
        self.from_probabilities = False
        self.whole = True
        if not self._logits.removed:
            shape = (8, *(128 if size is None else size for size in self.input_shape))
            found = self.scores(np.random.default_rng(0).uniform(0, 255, shape))
            sums = found.sum(axis=-1)
            self.from_probabilities = bool(found.min() >= 0 and np.abs(sums - 1).max() < 1e-4)
            self._compiled.cache_clear()

    def of_parts(self) -> "InputGradients":
        """Return the same for parts of a set of images that was checked as a whole.

        Then a few images that are all nearly black do not count as scaled to [0, 1].
        """
        same = copy.copy(self)
        same.whole = False
        return same

    def forward(self, images: keras.KerasTensor) -> keras.KerasTensor:
        """Return the scores of a tensor of images, as a tensor."""
        scores = self._logits(images)
        if self.from_probabilities:
            return keras.ops.log(keras.ops.maximum(scores, 1e-30))
        return scores

    def scores(self, images: np.ndarray, batch_size: int = 64) -> np.ndarray:
        """Return the scores of images: float32 `(examples, classes)`."""
        images = checked_images(images, self.input_shape, whole=self.whole)
        check_integer("batch_size", batch_size, 1)
        return self._in_batches(None, images, np.zeros(len(images), "int32"), batch_size)[0]

    def __call__(
        self, images: np.ndarray, labels: np.ndarray, loss: str = "ce", batch_size: int = 64
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return scores, losses and gradients of the losses with respect to the pixels.

        Args:
            images: Array of the model's shape in [0, 255].
            labels: True class of each image, integers.
            loss: `"ce"` or `"dlr"`; larger is nearer to an error. `"ce"` is the logarithm of the
                odds against the true class, of which the cross-entropy is a rising function: the
                gradient has the cross-entropy's direction and does not vanish where the model is
                sure. `"dlr"` is the difference of logits ratio, which does not depend on the scale
                of the scores (a temperature); it needs three classes or more.
            batch_size: Images at a time.

        Returns:
            float32 arrays `(examples, classes)`, `(examples,)` and like the images.

        Raises:
            ValueError: If an argument breaks its rule.

        Reference:
            Croce and Hein, "Reliable evaluation of adversarial robustness with an ensemble of
            diverse parameter-free attacks", ICML 2020, equation 6 (DLR).
        """
        images = checked_images(images, self.input_shape, whole=self.whole)
        labels = checked_labels(labels, len(images), self.classes)
        check_loss(loss, self.classes)
        check_integer("batch_size", batch_size, 1)
        return self._in_batches(loss, images, labels, batch_size)

    def _in_batches(self, loss, images, labels, batch_size):
        run = self._compiled(loss)
        outputs = []
        for start in range(0, len(images), batch_size):
            some = slice(start, start + batch_size)
            batch, wanted = images[some].astype("float32"), labels[some]
            count = len(batch)
            full = next((size for size in self._sizes(batch_size) if size >= count), count)
            batch, wanted = (np.concatenate([x, x[:1].repeat(full - count, 0)])
                             for x in (batch, wanted))  # fmt: skip
            outputs.append([keras.ops.convert_to_numpy(x)[:count] for x in run(batch, wanted)])
        return [np.concatenate(parts) for parts in zip(*outputs, strict=True)]


def check_loss(loss: str, classes: int) -> None:
    """Raise `ValueError` unless `loss` is known and there are enough classes for it."""
    if loss not in LOSSES:
        raise ValueError(f"`loss` must be one of {sorted(LOSSES)}. Received: loss={loss!r}")
    if loss == "dlr" and classes < 3:
        raise ValueError(
            f'`loss="dlr"` needs three classes or more. Received: a model of {classes} classes'
        )


def _log_odds(scores, hot):
    ops = keras.ops
    return ops.logsumexp(scores - _FAR * hot, axis=-1) - ops.sum(scores * hot, axis=-1)


def _difference_of_logits_ratio(scores, hot):
    ops = keras.ops
    own = ops.sum(scores * hot, axis=-1)
    other = ops.max(scores - _FAR * hot, axis=-1)
    largest = ops.top_k(scores, 3)[0]
    return (other - own) / (largest[:, 0] - largest[:, 2] + 1e-12)


LOSSES = {"ce": _log_odds, "dlr": _difference_of_logits_ratio}


def _loss_of(gradients, loss, images, labels):
    """Return the sum of the losses, whose gradients do not mix, with scores and losses."""
    scores = gradients.forward(images)
    hot = keras.ops.one_hot(labels, gradients.classes, dtype="float32")
    losses = LOSSES[loss](scores, hot)
    return keras.ops.sum(losses), (scores, losses)


def _tensorflow(gradients):
    import tensorflow as tf

    signature = (
        tf.TensorSpec((None, *gradients.input_shape), "float32"),
        tf.TensorSpec((None,), "int32"),
    )

    def compiled(loss):
        @functools.partial(tf.function, autograph=False, input_signature=signature)
        def run(images, labels):
            if loss is None:
                return (gradients.forward(images),)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(images)
                total, (scores, losses) = _loss_of(gradients, loss, images, labels)
            slopes = tape.gradient(
                total, images, unconnected_gradients=tf.UnconnectedGradients.ZERO
            )
            return scores, losses, slopes

        return run

    return compiled, lambda batch_size: ()


def _jax(gradients):
    import jax

    model = gradients._model

    def compiled(loss):
        @jax.jit
        def run(trainable, others, images, labels):
            def total(images):
                state = [
                    *zip(model.trainable_variables, trainable, strict=True),
                    *zip(model.non_trainable_variables, others, strict=True),
                ]
                with keras.StatelessScope(state_mapping=state):
                    if loss is None:
                        return gradients.forward(images)
                    return _loss_of(gradients, loss, images, labels)

            if loss is None:
                return (total(images),)
            (_, (scores, losses)), slopes = jax.value_and_grad(total, has_aux=True)(images)
            return scores, losses, slopes

        def with_weights(images, labels):
            trainable = [variable.value for variable in model.trainable_variables]
            others = [variable.value for variable in model.non_trainable_variables]
            return run(trainable, others, images, labels)

        return with_weights

    # JAX compiles for every batch size, so only two sizes are used.
    return compiled, lambda batch_size: (min(8, batch_size), batch_size)


def _torch(gradients):
    import torch

    def compiled(loss):
        def run(images, labels):
            images, labels = (keras.ops.convert_to_tensor(x) for x in (images, labels))
            if loss is None:
                with torch.no_grad():
                    return (gradients.forward(images),)
            with torch.enable_grad():
                images.requires_grad_()
                total, (scores, losses) = _loss_of(gradients, loss, images, labels)
                slopes = torch.autograd.grad(total, images, materialize_grads=True)[0]
            return scores.detach(), losses.detach(), slopes

        return run

    return compiled, lambda batch_size: ()


_BACKENDS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
