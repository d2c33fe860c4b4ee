"""Models in repositories of the Hugging Face Hub, through `huggingface_hub` and a stand-in."""

import hashlib
import pickle
import sys
import zipfile

import keras
import numpy as np
import pytest
from helpers import hub as stand_in
from helpers.small_networks import small_network

import fer_models
from fer_data.compiled import lite_runner
from fer_data.faces import FRAMINGS, Face
from fer_data.labels import EMOTIONS
from fer_models.cli import main, webcam
from fer_models.cli.export import name_of
from fer_models.web import model_digest
from fer_models.zoo import bundled, class_names, hub_models
from fer_models.zoo.origin import origin

huggingface_hub = pytest.importorskip("huggingface_hub")
SIZE = 16


class Whole:
    """Takes the whole picture for a face."""

    def detect(self, image):
        height, width = image.shape[:2]
        return [Face((0, 0, width, height), 0.9, framing=FRAMINGS["mtcnn"])]


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with stand_in.serving(monkeypatch, tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return small_network((SIZE, SIZE, 1), 7)


def faces(count=3):
    return np.random.default_rng(0).uniform(0, 255, (count, SIZE, SIZE, 1)).astype("float32")


def test_what_keras_saved_on_the_hub_is_loaded_and_kept(hub, model):
    model.save("hf://me/smiles")
    assert {"config.json", "metadata.json", "model.weights.h5", "README.md"} <= set(
        hub.repositories["me/smiles"]
    )
    loaded, names = fer_models.load_model("hf://me/smiles")
    assert names is None
    np.testing.assert_allclose(loaded(faces()), model(faces()), atol=1e-6)
    # Keras's own way reads the same.
    by_keras = keras.saving.load_model("hf://me/smiles")
    np.testing.assert_array_equal(by_keras(faces()), loaded(faces()))
    commit = hub.commit("me/smiles")
    assert origin("hf://me/smiles") == {"Repository": f"hf://me/smiles, commit {commit}"}
    assert bundled.located("hf://me/smiles").name == commit
    files = [hub.repositories["me/smiles"][name] for name in ("config.json", "model.weights.h5")]
    assert name_of("hf://me/smiles") == "me-smiles"
    assert model_digest("hf://me/smiles") == hashlib.sha256(b"".join(files)).hexdigest()


def test_an_uploaded_keras_file_brings_its_class_names_and_a_card(hub, model, tmp_path, capsys):
    names = tuple(reversed(EMOTIONS))
    model.save(tmp_path / "best.keras")
    class_names.write(tmp_path / "best.keras", names)
    with zipfile.ZipFile(tmp_path / "best.keras") as archive:
        archive.extractall(tmp_path / "folder")
    assert main(["weights", "ghostface:ferplus", "--hub"]) == 0
    (tmp_path / "folder" / "README.md").write_text(capsys.readouterr().out, encoding="utf-8")
    (tmp_path / "folder" / "best.tflite").write_bytes(bytes(1000))
    api = huggingface_hub.HfApi()
    api.create_repo("somebody/smiles")
    api.upload_folder(repo_id="somebody/smiles", folder_path=tmp_path / "folder")
    assert "fer_keras.json" in hub.repositories["somebody/smiles"]

    hub.asked.clear()
    recognizer = fer_models.Recognizer("hf://somebody/smiles", Whole())
    assert recognizer.class_names == names
    # What the network does not need is left on the Hub.
    assert not [path for _, path in hub.asked if path.endswith((".md", ".tflite"))]
    picture = faces(1)[0].repeat(3, -1).astype("uint8")
    (face,) = recognizer.photo(picture)
    (same,) = fer_models.Recognizer(model, Whole(), class_names=names).photo(picture)
    assert face == same

    # A second time nothing is downloaded; and without the Hub the first download serves.
    hub.asked.clear()
    fer_models.load_model("hf://somebody/smiles")
    assert not [path for method, path in hub.asked if method == "GET" and "resolve" in path]
    hub.shutdown()
    hub.server_close()
    assert fer_models.load_model("hf://somebody/smiles")[1] == names


def answers(model):
    return keras.ops.convert_to_numpy(model(faces()))


def revisions(hub, model):
    """Upload a model and then another one; return their commits."""
    model.save("hf://me/smiles")
    first = hub.commit("me/smiles")
    keras.utils.set_random_seed(1)
    small_network((SIZE, SIZE, 1), 7).save("hf://me/smiles")
    return first, hub.commit("me/smiles")


def test_a_revision_is_loaded_by_its_name(hub, model):
    first, newest = revisions(hub, model)
    hub.tags["me/smiles", "v1"] = first
    expected = answers(model)
    for name in ("v1", first):
        loaded, _ = fer_models.load_model(f"hf://me/smiles@{name}")
        np.testing.assert_allclose(answers(loaded), expected, atol=1e-6)
    newer, _ = fer_models.load_model("hf://me/smiles")
    assert np.abs(answers(newer) - expected).max() > 0.01
    assert hub_models.pinned("hf://me/smiles@v1") == f"hf://me/smiles@{first}"
    assert hub_models.pinned("hf://me/smiles") == f"hf://me/smiles@{newest}"
    for name, shown in (("v1", "hf://me/smiles@v1"), (first, "hf://me/smiles")):
        assert origin(f"hf://me/smiles@{name}") == {"Repository": f"{shown}, commit {first}"}
    with pytest.raises(OSError, match="404"):
        fer_models.load_model("hf://me/smiles@v2")


def test_a_copy_has_the_weights_of_its_original(hub, model, monkeypatch, tmp_path):
    # Without LiteRT the weights are not in the pickle: they are loaded again.
    monkeypatch.setattr(lite_runner, "available", lambda: False)
    model.save("hf://me/smiles")
    recognizer = fer_models.Recognizer("hf://me/smiles", Whole())
    pickled = pickle.dumps(recognizer)
    expected = recognizer.classify(faces())
    revisions(hub, model)
    # Another machine, to which nothing was downloaded.
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "elsewhere"))
    copied = pickle.loads(pickled)
    np.testing.assert_allclose(copied.classify(faces()), expected, atol=1e-6)
    newest = fer_models.Recognizer("hf://me/smiles", Whole())
    assert np.abs(newest.classify(faces()) - expected).max() > 0.01


def test_the_page_has_digest_and_network_of_one_commit(hub, model, monkeypatch):
    def serve(args):
        digest = model_digest(args.weights)
        revisions(hub, model)
        assert model_digest(args.weights) == digest
        found.append(args.weights)

    found = []
    monkeypatch.setattr(webcam, "serve", serve)
    model.save("hf://me/smiles")
    first = hub.commit("me/smiles")
    assert main(["webcam", "--weights", "hf://me/smiles"]) == 0
    assert found == [f"hf://me/smiles@{first}"]


def test_what_is_no_model_of_the_hub(hub, monkeypatch):
    with pytest.raises(OSError, match="404"):
        fer_models.load_model("hf://nobody/nothing")
    hub.repositories["me/text"] = {"README.md": b"none", "config.json": b"{}"}
    with pytest.raises(ValueError, match=r"'hf://me/text', without model\.weights\.h5"):
        fer_models.Recognizer("hf://me/text")
    for name in ("hf://", "hf://me", "hf://me/", "hf://me/smiles/best.keras", "hf://me/smiles@"):
        with pytest.raises(ValueError, match="must be written hf://NAMESPACE/MODEL"):
            fer_models.load_model(name)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r'pip install "fer-keras\[hub\]"'):
        fer_models.load_model("hf://me/smiles")
