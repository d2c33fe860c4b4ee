"""Keras layers for facial expression recognition, on any Keras backend."""

from fer_layers.attention_3d import SpatialAttention3D, TemporalAttention
from fer_layers.attention_gate import AttentionGate
from fer_layers.cbam import CBAM, ChannelAttention, SpatialAttention
from fer_layers.conv_norm import ConvNorm
from fer_layers.fused_mbconv import FusedMBConv
from fer_layers.gaussian_noise import GaussianNoiseStack
from fer_layers.ghost import GhostBottleneck, GhostModule
from fer_layers.shuffle import ChannelSpatialModulator, LocalFeatureExtractor, ShuffleUnit
from fer_layers.squeeze_excite import SqueezeExcite
from fer_layers.standardization import PerImageStandardization
from fer_layers.triplet_attention import TripletAttention

__all__ = [
    "CBAM",
    "AttentionGate",
    "ChannelAttention",
    "ChannelSpatialModulator",
    "ConvNorm",
    "FusedMBConv",
    "GaussianNoiseStack",
    "GhostBottleneck",
    "GhostModule",
    "LocalFeatureExtractor",
    "PerImageStandardization",
    "ShuffleUnit",
    "SpatialAttention",
    "SpatialAttention3D",
    "SqueezeExcite",
    "TemporalAttention",
    "TripletAttention",
]
