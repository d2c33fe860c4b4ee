"""Which faces a model was trained on."""

import json

import pytest

from fer_models.training.trained_on import trained_on

SETTINGS = {"data": "fer2013", "path": "/faces", "validation_from": "train", "seed": 7, "size": 48}


@pytest.fixture
def model(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"settings": SETTINGS}))
    return tmp_path / "best.keras"


def test_the_record_beside_the_model(model):
    known = {name: SETTINGS[name] for name in ("data", "path", "validation_from", "seed")}
    assert trained_on(model) == (known, "run.json")
    # The same faces may lie elsewhere now.
    moved, _ = trained_on(model, path="elsewhere", seed=7, test_fraction=None)
    assert moved == known | {"path": "elsewhere"}


def test_options_of_the_data_set_come_along(model, tmp_path):
    options = {"pictures": "original", "detector": "yunet"}
    record = {"settings": SETTINGS | {"data": "raf_db", "data_options": options}}
    (tmp_path / "run.json").write_text(json.dumps(record))
    assert trained_on(model)[0]["data_options"] == options
    with pytest.raises(ValueError, match=r"trained on other faces.*data_options"):
        trained_on(model, data_options={"pictures": "aligned"})


def test_prepared_data_are_where_the_training_had_them(model, tmp_path):
    record = {"settings": SETTINGS, "data_dir": str(tmp_path)}
    (tmp_path / "run.json").write_text(json.dumps(record))
    assert trained_on(model)[0]["data_dir"] == str(tmp_path)
    assert trained_on(model, data_dir="elsewhere")[0]["data_dir"] == "elsewhere"
    # On another machine the folder is not there, and the default counts.
    (tmp_path / "run.json").write_text(json.dumps(record | {"data_dir": str(tmp_path / "gone")}))
    assert "data_dir" not in trained_on(model)[0]


def test_another_record(model, tmp_path):
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"settings": SETTINGS | {"seed": 3}}))
    assert trained_on("ghostface:fer2013", other)[0]["seed"] == 3


@pytest.mark.parametrize("given", [{"seed": 8}, {"data": "raf_db"}, {"validation_fraction": 0.1}])
def test_other_faces_than_those(model, given):
    with pytest.raises(ValueError, match="was trained on other faces") as raised:
        trained_on(model, **given)
    assert next(iter(given)) in str(raised.value)


def test_the_default_may_be_named(model, tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"settings": {"data": "synthetic", "seed": 1}}))
    assert trained_on(model, train=7000)[0]["train"] == 7000
    with pytest.raises(ValueError, match="train 7000, not 70"):
        trained_on(model, train=70)


def test_faces_that_the_settings_do_not_divide(model, tmp_path):
    record = {"settings": SETTINGS, "faces_given": "two splits as one"}
    (tmp_path / "run.json").write_text(json.dumps(record))
    for given in ({}, {"path": "/faces"}, {"data": "fer2013"}):
        with pytest.raises(ValueError, match=r"\(two splits as one\). Name `data` and `path`"):
            trained_on(model, **given)
    # The caller's word counts, as for a model without a record.
    known, source = trained_on(model, data="fer2013", path="/faces")
    assert (known, source) == ({"data": "fer2013", "path": "/faces", "seed": 1}, "")
    with pytest.raises(ValueError, match="was trained on other faces"):
        trained_on(model, data="raf_db", path="/faces")
    record["settings"] = {"data": "synthetic", "train": 140, "seed": 1}
    (tmp_path / "run.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="were drawn and given to the training"):
        trained_on(model, data="synthetic")


def test_nothing_known(tmp_path):
    assert trained_on(tmp_path / "best.keras") == ({"data": "synthetic", "seed": 1}, "")
    # Bundled weights have no record, wherever the command is given.
    assert trained_on("ghostface:fer2013", data="folder")[1] == ""


def test_no_record(model, tmp_path):
    for content in ("{}", '{"settings": {"clips": 3}}'):
        (tmp_path / "run.json").write_text(content)
        with pytest.raises(ValueError, match="is no "):
            trained_on(model)
    with pytest.raises(ValueError, match="`given` must be some of"):
        trained_on(model, size=48)
