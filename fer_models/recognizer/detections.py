"""Results for the library supervision, which draws, counts and tracks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fer_models.recognizer.results import Expression, FrameResult

if TYPE_CHECKING:
    import supervision


def to_supervision(faces: Sequence[Expression] | FrameResult) -> "supervision.Detections":
    """Return the faces of a picture as a `supervision.Detections`.

    Args:
        faces: List of `Expression`, or the `FrameResult` of a video's frame.

    Returns:
        A `supervision.Detections`: `xyxy` in pixels, `confidence` (of the label), `class_id` (the
        label's place among the classes), `tracker_id` where the faces are tracked, and in `data`
        `class_name` and `score` (of the detector).

    Raises:
        ImportError: If supervision is not installed.
        ValueError: If `faces` is something else.

    Example:

    ```python
    import supervision as sv

    faces = recognizer.photo(photo)
    drawn = sv.BoxAnnotator().annotate(photo.copy(), to_supervision(faces))
    ```
    """
    try:
        import supervision
    except ImportError as error:
        raise ImportError(
            f"supervision cannot be imported ({error}). Run: pip install supervision"
        ) from error
    found = faces.faces if isinstance(faces, FrameResult) else faces
    if not isinstance(found, (list, tuple)) or not all(isinstance(f, Expression) for f in found):
        raise ValueError(
            "`faces` must be a list of Expressions, as `Recognizer.photo` gives, or a FrameResult. "
            f"Received: faces={faces!r}"
        )
    if not found:
        return supervision.Detections.empty()
    boxes = np.array([face.box for face in found], np.float32)
    boxes[:, 2:] += boxes[:, :2]
    tracks = [face.track for face in found]
    return supervision.Detections(
        xyxy=boxes,
        confidence=np.array([face.confidence for face in found], np.float32),
        class_id=np.array([list(face.probabilities).index(face.label) for face in found]),
        tracker_id=None if None in tracks else np.array(tracks),
        data={
            "class_name": np.array([face.label for face in found]),
            "score": np.array([face.score for face in found], np.float32),
        },
    )
