"""The settings that all studies of the micro-expression dissertation have: clips and network."""

import argparse
import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fer_data.checks import check_choice, check_integer
from fer_models.cli.train import option
from fer_models.studies.study_options import Several, add_defaulted
from fer_models.training.ha3dnet_published import SPLITS, TITLES, best_scenario

if TYPE_CHECKING:
    from fer_models.training.clip_settings import ClipSettings

# As `fer_models.training` has them, whose imports are heavy.
SYNTHETIC, LOSO = "synthetic", "loso"
DATA = Several((SYNTHETIC, *TITLES))
PROTOCOLS = (*SPLITS, LOSO)
CUTS = ("landmarks", "grid")
FULL: dict[str, Any] = {
    "seeds": 3,
    "protocols": PROTOCOLS,
    "batch_size": None,
    "epochs": None,
    "frames": None,
    "size": None,
    "channels": None,
    "regions": "landmarks",
    "subjects": None,
    "clips": None,
}
QUICK: dict[str, Any] = {
    "seeds": 2,
    "batch_size": (8,),
    "epochs": (2,),
    "frames": 6,
    "size": 16,
    "subjects": 5,
    "clips": 2,
}
QUICK_MODEL = {"filters": 4, "head": "grid", "dense_units": 16}
# What does not decide a training, or stands in the name of its folder.
NOT_COMPARED = ("data", "path", "seeds", "protocols", "batch_size", "epochs")


def add_clip_options(
    parser: argparse.ArgumentParser,
    full: Mapping[str, Any],
    *,
    several: bool = False,
    batch_and_epochs: str = "default: those of the dissertation's best scenario",
) -> None:
    """Add the options of `ClipStudySettings`.

    Args:
        parser: Parser of the study.
        full: Defaults of a whole study.
        several: Whether several batch sizes and epochs may be given.
        batch_and_epochs: Where these come from if they are not given.
    """
    add, many = add_defaulted(parser, full), {"nargs": "+"} if several else {"nargs": 1}
    if "protocols" in full:
        add("--protocols", nargs="+", choices=PROTOCOLS, help="which to train")
    add("--batch-size", type=int, metavar="N", **many, help=f"clips a step ({batch_and_epochs})")
    add("--epochs", type=int, metavar="N", **many, help="likewise")
    add("--frames", type=int, help="frames of every clip (default: 16; drawn: 10)")
    add("--size", type=int, help="side of a region, half of the face (default: 64; drawn: 32)")
    add("--channels", type=int, choices=(1, 3), help="grey or colour (default: 3; drawn: 1)")
    add("--regions", choices=CUTS, help="following the landmarks, or a fixed grid")
    add("--subjects", type=int, help="drawn people")
    add("--clips", type=int, help="clips of each drawn person and class")
    for flag, words in (
        ("--data-options", "of the builders: pictures=raw, or of one: casme2.pictures=raw"),
        ("--model-options", "arguments of the network: filters=16 dropout=0.3"),
    ):
        parser.add_argument(
            flag,
            nargs="+",
            action="extend",
            type=option,
            metavar="NAME=VALUE",
            default=[],
            help=words,
        )


