"""A training on faces from settings to a report, which can be stopped and goes on."""

import dataclasses
import inspect
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fer_data import arguments
from fer_data.pipelines import face_arrays
from fer_data.pipelines.face_batches import FaceBatches
from fer_data.pipelines.joined_faces import JoinedFaces, load_joined_faces
from fer_data.pipelines.labelled_faces import LabelledFaces, load_faces
from fer_data.pipelines.set_order import SetOrder
from fer_models.families.affect_head import with_valence_arousal
from fer_models.training import (
    accountant,
    ancestry,
    jax_products,
    run_history,
    runs,
    training_report,
)
from fer_models.training.dp_sgd import freeze_batch_norm
from fer_models.training.ensemble import ensemble
from fer_models.training.face_settings import FaceSettings
from fer_models.training.label_distribution import distiller, teacher_for
from fer_models.training.recipe_batches import Share, scoring_batches, training_batches
from fer_models.training.recipes.recipe import Recipe
from fer_models.training.teacher_answers import TeacherAnswers, read_answers
from fer_models.zoo import class_names, registry
from fer_models.zoo.face_outputs import DIMENSIONS, expression_part

MODELS = ("best", "last")
# Arguments of every builder that are settings of their own, or none.
OWN_SETTING = {
    "classes",
    "classifier_activation",
    "include_top",
    "input_shape",
    "input_tensor",
    "name",
    "pooling",
    "seed",
}
# Where only the report is missing, another machine may write it, from the same files elsewhere.
ELSEWHERE = ("path", "convolutions")
FILES = ("teacher", "answers")


@dataclasses.dataclass(frozen=True)
class TrainedFaces:
    """What a training on faces has left in its folder.

    Attributes:
        folder: The folder, with `best.keras`, `last.keras` and `run.json`.
        report: The report as Markdown, which is `report.md` too; None without a report.
    """

    folder: Path
    report: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return the folder and the scores of the report, of JSON's types."""
        found: dict[str, Any] = {"folder": str(self.folder.resolve())}
        if self.report is not None:
            found |= json.loads((self.folder / training_report.SCORES).read_text("utf-8"))
        return found


@arguments.checked(
    settings=arguments.instance(FaceSettings, "a `FaceSettings`"),
    folder=arguments.path,
    faces=arguments.instance(LabelledFaces, "a `LabelledFaces`"),
    data_dir=arguments.path,
    restart=arguments.flag,
    report=arguments.flag,
    command=arguments.text,
    about=arguments.mapping(),
)
def train_faces(
    settings: FaceSettings,
    folder: str | os.PathLike[str],
    *,
    faces: LabelledFaces | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    restart: bool = False,
    report: bool = True,
    command: str | None = None,
    about: Mapping[str, Any] | None = None,
) -> TrainedFaces:
    """Train a model on faces, or go on with a stopped training, and report how good it is and why.

    The folder gets `run.json` (everything that reproduces the run), `history.csv`, `curves.png`,
    `report.md`, `report.json`, `confusion.png`, `reliability.png`, `grad_cam.png`, `best.keras`,
    `last.keras` and logs for TensorBoard. A stopped run goes on from its last whole epoch when the
    same call is made again. Progress goes to standard output, as with Keras.

    Args:
        settings: What to train on what.
        folder: Folder for everything that is written: empty, absent, or that of the same run.
        faces: The faces, where they are loaded already; None to load what the settings name.
        data_dir: Where prepared data sets are kept; None for the default of tensorflow-datasets.
        restart: Whether to delete the run in the folder first.
        report: Whether to write tables and pictures at the end; another machine may do it.
        command: The command line that asks for it, for the record.
        about: Further entries of the record, by name; values of JSON's types. `faces_given` states
            in words how `faces` came about, if the settings do not. A reader of the record then
            does not divide the data anew.

    Returns:
        `TrainedFaces`.

    Raises:
        ValueError: If the settings do not fit the data or each other, or the folder holds
            something else.
        OSError: If a file cannot be read or written.

    Example:

    ```python
    settings = FaceSettings(data="folder", path="my_faces", validation_fraction=0.1)
    print(train_faces(settings, "runs/mine").report)
    ```
    """
    training = FaceTraining(settings, folder, data_dir=data_dir, command=command)
    with training.environment():
        training.open(restart=restart)
        training.load(faces)
        training.run.clear()
        if training.over:
            print(f"{training.folder} holds this run, finished: only the report is written again.")
        else:
            training.fit(**(about or {}))
        return training.finish(report=report)


