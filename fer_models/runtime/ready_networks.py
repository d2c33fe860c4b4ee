"""The bundled weights as networks that are ready to run."""

import os
from typing import Any

from fer_data.checks import check_text
from fer_data.compiled import lite_runner, ready_files
from fer_models.runtime.face_network import FaceNetwork
from fer_models.zoo import bundled


def ready_network(source: str | os.PathLike[str] | Any, model: str) -> FaceNetwork | None:
    """Return bundled weights as a network on LiteRT, or None if none is ready.

    Neither Keras nor TensorFlow is imported, where LiteRT is installed.

    Args:
        source: What `fer_models.load_model` takes: `"ghostface:fer2013"` and `"fer2013"` name
            bundled weights; for anything else there is no ready network.
        model: Name of the model to which a tag alone belongs. A tag that the default model does not
            have, and one other model has, is that one's.

    Returns:
        `FaceNetwork`, or None: for other sources, without LiteRT, and where the ready file was made
        from other weights than those that are bundled now.

    Raises:
        ValueError: If `model` is no text, or the file is damaged.

    Example:

    >>> network = ready_network("ghostface:ferplus", "ghostface")
    >>> network.size, network.channels, network.class_names[3]
    (48, 1, 'happy')
    """
    check_text("model", model)
    if not isinstance(source, str):
        return None
    name, tag = bundled.split(source, model)
    if f"{name}:{tag}" not in ready_names() or not lite_runner.available():
        return None
    run = lite_runner.LiteNetwork(ready_files.read(bundled.FOLDER, f"{name}_{tag}"))
    size, _, channels = run.input_shape
    (classes,) = run.output_shape
    return FaceNetwork(run, size, channels, classes, bundled.weights(name, tag).class_names)  # type: ignore[arg-type]


def ready_names() -> list[str]:
    """Return the bundled weights that are ready to run.

    Example:

    >>> for name in ready_names():
    ...     print(name)
    efficientface:fer2013
    ghostface:fer2013
    ghostface:ferplus
    pretrained_classifier:large
    """
    found = []
    for entry in ready_files.entries(bundled.FOLDER).values():
        known = bundled.all_weights().get(entry["source"])
        # Weights that were packed anew wait for `fer_models.runtime.making`.
        if known is not None and known.sha256 == entry["source_sha256"]:
            found.append(entry["source"])
    return found
