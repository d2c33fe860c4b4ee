"""Models for facial expression recognition, and what one does with them."""

import importlib
from typing import TYPE_CHECKING

from fer_models import evaluation, explain, recipes, registry
from fer_models.efficientface import efficientface
from fer_models.emotion_cnn import emotion_cnn
from fer_models.ensemble import ensemble
from fer_models.ghostface import ghostface
from fer_models.label_distribution import (
    LabelDistributionDistillation,
    LabelDistributionDistiller,
    LabelDistributionLoss,
    distiller,
    teacher_for,
)
from fer_models.micro_expression_3d import (
    dual_path_3dnet,
    ha_3dnet,
    ha_3dsenet,
    mer_3dcnn,
    micro_exp_stcnn,
    se_3dnet,
    triple_path_ha3dnet,
)
from fer_models.model_card import model_card
from fer_models.predictions import decode_predictions
from fer_models.resnet18 import resnet18
from fer_models.resnet50_cbam import resnet50_cbam
from fer_models.torch_import import load_torch_weights

__all__ = [
    "LabelDistributionDistillation",
    "LabelDistributionDistiller",
    "LabelDistributionLoss",
    "Recognizer",
    "audit",
    "decode_predictions",
    "distiller",
    "dual_path_3dnet",
    "efficientface",
    "emotion_cnn",
    "ensemble",
    "evaluation",
    "explain",
    "export",
    "ghostface",
    "ha_3dnet",
    "ha_3dsenet",
    "load_torch_weights",
    "mer_3dcnn",
    "micro_exp_stcnn",
    "model_card",
    "privacy",
    "recipes",
    "registry",
    "resnet18",
    "resnet50_cbam",
    "robustness",
    "se_3dnet",
    "spotting",
    "teacher_for",
    "triple_path_ha3dnet",
]

if TYPE_CHECKING:
    from fer_models import export, privacy, robustness, spotting
    from fer_models.auditing.audit import audit
    from fer_models.recognizer import Recognizer
else:

    def __getattr__(name):
        # Detectors and video need OpenCV, which a model by itself does not.
        if name == "Recognizer":
            from fer_models.recognizer import Recognizer

            return Recognizer
        # Everything that measures a model, which a model by itself does not need either.
        if name == "audit":
            from fer_models.auditing import audit

            return audit
        if name in ("export", "privacy", "robustness", "spotting"):
            return importlib.import_module(f"fer_models.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
