"""A second output for valence and arousal, on the trunk of any classifier of faces."""

import keras

from fer_data import arguments
from fer_models.zoo.face_outputs import DIMENSIONS, EXPRESSION, VALENCE_AROUSAL
from fer_models.zoo.model_checks import a_model, check_one_output


@arguments.checked(model=a_model, features=arguments.text, name=arguments.text)
def with_valence_arousal(
    model: keras.Model, features: str | None = None, name: str | None = None
) -> keras.Model:
    """Return a model that gives valence and arousal beside the classes of `model`.

    The second output is one dense layer with tanh, on the vector that the classifying layer reads.
    All other layers are those of `model`, so both models share their weights, and training one
    trains both. The new layer starts untrained: the package has no weights for it.

    Args:
        model: Classifier of one image, `(batch, classes)`, such as
            `fer_models.ghostface(weights="fer2013")`.
        features: Name of the layer whose output `(batch, units)` the new layer reads. Default: what
            the last dense layer of `model` reads, which must be the one that classifies.
        name: Name of the new model. Default: that of `model`.

    Returns:
        A `keras.Model`, not compiled, whose output is a dictionary: `"expression"`, the output of
        `model`, and `"valence_arousal"`, float32 `(batch, 2)` in [-1, 1], valence first.

    Raises:
        ValueError: If the model has several inputs or outputs, or none of its layers gives the
            vector that the new layer reads.

    Example:

    >>> import fer_models
    >>> trunk = fer_models.ghostface(input_shape=(32, 32, 1), width=0.25)
    >>> model = with_valence_arousal(trunk)
    >>> {name: tuple(output.shape) for name, output in model.output.items()}
    {'expression': (None, 7), 'valence_arousal': (None, 2)}

    Reference:
        Mollahosseini et al., "AffectNet: A Database for Facial Expression, Valence, and Arousal
        Computing in the Wild", 2017, on the two dimensions and their range.
    """
    check_one_output(model)
    if not isinstance(model, (keras.Function, keras.Sequential)) or len(model.inputs) != 1:
        raise ValueError(
            "`model` must be a model of layers in a graph, with one input. "
            f"Received: {type(model).__name__} {model.name!r} with {len(model.inputs or ())} inputs"
        )
    output = model.outputs[0]
    if len(output.shape) != 2:
        raise ValueError(
            "`model` must give one output (batch, classes). "
            f"Received: {model.name!r} with an output of shape {tuple(output.shape)}"
        )
    vector = _read_by_last_dense(model) if features is None else _output_of(model, features)
    if len(vector.shape) != 2:
        raise ValueError(
            "`features` must name a layer that gives a vector (batch, units). "
            f"Received: features={features!r}, with an output of shape {tuple(vector.shape)}"
        )
    found = keras.layers.Dense(len(DIMENSIONS), name="valence_arousal_dense")(vector)
    # Float32 under every policy, as the softmax of our classifiers is.
    found = keras.layers.Activation("tanh", dtype="float32", name=VALENCE_AROUSAL)(found)
    outputs = {EXPRESSION: output, VALENCE_AROUSAL: found}
    return keras.Model(model.inputs[0], outputs, name=name or model.name)


def _read_by_last_dense(model):
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    if not dense:
        raise ValueError(
            "`features` must name a layer that gives a vector (batch, units) where `model` has no "
            f"dense layer. Received: features=None, model {model.name!r}"
        )
    if dense[-1].units != model.output_shape[-1]:
        raise ValueError(
            "`features` must name a layer that gives a vector (batch, units) where the last dense "
            "layer of `model` does not give its classes. Received: features=None, the layer "
            f"{dense[-1].name!r} of {dense[-1].units} units, {model.output_shape[-1]} classes"
        )
    return dense[-1].input


def _output_of(model, name):
    names = [layer.name for layer in model.layers]
    if name not in names:
        raise ValueError(
            f"`features` must be the name of a layer of the model, one of {names}. "
            f"Received: features={name!r}"
        )
    found = model.get_layer(name).output
    if not keras.backend.is_keras_tensor(found):
        raise ValueError(
            "`features` must name a layer with one output. "
            f"Received: features={name!r}, with {type(found).__name__}"
        )
    return found
