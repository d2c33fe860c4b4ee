"""Settings of a training on clips: rules, defaults, scenarios, data sets."""

import keras
import pytest

from fer_models.training.clip_scenarios import attention_of
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
        ({"grid": True, "ablation": True}, "choose one"),
        ({"ablation": True, "model": "mer_3dcnn"}, "mer_3dcnn with attention="),
        ({"ablation": True, "model": "se_3dnet"}, "se_3dnet with attention="),
        ({"ablation": True, "augmentation": False}, "itself says what is augmented"),
        ({"by_subject": True}, "`by_subject` is for the protocols 80-10-10"),
        ({"listed": "file"}, "`listed` is for the protocol 'composite'"),
        ({"epochs": (2, 3)}, "several numbers for a grid"),
        ({"grid": True, "epochs": (2, 2)}, "must be different numbers"),
        ({"batch_size": 0}, "`batch_size` must be an integer >= 1"),
        ({"subjects": 0}, "`subjects` must be an integer >= 1"),
        (CASME2 | {"clips": 2}, "for data='synthetic' alone"),
        ({"learning_rate": 0}, "`learning_rate`"),
        ({"validation": 1}, "`validation` must be between 0 and 1"),
        ({"seed": -1}, "`seed` must be an integer >= 0"),
        ({"channels": 2}, "`channels` must be one of"),
        ({"select": "best"}, "`select` must be one of"),
        ({"model": "ghostface"}, "`model` must be one of"),
    ],
)
def test_bad_settings(given, message):
    with pytest.raises(ValueError, match=message):
        ClipSettings(**given)


def test_what_is_left_open_is_the_dissertation_s_or_small_for_the_synthetic_set():
    settings = ClipSettings(**CASME2)
    (scenario,) = settings.scenarios()
    recipe = scenario.recipe
    assert scenario.protocol == "loso"
    assert (settings.frames, recipe.input_shape) == (16, (64, 64, 3))
    assert (recipe.optimizer, recipe.learning_rate) == ("adam", 0.001)
    assert (recipe.batch_size, recipe.epochs, recipe.class_weights) == (32, 128, True)
    assert recipe.augmentation.keys() == {"rotation", "crop", "contrast", "brightness"}
    assert recipe.model_options == {"frames": 16}
    small = ClipSettings(model_options={"filters": 4})
    assert (small.size, small.epochs, small.subjects) == (32, (12,), 10)
    assert small.model_options == {"filters": 4, "head": "grid", "dense_units": 32}
    assert small.sources()[0].options == {"subjects": 10, "clips": 3, "seed": 1}
    assert ClipSettings(model="micro_exp_stcnn").frames == 18
    composite = ClipSettings(data="composite", path=["a", "b", "c"])
    assert composite.protocol == "composite"
    sources = composite.sources()
    assert [source.name for source in sources] == ["casme2", "smic_hs", "samm_long_videos"]
    assert sources[2].options == {"pictures": "clips"}


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


def test_twelve_scenarios_and_five_steps():
    grid = ClipSettings(**CASME2, grid=True).scenarios()
    assert {(s.protocol, s.recipe.batch_size, s.recipe.epochs) for s in grid} == {
        (p, b, e) for p in ("80-10-10", "70-15-15") for b in (32, 64, 128) for e in (128, 256)
    }
    assert len({scenario.name for scenario in grid}) == 12
    assert len(ClipSettings(**CASME2, grid=True, protocol="loso").scenarios()) == 6
    steps = [s.recipe for s in ClipSettings(**CASME2, ablation=True).scenarios()]
    found = [
        (r.augmentation != "none", r.class_weights, r.model_options.get("attention")) for r in steps
    ]
    assert found == [
        (False, False, False),
        (True, False, False),
        (False, True, False),
        (True, True, False),
        (True, True, None),
    ]
    both = ClipSettings(**CASME2, ablation=True, model="ha_3dsenet").scenarios()
    assert both[3].recipe.model_options["attention"] == ("squeeze_excite",)
    assert attention_of(steps[0]) == ()
