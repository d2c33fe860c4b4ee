"""The npm package: what it holds, its own checks, and the same faces as Python in Chromium."""

import functools
import http.server
import importlib.util
import json
import re
import shutil
import subprocess
import threading
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="the helpers of the page need the extra [web]")
pytest.importorskip("selenium", reason="selenium drives the browser")

from helpers.chromium import Chromium, until
from helpers.shared import ROOT
from helpers.webcam import assert_same_faces

import fer_models.web
from fer_data.labels import EMOTIONS
from fer_models import Recognizer
from fer_models.web import browser_runtime, model_digest

PACKAGE = ROOT / "packages" / "web"
ENGINE = Path(fer_models.web.__file__).parent / "static" / "engine"
NAME = "fer-keras-web"


def description():
    return json.loads((PACKAGE / "package.json").read_text(encoding="utf-8"))


def copied(folder):
    """Copy the committed files of the package."""
    built = ("engine", "models", "LICENSE", "__pycache__")
    return Path(shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns(*built)))


BAD_ARGUMENTS = """
    import * as web from "PACKAGE/index.js";
    const said = [];
    for (const options of [
      { model: "fer" }, { backend: "cuda" }, { smoothing: 0, speed: 1 }, { detector: "hog" },
      { smoothing: -1 }, { minScore: 2 }, { workingSize: 8 }, { maxFaces: 0 }, { threads: 0.5 },
      { minScore: "0.5" }, { toString: 1 },
    ]) {
      said.push(await web.load(options).catch((error) => `${error.name}: ${error.message}`));
    }
    console.log(JSON.stringify({ names: Object.keys(web), said }));
"""


# A worker that starts, and dies at the first picture, as where memory ends.
DYING_WORKER = """
    globalThis.location = { href: "http://localhost/" };
    globalThis.ImageData = class {
      width = 1; height = 1; data = new Uint8ClampedArray(4);
    };
    globalThis.OffscreenCanvas = class {
      getContext() {}
    };
    globalThis.Worker = class {
      postMessage({ id, call }) {
        setTimeout(() => call === "start"
          ? this.onmessage({ data: { id, result: { classNames: ["happy"] } } })
          : this.onerror({ message: "out of memory", preventDefault() {} }));
      }
      terminate() {}
    };
    const { load } = await import("PACKAGE/index.js");
    const engine = await load();
    const said = [];
    for (let call = 0; call < 2; call += 1) {
      said.push(await engine.recognise(new ImageData()).catch((error) => error.message));
    }
    console.log(JSON.stringify(said));
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A function that runs a script with the module in Node.js, and returns what it prints."""
    if shutil.which("node") is None:
        pytest.skip("Node.js is not installed")
    package = copied(tmp_path_factory.mktemp("npm") / "package")
    shutil.copytree(ENGINE, package / "engine")

    def run(script):
        script = script.replace("PACKAGE", package.as_uri())
        command = ["node", "--input-type=module", "-e", script]
        done = subprocess.run(command, capture_output=True, text=True, cwd=package, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="module")
def asked(node):
    """What the module says in Node.js: its names, and its answers to bad arguments."""
    return node(BAD_ARGUMENTS)


