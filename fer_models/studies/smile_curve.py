"""The strength of a smile that a network needs to say happy, on faces drawn by degrees.

The renderer draws some people at every strength of a smile (action unit 12, from 0 to 1), with the
mouth closed and open, cheeks still and raised, without and with a beard, three tones of skin, two
lights. The probability of happy by every weights file is the psychometric curve, with intervals
that come from drawing the people again (bootstrap). What is drawn is no photo: the curves compare
weights and conditions with each other, and say nothing of a share of people.

The answers of each weights file are kept: the same command goes on after an interruption. The
folder gets report.md, report.json, and a picture of each weights file. With --write-cards the
curves go into the cards of the bundled weights.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_models.studies.outcome import Outcome, about_run, heading
from fer_models.studies.study_options import add_defaulted, settled

if TYPE_CHECKING:
    import numpy as np

DATA = ("synthetic",)
FULL: dict[str, Any] = {
    "seeds": 1,
    "people": 16,
    "levels": 11,
    "size": 96,
    "resamples": 2000,
    "weights": None,
}
QUICK = {"people": 2, "levels": 3, "size": 48, "resamples": 100}
HAPPY = "happy"
# Faces that are asked about at once.
TOGETHER = 256
TAIL = 0.025


def describe() -> str:
    """Return what the study finds out, in one line."""
    return "how much of a smile a network needs to say happy, on drawn faces"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the study's own options.

    Args:
        parser: Parser of the study.
    """
    add = add_defaulted(parser, FULL)
    add("--people", type=int, help="people of each seed")
    add("--levels", type=int, help="strengths of the smile, from 0 to 1 in equal steps")
    add("--size", type=int, help="side of the drawn pictures in pixels")
    add("--resamples", type=int, help="draws of the bootstrap")
    parser.add_argument(
        "--weights",
        nargs="+",
        metavar="NAME:TAG|FILE",
        help="bundled weights or .keras files (default: all bundled ones)",
    )
    parser.add_argument(
        "--write-cards",
        action="store_true",
        help="put the curves into the cards of the bundled weights",
    )


def run(args: argparse.Namespace) -> Outcome:
    """Run the study of a command line.

    Args:
        args: The parsed arguments.
    """
    settings = settled(args, FULL, QUICK)
    if args.write_cards and args.quick:
        raise ValueError("--write-cards is for a whole study, whose numbers mean something.")
    return run_smile_curve(
        args.output,
        **settings,
        write_cards=args.write_cards,
        command=getattr(args, "command_line", None),
    )


def run_smile_curve(
    output: str | os.PathLike[str],
    *,
    seeds: int = FULL["seeds"],
    people: int = FULL["people"],
    levels: int = FULL["levels"],
    size: int = FULL["size"],
    resamples: int = FULL["resamples"],
    weights: Sequence[str] | None = None,
    write_cards: bool = False,
    command: str | None = None,
    progress: bool = True,
) -> Outcome:
    """Draw the faces, ask every weights file, and write the curves.

    Args:
        output: Folder for everything that is written.
        seeds: How many worlds the people are from.
        people: People of each world, 2 or more in all.
        levels: Strengths of the smile, from 0 to 1 in equal steps, 2 or more.
        size: Side of the drawn pictures in pixels.
        resamples: Draws of the bootstrap.
        weights: Bundled weights or paths of `.keras` files; None for all bundled ones.
        write_cards: Whether to put the curves into the cards of bundled weights.
        command: The command line, for the report.
        progress: Whether to show a bar.

    Returns:
        `Outcome`.

    Raises:
        ValueError: If an argument breaks its rule, weights have no class happy, or the folder
            holds another study.

    Example:

    ```python
    print(run_smile_curve("runs/smile-curve", people=4, levels=5).text)
    ```
    """
    import numpy as np

    from fer_data.checks import check_integer
    from fer_data.files import read_arrays, write_arrays
    from fer_data.synthetic.smiling_faces import FACTORS
    from fer_models.studies.smile_curve_picture import plot_smile_curves
    from fer_models.training.runs import Run
    from fer_models.zoo import bundled

    check_integer("seeds", seeds, 1)
    check_integer("people", people, 1 if seeds > 1 else 2)
    check_integer("levels", levels, 2)
    check_integer("resamples", resamples, 1)
    output = Path(output)
    sources = list(bundled.all_weights()) if weights is None else list(dict.fromkeys(weights))
    networks = {source: _network(source) for source in sources}
    settings = {"seeds": seeds, "people": people, "levels": levels, "size": size}
    record = Run(output, settings, {"factors": {name: list(v) for name, v in FACTORS.items()}})
    record.open()
    record.begin(packages=("cv2",))
    strengths = np.linspace(0, 1, levels).round(6)
    missing = {s: n for s, n in networks.items() if not _answers_file(output, s).is_file()}
    if missing:
        for source, said in _ask(missing, seeds, people, strengths, size, progress).items():
            write_arrays(_answers_file(output, source), said)
    about = about_run(record.record, command)
    names = ("smile", "person", *FACTORS, "happy", "called", "sha256")
    curves, pictures = {}, {}
    for source in sources:
        said = read_arrays(_answers_file(output, source), names)
        if str(said["sha256"]) != _digest(source):
            raise ValueError(
                f"The folder holds the answers of other weights {source!r}: give another --output. "
                f"Received: {output}"
            )
        curves[source] = smile_curves(said, strengths, resamples)
        pictures[source] = f"smile_curve_{_plain(source)}.png"
        plot_smile_curves(curves[source], output / pictures[source], source)
    content = {"about": about, "curves": curves, "pictures": pictures}
    outcome = Outcome(content, report_text(curves, pictures, about), output)
    outcome.write()
    if write_cards:
        for source in sources:
            _write_card(source, curves[source], pictures[source], about)
    record.finish()
    return outcome


