"""The expression model by its tag or file, and the digest by which two of them are told apart."""

import hashlib
import json
from pathlib import Path


def load(weights):
    """Return the model of a tag or a file, and the names of its classes, as `Recognizer` does."""
    import keras

    from fer_data.labels import EMOTIONS
    from fer_models import registry

    if not str(weights).endswith(".keras"):
        entry = registry.entry("ghostface")
        if weights not in entry.weights:
            raise ValueError(
                f"`weights` must be one of {sorted(entry.weights)} or a .keras file. "
                f"Received: weights={weights!r}"
            )
        return entry.builder(weights=weights), entry.weights[weights].class_names
    if not Path(weights).is_file():
        raise FileNotFoundError(f"There is no model at {str(weights)!r}.")
    model = keras.saving.load_model(weights, compile=False)
    if model.output_shape[-1] != len(EMOTIONS):
        raise ValueError(
            f"The model must give the {len(EMOTIONS)} classes of `fer_data.labels.EMOTIONS`. "
            f"Received: output_shape={model.output_shape}"
        )
    return model, EMOTIONS


def digest(model):
    """Return the SHA-256 of a model's layers and weights: whatever changes its answers changes it.

    Names of files and tags say nothing of it: a file may be trained anew under its name.
    """
    found = hashlib.sha256(json.dumps(model.get_config(), sort_keys=True, default=str).encode())
    for weight in model.get_weights():
        found.update(weight.tobytes())
    return found.hexdigest()
