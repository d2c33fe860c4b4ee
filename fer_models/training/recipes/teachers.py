"""Say how a pre-trained trunk is taught expressions: recipes of teachers."""

from fer_models.training.recipes.recipe import Recipe, Stage
from fer_models.training.recipes.schedule import Cosine

_FACERES = Recipe(
    name="faceres_teacher",
    source="ours, for a teacher of the light networks",
    model="pretrained_classifier",
    model_options={"trunk": "faceres"},
    input_shape=(96, 96, 1),
    optimizer="adamw",
    learning_rate=0.0007,
    optimizer_options={"weight_decay": 0.02},
    schedule=Cosine(),
    batch_size=64,
    stages=(Stage("all", 12),),
    augmentation={
        "flip": 0.5,
        "rotation": 0.04,
        "shift": 0.1,
        "zoom": 0.15,
        "contrast": 0.4,
        "brightness": 0.1,
        "erase": 0.3,
        "mixup": {"fraction": 0.5, "alpha": 0.4},
    },
    ema=0.998,
    chosen="A network that knows faces needs few passes. Faces of 48 pixels are enlarged to 96. "
    "Without `--model trunk_weights=FILE faces=FILE` the trunk begins with random weights.",
)
# A step takes two thirds of the time without the layers of the largest maps, which are few weights
# and have adapted after a pass.
_FACERES_UPPER = _FACERES.replace(
    name="faceres_teacher_upper",
    stages=(Stage("upper", 6, ("trunk_block[4-9]_*", "trunk_block1[0-3]_*", "logits")),),
    chosen="For after a pass of `faceres_teacher`, whose weights it begins with (`--model "
    "weights=FILE`): the stem and the first three blocks stay as they are.",
)
RECIPES = (_FACERES, _FACERES_UPPER)
