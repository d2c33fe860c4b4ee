"""Tests of the layout of small pictures."""

import numpy as np
import pytest

from fer_models.explain.picture_grid import PictureGrid

TITLE = "What speaks for 'surprise', and the gates of attention"


@pytest.mark.parametrize("columns", [1, 2, 8])
@pytest.mark.parametrize("title", [TITLE, "Two\nlines", None])
def test_no_text_is_cut_off_or_lies_over_another(columns, title):
    grid = PictureGrid(
        1,
        columns,
        (64, 64),
        side=0.85,
        row_names=["left eye\nGrad-CAM"],
        above=1,
        title=title,
        bar=True,
    )
    grid.show(0, 0, np.zeros((64, 64), np.uint8))
    grid.above(0, 0, "happy 100%")
    figure = grid.figure
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.texts]
    assert len(boxes) == 2 + (title is not None)
    for number, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[:number])
    if title == TITLE:
        assert " ".join(figure.texts[1].get_text().split()) == TITLE


def test_dollar_signs_are_no_formula():
    grid = PictureGrid(1, 1, (8, 8), row_names=["a$b_$"], above=1, title="$c^$", bar=False)
    grid.above(0, 0, "$d_$")
    grid.figure.draw_without_rendering()
