"""Exposure of faces: in how many of the models trained on a face the attack finds it."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from fer_data.files import write_table
from fer_data.pipelines import face_arrays
from fer_models.studies.exposed_faces_attacks import MAIN, Attacked, accuse
from fer_models.studies.exposed_faces_models import Faces
from fer_models.studies.exposed_faces_settings import is_treatment

# Vote entropy in nats: one voter in ten who differs makes 0.33, two halves 0.69.
ENTROPIES = {
    "all voters agree": (-1.0, 0.0),
    "entropy up to 0.5": (0.0, 0.5),
    "entropy from 0.5 to 1": (0.5, 1.0),
    "entropy above 1": (1.0, np.inf),
}
AGREEMENTS = {
    "more than two thirds of the votes for the label": (2 / 3, 1.0),
    "one third to two thirds": (1 / 3, 2 / 3),
    "less than a third": (-1.0, 1 / 3),
}
HEADER = (
    "seed",
    "face",
    "class",
    "models_trained_on_it",
    "found_by",
    "other_models",
    "wrongly_accused_by",
    "mean_score_where_trained",
    "vote_entropy",
    "share_of_votes_for_label",
)


@dataclasses.dataclass(frozen=True, eq=False)
class Exposure:
    """How often the main attack finds each face of a pool.

    Attributes:
        trained: Number of models that were trained on each face and judge it, integers `(faces,)`.
        found: Number of these in which the attack finds it.
        others: Number of models that were not trained on it and judge it.
        accused: Number of these in which it is a false positive.
        score: Mean score of the attack over the models that were trained on it; NaN without any.
    """

    trained: np.ndarray
    found: np.ndarray
    others: np.ndarray
    accused: np.ndarray
    score: np.ndarray

    @property
    def share(self) -> np.ndarray:
        """Exposure: share of the models trained on a face that give it away; NaN without any."""
        return np.where(self.trained > 0, self.found / np.maximum(self.trained, 1), np.nan)

    def order(self) -> np.ndarray:
        """Return the places of the faces that a model was trained on, the most exposed first."""
        known = np.flatnonzero(self.trained > 0)
        return known[np.lexsort((-self.score[known], -self.share[known]))]


def exposure_of(attacked: Attacked, rate: float) -> Exposure:
    """Return how often each face is found.

    Args:
        attacked: Result of `attack_all`.
        rate: Largest share of the non-members that may be accused.
    """
    called = accuse(attacked, MAIN, rate)
    trained = attacked.members.sum(axis=0)
    total = np.where(attacked.members, attacked.scores[MAIN], 0.0).sum(axis=0)
    return Exposure(
        trained=trained,
        found=(called & attacked.members).sum(axis=0),
        others=attacked.non_members.sum(axis=0),
        accused=(called & attacked.non_members).sum(axis=0),
        score=np.where(trained > 0, total / np.maximum(trained, 1), np.nan),
    )


def vote_entropy(votes: np.ndarray) -> np.ndarray:
    """Return the entropy of the votes for each face in nats; NaN without votes.

    Args:
        votes: Numbers of votes `(faces, columns)`; negative if unknown.

    Example:

    >>> vote_entropy(np.array([[10.0, 0.0], [5.0, 5.0], [-1.0, -1.0]])).round(3).tolist()
    [0.0, 0.693, nan]
    """
    votes = np.maximum(votes, 0.0)
    total = votes.sum(axis=1, keepdims=True)
    shares = votes / np.maximum(total, 1e-12)
    entropy = -(shares * np.log(np.maximum(shares, 1e-300))).sum(axis=1)
    return np.where(total[:, 0] > 0, entropy + 0.0, np.nan)


def vote_agreement(faces: Faces) -> np.ndarray:
    """Return the share of the votes for the label of each face; NaN without votes.

    Votes that are for none of the classes, such as contempt, do not count.

    Args:
        faces: Faces with votes.
    """
    arrays = {"label": faces.labels, "votes": faces.votes}
    shares = face_arrays.targets(arrays, len(faces.names), "soft")  # type: ignore[arg-type]
    own = shares[np.arange(len(faces.labels)), faces.labels]
    known = (np.asarray(faces.votes) > 0).any(axis=1)
    return np.where(known, own, np.nan)


def grouped(
    exposures: Sequence[Exposure],
    values: Sequence[np.ndarray],
    groups: Mapping[str, tuple[float, float]],
) -> list[dict]:
    """Return how often the faces of each group are found.

    Args:
        exposures: By seed.
        values: Value of each face by which it is grouped, by seed.
        groups: Name and interval of each group; intervals are open below and closed above.

    Returns:
        For each group its `name`, the number of `faces`, and the sums of `found` and `trained`.
    """
    found = []
    for name, (low, high) in groups.items():
        masks = [(own > low) & (own <= high) for own in values]
        pairs = list(zip(exposures, masks, strict=True))
        found.append(
            {
                "name": name,
                "faces": sum(int((mask & (each.trained > 0)).sum()) for each, mask in pairs),
                "found": sum(int(each.found[mask].sum()) for each, mask in pairs),
                "trained": sum(int(each.trained[mask].sum()) for each, mask in pairs),
            }
        )
    return found


def spread(exposures: Sequence[Exposure]) -> dict[str, int]:
    """Return how many faces are found in no model, in any, and in at least half of their models.

    Args:
        exposures: By seed.
    """
    shares = np.concatenate([each.share[each.trained > 0] for each in exposures])
    return {
        "faces": len(shares),
        "never": int((shares == 0).sum()),
        "by_half": int((shares >= 0.5).sum()),
        "by_all": int((shares == 1).sum()),
    }


def described(exposure: Exposure, faces: Faces, places: np.ndarray) -> list[dict]:
    """Return number, class and exposure of some faces, ready for JSON, without pictures.

    Args:
        exposure: Exposure of the pool.
        faces: The pool.
        places: Places of the faces in the pool.
    """
    entropy = None if faces.votes is None else vote_entropy(faces.votes)
    return [
        {
            "face": int(faces.places[place]),
            "class": faces.names[faces.labels[place]],
            "trained": int(exposure.trained[place]),
            "found": int(exposure.found[place]),
            "vote_entropy": None if entropy is None else _number(entropy[place]),
        }
        for place in places
    ]


def write_faces(path: Path, exposures: Sequence[Exposure], pools: Mapping[int, Faces]) -> Path:
    """Write the exposure of every face, the most exposed first, as CSV.

    Faces that no judged model was trained on come last in each seed, without a score.

    Args:
        path: The file.
        exposures: By seed.
        pools: The faces by number of the seed, in the same order.
    """
    rows = []
    for exposure, (seed, faces) in zip(exposures, pools.items(), strict=True):
        voted = faces.votes is not None
        entropy = vote_entropy(faces.votes) if faces.votes is not None else None
        agreement = vote_agreement(faces) if voted else None
        order = exposure.order()
        rest = np.setdiff1d(np.arange(len(faces.labels)), order)
        rows += [
            (
                seed,
                int(faces.places[place]),
                faces.names[faces.labels[place]],
                int(exposure.trained[place]),
                int(exposure.found[place]),
                int(exposure.others[place]),
                int(exposure.accused[place]),
                *(
                    "" if own is None or np.isnan(own[place]) else f"{own[place]:.4f}"
                    for own in (exposure.score, entropy, agreement)
                ),
            )
            for place in (*order, *rest)
        ]
    return write_table(path, HEADER, rows)


def remove_faces(folder: Path, treatments: Collection[str]) -> None:
    """Delete the files of earlier settings that `write_faces` wrote of other treatments.

    Args:
        folder: Folder of the study.
        treatments: Names of the treatments whose files stay.
    """
    for path in folder.glob("faces_*.csv"):
        treatment = path.stem.removeprefix("faces_")
        if treatment not in treatments and is_treatment(treatment):
            path.unlink()


def _number(value):
    return None if np.isnan(value) else round(float(value), 4)
