import keras
import numpy as np
import pytest

from fer_models.evaluation import classification_report, plot_confusion, plot_curves

PNG = b"\x89PNG\r\n\x1a\n"
HISTORY = {
    "accuracy": [0.3, 0.5, 0.6],
    "loss": [1.5, 1.2, 1.0],
    "val_accuracy": [0.25, 0.55, 0.5],
    "val_loss": [1.6, 1.3, 1.2],
    "learning_rate": [0.1, 0.1, 0.01],
}


@pytest.fixture
def texts(monkeypatch):
    """Collect the texts of the figures that are saved."""
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    found = []
    save = Figure.savefig

    def watched(self, *args, **kwargs):
        found.extend(text.get_text() for text in self.findobj(Text))
        save(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", watched)
    return found


def report():
    probabilities = [[0.9, 0.1, 0], [0.4, 0.6, 0], [0.2, 0.8, 0], [0.1, 0.9, 0]]
    return classification_report([0, 0, 1, 1], probabilities, ("happy", "sad", "fear"))


def test_confusion(tmp_path, texts):
    path = plot_confusion(report(), tmp_path / "deep" / "confusion.png")
    assert path.read_bytes().startswith(PNG)
    assert "50%\n1" in texts
    assert "100%\n2" in texts
    assert "happy (2)" in texts
    assert "fear (0)" in texts
    assert "accuracy 75.00%, macro F1 0.733" in texts
    assert [file.name for file in path.parent.iterdir()] == ["confusion.png"]


def test_confusion_of_a_group_names_it(tmp_path, texts):
    scores = classification_report(
        [0, 0, 1, 1], np.eye(2)[[0, 1, 1, 1]], ("happy", "sad"), [*"aabb"]
    )
    plot_confusion(scores.groups.groups["a"], tmp_path / "confusion.png")
    assert "a: accuracy 50.00% (1.26% to 98.74%)" in texts


def test_dollar_signs_in_names_and_titles_are_no_formula(tmp_path, texts):
    names = ("a$b_$", "$c^$", "d")
    scores = classification_report([0, 1, 2], np.eye(3), names, ["$0_to_$20k"] * 3)
    plot_confusion(scores.groups.groups["$0_to_$20k"], tmp_path / "confusion.png")
    assert {"a$b_$", "$c^$ (1)"} <= set(texts)
    plot_curves(HISTORY, tmp_path / "curves.png", title="a$b_$")


def test_curves_mark_the_epoch_of_best_validation_accuracy(tmp_path, texts):
    path = plot_curves(HISTORY, tmp_path / "curves.png", title="a run")
    assert path.read_bytes().startswith(PNG)
    assert "best epoch, 2: 55.0%" in texts
    assert "best epoch, 2: 1.300" in texts
    assert "a run" in texts


def test_curves_without_accuracy_or_validation(tmp_path, texts):
    losses = {"loss": [1.0, 0.9], "val_loss": [1.2, 1.1]}
    plot_curves(losses, tmp_path / "curves.svg")
    assert "best epoch, 2: 1.100" in texts
    texts.clear()
    plot_curves({"loss": [1.0]}, tmp_path / "curves.pdf")
    assert not any("best" in text for text in texts)


def test_curves_of_a_run_that_diverged(tmp_path, texts):
    plot_curves({"loss": [np.nan] * 2, "val_loss": [np.nan] * 2}, tmp_path / "curves.png")
    assert not any("best" in text for text in texts)


@pytest.mark.slow
def test_curves_of_fit_and_of_csv_logger_are_the_same(tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    inputs, labels = np.ones((8, 4), "float32"), np.arange(8) % 2
    log = tmp_path / "log.csv"
    history = model.fit(
        inputs,
        labels,
        validation_data=(inputs, labels),
        epochs=3,
        verbose=0,
        callbacks=[keras.callbacks.CSVLogger(str(log))],
    )
    from_fit = plot_curves(history, tmp_path / "fit.png").read_bytes()
    assert plot_curves(log, tmp_path / "csv.png").read_bytes() == from_fit
    assert plot_curves(str(log), tmp_path / "csv.png").read_bytes() == from_fit


def test_no_window_system_and_no_global_figure(tmp_path):
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    plot_curves(HISTORY, tmp_path / "curves.png")
    plot_confusion(report(), tmp_path / "confusion.png")
    assert pyplot.get_fignums() == before


@pytest.mark.parametrize(
    ("history", "message"),
    [
        ({"accuracy": [0.5]}, "must hold the curve 'loss'"),
        (None, "must hold the curve 'loss'"),
        ({"loss": []}, "at least one epoch"),
        ({"loss": [1.0, 0.9], "val_loss": [1.0]}, "curves of one length, 2"),
    ],
)
def test_wrong_history(tmp_path, history, message):
    with pytest.raises(ValueError, match=message):
        plot_curves(history, tmp_path / "curves.png")
    assert not list(tmp_path.iterdir())


def test_wrong_files(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("epoch,loss\n")
    with pytest.raises(ValueError, match="at least one epoch"):
        plot_curves(log, tmp_path / "curves.png")
    log.write_text("epoch,loss\n0,high\n")
    with pytest.raises(ValueError, match=r"as keras\.callbacks\.CSVLogger writes it.*high"):
        plot_curves(log, tmp_path / "curves.png")
    with pytest.raises(FileNotFoundError):
        plot_curves(tmp_path / "none.csv", tmp_path / "curves.png")
    for draw, what in ((plot_curves, HISTORY), (plot_confusion, report())):
        with pytest.raises(ValueError, match=r"`path` must end in one of .*Received: .*picture'"):
            draw(what, tmp_path / "picture")
