"""Zip archives that lie: about the size of a member, or by the mere number of them."""

import io
import struct
import tracemalloc
import zipfile
import zlib

import pytest

from fer_data import zip_members
from fer_data.file_limits import UnreadableError
from fer_data.zip_members import open_archive, read_member


@pytest.mark.parametrize("place", [1 << 20, 0xFFFFFFFE])
def test_a_member_that_lies_nowhere_is_damaged(tmp_path, place):
    data = bytearray(archive_of(b"face"))
    struct.pack_into("<I", data, data.rindex(b"PK\1\2") + 42, place)
    path = tmp_path / "faces.zip"
    path.write_bytes(data)
    with open_archive(path, 10) as archive, pytest.raises(zipfile.BadZipFile, match="places it"):
        read_member(archive, "0.jpg", 100)


def archive_of(data, how=zipfile.ZIP_DEFLATED, count=1):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as archive:
        for number in range(count):
            archive.writestr(f"{number}.jpg", data)
    return buffer.getvalue()


def states(archive, size, content):
    """Let an archive of one member state another size, and the checksum of so much of it."""
    data = bytearray(archive)
    place, crc = data.rindex(b"PK\1\2"), zlib.crc32(content[:size])
    for start in (14, place + 16):
        struct.pack_into("<I", data, start, crc)
        struct.pack_into("<I", data, start + 8, size)
    return bytes(data)


@pytest.mark.parametrize("how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_member_is_read_up_to_its_limit(how):
    content = bytes(30_000_000)
    with open_archive(archive_of(content, how), 10) as archive:
        assert read_member(archive, "0.jpg", len(content)) == content
        with pytest.raises(UnreadableError, match="30000000 bytes, more than 1000") as found:
            read_member(archive, "0.jpg", 1000)
    assert found.value.reason == "too_many_bytes"


@pytest.mark.parametrize("how", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_are_unpacked_at_once_are_refused(how):
    with (
        open_archive(archive_of(b"face", how), 10) as archive,
        pytest.raises(NotImplementedError, match=rf"stored or deflated.*method {how}"),
    ):
        read_member(archive, "0.jpg", 10)


def test_no_more_is_unpacked_than_the_header_states():
    content = bytes(100_000_000)
    data = states(archive_of(content), 1000, content)
    del content
    tracemalloc.start()
    with open_archive(data, 10) as archive:
        # `ZipFile.read` unpacks all of it before it looks at the size.
        assert read_member(archive, "0.jpg", 2000) == bytes(1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


def test_members_are_counted_before_they_are_listed(monkeypatch):
    data = archive_of(b"", count=30)
    with open_archive(data, 30) as archive:
        assert len(archive.namelist()) == 30
    monkeypatch.setattr(zipfile, "ZipInfo", None)
    with pytest.raises(ValueError, match=r"at most 29 members.*Received: an archive of 30"):
        open_archive(data, 29)


def test_what_is_no_archive(tmp_path):
    (tmp_path / "faces.zip").write_text("no archive")
    with pytest.raises(zipfile.BadZipFile):
        open_archive(tmp_path / "faces.zip", 10)
    with pytest.raises(UnreadableError, match="a folder"):
        open_archive(tmp_path, 10)


def test_a_directory_of_enormous_length_is_not_read(monkeypatch):
    data = archive_of(b"", count=3)
    monkeypatch.setattr(zip_members, "DIRECTORY_BYTES", 50)
    with pytest.raises(ValueError, match=r"at most 50 bytes; unpack.*: a directory of 15\d"):
        open_archive(data, 9)


def test_a_member_whose_name_is_no_text_is_damaged():
    data = bytearray(archive_of(b"face"))
    # The directory says so in plain ASCII, and the entry before the member in UTF-8.
    struct.pack_into("<H", data, 6, 0x800)
    data[30:31] = b"\xff"
    with (
        open_archive(bytes(data), 10) as archive,
        pytest.raises(zipfile.BadZipFile, match="its name is no text in UTF-8"),
    ):
        read_member(archive, "0.jpg", 100)
