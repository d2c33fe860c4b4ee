"""Folders, archives and sheets made to harm: what is refused is counted, and costs little."""

import contextlib
import errno
import io
import os
import pickle
import re
import stat
import subprocess
import sys
import tracemalloc
import types
import zipfile

import numpy as np
import openpyxl
import pytest
from helpers import fake_datasets as fake
from helpers import fake_micro_expressions as clips
from PIL import Image

from fer_data.datasets import clip_preparation, local_builder, prepare, source
from fer_data.datasets.class_tree import read_picture
from fer_data.datasets.image_folder import ImageFolder
from fer_data.datasets.source import open_source
from fer_data.datasets.spreadsheet import read_cells
from fer_data.faces import cutting
from fer_data.faces.folder import cut_folder
from fer_data.file_limits import FileLimits, UnreadableError


@pytest.fixture
def faces(tmp_path):
    return fake.write_tree(tmp_path, {"faces": ["happy", "sad"]}) / "faces"


def dropped(builder):
    """Return `{reason: names of the files}`."""
    found = builder.report().dropped
    return {
        reason: sorted(os.path.basename(entry["file"]) for entry in entries)
        for reason, entries in found.items()
    }


def flat_png(height, width):
    buffer = io.BytesIO()
    Image.new("1", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def fill_with_traps(folder, outside):
    """Add to a class folder what must not be opened or is too much; return what is dropped."""
    outside.mkdir()
    fake.write_picture(outside / "other.png", fake.noise(80))
    os.mkfifo(folder / "pipe.jpg")
    (folder / "zeros.jpg").symlink_to("/dev/zero")
    (folder / "outside.png").symlink_to(outside / "other.png")
    (folder / "folder").symlink_to(outside)
    (folder / "inside.jpg").symlink_to(folder / "facessad0.jpg")
    deep = folder.joinpath(*["d"] * 40)
    fake.write_picture(deep / "deep.png", fake.noise(81))
    (folder / "sparse.jpg").touch()
    os.truncate(folder / "sparse.jpg", 1 << 40)
    (folder / "enormous.png").write_bytes(flat_png(13_300, 13_300))
    (folder / "eps.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n")
    with open(os.fsencode(folder) + b"/latin\xe9.jpg", "wb") as file:
        file.write(fake.encoded(fake.noise(82)))
    return {
        "not_a_file": ["pipe.jpg"],
        "link_outside": ["folder", "outside.png", "zeros.jpg"],
        # The link inside is followed, and is a copy.
        "duplicate": ["inside.jpg"],
        "too_deep": ["d"],
        "too_many_bytes": ["sparse.jpg"],
        "too_many_pixels": ["enormous.png"],
        "corrupt": ["eps.jpg"],
        "odd_name": ["latin\\udce9.jpg"],
    }


def test_a_folder_full_of_traps(faces, tmp_path):
    expected = fill_with_traps(faces / "sad", tmp_path / "outside")
    builder = prepare("image_folder", path=faces, data_dir=tmp_path / "out")
    assert dropped(builder) == expected
    report = builder.report()
    assert report.used == {"train": {"happy": 2, "sad": 2}}
    assert report.read == 4 + sum(map(len, expected.values()))
    with pytest.raises(ValueError, match='cannot be used and `on_bad="raise"`: too_deep'):
        prepare("image_folder", path=faces, data_dir=tmp_path / "out", on_bad="raise")


def test_limits_and_links_are_options(faces, tmp_path):
    fill_with_traps(faces / "sad", tmp_path / "outside")
    options = {"path": faces, "data_dir": tmp_path / "out"}
    limits = {"pixels": 48 * 48, "depth": 50, "file_bytes": 1 << 20}
    builder = prepare("image_folder", **options, limits=limits, follow_links=True)
    found = dropped(builder)
    assert found["not_a_file"] == ["pipe.jpg", "zeros.jpg"]
    assert not {"link_outside", "too_deep"} & set(found)
    # The picture outside is there by two links, of which one is a copy.
    assert builder.report().used["train"]["sad"] == 2 + 2
    with pytest.raises(ValueError, match="dropped, too_many_pixels: 6"):
        prepare("image_folder", **options, limits={"pixels": 48 * 48 - 1})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limits": {"files": 3}}, "`path` must hold at most 3 files"),
        (
            {"limits": {"pixel": 3}},
            r"`limits` must be a dictionary .*Received: limits=\{'pixel': 3\}",
        ),
        ({"limits": {"pixels": 0}}, "`pixels` must be an integer >= 1"),
        ({"follow_links": "no"}, "`follow_links` must be True or False"),
    ],
)
def test_bad_limits(faces, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        prepare("image_folder", path=faces, data_dir=tmp_path / "out", **options)


def raising(number):
    def fail(*args, **options):
        raise OSError(number, os.strerror(number))

    return fail


# Errors that say nothing of the file that is read.
OF_THE_SYSTEM = [errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENOMEM]


@pytest.mark.parametrize("number", OF_THE_SYSTEM)
def test_errors_of_the_system_are_no_damage(faces, tmp_path, monkeypatch, number):
    found = open_source(faces)
    photo = cutting.Photo("a.png", "a.png", raising(number), raising(number), False)
    with pytest.raises(OSError, match=os.strerror(number)):
        cutting._read(photo)
    monkeypatch.setattr(source, "read_file", raising(number))
    with pytest.raises(OSError, match=os.strerror(number)):
        read_picture(found, next(iter(found.names)), 1)
    clip = types.SimpleNamespace(id="a", names=["0.jpg"])
    recipe = clip_preparation.Recipe(os.fspath(faces), None)
    with pytest.raises(OSError, match=os.strerror(number)):
        clip_preparation.prepare_and_keep(clip, recipe, tmp_path)
    # A later call prepares it.
    assert not clip_preparation.kept_path(tmp_path, clip).exists()
    usual = os.scandir
    monkeypatch.setattr(
        os, "scandir", lambda at: (raising(number) if str(at).endswith("sad") else usual)(at)
    )
    with pytest.raises(OSError, match=os.strerror(number)):
        open_source(faces)


def test_errors_of_the_system_stop_a_preparation(faces, tmp_path, monkeypatch):
    usual = source.read_file
    monkeypatch.setattr(
        source,
        "read_file",
        lambda path, most: (raising(errno.EIO) if "sad1" in path else usual)(path, most),
    )
    options = {"path": faces, "data_dir": tmp_path / "out"}
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        prepare("image_folder", **options)
    monkeypatch.undo()
    assert prepare("image_folder", **options).report().used == {"train": {"happy": 2, "sad": 2}}


def test_a_class_folder_has_a_lower_limit_of_files(faces, tmp_path, monkeypatch):
    monkeypatch.setattr(ImageFolder, "default_limits", FileLimits(files=5))
    options = {"path": faces, "data_dir": tmp_path / "out"}
    with pytest.raises(
        ValueError, match=r"at most 5 files and folders; .*--option limits='.\"files"
    ):
        prepare("image_folder", **options)
    assert prepare("image_folder", **options, limits={"files": 6}).report().read == 4


def test_limits_are_recorded_as_given_and_keep_the_names_of_prepared_data(
    faces, tmp_path, monkeypatch
):
    def builder(**options):
        return ImageFolder(path=faces, data_dir=tmp_path / "out", **options)

    def names():
        changes = ({}, {"pixels": 9999}, {"pixels": 9999, "depth": 40}, FileLimits(depth=40))
        return [builder(limits=limits).builder_config.name for limits in (None, *changes)]

    now = names()
    assert len(set(now)) == len(now) - 1
    # The folder's limit was that of other data sets once. So were those of larger folders named.
    assert builder(limits={"files": FileLimits.files}).builder_config.name == now[0]
    monkeypatch.setattr(ImageFolder, "default_limits", FileLimits())
    assert names() == now
    monkeypatch.undo()
    limits = {"pixels": 9999}
    prepared = prepare("image_folder", path=faces, data_dir=tmp_path / "out", limits=limits)
    assert prepared.report().options["limits"] == limits
    again = pickle.loads(pickle.dumps(prepared))
    assert again.builder_config.name == prepared.builder_config.name == now[2]
    assert again._source.limits == prepared._source.limits
    assert again._source.limits.files == ImageFolder.default_limits.files


def damaged(path, most):
    return b"damaged"


@pytest.mark.parametrize(
    ("fail", "kind", "message"),
    [
        (damaged, ValueError, r"`path` must hold files that do not .*sad1\.jpg, which .*: corrupt"),
        (raising(errno.ENOENT), ValueError, r"Received: .*sad1\.jpg, which .*: unreadable"),
        (raising(errno.EIO), OSError, rf"^\[Errno {errno.EIO}\] {os.strerror(errno.EIO)}$"),
    ],
)
def test_a_picture_that_fails_when_it_is_written_is_named(
    faces, tmp_path, monkeypatch, fail, kind, message
):
    usual, read = source.read_file, []

    def read_file(path, most):
        read.append(path)
        again = "sad1" in path and read.count(path) > 1
        return (fail if again else usual)(path, most)

    monkeypatch.setattr(source, "read_file", read_file)
    options = {"path": faces, "data_dir": tmp_path / "out"}
    with pytest.raises(kind, match=message) as found:
        prepare("image_folder", **options)
    assert "encode" not in str(found.value)
    assert not list((tmp_path / "out").rglob("*.json"))
    monkeypatch.undo()
    assert prepare("image_folder", **options).report().used == {"train": {"happy": 2, "sad": 2}}


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.EPERM])
def test_files_that_are_gone_or_closed_are_bad_files(faces, tmp_path, monkeypatch, number):
    found = open_source(faces)
    usual = os.scandir
    with monkeypatch.context() as patch:
        patch.setattr(
            os, "scandir", lambda at: (raising(number) if str(at).endswith("sad") else usual)(at)
        )
        assert open_source(faces).refused["sad"][0] == "unreadable"
    monkeypatch.setattr(source, "read_file", raising(number))
    with pytest.raises(UnreadableError):
        read_picture(found, next(iter(found.names)), 1)
    clip = types.SimpleNamespace(id="a", names=["0.jpg"])
    recipe = clip_preparation.Recipe(os.fspath(faces), None)
    clip_preparation.prepare_and_keep(clip, recipe, tmp_path)
    assert clip_preparation.kept(tmp_path, clip).failure[0] == "unreadable"


