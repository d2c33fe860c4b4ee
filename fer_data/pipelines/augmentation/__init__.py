"""Augmentation: the policy as data, and its executions in TensorFlow, by keras-cv and in NumPy."""

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
    "ENGINES",
    "FILLS",
    "OPERATIONS",
    "PRESETS",
    "Augmentation",
    "MixUp",
    "RandAug",
    "policy",
]
