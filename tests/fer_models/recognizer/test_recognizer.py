"""The Recognizer with a detector and a network that can be foretold."""

import itertools
import json

import keras
import numpy as np
import pytest

import fer_models
from fer_data.compiled import lite_runner
from fer_data.faces import FRAMINGS, Face
from fer_data.labels import EMOTIONS
from fer_data.video import VideoWriter
from fer_models.evaluation import shift_class_shares
from fer_models.recognizer import Expression, FrameResult, Recognizer, Session
from fer_models.zoo.class_shares import shares_of_card

SIZE = 16


def network(size=SIZE, channels=1, classes=7, activation="softmax"):
    """Class 0 for dark faces, the last class for bright ones; more of class 1 if lit from left."""
    image = keras.Input((size, size, channels))
    dense = keras.layers.Dense(classes, activation=activation)
    model = keras.Model(image, dense(keras.layers.Flatten()(image)))
    kernel = np.zeros((size, size, channels, classes), np.float32)
    kernel[..., -1], kernel[..., 0] = 0.04, -0.04
    kernel[:, : size // 2, :, 1], kernel[:, size // 2 :, :, 1] = 0.05, -0.05
    bias = np.zeros(classes, np.float32)
    bias[-1], bias[0] = -5.0, 5.0
    dense.set_weights([kernel.reshape(-1, classes) / (size * size * channels), bias])
    return model


class Blocks:
    """Finds the pictures' blocks of 40 pixels that are not grey 128; the brightest first."""

    def __init__(self):
        self.pictures = 0

    def detect(self, image):
        self.pictures += 1
        faces = []
        for y, x in itertools.product(
            range(0, image.shape[0] - 39, 40), range(0, image.shape[1] - 39, 40)
        ):
            value = float(image[y : y + 40, x : x + 40].mean())
            if abs(value - 128) > 20:
                faces.append(Face((x, y, 40, 40), value / 255, framing=FRAMINGS["mtcnn"]))
        return sorted(faces, key=lambda face: -face.score)


def picture(*values, size=(120, 160)):
    """Return a grey picture whose first blocks in the second row have these values."""
    pixels = np.full((*size, 3), 128, np.uint8)
    for place, value in enumerate(values):
        pixels[40:80, 40 * place : 40 * (place + 1)] = value
    return pixels


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer(network(), Blocks())


def test_photo(recognizer):
    dark, bright = recognizer.photo(picture(0, 255))[::-1]
    assert isinstance(bright, Expression)
    assert (bright.label, dark.label) == ("neutral", "angry")
    assert bright.box == (40.0, 40.0, 40.0, 40.0)
    assert (bright.score, bright.track, bright.timestamp) == (1.0, None, None)
    # Nobody fitted a rule for this network, and a plain block is no sharp face.
    assert (bright.set, bright.quality.verdict, bright.answer) == (None, "blurred", "unsure")
    assert list(bright.probabilities) == list(EMOTIONS) == list(recognizer.class_names)
    assert sum(bright.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert (
        bright.confidence == bright.probabilities["neutral"] == max(bright.probabilities.values())
    )
    assert json.loads(json.dumps(bright.to_dict()))["box"] == [40, 40, 40, 40]


def test_no_face_is_an_empty_list(recognizer):
    assert recognizer.photo(picture()) == []


def test_grey_and_file_are_as_good_as_colour(recognizer, tmp_path):
    from PIL import Image

    Image.fromarray(picture(255)).save(tmp_path / "photo.png")
    expected = recognizer.photo(picture(255))
    assert recognizer.photo(picture(255)[..., 0]) == expected
    assert recognizer.photo(tmp_path / "photo.png") == expected


def test_photos_are_those_of_photo_in_order_and_lazy(recognizer):
    pictures = [picture(255), picture(), picture(0, 10, 255, 40), picture(30, size=(80, 200))] * 3
    expected = [recognizer.photo(one) for one in pictures]
    for batch_size in (1, 5, None):
        found = list(recognizer.photos(iter(pictures), batch_size))
        for few, many in zip(expected, found, strict=True):
            assert [face.box for face in few] == [face.box for face in many]
            for one, other in zip(few, many, strict=True):
                assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)
    endless = recognizer.photos(itertools.repeat(picture(255)), 4)
    assert next(endless)[0].label == "neutral"


def test_photos_may_come_in_one_array(recognizer):
    pictures = [picture(255), picture(), picture(0, 10), picture(30)]

    def in_one_array():
        array = np.empty_like(pictures[0])
        for one in pictures:
            array[:] = one
            yield array

    found = [[face.label for face in faces] for faces in recognizer.photos(in_one_array())]
    assert found == [[face.label for face in recognizer.photo(one)] for one in pictures]


@pytest.mark.backend
@pytest.mark.skipif(keras.backend.backend() == "torch", reason="there the weights are shared")
def test_later_training_does_not_change_the_answers():
    model, crops = network(), np.full((2, SIZE, SIZE, 1), [[[[200]]], [[[40]]]], np.uint8)
    recognizer = Recognizer(model, Blocks())
    before = recognizer.classify(crops)
    model.compile("sgd", "categorical_crossentropy")
    model.predict(crops, verbose=0)
    np.testing.assert_array_equal(recognizer.classify(crops), before)
    model.evaluate(crops, np.eye(7)[:2], verbose=0)
    model.fit(crops, np.eye(7)[:2], verbose=0)
    np.testing.assert_array_equal(recognizer.classify(crops), before)


def test_photos_hold_few_large_pictures(recognizer, monkeypatch):
    from fer_models.recognizer import recognizer as module

    taken = []
    large = (taken.append(1) or picture(255) for _ in range(50))
    monkeypatch.setattr(module, "MOST_WAITING", 3 * picture().nbytes)
    next(recognizer.photos(large))
    assert len(taken) == 3


def test_class_names_limits_and_flip():
    names = ("a", "b", "c")
    recognizer = Recognizer(
        network(classes=3), Blocks(), class_names=names, min_score=0.5, max_faces=1, flip=True
    )
    assert recognizer.class_names == names
    faces = recognizer.photo(picture(0, 200, 255))
    assert [face.box[0] for face in faces] == [80]
    left = np.zeros((1, SIZE, SIZE, 1), np.uint8)
    left[:, :, : SIZE // 2] = 255
    np.testing.assert_allclose(
        recognizer.classify(left), recognizer.classify(left[:, :, ::-1]), atol=1e-6
    )
    plain = Recognizer(network(classes=3), Blocks(), class_names=names)
    both = (plain.classify(left) + plain.classify(left[:, :, ::-1])) / 2
    np.testing.assert_allclose(recognizer.classify(left), both, atol=1e-6)


@pytest.mark.backend
def test_classify_is_the_model(recognizer):
    model = network()
    crops = np.random.default_rng(0).integers(0, 256, (37, SIZE, SIZE, 1), dtype=np.uint8)
    expected = keras.ops.convert_to_numpy(model(crops.astype("float32")))
    for count in (0, 1, 3, 37):
        found = recognizer.classify(crops[:count])
        assert found.dtype == np.float32
        assert found.shape == (count, 7)
        np.testing.assert_allclose(found, expected[:count], atol=1e-6)
    large = np.kron(crops, np.ones((1, 2, 2, 3), np.uint8))
    np.testing.assert_allclose(recognizer.classify(large), expected, atol=1e-5)


def test_an_operation_that_litert_lacks_runs_all_the_same():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("LiteRT runs the networks of TensorFlow")

    class Odd(keras.Layer):
        def call(self, x):
            return x + 0 * keras.ops.erfinv(keras.ops.clip(x, 0, 0.5))

    plain = network()
    odd = keras.Model(plain.input, Odd()(plain.output))
    with pytest.warns(UserWarning, match="runs in TensorFlow"):
        recognizer = Recognizer(odd, Blocks())
    crops = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 1), dtype=np.uint8)
    expected = keras.ops.convert_to_numpy(plain(crops.astype("float32")))
    np.testing.assert_allclose(recognizer.classify(crops), expected, atol=1e-6)


