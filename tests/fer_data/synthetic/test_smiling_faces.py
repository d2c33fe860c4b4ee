"""Faces that smile by degrees: nothing but the smile changes, and the corners of the mouth rise."""

import numpy as np
import pytest

from fer_data.synthetic import graded_smiles
from fer_data.synthetic.smiling_faces import FACTORS

ONE = {name: values[:1] for name, values in FACTORS.items()}


def test_every_mix_at_every_level_and_the_same_again():
    faces = list(graded_smiles(2, (0.0, 1.0), seed=3, size=48, factors={"skin": ["dark"]}))
    assert len(faces) == 2 * 2 * 16
    mixes = {(f.person, f.smile, *f.factors.values()) for f in faces}
    assert len(mixes) == len(faces)
    assert {f.factors["skin"] for f in faces} == {"dark"}
    again = next(graded_smiles(2, (0.0, 1.0), seed=3, size=48, factors={"skin": ["dark"]}))
    assert np.array_equal(faces[0].image, again.image)


def test_the_smile_alone_changes_and_by_degrees():
    still, half, full = (f.image.astype(int) for f in graded_smiles(1, (0, 0.5, 1), factors=ONE))
    changed = np.abs(full - still).max(axis=2) > 8
    rows = np.flatnonzero(changed.any(axis=1))
    # The lower half of the face: neither hair nor brows nor background.
    assert rows.min() > 34
    assert 0 < np.abs(half - still).sum() < np.abs(full - still).sum()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"people": 0}, "`people` must be an integer >= 1"),
        ({"levels": (0, 2)}, "`levels` must be a number in"),
        ({"levels": ()}, "`levels` must not be empty"),
        ({"factors": {"hat": ["red"]}}, "`factors` must name values"),
        ({"factors": {"skin": ["green"]}}, r"'skin': \('green',\)"),
        ({"factors": {"skin": []}}, "`factors` must name values"),
        ({"seed": -1}, "`seed` must be an integer >= 0"),
        ({"size": 3}, "`size` must be an integer of at least"),
    ],
)
def test_mistakes(options, message):
    with pytest.raises(ValueError, match=message):
        graded_smiles(**{"people": 1, "levels": (0.0,), **options})
