"""Parametric faces: people, action units and scenes to pictures with exact landmarks.

>>> import numpy as np
>>> from fer_data.rendering import Identity, Scene, action_units, render
>>> rng = np.random.default_rng(0)
>>> image, landmarks = render(Identity.sample(rng), action_units("happy"), Scene.sample(rng))
>>> image.shape, landmarks.shape
((96, 96, 3), (68, 2))
"""

from fer_data.rendering.action_units import ACTION_UNITS, PROTOTYPES, action_units
from fer_data.rendering.camera import photograph
from fer_data.rendering.faces import Face, generate, sample_face, sample_identity
from fer_data.rendering.identity import HAIR_STYLES, Identity
from fer_data.rendering.occlusion import OCCLUDERS
from fer_data.rendering.render import MIN_SIZE, render
from fer_data.rendering.scene import Camera, Light, Pose, Scene

__all__ = [
    "ACTION_UNITS",
    "HAIR_STYLES",
    "MIN_SIZE",
    "OCCLUDERS",
    "PROTOTYPES",
    "Camera",
    "Face",
    "Identity",
    "Light",
    "Pose",
    "Scene",
    "action_units",
    "generate",
    "photograph",
    "render",
    "sample_face",
    "sample_identity",
]