def test_without_litert_tensorflow_runs_it(monkeypatch):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("LiteRT runs the networks of TensorFlow")
    monkeypatch.setattr(lite_runner, "available", lambda: False)
    crops = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 1), dtype=np.uint8)
    expected = keras.ops.convert_to_numpy(network()(crops.astype("float32")))
    found = Recognizer(network(), Blocks()).classify(crops)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_detector_that_follows_is_asked_near_known_faces():
    class Following(Blocks):
        followed = 0

        def follow(self, image, boxes):
            self.followed += 1
            return [face for face in self.detect(image) if tuple(face.box) in map(tuple, boxes)]

    detector = Following()
    recognizer = Recognizer(network(), detector, max_faces=2, min_score=0.1)
    # Flow needs structure.
    structure = np.random.default_rng(0).integers(-20, 20, (24, 32, 1))
    shown = picture(200, 230, 30) + np.kron(structure, np.ones((5, 5, 3), int))
    shown = shown.astype(np.uint8)
    for search_every, followed in ((10, 2), (0.2, 0)):
        session = recognizer.session(detect_every=0.2, search_every=search_every)
        detector.followed = 0
        for time in (0.0, 0.2, 0.4):
            assert len(session.frame(shown, time)) == 2
        assert detector.followed == followed
    assert not hasattr(Recognizer(network(), Blocks()).detector, "follow")
    with pytest.raises(ValueError, match="search_every"):
        recognizer.session(search_every=-1)


