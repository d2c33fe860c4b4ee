import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from fer_models import with_valence_arousal
from fer_models.privacy import Signals, augmentation_queries, content_hashes, signals

CLASSES = 4


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(CLASSES, activation="softmax"),
        ]
    )


@pytest.fixture(scope="module")
def pictures():
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (11, 6, 6, 1), "uint8"), np.arange(11) % CLASSES


def hashes(count):
    return [str(number) for number in range(count)]


@pytest.mark.backend
def test_against_keras_and_scipy(model, pictures):
    images, labels = pictures
    found = signals(model, images, labels, batch_size=4, progress=False)
    probabilities = model.predict(images.astype("float32"), verbose=0).astype("float64")
    true = probabilities[np.arange(11), labels]
    assert found.loss.shape == (11, 1)
    assert found.probabilities.shape == (11, 1, CLASSES)
    np.testing.assert_allclose(found.probabilities[:, 0], probabilities, rtol=1e-5)
    np.testing.assert_allclose(found.true_probability[:, 0], true, rtol=1e-5)
    np.testing.assert_allclose(found.loss[:, 0], -np.log(true), rtol=1e-5)
    np.testing.assert_allclose(found.margin[:, 0], special.logit(true), atol=1e-5)
    np.testing.assert_allclose(found.entropy[:, 0], stats.entropy(probabilities, axis=1), rtol=1e-5)
    assert found.accuracy == np.mean(probabilities.argmax(1) == labels)
    assert (len(found), found.queries, found.classes) == (11, 1, CLASSES)


def test_logits_and_probabilities_give_the_same():
    logits = np.random.default_rng(1).normal(0, 4, (50, 3)).astype("float32")
    labels = np.arange(50) % 3
    one = Signals.from_outputs(logits, labels, hashes(50))
    other = Signals.from_outputs(special.softmax(logits, axis=1), labels, hashes(50))
    for name in ("loss", "margin", "true_probability", "entropy"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=2e-4, atol=1e-5)


def test_logits_of_which_one_row_looks_like_probabilities_are_logits():
    logits = np.array([[0.25, 0.75], [3.0, -1.0]])
    found = Signals.from_outputs(logits, [1, 0], hashes(2))
    np.testing.assert_allclose(found.margin[:, 0], [0.5, 4.0])
    np.testing.assert_allclose(Signals.from_outputs(logits[:1], [1], ["a"]).margin, np.log(3))
    np.testing.assert_allclose(Signals.from_outputs(logits[:1], [1], ["a"], True).margin, 0.5)


