"""Exported files compute what the models compute, or are not written."""

import json
import sys

import keras
import numpy as np
import pytest
from helpers.layers import sample
from keras import layers

import fer_models
from fer_data.compiled.lite_graph import NotConvertibleError
from fer_layers import ConvNorm
from fer_models.export import FORMATS, compare, export, exporting, load, writing

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
only_tensorflow = pytest.mark.skipif(not ON_TENSORFLOW, reason="models are exported on TensorFlow")
NAMES = {"litert": "m.tflite", "litert-int8": "m.tflite", "onnx": "m.onnx", "saved_model": "m"}


def small_model():
    keras.utils.set_random_seed(0)
    image = keras.Input((24, 24, 1), name="image")
    # Its mean is neither a variable nor a number of the graph.
    x = layers.Normalization(mean=[127.5], variance=[4096.0], axis=-1)(image)
    x = ConvNorm(6, 3, strides=2)(x)
    x = layers.Flatten()(layers.AveragePooling2D(4)(x))
    return keras.Model(image, layers.Dense(3, activation="softmax")(x))


@pytest.fixture(scope="module")
def model():
    return small_model()


@pytest.fixture(scope="module")
def faces():
    return np.random.default_rng(0).integers(0, 256, (20, 24, 24, 1), dtype="uint8")


@only_tensorflow
@pytest.mark.parametrize("format", FORMATS)
def test_every_format(format, model, faces, tmp_path, capsys):
    path = tmp_path / "new folder" / NAMES[format]
    representative = faces if format == "litert-int8" else None
    report = export(model, path, format, faces, representative)
    assert str(report) in capsys.readouterr().out
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert (report.path, report.format) == (str(path), format)
    assert report.size > 1000
    assert (report.folded, report.kept) == (1, ())
    assert report.faces == "20 given inputs"
    assert json.loads(json.dumps(report.to_dict()))["comparison"]["examples"] == 20

    # What the report says, computed anew; and any number of pictures.
    run = load(path, threads=1)
    expected = model.predict(faces.astype("float32"), verbose=0)
    received = run(faces)
    error = np.abs(expected - received)
    assert report.comparison.max_abs_error == pytest.approx(error.max(), rel=1e-3, abs=1e-7)
    assert error.max() < (0.05 if format == "litert-int8" else 1e-5)
    assert (error.max() > 1e-6) == (format == "litert-int8")
    np.testing.assert_allclose(run(faces[:1]), received[:1], atol=1e-6)
    np.testing.assert_array_equal(run({"image": faces}), received)
    with pytest.raises(ValueError, match="`inputs` must have the names"):
        run({"picture": faces})


@only_tensorflow
def test_weights_of_8_bits_are_smaller(tmp_path):
    image = keras.Input((24, 24, 1))
    x = layers.Dense(3)(layers.Flatten()(layers.Conv2D(64, 3)(image)))
    model, faces = keras.Model(image, x), sample((3, 24, 24, 1))
    plain = export(model, tmp_path / "a.tflite", "litert", faces, verbose=False)
    weights = export(model, tmp_path / "b.tflite", "litert-int8", faces, verbose=False)
    both = export(model, tmp_path / "c.tflite", "litert-int8", faces, faces, verbose=False)
    assert max(weights.size, both.size) < 0.3 * plain.size
    assert weights.numbers == "int8 weights and float32 activations"
    assert both.numbers == "int8 weights and activations, float32 input and output"


@pytest.mark.slow
@only_tensorflow
@pytest.mark.parametrize("format", ["onnx", "saved_model"])
def test_several_inputs(format, tmp_path):
    # Named against the alphabet, and asymmetric: a mix-up shows.
    left, right = keras.Input((4,), name="b_left"), keras.Input((4,), name="a_right")
    weigh = layers.Dense(2, use_bias=False)
    model = keras.Model([left, right], weigh(left) - 3 * weigh(right))
    arrays = [sample((5, 4), seed=seed) for seed in (1, 2)]
    expected = model.predict(arrays, verbose=0)
    path = tmp_path / NAMES[format]
    for given in (arrays, dict(zip(("b_left", "a_right"), arrays, strict=True))):
        report = export(model, path, format, given, overwrite=True, verbose=False)
        assert report.comparison.max_abs_error < 1e-5
    run = load(path)
    received = run({"a_right": arrays[1], "b_left": arrays[0]})
    np.testing.assert_allclose(received, expected, atol=1e-5)
    with pytest.raises(ValueError, match="dictionary of arrays"):
        run(arrays[0])