def test_network_in_colour():
    recognizer = Recognizer(network(channels=3), Blocks())
    assert recognizer.photo(picture(255))[0].label == "neutral"
    grey = np.full((2, SIZE, SIZE, 1), 255, np.uint8)
    assert recognizer.classify(grey).argmax(-1).tolist() == [6, 6]


def test_whole_model_from_a_file(tmp_path):
    network().save(tmp_path / "model.keras")
    recognizer = Recognizer(tmp_path / "model.keras", Blocks())
    assert recognizer.input_size == SIZE
    assert recognizer.photo(picture(255))[0].label == "neutral"


def write_video(path, values, fps=25):
    with VideoWriter(path, fps=fps) as writer:
        for each in values:
            writer.write(picture(*each))


def test_video_tracks_and_smooths(recognizer, tmp_path):
    path = tmp_path / "turns.mp4"
    write_video(path, [(0,)] * 10 + [(255,)] * 20)
    results = list(recognizer.video(path, smoothing=0.3, detect_every=0))
    assert all(isinstance(result, FrameResult) for result in results)
    assert [result.number for result in results] == list(range(30))
    assert results[5].timestamp == pytest.approx(0.2)
    assert results[5].image.shape == (120, 160, 3)
    assert "image" not in json.loads(json.dumps(results[5].to_dict()))
    assert {face.track for result in results for face in result.faces} == {0}
    bright = [result.faces[0].probabilities["neutral"] for result in results]
    raw = list(recognizer.video(path, smoothing=0, detect_every=0))
    sharp = [result.faces[0].probabilities["neutral"] for result in raw]
    expected = sharp[0]
    for found, value in zip(bright[1:], sharp[1:], strict=True):
        expected += (1 - np.exp(-0.04 / 0.3)) * (value - expected)
        assert found == pytest.approx(expected, abs=1e-5)
    for result in results:
        assert sum(result.faces[0].probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_video_without_faces_and_in_constant_memory(recognizer, tmp_path):
    write_video(tmp_path / "none.mp4", [()] * 20)
    seen = recognizer.video(tmp_path / "none.mp4")
    assert [result.faces for result in itertools.islice(seen, 3)] == [[]] * 3
    seen.close()


def test_sessions_know_nothing_of_each_other(recognizer):
    one, other = recognizer.session(smoothing=5), recognizer.session(smoothing=5)
    assert isinstance(one, Session)
    one.frame(picture(0), 0.0)
    assert one.frame(picture(255), 0.3)[0].label == "angry"
    assert other.frame(picture(255), 0.0)[0].label == "neutral"
    one.reset()
    assert one.frame(picture(255), 0.0)[0].label == "neutral"
    assert set(one.milliseconds) == {"detect", "classify", "total"}
    assert one.milliseconds["total"] > 0


def test_a_long_pause_starts_afresh(recognizer):
    session = recognizer.session()
    first = session.frame(picture(0), 0.0)[0]
    later = session.frame(picture(255), 1000.0)[0]
    assert (first.label, later.label) == ("angry", "neutral")


def test_frame_uses_the_clock(recognizer):
    times = [recognizer.frame(picture(255))[0].timestamp for _ in range(3)]
    assert times == sorted(times)
    assert times[0] == 0


def test_lazy_name():
    assert fer_models.Recognizer is Recognizer
    with pytest.raises(AttributeError, match="Recogniser"):
        _ = fer_models.Recogniser


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"weights": "fer1913"}, ValueError, "fer1913"),
        ({"weights": None}, ValueError, "weights"),
        ({"weights": "nowhere.keras"}, FileNotFoundError, "nowhere.keras"),
        ({"weights": "some.weights.h5"}, FileNotFoundError, "no model at 'some.weights.h5'"),
        ({"weights": "fer2013", "model": "nonesuch"}, ValueError, "nonesuch"),
        ({"detector": "haar"}, ValueError, "haar"),
        ({"detector": 3}, ValueError, "detector"),
        ({"class_names": ("one", "two")}, ValueError, "class_names"),
        ({"class_names": ("one",) * 7}, ValueError, "different"),
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"max_faces": 0}, ValueError, "max_faces"),
        ({"min_score": "high"}, ValueError, "min_score"),
        ({"flip": "yes"}, ValueError, "flip"),
    ],
)
def test_bad_arguments(options, error, message):
    with pytest.raises(error, match=message):
        Recognizer(**{"weights": network(), "detector": Blocks(), **options})


