"""A headless Chromium before a camera that plays pictures."""

import os
import shutil
import time
from pathlib import Path

import numpy as np
from helpers.webcam import encode
from selenium import webdriver

PATIENCE = 120  # seconds


class Chromium:
    """One browser for many pages.

    Args:
        folder: Folder of its own.
        graphics: Its options for drawing. Default: no graphics card.

    Attributes:
        driver: Selenium's driver.
        downloads: Folder of what pages hand out.
    """

    def __init__(self, folder, graphics=("disable-gpu",)):
        self.downloads = folder / "downloads"
        self._camera = folder / "camera.mjpeg"
        self.play([np.zeros((48, 64, 3), np.uint8)])
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        prefs = {"download.default_directory": str(self.downloads)}
        options.add_experimental_option("prefs", prefs)
        for argument in (
            *("headless=new", "no-sandbox", "disable-dev-shm-usage", *graphics),
            *("use-fake-ui-for-media-stream", "use-fake-device-for-media-stream"),
            f"use-file-for-fake-video-capture={self._camera}",
            "window-size=1280,1100",
        ):
            options.add_argument(f"--{argument}")
        self.driver = webdriver.Chrome(
            options, webdriver.ChromeService(shutil.which("chromedriver"))
        )
        self.driver.set_script_timeout(2 * PATIENCE)

    def play(self, images):
        """Let the camera show pictures, over and over, from its next start on."""
        # As the fake camera reads them: JPEG after JPEG.
        self._camera.write_bytes(b"".join(encode(np.asarray(i), quality=92) for i in images))

    def open(self, running, query=""):
        """Open the page of a server."""
        self.driver.get(f"{running.origin}/{query}")

    def start(self, running, query="", results=5, seconds=PATIENCE):
        """Open the page, start its camera and wait for results."""
        self.open(running, query)
        self.click("start")
        until(lambda: self.run("__fer.results.length") > results, seconds)

    def run(self, expression):
        """Return the value of an expression in the page."""
        return self.driver.execute_script(f"return {expression}")

    def text(self, name):
        return self.driver.find_element("id", name).text

    def click(self, name):
        self.driver.find_element("id", name).click()

    def complaints(self):
        """Return the errors that the page logged since this was asked last."""
        lines = self.driver.get_log("browser")
        return [line["message"] for line in lines if line["level"] == "SEVERE"]

    def save(self, name):
        """Keep a picture of the page in the folder that FER_SCREENSHOTS names, if it names one."""
        if "FER_SCREENSHOTS" in os.environ:
            folder = Path(os.environ["FER_SCREENSHOTS"])
            folder.mkdir(parents=True, exist_ok=True)
            self.driver.save_screenshot(str(folder / f"{name}.png"))


def until(condition, seconds=PATIENCE, message=""):
    """Wait until a condition holds; return what it returned."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, message or "nothing happened"
        time.sleep(0.02)
    return found
