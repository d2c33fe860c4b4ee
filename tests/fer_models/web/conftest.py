"""What takes long and is shared: one export of the page's engine, one Chromium."""

import shutil

import pytest


@pytest.fixture(scope="session")
def engine_assets(tmp_path_factory):
    """The folder of the networks for the page's own engine, with the bundled weights `fer2013`."""
    for name in ("tf2onnx", "onnx", "onnxruntime", "mtcnn"):
        pytest.importorskip(name, reason="the export needs the extras [faces,export]")
    from fer_models.web import browser_export, browser_runtime, export_engine

    try:
        browser_runtime.package(browser_export.cache_folder())
    except RuntimeError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("engine") / "assets"
    export_engine(folder, "fer2013")
    return folder


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """A `Chromium` before a camera that plays what it is told."""
    pytest.importorskip("selenium", reason="selenium drives the browser")
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("chromium and its driver are not here")
    from helpers.chromium import Chromium

    browser = Chromium(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.driver.quit()


@pytest.fixture
def page(chromium):
    """The `Chromium` of all tests, with no page and no complaint of an earlier one."""
    chromium.driver.get("about:blank")
    chromium.complaints()
    yield chromium
    # So that it asks no server that is gone.
    chromium.driver.get("about:blank")
