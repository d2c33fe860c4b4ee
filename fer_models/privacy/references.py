"""Reference models, each trained on a random half of the audited examples, and their signals."""

import dataclasses
import gc
import hashlib
import numbers
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments
from fer_data.checks import REAL, as_array, shown
from fer_data.files import read_arrays, remove_unfinished, write_arrays
from fer_models.privacy.overlap import refuse_overlap
from fer_models.privacy.queries import Shifted, augmentation_queries, seed_of_queries
from fer_models.privacy.signals import Signals, content_hashes, signals

PLAN = "plan.npz"
KEPT = ("margin", "population_margin", "belongs")


@dataclasses.dataclass(frozen=True, eq=False)
class References:
    """The answers of reference models to the audited examples; `train_references` makes it.

    Attributes:
        inside: Whether each model was trained on each example, booleans `(models, examples)`.
        margins: Logit, log(p / (1 - p)), of the true class, `(models, examples, queries)`.
        labels: True classes, integers `(examples,)`.
        hashes: Content hashes, strings `(examples,)`.
        population_margins: `(models, population, queries)`; a population of 0 without one.
        population_labels: Integers `(population,)`.
        population_hashes: Strings `(population,)`.
        query_seed: Seed of the shifted copies, as in `Signals`, or `None`.
    """

    inside: np.ndarray
    margins: np.ndarray
    labels: np.ndarray
    hashes: np.ndarray
    population_margins: np.ndarray
    population_labels: np.ndarray
    population_hashes: np.ndarray
    query_seed: int | None = None

    def __len__(self) -> int:
        return len(self.inside)

    @property
    def queries(self) -> int:
        """Number of queries per example."""
        return self.margins.shape[-1]

    def of(self, target: Signals) -> tuple[np.ndarray, np.ndarray]:
        """Return `(margins, inside)` of the examples of a target's signals, in their order.

        Args:
            target: `Signals` of examples that the references were trained on or not.

        Returns:
            `(models, examples, queries)` and `(models, examples)`.

        Raises:
            ValueError: If an example (pixels and label) is not among the references'.
        """
        rows = _rows(target, self.hashes, self.labels, "the audited examples of the references")
        return self.margins[:, rows], self.inside[:, rows]

    def of_population(self, target: Signals) -> np.ndarray:
        """Return margins `(models, examples, queries)` of a population's signals.

        Args:
            target: `Signals` of pictures of the population.

        Raises:
            ValueError: If one is not in the references' population.
        """
        rows = _rows(
            target, self.population_hashes, self.population_labels, "the references' population"
        )
        return self.population_margins[:, rows]


@arguments.checked(
    build_and_train=arguments.function,
    images=arguments.array(ranks=(2, 3, 4, 5), empty=True),
    labels=arguments.array(empty=True),
    folder=arguments.path,
    population=arguments.sequence(least=2, most=2),
    queries=arguments.either(
        arguments.integer(1, 10_000),
        arguments.sequence(arguments.function),
        rule="an integer of 1 or more, or a sequence of functions",
    ),
    seed=arguments.seed,
    batch_size=arguments.integer(1),
    from_logits=arguments.flag,
    progress=arguments.flag,
)
def train_references(
    build_and_train: Callable[[np.ndarray, np.ndarray, int], keras.Model],
    images: np.ndarray,
    labels: ArrayLike,
    folder: str | os.PathLike[str],
    *,
    count: int = 16,
    population: tuple[np.ndarray, ArrayLike] | None = None,
    queries: int | Sequence[Callable[[np.ndarray], np.ndarray]] = 1,
    seed: int = 0,
    batch_size: int = 64,
    from_logits: bool | None = None,
    progress: bool = True,
) -> References:
    """Train reference models, each on a random half of the examples, and keep their signals.

    Every example is in exactly half of the models; copies of one picture go in or stay out
    together. The answers of each model to all examples are kept, not the model. If it is stopped
    and called again with the same arguments, it goes on with the first missing model. The result is
    the same if `build_and_train` gives the same model for the same arguments.

    Args:
        build_and_train: Function of `(images, labels, seed)` that returns a trained Keras model.
            Keras's own random numbers are seeded with `seed` before it is called. It must train
            just as the target model was trained, or the attacks get weaker.
        images: Members and non-members of the audit together, `(examples, ...)`.
        labels: Integers `(examples,)`.
        folder: Where the signals go, a file for each model; made if absent.
        count: Number of models, even, 2 or more. LiRA needs 16 for first gains and hundreds for its
            best; RMIA works with 2.
        population: Pair `(images, labels)` that no model is trained on, for RMIA; or `None`.
        queries: As in `signals`, and as in the target's signals. Functions of your own are told
            from others by their names alone when the references are continued.
        seed: Integer of 0 or more; decides the halves, the seeds of the models and, with 3 queries
            or more, the shifts of the copies. Give it to `signals` of the target too, or the
            attacks would compare copies that were shifted differently, which they refuse.
        batch_size: As in `signals`.
        from_logits: As in `signals`.
        progress: Whether to show a bar.

    Returns:
        `References`.

    Raises:
        ValueError: If an argument is out of range, lengths differ, the population shares pictures
            with the examples, or `folder` holds the references of other data or other arguments.

    Example:

    ```python
    references = train_references(build_and_train, images, labels, "out/references", count=16)
    # `signals` has the same seed, 0, and as many queries.
    margins, inside = references.of(signals(target, images, labels))
    ```

    Reference:
        Carlini et al., "Membership Inference Attacks From First Principles", S&P 2022:
        one set of models for all examples, each in half of them.
    """
    from tqdm import tqdm

    whole = isinstance(count, numbers.Integral) and not isinstance(count, bool)
    if not whole or count < 2 or count % 2:
        raise ValueError(
            f"`count` must be an even integer of 2 or more. Received: count={shown(count)}"
        )
    count = int(count)
    augmentation_queries(queries, seed)
    images, labels, hashes = _checked_examples("images", images, labels)
    if population is None:
        known, known_labels, known_hashes = images[:0], labels[:0], hashes[:0]
    else:
        known, known_labels, known_hashes = _checked_examples("population", *population)
        refuse_overlap({"examples": hashes, "population": known_hashes})
    inside = _halves(hashes, count, seed)
    folder = Path(folder)
    fingerprint = _claim(
        folder, inside, hashes, labels, known_hashes, known_labels, queries, seed, from_logits
    )
    remove_unfinished(folder)
    asked: dict[str, Any] = {
        "queries": queries,
        "batch_size": batch_size,
        "seed": seed,
        "from_logits": from_logits,
        "progress": False,
    }
    margins, population_margins = [], []
    for number in tqdm(range(count), desc="reference models", disable=not progress):
        path = folder / f"reference-{number:04d}.npz"
        belongs = f"{fingerprint} {number}"
        if not path.exists():
            # Independent of the models before, so that a resumed run trains the same one.
            model_seed = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
            keras.utils.set_random_seed(model_seed)
            chosen = inside[number]
            model = build_and_train(images[chosen], labels[chosen], model_seed)
            found = {"margin": signals(model, images, labels, **asked).margin}
            found["population_margin"] = (
                signals(model, known, known_labels, **asked).margin
                if len(known)
                else np.zeros((0, found["margin"].shape[1]))
            )
            write_arrays(path, {**found, "belongs": np.array(belongs)})
            del model
            gc.collect()
        found = read_arrays(path, KEPT)
        if str(found["belongs"]) != belongs:
            raise ValueError(
                f"{path} must hold the answers of model {number} of these references; remove it to "
                "have it made again. Received: those of another model or of other references"
            )
        margins.append(found["margin"])
        population_margins.append(found["population_margin"])
    return References(
        inside=inside,
        margins=np.stack(margins),
        labels=labels,
        hashes=hashes,
        population_margins=np.stack(population_margins),
        population_labels=known_labels,
        population_hashes=known_hashes,
        query_seed=seed_of_queries(queries, seed),
    )


