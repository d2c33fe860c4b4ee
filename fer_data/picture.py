"""Picture files to pixels and back: strict where OpenCV and TensorFlow patch damage silently."""

import hashlib
import io
import struct

import numpy as np

from fer_data import arguments
from fer_data.file_limits import PHOTO, UnreadableError

__all__ = ["FORMATS", "SUFFIXES", "UnreadableError", "decode", "encode_png", "pixel_hash"]

# The formats that are decoded, known by their first bytes and never by the name, and the endings
# that files of them have. Pillow knows many more, some by starting other programs.
FORMATS = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg"),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm"),
}
SUFFIXES = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)

# Formats whose decoder holds so many times more memory: that of WebP two canvases and a frame.
COPIES = {"WEBP": 2}
# Pixels that are converted at a time.
BAND = 1_000_000
# Values of a tag of TIFF or EXIF. Of a picture in strips there is one for each strip.
TAG_VALUES = 200_000
# Scans of a JPEG, each of which goes over the whole picture. Cameras write at most ten or so, but
# the mark of a scan also occurs by chance in what they append.
SCANS = 2_000
# Bytes of the EXIF segments of a JPEG together, each of which has up to 64 KiB. Few have a second.
EXIF_BYTES = 1 << 20
# Segments before the first scan of a JPEG.
SEGMENTS = 10_000

# What sets a picture upright, by the value of its EXIF orientation: whether rows and columns change
# places, and then whether the columns and the rows are turned round.
_TURNS = {
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}


@arguments.checked(
    data=arguments.instance(bytes, "the bytes of a picture file"),
    channels=arguments.choice((1, 3)),
    pixels=arguments.integer(1),
    jpeg_pixels=arguments.integer(0),
)
def decode(
    data: bytes, channels: int, pixels: int = PHOTO.pixels, *, jpeg_pixels: int = 0
) -> np.ndarray:
    """Decode a whole picture file, turned upright by its EXIF orientation.

    Args:
        data: Bytes of a file in one of `FORMATS`. Of several frames the first is taken.
        channels: 1 for grey, 3 for RGB. Transparency is laid on black. Of 16 bits the high ones
            are kept. Of 32 bits, values up to 255 count as 8 bits and up to 65,535 as 16.
        pixels: Most pixels, height times width; of WebP half as many.
        jpeg_pixels: Most pixels of a JPEG whose scans need not be held in memory. One of more than
            `pixels` is decoded at a half, a quarter or an eighth of its height and width, the
            largest of at most `pixels`; 0 for none.

    Returns:
        uint8 array `(height, width, channels)`.

    Raises:
        UnreadableError: If the file is empty, truncated, damaged, in no format of `FORMATS`, too
            large, or has pixels that are floats or integers of more than 16 bits.
    """
    from PIL import ExifTags, Image, UnidentifiedImageError

    if not data:
        raise UnreadableError("empty", "the file has 0 bytes")
    try:
        if data[:4] in _TIFF:
            _check_tags(data)
        streamed = data[:2] == b"\xff\xd8" and _check_segments(data)
        with Image.open(io.BytesIO(data), formats=tuple(FORMATS)) as picture:
            if streamed and pixels < picture.width * picture.height <= jpeg_pixels:
                _reduce(picture, pixels)
            _check_pixels(picture, pixels)
            picture.load()
            _check_tags(_exif(picture.info))
            # Not `ImageOps.exif_transpose`: it writes all tags anew, and fails on odd ones.
            turn = _TURNS.get(picture.getexif().get(ExifTags.Base.Orientation))  # type: ignore[arg-type]
            found = _converted(picture, channels)
    except UnidentifiedImageError as error:
        # Pillow's own message holds the address of an object in memory.
        raise UnreadableError("corrupt", f"in none of the formats {', '.join(FORMATS)}") from error
    except Image.DecompressionBombError as error:
        raise UnreadableError("too_many_pixels", str(error)) from error
    except (UnreadableError, MemoryError):
        raise
    # Whatever damaged files make Pillow raise: also TypeError, KeyError and struct.error.
    except Exception as error:
        raise UnreadableError("corrupt", f"{type(error).__name__}: {error}") from error
    return found if turn is None else _turned(found, *turn)


