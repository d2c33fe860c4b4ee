"""A network of clips, applied to windows of faces."""

import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from fer_data.checks import check_choice, check_integer
from fer_data.faces.regions import CUTS
from fer_data.labels import MICRO_EXPRESSION_CLASSES
from fer_data.pipelines.clips import REGIONS, clip_inputs, fixed_clip, fixed_landmarks
from fer_models.zoo import class_names as model_files
from fer_models.zoo.float32_copy import float32_copy
from fer_models.zoo.loading import load_model

if TYPE_CHECKING:
    import keras

HOW_TO = "Train one: `fer train-clips --keep-models` leaves a model.keras of every fold"


class ClipNetwork:
    """Prepares windows for a network of clips, and calls it in batches of one size.

    Args:
        model: A `keras.Model`, or a name for `fer_models.load_model`, such as the path of a
            `.keras` file. It takes one, two or three clips `(batch, frames, size, size, 1 or 3)`,
            the regions of `fer_data.pipelines.clips.REGIONS` in their order, and gives
            `(batch, classes)` probabilities.
        class_names: Names of the classes; `None` for those that its file holds, else negative,
            positive, surprise.
        motion: Whether it was trained on clips minus their first frame, not on grey levels. `None`
            takes that from the file; if it does not say so, True, with a warning.
        batch_size: Windows that go through the network together.
        region_cut: `"landmarks"` or `"grid"`, the regions that it was trained on. `None` takes them
            from the file; if it does not name them, the grid, with a warning.

    Attributes:
        model: The `keras.Model`; of one of half precision, its copy in float32, as
            `fer_models.zoo.float32_copy` makes it.
        frames, size, channels: Shape of its input clips.
        regions: Number of its input clips, 1, 2 or 3.
        motion: Whether the first frame is subtracted from its clips.
        region_cut: `"landmarks"` or `"grid"`; `None` for a network of one region, which is the
            whole face.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the model does not take clips, an argument is out of its range, or
            `motion` or `region_cut` differs from that in its file.
    """

    def __init__(
        self,
        model: "str | os.PathLike[str] | keras.Model",
        class_names: Sequence[str] | None = None,
        motion: bool | None = None,
        batch_size: int = 16,
        region_cut: str | None = None,
    ) -> None:
        check_integer("batch_size", batch_size, 1)
        if motion is not None and not isinstance(motion, bool):
            raise ValueError(f"`motion` must be True, False or None. Received: motion={motion!r}")
        check_choice("region_cut", region_cut, (None, *CUTS))
        self.model, known = _loaded(model)
        shapes = [tuple(tensor.shape[1:]) for tensor in getattr(self.model, "inputs", None) or []]
        if not _are_clips(shapes):
            raise ValueError(
                "`model` must be a model of clips: one, two or three inputs of one shape (frames, "
                "size, size, 1 or 3), two frames or more, the size even. "
                f"Received: inputs {shapes}. {HOW_TO}."
            )
        self.model = float32_copy(self.model)
        self.regions = len(shapes)
        self.frames, self.size, _, self.channels = shapes[0]
        self.batch_size = batch_size
        is_file = isinstance(model, (str, os.PathLike)) and os.path.isfile(model)
        trained = model_files.read_about(model) if is_file else {}
        self.motion = _motion(motion, trained.get("motion"))
        self.region_cut = None
        if self.regions > 1:
            self.region_cut = _region_cut(region_cut, trained.get("region_cut"))
        found = self._called(np.zeros((1, *self._face()), np.uint8), np.zeros((1, 68, 2)))
        if found.ndim != 2 or not (found >= 0).all() or abs(found[0].sum() - 1) > 1e-3:
            raise ValueError(
                "`model` must give probabilities (batch, classes), as a softmax does. "
                f"Received: shape={found.shape}, {found[0].round(3).tolist()} for clips of zeros"
            )
        self.class_names = _names(class_names or known, found.shape[1])

    def clip(self, faces: np.ndarray, numbers: ArrayLike | None = None) -> np.ndarray:
        """Bring a clip to the network's frames and size.

        Args:
            faces: uint8 `(frames, side, side, 1 or 3)`, aligned, of any length.
            numbers: `(frames,)`, rising, or `None` where no frame is missing.

        Returns:
            uint8 `(frames, 2 * size, 2 * size, channels)`: the face, not yet cut into regions.
        """
        clip = fixed_clip(
            faces, numbers, frames=self.frames, size=self.size, channels=self.channels
        )
        return clip.numpy()

    def landmarks(self, landmarks: ArrayLike, side: int) -> np.ndarray:
        """Bring landmarks to the size of the network's faces.

        Args:
            landmarks: `(68, 2)` of a clip's first frame, in pixels of its aligned faces.
            side: Side of those faces.

        Returns:
            Float32 `(68, 2)`, in pixels of what `clip` returns.
        """
        return fixed_landmarks(landmarks, side, size=self.size).numpy().astype(np.float32)

    def __call__(self, clips: Any, landmarks: Any = None) -> np.ndarray:
        """Return the probabilities of clips.

        Args:
            clips: `(n, frames, 2 * size, 2 * size, channels)`, as `clip` makes them.
            landmarks: `(n, 68, 2)`, as `landmarks` gives them; needed where the network's regions
                follow them, and of no effect elsewhere.

        Returns:
            Float32 `(n, classes)`.

        Raises:
            ValueError: If landmarks are missing, or there are not as many as clips.
        """
        if self.region_cut == "landmarks" and (landmarks is None or len(landmarks) != len(clips)):
            raise ValueError(
                "`landmarks` must be given for each clip: this network's regions follow them. "
                f"Received: {'none' if landmarks is None else len(landmarks)} for {len(clips)} "
                "clips"
            )
        parts = []
        for start in range(0, len(clips), self.batch_size):
            some = slice(start, start + self.batch_size)
            points = None if landmarks is None else np.stack(landmarks[some])
            parts.append(self._called(np.stack(clips[some]), points))
        return np.concatenate([np.zeros((0, len(self.class_names)), np.float32), *parts])

    def _face(self):
        return self.frames, 2 * self.size, 2 * self.size, self.channels

    def inputs(
        self, clips: np.ndarray, landmarks: ArrayLike | None = None, motion: bool | None = None
    ) -> list[np.ndarray]:
        """Return the network's inputs for clips, as a list of arrays, one for each region.

        Args:
            clips: As for a call of the network.
            landmarks: As for a call of the network.
            motion: Whether to subtract the first frame; `None` for what the network takes.
        """
        inputs = clip_inputs(
            clips,
            size=self.size,
            regions=self.regions,
            motion=self.motion if motion is None else motion,
            landmarks=landmarks if self.region_cut == "landmarks" else None,
        )
        return [part.numpy() for part in (inputs if self.regions > 1 else (inputs,))]

    def _called(self, clips, landmarks):
        count = len(clips)
        # Every other number of clips would compile anew.
        room = self.batch_size - count
        clips = np.concatenate([clips, np.zeros((room, *clips.shape[1:]), clips.dtype)])
        if landmarks is not None:
            landmarks = np.concatenate([landmarks, np.zeros((room, 68, 2), landmarks.dtype)])
        inputs = self.inputs(clips, landmarks)
        inputs = inputs if self.regions > 1 else inputs[0]
        return np.asarray(self.model.predict_on_batch(inputs), np.float32)[:count]


