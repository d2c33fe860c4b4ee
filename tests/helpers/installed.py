"""What an installed wheel must be able to do; run by the Python that it was installed for."""

import importlib.metadata
import pathlib
import sys

import numpy as np

import fer_data
import fer_layers
import fer_models

for package in (fer_data, fer_layers, fer_models):
    folder = pathlib.Path(package.__file__).parent
    assert folder.is_relative_to(sys.prefix), f"{folder} is not what was installed"
    assert (folder / "py.typed").is_file(), f"{folder} is not typed"
for tag in ("fer2013", "ferplus"):
    model = fer_models.ghostface(weights=tag)
    probabilities = model.predict(np.zeros((1, 48, 48, 1), "float32"), verbose=0)
    assert probabilities.shape == (1, 7), probabilities.shape
    assert abs(probabilities.sum() - 1) < 1e-4, probabilities
    assert tag in fer_models.model_card("ghostface", tag)
print(
    f"fer-keras {importlib.metadata.version('fer-keras')} works on Python {sys.version.split()[0]}"
)
