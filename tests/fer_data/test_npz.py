"""Files of arrays that were made to harm: bombs, false shapes, Python objects, devices."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from fer_data import files
from fer_data.file_limits import FileLimits, UnreadableError
from fer_data.npz import read_npz

SMALL = FileLimits(array_bytes=1000, files=3)


def archive(path, how=zipfile.ZIP_DEFLATED, **members):
    """Write members as they are, under the names of arrays."""
    with zipfile.ZipFile(path, "w", how) as target:
        for name, data in members.items():
            target.writestr(f"{name}.npy", data)
    return path


def stated(shape, dtype="<f4", held=b"", version=(1, 0)):
    """Return an array's bytes whose header states a shape and a dtype, whatever follows."""
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}}}"
    data = text.encode() + b" " * (117 - len(text)) + b"\n"
    length = len(data).to_bytes(2 if version == (1, 0) else 4, "little")
    return b"\x93NUMPY" + bytes(version) + length + data + held


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_what_numpy_writes_is_read(tmp_path, write):
    arrays = {
        "one": np.arange(6, dtype="int16").reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "rank 0": np.array(3.5),
        "texts": np.array(["a", "bcd", ""]),
        "in/a/folder": np.zeros((0, 4), bool),
    }
    write(tmp_path / "a.npz", **arrays)
    found = read_npz(tmp_path / "a.npz")
    assert list(found) == list(arrays)
    for name, values in arrays.items():
        np.testing.assert_array_equal(found[name], values)
        assert found[name].dtype == values.dtype
    assert list(read_npz(tmp_path / "a.npz", only=("texts", "absent"))) == ["texts"]
    second = archive(tmp_path / "b.npz", new=stated((3,), "|u1", b"abc", (2, 0)))
    assert read_npz(second)["new"].tobytes() == b"abc"


def test_a_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.npz"
    content = bytes(50_000_000)
    np.savez_compressed(path, a=np.zeros(3, "u1"), b=np.frombuffer(content, "u1"))
    assert path.stat().st_size < 60_000
    tracemalloc.start()
    with pytest.raises(UnreadableError, match=r"arrays of 500\d+ bytes, more than 1000") as found:
        read_npz(path, limits=SMALL)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
    assert found.value.reason == "too_many_array_bytes"
    # What is not asked for does not count.
    assert read_npz(path, only=["a"], limits=SMALL)["a"].tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match=r"bomb\.npz' \(arrays of 500\d+ bytes, more than 1000"):
        files.read_arrays(path, ("a", "b"), SMALL)
    np.savez(path, a=1, b=2, c=3, d=4)
    with pytest.raises(UnreadableError, match=r"at most 3 members.*Received: an archive of 4"):
        read_npz(path, limits=SMALL)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (stated((10**12,), "<f4", bytes(8)), r"states the shape \(1000000000000,\) of float32"),
        (stated((10**30, 10**30)), "states the shape"),
        (stated((-1,)), r"states the shape \(-1,\)"),
        (stated((-2, -3), "<f4", bytes(24)), r"states the shape \(-2, -3\)"),
        (stated((10**12,), "|V0"), "states the shape"),
        (stated((2,), "<f4", bytes(4)), "and has 4 bytes"),
        (stated((1,), "<f4", bytes(8)), "and has 8 bytes"),
        (stated((1,), "|O", b"cos\nsystem\n(S'true'\ntR."), "holds Python objects"),
        (stated((1,), [("a", "|O")], b"cos\nsystem\n"), "holds Python objects"),
        (stated((1,), "<f4", bytes(4), (3, 0)), r"version \(3, 0\)"),
        (b"\x93NUMPY\x01\x00\xff\x00{}", "ValueError"),
        (b"no array", "ValueError"),
        (b"\x93NUMPY\x01\x00\x00\x22" + b"-" * 0x2200, "array 'a'|Error"),
    ],
)
def test_headers_that_lie(tmp_path, data, said):
    with pytest.raises(UnreadableError, match=said):
        read_npz(archive(tmp_path / "a.npz", a=data))


def test_a_pickle_is_not_loaded(tmp_path):
    path = tmp_path / "plan.npz"
    np.savez(path, a=np.array([{}, None], object))
    with pytest.raises(ValueError, match=r"plan\.npz' \(array 'a' holds Python objects"):
        files.read_arrays(path, ["a"])


def test_other_files_and_methods_are_refused(tmp_path):
    data = io.BytesIO()
    np.save(data, np.arange(9))
    slow = archive(tmp_path / "a.npz", zipfile.ZIP_LZMA, a=data.getvalue())
    with pytest.raises(UnreadableError, match="stored or deflated"):
        read_npz(slow)
    with pytest.raises(UnreadableError, match="a device"):
        read_npz("/dev/zero")
    with pytest.raises(UnreadableError, match="a folder"):
        read_npz(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_npz(tmp_path / "absent.npz")


def test_other_arrays_are_named(tmp_path):
    path = tmp_path / "plan.npz"
    np.savez(path, a=1, c=2)
    with pytest.raises(
        ValueError, match=r"must hold a, b\. Received: .*plan\.npz' with \['a', 'c'\]"
    ):
        files.read_arrays(path, ("a", "b"))
