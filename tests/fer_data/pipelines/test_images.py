"""The still-image pipeline: contents, labels, determinism, bad input."""

import gc
import json

import cv2
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fer_data.faces.cut import FRAMINGS, Framing, cut_face
from fer_data.labels import EMOTIONS
from fer_data.pipelines.images import pipeline

N = 50


@pytest.fixture(scope="module")
def faces():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (N, 24, 24, 1), "uint8"), np.arange(N) % 7


def collect(dataset, epochs=1):
    """All images and labels of some epochs, one array each."""
    out = []
    for _ in range(epochs):
        images, labels = zip(*dataset.as_numpy_iterator(), strict=True)
        out.append((np.concatenate(images), np.concatenate(labels)))
    return out


def same(first, second):
    return all(
        np.array_equal(a, b)
        for one, other in zip(first, second, strict=True)
        for a, b in zip(one, other, strict=True)
    )


def test_without_training_the_pictures_come_as_they_are(faces):
    images, labels = faces
    batches = pipeline(faces, size=24, batch_size=16, augmentation="randaug+mixup")
    assert len(batches) == 4
    [(got, got_labels)] = collect(batches)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, images)
    np.testing.assert_array_equal(got_labels, np.eye(7)[labels])


@pytest.mark.parametrize(
    "name",
    ["basic", "fer2013", "randaug+mixup"],
)
@pytest.mark.slow
def test_two_runs_agree_whatever_the_workers(faces, name):
    def build(**options):
        return pipeline(faces, size=24, batch_size=8, training=True, augmentation=name, **options)

    first = collect(build(), epochs=2)
    gc.collect()
    assert same(first, collect(build(workers=1, prefetch=0), epochs=2))
    assert same(first, collect(build(workers=4, cache=False), epochs=2))
    assert not same(first[:1], first[1:])
    assert not same(first[:1], collect(build(seed=1)))
    assert same(first[1:], collect(build(initial_epoch=1)))


def test_repeating_form_walks_the_same_epochs(faces):
    options = {"size": 24, "batch_size": 16, "training": True, "augmentation": "basic"}
    finite = pipeline(faces, **options)
    endless = pipeline(faces, repeat=True, **options)
    assert endless.cardinality() == tf.data.INFINITE_CARDINALITY
    expected = [batch for _ in range(2) for batch in finite.as_numpy_iterator()]
    got = list(endless.take(8).as_numpy_iterator())
    assert same(expected, got)
    again = list(pipeline(faces, repeat=True, initial_epoch=1, **options).take(4))
    assert same(expected[4:], again)


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("repeat", [False, True])
@pytest.mark.slow
def test_fit_resumed_at_an_epoch_sees_what_the_unbroken_run_saw(faces, repeat):
    import keras

    if keras.backend.backend() != "tensorflow" and not repeat:
        pytest.skip("Keras looks at a batch first, see the docstring")

    def weights(parts):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((24, 24, 1)), keras.layers.Rescaling(1 / 255)])
        model.add(keras.layers.Flatten())
        model.add(keras.layers.Dense(7))
        model.compile(keras.optimizers.SGD(0.01), "mse")
        for start, end in parts:
            batches = pipeline(
                faces,
                size=24,
                training=True,
                augmentation="basic",
                initial_epoch=start,
                repeat=repeat,
            )
            model.fit(
                batches,
                steps_per_epoch=2 if repeat else None,
                initial_epoch=start,
                epochs=end,
                shuffle=False,
                verbose=0,
            )
        return model.get_weights()

    whole = weights([(0, 3)])
    for ours, resumed in zip(whole, weights([(0, 1), (1, 3)]), strict=True):
        np.testing.assert_allclose(ours, resumed, atol=1e-5)
    if not repeat:
        wrong = weights([(0, 1), (0, 2)])
        assert np.abs(whole[0] - wrong[0]).max() > 2e-4


def test_every_epoch_holds_every_picture_once(faces):
    batches = pipeline(faces, size=24, batch_size=16, training=True)
    orders = []
    for images, _ in collect(batches, epochs=2):
        found = [np.flatnonzero((faces[0] == image).all((1, 2, 3)))[0] for image in images]
        assert sorted(found) == list(range(N))
        orders.append(found)
    assert orders[0] != orders[1]
    assert orders[0] != sorted(orders[0])


