"""Odd arguments for the public functions, and what counts as a good answer to them."""

import contextlib
import dataclasses
import functools
import importlib
import inspect
import io
import numbers
import os
import pkgutil
import tempfile
import traceback
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("fer_data", "fer_layers", "fer_models")

# Packages whose modules are public and name no `__all__`.
OPEN = (
    "fer_data.datasets",
    "fer_data.label_maps",
    "fer_data.labels",
    "fer_data.pipelines.clips",
    "fer_data.pipelines.face_arrays",
    "fer_data.pipelines.face_batches",
    "fer_data.pipelines.images",
    "fer_data.pipelines.split_arrays",
    "fer_data.pipelines.vote_targets",
)
# The builders of data sets have tests of odd input of their own.
ELSEWHERE = ("fer_data.datasets.",)
# What the command line calls in the module of a study, with a parser and with parsed arguments.
OF_COMMANDS = ("add_arguments", "run")

ODD = {
    "None": lambda: None,
    "True": lambda: True,
    "text": lambda: "odd",
    "empty text": lambda: "",
    "NUL": lambda: "a\0b",
    "bytes": lambda: b"odd",
    "texts": lambda: ["a", "b"],
    "list": lambda: [],
    "tuple": lambda: (),
    "dictionary": lambda: {},
    "dictionary of a list": lambda: {"a": [1]},
    "object": object,
    "ragged": lambda: [[1], [1, 2]],
    "complex": lambda: 1 + 2j,
    "-1": lambda: -1,
    "0": lambda: 0,
    "2": lambda: 2,
    "huge": lambda: 10**400,
    "large": lambda: 10**30,
    "1.5": lambda: 1.5,
    "-0.5": lambda: -0.5,
    "1e300": lambda: 1e300,
    "NaN": lambda: float("nan"),
    "infinity": lambda: float("inf"),
    "array of nothing": lambda: np.array([]),
    "array of no rows": lambda: np.zeros((0, 3)),
    "images of no pixels": lambda: np.zeros((2, 0, 0, 3), "uint8"),
    "rank 0": lambda: np.array(1.0),
    "whole of rank 0": lambda: np.array(3),
    "array of texts": lambda: np.array(["a", "b"]),
    "array of complex": lambda: np.array([1 + 2j, 3]),
    "array with NaN": lambda: np.array([np.nan, 1.0]),
    "matrix with NaN": lambda: np.full((2, 2), np.nan),
    "images with NaN": lambda: np.full((4, 24, 24, 1), np.nan),
    "images of infinity": lambda: np.full((4, 24, 24, 1), np.inf),
    "image below 0": lambda: np.full((24, 24, 3), -5.0),
    "negative": lambda: np.full((2, 2), -1),
    "array of None": lambda: np.array([None, 1]),
    "array of True": lambda: np.array([True, False]),
    "rank 3": lambda: np.zeros((2, 3, 4)),
    "rank 6": lambda: np.zeros((1, 2, 3, 1, 2, 1), "uint8"),
    "numbers": lambda: [1, 2, 3],
    "huge numbers": lambda: np.array([1e300, -1e300]),
    "dates": lambda: np.array(["2020-01-01"], "datetime64[D]"),
}


def public(within: tuple[str, ...] = PACKAGES) -> dict[str, object]:
    """Return every public function and class of some modules, by `module:name`."""
    found, seen = {}, set()
    for package in PACKAGES:
        if not any(f"{each}.".startswith(f"{package}.") for each in within):
            continue
        top = importlib.import_module(package)
        modules = [package, *(m.name for m in pkgutil.walk_packages(top.__path__, f"{package}."))]
        for name in modules:
            if name.startswith(ELSEWHERE) or "._" in name or ".cli" in name:
                continue
            if not name.startswith(within) or (name not in OPEN and not _has_all(name)):
                continue
            module = importlib.import_module(name)
            names = getattr(module, "__all__", None) or [
                each
                for each, value in vars(module).items()
                if not each.startswith("_") and getattr(value, "__module__", None) == name
            ]
            for each in names:
                value = getattr(module, each)
                home = getattr(value, "__module__", "") or ""
                if not callable(value) or home.startswith(ELSEWHERE) or id(value) in seen:
                    continue
                if not home.startswith(PACKAGES):
                    continue
                if inspect.isabstract(value) or each.startswith("check_"):
                    continue
                if name.startswith("fer_models.studies.") and each in OF_COMMANDS:
                    continue
                if isinstance(value, type) and (
                    issubclass(value, BaseException) or getattr(value, "_is_protocol", False)
                ):
                    continue
                seen.add(id(value))
                found[f"{name}:{each}"] = value
                make, methods = METHODS.get(f"{name}:{each}", (None, ()))
                for method in methods:
                    found[f"{name}:{each}.{method}"] = getattr(make(), method)
    return found


