"""Cross-validation over people: protocols, folds that are gone on with, epochs that are chosen."""

import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest
from helpers.few_clips import clip_data, put_small_clip_networks, some_clips, tiny

from fer_data import protocols
from fer_data.faces.regions import region_windows
from fer_models.spotting.clip_network import ClipNetwork
from fer_models.training import cross_validation
from fer_models.training.clip_folds import ClipTrainer, train_fold
from fer_models.training.clip_training import train_clips, train_on
from fer_models.training.cross_validation import Scenario, divide
from fer_models.training.cross_validation_report import part_sizes, warning_of
from fer_models.zoo import class_names

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the data pipeline is tested on TensorFlow"
)


@pytest.fixture
def data(monkeypatch, untraced):
    put_small_clip_networks(monkeypatch)
    return clip_data()


def trainer_for(settings):
    return ClipTrainer(settings.to_recipe(), ("negative", "positive", "surprise"))


def stop_after(monkeypatch, epochs, then=None):
    """Let the training be interrupted after so many epochs, or look at it there."""
    left = [epochs]

    def stopping(*args, on_epoch, **kwargs):
        def counted():
            on_epoch()
            left[0] -= 1
            if left[0] == 0:
                if then is None:
                    raise KeyboardInterrupt
                then()

        return train_fold(*args, on_epoch=counted, **kwargs)

    monkeypatch.setattr(cross_validation, "train_fold", stopping)


def content_of(folder):
    """Return what does not name the day."""
    content = json.loads((folder / "report.json").read_text())
    return {key: value for key, value in content.items() if key != "date"}


def test_every_person_is_tested_once_and_chooses_nothing():
    clips = some_clips(subjects=12, each=6)
    folds = divide(clips, select="validation", validation=0.2)
    tested = np.concatenate([fold.parts["test"] for fold in folds])
    assert sorted(tested) == list(range(72))
    for fold in folds:
        people = [set(clips.subjects[places]) for places in fold.parts.values()]
        assert sum(map(len, people)) == len(set.union(*people)) == 12
        assert set(clips.subjects[fold.parts["test"]]) == {fold.held_out}
    assert "validation" not in divide(clips)[0].parts


def test_random_splits_must_be_let_through():
    clips = some_clips(subjects=10, each=9)
    with pytest.raises(ValueError, match=r"leaks(.|\n)*by-subject(.|\n)*allow-leaks"):
        divide(clips, "80-10-10")
    leaky = divide(clips, "70-15-15", allow_leaks=True)
    assert "leaks" in warning_of(leaky)
    (honest,) = divide(clips, "80-10-10", by_subject=True)
    assert warning_of([honest]) == ""
    sizes = part_sizes(honest, clips)
    assert {part: size["subjects"] for part, size in sizes.items()} == {
        "train": 8,
        "validation": 1,
        "test": 1,
    }
    copies = protocols.Clips(clips.ids, clips.subjects, clips.labels, ["same"] * 90)
    with pytest.raises(ValueError, match="on_duplicate=drop"):
        divide(copies)
    with pytest.raises(ValueError, match="`by_subject` is for the protocols"):
        divide(clips, "loso", by_subject=True)
    with pytest.raises(ValueError, match="`protocol` must be one of"):
        divide(clips, "random")


