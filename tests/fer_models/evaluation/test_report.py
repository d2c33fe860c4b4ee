import json
import math

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from fer_models.evaluation import calibration_error, classification_report, evaluate

NAMES = ("angry", "happy", "sad")
# Truth 0 0 0 1 1, predicted 0 0 1 1 0; nobody is sad.
LABELS = np.array([0, 0, 0, 1, 1])
PROBABILITIES = np.array(
    [[0.8, 0.1, 0.1], [0.6, 0.2, 0.2], [0.3, 0.4, 0.3], [0.1, 0.9, 0.0], [0.5, 0.25, 0.25]]
)


def test_scores_against_a_count_by_hand():
    report = classification_report(LABELS, PROBABILITIES, NAMES)
    assert report.accuracy == pytest.approx(3 / 5)
    assert report.confusion.tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 0]]
    angry, happy, sad = report.classes
    assert (angry.precision, angry.recall, angry.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert (happy.precision, happy.recall, happy.f1) == pytest.approx((1 / 2, 1 / 2, 1 / 2))
    assert (angry.support, happy.support, sad.support) == (3, 2, 0)
    assert (sad.precision, sad.recall, sad.f1) == (None, None, None)
    assert report.absent == ("sad",)
    assert report.macro_f1 == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert report.macro_recall == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert report.weighted_f1 == pytest.approx((3 * 2 / 3 + 2 * 1 / 2) / 5)
    right = (0.8, 0.6, 0.3, 0.9, 0.25)
    assert report.loss == pytest.approx(-sum(math.log(p) for p in right) / 5)
    assert report.examples == 5


def test_predictions_of_an_absent_class_are_errors_of_the_true_one():
    report = classification_report([0, 1], [[0.1, 0.1, 0.8], [0.1, 0.8, 0.1]], NAMES)
    assert report.classes[0].recall == 0
    assert report.classes[0].precision == 0
    assert report.macro_f1 == pytest.approx(0.5)


def test_one_hot_and_soft_labels():
    hard = classification_report(LABELS, PROBABILITIES, NAMES)
    assert classification_report(np.eye(3)[LABELS], PROBABILITIES, NAMES) == hard
    soft = classification_report([[0.75, 0.25]], [[0.5, 0.5]])
    assert soft.loss == pytest.approx(math.log(2))
    assert soft.class_names == ("0", "1")


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 8), st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_agrees_with_scikit_learn_and_stays_in_range(classes, count, seed):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, count)
    probabilities = generator.dirichlet(np.ones(classes), count)
    report = classification_report(labels, probabilities)
    assert report.confusion.sum() == count
    assert report.accuracy == pytest.approx(np.trace(report.confusion) / count)
    for score in (report.macro_f1, report.weighted_f1, report.macro_recall):
        assert 0 <= score <= 1
    assert 0 <= report.calibration_error <= 1
    loss = log_loss(labels, probabilities, labels=range(classes))
    assert report.loss == pytest.approx(loss, rel=1e-4, abs=1e-6)


def test_probability_zero_for_the_truth_has_a_finite_loss():
    assert classification_report([0], [[0.0, 1.0]]).loss == pytest.approx(-math.log(1e-7))


def test_dictionary_and_markdown():
    report = classification_report(LABELS, PROBABILITIES, NAMES)
    content = json.loads(json.dumps(report.to_dict()))
    assert content["accuracy"] == pytest.approx(0.6)
    assert content["confusion"] == [[2, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert content["classes"][0]["name"] == "angry"
    assert content["absent"] == ["sad"]
    text = report.to_markdown()
    assert "| angry | 0.6667 | 0.6667 | 0.6667 | 3 |" in text
    assert "| sad | - | - | - | 0 |" in text
    assert "Without examples, and in no mean: sad." in text
    assert str(report) == text


def test_calibration_error_by_hand():
    # Sure of 0.9 and right half of the time; sure of 0.6 and always right.
    probabilities = [[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]]
    error = calibration_error([0, 1, 1, 1], probabilities, bins=10)
    assert error == pytest.approx(0.5 * 0.4 + 0.5 * 0.4)
    assert calibration_error([0, 1], [[1.0, 0.0], [0.0, 1.0]]) == 0
    with pytest.raises(ValueError, match=r"`bins` must be .*Received: bins=0"):
        calibration_error([0], [[0.5, 0.5]], bins=0)


@pytest.mark.parametrize(
    ("labels", "probabilities", "names", "message"),
    [
        ([0], [[0.5, 0.6]], None, "`probabilities` must be from 0 to 1 and sum to one"),
        ([0], [[1.5, -0.5]], None, "`probabilities` must be from 0 to 1 and sum to one"),
        ([0], [[3.0, -1.0]], None, "logits go through a softmax first"),
        ([0], [[np.nan, 0.5]], None, "`probabilities` must be finite"),
        ([0], [0.5, 0.5], None, r"`probabilities` must be of shape \(examples, classes\)"),
        ([0], [[1.0]], None, "with 2 classes or more"),
        ([], np.zeros((0, 3)), None, "at least one example"),
        ([2], [[0.5, 0.5]], None, "`labels` must be from 0 to 1.* such as 2"),
        ([-1], [[0.5, 0.5]], None, "`labels` must be from 0 to 1"),
        ([0.5], [[0.5, 0.5]], None, "`labels` must be integers"),
        ([0, 1], [[0.5, 0.5]], None, "`labels` must have one entry an example, 1"),
        ([[1, 0, 0]], [[0.5, 0.5]], None, r"`labels` must be of shape \(1,\) or \(1, 2\)"),
        ([[1, 1]], [[0.5, 0.5]], None, "sum to one in every row"),
        ([[np.nan, 1]], [[0.5, 0.5]], None, "sum to one in every row"),
        ([0], [[0.5, 0.5]], ("a", "b", "c"), "`class_names` must name the 2 classes"),
        ([0], [[0.5, 0.5]], ("a", "a"), "`class_names` must differ"),
    ],
)
def test_wrong_arguments(labels, probabilities, names, message):
    with pytest.raises(ValueError, match=message):
        classification_report(labels, probabilities, names)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])


