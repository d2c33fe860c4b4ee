"""CSV files of groups: which picture a row means, and which files are none."""

import pytest

from fer_data.datasets.group_file import feature_name, read_groups

IDS = ["train/happy/anna.jpg", "train/sad/bert.jpg", "test/sad/bert.jpg", "train/sad/carl.jpg"]


def written(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "groups.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_rows_by_whole_names_and_by_their_ends(tmp_path):
    rows = "File,Sex, age \nanna.jpg,f,old\n\ntrain\\sad\\bert.jpg,m,\nnobody.jpg,f,young\n"
    table = read_groups(written(tmp_path, rows, "utf-8-sig"))
    assert table.columns == ("Sex", "age")
    groups, others = table.of(IDS)
    assert groups == {"Sex": ["f", "m", "", ""], "age": ["old", "", "", ""]}
    assert others == ["nobody.jpg"]
    assert table.column("Sex") == "Sex"
    for name in (None, "tone"):
        with pytest.raises(ValueError, match="must be one of"):
            table.column(name)


def test_accents_may_be_letters_of_their_own(tmp_path):
    # A table by a spreadsheet, and pictures on a Mac.
    table = read_groups(written(tmp_path, "file,sex\njos\u00e9.jpg,m\n"))
    assert table.of(["train/sad/jose\u0301.jpg"]) == ({"sex": ["m"]}, [])


def test_a_name_that_several_pictures_end_in(tmp_path):
    table = read_groups(written(tmp_path, "file,sex\nsad/bert.jpg,m\n"))
    assert table.column(None) == "sex"
    with pytest.raises(ValueError, match="must fit one picture: write more of its path"):
        table.of(IDS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "first row that names its columns"),
        ("file\na.jpg\n", "first row that names its columns"),
        ("file,sex\n", "0 rows below"),
        ("file,sex,Sex\na.jpg,f,f\n", "one different name"),
        ("file,sex\na.jpg,f,old\n", "must have 2 cells"),
        ("file,sex\n,f\n", "the first with a file name"),
        ("file,sex\na.jpg,f\na.jpg,m\n", "'a.jpg' again in row 3"),
        ('file,sex\n"a.jpg"x,f\n', "must be CSV in UTF-8"),
    ],
)
def test_files_that_are_no_such_table(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read_groups(written(tmp_path, text))


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file of groups"):
        read_groups(tmp_path / "groups.csv")
    with pytest.raises(ValueError, match="must be CSV in UTF-8"):
        read_groups(written(tmp_path, "file,sex\nä.jpg,f\n", "latin-1"))


def test_names_of_features():
    assert feature_name(" Fitzpatrick type ") == "group_fitzpatrick_type"