def test_links_that_lead_nowhere_are_bad_files(faces, tmp_path):
    (faces / "sad" / "loop.jpg").symlink_to(faces / "sad" / "loop.jpg")
    (faces / "sad" / "through.jpg").symlink_to(faces / "sad" / "facessad0.jpg" / "x.jpg")
    builder = prepare("image_folder", path=faces, data_dir=tmp_path / "out")
    assert dropped(builder) == {"unreadable": ["loop.jpg", "through.jpg"]}


def test_refusals_name_the_way_out(faces, tmp_path):
    fill_with_traps(faces / "sad", tmp_path / "outside")
    report = prepare("image_folder", path=faces, data_dir=tmp_path / "out").report()
    details = {reason: entries[0]["detail"] for reason, entries in report.dropped.items()}
    for reason, words in (
        ("link_outside", "`fer prepare --option follow_links=true`"),
        ("too_many_pixels", """--option limits='{"pixels":N}'"""),
        ("too_many_bytes", """--option limits='{"file_bytes":N}'"""),
        ("too_deep", """--option limits='{"depth":N}'"""),
    ):
        assert words in details[reason]


@pytest.mark.parametrize("place", ["faces/fear", "faces/test", "split/train", "split/train/fear"])
def test_a_class_that_is_a_link_is_not_left_out_silently(tmp_path, place):
    fake.write_tree(tmp_path, {"faces": ["happy", "sad"]})
    fake.write_tree(tmp_path / "split", {"test": ["happy", "sad"]}, seed=1)
    if place != "split/train":
        fake.write_tree(tmp_path / "split", {"train": ["happy", "sad"]}, seed=2)
    outside = fake.write_tree(tmp_path, {"out": ["fear", "anger"]}, seed=3) / "out"
    target = outside / "fear" if place.endswith("fear") else outside
    (tmp_path / place).symlink_to(target)
    top = tmp_path / place.split("/")[0]
    with pytest.raises(ValueError, match=rf"{place}, a link to .*`follow_links=True` follows it"):
        prepare("image_folder", path=top, data_dir=tmp_path / "prepared")
    if place.endswith("fear"):
        options = {"path": top, "data_dir": tmp_path / "prepared", "follow_links": True}
        found = prepare("image_folder", **options).report().used["train"]
        assert found == {"fear": 2, "happy": 2, "sad": 2}


