"""Micro-expressions made from still faces, rendered or given: clips that need no licence."""

import hashlib
import io
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import tensorflow_datasets as tfds

from fer_data.checks import check_integer, check_number
from fer_data.datasets.local_builder import LocalInfo, OfflineBuilder
from fer_data.faces.geometry import align_face
from fer_data.faces.similarity import alignment, transform_points
from fer_data.synthetic import Scene, render, sample_identity
from fer_data.synthetic.drawn_faces import check_seed
from fer_data.synthetic.micro_motion import ACTION_UNITS, EXPRESSIONS, MicroClip, animate

SPLIT = "clips"
FPS = 100.0
# Streams of random numbers that must not meet each other, nor those of the still faces.
_SUBJECT, _CLIP = 11, 12
_PICTURE = 320


def synthetic_clips(
    subjects: int = 24,
    clips: int = 3,
    classes: Sequence[str] = EXPRESSIONS,
    *,
    videos: int | None = None,
    frames: tuple[int, int] = (18, 30),
    size: int = 128,
    amplitude: tuple[float, float] = (1.0, 3.0),
    head_motion: float = 0.4,
    noise: float = 1.5,
    seed: int = 0,
    faces: Sequence[tuple[np.ndarray, np.ndarray]] | None = None,
) -> Iterator[tuple[int, MicroClip]]:
    """Yield micro-expressions of many people, aligned like the clips of the real data sets.

    Each subject is one rendered person in one room: light, background and clothes stay the same,
    and the head is placed a little differently in every clip. With `videos` a person is filmed in
    several rooms, and all clips of a video have one class, as a real video is shown to evoke one
    emotion. The expression runs from onset over apex to offset; only some landmarks move, by
    `amplitude` at most (brows up for surprise, lip corners up for positive, brows down and together
    for negative).

    Every clip depends on `seed`, its subject and its number alone.

    Args:
        subjects: People, 1 or more.
        clips: Clips of each person and class, 1 or more.
        classes: Names out of `"negative"`, `"positive"`, `"surprise"`.
        videos: Videos of each person and class, which share the clips of that class in turn; `None`
            for one room per person, in which all classes are filmed.
        frames: (least, most) frames of a clip, 3 or more.
        size: Side of the faces in pixels, a multiple of 4, at least 16.
        amplitude: (least, most) largest movement of a clip, in pixels of a face of 128; 0 for no
            expression at all: a network that still tells the classes apart has found a leak.
        head_motion: Largest sway of the head likewise.
        noise: Standard deviation of the sensor's noise, in grey levels.
        seed: Integer from 0 up.
        faces: Pictures to use instead of rendered people: one pair `(picture, landmarks)` per
            subject, uint8 `(H, W, 3)` and `(68, 2)`.

    Yields:
        `(subject, MicroClip)`, subjects in turn and classes in turn.

    Raises:
        ValueError: For an argument out of range.

    Example:

    >>> subject, clip = next(synthetic_clips(subjects=1, clips=1, frames=(9, 9), size=64))
    >>> subject, clip.expression, clip.frames.shape
    (0, 'negative', (9, 64, 64, 3))
    """
    # Not a generator itself, so that bad arguments raise at once, not at the first clip.
    check_integer("subjects", subjects, 1)
    check_integer("clips", clips, 1)
    classes = tuple(classes)
    if not classes or len(set(classes)) < len(classes) or not set(classes) <= set(EXPRESSIONS):
        raise ValueError(
            f"`classes` must be different names out of {EXPRESSIONS}. Received: classes={classes}"
        )
    if videos is not None:
        check_integer("videos", videos, 1)
        if videos > clips:
            raise ValueError(
                "`videos` must be at most `clips`, so that each video has a clip. "
                f"Received: videos={videos}, clips={clips}"
            )
    for name, value in (("frames", frames), ("amplitude", amplitude)):
        if np.shape(value) != (2,) or value[0] > value[1]:
            raise ValueError(f"`{name}` must be (least, most). Received: {name}={value!r}")
    for bound in frames:
        check_integer("frames", bound, 3)
    for most in amplitude:
        check_number("amplitude", most, 0, 10)
    check_integer("size", size, 16)
    if size % 4:
        raise ValueError(f"`size` must be a multiple of 4. Received: size={size}")
    check_number("head_motion", head_motion, 0, 10)
    check_number("noise", noise, 0, 50)
    check_seed(seed)
    if faces is not None:
        _check_faces(faces, subjects)
    options = {"size": size, "head_motion": head_motion, "noise": noise}
    return _clips(subjects, clips, classes, videos, frames, amplitude, seed, faces, options)


