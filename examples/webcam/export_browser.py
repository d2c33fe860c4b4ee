"""Make the folder from which `?engine=browser` loads its models, so that no picture is sent.

    python examples/webcam/export_browser.py --output examples/webcam/engine-assets
    python examples/webcam/export_browser.py --output FOLDER --weights my_model.keras

Writes the face detector and the expression model as ONNX, ONNX Runtime for browsers from its npm
package (npm and the network are needed once), and manifest.json with the SHA-256 of each file.
The folder is complete or not there, and one that is up to date is left as it is.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import browser_models
import browser_runtime
import expression_model

MANIFEST = "manifest.json"
FORMAT = 1
EXPRESSION = "expression.onnx"
NEEDED = ("mtcnn", "onnx", "onnxruntime", "tf2onnx")


def check_packages():
    """Raise `ImportError` if a package is missing, before anything slow is loaded."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(
            f'The export needs {", ".join(missing)}: pip install "fer-keras[faces,web,export]"'
        )


def export(output, model, class_names, cache, weights=""):
    """Write the folder, unless it holds just this already.

    Args:
        output: Its name; if it is there, it must be empty or written by this.
        model: The expression model, from `(batch, size, size, 1 or 3)` in [0, 255] to
            probabilities.
        class_names: Their names.
        cache: Folder that keeps the npm package.
        weights: What the model's weights are called.

    Returns:
        The manifest as a dictionary.

    Raises:
        ValueError: If the folder holds something else, or the expression model differs as ONNX
            from what it was.
        RuntimeError: If npm is missing, or a network of the detector differs.
    """
    output = Path(output).resolve()
    old, source = read(output), source_of(model, weights, class_names)
    if old and old.get("source") == source and old.get("files") == files(output):
        return old
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as name:
        fresh = Path(name) / "fresh"
        fresh.mkdir()
        browser_runtime.write_runtime(fresh, cache)
        differences = browser_models.write_detector(fresh)
        differences["expression"] = browser_models.write_expression(model, fresh / EXPRESSION)
        manifest = {
            "format": FORMAT,
            "source": source,
            "differences": differences,
            "runtime": dict(zip(("module", "wasm"), browser_runtime.FILES, strict=True)),
            "detector": detector_options(),
            "expression": {
                "file": EXPRESSION,
                "size": model.input_shape[1],
                "channels": model.input_shape[3],
                "classNames": list(class_names),
            },
            "crop": crop_rule(),
            "files": files(fresh),
        }
        (fresh / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
        # Two renames: a server that is running finds the old folder, the new one, or none.
        if output.exists():
            output.rename(Path(name) / "old")
        fresh.rename(output)
    return manifest


def read(output):
    """Return the manifest of a folder, or `None` where there is no folder or an empty one."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return None
    try:
        manifest = json.loads((output / MANIFEST).read_text())
        known = manifest["files"].keys() | {MANIFEST}
        strangers = sorted({path.name for path in output.iterdir()} - known)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        strangers = [f"no {MANIFEST} of this program"]
    if strangers:
        raise ValueError(
            "`output` must be a new folder, an empty one, or one that was written by this. "
            f"Received: output={str(output)!r} with {', '.join(strangers)}"
        )
    return manifest


def files(folder):
    """Return size and SHA-256 of the files of a folder, by name."""
    described = {}
    for path in sorted(folder.iterdir()):
        if path.name != MANIFEST:
            content = path.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            described[path.name] = {"bytes": len(content), "sha256": digest}
    return described


def source_of(model, weights, class_names):
    """Return what the files are made from: the same source gives the same folder."""
    program = hashlib.sha256()
    modules = (browser_models, browser_runtime, expression_model)
    for path in (__file__, *(module.__file__ for module in modules)):
        program.update(Path(path).read_bytes())
    return {
        "weights": str(weights),
        "class_names": list(class_names),
        "crop": crop_rule(),
        "detector": detector_options(),
        "model": expression_model.digest(model),
        "program": program.hexdigest(),
        "packages": {
            browser_runtime.PACKAGE: browser_runtime.VERSION,
            **{name: version(name) for name in ("fer-keras", "keras", "mtcnn", "onnx", "tf2onnx")},
        },
    }


def detector_options():
    """Return the options of `detector("mtcnn")`, as the engine calls them."""
    from fer_data.faces import detector

    network = detector("mtcnn")
    first, second = network.proposal_scores
    return {
        "workingSize": network.working_size,
        "proposalScore": first,
        "refinedScore": second,
        "minScore": network.min_score,
    }


def crop_rule():
    """Return the constants of the rule by which faces are cut out."""
    from fer_models.recognizer import cropping

    return {
        "framing": cropping.FRAMINGS["mtcnn"]._asdict(),
        "mostRoll": cropping.MOST_ROLL,
        "grey": list(cropping.GREY),
    }


def default_cache():
    """Return the folder that keeps the npm package between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "fer-keras"


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--output", required=True, type=Path, help="folder to write")
    parser.add_argument(
        "--weights", default="fer2013", help="tag of the registry, or a .keras file"
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=default_cache(),
        help="folder that keeps the npm package",
    )
    options = parser.parse_args(argv)
    try:
        check_packages()
        model, class_names = expression_model.load(options.weights)
        manifest = export(
            options.output, model, class_names, options.cache, weights=options.weights
        )
    except (ImportError, OSError, ValueError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    total = sum(each["bytes"] for each in manifest["files"].values())
    print(f"{options.output}: {len(manifest['files'])} files, {total / 1e6:.1f} MB")
    for name, difference in manifest["differences"].items():
        print(f"  {name}: {difference:.1e} at most from Keras")
    return 0


if __name__ == "__main__":
    sys.exit(main())
