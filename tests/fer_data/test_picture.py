"""Which picture files are decoded, and which are refused before they cost memory."""

import io
import shutil
import struct
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
    np.testing.assert_array_equal(picture.decode(data, 1)[..., 0].shape, (50, 41))
