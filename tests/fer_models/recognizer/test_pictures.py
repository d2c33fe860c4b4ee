"""Results drawn and tabulated."""

import dataclasses

import numpy as np
import pytest

from fer_data.labels import EMOTIONS
from fer_models.recognizer import Expression, FrameResult, draw, table
from fer_models.recognizer.annotation import colour

pytest.importorskip("pandas")


def expression(x=40, y=30, side=60, label="happy", **options):
    probabilities = dict.fromkeys(EMOTIONS, 0.05) | {label: 0.7}
    box = (float(x), float(y), float(side), float(side))
    return Expression(box, 0.9, probabilities, label, 0.7, **options)


def test_draw_changes_a_copy_only():
    image = np.full((240, 320, 3), 90, np.uint8)
    drawn = draw(image, [expression()])
    assert drawn.dtype == np.uint8
    assert drawn.shape == image.shape
    assert (image == 90).all()
    assert drawn[30, 70].tolist() == list(colour("happy"))
    np.testing.assert_array_equal(draw(image, []), image)
    assert (draw(image[..., 0], [expression()]) == drawn).all()


def test_bars_only_where_there_is_room():
    image = np.full((240, 320, 3), 200, np.uint8)

    def darkened(faces):
        return (draw(image, faces) == 70).all(-1).sum()

    assert darkened([expression(side=120)]) > 1000
    assert darkened([expression(side=30)]) == 0
    crowd = [expression(x=5, side=150, y=60), expression(x=160, side=150, y=60)]
    assert darkened(crowd) == 0


@pytest.mark.parametrize("size", [(1, 1), (12, 400), (400, 12), (33, 47)])
@pytest.mark.parametrize("box", [(0, 0, 1, 1), (0, 0, 400, 400), (-20, -30, 90, 80)])
def test_draw_in_small_pictures_and_beyond_the_edge(size, box):
    face = dataclasses.replace(expression(track=3), box=tuple(map(float, box)))
    assert draw(np.zeros((*size, 3), np.uint8), [face] * 2).shape == (*size, 3)


def test_labels_do_not_hide_each_other():
    image = np.zeros((240, 320, 3), np.uint8)
    first, second = expression(x=60, y=60, side=40), expression(x=90, y=62, side=40, label="sad")
    alone = (draw(image, [first]) == colour("happy")).all(-1).sum()
    both = (draw(image, [first, second]) == colour("happy")).all(-1).sum()
    # All but some of the box itself stays.
    assert both > 0.85 * alone


def test_colours_of_other_names():
    assert colour("bored") == colour("bored")
    assert colour("bored") != colour("calm")
    assert colour("") is not None


def test_table_of_frames():
    faces = [expression(track=0, timestamp=0.04), expression(track=1, timestamp=0.04)]
    frame = table([FrameResult(0, 0.0, None, []), FrameResult(1, 0.04, None, faces)])
    assert frame[["frame", "track", "timestamp"]].values.tolist() == [[1, 0, 0.04], [1, 1, 0.04]]
    assert frame.columns.tolist() == [
        *("source", "frame", "timestamp", "track", "x", "y", "width", "height"),
        *("score", "label", "confidence"),
        *("yaw", "pitch", "roll", "answer", "set", "quality", "sharpness", "face_size"),
        *("valence", "arousal"),
        *EMOTIONS,
    ]
    assert frame["happy"].tolist() == [0.7, 0.7]


def test_table_of_photos():
    one = table([expression()])
    assert one[["source", "x", "label"]].values.tolist() == [[0, 40, "happy"]]
    named = table({"a.jpg": [expression()], "b.jpg": [], "c.jpg": [expression(), expression()]})
    assert named["source"].tolist() == ["a.jpg", "c.jpg", "c.jpg"]
    assert named["track"].isna().all()
    listed = table(iter([[expression()], [], [expression()]]))
    assert listed["source"].tolist() == [0, 2]
    assert len(table([])) == len(table([[]])) == 0
    assert "label" in table([])


def test_a_table_of_nobody_has_the_same_columns():
    nobody = table([FrameResult(0, 0.0, None, [])], EMOTIONS)
    assert nobody.columns.tolist() == table([expression()], EMOTIONS).columns.tolist()
    assert len(nobody[["frame", "happy"]]) == 0


@pytest.mark.parametrize("bad", [[1, 2], {"a": 3}, [["face"]], [expression(), []]])
def test_table_of_something_else(bad):
    with pytest.raises(ValueError, match="results"):
        table(bad)
