"""Which picture files are decoded, and which are refused before they cost memory."""

import io
import shutil
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from fer_data import picture

RAMP = np.arange(256).reshape(16, 16)


def encoded(pixels, kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def tiff(*tags):
    """Return a TIFF file of 16x16 bytes with other tags, `(number, type, count, value)`."""
    known = {
        **{256: (4, 1, 16), 257: (4, 1, 16), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1)},
        **{273: (4, 1, 400), 277: (3, 1, 1), 278: (4, 1, 16), 279: (4, 1, 256)},
        **{tag: rest for tag, *rest in tags},
    }
    entries = b"".join(struct.pack("<HHLL", tag, *known[tag]) for tag in sorted(known))
    head = b"II*\0" + struct.pack("<LH", 8, len(known)) + entries + bytes(4)
    return head.ljust(400, b"\0") + RAMP.astype(np.uint8).tobytes()


def refusal(data, **options):
    with pytest.raises(picture.UnreadableError) as found:
        picture.decode(data, 1, **options)
    return found.value.reason, str(found.value)


@pytest.mark.parametrize("kind", picture.FORMATS)
def test_promised_formats_are_known_by_content(kind):
    data = encoded(RAMP.astype(np.uint8), kind)
    assert picture.decode(data, 3).shape == (16, 16, 3)


@pytest.mark.parametrize("kind", ["ICO", "PCX", "TGA", "DDS", "SGI", "PDF", "ICNS"])
def test_other_formats_of_pillow_are_refused(kind):
    data = encoded(np.zeros((16, 16, 3), np.uint8), kind)
    reason, detail = refusal(data)
    assert (reason, detail.startswith("in none of the formats PNG, JPEG")) == ("corrupt", True)


def test_eps_starts_no_ghostscript(monkeypatch):
    data = io.BytesIO()
    Image.new("L", (8, 8)).save(data, "EPS")
    for name in ("Ghostscript", "has_ghostscript"):
        monkeypatch.setattr(EpsImagePlugin, name, None)
    monkeypatch.setattr(shutil, "which", None)
    assert refusal(data.getvalue())[0] == "corrupt"


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        (RAMP, RAMP),
        (RAMP * 257, RAMP),
        (RAMP * 258, "from 0 to 65790, not from 0 to 255 or 65535"),
        (RAMP - 1, "from -1 to 254"),
        (RAMP * 8_000_000, "from 0 to 2040000000"),
    ],
)
def test_integers_of_32_bits_are_taken_by_their_range(values, outcome):
    data = encoded(values.astype(np.int32), "TIFF")
    if isinstance(outcome, str):
        reason, detail = refusal(data)
        assert reason == "corrupt"
        assert outcome in detail
    else:
        np.testing.assert_array_equal(picture.decode(data, 1)[..., 0], outcome)
        np.testing.assert_array_equal(picture.decode(data, 3)[..., 2], outcome)


