"""CAS(ME)^2: no header, three sheets, zeros for missing, selected and long videos."""

import pytest
from helpers import fake_micro_expressions as fake

from fer_data.datasets import prepare

OPTIONS = {"size": 32, **fake.FAKE}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return fake.write_cas_me2(tmp_path_factory.mktemp("cas_me2"))


@pytest.fixture(scope="module")
def everything(root, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    return prepare("cas_me2", path=root, data_dir=out, expressions="all", **OPTIONS)


def test_micro_and_macro(everything):
    clips = fake.clips(everything)
    got = {name: (c["kind"].decode(), int(c["label"])) for name, c in clips.items()}
    assert got == {
        "cas_me2/s15/anger1_1": ("micro", 0),
        "cas_me2/s15/happy1_1": ("micro", 1),
        "cas_me2/s16/disgust1_1": ("micro", 0),
        "cas_me2/s16/happy2_3": ("micro", -1),
        "cas_me2/s16/happy2_4": ("macro", 1),
        "cas_me2/s15/disgust1_2": ("macro", 0),
    }
    clip = clips["cas_me2/s15/anger1_1"]
    assert (clip["emotion"], clip["self_report"]) == (b"negative", b"anger")
    assert (clip["action_units"], clip["fps"]) == (b"4+7", 30.0)
    assert clip["frame_numbers"].tolist() == list(range(557, 564))


def test_zeros_are_missing(everything):
    clips = fake.clips(everything)
    # Without an offset, the clip ends with the folder of the expression.
    assert clips["cas_me2/s16/happy2_3"]["offset"] == 35
    assert clips["cas_me2/s15/disgust1_2"]["apex"] == -1


def test_folder_that_counts_from_one(everything):
    clip = fake.clips(everything)["cas_me2/s16/disgust1_1"]
    assert clip["frame_numbers"].tolist() == list(range(200, 206))
    assert clip["apex_index"] == 3


def test_report(everything):
    report = everything.report()
    assert report.read == 9
    dropped = {reason: len(rows) for reason, rows in report.dropped.items()}
    assert dropped == {"unknown_subject": 1, "negative_duration": 1, "unknown_kind": 1}
    kept = {reason: len(rows) for reason, rows in report.kept.items()}
    assert kept == {"numbered_from_one": 1, "no_offset": 1, "no_apex": 1}


def test_long_videos_give_the_same_expressions(root, tmp_path, everything):
    builder = prepare("cas_me2", path=root, data_dir=tmp_path, pictures="raw", **OPTIONS)
    clips, whole = fake.clips(builder), fake.clips(everything)
    assert len(clips) == 4
    for name in ("cas_me2/s15/anger1_1", "cas_me2/s15/happy1_1"):
        assert clips[name]["content"] == whole[name]["content"]
    # In a long video the folder does not say where the expression ends; the apex is its last
    # known frame.
    assert clips["cas_me2/s16/happy2_3"]["offset"] == 33
    assert len(builder.report().dropped["not_asked_for"]) == 2


def test_own_classes(root, tmp_path):
    options = {"expressions": "macro", "classes": "own", **OPTIONS}
    builder = prepare("cas_me2", path=root, data_dir=tmp_path, **options)
    assert builder.info.features["label"].names == ["angry", "disgust", "happy"]
    labels = {name: int(c["label"]) for name, c in fake.clips(builder).items()}
    assert labels == {"cas_me2/s16/happy2_4": 2, "cas_me2/s15/disgust1_2": 1}


def test_bad_options(root, tmp_path):
    for option in ({"expressions": "both"}, {"classes": "seven"}, {"pictures": "long"}):
        with pytest.raises(ValueError, match=f"`{next(iter(option))}` must be one of"):
            prepare("cas_me2", path=root, data_dir=tmp_path, **option)
    with pytest.raises(ValueError, match='for pictures="cropped"'):
        prepare("cas_me2", path=root, data_dir=tmp_path, pictures="cropped", **OPTIONS)


def test_sheets_that_are_missing(root, tmp_path):
    rows = [(1, "anger1_1", 557, 560, 563, "4", "negative", "micro-expression", "anger")]
    sheet = fake.write_sheet(tmp_path / "one.xlsx", rows)
    with pytest.raises(ValueError, match="must have 2 sheets or more"):
        prepare("cas_me2", path=root, data_dir=tmp_path / "out", sheet=sheet, **OPTIONS)


def test_names_that_neither_videos_nor_classes_have(root, tmp_path):
    people, videos = [("s15", "s15", 1)], [("0401", "anger1")]
    numbers = (557, 560, 563, "4", "negative", "micro-expression", "anger")
    rows = [(1, "anger1_1", *numbers), (1, "sad9_1", *numbers)]
    sheet = fake.write_sheet(tmp_path / "code.xlsx", rows, people, videos)
    options = {"path": root, "data_dir": tmp_path / "out", "sheet": sheet, **OPTIONS}
    builder = prepare("cas_me2", pictures="raw", **options)
    assert list(fake.clips(builder)) == ["cas_me2/s15/anger1_1"]
    dropped = builder.report().dropped["unknown_video"]
    assert [entry["detail"] for entry in dropped] == ["the third sheet has no video 'sad9'"]
    builder = prepare("cas_me2", classes="own", **options)
    dropped = builder.report().dropped["unknown_emotion"]
    assert [entry["detail"] for entry in dropped] == [
        "the name 'sad9_1' begins with no known emotion"
    ]
