"""RetinaFace as a detector: faces in photos, batches, anchors, bad arguments and files."""

import hashlib
import xml.etree.ElementTree as ElementTree

import cv2
import numpy as np
import pytest
from helpers import retinaface
from helpers.shared import shared_path
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_data.compiled import lite_runner, ready_files
from fer_data.faces.compiled_mtcnn import FOLDER
from fer_data.faces.image import read_image
from fer_data.faces.retinaface import detector as module
from fer_data.faces.retinaface import network as network_module
from fer_data.faces.retinaface import weights
from fer_data.faces.retinaface.anchors import anchors, decode
from fer_data.faces.retinaface.detector import RetinaFaceDetector
from fer_data.faces.retinaface.rows import NAME, keras_rows, ready_rows

PUBLIC = "weights/retinaface_mobilenet025.h5"


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """The path of a weights file of random numbers."""
    path = tmp_path_factory.mktemp("weights") / "random.h5"
    return retinaface.write(path, retinaface.random_arrays(retinaface.layout()))


@pytest.fixture(scope="module")
def trained():
    return RetinaFaceDetector()


@pytest.fixture(scope="module")
def photos():
    """Four photos, 640 pixels wide, each with the boxes of its annotated faces: 18 in all."""
    folder = shared_path("data/landmarks")
    root = ElementTree.parse(folder / "training_with_face_landmarks.xml")
    found = []
    for image in root.iter("image"):
        pixels = read_image(folder / image.get("file"))
        scale = 640 / pixels.shape[1]
        boxes = [
            [float(box.get(side)) * scale for side in ("left", "top", "width", "height")]
            for box in image.iter("box")
        ]
        found.append((cv2.resize(pixels, (640, round(pixels.shape[0] * scale))), boxes))
    return found


class Planted:
    """In the place of the network: finds what was planted, and remembers what it was shown."""

    def __init__(self, faces=()):
        self.faces = faces
        self.shown = []

    def __call__(self, pixels):
        self.shown.append(pixels)
        rows = np.zeros((len(pixels), len(anchors(*pixels.shape[1:3])), 15), np.float32)
        for anchor, score in self.faces:
            rows[:, anchor, 0] = score
        return rows


@pytest.fixture(scope="module")
def network():
    return network_module.retinaface_mobilenet025()


@pytest.fixture
def built_once(network, monkeypatch):
    """Give all Keras networks of a test one model."""
    monkeypatch.setattr(network_module, "retinaface_mobilenet025", lambda: network)


@pytest.fixture
def planted(monkeypatch):
    """Make detectors that find what a test plants, and keep what was shown in `shown`."""

    def build(faces=(), **options):
        network = Planted(faces)
        monkeypatch.setattr(module, "ready_rows", lambda weights: network)
        detector = RetinaFaceDetector(**options)
        detector.shown = network.shown
        return detector

    return build


def overlap(one, other):
    """Intersection over union of two boxes."""
    one, other = np.asarray(one, float), np.asarray(other, float)
    low = np.maximum(one[:2], other[:2])
    high = np.minimum(one[:2] + one[2:], other[:2] + other[2:])
    common = np.prod(np.clip(high - low, 0, None))
    return common / (one[2:].prod() + other[2:].prod() - common)


def count(detector, photos):
    """How many annotated faces were found, and how many faces were not annotated."""
    hits = extra = 0
    found = detector.detect_batch([image for image, _ in photos])
    for faces, (_, boxes) in zip(found, photos, strict=True):
        faces = list(faces)
        for box in boxes:
            best = max(faces, key=lambda face: overlap(face.box, box), default=None)
            if best is not None and overlap(best.box, box) > 0.4:
                hits += 1
                faces.remove(best)
        extra += len(faces)
    return hits, extra


# ------------------------------------------------------------------------------ photos with faces


@pytest.mark.parametrize("working_size", [pytest.param(640, marks=pytest.mark.slow), 320])
def test_annotated_faces_are_found(trained, photos, monkeypatch, working_size):
    monkeypatch.setattr(trained, "working_size", working_size)
    hits, extra = count(trained, photos)
    assert hits == sum(len(boxes) for _, boxes in photos) == 18
    assert extra <= 1


def test_colours_are_those_of_training(trained, photos):
    """Red and blue changed over, the same faces get lower scores."""

    def certainty(pictures):
        return np.mean([f.score for faces in trained.detect_batch(pictures) for f in faces[:2]])

    pictures = [image for image, _ in photos]
    assert certainty(pictures) > certainty([image[..., ::-1] for image in pictures])


