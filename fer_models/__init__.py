"""Models for facial expression recognition, and what one does with them."""

from fer_models import evaluation, explain, registry
from fer_models.ghostface import ghostface

__all__ = ["evaluation", "explain", "ghostface", "registry"]
