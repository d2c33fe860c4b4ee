"""The settings of the studies of GhostFace's paper: faces, network and training."""

import argparse
import dataclasses
import os
from collections.abc import Mapping
from typing import Any, Self

from fer_data.checks import check_choice, check_integer, check_number
from fer_models.studies.study_options import add_defaulted, settled

# The paper's: 224x224, SGD of 0.1 at batch 16, 100 epochs.
FULL: dict[str, Any] = {
    "seeds": 3,
    "train": None,
    "size": 224,
    "channels": None,
    "width": 1.0,
    "epochs": 100,
    "batch_size": 16,
    "learning_rate": 0.1,
}
# In twenty steps at the paper's rate the moving means of batch normalisation fall so far behind the
# weights that some networks give no finite answer.
QUICK = {
    "seeds": 2,
    "train": 160,
    "size": 32,
    "width": 0.25,
    "epochs": 2,
    "learning_rate": 0.01,
}
# The number of seeds is not among them: more may be asked for later.
COMPARED = ("data", "train", "size", "channels", "width", "epochs", "batch_size", "learning_rate")


@dataclasses.dataclass(frozen=True, kw_only=True)
class GhostfaceSettings:
    """Settings of a study of GhostFace's paper; the defaults are the paper's.

    Attributes:
        data: A name of `fer_data.pipelines.labelled_faces.FACES`.
        path: Folder, archive or packed file of the data set; None for `"synthetic"`.
        seeds: Trainings of every row.
        train: Number of training faces; None for all.
        size: Height and width of the faces in pixels.
        channels: 1 for grey, 3 for colour; None for the data's own.
        width: Multiplier of GhostFace's channels.
        epochs: Epochs at most.
        batch_size: Faces a step.
        learning_rate: Of SGD, before the first plateau.

    Raises:
        ValueError: If a setting breaks its rule.

    Example:

    >>> GhostfaceSettings(size=48, width=0.5).differences()[1:]
    ['Faces of 48x48 in the place of 224x224.', "GhostFace's channels times 0.5."]
    """

    data: str = "synthetic"
    path: str | os.PathLike[str] | None = None
    seeds: int = FULL["seeds"]
    train: int | None = FULL["train"]
    size: int = FULL["size"]
    channels: int | None = FULL["channels"]
    width: float = FULL["width"]
    epochs: int = FULL["epochs"]
    batch_size: int = FULL["batch_size"]
    learning_rate: float = FULL["learning_rate"]

    def __post_init__(self) -> None:
        for name in ("seeds", "epochs", "batch_size"):
            check_integer(name, getattr(self, name), 1)
        check_integer("size", self.size, 32)
        if self.train is not None:
            check_integer("train", self.train, 1)
        check_choice("channels", self.channels, (None, 1, 3))
        for name in ("width", "learning_rate"):
            check_number(name, getattr(self, name), 0)

    @classmethod
    def from_args(cls, args: argparse.Namespace, full: Any = FULL, quick: Any = QUICK) -> Self:
        """Return the settings of a command line.

        Args:
            args: The parsed arguments.
            full: Defaults of a whole study.
            quick: Defaults of a quick one, where they differ.
        """
        return cls(data=args.data, path=args.path, **settled(args, full, quick))

    def compared(self) -> dict[str, Any]:
        """Return the settings that decide a training."""
        return {name: getattr(self, name) for name in COMPARED}

    def stated(self, published: Mapping[str, float]) -> dict[str, float]:
        """Return a row's published scores, or none for drawn faces, of which nobody published any.

        Args:
            published: The scores by the name of a column.
        """
        return {} if self.data == "synthetic" else dict(published)

    def differences(self) -> list[str]:
        """Return in words what differs from the paper's settings, a sentence each."""
        said = []
        if self.data == "raf_db":
            said.append(
                "The faces are those that the path holds: the owners' aligned ones are of 100x100; "
                "`fer crop raf_db` cuts the original pictures at 224x224, as the paper does."
            )
        else:
            stands = {
                "synthetic": "Drawn faces stand in for RAF-DB: the numbers only show that it runs.",
                "fer2013": "FER2013 stands in for RAF-DB, whose faces are larger and in colour.",
            }
            said.append(stands.get(self.data, f"{self.data} stands in for RAF-DB."))
        if self.size != FULL["size"]:
            said.append(f"Faces of {self.size}x{self.size} in the place of 224x224.")
        if self.width != FULL["width"]:
            said.append(f"GhostFace's channels times {self.width:g}.")
        for name, what in (("epochs", "epochs"), ("batch_size", "faces a step of GhostFace")):
            if getattr(self, name) != FULL[name]:
                said.append(f"{getattr(self, name)} {what} in the place of {FULL[name]}.")
        if self.learning_rate != FULL["learning_rate"]:
            said.append(
                f"A learning rate of {self.learning_rate:g} for GhostFace in the place of 0.1."
            )
        return said


def add_ghostface_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of these settings to the parser of a study.

    Args:
        parser: Parser of the study.
    """
    add = add_defaulted(parser, FULL)
    add("--train", type=int, metavar="N", help="train on so many of the training faces only")
    add("--size", type=int, help="height and width of the faces in pixels")
    add("--channels", type=int, choices=(1, 3), help="grey or colour, else as the data are")
    add("--width", type=float, help="multiplier of GhostFace's channels")
    add("--epochs", type=int, help="epochs at most")
    add("--batch-size", type=int, help="faces a step")
    add("--learning-rate", type=float, help="rate of SGD, before the first plateau")
