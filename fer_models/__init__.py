"""Models for facial expression recognition, and their use."""

import importlib
from typing import TYPE_CHECKING, Any

__all__ = [
    "ConcordanceCorrelation",
    "ConcordanceLoss",
    "FaceSettings",
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
    "joint_losses",
    "load_model",
    "load_torch_weights",
    "mer_3dcnn",
    "micro_exp_stcnn",
    "model_card",
    "pretrained_classifier",
    "privacy",
    "recipes",
    "registry",
    "resnet18",
    "resnet50_cbam",
    "robustness",
    "se_3dnet",
    "spotting",
    "teacher_for",
    "train_faces",
    "training",
    "triple_path_ha3dnet",
    "web",
    "with_valence_arousal",
]

if TYPE_CHECKING:
    from fer_models import (
        evaluation,
        explain,
        export,
        privacy,
        robustness,
        spotting,
        training,
        web,
    )
    from fer_models.auditing.audit import audit
    from fer_models.families.affect_head import with_valence_arousal
    from fer_models.families.efficientface import efficientface
    from fer_models.families.emotion_cnn import emotion_cnn
    from fer_models.families.ghostface import ghostface
    from fer_models.families.micro_expression_3d import (
        dual_path_3dnet,
        ha_3dnet,
        ha_3dsenet,
        mer_3dcnn,
        micro_exp_stcnn,
        se_3dnet,
        triple_path_ha3dnet,
    )
    from fer_models.families.pretrained_classifier import pretrained_classifier
    from fer_models.families.resnet18 import resnet18
    from fer_models.families.resnet50_cbam import resnet50_cbam
    from fer_models.recognizer import Recognizer
    from fer_models.training import recipes
    from fer_models.training.concordance import ConcordanceCorrelation, ConcordanceLoss
    from fer_models.training.ensemble import ensemble
    from fer_models.training.face_settings import FaceSettings
    from fer_models.training.face_training import train_faces
    from fer_models.training.joint_losses import joint_losses
    from fer_models.training.label_distribution import (
        LabelDistributionDistillation,
        LabelDistributionDistiller,
        LabelDistributionLoss,
        distiller,
        teacher_for,
    )
    from fer_models.zoo import registry
    from fer_models.zoo.loading import load_model
    from fer_models.zoo.model_card import model_card
    from fer_models.zoo.predictions import decode_predictions
    from fer_models.zoo.torch_import import load_torch_weights

# Where each name lies. It is imported at its first use: the command `fer` answers `--help` without
# Keras, and a model by itself needs neither evaluation nor training.
_PACKAGES = (
    *("evaluation", "explain", "export", "privacy", "robustness", "spotting", "training", "web"),
)
_MODULES = {
    **{name: f"fer_models.{name}" for name in _PACKAGES},
    "recipes": "fer_models.training.recipes",
    "registry": "fer_models.zoo.registry",
}
_CLIPS = "fer_models.families.micro_expression_3d"
_DISTRIBUTIONS = "fer_models.training.label_distribution"
_NAMES = {
    "ConcordanceCorrelation": "fer_models.training.concordance",
    "ConcordanceLoss": "fer_models.training.concordance",
    "FaceSettings": "fer_models.training.face_settings",
    "LabelDistributionDistillation": _DISTRIBUTIONS,
    "LabelDistributionDistiller": _DISTRIBUTIONS,
    "LabelDistributionLoss": _DISTRIBUTIONS,
    "Recognizer": "fer_models.recognizer",
    "audit": "fer_models.auditing",
    "decode_predictions": "fer_models.zoo.predictions",
    "distiller": _DISTRIBUTIONS,
    "dual_path_3dnet": _CLIPS,
    "efficientface": "fer_models.families.efficientface",
    "emotion_cnn": "fer_models.families.emotion_cnn",
    "ensemble": "fer_models.training.ensemble",
    "ghostface": "fer_models.families.ghostface",
    "ha_3dnet": _CLIPS,
    "ha_3dsenet": _CLIPS,
    "joint_losses": "fer_models.training.joint_losses",
    "load_model": "fer_models.zoo.loading",
    "load_torch_weights": "fer_models.zoo.torch_import",
    "mer_3dcnn": _CLIPS,
    "micro_exp_stcnn": _CLIPS,
    "model_card": "fer_models.zoo.model_card",
    "pretrained_classifier": "fer_models.families.pretrained_classifier",
    "resnet18": "fer_models.families.resnet18",
    "resnet50_cbam": "fer_models.families.resnet50_cbam",
    "se_3dnet": _CLIPS,
    "teacher_for": _DISTRIBUTIONS,
    "train_faces": "fer_models.training.face_training",
    "triple_path_ha3dnet": _CLIPS,
    "with_valence_arousal": "fer_models.families.affect_head",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES and name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Imported here: `fer --help` needs neither.
    from fer_data.whole import needs_whole

    with needs_whole(f"fer_models.{name}"):
        if name in _MODULES:
            found = importlib.import_module(_MODULES[name])
        else:
            found = getattr(importlib.import_module(_NAMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