def test_shuffle_can_be_left_out_or_partial(faces):
    options = {"size": 24, "batch_size": 16, "labels": "sparse"}
    [(_, kept)] = collect(pipeline(faces, training=True, shuffle=False, **options))
    np.testing.assert_array_equal(kept, faces[1])
    [(_, mixed)] = collect(pipeline(faces, shuffle=5, **options))
    assert not np.array_equal(mixed, faces[1])
    assert sorted(mixed) == sorted(faces[1])


def test_memory_cache_makes_each_picture_once(faces):
    calls = []

    def count(element):
        calls.append(1)
        return element

    def spy(image, label):
        return tf.numpy_function(count, [image], tf.uint8), label

    source = tf.data.Dataset.from_tensor_slices(faces).map(spy)
    source = source.map(lambda image, label: (tf.ensure_shape(image, (24, 24, 1)), label))
    batches = pipeline(source, size=24, training=True)
    collect(batches, epochs=3)
    assert len(calls) == N


@pytest.mark.slow
def test_folder_cache_is_written_once_and_read_again(faces, tmp_path):
    folder = tmp_path / "a cache" / "train"
    options = {"size": 16, "cache": folder, "training": True, "augmentation": "basic"}
    first = collect(pipeline(faces, **options))
    assert folder.is_dir()
    assert [path.name for path in folder.parent.iterdir()] == ["train"]
    changed = (255 - faces[0], faces[1])
    assert same(first, collect(pipeline(changed, **options)))
    assert same(first, collect(pipeline(faces, **{**options, "cache": True})))
    assert len(pipeline(faces, **options)) == 2


def test_a_folder_cache_made_by_other_options_is_refused(tmp_path):
    data = {
        "image": IMAGES,
        "label": np.arange(4),
        "votes": np.ones((4, 7), "float32"),
        "box": np.float32([[1, 1, 5, 5]] * 4),
    }
    options = {"size": 8, "cache": tmp_path / "cache", "framing": Framing(1.0, 0.0, 0.0)}
    pipeline(data, **options)
    for changed in (
        {"size": 6},
        {"label_smoothing": 0.1},
        {"labels": "soft"},
        {"framing": FRAMINGS["mtcnn"]},
        {"interpolation": "nearest"},
    ):
        with pytest.raises(
            ValueError, match=r"`cache` must be .* made by the same options: delete"
        ):
            pipeline(data, **options | changed)
    pipeline(data, **options)
    told = tmp_path / "cache" / "fer_spec.json"
    # As earlier releases wrote it.
    told.write_text(json.dumps(json.loads(told.read_text())["elements"]))
    with pytest.raises(ValueError, match=r"`cache` must be .*'labels': 'not told'"):
        pipeline(data, **options)


@pytest.mark.parametrize(("own", "channels", "expected"), [(1, 3, 3), (3, 1, 1), (3, None, 3)])
def test_channels(own, channels, expected):
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (4, 8, 8, own), "uint8")
    [(got, _)] = collect(pipeline((images, [0, 1, 2, 3]), size=8, channels=channels))
    assert got.shape == (4, 8, 8, expected)
    if (own, channels) == (1, 3):
        np.testing.assert_array_equal(got, np.repeat(images, 3, axis=-1))
    if (own, channels) == (3, 1):
        grey = images @ np.array([0.299, 0.587, 0.114])
        assert np.abs(got[..., 0] - grey).max() <= 1.0


@pytest.mark.slow
def test_uint8_output_has_the_values_of_the_float_output(faces):
    options = {"size": 32, "training": True, "augmentation": "randaug+mixup"}
    [(floats, _)] = collect(pipeline(faces, dtype="float32", **options))
    [(integers, _)] = collect(pipeline(faces, dtype="uint8", **options))
    assert integers.dtype == np.uint8
    np.testing.assert_array_equal(floats, integers)


def test_resize_is_antialiased():
    """Stripes of one pixel become even grey; plain bilinear sampling would keep stripes."""
    stripes = np.zeros((1, 64, 64, 1), "uint8")
    stripes[:, :, ::2] = 255
    [(got, _)] = collect(pipeline((stripes, [0]), size=16))
    assert np.abs(got[:, :, 2:-2] - 127.5).max() < 3