@pytest.mark.slow
def test_a_stopped_training_goes_on_and_ends_as_an_unbroken_one(data, tmp_path, monkeypatch):
    whole, broken, killed = (tmp_path / name for name in ("whole", "broken", "killed"))
    _, text = train_on(data, tiny(), whole, progress=False)
    assert "UF1" in text
    assert {path.name for path in whole.iterdir()} == {
        "run.json",
        "folds",
        "report.md",
        "report.json",
        "confusion.png",
    }
    for folder in (whole / "folds").iterdir():
        assert {path.name for path in folder.iterdir()} == {"result.json", "history.csv"}
    # In the middle of the second of three folds.
    with monkeypatch.context() as patch:
        stop_after(patch, 3)
        with pytest.raises(KeyboardInterrupt):
            train_on(data, tiny(), broken, keep_models=True, progress=False)
    first = (broken / "folds" / "000" / "result.json").stat().st_mtime_ns
    assert not (broken / "folds" / "001" / "result.json").exists()
    assert (broken / "folds" / "001" / "state").is_dir()
    trained = []

    def counting(*args, on_epoch, **kwargs):
        return train_fold(*args, on_epoch=lambda: (trained.append(1), on_epoch()), **kwargs)

    monkeypatch.setattr(cross_validation, "train_fold", counting)
    train_on(data, tiny(), broken, keep_models=True, progress=False)
    assert len(trained) == 3, "one epoch of the second fold, two of the third"
    assert (broken / "folds" / "000" / "result.json").stat().st_mtime_ns == first
    assert content_of(broken) == content_of(whole)
    # Finished: nothing is trained, the report is written again.
    (broken / "report.md").unlink()
    train_on(data, tiny(), broken, keep_models=True, progress=False)
    assert len(trained) == 3
    assert (broken / "report.md").exists()
    # A model that is wanted afterwards is trained again, as it was.
    (broken / "folds" / "001" / "model.keras").unlink()
    train_on(data, tiny(), broken, keep_models=True, progress=False)
    assert len(trained) == 5
    assert content_of(broken) == content_of(whole)
    assert {path.name for path in (broken / "folds" / "001").iterdir()} == {
        "result.json",
        "history.csv",
        "model.keras",
    }
    # What a kill leaves, which gives no chance to clean up.
    stop_after(monkeypatch, 4, lambda: shutil.copytree(broken, killed))
    shutil.rmtree(broken)
    train_on(data, tiny(), broken, progress=False)
    monkeypatch.setattr(cross_validation, "train_fold", train_fold)
    assert not (killed / "folds" / "002").exists()
    train_on(data, tiny(), killed, progress=False)
    assert content_of(killed) == content_of(whole)


@pytest.mark.slow
def test_a_fold_keeps_what_its_model_says(data, tmp_path):
    content, _ = train_on(data, tiny(), tmp_path, keep_models=True, progress=False)
    result = json.loads((tmp_path / "folds" / "002" / "result.json").read_text())
    assert result["held_out"] == "synthetic_micro_expressions/s002"
    path = tmp_path / "folds" / "002" / "model.keras"
    trainer = trainer_for(tiny())
    trainer.model.set_weights(keras.models.load_model(path).get_weights())
    again = trainer.predict(data, np.arange(6, 9))
    np.testing.assert_allclose(again, result["probabilities"], atol=1e-6)
    said = np.argmax(result["probabilities"], -1)
    row = content["subjects"][2]
    assert (row["clips"], row["right"]) == (3, int((said == result["labels"]).sum()))
    assert np.sum(content["scores"]["confusion"]) == 9
    assert content["most_frequent_class"]["uar"] == pytest.approx(1 / 3)
    # The names of the classes travel with the model, and which regions it was shown.
    assert ClipNetwork(path).class_names == data.names
    assert ClipNetwork(path).region_cut == "landmarks"
    assert "regions that follow the landmarks" in (tmp_path / "report.md").read_text()


@pytest.mark.slow
def test_a_result_that_is_damaged_or_another_fold_s_is_named(data, tmp_path):
    train_on(data, tiny(epochs=1), tmp_path, progress=False)
    paths = [tmp_path / "folds" / f"00{number}" / "result.json" for number in range(3)]
    whole = json.loads(paths[1].read_text())
    cases = {
        "": "cannot be read",
        "null": "with null",
        "{}": "must hold an object with held_out, seed",
        json.dumps(whole | {"probabilities": whole["probabilities"][1:]}): "of each clip",
        json.dumps(whole | {"probabilities": [[1.0], [0.5, 0.5]]}): "of each clip",
        json.dumps(whole | {"labels": 3}): "of each clip",
        paths[0].read_text(): "must be the one of seed=",
    }
    for text, message in cases.items():
        paths[1].write_text(text)
        with pytest.raises(
            ValueError, match=f"{message}(.|\n)*remove|remove(.|\n)*{message}"
        ) as no:
            train_on(data, tiny(epochs=1), tmp_path, progress=False)
        assert str(paths[1]) in str(no.value)
    shutil.rmtree(paths[1].parent)
    train_on(data, tiny(epochs=1), tmp_path, progress=False)
    assert json.loads(paths[1].read_text())["probabilities"] == whole["probabilities"]


