"""From a finished run of a training on faces to bundled weights: calibrated, small, with a card."""

import dataclasses
import datetime
import hashlib
import inspect
import os
import shlex
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fer_data.checks import check_choice
from fer_data.files import write_json
from fer_data.pipelines.joined_faces import DRAWN
from fer_data.pipelines.labelled_faces import is_packed
from fer_models import evaluation
from fer_models.evaluation.split_scores import score_split
from fer_models.training import ancestry, run_history, runs
from fer_models.training.face_settings import FaceSettings
from fer_models.training.face_training import MODELS, FaceTraining
from fer_models.training.recipe_batches import scoring_batches
from fer_models.training.recipes.recipe import Recipe
from fer_models.training.set_fitting import sets_of
from fer_models.training.trained_on import DIVIDING
from fer_models.training.training_report import trained_model
from fer_models.zoo import registry
from fer_models.zoo.bundled import FOLDER
from fer_models.zoo.float32_copy import float32_copy
from fer_models.zoo.weight_files import NUMBERS, read_weights, write_weights

LICENCE = (
    "MIT for this file. The training faces are FER2013's, photos of people from the web that were "
    "collected for research: clear their rights before you sell what builds on them."
)
NOT_FOR = (
    "Decisions about a person: hiring, schooling, policing, borders, credit, insurance, medicine. "
    "Inferring emotions at work or at school, which the EU's AI Act forbids. Watching people who "
    "have not agreed. An expression is not a feeling: the labels are what strangers read into a "
    "face, and age, sex, origin and lighting change what the network reads."
)
SPLITS = dict.fromkeys(
    ("fer2013", "ferplus"),
    "FER2013's own: trained on Training, scored and calibrated on PublicTest, PrivateTest not used",
)
# What divides the faces, beside the data and the seed, which a card has already.
DIVIDED = [name for name in DIVIDING if name not in ("data", "path", "seed")]
# Arguments of the builders that name files of this machine.
PLACES = {"weights", "trunk_weights", "faces"}
# Arguments of the builders that shape the network.
SHAPING = {
    *("width", "stem_strides", "regularized", "dense_units", "cbam", "reduction"),
    *("trunk", "head_rate"),
}


@dataclasses.dataclass(frozen=True)
class PackedWeights:
    """What `pack_weights` wrote.

    Attributes:
        path: The file of weights; the card lies beside it, ending in .json.
        card: The content of the card.
    """

    path: Path
    card: Mapping[str, Any]


