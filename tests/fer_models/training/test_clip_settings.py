"""Settings of a training on clips: rules, defaults, scenarios, data sets."""

import keras
import pytest

from fer_models import recipes
from fer_models.training import ha3dnet_published
from fer_models.training.clip_scenarios import ablation, attention_of, grid, published_figures
from fer_models.training.clip_settings import ClipSettings

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the data pipeline is tested on TensorFlow"
)
CASME2 = {"data": "casme2", "path": "folder"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"data": "casme2"}, "`path` must name 1 folders, of casme2"),
        ({"data": "composite", "path": ["a", "b"]}, "of casme2 smic_hs samm_long_videos"),
        ({"data": ["casme2", "synthetic"], "path": ["a", "b"]}, "rendered people are not real"),
        ({"data": ["composite", "casme2"]}, "stands for three"),
        ({"data": ["casme2", "casme2"], "path": ["a", "b"]}, "must name different sets"),
        ({"data": "nowhere"}, "`data` must be one of"),
        ({"data": ()}, "must name different sets"),
        ({"path": "a"}, "takes no `path`"),
        ({"protocol": "composite"}, "no protocol 'composite'"),
        ({"protocol": "random"}, "`protocol` must be one of"),
        ({"by_subject": True}, "`by_subject` is for the protocols 80-10-10"),
        ({"listed": "file"}, "`listed` is for the protocol 'composite'"),
        ({"epochs": (2, 3)}, "`epochs` must be an integer >= 1"),
        ({"batch_size": 0}, "`batch_size` must be an integer >= 1"),
        ({"subjects": 0}, "`subjects` must be an integer >= 1"),
        (CASME2 | {"clips": 2}, "for data='synthetic' alone"),
        ({"learning_rate": 0}, "`learning_rate`"),
        ({"validation": 1}, "`validation` must be between 0 and 1"),
        ({"seed": -1}, "`seed` must be an integer >= 0"),
        ({"channels": 2}, "`channels` must be one of"),
        ({"regions": "nose"}, "`regions` must be one of"),
        ({"select": "best"}, "`select` must be one of"),
        ({"model": "ghostface"}, "`model` must be one of"),
    ],
)
def test_bad_settings(given, message):
    with pytest.raises(ValueError, match=message):
        ClipSettings(**given)


def test_what_is_left_open_is_the_dissertation_s_or_small_for_the_synthetic_set():
    settings = ClipSettings(**CASME2)
    scenario = settings.scenario()
    recipe = scenario.recipe
    assert scenario.protocol == "loso"
    assert (settings.frames, recipe.input_shape) == (16, (64, 64, 3))
    assert (recipe.optimizer, recipe.learning_rate) == ("adam", 0.001)
    assert (recipe.batch_size, recipe.epochs, recipe.class_weights) == (32, 128, True)
    assert recipe.augmentation.keys() == {"rotation", "crop", "contrast", "brightness"}
    assert recipe.model_options == {"frames": 16}
    small = ClipSettings(model_options={"filters": 4})
    assert (small.size, small.epochs, small.subjects) == (32, 12, 10)
    assert small.model_options == {"filters": 4, "head": "grid", "dense_units": 32}
    assert small.sources()[0].options == {"subjects": 10, "clips": 3, "seed": 1}
    assert ClipSettings(model="micro_exp_stcnn").frames == 18
    composite = ClipSettings(data="composite", path=["a", "b", "c"])
    assert composite.protocol == "composite"
    sources = composite.sources()
    assert [source.name for source in sources] == ["casme2", "smic_hs", "samm_long_videos"]
    assert sources[2].options == {"pictures": "clips"}


def test_a_tilde_is_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert ClipSettings(data="casme2", path="~/clips").path == (str(tmp_path.resolve() / "clips"),)


def test_settings_survive_json():
    settings = ClipSettings(data="composite", path=["a", "b", "c"], model_options={"filters": 4})
    assert ClipSettings(**settings.to_dict()) == settings


def test_options_of_one_data_set_or_of_all():
    options = {"pictures": "cropped", "casme2.max_frames": 90, "smic_hs.pictures": "raw"}
    settings = ClipSettings(data=["casme2", "smic_hs"], path=["a", "b"], data_options=options)
    found = {source.name: source.options for source in settings.sources()}
    assert found["casme2"] == {"pictures": "cropped", "max_frames": 90}
    assert found["smic_hs"] == {"pictures": "raw"}


def test_ids_come_from_a_file(tmp_path):
    (tmp_path / "list").write_text("a\n\n b \n")
    three = {"data": "composite", "path": ["a", "b", "c"]}
    assert ClipSettings(**three, listed=tmp_path / "list").listed_ids() == ["a", "b"]
    assert ClipSettings(**three).listed_ids() is None


def recipe_of(**changes):
    return ClipSettings(**CASME2, **changes).to_recipe()


