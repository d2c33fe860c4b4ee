"""The live page in headless Chromium, before a camera that plays a video."""

import base64
import csv
import functools
import json
import re
import time

import cv2
import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the server needs the extra [web]")
pytest.importorskip("selenium", reason="selenium drives the browser")

from helpers.chromium import until
from helpers.shared import shared_path
from helpers.webcam import FakeFace, FakeRecognizer, assert_same_faces, serving

from fer_data.video import Video
from fer_models import Recognizer
from fer_models.web import Limits, model_digest

pytestmark = [pytest.mark.slow, pytest.mark.alone]


@pytest.fixture
def shades(page):
    """The page's browser before a camera where a bright and a dark picture take turns."""
    pictures = [np.full((240, 320, 3), value, np.uint8) for value in (200, 40)]
    page.play(image for image in pictures for _ in range(30))
    return page


def newest(page):
    return page.run("__fer.results.at(-1).frame")


def test_the_page_shows_pauses_and_hands_out_what_it_measures(shades):
    page = shades
    with serving(FakeRecognizer(), settings={"weights": "mine"}) as running:
        # Any other engine than the browser's is the server.
        page.start(running, "?engine=x")
        assert page.run("__fer.engine.name") == "server"
        assert "looked at by the server" in page.text("where")
        assert page.text("weights") == "Weights: mine"
        label = functools.partial(page.text, "label")
        for expected in ("happy", "sad", "happy"):
            until(lambda expected=expected: label() == expected)
        until(lambda: re.fullmatch(r"\d+(\.\d)?", page.text("fps")))
        assert page.text("latency").endswith("ms")
        bars = page.driver.find_elements("css selector", "#bars [role=meter]")
        assert [bar.get_attribute("aria-label") for bar in bars] == list(FakeRecognizer.class_names)

        page.click("pause")
        until(lambda: not running.clients)
        assert page.text("pause") == "Resume"
        until(lambda: page.text("fps") == "\N{EN DASH}")
        seen = newest(page)
        time.sleep(0.3)
        assert newest(page) == seen
        page.click("pause")
        until(lambda: newest(page) > seen + 5)
        # A face after the pause is another one, as far as the page can know.
        assert page.run("__fer.results.at(-1).faces[0].track") == 1

        page.click("download")
        (path,) = until(lambda: list(page.downloads.glob("expressions-*.csv")))
        head, *rows = path.read_text().splitlines()
        path.unlink()
        assert head.startswith("seconds,utc,frame,face,x,y,width,height,score,label,confidence")
        assert len(rows) > 10
        assert {len(row.split(",")) for row in rows} == {len(head.split(","))}

        page.click("stop")
        until(lambda: not running.clients)
        assert "camera is off" in page.text("curtain-text")
        assert not page.complaints()


def test_the_page_says_that_it_is_unsure_and_why(shades, monkeypatch):
    page = shades
    monkeypatch.setattr(FakeFace, "answer", "unsure")
    monkeypatch.setattr(FakeFace, "open_classes", ["happy", "neutral"])
    quality = {"sharpness": 80.0, "size": 20, "yaw": None, "verdict": "blurred, small"}
    monkeypatch.setattr(FakeFace, "quality", quality)
    with serving(FakeRecognizer()) as running:
        page.start(running)
        until(lambda: page.text("label") == "unsure (happy or neutral)")
        assert page.text("confidence") == ""
        assert page.text("quality") == "This face is blurred and small"
        page.click("stop")
        until(lambda: "unsure" not in page.text("label"))
        assert page.text("quality") == ""
        assert not page.complaints()


def test_the_page_says_when_the_server_is_gone_and_comes_back(shades):
    page = shades
    with serving(FakeRecognizer(), limits=Limits(max_clients=1)) as running:
        with running.connect():
            until(lambda: running.clients)
            page.open(running)
            page.click("start")
            until(lambda: "All 1 places are taken" in page.text("message"))
        until(lambda: page.text("label") in ("happy", "sad"))
    until(lambda: "cannot be reached" in page.text("message"))


def test_the_page_says_why_there_is_no_camera(page):
    with serving(FakeRecognizer()) as running:
        page.open(running)
        for error, words in (
            ("NotAllowedError", "was not allowed"),
            ("NotFoundError", "No camera was found"),
            ("NotReadableError", "another program"),
        ):
            page.driver.execute_script(
                "navigator.mediaDevices.getUserMedia = async () => "
                f"{{ throw new DOMException('', '{error}'); }};"
            )
            page.click("start")
            until(lambda words=words: words in page.text("message"))
            assert page.driver.find_element("id", "message").get_attribute("role") == "alert"
        page.driver.execute_script(
            "Object.defineProperty(window, 'isSecureContext', { value: false });"
        )
        page.click("start")
        until(lambda: "only to pages over https" in page.text("message"))