def _clips(subjects, clips, classes, videos, frames, amplitude, seed, faces, options):
    for subject in range(subjects):
        for number in range(clips):
            for label, expression in enumerate(classes):
                rng = np.random.default_rng([seed, _CLIP, subject, number, label])
                if faces is None:
                    room = _room(number, label, videos)
                    picture, points = _portrait(seed, subject, room, rng)
                else:
                    picture, points = faces[subject]
                # Twice the size, so that frames that move are as sharp as the first.
                side = 2 * options["size"]
                face = align_face(picture, points, side, dtype="uint8").numpy()
                points = transform_points(points, alignment(points, side)).numpy()
                yield (
                    subject,
                    animate(
                        face,
                        points,
                        expression,
                        rng,
                        frames=int(rng.integers(frames[0], frames[1], endpoint=True)),
                        amplitude=rng.uniform(*amplitude),
                        **options,
                    ),
                )


def _room(number, label, videos):
    """Return the number of a clip's video among its person's; `None` if there is only one."""
    return None if videos is None else label * videos + number % videos


def _portrait(seed, subject, room, rng):
    """Draw a person's neutral face: in the room of the person or the video, in the clip's pose."""
    stream = [seed, _SUBJECT, subject, *([] if room is None else [room])]
    scene = Scene.sample(np.random.default_rng(stream))
    pose = scene.pose
    # People who are filmed for micro-expressions look into the camera.
    yaw, pitch, roll = rng.normal(0, (2, 1.5, 1.5))
    pose = replace(
        pose,
        yaw=0.4 * pose.yaw + yaw,
        pitch=0.4 * pose.pitch + pitch,
        roll=0.3 * pose.roll + roll,
        x=0.0,
        y=0.0,
        gaze=(0.0, 0.0),
    )
    return render(sample_identity(seed, subject), {}, replace(scene, pose=pose), _PICTURE)


def _check_faces(faces, subjects):
    if len(faces) != subjects:
        raise ValueError(
            f"`faces` must hold one face for each of {subjects} subjects. Received: {len(faces)}"
        )
    for picture, points in faces:
        valid = np.ndim(picture) == 3 and np.shape(picture)[-1] == 3 and np.shape(points) == (68, 2)
        if not valid or np.asarray(picture).dtype != np.uint8:
            raise ValueError(
                "`faces` must hold pairs of a uint8 picture (H, W, 3) and landmarks (68, 2). "
                f"Received: dtype={np.asarray(picture).dtype}, shapes {np.shape(picture)} and "
                f"{np.shape(points)}"
            )


