"""The names and types that `fer` and `deepface` give, as they were recorded from them."""

import base64
import contextlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers.peer_outputs import FILE, shape_of, video_shapes
from helpers.shared import ROOT

from fer_data.faces import detectors
from fer_data.video import VideoWriter
from fer_models.compat import (
    FER,
    DeepFace,
    FaceNotDetectedError,
    ImageNotFoundError,
    Video,
    deepface_package,
)

data = pytest.importorskip("skimage.data")
pytest.importorskip("ai_edge_litert")

PEERS = json.loads(FILE.read_text())
BLANK = np.full((120, 160, 3), 128, np.uint8)
OUTSIDE = {"x_min": 900, "x_max": 901, "y_min": 0, "y_max": 9}


@pytest.fixture(scope="module")
def portrait():
    """The portrait as OpenCV reads it, blue first."""
    return data.astronaut()[..., ::-1]


@pytest.fixture(scope="module")
def photo(portrait, tmp_path_factory):
    from PIL import Image

    path = tmp_path_factory.mktemp("photo") / "portrait.png"
    Image.fromarray(portrait[..., ::-1]).save(path)
    return str(path)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "portrait.mp4"
    with VideoWriter(path, fps=25) as writer:
        for shift in range(12):
            writer.write(data.astronaut()[:256, 60 + shift : 316 + shift])
    return str(path)


@pytest.fixture(scope="module")
def fer():
    return FER()


def test_fer_gives_what_fer_gives(fer, portrait, photo):
    recorded = PEERS["fer"]
    found = fer.detect_emotions(portrait)
    assert fer.emotions == found
    assert shape_of(found) == recorded["detect_emotions"]
    assert list(found[0]["emotions"]) == recorded["order"]
    assert shape_of(fer.detect_emotions(photo)) == recorded["of_a_file"]
    given = fer.detect_emotions(portrait, [[150, 60, 120, 120]])
    assert shape_of(given) == recorded["given"]
    assert fer.detect_emotions(BLANK) == recorded["nobody"]
    assert shape_of(fer.find_faces(portrait)) == recorded["find_faces"]
    assert shape_of(fer.batch_detect_emotions([portrait] * 2)) == recorded["batch"]
    assert shape_of(fer.top_emotion(portrait)) == recorded["top_emotion"]
    assert list(fer.top_emotion(BLANK)) == recorded["top_of_nobody"]


def test_fer_sees_the_face(fer, portrait, photo):
    for image in (portrait, photo, Path(photo)):
        assert fer.top_emotion(image) == ("happy", pytest.approx(0.98, abs=0.05))
    with io.BytesIO(Path(photo).read_bytes()) as file:
        text = base64.b64encode(file.read()).decode()
    assert fer.detect_emotions(f"data:image/png;base64,{text}")[0]["emotions"]["happy"] > 0.9
    # A face of 90 pixels.
    assert FER(min_face_size=200).detect_emotions(portrait) == []
    found = FER(mtcnn=True, min_face_size=200).detect_emotions(portrait)
    assert isinstance(found[0]["box"], list)


def test_video_gives_and_writes_what_fer_does(fer, video):
    pytest.importorskip("pandas")
    assert video_shapes(fer, video, Video) == PEERS["fer"]["video"]


def test_parts_of_a_video(fer, video, tmp_path, monkeypatch):
    pandas = pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    part = {"x_min": 50, "x_max": 250, "y_min": 20, "y_max": 256}
    whole = Video(video).analyze(fer, max_results=3, save_video=False, zip_images=False)
    cropped = Video(video, "cropped", first_face_only=False).analyze(
        fer, output="pandas", save_fps=5, detection_box=part, batch_size=4
    )
    assert len(list(Path("output").glob("portrait*.jpg"))) == len(whole) == 3
    # As fer's own README goes on.
    table = Video(video, first_face_only=False).to_pandas(whole)
    pandas.testing.assert_frame_equal(table, pandas.DataFrame(whole))
    first = Video(video).to_pandas(table)
    assert list(first["happy"]) == list(table["happy0"])
    assert Video(video).to_csv(whole, "again.csv") == whole
    assert [name for name in cropped.columns if "box" in name] == ["box0"]
    np.testing.assert_allclose(cropped["box0"][0], whole[0]["box0"], atol=6)
    with zipfile.ZipFile("cropped/images.zip") as packed:
        assert packed.namelist() == [f"portrait{number}.jpg" for number in (0, 5, 10)]


