"""The benchmark of live speed: three ways with the same answers, and the parts of a frame."""

import importlib.util
import json

import keras
import numpy as np
import pytest
from helpers.shared import ROOT

from fer_data.video import VideoWriter

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="fer_data is tested on TensorFlow"
)


@pytest.fixture(scope="module")
def live():
    path = ROOT / "benchmarks" / "live_speed.py"
    spec = importlib.util.spec_from_file_location("live_speed", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.PAUSE = 0
    return module


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    portrait = pytest.importorskip("skimage.data").astronaut()[:288, 96:384]
    path = tmp_path_factory.mktemp("video") / "portrait.mp4"
    with VideoWriter(path, fps=25) as writer:
        for place in range(26):
            writer.write(np.roll(portrait, 2 * place, axis=1))
    return path


def test_the_figures_of_a_video(live, video, tmp_path, capsys):
    options = ["--detector", "yunet", "--rounds", "2", "--frames", "24"]
    live.main([str(video), *options, "--json", str(tmp_path / "figures.json")])
    (found,) = json.loads((tmp_path / "figures.json").read_text())["videos"]
    assert (found["frames"], found["frames_with_face"], found["fps"]) == (24, 24, 25)
    for way in live.WAYS:
        assert len(found["speeds"][way]["fps"]) == 2
        assert min(found["speeds"][way]["fps"]) > 0
    parts = found["parts"]
    assert sum(parts[part] for part in live.PARTS) == pytest.approx(parts["whole"])
    assert all(parts[part] > 0 for part in live.PARTS)
    said = capsys.readouterr().out
    assert "24 frames of 288x288, 24 with a face" in said
    first, second = said.strip().split("\n\n")[-2:]
    for table in (first, second):
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_other_answers_end_it(live, video, monkeypatch):
    recognizer = live.Recognizer("ferplus", "yunet")
    frames, _ = live.decode(video, 22)
    monkeypatch.setitem(live.WAYS, "frames", lambda *arguments: [])
    with pytest.raises(SystemExit, match="'frames' answers otherwise than 'frame'"):
        live.speeds(recognizer, video, frames, 0.2, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.mp4"], "no such file. Received: nowhere.mp4"),
        ([__file__, "--rounds", "0"], "--rounds must be at least 1"),
        ([__file__, "--frames", "20"], "--frames must be more than 20"),
        ([__file__, "--json", "nowhere/x.json"], "no such folder"),
    ],
)
def test_bad_arguments_end_with_one_line(live, capsys, arguments, message):
    with pytest.raises(SystemExit, match="2"):
        live.parsed(arguments)
    assert message in capsys.readouterr().err.splitlines()[-1]
