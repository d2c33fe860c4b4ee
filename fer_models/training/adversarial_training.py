"""Adversarial training: each batch is attacked before the model trains on it."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from fer_data.checks import check_epsilon, check_instance, check_integer, check_number
from fer_models.evaluation.logits import Logits


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdversarialTraining:
    """Settings of the attack in a training; `Recipe.replace(adversarial=...)` takes it.

    Attributes:
        epsilon: Largest change of a pixel in grey levels of [0, 255]: 2 is the literature's 2/255.
        steps: Steps of the attack along the sign of the gradient, from a random start. One step is
            FGSM as in "Fast is better than free", and takes about as long as the training step
            itself; more steps are PGD, and each takes as long again.
        step_size: Length of a step in grey levels; None for `1.25 * epsilon` with one step, and
            `2.5 * epsilon / steps` with more.
        plain_share: Share of every batch that is not attacked, in [0, 1). A larger share costs less
            accuracy on plain faces and wins less on attacked ones.
        seed: Seed of the random starts.

    Raises:
        ValueError: If a value breaks its rule.

    Example:

    >>> from fer_models import recipes
    >>> attacked = AdversarialTraining(epsilon=2, plain_share=0.5)
    >>> recipes.get("ghostface_small").replace(adversarial=attacked).adversarial.length
    2.5

    Reference:
        Wong, Rice and Kolter, "Fast is better than free: Revisiting adversarial training", ICLR
        2020, algorithm 3; Madry et al., "Towards Deep Learning Models Resistant to Adversarial
        Attacks", ICLR 2018, for more steps; Kurakin, Goodfellow and Bengio, "Adversarial Machine
        Learning at Scale", ICLR 2017, for the plain share.
    """

    epsilon: float = 2.0
    steps: int = 1
    step_size: float | None = None
    plain_share: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_epsilon("epsilon", self.epsilon)
        check_integer("steps", self.steps, 1)
        check_integer("seed", self.seed, 0)
        if self.step_size is not None:
            check_epsilon("step_size", self.step_size)
        check_number("plain_share", self.plain_share, 0, 1)
        if self.plain_share == 1:
            raise ValueError("`plain_share` must be below 1. Received: plain_share=1")

    @property
    def length(self) -> float:
        """Length of a step in grey levels."""
        if self.step_size is not None:
            return self.step_size
        return 1.25 * self.epsilon if self.steps == 1 else 2.5 * self.epsilon / self.steps


class AdversarialTrainer(keras.Model):
    """Trains a model on faces that are attacked by its weights of that moment.

    Compile and fit it like any model. It trains `network` in place; save and use that model
    afterwards. Each step attacks the first part of the shuffled batch in inference mode: batch norm
    uses its stored statistics, and dropout and noise are off. Then it trains on the changed batch
    as usual. The training figures that `fit` prints are those of the changed batch. Validation uses
    plain faces, and so does the choice of the best epoch: measure the last epoch too, because the
    best epoch on plain faces need not be the most robust.

    Training with one step of attack can fail: the network then resists that one step and nothing
    else. An attack by PGD shows this (`fer_models.robustness.adversarial_accuracy`); more `steps`
    prevent it.

    Args:
        network: A `keras.Model` with one image input in [0, 255] and one output `(batch, classes)`
            that ends in a softmax; a sigmoid is refused.
        options: `AdversarialTraining`.

    Raises:
        ValueError: If `network` is not such a model; in `compile`, if loss scaling is in use; in
            `fit`, if the labels are not `(batch, classes)`.
        NotImplementedError: On other backends than TensorFlow and JAX.

    Example:

    ```python
    trainer = AdversarialTrainer(emotion_cnn(), AdversarialTraining(epsilon=2))
    trainer.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    trainer.fit(train, validation_data=validation, epochs=20)
    trainer.network.save("robust.keras")
    ```
    """

    def __init__(
        self, network: keras.Model, options: Any, name: str = "adversarial_trainer"
    ) -> None:
        if keras.backend.backend() not in _SLOPES:
            raise NotImplementedError(
                f"Adversarial training is for the backends {', '.join(_SLOPES)}. "
                f"Received: the backend {keras.backend.backend()!r}"
            )
        check_instance("options", options, AdversarialTraining, "an `AdversarialTraining`")
        single = isinstance(network, keras.Model) and all(
            len(getattr(network, end, None) or ()) == 1 for end in ("inputs", "outputs")
        )
        if not single or isinstance(network, keras.distillation.Distiller):
            raise ValueError(
                "`network` must be a functional or a built sequential `keras.Model` of one input "
                f"and one output, and no distiller. Received: network={network!r}"
            )
        super().__init__(name=name)
        self.network, self.options = network, options
        self.generator = keras.random.SeedGenerator(options.seed)
        # Gradients of probabilities would vanish where the network is sure.
        self._scores = Logits(network)
        if not self._scores.softmax:
            raise ValueError(
                "`network` must end in a softmax, a layer or the activation of the last one. "
                f"Received: network={network.name!r}"
            )
        self._slopes = _SLOPES[keras.backend.backend()]
        self.build(network.input_shape)

    def build(self, input_shape: Any) -> None:
        self.built = True

    def call(self, images: keras.KerasTensor, training: bool | None = False) -> keras.KerasTensor:
        return self.network(images, training=training)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Set up the training, as `keras.Model.compile`."""
        super().compile(*args, **kwargs)
        if isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            raise ValueError(
                "Adversarial training must run without loss scaling, as gradients of pixels vanish "
                "in half precision: use float32 or mixed_bfloat16. Received: a LossScaleOptimizer"
            )

    def train_step(self, *args: Any) -> Any:
        *state, data = args
        images, targets, weights = keras.utils.unpack_x_y_sample_weight(data)
        if state:
            images, state = self._attacked_statelessly(state[0], images, targets)
        else:
            images = self.attacked(images, targets)
        data = keras.utils.pack_x_y_sample_weight(images, targets, weights)
        return super().train_step(*state, data)

    def _attacked_statelessly(self, state, images, targets):
        """Return attacked images, and JAX's state with the advanced random generator."""
        trainable, others, *rest = state
        variables = self.non_trainable_variables
        mapping = [
            *zip(self.trainable_variables, trainable, strict=True),
            *zip(variables, others, strict=True),
        ]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            images = self.attacked(images, targets)
        drawn = scope.get_current_value(self.generator.state)
        others = [
            drawn if variable is self.generator.state else value
            for variable, value in zip(variables, others, strict=True)
        ]
        return images, [(trainable, others, *rest)]

    def attacked(self, images: Any, targets: Any) -> Any:
        """Return a batch whose first part is attacked; a share of `plain_share` stays plain.

        Args:
            images: Tensor `(batch, height, width, channels)` in [0, 255], or channels first.
            targets: Tensor `(batch, classes)`, the labels of the images.

        Returns:
            A float32 tensor like `images`, within [0, 255] and `epsilon` of them.
        """
        if len(targets.shape) != 2:
            raise ValueError(
                "Adversarial training must have labels of shape (batch, classes), one-hot or soft. "
                f"Received: labels of shape {tuple(targets.shape)}"
            )
        epsilon, length = self.options.epsilon, self.options.length
        images, targets = ops.cast(images, "float32"), ops.cast(targets, "float32")
        count = _count(images, 1 - self.options.plain_share)
        plain, learned = images[:count], targets[:count]
        low, high = ops.maximum(plain - epsilon, 0.0), ops.minimum(plain + epsilon, 255.0)
        start = keras.random.uniform(ops.shape(plain), -epsilon, epsilon, seed=self.generator)
        changed = ops.clip(plain + start, low, high)
        for _ in range(self.options.steps):
            slopes = self._slopes(lambda x: self._loss(x, learned), changed)
            changed = ops.clip(changed + length * ops.sign(slopes), low, high)
        return ops.concatenate([ops.stop_gradient(changed), images[count:]])

    def _loss(self, images, targets):
        """Return the sum of the losses; the gradient of each image depends on it alone."""
        scores = self._scores(images)
        return ops.sum(ops.categorical_crossentropy(targets, scores, from_logits=True))

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError("Save `network`, the trained model, and not its trainer.")


def _count(images, share):
    """Return the number of images, one at least, in a share of a batch of perhaps unknown size."""
    total = ops.shape(images)[0]
    if isinstance(total, int):
        return max(1, round(share * total))
    return ops.maximum(1, ops.cast(ops.round(ops.cast(total, "float32") * share), "int32"))


def _with_tensorflow(loss, images):
    import tensorflow as tf

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        total = loss(images)
    return tape.gradient(total, images, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def _with_jax(loss, images):
    import jax

    return jax.grad(loss)(images)


_SLOPES: dict[str, Callable[..., Any]] = {"tensorflow": _with_tensorflow, "jax": _with_jax}