def _loaded(model):
    """Return a model, and the names of its classes where its file holds them."""
    try:
        return load_model(model)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error} {HOW_TO}.") from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"`model` cannot be loaded: {error} {HOW_TO}.") from error


def _motion(given, recorded):
    """Return whether the network was trained on motion: by the file, else by the argument."""
    if None not in (recorded, given) and recorded != given:
        raise ValueError(
            f"`motion` must be {recorded!r}, which the network was trained with, as its file says "
            f"(--raw is for networks of grey levels). Received: motion={given!r}"
        )
    if recorded is None and given is None:
        warnings.warn(
            "It is unknown whether this network was trained on motion or on grey levels. It gets "
            "motion, clips minus their first frame, as `fer train-clips` gives by default. Say "
            "which: motion=True or False (--no-raw or --raw)",
            stacklevel=3,
        )
        return True
    return given if recorded is None else recorded


def _region_cut(given, recorded):
    """Return how the regions were cut in training: by the file, else by the argument."""
    if recorded is None and given is None:
        warnings.warn(
            "It is unknown which regions this network was trained on. It gets "
            "those of the fixed grid, as networks from before regions could follow the landmarks. "
            "Name the regions: region_cut='landmarks' or 'grid' (--regions)",
            stacklevel=3,
        )
        return "grid"
    if None not in (recorded, given) and recorded != given:
        raise ValueError(
            f"`region_cut` must be {recorded!r}, which the network was trained with, as its file "
            f"says. Received: region_cut={given!r}"
        )
    return given or recorded


def _are_clips(shapes):
    return (
        len(shapes) in REGIONS
        and len(set(shapes)) == 1
        and len(shapes[0]) == 4
        and None not in shapes[0]
        and shapes[0][0] >= 2
        and shapes[0][1] == shapes[0][2]
        and shapes[0][1] % 2 == 0
        and shapes[0][3] in (1, 3)
    )


def _names(given, classes):
    names = MICRO_EXPRESSION_CLASSES if given is None else tuple(given)
    if len(names) != classes or len(set(names)) != classes:
        raise ValueError(
            f"`class_names` must be {classes} different names, one for each of the network's "
            f"outputs; without them they are {MICRO_EXPRESSION_CLASSES}. "
            f"Received: class_names={given!r}"
        )
    return names
