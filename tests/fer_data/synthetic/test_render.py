"""The face renderer: determinism, arguments, landmarks on what is drawn, smooth films."""

import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_data.labels import EMOTIONS
from fer_data.synthetic import (
    ACTION_UNITS,
    HAIR_STYLES,
    OCCLUDERS,
    PROTOTYPES,
    Camera,
    Identity,
    Light,
    Pose,
    Scene,
    action_units,
    generate,
    photograph,
    render,
    sample_face,
    sample_identity,
)

SEEDS = st.integers(0, 2**31)
FLAT = Light(direction=(0, 0, 1), ambient=1.0)


def person(seed, **changes):
    identity = Identity.sample(np.random.default_rng(seed))
    plain = {"glasses": None, "beard": 0.0, "moustache": 0.0, "hair": "bald", "asymmetry": 0.0}
    return replace(identity, **{**plain, **changes})


def landmarks_of(identity, units, pose=None, size=192):
    return render(identity, units, Scene(pose=pose or Pose()), size)[1]


# Mirror images in iBUG order.
MIRROR = np.concatenate(
    [
        np.arange(16, -1, -1), np.arange(26, 16, -1), np.arange(27, 31), np.arange(35, 30, -1),
        [45, 44, 43, 42, 47, 46], [39, 38, 37, 36, 41, 40],
        np.arange(54, 47, -1), np.arange(59, 54, -1), np.arange(64, 59, -1), [67, 66, 65],
    ]
)  # fmt: skip


def test_workers_need_not_load_tensorflow():
    code = "import sys, fer_data.synthetic; print([m for m in sys.modules if 'tensorflow' in m])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


class TestDeterminism:
    def test_same_numbers_same_picture(self):
        first = sample_face(3, 5, 2, "fear", size=64, occlusion=0.5)
        sample_face(4, 5, 2, "fear", size=64)
        again = sample_face(3, 5, 2, "fear", size=64, occlusion=0.5)
        np.testing.assert_array_equal(first.image, again.image)
        np.testing.assert_array_equal(first.landmarks, again.landmarks)
        other = sample_face(3, 6, 2, "fear", size=64, occlusion=0.5)
        assert (first.image != other.image).any()

    @pytest.mark.slow
    def test_workers_do_not_matter(self):
        alone = list(generate(70, seed=2, size=48, workers=1))
        shared = list(generate(70, seed=2, size=48, workers=2))
        assert len(alone) == len(shared) == 70
        for a, b in zip(alone, shared, strict=True):
            np.testing.assert_array_equal(a.image, b.image)
            np.testing.assert_array_equal(a.landmarks, b.landmarks)
            assert (a.emotion, a.identity, a.intensity) == (b.emotion, b.identity, b.intensity)

    def test_a_part_is_drawn_like_the_whole(self):
        whole = list(generate(30, seed=1, size=32, identities=range(3)))
        part = list(generate(7, seed=1, size=32, identities=range(3), first=0))
        for a, b in zip(whole, part, strict=False):
            np.testing.assert_array_equal(a.image, b.image)


