"""`fer webcam`: what is checked before networks load, and what the page and the user are told."""

import asyncio
import json
import time

import keras
import pytest

pytest.importorskip("fastapi", reason="the server needs the extra [web]")

from fer_models import web
from fer_models.cli import main, webcam
from fer_models.web import browser_export, opening
from fer_models.zoo import bundled


@pytest.fixture
def no_networks(monkeypatch):
    """Fail where networks are loaded."""
    monkeypatch.setattr(webcam, "load", lambda *_: pytest.fail("networks were loaded"))


@pytest.mark.parametrize(
    "options",
    [
        ["--port", "70000"],
        ["--max-clients", "0"],
        ["--max-rate", "nan"],
        ["--max-frame-bytes", "-1"],
        ["--origin", "faces.example"],
        ["--ssl-keyfile", "key.pem"],
        ["--ssl-certfile", "gone.pem"],
        ["--detector", "eyes"],
        ["--host", "192.0.2.1"],
        ["--json"],
    ],
)
def test_bad_options_are_said_before_networks_load(options, no_networks, capsys):
    assert main(["webcam", "--port", "0", *options]) == 2
    out, err = capsys.readouterr()
    assert not out
    (line,) = err.splitlines()
    assert line.startswith("fer: error: ")
    assert options[0].strip("-") in line.replace("_", "-")


@pytest.fixture
def small_file(tmp_path):
    """A model of two classes whose file says their names."""
    from fer_models.zoo import class_names

    path = tmp_path / "small.keras"
    image = keras.Input((16, 16, 1))
    top = keras.layers.Dense(2, "softmax")(keras.layers.Flatten()(image))
    keras.Model(image, top).save(path)
    class_names.write(path, ["other", "smile"])
    return path


class NoFaces:
    """A detector that loads nothing and finds nothing."""

    def __init__(self, name, **options):
        self.name = name

    def detect(self, image):
        return []


@pytest.fixture
def opened(monkeypatch):
    """Addresses that a browser was asked to open."""
    found = []
    monkeypatch.setattr(opening, "open_page", found.append)
    return found


@pytest.fixture
def told(monkeypatch):
    """Let the server leave once it answers; hold what its `/settings` say."""
    found = {}
    run = web.Server.run

    def run_and_leave(server, recognizer, *, on_listening, **options):
        def leave():
            on_listening()
            server.stop()

        run(server, recognizer, on_listening=leave, **options)
        (route,) = (route for route in server.app.routes if route.path == "/settings")
        found.update(asyncio.run(route.endpoint()))

    monkeypatch.setattr(web.Server, "run", run_and_leave)
    monkeypatch.setattr("fer_models.recognizer.recognizer.make_detector", NoFaces)
    return found


def test_the_page_is_told_which_model_the_server_uses(small_file, told, opened, capsys):
    words = ["webcam", "--port", "0", "--weights", str(small_file)]
    assert main([*words, "--engine-assets", "my engine"]) == 0
    assert told["weights"] == str(small_file)
    assert told["model"] == web.model_digest(small_file)
    assert told["class_names"] == ["other", "smile"]
    command = f"fer webcam --export-engine 'my engine' --weights {small_file}"
    assert told["export_engine"] == command
    out, err = capsys.readouterr()
    assert not out
    loading, address = err.splitlines()
    assert loading.startswith(f"Loading {small_file}")
    assert opened == [address.split()[1]]
    assert opened[0].startswith("http://127.0.0.1:")


def test_no_browser_is_opened_where_none_is_wanted(small_file, told, opened, capsys):
    words = ["webcam", "--port", "0", "--weights", str(small_file), "--no-browser"]
    assert main([*words, "--host", "0.0.0.0"]) == 0
    assert not opened
    assert told["export_engine"] == f"fer webcam --export-engine --weights {small_file}"
    assert "warning: bound to 0.0.0.0" in capsys.readouterr().err


@pytest.mark.parametrize("weights", ["imagenet", "gone.keras"])
def test_weights_that_are_not_there_are_named(weights, opened, capsys):
    assert main(["webcam", "--port", "0", "--weights", weights]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith("fer: error: ")
    assert weights in error
    known = f"one of {', '.join(bundled.all_weights())}, or the path of a .keras file"
    assert weights.endswith(".keras") or known in error
    assert not opened


@pytest.mark.parametrize(
    ("environment", "platform", "seen"),
    [
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0", "CI": "false"}, "linux", True),
        ({}, "linux", False),
        ({}, "darwin", True),
        ({"DISPLAY": ":0", "CI": "true"}, "linux", False),
        ({"DISPLAY": "localhost:10.0", "SSH_CONNECTION": "192.0.2.1"}, "linux", False),
        ({"SSH_TTY": "/dev/ttys1"}, "darwin", False),
    ],
)
def test_a_browser_is_opened_only_where_it_is_seen(environment, platform, seen):
    assert opening.has_display(environment, platform) is seen


def test_opening_does_not_wait(monkeypatch):
    found = []
    monkeypatch.setattr(opening.webbrowser, "open", found.append)
    monkeypatch.setattr(opening, "has_display", lambda: False)
    assert not opening.open_page("http://a/")
    monkeypatch.setattr(opening, "has_display", lambda: True)
    assert opening.open_page("http://b/")
    end = time.monotonic() + 20
    while not found and time.monotonic() < end:
        time.sleep(0.001)
    assert found == ["http://b/"]


# --- the export


@pytest.fixture
def exported(monkeypatch, tmp_path):
    """Folders and weights of exports, which are not made."""
    found = []

    def export(folder, weights):
        found.append((folder, weights))
        files = {"pnet.onnx": {"bytes": 2_000_000, "sha256": "1a"}}
        return {"files": files, "differences": {"pnet": 1e-6}, "source": {"weights": weights}}

    monkeypatch.setattr(browser_export, "export_engine", export)
    monkeypatch.delitem(vars(web), "export_engine", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    yield found
    vars(web).pop("export_engine", None)


def test_the_engine_is_exported_where_the_server_looks_for_it(exported, tmp_path, capsys):
    assert main(["webcam", "--export-engine"]) == 0
    folder = tmp_path / "fer-keras" / "engine"
    out = capsys.readouterr().out
    assert out == f"{folder}: 1 files, 2.0 MB\n  pnet: 1.0e-06 at most from Keras\n"
    own = tmp_path / "own"
    words = ["--export-engine", "--engine-assets", str(own), "--weights", "ferplus"]
    assert main(["webcam", *words]) == 0
    assert main(["webcam", "--export-engine", str(own)]) == 0
    assert exported == [(folder, "ghostface:ferplus"), (own, "ferplus"), (own, "ghostface:ferplus")]


def test_the_export_as_json(exported, capsys):
    assert main(["webcam", "--export-engine", "engine", "--json"]) == 0
    out, err = capsys.readouterr()
    read = json.loads(out)
    assert read["folder"] == "engine"
    assert list(read["files"]) == ["pnet.onnx"]
    assert "Exporting" in err
