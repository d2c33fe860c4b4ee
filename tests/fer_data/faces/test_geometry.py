"""Alignment: values, filters, tf.data and its service, regions there, gradients, bad input."""

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from skimage import data as pictures

from fer_data.faces.geometry import align_clip, align_face
from fer_data.faces.regions import split_regions
from fer_data.faces.similarity import alignment, transform_points

SIDE, UPPER = (0.34 * 128 - 0.5, 0.66 * 128 - 0.5), 0.36 * 128 - 0.5


def eyes(left, right, count=68):
    """Landmarks that are 0 but for the eyes, each in one place."""
    points = np.zeros((count, 2), "float32")
    first, second = ((36, 42), (42, 48)) if count == 68 else ((0, 1), (1, 2))
    points[slice(*first)], points[slice(*second)] = left, right
    return points


def face_at(x, y, side):
    """Five points of a face whose aligned square has this corner and side."""
    return eyes(*((x + share * side - 0.5, y + 0.36 * side - 0.5) for share in (0.34, 0.66)), 5)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, "uint8")


def smooth(*shape, sigma=4, seed=0):
    blurred = cv2.GaussianBlur(noise(*shape, seed=seed).astype("float32"), (0, 0), sigma)
    low, high = blurred.min(), blurred.max()
    return np.uint8(np.rint((blurred - low) / (high - low) * 255)).reshape(shape)


FRAME = smooth(360, 640, 3)
POINTS = eyes((280, 150), (344, 157))


@pytest.fixture(scope="module")
def portrait():
    return pictures.astronaut()


def slow(*values):
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


def test_a_level_face_of_the_same_size_is_a_slice():
    image = noise(50, 60, 3)
    got = align_face(image, face_at(7, 5, 32), 32)
    assert got.dtype == tf.float32
    np.testing.assert_allclose(got, image[5:37, 7:39], atol=1e-3)


def test_outside_the_picture_is_black():
    image = np.full((20, 20, 3), 200, "uint8")
    got = align_face(image, face_at(-10, -4, 32), 32).numpy()
    expected = np.zeros((32, 32, 3))
    expected[4:24, 10:30] = 200
    np.testing.assert_allclose(got, expected, atol=1e-3)


@pytest.mark.parametrize("distance", [12.0, 40.96])
def test_without_shrinking_it_is_the_bilinear_sampling_of_opencv(distance):
    points = eyes((280.3, 150.8), (280.3 + distance * 0.995, 150.8 + distance * 0.0998))
    matrix = alignment(points).numpy()
    expected = cv2.warpAffine(FRAME.astype("float32"), matrix, (128, 128), flags=cv2.INTER_LINEAR)
    # OpenCV rounds positions to 1/32 pixel.
    np.testing.assert_allclose(align_face(FRAME, points), expected, atol=0.5)


