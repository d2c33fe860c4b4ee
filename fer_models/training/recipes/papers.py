"""The recipes of the four papers, and ours for small faces on a small machine."""

import dataclasses
import itertools

from fer_data.checks import check_choice
from fer_data.pipelines.augmentation.policies import PRESETS
from fer_models.training import ha3dnet_published
from fer_models.training.recipes import teachers
from fer_models.training.recipes.recipe import Published, Recipe, Stage
from fer_models.training.recipes.schedule import Cosine, Plateau, Steps

_TANG = '"GhostFace: Model Pengecaman Ekspresi Muka Ringan dan Teguh" (Tang and Kok, 2022)'
_EDY = '"Deteksi Emosi dari Ekspresi Wajah dengan Deep Learning" (Edy)'
_SLIDES = '"Facial Emotion Recognition via ResNet-50 with Convolutional Block Attention Module"'
_ZHAO = (
    '"Robust Lightweight Facial Expression Recognition Network with Label Distribution '
    'Training" (Zhao et al., AAAI 2021)'
)
_IRAWAN = "Triple Path HA3DNet (Irawan, 2025)"

# The paper's augmentations by the name in ours, with accuracy and loss on RAF-DB's test faces.
_GHOSTFACE = {
    "": ("basic", 0.7797, 0.674),
    "_none": ("none", None, None),
    "_randaug": ("randaug", 0.7721, 0.669),
    "_mixup": ("mixup", 0.7760, 0.655),
    "_randaug_mixup": ("randaug+mixup", 0.7696, 0.679),
}
_NOISE = {"": 1, "_noise0": 0, "_noise2": 2}
# The amounts of their geometry, which are the same in all of them.
_BASIC = PRESETS["basic"]


def _ghostface(suffix, noise):
    augmentation, accuracy, loss = _GHOSTFACE[suffix]
    published = ()
    # Without noise layers it is our own comparison.
    if accuracy is not None and _NOISE[noise]:
        scores = {"accuracy": accuracy, "loss": loss}
        published = (Published("raf_db", "3,068 test faces", scores),)
    return Recipe(
        name=f"ghostface{suffix}{noise}",
        source=_TANG,
        model="ghostface",
        model_options={"noise_layers": _NOISE[noise], "noise_stddev": 0.1},
        optimizer="sgd",
        learning_rate=0.1,
        schedule=Plateau(patience=5),
        batch_size=16,
        stages=(Stage("all", 100),),
        augmentation=augmentation,
        patience=15,
        stated="Faces of 224x224 in colour, standardised one by one; categorical cross-entropy; "
        "SGD, learning rate 0.1, batch 16, 100 epochs, early stopping, reduction of the rate on a "
        "plateau. Basic augmentation: horizontal flip, rotation, shift of height and width; "
        "RandAugment of 0 to 3 operations an image, magnitude 2 to 4; MixUp on 25 % of the images "
        "at an opacity of 0.2. One or two layers of Gaussian noise of deviation 0.1, on the "
        "filters that hold what was extracted from the face.",
        chosen="No momentum; the rate falls to a tenth after 5 epochs without a lower validation "
        "loss, the training stops after 15 without a higher validation accuracy; which faces "
        "validate. The amounts of the basic augmentation: a flip of half of the images, rotation "
        f"by up to {360 * _BASIC.rotation:.3g} degrees either way, shift by up to "
        f"{100 * _BASIC.shift:.3g} % of the side, and a mirrored border where nothing is left. "
        "RandAugment: that magnitudes are out of 10, the thirteen operations and what a magnitude "
        "means to each (torchvision's), whole magnitudes and numbers of operations drawn evenly. "
        "MixUp: that its 0.2 is the alpha of Beta(0.2, 0.2), drawn for each image, and that the "
        "other image is one of the same batch; `MixUp(blend=0.2)` is the other reading, a fixed "
        "share. That RandAugment and MixUp come on top of the basic augmentation. On which maps "
        "the noise acts: the first layer's are those after the early stage, the second's the "
        "averages before the classifier; and the runs without noise. The accuracies do not say "
        "with how many noise layers: they stand beside every number of them.",
        published=published,
    )


