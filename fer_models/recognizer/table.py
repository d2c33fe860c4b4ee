"""Results as a table."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fer_models.recognizer.results import Expression, FrameResult

if TYPE_CHECKING:
    import pandas

COLUMNS = (
    *("source", "frame", "timestamp", "track"),
    *("x", "y", "width", "height", "score", "label", "confidence"),
)
Results = Iterable[FrameResult | Expression | list[Expression]] | Mapping[Any, Sequence[Expression]]


def table(results: Results, class_names: Sequence[str] = ()) -> "pandas.DataFrame":
    """Return results as a `pandas.DataFrame`, one row a face.

    Args:
        results: `FrameResult`s, as from `Recognizer.video`; or lists of `Expression`, as from
            `Recognizer.photos`, or a dictionary of such lists by their pictures' names; or the
            one list of a photo.
        class_names: Names of the classes, `recognizer.class_names`: they have their columns even
            if no face was found.

    Returns:
        A `pandas.DataFrame` with the columns `source` (the name or number of the picture, none in
        a video), `frame` (number in the video, none for photos), `timestamp`, `track`, `x`, `y`,
        `width`, `height`, `score`, `label`, `confidence`, and one for each class's probability.
        Pictures without a face have no row.

    Raises:
        ImportError: If pandas is not installed.
        ValueError: If the results are something else.

    Example:

    >>> face = Expression((4.0, 2.0, 30.0, 40.0), 0.9, {"happy": 0.8, "sad": 0.2}, "happy", 0.8)
    >>> table({"party.jpg": [face]})[["source", "label", "happy"]].values.tolist()
    [['party.jpg', 'happy', 0.8]]
    """
    try:
        import pandas
    except ImportError as error:
        raise ImportError("A table needs pandas. Run: pip install pandas") from error
    found = list(rows(results))
    columns = list(found[0]) if found else [*COLUMNS, *class_names]
    frame = pandas.DataFrame(found, columns=columns)
    return frame.astype({"frame": "Int64", "track": "Int64", "timestamp": "float64"})


def rows(results: Results) -> Iterator[dict[str, Any]]:
    """Yield a dictionary for each face, with the columns of `table` as keys.

    Args:
        results: As for `table`.

    Raises:
        ValueError: If the results are something else.

    Example:

    >>> face = Expression((4.0, 2.0, 30.0, 40.0), 0.9, {"happy": 0.8, "sad": 0.2}, "happy", 0.8)
    >>> [(row["source"], row["x"], row["sad"]) for row in rows({"party.jpg": [face]})]
    [('party.jpg', 4.0, 0.2)]
    """
    for source, frame, faces in _groups(results):
        for face in faces:
            yield _row(source, frame, face)


def _groups(results):
    """Yield `(source, frame number, faces)` of each picture."""
    if isinstance(results, Mapping):
        for source, faces in results.items():
            yield source, None, _checked(faces)
        return
    results = iter(results)
    first = list(itertools.islice(results, 1))
    # One after the other: each frame of a video holds its picture.
    results = itertools.chain(first, results)
    if first and isinstance(first[0], Expression):
        results = [list(results)]
    for place, result in enumerate(results):
        if isinstance(result, FrameResult):
            yield None, result.number, result.faces
        else:
            yield place, None, _checked(result)


def _checked(faces):
    if not isinstance(faces, (list, tuple)) or not all(isinstance(f, Expression) for f in faces):
        raise ValueError(
            "`results` must be FrameResults, or lists of Expressions, or a dictionary of such "
            f"lists. Received: {faces!r} among them"
        )
    return faces


def _row(source, frame, face):
    x, y, width, height = face.box
    values = (source, frame, face.timestamp, face.track, x, y, width, height)
    values += (face.score, face.label, face.confidence)
    return dict(zip(COLUMNS, values, strict=True)) | face.probabilities
