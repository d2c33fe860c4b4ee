"""The studies of the micro-expression dissertation: its tables 1 to 7, run again."""

import json

import keras
import pytest
from helpers.clip_studies import filmed_clips, tiny_study
from helpers.few_clips import plain_batches, put_small_clip_networks

from fer_models.cli import main
from fer_models.studies import (
    clip_study_report,
    ha3dnet_ablation,
    ha3dnet_leak,
    ha3dnet_rivals,
    ha3dnet_scenarios,
)
from fer_models.studies.clip_study_runs import TrainedSet
from fer_models.studies.clip_study_settings import ClipStudySettings
from fer_models.studies.ha3dnet_leak_settings import LeakSettings
from fer_models.studies.published_rivals import Rival, read_rivals
from fer_models.training import cross_validation
from fer_models.training.clip_folds import ClipTrainer, train_fold
from fer_models.training.clip_scenarios import ablation, grid
from fer_models.training.cross_validation import Scenario

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the data pipeline is tested on TensorFlow"
)
CASME2 = {"data": "casme2", "path": "CASME2"}
SCORES = dict.fromkeys(("accuracy", "error_rate", "precision", "uf1", "uar"), 0.5)


@pytest.fixture
def clips(monkeypatch, untraced):
    put_small_clip_networks(monkeypatch)
    return {"synthetic": filmed_clips()}


def trained_set(settings, scenarios, name="casme2", options=None):
    """Return what a data set's trainings gave, without training."""
    (source,) = settings.clip_settings(name).sources()
    options = source.options if options is None else options
    result = {
        "scores": SCORES,
        "most_frequent": SCORES,
        "warning": "",
        "epochs": [1],
        "examples": 3,
    }
    return TrainedSet(
        name,
        {
            "clips": 3,
            "subjects": 2,
            "classes": {"a": 3},
            "unlabelled": 0,
            "sources": {name: dict(options)},
        },
        {scenario.name: scenario for scenario in scenarios},
        {scenario.name: [result] * settings.seeds for scenario in scenarios},
        settings.regions,
    )


def content_of(folder):
    """Return the report without what differs from call to call."""
    content = json.loads((folder / "report.json").read_text())
    return {name: value for name, value in content.items() if name not in ("date", "sets")}


@pytest.mark.slow
def test_a_stopped_study_goes_on_and_ends_as_an_unbroken_one(clips, tmp_path, monkeypatch):
    settings = tiny_study(protocols=("80-10-10", "loso"))

    def study(output, **changes):
        run = ha3dnet_scenarios.run_scenarios
        given = {**vars(settings), **changes}
        return run(ClipStudySettings(**given), output, data=clips, progress=False)

    trained = []

    def counting(*args, **options):
        trained.append(args[3])
        if len(trained) == 4:
            raise KeyboardInterrupt
        return train_fold(*args, **options)

    monkeypatch.setattr(cross_validation, "train_fold", counting)
    with pytest.raises(KeyboardInterrupt):
        study(tmp_path / "broken")
    assert not (tmp_path / "broken" / "report.md").exists()
    outcome = study(tmp_path / "broken")
    # A random split, and five people; one began again.
    assert len(trained) == 1 + 5 + 1
    found = content_of(tmp_path / "broken")
    (table,) = found["tables"]
    (row,) = table["rows"]
    assert row["name"] == "80-10-10, batch 16, 1 epochs"
    assert row["published"] == {}
    assert row["measured"].keys() >= {"accuracy", "f1", "error_rate", "loso_uf1", "loso_uar"}
    assert "This split leaks" in outcome.text
    assert "Nobody published figures of drawn people" in outcome.text
    assert (tmp_path / "broken" / "report.md").read_text() == outcome.text
    assert (tmp_path / "broken" / "report.png").stat().st_size > 5000
    # Given again, nothing is trained.
    again = study(tmp_path / "broken")
    assert len(trained) == 7
    assert again.text == outcome.text
    whole = study(tmp_path / "whole")
    assert content_of(tmp_path / "whole") == found
    assert len(trained) == 13
    assert whole.content["tables"] == outcome.content["tables"]
    # Other settings do not mix, more seeds and scenarios do.
    with pytest.raises(ValueError, match="holds a run with other settings"):
        study(tmp_path / "broken", frames=4)
    more = study(tmp_path / "broken", seeds=2, batch_size=(16, 8), protocols=("80-10-10",))
    assert len(trained) == 13 + 1 + 2
    assert len(more.content["tables"][0]["rows"][0]["measured"]["f1"]["values"]) == 2


