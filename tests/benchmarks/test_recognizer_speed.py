"""The comparison with the other package: the talk with its environment, the figures made of it."""

import importlib.util
import io
import json
import sys

import keras
import numpy as np
import pytest
from helpers.shared import ROOT

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="fer_data is tested on TensorFlow"
)
ECHO = """
import json, sys
for line in sys.stdin:
    request = json.loads(line)
    if request["do"] == "fail":
        raise ValueError("no such thing")
    print(json.dumps(request), flush=True)
"""


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def speed():
    return load("recognizer_speed")


def rounds(*seconds):
    return [{"seconds": list(each), "faces": [1, 0, 2], "cpu": 0.06} for each in seconds]


def test_the_peer_answers_and_its_last_words_are_shown(speed, tmp_path):
    with speed.Peer([sys.executable, "-c", ECHO], tmp_path / "log") as peer:
        assert peer.ask("open", path="näme") == {"do": "open", "path": "näme"}
        with pytest.raises(RuntimeError, match=r"'fail'[\s\S]*ValueError: no such thing"):
            peer.ask("fail")


def test_a_peer_without_the_package_says_so(speed, tmp_path):
    script = ROOT / "benchmarks" / "recognizer_peer.py"
    with (
        speed.Peer([sys.executable, script], tmp_path / "log") as peer,
        pytest.raises(RuntimeError, match="No module named 'fer"),
    ):
        peer.ask("run", pipeline="haar")


def test_the_peers_frames_are_bgr_and_one_line_answers_one(tmp_path):
    peer = load("recognizer_peer")
    frames = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    np.save(tmp_path / "frames.npy", frames)
    request, answers = {"do": "frames", "path": str(tmp_path / "frames.npy")}, io.StringIO()
    served = peer.Peer()
    peer.serve(io.StringIO(2 * (json.dumps(request) + "\n")), answers, served)
    assert answers.getvalue() == 2 * '{"frames": 2}\n'
    np.testing.assert_array_equal(served.frames, frames[..., ::-1])


def test_ratios_are_of_the_same_round(speed):
    # The second round is ten times slower for all, as on a busy machine: the ratios stay.
    results = {
        "live": rounds((0.01, 0.01, 0.01), (0.1, 0.1, 0.1), (0.01, 0.01, 0.02)),
        "fer, haar": rounds((0.02, 0.02, 0.02), (0.2, 0.2, 0.2), (0.02, 0.02, 0.04)),
    }
    ours, peer = speed.summary(results)
    assert ours["times fer, haar"] == pytest.approx({"median": 2, "low": 2, "high": 2})
    assert ours["fps"] == pytest.approx({"median": 75, "low": 10, "high": 100})
    assert peer["times fer, haar"]["median"] == 1
    assert "times fer, mtcnn" not in ours
    assert ours["ms_cpu"] == pytest.approx(20)
    assert (ours["ms_median"], ours["frames_with_face"], ours["faces"]) == (pytest.approx(10), 2, 3)


def test_the_tables_have_as_many_cells_as_heads(speed):
    results = {name: rounds((0.01, 0.01, 0.01)) for name in ("live", *speed.PEERS)}
    results["live"][0]["parts"] = 3 * [{"detect": 4.0, "classify": 2.0, "total": 6.5}]
    labels = np.array(["happy", "sad", "sad"])
    given = {"Recognizer": labels, "fer, keras": labels[::-1]}
    accuracies = speed.accuracies(labels, np.array([True, False, False]), given)
    for table in (speed.table(speed.summary(results)), speed.accuracy_table(accuracies)):
        assert len({line.count("|") for line in table.splitlines()}) == 1
    assert "4.0 | 2.0" in speed.table(speed.summary(results))


def test_accuracy_with_and_without_copies(speed):
    labels = np.array(["happy", "sad", "sad", "fear"])
    given = {
        "Recognizer": np.array(["happy", "sad", "sad", "sad"]),
        "fer, keras": np.array(["sad", "sad", "fear", "fear"]),
    }
    rows = speed.accuracies(labels, np.array([True, False, False, False]), given)
    assert [row["accuracy"] for row in rows] == pytest.approx([0.75, 0.5, 2 / 3, 2 / 3])
    assert [row["count"] for row in rows] == [4, 4, 3, 3]
    assert rows[1]["gain"] == pytest.approx(0.25)
    # Right minus right: 1, 0, 1, -1, whose sample deviation is sqrt(11 / 12).
    assert rows[1]["gain_margin"] == pytest.approx(1.96 * np.sqrt(11 / 12) / 2)
    assert "gain" not in rows[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.mp4", "--peer-python", sys.executable], "no such file. Received: nowhere.mp4"),
        ([__file__, "--peer-python", sys.executable, "--rounds", "0"], "at least 1"),
        ([__file__, "--peer-python", sys.executable, "--json", "nowhere/x.json"], "no such folder"),
        ([__file__], "--peer-python"),
    ],
)
def test_bad_arguments_end_with_one_line(speed, capsys, arguments, message):
    with pytest.raises(SystemExit, match="2"):
        speed.parsed(arguments)
    assert message in capsys.readouterr().err.splitlines()[-1]
