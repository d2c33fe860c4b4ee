"""List the bundled weights, show the card of one, or pack a finished run into such weights.

Without a word, prints a line for each bundled model. NAME:TAG prints its card: data, recipe, seed,
commands, scores by class, calibration, licence, and what it must not be used for. `pack RUN` turns
a finished run of `fer train` into such weights: calibrated, half precision, with a card.
"""

import argparse
import json
from pathlib import Path

from fer_models.cli.running import UsageError, remark

EXAMPLE = """fer weights
fer weights ghostface:ferplus
fer weights pack runs/mine --tag mine --output weights"""

PACK = "pack"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `fer weights`.

    Args:
        parser: Parser of the subcommand.
    """
    add = parser.add_argument
    add("what", nargs="*", metavar="NAME:TAG | pack RUN", help="nothing: list all")
    add("--json", action="store_true", help="print cards as JSON")
    pack = parser.add_argument_group("of pack").add_argument
    pack("--tag", help="name of the weights, such as fer2013")
    pack("--epoch", choices=("best", "last"), help="which model of the run (default: last)")
    pack("--path", help="folder or archive of the data (default: the run's)")
    pack("--data-dir", help="where prepared data sets are kept")
    pack("--output", type=Path, help="folder to write into (default: the package's own)")


def run(args: argparse.Namespace) -> None:
    """List, show or pack.

    Args:
        args: The parsed arguments.
    """
    packing = args.what[:1] == [PACK]
    names = ("tag", "epoch", "path", "data_dir", "output")
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    if len(args.what) != 2 if packing else len(args.what) > 1:
        raise UsageError("give nothing, one NAME:TAG, or `pack RUN`")
    if packing:
        if "tag" not in given:
            raise UsageError("--tag must name the weights")
        _pack(args.what[1], given, args.json)
    elif given:
        raise UsageError(f"--{next(iter(given)).replace('_', '-')} is for `pack RUN` alone")
    elif args.what:
        _show(args.what[0], args.json)
    else:
        _list(args.json)


def _list(as_json):
    from fer_models.zoo import bundled

    cards = {name: known.card for name, known in bundled.all_weights().items()}
    if as_json:
        print(json.dumps(cards, indent=1, ensure_ascii=False))
        return
    for name, card in cards.items():
        height, width, channels = card["input_shape"]
        score = next(iter(card["scores"].values()))
        print(
            f"{name}: {card['bytes'] / 1e6:.1f} MB, faces of {height} x {width} x {channels}, "
            f"{len(card['class_names'])} classes, {score['accuracy']:.1%} of {score['faces']:,} "
            f"validation faces of {card['data']}; {card['licence'].partition('.')[0]}"
        )


def _show(source, as_json):
    from fer_models.zoo import bundled
    from fer_models.zoo.model_card import model_card

    known = bundled.all_weights()
    if source not in known:
        raise UsageError(f"there are no bundled weights {source!r}, only {', '.join(known)}")
    if as_json:
        print(json.dumps(known[source].card, indent=1, ensure_ascii=False))
    else:
        print(model_card(*bundled.split(source)))


def _pack(folder, options, as_json):
    from fer_models.training.packing import pack_weights

    packed = pack_weights(folder, **options)
    if as_json:
        print(json.dumps(packed.card, indent=1, ensure_ascii=False))
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
