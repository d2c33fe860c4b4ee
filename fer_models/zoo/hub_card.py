"""The card of bundled weights in the form of the Hugging Face Hub."""

import json
from typing import Any

from fer_models.zoo import bundled
from fer_models.zoo.model_card import model_card

_TAGS = ("facial-expression-recognition", "emotion", "keras", "litert")


def hub_card(name: str, tag: str) -> str:
    """Return the model card of bundled weights as the README.md of a repository of the Hub.

    The front matter, YAML between two lines of `---`, holds what the Hub shows and searches:
    licence, library, task, data and scores. What follows is `fer_models.model_card`. The
    picture that it shows is in `docs/images` of our repository: upload it into the folder `images`.

    Args:
        name: Name of the model.
        tag: Tag of the weights, such as `"fer2013"`.

    Returns:
        Markdown with the front matter before it.

    Raises:
        ValueError: If the model or the tag is unknown.

    Example:

    >>> print(hub_card("ghostface", "fer2013")[:36])
    ---
    license: mit
    library_name: keras

    Reference:
        "Model Cards", documentation of the Hugging Face Hub.
    """
    known = bundled.weights(name, tag)
    words, _, _ = known.card["licence"].partition(" ")
    # The terms of the trunks that a network descends from go along, and are no licence of the Hub.
    plain = words in ("MIT", "Apache-2.0") and not known.card.get("ancestry")
    fields = {
        "license": words.lower() if plain else "other",
        "library_name": "keras",
        "pipeline_tag": "image-classification",
        "tags": [*_TAGS, name],
        "model-index": [_results(name, tag, known)],
    }
    body = model_card(name, tag).replace("## ", "# ", 1)
    return "\n".join(["---", *_yaml(fields), "---", "", body, ""])


def _results(name, tag, known):
    return {
        "name": f"{name}:{tag}",
        "results": [
            {
                "task": {"type": "image-classification"},
                "dataset": {
                    "name": f"{known.card['data']}, validation faces, {subset}",
                    "type": known.card["data"],
                },
                "metrics": [
                    {"type": "accuracy", "value": round(scores["accuracy"], 4)},
                    {"type": "f1", "name": "macro F1", "value": round(scores["macro_f1"], 4)},
                ],
            }
            for subset, scores in known.scores.items()
        ],
    }


def _yaml(value: Any, indent: int = 0) -> list[str]:
    """Return dictionaries and lists as lines of YAML; other values in JSON, which YAML reads."""
    space, lines = "  " * indent, []
    for key, item in value.items() if isinstance(value, dict) else ((None, each) for each in value):
        start = f"{space}-" if key is None else f"{space}{key}:"
        if not isinstance(item, (dict, list)):
            plain = isinstance(item, str) and item.replace("-", "").isalnum()
            lines.append(f"{start} {item if plain else json.dumps(item, ensure_ascii=False)}")
        elif key is None:
            first, *rest = _yaml(item, indent + 1)
            lines += [f"{start} {first.lstrip()}", *rest]
        else:
            lines += [start, *_yaml(item, indent + 1)]
    return lines
