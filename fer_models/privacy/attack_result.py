"""What an attack hands to the report."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class AttackResult:
    """Scores that one attack gave to members and non-members, whatever engine ran it.

    Attributes:
        name: Name of the attack.
        member_scores: Floats `(members,)`, higher for what looks more like a member.
        non_member_scores: Floats `(non_members,)`.
        threshold: Scores from here on are called members, set without a look at the memberships;
            `None` for an attack that sets none.
        engine: What ran the attack, `"fer_models"` or `"tensorflow_privacy"`.
        details: Plain values worth keeping, such as the tolerated rate or the number of models.
    """

    name: str
    member_scores: np.ndarray
    non_member_scores: np.ndarray
    threshold: float | None = None
    engine: str = "fer_models"
    details: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        for name in ("member_scores", "non_member_scores"):
            scores = np.asarray(getattr(self, name), dtype="float64")
            if scores.ndim != 1 or not len(scores) or np.isnan(scores).any():
                raise ValueError(
                    f"`{name}` must be a vector of numbers, one an example. Received: "
                    f"shape={scores.shape}, {int(np.isnan(scores).sum())} of them not a number"
                )
            object.__setattr__(self, name, scores)
        if self.threshold is not None and np.isnan(self.threshold):
            raise ValueError(
                f"`threshold` must be a number or None. Received: threshold={self.threshold}"
            )