def test_tables_know_classes_whose_names_end_in_digits(video, tmp_path):
    pandas = pytest.importorskip("pandas")
    names = ["class 2", "au12_smile", "class 20"]
    faces = [
        {"box": (number, 0, 9, 9), "emotions": dict.fromkeys(names, number / 10)}
        for number in range(11)
    ]
    rows = Video(video).to_csv([faces[:1], faces], tmp_path / "data.csv")
    head = (tmp_path / "data.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    assert head == [f"{name}{number}" for name in sorted(["box", *names]) for number in range(11)]
    with pytest.raises(ValueError, match="11 faces, two columns 'class 210'"):
        Video(video).to_csv(
            [[face | {"emotions": {"class 2": 1.0, "class 21": 0.0}} for face in faces]],
            tmp_path / "data.csv",
        )
    plain = pandas.DataFrame({"happy0": [1.0], "sad0": [0.0], "happy1": [0.5], "sad1": [0.5]})
    assert list(Video.get_first_face(plain).columns) == ["happy", "sad"]
    table = Video.get_first_face(pandas.DataFrame(rows))
    assert sorted(table.columns) == sorted(["box", *names])
    assert list(table["class 2"]) == [0, 0]


def test_an_archive_keeps_the_pictures_of_other_videos(fer, video, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    few = {"max_results": 2, "save_video": False}
    Video(video).analyze(fer, **few, video_id="a")
    Video(video).analyze(fer, **few, video_id="a1")
    Video(video).analyze(fer, **few, video_id="a", frequency=5)
    with zipfile.ZipFile("output/images.zip") as packed:
        assert sorted(packed.namelist()) == ["a0.jpg", "a10.jpg", "a11.jpg", "a5.jpg"]
    Path("output/images.zip").write_bytes(b"mine")
    with pytest.raises(ValueError, match=r"an images\.zip that is no zip archive"):
        Video(video).analyze(fer, **few)
    assert [path.name for path in Path("output").iterdir()] == ["images.zip"]


def test_deepface_gives_what_deepface_gives(portrait, photo):
    recorded = PEERS["deepface"]
    found = DeepFace.analyze(portrait, actions=["emotion"])
    assert shape_of(found) == recorded["analyze"]
    assert list(found[0]["emotion"]) == recorded["order"]
    assert shape_of(DeepFace.analyze(photo, actions="emotion")) == recorded["of_a_file"]
    assert shape_of(DeepFace.analyze([portrait] * 2)) == recorded["batch"]
    assert shape_of(DeepFace.analyze(np.stack([portrait] * 2))) == recorded["batch"]
    skipped = DeepFace.analyze(portrait, detector_backend="skip")
    assert shape_of(skipped) == recorded["skipped"]
    with pytest.raises(FaceNotDetectedError) as caught:
        DeepFace.analyze(BLANK)
    assert recorded["refusal"][1:] == [each.__name__ for each in type(caught.value).__mro__][1:]
    whole = DeepFace.analyze(BLANK, enforce_detection=False)
    assert [whole[0]["region"], whole[0]["face_confidence"]] == recorded["whole"]


def test_deepface_reads_an_open_file_from_its_start_and_names_a_missing_one(photo, tmp_path):
    with open(photo, "rb") as file:
        twice = [DeepFace.analyze(file)[0]["dominant_emotion"] for _ in range(2)]
    assert twice == ["happy", "happy"]
    # Whoever waits for one of these has it.
    for kind in (ValueError, FileNotFoundError, ImageNotFoundError):
        with pytest.raises(kind, match=r"absent\.png"):
            DeepFace.analyze(str(tmp_path / "absent.png"))


def test_deepface_sees_the_face(portrait):
    for backend in ("opencv", "mtcnn"):
        (face,) = DeepFace.analyze(portrait, detector_backend=backend, align=False)
        assert face["dominant_emotion"] == "happy"
        assert face["emotion"]["happy"] > 90
        assert sum(face["emotion"].values()) == pytest.approx(100, abs=0.01)
        # The person's left eye is on the right of the picture.
        assert face["region"]["left_eye"][0] > face["region"]["right_eye"][0]
        assert face["face_confidence"] > 0.8


def test_stream_of_a_video(video, tmp_path, monkeypatch):
    copy = tmp_path / "copy.mp4"
    DeepFace.stream(source=video, output_path=copy)
    assert Video(copy)._video.count() == 12
    shown = []

    class Window:
        def __call__(self, picture):
            shown.append(picture)
            return len(shown) < 4

        def close(self):
            shown.append("closed")

    monkeypatch.setattr(deepface_package, "_window", Window)
    DeepFace.stream(source=video)
    assert shown[4:] == ["closed"]
    assert shown[0].shape == (256, 256, 3)
    monkeypatch.setattr(deepface_package, "_window", lambda: None)
    with pytest.raises(ImportError, match="fer webcam"):
        DeepFace.stream(source=video)


def test_the_copy_of_a_camera_is_as_long_as_the_recording_and_outlives_ctrl_c(
    tmp_path, monkeypatch
):
    def frames():
        for seconds in (0.0, 0.3, 0.34, 1.0):
            yield np.full((64, 64, 3), 90, "uint8"), seconds
        raise KeyboardInterrupt

    @contextlib.contextmanager
    def opened(source):
        yield 10.0, frames(), True

    monkeypatch.setattr(deepface_package, "_opened", opened)
    monkeypatch.setattr(deepface_package, "_window", lambda: None)
    DeepFace.stream(source=0, output_path=tmp_path / "copy.avi")
    assert Video(tmp_path / "copy.avi")._video.count() == 11

    @contextlib.contextmanager
    def file(source):
        yield 10.0, frames(), False

    # Of a file the copy would be cut, and a loop over files would go on.
    monkeypatch.setattr(deepface_package, "_opened", file)
    with pytest.raises(KeyboardInterrupt):
        DeepFace.stream(source="a.mp4", output_path=tmp_path / "copy.avi")
    assert Video(tmp_path / "copy.avi")._video.count() == 11


def test_a_stream_that_fails_leaves_nothing_open(tmp_path, monkeypatch):
    import cv2

    said = []

    class Camera:
        there = True

        def __init__(self, number):
            said.append(f"camera {number}")

        def isOpened(self):  # noqa: N802, OpenCV's name
            return self.there

        def get(self, what):
            return 0.0

        def release(self):
            said.append("released")

    class Window:
        def __init__(self):
            said.append("window")

        def close(self):
            said.append("closed")

    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    monkeypatch.setattr(deepface_package, "_window", Window)
    with pytest.raises(FileNotFoundError):
        DeepFace.stream(source=str(tmp_path / "none.mp4"))
    assert said == []
    with pytest.raises(ValueError, match="path"):
        DeepFace.stream(source=0, output_path=tmp_path / "copy.txt")
    assert said == ["camera 0", "window", "closed", "released"]
    said.clear()
    monkeypatch.setattr(Camera, "there", False)
    with pytest.raises(OSError, match="Camera 0 cannot be opened"):
        DeepFace.stream(source=0)
    assert said == ["camera 0", "released"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cascade_file": "haar.xml"}, "`cascade_file` must be None"),
        ({"tfserving": True}, "`tfserving` must be False"),
        ({"min_face_size": 0}, "`min_face_size`"),
        ({"offsets": 3}, "`offsets`"),
    ],
)
def test_fer_refuses_what_is_not_here(options, message):
    with pytest.raises(ValueError, match=message):
        FER(**options)


def test_arguments_without_effect_are_named():
    with pytest.warns(UserWarning, match="No effect: scale_factor, min_neighbors"):
        FER(scale_factor=1.3, min_neighbors=8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"actions": ["age", "emotion"]}, "age, gender and race are not estimated here"),
        ({"actions": []}, "`actions` must be"),
        ({"detector_backend": "mediapipe"}, "`detector_backend` must be one of"),
        ({"expand_percentage": 10}, "`expand_percentage` must be 0"),
        ({"anti_spoofing": True}, "`anti_spoofing` must be False"),
        ({"img_path": "https://example.org/a.jpg"}, "nothing is fetched"),
        ({"img_path": "data:image/png;base64,????"}, "base64"),
        ({"img_path": io.BytesIO(b"no picture")}, "holds no picture"),
    ],
)
def test_deepface_refuses_what_is_not_here(options, message):
    with pytest.raises(ValueError, match=message):
        DeepFace.analyze(**{"img_path": BLANK, **options})
    if "img_path" not in options and "actions" not in options and "expand" not in str(options):
        with pytest.raises(ValueError, match=message):
            DeepFace.stream(source=0, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": "json"}, "`output`"),
        ({"display": True}, "`display` must be False"),
        ({"frequency": 0}, "`frequency`"),
        ({"detection_box": {"x_min": 3}}, "`detection_box` must be a dictionary"),
        (
            {"detection_box": OUTSIDE, "save_video": False},
            "`detection_box` must lie in the frames",
        ),
    ],
)
def test_video_refuses_what_is_not_here(fer, video, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        Video(video).analyze(fer, **options)
    assert not list(tmp_path.rglob("*.mp4"))


def test_every_detector_has_a_name_there():
    assert set(deepface_package.DETECTORS.values()) <= set(detectors.DETECTORS)
    assert "coming-from.md" in (ROOT / "docs/site/mkdocs.yml").read_text()
