"""Report of the study of exposed faces: attacks, changes, classes, faces, predictions."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fer_models.evaluation.intervals import binomial_interval
from fer_models.studies.exposed_faces_attacks import ATTACKS, MAIN, RATES
from fer_models.studies.exposed_faces_predictions import WRITTEN
from fer_models.studies.exposed_faces_settings import BARE, PLAIN, base
from fer_models.studies.outcome import PICTURE, heading

NAMES = {"loss": "loss", "lira_online": "LiRA", "rmia_online": "RMIA"}
SHEET = "exposed_faces.png"
SPREADS = {
    "never": "never found %",
    "by_half": "found by half or more %",
    "by_all": "found by all %",
}


def changes(treatments: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the differences of each treatment from its base, and of the plain from the bare one.

    Args:
        treatments: Content of the report for each treatment.

    Returns:
        By treatment, the treatment that it is compared with (`instead_of`), and for `accuracy` on
        non-members, `gap`, `auc` and `tpr` of the main attack the `mean` difference over the models
        and the `half_width` of Student's 95 % interval. Treatments whose base was not trained are
        left out.
    """
    found = {}
    for name, measured in treatments.items():
        other = BARE if name == PLAIN else base(name)
        if other != name and other in treatments:
            known, values = _values(treatments[other]), _values(measured)
            differences = {key: _paired(values[key] - known[key]) for key in values}
            found[name] = {"instead_of": other, **differences}
    return found


def _values(measured):
    inside, outside = (np.array(measured[f"{who}_accuracy"]) for who in ("member", "non_member"))
    attack = measured["attacks"][MAIN]
    return {
        "accuracy": outside,
        "gap": inside - outside,
        "auc": np.array(attack["auc"]),
        "tpr": np.array(attack["tpr"]),
    }


def _paired(differences):
    from scipy.stats import t

    count = len(differences)
    half = t.ppf(0.975, count - 1) * differences.std(ddof=1) / np.sqrt(count)
    return {"mean": float(differences.mean()), "half_width": float(half)}


def summary(content: Mapping[str, Any]) -> str:
    """Return the report as Markdown.

    Args:
        content: Content of `report.json`.
    """
    treatments = content["treatments"]
    lines = [
        "# Exposed faces",
        "",
        *heading(content),
        *_about(content),
        *_accuracies(treatments),
        *_attacks(treatments),
        *_changes(content["changes"]),
        *_classes(treatments),
        *_exposure(treatments),
        *_examples(content),
        *_predictions(content),
        f"![ROC curves, classes and faces by treatment]({PICTURE})",
        "",
    ]
    if content["sheet"]:
        lines += [f"![The most and the least exposed faces]({SHEET})", ""]
    return "\n".join(lines)


def _about(content):
    settings = content["settings"]
    size, models = settings["size"], content["models"]
    text = (
        f"Recipe {settings['recipe']} ({content['parameters']:,} parameters) at {size}x{size}, "
        f"{settings['epochs']} epochs at batch {settings['batch_size']}. Pools drawn: "
        f"{content['seeds']}, of {2 * settings['members']:,} faces each, and "
        f"{settings['population']:,} more for RMIA. Each of {models} models of a treatment is "
        f"trained on its own random half, {settings['members']:,} faces, and attacked with the "
        f"{models - 1} others as references. {content['different_faces']:,} different faces were "
        f"drawn from; {content['copies_left_out']:,} copies were left out. "
        f"{content['training_seconds'] / 60:,.0f} minutes of training and answers."
    )
    if content["start"]["options"]:
        given = ", ".join(f"{name}={value}" for name, value in content["start"]["options"].items())
        text += f" Pre-trained models begin with {given}."
    if content["left_out"]:
        text += f" Left out: {'; '.join(content['left_out'])}."
    return [text, ""]


def _accuracies(treatments):
    rows = {}
    for name, measured in treatments.items():
        inside, outside = (
            100 * np.array(measured[f"{who}_accuracy"]) for who in ("member", "non_member")
        )
        rows[name] = [_spread(values) for values in (inside, outside, inside - outside)]
    return [
        *_table(["members right %", "non-members right %", "gap, points"], rows),
        "",
        "Means over the models; ± is their standard deviation.",
        "",
    ]


def _attacks(treatments):
    heads = ["AUC", *(f"found % at {100 * rate:g} %" for rate in RATES)]
    lines = [
        "## What the attacks find",
        "",
        f"| treatment | attack | {' | '.join(heads)} | non-members accused at "
        f"{100 * RATES[-1]:g} % |",
        f"|---|---|{'---:|' * len(heads)}---:|",
    ]
    for name, measured in treatments.items():
        for attack in ATTACKS:
            own = measured["attacks"][attack]
            cells = [_spread(np.array(own["auc"]), 3)]
            cells += [_found(own["counts"][f"{rate:g}"]) for rate in RATES]
            last = own["counts"][f"{RATES[-1]:g}"]
            cells.append(f"{last['accused']:,} of {last['non_members']:,}")
            lines.append(f"| {name} | {NAMES[attack]} | {' | '.join(cells)} |")
    some = next(iter(treatments.values()))
    outside = some["attacks"][MAIN]["counts"][f"{RATES[-1]:g}"]["non_members"]
    each = outside / len(some["member_accuracy"])
    few = (
        f" Of the {each:,.0f} non-members of a model none may be accused at {100 * RATES[-1]:g} %."
        if each * RATES[-1] < 1
        else ""
    )
    return [
        *lines,
        "",
        "AUC: mean over the models ± their standard deviation. Found: share of the members, over "
        "all models, while at most so many of the non-members of each model are accused; guessing "
        f"finds {' and '.join(f'{100 * rate:g} %' for rate in RATES)}. In brackets the exact "
        "binomial 95 % interval. It counts every face once for each model, as if these were "
        f"different faces; the spread of the AUC shows how far models differ.{few}",
        "",
    ]


