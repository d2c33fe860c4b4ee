"""The folder from which the page's own engine loads its networks, so that no picture is sent."""

import dataclasses
import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_data import arguments
from fer_models.web import browser_models, browser_runtime
from fer_models.web.digest import model_digest
from fer_models.web.packages import check_export_packages
from fer_models.zoo import bundled
from fer_models.zoo.set_rule import SetRule

if TYPE_CHECKING:
    import keras

MANIFEST = "manifest.json"
FORMAT = 1
EXPRESSION = "expression.onnx"
COVERAGE = 0.9  # of the sets, as the Recognizer's by default


def cache_folder() -> Path:
    """Return the user's folder for what can be made or fetched again."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "fer-keras"


def default_engine_folder() -> Path:
    """Return the folder where `export_engine` writes and `fer webcam` looks unless told otherwise.

    It lies in the user's cache, `$XDG_CACHE_HOME` or `~/.cache`, and need not be there.
    """
    return cache_folder() / "engine"


@arguments.checked(
    folder=arguments.path,
    weights=arguments.either(
        arguments.path,
        arguments.with_method("get_config", ""),
        rule="bundled weights such as 'ghostface:fer2013', the path of a file, or a keras.Model",
    ),
    class_names=arguments.sequence(arguments.scalar),
    cache=arguments.path,
)
def export_engine(
    folder: str | os.PathLike[str] | None = None,
    weights: "str | os.PathLike[str] | keras.Model" = bundled.DEFAULT_WEIGHTS,
    *,
    class_names: Sequence[str] | None = None,
    cache: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Write the networks with which the page works in the browser itself (`?engine=browser`).

    These are the face detector MTCNN and the expression model as ONNX, ONNX Runtime for browsers
    from its npm package, and `manifest.json` with the SHA-256 of each file. npm and the network are
    needed once. The folder is complete or not there, and one that is up to date is left as it is.

    Args:
        folder: Where to write: a new folder, an empty one, or one that was written by this.
            Default: `default_engine_folder()`.
        weights: Expression model from `(batch, size, size, 1 or 3)` in [0, 255] to probabilities,
            as for `fer_models.load_model`.
        class_names: Names of its outputs in their order. Default: those that come with the model,
            or `fer_data.labels.EMOTIONS` for a model of 7.
        cache: Folder that keeps the npm package between exports. Default: the user's cache.

    Returns:
        The manifest: `"files"` by name, `"differences"` (the greatest ones from Keras by network),
        `"source"`, and what the engine must know.

    Raises:
        FileNotFoundError: If there is no model at the path.
        ImportError: If a package is missing; the message names it.
        RuntimeError: If npm is missing, or a network of the detector differs from Keras.
        ValueError: If the folder holds something else, the model has another input or output, or
            it differs as ONNX from what it was.

    Example:

    ```python
    export_engine("engine", "my_model.keras")
    ```
    """
    check_export_packages()
    folder = Path(folder or default_engine_folder()).resolve()
    old = read(folder)
    model, class_names = _model(weights, class_names)
    label = model.name if model is weights else os.fspath(weights)  # type: ignore[union-attr]
    source = source_of(weights, label, class_names)
    if old and old.get("source") == source and old.get("files") == files(folder):
        return old
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as name:
        fresh = Path(name) / "fresh"
        fresh.mkdir()
        browser_runtime.write_runtime(fresh, cache or cache_folder())
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
                "sets": set_rule(weights),
            },
            "crop": crop_rule(),
            "files": files(fresh),
        }
        (fresh / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        # Two renames: a server that is running finds the old folder, the new one, or none.
        if folder.exists():
            folder.rename(Path(name) / "old")
        fresh.rename(folder)
    return manifest


def _model(weights, class_names):
    """Return an expression model and the names of its classes, as a Recognizer takes them."""
    from fer_data.labels import EMOTIONS
    from fer_models.zoo.loading import load_model

    model, known = load_model(weights)
    taken, given = getattr(model, "input_shape", None), getattr(model, "output_shape", None)
    if (
        not (isinstance(taken, tuple) and len(taken) == 4 and taken[1])
        or taken[1] != taken[2]
        or taken[3] not in (1, 3)
        or not (isinstance(given, tuple) and len(given) == 2)
    ):
        raise ValueError(
            "The model must take one input (batch, size, size, 1 or 3), its size fixed, and give "
            f"one output (batch, classes). Received: input_shape={taken}, output_shape={given}"
        )
    names = tuple(class_names or known or EMOTIONS)
    if len(names) != given[1] or len(set(names)) != len(names):
        raise ValueError(
            f"`class_names` must be {given[1]} different names, one for each output of the model. "
            f"Received: {names}"
        )
    return model, names


def read(folder: Path) -> dict[str, Any] | None:
    """Return the manifest of a folder, or `None` where there is no folder or an empty one."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return None
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        known = manifest["files"].keys() | {MANIFEST}
        strangers = sorted({path.name for path in folder.iterdir()} - known)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        strangers = [f"no {MANIFEST} of this program"]
    if strangers:
        raise ValueError(
            "`folder` must be a new folder, an empty one, or one that was written by this. "
            f"Received: folder={str(folder)!r} with {', '.join(strangers)}"
        )
    return manifest


def files(folder: Path) -> dict[str, dict[str, Any]]:
    """Return size and SHA-256 of the files of a folder, by name."""
    described = {}
    for path in sorted(folder.iterdir()):
        if path.name != MANIFEST:
            content = path.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            described[path.name] = {"bytes": len(content), "sha256": digest}
    return described


def source_of(
    weights: "str | os.PathLike[str] | keras.Model", label: str, class_names: Sequence[str]
) -> dict[str, Any]:
    """Return what the files are made from: the same source gives the same folder.

    Args:
        weights: The expression model, as for `export_engine`.
        label: What the page calls it.
        class_names: Names of its classes.
    """
    program = hashlib.sha256()
    for path in (__file__, browser_models.__file__, browser_runtime.__file__):
        program.update(Path(path).read_bytes())
    return {
        "weights": label,
        "class_names": list(class_names),
        "crop": crop_rule(),
        "detector": detector_options(),
        "sets": set_rule(weights),
        "model": model_digest(weights),
        "program": program.hexdigest(),
        "packages": {
            browser_runtime.PACKAGE: browser_runtime.VERSION,
            **{name: version(name) for name in ("fer-keras", "keras", "mtcnn", "onnx", "tf2onnx")},
        },
    }


def set_rule(weights: "str | os.PathLike[str] | keras.Model") -> dict[str, Any] | None:
    """Return the rule of the classes that answers leave open, of the Recognizer's usual coverage.

    Args:
        weights: The expression model, as for `export_engine`.

    Returns:
        The fields of a `SetRule`; None for a network that is not bundled or has no rule.
    """
    if not isinstance(weights, (str, os.PathLike)):
        return None
    source = bundled.located(weights)
    if isinstance(source, Path):
        return None
    rule = SetRule.of_card(bundled.weights(*source).card, COVERAGE)
    return None if rule is None else dataclasses.asdict(rule)


def detector_options() -> dict[str, Any]:
    """Return the options of `detector("mtcnn")`, as the engine calls them."""
    from fer_data.faces import detector

    network = detector("mtcnn")
    first, second = network.proposal_scores  # type: ignore[attr-defined]
    return {
        "workingSize": network.working_size,
        "proposalScore": first,
        "refinedScore": second,
        "minScore": network.min_score,
    }


def crop_rule() -> dict[str, Any]:
    """Return the constants of the rule by which faces are cut out."""
    from fer_data.faces import cut

    return {
        "framing": cut.FRAMINGS["mtcnn"]._asdict(),
        "mostRoll": cut.MOST_ROLL,
        "grey": list(cut.GREY),
    }
