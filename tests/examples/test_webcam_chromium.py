"""The web example in headless Chromium, before a camera that plays a video."""

import functools
import itertools
import json
import os
import re
import shutil
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the server needs the extra [web]")
pytest.importorskip("selenium", reason="selenium drives the browser")

from helpers.shared import shared_path
from helpers.webcam import FakeRecognizer, encode, serving, webcam_modules
from selenium import webdriver

from fer_data.video import Video

with webcam_modules():
    import expression_model
    import protocol
    import server

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and its driver are not here"),
]


@pytest.fixture
def browse(tmp_path):
    """Return a function that opens Chromium with a camera that plays a file, over and over."""
    opened = []

    def open_browser(video=None, *, camera=True):
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        downloads = {"download.default_directory": str(tmp_path)}
        options.add_experimental_option("prefs", downloads)
        for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu"):
            options.add_argument(f"--{argument}")
        options.add_argument("--window-size=1280,1100")
        if camera:
            options.add_argument("--use-fake-ui-for-media-stream")
            options.add_argument("--use-fake-device-for-media-stream")
            options.add_argument(f"--use-file-for-fake-video-capture={video}")
        else:
            options.add_argument("--deny-permission-prompts")
        driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
        opened.append(driver)
        return driver

    yield open_browser
    for driver in opened:
        driver.quit()


def play(path, images):
    """Write pictures as the fake camera reads them: JPEG after JPEG."""
    with open(path, "wb") as file:
        for image in images:
            file.write(encode(np.asarray(image), quality=92))
    return path


@pytest.fixture
def shades(tmp_path):
    """A camera before which a bright and a dark picture take turns."""
    pictures = [np.full((240, 320, 3), value, np.uint8) for value in (200, 40)]
    return play(tmp_path / "shades.mjpeg", itertools.chain(*([each] * 40 for each in pictures)))


def until(condition, seconds=120, message=""):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, message or condition
        time.sleep(0.05)
    return found


def text(driver, name):
    return driver.find_element("id", name).text


def click(driver, name):
    driver.find_element("id", name).click()


def complaints(driver):
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]


def run_page(driver, running, seconds=120):
    driver.get(f"{running.origin}/")
    click(driver, "start")
    until(lambda: driver.execute_script("return __fer.results.length > 5"), seconds)


def test_the_page_shows_pauses_and_hands_out_what_it_measures(browse, shades, tmp_path):
    driver = browse(shades)
    with serving(FakeRecognizer()) as running:
        run_page(driver, running)
        label = functools.partial(text, driver, "label")
        for expected in ("happy", "sad", "happy"):
            until(lambda expected=expected: label() == expected)
        until(lambda: re.fullmatch(r"\d+(\.\d)?", text(driver, "fps")))
        assert text(driver, "latency").endswith("ms")
        bars = driver.find_elements("css selector", "#bars [role=meter]")
        assert [bar.get_attribute("aria-label") for bar in bars] == list(FakeRecognizer.class_names)

        click(driver, "pause")
        until(lambda: not running.clients)
        assert text(driver, "pause") == "Resume"
        seen = driver.execute_script("return __fer.results.at(-1).frame")
        time.sleep(0.5)
        assert driver.execute_script("return __fer.results.at(-1).frame") == seen
        click(driver, "pause")
        until(lambda: driver.execute_script("return __fer.results.at(-1).frame") > seen + 5)
        # A face after the pause is another one, as far as the page can know.
        assert driver.execute_script("return __fer.results.at(-1).faces[0].track") == 1

        click(driver, "download")
        (path,) = until(lambda: list(tmp_path.glob("expressions-*.csv")))
        head, *rows = path.read_text().splitlines()
        assert head.startswith("seconds,utc,frame,face,x,y,width,height,score,label,confidence")
        assert len(rows) > 10
        assert {len(row.split(",")) for row in rows} == {len(head.split(","))}

        click(driver, "stop")
        until(lambda: not running.clients)
        assert "camera is off" in text(driver, "curtain-text")
        assert not complaints(driver)


def test_the_page_says_when_the_server_is_gone_and_comes_back(browse, shades):
    driver = browse(shades)
    with serving(FakeRecognizer(), "--max-clients", "1") as running:
        with running.connect():
            until(lambda: running.clients)
            driver.get(f"{running.origin}/")
            click(driver, "start")
            until(lambda: "All 1 places are taken" in text(driver, "message"))
        until(lambda: text(driver, "label") in ("happy", "sad"))
    until(lambda: "cannot be reached" in text(driver, "message"))


def test_the_page_says_why_there_is_no_camera(browse):
    driver = browse(camera=False)
    with serving(FakeRecognizer()) as running:
        driver.get(f"{running.origin}/")
        for error, words in (
            ("NotAllowedError", "was not allowed"),
            ("NotFoundError", "No camera was found"),
            ("NotReadableError", "another program"),
        ):
            driver.execute_script(
                "navigator.mediaDevices.getUserMedia = async () => "
                "{ throw new DOMException('', arguments[0]); };".replace(
                    "arguments[0]", f"'{error}'"
                )
            )
            click(driver, "start")
            until(lambda words=words: words in text(driver, "message"))
            assert driver.find_element("id", "message").get_attribute("role") == "alert"


def test_a_page_that_is_not_secure_says_how_to_get_the_camera(browse):
    driver = browse(camera=False)
    with serving(FakeRecognizer()) as running:
        driver.get(f"{running.origin}/")
        driver.execute_script("Object.defineProperty(window, 'isSecureContext', { value: false });")
        click(driver, "start")
        until(lambda: "only to pages over https" in text(driver, "message"))


def last_track(driver):
    return driver.execute_script("return __fer.results.at(-1).faces[0].track")


