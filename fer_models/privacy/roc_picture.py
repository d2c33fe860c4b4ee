"""Picture of the ROC curves: members found against false accusations."""

import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fer_data import arguments
from fer_data.files import save_figure

_COLOURS = (
    *("#2a6f97", "#d1495b", "#3a7d44", "#e09f3e", "#6a4c93", "#1b2a3a"),
    *("#00a6a6", "#9c6644", "#b56576", "#8d99a6"),
)


@arguments.checked(
    report=arguments.with_method("to_dict", "a `MembershipReport`"),
    path=arguments.path,
    attacks=arguments.sequence(arguments.text),
    title=arguments.text,
)
def plot_roc(
    report: Any,
    path: str | os.PathLike[str],
    attacks: Sequence[str] | None = None,
    title: str | None = None,
) -> Path:
    """Draw the ROC curve of each attack, both axes logarithmic.

    Attacks differ where few non-members are accused, which only logarithmic axes show. The diagonal
    is guessing. Attacks with the same curve share a line of the legend. The axes begin at half the
    smallest rate that the sets can show.

    Args:
        report: A `MembershipReport`.
        path: File to write; its ending (`.png`, `.svg`, `.pdf`) chooses the format.
        attacks: Names of the attacks to draw; `None` draws all.
        title: Heading; `None` gives the numbers of members and non-members.

    Returns:
        The path written, as a `pathlib.Path`.

    Raises:
        ValueError: If the ending of `path` is unknown or an attack is not in the report.

    Example:

    ```python
    plot_roc(report, "out/roc.png", attacks=("loss", "lira_online"))
    ```
    """
    # Imported here, and without pyplot, which needs a window system and has global state.
    from matplotlib.figure import Figure

    known = {attack.name: attack for attack in report.attacks}
    wanted = tuple(known) if attacks is None else tuple(attacks)
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        raise ValueError(f"`attacks` must name some of {tuple(known)}. Received: {wanted}")
    least = 0.5 / max(report.members, report.non_members)
    figure = Figure(figsize=(6.4, 5.4), layout="constrained")
    axes = figure.add_subplot(xscale="log", yscale="log")
    axes.plot([least, 1], [least, 1], color="#8d99a6", linestyle=":", label="guessing")
    # The strongest attack comes first in the legend.
    curves = sorted(
        _curves([known[name] for name in wanted]), key=lambda curve: -curve[0].auc.value
    )
    for place, curve in enumerate(curves):
        names = ", ".join(attack.name.replace("_", " ") for attack in curve)
        axes.plot(
            curve[0].fpr.clip(least),
            curve[0].tpr.clip(least),
            color=_COLOURS[place % len(_COLOURS)],
            linestyle=("-", "--", "-.")[place // len(_COLOURS) % 3],
            linewidth=1.6,
            drawstyle="steps-post",
            label=textwrap.fill(f"{names}: AUC {curve[0].auc.value:.3f}", 44),
        )
    axes.set_xlim(least, 1)
    axes.set_ylim(least, 1.05)
    axes.set_xlabel("false-positive rate (non-members called members)")
    axes.set_ylabel("true-positive rate (members found)")
    axes.set_title(
        title or f"{report.members:,} members, {report.non_members:,} non-members", fontsize=11
    )
    axes.grid(color="#e3e7eb", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(framealpha=0.9, edgecolor="none", fontsize=8, loc="lower right")
    return save_figure(figure, path)


def _curves(attacks):
    """Return lists of attacks that have one curve, which would hide each other."""
    found = {}
    for attack in attacks:
        found.setdefault((attack.fpr.tobytes(), attack.tpr.tobytes()), []).append(attack)
    return list(found.values())