def _checked_examples(
    name: str, images: Any, labels: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    images, labels = as_array(name, images), as_array(f"labels of {name}", labels)
    if images.dtype.kind not in REAL:
        raise ValueError(f"`{name}` must be arrays of numbers. Received: dtype={images.dtype}")
    if images.ndim < 2 or not len(images) or labels.shape != (len(images),):
        raise ValueError(
            f"`{name}` must be an array of examples with one label each, and not empty. "
            f"Received: images of shape {images.shape}, labels of shape {labels.shape}"
        )
    if labels.dtype.kind not in "iu":
        raise ValueError(f"The labels of `{name}` must be integers. Received: {labels.dtype}")
    return images, labels.astype("int64"), content_hashes(images)


def _halves(hashes, count, seed):
    """Return booleans `(count, examples)`: each picture in half of the models, copies together."""
    _, group = np.unique(hashes, return_inverse=True)
    draws = np.random.default_rng(seed).random((count, group.max() + 1))
    # The ranks of a picture's draws among the models: half of them are below count / 2.
    ranks = draws.argsort(axis=0).argsort(axis=0)
    return (ranks < count // 2)[:, group]


def _claim(folder, inside, hashes, labels, known_hashes, known_labels, queries, seed, from_logits):
    """Note in the folder which references it holds; raise `ValueError` if it holds others.

    Returns:
        A hexadecimal number that identifies these references.
    """
    text = "\n".join([*hashes, *map(str, labels), "-", *known_hashes, *map(str, known_labels)])
    asked, hint = queries, ""
    if not isinstance(queries, (int, np.integer)):
        asked = [_name(query) for query in queries]
        if any(isinstance(query, Shifted) for query in queries):
            hint = ", or made before shifts were told apart; give another folder"
    text += f"\n{asked}\n{seed}\n{len(inside)}"
    print_of = np.array(hashlib.blake2b(text.encode(), digest_size=16).hexdigest())
    path, logits = folder / PLAN, np.array(str(from_logits))
    if path.exists():
        # Plans of before it was noted say nothing of the outputs: the first call decides.
        plan = read_arrays(path, ("fingerprint", "inside"), optional=["from_logits"])
        same = str(plan["fingerprint"]) == str(print_of)
        same = same and str(plan.get("from_logits", logits)) == str(logits)
        if not same or not np.array_equal(plan["inside"], inside):
            raise ValueError(
                "`folder` must be empty or hold references of the same examples, population, "
                "queries, seed, count and `from_logits`. "
                f"Received: folder={str(folder)!r} with others{hint}"
            )
        if "from_logits" in plan:
            return str(print_of)
    write_arrays(path, {"fingerprint": print_of, "inside": inside, "from_logits": logits})
    return str(print_of)


def _name(query):
    """Return what tells a query from others, the same in every process."""
    if isinstance(query, Shifted):
        return repr(query)
    # The `repr` of a function differs from one process to the next.
    return getattr(query, "__qualname__", type(query).__qualname__)


def _rows(target, hashes, labels, where):
    position = {key: row for row, key in enumerate(zip(hashes, labels.tolist(), strict=True))}
    keys = list(zip(target.hashes, target.labels.tolist(), strict=True))
    missing = sum(key not in position for key in keys)
    if missing:
        raise ValueError(
            f"Every example (pixels and label) must be one of {where}. "
            f"Received: {missing} of {len(keys)} that are not"
        )
    return np.array([position[key] for key in keys], dtype=int)