class FaceTraining:
    """The steps of a training on faces, for those who need them one by one.

    `train_faces` takes all of them, in this order: `open`, `load`, `run.clear`, `fit`, `finish`,
    inside of `environment`.

    Args:
        settings: What to train on what.
        folder: Folder for everything that is written.
        data_dir: Where prepared data sets are kept.
        command: The command line that asks for it, for the record.

    Attributes:
        recipe: The recipe, with the changes of the settings.
        run: The `Run` of the folder.
        faces: The `LabelledFaces`, after `load`.
        class_names: A name for every output of the model, after `load`.
        answers: The answers of teachers that are learned, in `fit`; None without teachers.
        over: Whether the folder holds this run, finished; after `open`.
    """

    def __init__(
        self,
        settings: FaceSettings,
        folder: str | os.PathLike[str],
        *,
        data_dir: str | os.PathLike[str] | None = None,
        command: str | None = None,
    ) -> None:
        self.settings, self.folder = settings, Path(folder)
        self.data_dir, self.command = data_dir, command
        self.recipe = settings.to_recipe()
        self.run = runs.Run(self.folder, settings.to_dict())
        self.faces: Any = None  # `LabelledFaces`, after `load`
        self.class_names: tuple[str, ...] = ()
        self.answers: TeacherAnswers | None = None
        self.over = False

    @contextmanager
    def environment(self) -> Iterator[None]:
        """Compute in the precision and with the convolutions that the settings ask for."""
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.settings.precision)
        try:
            if self.settings.convolutions == "products":
                jax_products.set_flags()
            yield
        finally:
            keras.config.set_dtype_policy(policy)

    @property
    def epochs_done(self) -> int:
        """Number of whole epochs that the folder holds."""
        return self.recipe.epochs_done(self.folder)

    def open(self, *, restart: bool = False) -> None:
        """Look at what the folder holds; see `Run.open`.

        More epochs may be asked for than those of the earlier run, where the schedule of its
        learning rate does not depend on their number.
        """
        self.run.inputs = _inputs(self.settings)
        # What is deleted may be damaged.
        done, now = 0 if restart else self.epochs_done, self.run.settings
        only_report, held = False, None
        if not restart and (self.folder / runs.RECORD).exists():
            held = runs.read(self.folder)
            only_report = bool(done and held.get("finished"))
            only_report &= held["settings"].get("epochs") == now["epochs"]
        elsewhere = set(ELSEWHERE)
        if held is not None:
            elsewhere |= {name for name in FILES if now[name] and held["settings"].get(name)}
        longer = self.recipe.schedule.any_length and self.recipe.epochs >= done
        self.run.open(
            restart=restart,
            # Of a training on faces that kept no epoch, and of no other run.
            replaceable=not done and (held is None or _only_begun(held)),
            may_change=("epochs",) if longer else (),
            ignore=elsewhere if only_report else (),
        )
        self.over = self.run.finished and (only_report or self.recipe.epochs == done)

    def load(self, faces: LabelledFaces | None = None) -> None:
        """Prepare and read the faces.

        Args:
            faces: The faces, where they are loaded already; None to load what the settings name.
        """
        settings = self.settings
        self.faces = faces or (self._load_sets() if settings.several else self._load_set())
        if self.recipe.valence_arousal is not None:
            self._check_affect()
        names, classes = self.faces.class_names, settings.classes
        if "validation" not in self.faces.splits:
            raise ValueError(
                f"the data set has no validation split, only {sorted(self.faces.splits)}: set a "
                "share of its training faces apart with `validation_fraction` "
                "(--validation-fraction), such as 0.1"
            )
        if classes is not None and classes < len(names):
            raise ValueError(
                f"`classes` must be {len(names)} or more, those of the data "
                f"({', '.join(names)}). Received: classes={classes}"
            )
        self.class_names = names + tuple(f"class {n}" for n in range(len(names), classes or 0))
        if self.run.record is not None:
            self._check_same_faces()

    def _check_same_faces(self):
        """Refuse to go on with a run, or to score it, on the faces of another."""
        for name, now in (("faces", self.faces.counts), ("classes", self.class_names)):
            held = self.run.record.get(name)
            now = json.loads(json.dumps(now))
            if held is not None and held != now:
                raise ValueError(
                    f"{self.folder} holds a training on other {name}, {held}: give the data as "
                    "they were when it began, since other photos change the splits, or another "
                    f"output folder. Received: {now}"
                )

    def _load_set(self):
        settings = self.settings
        return load_faces(
            settings.data,
            settings.path,
            data_dir=self.data_dir,
            size=max(self.recipe.input_shape[:2]),
            train=settings.train,
            validation_fraction=settings.validation_fraction,
            validation_from=settings.validation_from,
            test_fraction=settings.test_fraction,
            data_options=settings.data_options,
            seed=settings.seed,
        )

    def _load_sets(self):
        settings, shape = self.settings, self.recipe.input_shape
        return load_joined_faces(
            settings.data,
            settings.path,
            size=tuple(shape[:2]),
            channels=shape[2],
            classes=settings.joined_classes or "shared",
            weights=settings.data_weights,
            data_dir=self.data_dir,
            train=settings.train,
            validation_fraction=settings.validation_fraction,
            seed=settings.seed,
        )

    def _check_affect(self):
        for split in sorted({"train", "validation"} & self.faces.splits.keys()):
            if not self._has_affect(split):
                raise ValueError(
                    "`valence_arousal` needs faces with the columns valence and arousal, which the "
                    f"{split} split of data={self.settings.data!r} has not. "
                    f"Received: the columns {sorted(self.faces.features(split))}"
                )
            if not self._knows_affect(split):
                raise ValueError(
                    "`valence_arousal` needs faces whose valence or arousal is known, and the "
                    f"{split} split of data={self.settings.data!r} has none. "
                    f"Received: NaN for all of its {self.faces.counts[split]:,} faces"
                )

    def _has_affect(self, split):
        return set(DIMENSIONS) <= set(self.faces.features(split))

    def _knows_affect(self, split):
        """Return whether valence or arousal is known of any face."""
        faces = self.faces.splits[split]
        if self.faces.packed is not None:
            return not all(np.isnan(faces[name]).all() for name in DIMENSIONS)
        # The first that is known is enough: a data set may be large.
        each = faces.map(lambda face: tuple(face[name] for name in DIMENSIONS))
        return any(not np.isnan(np.asarray(value)) for values in each for value in values)

    def fit(
        self, folder: Path | None = None, share: Share | None = None, **about: Any
    ) -> keras.callbacks.History:
        """Train, or go on.

        Args:
            folder: Where to write; None for the run's own folder, which gets the record, too.
            share: What this process of several takes of whole batches; see `training_batches`.
            **about: Further entries of the record.

        Returns:
            The history of the epochs that were trained.
        """
        if self.settings.convolutions == "products":
            with jax_products.installed():
                return self._fit(folder, share, about)
        return self._fit(folder, share, about)

    def _fit(self, folder, share, about):
        recipe, settings, classes = self.recipe, self.settings, len(self.class_names)
        faces, counts = self._learned(), self.faces.counts
        done = recipe.epochs_done(folder or self.folder)
        keras.utils.set_random_seed(settings.seed)
        train = training_batches(
            recipe, faces, classes, seed=settings.seed, passes=settings.passes, share=share
        )
        model = build_model(settings, self._with_training_faces(recipe), classes, self.class_names)
        # A bad setting shows here, before anything is written.
        endless = not isinstance(train(done), FaceBatches)
        self._say_privacy(model)
        weights = None
        if recipe.class_weights:
            from fer_data.protocols.weighting import class_weights

            weights = class_weights(self._drawn_labels(), classes)
        if folder is None:
            self._begin(about)
        if done:
            print(f"Resuming after {done} of at most {recipe.epochs} epochs.")
        print(
            f"Training on {counts['train']:,} faces of {recipe.input_shape}, validation on "
            f"{counts['validation']:,}."
        )
        if isinstance(faces, JoinedFaces):
            self._say_sets(faces)
        steps = settings.passes * math.ceil(counts["train"] / recipe.batch_size)
        history = recipe.fit(
            model,
            train,
            scoring_batches(
                recipe, faces, "validation", classes, share, recipe.valence_arousal is not None
            ),
            directory=folder or self.folder,
            # What never ends has to be told how long an epoch is.
            steps_per_epoch=steps if endless else None,
            class_weight=weights,
            verbose="auto" if sys.stdout.isatty() else 2,
        )
        if not history.epoch:
            print("The training itself is done: only its report is missing.")
        return history

    def _with_training_faces(self, recipe):
        """Return the recipe, with no face that is set apart in the statistics of batch norm."""
        file, packed = recipe.model_options.get("faces"), self.settings.packed
        if file is None or self.faces.packed is None or not os.path.exists(file):
            return recipe
        if not any(os.path.samefile(file, each) for each in packed):
            return recipe
        images = self.faces.splits["train"]["image"]
        return recipe.replace(model_options={**recipe.model_options, "faces": images})

    def _drawn_labels(self):
        """Return the class numbers of the faces of an epoch."""
        labels = self.faces.column("train", "label")
        if not isinstance(self.faces, JoinedFaces):
            return labels
        counts = [each["train"] for each in self.faces.sets.values()]
        return labels[SetOrder(counts, self.faces.weights, self.settings.seed)(0)]

    def _say_sets(self, faces):
        for split, names in faces.lacking.items():
            scored = (
                " The report scores the validation faces, on which the best epoch is chosen."
                if split == "test"
                else ""
            )
            print(f"No {split} faces are used, which {', '.join(names)} lacks.{scored}")
        counts = [each["train"] for each in faces.sets.values()]
        shares = SetOrder(counts, faces.weights).shares
        for (name, of_set), share in zip(faces.sets.items(), shares, strict=True):
            left = ", ".join(f"{n:,} {each}" for each, n in faces.left_out[name].items())
            print(
                f"{name}: {of_set['train']:,} training faces, {share:,} of them in a pass"
                + (f"; left out, in all splits: {left}." if left else ".")
            )

    def _learned(self):
        """Return the faces with what is learned of them, after checking that they have it."""
        recipe, settings, faces = self.recipe, self.settings, self.faces
        voted = "votes" in faces.features("train")
        if recipe.labels == "soft" and not voted:
            raise ValueError(
                f"{recipe.name} learns from votes, which data={settings.data!r} has not: give a "
                '`teacher`, or labels="one_hot"'
            )
        if settings.answers is not None:
            if recipe.class_weights:
                raise ValueError("`answers` and `class_weights` cannot go together: choose one")
            self.answers = read_answers(settings.answers)
            answers = self.answers.of(faces, self.class_names)
            share = 1.0 if settings.answer_share is None else settings.answer_share
            if share == 1:
                return faces.with_targets(answers)
            own = self._with_votes().splits["train"]
            own = face_arrays.targets(own, len(self.class_names), recipe.labels)
            return faces.with_targets(share * answers + (1 - share) * own)
        return self._with_votes()

    def _with_votes(self):
        """Return the faces with the votes in the targets, where they are to be in them."""
        recipe, settings, faces = self.recipe, self.settings, self.faces
        if not settings.vote_share:
            return faces
        if recipe.class_weights or "votes" not in faces.features("train"):
            raise ValueError(
                "`vote_share` needs data with votes (fer2013, ferplus), and no `class_weights`. "
                f"Received: data={settings.data!r}, class_weights={recipe.class_weights}"
            )
        return faces.with_vote_targets(settings.vote_share, len(self.class_names))

    def _say_privacy(self, model):
        planned = self.privacy(self.recipe.epochs)
        if planned is None:
            return
        frozen = freeze_batch_norm(model)
        promised = training_report.epsilon_text(planned)
        print(f"DP-SGD: epsilon {promised} after {self.recipe.epochs} epochs.")
        if frozen and self.recipe.model_options.get("weights") is None:
            print(
                f"Its {frozen} batch norm layers are frozen as they begin, which normalises "
                'nothing: start from weights of public faces (model={"weights": ...}).'
            )

    def privacy(self, epochs: int) -> dict[str, Any] | None:
        """Return what DP-SGD guarantees after so many epochs, or None without it."""
        if self.recipe.dp is None:
            return None
        return accountant.guarantee(
            self.recipe.dp,
            examples=self.faces.counts["train"],
            batch_size=self.recipe.batch_size,
            epochs=epochs,
        )

    def _begin(self, about):
        about = {"recipe": self.recipe.to_dict(), **about}
        if self.command is not None:
            about["command"] = self.command
        # Where the faces lie, and none of what decides the outcome: a run may go on elsewhere.
        about["data_dir"] = None if self.data_dir is None else os.path.abspath(self.data_dir)
        if self.run.record is None:
            about |= {
                "faces": dict(self.faces.counts),
                "classes": self.class_names,
                "weights_history": run_history.of_weights(self.recipe),
                "prepared": self.faces.source,
                "packed": self.faces.packed,
                "ancestry": self._ancestry(),
            }
            if isinstance(self.faces, JoinedFaces):
                about["sets"] = self.faces.record()
            if self.answers is not None:
                about["answers"] = {"note": self.answers.note, **self.answers.about}
            if trunk := self.recipe.model_options.get("trunk_weights"):
                about["trunk_sha256"] = runs.sha256_of(trunk)
        # What makes the batches.
        packed = self.faces.packed is not None
        self.run.begin(packages=["cv2" if packed else "tensorflow"], **about)

    def _ancestry(self):
        """Return the pre-trained trunks from which the network will descend."""
        recipe, teachers = self.recipe, self.settings.teacher or ()
        found = set(ancestry.of_options(recipe.model, recipe.model_options))
        found.update(*map(ancestry.of_weights, teachers))
        if self.answers is not None:
            found.update(self.answers.about.get("ancestry", ()))
        return sorted(found)

    def finish(self, *, report: bool = True) -> TrainedFaces:
        """Write the report, and into the models the names of their classes.

        Args:
            report: Whether to write a report; without one the run is finished all the same.
        """
        for epoch in MODELS:
            path = self.folder / f"{epoch}.keras"
            if class_names.read(path) != self.class_names:
                class_names.write(path, self.class_names)
        promised = self.privacy(self.epochs_done)
        known = {} if promised is None else {"privacy": promised}
        text = None
        if report:
            where = "test" if "test" in self.faces.splits else "validation"
            text = training_report.write(
                self.run.record | known,
                self.recipe,
                self.class_names,
                where,
                scoring_batches(self.recipe, self.faces, where, len(self.class_names)),
                self.folder,
                copies=self._copies(where),
                affect=self._affect_batches(where),
                sets=self.faces.set_of(where) if isinstance(self.faces, JoinedFaces) else None,
            )
        self.run.finish(**known)
        return TrainedFaces(self.folder, text)

    def _affect_batches(self, split):
        if self.recipe.valence_arousal is None or not self._has_affect(split):
            return None
        # A test split of which nobody said it is scored by its classes alone.
        if not self._knows_affect(split):
            return None
        classes = len(self.class_names)
        return scoring_batches(self.recipe, self.faces, split, classes, valence_arousal=True)

    def _copies(self, split):
        if "copy_in_train" not in self.faces.features(split):
            return None
        return self.faces.column(split, "copy_in_train")


