"""The browser's engine gives what Python gives, in Node.js; and the export that it works with."""

import csv
import dataclasses
import io
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.shared import shared_path
from helpers.webcam import assert_same_faces

import fer_models.web
from fer_data.faces import Face, cut
from fer_models import Recognizer
from fer_models.recognizer.results import expression
from fer_models.recognizer.session import Smoother
from fer_models.web import browser_export, browser_models, browser_runtime, model_digest
from fer_models.zoo.set_rule import SetRule

ENGINE = Path(fer_models.web.__file__).parent / "static" / "engine"
CROP = {"mostRoll": cut.MOST_ROLL, "grey": list(cut.GREY)}


def node(script, *arguments):
    """Run a module in Node.js, `ENGINE` standing for the engine's folder, and read its JSON."""
    if shutil.which("node") is None:
        pytest.skip("Node.js is not installed")
    # Without `cwd`, a package.json somewhere above could make these files CommonJS.
    script = script.replace("ENGINE", ENGINE.as_uri())
    command = ["node", "--input-type=module", "-e", script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ENGINE, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def write_rgba(path, image):
    opaque = np.full((*image.shape[:2], 1), 255, np.uint8)
    np.concatenate([image, opaque], axis=-1).tofile(path)
    return {"file": str(path), "width": image.shape[1], "height": image.shape[0]}


class TestCrop:
    SCRIPT = """
        import fs from "node:fs";
        import { crop, roll, square } from "ENGINE/crop.js";
        const results = JSON.parse(fs.readFileSync(process.argv[1])).map((job) => {
          const { width, height, box, points, rule } = job;
          const picture = { width, height, data: new Uint8ClampedArray(fs.readFileSync(job.file)) };
          const turned = roll(points);
          const pixels = [...crop(picture, box, turned, rule)];
          return { turned, pixels, square: square(box, rule.framing) };
        });
        console.log(JSON.stringify(results));
    """

    def test_crop_gives_the_same_pixels_as_python(self, tmp_path):
        rng = np.random.default_rng(5)
        jobs, expected = [], []
        for number in range(40):
            size = rng.integers(20, 260, 2)
            image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
            # Boxes of any size and place, in part outside of the picture.
            middle = rng.uniform(0, 1, 2) * size[::-1]
            box = np.float32([*(middle - 20), *rng.uniform(3, 200, 2)])
            angle = math.radians(rng.choice([0, 19.9, 20.1, -35, 170]))
            across = 20 * np.array([math.cos(angle), math.sin(angle)])
            points = np.float32([middle, middle + across, middle, middle, middle])
            framing = cut.Framing(*rng.uniform([0.5, -0.2, -0.2], [1.5, 0.2, 0.2]))
            options = {"size": int(rng.choice([24, 48, 64])), "channels": int(rng.choice([1, 3]))}
            jobs.append(
                write_rgba(tmp_path / f"{number}.rgba", image)
                | {"box": box.tolist(), "points": points.tolist()}
                | {"rule": {**CROP, **options, "framing": framing._asdict()}}
            )
            turned = cut.roll_of(points)
            pixels = cut.cut_face(image, box, roll=turned, framing=framing, **options)
            expected.append((turned, pixels, cut.square(box, framing)))
        (tmp_path / "jobs.json").write_text(json.dumps(jobs))
        received = node(self.SCRIPT, tmp_path / "jobs.json")
        for result, (turned, pixels, square) in zip(received, expected, strict=True):
            assert result["turned"] == pytest.approx(turned, abs=1e-9)
            assert result["square"] == list(square)
            np.testing.assert_allclose(result["pixels"], pixels.ravel(), atol=2e-3)


class TestShrink:
    SCRIPT = """
        import fs from "node:fs";
        import { shrink, SummedPicture } from "ENGINE/resample.js";
        const jobs = JSON.parse(fs.readFileSync(process.argv[1]));
        console.log(JSON.stringify(jobs.map(({ file, width, height, longest, to }) => {
          const picture = { width, height, data: new Uint8ClampedArray(fs.readFileSync(file)) };
          const small = shrink(picture, longest);
          const mean = new SummedPicture(picture).resize(...to, 127.5, 128);
          return { ...small, data: [...small.data], mean: [...mean] };
        })));
    """

    def test_pictures_shrink_as_opencv_and_tensorflow_shrink_them(self, tmp_path):
        cv2, tf = pytest.importorskip("cv2"), pytest.importorskip("tensorflow")
        jobs, expected = [], []
        for number, (height, width, longest) in enumerate(
            [(90, 120, 60), (90, 120, 40), (75, 133, 64), (133, 75, 97), (50, 60, 60), (40, 41, 32)]
        ):
            image = np.random.default_rng(number).integers(
                0, 256, (height, width, 3), dtype=np.uint8
            )
            scale = min(1, longest / max(height, width))
            small = (round(width * scale), round(height * scale))
            shrunk = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
            to = (int(width * 0.6), int(height * 0.6))
            mean = tf.image.resize((image - 127.5) / 128, to[::-1], tf.image.ResizeMethod.AREA)
            expected.append((shrunk, np.moveaxis(mean.numpy(), -1, 0)))
            job = write_rgba(tmp_path / f"{number}.rgba", image)
            jobs.append(job | {"longest": longest, "to": to})
        (tmp_path / "jobs.json").write_text(json.dumps(jobs))
        received = node(self.SCRIPT, tmp_path / "jobs.json")
        for result, (shrunk, mean) in zip(received, expected, strict=True):
            data = np.reshape(result["data"], (result["height"], result["width"], 4))[..., :3]
            difference = np.abs(data - shrunk.astype(int))
            assert difference.max() <= 1
            # Halves that the last bit of a sum decides.
            assert (difference > 0).mean() < 2e-3
            np.testing.assert_allclose(result["mean"], mean.ravel(), atol=1e-5)


class TestTracking:
    def test_smoothing_is_pythons(self):
        values = np.random.default_rng(0).dirichlet(np.ones(7), 6)
        times = [0.0, 0.03, 0.1, 0.11, 0.5, 0.9]
        smoother = Smoother(0.3)
        expected = [smoother([4], [v], t)[0].tolist() for v, t in zip(values, times, strict=True)]
        script = """
            import { Smoother } from "ENGINE/tracking.js";
            const [values, times] = JSON.parse(process.argv[1]);
            const smoother = new Smoother(0.3);
            console.log(JSON.stringify(values.map((v, k) => smoother.smooth(4, v, times[k]))));
        """
        received = node(script, json.dumps([values.tolist(), times]))
        np.testing.assert_allclose(received, expected, atol=1e-12)

    SCRIPT = """
        import { Tracker } from "ENGINE/tracking.js";
        const { steps, detectEvery } = JSON.parse(process.argv[1]);
        let now;
        const faces = (boxes) => boxes.map((box) => ({ box, score: 1 }));
        const calls = [];
        const detector = {
          detect: async () => (calls.push("detect"), faces(now.boxes)),
          follow: async () => (calls.push("follow"), faces(now.followed ?? now.boxes)),
        };
        const tracker = new Tracker(detector, detectEvery);
        const tracks = [];
        for (now of steps) {
          const { width = 640, time } = now;
          const found = await tracker.step({ width, height: 480 }, time);
          tracks.push(found.map(({ track, face }) => [track, face.box[0]]));
        }
        console.log(JSON.stringify({ tracks, calls }));
    """

    def follow(self, steps, every=0):
        return node(self.SCRIPT, json.dumps({"steps": steps, "detectEvery": every}))

    def test_faces_keep_their_numbers(self):
        left, right = [10, 10, 50, 50], [100, 10, 50, 50]
        steps = [
            {"time": 0.0, "boxes": [left, right]},
            {"time": 0.1, "boxes": [[105, 10, 50, 50], [14, 10, 50, 50]]},
            {"time": 0.2, "boxes": [left]},
            {"time": 0.3, "boxes": [right, left]},
            {"time": 0.9, "boxes": [left]},
            {"time": 1.5, "boxes": [left, right]},
            {"time": 1.6, "boxes": [left], "width": 320},
        ]
        assert self.follow(steps)["tracks"] == [
            [[0, 10], [1, 100]],
            [[0, 14], [1, 105]],
            [[0, 10]],
            [[0, 10], [1, 100]],
            [[0, 10]],
            # Unseen for more than half a second.
            [[0, 10], [2, 100]],
            # Another picture size is another stream.
            [[3, 10]],
        ]

    def test_a_lost_face_is_looked_for_at_once(self):
        box = [10, 10, 50, 50]
        steps = [
            {"time": 0.0, "boxes": [box]},
            {"time": 0.1, "boxes": [[12, 10, 50, 50]]},
            {"time": 0.2, "boxes": [], "followed": []},
            {"time": 0.3, "boxes": [box]},
        ]
        received = self.follow(steps, every=0.25)
        assert received["tracks"] == [[[0, 10]], [[0, 12]], [], []]
        assert received["calls"] == ["detect", "follow", "follow", "detect"]


class TestAssets:
    SCRIPT = """
        import { readFiles, readManifest } from "ENGINE/assets.js";
        const bytes = new TextEncoder().encode("network");
        const hash = await crypto.subtle.digest("SHA-256", bytes);
        const sha256 = Buffer.from(hash).toString("hex");
        const source = { weights: "fer2013", model: "1a" };
        const manifest = { format: 1, source, files: { a: { bytes: bytes.length, sha256 } } };
        const answers = { "/m/a": bytes, "/n/a": "another", "/k/a": "x" };
        answers["/m/manifest.json"] = JSON.stringify(manifest);
        answers["/h/manifest.json"] = "<!doctype html>";
        answers["/n/manifest.json"] = JSON.stringify({ ...manifest, format: 0 });
        const get = async (url) =>
          new Response(answers[url], { status: url in answers ? 200 : 404 });
        const seen = [];
        const said = [];
        const first = await readManifest("/m/", source, get);
        const see = (...step) => seen.push(step);
        const read = await readFiles("/m/", first, ["a"], source, see, get);
        for (const url of ["/n/", "/k/", "/l/"]) {
          await readFiles(url, manifest, ["a"], source, undefined, get)
            .catch((e) => said.push(e.message));
        }
        const refused = [];
        for (const [url, server] of [
          ["/l/", { weights: "ferplus", model: "2b" }],
          ["/l/", undefined],
          ["/l/", { weights: "ferplus", command: "make them here" }],
          ["/n/", { weights: "ferplus", model: "2b" }],
          ["/m/", { weights: "ferplus", model: "2b" }],
          ["/m/", { weights: "fer2013", model: "2b" }],
          ["/m/", { weights: "fer2013", model: null }],
          ["/m/", { weights: "copy.keras", model: "1a" }],
          ["/l/", { advice: "Copy them." }],
          ["/h/", { advice: "Copy them." }],
        ]) {
          const answer = readManifest(url, server, get);
          refused.push(await answer.then(() => null, (error) => error.message));
        }
        const a = Buffer.from(read.a).toString();
        console.log(JSON.stringify({ a, seen: seen.at(-1), said, refused }));
    """
    COMMAND = "fer webcam --export-engine"

    def test_files_are_checked_before_they_are_used(self):
        received = node(self.SCRIPT)
        assert received["a"] == "network"
        assert received["seen"] == [7, 7]
        another, short, missing = received["said"]
        assert "a is not the file" in another
        assert another.endswith(f"{self.COMMAND} --weights fer2013")
        assert "a is not the file" in short
        assert "404" in missing

    def test_only_the_models_of_the_server_are_taken(self):
        *refused, unknown, renamed, absent, page = node(self.SCRIPT)["refused"]
        missing, anywhere, elsewhere, old, other, stale = refused
        for message in (missing, old, other):
            assert message.endswith(f"{self.COMMAND} --weights ferplus")
        assert "not on this server" in missing
        assert anywhere.endswith(self.COMMAND)
        assert elsewhere.endswith("To make them: make them here")
        assert "another version" in old
        assert "made from fer2013, but the server uses ferplus" in other
        assert "another state of fer2013" in stale
        assert stale.endswith(f"{self.COMMAND} --weights fer2013")
        assert unknown is None
        assert renamed is None
        assert absent == "The models for the browser are not on this server. Copy them."
        assert page == "/h/manifest.json does not describe the models for the browser. Copy them."


class TestBackend:
    SCRIPT = """
        import { chooseBackend } from "ENGINE/backend.js";
        const card = { requestAdapter: async () => ({ info: { isFallbackAdapter: false } }) };
        const drawn = { requestAdapter: async () => ({ info: { isFallbackAdapter: true } }) };
        const none = { requestAdapter: async () => null };
        const both = { webgpu: {} };
        const found = [];
        for (const [wanted, manifest, gpu] of [
          ["auto", both, card], ["auto", both, drawn], ["auto", both, none], ["auto", both],
          ["auto", {}, card], ["wasm", both, card], ["webgpu", both, card],
          ["webgpu", both, drawn], ["webgpu", both, none], ["webgpu", {}, card], ["gpu", both],
        ]) {
          found.push(await chooseBackend(wanted, manifest, gpu).catch((error) => error.message));
        }
        console.log(JSON.stringify(found));
    """

    def test_a_graphics_card_is_taken_where_there_is_one(self):
        *found, missing, processor, unknown = node(self.SCRIPT)
        assert found == ["webgpu", *["wasm"] * 5, "webgpu", "webgpu"]
        assert missing == "This browser has no WebGPU here. Ask for the backend wasm or auto."
        assert processor.startswith("These models bring no runtime for WebGPU.")
        assert unknown == "`backend` must be one of auto, webgpu, wasm. Received: backend=gpu"

    FAILURES = """
        import { startBackend } from "ENGINE/backend.js";
        const card = { requestAdapter: async () => ({}) };
        const broken = { requestAdapter: async () => { throw new Error("no driver"); } };
        const fail = async (backend) => {
          if (backend === "webgpu") throw new Error("device lost");
          return backend;
        };
        const works = async (backend) => backend;
        const found = [];
        for (const [wanted, gpu, load, start] of [
          ["auto", card, works, works], ["auto", card, works, fail], ["auto", broken, works, works],
          ["webgpu", card, works, fail], ["webgpu", broken, works, works],
          ["auto", card, fail, works],
        ]) {
          const said = [];
          const say = (text) => said.push(text);
          const steps = { load, start: (backend, files) => start(files) };
          const answer = await startBackend(wanted, { webgpu: {} }, steps, say, gpu)
            .then(({ backend, networks }) => [backend, networks], (error) => error.message);
          found.push([answer, said]);
        }
        console.log(JSON.stringify(found));
    """

    def test_a_graphics_card_that_fails_is_done_without(self):
        card, lost, broken, *failed, missing = node(self.FAILURES)
        words = "WebGPU failed in this browser ({}): the models run on the processor"
        assert card == [["webgpu", "webgpu"], []]
        assert lost == [["wasm", "wasm"], [words.format("device lost")]]
        assert broken == [["wasm", "wasm"], [words.format("no driver")]]
        # Nothing else is taken where WebGPU was asked for.
        words = "WebGPU failed in this browser ({}). Ask for the backend wasm or auto."
        assert failed == [[words.format(reason), []] for reason in ("device lost", "no driver")]
        # Files that cannot be had are no failure of the graphics card.
        assert missing == ["device lost", []]


class TestSets:
    SCRIPT = """
        import { openClasses } from "ENGINE/sets.js";
        const jobs = JSON.parse(process.argv[1]);
        console.log(JSON.stringify(jobs.map((job) => openClasses(...job))));
    """

    def test_classes_are_open_as_in_python(self):
        names = ("happy", "sad", "neutral", "fear")
        rows = np.random.default_rng(2).dirichlet(np.ones(4), 30).tolist()
        rules = [SetRule(0.9, 0.7), SetRule(0.9, 0.8, "adaptive"), SetRule(0.9, 0.0)]
        face = Face((0, 0, 9, 9), 1, detector="mtcnn")
        jobs = [(names, row, dataclasses.asdict(rule)) for row in rows for rule in rules]
        expected = [list(expression(face, row, names, rule=r).set) for row in rows for r in rules]
        *received, none = node(self.SCRIPT, json.dumps([*jobs, (names, rows[0], None)]))
        assert received == expected
        assert {len(each) for each in received} >= {1, 2, 3}
        assert none is None

    def test_the_rule_is_the_recognizers(self):
        rule = Recognizer("fer2013", detector="yunet").set_rule
        assert browser_export.set_rule("fer2013") == dataclasses.asdict(rule)
        assert browser_export.set_rule(object()) is None


class TestAnswers:
    SCRIPT = """
        import { answerOf, caption, reasonOf } from "ENGINE/../answers.js";
        const happy = { label: "happy", confidence: 0.48, answer: "happy" };
        const unsure = { ...happy, answer: "unsure" };
        const shown = [
          happy,
          { ...happy, set: ["happy"], quality: { verdict: "good" } },
          { ...unsure, set: ["happy", "neutral"], quality: null },
          { ...unsure, set: ["happy", "neutral", "sad"] },
          { ...unsure, set: null, quality: { verdict: "blurred" } },
          { ...unsure, set: ["happy"], quality: { verdict: "blurred, small" } },
        ];
        const say = (face) => [answerOf(face), caption(face), reasonOf(face)];
        console.log(JSON.stringify(shown.map(say)));
    """

    def test_the_page_says_which_classes_are_open_and_what_is_wrong(self):
        sure, same, two, three, blurred, small = node(self.SCRIPT)
        assert sure == same == ["happy", "happy 48 %", ""]
        assert two == 2 * ["unsure (happy or neutral)"] + [""]
        assert three[0] == "unsure (happy, neutral or sad)"
        assert blurred == 2 * ["unsure (happy)"] + ["This face is blurred"]
        assert small[2] == "This face is blurred and small"


class TestRecording:
    SCRIPT = """
        import { Recording } from "ENGINE/../recording.js";
        const sure = { score: 1, label: "a", confidence: 1, probabilities: { a: 1 }, answer: "a" };
        const face = { box: [1, 2, 3, 4], track: 0, ...sure };
        const recording = new Recording("server", 1200);
        recording.measures(["a"]);
        const said = [recording.summary()];
        const add = (count) => {
          for (let frame = 0; frame < count; frame += 1) {
            recording.add({ timestamp: frame, frame, faces: [face] }, 1);
          }
          said.push(recording.summary());
        };
        [1, 1199, 3].forEach(add);
        const quality = { verdict: "blurred, small", sharpness: 80.25, size: 20 };
        const unsure = { ...face, answer: "unsure", set: ["a", "b"], quality };
        const other = new Recording("server");
        other.measures(["a"]);
        other.add({ timestamp: 0, frame: 1, faces: [face, unsure] }, 1);
        const rows = recording.csv().trim().split("\\r\\n").length;
        console.log(JSON.stringify({ said, rows, csv: other.csv() }));
    """

    def test_rows_that_are_dropped_are_told(self):
        received = node(self.SCRIPT)
        assert received["said"] == [
            "0 rows",
            "1 row",
            "1,200 rows",
            "1,200 rows, 3 older dropped",
        ]
        assert received["rows"] == 1 + 1200

    def test_rows_say_how_sure_the_answer_is(self):
        rows = list(csv.DictReader(io.StringIO(node(self.SCRIPT)["csv"])))
        names = ("answer", "set", "quality", "sharpness", "face_size", "a", "engine")
        assert [[row[name] for name in names] for row in rows] == [
            ["a", "", "", "", "", "1.00000", "server"],
            ["unsure", "a;b", "blurred, small", "80.3", "20", "1.00000", "server"],
        ]


class TestExport:
    def test_a_model_that_is_not_there_is_named(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"missing\.keras"):
            browser_export.export_engine(tmp_path / "new", tmp_path / "missing.keras")
        assert not (tmp_path / "new").exists()

    def test_a_missing_package_is_named_with_the_extras(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "onnx", None)
        monkeypatch.setitem(sys.modules, "tf2onnx", None)
        with pytest.raises(ImportError) as caught:
            browser_export.export_engine(tmp_path / "new")
        assert str(caught.value) == (
            "The export of the page's own engine needs onnx, tf2onnx. "
            'Run: pip install "fer-keras[faces,web,export]"'
        )

    @pytest.mark.parametrize(
        ("shape", "units", "names", "message"),
        [
            ((16, 16, 3), 3, None, "`class_names` must be 3 different names"),
            ((16, 16, 3), 2, ["a", "a"], "`class_names` must be 2 different names"),
            ((16, 20, 3), 7, None, "must take one input"),
            ((16, 16, 2), 7, None, "must take one input"),
        ],
    )
    def test_bad_models(self, shape, units, names, message, tmp_path):
        import keras

        image = keras.Input(shape)
        model = keras.Model(image, keras.layers.Dense(units)(keras.layers.Flatten()(image)))
        with pytest.raises(ValueError, match=message):
            browser_export.export_engine(tmp_path / "new", model, class_names=names)
        assert not (tmp_path / "new").exists()

    def test_the_folder_is_in_the_users_cache(self, monkeypatch, tmp_path):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert browser_export.default_engine_folder() == tmp_path / "fer-keras" / "engine"
        monkeypatch.setenv("XDG_CACHE_HOME", "")
        folder = browser_export.default_engine_folder()
        assert folder == Path.home() / ".cache" / "fer-keras" / "engine"

    def test_a_folder_of_other_things_is_left_alone(self, tmp_path):
        (tmp_path / "photo.jpg").touch()
        with pytest.raises(ValueError, match="`folder` must be a new folder"):
            browser_export.export_engine(tmp_path)
        (tmp_path / "manifest.json").write_text('{"files": {}}')
        with pytest.raises(ValueError, match=r"photo\.jpg"):
            browser_export.export_engine(tmp_path)
        assert browser_export.read(tmp_path / "new") is None

    def test_without_npm_the_message_says_what_to_do(self, tmp_path, monkeypatch):
        monkeypatch.setattr(shutil, "which", lambda name: None)
        with pytest.raises(RuntimeError, match=r"npm is not here.*onnxruntime-web-.*\.tgz"):
            browser_runtime.write_runtime(tmp_path, tmp_path / "cache")

    def test_a_package_that_is_another_one_is_refused(self, tmp_path, monkeypatch):
        def pack(command, **options):
            name = f"onnxruntime-web-{browser_runtime.VERSION}.tgz"
            folder = command[command.index("--pack-destination") + 1]
            (tmp_path / "cache" / folder / name).write_bytes(b"something")
            return subprocess.CompletedProcess(command, 0, "", "")

        monkeypatch.setattr(shutil, "which", lambda name: name)
        monkeypatch.setattr(subprocess, "run", pack)
        with pytest.raises(RuntimeError, match="SHA-256"):
            browser_runtime.write_runtime(tmp_path, tmp_path / "cache")
        assert not list((tmp_path / "cache").iterdir())


@pytest.fixture(scope="module")
def normalizing():
    """A model that holds a mean that is no weight, a norm to fold, and no softmax of its own."""
    import keras

    keras.utils.set_random_seed(3)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Normalization(mean=[120.0, 110.0, 100.0], variance=[900.0, 1600.0, 2500.0]),
            layers.Conv2D(4, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(7, "softmax"),
        ]
    )
    norm = model.layers[2]
    norm.moving_mean.assign([0.1, -0.2, 0.3, 0.0])
    norm.moving_variance.assign([0.5, 2.0, 1.0, 3.0])
    return model


