"""The result of an attack, as the report takes it."""

import dataclasses
import math

import numpy as np

from fer_data import arguments
from fer_data.checks import as_numbers


@arguments.checked_class(name=arguments.text, threshold=arguments.number(), engine=arguments.text)
@dataclasses.dataclass(frozen=True, eq=False)
class AttackResult:
    """Scores that one attack gave to members and non-members, whatever engine ran it.

    Attributes:
        name: Name of the attack.
        member_scores: Floats `(members,)`, higher for what looks more like a member.
        non_member_scores: Floats `(non_members,)`.
        threshold: Scores from here on are called members, set without knowledge of the memberships;
            `None` for an attack that sets none.
        engine: The package that ran the attack, `"fer_models"` or `"tensorflow_privacy"`.
        details: Plain values worth keeping, such as the tolerated rate or the number of models.
    """

    name: str
    member_scores: np.ndarray
    non_member_scores: np.ndarray
    threshold: float | None = None
    engine: str = "fer_models"
    details: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("member_scores", "non_member_scores"):
            scores = as_numbers(name, getattr(self, name))
            if scores.ndim != 1 or not len(scores) or np.isnan(scores).any():
                raise ValueError(
                    f"`{name}` must be a vector with a number for each example. Received: "
                    f"shape={scores.shape}, {int(np.isnan(scores).sum())} of them not a number"
                )
            object.__setattr__(self, name, scores)
        if self.threshold is not None and math.isnan(float(self.threshold)):
            raise ValueError(
                f"`threshold` must be a number or None. Received: threshold={self.threshold}"
            )
