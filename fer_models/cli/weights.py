"""List the bundled weights, show the card of one, pack a finished run into such weights.

Without an argument, this prints a line for each bundled model. NAME:TAG prints its card: data,
recipe, seed, commands, scores by class, calibration, licence, and what it must not be used for.
`pack RUN` turns a finished run of `fer train` into such weights: calibrated, small, with a card.
`sets NAME:TAG` fits again which classes an answer leaves open, on the validation faces of its data.
"""

import argparse
import json
from pathlib import Path

from fer_models.cli.running import UsageError, remark

EXAMPLE = """fer weights
fer weights ghostface:ferplus
fer weights pack runs/mine --tag mine --output weights
fer weights sets ghostface:fer2013 --path FOLDER"""

PACK, SETS = "pack", "sets"
# What each takes beside its word, and which options.
TAKES = {
    PACK: ("tag", "epoch", "numbers", "path", "data_dir", "output"),
    SETS: ("path", "data_dir"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `fer weights`.

    Args:
        parser: Parser of the subcommand.
    """
    add = parser.add_argument
    add(
        "what",
        nargs="*",
        metavar="NAME:TAG | pack RUN | sets NAME:TAG",
        help="without this: list all",
    )
    add("--json", action="store_true", help="print cards as JSON")
    add("--hub", action="store_true", help="print a card as README.md of the Hugging Face Hub")
    pack = parser.add_argument_group("of pack and, some of them, sets").add_argument
    pack("--tag", help="name of the weights, such as fer2013")
    pack("--epoch", choices=("best", "last"), help="which model of the run (default: last)")
    pack(
        "--numbers",
        choices=("float16", "int8"),
        help="half precision, or 8 bits in large kernels (default: float16)",
    )
    pack("--path", help="folder or archive of the data (default of pack: the run's)")
    pack("--data-dir", help="where prepared data sets are kept")
    pack("--output", type=Path, help="folder to write into (default: the package's own)")


def run(args: argparse.Namespace) -> None:
    """List, show or pack.

    Args:
        args: The parsed arguments.
    """
    word = args.what[0] if args.what[:1] and args.what[0] in TAKES else None
    given = {name: getattr(args, name) for name in TAKES[PACK] if getattr(args, name) is not None}
    if len(args.what) != 2 if word else len(args.what) > 1:
        raise UsageError("give nothing, one NAME:TAG, `pack RUN`, or `sets NAME:TAG`")
    for name in given:
        if name not in TAKES.get(word, ()):  # type: ignore[arg-type]
            of = [f"`{each}`" for each, options in TAKES.items() if name in options]
            raise UsageError(f"--{name.replace('_', '-')} is for {' and '.join(of)} alone")
    if args.hub and (args.json or word or not args.what):
        raise UsageError("--hub is for the card of one NAME:TAG, without --json")
    if word == PACK:
        if "tag" not in given:
            raise UsageError("--tag must name the weights")
        _pack(args.what[1], given, args.json)
    elif word == SETS:
        _fit_sets(args.what[1], given, args.json)
    elif args.what:
        _show(args.what[0], args.json, args.hub)
    else:
        _list(args.json)


def _list(as_json):
    from fer_models.zoo import bundled

    cards = {name: known.card for name, known in bundled.all_weights().items()}
    if as_json:
        print(json.dumps(cards, indent=1))
        return
    for name, card in cards.items():
        height, width, channels = card["input_shape"]
        score = next(iter(card["scores"].values()))
        terms = card["licence"].partition(".")[0]
        if descends := card.get("ancestry"):
            terms += f", but it descends from {', '.join(descends)}: read the terms on its card"
        print(
            f"{name}: {card['bytes'] / 1e6:.1f} MB, faces of {height} x {width} x {channels}, "
            f"{len(card['class_names'])} classes, {score['accuracy']:.1%} of {score['faces']:,} "
            f"validation faces of {card['data']}; {terms}"
        )


def _show(source, as_json, for_hub):
    from fer_models.zoo import bundled
    from fer_models.zoo.hub_card import hub_card
    from fer_models.zoo.model_card import model_card

    known, found = bundled.all_weights(), bundled.split(source)
    if ":".join(found) not in known:
        raise UsageError(f"there are no bundled weights {source!r}, only {', '.join(known)}")
    if as_json:
        print(json.dumps(known[":".join(found)].card, indent=1))
    else:
        print((hub_card if for_hub else model_card)(*found))


def _fit_sets(source, options, as_json):
    from fer_models.training.set_fitting import fit_bundled_sets

    if "path" not in options:
        raise UsageError("--path must name the data set of the weights")
    fitted = fit_bundled_sets(source, options.pop("path"), **options)
    if as_json:
        print(json.dumps(fitted, indent=1))
        return
    for rule in fitted["rules"]:
        found = rule["cross_fitted"]
        print(
            f"coverage {100 * rule['coverage']:g}%: {found['coverage']['value']:.1%} reached, "
            f"{found['mean_size']:.2f} classes in a set, {found['single']:.1%} of the answers sure"
        )


def _pack(folder, options, as_json):
    from fer_models.training.packing import pack_weights

    packed = pack_weights(folder, **options)
    if as_json:
        print(json.dumps(packed.card, indent=1))
    else:
        for name, score in packed.card["scores"].items():
            print(f"{name}: {score['accuracy']:.2%} of {score['faces']:,} validation faces")
        calibration = packed.card["calibration"]
        print(
            f"temperature {calibration['temperature']:.3f}, calibration error "
            f"{calibration['error_before']:.4f} before, "
            f"{calibration['error_cross_fitted']:.4f} after, cross-fitted"
        )
    remark(f"Wrote {packed.path} ({packed.card['bytes']:,} bytes) and its card beside it")