@pytest.fixture(scope="module")
def data():
    generator = np.random.default_rng(0)
    return generator.normal(size=(10, 4)).astype("float32"), generator.integers(0, 3, 10)


class Batches(keras.utils.PyDataset):
    def __init__(self, inputs, labels):
        super().__init__()
        self.inputs, self.labels = inputs, labels

    def __len__(self):
        return 3

    def __getitem__(self, index):
        part = slice(4 * index, 4 * index + 4)
        return self.inputs[part], self.labels[part]


class Stream:
    """Batches with `__len__` and no length, as PyTorch's loader of an iterable data set."""

    def __init__(self, batches):
        self.batches = batches

    def __len__(self):
        raise TypeError("object of type 'Stream' has no len()")

    def __iter__(self):
        return (self.batches[index] for index in range(len(self.batches)))


def test_evaluate_every_kind_of_data(model, data):
    import tensorflow as tf

    inputs, labels = data
    expected = classification_report(
        labels, keras.ops.convert_to_numpy(model(inputs)), NAMES
    ).to_dict()
    dataset = tf.data.Dataset.from_tensor_slices((inputs, np.eye(3, dtype="float32")[labels]))
    kinds = {
        "arrays": evaluate(model, inputs, labels, NAMES, batch_size=4, verbose=0),
        "tf.data": evaluate(model, dataset.batch(4), class_names=NAMES, verbose=0),
        "unknown length": evaluate(
            model, dataset.batch(4).filter(lambda *_: True), class_names=NAMES, verbose=0
        ),
        "valence and arousal beside": evaluate(
            model,
            dataset.map(lambda x, y: (x, {"expression": y, "valence_arousal": y[:2]})).batch(4),
            class_names=NAMES,
            verbose=0,
        ),
        "PyDataset": evaluate(model, Batches(inputs, labels), class_names=NAMES, verbose=0),
        "stream": evaluate(model, Stream(Batches(inputs, labels)), class_names=NAMES, verbose=0),
        "generator": evaluate(
            model, (Batches(inputs, labels)[i] for i in range(3)), class_names=NAMES, verbose=0
        ),
    }
    for kind, report in kinds.items():
        found = report.to_dict()
        assert found["confusion"] == expected["confusion"], kind
        assert found["loss"] == pytest.approx(expected["loss"], rel=1e-5), kind


def test_evaluate_reads_a_shuffled_dataset_once(model, data):
    import tensorflow as tf

    inputs, labels = data
    dataset = tf.data.Dataset.from_tensor_slices((inputs, labels)).shuffle(10).batch(4)
    straight = evaluate(model, inputs, labels, verbose=0)
    assert evaluate(model, dataset, verbose=0).confusion.tolist() == straight.confusion.tolist()


def test_evaluate_shows_progress(model, data, capsys):
    evaluate(model, *data, batch_size=5)
    assert "2/2" in capsys.readouterr().out
    evaluate(model, *data, verbose=0)
    assert capsys.readouterr().out == ""


def test_evaluate_refuses(model, data):
    import tensorflow as tf

    inputs, labels = data
    dataset = tf.data.Dataset.from_tensor_slices((inputs, labels)).batch(4)
    with pytest.raises(ValueError, match="`data` must end"):
        evaluate(model, dataset.repeat(), verbose=0)
    with pytest.raises(ValueError, match="at least one batch"):
        evaluate(model, dataset.take(0), verbose=0)
    with pytest.raises(ValueError, match=r"must give pairs \(images, labels\)"):
        evaluate(model, dataset.map(lambda x, y: x), verbose=0)
    with pytest.raises(ValueError, match=r"must give pairs .* of 3"):
        evaluate(model, dataset.map(lambda x, y: (x, y, y)), verbose=0)
    with pytest.raises(ValueError, match="`labels` must be given with an array"):
        evaluate(model, inputs, verbose=0)
    with pytest.raises(ValueError, match="10 images and 9 labels"):
        evaluate(model, inputs, labels[:9], verbose=0)
    with pytest.raises(ValueError, match="`batch_size` must be"):
        evaluate(model, inputs, labels, batch_size=0, verbose=0)
    with pytest.raises(ValueError, match="`class_names` must name the 3 classes"):
        evaluate(model, inputs, labels, class_names=("a", "b"), verbose=0)