def test_batch_equals_single(trained, photos):
    """Pictures of several sizes, batched and one by one."""
    pictures = [photos[0][0], photos[2][0], photos[1][0], photos[0][0][100:330, :211]]
    for alone, together in zip(
        map(trained.detect, pictures), trained.detect_batch(pictures), strict=True
    ):
        assert len(alone) == len(together) > 0
        for one, other in zip(alone, together, strict=True):
            assert one.score == pytest.approx(other.score, abs=1e-4)
            np.testing.assert_allclose(one.box, other.box, atol=0.02)
            np.testing.assert_allclose(one.points, other.points, atol=0.02)


def test_mirrored_picture_gives_mirrored_faces(trained, photos):
    """Half a pixel too much in boxes or points would show: it does not change sides."""
    boxes, points = [], []
    for image, _ in photos:
        width = image.shape[1]
        mirrored = trained.detect(np.ascontiguousarray(image[:, ::-1]))
        for face in trained.detect(image):
            x, y, w, h = face.box
            box = (width - x - w, y, w, h)
            other = max(mirrored, key=lambda found: overlap(found.box, box))
            if overlap(other.box, box) > 0.6:
                boxes.append(x + w / 2 + other.box[0] + other.box[2] / 2 - width)
                points.append(np.mean(face.points[:, 0] + other.points[:, 0] - (width - 1)))
    assert len(boxes) >= 18
    # A sum of two places: half a pixel of error in each would make it 1.
    assert abs(np.median(boxes)) < 0.4
    assert abs(np.median(points)) < 0.4


