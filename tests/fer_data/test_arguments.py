"""The rules of arguments, and the checks behind them: what passes, and what is said of the rest."""

import dataclasses
import inspect
import itertools
from pathlib import Path

import numpy as np
import pytest

from fer_data import arguments, checks

ODD = [None, "x", b"x", [], {}, object(), 1 + 2j, -1, 1.5, np.nan, np.inf, 10**400, np.array(1.0)]
IMAGE = np.zeros((2, 4, 4, 3), "uint8")


@pytest.mark.parametrize(
    ("rule", "good", "bad", "said"),
    [
        (arguments.integer(1), [1, np.int8(3)], [0, True, 1.0], "an integer >= 1"),
        (arguments.integer(0, 9), [0, 9], [10], "an integer from 0 to 9"),
        (arguments.number(0, 1), [0, 0.5, np.float32(1)], [1.01, True], r"a number in \[0, 1\]"),
        (arguments.number(), [-1e300], ["1"], "a finite number"),
        (arguments.flag, [True, np.bool_(False)], [1, "yes"], "True or False"),
        (arguments.seed, [0, 2**40], [-1], "an integer >= 0"),
        (arguments.text, ["", "x"], [Path("x")], "a text"),
        (arguments.path, ["x", Path("x")], ["", "a\0b"], "the path of a file or folder"),
        (arguments.function, [len], [3], "a function"),
        (arguments.choice(("a", None, 3)), ["a", None, 3], ["b", [3]], r"one of \('a', None, 3\)"),
        (arguments.names, [["a", "b"], ("a",)], [["a", "a"], "ab", [1]], "a list of different"),
        (arguments.mapping(arguments.integer()), [{}, {"a": 1}], [{1: 1}, {"a": -1}], "must be"),
        (arguments.sequence(arguments.text, 1, 2), [["a"], iter("abc")], [[1], []], "must"),
        (arguments.instance(Path, "a path"), [Path("x")], ["x"], "a path"),
        (
            arguments.with_method("normal", "a generator"),
            [np.random.default_rng()],
            [3],
            "a generator",
        ),
        (
            arguments.either(arguments.flag, arguments.text, rule="a flag or a text"),
            [True, "x"],
            [3],
            "a flag or a text",
        ),
        (arguments.array((None, 2)), [[[1, 2]], np.ones((3, 2))], [[[1]], [["a", "b"]]], "must be"),
        (arguments.array(ranks=(1, 2), low=0, high=1), [[0.5]], [[2], [np.nan]], "must be"),
        (arguments.array(kinds="ui"), [[1], 3], [[0.5], [True]], "an array of integers"),
        (arguments.array((None,), empty=True), [[], [1]], [[[]]], "an array of numbers of shape"),
        (arguments.images, [IMAGE], [IMAGE[0], IMAGE[:0]], "must"),
        (arguments.labels, [[0, 1]], [[0.0], []], "must"),
        (arguments.scalar, ["a", 1, np.float32(2)], [[1], {}, object()], "a text or a number"),
        (arguments.optional(arguments.text), [None, "a"], [1], "a text"),
        (arguments.having("real", rule="a number"), [1], ["a"], "a number"),
        (arguments.categories, [["a"], [1]], [[], [["a"]], [1, None]], "a non-empty vector"),
        (arguments.array(kinds="b"), [[True]], [[1]], "an array of True and False"),
        (arguments.plain, [3, [1]], [np.zeros(3)], "not be an array"),
    ],
)
def test_rules(rule, good, bad, said):
    for value in good:
        rule("given", value)
    for value in bad:
        with pytest.raises(ValueError, match=f"`given.*{said}.*Received: "):
            rule("given", value)
    for value in ODD:
        message = refusal(rule, value)
        assert message is None or ("`given" in message and "Received: " in message)


def refusal(rule, value):
    """Return what a rule says of a value, None where it passes; other errors come through."""
    try:
        rule("given", value)
    except ValueError as error:
        return str(error)
    return None


