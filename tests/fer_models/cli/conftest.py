"""What tests of commands share: faces of bars in one file, and a model that sees them."""

import pytest


@pytest.fixture(scope="session")
def bars(tmp_path_factory):
    """A folder with `faces.npz`, splits train and test of bars, and `model.keras`."""
    from helpers.bars import NAMES, bar_arrays, bar_model

    from fer_data.pipelines import face_arrays
    from fer_models.zoo import class_names

    folder = tmp_path_factory.mktemp("bars")
    splits = {name: bar_arrays(seed) for seed, name in enumerate(("train", "test"))}
    splits["test"]["copy_in_train"] = splits["test"]["label"] == 0
    face_arrays.write(folder / "faces.npz", splits, NAMES, {"data": "folder"})
    bar_model(0.1).save(folder / "model.keras")
    class_names.write(folder / "model.keras", NAMES)
    return folder


@pytest.fixture
def words(bars, tmp_path):
    """The words that name model, data and output folder of a command."""

    def make(command, *more):
        data = ("--data", "folder", "--path", bars / "faces.npz", "--output", tmp_path / "out")
        return [str(word) for word in (command, bars / "model.keras", *more, *data)]

    return make