@pytest.mark.slow
def test_each_cut_has_batches_of_its_own(monkeypatch, untraced):
    put_small_clip_networks(monkeypatch, plain=False)
    data, found = clip_data(), {}
    for cut in ("landmarks", "grid"):
        trainer = ClipTrainer(tiny().to_recipe(), data.names, region_cut=cut)
        ((regions, _),) = trainer.batches(data, [0, 4])
        found[cut] = np.stack(regions)
    moved = data.faces[[0, 4]] - data.faces[[0, 4], :1].astype("float32")
    np.testing.assert_array_equal(found["grid"][2], moved[:, :, 4:, 2:6])
    top, left = region_windows(data.landmarks[4], 4)[2].numpy()
    assert (top, left) != (4, 2)
    np.testing.assert_array_equal(
        found["landmarks"][2, 1], moved[1][:, top : top + 4, left : left + 4]
    )
    without = dataclasses.replace(data, landmarks=None)
    trainer = ClipTrainer(tiny().to_recipe(), data.names)
    with pytest.raises(ValueError, match="must have the feature `landmarks`"):
        trainer.batches(without, [0, 4])


@pytest.mark.slow
def test_a_training_from_before_there_was_a_choice_goes_on_with_the_grid_alone(data, tmp_path):
    train_on(data, tiny(regions="grid"), tmp_path, progress=False)
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["settings"].pop("regions") == "grid"
    # Lists, while one run could train several.
    record["settings"] |= {"epochs": [2], "batch_size": [4]}
    (tmp_path / "run.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match='regions was null, now "landmarks"'):
        train_on(data, tiny(), tmp_path, progress=False)
    train_on(data, tiny(regions="grid"), tmp_path, progress=False)
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["settings"]["regions"] == "grid"
    assert "regions of the fixed grid" in (tmp_path / "report.md").read_text()


@pytest.mark.slow
def test_other_settings_are_refused_and_how_to_go_on_is_said(data, tmp_path, monkeypatch):
    output = tmp_path / "out"
    other = tiny(learning_rate=0.01)
    with monkeypatch.context() as patch:
        stop_after(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            train_on(data, tiny(), output, progress=False)
    with pytest.raises(ValueError, match=r"learning_rate was 0\.001, now 0\.01.*restart"):
        train_on(data, other, output, progress=False)
    # Before the clips are looked for.
    with pytest.raises(ValueError, match="learning_rate was"):
        train_clips(other, output, data_dir=tmp_path / "none", progress=False)
    marker = output / "folds" / "marker"
    marker.write_text("of the first training")
    with monkeypatch.context() as patch:
        stop_after(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            train_on(data, other, output, restart=True, progress=False)
    assert not marker.exists()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty and holds no run"):
        train_on(data, tiny(), mine, restart=True, progress=False)
    assert (mine / "thesis.txt").exists()


def test_a_bad_setting_shows_before_anything_is_written(data, tmp_path):
    data.clips.labels[data.clips.subjects != "synthetic_micro_expressions/s000"] %= 2
    with pytest.raises(
        ValueError,
        match=r"without synthetic_micro_expressions/s000 has no clip of surprise.*--no-class-w",
    ):
        train_on(data, tiny(), tmp_path / "out", progress=False)
    random = tiny(protocol="80-10-10", allow_leaks=True)
    with pytest.raises(ValueError, match="Every class needs at least 3"):
        train_on(data, random, tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_validation_chooses_the_epoch_of_least_loss(data, tmp_path):
    settings = tiny(epochs=4, learning_rate=0.1, select="validation", validation=0.4)
    division = divide(data.clips, select="validation", validation=0.4, seed=1)[0]
    trainer = trainer_for(settings)
    folder = tmp_path / "fold"
    result = train_fold(trainer, data, division, folder, seed=3, select="validation")
    history = np.genfromtxt(folder / "history.csv", delimiter=",", names=True)
    best = history["val_loss"].argmin()
    assert best < 3, "an example of little worth: the best epoch is the last"
    assert result["epoch"] == best + 1
    assert result["validation"]["loss"] == pytest.approx(history["val_loss"][best], rel=1e-4)
    assert result["validation"]["accuracy"] == pytest.approx(history["val_accuracy"][best])
    # Not the last epoch's weights: those that the test part was predicted with.
    parts = division.parts
    p = trainer.predict(data, parts["test"])
    np.testing.assert_allclose(p, result["probabilities"], atol=1e-6)
    said = trainer.predict(data, parts["validation"])
    truth = data.clips.labels[parts["validation"]]
    loss = -np.log(said[np.arange(len(truth)), truth]).mean()
    assert loss == pytest.approx(history["val_loss"].min(), rel=1e-4)


def test_a_training_that_diverged_is_told(data):
    trainer = trainer_for(tiny())
    trainer.model.set_weights([w * np.nan for w in trainer.model.get_weights()])
    with pytest.raises(ValueError, match=r"of folds/7 gives no finite.*smaller learning rate"):
        trainer.predict(data, [0, 1], "folds/7")


@pytest.mark.slow
def test_a_trainer_serves_what_its_network_can_be_trained_by(data, tmp_path):
    recipe = tiny().to_recipe()
    trainer = ClipTrainer(recipe, data.names)
    other = recipe.replace(epochs=1, batch_size=3, augmentation="none", class_weights=False)
    assert trainer.serves(other)
    assert not trainer.serves(recipe.replace(learning_rate=0.1))
    assert not trainer.serves(recipe.replace(model_options={"frames": 3, "attention": False}))
    with pytest.raises(ValueError, match="`trainer` must be of the network, optimizer and"):
        cross_validation.cross_validate(
            Scenario(recipe.replace(learning_rate=0.1)),
            divide(data.clips),
            data,
            tmp_path / "other",
            trainer=trainer,
        )
    # What it was trained for before leaves no trace.
    folds, counted = divide(data.clips), []
    results = [
        cross_validation.cross_validate(
            Scenario(other),
            folds,
            data,
            tmp_path / name,
            seed=2,
            progress=False,
            trainer=given,
            on_epoch=lambda: counted.append(1),
        )
        for name, given in (("new", None), ("shared", trainer), ("again", trainer))
    ]
    assert results[0] == results[1] == results[2]
    assert len(counted) == 9


def test_a_given_trainer_keeps_how_it_cuts(data, tmp_path):
    trainer = ClipTrainer(tiny().to_recipe(), data.names, False, "grid")
    scenario, folds = Scenario(tiny(epochs=1).to_recipe()), divide(data.clips)[:1]

    def validate(**options):
        return cross_validation.cross_validate(
            scenario, folds, data, tmp_path, progress=False, trainer=trainer, **options
        )

    for options, message in (
        ({"region_cut": "landmarks"}, "`region_cut` must be that of the given trainer, 'grid'"),
        ({"motion": True}, "`motion` must be that of the given trainer, False"),
    ):
        with pytest.raises(ValueError, match=message):
            validate(**options)
    assert len(validate(region_cut="grid", motion=False)) == len(validate()) == 1
    assert (trainer.motion, trainer.region_cut, trainer.recipe.epochs) == (False, "grid", 1)


@pytest.mark.parametrize("motion", [True, False])
def test_what_a_network_was_shown_is_in_its_file(data, tmp_path, motion):
    trainer = ClipTrainer(tiny().to_recipe(), data.names, motion, "grid")
    trainer.save(tmp_path / "model.keras")
    about = class_names.read_about(tmp_path / "model.keras")
    assert about == {"region_cut": "grid", "motion": motion}


def test_steps_of_an_epoch_may_be_given(data, tmp_path):
    trainer = trainer_for(tiny())
    (division, *_) = divide(data.clips)
    train_fold(trainer, data, division, tmp_path, seed=1, steps_per_epoch=5)
    assert int(trainer.model.optimizer.iterations) == 10


@pytest.mark.slow
def test_the_network_itself_on_rendered_people(tmp_path, untraced):
    settings = tiny(
        frames=5,
        size=8,
        channels=1,
        epochs=1,
        batch_size=8,
        clips=1,
        protocol="70-15-15",
        by_subject=True,
        subjects=4,
        model_options={"filters": 2},
    )
    options = {"data_dir": tmp_path / "data", "keep_models": True, "progress": False}
    content, text = train_clips(settings, tmp_path / "out", **options)
    assert "leaks" not in text
    assert content["data"]["clips"] == 12
    network = ClipNetwork(tmp_path / "out" / "folds/000/model.keras")
    assert (network.frames, network.size, network.regions) == (5, 8, 3)
    assert "left_spatial_attention" in {layer.name for layer in network.model.layers}
