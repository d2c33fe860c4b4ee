"""Results as a table."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from fer_data import arguments
from fer_data.checks import check_choice, check_sequence
from fer_models.recognizer.results import Expression, FrameResult

if TYPE_CHECKING:
    import pandas

COLUMNS = (
    *("source", "frame", "timestamp", "track"),
    *("x", "y", "width", "height", "score", "label", "confidence"),
    *("yaw", "pitch", "roll"),
    *("answer", "set", "quality", "sharpness", "face_size"),
    *("valence", "arousal"),
)
# Those that may be empty.
NUMBERS = ("timestamp", "yaw", "pitch", "roll", "sharpness", "face_size", "valence", "arousal")
# The names that py-feat has for the classes; others keep their own.
_FEAT_CLASSES = {"angry": "anger", "happy": "happiness", "sad": "sadness"}
_FEAT_COLUMNS = (
    *("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore"),
    *("Pitch", "Roll", "Yaw"),
)
Results = Iterable[FrameResult | Expression | list[Expression]] | Mapping[Any, Sequence[Expression]]


@arguments.checked(class_names=arguments.sequence(arguments.scalar), style=arguments.text)
def table(
    results: Results,
    class_names: Sequence[str] = (),
    *,
    style: Literal["fer", "py-feat"] = "fer",
) -> "pandas.DataFrame":
    """Return results as a `pandas.DataFrame`, one row a face.

    Args:
        results: `FrameResult`s, as from `Recognizer.video`; or lists of `Expression`, as from
            `Recognizer.photos`, or a dictionary of such lists by their pictures' names; or the
            one list of a photo.
        class_names: Names of the classes, `recognizer.class_names`: they have their columns even
            if no face was found.
        style: `"fer"`, or `"py-feat"` for the column names of that package.

    Returns:
        A `pandas.DataFrame` with the columns `source` (the name or number of the picture, none in
        a video), `frame` (number in the video, none for photos), `timestamp`, `track`, `x`, `y`,
        `width`, `height`, `score`, `label`, `confidence`, `yaw`, `pitch`, `roll` (degrees, none
        without points), `answer` (the label, or `"unsure"`), `set` (the classes left open, with
        semicolons between), `quality` (the verdict), `sharpness`, `face_size` (none where quality
        was not judged), `valence`, `arousal` (none if the network does not give them), and one for
        each class's probability. Pictures without a face have no row.

        With `style="py-feat"`: `FaceRectX`, `FaceRectY`, `FaceRectWidth`, `FaceRectHeight`,
        `FaceScore`, `Pitch`, `Roll`, `Yaw` (positive up, and to the person's own right), the
        classes by py-feat's names (`anger`, `happiness`, `sadness`), `input`, `frame` (of photos,
        their number) and `approx_time`. What needs other networks is left out: landmarks, action
        units, gaze, identities.

    Raises:
        ImportError: If pandas is not installed.
        ValueError: If the results are something else, or there is no such style.

    Example:

    >>> face = Expression((4.0, 2.0, 30.0, 40.0), 0.9, {"happy": 0.8, "sad": 0.2}, "happy", 0.8)
    >>> table({"party.jpg": [face]})[["source", "label", "happy"]].values.tolist()
    [['party.jpg', 'happy', 0.8]]
    """
    try:
        import pandas
    except ImportError as error:
        raise ImportError("A table needs pandas. Run: pip install pandas") from error
    check_choice("style", style, ("fer", "py-feat"))
    if style == "py-feat":
        return _feat_table(pandas, results, class_names)
    found = list(rows(results))
    columns = list(found[0]) if found else [*COLUMNS, *class_names]
    frame = pandas.DataFrame(found, columns=columns)
    numbers = dict.fromkeys(NUMBERS, "float64")
    return frame.astype({"frame": "Int64", "track": "Int64", **numbers})


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


def _feat_table(pandas, results, class_names):
    found = [
        _feat_row(_row(source, place if frame is None else frame, face))
        for place, (source, frame, faces) in enumerate(_groups(results))
        for face in faces
    ]
    names = [_FEAT_CLASSES.get(name, name) for name in class_names]
    columns = [*_FEAT_COLUMNS, *names, "input", "frame", "approx_time"]
    return pandas.DataFrame(found, columns=list(found[0]) if found else columns)


def _feat_row(row):
    yaw, pitch, roll = (row[name] for name in ("yaw", "pitch", "roll"))
    # There a turn and a tilt to the person's right are positive: to the left of the picture.
    turned = (None, None, None) if yaw is None else (pitch, -roll, -yaw)
    box = (row[name] for name in ("x", "y", "width", "height", "score"))
    classes = {
        _FEAT_CLASSES.get(name, name): value for name, value in row.items() if name not in COLUMNS
    }
    return {
        **dict(zip(_FEAT_COLUMNS, (*box, *turned), strict=True)),
        **classes,
        "input": row["source"],
        "frame": row["frame"],
        "approx_time": row["timestamp"],
    }


def _groups(results):
    """Yield `(source, frame number, faces)` of each picture."""
    if isinstance(results, Mapping):
        for source, faces in results.items():
            yield source, None, _checked(faces)
        return
    check_sequence("results", results)
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
    values += (face.score, face.label, face.confidence, *(face.pose or (None, None, None)))
    values += (face.answer, None if face.set is None else ";".join(face.set))
    quality = face.quality
    values += (
        (None, None, None)
        if quality is None
        else (quality.verdict, quality.sharpness, quality.size)
    )
    values += (face.valence, face.arousal)
    return dict(zip(COLUMNS, values, strict=True)) | face.probabilities