def build_model(
    settings: FaceSettings,
    recipe: Recipe,
    classes: int,
    names: Sequence[str] | None = None,
) -> keras.Model:
    """Return the model to train: the recipe's, with a second output, or it and its teacher.

    Args:
        settings: The settings, of which `seed` and `teacher` matter here.
        recipe: The recipe, with the changes of the settings.
        classes: Number of classes.
        names: Their names, which a teacher that holds names must have in the same order; None
            where they are unknown.

    Raises:
        ValueError: If the builder does not take an option, or the teacher does not fit.
    """
    taken = inspect.signature(registry.entry(recipe.model).builder).parameters.keys()
    allowed = sorted(taken - OWN_SETTING)
    unknown = sorted(recipe.model_options.keys() - allowed)
    if unknown:
        raise ValueError(
            f"{recipe.model} has no arguments of the names {unknown}; it takes {allowed} "
            "(size, channels and classes are settings of their own)"
        )
    if recipe.dp is not None and recipe.model_options.get("faces") is not None:
        raise ValueError(
            "`faces` and `dp_noise_multiplier` cannot go together: batch norm would hold the exact "
            "statistics of training faces, which no noise covers. Begin with a model whose batch "
            'norm has seen public faces (model={"weights": ...})'
        )
    model = recipe.build(classes=classes, **{"seed": settings.seed} if "seed" in taken else {})  # type: ignore[arg-type]
    if recipe.valence_arousal is not None:
        return with_valence_arousal(model)
    if settings.teacher is None:
        return model
    if recipe.class_weights:
        raise ValueError("`teacher` and `class_weights` cannot go together: choose one")
    if recipe.dp is not None:
        raise ValueError(
            "`teacher` and `dp_noise_multiplier` cannot go together: what the teacher learned of "
            "faces is not covered"
        )
    # Of a teacher that gives valence and arousal too, what is learned is the classes.
    teachers = [expression_part(training_report.trained_model(path)) for path in settings.teacher]
    teacher = ensemble(teachers) if len(teachers) > 1 else teachers[0]
    if teacher.output_shape != model.output_shape:
        raise ValueError(
            f"`teacher` has outputs of shape {teacher.output_shape}, and the data (with `classes`) "
            f"needs {model.output_shape}"
        )
    if names is not None:
        _check_teachers(settings.teacher, tuple(names))
    return distiller(
        model,
        teacher_for(teacher, model.input_shape[1:]),
        class_mean=recipe.loss == "label_distribution",
    )


def _check_teachers(paths, names):
    for path in paths:
        known = class_names.read(path)
        if known not in (None, names):
            raise ValueError(
                "`teacher` must have the classes of the data in the same order, "
                f"{', '.join(names)}: take a teacher of these classes. "
                f"Received: {path} of {', '.join(known)}"
            )


def _only_begun(record):
    """Return whether a record is of a training on faces that has not ended."""
    return {"recipe", "data"} <= record["settings"].keys() and not record.get("finished")


def _inputs(settings):
    """Return the SHA-256 of the files that a training learns from, by what they are."""
    found = {}
    if settings.teacher is not None:
        found["teacher file"] = runs.sha256_of(*settings.teacher)
    if settings.answers is not None:
        found["file of answers"] = runs.sha256_of(settings.answers)
    if settings.packed:
        found["file of packed faces"] = runs.sha256_of(*settings.packed)
    return found
