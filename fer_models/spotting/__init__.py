"""Micro-expressions in long videos: likely places, and a network's class for each."""

from fer_models.spotting.annotated_copy import annotated_copy
from fer_models.spotting.rule import Rule
from fer_models.spotting.spotted_files import write_spotted
from fer_models.spotting.spotter import NoFaceError, Spotter
from fer_models.spotting.time_line import Gap, Interval, TimeLine, Window
from fer_models.spotting.time_line_plot import plot_time_line

__all__ = [
    "Gap",
    "Interval",
    "NoFaceError",
    "Rule",
    "Spotter",
    "TimeLine",
    "Window",
    "annotated_copy",
    "plot_time_line",
    "write_spotted",
]
