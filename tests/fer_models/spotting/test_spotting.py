"""From tracked faces to windows, motion, the rule and the time line."""

import csv
import dataclasses
import itertools
import sys
import types

import keras
import numpy as np
import pytest
from helpers.moving_face import Unasked, replace_tracker, synthetic_scene, tracked, write_video
from helpers.moving_face import clip_network as network
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fer_data.faces import align_clip, alignment, transform_points
from fer_data.pipelines import clips
from fer_data.video import Frame, Video
from fer_models.spotting import (
    Gap,
    NoFaceError,
    Rule,
    Spotter,
    TimeLine,
    Window,
    annotated_copy,
    plot_time_line,
    write_spotted,
)
from fer_models.spotting.clip_network import ClipNetwork
from fer_models.spotting.motion import motion
from fer_models.spotting.sliding import FaceWindow, SlidingWindows
from fer_models.spotting.time_line_plot import clock
from fer_models.zoo import class_names

NAMES = ("negative", "positive", "surprise")


@pytest.fixture(scope="module")
def scene():
    return synthetic_scene()


def numbered(seen, first=0, fps=25.0):
    return ((first + face.frame, (first + face.frame) / fps, face) for face in seen)


def noise(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 40, 48, 3), dtype=np.uint8)


POINTS = np.random.default_rng(1).uniform((14, 10), (34, 30), (68, 2)).astype(np.float32)
POINTS[36:42], POINTS[42:48] = (18, 18), (31, 19)


