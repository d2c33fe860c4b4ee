"""Train a network for micro-expressions and score it on people it has never seen.

    python examples/train_micro_expressions.py
    python examples/train_micro_expressions.py --dataset casme2 --path FOLDER --output runs/casme2
    python examples/train_micro_expressions.py --dataset composite --path CASME2 SMIC SAMM
    python examples/train_micro_expressions.py --dataset casme2 --path FOLDER --ablation
    python examples/train_micro_expressions.py --dataset casme2 --path FOLDER --grid --allow-leaks

Leave one subject out is the default: every person is the test once, the predictions of all folds
are pooled, then scored. The last epoch is scored, or with --select validation the one of the least
loss on other people of the training part: people that are tested choose nothing. The random splits
of Irawan (2025), 80-10-10 and 70-15-15, leak and must be let through with --allow-leaks; with
--by-subject the same proportions divide people; there the validation part chooses the epoch.

The output folder holds report.md, report.json, confusion.png and training.json, and under folds/
what each fold predicted; with --grid and --ablation a folder of these for every row of a table. A
stopped training goes on from its last whole epoch when the same command is given again.
"""

import json
import os
import shlex
import shutil
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from fer_data import files

sys.path.insert(0, str(Path(__file__).parent))
import train_micro_expressions_data as clip_data
import train_micro_expressions_folds as folds
import train_micro_expressions_options as options
import train_micro_expressions_report as reports

# Name, what it adds, augmentation, class weights, hybrid attention.
ABLATION = (
    ("10_preprocessing", "image preprocessing alone", False, False, False),
    ("11_augmentation", "with augmentation", True, False, False),
    ("12_balancing", "with class balancing", False, True, False),
    ("13_both", "with both, without hybrid attention", True, True, False),
    ("14_everything", "everything", True, True, True),
)
RECORD = "training.json"
# The clips themselves are compared, wherever they lie.
NOT_SETTINGS = ("output", "data_dir", "path", "listed", "keep_models", "restart")


def scenarios_of(args):
    """Return what is trained: name, words for it, protocol and `Recipe` of every scenario."""
    if args.ablation:
        plain = tuple(kind for kind in options.attention_of(args) if kind not in options.HYBRID)
        return [
            (
                name,
                words,
                args.protocol,
                recipe_of(
                    args,
                    args.batch_size[0],
                    args.epochs[0],
                    augmented,
                    weighed,
                    {} if attention else {"attention": plain or False},
                ),
            )
            for name, words, augmented, weighed, attention in ABLATION
        ]
    protocols = [args.protocol] if args.protocol else list(clip_data.PROPORTIONS)
    found = []
    for protocol in protocols:
        for batch_size in args.batch_size:
            for epochs in args.epochs:
                words = f"{protocol}, batch {batch_size}, {epochs} epochs"
                name = f"{protocol}_batch{batch_size}_epochs{epochs}" if args.grid else ""
                recipe = recipe_of(args, batch_size, epochs, args.augmentation, args.class_weights)
                found.append((name, words, protocol, recipe))
    return found


def recipe_of(args, batch_size, epochs, augmented, weighed, changed=()):
    known = {"frames": args.frames, **args.model_options, **dict(changed)}
    return options.RECIPE.replace(
        model=args.model,
        model_options=known,
        input_shape=(args.size, args.size, args.channels),
        batch_size=batch_size,
        epochs=epochs,
        learning_rate=args.learning_rate,
        augmentation=options.RECIPE.augmentation if augmented else "none",
        class_weights=weighed,
    )


def selection(args, protocol):
    """Return which epoch of a protocol's folds is scored."""
    return args.select or ("validation" if protocol in clip_data.PROPORTIONS else "last")