@pytest.mark.slow
@only_tensorflow
def test_several_inputs_of_litert(tmp_path):
    left, right = keras.Input((4,), name="b_left"), keras.Input((4,), name="a_right")
    weigh = layers.Dense(2, use_bias=False)
    model = keras.Model([left, right], weigh(left) - 3 * weigh(right))
    arrays = [sample((5, 4), seed=seed) for seed in (1, 2)]
    for format, error in (("litert", 1e-5), ("litert-int8", 0.1)):
        path = tmp_path / f"{format}.tflite"
        shown = arrays if format == "litert-int8" else None
        report = export(model, path, format, arrays, shown, verbose=False)
        assert report.comparison.max_abs_error < error


@only_tensorflow
def test_faces_are_drawn_where_none_are_given(model, tmp_path):
    report = export(model, tmp_path / "m.tflite", "litert", verbose=False)
    assert report.faces == "14 drawn faces"
    assert report.comparison.examples == 14


@only_tensorflow
def test_without_folding(tmp_path, faces):
    report = export(
        small_model(), tmp_path / "m.tflite", "litert", faces, fold=False, verbose=False
    )
    assert report.folded == 0
    assert len(report.kept) == 1
    assert f"kept: {report.kept[0]}" in str(report)


BAD = {
    "format": ({"format": "tflite"}, "`format` must be one of"),
    "ending": ({"path": "m.onnx"}, "`path` must end in .tflite"),
    "folder": ({"format": "saved_model", "path": "m.onnx"}, "name of a folder"),
    "model": ({"model": "ghostface"}, "`model` must be a built"),
    "two outputs": (
        {"model": lambda: keras.Model(x := keras.Input((2,)), [x, 2 * x])},
        "`model` must have one output",
    ),
    "representative": ({"representative": np.zeros((1, 24, 24, 1))}, "litert-int8' alone"),
    "representative's shape": (
        {"format": "litert-int8", "representative": np.zeros((9, 24, 24, 3))},
        "`representative` must be numbers of the shape",
    ),
    "representative of one value": (
        {"format": "litert-int8", "representative": np.ones((9, 24, 24, 1))},
        "every value is 1",
    ),
    "representative in [0, 1]": (
        {"format": "litert-int8", "representative": sample((9, 24, 24, 1), 0, 1)},
        "`representative` must have the range of `faces`",
    ),
    "representative in [0, 65025]": (
        {"format": "litert-int8", "representative": sample((9, 24, 24, 1), 0, 255) * 255},
        "`representative` must have the range of `faces`",
    ),
    "representative of text": (
        {"format": "litert-int8", "representative": "faces"},
        "`representative` must be numbers",
    ),
    "faces' shape": ({"faces": np.zeros((24, 24, 1))}, "`faces` must be numbers of the shape"),
    "no faces": ({"faces": np.zeros((0, 24, 24, 1))}, "one example at least"),
    "too many inputs": ({"faces": [np.zeros((1, 24, 24, 1))] * 2}, "`faces` must hold 1 array"),
    "names": ({"faces": {"picture": np.zeros((1, 24, 24, 1))}}, "input names"),
    "not finite": ({"faces": np.full((1, 24, 24, 1), np.nan)}, "`faces` must be finite"),
    "tolerance": ({"tolerance": 0}, "`tolerance` must be above 0"),
}


