"""A network of clips, from windows of faces to probabilities."""

import numpy as np

from fer_data.checks import check_integer
from fer_data.labels import MICRO_EXPRESSION_CLASSES
from fer_data.pipelines.clips import REGIONS, clip_inputs, fixed_clip
from fer_models.zoo.loading import load_model

HOW_TO = "Train one: `fer train-clips --keep-models` leaves a model.keras of every fold"


class ClipNetwork:
    """Brings windows to what a network of clips takes, and calls it in batches of one size.

    Args:
        model: A `keras.Model`, or what `fer_models.load_model` takes, such as the path of a
            `.keras` file. It takes one, two or three clips
            `(batch, frames, size, size, 1 or 3)`, the regions of
            `fer_data.pipelines.clips.REGIONS` in their order, and gives `(batch, classes)`
            probabilities.
        class_names: Names of the classes; `None` for those that its file holds, else negative,
            positive, surprise.
        motion: Whether it was trained on clips minus their first frame.
        batch_size: Windows that go through the network together.

    Attributes:
        model: The `keras.Model`.
        frames, size, channels: Of the clips that it takes.
        regions: How many of them it takes, 1, 2 or 3.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the model is none of clips, or an argument is out of its range.
    """

    def __init__(self, model, class_names=None, motion=True, batch_size=16):
        check_integer("batch_size", batch_size, 1)
        if not isinstance(motion, bool):
            raise ValueError(f"`motion` must be True or False. Received: motion={motion!r}")
        self.model, known = _loaded(model)
        shapes = [tuple(tensor.shape[1:]) for tensor in getattr(self.model, "inputs", None) or []]
        if not _are_clips(shapes):
            raise ValueError(
                "`model` must be a model of clips: one, two or three inputs of one shape (frames, "
                "size, size, 1 or 3), two frames or more, the size even. "
                f"Received: inputs {shapes}. {HOW_TO}."
            )
        self.regions = len(shapes)
        self.frames, self.size, _, self.channels = shapes[0]
        self.motion, self.batch_size = motion, batch_size
        found = self._called(np.zeros((1, *self._face()), np.uint8))
        if found.ndim != 2 or not (found >= 0).all() or abs(found[0].sum() - 1) > 1e-3:
            raise ValueError(
                "`model` must give probabilities (batch, classes), as a softmax does. "
                f"Received: shape={found.shape}, {found[0].round(3).tolist()} for clips of zeros"
            )
        self.class_names = _names(class_names or known, found.shape[1])

    def clip(self, faces, numbers=None):
        """Bring a clip to the network's frames and size.

        Args:
            faces: uint8 `(frames, side, side, 1 or 3)`, aligned, of any length.
            numbers: `(frames,)`, rising, or `None` where no frame is missing.

        Returns:
            uint8 `(frames, 2 * size, 2 * size, channels)`: the face, in one piece still.
        """
        clip = fixed_clip(
            faces, numbers, frames=self.frames, size=self.size, channels=self.channels
        )
        return clip.numpy()

    def __call__(self, clips):
        """Return float32 probabilities `(n, classes)` of clips `(n, frames, side, side, c)`."""
        parts = [
            self._called(np.stack(clips[start : start + self.batch_size]))
            for start in range(0, len(clips), self.batch_size)
        ]
        return np.concatenate([np.zeros((0, len(self.class_names)), np.float32), *parts])

    def _face(self):
        return self.frames, 2 * self.size, 2 * self.size, self.channels

    def _called(self, clips):
        count = len(clips)
        # Every other number of clips would compile anew.
        room = np.zeros((self.batch_size - count, *clips.shape[1:]), clips.dtype)
        inputs = clip_inputs(
            np.concatenate([clips, room]), size=self.size, regions=self.regions, motion=self.motion
        )
        inputs = [part.numpy() for part in inputs] if self.regions > 1 else inputs.numpy()
        return np.asarray(self.model.predict_on_batch(inputs), np.float32)[:count]


def _loaded(model):
    """Return a model, and the names of its classes where its file holds them."""
    try:
        return load_model(model)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error} {HOW_TO}.") from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"`model` cannot be loaded: {error} {HOW_TO}.") from error


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
