"""Turn a finished run of train.py into bundled weights: calibrated, half precision, with a card.

    python examples/pack_weights.py runs/ghostface_fer2013 --tag fer2013
    python examples/pack_weights.py runs/ghostface_ferplus --tag ferplus --path FOLDER

Fits the temperature on the validation faces and puts it into the last layer, writes the weights as
float16, reads them back through the model's builder, and scores that on the validation faces: the
card says what a user gets, not what the training had. The calibration error is cross-fitted: each
half of the faces is scored with the temperature of the other.
"""

import argparse
import datetime
import hashlib
import inspect
import json
import os
import shlex
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from fer_models import evaluation, registry
from fer_models.zoo.bundled import FOLDER as BUNDLED_FOLDER
from fer_models.zoo.weight_files import read_weights, write_weights

sys.path.insert(0, str(Path(__file__).parent))
import train as training
import train_report

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


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("run", type=Path, help="output folder of a finished run of train.py")
    add("--tag", required=True, help="name of the weights, such as fer2013")
    add("--epoch", choices=("best", "last"), default="last", help="which model of the run")
    add("--path", help="folder or archive of the data (default: the run's)")
    add("--data-dir", help="where prepared data sets are kept")
    add("--output", type=Path, default=BUNDLED_FOLDER, help="folder to write into")
    return parser.parse_args(argv)


def commands(run):
    """Return the commands that led to a run, the first one first, free of this machine's paths."""
    record = json.loads((run / training.RECORD).read_text())
    bundled = registry.entry(record["recipe"]["model"]).weights
    # Records of before carry no history of the bundled weights that they began with.
    history = record.get("weights_history")
    words, earlier, skip, teachers, packing = [], [], False, False, []
    for word in shlex.split(record["command"]):
        name, equals, value = word.partition("=")
        teachers = word == "--teacher" or (teachers and not word.startswith("--"))
        if skip:
            skip = False
        elif word == "--no-report":
            continue
        elif word == "--data-dir":
            skip = True
        elif teachers and word != "--teacher":
            taught = Path(word)
            earlier = joined(earlier, commands(taught.parent))
            words.append(f"runs/{taught.parent.name}/{taught.name}")
        elif words[-1:] == ["--path"] and Path(word).suffix == ".npz":
            words.append("faces.npz")
            packing = [packing_command(record)]
        elif words[-1:] == ["--path"]:
            words.append("FOLDER")
        elif words[-1:] == ["--output"]:
            words.append(f"runs/{Path(word).name}")
        elif name == "weights" and equals and Path(value).suffix == ".keras":
            before = Path(value)
            earlier = joined(earlier, commands(before.parent))
            words.append(f"weights=runs/{before.parent.name}/{before.name}")
        elif name == "weights" and equals and value in bundled:
            # The tag may mean other weights by now, and will once these have taken its place.
            history = history or training.history_of(bundled[value].card)
            earlier = joined(earlier, history["commands"])
            words.append(f"weights={history['kept']}")
        else:
            words.append(word)
    last = shlex.join(words)
    if record.get("backend", "tensorflow") != "tensorflow":
        last = f"KERAS_BACKEND={record['backend']} {last}"
    earlier = joined(earlier, packing)
    if training.output_of(last) in map(training.output_of, earlier):
        raise ValueError(
            f"{run} has the name of a run that went before it, {training.output_of(last)}: give "
            "its folder, and --output in its run.json, another name"
        )
    return [*earlier, last]


def packing_command(record):
    """Return the command that made the file of faces that a run read."""
    # Records of the first such runs do not say how.
    about = record.get("packed") or {}
    words = ["python", "examples/pack_faces.py", "--data", record["settings"]["data"]]
    words += ["--path", "FOLDER"]
    for name, value in about.get("options", {}).items():
        values = value if isinstance(value, list) else [value]
        words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return shlex.join([*words, "--output", "faces.npz"])


def joined(earlier, more):
    """Return commands with those after them that are not among them."""
    return [*earlier, *(command for command in more if command not in earlier)]


def logits_of(model, faces):
    """Return the logits of a model for all faces."""
    before = keras.Model(model.input, model.get_layer("logits").output)
    return np.concatenate([before.predict_on_batch(np.asarray(images)) for images, _ in faces])


