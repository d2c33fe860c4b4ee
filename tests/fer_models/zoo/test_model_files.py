"""What a user may take for a file of a model, and what `load_model` says of it."""

import shutil
import zipfile

import keras
import numpy as np
import pytest

import fer_models
from fer_models.web import model_digest
from fer_models.zoo import bundled

pytestmark = pytest.mark.filterwarnings("ignore:.*HDF5")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The same whole model in every kind of file, beside files that are none."""
    place = tmp_path_factory.mktemp("files")
    keras.utils.set_random_seed(0)
    image = keras.Input((4, 4, 1))
    top = keras.layers.Dense(2, "softmax")(keras.layers.Flatten()(image))
    model = keras.Model(image, top)
    for name in ("m.keras", "m.h5", "m.hdf5", "bare.weights.h5"):
        (model.save_weights if "bare" in name else model.save)(place / name)
    shutil.copy(place / "m.keras", place / "loud.KERAS")
    shutil.copy(place / "m.h5", place / "loud.H5")
    # By its content one, by its ending the other.
    shutil.copy(place / "m.h5", place / "old.keras")
    shutil.copy(place / "m.keras", place / "no ending")
    whole = (place / "m.keras").read_bytes()
    (place / "empty.keras").touch()
    (place / "empty.h5").touch()
    (place / "pointer.keras").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    )
    (place / "cut.keras").write_bytes(whole[: len(whole) // 2])
    directory = whole.rindex(b"PK\x01\x02", 0, whole.rindex(b"PK\x01\x02"))
    (place / "bent.keras").write_bytes(whole[:directory] + b"PK??" + whole[directory + 4 :])
    (place / "cut.h5").write_bytes((place / "m.h5").read_bytes()[:3000])
    (place / "page.keras").write_text("<!DOCTYPE html><title>404</title>")
    (place / "words.keras").write_text("no model")
    (place / "m.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(100))
    (place / "m.pth").write_bytes(b"\x80\x02ctorch")
    np.savez(place / "arrays.npz", a=np.zeros(3))
    with zipfile.ZipFile(place / "m.pt", "w") as archive:
        archive.writestr("archive/data.pkl", "")
    (place / "saved").mkdir()
    (place / "saved" / "saved_model.pb").touch()
    return place, model


@pytest.mark.parametrize(
    "name", ["m.keras", "m.h5", "m.hdf5", "loud.KERAS", "loud.H5", "old.keras"]
)
def test_what_keras_loads_is_loaded(name, folder):
    place, model = folder
    loaded, names = fer_models.load_model(place / name)
    assert names is None
    given = np.random.default_rng(0).uniform(0, 255, (3, 4, 4, 1)).astype("float32")
    expected = keras.ops.convert_to_numpy(model(given))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(loaded(given)), expected, atol=1e-6)
    assert loaded.output_shape == (None, 2)
    assert len(model_digest(place / name)) == 64


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("bare.weights.h5", "a file of bare weights. Build the model"),
        ("empty.keras", "an empty file of 0 bytes"),
        ("empty.h5", "an empty file of 0 bytes"),
        ("pointer.keras", "a Git LFS pointer and not the file itself. Run `git lfs pull`"),
        ("cut.keras", "a damaged .keras file"),
        ("bent.keras", "a damaged .keras file (Bad magic number"),
        ("cut.h5", "a damaged HDF5 file"),
        ("page.keras", "a web page"),
        ("words.keras", "a file of another format, which starts with b'no model'"),
        ("m.tflite", "a LiteRT network"),
        ("m.pth", "a PyTorch checkpoint"),
        ("m.pt", "a PyTorch checkpoint"),
        ("arrays.npz", "arrays"),
        ("saved", "a SavedModel"),
        ("no ending", "which is one; rename it"),
        (".", "a folder"),
    ],
)
def test_what_is_no_whole_model_is_called_by_its_name(name, what, folder):
    with pytest.raises(ValueError, match="whole model") as caught:
        bundled.located(folder[0] / name)
    assert what in str(caught.value)
    assert str(folder[0]) in str(caught.value)


@pytest.mark.parametrize("name", ["gone.keras", "gone.h5", "gone.KERAS", "gone.weights.h5"])
def test_a_file_that_is_not_there(name, tmp_path):
    with pytest.raises(FileNotFoundError, match=f"There is no model at .*{name}"):
        fer_models.load_model(tmp_path / name)
