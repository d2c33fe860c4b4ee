"""Explanation of a model's answers: heat maps, their checks, and attention gates."""

from fer_models.explain.clip_explanation import clip_explanation
from fer_models.explain.clip_file import explain_clip_file
from fer_models.explain.clip_sheet import clip_sheet
from fer_models.explain.contact_sheet import contact_sheet
from fer_models.explain.deletion import DeletionInsertion, deletion_insertion
from fer_models.explain.gate_sheet import gate_sheet, plot_channel_gates
from fer_models.explain.gates import Gate, attention_gates
from fer_models.explain.grad_cam import GradCAM, grad_cam
from fer_models.explain.randomization import WeightRandomization, weight_randomization

__all__ = [
    "DeletionInsertion",
    "Gate",
    "GradCAM",
    "WeightRandomization",
    "attention_gates",
    "clip_explanation",
    "clip_sheet",
    "contact_sheet",
    "deletion_insertion",
    "explain_clip_file",
    "gate_sheet",
    "grad_cam",
    "plot_channel_gates",
    "weight_randomization",
]