def smile_curves(
    said: "Mapping[str, np.ndarray]", levels: "np.ndarray", resamples: int, seed: int = 0
) -> dict[str, Any]:
    """Return the psychometric curve of all faces, and of those of each value of each factor.

    Args:
        said: Arrays `(faces,)`: `happy`, the probability; `called`, whether happy is the likeliest
            class; `smile`, `person`, and the value of each factor by its name.
        levels: The strengths of the smile, in rising order.
        resamples: Draws of the bootstrap, each of as many people as there are.
        seed: Of these draws.

    Returns:
        Dictionary with `levels`, the numbers of `faces` and `people`, `all`, and `by`: for each
        factor and value. A curve is a dictionary: `happy` and `called`, each a list of
        `[value, low, high]` by level, with 95 % intervals, and `half`, the strength of the smile
        at which the probability first reaches 0.5, or None where it never does; `half_low` and
        `half_high` likewise.
    """
    import numpy as np

    from fer_data.synthetic.smiling_faces import FACTORS

    everyone = np.full(len(said["happy"]), True)

    def curve(some):
        return _curve(said, some, levels, resamples, seed)

    return {
        "levels": levels.tolist(),
        "faces": len(everyone),
        "people": len(np.unique(said["person"])),
        "all": curve(everyone),
        "by": {
            factor: {value: curve(said[factor] == value) for value in values}
            for factor, values in FACTORS.items()
        },
    }


def report_text(
    curves: Mapping[str, Any], pictures: Mapping[str, str], about: Mapping[str, Any]
) -> str:
    """Return the curves as Markdown.

    Args:
        curves: What `smile_curves` gives, by weights.
        pictures: Name of the picture of each.
        about: What `about_run` gives.
    """
    lines = ["# Smiles by degrees", "", *heading(about)]
    for source, found in curves.items():
        lines += [
            f"## {source}",
            "",
            f"{found['faces']:,} drawn faces of {found['people']} people. Probability of happy by "
            "strength of the smile, with 95 % intervals over the people, and the strength at which "
            "it reaches one half:",
            "",
            *curve_table(found),
            "",
            f"![Probability of happy against the amount of smile]({pictures[source]})",
            "",
        ]
    return "\n".join(lines).rstrip() + "\n"