def test_models_that_do_not_fit():
    with pytest.raises(ValueError, match="class_names"):
        Recognizer(network(classes=5), Blocks())
    with pytest.raises(ValueError, match="softmax"):
        Recognizer(network(activation=None), Blocks())
    image = keras.Input((None, None, 1))
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    with pytest.raises(ValueError, match="size fixed"):
        Recognizer(keras.Model(image, pooled), Blocks())
    image = keras.Input((8, 8, 1))
    with pytest.raises(ValueError, match="output"):
        Recognizer(keras.Model(image, keras.layers.ReLU()(image)), Blocks())


def test_bad_input(recognizer, tmp_path):
    with pytest.raises(ValueError, match="shape"):
        recognizer.photo(np.zeros((4, 4, 9), np.uint8))
    with pytest.raises(FileNotFoundError):
        recognizer.photo(tmp_path / "none.jpg")
    with pytest.raises(ValueError, match="iterable"):
        recognizer.photos("photo.jpg")
    with pytest.raises(ValueError, match=r"images\[1\]"):
        list(recognizer.photos([picture(), np.zeros((4, 4, 9), np.uint8)]))
    with pytest.raises(ValueError, match="batch_size"):
        recognizer.photos([picture()], batch_size=0)
    for one in (picture(), picture()[..., 0], {"a.png": picture()}):
        with pytest.raises(ValueError, match="one picture goes to `photo`"):
            recognizer.photos(one)
    for bad in (np.zeros((2, 4, 5, 1), "u1"), np.zeros((4, 4), "u1"), np.zeros((2, 0, 0, 1), "u1")):
        with pytest.raises(ValueError, match="crops"):
            recognizer.classify(bad)
    with pytest.raises(ValueError, match="crops"):
        recognizer.classify(np.zeros((1, 4, 4, 1), np.int32))
    for scaled in (np.linspace(0, 1, 16), np.linspace(-1, 1, 16)):
        with pytest.raises(ValueError, match="`crops` must hold pixels in"):
            recognizer.classify(scaled.reshape(1, 4, 4, 1))
    with pytest.raises(ValueError, match="smoothing"):
        recognizer.session(smoothing=-1)
    with pytest.raises(ValueError, match="detect_every"):
        recognizer.video(tmp_path, detect_every=-1, fps=25)
    with pytest.raises(FileNotFoundError):
        recognizer.video(tmp_path / "none.mp4")
    session = recognizer.session()
    session.frame(picture(), 1.0)
    with pytest.raises(ValueError, match="timestamp"):
        session.frame(picture(), 0.5)


def test_folder_of_frames_needs_fps(recognizer, tmp_path):
    from PIL import Image

    for place in range(3):
        Image.fromarray(picture(255)).save(tmp_path / f"frame{place}.png")
    with pytest.raises(ValueError, match="fps"):
        recognizer.video(tmp_path)
    times = [result.timestamp for result in recognizer.video(tmp_path, fps=10)]
    assert times == [0, 0.1, 0.2]


def test_shares_of_classes_shift_the_answers_of_bundled_weights():
    face = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 1)).astype("float32")
    plain, shifted = Recognizer(), Recognizer(class_shares={"neutral": 0.9})
    known = shares_of_card(fer_models.zoo.bundled.weights("ghostface", "ferplus").card)
    wanted = np.full(7, 0.1 / 6)
    wanted[plain.class_names.index("neutral")] = 0.9
    expected = shift_class_shares(plain.classify(face), known, wanted)
    np.testing.assert_allclose(shifted.classify(face), expected, atol=1e-6)
    # A picture without a face, and names of one's own.
    assert shifted.photo(np.zeros((64, 64, 3), np.uint8)) == []
    german = [f"{name}_de" for name in plain.class_names]
    named = Recognizer(class_names=german, class_shares={"neutral_de": 0.9})
    np.testing.assert_array_equal(named.classify(face), shifted.classify(face))
    # The card's rule for sets holds for its own shares.
    assert plain.set_rule is not None
    assert shifted.set_rule is None
    rule = plain.set_rule
    assert Recognizer(class_shares="even", sets=rule).set_rule is rule
    with pytest.raises(ValueError, match=r"`sets` must be a `SetRule` or None"):
        Recognizer(class_shares="even", sets=0.9)
    with pytest.raises(ValueError, match="weights whose card does not state the shares"):
        Recognizer(network(), class_shares="even")
    with pytest.raises(ValueError, match='must be "even" or shares by names'):
        Recognizer(class_shares={"joy": 0.5})
