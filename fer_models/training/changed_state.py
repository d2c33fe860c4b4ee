"""Which layers have a state that a training step changes, such as moving statistics."""

from collections.abc import Sequence

import keras

from fer_data.checks import shown


def is_seed(variable: keras.Variable) -> bool:
    """Return whether a variable is the state of a seed generator."""
    return variable.path.endswith("seed_generator_state")


def check_unchanged(network: keras.Model, shape: Sequence[int | None] | None = None) -> None:
    """Raise an error if training would change more than weights and seeds.

    Weights that are only frozen, and constants such as those of `Normalization`, stay as they are.

    Args:
        network: Functional or sequential model of one input, on TensorFlow or JAX.
        shape: Shape of one example, for a network that leaves it open; JAX needs it whole.

    Raises:
        ValueError: If so; it names the layers.
    """
    variables = network.non_trainable_variables
    if all(map(is_seed, variables)):
        return
    found = {}

    def look(example):
        values = [each.value for each in network.trainable_variables]
        state = [keras.ops.convert_to_tensor(each.value) for each in variables]
        _, after = network.stateless_call(values, state, example, training=True)
        for variable, old, new in zip(variables, state, after, strict=True):
            if new is not old and not is_seed(variable):
                found[variable.path.rpartition("/")[0]] = True

    _trace(look, (1, *(shape or network.inputs[0].shape[1:])), network.inputs[0].dtype)
    if found:
        raise ValueError(
            "The layers of a network for private training must have no state that training "
            "changes, such as moving statistics, since it would stay as it is: replace them. "
            f"Received: {shown(list(found))}"
        )


def _trace(function, shape, dtype):
    if keras.backend.backend() == "jax":
        import jax

        jax.eval_shape(function, jax.ShapeDtypeStruct(shape, dtype))
    else:
        import tensorflow as tf

        traced = tf.function(function, autograph=False)
        traced.get_concrete_function(tf.TensorSpec(shape, dtype))
