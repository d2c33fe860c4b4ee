"""Why a model says what it says."""

from fer_models.explain.contact_sheet import contact_sheet
from fer_models.explain.grad_cam import GradCAM, grad_cam

__all__ = ["GradCAM", "contact_sheet", "grad_cam"]
