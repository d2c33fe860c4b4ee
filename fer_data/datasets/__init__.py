"""A tensorflow-datasets builder for each data set, and `prepare`, which makes any of them ready."""

import importlib
import os
from typing import TYPE_CHECKING, Any

from fer_data import arguments

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

BUILDERS = {
    "fer2013": "fer_data.datasets.fer2013:Fer2013",
    "ferplus": "fer_data.datasets.ferplus:FerPlus",
    "raf_db": "fer_data.datasets.raf_db:RafDb",
    "affectnet": "fer_data.datasets.affectnet:AffectNet",
    "ck_plus": "fer_data.datasets.ck_plus:CkPlus",
    "jaffe": "fer_data.datasets.jaffe:Jaffe",
    "kdef": "fer_data.datasets.kdef:Kdef",
    "expw": "fer_data.datasets.expw:ExpW",
    "sfew": "fer_data.datasets.sfew:Sfew",
    "caer_s": "fer_data.datasets.caer_s:CaerS",
    "ravdess": "fer_data.datasets.ravdess:Ravdess",
    "crema_d": "fer_data.datasets.crema_d:CremaD",
    "image_folder": "fer_data.datasets.image_folder:ImageFolder",
    "casme2": "fer_data.datasets.casme2:Casme2",
    "cas_me2": "fer_data.datasets.cas_me2:CasMe2",
    "cas_me3": "fer_data.datasets.cas_me3:CasMe3",
    "samm_long_videos": "fer_data.datasets.samm_long_videos:SammLongVideos",
    "smic_hs": "fer_data.datasets.smic_hs:SmicHs",
    "synthetic_faces": "fer_data.synthetic.synthetic_faces:SyntheticFaces",
    "synthetic_micro_expressions": (
        "fer_data.synthetic.synthetic_micro_expressions:SyntheticMicroExpressions"
    ),
}
WITHOUT_PATH = ("synthetic_faces", "synthetic_micro_expressions")


@arguments.checked(
    name=arguments.choice(BUILDERS),
    path=arguments.either(
        arguments.path, arguments.choice([""]), rule="the path of a folder or an archive"
    ),
    data_dir=arguments.path,
)
def prepare(
    name: str,
    path: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    **options: Any,
) -> "tfds.core.GeneratorBasedBuilder":
    """Make a data set ready to read, once; the next call with the same files returns at once.

    Nothing is downloaded: you get the data set from its owners under their terms, and `path` says
    where it lies. The report of the files that were read, used and dropped is printed at the end
    and stays beside the prepared data in `report.json` (`builder.report()`). An interrupted
    preparation leaves nothing that a later call would take as complete.

    Args:
        name: One of `BUILDERS`, such as `"fer2013"`, `"image_folder"` or `"casme2"`.
        path: Folder or zip archive with the data set; not for the synthetic ones.
        data_dir: Where prepared data go; `None` for the default of tensorflow-datasets
            (`TFDS_DATA_DIR`, else `~/tensorflow_datasets`).
        **options: Options of the builder, such as `on_bad`, `on_duplicate`, `on_conflict`,
            `validation_fraction`, `seed`; for micro-expressions `pictures`, `align`, `size`,
            `detector`, `beam_runner`.

    Returns:
        The prepared `tfds.core.GeneratorBasedBuilder`: `builder.as_dataset(split="train")` gives
        dictionaries with `image` (uint8 `(H, W, C)`), `label` and `id`, and
        `builder.info.features["label"].names` the class names. Micro-expressions have the one
        split `"clips"`, with `frames` and all that `fer_data.datasets.clip_builder` names.

    Raises:
        ValueError: If the name is unknown, the path is missing or does not hold the data set, an
            option is unknown or out of range, or fewer than two classes have usable pictures.
        OSError: If the disk is full.

    Example:

    ```python
    builder = prepare("fer2013", path="data/fer2013")
    train = builder.as_dataset(split="train")
    ```
    """
    if name in WITHOUT_PATH:
        if path is not None:
            raise ValueError(f"`path` must be None for {name!r}. Received: path={path!r}")
    elif path is None or path == "":
        raise ValueError(
            f"`path` must name the folder or archive of {name!r}, which you obtain from its "
            f"owners. Received: path={path!r}"
        )
    else:
        options["path"] = path
    module, builder_class = BUILDERS[name].split(":")
    builder = getattr(importlib.import_module(module), builder_class)(data_dir=data_dir, **options)
    builder.download_and_prepare()
    return builder
