"""The model card of bundled weights, for people to read."""

import json

from fer_data import arguments
from fer_models.zoo import bundled


@arguments.checked(name=arguments.text, tag=arguments.text)
def model_card(name: str, tag: str) -> str:
    """Return the model card of bundled weights as Markdown.

    Args:
        name: Name of the model.
        tag: Tag of the weights, such as `"fer2013"`.

    Returns:
        A string: data, recipe, seed, commands, scores, calibration, licence, and uses to avoid.

    Raises:
        ValueError: If the model or the tag is unknown.

    Example:

    >>> print(model_card("ghostface", "fer2013").splitlines()[0])
    ## `fer_models.ghostface(weights="fer2013")`

    Reference:
        Mitchell et al., "Model Cards for Model Reporting", FAT* 2019.
    """
    known = bundled.weights(name, tag)
    card = known.card
    recipe = card["recipe"]
    height, width, channels = known.input_shape
    options = ", ".join(f"{key}={value!r}" for key, value in known.options.items())
    faces = ", ".join(f"{number:,} {split}" for split, number in card["faces"].items())
    calibration = card["calibration"]
    rows = [
        f"| {subset} | {s['faces']:,} | {s['accuracy']:.2%} | {s['macro_f1']:.4f} | "
        f"{s['macro_recall']:.4f} | {s['loss']:.4f} |"
        for subset, s in known.scores.items()
    ]
    classes = [
        f"| {c['name']} | {c['precision']:.4f} | {c['recall']:.4f} | {c['f1']:.4f} | "
        f"{c['support']:,} |"
        for c in card["classes"]
    ]
    return "\n".join(
        [
            f'## `fer_models.{name}(weights="{tag}")`',
            "",
            f"- Input: {height}x{width}x{channels}, pixels of [0, 255]"
            + (f"; built with {options}." if options else "."),
            f"- Output: probabilities of {', '.join(known.class_names)}.",
            f"- File: `{known.file}`, {card['bytes']:,} bytes, "
            # Cards from before weights of 8 bits do not say it.
            f"{card.get('numbers', 'float16')}, SHA-256 `{known.sha256}`.",
            f"- Data: `{card['data']}`, {faces} faces; the {card['epoch']} epoch.",
            f"- Split: {card['split']}.",
            f"- Last training: {recipe['optimizer']}, learning rate {recipe['learning_rate']}, "
            f"{recipe['schedule']['kind']}, batch {recipe['batch_size']}, "
            f"{_epochs(card)}, {_targets(card)}, label smoothing {recipe['label_smoothing']}, "
            f"augmentation `{_augmentation(recipe)}`, {card['precision']}"
            # Cards from before the moving average do not mention it.
            + (f", moving average of the weights {recipe['ema']}" if recipe.get("ema") else "")
            + f"; seed {card['seed']}.",
            "- Trained with "
            + ", ".join(f"{k} {v}" for k, v in card["versions"].items())
            + f"; {card['hardware']}. Packed and measured {card['date']}.",
            "",
            "```",
            *card["commands"],
            "```",
            "",
            "One network, no test-time augmentation, on the validation faces:",
            "",
            "| faces | number | accuracy | macro F1 | macro recall | loss |",
            "|---|---:|---:|---:|---:|---:|",
            *rows,
            "",
            "| class | precision | recall | F1 | faces |",
            "|---|---:|---:|---:|---:|",
            *classes,
            "",
            f"Calibration: temperature {calibration['temperature']:.3f}, fitted on the validation "
            f"faces and part of the weights; expected calibration error "
            f"{calibration['error_before']:.4f} before, {calibration['error_cross_fitted']:.4f} "
            "after, cross-fitted.",
            "",
            *_sets(card),
            *_smiles(card),
            f"Licence: {card['licence']}",
            "",
            f"Not for: {card['not_for']}",
        ]
    )


