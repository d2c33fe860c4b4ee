"""Clips of data sets as arrays of one length."""

import types

import keras
import numpy as np
import pytest

from fer_data import protocols
from fer_models.training import clip_data
from fer_models.training.clip_data import ClipData, ClipSource, clip_sources, load_clips

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the data pipeline is tested on TensorFlow"
)
NAMES = ("negative", "positive", "surprise")


class Examples:
    """A builder of three clips of 8 pixels."""

    def __init__(self, clips):
        label = types.SimpleNamespace(names=NAMES)
        self.clips, self.info = clips, types.SimpleNamespace(features={"label": label})

    def as_dataset(self, split):
        return self

    def prefetch(self, count):
        return self

    def as_numpy_iterator(self):
        for number, clip in enumerate(self.clips):
            landmarks = np.full((68, 2), number + 0.5, "float32")
            numbers = 5 + np.arange(len(clip))
            yield {"frames": clip, "frame_numbers": numbers, "landmarks": landmarks}


@pytest.fixture
def clips():
    rng = np.random.default_rng(2)
    return [rng.integers(0, 256, (n, 8, 8, 3)).astype("uint8") for n in (7, 4, 9)]


@pytest.fixture
def asked(monkeypatch, clips):
    """What was asked of the preparation; `labels` among it are those of the clips."""
    found = types.SimpleNamespace(calls=[], labels=(2, -1, 0))

    def prepare(name, path, data_dir, **options):
        found.calls.append((name, path, options))
        return Examples(clips)

    def read(*builders):
        return protocols.Clips(list("abc"), ["casme2/sub01"] * 3, found.labels, list("xyz"))

    monkeypatch.setattr(clip_data.datasets, "prepare", prepare)
    monkeypatch.setattr(clip_data.clip_table, "read", read)
    return found


def test_labelled_clips_are_read_at_one_length_in_the_table_s_order(asked, clips):
    source = ClipSource("casme2", "f", {"pictures": "raw"})
    data = load_clips([source], frames=4, size=4, progress=False)
    assert asked.calls == [("casme2", "f", {"size": 8, "pictures": "raw"})]
    assert data.clips.ids.tolist() == ["a", "c"]
    assert data.faces.shape == (2, 4, 8, 8, 3)
    # Of seven frames every other one; of nine the first, the last, and blends between.
    np.testing.assert_array_equal(data.faces[0], clips[0][::2])
    np.testing.assert_array_equal(data.faces[1, [0, -1]], clips[2][[0, -1]])
    blend = (clips[2][2] + 2.0 * clips[2][3]) / 3
    np.testing.assert_allclose(data.faces[1, 1], blend, atol=0.51)
    # Of the same clips, in pixels of the same faces.
    assert data.landmarks[:, 9].tolist() == [[0.5, 0.5], [2.5, 2.5]]
    assert (data.facts["clips"], data.facts["unlabelled"], data.facts["subjects"]) == (2, 1, 1)
    assert data.facts["classes"] == {"negative": 1, "positive": 0, "surprise": 1}
    assert data.facts["sources"] == {"casme2": {"size": 8, "pictures": "raw"}}
    other = ClipData(data.faces, data.clips.take([0]), NAMES, {})
    assert data.digest() != other.digest()


def test_landmarks_keep_their_place_in_faces_of_another_size(asked):
    data = load_clips([ClipSource("casme2", "f")], frames=2, size=8, progress=False)
    # The middle of a pixel of 8 is that of two pixels of 16.
    assert data.landmarks[:, 30].tolist() == [[1.5, 1.5], [5.5, 5.5]]


def test_the_composite_says_what_differs(asked):
    asked.labels = (2, 1, 0)
    source = ClipSource("casme2", "f")
    data = load_clips([source], frames=2, size=4, composite=True, listed=["c"], progress=False)
    assert data.clips.ids.tolist() == ["c"]
    assert any("in MEGC 2019" in line for line in data.facts["differences"])


def test_nothing_to_learn_from(asked):
    asked.labels = (-1, -1, -1)
    with pytest.raises(ValueError, match=r"must have clips with a label\. Received: casme2"):
        load_clips([ClipSource("casme2", "f")], frames=2, size=4, progress=False)
    with pytest.raises(ValueError, match="`paths` must name 2 folders, of casme2 smic_hs"):
        clip_sources(["casme2", "smic_hs"], ["a"])


def test_rendered_people_have_a_builder_of_another_name():
    (source,) = clip_sources(["synthetic"])
    assert (source.builder, source.path) == ("synthetic_micro_expressions", None)
