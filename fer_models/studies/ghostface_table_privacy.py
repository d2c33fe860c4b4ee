"""Repeat GhostFace's privacy table as the paper made it: trained on the whole training set.

Eight rows: one or two noise layers, by four augmentations that are alternatives here: none, basic,
RandAugment, MixUp, each of every image. A network is trained on all training faces; 2,000 of them
are the members, 2,000 test faces the non-members. The population attack judges them by a threshold
for the loss, which it takes from further test faces. The paper counts true and false positives. The
table adds what it lacks: the area under the ROC curve, members found at 1 % false positives,
several seeds, and how the gap between training and test goes together with the attack's success.

No face that is judged decides anything in the training. The plateau and the early stop watch other
test faces, which are not part of the population either: the whole training set is trained on.
"""

import argparse
import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_data.checks import check_integer, checked_rate
from fer_models.studies.ghostface_settings import FULL as SHARED
from fer_models.studies.ghostface_settings import QUICK as SHARED_QUICK
from fer_models.studies.ghostface_settings import GhostfaceSettings, add_ghostface_arguments
from fer_models.studies.outcome import PICTURE, Outcome, about_run, heading
from fer_models.studies.paper_table import Column, PaperTable, Row, draw
from fer_models.studies.study_options import add_defaulted, settled

if TYPE_CHECKING:
    import numpy as np

    from fer_models.studies.planned_runs import PlannedRun
    from fer_models.studies.study_splits import StudySplits

NAME = "ghostface-table-5.2"
AUGMENTATIONS = ("none", "basic", "randaug", "mixup")
ROWS = tuple(f"{noise}-{augmentation}" for noise in (1, 2) for augmentation in AUGMENTATIONS)
ATTACK: dict[str, Any] = {"members": 2000, "population": 500, "tolerated_fpr": 0.1, "seed": 1}
FULL = {**SHARED, **ATTACK}
QUICK_SETTINGS = {**SHARED_QUICK, "train": 240}
# Sixty drawn faces hold two or more of all seven classes, but for one draw in a hundred.
QUICK = {**QUICK_SETTINGS, "members": 30, "population": 60}
SIGNALS, SCATTER = "signals.npz", "correlation.png"
PARTS = ("members", "non_members", "population")
# A threshold at the tolerated rate needs so many losses on its lower side.
LEAST_BELOW = 2
COLUMNS = (
    Column("tp", "TP, %", digits=1),
    Column("fp", "FP, %", digits=1),
    Column("tn", "TN, %", digits=1),
    Column("fn", "FN, %", digits=1),
)
OWN_COLUMNS = (
    Column("member_accuracy", "members right, %", scale=100, digits=1),
    Column("non_member_accuracy", "non-members right, %", scale=100, digits=1),
    Column("gap", "gap, points", scale=100, digits=1),
    Column("advantage", "advantage of the population attack", digits=3),
    Column("auc", "AUC of the loss", digits=3),
    Column("tpr", "members found at 1 % FPR, %", scale=100, digits=1),
)