@given(st.floats(-80, 80), st.integers(2, 8))
def test_margin_survives_a_softmax_that_rounds_to_one(gap, classes):
    # p is 1 in float32 from a gap of 17 on; the margin is the gap less log(classes - 1).
    logits = np.zeros((1, classes), "float32")
    logits[0, 0] = gap
    softmax = special.softmax(logits, axis=1)
    assert softmax.dtype == np.float32
    wanted = float(logits[0, 0]) - np.log(classes - 1)
    for outputs, from_logits in ((logits, True), (softmax, False)):
        found = Signals.from_outputs(outputs, [0], ["a"], from_logits)
        np.testing.assert_allclose(found.margin[0, 0], wanted, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(found.loss[0, 0], np.logaddexp(0, -wanted), rtol=1e-4)
        assert found.loss[0, 0] > 0


def test_dataset_and_one_hot_labels_agree_with_arrays(model, pictures):
    import tensorflow as tf

    images, labels = pictures
    whole = signals(model, images, labels, queries=3, progress=False)
    dataset = tf.data.Dataset.from_tensor_slices((images, np.eye(CLASSES)[labels])).batch(4)
    parts = signals(model, dataset, queries=3, progress=False)
    for name in ("labels", "hashes"):
        assert (getattr(parts, name) == getattr(whole, name)).all()
    np.testing.assert_allclose(parts.margin, whole.margin, atol=1e-6)


def test_every_batch_has_one_size():
    class Watching:
        sizes = ()

        def predict_on_batch(self, images):
            self.sizes += (len(images),)
            return np.stack([images.sum((1, 2, 3)), np.zeros(len(images))], axis=1)

    model, images = Watching(), np.random.default_rng(0).random((7, 2, 2, 1))
    found = signals(model, images, np.zeros(7, int), batch_size=3, progress=False)
    assert model.sizes == (3, 3, 3)
    np.testing.assert_allclose(found.margin[:, 0], images.sum((1, 2, 3)), rtol=1e-6)


def test_queries_are_answers_to_the_copies(model, pictures):
    images, labels = pictures
    found = signals(model, images, labels, queries=2, progress=False)
    alone = signals(model, images[:, :, ::-1], labels, progress=False)
    np.testing.assert_allclose(found.margin[:, 1], alone.margin[:, 0], atol=1e-6)
    darker = signals(model, images, labels, queries=(lambda x: x, lambda x: x / 2), progress=False)
    half = signals(model, images / 2, labels, progress=False)
    np.testing.assert_allclose(darker.margin[:, 1], half.margin[:, 0], atol=1e-6)
    # The hash is that of the picture itself.
    assert (found.hashes == content_hashes(images)).all()


def test_copies_are_distinct_and_the_first_of_many_are_those_of_few():
    images = np.random.default_rng(0).random((2, 48, 48, 3))
    few, many = augmentation_queries(4, seed=3), augmentation_queries(8, seed=3)
    copies = [query(images) for query in many]
    assert all(copy.shape == images.shape for copy in copies)
    assert len({copy.tobytes() for copy in copies}) == 8
    for one, other in zip(few, many, strict=False):
        assert (one(images) == other(images)).all()
    assert (copies[0] == images).all()
    assert (copies[1] == images[:, :, ::-1]).all()


def test_shift_moves_by_whole_pixels_and_repeats_the_edge():
    picture = np.arange(144.0).reshape(1, 12, 12, 1)
    for seed in range(5):
        shift = augmentation_queries(3, seed)[2]
        copy = shift(picture)[0, :, :, 0]
        down, right = (int(np.sign(s)) for s in (shift.down, shift.right))
        rows = np.clip(np.arange(12) - down, 0, 11)
        columns = np.clip(np.arange(12) - right, 0, 11)
        assert (copy == picture[0][np.ix_(rows, columns)][:, :, 0]).all()


def test_several_inputs_and_clips(pictures):
    generator = np.random.default_rng(2)
    eyes, mouth = (generator.random((5, 3, 4, 4, 1)).astype("float32") for _ in range(2))
    inputs = {name: keras.Input((3, 4, 4, 1), name=name) for name in ("eyes", "mouth")}
    both = keras.layers.Concatenate()([keras.layers.Flatten()(x) for x in inputs.values()])
    model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(both))
    clips = {"eyes": eyes, "mouth": mouth}
    found = signals(model, clips, [0, 1, 0, 1, 0], queries=2, batch_size=2, progress=False)
    mirror = {name: clip[..., ::-1, :] for name, clip in clips.items()}
    wanted = model.predict(mirror, verbose=0)
    np.testing.assert_allclose(found.probabilities[:, 1], wanted, rtol=1e-5)
    changed = {"eyes": eyes, "mouth": mouth + np.eye(5)[0][:, None, None, None, None]}
    assert (content_hashes(changed) != found.hashes).tolist() == [True, *[False] * 4]


def test_of_several_outputs_the_classes_are_asked_for(model, pictures):
    both = signals(with_valence_arousal(model), *pictures, progress=False)
    assert both.loss.tolist() == signals(model, *pictures, progress=False).loss.tolist()
    other = keras.Model(model.inputs[0], {"one": model.outputs[0], "two": model.outputs[0]})
    with pytest.raises(ValueError, match="`model` must have one output"):
        signals(other, *pictures, progress=False)


def test_labels_may_have_valence_and_arousal_beside(model, pictures):
    images, labels = pictures
    beside = {"expression": labels, "valence_arousal": np.zeros((11, 2))}
    found = signals(model, [(images, beside)], progress=False)
    expected = signals(model, images, labels, progress=False)
    np.testing.assert_allclose(found.loss, expected.loss, rtol=1e-6)


def test_hash_is_of_the_content():
    images = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 1), "uint8")
    images[3] = images[1]
    found = content_hashes(images)
    assert len(set(found)) == 5
    assert found[3] == found[1]
    assert (content_hashes(images.astype("float32")) == found).all()
    assert (content_hashes(images[:, :2]) != found).all()
    assert (content_hashes(np.zeros((1, 2))) == content_hashes(-np.zeros((1, 2)))).all()
    # The same numbers in another shape are another picture.
    assert content_hashes(np.ones((1, 2, 3, 1)))[0] != content_hashes(np.ones((1, 3, 2, 1)))[0]


