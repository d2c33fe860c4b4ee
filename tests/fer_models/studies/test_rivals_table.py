"""Figures of other papers: the bundled file, and the table that is no ranking."""

import itertools
import re

import pytest
from helpers.shared import ROOT

from fer_models.studies.published_rivals import Rival, bundled_rivals, read_rivals
from fer_models.studies.rivals_table import in_groups, rivals_table
from fer_models.training.ha3dnet_published import TITLES


def test_every_bundled_figure_says_how_and_where():
    rivals = bundled_rivals()
    assert {each.dataset for each in rivals} == set(TITLES)
    assert len({each.method for each in rivals}) >= 5
    keys = [(each.dataset, each.method, each.clips, each.protocol) for each in rivals]
    assert len(set(keys)) == len(keys)
    for each in rivals:
        assert re.search(r"https://\S+\w$", each.source), each
        assert each.clips, each
        # Nothing else is known of any: a new kind must be told apart in the table too.
        assert each.protocol.startswith(
            ("leave one subject out", "one split of clips", "not stated where it was read")
        ), each
        # Zero or one would be a slip of the pen.
        assert all(0.1 < value < 0.999 for value in each.scores.values()), each


def test_figures_of_ststnet_are_those_of_its_table():
    found = {each.dataset: each for each in bundled_rivals() if each.method == "STSTNet"}
    assert found["smic_hs"].scores == {"f1": 0.6801, "uar": 0.7013}
    assert found["casme2"].scores == {"f1": 0.8382, "uar": 0.8686}
    assert found["samm_long_videos"].scores == {"f1": 0.6588, "uar": 0.681}
    # Of the clips that the data set was cut from.
    assert found["samm_long_videos"].clips == "SAMM, 133 clips, 3 classes"


@pytest.mark.parametrize("dataset", TITLES)
def test_protocols_are_not_mixed_and_scores_do_not_decide_the_order(dataset):
    shown = in_groups([each for each in bundled_rivals() if each.dataset == dataset])
    protocols = [protocol for protocol, _ in itertools.groupby(each.protocol for each in shown)]
    assert len(set(protocols)) == len(protocols)
    for protocol in protocols:
        methods = [each.method.casefold() for each in shown if each.protocol == protocol]
        assert methods == sorted(methods)


def test_a_file_must_be_in_utf_8(tmp_path):
    file = tmp_path / "rivals.csv"
    text = (
        "dataset,method,accuracy,f1,protocol,source\n"
        "casme2,Réseau,0.5,,one split of clips,Somebody\n"
    )
    for encoding in ("utf-8", "utf-8-sig"):
        file.write_bytes(text.encode(encoding))
        assert [rival.method for rival in read_rivals(file)] == ["Réseau"]
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"in UTF-8: save it as one. Received: .*rivals\.csv"):
        read_rivals(file)


def test_a_row_shows_what_is_given():
    rivals = [
        Rival(
            "casme2", "b|c", "random", "read at https://a.org/x", {"accuracy": 0.924}, "5 classes"
        ),
        Rival("casme2", "a", "random", "Somebody", {"f1": 0.7, "uar": 0.6543}),
        Rival("smic_hs", "d", "random", "Somebody", {"f1": 0.7}),
    ]
    lines = rivals_table("casme2", rivals, "Of a test.")
    assert lines[0] == "#### Published by others on CASME II"
    assert lines[2].startswith("Of a test. Rows are in groups by protocol")
    assert lines[6:] == [
        "| random | a |  |  | 0.7 | 0.6543 | Somebody |",
        "| random | b\\|c | 5 classes | 92.4 |  |  | read at <https://a.org/x> |",
        "",
    ]
    assert rivals_table("cas_me3", rivals) == []


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("Table 2 (see https://a.org/x).", "Table 2 (see <https://a.org/x>)."),
        (
            "https://a.org/x; http://b.org/?y=1,2,",
            "<https://a.org/x>; <http://b.org/?y=1,2>,",
        ),
        ("https://a.org/x\nhttps://b.org", "<https://a.org/x> <https://b.org>"),
        ("https://... of nothing", "https://... of nothing"),
    ],
)
def test_an_address_ends_before_punctuation(source, shown):
    rival = Rival("casme2", "a", "random", source, {"f1": 0.7})
    assert rivals_table("casme2", [rival])[-2].endswith(f"| 0.7 |  | {shown} |")


def test_a_row_is_one_line():
    rival = Rival("casme2", " a\n\tb ", "left\r\nout", "c\u2028d", {"f1": 0.7}, "5\n\nclasses")
    row = rivals_table("casme2", [rival])[-2]
    assert row == "| left out | a b | 5 classes |  | 0.7 |  | c d |"


def test_the_page_has_all_bundled_figures():
    page = (ROOT / "docs/papers/ha3dnet.md").read_text()
    rivals = bundled_rivals()
    for dataset in TITLES:
        rows = rivals_table(dataset, rivals)[4:]
        assert "\n".join(rows) in page, dataset
