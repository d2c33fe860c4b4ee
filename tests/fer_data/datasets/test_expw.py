"""The expw builder on a small tree in the owners' layout."""

import numpy as np
import pytest
from helpers import fake_emotion_sets as fake
from PIL import Image

from fer_data.datasets import prepare
from fer_data.labels import EMOTIONS


def test_boxes_and_photos(tmp_path):
    path = fake.write_expw(tmp_path / "expw")
    for folder in ("one", "two"):
        fake.picture(path / "image" / folder / "d.jpg", 7, 40)
    with (path / "label" / "label.lst").open("a") as file:
        file.write("d.jpg 0 5 0 18 30 41.25 0\n")
        file.write("a.jpg 0 5 0 18 30 41.25 0\nz.jpg 0 5 0 18 30 41.25 0\n")
        file.write("a.jpg 2 5 0 18 30 41.25 9\nnonsense\na.jpg 3 90 0 18 99 41.25 0\n\n")
    builder = prepare("expw", path=path, data_dir=tmp_path / "out", test_fraction=0.34, seed=1)
    splits = {split: fake.rows_of(builder, split) for split in builder.info.splits}
    photos = {split: {row["subject"] for row in rows.values()} for split, rows in splits.items()}
    assert not photos["train"] & photos["test"]
    rows = splits["train"] | splits["test"]
    assert {name: EMOTIONS[row["label"]] for name, row in rows.items()} == {
        **{"a.jpg#0": "angry", "a.jpg#1": "happy", "b.jpg#0": "neutral"},
        **{"b.jpg#1": "happy", "c.jpg#0": "disgust"},
    }
    with Image.open(path / "image" / "origin" / "b.jpg") as photo:
        np.testing.assert_array_equal(rows["b.jpg#1"]["image"], np.asarray(photo)[5:30, 20:38])
    assert fake.dropped(builder) == {
        **{"bad_row": 2, "missing": 1, "unknown_class": 1, "bad_box": 1},
        "ambiguous": 1,
    }
    with pytest.raises(ValueError, match="`detector` is for"):
        prepare("expw", path=path, data_dir=tmp_path / "out", detector="yunet")
