import keras
import numpy as np
import pytest
from helpers.stripes import stripes, trained_image_model
from keras import layers

from fer_models.explain import GradCAM, deletion_insertion, grad_cam, weight_randomization
from fer_models.explain.face_explanation import explain_faces


@pytest.fixture(scope="module")
def trained():
    return trained_image_model()


def mean_model(size=4):
    """Say class 1 with the probability of the image's mean, so that every place counts alike."""
    inputs = keras.Input((size, size, 1))
    mean = layers.GlobalAveragePooling2D()(layers.Conv2D(2, 1, name="conv")(inputs))
    model = keras.Model(inputs, layers.Dense(2, name="head")(mean))
    model.get_layer("conv").set_weights([np.ones((1, 1, 1, 2)), np.zeros(2)])
    model.get_layer("head").set_weights([np.array([[-0.5, 0.5], [-0.5, 0.5]]), np.array([1.0, 0])])
    return model


def test_curves_on_a_model_solved_by_hand():
    # p(class 1) is the mean. An image of ones and zeros in halves: deletion replaces places by the
    # mean 0.5; deleting the ones first lowers the probability to 0.25, then the zeros raise it.
    model = mean_model()
    image = np.zeros((1, 4, 4, 1), "float32")
    image[:, :2] = 1
    found = deletion_insertion(model, image, image[..., 0], class_index=1, steps=4, blur=1.0)
    np.testing.assert_allclose(found.shares, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(found.deletion[0], [0.5, 0.375, 0.25, 0.375, 0.5], atol=1e-5)
    np.testing.assert_allclose(found.deletion_auc, [0.375], atol=1e-5)
    # Insertion of everything gives the image again.
    np.testing.assert_allclose(found.insertion[0, -1], 0.5, atol=1e-5)
    reverse = deletion_insertion(model, image, 1 - image[..., 0], class_index=1, steps=4)
    np.testing.assert_allclose(reverse.deletion[0], [0.5, 0.625, 0.75, 0.625, 0.5], atol=1e-5)


def test_maps_that_find_the_stripes_beat_random_ones(trained):
    images, labels, _ = stripes(64, seed=20)
    generator = np.random.default_rng(0)
    ours, chance = (
        deletion_insertion(trained, images, maps, labels, steps=16)
        for maps in (grad_cam(trained, images, labels), generator.random(images.shape[:3]))
    )
    assert (chance.deletion_auc - ours.deletion_auc).mean() > 0.1
    assert (ours.insertion_auc - chance.insertion_auc).mean() > 0.1
    # Both curves begin and end in the same place for both maps.
    for each in (ours, chance):
        assert each.deletion.shape == each.insertion.shape == (64, 17)
        np.testing.assert_allclose(each.deletion[:, 0], each.insertion[:, -1], atol=1e-5)
    np.testing.assert_allclose(ours.deletion[:, -1], chance.deletion[:, -1], atol=1e-5)
    content = ours.to_dict()
    assert content["examples"] == 64
    assert content["deletion_auc"] == pytest.approx(ours.deletion_auc.mean())


@pytest.mark.slow
def test_equally_hot_places_are_taken_in_random_order(trained):
    images, labels, _ = stripes(32, seed=21)
    flat = np.zeros(images.shape[:3])
    found = deletion_insertion(trained, images, flat, labels, steps=8)
    chance = np.random.default_rng(1).random(images.shape[:3])
    other = deletion_insertion(trained, images, chance, labels, steps=8)
    assert abs(found.deletion_auc.mean() - other.deletion_auc.mean()) < 0.08
    again = deletion_insertion(trained, images, flat, labels, steps=8)
    np.testing.assert_array_equal(found.deletion, again.deletion)


def test_maps_lose_their_likeness_with_the_weights_and_the_model_keeps_them(trained):
    images, labels, _ = stripes(32, seed=22)
    before, heat = trained.get_weights(), grad_cam(trained, images, labels)
    found = weight_randomization(trained, images, labels, seed=3)
    assert found.layers == ("head", "norm", "second", "first")
    assert found.stages == (1, 2, 3, 4)
    assert found.correlation.shape == (4, 32)
    assert found.means()[-1] < 0.4
    for old, new in zip(before, trained.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    np.testing.assert_array_equal(heat, grad_cam(trained, images, labels))
    fewer = weight_randomization(trained, images, labels, stages=2, seed=3)
    assert fewer.stages == (2, 4)
    np.testing.assert_allclose(fewer.correlation[-1], found.correlation[-1], atol=1e-6)


def test_weights_come_back_after_an_error(trained, monkeypatch):
    images, labels, _ = stripes(2, seed=23)
    before = trained.get_weights()
    times = []

    def fail_at_the_second(self, *args):
        times.append(1)
        if len(times) == 2:
            raise KeyboardInterrupt
        return np.random.default_rng(0).random((2, 32, 32))

    monkeypatch.setattr(GradCAM, "__call__", fail_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        weight_randomization(trained, images, labels)
    for old, new in zip(before, trained.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_map_without_variation_has_no_correlation(trained, monkeypatch):
    images, labels, _ = stripes(2, seed=24)
    monkeypatch.setattr(GradCAM, "__call__", lambda self, *args: np.zeros((2, 32, 32)))
    found = weight_randomization(trained, images, labels, stages=1)
    assert np.isnan(found.means()).all()
    assert found.to_dict()["correlation"] == [None]
    assert found.to_dict()["constant_maps"] == [2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heat_maps": np.zeros((2, 32, 16))}, r"`heat_maps` must be of shape \(2, 32, 32\)"),
        ({"heat_maps": np.full((2, 32, 32), np.nan)}, "`heat_maps` must be finite"),
        ({"steps": 0}, "`steps` must be an integer >= 1"),
        ({"blur": 0}, "`blur` must be above 0"),
        ({"batch_size": True}, "`batch_size` must be an integer"),
        ({"class_index": 3}, "`class_index` must be from 0 to 2"),
        ({"images": np.zeros((0, 32, 32, 1)), "heat_maps": np.zeros((0, 32, 32))}, "at least one"),
    ],
)
def test_deletion_refuses(trained, change, message):
    images, _, _ = stripes(2, seed=0)
    arguments = {"images": images, "heat_maps": np.zeros((2, 32, 32)), **change}
    with pytest.raises(ValueError, match=message):
        deletion_insertion(trained, **arguments)


def test_deletion_refuses_logits(trained):
    logits = keras.Sequential([keras.Input((4, 4, 1)), layers.Flatten(), layers.Dense(2)])
    logits.layers[-1].set_weights([np.full((16, 2), 3.0), np.zeros(2)])
    with pytest.raises(ValueError, match="must return probabilities"):
        deletion_insertion(logits, np.ones((1, 4, 4, 1)), np.zeros((1, 4, 4)))


def test_deletion_refuses_a_model_of_unknown_numbers(trained):
    image = keras.Input((4, 4, 1))
    pooled = layers.GlobalAveragePooling2D()(image)
    model = keras.Model(image, keras.ops.concatenate([pooled, pooled * np.nan], axis=-1))
    with pytest.raises(ValueError, match="must return probabilities"):
        deletion_insertion(model, np.ones((1, 4, 4, 1)), np.zeros((1, 4, 4)))


def test_channels_first_is_refused_by_name(tmp_path):
    image = keras.Input((1, 4, 4))
    pooled = layers.GlobalAveragePooling2D(data_format="channels_first")(image)
    model = keras.Model(image, layers.Dense(2, activation="softmax")(pooled))
    images = np.ones((1, 1, 4, 4))
    with pytest.raises(ValueError, match=r"must take its channels last.*shape \(1, 4, 4\)"):
        deletion_insertion(model, images, np.zeros((1, 4, 4)))
    with pytest.raises(ValueError, match=r"must take its channels last"):
        explain_faces(model, images, tmp_path)


def test_an_image_in_a_list_of_lists_is_predicted_like_an_array():
    model, image = mean_model(), np.random.default_rng(0).random((1, 4, 4, 1)).astype("float32")
    found, expected = (
        weight_randomization(model, images, layer="conv", method="hires_cam", stages=1)
        for images in (image.tolist(), image)
    )
    np.testing.assert_array_equal(found.correlation, expected.correlation)


def test_half_precision_weights_are_randomised_too(trained):
    twin = keras.models.clone_model(
        trained,
        clone_function=lambda layer: type(layer).from_config(
            layer.get_config() | {"dtype": "bfloat16"}
        ),
    )
    twin.set_weights(trained.get_weights())
    images, labels, _ = stripes(16, seed=25)
    found = weight_randomization(twin, images, labels, stages=1, seed=3)
    assert found.means()[-1] < 0.5


def test_results_can_be_compared():
    model, image = mean_model(), np.ones((1, 4, 4, 1))
    one, other = (deletion_insertion(model, image, image[..., 0], steps=1) for _ in range(2))
    assert one == one
    assert one != other
    one, other = (weight_randomization(model, image, 1, layer="conv", stages=1) for _ in range(2))
    assert one == one
    assert one != other


@pytest.mark.parametrize("stages", [0, True, 1.5])
def test_randomization_refuses(trained, stages):
    with pytest.raises(ValueError, match="`stages` must be None or an integer"):
        weight_randomization(trained, stripes(2, seed=0)[0], stages=stages)
