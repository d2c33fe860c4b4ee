"""What is drawn lies where it should, and the given picture stays as it is."""

import numpy as np
import pytest

from fer_data.faces.drawing import BOX, LINE, POINT, draw_face, region_sheet, save_png
from fer_data.faces.face import Face
from fer_data.faces.image import as_rgb


def colour_places(image, colour):
    """Rows and columns of the pixels of a colour, `(n, 2)`."""
    return np.argwhere((image == colour).all(-1))


def landmarks_in(box):
    rng = np.random.default_rng(0)
    return np.asarray(box[:2]) + rng.uniform(size=(68, 2)) * np.asarray(box[2:])


def test_box_stands_on_its_first_and_last_pixels():
    picture = np.zeros((200, 200, 3), np.uint8)
    drawn = draw_face(picture, Face((40, 60, 80, 100), 0.5))
    assert not picture.any()
    for row, column in ((60, 80), (159, 80), (100, 40), (100, 119)):
        assert tuple(drawn[row, column]) == BOX
    assert not drawn[70:150, 50:110].any()
    assert not drawn[175:].any()


def test_points_stand_at_their_pixels():
    points = [(70, 90), (100, 90), (85, 110), (72, 130), (98, 130)]
    drawn = draw_face(np.zeros((200, 200, 3), np.uint8), Face((40, 60, 80, 100), 0.5, points))
    for column, row in points:
        assert tuple(drawn[row, column]) == POINT
    places = colour_places(drawn, POINT)
    np.testing.assert_allclose(places.mean(0)[::-1], np.mean(points, 0), atol=0.6)


def test_landmarks_are_points_and_lines():
    landmarks = landmarks_in((50, 50, 200, 200))
    drawn = draw_face(np.zeros((300, 300, 3), np.uint8), landmarks=landmarks)
    for column, row in np.rint(landmarks).astype(int):
        window = drawn[row - 2 : row + 3, column - 2 : column + 3]
        assert len(colour_places(window, LINE)) > 3
    places = colour_places(drawn, LINE)
    assert len(places) > 500
    assert places.min() >= 45
    assert places.max() <= 255


def test_lines_grow_with_the_picture():
    share = []
    for size in (150, 1500):
        box = np.array([0.3, 0.3, 0.4, 0.4]) * size
        drawn = draw_face(np.zeros((size, size, 3), np.uint8), Face(box, 0.9), landmarks_in(box))
        share.append((drawn > 0).any(-1).mean())
    assert 0.3 < share[1] / share[0] < 1.5


def test_faces_at_the_border_and_beyond_it():
    for box in ((0, 0, 60, 60), (0, 0, 1, 1), (30, 30, 30, 30), (-50, -50, 400, 400)):
        landmarks = landmarks_in(box)
        drawn = draw_face(np.zeros((60, 60, 3), np.uint8), Face(box, 1.0), landmarks * 3 - 40)
        assert drawn.shape == (60, 60, 3)
    assert draw_face(np.zeros((1, 1, 3), np.uint8), Face((0, 0, 1, 1), 1.0)).shape == (1, 1, 3)


def test_grey_and_nothing_to_draw():
    grey = np.arange(100, dtype=np.uint8).reshape(10, 10)
    drawn = draw_face(grey)
    np.testing.assert_array_equal(drawn, np.repeat(grey[..., None], 3, -1))
    assert not np.shares_memory(drawn, grey)


@pytest.mark.parametrize("landmarks", [np.zeros((5, 2)), np.full((68, 2), np.nan), np.zeros(68)])
def test_bad_landmarks(landmarks):
    with pytest.raises(ValueError, match="`landmarks` must be finite, of shape"):
        draw_face(np.zeros((9, 9, 3), np.uint8), landmarks=landmarks)


@pytest.mark.parametrize(("faces", "columns", "grid"), [(1, 8, (1, 1)), (5, 2, (3, 2))])
@pytest.mark.parametrize("channels", [1, 3])
def test_region_sheet_keeps_pixels(faces, columns, grid, channels):
    rng = np.random.default_rng(0)
    regions = rng.integers(0, 255, (3, faces, 32, 32, channels), dtype=np.uint8)
    plain = region_sheet(*regions, columns=columns)
    titled = region_sheet(*regions, titles=[f"frame {n}" for n in range(faces)], columns=columns)
    height, width = plain.shape[0] // grid[0], plain.shape[1] // grid[1]
    assert plain.shape == (height * grid[0], width * grid[1], 3)
    assert titled.shape[0] > plain.shape[0]
    np.testing.assert_array_equal(plain[4:36, 4:36], np.broadcast_to(regions[0, 0], (32, 32, 3)))
    middle = (width - 32) // 2
    lower = plain[height - 36 : height - 4, middle : middle + 32]
    np.testing.assert_array_equal(lower, np.broadcast_to(regions[2, 0], (32, 32, 3)))


def test_bad_region_sheets():
    grey = np.zeros((2, 8, 8, 3), np.uint8)
    for bad in (grey[:0], grey[:1], grey[0], grey.astype("float32"), grey[:, :4], grey[..., :2]):
        with pytest.raises(ValueError, match="`left`, `right` and `lower`"):
            region_sheet(grey, grey, bad)
    with pytest.raises(ValueError, match="`titles` must be one for each of 2 faces"):
        region_sheet(grey, grey, grey, titles=["a"])
    with pytest.raises(ValueError, match="`columns`"):
        region_sheet(grey, grey, grey, columns=0)


def test_png_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    path = tmp_path / "new" / "a.png"
    save_png(image, path)
    np.testing.assert_array_equal(as_rgb(path), image)
    with pytest.raises(ValueError, match=r"`path` must end in .png. Received: .*a.jpg"):
        save_png(image, tmp_path / "a.jpg")

    def full(*names):
        raise OSError("full")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="full"):
        save_png(image[:2], path)
    assert list(path.parent.iterdir()) == [path]
    np.testing.assert_array_equal(as_rgb(path), image)
