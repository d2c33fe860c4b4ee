"""Small videos of odd kinds, written by OpenCV or byte by byte."""

import re
import struct
import wave

import cv2
import numpy as np
from PIL import Image

from fer_data.video import VideoWriter

WIDTH, HEIGHT = 96, 48


def written(path, levels=(0, 100, 200), codec=None):
    """Write a video of grey frames."""
    with VideoWriter(path, 25, codec) as writer:
        for level in levels:
            writer.write(np.full((HEIGHT, WIDTH, 3), level, np.uint8))
    return path


def patched(path, *patches):
    """Overwrite bytes: `(kind of a box, offset in its contents, bytes)`."""
    data = bytearray(path.read_bytes())
    for kind, offset, patch in patches:
        place = data.find(kind) + 4 + offset
        data[place : place + len(patch)] = patch
    path.write_bytes(data)
    return path


def turned(path):
    """Write an MP4 whose metadata ask for a quarter turn, as those of a phone held upright do."""
    matrix = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    return patched(written(path), (b"tkhd", 40, matrix))


def with_an_empty_edit_list(path):
    """Write an MP4 whose edit list has no content."""
    return patched(written(path), (b"elst", -8, struct.pack(">I", 8)))


def with_a_cut_movie_header(path):
    """Write an MP4 whose movie header has no content, and ends the file."""
    head = struct.pack(">I8sI", 16, b"ftypisom", 0)
    path.write_bytes(head + struct.pack(">I4sI4s", 16, b"moov", 8, b"mvhd"))
    return path


def of_uneven_rate(path):
    """Write an MP4 of four frames, the last two of which last three times as long."""
    data = bytearray(written(path, (0, 80, 160, 240)).read_bytes())
    # The table of durations gets two entries in place of one, and its parents eight bytes more.
    table = data.find(b"stts") - 4
    ticks = struct.unpack_from(">I", data, table + 20)[0]
    data[table + 12 : table + 24] = struct.pack(">IIIII", 2, 2, ticks, 2, 3 * ticks)
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stts"):
        place = data.find(kind) - 4
        struct.pack_into(">I", data, place, struct.unpack_from(">I", data, place)[0] + 8)
    # The edit list would cut what is longer than before.
    struct.pack_into(">I", data, data.find(b"elst") + 12, 10**6)
    path.write_bytes(data)
    return path


def recorded_by_a_browser(path, frames=30):
    """Write a WebM of uneven time stamps that states no rate, 30 frames a second in the mean."""
    with VideoWriter(path.with_suffix(".mkv"), 30, "VP80") as writer:
        for level in range(frames):
            writer.write(np.full((HEIGHT, WIDTH, 3), 8 * level, np.uint8))
    data = bytearray(path.with_suffix(".mkv").read_bytes())
    rate = data.find(b"\x23\xe3\x83\x84")
    data[rate : rate + 2] = b"\xec\x86"  # an element of nothing, in place of the rate
    for number, block in enumerate(re.finditer(rb"\xa3..?\x81(..)[\x80\x00]", data, re.DOTALL)):
        late = 7 * (-1) ** number if 0 < number < frames - 1 else 0
        struct.pack_into(">h", data, block.start(1), int.from_bytes(block[1]) + late)
    path.with_suffix(".mkv").unlink()
    path.write_bytes(data)
    return path


def cut_short(path):
    """Write an AVI without its last third, and so without its index."""
    data = written(path, range(0, 240, 8)).read_bytes()
    path.write_bytes(data[: 2 * len(data) // 3])
    return path


def with_a_damaged_tail(path):
    """Write an AVI whose last frame is zeros."""
    data = bytearray(written(path).read_bytes())
    place = data.rindex(b"00dc", 0, data.rindex(b"idx1"))
    length = struct.unpack_from("<I", data, place + 4)[0]
    data[place + 8 : place + 8 + length] = bytes(length)
    path.write_bytes(data)
    return path


def of_ten_bits(path):
    """Write an uncompressed AVI with 10 bits of each component (v210: 6 pixels in 16 bytes)."""
    frames = [struct.pack("<4I", *_six(level)) * (WIDTH // 6 * HEIGHT) for level in (64, 500, 940)]
    return _avi(path, b"v210", frames)


def of_sixteen_bits(path):
    """Write a lossless grey video of 16 bits."""
    options = [cv2.VIDEOWRITER_PROP_DEPTH, cv2.CV_16U, cv2.VIDEOWRITER_PROP_IS_COLOR, 0]
    codec = cv2.VideoWriter_fourcc(*"FFV1")
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, 25, (WIDTH, HEIGHT), options)
    for level in (0, 100, 200):
        writer.write(np.full((HEIGHT, WIDTH), 257 * level, np.uint16))
    writer.release()
    return path


def gif(path):
    """Write a GIF whose second frame is shown longer."""
    first, *others = (Image.new("L", (WIDTH, HEIGHT), level) for level in (0, 100, 200))
    first.save(path, save_all=True, append_images=others, duration=[100, 200, 100])
    return path


def sound(path):
    """Write a second of silence."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16000))
    return path


def playlist(path):
    """Write a list, as FFmpeg reads it, of another video beside it."""
    written(path.with_name("other.mp4"))
    path.write_text("ffconcat version 1.0\nfile other.mp4\n")
    return path


def of_enormous_frames(path):
    """Write an AVI that states frames of 12,000 x 11,000 pixels."""
    side = struct.pack("<II", 12_000, 11_000)
    return patched(
        _avi(path, b"v210", [bytes(64)]), (b"avih", 4 + 32, side), (b"strf", 4 + 4, side)
    )


def _six(level):
    neutral = 512
    first = neutral | level << 10 | neutral << 20
    second = level | neutral << 10 | level << 20
    return first, second, first, second


def _avi(path, codec, frames):
    def chunk(kind, content):
        return kind + struct.pack("<I", len(content)) + content

    size, rate = len(frames[0]), 25
    numbers = (0, 0, 0, 1, rate, 0, len(frames), size, 0xFFFFFFFF, 0, 0, 0, WIDTH, HEIGHT)
    stream = b"vids" + codec + struct.pack("<I2H8I4h", 0, *numbers)
    form = struct.pack("<Iii2H4sIiiII", 40, WIDTH, HEIGHT, 1, 30, codec, size, 0, 0, 0, 0)
    main = (1_000_000 // rate, 0, 0, 16, len(frames), 0, 1, size, WIDTH, HEIGHT, 0, 0, 0, 0)
    streams = chunk(b"LIST", b"strl" + chunk(b"strh", stream) + chunk(b"strf", form))
    head = chunk(b"LIST", b"hdrl" + chunk(b"avih", struct.pack("<14I", *main)) + streams)
    movie = chunk(b"LIST", b"movi" + b"".join(chunk(b"00dc", frame) for frame in frames))
    places = (struct.pack("<III", 16, 4 + n * (size + 8), size) for n in range(len(frames)))
    index = chunk(b"idx1", b"".join(b"00dc" + place for place in places))
    path.write_bytes(chunk(b"RIFF", b"AVI " + head + movie + index))
    return path