class TestSources:
    def test_versions_and_licence_are_the_projects(self):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        told = description()
        # npm spells `0.2.0.dev0` as `0.2.0-dev.0`.
        told_version = told["version"].replace("-dev.", ".dev")
        assert (told_version, told["license"]) == (project["version"], project["license"])
        # What runs in the browser comes in the package.
        assert "dependencies" not in told

    def test_the_example_is_one_short_page(self):
        (page,) = (PACKAGE / "example").iterdir()
        assert len(page.read_text(encoding="utf-8").splitlines()) <= 40

    def test_bad_arguments_are_named_with_the_rule(self, asked):
        model, backend, option, detector, *numbers = asked["said"]
        assert "`detector` must be one of mtcnn, yunet. Received: detector=hog" in detector
        assert model == "TypeError: `model` must be one of fer2013, ferplus. Received: model=fer"
        assert "`backend` must be one of auto, webgpu, wasm. Received: backend=cuda" in backend
        assert option.startswith("TypeError: `load` takes model, detector, baseUrl, ")
        assert option.endswith("Received: speed")
        assert [line.removeprefix("TypeError: ") for line in numbers] == [
            "`smoothing` must be 0 or more seconds. Received: smoothing=-1",
            "`minScore` must be a number from 0 to 1. Received: minScore=2",
            "`workingSize` must be 32 or more whole pixels. Received: workingSize=8",
            "`maxFaces` must be null, 1 or more. Received: maxFaces=0",
            "`threads` must be 0 or more. Received: threads=0.5",
            "`minScore` must be a number from 0 to 1. Received: minScore=0.5",
            option.removeprefix("TypeError: ").replace("speed", "toString"),
        ]

    def test_an_engine_that_has_stopped_says_so_at_every_call(self, node):
        said = "The engine has stopped: out of memory. Load another engine."
        assert node(DYING_WORKER) == [said, said]

    def test_the_types_are_those_of_the_module(self, asked):
        types = (PACKAGE / "index.d.ts").read_text(encoding="utf-8")
        declared = re.findall(r"^export (?:const|function) (\w+)", types, re.M)
        assert sorted(declared) == sorted(asked["names"])
        options = re.search(r"interface LoadOptions \{(.*?)^\}", types, re.S | re.M)[1]
        taken = asked["said"][2].removeprefix("TypeError: `load` takes ").partition(". ")[0]
        assert re.findall(r"^  (\w+)\?:", options, re.M) == taken.split(", ")


