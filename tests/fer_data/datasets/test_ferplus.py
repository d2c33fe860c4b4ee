"""FER+: labels by majority on small trees, and on the real votes."""

import collections

import numpy as np
import pytest
from helpers import fake_datasets as fake
from helpers.shared import shared_path
from hypothesis import given
from hypothesis import strategies as st

from fer_data.datasets import prepare
from fer_data.datasets.ferplus import FerPlus, majority
from fer_data.datasets.preparation_report import Report
from fer_data.labels import EMOTIONS, EMOTIONS_WITH_CONTEMPT

VOTES = {  # neutral happiness surprise sadness anger disgust fear contempt unknown NF
    "happy": (2, 8, 0, 0, 0, 0, 0, 0, 0, 0),
    "angry": (1, 1, 0, 0, 4, 0, 3, 1, 0, 0),  # half of ten, but more than half without slips
    "contempt": (3, 0, 0, 0, 0, 0, 0, 6, 1, 0),
    "tie": (5, 5, 0, 0, 0, 0, 0, 0, 0, 0),
    "unknown": (2, 0, 0, 0, 0, 0, 0, 0, 8, 0),
    "no face": (0, 0, 0, 0, 0, 0, 0, 0, 0, 10),
    "sad": (0, 0, 0, 10, 0, 0, 0, 0, 0, 0),
}


def write(tmp_path):
    rows = fake.fer_rows(1, ("train",))
    path = fake.write_fer_csv(tmp_path / "fer", rows)
    fake.write_ferplus_csv(path, [usage for *_, usage in rows], np.array(list(VOTES.values())))
    return path


@pytest.mark.parametrize("contempt", [False, True])
def test_majority_becomes_the_label_and_the_rest_is_listed(tmp_path, contempt):
    builder = prepare("ferplus", path=write(tmp_path), data_dir=tmp_path, contempt=contempt)
    names = builder.info.features["label"].names
    assert tuple(names) == (EMOTIONS_WITH_CONTEMPT if contempt else EMOTIONS)
    found = {e["id"].decode(): names[e["label"]] for e in fake.examples(builder, "train")}
    wanted = {0: "happy", 1: "angry", 6: "sad"} | ({2: "contempt"} if contempt else {})
    assert found == {f"row{place:05d}": name for place, name in wanted.items()}
    report = builder.report()
    dropped = {"no majority": 1, "majority for unknown": 1, "majority for NF": 1}
    if not contempt:
        dropped["majority for contempt"] = 1
    assert {reason: len(entries) for reason, entries in report.dropped.items()} == dropped
    assert report.read == 7


def test_votes_must_be_numbers(tmp_path):
    path = write(tmp_path)
    table = next(path.glob("*new.csv"))
    table.write_text(table.read_text().replace(",8,", ",eight,", 1))
    with pytest.raises(ValueError, match=r"must have ten numbers of votes in each row.*'eight'"):
        prepare("ferplus", path=path, data_dir=tmp_path / "out")


def test_votes_must_be_there(tmp_path):
    path = fake.write_fer_csv(tmp_path / "fer", fake.fer_rows(1, ("train",)))
    with pytest.raises(ValueError, match="`path` must hold the votes of FER"):
        prepare("ferplus", path=path, data_dir=tmp_path)
    with pytest.raises(ValueError, match="`contempt` must be True or False"):
        prepare("ferplus", path=path, data_dir=tmp_path, contempt=1)


@given(st.lists(st.integers(0, 10), min_size=10, max_size=10))
def test_majority_has_more_than_all_others_together(votes):
    place = majority(votes)
    counted = [number if number > 1 else 0 for number in votes]
    over_half = [2 * number > sum(counted) for number in counted]
    assert place == (over_half.index(True) if any(over_half) else None)


@pytest.mark.slow
def test_real_votes(tmp_path):
    """The faces that keep a label; the test of FER2013 prepares their pictures."""
    builder = FerPlus(path=shared_path("data/fer2013"), data_dir=tmp_path, contempt=True)
    report = Report("ferplus", "the archive", {}, EMOTIONS_WITH_CONTEMPT)
    items = builder._items(report)
    assert collections.Counter(item.split for item in items) == {"train": 25057, "validation": 3199}
