"""How much a model betrays of the pictures it was trained on: signals, attacks, report."""

from fer_models.privacy.queries import augmentation_queries
from fer_models.privacy.results import AttackResult
from fer_models.privacy.signals import Signals, content_hashes, signals

__all__ = [
    "AttackResult",
    "Signals",
    "augmentation_queries",
    "content_hashes",
    "signals",
]