def test_large_jpegs_of_a_folder_are_decoded_at_a_part_of_their_size(faces, tmp_path):
    limits = {"pixels": 24 * 24, "jpeg_pixels": 48 * 48}
    builder = prepare("image_folder", path=faces, data_dir=tmp_path / "out", limits=limits)
    assert {example["image"].shape for example in fake.examples(builder, "train")} == {(24, 24, 3)}


def test_names_of_many_folders_cost_no_tree(tmp_path):
    path = tmp_path / "faces.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(300):
            archive.writestr(f"{number:03d}{'d' * 120}/" * 32 + "a.png", b"")
    found = open_source(path)
    tracemalloc.start()
    folders = found.folders()
    assert len(folders) == 300
    assert [len(found.folders(folder)) for folder in folders] == [1] * 300
    assert found.files(found.folders(folders[0])[0]) == []
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_a_listing_of_as_many_files_as_allowed_takes_less_than_a_gigabyte(tmp_path, monkeypatch):
    count, (scandir, lstat) = 10_000, (os.scandir, os.lstat)
    (tmp_path / "happy").mkdir()
    usual = lstat(tmp_path)
    made_up = os.stat_result((stat.S_IFREG | 0o644, *usual[1:]))

    @contextlib.contextmanager
    def made_up_entries(path):
        # In no order, as file systems give them.
        yield (
            types.SimpleNamespace(
                name=f"{number * 7919 % count:07d}_of_somebody.jpg", is_dir=lambda: False
            )
            for number in range(count)
        )

    monkeypatch.setattr(
        os, "scandir", lambda at: (made_up_entries if str(at).endswith("happy") else scandir)(at)
    )
    monkeypatch.setattr(os, "lstat", lambda at: made_up if str(at).endswith(".jpg") else lstat(at))
    tracemalloc.start()
    found = source.FolderSource(tmp_path)
    each = tracemalloc.get_traced_memory()[1] / count
    tracemalloc.stop()
    assert len(found.names) == count
    assert found.names[1] == "happy/0000001_of_somebody.jpg"
    assert each * FileLimits().files < 1e9