@pytest.mark.parametrize(("own", "channels"), [(3, None), (3, 1), (1, None), (1, 3)])
def test_a_face_with_a_box_is_cut_as_in_recognition(own, channels):
    rng = np.random.default_rng(2)
    images = rng.integers(0, 256, (2, 32, 40, own), "uint8")
    boxes = np.float32([[3.3, 2.1, 20, 17], [-4, 20, 30.5, 30.5]])
    data = {"image": images, "label": [0, 1], "box": boxes}
    framing = FRAMINGS["yunet"]
    [(got, _)] = collect(pipeline(data, size=16, channels=channels, batch_size=1, framing=framing))
    for face, image, box in zip(got, images, boxes, strict=True):
        expected = cut_face(image, box, 16, channels or own, framing=framing)
        np.testing.assert_array_equal(face, np.rint(expected))


def test_a_box_frames_its_face_as_it_is_told():
    image = np.random.default_rng(3).integers(0, 256, (32, 32, 1), "uint8")
    data = {"image": image[None], "label": [0], "box": np.float32([[8, 6, 10, 10]])}
    [(got, _)] = collect(pipeline(data, size=20, framing=Framing(2.0, 0.1, -0.1)))
    np.testing.assert_array_equal(got[0], image[0:20, 4:24])
    # Of faces that say it themselves, unless an argument does.
    told = data | {"framing": np.array([[2.0, 0.1, -0.1]])}
    [(got, _)] = collect(pipeline(told, size=20))
    np.testing.assert_array_equal(got[0], image[0:20, 4:24])
    [(got, _)] = collect(pipeline(told, size=10, framing=Framing(1.0, 0.0, 0.0)))
    np.testing.assert_array_equal(got[0], image[6:16, 8:18])


@pytest.mark.slow
def test_pictures_of_many_sizes_as_a_tfds_would_give_them():
    def generate():
        for i in range(5):
            yield {
                "image": np.full((10 + i, 20 - i, 3), 40 * i, "uint8"),
                "label": i,
                "id": f"face{i}",
            }

    signature = {
        "image": tf.TensorSpec((None, None, 3), tf.uint8),
        "label": tf.TensorSpec((), tf.int64),
        "id": tf.TensorSpec((), tf.string),
    }
    source = tf.data.Dataset.from_generator(generate, output_signature=signature)
    batches = pipeline(source, size=16, training=True, batch_size=2, augmentation="randaug")
    [(images, labels)] = collect(batches)
    assert images.shape == (5, 16, 16, 3)
    assert labels.sum(0)[:5].tolist() == [1] * 5


def test_files_and_encoded_pictures(tmp_path):
    rng = np.random.default_rng(4)
    images = rng.integers(0, 256, (3, 12, 12, 3), "uint8")
    paths = [tmp_path / f"face {i}.png" for i in range(3)]
    for path, image in zip(paths, images, strict=True):
        cv2.imwrite(str(path), image[..., ::-1])
    for names in (paths, [str(path) for path in paths]):
        [(got, _)] = collect(pipeline((names, [0, 1, 2]), size=12))
        np.testing.assert_array_equal(got, images)
    encoded = tf.data.Dataset.from_tensor_slices(
        {"image": [path.read_bytes() for path in paths], "label": [0, 1, 2]}
    )
    [(got, _)] = collect(pipeline(encoded, size=12, channels=3))
    np.testing.assert_array_equal(got, images)
    webp = [("webp", mode) for mode in ("RGB", "RGBA") if hasattr(tf.io, "decode_webp")]
    for ending, mode in (("bmp", "RGB"), ("gif", "RGB"), ("jpg", "CMYK"), *webp):
        image = Image.fromarray(images[0]).convert(mode)
        if mode == "RGBA":
            image.putalpha(100)
        image.save(tmp_path / f"face.{ending}")
        grey = collect(pipeline(([tmp_path / f"face.{ending}"], [0]), size=12, channels=1))[0][0]
        [(colour, _)] = collect(pipeline(([tmp_path / f"face.{ending}"], [0]), size=12, channels=3))
        np.testing.assert_allclose(grey, tf.image.rgb_to_grayscale(colour), atol=1)
    # What TensorFlow does not decode would stop the training without a name.
    text, tiff, absent = (tmp_path / name for name in ("text.png", "scan.tif", "absent.png"))
    text.write_text("no picture")
    cv2.imwrite(str(tiff), images[0])
    wrong = r"3 of 4 files that are missing or no such pictures: .*text\.png, .*scan\.tif, .*absent"
    with pytest.raises(ValueError, match=wrong):
        pipeline(([*paths[:1], text, tiff, absent], [0, 1, 2, 3]), size=12)
    broken = tf.data.Dataset.from_tensor_slices({"image": [b"no picture"], "label": [0]})
    with pytest.raises(tf.errors.InvalidArgumentError):
        collect(pipeline(broken, size=12))


