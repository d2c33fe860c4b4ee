"""Weights and what is known of them: the registry, bundled tags, cards, files, other formats."""