def _sets(card):
    # Cards of before have no word of sets.
    fitted = card.get("prediction_sets")
    if fitted is None:
        return []
    lines = [
        f"Sets of classes that an answer leaves open, fitted on {fitted['examples']:,} faces "
        f"({fitted['faces']}) by `{fitted['command']}`, {fitted['date']}; scores cross-fitted, "
        "each half of the faces with the rule of the other:",
        "",
        "| coverage asked for | reached | 95 % interval | least of a class | classes in a set | "
        "sure (one class) | right where sure |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for rule in fitted["rules"]:
        found = rule["cross_fitted"]
        reached, single = found["coverage"], found["single_accuracy"]
        of_class = found["class_coverage"]
        least = min(of_class, key=lambda name: of_class[name]["value"])
        lines.append(
            f"| {100 * rule['coverage']:g}% | {reached['value']:.1%} | "
            f"{100 * reached['low']:.1f} to {100 * reached['high']:.1f} % | "
            f"{least} {of_class[least]['value']:.1%} | "
            f"{found['mean_size']:.2f} | {found['single']:.1%} | "
            f"{'-' if single is None else format(single['value'], '.1%')} |"
        )
    return [*lines, ""]


def _smiles(card):
    # Cards of before have no word of smiles.
    curve = card.get("smile_curve")
    if curve is None:
        return []
    happy, called = curve["all"]["happy"], curve["all"]["called"]
    places = (0, len(happy) // 2, len(happy) - 1)
    half = {"all": curve["all"]} | {
        f"{factor} {value}": found
        for factor, values in curve["by"].items()
        for value, found in values.items()
    }
    return [
        f"Smiles by degrees, on {curve['faces']:,} drawn faces of {curve['people']} people "
        f"(`{curve['command']}`, {curve['date']}). The strength of a smile is that of action unit "
        "12; brackets are 95 % intervals over the people:",
        "",
        "| strength of the smile | probability of happy, mean | called happy |",
        "|---:|---:|---:|",
        *(
            f"| {curve['levels'][place]:g} | {_point(happy[place])} | {_share(called[place])} |"
            for place in places
        ),
        "",
        "| faces | strength at which the mean reaches one half |",
        "|---|---:|",
        *(
            f"| {name} | {_point(found[end] for end in ('half', 'half_low', 'half_high'))} |"
            for name, found in half.items()
        ),
        "",
        f"![Probability of happy against the strength of the smile](images/{curve['picture']})",
        "",
        "The faces are drawn. They compare conditions with each other, and say nothing about how "
        "often the network is right on photos.",
        "",
    ]


def _point(point):
    # A curve that never reaches one half has no strength for it.
    value, low, high = ("never" if each is None else f"{each:.2f}" for each in point)
    return f"{value} ({low} to {high})"


def _share(point):
    value, low, high = (100 * each for each in point)
    return f"{value:.1f} % ({low:.1f} to {high:.1f} %)"


def _epochs(card):
    # Cards of before have the most epochs alone, of a training of one stage.
    epochs = f"{card.get('epochs') or card['recipe']['stages'][-1]['epochs']} epochs"
    # Cards of before have no word of passes.
    passes = card.get("passes", 1)
    return epochs if passes == 1 else f"{epochs} of {passes} passes over the faces"


def _targets(card):
    votes, answers = card["vote_share"] or 0, 0
    # Cards of before have no word of answers, nor of their share.
    if card.get("answers"):
        answers = card.get("answer_share") or 1
    if not votes and not answers and not card.get("teacher"):
        return f"labels {card['recipe']['labels']}"
    if answers == 1 or card.get("teacher"):
        return "targets the answers of teachers"
    parts = {"answers of teachers": answers}
    if votes or card["recipe"]["labels"] == "one_hot":
        parts["label"] = (1 - answers) * (1 - votes)
        parts["translated votes of FER+"] = (1 - answers) * votes
    else:
        parts["shares of the votes"] = 1 - answers
    words = [f"{share:g} {name}" for name, share in parts.items() if share]
    return f"targets of {', '.join(words[:-1])} and {words[-1]}"


def _augmentation(recipe):
    policy = recipe["augmentation"]
    return policy if isinstance(policy, str) else json.dumps(policy)