class TestSliding:
    def test_a_window_is_what_the_data_sets_preparation_makes(self):
        frames = noise(14)
        moving = [POINTS + np.float32((0, 0.1 * number)) for number in range(14)]
        seen = [
            dataclasses.replace(face, landmarks=points)
            for face, points in zip(tracked(frames, POINTS), moving, strict=True)
        ]
        found = list(SlidingWindows(7, 3, 20)(numbered(seen)))
        assert [window.numbers[0] for window in found] == [0, 3, 6]
        for window in found:
            first = window.numbers[0]
            assert window.numbers.tolist() == list(range(first, first + 7))
            assert np.allclose(window.times, window.numbers / 25)
            # By the landmarks of its own first frame, whatever came after.
            clip = align_clip(frames[first : first + 7], moving[first], dtype="uint8").numpy()
            assert np.array_equal(window.faces, clip)
            aligned = transform_points(moving[first], alignment(moving[first]))
            assert np.array_equal(window.landmarks, aligned)

    @given(
        length=st.integers(3, 40),
        stride=st.integers(1, 40),
        frames=st.integers(2, 9),
        count=st.integers(1, 90),
    )
    def test_what_is_held_does_not_grow_with_the_video(self, length, stride, frames, count):
        stride = min(stride, length)
        sliding = SlidingWindows(length, stride, frames)
        held = []

        def add(number, time, image):
            for each in sliding._open:
                if number - each.first in sliding._offsets:
                    each.kept.append((number, time, np.zeros((1, 1, 3), np.uint8)))
            held.append(sum(len(each.kept) for each in sliding._open))

        sliding._add = add
        found = list(sliding(numbered(tracked(noise(1).repeat(count, axis=0), POINTS))))
        assert len(found) == max(0, (count - length) // stride + 1)
        assert max(held) <= -(-length // stride) * min(length, 2 * frames + 1)
        for number, window in enumerate(found):
            assert window.numbers[0] == number * stride
            assert window.numbers[-1] == number * stride + length - 1
            assert len(window.numbers) >= 3

    def test_faces_are_counted_as_they_are_held(self):
        few, many = SlidingWindows(8, 2, 4), SlidingWindows(8, 2, 4)
        list(few(numbered(tracked(noise(16), POINTS))))
        list(many(numbered(tracked(noise(48), POINTS))))
        assert few.most_held == many.most_held <= 4 * 8

    def test_no_window_reaches_over_what_was_not_seen(self):
        frames = noise(40)
        seen = list(tracked(frames, POINTS, missing=(0, 1, 14, 15), anew=(30,)))
        events = list(SlidingWindows(5, 5, 5)(numbered(seen)))
        gaps = [event for event in events if isinstance(event, Gap)]
        assert [(gap.first, gap.last, gap.reason) for gap in gaps] == [
            *((0, 1, "no face"), (14, 15, "no face"), (29, 30, "cut"))
        ]
        assert gaps[1].start == 14 / 25
        assert gaps[1].end == 15 / 25
        starts = [event.numbers[0] for event in events if isinstance(event, FaceWindow)]
        assert starts == [2, 7, 16, 21, 30, 35]

    def test_frames_that_could_not_be_decoded_and_a_face_that_stays_away(self):
        seen = list(numbered(tracked(noise(30), POINTS, missing=range(20, 30))))
        events = list(SlidingWindows(5, 5, 5)(seen[:8] + seen[10:]))
        gaps = [event for event in events if isinstance(event, Gap)]
        assert [(gap.first, gap.last, gap.reason) for gap in gaps] == [
            *((7, 10, "not decoded"), (20, 29, "no face"))
        ]
        starts = [event.numbers[0] for event in events if isinstance(event, FaceWindow)]
        assert starts == [0, 10, 15]


class TestMotion:
    def test_away_and_back(self, scene):
        frames, _, (onset, apex, offset) = scene
        window = frames[onset - 2 : offset + 3]
        found = motion(window)
        assert found.region in ("left brow", "right brow")
        assert abs(found.apex - (apex - onset + 2)) <= 1
        assert found.onset <= found.apex - 2
        assert found.offset >= found.apex + 2
        # The landmarks of the brows move by 2.5 pixels at most, a region's mean by less.
        assert 0.8 < found.size < 2.6
        assert found.head < 0.3
        assert found.back > 0.9

    def test_what_stays_does_not_count(self, scene):
        frames, _, (onset, apex, _) = scene
        stays = motion(frames[onset : apex + 1])
        assert stays.size < 0.15
        assert stays.back < 0.5
        assert motion(frames[:5]).size == 0

    def test_the_heads_motion_is_taken_off(self, scene):
        import cv2

        face = scene[0][0]
        shifts = 3 * np.sin(np.linspace(0, np.pi, 9))
        frames = np.stack(
            [
                cv2.warpAffine(face, np.float32([[1, 0, dx], [0, 1, 0]]), (128, 128), borderMode=1)
                for dx in shifts
            ]
        )
        found = motion(frames)
        assert abs(found.head - 3) < 0.4
        assert found.size < 0.5

    def test_a_grey_face_and_a_long_window(self, scene):
        frames, _, (onset, apex, offset) = scene
        window = np.repeat(frames[onset - 2 : offset + 3], 4, axis=0)
        grey = window.mean(axis=-1, keepdims=True).astype(np.uint8)
        found = motion(grey)
        assert found.size > 0.8
        assert abs(found.apex / 4 - (apex - onset + 2)) <= 1.5

    @pytest.mark.parametrize(
        "faces",
        [
            np.zeros((2, 128, 128, 3), np.uint8),
            np.zeros((5, 64, 64, 3), np.uint8),
            np.zeros((5, 128, 128, 2), np.uint8),
            np.zeros((5, 128, 128, 3), np.float32),
            np.zeros((5, 128, 128), np.uint8),
        ],
    )
    def test_bad_faces(self, faces):
        with pytest.raises(ValueError, match=r"`faces` must be uint8 of shape .* Received: dtype="):
            motion(faces)


class TestNetwork:
    @pytest.mark.parametrize("region_cut", ["landmarks", "grid"])
    @pytest.mark.parametrize(("regions", "channels"), [(3, 1), (2, 3)])
    @pytest.mark.slow
    def test_a_window_goes_through_the_pipelines_own_steps(self, regions, channels, region_cut):
        model = network(regions, channels=channels)
        own = ClipNetwork(model, batch_size=2, region_cut=region_cut, motion=True)
        rng = np.random.default_rng(0)
        faces = rng.integers(0, 256, (3, 9, 128, 128, 3), dtype=np.uint8)
        numbers = np.array([0, 1, 2, 3, 5, 6, 7, 8, 11])
        points = rng.uniform(20, 110, (3, 1, 2)) + rng.uniform(-8, 8, (3, 68, 2))
        data = {"frames": faces, "label": [0, 1, 2], "frame_numbers": [numbers] * 3}
        batches = clips.pipeline(
            data | {"landmarks": points},
            frames=5, size=8, regions=regions, channels=channels, batch_size=3, cache=False,
            region_cut=region_cut,
        )  # fmt: skip
        inputs, _ = next(iter(batches))
        inputs = [part.numpy() for part in inputs] if regions > 1 else inputs.numpy()
        windows = [own.clip(each, numbers) for each in faces]
        given = own(windows, [own.landmarks(each, 128) for each in points])
        assert given.shape == (3, 3)
        assert np.allclose(given, model.predict_on_batch(inputs), atol=1e-6)
        # And it matters that they are the right ones.
        assert np.abs(given[0] - given[1]).max() > 1e-3
        if region_cut == "landmarks":
            other = own(windows, [own.landmarks(each, 128) for each in 127 - points])
            assert np.abs(given - other).max() > 1e-3
            for landmarks, many in ((None, "none"), (points[:2], "2")):
                with pytest.raises(ValueError, match=f"regions follow them.*{many} for 3 clips"):
                    own(windows, landmarks)

    def test_which_regions_it_is_shown(self, tmp_path):
        """What the file says, what a user says where it says nothing, and never the other."""
        path = tmp_path / "model.keras"
        network().save(path)
        with pytest.warns(UserWarning, match="unknown which regions.*the fixed grid"):
            assert ClipNetwork(path, motion=True).region_cut == "grid"
        assert ClipNetwork(path, motion=True, region_cut="landmarks").region_cut == "landmarks"
        for cut, other in (("landmarks", "grid"), ("grid", "landmarks")):
            class_names.write(path, NAMES, {"region_cut": cut, "motion": True})
            assert ClipNetwork(str(path)).region_cut == cut
            assert ClipNetwork(path, region_cut=cut).class_names == NAMES
            with pytest.raises(ValueError, match=f"must be '{cut}', .* Received: .*'{other}'"):
                ClipNetwork(path, region_cut=other)
        with pytest.raises(ValueError, match="`region_cut` must be one of"):
            ClipNetwork(path, region_cut="eyes")
        # Nothing is cut for a network of the whole face, so nothing need be said.
        assert ClipNetwork(network(1), motion=True).region_cut is None

    def test_motion_or_grey_levels(self, tmp_path):
        """What the file says, what a user says where it says nothing, and never the other."""
        path = tmp_path / "model.keras"
        network(1).save(path)
        class_names.write(path, NAMES, {"region_cut": "grid"})
        for unsaid in (path, network(1)):
            with pytest.warns(UserWarning, match=r"unknown whether .* on motion or on grey levels"):
                assert ClipNetwork(unsaid).motion is True
            for said in (True, False):
                assert ClipNetwork(unsaid, motion=said).motion is said
        for trained in (True, False):
            class_names.write(path, NAMES, {"motion": trained})
            assert ClipNetwork(path).motion is trained
            assert ClipNetwork(path, motion=trained).motion is trained
            with pytest.raises(ValueError, match=f"`motion` must be {trained}, .*={not trained}"):
                ClipNetwork(path, motion=not trained)

    def test_the_number_of_windows_does_not_change_what_is_said(self):
        own = ClipNetwork(network(1), batch_size=4, motion=True)
        rng = np.random.default_rng(2)
        given = rng.integers(0, 256, (6, 5, 16, 16, 1), dtype=np.uint8)
        together = own(list(given))
        assert np.allclose(together, [own([clip])[0] for clip in given], atol=1e-6)
        assert own([]).shape == (0, 3)

    def test_grey_levels(self):
        raw, moved = (ClipNetwork(network(1), motion=motion) for motion in (False, True))
        still = [np.full((5, 16, 16, 1), 200, np.uint8)]
        assert np.allclose(moved(still), moved([still[0] * 0]), atol=1e-6)
        assert np.abs(raw(still) - raw([still[0] * 0])).max() > 1e-3

    @pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "bfloat16"])
    def test_a_network_of_half_precision_runs_in_float32(self, policy):
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(policy)
        try:
            half = network(1)
            own = ClipNetwork(half, motion=True)
        finally:
            keras.config.set_dtype_policy(before)
        whole = network(1)
        for ours, theirs in zip(whole.weights, half.weights, strict=True):
            ours.assign(keras.ops.cast(theirs, "float32"))
        windows = list(np.random.default_rng(0).integers(0, 256, (3, 5, 16, 16, 1), dtype=np.uint8))
        found = own(windows)
        np.testing.assert_allclose(found, ClipNetwork(whole, motion=True)(windows), atol=1e-6)
        np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)
        assert {layer.compute_dtype for layer in own.model.layers} == {"float32"}

    @pytest.mark.parametrize(
        ("shapes", "why"),
        [
            ([(48, 48, 1)], "model of clips"),
            ([(5, 8, 8, 1), (5, 8, 8, 3)], "model of clips"),
            ([(None, 8, 8, 1)], "model of clips"),
            ([(5, 8, 6, 1)], "model of clips"),
            ([(5, 7, 7, 1)], "model of clips"),
            ([(1, 8, 8, 1)], "model of clips"),
            ([(5, 8, 8, 1)] * 4, "model of clips"),
        ],
    )
    def test_models_that_are_none_of_clips(self, shapes, why):
        inputs = [keras.Input(shape) for shape in shapes]
        pooled = [keras.layers.Lambda(lambda x: keras.ops.mean(x, -1))(each) for each in inputs]
        with pytest.raises(ValueError, match=f"{why}.*fer train-clips"):
            ClipNetwork(keras.Model(inputs, pooled))

    def test_other_bad_models_and_arguments(self, tmp_path):
        clip = keras.Input((5, 8, 8, 1))
        logits = keras.Model(clip, keras.layers.Dense(3)(keras.layers.Flatten()(clip)))
        logits.layers[-1].set_weights([np.ones((320, 3)), np.full(3, -5.0)])
        with pytest.raises(ValueError, match=r"must give probabilities .* shape=\(1, 3\)"):
            ClipNetwork(logits, motion=True)
        with pytest.raises(ValueError, match="`class_names` must be 3 different names"):
            ClipNetwork(network(1), class_names=("a", "b"), motion=True)
        with pytest.raises(ValueError, match="`class_names` must be 3 different names"):
            ClipNetwork(network(1), class_names=("a", "b", "b"), motion=True)
        with pytest.raises(ValueError, match="`batch_size` must be an integer >= 1"):
            ClipNetwork(network(1), batch_size=0)
        with pytest.raises(ValueError, match="`motion` must be True, False or None"):
            ClipNetwork(network(1), motion="raw")
        with pytest.raises(ValueError, match=r"`source` must be .*fer train-clips"):
            ClipNetwork(None)
        with pytest.raises(FileNotFoundError, match=r"no model at .*fer train-clips"):
            ClipNetwork(tmp_path / "none.keras")
        (tmp_path / "bad.keras").write_text("no model")
        with pytest.raises(ValueError, match=r"`model` cannot be loaded: .*fer train-clips"):
            ClipNetwork(tmp_path / "bad.keras")
        (tmp_path / "bare.weights.h5").write_text("weights")
        with pytest.raises(ValueError, match="must be a file of a whole model"):
            ClipNetwork(tmp_path / "bare.weights.h5")


