"""Killed at any change of a file, a training goes on and ends as an unbroken one."""

import io
import json
import zipfile

import h5py
import keras
import numpy as np
import pytest
from helpers.bars import NAMES, bar_arrays
from helpers.crashes import IGNORED, every_change, go_on_in_each
from helpers.few_clips import clip_data, put_small_clip_networks, tiny
from helpers.small_networks import put_small_networks

from fer_data import files
from fer_data.pipelines import face_arrays
from fer_data.pipelines.split_arrays import SplitArrays
from fer_models import evaluation
from fer_models.cli import main
from fer_models.studies.ghostface_settings import GhostfaceSettings
from fer_models.studies.ghostface_trainings import finish_study
from fer_models.studies.outcome import Outcome, about_run
from fer_models.studies.study_splits import StudySplits
from fer_models.training import recipes, runs
from fer_models.training.clip_folds import ClipTrainer
from fer_models.training.cross_validation import cross_validate, divide
from fer_models.training.recipes import Plateau, Recipe, Stage
from fer_models.training.renewed_model import RenewedModel

tf = pytest.importorskip("tensorflow")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="one backend is enough for its files"
    ),
]


def network():
    image = keras.Input((2, 2, 1))
    x = keras.layers.Flatten()(image)
    x = keras.layers.BatchNormalization()(keras.layers.Dense(3)(x))
    x = keras.layers.Dropout(0.2, seed=4)(x)
    return keras.Model(image, keras.layers.Dense(2, activation="softmax", name="logits")(x))


def some(epoch=0):
    rng = np.random.default_rng(epoch)
    labels = rng.permutation(np.arange(8) % 2)
    images = rng.normal(labels[:, None, None, None], 1.0, (8, 2, 2, 1)).astype("float32")
    return images, np.eye(2, dtype="float32")[labels]


