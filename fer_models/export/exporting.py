"""Writing a model for other programs, and checking that they compute the same."""

import dataclasses
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import keras
import numpy as np

from fer_data.checks import as_array, check_choice, check_flag, check_path, shown
from fer_models.export import writing
from fer_models.export.export_report import ExportReport, compare
from fer_models.export.exported import load, needs
from fer_models.export.folding import batch_norms, fold_batch_norm
from fer_models.zoo.face_outputs import EXPRESSION, gives_valence_arousal, in_one_row
from fer_models.zoo.float32_copy import TOLERANCES, float32_copy, half_type
from fer_models.zoo.model_checks import check_model, check_one_output

Format = Literal["litert", "litert-int8", "onnx", "saved_model"]
SUFFIXES: dict[Format, str] = {
    "litert": ".tflite",
    "litert-int8": ".tflite",
    "onnx": ".onnx",
    "saved_model": "",
}
# The packages that each needs beside TensorFlow, to write it and to compare it.
PACKAGES = {"onnx": ("tf2onnx", "onnx", "onnxruntime")}
DRAWN = 14  # faces, two of each emotion


def export(
    model: keras.Model,
    path: str | os.PathLike[str],
    format: Format,
    faces: np.ndarray | Sequence[np.ndarray] | dict[str, np.ndarray] | None = None,
    representative: np.ndarray | Sequence[np.ndarray] | dict[str, np.ndarray] | None = None,
    *,
    fold: bool = True,
    tolerance: float = 1e-4,
    overwrite: bool = False,
    verbose: bool = True,
) -> ExportReport:
    """Write a model for other programs, and compare what they compute with Keras.

    | format | file | runs on | batch |
    |---|---|---|---|
    | `"litert"` | `.tflite` | phones, browsers, small computers | 1 |
    | `"litert-int8"` | the same, a third as large | the same | 1 |
    | `"onnx"` | `.onnx` | ONNX Runtime and most other engines | any |
    | `"saved_model"` | a folder | TensorFlow Serving | any |

    The file is written under a temporary name and run by its own engine on `faces`. It takes its
    final name only if it gives what the model gives; otherwise nothing is left behind.

    A model of half precision, such as one trained under `"mixed_float16"`, is written as its copy
    in float32; see `fer_models.zoo.float32_copy`. The copy is first compared with the model, to
    0.02 in float16 and 0.1 in bfloat16. The file must then agree with the copy to `tolerance`.

    `"litert-int8"` has weights of 8 bits, one scale a channel. Without `representative` the
    activations stay in floating point, which loses least. With it they have 8 bits as well, in the
    ranges that these inputs show. This is faster and also runs on processors without floating
    point, but changes the answers more. Input and output are float32 both times. Compare the
    accuracy on faces that were not in training, with `accuracy_lost` or `fer export`.

    Args:
        model: A built Keras model of one output, on the TensorFlow backend; a `.keras` file
            trained on another backend can be loaded there. From a model with a dictionary or a list
            of outputs, choose one: `keras.Model(model.inputs, model.output["emotion"])`. A model of
            `fer_models.with_valence_arousal` is written with one output of `classes + 2` numbers:
            the probabilities, then valence and arousal.
        path: Name of the file, with the ending of the table, or of the folder.
        format: One of the table.
        faces: What to compare on: an array `(n, height, width, channels)` in the range that the
            model takes, or a list or dictionary of arrays where it has several inputs. Default:
            14 drawn faces, for models of one image of a known square size.
        representative: A hundred or more inputs like those of later use, in the forms that `faces`
            may have, for 8 bits in activations too. For `"litert-int8"` alone.
        fold: Whether `fold_batch_norm` comes first.
        tolerance: Largest accepted difference of an output: absolute, or relative to the largest
            output if that is above 1. It does not apply to `"litert-int8"`.
        overwrite: Whether an existing file or folder at `path` is replaced.
        verbose: Whether to print the report.

    Returns:
        An `ExportReport`.

    Raises:
        ValueError: If an argument breaks its rule, the engine lacks an operation
            (`fer_data.compiled.lite_graph.NotConvertibleError`), or the outputs differ by more than
            `tolerance`.
        ImportError: If a package is missing; the message tells how to install it.

    Example:

    ```python
    model = fer_models.ghostface(weights="fer2013")
    export(model, "ghostface.onnx", "onnx", faces)
    export(model, "ghostface.tflite", "litert-int8", faces, representative=training_faces[:200])
    ```
    """
    check_path("path", path)
    path = Path(path)
    for name, flag in (("fold", fold), ("overwrite", overwrite)):
        check_flag(name, flag)
    classes = model.output[EXPRESSION].shape[1] if gives_valence_arousal(model) else None
    model = in_one_row(model)
    _check(model, path, format, representative, tolerance, overwrite)
    for package in PACKAGES.get(format, ()):
        needs(package)
    drawn = faces is None
    faces = _arrays("faces", _drawn_faces(model) if drawn else faces, model)
    if representative is not None:
        representative = _arrays("representative", representative, model)
        _check_representative(representative, faces)
    half = half_type(model)
    if half is not None:
        model = _checked_copy(model, faces, half)
    written = fold_batch_norm(model) if fold else model
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as folder:
        unfinished = Path(folder, path.name)
        numbers = writing.write(written, unfinished, format, representative)
        comparison = _compare(model, load(unfinished), faces, classes)
        if format != "litert-int8":
            _check_close(comparison, tolerance, path)
        _put_in_place(unfinished, path, Path(folder, "replaced"))
    kept = batch_norms(written)
    report = ExportReport(
        path=str(path),
        format=format,
        size=_size(path),
        numbers=numbers if half is None else f"{numbers}, from a model in {half}",
        folded=len(batch_norms(model)) - len(kept),
        kept=kept,
        faces=f"{DRAWN} drawn faces" if drawn else f"{len(faces[0])} given inputs",  # type: ignore[index]
        comparison=comparison[0],
    )
    if verbose:
        print(report)
    return report