def test_of_two_cameras_that_start_the_newest_stays_and_stop_ends_it(shades):
    page = shades
    with serving(FakeRecognizer()) as running:
        page.start(running)
        page.driver.execute_script(
            """
            window.opened = [];
            const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
            navigator.mediaDevices.getUserMedia = async (what) => {
              const stream = await open(what);
              window.opened.push(stream);
              // While the first camera starts, which takes longer, another one is chosen.
              const first = window.opened.length === 1;
              if (first) choose();
              await new Promise((done) => setTimeout(done, first ? 600 : 100));
              return stream;
            };
            const choose = () =>
              document.getElementById("camera").dispatchEvent(new Event("change"));
            choose();
            """
        )
        until(lambda: page.run("window.opened.length === 2 && __fer.state === 'live'"))
        live = "window.opened.map((s) => s.getTracks()[0].readyState)"
        until(lambda: page.run(live) == ["ended", "live"])
        until(lambda: len(running.clients) == 1)
        seen = newest(page)
        until(lambda: newest(page) > seen + 3)
        page.click("stop")
        assert page.run(live) == ["ended", "ended"]
        until(lambda: not running.clients)
        assert not page.complaints()


def test_a_server_with_other_classes_is_noticed_and_can_be_used_at_once(shades, monkeypatch):
    page = shades
    with serving(FakeRecognizer()) as running:
        page.start(running)
        # As if the server had been started again with a model of two classes.
        values = FakeFace.to_dict
        names = ["happy", "glum"]

        def told(face):
            return {**values(face), "probabilities": dict.fromkeys(names, 0.5)}

        monkeypatch.setattr(FakeFace, "to_dict", told)
        monkeypatch.setattr(FakeRecognizer, "class_names", names)
        until(lambda: "other weights" in page.text("message"))
        assert page.run("__fer.state") == "off"
        page.click("start")
        seen = newest(page)
        until(lambda: newest(page) > seen + 3)
        page.click("download")
        (path,) = until(lambda: list(page.downloads.glob("expressions-*.csv")))
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file))
        path.unlink()
        assert (rows[0]["sad"] != "", rows[0]["glum"]) == (True, "")
        assert (rows[-1]["sad"], rows[-1]["glum"]) == ("", "0.50000")
        assert not page.complaints()


def test_a_face_after_a_silence_gets_another_number(shades):
    """The server hangs up on a page that sends nothing, and counts from 0 when it comes back."""
    page = shades

    def last_track():
        return page.run("__fer.results.at(-1).faces[0].track")

    with serving(FakeRecognizer(), limits=Limits(idle_seconds=1)) as running:
        page.start(running)
        before = last_track()
        page.run("document.getElementById('video').pause()")
        until(lambda: not running.clients)
        seen = newest(page)
        page.run("void document.getElementById('video').play()")
        until(lambda: newest(page) > seen)
        assert last_track() > before
        assert not page.text("message")


def test_the_page_refuses_networks_of_other_weights_and_says_how_to_make_its_own(shades, tmp_path):
    page, folder = shades, tmp_path / "networks"
    settings = {"weights": "ferplus", "model": "2b", "export_engine": "make --them again"}
    with serving(FakeRecognizer(), engine_assets=folder, settings=settings) as running:
        page.open(running, "?engine=browser")
        page.click("start")
        until(lambda: "not on this server" in page.text("message"))
        # The message helps a server that runs.
        folder.mkdir()
        manifest = {"format": 1, "source": {"weights": "fer2013", "model": "1a"}, "files": {}}
        (folder / "manifest.json").write_text(json.dumps(manifest))
        page.click("start")
        message = "made from fer2013, but the server uses ferplus"
        until(lambda: message in page.text("message"))
        assert page.text("message").endswith("To renew them: make --them again")
        assert page.text("weights") == "Weights: ferplus"
        assert page.text("start") == "Start the camera"


# --- with networks


def likeliest(page):
    """Return the label of the newest face, which the page shows where it is sure of it."""
    return page.run("__fer.results.at(-1).faces[0]?.label")


def swaying_portrait():
    """A public-domain face, which the documentation's picture of the page shows."""
    data = pytest.importorskip("skimage.data", reason="the portrait is scikit-image's")
    smooth = {"flags": cv2.INTER_CUBIC, "borderMode": cv2.BORDER_REPLICATE}
    for phase in np.linspace(0, 2 * np.pi, 90, endpoint=False):
        move = cv2.getRotationMatrix2D((223, 118), 3 * np.sin(phase), 1.35)
        move[:, 2] += 320 - 223 + 10 * np.sin(phase), 200 - 118
        yield cv2.warpAffine(data.astronaut(), move, (640, 480), **smooth)


