"""`DeepFace.analyze` and `DeepFace.stream` of the package `deepface`."""

import contextlib
import dataclasses
import functools
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from fer_data.checks import check_choice, check_flag, check_integer, check_sequence
from fer_data.video import Video, VideoWriter
from fer_models.compat.bgr_pictures import (
    FaceNotDetectedError,
    as_rgb_from_bgr,
    is_usual,
    warn_of_unused,
    whole_picture,
)
from fer_models.recognizer import Recognizer, draw
from fer_models.zoo.bundled import DEFAULT_WEIGHTS

SKIP = "skip"
# Detectors by the names that they have there.
DETECTORS = {
    "opencv": "yunet",
    "yunet": "yunet",
    "mtcnn": "mtcnn",
    "fastmtcnn": "mtcnn",
    "retinaface": "retinaface",
    "dlib": "dlib_hog",
    SKIP: "yunet",
}
Picture = str | os.PathLike[str] | np.ndarray | IO[bytes]
_OTHERS = ("age", "gender", "race")
_STREAM = {
    "model_name": "VGG-Face",
    "distance_metric": "cosine",
    "time_threshold": 5,
    "frame_threshold": 5,
    "debug": False,
}
_STREAM_WHY = "Nobody is recognised, and the picture is not frozen."
_WINDOW = "fer: press q to stop"