def test_save_load_and_select(tmp_path, model, pictures):
    found = signals(model, *pictures, queries=2, progress=False)
    found.save(tmp_path / "new" / "signals.npz")
    again = Signals.load(tmp_path / "new" / "signals.npz")
    for name in ("labels", "probabilities", "loss", "margin", "entropy", "hashes"):
        assert (getattr(again, name) == getattr(found, name)).all()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["signals.npz"]
    assert found[3].loss.shape == (1, 2)
    assert (found[found.labels == 1].labels == 1).all()
    assert (found[2:4].hashes == found.hashes[2:4]).all()
    assert again.query_seed == found.query_seed == found[2:4].query_seed == 0
    # Files of before the seed was kept.
    old = {name: getattr(found, name) for name in Signals.__dataclass_fields__}
    del old["query_seed"]
    np.savez(tmp_path / "old.npz", **old)
    again = Signals.load(tmp_path / "old.npz")
    assert again.query_seed is None
    assert (again.loss == found.loss).all()
    again.save(tmp_path / "old.npz")
    assert Signals.load(tmp_path / "old.npz").query_seed is None
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 not whole")
    np.savez(tmp_path / "other.npz", loss=found.loss)
    np.savez(tmp_path / "seeds.npz", **old, query_seed=[1, 2])
    for name in ("bad", "other", "seeds"):
        with pytest.raises(ValueError, match=f"{name}.npz"):
            Signals.load(tmp_path / f"{name}.npz")
    with pytest.raises(ValueError, match=r"end in \.npz"):
        found.save(tmp_path / "signals.txt")


def test_progress_is_shown_when_asked_for(model, pictures, capsys):
    signals(model, *pictures, batch_size=4, progress=True)
    assert "3/3" in capsys.readouterr().err
    signals(model, *pictures, batch_size=4, progress=False)
    assert not capsys.readouterr().err


@pytest.mark.parametrize("queries", [0, -1, 1.5, True, "two", (), [3]])
def test_bad_queries(queries):
    with pytest.raises(ValueError, match="`queries` must be"):
        augmentation_queries(queries)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": None}, "`labels` must be given with arrays"),
        ({"labels": [0, 1]}, "same length"),
        ({"labels": np.full(11, CLASSES)}, "from 0 to 3"),
        ({"batch_size": 0}, "`batch_size` must be"),
        ({"batch_size": True}, "`batch_size` must be"),
        ({"images": np.zeros((0, 6, 6, 1)), "labels": []}, "at least one example"),
    ],
)
def test_bad_arguments(model, pictures, change, message):
    given = {"images": pictures[0], "labels": pictures[1], **change}
    with pytest.raises(ValueError, match=message):
        signals(model, progress=False, **given)


def test_bad_batches(model, pictures):
    import tensorflow as tf

    images, labels = pictures
    dataset = tf.data.Dataset.from_tensor_slices((images, labels)).batch(4)
    with pytest.raises(ValueError, match="must end"):
        signals(model, dataset.repeat(), progress=False)
    with pytest.raises(ValueError, match=r"batches \(images, labels\)"):
        signals(model, dataset.map(lambda image, label: image), progress=False)
    with pytest.raises(ValueError, match="as many examples in every input"):
        content_hashes((images, images[:3]))


@pytest.mark.parametrize(
    ("outputs", "options", "message"),
    [
        ([[0.5], [0.5]], {}, "2 classes or more"),
        (np.zeros((0, 3)), {}, "at least one example"),
        ([[0.5, np.nan], [0.5, 0.5]], {}, "finite"),
        ([[0.5, 0.5], [0.9, 0.8]], {}, "`from_logits` must be given"),
        ([[0.0, 0.0], [0.0, 0.0]], {}, "`from_logits` must be given"),
        ([[2.0, 0.5], [3.0, -1.0]], {"from_logits": False}, "sum to one"),
        ([[0.5, 0.5], [0.5, 0.5]], {"hashes": ["a"]}, "`hashes` must have one entry"),
    ],
)
def test_bad_outputs(outputs, options, message):
    given = {"labels": np.zeros(len(outputs), int), "hashes": hashes(len(outputs)), **options}
    with pytest.raises(ValueError, match=message):
        Signals.from_outputs(np.array(outputs), **given)