def test_a_model_with_a_normalization_is_written_with_its_norms_folded(normalizing, tmp_path):
    pytest.importorskip("tf2onnx")
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    path = tmp_path / "expression.onnx"
    assert browser_models.write_expression(normalizing, path) <= 1e-5
    assert [each.name for each in tmp_path.iterdir()] == ["expression.onnx"]
    written = onnx.load(path)
    assert "BatchNormalization" not in {node.op_type for node in written.graph.node}
    assert [entry.version for entry in written.opset_import if not entry.domain] == [17]
    session = runtime.InferenceSession(path)
    (image,) = session.get_inputs()
    assert image.shape[1:] == [16, 16, 3]
    for count in (1, 5):
        faces = np.random.default_rng(count).uniform(0, 255, (count, 16, 16, 3)).astype("float32")
        (received,) = session.run(None, {image.name: faces})
        np.testing.assert_allclose(received, normalizing.predict(faces, verbose=0), atol=1e-5)


def run_engine(assets, images, folder):
    """Return the engine's results in Node.js, each picture a stream of its own."""
    jobs = [write_rgba(folder / f"{place}.rgba", image) for place, image in enumerate(images)]
    (folder / "jobs.json").write_text(json.dumps(jobs))
    script = """
        import fs from "node:fs";
        import { createNetworks, networkFiles } from "ENGINE/networks.js";
        import { Pipeline } from "ENGINE/pipeline.js";
        const [, assets, jobs] = process.argv;
        const manifest = JSON.parse(fs.readFileSync(`${assets}/manifest.json`));
        const ort = await import(`file://${assets}/${manifest.runtime.module}`);
        const read = (name) => [name, new Uint8Array(fs.readFileSync(`${assets}/${name}`)).buffer];
        const files = Object.fromEntries(networkFiles(manifest).map(read));
        const networks = await createNetworks(ort, manifest, files);
        const pipeline = new Pipeline(networks, manifest, { smoothing: 0, detectEvery: 0 });
        const results = [];
        for (const { file, width, height } of JSON.parse(fs.readFileSync(jobs))) {
          const data = new Uint8ClampedArray(fs.readFileSync(file));
          pipeline.reset();
          results.push(await pipeline.process({ width, height, data }, { frame: 1, timestamp: 0 }));
        }
        console.log(JSON.stringify(results));
    """
    return node(script, assets, folder / "jobs.json")


@pytest.mark.slow
@pytest.mark.alone
def test_the_whole_engine_on_photos_and_a_video(engine_assets, tmp_path):
    from fer_data.faces import read_image
    from fer_data.video import Video

    images = [read_image(path) for path in sorted(shared_path("data/landmarks").glob("*.jpg"))]
    video = Video(shared_path("data/video/neutral_to_smile.mp4"))
    images += [frame.image for frame in video if frame.number % 24 == 0]
    found = [[face.to_dict() for face in faces] for faces in Recognizer("fer2013").photos(images)]
    assert sum(map(len, found)) > 15
    assert_same_faces(run_engine(engine_assets, images, tmp_path), found)


@pytest.mark.slow
@pytest.mark.alone
def test_a_folder_that_is_up_to_date_is_left_as_it_is(engine_assets):
    manifest = browser_export.read(engine_assets)
    assert manifest["source"]["model"] == model_digest("fer2013")
    assert max(manifest["differences"].values()) < 1e-4
    before = {path.name: path.stat().st_mtime_ns for path in engine_assets.iterdir()}
    assert browser_export.export_engine(engine_assets, "fer2013") == manifest
    assert {path.name: path.stat().st_mtime_ns for path in engine_assets.iterdir()} == before
