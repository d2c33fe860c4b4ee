"""Models for facial expression recognition, and what one does with them."""

from fer_models import evaluation, explain, registry
from fer_models.efficientface import efficientface
from fer_models.emotion_cnn import emotion_cnn
from fer_models.ghostface import ghostface
from fer_models.resnet50_cbam import resnet50_cbam

__all__ = [
    "efficientface",
    "emotion_cnn",
    "evaluation",
    "explain",
    "ghostface",
    "registry",
    "resnet50_cbam",
]