class DeepFace:
    """Answers by the names and shapes of the package `deepface` (0.0.103): expressions alone.

    Attributes:
        weights: Weights of the network, as for `fer_models.Recognizer`; set it before the first
            call to use others.

    Example:

    >>> from skimage import data
    >>> face = DeepFace.analyze(data.astronaut()[..., ::-1], actions=["emotion"])[0]
    >>> face["dominant_emotion"], sorted(face["region"])
    ('happy', ['h', 'left_eye', 'right_eye', 'w', 'x', 'y'])
    """

    weights: Any = DEFAULT_WEIGHTS

    @classmethod
    def analyze(
        cls,
        img_path: Picture | Sequence[Picture],
        actions: str | Sequence[str] = ("emotion",),
        enforce_detection: bool = True,
        detector_backend: str = "opencv",
        align: bool = True,
        expand_percentage: int = 0,
        silent: bool = False,
        anti_spoofing: bool = False,
    ) -> list[Any]:
        """Return the faces of a picture and their emotions.

        Args:
            img_path: Name of a file, an array in OpenCV's order (BGR), an open file, or base64; or
                a list or an array `(pictures, height, width, 3)` of them.
            actions: `["emotion"]`: age, gender and race are not estimated here.
            enforce_detection: Raise an error where there is no face. If False, the whole picture
                is taken for a face then.
            detector_backend: `"opencv"` (here YuNet), `"yunet"`, `"mtcnn"`, `"fastmtcnn"`,
                `"retinaface"`, `"dlib"`, or `"skip"` for pictures that are a face.
            align: Turn faces upright that are rolled by more than 20 degrees.
            expand_percentage: Must be 0: a face is cut as the network has learnt it.
            silent: Accepted; nothing is printed.
            anti_spoofing: Must be False.

        Returns:
            A dictionary for each face, or for several pictures a list of such lists: `emotion`
            (per cent by name), `dominant_emotion`, `region` (`x`, `y`, `w`, `h`, and `left_eye` and
            `right_eye`, the person's own, `(x, y)` or None) and `face_confidence`.

        Raises:
            FaceNotDetectedError: A `ValueError`; if there is no face and `enforce_detection`.
            FileNotFoundError: If there is no such file.
            ValueError: If the picture is unusable, or something is asked for that is not here.
        """
        del silent
        _check_actions(actions)
        check_flag("enforce_detection", enforce_detection)
        check_flag("align", align)
        for name, value, usual in (
            ("expand_percentage", expand_percentage, 0),
            ("anti_spoofing", anti_spoofing, False),
        ):
            if not is_usual(value, usual):
                raise ValueError(
                    f"`{name}` must be {usual}: there is nothing else here. "
                    f"Received: {name}={value!r}"
                )
        options = (enforce_detection, detector_backend, align)
        recognizer = _recognizer(cls.weights, detector_backend)
        if isinstance(img_path, (list, tuple)) or (
            isinstance(img_path, np.ndarray) and img_path.ndim == 4
        ):
            return [_analyzed(recognizer, one, *options) for one in img_path]
        return _analyzed(recognizer, img_path, *options)

    @classmethod
    def stream(
        cls,
        db_path: str = "",
        model_name: str = "VGG-Face",
        detector_backend: str = "opencv",
        distance_metric: str = "cosine",
        enable_face_analysis: bool = True,
        source: Any = 0,
        time_threshold: int = 5,
        frame_threshold: int = 5,
        anti_spoofing: bool = False,
        output_path: str | None = None,
        debug: bool = False,
    ) -> None:
        """Show the expressions of a camera or a video in a window, and write them into a video.

        Every frame of a video is answered, and of a camera as many as there is time for: there is
        no countdown, and the picture does not freeze. The key q ends it. Ctrl-C ends it too, and
        keeps the copy of a camera, which lasts as long as the recording: each picture stays until
        the next one is answered. Without windows (OpenCV's headless builds, which fer-keras brings)
        a video is written to `output_path`; for a camera `fer webcam` shows a page.

        Args:
            db_path: Must be empty: nobody is recognised here.
            model_name: Of face recognition; without effect.
            detector_backend: As for `analyze`.
            distance_metric: Of face recognition; without effect.
            enable_face_analysis: Must be True.
            source: Number of a camera, or the name of a video file.
            time_threshold: Without effect.
            frame_threshold: Without effect.
            anti_spoofing: Must be False.
            output_path: Video to write, ending in .mp4, .avi or .mkv.
            debug: Without effect.

        Raises:
            ImportError: If OpenCV has no windows and `output_path` is None.
            OSError: If the camera cannot be opened.
            ValueError: If the source is unusable, or something is asked for that is not here.
        """
        for name, value, usual in (
            ("db_path", db_path, ""),
            ("enable_face_analysis", enable_face_analysis, True),
            ("anti_spoofing", anti_spoofing, False),
        ):
            if not is_usual(value, usual):
                raise ValueError(
                    f"`{name}` must be {usual!r}: expressions are named here, nobody is "
                    f"recognised. Received: {name}={value!r}"
                )
        given = (model_name, distance_metric, time_threshold, frame_threshold, debug)
        warn_of_unused(dict(zip(_STREAM, given, strict=True)), _STREAM, _STREAM_WHY)
        if is_usual(detector_backend, SKIP):
            raise ValueError(
                "`detector_backend` must find faces in a stream. Received: detector_backend='skip'"
            )
        session = _recognizer(cls.weights, detector_backend).session()
        with _opened(source) as (fps, frames, live):
            show = _window()
            try:
                if show is None and output_path is None:
                    raise ImportError(
                        "This build of OpenCV has no windows: give `output_path=` for a video, run "
                        "`fer webcam` for a camera, or put opencv-python in the place of "
                        "opencv-python-headless."
                    )
                if output_path is None:
                    _follow(session, frames, show, lambda drawn, seconds: None)
                else:
                    with VideoWriter(output_path, fps) as writer:
                        write = _Paced(writer, fps, live)
                        try:
                            _follow(session, frames, show, write)
                        except KeyboardInterrupt:
                            # Without a window a camera has no other end, and the copy is wanted.
                            if not (live and write.written):
                                raise
            finally:
                if show is not None:
                    show.close()


def _check_actions(actions):
    if not isinstance(actions, str):
        check_sequence("actions", actions)
    actions = (actions,) if isinstance(actions, str) else tuple(actions)
    wrong = [action for action in actions if not is_usual(action, "emotion")]
    if wrong or not actions:
        known = [action for action in wrong if isinstance(action, str) and action in _OTHERS]
        raise ValueError(
            '`actions` must be ["emotion"]'
            + (": age, gender and race are not estimated here" if known else "")
            + f". Received: actions={list(actions)!r}"
        )


def _recognizer(weights, detector_backend):
    check_choice("detector_backend", detector_backend, tuple(DETECTORS))
    if isinstance(weights, (str, os.PathLike)):
        return _kept_recognizer(os.fspath(weights), DETECTORS[detector_backend])
    return Recognizer(weights, DETECTORS[detector_backend])


# There a model is built once, whoever asks for it.
@functools.cache
def _kept_recognizer(weights, detector):
    return Recognizer(weights, detector)