def columns(motions, head=0.0, back=1.0, stride=0.125, length=0.5):
    start = stride * np.arange(len(motions))
    return {
        "start": start,
        "end": start + length,
        "onset": start + 0.1,
        "offset": start + 0.4,
        "motion": np.array(motions, float),
        "head": np.full(len(motions), head),
        "back": np.full(len(motions), back),
    }


class TestRule:
    def test_of_overlapping_windows_the_greatest_stands(self):
        motions = np.full(60, 0.05)
        motions[10:14] = 0.4, 0.9, 0.8, 0.5
        motions[40] = 0.35
        assert Rule().spot(columns(motions)) == [11, 40]
        assert Rule(least=0.5).spot(columns(motions)) == [11]
        assert Rule().spot(columns(motions, head=3.1)) == []
        assert Rule().spot(columns(motions, back=0.4)) == []

    def test_its_words_do_not_round_the_share(self):
        for back, shown in ((0.5, "50%"), (0.025, "2.5%"), (0.001, "0.1%")):
            assert f"and at least {shown} of the way back, by 0.3 px" in str(Rule(back=back))

    def test_a_restless_face_asks_for_more(self):
        motions = np.full(60, 0.3)
        motions[20] = 0.7
        assert Rule(times=2.5).spot(columns(motions)) == []
        assert Rule(times=2.0).spot(columns(motions)) == [20]
        # The median is that of the seconds around, not of the whole.
        motions = np.concatenate([np.full(200, 0.05), np.full(200, 1.0)])
        motions[50] = 0.5
        assert Rule().spot(columns(motions)) == [50]

    def test_a_motion_is_not_its_own_surroundings(self):
        # In a second all windows overlap the moving one, in four seconds most do not.
        assert Rule().spot(columns([2.0])) == [0]
        assert Rule().spot(columns([0.1, 2.0, 2.0])) == [1]
        assert Rule().spot(columns([0.1, 2.0, 2.0, 0.1, 0.1])) == [1]
        moving = np.full(28, 0.2)
        moving[12:15] = 2.0
        assert Rule().spot(columns(moving)) == [12]
        moving[:12] = moving[15:] = 0.9
        assert Rule().spot(columns(moving)) == []
        # Windows that only touch do not overlap.
        middle = 0.3 + 0.1 * np.arange(3)
        assert Rule(times=2.0).thresholds(middle, [1, 2, 3], 0.1).tolist() == [5, 4, 3]
        assert Rule(times=2.0).thresholds(middle, [1, 2, 3]).tolist() == [4, 4, 4]
        assert Rule(least=0.4).thresholds(middle, [1, 2, 3], 0.3).tolist() == [0.4] * 3

    @given(hnp.arrays(float, st.integers(0, 40), elements=st.floats(0, 5)))
    def test_intervals_never_overlap_and_never_fall_short(self, motions):
        given = columns(motions)
        rule = Rule()
        kept = rule.spot(given)
        limits = rule.thresholds((given["start"] + given["end"]) / 2, given["motion"], 0.5)
        assert all(given["motion"][place] >= max(limits[place], 0.3) for place in kept)
        assert all(given["offset"][a] < given["onset"][b] for a, b in itertools.pairwise(kept))
        # Whatever would count and was left out overlaps one that moves as much or more.
        for place in set(np.flatnonzero(given["motion"] >= limits)) - set(kept):
            assert any(
                given["motion"][k] >= given["motion"][place] and abs(k - place) * 0.125 <= 0.3
                for k in kept
            )

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("least", -1),
            ("times", float("nan")),
            ("around", 0),
            ("head", -0.1),
            ("back", 1.1),
            ("least", "3"),
        ],
    )
    def test_bad_numbers(self, name, value):
        with pytest.raises(ValueError, match=f"`{name}` must be .* Received: {name}="):
            Rule(**{name: value})