def build_module():
    spec = importlib.util.spec_from_file_location("web_package_build", PACKAGE / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def installed(engine_assets, astronaut, group, tmp_path_factory):
    """An empty folder into which the package's tarball was installed, and the tarball's files."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("installed")
    package = copied(folder / "source")

    def npm(*words, cwd):
        command = ["npm", *words]
        return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)

    refused = npm("pack", cwd=package)
    assert refused.returncode != 0
    assert "make web-package" in refused.stdout + refused.stderr
    build_module().build(package, {"fer2013": engine_assets})
    packed = npm("pack", "--json", "--pack-destination", str(folder), cwd=package)
    assert packed.returncode == 0, packed.stderr
    tarball = folder / f"{NAME}-{description()['version']}.tgz"
    empty = folder / "empty"
    empty.mkdir()
    # It depends on nothing, so that no registry is asked.
    done = npm("install", "--offline", "--no-audit", "--no-fund", str(tarball), cwd=empty)
    assert done.returncode == 0, done.stderr
    (empty / "page.html").write_text("<!doctype html><title>A page</title>")
    Image.fromarray(astronaut).save(empty / "astronaut.png")
    Image.fromarray(group).save(empty / "group.png")
    # Browsers ask for one, and complain where there is none.
    (empty / "favicon.ico").touch()
    return empty


POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'; "
    "worker-src 'self' blob:; connect-src 'self'; img-src 'self' blob:; media-src blob:"
)


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder to pages that may load nothing from elsewhere."""

    def end_headers(self):
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def origin(installed):
    """The address at which the folder is served."""
    handler = functools.partial(Handler, directory=installed)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def astronaut():
    return pytest.importorskip("skimage.data", reason="a face is scikit-image's").astronaut()


@pytest.fixture(scope="module")
def group(astronaut):
    """Six faces, in a picture larger than detectors look at."""
    return np.tile(np.asarray(Image.fromarray(astronaut).resize((300, 300))), (2, 3, 1))


@pytest.fixture(scope="module")
def expected(astronaut):
    return [[face.to_dict() for face in Recognizer(weights="fer2013").photo(astronaut)]]


def shown_faces(page):
    """Return what the example shows of the newest picture, or None."""
    text = page.text("faces")
    return json.loads(text) if text else None


@pytest.mark.slow
@pytest.mark.alone
class TestInstalled:
    def test_the_tarball_holds_models_types_and_licences(self, installed):
        package = installed / "node_modules" / NAME
        names = {str(each.relative_to(package)) for each in package.rglob("*") if each.is_file()}
        assert {"index.js", "index.d.ts", "README.md", "LICENSE", "example/index.html"} <= names
        assert not {name for name in names if name.endswith(".py")}
        assert {f"engine/{path.name}" for path in ENGINE.iterdir()} <= names
        manifest = json.loads((package / "models" / "fer2013.json").read_text())
        assert {f"models/{name}" for name in manifest["files"]} <= names
        assert manifest["source"]["model"] == model_digest("fer2013")
        for runtime, files in (
            ("runtime", browser_runtime.FILES),
            ("webgpu", browser_runtime.WEBGPU_FILES),
        ):
            assert tuple(manifest[runtime].values()) == files
            assert set(files) <= manifest["files"].keys()
        assert len({name for name in names if name.startswith("models/LICENSE-")}) == 3

    def test_the_example_shows_what_python_gives(
        self, page, origin, installed, astronaut, expected
    ):
        page.play([astronaut[:384]])
        page.driver.get(f"{origin}/node_modules/{NAME}/example/?model=fer2013")
        until(lambda: page.text("status") == "fer2013 on wasm")
        page.driver.find_element("id", "photo").send_keys(str(installed / "astronaut.png"))
        until(lambda: shown_faces(page))
        faces = shown_faces(page)
        assert_same_faces([{"faces": faces}], expected)
        assert faces[0]["label"] == expected[0][0]["label"] == "happy"
        page.click("camera")
        until(lambda: shown_faces(page) != faces)
        assert shown_faces(page)[0]["label"] == "happy"
        assert not page.complaints()

    CALLS = """
        const [base, finish] = arguments;
        (async () => {
          const { load } = await import(`${base}/index.js`);
          const said = [];
          const refuse = (promise) => promise.then(
            () => said.push("nothing"), (error) => said.push(error.message));
          const model = "fer2013";
          await refuse(load({ baseUrl: "/nowhere" }));
          await refuse(load({ model, backend: "webgpu" }));
          const models = { model, baseUrl: `${base}/models` };
          const engine = await load({ ...models, backend: "wasm", maxFaces: 1 });
          const asked = { detector: "yunet", backend: "wasm", minScore: undefined };
          const yunet = await load({ model, ...asked });
          const group = Object.assign(new Image(), { src: "/group.png" });
          await group.decode();
          const many = await yunet.recognise(group);
          const image = Object.assign(new Image(), { src: "/astronaut.png" });
          await refuse(engine.recognise(image));
          await refuse(engine.recognise(null));
          await image.decode();
          const { width, height } = image;
          const canvas = Object.assign(document.createElement("canvas"), { width, height });
          const context = canvas.getContext("2d");
          context.drawImage(image, 0, 0);
          const pixels = context.getImageData(0, 0, width, height);
          const blank = await engine.recognise(new OffscreenCanvas(64, 48));
          const pictures = [image, canvas, pixels, await createImageBitmap(image)];
          const results = await Promise.all(pictures.map((each) => engine.recognise(each)));
          const video = Object.assign(document.createElement("video"), { muted: true });
          await refuse(engine.recognise(video));
          video.srcObject = await navigator.mediaDevices.getUserMedia({ video: true });
          await video.play();
          const seen = await engine.recognise(video);
          // As browsers do with a picture from elsewhere: its canvas can never be read again.
          const { drawImage, getImageData } = OffscreenCanvasRenderingContext2D.prototype;
          const foreign = await createImageBitmap(image), tainted = new WeakSet();
          Object.assign(OffscreenCanvasRenderingContext2D.prototype, {
            drawImage(source, ...where) {
              if (source === foreign) tainted.add(this.canvas);
              return drawImage.call(this, source, ...where);
            },
            getImageData(...where) {
              if (tainted.has(this.canvas)) throw new DOMException("tainted", "SecurityError");
              return getImageData.apply(this, where);
            },
          });
          await refuse(engine.recognise(foreign));
          results.push(await engine.recognise(image));
          const { backend, classNames, milliseconds } = engine;
          const pending = engine.recognise(pixels);
          engine.close();
          await refuse(pending);
          await refuse(engine.recognise(pixels));
          const used = { model: engine.model, detector: yunet.detector };
          const told = { ...used, backend, classNames, milliseconds };
          return { said, results, many, blank, seen, ...told };
        })().then(finish, (error) => finish({ error: String(error.stack) }));
    """

    def test_every_kind_of_picture_and_detector_gives_what_python_gives(
        self, page, origin, astronaut, group, expected
    ):
        page.play([astronaut[:384]])
        page.driver.get(f"{origin}/page.html")
        received = page.driver.execute_async_script(self.CALLS, f"/node_modules/{NAME}")
        assert "error" not in received, received
        assert_same_faces([{"faces": each} for each in received["results"]], 5 * expected)
        found = Recognizer(weights="fer2013", detector="yunet").photo(group)
        assert len(found) == 6
        assert_same_faces([{"faces": received["many"]}], [[face.to_dict() for face in found]])
        assert received["detector"] == "yunet"
        assert received["blank"] == []
        (seen,) = received["seen"]
        assert seen["label"] == "happy"
        assert (received["model"], received["backend"]) == ("fer2013", "wasm")
        assert received["classNames"] == list(EMOTIONS)
        assert received["milliseconds"]["total"] > 0
        nowhere, gpu, image, nothing, video, foreign, pending, closed = received["said"]
        assert foreign == "tainted"
        assert nowhere.startswith("The models for the browser are not on this server.")
        assert f"They were looked for in {origin}/nowhere/: serve the package's folder" in nowhere
        assert gpu == "This browser has no WebGPU here. Ask for the backend wasm or auto."
        assert image.startswith("`source` must be a loaded image")
        assert image.endswith("[object HTMLImageElement], 0x0")
        assert nothing.startswith("`source` must be a loaded image")
        assert video.endswith("[object HTMLVideoElement], 0x0")
        assert pending == closed == "The engine was closed. Load another one."
        # The folder that is not there is asked for, and nothing else goes wrong.
        assert len([line for line in page.complaints() if "/nowhere/" not in line]) == 0

    GPU = """
        const [base, finish] = arguments;
        (async () => {
          if (!(await navigator.gpu?.requestAdapter())) return null;
          const { load } = await import(`${base}/index.js`);
          const model = "fer2013";
          globalThis.engine = await load({ model, backend: "webgpu", workingSize: 128 });
          const other = await load({ model, detector: "yunet" });
          other.close();
          return [engine.backend, other.backend];
        })().then(finish, (error) => finish(String(error.stack)));
    """
    SEE = """
        const image = Object.assign(new Image(), { src: "/astronaut.png" });
        const keep = (found) => { globalThis.seen = found; };
        image.decode().then(() => engine.recognise(image))
          .then(keep, (error) => keep(String(error.stack)));
    """

    def test_webgpu_gives_what_python_gives(self, origin, astronaut, tmp_path, chromium):
        graphics = ("enable-unsafe-webgpu", "use-webgpu-adapter=swiftshader")
        browser = Chromium(tmp_path, graphics)
        try:
            browser.driver.get(f"{origin}/page.html")
            backends = browser.driver.execute_async_script(self.GPU, f"/node_modules/{NAME}")
            if backends is None:
                pytest.skip("this Chromium has no WebGPU, not even in software")
            # A card that is drawn in software is taken where it is asked for, and only there.
            assert backends == ["webgpu", "wasm"]
            browser.driver.execute_script(self.SEE)
            # The first picture takes long in software, and the driver waits for no call that long.
            faces = until(lambda: browser.run("globalThis.seen"), seconds=400)
        finally:
            browser.driver.quit()
        found = Recognizer(weights="fer2013", working_size=128).photo(astronaut)
        assert len(found) == 1
        assert_same_faces([{"faces": faces}], [[face.to_dict() for face in found]])
