"""Frame numbers are exact, memory is constant, and damage is an error or counted."""

import contextlib
import itertools
import os
import pickle
import struct
import tracemalloc

import cv2
import numpy as np
import pytest
from helpers import odd_videos
from helpers.shared import shared_path
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fer_data.video import Video, VideoWriter, interpolate, sample_positions
from fer_data.video.container import missing_bytes, shown_seconds

HEIGHT, WIDTH, BITS = 48, 96, 12


def numbered(number, height=HEIGHT, width=WIDTH):
    """A picture whose bars are its number in binary, wide enough to survive any codec."""
    image = np.full((height, width, 3), (30, 60, 90), np.uint8)
    for bit in range(BITS):
        bar = slice(bit * width // BITS, (bit + 1) * width // BITS)
        image[height // 4 : height * 3 // 4, bar] = 255 * (number >> bit & 1)
    return image


def number_of(image):
    bars = image.shape[1] // BITS
    row = image[image.shape[0] // 2].astype(float).mean(-1).reshape(BITS, bars)
    return sum(1 << bit for bit in range(BITS) if row[bit, bars // 2] > 128)


def write(path, frames=30, fps=25, codec=None, **size):
    with VideoWriter(path, fps, codec) as writer:
        for number in range(frames):
            writer.write(numbered(number, **size))
    return path


@pytest.fixture(scope="module")
def mp4(tmp_path_factory):
    return write(tmp_path_factory.mktemp("mp4") / "thirty frames.mp4")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "clip"
    folder.mkdir()
    for number in range(12):
        Image.fromarray(numbered(number)).save(folder / f"img{number + 1}.png")
    return folder


def numbers(frames):
    frames = list(frames)
    assert [number_of(frame.image) for frame in frames] == [frame.number for frame in frames]
    return [frame.number for frame in frames]


def edited(source, target, *patches):
    """Copy a file with bytes replaced: `(offset, bytes)`."""
    data = bytearray(source.read_bytes())
    for offset, patch in patches:
        data[offset : offset + len(patch)] = patch
    target.write_bytes(data)
    return target


def atom(path, kind):
    """Return the offset of the contents of an MP4 box, or of the data of an AVI chunk."""
    place = path.read_bytes().find(kind)
    assert place >= 0
    return place + 4


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "mp4v"), ("a.mp4", "vp09"), ("a.avi", "MJPG"), ("a.mkv", "FFV1")]
)
def test_every_frame_has_its_number_and_time(tmp_path, name, codec):
    video = Video(write(tmp_path / name, codec=codec))
    assert (video.info.frames, video.info.fps) == (30, 25)
    assert (video.info.width, video.info.height, video.info.rotation) == (WIDTH, HEIGHT, 0)
    assert numbers(video) == list(range(30))
    assert [frame.time for frame in video] == pytest.approx([n / 25 for n in range(30)])
    assert video.count() == 30
    assert not video.skipped


@pytest.mark.parametrize(
    ("name", "codec"), [("a.avi", "MPG2"), ("a.mpg", "MPG2"), ("a.mpg", "PIM1")]
)
def test_a_last_frame_without_a_time_stamp_is_a_frame(tmp_path, name, codec):
    video = Video(write(tmp_path / name, codec=codec))
    assert numbers(video) == list(range(30))
    assert video.count() == 30
    assert not video.skipped
    times = [frame.time for frame in video]
    np.testing.assert_allclose(np.diff(times), 1 / 25, atol=0.002)


def test_pixels_are_rgb_and_lossless_where_the_codec_is(tmp_path):
    video = Video(write(tmp_path / "a.mkv", frames=3))
    for frame in video:
        assert frame.image.dtype == np.uint8
        assert np.abs(frame.image.astype(int) - numbered(frame.number)).max() <= 2


@settings(max_examples=15, deadline=None)
@given(start=st.integers(0, 29), length=st.integers(1, 30))
def test_ranges_are_exact_and_outside_is_an_error(mp4, start, length):
    video = Video(mp4)
    if start + length <= 30:
        assert numbers(video.frames(start, start + length)) == [*range(start, start + length)]
    else:
        with pytest.raises(ValueError, match=r"thirty frames.* has 30 frames.*stop="):
            video.frames(start, start + length)


def test_iterations_are_independent_and_a_video_can_be_pickled(mp4):
    video = pickle.loads(pickle.dumps(Video(mp4)))
    pairs = zip(video.frames(3), video.frames(), strict=False)
    assert [(a.number, b.number) for a, b in itertools.islice(pairs, 3)] == [(3, 0), (4, 1), (5, 2)]


def test_long_range_without_end_and_start_behind_the_end(mp4):
    assert numbers(Video(mp4).frames(28)) == [28, 29]
    with pytest.raises(ValueError, match=r"has 30 frames.*Received: frame 30"):
        Video(mp4).frames(30)


@pytest.mark.parametrize(
    "arguments", [(-1,), (0, 0), (5, 5), (5, 3), (1.5,), (True,), (0, 2.5), ("a",)]
)
def test_bad_ranges(mp4, arguments):
    with pytest.raises(ValueError, match="Received: st"):
        Video(mp4).frames(*arguments)


@pytest.mark.parametrize("promised", [3, 999])
def test_a_wrong_header_changes_nothing(tmp_path, promised):
    source = write(tmp_path / "right.avi")
    count = struct.pack("<I", promised)
    path = edited(
        source,
        tmp_path / "wrong.avi",
        (atom(source, b"strh") + 4 + 32, count),
        (atom(source, b"avih") + 4 + 16, count),
    )
    video = Video(path)
    assert video.info.frames == promised
    assert numbers(video) == list(range(30))
    assert video.count() == 30
    assert numbers(video.frames(20, 30)) == list(range(20, 30))
    with pytest.raises(ValueError, match=r"has 30 frames.*stop=31"):
        list(video.frames(20, 31))
    with pytest.raises(ValueError, match="has 30 frames"):
        list(video.frames(30))


def test_uneven_time_stamps_are_the_files_own(tmp_path):
    source = write(tmp_path / "even.mp4", frames=6)
    data = bytearray(source.read_bytes())
    # The table of durations gets two entries in place of one, and its parents eight bytes more.
    table = data.find(b"stts") - 4
    _, entries, count, ticks = struct.unpack_from(">IIII", data, table + 8)
    assert (entries, count) == (1, 6)
    data[table + 12 : table + 24] = struct.pack(">IIIII", 2, 2, ticks, 4, 3 * ticks)
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stts"):
        place = data.find(kind) - 4
        struct.pack_into(">I", data, place, struct.unpack_from(">I", data, place)[0] + 8)
    # The edit list would cut what is longer than before.
    struct.pack_into(">I", data, data.find(b"elst") + 12, 10**6)
    path = tmp_path / "uneven.mp4"
    path.write_bytes(data)
    times = [frame.time for frame in Video(path)]
    np.testing.assert_allclose(times, [0, 0.04, 0.08, 0.2, 0.32, 0.44], atol=1e-6)
    times = [frame.time for frame in Video(path, fps=200)]
    np.testing.assert_allclose(times, np.arange(6) / 200)


def test_a_rate_that_the_file_does_not_state_is_that_of_its_frames(tmp_path):
    path = odd_videos.recorded_by_a_browser(tmp_path / "camera.webm", frames=30)
    video = Video(path)
    assert video.info.frames == 30 == len(list(video))
    assert video.info.fps == pytest.approx(30, abs=0.1)


def test_frames_outside_the_edit_list_of_a_trimmed_video_do_not_count(tmp_path):
    source = write(tmp_path / "whole.mp4")
    data = source.read_bytes()
    edits, head = atom(source, b"elst"), atom(source, b"mvhd")
    assert struct.unpack_from(">I", data, edits + 4) == (1,)
    ticks = struct.unpack_from(">I", data, head + 12)[0]
    media_ticks = struct.unpack_from(">I", data, atom(source, b"mdhd") + 12)[0]
    start, shown = 7 * media_ticks // 25, 15 * ticks // 25
    path = edited(source, tmp_path / "cut.mp4", (edits + 8, struct.pack(">Ii", shown, start)))
    video = Video(path)
    frames = list(video)
    assert [number_of(frame.image) for frame in frames] == list(range(7, 22))
    assert [frame.number for frame in frames] == list(range(15))
    assert [frame.time for frame in frames] == pytest.approx([n / 25 for n in range(15)])
    assert video.count() == 15
    with pytest.raises(ValueError, match="has 15 frames"):
        list(video.frames(10, 16))


@pytest.mark.parametrize(
    ("degrees", "matrix"),
    [(90, (0, 1, -1, 0)), (180, (-1, 0, 0, -1)), (270, (0, -1, 1, 0))],
)
def test_a_phones_rotation_is_applied(tmp_path, degrees, matrix):
    source = write(tmp_path / "flat.mp4", frames=2)
    a, b, c, d = (value << 16 for value in matrix)
    numbers = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path = edited(source, tmp_path / "turned.mp4", (atom(source, b"tkhd") + 40, numbers))
    video = Video(path)
    assert video.info.rotation == degrees
    sides = (HEIGHT, WIDTH) if degrees == 180 else (WIDTH, HEIGHT)
    assert (video.info.height, video.info.width) == sides
    turned = next(video.frames(1)).image
    assert number_of(np.rot90(turned, degrees // 90)) == 1


def test_memory_does_not_grow_with_the_video(tmp_path):
    size = {"height": 96, "width": 240}
    peaks = []
    for frames in (40, 400):
        path = write(tmp_path / f"{frames}.avi", frames=frames, **size)
        tracemalloc.start()
        assert sum(1 for _ in Video(path)) == frames
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 3 * 96 * 240 * 3


def test_frames_are_decoded_only_when_asked_for(folder):
    frames = Video(folder).frames()
    assert next(frames).number == 0
    (folder / "img2.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"'img2.png' in .*frame 1.*0 bytes"):
        next(frames)


def test_folder_in_natural_order(folder):
    video = Video(folder, fps=200)
    assert numbers(video) == list(range(12))
    assert [frame.name for frame in video] == [f"img{number}.png" for number in range(1, 13)]
    assert [frame.time for frame in video.frames(2, 4)] == [0.01, 0.015]
    assert video.info.frames == video.count() == 12
    np.testing.assert_array_equal(next(video.frames(7)).image, numbered(7))
    assert next(Video(folder).frames()).time is None
    assert Video(folder).info.fps is None


def test_folder_passes_over_what_file_managers_leave(folder):
    for name in (".DS_Store", "._img1.png", "Thumbs.db"):
        (folder / name).write_bytes(b"x")
    count = len(list(folder.glob("img*.png")))
    video = Video(folder)
    assert video.info.frames == count
    assert numbers(video) == list(range(count))
    assert not video.skipped


def test_folder_errors_name_file_and_frame(folder, tmp_path):
    (folder / "notes.txt").write_text("x")
    with pytest.raises(ValueError, match=r"'notes.txt' in .*no picture.*on_bad"):
        Video(folder)
    (folder / "notes.txt").unlink()
    (folder / "more").mkdir()
    with pytest.raises(ValueError, match=r"'more' in .*is a folder"):
        Video(folder)
    (folder / "more").rmdir()
    whole = (folder / "img3.png").read_bytes()
    (folder / "img3.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"'img3.png' in .*\(frame 2\) cannot be read"):
        list(Video(folder))
    assert numbers(Video(folder).frames(3, 6)) == [3, 4, 5]
    (folder / "img3.png").write_bytes(whole)
    Image.fromarray(numbered(4, 24, 48)).save(folder / "img5.png")
    with pytest.raises(ValueError, match=r"'img5.png' in .* 48x24 pixels, the first one 96x48"):
        list(Video(folder))


def test_folder_skips_are_counted_once_and_keep_the_numbers(folder):
    (folder / "notes.txt").write_text("x")
    (folder / "img1.png").write_bytes(b"no picture")
    Image.fromarray(numbered(4, 24, 48)).save(folder / "img5.png")
    video = Video(folder, on_bad="skip")
    for _ in range(2):
        assert numbers(video) == [1, 2, 3, 5, 6, 7, 8, 9, 10, 11]
        assert sorted(video.skipped) == ["img1.png", "img5.png", "notes.txt"]
    assert video.count() == 12
    assert video.sample(3, onset=3, offset=5).shape == (3, HEIGHT, WIDTH, 3)
    with pytest.raises(ValueError, match=r"clip.*after the last frame"):
        video.sample(3, onset=2, offset=4)


def test_folders_without_a_picture(tmp_path):
    with pytest.raises(ValueError, match="holds no pictures"):
        Video(tmp_path)
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"a.png.*0 bytes"):
        Video(tmp_path)
    with pytest.raises(ValueError, match="not one can be read"):
        Video(tmp_path, on_bad="skip")


def test_files_that_are_no_video(tmp_path, folder):
    with pytest.raises(FileNotFoundError, match=r"nowhere.mp4"):
        Video(tmp_path / "nowhere.mp4")
    (tmp_path / "empty.mp4").write_bytes(b"")
    with pytest.raises(ValueError, match=r"empty.mp4.*is empty"):
        Video(tmp_path / "empty.mp4")
    (tmp_path / "text.mp4").write_text("hello " * 100)
    with pytest.raises(ValueError, match=r"text.mp4.*cannot be read as a video"):
        Video(tmp_path / "text.mp4")
    with pytest.raises(ValueError, match=r"img1.png.*is a picture, not a video"):
        Video(folder / "img1.png")


def test_a_video_without_frames(tmp_path):
    source = write(tmp_path / "one.avi", frames=1)
    ((place, length),) = chunks(source)
    path = edited(source, tmp_path / "none.avi", (place, bytes(length)))
    with pytest.raises(ValueError, match=r"Frame 0 of .*none.avi.*cannot be decoded"):
        Video(path)
    with pytest.raises(ValueError, match=r"Not one frame of .*none.avi"):
        Video(path, on_bad="skip")


@pytest.mark.parametrize("name", ["a.avi", "a.mkv"])
@pytest.mark.parametrize("share", [0.4, 0.7, 0.95])
def test_truncated_files(tmp_path, name, share):
    whole = write(tmp_path / name, frames=80).read_bytes()
    path = tmp_path / f"cut{name}"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ValueError, match=r"end of .*cuta.* truncated, \d+ bytes too short"):
        Video(path)
    video = Video(path, on_bad="skip")
    kept = numbers(video)
    assert kept == list(range(len(kept)))
    assert 0.2 * 80 < len(kept) < 80
    assert "end" in video.skipped
    assert video.count() == len(kept)
    assert video.sample(4).shape[0] == 4


def test_a_truncated_mp4_with_its_index_in_front(tmp_path):
    data = write(tmp_path / "a.mp4", frames=40).read_bytes()
    place = data.find(b"moov") - 4
    index, length = bytearray(data[place:]), len(data) - place
    table = index.find(b"stco")
    for entry in range(struct.unpack_from(">I", index, table + 8)[0]):
        where = table + 12 + 4 * entry
        struct.pack_into(">I", index, where, struct.unpack_from(">I", index, where)[0] + length)
    start = struct.unpack_from(">I", data)[0]
    path = tmp_path / "streamed.mp4"
    path.write_bytes(data[:start] + index + data[start:place])
    assert numbers(Video(path)) == list(range(40))
    path.write_bytes(path.read_bytes()[:-700])
    with pytest.raises(ValueError, match="truncated, 700 bytes too short"):
        Video(path)
    video = Video(path, on_bad="skip")
    assert video.info.frames == 40
    assert 0 < len(numbers(video)) == video.count() < 40


def test_a_truncated_mp4_has_no_index(tmp_path, mp4):
    path = tmp_path / "cut.mp4"
    path.write_bytes(mp4.read_bytes()[:-40])
    with pytest.raises(ValueError, match="truncated, 40 bytes too short"):
        Video(path)
    path.write_bytes(mp4.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"cut.mp4.*cannot be read as a video.*truncated"):
        Video(path, on_bad="skip")


def chunks(path):
    """Offset and length of the pictures in an AVI file."""
    data, place, found = path.read_bytes(), 0, []
    index = data.find(b"idx1")
    while 0 <= (place := data.find(b"00dc", place)) < index:
        found.append((place + 8, struct.unpack_from("<I", data, place + 4)[0]))
        place += 8
    # The name also stands in the index of the stream, with nothing behind it.
    return [(place, length) for place, length in found if length]


@pytest.mark.parametrize("lost", [[4], [4, 5, 17], [29], [0], [28, 29]])
def test_damaged_frames(tmp_path, lost):
    source = write(tmp_path / "whole.avi")
    places = chunks(source)
    assert len(places) == 30
    patches = [(places[number][0], bytes(places[number][1])) for number in lost]
    path = edited(source, tmp_path / "damaged.avi", *patches)
    with pytest.raises(ValueError, match=rf"Frame {lost[0]} of .*damaged.avi.*cannot be decoded"):
        list(Video(path))
    video = Video(path, on_bad="skip")
    kept = list(video)
    assert [number_of(frame.image) for frame in kept] == [frame.number for frame in kept]
    assert [frame.number for frame in kept] == [n for n in range(30) if n not in lost]
    assert [frame.time for frame in kept] == pytest.approx([f.number / 25 for f in kept])
    assert sorted(video.skipped) == lost
    assert video.count() == 30


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_positions_are_increasing_and_hold_onset_apex_and_offset(data):
    onset = data.draw(st.integers(0, 50))
    offset = data.draw(st.integers(onset + 1, onset + 200))
    apex = data.draw(st.none() | st.integers(onset, offset))
    count = data.draw(st.integers(3, 40))
    positions = sample_positions(count, onset, offset, apex)
    assert positions.shape == (count,)
    assert positions[0] == onset
    assert positions[-1] == offset
    assert (np.diff(positions) > 0).all()
    assert apex is None or apex in positions
    if apex is None:
        np.testing.assert_allclose(np.diff(positions), (offset - onset) / (count - 1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 0, 5), "`count` must be an integer >= 2"),
        ((4.0, 0, 5), "`count`"),
        ((2, 0, 5, 3), "`count` must be 3 or more for an apex.*count=2"),
        ((4, -1, 5), "`onset`"),
        ((4, 5, 5), "`offset` must come after `onset`"),
        ((4, 9, 5), "Received: onset=9, offset=5"),
        ((4, 2, 5, 1), "`apex` must lie between.*apex=1"),
        ((4, 2, 5, 6), "`apex` must lie between.*apex=6"),
        ((4, 0, float("nan")), "`offset`"),
    ],
)
def test_bad_positions(arguments, message):
    with pytest.raises(ValueError, match=message):
        sample_positions(*arguments)


def test_interpolation_is_linear_in_time():
    ramp = [np.full((2, 3, 3), 10 * number, np.uint8) for number in range(11)]
    positions = sample_positions(7, 0, 10)
    clip = list(interpolate(enumerate(ramp), positions))
    assert all(picture.dtype == np.uint8 for picture in clip)
    assert [int(picture[0, 0, 0]) for picture in clip] == np.rint(10 * positions).tolist()
    exact = list(interpolate(enumerate(np.float32(ramp)), positions))
    np.testing.assert_allclose([p[0, 0, 0] for p in exact], 10 * positions, rtol=1e-6)
    # A frame that is missing is bridged by its neighbours, and a position may repeat.
    sparse = [(number, picture) for number, picture in enumerate(ramp) if number != 5]
    assert [int(p[0, 0, 0]) for p in interpolate(sparse, [5, 5, 5.5])] == [50, 50, 55]


@pytest.mark.parametrize(
    ("frames", "positions", "message"),
    [
        ([], [0], "Received: position 0, no frames"),
        ([1, 2], [0], "before the first frame"),
        ([1, 2], [1, 3], "after the last frame.*position 3, last frame 2"),
        ([1, 1], [2], "increasing numbers.*frame 1 after frame 1"),
        ([1, 2], [2, 1], "`positions` must be increasing"),
        ([1, 2], [], "`positions` must be increasing"),
    ],
)
def test_bad_interpolation(frames, positions, message):
    pictures = [(number, np.zeros((2, 2, 3), np.uint8)) for number in frames]
    with pytest.raises(ValueError, match=message):
        list(interpolate(pictures, positions))


def test_interpolation_refuses_pictures_that_would_be_broadcast():
    pictures = enumerate([np.zeros((2, 2, 3)), np.zeros((1, 2, 3))])
    with pytest.raises(ValueError, match=r"of one shape. Received: frame 1 of \(1, 2, 3\)"):
        list(interpolate(pictures, [0.5]))


def test_samples_hold_the_very_frames(mp4):
    video = Video(mp4)
    clip = video.sample(10, onset=3, offset=21)
    assert clip.shape == (10, HEIGHT, WIDTH, 3)
    assert [number_of(picture) for picture in clip] == list(range(3, 22, 2))
    clip = video.sample(5, onset=3, offset=21, apex=6)
    assert 6 in [number_of(picture) for picture in clip]
    assert number_of(video.sample(4)[-1]) == 29
    between = video.sample(3, onset=4, offset=5)[1].astype(int)
    ends = [next(video.frames(n)).image.astype(int) for n in (4, 5)]
    assert np.abs(between - (ends[0] + ends[1]) / 2).max() <= 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 4, "onset": 3, "offset": 30}, "has 30 frames.*stop=31"),
        ({"count": 4, "onset": 9, "offset": 4}, "thirty frames.*`offset` must come after"),
        ({"count": 4, "onset": 40}, "has 30 frames.*start=40"),
        ({"count": 4, "onset": 9, "apex": 4}, "thirty frames.*`apex` must lie between"),
        ({"count": 4, "onset": 1.5}, "`onset` must be an integer"),
        ({"count": 0}, "`count`"),
    ],
)
def test_bad_samples(mp4, arguments, message):
    with pytest.raises(ValueError, match=message):
        Video(mp4).sample(**arguments)


