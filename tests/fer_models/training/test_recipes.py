"""Recipes: what they say, and what `fit` makes of it, stage by stage."""

import json
import re

import keras
import numpy as np
import pytest
from helpers.layers import slow_off_tensorflow

from fer_data.pipelines.augmentation.policies import policy
from fer_models import distiller, recipes, registry
from fer_models.training.recipes import Cosine, Plateau, Recipe, Stage, Steps
from fer_models.training.recipes.averaging import forward, measured

ALL = sorted(recipes.RECIPES)
SIZE, CLASSES = 8, 3


def tiny():
    image = keras.Input((SIZE, SIZE, 1))
    x = keras.layers.Flatten()(image)
    x = keras.layers.Dense(4, activation="relu", name="body")(x)
    x = keras.layers.BatchNormalization(name="body_bn")(x)
    x = keras.layers.Dropout(0.2, seed=4)(x)
    x = keras.layers.Dense(CLASSES, activation="softmax", name="logits")(x)
    return keras.Model(image, x)


def network(name="small"):
    """A network with the names of ResNet-50 with CBAM, of which it is a caricature."""
    image = keras.Input((SIZE, SIZE, 1))
    x = image
    for stage in (2, 3, 4, 5):
        x = keras.layers.Dense(4, name=f"conv{stage}_block1_1_conv")(x)
        x = keras.layers.BatchNormalization(name=f"conv{stage}_block1_1_bn")(x)
        x = keras.layers.ReLU(name=f"conv{stage}_block1_1_relu")(x)
    x = keras.layers.Dense(4, name="conv5_block1_cbam")(x)
    x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
    x = keras.layers.Dropout(0.2, seed=4)(x)
    x = keras.layers.Dense(CLASSES, activation="softmax", name="logits")(x)
    return keras.Model(image, x, name=name)


