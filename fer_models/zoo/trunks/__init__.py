"""Pre-trained trunks: networks trained on faces or pictures, for training on expressions."""

from fer_models.zoo.trunks.trunk import Trunk
from fer_models.zoo.trunks.trunk_weights import TRUNKS, about, read_trunk
from fer_models.zoo.trunks.unfolding import unfold_batch_norm

__all__ = ["TRUNKS", "Trunk", "about", "read_trunk", "unfold_batch_norm"]