class TestGenerate:
    def test_emotions_in_turn_and_people_in_turn(self):
        faces = list(generate(28, seed=0, size=32, identities=range(10, 12)))
        assert [face.emotion for face in faces[:7]] == list(EMOTIONS)
        assert [face.identity for face in faces] == [10] * 7 + [11] * 7 + [10] * 7 + [11] * 7
        for face in faces:
            assert face.image.shape == (32, 32, 3)
            assert face.image.dtype == np.uint8
            assert face.landmarks.dtype == np.float32
            neutral = face.emotion == "neutral"
            assert face.intensity == 0 if neutral else 0.6 <= face.intensity <= 1

    def test_grey(self):
        (face,) = generate(1, seed=0, size=48, grey=True)
        assert np.ptp(face.image.astype(int), axis=2).max() <= 1

    @pytest.mark.parametrize(
        ("options", "named"),
        [
            ({"count": 0}, "count=0"),
            ({"count": 2.5}, "count=2.5"),
            ({"size": 23}, "size=23"),
            ({"size": 64.0}, "size=64.0"),
            ({"seed": -1}, "seed=-1"),
            ({"workers": 0}, "workers=0"),
            ({"emotions": ("joy",)}, "joy"),
            ({"emotions": ()}, "emotions="),
            ({"identities": range(0)}, "identities="),
            ({"occlusion": 1.1}, "occlusion=1.1"),
            ({"occlusion": -0.1}, "occlusion=-0.1"),
            ({"occlusion": float("nan")}, "occlusion=nan"),
            ({"intensity": (0.5, 1.2)}, "intensity="),
            ({"intensity": (0.9, 0.2)}, "intensity="),
            ({"intensity": 0.5}, "intensity=0.5"),
        ],
    )
    def test_bad_arguments_are_told_at_once(self, options, named):
        with pytest.raises(ValueError, match=named):
            generate(**{"count": 4, **options})


class TestActionUnits:
    def test_prototypes(self):
        assert action_units("happy", 0.5) == {6: 0.5, 12: 0.5}
        assert set(action_units("surprise")) == {1, 2, 5, 26}
        assert action_units("neutral") == {}
        assert set(PROTOTYPES) == set(EMOTIONS)

    @settings(max_examples=60, deadline=None)
    @given(st.sampled_from(EMOTIONS), st.floats(0, 1), SEEDS)
    def test_variants_are_valid(self, emotion, intensity, seed):
        units = action_units(emotion, intensity, np.random.default_rng(seed))
        assert set(units) <= set(ACTION_UNITS)
        assert all(0 <= strength <= 1 for strength in units.values())
        assert set(PROTOTYPES[emotion]) - {16} <= set(units)

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            (("joy",), "emotion='joy'"),
            (("happy", 1.5), "intensity=1.5"),
            (("happy", -0.1), "intensity=-0.1"),
            (("happy", "much"), "intensity='much'"),
        ],
    )
    def test_bad_arguments(self, arguments, named):
        with pytest.raises(ValueError, match=named):
            action_units(*arguments)

    @pytest.mark.parametrize("units", [{3: 0.5}, {12: 1.5}, {12: -0.1}, {12: None}])
    def test_render_checks_them(self, units):
        with pytest.raises(ValueError, match=r"action_units"):
            render(person(0), units, Scene())


class TestBadScenes:
    @pytest.mark.parametrize(
        ("make", "named"),
        [
            (lambda: Pose(yaw=50), "yaw=50"),
            (lambda: Pose(pitch=-30), "pitch=-30"),
            (lambda: Pose(roll=90), "roll=90"),
            (lambda: Pose(scale=0), "scale=0"),
            (lambda: Light(ambient=2), "ambient=2"),
            (lambda: Light(direction=(0, 0, 0)), "direction="),
            (lambda: Camera(noise=-1), "noise=-1"),
            (lambda: Camera(blur=-1), "blur=-1"),
            (lambda: Camera(jpeg=0), "jpeg=0"),
            (lambda: Camera(saturation=1.5), "saturation=1.5"),
            (lambda: Scene.sample(np.random.default_rng(0), occlusion=2), "occlusion=2"),
            (lambda: person(0, hair="mohawk"), "hair='mohawk'"),
            (lambda: person(0, glasses="monocle"), "glasses='monocle'"),
            (lambda: person(0, shape=np.zeros(3)), "shape"),
            (lambda: render(person(0), {}, Scene(), size=10), "size=10"),
            (lambda: render(person(0), {}, Scene(occluder="hat"), 48), "occluder='hat'"),
        ],
    )
    def test_bad_argument(self, make, named):
        with pytest.raises(ValueError, match=named):
            make()


