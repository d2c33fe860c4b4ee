"""The search for micro-expressions in a long video, in constant memory."""

import collections
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from fer_data.checks import check_choice, check_number
from fer_data.faces import detector as make_detector
from fer_data.faces import track
from fer_data.faces.detectors import DETECTORS
from fer_data.faces.landmark_predictor import as_predictor
from fer_data.video import Video
from fer_models.spotting.clip_network import ClipNetwork
from fer_models.spotting.motion import motion as measure
from fer_models.spotting.rule import Rule
from fer_models.spotting.sliding import SIDE, SlidingWindows
from fer_models.spotting.time_line import Gap, TimeLine, Window, window

if TYPE_CHECKING:
    import keras

UNITS = ("seconds", "frames")
LEAST = 3  # frames of a window: a motion away and back
OVERLAP = 4  # windows over every moment, unless asked otherwise


class NoFaceError(ValueError):
    """A video shows no face, or never one for a whole window."""


class Spotter:
    """Finds where micro-expressions are likely in a video of one face, and classifies windows.

    A video goes through the same steps as a data set when it is prepared (`fer_data.faces.track`,
    `align_clip`, `fer_data.pipelines.clips`). A window slides over it. The motion of brows and lip
    corners decides whether it holds an expression (`Rule`), and the network decides which one.

    Without labels nobody knows the truth: a time line is a list of places to look at, not a
    measurement. The network has no class for "nothing", so it names a class in every window.

    Args:
        model: A `keras.Model` of clips, or the path of its `.keras` file, such as a network of
            `fer_models.families.micro_expression_3d` that `fer train-clips` trained.
        class_names: Names of its classes; `None` for those that its file holds, else negative,
            positive, surprise.
        motion: Whether it was trained on clips minus their first frame, not on grey levels; `None`
            takes that from its file; if no file says so, True, with a warning.
        rule: `Rule`, or `None` for its defaults.
        detector: Name for `fer_data.faces.detector`, or an object with `detect(image)`.
        predictor: Predictor of landmarks, as for `fer_data.faces.track`.
        batch_size: Windows that go through the network together.
        region_cut: `"landmarks"` or `"grid"`, the regions that it was trained on; `None` takes them
            from its file; if no file names them, the grid, with a warning. In each window the
            landmarks of its first frame place the regions.

    Attributes:
        class_names: Names of the classes in output order.
        motion: Whether the first frame is subtracted from its clips.
        region_cut: `"landmarks"` or `"grid"`; `None` for a network that sees the whole face.

    Raises:
        FileNotFoundError: If there is no such model.
        ImportError: If a package for the faces is missing.
        ValueError: If the model does not take clips, an argument is out of its range, or
            `motion` or `region_cut` differs from that in its file.

    Example:

    ```python
    spotter = Spotter("runs/folds/s01/model.keras")
    line = spotter.video("interview.mp4", window=0.5)
    for found in line.intervals():
        print(f"{found.apex:.2f} s: {found.window.region}, {found.window.motion:.1f} px")
    line.write("interview.csv")
    ```
    """

    def __init__(
        self,
        model: "str | os.PathLike[str] | keras.Model",
        class_names: Sequence[str] | None = None,
        *,
        motion: bool | None = None,
        rule: Rule | None = None,
        detector: Any = "mtcnn",
        predictor: Any = None,
        batch_size: int = 16,
        region_cut: str | None = None,
    ) -> None:
        self._network = ClipNetwork(model, class_names, motion, batch_size, region_cut)
        self.class_names = self._network.class_names
        self.motion, self.region_cut = self._network.motion, self._network.region_cut
        self.rule = rule
        if isinstance(detector, str):
            check_choice("detector", detector, DETECTORS)
            detector = make_detector(detector, working_size=640)
        elif not callable(getattr(detector, "detect", None)):
            raise ValueError(
                "`detector` must be a name of `fer_data.faces.DETECTORS`, or have a method "
                f"`detect(image)`. Received: detector={detector!r}"
            )
        # Made here, so that a missing package raises at once.
        self._tools = {"detector": detector, "predictor": as_predictor(predictor)}

    def video(self, path: str | os.PathLike[str], **options: Any) -> TimeLine:
        """Return the `TimeLine` of a video.

        Args:
            path: A video file, or a folder of pictures, as for `fer_data.video.Video`.
            **options: As for `stream`.

        Raises:
            FileNotFoundError, ValueError, NoFaceError: As for `stream`.
        """
        line = TimeLine(self.class_names, self.rule)
        for event in self.stream(path, line=line, **options):
            line.add(event)
        return line

    def stream(
        self,
        path: str | os.PathLike[str],
        *,
        window: float = 0.5,
        stride: float | None = None,
        unit: str = "seconds",
        fps: float | None = None,
        on_bad: str = "error",
        line: TimeLine | None = None,
        on_frame: Callable[[], Any] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> Iterator[Window | Gap]:
        """Yield the `Window`s and `Gap`s of a video while it is read, each kind in order.

        Args:
            path: As for `video`.
            window: Length of a window; micro-expressions last half a second at most.
            stride: From one window to the next; `None` for a quarter of a window.
            unit: `"seconds"`, which are turned into frames by the video's frames per second, or
                `"frames"`.
            fps: Frames per second, instead of the file's own; needed for a folder.
            on_bad: `"error"`, or `"skip"` for frames that cannot be decoded: no window reaches over
                them.
            line: `TimeLine` in which to count frames and faces, or `None`.
            on_frame: Function that is called after every frame, such as a progress bar's update.
            stop: Function that is called before every frame: the video ends where it returns True.

        Raises:
            FileNotFoundError: If there is no such file or folder; at once.
            ValueError: If an option is out of its range, the file is not a video, or the window is
                longer than the video; at once.
            NoFaceError: At the end, if there was no face, or never one for a whole window; not
                where `stop` ended the video.
        """
        video = Video(path, fps=fps, on_bad=on_bad)
        length, step = _lengths(video, window, stride, unit)
        return self._stream(video, length, step, line, on_frame, stop)

    def _stream(self, video, length, stride, line, on_frame, stop):
        sliding = SlidingWindows(length, stride, self._network.frames)
        line = TimeLine(self.class_names) if line is None else line
        waiting, clips, landmarks, windows = [], [], [], 0
        for event in sliding(self._seen(video, line, on_frame, stop)):
            if isinstance(event, Gap):
                yield event
                continue
            windows += 1
            waiting.append(_measured(event))
            clips.append(self._network.clip(event.faces, event.numbers))
            landmarks.append(self._network.landmarks(event.landmarks, SIDE))
            if len(clips) == self._network.batch_size:
                yield from self._classified(waiting, clips, landmarks)
                waiting, clips, landmarks = [], [], []
        yield from self._classified(waiting, clips, landmarks)
        if stop is not None and stop():
            return
        name = repr(str(video.info.path))
        if not line.faces:
            raise NoFaceError(f"No face was found in any of the {line.frames} frames of {name}.")
        if not windows:
            raise NoFaceError(
                f"The face is never in sight for a whole window of {length} frames in {name}: "
                f"there is one in {line.faces} of {line.frames} frames. Try a shorter `window`."
            )

    def _classified(self, waiting, clips, landmarks):
        found = self._network(clips, landmarks)
        for (values, region), probabilities in zip(waiting, found, strict=True):
            yield window(values, region, probabilities, self.class_names)

    def _seen(self, video, line, on_frame, stop):
        """Yield number, time and `TrackedFace` of every frame."""
        # Frames that the tracker has not answered yet, one or two.
        given = collections.deque()

        def pictures():
            for frame in video:
                if stop is not None and stop():
                    return
                given.append((frame.number, frame.time))
                yield frame.image

        tracked = track(
            pictures(), on_missing="skip", name=repr(str(video.info.path)), **self._tools
        )
        for face in tracked:
            number, time = given.popleft()
            yield number, time, face
            line.frames += 1
            line.faces += face.landmarks is not None
            line.seconds = time
            if on_frame is not None:
                on_frame()


def _lengths(video, window, stride, unit):
    """Return window and stride in frames."""
    check_choice("unit", unit, UNITS)
    fps = video.info.fps
    if fps is None:
        raise ValueError(
            "`fps` must be given where the number of frames per second is unknown. "
            f"Received: fps=None for {str(video.info.path)!r}"
        )
    scale = fps if unit == "seconds" else 1
    for name, value in (("window", window), ("stride", stride)):
        if value is not None:
            check_number(name, value, 0)
    length = round(window * scale)
    if length < LEAST:
        raise ValueError(
            f"`window` must be {LEAST} frames or more. Received: window={window!r} {unit}, which "
            f"are {length} frames at {fps:g} a second"
        )
    step = max(1, round(length / OVERLAP)) if stride is None else round(stride * scale)
    if not 1 <= step <= length:
        raise ValueError(
            "`stride` must be one frame or more, and no longer than the window. Received: "
            f"stride={stride!r} {unit}, which are {step} frames; the window has {length}"
        )
    if length > (video.info.frames or 0) and length > video.count():
        raise ValueError(
            f"`window` must not be longer than the video. Received: window={window!r} {unit}, "
            f"which are {length} frames; {str(video.info.path)!r} has {video.count()}"
        )
    return length, step


def _measured(event):
    """Return the numbers of a `FaceWindow` by name, and the region that moves."""
    found = measure(event.faces)
    times = event.times
    values = {
        "first": int(event.numbers[0]),
        "last": int(event.numbers[-1]),
        "start": float(times[0]),
        "end": float(times[-1]),
        "onset": float(times[found.onset]),
        "apex": float(times[found.apex]),
        "offset": float(times[found.offset]),
        "motion": found.size,
        "back": found.back,
        "head": found.head,
    }
    return values, found.region