_GHOSTFACE_SMALL = Recipe(
    name="ghostface_small",
    source="ours, after first runs on FER2013",
    model="ghostface",
    model_options={"noise_layers": 1, "noise_stddev": 0.1},
    input_shape=(64, 64, 3),
    optimizer="adamw",
    learning_rate=0.002,
    optimizer_options={"weight_decay": 0.02},
    schedule=Plateau(patience=3, factor=0.3),
    batch_size=64,
    stages=(Stage("all", 50),),
    patience=12,
    chosen="GhostFace on small faces and a machine without a GPU: AdamW and larger batches take "
    "a fraction of the paper's epochs.",
)

_RESNET18_SMALL = Recipe(
    name="resnet18_small",
    source="ours, for a teacher of the light networks",
    model="resnet18",
    input_shape=(48, 48, 1),
    optimizer="adamw",
    learning_rate=0.002,
    optimizer_options={"weight_decay": 0.05},
    schedule=Cosine(),
    batch_size=256,
    stages=(Stage("all", 100),),
    augmentation={
        "flip": 0.5,
        "rotation": 0.05,
        "shift": 0.1,
        "zoom": 0.2,
        "contrast": 0.4,
        "brightness": 0.1,
        "erase": 0.5,
        "mixup": {"fraction": 0.5, "alpha": 0.4},
    },
    chosen="From nothing on some ten thousand small faces it over-fits: strong augmentation. Its "
    "100 epochs are for an accelerator.",
)

_RESNET50_CBAM = Recipe(
    name="resnet50_cbam",
    source=_SLIDES,
    model="resnet50_cbam",
    model_options={"cbam": "light", "weights": "imagenet"},
    optimizer="adam",
    learning_rate=0.0001,
    batch_size=32,
    stages=(
        Stage("head", 10, ("*_cbam", "logits"), 0.001),
        Stage("conv5", 10, ("conv5_*", "*_cbam", "logits")),
        Stage("conv4", 10, ("conv[45]_*", "*_cbam", "logits")),
        Stage("conv3", 10, ("conv[345]_*", "*_cbam", "logits")),
        Stage("all", 40, None, 0.00001),
    ),
    freeze_batch_norm=True,
    patience=10,
    stated="ImageNet weights; 10 epochs with the backbone frozen, then up to 70 of progressive "
    "fine-tuning, unfreezing from the top; Adam, augmentation, early stopping (at epoch 37, the "
    "best being 27), best checkpoint; training accuracy 99 %, best validation 0.8096.",
    chosen="Faces of 224x224, the size of ImageNet's pictures; batch 32; the kinds and amounts of "
    "augmentation: flips, rotation by up to 11 degrees, shifts by up to a tenth of the side; "
    "CBAM's reduction of 16, as its authors have it. What is unfrozen when, and the rates: 0.001 "
    "for the frozen backbone, 0.0001 while it thaws a stage every 10 epochs, 0.00001 for all of "
    "it. The backbone's batch norm keeps ImageNet's statistics, scales and offsets throughout, as "
    "small batches of one kind of picture would spoil them; CBAM's own trains from the start. The "
    "best epoch and the stop go by the validation accuracy. Patience 10 is what stopping at 37 "
    "after 27 implies; it counts through all stages.",
    published=(
        Published(
            "raf_db",
            "1,534 faces, half of the test set",
            {"accuracy": 0.82, "loss": 0.9862, "macro_f1": 0.73, "weighted_f1": 0.82},
            {
                "surprise": (0.80, 0.87, 0.83, 165),
                "fear": (0.56, 0.51, 0.54, 37),
                "disgust": (0.56, 0.46, 0.51, 80),
                "happy": (0.92, 0.92, 0.92, 592),
                "sad": (0.84, 0.75, 0.79, 239),
                "angry": (0.69, 0.73, 0.71, 81),
                "neutral": (0.76, 0.81, 0.79, 340),
            },
            0.99,
        ),
    ),
)