def _changes(found):
    if not found:
        return []
    lines = [
        "## What each treatment changes",
        "",
        "| treatment | instead of | non-members right, points | gap, points | AUC of LiRA | "
        f"found by LiRA at {100 * RATES[0]:g} %, points |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for name, each in found.items():
        cells = [each["instead_of"]]
        cells += [
            _change(each[key], factor, digits)
            for key, factor, digits in (
                ("accuracy", 100, 1),
                ("gap", 100, 1),
                ("auc", 1, 3),
                ("tpr", 100, 2),
            )
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [
        *lines,
        "",
        "Differences between models of one number, which share their faces, their first weights "
        "and the order of the faces; mean with Student's 95 % interval over the models. The models "
        "share one pool and are one another's references, so the interval is for these faces; "
        "`--seeds` draws other pools.",
        "",
    ]


def _classes(treatments):
    found = {name: own["attacks"][MAIN]["classes"] for name, own in treatments.items()}
    names = [each["name"].replace("|", "\\|") for each in next(iter(found.values()))]

    def table(cell):
        rows = {name: [cell(each) for each in own] for name, own in found.items()}
        return _table(names, rows)

    return [
        "## By class",
        "",
        f"Found by LiRA at {100 * RATES[0]:g} %, in % of the members of the class; all classes "
        "have one threshold:",
        "",
        *table(lambda each: _found(each["counts"])),
        "",
        "Non-members of the class that are accused by it, in %:",
        "",
        *table(lambda each: _share(each["counts"]["accused"], each["counts"]["non_members"])),
        "",
        "AUC of LiRA among the faces of the class, mean over the models:",
        "",
        *table(lambda each: f"{np.mean(each['auc']):.3f}" if each["auc"] else "-"),
        "",
    ]


def _exposure(treatments):
    found = {name: own["exposure"] for name, own in treatments.items()}
    some = next(iter(found.values()))
    spreads = {
        name: [
            f"{own['spread']['faces']:,}",
            *(_share(own["spread"][key], own["spread"]["faces"]) for key in SPREADS),
        ]
        for name, own in found.items()
    }
    lines = [
        "## Which faces",
        "",
        "The exposure of a face is the share of the models trained on it in which LiRA finds it at "
        f"{100 * some['rate']:g} % false positives.",
        "",
        *_table(["faces", *SPREADS.values()], spreads),
    ]
    for key, title in (
        ("by_entropy", "By the entropy of the votes on a face, in nats"),
        ("by_agreement", "By the share of the votes that its label has"),
    ):
        if key in some:
            heads = [f"{each['name']} ({each['faces']:,} faces)" for each in some[key]]
            rows = {
                name: [_found({**each, "members": each["trained"]}) for each in own[key]]
                for name, own in found.items()
            }
            lines += ["", f"{title}, mean exposure in %:", "", *_table(heads, rows)]
    return [*lines, ""]


def _examples(content):
    treatment, rows = content["examples"]["treatment"], content["examples"]["most"]
    voted = any(each["vote_entropy"] is not None for each in rows)
    lines = [
        f"The most exposed faces of the treatment {treatment}, by their number in the training "
        "split (from 0). `faces_TREATMENT.csv` has all faces.",
        "",
        f"| face | class | found by |{' vote entropy |' if voted else ''}",
        f"|---:|---|---:|{'---:|' if voted else ''}",
    ]
    for each in rows:
        cells = [str(each["face"]), each["class"], f"{each['found']} of {each['trained']}"]
        cells += ["" if each["vote_entropy"] is None else f"{each['vote_entropy']:.2f}"] * voted
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def _predictions(content):
    lines = [
        "## Predictions and outcomes",
        "",
        f"{WRITTEN} Judged on bare models and what was added to them where there are any, else on "
        "plain ones.",
        "",
        "| about | prediction | outcome | as predicted |",
        "|---|---|---|---|",
    ]
    for each in content["predictions"]:
        held = {None: "not measured", True: "yes", False: "no"}[each["held"]]
        lines.append(
            f"| {each['about']} | {each['prediction']} | {each['outcome'] or '-'} | {held} |"
        )
    return [*lines, ""]


def _table(heads, rows):
    """Return a Markdown table with a row for each treatment."""
    return [
        f"| treatment | {' | '.join(heads)} |",
        f"|---|{'---:|' * len(heads)}",
        *(f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()),
    ]


def _found(counts: Mapping[str, int]) -> str:
    if not counts["members"]:
        return "-"
    found = binomial_interval(counts["found"], counts["members"])
    return f"{100 * found.value:.2f} [{100 * found.low:.2f}, {100 * found.high:.2f}]"


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.2f}" if total else "-"


def _spread(values: Sequence[float] | np.ndarray, digits: int = 1) -> str:
    return f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=1):.{digits}f}"


def _change(found: Mapping[str, float], factor: float, digits: int) -> str:
    return f"{factor * found['mean']:+.{digits}f} ± {factor * found['half_width']:.{digits}f}"
