import numpy as np
import pytest

from fer_models.explain import contact_sheet

PNG = b"\x89PNG\r\n\x1a\n"


def pictures(count=5, channels=3, height=24, width=24):
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (count, height, width, channels), dtype="uint8")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("with_heat", [False, True])
def test_writes_a_picture(tmp_path, channels, with_heat):
    heat = np.linspace(0, 1, 5 * 24 * 24).reshape(5, 24, 24) if with_heat else None
    path = contact_sheet(
        pictures(channels=channels),
        tmp_path / "new folder" / "sheet.png",
        heat,
        labels=["happy"] * 5,
        predictions=["happy 93%", "sad", "happy", "neutral", "fear"],
        columns=3,
        title="Grad-CAM",
    )
    assert path.read_bytes().startswith(PNG)
    assert [file.name for file in path.parent.iterdir()] == ["sheet.png"]


def test_overlay_is_viridis_over_the_image(tmp_path):
    from matplotlib import colormaps
    from matplotlib.image import imread

    heat = np.zeros((1, 24, 24), "float32")
    heat[:, :, 12:] = 1
    grey = np.full((1, 24, 24, 1), 100, "uint8")
    path = contact_sheet(grey, tmp_path / "sheet.png", heat, alpha=0.5)
    picture = imread(path)[..., :3]
    for share, column in ((0.0, 60), (1.0, 180)):
        expected = 0.5 * np.array(colormaps["viridis"](share)[:3]) + 0.5 * 100 / 255
        np.testing.assert_allclose(picture[120, column], expected, atol=0.02)


def test_colour_tells_right_from_wrong(tmp_path):
    text = contact_sheet(
        pictures(2), tmp_path / "sheet.svg", labels=["sad", "sad"], predictions=["sad 51%", "fear"]
    ).read_text()
    assert "#1b7f4b" in text
    assert "#c8102e" in text


def test_dollar_signs_in_names_and_titles_are_no_formula(tmp_path):
    names = {"labels": ["a$b_$"], "predictions": ["$c^$ 51%"]}
    contact_sheet(pictures(1), tmp_path / "sheet.png", title="$d_$", **names)


def test_pictures_keep_their_shape(tmp_path):
    from matplotlib.image import imread

    wide = imread(contact_sheet(pictures(1, width=48), tmp_path / "wide.png"))
    tall = imread(contact_sheet(pictures(1, height=48), tmp_path / "tall.png"))
    assert wide.shape[1] > 1.5 * wide.shape[0]
    assert tall.shape[0] > 1.5 * tall.shape[1]


def test_an_old_picture_stays_when_writing_fails(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    path = contact_sheet(pictures(), tmp_path / "sheet.png")
    before = path.read_bytes()

    def disk_full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", disk_full)
    with pytest.raises(OSError, match="No space left"):
        contact_sheet(pictures(), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["sheet.png"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((24, 24, 3))}, "`images` must be of shape"),
        ({"images": np.zeros((0, 24, 24, 3))}, "`images` must be of shape"),
        ({"images": np.zeros((5, 24, 24, 2))}, "`images` must be of shape"),
        ({"images": np.full((5, 24, 24, 3), -0.5)}, r"`images` must be in \[0, 255\]"),
        ({"images": np.full((5, 24, 24, 3), 256.0)}, r"`images` must be in \[0, 255\]"),
        ({"images": np.full((5, 24, 24, 3), np.nan)}, r"`images` must be in \[0, 255\]"),
        ({"heat_maps": np.zeros((4, 24, 24))}, "`heat_maps` must be of shape"),
        ({"heat_maps": np.full((5, 24, 24), 1.5)}, "`heat_maps` must be from 0 to 1"),
        ({"alpha": 2}, r"`alpha` must be a number in \[0, 1\]. Received: alpha=2"),
        ({"alpha": "0.5"}, r"`alpha` must be a number in \[0, 1\]. Received: alpha='0.5'"),
        ({"labels": ["happy"]}, "`labels` must have 5 entries"),
        ({"predictions": ["happy"] * 6}, "`predictions` must have 5 entries"),
        ({"columns": 0}, "`columns` must be an integer >= 1"),
        ({"path": "sheet.gif7"}, r"`path` must end in one of .*\.png"),
    ],
)
def test_wrong_arguments(tmp_path, monkeypatch, change, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        contact_sheet(**{"images": pictures(), "path": "sheet.png", **change})
    assert not list(tmp_path.iterdir())
