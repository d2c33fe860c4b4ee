"""The benchmark of the quality gate on a few faces, and the turn of drawn ones."""

import numpy as np
import pytest
from helpers.examples import loaded_benchmark

from fer_data.labels import EMOTIONS
from fer_data.pipelines import face_arrays


@pytest.fixture(scope="module")
def face_quality():
    with loaded_benchmark("face_quality") as script:
        yield script


@pytest.mark.slow
def test_every_table_is_of_the_faces_that_are_no_copies(face_quality, tmp_path, capsys):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (16, 48, 48, 1), dtype="uint8")
    split = {"image": images, "label": np.arange(16) % 7, "copy_in_train": np.arange(16) < 4}
    path = tmp_path / "faces.npz"
    face_arrays.write(path, {"validation": split}, EMOTIONS, {"data": "fer2013"})
    face_quality.main(["--path", str(path)])
    printed = capsys.readouterr().out
    assert printed.startswith("ghostface:fer2013, 12 faces; ")
    for head in ("sharpness", "blur, pixels", "pixels a side", "turned by, degrees"):
        table = printed.split(f"| {head} |")[1].split("\n\n")[0]
        rows = [row.split("|") for row in table.splitlines()[2:]]
        assert sum(int(row[2]) for row in rows) in (12, 12 * len(rows))


def test_the_turn_of_drawn_faces_is_found(face_quality):
    for yaw, errors in face_quality.drawn_turns(count=4):
        assert abs(errors.mean()) < 12, yaw