def _analyzed(recognizer, image, enforce, detector_backend, align):
    picture = as_rgb_from_bgr(image)
    skip = detector_backend == SKIP
    faces = [whole_picture(picture)] if skip else recognizer.detector.detect(picture)
    if not faces:
        if enforce:
            name = f"in {os.fspath(image)!r}" if isinstance(image, (str, os.PathLike)) else "there"
            raise FaceNotDetectedError(
                f"No face was detected {name}. Set `enforce_detection=False` to take the whole "
                "picture for one."
            )
        faces = [whole_picture(picture)]
    cut = faces if align else [dataclasses.replace(face, points=None) for face in faces]
    names = recognizer.class_names
    return [
        {
            "emotion": {
                name: 100.0 * float(value) for name, value in zip(names, values, strict=True)
            },
            "dominant_emotion": names[int(np.argmax(values))],
            "region": _region(face, picture.shape, detector_backend == "retinaface"),
            "face_confidence": round(face.score, 2),
        }
        for face, values in zip(faces, recognizer.classify_faces([picture], [cut]), strict=True)
    ]


def _region(face, shape, all_points):
    """Return a face's place, inside of the last row and column as it is there."""
    height, width = shape[:2]
    x, y, across, down = (int(value) for value in face.box)
    region = {"x": x, "y": y, "w": min(width - x - 1, across), "h": min(height - y - 1, down)}
    points = [None] * 5 if face.points is None else [_point(p, width, height) for p in face.points]
    # Left and right are the person's there, and the picture's here.
    region |= {"left_eye": points[1], "right_eye": points[0]}
    if all_points:
        region |= {"nose": points[2], "mouth_left": points[4], "mouth_right": points[3]}
    return region


def _point(point, width, height):
    x, y = (int(value) for value in point)
    return (x, y) if 0 <= x < width and 0 <= y < height else None


@contextlib.contextmanager
def _opened(source):
    """Give frames a second, `(RGB picture, seconds)` one by one and whether they are of a camera.

    The source is closed at the end.
    """
    if isinstance(source, os.PathLike) or (isinstance(source, str) and not source.isdigit()):
        video = Video(Path(source))
        if video.info.fps is None:
            raise ValueError(f"`source` must say its frames a second. Received: source={source!r}")
        yield video.info.fps, ((frame.image, frame.time) for frame in video), False
        return
    if not isinstance(source, str):
        check_integer("source", source, 0)
    import cv2

    capture = cv2.VideoCapture(int(source))
    try:
        if not capture.isOpened():
            raise OSError(f"Camera {source} cannot be opened.")
        yield capture.get(cv2.CAP_PROP_FPS) or 25.0, _shots(capture), True
    finally:
        capture.release()


def _shots(capture):
    start = time.monotonic()
    while True:
        there, image = capture.read()
        if not there:
            return
        yield image[..., ::-1].copy(), time.monotonic() - start


def _follow(session, frames, show, write):
    for image, seconds in frames:
        drawn = draw(image, session.frame(image, seconds))
        write(drawn, seconds)
        if show is not None and not show(drawn):
            break


class _Paced:
    """Writes pictures, those of a camera so that the copy lasts as long as the recording."""

    def __init__(self, writer, fps, live):
        self._writer, self._fps, self._live = writer, fps, live
        self._last, self.written = None, 0

    def __call__(self, picture, seconds):
        due = int(seconds * self._fps) + 1 - self.written if self._live else 1
        for number in range(due):
            last = picture if number == due - 1 or self._last is None else self._last
            self._writer.write(last)
        self.written += max(0, due)
        self._last = picture


class _Window:
    """Shows RGB pictures, and returns after each whether to go on."""

    def __call__(self, picture):
        import cv2

        cv2.imshow(_WINDOW, picture[..., ::-1])
        return cv2.waitKey(1) & 0xFF != ord("q")

    def close(self):
        import cv2

        cv2.destroyWindow(_WINDOW)


def _window():
    """Return a `_Window`, or None where OpenCV or the machine has none."""
    import cv2

    # Builds with Qt would end the process.
    if sys.platform == "linux" and not {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
        return None
    try:
        cv2.namedWindow(_WINDOW)
    except cv2.error:
        return None
    return _Window()