class TestLandmarkGeometry:
    @settings(max_examples=80, deadline=None)
    @given(SEEDS, st.sampled_from(EMOTIONS), st.sampled_from([24, 64, 96]))
    def test_sane_in_every_picture(self, seed, emotion, size):
        face = sample_face(seed, 0, 0, emotion, size=size, intensity=(0.0, 1.0))
        points = face.landmarks.astype(np.float64)
        assert points.shape == (68, 2)
        assert (points >= 0).all()
        assert (points <= size - 1).all()
        # In axes that roll with the head.
        left, right = points[36:42].mean(0), points[42:48].mean(0)
        across = (right - left) / np.linalg.norm(right - left)
        down = np.array([-across[1], across[0]])
        x, y = points @ across, points @ down
        assert x[36:42].max() < x[42:48].min()
        assert x[17] < x[21] < x[22] < x[26]
        assert x[48] < x[54]
        assert y[17:27].mean() < y[36:48].mean() < y[30] < y[33] < y[48:60].mean() < y[8]
        assert y[27] < y[28] < y[29] < y[30]
        assert y[51] < y[57]
        # The jaw runs from the left ear to the right one, lowest at the chin.
        # Turned far away, neighbouring points of the far side fall into one.
        tie = 0.01 * size
        assert (np.diff(x[[0, 4, 8, 12, 16]]) > -tie).all()
        assert (np.diff(y[[0, 4, 7, 8]]) > -tie).all()
        # The lids do not cross, neither do the lips.
        assert (y[[41, 40, 47, 46]] - y[[37, 38, 43, 44]] > -0.02 * size).all()
        assert (y[[67, 66, 65]] - y[[61, 62, 63]] > -0.01 * size).all()

    @settings(max_examples=25, deadline=None)
    @given(SEEDS, st.floats(-20, 20), st.floats(-10, 10), st.floats(-15, 15))
    def test_mirrored_pose(self, seed, yaw, pitch, roll):
        identity, units = person(seed), {12: 0.7, 1: 0.4}
        pose = Pose(yaw=yaw, pitch=pitch, roll=roll, x=0.02, y=0.01)
        mirrored = Pose(yaw=-yaw, pitch=pitch, roll=-roll, x=-0.02, y=0.01)
        points = landmarks_of(identity, units, pose, 96)
        others = landmarks_of(identity, units, mirrored, 96)[MIRROR]
        np.testing.assert_allclose(points, others * (-1, 1) + (95, 0), atol=1e-3)

    def test_turning_moves_the_nose_to_that_side(self):
        identity = person(1)

        def nose(pose):
            points = landmarks_of(identity, {}, pose)
            return points[30] - (points[36] + points[45]) / 2

        assert nose(Pose(yaw=20))[0] > 10
        assert nose(Pose(yaw=-20))[0] < -10
        assert nose(Pose(pitch=15))[1] < nose(Pose())[1] < nose(Pose(pitch=-15))[1]

    def test_landmarks_scale_with_the_picture(self):
        identity = person(2)
        small = landmarks_of(identity, {26: 1.0}, size=96)
        large = landmarks_of(identity, {26: 1.0}, size=192)
        np.testing.assert_allclose((small + 0.5) * 2 - 0.5, large, atol=1e-3)


