"""A paper's training as data: `Recipe`, with the `Stage`s it goes through."""

import dataclasses
import fnmatch
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import keras

from fer_data.checks import check_attribute, is_number, is_whole
from fer_models.training.adversarial_training import AdversarialTraining
from fer_models.training.dp_sgd import DPSGD, freeze_batch_norm
from fer_models.training.joint_losses import joint_losses
from fer_models.training.label_distribution import LabelDistributionLoss
from fer_models.training.recipes import fitting
from fer_models.training.recipes.schedule import Constant, Plateau
from fer_models.zoo import registry
from fer_models.zoo.face_outputs import EXPRESSION, VALENCE_AROUSAL

OPTIMIZERS = {
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
}
LABELS = ("one_hot", "soft")
SCHEDULES = ("Constant", "Cosine", "Plateau", "Steps")
LOSSES = ("categorical_crossentropy", "label_distribution")
OUTPUTS = (EXPRESSION, VALENCE_AROUSAL)


@dataclasses.dataclass(frozen=True)
class Stage:
    """A part of a training, with layers that train and layers that do not.

    Attributes:
        name: Its name.
        epochs: Its epochs, at most.
        trainable: Patterns (`fnmatch`) of the names of the layers that train; None for all.
        learning_rate: Its learning rate; None for the recipe's.
    """

    name: str
    epochs: int
    trainable: tuple[str, ...] | None = None
    learning_rate: float | None = None

    def __post_init__(self) -> None:
        rate, patterns = self.learning_rate, self.trainable
        check_attribute(self, "name", isinstance(self.name, str), "a text")
        check_attribute(self, "epochs", is_whole(self.epochs), "an integer of 1 or more")
        right = rate is None or (is_number(rate) and rate > 0)
        check_attribute(self, "learning_rate", right, "None or positive")
        right = patterns is None or (
            isinstance(patterns, (tuple, list)) and all(isinstance(each, str) for each in patterns)
        )
        check_attribute(self, "trainable", right, "None or a tuple of patterns")


