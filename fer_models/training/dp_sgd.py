"""DP-SGD: training in which no single face can move the weights by more than noise hides."""

import dataclasses
import secrets
from typing import Any

import keras
import numpy as np
from keras import ops

from fer_data.checks import check_integer, check_number
from fer_models.training.accountant import checked_delta
from fer_models.training.changed_state import check_unchanged, is_seed
from fer_models.zoo.batch_norm import batch_norm_layers

# Examples whose gradients are held in memory at once.
_GROUP = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class DPSGD:
    """How a training is made differentially private; `Recipe.replace(dp=...)` takes it.

    Attributes:
        noise_multiplier: Standard deviation of the noise over `l2_norm_clip`, 0 or more; 0 only
            clips, which guarantees nothing.
        l2_norm_clip: Largest L2 norm of the gradient of one example, over all weights together.
        delta: Probability with which the guarantee may fail, below 1 over the number of faces.
        seed: Seed of the noise, an integer. `None` takes one from the operating system, as it
            must be: who knows the seed can take the noise off again. Give one only in tests and
            studies of accuracy.

    Raises:
        ValueError: If a value is out of its range.

    Example:

    >>> from fer_models import recipes
    >>> dp = DPSGD(noise_multiplier=1.0, l2_norm_clip=1.0)
    >>> recipe = recipes.get("emotion_cnn").replace(dp=dp)
    >>> recipe.dp.noise_multiplier
    1.0
    """

    noise_multiplier: float
    l2_norm_clip: float = 1.0
    delta: float = 1e-5
    seed: int | None = None

    def __post_init__(self) -> None:
        for name in ("noise_multiplier", "l2_norm_clip"):
            check_number(name, getattr(self, name), 0)
        if self.l2_norm_clip == 0:
            raise ValueError(
                f"`l2_norm_clip` must be above 0. Received: l2_norm_clip={self.l2_norm_clip!r}"
            )
        checked_delta(self.delta)
        if self.seed is not None and (
            isinstance(self.seed, bool) or not isinstance(self.seed, int)
        ):
            raise ValueError(f"`seed` must be an integer or None. Received: seed={self.seed!r}")