def test_a_face_after_a_silence_gets_another_number(browse, shades):
    """The server hangs up on a page that sends nothing, and counts from 0 when it comes back."""
    driver = browse(shades)
    with serving(FakeRecognizer(), limits=protocol.Limits(idle_seconds=1)) as running:
        run_page(driver, running)
        before = last_track(driver)
        driver.execute_script("document.getElementById('video').pause()")
        until(lambda: not running.clients)
        seen = driver.execute_script("return __fer.results.at(-1).frame")
        driver.execute_script("document.getElementById('video').play()")
        until(lambda: driver.execute_script("return __fer.results.at(-1).frame") > seen)
        assert last_track(driver) > before
        assert not text(driver, "message")


def test_any_other_engine_is_the_server(browse, shades):
    driver = browse(shades)
    with serving(FakeRecognizer()) as running:
        driver.get(f"{running.origin}/?engine=x")
        click(driver, "start")
        until(lambda: driver.execute_script("return __fer.results.length > 0"))
        assert driver.execute_script("return __fer.engine.name") == "server"
        assert "looked at by the server" in text(driver, "where")
        assert text(driver, "weights") == "Weights: fer2013"


@pytest.fixture
def digest_is(monkeypatch):
    """Return a function that sets which model the server says it uses."""
    build = server.build

    def set_digest(digest):
        monkeypatch.setattr(server, "build", functools.partial(build, digest=digest))

    return set_digest


def test_the_page_refuses_networks_of_other_weights_and_says_how_to_make_its_own(
    browse, shades, tmp_path, digest_is
):
    driver = browse(shades)
    digest_is("2b")
    options = ("--engine-assets", str(tmp_path / "networks"), "--weights", "ferplus")
    with serving(FakeRecognizer(), *options) as running:
        driver.get(f"{running.origin}/?engine=browser")
        click(driver, "start")
        until(lambda: "not on this server" in text(driver, "message"))
        # The message helps a server that runs.
        (tmp_path / "networks").mkdir()
        manifest = {"format": 1, "source": {"weights": "fer2013", "model": "1a"}, "files": {}}
        (tmp_path / "networks" / "manifest.json").write_text(json.dumps(manifest))
        click(driver, "start")
        until(lambda: "made from fer2013, but the server uses ferplus" in text(driver, "message"))
        assert text(driver, "message").endswith("engine-assets --weights ferplus")
        assert text(driver, "weights") == "Weights: ferplus"
        assert text(driver, "start") == "Start the camera"


def save(driver, tmp_path, name):
    """Keep a picture of the page, in the folder that FER_SCREENSHOTS names or in a passing one."""
    folder = Path(os.environ.get("FER_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    driver.save_screenshot(str(folder / f"{name}.png"))


def swaying_portrait():
    data = pytest.importorskip("skimage.data", reason="the portrait is scikit-image's")
    smooth = {"flags": cv2.INTER_CUBIC, "borderMode": cv2.BORDER_REPLICATE}
    for phase in np.linspace(0, 2 * np.pi, 90, endpoint=False):
        move = cv2.getRotationMatrix2D((223, 118), 3 * np.sin(phase), 1.35)
        move[:, 2] += 320 - 223 + 10 * np.sin(phase), 200 - 118
        yield cv2.warpAffine(data.astronaut(), move, (640, 480), **smooth)


def test_a_portrait_that_anyone_may_show(browse, tmp_path):
    """The documentation's picture of the page: a public-domain face."""
    from fer_models import Recognizer

    driver = browse(play(tmp_path / "portrait.mjpeg", swaying_portrait()))
    with serving(Recognizer(weights="fer2013", detector="mtcnn")) as running:
        driver.get(f"{running.origin}/")
        click(driver, "mirror")
        click(driver, "start")
        until(lambda: driver.execute_script("return __fer.results.length > 60"), 180)
        assert text(driver, "label") == "happy"
        save(driver, tmp_path, "webcam")


def small_frames(path, longest=480):
    for frame in Video(path):
        scale = longest / max(frame.image.shape[:2])
        yield cv2.resize(frame.image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def export_networks(folder):
    """Write the networks for the page's own engine, or skip the test."""
    pytest.importorskip("tf2onnx", reason="the export needs the extra [export]")
    with webcam_modules():
        import browser_runtime
        import export_browser
    try:
        browser_runtime.package(export_browser.default_cache())
    except RuntimeError as error:
        pytest.skip(str(error))
    assert export_browser.main(["--output", str(folder)]) == 0


@pytest.mark.parametrize("engine", ["server", "browser"])
def test_the_label_turns_to_happy_when_the_face_smiles(browse, tmp_path, engine, digest_is):
    """The face of the video is neutral in its first second and smiles in its last."""
    from fer_models import Recognizer

    assets = tmp_path / "networks"
    if engine == "browser":
        export_networks(assets)
    film = small_frames(shared_path("data/video/neutral_to_smile.mp4"))
    driver = browse(play(tmp_path / "smile.mjpeg", film))
    recognizer = Recognizer(weights="fer2013", detector="mtcnn")
    digest_is(expression_model.digest(expression_model.load("fer2013")[0]))
    options = ("--engine-assets", str(assets)) if engine == "browser" else ()
    with serving(recognizer, *options) as running:
        driver.get(f"{running.origin}/?engine={engine}")
        click(driver, "start")
        until(lambda: driver.execute_script("return __fer.results.length > 3"), 180)
        # The film starts again after its end, so the labels before a smile are others.
        label = functools.partial(text, driver, "label")
        until(
            lambda: label() in set(recognizer.class_names) - {"happy"},
            180,
            "never anything but happy",
        )
        until(lambda: label() == "happy", 180, "never happy")
        save(driver, tmp_path, engine)
        assert not complaints(driver)
