"""Pictures of every kind, through `as_rgb` and `read_image` and through a detector."""

import io
import re

import numpy as np
import pytest
from PIL import Image
from skimage import data

from fer_data.faces.detectors import detector
from fer_data.faces.image import as_rgb, read_image

ASTRONAUT = data.astronaut()[:256, 64:320]
ORIENTATION = 274  # the EXIF tag


@pytest.fixture(scope="module")
def mtcnn():
    return detector("mtcnn", max_faces=1)


@pytest.fixture(scope="module")
def expected(mtcnn):
    [face] = mtcnn.detect(ASTRONAUT)
    return face


def grey():
    return np.asarray(Image.fromarray(ASTRONAUT).convert("L"))


def save(path, picture, **options):
    Image.fromarray(picture).save(path, **options)
    return path


def stored_upright(path, orientation, picture=ASTRONAUT):
    """Write a picture as a camera does that was turned, so that its EXIF tag sets it upright."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    image = Image.fromarray(picture)
    if orientation in undo:
        image = image.transpose(undo[orientation])
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image.save(path, exif=exif)
    return path


def truncated(path):
    buffer = io.BytesIO()
    Image.fromarray(ASTRONAUT).save(buffer, format="JPEG")
    path.write_bytes(buffer.getvalue()[:-2000])
    return path


@pytest.mark.parametrize("shape", [(0, 0, 3), (0, 10, 3), (10, 0, 3), (0, 5), (0,)])
def test_an_empty_array_is_an_error(mtcnn, shape):
    empty = np.zeros(shape, np.uint8)
    for use in (as_rgb, mtcnn.detect):
        with pytest.raises(ValueError, match=re.escape(f"Received: shape={shape}")):
            use(empty)


def test_one_pixel_is_a_picture_without_a_face(mtcnn):
    pixel = np.uint8([[[1, 2, 3]]])
    np.testing.assert_array_equal(as_rgb(pixel), pixel, strict=True)
    assert not as_rgb(pixel).flags.writeable
    assert mtcnn.detect(pixel) == []
    assert mtcnn.detect_batch([pixel, pixel]) == [[], []]


@pytest.mark.parametrize("shape", [(256, 256), (256, 256, 1)])
def test_grey_is_repeated(mtcnn, expected, shape):
    picture = grey().reshape(shape)
    rgb = as_rgb(picture)
    np.testing.assert_array_equal(rgb, np.stack([grey()] * 3, axis=-1), strict=True)
    assert rgb.flags.c_contiguous
    [face] = mtcnn.detect(picture)
    np.testing.assert_allclose(face.box, expected.box, atol=8)


def test_transparency_is_laid_on_black(mtcnn, expected):
    alpha = np.full((256, 256, 1), 255, np.uint8)
    opaque = np.concatenate([ASTRONAUT, alpha], axis=-1)
    np.testing.assert_array_equal(as_rgb(opaque), ASTRONAUT, strict=True)
    [face] = mtcnn.detect(opaque)
    np.testing.assert_array_equal(face.box, expected.box)

    clear = np.concatenate([ASTRONAUT, 0 * alpha], axis=-1)
    assert not as_rgb(clear).any()
    assert mtcnn.detect(clear) == []
    half = np.uint8([[[255, 100, 0, 51]]])
    np.testing.assert_array_equal(as_rgb(half), [[[51, 20, 0]]])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_up_to_255_are_rounded(mtcnn, expected, dtype):
    picture = ASTRONAUT.astype(dtype)
    np.testing.assert_array_equal(as_rgb(picture), ASTRONAUT, strict=True)
    np.testing.assert_array_equal(as_rgb(np.array([[[1.4, 1.6, 254.7]]], dtype)), [[[1, 2, 255]]])
    [face] = mtcnn.detect(picture)
    np.testing.assert_array_equal(face.box, expected.box)


def test_floats_up_to_1_are_an_error_that_says_what_to_do(mtcnn):
    for use in (as_rgb, mtcnn.detect):
        with pytest.raises(ValueError, match=r"look scaled to \[0, 1\]: multiply them by 255"):
            use(ASTRONAUT.astype("float32") / 255)


def test_a_black_picture_of_floats_is_black(mtcnn):
    black = np.zeros((64, 64, 3), "float32")
    assert not as_rgb(black).any()
    assert mtcnn.detect(black) == []


@pytest.mark.parametrize("wrong", [-1.0, 256.0, np.nan, np.inf])
def test_floats_that_are_no_pixels_are_an_error(wrong):
    picture = ASTRONAUT.astype("float32")
    picture[3, 4, 1] = wrong
    with pytest.raises(ValueError, match=r"must hold pixels in \[0, 255\]"):
        as_rgb(picture)


def test_of_16_bits_the_high_ones_are_kept(mtcnn, expected):
    deep = ASTRONAUT.astype("uint16") * 256 + 200
    np.testing.assert_array_equal(as_rgb(deep), ASTRONAUT, strict=True)
    [face] = mtcnn.detect(deep)
    np.testing.assert_array_equal(face.box, expected.box)


@pytest.mark.parametrize("dtype", ["int32", "int8", "bool", "complex64", "uint32"])
def test_other_types_are_an_error(dtype):
    with pytest.raises(ValueError, match=f"uint8, uint16 or float. Received: dtype={dtype}"):
        as_rgb(np.ones((4, 4, 3), dtype))


@pytest.mark.parametrize("shape", [(4,), (4, 4, 2), (4, 4, 5), (2, 4, 4, 3), ()])
def test_other_shapes_are_an_error(shape):
    with pytest.raises(ValueError, match=re.escape(f"Received: shape={shape}")):
        as_rgb(np.ones(shape, np.uint8))


def test_a_view_of_a_larger_array_will_do(mtcnn, expected):
    view = np.zeros((512, 512, 3), np.uint8)[::2, ::2]
    view[:] = ASTRONAUT
    [face] = mtcnn.detect(view)
    np.testing.assert_array_equal(face.box, expected.box)


def test_the_input_is_left_as_it_was(mtcnn):
    picture = ASTRONAUT.copy()
    picture.flags.writeable = False
    mtcnn.detect(picture)
    np.testing.assert_array_equal(picture, ASTRONAUT)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_sets_a_picture_upright(tmp_path, orientation):
    wide = ASTRONAUT[:200]
    path = stored_upright(tmp_path / "camera.png", orientation, wide)
    np.testing.assert_array_equal(read_image(path), wide, strict=True)


def test_a_face_is_found_upright_in_a_jpeg_turned_by_exif(tmp_path, mtcnn, expected):
    path = stored_upright(tmp_path / "camera.jpg", 6)
    [face] = mtcnn.detect(path)
    np.testing.assert_allclose(face.box, expected.box, atol=3)
    [face] = mtcnn.detect(str(path))
    np.testing.assert_allclose(face.box, expected.box, atol=3)


def test_odd_tags_beside_the_orientation_do_no_harm(tmp_path):
    """A tag of another type than its name says: Pillow reads it, and cannot write it."""
    wide = ASTRONAUT[:200]
    tags = b"Exif\0\0MM\0*\0\0\0\x08\0\x02"
    tags += b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"  # orientation 6
    tags += b"\x01\x1a\0\x02\0\0\0\x04abc\0"  # the horizontal resolution, a text
    tags += b"\0\0\0\0"
    turned = Image.fromarray(wide).transpose(Image.Transpose.ROTATE_90)
    turned.save(tmp_path / "odd.png", exif=tags)
    np.testing.assert_array_equal(read_image(tmp_path / "odd.png"), wide, strict=True)


@pytest.mark.parametrize("white", [1, 255])
def test_a_file_of_floats_is_an_error(tmp_path, mtcnn, white):
    path = save(tmp_path / "face.tif", (grey() / 255 * white).astype("float32"))
    for use in (read_image, mtcnn.detect):
        with pytest.raises(ValueError, match=r"face.tif' cannot be read .*pixels of type float"):
            use(path)


def test_files_of_every_mode_become_rgb(tmp_path):
    rgba = np.dstack([ASTRONAUT, np.full((256, 256), 255, np.uint8)])
    for name, picture in (("rgb", ASTRONAUT), ("rgba", rgba)):
        read = read_image(save(tmp_path / f"{name}.png", picture))
        np.testing.assert_array_equal(read, ASTRONAUT, strict=True)
    for name, picture in (("l", grey()), ("16", grey().astype("uint16") * 256 + 7)):
        read = read_image(save(tmp_path / f"{name}.png", picture))
        np.testing.assert_array_equal(read, as_rgb(grey()), strict=True)


def test_a_16_bit_file_gives_the_face(tmp_path, mtcnn, expected):
    path = save(tmp_path / "deep.png", grey().astype("uint16") * 256)
    [face] = mtcnn.detect(path)
    np.testing.assert_allclose(face.box, expected.box, atol=8)


def test_a_truncated_jpeg_is_an_error_that_names_the_file(tmp_path, mtcnn):
    path = truncated(tmp_path / "half.jpg")
    for use in (read_image, as_rgb, mtcnn.detect, lambda p: mtcnn.detect_batch([ASTRONAUT, p])):
        with pytest.raises(ValueError, match=r"half.jpg' cannot be read \(corrupt\).*truncated"):
            use(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b"no picture", "corrupt"), (b"\xff\xd8\xff", "corrupt")],
)
def test_a_file_that_is_no_picture_is_an_error(tmp_path, mtcnn, content, reason):
    path = tmp_path / "face.jpg"
    path.write_bytes(content)
    for use in (read_image, mtcnn.detect):
        with pytest.raises(ValueError, match=rf"face.jpg' cannot be read \({reason}\)"):
            use(path)


def test_a_missing_file_is_an_error(tmp_path, mtcnn):
    for path in (tmp_path / "absent.jpg", tmp_path):
        for use in (read_image, mtcnn.detect):
            with pytest.raises(FileNotFoundError, match="There is no picture at"):
                use(path)