class TestActionUnitsMoveLandmarks:
    @pytest.mark.parametrize("seed", range(3))
    def test_each_does_what_facs_says(self, seed):
        identity = person(seed)
        rest = landmarks_of(identity, {})

        def moved(*units):
            return landmarks_of(identity, dict.fromkeys(units, 1.0)) - rest

        corners, brows, inner, outer = [48, 54], range(17, 27), [21, 22], [17, 26]
        assert (moved(12)[corners, 1] < -4).all()
        assert moved(12)[48, 0] < -2 < 2 < moved(12)[54, 0]
        assert (moved(15)[corners, 1] > 4).all()
        assert (moved(1, 2)[brows, 1] < -4).all()
        assert (moved(1)[inner, 1] < -5).all()
        assert (np.abs(moved(1)[outer, 1]) < 1).all()
        assert (moved(4)[inner, 1] > 4).all()
        assert moved(4)[21, 0] > 1 > -1 > moved(4)[22, 0]
        assert (moved(5)[[37, 38, 43, 44], 1] < -2).all()
        assert (moved(6)[[40, 41, 46, 47], 1] < -1).all()
        assert (moved(9)[[31, 35], 1] < -2).all()
        assert moved(26)[8, 1] > 8
        assert (moved(26)[[66, 57], 1] > 8).all()
        assert moved(20)[48, 0] < -5 < 5 < moved(20)[54, 0]
        assert (moved(25)[65:68, 1] > 2).all()
        assert (moved(43)[[37, 38, 43, 44], 1] > 3).all()

    def test_mouth_opens_in_the_picture(self):
        identity = person(0)
        scene = Scene(light=FLAT)
        closed, points = render(identity, {}, scene, 192)
        opened, wide = render(identity, {26: 1.0}, scene, 192)
        assert np.linalg.norm(wide[66] - wide[62]) > 10 > np.linalg.norm(points[66] - points[62])
        x, y = np.rint(wide[62] * 0.3 + wide[66] * 0.7).astype(int)
        assert opened[y, x].mean() < closed[y, x].mean() - 30


def marked(image, channel):
    """Pixels in which one colour stands out."""
    others = [c for c in range(3) if c != channel]
    image = image.astype(int)
    return image[..., channel] > image[..., others].max(-1) + 50


class TestLandmarksLieOnWhatIsDrawn:
    @settings(max_examples=20, deadline=None)
    @given(SEEDS, st.sampled_from(EMOTIONS))
    def test_lips(self, seed, emotion):
        rng = np.random.default_rng(seed)
        identity = person(seed, lips=np.array([20.0, 240.0, 20.0]), iris=np.array([60.0, 40, 30]))
        pose = replace(Scene.sample(rng).pose, scale=0.39)
        image, points = render(identity, action_units(emotion, 1.0, rng), Scene(pose, FLAT), 192)
        y, x = np.nonzero(marked(image, 1))
        lips = points[48:60]
        # A lip's corner is thinner than a pixel: allow what the eye would.
        assert abs(x.min() - lips[:, 0].min()) < 4
        assert abs(x.max() - lips[:, 0].max()) < 4
        assert abs(y.min() - lips[:, 1].min()) < 2.5
        assert abs(y.max() - lips[:, 1].max()) < 2.5

    def test_brows(self):
        identity = person(4, brow_colour=np.array([20.0, 20.0, 240.0]))
        for units in ({}, {1: 1.0, 2: 1.0}, {4: 1.0}):
            image, points = render(identity, units, Scene(light=FLAT), 192)
            blue = marked(image, 2)
            for landmark in (18, 19, 20, 21, 22, 23, 24, 25):
                x, y = np.rint(points[landmark]).astype(int)
                assert blue[y - 1 : y + 2, x - 1 : x + 2].any()

    def test_jaw_is_the_outline(self):
        identity = person(6, skin=np.array([20.0, 230.0, 20.0]))
        pose = Pose(yaw=15)
        image, points = render(identity, {}, Scene(pose, FLAT), 192)
        skin = marked(image, 1)
        # Cheeks on the side that is turned away: inside is skin, outside is not.
        for landmark in (13, 14):
            x, y = np.rint(points[landmark]).astype(int)
            assert skin[y, x - 4]
            assert not skin[y, x + 4]