def a_window(start, motion=0.1, label=0):
    probabilities = np.full(3, 0.2)
    probabilities[label] = 0.6
    return Window(
        int(25 * start), int(25 * start) + 12, start, start + 0.5, start + 0.1, start + 0.25,
        start + 0.4, motion, 0.9, 0.2, "left lip corner",
        dict(zip(NAMES, probabilities.tolist(), strict=True)), NAMES[label], 0.6,
    )  # fmt: skip


@pytest.fixture
def line():
    line = TimeLine(NAMES)
    for number in range(40):
        moving = number in (10, 30)
        line.add(a_window(0.125 * number, 1.0 if moving else 0.05, label=number % 3))
    line.add(Gap(70, 2.8, 71, 2.84, "no face"))
    line.add(Gap(90, 3.6, 91, 3.64, "cut"))
    return line


class TestTimeLine:
    def test_gives_back_what_it_was_given(self, line):
        assert len(line) == 40
        assert line[7] == a_window(0.875, 0.05, label=1)
        assert line[-1] == line[39] == line[30:][-1]
        assert [each.first for each in line[:2]] == [0, 3]
        with pytest.raises(IndexError):
            line[40]
        assert [(found.apex, found.threshold) for found in line.intervals()] == [
            (1.5, 0.3), (4.0, 0.3),
        ]  # fmt: skip

    def test_files(self, line, tmp_path):
        line.write(tmp_path / "new" / "line.csv")
        rows = list(csv.DictReader((tmp_path / "new" / "line.csv").open()))
        assert len(rows) == 40
        assert [n for n, row in enumerate(rows) if row["spotted"] == "1"] == [10, 30]
        assert rows[10]["label"] == "positive"
        assert float(rows[10]["positive"]) == 0.6
        assert float(rows[10]["apex"]) == 1.5
        line.write_intervals(tmp_path / "intervals.csv")
        rows = list(csv.DictReader((tmp_path / "intervals.csv").open()))
        assert [(row["start"], row["end"], row["region"]) for row in rows] == [
            *(("1.350", "1.650", "left lip corner"), ("3.850", "4.150", "left lip corner"))
        ]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["intervals.csv", "new"]

    def test_picture(self, line, tmp_path):
        from PIL import Image

        image = Image.open(plot_time_line(line, tmp_path / "line.png", title="a title"))
        assert image.size[0] > 1000
        assert np.asarray(image.convert("L")).std() > 5
        with pytest.raises(ValueError, match=r"`path` must end in one of"):
            plot_time_line(line, tmp_path / "line.xyz")
        with pytest.raises(ValueError, match="`line` must hold one window or more"):
            plot_time_line(TimeLine(NAMES), tmp_path / "none.png")

    def test_dollars_are_no_formulas(self, tmp_path):
        names = ("$one_{", "$two", "a $x_{ b$")
        line = TimeLine(names)
        for each in (a_window(0.5 * number, 2.0 * (number == 4)) for number in range(9)):
            said = dict(zip(names, each.probabilities.values(), strict=True))
            line.add(dataclasses.replace(each, probabilities=said, label=names[2]))
        assert len(line.intervals()) == 1
        content = write_spotted(line, tmp_path, title="$x_{ costs $5")
        assert content["class_names"] == list(names)
        assert (tmp_path / "report.json").exists()

    def test_nothing_is_written_of_no_window(self, tmp_path):
        with pytest.raises(ValueError, match="`line` must hold one window or more"):
            write_spotted(TimeLine(NAMES), tmp_path / "new")
        assert not (tmp_path / "new").exists()

    def test_a_legend_of_seven_classes_stays_in_the_picture(self, tmp_path, monkeypatch):
        from fer_models.spotting import time_line_plot

        figures = []

        def save(figure, path):
            figure.draw_without_rendering()
            figures.append(figure)

        monkeypatch.setattr(time_line_plot, "save_figure", save)
        names = ("angry", "disgusted", "fearful", "happy", "neutral", "sad", "surprised")
        line = TimeLine(names)
        said = dict.fromkeys(names, 1 / 7)
        line.add(dataclasses.replace(a_window(0), probabilities=said, label="angry"))
        plot_time_line(line, tmp_path / "line.png")
        (legend,) = figures[0].legends
        box, page = legend.get_window_extent(), figures[0].bbox
        assert page.x0 <= box.x0 < box.x1 <= page.x1
        assert page.y0 <= box.y0 < box.y1 <= page.y1

    def test_no_copy_among_the_frames(self, line, tmp_path):
        for path in (tmp_path / "copy.mp4", tmp_path / "spotted" / "copy.mp4"):
            with pytest.raises(ValueError, match="`path` must not lie in the folder of frames"):
                annotated_copy(tmp_path, line, path, fps=25)

    def test_a_copy_has_the_rate_of_the_search(self, line, tmp_path):
        write_video(tmp_path / "scene.avi", np.zeros((20, 32, 32, 3), np.uint8))
        line.seconds = 5.0
        with pytest.raises(
            ValueError, match=r"that of the search.* frame 12 at 0\.24 s, .* 0\.5 s"
        ):
            annotated_copy(tmp_path / "scene.avi", line, tmp_path / "copy.mp4", fps=50)
        assert not (tmp_path / "copy.mp4").exists()

    def test_a_video_of_uneven_times_has_a_copy(self, tmp_path, monkeypatch):
        times = [number / 25 for number in range(8)] + [0.32 + number / 12 for number in range(8)]
        frames = [Frame(n, t, np.zeros((32, 32, 3), np.uint8)) for n, t in enumerate(times)]

        class Uneven:
            info = types.SimpleNamespace(fps=len(times) / times[-1])

            def __iter__(self):
                return iter(frames)

        module = sys.modules[annotated_copy.__module__]
        monkeypatch.setattr(module, "Video", lambda *args, **options: Uneven())
        line = TimeLine(NAMES)
        line.add(dataclasses.replace(a_window(0), last=12, end=times[12]))
        line.seconds = times[-1]
        annotated_copy("phone.mp4", line, tmp_path / "copy.avi")
        assert Video(tmp_path / "copy.avi").count() == len(times)

    def test_each_gap_and_a_single_spoilt_window_are_seen(self, tmp_path, monkeypatch):
        from fer_models.spotting import time_line_plot

        figures = []
        monkeypatch.setattr(
            time_line_plot, "save_figure", lambda figure, path: figures.append(figure)
        )
        line = TimeLine(NAMES)
        for first in (0, 25, 50):
            window = a_window(first)
            line.add(dataclasses.replace(window, head=99.0 if first == 25 else window.head))
        plot_time_line(line, tmp_path / "line.png")
        line.add(Gap(100, 4.0, 101, 4.04, "cut"))
        line.add(Gap(110, 4.4, 120, 4.8, "not decoded"))
        plot_time_line(line, tmp_path / "line.png")
        plain, marked = ({text.get_text() for text in f.legends[0].get_texts()} for f in figures)
        assert marked - plain == {"cut", "not decoded"}
        assert "no face" not in plain
        spoilt = a_window(25)
        above = figures[0].axes[0]
        grounds = [
            path.get_extents().intervalx.tolist()
            for collection in above.collections
            for path in collection.get_paths()
        ]
        assert [spoilt.start, spoilt.end] in grounds

    def test_clock(self):
        assert [clock(s) for s in (0, 59.96, 61.5, 3600)] == ["0:00", "1:00", "1:01.5", "60:00"]


