"""The video of a clip, from the names of the owners; folds by any group."""

import numpy as np
import pytest

from fer_data import protocols


@pytest.mark.parametrize(
    ("names", "videos"),
    [
        (("casme2/sub01/EP02_01f", "casme2/sub01/EP02_02f"), {"casme2/sub01/EP02"}),
        (("cas_me2/s15/anger1_1", "cas_me2/s15/anger1_2"), {"cas_me2/s15/anger1"}),
        (("samm/006/006_1_2", "samm/006/006_1_3"), {"samm/006/006_1"}),
        (("cas_me3/spNO.1/a/1-9", "cas_me3/spNO.1/a/20-30"), {"cas_me3/spNO.1/a"}),
        (
            ("synthetic_micro_expressions/s003/v05_00042",),
            {"synthetic_micro_expressions/s003/v05"},
        ),
        (("smic_hs/s1/s1_ne_01",), None),
        (("synthetic_micro_expressions/s003/00042",), None),
        (("somebody/s1/a_1",), None),
        (("casme2/sub01/EP02",), None),
        (("casme2/sub01/EP02_01f", "smic_hs/s1/s1_ne_01"), None),
    ],
)
def test_the_video_of_a_clip(names, videos):
    subjects = ["/".join(name.split("/")[:2]) for name in names]
    found = protocols.videos_of(protocols.Clips(names, subjects, [0] * len(names)))
    assert videos == (None if found is None else set(found.tolist()))


def test_folds_keep_groups_together_and_test_each_example_once():
    rng = np.random.default_rng(0)
    labels, groups = rng.integers(0, 3, 90), rng.integers(0, 12, 90)
    folds = list(protocols.group_folds(labels, groups, 4, seed=3))
    assert np.sort(np.concatenate([test for _, test in folds])).tolist() == list(range(90))
    for train, test in folds:
        assert not set(groups[train]) & set(groups[test])
        assert len(train) + len(test) == 90
    again = list(protocols.group_folds(labels, groups, 4, seed=3))
    assert all((a[1] == b[1]).all() for a, b in zip(folds, again, strict=True))


@pytest.mark.parametrize(
    ("labels", "groups", "folds", "message"),
    [
        ([0, 1, 0], [0, 0, 1], 3, "`folds` must be at most 2"),
        ([0, 1, 0], [0, 0, 1], 1, "`folds` must be an integer >= 2"),
        ([0, 1], [0, 0, 1], 2, "must have one length"),
        ([0, 1, 2], [0, 1, 2], 2, "`folds` must be at most 1"),
    ],
)
def test_bad_folds(labels, groups, folds, message):
    with pytest.raises(ValueError, match=message):
        protocols.group_folds(labels, groups, folds)
