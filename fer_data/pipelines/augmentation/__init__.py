"""Augmentation: the policy as data, and code that runs it in TensorFlow, keras-cv or NumPy."""

from fer_data.pipelines.augmentation.corruption_policy import CORRUPTION_KINDS, Corruptions
from fer_data.pipelines.augmentation.policies import (
    ENGINES,
    FILLS,
    OPERATIONS,
    PRESETS,
    Augmentation,
    MixUp,
    RandAug,
    policy,
)

__all__ = [
    "CORRUPTION_KINDS",
    "ENGINES",
    "FILLS",
    "OPERATIONS",
    "PRESETS",
    "Augmentation",
    "Corruptions",
    "MixUp",
    "RandAug",
    "policy",
]