def curve_table(found: Mapping[str, Any]) -> list[str]:
    """Return curves as the lines of a Markdown table, at some of the strengths.

    Args:
        found: What `smile_curves` gives.
    """
    levels = found["levels"]
    step = max(1, (len(levels) - 1) // 4)
    places = sorted({*range(0, len(levels), step), len(levels) - 1})
    rows = {"all": found["all"]}
    for factor, values in found["by"].items():
        rows |= {f"{factor}: {value}": curve for value, curve in values.items()}
    lines = [
        "| faces | " + " | ".join(f"{levels[i]:g}" for i in places) + " | one half at | called "
        "happy at 1 |",
        "|---" + "|---:" * (len(places) + 2) + "|",
    ]
    for name, curve in rows.items():
        cells = [_between(curve["happy"][i]) for i in places]
        half = _half(curve)
        lines.append(f"| {name} | {' | '.join(cells)} | {half} | {_between(curve['called'][-1])} |")
    return lines


def _between(point):
    value, low, high = point
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


def _half(curve):
    def strength(value):
        return "never" if value is None else f"{value:.2f}"

    ends = strength(curve["half_low"]), strength(curve["half_high"])
    return f"{strength(curve['half'])} ({ends[0]} to {ends[1]})"


def _curve(said, some, levels, resamples, seed):
    import numpy as np

    people = np.unique(said["person"])
    table = {}
    for name in ("happy", "called"):
        means = np.zeros((len(people), len(levels)))
        for row, person in enumerate(people):
            own = some & (said["person"] == person)
            for column, level in enumerate(levels):
                means[row, column] = said[name][own & (said["smile"] == level)].mean()
        table[name] = means
    draws = np.random.default_rng(seed).integers(len(people), size=(resamples, len(people)))
    found = {}
    for name, means in table.items():
        again = means[draws].mean(axis=1)
        low, high = np.quantile(again, (TAIL, 1 - TAIL), axis=0)
        found[name] = np.stack([means.mean(axis=0), low, high], 1).round(4).tolist()
    reached = sorted(_reaches(row, levels) for row in table["happy"][draws].mean(axis=1))
    ends = [reached[int(share * (resamples - 1))] for share in (TAIL, 1 - TAIL)]
    halves = [_reaches(table["happy"].mean(axis=0), levels), *ends]
    # Infinite where it never does.
    plain = [round(float(half), 4) if np.isfinite(half) else None for half in halves]
    return {**found, **dict(zip(("half", "half_low", "half_high"), plain, strict=True))}


def _reaches(curve, levels, share=0.5):
    """Return the strength at which a curve first reaches a share; infinity where it never does."""
    import numpy as np

    above = np.flatnonzero(curve >= share)
    if not len(above):
        return np.inf
    place = above[0]
    if place == 0:
        return levels[0]
    before, after = curve[place - 1], curve[place]
    part = (share - before) / (after - before)
    return levels[place - 1] + part * (levels[place] - levels[place - 1])


def _ask(networks, seeds, people, levels, size, progress):
    """Return the answers of networks, as `smile_curves` takes them, by their names."""
    import itertools

    import numpy as np
    from tqdm import tqdm

    from fer_data.faces.cut import cut_face
    from fer_data.synthetic.drawn_faces import FRAMING
    from fer_data.synthetic.smiling_faces import FACTORS, graded_smiles
    from fer_models.recognizer.classifier import Classifier

    asked = {source: Classifier(network, TOGETHER, False) for source, network in networks.items()}
    found = {source: {"happy": [], "called": []} for source in networks}
    known = {name: [] for name in ("smile", "person", *FACTORS)}
    mixes = int(np.prod([len(values) for values in FACTORS.values()]))
    with tqdm(
        total=seeds * people * mixes * len(levels), unit="face", disable=None if progress else True
    ) as bar:
        for seed in range(seeds):
            faces = graded_smiles(people, levels, seed, size=size)
            while together := list(itertools.islice(faces, TOGETHER)):
                for face in together:
                    known["smile"].append(face.smile)
                    known["person"].append(seed * people + face.person)
                    for name, value in face.factors.items():
                        known[name].append(value)
                for source, classify in asked.items():
                    network = networks[source]
                    place = network.class_names.index(HAPPY)
                    cuts = [
                        cut_face(f.image, f.box, network.size, network.channels, framing=FRAMING)
                        for f in together
                    ]
                    values = classify(np.stack(cuts))
                    found[source]["happy"].append(values[:, place])
                    found[source]["called"].append(values.argmax(1) == place)
                bar.update(len(together))
    shared = {name: np.array(values) for name, values in known.items()}
    return {
        source: {
            **shared,
            **{name: np.concatenate(values) for name, values in answers.items()},
            "sha256": np.array(_digest(source)),
        }
        for source, answers in found.items()
    }


def _network(source):
    """Return the network of weights, which has the class happy."""
    from fer_models.runtime.ready_networks import ready_network
    from fer_models.zoo import bundled

    network = ready_network(source, bundled.DEFAULT_MODEL)
    if network is None:
        from fer_models.recognizer.keras_network import keras_network
        from fer_models.zoo.loading import load_model

        network = keras_network(*load_model(source))
    if network.class_names is None or HAPPY not in network.class_names:
        raise ValueError(
            f"`weights` must have a class {HAPPY!r}. Received: {source!r} with the classes "
            f"{network.class_names}"
        )
    return network


def _digest(source):
    """Return the SHA-256 of the weights file that a source names."""
    from fer_models.training.runs import sha256_of
    from fer_models.zoo import bundled

    found = bundled.located(source)
    return bundled.weights(*found).sha256 if isinstance(found, tuple) else sha256_of(found)[0]


def _plain(source):
    """Return a name for the files of a source, which no other source has."""
    from fer_models.zoo import bundled

    found = bundled.located(source)
    if isinstance(found, tuple):
        return "_".join(found)
    # The root is no name, and would lead out of the folder of the study.
    last = [part for part in found.with_suffix("").parts if part != found.anchor][-2:]
    # Two files may have the same last names.
    return "_".join([*last, _digest(source)[:8]])


def _answers_file(output, source):
    return output / "answers" / f"{_plain(source)}.npz"


def _write_card(source, found, picture, about):
    """Put a curve into the card of bundled weights; files of one's own have none."""
    from fer_data.files import write_json
    from fer_models.zoo import bundled

    place = bundled.located(source)
    if not isinstance(place, tuple):
        return
    curve = {
        "command": about.get("command"),
        "date": about["date"],
        "picture": picture,
        **{name: found[name] for name in ("levels", "faces", "people", "all")},
        "by": {
            factor: {
                value: {name: curve[name] for name in ("half", "half_low", "half_high")}
                for value, curve in values.items()
            }
            for factor, values in found["by"].items()
        },
    }
    card = bundled.weights(*place).card
    write_json(bundled.FOLDER / f"{'_'.join(place)}.json", card | {"smile_curve": curve})
