import dataclasses
import shutil
import types

import keras
import numpy as np
import pytest
from helpers.crashes import every_change, go_on_in_each

from fer_models.privacy import (
    OverlapError,
    References,
    Signals,
    audit_membership,
    augmentation_queries,
    run_attacks,
    signals,
    train_references,
)
from fer_models.privacy import references as references_module
from fer_models.privacy.queries import Shifted

EXAMPLES, CLASSES = 40, 3


@pytest.fixture(autouse=True)
def without_collecting(monkeypatch):
    """Leave out what frees the memory of networks, which takes longer than all else here."""
    monkeypatch.setattr(references_module, "gc", types.SimpleNamespace(collect=lambda: 0))


def books(images, labels):
    return {image.tobytes(): label for image, label in zip(images, labels, strict=True)}


class Remembering:
    """Stands for a network: sure of what it was trained on, at a loss elsewhere."""

    def __init__(self, images, labels, seed):
        self.known = books(images, labels)
        self.generator = np.random.default_rng(seed)

    def predict_on_batch(self, images):
        logits = self.generator.normal(0, 0.5, (len(images), CLASSES))
        for row, image in zip(logits, images.astype("uint8"), strict=True):
            if image.tobytes() in self.known:
                row[self.known[image.tobytes()]] += 5
        return logits.astype("float32")


class KilledError(Exception):
    pass


@pytest.fixture(scope="module")
def pool():
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (EXAMPLES, 4, 4, 1), "uint8")
    return images, np.arange(EXAMPLES) % CLASSES


@pytest.fixture(scope="module")
def population():
    generator = np.random.default_rng(1)
    return generator.integers(0, 256, (60, 4, 4, 1), "uint8"), np.arange(60) % CLASSES


def train(pool, folder, build=Remembering, **options):
    return train_references(
        build, *pool, folder, from_logits=True, progress=False, **{"count": 4, **options}
    )


def arrays(references):
    return [np.asarray(getattr(references, name)) for name in References.__dataclass_fields__]