def test_sparse_labels(faces):
    [(_, labels)] = collect(pipeline(faces, size=24, labels="sparse"))
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, faces[1])


@pytest.mark.parametrize("kind", ["int8", "int16", "uint16", "uint32", "uint64"])
def test_labels_may_be_of_any_integer_type(kind):
    [(_, labels)] = collect(pipeline((IMAGES, np.arange(4, dtype=kind)), size=8, classes=200))
    np.testing.assert_array_equal(labels.argmax(axis=-1), np.arange(4))


@given(
    smoothing=st.floats(0, 0.9),
    mixup=st.booleans(),
    votes=st.lists(st.lists(st.integers(-1, 10), min_size=7, max_size=7), min_size=4, max_size=4),
)
@settings(max_examples=3, deadline=None)
def test_label_mass_is_one(smoothing, mixup, votes):
    data = {
        "image": np.zeros((4, 4, 4, 1), "uint8"),
        "label": np.arange(4),
        "votes": np.float32(votes),
    }
    for kind in ("one_hot", "soft"):
        batches = pipeline(
            data,
            size=4,
            training=True,
            labels=kind,
            label_smoothing=smoothing,
            augmentation="mixup" if mixup else None,
        )
        [(_, labels)] = collect(batches)
        assert labels.dtype == np.float32
        assert labels.min() >= 0
        np.testing.assert_allclose(labels.sum(-1), 1, atol=1e-5)


def test_label_smoothing_is_keras_s(faces):
    [(_, labels)] = collect(pipeline(faces, size=24, label_smoothing=0.1))
    np.testing.assert_allclose(labels, np.eye(7)[faces[1]] * 0.9 + 0.1 / 7, atol=1e-6)


def test_soft_labels_from_ferplus_votes():
    # neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, NF
    votes = np.float32(
        [
            [2, 6, 0, 0, 0, 0, 0, 0, 2, 0],
            [0, 0, 1, 0, 4, 0, 5, 0, 0, 0],
            [0, 0, 0, 0, 0, 0, 0, 5, 2, 3],
            [-1] * 10,
        ]
    )
    data = {"image": np.zeros((4, 4, 4, 1), "uint8"), "label": [3, 2, 5, 6], "votes": votes}
    [(_, labels)] = collect(pipeline(data, size=4, labels="soft"))
    expected = np.zeros((4, 7))
    expected[0, [EMOTIONS.index("neutral"), EMOTIONS.index("happy")]] = 0.25, 0.75
    expected[1, [EMOTIONS.index(n) for n in ("surprise", "angry", "fear")]] = 0.1, 0.4, 0.5
    expected[2, 5] = expected[3, 6] = 1
    np.testing.assert_allclose(labels, expected, atol=1e-6)


def test_given_weights_pass_as_labels():
    weights = np.float32([[0.2, 0.8], [1.0, 0.0]])
    data = (np.zeros((2, 4, 4, 1), "uint8"), weights)
    for kind in ("one_hot", "soft"):
        [(_, labels)] = collect(pipeline(data, size=4, classes=2, labels=kind))
        np.testing.assert_allclose(labels, weights)


def test_drop_remainder(faces):
    batches = pipeline(faces, size=24, batch_size=16, drop_remainder=True)
    assert [len(images) for images, _ in batches] == [16, 16, 16]