@pytest.mark.parametrize(("hard", "buckets"), [(-1, 1000), (256, 56), (100_000, 1000)])
def test_buckets_are_no_more_than_files_that_may_be_open(monkeypatch, hard, buckets):
    from tensorflow_datasets.core import shuffle

    limits = [(256, hard)]
    resource = types.SimpleNamespace(
        RLIMIT_NOFILE=7,
        RLIM_INFINITY=-1,
        getrlimit=lambda which: limits[-1],
        setrlimit=lambda which, pair: limits.append(pair),
    )
    monkeypatch.setitem(sys.modules, "resource", resource)
    with local_builder._little_held():
        assert buckets == shuffle.BUCKETS_NUMBER
        assert buckets + 200 <= limits[-1][0]
    assert shuffle.BUCKETS_NUMBER == 1000
    assert limits[-1] == (256, hard)
    monkeypatch.setitem(sys.modules, "resource", None)
    with local_builder._little_held():
        assert shuffle.BUCKETS_NUMBER == 1000


def test_what_links_inside_a_folder_repeat_is_counted(faces, monkeypatch):
    (faces / "fear").symlink_to(faces / "sad")
    assert len(open_source(faces).names) == 6
    monkeypatch.setattr(source, "AGAIN", 1)
    with pytest.raises(ValueError, match="at most 1 files and folders that are there again"):
        open_source(faces)


