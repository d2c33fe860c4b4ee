"""Write the cards of all bundled weights into the page that asks for them."""

from fer_models import model_card, registry

MARK = "<!-- the cards of all bundled weights -->"


def cards():
    """Return the model cards of all bundled weights as Markdown."""
    known = registry.MODELS | registry.CLIP_MODELS
    return "\n\n".join(
        model_card(name, tag) for name, entry in known.items() for tag in entry.weights
    )


def on_page_markdown(markdown, **_):
    """Called by MkDocs for each page."""
    return markdown.replace(MARK, cards()) if MARK in markdown else markdown