@pytest.mark.slow
def test_the_ablation_of_drawn_people(clips, tmp_path):
    outcome = ha3dnet_ablation.run_ablation(
        tiny_study(protocols=("70-15-15",)), tmp_path, data=clips, progress=False
    )
    (table,) = outcome.content["tables"]
    assert [row["name"].split(":")[0] for row in table["rows"]] == ["10", "11", "12", "13", "14"]
    assert all(
        row["measured"].keys() == {"accuracy 70-15-15", "f1 70-15-15"} for row in table["rows"]
    )
    assert "Trained with 70-15-15: batch 16, 1 epochs." in outcome.text


@pytest.mark.slow
def test_a_study_cuts_by_the_grid_where_it_is_told_to(monkeypatch, untraced, tmp_path):
    put_small_clip_networks(monkeypatch)
    cuts = []

    def noting(self, *args, **options):
        cuts.append((self.region_cut, self.motion))
        return plain_batches(self, *args, **options)

    monkeypatch.setattr(ClipTrainer, "batches", noting)
    outcome = ha3dnet_scenarios.run_scenarios(
        tiny_study(protocols=("80-10-10",), regions="grid"),
        tmp_path,
        data={"synthetic": filmed_clips()},
        progress=False,
    )
    assert set(cuts) == {("grid", True)}
    assert outcome.content["sets"][0]["regions"] == "grid"


@pytest.mark.parametrize("setting", ["batch_size", "epochs"])
@pytest.mark.parametrize(
    ("study", "kind"),
    [
        (ha3dnet_ablation.run_ablation, ClipStudySettings),
        (ha3dnet_rivals.run_rivals, ClipStudySettings),
        (ha3dnet_leak.run_leak_study, LeakSettings),
    ],
)
def test_several_batch_sizes_or_epochs_are_refused_where_one_is_trained(
    study, kind, setting, tmp_path
):
    settings = tiny_study(kind, **{setting: (2, 4)})
    message = rf"`{setting}` must be one value here.*Received: {setting}=\(2, 4\)"
    with pytest.raises(ValueError, match=message):
        study(settings, tmp_path / "out", data={"synthetic": filmed_clips()}, progress=False)
    assert not (tmp_path / "out").exists()


def test_published_figures_of_table_1_stand_beside_their_scenario_alone():
    settings = ClipStudySettings(**CASME2, seeds=1)
    scenarios = grid(settings.clip_settings("casme2").to_recipe(), settings.protocols)
    table = ha3dnet_scenarios.table_of(settings, trained_set(settings, scenarios))
    found = {row.name: row.published for row in table.rows if row.published}
    assert found == {
        "80-10-10, batch 64, 128 epochs": {"accuracy": 0.9887, "f1": 0.9887},
        "70-15-15, batch 64, 128 epochs": {"accuracy": 0.9854, "f1": 0.9853},
    }
    assert len(table.rows) == 12
    assert "accuracy, %: paper" in table.markdown()
    # The dissertation's regions follow the landmarks.
    grids = ClipStudySettings(**CASME2, seeds=1, regions="grid")
    table = ha3dnet_scenarios.table_of(grids, trained_set(grids, scenarios))
    assert not any(row.published for row in table.rows)
    # A part of it, with a scenario that is not the paper's.
    settings = ClipStudySettings(**CASME2, seeds=1, epochs=(9,), protocols=("80-10-10",))
    scenarios = grid(settings.clip_settings("casme2").to_recipe(), ("80-10-10",), epochs=(9,))
    table = ha3dnet_scenarios.table_of(settings, trained_set(settings, scenarios))
    assert len(table.rows) == 3
    assert "No published figure stands here" in table.markdown()
    assert "paper" not in table.markdown().splitlines()[2]