def test_twelve_scenarios_and_five_experiments():
    found = grid(recipe_of())
    assert {(s.protocol, s.recipe.batch_size, s.recipe.epochs) for s in found} == {
        (p, b, e) for p in ("80-10-10", "70-15-15") for b in (32, 64, 128) for e in (128, 256)
    }
    assert len({scenario.name for scenario in found}) == 12
    assert len(grid(recipe_of(), ["loso"])) == 6
    # Hybrid attention is in all but experiment 13.
    steps = [scenario.recipe for scenario in ablation(recipe_of(), "loso")]
    assert [
        (r.augmentation != "none", r.class_weights, r.model_options.get("attention")) for r in steps
    ] == [
        (False, False, None),
        (True, False, None),
        (False, True, None),
        (True, True, False),
        (True, True, None),
    ]
    both = ablation(recipe_of(model="ha_3dsenet"), "loso")
    assert both[3].recipe.model_options["attention"] == ("squeeze_excite",)
    assert attention_of(steps[3]) == ()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": "mer_3dcnn"}, "mer_3dcnn with attention="),
        ({"model": "se_3dnet"}, "se_3dnet with attention="),
        ({"augmentation": False}, "itself sets what is augmented"),
    ],
)
def test_what_cannot_be_ablated(given, message):
    with pytest.raises(ValueError, match=message):
        ablation(recipe_of(**given), "loso")


CUT = {"pictures": "cropped"}


def figures_of(
    dataset="casme2", split="80-10-10", options=None, experiment=14, regions="landmarks", **changes
):
    if options is None:
        options = CUT if dataset == "casme2" else {}
    best = recipe_of().replace(batch_size=64, epochs=128)
    recipe = ablation(best, split)[experiment - 10].recipe.replace(**changes)
    return published_figures(dataset, dict(options), split, recipe.to_dict(), regions=regions)


def test_a_published_figure_is_of_its_own_scenario_alone():
    assert figures_of() == {"accuracy": 0.9887, "f1": 0.9887}
    assert figures_of(split="70-15-15") == {"accuracy": 0.9854, "f1": 0.9853}
    assert figures_of(experiment=10) == {"accuracy": 0.9661, "f1": 0.9621}
    assert figures_of(experiment=13, split="70-15-15") == {"accuracy": 0.9356, "f1": 0.9326}
    # Its best scenario there has other epochs.
    assert figures_of("samm_long_videos") == {}
    assert figures_of("samm_long_videos", "70-15-15") == {"accuracy": 0.9428, "f1": 0.9437}
    own = {"classes": "own"}
    assert figures_of("cas_me2", options=own, epochs=256)["accuracy"] == 0.94
    assert figures_of("cas_me2", epochs=256) == {}
    assert figures_of(options={}) == {}, "its faces of CASME II are the owners' cropped ones"
    for changes in (
        {"epochs": 127},
        {"batch_size": 32},
        {"learning_rate": 0.01},
        {"input_shape": (32, 32, 3)},
        {"model": "ha_3dnet"},
        {"model_options": {"frames": 16, "filters": 8}},
    ):
        assert figures_of(**changes) == {}
    assert figures_of(model_options={"frames": 20}), "the source gives no number of frames"
    for dataset, split in (("synthetic", "80-10-10"), ("casme2", "loso")):
        assert figures_of(dataset, split) == {}


@pytest.mark.parametrize(
    "options",
    [
        {"pictures": "raw"},
        {"on_duplicate": "drop"},
        {"on_conflict": "drop"},
        {"align": False},
        {"size": 96},
        {"max_frames": 30},
        {"detector": "retinaface"},
        {"expressions": "both"},
    ],
)
def test_other_clips_have_no_published_figure(options):
    assert figures_of(options={**CUT, **options}) == {}
    assert figures_of("cas_me2", options={"classes": "own", **options}, epochs=256) == {}


def test_a_published_figure_is_of_its_regions_and_of_the_default_clips():
    assert figures_of(regions="grid") == {}
    assert figures_of(regions=None) == {}
    same = {"size": 128, "on_duplicate": "keep", **CUT, "sheet": "codes.xlsx"}
    assert figures_of(options=same) == {"accuracy": 0.9887, "f1": 0.9887}


def test_the_published_figures_are_whole():
    for dataset in ha3dnet_published.TITLES:
        for split in ha3dnet_published.SPLITS:
            batch_size, epochs = ha3dnet_published.best_scenario(dataset, split)
            assert batch_size == 64
            assert epochs in (128, 256)
            found = [
                ha3dnet_published.figures(dataset, split, number)["accuracy"]
                for number in ha3dnet_published.EXPERIMENTS
            ]
            # Everything is the best; without hybrid attention it is the worst.
            assert max(found) == found[4]
            assert min(found) == found[3]
    papers = recipes.get("ha3dnet").published
    assert papers[0].faces == "random split 80:10:10, batch 64, 256 epochs"
    assert papers[0].scores == {"accuracy": 0.94, "f1": 0.94}