@pytest.fixture
def tracker(monkeypatch, scene):
    replace_tracker(monkeypatch, scene[1])


@pytest.fixture(scope="module")
def video(scene, tmp_path_factory):
    """The scene, with three dark frames behind it and a face at rest behind those."""
    frames = [*scene[0], *np.zeros((3, 128, 128, 3), np.uint8), *scene[0][:13]]
    return write_video(tmp_path_factory.mktemp("video") / "scene.avi", frames)


@pytest.fixture(scope="module")
def own(scene):
    with pytest.MonkeyPatch.context() as patch:
        replace_tracker(patch, scene[1])
        return Spotter(
            network(), motion=True, detector=Unasked(), batch_size=4, region_cut="landmarks"
        )


class TestSpotter:
    def test_a_video(self, own, tracker, video, scene):
        seen = []
        line = own.video(video, window=13, stride=2, unit="frames", on_frame=lambda: seen.append(1))
        assert len(seen) == line.frames == len(scene[0]) + 3 + 13
        assert line.faces == line.frames - 3
        starts = [each.first for each in line]
        assert starts == [*range(0, len(scene[0]) - 12, 2), len(scene[0]) + 3]
        assert [gap.reason for gap in line.gaps] == ["no face"]
        assert all(abs(sum(each.probabilities.values()) - 1) < 1e-5 for each in line)
        (found,) = line.intervals()
        onset, apex, offset = (place / 25 for place in scene[2])
        assert onset - 0.05 <= found.start < found.apex < found.end <= offset + 0.05
        assert abs(found.apex - apex) < 0.09
        assert "brow" in found.window.region
        assert own.region_cut == "landmarks"

    def test_nobody_and_nobody_for_long(self, own, tracker, tmp_path, scene):
        dark = write_video(tmp_path / "dark.avi", np.zeros((9, 128, 128, 3), np.uint8))
        with pytest.raises(
            NoFaceError, match=r"No face was found in any of the 9 frames of .*dark"
        ):
            own.video(dark, window=5, unit="frames")
        frames = scene[0][:9].copy()
        frames[4] = 0
        short = write_video(tmp_path / "short.avi", frames)
        with pytest.raises(NoFaceError, match=r"never in sight for a whole window of 5 .* 8 "):
            own.video(short, window=5, unit="frames")

    def test_stopped_it_gives_what_it_has_seen(self, own, tracker, tmp_path, scene):
        frames = scene[0][:24].copy()
        frames[20:] = 0
        video = write_video(tmp_path / "gap.avi", frames)
        asked = itertools.count()
        line = own.video(video, window=5, stride=5, unit="frames", stop=lambda: next(asked) == 22)
        # The batch of four windows is not full before frame 19, and the gap is still open.
        assert [each.first for each in line] == [0, 5, 10, 15]
        assert [(gap.first, gap.last, gap.reason) for gap in line.gaps] == [(20, 21, "no face")]
        assert (line.frames, line.faces) == (22, 20)
        asked = itertools.count()
        line = own.video(video, window=5, stride=5, unit="frames", stop=lambda: next(asked) == 12)
        assert [each.first for each in line] == [0, 5]

    @pytest.mark.parametrize(
        ("options", "why"),
        [
            ({"window": 5.0}, "`window` must not be longer than the video.* has 51"),
            ({"window": 0.05}, "`window` must be 3 frames or more"),
            ({"window": -1}, "`window` must be a number >= 0"),
            ({"window": "long"}, "`window` must be a number >= 0"),
            ({"stride": 0}, "`stride` must be one frame or more"),
            ({"stride": 0.6}, "`stride` must be .* no longer than the window"),
            ({"unit": "hours"}, "`unit` must be one of"),
            ({"fps": 0}, "`fps` must be"),
            ({"on_bad": "hide"}, "`on_bad` must be one of"),
        ],
    )
    def test_bad_options_are_told_at_once(self, own, tracker, video, options, why):
        with pytest.raises(ValueError, match=why):
            own.stream(video, **options)

    def test_bad_videos(self, own, tracker, tmp_path):
        with pytest.raises(FileNotFoundError, match="There is no video"):
            own.stream(tmp_path / "none.mp4")
        (tmp_path / "bad.mp4").write_text("no video")
        with pytest.raises(ValueError, match="cannot be read as a video"):
            own.stream(tmp_path / "bad.mp4")

    def test_bad_tools(self):
        with pytest.raises(ValueError, match=r"`detector` must be a name of"):
            Spotter(network(1), motion=True, detector=3)
        with pytest.raises(ValueError, match="`detector` must be one of"):
            Spotter(network(1), motion=True, detector="eyes")