class SyntheticMicroExpressions(OfflineBuilder, skip_registration=True):
    """Synthetic micro-expressions: rendered people, three classes, exact landmarks.

    One split, `"clips"`, and the features of the real data sets (`docs/micro-expression-data.md`),
    so that every protocol runs on it. The same options give the same frames, bit for bit.

    Args:
        data_dir: Where prepared data go; `None` for the default of tensorflow-datasets
            (`TFDS_DATA_DIR`, else `~/tensorflow_datasets`).
        subjects, clips, classes, videos, frames, size, amplitude, head_motion, noise, seed, faces:
            See `synthetic_clips`. With `videos`, the ids name the video of each clip
            (`s003/v05_00042`), as `fer_data.protocols.videos_of` reads them.

    Raises:
        ValueError: If an option is out of its range.
        OSError: If the disk is full while they are drawn; what was written is removed.

    Example:

    ```python
    builder = SyntheticMicroExpressions(subjects=8, clips=2)
    builder.download_and_prepare()
    clips = builder.as_dataset(split="clips")
    ```
    """

    VERSION = tfds.core.Version("1.0.0")
    name = "synthetic_micro_expressions"

    def __init__(
        self,
        *,
        data_dir: str | os.PathLike[str] | None = None,
        subjects: int = 24,
        clips: int = 3,
        classes: Sequence[str] = EXPRESSIONS,
        videos: int | None = None,
        frames: tuple[int, int] = (18, 30),
        size: int = 128,
        amplitude: tuple[float, float] = (1.0, 3.0),
        head_motion: float = 0.4,
        noise: float = 1.5,
        seed: int = 0,
        faces: Sequence[tuple[np.ndarray, np.ndarray]] | None = None,
    ) -> None:
        options: dict[str, Any] = {
            "subjects": subjects,
            "clips": clips,
            "classes": classes,
            "frames": frames,
            "size": size,
            "amplitude": amplitude,
            "head_motion": head_motion,
            "noise": noise,
            "seed": seed,
        }
        # Left out if None, so that sets prepared before this option existed keep their names.
        options |= {} if videos is None else {"videos": videos}
        # Checks them; nothing is drawn yet.
        synthetic_clips(**options, faces=faces)
        options |= {name: list(options[name]) for name in ("classes", "frames", "amplitude")}
        self._options, self._faces = options, faces
        super().__init__(data_dir=data_dir, config=self._configuration())
        # The arguments that unpickling gives to __init__.
        self._original_state = {"data_dir": data_dir, "faces": faces, **options}

    def _configuration(self):
        what = json.dumps(self._options, sort_keys=True, default=float)
        digest = hashlib.sha256(what.encode())
        for picture, points in self._faces or ():
            digest.update(np.ascontiguousarray(picture).tobytes())
            digest.update(np.asarray(points, np.float64).tobytes())
        return tfds.core.BuilderConfig(
            name=f"clips_{digest.hexdigest()[:12]}",
            version=self.VERSION,
            description=f"Options {what}" + (", given faces" if self._faces else ""),
        )

    def _info(self):
        side = self._options["size"]
        text, number = tfds.features.Text(), tfds.features.Scalar(np.int64)
        return LocalInfo(
            builder=self,
            description=self.__doc__.splitlines()[0],
            features=tfds.features.FeaturesDict(
                {
                    "frames": tfds.features.Video(
                        shape=(None, side, side, 3), encoding_format="png"
                    ),
                    "frame_numbers": tfds.features.Tensor(shape=(None,), dtype=np.int64),
                    "landmarks": tfds.features.Tensor(shape=(68, 2), dtype=np.float32),
                    **dict.fromkeys(("onset", "apex", "offset", "apex_index"), number),
                    "fps": tfds.features.Scalar(np.float32),
                    "label": tfds.features.ClassLabel(names=self._options["classes"]),
                    **dict.fromkeys(("emotion", "self_report", "action_units", "kind"), text),
                    **dict.fromkeys(("subject", "id", "content"), text),
                }
            ),
        )

    def _split_generators(self, dl_manager):
        return {SPLIT: self._generate_examples()}

    def _generate_examples(self):
        drawn = synthetic_clips(**self._options, faces=self._faces)
        for number, (person, clip) in enumerate(drawn):
            subject = f"{self.name}/s{person:03d}"
            name = f"{subject}/{self._video(number)}{number:05d}"
            yield name, _example(clip, subject, name, self._options["classes"])

    def _video(self, number):
        """Return the part of an id that names the video of a clip."""
        videos, count = self._options.get("videos"), len(self._options["classes"])
        if videos is None:
            return ""
        of_person, label = divmod(number % (self._options["clips"] * count), count)
        return f"v{_room(of_person, label, videos):02d}_"


def _example(clip: MicroClip, subject: str, name: str, classes: Sequence[str]) -> dict[str, Any]:
    count = len(clip.frames)
    pictures = [cv2.imencode(".png", frame[:, :, ::-1])[1] for frame in clip.frames]
    return {
        "frames": [io.BytesIO(picture.tobytes()) for picture in pictures],
        "frame_numbers": np.arange(count, dtype=np.int64),
        "landmarks": clip.landmarks[0],
        "onset": 0,
        "apex": clip.apex,
        "offset": count - 1,
        "apex_index": clip.apex,
        "fps": FPS,
        "label": classes.index(clip.expression),
        "emotion": clip.expression,
        "self_report": "",
        "action_units": ACTION_UNITS[clip.expression],
        "kind": "micro",
        "subject": subject,
        "id": name,
        "content": hashlib.sha256(clip.frames.tobytes()).hexdigest(),
    }
