"""Robustness of a model: adversarial examples, wrong labels, corruptions and occlusions."""

from fer_models.robustness.accuracy import Accuracy
from fer_models.robustness.adversarial import AdversarialReport, adversarial_accuracy
from fer_models.robustness.attacks import apgd, fgsm, pgd
from fer_models.robustness.corruptions import (
    CORRUPTIONS,
    CorruptionReport,
    corrupt,
    corruption_accuracy,
    corruption_sheet,
)
from fer_models.robustness.face_template import typical_landmarks
from fer_models.robustness.label_noise import emotion_transition, flip_labels
from fer_models.robustness.loss_gradients import InputGradients
from fer_models.robustness.square_attack import square
from fer_models.robustness.suspects import (
    Suspect,
    confident_joint,
    rank_suspects,
    write_suspects,
)

__all__ = [
    "CORRUPTIONS",
    "Accuracy",
    "AdversarialReport",
    "CorruptionReport",
    "InputGradients",
    "Suspect",
    "adversarial_accuracy",
    "apgd",
    "confident_joint",
    "corrupt",
    "corruption_accuracy",
    "corruption_sheet",
    "emotion_transition",
    "fgsm",
    "flip_labels",
    "pgd",
    "rank_suspects",
    "square",
    "typical_landmarks",
    "write_suspects",
]