def test_published_figures_of_table_2():
    settings = ClipStudySettings(data="samm_long_videos", path="SAMM", seeds=1)
    recipe = settings.clip_settings("samm_long_videos").to_recipe()
    scenarios = []
    for protocol in settings.protocols:
        batch_size, epochs = settings.batch_and_epochs("samm_long_videos", protocol)
        scenarios += ablation(recipe.replace(batch_size=batch_size, epochs=epochs), protocol)
    table = ha3dnet_ablation.table_of(trained_set(settings, scenarios, "samm_long_videos"))
    assert [row.published["accuracy 80-10-10"] for row in table.rows] == [
        0.9255,
        0.9342,
        0.9307,
        0.8907,
        0.95,
    ]
    assert table.rows[3].published["f1 70-15-15"] == 0.8796
    assert (
        "Trained with 80-10-10: batch 64, 256 epochs; 70-15-15: batch 64, 128" in table.markdown()
    )
    # CAS(ME)^2 has the dissertation's classes.
    own = ClipStudySettings(data="cas_me2", path="a")
    (source,) = own.clip_settings("cas_me2").sources()
    assert source.options == {"classes": "own"}
    # CASME II has the owners' cropped faces, unless all sets are to have other pictures.
    for options, pictures in (({}, "cropped"), ({"pictures": "raw"}, "raw")):
        (source,) = (
            ClipStudySettings(**CASME2, data_options=options).clip_settings("casme2").sources()
        )
        assert source.options == {"pictures": pictures}


@pytest.mark.slow
def test_relatives_and_rivals(clips, tmp_path):
    rivals = [
        Rival("casme2", "Some net", "leave one subject out", "Somebody (2020)", {"f1": 0.7}),
        Rival("smic_hs", "Other net", "random", "Somebody (2021)", {"accuracy": 0.8}),
    ]
    outcome = ha3dnet_rivals.run_rivals(
        tiny_study(protocols=("80-10-10",)),
        tmp_path,
        models=("triple_path_ha3dnet", "mer_3dcnn"),
        rivals=rivals,
        data=clips,
        progress=False,
    )
    assert "| MER-3DCNNST, random 80:10:10 |" in outcome.text
    assert "Some net" not in outcome.text
    assert "rivals on CASME II, SMIC-HS are not shown" in outcome.text
    assert outcome.content["rivals"] == []


def test_figures_of_others_stand_below_our_table_and_not_in_it(tmp_path, monkeypatch):
    settings = ClipStudySettings(**CASME2, seeds=2)
    recipe = settings.clip_settings("casme2").to_recipe()
    scenarios = [
        Scenario(recipe.replace(batch_size=64, epochs=128), "80-10-10", "a", "Triple, random"),
        Scenario(recipe.replace(batch_size=64, epochs=128), "loso", "b", "Triple, loso"),
    ]
    trained = trained_set(settings, scenarios)
    monkeypatch.setattr(clip_study_report, "check_paths", lambda settings: None)
    monkeypatch.setattr(clip_study_report, "train_set", lambda *args, **options: trained)
    monkeypatch.setattr(clip_study_report, "draw", lambda tables, path: None)
    found = {}
    for name, rivals in {
        "bundled": None,
        "given": [Rival("casme2", "Some net", "random", "Somebody (2020)", {"f1": 0.7})],
        "none": [],
    }.items():
        outcome = ha3dnet_rivals.run_rivals(
            settings, tmp_path / name, rivals=rivals, progress=False
        )
        found[name] = outcome.text
        (table,) = outcome.content["tables"]
        assert [(row["name"], row["published"]) for row in table["rows"]] == [
            ("Triple, random", {"accuracy": 0.9887, "f1": 0.9887}),
            ("Triple, loso", {}),
        ]
        shown = outcome.content["rivals"]
        assert {each["dataset"] for each in shown} <= {"casme2"}
        assert ("Published by others on CASME II" in outcome.text) == bool(shown)
    assert "This is not the dissertation's own list" in found["bundled"]
    assert "| STSTNet |" in found["bundled"]
    assert "| random | Some net |  |  | 0.7 |  | Somebody (2020) |" in found["given"]
    assert "STSTNet" not in found["given"]
    assert "as the given file has it" in found["given"]
    for text in (found["bundled"], found["given"]):
        assert "this is no ranking" in text
        assert text.index("| Triple, loso |") < text.index("Published by others")
    with pytest.raises(ValueError, match="`models` must be names of"):
        ha3dnet_rivals.run_rivals(settings, tmp_path / "x", models=("ghostface",))


