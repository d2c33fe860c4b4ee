"""A classifier on a pre-trained trunk; `tests/fer_models/zoo/test_trunks.py` has the trunks."""

import keras
import numpy as np
import pytest
from helpers.layers import to_numpy
from helpers.trunk_file import write_trunk

import fer_models
from fer_data.pipelines import face_arrays
from fer_models import pretrained_classifier, recipes

SHAPE = (32, 32, 1)


def images(count=4, shape=SHAPE):
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (count, *shape)).astype("float32")


@pytest.fixture
def faces(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {"image": rng.integers(0, 256, (20, 48, 48, 1), "uint8"), "label": np.arange(20) % 7}
    face_arrays.write(tmp_path / "faces.npz", {"train": arrays}, list("abcdefg"))
    return tmp_path / "faces.npz"


@pytest.mark.slow
def test_it_begins_undecided_with_batch_norm_unfolded(tmp_path, faces):
    folded = pretrained_classifier(False, None, None, SHAPE, "avg")
    write_trunk(folded, tmp_path / "trunk.npz")
    model = pretrained_classifier(
        input_shape=SHAPE, trunk_weights=tmp_path / "trunk.npz", faces=faces
    )
    np.testing.assert_allclose(to_numpy(model(images())), 1 / 7, atol=1e-6)
    assert to_numpy(model.get_layer("trunk_stem_norm").moving_mean).any()
    features = keras.Model(model.input, model.get_layer("avg_pool").output)
    expected = to_numpy(folded(images()))
    np.testing.assert_allclose(to_numpy(features(images())), expected, atol=1e-3)
    with pytest.raises(ValueError, match="must have a height and a width with `faces`"):
        pretrained_classifier(
            input_shape=(None, None, 1), trunk_weights=tmp_path / "trunk.npz", faces=faces
        )
    face_arrays.write(
        tmp_path / "test.npz", {"test": {"image": np.zeros((1, 8, 8, 1), "uint8")}}, ["a"]
    )
    with pytest.raises(ValueError, match="`faces` must be a file with a split 'train'"):
        pretrained_classifier(
            input_shape=SHAPE, trunk_weights=tmp_path / "trunk.npz", faces=tmp_path / "test.npz"
        )


@pytest.mark.parametrize(
    ("trunk", "size"), [("faceres", 32), pytest.param("dlib", 103, marks=pytest.mark.slow)]
)
def test_it_is_saved_and_read(tmp_path, trunk, size):
    shape = (size, size, 1)
    model = pretrained_classifier(trunk=trunk, input_shape=shape, classes=3)
    head = model.get_layer("logits")
    head.kernel.assign(np.random.default_rng(0).normal(size=head.kernel.shape))
    head.bias.assign([0.0, 1.0, 2.0])
    model.save(tmp_path / "model.keras")
    again, _ = fer_models.load_model(tmp_path / "model.keras")
    begun = pretrained_classifier(
        trunk=trunk, weights=tmp_path / "model.keras", input_shape=shape, classes=3
    )
    for other in (again, begun):
        np.testing.assert_allclose(
            to_numpy(other(images(2, shape))), to_numpy(model(images(2, shape))), atol=1e-6
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trunk": "vgg"}, "`trunk` must be one of .* Received: trunk='vgg'"),
        ({"head_rate": 0}, "`head_rate` must be positive. Received: head_rate=0"),
        ({"head_rate": "5"}, "`head_rate` must be positive"),
        ({"faces": "faces.npz"}, "`faces` is for a trunk with weights"),
        ({"weights": "a.keras", "faces": "f.npz"}, "leave nothing to `trunk_weights` and `faces`"),
        ({"weights": "mine"}, "`weights` must be None, a path ending in .h5 or .keras"),
        ({"input_shape": (31, 32, 1)}, "at least 32"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        pretrained_classifier(**options)


def test_the_recipes_of_teachers_fit_their_network():
    model = recipes.get("faceres_teacher").build(input_shape=SHAPE)
    for name, first in (("faceres_teacher", True), ("faceres_teacher_upper", False)):
        recipe = recipes.get(name)
        assert recipe.model_options["trunk"] == "faceres"
        recipe.freeze(model)
        assert model.get_layer("trunk_block3_pointwise").trainable is first
        assert model.get_layer("trunk_block4_depthwise").trainable
        assert model.get_layer("logits").trainable
