"""Results in the forms of py-feat and supervision."""

import dataclasses
import sys
import types

import numpy as np
import pytest

from fer_data.labels import EMOTIONS
from fer_models.recognizer import Expression, FrameResult, head_pose, table, to_supervision

POINTS = ((50.0, 50.0), (80.0, 52.0), (68.0, 68.0), (55.0, 85.0), (80.0, 86.0))


def expression(label="happy", **options):
    probabilities = dict.fromkeys(EMOTIONS, 0.05) | {label: 0.7}
    return Expression((40.0, 30.0, 60.0, 70.0), 0.9, probabilities, label, 0.7, **options)


def test_columns_of_py_feat():
    pytest.importorskip("pandas")
    seen = expression(points=POINTS, timestamp=0.4)
    frames = [FrameResult(9, 0.36, None, []), FrameResult(10, 0.4, None, [seen])]
    found = table(frames, style="py-feat")
    # Those of py-feat 2.1.5's `Fex`, without what needs other networks.
    assert found.columns.tolist() == [
        *("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore"),
        *("Pitch", "Roll", "Yaw"),
        *("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"),
        *("input", "frame", "approx_time"),
    ]
    row = found.iloc[0]
    assert row[:5].tolist() == [40, 30, 60, 70, 0.9]
    assert (row["happiness"], row["anger"]) == (0.7, 0.05)
    assert (row["frame"], row["approx_time"]) == (10, 0.4)
    pose = head_pose(POINTS)
    assert pose.yaw > 5
    # To the right of the picture is to the person's left.
    assert row[["Pitch", "Roll", "Yaw"]].tolist() == [pose.pitch, -pose.roll, -pose.yaw]
    photos = table({"a.jpg": [], "b.jpg": [expression()]}, style="py-feat")
    assert photos[["input", "frame"]].values.tolist() == [["b.jpg", 1]]
    assert photos["Yaw"].isna().all()
    nobody = table([], EMOTIONS, style="py-feat")
    assert nobody.columns.tolist() == found.columns.tolist()
    with pytest.raises(ValueError, match="`style`"):
        table([], style="openface")


@pytest.fixture
def supervision(monkeypatch):
    """The library, or its class of the same fields where it is not installed."""
    try:
        import supervision
    except ImportError:
        names = ("xyxy", "mask", "confidence", "class_id", "tracker_id", "data")
        fields = [(name, object, dataclasses.field(default=None)) for name in names]
        detections = dataclasses.make_dataclass("Detections", fields)
        detections.empty = classmethod(lambda cls: cls(np.empty((0, 4))))
        supervision = types.SimpleNamespace(Detections=detections)
        monkeypatch.setitem(sys.modules, "supervision", supervision)
    return supervision


def test_to_supervision(supervision):
    faces = [expression(track=4), expression("sad", track=7)]
    found = to_supervision(FrameResult(0, 0.0, None, faces))
    assert isinstance(found, supervision.Detections)
    assert found.xyxy.tolist() == [[40, 30, 100, 100]] * 2
    assert found.confidence.tolist() == pytest.approx([0.7, 0.7])
    assert found.class_id.tolist() == [EMOTIONS.index("happy"), EMOTIONS.index("sad")]
    assert found.tracker_id.tolist() == [4, 7]
    assert found.data["class_name"].tolist() == ["happy", "sad"]
    assert to_supervision([expression()]).tracker_id is None
    assert len(to_supervision([]).xyxy) == 0
    with pytest.raises(ValueError, match="`faces`"):
        to_supervision([1])


def test_supervision_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(ImportError, match="pip install supervision"):
        to_supervision([])
