"""Models and weights by name: the registry, bundled weights, cards, files, other formats."""
