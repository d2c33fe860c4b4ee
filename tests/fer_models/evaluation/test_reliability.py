"""The picture of accuracy against confidence, and the bins under it."""

import itertools

import numpy as np
import pytest

from fer_models.evaluation.calibration import calibration_error, confidence_bins
from fer_models.evaluation.reliability import plot_reliability

# Sure of 0.9 and right half of the time; sure of 0.6 and always right; never in between.
LABELS = [0, 1, 1, 1]
PROBABILITIES = [[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]]


@pytest.fixture
def figures(monkeypatch):
    """Collect the figures that are saved."""
    from matplotlib.figure import Figure

    found = []
    save = Figure.savefig

    def watched(self, *args, **kwargs):
        found.append(self)
        save(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", watched)
    return found


def texts(figure):
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text)]


def test_bins_by_hand():
    found = confidence_bins(LABELS, PROBABILITIES, bins=5)
    np.testing.assert_array_equal(found.counts, [0, 0, 0, 2, 2])
    np.testing.assert_allclose(found.accuracy[3:], [1, 0.5])
    np.testing.assert_allclose(found.confidence[3:], [0.6, 0.9])
    assert np.isnan(found.accuracy[:3]).all()
    assert np.isnan(found.confidence[:3]).all()
    assert found.error == pytest.approx(0.4)


def test_the_error_is_the_mean_gap_over_the_examples():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.full(7, 0.4), 500)
    labels = rng.integers(0, 7, 500)
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, 16)
    expected = sum(
        abs((correct - confidence)[(confidence >= low) & (confidence < high)].sum())
        for low, high in itertools.pairwise(edges)
    )
    assert calibration_error(labels, probabilities) == pytest.approx(expected / 500)
    assert confidence_bins(labels, probabilities).counts.sum() == 500


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        (LABELS, np.log(PROBABILITIES), "logits go through a softmax first"),
        ([0, 1, 1, 2], PROBABILITIES, "`labels` must be from 0 to 1. Received: labels from 0 to 2"),
    ],
)
def test_bins_of_logits_and_of_labels_outside_the_classes(labels, probabilities, message):
    with pytest.raises(ValueError, match=message):
        calibration_error(labels, probabilities)


def test_picture(tmp_path, figures):
    path = plot_reliability(LABELS, PROBABILITIES, tmp_path / "deep" / "reliability.png", bins=5)
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert [file.name for file in path.parent.iterdir()] == ["reliability.png"]
    found = texts(figures[0])
    assert "ECE 0.400" in found
    assert "accuracy 75.0%, mean confidence 75.0%" in found
    assert "4\nexamples" in found
    above, below = figures[0].axes
    bars, gaps = above.containers
    np.testing.assert_allclose([bar.get_x() for bar in bars], [0.6, 0.8])
    np.testing.assert_allclose([bar.get_height() for bar in bars], [1, 0.5])
    np.testing.assert_allclose([gap.get_y() + gap.get_height() for gap in gaps], [0.6, 0.9])
    assert [bar.get_height() for bar in below.containers[0]] == [2, 2]


def test_soft_labels_and_a_title(tmp_path, figures):
    one_hot = np.eye(2)[LABELS] * 0.8 + 0.1
    plot_reliability(one_hot, PROBABILITIES, tmp_path / "reliability.svg", title="a$b_$")
    assert "a$b_$" in texts(figures[0])
    assert "ECE 0.400" in texts(figures[0])


def test_no_global_figure(tmp_path):
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    plot_reliability(LABELS, PROBABILITIES, tmp_path / "reliability.png")
    assert pyplot.get_fignums() == before


@pytest.mark.parametrize(
    ("labels", "probabilities", "bins", "message"),
    [
        (LABELS, PROBABILITIES, 0, r"`bins` must be .*Received: bins=0"),
        (LABELS, PROBABILITIES, 2.0, r"`bins` must be .*Received: bins=2\.0"),
        (LABELS, PROBABILITIES, True, r"`bins` must be .*Received: bins=True"),
        ([0], PROBABILITIES, 15, "`labels` must have one entry an example, 4"),
        ([0, 1, 2, 0], PROBABILITIES, 15, "`labels` must be from 0 to 1"),
        (LABELS, [3.0, 1.0, 0.0, 0.0], 15, r"`probabilities` must be of shape \(examples"),
        (LABELS, np.multiply(PROBABILITIES, 3), 15, "`probabilities` must be from 0 to 1"),
        ([], np.zeros((0, 2)), 15, "at least one example"),
    ],
)
def test_wrong_arguments(tmp_path, labels, probabilities, bins, message):
    with pytest.raises(ValueError, match=message):
        plot_reliability(labels, probabilities, tmp_path / "reliability.png", bins=bins)
    assert not list(tmp_path.iterdir())


def test_wrong_ending(tmp_path):
    with pytest.raises(ValueError, match=r"`path` must end in one of .*Received: .*picture'"):
        plot_reliability(LABELS, PROBABILITIES, tmp_path / "picture")