def faces(count=24, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    images = rng.normal(labels[:, None, None, None] * 2.0, 1.0, (count, SIZE, SIZE, 1))
    return images.astype("float32"), np.eye(CLASSES, dtype="float32")[labels]


class Batches(keras.utils.PyDataset):
    """Batches whose order depends on the epoch, as those of `images.pipeline` do."""

    def __init__(self, epoch=0):
        super().__init__()
        self.images, self.labels = faces()
        self.epoch = epoch
        self._draw()

    def __len__(self):
        return 3

    def __getitem__(self, index):
        chosen = self.order[8 * index : 8 * index + 8]
        return self.images[chosen], self.labels[chosen]

    def on_epoch_end(self):
        self.epoch += 1
        self._draw()

    def _draw(self):
        self.order = np.random.default_rng(self.epoch).permutation(len(self.images))


def small(**changes):
    settings = {
        "name": "small",
        "source": "none",
        "model": None,
        "learning_rate": 0.01,
        "stages": (Stage("head", 2, ("logits",)), Stage("all", 3, None, 0.005)),
    }
    return Recipe(**settings | changes)


def run(recipe, directory=None, callbacks=(), model=None):
    keras.utils.set_random_seed(3)
    model = tiny() if model is None else model
    history = recipe.fit(
        model, Batches, faces(12, 1), directory=directory, callbacks=callbacks, verbose=0
    )
    return model, history


@pytest.mark.parametrize("name", ALL)
def test_every_recipe_is_whole(name):
    recipe = recipes.get(name)
    assert recipe.name == name
    assert json.loads(json.dumps(recipe.to_dict()))["name"] == name
    assert recipe.source
    assert recipe.stated or recipe.chosen
    for stage in range(len(recipe.stages)):
        compiling = recipe.compile_kwargs(steps_per_epoch=10, stage=stage)
        network().compile(**compiling)
        average = None if recipe.ema is None else recipes.AverageWeights(network(), [])
        kinds = [type(callback) for callback in recipe.callbacks("folder", stage, average)]
        kept = kinds[0] if average is None else kinds[1]
        assert issubclass(kept, keras.callbacks.ModelCheckpoint)
    assert all(value > 0 for paper in recipe.published for value in paper.scores.values())
    if recipe.model is not None:
        entry = registry.entry(recipe.model)
        assert recipe.input_shape[0] >= entry.min_size


def test_augmentations_of_the_recipes_are_known_to_the_pipeline():
    augment = pytest.importorskip("fer_data.pipelines.augmentation.with_tensorflow")
    for recipe in recipes.RECIPES.values():
        augment.policy(recipe.augmentation)


@pytest.mark.parametrize("name", ALL)
def test_a_paper_s_recipe_says_what_the_paper_gives_and_what_we_chose(name):
    recipe = recipes.get(name)
    assert recipe.chosen, "no paper gives everything"
    assert bool(recipe.stated) != recipe.source.startswith("ours")
    # The papers name rotations, and the amount of none.
    assert not re.search(r"[0-9] degrees", recipe.stated)


OURS = {
    "ghostface_randaug_mixup_noise2": (
        "momentum",
        "a tenth after 5 epochs",
        "stops after 15",
        "a flip of half",
        "10.8 degrees",
        "10 % of the side",
        "out of 10",
        "thirteen operations",
        "Beta(0.2, 0.2)",
        "on top of the basic augmentation",
        "after the early stage",
        "before the classifier",
        "without noise",
    ),
    "efficientface": ("standardised by itself", "0.001", "One-hot labels"),
    "efficientface_ldl": ("standardised by itself", "FER+ votes"),
    "ha3dnet": (
        "16",
        "in colour",
        "no padding",
        "pooling of 3x3x3",
        "128 units",
        "dropout of 0.5",
        "the form of the two attentions",
        "10.8 degrees",
        "80 % of the area",
        "20 %",
        "10 % of the range",
        "inverse to the number of clips",
    ),
}


@pytest.mark.parametrize("name", OURS)
def test_what_no_paper_gives_is_ours(name):
    recipe = recipes.get(name)
    for words in OURS[name]:
        assert words in recipe.chosen
        assert words not in recipe.stated


def test_the_amounts_in_words_are_those_of_the_training():
    basic = policy(recipes.get("ghostface").augmentation)
    clips = policy(recipes.get("ha3dnet").augmentation)
    assert (basic.flip, 360 * basic.rotation, basic.shift) == (0.5, pytest.approx(10.8), 0.1)
    assert (360 * clips.rotation, clips.crop) == (pytest.approx(10.8), 0.8)
    assert (clips.contrast, clips.brightness) == (0.2, 0.1)
    mixed = policy(recipes.get("ghostface_randaug_mixup").augmentation)
    assert (mixed.mixup.fraction, mixed.mixup.alpha, mixed.mixup.blend) == (0.25, 0.2, None)
    assert (mixed.rand_aug.operations, mixed.rand_aug.magnitude) == ((0, 3), (2, 4))
    assert len(mixed.rand_aug.names) == 13
    assert recipes.get("ghostface").schedule == Plateau(patience=5, factor=0.1)
    assert recipes.get("ghostface").patience == 15
    assert recipes.get("ha3dnet").model_options["frames"] == 16


def test_the_papers_numbers():
    ghostface = recipes.get("ghostface_randaug_mixup_noise2")
    assert (ghostface.optimizer, ghostface.learning_rate, ghostface.batch_size) == ("sgd", 0.1, 16)
    assert ghostface.epochs == 100
    assert ghostface.augmentation == "randaug+mixup"
    assert ghostface.model_options["noise_layers"] == 2
    assert isinstance(ghostface.schedule, Plateau)
    assert ghostface.patience
    resnet = recipes.get("resnet50_cbam")
    assert resnet.stages[0].epochs == 10
    assert resnet.epochs == 80
    assert resnet.optimizer == "adam"
    webcam = recipes.get("emotion_cnn")
    assert (webcam.optimizer, webcam.learning_rate, webcam.epochs) == ("adam", 0.0001, 50)
    light = recipes.get("efficientface")
    assert (light.optimizer_options["momentum"], light.batch_size, light.epochs) == (0.9, 128, 100)
    clips = recipes.get("ha3dnet")
    assert (clips.optimizer, clips.learning_rate, clips.batch_size) == ("adam", 0.001, 32)
    assert clips.class_weights
    assert len(clips.published) == 10


@pytest.mark.usefixtures("untraced")
def test_a_recipe_s_network_trains_with_its_settings():
    recipe = recipes.get("emotion_cnn").replace(input_shape=(24, 24, 1), batch_size=4)
    model = recipe.build(classes=3, seed=1)
    assert model.input_shape == (None, 24, 24, 1)
    model.compile(**recipe.compile_kwargs())
    images, labels = np.zeros((4, 24, 24, 1)), np.eye(3)[[0, 1, 2, 0]]
    assert model.fit(images, labels, callbacks=recipe.callbacks(), verbose=0).history["loss"]
    assert recipe.data_kwargs()["size"] == (24, 24)
    with pytest.raises(ValueError, match="network of 'mine' is not in the registry"):
        small(name="mine", model=None).build()


def test_the_recipe_for_clips_builds_its_network():
    recipe = recipes.get("ha3dnet").replace(input_shape=(16, 16, 1))
    model = recipe.build(classes=3, frames=8, filters=4, dense_units=4)
    assert [tuple(tensor.shape) for tensor in model.inputs] == [(None, 8, 16, 16, 1)] * 3
    assert model.output_shape == (None, 3)


def test_stages_train_what_they_say_and_batch_norm_stays():
    recipe = recipes.get("resnet50_cbam")
    model = network()
    names = [
        {weight.path.split("/")[0] for weight in model.trainable_weights}
        for stage in range(len(recipe.stages))
        if recipe.freeze(model, stage) is None
    ]
    head = {"conv5_block1_cbam", "logits"}
    assert names[0] == head
    assert names[1] == head | {"conv5_block1_1_conv"}
    assert names[2] == names[1] | {"conv4_block1_1_conv"}
    assert names[3] == names[2] | {"conv3_block1_1_conv"}
    assert names[4] == names[3] | {"conv2_block1_1_conv"}


def test_the_real_network_has_the_layers_that_the_stages_name():
    recipe = recipes.get("resnet50_cbam")
    model = recipe.build(input_shape=(32, 32, 3), weights=None)
    recipe.freeze(model, 0)
    trained = {weight.path.split("/")[0] for weight in model.trainable_weights}
    assert trained == {"conv5_block3_cbam", "logits"}
    recipe.freeze(model, len(recipe.stages) - 1)
    frozen = [layer.name for layer in model.layers if layer.weights and not layer.trainable]
    assert frozen
    assert all(name.endswith("_bn") for name in frozen)


@pytest.mark.usefixtures("untraced")
def test_fit_goes_through_the_stages(tmp_path):
    model = tiny()
    start = [np.asarray(weight) for weight in model.weights]
    recipe = small(stages=(Stage("head", 2, ("logits",)),), freeze_batch_norm=True)
    _, history = run(recipe, tmp_path, model=model)
    assert history.epoch == [0, 1]
    changed = {
        weight.path.split("/")[0]
        for before, weight in zip(start, model.weights, strict=True)
        if "seed" not in weight.path and not np.array_equal(before, np.asarray(weight))
    }
    assert changed == {"logits"}
    assert {path.name for path in tmp_path.iterdir()} >= {
        "best.keras",
        "last.keras",
        "history.csv",
        "tensorboard",
        "state",
    }
    rows = (tmp_path / "history.csv").read_text().split()
    assert len(rows) == 3


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize(
    "keep",
    [
        pytest.param(False, id="in memory", marks=pytest.mark.slow),
        pytest.param(True, id="in a folder"),
    ],
)
@pytest.mark.slow
def test_early_stopping_counts_on_from_stage_to_stage(tmp_path, keep):
    recipe = small(
        learning_rate=1e-12,
        patience=3,
        freeze_batch_norm=True,
        stages=tuple(Stage(str(n), 2) for n in range(4)),
    )
    directory = tmp_path if keep else None
    _, history = run(recipe, directory)
    assert history.epoch == [0, 1, 2, 3]
    if keep:
        _, history = run(recipe, directory)
        assert history.epoch == []


@pytest.mark.backend
@pytest.mark.slow
@pytest.mark.parametrize("stop", [2, 3], ids=["between", "second stage"])
def test_an_interrupted_training_ends_as_an_unbroken_one(tmp_path, request, stop):
    if stop == 2:
        # One of the two runs compiled.
        request.getfixturevalue("untraced")

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            if self.epoch == stop and batch == 1:
                raise KeyboardInterrupt

    recipe = small(schedule=Plateau(patience=1, factor=0.5), ema=0.8)
    unbroken, history = run(recipe, tmp_path / "unbroken")
    assert history.epoch == [0, 1, 2, 3, 4]
    assert len(history.history["val_accuracy"]) == 5
    assert history.history["loss"][-1] < history.history["loss"][0]
    with pytest.raises(KeyboardInterrupt):
        run(recipe, tmp_path / "broken", [Interrupt()])
    assert recipe.epochs_done(tmp_path / "broken") == stop
    resumed, history = run(recipe, tmp_path / "broken")
    assert history.epoch == list(range(stop, 5))
    for a, b in zip(unbroken.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    rows = (tmp_path / "broken" / "history.csv").read_text().split()
    assert [row.split(",")[0] for row in rows[1:]] == ["0", "1", "2", "3", "4"]


@slow_off_tensorflow
@pytest.mark.usefixtures("untraced")
@pytest.mark.slow
def test_the_average_of_the_weights_is_validated_and_kept(tmp_path):
    def statistics(network):
        return [w.copy() for w in network.get_layer("body_bn").get_weights()[2:]]

    class Watch(keras.callbacks.Callback):
        """What the average of the trained weights must be, and what is validated."""

        def __init__(self):
            super().__init__()
            self.average, self.epochs, self.validated = None, [], []

        def weights(self):
            return [w.copy() for w in self.model.get_layer("body").get_weights()]

        def on_train_batch_end(self, batch, logs=None):
            now = self.weights()
            before = self.average or now
            pairs = zip(before, now, strict=True)
            self.average = [0.8 * old + 0.2 * new for old, new in pairs]
            self.last = [*now, *statistics(self.model)]

        def on_test_end(self, logs=None):
            self.validated.append(self.weights())

        def on_epoch_end(self, epoch, logs=None):
            same([*self.weights(), *statistics(self.model)], self.last)
            self.epochs.append(self.average)

    def same(found, expected):
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)

    watch = Watch()
    recipe = small(stages=(Stage("all", 2),), ema=0.8, learning_rate=0.05)
    model, history = run(recipe, tmp_path, [watch])
    for validated, average in zip(watch.validated, watch.epochs, strict=True):
        same(validated, average)
    same(watch.weights(), watch.average)
    assert np.abs(watch.average[0] - watch.last[0]).max() > 0.01
    kept = {name: keras.models.load_model(tmp_path / f"{name}.keras") for name in ("best", "last")}
    body = {name: network.get_layer("body").get_weights() for name, network in kept.items()}
    same(body["last"], watch.average)
    same(body["best"], watch.epochs[int(np.argmax(history.history["val_accuracy"]))])
    # Batch norm has the statistics of the averaged network, not those that training gathered.
    into = keras.Model(model.input, model.get_layer("body").output)
    batches = [keras.ops.convert_to_numpy(into(Batches()[n][0])) for n in range(3)]
    means = [np.mean([x.mean(0) for x in batches], 0), np.mean([x.var(0) for x in batches], 0)]
    for found in (statistics(model), statistics(kept["last"])):
        for a, b in zip(found, means, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    # What was kept as the best scores what it was validated with.
    best = kept["best"].predict(faces(12, 1)[0], verbose=0).argmax(-1)
    accuracy = (best == faces(12, 1)[1].argmax(-1)).mean()
    assert accuracy == pytest.approx(max(history.history["val_accuracy"]))


def noisy():
    """A network whose batch norm sees what dropout has drawn."""
    image = keras.Input((SIZE, SIZE, 1))
    x = keras.layers.Dropout(0.5, seed=4)(keras.layers.Flatten()(image))
    x = keras.layers.BatchNormalization(momentum=0.5)(keras.layers.Dense(4)(x))
    return keras.Model(image, keras.layers.Dense(CLASSES, activation="softmax")(x))


@slow_off_tensorflow
@pytest.mark.usefixtures("untraced")
@pytest.mark.slow
def test_measuring_the_average_moves_no_random_number(tmp_path):
    def trained(folder):
        keras.utils.set_random_seed(3)
        model = noisy()
        recipe = small(stages=(Stage("one", 1), Stage("two", 1)), ema=0.8)
        history = recipe.fit(model, Batches, faces(12, 1), directory=tmp_path / folder, verbose=0)
        return model, history.epoch

    first, epochs = trained("a")
    assert epochs == [0, 1]
    # Given again, a finished training is not trained on, but measured again: from other random
    # numbers if any moved.
    again, epochs = trained("a")
    assert epochs == []
    other, _ = trained("b")
    for model in (again, other):
        for a, b in zip(first.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)


def test_batches_count_by_their_size():
    norm = keras.layers.BatchNormalization(center=False, scale=False)
    network = keras.Sequential([keras.Input((1,)), norm])
    seen = [np.float32([[0], [2], [4]]), np.float32([[10]])]
    mean, variance = measured(network, seen, forward(network))
    assert mean == pytest.approx((3 * 2 + 1 * 10) / 4)
    assert variance == pytest.approx(3 * (8 / 3) / 4)
    assert norm.momentum == 0.99


@pytest.mark.usefixtures("untraced")
@pytest.mark.slow
def test_the_average_of_a_student(tmp_path):
    keras.utils.set_random_seed(3)
    student = tiny()
    both = distiller(student, tiny())
    recipe = small(stages=(Stage("all", 1),), ema=0.8)
    recipe.fit(both, Batches, faces(12, 1), directory=tmp_path, verbose=0)
    kept = keras.models.load_model(tmp_path / "last.keras")
    for a, b in zip(student.get_weights(), kept.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.usefixtures("untraced")
def test_the_average_needs_data_that_can_be_read_again():
    once = ((images, labels) for images, labels in [faces()])
    with pytest.raises(ValueError, match="looks at the first batches again"):
        small(ema=0.9).fit(tiny(), once, verbose=0)

    class Two(Batches):
        def __getitem__(self, index):
            images, labels = super().__getitem__(index)
            return (images, images), labels

    with pytest.raises(ValueError, match="Received: batches with 2 inputs"):
        small(ema=0.9).fit(tiny(), Two(), verbose=0)
    with pytest.raises(ValueError, match="`average` must be given if and only if"):
        small(ema=0.9).callbacks()
    with pytest.raises(ValueError, match="`average` must be given if and only if"):
        small().callbacks(average=keras.callbacks.SwapEMAWeights())


@pytest.mark.usefixtures("untraced")
def test_without_validation_only_the_last_epoch_is_kept(tmp_path):
    keras.utils.set_random_seed(3)
    recipe = small(stages=(Stage("all", 1),))
    recipe.fit(tiny(), Batches, directory=tmp_path, verbose=0)
    assert (tmp_path / "last.keras").exists()
    assert not (tmp_path / "best.keras").exists()


@pytest.mark.usefixtures("untraced")
@pytest.mark.slow
def test_a_folder_holds_one_training(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    def one(**changes):
        return small(stages=(Stage("all", 1),), **changes)

    with pytest.raises(KeyboardInterrupt):
        run(one(learning_rate=0.7), tmp_path, [Stop()])
    # Nothing was trained: the folder is free.
    run(one(), tmp_path)
    with pytest.raises(ValueError, match="learning_rate differ"):
        run(one(learning_rate=0.5), tmp_path)
    with pytest.raises(ValueError, match="parameters differ"):
        run(one(), tmp_path, model=network())
    _, history = run(one().replace(epochs=2), tmp_path)
    assert history.epoch == [1]
    # More epochs may lead to stages that fewer have left out.
    two = small(stages=(Stage("head", 1, ("logits",)), Stage("all", 2)))
    run(two.replace(epochs=1), tmp_path / "stages")
    _, history = run(two, tmp_path / "stages")
    assert history.epoch == [1, 2]
    # The rates of a cosine of more epochs would have been others from the first step on.
    falling = one(schedule=Cosine())
    run(falling, tmp_path / "falling")
    with pytest.raises(ValueError, match="stages differ"):
        run(falling.replace(epochs=2), tmp_path / "falling")


@pytest.mark.usefixtures("untraced")
def test_arrays_are_taken_in_the_recipe_s_batches():
    model = tiny()
    small(stages=(Stage("all", 1),), batch_size=6).fit(model, faces(24), faces(6, 1), verbose=0)
    assert int(np.asarray(model.optimizer.iterations)) == 4


@pytest.mark.usefixtures("untraced")
def test_the_learning_rate_is_in_the_history(tmp_path):
    run(small(schedule=Plateau(), stages=(Stage("all", 1),)), tmp_path)
    assert "learning_rate" in (tmp_path / "history.csv").read_text()


@pytest.mark.usefixtures("untraced")
def test_schedules():
    steps = small(schedule=Steps(every=2, factor=0.1), stages=(Stage("all", 3),))
    rates = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            rates.append(float(np.asarray(self.model.optimizer.learning_rate)))

    run(steps, callbacks=[Watch()])
    np.testing.assert_allclose(rates, [0.01, 0.01, 0.001], rtol=1e-5)
    rate = Cosine(warmup_steps=4).rate(0.5, 10, 4)
    np.testing.assert_allclose(
        [float(rate(n)) for n in (0, 2, 4, 40)], [0, 0.25, 0.5, 0], atol=1e-6
    )


def test_replace_shortens_and_lengthens_stages():
    recipe = recipes.get("resnet50_cbam")
    assert [stage.epochs for stage in recipe.replace(epochs=15).stages] == [10, 5]
    assert [stage.epochs for stage in recipe.replace(epochs=100).stages] == [10, 10, 10, 10, 60]
    assert recipe.replace(batch_size=8).epochs == recipe.epochs


def test_adamw_spares_norms_and_biases():
    optimizer = recipes.get("ghostface_small").compile_kwargs()["optimizer"]
    model = network()
    optimizer.build(model.trainable_variables)
    decayed = {v.path for v in model.trainable_variables if optimizer._use_weight_decay(v)}
    assert decayed
    assert all(path.endswith("kernel") for path in decayed)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: recipes.get("vgg"), r"`name` must be one of .*Received: name='vgg'"),
        (lambda: small(optimizer="lamb"), "`optimizer` of a Recipe must be one of"),
        (lambda: small(loss="hinge"), "`loss` of a Recipe must be one of"),
        (lambda: small(labels="hard"), "`labels` of a Recipe must be one of"),
        (lambda: small(batch_size=0), "`batch_size` of a Recipe must be an integer of 1 or more"),
        (lambda: small(learning_rate=0), "`learning_rate` of a Recipe must be positive"),
        (lambda: small(label_smoothing=1.0), r"`label_smoothing` of a Recipe must be in \[0, 1\)"),
        (lambda: small(ema=1), "`ema` of a Recipe must be None or between 0 and 1"),
        (lambda: small(patience=0), "`patience` of a Recipe must be None or whole"),
        (lambda: small(stages=()), "`stages` of a Recipe must be one or more"),
        (lambda: Stage("a", 0), "`epochs` of a Stage must be an integer of 1 or more"),
        (lambda: small(monitor="loss"), "`monitor` of a Recipe must be the name of a validation"),
        (lambda: small(schedule="cosine"), "`schedule` of a Recipe must be one of"),
        (lambda: small(input_shape=(8, 8)), "`input_shape` of a Recipe must be"),
        (lambda: Stage("a", 1, "conv*"), "`trainable` of a Stage must be None or a tuple"),
        (lambda: Stage("a", 1, None, 0.0), "`learning_rate` of a Stage must be None or positive"),
        (lambda: Steps(every=0), "`every` of a Steps must be"),
        (lambda: Plateau(factor=3), "`factor` of a Plateau must be between 0 and 1"),
        (lambda: small().replace(epochs=0), "`epochs` must be an integer of 1 or more"),
        (lambda: small().replace(rate=1), r"Received: \['rate'\]"),
        (lambda: small(schedule=Cosine()).compile_kwargs(), "`steps_per_epoch` must be given"),
        (
            lambda: small(patience=2).fit(network(), faces()[0], verbose=0),
            "`validation` must be given",
        ),
        (
            lambda: small(class_weights=True).fit(tiny(), *faces(), verbose=0),
            "`class_weight` must be given",
        ),
        (
            lambda: small(stages=(Stage("a", 1, ("conv9_*",)),)).freeze(network()),
            r"trains layers of the names \['conv9_\*'\]",
        ),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