@pytest.mark.parametrize("options", [{"fps": 0}, {"fps": "25"}, {"on_bad": "ignore"}])
def test_bad_options(mp4, options):
    with pytest.raises(ValueError, match=f"Received: {next(iter(options))}="):
        Video(mp4, **options)


def test_written_video_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "a.mp4"
    with contextlib.suppress(KeyboardInterrupt), VideoWriter(path, 25) as writer:
        writer.write(numbered(0))
        raise KeyboardInterrupt
    assert list(path.parent.iterdir()) == []
    path.write_bytes(b"earlier")
    with VideoWriter(path, 25) as writer:
        writer.write(numbered(0))
        assert path.read_bytes() == b"earlier"
        # Closing it in the block, where its end closes it too, is no error.
        writer.close()
        assert Video(path).count() == 1
        with pytest.raises(ValueError, match="closed `VideoWriter` takes no more frames"):
            writer.write(numbered(1))
    assert Video(path).count() == 1
    assert list(path.parent.iterdir()) == [path]


def test_odd_sizes_are_filled_up(tmp_path):
    path = write(tmp_path / "odd.mp4", frames=2, height=35, width=61)
    assert (Video(path).info.height, Video(path).info.width) == (36, 62)


@pytest.mark.parametrize("rate", [29.97, 66.667, 119.883, 142.857, 239.717, 960.1])
def test_rates_that_mpeg_4_cannot_hold_are_rounded(tmp_path, rate):
    with VideoWriter(tmp_path / "fast.mp4", rate) as writer:
        writer.write(numbered(0))
        writer.write(numbered(1))
    assert Video(tmp_path / "fast.mp4").info.fps == pytest.approx(rate, rel=2e-4)


