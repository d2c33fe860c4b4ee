"""Predictions for FER2013, made before the study was run, and their outcomes."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from fer_models.studies.exposed_faces_attacks import MAIN, RATES
from fer_models.studies.exposed_faces_settings import BARE, PLAIN

WRITTEN = (
    "Written on 2026-11-29 for FER2013, before the study was run. Known by then: one plain model "
    "and one with erasing and MixUp, trained for 10 epochs to learn the cost, whose loss told "
    "members from others with an AUC of 0.52 and 0.51."
)
RATE = f"{RATES[0]:g}"
# What an outcome gives: words, and whether it is as predicted.
Outcome = tuple[str, bool]
# The bare models, or the plain ones where no bare ones were trained.
BASE = "base"


@dataclasses.dataclass(frozen=True)
class Prediction:
    """A prediction, and the function that judges it.

    Attributes:
        about: Its subject.
        words: Its text.
        needs: Names of the treatments that it needs: `BASE`, parts added to the base, or `"plain"`.
        judge: Function from the measurements of these treatments, by these names, to the outcome;
            it may return None if the data do not show one.
    """

    about: str
    words: str
    needs: tuple[str, ...]
    judge: Callable[[Mapping[str, Any]], Outcome | None]


def tpr(measured: Mapping[str, Any], attack: str = MAIN) -> float:
    """Return the share of members that an attack finds at the first rate, over all models.

    Args:
        measured: Content of the report for a treatment.
        attack: Name of the attack.
    """
    counts = measured["attacks"][attack]["counts"][RATE]
    return counts["found"] / counts["members"]


def _attacks(treatments):
    loss, lira, rmia = (
        tpr(treatments[BASE], name) for name in ("loss", "lira_online", "rmia_online")
    )
    words = f"loss {loss:.2%}, LiRA {lira:.2%}, RMIA {rmia:.2%}"
    return words, lira >= 2 * loss and 0.75 * lira <= rmia <= 1.25 * lira


def _changed(treatments):
    plain = tpr(treatments[BASE])
    found = {
        name: tpr(treatments[name]) / plain - 1 if plain else 0.0
        for name in ("erasing", "mixup", "erasing+mixup")
        if name in treatments
    }
    words = ", ".join(f"{name} {change:+.0%}" for name, change in found.items())
    return words, max(found.values()) < 0 and found["erasing+mixup"] <= -1 / 3


def _votes(treatments):
    plain, voted = treatments[BASE], treatments["votes"]
    change = tpr(voted) / tpr(plain) - 1 if tpr(plain) else 0.0
    means = [
        sum(each["non_member_accuracy"]) / len(each["non_member_accuracy"])
        for each in (plain, voted)
    ]
    gained = 100 * (means[1] - means[0])
    return f"found {change:+.0%}, accuracy on non-members {gained:+.1f} points", (
        change <= -0.2 and gained >= -1
    )


def _distilled(treatments):
    plain, student = tpr(treatments[BASE]), tpr(treatments["distilled"])
    return f"teacher {plain:.2%}, student {student:.2%}", plain / 2 <= student <= plain


def _augmented(treatments):
    bare, plain = tpr(treatments[BASE]), tpr(treatments[PLAIN])
    return f"bare {bare:.2%}, plain {plain:.2%}", plain <= bare / 3


def _pretrained(treatments):
    plain, other = tpr(treatments[BASE]), tpr(treatments["pretrained"])
    return f"from nothing {plain:.2%}, pre-trained {other:.2%}", other < plain


def _classes(treatments):
    found = treatments[BASE]["attacks"][MAIN]["classes"]
    shares = {
        each["name"]: each["counts"]["found"] / each["counts"]["members"]
        for each in found
        if each["counts"]["members"]
    }
    most, least = (choose(shares, key=lambda name: shares[name]) for choose in (max, min))
    words = f"most {most} ({shares[most]:.2%}), least {least} ({shares[least]:.2%})"
    return words, (most, least) == ("disgust", "happy")


def _entropy(treatments):
    groups = treatments[BASE]["exposure"].get("by_entropy")
    if not groups or not (groups[0]["trained"] and groups[-1]["trained"]):
        return None
    agreed, open_ = (groups[i]["found"] / groups[i]["trained"] for i in (0, -1))
    words = f"all voters agree {agreed:.2%}, entropy above 1 {open_:.2%}"
    return words, open_ >= 2 * agreed


def _few(treatments):
    spread = treatments[BASE]["exposure"]["spread"]
    share = spread["by_half"] / spread["faces"]
    return f"{spread['by_half']:,} of {spread['faces']:,} faces ({share:.2%})", share < 0.02


PREDICTIONS = (
    Prediction(
        "attacks",
        "At 1 % false positives LiRA finds at least twice as many members as the loss does, and "
        "RMIA as many as LiRA, to within a quarter.",
        (BASE,),
        _attacks,
    ),
    Prediction(
        "flips, shifts, zoom",
        "The recipe's own augmentation cuts what LiRA finds in bare models to a third or less.",
        (BARE, PLAIN),
        _augmented,
    ),
    Prediction(
        "erasing, MixUp",
        "What is trained of erasing, MixUp and both lowers what LiRA finds, both together by a "
        "third or more.",
        (BASE, "erasing+mixup"),
        _changed,
    ),
    Prediction(
        "votes",
        "Translated votes lower it by a fifth or more, and cost at most one point of accuracy on "
        "non-members.",
        (BASE, "votes"),
        _votes,
    ),
    Prediction(
        "distillation",
        "A student gives away less than its teacher of the same half, but at least half as much.",
        (BASE, "distilled"),
        _distilled,
    ),
    Prediction(
        "pre-training",
        "A start from weights of other faces lowers it.",
        (BASE, "pretrained"),
        _pretrained,
    ),
    Prediction(
        "classes",
        "Disgust, the rarest class, is found most often, and happy, the largest, least often.",
        (BASE,),
        _classes,
    ),
    Prediction(
        "votes on a face",
        "Faces with a vote entropy above 1 are found at least twice as often as those on which all "
        "voters agree.",
        (BASE,),
        _entropy,
    ),
    Prediction(
        "few faces",
        "Fewer than 2 % of the faces are found in half or more of the models that were trained on "
        "them.",
        (BASE,),
        _few,
    ),
)


def judged(treatments: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each prediction with its outcome, on bare models if these were trained.

    Args:
        treatments: Content of the report for each treatment.

    Returns:
        `about`, `prediction`, `outcome` (None if it was not measured) and `held`.
    """
    whole = BARE if BARE in treatments else PLAIN
    begin = f"{BARE}+" if whole == BARE else ""
    known = {
        name.removeprefix(begin): measured
        for name, measured in treatments.items()
        if name.startswith(begin)
    }
    known |= {name: treatments[name] for name in (BARE, PLAIN) if name in treatments}
    known |= {BASE: treatments[whole]} if whole in treatments else {}
    found = []
    for each in PREDICTIONS:
        measured = all(name in known for name in each.needs)
        outcome = each.judge(known) if measured else None
        found.append(
            {
                "about": each.about,
                "prediction": each.words,
                "outcome": outcome and outcome[0],
                "held": outcome and bool(outcome[1]),
            }
        )
    return found