def _check(model, path, format, representative, tolerance, overwrite):
    check_choice("format", format, list(SUFFIXES))
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "Models are exported on the TensorFlow backend: save the model as a .keras file and "
            "load it with KERAS_BACKEND=tensorflow. Received: backend="
            f"{keras.backend.backend()!r}"
        )
    check_model(model)
    if not getattr(model, "inputs", None):
        raise ValueError(
            "`model` must be a built `keras.Model` with inputs of its own. "
            f"Received: model={model!r}"
        )
    check_one_output(model)
    if path.suffix != SUFFIXES[format] and format != "saved_model":
        raise ValueError(
            f"`path` must end in {SUFFIXES[format]} for format={format!r}. "
            f"Received: path={str(path)!r}"
        )
    if format == "saved_model" and path.suffix in SUFFIXES.values() and path.suffix:
        raise ValueError(
            "`path` must be the name of a folder for format='saved_model'. "
            f"Received: path={str(path)!r}"
        )
    if path.exists() and not overwrite:
        raise ValueError(
            "`path` must not exist yet, or `overwrite` must be True. "
            f"Received: path={str(path)!r}, which exists"
        )
    if path.exists() and path.is_dir() != (format == "saved_model"):
        kind = "folder" if path.is_dir() else "file"
        raise ValueError(
            f"`path` must not be a {kind} that format={format!r} cannot replace. "
            f"Received: path={str(path)!r}"
        )
    if format == "saved_model" and path.is_dir() and not (path / "saved_model.pb").is_file():
        raise ValueError(
            "`path` must not be a folder of something else than a SavedModel. "
            f"Received: path={str(path)!r}"
        )
    if representative is not None and format != "litert-int8":
        raise ValueError(
            "`representative` is for format='litert-int8' alone. Received: "
            f"format={format!r}, representative of type {type(representative).__name__}"
        )
    if isinstance(tolerance, bool) or not isinstance(tolerance, (int, float)) or not tolerance > 0:
        raise ValueError(f"`tolerance` must be above 0. Received: tolerance={shown(tolerance)}")


