"""What is written of a video that was looked through: tables, a picture, a report."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fer_data.files import write_json
from fer_models.spotting.time_line import TimeLine
from fer_models.spotting.time_line_plot import plot_time_line

WINDOWS, INTERVALS, PICTURE, REPORT = "timeline.csv", "intervals.csv", "timeline.png", "report.json"
NO_TRUTH = (
    "Places to look at, no measurement: nobody has said what this video shows, and the network "
    "names a class in every window."
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
        about: What else `report.json` shall say, of JSON's types.

    Returns:
        The content of `report.json`: the intervals, the rule in words, where there was no face.

    Example:

    ```python
    content = write_spotted(spotter.video("interview.mp4"), "spotted", title="interview")
    content["intervals"][0]["apex"]
    ```
    """
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
