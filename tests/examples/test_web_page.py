"""`examples/web_page.py`: the live page with a recognizer of one's own."""

import json
import runpy

import pytest

pytest.importorskip("uvicorn", reason="the page needs the extra [web]")

from helpers.shared import ROOT
from helpers.webcam import FakeRecognizer, frame, serving

from fer_models import web


def test_its_page_shows_one_face(monkeypatch):
    made, served = [], []
    create_app = web.create_app

    def create(recognizer, limits, **options):
        made.append(recognizer)
        return create_app(recognizer, limits, **options)

    monkeypatch.setattr("fer_models.Recognizer", lambda **options: FakeRecognizer(faces=3))
    monkeypatch.setattr(web, "create_app", create)
    monkeypatch.setattr("uvicorn.run", lambda app, **options: served.append(options))
    runpy.run_path(str(ROOT / "examples" / "web_page.py"), run_name="__main__")
    assert served[0]["host"] == "127.0.0.1"
    with serving(made[0]) as running, running.connect() as live:
        live.send(frame(1))
        answer = json.loads(live.recv(timeout=20))
    assert len(answer["faces"]) == 1
    assert answer["milliseconds"].keys() == {"detect", "classify", "total"}
