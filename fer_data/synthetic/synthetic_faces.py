"""Faces from our own renderer: a data set that needs no download."""

import hashlib
import io
import json
import os

import cv2
import numpy as np
import tensorflow_datasets as tfds

from fer_data.datasets.local_builder import LocalInfo, OfflineBuilder
from fer_data.labels import EMOTIONS
from fer_data.synthetic import generate
from fer_data.synthetic.action_units import check_unit_interval
from fer_data.synthetic.drawn_faces import FRAMING, check_count, check_intensity, check_seed
from fer_data.synthetic.render import check_size

SPLITS = ("train", "validation", "test")
# The numbers of people and pictures start at another million in each split, so that no two splits
# share one.
_STRIDE = 1_000_000
_LABEL_NOISE = 3


class SyntheticFaces(OfflineBuilder, skip_registration=True):
    """Synthetic faces: seven expressions by action units, exact landmarks, disjoint identities.

    No person of one split is in another one, and within a split the seven expressions are equally
    frequent. The same options give the same pictures, bit for bit; different options are prepared
    side by side.

    Features: `image` uint8 (size, size, 3); `label` and `clean_label`, in the order of `EMOTIONS`,
    the latter untouched by label noise; `id` (`train-0000001`); `identity` int64; `intensity`
    float32, 0 for neutral; `landmarks` float32 (68, 2), (x, y) pixels in iBUG order; `box`
    float32 (4,), (x, y, width, height), as inexact as a detector's, and `framing` float64 (3,), how
    the face lies in it: `images.pipeline` cuts the face out by the two.

    Args:
        data_dir: Where prepared data go; `None` for the default of tensorflow-datasets
            (`TFDS_DATA_DIR`, else `~/tensorflow_datasets`).
        train, validation, test: Pictures in each split.
        identities: People in all splits together, shared out in proportion to the pictures; every
            split gets at least one.
        size: Side of the pictures in pixels, at least 24.
        seed: Integer from 0 up.
        occlusion: Probability in [0, 1] that sunglasses, a hand, a mask, a scarf or a block cover
            a part of a face, in every split.
        label_noise: Probability in [0, 1] that a label of the training split is replaced by one of
            the six others, all alike. Validation and test keep the truth.
        intensity: (least, most) strength of the expressions, each in [0, 1].
        grey: Whether the pictures are grey, three channels alike.
        workers: Processes that draw. They do not change the pictures; more than one needs a main
            module that can be imported, as always with multiprocessing.

    Raises:
        ValueError: If an option is out of its range.
        OSError: If the disk is full while they are drawn; what was written is removed.

    Example:

    ```python
    builder = prepare("synthetic_faces", train=700, validation=70, test=140, size=64)
    train = builder.as_dataset(split="train")
    ```
    """

    VERSION = tfds.core.Version("1.1.0")
    name = "synthetic_faces"

    def __init__(
        self,
        *,
        data_dir: str | os.PathLike[str] | None = None,
        train: int = 7000,
        validation: int = 700,
        test: int = 1400,
        identities: int = 1300,
        size: int = 96,
        seed: int = 0,
        occlusion: float = 0.0,
        label_noise: float = 0.0,
        intensity: tuple[float, float] = (0.6, 1.0),
        grey: bool = False,
        workers: int = 1,
    ) -> None:
        self._counts = {"train": train, "validation": validation, "test": test}
        for split, count in self._counts.items():
            check_count(split, count)
            if count > _STRIDE:
                raise ValueError(f"`{split}` must not exceed {_STRIDE}. Received: {split}={count}")
        if not isinstance(identities, (int, np.integer)) or identities < len(SPLITS):
            raise ValueError(
                "`identities` must be an integer of at least 3, one for each split. "
                f"Received: identities={identities!r}"
            )
        check_size(size)
        check_seed(seed)
        check_unit_interval("occlusion", occlusion)
        check_unit_interval("label_noise", label_noise)
        check_intensity(intensity)
        check_count("workers", workers)
        self._people = _share_out(identities, self._counts)
        self._options = {
            "identities": int(identities),
            "size": int(size),
            "seed": int(seed),
            "occlusion": float(occlusion),
            "label_noise": float(label_noise),
            "intensity": [float(bound) for bound in intensity],
            "grey": bool(grey),
            **{split: int(count) for split, count in self._counts.items()},
        }
        self._workers = workers
        super().__init__(data_dir=data_dir, config=self._configuration())
        # The arguments that unpickling gives to __init__.
        self._original_state = {"data_dir": data_dir, "workers": workers, **self._options}

    def _configuration(self):
        what = json.dumps(self._options, sort_keys=True)
        digest = hashlib.sha256(what.encode()).hexdigest()
        return tfds.core.BuilderConfig(
            name=f"faces_{digest[:12]}", version=self.VERSION, description=f"Options {what}"
        )

    def _info(self):
        size = self._options["size"]
        return LocalInfo(
            builder=self,
            description=self.__doc__.splitlines()[0],
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(size, size, 3), encoding_format="png"),
                    "label": tfds.features.ClassLabel(names=list(EMOTIONS)),
                    "clean_label": tfds.features.ClassLabel(names=list(EMOTIONS)),
                    "id": tfds.features.Text(),
                    "identity": tfds.features.Scalar(np.int64),
                    "intensity": tfds.features.Scalar(np.float32),
                    "landmarks": tfds.features.Tensor(shape=(68, 2), dtype=np.float32),
                    "box": tfds.features.Tensor(shape=(4,), dtype=np.float32),
                    "framing": tfds.features.Tensor(shape=(3,), dtype=np.float64),
                }
            ),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in SPLITS}

    def _generate_examples(self, split):
        options = self._options
        start = SPLITS.index(split) * _STRIDE
        faces = generate(
            self._counts[split],
            options["seed"],
            size=options["size"],
            identities=range(start, start + self._people[split]),
            first=start,
            occlusion=options["occlusion"],
            intensity=options["intensity"],
            grey=options["grey"],
            workers=self._workers,
        )
        rng = np.random.default_rng([options["seed"], _LABEL_NOISE])
        for number, face in enumerate(faces):
            clean = label = EMOTIONS.index(face.emotion)
            flips, others = rng.random(), rng.integers(1, len(EMOTIONS))
            if split == "train" and flips < options["label_noise"]:
                label = int(label + others) % len(EMOTIONS)
            _, png = cv2.imencode(".png", face.image[:, :, ::-1])
            name = f"{split}-{number:07d}"
            yield (
                name,
                {
                    "image": io.BytesIO(png.tobytes()),
                    "label": label,
                    "clean_label": clean,
                    "id": name,
                    "identity": face.identity,
                    "intensity": face.intensity,
                    "landmarks": face.landmarks,
                    "box": face.box,
                    "framing": FRAMING,
                },
            )


def _share_out(identities, counts):
    """Return the number of people of each split, in proportion to its pictures, at least one."""
    total = sum(counts.values())
    people = {
        split: max(1, round(identities * counts[split] / total)) for split in ("validation", "test")
    }
    # The training split takes the rest, and is reduced last.
    while identities - sum(people.values()) < 1:
        people[max(people, key=people.get)] -= 1
    return {"train": identities - sum(people.values()), **people}