def test_astronaut(trained):
    data = pytest.importorskip("skimage.data")
    faces = trained.detect(data.astronaut())
    assert len(faces) == 1
    assert faces[0].detector == "retinaface"
    assert overlap(faces[0].box, (177, 60, 95, 116)) > 0.9
    left_eye, right_eye, nose, left_mouth, right_mouth = faces[0].points
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < nose[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


@pytest.mark.parametrize("shape", [(1, 1), (7, 300), (40, 33)])
def test_tiny_pictures_without_faces(trained, shape):
    assert trained.detect(np.full((*shape, 3), 90, np.uint8)) == []


# -------------------------------------------------------------------------------- without weights


def test_pictures_of_one_padded_size_go_together(planted):
    detector = planted(batch_size=2)
    sizes = [(64, 96), (33, 65), (32, 32), (50, 90), (1, 32)]
    pictures = [np.full((*size, 3), place, np.uint8) for place, size in enumerate(sizes)]
    assert detector.detect_batch(pictures) == [[]] * 5
    assert [shown.shape for shown in detector.shown] == [
        (2, 64, 96, 3),
        (1, 64, 96, 3),
        (2, 32, 32, 3),
    ]
    first = detector.shown[0]
    assert (first[0] == 0).all()
    assert (first[1, :33, :65] == 1).all()
    assert (first[1, 33:] == module.BORDER).all()
    assert (first[1, :, 65:] == module.BORDER).all()


def test_faces_come_in_the_pixels_of_the_picture(planted):
    # The first anchor of a 32x64 picture has its centre 4 pixels from both edges, and side 16.
    [face] = planted([(2, 0.75)], working_size=64).detect(np.zeros((64, 128, 3), np.uint8))
    np.testing.assert_allclose(face.box, np.float32([4, -4, 16, 16]).clip(0) * 2 - [0, 0, 0, 8])
    np.testing.assert_allclose(face.points, [(12 * 2 - 0.5, 4 * 2 - 0.5)] * 5)
    assert face.score == 0.75


def test_weak_and_overlapping_finds_are_dropped(planted):
    faces = [(0, 0.9), (2, 0.95), (12, 0.6), (40, 0.4)]  # the first two are 8 pixels apart
    image = np.zeros((64, 96, 3), np.uint8)

    def scores(**options):
        found = planted(faces, **options).detect(image)
        return [round(face.score, 2) for face in found]

    assert scores() == [0.95, 0.9, 0.6]
    assert scores(iou_threshold=0.3) == [0.95, 0.6]
    assert scores(min_score=0.4, iou_threshold=1) == [0.95, 0.9, 0.6, 0.4]
    assert scores(max_faces=1) == [0.95]
    assert scores(min_score=0.96) == []


@pytest.mark.parametrize(
    "options",
    [
        {"min_score": -0.1},
        {"min_score": 1.5},
        {"min_score": "high"},
        {"iou_threshold": 2},
        {"iou_threshold": float("nan")},
        {"batch_size": 0},
        {"batch_size": 2.0},
        {"through_keras": 1},
        {"working_size": 16},
        {"max_faces": 0},
        {"min_size": -1},
    ],
)
def test_bad_options_are_named_before_any_work(options):
    [name] = options
    with pytest.raises(ValueError, match=rf"`{name}` must be .* Received: {name}="):
        RetinaFaceDetector("nowhere.h5", **options)


def test_missing_weights(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.h5"):
        RetinaFaceDetector(tmp_path / "nowhere.h5")


def test_the_ready_network_gives_what_keras_gives(photos):
    """The file of the public weights is known to be what the ready network was made from."""
    ready = ready_rows(shared_path(PUBLIC))
    assert isinstance(ready, lite_runner.LiteNetwork)
    pixels = np.stack([image[40:136, 60:188] for image, _ in photos[:2]]).astype(np.float32)
    rows = ready(pixels)
    assert rows.shape == (2, len(anchors(96, 128)), 15)
    np.testing.assert_allclose(rows, keras_rows(shared_path(PUBLIC))(pixels), atol=5e-4)


def test_the_ready_network_was_made_from_the_public_weights():
    entry = ready_files.entries(FOLDER)[NAME]
    assert (entry["source"], entry["source_sha256"]) == (weights.URL, weights.SHA256)


def test_the_network_takes_keras_for_other_weights_on_request_and_without_litert(
    untrained, built_once, monkeypatch
):
    asked = []

    def get_file(name, url, **options):
        asked.append((name, url, options["hash_algorithm"], options["file_hash"]))
        return str(untrained)

    monkeypatch.setattr("keras.utils.get_file", get_file)
    # Random numbers see faces anywhere.
    assert RetinaFaceDetector(untrained, min_score=0).detect(np.zeros((32, 32, 3), np.uint8))
    assert asked == []
    RetinaFaceDetector(through_keras=True)
    monkeypatch.setattr(lite_runner, "available", lambda: False)
    RetinaFaceDetector()
    assert asked == [(weights.FILE_NAME, weights.URL, "sha256", weights.SHA256)] * 2
    assert weights.URL.startswith("https://")


def test_shared_weights_are_the_public_ones():
    content = shared_path(PUBLIC).read_bytes()
    assert hashlib.sha256(content).hexdigest() == weights.SHA256


def test_corrupt_weights(tmp_path, untrained, built_once):
    path = tmp_path / "half.h5"
    path.write_bytes(untrained.read_bytes()[:500_000])
    with pytest.raises(ValueError, match=r"half\.h5', which cannot be read"):
        RetinaFaceDetector(path)


def test_bad_picture_is_named(planted):
    with pytest.raises(ValueError, match=r"`images\[1\]` must not be empty"):
        planted().detect_batch([np.zeros((40, 40, 3), np.uint8), np.zeros((0, 40, 3), np.uint8)])


# ---------------------------------------------------------------------------------------- anchors

SIZE = st.integers(1, 12).map(lambda blocks: 32 * blocks)


@given(SIZE, SIZE)
@settings(max_examples=12, deadline=None)
def test_anchors_tile_the_picture(height, width):
    found = anchors(height, width)
    assert len(found) == height * width * 2 * 21 // 1024
    for side, stride in ((16, 8), (32, 8), (64, 16), (128, 16), (256, 32), (512, 32)):
        x, y = found[found[:, 2] == side, :2].T
        assert x.min() == y.min() == stride / 2
        assert x.max() == width - stride / 2
        assert y.max() == height - stride / 2
        assert len({*zip(x.tolist(), y.tolist(), strict=True)}) == len(x)
        np.testing.assert_array_equal(np.lexsort((x, y)), np.arange(len(x)))
    assert not found.flags.writeable


@pytest.mark.parametrize(
    ("size", "name"), [((31, 64), "height"), ((64, 0), "width"), ((64, 48), "width")]
)
def test_anchors_refuse_other_sizes(size, name):
    with pytest.raises(ValueError, match=rf"`{name}` must be .*32"):
        anchors(*size)


@given(st.data())
@settings(max_examples=20, deadline=None)
def test_decode_undoes_the_paper_s_encoding(data):
    number = st.floats(0, 1)
    places = anchors(96, 64)[[data.draw(st.integers(0, 251)) for _ in range(3)]].astype(float)
    box = np.array([[data.draw(number) for _ in range(4)] for _ in range(3)])
    boxes = np.concatenate([box[:, :2] * 90 - 10, box[:, 2:] * 60 + 4], axis=1)
    points = np.array([[data.draw(number) for _ in range(10)] for _ in range(3)]) * 90
    centres, sides = places[:, :2], places[:, 2:]
    encoded_boxes = np.concatenate(
        [
            (boxes[:, :2] + boxes[:, 2:] / 2 - centres) / (0.1 * sides),
            np.log(boxes[:, 2:] / sides) / 0.2,
        ],
        axis=1,
    )
    encoded_points = (points.reshape(3, 5, 2) - centres[:, None]) / (0.1 * sides[:, None])
    got_boxes, got_points = decode(places, encoded_boxes, encoded_points.reshape(3, 10))
    np.testing.assert_allclose(got_boxes, boxes, atol=1e-6)
    np.testing.assert_allclose(got_points, points.reshape(3, 5, 2), atol=1e-6)
