"""The files about a spotted video: tables, a picture, a report."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fer_data import arguments
from fer_data.files import write_json
from fer_models.spotting.time_line import TimeLine
from fer_models.spotting.time_line_plot import plot_time_line

WINDOWS, INTERVALS, PICTURE, REPORT = "timeline.csv", "intervals.csv", "timeline.png", "report.json"
NO_TRUTH = (
    "These are places to look at, not a measurement: the video has no labels, and the network "
    "names a class in every window."
)


@arguments.checked(
    line=arguments.instance(TimeLine, "a `TimeLine`"),
    output=arguments.path,
    title=arguments.text,
    about=arguments.mapping(),
)
def write_spotted(
    line: TimeLine,
    output: str | os.PathLike[str],
    *,
    title: str | None = None,
    about: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write a time line as `timeline.csv`, `intervals.csv`, `timeline.png` and `report.json`.

    Args:
        line: The time line, of one window or more.
        output: Folder, made if absent.
        title: Heading of the picture.
        about: Further entries of `report.json`, of JSON's types.

    Returns:
        The content of `report.json`: the intervals, the rule in words, and the gaps: times without
        a face, cuts, and parts that could not be decoded.

    Raises:
        ValueError: If there is no window; nothing is written then.

    Example:

    ```python
    content = write_spotted(spotter.video("interview.mp4"), "spotted", title="interview")
    content["intervals"][0]["apex"]
    ```
    """
    if not len(line):
        raise ValueError("`line` must hold one window or more. Received: none")
    output = Path(output)
    line.write(output / WINDOWS)
    line.write_intervals(output / INTERVALS)
    plot_time_line(line, output / PICTURE, title=title)
    content = {
        "note": NO_TRUTH,
        "rule": str(line.rule),
        "frames": line.frames,
        "frames_with_a_face": line.faces,
        "seconds": line.seconds,
        "windows": len(line),
        "class_names": list(line.class_names),
        "intervals": [dataclasses.asdict(each) for each in line.intervals()],
        "gaps": [dataclasses.asdict(gap) for gap in line.gaps],
        **(about or {}),
    }
    write_json(output / REPORT, content)
    return content
