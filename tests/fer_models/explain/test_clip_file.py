"""Explanations of clips of a data set."""

import types

import keras
import numpy as np
import pytest
from helpers.moving_face import clip_network
from PIL import Image

import fer_data.datasets
from fer_models import triple_path_ha3dnet
from fer_models.explain import explain_clip_file

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="fer_data is tested on TensorFlow"
)
NAMES = ("negative", "positive", "surprise")


class Clips:
    """A builder of clips of two people and one without a label."""

    def __init__(self, names=NAMES):
        self.info = types.SimpleNamespace(
            features={"label": types.SimpleNamespace(names=list(names))}
        )

    def as_dataset(self, split):
        return self

    def as_numpy_iterator(self):
        rng = np.random.default_rng(0)
        for number, label in enumerate((0, 0, 1, 2, -1)):
            yield {
                "id": f"set/s{number % 2}/{number}".encode(),
                "subject": f"set/s{number % 2}".encode(),
                "label": label,
                "frames": rng.integers(0, 256, (7, 16, 16, 1)).astype("uint8"),
                "landmarks": np.full((68, 2), number + 5.5, "float32"),
                "frame_numbers": np.arange(7),
            }


@pytest.fixture
def drawn(monkeypatch):
    """What would be drawn, in place of pictures."""
    found = []

    def draw(model, inputs, path, frames, **options):
        found.append((path.name, inputs, frames, options))
        return path

    monkeypatch.setattr("fer_models.explain.clip_file.clip_explanation", draw)
    monkeypatch.setattr(fer_data.datasets, "prepare", lambda name, **options: Clips())
    return found


def test_which_clips_are_drawn_and_how(drawn, tmp_path):
    network = clip_network()
    paths = explain_clip_file(network, tmp_path, type="jpg", region_cut="grid", motion=True)
    assert [path.name for path in paths] == ["set_s0_0.jpg", "set_s0_2.jpg", "set_s1_3.jpg"]
    _, inputs, frames, options = drawn[0]
    assert [part.shape for part in inputs] == [(5, 8, 8, 1)] * 3
    # Shown are the faces themselves, and the network sees what moves.
    assert (inputs[0][0] == 0).all()
    assert frames[0].max() > 100
    assert (options["label"], options["class_names"]) == ("negative", NAMES)
    options = {"per_class": 2, "region_cut": "landmarks", "motion": True}
    assert len(explain_clip_file(network, tmp_path, **options)) == 4
    # The same clip, and other places in it.
    followed = drawn[3][2]
    assert not np.array_equal(followed[0], frames[0])
    whole = next(Clips().as_numpy_iterator())["frames"]
    np.testing.assert_array_equal(followed[0][0], whole[0, 2:10, 2:10])
    assert len(explain_clip_file(network, tmp_path, subject="set/s1", **options)) == 2
    # The one that is named has no need of a label.
    options = {"motion": False, "region_cut": "grid"}
    (path,) = explain_clip_file(network, tmp_path, clip="set/s0/4", **options)
    assert path.name == "set_s0_4.png"
    assert (drawn[-1][2], drawn[-1][3]["label"]) == (None, None)
    assert len(explain_clip_file(clip_network(regions=1), tmp_path, columns=3, motion=True)) == 3


def test_bad_arguments(drawn, tmp_path, monkeypatch):
    network = clip_network()
    for options, message in (
        ({"data": "casme2"}, "`path` must name the folder or archive of casme2"),
        ({"data": "faces"}, "`data` must be one of"),
        ({"type": "bmp"}, "`type` must be one of"),
        ({"region_cut": "eyes"}, "`region_cut` must be one of"),
        ({"per_class": 0}, "`per_class` must be an integer >= 1"),
        ({"clip": "nobody"}, "no clip to explain in synthetic. Received: clip='nobody'"),
    ):
        with pytest.raises(ValueError, match=message):
            explain_clip_file(network, tmp_path, **{"region_cut": "grid", "motion": True} | options)
    with pytest.raises(FileNotFoundError, match="There is no model"):
        explain_clip_file(tmp_path / "none.keras", tmp_path)
    monkeypatch.setattr(fer_data.datasets, "prepare", lambda *a, **o: Clips(("a", "b", "c")))
    with pytest.raises(ValueError, match="must be those of the network"):
        explain_clip_file(network, tmp_path, region_cut="grid", motion=True)


@pytest.mark.slow
def test_rendered_people_and_a_network_of_the_family(tmp_path, untraced):
    path = tmp_path / "model.keras"
    triple_path_ha3dnet(
        frames=6, input_shape=(16, 16, 1), filters=2, head="avg", dense_units=4
    ).save(path)
    name = "synthetic_micro_expressions/s000/00001"
    (picture,) = explain_clip_file(
        path, tmp_path / "out", data_dir=tmp_path / "data", clip=name, columns=3,
        region_cut="landmarks", motion=True,
    )  # fmt: skip
    assert picture.name == f"{name.replace('/', '_')}.png"
    assert Image.open(picture).size[0] > 500
