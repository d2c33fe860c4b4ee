"""Targets from labels and votes."""

import numpy as np
import pytest

from fer_data.pipelines.vote_targets import vote_targets


def biased_labels(faces=4000, seed=0):
    """Votes of ten on three classes, and one noisy label that confuses the last two."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, faces)
    votes = np.stack([rng.multinomial(10, 0.7 * np.eye(3)[t] + 0.1) for t in truth])
    confusion = np.array([[0.9, 0.05, 0.05], [0.1, 0.2, 0.7], [0.1, 0.1, 0.8]])
    labels = (confusion[truth].cumsum(1) > rng.uniform(size=(faces, 1))).argmax(1)
    return truth, votes, labels, confusion


def test_votes_are_translated_into_the_labels_terms():
    truth, votes, labels, confusion = biased_labels()
    targets = vote_targets(labels, votes, share=1.0, classes=3)
    np.testing.assert_allclose(targets.sum(1), 1, atol=1e-6)
    for label in range(3):
        np.testing.assert_allclose(targets[truth == label].mean(0), confusion[label], atol=0.08)
    # Nearer to the distribution that the label was drawn from than the label itself is.
    wanted = confusion[truth]
    assert np.abs(targets - wanted).mean() < 0.35 * np.abs(np.eye(3)[labels] - wanted).mean()


def test_share_goes_from_labels_to_votes():
    _, votes, labels, _ = biased_labels(300)
    none, half, whole = (vote_targets(labels, votes, share, 3) for share in (0, 0.5, 1))
    np.testing.assert_array_equal(none, np.eye(3, dtype="float32")[labels])
    np.testing.assert_allclose(half, (none + whole) / 2, atol=1e-6)


@pytest.mark.parametrize("unknown", [-1, 0])
def test_faces_without_votes_keep_their_label(unknown):
    _, votes, labels, _ = biased_labels(300)
    votes[:20] = unknown
    targets = vote_targets(labels, votes, 0.5, 4)
    np.testing.assert_array_equal(targets[:20], np.eye(4, dtype="float32")[labels[:20]])
    assert (targets[20:].max(1) < 1).all()
    assert not targets[:, 3].any()


@pytest.mark.parametrize(
    ("labels", "votes", "options", "message"),
    [
        ([0, 1], [[1, 2]], {}, "must be of one length"),
        ([], np.zeros((0, 3)), {}, "must be integers|one length"),
        ([0.5], [[1, 2]], {}, "must be integers"),
        ([0], [1], {}, "must be integers"),
        ([7], [[1, 2]], {}, r"in \[0, 7\)"),
        ([0, 1], [[1, 2], [1, 2]], {}, r"fewer for the labels \[0, 1\]"),
        ([0], [[1, 2]], {"share": 1.5}, "`share`"),
        ([0], [[1, 2]], {"classes": 1}, "`classes`"),
    ],
)
def test_bad_input(labels, votes, options, message):
    with pytest.raises(ValueError, match=message):
        vote_targets(labels, votes, **options)
