"""The profile of an exported network: its sums, and a small run of ONNX Runtime."""

import json
from types import SimpleNamespace

import keras
import pytest
from helpers.examples import loaded_benchmark

import fer_layers

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the exports are of TensorFlow"
)


@pytest.fixture(scope="module")
def profile():
    with loaded_benchmark("op_profile") as script:
        yield script


def node(op_type, group=1, name="", inputs=()):
    attributes = [SimpleNamespace(name="group", i=group)]
    return SimpleNamespace(op_type=op_type, attribute=attributes, name=name, input=inputs)


@pytest.mark.parametrize(
    ("operation", "weight", "kind"),
    [
        (node("Conv", 8), [8, 1, 3, 3], "depthwise convolution"),
        (node("FusedConv"), [8, 4, 1, 1], "1x1 convolution"),
        (node("Conv"), [8, 3, 3, 3], "other convolution"),
        (node("ReorderInput"), [], "change of memory layout"),
        (node("Transpose"), [], "concatenate, slice, reshape"),
        (node("Squeeze"), [], "concatenate, slice, reshape"),
        (node("ReduceMax"), [], "pooling, reduction"),
        (node("GlobalAveragePool"), [], "pooling, reduction"),
        (node("MatMul"), [8, 7], "dense"),
        (node("Sigmoid"), [], "elementwise"),
    ],
)
def test_kinds(profile, operation, weight, kind):
    assert profile.kind_of(operation, weight) == kind


def test_sums_of_a_kind(profile):
    def events(name, given, out, *microseconds):
        shapes = {
            "input_type_shape": [{"float": shape} for shape in given],
            "output_type_shape": [{"float": out}],
        }
        name = f"{name}_kernel_time"
        return [{"cat": "Node", "name": name, "dur": us, "args": shapes} for us in microseconds]

    ran = [
        {"cat": "Session", "name": "model_run", "dur": 9999},
        # A quarter of the runs, the first ones, is left out.
        *events("a", [[1, 3, 8, 8], [4, 3, 3, 3]], [1, 4, 8, 8], 9000, 30, 20, 10),
        *events("b", [[1, 4, 8, 8], [4, 4, 3, 3]], [1, 4, 8, 8], 9000, 60, 60, 60),
        *events("c", [[1, 4, 8, 8]], [1, 4, 8, 8], 9000, 20, 20, 20),
        # Without its weights, which it has packed for itself.
        *events("d", [[2, 8]], [2, 7], 9000, 10, 10, 10),
    ]
    nodes = [
        node("Conv", name="a", inputs=["x", "wa"]),
        node("Conv", name="b", inputs=["y", "wb"]),
        node("Relu", name="c", inputs=["z"]),
        node("MatMul", name="d", inputs=["f", "wd"]),
    ]
    weights = [
        SimpleNamespace(name="wa", dims=(4, 3, 3, 3)),
        SimpleNamespace(name="wb", dims=(4, 4, 3, 3)),
        SimpleNamespace(name="wd", dims=(8, 7)),
    ]
    graph = SimpleNamespace(node=nodes, initializer=weights)
    convolution, elementwise, dense, whole = profile.summed(ran, graph, runs=4)
    assert convolution["kind"] == "other convolution"
    assert convolution["count"] == 2
    assert convolution["ms"] == pytest.approx(0.08)
    assert convolution["share"] == pytest.approx(0.08 / 0.11)
    assert convolution["macs"] == 4 * 64 * 27 + 4 * 64 * 36
    assert convolution["bytes"] == 4 * (192 + 108 + 256 + 256 + 144 + 256)
    assert (elementwise["macs"], elementwise["bytes"]) == (0, 4 * 512)
    assert (dense["macs"], dense["bytes"]) == (2 * 7 * 8, 4 * (16 + 14 + 56))
    assert whole["ms"] == pytest.approx(0.11)
    assert whole["share"] == 1


@pytest.mark.parametrize("wrong", [["--rounds", "0"], ["--size", "16"], ["--models", "vgg"]])
def test_mistakes(profile, wrong):
    with pytest.raises(SystemExit):
        profile.main(wrong)


def tiny(input_shape):
    image = keras.Input(input_shape, name="image")
    x = fer_layers.ConvNorm(16, 3, strides=4)(image)
    x = keras.layers.DepthwiseConv2D(3, padding="same")(x)
    x = fer_layers.ConvNorm(16, 1)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(7, activation="softmax")(x))


@pytest.mark.slow
def test_small_run(profile, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(profile.MODELS, "ghostface", tiny)
    written = tmp_path / "figures.json"
    words = ["--models", "ghostface", "--size", "32", "--rounds", "4", "--threads", "1"]
    profile.main([*words, "--json", str(written), "--markdown", str(tmp_path / "tables.md")])
    *rows, whole = json.loads(written.read_text())["models"]["ghostface"]
    macs = {row["kind"]: row["macs"] for row in rows}
    assert macs["other convolution"] == 8 * 8 * 16 * 27
    assert macs["depthwise convolution"] == 8 * 8 * 16 * 9
    assert macs["1x1 convolution"] == 8 * 8 * 16 * 16
    assert macs["dense"] == 16 * 7
    assert whole["ms"] == pytest.approx(sum(row["ms"] for row in rows))
    text = (tmp_path / "tables.md").read_text()
    assert text in capsys.readouterr().out
    assert "| depthwise convolution | 1 |" in text