class TestFilm:
    @pytest.mark.parametrize("seed", [0, 1, 2])
    def test_slow_action_makes_a_smooth_film(self, seed):
        identity = sample_identity(seed, 0)
        scene = Scene.sample(np.random.default_rng(seed))
        frames = np.stack(
            [
                render(identity, {12: float(t), 6: float(t), 1: 0.5 * float(t)}, scene, 128)[0]
                for t in np.linspace(0, 1, 41)
            ]
        ).astype(np.float32)
        steps = np.abs(np.diff(frames, axis=0))
        mean = steps.mean((1, 2, 3))
        whole = np.abs(frames[-1] - frames[0]).mean()
        assert whole > 1
        # No frame jumps: each step is a small share of the way, and what moves does not tremble.
        assert mean.max() < 0.12 * whole
        assert mean.sum() < 2.5 * whole
        assert np.percentile(steps, 99.9) < 25

    def test_slow_turning_is_smooth(self):
        identity, scene = sample_identity(5, 0), Scene.sample(np.random.default_rng(5))
        frames = []
        for yaw in np.linspace(-4, 4, 33):
            turned = replace(scene, pose=replace(scene.pose, yaw=float(yaw)))
            frames.append(render(identity, {}, turned, 96)[0])
        steps = np.abs(np.diff(np.stack(frames).astype(np.float32), axis=0)).mean((1, 2, 3))
        assert steps.max() < 2.5 * np.median(steps)

    def test_nothing_flickers(self):
        identity, scene = sample_identity(1, 0), Scene.sample(np.random.default_rng(1))
        first, _ = render(identity, {12: 0.3}, scene, 64)
        again, _ = render(identity, {12: 0.3}, scene, 64)
        np.testing.assert_array_equal(first, again)


class TestLook:
    @pytest.mark.parametrize("style", HAIR_STYLES)
    def test_every_hair_style(self, style):
        image, _ = render(person(0, hair=style), {}, Scene(), 64)
        assert image.std() > 10

    @pytest.mark.parametrize("kind", OCCLUDERS)
    def test_every_occluder_covers_something(self, kind):
        scene = Scene()
        free, points = render(person(0), {}, scene, 96)
        covered, same = render(person(0), {}, replace(scene, occluder=kind), 96)
        np.testing.assert_array_equal(points, same)
        hull = cv2.convexHull(points.astype(np.int32))
        inside = cv2.fillPoly(np.zeros((96, 96), np.uint8), [hull], 1).astype(bool)
        changed = np.abs(free.astype(int) - covered).max(-1) > 20
        assert 0.02 < changed[inside].mean() < 0.9

    def test_light_from_the_left_lights_the_left(self):
        lit, _ = render(person(0), {}, Scene(light=Light((-1, 0, 0.4), 0.3)), 96)
        other, _ = render(person(0), {}, Scene(light=Light((1, 0, 0.4), 0.3)), 96)
        left, right = np.s_[45:65, 28:42], np.s_[45:65, 54:68]
        assert lit[left].mean() > lit[right].mean() + 15
        assert other[right].mean() > other[left].mean() + 15

    def test_occlusion_rate(self):
        rng = np.random.default_rng(0)
        covered = [Scene.sample(rng, 0.3).occluder is not None for _ in range(600)]
        assert 0.22 < np.mean(covered) < 0.38


class TestCamera:
    def test_noise_is_the_generators(self):
        image = np.full((48, 48, 3), 128, np.uint8)
        camera = Camera(noise=5.0)
        first = photograph(image, camera, np.random.default_rng(1))
        again = photograph(image, camera, np.random.default_rng(1))
        other = photograph(image, camera, np.random.default_rng(2))
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()
        assert 4 < first.std() < 6

    def test_a_perfect_camera_changes_nothing(self):
        image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
        np.testing.assert_array_equal(photograph(image, Camera(), np.random.default_rng(0)), image)

    def test_jpeg_and_blur(self):
        image, _ = render(person(0), {}, Scene(), 96)
        blurred = photograph(image, Camera(blur=20, jpeg=60), np.random.default_rng(0))
        assert blurred.shape == image.shape
        edges = [cv2.Laplacian(picture, cv2.CV_32F).std() for picture in (image, blurred)]
        assert edges[1] < 0.7 * edges[0]