_OF_EFFICIENTFACE = (
    "No pre-training: MS-Celeb-1M was withdrawn by its owners. Each face is standardised by itself "
    "in the place of RAF-DB's mean and deviation of each channel. The weight decay is 0.001, taken "
    "off the weights directly, which comes to the same as 0.0001 in the gradient under momentum "
    "0.9."
)

_EFFICIENTFACE = Recipe(
    name="efficientface",
    source=_ZHAO,
    model="efficientface",
    optimizer="sgd",
    learning_rate=0.1,
    # PyTorch adds the decay, 0.0001, to the gradient, where momentum 0.9 makes ten times of it;
    # Keras takes it off the weights directly.
    optimizer_options={"momentum": 0.9, "weight_decay": 0.001},
    schedule=Steps(every=30, factor=0.1),
    batch_size=128,
    stages=(Stage("all", 100),),
    augmentation={"flip": 0.5, "crop": 0.08},
    stated="Pre-training on MS-Celeb-1M, and label distributions for targets. In the authors' code "
    "(github.com/zengqunzhao/EfficientFace): SGD of momentum 0.9 and weight decay 0.0001, learning "
    "rate 0.1, a tenth of it after every 30 epochs, batch 128, 100 epochs; torchvision's random "
    "resized crops (8 % of the area and more) to 224x224, and horizontal flips; the distributions "
    "are the answers of a trained ResNet-50, which sees the same crops.",
    chosen=f"{_OF_EFFICIENTFACE} One-hot labels here; `efficientface_ldl` learns distributions.",
    published=(
        Published(
            "raf_db",
            "3,068 test faces; pre-trained on MS-Celeb-1M, label distributions",
            {"accuracy": 0.8836},
        ),
    ),
)

_EFFICIENTFACE_LDL = _EFFICIENTFACE.replace(
    name="efficientface_ldl",
    labels="soft",
    loss="label_distribution",
    chosen=f"{_OF_EFFICIENTFACE} The distributions are the FER+ votes, or a teacher's by "
    "`fer_models.distiller` (`--teacher` of `fer train`).",
)

_EMOTION_CNN = Recipe(
    name="emotion_cnn",
    source=_EDY,
    model="emotion_cnn",
    input_shape=(48, 48, 1),
    optimizer="adam",
    learning_rate=0.0001,
    batch_size=64,
    stages=(Stage("all", 50),),
    augmentation={"rotation": 0.01, "zoom": 0.05, "shift": 0.02},
    stated="Categorical cross-entropy, Adam, learning rate 0.0001, 50 epochs; the prose has batch "
    "size 448, the log shows 448 steps an epoch; rotation, zoom, crop. A dense layer of 128 units; "
    "dropout and batch norm are cures to try. 86.80 % training accuracy, 92 % in the log of the "
    "last epoch.",
    chosen="Batch 64, at which FER2013's 28,709 training faces make the log's 448 whole steps (the "
    "37 faces that are left make one more here). The network: the paper's table of layers is lost, "
    "and this is a widely copied public one with the same log, with 1,024 units and dropout; "
    "`--model dense_units=128 dropout=0` is the reading of the prose. Each image is standardised "
    "by its own mean and deviation. The amounts: rotation by up "
    "to 4 degrees, zoom by up to 5 %, and for the crop a shift by up to 2 % of the side; small, as "
    "strong ones would not let the training accuracy come to the paper's 87 %.",
    published=(
        Published(
            "fer2013",
            "7,178 faces, both test sets",
            {"accuracy": 0.6244, "loss": 1.1945},
            training_accuracy=0.868,
        ),
    ),
)