def pack_weights(
    run: str | os.PathLike[str],
    tag: str,
    *,
    epoch: str = "last",
    numbers: str = "float16",
    path: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    output: str | os.PathLike[str] = FOLDER,
    licence: str = LICENCE,
    not_for: str = NOT_FOR,
) -> PackedWeights:
    """Turn a finished run into bundled weights: calibrated, small, with a card.

    Fits the temperature on the validation faces and puts it into the last layer, writes the weights
    in half precision or 8 bits, reads them back through the model's builder, and scores that on the
    validation faces: the card states what a user gets, not what the training had. The calibration
    error is cross-fitted: each half of the faces is scored with the temperature of the other. So
    are the rules for answers that may be unsure, which the card gets where there are enough faces.

    Args:
        run: Folder of a finished run of `train_faces`.
        tag: Name of the weights, such as `"fer2013"`.
        epoch: `"best"` or `"last"`: which model of the run.
        numbers: `"float16"`, or `"int8"` for large kernels of 8 bits in half of the bytes; see
            `fer_models.zoo.weight_files.write_weights`.
        path: Folder or archive of the data; None for the run's.
        data_dir: Where prepared data sets are kept; None for the run's.
        output: Folder to write into. By default that of the package.
        licence: Terms of use. Those of the pre-trained trunks from which the run descends follow.
        not_for: What the weights must not be used for.

    Returns:
        `PackedWeights`.

    Raises:
        FileNotFoundError: If there is no run.
        ValueError: If the run is not finished, its model gives valence and arousal, does not
            prepare its images itself or has no layer "logits", or a weight does not fit into half
            precision.

    Example:

    ```python
    packed = pack_weights("runs/ghostface_fer2013", "fer2013", output="weights")
    print(packed.card["scores"]["all"]["accuracy"])
    ```
    """
    check_choice("epoch", epoch, MODELS)
    check_choice("numbers", numbers, NUMBERS)
    run, output = Path(run), Path(output)
    record = runs.read(run)
    if not record.get("finished"):
        raise ValueError(
            f"`run` must hold a finished run: give its command again first. Received: {run}"
        )
    changes = {} if path is None else {"path": path}
    settings = FaceSettings.from_record(run / runs.RECORD, **changes)
    if settings.several:
        raise ValueError(
            "`run` must be of one data set, which the card of bundled weights names. "
            f"Received: {run}, of {settings.data}"
        )
    training = FaceTraining(settings, run, data_dir=data_dir or record.get("data_dir"))
    if training.recipe.valence_arousal is not None:
        raise ValueError(
            "`run` must be of classes alone: bundled weights are read into a builder's network, "
            f"which gives no valence and arousal. Share {epoch}.keras of the run itself. "
            f"Received: {run}, of valence_arousal={training.recipe.valence_arousal}"
        )
    if not training.recipe.model_options.get("include_preprocessing", True):
        raise ValueError(
            "`run` must be of a network that prepares its images itself, as a builder's network "
            f"with bundled weights does. Share {epoch}.keras of the run itself. Received: {run}, "
            "of include_preprocessing=False"
        )
    training.load()
    _check_faces(record, training, path)
    recipe, names, faces = training.recipe, training.class_names, training.faces
    batches = scoring_batches(recipe, faces, "validation", len(names))
    labels = np.concatenate([np.asarray(label) for _, label in batches]).argmax(-1)
    copies = None
    if "copy_in_train" in faces.features("validation"):
        copies = faces.column("validation", "copy_in_train")

    # Whoever reads the weights computes in float32, whatever the training computed in.
    model = float32_copy(trained_model(run / f"{epoch}.keras"))
    logits = _logits(model, batches)
    temperature = evaluation.fit_temperature(labels, logits)
    for weight in model.get_layer("logits").weights:
        weight.assign(weight / temperature)
    calibration = {
        "temperature": temperature,
        "error_before": evaluation.calibration_error(labels, softmax(logits)),
    }

    target = output / f"{recipe.model}_{tag}.npz"
    output.mkdir(parents=True, exist_ok=True)
    descends = ancestry.of_record(record)
    # Both files are whole before one of them takes its name.
    with tempfile.TemporaryDirectory(dir=output, prefix=".packing-") as folder:
        temporary = Path(folder, target.name)
        write_weights(model, temporary, numbers)
        options = builder_options(recipe)
        packed = registry.entry(recipe.model).builder(
            input_shape=recipe.input_shape, classes=len(names), **options
        )
        read_weights(packed, temporary)
        scored = score_split(packed, batches, names, copies)
        known = {
            "model": recipe.model,
            "tag": tag,
            "file": target.name,
            "sha256": hashlib.sha256(temporary.read_bytes()).hexdigest(),
            "bytes": temporary.stat().st_size,
            "numbers": numbers,
            "class_names": list(names),
            "input_shape": list(recipe.input_shape),
            "options": options,
            "licence": " ".join(filter(None, (licence, ancestry.terms(descends)))),
            "ancestry": list(descends),
            "not_for": not_for,
            "faces": dict(faces.counts),
            "epoch": epoch,
            "commands": commands(run),
        }
        trained = _training(record, settings, recipe, _epochs_done(training))
        card = {**known, **trained, **_scores(scored.reports)}
        # Of the weights as they are read back. The cross-fitting finds its own temperatures.
        rounded = cross_fitted(labels, _logits(packed, batches))
        calibration["error_cross_fitted"] = evaluation.calibration_error(labels, rounded)
        card["calibration"] = calibration
        fitting = run_history.packing_of(f"runs/{run.name}", tag, epoch, numbers)
        sets = sets_of(scored.labels, scored.probabilities, copies, names, fitting)
        if sets is not None:
            card["prediction_sets"] = sets
        write_json(temporary.with_suffix(".json"), card)
        # Weights without a card are not looked at: an interruption never leaves new weights with
        # the card of the old ones.
        target.with_suffix(".json").unlink(missing_ok=True)
        os.replace(temporary, target)
        os.replace(temporary.with_suffix(".json"), target.with_suffix(".json"))
    return PackedWeights(target, card)


def _check_faces(record, training, path):
    """Refuse faces that are not those of the run: a card must not be of training faces."""
    if record.get("faces_given") and path is None:
        raise ValueError(
            "`path` must be given for a run whose faces were given to it "
            f"({record['faces_given']}): a packed file with the splits of the training. "
            "Received: path=None"
        )
    for name, now in (
        ("faces", dict(training.faces.counts)),
        ("classes", list(training.class_names)),
    ):
        held = record.get(name)
        if held is not None and held != now:
            raise ValueError(
                f"`path` must hold the data of the run, whose {name} were {held}. Received: {now}"
            )


def _epochs_done(training):
    """Return how many epochs a run was trained for; None where its folder does not tell."""
    try:
        return training.epochs_done or None
    except ValueError:
        # A copy of the folder may lack the state.
        return None