def _arrays(name, value, model):
    """Return one float32 array for each input of the model, in its order, after checking them."""
    inputs = model.inputs
    if isinstance(value, dict):
        wanted = [each.name for each in inputs]
        if set(value) != set(wanted):
            raise ValueError(
                f"`{name}` must have the model's input names {wanted}. Received: {sorted(value)}"
            )
        value = [value[each] for each in wanted]
    elif len(inputs) == 1 and not isinstance(value, (list, tuple)):
        value = [value]
    if not isinstance(value, (list, tuple)) or len(value) != len(inputs):
        raise ValueError(
            f"`{name}` must hold {len(inputs)} array(s), one for each input of the model. "
            f"Received: {type(value).__name__}"
            + (f" of {len(value)}" if isinstance(value, (list, tuple)) else "")
        )
    arrays = [as_array(name, array) for array in value]
    for array, spec in zip(arrays, inputs, strict=True):
        fits = array.ndim == len(spec.shape) and all(
            size in (None, own) for size, own in zip(spec.shape[1:], array.shape[1:], strict=True)
        )
        if not fits or array.dtype.kind not in "fiu":
            raise ValueError(
                f"`{name}` must be numbers of the shape {tuple(spec.shape)} for input "
                f"{spec.name!r}. Received: {array.dtype} of {array.shape}"
            )
        if not len(array) or len(array) != len(arrays[0]):
            raise ValueError(
                f"`{name}` must hold one example at least, and as many for each input. "
                f"Received: {[len(each) for each in arrays]}"
            )
        if not np.isfinite(array).all():
            raise ValueError(f"`{name}` must be finite. Received: NaN or infinity")
    return [array.astype("float32") for array in arrays]


def _check_representative(representative, faces):
    for array, other in zip(representative, faces, strict=True):
        low, high = float(array.min()), float(array.max())
        if low == high:
            raise ValueError(
                "`representative` must show the range of later inputs. "
                f"Received: every value is {low:g}"
            )
        # Divided by 255, say, where the model takes pixels as they are, or multiplied.
        least, most = float(other.min()), float(other.max())
        span = most - least
        if high - low < 0.1 * span or low < least - span or high > most + span:
            raise ValueError(
                "`representative` must have the range of `faces`. Received: "
                f"[{low:g}, {high:g}] where `faces` have [{least:g}, {most:g}]"
            )


def _drawn_faces(model):
    from fer_data.synthetic import generate

    shape = tuple(model.inputs[0].shape[1:])
    first = keras.config.image_data_format() == "channels_first"
    height, width, channels = (
        (*shape[1:], shape[0])
        if first and len(shape) == 3
        else (shape if len(shape) == 3 else (None, None, None))
    )
    if len(model.inputs) != 1 or height != width or channels not in (1, 3) or (height or 0) < 24:
        raise ValueError(
            "`faces` must be given, since faces are drawn for models of one square image of known "
            f"size only. Received: faces=None for inputs {[tuple(x.shape) for x in model.inputs]}"
        )
    drawn = generate(DRAWN, seed=0, size=height, grey=channels == 1)
    images = np.stack([face.image[..., :channels] for face in drawn])
    return np.moveaxis(images, -1, 1) if first else images


def _compare(model, run, faces, classes):
    """Return `Comparison` of model and file, and the largest output of the model.

    Where other outputs stand behind those of so many `classes`, the label is that of the classes.
    """
    inputs = writing.like_inputs(model, faces)
    expected = model.predict(inputs, batch_size=32, verbose=0)
    names = [each.name for each in model.inputs]
    received = run(faces[0] if len(names) == 1 else dict(zip(names, faces, strict=True)))
    found = compare(expected, received)
    if classes is not None:
        labels = compare(expected[:, :classes], received[:, :classes])
        found = dataclasses.replace(found, label_agreement=labels.label_agreement)
    return found, float(np.abs(expected).max())


def _checked_copy(model, faces, half):
    copy = float32_copy(model)
    inputs = writing.like_inputs(model, faces)
    expected, received = (
        np.asarray(each.predict(inputs, batch_size=32, verbose=0), "float64")
        for each in (model, copy)
    )
    found = compare(expected, received)
    allowed = TOLERANCES[half] * max(1.0, float(np.abs(expected).max()))
    if found.max_abs_error > allowed:
        raise ValueError(
            f"The copy in float32 must give what the model in {half} gives, to {allowed:.2g}. "
            f"Received: {found}"
        )
    return copy


def _check_close(comparison, tolerance, path):
    found, largest = comparison
    allowed = tolerance * max(1.0, largest)
    if found.max_abs_error > allowed:
        raise ValueError(
            f"The exported model must give what the Keras model gives, to {allowed:.2g}; "
            f"{str(path)!r} was not written. Received: {found}"
        )


def _put_in_place(unfinished, path, replaced):
    if not path.is_dir():
        os.replace(unfinished, path)
        return
    # A folder cannot be renamed onto another one.
    os.rename(path, replaced)
    try:
        os.replace(unfinished, path)
    except BaseException:
        os.rename(replaced, path)
        raise


def _size(path):
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