def test_every_example_is_in_half_of_the_models_and_the_books_are_right(pool, population, tmp_path):
    trained = []

    def build(images, labels, seed):
        trained.append(
            {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
        )
        return Remembering(images, labels, seed)

    references = train(pool, tmp_path, build, population=population, queries=2)
    assert len(references) == len(trained) == 4
    assert (references.inside.sum(axis=0) == 2).all()
    for inside, seen in zip(references.inside, trained, strict=True):
        wanted = {
            image.tobytes(): y for image, y in zip(pool[0][inside], pool[1][inside], strict=True)
        }
        assert seen == wanted
    assert references.margins.shape == (4, EXAMPLES, 2)
    assert references.population_margins.shape == (4, 60, 2)
    # What was remembered is told apart, so rows and models are not mixed up.
    first = references.margins[..., 0]
    assert first[references.inside].min() > first[~references.inside].max()
    assert first[~references.inside].max() > references.margins[..., 1].mean()


def test_copies_go_in_or_stay_out_together(pool, tmp_path):
    images = pool[0].copy()
    images[20:] = images[:20]
    references = train((images, pool[1]), tmp_path, count=4)
    assert (references.inside[:, :20] == references.inside[:, 20:]).all()


@pytest.mark.parametrize("at", [0, 3])
def test_killed_and_started_again_gives_the_same(pool, population, tmp_path, at):
    trained = []

    def build(images, labels, seed):
        trained.append(seed)
        # Also what is drawn from the global seed must not tell the runs apart.
        return Remembering(images, labels, np.random.randint(1 << 30))

    def build_until(images, labels, seed):
        if len(trained) == at:
            raise KilledError
        return build(images, labels, seed)

    whole = train(pool, tmp_path / "whole", build, population=population)
    seeds = list(trained)
    trained.clear()
    with pytest.raises(KilledError):
        train(pool, tmp_path / "cut", build_until, population=population)
    assert len(list((tmp_path / "cut").glob("reference-*"))) == at
    # A file cut off while it was written does not count.
    (tmp_path / "cut" / f"reference-{at:04d}.npz.unfinished").write_bytes(b"half")
    again = train(pool, tmp_path / "cut", build, population=population)
    assert trained == seeds
    for one, other in zip(arrays(whole), arrays(again), strict=True):
        assert np.array_equal(one, other)
    train(pool, tmp_path / "cut", build, population=population)
    assert trained == seeds


def test_seeds_differ_from_model_to_model_and_from_run_to_run(pool, tmp_path):
    seeds = []

    def build(images, labels, seed):
        seeds.append(seed)
        return Remembering(images, labels, seed)

    one = train(pool, tmp_path / "0", build, seed=0)
    other = train(pool, tmp_path / "1", build, seed=1)
    assert len(set(seeds)) == 8
    assert (one.inside != other.inside).any()


def test_a_folder_of_something_else_is_refused(pool, population, tmp_path):
    train(pool, tmp_path)
    others = (
        {"seed": 1},
        {"count": 2},
        {"queries": 2},
        {"population": population},
        {"pool": (pool[0], pool[1][::-1])},
        {"pool": (pool[0][::-1], pool[1])},
    )
    for change in others:
        with pytest.raises(ValueError, match="`folder` must be empty or hold"):
            train(
                change.get("pool", pool), tmp_path, **{k: change[k] for k in set(change) - {"pool"}}
            )


def test_outputs_read_otherwise_are_refused(pool, tmp_path):
    first = train(pool, tmp_path)
    with pytest.raises(ValueError, match=r"`folder` must be empty or hold.* and `from_logits`"):
        train_references(Remembering, *pool, tmp_path, count=4, progress=False)
    # A folder of before it was noted.
    with np.load(tmp_path / "plan.npz") as plan:
        old = {name: plan[name] for name in ("fingerprint", "inside")}
    np.savez(tmp_path / "plan.npz", **old)
    again = train_references(Remembering, *pool, tmp_path, count=4, progress=False)
    assert np.array_equal(first.margins, again.margins)
    # That call has decided.
    with pytest.raises(ValueError, match=r"`folder` must be empty or hold.* and `from_logits`"):
        train(pool, tmp_path)


def test_copies_that_were_shifted_otherwise_are_not_compared(pool, tmp_path):
    target = Remembering(pool[0][:20], pool[1][:20], 99)

    def both(seed, queries=3):
        found = signals(target, *pool, queries=queries, seed=seed, progress=False)
        return found[:20], found[20:]

    references = train(pool, tmp_path / "0", queries=3, seed=7)
    assert references.query_seed == 7
    message = "'members': 0, 'non_members': 0, 'references': 7"
    with pytest.raises(ValueError, match=f"the same `seed`.*{message}"):
        audit_membership(*both(0), references=references)
    with pytest.raises(ValueError, match=message):
        run_attacks(*both(0), references=references)
    with pytest.raises(ValueError, match="'members': 0, 'non_members': 1"):
        run_attacks(both(0)[0], both(1)[1])
    assert run_attacks(*both(7), references=references)
    unknown = dataclasses.replace(references, query_seed=None)
    assert run_attacks(*both(0), references=unknown)
    # The mirror image is the same for every seed, and own functions know none.
    references = train(pool, tmp_path / "1", queries=2, seed=7)
    assert run_attacks(*both(0, 2), references=references)
    references = train(pool, tmp_path / "2", queries=augmentation_queries(3, seed=7), seed=7)
    assert references.query_seed is None


def test_the_threshold_of_offline_lira_keeps_what_is_tolerated():
    generator = np.random.default_rng(0)
    # The copies of a picture are answered alike; four models tell the mean only roughly.
    models, examples, queries, apart = 4, 2000, 6, 1000

    def answers(*shape):
        own = generator.normal(0, 0.95, (*shape, 1))
        return own + generator.normal(0, 0.3, (*shape, queries))

    def asked(count, name):
        scores = np.zeros((count, queries, CLASSES))
        scores[..., 0] = answers(count)
        labels, hashes = np.zeros(count, int), [f"{name} {i}" for i in range(count)]
        return Signals.from_outputs(scores, labels, hashes, from_logits=True)

    both, known = asked(examples, "face"), asked(apart, "other")
    ranks = generator.random((models, examples)).argsort(axis=0).argsort(axis=0)
    references = References(
        inside=ranks < 2,
        margins=answers(models, examples) - np.log(2),
        labels=both.labels,
        hashes=both.hashes,
        population_margins=answers(models, apart) - np.log(2),
        population_labels=known.labels,
        population_hashes=known.hashes,
    )
    for rate in (0.1, 0.02):
        (found,) = run_attacks(
            both[:1000], both[1000:], known, references, ["lira_offline"], tolerated_fpr=rate
        )
        # Three standard deviations of the population's quantile and of the faces' share.
        room = 3 * np.sqrt(rate * (1 - rate) * (1 / 1000 + 1 / 2000))
        scores = np.concatenate([found.member_scores, found.non_member_scores])
        assert abs((scores >= found.threshold).mean() - rate) < room
        assert found.details == {"models": 4, "tolerated_fpr": rate}
    # Without a population nothing tells the scores of several queries; of one it is the p-value.
    (found,) = run_attacks(
        both[:1000], both[1000:], references=references, attacks=["lira_offline"]
    )
    assert found.threshold is None
    assert found.details == {"models": 4}
    single = dataclasses.replace(references, margins=references.margins[..., :1])
    one = Signals.from_outputs(both.probabilities[:, 0], both.labels, both.hashes)
    (found,) = run_attacks(one[:1000], one[1000:], None, single, ["lira_offline"])
    assert found.threshold == pytest.approx(-np.log(0.1))


def test_other_shifts_are_other_queries(pool, tmp_path):
    queries = augmentation_queries(4, seed=1)
    first = train(pool, tmp_path, queries=queries)
    again = train(pool, tmp_path, queries=augmentation_queries(4, seed=1))
    assert np.array_equal(first.margins, again.margins)
    near = (*queries[:3], Shifted(queries[3].down + 1e-12, queries[3].right, queries[3].mirror))
    for other in (augmentation_queries(4, seed=2), near):
        with pytest.raises(ValueError, match="with others, or made before shifts were told apart"):
            train(pool, tmp_path, queries=other)


def test_a_damaged_file_is_named(pool, tmp_path):
    train(pool, tmp_path)
    (tmp_path / "reference-0001.npz").write_bytes(b"PK damaged")
    with pytest.raises(ValueError, match=r"reference-0001\.npz"):
        train(pool, tmp_path)


def test_what_another_model_said_is_not_taken_for_this_one_s(pool, tmp_path):
    train(pool, tmp_path / "one")
    train(pool, tmp_path / "other", seed=1)
    # Two models of the same references, then the plan with those of others.
    shutil.copy(tmp_path / "one" / "reference-0001.npz", tmp_path / "one" / "reference-0000.npz")
    message = r"reference-0000\.npz must hold the answers of model 0 .* remove it"
    with pytest.raises(ValueError, match=message):
        train(pool, tmp_path / "one")
    (tmp_path / "other" / "plan.npz").unlink()
    with pytest.raises(ValueError, match=message):
        train(pool, tmp_path / "other")


def test_killed_at_any_change_of_a_file(pool, tmp_path, monkeypatch):
    def work(folder):
        return [array.tolist() for array in arrays(train(pool, folder))]

    with every_change(tmp_path / "run", tmp_path / "copies", monkeypatch) as moments:
        work(tmp_path / "run")
    assert moments.points > 20
    go_on_in_each(moments, work, work(tmp_path / "whole"))


def test_rows_follow_the_signals(pool, population, tmp_path):
    references = train(pool, tmp_path, population=population)
    order = np.random.default_rng(3).permutation(EXAMPLES)[:17]
    model = Remembering(pool[0][:20], pool[1][:20], 0)
    some = signals(model, pool[0][order], pool[1][order], progress=False)
    margins, inside = references.of(some)
    assert (margins == references.margins[:, order]).all()
    assert (inside == references.inside[:, order]).all()
    known = signals(model, population[0][::-1], population[1][::-1], progress=False)
    assert (references.of_population(known) == references.population_margins[:, ::-1]).all()
    with pytest.raises(ValueError, match="60 of 60"):
        references.of(known)
    with pytest.raises(ValueError, match="17 of 17"):
        references.of_population(some)
    wrong = signals(model, pool[0][order], (pool[1][order] + 1) % CLASSES, progress=False)
    with pytest.raises(ValueError, match="17 of 17"):
        references.of(wrong)


def test_the_audit_finds_what_was_remembered(pool, population, tmp_path):
    references = train(pool, tmp_path, population=population, count=4)
    target = Remembering(pool[0][:20], pool[1][:20], 99)
    both = signals(target, *pool, progress=False)
    known = signals(target, *population, progress=False)
    report = audit_membership(both[:20], both[20:], known, references, resamples=50)
    for name in (
        "loss",
        "population",
        "lira_online",
        "lira_offline",
        "rmia_online",
        "rmia_offline",
    ):
        assert report[name].auc.value > 0.95, name
    assert report["lira_online"].details == {"models": 4}


def test_a_real_network_and_progress(pool, tmp_path, capsys):
    seen = []

    def build(images, labels, seed):
        model = keras.Sequential(
            [keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(CLASSES)]
        )
        seen.append(model.get_weights()[0])
        return model

    references = train_references(build, *pool, tmp_path / "0", count=np.int64(2))
    assert "2/2" in capsys.readouterr().err
    assert references.margins.shape == (2, EXAMPLES, 1)
    train(pool, tmp_path / "1", build, count=2)
    assert (seen[0] == seen[2]).all()
    assert (seen[0] != seen[1]).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 3}, "even integer"),
        ({"count": 0}, "even integer"),
        ({"count": True}, "even integer"),
        ({"seed": -1}, "`seed` must be"),
        ({"queries": 0}, "`queries` must be"),
        ({"population": (np.zeros((2, 4, 4, 1)), [0])}, "`population` must be an array"),
        ({"pool": (np.zeros((2, 4, 4, 1)), [0])}, "`images` must be an array"),
        ({"pool": (np.zeros((0, 4, 4, 1)), [])}, "`images` must be an array"),
        ({"pool": (np.zeros((2, 4, 4, 1)), [0.5, 1.0])}, "must be integers"),
    ],
)
def test_bad_arguments(pool, tmp_path, change, message):
    options = dict(change)
    with pytest.raises(ValueError, match=message):
        train(options.pop("pool", pool), tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_a_population_that_overlaps_is_refused(pool, tmp_path):
    with pytest.raises(OverlapError, match="3 in both examples and population"):
        train(pool, tmp_path, population=(pool[0][:3], pool[1][:3]))
