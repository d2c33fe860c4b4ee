"""Everything that decides a training on faces: a recipe, what changes in it, and the data."""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from fer_data.checks import (
    check_choice,
    check_epsilon,
    check_integer,
    check_number,
    check_path,
    check_sequence,
    shown,
)
from fer_data.pipelines.joined_faces import CLASSES, DRAWN, placed
from fer_data.pipelines.labelled_faces import FACES, is_packed
from fer_models.training import recipes, runs
from fer_models.training.adversarial_training import AdversarialTraining
from fer_models.training.dp_sgd import DPSGD
from fer_models.zoo import registry

FOLDER = Path(__file__).parent / "settings"
DEFAULT_RECIPE = "ghostface_small"
SCHEDULES = {
    "constant": recipes.Constant(),
    "cosine": recipes.Cosine(),
    "plateau": recipes.Plateau(patience=3, factor=0.3),
}
# Of an optimizer that is not the recipe's.
LEARNING_RATES = {"sgd": 0.1, "adam": 0.001, "adamw": 0.002}
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
CONVOLUTIONS = ("library", "products")
# Settings of a training on several data sets.
OF_SEVERAL = ("data_weights", "joined_classes")


@dataclasses.dataclass(frozen=True, kw_only=True)
class FaceSettings:
    """Settings of a training on faces; None takes the recipe's value.

    Attributes:
        recipe: Name of the recipe, one of `face_recipes()`.
        data: The data set, one of `fer_data.pipelines.labelled_faces.FACES`, such as `"synthetic"`,
            `"fer2013"` or `"folder"`. Several names train on these sets at once, with classes
            matched by name, as `fer_data.pipelines.joined_faces` says.
        path: Folder or archive of the data set, or its packed `.npz`; kept as an absolute path. For
            several sets, one for each that is not drawn, in their order.
        data_weights: For several sets, how often the faces of each are trained on, relative to each
            other; None for every face once in a pass.
        joined_classes: For several sets, the classes to learn: `"shared"`, those that all of them
            have, or `"all"`; None for `"shared"`.
        teacher: `.keras` files of trained models, whose mean answers are learned instead of the
            labels; None for none. It cannot go with `vote_share`, `label_smoothing` or
            `labels="soft"`, which would change nothing.
        answers: File of `fer answers` (`fer_models.training.teacher_answers`) with the answers of
            teachers to these faces, which are learned instead of the labels; None for none.
        size: Height and width of the faces in pixels.
        channels: 1 for grey, 3 for colour.
        classes: Number of classes of the model, if more than the data has.
        model: Arguments of the model's builder that replace the recipe's, such as `{"width": 0.5}`.
        precision: Precision of the computation: `"float32"`, `"mixed_bfloat16"` or
            `"mixed_float16"`.
        convolutions: `"library"`, or `"products"` for the matrix products of `jax_products`.
        epochs: Epochs at most, all stages together.
        passes: Passes over the faces in an epoch; more mean fewer validations and checkpoints.
        batch_size: Images a step.
        optimizer: `"sgd"`, `"adam"` or `"adamw"`. Another one than the recipe's has the highest
            rate 0.1, 0.001 or 0.002, in this order, unless `learning_rate` is given.
        learning_rate: The highest learning rate. Where stages of the recipe have rates of their
            own, all rates keep their proportions.
        weight_decay: Weight decay of the optimizer.
        schedule: Schedule of the learning rate: `"constant"`, `"cosine"` or `"plateau"`.
        ema: Momentum of a moving average of the weights, such as 0.999.
        patience: Epochs without an improvement before the training stops; 0 for never.
        augmentation: A preset's name, or amounts; see `fer_data.pipelines.augmentation.policy`.
        answer_share: Share of the targets that comes from the `answers`; the rest comes from the
            labels, or from the votes with `labels="soft"` or `vote_share`. None for 1.
        labels: `"one_hot"`, or `"soft"` for the votes, where the data has them.
        vote_share: Share of the targets that comes from the labels that the votes predict; see
            `fer_data.pipelines.vote_targets`.
        label_smoothing: Share of every training label that is spread over the classes.
        valence_arousal: Weight of a second loss, one minus the concordance of valence and arousal,
            such as 0.5: the model gets an output for them, and the data must have both as columns.
            It cannot go with `teacher`, `answers`, `vote_share`, `class_weights`, an attack or
            DP-SGD. None for a model of classes alone.
        class_weights: Whether to weight classes against their frequency, so that rare ones count
            more.
        dp_noise_multiplier: Train by DP-SGD with Gaussian noise of so many times `dp_clip`.
        dp_clip: Largest L2 norm of one face's gradient; None for 1.
        dp_delta: The delta at which epsilon is stated; None for 1e-5.
        adversarial_epsilon: Attack each batch before its step, by changes of so many grey levels at
            most, such as 2; see `fer_models.training.adversarial_training`. None for no attack.
        adversarial_steps: Steps of that attack; None for 1.
        adversarial_plain: Share of each batch that is not attacked; None for 0.
        train: Number of synthetic training faces; None for 7000.
        validation_fraction: As in `load_faces`.
        validation_from: As in `load_faces`.
        test_fraction: As in `load_faces`.
        data_options: As in `load_faces`: other options of the data set, such as
            `{"pictures": "original"}`.
        seed: Seed of everything random.

    Raises:
        ValueError: If a setting breaks its rule, or two do not go together.

    Example:

    >>> settings = FaceSettings(recipe="emotion_cnn", data="fer2013", path="fer2013", epochs=3)
    >>> settings.to_recipe().epochs
    3
    """

    recipe: str = DEFAULT_RECIPE
    data: str | Sequence[str] = "synthetic"
    path: str | os.PathLike[str] | Sequence[str | os.PathLike[str] | None] | None = None
    data_weights: Sequence[float] | None = None
    joined_classes: str | None = None
    teacher: tuple[str, ...] | None = None
    answers: str | os.PathLike[str] | None = None
    size: int | None = None
    channels: int | None = None
    classes: int | None = None
    model: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    precision: str = "float32"
    convolutions: str = "library"
    epochs: int | None = None
    passes: int = 1
    batch_size: int | None = None
    optimizer: str | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    schedule: str | None = None
    ema: float | None = None
    patience: int | None = None
    augmentation: str | Mapping[str, Any] | None = None
    answer_share: float | None = None
    labels: str | None = None
    vote_share: float | None = None
    label_smoothing: float | None = None
    valence_arousal: float | None = None
    class_weights: bool | None = None
    dp_noise_multiplier: float | None = None
    dp_clip: float | None = None
    dp_delta: float | None = None
    adversarial_epsilon: float | None = None
    adversarial_steps: int | None = None
    adversarial_plain: float | None = None
    train: int | None = None
    validation_fraction: float | None = None
    validation_from: str = "train"
    test_fraction: float | None = None
    data_options: Mapping[str, Any] | None = None
    seed: int = 1

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            # The dataclass is frozen for everyone else.
            object.__setattr__(self, field.name, _of_json(getattr(self, field.name)))
        self._check_choices()
        self._check_numbers()
        if not isinstance(self.model, Mapping):
            raise ValueError(
                "`model` must be arguments of the builder by name, such as {'width': 0.5}. "
                f"Received: model={self.model!r}"
            )
        if not isinstance(self.data_options, (Mapping, type(None))):
            raise ValueError(
                "`data_options` must be options of the data set by name, such as {'pictures': "
                f"'original'}}. Received: data_options={self.data_options!r}"
            )
        paths: dict[str, Any] = self._sets() | {"answers": _absolute("answers", self.answers)}
        if self.teacher is not None:
            files = [self.teacher] if isinstance(self.teacher, (str, os.PathLike)) else self.teacher
            check_sequence("teacher", files)
            if not len(files):
                raise ValueError("`teacher` must name one model or more. Received: teacher=()")
            paths["teacher"] = tuple(_absolute("teacher", file) for file in files)
        for name, value in paths.items():
            object.__setattr__(self, name, value)
        self._check_together()

    def _check_choices(self):
        check_choice("recipe", self.recipe, face_recipes())
        names = (self.data,) if isinstance(self.data, str) else self.data
        check_sequence("data", names)
        names = tuple(names)
        for name in names:
            check_choice("data", name, tuple(FACES))
        if not names:
            raise ValueError("`data` must name a data set. Received: data=()")
        check_choice("joined_classes", self.joined_classes, (None, *CLASSES))
        check_choice("precision", self.precision, PRECISIONS)
        check_choice("convolutions", self.convolutions, CONVOLUTIONS)
        check_choice("channels", self.channels, (None, 1, 3))
        check_choice("optimizer", self.optimizer, (None, *LEARNING_RATES))
        check_choice("schedule", self.schedule, (None, *SCHEDULES))
        check_choice("labels", self.labels, (None, "one_hot", "soft"))
        check_choice("class_weights", self.class_weights, (None, False, True))
        check_choice("validation_from", self.validation_from, ("train", "test"))

    def _check_numbers(self):
        whole = {"epochs": 1, "passes": 1, "size": 1, "batch_size": 1, "train": 1, "classes": 1}
        whole |= {"patience": 0, "seed": 0, "adversarial_steps": 1}
        for name, least in whole.items():
            # Of these two the recipe has no value.
            if (value := getattr(self, name)) is not None or name in ("passes", "seed"):
                check_integer(name, value, least)
        shares = ("validation_fraction", "test_fraction")
        for name in ("learning_rate", "weight_decay", "valence_arousal", *shares):
            if (value := getattr(self, name)) is not None:
                check_number(name, value, 0)
        for name in ("answer_share", "vote_share", "adversarial_plain"):
            if (value := getattr(self, name)) is not None:
                check_number(name, value, 0, 1)
        if self.answer_share == 0:
            raise ValueError(
                "`answer_share` must be above 0, or nothing is learned from `answers`: leave both "
                "out. Received: answer_share=0"
            )
        # Their ranges are rules of the recipe.
        for name in ("ema", "label_smoothing", "dp_noise_multiplier", "dp_clip", "dp_delta"):
            if (value := getattr(self, name)) is not None:
                check_number(name, value)
        if not isinstance(self.augmentation, (str, Mapping, type(None))):
            raise ValueError(
                "`augmentation` must be None, the name of a preset, or amounts by name. "
                f"Received: augmentation={shown(self.augmentation)}"
            )

    def _check_together(self):
        if self.several:
            self._check_several()
        elif given := [name for name in OF_SEVERAL if getattr(self, name) is not None]:
            raise ValueError(
                f"`{given[0]}` is for several data sets. Received: {given[0]}="
                f"{getattr(self, given[0])!r} and data={self.data!r}"
            )
        if self.passes > 1 and self.dp_noise_multiplier is not None:
            raise ValueError(
                "`passes` and `dp_noise_multiplier` cannot go together: give more epochs. "
                f"Received: passes={self.passes}"
            )
        if self.vote_share and self.dp_noise_multiplier is not None:
            raise ValueError(
                "`vote_share` and `dp_noise_multiplier` cannot go together: a model of all "
                "training faces translates the votes, and no noise covers it. "
                f"Received: vote_share={self.vote_share}"
            )
        if self.dp_noise_multiplier is None and (self.dp_clip, self.dp_delta) != (None, None):
            raise ValueError(
                "`dp_clip` and `dp_delta` need `dp_noise_multiplier`. "
                f"Received: dp_clip={self.dp_clip}, dp_delta={self.dp_delta}"
            )
        self._check_adversarial()
        if self.valence_arousal is not None:
            self._check_valence_arousal()
        if self.teacher is not None:
            self._check_teacher()
        if self.answers is not None:
            self._check_answers()
        elif self.answer_share is not None:
            raise ValueError(
                "`answer_share` needs `answers`, a file that `fer answers` wrote. "
                f"Received: answer_share={self.answer_share}"
            )
        if self.several:
            return
        if is_packed(self.path) and self.data == "synthetic":
            raise ValueError(
                f"`data` must be what {self.path} was made of. Received: data='synthetic'"
            )
        if self.train is not None and self.data != "synthetic":
            raise ValueError(
                "`train` is the number of synthetic faces, for data='synthetic' alone. "
                f"Received: train={self.train} and data={self.data!r}"
            )

    @property
    def several(self) -> bool:
        """Whether the training is on several data sets at once."""
        return not isinstance(self.data, str)

    @property
    def packed(self) -> tuple[str, ...]:
        """The packed files among the paths."""
        paths = self.path if self.several else (self.path,)
        return tuple(str(path) for path in paths if is_packed(path))  # type: ignore[union-attr, arg-type]

    def _sets(self):
        """Return data sets and paths: a name and a path, or a tuple of each."""
        data, path = self.data, self.path
        if not isinstance(data, str) and len(data) == 1:
            (data,) = data
            if path is not None and not isinstance(path, (str, os.PathLike)):
                (path,) = placed([data], path)
        if isinstance(data, str):
            if path is not None and not isinstance(path, (str, os.PathLike)):
                raise ValueError(
                    f"`path` must be one path, as there is one data set. Received: path={path!r}"
                )
            return {"data": data, "path": _absolute("path", path)}
        if self.data_weights is not None:
            check_sequence("data_weights", self.data_weights)
        weights = None if self.data_weights is None else tuple(self.data_weights)
        return {
            "data": tuple(data),
            "path": tuple(_absolute("path", each) for each in placed(data, path)),
            "data_weights": weights,
        }

    def _check_several(self):
        single = ("answers", "vote_share", "valence_arousal", "dp_noise_multiplier")
        single += ("test_fraction", "data_options")
        given = [name for name in single if getattr(self, name) is not None]
        given += ["validation_from"] if self.validation_from != "train" else []
        given += ["labels"] if self.labels == "soft" else []
        if given:
            raise ValueError(
                f"`{given[0]}` is for one data set: prepare and pack each set with its own options "
                f"(`fer prepare --pack`), or leave it out. Received: "
                f"{given[0]}={getattr(self, given[0])!r} and data={self.data!r}"
            )
        if self.train is not None and not set(DRAWN) & set(self.data):
            raise ValueError(
                "`train` is the number of synthetic faces. "
                f"Received: train={self.train} and data={self.data!r}"
            )
        weights = self.data_weights
        if weights is None:
            return
        for weight in weights:
            check_number("data_weights", weight, 0)
        if len(weights) != len(self.data) or not all(weights):
            raise ValueError(
                f"`data_weights` must be a number above 0 for each of {self.data}. "
                f"Received: data_weights={weights!r}"
            )

    def _check_adversarial(self):
        about = (self.adversarial_steps, self.adversarial_plain)
        if self.adversarial_epsilon is None and about != (None, None):
            raise ValueError(
                "`adversarial_steps` and `adversarial_plain` need `adversarial_epsilon`. Received: "
                f"adversarial_steps={about[0]}, adversarial_plain={about[1]}"
            )
        if self.adversarial_epsilon is None:
            return
        check_epsilon("adversarial_epsilon", self.adversarial_epsilon)
        if self.adversarial_plain == 1:
            raise ValueError(
                "`adversarial_plain` must be below 1, or nothing is attacked. "
                "Received: adversarial_plain=1"
            )
        half = self.precision if self.precision == "mixed_float16" else None
        for name, value, fix in (
            ("teacher", self.teacher, "give the teacher's `answers`, which `fer answers` writes"),
            ("dp_noise_multiplier", self.dp_noise_multiplier, "choose one"),
            ("precision", half, "gradients of pixels vanish in half precision; use mixed_bfloat16"),
        ):
            if value is not None:
                raise ValueError(
                    f"`adversarial_epsilon` and `{name}` cannot go together: {fix}. Received: "
                    f"adversarial_epsilon={self.adversarial_epsilon}, {name}={value!r}"
                )

    def _check_valence_arousal(self):
        others = ("teacher", "answers", "vote_share", "class_weights", "dp_noise_multiplier")
        others += ("adversarial_epsilon",)
        given = [name for name in others if getattr(self, name) not in (None, False)]
        if given:
            raise ValueError(
                f"`valence_arousal` and `{given[0]}` cannot go together: choose one. Received: "
                f"valence_arousal={self.valence_arousal}, {given[0]}={getattr(self, given[0])!r}"
            )

    def _check_teacher(self):
        others = {
            "vote_share": self.vote_share or None,
            "labels": self.labels if self.labels == "soft" else None,
            "label_smoothing": self.label_smoothing or None,
        }
        given = [name for name, value in others.items() if value is not None]
        if given:
            raise ValueError(
                f"`teacher` and `{given[0]}` cannot go together: the teacher's answers are all "
                f"that is learned. Received: teacher={self.teacher!r}, "
                f"{given[0]}={others[given[0]]!r}"
            )

    def _check_answers(self):
        others = {
            "teacher": self.teacher,
            "class_weights": self.class_weights or None,
            "dp_noise_multiplier": self.dp_noise_multiplier,
        }
        fix = "choose one"
        if self.answer_share in (None, 1):
            others["vote_share"] = self.vote_share
            others["labels"] = self.labels if self.labels == "soft" else None
            fix = "the answers are all that is learned, unless `answer_share` is below 1"
        given = [name for name, value in others.items() if value is not None]
        if given:
            raise ValueError(
                f"`answers` and `{given[0]}` cannot go together: {fix}. "
                f"Received: answers={self.answers!r}, {given[0]}={others[given[0]]!r}"
            )
        if not is_packed(self.path):
            raise ValueError(
                "`answers` need the packed faces that they were given to: `path` must be that "
                f".npz file. Received: answers={self.answers!r}, path={self.path!r}"
            )

    @classmethod
    def from_record(cls, source: str | os.PathLike[str], **changes: Any) -> Self:
        """Return the settings of an earlier run, or of a bundled file, with changes.

        Args:
            source: One of `bundled_settings()`, or the path of a `run.json`.
            **changes: Settings that replace those of the record. `model` adds to the record's.

        Returns:
            `FaceSettings`.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the file is no record of a training on faces.

        Example:

        >>> FaceSettings.from_record("demo", epochs=1).model
        {'stem_strides': 1, 'width': 0.5}
        """
        path = Path(source)
        if os.fspath(source) in bundled_settings():
            path = FOLDER / f"{source}.json"
        elif not path.exists():
            raise FileNotFoundError(
                f"A configuration must be one of {bundled_settings()} or the path of a run.json. "
                f"Received: {str(source)!r}, where there is no file"
            )
        settings = runs.read(path)["settings"]
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(settings.keys() - known)
        if unknown:
            raise ValueError(f"{path} has unknown settings: {', '.join(unknown)}")
        if isinstance(settings.get("model"), Mapping) and "model" in changes:
            changes["model"] = {**settings["model"], **changes["model"]}
        try:
            return cls(**{**settings, **changes})
        except ValueError as error:
            raise ValueError(f"{error} (with the settings of {path})") from error

    def to_dict(self) -> dict[str, Any]:
        """Return the settings by name, of JSON's types, as `run.json` has them."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    def to_recipe(self) -> recipes.Recipe:
        """Return the recipe with the changes of the settings.

        Raises:
            ValueError: If a change breaks a rule of the recipe.
        """
        plain = recipe = recipes.get(self.recipe)
        names = (
            *("batch_size", "learning_rate", "augmentation", "labels", "label_smoothing", "ema"),
            *("class_weights", "valence_arousal"),
        )
        changes = {name: getattr(self, name) for name in names}
        changes = {name: value for name, value in changes.items() if value is not None}
        options = recipe.optimizer_options
        if self.optimizer not in (None, recipe.optimizer):
            options = {}
            changes = {"learning_rate": LEARNING_RATES[self.optimizer], **changes}
            changes["optimizer"] = self.optimizer
        if self.weight_decay is not None:
            options = {**options, "weight_decay": self.weight_decay}
        if self.schedule is not None:
            changes["schedule"] = SCHEDULES[self.schedule]
        if self.patience is not None:
            changes["patience"] = self.patience or None
        if self.dp_noise_multiplier is not None:
            given: dict[str, Any] = {"l2_norm_clip": self.dp_clip, "delta": self.dp_delta}
            given = {name: value for name, value in given.items() if value is not None}
            changes["dp"] = DPSGD(noise_multiplier=self.dp_noise_multiplier, **given)
        if self.adversarial_epsilon is not None:
            changes["adversarial"] = self._attack()
        if (self.teacher or self.answers) is not None and self.labels is None:
            # The teacher's answers are the targets; the labels only say how often it is right.
            changes["labels"] = "one_hot"
        height, width, channels = recipe.input_shape
        size = (self.size or height, self.size or width)
        recipe = recipe.replace(
            epochs=self.epochs,
            optimizer_options=options,
            input_shape=(*size, self.channels or channels),
            model_options={**recipe.model_options, **self.model},
            **changes,
        )
        if recipe.freeze_batch_norm and recipe.model_options.get("weights") is None:
            # Layers without trained weights are not worth keeping as they are.
            stages = (recipes.Stage("all", recipe.epochs),)
            recipe = recipe.replace(freeze_batch_norm=False, stages=stages)
        elif "learning_rate" in changes:
            recipe = _with_highest_rate(recipe, plain)
        return recipe

    def _attack(self):
        given = {"steps": self.adversarial_steps, "plain_share": self.adversarial_plain}
        given = {name: value for name, value in given.items() if value is not None}
        return AdversarialTraining(epsilon=self.adversarial_epsilon, seed=self.seed, **given)


def _with_highest_rate(recipe, plain):
    """Return a recipe whose rate is the highest of all stages, in the proportions of the plain."""
    own = [stage.learning_rate for stage in plain.stages]
    if set(own) == {None}:
        return recipe
    ratio = recipe.learning_rate / max(rate or plain.learning_rate for rate in own)
    stages = tuple(
        dataclasses.replace(stage, learning_rate=rate and rate * ratio)
        for stage, rate in zip(recipe.stages, own, strict=False)
    )
    return recipe.replace(learning_rate=plain.learning_rate * ratio, stages=stages)


def _absolute(name, path):
    if path is None:
        return None
    check_path(name, path)
    return str(Path(path).expanduser().resolve())


def face_recipes() -> tuple[str, ...]:
    """Return the names of the recipes for single faces; the others are for clips.

    Example:

    >>> "ghostface_small" in face_recipes()
    True
    """
    return tuple(
        sorted(name for name, recipe in recipes.RECIPES.items() if recipe.model in registry.MODELS)
    )


def bundled_settings() -> tuple[str, ...]:
    """Return the names of the settings that come with the package.

    Example:

    >>> bundled_settings()
    ('demo', 'fer2013', 'fer2013_efficientface')
    """
    return tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


def _of_json(value):
    """Return a value with plain text for paths and plain numbers for NumPy's."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {name: _of_json(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_of_json(each) for each in value)
    return value