IMAGES = np.zeros((4, 8, 8, 1), "uint8")
GOOD = (IMAGES, np.arange(4))
BOXED = {"image": IMAGES, "label": np.arange(4), "box": np.ones((4, 4), "float32")}


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (GOOD, {"size": 0}, "`size` must be a positive integer .* Received: size=0"),
        (GOOD, {"size": (4, 4, 1)}, "`size` must be"),
        (GOOD, {"size": 4.5}, "`size` must be"),
        (GOOD, {"classes": 0}, "`classes` must be an integer >= 1"),
        (GOOD, {"batch_size": 0}, "`batch_size` must be an integer >= 1"),
        (GOOD, {"initial_epoch": -1}, "`initial_epoch` must be an integer >= 0"),
        (GOOD, {"shuffle": 0}, "`shuffle` must be an integer >= 1"),
        (GOOD, {"labels": "hard"}, "`labels` must be one of"),
        (GOOD, {"dtype": "float64"}, "`dtype` must be one of"),
        (GOOD, {"channels": 2}, "`channels` must be one of"),
        (GOOD, {"label_smoothing": 1.0}, r"`label_smoothing` must be in \[0, 1\)"),
        (GOOD, {"label_smoothing": 0.1, "labels": "sparse"}, "Label smoothing needs"),
        (GOOD, {"framing": "mtcnn"}, "`framing` must be a `fer_data.faces.Framing`"),
        (BOXED, {}, "`framing` must say how the faces lie in their boxes.*FRAMINGS"),
        (BOXED, {"size": (8, 9)}, r"two alike, where the data set has the feature `box`.*\(8, 9\)"),
        (GOOD, {"augmentation": "heavy"}, "`augmentation` must be .*'heavy'"),
        (GOOD, {"augmentation": "mixup", "labels": "sparse", "training": True}, "MixUp needs"),
        (GOOD, {"augmentation": "mixup", "batch_size": 1, "training": True}, "MixUp needs"),
        (GOOD, {"labels": "soft"}, "Soft labels need the feature `votes`"),
        (GOOD, {"batch_size": 8, "drop_remainder": True}, "No full batch"),
        ((IMAGES, [0, 1, 2, 7]), {}, r"Labels must be in \[0, 7\). Received: 7 at 3, 1 in all"),
        ((IMAGES, [0, 1, 2, -1]), {}, "Labels must be in"),
        ((IMAGES, [0, 1]), {}, "must have one length"),
        ((IMAGES, [0.0, 1.0, 2.0, 3.0]), {}, "`label` must be an integer"),
        ((IMAGES / 255.0, np.arange(4)), {}, "`image` must be uint8 .* dtype=float64"),
        ((np.zeros((4, 8, 8, 2), "uint8"), np.arange(4)), {}, "`image` must be uint8"),
        ((IMAGES[:0], []), {}, "The data set is empty"),
        (IMAGES, {}, "`dataset` must be a tf.data.Dataset, a pair"),
        ({"image": IMAGES}, {}, "must have the features"),
        (tf.data.Dataset.from_tensor_slices(GOOD).batch(2), {}, "not batched"),
        (tf.data.Dataset.from_tensor_slices(IMAGES), {}, "must hold dictionaries or pairs"),
        (tf.data.Dataset.from_tensor_slices(GOOD).repeat(), {}, "`dataset` must be finite"),
        (tf.data.Dataset.from_tensor_slices(GOOD).take(0), {}, "The data set is empty"),
        (
            tf.data.Dataset.from_tensor_slices(GOOD).filter(lambda image, label: label > 9),
            {},
            "The data set is empty",
        ),
        (
            {"image": IMAGES, "label": np.arange(4), "votes": np.zeros((4, 9))},
            {"labels": "soft"},
            "`vote_order` must give each of the 7 classes",
        ),
        (GOOD, {"vote_order": range(7)}, '`vote_order` needs `labels="soft"` and the feature `vo'),
        (GOOD, {"workers": 0}, "`workers` must be an integer >= 1, or -1 .* Received: workers=0"),
        ((IMAGES, np.eye(4)), {"labels": "sparse", "classes": 4}, "needs integer labels"),
    ],
)
def test_bad_arguments(data, options, message):
    with pytest.raises(ValueError, match=message):
        pipeline(data, **{"size": 8, **options})


def test_label_outside_the_classes_of_a_dataset():
    source = tf.data.Dataset.from_tensor_slices((IMAGES, [0, 1, 2, 7]))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"`label` must be in \[0, 7\)"):
        collect(pipeline(source, size=8))


@pytest.mark.parametrize("weights", [[0.5, -0.5], [0.0, 0.0]])
def test_label_weights_that_are_no_distribution(weights):
    data = (IMAGES[:1], np.float32([weights]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="weights must not be negative"):
        collect(pipeline(data, size=8, classes=2))


@pytest.mark.parametrize("box", [[8, 0, 4, 4], [-9, 0, 4, 4], [0, 0, 0, 4], [0, np.nan, 4, 4]])
def test_box_outside_its_picture(box):
    data = {"image": IMAGES[:1], "label": [0], "box": np.float32([box])}
    with pytest.raises(tf.errors.InvalidArgumentError, match="must meet its picture"):
        collect(pipeline(data, size=8, framing=FRAMINGS["mtcnn"]))