def describe() -> str:
    """Return what the study finds out, in one line."""
    return "membership inference against GhostFace, trained on the whole training set (Table 5.2)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the study's own options.

    Args:
        parser: Parser of the study.
    """
    add_ghostface_arguments(parser)
    add = add_defaulted(parser, FULL)
    add("--members", type=int, help="training faces to judge, and as many test faces")
    add("--population", type=int, help="further test faces, for the attack's threshold")
    add("--tolerated-fpr", type=float, help="share of false positives that the attack tolerates")
    add("--seed", type=int, help="seed of the draw of members, non-members and population")


def run(args: argparse.Namespace) -> Outcome:
    """Run the study of a command line.

    Args:
        args: The parsed arguments.
    """
    chosen = settled(args, FULL, QUICK)
    return run_privacy_table(
        GhostfaceSettings.from_args(args, quick=QUICK_SETTINGS),
        args.output,
        **{name: chosen[name] for name in ATTACK},
        data_dir=args.data_dir,
        command=getattr(args, "command_line", None),
    )


def run_privacy_table(
    settings: GhostfaceSettings,
    output: str | os.PathLike[str],
    *,
    members: int = ATTACK["members"],
    population: int = ATTACK["population"],
    tolerated_fpr: float = ATTACK["tolerated_fpr"],
    seed: int = ATTACK["seed"],
    faces: "StudySplits | None" = None,
    data_dir: str | os.PathLike[str] | None = None,
    command: str | None = None,
    progress: bool = True,
) -> Outcome:
    """Train what is not trained yet, attack it, and write the table.

    Args:
        settings: The settings.
        output: Folder for everything that is written. A study that was stopped goes on there.
        members: Training faces that the attacks judge, and as many test faces, the non-members.
        population: Further test faces, from which the population attack takes its threshold.
        tolerated_fpr: Share of false positives that it tolerates.
        seed: Of the choice of faces.
        faces: Faces in memory, in place of a data set; None to load what the settings name.
        data_dir: Where prepared data sets are kept. Default: tensorflow-datasets' own folder.
        command: The command line, for the report.
        progress: Whether to show a bar.

    Returns:
        `Outcome`.

    Raises:
        ValueError: If the data set has too few faces for the sets of the attack, which is checked
            before anything is trained, or the folder holds another study.

    Example:

    ```python
    settings = GhostfaceSettings(size=48, width=0.5, epochs=20)
    print(run_privacy_table(settings, "runs/table-5.2").text)
    ```

    Reference:
        Tang and Kok, "GhostFace: Model Pengecaman Ekspresi Muka Ringan dan Teguh", 2022; Ye et al.,
        "Enhanced Membership Inference Attacks against Machine Learning Models", CCS 2022.
    """
    from fer_models.studies.ghostface_trainings import finish_study, load_faces_for

    check_integer("members", members, 2)
    check_integer("seed", seed, 0)
    checked_rate("tolerated_fpr", tolerated_fpr)
    check_integer("population", population, int(-(-LEAST_BELOW // tolerated_fpr)))
    output = Path(output)
    judged: dict[str, np.ndarray] = {}

    def load():
        whole = faces or load_faces_for(settings, choosing=False, data_dir=data_dir)
        divided, places = divide(whole, members, population, seed)
        judged.update(places)
        return divided

    record, divided, results = finish_study(
        settings,
        {
            "study": NAME,
            **settings.compared(),
            "members": members,
            "population": population,
            "seed": seed,
        },
        ROWS,
        load,
        functools.partial(train_one, judged),
        output,
        progress=progress,
    )
    about = about_run(record.record, command) | {
        "seeds": settings.seeds,
        "tolerated_fpr": tolerated_fpr,
    }
    outcome = write_privacy_table(settings, divided, judged, results, about, output)
    record.finish()
    return outcome


def divide(
    faces: "StudySplits", members: int, population: int, seed: int
) -> "tuple[StudySplits, dict[str, np.ndarray]]":
    """Divide the test faces into non-members, population and those that the training watches.

    A test face that is a copy of a training face, mirrored or not, is left out, since it was
    trained on.

    Args:
        faces: What `load_splits(choosing=False)` gives.
        members: Number of members, and of non-members.
        population: Faces of the population.
        seed: Of the choice.

    Returns:
        The faces with a part `"validation"` of the test faces that are left; and the places of
        `"members"` in the part `"train"`, of `"non_members"` and `"population"` in `"test"`.

    Raises:
        ValueError: If there are too few faces, or the population has too few of a class.
    """
    import numpy as np

    from fer_models.privacy import different_pictures
    from fer_models.studies.population_classes import check_classes
    from fer_models.studies.study_splits import StudySplits

    train, test = faces.parts["train"], faces.parts["test"]
    every = different_pictures(np.concatenate([train.images, test.images]))
    own, free = every[every < len(train)], every[every >= len(train)] - len(train)
    needed = members + population + 1
    if len(own) < members or len(free) < needed:
        raise ValueError(
            f"The attack needs {members:,} different training faces, and {needed:,} or more "
            f"different test faces: {members:,} non-members, {population:,} for the population and "
            "the rest for the training to watch. Take fewer `members` or a smaller `population`. "
            f"Received: {len(own):,} training and {len(free):,} test faces"
        )
    draw_from = np.random.default_rng([seed, 0])
    order = draw_from.permutation(free)
    judged = {
        "members": np.sort(draw_from.permutation(own)[:members]),
        "non_members": np.sort(order[:members]),
        "population": np.sort(order[members : members + population]),
    }
    check_classes(
        faces.names,
        np.concatenate([train.labels[judged["members"]], test.labels[judged["non_members"]]]),
        test.labels[judged["population"]],
    )
    watched = np.sort(order[members + population :])
    copies = len(test) - len(free)
    remarks = (
        *faces.remarks,
        f"{members:,} members of {len(train):,} training faces; {members:,} non-members, a "
        f"population of {population:,} and {len(watched):,} faces that the plateau and the early "
        f"stop watch, of {len(test):,} test faces without {copies:,} copies.",
    )
    parts = {**faces.parts, "validation": test.some(watched)}
    return StudySplits(parts, faces.names, remarks), judged


def augmentation_of(row: str) -> Any:
    """Return the augmentation of a row, which changes every image.

    Args:
        row: A name of `ROWS`.
    """
    from fer_data.pipelines.augmentation import PRESETS, Augmentation, MixUp, RandAug

    return {
        "none": PRESETS["none"],
        "basic": PRESETS["basic"],
        "randaug": Augmentation(rand_aug=RandAug(operations=(1, 3))),
        "mixup": Augmentation(mixup=MixUp(fraction=1.0)),
    }[row.split("-")[1]]


def train_one(
    judged: "Mapping[str, np.ndarray]",
    settings: GhostfaceSettings,
    trainings: Any,
    run: "PlannedRun",
    on_epoch: Callable[[], Any] | None = None,
) -> dict[str, Any]:
    """Train one network, and keep its answers for the faces that are judged.

    Args:
        judged: What `divide` gives.
        settings: The settings.
        trainings: `Trainings` on the faces.
        run: Which one.
        on_epoch: Function that is called after every epoch.
    """
    import numpy as np

    from fer_models import privacy
    from fer_models.studies.ghostface_trainings import recipe_for

    faces = trainings.faces
    name = "ghostface_noise2" if run.row.startswith("2") else "ghostface"
    recipe = recipe_for(settings, name, faces.image_shape, augmentation_of(run.row))
    renewed, history = trainings.fit(recipe, run.folder, seed=run.seed, on_epoch=on_epoch)
    train, test = faces.parts["train"], faces.parts["test"]
    sets = (train.some(judged["members"]), *(test.some(judged[name]) for name in PARTS[1:]))
    found = privacy.signals(
        renewed.model,
        np.concatenate([part.images for part in sets]),
        np.concatenate([part.labels for part in sets]),
        batch_size=min(250, len(sets[0])),
        progress=False,
    )
    found.save(run.folder / SIGNALS)
    return {
        "recipe": recipe.to_dict(),
        "epochs": len(history),
        "training_accuracy": [row["accuracy"] for row in history],
    }


def write_privacy_table(
    settings: GhostfaceSettings,
    faces: "StudySplits",
    judged: "Mapping[str, np.ndarray]",
    results: "Mapping[PlannedRun, Mapping[str, Any]]",
    about: Mapping[str, Any],
    output: Path,
) -> Outcome:
    """Attack every network, and write the tables and the pictures.

    Args:
        settings: The settings.
        faces: The faces.
        judged: What `divide` gives.
        results: The result of every training.
        about: What was run, with `tolerated_fpr`, for the head of the report.
        output: Folder of the study.
    """
    from fer_models import privacy
    from fer_models.studies.privacy_study_attacks import PLAIN, score
    from fer_models.studies.privacy_study_report import MAIN, PAPER, correlation, effects, plot

    ends = [len(judged["members"])]
    ends.append(ends[0] + len(judged["non_members"]))
    scored = []
    for run in results:
        found = privacy.Signals.load(run.folder / SIGNALS)
        sets = (found[: ends[0]], found[ends[0] : ends[1]], found[ends[1] :])
        attacks = list(
            privacy.run_attacks(*sets, attacks=PLAIN, tolerated_fpr=about["tolerated_fpr"])
        )
        one = score(run.row, run.seed, attacks, sets)
        loss = next(each for each in attacks if each.name == "loss")
        at = privacy.rate_at(loss.member_scores, loss.non_member_scores, 0.01).tpr
        area = privacy.auc_interval(loss.member_scores, loss.non_member_scores)
        one["attacks"]["loss"] |= {
            "tpr_interval": [at.low, at.high],
            "auc_interval": [area.low, area.high],
        }
        scored.append(one)
    of_row = {row: [one for one in scored if one["row"] == row] for row in ROWS}
    counted, added = [], []
    for row, own in of_row.items():
        main = [one["attacks"][MAIN] for one in own]
        published = dict(zip(("tp", "fp", "tn", "fn"), PAPER[row], strict=True))
        ours = {name: [each[name] for each in main] for name in published}
        counted.append(Row(_said(row), settings.stated(published), ours))
        values = {
            name: [one[name] for one in own]
            for name in ("member_accuracy", "non_member_accuracy", "gap")
        }
        values["advantage"] = [each["advantage"] for each in main]
        values["auc"] = [one["attacks"]["loss"]["auc"] for one in own]
        values["tpr"] = [one["attacks"]["loss"]["tpr_at_1_percent"] for one in own]
        added.append(Row(_said(row), {}, values))
    differs = [*settings.differences(), *faces.remarks, *_differences()]
    tables = [
        PaperTable(
            "Members and non-members by the population attack, in % of all judged",
            COLUMNS,
            counted,
            differs,
        ),
        PaperTable("What the paper does not give", OWN_COLUMNS, added),
    ]
    together = {name: correlation(scored, name) for name in (MAIN, "loss")}
    content = {
        **about,
        "tables": [table.to_dict() for table in tables],
        "runs": scored,
        "trainings": [{"row": r.row, "seed": r.seed, **one} for r, one in results.items()],
        "correlation": together,
        "effects": effects(scored),
    }
    text = "\n".join(
        [
            "# Membership inference against GhostFace (Table 5.2)",
            "",
            *heading(about),
            f"The population attack tolerates {100 * about['tolerated_fpr']:g} % false positives.",
            "",
            *(table.markdown() for table in tables),
            "### Every network, with its own intervals",
            "",
            *_networks(scored),
            "",
            "### The gap and the attack",
            "",
            *_correlations(together),
            "",
            *_effects(content["effects"]),
            "",
            f"![Counts beside the paper's, and what it does not give]({PICTURE})",
            f"![Advantage of the attack against the gap]({SCATTER})",
            "",
        ]
    )
    draw(tables, output / PICTURE)
    plot(content, output / SCATTER)
    outcome = Outcome(content, text, output)
    outcome.write()
    return outcome


def _said(row):
    noise, augmentation = row.split("-")
    return f"{noise} noise layer{'s' if noise == '2' else ''}, {augmentation}"


def _differences():
    return [
        "The paper does not say where it takes the attack's population from, nor what the early "
        "stop watches: test faces here that are not judged.",
        '"100 % of the images augmented" is read as: every image is turned and shifted ("basic"), '
        "gets one to three operations (RandAugment) or is mixed (MixUp).",
        "The network of the last epoch is attacked, as the training ends; the paper does not say "
        "which.",
    ]


def _networks(scored):
    lines = [
        "The loss as the attack. 95 % intervals over the faces that are judged: bootstrap for the "
        "area under the ROC curve, Clopper and Pearson for the members found.",
        "",
        "| network | AUC | members found at 1 % false positives, % |",
        "|---|---|---|",
    ]
    for one in scored:
        loss = one["attacks"]["loss"]
        low, high = loss["auc_interval"]
        least, most = (100 * value for value in loss["tpr_interval"])
        name = f"{_said(one['row'])}, seed {one['seed']}"
        lines.append(
            f"| {name} | {loss['auc']:.3f} [{low:.3f}, {high:.3f}] "
            f"| {100 * loss['tpr_at_1_percent']:.1f} [{least:.1f}, {most:.1f}] |"
        )
    return lines


def _correlations(together):
    lines = [
        "Pearson's correlation of the gap (accuracy on members minus on non-members) with the "
        "advantage of an attack, with Fisher's 95 % interval. Trainings of one seed share their "
        "faces, and all are judged on the same others, so the intervals are somewhat too narrow.",
        "",
        "| attack | over all trainings | over augmented ones | over the means of the rows |",
        "|---|---|---|---|",
    ]
    for name, found in together.items():
        cells = [
            "too few"
            if found[over] is None
            else "{value:.2f} ({low:.2f} to {high:.2f})".format(**found[over])
            for over in ("runs", "augmented", "rows")
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _effects(found):
    lines = [
        "What noise and augmentation change, between networks of one seed; mean over the seeds "
        "with Student's 95 % interval.",
        "",
        "| | gap, points | advantage of the population attack | AUC of the loss |",
        "|---|---|---|---|",
    ]
    for name, change in found.items():
        cells = [
            _change(change["gap"], 100, 1),
            _change(change["advantage"], 1, 3),
            _change(change["loss_auc"], 1, 3),
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _change(found, scale, digits):
    half = found["half_width"]
    spread = "" if half is None else f" ± {scale * half:.{digits}f}"
    return f"{scale * found['mean']:+.{digits}f}{spread}"
