"""Killed at any change of a file, a preparation of data goes on and ends as an unbroken one."""

import pytest
from helpers import fake_datasets, fake_micro_expressions
from helpers.crashes import every_change, go_on_in_each
from helpers.photos import Finder, photo

from fer_data import files
from fer_data.datasets import prepare
from fer_data.faces import cut_folder

pytestmark = pytest.mark.slow


def test_faces_that_are_cut(tmp_path, monkeypatch):
    for number in range(3):
        boxes = [(10, 12, 20), (40, 8, 30)][: number + 1]
        photo(tmp_path / "photos" / f"{number}.png", *boxes, seed=number)

    def work(folder):
        found = cut_folder(tmp_path / "photos", folder, Finder(), size=16, every_face=True)
        kept = [path for path in folder.rglob("*") if not files.is_unfinished(path)]
        # Not a picture is left over: it would be one of a class.
        assert not list(folder.rglob(".*.png"))
        return found.photos, {path.name: path.read_bytes() for path in kept}

    with every_change(tmp_path / "run", tmp_path / "copies", monkeypatch) as moments:
        work(tmp_path / "run")
    assert moments.points > 15
    go_on_in_each(moments, work, work(tmp_path / "whole"))


def test_a_data_set_of_pictures(tmp_path, monkeypatch):
    source = fake_datasets.write_tree(tmp_path, {"faces": ["happy", "sad"]}, 2) / "faces"

    def work(folder):
        builder = prepare("image_folder", path=source, data_dir=folder)
        assert builder.report().used == {"train": {"happy": 2, "sad": 2}}
        return [
            (example["id"], int(example["label"]), example["image"].tobytes())
            for example in fake_datasets.examples(builder, "train")
        ]

    with every_change(tmp_path / "run", tmp_path / "copies", monkeypatch) as moments:
        work(tmp_path / "run")
    assert moments.points > 5
    go_on_in_each(moments, work, work(tmp_path / "whole"))


def test_a_data_set_of_clips(tmp_path, monkeypatch):
    source = fake_micro_expressions.write_smic(tmp_path / "smic")
    options = {"size": 32, **fake_micro_expressions.FAKE}

    def work(folder):
        builder = prepare("smic_hs", path=source, data_dir=folder, **options)
        assert not list(folder.rglob("finished_clips"))
        return {
            name: {feature: str(value) for feature, value in clip.items()}
            for name, clip in fake_micro_expressions.clips(builder).items()
        }

    with every_change(tmp_path / "run", tmp_path / "copies", monkeypatch) as moments:
        work(tmp_path / "run")
    assert moments.points > 5
    go_on_in_each(moments, work, work(tmp_path / "whole"))