def given_options(args: argparse.Namespace, quick_model: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a command line that are not among the defaulted ones.

    Args:
        args: The parsed arguments.
        quick_model: Arguments of the network of a quick study.
    """
    return {
        "data": args.data,
        "path": args.path,
        "data_options": dict(args.data_options),
        "model_options": {**(quick_model if args.quick else {}), **dict(args.model_options)},
    }


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipStudySettings:
    """Settings of a study on micro-expressions.

    None means the dissertation's value, or for drawn people a small one.

    Attributes:
        data: Names of `DATA`, one or more; each is a table of its own.
        path: Folder or archive of each, in the same order; None for `"synthetic"`.
        data_options: Arguments of the builders: `pictures` of all, `casme2.pictures` of one.
            If nothing else is given, CAS(ME)^2 has the dissertation's classes, its own three, and
            CASME II the owners' cropped faces, as in the dissertation.
        model_options: Arguments of the networks.
        seeds: How often everything is trained; also of the random splits.
        protocols: Names of `PROTOCOLS`.
        batch_size: Clips a step; None for the dissertation's.
        epochs: Epochs; None for the dissertation's.
        frames: Frames of every clip.
        size: Height and width of a region, half of the face's.
        channels: 1 for grey, 3 for colour.
        regions: `"landmarks"` or `"grid"`.
        subjects: Drawn people.
        clips: Clips of each drawn person and class.

    Raises:
        ValueError: If a setting breaks its rule.

    Example:

    >>> settings = ClipStudySettings(data=("casme2", "smic_hs"), path=("CASME2", "SMIC"))
    >>> settings.batch_and_epochs("casme2", "80-10-10")
    (64, 128)
    """

    data: Sequence[str] | str = (SYNTHETIC,)
    path: Sequence[str | os.PathLike[str]] | str | os.PathLike[str] | None = None
    data_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    model_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    seeds: int = FULL["seeds"]
    protocols: Sequence[str] = PROTOCOLS
    batch_size: Sequence[int] | None = None
    epochs: Sequence[int] | None = None
    frames: int | None = None
    size: int | None = None
    channels: int | None = None
    regions: str = "landmarks"
    subjects: int | None = None
    clips: int | None = None

    def __post_init__(self) -> None:
        for name in ("data", "path"):
            value = getattr(self, name)
            if isinstance(value, (str, os.PathLike)):
                object.__setattr__(self, name, (value,))
        for name in self.data:
            check_choice("data", name, tuple(DATA))
        if not self.data or len(set(self.data)) < len(self.data):
            raise ValueError(f"`data` must name different sets. Received: {' '.join(self.data)}")
        if SYNTHETIC in self.data and len(self.data) > 1:
            raise ValueError(
                "`data` names no others beside 'synthetic': drawn people are not real. "
                f"Received: data={' '.join(self.data)}"
            )
        paths = len(self.path or ())  # type: ignore[arg-type]
        if paths != len([name for name in self.data if name != SYNTHETIC]):
            raise ValueError(
                "`path` must name a folder or archive for each real data set, in their order. "
                f"Received: data={' '.join(self.data)}, and {paths} of `path`"
            )
        check_integer("seeds", self.seeds, 1)
        for name, known in (("protocols", PROTOCOLS), ("batch_size", None), ("epochs", None)):
            values = getattr(self, name)
            if values is None:
                continue
            for value in values:
                if known:
                    check_choice(name, value, known)
                else:
                    check_integer(name, value, 1)
            if not values or len(set(values)) < len(values):
                raise ValueError(f"`{name}` must be different values. Received: {tuple(values)}")
        for name in self.data:
            # Its rules, before anything is read.
            self.clip_settings(name)

    def clip_settings(self, name: str, **changes: Any) -> "ClipSettings":
        """Return how the networks of a data set are trained, but for protocol, batch and epochs.

        Args:
            name: Of the data set.
            **changes: Other settings of `ClipSettings`.
        """
        from fer_models.training.clip_settings import ClipSettings

        path = None if name == SYNTHETIC else (self.path[list(self.data).index(name)],)  # type: ignore[index]
        own = ("frames", "size", "channels", "regions", "subjects", "clips", "model_options")
        settings = {
            **{each: getattr(self, each) for each in own},
            "data": (name,),
            "path": path,
            "data_options": self._all_data_options(),
        }
        return ClipSettings(**{**settings, **changes})

    def default_data_options(self) -> dict[str, Any]:
        """Return the default arguments of the builders."""
        # As `clip_scenarios.SET_OPTIONS` has them, whose imports are heavy.
        return {"cas_me2.classes": "own", "casme2.pictures": "cropped"}

    def _all_data_options(self):
        # An option that is given for all sets holds for each of them.
        defaults = {
            name: value
            for name, value in self.default_data_options().items()
            if name.rpartition(".")[2] not in self.data_options
        }
        return {**defaults, **self.data_options}

    def batch_and_epochs(self, name: str, protocol: str) -> tuple[int, int]:
        """Return batch size and epochs of a single scenario.

        Those given; else those of the dissertation's best scenario of the data set and the split,
        where people are left out those of 80:10:10; else those of a small training.

        Args:
            name: Of the data set.
            protocol: A name of `PROTOCOLS`.

        Raises:
            ValueError: If several were given, which only `ha3dnet-table-1` trains.
        """
        for setting in ("batch_size", "epochs"):
            given = getattr(self, setting)
            if given is not None and len(given) > 1:
                raise ValueError(
                    f"`{setting}` must be one value here, such as ({given[0]},): only "
                    f"ha3dnet-table-1 takes several. Received: {setting}={tuple(given)}"
                )
        if name == SYNTHETIC:
            small = self.clip_settings(name)
            batch_size, epochs = small.batch_size, small.epochs
        else:
            split = protocol if protocol in SPLITS else SPLITS[0]
            batch_size, epochs = best_scenario(name, split)
        return (self.batch_size or (batch_size,))[0], (self.epochs or (epochs,))[0]  # type: ignore[return-value]

    def compared(self) -> dict[str, Any]:
        """Return what decides the trainings of a folder, of JSON's types."""
        content = dataclasses.asdict(self)
        return {name: value for name, value in content.items() if name not in NOT_COMPARED}


def title(name: str) -> str:
    """Return what a table calls a data set.

    Args:
        name: A name of `DATA`.
    """
    return TITLES.get(name, "drawn people")
