"""The examples that measure a model: export_to_phone.py and audit_a_model.py."""

import json
import types

import keras
import pytest
from helpers.bars import NAMES, bar_arrays, bar_model, write_bars
from helpers.examples import load_example

import fer_models
from fer_data.pipelines import face_arrays
from fer_data.pipelines.labelled_faces import load_faces

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="examples are tested on TensorFlow"
)


def test_export_to_phone(tmp_path, capsys):
    splits = {name: bar_arrays(seed) for seed, name in enumerate(("train", "validation"))}
    face_arrays.write(tmp_path / "faces.npz", splits, NAMES, {"data": "folder"})
    bar_model(0.1).save(tmp_path / "bars.keras")
    words = [str(tmp_path / "bars.keras"), str(tmp_path / "faces.npz")]
    load_example("export_to_phone").main([*words, "--output", str(tmp_path / "phone")])
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        str(tmp_path / f"phone/{name}.tflite") for name in ("whole", "small", "smallest")
    ]
    assert all("accuracy 100.0%, 0.0 ± 11.5 points lost" in line for line in lines)
    assert "int8 weights and activations" in lines[2]


@pytest.mark.parametrize("has_record", [False, True])
def test_export_to_phone_of_class_folders_alone(has_record, tmp_path, capsys, monkeypatch):
    """It measures what run.json, or else train_on_a_folder.py, sets apart, and shows the others."""
    program, loaded = load_example("export_to_phone"), []

    def load(*args, **options):
        loaded.append(load_faces(*args, data_dir=tmp_path / "data", **options))
        return loaded[-1]

    monkeypatch.setattr(program, "load_faces", load)
    monkeypatch.setattr(program, "WAYS", program.WAYS[:1])
    faces = write_bars(tmp_path / "bars", ["."], count=10)
    bar_model(0.1).save(tmp_path / "bars.keras")
    if has_record:
        record = {"data": "folder", "path": str(faces), "validation_fraction": 0.1, "seed": 3}
        (tmp_path / "run.json").write_text(json.dumps({"settings": record}))
    words = [str(tmp_path / "bars.keras"), str(faces), "--output", str(tmp_path / "phone")]
    program.main(words)
    assert "accuracy 100.0%" in capsys.readouterr().out

    given = []
    training = load_example("train_on_a_folder")
    result = types.SimpleNamespace(report="the report")
    monkeypatch.setattr(fer_models, "train_faces", lambda *args: given.append(args) or result)
    training.main([str(faces), str(tmp_path / "run")])
    assert capsys.readouterr().out == "the report\n"
    ((settings, output),) = given
    assert output == str(tmp_path / "run")
    share, seed = (0.1, 3) if has_record else (settings.validation_fraction, settings.seed)
    theirs = load_faces(
        "folder", settings.path, data_dir=tmp_path / "data", seed=seed, validation_fraction=share
    )
    apart = 3 if has_record else 6
    assert loaded[-1].counts == theirs.counts == {"train": 30 - apart, "validation": apart}
    for split in theirs.counts:
        pictures = [each.column(split, "image") for each in (loaded[-1], theirs)]
        assert (pictures[0] == pictures[1]).all()


def test_train_on_a_folder_says_what_is_missing(capsys):
    for words, status, said in (([], 2, "required: faces, output"), (["--help"], 0, "a photo")):
        with pytest.raises(SystemExit) as ended:
            load_example("train_on_a_folder").main(words)
        assert ended.value.code == status
        assert said in "".join(capsys.readouterr())


@pytest.mark.slow
def test_audit_a_model(tmp_path, capsys):
    words = ["--faces", "42", "--epochs", "1", "--output", str(tmp_path)]
    load_example("audit_a_model").main(words)
    said = capsys.readouterr().out
    assert said.startswith("accuracy: ")
    assert "! Membership: " in said
    assert said.endswith(f"{tmp_path / 'suspects.csv'}\n")
