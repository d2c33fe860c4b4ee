import csv
import inspect
import io
import itertools
import json
import re
import sys

import keras
import numpy as np
import pytest
from helpers.html_page import Page
from keras import layers

import fer_models
from fer_layers import CBAM
from fer_models import explain, robustness
from fer_models.auditing import Audit, audit, breaking, by_group, cost, explanation, scores
from fer_models.auditing import membership as membership_section
from fer_models.auditing.blocks import Bar, Figure, Picture, Section, Table, Text
from fer_models.auditing.card import suspects_csv
from fer_models.auditing.membership import membership
from fer_models.privacy import OverlapError, Signals
from fer_models.robustness import rank_suspects

# The package has the function of the same name.
audit_module = sys.modules["fer_models.auditing.audit"]
CLASSES = ("sad", "<happy>", "a|b")
NO_EXTRAS = {"adversarial_faces": 0, "corruption_faces": 0, "explained_faces": 0, "verbose": 0}
SECTIONS = ("accuracy", "calibration", "complexity", "membership", "suspects")


def faces(count, seed, size=24):
    """Grey noise, on average brighter by class."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, count)
    brightness = generator.normal(60 + 60 * labels, 30)[:, None, None, None]
    images = generator.normal(brightness, 40, (count, size, size, 1))
    return np.clip(images, 0, 255).astype("uint8"), labels


def tiny_model(size=24):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((size, size, 1)),
            layers.Rescaling(1 / 128, offset=-1),
            layers.Conv2D(8, 3, strides=2, activation="relu"),
            CBAM(reduction=4, kernel_size=3, name="cbam"),
            layers.Conv2D(8, 3, activation="relu", name="last"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ],
        name="tiny",
    )


@pytest.fixture(scope="module")
def model():
    model = tiny_model()
    images, labels = faces(200, seed=1)
    # Eagerly on TensorFlow, where tracing takes longer than these few steps.
    eager = keras.backend.backend() == "tensorflow"
    model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy", run_eagerly=eager)
    model.fit(images, labels, epochs=4, batch_size=50, verbose=0)
    return model


@pytest.fixture(scope="module")
def sets():
    """Faces of every kind; some of the test faces are non-members too."""
    names = ("members", "non_members", "population", "test")
    sets = {name: faces(120, seed) for seed, name in enumerate(names, 1)}
    for own, other in zip(sets["test"], sets["non_members"], strict=True):
        own[:20] = other[:20]
    return sets


@pytest.fixture
def undrawn(monkeypatch):
    """Let no picture be drawn: the audit of `found` has them, and they take half of its time."""

    def drawn(draw, alt, caption, wide=False):
        return Picture(b"", alt, caption, wide)

    for module in (breaking, by_group, explanation, membership_section, scores):
        monkeypatch.setattr(module, "drawn", drawn)


@pytest.fixture(scope="module")
def found(model, sets):
    return audit(
        model,
        **sets,
        class_names=CLASSES,
        title="Audit of <tiny> & co",
        about={"File": "a_b*c.keras", "Licence": "none"},
        **NO_EXTRAS | {"explained_faces": 10},
        samples=4,
    )


def test_exported_lazily():
    assert fer_models.audit is audit


def test_numbers_are_those_of_the_parts(found, model, sets):
    images, labels = sets["test"]
    probabilities = model.predict(images.astype("float32"), verbose=0)
    accuracy = (probabilities.argmax(-1) == labels).mean()
    assert found["accuracy"]["accuracy"] == pytest.approx(accuracy)
    assert "20 test faces are non-members too" in found.about["Faces"]
    assert not any("no test set" in warning for _, warning in found.warnings)
    assert found["accuracy"]["accuracy_low"] < accuracy < found["accuracy"]["accuracy_high"]
    assert np.sum(found["accuracy"]["confusion"]) == 120
    assert found["complexity"]["parameters"] == model.count_params()
    assert found["membership"]["members"] == found["membership"]["population"] == 120
    assert found["membership"]["attacks"][1]["name"] == "population_per_class"
    member_images, member_labels = sets["members"]
    inside = model.predict(member_images.astype("float32"), verbose=0).argmax(-1) == member_labels
    assert found["membership"]["member_accuracy"] == pytest.approx(inside.mean())
    wrong = int((probabilities.argmax(-1) != labels).sum())
    assert found["suspects"]["overruled"] == len(found["suspects"]["suspects"]) == wrong
    assert found["explanation"]["deletion"]["faces"] == 10
    confidence = probabilities.max(-1).mean() - accuracy
    assert found["calibration"]["confidence_minus_accuracy"] == pytest.approx(confidence, abs=1e-4)
    with pytest.raises(KeyError, match="not one of the sections accuracy, calibration"):
        found["speed"]


def test_page_stands_alone_and_is_well_formed(found):
    text = found.to_html()
    page = Page(text)
    assert page.open == []
    assert len(set(page.ids)) == len(page.ids)
    assert set(page.ids) == {*SECTIONS, "explanation"}
    for reference in page.references:
        if reference.startswith("#"):
            assert reference[1:] in page.ids
        else:
            assert reference.startswith("data:image/png;base64,iVBOR")
    assert len(page.images) >= 5
    assert all(image["alt"] for image in page.images)
    assert "script" not in page.tags
    assert not re.search(r"url\(|@import|https?://", text)
    # Names are shown, not read as tags.
    assert "Audit of <tiny> & co" in page.text
    assert "<happy>" in page.text
    assert "default-src 'none'" in text
    for media in ("prefers-color-scheme: dark", "@media print", "max-width: 34rem"):
        assert media in text


def test_card_is_markdown_whose_tables_hold(found):
    text = found.to_markdown()
    lines = text.splitlines()
    assert lines[0] == r"# Audit of <tiny> & co".replace("<", r"\<").replace(">", r"\>")
    for above, below in itertools.pairwise(lines):
        if above.startswith("|") and below.startswith("|"):
            bars = [len(re.findall(r"(?<!\\)\|", line)) for line in (above, below)]
            assert bars[0] == bars[1], (above, below)
    for word in ("## Accuracy", "## Membership", r"a\_b\*c.keras", r"a\|b", "How:"):
        assert word in text
    assert "base64" not in text


def test_saving(found, tmp_path):
    paths = found.save(tmp_path / "new")
    assert [path.name for path in paths] == [
        "audit.html",
        "model_card.md",
        "audit.json",
        "suspects.csv",
    ]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(
        path.name for path in paths
    )
    content = json.loads(paths[2].read_text())
    assert content["accuracy"]["accuracy"] == found["accuracy"]["accuracy"]
    assert content["about"]["Licence"] == "none"
    rows = list(csv.DictReader(io.StringIO(paths[3].read_text())))
    assert len(rows) == found["suspects"]["overruled"]


def test_what_should_give_pause_is_told(model, sets, undrawn):
    images, labels = sets["members"]
    shuffled = np.random.default_rng(0).permutation(labels)
    some, theirs = faces(40, seed=9)
    others = np.concatenate([some, some[:10]]), np.concatenate([theirs, theirs[:10]])
    groups = ["|a|"] * 30 + ["b"] * 19 + [None]
    found = audit(model, members=(images, shuffled), non_members=others, groups=groups, **NO_EXTRAS)
    told = " ".join(warning for _, warning in found.warnings)
    assert "There is no test set of its own" in told
    assert "are copies of others" in told
    assert "So few faces were tested" in told
    assert "Accuracy on members and non-members differs" in told
    assert found.about["Left out"] == "adversarial examples, corruptions, explanation"
    keys = [section.key for section in found.sections]
    assert keys == [*SECTIONS[:2], "groups", *SECTIONS[2:]]
    groups = found["groups"]["groups"]
    assert {name: scores["examples"] for name, scores in groups.items()} == {"|a|": 30, "b": 19}
    whole = found["accuracy"]["confusion"]
    parts = np.sum([scores["confusion"] for scores in groups.values()], axis=0)
    assert np.sum(whole) - np.sum(parts) == 1
    assert "The group b has 19 faces only" in told
    assert "Faces of no group, and in none of its figures: 1." in told
    assert "\\|a\\|" in found.to_markdown()
    json.dumps(found.to_dict(), allow_nan=False)


def test_confidence_is_called_out_only_beyond_chance(undrawn):
    drawn = np.random.default_rng(0)
    true = drawn.dirichlet(np.full(7, 0.4), 100)

    def told(said):
        """Return what is told of 20 draws of labels, each of 100 faces."""
        labels = [(true.cumsum(1) > drawn.random((100, 1))).argmax(1) for _ in range(20)]
        return [scores.calibration(each, said, "here").warnings for each in labels]

    assert sum(map(bool, told(true))) <= 3
    for power, word in ((4, "overconfident"), (0.3, "underconfident")):
        said = true**power
        said /= said.sum(axis=1, keepdims=True)
        assert sum(f"The model is {word}" in " ".join(each) for each in told(said)) >= 18
    # Right in 70 % whether it says 90 % or 50 %.
    said = np.tile([[0.9, 0.1], [0.5, 0.5]], (100, 1))
    labels = (np.arange(200) // 2 % 10 >= 7).astype(int)
    (warning,) = scores.calibration(labels, said, "here").warnings
    assert "Confidence and accuracy part, by 20.0 points" in warning
    assert "says 70.0 % and is right in 70.0 %" in warning


@pytest.mark.parametrize("name", ["non_members", "population", "test"])
def test_training_faces_outside_are_refused_and_counted(model, sets, name):
    images, labels = (part.copy() for part in sets[name])
    images[:7] = sets["members"][0][:7]
    with pytest.raises(OverlapError, match=f"7 in both members and {name}") as caught:
        audit(model, **sets | {name: (images, labels)}, **NO_EXTRAS)
    assert caught.value.counts == {("members", name): 7}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"members": faces(5, 1)[0]}, r"`members` must be a pair \(images, labels\)"),
        ({"members": (np.zeros((5, 16, 16, 1)), np.zeros(5, int))}, "`members` must hold images"),
        ({"test": (np.zeros((0, 24, 24, 1)), np.zeros(0, int))}, "`test` must hold images"),
        ({"test": (np.full((2, 24, 24, 1), -1), [0, 1])}, r"`test` must hold images in \[0, 255"),
        ({"test": (np.full((2, 24, 24, 1), np.nan), [0, 1])}, "`test` must hold finite numbers"),
        ({"non_members": (faces(2, 2)[0] / 255, [0, 1])}, "`non_members`.* multiply them by 255"),
        ({"population": (faces(5, 1)[0], [0, 1])}, "`population` must hold one integer label"),
        ({"population": (faces(2, 1)[0], [0, 3])}, "`population` must hold labels from 0 to 2"),
        ({"population": (faces(2, 1)[0], [0.0, 1])}, "`population` must hold one integer label"),
        ({"class_names": ("a", "b")}, "`class_names` must be 3 different names"),
        ({"class_names": ("a", "b", "b")}, "`class_names` must be 3 different names"),
        ({"about": "mine"}, "`about` must be a dictionary"),
        ({"groups": ["a"]}, "`groups` must have one entry an example, 120"),
        ({"samples": 0}, "`samples` must be an integer >= 1"),
        ({"adversarial_faces": -1}, "`adversarial_faces` must be an integer >= 0"),
        ({"seed": 0.5}, "`seed` must be an integer"),
        ({"model": None}, r"must be a built `keras\.Model`"),
    ],
)
def test_bad_arguments(model, sets, change, message):
    arguments = {"model": model, **sets, **NO_EXTRAS, **change}
    with pytest.raises(ValueError, match=message):
        audit(arguments.pop("model"), **arguments)


def test_models_it_cannot_audit(sets):
    inputs = keras.Input((24, 24, 1))
    logits = keras.Sequential([inputs, layers.Flatten(), layers.Dense(3)])
    with pytest.raises(ValueError, match="must return probabilities"):
        audit(logits, **sets)
    maps = keras.Sequential([inputs, layers.Conv2D(3, 3)])
    with pytest.raises(ValueError, match=r"one output of shape \(batch, classes\)"):
        audit(maps, **sets)
    clip = keras.Sequential([keras.Input((4, 24, 24, 1)), layers.Flatten(), layers.Dense(3)])
    with pytest.raises(ValueError, match="must take one image"):
        audit(clip, **sets)


def test_a_model_that_cannot_be_explained_is_refused_first(sets, capsys):
    dense = keras.Sequential(
        [keras.Input((24, 24, 1)), layers.Flatten(), layers.Dense(3, activation="softmax")]
    )
    with pytest.raises(ValueError, match=r"must hold a convolution.*`explained_faces=0`"):
        audit(dense, **sets)
    assert capsys.readouterr() == ("", "")


def test_a_population_that_lacks_a_class_goes_without_thresholds_for_each(undrawn):
    logits = np.random.default_rng(0).normal(size=(3, 60, 3))
    labels = np.arange(60) % 3
    members, others, known = (
        Signals.from_outputs(part, labels, [f"{number} {i}" for i in range(60)], from_logits=True)
        for number, part in enumerate(logits)
    )
    found = membership(members, others, known[labels != 2], CLASSES, seed=0)
    names = [attack["name"] for attack in found.data["attacks"]]
    assert names == ["population", "loss", "entropy", "modified_entropy"]
    assert "fewer than 10, so that thresholds for each class were left out" in found.how


def test_suspects_are_counted_as_they_are_listed(undrawn):
    labels = np.array([0, 0, 0, 0, 1, 1, 1])
    # The fourth face is surely of its label, and yet above the mean of the second class; the fifth
    # is overruled, but by less than the mean of the first.
    second = [0.01, 0.01, 0.9, 0.45, 0.4, 0.3, 0.3]
    probabilities = np.stack([1 - np.array(second), second, np.zeros(7)], axis=1)
    assert rank_suspects(labels, probabilities)[-3].confident
    section = breaking.suspects(np.zeros((7, 8, 8, 1)), labels, probabilities, CLASSES, "here")
    data = section.data
    assert data["overruled"] == len(data["suspects"]) == 4
    listed = sum(each["confident"] for each in data["suspects"])
    assert data["confident"] == listed == int(section.figures[0].value) == 3
    assert len(list(csv.DictReader(io.StringIO(suspects_csv(data["suspects"]))))) == 4


def test_the_batch_size_reaches_every_section(model, sets, monkeypatch):
    seen = {}

    def note(module, name):
        signature = inspect.signature(getattr(module, name))

        def noted(*args):
            seen[name] = signature.bind(*args).arguments.get("batch_size")
            return Section(name, name, (), "how")

        monkeypatch.setattr(module, name, noted)

    for name in ("adversarial", "corruptions", "suspects"):
        note(breaking, name)
    for module, name in ((audit_module, "explanation"), (audit_module, "membership")):
        note(module, name)
    note(cost, "complexity")
    asked = {name: sets[name] for name in ("members", "non_members")}
    audit(model, **asked, batch_size=7, verbose=0)
    obeyed = dict.fromkeys(("adversarial", "corruptions", "explanation"), 7)
    assert seen == obeyed | dict.fromkeys(("suspects", "membership", "complexity"))


@pytest.mark.slow
def test_faces_are_taken_so_many_at_a_time_everywhere(model, sets, undrawn, monkeypatch):
    seen = {}

    def watch(module, name, **quick):
        real = getattr(module, name)
        signature = inspect.signature(real)

        def watched(*args, **options):
            given = signature.bind(*args, **options)
            seen.setdefault(name, set()).add(given.arguments["batch_size"])
            return real(*args, **options, **quick)

        monkeypatch.setattr(module, name, watched)

    few = {"epsilons": (4,), "steps": 2, "apgd_steps": 2, "queries": 3}
    watch(robustness, "adversarial_accuracy", **few)
    watch(robustness, "corruption_accuracy", kinds=("blur", "mask"), severities=(1,))
    for name in ("deletion_insertion", "weight_randomization", "attention_gates"):
        watch(explain, name)
    watch(explain.GradCAM, "__call__")
    # Of these, one takes its time to measure times, and one asks nothing.
    for module, name in ((cost, "complexity"), (audit_module, "membership")):
        monkeypatch.setattr(module, name, lambda *_, key=name: Section(key, key, (), "how"))
    found = [
        audit(
            model,
            members=sets["members"],
            non_members=sets["non_members"],
            adversarial_faces=10,
            corruption_faces=10,
            explained_faces=10,
            samples=5,
            batch_size=size,
            verbose=0,
        )
        for size in (4, 64)
    ]
    assert set(map(len, seen.values())) == {2}, seen
    assert seen["adversarial_accuracy"] == seen["__call__"] == {4, 64}
    for key in ("accuracy", "adversarial", "corruptions", "suspects", "explanation"):
        few, many = (re.split(r"(-?\d+\.\d+(?:e-?\d+)?)", json.dumps(each[key])) for each in found)
        assert few[::2] == many[::2], key
        numbers = (np.array(each[1::2], float) for each in (few, many))
        np.testing.assert_allclose(*numbers, rtol=1e-3, atol=1e-4, err_msg=key)


@pytest.mark.slow
def test_one_hot_labels_and_float_pixels_give_the_same(model, sets, undrawn):
    options = {"class_names": CLASSES, **NO_EXTRAS}
    plain = audit(model, **sets, **options)
    other = audit(
        model,
        **{name: (x.astype("float64"), np.eye(3)[y]) for name, (x, y) in sets.items()},
        **options,
    )
    for key in ("accuracy", "calibration", "membership", "suspects"):
        assert plain[key] == other[key]


def test_page_without_warnings_says_so_and_a_block_of_unknown_kind_is_refused():
    section = Section(
        "one",
        "One",
        (
            Text("words"),
            Table(("a", "b"), (("x", Bar(1.7, "170 %")), ("y", Bar(None, "-"))), "caption"),
            Picture(b"\x89PNG", "alt", "caption"),
        ),
        "how",
        figures=(Figure("name", "1", "beside"),),
    )
    result = Audit("Title", {"Seed": "0"}, (section,))
    assert "proves no absence of harm" in Page(result.to_html()).text
    assert "--share:100.0%" in result.to_html()
    assert "proves no absence of harm" in result.to_markdown()
    odd = Audit("Title", {}, (Section("one", "One", ("text",), "how"),))
    for write in (odd.to_html, odd.to_markdown):
        with pytest.raises(TypeError, match="unknown block str"):
            write()


@pytest.mark.slow
def test_everything_together(model, sets, tmp_path, capsys):
    found = audit(
        model, **sets, class_names=CLASSES, adversarial_faces=20, corruption_faces=10,
        explained_faces=8, verbose=1,
    )  # fmt: skip
    assert [section.key for section in found.sections] == [
        "accuracy",
        "calibration",
        "complexity",
        "membership",
        "adversarial",
        "corruptions",
        "suspects",
        "explanation",
    ]
    printed = capsys.readouterr()
    assert "[8/8] explanation" in printed.err
    assert printed.out == ""
    clean = found["adversarial"]["clean"]["accuracy"]
    assert found["adversarial"]["accuracies"]["all"]["8"]["accuracy"] <= clean
    Page(found.to_html())
    json.loads(found.save(tmp_path)[2].read_text())
