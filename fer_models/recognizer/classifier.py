"""From faces of any size to the probabilities of a network."""

import numpy as np
from numpy.typing import ArrayLike

from fer_data.checks import as_array, checked_finite
from fer_data.faces.cut import as_channels, resized
from fer_models.runtime.face_network import FaceNetwork
from fer_models.zoo.class_shares import shift_class_shares


class Classifier:
    """Calls a network for faces as they come: any number, of any size, grey or RGB.

    Args:
        network: A `FaceNetwork`.
        batch_size: Faces that go through the network together, at most.
        flip: Whether to take the mean with the mirrored face.
        shares: Shares of the classes `(known, wanted)`, as `fer_models.evaluation`'s
            `shift_class_shares` takes them; None to leave the probabilities as they are.

    Raises:
        ValueError: If the network does not end in probabilities.
    """

    def __init__(
        self,
        network: FaceNetwork,
        batch_size: int = 32,
        flip: bool = False,
        shares: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> None:
        self.size, self.channels = network.size, network.channels
        self.classes = network.classes
        self._width = network.classes + (2 if network.valence_arousal else 0)
        self.batch_size = batch_size
        self._network, self._flip, self._shares = network, flip, shares
        grey = np.full((1, self.size, self.size, self.channels), 128, np.float32)
        found = self._run(grey)[:, : self.classes]
        if not (found >= 0).all() or abs(found.sum() - 1) > 1e-3:
            raise ValueError(
                "The model must end in probabilities, as a softmax gives them; build it with "
                f"classifier_activation='softmax'. Received: outputs {found[0].round(3).tolist()} "
                "for a grey picture"
            )

    def __call__(self, crops: ArrayLike) -> np.ndarray:
        """Return float32 probabilities `(n, classes)` of faces `(n, s, s, 1 or 3)` in [0, 255].

        Faces of another size or number of channels are brought to the network's, as in
        `fer_data.faces.cut`.
        """
        return self.rows(crops)[:, : self.classes]

    def rows(self, crops: ArrayLike) -> np.ndarray:
        """Return all that the network gives for faces, with a row for each face.

        Args:
            crops: As for a call.

        Returns:
            float32 `(n, classes)`, or `(n, classes + 2)` with valence and arousal behind the
            probabilities, if the network gives them.
        """
        crops = as_array("crops", crops)
        if crops.ndim != 4 or crops.shape[1] != crops.shape[2] or crops.shape[3] not in (1, 3):
            raise ValueError(
                "`crops` must have the shape (faces, size, size, 1 or 3). "
                f"Received: shape={crops.shape}"
            )
        if crops.dtype != np.uint8 and not np.issubdtype(crops.dtype, np.floating):
            raise ValueError(f"`crops` must be uint8 or float. Received: dtype={crops.dtype}")
        if 0 in crops.shape[1:]:
            raise ValueError(f"`crops` must not be of size 0. Received: shape={crops.shape}")
        checked_finite("crops", crops)
        faces = as_channels(crops, self.channels)
        if len(faces) and faces.shape[1] != self.size:
            faces = np.stack([resized(face, self.size) for face in faces])
        parts = [
            self._run(faces[start : start + self.batch_size])
            for start in range(0, len(faces), self.batch_size)
        ]
        found = np.concatenate([np.zeros((0, self._width), np.float32), *parts])
        if self._shares is not None and len(found):
            answers = found[:, : self.classes]
            found[:, : self.classes] = shift_class_shares(answers, *self._shares)
        return found

    def _run(self, faces):
        if not self._flip:
            return np.asarray(self._network.run(faces))
        both = np.asarray(self._network.run(np.concatenate([faces, faces[:, :, ::-1]])))
        return (both[: len(faces)] + both[len(faces) :]) / 2