def _split(record, settings):
    """Return in words how the faces were divided."""
    words = SPLITS.get(settings.data, "the data set's own splits")
    packed = (record.get("packed") or {}).get("options", {})
    source = "training" if settings.validation_from == "train" else "test"
    made = []
    for name, begun in (("validation", source), ("test", "training")):
        share = getattr(settings, f"{name}_fraction") or packed.get(f"{name}_fraction")
        if not share and settings.data == "raf_db" and name == "validation":
            # As `load_faces` has it.
            share = 0.1 if source == "training" else 0.5
        if share:
            made.append(f"{share:g} of the {begun} faces set apart for {name}")
    return f"{words}, but {' and '.join(made)}" if made else words


def _training(record, settings, recipe, epochs):
    """Return the card's description of the training."""
    options = {k: v for k, v in recipe.model_options.items() if k not in PLACES}
    dividing = {name: getattr(settings, name) for name in DIVIDED}
    return {
        "data": settings.data,
        "dividing": {name: value for name, value in dividing.items() if value is not None},
        "split": _split(record, settings),
        "epochs": epochs,
        "teacher": None if settings.teacher is None else [kept(each) for each in settings.teacher],
        "passes": settings.passes,
        "seed": settings.seed,
        "date": datetime.date.today().isoformat(),
        "versions": record["versions"],
        "hardware": record["hardware"],
        "vote_share": settings.vote_share,
        "answers": record.get("answers", {}).get("note"),
        "answer_share": settings.answer_share,
        "precision": settings.precision,
        "recipe": recipe.replace(model_options=options).to_dict(),
    }


def _scores(reports):
    whole = next(iter(reports.values()))
    return {
        "scores": {
            name: {
                "faces": report.examples,
                "accuracy": report.accuracy,
                "macro_f1": report.macro_f1,
                "macro_recall": report.macro_recall,
                "loss": report.loss,
            }
            for name, report in reports.items()
        },
        "classes": whole.to_dict()["classes"],
    }


def _logits(model, batches):
    """Return the logits of a model for all faces."""
    before = keras.Model(model.input, model.get_layer("logits").output)
    return np.concatenate([before.predict_on_batch(np.asarray(images)) for images, _ in batches])


