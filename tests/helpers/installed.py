"""What an installed wheel must be able to do; run by the Python that it was installed for."""

import importlib.metadata
import pathlib
import subprocess
import sys

import numpy as np
from PIL import Image

import fer_data
import fer_layers
import fer_models
from fer_data.synthetic import generate
from fer_models.zoo import bundled

for package in (fer_data, fer_layers, fer_models):
    folder = pathlib.Path(package.__file__).parent
    assert folder.is_relative_to(sys.prefix), f"{folder} is not what was installed"
    assert (folder / "py.typed").is_file(), f"{folder} is not typed"
for source, known in bundled.all_weights().items():
    model, names = fer_models.load_model(source)
    probabilities = model.predict(np.zeros((1, *known.input_shape), "float32"), verbose=0)
    assert probabilities.shape == (1, len(names)), probabilities.shape
    assert abs(probabilities.sum() - 1) < 1e-4, probabilities
    assert known.file in fer_models.model_card(*source.split(":"))

# The command, in a process of its own: a drawn face is found and named, and nothing else is said.
(face,) = generate(1, seed=3, size=192)
Image.fromarray(np.pad(face.image, ((64, 64), (64, 64), (0, 0)), mode="edge")).save("face.png")
command = pathlib.Path(sys.executable).with_name("fer")
done = subprocess.run([command, "recognise", "face.png"], capture_output=True, text=True)
assert (done.returncode, done.stderr) == (0, ""), done
assert done.stdout.startswith("face.png: "), done.stdout
assert pathlib.Path("runs/recognise/face/results.json").is_file()
print(
    f"fer-keras {importlib.metadata.version('fer-keras')} works on Python {sys.version.split()[0]}"
)