class DPTrainer(keras.Model):
    """Trains a model by DP-SGD: clips the gradient of each example, sums, adds Gaussian noise.

    Compile and fit it as any model; `network` is the model itself, trained in place. A step takes
    the gradient of each example by itself, scales it down to an L2 norm of `l2_norm_clip` where it
    is larger, adds them up, adds noise of standard deviation `noise_multiplier * l2_norm_clip` to
    every weight's sum and divides by `batch_size`, also where a batch is smaller.
    `fer_models.training.accountant.epsilon` computes what that guarantees.

    Batch norm mixes the examples of a batch, so that no example has a gradient of its own, and its
    moving statistics keep faces without noise. So it must be frozen (`freeze_batch_norm`): it
    keeps the statistics, scales and offsets it came with. Start such a network from weights of
    public faces, or take one without batch norm, such as `emotion_cnn`; fresh statistics of mean 0
    and variance 1 make it no norm at all.

    What is protected is the weights, against whoever sees all their steps. Not protected: the
    logs (training loss and accuracy), faces of a validation set that chose the epoch, and
    anything that looks at several faces at once before the gradient (MixUp, class weights).

    Args:
        network: A `keras.Model` of one input and one output.
        options: `DPSGD`.
        batch_size: Examples a step, on average.

    Raises:
        ValueError: If `network` is no such model; in `compile`, if its batch norm is not frozen, it
            has other layers with a state that training changes, such as `SpectralNormalization`, or
            XLA (`jit_compile=True`) or loss scaling is in use; in `fit`, where there are sample or
            class weights or several replicas.
        NotImplementedError: On other backends than TensorFlow. `fer_models.training.private_fit`
            does it on JAX.

    Example:

    ```python
    trainer = DPTrainer(emotion_cnn(), DPSGD(noise_multiplier=1.0), batch_size=256)
    trainer.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    trainer.fit(train, epochs=20)
    trainer.network.save("private.keras")
    ```

    Reference:
        Abadi et al., "Deep Learning with Differential Privacy", CCS 2016, algorithm 1.
    """

    def __init__(
        self, network: keras.Model, options: Any, batch_size: int, name: str = "dp_trainer"
    ) -> None:
        if keras.backend.backend() != "tensorflow":
            raise NotImplementedError(
                "`DPTrainer` is for the TensorFlow backend; on JAX use `private_fit.fit_private`. "
                f"Received: the backend {keras.backend.backend()!r}"
            )
        if not isinstance(options, DPSGD):
            raise ValueError(f"`options` must be a `DPSGD`. Received: options={options!r}")
        check_integer("batch_size", batch_size, 1)
        single = isinstance(network, keras.Model) and all(
            len(getattr(network, end, None) or ()) == 1 for end in ("inputs", "outputs")
        )
        if not single or isinstance(network, keras.distillation.Distiller):
            raise ValueError(
                "`network` must be a functional or a built sequential `keras.Model` of one input "
                f"and one output, and no distiller. Received: network={network!r}"
            )
        super().__init__(name=name)
        self.network = network
        self.options = options
        self.batch_size = int(batch_size)
        self.generator = keras.random.SeedGenerator(options.seed or 0)
        if options.seed is None:
            # Both halves of the state: whoever sees the steps could try all seeds of 31 bits.
            secret = [secrets.randbits(32), secrets.randbits(32)]
            self.generator.state.assign(np.array(secret, "uint32"))
        self.build(network.input_shape)

    def build(self, input_shape: Any) -> None:
        self.built = True

    def call(self, images: keras.KerasTensor, training: bool | None = False) -> keras.KerasTensor:
        return self.network(images, training=training)

    def compile(self, *args: Any, jit_compile: bool | str = "auto", **kwargs: Any) -> None:
        """Set up the training, as `keras.Model.compile`, but never with XLA.

        Args:
            args: As in `keras.Model.compile`.
            jit_compile: `"auto"` or False.
            kwargs: As in `keras.Model.compile`.

        Raises:
            ValueError: As said of the class.
        """
        # Keras would take XLA wherever there is a GPU.
        if jit_compile not in ("auto", False, None):
            raise ValueError(
                '`jit_compile` must be False or "auto" for DP-SGD: XLA cannot compile its loop '
                f"over the examples of a batch. Received: jit_compile={jit_compile!r}"
            )
        mixing = [layer.name for layer in batch_norm_layers(self.network) if layer.trainable]
        if mixing:
            raise ValueError(
                "Batch norm must be frozen for DP-SGD (`freeze_batch_norm`): it mixes the examples "
                f"of a batch. Received: {len(mixing)} layers that train, the first {mixing[0]!r}"
            )
        check_unchanged(self.network)
        super().compile(*args, jit_compile=False, **kwargs)
        if isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            raise ValueError(
                "DP-SGD must run without loss scaling, which changes what is clipped: use float32 "
                "or mixed_bfloat16. Received: a LossScaleOptimizer"
            )

    def train_step(self, data: Any) -> dict[str, Any]:
        import tensorflow as tf

        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        if weights is not None:
            raise ValueError(
                "DP-SGD takes no sample or class weights. Received: batches of three parts"
            )
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            raise ValueError(
                "DP-SGD must run on one replica. Received: "
                f"{tf.distribute.get_strategy().num_replicas_in_sync}"
            )
        sums, losses, outputs, _ = self.clipped_sums(x, y)
        deviation = self.options.noise_multiplier * self.options.l2_norm_clip
        gradients = [
            (total + deviation * keras.random.normal(total.shape, seed=self.generator))
            / self.batch_size
            for total in sums
        ]
        self.optimizer.apply(gradients, self.network.trainable_variables)
        self._loss_tracker.update_state(ops.mean(losses), sample_weight=tf.shape(losses)[0])
        return self.compute_metrics(x, y, outputs)

    def clipped_sums(self, images: Any, labels: Any) -> tuple[list[Any], Any, Any, Any]:
        """Return the sums of the clipped gradients of a batch, without noise.

        Args:
            images: `(batch, ...)`.
            labels: `(batch, ...)`.

        Returns:
            Sums, one for each trainable variable; losses `(batch,)`; outputs `(batch, classes)`;
            norms `(batch,)` before the clipping.
        """
        import tensorflow as tf

        variables = self.network.trainable_variables
        count = tf.shape(images)[0]
        # Two numbers an example seed its noise and dropout, or all would draw the same.
        seeds = keras.random.randint((count, 2), 0, 2**31 - 1, seed=self.generator)
        images, labels = tf.convert_to_tensor(images), tf.convert_to_tensor(labels)

        def some(first, sums, losses, outputs, norms):
            part = slice(first, first + _GROUP)
            found = tf.vectorized_map(
                self._clipped, (images[part], labels[part], tf.cast(seeds[part], tf.uint32))
            )
            gradients, loss, output, norm = found
            sums = [
                total + tf.reduce_sum(g, axis=0) for total, g in zip(sums, gradients, strict=True)
            ]
            pieces = zip((losses, outputs, norms), (loss, output, norm), strict=True)
            return first + _GROUP, sums, *(tf.concat(pair, axis=0) for pair in pieces)

        outputs = tf.zeros((0, *self.network.output_shape[1:]), self.network.outputs[0].dtype)
        empty = tf.zeros((0,))
        begin = (0, [tf.zeros(v.shape) for v in variables], empty, outputs, empty)
        _, sums, losses, outputs, norms = tf.while_loop(
            lambda first, *_: first < count,
            some,
            begin,
            shape_invariants=(
                tf.TensorShape(()),
                [tf.TensorShape(v.shape) for v in variables],
                tf.TensorShape((None,)),
                tf.TensorShape((None, *outputs.shape[1:])),
                tf.TensorShape((None,)),
            ),
            parallel_iterations=1,
        )
        return sums, losses, outputs, norms

    def _clipped(self, example):
        """Return clipped gradients, loss, output and the norm before clipping of one example."""
        import tensorflow as tf

        image, label, seed = example
        values = [variable.value for variable in self.network.trainable_variables]
        state = [
            # Each generator its own numbers, as they count on from the same seed.
            ops.add(seed, [0, number]) if is_seed(v) else v.value
            for number, v in enumerate(self.network.non_trainable_variables)
        ]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            output, _, extra = self.network.stateless_call(
                values, state, image[None], training=True, return_losses=True
            )
            loss = tf.cast(self._compile_loss(label[None], output), tf.float32)
            loss = tf.add_n([loss, *(tf.cast(each, tf.float32) for each in extra)])
        gradients = [
            tf.convert_to_tensor(g)
            for g in tape.gradient(loss, values, unconnected_gradients="zero")
        ]
        norm = tf.linalg.global_norm(gradients)
        clip = self.options.l2_norm_clip
        # A gradient of zeros stays one.
        factor = clip / tf.maximum(norm, clip)
        return [g * factor for g in gradients], loss, output[0], norm

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError("Save `network`, the trained model, and not its DP trainer.")


def freeze_batch_norm(model: keras.Model) -> int:
    """Freeze every batch norm layer of a model, also inside of composed layers.

    They keep their statistics, scales and offsets, and each example passes by itself.

    Args:
        model: A `keras.Model`; compile it after.

    Returns:
        The number of layers that were frozen.

    Example:

    >>> from fer_models import emotion_cnn
    >>> freeze_batch_norm(emotion_cnn(regularized=True)) > 0
    True
    """
    layers = batch_norm_layers(model)
    for layer in layers:
        layer.trainable = False
    return len(layers)
