"""Several trained networks as one."""

from collections.abc import Iterable

import keras

from fer_data import arguments


@arguments.checked(
    models=arguments.sequence(arguments.instance(keras.Model, "a Keras model")),
    name=arguments.text,
)
def ensemble(models: Iterable[keras.Model], name: str = "ensemble") -> keras.Model:
    """Return a model whose probabilities are the mean of those of several.

    It is a better teacher than each of them (`fer_models.distiller`): what they agree on stays, and
    the noisy labels that each has learned by heart cancel out.

    Args:
        models: Two or more `keras.Model`s of one input, all with the same shapes of images and
            outputs.
        name: Name of the model.

    Returns:
        A `keras.Model`, which holds the models themselves, not copies.

    Raises:
        ValueError: If there are fewer than two, one has several inputs, or their shapes differ.

    Example:

    >>> import fer_models
    >>> members = [fer_models.emotion_cnn(name=f"member_{number}") for number in range(2)]
    >>> fer_models.ensemble(members).output_shape
    (None, 7)

    Reference:
        Hinton et al., "Distilling the Knowledge in a Neural Network", 2015
        (https://arxiv.org/abs/1503.02531).
    """
    models = list(models)
    ends = [(len(model.inputs or ()), len(model.outputs or ())) for model in models]
    if any(each != (1, 1) for each in ends):
        raise ValueError(f"`models` must have one input and one output each. Received: {ends}")
    shapes = {(model.input_shape, model.output_shape) for model in models}
    if len(models) < 2 or len(shapes) > 1:
        raise ValueError(
            "`models` must be two or more of one shape of images and outputs. "
            f"Received: {len(models)} models of the shapes {sorted(shapes, key=str)}"
        )
    # Files of one training all have models of one name, which a graph cannot hold twice.
    members = [
        keras.Model(model.inputs, model.outputs[0], name=f"member_{number}")
        for number, model in enumerate(models, 1)
    ]
    inputs = keras.Input(models[0].input_shape[1:], dtype=models[0].inputs[0].dtype)
    outputs = keras.layers.Average(dtype="float32", name="mean")(
        [member(inputs) for member in members]
    )
    return keras.Model(inputs, outputs, name=name)
