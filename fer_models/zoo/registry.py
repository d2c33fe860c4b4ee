"""The models by name: builder, input, cost and weights of each."""

import dataclasses
from collections.abc import Callable

import keras

from fer_models.families.efficientface import efficientface
from fer_models.families.emotion_cnn import emotion_cnn
from fer_models.families.ghostface import ghostface
from fer_models.families.micro_expression_3d import (
    dual_path_3dnet,
    ha_3dnet,
    ha_3dsenet,
    mer_3dcnn,
    micro_exp_stcnn,
    se_3dnet,
    triple_path_ha3dnet,
)
from fer_models.families.pretrained_classifier import pretrained_classifier
from fer_models.families.resnet18 import resnet18
from fer_models.families.resnet50_cbam import resnet50_cbam
from fer_models.zoo import bundled
from fer_models.zoo.bundled import Weights


@dataclasses.dataclass(frozen=True)
class Entry:
    """A model family.

    Attributes:
        builder: Function that builds it.
        input_shape: Default shape of one image, or one frame of a clip, channels last.
        min_size: Smallest height and width.
        classes: Default number of classes.
        parameters: Trainable parameters at the defaults.
        macs: Multiply-accumulates of convolutions and dense layers at the defaults.
        papers_flops: The same by the FER papers' rule.
        weights: `Weights` by tag.
        fixed_size: Whether the classifying layers need a known height and width.
        frames: Default number of frames of a clip; None for models of images.
        regions: The regions of the face that the inputs of a model of clips show, in order.
    """

    builder: Callable[..., keras.Model]
    input_shape: tuple[int, ...]
    min_size: int
    classes: int
    parameters: int
    macs: int
    papers_flops: int
    weights: dict[str, Weights] = dataclasses.field(default_factory=dict)
    fixed_size: bool = False
    frames: int | None = None
    regions: tuple[str, ...] = ()


MODELS = {
    "ghostface": Entry(
        builder=ghostface,
        input_shape=(224, 224, 3),
        min_size=32,
        classes=7,
        parameters=1_279_011,
        macs=130_711_966,
        papers_flops=134_678_348,
        weights=bundled.tags("ghostface"),
    ),
    "efficientface": Entry(
        builder=efficientface,
        input_shape=(224, 224, 3),
        min_size=32,
        classes=7,
        parameters=1_275_293,
        macs=149_728_880,
        papers_flops=154_176_526,
        weights=bundled.tags("efficientface"),
    ),
    "resnet50_cbam": Entry(
        builder=resnet50_cbam,
        input_shape=(224, 224, 3),
        min_size=32,
        classes=7,
        parameters=24_075_499,
        macs=3_856_992_962,
        papers_flops=3_888_754_468,
        weights=bundled.tags("resnet50_cbam"),
    ),
    "emotion_cnn": Entry(
        builder=emotion_cnn,
        input_shape=(48, 48, 1),
        min_size=24,
        classes=7,
        parameters=2_345_607,
        macs=77_326_464,
        papers_flops=77_577_472,
        weights=bundled.tags("emotion_cnn"),
        fixed_size=True,
    ),
    "resnet18": Entry(
        builder=resnet18,
        input_shape=(48, 48, 1),
        min_size=32,
        classes=7,
        parameters=11_171_271,
        macs=1_247_038_976,
        papers_flops=1_249_803_776,
        weights=bundled.tags("resnet18"),
    ),
    "pretrained_classifier": Entry(
        builder=pretrained_classifier,
        input_shape=(96, 96, 1),
        min_size=32,
        classes=7,
        parameters=3_214_151,
        macs=104_281_600,
        papers_flops=106_134_016,
        weights=bundled.tags("pretrained_classifier"),
    ),
}


def _clip(builder, regions, parameters, macs, papers_flops, frames=16, channels=3):
    return Entry(
        builder=builder,
        input_shape=(64, 64, channels),
        min_size=5,
        classes=3,
        parameters=parameters,
        macs=macs,
        papers_flops=papers_flops,
        weights=bundled.tags(builder.__name__),
        fixed_size=True,
        frames=frames,
        regions=regions,
    )


_FACE = ("face",)
# The models of clips are kept apart, since code that goes through `MODELS` gives them images.
CLIP_MODELS = {
    "triple_path_ha3dnet": _clip(
        triple_path_ha3dnet, ("left", "right", "lower"), 19_670_529, 438_605_640, 443_776_788
    ),
    "dual_path_3dnet": _clip(
        dual_path_3dnet, ("upper", "lower"), 13_113_475, 292_090_112, 295_534_336
    ),
    "ha_3dnet": _clip(ha_3dnet, _FACE, 6_556_845, 146_201_880, 147_925_596),
    "se_3dnet": _clip(se_3dnet, _FACE, 6_557_291, 146_045_568, 147_767_680),
    "ha_3dsenet": _clip(ha_3dsenet, _FACE, 6_557_397, 146_202_392, 147_926_108),
    "mer_3dcnn": _clip(mer_3dcnn, _FACE, 6_556_739, 146_045_056, 147_767_168),
    "micro_exp_stcnn": _clip(
        micro_exp_stcnn, _FACE, 1_643_267, 68_063_104, 68_555_136, frames=18, channels=1
    ),
}


def entry(name: str | None) -> Entry:
    """Return the `Entry` of the model `name`, of images or of clips.

    Raises:
        ValueError: If there is no model of that name.

    Example:

    >>> from fer_models import registry
    >>> registry.entry("ghostface").parameters
    1279011
    """
    known = MODELS | CLIP_MODELS
    if name not in known:
        raise ValueError(f"`name` must be one of {sorted(known)}. Received: name={name!r}")
    return known[name]


def weights(name: str, tag: str) -> Weights:
    """Return the record of the bundled weights of a model.

    Args:
        name: Name of the model.
        tag: Tag of the weights, such as `"fer2013"`.

    Returns:
        `fer_models.zoo.bundled.Weights`.

    Raises:
        ValueError: If the model or the tag is unknown.
    """
    entry(name)
    return bundled.weights(name, tag)
