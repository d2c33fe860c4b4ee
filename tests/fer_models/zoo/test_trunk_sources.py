"""The files that the sources of the trunks have: TensorFlow.js, dlib, PyTorch."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.shared import shared_path

from fer_models import pretrained_classifier
from fer_models.zoo import torch_import, trunks
from fer_models.zoo.trunks import dlib_file, mobilenet_faceres, tensorflow_js


@pytest.fixture(scope="module")
def dlib_path():
    models = pytest.importorskip("face_recognition_models").face_recognition_model_location()
    return Path(models)


def faceres_weights(seed=0):
    """Return the weights of `faceres-deep` by TensorFlow's names, of random values."""
    rng = np.random.default_rng(seed)
    shapes = {"conv1/convolution/merged_input": (3, 3, 3, 32), "conv1_bn/batchnorm_1/sub": (32,)}
    before = 32
    for number, (filters, _) in enumerate(mobilenet_faceres.BLOCKS, 1):
        shapes |= {
            f"conv_dw_{number}/depthwise_kernel": (3, 3, before, 1),
            f"conv_dw_{number}_bn/batchnorm_1/mul": (before,),
            f"conv_dw_{number}_bn/batchnorm_1/sub": (before,),
            f"conv_pw_{number}/convolution/merged_input": (1, 1, before, filters),
            f"conv_pw_{number}_bn/batchnorm_1/sub": (filters,),
        }
        before = filters
    shapes["conv1_relu/Const_1"] = ()
    return {name: rng.normal(0, 1, shape).astype("float32") for name, shape in shapes.items()}


def write_tensorflow_js(path, arrays, dtype="float32", cut=0, more=b"", **entry):
    weights = [
        {"name": name, "shape": list(array.shape), "dtype": dtype, **entry}
        for name, array in arrays.items()
    ]
    groups = [{"paths": ["part.bin"], "weights": weights}]
    path.write_text(json.dumps({"format": "graph-model", "weightsManifest": groups}))
    data = b"".join(array.tobytes() for array in arrays.values()) + more
    (path.parent / "part.bin").write_bytes(data[: len(data) - cut])
    return path


def test_faceres_is_read_from_tensorflow_js(tmp_path):
    theirs = faceres_weights()
    path = write_tensorflow_js(tmp_path / "faceres-deep.json", theirs)
    model = pretrained_classifier(
        *(False, None, None, (32, 32, 3), "avg"), trunk="faceres", trunk_weights=path
    )
    for layer, name in (("trunk_stem", "conv1"), ("trunk_block13_pointwise", "conv_pw_13")):
        kernel, norm = model.get_layer(layer).kernel, model.get_layer(f"{layer}_norm")
        np.testing.assert_array_equal(kernel, theirs[f"{name}/convolution/merged_input"])
        np.testing.assert_array_equal(norm.beta, theirs[f"{name}_bn/batchnorm_1/sub"])
        np.testing.assert_array_equal(norm.gamma, 1)
    layer = model.get_layer("trunk_block2_depthwise")
    np.testing.assert_array_equal(layer.kernel, theirs["conv_dw_2/depthwise_kernel"])
    norm = model.get_layer("trunk_block2_depthwise_norm")
    np.testing.assert_array_equal(norm.gamma, theirs["conv_dw_2_bn/batchnorm_1/mul"])
    # A factor and an offset: batch norm divides by the root of the variance and its epsilon.
    np.testing.assert_allclose(norm.moving_variance + norm.epsilon, 1, rtol=1e-6)


