"""`examples/web_page.py`: the live page with a recognizer of one's own."""

import json
import runpy

import pytest

pytest.importorskip("uvicorn", reason="the page needs the extra [web]")

from helpers.shared import ROOT
from helpers.webcam import FakeRecognizer, frame, serving

from fer_models import web


def test_its_page_shows_one_face(monkeypatch):
    served = []
    monkeypatch.setattr("fer_models.Recognizer", lambda **options: FakeRecognizer(faces=3))
    # Of `serve` and `Server` all limits hold.
    monkeypatch.setattr(web, "serve", lambda own, **options: served.append((own, options)))
    runpy.run_path(str(ROOT / "examples" / "web_page.py"), run_name="__main__")
    ((own, options),) = served
    assert options.keys() == {"limits", "settings", "on_listening"}
    with serving(own, limits=options["limits"]) as running, running.connect() as live:
        live.send(frame(1))
        answer = json.loads(live.recv(timeout=20))
    assert len(answer["faces"]) == 1
    assert answer["milliseconds"].keys() == {"detect", "classify", "total"}
