"""Rows of the owners' lists: which give a clip, and what is said of the rest."""

import pytest

from fer_data.datasets import clip_rows
from fer_data.datasets.clip_rows import BadRow
from fer_data.datasets.spreadsheet import Row


def row(**cells):
    return Row(7, cells, "coding.xlsx:7")


@pytest.mark.parametrize(
    ("text", "number"), [("46", 46), ("46.0", 46), ("-1", -1), ("/", None), ("N/A", None)]
)
def test_whole_numbers(text, number):
    assert clip_rows.whole(text) == number
    assert clip_rows.whole("0", ("0",)) is None


@pytest.mark.parametrize("text", ["4.5", "4_6", "46a", "inf", "1e999"])
def test_what_is_no_whole_number_gives_no_clip(text):
    with pytest.raises(BadRow, match=f"^onset is '{text}'$") as found:
        clip_rows.interval(row(onset=text, offset=9), None)
    assert found.value.reason == "no_onset"
    # An apex that nobody can read is only not known.
    onset, apex, offset, notes = clip_rows.interval(row(onset=1, apex=text, offset=9), None)
    assert (onset, apex, offset) == (1, -1, 9)
    assert notes == [("no_apex", f"apex is '{text}'")]


def test_a_missing_offset_is_the_data_sets_own_or_the_end_of_the_row():
    with pytest.raises(BadRow, match=r"^offset is '/'$") as found:
        clip_rows.interval(row(onset=1, offset="/"), None)
    assert found.value.reason == "no_offset"
    onset, apex, offset, notes = clip_rows.interval(
        row(onset=1, offset="/", apex=3), None, offset=5
    )
    assert (onset, apex, offset) == (1, 3, 5)
    assert notes == [("no_offset", "offset is '/'; the clip ends at 5")]


def test_one_folder_is_chosen_by_a_word_of_its_path():
    found = ["a/raw/s1", "a/Cropped/s1"]
    assert clip_rows.only(found, "s1", prefer=("absent", "crop")) == "a/Cropped/s1"
    with pytest.raises(BadRow, match=r"s1 is in several places: .*'a/raw/s1'") as error:
        clip_rows.only(found, "s1")
    assert error.value.reason == "ambiguous_folder"
    with pytest.raises(BadRow, match="there is no folder s1"):
        clip_rows.only([], "s1")