def test_other_tensorflow_js_files_are_refused(tmp_path):
    arrays = {"a": np.ones((2, 3), "float32")}
    path = tmp_path / "model.json"
    read = tensorflow_js.read
    np.testing.assert_array_equal(read(write_tensorflow_js(path, arrays))["a"], arrays["a"])
    for options, rule in (
        ({"cut": 1}, "too short"),
        ({"more": b"1234"}, "too long"),
        ({"dtype": "uint8"}, "plain float32 or int32"),
        ({"quantization": {"dtype": "float16"}}, "plain float32 or int32"),
    ):
        with pytest.raises(ValueError, match=rule):
            read(write_tensorflow_js(path, arrays, **options))
    with pytest.raises(ValueError, match="must be the model `faceres-deep`"):
        mobilenet_faceres.read(write_tensorflow_js(path, arrays))
    (tmp_path / "part.bin").unlink()
    with pytest.raises(ValueError, match=r"needs the file 'part\.bin' beside it"):
        read(path)
    path.write_text(path.read_text().replace("part.bin", "../part.bin"))
    (tmp_path.parent / "part.bin").write_bytes(b"\0" * 24)
    with pytest.raises(ValueError, match="must lie in the same folder"):
        read(path)
    for text in ("", "[]", "{}", '{"weightsManifest": 1}', "\xff"):
        path.write_text(text, encoding="latin-1")
        with pytest.raises(ValueError, match=r"must be a TensorFlow\.js model"):
            read(path)


def test_dlibs_own_file_has_the_weights_of_the_parity_test(dlib_path):
    with np.load(shared_path("weights/pretrained/dlib.npz")) as file:
        expected = {name: file[name] for name in file.files if name != "_note"}
    found = trunks.about("dlib").read(dlib_path)
    assert found.keys() == expected.keys()
    for name, array in found.items():
        np.testing.assert_array_equal(array.astype("float16"), expected[name], err_msg=name)


def test_dlibs_file_is_read_into_the_model(dlib_path):
    model = pretrained_classifier(
        *(False, None, None, (112, 112, 3), "avg"), trunk="dlib", trunk_weights=dlib_path
    )
    first = dlib_file.read(dlib_path)[0]
    np.testing.assert_array_equal(
        model.get_layer("trunk_stem").kernel, first.kernel.transpose(2, 3, 1, 0)
    )
    np.testing.assert_array_equal(model.get_layer("trunk_stem_norm").beta, first.offset)


def test_damaged_and_other_files_of_dlib_are_refused(dlib_path, tmp_path):
    path = tmp_path / "network.dat"
    whole = dlib_path.read_bytes()
    for data, rule in (
        (b"", "must be a network of dlib"),
        (whole[:5000], "must be a network of dlib"),
        # Within the numbers of the last scaling.
        (whole[: whole.rindex(b"\x07affine_") + 200], "is damaged"),
        (whole.replace(b"\x01\x05con_4\x01\x02", b"\x01\x05con_4\x01\x03", 1), "of version 3"),
    ):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=rule):
            dlib_file.read(path)
    start = whole.rindex(b"\x01\x05con_4")
    path.write_bytes(whole[:start])
    with pytest.raises(ValueError, match=r"of 29 convolutions\. Received: .* which has 28"):
        trunks.about("dlib").read(path)


class Tensor:
    """What PyTorch gives, as far as it is used."""

    def __init__(self, value):
        self.value = value

    def numpy(self):
        return self.value


def test_a_checkpoint_of_efficientnet_lite_loses_its_classifier_and_counters(monkeypatch):
    given = {
        name: Tensor(np.ones(2))
        for name in ("_conv_stem.weight", "_bn0.num_batches_tracked", "_fc.weight", "_fc.bias")
    }
    monkeypatch.setattr(torch_import, "read_checkpoint", lambda path: given)
    assert list(trunks.about("lite1").read(Path("lite1.pth"))) == ["_conv_stem.weight"]
    given |= {"epoch": 3, "optimizer": {}}
    with pytest.raises(ValueError, match=r"tensors alone.*lite1\.pth' with epoch, optimizer"):
        trunks.about("lite1").read(Path("lite1.pth"))


def test_a_file_of_another_trunk_is_refused():
    model = pretrained_classifier(False, None, None, (32, 32, 3), "avg", trunk="faceres")
    with pytest.raises(ValueError, match=r"of 'faceres' must be a \.json file of npm .* or an"):
        trunks.read_trunk(model, "faceres", Path(__file__))
