"""The audit as a user runs it, on a small FER2013 of noise, and everything that goes wrong."""

import json

import keras
import numpy as np
import pytest
from helpers.examples import load_example
from helpers.fake_datasets import fer_rows, write_fer_csv
from helpers.html_page import Page

from fer_data.labels import EMOTIONS

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the data pipeline is tested on TensorFlow"
)
QUICK = ("--adversarial-faces", "0", "--corruption-faces", "0", "--explained-faces", "0")
COPIES = 5


@pytest.fixture(scope="module")
def example():
    return load_example("audit")


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Faces of noise of which some stand in the training set and outside."""
    rows = fer_rows(per_class=6)
    train, outside = [row for row in rows if row[2] == "Training"], rows[len(rows) // 3 :]
    outside[:COPIES] = [
        (label, row[1], usage)
        for (label, _, usage), row in zip(outside[:COPIES], train, strict=False)
    ]
    return write_fer_csv(tmp_path_factory.mktemp("fer2013"), [*train, *outside])


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return tmp_path_factory.mktemp("prepared")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            keras.Input((32, 32, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(4, 3, strides=2, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(len(EMOTIONS), activation="softmax"),
        ]
    )
    path = tmp_path_factory.mktemp("run") / "best.keras"
    network.save(path)
    return path


@pytest.fixture
def words(model, faces, prepared, tmp_path):
    options = ("--data", "fer2013", "--path", faces, "--data-dir", prepared)
    return [str(word) for word in (model, *options, "--output", tmp_path / "audit", *QUICK)]


@pytest.mark.slow
def test_from_a_file(example, words, tmp_path, capsys):
    assert example.main([*words, "--members", "30", "--non-members", "20"]) == 0
    told = capsys.readouterr().out
    folder = tmp_path / "audit"
    for name in ("audit.html", "model_card.md", "audit.json", "suspects.csv"):
        assert name in told
        assert (folder / name).stat().st_size
    page = Page((folder / "audit.html").read_text())
    assert "Audit of best.keras" in page.text
    content = json.loads((folder / "audit.json").read_text())
    assert content["membership"]["members"] == content["membership"]["non_members"] == 20
    assert f"{COPIES} that are copies of training faces" in content["about"]["Data"]
    assert "python examples/audit.py" in content["about"]["Command"]
    assert content["accuracy"]["examples"] == 42
    assert [each["name"] for each in content["accuracy"]["classes"]] == list(EMOTIONS)


@pytest.mark.slow
def test_no_training_face_is_outside_and_the_seed_decides(example, faces, prepared):
    args = example.parser_of().parse_args(
        ["m.keras", "--data", "fer2013", "--path", str(faces), "--members", "40",
         "--data-dir", str(prepared)]
    )  # fmt: skip
    settings, source = example.data_settings(args)
    assert source == "the command line"
    space = example.types.SimpleNamespace
    splits, counts, names, _ = example.train.load(
        space(**settings, data_dir=args.data_dir), space(input_shape=(48, 48, 1))
    )
    first, again = (example.divide(args, splits, counts, (48, 48, 1), 7)[0] for _ in range(2))
    assert names == EMOTIONS
    hashes = {
        name: set(example.privacy.content_hashes(images)) for name, (images, _) in first.items()
    }
    assert not hashes["members"] & (hashes["non_members"] | hashes["population"] | hashes["test"])
    assert not hashes["non_members"] & hashes["population"]
    train = set(
        example.privacy.content_hashes(
            np.stack([face["image"].numpy() for face in splits["train"]])
        )
    )
    assert hashes["members"] <= train
    assert not train & hashes["non_members"]
    for name, (images, labels) in first.items():
        np.testing.assert_array_equal(images, again[name][0])
        np.testing.assert_array_equal(labels, again[name][1])
    args.seed = 1
    other = example.divide(args, splits, counts, (48, 48, 1), 7)[0]
    assert not np.array_equal(first["non_members"][0], other["non_members"][0])


def test_run_json_beside_the_model_says_which_faces(example, model, faces, tmp_path, capsys):
    record = dict.fromkeys(example.DATA_SETTINGS)
    record |= {"data": "fer2013", "path": str(faces), "validation_from": "train", "seed": 7}
    path = tmp_path / "best.keras"
    path.write_bytes(model.read_bytes())
    (tmp_path / "run.json").write_text(json.dumps({"settings": record}))
    parse = example.parser_of().parse_args
    settings, source = example.data_settings(parse([str(path)]))
    assert source == "run.json"
    assert settings == record
    moved, _ = example.data_settings(parse([str(path), "--path", "elsewhere"]))
    assert moved["path"] == "elsewhere"
    assert example.main([str(path), "--data", "raf_db", "--path", "elsewhere"]) == 2
    assert "was trained on other faces" in capsys.readouterr().err
    assert example.main([str(path), "--split-seed", "8"]) == 2
    assert "seed 7, not 8" in capsys.readouterr().err
    (tmp_path / "run.json").write_text("{}")
    assert example.main([str(path)]) == 2
    assert "is no run.json of train.py" in capsys.readouterr().err


def test_raf_db_is_divided_as_at_the_training(example):
    parse = example.parser_of().parse_args
    words = ["m.keras", "--data", "raf_db", "--path", "x"]
    assert example.data_settings(parse(words))[0]["validation_fraction"] == 0.1
    words += ["--validation-from", "test"]
    assert example.data_settings(parse(words))[0]["validation_fraction"] == 0.5


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.keras", "MODEL must be a .keras file that is there"),
        ("ghostface:nothing", "`weights` must be"),
        ("weights.h5", "MODEL must be a .keras file"),
    ],
)
def test_unknown_model(example, words, tmp_path, capsys, name, message):
    assert example.main([name, *words[1:]]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "audit").exists()


def test_wrong_numbers_and_data(example, words, tmp_path, capsys):
    for extra in (["--members", "0"], ["--population", "-1"], ["--data", "mine"]):
        with pytest.raises(SystemExit):
            example.main([*words, *extra])
    assert example.main([*words[:3], "--path", str(tmp_path / "absent"), *words[5:]]) == 2
    assert "error:" in capsys.readouterr().err


def test_classes_must_be_the_models(example):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    assert example.checked_names(None, ("a", "b"), model) == ("a", "b", "class 2")
    with pytest.raises(ValueError, match="must have the classes of the data in their order"):
        example.checked_names(("b", "a", "c"), ("a", "b", "c"), model)
    with pytest.raises(ValueError, match="must have the classes of the data in their order"):
        example.checked_names(None, ("a", "b", "c", "d"), model)


def test_interrupted(example, words, tmp_path, capsys, monkeypatch):
    def stop(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(example, "divide", stop)
    assert example.main(words) == 130
    assert "Nothing was written" in capsys.readouterr().err
    assert not (tmp_path / "audit").exists()


@pytest.mark.slow
def test_bundled_weights_with_everything(example, faces, prepared, tmp_path):
    words = ["ghostface:fer2013", "--data", "fer2013", "--path", faces, "--data-dir", prepared,
             "--output", tmp_path, "--adversarial-faces", 4, "--corruption-faces", 3,
             "--explained-faces", 3]  # fmt: skip
    assert example.main([str(word) for word in words]) == 0
    content = json.loads((tmp_path / "audit.json").read_text())
    assert {"adversarial", "corruptions", "explanation"} <= content.keys()
    assert "Licence" in content["about"]
    assert "SHA-256" in (tmp_path / "model_card.md").read_text()