def test_writing_errors(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="no frame"), VideoWriter(tmp_path / "a.mp4", 25):
        pass
    for image in (numbered(0)[..., 0], numbered(0).astype(np.float32), np.zeros((0, 4, 3), "u1")):
        with (
            pytest.raises(ValueError, match="`image` must be uint8 RGB"),
            VideoWriter(tmp_path / "a.mp4", 25) as writer,
        ):
            writer.write(image)
    writer = VideoWriter(tmp_path / "a.mp4", 25)
    writer.write(numbered(0))
    with pytest.raises(ValueError, match="frame 1 with shape"), writer:
        writer.write(numbered(0, 24, 48))
    with pytest.raises(ValueError, match=r"`path` must end in one of .*a.webm"):
        VideoWriter(tmp_path / "a.webm", 25)
    with pytest.raises(ValueError, match="`codec` must be four letters"):
        VideoWriter(tmp_path / "a.mp4", 25, "h264!")
    with (
        pytest.raises(
            ValueError, match="cannot write 96x48 pixels at 25 frames a second with codec 'abcd'"
        ),
        VideoWriter(tmp_path / "a.mp4", 25, "abcd") as writer,
    ):
        writer.write(numbered(0))
    with pytest.raises(ValueError, match="Received: fps=0"):
        VideoWriter(tmp_path / "a.mp4", 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("trailer", [b"hello, this is a trailer", b"\xff" * 64, bytes(100)])
def test_a_cameras_trailer_is_no_damage(tmp_path, mp4, trailer):
    path = tmp_path / "camera.mp4"
    path.write_bytes(mp4.read_bytes() + trailer)
    assert Video(path).count() == 30


def test_gif_is_a_video_and_webp_is_not(tmp_path):
    first, *others = (Image.new("L", (60, 40), value) for value in (0, 80, 160))
    for name in ("a.gif", "a.webp"):
        first.save(tmp_path / name, save_all=True, append_images=others, duration=[100, 200, 100])
    assert [frame.time for frame in Video(tmp_path / "a.gif")] == pytest.approx([0, 0.1, 0.3])
    with pytest.raises(ValueError, match=r"a.webp.*is a picture, not a video"):
        Video(tmp_path / "a.webp")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_is_noticed(tmp_path):
    writer = VideoWriter(tmp_path / "a.avi", 25)
    writer._temporary.symlink_to("/dev/full")
    for number in range(200):
        writer.write(numbered(number))
    with pytest.raises(OSError, match=r"written to .*a.avi.*disk may be full"):
        writer.close()
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_structures_that_are_nonsense_are_no_crash(tmp_path_factory, data):
    magic = st.sampled_from([b"\x1a\x45\xdf\xa3", b"RIFF", b"\0\0\0\x18ftyp", b"\0\0\0\1mdat"])
    boxes = st.sampled_from([b"\0\0\0\1", b"\xff" * 8, b"moov", b"trak", b"edts", b"elst", b"mvhd"])
    parts = data.draw(st.lists(boxes | st.binary(max_size=12), max_size=12))
    path = tmp_path_factory.getbasetemp() / "nonsense.bin"
    path.write_bytes(data.draw(magic) + b"".join(parts))
    assert missing_bytes(path) >= 0
    assert shown_seconds(path) > 0


def test_opencv_without_ffmpeg_is_said(mp4, monkeypatch):
    monkeypatch.setattr(cv2.videoio_registry, "hasBackend", lambda backend: False)
    with pytest.raises(ImportError, match="no FFmpeg"):
        Video(mp4)


@pytest.mark.parametrize(
    ("name", "count", "fps"),
    [("neutral_to_smile.mp4", 72, 30.0), ("sad_to_laughing.mp4", 472, 24000 / 1001)],
)
def test_real_videos(name, count, fps):
    video = Video(shared_path("data/video") / name)
    assert video.info.fps == pytest.approx(fps, abs=1e-3)
    times = []
    for frame in video:
        assert frame.number == len(times)
        times.append(frame.time)
    assert len(times) == video.count() == video.info.frames == count
    np.testing.assert_allclose(times, np.arange(count) / fps, atol=1e-3)
    whole = [next(video.frames(number)).image for number in (10, 11)]
    clip = video.sample(3, onset=10, offset=11)
    np.testing.assert_array_equal(clip[[0, 2]], whole)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.mp4")
    with pytest.raises(ValueError, match=r"a\.mp4' must be a file or a folder.*a named pipe"):
        Video(tmp_path / "a.mp4")
