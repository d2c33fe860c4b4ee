"""Section on how much a model betrays of the faces it was trained on."""

from collections.abc import Sequence

from fer_models import privacy
from fer_models.auditing.blocks import Bar, Figure, Section, Table, Text, drawn, percent
from fer_models.privacy.membership_audit import enough_of_each_class
from fer_models.privacy.metrics import LEAST
from fer_models.privacy.signals import Signals

# Other quantiles of the population order the faces as the loss does.
ATTACKS = ("loss", "entropy", "modified_entropy")
PER_CLASS = "population_per_class"
RATE = 0.1
# Differences of accuracy on members and others that call for a word.
GAP = 0.1


def membership(
    members: Signals,
    non_members: Signals,
    population: Signals | None,
    class_names: Sequence[str],
    seed: int,
) -> Section:
    """Return the section on membership inference.

    Args:
        members: `privacy.Signals` of training faces.
        non_members: Of other faces.
        population: Of further faces, or `None`.
        class_names: Names in class order.
        seed: Of the bootstrap.
    """
    attacks = ATTACKS
    if population is not None:
        large = enough_of_each_class(members, non_members, population, RATE)
        attacks = ("population", *((PER_CLASS,) if large else ()), *ATTACKS)
    report = privacy.audit_membership(
        members,
        non_members,
        population,
        attacks=attacks,
        tolerated_fpr=RATE,
        class_names=class_names,
        resamples=500,
        seed=seed,
    )
    strongest = max(report.attacks, key=lambda attack: attack.auc.value)
    one = strongest.tpr_at[0]
    rows = [
        (
            attack.name.replace("_", " "),
            Bar(attack.auc.value, f"{attack.auc.value:.3f}"),
            f"{attack.auc.low:.3f} to {attack.auc.high:.3f}",
            percent(attack.tpr_at[0].tpr.value),
            percent(attack.tpr_at[1].tpr.value, 2),
            percent(attack.advantage),
        )
        for attack in report.attacks
    ]
    blocks = [
        Text(
            f"The model is right on {percent(report.member_accuracy)} of {report.members:,} faces "
            f"it was trained on (members) and on {percent(report.non_member_accuracy)} of "
            f"{report.non_members:,} others (non-members). Each attack tries to tell the two apart "
            "by what the model answers; an area (AUC) of 0.5 is guessing, 1 is certainty."
        ),
        Table(
            (
                "attack",
                "AUC",
                "95 % interval",
                "found at 1 % false alarms",
                "at 0.1 %",
                "advantage",
            ),
            tuple(rows),
            "Attacks. The advantage is the true- minus the false-positive rate at the threshold "
            "that suits these faces best; chance alone puts it a little above 0.",
        ),
        drawn(
            lambda path: privacy.plot_roc(report, path),
            "ROC curves of the attacks with logarithmic axes.",
            "ROC curves, both axes logarithmic: at the left is what an attacker who must not err "
            "can find.",
        ),
    ]
    set_before = [attack for attack in report.attacks if attack.decision.chosen == "beforehand"]
    if set_before:
        blocks.append(
            Table(
                (
                    "attack",
                    "true positives",
                    "false positives",
                    "true negatives",
                    "false negatives",
                ),
                tuple(
                    (
                        attack.name.replace("_", " "),
                        *(f"{attack.decision.percent[n]:.2f} %" for n in ("tp", "fp", "tn", "fn")),
                    )
                    for attack in set_before
                ),
                "Decisions with a threshold set beforehand from the population, at "
                f"{percent(report.tolerated_fpr, 0)} tolerated false positives, in percent of all.",
            )
        )
    blocks.append(
        Table(
            ("class", "members", "non-members", "AUC", "95 % interval"),
            tuple(
                (
                    each.name,
                    f"{each.members:,}",
                    f"{each.non_members:,}",
                    Bar(each.auc.value, f"{each.auc.value:.3f}") if each.auc else Bar(None, "-"),
                    f"{each.auc.low:.3f} to {each.auc.high:.3f}" if each.auc else "too few",
                )
                for each in strongest.classes
            ),
            f"The strongest attack, {strongest.name.replace('_', ' ')}, by class; too few means "
            f"fewer than {LEAST} members or non-members.",
        )
    )
    return Section(
        key="membership",
        title="Membership",
        blocks=tuple(blocks),
        how="Attacks of fer_models.privacy on the model's answers to the faces as they are, one "
        "query each. AUC intervals are bootstrapped (500 draws; of a perfect attack Newcombe's), "
        "those of rates exact. "
        + (
            f"The population attacks take their thresholds from {report.population:,} further "
            "faces. "
            + (
                ""
                if PER_CLASS in attacks
                else f"Of some class these are fewer than {1 / RATE:.0f}, so that thresholds for "
                "each class were left out. "
            )
            if report.population
            else "Without a population set the population attacks were left out. "
        )
        + "LiRA and RMIA, which train reference models and find more, are not part of this audit "
        "(fer_models.privacy.train_references).",
        warnings=_warnings(report, strongest),
        figures=(
            Figure(
                "membership AUC",
                f"{strongest.auc.value:.3f}",
                f"{percent(one.tpr.value)} found at 1 % false alarms",
            ),
        ),
        data=report.to_dict(),
    )


def _warnings(report, strongest):
    warnings = []
    interval = f"{strongest.auc.low:.3f} to {strongest.auc.high:.3f}"
    name = strongest.name.replace("_", " ")
    if strongest.auc.low > 0.5:
        warnings.append(
            f"The model betrays membership: the attack {name} tells members from others with an "
            f"AUC of {strongest.auc.value:.3f} ({interval})."
        )
    if abs(report.gap) > GAP:
        warnings.append(
            f"Accuracy on members and non-members differs by {100 * report.gap:.1f} points."
            + (" Are these the faces it was trained on?" if report.gap < 0 else "")
        )
    if report.non_members < 1000:
        warnings.append(
            f"With {report.non_members:,} non-members a false-positive rate of 0.1 % is no whole "
            "face: that column says whether any member scores above all of them."
        )
    return tuple(warnings)
