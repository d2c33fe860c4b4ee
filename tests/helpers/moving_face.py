"""A video of a face that makes micro-expressions at known times, and a tracker that needs none."""

import dataclasses

import cv2
import keras
import numpy as np

from fer_data.faces.tracking import TrackedFace
from fer_data.synthetic.micro_motion import animate
from fer_data.synthetic.synthetic_micro_expressions import synthetic_clips
from fer_data.video import VideoWriter


def rest(clip, count):
    """Return `count` frames of a face at rest: the first of a clip."""
    return np.repeat(clip.frames[:1], count, axis=0)


def synthetic_scene(before=12, after=12, frames=11, seed=3, expression="surprise"):
    """Return `(frames, landmarks, (onset, apex, offset))` of a rendered face of 128 pixels."""
    subject = synthetic_clips(
        1, 1, (expression,), frames=(frames, frames), amplitude=(2.5, 2.5), head_motion=0.0,
        noise=0.0, seed=seed,
    )  # fmt: skip
    clip = next(subject)[1]
    pictures = np.concatenate([rest(clip, before), clip.frames, rest(clip, after)])
    return pictures, clip.landmarks[0], (before, before + clip.apex, before + frames - 1)


def face_scene(face, landmarks, parts, size=256, seed=0, sway=1.5):
    """Return frames of a given face that rests and moves in turn, and when it moved.

    Args:
        face: uint8 `(side, side, 3)`, aligned.
        landmarks: `(68, 2)` in its pixels.
        parts: Pairs `(frames, expression or None)`.
        size: Side of the frames.
        sway: Pixels by which the whole picture wanders, slowly.
    """
    rng = np.random.default_rng(seed)
    frames, moved = [], []
    for count, expression in parts:
        amplitude = 0.0 if expression is None else 3.0
        clip = animate(
            face, landmarks, expression or "surprise", rng, size=size, frames=count,
            amplitude=amplitude, head_motion=0.0, noise=1.0,
        )  # fmt: skip
        if expression is not None:
            moved.append((len(frames), len(frames) + clip.apex, len(frames) + count - 1))
        frames.extend(clip.frames)
    for number, frame in enumerate(frames):
        turn = 2 * np.pi * number / 60
        shift = np.float32([[1, 0, sway * np.sin(turn)], [0, 1, sway * np.cos(turn)]])
        frames[number] = cv2.warpAffine(frame, shift, (size, size), borderMode=cv2.BORDER_REPLICATE)
    return frames, moved


def write_video(path, frames, fps=25):
    with VideoWriter(path, fps) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def tracked(frames, landmarks, missing=(), anew=()):
    """Yield what `fer_data.faces.track` would: one place in all frames, none in those missing."""
    seen = False
    for number, image in enumerate(frames):
        lost = number in missing
        found = "followed" if seen and number not in anew else "detected"
        yield TrackedFace(
            number, image, None, None if lost else landmarks, 0.0 if lost else 0.9,
            "missing" if lost else found, 0.0 if lost else 1.0, 0,
        )  # fmt: skip
        seen = not lost


class Unasked:
    """A detector that must not be asked."""

    def detect(self, image):
        raise AssertionError("the tracker is a fake one")


def replace_tracker(monkeypatch, landmarks):
    """Let `Spotter` find a face at one place in all frames that are not dark."""
    from fer_models.spotting import spotter

    def track(pictures, *, detector, predictor, on_missing, name):
        assert on_missing == "skip"
        seen = False
        for number, image in enumerate(pictures):
            lost = image.mean() < 5
            (face,) = tracked([image], landmarks, missing=(0,) if lost else ())
            source = "followed" if seen and not lost else face.source
            seen = not lost
            yield dataclasses.replace(face, frame=number, source=source)

    monkeypatch.setattr(spotter, "track", track)
    monkeypatch.setattr(spotter, "as_predictor", lambda predictor: predictor)


def clip_network(regions=3, frames=5, size=8, channels=1):
    """Return a network of clips that tells them apart, and knows nothing."""
    keras.utils.set_random_seed(regions)
    inputs = [keras.Input((frames, size, size, channels)) for _ in range(regions)]
    flat = [keras.layers.Flatten()(keras.layers.Rescaling(1 / 9)(each)) for each in inputs]
    joined = flat[0] if regions == 1 else keras.layers.Concatenate()(flat)
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(joined))
