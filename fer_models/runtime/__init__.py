"""Ready networks: the bundled weights on LiteRT, without Keras and TensorFlow."""

from fer_models.runtime.face_network import FaceNetwork
from fer_models.runtime.ready_networks import ready_names, ready_network

__all__ = ["FaceNetwork", "ready_names", "ready_network"]