HEAD = "dataset,method,accuracy,f1,protocol,source\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dataset,method\ncasme2,a\n", "without accuracy, f1, protocol, source"),
        (HEAD + "fer2013,a,0.5,,b,c\n", "`dataset` of a rival must be one of.*line 2"),
        (HEAD + "casme2,a,94.5,,b,c\n", "such as 0.94 for 94 %. Received: '94.5'"),
        (HEAD + "casme2,a,high,,b,c\n", "must be a share of one"),
        (HEAD + "casme2,a,,,b,c\n", "an accuracy, an F1 or a UAR"),
        (HEAD.replace("f1", "f1,uar") + "casme2,a,,,70,b,c\n", "`uar` of a rival must be a share"),
        (HEAD + "casme2,a,0.5,,,c\n", "`protocol` of a rival must be given"),
        (HEAD + "casme2,a,0.5,,b\n", "`source` of a rival must be given"),
    ],
)
def test_a_bad_file_of_rivals(text, message, tmp_path):
    (tmp_path / "rivals.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_rivals(tmp_path / "rivals.csv")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"data": "fer2013"}, "`data` must be one of"),
        ({"data": ()}, "must name different sets"),
        ({"data": ("casme2", "casme2"), "path": ("a", "b")}, "must name different sets"),
        ({"data": ("synthetic", "casme2"), "path": ("a",)}, "drawn people are not real"),
        ({"data": "casme2"}, "`path` must name a folder or archive for each"),
        ({"path": "a"}, "`path` must name a folder or archive for each"),
        ({"seeds": 0}, "`seeds` must be an integer >= 1"),
        ({"epochs": (0,)}, "`epochs` must be an integer >= 1"),
        ({"batch_size": (8, 8)}, "`batch_size` must be different values"),
        ({"protocols": ("composite",)}, "`protocols` must be one of"),
        ({"protocols": ()}, "`protocols` must be different values"),
        ({"channels": 2}, "`channels` must be one of"),
        ({"regions": "nose"}, "`regions` must be one of"),
    ],
)
def test_bad_settings(given, message):
    with pytest.raises(ValueError, match=message):
        ClipStudySettings(**given)


def test_a_path_with_nothing_shows_before_anything_is_written(tmp_path):
    settings = ClipStudySettings(data="casme2", path=tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="the path of casme2"):
        ha3dnet_scenarios.run_scenarios(settings, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_words_of_the_command_line(monkeypatch, capsys, tmp_path):
    asked = []

    def told(settings, output, **options):
        asked.append((settings, options))
        raise ValueError("asked")

    for module, name in (
        (ha3dnet_scenarios, "run_scenarios"),
        (ha3dnet_ablation, "run_ablation"),
        (ha3dnet_rivals, "run_rivals"),
    ):
        monkeypatch.setattr(module, name, told)
    sets = ["--data", "casme2", "smic_hs", "--path", "A", "B", "--seeds", "1"]
    words = ["--batch-size", "32", "64", "--data-options", "casme2.pictures=raw"]
    assert main(["reproduce", "ha3dnet-table-1", *sets, *words]) == 2
    settings, _ = asked.pop()
    assert (settings.data, settings.path) == (["casme2", "smic_hs"], ["A", "B"])
    assert (settings.batch_size, settings.epochs) == ([32, 64], None)
    assert settings.clip_settings("smic_hs").sources()[0].path == str(
        settings.clip_settings("smic_hs").path[0]
    )
    assert settings.clip_settings("casme2").sources()[0].options == {"pictures": "raw"}
    assert main(["reproduce", "ha3dnet-table-2", "--quick", "--model-options", "filters=2"]) == 2
    settings, _ = asked.pop()
    assert (settings.seeds, settings.model_options["filters"]) == (1, 2)
    (tmp_path / "rivals.csv").write_text(HEAD + "casme2,a,0.5,,b,c\n")
    words = ["--models", "ha_3dnet", "--rivals", str(tmp_path / "rivals.csv")]
    assert main(["reproduce", "ha3dnet-tables-3-7", *words]) == 2
    _, options = asked.pop()
    assert options["models"] == ["ha_3dnet"]
    assert [each.method for each in options["rivals"]] == ["a"]
    assert main(["reproduce", "ha3dnet-tables-3-7", "--quick"]) == 2
    _, options = asked.pop()
    assert options["rivals"] is None
    capsys.readouterr()
    for words, message in (
        (["ha3dnet-table-1", "--data", "casme2"], "`path` must name"),
        (["ha3dnet-table-2", "--epochs", "1", "2"], "unrecognized arguments: 2"),
        (["ha3dnet-table-1", "--quick", "--data", "casme2"], "--quick runs on drawn faces"),
        (["ha3dnet-tables-3-7", "--models", "ghostface"], "invalid choice"),
        (["ha3dnet-tables-3-7", "--rivals", "none.csv"], "none.csv"),
    ):
        assert main(["reproduce", *words]) == 2
        assert message in capsys.readouterr().err