@pytest.mark.parametrize("most", [1000, 65535])
def test_deep_pgm_is_of_16_bits(most):
    head = f"P5 16 16 {most}\n".encode()
    found = picture.decode(head + (RAMP * most // 255).astype(">u2").tobytes(), 1)
    np.testing.assert_allclose(found[..., 0], RAMP, atol=1)


def test_pixels_are_counted_before_they_are_decoded():
    flat = encoded(np.zeros((400, 500), bool), "PNG")
    assert picture.decode(flat, 1, pixels=200_000).shape == (400, 500, 1)
    assert refusal(flat, pixels=199_999) == (
        "too_many_pixels",
        "500x400, more than 199999 pixels",
    )
    # More than Pillow opens itself.
    huge = bytearray(flat)
    huge[16:24] = struct.pack(">II", 60_000, 60_000)
    huge[29:33] = struct.pack(">I", zlib.crc32(huge[12:29]))
    assert refusal(bytes(huge), pixels=1 << 40)[0] == "too_many_pixels"
    # A small picture in one enormous tile.
    tiles = tiff((322, 4, 1, 60_000), (323, 4, 1, 60_000), (324, 4, 1, 400), (325, 4, 1, 256))
    assert refusal(tiles) == ("too_many_pixels", "60000x60000, more than 120000000 pixels")
    # Its decoder holds twice as much.
    webp = encoded(np.zeros((40, 50), np.uint8), "WEBP")
    assert picture.decode(webp, 1, pixels=4_000).shape == (40, 50, 1)
    assert refusal(webp, pixels=3_999) == ("too_many_pixels", "50x40, more than 1999 pixels")


def test_a_tag_of_millions_of_values_is_refused():
    np.testing.assert_array_equal(picture.decode(tiff(), 1)[..., 0], RAMP)
    data = tiff((258, 3, 9_000_000, 400)) + bytes(18_000_000)
    assert refusal(data) == (
        "corrupt",
        "ValueError: tag 258 states 9000000 values, more than 200000",
    )
    # The same in the EXIF tags of another format.
    tags = b"Exif\0\0" + tiff((274, 3, 300_000, 400)) + bytes(600_000)
    assert "tag 274" in refusal(encoded(RAMP.astype(np.uint8), "PNG", exif=tags))[1]


def test_tags_that_share_their_values_are_refused():
    shared = [(tag, 3, 5_000, 400) for tag in range(1000, 1040)]
    data = tiff(*shared) + bytes(10_000)
    assert "tags of more values than" in refusal(data)[1]
    one = picture.decode(tiff(*shared[:1]) + bytes(10_000), 1)
    np.testing.assert_array_equal(one[..., 0], RAMP)


def segment(kind, content):
    return bytes((0xFF, kind)) + struct.pack(">H", len(content) + 2) + content


def test_tags_of_a_jpeg_are_checked_before_pillow_opens_it(monkeypatch):
    plain = encoded(RAMP.astype(np.uint8), "JPEG")
    tags = b"Exif\0\0" + tiff((1000, 3, 300_000, 400)) + bytes(600_000)
    parts = [tags[6:][start : start + 60_000] for start in range(0, 606_000, 60_000)]
    many = b"".join(segment(0xE1, b"Exif\0\0" + part) for part in parts)
    shared = tiff(*((tag, 3, 5_000, 400) for tag in range(1000, 1040))) + bytes(10_000)
    small = segment(0xE1, b"Exif\0\0" + tiff()) + segment(0xE1, b"Exif\0\0" + bytes(60_000))
    np.testing.assert_array_equal(
        picture.decode(plain[:2] + small + plain[2:], 1), picture.decode(plain, 1)
    )
    monkeypatch.setattr(Image, "open", None)
    for inserted, words in (
        (many, "tag 1000 states 300000 values"),
        # Padding and marks without content do not hide them.
        (b"\xff\xff\xff\xd0\0\xff\0" + many, "tag 1000 states 300000 values"),
        (2 * many, "EXIF segments of more than"),
        (segment(0xE1, b"Exif\0\0" * 9 + tags[6:900]), "begin again and again"),
        (segment(0xE2, b"MPF\0" + shared), "tags of more values than"),
        (segment(0xFE, b"") * 20_000, "more than 10000 segments"),
    ):
        assert words in refusal(plain[:2] + inserted + plain[2:])[1]


def test_a_tag_of_another_type_is_refused():
    assert refusal(tiff((322, 2, 4, 0x31313131), (323, 4, 1, 16)))[0] == "corrupt"


@pytest.mark.parametrize("kind", picture.FORMATS)
def test_damaged_files_are_decoded_or_refused(kind):
    generator = np.random.default_rng(0)
    whole = [encoded(RAMP.astype(np.uint8), kind)]
    if kind == "TIFF":
        whole += [tiff((322, 4, 1, 16), (323, 4, 1, 16), (324, 4, 1, 400), (325, 4, 1, 256))]
    for data in whole:
        for _ in range(60):
            damaged = bytearray(data)
            for place in generator.integers(0, len(data), generator.integers(1, 4)):
                damaged[place] = generator.integers(0, 256)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    found = picture.decode(bytes(damaged), 1, pixels=1 << 16)
                except picture.UnreadableError:
                    continue
            assert found.dtype == np.uint8
            assert found.ndim == 3


def test_a_large_jpeg_is_decoded_at_a_part_of_its_size():
    blocks = np.random.default_rng(0).integers(0, 256, (25, 30), dtype=np.uint8)
    large = np.kron(blocks, np.ones((16, 16), np.uint8))
    data = encoded(large, "JPEG", quality=98)
    size = large.size
    parts = {size: 1, size - 1: 2, size // 4: 2, size // 4 - 1: 4, size // 64: 8}
    for pixels, part in parts.items():
        found = picture.decode(data, 1, pixels, jpeg_pixels=size)[..., 0]
        assert found.shape == (400 // part, 480 // part)
        assert np.abs(found - large[::part, ::part].astype(float)).mean() < 4
    assert refusal(data, pixels=size // 64 - 1, jpeg_pixels=size)[0] == "too_many_pixels"
    assert refusal(data, pixels=size - 1, jpeg_pixels=size - 1)[0] == "too_many_pixels"
    # The decoder holds all of a progressive one, and no other format decodes a part.
    for other in (encoded(large, "JPEG", progressive=True), encoded(large, "PNG")):
        assert refusal(other, pixels=size - 1, jpeg_pixels=size)[0] == "too_many_pixels"


def test_a_jpeg_of_endless_scans_is_refused():
    data = encoded(RAMP.astype(np.uint8), "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    scans = data[start:-2] * 3000
    detail = refusal(data[:start] + scans + data[-2:])[1]
    assert detail.startswith("ValueError: a JPEG of 30")


def test_bands_are_joined_without_a_seam(monkeypatch):
    color = np.random.default_rng(0).integers(0, 256, (50, 41, 4), dtype=np.uint8)
    data = encoded(color, "PNG")
    whole = picture.decode(data, 3)
    monkeypatch.setattr(picture, "BAND", 41 * 7)
    np.testing.assert_array_equal(picture.decode(data, 3), whole)
    monkeypatch.setattr(picture, "BAND", 1)
    np.testing.assert_array_equal(picture.decode(data, 3), whole)
