"""Valence and arousal as targets, from both pipelines and from packed faces."""

import numpy as np
import pytest
import tensorflow as tf

from fer_data.pipelines import face_arrays, images
from fer_data.pipelines.augmentation.policies import Augmentation, MixUp
from fer_data.pipelines.face_batches import FaceBatches
from fer_data.pipelines.labelled_faces import LabelledFaces, load_faces, pack_faces

COUNT, NAN, NAMES = 12, float("nan"), tuple("abcdefghijkl")
MIXED = Augmentation(mixup=MixUp(fraction=0.5, alpha=0.4))


def columns():
    """Return faces whose brightness is their number, with some values that are unknown."""
    valence = np.linspace(-1, 1, COUNT, dtype="float32")
    arousal = valence[::-1].copy()
    valence[3] = arousal[[5, 7]] = NAN
    faces = (
        np.zeros((COUNT, 8, 8, 1), "uint8")
        + 20 * np.arange(COUNT, dtype="uint8")[:, None, None, None]
    )
    return {"image": faces, "label": np.arange(COUNT), "valence": valence, "arousal": arousal}


def felt():
    return np.stack([columns()["valence"], columns()["arousal"]], 1)


def of_pipeline(**options):
    batches = images.pipeline(columns(), size=8, classes=COUNT, valence_arousal=True, **options)
    return list(batches.as_numpy_iterator())


def of_arrays(**options):
    targets = face_arrays.targets(columns(), COUNT)
    batches = FaceBatches(
        columns()["image"],
        targets,
        valence_arousal=face_arrays.valence_arousal(columns()),
        **options,
    )
    return [batches[number] for number in range(len(batches))]


@pytest.mark.parametrize("made", [of_pipeline, of_arrays])
def test_targets_come_with_the_labels(made):
    (faces, targets), (_, rest) = made(batch_size=8)
    assert faces.shape == (8, 8, 8, 1)
    assert sorted(targets) == ["expression", "valence_arousal"]
    np.testing.assert_array_equal(targets["expression"], np.eye(COUNT)[:8])
    found = np.concatenate([each["valence_arousal"] for each in (targets, rest)])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, felt())


@pytest.mark.parametrize("made", [of_pipeline, of_arrays])
@pytest.mark.slow
def test_a_mixture_is_known_where_all_of_it_is(made):
    ((faces, targets),) = made(batch_size=COUNT, training=True, augmentation=MIXED, seed=1)
    found, shares = targets["valence_arousal"], targets["expression"].max(1)
    whole, pure = np.round(faces[:, 0, 0, 0] / 20).astype(int), shares > 0.9999
    assert 0 < pure.sum() < COUNT
    # A face that was not mixed keeps what is known of it, whatever its neighbour lacks.
    np.testing.assert_allclose(found[pure], felt()[whole[pure]], atol=1e-6)
    mixed = found[~pure]
    assert np.isfinite(mixed).any()
    assert (np.abs(mixed[np.isfinite(mixed)]) <= 1).all()


def test_packed_faces_keep_the_columns(tmp_path):
    # A data set may have other names beside them, which stay behind.
    split = tf.data.Dataset.from_tensor_slices({**columns(), "id": [str(n) for n in range(COUNT)]})
    faces = LabelledFaces({"train": split}, {"train": COUNT}, NAMES, "here")
    pack_faces(faces, tmp_path / "faces.npz", about={"data": "folder"})
    packed = load_faces("folder", tmp_path / "faces.npz")
    assert {"valence", "arousal"} <= set(packed.features("train"))
    np.testing.assert_array_equal(packed.column("train", "valence"), columns()["valence"])
    for each in (faces, packed):
        batches = each.batches("train", size=8, batch_size=8, valence_arousal=True)
        _, targets = batches[0] if each is packed else next(iter(batches))
        np.testing.assert_array_equal(np.asarray(targets["valence_arousal"]), felt()[:8])
        _, plain = next(iter(each.batches("train", size=8, batch_size=8)))
        assert np.asarray(plain).shape == (8, COUNT)


def test_what_is_refused():
    plain = {name: values for name, values in columns().items() if name != "arousal"}
    with pytest.raises(ValueError, match=r"needs the features `valence` and `arousal`"):
        images.pipeline(plain, size=8, classes=COUNT, valence_arousal=True)
    with pytest.raises(ValueError, match=r"'valence' and 'arousal'. Received: \['image'"):
        face_arrays.valence_arousal(plain)
    whole = columns() | {"valence": np.zeros(COUNT, int)}
    with pytest.raises(ValueError, match=r"a float for each face"):
        images.pipeline(whole, size=8, classes=COUNT, valence_arousal=True)
    with pytest.raises(ValueError, match=r"needs `labels=\"one_hot\"` or \"soft\""):
        images.pipeline(columns(), size=8, classes=COUNT, valence_arousal=True, labels="sparse")
    outside = columns() | {"valence": np.full(COUNT, -2.0, "float32")}
    with pytest.raises(ValueError, match=r"in \[-1, 1\].*Received: 12 values outside, such as -2"):
        face_arrays.valence_arousal(outside)
    with pytest.raises(tf.errors.InvalidArgumentError, match="or NaN if unknown"):
        list(images.pipeline(outside, size=8, classes=COUNT, valence_arousal=True))
    with pytest.raises(ValueError, match=r"`valence_arousal` must be of shape \(12, 2\)"):
        FaceBatches(columns()["image"], np.eye(COUNT), valence_arousal=felt()[:5])
    short = columns() | {"valence": np.zeros(5)}
    with pytest.raises(ValueError, match=r"as many of 'valence' as of 'arousal'"):
        face_arrays.valence_arousal(short)
