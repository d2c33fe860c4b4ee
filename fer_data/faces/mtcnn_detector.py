"""MTCNN as a detector."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from fer_data.checks import check_integer, check_number
from fer_data.compiled.lite_runner import threads_for_a_picture
from fer_data.faces.base import Detector
from fer_data.faces.compiled_mtcnn import PROCESSOR, networks
from fer_data.faces.face import Face
from fer_data.faces.image import as_rgb
from fer_data.faces.mtcnn_cascade import Cascade


class MtcnnDetector(Detector):
    """MTCNN with the weights of the wheel `mtcnn`, MIT licence; see `fer_data.faces.detector`."""

    name = "mtcnn"

    def __init__(
        self,
        *,
        min_score: float = 0.8,
        working_size: int | None = 640,
        batch_size: int = 16,
        proposal_scores: tuple[float, float] = (0.6, 0.7),
        device: str = PROCESSOR,
        **options: Any,
    ) -> None:
        super().__init__(min_score=min_score, working_size=working_size, **options)
        check_number("min_score", min_score, 0, 1)
        check_integer("batch_size", batch_size, 1)
        if np.shape(proposal_scores) != (2,):
            raise ValueError(
                "`proposal_scores` must be two numbers, for the first and the second network. "
                f"Received: proposal_scores={proposal_scores!r}"
            )
        for score in proposal_scores:
            check_number("proposal_scores", score, 0, 1)
        self.batch_size = batch_size
        self.proposal_scores = tuple(proposal_scores)
        threads = threads_for_a_picture() if device == PROCESSOR else 1
        propose, refine, confirm = networks(device)
        self._cascade = Cascade(propose, refine, confirm, threads)

    def follow(
        self,
        image: str | os.PathLike[str] | np.ndarray,
        boxes: Sequence[Sequence[float]] | np.ndarray,
    ) -> list[Face]:
        """Look for known faces only near their last boxes, many times faster.

        Only the second and the third network look at the boxes, as if the first had proposed them.

        Args:
            image: A file's name or an array in RGB order, as for `fer_data.faces.as_rgb`.
            boxes: `(x, y, width, height)` of each known face in pixels of the picture, which may
                reach out of it.

        Returns:
            A list of `Face`, the most certain first; faces that have gone are left out.
        """
        picture = as_rgb(image)
        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        if not len(boxes):
            return []
        small = self._shrink(picture)
        scale = np.tile(np.array(small.shape[1::-1]) / picture.shape[1::-1], 2)
        middle, side = boxes[:, :2] + boxes[:, 2:] / 2, boxes[:, 2:].max(1, keepdims=True)
        squares = np.concatenate([middle - side / 2, middle + side / 2], 1) * scale
        rows = self._cascade.follow(small, squares, (self.proposal_scores[1], self.min_score))
        found = [_found(row) for row in rows]
        return self._finish(found, picture.shape, small.shape)

    def _find(self, pictures):
        by_shape = {}
        for place, picture in enumerate(pictures):
            by_shape.setdefault(picture.shape, []).append(place)
        scores = (*self.proposal_scores, self.min_score)
        found = [[] for _ in pictures]
        for places in by_shape.values():
            for start in range(0, len(places), self.batch_size):
                batch = places[start : start + self.batch_size]
                several = self._cascade.detect([pictures[place] for place in batch], scores)
                for place, rows in zip(batch, several, strict=True):
                    found[place] = [_found(row) for row in rows]
        return found


def _found(row):
    """Return box, score and points of a row of the cascade."""
    box = np.concatenate([row[:2], row[2:4] - row[:2]])
    return box, row[4], row[5:].reshape(2, 5).T
