"""The benchmark of the models: its arithmetic, and a small run of every way."""

import json
import sys

import keras
import pytest
from helpers.examples import loaded_benchmark

import fer_layers

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the benchmark is of TensorFlow"
)


@pytest.fixture(scope="module")
def benchmark():
    # The processes that measure memory look for its functions under its own name.
    with loaded_benchmark("models") as script:
        yield script


def test_ratios_are_of_the_same_round(benchmark):
    seconds = {"a": [1.0, 2.0, 8.0], "b": [2.0, 8.0, 8.0]}
    assert benchmark.ratios(seconds, "a", "b") == {"median": 2.0, "low": 1.0, "high": 4.0}
    assert benchmark.ratios(seconds, "a", "a") is None
    assert benchmark.ratios(seconds, "a", "none") is None


def test_every_function_has_its_turn(benchmark, monkeypatch):
    monkeypatch.setattr(benchmark, "TURN", 0)
    calls = []
    functions = {name: lambda name=name: calls.append(name) for name in "ab"}
    seconds = benchmark.turns(functions, 3, "test")
    assert calls == ["a", "b"] + ["a", "a", "b", "b"] * 3
    assert all(len(each) == 3 and min(each) >= 0 for each in seconds.values())


def test_memory_of_what_is_held(benchmark, tmp_path, monkeypatch):
    if not benchmark.Path("/proc/self/clear_refs").exists():
        pytest.skip("memory is measured on Linux alone")

    def hold(*arguments):
        block = bytearray(64 * 2**20)
        return lambda images: block[:1]

    monkeypatch.setattr(benchmark, "runner", hold)
    monkeypatch.setitem(benchmark.MODELS, "ghostface", lambda input_shape: None)
    options = benchmark.parsed(["--models", "ghostface", "--size", "32"])
    found = benchmark.memory_of("ghostface", "eager", 1, tmp_path, options)
    assert 60 < found < 100


@pytest.mark.parametrize(
    "wrong",
    [
        ["--rounds", "0"],
        ["--size", "16"],
        ["--models", "vgg"],
        ["--batches", "-1"],
        ["--channels", "2"],
        ["--models", "ghostface", "mobilenet_v2", "--stem-strides", "1"],
    ],
)
def test_mistakes(benchmark, wrong):
    with pytest.raises(SystemExit):
        benchmark.main(wrong)


@pytest.mark.slow
def test_models_take_pixels_and_give_classes(benchmark):
    for name in benchmark.MODELS:
        model = benchmark.build(name, (32, 32, 3))
        assert model.input_shape == (None, 32, 32, 3)
        assert model.output_shape == (None, benchmark.CLASSES)
        # None expects somebody else to scale the image.
        assert any("scal" in layer.name or "standard" in layer.name for layer in model.layers)


def test_the_first_stride_of_small_faces(benchmark):
    words = ["--models", "efficientface", "--size", "48", "--channels", "1", "--stem-strides", "1"]
    options = benchmark.parsed(words)
    model = benchmark.build("efficientface", options.shape, options.stem_strides)
    assert model.input_shape == (None, 48, 48, 1)
    stem = next(layer for layer in model.layers if isinstance(layer, fer_layers.ConvNorm))
    assert stem.output.shape[1:3] == (48, 48)


def tiny(input_shape):
    image = keras.Input(input_shape, name="image")
    x = fer_layers.ConvNorm(64, 3, strides=4)(image)
    x = fer_layers.ConvNorm(64, 3, strides=4)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(7, activation="softmax")(x))


