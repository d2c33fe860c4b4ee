"""Checks of a video file's structure, for faults that the decoder does not report.

Decoders end a truncated file quietly, and half-decode its last frame.
"""

import math
import os
from pathlib import Path

ISO_NEEDED = (b"moov", b"moof", b"mdat")
ISO_FIRST = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp")
EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
CLUSTER, FRAME_DURATION = b"\x1f\x43\xb6\x75", b"\x23\xe3\x83"
TRACKS_LIMIT = 1 << 16  # bytes before the first frames of a Matroska file; most have a few hundred
EBML_LIMIT = 4096  # bytes; the head of a Matroska file has about 40
# Boxes, or chunks, that are looked at one after another. A file of nothing else would take hours.
MOST_BOXES = 1_000_000
EDITS_LIMIT = 1 << 20  # bytes of an edit list; most have one entry, of 12 or 20
# How video files begin, and at which byte. FFmpeg also plays lists of other files.
SIGNATURES = {
    "MP4 or MOV": ((4, (*ISO_FIRST, b"moof", b"sidx", b"uuid", b"pnot")),),
    "AVI": ((0, (b"RIFF", b"RF64")),),
    "Matroska or WebM": ((0, (EBML,)),),
    "GIF": ((0, (b"GIF87a", b"GIF89a")),),
    "MPEG": ((0, (b"\0\0\1", b"\0\0\0\1")),),
    "MPEG-TS": ((0, (b"G",)), (4, (b"G",))),
    "WMV": ((0, (b"\x30\x26\xb2\x75",)),),
    "FLV": ((0, (b"FLV",)),),
    "Ogg": ((0, (b"OggS",)),),
    "MXF": ((0, (b"\x06\x0e\x2b\x34",)),),
    "YUV4MPEG2": ((0, (b"YUV4MPEG2",)),),
}
TS_PACKET = {0: 188, 4: 192}  # bytes from one "G" of MPEG-TS to the next


def is_video(path: Path) -> bool:
    """Return whether a file begins like one of the formats that are decoded.

    Args:
        path: `pathlib.Path` of a regular file.
    """
    with path.open("rb") as file:
        head = file.read(1024)
    for name, places in SIGNATURES.items():
        for place, marks in places:
            if head[place:].startswith(marks):
                again = place + TS_PACKET[place] if name == "MPEG-TS" else place
                if head[again:].startswith(marks):
                    return True
    return False


def missing_bytes(path: Path) -> int:
    """Return the number of bytes that a file lacks by its structure.

    Args:
        path: `pathlib.Path` of an MP4 or MOV (ISO base media), AVI (RIFF), or Matroska file.

    Returns:
        0 for a whole file and for a structure that does not tell.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(16)
        if head[:4] == b"RIFF":
            end = _riff_end(file, size)
        elif head[:4] == EBML:
            end = _matroska_end(file)
        elif head[4:8] in ISO_FIRST:
            end = _iso_end(file, size)
        else:
            end = size
    return max(0, end - size)


def shown_seconds(path: Path) -> float:
    """Return how long the video of an MP4 or MOV file is shown by its edit list.

    A trimmed video keeps frames that are not shown, before the start and after the end.

    Args:
        path: `pathlib.Path`.

    Returns:
        Seconds; infinity without an edit list.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(8)[4:] not in ISO_FIRST:
            return math.inf
        for movie in _inside(file, (0, size), b"moov"):
            ticks = [_iso_ticks(file, head) for head in _inside(file, movie, b"mvhd")]
            for track in _inside(file, movie, b"trak"):
                if ticks and ticks[0] and _is_picture(file, track):
                    edits = _inside(file, track, b"edts", b"elst")
                    return sum(_iso_edits(file, *edit) for edit in edits) / ticks[0] or math.inf
    return math.inf


def states_rate(path: Path) -> bool:
    """Return whether a file states its frame rate: all but a Matroska without frame durations.

    What browsers record is WebM without. FFmpeg then guesses a rate, often of 1000 frames a second.

    Args:
        path: The file.
    """
    with open(path, "rb") as file:
        head = file.read(TRACKS_LIMIT)
    return not head.startswith(EBML) or FRAME_DURATION in head.partition(CLUSTER)[0]


def _boxes(file, start, end):
    """Yield `(kind, start, end)` of each box, the start being that of its contents."""
    for _ in range(MOST_BOXES):
        if start + 8 > end:
            return
        file.seek(start)
        head = file.read(16)
        length, kind, contents = int.from_bytes(head[:4], "big"), head[4:8], start + 8
        if length == 1:
            length, contents = int.from_bytes(head[8:16], "big"), start + 16
        if length < 8:
            # 0 means up to the end of the file; less is no box, but padding after the last one.
            return
        yield kind, contents, start + length
        start += length


def _inside(file, place, kind, *deeper):
    """Yield `(start, end)` of the contents of each box that lies at a path of kinds."""
    for found, start, end in _boxes(file, *place):
        end = min(end, place[1])
        if found == kind and deeper:
            yield from _inside(file, (start, end), *deeper)
        elif found == kind:
            yield start, end


def _iso_ticks(file, place):
    """Return the ticks of a second, 0 if the box is too short to say."""
    start, end = place
    file.seek(start)
    head = file.read(max(0, min(end - start, 24)))
    where = 20 if head[:1] == b"\1" else 12
    return int.from_bytes(head[where : where + 4], "big") if len(head) >= where + 4 else 0


def _is_picture(file, track):
    for start, _ in _inside(file, track, b"mdia", b"hdlr"):
        file.seek(start + 8)
        return file.read(4) == b"vide"
    return False


def _iso_edits(file, start, end):
    """Return the ticks that an edit list shows (ISO/IEC 14496-12, 8.6.6), without empty edits."""
    file.seek(start)
    data = file.read(max(0, min(end - start, EDITS_LIMIT)))
    width = 8 if data[:1] == b"\1" else 4
    ticks = 0
    for place in range(8, len(data), 2 * width + 4):
        length, media = data[place : place + width], data[place + width : place + 2 * width]
        if int.from_bytes(media, "big", signed=True) >= 0:
            ticks += int.from_bytes(length, "big")
    return ticks


def _iso_end(file, size):
    # Cameras append trailers of their own, which are no boxes and look like enormous ones.
    needed = (end for kind, _, end in _boxes(file, 0, size) if kind in ISO_NEEDED)
    return max(needed, default=size)


def _riff_end(file, size):
    end = 0
    # Beyond a gigabyte AVI goes on in further RIFF chunks.
    for _ in range(MOST_BOXES):
        if end >= size:
            break
        file.seek(end)
        head = file.read(8)
        length = int.from_bytes(head[4:], "little")
        if head[:4] != b"RIFF" or not length:
            return size
        end += 8 + length + length % 2
    # Not every writer pads its last chunk to an even length.
    return end - 1 if end == size + 1 else end


def _matroska_end(file):
    file.seek(4)
    head = _ebml_number(file)
    if head is None or head > EBML_LIMIT:
        return 0
    file.seek(head, os.SEEK_CUR)
    if file.read(4) != SEGMENT:
        return 0
    length = _ebml_number(file)
    return 0 if length is None else file.tell() + length


def _ebml_number(file):
    """Read a number of variable length (RFC 8794, section 4); `None` for an unknown size."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    width = 9 - first[0].bit_length()
    value = int.from_bytes(first + file.read(width - 1), "big") & ((1 << 7 * width) - 1)
    return None if value == (1 << 7 * width) - 1 else value
