"""Augmentation: the policy as data, and its executions in TensorFlow and in NumPy."""

from fer_data.pipelines.augmentation.policies import (
    FILLS,
    OPERATIONS,
    PRESETS,
    Augmentation,
    MixUp,
    RandAug,
    policy,
)

__all__ = ["FILLS", "OPERATIONS", "PRESETS", "Augmentation", "MixUp", "RandAug", "policy"]
