"""Regular files alone are opened, and no more of them is read than allowed."""

import os
import socket

import pytest

from fer_data.file_limits import FileLimits, UnreadableError, is_number, open_regular, read_file


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "device", "link to a device"])
def test_what_is_no_regular_file_is_not_opened(tmp_path, kind, monkeypatch):
    path = tmp_path / "face.jpg"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        monkeypatch.chdir(tmp_path)  # a socket's name may have about 100 characters
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("face.jpg")
    elif kind == "folder":
        path.mkdir()
    elif kind == "link to a device":
        path.symlink_to("/dev/zero")
    else:
        path = "/dev/zero"
    monkeypatch.setattr(os, "open", None)
    with pytest.raises(UnreadableError, match=kind.split()[-1]) as found:
        read_file(path, 10)
    assert found.value.reason == "not_a_file"


def test_a_pipe_that_takes_the_place_of_a_file_is_closed_at_once(tmp_path, monkeypatch):
    path = tmp_path / "face.jpg"
    os.mkfifo(path)
    regular = os.stat(__file__)
    monkeypatch.setattr(os, "stat", lambda path: regular)
    with pytest.raises(UnreadableError, match="named pipe"):
        open_regular(path)


def test_bytes_are_counted_whatever_the_system_says(tmp_path):
    path = tmp_path / "face.jpg"
    path.write_bytes(b"12345")
    assert read_file(path, 5) == b"12345"
    with pytest.raises(UnreadableError, match="5 bytes, more than 4") as found:
        read_file(path, 4)
    assert found.value.reason == "too_many_bytes"
    # A terabyte that takes no room: it is refused before it is read.
    os.truncate(path, 1 << 40)
    with pytest.raises(UnreadableError, match=str(1 << 40)):
        read_file(path, 1 << 20)


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs files without a size")
def test_a_file_that_states_no_size_is_read_up_to_the_limit():
    assert os.stat("/proc/self/status").st_size == 0
    with pytest.raises(UnreadableError, match="11 bytes, more than 10"):
        read_file("/proc/self/status", 10)


def test_limits_are_changed_by_name():
    limits = FileLimits()
    assert limits.changed(None) == limits
    assert limits.changed({"pixels": 9}) == FileLimits(pixels=9, jpeg_pixels=9)
    assert limits.changed({"jpeg_pixels": 9}) == FileLimits(jpeg_pixels=9)
    for wrong in ({"pixel": 9}, 9, "pixels"):
        with pytest.raises(ValueError, match=r"`limits` must be a dictionary.*Received: limits="):
            limits.changed(wrong)
    for wrong in (0, -1, 2.5, "9", None, True):
        with pytest.raises(ValueError, match="`depth` must be an integer >= 1"):
            limits.changed({"depth": wrong})


@pytest.mark.parametrize(
    "text", ["\u00b2", "\uff11", "-1", "+1", "1.0", "", "1_0", " 1", "9" * 5000]
)
def test_numbers_are_of_plain_digits(text):
    assert not is_number(text)
    assert is_number("0123456789")