@pytest.mark.parametrize("shrink", [3, 8, *slow(2, 4)])
def test_a_checkerboard_shrinks_to_grey(shrink):
    board = np.indices((256, 256)).sum(0, keepdims=False) % 2 * 255
    got = align_face(board[..., None].astype("uint8"), face_at(0, 0, 256), 256 // shrink).numpy()
    inner = got[1:-1, 1:-1]
    # Of an odd number of fields, one colour has one more: 5 of 9 here, as for OpenCV's areas.
    assert abs(inner - 127.5).max() < (15 if shrink == 3 else 1e-3)


def test_a_zone_plate_shrinks_without_aliases():
    y, x = np.mgrid[:512, :512] - 255.5
    plate = np.uint8(np.rint(127.5 + 127.5 * np.cos(np.pi * (x * x + y * y) / 2 / 512)))[..., None]
    got = align_face(plate, face_at(0, 0, 512), 128).numpy()[..., 0]
    radius = np.hypot(*(np.mgrid[:128, :128] - 63.5))
    # The plate's frequency is r / 1024 periods a pixel of the source: past r = 32 pixels of the
    # output it is above what the output can hold, past 64 it is four times as wide as the taps.
    beyond = (radius > 48) & (radius < 62)
    assert got[beyond].std() < 0.2 * got[radius < 16].std()
    unfiltered = plate[2::4, 2::4, 0].astype(float)
    assert got[beyond].std() < 0.2 * unfiltered[beyond].std()


@pytest.mark.parametrize("shrink", [1.5, 4, *slow(2, 3)])
def test_shrinking_agrees_with_pillow_and_opencv(portrait, shrink):
    side = int(512 / shrink)
    whole = portrait[: round(side * shrink), : round(side * shrink)]
    got = align_face(whole, face_at(0, 0, len(whole)), side).numpy()
    pillow = np.asarray(Image.fromarray(whole).resize((side, side), Image.BILINEAR), "float32")
    area = cv2.resize(whole, (side, side), interpolation=cv2.INTER_AREA).astype("float32")
    inner = np.s_[4:-4, 4:-4]
    to_pillow = abs(got - pillow)[inner].mean()
    to_area = abs(got - area)[inner].mean()
    between = abs(area - pillow)[inner].mean()
    # Sharper than Pillow's triangle, softer than the plain area.
    assert to_pillow < 2, (to_pillow, to_area, between)
    assert to_area < 4, (to_pillow, to_area, between)
    assert max(to_pillow, to_area) < between + 0.6


def test_twice_smaller_is_pillows_bilinear(portrait):
    got = align_face(portrait, face_at(0, 0, 512), 256, dtype="uint8").numpy().astype(int)
    pillow = np.asarray(Image.fromarray(portrait).resize((256, 256), Image.BILINEAR), int)
    assert abs(got - pillow)[2:-2, 2:-2].max() <= 1


def test_a_picture_does_not_depend_on_its_batch():
    frames = np.stack([FRAME, FRAME[::-1], 255 - FRAME])
    points = np.stack([POINTS, eyes((100, 100), (130, 90)), eyes((200, 150), (400, 200))])
    with pytest.raises(tf.errors.InvalidArgumentError, match="the centres of the two eyes apart"):
        align_face(frames, points * [[[1]], [[1]], [[0]]])
    batch = align_face(frames, points)
    assert batch.shape == (3, 128, 128, 3)
    for face, frame, point in zip(batch, frames, points, strict=True):
        np.testing.assert_array_equal(face, align_face(frame, point))


def test_several_faces_of_one_picture():
    points = np.stack([POINTS, eyes((100, 100), (130, 90))])
    faces = align_face(FRAME, points, size=64)
    assert faces.shape == (2, 64, 64, 3)
    np.testing.assert_array_equal(faces[1], align_face(FRAME, points[1], size=64))


def test_a_clip_is_aligned_once():
    frames = np.stack([FRAME, np.roll(FRAME, 3, 1), 255 - FRAME])
    jitter = np.stack([POINTS, POINTS + 1, POINTS - 1])
    clip = align_clip(frames, jitter)
    assert clip.shape == (3, 128, 128, 3)
    np.testing.assert_array_equal(clip, align_clip(frames, POINTS))
    for face, frame in zip(clip, frames, strict=True):
        np.testing.assert_array_equal(face, align_face(frame, POINTS))
    other = jitter + 9
    both = align_clip(np.stack([frames, frames[::-1]]), np.stack([jitter, other]), size=64)
    assert both.shape == (2, 3, 64, 64, 3)
    np.testing.assert_array_equal(both[1], align_clip(frames[::-1], other, size=64))
    firsts = np.stack([POINTS, other[0]])
    np.testing.assert_array_equal(both, align_clip(np.stack([frames, frames[::-1]]), firsts, 64))


def test_five_points_align_as_sixty_eight():
    five = eyes((280, 150), (344, 157), count=5)
    np.testing.assert_array_equal(align_face(FRAME, five), align_face(FRAME, POINTS))


def test_uint8_on_request_is_rounded_and_clipped():
    exact = align_face(FRAME, POINTS).numpy()
    got = align_face(FRAME, POINTS, dtype="uint8")
    assert got.dtype == tf.uint8
    np.testing.assert_array_equal(got, np.rint(exact).astype("uint8"))
    beyond = np.float32([[-5, 300], [100, 3]])[..., None]
    got = align_face(beyond, face_at(0, 0, 2), 2, dtype="uint8").numpy()
    np.testing.assert_array_equal(got[..., 0], [[0, 255], [100, 3]])


@pytest.mark.parametrize("kind", ["bfloat16", "float64", *slow("float16", "float32")])
def test_mixed_types(kind):
    image = tf.cast(FRAME, kind)
    exact = align_face(FRAME, POINTS).numpy()
    first = {"float32": POINTS.astype("int32"), "float64": POINTS}
    for points in (first.get(kind, POINTS.astype("float64")), tf.cast(POINTS, kind)):
        got = align_face(image, points)
        assert got.dtype == tf.as_dtype(kind)
        near = {"float16": 0.1, "bfloat16": 1.0}.get(kind, 1e-3)
        np.testing.assert_allclose(tf.cast(got, "float64"), exact, atol=near)
    assert align_face(image, POINTS, 32, dtype="float32").dtype == tf.float32
    assert align_face(FRAME, POINTS, 32, dtype="float16").dtype == tf.float16


@pytest.mark.parametrize("channels", [1, 4])
def test_any_number_of_channels(channels):
    image = noise(90, 90, channels)
    points = eyes((30, 40), (70, 42))
    got = align_face(image, points, size=32)
    for channel in range(channels):
        single = align_face(image[..., channel : channel + 1], points, size=32)
        np.testing.assert_array_equal(got[..., channel : channel + 1], single)


def test_gradients_are_the_adjoint():
    rng = np.random.default_rng(0)
    for distance in (4.0, 22.0, 50.0):
        points = eyes((20, 25), (20 + distance, 27), count=5)
        x = tf.constant(rng.normal(size=(50, 70, 2)))
        y = rng.normal(size=(32, 32, 2))
        with tf.GradientTape() as tape:
            tape.watch(x)
            product = tf.reduce_sum(align_face(x, points, size=32) * y)
        back = tape.gradient(product, x)
        np.testing.assert_allclose(tf.reduce_sum(back * x), product, rtol=1e-10)


def stacked(frame, points):
    """Return the regions of both cuts."""
    moved = transform_points(points, alignment(points))
    return stacked_of(align_face(frame, points), moved)


@pytest.mark.slow
def test_tf_data_gives_what_eager_calls_give():
    expected = stacked(FRAME, POINTS).numpy()
    pairs = tf.data.Dataset.from_tensors((FRAME, POINTS)).repeat(4)
    faces = pairs.map(stacked, num_parallel_calls=2)
    assert faces.element_spec == tf.TensorSpec((6, 64, 64, 3))
    for got in faces:
        np.testing.assert_array_equal(got, expected)
    batches = pairs.batch(2).map(lambda image, points: align_face(image, points, dtype="uint8"))
    assert batches.element_spec == tf.TensorSpec((None, 128, 128, 3), tf.uint8)
    clips = pairs.batch(4).map(align_clip)
    assert clips.element_spec == tf.TensorSpec((None, 128, 128, 3))
    [clip] = clips
    moved = transform_points(POINTS, alignment(POINTS))
    np.testing.assert_array_equal(stacked_of(clip[3], moved), expected)


def stacked_of(face, points):
    return tf.stack([*split_regions(face), *split_regions(face, landmarks=points)])


@pytest.mark.slow
def test_unknown_sizes_at_trace_time():
    signature = [tf.TensorSpec((None, None, None), tf.uint8), tf.TensorSpec((68, 2))]
    aligned = tf.function(align_face, input_signature=signature)
    assert aligned.get_concrete_function().output_shapes == (128, 128, None)
    np.testing.assert_array_equal(aligned(FRAME, POINTS), align_face(FRAME, POINTS))
    grey = FRAME[..., :1]
    np.testing.assert_array_equal(aligned(grey, POINTS), align_face(grey, POINTS))


@pytest.mark.slow
def test_the_tf_data_service():
    dispatcher = tf.data.experimental.service.DispatchServer()
    config = tf.data.experimental.service.WorkerConfig(dispatcher.target.split("://")[1])
    worker = tf.data.experimental.service.WorkerServer(config)
    faces = tf.data.Dataset.from_tensors((FRAME, POINTS)).repeat(3).map(stacked)
    faces = faces.apply(
        tf.data.experimental.service.distribute("parallel_epochs", dispatcher.target)
    )
    expected = stacked(FRAME, POINTS).numpy()
    results = list(faces.as_numpy_iterator())
    assert len(results) == 3
    for got in results:
        np.testing.assert_array_equal(got, expected)
    del worker


def test_points_come_along():
    matrix = alignment(face_at(0, 5, 60), size=80)
    found = transform_points([[29.5, 34.5], [-0.5, 4.5]], matrix)
    np.testing.assert_allclose(found, [[39.5, 39.5], [-0.5, -0.5]], atol=1e-4)
    many = transform_points(np.zeros((3, 7, 2)), tf.stack([matrix] * 3))
    assert many.shape == (3, 7, 2)
    assert alignment(np.float64(POINTS)).dtype == tf.float64


BAD_ARGUMENTS = [
    (lambda: align_face(FRAME[..., 0], POINTS), "`image` must have the shape"),
    (lambda: align_face(FRAME[:0], POINTS), "`image` must not be empty"),
    (lambda: align_face("face.png", POINTS), "`image` must be of numbers"),
    (lambda: align_face(FRAME > 3, POINTS), "`image` must be of numbers"),
    (lambda: align_face(FRAME, POINTS[:30]), "`landmarks` must have the static shape"),
    (lambda: align_face(FRAME, POINTS, size=0), "`size` must be an integer >= 1"),
    (lambda: align_face(FRAME, POINTS, size=64.0), "`size` must be an integer"),
    (lambda: align_face(FRAME, POINTS, dtype="int32"), "`dtype` must be None"),
    (lambda: align_face(FRAME, POINTS, dtype="colour"), "`dtype` must be None"),
    (lambda: align_face(FRAME[None], POINTS), "`landmarks` must belong to one picture"),
    (lambda: align_face(FRAME[None], POINTS[None, None]), "`landmarks` must belong"),
    (lambda: align_face(np.stack([FRAME] * 2), np.stack([POINTS] * 3)), "of the same number"),
    (lambda: align_clip(FRAME, POINTS), "`frames` must have the shape"),
    (lambda: align_clip(FRAME[None], np.stack([POINTS] * 2)), "of the same number"),
    (lambda: align_clip(FRAME[None, None], POINTS), "`landmarks` must have the shape"),
    (lambda: align_face(FRAME, None), "`landmarks` must be an array of numbers"),
    (lambda: alignment(np.zeros((68, 3))), "`landmarks` must have the static shape"),
    (lambda: transform_points(np.zeros(2), np.zeros((2, 3))), "`points` must have the shape"),
    (lambda: transform_points(np.zeros((4, 2)), np.zeros((3, 3))), "`matrix` must have the shape"),
]


@pytest.mark.parametrize(("call", "message"), BAD_ARGUMENTS)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def with_nan(points):
    points = points.copy()
    points[3, 1] = np.nan
    return points


BAD_VALUES = [
    (align_face, with_nan(POINTS), "`landmarks` must be finite"),
    (align_face, eyes((9, 9), (9, 9)), "the centres of the two eyes apart"),
    (align_face, POINTS + 5000, "A face must be finite, overlap its picture"),
    (align_face, eyes((-400, 100), (-340, 100)), "overlap its picture"),
    (align_face, eyes((0, 0), (9000, 0)), "than twice the longer side"),
]


@pytest.mark.parametrize(("function", "place", "message"), BAD_VALUES)
def test_bad_values_at_run_time(function, place, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        function(FRAME, place)


@pytest.mark.parametrize(
    ("function", "place", "message"),
    [
        row if number in (0, 2) else pytest.param(*row, marks=pytest.mark.slow)
        for number, row in enumerate(BAD_VALUES)
    ],
)
def test_bad_values_inside_a_graph(function, place, message):
    """There the check is an operation among others."""
    pair = tf.data.Dataset.from_tensors((FRAME, np.float32(place)))
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        list(pair.map(function))


def test_the_same_inside_a_graph():
    inside = tf.function(lambda: align_face(FRAME, POINTS, size=64))
    assert np.abs(inside().numpy() - align_face(FRAME, POINTS, size=64).numpy()).max() < 1e-3
    turn = np.array([[0, -1, 5], [1, 0, 2]])  # of integers
    np.testing.assert_array_equal(transform_points([[1.0, 2.0]], turn), [[3.0, 3.0]])
