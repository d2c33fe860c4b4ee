"""Pre-trained trunks: networks that know faces or pictures, to be taught expressions."""

from fer_models.zoo.trunks.trunk import Trunk
from fer_models.zoo.trunks.trunk_weights import TRUNKS, about, read_trunk
from fer_models.zoo.trunks.unfolding import unfold_batch_norm

__all__ = ["TRUNKS", "Trunk", "about", "read_trunk", "unfold_batch_norm"]
