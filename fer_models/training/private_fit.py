"""DP-SGD with Poisson sampling, by jax-privacy: `fit_private`."""

import secrets
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments, whole
from fer_data.checks import checked_array, checked_labels
from fer_models.training.changed_state import check_unchanged
from fer_models.training.private_training import PrivateTraining
from fer_models.zoo.batch_norm import batch_norm_layers

LOSS = "sparse_categorical_crossentropy"


@arguments.checked(
    model=arguments.instance(keras.Model, "a `keras.Model`"),
    training=arguments.instance(PrivateTraining, "a `PrivateTraining`"),
    progress=arguments.flag,
)
def fit_private(
    model: keras.Model,
    inputs: ArrayLike,
    labels: ArrayLike,
    training: PrivateTraining,
    *,
    optimizer: keras.optimizers.Optimizer | str = "adam",
    loss: Any = LOSS,
    absent: ArrayLike | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Train a model so that its weights give away little of any single example.

    Each step draws a batch by Poisson sampling, clips the gradient of each example to an L2 norm of
    `l2_norm_clip`, sums the gradients, adds Gaussian noise, divides by `batch_size` and hands the
    result to the optimizer. jax-privacy does batches, clipping and noise, dp-accounting the
    accounting. The noise is computed from the wanted epsilon. Two data sets are neighbours if one
    has one example more than the other.

    The guarantee holds against anyone who sees the weights after every step. It protects one
    example, not all pictures of a person. The number of examples is taken as known. A choice of
    settings by their results on the same examples is not covered. Batch norm must be frozen,
    because it mixes the examples of a batch. The generators are JAX's for the noise and NumPy's for
    the batches; neither is made for cryptography.

    Args:
        model: Built functional or sequential model with one input and one output; it is trained in
            place.
        inputs: `(examples, ...)`, as the model takes them.
        labels: Class numbers, integers `(examples,)`.
        training: `PrivateTraining`.
        optimizer: A Keras optimizer or its name. If it averages the weights (`use_ema`), the model
            gets the average.
        loss: A Keras loss or its name, which takes class numbers and the model's output.
        absent: Booleans `(examples,)`, True for examples that are counted and drawn but have no
            gradient, such as the left out canaries of an audit. None: no such examples.
        progress: Whether to show a bar.

    Returns:
        `PrivateTraining.guarantee` of these examples.

    Raises:
        ImportError: If jax-privacy is not installed.
        NotImplementedError: On other backends than JAX; `DPTrainer` clips and adds noise on
            TensorFlow, with shuffled batches.
        ValueError: If an argument breaks its rule, or the model has batch norm that is not frozen,
            or other layers with a state that training changes, such as `SpectralNormalization`.

    Example:

    ```python
    head = keras.Sequential([keras.Input((1024,)), keras.layers.Dense(7, "softmax")])
    training = PrivateTraining(epsilon=3.0, batch_size=1024, steps=300)
    found = fit_private(head, features, labels, training, optimizer=keras.optimizers.SGD(4.0))
    print(found["epsilon"], found["noise_multiplier"])
    ```

    Reference:
        Abadi et al., "Deep Learning with Differential Privacy", CCS 2016, algorithm 1; jax-privacy
        2.0 (https://github.com/google-deepmind/jax_privacy).
    """
    if keras.backend.backend() != "jax":
        raise NotImplementedError(
            "`fit_private` computes on JAX: set KERAS_BACKEND=jax. "
            f"Received: the backend {keras.backend.backend()!r}"
        )
    single = all(len(getattr(model, end, None) or ()) == 1 for end in ("inputs", "outputs"))
    if not single or not model.trainable_variables:
        raise ValueError(
            "`model` must be a functional or a built sequential model of one input and one output, "
            f"with weights to train. Received: model={model.name!r}"
        )
    mixing = [layer.name for layer in batch_norm_layers(model) if layer.trainable]
    if mixing:
        raise ValueError(
            "`model` must have its batch norm frozen (`freeze_batch_norm`): it mixes the examples "
            f"of a batch. Received: {len(mixing)} layers that train, the first {mixing[0]!r}"
        )
    inputs = checked_array("inputs", inputs, (None, *model.input_shape[1:]))
    check_unchanged(model, inputs.shape[1:])
    labels = checked_labels(labels, len(inputs), model.output_shape[-1])
    left_out = np.zeros(len(inputs), bool)
    if absent is not None:
        left_out = checked_array("absent", absent, (len(inputs),), kinds="b")
    guarantee = training.guarantee(len(inputs))
    _run(model, inputs, labels, left_out, training, guarantee, optimizer, loss, progress)
    return guarantee


@arguments.checked(
    features=arguments.array((None, None)),
    noise_multiplier=arguments.number(0),
    norm=arguments.number(1e-6),
    seed=arguments.seed,
)
def private_mean(
    features: ArrayLike, noise_multiplier: float, *, norm: float = 1.0, seed: int | None = None
) -> np.ndarray:
    """Return the mean of features, with noise that hides each single example.

    Give the noise multiplier in `PrivateTraining(earlier=)`, so that epsilon covers it. The number
    of examples is taken as known. The generator is NumPy's, not one for cryptography.

    Args:
        features: `(examples, features)`; longer rows are scaled down to the norm `norm`.
        noise_multiplier: Standard deviation of the noise in the sum, divided by `norm`; 0 adds no
            noise.
        norm: Largest L2 norm of a row.
        seed: Seed of the noise. None, which is required outside tests and studies, takes one from
            the operating system.

    Returns:
        float32 `(features,)`.

    Raises:
        ValueError: If an argument breaks its rule.

    Example:

    >>> private_mean([[0.0, 1.0], [1.0, 0.0]], 0.0).tolist()
    [0.5, 0.5]
    """
    features = checked_array("features", features, (None, None)).astype("float64")
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    summed = (features * (norm / np.maximum(norms, norm))).sum(0)
    generator = np.random.default_rng(secrets.randbits(256) if seed is None else seed)
    summed = summed + noise_multiplier * norm * generator.normal(size=summed.shape)
    return (summed / len(features)).astype("float32")


def _run(model, inputs, labels, left_out, training, guarantee, optimizer, loss, progress):
    import jax
    from tqdm import tqdm

    batch_selection, clipped_grad, gaussian_privatizer = _privacy()
    optimizer, loss = keras.optimizers.get(optimizer), keras.losses.get(loss)
    optimizer.build(model.trainable_variables)
    private = training.epsilon is not None
    clip = training.l2_norm_clip if private else np.inf
    places = guarantee["largest_batch"]
    draw, key, seeds = _generators(training.seed)
    privatizer = gaussian_privatizer(
        stddev=guarantee["noise_multiplier"] * clip if private else 0.0, prng_key=key
    )
    gradient = clipped_grad(
        _loss_of_one(model, loss),
        batch_argnums=(2, 3, 4),
        l2_clip_norm=clip,
        microbatch_size=min(training.group, places),
    )
    fixed = [variable.value for variable in model.non_trainable_variables]

    @jax.jit
    def step(weights, slots, noise, x, y, seed, padding):
        summed = gradient(weights, fixed, x, y, seed, is_padding_example=padding)
        summed, noise = privatizer.update(summed, noise)
        mean = [each / training.batch_size for each in summed]
        weights, slots = optimizer.stateless_apply(slots, mean, weights)
        return weights, slots, noise

    weights = [variable.value for variable in model.trainable_variables]
    slots = [variable.value for variable in optimizer.variables]
    noise = privatizer.init(weights)
    batches = batch_selection.CyclicPoissonSampling(
        sampling_prob=guarantee["sampling_probability"],
        iterations=training.steps,
        truncated_batch_size=places,
    ).batch_iterator(len(inputs), rng=draw)
    bar = tqdm(batches, total=training.steps, unit="step", disable=None if progress else True)
    for drawn in bar:
        [chosen] = batch_selection.split_and_pad_global_batch(
            drawn, places, min(training.group, places)
        )
        # Padding takes the first example; its gradient is then replaced by zeros.
        own = np.maximum(chosen, 0)
        padding = (chosen < 0) | left_out[own]
        numbers = seeds.integers(0, 2**32, (places, 2), dtype="uint32")
        weights, slots, noise = step(
            weights, slots, noise, inputs[own], labels[own], numbers, padding
        )
    for variable, value in zip(model.trainable_variables, weights, strict=True):
        variable.assign(value)
    for variable, value in zip(optimizer.variables, slots, strict=True):
        variable.assign(value)
    optimizer.finalize_variable_values(model.trainable_variables)


def _loss_of_one(model, loss):
    """Return a function of a batch of one example, for `clipped_grad`."""
    variables = model.non_trainable_variables

    def loss_of_one(weights, fixed, x, y, seed):
        # Each example and each generator draws its own dropout.
        state = [
            seed[0] + np.array([0, number], "uint32") if _is_seed(variable) else value
            for number, (variable, value) in enumerate(zip(variables, fixed, strict=True))
        ]
        output, _, extra = model.stateless_call(
            weights, state, x, training=True, return_losses=True
        )
        return keras.ops.mean(loss(y, output)) + sum(extra)

    return loss_of_one


def _is_seed(variable):
    return variable.path.endswith("seed_generator_state")


def _generators(seed):
    """Return NumPy's generator for batches, JAX's key for noise, NumPy's generator for dropout."""
    import jax

    source = np.random.SeedSequence(secrets.randbits(256) if seed is None else seed)
    draw, noise, drop = source.spawn(3)
    key = jax.random.wrap_key_data(noise.generate_state(2, "uint32"), impl="threefry2x32")
    return np.random.default_rng(draw), key, np.random.default_rng(drop)


def _privacy():
    try:
        from jax_privacy import batch_selection, clipped_grad
        from jax_privacy.noise_addition import gaussian_privatizer
    except ImportError as error:
        raise ImportError(
            f"Training with Poisson sampling needs jax-privacy. {whole.how_to_install('dp')}"
        ) from error
    return batch_selection, clipped_grad, gaussian_privatizer
