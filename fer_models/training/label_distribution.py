"""Label distribution learning: soft targets from votes or from a larger teacher."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import keras
from keras import ops

from fer_data import arguments
from fer_data.checks import is_whole, shown
from fer_models.families.building import channel_axis
from fer_models.training import loss_arguments

_DISTILLATION = arguments.instance(keras.distillation.DistillationLoss, "a distillation loss")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")


def _one_input(name, value):
    """Raise `ValueError` unless `value` is a built model of one input."""
    if not isinstance(value, keras.Model) or len(getattr(value, "inputs", None) or ()) != 1:
        raise ValueError(
            f"`{name}` must be a functional or a built sequential `keras.Model` of one input. "
            f"Received: {name}={shown(value)}"
        )


@keras.saving.register_keras_serializable(package="fer_models")
@arguments.checked_class(**loss_arguments.LOSS)
class LabelDistributionLoss(keras.losses.Loss):
    """Cross-entropy of predictions to a distribution over the classes.

    For true labels `d` and predictions `p` of one example it is `-sum(d * log(p))`. It differs
    from the Kullback-Leibler divergence by the entropy of `d`, which no weight can change: the
    gradients are the same, but it does not fall to 0.

    Rows of `y_true` are divided by their sum, so counts of votes serve as they are; a row of
    zeros (no vote) costs nothing and moves nothing, though it still counts in the mean of the
    batch. `keras.losses.CategoricalCrossentropy` takes soft labels too, but where rows do not
    sum to one its gradients are wrong on TensorFlow, whose fused kernel takes for granted that
    they do. Computation is in float32 under every dtype policy.

    Args:
        from_logits: Whether predictions are logits; otherwise they are probabilities.
        class_mean: Whether to divide by the number of classes, as the authors of EfficientFace
            do by averaging over examples and classes. This scales every gradient. With SGD it has
            the effect of a learning rate divided by the number of classes (and of an L2 penalty
            that weighs so many times more); with Adam it has hardly any. The learning rates of
            their paper need `True`.
        reduction: As in every Keras loss.
        name: Name of the loss.
        dtype: Dtype of the computation; None is `keras.config.floatx()`.

    Call arguments:
        y_true: Non-negative weights `(batch, classes)`.
        y_pred: Probabilities or logits `(batch, classes)`.

    Raises:
        ValueError: If the two are not of one rank with one number of classes, 2 or more.

    Example:

    >>> loss = LabelDistributionLoss()
    >>> votes = [[8.0, 2.0, 0.0]]  # ten people looked at the face
    >>> round(float(loss(votes, [[0.8, 0.1, 0.1]])), 3)
    0.639

    Reference:
        Zhao et al., "Robust Lightweight Facial Expression Recognition Network with Label
        Distribution Training", AAAI 2021.
    """

    def __init__(
        self,
        from_logits: bool = False,
        class_mean: bool = False,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "label_distribution",
        dtype: str | keras.DTypePolicy | None = None,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.from_logits = _checked_flag("from_logits", from_logits)
        self.class_mean = _checked_flag("class_mean", class_mean)

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        shapes = tuple(y_true.shape), tuple(y_pred.shape)
        classes = shapes[1][-1] if shapes[1] else None
        if len(shapes[0]) != len(shapes[1]) or shapes[0][-1:] != (classes,) or classes == 1:
            raise ValueError(
                "`y_true` must be a distribution over the classes (2 or more) for each example, "
                "of the shape of `y_pred`; integer labels go through `keras.ops.one_hot` first. "
                f"Received: y_true of shape {shapes[0]}, y_pred of shape {shapes[1]}"
            )
        total = ops.sum(y_true, axis=-1, keepdims=True)
        distribution = ops.divide_no_nan(y_true, total)
        loss = ops.categorical_crossentropy(distribution, y_pred, from_logits=self.from_logits)
        # Without a vote the kernel's gradient would pull towards "no class at all".
        loss = ops.where(ops.squeeze(total, axis=-1) > 0, loss, ops.zeros_like(loss))
        if self.class_mean:
            loss = loss / ops.cast(ops.shape(y_pred)[-1], loss.dtype)
        return loss

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "class_mean": self.class_mean,
        }


@keras.saving.register_keras_serializable(package="fer_models")
class LabelDistributionDistillation(keras.distillation.DistillationLoss):
    """Takes the teacher's probabilities for the label distribution of the student.

    For a `keras.distillation.Distiller`; `distiller` puts the two together. Keras's own
    `LogitsDistillation` wants models without a softmax.

    Args:
        from_logits: Whether both models put out logits; otherwise both probabilities.
        class_mean: As in `LabelDistributionLoss`.

    Raises:
        ValueError: If a model has more than one output or one that is not `(batch, classes)`,
            or ends without an activation while `from_logits=False`.

    Example:

    ```python
    model = keras.distillation.Distiller(teacher, student, LabelDistributionDistillation())
    ```
    """

    def __init__(self, from_logits: bool = False, class_mean: bool = False) -> None:
        self.loss = LabelDistributionLoss(from_logits=from_logits, class_mean=class_mean)

    def validate_model_compatibility(self, teacher: keras.Model, student: keras.Model) -> None:
        for role, model in (("teacher", teacher), ("student", student)):
            outputs = model.outputs or ()
            if len(outputs) != 1 or len(outputs[0].shape) != 2:  # type: ignore[misc]
                shapes = [tuple(output.shape) for output in outputs]
                raise ValueError(
                    f"`{role}` must have one output, of shape (batch, classes). "
                    f"Received: {role} '{model.name}' with outputs of shapes {shapes}"
                )
            if not self.loss.from_logits and _ends_linear(model):
                raise ValueError(
                    f"`{role}` must end in probabilities where `from_logits=False`. "
                    f"Received: {role} '{model.name}', whose last layer has no activation"
                )

    def compute_loss(
        self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any
    ) -> keras.KerasTensor:
        # The distiller freezes the teacher, but `trainable = True` on the whole thaws it again.
        target = ops.cast(ops.stop_gradient(teacher_outputs), "float32")
        if self.loss.from_logits:
            target = ops.softmax(target)
        return self.loss(target, student_outputs)

    def get_config(self) -> dict[str, Any]:
        return {"from_logits": self.loss.from_logits, "class_mean": self.loss.class_mean}

    # Keras's base class is no serialisable object of its own.
    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        return cls(**config)


@keras.saving.register_keras_serializable(package="fer_models")
@arguments.checked_class(
    teacher=_one_input,
    student=_one_input,
    distillation_losses=arguments.either(
        _DISTILLATION,
        arguments.sequence(_DISTILLATION, least=1),
        rule="a `keras.distillation.DistillationLoss` or a list of them",
    ),
)
class LabelDistributionDistiller(keras.distillation.Distiller):
    """`keras.distillation.Distiller` that can be stopped, saved and loaded in mid-training.

    Keras's own (3.15) is not built before its first batch, so that `BackupAndRestore` refuses it;
    comes back from a `.keras` file without optimiser, loss and metrics; leaves out, without a
    word, the regularisation losses of the student and sample or class weights; and on several
    replicas sums a loss given by name where it should average. This one is built, comes back
    compiled, adds the regularisation losses, averages, and refuses sample and class weights.

    Args:
        teacher, student, distillation_losses, **kwargs: As in `keras.distillation.Distiller`.

    Raises:
        ValueError: If the models do not fit each other; in `fit` and `evaluate`, if there are
            sample or class weights.

    Example:

    ```python
    model = LabelDistributionDistiller(teacher, student, LabelDistributionDistillation())
    ```
    """

    def __init__(
        self,
        teacher: keras.Model,
        student: keras.Model,
        distillation_losses: keras.distillation.DistillationLoss
        | list[keras.distillation.DistillationLoss],
        **kwargs: Any,
    ) -> None:
        super().__init__(teacher, student, distillation_losses, **kwargs)
        self.build(student.input_shape)

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer = "adam",
        loss: str | keras.losses.Loss | Callable = "categorical_crossentropy",
        metrics: list | None = None,
        **kwargs: Any,
    ) -> None:
        """Set up the training.

        Args:
            optimizer: As in `keras.Model.compile`.
            loss: The student's loss to the labels; without effect at `student_loss_weight=0`.
            metrics: List of metrics of the student against the labels.
            **kwargs: As in `keras.Model.compile`.
        """
        found = keras.losses.get(loss)
        if not isinstance(found, keras.losses.Loss):
            found = _FunctionLoss(found)
        super().compile(optimizer=optimizer, loss=found, metrics=metrics, **kwargs)
        self.label_loss = loss

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> keras.KerasTensor:
        if sample_weight is not None:
            raise ValueError(
                "`keras.distillation.Distiller` knows no sample or class weights. "
                "Received: sample_weight, or class_weight in `fit`"
            )
        loss = super().compute_loss(x, y, y_pred, training=training)
        if self.losses:
            # Keras's own sum of them, which knows of replicas; it has no other loss here.
            loss = loss + keras.Model.compute_loss(self, x, y, y_pred, training=training)
        return loss

    def get_compile_config(self) -> dict[str, Any]:
        config = super().get_compile_config()
        if config:
            config["loss"] = keras.saving.serialize_keras_object(self.label_loss)
        return config

    def compile_from_config(self, config: Mapping[str, Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)


@arguments.checked(
    student=_one_input,
    teacher=_one_input,
    student_loss_weight=arguments.number(0, 1),
    class_mean=arguments.flag,
    from_logits=arguments.flag,
    name=arguments.text,
)
def distiller(
    student: keras.Model,
    teacher: keras.Model,
    student_loss_weight: float = 0.0,
    class_mean: bool = False,
    from_logits: bool = False,
    name: str = "distiller",
) -> LabelDistributionDistiller:
    """Return a model that trains `student` on the label distributions of `teacher`.

    Train it as any model. Each batch, augmented as it comes, goes through both models; the
    teacher runs in inference mode and keeps its weights, batch norm statistics included. The
    student is trained in place: `.student` is the plain model, to save and use by itself.

    The loss is `w * loss to the labels + (1 - w) * cross-entropy to the teacher's
    probabilities`, in validation too: with `w = 0`, `val_loss` shows how near the student is to
    the teacher, and `val_accuracy` how often it is right. Both models must have the classes in the
    same order.

    Args:
        student: The `keras.Model` to train, images to probabilities `(batch, classes)`.
        teacher: A trained one for the same images and classes. It stays frozen
            (`trainable=False`) afterwards.
        student_loss_weight: `w`, from 0, the teacher alone as in EfficientFace, to 1, the labels
            alone. It weighs the loss given to `compile`.
        class_mean: As in `LabelDistributionLoss`; `True` is the authors' scale.
        from_logits: Whether both models put out logits; otherwise both probabilities.
        name: Name of the model.

    Returns:
        A `LabelDistributionDistiller`, a `keras.distillation.Distiller`, not compiled.

    Raises:
        ValueError: If the two models do not fit each other, or an argument breaks its rule.

    Example:

    ```python
    model = distiller(efficientface(input_shape=(64, 64, 3)), teacher)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), metrics=["accuracy"])
    model.fit(train, validation_data=validation, epochs=100)
    model.student.save("student.keras")
    ```

    Reference:
        Zhao et al., "Robust Lightweight Facial Expression Recognition Network with Label
        Distribution Training", AAAI 2021.
    """
    own, needed = student.input_shape[1:], teacher.input_shape[1:]
    fits = (a is None or b is None or a == b for a, b in zip(own, needed, strict=False))
    if len(own) != len(needed) or not all(fits):
        raise ValueError(
            "`teacher` must take the images of `student`; `teacher_for(teacher, "
            "student.input_shape[1:])` resizes them for it. "
            f"Received: student for images {own}, teacher for images {needed}"
        )
    return LabelDistributionDistiller(
        teacher,
        student,
        LabelDistributionDistillation(from_logits=from_logits, class_mean=class_mean),
        student_loss_weight=student_loss_weight,
        name=name,
    )


@arguments.checked(
    teacher=_one_input,
    input_shape=arguments.sequence(),
    interpolation=arguments.choice(INTERPOLATIONS),
)
def teacher_for(
    teacher: keras.Model, input_shape: Sequence[int | None], interpolation: str = "bilinear"
) -> keras.Model:
    """Return `teacher` as a model for images of another size or number of channels.

    Images are resized (antialiased) to the teacher's size; grey is repeated, colour turned to
    grey by the weights of ITU-R 601. A teacher sees less in an enlarged face than in a large one:
    check its accuracy on enlarged faces before it teaches.

    Args:
        teacher: A `keras.Model` of images `(height, width, 1 or 3)`; it is wrapped, not copied.
        input_shape: Shape of one image of the student.
        interpolation: As in `keras.ops.image.resize`.

    Returns:
        A `keras.Model`; `teacher` itself where its input shape is `input_shape` already.

    Raises:
        ValueError: If either shape is not that of an image of 1 or 3 channels, or the teacher's
            size is open.

    Example:

    ```python
    model = distiller(student, teacher_for(teacher, student.input_shape[1:]))
    ```
    """
    axis = channel_axis()
    given, needed = tuple(input_shape), tuple(teacher.input_shape[1:])
    for argument, shape in (("input_shape", given), ("teacher", needed)):
        sides = all(side is None or is_whole(side) for side in shape)
        if not sides or len(shape) != 3 or shape[axis if axis == -1 else 0] not in (1, 3):
            raise ValueError(
                f"`{argument}` must be of images with 1 or 3 channels. Received: shape {shape}"
            )
    if given == needed:
        return teacher
    channel = 0 if axis == 1 else 2
    size = tuple(n for i, n in enumerate(needed) if i != channel)
    if None in size:
        raise ValueError(
            "`teacher` must have a fixed height and width to resize to. "
            f"Received: teacher for images {needed}"
        )
    images = keras.Input(given, dtype=teacher.inputs[0].dtype)
    x = images
    if (given[channel], needed[channel]) == (3, 1):
        x = ops.image.rgb_to_grayscale(x)
    if size != tuple(n for i, n in enumerate(given) if i != channel):
        x = ops.image.resize(x, size, interpolation=interpolation, antialias=True)
    if (given[channel], needed[channel]) == (1, 3):
        x = ops.concatenate([x, x, x], axis=axis)
    return keras.Model(images, teacher(x), name=f"{teacher.name}_resized")


class _FunctionLoss(keras.losses.Loss):
    """A loss function with the mean over the batch that knows of replicas."""

    def __init__(self, function):
        super().__init__(name="label_loss")
        self.function = function

    def call(self, y_true, y_pred):
        return self.function(y_true, y_pred)


def _checked_flag(name, value):
    if not isinstance(value, bool):
        raise ValueError(f"`{name}` must be True or False. Received: {name}={value!r}")
    return value


def _ends_linear(model):
    layer = model.layers[-1]
    if isinstance(layer, keras.Model):
        return _ends_linear(layer)
    if isinstance(layer, keras.layers.Average):
        # An ensemble.
        return any(_ends_linear(each) for each in model.layers if isinstance(each, keras.Model))
    return getattr(layer, "activation", None) is keras.activations.linear