def _check_pixels(picture, most):
    """Raise `UnreadableError` if a picture, not yet decoded, is larger than allowed."""
    from PIL import ExifTags

    width, height = picture.size
    if picture.format == "TIFF":
        # A tile is decoded whole, however small the picture in it.
        tags = (ExifTags.Base.TileWidth, ExifTags.Base.TileLength)
        tile = [picture.tag_v2.get(tag, 0) for tag in tags]
        width, height = max((width, height), tile, key=lambda sides: sides[0] * sides[1])
    most //= COPIES.get(picture.format, 1)
    if width * height > most:
        raise UnreadableError("too_many_pixels", f"{width}x{height}, more than {most} pixels")


def _reduce(picture, most):
    """Have a JPEG, not yet decoded, decoded at the largest part of its size that is allowed."""
    width, height = picture.size
    for part in (2, 4, 8):
        if -(-width // part) * -(-height // part) <= most:
            picture.draft(None, (width // part, height // part))
            return


def _converted(picture, channels):
    """Return the pixels of a decoded picture, converted in bands: copies of all would add up."""
    width, height = picture.size
    scale = _scale(picture)
    found = np.empty((height, width, channels), np.uint8)
    rows = max(1, BAND // width)
    for top in range(0, height, rows):
        bottom = min(height, top + rows)
        band = picture.crop((0, top, width, bottom))
        found[top:bottom] = _band(band, channels, scale).reshape(-1, width, channels)
    return found


def _scale(picture):
    """Return by what integer pixels are divided, `None` for a picture of bytes."""
    if picture.mode == "F":
        # Their range is unknown, and Pillow would clip them at 255.
        raise ValueError("pixels of type float")
    if not picture.mode.startswith("I"):
        return None
    # Pillow brings other depths of PPM to 16 bits, and 16 bits of PNG and TIFF have modes or tags.
    bits = {"PPM": 16, "PNG": 16}.get(picture.format, 16 if ";16" in picture.mode else 32)
    if bits == 16:
        return 256
    low, high = picture.getextrema()
    if low < 0 or high > 65535:
        raise ValueError(f"pixels of 32 bits from {low} to {high}, not from 0 to 255 or 65535")
    return 1 if high <= 255 else 256


def _band(band, channels, scale):
    from PIL import Image

    if scale is not None:
        # Pillow clips 16-bit pixels at 255 when it converts; keep the high byte instead.
        grey = np.clip(np.asarray(band, dtype=np.int64) // scale, 0, 255).astype(np.uint8)
        return np.repeat(grey[..., None], channels, axis=-1)
    if band.mode in ("RGBA", "LA", "PA") or "transparency" in band.info:
        ground = Image.new("RGBA", band.size, (0, 0, 0, 255))
        band = Image.alpha_composite(ground, band.convert("RGBA"))
    return np.asarray(band.convert("L" if channels == 1 else "RGB"))


def _turned(pixels, exchanged, columns, rows):
    pixels = pixels.swapaxes(0, 1) if exchanged else pixels
    steps = (slice(None, None, -1 if rows else 1), slice(None, None, -1 if columns else 1))
    return np.ascontiguousarray(pixels[steps])


def _check_segments(data):
    """Raise `ValueError` for a JPEG whose segments before the first scan cost too much to read.

    Pillow reads their tags when it opens the file.

    Returns:
        Whether the first scan has all components, so that the decoder holds a few rows alone.
    """
    scans = data.count(b"\xff\xda")
    if scans > SCANS:
        raise ValueError(f"a JPEG of {scans} scans, more than {SCANS}")
    exif, components, streamed = b"", None, False
    for kind, content in _segments(data):
        if kind == 0xDA:
            streamed = content[:1] == components
        elif kind in _FRAMES:
            components = content[5:6] if kind in _SEQUENTIAL else None
        elif kind == 0xE1 and content.startswith(_EXIF):
            exif += content[len(_EXIF) :]
            if len(exif) > EXIF_BYTES:
                raise ValueError(f"EXIF segments of more than {EXIF_BYTES} bytes")
        elif kind == 0xE2 and content.startswith(b"MPF\0"):
            _check_tags(content[4:])
    _check_tags(exif)
    return streamed


def _segments(data):
    """Yield kind and content of the segments of a JPEG up to its first scan, as Pillow does."""
    place = 2
    for _ in range(SEGMENTS):
        place = data.find(b"\xff", place)
        if place < 0 or place + 4 > len(data):
            return
        kind = data[place + 1]
        if kind == 0xFF:
            # Padding.
            place += 1
            continue
        place += 2
        if kind == 0 or kind in _BARE:
            continue
        length = max(2, int.from_bytes(data[place : place + 2], "big"))
        yield kind, data[place + 2 : place + length]
        place += length
        if kind == 0xDA:
            return
    raise ValueError(f"a JPEG of more than {SEGMENTS} segments before its first scan")


def _exif(info):
    """Return the EXIF tags where Pillow finds them: PNG may also hold them as a text."""
    if "exif" in info:
        return info["exif"]
    lines = info.get("Raw profile type exif", "").split("\n")
    return bytes.fromhex("".join(lines[3:]))


# What stands before EXIF tags.
_EXIF = b"Exif\0\0"
# Kinds of JPEG's segments (ITU-T T.81, table B.1): marks without content, and those of a frame.
_BARE = (0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE))
_FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0), 0xDE)
_SEQUENTIAL = (0xC0, 0xC1)
# How files of TIFF and its large kind begin.
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Types of TIFF whose values stay bytes, or a text: byte, text, undefined.
_AS_BYTES = (1, 2, 7)
# Bytes of a value of each other type.
_WIDTHS = {3: 2, 4: 4, 5: 8, 6: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}


def _check_tags(data):
    """Raise `ValueError` for a tag of more values than any has, or tags that share their values.

    Each value becomes an object, and the values of each tag are read.

    Args:
        data: A TIFF file, or EXIF tags, which have its form. Others pass.
    """
    # Some programs write it twice. Pillow takes any number, one by one.
    for _ in range(4):
        data = data.removeprefix(_EXIF)
    if data.startswith(_EXIF):
        raise ValueError("EXIF tags that begin again and again")
    if data[:4] not in _TIFF:
        return
    order = "<" if data[:2] == b"II" else ">"
    large = b"+" in data[2:4]
    entry = struct.Struct(order + ("HHQ8x" if large else "HHL4x"))
    try:
        (start,) = struct.unpack_from(order + ("Q" if large else "L"), data, 8 if large else 4)
        (count,) = struct.unpack_from(order + ("Q" if large else "H"), data, start)
        start += 8 if large else 2
        size = 0
        for number in range(count):
            tag, kind, values = entry.unpack_from(data, start + number * entry.size)
            if kind not in _AS_BYTES and values > TAG_VALUES:
                raise ValueError(f"tag {tag} states {values} values, more than {TAG_VALUES}")
            # Values beyond the end are not read.
            length = values * _WIDTHS.get(kind, 1)
            size += length if length <= len(data) else 0
            # Resolutions may share one value.
            if size > 2 * len(data):
                raise ValueError(f"tags of more values than {len(data)} bytes hold")
    except struct.error:
        # Here the tags end. Pillow raises for a missing one, or does without.
        return


@arguments.checked(pixels=arguments.array(ranks=(3,), kinds="u"), effort=arguments.integer(1, 9))
def encode_png(pixels: np.ndarray, effort: int = 6) -> bytes:
    """Encode uint8 pixels `(height, width, 1 or 3)` as PNG bytes, without loss.

    Args:
        pixels: The pixels.
        effort: From 1 to 9. For a face of 224 pixels, 1 makes 8 % more bytes than 6 in a quarter of
            the time.

    Raises:
        ValueError: If the pixels are of another type or shape, or the effort is out of range.
    """
    from PIL import Image

    pixels = np.asarray(pixels)
    if pixels.dtype != np.uint8 or pixels.shape[-1] not in (1, 3):
        raise ValueError(
            "`pixels` must be uint8 (height, width, 1 or 3). "
            f"Received: dtype={pixels.dtype}, shape={pixels.shape}"
        )
    buffer = io.BytesIO()
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    image.save(buffer, format="PNG", compress_level=effort)
    return buffer.getvalue()


@arguments.checked(image=arguments.array(kinds="buif", empty=True, finite=False))
def pixel_hash(image: np.ndarray) -> bytes:
    """Return a hash of a picture's size, type and pixels: equal for equal pictures only.

    Args:
        image: Array of any shape.

    Returns:
        32 bytes.
    """
    image = np.ascontiguousarray(image)
    digest = hashlib.blake2b(f"{image.dtype.str}{image.shape}".encode(), digest_size=32)
    digest.update(memoryview(image).cast("B") if image.size else b"")  # type: ignore[arg-type]
    return digest.digest()