def test_the_characters_of_paths_are_counted(faces, monkeypatch):
    monkeypatch.setattr(source, "CHARACTERS", 10)
    monkeypatch.setattr(source, "MORE_CHARACTERS", 1)
    with pytest.raises(ValueError, match="at most 16 characters together; `limits="):
        open_source(faces, FileLimits(files=6))
    assert len(open_source(faces, FileLimits(files=88)).names) == 4


@pytest.mark.slow
def test_folders_that_link_to_each_other_are_counted(tmp_path):
    for name in "abcdefghijkl":
        (tmp_path / name).mkdir()
        for other in "abcdefghijkl":
            (tmp_path / name / other).symlink_to(tmp_path / other)
    with pytest.raises(ValueError, match="at most 5000 files and folders"):
        open_source(tmp_path, FileLimits(files=5000))


def test_an_archive_full_of_traps(tmp_path):
    path = tmp_path / "faces.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(4):
            name = f"{('happy', 'sad')[number % 2]}/{number}.png"
            archive.writestr(name, fake.encoded(fake.noise(number), "PNG"))
        for number in range(12):
            archive.writestr(f"sad/{'p/' * 30_000}{number}.png", b"")
        archive.writestr(f"sad/{'p/' * 33}deep.png", b"")
        archive.writestr("sad/bomb.png", bytes(70 << 20))
        archive.writestr("sad/enormous.png", flat_png(13_300, 13_300))
        archive.writestr("sad/bzip2.png", b"face", zipfile.ZIP_BZIP2)
    builder = prepare("image_folder", path=path, data_dir=tmp_path / "out")
    counts = {reason: len(files) for reason, files in dropped(builder).items()}
    assert counts == {"too_deep": 13, "too_many_bytes": 1, "too_many_pixels": 1, "unreadable": 1}
    assert builder.report().used == {"train": {"happy": 2, "sad": 2}}
    with pytest.raises(ValueError, match="at most 19 members"):
        prepare("image_folder", path=path, data_dir=tmp_path / "out", limits={"files": 19})


def test_class_folders_named_by_all_kinds_of_digits(tmp_path):
    names = ["10", "9", "01", "\u00b2", "\uff11", "-1", "\u0664", "1.5"]
    path = fake.write_tree(tmp_path, {"faces": names}, 1) / "faces"
    builder = prepare("image_folder", path=path, data_dir=tmp_path / "out")
    found = builder.info.features["label"].names
    assert found == ["01", "9", "10", "-1", "1.5", "\u00b2", "\u0664", "\uff11"]


def test_clips_of_enormous_frames_are_dropped(tmp_path):
    path = clips.write_smic(tmp_path / "smic")
    folder = path / "HS" / "s1" / "micro" / "negative" / "s1_ne_01"
    frame = sorted(folder.iterdir())[2]
    frame.write_bytes(flat_png(13_300, 13_300))
    os.mkfifo(path / "HS" / "pipe.jpg")
    options = {"path": path, "data_dir": tmp_path / "out", "size": 32, **clips.FAKE}
    report = prepare("smic_hs", **options).report()
    assert {reason: len(entries) for reason, entries in report.dropped.items()} == {
        "not_a_file": 1,
        "too_many_pixels": 1,
    }
    assert frame.name in report.dropped["too_many_pixels"][0]["detail"]


