"""MTCNN, from the wheel of that name."""

import contextlib

import numpy as np

from fer_data.checks import check_choice, check_integer, check_number
from fer_data.faces.base import Detector
from fer_data.faces.image import as_rgb


class MtcnnDetector(Detector):
    """MTCNN, whose weights are in its wheel, MIT licence; see `fer_data.faces.detector`."""

    name = "mtcnn"

    def __init__(
        self,
        *,
        min_score=0.8,
        working_size=640,
        batch_size=16,
        proposal_scores=(0.6, 0.7),
        device="CPU:0",
        **options,
    ):
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
        self._network = _build(device)

    def follow(self, image, boxes):
        """Look for known faces only near their last boxes, many times faster.

        The second and the third network alone look at the boxes, as at proposals of the first.

        Args:
            image: a file's name or an array in RGB order, as for `fer_data.faces.as_rgb`.
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
        # As the first network leaves its proposals: number of the picture, box, score.
        rows = np.concatenate([np.zeros_like(side), squares, np.ones_like(side)], 1)
        pictures = (small[None].astype(np.float32) - 127.5) / 128
        scores = {"threshold_rnet": self.proposal_scores[1], "threshold_onet": self.min_score}
        for stage in self._network.stages[1:]:
            if len(rows):
                rows = stage(images_normalized=pictures, bboxes_batch=rows, **scores)
        found = [
            (np.concatenate([row[1:3], row[3:5] - row[1:3]]), row[5], row[6:].reshape(2, 5).T)
            for row in rows
        ]
        return self._finish(found, picture.shape, small.shape)

    def _find(self, pictures):
        # The wheel takes pictures of several sizes in one batch, but then moves the boxes of one
        # picture by another's padding as soon as one of them has no face.
        by_shape = {}
        for place, picture in enumerate(pictures):
            by_shape.setdefault(picture.shape, []).append(place)
        found = [[] for _ in pictures]
        for places in by_shape.values():
            for start in range(0, len(places), self.batch_size):
                batch = places[start : start + self.batch_size]
                for row in self._rows([pictures[place] for place in batch]):
                    points = np.stack([row[6:11], row[11:16]], axis=-1)
                    found[batch[int(row[0])]].append((row[1:5], row[5], points))
        return found

    def _rows(self, pictures):
        # Its dictionaries hold rounded numbers, its arrays exact ones. The smallest face stays at
        # its default of 20 pixels: with a larger one its pyramid gets pictures smaller than the
        # first network's window, and it takes that failure for "no faces".
        first, second = self.proposal_scores
        return self._network.detect_faces(
            pictures,
            output_type="numpy",
            postprocess=False,
            threshold_pnet=first,
            threshold_rnet=second,
            threshold_onet=self.min_score,
        )


def _build(device):
    import keras

    if keras.config.backend() != "tensorflow":
        raise RuntimeError(
            "The detector 'mtcnn' runs on Keras's TensorFlow backend only; 'retinaface' runs on "
            f"any, 'yunet' without Keras. Received: backend={keras.config.backend()!r}"
        )
    try:
        from mtcnn import MTCNN
    except ImportError as error:
        raise ImportError(
            f'mtcnn cannot be imported ({error}). Run: pip install "fer-keras[faces]"'
        ) from error
    _check_device(device)
    from fer_data.faces.compiled_mtcnn import compile_stages

    with _default_settings(keras.config):
        return compile_stages(MTCNN(device=device), on_cpu=device.startswith("CPU"))


def _check_device(device):
    import tensorflow as tf

    # TensorFlow would put the work on another device and say nothing.
    there = [each.name.removeprefix("/device:") for each in tf.config.list_logical_devices()]
    check_choice("device", device, there)


@contextlib.contextmanager
def _default_settings(config):
    # Its networks are built with the settings of the moment, and know no others than these.
    policy, data_format = config.dtype_policy(), config.image_data_format()
    config.set_dtype_policy("float32")
    config.set_image_data_format("channels_last")
    try:
        yield
    finally:
        config.set_dtype_policy(policy)
        config.set_image_data_format(data_format)
