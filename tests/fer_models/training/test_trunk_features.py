"""Features by a frozen trunk: each face by itself, written once and read again."""

import numpy as np
import pytest

from fer_data.pipelines import face_arrays
from fer_models import pretrained_classifier
from fer_models.training.trunk_features import (
    FaceFeatures,
    packed_features,
    read_features,
    trunk_features,
)

pytestmark = [pytest.mark.backend, pytest.mark.slow]
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 40, 40, 1)).astype("uint8")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of random weights, in the form of the trunk's."""
    from fer_models.zoo import trunks

    model = pretrained_classifier(trunk="faceres", input_shape=(32, 32, 1), include_top=False)
    arrays = {}
    for module, name in trunks.about("faceres").names():
        layer = model.get_layer(name)
        if hasattr(layer, "gamma"):
            values = zip(
                ("weight", "bias", "running_mean", "running_var"), layer.get_weights(), strict=True
            )
            arrays |= {f"{module}.{key}": value for key, value in values}
        else:
            kernel = layer.get_weights()[0]
            turned = (2, 3, 0, 1) if kernel.shape[-1] == 1 else (3, 2, 0, 1)
            arrays[f"{module}.weight"] = kernel.transpose(turned)
    path = tmp_path_factory.mktemp("trunk") / "faceres.npz"
    np.savez(path, **arrays)
    return path


def test_a_face_s_features_are_its_own(weights, tmp_path):
    found = trunk_features(IMAGES, trunk_weights=weights, size=32)
    assert found.shape == (5, 1024)
    assert found.dtype == np.float32
    for kind in ("uint8", "float32", "int64"):
        alone = trunk_features(IMAGES[3:4].astype(kind), trunk_weights=weights, size=32)
        np.testing.assert_allclose(found[3], alone[0], rtol=1e-4, atol=1e-5)
    packed, kept = tmp_path / "faces.npz", tmp_path / "features.npz"
    splits = {"train": {"image": IMAGES, "label": np.arange(5) % 2}}
    face_arrays.write(packed, splits, ("happy", "sad"))
    made = packed_features(packed, kept, trunk_weights=weights, size=32)
    np.testing.assert_allclose(made.features["train"], found, rtol=1e-4, atol=1e-5)
    stamp = kept.stat().st_mtime_ns
    again = packed_features(packed, kept, trunk_weights=weights, size=32)
    assert kept.stat().st_mtime_ns == stamp
    assert again.class_names == ("happy", "sad")
    np.testing.assert_array_equal(again.labels["train"], splits["train"]["label"])
    with pytest.raises(ValueError, match="`output` must be free"):
        packed_features(packed, kept, trunk_weights=weights, size=40)
    with pytest.raises(ValueError, match="`path` must name a file of features"):
        read_features(packed)


def test_odd_arguments_are_named(tmp_path):
    path = tmp_path / "features.npz"
    split = {"train": np.zeros((2, 3), "float32")}
    FaceFeatures(split, {"train": np.arange(2)}, ("happy", "sad"), {}).write(path)
    assert read_features(path).about == {}
    content = dict(np.load(path)) | {"about": np.array("[1]")}
    np.savez(path, **content)
    with pytest.raises(ValueError, match=r"a file of features.*`about` must be a dictionary"):
        read_features(path)
    with pytest.raises(ValueError, match="`trunk_weights` must be the path"):
        packed_features("faces.npz", path, trunk_weights=None)
    with pytest.raises(ValueError, match="`trunk` must be one of"):
        trunk_features(IMAGES, trunk="vgg")
    with pytest.raises(ValueError, match="`size` must be an integer >= 32"):
        trunk_features(IMAGES, size=8)