def test_photos_whose_faces_are_cut(faces, tmp_path):
    expected = fill_with_traps(faces / "sad", tmp_path / "outside")
    del expected["duplicate"], expected["too_deep"]
    expected["too_many_pixels"] = []
    # Nothing is decoded here but the small ones: the detector finds no face in any.
    (faces / "sad" / "enormous.png").unlink()
    found = cut_folder(faces, tmp_path / "cut", clips.FakeDetector(least=256), progress=False)
    reasons = {}
    for miss in found.unreadable:
        kind = re.search("not_a_file|link_outside|too_many_bytes|corrupt|odd_name", miss.reason)
        reasons.setdefault(kind.group(), []).append(os.path.basename(miss.photo))
    assert {reason: sorted(names) for reason, names in reasons.items()} == {
        reason: names for reason, names in expected.items() if names
    }


def book(fill):
    workbook, buffer = openpyxl.Workbook(), io.BytesIO()
    workbook.active.append(["Subject", "Onset"])
    fill(workbook.active)
    workbook.save(buffer)
    return buffer.getvalue()


def with_xml(old, new, member="xl/worksheets/sheet1.xml"):
    """Return a spreadsheet whose XML was changed."""
    source = zipfile.ZipFile(io.BytesIO(book(lambda sheet: None)))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            content = source.read(name)
            if name == member:
                assert old in content
                content = content.replace(old, new, 1)
            target.writestr(name, content)
    return buffer.getvalue()


END = b"</sheetData>"
FAR_ROW = b'<row r="1000000000000"><c r="A1000000000000"><v>1</v></c></row>'


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda: with_xml(END, FAR_ROW + END), "rows beyond number 1048576"),
        (lambda: book(lambda sheet: sheet.cell(1, 1001, "x")), "in column 1001"),
        (lambda: with_xml(END, b"<row>" + b"<c/>" * 600_000 + b"</row>" + END), "too many XML"),
        (
            lambda: with_xml(b"<cellXfs", b"<xf/>" * 200_000 + b"<cellXfs", "xl/styles.xml"),
            "too many",
        ),
        (lambda: with_xml(b"<worksheet", b"<!DOCTYPE a []><worksheet"), "declares a document type"),
        (lambda: with_xml(END, END + b" " * (33 << 20)), "more than"),
        (lambda: with_xml(END, b"<row><c><v>" + b"9" * 5000 + b"</v></c></row>" + END), "4300"),
        (lambda: with_xml(END, b'<row><c t="s"><v>99</v></c></row>' + END), "index out of range"),
        (lambda: with_xml(END, b""), "mismatched tag"),
        (lambda: book(lambda sheet: None)[:-30], "not a zip file"),
    ],
)
def test_spreadsheets_made_to_harm(data, message):
    with pytest.raises(ValueError, match=rf"coding.xlsx must be a spreadsheet.*{message}"):
        read_cells(data(), "coding.xlsx")


def test_a_sheet_whose_merged_cells_are_all_it_can_have():
    data = with_xml(END, END + b'<mergeCells><mergeCell ref="A2:XFD1048576"/></mergeCells>')
    assert read_cells(data, "coding.xlsx") == [("Subject", "Onset")]


