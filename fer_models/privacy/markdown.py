"""The tables of a membership report."""

from typing import Any

from fer_models.privacy.metrics import LEAST


def membership_tables(report: Any) -> str:
    """Return a `MembershipReport` as Markdown tables."""
    blocks = [_sets(report), _decisions(report), _strength(report)]
    if any(each.auc for attack in report.attacks for each in attack.classes):
        blocks.append(_classes(report))
    return "\n\n".join("\n".join(lines) for lines in blocks)


def _sets(report):
    return [
        "| set | pictures | accuracy | mean loss |",
        "|---|---:|---:|---:|",
        f"| members | {report.members:,} | {report.member_accuracy:.2%} | "
        f"{report.member_loss:.4f} |",
        f"| non-members | {report.non_members:,} | {report.non_member_accuracy:.2%} | "
        f"{report.non_member_loss:.4f} |",
        *([f"| population | {report.population:,} | | |"] if report.population else []),
        "",
        f"Train-test gap: {100 * report.gap:.2f} percentage points.",
    ]


def _decisions(report):
    lines = [
        "| attack | TP % | FP % | TN % | FN % | threshold |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for attack in report.attacks:
        shares = " | ".join(f"{share:.2f}" for share in attack.decision.percent.values())
        lines.append(f"| {_name(attack)} | {shares} | {attack.decision.chosen} |")
    return [
        *lines,
        "",
        "In % of all members and non-members. A threshold set beforehand knows nothing of the "
        "memberships; the best one was looked up with them, and bounds what an attacker can do.",
    ]


def _strength(report):
    lines = [
        "| attack | AUC | TPR at 1 % FPR | TPR at 0.1 % FPR | balanced accuracy | advantage |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for attack in report.attacks:
        rates = " | ".join(_percent(rate.tpr) for rate in attack.tpr_at)
        lines.append(
            f"| {_name(attack)} | {_figure(attack.auc)} | {rates} | "
            f"{attack.balanced_accuracy:.2%} | {attack.advantage:.4f} |"
        )
    level = f"{100 * report.confidence:g} %"
    notes = (
        f"In brackets {level} intervals: of the AUC by bootstrap (of a perfect attack Newcombe's), "
        "of the rates exact binomial. "
        "Balanced accuracy and advantage at the best threshold."
    )
    if report.non_members < 1000:
        notes += (
            f" With {report.non_members:,} non-members, at 0.1 % FPR not one may be accused: that "
            "column is the rate at no false positive."
        )
    return [*lines, "", notes]


def _classes(report):
    names = [_name(attack) for attack in report.attacks]
    lines = [
        f"| class | members | non-members | {' | '.join(names)} |",
        f"|---|---:|---:|{'---:|' * len(names)}",
    ]
    for rows in zip(*(attack.classes for attack in report.attacks), strict=True):
        cells = " | ".join("too few" if row.auc is None else _figure(row.auc) for row in rows)
        name = rows[0].name.replace("|", "\\|")
        lines.append(f"| {name} | {rows[0].members:,} | {rows[0].non_members:,} | {cells} |")
    few = f"too few means fewer than {LEAST} members or non-members."
    return [*lines, "", f"AUC among the examples of each class; {few}"]


def _name(attack):
    name = attack.name.replace("_", " ").replace("|", "\\|")
    return name if attack.engine == "fer_models" else f"{name} ({attack.engine})"


def _figure(interval):
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def _percent(interval):
    low, high = (f"{100 * end:.2f}" for end in (interval.low, interval.high))
    return f"{100 * interval.value:.2f} % [{low}, {high}]"
