"""The study of smiles: curves by hand, and the whole of it with networks that see a bar."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.shared import ROOT

from fer_data.synthetic.smiling_faces import FACTORS
from fer_models.cli import main
from fer_models.studies import smile_curve, smile_curve_picture
from fer_models.studies.smile_curve import curve_table, run_smile_curve, smile_curves
from fer_models.zoo import bundled
from fer_models.zoo.model_card import model_card

LEVELS = np.array([0.0, 0.5, 1.0])


def answers(people=4):
    """Happy grows with the smile, by 0.2 more where the mouth is open, and by person."""
    rows = [
        (person, level, mouth)
        for person in range(people)
        for mouth in FACTORS["mouth"]
        for level in LEVELS
    ]
    columns = zip(("person", "smile", "mouth"), zip(*rows, strict=True), strict=True)
    said = {name: np.array(values) for name, values in columns}
    happy = 0.6 * said["smile"] + 0.2 * (said["mouth"] == "open") + 0.02 * said["person"]
    others = {name: np.full(len(rows), values[0]) for name, values in FACTORS.items()}
    return {**others, **said, "happy": happy, "called": happy > 0.5}


def all_answers():
    """The same with every value of every factor."""
    said = answers()
    for name, values in FACTORS.items():
        if name != "mouth":
            said = {key: np.concatenate([column] * len(values)) for key, column in said.items()} | {
                name: np.repeat(values, len(said["happy"]))
            }
    return said


def test_curves_against_means_by_hand():
    found = smile_curves(all_answers(), LEVELS, resamples=200)
    assert found["levels"] == [0, 0.5, 1]
    assert found["people"] == 4
    closed, opened = (found["by"]["mouth"][value] for value in ("closed", "open"))
    means = [point[0] for point in closed["happy"]]
    assert means == pytest.approx([0.03, 0.33, 0.63])
    assert [point[0] for point in opened["happy"]] == pytest.approx([0.23, 0.53, 0.83])
    for value, low, high in closed["happy"]:
        assert value - 0.03 <= low < value < high <= value + 0.03
    # From 0.33 to 0.63 between the strengths 0.5 and 1.
    assert closed["half"] == pytest.approx(0.5 + 0.5 * 0.17 / 0.3, abs=1e-3)
    assert closed["half_low"] < closed["half"] < closed["half_high"]
    assert found["all"]["happy"][1][0] == pytest.approx(0.43)
    for value in FACTORS["skin"]:
        assert found["by"]["skin"][value] == found["all"]
    assert curve_table(found)[2].startswith("| all | 0.13 (")


def test_a_curve_that_never_reaches_one_half():
    said = {name: np.repeat(values[0], 6) for name, values in FACTORS.items()}
    said |= {"person": np.repeat([0, 1], 3), "smile": np.tile(LEVELS, 2)}
    said |= {"happy": np.full(6, 0.1), "called": np.full(6, False)}
    one = {name: values[:1] for name, values in FACTORS.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fer_data.synthetic.smiling_faces.FACTORS", one)
        found = smile_curves(said, LEVELS, resamples=10)
    assert (found["all"]["half"], found["all"]["half_high"]) == (None, None)
    assert "never (never to never)" in curve_table(found)[2]


def test_damaged_answers_are_named(tmp_path, monkeypatch):
    said = all_answers() | {"sha256": np.array(bundled.weights("ghostface", "ferplus").sha256)}
    monkeypatch.setattr(smile_curve, "_network", lambda source: None)
    monkeypatch.setattr(smile_curve, "_ask", lambda networks, *given: dict.fromkeys(networks, said))
    monkeypatch.setattr(smile_curve_picture, "plot_smile_curves", lambda *given: None)

    def study():
        options = {"levels": 3, "people": 4, "resamples": 10, "progress": False}
        return run_smile_curve(tmp_path, weights=["ghostface:ferplus"], **options)

    curve = study().content["curves"]["ghostface:ferplus"]
    assert curve["people"] == 4
    path = tmp_path / "answers" / "ghostface_ferplus.npz"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match=f"cannot be read; remove it .*{path.name}"):
        study()
    path.unlink()
    assert study().content["curves"]["ghostface:ferplus"] == curve


def test_files_of_the_same_last_names_have_answers_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(bundled, "located", Path)
    files = [tmp_path / run / "seed1" / "last.keras" for run in ("plain", "prose")]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_text(str(file))
    names = {smile_curve._answers_file(tmp_path, str(file)).name for file in files}
    assert len(names) == 2
    assert all(name.startswith("seed1_last_") for name in names)


def test_files_of_the_same_last_names_have_pictures_of_their_own(tmp_path, monkeypatch):
    files = [tmp_path / run / "best" / "model.keras" for run in ("one", "two")]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_text(str(file))
    monkeypatch.setattr(bundled, "located", Path)
    monkeypatch.setattr(smile_curve, "_network", lambda source: None)

    def told(networks, *given):
        return {
            source: all_answers() | {"sha256": np.array(smile_curve._digest(source))}
            for source in networks
        }

    drawn = []
    monkeypatch.setattr(smile_curve, "_ask", told)
    monkeypatch.setattr(
        smile_curve_picture, "plot_smile_curves", lambda found, path, title: drawn.append(path)
    )
    options = {"levels": 3, "people": 4, "resamples": 10, "progress": False}
    outcome = run_smile_curve(tmp_path / "out", weights=[str(file) for file in files], **options)
    assert len(set(drawn)) == 2
    assert {path.name for path in drawn} == set(outcome.content["pictures"].values())
    assert all(path.name.startswith("smile_curve_best_model_") for path in drawn)


def test_a_file_at_the_root_is_written_about_in_the_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(smile_curve, "_digest", lambda source: "0123456789")
    monkeypatch.setattr(bundled, "located", Path)
    assert smile_curve._plain("/model.keras") == "model_01234567"
    assert smile_curve._answers_file(tmp_path, "/model.keras").is_relative_to(tmp_path)


def test_names_of_bundled_weights():
    assert smile_curve._plain("ghostface:ferplus") == "ghostface_ferplus"


@pytest.mark.slow
def test_the_command_on_bundled_weights(tmp_path, capsys):
    words = ["reproduce", "smile-curve", "--quick", "--output", str(tmp_path), "--json"]
    words += ["--levels", "2", "--weights", "ghostface:ferplus"]
    assert main(words) == 0
    content = json.loads(capsys.readouterr().out)
    found = content["curves"]["ghostface:ferplus"]
    assert (found["faces"], found["people"]) == (2 * 48 * 2, 2)
    assert (tmp_path / "smile_curve_ghostface_ferplus.png").read_bytes().startswith(b"\x89PNG")
    assert "one half at" in (tmp_path / "report.md").read_text()
    before = (tmp_path / "answers/ghostface_ferplus.npz").stat().st_mtime_ns
    assert main(words) == 0
    assert (tmp_path / "answers/ghostface_ferplus.npz").stat().st_mtime_ns == before


def test_the_cards_of_bundled_weights_have_their_curve():
    for source, known in bundled.all_weights().items():
        curve = known.card["smile_curve"]
        assert curve["command"].startswith("fer reproduce smile-curve")
        assert curve["faces"] == 16 * 48 * 11
        card = model_card(*source.split(":"))
        assert "Smiles by degrees, on 8,448 drawn faces" in card
        share, low, high = (100 * each for each in curve["all"]["called"][0])
        assert f" | {share:.1f} % ({low:.1f} to {high:.1f} %) |" in card
        assert f"](images/{curve['picture']})" in card
        assert (ROOT / "docs/images" / curve["picture"]).is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"people": 1}, "`people` must be an integer >= 2"),
        ({"levels": 1}, "`levels` must be an integer >= 2"),
        ({"weights": ["ghostface:mine"]}, "must be bundled weights"),
    ],
)
def test_mistakes(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        run_smile_curve(tmp_path / "out", **options)


def test_quick_numbers_stay_out_of_the_cards(tmp_path, capsys):
    assert main(["reproduce", "smile-curve", "--quick", "--write-cards"]) == 2
    assert "--write-cards is for a whole study" in capsys.readouterr().err