MEMORY = """
import re, sys
from fer_models.cli import main
def peak():
    # Not getrusage, which counts the process that started this one too.
    with open("/proc/self/status") as status:
        print("peak", int(re.search(r"VmHWM:\\s+([0-9]+) kB", status.read())[1]) // 1024)
out, *paths = sys.argv[1:]
for path in paths:
    sys.argv[1:] = ["prepare", "folder", "--path", path, "--data-dir", out]
    assert main() == 0
    peak()
# Neither was loaded, and both may be.
assert not {"keras", "jax", "pandas", "matplotlib"} & set(sys.modules)
import keras, tensorflow
assert tensorflow.keras.layers.Dense is keras.layers.Dense
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="measures as Linux does")
def test_memory_of_a_preparation_is_bounded(faces, tmp_path):
    """Whatever lies in a folder, `fer prepare` takes less than a gigabyte."""
    small = fake.write_tree(tmp_path, {"small": ["happy", "sad"]}) / "small"
    fill_with_traps(faces / "sad", tmp_path / "outside")
    # The largest pictures that are taken, of noise, which no format makes smaller.
    noisy = fake.write_tree(tmp_path, {"noisy": ["happy", "sad"]}) / "noisy"
    noise = np.random.default_rng(0).integers(0, 256, (3600, 3600, 3), dtype=np.uint8)
    for name, quality in (("first", 90), ("second", 80)):
        Image.fromarray(noise).save(noisy / "happy" / f"{name}.jpg", quality=quality)
    options = {"lossless": True, "method": 0, "quality": 0}
    Image.fromarray(noise[:2549, :2549]).save(noisy / "happy" / "third.webp", **options)
    Image.fromarray(noise).convert("RGBA").save(noisy / "sad" / "fourth.png", compress_level=0)
    noise = np.kron(noise[:1500, :2000], np.ones((4, 4, 1), np.uint8))
    Image.fromarray(noise).save(noisy / "sad" / "of_48_megapixels.jpg", quality=50)
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target:
        for path in sorted(faces.glob("*/faces*.jpg")):
            target.write(path, path.relative_to(faces))
        with target.open("sad/bomb.png", "w", force_zip64=True) as member:
            for _ in range(1024):
                member.write(bytes(1 << 20))
    out = tmp_path / "out"
    command = [sys.executable, "-c", MEMORY, out, small, archive, faces, noisy]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert len(re.findall("too_many_pixels: 1|too_many_bytes: 1", done.stdout)) == 3
    # Of the small pictures, TensorFlow takes nearly all.
    least, bomb, traps, largest = map(int, re.findall(r"peak (\d+)", done.stdout))
    print(f"{least}, {bomb}, {traps}, {largest} MiB")
    assert max(bomb, traps, largest) << 20 < 1_000_000_000


def test_a_file_that_became_a_link_is_not_followed(tmp_path):
    (tmp_path / "outside.png").write_bytes(b"secret")
    folder = tmp_path / "faces"
    folder.mkdir()
    (folder / "a.png").symlink_to(tmp_path / "outside.png")
    limits = FileLimits(file_bytes=6)
    with pytest.raises(UnreadableError, match=r"a link to .*outside\.png") as found:
        source.read_inside(folder, "a.png", limits)
    assert found.value.reason == "link_outside"
    assert source.read_inside(folder, "a.png", limits, follow_links=True) == b"secret"
    with pytest.raises(FileNotFoundError):
        source.read_inside(folder, "b.png", limits)


@pytest.mark.parametrize(
    "name",
    ["../a.jpg", "sad/../../a.jpg", "/a.jpg", "sad//a.jpg", "./a.jpg", "C:/a.jpg", "b\\a.jpg"],
)
def test_a_member_whose_name_leads_elsewhere_is_refused(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        archive.writestr(name, b"abc")
        archive.writestr("sad/..a.jpg", b"abc")
    found = open_source(tmp_path / "faces.zip")
    assert list(found.names) == ["sad/..a.jpg"]
    assert {name: reason for name, (reason, _) in found.refused.items()} == {name: "odd_name"}


def test_an_open_archive_goes_to_another_process(tmp_path):
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        archive.writestr("train/a.txt", b"abc")
    opened = open_source(tmp_path / "faces.zip")
    assert opened.read("train/a.txt") == b"abc"
    assert pickle.loads(pickle.dumps(opened)).read("train/a.txt") == b"abc"
