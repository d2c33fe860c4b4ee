"""Parametric faces: people, action units and scenes to pictures with exact landmarks.

>>> import numpy as np
>>> from fer_data.synthetic import Identity, Scene, action_units, render
>>> rng = np.random.default_rng(0)
>>> image, landmarks = render(Identity.sample(rng), action_units("happy"), Scene.sample(rng))
>>> image.shape, landmarks.shape
((96, 96, 3), (68, 2))
"""

from fer_data.synthetic.action_units import ACTION_UNITS, PROTOTYPES, action_units
from fer_data.synthetic.camera import photograph
from fer_data.synthetic.drawn_faces import DrawnFace, generate, sample_face, sample_identity
from fer_data.synthetic.identity import HAIR_STYLES, Identity
from fer_data.synthetic.occlusion import OCCLUDERS
from fer_data.synthetic.render import MIN_SIZE, render
from fer_data.synthetic.scene import Camera, Light, Pose, Scene
from fer_data.synthetic.smiling_faces import SmilingFace, graded_smiles

__all__ = [
    "ACTION_UNITS",
    "HAIR_STYLES",
    "MIN_SIZE",
    "OCCLUDERS",
    "PROTOTYPES",
    "Camera",
    "DrawnFace",
    "Identity",
    "Light",
    "Pose",
    "Scene",
    "SmilingFace",
    "action_units",
    "generate",
    "graded_smiles",
    "photograph",
    "render",
    "sample_face",
    "sample_identity",
]
