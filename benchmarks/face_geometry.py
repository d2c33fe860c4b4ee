"""Measures faces a second from decoded frames to the three regions, beside cv2.warpAffine.

    python benchmarks/face_geometry.py --cores 2
    python benchmarks/face_geometry.py --json geometry.json

Frames of 640x360 with known landmarks, aligned to 128x128 and split. "TensorFlow" is
`align_face` and `split_regions` in `Dataset.map`, with windows that follow the landmarks where it
says so, else on the grid; "cv2 in tf.data" the same by cv2.warpAffine in a
`numpy_function`, "cv2 in a loop" by a plain Python loop, one picture after the other; both are
bilinear without a filter and so alias where the face shrinks; "cv2, filtered" is the loop with
cv2.blur over the face first, which is what a fair comparison there needs. The ways take turns, each
goes on where it stopped, and the median of the rounds counts. "CPU" is processor time of the whole
process for one face: with the machine to itself, `cores / CPU` is what a way could reach.
"""

import argparse
import json
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

GOAL, BATCH = 2000, 32


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=int, default=2000, help="faces in a round")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each way")
    parser.add_argument("--cores", type=int, default=None, help="processor cores to use")
    parser.add_argument("--json", help="file to write the numbers to")
    return parser.parse_args()


def landmarks(eyes, count=BATCH):
    """Points of faces turned by a few degrees, their eyes so many pixels apart."""
    import numpy as np

    rng = np.random.default_rng(0)
    turn = np.deg2rad(rng.uniform(-8, 8, count))
    middle = rng.uniform((280, 140), (360, 170), (count, 2))
    half = eyes / 2 * np.stack([np.cos(turn), np.sin(turn)], 1)
    points = np.zeros((count, 68, 2), "float32")
    points[:, 36:42] = (middle - half)[:, None]
    points[:, 42:48] = (middle + half)[:, None]
    return points


def ways(frames, points, options):
    """Name of every way, and a function that makes one batch of faces."""
    import cv2
    import numpy as np
    import tensorflow as tf

    from fer_data.faces.geometry import align_face
    from fer_data.faces.regions import split_regions
    from fer_data.faces.similarity import alignment, transform_points

    matrices = alignment(points).numpy()

    def split(face):
        return face[:64, :64], face[:64, 64:], face[64:, 32:96]

    def warped(frame, matrix):
        return cv2.warpAffine(frame, matrix, (128, 128), flags=cv2.INTER_LINEAR)

    def filtered(frame, matrix):
        width = round(1 / np.hypot(*matrix[0, :2]))
        if width > 1:
            corners = cv2.transform(
                np.float32([[(0, 0), (127, 0), (0, 127), (127, 127)]]),
                cv2.invertAffineTransform(matrix),
            )[0]
            low = np.maximum(np.floor(corners.min(0)).astype(int) - 2, 0)
            high = np.ceil(corners.max(0)).astype(int) + 3
            frame = cv2.blur(frame[low[1] : high[1], low[0] : high[0]], (width | 1, width | 1))
            matrix = matrix.copy()
            matrix[:, 2] += matrix[:, :2] @ low
        return warped(frame, matrix)

    def data(function):
        # From a cache frames come without a copy, as from a decoder.
        dataset = tf.data.Dataset.from_tensor_slices((frames, points, matrices)).cache().repeat()
        calls = options.cores or os.cpu_count()
        dataset = dataset.map(function, num_parallel_calls=calls)
        dataset = dataset.batch(BATCH, num_parallel_calls=calls)
        settings = tf.data.Options()
        settings.threading.max_intra_op_parallelism = 1
        # Its thread would at times not end with the iterators.
        settings.autotune.enabled = False
        if options.cores:
            settings.threading.private_threadpool_size = options.cores
        batches = iter(dataset.prefetch(2).with_options(settings))
        return lambda: next(batches)

    def ours(dtype):
        return lambda frame, face, _: split_regions(align_face(frame, face, dtype=dtype))

    def following(frame, face, matrix):
        marks = transform_points(face, matrix)
        return split_regions(align_face(frame, face), landmarks=marks)

    def in_numpy(frame, _, matrix):
        face = tf.numpy_function(warped, (frame, matrix), tf.uint8, stateful=False)
        return split(tf.cast(tf.ensure_shape(face, (128, 128, 3)), tf.float32))

    def loop(function):
        def batch():
            for frame, matrix in zip(frames, matrices, strict=True):
                split(function(frame, matrix).astype("float32"))

        return batch

    yield "TensorFlow, float32 out", data(ours(None))
    yield "TensorFlow, float32 out, by landmarks", data(following)
    yield "TensorFlow, uint8 out", data(ours("uint8"))
    yield "the frames alone", data(lambda frame, *_: (frame[:64, :64],) * 3)
    yield "cv2 in tf.data", data(in_numpy)
    yield "cv2 in a loop", loop(warped)
    yield "cv2, filtered, in a loop", loop(filtered)


def measure(batch, count):
    """Faces a second and processor microseconds a face, once what was prefetched is used up."""
    for _ in range(6):
        batch()
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(count):
        batch()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return count * BATCH / wall, 1e6 * cpu / count / BATCH


def main():
    options = arguments()
    if options.cores:
        if not hasattr(os, "sched_setaffinity"):
            raise SystemExit("--cores needs a system that can pin processes (Linux).")
        available = sorted(os.sched_getaffinity(0))
        if not 1 <= options.cores <= len(available):
            raise SystemExit(f"--cores must be from 1 to {len(available)}, not {options.cores}.")
        os.sched_setaffinity(0, available[: options.cores])
    import cv2
    import numpy as np

    if options.cores:
        cv2.setNumThreads(options.cores)
    rng = np.random.default_rng(0)
    rough = rng.integers(0, 256, (BATCH, 36, 64, 3), "uint8")
    frames = np.stack([cv2.resize(frame, (640, 360)) for frame in rough])
    report = []
    print(f"{options.faces} faces a round, {options.cores or os.cpu_count()} cores\n")
    print("| eyes apart, px | shrunk | way | faces/s, median | best | CPU, µs a face | goal |")
    print("|---:|---:|---|---:|---:|---:|---|")
    for eyes in (65, 40):
        rows = [(name, batch, []) for name, batch in ways(frames, landmarks(eyes), options)]
        for _ in range(options.rounds + 1):
            for _, batch, results in rows:
                results.append(measure(batch, -(-options.faces // BATCH)))
        for name, _, results in rows:
            # The first round warms up, and is left out.
            speeds, costs = zip(*results[1:], strict=True)
            median, best, cost = statistics.median(speeds), max(speeds), min(costs)
            ours = name == "TensorFlow, float32 out"
            verdict = f"{GOAL:,} {'met' if median >= GOAL else 'MISSED'}" if ours else ""
            shrunk = max(1, eyes / (0.32 * 128))
            print(
                f"| {eyes} | {shrunk:.2f} | {name} | {median:,.0f} | {best:,.0f} | {cost:.0f} "
                f"| {verdict} |"
            )
            report.append(
                {"eyes": eyes, "way": name, "median": median, "best": best, "cpu_us": cost}
            )
    if options.json:
        temporary = f"{options.json}.part"
        with open(temporary, "w") as file:
            json.dump({"settings": vars(options), "ways": report}, file, indent=2)
        os.replace(temporary, options.json)


if __name__ == "__main__":
    main()