@only_tensorflow
@pytest.mark.parametrize("case", BAD)
def test_bad_arguments(case, model, faces, tmp_path):
    changed, message = BAD[case]
    arguments = {"model": model, "path": "m.tflite", "format": "litert", "faces": faces, **changed}
    arguments["path"] = tmp_path / arguments["path"]
    if callable(arguments["model"]) and not isinstance(arguments["model"], keras.Model):
        arguments["model"] = arguments["model"]()
    with pytest.raises(ValueError, match=message):
        export(**arguments)
    assert not list(tmp_path.iterdir())


@only_tensorflow
def test_models_for_which_no_face_is_drawn(tmp_path):
    image = keras.Input((24, 30, 1))
    model = keras.Model(image, layers.Flatten()(image))
    with pytest.raises(ValueError, match="`faces` must be given"):
        export(model, tmp_path / "m.tflite", "litert")


@pytest.mark.skipif(ON_TENSORFLOW, reason="TensorFlow exports")
def test_other_backends_say_how():
    with pytest.raises(ValueError, match="KERAS_BACKEND=tensorflow"):
        export(small_model(), "m.tflite", "litert")


@only_tensorflow
def test_existing_files(model, faces, tmp_path):
    path = tmp_path / "m.tflite"
    path.write_text("mine")
    with pytest.raises(ValueError, match="`path` must not exist yet"):
        export(model, path, "litert", faces)
    assert path.read_text() == "mine"
    export(model, path, "litert", faces, overwrite=True, verbose=False)
    assert load(path)(faces).shape == (20, 3)
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "diary.txt").write_text("mine")
    with pytest.raises(ValueError, match="something else than a SavedModel"):
        export(model, folder, "saved_model", faces, overwrite=True)
    with pytest.raises(ValueError, match="must not be a file"):
        export(model, path.rename(tmp_path / "m"), "saved_model", faces, overwrite=True)
    assert (folder / "diary.txt").read_text() == "mine"


@pytest.mark.slow
@only_tensorflow
def test_a_saved_model_replaces_another(model, faces, tmp_path):
    path = tmp_path / "m"
    for _ in range(2):
        export(model, path, "saved_model", faces, overwrite=True, verbose=False)
    assert load(path)(faces).shape == (20, 3)
    assert [file.name for file in tmp_path.iterdir()] == ["m"]


def test_a_folder_stays_where_another_cannot_take_its_place(tmp_path, monkeypatch):
    path, replaced = tmp_path / "m", tmp_path / "replaced"
    path.mkdir()
    (path / "saved_model.pb").write_text("the one before")

    def fails(*names):
        raise OSError("no space")

    monkeypatch.setattr(exporting.os, "replace", fails)
    with pytest.raises(OSError, match="no space"):
        exporting._put_in_place(tmp_path / "unfinished", path, replaced)
    assert (path / "saved_model.pb").read_text() == "the one before"
    assert not replaced.exists()


@only_tensorflow
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_nothing_is_left_of_a_conversion_that_breaks_off(
    error, model, faces, tmp_path, monkeypatch
):
    def broken(written, path, *rest):
        path.write_bytes(b"half")
        raise error

    monkeypatch.setattr(writing, "write", broken)
    path = tmp_path / "m.tflite"
    path.write_text("the one before")
    with pytest.raises(error):
        export(model, path, "litert", faces, overwrite=True)
    assert [file.name for file in tmp_path.iterdir()] == ["m.tflite"]
    assert path.read_text() == "the one before"


@only_tensorflow
def test_a_file_that_computes_something_else_is_not_written(model, faces, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "write", lambda written, path, *rest: path.write_bytes(b"x"))
    monkeypatch.setattr(exporting, "load", lambda path: lambda x: model(x).numpy() + 2e-4)
    with pytest.raises(ValueError, match=r"was not written\. Received: largest difference 0\.0002"):
        export(model, tmp_path / "m.tflite", "litert", faces)
    assert not list(tmp_path.iterdir())
    report = export(model, tmp_path / "m.tflite", "litert", faces, tolerance=1e-3, verbose=False)
    assert report.comparison.label_agreement == 1