@dataclasses.dataclass(frozen=True)
class Published:
    """What a paper reports, in shares of one.

    Attributes:
        data: Name of the data set, as in `fer_data.datasets`.
        faces: Which faces it was measured on, in words.
        scores: Values by name: `"accuracy"`, `"loss"`, `"macro_f1"`, ...
        classes: `(precision, recall, f1, support)` by class name.
        training_accuracy: Accuracy on the training faces, where it is given.
    """

    data: str
    faces: str
    scores: dict[str, float]
    classes: dict[str, tuple] = dataclasses.field(default_factory=dict)
    training_accuracy: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a paper trains its model.

    The object holds everything and does little: `fit` runs plain `model.fit`, and
    `compile_kwargs` and `callbacks` serve those who call `fit` themselves. It is frozen; `replace`
    gives a changed one.

    Attributes:
        name: Its name in `fer_models.recipes`.
        source: The paper.
        model: Name of its network in the registry; None where the network is not there.
        model_options: Arguments of the builder.
        input_shape: Shape of one image, channels last.
        optimizer: `"sgd"`, `"adam"` or `"adamw"`.
        learning_rate: Its (first or highest) learning rate.
        optimizer_options: Its other arguments, such as `{"momentum": 0.9}`. AdamW leaves
            scales and offsets of norms, and biases, without decay.
        schedule: How the rate moves: a `Constant`, `Cosine`, `Steps` or `Plateau`.
        batch_size: Images a step.
        stages: The `Stage`s, one after the other; each begins with a fresh optimiser.
        freeze_batch_norm: Whether the batch norm layers of the model's own graph keep the
            statistics, scales and offsets that they came with, in all stages. Those inside of
            a composed layer, such as CBAM's, train with it.
        labels: `"one_hot"`, or `"soft"` for the shares of votes.
        label_smoothing: Share of every training label that is spread over the classes.
        loss: `"categorical_crossentropy"`, or `"label_distribution"` for
            `fer_models.LabelDistributionLoss` as EfficientFace's authors use it.
        valence_arousal: Weight of a second loss, one minus the concordance of valence and arousal,
            for a model with an output for these; see `fer_models.joint_losses`. None for a
            model of classes alone. It cannot go with class weights, `dp` or `adversarial`.
        augmentation: What `fer_data.pipelines.augmentation.policy` takes: a preset, or amounts.
        class_weights: Whether to weight classes against their frequency, so that rare ones count
            more.
        ema: Momentum per step of an exponential moving average of the weights, such as 0.999. The
            average is validated and kept, with statistics of batch norm that belong to it; training
            goes on with the plain weights. A stage ends with the average in the model, and the next
            one begins there. None for none.
        patience: Epochs without a better value of `monitor` before the training stops; None
            for never.
        monitor: What is watched for stopping and for the best epoch: `"val_accuracy"`, or
            another validation metric; one with "loss" or "error" in its name is better if lower.
        dp: A `fer_models.training.dp_sgd.DPSGD`, which clips the gradient of each example and adds
            noise; None for none. With it all batch norm is frozen, also that of composed layers:
            start from weights of public faces, or take a network without it. MixUp and class
            weights look at several faces at once and are refused.
        adversarial: A `fer_models.training.adversarial_training.AdversarialTraining`, which attacks
            each batch before its step; None for none. It goes neither with `dp` nor with
            `valence_arousal`.
        stated: The training as the paper states it.
        chosen: What the paper leaves open and is our choice.
        published: What the paper reports: a tuple of `Published`.

    Example:

    >>> from fer_models import recipes
    >>> recipe = recipes.get("ghostface").replace(epochs=2, batch_size=8)
    >>> model = recipe.build(input_shape=(32, 32, 3), width=0.25)
    >>> model.compile(**recipe.compile_kwargs())
    """

    name: str
    source: str
    model: str | None
    model_options: dict[str, Any] = dataclasses.field(default_factory=dict)
    input_shape: tuple[int, int, int] = (224, 224, 3)
    optimizer: str = "adam"
    learning_rate: float = 0.001
    optimizer_options: dict[str, Any] = dataclasses.field(default_factory=dict)
    schedule: Constant = dataclasses.field(default_factory=Constant)
    batch_size: int = 64
    stages: tuple[Stage, ...] = (Stage("all", 50),)
    freeze_batch_norm: bool = False
    labels: str = "one_hot"
    label_smoothing: float = 0.0
    loss: str = "categorical_crossentropy"
    valence_arousal: float | None = None
    augmentation: str | dict[str, Any] = "basic"
    class_weights: bool = False
    ema: float | None = None
    patience: int | None = None
    monitor: str = "val_accuracy"
    dp: DPSGD | None = None
    adversarial: AdversarialTraining | None = None
    stated: str = ""
    chosen: str = ""
    published: tuple[Published, ...] = ()

    def __post_init__(self) -> None:
        self._check_kinds()
        rate, smoothing, ema = self.learning_rate, self.label_smoothing, self.ema
        shape = self.input_shape
        for name, choices in (("optimizer", OPTIMIZERS), ("loss", LOSSES), ("labels", LABELS)):
            check_attribute(self, name, getattr(self, name) in choices, f"one of {list(choices)}")
        check_attribute(
            self, "schedule", isinstance(self.schedule, Constant), f"one of {SCHEDULES}"
        )
        check_attribute(self, "batch_size", is_whole(self.batch_size), "an integer of 1 or more")
        check_attribute(self, "learning_rate", is_number(rate) and rate > 0, "positive")
        right = is_number(smoothing) and 0 <= smoothing < 1
        check_attribute(self, "label_smoothing", right, "in [0, 1)")
        right = ema is None or (is_number(ema) and 0 < ema < 1)
        check_attribute(self, "ema", right, "None or between 0 and 1")
        check_attribute(
            self, "patience", self.patience is None or is_whole(self.patience), "None or whole"
        )
        check_attribute(
            self, "monitor", self.monitor.startswith("val_"), "the name of a validation metric"
        )
        right = len(shape) == 3 and all(map(is_whole, shape))
        check_attribute(self, "input_shape", right, "(height, width, channels)")
        right = bool(self.stages) and all(isinstance(stage, Stage) for stage in self.stages)
        check_attribute(self, "stages", right, "one or more `Stage`s")
        check_attribute(
            self, "dp", self.dp is None or isinstance(self.dp, DPSGD), "None or a `DPSGD`"
        )
        if self.valence_arousal is not None:
            self._check_valence_arousal()
        if self.adversarial is not None:
            self._check_adversarial()
        if self.dp is not None:
            check_attribute(self, "class_weights", not self.class_weights, "False with `dp`")
            mixing = fitting.mixes(self.augmentation)
            check_attribute(self, "augmentation", not mixing, "without MixUp with `dp`")

    def _check_kinds(self):
        """Check that every attribute is of its kind, whatever its value."""
        texts = ("name", "source", "optimizer", "labels", "loss", "monitor", "stated", "chosen")
        kinds = {
            **dict.fromkeys(texts, (str, "a text")),
            "model": ((str, type(None)), "None or a text"),
            **dict.fromkeys(("model_options", "optimizer_options"), (Mapping, "a dictionary")),
            **dict.fromkeys(("class_weights", "freeze_batch_norm"), (bool, "True or False")),
            "input_shape": ((tuple, list), "(height, width, channels)"),
            "stages": ((tuple, list), "one or more `Stage`s"),
            "published": ((tuple, list), "a tuple of `Published`"),
        }
        for name, (kind, rule) in kinds.items():
            check_attribute(self, name, isinstance(getattr(self, name), kind), rule)

    def _check_adversarial(self):
        right = isinstance(self.adversarial, AdversarialTraining)
        check_attribute(self, "adversarial", right, "None or an `AdversarialTraining`")
        for name in ("dp", "valence_arousal"):
            check_attribute(self, name, getattr(self, name) is None, "None with `adversarial`")

    def _check_valence_arousal(self):
        weight = self.valence_arousal
        right = is_number(weight) and weight >= 0
        check_attribute(self, "valence_arousal", right, "None or a number of 0 or more")
        # Keras weighs the classes of models with one output alone.
        rule = "False with `valence_arousal`"
        check_attribute(self, "class_weights", not self.class_weights, rule)
        # The concordance is that of a batch, and no sum over its faces.
        check_attribute(self, "dp", self.dp is None, "None with `valence_arousal`")

    def logged(self, metric: str) -> str:
        """Return the name that the history of a training has for a metric of the classes.

        Args:
            metric: Such as `"accuracy"` or `monitor`. With `valence_arousal` Keras puts the name of
                the output before it; a loss is that of both outputs.
        """
        name = metric.removeprefix("val_")
        if self.valence_arousal is None or name == "loss" or name.startswith(OUTPUTS):
            return metric
        return f"{metric[: len(metric) - len(name)]}{EXPRESSION}_{name}"

    @property
    def lower_is_better(self) -> bool:
        """Whether a lower value of `monitor` is the better one."""
        return any(word in self.monitor for word in ("loss", "error"))

    @property
    def epochs(self) -> int:
        """Epochs of all stages, at most."""
        return sum(stage.epochs for stage in self.stages)

    def replace(self, *, epochs: int | None = None, **changes: Any) -> Self:
        """Return a copy with other values.

        Args:
            epochs: Epochs of all stages: later stages are cut off, or the last one is
                lengthened.
            **changes: Attributes by name.

        Returns:
            A `Recipe`.

        Raises:
            ValueError: If a value breaks its rule, or there is no attribute of that name.
        """
        unknown = changes.keys() - {field.name for field in dataclasses.fields(self)}
        if unknown:
            raise ValueError(
                f"A recipe has the attributes {[f.name for f in dataclasses.fields(self)]}. "
                f"Received: {sorted(unknown)}"
            )
        changed = dataclasses.replace(self, **changes)
        if epochs is None:
            return changed
        if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 1:
            raise ValueError(f"`epochs` must be an integer of 1 or more. Received: {epochs=}")
        kept, left = [], epochs
        for stage in changed.stages:
            if left:
                last = stage is changed.stages[-1]
                kept.append(
                    dataclasses.replace(stage, epochs=left if last else min(left, stage.epochs))
                )
                left -= kept[-1].epochs
        return dataclasses.replace(changed, stages=tuple(kept))

    def to_dict(self) -> dict[str, Any]:
        """Return everything that decides the training, of JSON's types."""
        left_out = ("stated", "chosen", "published")
        content = {k: v for k, v in dataclasses.asdict(self).items() if k not in left_out}
        content["schedule"] = {"kind": type(self.schedule).__name__.lower(), **content["schedule"]}
        return content

    def build(
        self, classes: int = 7, input_shape: Sequence[int | None] | None = None, **options: Any
    ) -> keras.Model:
        """Return the recipe's network.

        Args:
            classes: Number of classes.
            input_shape: Shape of one image in Keras's data format; default: the recipe's.
            **options: Arguments of the builder, over the recipe's own.

        Returns:
            A `keras.Model`, not compiled.

        Raises:
            ValueError: If the recipe's network is not in the registry.
        """
        if self.model is None:
            raise ValueError(
                f"The network of {self.name!r} is not in the registry: build your own and give it "
                "to `fit`. Received: model=None"
            )
        if input_shape is None:
            height, width, channels = self.input_shape
            first = keras.config.image_data_format() == "channels_first"
            input_shape = (channels, height, width) if first else self.input_shape
        builder = registry.entry(self.model).builder
        return builder(
            input_shape=input_shape, classes=classes, **{**self.model_options, **options}
        )

    def data_kwargs(self) -> dict[str, Any]:
        """Return the arguments of `fer_data.pipelines.images.pipeline` for the training faces."""
        return {
            "size": tuple(self.input_shape[:2]),
            "channels": self.input_shape[2],
            "batch_size": self.batch_size,
            "augmentation": self.augmentation,
            "labels": self.labels,
            "label_smoothing": self.label_smoothing,
            "valence_arousal": self.valence_arousal is not None,
        }

    def freeze(self, model: keras.Model, stage: int = 0) -> None:
        """Set which layers of `model` train in a stage. Compile the model after it.

        A recipe that freezes nothing leaves the model as it is.

        Args:
            model: A model whose layers have the names of the recipe's network.
            stage: Number of the stage, from 0.

        Raises:
            ValueError: If a pattern of the stage fits no layer.
        """
        model = fitting.student(model)
        if self.freeze_batch_norm or any(s.trainable is not None for s in self.stages):
            self._freeze_layers(model, stage)
        if self.dp is not None:
            freeze_batch_norm(model)

    def _freeze_layers(self, model, stage):
        patterns = self.stages[stage].trainable
        names = [layer.name for layer in model.layers]
        missing = [p for p in patterns or () if not fnmatch.filter(names, p)]
        if missing:
            raise ValueError(
                f"Stage {self.stages[stage].name!r} of {self.name!r} trains layers of the names "
                f"{missing}, of which the model has none. Received: a model of {names}"
            )
        if patterns is not None and self.valence_arousal is not None:
            # The second head begins untrained, whatever the stage.
            patterns = (*patterns, f"{VALENCE_AROUSAL}*")
        model.trainable = True
        for layer in model.layers:
            norm = isinstance(layer, keras.layers.BatchNormalization)
            layer.trainable = not (norm and self.freeze_batch_norm) and (
                patterns is None or any(fnmatch.fnmatch(layer.name, p) for p in patterns)
            )

    def compile_kwargs(self, steps_per_epoch: int | None = None, stage: int = 0) -> dict[str, Any]:
        """Return the arguments of `compile`.

        Args:
            steps_per_epoch: Steps of an epoch; needed by a `Cosine` schedule only.
            stage: Number of the stage, from 0.

        Returns:
            A dictionary: `model.compile(**recipe.compile_kwargs())`.
        """
        chosen = self.stages[stage]
        peak = self._rate(stage)
        rate = self.schedule.rate(peak, steps_per_epoch, chosen.epochs)
        averaging = {} if self.ema is None else {"use_ema": True, "ema_momentum": self.ema}
        optimizer = OPTIMIZERS[self.optimizer](rate, **self.optimizer_options, **averaging)
        if self.optimizer == "adamw":
            optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
        loss = self.loss
        if loss == "label_distribution":
            # Divided by the number of classes, as the authors' learning rate expects.
            loss = LabelDistributionLoss(class_mean=True)
        if self.valence_arousal is not None:
            return {"optimizer": optimizer, **joint_losses(self.valence_arousal, loss)}
        return {"optimizer": optimizer, "loss": loss, "metrics": ["accuracy"]}

    def callbacks(
        self,
        directory: str | os.PathLike[str] | None = None,
        stage: int = 0,
        average: keras.callbacks.SwapEMAWeights | None = None,
    ) -> list[keras.callbacks.Callback]:
        """Return the callbacks of the recipe: average, best checkpoint, early stopping, schedule.

        Args:
            directory: Folder of `best.keras`; None for no checkpoint.
            stage: Number of the stage, from 0.
            average: The callback that swaps the weights and their average,
                `AverageWeights(model, some_images(train))`; needed where the recipe has an `ema`.

        Returns:
            A list for `model.fit(callbacks=...)`.

        Raises:
            ValueError: If the recipe has an `ema` and there is no `average`, or the reverse.
        """
        if (average is None) != (self.ema is None):
            raise ValueError(
                f"`average` must be given if and only if the recipe has an `ema`. "
                f"Received: average={average!r}, and {self.name!r} has ema={self.ema}"
            )
        kept = [] if average is None else [average]
        mode = "min" if self.lower_is_better else "max"
        if directory is not None:
            kept.append(
                fitting.BestCheckpoint(
                    Path(directory) / "best.keras",
                    average,
                    monitor=self.logged(self.monitor),
                    mode=mode,
                )
            )
        if self.patience is not None:
            kept.append(
                keras.callbacks.EarlyStopping(
                    self.logged(self.monitor), mode=mode, patience=self.patience
                )
            )
        begin = sum(earlier.epochs for earlier in self.stages[:stage])
        return kept + self.schedule.callbacks(self._rate(stage), begin)

    def _rate(self, stage):
        own = self.stages[stage].learning_rate
        return self.learning_rate if own is None else own

    def epochs_done(self, directory: str | os.PathLike[str]) -> int:
        """Return how many whole epochs of this recipe are kept in `directory`."""
        return fitting.epochs_done(directory)

    def fit(
        self,
        model: keras.Model,
        train: Iterable[Any] | keras.utils.PyDataset | Callable[[int], Any],
        validation: Iterable[Any] | keras.utils.PyDataset | None = None,
        *,
        directory: str | os.PathLike[str] | None = None,
        steps_per_epoch: int | None = None,
        class_weight: dict[int, float] | None = None,
        callbacks: Iterable[keras.callbacks.Callback] = (),
        verbose: str | int = "auto",
    ) -> keras.callbacks.History:
        """Train `model` through the stages of the recipe.

        Args:
            model: The model, which is compiled here, stage by stage.
            train: A data set of batches, a pair of arrays (images, labels), or a function from
                the number of an epoch to one of them, which is called where a stage (or a
                resumed training) begins. With a function such as
                `lambda epoch: images.pipeline(..., initial_epoch=epoch)` a resumed training
                sees the batches that it would have seen, and ends as an unbroken one. What the
                function gives is not shuffled again. With an `ema` the first batches are read once
                more, from `train(0)`; a data set that is given itself and counts its epochs counts
                this as one.
            validation: A data set of batches or a pair of arrays.
            directory: Folder that gets `best.keras` (with validation), `last.keras`,
                `history.csv`, logs for TensorBoard (where TensorFlow is installed) and `state`,
                from which the same call goes on after an interruption. None keeps nothing.
            steps_per_epoch: Steps of an epoch, where `train` does not know its length or never
                ends.
            class_weight: Weights by class number; needed where the recipe weighs classes.
            callbacks: More callbacks.
            verbose: As in `model.fit`.

        Returns:
            A `keras.callbacks.History` of the epochs trained by this call, all stages together.

        Raises:
            ValueError: If the recipe watches validation data and none are given, weighs classes and
                has no weights, a stage does not fit the model, `directory` holds the training of
                another recipe or model, or there is an `ema` and `train` can be read only once
                or has several inputs.
        """
        if validation is None and (self.patience or isinstance(self.schedule, Plateau)):
            raise ValueError(
                f"`validation` must be given: {self.name!r} watches {self.monitor}. "
                "Received: validation=None"
            )
        if self.class_weights and class_weight is None:
            raise ValueError(
                f"`class_weight` must be given: {self.name!r} weighs classes against their "
                "frequency (`fer_data.protocols.class_weights`). Received: class_weight=None"
            )
        return fitting.fit(
            self,
            model,
            train,
            validation,
            directory=directory,
            steps_per_epoch=steps_per_epoch,
            class_weight=class_weight,
            callbacks=callbacks,
            verbose=verbose,
        )