def cross_fitted(labels, logits):
    """Return probabilities, each calibrated without its own half of the faces."""
    halves = np.arange(len(labels)) % 2
    scaled = np.empty_like(logits, dtype="float64")
    for half in (0, 1):
        temperature = evaluation.fit_temperature(labels[halves != half], logits[halves != half])
        scaled[halves == half] = logits[halves == half] / temperature
    return softmax(scaled)


def softmax(logits):
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def builder_options(recipe):
    """Return the arguments of the builder that shape the network."""
    taken = inspect.signature(registry.entry(recipe.model).builder).parameters
    shaping = {"width", "stem_strides", "regularized", "cbam"} & taken.keys()
    return {k: v for k, v in recipe.model_options.items() if k in shaping}


def pack(args):
    record = json.loads((args.run / training.RECORD).read_text())
    if not record["finished"]:
        raise ValueError(f"{args.run} must hold a finished run: give its command again first")
    settings = training.parse(["--config", str(args.run / training.RECORD)])
    settings.path, settings.data_dir = args.path or settings.path, args.data_dir
    recipe = training.recipe_of(settings)
    splits, counts, names, _ = training.load(settings, recipe, packed=True)
    faces = training.pipelines(settings, recipe, splits, len(names))[1]["validation"]
    labels = np.concatenate([np.asarray(label) for _, label in faces]).argmax(-1)
    model = train_report.trained(args.run / f"{args.epoch}.keras")

    logits = logits_of(model, faces)
    temperature = evaluation.fit_temperature(labels, logits)
    for weight in model.get_layer("logits").weights:
        weight.assign(weight / temperature)

    path = args.output / f"{recipe.model}_{args.tag}.npz"
    args.output.mkdir(parents=True, exist_ok=True)
    # Both files are whole before one of them takes its name.
    with tempfile.TemporaryDirectory(dir=args.output, prefix=".packing-") as folder:
        temporary = Path(folder, path.name)
        write_weights(model, temporary)
        options = builder_options(recipe)
        packed = registry.entry(recipe.model).builder(
            input_shape=recipe.input_shape, classes=len(names), **options
        )
        read_weights(packed, temporary)

        found = logits_of(packed, faces)
        chosen = train_report.subsets(splits["validation"], len(labels))
        probabilities = {"raw": softmax(logits), "packed": softmax(found)}
        scores = {
            name: evaluation.classification_report(
                labels[some], probabilities["packed"][some], names
            )
            for name, some in chosen.items()
        }
        whole = next(iter(scores.values()))
        card = {
            "model": recipe.model,
            "tag": args.tag,
            "file": path.name,
            "sha256": hashlib.sha256(temporary.read_bytes()).hexdigest(),
            "bytes": temporary.stat().st_size,
            "class_names": list(names),
            "input_shape": list(recipe.input_shape),
            "options": options,
            "licence": LICENCE,
            "not_for": NOT_FOR,
            "data": settings.data,
            "split": SPLITS.get(settings.data, "the data set's own splits"),
            "faces": counts,
            "epoch": args.epoch,
            "passes": settings.passes,
            "seed": settings.seed,
            "commands": commands(args.run),
            "date": datetime.date.today().isoformat(),
            "versions": record["versions"],
            "hardware": record["hardware"],
            "vote_share": settings.vote_share,
            "precision": settings.precision,
            "recipe": recipe.replace(
                model_options={k: v for k, v in recipe.model_options.items() if k != "weights"}
            ).to_dict(),
            "scores": {
                name: {
                    "faces": report.examples,
                    "accuracy": report.accuracy,
                    "macro_f1": report.macro_f1,
                    "macro_recall": report.macro_recall,
                    "loss": report.loss,
                }
                for name, report in scores.items()
            },
            "classes": whole.to_dict()["classes"],
            "calibration": {
                "temperature": temperature,
                "error_before": evaluation.calibration_error(labels, probabilities["raw"]),
                "error_cross_fitted": evaluation.calibration_error(
                    labels, cross_fitted(labels, logits)
                ),
            },
        }
        beside = temporary.with_suffix(".json")
        beside.write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(temporary, path)
        os.replace(beside, path.with_suffix(".json"))
    print(f"Wrote {path} ({card['bytes']:,} bytes) and {path.stem}.json.")
    for name, report in scores.items():
        print(f"{name}: {report.accuracy:.2%} of {report.examples:,} validation faces")
    print(json.dumps(card["calibration"]))


def main(argv=None):
    try:
        pack(parse(argv))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
