"""The recipes of the four papers, and ours for small faces on a small machine."""

import itertools

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


def _ghostface(suffix, noise):
    augmentation, accuracy, loss = _GHOSTFACE[suffix]
    published = ()
    if accuracy is not None:
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
        stated="SGD, learning rate 0.1, batch 16, 100 epochs, early stopping, reduction of the "
        "rate on a plateau; basic augmentation, RandAugment of 0 to 3 operations of magnitude 2 "
        "to 4, MixUp on 25 % of the images at 0.2; one or two noise layers of 0.1, or none.",
        chosen="No momentum; the rate falls to a tenth after 5 epochs without a lower validation "
        "loss, the training stops after 15 without a higher validation accuracy. The accuracies "
        "do not say with how many noise layers: they stand beside every number of them.",
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
    stated="ImageNet weights; 10 epochs with the backbone frozen, then up to 70 of fine-tuning, "
    "unfreezing from the top; Adam, augmentation, early stopping (at epoch 37, the best being "
    "27), best checkpoint; best validation accuracy 0.8096.",
    chosen="What is unfrozen when, and the rates: 0.001 for the frozen backbone, 0.0001 while it "
    "thaws a stage every 10 epochs, 0.00001 for all of it. The backbone's batch norm keeps "
    "ImageNet's statistics, scales and offsets throughout, as small batches of one kind of picture "
    "would spoil them; CBAM's own trains from the start. Patience 10 is what stopping at 37 after "
    "27 implies; it counts through all stages.",
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
    stated="Random crops of 8 % of the area and more, brought to 224x224, and horizontal flips; "
    "SGD of momentum 0.9 and weight decay 0.0001, learning rate 0.1, a tenth of it after every 30 "
    "epochs, batch 128, 100 epochs; pre-training on MS-Celeb-1M; the targets are the distributions "
    "of a larger network, a ResNet-50 trained on the same faces, which sees the same crops.",
    chosen="No pre-training: MS-Celeb-1M was withdrawn by its owners. One-hot labels here; "
    "`efficientface_ldl` learns distributions.",
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
    chosen="No pre-training: MS-Celeb-1M was withdrawn by its owners. The distributions are the "
    "FER+ votes, or a teacher's by `fer_models.distiller` (`--teacher` of `fer train`).",
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
    stated="Categorical cross-entropy, Adam, learning rate 0.0001, 50 epochs of 448 steps "
    "(28,709 faces at batch 64); rotation, zoom, crop. 86.80 % training accuracy, 92 % in the log "
    "of the last epoch.",
    chosen="The amounts: rotation by up to 4 degrees, zoom by up to 5 %, and for the crop a "
    "shift by up to 2 % of the side; small, as strong ones would not let the training accuracy "
    "come to the paper's 87 %.",
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
    chosen="The cure that the paper asks for (batch norm, dropout, more data), with amounts of "
    "ours: more augmentation, flips among it, and a ten times higher rate that falls to zero along "
    "half a cosine in 30 epochs, which batch norm allows.",
)

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
    augmentation={"rotation": 0.03, "crop": 0.8, "contrast": 0.2, "brightness": 0.1},
    class_weights=True,
    stated="Adam, learning rate 0.001, categorical cross-entropy; batch 32, 64 or 128, 128 or "
    "256 epochs, splits 80:10:10 or 70:15:15: twelve scenarios a data set; rotation, cropping, "
    "brightness and contrast, the same for all frames and regions of a clip; classes weighed "
    "against their frequency.",
    chosen="16 frames, as all data sets have them; a dropout of 0.5; the amounts of the "
    "augmentation. `replace(batch_size=64, epochs=256)` gives the other "
    "scenarios. The last epoch is kept: none is chosen on the people it is tested on.",
    published=tuple(
        Published(data, f"random split {split}", {"accuracy": accuracy, "f1": f1})
        for data, *numbers in (
            ("cas_me2", (0.9400, 0.9400), (0.9396, 0.9396)),
            ("smic_hs", (0.9585, 0.9585), (0.9535, 0.9535)),
            ("samm_long_videos", (0.9500, 0.9502), (0.9428, 0.9437)),
            ("casme2", (0.9887, 0.9887), (0.9854, 0.9853)),
            ("cas_me3", (0.9821, 0.9821), (0.9805, 0.9804)),
        )
        for split, (accuracy, f1) in zip(("80:10:10", "70:15:15"), numbers, strict=True)
    ),
)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        *(_ghostface(*combination) for combination in itertools.product(_GHOSTFACE, _NOISE)),
        _GHOSTFACE_SMALL,
        _RESNET18_SMALL,
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
    if name not in RECIPES:
        raise ValueError(f"`name` must be one of {sorted(RECIPES)}. Received: name={name!r}")
    return RECIPES[name]