@pytest.mark.slow
def test_small_run(benchmark, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "TURN", 0)
    for name in ("ghostface", "mobilenet_v2"):
        monkeypatch.setitem(benchmark.MODELS, name, tiny)
    monkeypatch.setattr(sys, "argv", ["models.py"])
    # Too late in this process, whose other tests have run.
    monkeypatch.setattr(
        "tensorflow.config.threading.set_intra_op_parallelism_threads", lambda count: None
    )
    written = tmp_path / "figures.json"
    words = ["--models", "ghostface", "mobilenet_v2", "--batches", "2", "--size", "32"]
    words += ["--rounds", "1", "--threads", "1", "--training-batches", "2", "--no-memory"]
    words += ["--json", str(written), "--markdown", str(tmp_path / "tables.md")]
    benchmark.main(words)
    figures = json.loads(written.read_text())
    assert [row["model"] for row in figures["models"]] == ["ghostface", "mobilenet_v2"]
    for row in figures["models"]:
        assert row["papers_flops_folded"] < row["papers_flops"]
        assert row["bytes"]["litert-int8"] < 0.5 * row["bytes"]["litert"]
    ways = {(row["model"], row["way"]) for row in figures["inference"]}
    assert len(ways) == len(figures["inference"]) == 2 * len(benchmark.WAYS)
    for row in figures["inference"] + figures["training"]:
        median = row["ms"]["median"]
        assert row["images_a_second"] == pytest.approx(2000 / median)
        if row["model"] == "ghostface":
            assert row["times_mobilenet_v2"]["median"] > 0
            assert row["times_efficientface"] is None
    precisions = [row["precision"] for row in figures["training"]]
    assert precisions == ["float32", "mixed_bfloat16"] * 2
    text = (tmp_path / "tables.md").read_text()
    assert text in capsys.readouterr().out
    assert "Inference, batch 2:" in text
    assert "| ghostface | litert-int8 |" in text


def test_a_run_that_is_cut_off_leaves_what_it_had(benchmark, tmp_path, monkeypatch):
    monkeypatch.setitem(benchmark.MODELS, "ghostface", tiny)
    monkeypatch.setattr(benchmark, "TURN", 0)
    monkeypatch.setattr(
        "tensorflow.config.threading.set_intra_op_parallelism_threads", lambda count: None
    )
    measured = benchmark.turns

    def turns(functions, rounds, what):
        if what == "batch 2":
            raise KeyboardInterrupt
        return measured(functions, rounds, what)

    monkeypatch.setattr(benchmark, "turns", turns)
    words = ["--models", "ghostface", "--ways", "eager", "--batches", "1", "2", "--size", "32"]
    words += ["--rounds", "1", "--no-memory", "--markdown", str(tmp_path / "tables.md")]
    with pytest.raises(KeyboardInterrupt):
        benchmark.main([*words, "--json", str(tmp_path / "figures.json")])
    rows = json.loads((tmp_path / "figures.json").read_text())["inference"]
    assert [(row["way"], row["batch"]) for row in rows] == [("eager", 1)]
    assert "Inference, batch 1:" in (tmp_path / "tables.md").read_text()


@pytest.fixture
def draw_models():
    with loaded_benchmark("draw_models") as script:
        yield script


def test_the_picture_has_a_bar_for_each_way(tmp_path, monkeypatch, capsys, draw_models):
    ms = {"median": 2.0, "low": 1.0, "high": 4.0}
    figures = {
        "environment": {"size": 32, "threads": 2, "machine": "x86_64", "date": "2026-11-26"},
        "inference": [
            {"model": name, "way": way, "batch": batch, "ms": ms}
            for name in ("ghostface", "mobilenet_v2")
            for way in ("litert", "onnx")
            for batch in (1, 32)
        ],
    }
    written = tmp_path / "figures.json"
    written.write_text(json.dumps(figures))
    drawn = []
    save = draw_models.Figure.savefig
    monkeypatch.setattr(
        draw_models.Figure, "savefig", lambda f, *a, **k: (drawn.append(f), save(f, *a, **k))
    )
    words = [str(written), str(tmp_path / "models.png"), "--ways", "litert", "onnx"]
    assert draw_models.main(words) == 0
    for axes, batch in zip(drawn[0].axes, (1, 32), strict=True):
        assert [bar.get_width() for bar in axes.patches] == [2.0] * 4
        assert str(batch) in axes.get_xlabel() or batch == 1
        (reach,) = {tuple(line[:, 0]) for line in axes.collections[0].get_segments()}
        assert reach == (1.0, 4.0)
    assert (tmp_path / "models.png").stat().st_size > 5000
    assert draw_models.main([*words[:2], "--ways", "xla"]) == 2
    assert "the figures have no xla" in capsys.readouterr().err