def test_a_function_is_called_with_what_passed():
    @arguments.checked(first=arguments.integer(1), rest=arguments.text)
    def joined(first, second=2, *, rest=None):
        """Say what it does."""
        return first, second, rest

    assert joined(1) == (1, 2, None)
    assert joined(3, rest="a") == (3, 2, "a")
    assert joined(3, rest=None)[2] is None
    assert joined.__doc__ == "Say what it does."
    assert list(inspect.signature(joined).parameters) == ["first", "second", "rest"]
    with pytest.raises(ValueError, match=r"`first` must be an integer >= 1\. Received: first=0"):
        joined(first=0)
    with pytest.raises(ValueError, match="`rest`"):
        joined(1, rest=3)
    with pytest.raises(TypeError, match=r"joined\(\) missing 1 required"):
        joined()
    with pytest.raises(TypeError, match="has no arguments \\['third'\\]"):
        arguments.checked(third=arguments.text)(joined)


TEXTS = arguments.sequence(arguments.text, 1)


@pytest.mark.parametrize(
    "rule",
    [
        TEXTS,
        arguments.optional(TEXTS),
        arguments.either(arguments.integer(), TEXTS, rule="`names[0]` must be a text"),
    ],
)
def test_entries_that_come_once_are_looked_at_and_handed_on(rule):
    @arguments.checked(names=rule)
    def joined(first, names, **more):
        return first, list(names), more

    assert joined(0, iter("ab")) == (0, ["a", "b"], {})
    assert joined(first=0, names=(each for each in "ab"), c=3) == (0, ["a", "b"], {"c": 3})
    for wrong in ([1, 2], ["a", 2], []):
        with pytest.raises(ValueError, match="`names"):
            joined(0, iter(wrong))


def test_streams_are_left_alone():
    @arguments.checked(batches=arguments.sequence())
    def first(batches):
        return next(batches)

    assert first(itertools.count(3)) == 3


def test_a_class_is_made_with_what_passed():
    @arguments.checked_class(size=arguments.integer(1))
    @dataclasses.dataclass(frozen=True)
    class Box:
        size: int = 1

    assert Box() == Box(1)
    assert dataclasses.replace(Box(), size=3).size == 3
    with pytest.raises(ValueError, match="`size`"):
        Box(0)


def test_values_of_tensors_are_left_alone():
    class Tensor:
        """As in a graph: it has a shape and a dtype, and no values."""

        shape, dtype = (None, 2), np.dtype("float32")

        def __array__(self, *args, **kwargs):
            raise NotImplementedError

    arguments.array((None, 2), low=0)("points", Tensor())
    with pytest.raises(ValueError, match="`points` must be numbers of rank 4"):
        arguments.images("points", Tensor())


def test_tensors_whose_rank_is_not_known_pass_and_other_dtypes_are_named():
    import tensorflow as tf

    ranks = []

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32)])
    def checked(tensor):
        ranks.append(tensor.shape.rank)
        arguments.images("images", tensor)
        return tensor

    checked(tf.zeros(3))
    assert ranks == [None]
    arguments.array((None,))("values", tf.zeros(3, tf.bfloat16))
    for tensor in (tf.constant(["a"]), tf.constant([True]), tf.constant([1j])):
        with pytest.raises(ValueError, match=f"Received: values of dtype=.*{tensor.dtype.name}"):
            arguments.array((None,))("values", tensor)


def test_arrays_of_dtypes_that_numpy_does_not_know():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    half = np.array([0.5, 2], ml_dtypes.bfloat16)
    np.testing.assert_array_equal(checks.as_array("values", half), np.float32([0.5, 2]))
    pair = np.zeros(2, [("x", "f4"), ("y", "f4")])
    with pytest.raises(ValueError, match=r"`values` must be an array of numbers.*dtype=\[\('x'"):
        checks.as_array("values", pair)

    class Odd:
        def __array__(self, *args, **kwargs):
            raise RuntimeError("no array today")

    with pytest.raises(ValueError, match=r"of one shape.*no array today"):
        checks.as_array("values", Odd())
    with pytest.raises(ValueError, match=r"must be an array of numbers. Received: values of dtype"):
        checks.as_numbers("values", ["a"])
    np.testing.assert_array_equal(checks.as_numbers("values", 1e300, "float32"), np.inf)


