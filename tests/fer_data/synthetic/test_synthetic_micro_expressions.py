"""Synthetic micro-expressions: what moves, by how much, when; and the canaries of the protocol."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_data import protocols
from fer_data.datasets import clip_table
from fer_data.pipelines import clips as clip_data
from fer_data.synthetic import micro_motion
from fer_data.synthetic.micro_motion import (
    EXPRESSIONS,
    animate,
    displacement,
    displacement_field,
    envelope,
)
from fer_data.synthetic.synthetic_micro_expressions import (
    SyntheticMicroExpressions,
    synthetic_clips,
)

LEFT_BROW, RIGHT_BROW, LIP_CORNERS = [19, 20, 21], [22, 23, 24], [48, 54]


@functools.cache
def drawn(**options):
    """Return all `(subject, clip)` of a small set; options as sorted pairs stay hashable."""
    settings = {"subjects": 1, "clips": 1, "frames": (9, 9), "size": 128, "seed": 3}
    return list(synthetic_clips(**(settings | options)))


@functools.cache
def still_face():
    """Return a face of 256 and its landmarks, from a clip in which nothing moves."""
    ((_, clip),) = drawn(classes=("surprise",), size=256, amplitude=(0, 0), noise=0, head_motion=0)
    return clip.frames[0], clip.landmarks[0]


def moved(clip, frame=None):
    frame = clip.apex if frame is None else frame
    return clip.landmarks[frame] - clip.landmarks[0]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_what_moves_is_what_the_expression_says(expression):
    clip = animate(*still_face(), expression, np.random.default_rng(0), amplitude=3, head_motion=0)
    x, y = moved(clip).T
    brows = [*LEFT_BROW, *RIGHT_BROW]
    if expression == "surprise":
        assert (y[brows] < -1.5).all()
        assert np.abs(y[LIP_CORNERS]).max() < 1e-6
    elif expression == "negative":
        assert (y[brows] > 0.5).all()
        assert (x[LEFT_BROW] > 0.3).all()
        assert (x[RIGHT_BROW] < -0.3).all()
        assert np.abs(y[LIP_CORNERS]).max() < 1e-6
    else:
        assert (y[LIP_CORNERS] < -1).all()
        assert x[48] < -0.5 < 0.5 < x[54]
        assert np.abs(y[brows]).max() < 1e-6


@pytest.mark.parametrize("amplitude", [1.0, 3.0])
def test_amplitude_is_the_largest_movement_at_the_apex(amplitude):
    clip = animate(
        *still_face(), "positive", np.random.default_rng(1), amplitude=amplitude, head_motion=0
    )
    longest = np.linalg.norm(clip.landmarks - clip.landmarks[:1], axis=-1).max(1)
    assert longest.argmax() == clip.apex
    assert longest[clip.apex] == pytest.approx(amplitude, abs=1e-4)
    assert longest[-1] == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(longest, amplitude * envelope(24, clip.apex), atol=1e-4)


@given(count=st.integers(3, 60), data=st.data())
def test_envelope_rises_to_the_apex_and_falls(count, data):
    apex = data.draw(st.integers(1, count - 2))
    strength = envelope(count, apex)
    assert strength[[0, apex, -1]].round(9).tolist() == [0, 1, 0]
    assert (np.diff(strength[: apex + 1]) > 0).all()
    assert (np.diff(strength[apex:]) < 0).all()


def test_displacements_turn_with_the_face():
    _, points = still_face()
    turn = np.deg2rad(20)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    for expression in EXPRESSIONS:
        upright = displacement(points, expression)
        turned = displacement(points @ rotation.T, expression)
        np.testing.assert_allclose(turned, upright @ rotation.T, atol=1e-6)
        assert np.linalg.norm(upright, axis=1).max() == pytest.approx(1, abs=0.15)


def test_field_runs_through_the_landmarks_and_ends_at_the_border():
    _, points = still_face()
    points = (points + 0.5) / 2 - 0.5
    wanted = displacement(points, "surprise") * 3
    field = displacement_field(points, wanted, 128)
    inside = ((points > 0) & (points < 127)).all(1)
    found = micro_motion._at(field, points[None].astype("float32"))[0]
    np.testing.assert_allclose(found[inside], wanted[inside], atol=0.2)
    edge = np.concatenate([field[0], field[-1], field[:, 0], field[:, -1]])
    assert np.abs(edge).max() < 0.15
    mouth = points[48:68].astype(int)
    assert np.abs(field[mouth[:, 1], mouth[:, 0]]).max() < 0.05


@settings(max_examples=6, deadline=None)
@given(x=st.floats(-2.5, 2.5), y=st.floats(-2.5, 2.5))
def test_pixels_go_where_their_landmark_goes(x, y):
    """A blob painted on a landmark is found again where the clip says it is."""
    rng = np.random.default_rng(0)
    size, landmark = 128, 33
    points = rng.uniform(30, 98, (68, 2))
    points[landmark] = 64, 64
    points[np.linalg.norm(points - 64, axis=1) < 20] += 30
    points[landmark] = 64, 64
    wanted = np.zeros((68, 2))
    wanted[landmark] = x, y
    field = displacement_field(points, wanted, size)
    rows, columns = np.mgrid[:size, :size].astype("float32")
    grid = np.stack([columns, rows], -1)
    blob = np.exp(-((columns - 64) ** 2 + (rows - 64) ** 2) / 8)
    source = grid - micro_motion._at(field, grid - micro_motion._at(field, grid))
    shown = micro_motion._at(np.stack([blob, blob], -1).astype("float32"), source)[..., 0]
    centre = [np.average(axis, weights=shown) for axis in (columns, rows)]
    np.testing.assert_allclose(centre, [64 + x, 64 + y], atol=0.35)


def test_pictures_move_as_their_landmarks_do():
    """Phase correlation of the left brow, between onset and apex."""
    import cv2

    clip = animate(
        *still_face(), "surprise", np.random.default_rng(2), amplitude=3, head_motion=0, noise=0
    )
    x, y = clip.landmarks[0, LEFT_BROW].mean(0)
    rows = slice(max(0, int(y) - 9), int(y) + 9)
    columns = slice(int(x) - 14, int(x) + 14)
    first, apex = (
        cv2.cvtColor(clip.frames[number], cv2.COLOR_RGB2GRAY)[rows, columns].astype("float32")
        for number in (0, clip.apex)
    )
    window = cv2.createHanningWindow(first.shape[::-1], cv2.CV_32F)
    (_, shift), _ = cv2.phaseCorrelate(first, apex, window)
    assert shift == pytest.approx(moved(clip)[LEFT_BROW, 1].mean(), abs=0.9)


def test_nothing_moves_at_amplitude_zero():
    ((_, clip),) = drawn(classes=("negative",), amplitude=(0, 0), noise=0, head_motion=0)
    assert (clip.frames == clip.frames[:1]).all()
    assert (clip.landmarks == clip.landmarks[:1]).all()


def test_head_sways_within_its_bounds_and_noise_is_what_it_says():
    ((_, clip),) = drawn(classes=("negative",), amplitude=(0, 0), noise=0, head_motion=1.0)
    sway = (clip.landmarks - clip.landmarks[:1]).mean(1)
    assert 0.1 < np.abs(sway).max() <= 1.5
    ((_, clip),) = drawn(classes=("negative",), amplitude=(0, 0), noise=3.0, head_motion=0)
    grain = clip.frames[1].astype("float32") - clip.frames[0]
    middle = (clip.frames[0] > 20) & (clip.frames[0] < 235)
    assert grain[middle].std() == pytest.approx(3.0 * np.sqrt(2), rel=0.05)


def test_the_same_seed_draws_the_same():
    first, again = (
        list(synthetic_clips(2, 1, ("positive",), frames=(5, 9), size=32, seed=7)) for _ in "ab"
    )
    other = list(synthetic_clips(2, 1, ("positive",), frames=(5, 9), size=32, seed=8))
    for (subject, clip), (_, twin) in zip(first, again, strict=True):
        assert np.array_equal(clip.frames, twin.frames)
        assert clip.frames.shape[0] in range(5, 10)
        assert clip.frames.shape[1:] == (32, 32, 3)
        assert subject in (0, 1)
    assert not np.array_equal(first[0][1].frames[0], other[0][1].frames[0])


def test_eyes_stand_where_the_geometry_wants_them():
    ((_, clip),) = drawn(classes=("positive",))
    eyes = [clip.landmarks[0, part].mean(0) for part in (slice(36, 42), slice(42, 48))]
    np.testing.assert_allclose(eyes, [(0.34 * 128, 0.36 * 128), (0.66 * 128, 0.36 * 128)], atol=0.6)


def test_a_face_of_one_s_own_in_the_place_of_a_rendered_one():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (120, 140, 3), dtype="uint8")
    points = still_face()[1] / 256 * 60 + 30
    ((subject, clip),) = synthetic_clips(
        1, 1, ("surprise",), frames=(5, 5), faces=[(picture, points)], noise=0
    )
    assert subject == 0
    eyes = clip.landmarks[0, 36:42].mean(0)
    np.testing.assert_allclose(eyes, (0.34 * 128, 0.36 * 128), atol=0.6)
    assert moved(clip)[LEFT_BROW, 1].mean() < -0.3
    # Prepared clips of other faces do not lie in the same place.
    places = {
        SyntheticMicroExpressions(subjects=1, clips=1, faces=[(image, points)]).data_dir
        for image in (picture, picture[::-1], picture)
    }
    assert len(places) == 2


def test_builder_gives_what_the_other_data_sets_give(tmp_path):
    options = {"subjects": 2, "clips": 1, "frames": (4, 6), "size": 16, "seed": 2}
    builder = SyntheticMicroExpressions(data_dir=tmp_path, **options)
    builder.download_and_prepare()
    assert builder.info.features["label"].names == list(EXPRESSIONS)
    found = list(builder.as_dataset(split="clips").as_numpy_iterator())
    expected = list(synthetic_clips(**options))
    assert len(found) == 6
    by_id = sorted(found, key=lambda example: example["id"])
    for example, (subject, clip) in zip(by_id, expected, strict=True):
        np.testing.assert_array_equal(example["frames"], clip.frames)
        np.testing.assert_array_equal(example["landmarks"], clip.landmarks[0])
        assert example["label"] == EXPRESSIONS.index(clip.expression)
        assert example["subject"].decode() == f"synthetic_micro_expressions/s{subject:03d}"
        assert (example["onset"], example["apex"]) == (0, clip.apex)
        assert example["offset"] == len(clip.frames) - 1
    batches = clip_data.pipeline(builder.as_dataset(split="clips"), frames=4, size=8, batch_size=6)
    ((left, right, lower), label) = next(iter(batches))
    assert left.shape == right.shape == lower.shape == (6, 4, 8, 8, 3)
    assert np.asarray(label).sum(0).tolist() == [2, 2, 2]
    assert SyntheticMicroExpressions(data_dir=tmp_path, **options).data_dir == builder.data_dir
    other = SyntheticMicroExpressions(data_dir=tmp_path, **options | {"seed": 3})
    assert other.data_dir != builder.data_dir


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"subjects": 0}, "`subjects` must be an integer >= 1"),
        ({"clips": 1.5}, "`clips` must be an integer >= 1"),
        ({"classes": ()}, "`classes` must be different names"),
        ({"classes": ("happy",)}, r"Received: classes=\('happy',\)"),
        ({"classes": ("positive", "positive")}, "`classes` must be different names"),
        ({"frames": (2, 9)}, "`frames` must be an integer >= 3"),
        ({"frames": 9}, r"`frames` must be \(least, most\)"),
        ({"frames": (9, 8)}, r"`frames` must be \(least, most\)"),
        ({"amplitude": (-1, 2)}, "`amplitude` must be a number"),
        ({"amplitude": (3, 1)}, r"`amplitude` must be \(least, most\)"),
        ({"size": 30}, "`size` must be a multiple of 4"),
        ({"size": 8}, "`size` must be an integer >= 16"),
        ({"head_motion": -1}, "`head_motion`"),
        ({"noise": float("nan")}, "`noise`"),
        ({"seed": -1}, "`seed`"),
        ({"faces": []}, "`faces` must hold one face for each of 24 subjects"),
        ({"subjects": 1, "faces": [(np.zeros((9, 9, 3)), np.zeros((68, 2)))]}, "pairs of a uint8"),
        (
            {"subjects": 1, "faces": [(np.zeros((9, 9, 3), "uint8"), np.zeros((5, 2)))]},
            r"landmarks \(68, 2\)",
        ),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        synthetic_clips(**options)
    with pytest.raises(ValueError, match=message):
        SyntheticMicroExpressions(**options)


# Canaries: what must be learnt, and what must not.


@pytest.mark.slow
def test_each_video_is_one_room_and_one_class(tmp_path):
    options = {"subjects": 2, "clips": 4, "classes": ("positive", "surprise"), "size": 16}
    still = {"frames": (3, 3), "amplitude": (0, 0), "head_motion": 0, "noise": 0}
    builder = SyntheticMicroExpressions(data_dir=tmp_path, videos=2, **options, **still)
    builder.download_and_prepare()
    clips = clip_table.read(builder)
    videos = protocols.videos_of(clips)
    assert len(set(videos.tolist())) == 2 * 2 * 2
    for video in set(videos.tolist()):
        own = videos == video
        assert own.sum() == 2
        assert len(set(clips.labels[own].tolist())) == 1
        assert len(set(clips.subjects[own].tolist())) == 1
    # Without videos nothing is known of them, and everything is as it was.
    assert (
        protocols.videos_of(
            protocols.Clips(
                ["synthetic_micro_expressions/s000/00001"],
                ["synthetic_micro_expressions/s000"],
                [0],
            )
        )
        is None
    )
    plain = SyntheticMicroExpressions(data_dir=tmp_path, **options)
    assert "videos" not in plain.builder_config.description
    rooms = {}
    for videos in (None, 1, 2):
        drawn_ones = list(synthetic_clips(1, 2, ("surprise",), videos=videos, **still))
        rooms[videos] = [clip.frames[0].mean() for _, clip in drawn_ones]
    assert rooms[1][0] == rooms[2][0], "the first video is the same"
    assert rooms[1][1] != rooms[2][1]


@pytest.mark.parametrize("videos", [0, 4, 1.5])
def test_bad_videos(videos):
    with pytest.raises(ValueError, match="`videos` must be"):
        synthetic_clips(1, 3, videos=videos)


PEOPLE, FRAMES = 18, 6


@functools.cache
def many(amplitude):
    """Return 216 clips of 18 people: frames, landmarks of the first ones, labels, subjects."""
    frames, amplitude = (FRAMES, FRAMES), (amplitude, 3 * amplitude)
    clips = list(synthetic_clips(PEOPLE, 4, frames=frames, size=64, amplitude=amplitude))
    return (
        np.stack([clip.frames for _, clip in clips]),
        np.stack([clip.landmarks[0] for _, clip in clips]),
        np.array([EXPRESSIONS.index(clip.expression) for _, clip in clips]),
        np.array([subject for subject, _ in clips]),
    )


def accuracy_on_other_people(frames, landmarks, labels, subjects, folds, epochs):
    """Train a small Triple Path HA3DNet on 12 people, score it on the 6 others; pool the folds."""
    import keras

    from fer_models import triple_path_ha3dnet

    clips = protocols.Clips(np.arange(len(subjects)), subjects, labels)
    data = {"frames": frames, "landmarks": landmarks, "label": labels}
    feed = {"frames": FRAMES, "size": 32, "channels": 1, "batch_size": 16}
    scores = []
    for fold in folds:
        held_out = subjects % 3 == fold
        train, test = np.flatnonzero(~held_out), np.flatnonzero(held_out)
        assert not protocols.guard_subjects({"train": train, "test": test}, clips)
        keras.utils.set_random_seed(1)
        model = triple_path_ha3dnet(
            frames=FRAMES, input_shape=(32, 32, 1), filters=8, dense_units=32, seed=1
        )
        model.compile(
            keras.optimizers.Adam(0.003), "categorical_crossentropy", metrics=["accuracy"]
        )
        own = {name: values[train] for name, values in data.items()}
        batches = clip_data.pipeline(own, training=True, **feed)
        model.fit(batches, epochs=epochs, shuffle=False, verbose=0)
        own = {name: values[test] for name, values in data.items()}
        others = clip_data.pipeline(own, **feed)
        scores.append(model.evaluate(others, verbose=0)[1])
    return np.mean(scores)


@pytest.mark.slow
def test_motion_is_learnt_and_holds_for_other_people():
    assert accuracy_on_other_people(*many(1.0), folds=[0], epochs=6) > 0.8


@pytest.mark.slow
def test_without_the_expression_nothing_is_left_to_learn():
    """The leak alarm: the same clips, with sway and noise, but nothing that moves a landmark.

    All three folds, since 72 clips alone would be at chance within 0.11 either way.
    """
    assert 0.25 <= accuracy_on_other_people(*many(0.0), folds=[0, 1, 2], epochs=4) <= 0.42


def nearest_neighbour(frames, labels, train, test):
    """Return the accuracy of giving each first frame the label of the one most like it."""
    pictures = frames[:, 0, ::4, ::4].reshape(len(frames), -1).astype("float32")
    distances = np.linalg.norm(pictures[test][:, None] - pictures[train][None], axis=-1)
    return (labels[train][distances.argmin(1)] == labels[test]).mean()


@pytest.mark.slow
def test_guard_fires_where_a_random_split_would_tell_people_by_their_looks():
    frames, _, _, subjects = many(0.0)
    # Each person always has the same class, and nothing moves: only looks can tell.
    labels = subjects % 3
    clips = protocols.Clips(np.arange(len(labels)), [f"s/{n:02d}" for n in subjects], labels)
    with pytest.raises(protocols.LeakError, match="s/00"):
        protocols.random_clips(clips)
    leaky = protocols.random_clips(clips, allow_leaks=True)
    assert "leaks" in leaky.warning
    parts = leaky.parts
    assert nearest_neighbour(frames, labels, parts["train"], parts["test"]) > 0.9
    folds = protocols.leave_one_subject_out(clips)
    found = [
        nearest_neighbour(frames, labels, fold.parts["train"], fold.parts["test"]) for fold in folds
    ]
    assert np.mean(found) < 0.6
