"""Micro-expressions in a long video: where they are likely, and what a network says of them."""

from fer_models.spotting.picture import plot_time_line
from fer_models.spotting.rule import Rule
from fer_models.spotting.spotter import Spotter
from fer_models.spotting.time_line import Gap, Interval, TimeLine, Window

__all__ = ["Gap", "Interval", "Rule", "Spotter", "TimeLine", "Window", "plot_time_line"]