class Batches(keras.utils.PyDataset):
    """One batch, which is another one in every epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return some(self.epoch)

    def on_epoch_end(self):
        self.epoch += 1


def numbers(values):
    return [np.asarray(value).tolist() for value in values]


def kept_in(path):
    """Return all weights of a `.keras` file by name, of the optimizer too."""
    found = {}

    def look(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = item[()].tolist()

    with zipfile.ZipFile(path) as archive:
        weights = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(weights) as content:
        content.visititems(look)
    return found


@pytest.mark.parametrize("ema", [None, 0.8], ids=["plain", "moving average"])
def test_a_training_of_two_stages(tmp_path, monkeypatch, untraced, ema):
    recipe = Recipe(
        name="small",
        source="none",
        model=None,
        learning_rate=0.05,
        batch_size=8,
        schedule=Plateau(patience=1, factor=0.5),
        patience=5,
        ema=ema,
        stages=(Stage("head", 1, ("logits",)), Stage("all", 2, None, 0.01)),
    )

    def work(folder):
        keras.utils.set_random_seed(3)
        model = network()
        recipe.fit(model, Batches, some(9), directory=folder, verbose=0)
        assert not [path for path in folder.rglob("*") if files.is_unfinished(path)]
        return {
            "weights": numbers(model.get_weights()),
            "kept": [kept_in(folder / f"{name}.keras") for name in ("best", "last")],
            "history": (folder / "history.csv").read_text(),
        }

    with every_change(tmp_path / "run", tmp_path / "copies", monkeypatch) as moments:
        keras.utils.set_random_seed(3)
        recipe.fit(network(), Batches, some(9), directory=tmp_path / "run", verbose=0)
    expected = work(tmp_path / "whole")
    assert expected["history"].count("\n") == 4
    assert moments.points > 50
    go_on_in_each(moments, work, expected)


def test_the_whole_command(tmp_path, monkeypatch, untraced):
    """`fer train` from the faces to the report; of its many states some go on."""
    put_small_networks(monkeypatch)
    # The one thing in a report that is another in each run.
    times = evaluation.Latency(1, 1, 1, 1, 1, 1, (24, 24, 1), 1, 1, "not measured")
    monkeypatch.setattr(evaluation, "latency", lambda model, batch_size: times)
    faces = {name: bar_arrays(seed) for seed, name in enumerate(("train", "validation", "test"))}
    face_arrays.write(tmp_path / "faces.npz", faces, NAMES, {"data": "folder"})
    words = ["train", "--data", "folder", "--path", str(tmp_path / "faces.npz"), "--size", "24"]
    words += ["--channels", "1", "--batch-size", "8", "--epochs", "2", "--augmentation", "none"]

    def work(folder):
        keras.utils.clear_session()
        assert main([*words, "--output", str(folder)]) == 0
        assert not [path for path in folder.rglob("*") if files.is_unfinished(path)]
        found = {
            name: (folder / name).read_text().replace(str(folder), str(tmp_path / "run"))
            for name in ("history.csv", "report.md", "report.json", "run.json")
        }
        found["kept"] = [kept_in(folder / f"{name}.keras") for name in ("best", "last")]
        # Logs of which the copies have none.
        left = {path.name for path in folder.iterdir()} - {*IGNORED}
        return found | {"files": sorted(left)}

    with every_change(tmp_path / "run", tmp_path / "copies", monkeypatch) as moments:
        expected = work(tmp_path / "run")
    assert expected["history.csv"].count("\n") == 3
    assert expected["files"].count("grad_cam.png") == 1
    assert moments.points > 100
    go_on_in_each(moments, work, expected, most=10)


def test_folds_that_leave_people_out(tmp_path, monkeypatch, untraced):
    put_small_clip_networks(monkeypatch)
    data = clip_data()
    settings = tiny(select="validation", validation=0.4, epochs=2, batch_size=8)
    scenario = settings.scenario()
    divisions = divide(data.clips, select="validation", validation=0.4)[:2]
    # Traced and built once.
    trainer = ClipTrainer(scenario.recipe, data.names)

    def work(folder):
        options = {"select": "validation", "keep_models": True, "trainer": trainer}
        results = cross_validate(scenario, divisions, data, folder, progress=False, **options)
        folds = sorted((folder / "folds").iterdir())
        for fold in folds:
            left = {path.name for path in fold.iterdir()}
            assert left == {"result.json", "history.csv", "model.keras"}
        return [
            results,
            [(fold / "history.csv").read_text() for fold in folds],
            [kept_in(fold / "model.keras") for fold in folds],
        ]

    with every_change(tmp_path / "run", tmp_path / "copies", monkeypatch) as moments:
        work(tmp_path / "run")
    assert moments.points > 50
    go_on_in_each(moments, work, work(tmp_path / "whole"))


def test_the_trainings_of_a_table(tmp_path, monkeypatch, untraced):
    put_small_networks(monkeypatch)
    rng = np.random.default_rng(0)
    parts = {
        name: SplitArrays(rng.integers(0, 256, (8, 8, 8, 1), "uint8"), np.arange(8) % 2)
        for name in ("train", "validation")
    }
    faces = StudySplits(parts, ("a", "b"), ())
    settings = GhostfaceSettings(epochs=2, seeds=1)
    recipe = recipes.get("ghostface_small").replace(
        input_shape=(8, 8, 1), batch_size=8, epochs=2, patience=None
    )
    renewed = RenewedModel(recipe, 2, 1)

    def train(settings, trainings, run, advance):
        def batches(name):
            part = trainings.faces.parts[name]
            labels = np.eye(2, dtype="float32")[part.labels]
            return tf.data.Dataset.from_tensor_slices((part.images, labels)).batch(8)

        history = renewed.fit(
            lambda epoch: batches("train").repeat(),
            run.folder,
            seed=run.seed,
            steps_per_epoch=1,
            validation=batches("validation"),
            monitor="val_loss",
            on_epoch=advance,
        )
        last = numbers(renewed.model.get_weights())
        renewed.load_best(run.folder)
        return {"history": history, "last": last, "best": numbers(renewed.model.get_weights())}

    def study(folder):
        rows = ["small", "again"]
        record, _, results = finish_study(
            settings, {"study": "small"}, rows, lambda: faces, train, folder, progress=False
        )
        found = {
            run.row: {key: value for key, value in result.items() if key != "seconds"}
            for run, result in results.items()
        }
        Outcome({**about_run(record.record), **found}, "text", folder).write()
        record.finish()
        for row in rows:
            left = {path.name for path in (folder / "runs" / row / "seed1").iterdir()}
            assert left == {"result.json", "history.csv"}
        assert not [path for path in folder.rglob("*") if files.is_unfinished(path)]
        written = json.loads((folder / "report.json").read_text())
        assert runs.read(folder)["finished"]
        return found, {row: written[row] for row in rows}

    with every_change(tmp_path / "run", tmp_path / "copies", monkeypatch) as moments:
        study(tmp_path / "run")
    assert moments.points > 50
    go_on_in_each(moments, study, study(tmp_path / "whole"))