def cross_fitted(labels: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Return probabilities, each calibrated without its own half of the faces.

    Args:
        labels: Class numbers `(faces,)`.
        logits: `(faces, classes)`.
    """
    halves = np.arange(len(labels)) % 2
    scaled = np.empty_like(logits, dtype="float64")
    for half in (0, 1):
        temperature = evaluation.fit_temperature(labels[halves != half], logits[halves != half])
        scaled[halves == half] = logits[halves == half] / temperature
    return softmax(scaled)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the probabilities of logits `(examples, classes)`."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def builder_options(recipe: Recipe) -> dict[str, Any]:
    """Return the arguments of a recipe's builder that shape the network."""
    taken = inspect.signature(registry.entry(recipe.model).builder).parameters
    shaping = SHAPING & taken.keys()
    return {k: v for k, v in recipe.model_options.items() if k in shaping}


def commands(run: str | os.PathLike[str]) -> list[str]:
    """Return the commands that led to a run, the first one first, free of this machine's paths.

    They go back through the models that the run began with or was taught by, and through bundled
    weights to their first training.

    Args:
        run: Folder of the run.

    Raises:
        ValueError: If two runs of them have the same name.
    """
    run = Path(run)
    record = runs.read(run)
    words, earlier = _portable(record) if "command" in record else _without_command(run, record)
    last = shlex.join(words)
    if record.get("backend", "tensorflow") != "tensorflow":
        last = f"KERAS_BACKEND={record['backend']} {last}"
    before = map(run_history.output_of, filter(run_history.is_training, earlier))
    if run_history.output_of(last) in before:
        raise ValueError(
            f"{run} has the name of a run that went before it, {run_history.output_of(last)}: give "
            "its folder, and --output in its run.json, another name"
        )
    return [*earlier, last]


def _without_command(run, record):
    """Return what `_portable` does, for a run that was begun by `train_faces` in Python."""
    settings, earlier = record["settings"], []
    for path in settings.get("teacher") or ():
        earlier = joined(earlier, _led_to(path))
    earlier = joined(earlier, record.get("answers", {}).get("commands", []))
    if weights := (settings.get("model") or {}).get("weights"):
        earlier = joined(earlier, _began_with(weights, record)[0])
    folder = f"runs/{run.resolve().name}"
    return ["fer", "train", "--config", f"{folder}/{runs.RECORD}", "--output", folder], earlier


def _led_to(model):
    """Return the commands that led to a model's file; none are known without a record beside it."""
    folder = Path(model).parent
    return commands(folder) if (folder / runs.RECORD).is_file() else []


def _portable(record):
    """Return the words of a run's command without this machine's paths, and what went before."""
    words, earlier, packing, skip, option, places = [], [], [], False, None, 0
    for word in run_history.options_apart(shlex.split(record["command"])):
        name, equals, value = word.partition("=")
        option = word if word.startswith("--") else option
        places = 0 if word == "--path" else places
        if skip:
            skip = False
        elif word == "--no-report":
            continue
        elif word == "--data-dir":
            skip = True
        elif option == "--teacher" and word != option:
            earlier = joined(earlier, _led_to(word))
            words.append(kept(word))
        elif words[-1:] == ["--answers"]:
            earlier = joined(earlier, record.get("answers", {}).get("commands", []))
            words.append(Path(word).name)
        elif option == "--path" and word != option:
            packed = is_packed(word)
            words.append(_packed_sets(record)[places][1] if packed else "FOLDER")
            packing += [packing_command(record, places)] if packed else []
            places += 1
        elif words[-1:] == ["--output"]:
            words.append(f"runs/{Path(word).name}")
        elif words[-1:] == ["--config"] and Path(word).name == runs.RECORD:
            words.append(f"runs/{Path(word).resolve().parent.name}/{runs.RECORD}")
        elif name == "weights" and equals:
            before, begun = _began_with(value, record)
            earlier = joined(earlier, before)
            words.append(f"weights={begun}")
        elif name == "trunk_weights" and equals:
            words.append(f"{name}={Path(value).name}")
        elif name == "faces" and equals:
            words.append(f"faces={_packed_file(record, value)}")
        else:
            words.append(word)
    return words, joined(earlier, packing)


def _began_with(weights, record):
    """Return the commands that led to the weights that a run began with, and their name now."""
    if Path(weights).suffix == ".keras":
        return _led_to(weights), kept(weights)
    known = registry.entry(record["recipe"]["model"]).weights
    if weights not in known:
        return [], weights
    # The tag may mean other weights by now, and will once these have taken its place.
    history = record.get("weights_history") or run_history.of_card(known[weights].card)
    return history["commands"], history["kept"]


def kept(path: str | os.PathLike[str]) -> str:
    """Return the path of a run's model as it is from the folder in which the commands are given.

    Args:
        path: The `.keras` file in the folder of its run.

    Example:

    >>> kept("/mine/first/last.keras")
    'runs/first/last.keras'
    """
    return f"runs/{Path(path).parent.name}/{Path(path).name}"


def packing_command(record: Mapping[str, Any], place: int = 0) -> str:
    """Return the command that made a file of faces that a run read.

    Args:
        record: Content of the run's `run.json`.
        place: Which file, of a run on several data sets: its place among the words of `--path`.
    """
    data, file, about = _packed_sets(record)[place]
    words = ["fer", "prepare", data, "--path", "FOLDER"]
    for name, value in about.get("options", {}).items():
        values = value if isinstance(value, list) else [value]
        words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return shlex.join([*words, "--pack", file])


def _packed_sets(record):
    """Return for each path of a run its data set, the name of its packed file, and how it came."""
    data = record["settings"]["data"]
    # Records of the first such runs do not say how.
    about = record.get("packed") or {}
    if isinstance(data, str):
        return [(data, run_history.packed_faces(data), about)]
    each = list(about.values()) or [None] * len(data)
    sets = [(name, of_set or {}) for name, of_set in zip(data, each, strict=True)]
    sets = [(name, of_set) for name, of_set in sets if name not in DRAWN]
    found = []
    for place, (name, of_set) in enumerate(sets, 1):
        known = name if [other for other, _ in sets].count(name) == 1 else f"{name}_{place}"
        found.append((name, run_history.packed_faces(known), of_set))
    return found


def _packed_file(record, path):
    """Return the name of the packed file at a path, which the run may have read as a set."""
    paths = record["settings"].get("path")
    paths = paths if isinstance(paths, list) else [paths]
    lying = [each for each in paths if each is not None]
    place = lying.index(path) if path in lying else 0
    return _packed_sets(record)[place][1]


def joined(earlier: Iterable[str], more: Iterable[str]) -> list[str]:
    """Return commands with those after them that are not among them.

    Args:
        earlier: Commands, the first one first.
        more: Commands to come after them.

    Example:

    >>> joined(["fer weights"], ["fer weights", "fer weights ghostface:fer2013"])
    ['fer weights', 'fer weights ghostface:fer2013']
    """
    found, data = [], None
    for command in (*earlier, *more):
        # A command that does not name its data is about a run that was just before it.
        data = run_history.data_of(command) or data
        named = run_history.tell_packed_faces_apart(command, data)
        if named not in found:
            found.append(named)
    return found
