"""The example as a user runs it."""

import keras
import pytest
from helpers.examples import load_example
from PIL import Image

from fer_models import triple_path_ha3dnet

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="fer_data is tested on TensorFlow"
)


@pytest.fixture(scope="module")
def script():
    return load_example("explain_clip")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.keras"
    triple_path_ha3dnet(
        frames=6, input_shape=(16, 16, 1), filters=2, head="avg", dense_units=4
    ).save(path)
    return str(path)


def test_command_lines_that_say_too_little(script, model, tmp_path, capsys):
    for command, why in (
        ([], "train_micro_expressions.py --keep-models"),
        ([model, "--dataset", "casme2"], "--path: must name the folder or archive of casme2"),
        ([model, "--per-class", "0"], "--per-class: must be 1 or more"),
    ):
        with pytest.raises(SystemExit):
            script.main(command)
        assert why in capsys.readouterr().err
    assert script.main([str(tmp_path / "none.keras")]) == 2
    assert "There is no model" in capsys.readouterr().err


@pytest.mark.slow
def test_a_picture_for_each_class(script, model, tmp_path, capsys):
    common = [model, "--data-dir", str(tmp_path / "data"), "--output", str(tmp_path / "out")]
    assert script.main(common) == 0
    pictures = sorted((tmp_path / "out").iterdir())
    assert len(pictures) == 3
    assert all(Image.open(path).size[0] > 500 for path in pictures)
    capsys.readouterr()
    name = "synthetic_micro_expressions/s000/00001"
    assert script.main([*common, "--clip", name, "--method", "grad_cam", "--columns", "3"]) == 0
    assert capsys.readouterr().out.strip().endswith(f"{name.replace('/', '_')}.png")
    assert script.main([*common, "--clip", "nobody"]) == 2
    assert "no clip to explain in synthetic: clip='nobody'" in capsys.readouterr().err
