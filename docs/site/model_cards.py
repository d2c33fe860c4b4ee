"""Write the cards of all bundled weights into the page that asks for them."""

from fer_models.zoo import bundled
from fer_models.zoo.model_card import model_card

MARK = "<!-- the cards of all bundled weights -->"


def cards():
    """Return the model cards of all bundled weights as Markdown, with their pictures."""
    parts = []
    for source, known in bundled.all_weights().items():
        parts.append(model_card(*source.split(":")))
        # Weights that were packed anew have no curve before `fer reproduce smile-curve`.
        if "smile_curve" in known.card:
            picture = known.card["smile_curve"]["picture"]
            parts.append(f"![Probability of happy against the amount of smile](images/{picture})")
    return "\n\n".join(parts)


def on_page_markdown(markdown, **_):
    """Called by MkDocs for each page."""
    return markdown.replace(MARK, cards()) if MARK in markdown else markdown
