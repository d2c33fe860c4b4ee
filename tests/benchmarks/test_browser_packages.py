"""The comparison of packages for browsers: the pictures that are shown, the figures made of it."""

import importlib.util
import json
import shutil
import subprocess
import zipfile

import numpy as np
import pytest
from helpers.shared import ROOT
from PIL import Image

for needed in ("selenium", "psutil", "websockets"):
    pytest.importorskip(needed)


@pytest.fixture(scope="module")
def benchmark():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        path = ROOT / "benchmarks" / "browser_packages.py"
        spec = importlib.util.spec_from_file_location("browser_packages", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


def test_ratios_are_those_of_the_same_round(benchmark):
    ours = benchmark.OURS
    rounds = [
        {ours: [10, 12, 50], "human": [6, 6, 6]},
        {ours: [20, 20, 20], "human": [30, 40, 50]},
        {ours: [16, 16, 16], "human": [16, 16, 16]},
    ]
    assert benchmark.speed(rounds) == {
        ours: {"milliseconds": (16, 12, 20), "ratio": (1, 1, 1), "fastest": 10},
        "human": {"milliseconds": (16, 6, 40), "ratio": (1, 0.5, 2), "fastest": 6},
    }


def test_labels_are_compared_on_all_pictures_and_where_both_found_a_face(benchmark):
    given = {
        benchmark.OURS: ["happy", "sad", None, "fear"],
        "human": ["happy", "fear", "sad", None],
    }
    found = benchmark.agreement(given, ["happy", "sad", "sad", "sad"])
    assert (found[benchmark.OURS]["found"], found[benchmark.OURS]["right"]) == (3, 2)
    mean, low, high = found["human"].pop("behind")
    assert (mean, high - mean) == pytest.approx((0.5, 0.98))
    assert mean - low == pytest.approx(high - mean)
    assert found["human"] == {
        "found": 3,
        "right": 2,
        "both": 2,
        "right_of_both": 1,
        "ours_right_of_both": 2,
        "as_ours": 1,
    }
    faces = [{"score": 0.5, "label": "sad"}, {"score": 0.7, "label": "fear"}]
    assert (benchmark.best(faces), benchmark.best([])) == ("fear", None)


def test_pictures_are_taken_evenly_and_those_for_validation_first(benchmark, tmp_path):
    for part, value in (("train", 10), ("valid", 200)):
        for number in range(5):
            path = tmp_path / "faces" / part / "happy" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((48, 48), value + number, np.uint8)).save(path)
    (tmp_path / "faces" / "valid" / "sad").mkdir()
    shutil.copy(path, tmp_path / "faces" / "valid" / "sad" / "only.png")
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        for file in (tmp_path / "faces").rglob("*.png"):
            archive.write(file, file.relative_to(tmp_path / "faces"))
    for source in (tmp_path / "faces", tmp_path / "faces.zip"):
        pictures, labels = benchmark.labelled(source, 3)
        assert labels == ["happy"] * 3 + ["sad"]
        assert [int(picture[160, 160, 0]) for picture in pictures] == [200, 202, 204, 204]
        assert {picture.shape for picture in pictures} == {(320, 320, 3)}
        assert int(pictures[0][0, 0, 0]) == benchmark.GREY
    with pytest.raises(SystemExit, match="there are no folders of angry"):
        benchmark.labelled(tmp_path / "faces" / "valid" / "sad", 3)


def test_the_browsers_side_has_the_same_methods(benchmark):
    if shutil.which("node") is None:
        pytest.skip("Node.js is not installed")
    script = (ROOT / "benchmarks" / "browser_packages.js").read_text(encoding="utf-8")
    command = ["node", "--input-type=module", "-e"]
    end = "console.log(JSON.stringify(Object.keys(methods)));"
    done = subprocess.run([*command, script + end], capture_output=True, text=True, check=True)
    assert tuple(json.loads(done.stdout)) == benchmark.METHODS