_EMOTION_CNN_REGULARIZED = _EMOTION_CNN.replace(
    name="emotion_cnn_regularized",
    model_options={"regularized": True},
    learning_rate=0.001,
    schedule=Cosine(),
    stages=(Stage("all", 30),),
    augmentation="basic",
    chosen="The cure that the paper asks for (batch norm, dropout, more data), with places and "
    "amounts of ours: batch norm before every ReLU, dropout of 0.25 after every pooling and of 0.5 "
    "before the classes, the augmentation `basic`, flips among it, in the place of more data, and "
    "a ten times higher rate, which batch norm allows: it is reached in 500 steps, then falls "
    "to zero along half a cosine in 30 epochs. Batch 64 and 1,024 units as in `emotion_cnn`.",
    published=tuple(
        dataclasses.replace(each, faces=f"{each.faces}; the network without this cure")
        for each in _EMOTION_CNN.published
    ),
)

_HA3DNET_CHANGES = {"rotation": 0.03, "crop": 0.8, "contrast": 0.2, "brightness": 0.1}

_HA3DNET = Recipe(
    name="ha3dnet",
    source=_IRAWAN,
    model="triple_path_ha3dnet",
    model_options={"frames": 16},
    input_shape=(64, 64, 3),
    optimizer="adam",
    learning_rate=0.001,
    batch_size=32,
    stages=(Stage("all", 128),),
    augmentation=_HA3DNET_CHANGES,
    class_weights=True,
    stated="Three regions of 64x64, each in a path of its own: a 3-D convolution of 32 filters of "
    "3x3x3, max pooling, spatial attention, then temporal attention, a dense layer with ReLU, "
    "dropout. Adam, learning rate 0.001, categorical cross-entropy; batch 32, 64 or 128, 128 or "
    "256 epochs, splits 80:10:10 or 70:15:15: twelve scenarios a data set. Rotation, cropping, "
    "brightness and contrast, the same for all frames and regions of a clip; classes weighed by "
    "their proportions.",
    chosen="The frames of a clip, 16, and that they are in colour; no padding of the convolution, "
    "pooling of 3x3x3, 128 units of the dense layer, a dropout of 0.5, and the form of the two "
    "attentions: so the number of weights is ours too. The amounts of the augmentation: rotation "
    f"by up to {360 * _HA3DNET_CHANGES['rotation']:.3g} degrees, crops of "
    f"{100 * _HA3DNET_CHANGES['crop']:.3g} % of the area and more, contrast by up to "
    f"{100 * _HA3DNET_CHANGES['contrast']:.3g} %, brightness by up to "
    f"{100 * _HA3DNET_CHANGES['brightness']:.3g} % of the range. Class weights inverse to the "
    "number of clips. The first frame is taken off every frame. Batch 32 and 128 epochs here: "
    "`replace(batch_size=64, epochs=256)` gives another scenario, and each published figure says "
    "of which it is. The last epoch is kept: none is chosen on the people it is tested on.",
    published=tuple(
        Published(
            data,
            "random split {}, batch {}, {} epochs".format(
                split.replace("-", ":"), *ha3dnet_published.best_scenario(data, split)
            ),
            ha3dnet_published.figures(data, split),
        )
        for data in ha3dnet_published.TITLES
        for split in ha3dnet_published.SPLITS
    ),
)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        *(_ghostface(*combination) for combination in itertools.product(_GHOSTFACE, _NOISE)),
        _GHOSTFACE_SMALL,
        _RESNET18_SMALL,
        *teachers.RECIPES,
        _RESNET50_CBAM,
        _EFFICIENTFACE,
        _EFFICIENTFACE_LDL,
        _EMOTION_CNN,
        _EMOTION_CNN_REGULARIZED,
        _HA3DNET,
    )
}


def get(name: str) -> Recipe:
    """Return the `Recipe` of a name.

    Args:
        name: A key of `RECIPES`, such as `"ghostface_randaug_noise2"`.

    Raises:
        ValueError: If there is none.

    Example:

    >>> from fer_models import recipes
    >>> recipes.get("emotion_cnn").learning_rate
    0.0001
    """
    check_choice("name", name, sorted(RECIPES))
    return RECIPES[name]