def claim(args, digest):
    """Note the settings in the output folder, or raise `ValueError` where it holds others."""
    output = Path(args.output)
    path = output / RECORD
    own = {name: value for name, value in vars(args).items() if name not in NOT_SETTINGS}
    own = json.loads(json.dumps(own | {"clips_hash": digest}))
    if args.restart and path.exists():
        shutil.rmtree(output)
    if path.exists():
        held = json.loads(path.read_text())
        changed = [
            f"{name} was {held.get(name)}, now {own[name]}"
            for name in own
            if held.get(name) != own[name]
        ]
        if changed:
            raise ValueError(
                f"{output} holds a training with other settings ({'; '.join(changed)}). To go on: "
                "give the settings it was begun with, choose another --output, or add --restart "
                "to delete it and begin anew"
            )
    elif output.exists() and any(output.iterdir()):
        raise ValueError(f"{output} is not empty and holds no training: choose another --output")
    files.write_text(path, json.dumps(own, indent=1))
    return own


def run(args, command):
    from tqdm import tqdm

    data = clip_data.load(args)
    scenarios = scenarios_of(args)
    divided = {
        protocol: clip_data.divide(args, data.clips, protocol, selection(args, protocol))
        for protocol in dict.fromkeys(protocol for _, _, protocol, _ in scenarios)
    }
    for _, _, protocol, recipe in scenarios:
        recipe.build(classes=len(data.names))  # A bad setting shows here, before anything trains.
        clip_data.check_classes(divided[protocol], data.clips, data.names, recipe.class_weights)
    settings = claim(args, data.digest())
    output = Path(args.output)
    if data.facts.get("differences"):
        print("Not as in MEGC 2019: " + "; ".join(data.facts["differences"]))
    works = [
        (scenario, number, division, output / scenario[0] / "folds" / f"{number:03d}")
        for scenario in scenarios
        for number, division in enumerate(divided[scenario[2]])
    ]
    done = sum(folds.epochs_done(w[3], w[0][3].epochs, args.keep_models) for w in works)
    results, trainer, trained = {scenario[0]: [] for scenario in scenarios}, None, None
    total = sum(scenario[3].epochs for scenario, *_ in works)
    with tqdm(total=total, initial=done, desc="epochs", unit="") as progress:
        for scenario, number, division, folder in works:
            name, _, protocol, recipe = scenario
            progress.set_postfix_str(" ".join(filter(None, (name, division.held_out))))
            if folds.is_done(folder, args.keep_models):
                results[name].append(folds.result_of(folder))
                continue
            if trained is not scenario:
                keras.utils.clear_session()
                trainer, trained = folds.Trainer(recipe, len(data.names), not args.raw), scenario
            results[name].append(
                folds.train(
                    trainer,
                    data,
                    division,
                    folder,
                    seed=folds.seed_of(args.seed, number),
                    select=selection(args, protocol),
                    keep_model=args.keep_models,
                    tick=progress.update,
                )
            )
    record = reports.record_of(command, settings, data)
    rows = []
    for scenario in scenarios:
        name, words, protocol, recipe = scenario
        divisions = divided[protocol]
        sizes = [clip_data.part_sizes(division, data.clips) for division in divisions]
        about = {
            "scenario": words,
            "protocol": divisions[0].protocol if protocol != "composite" else "MEGC 2019 composite",
            "select": selection(args, protocol),
            "warning": clip_data.warning_of(divisions),
            "recipe": recipe.to_dict(),
            "parts": sizes,
        }
        rows.append(reports.write(record | about, results[name], data.names, output / name))
    text = rows[0][1]
    if len(scenarios) > 1:
        text = reports.overview(record, rows, "ablation" if args.ablation else "grid", output)
    print(text)
    print(f"Reports, pictures and predictions are in {output.resolve()}.")


def main(argv=None):
    words = sys.argv[1:] if argv is None else argv
    args = options.parse(words, __doc__.split("\n\n")[0])
    try:
        run(args, shlex.join(["python", "examples/train_micro_expressions.py", *words]))
    except KeyboardInterrupt:
        print("\nStopped: the same command goes on from here.")
        return 130
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