@only_tensorflow
def test_operations_that_litert_lacks_are_named(tmp_path):
    values = keras.Input((4,))
    model = keras.Model(values, keras.ops.erfinv(values))
    with pytest.raises(NotConvertibleError, match="LiteRT cannot take this model"):
        export(model, tmp_path / "m.tflite", "litert", sample((2, 4)))
    assert not list(tmp_path.iterdir())


@only_tensorflow
@pytest.mark.parametrize("package", ["tf2onnx", "onnxruntime"])
def test_missing_packages(package, model, faces, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf'{package}.*pip install "fer-keras\[export\]"'):
        export(model, tmp_path / "m.onnx", "onnx", faces)
    assert not list(tmp_path.iterdir())


def test_load_refuses(tmp_path):
    (tmp_path / "m.txt").write_text("")
    for path in (tmp_path / "m.txt", tmp_path / "none.onnx", tmp_path):
        with pytest.raises(ValueError, match=r"`path` must name a \.tflite file"):
            load(path)
    for threads in (0, 1.5, True):
        with pytest.raises(ValueError, match="`threads` must be"):
            load(tmp_path / "m.txt", threads)


def test_compare_by_hand():
    found = compare([[0.75, 0.25], [0.5, 0.4]], [[0.75, 0.25], [0.25, 0.5]])
    assert found.max_abs_error == 0.25
    assert found.mean_abs_error == pytest.approx(0.35 / 4)
    assert found.label_agreement == 0.5
    for bad, message in (
        ([[0.5, 0.5]], "the same shape"),
        ([[np.nan, 0], [0, 0]], "1 of 4 outputs"),
    ):
        with pytest.raises(ValueError, match=message):
            compare(np.zeros((2, 2)), bad)
    with pytest.raises(ValueError, match="at least one example"):
        compare(np.zeros((0, 2)), np.zeros((0, 2)))


WHOLE = {
    "ghostface": lambda: fer_models.ghostface(weights="fer2013"),
    "efficientface": lambda: fer_models.efficientface(input_shape=(64, 64, 3)),
    "resnet50_cbam": lambda: fer_models.resnet50_cbam(input_shape=(64, 64, 3)),
    "emotion_cnn": lambda: fer_models.emotion_cnn(regularized=True),
}


# The bundled weights in every format, the other models in one each.
PAIRS = [("ghostface", format) for format in FORMATS] + [
    ("efficientface", "litert"),
    ("resnet50_cbam", "onnx"),
    ("emotion_cnn", "saved_model"),
]


@pytest.mark.slow
@only_tensorflow
@pytest.mark.parametrize(("name", "format"), PAIRS)
def test_whole_models(name, format, tmp_path):
    from fer_data.synthetic import generate

    model = WHOLE[name]()
    size, _, channels = model.input_shape[1:]
    trained = name == "ghostface"
    count = 196 if trained else 42
    drawn = generate(count, seed=1, size=size, grey=channels == 1)
    drawn = np.stack([face.image for face in drawn])[..., :channels]
    faces, shown = drawn[count // 4 :], drawn[: count // 4]
    shown = shown if format == "litert-int8" else None
    report = export(model, tmp_path / NAMES[format], format, faces, shown, verbose=False)
    if format != "litert-int8":
        assert report.comparison.max_abs_error < 1e-4
        assert report.comparison.label_agreement == 1
    elif trained:
        # Untrained weights give every face nearly the same probabilities. The trained ones are not
        # sure of drawn faces, and 93 % of these keep their label; more than a few faces tell.
        assert report.comparison.label_agreement >= 0.88
        assert report.comparison.mean_abs_error < 0.02


@pytest.mark.slow
@only_tensorflow
def test_clips(tmp_path):
    model = fer_models.mer_3dcnn(frames=6, input_shape=(32, 32, 3), dense_units=8)
    clips = sample((2, 6, 32, 32, 3), 0, 255)
    report = export(model, tmp_path / "m.onnx", "onnx", clips, verbose=False)
    assert report.comparison.max_abs_error < 1e-4
    # LiteRT has no pooling of clips.
    with pytest.raises(NotConvertibleError, match="MaxPool3D"):
        export(model, tmp_path / "m.tflite", "litert", clips)