IMAGES = np.zeros((2, 4, 4, 1), "uint8")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: checks.checked_names("names", ["a", "b"], 3), "`names` must be 3 texts"),
        (lambda: checks.checked_images(IMAGES[0]), r"`images` must be numbers of shape \(examples"),
        (lambda: checks.checked_images(IMAGES, (None, 4, 3)), r"shape \(None, 4, 3\).*\(4, 4, 1\)"),
        (lambda: checks.checked_images(IMAGES - 1.0), r"in \[0, 255\].*from -1.0 to -1.0"),
        (lambda: checks.checked_images(np.full((1, 2, 2, 1), np.nan)), r"in \[0, 255\].*nan"),
        (
            lambda: checks.checked_images(IMAGES + 0.5),
            "`images`.*scaled to .* multiply them by 255",
        ),
        (lambda: checks.checked_images(IMAGES + 1.0), "Received: values from 1.0 to 1.0"),
        (lambda: checks.checked_labels([0.0, 1], 2, 3), "must be 2 integers.*dtype=float64"),
        (lambda: checks.checked_labels([0], 2, 3), r"must be 2 integers.*shape=\(1,\)"),
        (lambda: checks.checked_labels([0, 3], 2, 3), "from 0 to 2.*from 0 to 3"),
        (lambda: checks.check_epsilon("epsilon", 0), "above 0 and at most 255.*epsilon=0"),
        (lambda: checks.check_epsilon("epsilon", True), "above 0 and at most 255.*=True"),
        (lambda: checks.checked_values("v", []), r"\(examples, queries\), and not empty"),
        (lambda: checks.checked_values("v", [1, 2], 3), "must hold 3 examples. Received: 2"),
        (lambda: checks.checked_values("v", [1, np.nan]), "must be finite. Received: 1 of 2"),
        (lambda: checks.checked_references("r", [[1, 2]], 3, 1), r"shape \(models, 3, 1\)"),
        (lambda: checks.checked_inside([[1, 0]], (1, 2)), r"boolean array of shape \(1, 2\)"),
        (lambda: checks.checked_inside([[True]], (1, 2)), r"Received: dtype=bool, shape=\(1, 1\)"),
        (lambda: checks.checked_rate("rate", 1), "must be between 0 and 1. Received: rate=1"),
    ],
)
def test_what_the_checks_say(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_what_the_checks_return():
    assert checks.checked_names("names", ("a", np.str_("b")), 2) == ("a", "b")
    assert checks.checked_images(IMAGES, (4, None, 1)) is IMAGES
    # Black, whole numbers, and some faces of a set that was checked.
    for dark in (IMAGES + 0.0, IMAGES + np.uint8(1)):
        assert checks.checked_images(dark) is dark
    assert checks.checked_images(IMAGES + 1.0, whole=False).max() == 1
    found = checks.checked_labels([2, 0], 2, 3)
    assert found.tolist() == [2, 0]
    assert found.dtype == np.int32
    checks.check_epsilon("epsilon", 255)
    np.testing.assert_array_equal(checks.checked_values("v", [1, 2], 2), [[1.0], [2.0]])
    assert checks.checked_references("r", [[1, 2, 3]], 3, 1).shape == (1, 3, 1)
    assert checks.checked_inside([[True, False]], (1, 2)).tolist() == [[True, False]]
    assert checks.checked_rate("rate", np.float32(0.5)) == 0.5
    whole = [checks.is_whole(value) for value in (1, 7, 0, True, 1.0, "1")]
    assert whole == [True, True, False, False, False, False]


def test_a_rule_of_an_attribute_names_its_class():
    class Box:
        size = -1

    checks.check_attribute(Box(), "size", True, "positive")
    with pytest.raises(ValueError, match=r"`size` of a Box must be positive\. Received: size=-1"):
        checks.check_attribute(Box(), "size", False, "positive")


def test_messages_stay_short():
    assert len(checks.shown("x" * 10_000)) < 250
    assert checks.shown(np.zeros((9, 9))) == "an array of dtype=float64, shape=(9, 9)"
    # Python refuses to write a number of so many digits.
    assert "cannot be shown" in checks.shown(10**5000)
