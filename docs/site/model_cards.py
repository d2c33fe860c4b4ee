"""Write the cards of all bundled weights into the page that asks for them."""

from fer_models.zoo import bundled
from fer_models.zoo.model_card import model_card

MARK = "<!-- the cards of all bundled weights -->"


def cards():
    """Return the model cards of all bundled weights as Markdown."""
    return "\n\n".join(model_card(*source.split(":")) for source in bundled.all_weights())


def on_page_markdown(markdown, **_):
    """Called by MkDocs for each page."""
    return markdown.replace(MARK, cards()) if MARK in markdown else markdown
