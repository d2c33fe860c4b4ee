"""Put into this folder what the npm package holds besides the committed files.

    python packages/web/build.py
    npm pack ./packages/web

`make web-package` does both. The models are made from the bundled weights as `fer webcam
--export-engine` makes them, and kept in `build/web` for the next time; the JavaScript of the engine
is that of the live page, copied; ONNX Runtime comes from its npm package, checked by its SHA-256.
"""

import importlib.metadata
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import fer_models.web
from fer_data.faces import cut, detector, yunet
from fer_data.files import write_json
from fer_models.web import browser_export, browser_models, browser_runtime, export_engine

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parents[1]
ENGINE = Path(fer_models.web.__file__).parent / "static" / "engine"
TAGS = ("fer2013", "ferplus")
YUNET = "yunet.onnx"


def build(folder: Path, engines: Mapping[str, Path]) -> dict[str, Any]:
    """Write `engine`, `models` and LICENSE into the package's folder, in place of older ones.

    Args:
        folder: The package's folder.
        engines: Folders that `export_engine` wrote, by the tag of the weights.

    Returns:
        What the files of `models` that describe the models hold, by tag.
    """
    engine, models = folder / "engine", folder / "models"
    for old in (engine, models):
        shutil.rmtree(old, ignore_errors=True)
    shutil.copytree(ENGINE, engine)
    models.mkdir()
    browser_runtime.write_runtime(
        models, browser_export.cache_folder(), browser_runtime.WEBGPU_FILES
    )
    browser_models.write_yunet(models)
    manifests = {tag: _copy(source, models, tag) for tag, source in engines.items()}
    described = browser_export.files(models)
    for tag, manifest in manifests.items():
        # A manifest names what its model needs, not the other models.
        own = {*manifest["files"], YUNET, *browser_runtime.WEBGPU_FILES}
        manifest["files"] = {name: described[name] for name in sorted(own)}
        write_json(models / f"{tag}.json", manifest)
    _copy_licences(folder, models)
    return manifests


def _copy(source, models, tag):
    """Copy the files of an engine's folder; return its manifest with the names that they get."""
    manifest = json.loads((source / browser_export.MANIFEST).read_text(encoding="utf-8"))
    name = f"ghostface_{tag}.onnx"
    manifest["expression"]["file"] = name
    manifest["webgpu"] = dict(zip(("module", "wasm"), browser_runtime.WEBGPU_FILES, strict=True))
    manifest["yunet"] = _yunet_options()
    renamed = {browser_export.EXPRESSION: name}
    for file in manifest["files"]:
        shutil.copyfile(source / file, models / renamed.get(file, file))
    manifest["files"] = [renamed.get(file, file) for file in manifest["files"]]
    return manifest


def _yunet_options():
    """Return the options of `detector("yunet")`, and how faces lie in its boxes."""
    network = detector("yunet")
    return {
        "workingSize": network.working_size,
        "minScore": network.min_score,
        "framing": cut.FRAMINGS["yunet"]._asdict(),
    }


def _copy_licences(folder, models):
    shutil.copyfile(ROOT / "LICENSE", folder / "LICENSE")
    for name in ("LICENSE-mtcnn.txt", "LICENSE-yunet.txt"):
        shutil.copyfile(yunet.FILE.parent / name, models / name)
    # The same project's licence and notices as those of its npm package, which leaves them out.
    runtime = Path(importlib.metadata.distribution("onnxruntime").locate_file("onnxruntime"))
    shutil.copyfile(runtime / "LICENSE", models / "LICENSE-onnxruntime.txt")
    shutil.copyfile(runtime / "ThirdPartyNotices.txt", models / "NOTICES-onnxruntime.txt")


def main() -> None:
    """Make the models where they are missing or out of date, and build the package's folder."""
    engines = {tag: ROOT / "build" / "web" / tag for tag in TAGS}
    for tag, folder in engines.items():
        export_engine(folder, tag)
    for tag, manifest in build(PACKAGE, engines).items():
        largest = max(manifest["differences"].values())
        print(f"{tag}: within {largest:.1e} of Keras")


if __name__ == "__main__":
    main()