@functools.cache
def _has_all(name):
    path = ROOT.joinpath(*name.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return "\n__all__ = [" in path.read_text(encoding="utf-8")


# --- arguments that are fine


@functools.cache
def model():
    import keras

    keras.utils.set_random_seed(0)
    image = keras.Input((24, 24, 1), name="image")
    x = keras.layers.Conv2D(2, 5, strides=4, activation="relu")(image / 255)
    x = keras.layers.Dense(7, activation="softmax")(keras.layers.Flatten()(x))
    return keras.Model(image, x)


@functools.cache
def student():
    import keras

    return keras.models.clone_model(model())


@functools.cache
def teacher():
    import keras

    return keras.models.clone_model(model())


def distillation():
    from fer_models import LabelDistributionDistillation

    return LabelDistributionDistillation()


def absent_faces():
    from fer_models import FaceSettings

    return FaceSettings(data="folder", path=scratch() / "none")


def absent_study():
    from fer_models.studies.ghostface_settings import GhostfaceSettings

    return GhostfaceSettings(data="folder", path=scratch() / "none")


@functools.cache
def recognizer():
    from fer_models import Recognizer

    class Middle:
        def detect(self, image):
            from fer_data.faces import Face

            height, width = image.shape[:2]
            return [Face((0, 0, width, height), 0.9)] if min(image.shape[:2]) > 1 else []

    return Recognizer(model(), Middle())


def images(count=4):
    return np.random.default_rng(0).integers(0, 256, (count, 24, 24, 1)).astype("uint8")


def labels(count=4):
    return np.arange(count) % 7


def probabilities(count=4):
    drawn = np.random.default_rng(0).uniform(0.1, 1, (count, 7))
    return drawn / drawn.sum(1, keepdims=True)


def landmarks():
    return drawn().landmarks


def affect(count=4):
    return np.random.default_rng(0).uniform(-1, 1, (count, 2)).astype("float32")


@functools.cache
def affect_model():
    from fer_models import with_valence_arousal

    return with_valence_arousal(model())


def clips():
    from fer_data.protocols import Clips

    return Clips(
        ids=[f"a/{i}" for i in range(12)],
        subjects=[f"s{i % 6}" for i in range(12)],
        labels=[i % 3 for i in range(12)],
    )


@functools.cache
def signals():
    from fer_models.privacy import signals

    return signals(model(), images(24), labels(24), progress=False)


@functools.cache
def other_signals():
    from fer_models.privacy import signals

    return signals(model(), 255 - images(24), labels(24), progress=False)


@functools.cache
def attack_result():
    from fer_models.privacy import run_attacks

    return run_attacks(signals(), other_signals())[0]


@functools.cache
def membership():
    from fer_models.privacy import audit_membership

    return audit_membership(signals(), other_signals(), resamples=20)


@functools.cache
def report():
    from fer_models.evaluation import classification_report

    return classification_report(labels(14), probabilities(14))


@functools.cache
def cross_scores():
    from fer_models.evaluation import cross_data

    models = {"a": (model(), tuple("abcdefg"))}
    return cross_data(models, {"b": faces()}, count=9, resamples=10)


def photo():
    return np.random.default_rng(0).integers(0, 256, (48, 48, 3)).astype("uint8")


@functools.cache
def drawn():
    from fer_data.synthetic import generate

    return next(iter(generate(1, size=96)))


@functools.cache
def heat_maps():
    return np.random.default_rng(0).uniform(0, 1, (4, 24, 24)).astype("float32")


@functools.cache
def faces():
    from fer_data.pipelines.labelled_faces import LabelledFaces

    splits = {
        name: {"image": (images(14) + place).astype("uint8"), "label": labels(14)}
        for place, name in enumerate(("train", "validation", "test"))
    }
    names = tuple("abcdefg")
    return LabelledFaces(splits, dict.fromkeys(splits, 14), names, "drawn", {})


def face():
    from fer_data.faces import Face

    return Face((4, 4, 30, 30), 0.9)


@functools.cache
def time_line():
    from fer_models.spotting import TimeLine

    return TimeLine(("negative", "positive", "surprise"))


@functools.cache
def scratch():
    folder = tempfile.TemporaryDirectory()
    scratch.kept = folder
    return Path(folder.name)


def file(name):
    return lambda: scratch() / name


@functools.cache
def video():
    from fer_data.video import Video, VideoWriter

    path = scratch() / "three.mkv"
    with VideoWriter(path, fps=25) as writer:
        for _ in range(3):
            writer.write(photo())
    return Video(path)


def writer():
    from fer_data.video import VideoWriter

    return VideoWriter(scratch() / "never.mkv", fps=25)


@functools.cache
def fer():
    from fer_models.compat import FER

    return FER(weights=model())


def deepface():
    from fer_models.compat import DeepFace

    return DeepFace


# What makes an object, and which of its methods are called.
METHODS = {
    "fer_models:Recognizer": (
        recognizer,
        ("photo", "photos", "frame", "session", "classify", "classify_faces", "video"),
    ),
    "fer_data.video:Video": (video, ("frames", "sample")),
    "fer_data.video:VideoWriter": (writer, ("write",)),
    "fer_models.compat:FER": (
        fer,
        ("detect_emotions", "batch_detect_emotions", "find_faces", "top_emotion"),
    ),
    "fer_models.compat:DeepFace": (deepface, ("analyze", "stream")),
}


class Twice:
    """A clock, a detector, a function, whatever is asked for."""

    def detect(self, image):
        return [face()]


# By the name of the argument; the same name means the same thing everywhere.
GOOD = {
    "model": model,
    "target": model,
    "images": images,
    "image": photo,
    "img": photo,
    "labels": labels,
    "probabilities": probabilities,
    "predictions": probabilities,
    "logits": lambda: np.log(probabilities()),
    "data": images,
    "seed": lambda: 0,
    "rng": lambda: np.random.default_rng(0),
    "verbose": lambda: 0,
    "progress": lambda: False,
    "batch_size": lambda: 4,
    "path": file("out.png"),
    "folder": file("folder"),
    "output": file("output"),
    "classes": lambda: 7,
    "class_names": lambda: None,
    "epsilon": lambda: 4,
    "steps": lambda: 2,
    "queries": lambda: 1,
    "resamples": lambda: 10,
    "members": signals,
    "non_members": other_signals,
    "population": lambda: None,
    "references": lambda: None,
    "member_scores": lambda: np.linspace(0, 1, 9),
    "non_member_scores": lambda: np.linspace(-0.5, 0.8, 11),
    "losses": lambda: np.linspace(0, 3, 9),
    "entropies": lambda: np.linspace(0, 3, 9),
    "tolerated": lambda: 0.1,
    "fpr": lambda: 0.1,
    "rate": lambda: 0.2,
    "heat_maps": heat_maps,
    "landmarks": landmarks,
    "points": landmarks,
    "face": face,
    "size": lambda: 32,
    "channels": lambda: 3,
    "clips": clips,
    "emotion": lambda: "happy",
    "filters": lambda: 4,
    "expansion": lambda: 8,
    "reduction": lambda: 2,
    "count": lambda: 2,
    "report": report,
    "recognizer": recognizer,
    "workers": lambda: 1,
    "cache": lambda: False,
    "frames": lambda: [photo(), photo()],
}
ONE = {
    "fer_data.datasets:prepare": {"name": lambda: "image_folder", "path": file("none")},
    "fer_data.picture:decode": {"data": lambda: b"odd"},
    "fer_data.picture:encode_png": {"pixels": photo},
    "fer_data.video:Frame": {"number": lambda: 0, "time": lambda: 0.0},
    "fer_data.video:Video": {"path": file("none.mp4")},
    "fer_data.video:Video.sample": {"count": lambda: 2},
    "fer_data.video:VideoInfo": {
        "fps": lambda: 25.0,
        "frames": lambda: 3,
        "width": lambda: 48,
        "height": lambda: 48,
        "rotation": lambda: 0,
    },
    "fer_data.video:VideoWriter": {"path": file("out.mkv"), "fps": lambda: 25},
    "fer_data.video:interpolate": {
        "frames": lambda: list(enumerate([photo(), photo()])),
        "positions": lambda: [0, 0.5],
    },
    "fer_data.video:sample_positions": {"onset": lambda: 3, "offset": lambda: 9},
    "fer_data.faces:BoxTracker": {"detector": Twice},
    "fer_data.faces:Detector": {"min_score": lambda: 0.5},
    "fer_data.faces:Face": {"box": lambda: (1, 2, 3, 4), "score": lambda: 0.5},
    "fer_data.faces:align_face": {"image": lambda: drawn().image, "landmarks": landmarks},
    "fer_data.faces:align_clip": {
        "frames": lambda: np.stack([drawn().image] * 2),
        "landmarks": lambda: np.stack([landmarks()] * 2),
    },
    "fer_data.faces:cut_folder": {"source": file("none"), "target": file("cut")},
    "fer_data.faces:detector": {"name": lambda: "yunet"},
    "fer_data.faces:landmarks": {"predictor": lambda: lambda image, face: landmarks()},
    "fer_data.faces:read_image": {"path": file("none.png")},
    "fer_data.faces:region_sheet": dict.fromkeys(("left", "right", "lower"), images),
    "fer_data.faces:region_windows": {"size": lambda: 64},
    "fer_data.faces:split_regions": {
        "face": lambda: np.zeros((128, 128, 3), "uint8"),
        "size": lambda: 64,
    },
    "fer_data.faces:track": {
        "detector": Twice,
        "predictor": lambda: lambda image, face: landmarks(),
    },
    "fer_data.faces:transform_points": {"matrix": lambda: np.eye(2, 3)},
    "fer_data.label_maps:owners_class": {"dataset": lambda: "jaffe", "code": lambda: "AN"},
    "fer_data.label_maps:label_of": {"name": lambda: "afraid"},
    "fer_data.label_maps:unmapped": {"dataset": lambda: "affectnet"},
    "fer_data.labels:canonical": {"name": lambda: "happiness"},
    "fer_data.labels:is_emotion": {"name": lambda: "happiness"},
    "fer_data.labels:class_order": {"dataset": lambda: "fer2013"},
    "fer_data.labels:to_indices": {"names": lambda: ["happy"]},
    "fer_data.labels:index_map": {"source": lambda: ("a", "b"), "target": lambda: ("b", "a")},
    "fer_data.labels:remap_labels": {
        "labels": lambda: [0, 1],
        "source": lambda: ("a", "b"),
        "target": lambda: ("b", "a"),
    },
    "fer_data.pipelines.face_arrays:write": {
        "path": file("faces.npz"),
        "splits": lambda: {"train": (images(), labels())},
        "class_names": lambda: list("abcdefg"),
    },
    "fer_data.pipelines.face_arrays:read": {"path": file("none.npz")},
    "fer_data.pipelines.face_arrays:about": {"path": file("none.npz")},
    "fer_data.pipelines.face_arrays:targets": {"faces": lambda: (images(), labels())},
    "fer_data.pipelines.face_arrays:valence_arousal": {
        "faces": lambda: {"valence": [0.5, -0.5], "arousal": [0.0, 1.0]}
    },
    "fer_data.pipelines.face_batches:FaceBatches": {"targets": lambda: np.eye(7)[labels()]},
    "fer_data.pipelines.images:pipeline": {
        "dataset": lambda: (images(), labels()),
        "size": lambda: 24,
    },
    "fer_data.pipelines.split_arrays:split_arrays": {
        "faces": faces,
        "split": lambda: "train",
        "size": lambda: (24, 24),
        "channels": lambda: 1,
    },
    "fer_data.pipelines.augmentation:policy": {"augmentation": lambda: "basic"},
    "fer_data.pipelines.augmentation.with_tensorflow:augment": {
        "labels": lambda: np.eye(7, dtype="float32")[labels()],
        "augmentation": lambda: "basic",
        "seed": lambda: (0, 1),
    },
    "fer_data.pipelines.split_arrays:split_batches": {
        "faces": faces,
        "split": lambda: "train",
        "size": lambda: (24, 24),
        "channels": lambda: 1,
    },
    "fer_data.pipelines.split_arrays:default_split": {"counts": lambda: {"train": 9, "test": 3}},
    "fer_data.pipelines.split_arrays:draw_places": {"count": lambda: 5, "wanted": lambda: 2},
    "fer_data.pipelines.vote_targets:vote_targets": {
        "votes": lambda: np.ones((4, 7), int),
    },
    "fer_data.protocols:stratified": {"fractions": lambda: {"train": 0.5, "test": 0.5}},
    "fer_data.protocols:group_disjoint": {
        "groups": lambda: [0, 1, 2, 3],
        "fractions": lambda: {"train": 0.5, "test": 0.5},
    },
    "fer_data.protocols:group_folds": {"groups": lambda: [0, 1, 2, 3], "folds": lambda: 2},
    "fer_data.protocols:leave_one_group_out": {"groups": lambda: [0, 1, 2, 3]},
    "fer_data.protocols:duplicates_across": {
        "splits": lambda: {"a": images(2), "b": images(2)},
    },
    "fer_data.protocols:guard": {"splits": lambda: {"a": images(2), "b": 255 - images(2)}},
    "fer_data.protocols:find_leaks": {"parts": lambda: {"a": [0, 1], "b": [2]}},
    "fer_data.protocols:guard_subjects": {"parts": lambda: {"a": [0, 6], "b": [2]}},
    "fer_data.protocols:Clips": {
        "ids": lambda: ["a", "b"],
        "subjects": lambda: ["1", "2"],
        "labels": lambda: [0, 1],
    },
    "fer_data.synthetic:photograph": {
        "camera": lambda: importlib.import_module("fer_data.synthetic").Camera(),
    },
    "fer_data.synthetic:render": {
        "identity": lambda: importlib.import_module("fer_data.synthetic").sample_identity(0, 0),
        "action_units": lambda: {12: 0.5},
        "scene": lambda: importlib.import_module("fer_data.synthetic").Scene(),
    },
    "fer_data.synthetic:Identity": {
        "shape": lambda: np.zeros(19),
        **{
            name: (lambda: (90, 80, 70))
            for name in ("skin", "lips", "hair_colour", "brow_colour", "iris")
        },
    },
    "fer_data.synthetic:graded_smiles": {"people": lambda: 1, "levels": lambda: (0.0, 1.0)},
    "fer_data.synthetic:sample_identity": {"index": lambda: 0},
    "fer_data.synthetic:sample_face": {"index": lambda: 0, "identity": lambda: 0},
    "fer_models.evaluation:evaluate": {},
    "fer_models.evaluation:plot_curves": {"history": lambda: {"loss": [1.0, 0.5]}},
    "fer_models.evaluation:pooled_scores": {
        "folds": lambda: [([0, 1], [0, 1])],
        "class_names": lambda: ("a", "b"),
    },
    "fer_models.evaluation:latency": {"repeats": lambda: 2, "warm_up": lambda: 1},
    "fer_models.evaluation:score_split": {
        "faces": lambda: [(images().astype("float32"), np.eye(7)[labels()])],
    },
    "fer_models.evaluation:valence_arousal_report": {
        "targets": affect,
        "predictions": lambda: affect()[::-1],
    },
    "fer_models.evaluation:evaluate_valence_arousal": {
        "model": affect_model,
        "targets": affect,
    },
    "fer_models.evaluation:score_groups": {
        "groups": lambda: list("abab"),
        "class_names": lambda: list("abcdefg"),
    },
    "fer_models.evaluation:shared_scores": {
        "data_names": lambda: list("abcdefg"),
        "model_names": lambda: list("gfedcba"),
    },
    "fer_models.evaluation:cross_data": {
        "models": lambda: {"a": (model(), tuple("abcdefg"))},
        "data": lambda: {"b": faces()},
        "count": lambda: 9,
    },
    "fer_models.evaluation:plot_cross_data": {"found": cross_scores},
    "fer_models.privacy:epsilon_lower_bound": {
        "inside": lambda: np.arange(1, 31) / 20,
        "outside": lambda: np.arange(30) / 20,
    },
    "fer_models.evaluation:shift_class_shares": {
        "known": lambda: np.full(7, 1 / 7),
        "wanted": lambda: np.full(7, 1 / 7),
    },
    "fer_models.evaluation:estimate_class_shares": {"known": lambda: np.full(7, 1 / 7)},
    "fer_models.evaluation:score_sets": {"inside": lambda: np.ones((4, 7), bool)},
    "fer_models.compat:Video": {"video_file": file("none.mp4")},
    "fer_models.compat:FER.batch_detect_emotions": {"imgs": lambda: [photo()]},
    "fer_models.compat:DeepFace.analyze": {"img_path": photo},
    "fer_models.compat:DeepFace.stream": {"source": file("none.mp4")},
    "fer_models.recognizer:to_supervision": {"faces": list},
    "fer_models.recognizer:head_pose": {"points": landmarks},
    "fer_models.zoo.trunks:about": {"name": lambda: "faceres"},
    "fer_models.zoo.trunks:read_trunk": {"name": lambda: "faceres", "path": file("none.h5")},
    "fer_models.runtime:ready_network": {
        "source": lambda: "fer2013",
        "model": lambda: "ghostface",
    },
    "fer_models.explain:clip_explanation": {"inputs": images},
    "fer_models.explain:explain_clip_file": {"data": lambda: "casme2", "path": file("none")},
    "fer_models.explain:clip_sheet": {"clip": images},
    "fer_models.explain:gate_sheet": {"gates": list},
    "fer_models.explain:plot_channel_gates": {"gates": list},
    "fer_models.explain:attention_gates": {},
    "fer_models.export:accuracy_lost": {
        "run": lambda: lambda inputs: model().predict(inputs.astype("float32"), verbose=0),
    },
    "fer_models.export:compare": {"expected": probabilities, "received": probabilities},
    "fer_models.export:load": {"path": file("none.tflite")},
    # Refused last of all, so that nothing is converted.
    "fer_models.export:export": {
        "path": file("out.tflite"),
        "format": lambda: "litert",
        "faces": lambda: images(1)[:, :12],
    },
    "fer_models.privacy:divide_members": {
        "training": lambda: list("abcd"),
        "others": lambda: list("efgh"),
        **{name: (lambda: 2) for name in ("members", "non_members", "population")},
    },
    "fer_models.privacy:draw_pool": {
        "count": lambda: 9,
        "members": lambda: 4,
        "population": lambda: 2,
    },
    "fer_models.privacy:half_of_pool": {"members": lambda: 4, "model": lambda: 0},
    "fer_models.privacy:binomial_interval": {"successes": lambda: 3, "trials": lambda: 9},
    "fer_models.privacy:lira_online": {
        "margins": lambda: np.linspace(0, 1, 5),
        "reference_margins": lambda: np.linspace(0, 1, 20).reshape(4, 5),
        "inside": lambda: np.arange(20).reshape(4, 5) % 2 == 0,
    },
    "fer_models.privacy:lira_offline": {
        "margins": lambda: np.linspace(0, 1, 5),
        "reference_margins": lambda: np.linspace(0, 1, 20).reshape(4, 5),
    },
    "fer_models.privacy:rmia_online": {
        "probabilities": lambda: np.linspace(0.1, 1, 5),
        "reference_probabilities": lambda: np.linspace(0.1, 1, 20).reshape(4, 5),
        "inside": lambda: np.arange(20).reshape(4, 5) % 2 == 0,
        "population_probabilities": lambda: np.linspace(0.1, 1, 3),
        "population_references": lambda: np.linspace(0.1, 1, 12).reshape(4, 3),
    },
    "fer_models.privacy:rmia_offline": {
        "probabilities": lambda: np.linspace(0.1, 1, 5),
        "reference_probabilities": lambda: np.linspace(0.1, 1, 20).reshape(4, 5),
        "population_probabilities": lambda: np.linspace(0.1, 1, 3),
        "population_references": lambda: np.linspace(0.1, 1, 12).reshape(4, 3),
    },
    "fer_models.privacy:population": {"population_losses": lambda: np.linspace(0, 3, 9)},
    "fer_models.privacy:membership_report": {"results": lambda: [attack_result()]},
    "fer_models.privacy:score_attack": {
        "result": attack_result,
        "member_labels": lambda: labels(24),
        "non_member_labels": lambda: labels(24),
        "class_names": lambda: list("abcdefg"),
    },
    "fer_models.privacy:plot_roc": {"report": membership},
    "fer_models.privacy:overlaps": {"sets": lambda: {"a": list("ab"), "b": list("cd")}},
    "fer_models.privacy:refuse_overlap": {"sets": lambda: {"a": list("ab"), "b": list("cd")}},
    "fer_models.privacy:AttackResult": {"name": lambda: "loss"},
    # Refused at once, where everything else is fine: there are no labels for the images.
    "fer_models.privacy:train_references": {
        "build_and_train": lambda: lambda *arguments: model(),
        "labels": lambda: labels(3),
    },
    "fer_models.auditing:audit": {
        "members": lambda: (images()[:, :12], labels()),
        "non_members": lambda: (images()[:, :12], labels()),
    },
    "fer_models.auditing:audit_sets": {
        "faces": faces,
        "size": lambda: (24, 24),
        "channels": lambda: 1,
        **{name: (lambda: 2) for name in ("members", "non_members", "population")},
    },
    "fer_models.robustness:adversarial_accuracy": {
        "epsilons": lambda: (4,),
        "steps": lambda: 1,
        "apgd_steps": lambda: 1,
        "queries": lambda: 1,
    },
    "fer_models.robustness:corrupt": {"kind": lambda: "noise", "severity": lambda: 1},
    "fer_models.robustness:corruption_accuracy": {
        "kinds": lambda: ("noise",),
        "severities": lambda: (1,),
    },
    "fer_models.robustness:corruption_sheet": {
        "kinds": lambda: ("noise",),
        "severities": lambda: (1,),
    },
    "fer_models.robustness:typical_landmarks": {"height": lambda: 48, "width": lambda: 48},
    "fer_models.robustness:emotion_transition": {"class_names": lambda: ("happy", "sad")},
    "fer_models.robustness:write_suspects": {
        "suspects": list,
        "path": file("suspects.csv"),
        "class_names": lambda: list("abcdefg"),
    },
    "fer_models.robustness:Accuracy": {"correct": lambda: 1, "examples": lambda: 2},
    "fer_models.recognizer:draw": {"faces": list},
    "fer_models:Recognizer.photos": {"images": lambda: [photo()]},
    "fer_models:Recognizer.classify": {"crops": images},
    "fer_models:Recognizer.classify_faces": {
        "pictures": lambda: [photo()],
        "faces": lambda: [[]],
    },
    "fer_models:Recognizer.video": {"path": file("none.mp4")},
    "fer_models.recognizer:Session": {"engine": recognizer},
    "fer_models.recognizer:table": {"results": lambda: [[]]},
    "fer_models:Recognizer": {
        "weights": lambda: "fer2013",
        "model": lambda: "ghostface",
        "detector": Twice,
    },
    "fer_models.spotting:Spotter": {},
    "fer_models.spotting:TimeLine": {"class_names": lambda: ("a", "b")},
    "fer_models.spotting:annotated_copy": {"video": file("none.mp4"), "line": time_line},
    "fer_models.spotting:plot_time_line": {"line": time_line},
    "fer_models.spotting:write_spotted": {"line": time_line},
    "fer_models.web:create_app": {"hosts": lambda: ("localhost",)},
    "fer_models.web:Server": {"host": lambda: "localhost", "port": lambda: 0},
    "fer_models.web:export_engine": {"weights": lambda: "none.keras"},
    "fer_models.web:serve": {"host": lambda: "localhost", "port": lambda: 10**5},
    "fer_models.web:model_digest": {"weights": lambda: "fer2013"},
    "fer_models:LabelDistributionDistiller": {
        "teacher": teacher,
        "student": student,
        "distillation_losses": distillation,
    },
    "fer_models:distiller": {"student": student, "teacher": teacher},
    "fer_models:ensemble": {"models": lambda: [student(), teacher()]},
    "fer_models:teacher_for": {"teacher": teacher, "input_shape": lambda: (12, 12, 3)},
    # Refused last of all, so that nothing is trained.
    "fer_models:train_faces": {"settings": absent_faces},
    "fer_models.training.recipes:AverageWeights": {
        "network": model,
        "batches": lambda: [images().astype("float32")],
    },
    "fer_models.training.recipes:Published": {
        "data": lambda: "fer2013",
        "faces": lambda: "test faces",
        "scores": lambda: {"accuracy": 0.5},
    },
    "fer_models.training.recipes:Recipe": {
        "name": lambda: "mine",
        "source": lambda: "ours",
        "model": lambda: "ghostface",
    },
    "fer_models.training.recipes:Stage": {"name": lambda: "all", "epochs": lambda: 2},
    "fer_models.training.recipes:Steps": {"every": lambda: 2},
    "fer_models.training.recipes:get": {"name": lambda: "ghostface"},
    "fer_models.training.recipes:some_images": {"data": lambda: [(images(), labels())] * 2},
    "fer_models.studies:Outcome": {"content": dict, "text": lambda: "text"},
    "fer_models.studies:study": {"name": lambda: "label-noise"},
    "fer_models.studies.ghostface_figures:run_ghostface_figures": {"settings": absent_study},
    "fer_models.studies.ghostface_table_accuracy:run_accuracy_table": {"settings": absent_study},
    "fer_models:load_model": {"source": lambda: "none.keras", "model": lambda: "ghostface"},
    "fer_models:load_torch_weights": {"state_dict": dict},
    "fer_models:model_card": {"name": lambda: "ghostface", "tag": lambda: "fer2013"},
    "fer_models:decode_predictions": {},
}
# They say in their docstrings where a number is not finite.
NOT_FINITE = (
    "fer_models.evaluation:confidence_bins",
    "fer_models.explain:weight_randomization",
    "fer_models.privacy:roc",
)
# Nothing odd, and they start processes, a server that runs on, or a camera.
FINE = {("workers", "2"), ("port", "0"), ("port", "2"), ("source", "0"), ("source", "2")}


def is_result(function: object) -> bool:
    """Return whether a class only holds what a function found: it is made by no user."""
    return dataclasses.is_dataclass(function) or issubclass(
        function if isinstance(function, type) else object, tuple
    )


def arguments(name: str, function: object) -> dict[str, object]:
    """Return a maker of a good value for each argument of a function that has one."""
    own = ONE.get(name, {})
    makers = {}
    for key, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        known = own.get(key) or GOOD.get(key)
        if known is not None and (key in own or parameter.default is parameter.empty):
            makers[key] = known
        elif parameter.default is not parameter.empty:
            quick = key in ("verbose", "progress", "resamples", "steps", "queries", "workers")
            makers[key] = GOOD[key] if quick else functools.partial(_same, parameter.default)
        else:
            makers[key] = None
    return makers


def _same(value):
    return value


def call(name: str, function: object, odd: Mapping[str, str]) -> str | None:
    """Call a function with odd arguments in the place of good ones.

    Args:
        name: As in `public`.
        function: The function or class.
        odd: Keys of `ODD` by argument; an argument that no good value is known for gets one too.

    Returns:
        What is wrong with the answer, or None.
    """
    values = {}
    for key, make in arguments(name, function).items():
        if key in odd and (key, odd[key]) not in FINE:
            values[key] = ODD[odd[key]]()
        elif make is None:
            values[key] = ODD["object"]()
        else:
            values[key] = make()
    kinds = {p.name: p.kind for p in inspect.signature(function).parameters.values()}
    first = [values[k] for k in values if kinds[k] is inspect.Parameter.POSITIONAL_ONLY]
    rest = {k: v for k, v in values.items() if kinds[k] is not inspect.Parameter.POSITIONAL_ONLY}
    here = os.getcwd()
    os.chdir(scratch())
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = function(*first, **rest)
            if isinstance(answer, Iterator):
                answer = next(answer, None)
            if hasattr(answer, "close") and not isinstance(function, type):
                answer.close()
            if name == "fer_models.web:Server":
                answer.close()
    except Exception as error:  # to be judged
        return wrong_error(error, function.__doc__ or "")
    finally:
        os.chdir(here)
    if isinstance(function, type) or name in NOT_FINITE:
        return None
    found = not_finite(answer)
    return f"gives {found}" if found else None


def wrong_error(error: BaseException, documented: str) -> str | None:
    """Return what is wrong with an error that a user gets, or None.

    Args:
        error: The error.
        documented: Docstring of what was called.
    """
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = os.path.relpath(last.filename, ROOT)
    ours = place.startswith(tuple(f"{package}{os.sep}" for package in PACKAGES))
    if ours and type(error).__module__.startswith(PACKAGES):
        return None
    kinds = (ValueError, TypeError, OSError, ImportError, RuntimeError)
    # Raised there, and not by something that a line of ours called with what it was given.
    if ours and isinstance(error, kinds) and last.line.startswith("raise"):
        return None
    # It names the file.
    if isinstance(error, OSError) and error.filename is not None:
        return None
    # TensorFlow's, where a value is known in a graph alone; with our words.
    if type(error).__name__ in documented and "Received" in str(error):
        return None
    return f"{type(error).__name__}: {str(error)[:150]!r} at {place}:{last.lineno} in {last.name}"


def not_finite(answer: object) -> str | None:
    """Return what in an answer is no finite number, or None."""
    if isinstance(answer, Mapping):
        parts = list(answer.values())
    elif isinstance(answer, (list, tuple)):
        parts = list(answer)
    elif dataclasses.is_dataclass(answer) and not isinstance(answer, type):
        parts = [getattr(answer, field.name) for field in dataclasses.fields(answer)]
    else:
        parts = None
    if parts is not None:
        return next((found for found in map(not_finite, parts[:50]) if found), None)
    if isinstance(answer, numbers.Real) and not isinstance(answer, (bool, numbers.Integral)):
        return None if np.isfinite(answer) else repr(answer)
    if isinstance(answer, np.ndarray) and answer.dtype.kind == "f":
        return None if np.isfinite(answer).all() else "an array that is not finite"
    return None