def test_the_server_finds_the_face_before_the_camera(page):
    page.play(swaying_portrait())
    recognizer = Recognizer(weights="ferplus", detector="mtcnn")
    with serving(recognizer, settings={"weights": "ferplus"}) as running:
        page.open(running)
        page.click("mirror")
        page.click("start")
        until(lambda: page.run("__fer.results.length") > 60)
        assert likeliest(page) == "happy"
        page.save("webcam")


def small_frames(path, longest=480):
    for frame in Video(path):
        scale = longest / max(frame.image.shape[:2])
        yield cv2.resize(frame.image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def test_the_label_of_the_pages_own_engine_turns_to_happy_when_the_face_smiles(page, engine_assets):
    """The face of the video is neutral in its first second and smiles in its last."""
    page.play(small_frames(shared_path("data/video/neutral_to_smile.mp4")))
    settings = {"weights": "fer2013", "model": model_digest("fer2013")}
    with serving(FakeRecognizer(), engine_assets=engine_assets, settings=settings) as running:
        page.start(running, "?engine=browser", results=3)
        # The film starts again after its end, so the labels before a smile are others.
        others = set(FakeRecognizer.class_names) - {"happy"}
        until(lambda: likeliest(page) in others, message="never anything but happy")
        until(lambda: likeliest(page) == "happy", message="never happy")
        page.save("browser")
        assert not running.counts["answered"]
        assert not page.complaints()


ENGINE = """
    const [pictures, model, finish] = arguments;
    (async () => {
      const { createEngine } = await import("/static/engine/engine.js");
      const statuses = [];
      const engine = createEngine({
        baseUrl: "/static/engine/",
        server: { weights: "fer2013", model },
        onStatus: (text) => statuses.push(text),
        options: { smoothing: 0, detectEvery: 0 },
      });
      await engine.start();
      const results = [];
      for (const { width, height, data } of pictures) {
        const bytes = Uint8ClampedArray.from(atob(data), (letter) => letter.charCodeAt(0));
        engine.reset();
        const image = new ImageData(bytes, width, height);
        results.push(await engine.process(image, { frame: 1, timestamp: 0 }));
      }
      const falls = await engine.process(new ImageData(64, 64), { frame: 2, timestamp: -1 })
        .catch((error) => error.message);
      const pending = engine.process(new ImageData(64, 64), { frame: 3, timestamp: 1 });
      engine.stop();
      const stopped = await pending;
      await engine.start();
      engine.stop();
      const hosts = performance.getEntriesByType("resource").map(({ name }) => new URL(name).host);
      return { results, statuses, falls, stopped, hosts, classNames: engine.classNames,
               source: engine.source, isolated: crossOriginIsolated };
    })().then(finish, (error) => finish({ error: String(error) }));
"""


def pictures():
    """Upright and turned faces, many faces, none, and a picture above the working size."""
    data = pytest.importorskip("skimage.data", reason="the portrait is scikit-image's")
    astronaut = data.astronaut()
    turns = [cv2.getRotationMatrix2D((256, 256), angle, 1) for angle in (25, -30, 15)]
    turned = [cv2.warpAffine(astronaut, turn, (512, 512)) for turn in turns]
    group = np.tile(cv2.resize(astronaut, (300, 300)), (2, 3, 1))
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    return [astronaut, *turned, group, noise]


def as_image_data(picture):
    opaque = np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])
    data = base64.b64encode(opaque.tobytes()).decode()
    return {"width": picture.shape[1], "height": picture.shape[0], "data": data}


def test_the_engine_in_chromium_gives_what_python_gives(page, engine_assets):
    shown = pictures()
    expected = [[face.to_dict() for face in found] for found in Recognizer("fer2013").photos(shown)]
    assert [len(faces) for faces in expected] == [1, 1, 1, 1, 6, 0]
    with serving(FakeRecognizer(), engine_assets=engine_assets) as running:
        page.open(running)
        received = page.driver.execute_async_script(
            ENGINE, [as_image_data(picture) for picture in shown], model_digest("fer2013")
        )
    assert "error" not in received, received
    assert_same_faces(received["results"], expected)
    assert received["classNames"] == list(FakeRecognizer.class_names)
    assert received["source"]["weights"] == "fer2013"
    assert received["isolated"]
    assert any("of" in text and "MB" in text for text in received["statuses"])
    assert "before that of the last one" in received["falls"]
    assert received["stopped"] is None
    assert {f"http://{host}" for host in received["hosts"]} == {running.origin}
    assert not page.complaints()
